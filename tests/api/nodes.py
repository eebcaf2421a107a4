"""A node without a machine: enrolled with a key of its own, for tests of what is said about nodes."""
import json
import pathlib
import subprocess
import tempfile

FACTS = {"computer_name": "web-1.example.org", "os_id": "debian", "os_version": "12", "os_name": "Debian GNU/Linux 12 (bookworm)",
         "architecture": "x86_64", "kernel_running": "6.1.0-40-amd64", "boot_id": "boot-1", "cpus": 2, "memory_bytes": 1 << 30,
         "addresses": ["192.0.2.7", "2001:db8::7"], "services": [{"name": "ssh.service", "active": "active"}]}


def enrol(case, name="web-1", **facts):
    """Its id. `case` is an ApiTestCase."""
    status, made = case.post("CreateActivation", {"IamRole": "service-role/x", "DefaultInstanceName": name})
    case.assertEqual(status, 200, made)
    with tempfile.TemporaryDirectory() as folder:
        csr = pathlib.Path(folder) / "csr.pem"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=node",
                        "-keyout", f"{folder}/key.pem", "-out", str(csr)], check=True, capture_output=True)
        request = {"activation_id": made["ActivationId"], "activation_code": made["ActivationCode"], "csr_pem": csr.read_text(),
                   "agent_version": "0.1.0", "facts": {**FACTS, "computer_name": name + ".example.org", **facts}}
    status, _, reply = case.send("POST", "/agent/v1/enroll", json.dumps(request).encode(), {"Content-Type": "application/json"})
    case.assertEqual(status, 200, reply)
    return reply["node_id"]
