"""Messages: sending, attributes, batches with partial failures, receiving, deleting, purging."""

import time

import pytest

from helpers import (
    attribute_digest, attributes, bodies, body_digest, delete, is_empty, receive, receive_exactly, receive_one, refused,
)

VECTORS = [
    ({"my_attribute_name_1": {"DataType": "String", "StringValue": "my_attribute_value_1"},
      "my_attribute_name_2": {"DataType": "String", "StringValue": "my_attribute_value_2"}},
     "c48838208d2b4e14e3ca0093a8443f09"),
    ({"my_attribute_name_1": {"DataType": "String", "StringValue": "my_attribute_value_1"}},
     "8ef4d60dbc8efda9f260e1dfd09d29f3"),
    ({"test_attribute_name_1": {"DataType": "String", "StringValue": "test_attribute_value_1"}},
     "ba056227cfd9533dba1f72ad9816d233"),
    ({"baz": {"DataType": "String", "StringValue": "qux"}}, "16bd0283a5b4962721ccd3efe4bc6257"),
    ({"Count": {"DataType": "Number.int", "StringValue": "42"},
      "a": {"DataType": "String", "StringValue": "é"},
      "blob": {"DataType": "Binary.png", "BinaryValue": b"\x00\x01\x02\xff"}},
     "b304a10c89ca9d80a53b51b7c3a5b46e"),
]


@pytest.mark.parametrize("body", [
    "This is a test message", "test message body 1", '{"foo":20}', " ", "a\r\nb\rc\td", "<&>\"' ]]>", "é 漢字 🦀",
    "x" * 262_145, "trailing newline\n", "%2B+%20",
])
def test_a_body_comes_back_exactly(sqs, queue, body):
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sent["MD5OfMessageBody"] == body_digest(body)
    assert "MD5OfMessageAttributes" not in sent and "SequenceNumber" not in sent
    message = receive_one(sqs, queue)
    assert message["Body"] == body
    assert message["MD5OfBody"] == body_digest(body)
    assert message["MessageId"] == sent["MessageId"]


@pytest.mark.parametrize("given, digest", VECTORS, ids=lambda v: v if isinstance(v, str) else "")
def test_attributes_come_back_exactly_with_the_known_digest(sqs, queue, given, digest):
    assert attribute_digest(given) == digest
    sent = sqs.send_message(QueueUrl=queue, MessageBody="m", MessageAttributes=given)
    assert sent["MD5OfMessageAttributes"] == digest
    message = receive_one(sqs, queue)
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == digest


def test_ten_attributes_are_the_most(sqs, queue):
    def given(count):
        return {f"n{i}": {"DataType": "Number", "StringValue": str(i)} for i in range(count)}

    sqs.send_message(QueueUrl=queue, MessageBody="ten", MessageAttributes=given(10))
    with refused("InvalidParameterValue", text="message attributes [11]"):
        sqs.send_message(QueueUrl=queue, MessageBody="eleven", MessageAttributes=given(11))
    assert receive_one(sqs, queue)["MessageAttributes"] == given(10)


def test_attributes_come_only_when_asked_for(sqs, queue):
    given = {name: {"DataType": "String", "StringValue": name} for name in ("foo", "foo.bar", "other")}
    sqs.send_message(QueueUrl=queue, MessageBody="m", MessageAttributes=given)

    def asked(*names):
        reply = sqs.receive_message(
            QueueUrl=queue, VisibilityTimeout=0, WaitTimeSeconds=5, MessageAttributeNames=list(names))
        return reply["Messages"][0]

    assert set(asked()) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
    for names, expected in [
        (["foo"], {"foo"}), (["All"], set(given)), ([".*"], set(given)), (["foo.*"], {"foo", "foo.bar"}),
        (["other", "absent"], {"other"}),
    ]:
        message = asked(*names)
        assert set(message["MessageAttributes"]) == expected
        subset = {name: given[name] for name in expected}
        assert message["MD5OfMessageAttributes"] == attribute_digest(subset)
    assert "MessageAttributes" not in asked("absent")


def test_system_attributes_tell_the_history(sqs, queue):
    before = int(time.time() * 1000) - 1000
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    first = receive_one(sqs, queue, VisibilityTimeout=0)["Attributes"]
    second = receive_one(sqs, queue)["Attributes"]
    assert (first["ApproximateReceiveCount"], second["ApproximateReceiveCount"]) == ("1", "2")
    assert first["ApproximateFirstReceiveTimestamp"] == second["ApproximateFirstReceiveTimestamp"]
    assert before <= int(first["SentTimestamp"]) <= int(first["ApproximateFirstReceiveTimestamp"])
    assert first["SenderId"]
    assert "SequenceNumber" not in first and "MessageGroupId" not in first


def test_a_trace_header_is_stored_with_its_own_digest(sqs, queue):
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    sent = sqs.send_message(
        QueueUrl=queue, MessageBody="m",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}})
    assert sent["MD5OfMessageSystemAttributes"] == "5ae4d5d7636402d80f4eb6d213245a88"
    assert receive_one(sqs, queue)["Attributes"]["AWSTraceHeader"] == header


def test_a_batch_answers_every_entry_once(sqs, queue):
    reply = sqs.send_message_batch(
        QueueUrl=queue, Entries=[{"Id": f"id-{i}", "MessageBody": f"body {i}"} for i in range(10)])
    assert "Failed" not in reply
    digests = {entry["Id"]: entry["MD5OfMessageBody"] for entry in reply["Successful"]}
    assert digests == {f"id-{i}": body_digest(f"body {i}") for i in range(10)}
    messages = receive_exactly(sqs, queue, 10)
    assert sorted(bodies(messages)) == sorted(f"body {i}" for i in range(10))


def test_one_over_long_message_fails_alone(sqs, make_queue):
    url = make_queue(MaximumMessageSize=1024)
    entries = [{"Id": str(i), "MessageBody": "x" * (1025 if i == 4 else 1024)} for i in range(10)]
    reply = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in reply["Failed"]] == ["4"]
    failed = reply["Failed"][0]
    assert failed["SenderFault"] is True and failed["Code"] == "InvalidParameterValue"
    assert "1024 bytes" in failed["Message"]
    assert len(reply["Successful"]) == 9
    assert len(receive_exactly(sqs, url, 9)) == 9


def test_a_batch_fails_entry_by_entry(sqs, queue):
    reply = sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "late", "MessageBody": "m", "DelaySeconds": 901},
        {"Id": "good", "MessageBody": "kept"},
        {"Id": "odd", "MessageBody": "bad \ufffe"},
    ])
    codes = {entry["Id"]: entry["Code"] for entry in reply["Failed"]}
    assert codes == {"late": "InvalidParameterValue", "odd": "InvalidMessageContents"}
    assert [entry["Id"] for entry in reply["Successful"]] == ["good"]
    assert receive_one(sqs, queue)["Body"] == "kept"


def test_a_batch_over_the_size_limit_stores_nothing(sqs, queue):
    entries = [{"Id": str(i), "MessageBody": "x" * 600_000} for i in range(2)]
    with refused("AWS.SimpleQueueService.BatchRequestTooLong", exception=sqs.exceptions.BatchRequestTooLong):
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert is_empty(sqs, queue)


def test_the_size_counts_attributes_and_the_limit_itself_is_allowed(sqs, make_queue):
    url = make_queue(MaximumMessageSize=1024)
    given = {"name": {"DataType": "String", "StringValue": "value"}}
    room = 1024 - len("name" + "String" + "value")
    sqs.send_message(QueueUrl=url, MessageBody="x" * room, MessageAttributes=given)
    with refused("InvalidParameterValue", text="Message must be shorter than 1024 bytes"):
        sqs.send_message(QueueUrl=url, MessageBody="x" * (room + 1), MessageAttributes=given)


def test_a_mebibyte_is_accepted(sqs, queue):
    body = "x" * 1_048_576
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert receive_one(sqs, queue)["Body"] == body
    with refused("InvalidParameterValue", text="1048576 bytes"):
        sqs.send_message(QueueUrl=queue, MessageBody=body + "x")


def test_deleting_in_a_batch_reports_the_bad_handle_alone(sqs, queue):
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": "m"} for i in range(3)])
    messages = receive_exactly(sqs, queue, 3)
    entries = [{"Id": f"d{i}", "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)]
    reply = sqs.delete_message_batch(QueueUrl=queue, Entries=entries + [{"Id": "bad", "ReceiptHandle": "nonsense"}])
    assert sorted(entry["Id"] for entry in reply["Successful"]) == ["d0", "d1", "d2"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in reply["Failed"]] == [
        ("bad", "ReceiptHandleIsInvalid", True)]
    assert attributes(sqs, queue)["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_deleting_twice_succeeds(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue)
    delete(sqs, queue, message)
    delete(sqs, queue, message)
    assert is_empty(sqs, queue)


def test_the_handle_of_another_queue_is_refused(sqs, make_queue):
    mine, other = make_queue(), make_queue()
    sqs.send_message(QueueUrl=mine, MessageBody="m")
    message = receive_one(sqs, mine)
    with refused("ReceiptHandleIsInvalid", status=404, exception=sqs.exceptions.ReceiptHandleIsInvalid):
        delete(sqs, other, message)


def test_the_counters_follow_a_message(sqs, queue):
    def counters():
        found = attributes(sqs, queue)
        return tuple(int(found["ApproximateNumberOfMessages" + kind]) for kind in ("", "NotVisible", "Delayed"))

    sqs.send_message(QueueUrl=queue, MessageBody="now")
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=900)
    assert counters() == (1, 0, 1)
    message = receive_one(sqs, queue)
    assert counters() == (0, 1, 1)
    delete(sqs, queue, message)
    assert counters() == (0, 0, 1)


def test_a_purge_removes_visible_delayed_and_received_messages(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="received")
    handle = receive_one(sqs, queue, VisibilityTimeout=1)
    sqs.send_message(QueueUrl=queue, MessageBody="visible")
    sqs.send_message(QueueUrl=queue, MessageBody="delayed", DelaySeconds=1)
    sqs.purge_queue(QueueUrl=queue)
    assert receive(sqs, queue, wait=2) == []
    delete(sqs, queue, handle)
    sqs.send_message(QueueUrl=queue, MessageBody="after")
    assert receive_one(sqs, queue)["Body"] == "after"


def test_a_group_id_on_a_standard_queue_is_returned(sqs, queue):
    # The group ids of fair queues are younger than the oldest client here, which passes them on all the same.
    sqs.send_message(QueueUrl=queue, MessageBody="m", MessageGroupId="tenant-1")
    assert receive_one(sqs, queue)["Attributes"]["MessageGroupId"] == "tenant-1"
