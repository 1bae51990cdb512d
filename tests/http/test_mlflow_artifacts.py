# SPDX-License-Identifier: GPL-3.0-or-later
"""Files through MLflow's API, without its client: every address, odd names, large and broken transfers."""
import hashlib
import os
import random
import socket
import time
import unittest
import urllib.parse
import uuid

import harness

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
NAMES = ["MLmodel", "conda.yaml", "with blank.txt", "ümläut-☃.bin", "100%.txt", "a+b&c=d.csv", "semi;colon,'quote'.md",
         "x" * 200, ".hidden", "two..dots", "a:b"]


def ask(address, **query):
    return address + "?" + urllib.parse.urlencode(query)


class Files:
    """What the tests say to a server."""

    def __init__(self, server):
        self.server = server

    @staticmethod
    def url(path, prefix=PROXY):
        return prefix + "/" + urllib.parse.quote(path)

    def put(self, path, body, headers=None):
        return self.server.request("PUT", self.url(path), body, headers or {})

    def get(self, path, headers=None):
        return self.server.request("GET", self.url(path), headers=headers or {})

    def delete(self, path):
        return self.server.request("DELETE", self.url(path))

    def names(self, path):
        reply = self.server.get(ask(PROXY, path=path))
        assert reply.status == 200, reply
        return [f["path"] + ("/" if f["is_dir"] else "") for f in reply.json().get("files", [])]

    def run(self):
        run_id = uuid.uuid4().hex
        self.server.sql("INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin, status,"
                        " lifecycle_stage, created_ms, attempts) VALUES (?, 0, 'r', 'u', 'client', 'client', 'RUNNING',"
                        " 'active', 1, 0)", run_id)
        return run_id, f"0/{run_id}/artifacts"

    def temporary(self):
        return self.server.half_written

    def objects(self):
        return sorted(p.name for p in self.server.objects.glob("*/*"))


class Artifacts(harness.ServerTest):
    def setUp(self):
        self.files = Files(self.server)

    def refused(self, reply, status, code, message=None):
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(set(reply.json()) - {"sqlstate", "error_class"}, {"error_code", "message"})
        self.assertEqual(reply.json()["error_code"], code)
        if message:
            self.assertEqual(reply.json()["message"], message)

    # ------------------------------------------------------------------ put and get

    def test_a_file_comes_back_as_it_went(self):
        run_id, root = self.files.run()
        for name in NAMES:
            body = name.encode() * 3
            reply = self.files.put(f"{root}/d ir/{name}", body)
            self.assertEqual((reply.status, reply.body), (200, b""), name)
            reply = self.files.get(f"{root}/d ir/{name}")
            self.assertEqual((reply.status, reply.body), (200, body), name)
            self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
            self.assertTrue(reply.headers["Content-Disposition"].startswith("attachment; filename="), name)
        self.assertEqual(self.files.names(root), ["d ir/"])
        self.assertEqual(self.files.names(root + "/d ir"), sorted(NAMES))
        # The same rows as those of our own runs.
        items = self.server.get(f"/v1/runs/{run_id}/artifacts").json()["items"]
        self.assertEqual([i["path"] for i in items], sorted("d ir/" + n for n in NAMES))

    def test_any_content_type_is_just_bytes(self):
        body = b"{" * 200000  # JSON is read into memory up to 64 KiB elsewhere
        for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain",
                     "application/x-www-form-urlencoded", "nonsense"):
            self.assertEqual(self.files.put("types/x.json", body, {"Content-Type": kind}).status, 200, kind)
            self.assertEqual(self.files.get("types/x.json").body, body, kind)

    def test_the_content_type_is_guessed_from_the_name(self):
        for name, kind in (("MLmodel", "text/plain"), ("a.json", "text/plain"), ("a.yaml", "text/plain"),
                           ("x/a.b.png", "image/png"), ("a.html", "text/html"), ("model.pkl", "application/octet-stream"),
                           ("dir.png/none", "application/octet-stream"), ("a.zip", "application/zip")):
            self.files.put("guess/" + name, b"x")
            self.assertEqual(self.files.get("guess/" + name).headers["Content-Type"], kind, name)

    def test_what_somebody_stored_runs_nothing_here(self):
        """A picture or a page among the artifacts stands at the address of the web UI, and must not act for who looks at it."""
        run_id, folder = self.files.run()
        self.files.put(f"{folder}/picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>fetch('/v1/keys')</script></svg>")
        for reply in (self.server.get(f"/v1/runs/{run_id}/artifacts/picture.svg"), self.files.get(f"{folder}/picture.svg")):
            self.assertEqual(reply.status, 200)
            policy = reply.headers["Content-Security-Policy"]
            self.assertIn("sandbox", policy)
            self.assertIn("default-src 'none'", policy)

    def test_empty_files_are_files(self):
        url = self.files.url("empty/by-length")
        self.assertEqual(self.server.request("PUT", url, b"").status, 200)
        # Python's requests sends an empty file in chunks, of which there are none.
        with socket.create_connection(("127.0.0.1", self.server.port)) as c:
            c.sendall((f"PUT {PROXY}/empty/by-chunks HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
                       "Content-Type: application/json\r\nConnection: close\r\n\r\n0\r\n\r\n").encode())
            answer = b"".join(iter(lambda: c.recv(65536), b""))
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        for name in ("by-length", "by-chunks"):
            reply = self.files.get("empty/" + name)
            self.assertEqual((reply.status, reply.body, reply.headers["Content-Length"]), (200, b"", "0"))
        listed = self.server.get(ask(PROXY, path="empty")).json()["files"]
        self.assertEqual(listed, [{"path": n, "is_dir": False} for n in ("by-chunks", "by-length")])

    def test_chunked_bodies(self):
        body = random.Random(1).randbytes(700000)
        pieces = iter([body[:10], body[10:300000], body[300000:]])
        self.assertEqual(self.files.put("chunked.bin", pieces).status, 200)
        self.assertEqual(self.files.get("chunked.bin").body, body)

    def test_a_large_file_takes_little_memory(self):
        body = random.Random(2).randbytes(50 * 1000 * 1000 + 7)
        (self.server.home / "in").write_bytes(body)
        pid = self.server.process.pid
        self.files.put("warm.bin", body[:20 << 20])
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")  # the peak starts again from here
        before = self.resident(pid, "VmRSS")
        with open(self.server.home / "in", "rb") as f:
            self.assertEqual(self.files.put("large.bin", f).status, 200)
        reply = self.files.get("large.bin")
        self.assertEqual(hashlib.sha256(reply.body).digest(), hashlib.sha256(body).digest())
        self.assertEqual(reply.headers["ETag"], f'"{hashlib.sha256(body).hexdigest()}"')
        self.assertLess(self.resident(pid, "VmHWM") - before, 20 * 1024)

    @staticmethod
    def resident(pid, what):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(what + ":"))

    def test_ranges(self):
        body = random.Random(3).randbytes(300000)
        self.files.put("ranged.bin", body)
        for text, part in (("bytes=0-0", body[:1]), ("bytes=100000-200000", body[100000:200001]),
                           ("bytes=299999-", body[-1:]), ("bytes=-5", body[-5:])):
            reply = self.files.get("ranged.bin", {"Range": text})
            self.assertEqual((reply.status, reply.body), (206, part), text)
        self.assertEqual(self.files.get("ranged.bin", {"Range": "bytes=300000-"}).status, 416)
        whole = self.files.get("ranged.bin")
        self.assertEqual(self.files.get("ranged.bin", {"If-None-Match": whole.headers["ETag"]}).status, 304)

    def test_putting_again_replaces(self):
        self.files.put("again/x", b"one")
        self.files.put("again/x", b"second")
        self.assertEqual(self.files.get("again/x").body, b"second")
        self.assertEqual(self.files.names("again"), ["x"])

    def test_a_path_is_a_file_or_a_directory(self):
        self.files.put("both/d/x", b"1")
        self.refused(self.files.put("both/d", b"2"), 400, "INVALID_PARAMETER_VALUE",
                     "Artifact path refers to a directory, not a file: 'both/d'")
        self.refused(self.files.put("both/d/x/y", b"2"), 400, "INVALID_PARAMETER_VALUE",
                     "Invalid path: 'both/d/x' is a file, and nothing can be below it")
        self.refused(self.files.get("both/d"), 400, "INVALID_PARAMETER_VALUE",
                     "Artifact path refers to a directory, not a file: 'both/d'")
        self.refused(self.files.get("both/no"), 404, "RESOURCE_DOES_NOT_EXIST", "No such artifact: 'both/no'")

    # ------------------------------------------------------------------ paths that would lead outside

    def raw(self, method, target):
        """As it stands: http.client and proxies would tidy it."""
        with socket.create_connection(("127.0.0.1", self.server.port)) as c:
            c.sendall(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                      .encode("latin-1"))
            answer = b"".join(iter(lambda: c.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return harness.Reply(int(head.split()[1]), {}, body)

    def test_escapes_are_invalid_paths(self):
        before = self.files.objects()
        for path in ("a/../b", "../x", "a/%2e%2e/b", "a/%2E%2e/b", "a/%252e%252e/b", "a/%25252e%25252e/b", "..%252fetc",
                     "a%5c..%5cb", "a\\b", "a%255cb", "%252fetc/passwd", "C:/x", "c%3A/x", "c%253A%252Fx", "a%23b",
                     "a%2523b", "a%00b", "a%2500b", "a%0ab", "a%250Ab", "file:/x", "file%253A%252F%252Fx", "a%ffb", "."):
            for method in ("PUT", "GET", "DELETE"):
                with self.subTest(method=method, path=path):
                    self.refused(self.raw(method, f"{PROXY}/{path}"), 400, "INVALID_PARAMETER_VALUE", "Invalid path")
        run_id, _ = self.files.run()
        for path in ("../x", "a/../b", "%2e%2e/x", "/etc/passwd", "a\\b", "a#b", "C:/x", "a\nb", "file:///x", "%252e%252e"):
            for reply in (self.server.get(ask("/get-artifact", run_id=run_id, path=path)),
                          self.server.get(ask("/api/2.0/mlflow/artifacts/list", run_id=run_id, path=path)),
                          self.server.get(ask(PROXY, path=path)),
                          self.server.post(ask("/ajax-api/2.0/mlflow/upload-artifact", run_uuid=run_id, path=path),
                                           raw=b"x")):
                with self.subTest(path=path):
                    self.refused(reply, 400, "INVALID_PARAMETER_VALUE", "Invalid path")
        self.assertEqual(self.files.objects(), before)

    def test_an_encoded_slash_leads_nowhere(self):
        self.refused(self.raw("PUT", PROXY + "/a%2Fb"), 404, "ENDPOINT_NOT_FOUND")

    def test_what_is_refused_leaves_nothing(self):
        body = b"x" * (3 << 20)  # more than one piece: said in the middle
        before = self.files.objects()
        try:
            self.refused(self.files.put("d/%2e%2e/x", body), 400, "INVALID_PARAMETER_VALUE", "Invalid path")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the refusal may come while the body is being sent
        self.files.put("in-the-way", b"1")
        self.refused(self.files.put("in-the-way/x", b"2" * 100), 400, "INVALID_PARAMETER_VALUE")
        self.settled()
        self.assertFalse(set(self.files.objects()) - set(before) - {hashlib.sha256(x).hexdigest()[2:] for x in
                                                                    (b"1", b"2" * 100)})

    def settled(self):
        deadline = time.monotonic() + 20
        while self.files.temporary():
            self.assertLess(time.monotonic(), deadline, self.files.temporary())
            time.sleep(0.02)

    def test_a_client_that_dies_in_the_middle_leaves_nothing(self):
        for size in (1 << 20, 40 << 20):  # before and after large ones take their own way to the disk
            before = self.files.objects()
            with socket.create_connection(("127.0.0.1", self.server.port)) as c:
                c.sendall(f"PUT {PROXY}/half/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n".encode())
                c.sendall(b"h" * (size - 1000))
                deadline = time.monotonic() + 20
                while not self.files.temporary() and time.monotonic() < deadline:
                    time.sleep(0.01)
                self.assertTrue(self.files.temporary())
            self.settled()
            self.assertEqual(self.files.objects(), before)
            self.assertEqual(self.files.names("half"), [])
        self.assertEqual(self.server.sql("SELECT COUNT(*) FROM files WHERE path LIKE 'half%'")[0][0], 0)

    # ------------------------------------------------------------------ lists

    def test_listing(self):
        run_id, root = self.files.run()
        for name in ("a.txt", "model/MLmodel", "model/data/x.bin", "model-2/y", "z"):
            self.files.put(f"{root}/{name}", b"12345")
        api = "/api/2.0/mlflow/artifacts/list"
        whole = self.server.get(ask(api, run_id=run_id)).json()
        self.assertEqual(whole, {"root_uri": "mlflow-artifacts:/" + root, "files": [
            {"path": "a.txt", "is_dir": False, "file_size": 5}, {"path": "model", "is_dir": True},
            {"path": "model-2", "is_dir": True}, {"path": "z", "is_dir": False, "file_size": 5}]})
        nested = self.server.get(ask(api, run_uuid=run_id, path="model/")).json()["files"]
        self.assertEqual(nested, [{"path": "model/MLmodel", "is_dir": False, "file_size": 5},
                                  {"path": "model/data", "is_dir": True}])
        self.assertEqual(self.server.get(ask("/ajax-api/2.0/mlflow/artifacts/list", run_id=run_id, path="model")).json()["files"],
                         nested)
        for path in ("a.txt", "nothing", "model/MLmodel"):
            self.assertEqual(self.server.get(ask(api, run_id=run_id, path=path)).json(), {"root_uri": "mlflow-artifacts:/" + root})
        self.assertEqual(self.server.get(ask(PROXY, path=root + "/model")).json(),
                         {"files": [{"path": "MLmodel", "is_dir": False, "file_size": 5}, {"path": "data", "is_dir": True}]})
        self.assertEqual(self.server.get(ask(PROXY, path=root + "/a.txt")).json(), {})
        self.refused(self.server.get(ask(api, run_id="0" * 32)), 404, "RESOURCE_DOES_NOT_EXIST",
                     f"Run with id={'0' * 32} not found")
        self.refused(self.server.get(api), 400, "INVALID_PARAMETER_VALUE")

    def test_a_long_list_of_a_run_comes_in_pages(self):
        run_id, _ = self.files.run()
        blob = hashlib.sha256(b"p").hexdigest()
        self.files.put("page-seed", b"p")
        for start in range(0, 10050, 1005):
            values = ",".join(f"('{run_id}', 'd/{i:05d}', '{blob}', 1, 1)" for i in range(start, start + 1005))
            self.server.sql(f"INSERT INTO artifacts (run_id, path, blob, bytes, created_ms) VALUES {values}")
        first = self.server.get(ask("/api/2.0/mlflow/artifacts/list", run_id=run_id, path="d")).json()
        self.assertEqual(len(first["files"]), 10000)
        rest = self.server.get(ask("/api/2.0/mlflow/artifacts/list", run_id=run_id, path="d",
                               page_token=first["next_page_token"])).json()
        self.assertEqual([f["path"] for f in first["files"] + rest["files"]], [f"d/{i:05d}" for i in range(10050)])
        self.assertNotIn("next_page_token", rest)
        # The client's own list has no pages.
        self.assertEqual(len(self.files.names(f"0/{run_id}/artifacts/d")), 10050)

    # ------------------------------------------------------------------ delete, collection

    def test_deleting_is_recursive_and_collection_takes_the_bytes(self):
        _, root = self.files.run()
        one, two = os.urandom(100), os.urandom(100)
        for path, body in ((root + "/d/x", one), (root + "/d/e/y", two), (root + "/dd", two), ("m/x", one)):
            self.files.put(path, body)
        reply = self.files.delete(root + "/d")
        self.assertEqual((reply.status, reply.body), (200, b"{}"))
        self.assertEqual(self.files.names(root), ["dd"])
        self.assertEqual(self.files.delete(root + "/d").status, 200)  # nothing there is fine
        self.collect()
        self.assertEqual(self.files.get("m/x").body, one)
        self.assertEqual(self.files.get(root + "/dd").body, two)
        self.assertEqual(self.server.request("DELETE", self.files.url(root) + "/").status, 200)  # as the client says it
        self.assertEqual(self.files.names(root), [])
        self.files.delete("m")
        self.assertIn(hashlib.sha256(one).hexdigest()[2:], self.files.objects())
        self.refused(self.server.request("DELETE", PROXY + "/"), 400, "INVALID_PARAMETER_VALUE")

    def collect(self):
        self.server.cli("collect")
        self.assertEqual(self.server.logged("blobs.missing", timeout=0), [])

    # ------------------------------------------------------------------ by run, model, version, trace

    def test_a_file_of_a_run(self):
        run_id, root = self.files.run()
        self.files.put(root + "/plots/loss ü.png", b"png")
        for query in ({"run_id": run_id}, {"run_uuid": run_id}):
            reply = self.server.get(ask("/get-artifact", path="plots/loss ü.png", **query))
            self.assertEqual((reply.status, reply.body), (200, b"png"))
            self.assertEqual(reply.headers["Content-Disposition"],
                             "attachment; filename=\"loss __.png\"; filename*=UTF-8''loss%20%C3%BC.png")
            self.assertEqual(reply.headers["Content-Type"], "image/png")
        self.refused(self.server.get(ask("/get-artifact", run_id=run_id, path="none")), 404, "RESOURCE_DOES_NOT_EXIST")
        self.refused(self.server.get(ask("/get-artifact", run_id=run_id, path="plots")), 400, "INVALID_PARAMETER_VALUE")
        self.refused(self.server.get(ask("/get-artifact", run_id=run_id)), 400, "INVALID_PARAMETER_VALUE")
        self.refused(self.server.get(ask("/get-artifact", run_id="f" * 32, path="x")), 404, "RESOURCE_DOES_NOT_EXIST")

    def test_a_file_of_a_logged_model_and_of_a_version(self):
        model = "m-" + uuid.uuid4().hex
        root = f"0/models/{model}/artifacts"
        self.server.sql("INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, created_ms, updated_ms,"
                        f" status, lifecycle_stage) VALUES (?, 0, 'm', 'mlflow-artifacts:/{root}', 1, 1,"
                        " 'LOGGED_MODEL_READY', 'active')", model)
        self.files.put(root + "/MLmodel", b"flavors:")
        reply = self.server.get(f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files",
                                artifact_file_path="MLmodel")
        self.assertEqual((reply.status, reply.body, reply.headers["Content-Type"]), (200, b"flavors:", "text/plain"))
        self.refused(self.server.get(f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files"), 400, "BAD_REQUEST",
                     'Request must include the "artifact_file_path" query parameter.')
        self.refused(self.server.get("/ajax-api/2.0/mlflow/logged-models/m-0/artifacts/files", artifact_file_path="x"),
                     404, "RESOURCE_DOES_NOT_EXIST")
        name = "net-" + model
        self.server.sql("INSERT INTO registered_models (name, kind, created_ms, updated_ms) VALUES (?, 'k', 1, 1)", name)
        self.server.sql("INSERT INTO model_versions (id, name, version, kind, stage, status, source, bytes, created_ms,"
                        f" updated_ms) VALUES ('v-{model}', ?, 1, 'k', 'None', 'READY', 'models:/{model}', 0, 1, 1)", name)
        reply = self.server.get(ask("/model-versions/get-artifact", name=name, version="1", path="MLmodel"))
        self.assertEqual((reply.status, reply.body), (200, b"flavors:"))
        self.refused(self.server.get(ask("/model-versions/get-artifact", name=name, version="2", path="MLmodel")), 404,
                     "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version=2) not found")

    def test_a_file_of_a_trace(self):
        trace = "tr-" + uuid.uuid4().hex
        self.server.sql("INSERT INTO traces (trace_id, experiment_id, request_ms, state) VALUES (?, 0, 1, 'OK')", trace)
        self.files.put(f"0/traces/{trace}/artifacts/traces.json", b'{"spans":[]}')
        self.files.put(f"0/traces/{trace}/artifacts/attachments/a.png", b"png")
        for api in ("/ajax-api/2.0/mlflow/get-trace-artifact", "/ajax-api/3.0/mlflow/get-trace-artifact"):
            self.assertEqual(self.server.get(ask(api, request_id=trace)).body, b'{"spans":[]}')
            self.assertEqual(self.server.get(ask(api, request_id=trace, path="a.png")).body, b"png")
            self.refused(self.server.get(api), 400, "BAD_REQUEST")
            self.refused(self.server.get(ask(api, request_id="tr-0")), 404, "RESOURCE_DOES_NOT_EXIST")

    def test_upload_from_the_page(self):
        run_id, root = self.files.run()
        def upload(body, **query):
            return self.server.post(ask("/ajax-api/2.0/mlflow/upload-artifact", **query), raw=body,
                                    headers={"Content-Type": "application/json"})
        self.assertEqual(upload(b"[1]", run_uuid=run_id, path="d/table.json").body, b"{}")
        self.assertEqual(self.files.get(root + "/d/table.json").body, b"[1]")
        self.refused(upload(b"x", path="x"), 400, "INVALID_PARAMETER_VALUE", "Request must specify run_uuid.")
        self.refused(upload(b"x", run_uuid=run_id), 400, "INVALID_PARAMETER_VALUE", "Request must specify path.")
        self.refused(upload(b"", run_uuid=run_id, path="x"), 400, "INVALID_PARAMETER_VALUE", "Request must specify data.")
        self.refused(upload(b"x", run_uuid="e" * 32, path="x"), 404, "RESOURCE_DOES_NOT_EXIST")
        with socket.create_connection(("127.0.0.1", self.server.port)) as c:
            c.sendall((f"POST /ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=x HTTP/1.1\r\n"
                       f"Host: 127.0.0.1\r\nContent-Length: {10 * 1024 * 1024 + 1}\r\n\r\n").encode())
            self.assertIn(b"INVALID_PARAMETER_VALUE", c.recv(65536))

    # ------------------------------------------------------------------ what clients do without

    def test_parts_and_links_are_refused_in_the_words_that_clients_wait_for(self):
        for step in ("create", "complete", "abort"):
            reply = self.server.post(f"/api/2.0/mlflow-artifacts/mpu/{step}/0/x/artifacts", {"path": "x", "num_parts": 2})
            self.refused(reply, 501, "NOT_IMPLEMENTED",
                         "Multipart upload is not supported for the current artifact repository")
        for address in ("presigned", "mpd/presigned"):
            self.refused(self.server.get(f"/api/2.0/mlflow-artifacts/{address}/0/x"), 501, "NOT_IMPLEMENTED",
                         "Multipart download is not supported for the current artifact repository")

    def test_the_pages_addresses_are_the_same(self):
        self.server.request("PUT", self.files.url("ajax/x", "/ajax-api/2.0/mlflow-artifacts/artifacts"), b"1")
        self.assertEqual(self.files.get("ajax/x").body, b"1")


class Killed(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.files = Files(self.server)

    def test_what_was_answered_is_there_after_kill_9(self):
        _, root = self.files.run()
        kept = {}
        for i in range(12):
            path = f"{root}/f{i}" if i % 2 else f"0/models/m-{i}/artifacts/f"
            body = os.urandom(17 << 20 if i == 5 else 1000 * i)
            self.assertEqual(self.files.put(path, body).status, 200)
            kept[path] = hashlib.sha256(body).digest()
        with socket.create_connection(("127.0.0.1", self.server.port)) as c:
            c.sendall(f"PUT {PROXY}/half HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n\r\n".encode())
            c.sendall(b"h" * 1000000)
            deadline = time.monotonic() + 20
            while not self.files.temporary() and time.monotonic() < deadline:
                time.sleep(0.01)
            self.server.kill()
        self.server.start()
        for path, digest in kept.items():
            reply = self.files.get(path)
            self.assertEqual((reply.status, hashlib.sha256(reply.body).digest()), (200, digest), path)
        self.assertEqual(self.files.get("half").status, 404)
        self.server.stop()
        self.server.cli("collect")
        self.assertEqual(self.files.temporary(), [])
        self.assertLessEqual({digest.hex()[2:] for digest in kept.values()}, set(self.files.objects()))


if __name__ == "__main__":
    unittest.main()
