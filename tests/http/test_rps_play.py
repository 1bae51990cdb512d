# SPDX-License-Identifier: GPL-3.0-or-later
"""Rock, paper, scissors over HTTP: every answer is what the rules say, rounds happen once, and a mistake changes nothing."""
import concurrent.futures
import hashlib
import json
import sqlite3
import unittest

import harness

MOVES = ["rock", "paper", "scissors"]
BEATS = {"paper": "rock", "scissors": "paper", "rock": "scissors"}
LOSES_TO = {loser: winner for winner, loser in BEATS.items()}


def points(game_id, number):
    def draw(tag):
        return int.from_bytes(hashlib.sha256(f"{game_id}:{number}:{tag}".encode()).digest()[:2], "big")
    low, base = MOVES[draw("low") % 3], 11 + draw("base") % 5
    return {m: (10 if m == low else base + 5 if m == BEATS[low] else base) / 10 for m in MOVES}


class Table:
    """The rules of the contract, written down once more."""

    def __init__(self, game_id):
        self.game_id, self.round, self.ties = game_id, 0, 0
        self.user, self.bot, self.winner = 0.0, 0.0, None

    @staticmethod
    def reached(score):
        return 10.0 if score < 10 and 10 - score <= 1e-6 else score

    def play(self, mine, theirs):
        self.round += 1
        worth = points(self.game_id, self.round)
        deltas = (0.5, 0.5) if mine == theirs else (worth[mine], 0.0) if BEATS[mine] == theirs else (0.0, worth[theirs])
        self.ties += mine == theirs
        self.user, self.bot = self.reached(self.user + deltas[0]), self.reached(self.bot + deltas[1])
        if max(self.user, self.bot) >= 10:
            self.winner = "user" if self.user > self.bot else "bot" if self.bot > self.user else "tie"
        result = "draw" if mine == theirs else "win" if BEATS[mine] == theirs else "lose"
        return worth, deltas, result


def expected_values(p, worth, user, bot):
    out = {}
    for m in MOVES:
        w, x = BEATS[m], LOSES_TO[m]
        beat = p[w] * (worth[m] + (10 if bot + worth[m] >= 10 else 0))
        lose = p[x] * (worth[x] + (10 if user + worth[x] >= 10 else 0))
        out[m] = beat - lose + p[m] * 0.5 * ((bot - user) / 10)
    return out


class RpsTest(harness.ServerTest):
    def start(self, **body):
        reply = self.server.post("/start_game", body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def play(self, game_id, move, **more):
        return self.server.post("/play", dict(game_id=game_id, user_move=move, **more))

    def play_out(self, game_id):
        """Plays to the end, checks everything; returns the answers."""
        table, answers = Table(game_id), []
        while table.winner is None:
            mine = MOVES[(table.round * 7 + len(game_id)) % 3]
            due = self.server.get("/round_points", game_id=game_id).json()
            before = (table.user, table.bot)
            reply = self.play(game_id, mine)
            self.assertEqual(reply.status, 200, reply)
            a = reply.json()
            worth, deltas, result = table.play(mine, a["bot_move"])
            self.assertEqual(due, {"round_no": table.round, "round_points": worth})
            self.assertEqual((a["round"], a["user_move"], a["player_move"], a["result"]), (table.round, mine, mine, result))
            self.assertEqual((a["user_delta"], a["bot_delta"]), deltas)
            self.assertEqual((a["user_score"], a["bot_score"]), (table.user, table.bot))
            self.assertEqual((a["finished"], a["winner"]), (table.winner is not None, table.winner))
            self.assertEqual(a["scores"], {"player": table.user, "bot": table.bot, "ties": table.ties})
            self.assertEqual(a["round_points"], worth)
            debug = a["debug"]
            self.assertEqual(len(debug["features"]), debug["feature_count"])
            self.assertEqual(debug["features"][48], table.round)
            values = expected_values(debug["probabilities"], worth, *before)
            self.assertEqual(debug["move_values"], values)
            if a["model_info"]["probability_source"] in ("mlflow", "fallback"):
                self.assertEqual(a["bot_move"], max(MOVES, key=lambda m: values[m]))
            answers.append(a)
        return answers


class Games(RpsTest):
    def test_a_game_of_every_policy_is_played_by_the_rules(self):
        for policy in ["brian", "forrest", "logan", "ace", "bob", "cal", "dan", "edd", "fox", "gus", "hal"]:
            game = self.start(policy=policy, player_name="Ann")
            self.assertEqual((game["policy"], game["bot_policy"], game["status"], game["difficulty_mode"]),
                             (policy, policy, "active", "normal"))
            answers = self.play_out(game["game_id"])
            self.assertLessEqual(len(answers), 20)
            self.assertTrue(all(a["model_info"]["model_type"] == "gambit" for a in answers[:3]))
            self.assertTrue(all(a["ab_assignment"] is None for a in answers[:3]))
            source = "fallback" if policy in ("brian", "forrest", "logan") else "heuristic"
            self.assertEqual({a["debug"]["probability_source"] for a in answers[3:]}, {source})
            late = self.play(game["game_id"], "rock")
            self.assertEqual(late.status, 409)
            self.assertEqual(self.server.sql("SELECT COUNT(*) FROM rps_rounds r JOIN rps_games g ON g.id = r.game_id"
                                             " WHERE g.key = ?", game["game_id"])[0][0], len(answers))

    def test_gambits_are_ranks_of_points(self):
        ranks = {"crescendo": "PSR", "denouement": "RSP", "paper-dolls": "PSS", "fistful-of-dollars": "RPP",
                 "scissor-sandwich": "PSP", "bureaucrat": "PPP", "avalanche": "RRR", "toolbox": "SSS", "razor": "SPR",
                 "switchblade": "SRP"}
        for _ in range(20):
            game = self.start()["game_id"]
            name, moves = self.server.sql("SELECT opening_name, opening_seq FROM rps_games WHERE key = ?", game)[0]
            for number, rank in enumerate(ranks[name], 1):
                worth = points(game, number)
                order = sorted(MOVES, key=lambda m: -worth[m])
                expected = order["RSP".index(rank)]
                self.assertEqual(json.loads(moves)[number - 1], expected)
                self.assertEqual(self.play(game, "rock").json()["bot_move"], expected)

    def test_the_model_type_is_kept_and_so_is_the_alias(self):
        game = self.start(policy="forrest")
        self.assertEqual((game["model_type"], game["bot_model_alias"]), ("xgboost", "Production"))  # B is empty
        self.assertIsNone(self.start(policy="ace")["bot_model_alias"])

    def test_names(self):
        self.assertEqual(self.start(session_id="ab-9xyz")["player_name"], "Player-AB9")
        self.assertEqual(self.start(player_name="  ", session_id="q")["player_name"], "Player-Q")
        self.assertEqual(self.start(player_name="player", session_id="zzzz")["player_name"], "Player-ZZZ")
        odd = "Robert'); DROP TABLE rps_games;-- \u00e4\U0001f600 <b>"
        self.assertEqual(self.start(player_name=odd)["player_name"], odd)
        self.assertEqual(self.server.get("/games", player_name=odd).json()["games"][0]["player_name"], odd)

    def test_the_easy_mode_is_retired(self):
        for wish in ({"difficulty_mode": "easy"}, {"policy": "brian_easy"}):
            game = self.start(**wish)
            self.assertEqual((game["policy"], game["difficulty_mode"]), ("brian", "normal"))
            self.assertIn("retired", game["message"])

    def test_the_same_under_v1(self):
        game = self.server.post("/v1/rps/start_game", {"policy": "ace"}).json()["game_id"]
        self.assertEqual(self.server.post("/v1/rps/play", {"game_id": game, "user_move": "rock"}).json()["round"], 1)
        problem = self.server.post("/v1/rps/play", {"game_id": "nobody", "user_move": "rock"})
        self.assertEqual((problem.status, problem.json()["code"]), (404, "not_found"))
        self.assertEqual(self.server.post("/v1/rps/play", {"user_move": "rock"}).status, 422)


class Mistakes(RpsTest):
    def test_are_told_and_change_nothing(self):
        game = self.start(policy="ace")["game_id"]
        cases = [
            ({"game_id": game, "user_move": "lizard"}, 400), ({"game_id": "nobody", "user_move": "lizard"}, 400),
            ({"game_id": "nobody", "user_move": "rock"}, 404), ({"game_id": "", "user_move": "rock"}, 404),
            ({"game_id": "x" * 900, "user_move": "rock"}, 404), ({"game_id": "x' OR 1=1 --", "user_move": "rock"}, 404),
            ({"user_move": "rock"}, 422), ({"game_id": game}, 422), ({"game_id": 5, "user_move": "rock"}, 422),
            ({"game_id": game, "user_move": None}, 422), ({"game_id": game, "user_move": ["rock"]}, 422),
            ({"game_id": game, "user_move": "rock", "round": "two"}, 422),
            ({"game_id": game, "user_move": "rock", "round": 0}, 422),
            ({"game_id": game, "user_move": "rock", "round": 2}, 409), ({"game_id": game, "user_move": " rock"}, 400),
            ({"game_id": game, "user_move": "\u0000rock"}, 422),
        ]
        for body, status in cases:
            reply = self.server.post("/play", body)
            self.assertEqual(reply.status, status, (body, reply))
            detail = reply.json()["detail"]
            self.assertEqual(list(reply.json()), ["detail"])
            if status == 422:
                self.assertTrue(all({"loc", "msg", "type"} <= set(d) for d in detail), reply)
            else:
                self.assertIsInstance(detail, str)
        for raw in (b"{", b"", b"[]", b"null", b'{"game_id": "a", "game_id": "b"}', b"\xff\xfe", b'"x"', b"[" * 5000):
            reply = self.server.post("/play", raw=raw, headers={"Content-Type": "application/json"})
            self.assertEqual((reply.status, list(reply.json())), (422, ["detail"]), raw)
        self.assertEqual(self.play(game, "ROCK").json()["round"], 1)

    def test_missing_members_are_named(self):
        detail = self.server.post("/play", {}).json()["detail"]
        self.assertEqual([d["loc"] for d in detail], [["body", "game_id"], ["body", "user_move"]])
        self.assertEqual({d["type"] for d in detail}, {"missing"})

    def test_unknown_policies_and_wrong_kinds(self):
        before = self.server.sql("SELECT COUNT(*) FROM rps_games")
        for body in ({"policy": "deep blue"}, {"policy": 3}, {"player_name": {}}, {"player_name": "x" * 65},
                     {"player_name": "a\nb"}, {"is_test": "yes"}, {"session_id": "s" * 65}):
            reply = self.server.post("/start_game", body)
            self.assertEqual(reply.status, 422, body)
            self.assertEqual(reply.json()["detail"][0]["loc"], ["body", next(iter(body))])
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM rps_games"), before)


class Again(RpsTest):
    def test_a_round_that_was_played_is_answered_again(self):
        game = self.start(policy="gus")["game_id"]
        first = [self.play(game, m, round=i).json() for i, m in enumerate(["rock", "paper", "rock", "scissors"], 1)]
        for old in first:
            again = self.play(game, old["user_move"], round=old["round"])
            self.assertEqual(again.status, 200)
            self.assertTrue(again.json().pop("replayed"))
            self.assertEqual({k: v for k, v in again.json().items() if k != "replayed"}, old)
        other = self.play(game, "rock", round=4)
        self.assertEqual(other.status, 409)
        self.assertEqual(self.play(game, "rock", round=9).status, 409)
        self.assertEqual(self.play(game, "rock").json()["round"], 5)

    def test_also_when_the_game_is_over_and_after_a_restart(self):
        game = self.start(policy="logan")["game_id"]
        answers = self.play_out(game)
        self.server.stop()
        self.server.start()
        for old in (answers[0], answers[-1]):
            again = self.play(game, old["user_move"], round=old["round"]).json()
            self.assertTrue(again.pop("replayed"))
            self.assertEqual(again, old)
        self.assertEqual(self.play(game, "rock").status, 409)

    def test_concurrent_plays_of_one_game_play_each_round_once(self):
        game = self.start(policy="cal")["game_id"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda i: self.play(game, MOVES[i % 3]), range(40)))
        self.assertLessEqual({r.status for r in replies}, {200, 409})
        rounds = sorted(r.json()["round"] for r in replies if r.status == 200)
        self.assertEqual(rounds, list(range(1, len(rounds) + 1)))
        stored = self.server.sql("SELECT step_no FROM rps_rounds r JOIN rps_games g ON g.id = r.game_id WHERE g.key = ?"
                                 " ORDER BY step_no", game)
        self.assertEqual([row[0] for row in stored], rounds)

    def test_many_who_mean_the_same_round_get_the_same_answer(self):
        game = self.start(policy="cal")["game_id"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: self.play(game, "rock", round=1), range(24)))
        good = [r.json() for r in replies if r.status == 200]
        self.assertEqual(len({json.dumps({k: v for k, v in g.items() if k != "replayed"}) for g in good}), 1)
        self.assertEqual(sum("replayed" not in g for g in good), 1)


class SoFar(RpsTest):
    """Who lost the page has not lost the game: all that was seen, and what comes next."""

    def so_far(self, game_id):
        reply = self.server.get(f"/v1/rps/games/{game_id}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def check_rounds(self, told, answers):
        self.assertEqual([{k: r[k] for k in r if k != "debug"} for r in told["rounds"]],
                         [{k: a[k] for k in told["rounds"][0] if k != "debug"} for a in answers])
        self.assertEqual([r["debug"] for r in told["rounds"]],
                         [{k: a["debug"][k] for k in ("probabilities", "probability_source")} for a in answers])

    def test_a_game_from_its_first_round_to_its_end_also_after_a_restart(self):
        for policy in ("brian", "ace"):
            game = self.start(policy=policy, player_name="Ann")["game_id"]
            told = self.so_far(game)
            self.assertEqual((told["game_id"], told["policy"], told["player_name"], told["status"], told["rounds"], told["winner"]),
                             (game, policy, "Ann", "active", [], None))
            self.assertEqual(told["next"], {"round_no": 1, "round_points": points(game, 1)})
            answers = [self.play(game, MOVES[i % 3]).json() for i in range(4)]
            told = self.so_far(game)
            self.check_rounds(told, answers)
            self.assertEqual((told["user_score"], told["bot_score"]), (answers[-1]["user_score"], answers[-1]["bot_score"]))
            self.assertEqual(told["next"], {"round_no": 5, "round_points": points(game, 5)})
            self.server.kill()
            self.server.start()
            self.assertEqual(self.so_far(game), told)
            while not answers[-1]["finished"]:
                answers.append(self.play(game, "rock", round=len(answers) + 1).json())
            told = self.so_far(game)
            self.check_rounds(told, answers)
            self.assertEqual((told["status"], told["finished"], told["winner"], told["next"]), ("finished", True, answers[-1]["winner"], None))

    def test_what_is_no_game_is_not_found(self):
        log = "id,game,period,choice,other.choice\n" + "".join(f"1,g,{k},{'rps'[k % 3]},r\n" for k in range(1, 21))
        made = self.server.post("/v1/rps/import?name=so-far.csv", raw=log.encode(), headers={"Content-Type": "text/csv"}).json()
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
        imported = self.server.sql("SELECT key FROM rps_games WHERE origin <> ''")[0][0]
        for game in ("nowhere", "x" * 65, imported):
            reply = self.server.get(f"/v1/rps/games/{game}")
            self.assertEqual((reply.status, reply.headers["Content-Type"]), (404, "application/problem+json"), reply)
        self.assertIn("imported", self.server.get(f"/v1/rps/games/{imported}").json()["detail"])


class Origins(RpsTest):
    env = {"SKERRY_ORIGINS": "https://game.example"}

    def test_a_listed_page_may_play_from_afar_and_no_other(self):
        ours, others = {"Origin": "https://game.example"}, {"Origin": "https://evil.example"}
        started = self.server.post("/start_game", {"policy": "cal"}, headers=ours)
        self.assertEqual((started.status, started.headers["Access-Control-Allow-Origin"]), (200, ours["Origin"]))
        ask = {"game_id": started.json()["game_id"], "user_move": "rock"}
        for path in ("/play", "/v1/rps/play"):
            asked = self.server.request("OPTIONS", path, headers=dict(ours, **{"Access-Control-Request-Method": "POST"}))
            self.assertEqual(asked.status, 204, asked)
            self.assertIn("POST", asked.headers["Access-Control-Allow-Methods"])
            self.assertIn("Content-Type", asked.headers["Access-Control-Allow-Headers"])
            self.assertEqual(self.server.post(path, ask, headers=others).status, 403)
            played = self.server.post(path, ask, headers=ours)
            self.assertEqual((played.status, played.headers["Access-Control-Allow-Origin"]), (200, ours["Origin"]))
        refused = self.server.post("/play", dict(ask, user_move="fire"), headers=ours)  # so that the page can say why
        self.assertEqual((refused.status, refused.headers["Access-Control-Allow-Origin"]), (400, ours["Origin"]))
        self.assertIsNone(self.server.post("/play", ask).headers["Access-Control-Allow-Origin"])


class Together(RpsTest):
    def test_a_round_that_cannot_be_stored_fails_alone(self):
        """Rounds that come at the same time are written together: one that another server has played meanwhile must not take
        the others with it, nor be answered as played."""
        games = [self.start(policy="cal")["game_id"] for _ in range(12)]
        theirs = ("INSERT INTO rps_rounds SELECT id, 1, 0, 0, 2, 0.5, 0.5, 0.5, 0.5, 1.0, 1.1, 1.6, 0, 0, '', 0"
                  " FROM rps_games WHERE key = ?")
        with concurrent.futures.ThreadPoolExecutor(len(games)) as pool:
            if harness.TEST_DB:
                self.server.sql(theirs, games[5])
                waiting = [pool.submit(self.play, game, "rock") for game in games]
            else:
                db = sqlite3.connect(self.server.home / "skerry.db", isolation_level=None, timeout=30)
                db.execute("BEGIN IMMEDIATE")  # from here on rounds gather; what is answered does not depend on how many
                waiting = [pool.submit(self.play, game, "rock") for game in games]
                concurrent.futures.wait(waiting, timeout=0.3)
                db.execute(theirs.replace("'', 0", "x'', 0"), (games[5],))
                db.execute("COMMIT")
                db.close()
            replies = [w.result() for w in waiting]
        self.assertEqual([r.status for r in replies], [409 if i == 5 else 200 for i in range(len(games))])
        stored = self.server.sql("SELECT g.key, COUNT(*) FROM rps_rounds r JOIN rps_games g ON g.id = r.game_id GROUP BY g.key")
        self.assertEqual(dict(stored), dict.fromkeys(games, 1))
        self.assertEqual(self.play(games[5], "rock").json()["round"], 2)  # and the game goes on from what is stored


class Few(RpsTest):
    env = {"RPS_LIVE_GAMES": "16", "RPS_FORCE_MODEL_FALLBACKS": "true", "ENABLE_AB_TESTING": "false"}

    def test_games_that_are_not_in_memory_go_on(self):
        games = [self.start(policy="brian")["game_id"] for _ in range(40)]
        for number in range(1, 6):
            for game in games:
                answer = self.play(game, MOVES[number % 3]).json()
                self.assertEqual(answer["round"], number)
        self.assertEqual(answer["debug"]["probability_source"], "forced_fallback")

    def test_fallbacks_are_counted_by_reason(self):
        self.play_out(self.start(policy="forrest")["game_id"])
        text = self.server.get("/metrics").text
        counted = [l for l in text.splitlines() if l.startswith("rps_model_fallback_total") and "xgboost" in l
                   and "forced_fallback" in l]
        self.assertEqual(len(counted), 5)
        self.assertTrue(any('model="xgboost@Production"' in l and not l.endswith(" 0") for l in counted))


class Verbs(RpsTest):
    def test_a_game_is_played_in_the_terminal_with_a_server_and_without(self):
        moves = b"rock\nlizard\np\nS\n" + b"r\np\ns\n" * 10
        for is_served in (True, False):
            if not is_served:
                self.server.stop()
            lines = self.server.cli("rps", "play", "--policy", "cal", "--name", "Ann", "--json", input=moves).stdout.splitlines()
            answers = [json.loads(l) for l in lines]
            table = Table(answers[0]["game_id"])
            for a in answers:
                table.play(a["user_move"], a["bot_move"])
                self.assertEqual((a["round"], a["user_score"], a["bot_score"], a["winner"]),
                                 (table.round, table.user, table.bot, table.winner))
            self.assertTrue(answers[-1]["finished"])
            told = self.server.cli("rps", "play", "--policy", "cal", input=b"r\nq\n").stdout.decode()
            self.assertIn("Round 2", told)
            self.assertIn("opens with a gambit", told)
            rows = self.server.sql("SELECT COUNT(*) FROM rps_rounds r JOIN rps_games g ON g.id = r.game_id WHERE g.key = ?",
                                   answers[0]["game_id"])
            self.assertEqual(rows[0][0], len(answers))
        self.server.start()
        self.assertEqual(self.play(answers[0]["game_id"], "rock").status, 409)

    def test_wrong_words_are_told(self):
        for words in (["play", "--policy", "x"], ["play", "--name", ""], ["play", "--name"], ["sim", "--user", "x"],
                      ["sim", "--games", "0"], ["sim", "--url", "ftp://x"], ["sim", "--fast", "1"]):
            done = self.server.cli("rps", *words, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""), words)

    def test_simulations(self):
        first, second = (json.loads(self.server.cli("rps", "sim", "--user", "dan", "--policy", "gus", "--games", "50", "--seed",
                                                    "7", "--json").stdout) for _ in range(2))
        for told in (first, second):
            del told["seconds"], told["roundsPerSecond"]
        self.assertEqual(first, second)
        self.assertEqual(first["userWins"] + first["botWins"] + first["ties"], 50)
        url = f"http://127.0.0.1:{self.server.port}"
        told = json.loads(self.server.cli("rps", "sim", "--url", url, "--games", "30", "--connections", "8", "--user", "edd",
                                          "--policy", "brian", "--json").stdout)
        self.assertEqual((told["games"], told["failures"], told["mismatches"]), (30, 0, 0))
        rows = self.server.sql("SELECT COUNT(*) FROM rps_games WHERE is_test = 1 AND winner <> 0 AND policy = 'brian'")
        self.assertEqual(rows[0][0], 30)


class Restarted(RpsTest):
    def test_every_acknowledged_round_is_there_after_kill_9(self):
        acknowledged = {}

        def play_on(_):
            try:
                game = self.start(policy="dan")["game_id"]
                acknowledged[game] = []
                for number in range(1, 9):
                    acknowledged[game].append(self.play(game, MOVES[number % 3], round=number).json())
                    if acknowledged[game][-1]["finished"]:
                        return
            except (OSError, ValueError, KeyError, AssertionError, harness.http.client.HTTPException):
                return  # killed

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            waiting = [pool.submit(play_on, i) for i in range(60)]
            while sum(map(len, list(acknowledged.values()))) < 60:
                pass
            self.server.kill()
            concurrent.futures.wait(waiting)
        self.server.start()
        self.assertGreaterEqual(sum(map(len, acknowledged.values())), 60)
        for game, answers in acknowledged.items():
            stored = self.server.sql("SELECT step_no, user_move, bot_move FROM rps_rounds r JOIN rps_games g ON g.id ="
                                     " r.game_id WHERE g.key = ? ORDER BY step_no", game)
            told = [(a["round"], MOVES.index(a["user_move"]), MOVES.index(a["bot_move"])) for a in answers]
            self.assertEqual(stored[:len(told)], told)
            self.assertLessEqual(len(stored), len(told) + 1)  # one may have been committed and not told
            if not answers or not answers[-1]["finished"]:
                reply = self.play(game, MOVES[len(stored) % 3])
                if reply.status != 409:
                    self.assertEqual(reply.json()["round"], len(stored) + 1)


if __name__ == "__main__":
    unittest.main()
