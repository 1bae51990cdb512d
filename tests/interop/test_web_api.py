# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about the API in a real browser: a call is found by words, has an address, says what it takes and answers, and is
made for real: one that reads at once, one that changes something after a question. Errors are shown as they came."""
import json
import re
import subprocess
import unittest
import uuid

from playwright.sync_api import expect

import browser
from world import World, wait_until

FILTER = "Address, or what it does"


class Calls(browser.PageTest):
    def answer(self, page, status):
        """The answer with this status; the time that it took is there."""
        said = page.locator(f"[data-status='{status}']")
        expect(said).to_contain_text(re.compile(r"took [0-9.]+ m?s"))
        return page.locator("[data-body]")

    def send(self, page):
        page.get_by_role("button", name="Send", exact=True).click()

    def agree(self, page, method):
        page.get_by_role("dialog", name=f"Send this {method}?").get_by_role("button", name="Send", exact=True).click()

    def fill_in(self, page, name, value):
        """In the place of the newest, which comes by itself."""
        field = page.get_by_label(name, exact=True)
        expect(field).to_have_value(re.compile("."))
        field.fill(value)

    # ------------------------------------------------------------------ the list

    def test_every_call_is_listed_in_its_group(self):
        page = self.open("/api?aliases=yes")
        paths = self.server.get("/openapi.json").json()["paths"]
        total = sum(len(item) for item in paths.values())
        expect(page.get_by_text(f"{total} of {total}")).to_be_visible()
        calls = page.get_by_role("navigation", name="Calls")
        for title in ("Platform", "Chess", "MLflow API", "Rock, paper, scissors", "Web UI"):
            expect(calls.get_by_role("heading", name=title)).to_be_visible()
        self.assertEqual(calls.locator("a").count(), total)
        hrefs = calls.locator("a").evaluate_all("links => links.map(a => new URL(a.href).pathname)")
        self.assertEqual(len(set(hrefs)), total, "two calls have one address")
        # Other addresses of the same call are left out until they are wanted.
        page.get_by_label("Other addresses of the same, too").uncheck()
        known = sum("x-alias-of" not in o for item in paths.values() for o in item.values())
        expect(page.get_by_text(f"{known} of {known}")).to_be_visible()
        self.assertLess(known, total)

    def test_asking_a_model_is_the_first_thing_to_try(self):
        page = self.open("/api")
        first = page.get_by_role("region", name="To try first").get_by_role("link").first
        expect(first).to_contain_text("POST/v1/predict")
        calls = page.get_by_role("navigation", name="Calls")
        expect(calls.get_by_text(re.compile(r"^others \d"))).to_have_count(0)
        chess = calls.get_by_role("region", name="Chess")
        # Under its own noun, though it is one of few.
        group = chess.get_by_text(re.compile(r"^predict \d"))
        group.click()
        expect(chess.get_by_role("link").filter(has_text="/v1/predict")).to_be_visible()
        self.check_axe(page)
        first.click()
        expect(page.get_by_role("heading", level=1, name="POST /v1/predict")).to_be_focused()
        page.go_back()
        expect(page.get_by_role("region", name="To try first")).to_be_visible()
        # On a phone it is above the list of all.
        page = self.open("/api", size=browser.PHONE)
        first = page.get_by_role("region", name="To try first")
        expect(first).to_have_count(1)
        self.assertLess(first.bounding_box()["y"], page.get_by_role("navigation", name="Calls").bounding_box()["y"])
        self.check_fits(page)

    def test_a_call_is_found_by_words_and_opened_with_keys_alone(self):
        page = self.open("/")
        self.press_both(page, "g a", "API")
        expect(page.get_by_placeholder(FILTER)).to_be_visible()
        page.keyboard.press("/")
        expect(page.get_by_placeholder(FILTER)).to_be_focused()
        page.keyboard.type("state of a job history")
        link = page.get_by_role("navigation", name="Calls").get_by_role("link")
        expect(link).to_have_count(1)
        expect(link).to_contain_text("GET/v1/jobs/{id}/history")
        page.keyboard.press("ArrowDown")  # the group
        page.keyboard.press("ArrowDown")
        expect(link).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1, name="GET /v1/jobs/{id}/history")).to_be_focused()
        self.assertIn("/ui/api/get_v1_jobs_id_history?q=", page.url)
        page.go_back()
        expect(page.get_by_role("heading", level=1, name="API")).to_be_visible()
        page.get_by_placeholder(FILTER).fill("no such call anywhere")
        expect(page.get_by_text("No call matches")).to_be_visible()
        self.check_axe(page)

    def test_a_link_to_a_call_is_enough(self):
        page = self.open("/api/post_v1_predict")
        expect(page).to_have_title(re.compile("^POST /v1/predict · API"))
        facts = page.locator("main")
        expect(facts).to_contain_text("viewer, analyst, admin")
        # What the body has, and what is answered, nested and with its types.
        expect(page.get_by_role("region", name="Request body")).to_contain_text(re.compile(r"fen\s*string"))
        answers = page.get_by_role("region", name="Answers")
        expect(answers).to_contain_text(re.compile(r"policy\s*list of object"))
        expect(answers.get_by_role("region", name="everything else")).to_contain_text("application/problem+json")
        answers.get_by_text("For example").first.click()
        example = answers.locator("pre").first
        self.assertIn("policy", json.loads(example.inner_text()))
        self.check_axe(page)
        page = self.open("/api/get_v1_nothing")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such call")
        page.get_by_role("link", name="To all calls").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("API")

    def test_an_alias_leads_to_its_call_and_back(self):
        page = self.open("/api/get_metrics")
        page.get_by_role("link", name="/actuator/prometheus").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("GET /actuator/prometheus")
        page.get_by_role("link", name="/metrics", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("GET /metrics")

    # ------------------------------------------------------------------ calling

    def test_a_read_is_sent_at_once_and_shown_as_it_came(self):
        page = self.open("/api/get_v1_runs_runId")
        # The newest of what is there is filled in.
        expect(page.get_by_label("runId")).to_have_value(re.compile("^[0-9a-f]{32}$"))
        self.fill_in(page, "runId", World.training["runId"])
        self.send(page)
        body = self.answer(page, 200)
        shown = json.loads(body.inner_text())
        self.assertEqual((shown["runId"], shown["status"]), (World.training["runId"], "FINISHED"))
        self.assertGreater(body.inner_text().count("\n"), 10)
        page.get_by_text(re.compile(r"^Headers \(\d+\)$")).click()
        expect(page.get_by_role("region", name="Answer", exact=True)).to_contain_text("content-type: application/json")
        self.check_axe(page)

    def test_the_example_is_the_beginning_and_can_be_had_back(self):
        page = self.open("/api/get_v1_metrics_series")
        expect(page.get_by_label("metric", exact=True)).to_have_value("chs_api_requests_total")
        expect(page.get_by_label("fn")).to_have_value("rate")
        page.get_by_label("metric", exact=True).fill("skerry_none")
        page.get_by_role("button", name="As in the example").click()
        expect(page.get_by_label("metric", exact=True)).to_have_value("chs_api_requests_total")
        self.send(page)
        self.assertIn("series", json.loads(self.answer(page, 200).inner_text()))

    def test_what_changes_something_asks_first(self):
        name = "web-api-" + uuid.uuid4().hex[:8]
        page = self.open("/api/post_api_2_0_mlflow_experiments_create")
        body = page.get_by_label("Body", exact=True)
        body.fill('{"name": ')
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        expect(page.get_by_text("No JSON:").first).to_be_visible()
        body.fill(json.dumps({"name": name}))
        self.send(page)
        asked = page.get_by_role("dialog", name="Send this POST?")
        expect(asked).to_contain_text("POST /api/2.0/mlflow/experiments/create")
        self.check_axe(page)
        asked.get_by_role("button", name="Cancel").click()
        self.assertEqual(self.server.get(f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}").status, 404)
        self.send(page)
        self.agree(page, "POST")
        made = json.loads(self.answer(page, 200).inner_text())
        kept = self.server.get(f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}").json()["experiment"]
        self.assertEqual(kept["experiment_id"], made["experiment_id"])
        # The same again is refused, and said as the server said it.
        self.expect("400")
        self.send(page)
        self.agree(page, "POST")
        self.assertEqual(json.loads(self.answer(page, 400).inner_text())["error_code"], "RESOURCE_ALREADY_EXISTS")

    def test_an_error_is_shown_as_it_came(self):
        self.expect("404")
        page = self.open("/api/get_v1_jobs_id")
        self.fill_in(page, "id", "no-such-job")
        self.send(page)
        problem = json.loads(self.answer(page, 404).inner_text())
        self.assertEqual((problem["status"], problem["code"]), (404, "not_found"))
        self.assertTrue(problem["detail"])

    def test_nothing_is_sent_before_it_is_filled_in(self):
        page = self.open("/api/delete_v1_datasets_id")
        send = page.get_by_role("button", name="Send", exact=True)
        expect(send).to_be_disabled()
        expect(page.get_by_text("Fill in first: id.")).to_be_visible()
        # What is there is offered, but a deletion does not begin with it.
        expect(page.locator("datalist option").first).to_have_attribute("value", re.compile("."))
        expect(page.get_by_label("id", exact=True)).to_have_value("")
        page.get_by_label("id", exact=True).fill("none")
        expect(send).to_be_enabled()
        page = self.open("/api/post_api_2_0_mlflow_runs_set_tag")
        expect(page.get_by_text("Fill in first: <run>.")).to_be_visible()
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()

    def test_the_command_for_a_shell_is_the_same_call(self):
        page = self.open("/api/post_v1_predict", permissions=["clipboard-read", "clipboard-write"])
        page.get_by_label("Body", exact=True).fill('{"fen": "startpos\'s", "rating": 1500}')
        page.get_by_role("button", name="Copy the command").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        command = page.evaluate("() => navigator.clipboard.readText()")
        said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn("startpos's", json.loads(said)["detail"])  # the quote has come through both
        page.get_by_role("button", name="As in the example").click()
        command = page.locator("[data-curl]").inner_text()
        said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn("move", json.loads(said))

    def test_a_file_is_sent(self):
        page = self.open("/api/post_v1_ingest")
        send = page.get_by_role("button", name="Send", exact=True)
        expect(send).to_be_disabled()
        game = '[Event "web api"]\n[White "Web Api A"]\n[Black "Web Api B"]\n[Result "1-0"]\n\n1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# 1-0\n'
        page.get_by_label("File").set_input_files({"name": "web-api.pgn", "mimeType": "application/x-chess-pgn", "buffer": game.encode()})
        expect(page.locator("[data-curl]")).to_contain_text("-F 'file=@web-api.pgn'")
        self.send(page)
        self.agree(page, "POST")
        World.job(json.loads(self.answer(page, 202).inner_text())["jobId"])
        self.assertEqual(len(self.server.get("/v1/games?username=Web%20Api%20A").json()), 1)

    def test_a_long_answer_is_bounded_and_can_be_saved_whole(self):
        page = self.open("/api/get_openapi_json")
        self.send(page)
        body = self.answer(page, 200)
        expect(page.get_by_text(re.compile("^Only the first .* are shown"))).to_be_visible()
        self.assertLessEqual(len(body.inner_text()), 100_000)
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save all of it").click()
        self.assertEqual(json.loads(saved.value.path().read_text()), self.server.get("/openapi.json").json())

    def test_numbers_stay_as_they_were_sent(self):
        page = self.open("/api/get_v1_status")
        long = "123456789012345678901234567890"
        page.route("**/v1/status", lambda route: route.fulfill(status=200, content_type="application/json", body=f'{{"a":[{long},"{{\\"[,"],"b":{{}}}}'))
        self.send(page)
        self.assertEqual(self.answer(page, 200).inner_text(), f'{{\n  "a": [\n    {long},\n    "{{\\"[,"\n  ],\n  "b": {{}}\n}}')

    def test_a_stream_is_shown_as_it_comes_and_stopped(self):
        made = World.must("POST", "/v1/trainings", {"datasetId": World.dataset["id"], "minutes": 5, "epochs": 10000, "patience": 10000})
        self.addCleanup(lambda: self.server.post(f"/v1/jobs/{made['jobId']}/control", {"action": "stop"}))
        wait_until(lambda: World.must("GET", f"/v1/jobs/{made['jobId']}")["status"] == "running", "the training")
        page = self.open("/api/get_v1_jobs_id_events")
        self.fill_in(page, "id", made["jobId"])
        self.send(page)
        expect(page.locator("[data-body]")).to_contain_text("data:")
        send, stop = page.get_by_role("button", name="Send", exact=True), page.get_by_role("button", name="Stop")
        expect(send).to_be_disabled()
        stop.click()
        expect(stop).to_have_count(0)
        expect(send).to_be_enabled()
        expect(page.locator("[data-body]")).to_contain_text("data:")

    # ------------------------------------------------------------------ looks

    def test_a_phone_and_both_themes_and_languages(self):
        for theme, lang, send in (("light", "de", "Senden"), ("dark", "en", "Send")):
            with self.subTest(theme=theme, lang=lang):
                page = self.open("/api", size=browser.PHONE, theme=theme, lang=lang)
                expect(page.locator("nav section").first).to_be_visible()
                self.check_fits(page)
                self.check_axe(page)
                page.locator("input[type=search]").fill("/v1/predict")
                page.get_by_role("link", name="POST /v1/predict").first.click()
                expect(page.get_by_role("heading", level=1)).to_have_text("POST /v1/predict")
                # A call has the page to itself; the way back is above it.
                expect(page.locator("input[type=search]")).to_be_hidden()
                page.get_by_role("button", name=send, exact=True).click()
                page.get_by_role("dialog").get_by_role("button", name=send, exact=True).click()
                expect(page.locator("[data-status='200']")).to_be_visible()
                self.check_fits(page)
                self.check_axe(page)
                page.get_by_role("listitem").get_by_role("link", name="API", exact=True).first.click()
                expect(page.get_by_role("heading", level=1)).to_have_text("API")
                page = self.open("/api/get_v1_games_id", theme=theme, lang=lang)
                expect(page.locator("[data-curl]")).to_be_visible()
                self.check_axe(page)


if __name__ == "__main__":
    unittest.main()
