# SPDX-License-Identifier: GPL-3.0-or-later
"""Datasets of positions: what is asked for is what is built, and nothing leaks between splits."""
import csv
import io
import json
import re
import unittest

import harness
import pgn_make

GAMES = 600


class Datasets(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = pgn_make.games(GAMES, seed="ds", clocks=True)
        # The same moves under another name: a copy that must not land in another split.
        cls.text += pgn_make.games(100, seed="ds", tags={"White": "copy", "Event": "Casual game"})
        reply = cls.server.post("/v1/ingest", raw=cls.text.encode(), files=None)
        cls.server.wait(reply.headers["Location"], lambda b: b["status"] == "SUCCEEDED")

    def create(self, name, filter=None, split=None, **more):
        body = {"name": name, "filter": filter or {}, **more}
        if split:
            body["split"] = split
        reply = self.server.post("/v1/datasets", body)
        self.assertEqual(reply.status, 201, reply)
        return reply.json()["id"]

    def build(self, name, filter=None, split=None, **more):
        id = self.create(name, filter, split, **more)
        body = self.server.wait(f"/v1/datasets/{id}", lambda b: b["status"] in ("ready", "failed"))
        self.assertEqual(body["status"], "ready", body)
        return body

    def export(self, id, format, **query):
        reply = self.server.get(f"/v1/datasets/{id}/export", format=format, **query)
        self.assertEqual(reply.status, 200, reply)
        return reply.text

    def rows(self, id, **query):
        return [json.loads(line) for line in self.export(id, "ndjson", **query).splitlines()]

    # ------------------------------------------------------------------ building

    def test_everything(self):
        body = self.build("everything")
        self.assertEqual(body["rows"], (GAMES + 100) * 16)
        self.assertGreater(body["sizeBytes"], body["rows"] * 48)
        manifest = body["manifest"]
        self.assertEqual(sum(s["rows"] for s in manifest["splits"].values()), body["rows"])
        self.assertEqual(manifest["games"], GAMES + 100)
        for split in manifest["splits"].values():
            self.assertAlmostEqual(split["rows"] / body["rows"], split["fraction"], delta=0.06)

    def test_the_same_question_gives_the_same_bytes(self):
        self.assertEqual(self.build("same-a")["digest"], self.build("same-b")["digest"])
        other = self.build("same-c", split={"train": 0.8, "valid": 0.1, "test": 0.1, "seed": 7})
        self.assertNotEqual(other["digest"], self.build("same-a", version="2")["digest"])

    def test_no_game_and_no_copy_of_a_game_is_in_two_splits(self):
        for by in ("game", "time"):
            with self.subTest(by):
                id = self.build(f"leak-{by}", split={"by": by, "train": 0.6, "valid": 0.2, "test": 0.2})["id"]
                splits, moves, dates = {}, {}, {}
                for row in self.rows(id):
                    splits.setdefault(row["game_id"], set()).add(row["split"])
                    moves.setdefault(row["game_id"], []).append(row["uci"])
                    dates.setdefault(row["split"], []).append(row["date"])
                self.assertEqual(set(map(len, splits.values())), {1})
                self.assertEqual({s for one in splits.values() for s in one}, {"train", "valid", "test"})
                if by == "game":
                    where = {}
                    for game, line in moves.items():
                        where.setdefault(tuple(line), set()).update(splits[game])
                    self.assertEqual(len(where), GAMES)
                    self.assertEqual(set(map(len, where.values())), {1})
                else:
                    self.assertLessEqual(max(dates["train"]), min(dates["valid"]))
                    self.assertLessEqual(max(dates["valid"]), min(dates["test"]))

    def test_filters_select_what_they_say(self):
        def check(name, filter, holds, count=None):
            with self.subTest(name):
                rows = self.rows(self.build("filter-" + name, filter)["id"])
                self.assertTrue(rows)
                self.assertTrue(all(holds(r) for r in rows), [r for r in rows if not holds(r)][:3])
                if count is not None:
                    self.assertEqual(len(rows), count)

        check("elo", {"minElo": 1800, "maxElo": 2300},
              lambda r: 1800 <= r["white_rating"] <= 2300 and 1800 <= r["black_rating"] <= 2300)
        check("ply", {"minPly": 4, "maxPly": 7}, lambda r: 4 <= r["ply"] <= 7, (GAMES + 100) * 4)
        check("color", {"color": "black"}, lambda r: r["color"] == "black", (GAMES + 100) * 8)
        check("result", {"result": "DRAW"}, lambda r: r["result"] == "draw")
        check("since", {"since": "2016-01-01"}, lambda r: r["date"] >= "2016-01-01")
        check("until", {"until": "2015-06-15"}, lambda r: r["date"] <= "2015-06-15")
        check("player", {"player": "Copy"}, lambda r: True, 100 * 16)
        check("own", {"player": "copy", "ownMoves": True}, lambda r: r["color"] == "white", 100 * 8)
        check("clock", {"minClock": 100}, lambda r: r["clock_ms"] >= 100000)
        check("rated", {"rated": True}, lambda r: True, GAMES * 16)
        check("limit", {"limit": 1000}, lambda r: True, 1000)
        check("control", {"timeControl": "180+2"}, lambda r: r["time_control"] == "180+2", (GAMES + 100) * 16)

    def test_clocks_are_what_the_mover_had_before_his_move(self):
        rows = self.rows(self.build("clocks", {"player": "black7", "limit": 16},
                                    {"train": 1, "valid": 0, "test": 0})["id"])
        self.assertEqual([r["clock_ms"] for r in rows[:4]], [180000, 180000, 180000, 170000])

    def test_wrong_filters_and_splits_are_400(self):
        for body in ({"name": "x", "filter": {"minELO": 1}}, {"name": "x", "filter": {"eco": "Q"}},
                     {"name": "x", "split": {"train": 0.5}}, {"name": "x", "filter": {"limit": 0}},
                     {"name": ""}, {"filter": {}}):
            self.assertEqual(self.server.post("/v1/datasets", body).status, 400, body)

    def test_a_filter_that_leaves_nothing_fails_with_a_reason(self):
        for event in ("dataset.failed", "job.failed", "run.failed"):
            self.server.expect_error(event)
        id = self.create("nothing", {"minElo": 3900})
        body = self.server.wait(f"/v1/datasets/{id}", lambda b: b["status"] in ("ready", "failed"))
        self.assertEqual(body["status"], "failed")

    # ------------------------------------------------------------------ reading

    def test_profile_schema_and_quality(self):
        id = self.build("profile")["id"]
        columns = {c["name"]: c for c in self.server.get(f"/v1/datasets/{id}/schema").json()["columns"]}
        rows = self.rows(id)
        self.assertEqual(set(columns), set(rows[0]) - {"split"})
        self.assertEqual((columns["ply"]["min"], columns["ply"]["max"]), (0, 15))
        self.assertAlmostEqual(columns["clock_ms"]["nullPct"],
                               100 * sum(r["clock_ms"] is None for r in rows) / len(rows), places=6)
        ratings = [r["white_rating"] for r in rows]
        self.assertEqual((columns["white_rating"]["min"], columns["white_rating"]["max"]),
                         (min(ratings), max(ratings)))
        distinct = len({r["fen"] for r in rows})
        self.assertAlmostEqual(columns["fen"]["uniquePct"], 100 * distinct / len(rows), delta=3)
        quality = self.server.get(f"/v1/datasets/{id}/quality").json()
        repeated = 100 * (1 - len({(r["fen"], r["uci"]) for r in rows}) / len(rows))
        self.assertAlmostEqual(quality["duplicatePct"], repeated, delta=3)
        self.assertGreater(quality["missingPct"], 0)

    def test_the_list_says_what_is_in_each(self):
        made = self.build("listed-all")
        [item] = self.server.get("/v1/datasets", q="listed-all").json()["items"]
        self.assertEqual((item["kind"], item["createdAt"]), ("chess.positions", made["createdAt"]))
        self.assertEqual(item["splits"], {k: s["rows"] for k, s in made["manifest"]["splits"].items()})
        self.assertEqual(item["quality"], made["profile"]["quality"])
        self.assertEqual(item["checks"], {"passed": 6, "failed": 0})
        self.assertEqual((made["formats"], made["reason"]), (["pgn", "csv", "ndjson"], None))

    def test_a_split_without_rows_is_a_check_that_failed(self):
        made = self.build("listed-few", {"limit": 1}, {"train": 0.9, "valid": 0.1, "test": 0})
        checks = {(c["check"], c["of"]): (c["passed"], c["value"]) for c in made["checks"]}
        self.assertEqual(checks[("split", "train")], (True, 1))
        self.assertEqual(checks[("split", "valid")], (False, 0))
        self.assertNotIn(("split", "test"), checks)  # nobody asked for it
        self.assertEqual(checks[("left_out", "damaged_game")], (True, 0))
        [item] = self.server.get("/v1/datasets", q="listed-few").json()["items"]
        self.assertEqual(item["checks"], {"passed": 4, "failed": 1})

    def test_the_list_by_kind_and_status(self):
        self.build("by-kind", {"limit": 5})
        def names(**query):
            return [d["name"] for d in self.server.get("/v1/datasets", q="by-kind", **query).json()["items"]]
        self.assertEqual(names(kind="chess.positions", status="ready"), ["by-kind"])
        self.assertEqual((names(kind="rps.rounds"), names(status="failed")), ([], []))

    def test_what_can_be_built_is_said(self):
        [kind] = self.server.get("/v1/datasets/kinds").json()["items"]
        self.assertEqual((kind["kind"], kind["buildJob"]), ("chess.positions", "chess.dataset"))
        self.assertEqual(kind["formats"], ["pgn", "csv", "ndjson"])
        self.assertEqual(kind["split"]["properties"]["by"]["enum"], ["game", "time"])
        # Every field that is said is taken, and the defaults are those of a split that says nothing.
        values = {"integer": 10, "number": 1, "boolean": True, "string": "2020-01-01", "array": []}
        for name, field in kind["filter"]["properties"].items():
            value = field["enum"][0] if "enum" in field else values[field["type"]]
            body = {"name": f"field-{name}", "filter": {name: value, **({"player": "nobody"} if name == "ownMoves" else {})}}
            for event in ("dataset.failed", "job.failed", "run.failed"):
                self.server.expect_error(event)
            self.assertEqual(self.server.post("/v1/datasets", body).status, 201, body)
        shares = {k: v["default"] for k, v in kind["split"]["properties"].items() if "default" in v}
        self.assertEqual(self.build("default-shares")["digest"], self.build("said-shares", split=shares)["digest"])

    def test_lineage_leads_to_the_import(self):
        made = self.build("from-import")
        [entry] = self.server.get(f"/v1/datasets/{made['id']}/ingest/history").json()["items"]
        graph = self.server.get(f"/v1/lineage/{made['id']}").json()
        self.assertIn({"from": entry["runId"], "to": made["runId"], "run_id": entry["runId"], "context": "import"}, graph["edges"])
        self.assertIn((entry["runId"], "ingest"), [(n["id"], n.get("component")) for n in graph["nodes"]])
        forth = self.server.get(f"/v1/lineage/{entry['runId']}").json()
        self.assertIn(made["id"], [n["id"] for n in forth["nodes"]])

    def test_samples_page_through_all_rows(self):
        body = self.build("sample", {"limit": 250})
        seen, cursor = [], 0
        while cursor is not None:
            page = self.server.get(f"/v1/datasets/{body['id']}/sample", limit=100, cursor=cursor).json()
            seen += page["items"]
            cursor = page["nextCursor"]
        self.assertEqual(seen, self.rows(body["id"]))
        self.assertEqual(len(seen), 250)

    def test_csv_and_ndjson_hold_the_same(self):
        id = self.build("formats", {"limit": 500})["id"]
        rows = self.rows(id)
        table = list(csv.DictReader(io.StringIO(self.export(id, "csv"))))
        self.assertEqual(len(table), len(rows))
        for line, row in zip(table, rows):
            self.assertEqual(line, {k: "" if v is None else str(v) for k, v in row.items()})

    def test_one_split_alone(self):
        id = self.build("splits")["id"]
        parts = {s: self.rows(id, split=s) for s in ("train", "valid", "test")}
        self.assertEqual(parts["train"] + parts["valid"] + parts["test"], self.rows(id))
        self.assertEqual(self.server.get(f"/v1/datasets/{id}/export?format=csv&split=all").status, 400)

    def test_exported_pgn_comes_back_as_the_same_games(self):
        id = self.build("pgn", {"player": "copy"})["id"]
        pgn = self.export(id, "pgn")
        self.assertEqual(pgn.count('[White "copy"]'), 100)
        reply = self.server.post("/v1/ingest", raw=pgn.encode())
        done = self.server.wait(reply.headers["Location"], lambda b: b["status"] == "SUCCEEDED")
        self.assertEqual((done["games"], done["duplicates"], done["refused"]), (0, 100, 0))

    def test_parquet_is_refused_with_a_way_out(self):
        id = self.build("parquet", {"limit": 10})["id"]
        reply = self.server.get(f"/v1/datasets/{id}/export?format=parquet")
        self.assertEqual(reply.status, 400)
        self.assertRegex(reply.json()["detail"], r"csv")

    def test_moves_are_legal_where_they_stand(self):
        rows = self.rows(self.build("legal", {"limit": 64})["id"])
        for row in rows:
            rank = "2" if row["color"] == "white" else "7"
            self.assertTrue(re.fullmatch(r"[a-h]" + rank + r"[a-h][36]", row["uci"]), row)
            self.assertEqual(row["fen"].split()[1], row["color"][0])

    def test_metrics_and_log(self):
        built = self.server.metric("chs_dataset_build_total", outcome="success") or 0
        body = self.build("metrics", {"limit": 160})
        self.assertEqual(self.server.metric("chs_dataset_build_total", outcome="success") - built, 1)
        self.assertEqual(self.server.metric("chs_dataset_rows", dataset_id=body["id"]), 160)
        self.export(body["id"], "csv")
        self.assertGreaterEqual(self.server.metric("chs_dataset_export_rows_total", format="csv"), 160)
        self.assertTrue(self.server.logged("dataset.created", dataset_id=body["id"]))

    def test_the_command_line_builds_too(self):
        out = json.loads(self.server.cli("chess", "dataset", "by-hand", "--filter", "minPly=2", "--filter",
                                         "color=white", "--split", "0.5,0.25,0.25", "--json").stdout)
        self.assertEqual(out["rows"], (GAMES + 100) * 7)


class Many(harness.ServerTest):
    """A server of their own: gauges of rows end at 256 label sets, three of each dataset."""

    def test_a_hundred_are_listed_at_once(self):
        reply = self.server.post("/v1/ingest", raw=pgn_make.games(20, seed="many").encode())
        self.server.wait(reply.headers["Location"], lambda b: b["status"] == "SUCCEEDED")
        made = [self.server.post("/v1/datasets", {"name": f"many-{i:03}", "filter": {"limit": 2}}).json()["id"] for i in range(120)]
        for id in made:
            self.server.wait(f"/v1/datasets/{id}", lambda b: b["status"] == "ready")
        reply = self.server.get("/v1/datasets", limit=100)
        self.assertEqual(reply.status, 200, reply)
        page = reply.json()
        self.assertEqual((len(page["items"]), page["nextOffset"]), (100, 100))
        self.assertEqual({item["versions"]["count"] for item in page["items"]}, {1})
        rest = self.server.get("/v1/datasets", limit=100, offset=100).json()
        self.assertEqual((len(rest["items"]), "nextOffset" in rest), (20, False))


if __name__ == "__main__":
    unittest.main()
