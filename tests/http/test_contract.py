# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of the reference platform ask for beside the main loop: demo games, the pseudo-dataset, limits,
preferences, the runner's addresses, metric names and log events. Each by its literal address and field names."""
import json
import re
import unittest

import harness
import pgn_make
import trained
from trained import START

DEMO_GAMES = 679  # of the 692 in the file; 13 follow other rules


def imported(server, reply):
    return server.wait(reply.headers["Location"], lambda b: b["status"] in ("SUCCEEDED", "FAILED"))


class Put:
    def put(self, path, body, method="PUT", headers=None):
        return self.server.request(method, path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})

    def ok(self, reply, status=200):
        self.assertEqual(reply.status, status, reply)
        return reply.json()


class FromNothing(Put, harness.ServerTest):
    """A fresh installation, step by step; the order of the steps is the test."""

    def test_demo_games_then_a_dataset_then_sample(self):
        for tail in ("", "/summary", "/versions", "/schema", "/quality", "/sample", "/ingest/history", "/export?format=csv"):
            reply = self.server.get("/v1/datasets/sample" + tail)
            self.assertEqual(reply.status, 404)
            self.assertRegex(reply.json()["detail"], r"POST /v1/games/demo.*POST /v1/datasets")

        reply = self.server.post("/v1/games/demo")
        first = self.ok(reply, 202)
        self.assertIs(first["queued"], True)
        done = imported(self.server, reply)
        self.assertEqual((done["status"], done["games"], done["duplicates"], done["refused"]), ("SUCCEEDED", DEMO_GAMES, 0, 13))
        again = imported(self.server, self.server.post("/v1/games/demo"))
        self.assertEqual((again["status"], again["games"], again["duplicates"]), ("SUCCEEDED", 0, DEMO_GAMES))
        self.assertEqual(self.server.get("/v1/games/count").json()["count"], DEMO_GAMES)
        self.assertEqual(list((self.server.home / "inbox").iterdir()), [])

        self.assertEqual(self.server.get("/v1/datasets/sample").status, 404)  # games alone are no dataset
        for name in ("older", "newer"):
            made = trained.build_dataset(self.server, name, sizeRows=500)
            self.assertEqual((made["status"], made["rows"], made["filter"]), ("ready", 500, {"limit": 500}))
        body = self.server.get("/v1/datasets/sample").json()
        self.assertEqual((body["id"], body["name"]), (made["id"], "newer"))
        self.assertEqual(self.server.get("/v1/datasets/byName/sample").json()["id"], made["id"])
        self.assertEqual(self.server.get("/v1/datasets/sample/versions").json()["latest"], "1")
        for tail in ("/summary", "/schema", "/quality", "/sample?limit=3", "/ingest/history", "/export?format=ndjson"):
            direct = self.server.get(f"/v1/datasets/{made['id']}{tail}")
            through = self.server.get(f"/v1/datasets/sample{tail}")
            self.assertEqual((through.status, through.body), (200, direct.body), tail)
        self.assertEqual(self.server.get("/v1/datasets/sample?version=9").status, 404)
        # Nobody who deletes or replaces "sample" means whatever is newest.
        self.assertEqual(self.server.request("DELETE", "/v1/datasets/sample").status, 404)

        [entry] = self.server.get("/v1/datasets/sample/ingest/history").json()["items"]
        self.assertEqual((entry["user"], entry["runId"], entry["datasetId"], entry["version"]),
                         ("M3NG00S3", first["runId"], "demo", ""))
        self.assertTrue(entry["at"] and entry["note"])

        training = trained.train(self.server, "sample")
        self.assertEqual((training["status"], training["result"]["modelVersion"]), ("succeeded", 1))
        # A dataset that is really called so comes first.
        named = trained.build_dataset(self.server, "sample", sizeRows=100)
        trained.build_dataset(self.server, "newest", sizeRows=100)
        self.assertEqual(self.server.get("/v1/datasets/sample").json()["id"], named["id"])
        self.assertEqual(self.server.get("/v1/datasets/sample?version=9").status, 404)


class Datasets(Put, harness.ServerTest):
    def test_the_history_lists_the_imports_that_went_in(self):
        for n in range(3):
            text = pgn_make.games(20, seed=f"history {n}")
            reply = self.server.post("/v1/ingest", files={"file": (f"{n}.pgn", text.encode())},
                                     fields={"datasetId": "odd" if n % 2 else "even", "note": f"n{n}", "version": f"v{n}"})
            imported(self.server, reply)
        imported(self.server, self.server.post("/v1/ingest", raw=text.encode()))  # only duplicates: nothing of it goes in

        def history(**body):
            made = trained.build_dataset(self.server, **body)
            items = self.server.get(f"/v1/datasets/{made['id']}/ingest/history").json()["items"]
            return [(i["note"], i["version"], i["user"], i["source"]) for i in items]
        self.assertEqual(history(name="both", filter={"source": ["odd", "even"]}), [(f"n{n}", f"v{n}", "M3NG00S3", f"{n}.pgn") for n in (2, 1, 0)])
        self.assertEqual([h[0] for h in history(name="some", filter={"source": ["odd"]})], ["n1"])

    def test_size_rows_is_the_limit_of_the_filter(self):
        imported(self.server, self.server.post("/v1/ingest", raw=pgn_make.games(50, seed="size").encode()))
        made = trained.build_dataset(self.server, "sized", filter={"minPly": 2, "color": "white"}, sizeRows=100)
        self.assertEqual((made["rows"], made["sizeRows"]), (100, 100))
        self.assertEqual(made["filter"], {"minPly": 2, "color": "white", "limit": 100})
        same = trained.build_dataset(self.server, "same", filter={"limit": 100, "minPly": 2, "color": "white"})
        self.assertEqual(same["digest"], made["digest"])
        self.ok(self.server.post("/v1/datasets", {"name": "agreed", "filter": {"limit": 9}, "sizeRows": 9}), 201)
        for body in ({"filter": {"limit": 9}, "sizeRows": 10}, {"sizeRows": 0}, {"sizeRows": "many"}, {"filter": [], "sizeRows": 5}):
            self.assertEqual(self.server.post("/v1/datasets", {"name": "x", **body}).status, 400, body)


class Limits(Put, harness.ServerTest):
    env = {"SKERRY_RATE_PERCENT": "100"}

    def test_datasets_and_imports_thirty_a_minute_for_a_client(self):
        # Refused by their bodies, so that nothing is built: a request counts whatever becomes of it.
        asked = {"/v1/datasets": {"json_body": {"name": ""}}, "/v1/ingest": {"raw": b""}}
        for path, how in asked.items():
            for n in range(30):
                self.assertEqual(self.server.post(path, **how).status, 400, (path, n))
            reply = self.server.post(path, **how)
            self.assertEqual((reply.status, reply.json()["code"]), (429, "rate_limited"))
            self.assertTrue(1 <= int(reply.headers["Retry-After"]) <= 60)
            self.assertRegex(reply.json()["detail"], r"30 requests a minute")
        # A large upload is refused before it is read.
        self.assertEqual(self.server.post("/v1/ingest", raw=b"x" * 100_000).status, 429)
        self.assertEqual(self.server.metric("chs_security_rate_limited_total"), 3)
        harness.until(lambda: self.server.metric("chs_api_requests_total", uri="/v1/datasets", status="429"),
                      "the refusal, counted after its reply,")
        # Other routes, and other clients behind a proxy on this machine, are not held up.
        self.assertEqual(self.server.get("/v1/datasets").status, 200)
        key = self.ok(self.server.post("/v1/keys", {"username": "visitor", "role": "analyst"}), 201)["key"]
        headers = {"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {key}"}
        self.assertEqual(self.server.post("/v1/datasets", {"name": ""}, headers=headers).status, 400)
        headers["X-Forwarded-For"] = "203.0.113.9, 127.0.0.1"  # only what the proxy itself wrote counts
        self.assertEqual(self.server.post("/v1/datasets", {"name": ""}, headers=headers).status, 429)

    def test_openapi_says_so(self):
        operation = self.server.get("/openapi.json").json()["paths"]["/v1/ingest"]["post"]
        self.assertEqual(operation["x-per-minute"], 30)
        self.assertIn("429", operation["responses"])


class LimitsChanged(harness.ServerTest):
    env = {"SKERRY_RATE_PERCENT": "10"}

    def test_the_setting_scales_them(self):
        statuses = [self.server.post("/v1/datasets", {"name": ""}).status for _ in range(4)]
        self.assertEqual(statuses, [400, 400, 400, 429])


class Preferences(Put, trained.TrainedTest):
    DEFAULTS = {"temperature": 0.5, "topk": 3, "boardOrientation": "white", "useGameAsTraining": True}
    PATH = "/v1/users/me/prefs"

    def test_they_are_checked_kept_and_taken_by_new_games(self):
        self.assertEqual(self.server.get(self.PATH).json(), self.DEFAULTS)
        saved = {"temperature": 0, "topk": 1, "boardOrientation": "black", "useGameAsTraining": False}
        self.assertEqual(self.ok(self.put(self.PATH, saved)), saved)
        for wrong in ({"temperature": -1}, {"temperature": "hot"}, {"topk": 1.5}, {"topk": -1}, {"topk": 10 ** 6},
                      {"boardOrientation": "left"}, {"useGameAsTraining": "yes"}, {"topK": 3}, []):
            self.assertEqual(self.put(self.PATH, wrong).status, 400, wrong)
        # What the reply has acknowledged is on the disk.
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.get(self.PATH).json(), saved)
        # Left out: as it was.
        self.assertEqual(self.ok(self.put(self.PATH, {"temperature": 0.0, "topk": 7})), {**saved, "topk": 7})
        self.assertTrue(self.server.logged("prefs.saved", topk=7))

        # A new game takes them: at temperature 0 all games begin alike, and none of them is imported.
        begun = {self.ok(self.server.post("/v1/play/new", {"color": "black"}))["fen"] for _ in range(6)}
        self.assertEqual(len(begun), 1)
        games = self.server.get("/v1/games/count").json()["count"]
        game = self.new_game(color="white")
        self.ok(self.server.post(f"/v1/play/{game}/move", {"uci": "e2e4"}))
        self.ok(self.server.post(f"/v1/play/{game}/resign"))
        self.assertEqual([j for j in self.server.get("/v1/jobs?kind=chess.ingest&limit=50").json()["items"]
                          if game in json.dumps(j)], [])
        self.assertEqual(self.server.get("/v1/games/count").json()["count"], games)
        # What the game itself says comes first.
        begun = {self.new_fen(temperature=10, topk=0) for _ in range(20)}
        self.assertGreater(len(begun), 1)

    def new_fen(self, **body):
        return self.ok(self.server.post("/v1/play/new", {"color": "black", **body}))["fen"]

    def test_each_user_has_his_own(self):
        self.server.sql("INSERT INTO chess_prefs VALUES ('somebody else', 2, 2, 1, 0, 0)")
        self.assertNotEqual(self.server.get(self.PATH).json()["temperature"], 2)

    def test_games_being_played_now(self):
        def count():
            return self.ok(self.server.get("/v1/games/online_count"))["count"]
        before = count()
        mine, other = self.new_game(), self.new_game()
        self.assertEqual(count(), before + 2)
        self.ok(self.server.post(f"/v1/play/{mine}/resign"))
        self.assertEqual(count(), before + 1)
        # eleven minutes ago
        self.server.sql("UPDATE chess_plays SET updated_ms = updated_ms - 660000 WHERE id = ?", other)
        self.assertEqual(count(), before)
        self.ok(self.server.post(f"/v1/play/{other}/move", {"uci": "e2e4"}))
        self.assertEqual(count(), before + 1)


class Trained(Put, trained.TrainedTest):
    def get(self, path, **query):
        return self.ok(self.server.get(path, **query))

    # ------------------------------------------------------------------ the runner

    def evaluate(self, **body):
        made = self.ok(self.server.post("/runner/eval/start", {"modelId": self.model, **body}))
        return self.server.wait(f"/runner/eval/{made['evalId']}", lambda b: b["status"] != "running")

    def test_the_runner_evaluates(self):
        body = self.evaluate(datasetId="sample", metrics=["val_loss", "ece"], batchSize=16, limit=100, seed=0)
        self.assertEqual((body["status"], body["error"]), ("completed", None))
        self.assertEqual(set(body["metrics"]), {"val_loss", "val_acc_top1", "val_acc_top3", "ece"})
        self.assertTrue(0 <= body["metrics"]["val_acc_top1"] <= body["metrics"]["val_acc_top3"] <= 1)
        self.assertTrue(0 <= body["metrics"]["ece"] <= 1 and body["metrics"]["val_loss"] > 0)
        report = self.get(body["reportUri"])
        self.assertEqual(report["summary"]["candidate"]["positions"], 100)
        self.assertEqual(report["summary"]["candidate"]["top1"], body["metrics"]["val_acc_top1"])
        # It is an evaluation like any other, and its numbers are the gauges.
        whole = self.get(f"/v1/evaluations/{body['evalId']}")
        self.assertEqual((whole["status"], whole["suite"]), ("succeeded", "accuracy"))
        self.assertRegex(whole["candidate"], rf"^{self.model}@\d+$")
        self.assertEqual(self.server.metric("chs_eval_last_val_acc_top1"), body["metrics"]["val_acc_top1"])

    def test_the_runners_limit_and_seed_choose_positions(self):
        some = {seed: self.evaluate(limit=30, seed=seed)["metrics"] for seed in (0, 1, 2)}
        self.assertEqual(self.evaluate(limit=30, seed=1)["metrics"], some[1])
        self.assertGreater(len({m["val_loss"] for m in some.values()}), 1)
        all_of_them = self.evaluate(limit=10 ** 9, seed=0)
        self.assertEqual(all_of_them["metrics"], self.evaluate(limit=10 ** 9, seed=5)["metrics"] | {
            k: v for k, v in all_of_them["metrics"].items() if k in ("val_loss", "ece")})  # sums in another order

    def test_the_runner_refuses_what_is_wrong(self):
        for body, status in (({}, 400), ({"modelId": "nobody"}, 404), ({"modelId": f"{self.model}@99"}, 404),
                             ({"modelId": self.model, "metrics": ["vibes"]}, 400), ({"modelId": self.model, "metrics": "ece"}, 400),
                             ({"modelId": self.model, "limit": 0}, 400), ({"modelId": self.model, "batchSize": 0}, 400),
                             ({"modelId": self.model, "datasetId": "nope"}, 404), ({"modelId": self.model, "seed": -1}, 400)):
            self.assertEqual(self.server.post("/runner/eval/start", body).status, status, body)
        self.assertEqual(self.server.get("/runner/eval/" + "0" * 32).status, 404)
        self.assertEqual(self.server.get(f"/runner/eval/{self.training['runId']}").status, 404)

    def test_the_runner_plays_a_few_games_on_the_spot(self):
        body = self.get("/runner/selfplay/debug", games=4)
        self.assertEqual((body["games"], body["wins"] + body["draws"] + body["losses"]), (4, 4))
        self.assertGreater(body["moves"], 8)
        self.assertEqual(self.get("/v1/selfplay/debug", games=4), body)  # the same seed, the same games
        self.assertEqual(self.server.get("/runner/selfplay/debug?games=1000").status, 400)

    # ------------------------------------------------------------------ models

    def test_promotion_by_run_and_by_artifact(self):
        second = trained.train(self.server, self.dataset, seed=9)
        run, version = second["runId"], second["result"]["modelVersion"]
        self.assertEqual(self.promote("", runId=run)["active"]["modelVersion"], str(version))
        [uri] = [v["artifactUri"] for v in self.get(f"/v1/models/{self.model}/versions") if v["modelVersion"] == "1"]
        self.assertEqual(self.promote("", artifactUri=uri)["active"]["modelVersion"], "1")
        for body in ({"runId": "0" * 32}, {"artifactUri": "models/x"}, {"runId": run, "modelVersion": "1"}, {"runId": run, "artifactUri": uri}):
            self.assertEqual(self.server.post("/v1/models/promote", {"modelId": self.model, **body}).status, 400, body)

    # ------------------------------------------------------------------ numbers

    def test_the_numbers_of_a_training(self):
        run = self.training["runId"]
        body = self.get(f"/v1/metrics/train/{run}")
        self.assertEqual((body["runId"], body["status"], body["progress"]), (run, "succeeded", 1))
        self.assertEqual(body["metrics"], self.get(f"/v1/trainings/{run}")["metrics"])
        self.assertLess(0, body["metrics"]["loss"])
        self.assertEqual(self.server.get("/v1/metrics/train/" + "0" * 32).status, 404)

    def test_what_the_process_takes(self):
        body = self.get("/v1/obs/resources", service="ml", window="1h")
        restarts = body["restartCount"]  # of other tests
        self.assertEqual((body["service"], body["window"]), ("ml", "1h"))
        self.assertGreater(body["cpuCores"], 0)
        self.assertGreaterEqual(body["memoryBytes"], 10 << 20)
        self.assertGreaterEqual(body["memoryBytes"], body["rssBytes"])
        self.assertEqual(self.get("/v1/obs/resources")["window"], "5m")
        self.assertEqual(self.server.get("/v1/obs/resources?service=mail").status, 404)
        for window in ("5", "m", "-5m", "30s", "31d", "9999999999999999999d"):
            self.assertEqual(self.server.get(f"/v1/obs/resources?window={window}").status, 400, window)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.get("/v1/obs/resources", window="1h")["restartCount"], restarts + 1)

    # ------------------------------------------------------------------ metrics and logs

    def test_metric_names_and_labels(self):
        self.server.post("/v1/predict", {"fen": START})
        text = self.server.get("/metrics").text
        labels = {}
        for name, inside in re.findall(r"(?m)^(\w+)(?:\{(.*)\})? ", text):
            labels.setdefault(name, set()).update(re.findall(r'(\w+)="', inside))
        wanted = {
            "chs_api_requests_total": "method uri status outcome user_kind", "chs_api_request_seconds_count": "method uri",
            "chs_ingest_jobs_total": "", "chs_ingest_starts_total": "", "chs_ingest_success_total": "", "chs_ingest_failed_total": "",
            "chs_ingest_duration_seconds_count": "outcome", "chs_ingest_active": "", "chs_ingest_games_total": "",
            "chs_ingest_positions_total": "", "chs_ingest_skipped_total": "", "chs_ingest_bytes_total": "",
            "chs_positions_legal_moves_total": "", "chs_dataset_build_total": "outcome", "chs_dataset_rows": "dataset_id split",
            "chs_dataset_rows_total": "", "chs_dataset_invalid_rows_total": "reason",
            "chs_dataset_export_duration_seconds_count": "format", "chs_training_runs_total": "username component",
            "chs_training_step_duration_seconds_count": "", "chs_model_registry_requests_total": "endpoint status",
            "chs_model_registry_versions_total": "model_id", "chs_models_loaded_total": "model_id model_version",
            "chs_model_reload_failures_total": "reason", "chs_predict_requests_total": "model_id model_version",
            "chs_predict_errors_total": "model_id model_version code", "chs_predict_illegal_requests_total": "model_id model_version",
            "chs_predict_latency_seconds_count": "model_id model_version", "chs_moves_total": "kind",
            "chs_selfplay_games_total": "result", "chs_selfplay_moves_total": "", "chs_selfplay_runs_active": "",
            "chs_selfplay_failures_total": "", "chs_selfplay_move_time_seconds_count": "", "chs_eval_last_val_loss": "",
            "chs_eval_last_val_acc_top1": "", "chs_eval_last_val_acc_top3": "", "chs_eval_last_ece": "",
            "chs_eval_runtime_seconds_count": "", "chs_eval_errors_total": "type", "chs_security_rate_limited_total": "",
        }
        self.assertEqual({n: labels.get(n) for n in wanted}, {n: set(l.split()) for n, l in wanted.items()})
        versions = len(self.get(f"/v1/models/{self.model}/versions"))
        self.assertEqual(self.server.metric("chs_model_registry_versions_total", model_id=self.model), versions)

    def test_gauges_of_what_is_stored_survive_a_restart(self):
        def gauges():
            return (self.server.metric("chs_games_stored"), self.server.metric("chs_dataset_rows", dataset_id=self.dataset),
                    self.server.metric("chs_model_registry_versions_total"))
        before = gauges()
        self.assertNotIn(None, before)
        self.server.stop()
        self.server.start()
        self.assertEqual(gauges(), before)

    def test_lines_can_be_found_by_what_a_client_says(self):
        run = self.training["runId"]
        self.server.get("/v1/users/me", headers={"X-Run-Id": run, "X-Dataset-Id": "d-1", "X-Model-Id": 'm"2', "X-Request-Id": "said"})
        [line] = self.server.logged("http.request", request_id="said")
        self.assertEqual((line["run_id"], line["dataset_id"]), (run, "d-1"))
        self.assertNotIn("model_id", line)  # a quote is in no id of ours

    def test_log_items_have_what_the_page_reads(self):
        for path in (f"/v1/logs/training/{self.training['runId']}?limit=20", "/v1/logs/app?app=api&range=1h&limit=20"):
            items = self.get(path)["items"]
            self.assertTrue(items)
            for item in items:
                self.assertEqual(item["ts"], item["time"])
                self.assertTrue(item["level"] and item["msg"], item)

    def test_events(self):
        self.server.post("/v1/predict", {"fen": "nonsense"})
        self.assertTrue(self.server.logged("predict.failed", fen="nonsense"))
        for event in ("ingest.started", "ingest.completed", "ingest.report_written", "dataset.created", "training.started",
                      "training.epoch", "training.completed", "model.loaded", "http.request"):
            self.assertTrue(self.server.logged(event), event)
        self.assertTrue(self.server.logged("audit.written", action="training.start"))

    # ------------------------------------------------------------------ users

    def test_users_and_their_roles(self):
        me = self.get("/v1/users/me")
        self.assertEqual((me["username"], me["roles"]), ("M3NG00S3", ["admin"]))
        self.assertRegex(me["createdAt"], r"^\d{4}-")
        self.server.stop()
        self.server.start()
        self.assertEqual(self.get("/v1/users/me")["createdAt"], me["createdAt"])
        made = self.ok(self.server.post("/v1/keys", {"username": "vera", "role": "viewer"}), 201)
        self.assertIn(("vera", ["viewer"], 1), [(u["username"], u["roles"], u["keys"]) for u in self.get("/v1/admin/users")["items"]])
        vera = {"Authorization": f"Bearer {made['key']}"}
        self.assertEqual(self.server.post("/v1/games/demo", headers=vera).status, 403)
        self.assertEqual(self.put("/v1/admin/users/vera", {"roles": ["viewer", "analyst"]}, "PATCH").json()["roles"], ["analyst"])
        self.assertEqual(self.server.get("/v1/users/me", headers=vera).json()["roles"], ["analyst"])
        imported(self.server, self.server.post("/v1/games/demo", headers=vera))
        for body in ({}, {"roles": []}, {"roles": ["king"]}, {"roles": "viewer"}):
            self.assertEqual(self.put("/v1/admin/users/vera", body, "PATCH").status, 400, body)
        self.assertEqual(self.put("/v1/admin/users/nobody", {"roles": ["viewer"]}, "PATCH").status, 404)
        # Each user has preferences of his own.
        self.ok(self.put("/v1/users/me/prefs", {"topk": 9}, headers=vera))
        self.assertEqual(self.get("/v1/users/me/prefs")["topk"], 3)
        self.assertEqual(self.server.get("/v1/users/me/prefs", headers=vera).json()["topk"], 9)


class Jobs(Put, harness.ServerTest):
    def test_counts_by_state_and_the_way_of_one(self):
        for event in ("dataset.failed", "run.failed", "job.failed"):
            self.server.expect_error(event)
        made = self.server.post("/v1/datasets", {"name": "no-such-games", "filter": {"minElo": 3999}}).json()
        failed = self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "failed")
        # What kind of failure it was, by the stable name that a problem's code has, too.
        self.assertEqual(failed["errorCode"], "invalid")
        listed = self.server.get("/v1/jobs?kind=chess.dataset").json()["items"][0]
        self.assertEqual((listed["error"], listed["errorCode"]), (failed["error"], "invalid"))
        counts = self.server.get("/v1/jobs/count?kind=chess.dataset").json()
        self.assertEqual((counts["count"], counts["byStatus"]["failed"], counts["byStatus"]["queued"]), (1, 1, 0))
        self.assertEqual(set(counts["byStatus"]), {"waiting", "queued", "running", "paused", "succeeded", "failed", "stopped"})
        self.assertEqual(self.server.get("/v1/jobs/count?kind=core.gc").json()["count"], 0)
        way = self.server.get(f"/v1/jobs/{made['jobId']}/history").json()["items"]
        self.assertEqual([c["to"] for c in way], ["failed", "running", "queued"])
        self.assertIn("the filter matches no game", way[0]["detail"])
        self.assertEqual((way[0]["attempt"], way[2]["tookMs"]), (1, None))
        self.assertGreaterEqual(way[0]["tookMs"], 0)
        self.assertEqual(self.server.post(f"/v1/jobs/{made['jobId']}/control", {"action": "replay"}).status, 202)
        self.server.wait(f"/v1/jobs/{made['jobId']}", lambda j: j["status"] == "failed")
        way = self.server.get(f"/v1/jobs/{made['jobId']}/history").json()["items"]
        self.assertEqual([c["event"] for c in way if c["to"] in ("failed", "queued")], ["job.failed", "job.replayed", "job.failed", "job.queued"])
        self.assertEqual(self.server.get("/v1/jobs/none/history").status, 404)


class Actuator(harness.ServerTest):
    """What a monitor asks that was set up to watch the reference, a Spring Boot program: open even where keys are wanted."""
    env = {"SKERRY_BLOBS": ""}  # a folder, which a test can take away

    def test_health_has_springs_shape_and_is_down_with_what_it_stands_on(self):
        body = self.server.get("/actuator/health").json()
        self.assertEqual((body["status"], {name: c["status"] for name, c in body["components"].items()}),
                         ("UP", {"db": "UP", "blobs": "UP", "diskSpace": "UP"}))
        self.assertRegex(body["components"]["db"]["details"]["database"], "^(sqlite|postgresql)")
        disk = body["components"]["diskSpace"]["details"]
        self.assertGreater(disk["free"], disk["threshold"])
        blobs, away = self.server.home / "blobs", self.server.home / "blobs.away"
        blobs.rename(away)
        blobs.touch()
        try:
            reply = self.server.get("/actuator/health")
            self.assertEqual((reply.status, reply.json()["status"]), (503, "DOWN"))
            components = reply.json()["components"]
            self.assertEqual((components["db"]["status"], components["blobs"]["status"]), ("UP", "DOWN"))
            self.assertIn("Not a directory", components["blobs"]["details"]["error"])
        finally:
            blobs.unlink()
            away.rename(blobs)
        self.assertEqual(self.server.get("/actuator/health").json()["status"], "UP")

    def test_prometheus_is_the_metrics_in_either_form(self):
        def names(path, **headers):
            reply = self.server.get(path, headers)
            self.assertEqual(reply.status, 200)
            return reply.headers["Content-Type"], {line.split()[2] for line in reply.text.splitlines() if line.startswith("# TYPE")}
        self.assertGreater(len(names("/metrics")[1]), 50)
        for accept in ("*/*", "application/openmetrics-text; version=1.0.0"):
            self.assertEqual(names("/actuator/prometheus", Accept=accept), names("/metrics", Accept=accept))

    def test_the_api_is_described_where_the_reference_does(self):
        first = self.server.get("/openapi.json")
        for accept in ("application/json", "*/*", "application/vnd.oai.openapi+json, application/json;q=0.5"):
            reply = self.server.get("/v3/api-docs", {"Accept": accept})
            self.assertEqual((reply.status, reply.headers["Content-Type"], reply.body), (200, "application/json", first.body))
        # Relative: right under whatever name and port the client came by.
        self.assertEqual([s["url"] for s in first.json()["servers"]], ["/"])
        self.assertEqual({t["name"] for t in first.json()["tags"]},
                         {tag for item in first.json()["paths"].values() for o in item.values() for tag in o["tags"]})
        for path in ("/swagger-ui.html", "/swagger-ui/index.html"):
            reply = self.server.get(path)
            self.assertEqual((reply.status, reply.headers["Location"]), (302, "/ui/api"))

    def test_open_where_keys_are_wanted_and_a_scrapers_key_is_checked(self):
        key = self.server.post("/v1/keys", {"username": "root", "role": "admin"}).json()
        root = {"X-Api-Key": key["key"]}
        try:
            scraper = self.server.post("/v1/keys", {"username": "prometheus", "role": "viewer"}, headers=root).json()["key"]
            self.assertEqual(self.server.get("/v1/runs").status, 401)
            for path in ("/actuator/health", "/actuator/prometheus", "/v3/api-docs"):
                with self.subTest(path=path):
                    self.assertEqual(self.server.get(path).status, 200)
                    self.assertEqual(self.server.get(path, {"Authorization": f"Bearer {scraper}"}).status, 200)
                    self.assertEqual(self.server.get(path, {"Authorization": "Bearer nobody"}).status, 401)
            self.assertEqual(self.server.get("/swagger-ui.html").status, 302)
        finally:
            self.server.request("DELETE", f"/v1/keys/{key['id']}", headers=root)


class LastAdmin(Put, harness.ServerTest):
    def test_the_last_admin_stays_one(self):
        made = self.ok(self.server.post("/v1/keys", {"username": "ada", "role": "admin"}), 201)
        ada = {"Authorization": f"Bearer {made['key']}"}
        reply = self.put("/v1/admin/users/ada", {"roles": ["viewer"]}, "PATCH", ada)
        self.assertEqual(reply.status, 409, reply)
        self.assertEqual(self.server.get("/v1/users/me", headers=ada).json()["roles"], ["admin"])
        second = self.ok(self.server.post("/v1/keys", {"username": "bob", "role": "admin"}, headers=ada), 201)
        self.assertEqual(self.put("/v1/admin/users/ada", {"roles": ["viewer"]}, "PATCH", ada).status, 200)
        self.assertEqual(self.server.get("/v1/admin/users", headers=ada).status, 403)
        self.assertEqual(self.server.get("/v1/admin/users", headers={"Authorization": f"Bearer {second['key']}"}).status, 200)


class ZeroSeries(harness.ServerTest):
    def test_a_first_start_is_no_restart(self):
        self.assertEqual(self.server.get("/v1/obs/resources").json()["restartCount"], 0)

    def test_panels_are_not_empty_before_anything_happened(self):
        text = self.server.get("/metrics").text
        for series in ('chs_predict_requests_total{model_id="none",model_version="none"}', 'chs_moves_total{kind="play"}',
                       'chs_selfplay_games_total{result="DRAW"}', 'chs_model_reload_failures_total{reason="missing_artifact"}',
                       'chs_model_reload_failures_total{reason="internal"}', "chs_selfplay_failures_total", "chs_security_rate_limited_total",
                       'chs_training_runs_total{username="M3NG00S3",component="training"}', 'chs_dataset_build_total{outcome="failed"}',
                       'chs_predict_latency_seconds_count{model_id="none",model_version="none"}', "chs_ingest_skipped_total"):
            self.assertIn(f"\n{series} 0\n", text)
        reply = self.server.post("/v1/predict", {"fen": START})
        self.assertEqual(reply.status, 409)
        self.assertEqual(self.server.metric("chs_predict_errors_total", model_id="none", code="409"), 1)

    def test_a_gauge_and_a_counter_with_one_name_are_two_families_in_both_formats(self):
        plain = self.server.get("/metrics").text
        self.assertIn("\n# TYPE chs_dataset_rows_total counter\nchs_dataset_rows_total 0\n", plain)
        open_metrics = self.server.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).text
        self.assertIn("\nchs_dataset_rows_total 0\n", open_metrics)
        self.assertNotIn("# TYPE chs_dataset_rows counter", open_metrics)
        families = re.findall(r"(?m)^# TYPE (\S+) ", open_metrics)
        self.assertEqual(len(families), len(set(families)))
        self.assertTrue(open_metrics.endswith("# EOF\n"))


if __name__ == "__main__":
    unittest.main()
