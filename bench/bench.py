#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures Skerry beside its peers, on the same file, in the same run.

usage: bench/bench.py [NAME...]        (make bench, make bench B="pgn-legal predict")

Prints one JSON line a figure: {"bench","ours","peer","theirs","unit","ratio"}; peer and theirs are null
where there is none. ratio is how many times better ours is. The file is masters.pgn from SKERRY_SHARED
(5.55 M plies) when it is there, else the games shipped in examples/.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import http.client

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / os.environ.get("BUILD", "build")))
BINARY = os.environ.get("SKERRY_BINARY", str(BUILD / "skerry"))
SHARED = pathlib.Path(os.environ.get("SKERRY_SHARED", ROOT.parent / "shared"))
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"


def line(bench, ours, unit, peer=None, theirs=None, lower_is_better=False):
    ratio = None
    if theirs:
        ratio = theirs / ours if lower_is_better else ours / theirs
    print(json.dumps({"bench": bench, "ours": ours, "peer": peer, "theirs": theirs, "unit": unit,
                      "ratio": round(ratio, 3) if ratio else None}), flush=True)


def note(text):
    print(text, file=sys.stderr, flush=True)


def games_file(work):
    """A plain PGN: masters when there, else the examples, unpacked once."""
    packed = SHARED / "data" / "chess" / "masters.pgn.zst"
    sources = [packed] if packed.exists() else sorted((ROOT / "examples" / "games").glob("*.pgn.zst"))
    out = work / "games.pgn"
    if not out.exists():
        with open(out, "wb") as f:
            for source in sources:
                subprocess.run(["zstd", "-dcq", source], stdout=f, check=True)
    return out


class Home:
    """A data folder, and verbs and servers in it."""

    def __init__(self, work, name):
        self.path = work / name
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.env = dict(os.environ, SKERRY_HOME=str(self.path), API_PORT=str(self.port))
        self.env.pop("SKERRY_DB", None)

    def verb(self, *args):
        done = subprocess.run([BINARY, *args], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"skerry {' '.join(args)}: {done.stderr.decode()[-500:]}")
        return done.stdout.decode()

    def serve(self):
        process = subprocess.Popen([BINARY, "serve"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                c.request("GET", "/health")
                c.getresponse().read()
                return process
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError("the server ended at once")
                time.sleep(0.001)


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


def c_bench(name, *args):
    """A bench of its own program: it prints the JSON lines."""
    target = f"bench/{name}"
    subprocess.run(["ninja", "-C", BUILD, target], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([str(BUILD / target), *map(str, args)], check=True,
                   env=dict(os.environ, SKERRY_SHARED=str(SHARED)))


# ------------------------------------------------------------------ the benches

def pgn_legal(work):
    c_bench("pgn_bench", games_file(work))


def perft(work):
    c_bench("perft_bench")


def store(work):
    c_bench("store_bench")


def pgn_import(work):
    """From a plain file into an empty store, durable and deduplicated, start of the process included."""
    file = games_file(work)
    home = Home(work, "import-home")
    before = time.perf_counter()
    reply = json.loads(home.verb("chess", "import", str(file), "--json"))
    ours_s = time.perf_counter() - before
    games = reply["games"]
    theirs = None
    if shutil.which("scidpgn") or os.path.exists("/usr/games/scidpgn"):
        base = work / "scidbase"
        before = time.perf_counter()
        done = subprocess.run(["/usr/games/sc_import", str(base), str(file)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        spent = time.perf_counter() - before
        made = list(work.glob("scidbase.s*"))
        if done.returncode == 0 and made:
            theirs = games / spent
        else:
            note("scid did not import: " + done.stdout.decode(errors="replace")[-300:])
        for f in made:
            f.unlink()
    line("pgn-import", games / ours_s, "games/s", "scid" if theirs else None, theirs)
    shutil.rmtree(home.path)


def dataset(work):
    file = games_file(work)
    home = Home(work, "dataset-home")
    home.verb("chess", "import", str(file), "--json")
    before = time.perf_counter()
    reply = json.loads(home.verb("chess", "dataset", "all", "--json"))
    line("dataset", reply["rows"] / (time.perf_counter() - before), "positions/s")
    shutil.rmtree(home.path)


def train(work):
    c_bench("train_bench", games_file(work))


def trained_home(work):
    """A home with a small model promoted: the games shipped in examples/, half a minute of training."""
    home = Home(work, "serve-home")
    for file in sorted((ROOT / "examples" / "games").glob("*.pgn.zst")):
        home.verb("chess", "import", str(file), "--json")
    home.verb("chess", "dataset", "bench", "--json")
    home.verb("chess", "train", "bench", "--minutes", "0.5", "--json")
    home.verb("promote", "chess-policy", "1")
    return home


WRK = """
wrk.method = "POST"
wrk.body = '{"fen":"%s","topk":5}'
wrk.headers["Content-Type"] = "application/json"
""" % "r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 3"


def wrk(work, port, connections, threads, seconds):
    script = work / "predict.lua"
    script.write_text(WRK)
    out = subprocess.run(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
                          f"http://127.0.0.1:{port}/v1/predict"], stdout=subprocess.PIPE, check=True).stdout.decode()
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    unit = {"us": 1, "ms": 1000, "s": 1e6}
    quantile = {q: float(v) * unit[u] for q, v, u in re.findall(r"\s+(\d+)%\s+([\d.]+)(us|ms|s)", out)}
    if "Non-2xx" in out:
        raise RuntimeError("wrk saw errors: " + out)
    return rate, quantile["50"], quantile["99"]


def predict(work):
    home = trained_home(work)
    server = home.serve()
    try:
        wrk(work, home.port, 1, 1, 1)
        _, p50, p99 = wrk(work, home.port, 1, 1, 5)
        line("predict-p50", p50, "us")
        line("predict-p99", p99, "us")
        rate, _, _ = wrk(work, home.port, 64, 2, 5)
        line("predict", rate, "requests/s")
    finally:
        stop(server)
    shutil.rmtree(home.path)


def footprint(work):
    home = Home(work, "footprint-home")
    stop(home.serve())  # first start makes the store; the figure is of a start that finds one
    before = time.perf_counter()
    server = home.serve()
    line("start", (time.perf_counter() - before) * 1000, "ms")
    time.sleep(2)
    line("idle-rss", resident_bytes(server.pid) / 2 ** 20, "MiB")
    stop(server)
    file = games_file(work)
    time_line = subprocess.run(["/usr/bin/env", "python3", "-c", MEASURE, BINARY, "chess", "import", str(file), "--json"],
                               env=home.env, stdout=subprocess.PIPE, check=True).stdout.decode().strip().splitlines()[-1]
    line("import-rss", int(time_line) / 1024, "MiB")
    line("binary", os.path.getsize(BINARY) / 2 ** 20, "MiB, with debug information")
    shutil.rmtree(home.path)


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

BENCHES = {"pgn-legal": pgn_legal, "pgn-import": pgn_import, "perft": perft, "store": store, "dataset": dataset,
           "predict": predict, "footprint": footprint, "train": train}


def main():
    names = sys.argv[1:] or list(BENCHES)
    unknown = [n for n in names if n not in BENCHES]
    if unknown:
        note(f"there is no bench {unknown[0]}; the benches are: {' '.join(BENCHES)}")
        return 2
    status = 0
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
        for name in names:
            try:
                BENCHES[name](pathlib.Path(folder))
            except (RuntimeError, subprocess.CalledProcessError, OSError, KeyError, ValueError) as problem:
                note(f"{name}: {problem}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
