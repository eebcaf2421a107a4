"""Each of SSM's 146 operations either works or says by name that it is not offered, and the guide's table says the same of each."""
import json
import pathlib
import re

from tests.api.support import BESIDES, ERRORS, BotoTestCase
from tests.api.test_limits import BUILT, OPERATIONS, SHAPES, members, right

ROOT = pathlib.Path(__file__).resolve().parents[2]
SSM = list(ERRORS)
GUIDE = (ROOT / "docs/guide/from-aws.md").read_text(encoding="utf-8")
ANSWERS = ("as at AWS", "differs", "not offered")


def table_of_the_guide():
    """{operation: (answer, what it says)}; a row may name several operations that are answered alike."""
    rows = {}
    for names, answer, words in re.findall(r"^\| (`[^|]*`) \| ([^|]*) \| ([^|]*) \|$", GUIDE, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            assert name not in rows, f"{name} is in the table twice"
            rows[name] = (answer, words.strip())
    return rows


# One of them fits each pattern that a required member of an operation here has.
FITTING = ("1", "3", "aaa", "aws:RunCommand", "Custom:Rack", "tag:Role", "mw-0123456789abcdef0", "mi-0123456789abcdef0", "pb-0123456789abcdef0",
           "01234567-89ab-4def-8123-456789abcdef", "2027-01-01T00:00:00Z", "arn:aws:iam::123456789012:role/x", "$LATEST", "/ssm/nothing")


def fitting(name):
    """The least value of a shape: what must be there, each as its pattern wants it."""
    words = SHAPES[name]
    if words[0] == "str" and (len(words) > 4 or words[2] == "36"):
        least, most = (int(words[2]) if words[2] != "-" else 0), (int(words[3]) if words[3] != "-" else 1 << 20)
        pattern = re.sub(r"\\p\{.\}", "a-z", " ".join(words[4:]) or ".*")
        return next((text for text in FITTING if least <= len(text) <= most and re.fullmatch(pattern, text)), "a" * max(1, least))
    if words[0] == "st":
        return {member: fitting(shape) for member, needed, shape in members(words) if needed == "!"}
    if words[0] == "list":
        return [fitting(words[2])]
    return right(name)


class EveryOperation(BotoTestCase):
    def answer(self, operation):
        status, _, reply = self.send("POST", "/", b"{}", self.signed(operation))
        return status, reply.get("__type", ""), reply.get("message", "")

    def test_it_works_or_says_that_it_is_not_offered(self):
        self.assertEqual(len(SSM), 146)
        offered = set()
        for operation in SSM:
            status, kind, message = self.answer(operation)
            said = f"{operation}: {status} {kind} {message}"
            self.assertNotEqual(kind, "UnknownOperationException", said)
            self.assertNotEqual(kind, "InternalServerError", said)
            if kind == "UnsupportedOperationException":
                self.assertEqual(status, 501, said)
                self.assertRegex(message, rf"^Belay does not offer the operation {operation}: .{{20,}}", said)
            else:
                offered.add(operation)
        self.assertEqual(offered, set(SSM) & set(BUILT))

    def test_what_is_no_operation_is_answered_otherwise(self):
        for garbage in ("NoSuchOperation", "createdocument", "CreateDocumentX", "RegisterManagedInstance"):
            self.assertEqual(self.answer(garbage)[1], "UnknownOperationException", garbage)

    def test_the_errors_are_those_of_the_operation(self):
        """Asked for things that are not there, each operation says so with an exception that SSM's model has for it."""
        reached = 0
        for operation in sorted(set(SSM) & set(BUILT)):
            request = fitting(OPERATIONS[operation])
            status, reply = self.post(operation, request)
            kind = reply.get("__type", "")
            said = f"{operation} {json.dumps(request)[:200]}: {status} {json.dumps(reply)[:300]}"
            with self.subTest(operation=operation):
                self.assertTrue(status == 200 or kind == "ValidationException" or kind in ERRORS[operation] + BESIDES.get(operation, []),
                                f"{said}; there are {ERRORS[operation]}")
            reached += kind != "ValidationException"
        self.assertGreater(reached, 80, "most requests are to get past the shapes")

    def pages(self, operation, request):
        """Every page's reply of a list, asked for in pages of what `request` says."""
        token = {}
        while True:
            status, reply = self.post(operation, {**request, **token})
            self.assertEqual(status, 200, f"{operation} {request}: {reply}")
            yield reply
            if not reply.get("NextToken"):
                return
            token = {"NextToken": reply["NextToken"]}

    def test_faults_that_one_operation_calls_otherwise_than_another(self):
        self.ssm.create_document(Name="called-otherwise", DocumentType="Command", Content=json.dumps({"schemaVersion": "2.2", "mainSteps": [
            {"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": ["true"]}}]}))
        run = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
        for kind, operation, request in (
                ("InvalidParameters", "SendCommand", {**run, "Targets": [{"Key": "resource-groups:Name", "Values": ["x"]}]}),
                ("InvalidParameters", "SendCommand", {**run, "Targets": [{"Key": "tag:role", "Values": []}]}),
                ("InvalidTarget", "CreateAssociation", {"Name": "called-otherwise", "Targets": [{"Key": "tag:role", "Values": []}]}),
                ("ValidationException", "DescribeMaintenanceWindows", {"NextToken": "***"}),
                ("InvalidNextToken", "ListCommands", {"NextToken": "***"}),
                ("InvalidDocument", "DeleteDocument", {"Name": "called-otherwise", "DocumentVersion": "9"}),
                ("InvalidDocumentVersion", "GetDocument", {"Name": "called-otherwise", "DocumentVersion": "9"})):
            with self.subTest(operation=operation, kind=kind):
                self.assertEqual(self.post(operation, request)[1].get("__type"), kind)

    def test_no_page_is_longer_than_maxresults(self):
        content = json.dumps({"schemaVersion": "2.2", "mainSteps": [
            {"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": ["true"]}}]})
        for number in "123":
            self.ssm.create_document(Name=f"page-{number}", Content=content, DocumentType="Command")
            self.ssm.create_patch_baseline(Name=f"page-{number}", OperatingSystem="DEBIAN")
            self.ssm.create_activation(IamRole="r", DefaultInstanceName=f"page-{number}")
            self.ssm.create_association(Name=f"page-{number}", Targets=[{"Key": "tag:page", "Values": [number]}])
        for number in range(11):  # no page of theirs is shorter than 10
            self.ssm.create_maintenance_window(Name=f"page-{number}", Schedule="cron(0 2 * * ? *)", Duration=2, Cutoff=1,
                                               AllowUnassociatedTargets=True)
        went_on = set()
        for operation in sorted(set(SSM) & set(BUILT)):
            bounds = [SHAPES[shape] for member, _, shape in members(SHAPES[OPERATIONS[operation]]) if member == "MaxResults"]
            if not bounds:
                continue
            most = max(1, int(bounds[0][2])) if bounds[0][2] != "-" else 1  # some lists have no shorter page
            status, reply = self.post(operation, {**fitting(OPERATIONS[operation]), "MaxResults": most})
            if status != 200:
                continue  # what it asks for is not there
            for member, rows in reply.items():
                if isinstance(rows, list):
                    self.assertLessEqual(len(rows), most, f"{operation}: {member}")
            if reply.get("NextToken"):
                went_on.add(operation)
        self.assertLessEqual({"ListDocuments", "DescribePatchBaselines", "DescribeActivations", "DescribeMaintenanceWindows",
                              "ListAssociations"}, went_on)
        whole = [row["Name"] for reply in self.pages("ListDocuments", {"MaxResults": 50}) for row in reply["DocumentIdentifiers"]]
        self.assertLessEqual({"AWS-RunShellScript", "page-1", "page-2", "page-3"}, set(whole))
        for most in (1, 2, 5, len(whole) - 3, len(whole)):
            paged = [reply["DocumentIdentifiers"] for reply in self.pages("ListDocuments", {"MaxResults": most})]
            self.assertLessEqual(max(map(len, paged)), most)
            self.assertEqual([row["Name"] for rows in paged for row in rows], whole, f"in pages of {most}")

    def test_the_guides_table_is_true(self):
        rows = table_of_the_guide()
        self.assertEqual(sorted(set(SSM) - set(rows)), [], "operations that the table lacks")
        self.assertEqual(sorted(set(rows) - set(SSM)), [], "rows that are no operations of SSM")
        for operation, (answer, words) in sorted(rows.items()):
            self.assertIn(answer, ANSWERS, operation)
            self.assertEqual(answer != "not offered", operation in BUILT, f"{operation}: the table says '{answer}'")
            if answer != "as at AWS":
                self.assertGreater(len(words), 10, f"{operation}: what differs, or what to use instead?")
