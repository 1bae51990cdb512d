# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings in a real browser: found and explained, no secret among them; the first key of an administrator made, used and
revoked without the page breaking; roles, the audit trail, the check-up, cleaning up, preferences."""
import csv
import io
import json
import re
import unittest

from playwright.sync_api import expect

import browser
from world import harness

SECRET = "a-secret-that-nobody-may-see"
ASKED = "This server wants an API key"


class OwnServer(browser.PageTest):
    """Who may do what is changed here: not the server that all share."""
    @classmethod
    def make_server(cls):
        server = harness.Server(env={"SKERRY_S3_SECRET_KEY": SECRET, "SKERRY_KEEP_DELETED_DAYS": "7"})
        cls.addClassCleanup(server.close)
        return server


class Effective(OwnServer):
    def test_each_says_where_it_came_from_and_is_found_by_words(self):
        page = self.open("/settings")
        listed = page.locator("[data-setting]")
        total = len(self.server.get("/v1/settings").json()["items"])
        expect(listed).to_have_count(total)
        one = page.locator("[data-setting=SKERRY_KEEP_DELETED_DAYS]")
        expect(one).to_contain_text("7")
        expect(one).to_contain_text("from the environment")
        expect(one).to_contain_text("Otherwise: 30")
        self.assertNotIn(SECRET, page.content())
        expect(page.locator("[data-setting=SKERRY_S3_SECRET_KEY]")).to_contain_text("(set)")
        page.get_by_label("Search names and descriptions").fill("listen loopback")
        expect(listed).to_have_count(1)
        expect(listed).to_contain_text("SKERRY_BIND")
        with page.expect_download() as saved:
            page.get_by_role("button", name="CSV", exact=True).click()
        head, row = list(csv.reader(io.StringIO(saved.value.path().read_text(encoding="utf-8"))))
        self.assertEqual((head[0], dict(zip(head, row))["Name"], dict(zip(head, row))["Set where"]), ("Name", "SKERRY_BIND", "default"))
        page.get_by_label("Search names and descriptions").fill("")
        page.get_by_label("Only those that were set").check()
        expect(page.locator("[data-setting=SKERRY_BIND]")).to_have_count(0)
        expect(one).to_be_visible()
        page.reload()
        expect(page.get_by_label("Only those that were set")).to_be_checked()
        expect(one).to_be_visible()

    def test_every_part_can_be_read_and_fits(self):
        words = {"settings": "SKERRY_BIND", "keys": "Keine Zeile|Es gibt keine Schlüssel", "users": "du", "audit": "Wann|Es wurde nichts geändert", "doctor": "SQLite",
                 "maintenance": "Die letzten Male", "prefs": "Temperatur"}
        for tab, word in words.items():
            with self.subTest(tab=tab):
                page = self.open(f"/settings?tab={tab}", size=browser.PHONE, lang="de", theme="light")
                expect(page.get_by_role("tabpanel")).to_contain_text(re.compile(word))
                self.check_fits(page)
                self.check_axe(page)
                page = self.open(f"/settings?tab={tab}")
                expect(page.get_by_role("tabpanel").get_by_text("Loading…")).to_have_count(0)
                self.check_axe(page)

    def test_a_thorough_check_up_reads_the_whole_store(self):
        page = self.open("/settings?tab=doctor")
        found = page.get_by_role("list", name="Check-up")
        expect(found).to_contain_text("data folder")
        self.assertNotIn("integrity", found.inner_text())
        page.get_by_role("button", name="Examine thoroughly").click()
        expect(found).to_contain_text("integrity check clean")
        told = {f["what"] for f in json.loads(self.server.cli("doctor", "--json", check=False).stdout)}
        for what in told:
            expect(found).to_contain_text(what)

    def test_cleaning_up_says_first_what_would_go(self):
        made = self.server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": "to-go"}).json()
        run = made["run"]["info"]["run_id"]
        self.server.post("/api/2.0/mlflow/runs/delete", {"run_id": run})
        page = self.open("/settings?tab=maintenance")
        now = page.get_by_role("button", name="Clean up now")
        expect(now).to_be_disabled()
        page.get_by_label("Deleted longer ago than").fill("0d")
        page.get_by_role("button", name="See what would go").click()
        expect(page.locator("[data-gc=plan]")).to_contain_text("What would go")
        expect(page.get_by_role("group", name="What would go")).to_contain_text(run)
        self.assertEqual(self.server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status, 200)
        self.check_axe(page)
        # What was planned for one age is not done for another.
        page.get_by_label("Deleted longer ago than").fill("30d")
        expect(now).to_be_disabled()
        page.get_by_label("Deleted longer ago than").fill("0d")
        now.click()
        asked = page.get_by_role("dialog", name="Clean up now?")
        expect(asked).to_contain_text("Runs that go for good: 1")
        asked.get_by_role("button", name="Clean up now").click()
        expect(page.locator("[data-gc=done]")).to_contain_text("What went")
        self.assertEqual(self.server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status, 404)
        page.get_by_role("tab", name="Audit trail").click()
        expect(page.get_by_role("row").filter(has_text="maintenance.gc")).to_contain_text("0d")

    def test_preferences_are_kept(self):
        page = self.open("/settings?tab=prefs")
        page.get_by_label("Temperature").fill("0.75")
        page.get_by_label("Board seen from").select_option("black")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        kept = self.server.get("/v1/users/me/prefs").json()
        self.assertEqual((kept["temperature"], kept["boardOrientation"]), (0.75, "black"))
        page.reload()
        expect(page.get_by_label("Temperature")).to_have_value("0.75")


class Keys(OwnServer):
    def status(self, path, key=None):
        return self.server.get(path, {"X-Api-Key": key} if key else None).status

    def make(self, page, user, role):
        page.get_by_role("button", name="New key").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("User").fill(user)
        dialog.get_by_label("Role").select_option(role)
        return dialog

    def secret_of(self, dialog):
        expect(dialog.locator("[data-secret]")).to_have_text(re.compile("^sk_"))
        return dialog.locator("[data-secret]").inner_text()

    def revoke(self, page, user):
        page.get_by_role("button", name=re.compile(f"^Revoke the key .* of {user}$")).click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()

    def test_the_first_key_of_an_administrator_is_made_used_and_revoked(self):
        self.expect("401")  # of another tab, before it has a key
        page = self.open("/settings?tab=keys", permissions=["clipboard-read", "clipboard-write"])
        expect(page.get_by_text("the server trusts whoever reaches it")).to_be_visible()
        dialog = self.make(page, "root", "admin")
        # It says what that means, and wants to hear that it was read.
        expect(dialog.get_by_role("alert")).to_contain_text("the server trusts nobody without a key")
        make = dialog.get_by_role("button", name="Make the key")
        expect(make).to_be_disabled()
        self.check_axe(page)
        dialog.get_by_label("I know").check()
        make.click()
        root = self.secret_of(page.get_by_role("dialog", name="The key of root"))
        expect(page.get_by_role("dialog")).to_contain_text("This tab uses it from now on")
        page.get_by_role("button", name="Copy the key").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        self.assertEqual(page.evaluate("() => navigator.clipboard.readText()"), root)
        self.check_axe(page)
        self.assertEqual((self.status("/v1/runs"), self.status("/v1/settings", root)), (401, 200))
        # The page goes on, and after a reload, too. The secret is gone.
        page.get_by_role("button", name="Done").click()
        self.assertNotIn(root, page.content())
        expect(page.get_by_text("The server wants a key of everybody")).to_be_visible()
        page.reload()
        expect(page.get_by_role("group", name="Keys", exact=True).get_by_role("row").filter(has_text="root")).to_contain_text("works")
        expect(page.get_by_role("dialog", name=ASKED)).to_have_count(0)
        # Another tab is asked.
        other = self.open("/jobs")
        asked = other.get_by_role("dialog", name=ASKED)
        asked.get_by_label("API key").fill(root)
        asked.get_by_role("button", name="Use this key").click()
        expect(other.get_by_role("tabpanel")).to_contain_text(re.compile("All[0-9]"))
        # A second one, without the warning, for reading; it ends with its revocation.
        dialog = self.make(page, "reader", "viewer")
        expect(dialog.get_by_role("alert")).to_have_count(0)
        dialog.get_by_role("button", name="Make the key").click()
        reader = self.secret_of(page.get_by_role("dialog", name="The key of reader"))
        page.get_by_role("button", name="Done").click()
        self.assertEqual((self.status("/v1/runs", reader), self.status("/v1/settings", reader)), (200, 403))
        page.get_by_role("tab", name="Users").click()
        page.get_by_label("Role of reader").select_option("analyst")
        page.get_by_role("dialog").get_by_role("button", name="Change").click()
        expect(page.get_by_label("Role of reader")).to_have_value("analyst")
        listed = {k["username"]: k["role"] for k in self.server.get("/v1/keys", {"X-Api-Key": root}).json()["items"]}
        self.assertEqual(listed, {"root": "admin", "reader": "analyst"})
        page.get_by_role("tab", name="Keys").click()
        self.revoke(page, "reader")
        expect(page.get_by_role("group", name="Keys", exact=True).get_by_role("row").filter(has_text="reader")).to_have_count(0)
        self.assertEqual(self.status("/v1/runs", reader), 401)
        page.get_by_label("Revoked ones, too").check()
        expect(page.get_by_role("group", name="Keys", exact=True).get_by_role("row").filter(has_text="reader")).to_contain_text("revoked")
        page.get_by_role("tab", name="Audit trail").click()
        rows = page.get_by_role("group", name="Audit trail")
        expect(rows.get_by_text("auth.key_created")).to_have_count(2)
        expect(rows.get_by_text("auth.key_revoked")).to_have_count(1)
        # With the last one the time without keys is back, and the page goes on again.
        page.get_by_role("tab", name="Keys").click()
        page.get_by_role("button", name=re.compile("^Revoke the key .* of root$")).click()
        expect(page.get_by_role("dialog")).to_contain_text("the last key of an administrator")
        page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_text("the server trusts whoever reaches it")).to_be_visible()
        self.assertEqual(self.status("/v1/settings"), 200)
        expect(page.get_by_role("dialog", name=ASKED)).to_have_count(0)


if __name__ == "__main__":
    unittest.main()
