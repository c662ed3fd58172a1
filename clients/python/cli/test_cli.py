"""The aws command line, as a shell script would use it."""

import json

import pytest

from command_line import Cli
from conftest import unique


@pytest.fixture
def aws(endpoint, tmp_path):
    """The command line."""
    return Cli(endpoint, tmp_path)


def test_a_queue_from_creation_to_deletion(aws, cleanup):
    name = unique("cli")
    url = aws("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=5", "--tags", "team=a")["QueueUrl"]
    cleanup.append(url)
    assert aws("get-queue-url", "--queue-name", name)["QueueUrl"] == url
    assert aws("list-queues", "--queue-name-prefix", name)["QueueUrls"] == [url]
    found = aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "VisibilityTimeout")
    assert found["Attributes"] == {"VisibilityTimeout": "5"}
    assert aws("set-queue-attributes", "--queue-url", url, "--attributes", "DelaySeconds=1") is None
    assert aws("list-queue-tags", "--queue-url", url)["Tags"] == {"team": "a"}
    aws("delete-queue", "--queue-url", url)
    assert aws("list-queues", "--queue-name-prefix", name) is None


def test_messages_from_sending_to_deleting(aws, queue):
    attributes = {"kind": {"DataType": "String", "StringValue": "invoice"}}
    sent = aws("send-message", "--queue-url", queue, "--message-body", "from the shell",
               "--message-attributes", json.dumps(attributes))
    reply = aws("receive-message", "--queue-url", queue, "--wait-time-seconds", "5",
                "--message-attribute-names", "All", "--attribute-names", "All")
    message = reply["Messages"][0]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "from the shell")
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    handle = ["--queue-url", queue, "--receipt-handle", message["ReceiptHandle"]]
    aws("change-message-visibility", *handle, "--visibility-timeout", "60")
    # Nothing to receive prints nothing at all.
    assert aws("receive-message", "--queue-url", queue) is None
    aws("delete-message", *handle)
    aws("purge-queue", "--queue-url", queue)


def test_a_batch_with_one_bad_entry(aws, queue):
    reply = aws("send-message-batch", "--queue-url", queue, "--entries", json.dumps(
        [{"Id": "good", "MessageBody": "m"}, {"Id": "bad", "MessageBody": "m", "DelaySeconds": 901}]))
    assert [entry["Id"] for entry in reply["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in reply["Failed"]] == [("bad", "InvalidParameterValue")]


def test_a_fifo_queue_deduplicates(aws, fifo):
    send = ["send-message", "--queue-url", fifo, "--message-body", "m", "--message-group-id", "g",
            "--message-deduplication-id", "d"]
    assert aws(*send)["MessageId"] == aws(*send)["MessageId"]
    reply = aws("receive-message", "--queue-url", fifo, "--max-number-of-messages", "10")
    assert len(reply["Messages"]) == 1


def test_a_dead_letter_queue_is_moved_back(aws, make_queue, sqs):
    dead, source = make_queue("dead"), make_queue("source")
    arn = aws("get-queue-attributes", "--queue-url", dead, "--attribute-names", "QueueArn")["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    aws("set-queue-attributes", "--queue-url", source, "--attributes", json.dumps({"RedrivePolicy": policy}))
    assert aws("list-dead-letter-source-queues", "--queue-url", dead)["queueUrls"] == [source]
    sqs.send_message(QueueUrl=source, MessageBody="m")
    receive = ["receive-message", "--visibility-timeout", "0", "--queue-url"]
    assert len(aws(*receive, source)["Messages"]) == 1
    assert aws(*receive, source) is None
    assert aws("start-message-move-task", "--source-arn", arn)["TaskHandle"]
    back = aws("receive-message", "--queue-url", source, "--wait-time-seconds", "10")
    assert back["Messages"][0]["Body"] == "m"
    assert aws("list-message-move-tasks", "--source-arn", arn)["Results"][0]["SourceArn"] == arn


def test_an_error_names_its_code_and_fails_the_command(aws, queue):
    done = aws.run("get-queue-url", "--queue-name", unique("never"))
    assert done.returncode != 0
    assert "AWS.SimpleQueueService.NonExistentQueue" in done.stderr
    done = aws.run("delete-message", "--queue-url", queue, "--receipt-handle", "abc")
    assert done.returncode != 0
    assert "ReceiptHandleIsInvalid" in done.stderr
