# SPDX-License-Identifier: GPL-3.0-or-later
"""One server that has been through the whole loop, for all interop tests, and the peers they use.

The loop is run once: games in, dataset, training, promotion, evaluation, a match, a game, analytics. The
tests then look at it from outside. A peer that is not installed fails the test that needs it.
"""
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "http"))
import harness  # noqa: E402

GAMES = ROOT / "examples" / "games" / "lichess_db_2021-10_excerpt.pgn.zst"
TRAIN_MINUTES = 0.1


def peer(name):
    """The path of a program; /usr/games is not on everybody's PATH."""
    path = shutil.which(name) or shutil.which(name, path="/usr/games")
    if not path:
        raise AssertionError(f"{name} is not installed: tools/deps.sh interop installs it")
    return path


class World:
    """What the loop left behind; made by the first test that asks."""
    server = None

    @classmethod
    def get(cls):
        if cls.server is None:
            cls.server = harness.Server()
            cls.loop()
        return cls.server

    @classmethod
    def must(cls, method, path, body=None):
        send = cls.server.get if method == "GET" else lambda p: cls.server.post(p, body if body is not None else {})
        reply = send(path)
        if reply.status >= 400:
            raise AssertionError(f"{method} {path}: {reply}")
        return reply.json()

    @classmethod
    def job(cls, job_id):
        """Waits for a job to succeed; returns it."""
        job = cls.server.wait(f"/v1/jobs/{job_id}", lambda j: j["status"] in ("succeeded", "failed", "stopped"))
        if job["status"] != "succeeded":
            raise AssertionError(f"job {job['kind']} {job['status']}: {job['error']}")
        return job

    @classmethod
    def loop(cls):
        made = cls.server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}).json()
        cls.job(made["jobId"])
        cls.ingest = cls.must("GET", f"/v1/ingest/{made['runId']}")
        made = cls.must("POST", "/v1/datasets", {"name": "interop", "split": {"train": 0.8, "valid": 0.1, "test": 0.1}})
        cls.job(made["jobId"])
        cls.dataset = cls.must("GET", f"/v1/datasets/{made['id']}")
        made = cls.must("POST", "/v1/trainings", {"datasetId": made["id"], "minutes": TRAIN_MINUTES, "epochs": 100, "seed": 1})
        cls.model = cls.job(made["jobId"])["result"]
        cls.training = made
        cls.must("POST", "/v1/models/promote", {"modelId": cls.model["modelId"],
                                                "modelVersion": str(cls.model["modelVersion"])})
        cls.job(cls.must("POST", "/v1/evaluations", {"candidateModelId": cls.model["modelId"]})["jobId"])
        cls.match = cls.must("POST", "/v1/selfplay", {"games": 6, "seed": 3, "temperature": 0.8})
        cls.job(cls.match["jobId"])
        cls.job(cls.must("POST", "/v1/analytics/run")["jobId"])
        cls.play = cls.play_a_game()

    @classmethod
    def play_a_game(cls):
        """A whole game over HTTP; the model's own list of legal moves says what may be played."""
        game = cls.must("POST", "/v1/play/new", {"color": "black", "clock": {"initial": 300, "increment": 3}})
        turn = 0
        while game["status"] == "playing" and game["plies"] < 60:
            legal = cls.must("POST", "/v1/predict", {"fen": game["fen"]})["legal"]
            turn += 1
            game = cls.must("POST", f"/v1/play/{game['gameId']}/move", {"uci": legal[turn * 7 % len(legal)]})
        if game["status"] == "playing":
            game = cls.must("POST", f"/v1/play/{game['gameId']}/resign")
        return game

    @classmethod
    def close(cls):
        """Stops the server; returns what was wrong with how it ended."""
        if cls.server is None:
            return []
        server, cls.server = cls.server, None
        problems = [f"the server logged an error: {line}" for line in server.unexpected_errors()[:5]]
        try:
            server.close()
        except AssertionError as problem:
            problems.append(str(problem))
        return problems


wait_until = harness.until
