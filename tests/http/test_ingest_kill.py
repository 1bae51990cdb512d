# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 while games are imported: afterwards every game is there exactly once.

SKERRY_KILLS sets how many times (default 12)."""
import os
import random
import time
import unittest

import harness
import pgn_make

KILLS = int(os.environ.get("SKERRY_KILLS", "12"))
GAMES = 60000


class KillDuringImport(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(start=False)
        self.addCleanup(self.server.close)

    def state(self, run):
        """What the import is at. However slow the machine: a kill is not held against an import."""
        body = self.server.get(f"/v1/ingest/{run}").json()
        self.assertNotEqual(body["status"], "FAILED", body)
        return body

    def wait_for(self, run, done):
        deadline = time.monotonic() + harness.JOB_TIMEOUT_S
        while not done(body := self.state(run)):
            self.assertLess(time.monotonic(), deadline, body)
            time.sleep(0.05)
        return body

    def test_counts_are_exact_after_every_kill(self):
        rng = random.Random(20261121)
        # One broken game in a thousand, one duplicate in a thousand.
        parts, broken, twice = [], 0, 0
        for n in range(GAMES):
            parts.append(pgn_make.game(n, seed="kill", plies=8))
            if n % 1000 == 500:
                parts.append(pgn_make.BROKEN)
                broken += 1
            if n % 1000 == 700:
                parts.append(pgn_make.game(n - 600, seed="kill", plies=8))
                twice += 1
        text = "".join(parts).encode()

        self.server.start()
        run = self.server.post("/v1/ingest", raw=text).json()["runId"]
        before, stuck = -1, 0
        for kill in range(KILLS):
            time.sleep(rng.uniform(0.0, 0.4))
            games = self.state(run)["games"]
            stuck = stuck + 1 if games == before else 0
            if stuck == 6:  # a job that never gets ahead is given up in the end, after twelve kills
                self.wait_for(run, lambda b: b["games"] > games or b["status"] == "SUCCEEDED")
                stuck = 0
            before = games
            self.server.kill()
            self.server.start()
            # Whole batches only: what can be seen is never half a batch's counts.
            body = self.server.get(f"/v1/ingest/{run}").json()
            count = self.server.get("/v1/games/count").json()["count"]
            if body["status"] != "SUCCEEDED":
                self.assertGreaterEqual(count, body["games"])
        done = self.wait_for(run, lambda b: b["status"] == "SUCCEEDED")
        self.assertEqual((done["games"], done["duplicates"], done["refused"]), (GAMES, twice, broken))
        body = self.server.get("/v1/games/count").json()
        self.assertEqual((body["count"], body["plies"]), (GAMES, GAMES * 8))
        report = self.server.get(done["reportUri"]).json()
        self.assertEqual(len(report["refused"]), broken)

        # Every pack is there, and a game of each can be read.
        for game in self.server.get("/v1/games/recent?limit=100").json()[::10]:
            self.assertEqual(self.server.get(f"/v1/games/{game['id']}").status, 200)
        self.assertEqual(self.server.stop(), 0)
        self.assertFalse(list((self.server.home / "inbox").iterdir()))


if __name__ == "__main__":
    unittest.main()
