"""Connections: closed in the middle, reused, and requests of unreasonable size."""

import http.client
import json
import socket

from helpers import receive_one
from raw import path_of


def test_a_client_that_leaves_its_poll_loses_no_message(sqs, raw, queue):
    gone = http.client.HTTPConnection(raw.host, raw.port, timeout=30)
    body = json.dumps({"QueueUrl": queue, "WaitTimeSeconds": 20})
    gone.request("POST", "/", body, raw.sign("POST", "/", body, {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ReceiveMessage"}))
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
        body = json.dumps({"QueueUrl": queue, "MessageBody": str(number)})
        connection.request("POST", "/", body, raw.sign("POST", "/", body, {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}))
        reply = connection.getresponse()
        assert reply.status == 200 and json.loads(reply.read())["MessageId"]
        assert connection.sock is not None, "the server closed the connection"
    connection.close()


def test_a_body_over_the_limit_is_refused_before_it_is_read(raw, queue):
    connection = http.client.HTTPConnection(raw.host, raw.port, timeout=30)
    connection.putrequest("POST", "/")
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
    for name, value in {**raw.sign("POST", "/", b"", headers), "Content-Length": str(1 << 40)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    # None of the announced terabyte is ever sent: the answer has to come from its length alone.
    assert connection.getresponse().status == 413
    connection.close()
    assert raw.json("ReceiveMessage", {"QueueUrl": queue}).json() == {}


def test_a_hundred_thousand_parameters_are_an_error_and_no_hang(raw, queue):
    form = "Action=SetQueueAttributes&Version=2012-11-05&" + "&".join(
        f"Attribute.{n}.Name=a{n}&Attribute.{n}.Value=1" for n in range(1, 50_001))
    reply = raw.send("POST", path_of(queue), form.encode(), Content_Type="application/x-www-form-urlencoded")
    assert 400 <= reply.status < 500
    assert raw.json("ReceiveMessage", {"QueueUrl": queue}).json() == {}


def test_a_request_cut_off_in_the_middle_changes_nothing(raw, queue):
    body = json.dumps({"QueueUrl": queue, "MessageBody": "half"}).encode()
    with socket.create_connection((raw.host, raw.port), timeout=30) as half:
        head = (
            f"POST / HTTP/1.1\r\nHost: {raw.host}\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: {len(body)}\r\n\r\n")
        half.sendall(head.encode() + body[:-1])
    assert raw.json("ReceiveMessage", {"QueueUrl": queue, "WaitTimeSeconds": 1}).json() == {}
