"""FIFO queues: order, groups, deduplication, sequence numbers and repeated receive attempts."""

import hashlib
import time

import pytest

from helpers import attributes, bodies, delete, eventually, is_empty, receive, receive_one, refused


def send(sqs, url, text, group="g", dedup=None, **more):
    """Sends to a group under the deduplication id, the text's own by default."""
    return sqs.send_message(
        QueueUrl=url, MessageBody=text, MessageGroupId=group, MessageDeduplicationId=dedup or text, **more)


def test_messages_of_a_group_come_in_order(sqs, fifo):
    sequences = [int(send(sqs, fifo, f"{i:02}")["SequenceNumber"]) for i in range(12)]
    assert sequences == sorted(set(sequences))
    seen = []
    while len(seen) < 12:
        messages = receive(sqs, fifo, count=5)
        assert messages, f"only {seen}"
        seen += messages
        for message in messages:
            delete(sqs, fifo, message)
    assert bodies(seen) == [f"{i:02}" for i in range(12)]
    assert [int(message["Attributes"]["SequenceNumber"]) for message in seen] == sequences


def test_a_batch_keeps_the_order_of_its_entries(sqs, fifo):
    sqs.send_message_batch(QueueUrl=fifo, Entries=[
        {"Id": f"e{i}", "MessageBody": str(i), "MessageGroupId": "g", "MessageDeduplicationId": str(i)}
        for i in range(10)])
    assert bodies(receive(sqs, fifo)) == [str(i) for i in range(10)]


def test_a_locked_group_does_not_hold_back_the_others(sqs, fifo):
    send(sqs, fifo, "a1", "a")
    first = receive_one(sqs, fifo)
    send(sqs, fifo, "a2", "a")
    send(sqs, fifo, "b1", "b")
    assert bodies(receive(sqs, fifo)) == ["b1"]
    assert is_empty(sqs, fifo)
    delete(sqs, fifo, first)
    assert bodies(receive(sqs, fifo)) == ["a2"]


def test_several_groups_are_served_in_one_receive(sqs, fifo):
    for i in range(2):
        for group in ("a", "b", "c"):
            send(sqs, fifo, f"{group}{i}", group)
    messages = receive(sqs, fifo)
    assert sorted(bodies(messages)) == ["a0", "a1", "b0", "b1", "c0", "c1"]
    for group in ("a", "b", "c"):
        own = [m["Body"] for m in messages if m["Attributes"]["MessageGroupId"] == group]
        assert own == [group + "0", group + "1"]


def test_half_a_batch_deleted_leaves_the_group_locked(sqs, fifo):
    for text in ("1", "2", "3"):
        send(sqs, fifo, text)
    first, second = receive(sqs, fifo, count=2)
    delete(sqs, fifo, first)
    assert is_empty(sqs, fifo)
    delete(sqs, fifo, second)
    assert bodies(receive(sqs, fifo)) == ["3"]


def test_a_message_comes_back_at_the_head_of_its_group(sqs, fifo):
    send(sqs, fifo, "1")
    send(sqs, fifo, "2")
    message = receive_one(sqs, fifo)
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(sqs, fifo)) == ["1", "2"]


def test_a_duplicate_is_answered_and_not_stored(sqs, fifo):
    first = send(sqs, fifo, "original", dedup="same")
    second = send(sqs, fifo, "other body", "other-group", dedup="same")
    assert second["MessageId"] == first["MessageId"]
    assert second["SequenceNumber"] == first["SequenceNumber"]
    assert second["MD5OfMessageBody"] == hashlib.md5(b"other body").hexdigest()
    assert bodies(receive(sqs, fifo)) == ["original"]


def test_a_deleted_message_still_deduplicates(sqs, fifo):
    send(sqs, fifo, "m")
    delete(sqs, fifo, receive_one(sqs, fifo))
    send(sqs, fifo, "m")
    assert is_empty(sqs, fifo)


def test_content_is_compared_without_attributes(sqs, make_fifo):
    url = make_fifo(ContentBasedDeduplication="true")
    sqs.send_message(QueueUrl=url, MessageBody="hello", MessageGroupId="g")
    sqs.send_message(QueueUrl=url, MessageBody="hello", MessageGroupId="g", MessageAttributes={
        "a": {"DataType": "String", "StringValue": "b"}})
    messages = receive(sqs, url)
    assert len(messages) == 1
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert messages[0]["Attributes"]["MessageDeduplicationId"] == digest


def test_the_scope_of_a_group_deduplicates_within_it(sqs, make_fifo):
    url = make_fifo(DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    send(sqs, url, "a", "a", dedup="same")
    send(sqs, url, "b", "b", dedup="same")
    send(sqs, url, "dropped", "b", dedup="same")
    assert sorted(bodies(receive(sqs, url))) == ["a", "b"]


def test_the_handle_of_a_timed_out_message_is_expired(sqs, fifo):
    send(sqs, fifo, "m")
    message = receive_one(sqs, fifo, VisibilityTimeout=1)
    eventually(lambda: attributes(sqs, fifo)["ApproximateNumberOfMessages"] == "1")
    with refused("InvalidParameterValue", text="The receipt handle has expired"):
        delete(sqs, fifo, message)
    with refused("InvalidParameterValue", text="The receipt handle has expired"):
        sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=9)
    assert receive_one(sqs, fifo, wait=0)["Body"] == "m"


def test_a_repeated_attempt_returns_the_same_handles_and_counts(sqs, fifo):
    for text in ("1", "2"):
        send(sqs, fifo, text)
    first = receive(sqs, fifo, ReceiveRequestAttemptId="attempt-1")
    again = receive(sqs, fifo, wait=0, ReceiveRequestAttemptId="attempt-1")
    assert bodies(again) == ["1", "2"]
    assert [m["ReceiptHandle"] for m in again] == [m["ReceiptHandle"] for m in first]
    assert [m["Attributes"]["ApproximateReceiveCount"] for m in again] == ["1", "1"]
    assert receive(sqs, fifo, wait=0, ReceiveRequestAttemptId="attempt-2") == []


def test_an_attempt_id_on_a_standard_queue_is_ignored(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    assert len(receive(sqs, queue, ReceiveRequestAttemptId="attempt")) == 1
    assert receive(sqs, queue, wait=0, ReceiveRequestAttemptId="attempt") == []


def test_a_changed_delay_reaches_messages_already_sent(sqs, make_fifo):
    url = make_fifo(DelaySeconds=900)
    send(sqs, url, "m")
    assert is_empty(sqs, url)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0"})
    assert bodies(receive(sqs, url)) == ["m"]


def test_the_delay_of_the_queue_holds_for_every_message(sqs, make_fifo):
    url = make_fifo(DelaySeconds=1)
    sent = time.monotonic()
    send(sqs, url, "m")
    receive_one(sqs, url)
    assert time.monotonic() - sent > 0.9


@pytest.mark.parametrize("arguments, code, text", [
    ({"MessageDeduplicationId": "d"}, "MissingParameter", "MessageGroupId"),
    ({"MessageGroupId": "g"}, "InvalidParameterValue", "ContentBasedDeduplication"),
    ({"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 5}, "InvalidParameterValue",
     "DelaySeconds"),
    ({"MessageGroupId": "g g", "MessageDeduplicationId": "d"}, "InvalidParameterValue", "MessageGroupId"),
    ({"MessageGroupId": "g", "MessageDeduplicationId": "d" * 129}, "InvalidParameterValue", "MessageDeduplicationId"),
])
def test_a_send_without_what_fifo_needs_is_refused(sqs, fifo, arguments, code, text):
    with refused(code, text=text):
        sqs.send_message(QueueUrl=fifo, MessageBody="m", **arguments)
    assert is_empty(sqs, fifo)
