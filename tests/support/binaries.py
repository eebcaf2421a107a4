"""The built binaries, and a server of a test's own on loopback."""
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BELAY_BIN", ROOT / "build/bin"))
START_SECONDS_MAX = 60


def binary(name):
    path = BIN / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: make build")
    return str(path)


def read_env(path):
    """Shell assignments as belayd writes them to admin.env."""
    values = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.removeprefix("export ").partition("=")
            values[name] = "".join(shlex.split(value))
    return values


class Server:
    """belayd in a folder of its own; a context manager. `kill()` and `start()` again keep the folder."""

    def __init__(self, data=None, listen="127.0.0.1:0", http="127.0.0.1:0", arguments=()):
        self._temporary = None if data else tempfile.TemporaryDirectory(prefix="belayd-")
        self.data = pathlib.Path(data or self._temporary.name) / ("" if data else "data")
        self.listen, self.http, self.arguments = listen, http, list(arguments)
        self.process = None
        self.ready_line = ""

    def start(self):
        self.log = open(self.data.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(
            [binary("belayd"), "--data", str(self.data), "--listen", self.listen, "--http", self.http, *self.arguments],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, text=True)
        self.ready_line = self.process.stdout.readline()
        if not self.ready_line.startswith("belayd ready"):
            self.stop()
            raise RuntimeError("belayd did not start: " + self.log_text()[-3000:])
        self.env = read_env(self.data / "admin.env")
        return self

    def log_text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def stop(self):
        """SIGTERM; returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self):
        return self._end(signal.SIGKILL)

    def _end(self, how):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(START_SECONDS_MAX)
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return status

    def environment(self):
        """For the command line and AWS's tools: admin.env over a clean environment."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.data), "LC_ALL": "C.UTF-8", "AWS_CONFIG_FILE": "/dev/null",
                "AWS_EC2_METADATA_DISABLED": "true", **self.env}

    def belay(self, *words, input=None, timeout=120, token=None):
        """As the administrator, or whose token it is."""
        environment = self.environment() | ({"BELAY_TOKEN": token} if token else {})
        return subprocess.run([binary("belay"), *words], env=environment, input=input, text=True,
                              capture_output=True, timeout=timeout, check=False)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        if self._temporary:
            self._temporary.cleanup()


def wait_until(condition, seconds=60, every=0.1):
    """True as soon as the condition holds; False after `seconds`, a bound that only a hang reaches."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every)
    return False
