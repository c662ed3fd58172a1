"""Visibility timeouts, delays, and long polls with everything that wakes them."""

import time

from helpers import Poll, attributes, delete, eventually, is_empty, receive, receive_one, refused

# Sooner than a poll of 20 seconds ends by itself, and late enough for a busy machine.
WOKEN = 15


def waiting(sqs, url):
    """A long poll under way.

    Nothing shows from outside that the server has parked it, so it gets a moment to arrive. Should it
    come late all the same, it finds its message at once and the test still holds.
    """
    poll = Poll(sqs, url)
    time.sleep(0.3)
    return poll


def test_a_received_message_is_hidden_until_its_timeout(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    asked = time.monotonic()
    first = receive_one(sqs, queue, VisibilityTimeout=4)
    assert is_empty(sqs, queue)
    second = receive_one(sqs, queue)
    assert time.monotonic() - asked > 3.9
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"


def test_the_timeout_of_the_queue_holds_without_one_in_the_request(sqs, make_queue):
    url = make_queue(VisibilityTimeout=4)
    sqs.send_message(QueueUrl=url, MessageBody="m")
    receive_one(sqs, url)
    assert is_empty(sqs, url)
    assert receive_one(sqs, url)["Body"] == "m"


def test_zero_makes_a_message_visible_at_once(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert receive_one(sqs, queue, wait=0)["MessageId"] == message["MessageId"]


def test_a_longer_timeout_counts_from_the_call(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue, VisibilityTimeout=4)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
    assert receive(sqs, queue, wait=5) == []


def test_twelve_hours_after_a_receive_is_too_long(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue, VisibilityTimeout=60)
    # The total runs from the receive, so the whole twelve hours do not fit any more a moment later.
    time.sleep(1.1)
    with refused("InvalidParameterValue", text="Total VisibilityTimeout for the message is beyond the limit"):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=43200)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=43000)


def test_a_message_back_in_the_queue_cannot_be_hidden_by_its_old_handle(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue, VisibilityTimeout=1)
    eventually(lambda: attributes(sqs, queue)["ApproximateNumberOfMessages"] == "1")
    # The service tells of success and changes nothing.
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
    assert receive_one(sqs, queue, wait=0)["MessageId"] == message["MessageId"]


def test_the_visibility_of_a_deleted_message_cannot_change(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue)
    delete(sqs, queue, message)
    with refused("InvalidParameterValue", text="Message does not exist or is not available for visibility timeout"):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)


def test_a_batch_of_visibility_changes_fails_entry_by_entry(sqs, queue):
    for body in ("a", "b"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    handles = [receive_one(sqs, queue)["ReceiptHandle"] for _ in range(2)]
    reply = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[
        {"Id": "now", "ReceiptHandle": handles[0], "VisibilityTimeout": 0},
        {"Id": "range", "ReceiptHandle": handles[1], "VisibilityTimeout": 43201},
        {"Id": "handle", "ReceiptHandle": "nonsense", "VisibilityTimeout": 1},
    ])
    assert [entry["Id"] for entry in reply["Successful"]] == ["now"]
    assert {entry["Id"]: entry["Code"] for entry in reply["Failed"]} == {
        "range": "InvalidParameterValue", "handle": "ReceiptHandleIsInvalid"}
    assert len(receive(sqs, queue, wait=0)) == 1


def test_a_delayed_message_comes_no_earlier_than_its_delay(sqs, queue):
    sent = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="m", DelaySeconds=4)
    assert is_empty(sqs, queue)
    receive_one(sqs, queue)
    assert time.monotonic() - sent > 3.9


def test_a_delay_of_zero_overrides_the_queue(sqs, make_queue):
    url = make_queue(DelaySeconds=900)
    sqs.send_message(QueueUrl=url, MessageBody="waits")
    sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert [message["Body"] for message in receive(sqs, url)] == ["now"]


def test_a_wait_of_zero_overrides_the_queue(sqs, make_queue):
    url = make_queue(ReceiveMessageWaitTimeSeconds=20)
    asked = time.monotonic()
    assert is_empty(sqs, url)
    assert time.monotonic() - asked < WOKEN


def test_the_wait_of_the_queue_holds_without_one_in_the_request(sqs, make_queue):
    url = make_queue(ReceiveMessageWaitTimeSeconds=2)
    asked = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert 1.9 < time.monotonic() - asked < WOKEN


def test_a_poll_is_woken_by_a_send(sqs, queue):
    poll = waiting(sqs, queue)
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    assert len(poll.messages()) == 1
    assert poll.seconds < WOKEN


def test_a_poll_is_woken_by_the_end_of_a_delay(sqs, queue):
    poll = waiting(sqs, queue)
    sqs.send_message(QueueUrl=queue, MessageBody="m", DelaySeconds=1)
    assert len(poll.messages()) == 1
    assert 1 < poll.seconds < WOKEN


def test_a_poll_is_woken_by_the_end_of_a_timeout(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    receive_one(sqs, queue, VisibilityTimeout=2)
    poll = waiting(sqs, queue)
    assert len(poll.messages()) == 1
    assert poll.seconds < WOKEN


def test_a_poll_is_woken_by_a_visibility_of_zero(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    message = receive_one(sqs, queue)
    poll = waiting(sqs, queue)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert len(poll.messages()) == 1
    assert poll.seconds < WOKEN


def test_a_poll_is_woken_when_a_group_unlocks(sqs, fifo):
    for i in range(2):
        sqs.send_message(QueueUrl=fifo, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i))
    first = receive_one(sqs, fifo)
    poll = waiting(sqs, fifo)
    delete(sqs, fifo, first)
    assert [message["Body"] for message in poll.messages()] == ["1"]
    assert poll.seconds < WOKEN
