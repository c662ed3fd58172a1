"""Stock clients by HTTPS, against servers of their own: certificates that come, change and are missing."""

import os
import ssl
import time
import urllib.request
from contextlib import contextmanager
from urllib.error import HTTPError

import boto3
import pytest
import trustme
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import SSLError
from botocore.session import get_session

from command_line import Cli
from conftest import serving, unique
from helpers import delete, receive_one

# Longer than anything takes here; a test that waits this long has failed.
LONG = 60


@pytest.fixture
def authority():
    """Whom the clients trust."""
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path):
    """The file that tells clients so."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    return str(file)


def write(certificate, directory, name):
    """Writes a certificate and its key, each at once: a server that looks in between sees the one or the other."""
    for blob, ending in [(certificate.private_key_pem, "key"), (certificate.cert_chain_pems[0], "pem")]:
        beside = directory / f"{name}.{ending}.new"
        blob.write_to_path(beside)
        beside.rename(directory / f"{name}.{ending}")


@contextmanager
def secured(authority, directory, *arguments):
    """A server with a certificate for localhost, which asks for signatures; what it is called by."""
    write(authority.issue_cert("localhost"), directory, "server")
    arguments = ["--tls-certificate", directory / "server.pem", "--tls-key", directory / "server.key", *arguments]
    with serving(directory, "--credentials", os.environ["STANCHION_CREDENTIALS"], *arguments) as address:
        assert address.startswith("https://127.0.0.1:"), address
        yield "https://localhost:" + address.rsplit(":", 1)[1]


def client(endpoint, verify, **more):
    """A stock client that trusts an authority."""
    config = Config(retries={"max_attempts": 0}, read_timeout=30, **more)
    return boto3.client("sqs", endpoint_url=endpoint, verify=verify, config=config)


def test_a_client_that_trusts_the_authority_sends_and_receives(authority, trusted, tmp_path):
    with secured(authority, tmp_path) as endpoint:
        sqs = client(endpoint, trusted)
        url = sqs.create_queue(QueueName=unique())["QueueUrl"]
        assert url.startswith(endpoint + "/")
        sqs.send_message(QueueUrl=url, MessageBody="by https " + "x" * 200_000)
        message = receive_one(sqs, url)
        assert message["Body"].startswith("by https")
        delete(sqs, url, message)


def test_a_client_that_does_not_trust_it_says_so(authority, tmp_path):
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with secured(authority, tmp_path) as endpoint, pytest.raises(SSLError):
        client(endpoint, str(stranger)).list_queues()


def test_the_command_line_works_with_a_bundle(authority, trusted, tmp_path):
    with secured(authority, tmp_path) as endpoint:
        aws = Cli(endpoint, tmp_path, "--ca-bundle", trusted)
        url = aws("create-queue", "--queue-name", unique())["QueueUrl"]
        aws("send-message", "--queue-url", url, "--message-body", "typed")
        assert aws("receive-message", "--queue-url", url)["Messages"][0]["Body"] == "typed"


def test_plain_http_is_refused_or_redirected(authority, trusted, tmp_path):
    with secured(authority, tmp_path) as endpoint, pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(endpoint.replace("https", "http") + "/?Action=ListQueues", timeout=30)
    assert refused.value.code == 400
    with secured(authority, tmp_path, "--plain-http", "redirect") as endpoint:
        # The signature is in the URL and covers no scheme, so it is good where the client is sent to.
        request = AWSRequest("GET", endpoint.replace("https", "http") + "/?Action=ListQueues&Version=2012-11-05")
        SigV4QueryAuth(get_session().get_credentials(), "sqs", "us-east-1", expires=60).add_auth(request)
        reply = urllib.request.urlopen(request.url, timeout=30, context=ssl.create_default_context(cafile=trusted))
        assert reply.status == 200 and reply.url == request.url.replace("http", "https", 1)


def test_a_new_certificate_is_taken_without_a_restart(authority, trusted, tmp_path):
    with secured(authority, tmp_path) as endpoint:
        sqs = client(endpoint, trusted)
        sqs.list_queues()
        successor = trustme.CA()
        newly_trusted = tmp_path / "successor.pem"
        successor.cert_pem.write_to_path(newly_trusted)
        write(successor.issue_cert("localhost"), tmp_path, "server")
        deadline = time.monotonic() + LONG
        while True:
            try:
                client(endpoint, str(newly_trusted)).list_queues()
                break
            except SSLError:
                assert time.monotonic() < deadline, "the new certificate is not used"
                time.sleep(0.2)
        # The connection from before is still open, and good.
        assert sqs.list_queues()["ResponseMetadata"]["RetryAttempts"] == 0


def test_clients_without_a_certificate_are_refused_where_one_is_asked_for(authority, trusted, tmp_path):
    write(authority.issue_cert("consumer"), tmp_path, "client")
    with secured(authority, tmp_path, "--tls-client-authorities", trusted) as endpoint:
        presented = (str(tmp_path / "client.pem"), str(tmp_path / "client.key"))
        assert "ResponseMetadata" in client(endpoint, trusted, client_cert=presented).list_queues()
        with pytest.raises(Exception, match="(?i)certificate|ssl|connection"):
            client(endpoint, trusted).list_queues()
