# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of the web UI in a real browser: it loads, it can be read in both themes and languages and on a phone, it is
moved through with keys, and it notices that its server was restarted. Pages have tests of their own beside this one."""
import collections
import datetime
import re
import unittest
import urllib.parse

from playwright.sync_api import expect

import browser


FIRST_LOAD_BYTES_MAX = 200 * 1024
CUT = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"


class Overview(browser.PageTest):
    def test_it_shows_what_the_loop_left_behind(self):
        page = self.open("/")
        expect(page).to_have_title("Overview – Skerry")
        expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")
        model = browser.World.model
        expect(page.get_by_role("region", name="Models that serve").first).to_contain_text(model["modelId"])
        expect(page.get_by_role("region", name="Recent runs").first).to_contain_text("finished")
        expect(page.get_by_role("region", name="Health")).to_contain_text("free")

    def test_a_newcomer_finds_data_training_model_and_board(self):
        name, number = self.server.get("/v1/status").json()["prod"].split("@")
        version = next(v for v in self.server.get(f"/v1/models/{name}/versions").json() if v["modelVersion"] == number)
        data = self.server.get(f"/v1/datasets/{version['datasetId']}").json()["name"]
        page = self.open("/")
        loop = page.get_by_role("region", name="From data to play")
        expect(loop).to_contain_text(f"{data}@")
        for link, heading in (("Its data", data), ("Its training", "chess.train"), ("The model", name), ("The board", "Play chess")):
            loop.get_by_role("link", name=re.compile(link)).click()
            expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
            if link == "Its training":
                self.assertIn(version["runId"], page.url)
                expect(page.locator("[data-metric='loss'] canvas")).to_be_visible()
                # What says how good it is comes before what says how far it came.
                shown = page.locator("[data-metric]").evaluate_all("charts => charts.map(c => c.dataset.metric)")
                self.assertLess(shown.index("val_loss"), shown.index("epoch"))
                expect(page.get_by_role("link", name=f"{data}@")).to_be_visible()
                # Without a pointer the legend says the last value.
                expect(page.locator("[data-metric='loss'] .u-legend")).to_contain_text(re.compile(r"Step\s*\d"))
            page.go_back()
            expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
            expect(loop).to_contain_text(f"{data}@")
        # By its address: a run that the clock begins meanwhile moves the others down.
        row = page.get_by_role("region", name="Recent runs").get_by_role("link").nth(1)
        href, recent = row.evaluate("a => [a.getAttribute('href'), a.innerText]")
        page.locator(f"main a[href='{href}']").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(recent)
        page.go_back()
        page.get_by_role("link", name="Open: Games").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Games")

    def test_no_accessibility_fault_in_either_theme(self):
        for theme in ("dark", "light"):
            with self.subTest(theme=theme):
                page = self.open("/", theme=theme)
                expect(page.get_by_role("region", name="Recent runs").first).to_contain_text("finished")
                self.check_axe(page)

    def test_the_theme_is_switched_and_remembered(self):
        page = self.open("/", theme="dark")
        root = page.locator("html")
        expect(root).to_have_attribute("data-theme", "dark")
        page.get_by_label("Theme").select_option("light")
        expect(root).to_have_attribute("data-theme", "light")
        page.reload()
        expect(root).to_have_attribute("data-theme", "light")
        page.get_by_label("Theme").select_option("system")
        expect(root).to_have_attribute("data-theme", "dark")

    def test_the_language_is_the_browsers_until_it_is_chosen(self):
        page = self.open("/", lang="de")
        expect(page.get_by_role("heading", level=1)).to_have_text("Übersicht")
        expect(page.locator("html")).to_have_attribute("lang", "de")
        page.get_by_label("Sprache").select_option("en")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")

    def test_a_phone_needs_no_sideways_scrolling(self):
        page = self.open("/", size=browser.PHONE)
        expect(page.get_by_role("region", name="Recent runs").first).to_contain_text("finished")
        self.check_fits(page)
        menu = page.get_by_role("button", name="Menu")
        expect(page.get_by_role("navigation")).to_be_hidden()
        menu.click()
        expect(page.get_by_role("navigation")).to_be_visible()
        self.check_axe(page)
        page.keyboard.press("Escape")

    def test_keys(self):
        page = self.open("/nowhere")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(sheet).to_contain_text("Go to Overview")
        self.check_axe(page)
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        self.press_both(page, "g o", "Overview")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
        page.keyboard.press("?")
        sheet.get_by_label("Use single-key shortcuts").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(sheet).to_be_hidden()

    def test_the_first_thing_to_tab_to_skips_the_menu(self):
        page = self.open("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()

    def test_the_status_can_be_copied(self):
        page = self.open("/", permissions=["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy status").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        self.assertIn("Repo: skerry", page.evaluate("() => navigator.clipboard.readText()"))

    def test_the_first_load_is_small(self):
        page = self.open("/")
        expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")
        sizes = page.evaluate("() => performance.getEntriesByType('resource').filter(e => e.name.includes('/ui/')).map(e => e.encodedBodySize)")
        self.assertGreaterEqual(len(sizes), 3)
        self.assertLess(sum(sizes), FIRST_LOAD_BYTES_MAX)

    def test_the_overview_is_asked_for_at_once(self):
        page = self.open("/")
        expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")
        # By the document itself, not only when the first file has run; and for no other page.
        asked = page.evaluate("async () => (await fetch(location.href)).text()")
        self.assertRegex(asked, '<link rel="modulepreload"[^>]* href="/ui/assets/Overview-')
        self.assertNotIn("/ui/assets/Runs-", asked)

    def test_its_values_are_asked_for_before_its_files_have_come_and_once(self):
        page = self.open("/nowhere")
        asked, held = [], []
        page.on("request", lambda r: asked.append(r.url.split("/", 3)[3]) if "/ui/" not in r.url else None)
        page.add_init_script("window.setInterval = () => 0")  # nothing is asked again
        page.route(re.compile(r"/ui/assets/(index|frame|Overview)-.*\.js"), lambda route: held.append(route))
        page.goto(self.url("/"), wait_until="commit")
        page.wait_for_function("() => performance.getEntriesByType('resource').filter((e) => !e.name.includes('/ui/')).length >= 9")
        early = set(asked)
        for route in held:
            route.continue_()
        # This is known only when the model that serves is.
        expect(page.get_by_role("region", name="From data to play")).to_contain_text("@")
        expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")
        later = {path for path in set(asked) - early if not path.startswith(("v1/models/chess", "v1/datasets/", "v1/jobs/"))}
        self.assertEqual(later, set(), "the overview waits for these: web/src/api/early.ts")
        twice = [path for path, times in collections.Counter(asked).items() if times > 1 and path != "v1/ui"]  # is the server there?
        self.assertEqual(twice, [], "asked for early, but not by what the page asks for")

    def test_nothing_that_starts_slowly_is_started_for_it(self):
        # The first formatter of a page takes 15 to 40 ms, its first canvas some more.
        for lang in ("en", "de"):
            with self.subTest(lang=lang):
                page = self.open("/nowhere", lang=lang)
                page.add_init_script("""window.__made = [];
                    const told = (of, name) => { of[name] = new Proxy(of[name], {
                        construct: (...all) => (window.__made.push(name), Reflect.construct(...all)),
                        apply: (...all) => (window.__made.push(name), Reflect.apply(...all)) }); };
                    for (const name of ['NumberFormat', 'RelativeTimeFormat', 'DateTimeFormat', 'Collator']) told(Intl, name);
                    for (const type of [Number, Date, String]) for (const name of Object.getOwnPropertyNames(type.prototype))
                        if (name.startsWith('toLocale') || name === 'localeCompare') told(type.prototype, name);
                    told(HTMLCanvasElement.prototype, 'getContext');""")
                page.goto(self.url("/"))
                expect(page.locator("main pre")).to_contain_text("Repo: skerry")
                expect(page.locator("[data-table='overview.runs'] time").first).to_be_visible()
                self.assertEqual(page.evaluate("() => window.__made"), [])

    def test_numbers_and_ages_are_written_as_the_browser_itself_would(self):
        day = 86400
        ages = (3, 45, 180, 5 * 3600, day, 2 * day, 5 * day, 40 * day, 100 * day, 400 * day, 1000 * day)
        now = datetime.datetime.now(datetime.timezone.utc)

        def changed(change):
            def answer(route):
                reply = route.fetch()
                data = reply.json()
                change(data)
                route.fulfill(response=reply, json=data)
            return answer

        def aged(runs):
            runs["items"] = [dict(runs["items"][0], runId=f"run-{age}", startedAt=(now - datetime.timedelta(seconds=age)).isoformat()) for age in ages]

        for lang in ("en", "de"):
            with self.subTest(lang=lang):
                page = self.open("/nowhere", lang=lang)
                page.clock.set_fixed_time(now)
                page.route("**/v1/runs?*", changed(aged))
                page.route("**/v1/status", changed(lambda status: status.update(games=1234567)))
                page.route("**/versions", changed(lambda versions: [v["metrics"].update(top1=0.4305) for v in versions]))
                page.goto(self.url("/"))
                expect(page.locator("main dl dd").first).to_have_text({"en": "1,234,567", "de": "1.234.567"}[lang])
                expect(page.locator("main ol")).to_contain_text(page.evaluate(
                    "lang => new Intl.NumberFormat(lang, { style: 'percent', minimumFractionDigits: 1 }).format(0.4305)", lang))
                times = page.locator("[data-table='overview.runs'] time")
                expect(times).to_have_count(len(ages))
                wanted = page.evaluate("""([lang, ages]) => ages.map((age) => {
                    const units = [['year', 31536000], ['month', 2592000], ['day', 86400], ['hour', 3600], ['minute', 60], ['second', 10], ['second', Infinity]];
                    const [unit, length] = units.find(([, length]) => age >= length || length === Infinity);
                    const count = length === Infinity ? 0 : Math.trunc(age / (length === 10 ? 1 : length));
                    return new Intl.RelativeTimeFormat(lang, { numeric: 'auto', style: 'short' }).format(-count, unit);
                })""", [lang, ages])
                self.assertEqual(times.all_inner_texts(), [text.replace("\xa0", " ") for text in wanted])


class Tables(browser.PageTest):
    def test_headings_are_whole_in_both_languages(self):
        for path in ("/", "/models", "/plugins", "/jobs?tab=schedules", "/rps?tab=boards", "/runs", "/player?name=" + self.player()):
            for lang in ("en", "de"):
                with self.subTest(path=path, lang=lang):
                    page = self.open(path, lang=lang)
                    expect(page.get_by_role("columnheader").first).to_be_visible()
                    self.assertEqual(page.locator("th span.truncate").evaluate_all(CUT), [])
        page = self.open("/")
        expect(page.get_by_role("columnheader", name="Started")).to_be_visible()
        page.get_by_label("Language").select_option("de")
        expect(page.get_by_role("columnheader", name="Komponente")).to_be_visible()
        self.assertEqual(page.locator("th span.truncate").evaluate_all(CUT), [])

    def test_what_is_looked_at_most_is_in_sight_without_scrolling_sideways(self):
        for path, table in (("/", "Models that serve"), ("/", "Recent runs"), (f"/models/{browser.World.model['modelId']}", "Versions")):
            with self.subTest(path=path, table=table):
                page = self.open(path)
                group = page.get_by_role("group", name=table, exact=True)
                expect(group.get_by_role("row").nth(1)).to_be_visible()
                self.assertLessEqual(group.evaluate("e => e.scrollWidth - e.clientWidth"), 0)

    def player(self):
        """Somebody whose games were imported, whoever has played here meanwhile."""
        imported = next(g for g in self.server.get("/v1/games/recent?limit=100").json() if g["platform"] == "LICHESS")
        return urllib.parse.quote(imported["white"])

    def test_what_does_not_fit_is_said_by_the_pointer(self):
        page = self.open("/games", size=browser.PHONE)
        cells = page.get_by_role("group", name="Games (table)").locator("tbody tr[data-row] td")
        expect(cells.first).to_be_visible()
        at = cells.evaluate_all("cells => cells.findIndex((e) => e.scrollWidth > e.clientWidth)")
        self.assertGreater(at, 0, "nothing is cut here")
        long, short = cells.nth(at), cells.first
        long.hover()
        expect(long).to_have_attribute("title", long.inner_text())
        short.hover()
        self.assertIsNone(short.get_attribute("title"))

    def test_a_simple_table_that_grew_long_is_filtered_and_exported(self):
        page = self.open("/player?name=" + self.player())
        few = page.get_by_role("region", name="Phases of the game").first
        expect(few.get_by_role("group").get_by_role("row")).to_have_count(4)
        expect(few.get_by_role("searchbox")).to_have_count(0)
        page = self.open(f"/datasets/{browser.World.dataset['id']}")
        fields = page.get_by_role("region", name="Columns").first
        fields.get_by_role("searchbox").fill("rating")
        expect(fields.get_by_role("row")).to_have_count(3)
        expect(page).to_have_url(re.compile("cq=rating"))
        with page.expect_download() as saved:
            fields.get_by_role("button", name="CSV").click()
        lines = saved.value.path().read_text().splitlines()
        self.assertEqual(len(lines), 3)

    def test_times_are_written_as_where_the_reader_is(self):
        run = browser.World.training["runId"]
        for lang in ("en", "de"):
            with self.subTest(lang=lang):
                page = self.open(f"/runs/{run}", lang=lang)
                at = page.locator("main time").first
                expect(at).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z$"))
                expect(at).to_have_text(re.compile(r"\d\d:\d\d"))
                self.assertNotRegex(at.inner_text(), "[APap]m|[AP]M")


class Problems(browser.PageTest):
    """The server says in English what went wrong; of what kind that is, everybody reads in his own language."""

    def test_the_kind_of_a_problem_is_said_in_german_beside_the_servers_words(self):
        for path, kind, words in (("/jobs/web-none", "Das gibt es hier nicht", "there is no job 'web-none'"),
                                  ("/datasets/web-none", "Das gibt es hier nicht", "web-none")):
            with self.subTest(path=path):
                self.expect("404")
                page = self.open(path, lang="de")
                told = page.get_by_role("alert")
                expect(told).to_contain_text(kind)
                expect(told.locator("[lang=en]")).to_contain_text(words)
                self.check_axe(page)
        page = self.open("/jobs/web-none")
        expect(page.get_by_role("alert")).to_contain_text("There is no such thing")

    def test_news_of_a_refusal_in_german_and_in_english(self):
        self.expect("409")
        for lang, delete, said in (("de", "Löschen", "Der jetzige Zustand lässt das nicht zu: dataset"), ("en", "Delete", "dataset")):
            with self.subTest(lang=lang):
                page = self.open(f"/datasets/{browser.World.dataset['id']}", lang=lang)
                page.get_by_role("button", name=delete, exact=True).click()
                page.get_by_role("dialog").get_by_role("button", name=delete, exact=True).click()
                news = page.get_by_role("status").filter(has_text="was trained on it").get_by_role("paragraph")
                expect(news).to_have_text(re.compile("^" + said))
                expect(news.locator("[lang=en]")).to_have_text(re.compile("^dataset"))


class Restart(browser.OwnServerTest):
    def test_a_restart_is_noticed_and_survived(self):
        page = self.open("/")
        expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")
        for part in ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE", "503"):
            self.expect(part)
        self.server.stop()
        expect(page.locator("[data-connection=offline]")).to_contain_text("does not answer")
        self.check_axe(page)
        self.server.start()
        expect(page.locator("[data-connection=offline]")).to_have_count(0)
        expect(page.get_by_role("region", name="Status")).to_contain_text(f"pid {self.server.process.pid}")

    def test_a_wrong_key_is_asked_for_again(self):
        key = self.server.post("/v1/keys", {"username": "ann", "role": "admin"}).json()
        self.addCleanup(lambda: self.server.request("DELETE", f"/v1/keys/{key['id']}", headers={"X-Api-Key": key["key"]}))
        self.expect("401")
        page = self.open("/")
        asked = page.get_by_role("dialog", name="This server wants an API key")
        expect(asked).to_be_visible()
        asked.get_by_label("API key").fill(key["key"])
        asked.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("region", name="Status")).to_contain_text("Repo: skerry")


if __name__ == "__main__":
    unittest.main()
