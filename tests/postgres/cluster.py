# SPDX-License-Identifier: GPL-3.0-or-later
"""A private PostgreSQL server on a free loopback port, for as long as a with block lasts.

    with cluster.Cluster() as server:
        os.environ["SKERRY_TEST_DB"] = server.url

Nothing of an installed cluster is touched. PostgreSQL refuses to run as root, so root hands its server to
an unprivileged user. fsync is off: these tests kill our processes, never the server's machine. For the same reason its
files are in memory where there is room: every test makes and drops a hundred tables, which ext4 takes longer for than
PostgreSQL itself.

`with cluster.Citus()` is the same on a server with Citus and one worker of it, where Citus is installed (has_extension);
with SKERRY_TEST_CITUS=1 `cluster.usual()` is that, so that every suite can be tried there.
"""
import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PASSWORD = "s3cret-pass@word/50%"  # what must be escaped in a URL, and never be seen anywhere
PASSWORD_IN_URL = "s3cret-pass%40word%2F50%25"
START_TIMEOUT_S = 60
MEMORY_BYTES = 2 << 30  # a server takes a few hundred MiB at most, WAL_SETTINGS seen to
WAL_SETTINGS = ["max_wal_size=96MB", "min_wal_size=32MB"]


def programs():
    """The folder of initdb and postgres (15 or newer); None when they are not installed."""
    found = shutil.which("postgres")
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]), reverse=True)
    folders += [str(pathlib.Path(found).resolve().parent)] if found else []
    wanted = ("postgres", "initdb", "pg_isready", "psql")
    return next((f for f in folders if all(os.path.exists(f"{f}/{name}") for name in wanted)), None)


def has_extension(name):
    return any(pathlib.Path("/usr/share/postgresql").glob(f"*/extension/{name}.control"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def place(durable):
    """Where a server's folder is made: in memory, unless it must last or would not fit. None: where temporary files are."""
    shm = "/dev/shm"
    if durable or not os.access(shm, os.W_OK):
        return None
    there = os.statvfs(shm)
    with open("/proc/meminfo", encoding="ascii") as lines:
        available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
    return shm if min(there.f_bavail * there.f_frsize, available) >= MEMORY_BYTES else None


class Cluster:
    def __init__(self, durable=False, settings=()):
        self.bin = programs()
        if not self.bin:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        self.place = place(durable)
        self.settings = list(settings) + ([] if durable else ["fsync=off", "full_page_writes=off"])
        self.settings += WAL_SETTINGS if self.place else []
        self.process = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-pg-", dir=self.place))
        self.owner = {}
        if os.getuid() == 0:
            names = {p.pw_name: p for p in pwd.getpwall()}
            user = names.get("postgres") or names["nobody"]
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.owner:
            os.chown(secret, self.owner["user"], self.owner["group"])
        try:
            subprocess.run([f"{self.bin}/initdb", "-D", self.folder / "data", "-U", "skerry", "-A", "scram-sha-256",
                            "--pwfile", secret, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
                           check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.owner)
            self.port = free_port()
            self.start()
            self.sql("CREATE DATABASE skerry", database="postgres")
        except BaseException:
            self.__exit__()
            raise
        self.url = f"postgresql://skerry:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/skerry"
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}",
                    "max_connections=200", *self.settings]
        arguments = [x for s in settings for x in ("-c", s)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([f"{self.bin}/postgres", "-D", self.folder / "data", *arguments],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, **self.owner)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("PostgreSQL ended at once: " + self.log()[-1000:])
            if subprocess.run([f"{self.bin}/pg_isready", "-qh", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not start: " + self.log()[-1000:])

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast, connections are cut. SIGQUIT: at once, as after a crash."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def sql(self, text, database="skerry", schema=None):
        """Runs SQL; returns rows of texts."""
        return psql(text, host="127.0.0.1", port=self.port, database=database, schema=schema, bin=self.bin)


class Citus(Cluster):
    """Rows of distributed tables are in the database of the same name on `worker`."""

    def __init__(self, durable=False, settings=(), has_worker=True):
        settings = ["shared_preload_libraries=citus", "citus.node_conninfo=sslmode=prefer",
                    "citus.enable_statistics_collection=off", *settings]
        super().__init__(durable, settings)
        self.worker, self.has_worker = Cluster(durable, settings), has_worker

    def __enter__(self):
        with contextlib.ExitStack() as both:
            both.enter_context(self.worker)
            super().__enter__()
            both.push(super().__exit__)
            for server in (self.worker, self):
                server.sql("CREATE EXTENSION citus")
                server.sql(f"INSERT INTO pg_dist_authinfo VALUES (0, 'skerry', $$password='{PASSWORD}'$$)")
            if self.has_worker:
                self.add_worker()
            both.pop_all()
        return self

    def add_worker(self):
        self.sql(f"SELECT citus_set_coordinator_host('127.0.0.1', {self.port})")
        self.sql(f"SELECT citus_add_node('127.0.0.1', {self.worker.port})")

    def __exit__(self, *_):
        super().__exit__()
        self.worker.__exit__()


def usual(durable=False):
    return (Citus if os.environ.get("SKERRY_TEST_CITUS") == "1" else Cluster)(durable)


def psql(text, host, port, database, schema=None, bin=None):
    env = dict(os.environ, PGPASSWORD=PASSWORD)
    if schema:
        env["PGOPTIONS"] = f"-csearch_path={schema}"
    done = subprocess.run([f"{bin or programs()}/psql", "-XqAtF", "\x1f", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port),
                           "-U", "skerry", "-d", database, "-c", text], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{text}: {done.stderr}")
    return [line.split("\x1f") for line in done.stdout.splitlines()]
