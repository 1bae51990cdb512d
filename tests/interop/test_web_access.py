# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person of a lesser role meets in a real browser: buttons that are held back and say why, parts of pages that say whom
they are for, and nowhere a refusal by the server (a 403 is an error of the console, which fails the test)."""
import re
import unittest

from playwright.sync_api import expect

import browser
from world import World, harness, wait_until

WHY = 'This needs the role “{}”; yours is “{}”.'
ONLY_ADMIN = "For the role “admin” only"


class Lesser(browser.PageTest):
    """In the World: a key that is no administrator's leaves the others their trust."""
    roles = ("viewer", "analyst")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {}
        for role in cls.roles:
            made = cls.server.post("/v1/keys", {"username": f"web-access-{role}", "role": role}).json()
            cls.keys[role] = made["key"]
            cls.addClassCleanup(cls.server.request, "DELETE", f"/v1/keys/{made['id']}")

    def open_as(self, role, path, **how):
        page = self.open("/nowhere", **how)
        page.evaluate("key => sessionStorage.setItem('skerry.key', key)", self.keys[role])
        return self.go(page, path)

    def go(self, page, path):
        page.goto(self.url(path))
        page.get_by_role("heading", level=1).wait_for()
        return page

    def check_held(self, button, needed="analyst", role="viewer"):
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", re.compile(re.escape(WHY.format(needed, role))))
        expect(button).to_have_accessible_description(re.compile(re.escape(WHY.format(needed, role))))

    # ------------------------------------------------------------------ settings

    def test_parts_of_the_settings_say_whom_they_are_for(self):
        page = self.open_as("viewer", "/settings")
        for tab in ("Settings", "Keys", "Users", "Audit trail", "Cleaning up"):
            with self.subTest(tab=tab):
                page.get_by_role("tab", name=f"{tab} ({ONLY_ADMIN})").click()
                panel = page.get_by_role("tabpanel")
                expect(panel).to_contain_text(ONLY_ADMIN)
                expect(panel).to_contain_text(WHY.format("admin", "viewer"))
                expect(panel.get_by_role("button")).to_have_count(0)
        self.check_axe(page)
        page.get_by_role("tab", name="Check-up", exact=True).click()
        expect(page.get_by_role("list", name="Check-up")).to_contain_text("data folder")
        self.check_held(page.get_by_role("button", name="Examine thoroughly"), "admin")
        # What he may do works as before.
        page.get_by_role("tab", name="My preferences", exact=True).click()
        page.get_by_label("Temperature").fill("0.65")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        kept = self.server.get("/v1/users/me/prefs", {"X-Api-Key": self.keys["viewer"]}).json()
        self.assertEqual(kept["temperature"], 0.65)

    def test_in_german_on_a_phone(self):
        for theme in ("light", "dark"):
            page = self.open_as("viewer", "/settings?tab=keys", size=browser.PHONE, lang="de", theme=theme)
            expect(page.get_by_role("tabpanel")).to_contain_text("Dafür ist die Rolle „admin“ nötig; deine ist „viewer“.")
            self.check_fits(page)
            self.check_axe(page)

    # ------------------------------------------------------------------ buttons

    def test_models_are_looked_at_but_not_promoted(self):
        model = World.model["modelId"]
        for role in self.roles:
            with self.subTest(role=role):
                page = self.open_as(role, f"/models/{model}")
                promote = page.get_by_role("button", name=f"Promote version {World.model['modelVersion']}")
                self.check_held(promote, "admin", role)
                # It can be reached with keys, and then says why.
                promote.focus()
                page.keyboard.press("Enter")
                expect(page.get_by_role("status").filter(has_text=WHY.format("admin", role))).to_be_visible()
                expect(page.get_by_role("dialog")).to_have_count(0)
                # Nor is one dropped on an alias.
                page.get_by_role("button", name="Close").click()
                page.locator("[draggable=true]").first.drag_to(page.locator("[data-alias=prod]"))
                expect(page.get_by_role("status").filter(has_text=WHY.format("admin", role))).to_be_visible()
                expect(page.get_by_role("dialog")).to_have_count(0)
                self.check_axe(page)

    def test_jobs_and_runs_are_watched_but_not_told(self):
        made = World.must("POST", "/v1/trainings", {"datasetId": World.dataset["id"], "minutes": 5, "epochs": 10000, "patience": 10000})
        self.addCleanup(lambda: self.server.post(f"/v1/jobs/{made['jobId']}/control", {"action": "stop"}))
        wait_until(lambda: World.must("GET", f"/v1/jobs/{made['jobId']}")["status"] == "running", "the training")
        page = self.open_as("viewer", f"/jobs/{made['jobId']}")
        for name in ("Pause", "Stop"):
            self.check_held(page.get_by_role("button", name=name, exact=True))
        self.go(page, f"/runs/{made['runId']}")
        for name in ("Pause", "Stop"):
            self.check_held(page.get_by_role("button", name=name, exact=True))
        self.go(page, "/jobs?tab=workers")
        self.check_held(page.get_by_role("button", name="Drain").first, "admin")
        self.go(page, "/jobs?tab=outbox")
        expect(page.get_by_role("tabpanel")).to_contain_text(ONLY_ADMIN)
        # Whoever works here may.
        page = self.open_as("analyst", f"/jobs/{made['jobId']}")
        stop = page.get_by_role("button", name="Stop", exact=True)
        expect(stop).to_be_enabled()
        stop.click()
        page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "stopped")

    def test_nothing_is_built_imported_or_played_by_a_viewer(self):
        page = self.open_as("viewer", "/datasets")
        self.check_held(page.get_by_role("button", name="New dataset"))
        for path, name in ((f"/datasets/{World.dataset['id']}", "New version"), ("/datasets/new", "Build"), ("/plugins", "Run now"),
                           ("/games", "Choose a file"), ("/play", "Start"), ("/rps", "Start")):
            with self.subTest(path=path):
                self.go(page, path)
                self.check_held(page.get_by_role("button", name=name).first)
        self.go(page, f"/datasets/{World.dataset['id']}")
        self.check_held(page.get_by_role("button", name="Delete"), "admin")
        # A file that is dropped is not even sent.
        self.go(page, "/games")
        page.locator("[data-drop] input[type=file]").set_input_files({"name": "web-access.pgn", "mimeType": "text/plain", "buffer": b"1. e4 *"})
        expect(page.get_by_role("status").filter(has_text=WHY.format("analyst", "viewer"))).to_be_visible()
        # An analyst may.
        page = self.open_as("analyst", "/datasets")
        page.get_by_role("link", name="New dataset").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New dataset")

    def test_a_game_of_somebody_else_is_only_looked_at(self):
        game = World.must("POST", "/v1/play/new", {"color": "white"})["gameId"]
        page = self.open_as("viewer", f"/play/{game}")
        self.check_held(page.get_by_role("button", name="Resign"))
        self.check_held(page.get_by_role("button", name="Play", exact=True))
        self.assertEqual(World.must("GET", f"/v1/play/{game}")["plies"], 0)

    def test_the_page_about_the_api_says_it_too(self):
        page = self.open_as("viewer", "/api/post_v1_maintenance_collect")
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        expect(page.get_by_text(WHY.format("admin", "viewer"))).to_be_visible()
        # The key stands in no command.
        expect(page.locator("[data-curl]")).to_contain_text("$SKERRY_KEY")
        self.assertNotIn(self.keys["viewer"], page.content())
        self.go(page, "/api/get_v1_users_me")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator("[data-body]")).to_contain_text("web-access-viewer")


class Asked(browser.PageTest):
    """A server that wants a key of everybody."""
    @classmethod
    def make_server(cls):
        server = harness.Server()
        cls.addClassCleanup(server.close)
        cls.root = {"X-Api-Key": server.post("/v1/keys", {"username": "root", "role": "admin"}).json()["key"]}
        cls.reader = server.post("/v1/keys", {"username": "reader", "role": "viewer"}, headers=cls.root).json()["key"]
        return server

    def test_a_viewer_comes_in_with_his_key(self):
        self.expect("401")  # before he has said it
        page = self.open("/settings?tab=keys")
        asked = page.get_by_role("dialog", name="This server wants an API key")
        asked.get_by_label("API key").fill(self.reader)
        asked.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("tabpanel")).to_contain_text(ONLY_ADMIN)
        # He is given another role, and looks again.
        self.assertEqual(self.server.request("PATCH", "/v1/admin/users/reader", b'{"roles":["admin"]}', {**self.root, "Content-Type": "application/json"}).status, 200)
        page.reload()
        expect(page.get_by_role("group", name="Keys", exact=True).get_by_role("row").filter(has_text="reader")).to_contain_text("works")


if __name__ == "__main__":
    unittest.main()
