# SPDX-License-Identifier: GPL-3.0-or-later
"""The web UI in German: what the server says of itself in English has a translation, sentence by sentence. A setting, kind of
job, call, plugin or finding that is new on the server and has none fails here: web/src/i18n/server."""
import json
import re
import unittest

from playwright.sync_api import expect

import browser
import views

# Said.tsx marks so what it has no German for, and shows the English.
UNTOLD = "[data-untold]"


def untold(page):
    """What the view shows in English because nobody has translated it."""
    return sorted(set(page.locator(UNTOLD).all_inner_texts()))


class German(browser.PageTest):
    def german(self, path, **more):
        page = self.open(path, lang="de", **more)
        views.settled(page)
        return page

    def test_every_view_is_told_in_german_and_fits(self):
        for path in views.of_world():
            with self.subTest(path=path), views.opened(self, path, lang="de") as page:
                self.assertEqual(untold(page), [])
                self.assertEqual(page.evaluate(views.WIDE), [], "these tables scroll sideways at 1280 points")
                self.check_fits(page)

    def test_every_setting_is_explained(self):
        page = self.german("/settings")
        names = [s["name"] for s in self.server.get("/v1/settings").json()["items"]]
        expect(page.locator("[data-setting]")).to_have_count(len(names))
        missing = [name for name in names if page.locator(f"[data-setting={name}] {UNTOLD}").count()]
        self.assertEqual(missing, [], "web/src/i18n/server/settings.de.ts")
        port = page.locator("[data-setting=API_PORT]")
        expect(port).to_contain_text("Port der HTTP-API")
        expect(port).to_contain_text("ganze Zahl")
        page.get_by_label("Namen und Beschreibungen durchsuchen").fill("lauscht")
        expect(page.locator("[data-setting]")).to_have_count(1)

    def test_every_kind_of_job_has_a_name_in_both_languages(self):
        kinds = {kind for worker in self.server.get("/v1/workers").json()["items"] for kind in worker["kinds"]}
        self.assertIn("chess.train", kinds)
        for lang, label in (("de", "Art"), ("en", "Kind")):
            page = self.open("/jobs", lang=lang)
            choices = page.get_by_label(label, exact=True).locator("option")
            expect(choices).to_have_count(len(kinds) + 1)
            named = {m[1] for m in (re.fullmatch(r".+ \((\S+)\)", text) for text in choices.all_inner_texts()) if m}
            self.assertEqual(kinds - named, set(), "web/src/i18n/server/kinds.ts")

    def test_every_call_of_the_api_is_described(self):
        page = self.german("/api?aliases=yes")
        total = sum(len(methods) for methods in self.server.get("/openapi.json").json()["paths"].values())
        # With the other addresses of the same calls, too; they are in the page although their groups are closed.
        calls = page.get_by_role("navigation", name="Aufrufe").locator("a")
        expect(calls).to_have_count(total)
        missing = set(page.locator(UNTOLD).evaluate_all("all => all.map((e) => e.textContent)"))
        self.assertEqual(missing, set(), "web/src/i18n/server/routes.de.ts")
        page.get_by_role("searchbox").fill("Partien importieren")
        expect(calls.filter(has_text="POST/v1/ingest").first).to_be_visible()

    def test_health_and_check_up(self):
        page = self.german("/")
        health = page.get_by_role("region", name="Systemzustand")
        expect(health).to_contain_text(re.compile(r"[\d.]+ MiB frei"))
        expect(health).to_contain_text(re.compile(r"[\d.]+ Objekte, [\d.]+ Byte"))
        expect(health).not_to_contain_text(re.compile("free|bytes|\\bup\\b"))
        page = self.german("/settings?tab=doctor")
        page.get_by_role("button", name="Gründlich untersuchen").click()
        found = page.get_by_role("list", name="Diagnose")
        expect(found).to_contain_text("Integritätsprüfung ohne Befund")
        expect(found.get_by_role("listitem")).to_have_count(len(self.server.get("/v1/doctor?thorough=true").json()["items"]))
        self.assertEqual(untold(page), [], "web/src/i18n/server/sentences.de.ts")

    def test_plugins_that_come_with_the_program(self):
        built_in = [a for a in self.server.get("/v1/analytics").json()["items"] if a["origin"].startswith("builtin:")]
        self.assertGreaterEqual(len(built_in), 4)
        page = self.german("/plugins")
        for plugin in built_in:
            row = page.get_by_role("row").filter(has_text=plugin["name"]).first
            expect(row).to_be_visible()
            expect(row).not_to_contain_text(plugin["summary"])

    def test_english_readers_get_the_servers_words_and_load_no_german(self):
        page = self.open("/settings")
        expect(page.locator("[data-setting=API_PORT]")).to_contain_text("Port of the HTTP API; 0 takes any free one. (whole number)")
        loaded = page.evaluate("() => performance.getEntriesByType('resource').map((r) => r.name).filter((name) => name.includes('.de-'))")
        self.assertEqual(loaded, [])


class Failed(browser.OwnServerTest):
    def test_a_failed_job_says_what_kind_of_failure_it_was_and_what_to_do(self):
        made = self.server.post("/v1/ingest", files={"file": ("broken.zip", b"PK\x03\x04 this is no zip")}).json()
        job = self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "failed")
        self.server.expect_error("job.failed")
        self.assertEqual(job["errorCode"], "invalid")
        page = self.open(f"/jobs/{job['id']}", lang="de")
        said = page.get_by_role("alert")
        expect(said).to_contain_text("Eine Angabe stimmt nicht")
        expect(said).to_contain_text("Berichtige die Eingabe")
        # The exact sentence is the server's, and marked as English for those who listen.
        expect(said.locator("[lang=en]")).to_have_text(job["error"])
        self.check_axe(page)
        page = self.open("/jobs?state=failed", lang="de")
        expect(page.get_by_role("row").filter(has_text="Eine Angabe stimmt nicht").locator("[lang=en]")).to_have_text(job["error"])
        page = self.open(f"/jobs/{job['id']}")
        expect(page.get_by_role("alert")).to_contain_text("Correct what it was given")

    def test_a_sentence_that_has_no_german_is_marked_as_english(self):
        strange = json.dumps({"status": "ok", "store": {"status": "up", "detail": "a brand new engine 1.0"}, "blobs": {"status": "up", "detail": "12345 blobs, 7 bytes"},
                              "disk": {"status": "up", "detail": "1 MiB free"}})
        page = self.open("/games", lang="de")
        page.route("**/health/deps", lambda route: route.fulfill(status=200, content_type="application/json", body=strange))
        page.get_by_role("link", name="Übersicht").first.click()
        health = page.get_by_role("region", name="Systemzustand")
        expect(health.locator("[lang=en]")).to_have_text("a brand new engine 1.0")
        expect(health).to_contain_text("12.345 Objekte, 7 Byte")


if __name__ == "__main__":
    unittest.main()
