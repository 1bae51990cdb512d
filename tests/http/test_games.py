# SPDX-License-Identifier: GPL-3.0-or-later
"""Stored games, read back: lists, one game, its positions and moves, players."""
import re
import unittest

import harness
import pgn_make


def movetext(pgn):
    """The moves of a PGN, without numbers, comments and line ends."""
    body = pgn.split("\n\n", 1)[1]
    body = re.sub(r"\{[^}]*\}", " ", body)
    return [w for w in re.sub(r"\d+\.(\.\.)?", " ", body).split()]


class Games(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        text = pgn_make.games(60, seed="games", clocks=True)
        text += pgn_make.game(1000, seed="games", lichess_id="QWERTYui",
                              tags={"White": "Émile Ångström", "Black": "black1000", "WhiteElo": "?",
                                    "BlackElo": "-", "UTCDate": None, "UTCTime": None,
                                    "Date": "????.??.??", "TimeControl": "-", "Event": "Casual game"})
        reply = cls.server.post("/v1/ingest", raw=text.encode())
        cls.server.wait(reply.headers["Location"], lambda b: b["status"] == "SUCCEEDED")

    def list(self, **query):
        reply = self.server.get("/v1/games", **query)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def test_the_username_is_required(self):
        reply = self.server.get("/v1/games")
        self.assertEqual(reply.status, 400)
        self.assertIn("username", reply.json()["detail"])

    def test_a_players_games_newest_first(self):
        games = self.list(username="WHITE7")
        self.assertEqual({g["white"] for g in games}, {"white7"})
        self.assertEqual(len(games), 2)  # numbers 7 and 57
        ends = [g["endTime"] for g in games]
        self.assertEqual(ends, sorted(ends, reverse=True))

    def test_filters(self):
        self.assertEqual(len(self.list(username="white7", color="white")), 2)
        self.assertEqual(self.list(username="white7", color="black"), [])
        self.assertEqual(len(self.list(username="white7", limit=1)), 1)
        self.assertEqual(len(self.list(username="white7", limit=10, offset=1)), 1)
        both = self.list(username="white7")
        for game in both:
            self.assertIn(game["id"], {g["id"] for g in self.list(username="white7", result=game["result"])})
        newer = self.list(username="white7", since=both[0]["endTime"][:10])
        self.assertEqual([g["id"] for g in newer], [both[0]["id"]])
        older = self.list(username="white7", until=both[1]["endTime"][:10])
        self.assertEqual([g["id"] for g in older], [both[1]["id"]])
        self.assertEqual(len(self.list(username="white7", opponent="black57")), 1)
        self.assertEqual(len(self.list(username="white7", speed="blitz")), 2)
        self.assertEqual(self.list(username="white7", speed="CLASSICAL"), [])

    def test_wins_and_losses_are_the_players(self):
        wins = self.list(username="black7", result="win")
        losses = self.list(username="black7", result="loss")
        draws = self.list(username="black7", result="draw")
        self.assertEqual(len(wins) + len(losses) + len(draws), 1)
        for game in wins:
            self.assertEqual(game["result"], "BLACK_WIN")
        for game in losses:
            self.assertEqual(game["result"], "WHITE_WIN")

    def test_bad_filters_are_400(self):
        for query in ({"result": "maybe"}, {"color": "red"}, {"since": "soon"}, {"limit": "0"},
                      {"limit": "x"}, {"speed": "fast"}, {"eco": "Z99"}):
            self.assertEqual(self.server.get("/v1/games", username="white7", **query).status, 400, query)

    def test_a_stranger_has_no_games(self):
        self.assertEqual(self.list(username="' OR 1=1 --"), [])

    def test_recent_games(self):
        games = self.server.get("/v1/games/recent?limit=100").json()
        self.assertEqual(len(games), 61)
        self.assertIsNone(games[-1]["endTime"])  # unknown time comes last
        self.assertEqual(self.server.get("/v1/games/recent?limit=101").status, 400)

    def test_count(self):
        body = self.server.get("/v1/games/count").json()
        self.assertEqual(body["count"], 61)
        self.assertEqual(body["platforms"]["LICHESS"], 1)

    def test_the_pgn_of_a_game_comes_out_of_the_pack(self):
        [game] = self.list(username="black7")
        reply = self.server.get(f"/v1/games/{game['id']}").json()
        original = pgn_make.game(7, seed="games", clocks=True)
        self.assertEqual(movetext(reply["pgnRaw"]), movetext(original))
        for tag in ('[White "white7"]', '[Black "black7"]', '[TimeControl "180+2"]', '[Termination "Normal"]'):
            self.assertIn(tag, reply["pgnRaw"])
        self.assertIn("[%clk 0:02:50]", reply["pgnRaw"])
        self.assertEqual((reply["plies"], reply["moveCount"], reply["timeCategory"]), (16, 8, "BLITZ"))

    def test_a_game_with_hardly_any_tags(self):
        game = self.server.get("/v1/games/lichess:QWERTYui").json()
        self.assertEqual(game["white"], "Émile Ångström")
        for field in ("whiteRating", "blackRating", "endTime", "date"):
            self.assertIsNone(game[field], field)
        self.assertEqual((game["timeCategory"], game["rated"]), ("UNKNOWN", False))
        self.assertEqual(game["url"], "https://lichess.org/QWERTYui")

    def test_positions(self):
        [game] = self.list(username="black7")
        positions = self.server.get(f"/v1/games/{game['id']}/positions?legal=true").json()
        self.assertEqual(len(positions), 17)
        self.assertEqual(positions[0]["fen"], "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1")
        self.assertEqual([p["sideToMove"] for p in positions[:3]], ["white", "black", "white"])
        self.assertEqual(len(positions[0]["legalMoves"]), 20)
        self.assertEqual([p["ply"] for p in positions], list(range(17)))

    def test_moves(self):
        [game] = self.list(username="black7")
        moves = self.server.get(f"/v1/games/{game['id']}/moves").json()
        self.assertEqual([m["san"] for m in moves], movetext(pgn_make.game(7, seed="games"))[:-1])
        self.assertEqual(moves[0]["uci"], moves[0]["san"][0] + "2" + moves[0]["san"])
        self.assertEqual([m["clockMs"] for m in moves[:3]], [180000, 170000, 160000])
        self.assertIsNone(moves[0]["evalCp"])

    def test_unknown_games_are_404(self):
        for id in ("0" * 32, "lichess:zzzzzzzz", "nonsense", "00000000-0000-8000-8000-000000000000", "%27"):
            for tail in ("", "/positions", "/moves"):
                self.assertEqual(self.server.get(f"/v1/games/{id}{tail}").status, 404, id + tail)

    def test_players(self):
        body = self.server.get("/v1/players?q=white7&limit=10").json()
        self.assertEqual([(p["name"], p["games"]) for p in body["items"]], [("white7", 2)])
        page = self.server.get("/v1/players?limit=5").json()
        self.assertEqual((len(page["items"]), page["nextOffset"]), (5, 5))
        self.assertEqual(self.server.get("/v1/players?q=nobody").json()["items"], [])

    def test_a_players_summary(self):
        games = self.list(username="white7")
        body = self.server.get("/v1/players/WHITE7/summary").json()
        self.assertEqual((body["name"], body["games"], body["hasMore"]), ("white7", len(games), False))
        self.assertEqual(body["wins"], len(self.list(username="white7", result="win")))
        self.assertEqual(body["losses"], len(self.list(username="white7", result="loss")))
        self.assertEqual([c["games"] for c in body["colors"]], [len(games), 0])
        [speed] = body["speeds"]
        self.assertEqual((speed["speed"], speed["rating"]), ("BLITZ", games[0]["whiteRating"]))
        self.assertEqual([p["rating"] for p in speed["points"]], [g["whiteRating"] for g in reversed(games)])
        opening = body["phases"][0]
        # Eight own moves a game; the clock falls by 20 s from one to the next, the increment of 2 s comes on top.
        self.assertEqual((body["sample"], opening["phase"], opening["moves"]), (len(games), "opening", 8 * len(games)))
        self.assertAlmostEqual(opening["secondsPerMove"], (2 + 7 * 22) / 8)
        self.assertEqual(body["clock"], [{"move": 5, "games": len(games), "leftShare": 100 / 180}])
        newest = self.server.get("/v1/players/white7/summary", games=1).json()
        self.assertEqual((newest["games"], newest["hasMore"]), (1, True))
        self.assertEqual(self.server.get("/v1/players/nobody/summary").status, 404)
        self.assertEqual(self.server.get("/v1/players/white7/summary?games=0").status, 400)


if __name__ == "__main__":
    unittest.main()
