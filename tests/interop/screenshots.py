# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the main pages of the web UI, with real games, trainings, models and plays. `make screenshots`

usage: screenshots.py FOLDER [PORT]    PORT: of a server with such a scene; without it one is made, for these pictures only

The scene is the demo's (tools/demo.py) and more: trainings to compare, a match, rock-paper-scissors with models. It takes some
minutes. Pictures get a palette of 256 colours at most; one that is larger than SIZE_MAX fails, as it would in tests/tidy/pictures.py.
"""
import io
import pathlib
import re
import sys

from PIL import Image
from playwright.sync_api import expect

import browser
from world import ROOT

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "http"), str(ROOT / "tests" / "tidy")]
import demo  # noqa: E402
import harness  # noqa: E402
from pictures import SIZE_MAX  # noqa: E402

WINDOW = {"width": 1280, "height": 800}
# What differs between the trainings that are compared.
TRAININGS = ({"learningRate": 0.002, "seed": 1}, {"learningRate": 0.0005, "seed": 1}, {"learningRate": 0.002, "dropout": 0.2, "seed": 2})
TRAIN_MINUTES = 0.4
# Ours; the model answers each.
OPENING = ("e2e4", "g1f3", "f1c4")
THROWS = "rpsrpp"


# ---------------------------------------------------------------- the scene

def make_scene(server):
    client = demo.Client(server.port)

    def job(title, path, **body):
        started = client.call("POST", path, body)
        done, progress = demo.follow(client, title, started["jobId"])
        progress.done(path)
        return started, done

    demo.step_import(client)
    dataset = demo.step_dataset(client)
    split = {"train": 0.8, "valid": 0.1, "test": 0.1}
    job("dataset", "/v1/datasets", name="strong", filter={"minElo": 1800}, note="both players at 1800 or more", split=split)
    job("dataset", "/v1/datasets", name="blitz", filter={"speed": "blitz"}, note="blitz only", split=split)
    for what in TRAININGS:
        _, done = job("train", "/v1/trainings", datasetId=dataset["id"], minutes=TRAIN_MINUTES, epochs=100, **what)
        model = done["result"]
        job("evaluate", "/v1/evaluations", candidateModelId=model["modelId"], candidateVersion=str(model["modelVersion"]), suite="topk")
        client.call("POST", "/v1/models/promote", {"modelId": model["modelId"], "modelVersion": str(model["modelVersion"]), "to": "prod",
                                                   "reason": f"learning rate {what['learningRate']}"})
    job("match", "/v1/selfplay", games=6, seed=3, temperature=0.8)
    job("analytics", "/v1/analytics/run")
    demo.step_predict(client)
    demo.step_play(client)
    make_rps(server, job)


def make_rps(server, job):
    """Bots play, models learn from them and get all four aliases, more is played: accuracy, A/B and a board."""
    def play(bot, games):
        server.cli("rps", "sim", "--user", bot, "--policy", "logan", "--games", games, "--keep", "--connections", 4, "--url",
                   f"http://127.0.0.1:{server.port}")

    for bot in ("ace", "dan", "hal"):
        play(bot, 40)
    for config in ("c12", "c09", "c03", "c01"):
        job("rps train", "/v1/rps/train", family="multinomial_logistic", force=True, config=config)
    for family in ("xgboost", "feedforward_nn"):
        job("rps train", "/v1/rps/train", family=family, force=True)
    for bot in ("ace", "dan", "hal"):
        play(bot, 60)


# ---------------------------------------------------------------- the pictures

class Camera(browser.PageTest):
    """Opens pages as the tests do, and takes pictures of them."""

    def __init__(self, port, folder):
        super().__init__()
        self.client, self.port, self.folder = demo.Client(port), port, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.wrong, self.expected = [], []

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/ui{path}"

    def look(self, path, moves=False, **how):
        page = self.open(path, **{"size": WINDOW, **how})
        if not moves:  # else events come all the time
            page.wait_for_load_state("networkidle")
        return page

    def shoot(self, page, name):
        """What the window shows, as a PNG with a palette."""
        page.mouse.move(0, 0)
        image = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        path = self.folder / f"{name}.png"
        image.quantize(colors=256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
        size = path.stat().st_size
        if size > SIZE_MAX:
            raise SystemExit(f"{path}: {size} bytes; at most {SIZE_MAX}")
        print(f"{path}: {size / 1000:.0f} kB", flush=True)
        page.context.close()

    def items(self, path):
        found = self.client.call("GET", path)
        return found["items"] if isinstance(found, dict) else found

    def named(self, name):
        return next(d for d in self.items("/v1/datasets") if d["name"] == name)

    def live(self):
        """A training runs while these are taken."""
        dataset = self.named("demo")
        started = self.client.call("POST", "/v1/trainings", {"datasetId": dataset["id"], "minutes": 4, "epochs": 100, "seed": 5})
        try:
            page = self.look(f"/runs/{started['runId']}", moves=True)
            # Its second epoch has begun: the charts have lines, and the job knows how long it will take.
            epoch = page.get_by_label("Latest values").locator("div", has=page.get_by_text("epoch", exact=True)).locator("dd")
            expect(epoch).to_have_text(re.compile("^[1-9]"), timeout=120000)
            expect(page.locator("[data-metric='loss'] canvas")).to_be_visible()
            self.shoot(page, "run-live")
            for theme, name in (("dark", "overview"), ("light", "overview-light")):
                page = self.look("/", moves=True, theme=theme)
                expect(page.get_by_role("progressbar")).to_be_visible()
                expect(page.get_by_role("link", name="Play against it")).to_be_visible()
                self.shoot(page, name)
            page = self.look("/", moves=True, size=browser.PHONE)
            expect(page.get_by_role("link", name="Play against it")).to_be_visible()
            self.shoot(page, "overview-phone")
        finally:
            self.client.call("POST", f"/v1/jobs/{started['jobId']}/control", {"action": "stop"})

    def still(self):
        trained = [r["runId"] for r in self.items("/v1/runs?limit=200") if r["jobKind"] == "chess.train" and r["status"] == "FINISHED"]
        self.shoot(self.look("/runs"), "runs")
        page = self.look(f"/runs/compare?runs={','.join(trained[:3])}")
        expect(page.locator("[data-metric='policy_loss'] canvas")).to_be_visible()
        self.shoot(page, "compare")
        self.shoot(self.look("/models/chess-policy"), "models")
        self.shoot(self.look(f"/datasets/{self.named('demo')['id']}", theme="light"), "datasets")
        page = self.look(f"/lineage/{self.items('/v1/models/chess-policy/versions')[0]['id']}", size={"width": 1560, "height": 800})
        expect(page.locator("[data-look=import]").first).to_be_visible()
        self.shoot(page, "lineage")

    def play(self):
        for theme, name in (("dark", "play"), ("light", "play-light")):
            page = self.look("/play/" + self.opening(), theme=theme)
            expect(page.locator(".cg-shapes line").first).to_be_attached()
            self.shoot(page, name)
        viewed = next(g for g in self.items("/v1/games/recent?limit=100") if "cubicinfinity" in (g["white"], g["black"]) and g["plies"] > 60)
        page = self.look(f"/games/{viewed['id']}?ply=31", theme="light")
        expect(page.locator(".cg-shapes line").first).to_be_attached()
        self.shoot(page, "game")
        page = self.look("/player?name=cubicinfinity")
        expect(page.locator("canvas").first).to_be_visible()
        self.shoot(page, "player")

    def opening(self):
        """A game of a few moves, and the person's turn."""
        game = self.client.call("POST", "/v1/play/new", {"color": "white", "clock": {"initial": 300, "increment": 3}, "seed": 7})
        for move in OPENING:
            legal = self.client.call("POST", "/v1/predict", {"fen": game["fen"], "topk": 1})["legal"]
            game = self.client.call("POST", f"/v1/play/{game['gameId']}/move", {"uci": move if move in legal else legal[0]})
        return game["gameId"]

    def rps(self):
        page = self.look("/rps")
        page.get_by_label("Your name").fill("Ada")
        page.get_by_role("button", name="Start the game").click()
        expect(page.get_by_role("heading", name="Round 1")).to_be_visible()
        for number, key in enumerate(THROWS, 1):
            page.keyboard.press(key)
            expect(page.get_by_role("region", name="Rounds").get_by_role("row")).to_have_count(number + 1)
        self.shoot(page, "rps")

    def all(self):
        try:
            self.play()
            self.rps()
            self.still()
            self.live()
        finally:
            self.doCleanups()


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    server = None
    try:
        if len(sys.argv) == 2:
            server = harness.Server(env={"SKERRY_USER": "ada"})
            make_scene(server)
        Camera(server.port if server else int(sys.argv[2]), sys.argv[1]).all()
    finally:
        browser.Chromium.close()
        if server:
            server.close()


if __name__ == "__main__":
    main()
