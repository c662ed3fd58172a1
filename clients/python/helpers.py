"""What the tests say in one word: receive, expect a refusal, await a condition, digest attributes."""

import base64
import hashlib
import struct
import threading
import time
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


def receive(sqs, url, count=10, wait=5, **more):
    """Messages of one receive call with all attributes asked for; an empty list when there are none."""
    members = sqs.meta.service_model.operation_model("ReceiveMessage").input_shape.members
    # Clients from before the newer spelling existed use the older one, which stays valid.
    names = "MessageSystemAttributeNames" if "MessageSystemAttributeNames" in members else "AttributeNames"
    arguments = {
        "QueueUrl": url,
        "MaxNumberOfMessages": count,
        "WaitTimeSeconds": wait,
        "MessageAttributeNames": ["All"],
        names: ["All"],
        **more,
    }
    return sqs.receive_message(**arguments).get("Messages", [])


def receive_exactly(sqs, url, total, **more):
    """The next `total` messages, gathered over several receives; fails when they do not come."""
    messages = []
    for _ in range(total + 5):
        if len(messages) >= total:
            break
        messages += receive(sqs, url, count=min(10, total - len(messages)), **more)
    assert len(messages) == total, f"received {len(messages)} of {total}: {bodies(messages)}"
    return messages


def receive_one(sqs, url, **more):
    """The next message; fails when none comes."""
    return receive_exactly(sqs, url, 1, **more)[0]


def is_empty(sqs, url):
    """Whether a receive that does not wait finds nothing."""
    return receive(sqs, url, wait=0) == []


def bodies(messages):
    """The bodies in the order of the reply."""
    return [message["Body"] for message in messages]


def attributes(sqs, url, *names):
    """Queue attributes by name, all of them without names."""
    reply = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"])
    return reply.get("Attributes", {})


def arn(sqs, url):
    """The ARN of a queue."""
    return attributes(sqs, url, "QueueArn")["QueueArn"]


def delete(sqs, url, message):
    """Deletes a received message."""
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@contextmanager
def refused(code, status=400, text=None, exception=None):
    """Expects the service's own error: code as users see it, HTTP status, and a part of the text.

    `exception` is the class that the client generates for a modelled error.
    """
    with pytest.raises(exception or ClientError) as caught:
        yield
    reply = caught.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == status, reply
    if text:
        assert text in reply["Error"]["Message"], reply


def eventually(condition, within=20.0):
    """Asks again until `condition()` is true; the result, or a failure after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not true within {within} s"
        time.sleep(0.05)


class Poll(threading.Thread):
    """A long poll on its own connection, started at once; `messages` waits for its end."""

    def __init__(self, sqs, url, wait=20):
        super().__init__(daemon=True)
        self._call = lambda: receive(sqs, url, wait=wait)
        self._found = []
        self._asked = time.monotonic()
        self.seconds = None
        self.start()

    def run(self):
        """Polls; the thread's body."""
        self._found = self._call()
        self.seconds = time.monotonic() - self._asked

    def messages(self):
        """What the poll returned."""
        self.join(30)
        assert not self.is_alive(), "the poll did not come back"
        return self._found


def body_digest(body):
    """Lower-case hex MD5 of the UTF-8 body."""
    return hashlib.md5(body.encode()).hexdigest()


def attribute_digest(entries):
    """The MD5 that the service computes over message attributes, worked out independently."""
    buffer = b""
    for name in sorted(entries):
        entry = entries[name]
        kind = entry["DataType"]
        binary = kind.startswith("Binary")
        value = entry["BinaryValue"] if binary else entry["StringValue"].encode()
        if isinstance(value, str):
            value = base64.b64decode(value)
        for part in (name.encode(), kind.encode()):
            buffer += struct.pack(">I", len(part)) + part
        buffer += (b"\x02" if binary else b"\x01") + struct.pack(">I", len(value)) + value
    return hashlib.md5(buffer).hexdigest()
