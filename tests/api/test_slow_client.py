"""Clients that hold a connection and say next to nothing: they are cut off, and the others do not notice."""
import socket
import time

from tests.api.support import ApiTestCase

# io/http.hpp: a header, and the handshake, must be there in 10 s. The bounds here only tell a hang.
HEADER_SECONDS = 10
PATIENCE_SECONDS = 60


class SlowClient(ApiTestCase):
    def assert_cut_off(self, connection, since):
        """The server closes, or says why and closes; not before its own bound."""
        connection.settimeout(PATIENCE_SECONDS)
        answer = b""
        try:
            while chunk := connection.recv(4096):
                answer += chunk
        except ConnectionError:
            pass
        self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 408"), answer[:100])
        self.assertLess(time.monotonic() - since, PATIENCE_SECONDS)

    def test_a_hundred_of_them_stop_nobody(self):
        since = time.monotonic()
        silent = [socket.create_connection((self.url.hostname, self.url.port)) for _ in range(50)]  # not even a handshake
        begun = [self.socket() for _ in range(50)]
        for connection in begun:
            connection.sendall(b"POST /api/ListCommands HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while time.monotonic() - since < HEADER_SECONDS / 2:
            for connection in begun:
                connection.sendall(b"a")  # a byte now and then does not buy time
            asked = time.monotonic()
            self.assertEqual(self.post("ListCommands", {})[0], 200)
            self.assertLess(time.monotonic() - asked, HEADER_SECONDS)
            time.sleep(0.5)
        for connection in silent + begun:
            self.assert_cut_off(connection, since)
            connection.close()
        self.assertEqual(self.post("ListCommands", {})[0], 200)
