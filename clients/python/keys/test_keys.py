"""Queues with a key of a key management service: a server of its own beside moto, which speaks the API of AWS KMS."""

import os
import subprocess
import time
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.kms.models import KmsBackend
from moto.server import ThreadedMotoServer

from conftest import serving as serve
from helpers import receive_one
from raw import Raw

# Longer than anything takes here; a test that waits this long has failed.
LONG = 60


class Kms:
    """moto's KMS, which can be stopped and started again at the same port with all its keys."""

    def __init__(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, self.port = self.server.get_host_and_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.client = boto3.client("kms", endpoint_url=self.endpoint, config=Config(retries={"max_attempts": 0}))

    def stop(self):
        self.server.stop()

    def start(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()

    def create_key(self, **more):
        return self.client.create_key(**more)["KeyMetadata"]["KeyId"]


# Keys that nobody may use.
DENIED = set()
# What the service says of a key in another state than the usual one; moto lets all of them be used.
STATES = {
    "Disabled": ("DisabledException", "is disabled."),
    "PendingDeletion": ("KMSInvalidStateException", "is pending deletion."),
}


def check(key):
    """Refuses a key as the service does."""
    if key.id in DENIED:
        raise JsonRESTError("AccessDeniedException", "The caller may not use the key.")
    if key.key_state in STATES:
        code, text = STATES[key.key_state]
        raise JsonRESTError(code, f"{key.arn} {text}")


@pytest.fixture
def kms(monkeypatch):
    encrypt, decrypt = KmsBackend.encrypt, KmsBackend.decrypt

    def checked_encrypt(self, key_id, **more):
        check(self.keys[self.any_id_to_key_id(key_id)])
        return encrypt(self, key_id=key_id, **more)

    def checked_decrypt(self, **more):
        plaintext, arn = decrypt(self, **more)
        check(self.keys[self.any_id_to_key_id(arn)])
        return plaintext, arn

    monkeypatch.setattr(KmsBackend, "encrypt", checked_encrypt)
    monkeypatch.setattr(KmsBackend, "decrypt", checked_decrypt)
    DENIED.clear()
    service = Kms()
    yield service
    service.stop()


@contextmanager
def serving(kms, directory):
    """A stock client of a server whose queues have their keys there."""
    with serve(directory, "--kms-endpoint", kms.endpoint) as endpoint:
        config = Config(retries={"max_attempts": 0}, read_timeout=LONG)
        yield boto3.client("sqs", endpoint_url=endpoint, config=config)


def create(sqs, key, name="q", **more):
    attributes = {"KmsMasterKeyId": key, "VisibilityTimeout": "600", **more}
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def code(call, **arguments):
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def receive_in_time(sqs, url):
    """Receives one message; refusals stand for a second, so it may take a few calls."""
    deadline = time.monotonic() + LONG
    while True:
        try:
            return receive_one(sqs, url)
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_message_is_sealed_and_read_after_a_restart(kms, tmp_path):
    key = kms.create_key()
    kms.client.create_alias(AliasName="alias/orders", TargetKeyId=key)
    with serving(kms, tmp_path) as sqs:
        url = create(sqs, "alias/orders")
        sqs.send_message(QueueUrl=url, MessageBody="sealed")
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["KmsMasterKeyId"] == "alias/orders"
        assert attributes["KmsDataKeyReusePeriodSeconds"] == "300"
        assert attributes["SqsManagedSseEnabled"] == "false"
    with serving(kms, tmp_path) as sqs:
        message = receive_one(sqs, sqs.get_queue_url(QueueName="q")["QueueUrl"])
        assert message["Body"] == "sealed"


def test_a_key_is_named_by_id_or_arn_as_well(kms, tmp_path):
    with serving(kms, tmp_path) as sqs:
        metadata = kms.client.create_key()["KeyMetadata"]
        for queue, key in [("by-id", metadata["KeyId"]), ("by-arn", metadata["Arn"])]:
            url = create(sqs, key, queue)
            sqs.send_message(QueueUrl=url, MessageBody=key)
            assert receive_one(sqs, url)["Body"] == key


def test_a_disabled_key_refuses_both_and_consumes_nothing(kms, tmp_path):
    key = kms.create_key()
    with serving(kms, tmp_path) as sqs:
        sqs.send_message(QueueUrl=create(sqs, key), MessageBody="waits")
    kms.client.disable_key(KeyId=key)
    with serving(kms, tmp_path) as sqs:
        url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
        assert code(sqs.send_message, QueueUrl=url, MessageBody="x") == "KMS.DisabledException"
        entries = [{"Id": "1", "MessageBody": "x"}]
        assert code(sqs.send_message_batch, QueueUrl=url, Entries=entries) == "KMS.DisabledException"
        for _ in range(3):
            assert code(sqs.receive_message, QueueUrl=url) == "KMS.DisabledException"
        kms.client.enable_key(KeyId=key)
        message = receive_in_time(sqs, url)
        assert message["Body"] == "waits"
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_key_that_is_to_be_deleted_or_was_never_there(kms, tmp_path):
    key = kms.create_key()
    with serving(kms, tmp_path) as sqs:
        url = create(sqs, key)
        kms.client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        assert code(sqs.send_message, QueueUrl=url, MessageBody="x") == "KMS.InvalidStateException"
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/nowhere"})
        assert code(sqs.send_message, QueueUrl=url, MessageBody="x") == "KMS.NotFoundException"
        # The key that needs no set-up needs no service either.
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/aws/sqs"})
        sqs.send_message(QueueUrl=url, MessageBody="managed")
        assert receive_one(sqs, url)["Body"] == "managed"


def test_a_key_that_the_server_may_not_use_is_told_by_both_protocols(kms, tmp_path):
    key = kms.create_key()
    DENIED.add(key)
    with serving(kms, tmp_path) as sqs:
        url = create(sqs, key)
        assert code(sqs.send_message, QueueUrl=url, MessageBody="x") == "KMS.AccessDeniedException"
        reply = Raw(sqs.meta.endpoint_url).query(Action="SendMessage", QueueUrl=url, MessageBody="x")
        assert (reply.status, reply.text("Code")) == (400, "KMS.AccessDeniedException")


# The shortest period that there is takes a minute.
@pytest.mark.timeout(180)
def test_a_data_key_is_used_for_the_reuse_period_of_its_queue(kms, tmp_path):
    key = kms.create_key()
    with serving(kms, tmp_path) as sqs:
        url = create(sqs, key, KmsDataKeyReusePeriodSeconds="60")
        sqs.send_message(QueueUrl=url, MessageBody="first")
        started = time.monotonic()
        kms.client.disable_key(KeyId=key)
        sqs.send_message(QueueUrl=url, MessageBody="the data key is at hand")
        while True:
            try:
                sqs.send_message(QueueUrl=url, MessageBody="still")
            except ClientError as refused:
                assert refused.response["Error"]["Code"] == "KMS.DisabledException"
                break
            assert time.monotonic() - started < 2 * LONG
            time.sleep(1)
        assert time.monotonic() - started > 55


def test_an_outage_leaves_cached_keys_and_then_refuses_without_losing_anything(kms, tmp_path):
    key = kms.create_key()
    with serving(kms, tmp_path) as sqs:
        url = create(sqs, key)
        sqs.send_message(QueueUrl=url, MessageBody="before")
        kms.stop()
        sqs.send_message(QueueUrl=url, MessageBody="during")
        assert receive_one(sqs, url)["Body"] == "before"
    with serving(kms, tmp_path) as sqs:
        url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
        assert code(sqs.receive_message, QueueUrl=url) == "InternalFailure"
        assert code(sqs.send_message, QueueUrl=url, MessageBody="x") == "InternalFailure"
        # What needs no key goes on.
        other = sqs.create_queue(QueueName="other")["QueueUrl"]
        sqs.send_message(QueueUrl=other, MessageBody="plain")
        assert receive_one(sqs, other)["Body"] == "plain"
        kms.start()
        message = receive_in_time(sqs, url)
        assert message["Body"] == "during"
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_an_export_opens_what_queues_have_sealed(kms, tmp_path):
    key = kms.create_key()
    with serving(kms, tmp_path) as sqs:
        sqs.send_message(QueueUrl=create(sqs, key), MessageBody="carried")
    arguments = ["export", "q", "--plain", "--data-dir", tmp_path / "data"]
    environment = {**os.environ, "STANCHION_KMS_ENDPOINT": kms.endpoint}
    run = [os.environ["STANCHION_BINARY"], *arguments]
    lines = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=True)
    assert '"Body":"carried"' in lines.stdout
    kms.client.disable_key(KeyId=key)
    refused = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=LONG)
    assert refused.returncode == 1 and "carried" not in refused.stdout, refused
