# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that went through the loop once: games, a dataset, a small model, promoted."""
import harness
import pgn_make

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
MATE_IN_ONE = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"  # Ra8#
OVER = ("succeeded", "failed", "stopped")
SMALL = {"epochs": 1, "batchSize": 256, "book": False}
GAMES = 300


def import_games(server, text):
    reply = server.post("/v1/ingest", raw=text.encode())
    return server.wait(reply.headers["Location"], lambda b: b["status"] in ("SUCCEEDED", "FAILED"))


def build_dataset(server, name, **more):
    made = server.post("/v1/datasets", {"name": name, **more})
    return server.wait(made.headers["Location"], lambda b: b["status"] in ("ready", "failed"))


def train(server, dataset, **more):
    made = server.post("/v1/trainings", {"datasetId": dataset, **SMALL, **more})
    return server.wait(made.headers["Location"], lambda b: b["status"] in OVER)


def job_done(server, job):
    return server.wait(f"/v1/jobs/{job}", lambda b: b["status"] in OVER)


class TrainedTest(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            import_games(cls.server, pgn_make.games(GAMES, seed="trained"))
            cls.dataset = build_dataset(cls.server, "trained")["id"]
            cls.training = train(cls.server, cls.dataset)
            if cls.training["status"] != "succeeded":
                raise AssertionError(cls.training)
            cls.model = cls.training["result"]["modelId"]
            cls.promote(cls.training["result"]["modelVersion"])
        except BaseException:
            cls.server.kill()
            raise

    @classmethod
    def promote(cls, version, **more):
        reply = cls.server.post("/v1/models/promote",
                                {"modelId": cls.model, "modelVersion": str(version), **more})
        if reply.status != 200:
            raise AssertionError(reply)
        return reply.json()

    def ok(self, reply, status=200):
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def new_game(self, **body):
        return self.ok(self.server.post("/v1/play/new", body))["gameId"]
