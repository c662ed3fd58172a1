"""Dead-letter queues, redrive policies and move tasks."""

import json

import pytest

from helpers import arn, attributes, bodies, eventually, is_empty, receive, receive_exactly, receive_one, refused


@pytest.fixture
def pair(sqs, make_queue):
    """A source queue and its dead-letter queue; the second receive is one too many."""
    dead = make_queue("dead")
    policy = {"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1}
    return make_queue("source", RedrivePolicy=json.dumps(policy)), dead


def fail(sqs, source, *texts):
    """Sends messages and receives each once too often, so that they end in the dead-letter queue."""
    for text in texts:
        sqs.send_message(QueueUrl=source, MessageBody=text)
    first = receive_exactly(sqs, source, len(texts), VisibilityTimeout=0)
    assert is_empty(sqs, source)
    return first


def test_the_attempt_after_the_last_allowed_one_moves_the_message(sqs, make_queue):
    dead = make_queue("dead")
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 2})
    source = make_queue("source", RedrivePolicy=policy)
    given = {"kind": {"DataType": "String", "StringValue": "invoice"}}
    sqs.send_message(QueueUrl=source, MessageBody="m", MessageAttributes=given)
    first = receive_one(sqs, source, VisibilityTimeout=0)
    second = receive_one(sqs, source, VisibilityTimeout=0)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert is_empty(sqs, source)

    moved = receive_one(sqs, dead)
    assert moved["MessageId"] == first["MessageId"]
    assert moved["Body"] == "m" and moved["MessageAttributes"] == given
    assert moved["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, source)
    assert moved["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert int(moved["Attributes"]["ApproximateReceiveCount"]) >= 3
    assert attributes(sqs, source)["ApproximateNumberOfMessages"] == "0"


def test_a_fifo_move_restarts_the_clock_and_replaces_the_deduplication_id(sqs, make_fifo):
    dead = make_fifo()
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})
    source = make_fifo(RedrivePolicy=policy)
    for text in ("a", "b"):
        sqs.send_message(QueueUrl=source, MessageBody=text, MessageGroupId="g", MessageDeduplicationId=text)
    first = receive_one(sqs, source, VisibilityTimeout=1)
    assert first["Body"] == "a"
    # The move of the first unlocks the group for the second.
    assert receive_one(sqs, source)["Body"] == "b"
    moved = receive_one(sqs, dead)
    assert moved["Body"] == "a" and moved["MessageId"] == first["MessageId"]
    assert moved["Attributes"]["MessageGroupId"] == "g"
    assert moved["Attributes"]["MessageDeduplicationId"] == moved["MessageId"]
    assert int(moved["Attributes"]["SentTimestamp"]) > int(first["Attributes"]["SentTimestamp"])


def test_sources_of_a_dead_letter_queue_are_listed(sqs, pair, queue):
    source, dead = pair
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [source]
    assert sqs.list_dead_letter_source_queues(QueueUrl=queue).get("queueUrls", []) == []


def test_a_move_task_returns_messages_to_their_source(sqs, pair):
    source, dead = pair
    before = fail(sqs, source, "a", "b", "c")
    task = sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    assert task["TaskHandle"]

    def finished():
        results = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead)).get("Results", [])
        return results if results and results[0]["Status"] == "COMPLETED" else None

    result = eventually(finished)[0]
    assert result["ApproximateNumberOfMessagesMoved"] == 3
    assert result["SourceArn"] == arn(sqs, dead)
    assert "TaskHandle" not in result and "DestinationArn" not in result
    assert result["StartedTimestamp"] > 1_600_000_000_000

    back = receive_exactly(sqs, source, 3)
    assert sorted(bodies(back)) == ["a", "b", "c"]
    # Moved messages are new ones: new ids, counted from the start.
    assert not {m["MessageId"] for m in back} & {m["MessageId"] for m in before}
    assert {m["Attributes"]["ApproximateReceiveCount"] for m in back} == {"1"}
    assert is_empty(sqs, dead)


def test_a_paced_task_is_listed_while_it_runs_and_can_be_cancelled(sqs, pair, make_queue):
    source, dead = pair
    target = make_queue("target")
    fail(sqs, source, *[str(i) for i in range(10)])
    handle = sqs.start_message_move_task(
        SourceArn=arn(sqs, dead), DestinationArn=arn(sqs, target), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    running = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"][0]
    assert running["Status"] == "RUNNING" and running["TaskHandle"] == handle
    assert running["DestinationArn"] == arn(sqs, target) and running["MaxNumberOfMessagesPerSecond"] == 1
    with refused("InvalidParameterValue", text="already a task running"):
        sqs.start_message_move_task(SourceArn=arn(sqs, dead))

    sqs.cancel_message_move_task(TaskHandle=handle)

    def cancelled():
        return sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"][0]["Status"] == "CANCELLED"

    eventually(cancelled)
    moved = int(attributes(sqs, target)["ApproximateNumberOfMessages"])
    left = int(attributes(sqs, dead)["ApproximateNumberOfMessages"])
    assert moved + left == 10 and left > 0


def test_one_task_is_listed_unless_more_are_asked_for(sqs, pair):
    source, dead = pair
    for _ in range(2):
        fail(sqs, source, "m")
        sqs.start_message_move_task(SourceArn=arn(sqs, dead))
        eventually(lambda: sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"][0]["Status"] == "COMPLETED")
        sqs.purge_queue(QueueUrl=source)
    assert len(sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"]) == 1
    assert len(sqs.list_message_move_tasks(SourceArn=arn(sqs, dead), MaxResults=10)["Results"]) == 2


def test_only_a_dead_letter_queue_can_be_moved(sqs, queue):
    with refused("InvalidParameterValue", text="Dead Letter Queue"):
        sqs.start_message_move_task(SourceArn=arn(sqs, queue))
    with refused("ResourceNotFoundException", status=404, exception=sqs.exceptions.ResourceNotFoundException):
        sqs.start_message_move_task(SourceArn=arn(sqs, queue) + "-missing")


@pytest.mark.parametrize("policy, text", [
    ({"maxReceiveCount": 1}, "deadLetterTargetArn"),
    ({"deadLetterTargetArn": "TARGET"}, "maxReceiveCount"),
    ({"deadLetterTargetArn": "TARGET", "maxReceiveCount": 0}, "maxReceiveCount"),
    ({"deadLetterTargetArn": "TARGET", "maxReceiveCount": 1001}, "maxReceiveCount"),
    ({"deadLetterTargetArn": "TARGET-missing", "maxReceiveCount": 1}, "does not exist"),
    ("no map", "valid JSON map"),
])
def test_a_bad_redrive_policy_is_refused(sqs, make_queue, policy, text):
    target = arn(sqs, make_queue("dead"))
    value = json.dumps(policy).replace("TARGET", target)
    with refused("InvalidParameterValue", text=text):
        sqs.set_queue_attributes(QueueUrl=make_queue(), Attributes={"RedrivePolicy": value})


def test_a_dead_letter_queue_can_name_who_may_use_it(sqs, make_queue):
    allowed, other = make_queue(), make_queue()
    permission = {"redrivePermission": "byQueue", "sourceQueueArns": [arn(sqs, allowed)]}
    dead = make_queue("dead", RedriveAllowPolicy=json.dumps(permission))
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})}
    sqs.set_queue_attributes(QueueUrl=allowed, Attributes=policy)
    with refused("InvalidParameterValue"):
        sqs.set_queue_attributes(QueueUrl=other, Attributes=policy)


def test_a_standard_queue_cannot_use_a_fifo_queue(sqs, make_queue, fifo):
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, fifo), "maxReceiveCount": 1})
    with refused("InvalidParameterValue", text="same type"):
        sqs.set_queue_attributes(QueueUrl=make_queue(), Attributes={"RedrivePolicy": policy})
    assert receive(sqs, fifo, wait=0) == []
