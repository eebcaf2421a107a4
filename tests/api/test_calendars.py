"""Change calendars as SSM has them, and reviews of documents: through the aws command and boto3."""
import datetime
import json

from tests.api.support import AwsTestCase, BotoTestCase

OPEN = """BEGIN:VCALENDAR
PRODID:-//AWS//Change Calendar 1.0//EN
VERSION:2.0
X-CALENDAR-TYPE:DEFAULT_OPEN
X-WR-CALDESC:
BEGIN:VEVENT
DTSTAMP:20260101T000000Z
UID:year-end
DTSTART;TZID=Europe/Berlin:20271220T000000
DTEND;TZID=Europe/Berlin:20280103T000000
SUMMARY:Year end
END:VEVENT
END:VCALENDAR
"""
CLOSED = OPEN.replace("DEFAULT_OPEN", "DEFAULT_CLOSED").replace("Year end", "Works")
SCRIPT = json.dumps({"schemaVersion": "2.2", "mainSteps": [{"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": ["true"]}}]})


class Calendars(BotoTestCase):
    def make(self, name, content=OPEN, **more):
        return self.ssm.create_document(Name=name, Content=content, DocumentType="ChangeCalendar", DocumentFormat="TEXT", **more)

    def state(self, *names, at):
        got = self.ssm.get_calendar_state(CalendarNames=list(names), AtTime=at)
        return got["State"], got["AtTime"], got.get("NextTransitionTime")

    def test_a_calendar_is_a_document(self):
        made = self.make("freeze", Tags=[{"Key": "Team", "Value": "ops"}])["DocumentDescription"]
        self.assertEqual((made["DocumentType"], made["DocumentFormat"], made["Status"]), ("ChangeCalendar", "TEXT", "Active"))
        self.assertNotIn("PlatformTypes", made)
        got = self.ssm.get_document(Name="freeze")
        self.assertEqual((got["Content"], got["DocumentFormat"], got["DocumentType"]), (OPEN, "TEXT", "ChangeCalendar"))
        second = self.ssm.update_document(Name="freeze", Content=CLOSED, DocumentFormat="TEXT", DocumentVersion="$LATEST")
        self.assertEqual(second["DocumentDescription"]["DocumentVersion"], "2")
        at = "2027-12-24T00:00:00Z"
        self.assertEqual(self.state("freeze", at=at)[0], "CLOSED", "the default version counts")
        self.ssm.update_document_default_version(Name="freeze", DocumentVersion="2")
        self.assertEqual(self.state("freeze", at=at)[0], "OPEN")
        listed = self.ssm.list_documents(Filters=[{"Key": "DocumentType", "Values": ["ChangeCalendar"]}])["DocumentIdentifiers"]
        self.assertEqual([document["Name"] for document in listed], ["freeze"])
        self.assert_fails("InvalidDocument", self.ssm.send_command, DocumentName="freeze", Targets=[{"Key": "tag:A", "Values": ["b"]}])
        self.ssm.delete_document(Name="freeze")
        self.assert_fails("InvalidDocument", self.ssm.get_calendar_state, CalendarNames=["freeze"])

    def test_its_state_at_a_time(self):
        self.make("open-1")
        self.make("closed-1", CLOSED)
        before, during, after = "2027-12-01T00:00:00Z", "2027-12-24T12:00:00Z", "2028-01-03T00:00:00Z"
        begins, ends = "2027-12-19T23:00:00Z", "2028-01-02T23:00:00Z"  # Berlin is an hour ahead in winter
        self.assertEqual(self.state("open-1", at=before), ("OPEN", before, begins))
        self.assertEqual(self.state("open-1", at=during), ("CLOSED", during, ends))
        self.assertEqual(self.state("open-1", at=ends), ("OPEN", ends, None))
        self.assertEqual(self.state("closed-1", at=during), ("OPEN", during, ends))
        self.assertEqual(self.state("closed-1", at=after), ("CLOSED", after, None))
        self.assertEqual(self.state("open-1", "closed-1", at=during)[0], "CLOSED", "all must be open")
        self.assertEqual(self.state("arn:aws:ssm:eu-central-1:123456789012:document/open-1", at=during)[0], "CLOSED")
        now = self.ssm.get_calendar_state(CalendarNames=["open-1"])
        self.assertLess(abs(datetime.datetime.fromisoformat(now["AtTime"].replace("Z", "+00:00")).timestamp()
                            - datetime.datetime.now(datetime.timezone.utc).timestamp()), 3600)

    def test_what_is_wrong_is_refused_and_nothing_is_kept(self):
        message = self.assert_fails("InvalidDocumentContent", self.make, "bad-1", OPEN.replace("DEFAULT_OPEN", "OPEN"))
        self.assertIn("line 4", message)
        self.assert_fails("InvalidDocumentContent", self.make, "bad-1", "no calendar")
        self.assert_fails("InvalidDocumentContent", self.make, "bad-1", OPEN.replace("Europe/Berlin", "Europe/Atlantis"))
        self.assert_fails("MaxDocumentSizeExceeded", self.make, "bad-1", OPEN + " " * 70_000)
        self.assert_fails("InvalidDocumentContent", self.ssm.create_document, Name="bad-1", Content=OPEN, DocumentType="ChangeCalendar",
                          DocumentFormat="YAML")
        self.assert_fails("InvalidDocumentContent", self.ssm.create_document, Name="bad-1", Content=SCRIPT, DocumentType="Command",
                          DocumentFormat="TEXT")
        self.assert_fails("InvalidDocument", self.ssm.describe_document, Name="bad-1")
        self.ssm.create_document(Name="script-1", Content=SCRIPT, DocumentType="Command")
        self.assert_fails("InvalidDocumentType", self.ssm.get_calendar_state, CalendarNames=["script-1"])
        self.assert_fails("ValidationException", self.ssm.get_calendar_state, CalendarNames=[])
        self.assert_fails("ValidationException", self.ssm.get_calendar_state, CalendarNames=["script-1"] * 11)
        self.make("good-1")
        message = self.assert_fails("ValidationException", self.ssm.get_calendar_state, CalendarNames=["good-1"], AtTime="soon")
        self.assertIn("AtTime", message)
        self.assert_fails("InvalidDocumentContent", self.ssm.update_document, Name="good-1", Content="BEGIN:VCALENDAR", DocumentFormat="TEXT",
                          DocumentVersion="$LATEST")
        self.assert_fails("InvalidDocumentVersion", self.ssm.update_document, Name="good-1", Content=CLOSED, DocumentFormat="TEXT",
                          DocumentVersion="9")
        self.assertEqual(self.ssm.describe_document(Name="good-1")["Document"]["LatestVersion"], "1")

    def test_it_holds_windows_and_associations_back(self):
        self.make("never", CLOSED.replace("2027", "2090").replace("2028", "2091"))
        window = self.ssm.create_maintenance_window(Name="night", Schedule="rate(1 day)", Duration=2, Cutoff=1,
                                                    AllowUnassociatedTargets=False)["WindowId"]
        put = lambda *names: self.post("PutMaintenanceWindowCalendars", {"WindowId": window, "CalendarNames": list(names)})
        status, reply = put("arn:aws:ssm:eu-central-1:123456789012:document/never", "never")
        self.assertEqual((status, reply.get("CalendarNames")), (200, ["never"]))
        held = self.post("PreviewMaintenanceWindow", {"WindowId": window, "Openings": 1})[1]["Openings"][0]["HeldBack"]
        self.assertIn("the change calendar never is closed", held)
        self.assertEqual(put("nothing")[1]["__type"], "DoesNotExistException")
        self.ssm.create_document(Name="script-2", Content=SCRIPT, DocumentType="Command")
        self.assertEqual(put("script-2")[1]["__type"], "DoesNotExistException")
        self.assertEqual(put()[0], 200)
        ask = {"Name": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}, "Targets": [{"Key": "tag:No", "Values": ["x"]}]}
        self.assert_fails("InvalidDocument", self.ssm.create_association, CalendarNames=["nothing"], **ask)
        self.assert_fails("InvalidDocument", self.ssm.create_association, CalendarNames=["script-2"], **ask)
        made = self.ssm.create_association(CalendarNames=["never"], **ask)["AssociationDescription"]
        self.assertEqual(self.ssm.describe_association(AssociationId=made["AssociationId"])["AssociationDescription"]["CalendarNames"],
                         ["never"])


class Reviews(BotoTestCase):
    def act(self, action, comment=None, **more):
        reviews = {"Action": action, **({"Comment": [{"Type": "Comment", "Content": comment}]} if comment else {})}
        return self.ssm.update_document_metadata(Name="reviewed", DocumentReviews=reviews, **more)

    def history(self, **more):
        return self.ssm.list_document_metadata_history(Name="reviewed", Metadata="DocumentReviews", **more)

    def test_a_review(self):
        self.ssm.create_document(Name="reviewed", Content=SCRIPT, DocumentType="Command")
        self.assertEqual(self.ssm.describe_document(Name="reviewed")["Document"]["ReviewStatus"], "NOT_REVIEWED")
        self.assertEqual(self.history()["Metadata"]["ReviewerResponse"], [])
        self.assert_fails("InvalidDocumentOperation", self.act, "Approve")
        self.act("SendForReview", "please look")
        self.assert_fails("InvalidDocumentOperation", self.act, "SendForReview")
        self.act("UpdateReview", "please look soon")
        got = self.history(DocumentVersion="1")
        self.assertEqual((got["Name"], got["DocumentVersion"]), ("reviewed", "1"))
        self.assertEqual([(row["ReviewStatus"], row["Comment"][0]["Content"]) for row in got["Metadata"]["ReviewerResponse"]],
                         [("PENDING", "please look soon"), ("PENDING", "please look")])
        first = self.history(MaxResults=1)
        second = self.history(MaxResults=1, NextToken=first["NextToken"])
        self.assertEqual(second["Metadata"]["ReviewerResponse"][0]["Comment"][0]["Content"], "please look")
        self.ssm.update_document(Name="reviewed", Content=SCRIPT.replace("true", "false"), DocumentVersion="$LATEST")
        self.assertEqual(self.history(DocumentVersion="2")["Metadata"]["ReviewerResponse"], [], "each version for itself")
        states = [(v["DocumentVersion"], v["ReviewStatus"]) for v in self.ssm.list_document_versions(Name="reviewed")["DocumentVersions"]]
        self.assertEqual(states, [("2", "NOT_REVIEWED"), ("1", "PENDING")])
        self.act("Approve", DocumentVersion="1")
        described = self.ssm.describe_document(Name="reviewed")["Document"]
        self.assertEqual((described["ReviewStatus"], described["ReviewInformation"][0]["Reviewer"]), ("APPROVED", "admin"))
        self.act("SendForReview", DocumentVersion="2")
        self.act("Reject", "not so", DocumentVersion="2")
        rejected = self.history(DocumentVersion="2")["Metadata"]["ReviewerResponse"][0]
        self.assertEqual((rejected["ReviewStatus"], rejected["Comment"][0]["Content"]), ("REJECTED", "not so"))
        self.ssm.delete_document(Name="reviewed")
        self.ssm.create_document(Name="reviewed", Content=SCRIPT, DocumentType="Command")
        self.assertEqual(self.history()["Metadata"]["ReviewerResponse"], [], "the former document's reviews are not this one's")

    def test_what_is_wrong_is_refused(self):
        call = self.ssm.update_document_metadata
        self.assert_fails("InvalidDocument", call, Name="nothing", DocumentReviews={"Action": "Approve"})
        self.assert_fails("InvalidDocument", call, Name="AWS-RunShellScript", DocumentReviews={"Action": "SendForReview"})
        self.assert_fails("InvalidDocument", self.ssm.list_document_metadata_history, Name="nothing", Metadata="DocumentReviews")
        status, reply = self.post("UpdateDocumentMetadata", {"Name": "nothing", "DocumentReviews": {"Action": "Praise"}})
        self.assertEqual((status, reply["__type"]), (400, "ValidationException"))
        self.assertIn("documentReviews.action", reply["message"])


class CalendarsByCommand(AwsTestCase):
    def test_as_the_manual_shows_it(self):
        path = self.server.data / "freeze.ics"
        path.write_text(OPEN)
        made = self.aws("create-document", "--name", "by-command", "--document-type", "ChangeCalendar", "--document-format", "TEXT",
                        "--content", f"file://{path}")
        self.assertEqual(made["DocumentDescription"]["Name"], "by-command")
        state = self.aws("get-calendar-state", "--calendar-names", "by-command", "--at-time", "2027-12-24T12:00:00Z")
        self.assertEqual(state, {"State": "CLOSED", "AtTime": "2027-12-24T12:00:00Z", "NextTransitionTime": "2028-01-02T23:00:00Z"})
        self.assert_aws_fails("InvalidDocument", "get-calendar-state", "--calendar-names", "nothing")
