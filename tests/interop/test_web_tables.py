# SPDX-License-Identifier: GPL-3.0-or-later
"""Every table of the web UI, on every page: it sorts, filters, leaves as CSV, and fits a window of 1280 by 800."""
import csv
import io
import pathlib
import re
import unittest

from playwright.sync_api import expect

import browser
import views
from world import World

TABLES = "main [data-table]"


class Tables(browser.PageTest):
    def view(self, path, **more):
        page = self.open(path, **more)
        views.settled(page)
        return page

    def test_all_fit_sort_filter_and_export(self):
        seen = set()
        for path in views.of_world():
            with self.subTest(path=path), views.opened(self, path) as page:
                self.assertEqual(page.evaluate(views.WIDE), [], "these scroll sideways at 1280 points")
                self.check_fits(page)
                # Legends of charts are no data tables.
                self.assertEqual(page.locator("main table:not(.u-legend)").count(), page.locator(f"{TABLES} table:not(.u-legend)").count(), "a table of its own kind")
                for name in set(page.locator(TABLES).evaluate_all("boxes => boxes.map((box) => box.dataset.table)")) - seen:
                    with self.subTest(table=name):
                        self.check_table(page, page.locator(f'[data-table="{name}"]').first)
                        seen.add(name)
        self.assertGreater(len(seen), 30)

    def check_table(self, page, table):
        tools = table.get_by_role("button", name="Filter, columns, CSV")
        if tools.count():
            expect(tools).to_have_attribute("aria-expanded", "false")
            tools.click()
            expect(table.get_by_role("searchbox")).to_be_focused()
        expect(table.get_by_role("columnheader").get_by_role("button").first).to_be_attached()
        expect(table.get_by_role("button", name=re.compile("^Columns"))).to_be_visible()
        with page.expect_download() as made:
            table.get_by_role("button", name="CSV", exact=True).click()
        rows = list(csv.reader(io.StringIO(pathlib.Path(made.value.path()).read_text(encoding="utf-8"))))
        self.assertGreater(len(rows), 1)
        self.assertTrue(all(len(row) == len(rows[0]) for row in rows), "not a table")
        if table.get_by_role("searchbox").count():  # where the server filters, the page has a box of its own
            table.get_by_role("searchbox").fill("no row has these words")
            expect(table.get_by_text("No row matches the filter.")).to_be_visible()
            table.get_by_role("searchbox").fill("")
            expect(table.get_by_text("No row matches the filter.")).to_have_count(0)

    def test_a_short_table_is_sorted_filtered_and_folded_again(self):
        World.get()
        page = self.view("/", theme="light")
        table = page.locator('[data-table="overview.runs"]')
        table.get_by_role("button", name="Filter, columns, CSV").press("Enter")
        rows = table.locator("tr[data-row]")
        expect(rows).to_have_count(8)
        # Which runs are the newest depends on who ran before, and some have the same name.
        texts = [text.lower() for text in rows.all_inner_texts()]
        words = [row.get_by_role("cell").first.inner_text() for row in rows.all()]
        having = {word: sum(word.lower() in text for text in texts) for word in words}
        word = min(having, key=having.get)
        self.assertLess(having[word], len(texts))
        table.get_by_role("searchbox").fill(word)
        expect(rows).to_have_count(having[word])
        expect(rows.first).to_contain_text(word)
        self.check_axe(page)
        page.reload()
        expect(table.get_by_role("searchbox")).to_have_value(word)
        table.get_by_role("button", name="Filter, columns, CSV").click()
        expect(table.get_by_role("searchbox")).to_have_count(0)
        expect(rows).to_have_count(8)

    def test_columns_give_way_to_a_narrow_window_and_come_back(self):
        World.get()
        page = self.view("/games")
        expect(page.get_by_role("columnheader", name="Moves")).to_be_visible()
        page.set_viewport_size({"width": 1000, "height": 800})
        expect(page.get_by_role("button", name="Columns: ")).to_be_visible()
        expect(page.get_by_role("columnheader", name="Moves")).to_have_count(0)
        expect(page.get_by_role("columnheader", name="Result")).to_be_visible()
        # The CSV has them all the same.
        with page.expect_download() as made:
            page.get_by_role("button", name="CSV", exact=True).click()
        self.assertIn("Moves", pathlib.Path(made.value.path()).read_text(encoding="utf-8").splitlines()[0])
        # What somebody chooses is shown, room or not, until he takes it back.
        page.get_by_role("button", name="Columns: ").click()
        page.get_by_role("checkbox", name="Moves").check()
        expect(page.get_by_role("columnheader", name="Moves")).to_be_visible()
        page.get_by_role("button", name="As many as fit").click()
        expect(page.get_by_role("columnheader", name="Moves")).to_have_count(0)
        page.set_viewport_size(browser.DESK)
        expect(page.get_by_role("columnheader", name="Moves")).to_be_visible()


if __name__ == "__main__":
    unittest.main()
