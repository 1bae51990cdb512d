# SPDX-License-Identifier: GPL-3.0-or-later
"""`skerry uci` driven by python-chess, which refuses an illegal move or a broken protocol, against
Stockfish, with each option shown to have the effect it promises."""
import io
import os
import random
import unittest

import chess
import chess.engine
import chess.pgn

import harness
from world import World, peer

PLIES_MAX = 120
TIMEOUT_S = 60
# A choice by chance that has one chance in 25 is never seen in so many tries once in 10^35 runs.
PLAYS_MAX = 2000
# Where players of different strength differ, whatever was learned: many moves are close to each other.
POSITIONS = ("r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 3",
             "rnbqkbnr/ppp1pppp/8/3p4/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2",
             "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2PP1N2/PP3PPP/RNBQ1RK1 w - - 0 7")


class Uci(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()
        # A server owns its home; the engine, like any second process, needs the model only.
        env = {**os.environ, **cls.server.environment()}
        cls.engine = chess.engine.SimpleEngine.popen_uci([harness.BINARY, "uci"], env=env, timeout=TIMEOUT_S)
        cls.addClassCleanup(cls.engine.quit)

    def lines(self, board, count, **options):
        """First moves of the engine's lines, best first."""
        self.engine.configure(options)
        return [info["pv"][0].uci() for info in self.engine.analyse(board, chess.engine.Limit(nodes=1), multipv=count)]

    def plays(self, board, until=lambda moves: False, most=PLAYS_MAX):
        """What it plays in one position, asked again and again until the moves seen are enough."""
        moves = set()
        for _ in range(most):
            moves.add(board.uci(self.engine.play(board, chess.engine.Limit(nodes=1)).move))
            if until(moves):
                break
        return moves

    def test_it_introduces_itself(self):
        self.assertTrue(self.engine.id["name"].startswith(f"Skerry {World.model['modelId']}@"))
        options = self.engine.options
        for name, low, high in (("Rating", 0, 4000), ("OpponentRating", 0, 4000), ("Temperature", 0, 1000),
                                ("TopK", 0, 256), ("MultiPV", 1, 20)):
            self.assertEqual((options[name].type, options[name].min, options[name].max), ("spin", low, high), name)
        self.assertEqual(options["UCI_Chess960"].type, "check")

    def test_a_game_against_stockfish(self):
        """Played out, judged by python-chess, and then imported into our own store."""
        self.engine.configure({"Rating": 1800, "OpponentRating": 2500, "Temperature": 0})
        board, mine = chess.Board(), 0
        with chess.engine.SimpleEngine.popen_uci(peer("stockfish"), timeout=TIMEOUT_S) as stockfish:
            players = (self.engine, stockfish)
            while not board.is_game_over(claim_draw=True) and board.ply() < PLIES_MAX:
                player = players[board.ply() % 2]
                move = player.play(board, chess.engine.Limit(nodes=200)).move
                self.assertIn(move, board.legal_moves)
                mine += player is self.engine
                board.push(move)
        self.assertGreater(mine, 5)
        game = chess.pgn.Game.from_board(board)
        game.headers.update(Event="interop", White="Skerry", Black="Stockfish", Date="2026.01.01")
        reply = self.server.post("/v1/ingest", files={"file": ("game.pgn", str(game).encode())})
        World.job(reply.json()["jobId"])
        [stored] = self.server.get("/v1/games", username="Skerry", opponent="Stockfish", limit=1).json()
        moves = self.server.get(f"/v1/games/{stored['id']}/moves").json()
        self.assertEqual([m["uci"] for m in moves], [m.uci() for m in board.move_stack])

    def test_lines_are_the_policy_of_the_server(self):
        """MultiPV, Rating and OpponentRating: the same moves in the same order as POST /v1/predict."""
        changed = False
        for fen in POSITIONS:
            board, orders = chess.Board(fen), []
            for rating in (800, 2600):
                policy = self.server.post("/v1/predict", {"fen": fen, "speed": "rapid", "rating": rating,
                                                               "opponentRating": rating}).json()["policy"]
                orders.append(self.lines(board, 20, Rating=rating, OpponentRating=rating))
                self.assertEqual(orders[-1], [p["uci"] for p in policy[:20]])
            changed = changed or orders[0] != orders[1]
        self.assertTrue(changed, "a rating of 800 and one of 2600 choose alike everywhere: Rating has no effect")

    def test_multipv_counts(self):
        for count in (1, 3, 20):
            moves = self.lines(chess.Board(), count)
            self.assertEqual((len(moves), len(set(moves))), (count, count))

    def test_temperature(self):
        """Zero always plays the likeliest move; a high one plays others too."""
        best = self.lines(chess.Board(), 1, Rating=1500, OpponentRating=1500)
        self.engine.configure({"Temperature": 0, "TopK": 0})
        self.assertEqual(self.plays(chess.Board(), most=8), set(best))
        self.engine.configure({"Temperature": 300})
        self.assertGreater(len(self.plays(chess.Board(), until=lambda moves: len(moves) > 3)), 3)

    def test_top_k_bounds_the_choice(self):
        self.engine.configure({"Temperature": 300, "TopK": 2})
        board = chess.Board()
        allowed = set(self.lines(board, 2))
        moves = self.plays(board, until=lambda moves: moves == allowed)
        moves |= self.plays(board, most=25)
        self.engine.configure({"TopK": 0})
        self.assertEqual(moves, allowed)

    def test_chess960(self):
        """Castling is king takes rook in both directions: what we are sent and what we say."""
        rng, castled = random.Random(4), 0
        self.engine.configure({"Temperature": 50})
        for _ in range(20):
            board = chess.Board.from_chess960_pos(rng.randrange(960))
            for _ in range(40):
                if board.is_game_over():
                    break
                castling = [m for m in board.legal_moves if board.is_castling(m)]
                if castling and rng.random() < 0.6:
                    board.push(rng.choice(castling))
                    castled += 1
                elif rng.random() < 0.3:
                    move = self.engine.play(board, chess.engine.Limit(nodes=1)).move
                    self.assertIn(move, board.legal_moves)
                    board.push(move)
                else:
                    board.push(rng.choice(list(board.legal_moves)))
        self.assertGreater(castled, 5)
        # Two rooks beside the king: castling is one of at most 20 moves, and is spelled king takes rook.
        board = chess.Board("4k3/8/8/8/8/8/PPPPPPPP/1RK4R w HB - 0 1", chess960=True)
        wanted = {board.uci(m) for m in board.legal_moves if board.is_castling(m)}
        self.assertEqual(wanted, {"c1b1", "c1h1"})
        reply = self.server.post("/v1/predict", {"fen": board.shredder_fen()}).json()
        self.assertTrue(wanted <= set(reply["legal"]))
        self.engine.configure({"Temperature": 1000})
        self.assertLessEqual(wanted, self.plays(board, until=lambda moves: wanted <= moves))

    def test_a_standard_castling_is_two_squares(self):
        board = chess.Board("4k3/8/8/8/8/8/8/R3K2R w KQ - 0 1")
        wanted = {board.uci(m) for m in board.legal_moves if board.is_castling(m)}
        self.assertEqual(wanted, {"e1g1", "e1c1"})
        policy = self.server.post("/v1/predict", {"fen": board.fen()}).json()["legal"]
        self.assertTrue(wanted <= set(policy))

    def test_a_finished_game(self):
        """Mate and stalemate: "bestmove (none)", which python-chess reads as no move."""
        for fen in ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"):
            self.assertIsNone(self.engine.play(chess.Board(fen), chess.engine.Limit(nodes=1)).move)

    def test_a_whole_pgn_game_is_followed(self):
        """A long list of moves after `position startpos moves`: the reply is legal at its end."""
        item = self.server.get("/v1/games/recent?limit=1").json()[0]
        game = chess.pgn.read_game(io.StringIO(self.server.get(f"/v1/games/{item['id']}").json()["pgnRaw"]))
        board = game.board()
        for move in list(game.mainline_moves())[:-1]:
            board.push(move)
        self.assertIn(self.engine.play(board, chess.engine.Limit(nodes=1)).move, board.legal_moves)


if __name__ == "__main__":
    unittest.main()
