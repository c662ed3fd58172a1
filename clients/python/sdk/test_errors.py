"""Errors as users of the client see them: class, code, HTTP status and text."""

import pytest

from helpers import receive_one, refused

MISSING = "AWS.SimpleQueueService.NonExistentQueue"


@pytest.fixture
def missing(queue):
    """The URL of a queue that was never there."""
    return queue + "-missing"


@pytest.mark.parametrize("operation, arguments", [
    ("send_message", {"MessageBody": "m"}),
    ("send_message_batch", {"Entries": [{"Id": "a", "MessageBody": "m"}]}),
    ("receive_message", {}),
    ("delete_message", {"ReceiptHandle": "x"}),
    ("delete_message_batch", {"Entries": [{"Id": "a", "ReceiptHandle": "x"}]}),
    ("change_message_visibility", {"ReceiptHandle": "x", "VisibilityTimeout": 0}),
    ("get_queue_attributes", {"AttributeNames": ["All"]}),
    ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}}),
    ("purge_queue", {}),
    ("delete_queue", {}),
    ("list_queue_tags", {}),
    ("tag_queue", {"Tags": {"a": "b"}}),
    ("untag_queue", {"TagKeys": ["a"]}),
    ("add_permission", {"Label": "l", "AWSAccountIds": ["111122223333"], "Actions": ["SendMessage"]}),
    ("list_dead_letter_source_queues", {}),
])
def test_every_operation_misses_a_missing_queue(sqs, missing, operation, arguments):
    with refused(MISSING, text="The specified queue does not exist", exception=sqs.exceptions.QueueDoesNotExist):
        getattr(sqs, operation)(QueueUrl=missing, **arguments)


@pytest.mark.parametrize("arguments, code, text", [
    ({"QueueName": ""}, None, None),
    ({"QueueName": "a b"}, "InvalidParameterValue", "alphanumeric characters, hyphens, or underscores"),
    ({"QueueName": "x" * 81}, "InvalidParameterValue", "1 to 80 in length"),
    ({"QueueName": "x.fifo"}, "InvalidParameterValue", "alphanumeric characters, hyphens, or underscores"),
    ({"QueueName": "x", "Attributes": {"FifoQueue": "true"}}, "InvalidParameterValue", ".fifo suffix"),
    ({"QueueName": "x", "Attributes": {"Strange": "1"}}, "InvalidAttributeName", "Unknown Attribute Strange."),
    ({"QueueName": "x", "Attributes": {"QueueArn": "1"}}, "InvalidAttributeName", "Unknown Attribute QueueArn."),
    ({"QueueName": "x", "Attributes": {"DelaySeconds": "901"}}, "InvalidAttributeValue", "DelaySeconds"),
    ({"QueueName": "x", "Attributes": {"DelaySeconds": "one"}}, "InvalidAttributeValue", "DelaySeconds"),
    ({"QueueName": "x", "Attributes": {"MaximumMessageSize": "1023"}}, "InvalidAttributeValue", "MaximumMessageSize"),
    ({"QueueName": "x", "Attributes": {"MessageRetentionPeriod": "59"}}, "InvalidAttributeValue",
     "MessageRetentionPeriod"),
    ({"QueueName": "x", "Attributes": {"ReceiveMessageWaitTimeSeconds": "21"}}, "InvalidAttributeValue",
     "ReceiveMessageWaitTimeSeconds"),
    ({"QueueName": "x", "Attributes": {"ContentBasedDeduplication": "true"}}, "InvalidAttributeName",
     "ContentBasedDeduplication"),
])
def test_a_bad_queue_is_not_created(sqs, arguments, code, text):
    if code is None:
        # An empty name may be called missing or malformed; it is refused in any case.
        with pytest.raises(sqs.exceptions.ClientError) as caught:
            sqs.create_queue(**arguments)
        assert caught.value.response["Error"]["Code"] in ("InvalidParameterValue", "MissingParameter")
        return
    with refused(code, text=text):
        sqs.create_queue(**arguments)


@pytest.mark.parametrize("arguments, code, text", [
    ({"MessageBody": ""}, "MissingParameter", "The request must contain the parameter MessageBody."),
    ({"MessageBody": "m", "DelaySeconds": 901}, "InvalidParameterValue",
     "Value 901 for parameter DelaySeconds is invalid."),
    ({"MessageBody": "m", "MessageDeduplicationId": "d"}, "InvalidParameterValue", "MessageDeduplicationId"),
    ({"MessageBody": "bad \ufffe"}, "InvalidMessageContents", None),
    ({"MessageBody": "m", "MessageAttributes": {"AWS.x": {"DataType": "String", "StringValue": "v"}}},
     "InvalidParameterValue", "reserved"),
    ({"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "Foo", "StringValue": "v"}}},
     "InvalidParameterValue", '"String", "Binary", or "Number"'),
    ({"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "x"}}},
     "InvalidParameterValue", "to a number"),
    ({"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
     "InvalidParameterValue", "non-empty value"),
    ({"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "Binary", "StringValue": "v"}}},
     "InvalidParameterValue", None),
])
def test_a_bad_message_is_not_sent(sqs, queue, arguments, code, text):
    with refused(code, text=text):
        sqs.send_message(QueueUrl=queue, **arguments)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


@pytest.mark.parametrize("arguments, text", [
    ({"MaxNumberOfMessages": 0}, "Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1"),
    ({"MaxNumberOfMessages": 11}, "Value 11 for parameter MaxNumberOfMessages is invalid."),
    ({"VisibilityTimeout": 43201}, "Value 43201 for parameter VisibilityTimeout is invalid."),
    ({"VisibilityTimeout": -1}, "Value -1 for parameter VisibilityTimeout is invalid."),
    ({"WaitTimeSeconds": 21}, "Value 21 for parameter WaitTimeSeconds is invalid."),
])
def test_a_receive_out_of_range_is_refused(sqs, queue, arguments, text):
    with refused("InvalidParameterValue", text=text):
        sqs.receive_message(QueueUrl=queue, **arguments)


@pytest.mark.parametrize("entries, error, code", [
    ([], "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ([{"Id": str(i), "MessageBody": "m"} for i in range(11)], "TooManyEntriesInBatchRequest",
     "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ([{"Id": "same", "MessageBody": "m"}] * 2, "BatchEntryIdsNotDistinct",
     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ([{"Id": "a b", "MessageBody": "m"}], "InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ([{"Id": "x" * 81, "MessageBody": "m"}], "InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
])
def test_a_batch_of_the_wrong_shape_is_refused_whole(sqs, queue, entries, error, code):
    with refused(code, exception=getattr(sqs.exceptions, error)):
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_a_handle_that_is_none_is_refused(sqs, queue):
    invalid = sqs.exceptions.ReceiptHandleIsInvalid
    with refused("ReceiptHandleIsInvalid", status=404, exception=invalid):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="abc")
    with refused("ReceiptHandleIsInvalid", status=404, exception=invalid):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle="abc", VisibilityTimeout=1)


@pytest.mark.parametrize("value", [-1, 43201])
def test_a_visibility_out_of_range_is_refused(sqs, queue, value):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    with refused("InvalidParameterValue", text=f"Value {value} for parameter VisibilityTimeout is invalid."):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=value)


def test_unknown_attributes_are_named_in_the_refusal(sqs, queue):
    with refused("InvalidAttributeName", text="Unknown Attribute Strange."):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Strange"])
    with refused("InvalidAttributeName", text="FifoQueue"):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["FifoQueue"])


def test_too_many_actions_are_over_the_limit(sqs, queue):
    actions = ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes",
               "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue"]
    with refused("OverLimit", status=403, exception=sqs.exceptions.OverLimit):
        sqs.add_permission(QueueUrl=queue, Label="l", AWSAccountIds=["111122223333"], Actions=actions)
