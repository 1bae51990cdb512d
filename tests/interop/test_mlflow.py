# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's side, on SQLite and on PostgreSQL: what its servers were asked and answered, its real clients, its real
servers as a source and as a mirror, and its scoring server beside ours. See mlflow/README.md and serving/README.md.

Every session is a test. What runs for itself runs beside the others, two at a time, from the first test on; a test
waits for what it asks about.
"""
import concurrent.futures
import contextlib
import os
import pathlib
import subprocess
import sys
import unittest

import world  # noqa: F401 -- puts tests/http on the path

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(world.ROOT / "tests" / "postgres"))   # last: it has a test_postgres of its own
sys.path.append(str(HERE / "mlflow"))
import cluster  # noqa: E402
import golden  # noqa: E402
import harness  # noqa: E402
import moves  # noqa: E402
import replay  # noqa: E402

SUITES = ("2.22", "3")
ENGINES = ("sqlite", "postgres")
AT_ONCE = 2
TIMEOUT_S = 1800   # for one program: idle it is a minute
LISTED = "what is listed occurs"
LOG = "the server logged no error"


class Shared:
    """The PostgreSQL server, and what runs."""
    db = pool = None
    running = {}

    @classmethod
    def start(cls):
        if not cluster.programs():
            raise AssertionError("PostgreSQL is not installed: tools/deps.sh interop installs it")
        cls.db = cluster.Cluster()
        cls.db.__enter__()
        cls.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        cls.running = {part: cls.pool.submit(run, *part) for run, parts in PARTS for part in parts}

    @classmethod
    def stop(cls):
        cls.pool.shutdown(cancel_futures=True)
        cls.db.__exit__()


setUpModule, tearDownModule = Shared.start, Shared.stop


@contextlib.contextmanager
def fresh(engine, name, found):
    """A new server; what is wrong in its log is found."""
    env = {}
    if engine == "postgres":
        schema = name.replace("-", "_").replace(".", "_")
        Shared.db.sql(f"CREATE SCHEMA {schema}")
        env["SKERRY_DB"] = f"{Shared.db.url}?options=-csearch_path%3D{schema}"
    server = harness.Server(env=env)
    try:
        yield f"http://127.0.0.1:{server.port}"
        server.stop()
        errors = server.unexpected_errors()
        found[LOG] = f"it logged {errors[:3]}" if errors else None
    finally:
        server.close()


def replayed(part, suite, engine):
    """Each recorded session: None, or how many of its exchanges differ for no listed reason."""
    found, counts = {}, [0, 0, 0, 0]
    listed = replay.Listed(replay.HERE / "differences.toml")
    with fresh(engine, f"{part}_{suite}", found) as url:
        for path in recorded(suite):
            played = replay.play(url, suite, path, listed, 5)
            counts = [a + b for a, b in zip(counts, played)]
            found[path.stem] = f"{played[-1]} exchanges differ for no listed reason: see above" if played[-1] else None
    stale = list(listed.stale([suite], ()))
    found[LISTED] = f"these do not: {stale}" if stale else None
    found["says"] = f"MLflow {suite} on {engine}: {replay.counted(*counts)}"
    return found


def recorded(suite, name="*"):
    return [p for p in sorted((replay.HERE / "golden" / suite).glob(name + ".ndjson")) if not golden.read(p)[0].get("big")]


def program(command, engine):
    """Its lines "ok NAME..." and "FAILED NAME...", and all that it said where one is missing."""
    env = {k: v for k, v in os.environ.items() if k != "SKERRY_TEST_DB"}
    env.update(SKERRY_BINARY=harness.BINARY, PYTHONUNBUFFERED="1")
    if engine != "sqlite":
        env["SKERRY_TEST_DB"] = Shared.db.url
    done = subprocess.run([str(c) for c in command], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TIMEOUT_S, text=True, errors="replace")
    names = [line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("ok ")]
    return done.returncode, names, done.stdout


def told(names, wanted, output):
    return {name: None if name in names else "it failed:\n" + output[-6000:] for name in wanted}


def clients(part, suite, engine):
    found = {}
    with fresh(engine, f"{part}_{suite}", found) as url:
        _, names, output = program([HERE / "mlflow" / "run.sh", "clients", "--suite", suite, url], "sqlite")
    return {**found, **told(names, client_sessions(suite), output)}


def client_sessions(suite):
    return [p.stem for p in recorded(suite, "client-*")]


def moved(part, suite, engine):
    _, names, output = program([HERE / "mlflow" / "run.sh", "moves", "--suite", suite, "--binary", harness.BINARY], engine)
    return told(names, moves.STEPS, output)


def served(part, suite, engine):
    status, _, output = program([HERE / "serving" / "run.sh", part, suite], engine)
    return {part: None if status == 0 else "it failed:\n" + output[-6000:]}


def proved(part, suite, engine):
    """The replay finds every change of an answer: it is worth something that it finds none."""
    status, _, output = program([HERE / "mlflow" / "run.sh", "prove", "--parrot", "--suite", suite], engine)
    return {part: None if status == 0 else "it failed:\n" + output[-6000:]}


# The longest first, since two run at a time. moves tries both engines with one real server.
PARTS = ((moved, [("moves", s, "both") for s in SUITES]),
         (clients, [("clients", s, e) for e in ENGINES for s in SUITES]),
         (replayed, [("replay", s, e) for e in ENGINES for s in SUITES]),
         (proved, [("prove", s, "sqlite") for s in SUITES]),
         (served, [(p, s, e) for p in ("live", "compare") for e in ENGINES for s in SUITES]))


class Session(unittest.TestCase):
    def __init__(self, part, name):
        super().__init__("holds")
        self.part, self.name = part, name

    def __str__(self):
        part, suite, engine = self.part
        return f"mlflow {part} {suite} {engine}: {self.name}"

    def holds(self):
        found = Shared.running[self.part].result(2 * TIMEOUT_S)
        if self.name == LISTED:
            print(found["says"], flush=True)
        self.assertIn(self.name, found)
        self.assertIsNone(found[self.name], found[self.name])


def sessions(part):
    name, suite, _ = part
    return {"replay": lambda: [p.stem for p in recorded(suite)] + [LISTED, LOG],
            "clients": lambda: client_sessions(suite) + [LOG],
            "moves": lambda: moves.STEPS}.get(name, lambda: [name])()


def load_tests(_loader, _tests, _pattern):
    return unittest.TestSuite(Session(part, name) for _, parts in PARTS for part in parts for name in sessions(part))
