"""Both wire protocols by hand, without an SDK between the test and the bytes but for the signature."""

import http.client
import json
import os
import urllib.parse
import xml.etree.ElementTree
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"
@dataclass
class Reply:
    """Status, headers by lower-case name, and the raw body."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    def xml(self):
        """The body as XML, after checking that every element is in the service's namespace."""
        root = xml.etree.ElementTree.fromstring(self.body)
        for element in root.iter():
            assert element.tag.startswith("{" + NAMESPACE + "}"), element.tag
        return root

    def texts(self, name):
        """The texts of all elements called `name`, in document order."""
        return [element.text for element in self.xml().iter("{" + NAMESPACE + "}" + name)]

    def text(self, name):
        """The text of the only element called `name`."""
        (found,) = self.texts(name)
        return found


class Raw:
    """Requests to one endpoint, each over a connection of its own."""

    def __init__(self, endpoint):
        parts = urllib.parse.urlsplit(endpoint)
        self.host, self.port = parts.hostname, parts.port
        self._credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])

    def send(self, method, path, body=b"", **headers):
        """One request as given, signed; header names are written with `_` for `-`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, self.sign(method, path, body, names))
            reply = connection.getresponse()
            found = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, found, reply.read())
        finally:
            connection.close()

    def sign(self, method, path, body, headers):
        """The headers with those that say who sends them."""
        request = AWSRequest(method, f"http://{self.host}:{self.port}{path}", headers, body)
        SigV4Auth(self._credentials, "sqs", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def json(self, action, members, path="/"):
        """An AWS JSON 1.0 request; `members` may also be the raw text of the body."""
        body = members if isinstance(members, (str, bytes)) else json.dumps(members)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        return self.send(
            "POST", path, body, Content_Type="application/x-amz-json-1.0", X_Amz_Target="AmazonSQS." + action)

    def query(self, path="/", method="POST", **parameters):
        """A Query request; parameter names are written with `__` for `.`."""
        fields = {name.replace("__", "."): value for name, value in parameters.items()}
        fields.setdefault("Version", "2012-11-05")
        # A blank in a URL is %20: signers know no plus sign for it.
        form = urllib.parse.urlencode(fields, quote_via=urllib.parse.quote)
        if method == "GET":
            return self.send("GET", path + "?" + form)
        return self.send("POST", path, form.encode(), Content_Type="application/x-www-form-urlencoded")


def path_of(url):
    """The path of a queue URL."""
    return urllib.parse.urlsplit(url).path
