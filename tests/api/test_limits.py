"""Every field of every operation over its limit, against its pattern or of another type, at every depth, one at a time, over the
socket: the answer names the field, and nothing is stored.
The limits come from the tables that the server itself embeds; what is asked is made from them here."""
import http.client
import json
import pathlib
import re

from tests.api.support import ApiTestCase

API = pathlib.Path(__file__).resolve().parents[2] / "src/server/api"
LISTED_MAX = 2_000  # longer lists than this are not tried: the body's own bound comes first
DEPTH_MAX = 6


def read_tables():
    operations, shapes = {}, {}
    for name in ("ssm.shapes", "belay.shapes"):
        for line in (API / "shapes" / name).read_text(encoding="utf-8").splitlines():
            words = line.split(" ")
            if words[0] == "op":
                operations[words[1]] = words[2]
            elif words[0] not in ("#", ""):
                shapes[words[1]] = ["str" if words[0] == "secret" else words[0], *words[1:]]
    return operations, shapes


OPERATIONS, SHAPES = read_tables()
BUILT = re.findall(r'^ {4}\{"(\w+)", ', (API / "operations.cpp").read_text(), re.MULTILINE)


def bound(word):
    return None if word == "-" else int(word)


def members(words):
    return [re.fullmatch(r"(\w+)([:!])(\w+)", word).groups() for word in words[2:]]


def right(name, depth=0):
    """A small value that is not refused for its size; one that a pattern may still refuse."""
    words = SHAPES[name]
    kind = words[0]
    if kind == "str":
        return "a" * max(1, bound(words[2]) or 0)
    if kind == "enum":
        return words[2]
    if kind in ("int", "long"):
        return bound(words[2]) or 0
    if kind == "list":
        return [right(words[2], depth + 1)] * (bound(words[3]) or 0)
    if kind == "map":
        return {}
    if kind == "st":
        return {member: right(shape, depth + 1) for member, needed, shape in members(words) if needed == "!"} if depth < DEPTH_MAX else {}
    return {"bool": True, "time": 0, "blob": ""}[kind]


def lengths(words, at, make):
    least, most = bound(words[at]), bound(words[at + 1])
    if most is not None and most <= LISTED_MAX:
        yield make(most + 1)
    if least:
        yield make(least - 1)


CLASSES = (("\\p{L}", "a-zA-Z"), ("\\p{Z}", " "), ("\\p{N}", "0-9"))  # as far as what is tried here goes
REPEATS_MAX = 65_535  # of PCRE2; for longer ones the length stands


def against_the_pattern(words):
    """A text of the right length that the pattern does not take, where there is one among these."""
    pattern = " ".join(words[4:])
    if not pattern or any(int(count) > REPEATS_MAX for count in re.findall(r"\d{5,}", pattern)):
        return
    for seen, meant in CLASSES:
        pattern = pattern.replace(seen, meant)
    length = max(1, bound(words[2]) or 0)
    for character in "!\1\n -a":
        if not re.fullmatch(pattern, character * length):
            yield character * length
            return


def wrong(name, depth=0):
    """(path, value) for each limit of the shape and of what it holds."""
    words = SHAPES[name]
    kind = words[0]
    if depth > DEPTH_MAX:
        return
    if kind == "str":
        for text in lengths(words, 2, lambda count: "a" * count):
            yield "", text
        yield "", "nul\0"
        for text in against_the_pattern(words):
            yield "", text
    elif kind == "enum":
        yield "", "NO_SUCH_WORD"
    elif kind in ("int", "long"):
        for limit, step in ((words[2], -1), (words[3], 1)):
            if bound(limit) is not None and abs(bound(limit)) < 2**31 - 1:
                yield "", bound(limit) + step
    elif kind == "list":
        for value in lengths(words, 3, lambda count: [right(words[2], depth + 1)] * count):
            yield "", value
        for path, value in wrong(words[2], depth + 1):
            yield ".1.member" + path, [value]
    elif kind == "map":
        for value in lengths(words, 4, lambda count: {f"k{i}": right(words[3], depth + 1) for i in range(count)}):
            yield "", value
        for path, value in wrong(words[3], depth + 1):
            yield ".key.member" + path, {"key": value}
        for _, key in wrong(words[2], depth + 1):
            if key.isprintable() and 0 < len(key) < 200:  # others are not shown as they are
                yield f".{key}.member", {key: right(words[3], depth + 1)}
    elif kind == "st":
        for member, _, shape in members(words):
            for path, value in wrong(shape, depth + 1):
                yield f".{member[0].lower()}{member[1:]}{path}", {**right(name, depth), member: value}


OTHER = {"str": 7, "enum": [], "int": "7", "long": {}, "list": {}, "map": [], "st": [], "bool": 0, "time": [], "blob": 7}


def of_another_type(name, depth=0):
    """(path, value) for the shape itself and for everything that it holds."""
    words = SHAPES[name]
    kind = words[0]
    yield "", OTHER[kind]
    if depth > DEPTH_MAX:
        return
    if kind == "list":
        for path, value in of_another_type(words[2], depth + 1):
            yield ".1.member" + path, [value]
    elif kind == "map":
        for path, value in of_another_type(words[3], depth + 1):
            yield ".key.member" + path, {"key": value}
    elif kind == "st":
        for member, _, shape in members(words):
            for path, value in of_another_type(shape, depth + 1):
                yield f".{member[0].lower()}{member[1:]}{path}", {**right(name, depth), member: value}


class Limits(ApiTestCase):
    def setUp(self):
        # One connection for all: thousands of handshakes would test something else.
        self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.tls(), timeout=60)
        self.addCleanup(self.connection.close)

    def ask(self, operation, request):
        self.connection.request("POST", f"/api/{operation}", body=json.dumps(request),
                                headers={"Authorization": "Bearer " + self.server.env["BELAY_TOKEN"]})
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def test_every_field_over_its_limit(self):
        before = self.post("VerifyAudit", {})[1]["LastSequence"]
        tried = 0
        self.assertGreater(len(BUILT), 40)
        for operation in BUILT:
            for path, request in wrong(OPERATIONS[operation]):
                tried += 1
                status, reply = self.ask(operation, request)
                said = f"{operation}{path}: {str(request)[:200]} -> {status} {str(reply)[:500]}"
                self.assertEqual((status, reply["__type"]), (400, "ValidationException"), said)
                if "and" not in reply["message"][:30]:  # many at once are counted, and only some are told
                    self.assertTrue(f"'{path[1:]}'" in reply["message"] or reply["message"].count("Value ") > 4, said)
        print(f"{tried} fields over their limits in {len(BUILT)} operations", flush=True)
        self.assertGreater(tried, 500)
        self.assertEqual(self.post("VerifyAudit", {})[1]["LastSequence"], before, "something was stored")

    def test_every_field_of_another_type(self):
        before = self.post("VerifyAudit", {})[1]["LastSequence"]
        tried = 0
        for operation in BUILT:
            for path, request in of_another_type(OPERATIONS[operation]):
                tried += 1
                status, reply = self.ask(operation, request)
                said = f"{operation}{path}: {str(request)[:200]} -> {status} {str(reply)[:500]}"
                self.assertEqual((status, reply["__type"]), (400, "SerializationException"), said)
                self.assertIn(f"'{path[1:]}'" if path else "JSON object", reply["message"], said)
        print(f"{tried} fields of another type in {len(BUILT)} operations", flush=True)
        self.assertGreater(tried, 1_000)
        self.assertEqual(self.post("VerifyAudit", {})[1]["LastSequence"], before)
