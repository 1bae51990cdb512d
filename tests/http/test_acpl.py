# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluations with suite acpl. The engine knows no chess (fake_engine.py), so every score is known beforehand
and every sum can be made here from the rows, the model's answers and those scores."""
import json
import math
import pathlib
import random
import tempfile
import time
import unittest

import fake_engine
import trained
from trained import OVER

POSITIONS = 60


def engines_of(folder):
    """Ids of the processes that were started for an engine in this folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass  # it ended meanwhile
    return found


class Acpl(trained.TrainedTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="skerry-engine-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.env = {"CHESS_ENGINE": str(fake_engine.install(cls.folder)), "CHESS_CHECKPOINT_SECONDS": "0.01",
                   "CHESS_ENGINE_SECONDS": "20"}
        super().setUpClass()
        made = trained.build_dataset(cls.server, "acpl", filter={"limit": 200}, split={"train": 0.5, "valid": 0, "test": 0.5})
        cls.rows_of = made["id"]
        export = cls.server.get(f"/v1/datasets/{made['id']}/export", format="ndjson", split="test").text
        cls.rows = [json.loads(line) for line in export.splitlines()]
        cls.legal = {}
        for row in cls.rows:
            row.update(cls.predict(row))
            cls.legal[row["fen"]] = row["legal"]
        (cls.folder / "table.json").write_text(json.dumps(cls.legal))

    @classmethod
    def predict(cls, row):
        ratings = (row["white_rating"], row["black_rating"])
        mine, theirs = ratings if row["color"] == "white" else reversed(ratings)
        body = cls.server.post("/v1/predict", {"fen": row["fen"], "rating": mine, "opponentRating": theirs,
                                               "speed": row["time_category"].lower(), "temperature": 0}).json()
        return {"model": body["move"], "legal": body["legal"]}

    def setUp(self):
        self.mode("good")
        self.limit("nodes 10000")

    def limit(self, words):
        (self.folder / "limit").write_text(words)

    def mode(self, word):
        (self.folder / "mode").write_text(word)

    def start(self, status=202, **more):
        body = {"candidateModelId": self.model, "suite": "acpl", "datasetId": self.rows_of, "positions": POSITIONS, **more}
        return self.ok(self.server.post("/v1/evaluations", body), status)

    def done(self, made, status="succeeded"):
        body = self.server.wait(f"/v1/evaluations/{made['evaluationId']}", lambda b: b["status"] in OVER)
        self.assertEqual(body["status"], status, body)
        return body

    def lines(self, made):
        text = self.server.get(f"/v1/runs/{made['evaluationId']}/artifacts/positions.ndjson").text
        return [json.loads(line) for line in text.splitlines()]

    # ------------------------------------------------------------------ the sums

    def test_the_sums_are_right(self):
        made = self.start(positions=20000)  # more than there are: all of them
        body = self.done(made)
        summary = body["summary"]
        self.assertEqual((summary["positions"], summary["failed"], summary["engine"]), (len(self.rows), 0, fake_engine.NAME))
        lines = self.lines(made)
        self.assertEqual(len(lines), len(self.rows))
        for who in ("human", "candidate", "uniform"):
            losses = []
            for line, row in zip(lines, self.rows):
                self.assertEqual((line["fen"], line["human"]["move"], line["candidate"]["move"]),
                                 (row["fen"], row["uci"], row["model"]))
                self.assertIn(line["uniform"]["move"], row["legal"])
                best = max(fake_engine.score(row["fen"], m)[0] for m in row["legal"])
                cp = fake_engine.score(row["fen"], line[who]["move"])[0]
                self.assertEqual((line["bestCp"], line[who]["cp"], line[who]["loss"]), (best, cp, best - cp))
                losses.append(best - cp)
            self.assertEqual(summary[who]["acpl"], sum(losses) / len(losses))
            for name, low, high in (("inaccuracies", 50, 100), ("mistakes", 100, 200), ("blunders", 200, 9999)):
                share = 100 * sum(low <= loss < high for loss in losses) / len(losses)
                self.assertAlmostEqual(summary[who][f"{name}Per100"], share, msg=(who, name))
            self.check_interval(summary[who], losses)
            points = {s["metric"]: s["points"] for s in body["series"] if s["label"] == who}
            for metric in ("acpl_by_rating", "acpl_by_phase"):
                total = sum(p["value"] * p["positions"] for p in points[metric])
                self.assertAlmostEqual(total / len(losses), sum(losses) / len(losses))
            band = [loss for loss, line in zip(losses, lines) if 1000 <= line["rating"] < 1200]
            [point] = [p for p in points["acpl_by_rating"] if p["x"] == "1000-1199"]
            self.assertEqual((point["positions"], point["value"]), (len(band), sum(band) / len(band)))
        agreement = sum(r["uci"] == r["model"] for r in self.rows) / len(self.rows)
        self.assertEqual(body["metricSuite"], {"acpl": summary["candidate"]["acpl"], "top1_agreement": agreement,
                                               "blunders_per_100": summary["candidate"]["blundersPer100"]})
        difference = summary["candidateMinusHuman"]["acpl"]
        self.assertAlmostEqual(difference, summary["candidate"]["acpl"] - summary["human"]["acpl"])
        self.check_what_is_left(made, summary)

    def check_interval(self, mean, losses):
        """Games are the witnesses, not positions."""
        middle, games = sum(losses) / len(losses), {}
        for loss, row in zip(losses, self.rows):
            games.setdefault(row["game_id"], []).append(loss - middle)
        spread = sum(sum(g) ** 2 for g in games.values()) * len(games) / (len(games) - 1)
        half = 1.96 * math.sqrt(spread) / len(losses)
        self.assertEqual(mean["games"], len(games))
        self.assertAlmostEqual(mean["high"], middle + half, places=6)
        self.assertAlmostEqual(mean["low"], max(0, middle - half), places=6)

    def check_what_is_left(self, made, summary):
        run = self.server.get(f"/v1/runs/{made['evaluationId']}").json()
        self.assertEqual(run["params"]["engine"], fake_engine.NAME)
        self.assertEqual(run["params"]["engine_limit"], "nodes 10000")
        artifact = self.server.get(f"/v1/runs/{made['evaluationId']}/artifacts/metrics.json").json()
        self.assertEqual(artifact["candidate_acpl"], summary["candidate"]["acpl"])
        self.assertEqual(self.server.get(f"/v1/runs/{made['evaluationId']}/artifacts/report.json").json()["summary"], summary)
        self.assertEqual(self.server.metric("chs_eval_last_acpl", player="candidate"), summary["candidate"]["acpl"])
        self.assertGreaterEqual(self.server.metric("chs_eval_engine_positions_total", outcome="judged"), len(self.rows))
        self.assertTrue(self.server.logged("evaluation.completed", run_id=made["evaluationId"], positions=len(self.rows)))

    def test_a_baseline_is_a_model(self):
        body = self.done(self.start(baselineModelId=self.model))
        summary = body["summary"]
        self.assertEqual(summary["baseline"], summary["candidate"])  # it is the same one
        self.assertEqual(summary["candidateMinusBaseline"], {"acpl": 0, "low": 0, "high": 0})
        self.assertNotIn("uniform", summary)

    def test_the_sample_follows_from_the_seed(self):
        rows = []
        self.limit("nodes 77")
        for seed in (1, 1, 2):
            made = self.start(positions=10, seed=seed, nodes=77)
            self.assertEqual(self.done(made)["summary"]["positions"], 10)
            rows.append([(line["row"], line["uniform"]) for line in self.lines(made)])
        self.assertEqual(rows[0], rows[1])
        self.assertNotEqual(rows[0], rows[2])

    def test_noise_changes_nothing(self):
        good = self.done(self.start())["summary"]
        self.mode("noise")
        self.assertEqual(self.done(self.start())["summary"], good)

    # ------------------------------------------------------------------ engines that fail

    def test_an_engine_that_crashes_costs_the_position(self):
        self.mode("some")
        made = self.start(positions=40)
        body = self.done(made)
        self.assertGreater(body["summary"]["failed"], 0)
        self.assertEqual(body["summary"]["failed"] + body["summary"]["positions"], 40)
        self.assertFalse([line for line in self.lines(made) if fake_engine.is_bad(line["fen"])])
        [line, *_] = self.server.logged("evaluation.engine_failed", run_id=made["evaluationId"])
        self.assertIn("it crashed", line["msg"])
        self.assertTrue(fake_engine.is_bad(line["fen"]))

    def test_an_engine_that_always_fails_ends_the_evaluation(self):
        for mode, words in (("crash", "it crashed"), ("endless", "a line of more than")):
            self.mode(mode)
            for event in ("job.failed", "run.failed", "evaluation.failed"):
                self.server.expect_error(event)
            body = self.done(self.start(positions=3), "failed")
            self.assertIn("failed on each of 3 positions", body["error"])
            self.assertTrue([l for l in self.server.logged("evaluation.engine_failed", run_id=body["id"]) if words in l["msg"]])
        self.assertEqual(engines_of(self.folder), [])
        self.assertEqual(self.server.get("/health").status, 200)

    def test_what_an_engine_starts_goes_with_it(self):
        self.mode("brood")
        self.assertEqual(self.done(self.start(positions=3))["summary"]["positions"], 3)
        deadline = time.monotonic() + 20
        while engines_of(self.folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(engines_of(self.folder), [])

    def test_doctor_knows_the_engine(self):
        findings = {f["what"]: f for f in json.loads(self.server.cli("doctor", "--json").stdout)}
        self.assertTrue(findings["engine"]["good"])
        self.assertIn(fake_engine.NAME, findings["engine"]["state"])

    # ------------------------------------------------------------------ stop, pause, kill

    def test_stop_pause_and_resume(self):
        self.mode("slow")
        for action in ("stop", "pause"):
            made = self.start(positions=20000)
            job = f"/v1/jobs/{made['jobId']}"
            self.server.wait(job, lambda b: b["status"] == "running" and b["done"] > 0)
            self.ok(self.server.post(f"{job}/control", {"action": action}), 202)
            body = self.server.wait(job, lambda b: b["status"] in ("stopped", "paused"))
            self.assertTrue(0 < body["done"] < body["total"], body)
            self.assertEqual(engines_of(self.folder), [])
        before = len(self.lines(made))
        self.assertGreater(before, 0)
        self.mode("good")
        self.ok(self.server.post(f"{job}/control", {"action": "resume"}), 202)
        summary = self.done(made)["summary"]
        self.assertEqual(self.server.logged("evaluation.resumed", run_id=made["evaluationId"])[0]["positions"], before)
        self.assertEqual(summary, self.done(self.start(positions=20000))["summary"])

    def test_kill_9_loses_no_judged_position(self):
        """What was kept is not asked again, and the end is what it would have been."""
        self.mode("slow")
        rng = random.Random(20261128)
        made = self.start(positions=20000)
        kept = 0
        for _ in range(4):
            def is_ahead(body, more=rng.randrange(3, 12)):
                return body["status"] in OVER or (body["status"] == "running" and self.kept(made) >= kept + more)
            self.server.wait(f"/v1/jobs/{made['jobId']}", is_ahead)
            kept = self.kept(made)
            self.assertTrue(engines_of(self.folder))
            self.server.kill()
            deadline = time.monotonic() + 20
            while engines_of(self.folder) and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual(engines_of(self.folder), [])  # an engine goes when the server goes
            self.server.start()
            self.assertGreaterEqual(self.kept(made), kept)
        self.mode("good")
        summary = self.done(made)["summary"]
        resumed = [line["positions"] for line in self.server.logged("evaluation.resumed", run_id=made["evaluationId"])]
        self.assertGreaterEqual(max(resumed), kept)
        self.assertEqual(summary, self.done(self.start(positions=20000))["summary"])

    def kept(self, made):
        reply = self.server.get(f"/v1/runs/{made['evaluationId']}/artifacts/positions.ndjson")
        return len(reply.text.splitlines()) if reply.status == 200 else 0

    # ------------------------------------------------------------------ wrong questions

    def test_wrong_requests_are_refused(self):
        for more in ({"positions": 0}, {"positions": 20001}, {"nodes": 0}, {"nodes": "many"}, {"depth": 61},
                     {"nodes": 1, "depth": 1}, {"seed": -1}, {"engine": "/bin/sh"}):
            self.start(400, **more)
        done = self.server.cli("chess", "evaluate", f"{self.model}@1", "--suite", "acpl", "--engine", "/nowhere", check=False)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn(b"CHESS_ENGINE", done.stderr)

    def test_an_engine_may_be_named_on_the_command_line(self):
        self.limit("depth 3")
        out = self.server.cli("chess", "evaluate", f"{self.model}@1", "--suite", "acpl", "--dataset-id", self.rows_of,
                              "--positions", "5", "--depth", "3", "--engine", self.folder / "engine", "--json").stdout
        self.assertEqual(json.loads(out)["summary"]["positions"], 5)
        self.assertEqual(json.loads(out)["summary"]["depth"], 3)


class NoEngine(trained.TrainedTest):
    env = {"CHESS_ENGINE": "off"}

    def test_the_answer_says_what_to_do(self):
        reply = self.server.post("/v1/evaluations", {"candidateModelId": self.model, "suite": "acpl"})
        self.assertEqual(reply.status, 409)
        for words in ("CHESS_ENGINE", "apt-get install stockfish"):
            self.assertIn(words, reply.json()["detail"])
        self.ok(self.server.post("/v1/evaluations", {"candidateModelId": self.model, "suite": "topk"}), 202)
        done = self.server.cli("doctor", "--json", check=False)
        self.assertEqual(done.returncode, 0)
        self.assertIn("off", {f["what"]: f for f in json.loads(done.stdout)}["engine"]["state"])


if __name__ == "__main__":
    unittest.main()
