# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers on one database and one store of blobs: what changes at the first is followed by the second, while it
answers. The second reaches PostgreSQL by a line that can be cut, or on which wake-ups are lost."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "http"), str(HERE.parent / "interop" / "serving")]
import harness  # noqa: E402
import pgn_make  # noqa: E402
import trained  # noqa: E402
import world  # noqa: E402
from cases import QUESTIONS  # noqa: E402

TOOL = os.environ.get("RPS_MODELS") or str(pathlib.Path(harness.BINARY).parent / "tests" / "http" / "rps_models")
MODELS = HERE.parent / "interop" / "serving" / "models" / "2.22"
BOUND_S = 8      # a wake-up takes milliseconds; a look without one comes every two seconds
KEYS_BOUND_S = 20


class Line:
    """Passes bytes between a server of ours and PostgreSQL."""

    def __init__(self, port):
        self.to = port
        self.pairs, self.is_up, self.is_deaf, self.swallowed = [], True, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            if not self.is_up:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.to))
            state = {"listens": False}
            self.pairs.append((near, far))
            threading.Thread(target=self.carry, args=(near, far, state, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, state, False), daemon=True).start()

    def carry(self, source, target, state, is_outwards):
        try:
            while data := source.recv(65536):
                if is_outwards and b"LISTEN %I" in data:
                    state["listens"] = True
                if not is_outwards and state["listens"] and self.is_deaf:
                    self.swallowed += 1  # as behind a router that has forgotten the connection
                    continue
                target.sendall(data)
        except OSError:
            pass
        self.end((source, target))
        source.close()  # each is one thread's to read from

    def cut(self):
        self.is_up = False
        for pair in self.pairs:
            self.end(pair)
        self.pairs.clear()

    @staticmethod
    def end(pair):
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        self.cut()


class Load:
    """Asks all the time, from a thread for each question; `wrong` is what was not answered with 200."""

    def __init__(self, questions):
        self.asked, self.wrong, self.is_over = 0, [], False
        self.threads = [threading.Thread(target=self.ask, args=(q,)) for q in questions]

    def ask(self, question):
        while not self.is_over:
            reply = question()
            self.asked += 1
            if reply.status != 200:
                self.wrong.append(reply)
            time.sleep(0.002)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for t in self.threads:
            t.join()


class Followers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        url = urllib.parse.urlsplit(harness.TEST_DB)
        cls.line = Line(url.port)
        cls.addClassCleanup(cls.line.close)
        cls.first = harness.Server(start=False)
        cls.addClassCleanup(cls.first.close)
        shared = cls.first.shared()
        shared["SKERRY_DB"] = shared["SKERRY_DB"].replace(f":{url.port}/", f":{cls.line.port}/")
        subprocess.run([TOOL, str(cls.first.home)], env=cls.first.environment(), check=True, capture_output=True)
        cls.first.start()
        cls.second = harness.Server(env=shared, start=False)
        cls.addClassCleanup(cls.second.close)
        trained.import_games(cls.first, pgn_make.games(trained.GAMES, seed="followers"))
        dataset = trained.build_dataset(cls.first, "followers")["id"]
        cls.results = [trained.train(cls.first, dataset, seed=seed)["result"] for seed in (1, 2)]
        cls.chess = cls.results[0]["modelId"]
        world.add(cls.first, "follow", 1, MODELS / "regressor", "live")
        world.add(cls.first, "follow", 2, MODELS / "classifier")
        cls.second.start()
        cls.rps_body = cls.a_round()

    @classmethod
    def tearDownClass(cls):
        for server in (cls.first, cls.second):
            code = server.stop()
            # What it could not do while it did not reach the database is what the tests want.
            errors = [e for e in server.unexpected_errors() if f":{cls.line.port}/" not in str(e.get("msg"))]
            if code != 0 or errors:
                raise AssertionError(f"a server ended with {code} and logged {errors[:5]}")

    @classmethod
    def a_round(cls):
        """What /predict wants, after the rounds that need no model."""
        while True:
            game = cls.second.post("/start_game", {"policy": "logan"}).json()
            if game["bot_model_alias"] == "Production":
                break
        answers = [cls.second.post("/play", {"game_id": game["game_id"], "user_move": "rock", "round": n}).json() for n in (1, 2, 3, 4)]
        before, due = answers[:-1], answers[-1]
        return {"policy": "logan", "ab_assignment": due["ab_assignment"], "round_values": due["round_points"],
                "player_history": [a["user_move"] for a in before], "bot_history": [a["bot_move"] for a in before],
                "result_history": [a["result"] for a in before], "round_points_history": [a["round_points"] for a in before],
                "user_score_history": [a["user_score"] for a in before], "bot_score_history": [a["bot_score"] for a in before],
                "user_score": before[-1]["user_score"], "bot_score": before[-1]["bot_score"]}

    # ------------------------------------------------------------------ the three kinds

    def ask_chess(self, server=None):
        return (server or self.second).post("/v1/predict", {"fen": trained.START})

    def ask_rps(self):
        return self.second.post("/predict", self.rps_body)

    def ask_client(self):
        return self.second.post("/v1/models/follow/live/invocations", QUESTIONS["split"])

    def chess_version(self, server=None):
        reply = self.ask_chess(server)
        return int(reply.json()["modelVersion"]) if reply.status == 200 else reply.status

    def rps_version(self):
        return int(self.ask_rps().json()["model_info"]["version"])

    def client_version(self):
        return int(self.ask_client().headers.get("X-Model-Version") or 0)

    def promote(self, name, version, alias):
        reply = self.first.post("/v1/models/promote", {"modelId": name, "modelVersion": str(version), "alias": alias})
        self.assertEqual(reply.status, 200, reply)

    def move(self, version):
        """All three, at the first server."""
        self.promote(self.chess, version, "prod")
        self.promote("rps_bot_mnlogit", version, "Production")
        reply = self.first.post("/api/2.0/mlflow/registered-models/alias", {"name": "follow", "alias": "live", "version": str(version)})
        self.assertEqual(reply.status, 200, reply)

    def wait(self, holds, what, timeout_s=BOUND_S):
        harness.until(holds, what, timeout_s)

    def followed(self, version):
        for kind in (self.chess_version, self.rps_version, self.client_version):
            self.wait(lambda: kind() == version, f"{kind.__name__} {version} at the second server")

    # ------------------------------------------------------------------ promotions

    def test_promotions_under_load(self):
        self.move(1)
        self.followed(1)
        with Load([self.ask_chess, self.ask_rps, self.ask_client]) as load:
            for i in range(6):
                self.move(2 - i % 2)
                self.followed(2 - i % 2)
        self.assertGreater(load.asked, 10)  # there was load
        self.assertEqual(load.wrong, [])

    def test_a_promotion_while_the_database_was_out_of_reach(self):
        """What serves from memory goes on; afterwards all are as the first server says."""
        self.move(1)
        self.followed(1)
        with Load([self.ask_chess, self.ask_rps]) as load:
            self.line.cut()
            self.move(2)
            self.assertEqual(self.chess_version(), 1)
            time.sleep(3)
            self.line.is_up = True
            self.followed(2)
        self.assertGreater(load.asked, 10)  # there was load
        self.assertEqual(load.wrong, [])

    def test_a_promotion_whose_wake_up_is_lost(self):
        self.move(1)
        self.followed(1)
        self.line.is_deaf = True
        try:
            self.move(2)
            self.followed(2)
            self.wait(lambda: self.line.swallowed, "a wake-up that nobody heard")
        finally:
            self.hear_again()

    def hear_again(self):
        """The deaf connection has missed bytes: it ends, and the server makes another."""
        self.line.is_deaf, self.line.swallowed = False, 0
        self.line.cut()
        self.line.is_up = True
        self.wait(lambda: self.second.get("/v1/games/count").status == 200, "the second server being back")

    def test_prod_that_is_taken_away_answers_nowhere(self):
        self.promote(self.chess, 1, "prod")
        self.wait(lambda: self.chess_version() == 1, "version 1")
        body = json.dumps({"name": self.chess, "alias": "prod"})
        reply = self.first.request("DELETE", "/api/2.0/mlflow/registered-models/alias", body, {"Content-Type": "application/json"})
        self.assertEqual(reply.status, 200, reply)
        for server in (self.first, self.second):
            self.wait(lambda: self.chess_version(server) == 409, "no model")
        self.promote(self.chess, 2, "prod")
        self.wait(lambda: self.chess_version() == 2, "version 2")

    def test_a_version_loaded_by_hand_stays_until_the_alias_moves(self):
        self.promote(self.chess, 1, "prod")
        self.wait(lambda: self.chess_version() == 1, "version 1")
        reply = self.second.post("/v1/models/load", {"modelId": self.chess, "modelVersion": "2"})
        self.assertEqual(reply.status, 200, reply)
        for _ in range(25):  # longer than it takes to look at the aliases
            self.assertEqual(self.chess_version(), 2)
            time.sleep(0.1)
        for version in (2, 1):
            self.promote(self.chess, version, "prod")
            self.wait(lambda: self.chess_version() == version, f"version {version}")

    # ------------------------------------------------------------------ games

    def test_a_game_goes_on_at_either_server(self):
        game = self.first.post("/start_game", {"policy": "logan"}).json()["game_id"]
        number, over = 1, False
        while not over:
            server = (self.first, self.second)[number // 2 % 2]  # so that each misses rounds
            reply = server.post("/play", {"game_id": game, "user_move": "rock", "round": number})
            self.assertEqual(reply.status, 200, (number, reply))
            self.assertEqual(reply.json()["round"], number)
            number, over = number + 1, reply.json()["finished"]
        self.assertGreater(number, 4)
        early = self.first.post("/play", {"game_id": game, "user_move": "rock", "round": number + 1})
        self.assertEqual(early.status, 409, early)

    # ------------------------------------------------------------------ keys

    def as_key(self, key, path="/v1/users/me", method="GET"):
        return self.second.request(method, path, headers={"Authorization": "Bearer " + key}).status

    def new_key(self, name):
        made = self.first.post("/v1/keys", {"username": name, "role": "viewer"})
        self.assertIn(made.status, (200, 201), made)
        self.wait(lambda: self.as_key(made.json()["key"]) == 200, "the new key at the second server")
        return made.json()

    def revoke(self, made):
        self.assertIn(self.first.request("DELETE", f"/v1/keys/{made['id']}").status, (200, 204))

    def test_keys_and_roles(self):
        made = self.new_key("walker")
        self.assertEqual(self.as_key(made["key"], "/v1/admin/audit"), 403)
        reply = self.first.request("PATCH", "/v1/admin/users/walker", json.dumps({"roles": ["analyst"]}),
                                   {"Content-Type": "application/json"})
        self.assertEqual(reply.status, 200, reply)
        self.wait(lambda: self.role(made["key"]) == ["analyst"], "the new role", 4)  # heard, not looked up
        self.revoke(made)
        self.wait(lambda: self.as_key(made["key"]) == 401, "the revoked key being refused")

    def role(self, key):
        return self.second.request("GET", "/v1/users/me", headers={"Authorization": "Bearer " + key}).json()["roles"]

    def test_a_key_whose_revocation_is_not_heard(self):
        made = self.new_key("deafened")
        self.line.is_deaf = True
        try:
            self.revoke(made)
            self.wait(lambda: self.as_key(made["key"]) == 401, "the revoked key being refused", KEYS_BOUND_S)
            self.assertTrue(self.line.swallowed)
        finally:
            self.hear_again()

    def test_a_key_revoked_while_the_database_was_out_of_reach(self):
        made = self.new_key("absent")
        self.line.cut()
        self.revoke(made)
        time.sleep(1)
        self.line.is_up = True
        self.wait(lambda: self.as_key(made["key"]) == 401, "the revoked key being refused", KEYS_BOUND_S)


if __name__ == "__main__":
    unittest.main()
