# SPDX-License-Identifier: GPL-3.0-or-later
"""python-chess as the judge of our chess: it reads every PGN we write, and must agree on every position
we name and every legal move we list."""
import io
import json
import random
import subprocess
import unittest

import chess
import chess.pgn

from world import GAMES, World, peer

POSITIONS_STANDARD, POSITIONS_960 = 120, 80


def games_of(text):
    stream, out = io.StringIO(text), []
    while True:
        game = chess.pgn.read_game(stream)
        if game is None:
            return out
        out.append(game)


def source_text():
    return subprocess.run([peer("zstd"), "-dcq", str(GAMES)], stdout=subprocess.PIPE, check=True).stdout.decode()


def walk(game):
    """The moves as UCI; castling as python-chess writes it for the game's own rules."""
    board = game.board()
    for move in game.mainline_moves():
        yield board.uci(move)
        board.push(move)


class Pgn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()

    def parse(self, text):
        games = games_of(text)
        for game in games:
            self.assertEqual(game.errors, [], game.headers)
        return games

    def test_what_was_imported_is_what_the_file_says(self):
        """Every 8th game of the source, move by move: python-chess's reading of the file against our store."""
        games = games_of(source_text())
        self.assertGreater(len(games), 700)
        for game in games[::8]:
            id = game.headers["Site"].rsplit("/", 1)[1]
            if not list(game.mainline_moves()):
                continue
            moves = self.server.get(f"/v1/games/lichess:{id}/moves").json()
            self.assertEqual([m["uci"] for m in moves], list(walk(game)), id)
            clocks = [node.clock() for node in game.mainline()]
            self.assertEqual([m["clockMs"] for m in moves],
                             [None if c is None else round(c * 1000) for c in clocks], id)

    def test_the_whole_import_counts_the_same_moves(self):
        games = games_of(source_text())
        self.assertEqual(sum(len(list(g.mainline_moves())) for g in games), World.ingest["positions"])
        self.assertEqual(len(games), World.ingest["games"] + World.ingest["refused"] + World.ingest["duplicates"])

    def test_exported_dataset(self):
        reply = self.server.get(f"/v1/datasets/{World.dataset['id']}/export?format=pgn")
        self.assertEqual(reply.status, 200)
        games = self.parse(reply.text)
        self.assertEqual(len(games), World.dataset["manifest"]["games"])
        self.assertEqual(sum(len(list(g.mainline_moves())) for g in games), World.dataset["rows"])

    def test_exported_rows_are_positions_of_chess(self):
        """NDJSON: each row's FEN is valid, and its move legal there."""
        text = self.server.get(f"/v1/datasets/{World.dataset['id']}/export?format=ndjson").text
        rows = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(len(rows), World.dataset["rows"])
        for row in rows[::50]:
            board = chess.Board(row["fen"])
            self.assertTrue(board.is_valid(), row)
            self.assertIn(chess.Move.from_uci(row["uci"]), board.legal_moves, row)

    def test_stored_games(self):
        """pgnRaw, /moves and /positions say the same, and python-chess agrees with all three."""
        for item in self.server.get("/v1/games/recent?limit=25").json():
            path = f"/v1/games/{item['id']}"
            [game] = self.parse(self.server.get(path).json()["pgnRaw"])
            moves = self.server.get(path + "/moves").json()
            self.assertEqual([m["uci"] for m in moves], list(walk(game)))
            self.assertEqual(len(moves), item["plies"])
            positions = self.server.get(path + "/positions?legal=true").json()
            board, fens, legal, sans = game.board(), [], [], []
            for move in [*game.mainline_moves(), None]:
                fens.append(board.fen())
                legal.append(sorted(map(board.uci, board.legal_moves)))
                if move:
                    sans.append(board.san(move))
                    board.push(move)
            self.assertEqual([p["fen"] for p in positions], fens)
            self.assertEqual([sorted(p["legalMoves"]) for p in positions], legal)
            self.assertEqual([m["san"] for m in moves], sans)

    def test_game_against_the_model(self):
        id = World.play["gameId"]
        [game] = self.parse(self.server.get(f"/v1/play/{id}/pgn").text)
        shown = self.server.get(f"/v1/play/{id}").json()
        self.assertGreater(len(shown["moves"]), 0)
        self.assertEqual([m["uci"] for m in shown["moves"]], list(walk(game)))
        self.assertEqual(game.end().board().fen(), shown["fen"])
        self.assertIn(game.headers["Result"], ("1-0", "0-1", "1/2-1/2"))

    def test_games_of_a_match(self):
        reply = self.server.get(f"/v1/runs/{World.match['runId']}/artifacts/games.pgn")
        self.assertEqual(reply.status, 200)
        games = self.parse(reply.text)
        self.assertEqual(len(games), 6)
        moves = 0
        for game in games:
            moves += len(list(game.mainline_moves()))
            outcome = game.end().board().outcome(claim_draw=True)
            if outcome:  # a game may also end at the limit of plies
                self.assertEqual(outcome.result(), game.headers["Result"])
        self.assertEqual(moves, self.server.metric("chs_selfplay_moves_total"))


def rare_moves(board):
    return [m for m in board.legal_moves if m.promotion or board.is_en_passant(m) or board.is_castling(m)]


def random_position(board, rng, plies):
    """After random play that likes pawns, so that promotion and en passant come up; often one where a rare
    kind of move is legal."""
    rare = []
    for _ in range(plies):
        legal = list(board.legal_moves)
        if not legal:
            break
        pawns = [m for m in legal if board.piece_type_at(m.from_square) == chess.PAWN]
        board.push(rng.choice(pawns if pawns and rng.random() < 0.5 else legal))
        if rare_moves(board) or board.is_check():
            rare.append(board.copy())
    return rng.choice(rare) if rare and rng.random() < 0.7 else board


class Legal(unittest.TestCase):
    """legal[] of a prediction is the list of python-chess, whatever the position."""

    @classmethod
    def setUpClass(cls):
        cls.server = World.get()

    def predict(self, fen):
        reply = self.server.post("/v1/predict", {"fen": fen})
        self.assertEqual(reply.status, 200, (fen, reply))
        return reply.json()

    def check(self, board, fen, seen):
        reply = self.predict(fen)
        legal = list(board.legal_moves)
        self.assertEqual(sorted(reply["legal"]), sorted(map(board.uci, legal)), fen)
        self.assertEqual(sorted(p["uci"] for p in reply["policy"]), sorted(reply["legal"]), fen)
        if legal:
            self.assertIn(reply["move"], reply["legal"])
            self.assertAlmostEqual(sum(p["prob"] for p in reply["policy"]), 1, delta=1e-3)
        else:
            self.assertIsNone(reply["move"])
        seen["promotion"] += any(m.promotion for m in legal)
        seen["en passant"] += any(board.is_en_passant(m) for m in legal)
        seen["castling"] += any(board.is_castling(m) for m in legal)
        seen["check"] += board.is_check()

    def all_seen(self, seen):
        self.assertTrue(all(seen.values()), seen)

    def test_random_positions(self):
        rng, seen = random.Random(7), dict.fromkeys(("promotion", "en passant", "castling", "check"), 0)
        for i in range(POSITIONS_STANDARD):
            board = random_position(chess.Board(), rng, rng.randrange(0, 20 if i % 3 == 0 else 160))
            self.check(board, board.fen(), seen)
        self.all_seen(seen)

    def test_random_positions_of_chess960(self):
        """Both spellings of castling rights: by file (Shredder) and X-FEN."""
        rng, seen = random.Random(8), dict.fromkeys(("promotion", "en passant", "castling", "check"), 0)
        for i in range(POSITIONS_960):
            start = chess.Board.from_chess960_pos(rng.randrange(960))
            board = random_position(start, rng, rng.randrange(0, 24 if i % 2 == 0 else 140))
            rook_files = {chess.square_file(s) for s in chess.SquareSet(board.castling_rights)}
            kings = {chess.square_file(board.king(c)) for c in chess.COLORS if board.has_castling_rights(c)}
            if kings == {4} and rook_files <= {0, 7}:
                continue  # such a FEN alone does not say that it is Chess960
            self.check(board, board.shredder_fen(), seen)
            if board.castling_rights:
                self.check(board, board.fen(), seen)
        self.all_seen(seen)

    def test_hard_positions(self):
        seen = dict.fromkeys(("promotion", "en passant", "castling", "check"), 0)
        for fen in ("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
                    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
                    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1",
                    "8/8/8/1Ppp3r/RK3p1k/8/4P1P1/8 w - c6 0 2",       # en passant answers a check
                    "8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1",              # en passant would uncover the king
                    "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3",  # mate
                    "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",                 # stalemate
                    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
                    "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1"):  # 218 moves, the most there are
            self.check(chess.Board(fen), fen, seen)
        self.all_seen(seen)


if __name__ == "__main__":
    unittest.main()
