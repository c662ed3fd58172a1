"""The requests that the server's own tests hold as signed by botocore are what botocore signs.

With BLESS=1 the file is written anew.
"""

import datetime
import json
import os
from pathlib import Path

import botocore
import botocore.auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

VECTORS = Path(__file__).parents[3] / "crates" / "auth" / "tests" / "vectors"


def sign(case, given):
    """Everything that goes over the wire for one case."""
    base = f"http://{given['host']}"
    credentials = Credentials(given["access_key"], given["secret_key"], case.get("token"))
    scope = (credentials, "sqs", case.get("region", "us-east-1"))
    request = AWSRequest(case["method"], base + case["target"], data=bytes.fromhex(case["body"]))
    for name, value in case["headers"]:
        request.headers[name] = value
    if case.get("unsigned"):
        request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    signer = SigV4QueryAuth(*scope, expires=case["expires"]) if "expires" in case else SigV4Auth(*scope)
    signer.add_auth(request)
    return {
        "name": case["name"],
        "method": case["method"],
        "target": request.url.removeprefix(base),
        "headers": [["Host", given["host"]], *map(list, request.headers.items())],
        "body": case["body"],
    }


def test_botocore_signs_as_it_did(monkeypatch):
    given = json.loads((VECTORS / "cases.json").read_text())
    now = datetime.datetime.fromtimestamp(given["now"], datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now.replace(tzinfo=None))
    vectors = [sign(case, given) for case in given["cases"] if "botocore" not in case.get("unlike", {})]
    file = VECTORS / "botocore.json"
    if os.environ.get("BLESS") == "1":
        lines = ",\n".join("  " + json.dumps(vector) for vector in vectors)
        file.write_text(f'{{\n "made_by": "botocore {botocore.__version__}",\n "vectors": [\n{lines}\n ]\n}}\n')
    assert vectors == json.loads(file.read_text())["vectors"]
