"""A node as the server sees it: enrols with a key of its own, speaks the agents' messages by long poll over mutual TLS, and
does what it is ordered to do in memory. Two of them over one identity are a clone and its original."""
import base64
import datetime
import hashlib
import http.client
import json
import pathlib
import ssl
import subprocess
import tempfile
import threading
import urllib.parse
import uuid

POLL_SECONDS_MAX = 70  # the server holds a poll for 50

FACTS = {"os_id": "debian", "os_version": "12", "os_codename": "bookworm", "os_name": "Debian GNU/Linux 12 (bookworm)",
         "architecture": "x86_64", "kernel_running": "6.1.0-40-amd64", "boot_id": "boot-1"}


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def package(name, version, arch="amd64"):
    return {"name": name, "arch": arch, "version": version}


def offer(name, version, security=True, priority="optional", arch="amd64", **more):
    suite = "bookworm-security" if security else "bookworm"
    return {"name": name, "arch": arch, "version": version, "origin": "Debian",
            "label": "Debian-Security" if security else "Debian", "suite": "oldstable", "codename": suite, "component": "main",
            "site": "archive.example", "section": "libs", "priority": priority, "classification": "", "severity": "",
            "advisory_ids": [], "cve_ids": [], "bugzilla_ids": [], "size_bytes": 1000,
            "installed_bytes": 2000, "sha256": "ab" * 32, "security": security, **more}


def _sorted(items, *keys):
    return sorted(items, key=lambda item: [item[key] for key in keys])


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class ScriptedNode:
    def __init__(self, server, name="node", folder=None):
        self.server, self.name = server, name
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="belay-node-")
        self.folder = pathlib.Path(folder or self._temporary.name)
        self.nonce = str(uuid.uuid4())
        self.installed, self.offers, self.pulls_in, self.problems = [], [], [], []
        self.node_id, self.orders, self.finished = "", [], []
        self.kept = {"hash": "", "associations": []}  # of its associations, for when it is cut off
        self.facts = {**FACTS, "computer_name": name}
        self._stop = threading.Event()
        self._thread = None

    # ---- who it is
    def enroll(self, activation_id, code):
        key, request = self.folder / "key.pem", self.folder / "request.pem"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=node",
                        "-keyout", key, "-out", request], check=True, capture_output=True)
        status, reply = self.post("/agent/v1/enroll", {"activation_id": activation_id, "activation_code": code,
                                                       "csr_pem": request.read_text(), "agent_version": "0.1.0", "facts": self.facts}, False)
        if status != 200:
            raise RuntimeError(f"not enrolled: {status} {reply}")
        (self.folder / "certificate.pem").write_text(reply["certificate_pem"])
        self.node_id = reply["node_id"]
        return self

    def copy(self, name):
        """Another machine with the same identity."""
        other = ScriptedNode(self.server, name, self.folder)
        other.node_id = self.node_id
        other.installed, other.offers = list(self.installed), list(self.offers)
        return other

    # ---- what it says
    def post(self, path, body, with_certificate=True):
        """(status, parsed answer)"""
        url = urllib.parse.urlsplit(self.server.env["BELAY_URL"])
        context = ssl.create_default_context(cafile=self.server.env["BELAY_CA"])
        if with_certificate:
            context.load_cert_chain(self.folder / "certificate.pem", self.folder / "key.pem")
        connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=POLL_SECONDS_MAX)
        try:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", path, body=text, headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        try:
            return response.status, json.loads(answer)
        except ValueError:
            return response.status, answer

    @staticmethod
    def message(kind, body, identity=None):
        return {"version": 1, "id": identity or str(uuid.uuid4()), "type": kind, "body": body}

    def exchange(self, *messages):
        """The server's messages in answer; raises where it refuses the whole."""
        status, reply = self.post("/agent/v1/exchange", {"messages": list(messages)})
        if status != 200:
            raise ConnectionError(f"{status}: {reply}")
        return reply["messages"]

    def hello(self):
        return self.exchange(self.message("hello", {"agent_version": "0.1.0", "boot_id": self.facts["boot_id"], "instance_nonce": self.nonce,
                                                    "package_set_hash": "", "facts": self.facts, "associations_hash": self.kept["hash"]}))

    def package_set(self):
        return {"format": "deb", "packages": _sorted(self.installed, "name", "arch", "version")}

    def offer_set(self):
        return {"format": "deb", "offers": _sorted(self.offers, "name", "arch", "version")}

    def scan(self, order_id=""):
        """Reports what it has and sends the sets that the server asks for."""
        sets = {"package_set_upload": self.package_set(), "offer_set_upload": self.offer_set()}
        hashes = {kind: hashlib.sha256(canonical(value).encode()).hexdigest() for kind, value in sets.items()}
        answers = self.exchange(self.message("scan_report", {
            "scan_id": str(uuid.uuid4()), "order_id": order_id, "observed_at": now_text(),
            "package_set_hash": hashes["package_set_upload"], "offer_set_hash": hashes["offer_set_upload"],
            "packages": len(self.installed), "offers": len(self.offers), "held": [], "repositories": [], "problems": self.problems,
            "facts": self.facts}))
        for answer in answers:
            if answer["type"] == "refused":
                raise ValueError(answer["body"])
        needed = {hash for answer in answers if answer["type"] == "need_sets"
                  for hash in answer["body"]["package_set_hashes"] + answer["body"]["offer_set_hashes"]}
        uploads = [self.message(kind, {"hash": hashes[kind], "set": value}) for kind, value in sets.items() if hashes[kind] in needed]
        if uploads:
            self.exchange(*uploads)
        return hashes

    # ---- what it does
    def _work_on(self, order):
        result = {"order_id": order["order_id"], "outcome": "success", "exit_code": 0, "standard_output": "", "standard_error": "",
                  "started_at": now_text(), "finished_at": now_text(), "problems": []}
        kind = order["kind"]
        if kind == "scan":
            self.scan(order["order_id"])
        elif kind == "steps":
            result["steps"] = self._steps_done(order["steps"])
        elif kind == "associations":
            self.kept = order["associations"]
        elif kind == "plan":
            result["plan"] = {"changes": order["plan"]["changes"] + self.pulls_in, "download_bytes": 1000, "disk_bytes": 0}
        else:
            changes = order["patch"]["changes"]
            gone = {(change["name"], change["arch"]) for change in changes}
            self.installed = [p for p in self.installed if (p["name"], p["arch"]) not in gone] + [
                package(c["name"], c["to_version"], c["arch"]) for c in changes]
            result["run"] = {"run_id": order["order_id"], "outcome": "committed", "changed": changes, "problems": [], "conffiles_kept": [],
                             "restart_needed": [], "rebooted": False, "reboot_pending": False, "steps": [], "output": "installed\n"}
        return result

    def own_run(self, association_id, due):
        """Runs by itself an association that it keeps, as a node does that is cut off; the result, for say()."""
        kept = next(each for each in self.kept["associations"] if each["association_id"] == association_id)
        name = f"belay association run\n{self.node_id}\n{association_id}\n{kept['version']}\n{int(due.timestamp() * 1000)}"
        digest = bytearray(hashlib.sha256(name.encode()).digest()[:16])
        digest[6], digest[8] = digest[6] & 0x0F | 0x40, digest[8] & 0x3F | 0x80
        run = {"format": 1, "cancel_wanted": False, "steps": [{"status": "Pending", "exit_code": -1, "reboots": 0, "why": ""}
                                                              for _ in kept["steps"]]}
        return {"order_id": str(uuid.UUID(bytes=bytes(digest))), "outcome": "success", "exit_code": 0, "standard_output": "",
                "standard_error": "", "started_at": now_text(), "finished_at": now_text(), "problems": [],
                "steps": self._steps_done({"steps": kept["steps"], "run": run}),
                "due": {"association_id": association_id, "version": kept["version"],
                        "due_at": due.strftime("%Y-%m-%dT%H:%M:%SZ")}}

    @staticmethod
    def _steps_done(order):
        """Every script is said to have run, up to the first step that is the server's own."""
        steps, run = order["steps"], order["run"]
        outputs = []
        for index, step in enumerate(steps):
            state = run["steps"][index]
            if state["status"] not in ("Pending", "InProgress") or step["skip"]:
                continue
            if "belay:patch" in step["work"]:
                state.update(status="InProgress", started_at=now_text())
                break
            lines = step["work"].get("aws:runShellScript", {}).get("commands", [])
            outputs.append({"step": index, "standard_output": "ran: " + "; ".join(lines) + "\n", "standard_error": ""})
            state.update(status="Success", exit_code=0, started_at=now_text(), finished_at=now_text())
        return {"run": run, "outputs": outputs, "local_document": ""}

    def _take(self, message):
        order = json.loads(message["body"]["payload"])
        base64.b64decode(message["body"]["signature"], validate=True)
        result = next((known for known in self.finished if known["order_id"] == order["order_id"]), None)
        if result is None:
            result = self._work_on(order)  # where the link breaks meanwhile the order comes again, and is worked on again
            self.orders.append(order)
            self.finished.append(result)
        return [self.message("ack", {"ids": [message["id"]]}), self.message("order_result", result)]

    def live(self):
        """Works on orders in a thread of its own until stop(); where the server is away it comes again, with what it had to say."""
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        return self

    def _live(self):
        say = []
        greeted = False
        while not self._stop.is_set():
            try:
                if not greeted:
                    self.hello()
                    greeted = True
                answers = self.exchange(*say)
                say = []
                for answer in answers:
                    if answer["type"] == "signed_order":
                        say += self._take(answer)
            except (OSError, http.client.HTTPException, ValueError):
                greeted = False
                self._stop.wait(0.1)

    def stop(self):
        """Ends the thread after its poll at hand; the poll itself is not waited for."""
        self._stop.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        if self._temporary:
            self._temporary.cleanup()
