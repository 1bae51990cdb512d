# SPDX-License-Identifier: GPL-3.0-or-later
"""curl as the client: what HTTP promises beyond a plain request."""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from world import GAMES, World, peer


class Curl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = World.get()
        cls.base = f"http://127.0.0.1:{cls.server.port}"
        cls.artifact = f"/v1/runs/{World.match['runId']}/artifacts/games.pgn"
        cls.folder = tempfile.TemporaryDirectory(prefix="skerry-curl-")
        cls.addClassCleanup(cls.folder.cleanup)

    def curl(self, *args, check=True, input=None):
        """(headers and body, what -v said)"""
        done = subprocess.run([peer("curl"), "-sS", "--max-time", "60", *map(str, args)], input=input,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout, done.stderr.decode(errors="replace")

    def head_and_body(self, *args):
        out, _ = self.curl("-i", *args)
        head, _, body = out.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        return int(lines[0].split()[1]), headers, body

    def whole(self):
        return self.server.get(self.artifact).body

    # ------------------------------------------------------------------ ranges

    def test_ranges(self):
        whole = self.whole()
        self.assertGreater(len(whole), 500)
        for spec, want in (("0-99", whole[:100]), ("100-", whole[100:]), ("-50", whole[-50:]), (f"5-{10 ** 9}", whole[5:])):
            status, headers, body = self.head_and_body("-r", spec, self.base + self.artifact)
            self.assertEqual((status, body), (206, want), spec)
            start = len(whole) - len(want) if spec != "0-99" else 0
            self.assertEqual(headers["content-range"], f"bytes {start}-{start + len(want) - 1}/{len(whole)}")
        status, headers, _ = self.head_and_body("-r", f"{len(whole)}-", self.base + self.artifact)
        self.assertEqual((status, headers["content-range"]), (416, f"bytes */{len(whole)}"))

    def test_a_broken_download_is_resumed(self):
        whole = self.whole()
        part = pathlib.Path(self.folder.name) / "part.pgn"
        part.write_bytes(whole[:333])
        self.curl("-C", "-", "-o", part, self.base + self.artifact)
        self.assertEqual(part.read_bytes(), whole)

    def test_etag_saves_the_body(self):
        etag = pathlib.Path(self.folder.name) / "etag"
        first, _ = self.curl("--etag-save", etag, self.base + self.artifact)
        self.assertEqual(first, self.whole())
        status, _, body = self.head_and_body("--etag-compare", etag, self.base + self.artifact)
        self.assertEqual((status, body), (304, b""))

    # ------------------------------------------------------------------ connections

    def test_http_1_0(self):
        status, headers, body = self.head_and_body("--http1.0", self.base + "/health")
        self.assertEqual((status, json.loads(body)["status"]), (200, "ok"))
        self.assertNotIn("chunked", headers.get("transfer-encoding", ""))
        # A streamed reply has no length: for HTTP/1.0 it must end with the connection, unchunked.
        status, headers, body = self.head_and_body(
            "--http1.0", f"{self.base}/v1/datasets/{World.dataset['id']}/export?format=csv")
        self.assertEqual((status, body.count(b"\n")), (200, World.dataset["rows"] + 1))
        self.assertNotIn("chunked", headers.get("transfer-encoding", ""))

    def test_keep_alive(self):
        url = self.base + "/health"
        out, _ = self.curl("-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n",
                           url, url, url)
        self.assertEqual(out.decode().split("\n")[:3], ["200 1", "200 0", "200 0"])
        out, _ = self.curl("-o", "/dev/null", "-o", "/dev/null", "-H", "Connection: close", "-w", "%{num_connects}\n", url, url)
        self.assertEqual(out.split(), [b"1", b"1"])

    def test_keep_alive_after_a_refusal(self):
        """A 404 and a 400 must leave the connection usable: their bodies are fully sent and framed."""
        out, _ = self.curl("-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n",
                           self.base + "/nothing", self.base + "/v1/games?limit=x", self.base + "/health")
        self.assertEqual(out.decode().split("\n")[:3], ["404 1", "400 0", "200 0"])

    def test_head(self):
        out, _ = self.curl("-I", self.base + self.artifact)
        self.assertIn(f"Content-Length: {len(self.whole())}", out.decode())

    # ------------------------------------------------------------------ bodies

    def upload(self, *args):
        out, said = self.curl("-v", *args, self.base + "/v1/ingest")
        self.assertRegex(said, r"< HTTP/1\.1 202")
        run = json.loads(out)
        World.job(run["jobId"])
        return self.server.get(f"/v1/ingest/{run['runId']}").json(), said

    def test_expect_100(self):
        report, said = self.upload("-H", "Expect: 100-continue", "-F", f"file=@{GAMES}")
        self.assertIn("HTTP/1.1 100 Continue", said)
        self.assertEqual(report["duplicates"], World.ingest["games"])

    def test_a_chunked_upload(self):
        report, _ = self.upload("-X", "POST", "-H", "Content-Type: application/octet-stream", "-T", GAMES,
                                "-H", "Transfer-Encoding: chunked")
        self.assertEqual(report["duplicates"], World.ingest["games"])

    def test_a_wrong_method_names_the_right_one(self):
        status, headers, _ = self.head_and_body("-X", "DELETE", self.base + "/v1/predict")
        self.assertEqual((status, "POST" in headers["allow"]), (405, True))

    def test_compression(self):
        url = self.base + "/openapi.json"
        plain, _ = self.curl(url)
        for kind in ("gzip", "zstd"):
            status, headers, packed = self.head_and_body("-H", f"Accept-Encoding: {kind}", url)
            self.assertEqual((status, headers["content-encoding"]), (200, kind))
            self.assertLess(len(packed), len(plain) / 2)
            self.assertIn("accept-encoding", headers["vary"].lower())
        unpacked, _ = self.curl("--compressed", url)
        self.assertEqual(unpacked, plain)
        _, headers, body = self.head_and_body(url)
        self.assertNotIn("content-encoding", headers)
        self.assertEqual(int(headers["content-length"]), len(body))

    # ------------------------------------------------------------------ events

    def test_events_of_a_job(self):
        """A stream of whole events, from the first state to the last, that ends by itself."""
        made = World.must("POST", "/v1/trainings", {"datasetId": World.dataset["id"], "minutes": 0.05, "epochs": 100,
                                                     "model": "interop-events"})
        out, said = self.curl("-N", "-v", f"{self.base}/v1/jobs/{made['jobId']}/events")
        self.assertRegex(said, r"< Content-Type: text/event-stream")
        self.assertTrue(out.endswith(b"\n\n"))
        blocks = [b for b in out.decode().split("\n\n") if b and not b.startswith(":")]
        events = []
        for block in blocks:
            found = re.fullmatch(r"event: (\w+)\ndata: (.*)", block)
            self.assertTrue(found, block)
            events.append((found.group(1), json.loads(found.group(2))))
        self.assertEqual(events[-1][0], "succeeded")
        self.assertGreater(len(events), 1)
        done = [e[1]["done"] for e in events if e[1].get("total")]
        self.assertEqual(done, sorted(done))


if __name__ == "__main__":
    unittest.main()
