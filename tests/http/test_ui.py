# SPDX-License-Identifier: GPL-3.0-or-later
"""How the web UI is served: forms, tags, caching, policy, views. The bytes of a toy UI are known; another program has
none; and of this build's own UI only what holds for any is asked."""
import gzip
import json
import os
import pathlib
import re
import unittest

import harness

TOY = harness.ROOT / "tests" / "toy" / "ui"
SCRIPT = "/ui/assets/toy-0001.js"
FOR_EVER = "public, max-age=31536000, immutable"


class Toy(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        harness.BINARY, cls.real = os.environ["SKERRY_TOY"], harness.BINARY
        cls.addClassCleanup(lambda: setattr(harness, "BINARY", cls.real))
        super().setUpClass()

    def get(self, path, accept=None, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.server.get(path, {"Accept-Encoding": accept, **headers} if accept else headers)

    def test_the_best_form_that_the_client_takes(self):
        plain = (TOY / "assets" / "toy-0001.js").read_bytes()
        brotli = (TOY / "assets" / "toy-0001.js.br").read_bytes()
        for accept, coding in ((None, None), ("identity", None), ("gzip", "gzip"), ("gzip, deflate, br, zstd", "br"), ("br", "br"),
                               ("br;q=0.2, gzip;q=0.9", "gzip"), ("br;q=0, gzip", "gzip"), ("*", "br"), ("*;q=0", None), ("BR", "br")):
            with self.subTest(accept=accept):
                reply = self.get(SCRIPT, accept)
                self.assertEqual(reply.status, 200, reply)
                self.assertEqual(reply.headers["Content-Encoding"], coding)
                self.assertEqual(reply.headers["Vary"], "Accept-Encoding")
                self.assertEqual(reply.headers["Content-Type"], "text/javascript; charset=utf-8")
                body = gzip.decompress(reply.body) if coding == "gzip" else reply.body
                self.assertEqual(body, brotli if coding == "br" else plain)

    def test_what_is_small_is_not_packed(self):
        reply = self.get("/ui/assets/small-0002.css", "gzip, br")
        self.assertEqual((reply.status, reply.headers["Content-Encoding"]), (200, None))
        self.assertEqual(reply.body, (TOY / "assets" / "small-0002.css").read_bytes())

    def test_a_name_with_a_hash_is_kept_for_ever_and_a_view_is_asked_for_again(self):
        self.assertEqual(self.get(SCRIPT).headers["Cache-Control"], FOR_EVER)
        self.assertEqual(self.get("/ui/").headers["Cache-Control"], "no-cache")

    def test_each_form_has_a_tag_of_its_own_and_a_tag_saves_the_body(self):
        tags = {accept: self.get(SCRIPT, accept).headers["ETag"] for accept in ("identity", "gzip", "br")}
        self.assertEqual(len(set(tags.values())), 3)
        for path in ("/ui/", SCRIPT):
            for accept in tags:
                first = self.get(path, accept)
                again = self.get(path, accept, If_None_Match=first.headers["ETag"])
                self.assertEqual((again.status, again.body), (304, b""), path)
                self.assertEqual(again.headers["ETag"], first.headers["ETag"])
                self.assertEqual(again.headers["Cache-Control"], first.headers["Cache-Control"])
        self.assertEqual(self.get(SCRIPT, "gzip", If_None_Match=tags["br"]).status, 200)

    def test_every_path_that_is_no_file_is_a_view(self):
        page = (TOY / "index.html").read_bytes()
        for path in ("/ui/", "/ui/runs", "/ui/runs/0123?tab=charts", "/ui/datasets/games@1.2", "/ui/a%20b/c", "/ui/index.html"):
            reply = self.get(path)
            self.assertEqual((reply.status, reply.body), (200, page), path)
            self.assertEqual(reply.headers["Content-Type"], "text/html; charset=utf-8")

    def test_a_file_that_is_not_there_is_404_and_not_a_page(self):
        for name in ("none.js", "toy-0001.js.br", "../index.html", "%2e%2e%2findex.html", "x" * 300):
            reply = self.get("/ui/assets/" + name)
            self.assertIn(reply.status, (400, 404), name)
            self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        self.assertIn("reload", self.get("/ui/assets/none.js").json()["detail"])

    def test_no_script_but_our_own_and_nobodys_frame(self):
        for path in ("/ui/", "/ui/runs", SCRIPT):
            policy = dict(part.strip().split(" ", 1) for part in self.get(path).headers["Content-Security-Policy"].split(";"))
            self.assertEqual(policy["default-src"], "'self'")
            self.assertEqual(policy["script-src"], "'self'")
            self.assertEqual(policy["style-src"], "'self'")
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertEqual(self.get(path).headers["X-Content-Type-Options"], "nosniff")

    def test_head_and_the_ways_in(self):
        for path in ("/ui/", SCRIPT):
            reply = self.server.request("HEAD", path)
            self.assertEqual((reply.status, reply.body), (200, b""))
            self.assertEqual(reply.headers["Content-Length"], str(len(self.get(path).body)))
        for path in ("/", "/ui"):
            reply = self.get(path)
            self.assertEqual((reply.status, reply.headers["Location"]), (302, "/ui/"))
        self.assertEqual(self.server.request("POST", "/ui/", b"").status, 405)

    def test_whoever_has_no_key_still_gets_the_files(self):
        key = self.server.post("/v1/keys", {"username": "ann", "role": "admin"}).json()
        try:
            self.assertEqual(self.server.get("/v1/status").status, 401)
            for path in ("/ui/", SCRIPT, "/v1/ui"):
                self.assertEqual(self.get(path).status, 200, path)
        finally:
            self.server.request("DELETE", f"/v1/keys/{key['id']}", headers={"X-Api-Key": key["key"]})


class None_(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        harness.BINARY, cls.real = os.environ["SKERRY_NO_UI"], harness.BINARY
        cls.addClassCleanup(lambda: setattr(harness, "BINARY", cls.real))
        super().setUpClass()

    def test_a_program_without_the_ui_says_how_to_get_it(self):
        for path in ("/ui/", "/ui/runs"):
            reply = self.server.get(path)
            self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
            self.assertIn("nodejs", reply.text)
            self.assertIn("/openapi.json", reply.text)
            self.assertIn("script-src 'self'", reply.headers["Content-Security-Policy"])
            self.assertEqual(self.server.get(path, {"If-None-Match": reply.headers["ETag"]}).status, 304)
        # Whoever looks for Swagger UI is told where the document is.
        reply = self.server.get(self.server.get("/swagger-ui.html").headers["Location"])
        self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn('<a href="/openapi.json">', reply.text)
        self.assertEqual(self.server.get("/ui/assets/toy-0001.js").status, 404)
        self.assertIs(self.server.get("/v1/ui").json()["built"], False)


class Own(harness.ServerTest):
    def test_every_file_that_the_page_names_is_there(self):
        if not self.server.get("/v1/ui").json()["built"]:
            self.skipTest("this build has no web UI")
        page = self.server.get("/ui/").text
        named = re.findall(r'(?:src|href)="([^"]+)"', page)
        self.assertGreaterEqual(len(named), 3)
        self.assertNotRegex(page, r"<script(?![^>]*\bsrc=)", "an inline script, which the policy forbids")
        for path in named:
            reply = self.server.get(path, {"Accept-Encoding": "br"})
            self.assertEqual((reply.status, reply.headers["Cache-Control"]), (200, FOR_EVER), path)

    def test_the_menu_is_what_the_apps_say(self):
        ui = self.server.get("/v1/ui").json()
        paths = [page["path"] for page in ui["pages"]]
        self.assertEqual(len(set(paths)), len(paths))
        self.assertIn({"app": "core", "path": "/ui/", "title": "Overview"}, ui["pages"])

    def test_every_page_of_the_tables_is_one_of_the_ui(self):
        """And the other way round: a page that nobody names would be in no menu."""
        told = {page["path"] for page in self.server.get("/v1/ui").json()["pages"]}
        built = {"/ui" + re.search(r"path: '([^']+)'", file.read_text())[1]
                 for file in pathlib.Path(harness.ROOT / "web" / "src" / "pages").glob("*/page.ts")}
        self.assertEqual(told, built)

    def test_the_clients_types_are_of_this_api(self):
        kept = json.loads((harness.ROOT / "web" / "openapi.json").read_text())
        self.assertEqual(kept, self.server.get("/openapi.json").json(), "tools/web-openapi.py writes it anew")


if __name__ == "__main__":
    unittest.main()
