# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs in S3, against two real servers: the unit tests of the room, the whole loop of the product, crashes
on either side in the middle of an upload, wrong keys, a wrong clock, TLS. And nowhere a key."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import harness
from s3_servers import REGION, SeaweedFS, VersityGW
from world import GAMES, peer, wait_until

BUILD = pathlib.Path(harness.BINARY).resolve().parent
PROGRAMS = ("tests/unit/blobs/test_blobs_s3_blobs", "tests/unit/blobs/test_blobs_s3_collect", "bench/s3_bench")
PART = 5 * 2 ** 20


def setUpModule():
    subprocess.run(["ninja", "-C", BUILD, *PROGRAMS], check=True, stdout=subprocess.DEVNULL)


class Loop(harness.Server):
    """A server with its blobs in S3, and what a person does with it."""

    def must(self, reply):
        if reply.status >= 400:
            raise AssertionError(str(reply))
        return reply.json()

    def job(self, job_id):
        job = self.wait(f"/v1/jobs/{job_id}", lambda j: j["status"] in ("succeeded", "failed", "stopped"))
        if job["status"] != "succeeded":
            raise AssertionError(f"job {job['kind']} {job['status']}: {job['error']}")
        return job

    def predict(self):
        return self.must(self.post("/v1/predict", {"fen": "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
                                                       "temperature": 0}))

    def run_loop(self):
        self.job(self.must(self.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))["jobId"])
        made = self.must(self.post("/v1/datasets", {"name": "s3", "split": {"train": 0.8, "valid": 0.1, "test": 0.1}}))
        self.job(made["jobId"])
        made = self.must(self.post("/v1/trainings", {"datasetId": made["id"], "minutes": 0.05, "epochs": 100, "seed": 1}))
        model = self.job(made["jobId"])["result"]
        self.must(self.post("/v1/models/promote", {"modelId": model["modelId"], "modelVersion": str(model["modelVersion"])}))
        return model


class Suite:
    """The tests, for each kind of server."""
    kind = None

    @classmethod
    def setUpClass(cls):
        cls.s3 = cls.kind()
        cls.addClassCleanup(cls.s3.close)
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="skerry-s3-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)

    def peer_env(self, bucket="suite"):
        return {**os.environ, "SKERRY_TEST_S3_ENDPOINT": self.s3.endpoint, "SKERRY_TEST_S3_REGION": REGION,
                "SKERRY_TEST_S3_BUCKET": bucket, "SKERRY_TEST_S3_ACCESS": self.s3.access,
                "SKERRY_TEST_S3_SECRET": self.s3.secret}

    def env(self, **more):
        return {"SKERRY_BLOBS": f"s3://product/some prefix/{self._testMethodName}", "SKERRY_S3_ENDPOINT": self.s3.endpoint,
                "SKERRY_S3_REGION": REGION, "SKERRY_S3_ACCESS_KEY": self.s3.access,
                "SKERRY_S3_SECRET_KEY": self.s3.secret, "SKERRY_S3_CREATE_BUCKET": "true", **more}

    # ------------------------------------------------------------------ the room's own tests

    def test_the_suite_of_the_blobs(self):
        for name in PROGRAMS[:2]:
            done = subprocess.run([BUILD / name], env=self.peer_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=500)
            self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace")[-2000:])

    # ------------------------------------------------------------------ the product

    def test_the_whole_loop(self):
        server = Loop(env=self.env())
        try:
            model = server.run_loop()
            before = server.predict()
            self.assertEqual(server.must(server.get("/health/deps"))["blobs"]["status"], "up")
            self.assertGreater(server.metric('skerry_s3_requests_total{op="put",outcome="ok"}'), 3)
            self.assertEqual(server.stop(), 0)
            self.assertFalse((server.home / "blobs").exists())

            # Another start, without anything local: all of it comes back from S3.
            shutil.rmtree(server.home / "s3")
            server.start()
            after = server.predict()
            self.assertEqual([before[k] for k in ("move", "policy", "modelVersion")],
                             [after[k] for k in ("move", "policy", "modelVersion")])
            self.assertGreater(server.metric('skerry_blob_cache_reads_total{result="miss"}'), 0)

            # Nothing is missing, and what is young stays.
            server.cli("collect")
            lines = server.must(server.get("/v1/logs?event=blobs.collected&range=1h"))["items"]
            self.assertEqual([line["missing"] for line in lines if line["missing"]], [])
            self.assertEqual(str(after["modelVersion"]), str(model["modelVersion"]))
            self.check_blob_url(server)
            self.check_no_key_is_seen(server)
        finally:
            server.close()

    def check_blob_url(self, server):
        keys = [o["Key"] for o in self.s3.client().list_objects_v2(Bucket="product", Prefix=f"some prefix/{self._testMethodName}/objects/")["Contents"]]
        digest = "".join(keys[0].split("/")[-2:])
        url = server.cli("blob-url", digest, "60").stdout.decode().strip()
        with urllib.request.urlopen(url, timeout=60) as reply:
            self.assertEqual(hashlib.sha256(reply.read()).hexdigest(), digest)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), timeout=60)
        self.assertEqual(refused.exception.code, 403)

    def check_no_key_is_seen(self, server):
        """Logs, errors, settings, metrics, command lines, backups, and every file in the home."""
        server.cli("backup", server.home / "backup.db")
        seen = [server.get("/v1/settings").body, server.get("/metrics").body, server.get("/v1/logs?limit=5000").body,
                server.cli("config").stdout, server.cli("config", "--json").stdout, server.cli("config", "--example").stdout,
                pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()]
        self.assertIn(b"SKERRY_S3_SECRET_KEY", seen[0])
        self.assertIn(b"(set)", seen[3])
        files = [f for f in server.home.rglob("*") if f.is_file() and not f.is_symlink()]
        self.assertTrue(any(f.name == "backup.db" for f in files))
        for what, text in [*enumerate(seen), *((f, f.read_bytes()) for f in files)]:
            self.assertNotIn(self.s3.secret.encode(), text, what)
            self.assertNotIn(self.s3.access.encode(), text, what)

    def test_the_server_is_away_for_a_while(self):
        """Requests wait and go on; what needed the store meanwhile was not lost."""
        server = Loop(env=self.env(SKERRY_BLOBS="s3://product/away"))
        try:
            self.s3.stop()
            made = server.must(server.post("/v1/ingest", files={"file": (GAMES.name, GAMES.read_bytes())}))
            time.sleep(2)
            self.s3.start()
            server.job(made["jobId"])
            self.assertGreater(server.metric('skerry_s3_retries_total{op="put",reason="connection"}'), 0)
        finally:
            server.close()

    # ------------------------------------------------------------------ uploads that are cut off

    def big_file(self, name, parts):
        path = self.work / name
        path.write_bytes(os.urandom(parts * 16 * 2 ** 20 + 777))
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    def put(self, path, bucket):
        return subprocess.Popen([BUILD / "bench/s3_bench", "put", self.work / "local", path], env=self.peer_env(bucket),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for_parts(self, bucket, digest, count):
        client, key = self.s3.client(), f"bench/objects/{digest[:2]}/{digest[2:]}"

        def arrived():
            try:
                uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
                parts = client.list_parts(Bucket=bucket, Key=key, UploadId=uploads[0]["UploadId"]) if uploads else {}
                return len(parts.get("Parts", [])) >= count
            except Exception:
                return False
        wait_until(arrived, f"{count} parts on the server", 120)

    def check_whole(self, bucket, digest):
        out = self.work / "out"
        subprocess.run([BUILD / "bench/s3_bench", "get", self.work / "local", digest, out], env=self.peer_env(bucket),
                       check=True, timeout=300)
        self.assertEqual(hashlib.sha256(out.read_bytes()).hexdigest(), digest)
        self.assertEqual(self.s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])
        self.assertEqual(list((self.work / "local" / "uploads").iterdir()), [])

    def test_kill_9_in_the_middle_of_an_upload(self):
        path, digest = self.big_file("killed", 20)
        first = self.put(path, "killed")
        self.wait_for_parts("killed", digest, 2)
        first.kill()
        first.communicate()
        self.assertNotEqual(first.returncode, 0, "the upload was over too soon")
        out, errors = self.put(path, "killed").communicate(timeout=300)
        got, resumed = out.decode().split()
        self.assertEqual(got, digest, errors)
        self.assertGreaterEqual(int(resumed), 2)
        self.check_whole("killed", digest)

    def test_the_server_dies_in_the_middle_of_an_upload(self):
        path, digest = self.big_file("stopped", 20)
        upload = self.put(path, "stopped")
        self.wait_for_parts("stopped", digest, 2)
        self.s3.stop()
        time.sleep(1)
        self.assertIsNone(upload.poll())
        self.s3.start()
        out, errors = upload.communicate(timeout=300)
        self.assertEqual((upload.returncode, out.decode().split()[:1]), (0, [digest]), errors)
        self.check_whole("stopped", digest)

    # ------------------------------------------------------------------ what the operator reads

    def doctor(self, *before, **more):
        """What a start says when S3 does not take us."""
        with tempfile.TemporaryDirectory(prefix="skerry-s3-home-") as home:
            env = {k: v for k, v in os.environ.items() if not k.startswith("SKERRY_")}
            env.update(self.env(SKERRY_HOME=home, SKERRY_S3_RETRY_SECONDS="2", **more))
            done = subprocess.run([*before, harness.BINARY, "doctor"], env=env, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=120)
        text = done.stdout.decode()
        self.assertNotIn(self.s3.secret, text)
        return done.returncode, text

    def test_messages_say_what_to_do(self):
        self.assertEqual(self.doctor()[0], 0)
        for more, says in (({"SKERRY_S3_SECRET_KEY": "wrong"}, "SKERRY_S3_SECRET_KEY"),
                           ({"SKERRY_S3_ACCESS_KEY": "AKIDNOBODY"}, "SKERRY_S3_ACCESS_KEY"),
                           ({"SKERRY_BLOBS": "s3://not-there", "SKERRY_S3_CREATE_BUCKET": "false"},
                            "SKERRY_S3_CREATE_BUCKET"),
                           ({"SKERRY_S3_ENDPOINT": "http://127.0.0.1:1"}, "127.0.0.1:1")):
            code, text = self.doctor(**more)
            self.assertEqual(code, 9, text)
            self.assertIn(says, text)

    def test_a_prefix_has_one_installation(self):
        """Each would take the other's blobs for rubbish. doctor has a new home, and with it a store, each time."""
        self.assertEqual(self.doctor()[0], 0)
        code, text = self.doctor()
        self.assertEqual(code, 5, text)
        self.assertIn("another installation", text)
        self.assertEqual(self.doctor(SKERRY_BLOBS=self.env()["SKERRY_BLOBS"] + "/other")[0], 0)

    def test_a_wrong_clock_is_explained(self):
        code, text = self.doctor(peer("faketime"), "-f", "-3h")
        self.assertEqual(code, 9, text)
        self.assertIn("clock", text)


class OnSeaweedFS(Suite, unittest.TestCase):
    kind = SeaweedFS


class OnVersityGW(Suite, unittest.TestCase):
    kind = VersityGW

    def test_tls(self):
        """A certificate nobody vouches for is refused; one that we are told to trust is taken."""
        certificate, key = self.work / "cert.pem", self.work / "key.pem"
        subprocess.run([peer("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
                        "-out", certificate, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stderr=subprocess.DEVNULL)
        plain, type(self).s3 = self.s3, VersityGW(tls=(str(certificate), str(key)))
        try:
            code, text = self.doctor()
            self.assertEqual(code, 9, text)
            self.assertIn("certificate is not trusted", text)
            code, text = self.doctor(SKERRY_S3_CA_FILE=str(certificate))
            self.assertEqual(code, 0, text)
        finally:
            self.s3.close()
            type(self).s3 = plain


if __name__ == "__main__":
    unittest.main()
