"""Fixtures that every Python suite shares: the endpoint, a client, and queues that are removed again."""

import os
import subprocess
import uuid
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from raw import Raw


def pytest_configure(config):
    # A server that lets everybody in takes any key; one that does not has its key in the environment.
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def serving(directory, *arguments):
    """A server of the suite's own, in a directory where no settings of anybody lie; the address that it tells."""
    binary = os.environ.get("STANCHION_BINARY")
    if not binary:
        pytest.exit("set STANCHION_BINARY to the path of the server", returncode=2)
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", Path(directory, "data"), *arguments]
    with open(Path(directory, "log"), "w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=directory)
    try:
        line = server.stdout.readline()
        assert line.startswith("endpoint: "), line + Path(directory, "log").read_text()
        yield line.strip().removeprefix("endpoint: ")
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()


@pytest.fixture(scope="session")
def endpoint():
    """The address of the server under test; without one there is nothing to test."""
    address = os.environ.get("STANCHION_ENDPOINT")
    if not address:
        pytest.exit("set STANCHION_ENDPOINT to the address of a running server", returncode=2)
    return address.rstrip("/")


@pytest.fixture(scope="session")
def sqs(endpoint):
    """A stock client. Retries are off: a test wants to see the first answer."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        config=Config(retries={"max_attempts": 0}, read_timeout=30),
    )


def unique(prefix="q"):
    """A queue name nobody else uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def name():
    """A fresh queue name; the test that creates the queue removes it with `cleanup`."""
    return unique()


@pytest.fixture
def cleanup(sqs):
    """A list of queue URLs to delete when the test is over, whether or not they still exist."""
    urls = []
    yield urls
    for url in urls:
        try:
            sqs.delete_queue(QueueUrl=url)
        except sqs.exceptions.QueueDoesNotExist:
            pass


@pytest.fixture
def make_queue(sqs, cleanup):
    """Creates standard queues, deleted when the test is over."""

    def make(prefix="q", tags=None, **attributes):
        more = {"tags": tags} if tags else {}
        texts = {key: str(value) for key, value in attributes.items()}
        url = sqs.create_queue(QueueName=unique(prefix), Attributes=texts, **more)["QueueUrl"]
        cleanup.append(url)
        return url

    return make


@pytest.fixture
def make_fifo(sqs, cleanup):
    """Creates FIFO queues, deleted when the test is over."""

    def make(**attributes):
        texts = {"FifoQueue": "true", **{key: str(value) for key, value in attributes.items()}}
        url = sqs.create_queue(QueueName=unique() + ".fifo", Attributes=texts)["QueueUrl"]
        cleanup.append(url)
        return url

    return make


@pytest.fixture
def queue(make_queue):
    """One standard queue with default attributes."""
    return make_queue()


@pytest.fixture
def fifo(make_fifo):
    """One FIFO queue that needs explicit deduplication ids."""
    return make_fifo()


@pytest.fixture
def raw(endpoint):
    """Requests written by hand."""
    return Raw(endpoint)
