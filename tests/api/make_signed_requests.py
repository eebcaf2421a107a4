#!/usr/bin/env python3
"""Writes tests/golden/signed_requests.json: requests as botocore signs them, each with its canonical form.

The verifier's unit test (src/server/api/authentication_test.cpp) must accept every row and agree on every byte. Time, key
and region are fixed, so the file changes only where botocore does. Run it again after adding a row.
"""
import json
import pathlib
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY_ID, SECRET = "AKIDEXAMPLE000000001", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TIMESTAMP, REGION = "20261123T181200Z", "eu-central-1"
JSON = "application/x-amz-json-1.1"

# what, url, body, further headers, session token
ROWS = [
    ("least", "https://127.0.0.1:8443/", "{}", {}, None),
    ("a name", "https://belay.example.org/", '{"Name":"base"}', {}, None),
    ("other letters", "https://belay.example.org/", json.dumps({"Description": "größer ≥ 日本"}, ensure_ascii=False), {}, None),
    ("empty body", "https://belay.example.org/", "", {}, None),
    ("session token", "https://belay.example.org/", "{}", {}, "FQoGZXIvYXdzEXAMPLE"),
    ("blanks in a header", "https://belay.example.org/", "{}", {"X-Amz-Meta": "  a   b  c "}, None),
    ("empty header", "https://belay.example.org/", "{}", {"X-Amz-Empty": ""}, None),
    ("query", "https://belay.example.org/?b=2&a=1&c=%2Fx%20y", "{}", {}, None),
    ("double slash", "https://belay.example.org/a//b/./c/../d", "{}", {}, None),
    ("slash at the end", "https://belay.example.org/a/b/", "{}", {}, None),
    ("encoded path", "https://belay.example.org/a%20b/ü", "{}", {}, None),
    ("large body", "https://belay.example.org/", json.dumps({"Description": "x" * 5000}), {}, None),
]


def signed(what, url, body, headers, token):
    request = AWSRequest(method="POST", url=url, data=body.encode(),
                         headers={"Content-Type": JSON, "X-Amz-Target": "AmazonSSM.DescribePatchBaselines", **headers})
    request.context["timestamp"] = TIMESTAMP
    auth = SigV4Auth(Credentials(KEY_ID, SECRET, token), "ssm", REGION)
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    auth._inject_signature_to_request(request, auth.signature(auth.string_to_sign(request, canonical), request))
    host, slash, target = url.removeprefix("https://").partition("/")
    fields = [[name, value] for name, value in request.headers.items()]
    return {"what": what, "target": slash + target, "headers": [["Host", host], *fields], "body": body, "canonical": canonical}


def main():
    document = {"access_key_id": KEY_ID, "secret": SECRET, "now": "2026-11-23T18:12:00Z", "rows": [signed(*row) for row in ROWS]}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (ROOT / "tests/golden/signed_requests.json").write_text(text, encoding="utf-8")
    print(f"{len(ROWS)} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
