"""A node that does backup jobs over a repository in memory: it asks for the secrets of each job as an agent does, tells how far it is,
and stops when it is told to."""
import datetime
import threading

from tests.support.scripted_node import ScriptedNode, now_text

LEVELS = ("P0", "P1", "P2", "P3", "P4", "P5")


class BackupNode(ScriptedNode):
    def __init__(self, server, name="node", folder=None):
        super().__init__(server, name, folder)
        self.points, self.jobs = [], []
        self.secrets = {}  # what it was given, by the job's id
        self.open_orders = []  # ids of those that it began
        self.bytes, self.proves, self.failure = 1_000_000, "P5", ""
        self.taken_at = None  # what its clock says, where that is wrong
        self.go = threading.Event()  # cleared: jobs wait, saying that they are at work
        self.go.set()
        self.working = threading.Event()

    def hold(self):
        self.go.clear()
        self.working.clear()

    def secrets_of(self, order_id):
        """(status, answer)"""
        return self.post("/agent/v1/secrets", {"order_id": order_id})

    def _say(self, order, sequence, step, detail):
        update = {"order_id": order["order_id"], "sequence": sequence, "state": "running", "step": step, "detail": detail, "at": now_text()}
        return self.exchange(self.message("order_update", update))

    def _is_stopped(self, order):
        """Works until it may end."""
        sequence = 1
        answers = self._say(order, sequence, "copy", "40 %, 2 minutes left")
        self.working.set()
        while not self.go.wait(0.2):
            sequence += 1
            answers = self._say(order, sequence, "copy", f"4{sequence % 10} %, 2 minutes left")
            if any(one["type"] == "cancel_order" and one["body"]["order_id"] == order["order_id"] for one in answers):
                return True
        return False

    def _work_on(self, order):
        if order["kind"] != "backup":
            return super()._work_on(order)
        job = order["backup"]
        self.open_orders.append(order["order_id"])
        result = {"order_id": order["order_id"], "outcome": "success", "exit_code": 0, "standard_output": "", "standard_error": "",
                  "started_at": now_text(), "finished_at": now_text(), "problems": []}
        status, answer = self.secrets_of(order["order_id"])
        if status != 200:
            return {**result, "outcome": "failed", "standard_error": f"no secrets: {status} {answer}"}
        self.secrets[job["job_id"]] = {one["name"]: one["value"] for one in answer["secrets"]}
        if self._is_stopped(order):
            return {**result, "outcome": "cancelled"}
        self.jobs.append(job)
        result["backup"] = self._report(job)
        if result["backup"]["outcome"] != "ok":
            result["outcome"] = "failed"
        return result

    def _report(self, job):
        report = {"task": job["task"], "outcome": "ok", "why": "", "bytes": self.bytes, "files": 100, "evidence": [], "points": []}
        if self.failure:
            return {**report, "outcome": "failed", "why": self.failure}
        return {**report, **getattr(self, "_" + job["task"])(job)}

    def _backup(self, job):
        taken = self.taken_at or now_text()
        point = {"reference": f"label-{len(self.jobs)}", "type": job["type"], "begun_at": taken, "taken_at": taken,
                 "needs": [one["reference"] for one in job["chain"]] if job["type"] != "full" else [], "bytes_source": self.bytes,
                 "bytes_added": self.bytes // 10, "files": 100, "rows": 5_000, "position": "0/16B3748", "engine_version": "2.45",
                 "server_version": "15.18", "fingerprints": [{"subject": "app.public.orders", "rows": 5_000, "checksum": "f00d"}]}
        self.points.append(point)
        return {"points": [point]}

    def _prove(self, job):
        reached = LEVELS.index(min(self.proves, job["level"]))
        return {"evidence": [{"level": level, "what": "looked", "passed": True, "seen": "as it should be"} for level in LEVELS[:reached + 1]],
                "phases": [{"name": "restore", "took": 500_000}, {"name": "recover", "took": 160_000}], "time_to_restore": 660_000,
                "restored_to": job["points"][0]["taken_at"]}

    def _restore(self, job):
        words = "would restore" if job["restore"]["preview"] else "restored"
        return {"evidence": [{"level": "P0", "what": words, "passed": True, "seen": f"{self.bytes} bytes to {job['restore']['path']}"}]}

    def _check(self, job):
        return {"evidence": [{"level": "P0", "what": "opened", "passed": True, "seen": job["vault"]["path"]}]}

    def _copy(self, job):
        return {"points": job["points"]}

    def _list(self, _):
        return {"points": self.points}

    def _forget(self, job):
        gone = [one["reference"] for one in job["points"]]
        self.points = [one for one in self.points if one["reference"] not in gone]
        return {"forgotten": gone}


def in_days(days):
    """A clock that is wrong by so many days."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
