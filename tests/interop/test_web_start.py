# SPDX-License-Identifier: GPL-3.0-or-later
"""Work started in a real browser: a training, an evaluation and a match by their forms, and rock, paper, scissors trained; what
the server refuses stands at the field that it names."""
import re
import unittest

from playwright.sync_api import expect

import browser
import views
from world import World

JOB = re.compile(r"/v1/jobs/[0-9a-f-]+$")
DEFAULTS = {"Name of the model": "chess-policy", "Epochs": "10", "Patience": "3", "Seed": "1"}


def small(name):
    """A dataset that is trained on in a moment; returns its id."""
    made = World.must("POST", "/v1/datasets", {"name": name, "sizeRows": 600, "split": {"train": 0.8, "valid": 0.1, "test": 0.1}})
    World.job(made["jobId"])
    return made["id"]


class Trainings(browser.PageTest):
    def test_from_a_dataset_to_its_finished_run(self):
        dataset = small("web-start-train")
        page = self.open(f"/datasets/{dataset}")
        page.get_by_role("link", name="Train on it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New training")
        expect(page.get_by_label("Dataset")).to_have_value(dataset)
        for label, value in DEFAULTS.items():
            expect(page.get_by_label(label, exact=True)).to_have_attribute("placeholder", value)
        expect(page.get_by_label("Opening book").locator("option").first).to_have_text("yes (default)")
        page.get_by_label("Name of the model").fill("web-started")
        page.get_by_label("Epochs").fill("2")
        page.get_by_label("Batch size").fill("64")
        page.get_by_label("Learning rate").fill("0.002")
        page.get_by_label("Opening book").select_option("false")
        page.get_by_role("button", name="Start the training").click()
        page.wait_for_url(re.compile(r"/ui/runs/[0-9a-f]{32}$"))
        run = page.url.rsplit("/", 1)[1]
        expect(page.get_by_role("main").get_by_text("finished", exact=True).first).to_be_visible()
        told = World.must("GET", f"/v1/trainings/{run}")
        self.assertEqual(told["result"]["modelId"], "web-started")
        params = World.must("GET", f"/v1/runs/{run}")["params"]
        self.assertEqual({k: params[k] for k in ("epochs", "batch_size", "lr", "book", "dataset_id")},
                         {"epochs": "2", "batch_size": "64", "lr": "0.002", "book": "false", "dataset_id": dataset})
        # What was typed is there again.
        page.go_back()
        expect(page.get_by_label("Name of the model")).to_have_value("web-started")
        expect(page.get_by_label("Epochs")).to_have_value("2")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("web-start-train@1")

    def test_an_address_fills_the_form_and_a_long_one_is_stopped(self):
        dataset = small("web-start-long")
        page = self.open(f"/runs/new?datasetId={dataset}&modelId=web-long&epochs=10000&patience=10000&minutes=5")
        expect(page.get_by_label("Epochs")).to_have_value("10000")
        expect(page.get_by_label("Dataset").locator("option:checked")).to_contain_text("web-start-long@1, 600 rows")
        page.get_by_role("button", name="Start the training").click()
        page.wait_for_url(re.compile(r"/ui/runs/[0-9a-f]{32}$"))
        expect(page.locator("[data-job=running]").get_by_role("progressbar")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("main").get_by_text("stopped", exact=True).or_(page.get_by_role("main").get_by_text("killed", exact=True)).first).to_be_visible()

    def test_what_is_wrong_is_said_at_its_field_in_the_server_s_words(self):
        dataset = small("web-start-wrong")
        page = self.open("/runs")
        page.get_by_role("link", name="New training").click()
        page.get_by_label("Dataset").select_option(dataset)
        self.expect("400")
        for label, value, sentence in (("Epochs", "0", "field 'epochs' must be a whole number from 1 to 10000"),
                                       ("Epochs", "many", "field 'epochs' must be a whole number from 1 to 10000"),
                                       ("Dropout", "0,99", "field 'dropout' must be a number from 0 to 0.95")):
            page.get_by_label(label).fill(value)
            page.get_by_role("button", name="Start the training").click()
            field = page.get_by_label(label)
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(field).to_be_focused()
            expect(field).to_have_accessible_description(sentence)
            self.check_axe(page)
            page.get_by_label(label).fill("")
        # Of the form as a whole: nothing that is shown is named.
        page.get_by_label("Dataset").select_option("")
        page.get_by_role("button", name="Start the training").click()
        expect(page.get_by_label("Dataset")).to_have_accessible_description("field 'datasetId' is required and must be a string")
        page = self.open("/runs/new?datasetId=web-start-nowhere")
        self.expect("404")
        page.get_by_role("button", name="Start the training").click()
        expect(page.get_by_role("alert")).to_contain_text("web-start-nowhere")

    def test_rock_paper_scissors_with_too_little_says_why_nothing_came_of_it(self):
        page = self.open("/runs/new")
        page.get_by_label("Kind of model").select_option("rps.policy")
        expect(page.get_by_label("Dataset")).to_have_count(0)
        expect(page.get_by_label("Games", exact=True).locator("option").first).to_have_text("played here (default)")
        self.expect("400")
        page.get_by_role("button", name="Start the training").click()
        expect(page.get_by_label("Family")).to_have_accessible_description("field 'family' is required and must be a string")
        page.get_by_label("Family").select_option("multinomial_logistic")
        page.get_by_label("Configuration", exact=True).fill("c99")
        page.get_by_role("button", name="Start the training").click()
        expect(page.get_by_label("Configuration", exact=True)).to_have_accessible_description("field 'config' must be one of c01 to c12, not 'c99'")
        page.get_by_label("Configuration", exact=True).fill("")
        # A run ends a moment before its job: here the moment lasts until the page has asked again.
        goes_on = {"status": "running", "result": None}
        page.route(JOB, lambda route: self.answer_with(route, goes_on))
        page.get_by_role("button", name="Start the training").click()
        page.wait_for_url(re.compile(r"/ui/runs/[0-9a-f]{32}$"))
        expect(page.get_by_role("main").get_by_text("finished", exact=True).first).to_be_visible()
        with page.expect_response(JOB):
            pass
        goes_on.clear()
        expect(page.get_by_role("status").filter(has_text=re.compile("^skipped: .* rounds were played"))).to_be_visible()

    @staticmethod
    def answer_with(route, changes):
        reply = route.fetch()
        route.fulfill(response=reply, json={**reply.json(), **changes})


class Judged(browser.PageTest):
    def test_an_evaluation_to_its_numbers(self):
        page = self.open("/judged")
        page.get_by_role("link", name="New evaluation").first.click()
        model = World.model["modelId"]
        candidate, baseline = page.get_by_role("group", name="Candidate"), page.get_by_role("group", name="Baseline")
        candidate.get_by_label("Candidate").select_option(model)
        candidate.get_by_label("Version").select_option("prod")
        baseline.get_by_label("Baseline").select_option(model)
        page.get_by_label("Suite").select_option("accuracy")
        expect(page.get_by_label("Nodes a search")).to_have_count(0)
        page.get_by_label("Positions at most").fill("-5")
        self.expect("400")
        page.get_by_role("button", name="Start the evaluation").click()
        expect(page.get_by_label("Positions at most")).to_have_accessible_description(re.compile("field 'limit' must be a whole number from 1"))
        page.get_by_label("Positions at most").fill("321")
        page.get_by_role("button", name="Start the evaluation").click()
        page.wait_for_url(re.compile(r"/ui/judged/[0-9a-f]{32}$"))
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{re.escape(model)}@[0-9]+, accuracy$"))
        expect(page.get_by_role("region", name="Numbers")).to_contain_text("321")
        made = World.must("GET", "/v1/evaluations/" + page.url.rsplit("/", 1)[1])
        self.assertEqual((made["status"], made["suite"], made["summary"]["candidate"]["positions"], made["baseline"].split("@")[0]),
                         ("succeeded", "accuracy", 321, model))
        page.get_by_role("link", name="Once more").click()
        expect(page.get_by_label("Suite")).to_have_value("accuracy")
        page.get_by_label("Suite").select_option("acpl")
        expect(page.get_by_label("Nodes a search")).to_be_visible()

    def test_a_match_shows_how_far_it_is_and_then_its_result(self):
        page = self.open("/judged?tab=matches")
        page.get_by_role("link", name="New match").first.click()
        expect(page.get_by_label("Games")).to_have_attribute("placeholder", "100")
        page.get_by_label("Games").fill("0")
        self.expect("400")
        page.get_by_role("button", name="Start the match").click()
        expect(page.get_by_label("Games")).to_have_accessible_description(re.compile("field 'games' must be a whole number from 1 to 10000"))
        page.get_by_label("Games").fill("4")
        page.get_by_label("Temperature").fill("0.8")
        model = page.get_by_role("group", name="Candidate")
        model.get_by_label("Candidate").select_option(World.model["modelId"])
        model.get_by_label("Version").select_option(str(World.model["modelVersion"]))
        page.get_by_role("button", name="Start the match").click()
        page.wait_for_url(re.compile(r"/ui/judged/matches/[0-9a-f]{32}$"))
        expect(page.get_by_role("region", name="Games of the match").get_by_role("row")).to_have_count(5)
        made = World.must("GET", "/v1/selfplay/" + page.url.rsplit("/", 1)[1])
        self.assertEqual((made["status"], made["result"]["games"]), ("succeeded", 4))

    def test_one_that_goes_on_has_a_bar_and_is_stopped(self):
        page = self.open("/judged/matches/new?games=10000&seed=9")
        page.get_by_role("button", name="Start the match").click()
        page.wait_for_url(re.compile(r"/ui/judged/matches/[0-9a-f]{32}$"))
        live = page.locator("[data-job=running]")
        expect(live.get_by_role("progressbar")).to_be_visible()
        live.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("main").get_by_text("stopped", exact=True).first).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_count(0)


class Empty(browser.OwnServerTest):
    """A server on which nothing was done yet leads to the forms, and they to what comes before them."""

    def test_each_way_leads_to_a_first_step(self):
        page = self.open("/")
        page.get_by_role("link", name="New training").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New training")
        page.get_by_role("link", name="New dataset").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New dataset")
        for path, name in (("/runs", "New training"), ("/models", "New training"), ("/judged", "New evaluation"), ("/judged?tab=matches", "New match"),
                           ("/rps?tab=promotions", "New training")):
            with self.subTest(path=path):
                page = self.open(path)
                page.locator("main").get_by_role("link", name=name).last.click()
                expect(page.get_by_role("heading", level=1)).to_have_text(name)
        for path in ("/judged/new", "/judged/matches/new"):
            page = self.open(path)
            page.get_by_role("link", name="New training").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("New training")


class Fits(browser.PageTest):
    def test_it_fits_and_can_be_read(self):
        page = self.open("/judged/new?suite=acpl", lang="de")
        expect(page.get_by_label("Stellungen", exact=True)).to_have_attribute("placeholder", "1000")  # as one types it
        page = self.open("/judged/matches/new", lang="de")
        expect(page.get_by_label("Temperatur", exact=True)).to_have_attribute("placeholder", "0,3")
        for theme, size, lang in (("dark", browser.DESK, "en"), ("light", browser.PHONE, "de")):
            for path in ("/runs/new", "/runs/new?kind=rps.policy", "/judged/new", "/judged/new?suite=acpl", "/judged/matches/new"):
                with self.subTest(path=path, theme=theme):
                    page = self.open(path, theme=theme, size=size, lang=lang)
                    expect(page.locator("main form")).to_be_visible()
                    views.settled(page)
                    self.check_axe(page)
                    self.check_fits(page)


if __name__ == "__main__":
    unittest.main()
