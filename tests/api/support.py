"""One server for the tests of a class, and the ways to reach it: boto3, the aws command, raw requests, a raw socket."""
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import ssl
import socket
import subprocess
import unittest
import urllib.parse

from tests.support.binaries import Server, binary
from tests.support.postgres import NoPostgres, PrivatePostgres
from tests.support.scripted_node import ScriptedNode

try:
    import boto3
    import botocore
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.config import Config
    from botocore.credentials import Credentials
except ImportError:
    boto3 = None

JSON = "application/x-amz-json-1.1"

_TABLE = pathlib.Path(__file__).resolve().parents[2] / "src/server/api/shapes/ssm.shapes"
# {operation of SSM: the exceptions that its model has}
ERRORS = {name: errors.split(",") for name, errors in re.findall(r"^op (\w+) \S+ \S+ (\S+)$", _TABLE.read_text(encoding="utf-8"), re.MULTILINE)}
# What any request may end with.
OF_ANY = set("""AccessDeniedException ExpiredTokenException IncompleteSignatureException InternalServerError InvalidSignatureException
MethodNotAllowedException MissingAuthenticationTokenException RequestEntityTooLargeException RequestReplayedException SerializationException
ServiceUnavailableException ThrottlingException UnknownOperationException UnrecognizedClientException UnsupportedOperationException
ValidationException""".split())
# What the model of the operation has no word for: a node that is not there, and a window that others need, which AWS deletes all the same.
BESIDES = {"GetDeployablePatchSnapshotForInstance": ["InvalidInstanceId"], "DeleteMaintenanceWindow": ["ResourceInUseException"]}


def is_error_of(operation, kind):
    """Whether the exception is one that SSM's model has for the operation; always so of Belay's own operations."""
    return operation not in ERRORS or kind in OF_ANY or kind in ERRORS[operation] + BESIDES.get(operation, [])


_cluster = None


def cluster():
    """One PostgreSQL for the whole run, made when the first test asks for it."""
    global _cluster
    if _cluster is None:
        try:
            _cluster = PrivatePostgres().start()
        except NoPostgres as error:
            raise unittest.SkipTest(str(error)) from None
        atexit.register(_cluster.__exit__)
    return _cluster


class ApiTestCase(unittest.TestCase):
    """belayd on its embedded store, or, where BELAY_TEST_STORE is "postgresql", on a database of a private cluster."""

    @classmethod
    def setUpClass(cls):
        try:
            binary("belayd")
        except FileNotFoundError as error:
            raise unittest.SkipTest(str(error)) from None
        on_postgres = os.environ.get("BELAY_TEST_STORE") == "postgresql"
        cls.own_database = cluster().new_database() if on_postgres else ""
        cls.server = Server(arguments=(["--database", cls.own_database] if on_postgres else []) + cls.more_arguments())
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    @classmethod
    def more_arguments(cls):
        """What else belayd is started with."""
        return []

    @property
    def url(self):
        """Where the server is now: another port after a restart."""
        return urllib.parse.urlsplit(self.server.env["BELAY_URL"])

    def new_node(self, name, installed=(), offers=(), **activation):
        """Enrolled, greeted and scanned."""
        status, made = self.post("CreateActivation", {"IamRole": "r", "DefaultInstanceName": name, **activation})
        self.assertEqual(status, 200, made)
        node = ScriptedNode(self.server, name)
        self.addCleanup(node.__exit__)
        node.enroll(made["ActivationId"], made["ActivationCode"])
        node.installed, node.offers = list(installed), list(offers)
        node.hello()
        node.scan()
        return node

    def tls(self):
        return ssl.create_default_context(cafile=self.server.env["BELAY_CA"])

    def send(self, method, path, body=b"", headers=None):
        """(status, headers, parsed body or text) of one request over TLS."""
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.tls(), timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        try:
            return response.status, response.headers, json.loads(text)
        except ValueError:
            return response.status, response.headers, text

    def post(self, operation, request, token=None):
        """With the administrator's token. (status, body)"""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        token = self.server.env["BELAY_TOKEN"] if token is None else token
        status, _, reply = self.send("POST", f"/api/{operation}", body, {"Authorization": f"Bearer {token}"} if token else {})
        if status != 200 and isinstance(reply, dict):
            self.assertTrue(is_error_of(operation, reply.get("__type")), f"{operation} has no {reply}; there are {ERRORS.get(operation)}")
        return status, reply

    def socket(self):
        raw = socket.create_connection((self.url.hostname, self.url.port), timeout=60)
        return self.tls().wrap_socket(raw, server_hostname=self.url.hostname)


class BotoTestCase(ApiTestCase):
    """Skips, by name, where python3-boto3 is missing."""

    @classmethod
    def setUpClass(cls):
        if boto3 is None:
            raise unittest.SkipTest("boto3 is not installed (Debian: python3-boto3)")
        super().setUpClass()
        cls.ssm = cls.client()

    @classmethod
    def client(cls, **changes):
        env = cls.server.env
        settings = {"endpoint_url": env["BELAY_URL"], "verify": env["AWS_CA_BUNDLE"], "region_name": env["AWS_DEFAULT_REGION"],
                    "aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"], **changes}
        return boto3.client("ssm", config=Config(retries={"max_attempts": 4}), **settings)

    def assert_fails(self, code, call, *words, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(*words, **arguments)
        self.assertEqual(raised.exception.response["Error"]["Code"], code, raised.exception)
        self.assertTrue(is_error_of(raised.exception.operation_name, code), raised.exception)
        return raised.exception.response["Error"]["Message"]

    def signed(self, operation, body="{}", secret=None, timestamp=None):
        """Headers of a request signed by botocore, at another time where given (20260101T000000Z)."""
        env = self.server.env
        request = AWSRequest(method="POST", url=env["BELAY_URL"] + "/", data=body.encode(),
                             headers={"Content-Type": JSON, "X-Amz-Target": f"AmazonSSM.{operation}"})
        auth = SigV4Auth(Credentials(env["AWS_ACCESS_KEY_ID"], secret or env["AWS_SECRET_ACCESS_KEY"]), "ssm", env["AWS_DEFAULT_REGION"])
        if timestamp is None:
            auth.add_auth(request)
        else:
            request.context["timestamp"] = timestamp
            auth._modify_request_before_signing(request)
            canonical = auth.canonical_request(request)
            auth._inject_signature_to_request(request, auth.signature(auth.string_to_sign(request, canonical), request))
        return {**dict(request.headers.items()), "Host": self.url.netloc}


class AwsTestCase(ApiTestCase):
    """The aws command; skips, by name, where it is missing."""

    @classmethod
    def setUpClass(cls):
        if shutil.which("aws") is None:
            raise unittest.SkipTest("the aws command is not installed (Debian: awscli)")
        super().setUpClass()

    def run_aws(self, *words, env=None):
        # --endpoint-url, because Debian's awscli 2.9 does not read AWS_ENDPOINT_URL_SSM.
        return subprocess.run(["aws", "--endpoint-url", self.server.env["BELAY_URL"], "--output", "json", "ssm", *words],
                              env={**self.server.environment(), **(env or {})}, capture_output=True, text=True, timeout=120, check=False)

    def aws(self, *words):
        done = self.run_aws(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def assert_aws_fails(self, code, *words):
        done = self.run_aws(*words)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"({code})", done.stderr)
