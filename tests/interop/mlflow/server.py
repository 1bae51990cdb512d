# SPDX-License-Identifier: GPL-3.0-or-later
"""A real `mlflow server` in a folder of its own, on a free port of 127.0.0.1: `with Server("3") as server`."""
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SUITES = ("2.22", "3")
START_TIMEOUT_S = 180
# gunicorn ends a worker after 30 s: with gigabytes on a slow machine, in the middle of an answer.
OPTIONS = {"2.22": ["--gunicorn-opts", "--timeout 600"], "3": []}
# Experiments of a recording count from here, so that their ids can be told from other numbers in a text.
FIRST_EXPERIMENT = 710000000


def venv(suite):
    """Where run.sh puts the environment of a suite."""
    return ROOT / "build" / f"mlflow-{suite}-venv"


def quiet_env():
    """No telemetry, no settings of the caller, and times that do not depend on where we are."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "GIT_"))}
    env.update(MLFLOW_DISABLE_TELEMETRY="true",
               MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", DO_NOT_TRACK="true", TZ="UTC", PYTHONWARNINGS="ignore", PYTHONHASHSEED="0",
               GIT_PYTHON_REFRESH="quiet", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", no_proxy="127.0.0.1")
    return env


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, suite):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-real-"))
        self.url = f"http://127.0.0.1:{free_port()}"
        python = venv(suite) / "bin" / "python"
        self.log = open(self.home / "log.txt", "wb")
        self.process = subprocess.Popen(
            [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", self.url.rsplit(":", 1)[1],
             "--workers", "1", "--backend-store-uri", f"sqlite:///{self.home}/mlflow.db",
             "--artifacts-destination", str(self.home / "artifacts"), *OPTIONS[suite]],
            env=quiet_env(), cwd=self.home, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True)
        try:
            self.wait()
            self.raise_experiment_ids()
        except BaseException:
            self.close()
            raise

    def wait(self):
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError("mlflow server did not start: " + (self.home / "log.txt").read_text()[-2000:])

    def raise_experiment_ids(self):
        """A row in no life cycle stage, which no search can find, but from which SQLite counts on."""
        with sqlite3.connect(self.home / "mlflow.db", timeout=30) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (?, '-', 'hidden')",
                       (FIRST_EXPERIMENT,))
        db.close()

    def close(self):
        # mlflow starts its workers as children: the whole group was started by us.
        for sig, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, sig)
                self.process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()
