# SPDX-License-Identifier: GPL-3.0-or-later
"""TimescaleDB and Citus, where they are in the database: points of metrics become a hypertable, or are distributed over
Citus's workers, with what was there before, and everything works as without. Debian has packages of neither. Where one is
installed, these tests use it. Elsewhere a stand-in of a few lines of SQL only shows that it is found and asked, and that
its refusal stops nobody.
"""
import json
import pathlib
import signal
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "http")]
import cluster  # noqa: E402
import harness  # noqa: E402
import trained  # noqa: E402

GAMES = harness.EXAMPLES / "games" / "lichess_db_2021-10_excerpt.pgn.zst"
STAND_IN = """
CREATE TABLE asked (what text);
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 99999, '%s', oid, 'public'::regnamespace, false, 'stand-in' FROM pg_authid WHERE rolname = 'skerry';
"""
TIMESCALE = """
CREATE FUNCTION create_hypertable(t regclass, c name, chunk_time_interval bigint, if_not_exists bool, migrate_data bool)
    RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.asked VALUES (format('%%s.%%s by %%s', t, c, chunk_time_interval));
        %s RETURN 'ok'; END $$;
"""
CITUS = """
CREATE TABLE pg_catalog.pg_dist_node (groupid int, noderole text, isactive bool, shouldhaveshards bool);
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
INSERT INTO pg_dist_node VALUES (0, 'primary', true, true);
CREATE FUNCTION pg_catalog.create_distributed_table(t regclass, c text, colocate_with text)
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO pg_dist_partition VALUES (t);
        INSERT INTO public.asked VALUES (format('%s.%s with %s', t, c, colocate_with)); END $$;
"""


def dataset(server):
    made = server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
    trained.job_done(server, made["jobId"])
    made = server.post("/v1/datasets", {"name": "spread", "split": {"train": 0.8, "valid": 0.1, "test": 0.1}}).json()
    trained.job_done(server, made["jobId"])
    return made["id"]


def train(server, games):
    made = server.post("/v1/trainings", {"datasetId": games, "epochs": 1, "seed": 1}).json()
    trained.job_done(server, made["jobId"])
    return made["runId"]


class StandIn(unittest.TestCase):
    def begin(self, name, sql):
        db = cluster.Cluster(durable=True, settings=["allow_system_table_mods=on"])
        db.__enter__()
        self.addCleanup(db.__exit__)
        db.sql(STAND_IN % name)
        db.sql(sql)
        db.sql("CREATE SCHEMA house")
        self.env = {"SKERRY_DB": f"{db.url}?options=-csearch_path%3Dhouse"}
        return db

    def test_it_is_found_in_another_schema_and_asked(self):
        db = self.begin("timescaledb", TIMESCALE % "")
        harness.Server(env=self.env).close()
        self.assertEqual(db.sql("SELECT * FROM public.asked"), [["metrics.ts_ms by 7776000000"]])

    def test_its_refusal_is_said_and_stops_nobody(self):
        self.begin("timescaledb", TIMESCALE % "RAISE EXCEPTION 'no hypertables today';")
        server = harness.Server(env=self.env)
        self.addCleanup(server.close)
        self.assertEqual(server.get("/health").status, 200)
        line = server.logged("track.spread_failed")
        self.assertIn("no hypertables today", json.dumps(line))

    def test_citus_is_asked_once_and_not_without_a_worker(self):
        db = self.begin("citus", CITUS)
        for node in ("", "(1, 'secondary', true, true)", "(1, 'primary', false, true)", "(1, 'primary', true, false)"):
            if node:
                db.sql(f"INSERT INTO pg_dist_node VALUES {node}")
            harness.Server(env=self.env).close()
            self.assertEqual(db.sql("SELECT * FROM public.asked"), [], node)
        db.sql("INSERT INTO pg_dist_node VALUES (2, 'primary', true, true)")
        for _ in range(2):
            harness.Server(env=self.env).close()
            self.assertEqual(db.sql("SELECT * FROM public.asked"), [["metrics.metric_id with none"]])


@unittest.skipUnless(cluster.has_extension("timescaledb"), "TimescaleDB is not installed, and no package of Debian")
class Real(unittest.TestCase):
    def setUp(self):
        self.db = cluster.Cluster(durable=True, settings=["shared_preload_libraries=timescaledb",
                                                          "timescaledb.telemetry_level=off"])
        self.db.__enter__()
        self.addCleanup(self.db.__exit__)

    def points(self, run):
        return self.db.sql("SELECT count(*) FROM metrics JOIN latest_metrics USING (metric_id) "
                           f"WHERE run_id = '{run}'", schema="house")

    def test_points_move_and_later_ones_join_them(self):
        self.db.sql("CREATE SCHEMA house")
        env = {"SKERRY_DB": f"{self.db.url}?options=-csearch_path%3Dhouse"}
        server = harness.Server(env=env)
        self.addCleanup(server.close)
        games = dataset(server)
        before = train(server, games)
        server.stop()
        had = self.points(before)
        self.assertGreater(int(had[0][0]), 10)
        self.db.sql("CREATE EXTENSION timescaledb")
        server.start()
        self.assertEqual(self.db.sql("SELECT hypertable_name FROM timescaledb_information.hypertables"), [["metrics"]])
        self.assertEqual(self.points(before), had)
        after = train(server, games)
        self.assertEqual(self.points(after), had)
        for run in (before, after):
            answer = server.get(f"/v1/runs/{run}").json()
            self.assertTrue(answer["metrics"], answer)
        server.cli("doctor")


@unittest.skipUnless(cluster.has_extension("citus"), "Citus is not installed, and no package of Debian")
class OnCitus(unittest.TestCase):
    """A coordinator and a worker. What a worker has not yet been told of a commit, it is told within a second."""
    SETTINGS = ["citus.recover_2pc_interval=1s"]

    def begin(self, *_, has_worker=True):
        self.db = cluster.Citus(durable=True, settings=self.SETTINGS, has_worker=has_worker)
        self.db.__enter__()
        self.addCleanup(self.db.__exit__)
        self.db.sql("CREATE SCHEMA house")
        server = harness.Server(env={"SKERRY_DB": f"{self.db.url}?options=-csearch_path%3Dhouse"})
        self.addCleanup(server.close)
        return server

    def distributed(self):
        return self.db.sql("SELECT table_name, distribution_column FROM public.citus_tables", schema="house")

    def points(self, run):
        [[count]] = self.db.sql("SELECT count(*) FROM metrics JOIN latest_metrics USING (metric_id) "
                                f"WHERE run_id = '{run}'", schema="house")
        return int(count)

    def log(self, server, run, points):
        return server.post("/api/2.0/mlflow/runs/log-batch", {"run_id": run, "metrics": [
            {"key": key, "value": value, "timestamp": 1000 + value, "step": 0} for key, value in points]})

    def new_run(self, server):
        return server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]

    def history(self, server, run, key):
        reply = server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={key}")
        return [m["value"] for m in reply.json()["metrics"]] if reply.status == 200 else None

    def test_points_are_distributed_once_there_is_a_worker(self):
        server = self.begin(has_worker=False)
        games = dataset(server)
        before = train(server, games)
        had = self.points(before)
        self.assertGreater(had, 10)
        self.assertEqual(self.distributed(), [])
        shown = server.get(f"/v1/runs/{before}").json()["metrics"]
        server.stop()
        self.db.add_worker()
        others = [harness.Server(env={**server.extra_env, **server.shared()}, start=False) for _ in range(2)]
        for other in others:
            self.addCleanup(other.close)
        starts = [threading.Thread(target=s.start) for s in (server, *others)]  # one of them does it
        for t in starts:
            t.start()
        for t in starts:
            t.join()
        self.assertEqual(self.distributed(), [["metrics", "metric_id"]])
        self.assertEqual(self.points(before), had)
        for other in others:
            other.stop()
            self.assertEqual(other.unexpected_errors(), [])
        self.assertEqual(server.unexpected_errors(), [])
        self.assertEqual(server.get(f"/v1/runs/{before}").json()["metrics"], shown)
        after = train(server, games)
        self.assertEqual(self.points(after), had)
        nodes = self.db.sql("SELECT DISTINCT nodeport FROM citus_shards WHERE table_name = 'house.metrics'::regclass")
        self.assertEqual(nodes, [[str(self.db.worker.port)]])
        server.cli("doctor")

    def test_writers_beside_each_other_write_each_point_once(self):
        server = self.begin()
        run, wrong = self.new_run(server), []

        def write(first):
            for at in range(first, first + 30):  # each point is written by two threads or three
                reply = self.log(server, run, [("loss", at), ("gain", at), ("loss", at + 1)])
                if reply.status != 200:
                    wrong.append(reply)
        threads = [threading.Thread(target=write, args=(10 * i,)) for i in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(self.history(server, run, "gain"), list(range(80)))
        self.assertEqual(self.history(server, run, "loss"), list(range(81)))
        self.assertEqual(server.post("/api/2.0/mlflow/runs/delete", {"run_id": run}).status, 200)

    def test_a_worker_that_dies_loses_no_point_that_was_taken(self):
        server = self.begin()
        run, taken, refused = self.new_run(server), [], []
        self.assertEqual(self.log(server, run, [("loss", 0)]).status, 200)
        is_over = threading.Event()

        def write(first):
            at = first
            while not is_over.is_set():
                at += 4
                reply = self.log(server, run, [("loss", at)])
                taken.append(at) if reply.status == 200 else refused.append(reply)
        threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
        for t in threads:
            t.start()
        try:
            harness.until(lambda: len(taken) > 20, "points before")
            self.db.worker.stop(signal.SIGQUIT)
            harness.until(lambda: refused, "a point that cannot be taken")
            self.assertEqual(server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status, 200)  # is on the coordinator
            count = len(taken)
            self.db.worker.start()
            harness.until(lambda: len(taken) > count + 20, "points after", 60)
        finally:
            is_over.set()
            for t in threads:
                t.join()
        self.assertEqual([r for r in refused if r.status != 503], [])
        harness.until(lambda: set(taken) <= set(self.history(server, run, "loss") or ()), "all that was taken", 60)
        for event in ("http.failed", "request.failed"):
            server.expect_error(event)


if __name__ == "__main__":
    unittest.main()
