# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of models in a real browser, on a server of their own: what serves there is changed. Versions of a family that
judges itself by games of rock, paper, scissors, and a model that an MLflow client registered."""
import pathlib
import sys
import unittest

from playwright.sync_api import expect

import browser
import views

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))
import harness  # noqa: E402

FAMILY = "multinomial_logistic"
MODEL = "rps_bot_mnlogit"
THEIRS = "a client's model, 50 %"
SLOTS = ("Production", "B", "shadow1", "shadow2")


def play(server, games):
    server.cli("rps", "sim", "--user", "ace", "--policy", "logan", "--games", games, "--keep", "--connections", 4,
               "--url", f"http://127.0.0.1:{server.port}")


class Models(browser.PageTest):
    @classmethod
    def make_server(cls):
        server = harness.Server()
        cls.addClassCleanup(server.close)
        play(server, 80)
        for slot in SLOTS:  # the first one learns next to nothing
            how = {"hyperparameters": {"l2_lambda": 1000}} if slot == "Production" else {"config": "c12"}
            started = server.post("/v1/rps/train", {"family": FAMILY, "force": True, **how}).json()
            done = server.wait(f"/v1/jobs/{started['jobId']}", lambda job: job["status"] in ("succeeded", "failed"))
            assert done["result"]["alias"] == slot, done
        play(server, 30)
        # What MlflowClient sends for create_registered_model, create_model_version and set_registered_model_alias.
        for path, body in (("registered-models/create", {"name": THEIRS}),
                           ("model-versions/create", {"name": THEIRS, "source": "s3://theirs/model"}),
                           ("registered-models/alias", {"name": THEIRS, "alias": "champion", "version": "1"})):
            reply = server.post("/api/2.0/mlflow/" + path, body)
            assert reply.status == 200, reply
        return server

    def slots(self):
        """What the server says: {alias: slot}."""
        items = self.server.get("/v1/serving").json()["items"]
        return {slot["alias"]: slot for slot in next(f for f in items if f["family"] == FAMILY)["slots"]}

    def newest(self):
        return self.server.get(f"/v1/models/{MODEL}/promotions").json()["items"][0]

    def ledger(self, page):
        return page.get_by_role("region", name="Promotion ledger").get_by_role("row")

    def tile(self, page, alias):
        return page.locator(f"[data-alias='{alias}']")

    def promote(self, page, version, alias, reason):
        """With keys alone, from the button beside a version to the end of the dialog."""
        page.get_by_role("button", name=f"Promote version {version}", exact=True).press("Enter")
        dialog = page.get_by_role("dialog", name=f"Promote version {version} of {MODEL}")
        dialog.get_by_label("Alias", exact=True).select_option(alias)
        expect(dialog.get_by_role("button", name="Promote", exact=True)).to_be_disabled()  # without a reason
        dialog.get_by_label("Reason").fill(reason)
        dialog.get_by_label("Reason").press("Enter")
        expect(dialog).to_be_hidden()

    def test_0_how_good_each_alias_is(self):  # before the others move them
        shown = self.slots()
        self.assertGreater(shown["B"]["judged"], 0)
        for path in ("/models?tab=serving", f"/models/{MODEL}"):
            page = self.open(path)
            rows = page.get_by_role("group", name=f"Family {FAMILY}").get_by_role("row")
            for slot in SLOTS:
                row = rows.filter(has=page.get_by_role("cell", name=slot, exact=True))
                if shown[slot]["judged"]:  # whoever was moved by another test has begun anew
                    expect(row).to_contain_text(f"{shown[slot]['accuracy'] * 100:.1f}%")
                expect(row).to_contain_text(f"{shown[slot]['predictions']:,}")

    def test_a_version_is_promoted_by_its_button_and_back(self):
        before = self.slots()["shadow1"]["version"]
        version = 1 if before != 1 else 2
        page = self.open(f"/models/{MODEL}")
        self.promote(page, version, "shadow1", "seen enough of it")
        expect(self.tile(page, "shadow1")).to_contain_text(f"Version {version}")
        expect(self.ledger(page).nth(1)).to_contain_text("seen enough of it")
        self.assertEqual({k: self.newest()[k] for k in ("alias", "from", "to", "reason")},
                         {"alias": "shadow1", "from": before, "to": version, "reason": "seen enough of it"})
        self.tile(page, "shadow1").get_by_role("button", name=f"Roll back shadow1 to version {before}").click()
        dialog = page.get_by_role("dialog", name=f"Promote version {before} of {MODEL}")
        dialog.get_by_label("Reason").fill("no better after all")
        dialog.get_by_role("button", name="Promote", exact=True).click()
        expect(self.tile(page, "shadow1")).to_contain_text(f"Version {before}")
        expect(self.ledger(page).nth(1)).to_contain_text("no better after all")

    def test_a_version_is_dropped_on_an_alias(self):
        page = self.open(f"/models/{MODEL}")
        page.get_by_title("Drag version 4 onto an alias").drag_to(self.tile(page, "shadow2"))
        dialog = page.get_by_role("dialog", name=f"Promote version 4 of {MODEL}")
        expect(dialog.get_by_label("Alias", exact=True)).to_have_value("shadow2")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.get_by_title("Drag version 1 onto an alias").drag_to(self.tile(page, "shadow2"))
        dialog = page.get_by_role("dialog", name=f"Promote version 1 of {MODEL}")
        dialog.get_by_label("Reason").fill("dropped there")
        dialog.get_by_role("button", name="Promote", exact=True).click()
        expect(self.tile(page, "shadow2")).to_contain_text("Version 1")
        self.server.wait("/v1/serving", lambda _: self.slots()["shadow2"]["version"] == 1)

    def test_an_alias_of_ones_own(self):
        page = self.open(f"/models/{MODEL}")
        page.get_by_role("button", name="Promote version 3", exact=True).click()
        dialog = page.get_by_role("dialog", name=f"Promote version 3 of {MODEL}")
        dialog.get_by_label("Alias", exact=True).select_option("Another alias…")
        dialog.get_by_label("Name of the alias").fill("tried-at-home")
        dialog.get_by_label("Reason").fill("to find it again")
        dialog.get_by_role("button", name="Promote", exact=True).click()
        expect(self.tile(page, "tried-at-home")).to_contain_text("Version 3")

    def test_what_the_server_refuses_is_said(self):
        page = self.open(f"/models/{MODEL}")
        self.expect("400")
        page.get_by_role("button", name="Promote version 3", exact=True).click()
        dialog = page.get_by_role("dialog", name=f"Promote version 3 of {MODEL}")
        dialog.get_by_label("Alias", exact=True).select_option("Another alias…")
        dialog.get_by_label("Name of the alias").fill("with / slash")
        dialog.get_by_label("Reason").fill("it cannot be")
        dialog.get_by_role("button", name="Promote", exact=True).click()
        expect(page.get_by_text("Invalid alias name: 'with / slash'")).to_be_visible()
        expect(dialog).to_be_visible()

    def test_a_judgement_is_asked_for_and_taken_back(self):
        """B sees through ace, Production knows nothing: B takes over, with the reason, and Production is taken back by hand."""
        for version, alias in ((1, "Production"), (2, "B")):
            self.server.post("/v1/models/promote", {"modelId": MODEL, "modelVersion": str(version), "to": alias, "reason": "as at first"})
        play(self.server, 300)
        page = self.open(f"/models/{MODEL}")
        page.get_by_role("button", name="Judge now").click()
        decisions = page.get_by_role("group", name="Decisions").get_by_role("row")
        expect(decisions.nth(1)).to_contain_text("B took over")
        self.assertEqual(self.slots()["Production"]["version"], 2)
        expect(self.tile(page, "B")).to_contain_text(f"Version {self.slots()['B']['version']}")  # or a shadow that is better than both
        self.tile(page, "Production").get_by_role("button", name="Roll back Production to version 1").press("Enter")
        dialog = page.get_by_role("dialog", name="Roll back Production")
        dialog.get_by_label("Reason").fill("taken back by hand")
        dialog.get_by_label("Reason").press("Enter")
        expect(self.tile(page, "Production")).to_contain_text("Version 1")
        expect(self.ledger(page).nth(1)).to_contain_text("taken back by hand")
        expect(decisions.nth(1)).to_contain_text("rolled back")
        self.server.wait("/v1/serving", lambda _: self.slots()["Production"]["version"] == 1)

    def test_a_model_of_an_mlflow_client(self):
        page = self.open("/models")
        page.get_by_role("link", name=THEIRS).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(THEIRS)
        expect(self.tile(page, "champion")).to_contain_text("Version 1")
        expect(page.get_by_role("group", name="Versions").get_by_role("row").nth(1)).to_contain_text("champion")

    def test_it_fits_and_can_be_read(self):
        for theme, size in (("dark", browser.DESK), ("light", browser.PHONE)):
            for path in ("/models", "/models?tab=serving", f"/models/{MODEL}"):
                with self.subTest(path=path, theme=theme, width=size["width"]):
                    page = self.open(path, theme=theme, size=size)
                    views.settled(page)
                    self.check_axe(page)
                    self.check_fits(page)
        page = self.open(f"/models/{MODEL}", size=browser.PHONE)
        button = page.get_by_role("button", name="Promote version 1", exact=True)
        self.assertLess(button.bounding_box()["x"] + button.bounding_box()["width"], browser.PHONE["width"])  # seen without scrolling
        button.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        self.check_axe(page)


if __name__ == "__main__":
    unittest.main()
