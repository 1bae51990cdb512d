# SPDX-License-Identifier: GPL-3.0-or-later
"""What people get wrong about the database: the program says what, on which database, and what to do; or it works all
the same. A real server, real roles; a fake one where no real one is as old, or pools by transaction."""
import contextlib
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "http")]
import cluster  # noqa: E402
os.environ.pop("SKERRY_TEST_DB", None)  # this file starts its own server: roles are of the whole of it
import harness  # noqa: E402

BUSY, DENIED, UNSUPPORTED = 8, 3, 13  # exit codes


class FakeServer:
    """Speaks as much of the protocol as a start of ours needs. Answers by what a statement contains; all of its connections
    have one process, as behind a proxy that pools by transaction."""

    def __init__(self, answers):
        self.answers = {"pg_backend_pid": "4711", "server_encoding": "UTF8", "current_schema()": "public", **answers}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://skerry:x@127.0.0.1:{self.socket.getsockname()[1]}/skerry"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.socket.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.talk, args=(self.socket.accept()[0],), daemon=True).start()

    @staticmethod
    def message(kind, body=b""):
        return kind + struct.pack("!i", len(body) + 4) + body

    def talk(self, connection):
        with connection, connection.makefile("rwb") as stream:
            self.answer(stream)

    def answer(self, stream):
        send, ready, sql = lambda *m: stream.write(self.message(*m)), (b"Z", b"I"), ""
        with contextlib.suppress(OSError, struct.error):
            while True:  # TLS and GSS are not to be had
                length, code = struct.unpack("!ii", stream.read(8))
                stream.read(length - 8)
                if code == 196608:
                    break
                stream.write(b"N")
                stream.flush()
            send(b"R", struct.pack("!i", 0))
            for name, value in ("server_version", "15.0"), ("default_transaction_read_only", "off"), ("in_hot_standby", "off"):
                send(b"S", f"{name}\0{value}\0".encode())
            send(*ready)
            stream.flush()
            while kind := stream.read(1):
                body = stream.read(struct.unpack("!i", stream.read(4))[0] - 4)
                value = next((v for k, v in self.answers.items() if k in sql), None)
                if kind == b"Q":
                    send(b"C", b"SET\0")
                    send(*ready)
                elif kind == b"P":
                    sql = body.split(b"\0")[1].decode()
                    send(b"1")
                elif kind == b"B":
                    send(b"2")
                elif kind == b"D":
                    send(b"n") if value is None else send(b"T", struct.pack("!h", 1) + b"x\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 1))
                elif kind == b"E":
                    if value is not None:
                        send(b"D", struct.pack("!hi", 1, len(value)) + value.encode())
                    send(b"C", b"SELECT 1\0" if value is not None else b"BEGIN\0")
                elif kind == b"S":
                    send(*ready)
                stream.flush()


class Mistakes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = cluster.usual()
        cls.db.__enter__()
        cls.addClassCleanup(cls.db.__exit__)

    def url(self, user=None, database="skerry", port=None):
        who = f"{user}:pw" if user else f"skerry:{cluster.PASSWORD_IN_URL}"
        return f"postgresql://{who}@127.0.0.1:{port or self.db.port}/{database}"

    def role(self, name, *settings):
        """A role with a database of its own, and its URL."""
        self.db.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'", database="postgres")
        self.db.sql(f"CREATE DATABASE {name} OWNER {name}", database="postgres")
        for setting in settings:
            self.db.sql(f"ALTER ROLE {name} {setting}", database="postgres")
        return self.url(name, name)

    def refused(self, url, code, *words):
        with tempfile.TemporaryDirectory(prefix="skerry-test-") as home:
            env = {k: v for k, v in os.environ.items() if not k.startswith(("SKERRY_", "API_"))}
            env.update(SKERRY_HOME=home, SKERRY_DB=url, API_PORT=str(harness.free_port()))
            done = subprocess.run([harness.BINARY, "serve"], env=env, cwd=home, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def serve(self, url):
        server = harness.Server(env={"SKERRY_DB": url})
        self.addCleanup(server.close)
        return server

    # -------------------------------------------------------------- refused, with what to do

    def test_where_and_who(self):
        self.refused(self.url("nobody"), DENIED, "password authentication failed", "correct SKERRY_DB")
        self.refused(self.url(database="missing"), BUSY, '"missing" does not exist', "CREATE DATABASE")
        self.refused(self.url(port=1), BUSY, "Connection refused", "start the server")
        self.refused(self.url().replace("127.0.0.1", "db.invalid"), BUSY, "correct the host in SKERRY_DB")
        self.refused(self.url() + "?sslmode=require", BUSY, "SSL", "sslmode in SKERRY_DB")

    def test_a_database_of_another_encoding(self):
        for encoding in ("SQL_ASCII", "LATIN1"):
            self.db.sql(f"CREATE DATABASE in_{encoding} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
                        database="postgres")
            self.refused(self.url(database=f"in_{encoding.lower()}"), UNSUPPORTED, encoding, "ENCODING 'UTF8'")

    def test_a_role_that_may_make_no_tables(self):
        self.db.sql("CREATE ROLE guest LOGIN PASSWORD 'pw'", database="postgres")
        self.refused(self.url("guest"), DENIED, "permission denied for schema public", "GRANT it USAGE and CREATE ON SCHEMA")

    def test_a_role_that_may_not_write(self):
        self.refused(self.role("reader", "SET default_transaction_read_only = on"), BUSY, "read-only", "default_transaction_read_only")

    def test_a_role_with_too_few_connections(self):
        self.refused(self.role("narrow", "CONNECTION LIMIT 0"), BUSY, "too many connections", "CONNECTION LIMIT")

    def test_a_server_that_is_too_old(self):
        old = FakeServer({"server_version_num": "130020"})
        self.addCleanup(old.close)
        self.refused(old.url, UNSUPPORTED, "PostgreSQL 13.20; 15 or newer is needed")

    def test_a_proxy_that_pools_by_transaction(self):
        proxy = FakeServer({"server_version_num": "150000"})
        self.addCleanup(proxy.close)
        self.refused(proxy.url, UNSUPPORTED, "pools by transaction", "pool_mode=session")

    @unittest.skipUnless(shutil.which("pgbouncer"), "PgBouncer is not installed")
    def test_pgbouncer(self):
        with self.pgbouncer("transaction") as port:
            self.refused(self.url(port=port), UNSUPPORTED, "pools by transaction", "pool_mode=session")
        with self.pgbouncer("session") as port:
            server = self.serve(self.url(port=port))
            self.assertEqual(server.post("/v1/datasets", {"name": "by way of a proxy"}).status, 201)
            server.stop()

    @contextlib.contextmanager
    def pgbouncer(self, mode):
        with tempfile.TemporaryDirectory(prefix="skerry-pgbouncer-") as folder:
            port = harness.free_port()
            os.chmod(folder, 0o755)
            (pathlib.Path(folder) / "users").write_text(f'"skerry" "{cluster.PASSWORD}"\n')
            (pathlib.Path(folder) / "ini").write_text(
                f"[databases]\nskerry = host=127.0.0.1 port={self.db.port}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\n"
                f"auth_type=plain\nauth_file={folder}/users\npool_mode={mode}\nunix_socket_dir=\nuser=nobody\n")
            process = subprocess.Popen([shutil.which("pgbouncer"), f"{folder}/ini"], stderr=subprocess.DEVNULL)
            try:
                harness.until(lambda: self.listens(port), "the proxy's start")
                yield port
            finally:
                process.terminate()
                process.wait()

    @staticmethod
    def listens(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    # -------------------------------------------------------------- it works all the same

    def test_settings_of_the_role_change_nothing(self):
        server = self.serve(self.role(
            "peculiar", "SET statement_timeout = '50ms'", "SET lock_timeout = '10ms'", "SET idle_in_transaction_session_timeout = '100ms'",
            "SET default_transaction_isolation = 'serializable'", "SET default_transaction_deferrable = on", "SET bytea_output = 'escape'",
            "SET standard_conforming_strings = off", "SET extra_float_digits = 0", "SET datestyle = 'German'", "SET timezone = 'Asia/Tokyo'",
            "SET idle_session_timeout = '300ms'"))
        games = harness.EXAMPLES / "games" / "lichess_db_2021-10_excerpt.pgn.zst"
        made = server.post("/v1/ingest", files={"file": (games.name, games.read_bytes())}).json()
        job = server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] in ("succeeded", "failed"))
        self.assertEqual(job["status"], "succeeded", job)
        self.assertEqual(server.get("/v1/games/count").json()["count"], 799)
        time.sleep(1)  # connections are idle for longer than the role says
        open_at = "SELECT pid FROM pg_stat_activity WHERE datname = 'peculiar' AND application_name LIKE 'skerry%' ORDER BY 1"
        before = self.db.sql(open_at, database="postgres")
        time.sleep(1)
        self.assertEqual(before, [pid for pid in self.db.sql(open_at, database="postgres") if pid in before])

    def test_a_database_that_takes_no_writes_for_a_while(self):
        """As those that are kept by others do when their disk is full. It answers 503, with the reason; then it goes on."""
        server = self.serve(self.role("frozen"))
        self.assertEqual(server.post("/v1/datasets", {"name": "before"}).status, 201)
        self.freeze("SET default_transaction_read_only = on")
        self.addCleanup(self.freeze, "RESET default_transaction_read_only")
        harness.until(lambda: server.post("/v1/datasets", {"name": "meanwhile"}).status == 503, "a refusal")
        self.freeze("RESET default_transaction_read_only")
        harness.until(lambda: server.post("/v1/datasets", {"name": "after"}).status == 201, "a row after that")
        server.stop()
        for event in ("dataset.failed", "job.failed", "run.failed", "serving.store_failed"):
            server.expect_error(event)

    def freeze(self, setting):
        self.db.sql(f"ALTER SYSTEM {setting}", database="postgres")
        self.db.sql("SELECT pg_reload_conf()", database="postgres")

    def test_connections_that_others_take(self):
        server = self.serve(self.role("crowded"))
        server.get("/v1/datasets")
        self.db.sql("ALTER ROLE crowded CONNECTION LIMIT 1", database="postgres")  # those that are open stay
        for i in range(5):
            self.assertEqual(server.get("/v1/datasets").status, 200)
            self.assertEqual(server.post("/v1/datasets", {"name": f"crowd-{i}"}).status, 201)


if __name__ == "__main__":
    if not cluster.programs():
        print("PostgreSQL is not installed: skipped")
        sys.exit(77)
    unittest.main()
