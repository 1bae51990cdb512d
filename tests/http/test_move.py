# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving house: beside a running server, the rest when it is stopped, nothing acknowledged is lost, the old
house stays shut, and back again. With kill -9 in between. SKERRY_MOVE_KILLS sets how often (default 12)."""
import contextlib
import pathlib
import random
import shutil
import sqlite3
import tempfile
import threading
import unittest

import harness
import pgn_make
from test_backup import KILLS, answers, assert_same, details, fill, run_json, settle


class MoveTest(unittest.TestCase):
    """From one data folder to another; tests/postgres and tests/interop go further."""

    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.other = pathlib.Path(tempfile.mkdtemp(prefix="skerry-moved-"))
        self.addCleanup(shutil.rmtree, self.other, ignore_errors=True)
        fill(self.server, seed="move")

    def target(self):
        return ["--to", f"sqlite:{self.other}/skerry.db", "--blobs", f"file:{self.other}/blobs"]

    def home_again(self):
        return ["--to", f"sqlite:{self.server.home}/skerry.db", "--blobs", f"file:{self.server.home}/blobs"]

    def moved(self):
        server = harness.Server(home=self.other, start=False)
        self.addCleanup(server.close)
        return server

    def same(self, before, server):
        assert_same(self, before, server)

    def test_there_and_back_the_answers_are_the_same(self):
        before = answers(self.server) | details(self.server)
        first = run_json(self.server, "move", *self.target())
        self.assertFalse(first["complete"])
        self.assertGreater(first["blobsCopied"], 0)
        self.assertGreater(first["rows"], 300)
        refused = self.moved().cli("status", check=False)  # not to be used before it is whole
        self.assertEqual(refused.returncode, 5)
        self.assertIn(b"half filled", refused.stderr)
        self.server.stop()
        second = run_json(self.server, "move", *self.target())
        self.assertTrue(second["complete"])
        self.assertEqual(second["blobsCopied"], 0)
        old = self.server.cli("status", check=False)
        self.assertEqual(old.returncode, 5)
        self.assertIn(b"moved to sqlite:", old.stderr)
        server = self.moved().start()
        settle(server)
        self.same(before, server)
        server.post("/v1/play/new", {})
        before = answers(server) | details(server)
        server.stop()
        back = run_json(server, "move", *self.home_again())
        self.assertTrue(back["complete"])
        self.assertEqual(back["blobsCopied"], 0)
        self.server.start()
        settle(self.server)
        self.same(before, self.server)
        self.assertEqual(self.server.unexpected_errors(), [])

    def test_games_acknowledged_while_it_copies_are_there(self):
        stop, accepted = threading.Event(), []

        def write():
            while not stop.is_set():
                reply = self.server.post("/v1/ingest", raw=pgn_make.game(len(accepted), seed="ack", plies=8).encode())
                if reply.status < 300:
                    accepted.append(reply.json()["runId"])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(3):
                self.assertFalse(run_json(self.server, "move", *self.target())["complete"])
        finally:
            stop.set()
            writer.join()
        self.server.stop()
        self.assertTrue(run_json(self.server, "move", *self.target())["complete"])
        # The data folder stays: uploads wait in its inbox.
        self.server.extra_env = {"SKERRY_DB": f"sqlite:{self.other}/skerry.db", "SKERRY_BLOBS": f"file:{self.other}/blobs"}
        self.server.start()
        settle(self.server)
        self.assertGreater(len(accepted), 10)
        for run in accepted:
            self.assertEqual(self.server.get(f"/v1/ingest/{run}").json()["games"], 1, run)

    def test_changed_and_deleted_rows_are_carried_over(self):
        run_json(self.server, "move", *self.target())
        model_free = self.server.get("/v1/datasets").json()["items"][0]["id"]
        self.assertEqual(self.server.request("DELETE", f"/v1/datasets/{model_free}").status, 200)
        self.server.stop()
        self.server.sql("DELETE FROM params WHERE run_id IN (SELECT run_id FROM params LIMIT 1)")
        self.server.sql("UPDATE runs SET user_id = 'somebody'")
        self.assertTrue(run_json(self.server, "move", *self.target())["complete"])
        moved = self.moved()
        for table in ("params", "runs", "datasets", "chess_games", "chess_players"):
            rows = f"SELECT * FROM {table} ORDER BY 1, 2"
            self.assertEqual(self.server.sql(rows), moved.sql(rows), table)

    def test_a_target_that_holds_something_else_is_refused(self):
        other = self.moved()
        other.cli("status")
        done = self.server.cli("move", *self.target(), check=False)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"in use", done.stderr)
        self.assertEqual(self.server.cli("status").returncode, 0)

    def test_a_target_in_which_a_move_was_killed_at_its_first_step_is_still_empty(self):
        (made,), = self.server.sql("SELECT sql FROM sqlite_master WHERE name = 'store_migrations'")
        (whose,), = self.server.sql("PRAGMA application_id")
        with contextlib.closing(sqlite3.connect(self.other / "skerry.db")) as db:
            db.execute(f"PRAGMA application_id = {whose}")
            db.execute(made)
        self.server.stop()
        self.assertTrue(run_json(self.server, "move", *self.target())["complete"])

    def test_another_installation_s_unfinished_move_is_refused(self):
        run_json(self.server, "move", *self.target())
        stranger = harness.Server(start=False)
        self.addCleanup(stranger.close)
        stranger.cli("status")
        done = stranger.cli("move", *self.target(), check=False)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"another installation", done.stderr)

    def test_stay_takes_it_back(self):
        self.server.stop()
        run_json(self.server, "move", *self.target())
        self.assertEqual(self.server.cli("status", check=False).returncode, 5)
        self.server.cli("move", "--stay")
        self.server.start()

    def test_a_failed_end_leaves_the_old_house_open(self):
        self.server.stop()
        done = self.server.cli("move", "--to", "sqlite:/proc/nowhere/skerry.db", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.server.cli("status")

    def test_passwords_on_the_command_line_are_refused_and_wiped(self):
        for url in ("postgresql://skerry:s3cretword@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=s3cretword"):
            done = self.server.cli("move", "--to", url, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertNotIn(b"s3cretword", done.stderr + done.stdout)
            self.assertIn(b"--env", done.stderr)

    def test_words_that_it_does_not_know(self):
        for words in ([], ["--to"], ["--stay", "--to", "sqlite:"], ["--fast"], ["--to", "sqlite:"]):
            self.assertEqual(self.server.cli("move", *words, check=False).returncode, 2, words)

    def test_only_blobs_move_with_a_file_of_settings(self):
        before = answers(self.server) | details(self.server)
        env = self.other / "new.env"
        env.write_text(f"SKERRY_BLOBS=file:{self.other}/blobs\n")
        self.assertFalse(run_json(self.server, "move", "--env", env)["complete"])
        self.server.stop()
        done = run_json(self.server, "move", "--env", env)
        self.assertTrue(done["complete"])
        self.assertEqual(done["rowsChanged"], 0)
        shutil.rmtree(self.server.home / "blobs")
        shutil.copy(env, self.server.home / ".env")
        self.server.start()
        self.same(before, self.server)

    def test_killed_again_and_again(self):
        before = answers(self.server) | details(self.server)
        rng, killed = random.Random(5), 0
        self.server.stop()
        for i in range(KILLS):
            after_s = 0.02 * i + rng.uniform(0, 0.01)  # the first die at once, on a fast machine too
            killed += self.server.cli_killed(after_s, "move", *self.target()) < 0
            usable = [self.usable(self.server.home), self.usable(self.other)]
            self.assertLess(sum(usable), 2, "both houses are open")
            if usable[1]:
                break
        self.assertGreater(killed, 0)
        if not self.usable(self.other):
            self.assertTrue(run_json(self.server, "move", *self.target())["complete"])
        server = self.moved().start()
        settle(server)
        self.same(before, server)

    def usable(self, home):
        """Without opening it: that would make a new one where there is none."""
        look = harness.Server(home=home, start=False)
        if not (home / "skerry.db").exists() or not look.sql("SELECT name FROM sqlite_master WHERE name = 'runs'"):
            return False
        return not look.sql("SELECT value FROM move_notes WHERE name = 'state'")


if __name__ == "__main__":
    unittest.main()
