#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on real games, over HTTP as any client would do it.

import -> dataset -> train -> evaluate -> register -> promote -> predict -> play. Ends with a table and a
line that starts with "demo ok:"; exits with 1 at the first step that fails. The server is left running
when standard output is a terminal, or with DEMO_KEEP=1.

Settings: SKERRY_HOME (default build/demo-data, made anew), API_PORT (default 8001, else a free port),
DEMO_MINUTES (training time, default 1).
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("SKERRY_BINARY", os.path.join(ROOT, "build", "skerry"))
GAMES = os.path.join(ROOT, "examples", "games")
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
TTY = sys.stderr.isatty()
PREDICTIONS = 500
PLIES_MAX = 160


class DemoError(Exception):
    pass


class Client:
    """One keep-alive connection."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self.http.request(method, path, body, headers)
        reply = self.http.getresponse()
        data = reply.read()
        if reply.status >= 400:
            try:
                detail = json.loads(data).get("detail", "")
            except ValueError:
                detail = data[:200].decode(errors="replace")
            raise DemoError(f"{method} {path} answered {reply.status}: {detail}")
        return json.loads(data) if data else None


def seconds(s):
    return "--" if s is None or s < 0 else f"{int(s) // 60}:{int(s) % 60:02d}"


class Progress:
    """A bar with ETA on a terminal; a line every few seconds elsewhere."""

    def __init__(self, title):
        self.title, self.started, self.next = title, time.monotonic(), 0.0

    def show(self, share, eta):
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + (0.1 if TTY else 5)
        spent = seconds(now - self.started)
        if TTY:
            full = int(share * 30)
            bar = "#" * full + "." * (30 - full)
            print(f"\r{self.title:<22} [{bar}] {share * 100:3.0f} %  {spent}, {seconds(eta)} left\033[K",
                  end="", file=sys.stderr, flush=True)
        else:
            print(f"{self.title}: {share * 100:.0f} %, {spent}, {seconds(eta)} left", flush=True)

    def done(self, text):
        if TTY:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(f"{self.title:<22} {time.monotonic() - self.started:6.1f} s   {text}", flush=True)


def follow(client, title, job_id):
    """Waits for a job, showing how far it is. Returns the finished job."""
    progress = Progress(title)
    while True:
        job = client.call("GET", f"/v1/jobs/{job_id}")
        if job["status"] == "succeeded":
            return job, progress
        if job["status"] in ("failed", "stopped", "paused"):
            raise DemoError(f"{title}: the job {job['status']}: {job['error']}")
        total = job["total"] or 0
        progress.show(job["done"] / total if total else 0, job["etaSec"])
        time.sleep(0.1)


def free_port(wanted):
    for port in (wanted, 0):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return s.getsockname()[1]
            except OSError:
                continue
    raise DemoError("no free port on 127.0.0.1")


def start_server(home, port):
    env = dict(os.environ, SKERRY_HOME=home, API_PORT=str(port))
    log = open(os.path.join(home, "serve.out"), "wb")
    server = subprocess.Popen([BINARY, "serve"], env=env, stdout=log, stderr=log, start_new_session=True)
    for _ in range(200):
        if server.poll() is not None:
            with open(log.name, errors="replace") as f:
                raise DemoError(f"the server ended at once: {f.read()[-500:]}")
        try:
            client = Client(port)
            client.call("GET", "/health")
            return server, client
        except OSError:
            time.sleep(0.05)
    server.terminate()
    raise DemoError("the server did not answer within ten seconds")


def upload(client, path):
    boundary = uuid.uuid4().hex
    with open(path, "rb") as f:
        content = f.read()
    body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{os.path.basename(path)}\"\r\n"
            f"Content-Type: application/octet-stream\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return client.call("POST", "/v1/ingest", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def step_import(client):
    files = sorted(f for f in os.listdir(GAMES) if ".pgn" in f)
    if not files:
        raise DemoError(f"there are no games in {GAMES}")
    games = 0
    for name in files:
        started = upload(client, os.path.join(GAMES, name))
        _, progress = follow(client, "import", started["jobId"])
        run = client.call("GET", f"/v1/ingest/{started['runId']}")
        games += run["games"] + run["duplicates"]
        progress.done(f"{name}: {run['games']} games, {run['duplicates']} duplicates, {run['refused']} refused")
    if games == 0:
        raise DemoError("no game was imported, and none was there already")
    return games


def step_dataset(client):
    made = client.call("POST", "/v1/datasets", {"name": "demo", "filter": {}, "note": "made by make demo",
                                                 "split": {"train": 0.8, "valid": 0.1, "test": 0.1}})
    _, progress = follow(client, "dataset", made["jobId"])
    info = client.call("GET", f"/v1/datasets/{made['id']}")
    if info["status"] != "ready" or info["rows"] == 0:
        raise DemoError(f"the dataset is {info['status']} with {info['rows']} rows")
    progress.done(f"{info['name']}@{info['version']}: {info['rows']} positions, {info['sizeBytes'] / 1e6:.1f} MB")
    return info


def step_train(client, dataset, minutes):
    started = client.call("POST", "/v1/trainings", {"datasetId": dataset["id"], "minutes": minutes, "epochs": 100,
                                                     "seed": 1, "notes": "make demo"})
    job, progress = follow(client, "train", started["jobId"])
    result = job["result"]
    progress.done(f"{result['parameters'] / 1e6:.2f} M parameters, held-out top-1 {result['top1'] * 100:.1f} %, "
                  f"top-3 {result['top3'] * 100:.1f} %")
    return result


def step_evaluate(client, model):
    started = client.call("POST", "/v1/evaluations", {"candidateModelId": model["modelId"], "suite": "topk",
                                                       "candidateVersion": str(model["modelVersion"])})
    _, progress = follow(client, "evaluate", started["jobId"])
    e = client.call("GET", f"/v1/evaluations/{started['evaluationId']}")
    candidate, uniform = e["summary"]["candidate"], e["summary"]["uniform"]
    progress.done(f"top-1 {candidate['top1'] * 100:.1f} % (any legal move: {uniform['top1'] * 100:.1f} %), "
                  f"ECE {candidate['ece']:.3f}, {candidate['positions']} positions")
    return candidate


def step_register_promote(client, model):
    progress = Progress("register")
    versions = client.call("GET", f"/v1/models/{model['modelId']}/versions")
    mine = [v for v in versions if v["modelVersion"] == str(model["modelVersion"])]
    if not mine:
        raise DemoError("the trained model is not in the registry")
    progress.done(f"{model['modelId']} version {model['modelVersion']}, sha256 {mine[0]['digest'][:12]}...")
    progress = Progress("promote")
    active = client.call("POST", "/v1/models/promote", {"modelId": model["modelId"], "modelVersion": str(model["modelVersion"]),
                                                         "to": "prod", "reason": "make demo"})["active"]
    progress.done(f"prod is now {active['modelId']}@{active['modelVersion']}")


def step_predict(client):
    progress = Progress("predict")
    body = json.dumps({"fen": START, "topk": 3}).encode()
    times = []
    for _ in range(PREDICTIONS):
        before = time.perf_counter()
        reply = client.call("POST", "/v1/predict", body, {"Content-Type": "application/json"})
        times.append(time.perf_counter() - before)
    times.sort()
    p50 = times[len(times) // 2] * 1e6
    if reply["move"] not in reply["legal"]:
        raise DemoError(f"predicted {reply['move']}, which is not legal")
    best = ", ".join(f"{p['uci']} {p['prob'] * 100:.0f} %" for p in reply["policy"])
    progress.done(f"from the start: {best}; p50 {p50:.0f} us seen by this Python client")
    return p50


def step_play(client):
    """A player who picks any legal move, told by the model's own list of legal moves."""
    progress = Progress("play")
    rng = random.Random(1)
    game = client.call("POST", "/v1/play/new", {"color": "white", "clock": {"initial": 300, "increment": 3}})
    path = f"/v1/play/{game['gameId']}"
    while game["status"] == "playing" and game["plies"] < PLIES_MAX:
        legal = client.call("POST", "/v1/predict", {"fen": game["fen"], "topk": 1})["legal"]
        game = client.call("POST", path + "/move", {"uci": rng.choice(legal)})
    if game["status"] == "playing":
        game = client.call("POST", path + "/resign")
    moves = client.call("GET", path)["moves"]
    progress.done(f"{game['result']} by {game['reason']} after {len(moves)} plies: "
                  + " ".join(m["san"] for m in moves[:6]) + " ...")
    return game


def prepare_home():
    home = os.environ.get("SKERRY_HOME")
    if home:
        os.makedirs(home, exist_ok=True)
        return home
    home = os.path.join(ROOT, "build", "demo-data")
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    return home


def run(client, port, minutes):
    games = step_import(client)
    dataset = step_dataset(client)
    model = step_train(client, dataset, minutes)
    candidate = step_evaluate(client, model)
    step_register_promote(client, model)
    p50 = step_predict(client)
    game = step_play(client)
    url = f"http://127.0.0.1:{port}"
    name = f"{model['modelId']}@{model['modelVersion']}"
    rows = [("games", games), ("positions", dataset["rows"]), ("held-out top-1", f"{candidate['top1'] * 100:.1f} %"),
            ("model", name), ("predict p50", f"{p50:.0f} us"), ("game", f"{game['result']} ({game['reason']})"), ("url", url)]
    print()
    for key, value in rows:
        print(f"  {key:<16} {value}")
    print()
    print(f"demo ok: {games} games, {dataset['rows']} positions, held-out top-1 {candidate['top1'] * 100:.1f} %, "
          f"model {name}, predict p50 {p50:.0f} us, {url}", flush=True)


def main():
    minutes = float(os.environ.get("DEMO_MINUTES", "1"))
    keep = sys.stdout.isatty() or os.environ.get("DEMO_KEEP") == "1"
    server = None
    try:
        home = prepare_home()
        port = free_port(int(os.environ.get("API_PORT", "8001")))
        server, client = start_server(home, port)
        run(client, port, minutes)
    except (DemoError, OSError, KeyError, ValueError, http.client.HTTPException) as problem:
        print(f"\ndemo failed: {type(problem).__name__}: {problem}", file=sys.stderr)
        if server:
            server.terminate()
        return 1
    except KeyboardInterrupt:
        if server:
            server.terminate()
        return 130
    if keep:
        print(f"\nThe server goes on running (pid {server.pid}); stop it with: kill {server.pid}", file=sys.stderr)
        return 0
    server.send_signal(signal.SIGTERM)
    return 0 if server.wait(30) == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
