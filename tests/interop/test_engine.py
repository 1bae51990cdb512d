# SPDX-License-Identifier: GPL-3.0-or-later
"""Suite acpl with the real Stockfish. python-chess, an independent UCI client, asks the same questions again:
each score must be the same to the centipawn, and the sums are made here once more."""
import json
import unittest

import chess
import chess.engine

from world import World, peer

POSITIONS, NODES, CAP = 24, 2000, 1000


def capped(score):
    value = score.relative.score(mate_score=100000)
    return max(-CAP, min(CAP, value))


class Acpl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()
        made = World.must("POST", "/v1/evaluations", {"candidateModelId": World.model["modelId"], "suite": "acpl",
                                                      "positions": POSITIONS, "nodes": NODES})
        World.job(made["jobId"])
        cls.body = World.must("GET", f"/v1/evaluations/{made['evaluationId']}")
        text = cls.server.get(f"/v1/runs/{made['evaluationId']}/artifacts/positions.ndjson").text
        cls.lines = [json.loads(line) for line in text.splitlines()]

    def test_python_chess_gets_the_same_scores(self):
        self.assertEqual(len(self.lines), POSITIONS)
        with chess.engine.SimpleEngine.popen_uci(peer("stockfish"), timeout=60) as engine:
            engine.configure({"Hash": 16, "Threads": 1})
            self.assertEqual(self.body["summary"]["engine"], engine.id["name"])

            def ask(board, moves=None):
                """(best move, score): the last score that is not a bound. A new game each time: nothing is remembered."""
                score = None
                with engine.analysis(board, chess.engine.Limit(nodes=NODES), game=object(), root_moves=moves) as analysis:
                    for info in analysis:
                        if "score" in info and not info.get("lowerbound") and not info.get("upperbound"):
                            score = info["score"]
                return analysis.wait().move, capped(score)

            for line in self.lines:
                board = chess.Board(line["fen"])
                best, best_cp = ask(board)
                self.assertEqual((line["best"], line["bestCp"]), (best.uci(), best_cp), line)
                for who in ("human", "candidate", "uniform"):
                    move = chess.Move.from_uci(line[who]["move"])
                    self.assertIn(move, board.legal_moves)
                    cp = best_cp if move == best else ask(board, [move])[1]
                    self.assertEqual((line[who]["cp"], line[who]["loss"]), (cp, max(0, line["bestCp"] - cp)), (who, line))

    def test_the_sums_and_their_order(self):
        summary = self.body["summary"]
        for who in ("human", "candidate", "uniform"):
            losses = [line[who]["loss"] for line in self.lines]
            self.assertAlmostEqual(summary[who]["acpl"], sum(losses) / len(losses))
        # Any legal move loses far more than a person's: were it otherwise, a sign would be wrong.
        self.assertGreater(summary["uniform"]["acpl"], 2 * summary["human"]["acpl"])


if __name__ == "__main__":
    unittest.main()
