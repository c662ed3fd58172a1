"""Makes vectors.json: requests over odd inputs, signed by botocore as its clients would sign them.

    python crates/auth/tests/vectors.py > crates/auth/tests/vectors.json
"""

import datetime
import json
import sys

import botocore
import botocore.auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 21, 18, 47, 26, tzinfo=datetime.timezone.utc)
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "queues.example.com:9324"

JSON = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "AmazonSQS.SendMessage",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

# name, method, path and query, headers, body
HEADER_FORM = [
    ("json", "POST", "/", JSON, b'{"QueueUrl":"q","MessageBody":"hello"}'),
    ("json with an empty body", "POST", "/", JSON, b""),
    ("form at a queue", "POST", "/111122223333/q", FORM, b"Action=SendMessage&MessageBody=a+b%20c"),
    ("final slash", "POST", "/111122223333/q/", FORM, b"Action=GetQueueUrl"),
    ("path with dots", "POST", "/a/./b/../111122223333//q", FORM, b"Action=GetQueueUrl"),
    ("encoded path", "POST", "/111122223333/a%3Ab%20c%2Fd", FORM, b"Action=GetQueueUrl"),
    ("characters that need no encoding", "POST", "/A-Z_a.z~0", FORM, b""),
    ("get with query", "GET", "/111122223333/q?Action=ReceiveMessage&MaxNumberOfMessages=10", {}, b""),
    ("repeated parameters", "GET", "/?b=2&a=1&b=1&a=&A=0", {}, b""),
    ("encoded parameters", "GET", "/?Action=SendMessage&MessageBody=%C3%A9%20%2B%26%3D%25", {}, b""),
    ("empty query", "GET", "/?", {}, b""),
    ("headers in another order, blanks in values", "POST", "/",
     {"X-Amz-Target": "  AmazonSQS.SendMessage ", "X-Amz-Zebra": "a   b\tc", "Content-Type": "text/plain",
      "X-Amz-Apple": "1,2", "Accept": "*/*"}, b"x"),
    ("binary body", "POST", "/", FORM, bytes(range(256))),
    ("body in UTF-8", "POST", "/", JSON, '{"MessageBody":"häß 漢字 🦀"}'.encode()),
    ("hash of the body in a header", "POST", "/",
     {**JSON, "X-Amz-Content-SHA256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, b""),
]

QUERY_FORM = [
    ("presigned get", "GET", "/111122223333/q?Action=ReceiveMessage&Version=2012-11-05", {}, b""),
    ("presigned get of a queue with an odd name", "GET", "/111122223333/a%20b?Action=GetQueueUrl", {}, b""),
    ("presigned post with headers", "POST", "/", JSON, b""),
]


def vector(name, signer, method, path, headers, body, expires=None):
    """Signs one request; returns everything that goes over the wire, and when."""
    path = path.encode().decode("ascii")
    request = AWSRequest(method=method, url=f"http://{HOST}{path}", headers=dict(headers), data=body)
    signer.add_auth(request)
    sent = [("Host", HOST), *request.headers.items()]
    return {
        "name": name,
        "method": method,
        "path": request.url.removeprefix(f"http://{HOST}"),
        "headers": [[key, value] for key, value in sent],
        "body": body.hex(),
        "expires": expires,
    }


def main():
    botocore.auth.get_current_datetime = lambda: NOW.replace(tzinfo=None)
    credentials = Credentials(ACCESS_KEY, SECRET_KEY)
    vectors = []
    for name, *request in HEADER_FORM:
        for region in ["us-east-1", "eu-central-1"]:
            vectors.append(vector(f"{name}, {region}", SigV4Auth(credentials, "sqs", region), *request))
    for name, *request in QUERY_FORM:
        signer = SigV4QueryAuth(credentials, "sqs", "us-east-1", expires=900)
        vectors.append(vector(name, signer, *request, expires=900))
    document = {
        "made_by": f"botocore {botocore.__version__}",
        "now": int(NOW.timestamp()),
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "vectors": vectors,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


main()
