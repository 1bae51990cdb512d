# SPDX-License-Identifier: GPL-3.0-or-later
"""Rock, paper, scissors with twelve models: who answers, what is kept of it, and swaps while people play."""
import hashlib
import os
import pathlib
import subprocess
import threading
import unittest

import harness

TOOL = os.environ.get("RPS_MODELS") or str(pathlib.Path(harness.BINARY).parent / "tests" / "http" / "rps_models")
MOVES = ["rock", "paper", "scissors"]
FAMILIES = {"brian": ("feedforward_nn", "rps_bot_feedforward"), "forrest": ("xgboost", "rps_bot_xgboost"),
            "logan": ("multinomial_logistic", "rps_bot_mnlogit")}


class Models(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(start=False)
        cls.addClassCleanup(cls.server.close)
        subprocess.run([TOOL, str(cls.server.home)], env=cls.server.environment(), check=True, capture_output=True)
        cls.server.start()
        cls.policies = [p for p, (kind, _) in FAMILIES.items() if cls.server.get("/models/stages").json()["stages"][kind]["B"]]

    def start(self, policy):
        return self.server.post("/start_game", {"policy": policy}).json()

    def play(self, game, number):
        reply = self.server.post("/play", {"game_id": game, "user_move": MOVES[number % 3], "round": number})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def play_out(self, game, first=1):
        answers = [self.play(game, first)]
        while not answers[-1]["finished"]:
            answers.append(self.play(game, answers[-1]["round"] + 1))
        return answers

    def promote(self, name, version, alias):
        subprocess.run([TOOL, str(self.server.home), name, str(version), alias], env=self.server.environment(), check=True)

    def test_all_are_there(self):
        self.assertIn("logan", self.policies)
        models = self.server.get("/models").json()["models"]
        self.assertEqual(sum(m["loaded"] for m in models), 4 * len(self.policies))
        self.assertTrue(self.server.post("/models/reload").json()["success"])
        self.assertTrue(self.server.post("/models/multinomial_logistic/load").json()["success"])

    def test_the_alias_is_a_hash_and_stays(self):
        seen = set()
        for policy in self.policies:
            kind = FAMILIES[policy][0]
            for _ in range(12):
                game = self.start(policy)
                share = int.from_bytes(hashlib.sha256(f"{game['game_id']}|{kind}".encode()).digest()[:8], "big") / 2**64
                self.assertEqual(game["bot_model_alias"], "Production" if share < 0.5 else "B")
                seen.add(game["bot_model_alias"])
        self.assertEqual(seen, {"Production", "B"})

    def test_a_model_answers_and_is_kept_with_the_round(self):
        for policy in self.policies:
            game = self.start(policy)
            answers = self.play_out(game["game_id"])
            stored = self.server.sql("SELECT r.source, r.model_version FROM rps_rounds r JOIN rps_games g ON g.id = r.game_id"
                                     " WHERE g.key = ? ORDER BY step_no", game["game_id"])
            version = {"Production": 1, "B": 2}[game["bot_model_alias"]]
            for a, row in zip(answers[3:], stored[3:]):
                self.assertEqual(a["debug"]["probability_source"], "mlflow")
                self.assertAlmostEqual(sum(a["debug"]["probabilities"].values()), 1)
                self.assertEqual(a["model_info"]["model_version"], str(version))
                self.assertEqual(a["ab_assignment"], {"alias": game["bot_model_alias"],
                                                      "model_key": f"{FAMILIES[policy][0]}@{game['bot_model_alias']}",
                                                      "is_variant": version == 2})
                self.assertEqual(tuple(row), (2, version))
            again = self.server.post("/play", {"game_id": game["game_id"], "user_move": answers[-1]["user_move"],
                                               "round": answers[-1]["round"]}).json()
            self.assertTrue(again.pop("replayed"))
            self.assertEqual(again, answers[-1])
            row = self.server.get("/games", limit=1).json()["games"][0]
            self.assertEqual((row["id"], row["bot_model_version"]), (game["game_id"], str(version)))

    def test_a_prediction_sees_what_the_game_saw(self):
        game = self.start("logan")
        answers = self.play_out(game["game_id"])
        before, due = answers[:-1], answers[-1]
        body = {"policy": "logan", "ab_assignment": due["ab_assignment"], "round_values": due["round_points"],
                "player_history": [a["user_move"] for a in before], "bot_history": [a["bot_move"] for a in before],
                "result_history": [a["result"] for a in before],
                "round_points_history": [a["round_points"] for a in before],
                "user_score_history": [a["user_score"] for a in before],
                "bot_score_history": [a["bot_score"] for a in before],
                "user_score": before[-1]["user_score"], "bot_score": before[-1]["bot_score"]}
        told = self.server.post("/predict", body).json()
        self.assertEqual(told["probabilities"], due["debug"]["probabilities"])

    def test_every_model_is_judged_once_a_round(self):
        def counted():
            return {l.rpartition(" ")[0]: float(l.rpartition(" ")[2]) for l in self.server.get("/metrics").text.splitlines()
                    if l.startswith("rps_model_")}
        before = counted()
        answers = self.play_out(self.start("logan")["game_id"])
        after = counted()
        for alias in ("Production", "B", "shadow1", "shadow2"):
            key = f'rps_model_predictions_by_alias_total{{model="multinomial_logistic",alias="{alias}"}}'
            self.assertEqual(after[key] - before[key], len(answers) - 3)
            key = f'rps_model_predictions_total{{model="multinomial_logistic@{alias}"}}'
            self.assertEqual(after[key] - before[key], len(answers) - 3)
        moved = sum(after[k] - before[k] for k in after if k.startswith("rps_model_games_total{"))
        self.assertEqual(moved, 1)

    def test_metrics_have_the_names_and_labels_of_the_contract(self):
        played, model, alias = {"policy", "model_type", "difficulty"}, {"model"}, {"model", "alias"}
        wanted = {"rps_action_predictions_total": played | {"move"}, "rps_training_completed_total": {"model_type", "status"},
                  "rps_training_duration_seconds_bucket": {"model_type", "le"}, "rps_data_drift_score": {"scope"},
                  "rps_model_promotion_events_total": {"model", "decision"}, "rps_model_promotion_decision_state": {"model", "decision"},
                  "rps_ab_enabled": set(), "rps_ab_exposure_total": {"variant"}, "rps_ab_win_lift": {"variant"},
                  "rps_ab_calibration_error": {"variant"}, "rps_ab_disagree_ratio": {"active_model", "shadow_model"},
                  "rps_model_loaded_info": {"model", "version", "stage", "alias"}, "rps_model_load_seconds": {"model", "version"},
                  "rps_model_prediction_sources_total": {"model", "source"}, "rps_model_fallback_total": {"model", "reason"},
                  "rps_registry_resolution_total": {"result"}}
        wanted |= {f"rps_{n}_total": played for n in ("action_wins", "action_losses", "action_ties", "games", "game_wins", "game_losses")}
        wanted |= {f"rps_model_{n}": alias for n in ("predictions_by_alias_total", "correct_predictions_by_alias_total", "alias_rank",
                                                     "accuracy", "games_since_production_swap")}
        wanted |= {f"rps_model_{n}_by_alias_total": alias | {"difficulty"} for n in ("games", "game_wins", "game_losses")}
        wanted |= {f"rps_ab_{n}": model for n in ("requests_total", "actions_total", "actions_correct_total", "games_total", "games_won",
                                                  "action_accuracy", "game_win_rate", "split_ratio")}
        wanted |= {f"rps_model_{n}": model for n in (
            "promotion_z_statistic", "promotion_p_value", "alias_reorders_total", "promotion_cycles_since_swap", "fallback_ratio",
            "games_total", "games_won_total", "predictions_total", "predictions_correct_total", "prediction_accuracy", "win_rate",
            "game_win_rate", "load_failures_total", "load_skips_total")}
        text = self.server.get("/metrics").text
        found = {}
        for line in text.splitlines():
            if line.startswith("rps_"):
                name, _, labels = line.rpartition(" ")[0].partition("{")
                found.setdefault(name, set()).add(frozenset(l.partition("=")[0] for l in labels.rstrip("}").split(",") if l))
        self.assertEqual({n: found.get(n) for n in wanted}, {n: {frozenset(labels)} for n, labels in wanted.items()})
        self.assertEqual({l.split('reason="')[1].split('"')[0] for l in text.splitlines() if l.startswith("rps_model_fallback_total{")},
                         {"fallback", "load_failed", "mlflow_error", "forced_fallback"})

    def test_a_version_is_asked_like_any_other_model(self):
        names = list(self.server.get("/predict/features/example").json()["features"])
        for policy in self.policies:
            registered = FAMILIES[policy][1]
            started = self.start(policy)
            asked = [a for a in self.play_out(started["game_id"]) if a["round"] > 3]
            address = f"/v1/models/{registered}/{started['bot_model_alias']}/invocations"
            self.assertEqual(self.server.get(address).json()["inputs"], [{"type": "tensor", "dtype": "float64", "shape": [-1, 50]}])
            rows = [a["debug"]["features"] for a in asked]
            reply = self.server.post(address, {"inputs": rows})
            self.assertEqual((reply.status, reply.headers["X-Model-Version"]), (200, asked[0]["model_info"]["model_version"]), reply)
            predictions = reply.json()["predictions"]
            self.assertEqual(len(predictions), len(asked))
            for answer, told in zip(asked, predictions):
                shares = answer["debug"]["probabilities"]
                for move in MOVES:
                    self.assertAlmostEqual(told[move], shares[move], 6)
                self.assertEqual(told["move"], max(MOVES, key=lambda m: shares[m]))
            table = {"columns": ["more", *names[::-1]], "data": [[7, *row[::-1]] for row in rows]}
            self.assertEqual(self.server.post(address, {"dataframe_split": table}).json()["predictions"], predictions)
            text = "\n".join([",".join(names), *(",".join(map(repr, row)) for row in rows)])
            self.assertEqual(self.server.post(address, raw=text.encode(), headers={"Content-Type": "text/csv"}).json()["predictions"],
                             predictions)
            for body, word in (({"inputs": [rows[0][:49]]}, "49 values"), ({"instances": [1, 2]}, "features"), ({"inputs": [["a"] * 50]}, ""),
                               ({"dataframe_split": {"columns": names[1:], "data": [rows[0][1:]]}}, names[0])):
                reply = self.server.post(address, body)
                self.assertEqual((reply.status, reply.json()["error_code"]), (400, "BAD_REQUEST"), (body, reply))
                self.assertIn(word, reply.json()["message"])

    def test_models_are_loaded_again_while_people_play(self):
        def times():
            return {m["alias"]: m["loaded_at"] for m in self.server.get("/models").json()["models"]
                    if m["model_type"] == "multinomial_logistic"}
        before = times()
        games, stop = [], threading.Event()

        def play():
            while not stop.is_set():
                games.append(self.play_out(self.start("logan")["game_id"]))
        people = [threading.Thread(target=play) for _ in range(3)]
        for person in people:
            person.start()
        try:
            harness.until(lambda: games, "a game")
            self.assertEqual(self.server.post("/models/multinomial_logistic/load").status, 200)
            self.assertEqual(times(), before)  # what is there stays
            forced = self.server.post("/models/multinomial_logistic/load?force_reload=true").json()
            again = times()
            self.assertTrue(forced["success"])
            self.assertTrue(all(again[a] > before[a] for a in before), (before, again))
            self.assertTrue(self.server.request("DELETE", "/models/multinomial_logistic").json()["success"])
            self.assertTrue(all(times()[a] > again[a] for a in again))
            seen = len(games)
            harness.until(lambda: len(games) > seen + 3, "games after it")
        finally:
            stop.set()
            for person in people:
                person.join()
        self.assertEqual({a["model_info"]["probability_source"] for g in games for a in g[3:]}, {"mlflow"})

    def gauges(self):
        return {l.rpartition(" ")[0]: float(l.rpartition(" ")[2]) for l in self.server.get("/metrics").text.splitlines()
                if l.startswith("rps_")}

    def test_gauges_of_the_two_that_play_are_of_their_own_games(self):
        kind = "multinomial_logistic"
        names = ["requests_total", "actions_total", "actions_correct_total", "games_total", "games_won"]
        before = self.gauges()
        wanted = {alias: dict.fromkeys(names, 0) for alias in ("Production", "B")}
        won = dict.fromkeys(wanted, 0)
        for _ in range(8):
            game = self.start("logan")
            answers = self.play_out(game["game_id"])
            own = wanted[game["bot_model_alias"]]
            asked = [a for a in answers if a["round"] > 3]
            own["requests_total"] += len(asked)
            own["actions_total"] += sum(a["model_info"]["probability_source"] == "mlflow" for a in asked)
            own["actions_correct_total"] += sum(max(MOVES, key=lambda m: a["debug"]["probabilities"][m]) == a["user_move"] for a in asked)
            won[game["bot_model_alias"]] += sum(a["result"] == "lose" for a in asked)
            own["games_total"] += 1
            own["games_won"] += answers[-1]["winner"] == "bot"
        after = self.gauges()
        rates = {}
        for alias, own in wanted.items():
            label = f'{{model="{kind}@{alias}"}}'
            for name in names:
                key = f"rps_ab_{name}{label}"
                self.assertEqual(after[key] - before[key], own[name], key)
            games, actions = after["rps_ab_games_total" + label], after["rps_ab_actions_total" + label]
            rates[alias] = after["rps_ab_games_won" + label] / games if games else 0
            self.assertAlmostEqual(after["rps_ab_game_win_rate" + label], rates[alias])
            self.assertAlmostEqual(after["rps_model_game_win_rate" + label], rates[alias])
            rounds = [g["rps_model_win_rate" + label] * g["rps_ab_actions_total" + label] for g in (before, after)]
            self.assertAlmostEqual(rounds[1] - rounds[0], won[alias])
            self.assertAlmostEqual(after["rps_ab_action_accuracy" + label],
                                   after["rps_ab_actions_correct_total" + label] / actions if actions else 0)
        self.assertAlmostEqual(after[f'rps_ab_win_lift{{variant="{kind}@B"}}'], rates["B"] - rates["Production"])
        ratios = [v for k, v in after.items() if k.startswith("rps_ab_disagree_ratio")]
        self.assertEqual(len(ratios), 3 * 2 * 3)
        self.assertTrue(all(0 <= r <= 1 for r in ratios))
        for scope in ("inputs", "predictions"):
            self.assertIn(f'rps_data_drift_score{{scope="{scope}"}}', after)

    def test_what_serves_is_told(self):
        def told():
            return {k for k, v in self.gauges().items() if k.startswith("rps_model_loaded_info{") and v == 1}

        def wanted():
            return {f'rps_model_loaded_info{{model="{kind}",version="{v}",stage="{alias}",alias="{alias}"}}'
                    for kind, slots in self.server.get("/models/stages").json()["stages"].items() for alias, v in slots.items() if v}
        before = wanted()
        self.assertEqual(told(), before)
        self.assertEqual(len(before), 4 * len(self.policies))
        names = [FAMILIES["brian"][1], FAMILIES["brian"][0]]
        slots = self.server.get("/models/stages").json()["stages"][names[1]]
        self.promote(names[0], slots["shadow1"], "shadow2")  # it stands at two places now, and no other is left over
        self.server.post("/models/reload")
        self.assertNotEqual(wanted(), before)
        self.assertEqual(told(), wanted())
        answers = self.play_out(self.start("brian")["game_id"])
        self.promote(names[0], slots["shadow2"], "shadow2")
        self.server.post("/models/reload")
        self.assertEqual(told(), before)
        self.assertTrue(answers[-1]["finished"])

    def test_the_same_version_never_disagrees_with_itself(self):
        name, kind = FAMILIES["brian"][1], FAMILIES["brian"][0]
        server = harness.Server(start=False)
        self.addCleanup(server.close)
        subprocess.run([TOOL, str(server.home)], env=server.environment(), check=True, capture_output=True)
        server.start()
        slots = server.get("/models/stages").json()["stages"][kind]
        for alias in ("B", "shadow1"):
            subprocess.run([TOOL, str(server.home), name, slots["Production"], alias], env=server.environment(), check=True)
        server.post("/models/reload")
        server.cli("rps", "sim", "--user", "dan", "--policy", "brian", "--games", 60, "--connections", 4, "--url",
                   f"http://127.0.0.1:{server.port}")
        ratio = {l.rpartition(" ")[0]: float(l.rpartition(" ")[2]) for l in server.get("/metrics").text.splitlines()
                 if l.startswith("rps_ab_disagree_ratio")}
        for active, other, is_same in (("Production", "B", True), ("Production", "shadow1", True), ("B", "Production", True),
                                       ("Production", "shadow2", False), ("B", "shadow2", False)):
            value = ratio[f'rps_ab_disagree_ratio{{active_model="{kind}@{active}",shadow_model="{kind}@{other}"}}']
            self.assertEqual(value == 0, is_same, (active, other, value))

    def test_aliases_move_while_people_play(self):
        stop, problems, versions = threading.Event(), [], set()

        def play_on():
            try:
                while not stop.is_set():
                    for a in self.play_out(self.start("logan")["game_id"])[3:]:
                        versions.add(a["model_info"]["model_version"])
                        if a["debug"]["probability_source"] != "mlflow":
                            problems.append(a["debug"]["probability_source"])
            except Exception as e:  # told below
                problems.append(repr(e))
        players = [threading.Thread(target=play_on) for _ in range(4)]
        for p in players:
            p.start()
        for i in range(10):
            self.promote("rps_bot_mnlogit", 3 + i % 2, "Production")
            self.server.post("/models/reload")
        stop.set()
        for p in players:
            p.join()
        self.promote("rps_bot_mnlogit", 1, "Production")
        self.server.post("/models/reload")
        self.assertEqual(problems, [])
        self.assertTrue(versions & {"3", "4"})

    def test_the_stored_alias_routes_after_a_restart_and_a_moved_alias_is_noted(self):
        games = [self.start("logan") for _ in range(6)]
        for game in games:
            for number in range(1, 5):
                self.play(game["game_id"], number)
        self.server.stop()
        self.server.extra_env["AB_SPLIT_RATIO"] = "0"  # new games would all go to B
        self.server.start()
        try:
            for game in games:
                self.assertEqual(self.play(game["game_id"], 5)["ab_assignment"]["alias"], game["bot_model_alias"])
            self.assertEqual({self.start("logan")["bot_model_alias"] for _ in range(6)}, {"B"})
            self.promote("rps_bot_mnlogit", 3, "B")
            self.server.post("/models/reload")
            one = next((g for g in games if g["bot_model_alias"] == "B"), None)
            if one:
                self.assertEqual(self.play(one["game_id"], 6)["model_info"]["model_version"], "3")
                self.assertEqual(self.server.sql("SELECT model_version FROM rps_games WHERE key = ?", one["game_id"]), [(-1,)])
            self.promote("rps_bot_mnlogit", 2, "B")
        finally:
            self.server.stop()
            del self.server.extra_env["AB_SPLIT_RATIO"]
            self.server.start()


if __name__ == "__main__":
    unittest.main()
