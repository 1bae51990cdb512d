# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at random moments of import, dataset, training, promotion and play, over and over on one home.

Whatever was answered with 2xx must be there afterwards; what was under way goes on or says that it was given
up; the store is whole; every blob that a row names exists, and no other once all work is done.

SKERRY_KILLS sets how many times (default 100), SKERRY_SEED the moments.
"""
import http.client
import os
import random
import signal
import subprocess
import threading
import time
import unittest

import harness
import pgn_make

KILLS = int(os.environ.get("SKERRY_KILLS", "100"))
SEED = os.environ.get("SKERRY_SEED", "20261121")
SETTLE_EVERY = 20  # kills; then all work is waited for and blobs are counted
MODEL = "kill-test"
OVER = ("succeeded", "failed", "stopped")
GONE = (OSError, http.client.HTTPException)  # what a request sees when the server is killed under it

# Every column that names a blob.
REFERENCES = """
    SELECT blob FROM artifacts UNION SELECT blob FROM datasets WHERE blob IS NOT NULL
    UNION SELECT blob FROM dataset_blobs UNION SELECT blob FROM model_versions WHERE blob IS NOT NULL
    UNION SELECT blob FROM chess_packs"""


class Ledger:
    """What the server has acknowledged."""

    def __init__(self):
        self.chunks = {}  # run id -> numbers of its games
        self.unsent = []  # chunks that were cut off before an answer: sent again, as a person would
        self.next_game = 0
        self.datasets = {}  # id -> rows, None until seen ready
        self.trainings = {}  # run id -> None, or (model, version)
        self.promotions = []  # versions in order
        self.doubtful_promotion = None
        self.plays = {}  # game id -> moves that were acknowledged
        self.finished = set()
        self.doubtful_plays = set()  # a resignation was cut off


class KillLoop(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(start=False, env={"CHESS_CHECKPOINT_SECONDS": "0.02"})
        self.addCleanup(self.server.close)
        self.random = random.Random(SEED)
        self.ledger = Ledger()

    # ------------------------------------------------------------------ what is done while death is near

    def must(self, method, path, body=None, raw=None):
        reply = self.server.post(path, body, raw=raw) if method == "POST" else self.server.get(path)
        self.assertLess(reply.status, 300, f"{method} {path}: {reply}")
        return reply.json()

    def import_games(self):
        ledger = self.ledger
        if ledger.unsent:
            numbers = ledger.unsent.pop()
        else:
            numbers = list(range(ledger.next_game, ledger.next_game + self.random.randrange(50, 800)))
            ledger.next_game = numbers[-1] + 1
            numbers += numbers[:5]  # twice in one file
            numbers += [self.random.randrange(ledger.next_game) for _ in range(5)]
        text = "".join(pgn_make.game(n, seed="kill-loop", plies=8) for n in numbers)
        try:
            run = self.must("POST", "/v1/ingest", raw=text.encode())["runId"]
        except GONE:
            ledger.unsent.append(numbers)
            raise
        ledger.chunks[run] = numbers

    def build_dataset(self):
        made = self.must("POST", "/v1/datasets", {"name": f"d{self.random.randrange(5)}",
                                                  "filter": {"limit": self.random.randrange(500, 4000)}})
        self.ledger.datasets[made["id"]] = None

    def train(self):
        ready = [id for id, rows in self.ledger.datasets.items() if rows]
        if ready and not self.must("GET", "/v1/jobs?kind=chess.train&status=active")["items"]:
            made = self.must("POST", "/v1/trainings", {"datasetId": self.random.choice(ready), "modelId": MODEL,
                                                       "epochs": 4, "batchSize": 128, "book": False})
            self.ledger.trainings[made["runId"]] = None

    def promote(self):
        versions = sorted(v[1] for v in self.ledger.trainings.values() if v)
        for version in self.random.sample(versions, min(3, len(versions))):
            try:
                self.must("POST", "/v1/models/promote", {"modelId": MODEL, "modelVersion": str(version)})
            except GONE:
                self.ledger.doubtful_promotion = version
                raise
            self.ledger.doubtful_promotion = None
            if self.ledger.promotions[-1:] != [version]:  # what serves already is not promoted again
                self.ledger.promotions.append(version)

    def play(self):
        ledger = self.ledger
        if not ledger.promotions:
            return
        open_games = [g for g in ledger.plays if g not in ledger.finished | ledger.doubtful_plays]
        if open_games and self.random.random() < 0.7:
            game = self.random.choice(open_games)
        else:
            game = self.must("POST", "/v1/play/new", {"color": self.random.choice(["white", "black"])})["gameId"]
            ledger.plays[game] = []
        for _ in range(self.random.randrange(1, 6)):
            state = self.must("GET", f"/v1/play/{game}")
            ledger.plays[game] = [m["uci"] for m in state["moves"]]
            if state["status"] == "finished":
                ledger.finished.add(game)
                return
            legal = self.must("POST", "/v1/predict", {"fen": state["fen"]})["legal"]
            moved = self.must("POST", f"/v1/play/{game}/move", {"uci": self.random.choice(legal)})
            ledger.plays[game] += [m["uci"] for m in moved["played"]]
        if self.random.random() < 0.5:
            ledger.doubtful_plays.add(game)
            self.must("POST", f"/v1/play/{game}/resign")
            ledger.doubtful_plays.discard(game)
            ledger.finished.add(game)

    # ------------------------------------------------------------------ death

    def kill_in(self, seconds):
        process = self.server.process
        timer = threading.Timer(seconds, lambda: process.send_signal(signal.SIGKILL))
        timer.start()
        return timer

    def work_until_killed(self):
        """Does things, the first of them chosen evenly, until the server is gone."""
        actions = [self.import_games, self.build_dataset, self.train, self.promote, self.play]
        timer = self.kill_in(self.random.choice([0.01, 0.05, 0.15, 0.4]) * self.random.random())
        try:
            for action in self.random.sample(actions, len(actions)):
                action()
            self.server.process.wait(timeout=60)
        except GONE:
            self.server.process.wait(timeout=60)
        timer.join()
        self.server.kill()

    def die_at_start(self):
        """Killed before or while it opens."""
        with open(self.server.home / "stderr.txt", "ab") as stderr:
            process = subprocess.Popen([harness.BINARY, "serve"], env=self.server.environment(), cwd=self.server.home,
                                       stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        time.sleep(self.random.random() * 0.06)
        process.kill()
        self.assertEqual(process.wait(), -signal.SIGKILL, self.server.stderr_text()[-2000:])

    # ------------------------------------------------------------------ the checks

    def blobs_referred_to(self):
        return {row[0] for row in self.server.sql(REFERENCES)}

    def blobs_there(self):
        return {file.parent.name + file.name for file in self.server.objects.glob("??/*")}

    def check(self):
        """With the server just started again: everything that was acknowledged is there."""
        if not harness.TEST_DB:
            self.assertEqual(self.server.sql("PRAGMA integrity_check"), [("ok",)])
            self.assertEqual(self.server.sql("PRAGMA foreign_key_check"), [])
        referred = self.blobs_referred_to()  # first: a blob is there before its row
        self.assertEqual(referred - self.blobs_there(), set(), "blobs are missing")
        for run in self.ledger.chunks:
            self.assertIn(self.must("GET", f"/v1/ingest/{run}")["status"],
                          ("PENDING", "RUNNING", "SUCCEEDED", "FAILED"))
        for id, rows in self.ledger.datasets.items():
            body = self.must("GET", f"/v1/datasets/{id}")
            if rows:
                self.assertEqual((body["status"], body["rows"]), ("ready", rows))
            elif body["status"] == "ready":
                self.ledger.datasets[id] = body["rows"]
        for run, model in self.ledger.trainings.items():
            body = self.must("GET", f"/v1/trainings/{run}")
            if body["status"] == "succeeded":
                result = (body["result"]["modelId"], body["result"]["modelVersion"])
                self.assertIn(model, (None, result))
                self.ledger.trainings[run] = result
            else:
                self.assertIsNone(model, body)
        self.check_promotions()
        for game, moves in self.ledger.plays.items():
            self.check_play(game, moves)

    def check_promotions(self):
        ledger = self.ledger
        if ledger.trainings and any(ledger.trainings.values()):
            shown = [p["to"] for p in reversed(self.must("GET", f"/v1/models/{MODEL}/promotions?limit=1000")["items"])]
            if ledger.doubtful_promotion and shown == ledger.promotions + [ledger.doubtful_promotion]:
                ledger.promotions.append(ledger.doubtful_promotion)
            ledger.doubtful_promotion = None
            self.assertEqual(shown, ledger.promotions)
        active = [m["modelVersion"] for m in self.must("GET", "/v1/models/active")["items"] if m["alias"] == "prod"]
        self.assertEqual(active, [str(v) for v in ledger.promotions[-1:]])

    def check_play(self, game, moves):
        state = self.must("GET", f"/v1/play/{game}")
        shown = [m["uci"] for m in state["moves"]]
        self.assertEqual(shown[:len(moves)], moves, state)
        self.assertLessEqual(len(shown) - len(moves), 2)  # a move whose answer was cut off, and its reply
        if state["status"] == "playing":
            self.assertNotIn(game, self.ledger.finished)
            self.assertEqual(state["turn"], state["you"])  # never half a pair of moves
            self.ledger.doubtful_plays.discard(game)
        else:
            self.ledger.finished.add(game)
        self.ledger.plays[game] = shown

    def wait_for_all_work(self):
        deadline = time.monotonic() + harness.JOB_TIMEOUT_S
        while self.must("GET", "/v1/jobs?status=active&limit=1")["items"]:
            self.assertLess(time.monotonic(), deadline, self.server.get("/v1/jobs?status=active").text)
            time.sleep(0.05)

    def settle(self):
        """Nothing is under way any more: now rows and blobs must name each other exactly."""
        self.wait_for_all_work()
        for job in self.must("GET", "/v1/jobs?limit=1000")["items"]:
            self.assertIn(job["status"], OVER)
            if job["status"] == "failed":  # given up after three deaths without progress, and it says so
                self.assertIn("given up", job["error"], job)
        for id in self.ledger.datasets:
            self.assertIn(self.must("GET", f"/v1/datasets/{id}")["status"], ("ready", "failed"))
        for run in self.must("GET", "/v1/runs?limit=1000")["items"]:
            self.assertIn(run["status"], ("FINISHED", "FAILED"), run)
        self.redo_failed_imports()
        self.server.kill()
        self.server.age_objects()
        self.server.start()  # collects what the dead left
        self.wait_for_all_work()
        self.assertEqual(self.blobs_there(), self.blobs_referred_to())
        self.assertEqual(self.server.half_written, [])
        self.check()
        collect = self.must("POST", "/v1/maintenance/collect")
        done = self.server.wait(f"/v1/jobs/{collect['jobId']}", lambda b: b["status"] in OVER)
        self.assertEqual(done["status"], "succeeded", done)
        self.assertEqual((done["result"]["missing"], done["result"]["removed"]), (0, 0))
        self.check_games()

    def redo_failed_imports(self):
        """An import that was given up is sent again: what it had stored is recognised."""
        for run, numbers in list(self.ledger.chunks.items()):
            if self.must("GET", f"/v1/ingest/{run}")["status"] == "FAILED":
                del self.ledger.chunks[run]
                self.ledger.unsent.append(numbers)
        while self.ledger.unsent:
            self.import_games()
        self.wait_for_all_work()
        for run in self.ledger.chunks:
            self.assertEqual(self.must("GET", f"/v1/ingest/{run}")["status"], "SUCCEEDED")

    def check_games(self):
        expected = len({n for numbers in self.ledger.chunks.values() for n in numbers})
        played = set()
        for game in self.ledger.finished:
            state = self.must("GET", f"/v1/play/{game}")
            if len(state["moves"]) > 1:
                played.add((state["you"], state["modelVersion"], state["result"],
                            tuple(m["uci"] for m in state["moves"])))
        self.assertEqual(self.must("GET", "/v1/games/count")["count"], expected + len(played))

    # ------------------------------------------------------------------ the loop

    def test_nothing_that_was_acknowledged_is_lost(self):
        kills = 0
        self.server.start()
        for action in (self.import_games, self.build_dataset, self.train):
            action()
            self.wait_for_all_work()
            self.check()
        while kills < KILLS:
            self.check()
            self.work_until_killed()
            kills += 1
            if kills < KILLS and self.random.random() < 0.15:
                self.die_at_start()
                kills += 1
            self.server.start()
            if kills % SETTLE_EVERY == 0:
                self.check()
                self.settle()
        self.check()
        self.settle()
        ledger = self.ledger
        # The loop must have met what it is about.
        for met in (ledger.chunks, ledger.datasets, ledger.trainings, ledger.promotions, ledger.finished):
            self.assertGreater(len(met), 1)
        hit = dict(self.server.sql(
            "SELECT kind, COUNT(*) FROM job_events e JOIN jobs j ON j.id = e.job_id"
            " WHERE e.detail LIKE 'its worker %died%' GROUP BY kind"))
        for kind in ("chess.ingest", "chess.dataset", "chess.train"):
            self.assertGreater(hit.get(kind, 0), KILLS // 50, f"hardly any kill hit a running {kind}: {hit}")
        resumed = sum(line.get("event") == "training.resumed" for line in self.server.log_lines())
        self.assertGreater(resumed, 0, "no training went on from its checkpoint")
        self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
