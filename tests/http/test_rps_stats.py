# SPDX-License-Identifier: GPL-3.0-or-later
"""Rock, paper, scissors: predictions without a game, statistics, boards, exports, what serves."""
import unittest

import harness

MOVES = ["rock", "paper", "scissors"]


class Predictions(harness.ServerTest):
    def test_policies(self):
        self.assertEqual(self.server.get("/policies").json(), ["brian", "forrest", "logan"])
        told = self.server.get("/predict/policies").json()
        self.assertEqual(told["policies"], ["brian", "forrest", "logan"])
        self.assertEqual(set(told), {"policies", "difficulty_modes", "description"})
        example = self.server.get("/predict/features/example").json()
        self.assertEqual(len(example["features"]), 50)
        self.assertEqual(self.server.post("/predict", example["example_request"]).status, 200)

    def test_without_a_model_all_moves_are_equally_likely(self):
        reply = self.server.post("/predict", {"policy": "logan", "player_history": ["rock", "Paper"],
                                              "bot_history": ["paper", "paper"], "result_history": ["lose", "draw"],
                                              "ab_assignment": {"alias": "B"}})
        self.assertEqual(reply.status, 200)
        answer = reply.json()
        self.assertEqual(set(answer["probabilities"].values()), {1 / 3})
        self.assertEqual((answer["prediction"], answer["policy"]), ("rock", "logan"))
        self.assertEqual(answer["model_info"], {"model_type": "multinomial_logistic", "alias": "B", "version": None,
                                                "probability_source": "fallback"})

    def test_wrong_histories(self):
        for body in ({"player_history": ["lizard"]}, {"player_history": "rock"}, {"policy": "ace"}, {"policy": "x"},
                     {"result_history": ["maybe"]}, {"round_values": []}, {"ab_assignment": "C"},
                     {"player_history": ["rock"] * 1001}, {"player_history": [None]}, {"round_values": {"rock": "1"}},
                     {"round_values": {"rock": 1e300}}, {"round_points_history": [1]}, {"user_score": "3"}, {"bot_score": -1e9},
                     {"round_points_history": [{"paper": []}]}, {"user_score_history": ["a"]}, {"bot_score_history": [None]},
                     {"ab_assignment": 7}, {"ab_assignment": {"alias": 5}}, {"ab_assignment": []}):
            reply = self.server.post("/predict", body)
            self.assertEqual((reply.status, reply.json()["detail"][0]["loc"][0]), (422, "body"), body)
        for body in ({"ab_assignment": None}, {"ab_assignment": {}}, {"round_values": {"rock": None}}, {"user_score": None}):
            self.assertEqual(self.server.post("/predict", body).status, 200, body)

    def test_batch(self):
        results = self.server.post("/predict/batch", [{}, {"policy": "nobody"}, 5, {"policy": "forrest"}]).json()["results"]
        self.assertEqual([r["success"] for r in results], [True, False, False, True])
        self.assertEqual((results[1]["policy"], results[3]["model_info"]["model_type"]), ("nobody", "xgboost"))
        self.assertIn("policy", results[1]["error"])
        self.assertEqual(self.server.post("/predict/batch", {}).status, 422)
        self.assertEqual(self.server.post("/predict/batch", [{}] * 257).status, 422)

    def test_context(self):
        body = {"player_move": "rock", "opponent_history": ["paper"],
                "context": {"policy": "brian", "player_history": ["rock"], "bot_history": ["paper"]}}
        answer = self.server.post("/predict/context", body).json()
        self.assertEqual(set(answer), {"prediction", "probabilities", "context_policy", "context_difficulty", "model_info",
                                       "player_move", "features_extracted"})
        self.assertEqual(self.server.post("/predict/context", {"player_move": "rock"}).status, 422)
        for changes in ({"player_move": "lizard"}, {"opponent_history": ["lizard"]}, {"opponent_history": [5]}):
            self.assertEqual(self.server.post("/predict/context", dict(body, **changes)).status, 422, changes)

    def test_models(self):
        models = self.server.get("/models").json()["models"]
        self.assertEqual(len(models), 12)
        self.assertFalse(any(m["loaded"] for m in models))
        self.assertEqual(len(self.server.get("/models/production").json()["models"]), 3)
        self.assertEqual(set(self.server.get("/models/stages").json()["stages"]["xgboost"]),
                         {"Production", "B", "shadow1", "shadow2"})
        self.assertTrue(self.server.get("/models/ab_test/stats").json()["enabled"])
        reload = self.server.post("/models/reload?sync_minio=true").json()
        self.assertTrue({"success", "minio_sync_success", "minio_synced", "minio_skipped", "minio_errors", "reloaded",
                         "failed", "message"} <= set(reload))
        self.assertEqual(self.server.post("/models/reload/xgboost/C").status, 400)
        self.assertEqual(self.server.post("/models/reload/nobody/B").status, 400)
        self.assertFalse(self.server.post("/models/reload/xgboost/B").json()["success"])
        self.assertEqual(self.server.post("/models/nobody/load").status, 404)
        self.assertEqual(self.server.post("/models/xgboost/load?force_reload=perhaps").status, 422)
        for unknown in ("nobody", "xgboost"):  # nothing of the latter is loaded
            self.assertEqual(self.server.request("DELETE", f"/models/{unknown}").status, 404)
        self.assertIs(self.server.get("/healthz").json()["ok"], True)


class Statistics(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.played = {}
        for player, policy, games in (("Ann", "cal", 6), ("Bob 2", "ace", 5), ("Cy", "cal", 4), ("sim7", "cal", 5), ("Ace", "ace", 5)):
            cls.played[player] = [cls.game(player, policy) for _ in range(games)]
        cls.test_game = cls.game("Ann", "cal", is_test=True)

    @classmethod
    def game(cls, player, policy, **more):
        game = cls.server.post("/start_game", dict(player_name=player, policy=policy, session_id="s-" + player, **more)).json()
        rounds = []
        while not rounds or not rounds[-1]["finished"]:
            rounds.append(cls.server.post("/play", {"game_id": game["game_id"], "user_move": MOVES[len(rounds) % 3]}).json())
        return {"id": game["game_id"], "rounds": rounds}

    def wins(self, player):
        return sum(g["rounds"][-1]["winner"] == "user" for g in self.played[player])

    def test_of_a_game(self):
        game = self.played["Ann"][0]
        results = [r["result"] for r in game["rounds"]]
        self.assertEqual(self.server.get("/stats", game_id=game["id"]).json(), {
            "scope": "game", "rounds": len(results), "wins": results.count("win"), "losses": results.count("lose"),
            "draws": results.count("draw"), "user_score": game["rounds"][-1]["user_score"],
            "bot_score": game["rounds"][-1]["bot_score"], "winner": game["rounds"][-1]["winner"]})
        for unknown in ("nobody", self.test_game["id"]):
            self.assertEqual(self.server.get("/stats", game_id=unknown).json()["rounds"], 0)

    def test_of_a_session(self):
        told = self.server.get("/stats", session_id="s-Ann").json()
        rounds = [r for g in self.played["Ann"] for r in g["rounds"]]
        self.assertEqual((told["scope"], told["games"], told["rounds"]), ("session", 6, len(rounds)))
        self.assertEqual(told["wins"], sum(r["result"] == "win" for r in rounds))
        neither = self.server.get("/stats")
        self.assertEqual((neither.status, list(neither.json())), (400, ["detail"]))

    def test_leaderboard(self):
        board = self.server.get("/leaderboard", limit=1).json()
        self.assertEqual((board["limit"], len(board["leaderboard"])), (1, 1))
        board = self.server.get("/leaderboard").json()
        rows = {r["player_name"]: r for r in board["leaderboard"]}
        self.assertEqual(set(rows), {"Ann", "Bob 2"})  # Cy has too few games, the others are programs
        self.assertEqual(set(board["filtered_out"]), {"sim7", "Ace"})
        self.assertEqual(rows["Ann"]["wins"], self.wins("Ann"))
        self.assertEqual(rows["Ann"]["win_rate"], round(self.wins("Ann") * 100 / 6, 2))
        self.assertEqual([r["rank"] for r in board["leaderboard"]], [1, 2])
        for limit in (0, 101, "x"):
            reply = self.server.get("/leaderboard", limit=limit)
            self.assertEqual((reply.status, reply.json()["detail"][0]["loc"]), (422, ["query", "limit"]))

    def test_bot_win_rates(self):
        rates = self.server.get("/bot_win_rates").json()
        cal = rates["cal"]
        human = self.played["Ann"] + self.played["Cy"]
        bot = sum(g["rounds"][-1]["winner"] == "bot" for g in human)
        self.assertEqual((cal["human_games"], cal["excluded_games"], cal["total_games_tracked"], cal["bot_wins"]),
                         (10, 5, 15, bot))
        self.assertEqual(cal["bot_win_rate"], round(bot * 10, 2))
        self.assertEqual(self.server.get("/bot_win_rates", human_only="false").json()["cal"]["human_games"], 15)

    def test_win_streaks(self):
        told = self.server.get("/win_streaks", limit=50).json()
        self.assertEqual(set(told), {"players", "filters", "since", "timestamp", "filtered_out"})
        for player in ("Ann", "Bob 2", "Cy"):
            longest = current = 0
            for game in self.played[player]:
                current = current + 1 if game["rounds"][-1]["winner"] == "user" else 0
                longest = max(longest, current)
            row = [p for p in told["players"] if p["username"] == player]
            if longest:
                self.assertEqual((row[0]["streak"], row[0]["current_streak"]), (longest, current), player)
            else:
                self.assertEqual(row, [])
        self.assertEqual(self.server.get("/win_streaks", opponent="brian").json()["players"], [])

    def test_games(self):
        games = self.server.get("/games", player_name="Ann").json()["games"]
        self.assertEqual(len(games), 7)
        by_id = {g["id"]: g for g in games}
        self.assertTrue(by_id[self.test_game["id"]]["is_test"])
        last = self.played["Ann"][0]["rounds"][-1]
        row = by_id[self.played["Ann"][0]["id"]]
        self.assertEqual((row["winner"], row["user_score"], row["bot_score"], row["rounds"]),
                         (last["winner"], last["user_score"], last["bot_score"], last["round"]))
        self.assertEqual(len(self.server.get("/games", limit=3).json()["games"]), 3)
        self.assertEqual(len(self.server.get("/games", policy="ace").json()["games"]), 10)
        self.assertEqual(self.server.get("/games", limit=501).status, 422)
        self.assertEqual(self.server.get("/games", difficulty_mode="easy").json()["games"], [])

    def test_totals(self):
        total = self.server.get("/stats/global").json()
        self.assertEqual((total["total_games"], total["finished_games"]), (25, 25))
        self.assertEqual(self.server.get("/stats/policy/ace").json()["total_games"], 10)
        self.assertEqual(self.server.get("/stats/player/Bob%202").json()["user_wins"], self.wins("Bob 2"))
        self.assertEqual(self.server.get("/stats/policy/brian").status, 404)
        self.assertEqual(self.server.get("/stats/player/nobody").status, 404)

    def test_export(self):
        rows = self.server.get("/export", limit=10000).json()
        mine = [r for r in rows["data"] if r["game_id"] == self.played["Cy"][0]["id"]]
        self.assertEqual([(r["step_no"], r["user_move"], r["bot_move"], r["user_score"]) for r in mine],
                         [(r["round"], r["user_move"], r["bot_move"], r["user_score"]) for r in self.played["Cy"][0]["rounds"]])
        self.assertNotIn(self.test_game["id"], {r["game_id"] for r in rows["data"]})
        log = "id,game,period,choice,other.choice\n" + "".join(f"1,g,{k},r,p\n" for k in range(1, 30))
        made = self.server.post("/v1/rps/import?name=export.csv", raw=log.encode(), headers={"Content-Type": "text/csv"}).json()
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
        self.assertEqual(self.server.get("/export", limit=10000).json(), rows)  # what is imported is not played here
        table = self.server.get("/export", format="csv", limit=3).json()["data"]
        self.assertEqual((len(table), table[0][0], len({len(r) for r in table})), (4, "game_id", 1))
        self.assertEqual(self.server.get("/export", format="xml").status, 422)

    def test_counters_mean_what_they_say(self):
        text = self.server.get("/metrics").text
        counted = {}
        for line in text.splitlines():
            if line.startswith("rps_"):
                counted[line.rpartition(" ")[0]] = float(line.rpartition(" ")[2])
        labels = '{policy="cal",model_type="heuristic",difficulty="standard"}'
        games = [g for name in ("Ann", "Cy", "sim7") for g in self.played[name]] + [self.test_game]
        rounds = [r for g in games for r in g["rounds"]]
        self.assertEqual(counted["rps_games_total" + labels], 16)
        self.assertEqual(counted["rps_game_wins_total" + labels], sum(g["rounds"][-1]["winner"] == "bot" for g in games))
        self.assertEqual(counted["rps_game_losses_total" + labels], sum(g["rounds"][-1]["winner"] != "bot" for g in games))
        for name, result in (("wins", "lose"), ("losses", "win"), ("ties", "draw")):
            self.assertEqual(counted[f"rps_action_{name}_total{labels}"], sum(r["result"] == result for r in rounds))
        self.assertEqual(sum(v for k, v in counted.items() if k.startswith("rps_action_predictions_total{") and '"cal"' in k),
                         sum(r["round"] > 3 for r in rounds))
        self.assertEqual(counted['rps_games_total{policy="brian",model_type="feedforward_nn",difficulty="standard"}'], 0)
        self.assertEqual(counted['rps_model_predictions_by_alias_total{model="xgboost",alias="shadow2"}'], 0)


if __name__ == "__main__":
    unittest.main()
