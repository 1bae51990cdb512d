# SPDX-License-Identifier: GPL-3.0-or-later
"""Rock, paper, scissors with models that know who plays: trained, served beside others, the same after a restart and with next
to no memory, and judged on people who train nothing."""
import ctypes.util
import json
import unittest

import harness

MOVES = ["rock", "paper", "scissors"]
LOGIT = "multinomial_logistic"
HISTORY = "player-history"


class Players(harness.ServerTest):
    @classmethod
    def sim(cls, games):
        cls.server.cli("rps", "sim", "--user", "ace", "--policy", "logan", "--games", games, "--connections", 4, "--keep", "--url",
                       f"http://127.0.0.1:{cls.server.port}")

    def job(self, started):
        self.assertEqual(started.status, 202, started)
        return self.server.wait(f"/v1/jobs/{started.json()['jobId']}", lambda job: job["status"] in ("succeeded", "failed"))

    def train(self, family=LOGIT, **more):
        done = self.job(self.server.post("/v1/rps/train", dict({"features": HISTORY, "force": True}, **more, family=family)))
        self.assertEqual(done["status"], "succeeded", done)
        return done["result"]

    def start(self, name, policy="logan"):
        return self.server.post("/start_game", {"policy": policy, "player_name": name}).json()["game_id"]

    def play(self, game, number):
        reply = self.server.post("/play", {"game_id": game, "user_move": MOVES[number * number % 3]})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def play_out(self, name, policy="logan"):
        game, answers = self.start(name, policy), []
        while not answers or not answers[-1]["finished"]:
            answers.append(self.play(game, len(answers) + 1))
        return answers

    def predict(self, name, due, before):
        """What /predict says of a round that was played, told the rounds before it."""
        body = {"policy": due["policy"], "ab_assignment": due["ab_assignment"], "round_values": due["round_points"],
                "player_history": [a["user_move"] for a in before], "bot_history": [a["bot_move"] for a in before],
                "result_history": [a["result"] for a in before],
                "round_points_history": [a["round_points"] for a in before],
                "user_score_history": [a["user_score"] for a in before],
                "bot_score_history": [a["bot_score"] for a in before],
                "user_score": before[-1]["user_score"], "bot_score": before[-1]["bot_score"]}
        if name:
            body["player_name"] = name
        reply = self.server.post("/predict", body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["probabilities"]


class Served(Players):
    env = {"RPS_PLAYER_STATES": "1"}  # somebody is always forgotten

    def test_1_every_family_can_be_trained(self):
        self.sim(120)
        result = self.train(config="c02")
        self.assertEqual((result["alias"], result["features"]), ("Production", HISTORY))
        self.assertGreater(result["metrics"]["test_accuracy"], 0.6)  # ace is easy to see through
        self.assertIn("cv_mean_acc", result["metrics"])
        run = self.server.get(f"/v1/runs/{result['runId']}").json()
        self.assertEqual((run["params"]["feature_set"], run["params"]["n_features"]), (HISTORY, "60"))
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM model_version_tags WHERE key = 'features' AND value = ?", HISTORY),
                         [(1,)])
        refused = self.server.post("/v1/models/rps_bot_mnlogit/Production/invocations", {"inputs": [[0.0] * 60]})
        self.assertEqual((refused.status, "player_name" in refused.json()["detail"]), (501, True), refused)
        self.assertEqual(self.train("feedforward_nn", hyperparameters={"epochs": 3})["alias"], "Production")
        if ctypes.util.find_library("xgboost"):
            self.assertEqual(self.train("xgboost", hyperparameters={"n_estimators": 10})["alias"], "Production")

    def test_2_both_sorts_stand_side_by_side(self):
        self.assertEqual(self.train(features="contract-50", config="c12")["alias"], "B")
        self.server.cli("rps", "train", "--family", LOGIT, "--features", HISTORY, "--config", "c09", "--force")
        self.server.wait("/models/stages", lambda body: body["stages"][LOGIT]["shadow1"] == "3")
        aliases = ("Production", "B", "shadow1")
        before = [self.server.metric("rps_model_predictions_by_alias_total", model=LOGIT, alias=a) for a in aliases]
        answers = [self.play_out("Ann") for _ in range(3)]
        count = sum(len(a) - 3 for a in answers)
        after = [self.server.metric("rps_model_predictions_by_alias_total", model=LOGIT, alias=a) for a in aliases]
        self.assertEqual([b - a for a, b in zip(before, after)], [count] * 3)
        for a in answers:
            self.assertEqual({x["debug"]["probability_source"] for x in a[3:]}, {"mlflow"})
            self.assertEqual(len(a[-1]["debug"]["features"]), 50)  # the contract's, whatever the model takes

    def test_3_a_prediction_sees_what_the_game_saw(self):
        self.server.cli("promote", "rps_bot_mnlogit", 3, "B")  # now every game is played by one that knows people
        self.server.post("/models/reload")
        game, answers = self.start("Ann"), []
        stranger = 0
        while not answers or not answers[-1]["finished"]:
            answers.append(self.play(game, len(answers) + 1))
            if len(answers) < 4 or answers[-1]["finished"]:
                continue
            told, due = answers[:-1], answers[-1]
            if len(answers) == 6:  # in the middle of the game
                self.server.stop()
                self.server.start()
            self.assertEqual(self.predict("Ann", due, told), due["debug"]["probabilities"])
            stranger += self.predict(None, due, told) != due["debug"]["probabilities"]
            self.assertEqual(self.predict(None, due, told), self.predict("Nobody before", due, told))
            self.assertEqual(self.predict(None, due, told), self.predict("Player-4F2", due, told))
        self.assertGreater(stranger, 0)  # Ann is known
        self.assertGreater(self.server.metric("rps_player_recalls_total", result="read"), 0)
        self.assertGreater(self.server.metric("rps_player_recalls_total", result="evicted"), 0)
        self.assertLessEqual(self.server.metric("rps_player_states"), 1)

    def test_4_the_answer_of_a_round_can_be_asked_for_again(self):
        game = self.start("Ann")
        for number in range(1, 5):
            answer = self.play(game, number)
        again = self.server.post("/play", {"game_id": game, "user_move": answer["user_move"], "round": 4}).json()
        self.assertTrue(again.pop("replayed"))
        self.assertEqual(again, answer)

    def test_5_a_batch_and_a_context_know_the_person_too(self):
        item = {"policy": "logan", "player_name": "Ann", "player_history": ["rock"] * 70, "bot_history": ["paper"] * 70}
        one = self.server.post("/predict", item).json()["probabilities"]
        many = self.server.post("/predict/batch", [item, dict(item, player_name="Player-X")]).json()["results"]
        self.assertEqual(many[0]["probabilities"], one)
        self.assertNotEqual(many[1]["probabilities"], one)
        context = self.server.post("/predict/context", {"player_move": "rock", "context": item}).json()
        self.assertEqual(context["probabilities"], one)
        bad = self.server.post("/predict", dict(item, player_name="x" * 65))
        self.assertEqual(bad.status, 422, bad)

    def test_6_test_games_and_strangers_leave_nothing(self):
        def numbers(name):
            return self.server.sql("SELECT person_seq, person_seen FROM rps_games WHERE player_name = ? ORDER BY id", name)
        for name in ("Eve", "Eve", "Player-4F2", "Player-4F2"):
            self.play_out(name)
        test = self.server.post("/start_game", {"policy": "ace", "player_name": "Eve", "is_test": True}).json()["game_id"]
        answer = {"finished": False}
        while not answer["finished"]:
            answer = self.play(test, 1)
        self.assertEqual(numbers("Eve"), [(1, 0), (2, 1), (0, 2)])
        self.assertEqual(numbers("Player-4F2"), [(0, 0), (0, 0)])

    def test_7_versions_change_places(self):
        """Challengers of both sorts are promoted under somebody's hands."""
        game = self.start("Ann")
        versions = set()
        for number, version in enumerate((1, 2, 3, 1, 2), 4):
            for alias in ("Production", "B"):
                self.server.cli("promote", "rps_bot_mnlogit", version, alias)
            self.server.post("/models/reload")
            while True:
                answer = self.play(game, number)
                if answer["finished"]:
                    game = self.start("Ann")
                elif answer["round"] >= 4:
                    break
            self.assertEqual(answer["debug"]["probability_source"], "mlflow")
            versions.add(answer["model_info"]["model_version"])
        self.assertEqual(versions, {"1", "2", "3"})
        self.assertEqual(self.server.metric("rps_model_fallback_total", model=LOGIT, reason="mlflow_error"), 0)

    def test_8_a_damaged_population_does_not_serve(self):
        reply = self.server.post("/v1/rps/train", {"family": LOGIT, "features": "player-histories"})
        self.assertEqual(reply.status, 400, reply)
        self.assertIn("features", reply.json()["detail"])
        refused = self.server.cli("rps", "train", "--features", "x", check=False)
        self.assertNotEqual(refused.returncode, 0)


class Judged(Players):
    @staticmethod
    def log(people=150, rounds=24):
        """Two games each: people who go one up, one down or stay, nine times of ten, against people and two sorts of bots."""
        rows = ["exp,game_id,round,p1,p2,p1_move,p2_move,p1_rt_ms,p2_rt_ms,p1_outcome,round_begin_ms,bot_strategy"]
        for i in range(people):
            kind = i % 3
            exp, strategy = ("v1", "") if kind == 0 else ("v2", "copy") if kind == 1 else ("v3", "clever")
            move = i % 3
            for game in range(2):
                for k in range(1, rounds + 1):
                    move = (move + (i // 3 if (i * 7 + game + k * k) % 10 else 1)) % 3
                    other = "bot" if kind else f"Q{i}"
                    rows.append(f"{exp},g{i}-{game},{k},P{i},{other},{'RPS'[move]},{'RPS'[(i * k + k * k // 5) % 3]},1,1,tie,"
                                f"{(i * 2 + game) * 1000},{strategy}")
        return "\n".join(rows) + "\n"

    def test_people_judge_by_whom_they_played(self):
        self.assertEqual(self.job(self.server.post("/v1/rps/import?name=log.csv", raw=self.log().encode()))["status"], "succeeded")
        self.assertEqual(self.train(source="people", features="contract-50")["modelVersion"], 1)
        self.assertEqual(self.train(source="people")["modelVersion"], 2)
        told = json.loads(self.server.cli("rps", "evaluate", "rps_bot_mnlogit@2", "rps_bot_mnlogit@1", "--json").stdout)
        self.assertGreater(told["accuracy_gain"]["low"], 0.05)  # who knows a person's rule knows the next move
        for side in ("candidate", "baseline"):
            slices = told[side]["slices"]
            kinds = [slices[k] for k in ("people", "stable_bots", "adaptive_bots")]
            self.assertEqual(sum(k["rounds"] for k in kinds), told["rounds"])
            hits = sum(k["rounds"] * k["accuracy"]["value"] for k in kinds)
            self.assertAlmostEqual(hits / told["rounds"], told[side]["accuracy"]["value"])
            self.assertEqual(slices["rounds_4_15"]["rounds"], 12 * told["people"])
            for part in (*slices.values(), told[side]):
                for name in ("accuracy", "log_loss", "score"):
                    x = part[name]
                    self.assertTrue(x["low"] <= x["value"] <= x["high"], (side, name, x))
        runs = self.server.sql("SELECT COUNT(*) FROM latest_metrics WHERE key = 'adaptive_bots_accuracy_low'")
        self.assertEqual(runs[0][0], 1)


if __name__ == "__main__":
    unittest.main()
