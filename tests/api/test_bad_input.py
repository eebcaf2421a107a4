"""What a broken or hostile client sends, over the real socket: a clear error each time, and the server stays whole."""
import json

from tests.api.support import ApiTestCase, JSON

UUID = "01234567-89ab-4def-8123-456789abcdef"


class BadInput(ApiTestCase):
    def setUp(self):
        status, before = self.post("VerifyAudit", {})
        self.assertEqual(status, 200, before)
        self.entries_before = before["LastSequence"]

    def tearDown(self):
        """Nothing was stored, nothing crashed."""
        status, after = self.post("VerifyAudit", {})
        self.assertEqual(status, 200, after)
        self.assertEqual(after["LastSequence"], self.entries_before)
        self.assertTrue(after["Intact"])
        self.assertIsNone(self.server.process.poll())

    def assert_error(self, answer, kind):
        status, body = answer
        self.assertIsInstance(body, dict, body)
        self.assertEqual(body.get("__type"), kind, body)
        self.assertGreaterEqual(status, 400)
        self.assertTrue(body["message"])

    def test_rows(self):
        rows = [
            ("NoSuchOperation", {}, "UnknownOperationException"),
            ("CreatePatchBaseline/../x", {}, "UnknownOperationException"),
            ("ListCommands", b"{", "SerializationException"),
            ("ListCommands", b"[1]", "SerializationException"),
            ("ListCommands", b'{"MaxResults":5,"MaxResults":50}', "SerializationException"),
            ("SendCommand", b'{"DocumentName":"AWS-RunShellScript","Parameters":{"commands":["id"],"commands":["true"]}}', "SerializationException"),
            ("ListCommands", b"nonsense", "SerializationException"),
            ("ListCommands", b'{"NextToken":"\xff"}', "SerializationException"),
            ("ListCommands", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "SerializationException"),
            ("ListCommands", b"{" + b'"a":{' * 5000, "SerializationException"),
            ("ListCommands", {"MaxResults": 51}, "ValidationException"),
            ("ListCommands", {"MaxResults": 1e400}, "SerializationException"),
            ("ListCommands", {"NextToken": "bm8="}, "InvalidNextToken"),
            ("CreatePatchBaseline", {"Name": "a" * 129}, "ValidationException"),
            ("CreatePatchBaseline", {"Name": "a\x00b"}, "ValidationException"),
            ("CreatePatchBaseline", {"Name": "base", "ApprovedPatches": ["x"] * 51}, "ValidationException"),
            ("CreatePatchBaseline", {"Name": "base", "ApprovedPatches": ["x" * 101]}, "ValidationException"),
            ("CreatePatchBaseline", {"Name": "base", "OperatingSystem": "TEMPLEOS"}, "ValidationException"),
            ("CreateActivation", {"IamRole": "r", "RegistrationLimit": 1001}, "ValidationException"),
            ("CreateActivation", {"IamRole": "r", "RegistrationLimit": 0}, "ValidationException"),
            ("SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["mi-0123456789abcdef0"] * 51}, "ValidationException"),
            ("GetCommandInvocation", {"CommandId": UUID, "InstanceId": "mi-' OR 1=1; --"}, "ValidationException"),
            ("GetNode", {"InstanceId": "mi-0123456789abcdef0"}, "InvalidInstanceId"),
            ("DescribeNodeCompliance", {"AsOf": "yesterday"}, "SerializationException"),
            ("CreateChangeSet", {"Name": "no nodes"}, "ValidationException"),
        ]
        for operation, request, kind in rows:
            with self.subTest(operation=operation, request=str(request)[:60]):
                self.assert_error(self.post(operation, request), kind)

    def test_a_member_that_stands_twice_is_named(self):
        _, reply = self.post("SendCommand", b'{"Parameters":{"commands":["id"],"commands":["true"]}}')
        self.assertIn("Parameters.commands stands twice", reply["message"])

    def test_sign_in(self):
        self.assert_error(self.post("ListCommands", {}, token=""), "MissingAuthenticationTokenException")
        self.assert_error(self.post("ListCommands", {}, token="x" * 40), "UnrecognizedClientException")
        self.assert_error(self.post("ListCommands", {}, token="x" * 8000), "IncompleteSignatureException")
        for header in ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a", "Basic YTpi", "AWS4-HMAC-SHA256 " + "," * 4000):
            status, _, body = self.send("POST", "/", b"{}", {"Authorization": header, "X-Amz-Target": "AmazonSSM.ListCommands", "Content-Type": JSON})
            self.assert_error((status, body), "IncompleteSignatureException")
        status, _, body = self.send("POST", "/", b"{}", {"X-Amz-Target": "AmazonSSM.ListCommands"})
        self.assert_error((status, body), "MissingAuthenticationTokenException")

    def test_the_method(self):
        status, _, body = self.send("GET", "/api/ListCommands", headers={"Authorization": "Bearer " + self.server.env["BELAY_TOKEN"]})
        self.assertEqual((status, body["__type"]), (405, "MethodNotAllowedException"))

    def test_a_body_over_the_bound(self):
        body = json.dumps({"Comment": "x" * (1 << 20)}).encode()
        status, reply = self.post("SendCommand", body)
        self.assertEqual((status, reply["__type"]), (413, "RequestEntityTooLargeException"))

    def test_a_body_over_every_bound_is_cut_off(self):
        with self.socket() as connection:
            connection.sendall(f"POST /api/ListCommands HTTP/1.1\r\nHost: {self.url.netloc}\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
            answer = connection.recv(4096)
            self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer[:200])
            self.assertEqual(json.loads(answer.partition(b"\r\n\r\n")[2])["__type"], "RequestEntityTooLargeException")

    def test_what_is_no_http(self):
        for garbage in (b"\x00" * 100 + b"\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"A" * 100_000):
            with self.subTest(garbage=garbage[:10]), self.socket() as connection:
                try:
                    connection.sendall(garbage)
                    answer = connection.recv(4096)
                except OSError:
                    continue  # cut off while it was still sending
                self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200])

    def test_a_forged_snapshot_link(self):
        for link in ("00" * 60, "zz", "", "0" * 5000):
            status, _, _ = self.send("GET", f"/api/snapshots/{link}")
            self.assertEqual(status, 403)
