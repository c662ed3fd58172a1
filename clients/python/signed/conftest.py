"""A server with several accounts, which the tests of this directory share."""

import boto3
import pytest
from botocore.config import Config

from accounts import CREDENTIALS, OWNER
from conftest import serving


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory):
    """The address of the server."""
    directory = tmp_path_factory.mktemp("signed")
    file = directory / "credentials.toml"
    file.write_text(CREDENTIALS)
    file.chmod(0o600)
    with serving(directory, "--credentials", file, "--sixty-second-rules=off") as address:
        yield address


@pytest.fixture(scope="session")
def sqs(endpoint):
    """The owner's client."""
    return boto3.client("sqs", endpoint_url=endpoint, aws_access_key_id=OWNER[0], aws_secret_access_key=OWNER[1],
                        config=Config(retries={"max_attempts": 0}, read_timeout=30))
