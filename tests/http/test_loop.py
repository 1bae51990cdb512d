# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job end to end as clients see it: status codes, fields and Location headers of every step."""
import csv
import io
import json
import os
import pty
import re
import socket
import subprocess
import threading
import time
import unittest

import harness
import pgn_make
import trained
from trained import OVER, START


class Loop(trained.TrainedTest):
    def get(self, path, **query):
        return self.ok(self.server.get(path, **query))

    def has(self, body, *fields):
        self.assertEqual([f for f in fields if f not in body], [], body)

    # ------------------------------------------------------------------ datasets, as the platform shows them

    def test_a_dataset_is_created_and_read_by_id_and_name(self):
        reply = self.server.post("/v1/datasets", {"name": "shown", "filter": {"limit": 100}, "note": "n", "tags": {"a": "b"}})
        made = self.ok(reply, 201)
        self.assertEqual(reply.headers["Location"], f"/v1/datasets/{made['id']}")
        self.has(made, "id", "name", "version", "sizeRows", "locationUri", "createdAt", "runId", "jobId")
        body = self.server.wait(reply.headers["Location"], lambda b: b["status"] == "ready")
        self.assertEqual((body["rows"], body["version"], body["tags"]), (100, "1", {"a": "b"}))
        for path in ("/v1/datasets/shown", "/v1/datasets/byName/shown"):
            self.assertEqual(self.get(path)["id"], made["id"])
        listed = self.get("/v1/datasets", q="shown")["items"]
        self.assertEqual([(d["id"], d["rows"]) for d in listed], [(made["id"], 100)])
        self.assertGreaterEqual(self.get("/v1/datasets/count")["count"], 2)
        self.has(self.get("/v1/datasets/shown/summary"), "id", "rows", "sizeBytes", "versions", "updatedAt")
        versions = self.get("/v1/datasets/shown/versions")
        self.assertEqual((versions["count"], versions["latest"], len(versions["items"])), (1, "1", 1))
        history = self.get("/v1/datasets/shown/ingest/history")["items"]
        self.has(history[0], "at", "user", "note", "version")
        export = self.server.get("/v1/datasets/shown/export", format="csv")
        self.assertEqual(len(list(csv.DictReader(io.StringIO(export.text)))), 100)
        self.assertEqual(self.server.post("/v1/datasets", {"name": "shown", "version": "1"}).status, 409)
        self.ok(self.server.request("DELETE", f"/v1/datasets/{made['id']}"))
        self.assertEqual(self.server.get(f"/v1/datasets/{made['id']}").status, 404)
        # What a model was trained on stays.
        self.assertEqual(self.server.request("DELETE", f"/v1/datasets/{self.dataset}").status, 409)

    # ------------------------------------------------------------------ trainings

    def test_a_training_is_created_and_read(self):
        reply = self.server.post("/v1/trainings", {"datasetId": self.dataset, **trained.SMALL, "seed": 5, "notes": "five",
                                                   "priority": "high", "learningRate": 0.002})
        made = self.ok(reply, 201)
        run = made["runId"]
        self.assertEqual((reply.headers["Location"], made["status"]), (f"/v1/trainings/{run}", "queued"))
        body = self.server.wait(f"/v1/trainings/{run}", lambda b: b["status"] in OVER)
        self.assertEqual(body["status"], "succeeded", body)
        self.has(body, "runId", "startedAt", "finishedAt", "metrics", "artifactUris", "etaSec", "updatedAt")
        self.assertEqual(body["progress"], 1)
        rows = self.get(f"/v1/runs/{run}")["params"]["train_rows"]
        self.assertEqual(body["step"], -(-int(rows) // 256))
        for metric in ("loss", "val_loss", "val_acc", "test_top1"):
            self.assertIsInstance(body["metrics"][metric], (int, float), metric)
        self.assertEqual(self.get(f"/v1/training/{run}")["runId"], run)
        self.assertIn(run, [t["runId"] for t in self.get("/v1/trainings", status="finished")["items"]])
        self.assertNotIn(run, [t["runId"] for t in self.get("/v1/trainings", status="active")["items"]])
        self.assertGreaterEqual(self.get("/v1/trainings/count", status="finished")["count"], 2)
        params = self.get(f"/v1/trainings/{run}/hyperparams")
        self.assertEqual((params["seed"], params["notes"], params["learningRate"]), (5, "five", 0.002))
        params = self.get(f"/v1/runs/{run}")["params"]
        logged = {key: float(params[key]) for key in ("batch_size", "dropout", "weight_decay", "lr")}
        self.assertEqual(logged["lr"], 0.002)
        self.assertTrue(logged["batch_size"] >= 1 and logged["dropout"] >= 0 and logged["weight_decay"] > 0, logged)  # not "the default"
        artifacts = {a["name"]: a for a in self.get(f"/v1/trainings/{run}/artifacts")["items"]}
        self.assertIn("model/net.bin", artifacts)
        for artifact in artifacts.values():
            self.assertEqual(len(self.server.get(artifact["downloadUrl"]).body), artifact["sizeBytes"])
        points = {s["label"]: s["points"] for s in self.get(f"/v1/metrics/training/{run}", m="loss,val_acc")["series"]}
        self.assertEqual(set(points), {"loss", "val_acc"})
        self.has(points["loss"][0], "ts", "time", "value")
        events = [l["event"] for l in self.get(f"/v1/logs/training/{run}")["items"]]
        self.assertIn("training.started", events)
        self.assertIn("training.completed", events)

    def test_the_same_seed_gives_the_same_model(self):
        digests = []
        for _ in range(2):
            result = trained.train(self.server, self.dataset, seed=77)["result"]
            [version] = [v for v in self.get(f"/v1/models/{self.model}/versions")
                         if v["modelVersion"] == str(result["modelVersion"])]
            digests.append(version["digest"])
        self.assertEqual(digests[0], digests[1])

    def test_wrong_trainings_are_refused(self):
        for body, status in (({}, 400), ({"datasetId": "nope"}, 404), ({"datasetId": self.dataset, "epochs": 0}, 400),
                             ({"datasetId": self.dataset, "batchSize": 0}, 400),
                             ({"datasetId": self.dataset, "learningRate": 0}, 400),
                             ({"datasetId": self.dataset, "optimizer": "sgd"}, 400),
                             ({"datasetId": self.dataset, "useGPU": "yes"}, 400),
                             ({"datasetId": self.dataset, "priority": "urgent"}, 400),
                             ({"datasetId": self.dataset, "epochs": "ten"}, 400),
                             ({"datasetId": self.dataset, "datasetVersion": "99"}, 404),
                             ({"datasetId": self.dataset, "modelId": "x" * 200}, 400)):
            self.assertEqual(self.server.post("/v1/trainings", body).status, status, body)
        for run in ("0" * 32, "nonsense", "%27"):
            for tail in ("", "/artifacts", "/hyperparams"):
                self.assertEqual(self.server.get(f"/v1/trainings/{run}{tail}").status, 404)
        self.assertEqual(self.server.get("/v1/trainings?status=dancing").status, 400)

    # ------------------------------------------------------------------ models

    def test_what_work_takes_is_said_and_so_is_what_it_does_by_itself(self):
        kinds = {k["kind"]: k for k in self.ok(self.server.get("/v1/trainings/kinds"))["items"]}
        chess, rps = kinds["chess.policy"], kinds["rps.policy"]
        self.assertEqual((chess["datasetKind"], chess["needsDataset"], chess["trainAt"], chess["suites"], chess["matchAt"]),
                         ("chess.positions", True, "/v1/trainings", ["topk", "accuracy", "acpl"], "/v1/selfplay"))
        self.assertEqual((rps["needsDataset"], rps["trainAt"], rps["suites"], rps["matchAt"]), (False, "/v1/rps/train", ["people"], None))
        # Every field that is said is read: no list will do for any of them. One that nobody knows is none of the server's business.
        model = {"candidateModelId": self.model}
        asks = [(chess["trainAt"], {"datasetId": self.dataset}, chess["training"]), (rps["trainAt"], {"family": "xgboost"}, rps["training"]),
                (chess["matchAt"], {}, chess["match"])]
        asks += [("/v1/evaluations", {**model, "suite": suite}, {"properties": {n: f for n, f in chess["evaluation"]["properties"].items()
                                                                                if suite in f.get("suites", [suite])}}) for suite in ("topk", "accuracy")]
        for path, body, takes in asks:
            self.assertGreater(len(takes["properties"]), 2)
            for name in takes["properties"]:
                reply = self.server.post(path, {**body, name: [[]]})
                self.assertEqual(reply.status, 400, (path, name, reply))
                self.assertIn(f"'{name}'", reply.json()["detail"])
        # What it does by itself is what it says that it does.
        by_itself = {n: f["default"] for n, f in chess["training"]["properties"].items() if "default" in f}
        self.assertEqual(set(by_itself), {"modelId", "epochs", "patience", "seed", "book"})
        params = []
        for body in ({}, by_itself):
            made = self.ok(self.server.post("/v1/trainings", {"datasetId": self.dataset, **body}), 201)
            trained.job_done(self.server, made["jobId"])
            params.append(self.ok(self.server.get(f"/v1/runs/{made['runId']}"))["params"])
        self.assertEqual(params[0], params[1])
        self.assertEqual((params[0]["epochs"], params[0]["model"]), ("10", "chess-policy"))
        match = self.ok(self.server.post("/v1/selfplay", {"games": 2}), 202)
        done = trained.job_done(self.server, match["jobId"])
        said = {n: f["default"] for n, f in chess["match"]["properties"].items()}
        self.assertEqual({n: done["payload"][n] for n in said}, {**said, "games": 2})

    def test_models_are_listed_loaded_and_promoted(self):
        second = trained.train(self.server, self.dataset, seed=3)["result"]["modelVersion"]
        [model] = [m for m in self.get("/v1/models") if m["modelId"] == self.model]
        self.has(model, "displayName", "tags")
        self.assertEqual(self.get("/v1/models/count")["count"], len(self.get("/v1/models")))
        versions = self.get(f"/v1/models/{self.model}/versions")
        self.has(versions[0], "modelVersion", "createdAt", "metrics", "runId", "datasetId", "digest", "artifactUri")
        self.assertEqual(versions[0]["modelVersion"], str(second))
        self.assertEqual(self.server.get("/v1/models/nobody/versions").status, 404)

        body = self.ok(self.server.post("/v1/models/load", {"modelId": self.model, "modelVersion": second}))
        self.assertEqual(body["active"], {"modelId": self.model, "modelVersion": str(second)})
        self.assertEqual(self.ok(self.server.post("/v1/predict", {"fen": START}))["modelVersion"], str(second))
        body = self.promote(second, reason="better")
        self.assertTrue(body["ok"] and body["artifactUri"])
        entry = self.get(f"/v1/models/{self.model}/promotions")["items"][0]
        self.assertEqual((entry["to"], entry["alias"], entry["reason"], entry["by"]), (second, "prod", "better", "M3NG00S3"))
        self.assertIn(str(second), [m["modelVersion"] for m in self.get("/v1/models/active")["items"]])
        for body, status in (({}, 400), ({"modelId": "nobody", "modelVersion": "1"}, 404),
                             ({"modelId": self.model, "modelVersion": "999"}, 404)):
            for path in ("load", "promote"):
                self.assertEqual(self.server.post(f"/v1/models/{path}", body).status, status, (path, body))

    def test_lineage_leads_from_the_model_to_its_games(self):
        [version] = [v for v in self.get(f"/v1/models/{self.model}/versions") if v["runId"] == self.training["runId"]]
        text = json.dumps(self.get(f"/v1/lineage/{version['id']}", depth=5))
        for id in (self.training["runId"], self.dataset):
            self.assertIn(id, text)

    # ------------------------------------------------------------------ evaluations

    def test_an_evaluation_beside_a_baseline(self):
        reply = self.server.post("/v1/evaluations", {"candidateModelId": self.model, "candidateVersion": "1",
                                                     "baselineModelId": self.model, "baselineVersion": "1"})
        made = self.ok(reply, 202)
        id = made["evaluationId"]
        self.assertEqual(reply.headers["Location"], f"/v1/evaluations/{id}")
        body = self.server.wait(f"/v1/evaluations/{id}", lambda b: b["status"] in OVER)
        self.assertEqual(body["status"], "succeeded", body)
        self.has(body["metricSuite"], "top1_agreement", "ece")
        self.assertTrue(0 <= body["metricSuite"]["ece"] <= 1)
        self.assertTrue(body["summary"] and body["series"])
        for series in body["series"]:
            self.has(series, "label", "points")
        listed = self.get("/v1/evaluations")["items"][0]
        self.has(listed, "id", "baseline", "candidate", "status", "createdAt")
        for body, status in (({}, 400), ({"candidateModelId": "nobody"}, 404),
                             ({"candidateModelId": self.model, "suite": "vibes"}, 400)):
            self.assertEqual(self.server.post("/v1/evaluations", body).status, status, body)
        self.assertEqual(self.server.get("/v1/evaluations/" + "0" * 32).status, 404)
        self.assertEqual(self.server.get(f"/v1/evaluations/{self.training['runId']}").status, 404)

    # ------------------------------------------------------------------ predict, play, matches

    def test_a_prediction_has_all_its_fields(self):
        reply = self.server.post("/v1/predict", {"fen": START, "temperature": 0.7, "rating": 1800, "speed": "blitz"})
        body = self.ok(reply)
        self.assertEqual(reply.headers["X-Component"], "serve")
        self.assertTrue(reply.headers["X-Request-Id"])
        self.assertEqual(len(body["legal"]), 20)
        self.assertIn(body["move"], body["legal"])
        self.assertEqual({p["uci"] for p in body["policy"]}, set(body["legal"]))
        self.assertAlmostEqual(sum(p["prob"] for p in body["policy"]), 1, places=4)
        probs = [p["prob"] for p in body["policy"]]
        self.assertEqual(probs, sorted(probs, reverse=True))
        self.assertAlmostEqual(sum(body["value"].values()), 1, places=4)
        self.assertEqual(set(body["value"]), {"win", "draw", "loss"})
        self.assertEqual(body["modelId"], self.model)
        self.assertGreaterEqual(body["latencyMs"], 0)
        top = self.ok(self.server.post("/v1/predict", {"fen": START, "topk": 3}))
        self.assertEqual(len(top["policy"]), 3)
        self.assertEqual(len(top["legal"]), 20)
        self.assertNotIn("san", top["policy"][0])
        named = self.ok(self.server.post("/v1/predict", {"fen": START, "topk": 0, "san": True}))
        self.assertEqual({m["uci"]: m["san"] for m in named["policy"]}["g1f3"], "Nf3")
        best = self.ok(self.server.post("/v1/predict", {"fen": START, "temperature": 0}))
        self.assertEqual(best["move"], best["policy"][0]["uci"])

    def test_history_leads_to_the_position(self):
        after = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"
        a = self.ok(self.server.post("/v1/predict", {"fen": START, "history": ["e2e4"], "temperature": 0}))
        b = self.ok(self.server.post("/v1/predict", {"fen": after, "temperature": 0}))
        self.assertEqual((a["move"], a["policy"], a["value"]), (b["move"], b["policy"], b["value"]))

    def test_a_seed_makes_a_choice_repeatable(self):
        def ask(seed):
            return self.ok(self.server.post("/v1/predict", {"fen": START, "temperature": 5, "seed": seed}))["move"]
        self.assertEqual(len({ask(9) for _ in range(5)}), 1)
        self.assertGreater(len({ask(n) for n in range(30)}), 3)

    def test_a_game_is_played_and_listed(self):
        reply = self.ok(self.server.post("/v1/play/new", {"color": "black", "clock": {"initial": 300, "increment": 3}}))
        self.has(reply, "gameId", "startedAt", "fen", "modelId", "modelVersion", "clock")
        self.assertEqual((reply["turn"], reply["plies"]), ("black", 1))
        moved = self.ok(self.server.post(f"/v1/play/{reply['gameId']}/move", {"uci": "e7e5"}))
        self.assertEqual([m["side"] for m in moved["played"]], ["b", "w"])
        shown = self.get(f"/v1/play/{reply['gameId']}")
        self.assertEqual(shown["fen"], moved["fen"])
        self.assertEqual((shown["rating"], shown["opponentRating"], shown["speed"]), (1500, 1500, "RAPID"))
        self.assertEqual([m["ply"] for m in shown["moves"]], [1, 2, 3])
        self.has(shown["moves"][0], "ply", "san", "uci", "side", "tMs")
        self.assertIn(reply["gameId"], [g["gameId"] for g in self.get("/v1/play")["items"]])
        self.assertIn('[BlackTitle "BOT"]' if shown["you"] == "white" else '[WhiteTitle "BOT"]',
                      self.server.get(f"/v1/play/{reply['gameId']}/pgn").text)

    def test_a_match_gives_elo_and_games(self):
        reply = self.server.post("/v1/selfplay", {"games": 6, "seed": 4})
        run = self.ok(reply, 202)["runId"]
        self.assertEqual(reply.headers["Location"], f"/v1/selfplay/{run}")
        body = self.server.wait(f"/v1/selfplay/{run}", lambda b: b["status"] in OVER)
        self.assertEqual(body["status"], "succeeded", body)
        self.assertEqual(body["progress"], {"played": 6, "total": 6})
        elo = body["metrics"]
        self.assertTrue(elo["eloLow"] <= elo["elo"] <= elo["eloHigh"], elo)
        report = self.get(body["reportUri"])
        self.assertEqual(report["wins"] + report["draws"] + report["losses"], 6)
        pgn = self.server.get(body["gamesUri"]).text
        self.assertEqual(pgn.count("[Event "), 6)
        again = trained.import_games(self.server, pgn)
        self.assertEqual((again["games"] + again["duplicates"], again["refused"]), (6, 0))
        numbers = self.get(f"/v1/metrics/selfplay/{run}")["metrics"]
        self.assertEqual(numbers["gamesTotal"], 6)
        self.has(numbers, "movesTotal", "winRate", "drawRate", "lossRate", "eloEstimate", "moveLatency", "crashes")
        dashed = f"{run[:8]}-{run[8:12]}-{run[12:16]}-{run[16:20]}-{run[20:]}"
        self.assertEqual(self.get(f"/v1/selfplay/{dashed}")["runId"], run)
        self.assertEqual(self.get("/v1/selfplay")["items"][0]["runId"], run)
        self.assertEqual(self.server.get("/v1/selfplay/" + "0" * 32).status, 404)
        for body, status in (({"games": 0}, 400), ({"modelId": "nobody"}, 404), ({"games": 10 ** 9}, 400)):
            self.assertEqual(self.server.post("/v1/selfplay", body).status, status, body)

    # ------------------------------------------------------------------ charts, logs, status, documentation

    def test_charts_answer_with_series_and_scalars(self):
        for path in ("throughput", "utilization", "mps", "rps", "error_rate", "elo"):
            for series in self.get(f"/v1/metrics/{path}", range="24h")["series"]:
                self.has(series, "label", "metric", "points")
        for p in (50, 95, 99):
            self.has(self.get("/v1/metrics/latency", p=p), "value", "unit", "at")
        self.assertIn(self.get("/v1/metrics/health")["status"], ("ok", "degraded"))
        self.get("/v1/metrics/series", metric="chs_api_requests_total", fn="rate")
        self.get("/v1/metrics/rps", range="whenever")  # reads as 2h
        self.assertEqual(self.server.get("/v1/metrics/latency?p=200").status, 400)
        self.assertEqual(self.server.get("/v1/metrics/series").status, 400)
        self.assertEqual(self.server.get("/v1/metrics/training/" + "0" * 32).status, 404)

    def test_the_throughput_of_one_training(self):
        run = self.training["runId"]
        told = self.get(f"/v1/trainings/{run}")
        [series] = self.get("/v1/metrics/throughput", runId=run)["series"]
        took = time.mktime(time.strptime(told["finishedAt"][:19], "%Y-%m-%dT%H:%M:%S")) - \
            time.mktime(time.strptime(told["startedAt"][:19], "%Y-%m-%dT%H:%M:%S"))
        values = [point["value"] for point in series["points"]]
        self.assertTrue(all(value > 0 for value in values), values)
        # At its best it is not slower than as a whole, with what came after; one stretch of it may be, on a busy machine.
        self.assertGreaterEqual(max(values), told["step"] / (took + 2))
        self.assertEqual(self.get("/v1/metrics/throughput", runId=run, range="24h")["series"], [series])
        self.assertEqual(self.server.get("/v1/metrics/throughput?runId=" + "0" * 32).status, 404)

    def test_the_elo_is_that_of_what_serves(self):
        """Two versions have one each: the chart shows neither their sum nor the other's."""
        second = trained.train(self.server, self.dataset, seed=11, epochs=2)["result"]["modelVersion"]
        prod = self.get("/v1/models/active")["items"][0]["modelVersion"]
        elos = {}
        for candidate, baseline in ((second, prod), (prod, second)):
            made = self.ok(self.server.post("/v1/selfplay", {"modelId": f"{self.model}@{candidate}", "games": 10,
                                                             "baselineId": f"{self.model}@{baseline}"}), 202)
            done = self.server.wait(f"/v1/selfplay/{made['runId']}", lambda b: b["status"] in OVER)
            elos[str(candidate)] = done["metrics"]["elo"]
        def elo():
            [series] = self.get("/v1/metrics/elo")["series"]
            return series["points"][-1]["value"] if series["points"] else None
        for version in (prod, second):
            self.promote(version)
            expected = elos[str(version)]
            # Samples are taken every 15 seconds.
            self.server.wait("/v1/metrics/elo", lambda b: elo() is not None and abs(elo() - expected) < 1e-6)

    def test_logs_can_be_searched(self):
        for attempt in range(50):  # a route has so many lines a second; other tests may have used them up
            request = f"loop-test-request-{attempt}"
            self.server.post("/v1/predict", {"fen": "bad"}, headers={"X-Request-Id": request})
            time.sleep(0.1)
            lines = self.get("/v1/logs", request_id=request, event="http.request")["items"]
            if lines:
                break
        [line] = lines
        self.assertEqual((line["status"], line["level"], line["path"]), (400, "warn", "/v1/predict"))
        self.assertTrue(all(l["component"] == "http" for l in self.get("/v1/logs/app", app="api")["items"]))
        times = [l["ts"] for l in self.get("/v1/logs", direction="forward", limit=50)["items"]]
        self.assertEqual(times, sorted(times))
        for query in ("range=forever", "direction=up", "limit=0", "level=loud", "since=soon"):
            self.assertEqual(self.server.get(f"/v1/logs?{query}").status, 400, query)

    def test_the_status_block(self):
        text = self.server.get("/v1/status", headers={"Accept": "text/plain"}).text
        lines = text.splitlines()
        self.assertEqual(lines[0], "STATUS")
        for start in ("Repo: skerry", "Infra: up", "Data: games=", "Training: last_run=", f"Model: prod={self.model}@"):
            self.assertTrue(any(l.startswith(start) for l in lines), (start, text))
        body = self.get("/v1/status")
        self.assertEqual(body["games"], self.get("/v1/games/count")["count"])
        self.assertIn("STATUS", self.server.cli("status").stdout.decode())

    def test_openapi_lists_every_route(self):
        document = self.get("/openapi.json")
        self.assertTrue(document["openapi"].startswith("3.1"))
        self.assertEqual(self.get("/v3/api-docs")["paths"].keys(), document["paths"].keys())
        routes = self.get("/v1/permissions")["items"]
        self.assertGreater(len(routes), 70)
        ids = set()
        for route in routes:
            operation = document["paths"][route["path"].replace("...}", "}")][route["method"].lower()]
            self.assertTrue(operation["summary"] and operation["responses"], route)
            self.assertNotIn(operation["operationId"], ids)
            ids.add(operation["operationId"])
            names = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            self.assertEqual(names, {n.replace("...", "") for n in re.findall(r"\{([^}]+)\}", route["path"])})

    def test_settings_schedules_and_me(self):
        settings = {s["name"]: s for s in self.get("/v1/settings")["items"]}
        self.assertEqual((settings["API_PORT"]["value"], settings["API_PORT"]["from"]), (str(self.server.port), "environment"))
        self.assertIn("chess.analyse", [s["kind"] for s in self.get("/v1/schedules")["items"]])
        self.assertEqual(self.get("/v1/users/me")["username"], "M3NG00S3")

    def test_a_collection_finds_nothing_missing(self):
        reply = self.server.post("/v1/maintenance/collect")
        job = trained.job_done(self.server, self.ok(reply, 202)["jobId"])
        self.assertEqual((job["status"], job["result"]["missing"]), ("succeeded", 0))

    def test_job_events_are_streamed_to_the_end(self):
        made = self.ok(self.server.post("/v1/selfplay", {"games": 2}), 202)
        text = self.server.get(f"/v1/jobs/{made['jobId']}/events").text
        events = re.findall(r"^event: (\w+)$", text, re.M)
        self.assertEqual(events[-1], "succeeded")
        for data in re.findall(r"^data: (.*)$", text, re.M):
            self.assertEqual(json.loads(data)["id"], made["jobId"])


class Keys(harness.ServerTest):
    def test_access_by_role(self):
        post = self.server.post
        viewer = post("/v1/keys", {"username": "v", "role": "viewer"})
        self.assertEqual(viewer.status, 201)
        analyst = post("/v1/keys", {"username": "a", "role": "analyst"}).json()["key"]
        viewer, id = viewer.json()["key"], viewer.json()["id"]
        admin = post("/v1/keys", {"username": "root", "role": "admin"}).json()["key"]

        def status(method, path, key=None, body=None):
            headers = {"Content-Type": "application/json"}
            if key:
                headers["X-Api-Key"] = key
            raw = json.dumps(body).encode() if body is not None else None
            return self.server.request(method, path, raw, headers).status

        self.assertEqual(status("GET", "/health"), 200)
        self.assertEqual(status("GET", "/v1/status"), 401)  # an admin key exists: the open door is closed
        self.assertEqual(status("POST", "/v1/keys", body={"username": "x", "role": "admin"}), 401)
        self.assertEqual(status("GET", "/v1/status", "wrong"), 401)
        for key, reads, works, rules in ((viewer, 200, 403, 403), (analyst, 200, 201, 403), (admin, 200, 201, 200)):
            self.assertEqual(status("GET", "/v1/runs", key), reads)
            self.assertEqual(status("POST", "/v1/datasets", key, {"name": "by-role", "filter": {"limit": 1}}), works)
            self.assertEqual(status("GET", "/v1/keys", key), rules)
        listed = self.server.get("/v1/keys", headers={"X-Api-Key": admin}).text
        for secret in (viewer, analyst, admin):
            self.assertNotIn(secret, listed)
        self.assertEqual(status("DELETE", f"/v1/keys/{id}", admin), 200)
        self.assertEqual(status("GET", "/v1/runs", viewer), 401)
        self.assertEqual(status("DELETE", "/v1/keys/nobody", admin), 404)
        for event in ("dataset.failed", "job.failed", "run.failed"):
            self.server.expect_error(event)  # there are no games for these datasets


class TwoModels(trained.TrainedTest):
    """prod is one place, whichever model is promoted to it, and a restart knows which one was last."""

    def serving(self):
        answer = self.ok(self.server.post("/v1/predict", {"fen": START}))
        status = self.server.get("/v1/status", headers={"Accept": "text/plain"}).text
        self.assertIn(f"\nModel: prod={answer['modelId']}@{answer['modelVersion']}", status)
        return answer["modelId"]

    def prods(self):
        names = [m["modelId"] for m in self.ok(self.server.get("/v1/models"))]
        return [n for n in names for v in self.ok(self.server.get(f"/v1/models/{n}/versions")) if "prod" in v["aliases"]]

    def restart(self, how):
        how()
        self.server.start()

    def test_the_last_promotion_counts_also_after_a_kill(self):
        other = trained.train(self.server, self.dataset, modelId="second-model")["result"]["modelId"]
        self.promote(1)  # whatever other tests left
        self.assertEqual(self.serving(), self.model)
        for name, how in ((other, self.server.kill), (self.model, self.server.stop), (other, self.server.kill)):
            self.ok(self.server.post("/v1/models/promote", {"modelId": name, "modelVersion": "1"}))
            self.assertEqual((self.serving(), self.prods()), (name, [name]))
            self.restart(how)
            self.assertEqual((self.serving(), self.prods()), (name, [name]))
        entry = self.ok(self.server.get(f"/v1/models/{self.model}/promotions"))["items"][0]
        self.assertEqual((entry["to"], entry["reason"]), (0, "second-model@1 is prod now"))
        # A server that was stopped finds what the command line promoted.
        self.server.stop()
        self.server.cli("promote", self.model, "1")
        self.server.start()
        self.assertEqual((self.serving(), self.prods()), (self.model, [self.model]))

    def test_of_promotions_at_once_the_last_one_serves(self):
        other = trained.train(self.server, self.dataset, modelId="rival-model")["result"]["modelId"]
        statuses = set()

        def promote(name):
            for _ in range(15):
                statuses.add(self.server.post("/v1/models/promote", {"modelId": name, "modelVersion": "1"}).status)
        threads = [threading.Thread(target=promote, args=(name,)) for name in (self.model, other) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, {200})
        name = self.serving()
        self.assertEqual(self.prods(), [name])
        self.restart(self.server.kill)
        self.assertEqual((self.serving(), self.prods()), (name, [name]))

    def test_what_cannot_be_loaded_takes_nothing_from_the_other_model(self):
        broken = trained.train(self.server, self.dataset, modelId="broken-model", seed=77)["result"]["modelId"]
        [version] = self.ok(self.server.get(f"/v1/models/{broken}/versions"))
        before = self.serving()
        copies = [p for folder in (self.server.objects, self.server.home / "s3" / "objects") for p in folder.glob("??/*")
                  if version["digest"].endswith(p.name)]  # the second: what is kept of an S3 store for reading
        self.assertTrue(copies)
        for blob in copies:
            blob.chmod(0o600)
            blob.write_bytes(b"no model" + blob.read_bytes()[8:])
        reply = self.server.post("/v1/models/promote", {"modelId": broken, "modelVersion": "1"})
        self.assertGreaterEqual(reply.status, 400, reply)
        self.server.expect_error("model.load_failed")
        self.server.expect_error("http.request")
        self.assertEqual((self.serving(), self.prods()), (before, [before]))
        self.restart(self.server.stop)
        self.assertEqual((self.serving(), self.prods()), (before, [before]))


class Verbs(trained.TrainedTest):
    def words(self):
        """Every verb, as `skerry help` lists them."""
        return re.findall(r"^  skerry ((?:(?:chess|mlflow|rps) )?[a-z-]+) ", self.server.cli("help").stdout.decode(), re.M)

    def test_every_verb_explains_itself(self):
        words = self.words()
        self.assertGreater(len(words), 15)
        for words in words:
            if words == "help":
                continue
            done = self.server.cli(*words.split(), "--help")
            self.assertRegex(done.stdout.decode(), r"(?m)^usage: skerry [^\n]+\n\n[^ ](?s:.+)\n {2,}[^\n]*skerry ", words)

    def test_the_example_of_settings_is_what_the_program_has(self):
        example = (harness.ROOT / ".env.example").read_bytes()
        self.assertEqual(self.server.cli("config", "--example").stdout, example, "skerry config --example > .env.example")

    def test_help_lists_whole_sentences(self):
        listed = re.findall(r"^  skerry (.+)$", self.server.cli("help").stdout.decode(), re.M)
        self.assertEqual([l for l in listed if not l.endswith((".", "--help")) or l.count("(") != l.count(")")], [])
        self.assertEqual(self.server.cli("help", "--help").stdout, self.server.cli("help").stdout)
        self.assertIn(b"11 memory", self.server.cli("help").stdout)

    def test_a_promotion_says_the_same_with_a_server_and_without(self):
        told = self.server.cli("promote", self.model, "1").stdout
        self.assertEqual(told.decode(), f"{self.model} version 1 is now prod\n")
        said = json.loads(self.server.cli("promote", self.model, "1", "--json").stdout)
        self.assertEqual(said, {"ok": True, "modelId": self.model, "modelVersion": 1, "alias": "prod"})
        self.server.stop()
        try:
            self.assertEqual(self.server.cli("promote", self.model, "1").stdout, told)
            self.assertEqual(json.loads(self.server.cli("promote", self.model, "1", "--json").stdout), said)
        finally:
            self.server.start()

    def test_results_are_lines_for_people(self):
        text = self.server.cli("chess", "evaluate", f"{self.model}@1").stdout.decode()
        self.assertRegex(text, r"(?m)^  summary\n    split +test\n    candidate\n      positions +\d+\n      top1 +0\.\d+$")
        self.assertRegex(text, r"(?m)^  series\n    label candidate, metric top1_by_rating, points \(\d+\)$")
        self.assertNotRegex(text, r"[{}\[\]]| \n")

    def test_a_terminal_gets_a_bar_with_the_time_that_is_left(self):
        ours, theirs = pty.openpty()
        command = [harness.BINARY, "chess", "train", "trained", "bar", "--minutes", "0.08", "--epochs", "10000", "--patience", "0", "--book", "false"]
        with subprocess.Popen(command, env=self.server.environment(), stdout=subprocess.DEVNULL, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                if not piece:
                    break
                shown += piece
        os.close(ours)
        self.assertEqual(process.returncode, 0, shown)
        bars = re.findall(rb"\rchess.train +\[(#*)(\.*)\] +(\d+) %  \d:\d\d, (--|\d+:\d\d) left", shown)
        self.assertIn(b":", b"".join(left for *_, left in bars), shown)
        self.assertTrue(all(len(full) + len(empty) == len(bars[0][0]) + len(bars[0][1]) for full, empty, *_ in bars), bars)
        self.assertEqual([int(b[2]) for b in bars], sorted(int(b[2]) for b in bars))
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-50:])

    def test_work_that_fails_is_one_sentence(self):
        """What the log has is in the log: on the terminal stands what to do."""
        done = self.server.cli("chess", "import", self.server.home, check=False)
        self.assertEqual((done.returncode, done.stderr.decode()),
                         (2, f"skerry: chess.ingest failed: '{self.server.home}' is a folder: name the files in it\n"))
        self.assertTrue(self.server.logged("ingest.failed", source=str(self.server.home)))
        self.server.expect_error("ingest.failed")
        self.server.expect_error("job.failed")
        self.server.expect_error("run.failed")

    def test_every_verb_speaks_json(self):
        games = self.server.home / "verbs.pgn"
        games.write_text(pgn_make.games(20, seed="verbs"))
        prod = f"{self.model}@1"
        tried = set()
        for words in (["status"], ["config"], ["doctor"], ["models"], ["promote", self.model, "1"],
                      ["chess", "import", games], ["chess", "dataset", "verbs", "--filter", "limit=200"],
                      ["chess", "games", "--limit", "3"], ["chess", "train", "trained", "--epochs", "1", "--book", "false"],
                      ["chess", "evaluate", prod], ["chess", "match", prod, "--games", "2"], ["chess", "analyse"],
                      ["backup", self.server.home / "backup.db"], ["collect"], ["gc", "--dry-run"], ["outbox"], ["version"],
                      ["key", "create", "verbs", "viewer"], ["key", "list"], ["workers"], ["workers", "resume", socket.gethostname()]):
            with self.subTest(words):
                out = self.server.cli(*words, "--json").stdout.decode()
                self.assertTrue(out.strip(), words)
                json.loads(out)
            tried.add(" ".join(map(str, words[:2])) if words[0] in ("chess", "rps") else words[0])
        rps = {"rps play", "rps sim", "rps train", "rps import", "rps evaluate"}
        spoken = rps | {"serve", "work", "help", "chess uci", "chess plugin", "move", "restore", "mlflow import", "blob-url"}  # these run on, or are tested elsewhere
        self.assertEqual(set(self.words()) - tried, spoken)

    def test_wrong_words_get_a_sentence_and_an_exit_code(self):
        for words, code in ((["dance"], 2), (["chess"], 2), (["chess", "dance"], 2), (["promote", "x"], 2),
                            (["promote", "nobody", "1"], 4), (["chess", "train"], 2), (["chess", "train", "nobody"], 4),
                            (["chess", "train", "trained", "--epochs"], 2), (["chess", "train", "trained", "--speed", "9"], 2),
                            (["chess", "evaluate", "nobody@1"], 4), (["chess", "uci", "nobody"], 4),
                            (["key", "create", "x", "king"], 2), (["serve", "now"], 2), (["chess", "match"], 2),
                            (["status", "x"], 2), (["config", "--exmaple"], 2), (["doctor", "x"], 2), (["models", "--jsno"], 2),
                            (["collect", "x"], 2), (["version", "x"], 2), (["chess", "analyse", "x"], 2),
                            (["promote", "a", "1", "prod", "x"], 2)):
            done = self.server.cli(*words, check=False)
            self.assertEqual(done.returncode, code, (words, done.stderr))
            self.assertTrue(done.stderr.startswith(b"skerry: "), (words, done.stderr))

    def test_uci(self):
        said = self.server.cli("uci", input=b"uci\nsetoption name Temperature value 0\nisready\nnonsense\n"
                               b"position startpos moves e2e4 e7e5\ngo movetime 10\n"
                               b"position startpos moves e2e5\ngo\n"
                               b"position fen 6k1/5ppp/8/8/8/8/8/K6R w - - 0 1\nsetoption name MultiPV value 3\ngo\n"
                               b"position fen R5k1/5ppp/8/8/8/8/5PPP/6K1 b - - 0 1\ngo\n"
                               + b"x" * 100_000 + b"\nisready\nquit\n").stdout.decode()
        self.assertIn("id name Skerry", said)
        self.assertIn("uciok", said)
        self.assertEqual(said.count("readyok"), 2)
        best = re.findall(r"^bestmove (\S+)$", said, re.M)
        self.assertEqual(len(best), 4)
        self.assertRegex(best[0], r"^[a-h][1-8][a-h][1-8]$")
        self.assertEqual(best[0], best[1])  # a position with an illegal move is not taken over
        self.assertEqual(best[3], "(none)")
        self.assertEqual(len(re.findall(r"^info depth 1 multipv", said, re.M)), 1 + 1 + 3)


if __name__ == "__main__":
    unittest.main()
