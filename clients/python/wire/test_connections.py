"""Connections: closed in the middle of a poll, and bodies that never come."""

import http.client
import json

from helpers import receive_one
from raw import AUTHORIZATION


def test_a_client_that_leaves_its_poll_loses_no_message(sqs, raw, queue):
    gone = http.client.HTTPConnection(raw.host, raw.port, timeout=30)
    gone.request("POST", "/", json.dumps({"QueueUrl": queue, "WaitTimeSeconds": 20}), {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ReceiveMessage",
        "Authorization": AUTHORIZATION})
    # Another request is answered in the meantime, so the poll has had its chance to be parked.
    assert raw.json("ReceiveMessage", {"QueueUrl": queue, "WaitTimeSeconds": 1}).json() == {}
    gone.close()
    assert raw.json("ReceiveMessage", {"QueueUrl": queue, "WaitTimeSeconds": 1}).json() == {}
    sqs.send_message(QueueUrl=queue, MessageBody="kept")
    message = receive_one(sqs, queue, wait=2)
    assert message["Body"] == "kept" and message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_connection_serves_one_request_after_another(raw, queue):
    connection = http.client.HTTPConnection(raw.host, raw.port, timeout=30)
    for number in range(3):
        connection.request("POST", "/", json.dumps({"QueueUrl": queue, "MessageBody": str(number)}), {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage",
            "Authorization": AUTHORIZATION})
        reply = connection.getresponse()
        assert reply.status == 200 and json.loads(reply.read())["MessageId"]
        assert connection.sock is not None, "the server closed the connection"
    connection.close()
