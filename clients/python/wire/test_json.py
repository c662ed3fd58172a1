"""AWS JSON 1.0 on the wire."""

import re

import pytest

from raw import path_of

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def error_of(reply):
    """Status, type, and the header that carries the older code."""
    return reply.status, reply.json()["__type"], reply.headers.get("x-amzn-query-error")


def test_a_reply_carries_type_and_request_id(raw, queue):
    reply = raw.json("GetQueueAttributes", {"QueueUrl": queue, "AttributeNames": ["VisibilityTimeout"]})
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/x-amz-json-1.0"
    assert UUID.match(reply.headers["x-amzn-requestid"])
    assert reply.json() == {"Attributes": {"VisibilityTimeout": "30"}}


def test_an_empty_receive_is_an_empty_object(raw, queue):
    reply = raw.json("ReceiveMessage", {"QueueUrl": queue})
    assert (reply.status, reply.body) == (200, b"{}")


def test_an_action_without_a_result_answers_with_an_empty_body(raw, queue):
    reply = raw.json("TagQueue", {"QueueUrl": queue, "Tags": {"a": "b"}})
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-length"] == "0"


def test_lists_with_nothing_in_them_are_left_out(raw, queue):
    sent = raw.json("SendMessageBatch", {"QueueUrl": queue, "Entries": [{"Id": "a", "MessageBody": "m"}]})
    assert "Failed" not in sent.json() and len(sent.json()["Successful"]) == 1
    failed = raw.json("DeleteMessageBatch", {"QueueUrl": queue, "Entries": [{"Id": "a", "ReceiptHandle": "x"}]})
    assert "Successful" not in failed.json() and len(failed.json()["Failed"]) == 1
    assert raw.json("ListQueues", {"QueueNamePrefix": "no-queue-begins-so"}).json() == {}


def test_the_path_does_not_matter(raw, queue):
    for path in ("/", path_of(queue), path_of(queue) + "/", "/somewhere/else"):
        reply = raw.json("SendMessage", {"QueueUrl": queue, "MessageBody": "m"}, path=path)
        assert reply.status == 200, path


@pytest.mark.parametrize("form", ["{url}/", "http://queues.example:1234{path}", "{name}"])
def test_a_queue_is_known_by_the_end_of_its_url(raw, queue, form):
    path = path_of(queue)
    given = form.format(url=queue, path=path, name=path.rsplit("/", 1)[1])
    assert raw.json("SendMessage", {"QueueUrl": given, "MessageBody": "m"}).status == 200


def test_unknown_members_and_nulls_are_ignored(raw, queue):
    reply = raw.json("SendMessage", {"QueueUrl": queue, "MessageBody": "m", "Colour": "red", "DelaySeconds": None})
    assert reply.status == 200


def test_an_empty_body_counts_as_an_empty_object(raw):
    assert raw.json("ListQueues", "").status == 200


def test_a_missing_queue_has_type_header_and_status(raw, queue):
    reply = raw.json("SendMessage", {"QueueUrl": queue + "x", "MessageBody": "m"})
    assert error_of(reply) == (
        400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender")
    assert reply.json()["message"] == "The specified queue does not exist."
    assert UUID.match(reply.headers["x-amzn-requestid"])


@pytest.mark.parametrize("action, members, status, shape, code", [
    ("DeleteMessage", {"ReceiptHandle": "x"}, 404, "com.amazonaws.sqs#ReceiptHandleIsInvalid",
     "ReceiptHandleIsInvalid"),
    ("SendMessageBatch", {"Entries": []}, 400, "com.amazonaws.sqs#EmptyBatchRequest",
     "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("ReceiveMessage", {"MaxNumberOfMessages": 11}, 400, "com.amazon.coral.service#InvalidParameterValueException",
     "InvalidParameterValue"),
    ("SendMessage", {}, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter"),
    ("SendMessage", {"MessageBody": "\ufffe"}, 400, "com.amazonaws.sqs#InvalidMessageContents",
     "InvalidMessageContents"),
    ("AddPermission", {"Label": "l", "AWSAccountIds": ["111122223333"], "Actions": [
        "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes",
        "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue"]}, 403, "com.amazonaws.sqs#OverLimit", "OverLimit"),
])
def test_each_error_names_itself_in_both_ways(raw, queue, action, members, status, shape, code):
    reply = raw.json(action, {"QueueUrl": queue, **members})
    assert error_of(reply) == (status, shape, code + ";Sender")


@pytest.mark.parametrize("body", ["{", "[]", "nonsense", '{"QueueUrl": 5, "MessageBody": "m"}',
                                  '{"QueueUrl": "QUEUE", "MessageBody": 7}',
                                  '{"QueueUrl": "QUEUE", "MessageBody": "m", "DelaySeconds": "one"}'])
def test_what_does_not_fit_the_model_is_a_serialization_error(raw, queue, body):
    reply = raw.json("SendMessage", body.replace("QUEUE", queue))
    assert reply.status == 400
    assert reply.json()["__type"] == "com.amazon.coral.service#SerializationException"


def test_invalid_utf8_is_refused(raw, queue):
    body = b'{"QueueUrl":"' + queue.encode() + b'","MessageBody":"\xff\xfe"}'
    assert raw.json("SendMessage", body).status == 400
    assert raw.json("ReceiveMessage", {"QueueUrl": queue}).json() == {}


@pytest.mark.parametrize("escaped", [r"\u0000", r"\u0008", r"\ufffe", r"\uffff", r"\ud800"])
def test_characters_outside_the_rule_are_refused(raw, queue, escaped):
    reply = raw.json("SendMessage", '{"QueueUrl":"%s","MessageBody":"a%s"}' % (queue, escaped))
    assert reply.status == 400
    assert raw.json("ReceiveMessage", {"QueueUrl": queue}).json() == {}


@pytest.mark.parametrize("escaped, text", [(r"\t\r\n", "\t\r\n"), (r"\u007f\u0085", "\x7f\x85"),
                                           (r"\ud83e\udd80", "🦀"), (r"\ue000\ufffd", "\ue000\ufffd")])
def test_characters_inside_the_rule_come_back(raw, queue, escaped, text):
    reply = raw.json("SendMessage", '{"QueueUrl":"%s","MessageBody":"%s"}' % (queue, escaped))
    assert reply.status == 200
    message = raw.json("ReceiveMessage", {"QueueUrl": queue}).json()["Messages"][0]
    assert message["Body"] == text
    assert message["MD5OfBody"] == reply.json()["MD5OfMessageBody"]


def test_an_unknown_action_is_named_as_such(raw):
    reply = raw.json("FlyAway", {})
    assert reply.status in (400, 404)
    assert reply.json()["__type"] == "com.amazon.coral.service#UnknownOperationException"
