"""The Python extended client: payloads beyond its threshold go to an S3 server, here moto's."""

import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import pytest
import sqs_extended_client  # noqa: F401  (adds its methods to every boto3 session)

from conftest import unique

BUCKET = "payloads"


def free_port():
    """A port that was free a moment ago; the S3 server cannot pick one and tell."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def s3():
    """A client of an S3 server that lives as long as these tests."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(address + "/moto-api/", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "the S3 server did not start"
                time.sleep(0.1)
        client = boto3.client("s3", endpoint_url=address)
        client.create_bucket(Bucket=BUCKET)
        yield client
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def extended(endpoint, s3):
    """A queue client that keeps large payloads in the bucket."""
    client = boto3.client("sqs", endpoint_url=endpoint)
    client.large_payload_support = BUCKET
    client.use_legacy_attribute = False
    client.delete_payload_from_s3 = True
    client.s3_client = s3
    return client


def keys(s3):
    """The objects in the bucket."""
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_a_large_payload_travels_through_the_bucket(extended, s3, raw, queue):
    body = "ä" * 200_000
    extended.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes={
        "kind": {"DataType": "String", "StringValue": "report"}})
    assert len(keys(s3)) == 1

    # What the queue holds is a pointer and the size. The library patches every boto3 client, so ask by hand.
    plain = raw.json("ReceiveMessage", {
        "QueueUrl": queue, "VisibilityTimeout": 0, "MessageAttributeNames": ["All"]}).json()["Messages"][0]
    assert "software.amazon.payloadoffloading.PayloadS3Pointer" in plain["Body"]
    assert plain["MessageAttributes"]["ExtendedPayloadSize"] == {"DataType": "Number", "StringValue": "400000"}

    message = extended.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MessageAttributeNames=["All"])["Messages"][0]
    assert message["Body"] == body
    assert message["MessageAttributes"]["kind"]["StringValue"] == "report"
    assert message["ReceiptHandle"].startswith("-..s3BucketName..-")
    extended.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
    extended.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert keys(s3) == []
    assert raw.json("ReceiveMessage", {"QueueUrl": queue}).json() == {}


def test_a_small_payload_stays_in_the_queue(extended, s3, queue):
    extended.send_message(QueueUrl=queue, MessageBody="small")
    assert keys(s3) == []
    message = extended.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]
    assert message["Body"] == "small"
    extended.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_a_batch_mixes_large_and_small(extended, s3, queue):
    large = "x" * 300_000
    reply = extended.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "large", "MessageBody": large}, {"Id": "small", "MessageBody": "small"}])
    assert sorted(entry["Id"] for entry in reply["Successful"]) == ["large", "small"]
    assert len(keys(s3)) == 1
    messages = extended.receive_message(
        QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
    assert sorted(message["Body"] for message in messages) == sorted([large, "small"])
    done = extended.delete_message_batch(QueueUrl=queue, Entries=[
        {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(messages)])
    assert len(done["Successful"]) == 2
    assert keys(s3) == []
