# SPDX-License-Identifier: GPL-3.0-or-later
"""Rock, paper, scissors from empty to a promoted model: games, trainings, aliases, judgement. What trains is what was shown
when the game was played, to the bit."""
import concurrent.futures
import csv
import ctypes.util
import io
import json
import os
import struct
import subprocess
import tempfile
import unittest

import harness

MOVES = ["rock", "paper", "scissors"]
LOGIT = "multinomial_logistic"
HELD_OUT = ["val_acc_holdout", "test_acc_holdout", "test_accuracy", "test_log_loss", "test_ece", "test_acc_rock", "test_acc_paper",
            "test_acc_scissors", "train_acc_production", "val_acc_production", "cv_fold_1_acc", "cv_fold_2_acc", "cv_fold_3_acc",
            "cv_mean_acc", "cv_std_acc"]


def bits(value):
    return struct.pack("<d", value)


class Rps(harness.ServerTest):
    @classmethod
    def sim(cls, games, *options):
        cls.server.cli("rps", "sim", "--user", "ace", "--policy", "logan", "--games", games, "--connections", 4, "--url",
                       f"http://127.0.0.1:{cls.server.port}", *options)

    def game(self, name="Ann", **more):
        """Plays one out; returns its id and what /play answered."""
        game = self.server.post("/start_game", {"policy": "logan", "player_name": name, **more}).json()["game_id"]
        answers = []
        while not answers or not answers[-1]["finished"]:
            reply = self.server.post("/play", {"game_id": game, "user_move": MOVES[(len(answers) * len(answers) + 1) % 3]})
            self.assertEqual(reply.status, 200, reply)
            answers.append(reply.json())
        return game, answers

    def train(self, family=LOGIT, **more):
        started = self.server.post("/v1/rps/train", dict(more, family=family))
        self.assertEqual(started.status, 202, started)
        return self.server.wait(f"/v1/jobs/{started.json()['jobId']}", lambda job: job["status"] in ("succeeded", "failed"))

    def aliases(self, family=LOGIT):
        return self.server.get("/models/stages").json()["stages"][family]

    def rows_of(self, run):
        """The rows that a run trained on: {(game, step): (features, move)}."""
        text = self.server.get(f"/v1/runs/{run}/artifacts/rows.csv").text
        return {(r[0], int(r[1])): ([float(x) for x in r[2:-1]], r[-1]) for r in list(csv.reader(io.StringIO(text)))[1:]}


class Loop(Rps):
    def test_1_without_games_it_is_skipped(self):
        result = self.train()["result"]
        self.assertIn("skipped: 0 rounds were played, 300 are needed (MIN_TOTAL_ROWS)", result["skipped"])
        result = self.train(force=True)["result"]
        self.assertIn("MIN_SUP_ROWS", result["skipped"])
        self.assertEqual(self.server.get(f"/v1/runs/{result['runId']}/artifacts/training_report.json").json(), result)
        self.assertEqual(self.aliases()["Production"], None)

    def test_2_what_trains_is_what_was_shown(self):
        self.sim(150, "--keep")
        played = dict(self.game(name) for name in ("Ann", "Bea", "Cy", "Di"))
        hidden = [self.game("Test", is_test=True)[0]]
        thinned = [self.game("Ace")[0] for _ in range(6)]
        self.sim(3)  # not kept: tests
        self.__class__.sample = self.train(config="c02")["result"]
        rows = self.rows_of(self.sample["runId"])
        self.assertEqual(len(rows), self.sample["rows"])
        for game, answers in played.items():
            shown = [a for a in answers if a["round"] >= 4]
            self.assertEqual(sorted(step for g, step in rows if g == game), [a["round"] for a in shown])
            for a in shown:
                features, move = rows[game, a["round"]]
                self.assertEqual(move, a["user_move"])
                self.assertEqual([bits(x) for x in features], [bits(x) for x in a["debug"]["features"]], (game, a["round"]))
        trained = {g for g, _ in rows}
        self.assertFalse(trained & set(hidden))
        self.assertEqual(sum(g in trained for g in thinned), 2)  # the newest, and the fifth before it
        self.assertEqual(len(trained), 150 + len(played) + 2)

    def test_3_what_a_training_leaves(self):
        run, version = self.sample["runId"], self.sample["modelVersion"]
        self.assertEqual((self.sample["modelId"], version, self.sample["alias"]), ("rps_bot_mnlogit", 1, "Production"))
        self.assertGreater(self.sample["metrics"]["test_accuracy"], 0.6)  # ace is easy to see through
        for name in HELD_OUT:
            self.assertIn(name, self.sample["metrics"])
        told = self.server.get(f"/v1/runs/{run}").json()
        params, metrics = told["params"], told["metrics"]
        self.assertEqual((params["algorithm"], params["n_features"], params["n_samples"], params["lookback"], params["l2_lambda"]),
                         (LOGIT, "50", str(self.sample["rows"]), "3", "0.01"))
        self.assertEqual(told["tags"]["hyperparameter_config_id"], "c02")
        for name in [*HELD_OUT, "val_loss", "train_acc", "val_acc_final"]:
            self.assertIn(name, metrics)
        lineage = self.server.get(f"/v1/lineage/{run}").json()
        self.assertEqual({n["type"] for n in lineage["nodes"]}, {"run", "dataset", "model"})
        dataset = [d for d in self.server.get("/v1/datasets").json()["items"] if d["name"] == "rps-rounds"]
        self.assertEqual((len(dataset), dataset[0]["rows"], dataset[0]["status"]), (1, self.sample["rows"], "ready"))
        self.assertEqual(self.server.metric("rps_training_completed_total", model_type=LOGIT, status="success"), 1)
        self.assertEqual(self.server.metric("rps_training_duration_seconds_count", model_type=LOGIT), 1)

    def test_4_it_plays_at_once(self):
        self.assertEqual(self.aliases(), {"Production": "1", "B": None, "shadow1": None, "shadow2": None})
        game, answers = self.game("Eve")
        for a in answers[3:]:
            self.assertEqual((a["debug"]["probability_source"], a["model_info"]["model_version"]), ("mlflow", "1"))
        self.assertEqual(self.server.sql("SELECT model_version, model_run_id FROM rps_games WHERE key = ?", game),
                         [(1, self.sample["runId"])])

    def test_5_too_little_news_is_skipped(self):
        result = self.train()["result"]
        self.assertRegex(result["skipped"], r"^skipped: \d+ rounds were played since version 1 was trained, 50 are needed")
        self.assertEqual(self.aliases()["B"], None)

    def test_6_versions_stand_in_line(self):
        for alias, config in (("B", "c12"), ("shadow1", "c09"), ("shadow2", "c10")):
            result = self.train(force=True, config=config)["result"]
            self.assertEqual((result["alias"], result["config"]), (alias, config))
        same = self.train(force=True, seed=42, config="c10")["result"]
        self.assertEqual((same["alias"], same["modelVersion"]), (None, 5))
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM datasets WHERE name = 'rps-rounds'")[0][0], 2)  # same rows, same one
        self.assertEqual(self.train(force=True, challenger=True)["result"]["alias"], "shadow2")
        asked = self.train(force=True, alias="B", hyperparameters={"l2_lambda": 0.5})["result"]
        self.assertEqual((asked["alias"], asked["config"]), ("B", "c12"))  # the configuration that B has in the original
        self.assertEqual(self.aliases(), {"Production": "1", "B": "7", "shadow1": "3", "shadow2": "6"})
        run = self.server.get(f"/v1/runs/{asked['runId']}").json()
        self.assertEqual((run["params"]["l2_lambda"], run["tags"]["hyperparameters_overridden"]), ("0.5", "true"))

    def test_7_versions_are_judged(self):
        self.sim(240, "--keep")  # shared out by chance: each needs 20 outcomes
        started = self.server.post("/v1/serving/promotion", {"family": LOGIT}).json()
        self.server.wait(f"/v1/jobs/{started['jobId']}", lambda job: job["status"] == "succeeded")
        decision = self.server.get("/internal/promotion/history", model_type=LOGIT).json()[0]
        self.assertIn(decision["decision"], ("retain_production", "swap_production_b", "alias_reorder"))
        self.assertGreater(decision["production_total_games"], 0)
        self.assertGreater(decision["b_total_games"], 0)
        self.assertTrue(decision["reason"])

    def test_8_the_other_families(self):
        net = self.train("feedforward_nn", hyperparameters={"epochs": 15})["result"]
        self.assertEqual((net["modelId"], net["alias"]), ("rps_bot_feedforward", "Production"))
        if not ctypes.util.find_library("xgboost"):
            self.skipTest("libxgboost is not installed")
        trees = self.train("xgboost", hyperparameters={"n_estimators": 20})["result"]
        self.assertEqual((trees["modelId"], trees["alias"]), ("rps_bot_xgboost", "Production"))
        self.assertEqual(self.aliases("xgboost")["Production"], "1")

    def test_8_the_best_of_twelve(self):
        best = self.train(sweep=True, force=True)["result"]
        metrics = self.server.get(f"/v1/runs/{best['runId']}").json()["metrics"]
        losses = {f"c{i:02}": metrics[f"c{i:02}.cv_log_loss"] for i in range(1, 13)}
        losses = {k: v["value"] if isinstance(v, dict) else v for k, v in losses.items()}
        self.assertEqual(losses[best["config"]], min(losses.values()))
        self.assertEqual(best["metrics"]["cv_log_loss"], losses[best["config"]])
        run = self.server.get(f"/v1/runs/{best['runId']}").json()
        self.assertEqual(run["tags"]["hyperparameter_config_id"], best["config"])

    def test_9_another_wish_is_another_training(self):
        first = self.server.post("/v1/rps/train", {"family": "feedforward_nn", "sweep": True, "force": True}).json()
        others = [self.server.post("/v1/rps/train", {"family": LOGIT, "alias": alias, "force": True}).json()
                  for alias in ("shadow1", "shadow2", "shadow1")]  # they wait: trainings come one at a time
        jobs = [made["jobId"] for made in [first, *others]]
        states = [self.server.get(f"/v1/jobs/{job}").json() for job in jobs]
        for job in set(jobs):
            self.server.post(f"/v1/jobs/{job}/control", {"action": "stop"})
        self.assertEqual((len(set(jobs)), jobs[1]), (3, jobs[3]), states)
        for job in jobs:
            self.server.wait(f"/v1/jobs/{job}", lambda j: j["status"] in ("succeeded", "failed", "stopped"))

    def test_9_mistakes_change_nothing(self):
        before = self.server.sql("SELECT COUNT(*) FROM jobs")
        for body, word in (({}, "family"), ({"family": "x"}, "family"), ({"family": LOGIT, "alias": "prod"}, "alias"),
                           ({"family": LOGIT, "config": "c13"}, "config"), ({"family": LOGIT, "seed": -1}, "seed"),
                           ({"family": LOGIT, "features": "player-histories"}, "features"),
                           ({"family": LOGIT, "hyperparameters": {"max_depth": 3}}, "hyperparameters"),
                           ({"family": LOGIT, "hyperparameters": {"l2_lambda": -1}}, "hyperparameters"),
                           ({"family": LOGIT, "force": "yes"}, "force"),
                           ({"family": LOGIT, "sweep": True, "config": "c01"}, "sweep"), ([], "object")):
            reply = self.server.post("/v1/rps/train", body)
            self.assertEqual(reply.status, 400, (body, reply))
            self.assertIn(word, reply.json()["detail"])
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM jobs"), before)


class Promoted(Rps):
    def test_the_better_version_is_promoted(self):
        """A version that knows nothing is Production, and its challenger sees through ace."""
        self.sim(100, "--keep")
        self.assertEqual(self.train(hyperparameters={"l2_lambda": 1000})["result"]["alias"], "Production")
        self.assertEqual(self.train(force=True, config="c12")["result"]["alias"], "B")
        self.sim(300, "--keep")
        started = self.server.post("/v1/serving/promotion", {"family": LOGIT}).json()
        self.server.wait(f"/v1/jobs/{started['jobId']}", lambda job: job["status"] == "succeeded")
        decision = self.server.get("/internal/promotion/history", model_type=LOGIT).json()[0]
        self.assertEqual(decision["decision"], "swap_production_b", decision)
        self.assertEqual([decision[k] for k in ("production_games_since_swap", "b_games_since_swap", "promotion_cycles_since_swap")],
                         [0, 0, 0])
        self.assertEqual(self.server.metric("rps_model_promotion_events_total", model=LOGIT, decision="swap_production_b"), 1)
        self.assertAlmostEqual(self.server.metric("rps_model_promotion_z_statistic", model=LOGIT), decision["z_statistic"], 5)
        self.server.wait("/models/stages", lambda body: body["stages"][LOGIT]["Production"] == "2")
        self.assertEqual(self.aliases()["B"], "1")
        totals = {row["model"]: row for row in self.server.get("/internal/promotion/event_totals").json()}
        self.assertEqual(totals[LOGIT]["swap_production_b"], 1)
        while True:
            game = self.server.post("/start_game", {"policy": "logan"}).json()
            if game["bot_model_alias"] == "Production":
                break
        for _ in range(4):
            answer = self.server.post("/play", {"game_id": game["game_id"], "user_move": "rock"}).json()
        self.assertEqual(answer["model_info"]["model_version"], "2")


class Together(Rps):
    def test_verbs_that_train_at_once_take_an_alias_each_and_one_dataset(self):
        self.sim(60, "--keep")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda seed: self.server.cli("rps", "train", "--family", LOGIT, "--force", "--seed", seed, "--json"), range(4)))
        made = [json.loads(d.stdout) for d in done]
        self.assertEqual(sorted(m["alias"] for m in made), ["B", "Production", "shadow1", "shadow2"])
        self.assertEqual(sorted(m["modelVersion"] for m in made), [1, 2, 3, 4])
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM datasets WHERE name = 'rps-rounds'"), [(1,)])  # the same rows


class People(Rps):
    """Logs of people become games; a quarter of the people judge what the others trained."""
    @staticmethod
    def log(people=240, rounds=20):
        """People who mostly play what beats their last move."""
        rows = ["id,game,period,choice,other.choice"]
        for i in range(1, people + 1):
            move = i % 3
            for k in range(1, rounds + 1):
                rows.append(f"{i},g,{k},{'rps'[move]},{'rps'[(i * k) % 3]}")
                move = (move + (1 if (i + k) % 5 else 2)) % 3
        return "\n".join(rows) + "\n"

    def bring(self, text, name="log.csv"):
        started = self.server.post(f"/v1/rps/import?name={name}", raw=text.encode())
        self.assertEqual(started.status, 202, started)
        done = self.server.wait(f"/v1/jobs/{started.json()['jobId']}", lambda job: job["status"] in ("succeeded", "failed"))
        self.assertEqual(done["status"], "succeeded", done)
        return done["result"]

    def test_1_a_log_is_imported_once(self):
        told = self.bring(self.log(rounds=19))
        self.assertEqual((told["people"], told["newGames"], told["newRounds"]), (240, 240, 240 * 19))
        self.assertEqual(self.bring(self.log(rounds=19))["newGames"], 0)
        more = self.log(rounds=19) + self.log(246, 19).split("\n", 1)[1].split("\n240,g,19,", 1)[1].split("\n", 1)[1]
        self.assertEqual(self.bring(more, "other.csv")["newGames"], 6)
        file = self.server.home / "log.csv"
        file.write_text(more)
        self.assertEqual(json.loads(self.server.cli("rps", "import", file, "--json").stdout)["newGames"], 0)
        self.assertEqual(self.server.sql("SELECT COUNT(*), SUM(rounds) FROM rps_games WHERE origin = 'people:log.csv'")[0],
                         (240, 240 * 19))
        self.assertEqual(self.server.get("/stats/global").json()["total_games"], 0)
        self.assertIn("MIN_TOTAL_ROWS", self.train()["result"]["skipped"])  # they are not games that were played here
        key = self.server.sql("SELECT key FROM rps_games LIMIT 1")[0][0]
        self.assertEqual(self.server.post("/play", {"game_id": key, "user_move": "rock"}).status, 409)

    def test_2_what_is_no_log_is_refused(self):
        before = self.server.sql("SELECT COUNT(*) FROM rps_games")
        for body in (b"", b"hello", b"id,game,period,choice,other.choice\n1,g,1,x,r\n", b"\x28\xb5\x2f\xfd", b"\0" * 1000):
            reply = self.server.post("/v1/rps/import", raw=body)
            self.assertEqual(reply.status, 400, (body, reply))
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM rps_games"), before)

    def test_3_people_who_judge_train_nothing(self):
        result = self.train(source="people")["result"]
        trained = {g for g, _ in self.rows_of(result["runId"])}
        started = self.server.post("/v1/evaluations", {"candidateModelId": "rps_bot_mnlogit", "suite": "people"})
        self.assertEqual(started.status, 202, started)
        job = started.json()["jobId"]
        told = self.server.wait(f"/v1/jobs/{job}", lambda j: j["status"] in ("succeeded", "failed"))["result"]
        self.assertEqual(len(trained) + told["games"], 246)
        self.assertEqual(told["people"], told["games"])
        self.assertGreater(told["people"], 30)
        groups = {g: set() for g in ("trained", "held out")}
        for key, group in self.server.sql("SELECT key, session_id FROM rps_games"):
            groups["trained" if key in trained else "held out"].add(group)
        self.assertFalse(groups["trained"] & groups["held out"])  # who met each other stays together
        accuracy = told["candidate"]["accuracy"]
        self.assertGreater(accuracy["value"], 0.7)
        for name in ("accuracy", "log_loss", "ece"):
            x = told["candidate"][name]
            self.assertLess(x["low"], x["high"])
        self.assertTrue(accuracy["low"] <= accuracy["value"] <= accuracy["high"])

    def test_4_two_versions_side_by_side(self):
        self.train(source="people", force=True, hyperparameters={"l2_lambda": 10})
        told = json.loads(self.server.cli("rps", "evaluate", "rps_bot_mnlogit@1", "rps_bot_mnlogit@2", "--json").stdout)
        gain = told["candidate"]["accuracy"]["value"] - told["baseline"]["accuracy"]["value"]
        self.assertAlmostEqual(told["accuracy_gain"]["value"], gain)
        self.assertNotEqual(self.server.cli("rps", "evaluate", "rps_bot_mnlogit@9", check=False).returncode, 0)

    def test_5_versions_are_promoted_by_hand(self):
        self.server.cli("promote", "rps_bot_mnlogit", 2, "shadow2")
        self.server.wait("/models/stages", lambda body: body["stages"][LOGIT]["shadow2"] == "2")
        dataset = self.server.get("/v1/datasets").json()["items"][0]["id"]
        refused = self.server.post("/v1/trainings", {"datasetId": dataset})
        self.assertEqual(refused.status, 400, refused)
        self.assertIn("/v1/rps/train", refused.json()["detail"])


class WithoutTheLibrary(Rps):
    env = {"SKERRY_XGBOOST_LIB": "/nowhere/libxgboost.so"}

    def test_the_others_are_trained(self):
        self.sim(60, "--keep")
        skipped = self.train("xgboost", challenger=True)["result"]["skipped"]  # as the schedule asks
        self.assertIn("apt-get install libxgboost0", skipped)
        for event in ("run.failed", "job.failed"):
            self.server.expect_error(event)
        done = self.server.cli("rps", "train")
        self.assertIn("xgboost was not trained", done.stderr.decode())
        self.server.wait("/models/stages", lambda body: [body["stages"][f]["Production"]  # another process moved them
                                                         for f in (LOGIT, "feedforward_nn", "xgboost")] == ["1", "1", None])


class Chosen(Rps):
    """Only games of some players against some policies train, and only they count as new."""
    env = {"TRAINING_PLAYER_NAME_LIKE": "am_-%", "TRAINING_BOT_POLICY_IN": " logan,hal", "MIN_SUP_ROWS": "50", "MIN_TOTAL_ROWS": "50"}

    def test_chosen_games_train(self):
        for name, policy in (("Amy-1", "logan"), ("am-1", "logan"), ("amy-1", "brian"), ("amy-1", "ace")):
            for _ in range(6):
                self.game(name, policy=policy)
        self.assertIn("skipped: 0 rounds were played, 50 are needed", self.train()["result"]["skipped"])
        wanted = {self.game(name, policy=policy)[0] for name, policy in (("amy-1", "logan"), ("ami-", "hal")) for _ in range(9)}
        result = self.train()["result"]
        self.assertEqual({game for game, _ in self.rows_of(result["runId"])}, wanted)
        params = self.server.get(f"/v1/runs/{result['runId']}").json()["params"]
        self.assertEqual((params["training_player_name_like"], params["training_bot_policy_in"]), ("am_-%", " logan,hal"))
        for setting, value, why in (("TRAINING_BOT_POLICY_IN", "logan,joe", "no policy 'joe'"),
                                    ("TRAINING_PLAYER_NAME_LIKE", "a\\", "escapes nothing")):
            with tempfile.TemporaryDirectory() as home:
                env = dict(os.environ, SKERRY_HOME=home, API_PORT="0", **{setting: value})
                refused = subprocess.run([harness.BINARY, "serve"], env=env, capture_output=True, text=True, timeout=60)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(setting, refused.stderr)
            self.assertIn(why, refused.stderr)


class FeatureSet(Rps):
    """What a training that names no features takes is a setting: the scheduled ones name none."""
    env = {"TRAINING_FEATURE_SET": "player-history", "MIN_SUP_ROWS": "50", "MIN_TOTAL_ROWS": "50"}

    def test_the_setting_holds_where_nothing_is_named(self):
        for no in range(12):
            self.game(f"Fay{no % 3}")
        def features(**more):
            result = self.train(force=True, **more)["result"]
            self.assertNotIn("skipped: ", str(result.get("skipped")))
            return self.server.get(f"/v1/runs/{result['runId']}").json()["params"]["feature_set"]
        self.assertEqual((features(), features(features="contract-50")), ("player-history", "contract-50"))
        with tempfile.TemporaryDirectory() as home:
            env = dict(os.environ, SKERRY_HOME=home, API_PORT="0", TRAINING_FEATURE_SET="best")
            refused = subprocess.run([harness.BINARY, "serve"], env=env, capture_output=True, text=True, timeout=60)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("setting TRAINING_FEATURE_SET must be contract-50 or player-history, not 'best'", refused.stderr)


class Drift(Rps):
    def production(self):
        family = next(f for f in self.server.get("/v1/serving").json()["items"] if f["family"] == LOGIT)
        return next(s for s in family["slots"] if s["alias"] == "Production")

    def judged(self, at_least):
        self.server.wait("/v1/serving", lambda _: self.production()["judged"] >= at_least)
        return self.production()

    def test_other_people_than_in_training_are_told(self):
        self.sim(120, "--keep")
        self.assertEqual(self.train()["status"], "succeeded")
        self.assertEqual(self.aliases()["Production"], "1")
        # Against a model ace meets other moves than without: the version that is watched knows games against one.
        self.sim(300, "--keep")
        self.train(force=True, alias="Production")
        self.server.wait("/models/stages", lambda body: body["stages"][LOGIT]["Production"] == "2")
        self.sim(120, "--keep")
        slot = self.judged(120)
        before = slot["driftInputs"]
        self.assertGreaterEqual(before, 0)
        self.assertGreaterEqual(slot["driftPredictions"], 0)
        rounds = slot["judged"]
        for _ in range(120):  # nobody in training did that
            game, last = self.server.post("/start_game", {"policy": "logan", "player_name": "Rocky"}).json()["game_id"], {"finished": False}
            while not last["finished"]:
                last = self.server.post("/play", {"game_id": game, "user_move": "rock"}).json()
                rounds += last["round"] > 3
        after = self.judged(rounds)
        self.assertGreater(after["driftInputs"], max(0.25, before))
        text = self.server.get("/metrics").text
        told = float(next(l for l in text.splitlines() if l.startswith('rps_data_drift_score{scope="inputs"}')).rpartition(" ")[2])
        self.assertAlmostEqual(told, after["driftInputs"])
        slots = self.server.get("/v1/serving").json()["items"]  # a slot without a model has nothing to compare
        self.assertTrue(all(s["driftInputs"] is None for f in slots for s in f["slots"] if not s["version"]))


class Killed(Rps):
    def test_an_import_that_was_killed_goes_on_and_counts_once(self):
        """Also when the bytes came over HTTP: what collects at the start leaves what a job waits for."""
        people, rounds = 300, 400
        text = "id,game,period,choice,other.choice\n" + "".join(
            f"{i},g,{k},{'rps'[(i + k) % 3]},{'rps'[(i * k) % 3]}\n" for i in range(1, people + 1) for k in range(1, rounds + 1))
        reply = self.server.post("/v1/rps/import?name=killed.csv", raw=text.encode())
        self.assertEqual(reply.status, 202, reply)
        job = reply.json()["jobId"]
        before = 0
        for _ in range(5):  # also before it has begun
            self.server.kill()
            self.server.start()
            games = self.server.sql("SELECT COUNT(*) FROM rps_games WHERE origin = 'people:killed.csv'")[0][0]
            self.assertGreaterEqual(games, before)
            before = games
        done = self.server.wait(f"/v1/jobs/{job}", lambda j: j["status"] in ("succeeded", "failed"))
        self.assertEqual(done["status"], "succeeded", done)
        self.assertEqual(self.server.sql("SELECT COUNT(*), COUNT(DISTINCT key), SUM(rounds) FROM rps_games"
                                         " WHERE origin = 'people:killed.csv'")[0],
                         (people, people, people * rounds))
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM rps_rounds r JOIN rps_games g ON g.id = r.game_id"
                                         " WHERE g.origin = 'people:killed.csv'")[0][0], people * rounds)
        self.assertEqual(self.server.post("/v1/maintenance/gc", {}).status, 202)

    def test_a_training_that_was_killed_is_done_once(self):
        self.sim(120, "--keep")
        job = self.server.post("/v1/rps/train", {"family": "feedforward_nn"}).json()["jobId"]
        self.server.wait(f"/v1/jobs/{job}", lambda j: j["status"] == "running")
        self.server.kill()
        self.server.start()
        self.sim(10, "--keep")  # what is played meanwhile does not change what it learns from
        done = self.server.wait(f"/v1/jobs/{job}", lambda j: j["status"] in ("succeeded", "failed"))
        self.assertEqual(done["status"], "succeeded", done)
        self.assertEqual((done["result"]["modelVersion"], done["result"]["games"]), (1, 120))
        self.assertEqual(self.aliases("feedforward_nn")["Production"], "1")


if __name__ == "__main__":
    unittest.main()
