#!/usr/bin/env python3
"""What a backup job costs beside the engine that it drives, run alone: wall-clock seconds, medians of alternating pairs.

Both sides work on the same data, each into a repository of its own that is there already, with the same settings
(encryption, compression, no niceness), and before each pair all of the data is made anew, so that every round stores
all of it. "alone" is the command an operator would write into a script; of a dump that is the dump and restic, because
the dump lies encrypted in the vault in both cases.

Two ratios: the whole job, with all that it checks (P0 and P1: the repository opens, locks, the point is listed, its
chain is there, versions, fingerprints, room), and the same commands within it, without the checks. What is between
them is named below each row. CPU is the ratio of the processor time of the whole job and all that it called: on a
machine that does other things it is the one to trust. pgBackRest is not here yet: its job wants the server's
archive_command to be the agent's own, which lies below /etc. Needs root: the databases run as users of their own.
"""
import json
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
JOB = ROOT / "build/bin/bench_backup"
PAIRS = 3
MIB = 1 << 20
FILES, FILE_BYTES = 24, 8 * MIB
ROWS = 90_000  # of about 1 KiB
KEY = "a key of the bench 4711"
PG = "/usr/lib/postgresql/15/bin"
ENVIRONMENT = {"PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{PG}", "LC_ALL": "C.UTF-8", "HOME": "/root", "TZ": "UTC"}


def run(*argv, input=None, user=None, **environment):
    done = subprocess.run([str(word) for word in argv], input=input, capture_output=True, text=True, check=False, cwd="/",
                          user=user, group=user, extra_groups=[] if user else None, env={**ENVIRONMENT, **{k: str(v) for k, v in environment.items()}})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit status {done.returncode}\n{(done.stdout + done.stderr)[-1000:]}")
    return done.stdout


class Case:
    """One engine: its data, the job, and the commands alone."""
    name, engine = "", ""
    programs = ()
    main = r"restic .* backup "  # which calls of a job are what `alone` does, too

    def __init__(self, base):
        self.base = pathlib.Path(base)
        os.chmod(base, 0o755)
        for name in ("vault", "alone", "scratch", "ours", "source"):
            (self.base / name).mkdir()
        (self.base / "key").write_text(KEY)
        self.begin()

    def begin(self):
        self.restic("init")

    def end(self):
        pass

    def source(self):
        return {"paths": [str(self.base / "source")]}

    def restic(self, *words):
        return run("restic", "-r", self.base / "alone", "--password-file", self.base / "key", *words, RESTIC_CACHE_DIR=self.base / "cache")

    def fresh(self):
        for number in range(FILES):
            (self.base / f"source/{number}").write_bytes(os.urandom(FILE_BYTES))

    def alone(self):
        self.restic("backup", self.base / "source")

    def job(self):
        text = {"job_id": "bj-00000000000000001", "task": "backup", "plan_id": "bp-00000000000000001", "plan_name": "bench", "node_id": "mi-00000000000000001",
                "source_node_id": "mi-00000000000000001", "type": "full", "source": {"engine": self.engine, **self.source()},
                "vault": {"name": "here", "kind": "local", "path": str(self.base / "vault")}, "scratch": str(self.base / "scratch"),
                "limits": {"idle_io": False, "processes": 1}}
        (self.base / "job.json").write_text(json.dumps(text))
        done = subprocess.run([JOB, self.base / "job.json", KEY, self.base / "ours"], capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd="/")
        said = json.loads(done.stdout) if done.stdout.startswith("{") else {"outcome": "none", "why": done.stderr[-1000:]}
        if said["outcome"] != "ok":
            raise RuntimeError(f"{self.name}: the job is {said['outcome']}: {said['why']}")
        return said


class Restic(Case):
    name = engine = "restic"
    programs = ("restic",)


class Borg(Case):
    name = engine = "borg"
    programs = ("borg",)
    main = r"borg .* ?create "
    count = 0

    def borg(self, *words):
        return run("borg", *words, BORG_PASSCOMMAND=f"cat {self.base / 'key'}", BORG_BASE_DIR=self.base / "cache")

    def begin(self):
        self.borg("init", "--encryption", "repokey-blake2", self.base / "alone")

    def alone(self):
        self.count += 1
        self.borg("create", f"{self.base / 'alone'}::{self.count}", self.base / "source")


class Sqlite(Case):
    name = engine = "sqlite"
    programs = ("restic", "sqlite3")
    main = r"restic .* backup |sqlite3 "

    def source(self):
        return {"paths": [str(self.base / "source/app.db")]}

    def fresh(self):
        path = self.base / "source/app.db"
        path.unlink(missing_ok=True)
        run("sqlite3", path, f"PRAGMA journal_mode=off; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{ROWS}) INSERT INTO t SELECT i, randomblob(1000) FROM n;")

    def alone(self):
        copy = self.base / "scratch/app.db"
        run("sqlite3", self.base / "source/app.db", f".backup {copy}")
        self.restic("backup", copy)
        copy.unlink()


class Postgres(Case):
    user = "postgres"

    def begin(self):
        self.data, self.socket = self.base / "pgdata", self.base / "socket"
        for path, mode in ((self.data, 0o700), (self.socket, 0o755)):
            path.mkdir()
            shutil.chown(path, self.user, self.user)
            path.chmod(mode)
        run(f"{PG}/initdb", "-D", self.data, "-A", "peer", "-U", "postgres", "--no-sync", user=self.user)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.socket}'\nport = 5497\nfsync = off\n" + self.settings())
        self.ready()
        run(f"{PG}/pg_ctl", "-D", self.data, "-l", self.socket / "log", "-w", "start", user=self.user)

    def settings(self):
        return ""

    def ready(self):
        super().begin()

    def end(self):
        run(f"{PG}/pg_ctl", "-D", self.data, "-m", "immediate", "stop", user=self.user)

    def psql(self, text):
        return run(f"{PG}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-p", "5497", input=text, user=self.user)

    def source(self):
        return {"socket": str(self.socket), "port": 5497}

    def fresh(self):
        self.psql(f"DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT i AS id, (SELECT string_agg(md5(random()::text || i || j), '') FROM generate_series(1, 30) j) AS x FROM generate_series(1, {ROWS}) i; CHECKPOINT;")


class PgDump(Postgres):
    name = engine = "pg_dump"
    programs = ("restic", f"{PG}/pg_dump")
    main = r"restic .* backup |pg_dump .*-f|pg_dumpall"

    def alone(self):
        out = self.base / "dump"
        out.mkdir()
        shutil.chown(out, self.user, self.user)
        run(f"{PG}/pg_dumpall", "--globals-only", "-h", self.socket, "-p", "5497", "-f", out / "globals.sql", user=self.user)
        run(f"{PG}/pg_dump", "-Fc", "-Z0", "-h", self.socket, "-p", "5497", "-f", out / "postgres.dump", "postgres", user=self.user)
        self.restic("backup", out)
        shutil.rmtree(out)


class Mariadb(Case):
    user = "mysql"

    def begin(self):
        super().begin()
        self.data, self.socket = self.base / "data", self.base / "run/server.sock"
        (self.base / "run").mkdir()
        shutil.chown(self.base / "run", self.user, self.user)
        run("mariadb-install-db", "--no-defaults", f"--datadir={self.data}", f"--user={self.user}", "--auth-root-authentication-method=socket", "--skip-test-db")
        self.server = subprocess.Popen(["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", "--skip-networking", f"--user={self.user}",
                                        f"--pid-file={self.base}/run/pid", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT, cwd="/")
        for _ in range(300):
            if subprocess.run(["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "ping"], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.2)
        raise RuntimeError("mariadbd does not answer")

    def end(self):
        self.server.kill()
        self.server.wait()

    def source(self):
        return {"socket": str(self.socket), "data_directory": str(self.data), "logs": False}

    def fresh(self):
        columns = ", ".join("MD5(RAND())" for _ in range(30))
        run("mariadb", "--no-defaults", f"--socket={self.socket}", input=f"CREATE DATABASE IF NOT EXISTS b; USE b; CREATE OR REPLACE TABLE t AS SELECT seq AS id, CONCAT({columns}) AS x FROM seq_1_to_{ROWS};")


class MariadbBackup(Mariadb):
    name, engine = "mariadb-backup", "mariadb_backup"
    programs = ("restic", "mariadbd", "mariadb-backup")
    main = r"restic .* backup |(mariadb-backup|mariabackup) .*--backup"

    def alone(self):
        out = self.base / "set"
        run("mariadb-backup", "--no-defaults", "--backup", f"--socket={self.socket}", f"--datadir={self.data}", "--user=root", f"--target-dir={out}")
        self.restic("backup", out)
        shutil.rmtree(out)


class Mysqldump(Mariadb):
    name = engine = "mysqldump"
    programs = ("restic", "mariadbd", "mysqldump")
    main = r"restic .* backup |(mariadb-dump|mysqldump) .*--result-file"

    def alone(self):
        out = self.base / "dump.sql"
        run("mysqldump", "--no-defaults", f"--socket={self.socket}", "--user=root", "--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob", "--all-databases", f"--result-file={out}")
        self.restic("backup", out)
        out.unlink()


CASES = (Restic, Borg, Sqlite, PgDump, MariadbBackup, Mysqldump)


def why_not(case):
    absent = [program for program in case.programs if not shutil.which(program, path=ENVIRONMENT["PATH"])]
    if absent:
        return f"{absent[0]} is not installed"
    user = getattr(case, "user", None)
    if user and (os.geteuid() != 0 or user not in {entry.pw_name for entry in pwd.getpwall()}):
        return f"needs root and the user {user}"
    return ""


def subject(argv):
    """ "restic snapshots" of a whole command line."""
    words = argv.split(" ")
    program = pathlib.PurePath(words[0]).name
    verbs = [word for word in words[1:] if re.fullmatch(r"[a-z][a-z-]+", word) and word not in ("main",)]
    return " ".join([program, *verbs[:1]])


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pair(case, ours_first):
    case.fresh()
    took = {}
    for side in ("ours", "alone") if ours_first else ("alone", "ours"):
        before = cpu()
        if side == "ours":
            said = case.job()
            took["cpu ours"] = cpu() - before
            took["ours"] = said["ms"] / 1000
            took["main"] = sum(call["ms"] for call in said["calls"] if re.search(case.main, call["argv"])) / 1000
            took["rest"] = {}
            for call in said["calls"]:
                if not re.search(case.main, call["argv"]):
                    took["rest"][subject(call["argv"])] = took["rest"].get(subject(call["argv"]), 0) + call["ms"] / 1000
        else:
            begun = time.monotonic()
            case.alone()
            took["alone"] = time.monotonic() - begun
            took["cpu alone"] = cpu() - before
    return took


def bench(kind):
    with tempfile.TemporaryDirectory(prefix="belay-bench-") as base:
        case = kind(base)
        try:
            case.fresh()  # a round that does not count: repositories, caches
            case.job()
            case.alone()
            pairs = [pair(case, number % 2 == 0) for number in range(PAIRS)]
        finally:
            case.end()
    alone, ours, main = (statistics.median(one[side] for one in pairs) for side in ("alone", "ours", "main"))
    whole, step = (statistics.median(one[side] / one["alone"] for one in pairs) for side in ("ours", "main"))
    processor = statistics.median(one["cpu ours"] / one["cpu alone"] for one in pairs)
    print(f"{kind.name:15} {alone:8.2f} {ours:8.2f} {main:8.2f} {whole:10.2f} {step:10.2f} {processor:10.2f}", flush=True)
    rest = {}
    for one in pairs:
        for name, seconds in one["rest"].items():
            rest.setdefault(name, []).append(seconds)
    told = sorted(((sum(seconds) / PAIRS, name) for name, seconds in rest.items()), reverse=True)[:6]
    print("                besides: " + ", ".join(f"{name} {seconds:.2f}" for seconds, name in told) + f"; ours {max(0.0, ours - main - sum(sum(s) / PAIRS for s in rest.values())):.2f}", flush=True)


def main():
    wanted = set(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and directories go with it
    print(f"seconds, medians of {PAIRS} pairs; about {FILES * FILE_BYTES // MIB} MiB of files, {ROWS // 1000} MiB of rows")
    print(f"{'engine':15} {'alone':>8} {'job':>8} {'its step':>8} {'job/alone':>10} {'step/alone':>10} {'CPU':>10}")
    failed = False
    for kind in CASES:
        if wanted and kind.name not in wanted:
            continue
        if absent := why_not(kind):
            print(f"{kind.name:15} not here: {absent}")
            continue
        try:
            bench(kind)
        except RuntimeError as error:
            failed = True
            print(f"{kind.name:15} FAILED: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
