# SPDX-License-Identifier: GPL-3.0-or-later
"""The real `mlflow server` as a peer: from PyPI in an environment of its own in the build folder, with its
defaults (SQLite, four worker processes) or other options, in a folder of its own on 127.0.0.1.

    with mlflow_peer.Server(build, work / "mlflow", ["--workers", "1"]) as server: ... server.url

Two things are not as installed, for the figures to come about at all on a busy machine; neither makes it slower.
Uvicorn ends a worker that did not answer it for 5 seconds, with what it was at: it waits for an hour. SQLite gives up
on a lock after 5 seconds, which becomes a 500: it waits for two minutes.

An empty database takes MLflow half a minute to make, and one with 20,000 runs is filled past it: both are made once and
kept in the build folder.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

VERSION = "3.17.2"
START_TIMEOUT_S = 600
PATIENCE = ["--uvicorn-opts", "--timeout-worker-healthcheck 3600"]
# What a bench is run beside, one after the other: its name in the figures, and its options.
KINDS = (("defaults", []), ("1 worker", ["--workers", "1"]), ("4 workers", ["--workers", "4"]))


def python(build):
    """The environment's Python; makes the environment the first time."""
    venv = build / "mlflow-3-venv"
    if not (venv / "bin" / "mlflow").exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, stdout=sys.stderr)
        subprocess.run([venv / "bin" / "pip", "install", "-q", "--disable-pip-version-check", f"mlflow=={VERSION}"],
                       check=True, stdout=sys.stderr)
    return venv / "bin" / "python"


def kept(build, name, make):
    """A database that is made once: make(path of one that is empty), if there is one."""
    path = build / "mlflow-peer" / f"{VERSION}-{name}.db"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        make(unfinished)
        unfinished.rename(path)
    return path


def empty(build):
    def make(path):
        home = path.with_suffix(".home")
        with Server(build, home, ["--workers", "1"], database=None):
            pass
        shutil.move(home / "mlflow.db", path)
        shutil.rmtree(home)
    return kept(build, "empty", make)


class Server:
    """database: a file that it begins with, or its own: None for a new one, by default one that is empty."""

    def __init__(self, build, home, options=(), database=""):
        self.program, self.home, self.options = python(build), home, list(options)
        self.database = empty(build) if database == "" else database

    def __enter__(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        if self.database:
            shutil.copy(self.database, self.home / "mlflow.db")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        env.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", PYTHONWARNINGS="ignore", GIT_PYTHON_REFRESH="quiet")
        with open(self.home / "log.txt", "wb") as log:
            self.process = subprocess.Popen(
                [self.program, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
                 "--backend-store-uri", f"sqlite:///{self.home}/mlflow.db?timeout=120",
                 "--artifacts-destination", str(self.home / "artifacts"), *PATIENCE, *self.options],
                env=env, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.url, self.port = f"http://127.0.0.1:{port}", port
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5).close()
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise RuntimeError("mlflow server did not start: " + self.log())

    def log(self):
        """The end of what it said."""
        return (self.home / "log.txt").read_text(errors="replace")[-2000:]

    def cpu_s(self):
        """Processor time of the server and its workers."""
        total = 0
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{int(name)}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
            except (ValueError, OSError):
                continue  # no process, or one that has ended
            if int(fields[2]) == self.process.pid:  # its group
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)  # its workers too: a group that it leads
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
