# SPDX-License-Identifier: GPL-3.0-or-later
"""What only PostgreSQL can show: the same answers as SQLite byte for byte, passwords that nobody sees, a
database server that is restarted, two of our servers on one database."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "http")]
import cluster  # noqa: E402
os.environ.pop("SKERRY_TEST_DB", None)  # this file starts its own server: it stops it, too
import harness  # noqa: E402

GAMES = harness.EXAMPLES / "games" / "lichess_db_2021-10_excerpt.pgn.zst"
PASSWORDS = (cluster.PASSWORD, cluster.PASSWORD_IN_URL)


class OnPostgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = cls.enterClassContext(cluster.usual(durable=True)) if hasattr(cls, "enterClassContext") else cls.begin()

    @classmethod
    def begin(cls):
        server = cluster.usual(durable=True)
        server.__enter__()
        cls.addClassCleanup(server.__exit__)
        return server

    def url(self, schema):
        self.db.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        return f"{self.db.url}?options=-csearch_path%3D{schema}"

    def start(self, schema, **env):
        server = harness.Server(env={"SKERRY_DB": self.url(schema), **env})
        self.addCleanup(server.close)
        return server


# ------------------------------------------------------------------ the same answers

# What differs between any two runs: ids made of time and chance, times, durations, and the numbers of rows
# (PostgreSQL leaves gaps where a transaction ran again).
MASKS = [
    (re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), b"<uuid>"),
    (re.compile(rb"\b[0-9a-f]{32}\b"), b"<id>"),
    (re.compile(rb"\b([a-z]+-)[0-9a-f]{8}\b"), rb"\1<id>"),
    (re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), b"<time>"),
    (re.compile(rb'"(id|last_game)":\d+'), rb'"\1":<number>'),
    (re.compile(rb'"(\w*(?:Ms|Sec|Seconds|seconds|took|eta|etaSec|rate|\w*[pP]erSecond|\w*_second))":-?[0-9.e+-]+'), rb'"\1":<number>'),
]


def masked(body):
    for pattern, word in MASKS:
        body = pattern.sub(word, body)
    return body


class Session:
    """One fixed walk through the program; what it asks for and what came back."""

    def __init__(self, server):
        self.server, self.answers = server, []

    def keep(self, name, reply):
        self.answers.append((name, reply.status, masked(reply.body)))
        return reply

    def get(self, path):
        return self.keep("GET " + masked(path.encode()).decode(), self.server.get(path))

    def post(self, path, body=None, **more):
        return self.keep("POST " + masked(path.encode()).decode(), self.server.post(path, body, **more))

    def job(self, made):
        body = made.json()
        self.server.wait(f"/v1/jobs/{body['jobId']}", lambda j: j["status"] in ("succeeded", "failed", "stopped"))
        return body

    def walk(self):
        made = self.job(self.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))
        self.get(f"/v1/ingest/{made['runId']}")
        again = self.job(self.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))
        self.get(f"/v1/ingest/{again['runId']}")
        for query in ("limit=5", "limit=50&offset=3", "result=win", "color=white&limit=3", "since=2021-10-01", "until=2021-10-01",
                      "speed=blitz", "eco=B00-B99", "opponent=nobody", "limit=0", "result=maybe"):
            self.get(f"/v1/games?username=xtzdavi182&{query}")
        recent = self.get("/v1/games/recent?limit=20").json()
        for game in recent[:3]:
            self.get(f"/v1/games/{game['id']}")
        for path in ("/v1/games", "/v1/games/count", "/v1/games/nothing", "/v1/players?q=a&limit=20", "/v1/players?q=Z&limit=20",
                     "/v1/players?limit=5", "/v1/players?q=M&limit=10&offset=4", "/v1/ingest?limit=5"):
            self.get(path)
        made = self.post("/v1/datasets", {"name": "Same", "version": "1", "split": {"train": 0.8, "valid": 0.1, "test": 0.1},
                                          "filter": {"limit": 3000}, "tags": "a,b", "note": "é ♔ 'quoted' \"twice\""})
        dataset = self.job(made)
        self.get(f"/v1/datasets/{dataset['id']}")
        for query in ("", "?q=sAm", "?q=%25", "?sort=size", "?sort=rows", "?sort=wrong", "?latest=true"):
            self.get("/v1/datasets" + query)
        self.post("/v1/datasets", {"name": "Same", "version": "1"})
        self.post("/v1/datasets", {"name": ""})
        self.get("/v1/datasets/count")
        training = self.job(self.post("/v1/trainings", {"datasetId": dataset["id"], "epochs": 1, "seed": 1, "hidden": 16, "threads": 1}))
        self.get("/v1/models")
        model = self.server.get("/v1/models").json()
        if model:
            name, version = model[0]["modelId"], str(model[0].get("modelVersion", model[0].get("version", 1)))
            self.post("/v1/models/promote", {"modelId": name, "modelVersion": version})
            self.post("/v1/models/promote", {"modelId": name, "modelVersion": "77"})
            self.get(f"/v1/models/{name}/promotions")
            self.get("/v1/models/active")
        for path in ("", "/versions", "/summary", "/schema", "/quality", "/ingest/history"):
            self.get(f"/v1/datasets/{dataset['id']}{path}")
        self.get(f"/v1/trainings/{training['runId']}/hyperparams")
        self.get(f"/v1/lineage/{dataset['id']}")
        game = self.post("/v1/play/new", {"color": "white"}).json()
        if "gameId" in game:
            self.post(f"/v1/play/{game['gameId']}/move", {"uci": "e2e5"})
            self.get("/v1/play/unknown")
        for query in ("?status=succeeded&limit=3", "?kind=chess.ingest", "?status=nothing", "?limit=2&offset=1"):
            self.get("/v1/jobs" + query)
        self.get(f"/v1/jobs/{made.json()['jobId']}/events")
        self.get("/v1/schedules")
        return self.answers


class SameAnswers(OnPostgres):
    def test_answers_are_the_same_byte_for_byte(self):
        sqlite = harness.Server()
        self.addCleanup(sqlite.close)
        expected = Session(sqlite).walk()
        got = Session(self.start("same")).walk()
        self.assertGreater(len(expected), 40)
        self.assertGreater(sum(status == 200 for _, status, _ in expected), 25)
        self.assertEqual([(n, s) for n, s, _ in got], [(n, s) for n, s, _ in expected])
        for (name, _, mine), (_, _, theirs) in zip(got, expected):
            self.assertEqual(mine, theirs, name)


# ------------------------------------------------------------------ passwords

class Passwords(OnPostgres):
    def assert_unseen(self, text, where):
        for password in PASSWORDS:
            self.assertNotIn(password, text, f"the password stands in {where}")

    def test_the_password_is_seen_nowhere(self):
        server = self.start("secret")
        made = server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
        server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] in ("succeeded", "failed"))
        for path in ("/metrics", "/health", "/health/ready", "/actuator/health", "/v1/status", "/v1/version", "/v1/settings", "/v1/logs?limit=1000", "/openapi.json"):
            self.assert_unseen(server.get(path).text, path)
        for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.assert_unseen(process.read_bytes().decode(errors="replace"), f"the process list ({process})")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        shown = server.cli("config").stdout.decode()
        self.assertIn("SKERRY_DB", shown)
        self.assert_unseen(shown, "skerry config")
        self.assert_unseen(server.cli("config", "--json", check=False).stdout.decode(), "skerry config --json")
        self.assert_unseen(server.cli("doctor", check=False).stdout.decode(), "skerry doctor")
        self.db.sql("SELECT 1 FROM pg_stat_activity")
        self.assert_unseen(str(self.db.sql("SELECT query, application_name FROM pg_stat_activity")), "pg_stat_activity")
        self.assertEqual(server.stop(), 0)
        for file in server.home.rglob("*"):
            if file.is_file():
                self.assert_unseen(file.read_bytes().decode(errors="replace"), file)
        self.assert_unseen(self.db.log(), "the database server's log")
        server.start()

    def test_the_backup_holds_the_rows_and_no_password(self):
        server = self.start("backed_up")
        server.post("/v1/play/new", {})
        with tempfile.TemporaryDirectory() as folder:
            done = server.cli("backup", folder + "/copy.dump", check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            dumps = [f for f in pathlib.Path(folder).rglob("*") if f.is_file()]
            self.assertTrue(dumps)
            for file in dumps:
                self.assert_unseen(file.read_bytes().decode(errors="replace"), file)
            [dump] = [f for f in dumps if f.read_bytes()[:5] == b"PGDMP"]
            listed = subprocess.run([f"{self.db.bin}/pg_restore", "--list", dump], stdout=subprocess.PIPE, check=True).stdout.decode()
            self.assertIn("TABLE DATA backed_up jobs", listed)

    def test_errors_do_not_show_it_either(self):
        for url, code in ((self.db.url.replace("skerry:", "nobody:"), 3), (self.db.url[:-len("skerry")] + "missing", 8),
                          (self.db.url.replace(f":{self.db.port}", ":1"), 8), (self.db.url + "?wrong=1", 2),
                          (self.db.url.replace("postgresql:", "mysql:"), 13), (self.db.url.replace("@127", "%zz@127"), 2)):
            with self.subTest(url=url), tempfile.TemporaryDirectory() as home:
                env = {k: v for k, v in os.environ.items() if not k.startswith(("SKERRY_", "API_"))}
                env.update(SKERRY_HOME=home, SKERRY_DB=url, API_PORT=str(harness.free_port()))
                done = subprocess.run([harness.BINARY, "serve"], env=env, cwd=home, capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assert_unseen(done.stdout + done.stderr, "the message")
                self.assertTrue(done.stderr.strip())


# ------------------------------------------------------------------ restarts, and many servers

class Restarts(OnPostgres):
    def test_a_restart_of_the_database_costs_no_answer_once_it_is_back(self):
        server = self.start("restart")
        game = server.post("/v1/play/new", {"color": "white"})
        server.post("/v1/datasets", {"name": "before"})
        for how in (signal.SIGINT, signal.SIGQUIT):
            self.db.stop(how)
            self.assertEqual(server.get("/health").status, 200)
            self.assertIn(server.get("/v1/datasets").status, (500, 503))
            reply = server.get("/actuator/health")
            self.assertEqual((reply.status, reply.json()["status"], reply.json()["components"]["db"]["status"]), (503, "DOWN", "DOWN"))
            self.assertTrue(reply.json()["components"]["db"]["details"]["error"])
            self.db.start()
            deadline = time.monotonic() + 30
            while server.get("/v1/datasets").status != 200 and time.monotonic() < deadline:
                time.sleep(0.05)
            for _ in range(20):
                self.assertEqual(server.get("/v1/datasets").status, 200)
            made = server.post("/v1/datasets", {"name": f"after-{how}"})
            self.assertEqual(made.status, 201, made)
        self.assertIsNotNone(game)
        for event in ("job.failed", "dataset.failed", "run.failed", "http.failed", "request.failed"):
            server.expect_error(event)

    def test_a_server_that_hangs_within_a_write_keeps_its_rows_for_seconds_only(self):
        server = self.start("hangs")
        held = ("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'skerry%hangs' AND state = 'idle in transaction'"
                " AND backend_xid IS NOT NULL")
        stop, made = threading.Event(), []

        def write():
            while not stop.is_set():
                made.append(server.post("/v1/datasets", {"name": f"d{len(made)}"}).status)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(2000):
                server.process.send_signal(signal.SIGSTOP)
                time.sleep(0.02)
                pids = self.db.sql(held)
                if pids:
                    break
                server.process.send_signal(signal.SIGCONT)
            self.assertTrue(pids, "it was never stopped within a write")
            harness.until(lambda: not [pid for pid in self.db.sql(held) if pid in pids], "the end of its transaction", 40)
        finally:
            server.process.send_signal(signal.SIGCONT)
            stop.set()
            writer.join()
        self.assertEqual(set(made), {201})  # what was cut off in the middle ran again

    def test_acknowledged_rows_outlive_a_crash_of_the_database(self):
        server = self.start("crash")
        names = [f"d{i}" for i in range(10)]
        for name in names:
            self.assertEqual(server.post("/v1/datasets", {"name": name}).status, 201)
        self.db.stop(signal.SIGQUIT)
        self.db.start()
        deadline = time.monotonic() + 30
        while server.get("/v1/datasets").status != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        there = {d["name"] for d in server.get("/v1/datasets?limit=100").json()["items"]}
        self.assertEqual(there, set(names))
        for event in ("job.failed", "dataset.failed", "run.failed"):
            server.expect_error(event)


class TwoServers(OnPostgres):
    def test_a_revoked_key_is_refused_by_both(self):
        one = self.start("keys")
        two = harness.Server(env=one.shared())
        self.addCleanup(two.close)
        made = json.loads(one.cli("key", "create", "alice", "admin", "--json").stdout)
        bearer = {"Authorization": f"Bearer {made['key']}"}
        deadline = time.monotonic() + 10
        while two.get("/v1/status", headers=bearer).status != 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        for server in (one, two):
            self.assertEqual(server.get("/v1/status", headers=bearer).status, 200)
            self.assertEqual(server.get("/v1/status").status, 401)
        one.cli("key", "create", "bob", "admin")
        self.assertEqual(one.request("DELETE", f"/v1/keys/{made['id']}", headers=bearer).status, 200)
        deadline = time.monotonic() + 10
        while two.get("/v1/status", headers=bearer).status != 401 and time.monotonic() < deadline:
            time.sleep(0.02)
        for server in (one, two):
            self.assertEqual(server.get("/v1/status", headers=bearer).status, 401)

    def test_other_blobs_than_those_of_the_others_are_refused(self):
        """What one writes the other would miss. Alone, a server may have other blobs from now on."""
        one = self.start("apart")
        two = harness.Server(env={"SKERRY_DB": self.url("apart")}, start=False)
        self.addCleanup(two.close)
        for words in (["serve"], ["status"]):
            done = two.cli(*words, check=False)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn(b"SKERRY_BLOBS", done.stderr)
        self.assertEqual(one.cli("status").returncode, 0)
        one.stop()
        two.start()
        with self.assertRaisesRegex(AssertionError, "SKERRY_BLOBS"):
            one.start()
        one.process = None
        two.stop()
        one.start()

    def test_jobs_of_one_run_on_either_and_once(self):
        """Two of our servers, each with its home, on one database: every job runs once."""
        blobs = tempfile.mkdtemp()
        one = self.start("two", SKERRY_BLOBS=f"file:{blobs}")
        two = self.start("two", SKERRY_BLOBS=f"file:{blobs}")
        games = one.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
        two.wait(f"/v1/jobs/{games['jobId']}", lambda j: j["status"] == "succeeded")
        made = [(one, two)[i % 2].post("/v1/datasets", {"name": f"shared-{i}", "filter": {"limit": 50}}).json() for i in range(12)]
        for body in made:
            for server in (one, two):
                job = server.wait(f"/v1/jobs/{body['jobId']}", lambda j: j["status"] in ("succeeded", "failed"))
                self.assertEqual(job["status"], "succeeded", job)
        [[started, jobs]] = self.db.sql("SELECT count(*), count(DISTINCT job_id) FROM job_events WHERE event = 'job.started'", schema="two")
        self.assertEqual(started, jobs)
        self.assertGreaterEqual(int(jobs), 13)


if __name__ == "__main__":
    if not cluster.programs():
        print("PostgreSQL is not installed: skipped")
        sys.exit(77)
    unittest.main()
