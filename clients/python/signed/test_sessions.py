"""Temporary credentials, by the SDK's own STS client."""

import datetime
import json
import urllib.request

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from accounts import GUEST, OWNER, PRODUCER, WORKER
from helpers import receive_one


@pytest.fixture
def client(endpoint):
    """Clients of a service with a key, or with the credentials of a session."""

    def make(service, key):
        if isinstance(key, dict):
            key = key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]
        access, secret, token = (*key, None)[:3]
        return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=access,
                            aws_secret_access_key=secret, aws_session_token=token,
                            config=Config(retries={"max_attempts": 0}))

    return make


@pytest.fixture
def assume(client):
    """Begins a session of the role as the guest."""

    def begin(name="s1", **more):
        sts = client("sts", GUEST)
        return sts.assume_role(RoleArn=WORKER, RoleSessionName=name, ExternalId="agreed", **more)

    return begin


def refused(call, code, status):
    """Calls, and expects a refusal; returns its words."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    return error["Error"]["Message"]


def test_everybody_is_told_who_he_is(client, assume):
    for key, arn, account in [
        (OWNER, "arn:aws:iam::000000000000:root", "000000000000"),
        (PRODUCER, "arn:aws:iam::000000000000:user/producer", "000000000000"),
        (GUEST, "arn:aws:iam::111122223333:user/guest", "111122223333"),
        (assume()["Credentials"], "arn:aws:sts::000000000000:assumed-role/worker/s1", "000000000000"),
    ]:
        identity = client("sts", key).get_caller_identity()
        assert (identity["Arn"], identity["Account"]) == (arn, account)


def test_a_session_does_what_its_role_may_in_its_roles_account(client, assume, queue):
    refused(lambda: client("sqs", GUEST).send_message(QueueUrl=queue, MessageBody="x"), "AccessDenied", 403)
    answer = assume(name="a-worker", DurationSeconds=900)
    left = answer["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=10) < left <= datetime.timedelta(minutes=16)
    role_id = answer["AssumedRoleUser"]["AssumedRoleId"]
    assert role_id.startswith("AROA") and role_id.endswith(":a-worker")

    worker = client("sqs", answer["Credentials"])
    worker.send_message(QueueUrl=queue, MessageBody="by a session")
    message = receive_one(worker, queue)
    assert (message["Body"], message["Attributes"]["SenderId"]) == ("by a session", role_id)
    worker.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_a_session_policy_limits_the_role_and_a_queue_can_name_the_session(client, assume, sqs, queue):
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"}}
    answer = assume(name="limited", Policy=json.dumps(policy))
    assert 0 < answer["PackedPolicySize"] <= 100
    worker = client("sqs", answer["Credentials"])
    worker.receive_message(QueueUrl=queue)
    text = refused(lambda: worker.send_message(QueueUrl=queue, MessageBody="x"), "AccessDenied", 403)
    arn = answer["AssumedRoleUser"]["Arn"]
    assert text.startswith(f"User: {arn} is not authorized to perform: sqs:sendmessage on resource: ")
    assert text.endswith("because no session policy allows the sqs:sendmessage action")

    name = queue.rsplit("/", 1)[1]
    statement = {"Effect": "Allow", "Principal": {"AWS": WORKER}, "Action": "sqs:SendMessage",
                 "Resource": f"arn:aws:sqs:us-east-1:000000000000:{name}"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": statement})})
    refused(lambda: worker.send_message(QueueUrl=queue, MessageBody="x"), "AccessDenied", 403)
    statement["Principal"] = {"AWS": arn}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": statement})})
    worker.send_message(QueueUrl=queue, MessageBody="x")


def test_temporary_credentials_of_a_user_do_what_he_may(client, queue):
    session = client("sts", PRODUCER).get_session_token(DurationSeconds=900)["Credentials"]
    assert session["AccessKeyId"].startswith("ASIA")
    producer = client("sqs", session)
    producer.send_message(QueueUrl=queue, MessageBody="x")
    refused(lambda: producer.receive_message(QueueUrl=queue), "AccessDenied", 403)
    text = refused(client("sts", session).get_session_token, "AccessDenied", 403)
    assert text == "Cannot call GetSessionToken with session credentials"


def test_who_is_not_trusted_gets_no_session(client):
    denied = "User: {} is not authorized to perform: sts:AssumeRole on resource: " + WORKER
    for key, more, text in [
        (GUEST, {}, denied.format("arn:aws:iam::111122223333:user/guest")),
        (GUEST, {"ExternalId": "other"}, denied.format("arn:aws:iam::111122223333:user/guest")),
        (PRODUCER, {"ExternalId": "agreed"}, denied.format("arn:aws:iam::000000000000:user/producer")),
        (OWNER, {}, "Roles may not be assumed by root accounts."),
    ]:
        sts = client("sts", key)
        call = lambda: sts.assume_role(RoleArn=WORKER, RoleSessionName="s1", **more)  # noqa: B023
        assert refused(call, "AccessDenied", 403) == text


def test_what_breaks_a_bound_is_named(client, assume):
    text = refused(lambda: assume(DurationSeconds=43201), "ValidationError", 400)
    assert text == ("1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: Member "
                    "must have value less than or equal to 43200")
    refused(lambda: assume(DurationSeconds=43200), "ValidationError", 400)
    refused(lambda: assume(name="a b"), "ValidationError", 400)
    refused(lambda: assume(Policy="no policy"), "MalformedPolicyDocument", 400)
    spaced = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}) + " " * 2048
    refused(lambda: assume(Policy=spaced), "PackedPolicyTooLarge", 400)


def test_credentials_that_do_not_belong_together_are_not_valid(client, assume):
    one, other = assume()["Credentials"], assume()["Credentials"]
    for service, call in [("sqs", "list_queues"), ("sts", "get_caller_identity")]:
        mixed = {**one, "SessionToken": other["SessionToken"]}
        refused(getattr(client(service, mixed), call), "InvalidClientTokenId", 403)
        alone = one["AccessKeyId"], one["SecretAccessKey"]
        refused(getattr(client(service, alone), call), "InvalidClientTokenId", 403)
        wrong = {**one, "SecretAccessKey": other["SecretAccessKey"]}
        refused(getattr(client(service, wrong), call), "SignatureDoesNotMatch", 403)


def test_a_url_that_a_session_signed_works(client, assume, queue):
    session = assume()["Credentials"]
    request = AWSRequest("GET", f"{queue}?Action=GetQueueUrl&QueueName={queue.rsplit('/', 1)[1]}&Version=2012-11-05")
    keys = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    SigV4QueryAuth(keys, "sqs", "us-east-1", expires=60).add_auth(request)
    with urllib.request.urlopen(request.url, timeout=20) as answer:
        assert queue in answer.read().decode()


def test_a_profile_with_a_role_assumes_it_by_itself(endpoint, queue, tmp_path, monkeypatch):
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text(f"[profile worker]\nrole_arn = {WORKER}\nrole_session_name = by-profile\nexternal_id = agreed\n"
                      f"source_profile = guest\nregion = us-east-1\nendpoint_url = {endpoint}\n"
                      f"[profile guest]\nregion = us-east-1\nendpoint_url = {endpoint}\n")
    credentials.write_text(f"[guest]\naws_access_key_id = {GUEST[0]}\naws_secret_access_key = {GUEST[1]}\n")
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    session = boto3.Session(profile_name="worker")
    assert session.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/worker/by-profile")
    session.client("sqs").send_message(QueueUrl=queue, MessageBody="x")
