# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the real program in a temporary folder and speaks HTTP with it.

    class Upload(harness.ServerTest):
        def test_empty_file_is_refused(self):
            reply = self.server.post("/v1/ingest", raw=b"")
            self.assertEqual(reply.status, 400)

A ServerTest class has one server for all its tests, on a free port, with its own home that is removed at
the end. When the server stops, its log is read: an error line that no test announced (self.server.
expect_error) fails the class. SKERRY_BINARY names the program; without it build/skerry is taken.
With SKERRY_TEST_DB, the URL of a PostgreSQL database, each home gets a schema of its own in it. With SKERRY_TEST_BLOBS, settings
of an S3 store as JSON, each home keeps its blobs below a prefix of its own there; "folder" is where that store keeps its files.
"""
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SKERRY_BINARY") or str(ROOT / "build" / "skerry")
EXAMPLES = ROOT / "examples"
SHARED = pathlib.Path(os.environ.get("SKERRY_SHARED") or ROOT.parent / "shared")

START_TIMEOUT_S = 60  # sanitizer builds are slow, and so may the machine be
JOB_TIMEOUT_S = 180


def use_database(url):
    """Servers from now on are on PostgreSQL, or with None on SQLite. For a program that tries both."""
    global TEST_DB, cluster
    TEST_DB = url
    if url:
        sys.path.append(str(ROOT / "tests" / "postgres"))   # last: it has names that others have, too
        import cluster


use_database(os.environ.get("SKERRY_TEST_DB"))
TEST_BLOBS = json.loads(os.environ.get("SKERRY_TEST_BLOBS") or "null")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def multipart(fields, files):
    """files: name -> (filename, bytes). Returns (content type, body)."""
    boundary = uuid.uuid4().hex
    out = bytearray()
    for name, value in fields.items():
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, (filename, content) in files.items():
        out += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n").encode()
        out += content + b"\r\n"
    out += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(out)


def until(holds, what, timeout_s=60):
    """Waits for what comes behind a reply (a count, a line, a push); returns what `holds` found."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = holds()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {timeout_s} s")


class Server:
    def __init__(self, home=None, env=None, start=True):
        self.owns_home = home is None
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="skerry-test-"))
        self.extra_env = env or {}
        self.port = free_port()
        self.process = None
        self.expected_errors = []
        self.schema = "home_" + hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        if TEST_DB:
            self.sql(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
        if start:
            self.start()

    # ------------------------------------------------------------------ process

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SKERRY_", "API_"))}
        # Tests ask more often than people; those about the limits set their own.
        env.update(SKERRY_HOME=str(self.home), API_PORT=str(self.port), SKERRY_RATE_PERCENT="0")
        if TEST_DB:
            env["SKERRY_DB"] = f"{TEST_DB}?options=-csearch_path%3D{self.schema}"
        if TEST_BLOBS:
            env.update(SKERRY_BLOBS=f"s3://{TEST_BLOBS['bucket']}/{self.schema}", SKERRY_S3_ENDPOINT=TEST_BLOBS["endpoint"],
                       SKERRY_S3_REGION=TEST_BLOBS["region"], SKERRY_S3_ACCESS_KEY=TEST_BLOBS["access"],
                       SKERRY_S3_SECRET_KEY=TEST_BLOBS["secret"], SKERRY_S3_CREATE_BUCKET="true")
        env.update(self.extra_env)
        return env

    def shared(self):
        """What a second server of the same installation is told: the same database, the same blobs."""
        env = {k: v for k, v in self.environment().items() if k == "SKERRY_DB" or k.startswith(("SKERRY_S3", "SKERRY_BLOBS"))}
        env.setdefault("SKERRY_BLOBS", f"file:{self.home}/blobs")
        return env

    @property
    def objects(self):
        """The folder of the blobs' files, ab/cdef...: ours, or the S3 store's."""
        if TEST_BLOBS:
            return pathlib.Path(TEST_BLOBS["folder"]) / TEST_BLOBS["bucket"] / self.schema / "objects"
        return self.home / "blobs" / "objects"

    @property
    def half_written(self):
        """Files of blobs that are being written; none when nobody writes."""
        return list((self.home / ("s3" if TEST_BLOBS else "blobs") / "tmp").iterdir())

    def age_objects(self):
        """On a shared store another server might be about to refer to young objects: there they stay for an hour."""
        old = time.time() - 7200
        for path in self.objects.glob("*/*") if TEST_DB or TEST_BLOBS else ():
            os.utime(path, (old, old))

    def sql(self, text, *values):
        """Looks into the store, or changes it, behind the program's back; returns rows. Values stand as ?."""
        if TEST_DB:
            for value in values:
                text = text.replace("?", str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'", 1)
            url = urllib.parse.urlsplit(TEST_DB)
            rows = cluster.psql(text, url.hostname, url.port, url.path[1:], self.schema)
            return [tuple(int(x) if x.lstrip("-").isdigit() else x for x in row) for row in rows]
        with sqlite3.connect(self.home / "skerry.db", timeout=30) as connection:
            rows = connection.execute(text, values).fetchall()
        connection.close()
        return rows

    def start(self):
        self.stderr = open(self.home / "stderr.txt", "ab")
        self.process = subprocess.Popen([BINARY, "serve"], env=self.environment(), cwd=self.home,
                                        stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended at once with {self.process.returncode}: "
                                     + self.stderr_text()[-2000:])
            try:
                if self.get("/health").status == 200:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the server did not answer: " + self.stderr_text()[-2000:])

    def stderr_text(self):
        return (self.home / "stderr.txt").read_text(errors="replace")

    def kill(self):
        """kill -9"""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.stderr.close()
        self.process = None

    def stop(self):
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not stop within a minute: " + self.stderr_text()[-2000:])
        self.stderr.close()
        self.process = None
        if code != 0:  # what the test says of it would be the number only
            print(f"the server ended with {code}: {self.stderr_text()[-2000:]}", file=sys.stderr)
        return code

    def close(self):
        try:
            code = self.stop()
            if code != 0:
                raise AssertionError(f"the server ended with {code}: " + self.stderr_text()[-2000:])
        finally:
            if self.owns_home and TEST_DB:
                self.sql(f"DROP SCHEMA {self.schema} CASCADE")
            if self.owns_home and TEST_BLOBS:
                shutil.rmtree(self.objects.parent, ignore_errors=True)
            if self.owns_home:
                shutil.rmtree(self.home, ignore_errors=True)

    def cli(self, *args, input=None, check=True):
        """Runs `skerry ARGS` on this home."""
        done = subprocess.run([BINARY, *map(str, args)], env=self.environment(), cwd=self.home, input=input,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        if check and done.returncode != 0:
            raise AssertionError(f"{args} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
        return done

    # ------------------------------------------------------------------ HTTP

    def cli_killed(self, after_s, *args):
        """Starts a verb and ends it with kill -9 after that time; its exit code, negative when the blow hit it."""
        process = subprocess.Popen([BINARY, *map(str, args)], env=self.environment(), cwd=self.home, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        return process.wait()

    def request(self, method, path, body=None, headers=None, timeout=120):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.request("GET", path, headers=headers)

    def post(self, path, json_body=None, raw=None, files=None, fields=None, headers=None):
        headers = dict(headers or {})
        if files is not None or fields is not None:
            headers["Content-Type"], raw = multipart(fields or {}, files or {})
        elif json_body is not None:
            headers["Content-Type"] = "application/json"
            raw = json.dumps(json_body).encode()
        else:
            headers.setdefault("Content-Type", "application/octet-stream")
        return self.request("POST", path, body=raw if raw is not None else b"", headers=headers)

    def metric(self, name, **labels):
        """The sum of a metric's series that carry these labels; None when there is none."""
        total = None
        for line in self.get("/metrics").text.splitlines():
            if line.startswith("#") or not line.startswith(name):
                continue
            series, _, value = line.rpartition(" ")
            if series != name and not series.startswith(name + "{"):
                continue
            if all(f'{k}="{v}"' in series for k, v in labels.items()):
                total = (total or 0) + float(value)
        return total

    def wait(self, path, done, timeout=JOB_TIMEOUT_S):
        """Polls a JSON address until done(body) holds; returns the body."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            reply = self.get(path)
            if reply.status != 200:
                raise AssertionError(f"{path}: {reply}")
            if done(reply.json()):
                return reply.json()
            time.sleep(0.05)
        raise AssertionError(f"{path} is still {reply.json()} after {timeout} s")

    # ------------------------------------------------------------------ log

    def log_lines(self):
        for file in sorted((self.home / "logs").glob("log-*.ndjson")):
            for line in file.read_text(errors="replace").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # a line that a kill cut off

    def logged(self, event, timeout=60, **fields):
        """Lines of an event with these fields. Lines reach the file a moment after what they tell of."""
        deadline = time.monotonic() + timeout
        while True:
            found = [line for line in self.log_lines() if line.get("event") == event
                     and all(line.get(k) == v for k, v in fields.items())]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def expect_error(self, event):
        """A log line of level error with this event is what the test wants."""
        self.expected_errors.append(event)

    def unexpected_errors(self):
        """A failed run's span says again what its line said."""
        return [line for line in self.log_lines()
                if line.get("level") == "error" and "span" not in line and line.get("event") not in self.expected_errors]


class ServerTest(unittest.TestCase):
    """One server for all tests of a class."""
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(env=cls.env)
        cls.addClassCleanup(cls.server.close)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        errors = cls.server.unexpected_errors()
        if code != 0 or errors:
            raise AssertionError(f"the server ended with {code} and logged {errors[:5]}")
