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
import statistics
import subprocess
import sys
import tempfile
import time
import http.client

import mlflow_artifact as artifact_peer
import mlflow_peer

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / os.environ.get("BUILD", "build")))
SERVING = ROOT / "tests" / "interop" / "serving"
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
        ratio = theirs / max(ours, 0.001) if lower_is_better else ours / theirs
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


ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))  # of which the best counts, for both sides: other work can only slow a round down


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


BARE_QUEUE = """CREATE TABLE bare (id bigint PRIMARY KEY, state text NOT NULL, worker text, lease_until bigint);
CREATE INDEX bare_due ON bare (id) WHERE state = 'queued';
INSERT INTO bare SELECT i, 'queued' FROM generate_series(1, %d) i"""
BARE_CLAIM = """UPDATE bare SET state = 'running', worker = 'w', lease_until = 1 WHERE id IN
(SELECT id FROM bare WHERE state = 'queued' ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED);"""


def bare_claims(work, server, batch, count):
    """Rows/s that pgbench takes from the plainest queue there can be: one statement, one index, nothing told, prepared,
    four connections that do not wait for the disk."""
    for statement in ["DROP TABLE IF EXISTS bare", *(BARE_QUEUE % count).split(";\n"), "VACUUM ANALYZE bare"]:
        server.sql(statement)
    script = work / "bare.sql"
    script.write_text((BARE_CLAIM % batch).replace("\n", " ") + "\n")
    sys.path.insert(0, str(ROOT / "tests" / "postgres"))
    import cluster
    env = dict(os.environ, PGPASSWORD=cluster.PASSWORD, PGOPTIONS="-csynchronous_commit=off")
    done = subprocess.run([f"{server.bin}/pgbench", "-n", "-M", "prepared", "-c", "4", "-j", "4", "-t", str(count // batch // 4),
                           "-f", script, "-h", "127.0.0.1", "-p", str(server.port), "-U", "skerry", "skerry"],
                          env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return batch * float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))


def claims(server, how, *count):
    """Jobs/s from tables that are new, as those of the peer are each time."""
    for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
        server.sql(statement)
    done = subprocess.run([BUILD / "bench" / "claim_bench", server.url, "any", how, *count], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["ours"]


def job_claim(work):
    """Jobs taken off the queue: embedded, and from PostgreSQL as installed (durable) in the same run, beside a bare
    table on the same server. They take turns. "lasting" is so many that what was taken before shows."""
    c_bench("claim_bench", f"sqlite:{work}/claims.db", "embedded")
    sys.path.insert(0, str(ROOT / "tests" / "postgres"))
    import cluster
    if not cluster.programs():
        note("job-claim: PostgreSQL is not installed (tools/deps.sh bench)")
        return
    with cluster.Cluster(durable=True) as server:
        for how, batch, count in (("single", 1, 8000), ("batched", 64, 39936)):
            took = [(claims(server, how), bare_claims(work, server, batch, count)) for _ in range(ROUNDS)]
            ours, theirs = map(max, zip(*took))
            line(f"job-claim-{how}-postgres", ours, "jobs/s, 4 threads", "a bare table, pgbench", theirs)
        line("job-claim-lasting-postgres", claims(server, "single", "160000"), "jobs/s, one by one, 160,000 of them")


def serving(work):
    """Plays predicted by four versions and noted, each in a durable transaction of its own; and in memory."""
    c_bench("serving_bench", work / "serving", 10, 2)


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


def rps_predict(work):
    c_bench("predict_bench", os.environ.get("SKERRY_XGBOOST_LIB", ""))


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


RPS_PLAYS_REFERENCE = {1: 215, 8: 155}  # plays/s by clients, measured on the reference with models and SQLite


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def rps_play(work):
    """Rounds of rock, paper, scissors over HTTP: durable when they are answered, with twelve models in play, of
    which four are asked each time. The client checks every answer against the rules."""
    subprocess.run(["ninja", "-C", BUILD, "tests/http/rps_models"], check=True, stdout=sys.stderr)
    home = Home(work, "rps")
    subprocess.run([BUILD / "tests" / "http" / "rps_models", home.path], env=home.env, check=True)
    server = home.serve()
    try:
        def sim(policy, connections, games):
            told = json.loads(home.verb("rps", "sim", "--url", f"http://127.0.0.1:{home.port}", "--user", "dan", "--policy", policy,
                                        "--connections", str(connections), "--games", str(games), "--json"))
            if told["failures"] or told["mismatches"]:
                raise RuntimeError(f"{told['failures']} rounds refused, {told['mismatches']} answered wrongly")
            return told
        sim("logan", 8, 200)
        line("rps-play-rss", resident_mib(server.pid), "MiB, twelve models loaded", "reference", 383, lower_is_better=True)
        for policy in ("logan", "brian", "forrest"):
            before = cpu_s(server.pid)
            told = sim(policy, 64, 10000)
            line("rps-play" if policy == "logan" else f"rps-play-{policy}", told["roundsPerSecond"], "plays/s, 64 connections",
                 "reference, 8 clients", RPS_PLAYS_REFERENCE[8])
            line(f"rps-play-p50-{policy}", told["p50Ms"], "ms")
            line(f"rps-play-p99-{policy}", told["p99Ms"], "ms")
            line(f"rps-play-cpu-{policy}", (cpu_s(server.pid) - before) / told["rounds"] * 1e6, "us of processor time a play")
        told = sim("logan", 1, 500)
        line("rps-play-1", told["roundsPerSecond"], "plays/s, 1 client", "reference", RPS_PLAYS_REFERENCE[1])
        line("rps-play-p50-1", told["p50Ms"], "ms, 1 client", "reference", 4.4, lower_is_better=True)
        line("rps-play-rss-after", resident_mib(server.pid), "MiB, after it", "reference", 383, lower_is_better=True)
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


RECOVERIES = 5


def worker_recovery(work):
    """A worker is killed in the middle of a training: how long until another has its job, in leases of 4 s. The
    workers, PostgreSQL and an S3 server are on this machine, in network namespaces of their own."""
    subprocess.run([ROOT / "tools" / "interop.sh", "--prepare", "s3"], check=True, stdout=sys.stderr)
    python = ROOT / "build" / "interop-venv" / "bin" / "python"
    done = subprocess.run([python, ROOT / "bench" / "worker_recovery.py", str(RECOVERIES)], check=True,
                          stdout=subprocess.PIPE)
    took = sorted(map(json.loads, done.stdout.decode().splitlines()))
    line("worker-recovery", took[len(took) // 2], f"leases, median of {RECOVERIES}", lower_is_better=True)
    line("worker-recovery-worst", took[-1], "leases", lower_is_better=True)


OUTBOX_ROUNDS = 7


def ordinary_p99(port):
    """Of a route that reads the store, under the load of eight clients; in microseconds."""
    out = subprocess.run(["wrk", "-t1", "-c8", "-d3s", "--latency", f"http://127.0.0.1:{port}/v1/runs?limit=20"],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    value, unit = re.search(r"\s+99%\s+([\d.]+)(us|ms|s)", out).groups()
    if "Non-2xx" in out:
        raise RuntimeError("wrk saw errors: " + out)
    return float(value) * {"us": 1, "ms": 1000, "s": 1e6}[unit]


def outbox(work):
    """Two servers with the same data, one with a Loki and a collector that accept connections and never answer.
    They take turns, so that what else the machine does hits both."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(16)
        away = f"http://127.0.0.1:{hole.getsockname()[1]}"
        homes = [Home(work, "outbox-without"), Home(work, "outbox-with")]
        homes[1].env.update(SKERRY_LOKI_URL=away, SKERRY_OTLP_URL=away, SKERRY_KAFKA_BROKERS="127.0.0.1:9")
        servers = []
        try:
            for home in homes:
                for _ in range(20):
                    home.verb("collect", "--json")
                servers.append(home.serve())
            for home in homes:
                ordinary_p99(home.port)
            rounds = [[ordinary_p99(home.port) for home in homes] for _ in range(OUTBOX_ROUNDS)]
            without, beside = (sorted(values)[OUTBOX_ROUNDS // 2] for values in zip(*rounds))
            line("outbox-p99", beside, f"us, median of {OUTBOX_ROUNDS}", "without destinations", without, lower_is_better=True)
            line("outbox-rss", (resident_bytes(servers[1].pid) - resident_bytes(servers[0].pid)) / 2 ** 20, "MiB more",
                 lower_is_better=True)
        finally:
            for server in servers:
                stop(server)
    for home in homes:
        shutil.rmtree(home.path)
ARTIFACT_ROUNDS = ROUNDS


def beside_mlflow(work, measure, database=""):
    """(name, measure(server)) of each kind of `mlflow server`, one after the other. One that breaks off is said, the
    others are measured all the same, and then it is an error."""
    broken = []
    for kind, options in mlflow_peer.KINDS:
        name, got = f"mlflow {mlflow_peer.VERSION}, {kind}", None
        with mlflow_peer.Server(BUILD, work / "mlflow", options, database) as peer:
            try:
                got = measure(peer)
            except (subprocess.CalledProcessError, RuntimeError, OSError) as problem:
                note(f"{name} broke off: {problem}\n{peer.log()}")
                broken.append(name)
        shutil.rmtree(work / "mlflow")
        if got is not None:
            yield name, got
    if broken:
        raise RuntimeError("broke off: " + "; ".join(broken))


def mlflow_artifact(work):
    """A gigabyte (BENCH_BYTES) up and down, beside `mlflow server`. Each server alone, one after the other."""
    home = Home(work, "artifact-home")
    server = home.serve()
    try:
        ours = artifact_peer.measure(server.pid, home.port, ARTIFACT_ROUNDS)
    finally:
        stop(server)
    shutil.rmtree(home.path)
    unit = f"MB/s, best of {ARTIFACT_ROUNDS}"
    for peer, theirs in beside_mlflow(work, lambda s: artifact_peer.measure(s.process.pid, s.port, ARTIFACT_ROUNDS)):
        line("mlflow-artifact-up", ours["up"], unit, peer, theirs["up"])
        line("mlflow-artifact-down", ours["down"], unit, peer, theirs["down"])
        line("mlflow-artifact-up-growth", ours["up_mb"], "MB of memory", peer, theirs["up_mb"], lower_is_better=True)
        line("mlflow-artifact-down-growth", ours["down_mb"], "MB of memory", peer, theirs["down_mb"], lower_is_better=True)
    line("mlflow-artifact-disk", artifact_peer.disk(work, os.O_DIRECT, ARTIFACT_ROUNDS), "MB/s, the disk alone, past its cache")
    line("mlflow-artifact-disk-cached", artifact_peer.disk(work, 0, ARTIFACT_ROUNDS), "MB/s, the disk alone, through its cache")
    line("mlflow-artifact-sha256", artifact_peer.digest(), "MB/s, SHA-256 alone")


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


def mlflow_load(url, cpu, requests, *more):
    """The load program's figures, with metrics a second of the server's processor time among them."""
    before = cpu()
    done = subprocess.run([sys.executable, ROOT / "bench" / "mlflow_load.py", url, "4", str(requests), *more],
                          stdout=subprocess.PIPE, check=True)
    got = json.loads(done.stdout)
    return dict(got, metrics_per_cpu_s=got["metrics"] / (cpu() - before))


def mlflow_log_batch(work):
    """log-batch over HTTP, 1000 metrics a request on four open connections, durable: ours, and `mlflow server` with
    its defaults (four workers), with one and with four, on SQLite, with the same load program."""
    def best(rounds, figure):
        return max(r[figure] for r in rounds)
    home, wide = Home(work, "mlflow-home"), ("--keys", "1000")
    server = home.serve()
    try:
        url, cpu = f"http://127.0.0.1:{home.port}", lambda: cpu_s(server.pid)
        ours = [mlflow_load(url, cpu, 100) for _ in range(ROUNDS)]
        ours_wide = [mlflow_load(url, cpu, 50, *wide) for _ in range(ROUNDS)]
    finally:
        stop(server)
    def load(peer):
        mlflow_load(peer.url, peer.cpu_s, 1)
        return ([mlflow_load(peer.url, peer.cpu_s, 5) for _ in range(ROUNDS)],
                [mlflow_load(peer.url, peer.cpu_s, 5, *wide) for _ in range(ROUNDS)])

    for name, (theirs, theirs_wide) in beside_mlflow(work, load):
        for suffix, figure, unit in (("", "metrics_per_s", "metrics/s"),
                                     ("-cpu", "metrics_per_cpu_s", "metrics/s of the server's processor time")):
            line("mlflow-log-batch" + suffix, best(ours, figure), unit, name, best(theirs, figure))
            line("mlflow-log-batch-1000-keys" + suffix, best(ours_wide, figure), unit, name, best(theirs_wide, figure))
    line("mlflow-log-batch-p99", min(r["p99_ms"] for r in ours), "ms, 4 connections")
    shutil.rmtree(home.path)


def mlflow_otlp(work):
    """Spans over OTLP/HTTP in protobuf, 512 an export, 8 a trace, durable: ours, and `mlflow server` on SQLite, with the
    same program. On one connection, and on four."""
    program = ROOT / "bench" / "mlflow_otlp.py"

    def spans(url, connections, requests):
        done = subprocess.run([sys.executable, program, url, str(connections), str(requests)], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)["spans_per_s"]

    home = Home(work, "mlflow-home")
    server = home.serve()
    try:
        ours = {n: max(spans(f"http://127.0.0.1:{home.port}", n, 100) for _ in range(ROUNDS)) for n in (1, 4)}
    finally:
        stop(server)
    def load(peer):
        spans(peer.url, 1, 1)
        return {n: max(spans(peer.url, n, 4) for _ in range(ROUNDS)) for n in (1, 4)}

    for name, theirs in beside_mlflow(work, load):
        for n in ours:
            line(f"mlflow-otlp-{n}", ours[n], "spans/s", name, theirs[n])
    shutil.rmtree(home.path)


SEARCH_RUNS = int(os.environ.get("BENCH_RUNS", "20000"))


def mlflow_search_ask(url, pid, rounds, pages):
    done = subprocess.run([sys.executable, ROOT / "bench" / "mlflow_search.py", "ask", url, str(rounds), str(pages), "--pid", str(pid)],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def mlflow_search_fill(kind, store):
    subprocess.run([sys.executable, ROOT / "bench" / "mlflow_search.py", "fill", kind, store, str(SEARCH_RUNS), "100"], check=True)


def mlflow_search_ours(work, store=None):
    """`store`: a PostgreSQL URL; else the embedded one."""
    home = Home(work, "mlflow-home")
    if store:
        home.env["SKERRY_DB"] = store
    stop(home.serve())
    mlflow_search_fill("skerry", store or home.path / "skerry.db")
    server = home.serve()
    try:
        return mlflow_search_ask(f"http://127.0.0.1:{home.port}", server.pid, 40, SEARCH_RUNS // 100)
    finally:
        stop(server)
        shutil.rmtree(home.path)


def mlflow_search(work):
    """runs/search over HTTP among 20,000 runs (BENCH_RUNS) with 100 metrics each, pages of 100: ours, and `mlflow server`
    with its defaults (four workers), with one and with four, on SQLite files with the same rows, asked by the same
    program; ours on PostgreSQL beside ours embedded. p50, p95 and processor time of all searches, and of each kind; `first` is a walk
    through all runs before any was read."""
    def lines(name, ours, peer=None, theirs=None):
        for kind in ours:
            for figure, unit in (("p50", "ms, p50"), ("p95", "ms, p95"), ("cpu_ms", "ms of the server's processor time a search")):
                line(f"{name}{'' if kind == 'all' else '-' + kind}{dict(p50='-p50', p95='', cpu_ms='-cpu')[figure]}", ours[kind][figure],
                     unit, peer, theirs and theirs[kind][figure], lower_is_better=True)

    ours = mlflow_search_ours(work)

    def fill_peer(path):
        shutil.copy(mlflow_peer.empty(BUILD), path)
        mlflow_search_fill("mlflow", path)

    database = mlflow_peer.kept(BUILD, f"{SEARCH_RUNS}-runs", fill_peer)
    for name, theirs in beside_mlflow(work, lambda peer: mlflow_search_ask(peer.url, peer.process.pid, 5, 10), database):
        lines("mlflow-search", ours, name, theirs)
    sys.path.insert(0, str(ROOT / "tests" / "postgres"))
    import cluster
    if not cluster.programs():
        note("mlflow-search-postgres: PostgreSQL is not installed (tools/deps.sh bench)")
        return
    with cluster.Cluster(durable=True, settings=["shared_buffers=256MB", "max_wal_size=4GB"]) as server:
        lines("mlflow-search-postgres", mlflow_search_ours(work, server.url), "embedded", ours)


def scoring_load(url, connections, rows=1):
    done = subprocess.run([sys.executable, ROOT / "bench" / "scoring_load.py", url, str(connections), "5", str(rows)],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def scoring_figures(url):
    """Of one request at a time, four, and one of a thousand rows."""
    return scoring_load(url, 1), scoring_load(url, 4), scoring_load(url, 1, 1000)


def invocations(work):
    """A classifier of xgboost that MLflow logged: ours, and `mlflow models serve` on the same files. MLFLOW names the
    mlflow program of an environment with xgboost (else the one of make interop), whose libxgboost both use."""
    program = os.environ.get("MLFLOW") or next(iter(sorted(BUILD.glob("mlflow-3*-venv/bin/mlflow"))), None)
    library = program and next(pathlib.Path(program).parent.parent.glob("lib/python*/site-packages/xgboost/lib/libxgboost.so"),
                               None)
    folder = SERVING / "models" / ("3" if library else "2.22") / "classifier"
    sys.path.insert(0, str(ROOT / "tests" / "http"))
    sys.path.insert(0, str(SERVING))
    import harness
    import record
    import world
    server = harness.Server(env={"SKERRY_XGBOOST_LIB": str(library)} if library else {})
    try:
        world.add(server, "classifier", 1, folder, "live")
        ours = scoring_figures(f"http://127.0.0.1:{server.port}/v1/models/classifier/live/invocations")
    finally:
        server.close()
    theirs, peer = None, None
    if library:
        peer = "mlflow models serve"
        process, url = record.serve(str(folder), str(pathlib.Path(program).parent))
        try:
            theirs = scoring_figures(url + "/invocations")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    else:
        note("invocations: there is no mlflow program with xgboost (set MLFLOW): no peer")
    for at, name in enumerate(("invocations", "invocations-4", "invocations-1000-rows")):
        line(name, ours[at]["requests_per_s"], "requests/s", peer, theirs and theirs[at]["requests_per_s"])
        line(name + "-p50", ours[at]["p50_ms"], "ms", peer, theirs and theirs[at]["p50_ms"], lower_is_better=True)


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

def rps_features(work):
    c_bench("rps_features")


def rps_people(work):
    """People never seen in training, every one of them: four folds, a quarter of an hour of processor time. RPS_FOLDS=1 judges
    a quarter of the people; RPS_STRIDE=4 trains the families on a quarter of the rounds, RPS_STRIDE=0 leaves them out."""
    data = SHARED / "data" / "rps"
    if not data.exists():
        note("rps-people: the logs of play are not there (SKERRY_SHARED/data/rps)")
        return
    c_bench("rps_people", data, os.environ.get("RPS_FOLDS", "4"), os.environ.get("RPS_STRIDE", "1"))


def web_load(kind, url, *more):
    done = subprocess.run([BUILD / "interop-venv" / "bin" / "python", ROOT / "bench" / "web_load.py", kind, url, *map(str, more)],
                          stdout=subprocess.PIPE, check=True)
    return [json.loads(figure) for figure in done.stdout.splitlines()]


def web(work):
    """The web UI in Chromium, with 50,000 runs (BENCH_RUNS) and a history of 1,000,000 points (BENCH_POINTS) made over the API, and
    MLflow's table of as many runs. web_load.py says what is measured."""
    runs, points = int(os.environ.get("BENCH_RUNS", "50000")), int(os.environ.get("BENCH_POINTS", "1000000"))
    subprocess.run([ROOT / "tools" / "interop.sh", "--prepare", "web"], check=True, stdout=sys.stderr)

    def fill_peer(path):
        shutil.copy(mlflow_peer.empty(BUILD), path)
        subprocess.run([sys.executable, ROOT / "bench" / "mlflow_search.py", "fill", "mlflow", path, str(runs), "5"], check=True)

    with mlflow_peer.Server(BUILD, work / "mlflow", database=mlflow_peer.kept(BUILD, f"{runs}-runs-5", fill_peer)) as peer:
        theirs = statistics.median(web_load("mlflow", peer.url, 5)[0]["ms"])
    home = Home(work, "web-home")
    server, url = home.serve(), f"http://127.0.0.1:{home.port}"
    try:
        for name, value, unit in web_load("all", url, json.dumps(web_load("fill", url, runs, points)[0])):
            line(name, value, unit, *((f"mlflow {mlflow_peer.VERSION}", theirs) if name == "web-runs" else ()), lower_is_better=True)
    finally:
        stop(server)
        shutil.rmtree(home.path)


BENCHES = {"pgn-legal": pgn_legal, "pgn-import": pgn_import, "pgn-import-postgres": pgn_import_postgres,
           "job-claim": job_claim, "serving": serving, "perft": perft, "store": store, "dataset": dataset,
           "predict": predict, "footprint": footprint,
           "train": train, "s3": s3, "outbox": outbox, "worker-recovery": worker_recovery,
           "invocations": invocations, "mlflow-artifact": mlflow_artifact, "mlflow-log-batch": mlflow_log_batch,
           "mlflow-search": mlflow_search, "mlflow-otlp": mlflow_otlp,
           "rps-features": rps_features, "rps-people": rps_people, "rps-predict": rps_predict, "rps-play": rps_play,
           "web": web}


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
