"""The Query protocol on the wire."""

import urllib.parse

import pytest

from helpers import body_digest
from raw import path_of


def error_of(reply):
    """Status, kind, code and whether the request id stands beside the error."""
    root = reply.xml()
    assert root.tag.endswith("}ErrorResponse")
    assert [child.tag.rsplit("}", 1)[1] for child in root] == ["Error", "RequestId"]
    return reply.status, reply.text("Type"), reply.text("Code")


def test_a_result_is_wrapped_and_names_its_request(raw, queue):
    reply = raw.query(Action="GetQueueUrl", QueueName=path_of(queue).rsplit("/", 1)[1])
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/xml")
    root = reply.xml()
    assert [element.tag.rsplit("}", 1)[1] for element in root.iter()] == [
        "GetQueueUrlResponse", "GetQueueUrlResult", "QueueUrl", "ResponseMetadata", "RequestId"]
    assert reply.text("QueueUrl") == queue
    assert reply.text("RequestId") == reply.headers["x-amzn-requestid"]


def test_an_action_without_a_result_has_only_metadata(raw, queue):
    reply = raw.query(path_of(queue), Action="TagQueue", Tag__1__Key="a", Tag__1__Value="b")
    assert [element.tag.rsplit("}", 1)[1] for element in reply.xml().iter()] == [
        "TagQueueResponse", "ResponseMetadata", "RequestId"]


def test_an_empty_receive_has_an_empty_result(raw, queue):
    reply = raw.query(path_of(queue), Action="ReceiveMessage")
    assert [element.tag.rsplit("}", 1)[1] for element in reply.xml()] == [
        "ReceiveMessageResult", "ResponseMetadata"]
    assert len(reply.xml()[0]) == 0


def test_get_and_post_are_the_same(raw, queue):
    sent = raw.query(path_of(queue), method="GET", Action="SendMessage", MessageBody="by GET + %")
    assert sent.text("MD5OfMessageBody") == body_digest("by GET + %")
    got = raw.query(path_of(queue), Action="ReceiveMessage")
    assert got.text("Body") == "by GET + %"


def test_a_member_may_go_without_its_number(raw, queue):
    changed = raw.query(
        path_of(queue), Action="SetQueueAttributes", Attribute__Name="VisibilityTimeout", Attribute__Value="77")
    assert changed.status == 200
    reply = raw.query(path_of(queue), Action="GetQueueAttributes", AttributeName="VisibilityTimeout")
    assert (reply.texts("Name"), reply.texts("Value")) == (["VisibilityTimeout"], ["77"])


def test_numbers_may_leave_gaps_and_sort_as_numbers(raw, queue):
    fields = {f"SendMessageBatchRequestEntry__{n}__{key}": value for n in (10, 2, 33) for key, value in (
        ("Id", f"e{n}"), ("MessageBody", f"m{n}"))}
    reply = raw.query(path_of(queue), Action="SendMessageBatch", **fields)
    assert sorted(reply.texts("Id")) == ["e10", "e2", "e33"]


def test_the_parameter_beats_the_path(raw, make_queue):
    path, parameter = make_queue(), make_queue()
    assert raw.query(path_of(path), Action="SendMessage", MessageBody="m", QueueUrl=parameter).status == 200
    assert raw.query(path_of(path), Action="ReceiveMessage").texts("Body") == []
    assert raw.query("/", Action="ReceiveMessage", QueueUrl=parameter).text("Body") == "m"


def test_a_slash_at_the_end_of_the_path_is_ignored(raw, queue):
    assert raw.query(path_of(queue) + "/", Action="SendMessage", MessageBody="m").status == 200


def test_without_a_queue_the_action_is_not_valid(raw):
    reply = raw.query(Action="SendMessage", MessageBody="m")
    assert error_of(reply) == (400, "Sender", "InvalidAction")
    assert reply.text("Message") == "The action SendMessage is not valid for this endpoint."


def test_a_missing_queue_is_told_in_the_words_of_this_protocol(raw, queue):
    reply = raw.query(path_of(queue) + "x", Action="SendMessage", MessageBody="m")
    assert error_of(reply) == (400, "Sender", "AWS.SimpleQueueService.NonExistentQueue")
    assert reply.text("Message") == "The specified queue does not exist for this wsdl version."


@pytest.mark.parametrize("parameters, status, code", [
    ({"Action": "FlyAway"}, 400, "InvalidAction"),
    ({}, 400, "MissingAction"),
    ({"Action": "ReceiveMessage", "Version": "1999-01-01"}, 400, "NoSuchVersion"),
    ({"Action": "DeleteMessage", "ReceiptHandle": "x"}, 404, "ReceiptHandleIsInvalid"),
    ({"Action": "DeleteMessage"}, 400, "MissingParameter"),
    ({"Action": "ReceiveMessage", "MaxNumberOfMessages": "0"}, 400, "InvalidParameterValue"),
    ({"Action": "SendMessage", "MessageBody": "\ufffe"}, 400, "InvalidMessageContents"),
    ({"Action": "SendMessageBatch"}, 400, "AWS.SimpleQueueService.EmptyBatchRequest"),
    ({"Action": "GetQueueAttributes", "AttributeName.1": "Strange"}, 400, "InvalidAttributeName"),
])
def test_errors_have_their_code_and_status(raw, queue, parameters, status, code):
    reply = raw.query(path_of(queue), **parameters)
    assert error_of(reply) == (status, "Sender", code)


def test_an_unknown_queue_for_a_move_task_is_not_found(raw, queue):
    reply = raw.query(Action="ListMessageMoveTasks", SourceArn="arn:aws:sqs:us-east-1:000000000000:never-was")
    assert error_of(reply) == (404, "Sender", "ResourceNotFoundException")


def test_a_carriage_return_survives(raw, queue):
    body = "a\rb\r\nc\n"
    sent = raw.query(path_of(queue), Action="SendMessage", MessageBody=body)
    assert sent.text("MD5OfMessageBody") == body_digest(body)
    reply = raw.query(path_of(queue), Action="ReceiveMessage")
    assert b"\r" not in reply.body
    assert reply.text("Body") == body and reply.text("MD5OfBody") == body_digest(body)


def test_attributes_of_every_kind_go_both_ways(raw, queue):
    sent = raw.query(
        path_of(queue), Action="SendMessage", MessageBody="m",
        MessageAttribute__1__Name="blob", MessageAttribute__1__Value__DataType="Binary.png",
        MessageAttribute__1__Value__BinaryValue="AAEC/w==",
        MessageAttribute__2__Name="Count", MessageAttribute__2__Value__DataType="Number.int",
        MessageAttribute__2__Value__StringValue="42",
        MessageAttribute__3__Name="a", MessageAttribute__3__Value__DataType="String",
        MessageAttribute__3__Value__StringValue="é")
    assert sent.text("MD5OfMessageAttributes") == "b304a10c89ca9d80a53b51b7c3a5b46e"
    got = raw.query(path_of(queue), Action="ReceiveMessage", MessageAttributeName__1="All")
    assert got.text("MD5OfMessageAttributes") == "b304a10c89ca9d80a53b51b7c3a5b46e"
    assert sorted(got.texts("Name")) == ["Count", "a", "blob"]
    assert got.text("BinaryValue") == "AAEC/w=="
    assert sorted(got.texts("StringValue")) == ["42", "é"]


def test_a_handle_with_a_space_in_it_is_not_repaired(raw, queue):
    raw.query(path_of(queue), Action="SendMessage", MessageBody="m")
    handle = raw.query(path_of(queue), Action="ReceiveMessage").text("ReceiptHandle")
    form = "Action=DeleteMessage&Version=2012-11-05&ReceiptHandle=+" + urllib.parse.quote(handle, safe="")
    reply = raw.send("POST", path_of(queue), form.encode(), Content_Type="application/x-www-form-urlencoded")
    assert error_of(reply) == (404, "Sender", "ReceiptHandleIsInvalid")
    assert raw.query(path_of(queue), Action="DeleteMessage", ReceiptHandle=handle).status == 200


def test_a_missing_version_means_the_only_one(raw, queue):
    reply = raw.send("GET", path_of(queue) + "?Action=ReceiveMessage")
    assert reply.status == 200
    assert reply.xml().tag.endswith("}ReceiveMessageResponse")
