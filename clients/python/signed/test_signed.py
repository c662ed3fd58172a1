"""Stock clients on a server that asks who they are."""

import json
import urllib.parse
import urllib.request
from urllib.error import HTTPError

import boto3
import botocore
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from accounts import OWNER, PRODUCER, STRANGER


@pytest.fixture
def client(endpoint):
    """Clients with a key, or with none."""

    def make(key=None, **more):
        config = Config(retries={"max_attempts": 0}, **({} if key else {"signature_version": botocore.UNSIGNED}))
        access, secret = key or (None, None)
        return boto3.client("sqs", endpoint_url=endpoint, aws_access_key_id=access, aws_secret_access_key=secret,
                            config=config, **more)

    return make


def refused(call, code, status=403):
    """Calls, and expects a refusal; returns its words."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    return error["Error"]["Message"]


def test_a_key_that_nobody_has_is_not_valid(client):
    text = refused(client(("AKIANOBODY", "x" * 40)).list_queues, "InvalidClientTokenId")
    assert text == "The security token included in the request is invalid."


def test_a_wrong_secret_makes_a_wrong_signature(client):
    text = refused(client((OWNER[0], "x" * 40)).list_queues, "SignatureDoesNotMatch")
    assert text.startswith("The request signature we calculated does not match")


def test_a_session_token_is_not_valid(client):
    refused(client(OWNER, aws_session_token="token").list_queues, "InvalidClientTokenId")


def test_who_does_not_sign_is_told_so(client):
    text = refused(client().list_queues, "MissingAuthenticationToken")
    assert text == "Request is missing Authentication Token"


def test_every_region_can_be_signed_for(client, queue):
    url = client(OWNER, region_name="ap-southeast-2").get_queue_url(QueueName=queue.rsplit("/", 1)[1])["QueueUrl"]
    assert url == queue


def test_a_user_may_do_what_his_policy_allows(client, queue):
    producer = client(PRODUCER)
    producer.send_message(QueueUrl=queue, MessageBody="x")
    producer.send_message_batch(QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "x"}])
    text = refused(lambda: producer.receive_message(QueueUrl=queue), "AccessDenied")
    name = queue.rsplit("/", 1)[1]
    assert text == (
        "User: arn:aws:iam::000000000000:user/producer is not authorized to perform: sqs:receivemessage on resource: "
        f"arn:aws:sqs:us-east-1:000000000000:{name} because no identity-based policy allows the sqs:receivemessage action")


def test_a_permission_lets_another_account_in_until_it_is_removed(client, sqs, queue):
    stranger = client(STRANGER)
    refused(lambda: stranger.send_message(QueueUrl=queue, MessageBody="x"), "AccessDenied")
    sqs.add_permission(QueueUrl=queue, Label="in", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
    stranger.send_message(QueueUrl=queue, MessageBody="x")
    refused(lambda: stranger.receive_message(QueueUrl=queue), "AccessDenied")
    refused(lambda: stranger.delete_queue(QueueUrl=queue), "AccessDenied")
    sqs.remove_permission(QueueUrl=queue, Label="in")
    refused(lambda: stranger.send_message(QueueUrl=queue, MessageBody="x"), "AccessDenied")


def test_accounts_see_their_own_queues(client, queue):
    stranger = client(STRANGER)
    assert queue not in stranger.list_queues().get("QueueUrls", [])
    refused(lambda: stranger.get_queue_url(QueueName=queue.rsplit("/", 1)[1], QueueOwnerAWSAccountId="000000000000"),
            "AccessDenied")


def test_a_queue_for_everybody_needs_no_signature(client, sqs, queue):
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    client().send_message(QueueUrl=queue, MessageBody="x")
    refused(lambda: client().receive_message(QueueUrl=queue), "AccessDenied")


def presign(url, expires=60, **parameters):
    """A URL that asks for something by itself."""
    query = urllib.parse.urlencode({"Version": "2012-11-05", **parameters}, quote_via=urllib.parse.quote)
    request = AWSRequest(method="GET", url=f"{url}?{query}")
    SigV4QueryAuth(Credentials(*OWNER), "sqs", "us-east-1", expires=expires).add_auth(request)
    return request.url


def get(url):
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_a_url_can_be_signed(queue):
    url = presign(queue, Action="SendMessage", MessageBody="a b+c/é&=%")
    status, body = get(url)
    assert status == 200 and "<MD5OfMessageBody>" in body, body
    status, body = get(presign(queue, Action="ReceiveMessage"))
    assert status == 200 and "<Body>a b+c/é&amp;=%</Body>" in body, body
    status, body = get(url.replace("MessageBody=a", "MessageBody=b"))
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code>" in body
