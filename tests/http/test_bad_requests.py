# SPDX-License-Identifier: GPL-3.0-or-later
"""What predict and play do with what they should not get, and with many callers at once."""
import json
import threading
import time
import unittest

import trained
from trained import MATE_IN_ONE, START


class Predict(trained.TrainedTest):
    def test_bad_positions_are_400_invalid_fen(self):
        for fen in ("", " ", "x", "8/8/8/8/8/8/8/8 w - - 0 1", START[:20], START.replace(" w ", " x "),
                    START.replace("RNBQKBNR", "RNBQQBNR"), START.replace("8/8", "9/8", 1), START + " 7 7",
                    START.replace("rnbq", "rnbqqq"), "♔" * 30, "/" * 5000,
                    "4k3/8/8/8/8/8/4R3/4K3 w - - 0 1"):  # the side that has moved is in check
            with self.subTest(fen[:40]):
                reply = self.server.post("/v1/predict", {"fen": fen})
                self.assertEqual(reply.status, 400, reply)
                self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
                self.assertEqual(reply.json()["code"], "INVALID_FEN")
                self.assertIn("fen", reply.json()["detail"])

    def test_wrong_types_and_values_are_400(self):
        for body in ({}, [], None, "fen", 7, {"fen": 1}, {"fen": None}, {"fen": [START]}, {"FEN": START},
                     {"fen": START, "temperature": -1}, {"fen": START, "temperature": "hot"},
                     {"fen": START, "temperature": 11}, {"fen": START, "topk": -1}, {"fen": START, "topk": 1.5},
                     {"fen": START, "topk": 10 ** 30}, {"fen": START, "rating": "strong"},
                     {"fen": START, "rating": 99999}, {"fen": START, "speed": "warp"},
                     {"fen": START, "history": "e2e4"}, {"fen": START, "history": {"0": "e2e4"}},
                     {"fen": START, "history": [1]}, {"fen": START, "history": ["e2e5"]},
                     {"fen": START, "history": ["e2e4", "e2e4"]}, {"fen": START, "history": ["e2e4"] * 2000},
                     {"fen": START, "history": [""]}, {"fen": START, "history": ["0000"]}):
            with self.subTest(str(body)[:60]):
                reply = self.server.request("POST", "/v1/predict", json.dumps(body).encode(),
                                            {"Content-Type": "application/json"})
                self.assertEqual(reply.status, 400, reply)
                self.assertTrue(reply.json()["detail"])

    def test_broken_and_deep_json_is_400(self):
        for raw in (b"", b"{", b'{"fen":', b'{"fen":"' + START.encode() + b'"} trailing', b"\x00\x01", b'{"fen":"\xff\xfe"}',
                    b"[" * 30000, b'{"a":' * 10000 + b"1" + b"}" * 10000, b'{"fen":"a","fen":"b"', b"NaN", b"'fen'"):
            with self.subTest(raw[:20]):
                reply = self.server.request("POST", "/v1/predict", raw, {"Content-Type": "application/json"})
                self.assertEqual(reply.status, 400, reply)

    def test_a_huge_body_is_413(self):
        raw = json.dumps({"fen": START, "history": ["x" * 100_000]}).encode()
        reply = self.server.request("POST", "/v1/predict", raw, {"Content-Type": "application/json"})
        self.assertEqual(reply.status, 413, reply)
        self.assertEqual(self.server.post("/v1/predict", {"fen": START}).status, 200)

    def test_a_position_without_moves_has_no_move(self):
        body = self.ok(self.server.post("/v1/predict", {"fen": "R5k1/5ppp/8/8/8/8/5PPP/6K1 b - - 0 1"}))
        self.assertIsNone(body["move"])
        self.assertEqual((body["legal"], body["policy"]), ([], []))

    def test_unknown_versions_are_404(self):
        for path in (f"/v1/models/{self.model}/versions/999/predict", "/v1/models/nobody/versions/1/predict"):
            self.assertEqual(self.server.post(path, {"fen": START}).status, 404, path)

    def test_a_promotion_drops_no_prediction(self):
        second = trained.train(self.server, self.dataset, seed=2)["result"]["modelVersion"]
        first = self.training["result"]["modelVersion"]
        stop, answers, versions = threading.Event(), [], set()

        def hammer():
            while not stop.is_set():
                try:
                    reply = self.server.post("/v1/predict", {"fen": START})
                    answers.append(reply.status)
                    versions.add(reply.json()["modelVersion"])
                except OSError as e:
                    answers.append(e)

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for i in range(20):
                self.promote(second if i % 2 == 0 else first)
                time.sleep(0.02)
                now = self.ok(self.server.post("/v1/predict", {"fen": START}))["modelVersion"]
                self.assertEqual(now, str(second if i % 2 == 0 else first))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(set(answers), {200})
        self.assertEqual(versions, {str(first), str(second)})


class Asked(trained.TrainedTest):
    """What test_properties.py of the interop tests found: a wrong kind is a mistake of the asker's, and the document says
    in which shape mistakes are told."""

    def test_a_kind_that_nobody_knows_is_400(self):
        reply = self.server.post("/v1/datasets", {"name": "x", "kind": "tides"})
        self.assertEqual((reply.status, reply.json()["code"]), (400, "invalid"), reply)
        self.assertIn("'tides'", reply.json()["detail"])
        name = {"Content-Type": "application/json"}
        self.server.request("POST", "/api/2.0/mlflow/registered-models/create", json.dumps({"name": "theirs"}), name)
        self.server.request("POST", "/api/2.0/mlflow/model-versions/create", json.dumps({"name": "theirs", "source": "s3://b/x"}), name)
        for path, body in (("/v1/models/load", {"modelId": "theirs", "modelVersion": "1"}),
                           ("/v1/evaluations", {"candidateModelId": "theirs", "candidateVersion": "1"})):
            with self.subTest(path):
                reply = self.server.post(path, body)
                self.assertEqual(reply.status, 400, reply)
                self.assertIn("of kind 'mlflow'", reply.text)

    def test_the_report_of_another_job_is_none_of_an_import(self):
        run = self.server.post("/v1/analytics/run").json()["runId"]
        self.server.wait(f"/v1/runs/{run}", lambda r: r["status"] == "FINISHED")
        self.assertEqual(self.server.get(f"/v1/runs/{run}/artifacts/report.json").status, 200)
        self.assertEqual(self.server.get(f"/v1/ingest/{run}/report").status, 404)

    def test_an_import_that_has_not_begun_is_as_documented(self):
        schema = self.server.get("/openapi.json").json()["paths"]["/v1/ingest/{runId}"]["get"]["responses"]["200"]["content"]
        properties = schema["application/json"]["schema"]["properties"]
        for name in ("reportUri", "startedAt", "finishedAt"):
            self.assertEqual(properties[name]["type"], ["string", "null"])

    def test_errors_have_the_type_that_is_documented(self):
        paths = self.server.get("/openapi.json").json()["paths"]
        for path, status, media in (("/v1/games/{id}", 404, ["application/problem+json"]),
                                    ("/api/2.0/mlflow/runs/get", 404, ["application/json"]),
                                    ("/api/v1/query", 400, ["application/json"]),
                                    ("/loki/api/v1/query", 400, ["application/problem+json", "text/plain"])):
            with self.subTest(path):
                said = paths[path]["get"]["responses"]["default"]
                if "$ref" in said:
                    said = self.server.get("/openapi.json").json()["components"]["responses"]["Problem"]
                self.assertEqual(sorted(said["content"]), media)
                reply = self.server.get(path.replace("{id}", "0" * 16), run_id="nope", query="}")
                self.assertEqual(reply.status, status, reply)
                self.assertIn(reply.headers["Content-Type"].split(";")[0], media)


class Play(trained.TrainedTest):
    def move(self, game, uci, **more):
        return self.server.post(f"/v1/play/{game}/move", {"uci": uci, **more})

    def test_illegal_moves_are_400_and_change_nothing(self):
        game = self.new_game()
        before = self.server.get(f"/v1/play/{game}").json()
        for uci in ("e2e5", "e7e5", "a1a1", "", "e2", "xyz", "e2e4q", "0000", "O-O", "e2e4 ", "é2e4", "e2e4" * 100):
            with self.subTest(uci[:10]):
                reply = self.move(game, uci)
                self.assertEqual((reply.status, reply.json()["code"]), (400, "ILLEGAL_MOVE"), reply)
        for body in ({}, {"uci": 1}, {"uci": None}, {"move": "e2e4"}):
            self.assertEqual(self.server.post(f"/v1/play/{game}/move", body).status, 400, body)
        self.assertEqual(self.server.get(f"/v1/play/{game}").json(), before)

    def test_unknown_games_are_404(self):
        for game in ("0", "00000000-0000-7000-8000-000000000000", "%27%20OR%201=1", "x" * 300):
            for path, body in (("move", {"uci": "e2e4"}), ("resign", {}), ("takeback", {})):
                self.assertEqual(self.server.post(f"/v1/play/{game}/{path}", body).status, 404, (game, path))
            self.assertEqual(self.server.get(f"/v1/play/{game}").status, 404)
            self.assertEqual(self.server.get(f"/v1/play/{game}/pgn").status, 404)

    def test_bad_new_games_are_400(self):
        for body in ({"color": "green"}, {"color": 1}, {"fen": "x"}, {"fen": "R5k1/5ppp/8/8/8/8/5PPP/6K1 b - - 0 1"},
                     {"clock": 5}, {"clock": {}}, {"clock": {"initial": 0}}, {"clock": {"initial": 60, "increment": -1}},
                     {"temperature": "x"}, {"useGameAsTraining": "yes"}, {"speed": "warp"}):
            self.assertEqual(self.server.post("/v1/play/new", body).status, 400, body)

    def test_a_finished_game_is_409_and_becomes_an_imported_game(self):
        game = self.new_game(fen=MATE_IN_ONE)
        body = self.ok(self.move(game, "a1a8"))
        self.assertEqual((body["status"], body["result"], body["winner"], body["reason"]),
                         ("finished", "WHITE_WIN", "white", "checkmate"))
        for path, send in (("move", {"uci": "g1f1"}), ("resign", {}), ("takeback", {})):
            reply = self.server.post(f"/v1/play/{game}/{path}", send)
            self.assertEqual(reply.status, 409, (path, reply))

        count = self.server.get("/v1/games/count").json()["count"]
        game = self.new_game(color="black")
        self.ok(self.move(game, "g8f6"))
        self.ok(self.server.post(f"/v1/play/{game}/resign"))
        self.server.wait("/v1/games/count", lambda b: b["count"] == count + 1)
        [stored] = self.server.get("/v1/games?username=M3NG00S3&limit=1").json()
        self.assertEqual((stored["result"], stored["black"]), ("WHITE_WIN", "M3NG00S3"))
        moves = [m["uci"] for m in self.server.get(f"/v1/play/{game}").json()["moves"]]
        self.assertEqual([m["uci"] for m in self.server.get(f"/v1/games/{stored['id']}/moves").json()], moves)

    def test_a_game_that_is_not_for_training_is_not_imported(self):
        game = self.new_game(useGameAsTraining=False)
        self.ok(self.move(game, "a2a4"))
        self.ok(self.server.post(f"/v1/play/{game}/resign"))
        pgn = self.server.get(f"/v1/play/{game}/pgn").text
        self.assertIn("1. a4 ", pgn)
        self.assertIn('[Result "0-1"]', pgn)
        # The job is added before the reply is written: when it is not there now, it never will be.
        jobs = self.server.get("/v1/jobs?kind=chess.ingest&limit=1000").json()["items"]
        self.assertTrue(jobs)
        self.assertEqual([j for j in jobs if game in j["payload"]["name"]], [])

    def together(self, *calls):
        gate, replies = threading.Barrier(len(calls)), [None] * len(calls)

        def run(i, call):
            gate.wait()
            replies[i] = call()

        threads = [threading.Thread(target=run, args=(i, c)) for i, c in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return replies

    def test_of_moves_for_the_same_ply_one_wins(self):
        for attempt in range(5):
            game = self.new_game()
            replies = self.together(*[lambda: self.move(game, "e2e4")] * 4)
            self.assertEqual(sorted(r.status for r in replies), [200, 400, 400, 400], replies)
            # Two different moves are told apart by how many plies their senders had seen.
            game = self.new_game()
            replies = self.together(*[lambda uci=uci: self.move(game, uci, plies=0)
                                      for uci in ("a2a3", "h2h3", "b2b3", "g2g3")])
            self.assertEqual(sorted(r.status for r in replies), [200, 409, 409, 409], replies)
            self.assertEqual(len(self.server.get(f"/v1/play/{game}").json()["moves"]), 2)

    def test_a_flag_falls(self):
        game = self.new_game(clock={"initial": 60, "increment": 0})
        self.ok(self.move(game, "e2e4"))
        self.server.sql("UPDATE chess_plays SET turn_since_ms = turn_since_ms - 61000 WHERE id = ?", game)
        self.assertEqual(self.server.get(f"/v1/play/{game}").json()["clock"]["whiteMs"], 0)
        body = self.ok(self.move(game, "d2d4"))
        self.assertEqual((body["ok"], body["status"], body["reason"], body["winner"], body["plies"]),
                         (False, "finished", "time forfeit", "black", 2))
        self.assertEqual(self.move(game, "d2d4").status, 409)

    def test_clocks_run_and_increments_are_added(self):
        game = self.new_game(clock={"initial": 60, "increment": 5})
        self.ok(self.move(game, "e2e4"))
        self.assertEqual(self.server.get(f"/v1/play/{game}").json()["clock"]["incrementMs"], 5000)
        body = self.ok(self.move(game, "d2d4"))
        self.assertTrue(60000 < body["clock"]["whiteMs"] <= 65000, body)

    def test_takeback_gives_the_position_before(self):
        game = self.new_game()
        self.assertEqual(self.server.post(f"/v1/play/{game}/takeback").status, 409)
        self.ok(self.move(game, "e2e4"))
        body = self.ok(self.server.post(f"/v1/play/{game}/takeback"))
        self.assertEqual((body["fen"], body["plies"]), (START, 0))
        self.ok(self.move(game, "d2d4"))
        state = self.server.get(f"/v1/play/{game}").json()
        self.assertEqual((state["moves"][0]["uci"], state["takenBack"]), ("d2d4", 2))
        clocked = self.new_game(clock={"initial": 60})
        self.ok(self.move(clocked, "e2e4"))
        self.assertEqual(self.server.post(f"/v1/play/{clocked}/takeback").status, 409)


if __name__ == "__main__":
    unittest.main()
