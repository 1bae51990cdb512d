# SPDX-License-Identifier: GPL-3.0-or-later
"""Lineage in a real browser: from a model back to its import and on to its predictions, with the mouse and with keys."""
import re
import unittest

from playwright.sync_api import expect

import browser
import views
from world import World, wait_until


class LineageTest(browser.PageTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        versions = World.must("GET", f"/v1/models/{World.model['modelId']}/versions")
        cls.version = next(v["id"] for v in versions if v["runId"] == World.training["runId"])
        cls.ids = {"import": World.ingest["runId"], "dataset": World.dataset["id"], "training": World.training["runId"], "model": cls.version}

    def graph(self, page):
        return page.get_by_role("group", name="Lineage as a graph")

    def node(self, page, what):
        return self.graph(page).locator(f"[data-node='{self.ids.get(what, what)}']")


class Graph(LineageTest):
    def test_a_model_leads_back_to_its_import_and_on_to_predictions(self):
        page = self.open(f"/models/{World.model['modelId']}")
        page.get_by_role("link", name=f"Lineage of version {World.model['modelVersion']}").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Lineage of {World.model['modelId']}@{World.model['modelVersion']}")
        left = [self.node(page, what).bounding_box()["x"] for what in ("import", "dataset", "training", "model")]
        self.assertEqual(left, sorted(set(left)))  # from left to right
        predictions = self.node(page, f"predictions of {self.version}")
        expect(predictions).to_have_attribute("data-look", "predictions")
        self.assertGreater(predictions.bounding_box()["x"], left[-1])
        expect(self.node(page, "model")).to_have_attribute("aria-current", "true")
        table = page.get_by_role("group", name="The same as a table")
        expect(table.locator("tr[data-row]")).to_have_count(self.graph(page).locator("[data-node]").count())
        self.node(page, "import").click()
        expect(page).to_have_url(re.compile(f"/runs/{self.ids['import']}$"))
        page.get_by_role("link", name="Lineage", exact=True).and_(page.locator("main a")).click()
        expect(self.node(page, "import")).to_have_attribute("aria-current", "true")
        expect(self.node(page, "dataset")).to_be_visible()

    def test_with_keys_alone(self):
        page = self.open(f"/lineage/{self.version}")
        self.node(page, "model").focus()
        named = self.graph(page).get_by_role("link", name=f"Model: {World.model['modelId']}, version {World.model['modelVersion']}")
        expect(named).to_be_focused()
        for what in ("training", "dataset"):
            page.keyboard.press("ArrowLeft")
            expect(self.node(page, what)).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(self.node(page, "training")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(f"/runs/{self.ids['training']}$"))

    def test_what_lies_beside_the_line_is_shown_when_it_is_wanted(self):
        made = World.must("POST", "/v1/datasets", {"name": "web-lineage-other", "sizeRows": 30})
        World.job(made["jobId"])
        page = self.open(f"/lineage/{self.version}")
        expect(self.node(page, "import")).to_be_attached()
        expect(self.node(page, made["id"])).to_have_count(0)
        page.get_by_label("Also what only lies near").check()
        expect(self.node(page, made["id"])).to_be_attached()
        page.reload()
        expect(self.node(page, made["id"])).to_be_attached()
        page.get_by_label("How far").select_option("2")
        expect(self.node(page, "import")).to_have_count(0)
        expect(self.node(page, "dataset")).to_be_attached()

    def test_it_is_zoomed(self):
        page = self.open(f"/lineage/{self.version}")
        width = self.node(page, "model").bounding_box()["width"]
        page.get_by_role("button", name="Larger").click()
        wait_until(lambda: self.node(page, "model").bounding_box()["width"] > width * 1.2, "growing")
        page.get_by_role("button", name="All of it").click()
        wait_until(lambda: self.graph(page).locator("svg").first.bounding_box()["width"] <= self.graph(page).bounding_box()["width"], "fitting")

    def test_a_graph_of_five_hundred(self):
        nodes = [{"id": "m", "type": "model", "name": "hub", "version": "1", "state": "ready", "aliases": ""}]
        nodes += [{"id": f"r{i}", "type": "run", "name": f"run-{i}", "status": "FINISHED", "component": "training"} for i in range(200)]
        nodes += [{"id": f"d{i}", "type": "dataset", "name": f"data-{i}", "version": "1", "state": "ready", "rows": 5} for i in range(299)]
        ends = [("m", f"r{i}") for i in range(200)] + [(f"r{i % 200}", f"d{i}") for i in range(299)]
        ends += [(f"d{i % 299}", f"r{i * 7 % 200}") for i in range(1500)]  # also in circles
        edges = [{"from": a, "to": b, "run_id": "", "context": ""} for a, b in ends]
        page = self.open("/lineage")
        page.route("**/v1/lineage/m?*", lambda route: route.fulfill(json={"nodes": nodes, "edges": edges, "truncated": True}))
        page.get_by_label("Id of a run").fill("m")
        page.get_by_role("button", name="Show").click()
        expect(self.graph(page).locator("[data-node]")).to_have_count(500)
        expect(page.get_by_text("There is more than can be shown")).to_be_visible()
        expect(page.get_by_text("500 rows")).to_be_visible()


class Begin(LineageTest):
    def test_the_newest_models_and_datasets(self):
        page = self.open("/lineage")
        page.get_by_role("region", name="Models, their newest version").get_by_role("link", name=f"{World.model['modelId']}@").click()
        expect(self.graph(page)).to_be_visible()
        page = self.open("/lineage")
        made = World.must("POST", "/v1/datasets", {"name": "web-lineage-newest", "sizeRows": 30})
        World.job(made["jobId"])
        page.reload()
        page.get_by_role("link", name="web-lineage-newest@1").click()
        expect(self.node(page, made["id"])).to_have_attribute("aria-current", "true")

    def test_an_id_that_nobody_has(self):
        self.expect("404")
        page = self.open("/lineage/nobody")
        expect(page.get_by_role("alert")).to_contain_text("no run, dataset or model version has the id 'nobody'")

    def test_dagre_comes_with_the_first_graph(self):
        page = self.open("/lineage")
        seen = []
        page.on("request", lambda request: seen.append(request.url))
        page.get_by_role("link", name=f"{World.model['modelId']}@").first.click()
        expect(self.graph(page)).to_be_visible()
        self.assertEqual(len([url for url in seen if re.search(r"/assets/layout-", url)]), 1)


class Fits(LineageTest):
    def test_it_fits_and_can_be_read(self):
        for theme, size, lang in (("dark", browser.DESK, "en"), ("light", browser.DESK, "de"), ("light", browser.PHONE, "en"), ("dark", browser.PHONE, "de")):
            for path in ("/lineage", f"/lineage/{self.version}?near=1"):
                with self.subTest(path=path, theme=theme, width=size["width"]):
                    page = self.open(path, theme=theme, size=size, lang=lang)
                    views.settled(page)
                    if path != "/lineage":
                        expect(page.locator(f"[data-node='{self.version}']")).to_be_attached()
                    self.check_axe(page)
                    self.check_fits(page)


if __name__ == "__main__":
    unittest.main()
