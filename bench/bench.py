#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures Skerry beside its peers, on the same file, in the same run.

usage: bench/bench.py [NAME...]        (make bench, make bench B="pgn-legal predict")

Prints one JSON line a figure: {"bench","ours","peer","theirs","unit","ratio"}; peer and theirs are null
where there is none. ratio is how many times better ours is. The lines also go to bench.jsonl in the
build folder. The file is masters.pgn from SKERRY_SHARED (5.55 M plies) when it is there, else the games
shipped in examples/. A bench that cannot run is said on standard error, and the exit code is 1.
"""
import json
import os
import pathlib
import re
import resource
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


def emit(text):
    print(text, flush=True)
    with open(BUILD / "bench.jsonl", "a") as f:
        f.write(text + "\n")


def line(bench, ours, unit, peer=None, theirs=None, lower_is_better=False):
    ratio = None
    if theirs:
        ratio = theirs / ours if lower_is_better else ours / theirs
    emit(json.dumps({"bench": bench, "ours": round(ours, 3), "peer": peer,
                     "theirs": round(theirs, 3) if theirs else None, "unit": unit,
                     "ratio": round(ratio, 3) if ratio else None}))


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


class Meter:
    """Wall and processor time of the child processes that ran inside a with block. A busy machine blurs
    the first and hardly the second."""

    def __enter__(self):
        self.before = time.perf_counter(), self.children_s()
        return self

    def __exit__(self, *_):
        self.wall_s, self.cpu_s = time.perf_counter() - self.before[0], self.children_s() - self.before[1]

    @staticmethod
    def children_s():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime


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


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def c_bench(name, *args):
    """A bench of its own program: it prints the JSON lines."""
    target = f"bench/{name}"
    subprocess.run(["ninja", "-C", BUILD, target], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([str(BUILD / target), *map(str, args)], stdout=subprocess.PIPE, text=True,
                               env=dict(os.environ, SKERRY_SHARED=str(SHARED)))
    with process.stdout:
        for text in process.stdout:
            json.loads(text)
            emit(text.strip())
    if process.wait() != 0:
        raise RuntimeError(f"{target} ended with {process.returncode}")


# ------------------------------------------------------------------ the benches

def pgn_legal(work):
    c_bench("pgn_bench", games_file(work))


def perft(work):
    c_bench("perft_bench")


def store(work):
    c_bench("store_bench")


def scid_import(work, file):
    """(games, meter) of Scid's own import into a new database; None when it is not there."""
    tkscid = shutil.which("tkscid") or shutil.which("tkscid", path="/usr/games")
    if not tkscid:
        note("pgn-import: tkscid is not installed (tools/deps.sh bench): no peer")
        return None
    with Meter() as meter:
        done = subprocess.run([tkscid, str(ROOT / "bench" / "scid_import.tcl"), str(work / "scidbase"), str(file)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    for made in work.glob("scidbase.*"):
        made.unlink()
    if done.returncode != 0:
        raise RuntimeError("scid did not import: " + done.stderr.decode(errors="replace")[-300:])
    return int(done.stdout.split()[-1]), meter


ROUNDS = 3  # of which the best counts, for both sides: other work can only slow a round down


def imported(work, name, file):
    """(home, reply, meter) of one import into an empty store."""
    home = Home(work, name)
    with Meter() as meter:
        reply = json.loads(home.verb("chess", "import", str(file), "--json"))
    return home, reply, meter


def pgn_import(work):
    """From a plain file into an empty store, durable and deduplicated, start of the process included."""
    file = games_file(work)
    ours, job, theirs = [], 0, []
    for _ in range(ROUNDS):
        home, reply, meter = imported(work, "import-home", file)
        shutil.rmtree(home.path)
        ours.append((reply["added"] / meter.wall_s, reply["added"] / meter.cpu_s))
        job = max(job, reply["gamesPerSecond"])
        scid = scid_import(work, file)
        if scid:
            theirs.append((scid[0] / scid[1].wall_s, scid[0] / scid[1].cpu_s))
    peer = "scid" if theirs else None
    for i, (name, unit) in enumerate((("pgn-import", "games/s"),
                                      ("pgn-import-cpu", "games/s of processor time, all threads"))):
        line(name, max(o[i] for o in ours), unit, peer, max(t[i] for t in theirs) if theirs else None)
    line("pgn-import-job", job, "games/s, without starting the process")


def pgn_import_postgres(work):
    """The same import into PostgreSQL on this machine, beside the embedded store in the same run. The
    server's own settings, durable; its processor time is not in ours."""
    sys.path.insert(0, str(ROOT / "tests" / "postgres"))
    import cluster
    if not cluster.programs():
        note("pgn-import-postgres: PostgreSQL is not installed (tools/deps.sh bench)")
        return
    file = games_file(work)
    job, embedded = 0, 0
    with cluster.Cluster(durable=True, settings=["shared_buffers=256MB", "max_wal_size=4GB"]) as server:
        for round in range(ROUNDS):
            home, reply, _ = imported(work, "import-home", file)
            shutil.rmtree(home.path)
            embedded = max(embedded, reply["gamesPerSecond"])
            home = Home(work, "import-postgres-home")
            server.sql(f"CREATE SCHEMA round{round}")
            home.env["SKERRY_DB"] = f"{server.url}?options=-csearch_path%3Dround{round}"
            reply = json.loads(home.verb("chess", "import", str(file), "--json"))
            job = max(job, reply["gamesPerSecond"])
            shutil.rmtree(home.path)
            server.sql(f"DROP SCHEMA round{round} CASCADE")
    line("pgn-import-postgres", job, "games/s, in the job", "embedded", embedded)


def job_claim(work):
    """Jobs taken off the queue: embedded, and from PostgreSQL as installed (durable) in the same run."""
    c_bench("claim_bench", f"sqlite:{work}/claims.db", "embedded")
    sys.path.insert(0, str(ROOT / "tests" / "postgres"))
    import cluster
    if not cluster.programs():
        note("job-claim: PostgreSQL is not installed (tools/deps.sh bench)")
        return
    with cluster.Cluster(durable=True) as server:
        c_bench("claim_bench", server.url, "postgres")


def dataset(work):
    """All positions of the file as a dataset: the whole command, and the job in it."""
    home, _, _ = imported(work, "dataset-home", games_file(work))
    wall, cpu, job = 0, 0, 0
    for i in range(ROUNDS):
        with Meter() as meter:
            reply = json.loads(home.verb("chess", "dataset", f"all-{i}", "--json"))
        wall, cpu = max(wall, reply["rows"] / meter.wall_s), max(cpu, reply["rows"] / meter.cpu_s)
        job = max(job, reply["rowsPerSecond"])
    line("dataset", wall, "positions/s")
    line("dataset-cpu", cpu, "positions/s of processor time, all threads")
    line("dataset-job", job, "positions/s, without starting the process")
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


WRK_SECONDS = 5
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
        _, p50, p99 = wrk(work, home.port, 1, 1, WRK_SECONDS)
        line("predict-p50", p50, "us")
        line("predict-p99", p99, "us")
        # On two cores: one for the server's event thread, one for the client.
        before = cpu_s(server.pid)
        rate, _, p99 = wrk(work, home.port, 64, 1, WRK_SECONDS)
        line("predict", rate, "requests/s")
        line("predict-cpu", (cpu_s(server.pid) - before) / (rate * WRK_SECONDS) * 1e6, "us of processor time a request")
        line("predict-p99-64", p99, "us, 64 connections at once")
    finally:
        stop(server)
    shutil.rmtree(home.path)


def import_rss_mib(home, file):
    """The most memory that an import held, as the kernel counted it."""
    out = subprocess.run([sys.executable, "-c", MEASURE, BINARY, "chess", "import", str(file), "--json"],
                         env=home.env, stdout=subprocess.PIPE, check=True).stdout.decode()
    return int(out.split()[-1]) / 1024


def ten_times(work):
    """Ten copies of the games in which every game is new: White has another name in each copy."""
    big = work / "games10.pgn"
    with open(big, "wb") as f:
        for copy in range(10):
            subprocess.run(["sed", f's/^\\[White "/[White "copy {copy} /', str(games_file(work))], stdout=f, check=True)
    return big


STARTS = 7


S3_ROUNDS, S3_OBJECTS, S3_BYTES = 5, 4, 64 * 10 ** 6


def s3(work):
    """64 MB objects put and got, beside boto3 (the SDK that AWS gives to its users, with its threaded
    transfers), turn by turn against the same server on loopback."""
    subprocess.run([ROOT / "tools" / "interop.sh", "--prepare", "s3"], check=True, stdout=sys.stderr)
    python = ROOT / "build" / "interop-venv" / "bin" / "python"
    subprocess.run(["ninja", "-C", BUILD, "bench/s3_bench"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([python, ROOT / "bench" / "s3_peer.py", BUILD / "bench" / "s3_bench", work, str(S3_ROUNDS),
                           str(S3_OBJECTS), str(S3_BYTES)], check=True, stdout=subprocess.PIPE)
    for text in done.stdout.decode().splitlines():
        r = json.loads(text)
        line(f"s3-{r['op']}-{r['server']}", r["ours"], f"MB/s, median of {S3_ROUNDS}", "boto3", r["theirs"])


def footprint(work):
    home = Home(work, "footprint-home")
    stop(home.serve())  # first start makes the store; the figure is of a start that finds one
    starts_ms = []
    for _ in range(STARTS):
        before = time.perf_counter()
        server = home.serve()
        starts_ms.append((time.perf_counter() - before) * 1000)
        time.sleep(0.5)
        rss_mib = resident_bytes(server.pid) / 2 ** 20
        stop(server)
    server = home.serve()
    time.sleep(5)
    rss_mib = max(rss_mib, resident_bytes(server.pid) / 2 ** 20)
    stop(server)
    line("footprint", rss_mib, "MiB, idle RSS", lower_is_better=True)
    line("footprint-start-ms", sorted(starts_ms)[STARTS // 2], f"ms, median of {STARTS}")
    line("footprint-import-rss", import_rss_mib(home, games_file(work)), "MiB")
    big = ten_times(work)
    line("footprint-import-rss-10", import_rss_mib(home, big), "MiB, file ten times larger")
    big.unlink()
    line("footprint-binary", os.path.getsize(BINARY) / 2 ** 20, "MiB, with debug information")
    shutil.rmtree(home.path)


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

BENCHES = {"pgn-legal": pgn_legal, "pgn-import": pgn_import, "pgn-import-postgres": pgn_import_postgres,
           "job-claim": job_claim, "perft": perft, "store": store, "dataset": dataset,
           "predict": predict, "footprint": footprint,
           "train": train, "s3": s3}


def main():
    names = sys.argv[1:] or list(BENCHES)
    unknown = [n for n in names if n not in BENCHES]
    if unknown:
        note(f"there is no bench {unknown[0]}; the benches are: {' '.join(BENCHES)}")
        return 2
    status = 0
    (BUILD / "bench.jsonl").write_text("")
    load = os.getloadavg()[0]
    if load > 0.5:
        note(f"other work runs on this machine (load {load:.1f}): the figures are too low")
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
