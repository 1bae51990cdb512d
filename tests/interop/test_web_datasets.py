# SPDX-License-Identifier: GPL-3.0-or-later
"""Datasets in a real browser: built by the form, looked into, exported with and without a key, deleted or kept."""
import json
import re
import unittest

import chess
from playwright.sync_api import expect

import browser
import views
import harness
from world import GAMES, World

API = "/api/2.0/mlflow"


def build(name, **body):
    """A dataset by the API; returns it when it is ready."""
    made = World.must("POST", "/v1/datasets", {"name": name, **body})
    World.job(made["jobId"])
    return World.must("GET", f"/v1/datasets/{made['id']}")


class Listed(browser.PageTest):
    def test_each_says_what_is_in_it(self):
        made = build("web-listed", sizeRows=500)
        page = self.open("/datasets?q=web-listed")
        row = page.get_by_role("group", name="Datasets", exact=True).get_by_role("row", name="web-listed")
        for text in ("chess.positions", "ready", "500", " / ".join(str(s["rows"]) for s in made["manifest"]["splits"].values()), "all passed"):
            expect(row).to_contain_text(text)
        row.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("web-listed@1")

    def test_the_key_leads_here(self):
        page = self.open("/")
        self.press_both(page, "g d", "Datasets")
        expect(page.get_by_role("navigation").get_by_role("link", name="Datasets")).to_have_attribute("aria-current", "page")

    def test_more_than_a_page_of_them(self):
        client = World.server.post(f"{API}/runs/create", {"experiment_id": "0", "run_name": "web-many", "start_time": 1790000000000}).json()
        run = client["run"]["info"]["run_id"]
        datasets = [{"dataset": {"name": f"web-many-{i:03}", "digest": f"{i:08}", "source_type": "http", "source": "{}"}, "tags": []} for i in range(130)]
        self.assertEqual(self.server.post(f"{API}/runs/log-inputs", {"run_id": run, "datasets": datasets}).status, 200)
        page = self.open("/datasets?q=web-many-")
        expect(page.get_by_role("status").filter(has_text=re.compile("^130 of"))).to_be_visible()


class Built(browser.PageTest):
    def test_by_the_form_until_it_is_ready(self):
        page = self.open("/datasets")
        page.get_by_role("link", name="New dataset").click()
        page.get_by_label("Name", exact=True).fill("web-form")
        page.get_by_label("Rows at most").fill("900")
        page.get_by_label("Rating from").fill("1500")
        page.get_by_role("group", name="Speed").get_by_label("Blitz").check()
        page.get_by_role("group", name="Speed").get_by_label("Rapid").check()
        page.get_by_label("Openings (ECO)").fill("B, C")
        page.get_by_label("By", exact=True).select_option("time")
        page.get_by_label("Training (%)").fill("70")
        expect(page.get_by_text("together; they must be 100 %")).to_be_visible()
        page.get_by_label("Test (%)").fill("20")
        expect(page.get_by_text("together; they must be 100 %")).to_have_count(0)
        page.get_by_role("button", name="Build").click()
        expect(page.get_by_role("status").filter(has_text="web-form@1 is ready.")).to_be_visible()
        page.get_by_role("link", name="Open web-form@1").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("web-form@1")
        expect(page.locator("main")).to_contain_text("Rating from: 1,500 · Speed: Blitz, Rapid · Openings (ECO): B, C · Rows at most: 900")
        expect(page.locator("main")).to_contain_text("By: Time · Training: 70% · Validation: 10% · Test: 20%")
        made = World.must("GET", "/v1/datasets/web-form")
        self.assertEqual(made["filter"], {"minElo": 1500, "speed": ["BLITZ", "RAPID"], "eco": ["B", "C"], "limit": 900})
        self.assertEqual(made["split"], {"by": "time", "train": 0.7, "valid": 0.1, "test": 0.2})
        self.assertEqual(made["rows"], 900)

    def test_a_new_version_asks_the_same_again(self):
        old = build("web-again", sizeRows=120, filter={"color": "black"}, split={"by": "game", "train": 0.5, "valid": 0.25, "test": 0.25, "seed": 7})
        page = self.open(f"/datasets/{old['id']}")
        page.get_by_role("link", name="New version").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value("web-again")
        page.get_by_role("button", name="Build").click()
        expect(page.get_by_role("status").filter(has_text="web-again@2 is ready.")).to_be_visible()
        page.get_by_role("link", name="Open web-again@2").click()
        new = World.must("GET", "/v1/datasets/web-again?version=2")
        self.assertEqual((new["filter"], new["split"], new["digest"]), (old["filter"], old["split"], old["digest"]))
        page.get_by_role("tab", name="Versions").click()
        expect(page.get_by_role("tabpanel").get_by_role("row")).to_have_count(3)
        page.get_by_role("tabpanel").get_by_role("link", name="1", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("web-again@1")

    def test_what_the_server_refuses_and_what_fails_are_said(self):
        page = self.open("/datasets/new")
        page.get_by_label("Name", exact=True).fill("web-refused")
        page.get_by_label("Rating from").fill("2000")
        page.get_by_label("Rating to").fill("1000")
        self.expect("400")
        page.get_by_role("button", name="Build").click()
        expect(page.get_by_role("alert")).to_contain_text("'minElo' (2000) is above 'maxElo' (1000)")
        for event in ("dataset.failed", "job.failed", "run.failed"):
            self.server.expect_error(event)
        page.get_by_label("Rating from").fill("3990")
        page.get_by_label("Rating to").fill("")
        page.get_by_role("button", name="Build").click()
        expect(page.get_by_role("status").filter(has_text="the filter matches no game")).to_be_visible()
        page.get_by_role("button", name="Change it and build again").click()
        expect(page.get_by_label("Rating from")).to_have_value("3990")
        page = self.open("/datasets/web-refused")
        expect(page.get_by_role("alert")).to_contain_text("the filter matches no game")
        expect(page.get_by_role("tab", name="Sample")).to_have_count(0)


class Looked(browser.PageTest):
    def test_profile_and_quality(self):
        made = build("web-few", sizeRows=1, split={"train": 0.9, "valid": 0.1, "test": 0})
        page = self.open(f"/datasets/{made['id']}")
        expect(page.get_by_role("region", name="Rows by time control").get_by_role("listitem").filter(has_text="100.0%")).to_have_count(1)
        columns = page.get_by_role("group", name="Columns")
        expect(columns.get_by_role("row", name="white_rating")).to_contain_text("int")
        page.get_by_role("tab", name="Quality").click()
        expect(page.locator("[data-check='split train']")).to_contain_text("passed")
        expect(page.locator("[data-check='split valid']")).to_contain_text(re.compile("failed.*asked for and has no row"))
        expect(page.locator("[data-check='left_out damaged_game']")).to_contain_text("passed")
        expect(page.get_by_role("region", name="Measured")).to_contain_text("Duplicate")

    def test_a_row_leads_to_its_position_on_the_board(self):
        id = World.dataset["id"]
        rows = World.must("GET", f"/v1/datasets/{id}/sample?limit=60")["items"]
        page = self.open(f"/datasets/{id}?tab=sample")
        expect(page.get_by_text("Rows 1 to 50 of")).to_be_visible()
        page.get_by_role("button", name="After").click()
        expect(page.get_by_text("Rows 51 to 100 of")).to_be_visible()
        row = rows[52]
        page.get_by_role("link", name=row["fen"]).first.click()
        page.wait_for_url(re.compile(re.escape(f"/games/{row['game_id']}?ply={row['ply']}")))
        shown = page.locator("[data-fen]").get_attribute("data-fen")
        self.assertEqual(chess.Board(shown).board_fen(), chess.Board(row["fen"]).board_fen())
        page.go_back()
        expect(page.get_by_text("Rows 51 to 100 of")).to_be_visible()

    def test_where_it_came_from_and_what_was_trained_on_it(self):
        page = self.open(f"/datasets/{World.dataset['id']}?tab=origin")
        imports = page.get_by_role("group", name="Imports it was made from")
        expect(imports.get_by_role("link", name=GAMES.name)).to_have_attribute("href", f"/ui/runs/{World.ingest['runId']}")
        training = page.get_by_role("group", name="Runs that read it").locator("tr", has=page.locator(f"a[href='/ui/runs/{World.training['runId']}']"))
        expect(training).to_contain_text("training")
        model = World.model
        expect(training.get_by_role("link", name=f"{model['modelId']} {model['modelVersion']}")).to_have_attribute("href", f"/ui/models/{model['modelId']}")

    def test_a_dataset_of_a_client_has_no_rows_and_nothing_broken(self):
        run = self.server.post(f"{API}/runs/create", {"experiment_id": "0", "run_name": "web-client", "start_time": 1790000000000}).json()["run"]["info"]["run_id"]
        self.server.post(f"{API}/runs/log-inputs", {"run_id": run, "datasets": [
            {"dataset": {"name": "web-client 50 %", "digest": "cafe0001", "source_type": "http", "source": "{}"}, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]})
        page = self.open("/datasets/web-client%2050%20%25")
        expect(page.get_by_text("Its rows are not read by this server")).to_be_visible()
        expect(page.get_by_role("tab")).to_have_text(["Versions", "Origin and use"])
        expect(page.get_by_role("link", name="New version")).to_have_count(0)
        page.get_by_role("tab", name="Origin and use").click()
        expect(page.get_by_role("row", name="web-client")).to_contain_text("training")


class Exported(browser.PageTest):
    def test_as_links_that_the_browser_saves(self):
        made = build("web-export", sizeRows=200)
        rows = made["manifest"]["splits"]
        page = self.open(f"/datasets/{made['id']}?tab=export")
        for format, count in (("NDJSON", lambda text: len(text.splitlines())), ("CSV", lambda text: len(text.splitlines()) - 1)):
            with page.expect_download() as saved:
                page.get_by_role("link", name=f"Download as {format}", exact=True).click()
            self.assertEqual(count(saved.value.path().read_text()), 200)
        page.get_by_label("Splits").select_option("test")
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download as NDJSON").click()
        lines = [json.loads(line) for line in saved.value.path().read_text().splitlines()]
        self.assertEqual((len(lines), {line["split"] for line in lines}), (rows["test"]["rows"], {"test"}))
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download as PGN").click()
        self.assertIn("[White ", saved.value.path().read_text())


class Locked(browser.PageTest):
    """A server that wants a key: a link cannot carry it."""

    @classmethod
    def make_server(cls):
        server = harness.Server()
        cls.addClassCleanup(server.close)
        made = server.post("/v1/games/demo", {}).json()
        server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "succeeded")
        made = server.post("/v1/datasets", {"name": "locked", "sizeRows": 50}).json()
        cls.dataset = server.wait(f"/v1/datasets/{made['id']}", lambda d: d["status"] == "ready")
        cls.key = json.loads(server.cli("key", "create", "web-admin", "admin", "--json").stdout)["key"]
        return server

    def test_exports_go_with_the_key(self):
        self.expect("401")
        page = self.open("/datasets")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("API key").fill(self.key)
        dialog.get_by_role("button").last.click()
        page.get_by_role("link", name="locked").click()
        page.get_by_role("tab", name="Export").click()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download as CSV").click()
        self.assertEqual(saved.value.suggested_filename, "locked-1.csv")
        self.assertEqual(len(saved.value.path().read_text().splitlines()), 51)
        expect(page.locator("code").filter(has_text="curl")).to_contain_text("X-Api-Key: $SKERRY_KEY")
        self.assertNotIn(self.key, page.content())


class Deleted(browser.PageTest):
    def test_after_a_question(self):
        made = build("web-gone", sizeRows=20)
        page = self.open(f"/datasets/{made['id']}")
        page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog", name="Delete web-gone@1?")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_have_count(0)
        page.get_by_role("button", name="Delete").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("web-gone@1 is deleted")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
        self.assertEqual(self.server.get(f"/v1/datasets/{made['id']}").status, 404)

    def test_what_a_model_needs_stays_and_the_reason_is_said(self):
        page = self.open(f"/datasets/{World.dataset['id']}")
        page.get_by_role("button", name="Delete").click()
        self.expect("409")
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("status").filter(has_text=f"model '{World.model['modelId']}' version {World.model['modelVersion']} was trained on it")).to_be_visible()
        self.assertEqual(self.server.get(f"/v1/datasets/{World.dataset['id']}").status, 200)


class Fits(browser.PageTest):
    def test_it_fits_and_can_be_read(self):
        id = World.dataset["id"]
        paths = ["/datasets", "/datasets/new"] + [f"/datasets/{id}?tab={tab}" for tab in ("profile", "quality", "sample", "versions", "origin", "export")]
        for theme, size, lang in (("dark", browser.DESK, "en"), ("light", browser.PHONE, "de")):
            for path in paths:
                with self.subTest(path=path, theme=theme):
                    page = self.open(path, theme=theme, size=size, lang=lang)
                    expect(page.get_by_role("tabpanel") if "?" in path else page.locator("main form, main table")).to_be_visible()
                    views.settled(page)
                    self.check_axe(page)
                    self.check_fits(page)


if __name__ == "__main__":
    unittest.main()
