# SPDX-License-Identifier: GPL-3.0-or-later
"""Searches as MLflow's clients send them: filters, orders, pages, and what is refused in which words."""
import json
import time
import unittest

import harness

API = "/api/2.0/mlflow"
T0 = 1_600_000_000_000


class Searching(harness.ServerTest):
    @classmethod
    def ask(cls, path, expect=200, **body):
        reply = cls.server.post(API + path, body)
        assert reply.status == expect, (path, body, reply.status, reply.text)
        return reply.json()

    def refused(self, path, **body):
        reply = self.ask(path, expect=400, **body)
        self.assertEqual(reply["error_code"], "INVALID_PARAMETER_VALUE")
        return reply["message"]


class Runs(Searching):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.experiment = cls.ask("/experiments/create", name="raw search")["experiment_id"]
        cls.ids = []
        for i, tag in enumerate(["a", "b", "_", "%", "a", "b"]):
            run = cls.ask("/runs/create", experiment_id=cls.experiment, user_id="ann", start_time=T0 + i, run_name=f"r{i}",
                          tags=[{"key": "t", "value": tag}])
            cls.ids.append(run["run"]["info"]["run_id"])
            value = [0, -1, -2, -3, "NaN", None][i]
            cls.ask("/runs/log-batch", run_id=cls.ids[i],
                    params=[{"key": "p", "value": str(i)}, {"key": "with space", "value": "x"}],
                    metrics=[] if value is None else [{"key": "m", "value": value, "timestamp": T0, "step": 0}])
        cls.ask("/runs/update", run_id=cls.ids[0], status="FINISHED", end_time=T0 + 9)
        cls.ask("/runs/delete", run_id=cls.ids[1])
        cls.ask("/runs/log-inputs", run_id=cls.ids[2], datasets=[
            {"dataset": {"name": "train set", "digest": "bade85fd", "source_type": "http", "source": "s"},
             "tags": [{"key": "mlflow.data.context", "value": "eval"}]}])

    def names(self, filter="", order_by=(), **more):
        reply = self.ask("/runs/search", experiment_ids=[self.experiment], filter=filter, order_by=list(order_by), **more)
        return " ".join(r["info"]["run_name"] for r in reply.get("runs", []))

    def test_filters_find_what_mlflow_finds(self):
        everything = "r5 r4 r3 r2 r0"
        for filter, expected in {
                "": everything,
                "metrics.m < 0": "r3 r2", "metrics.m <= -2.0": "r3 r2", "metrics.m > -1e2": "r3 r2 r0", "metrics.m = 0": "r0",
                "metrics.m != 0": "r4 r3 r2", "metric.m = -3": "r3",
                "metrics.m > -3 AND metrics.m < 0 and params.p != '9'": "r2",
                "params.p = \"2\"": "r2", "parameters.p = '3'": "r3", "parameter.p = '3'": "r3", "param.p = '3'": "r3",
                "params.`with space` = 'x'": everything, "params.\"with space\" = 'x'": everything,
                "params.p IS NULL": "", "params.q IS NULL": everything, "tags.t IS NOT NULL": everything,
                "tags.t LIKE '\\_'": "", "tags.t LIKE '_'": everything, "tags.t = '%'": "r3", "tags.t LIKE '%'": everything,
                "tag.t ilike 'A'": "r4 r0", "tag.t LIKE 'A'": "",
                "status = 'RUNNING'": "r5 r4 r3 r2", "status != 'FINISHED'": "r5 r4 r3 r2", "status = 'running'": "",
                "status LIKE 'FIN%'": "r0", "attr.status = 'RUNNING'": "r5 r4 r3 r2", "run.status = 'FINISHED'": "r0",
                "run_id = 'x'": "", "run_id IN ('a', '')": "", f"run_id NOT IN ('{self.ids[2]}')": "r5 r4 r3 r0",
                f"attributes.run_id IN ('{self.ids[2]}', \"{self.ids[4]}\")": "r4 r2",
                "`run name` = 'r2'": "r2", "\"Run Name\" = 'r2'": "r2", "run_name LIKE 'r%'": everything,
                "run_name LIKE 'R%'": "", "run_name ILIKE 'R%'": everything, "tags.mlflow.runName = 'r2'": "r2",
                "user_id = 'ann'": everything, "artifact_uri LIKE '%artifacts'": everything,
                f"artifact_uri = 'mlflow-artifacts:/{self.experiment}/{self.ids[3]}/artifacts'": "r3",
                f"start_time = {T0}": "r0", f"created >= {T0 + 1}": "r5 r4 r3 r2", "end_time > 0": "r0",
                "params.p = '2' AND": "r2", "AND": everything, "params. = '2'": "",
                "dataset.name = 'train set'": "r2", "datasets.digest LIKE 'bade%'": "r2", "dataset.context = 'nothing'": "",
                "dataset.name IN ('x', 'train set') and dataset.context != 'train'": "r2",
                "params.p = 'it''s'": "", "params.p = \"it's\"": "",
        }.items():
            self.assertEqual(self.names(filter), expected, filter)

    def test_what_is_no_filter_is_refused_in_mlflow_s_words(self):
        attributes = ("Valid keys are '{'Created', 'Run Name', 'Run name', 'artifact_uri', 'created', 'end_time', 'run name',"
                      " 'run_id', 'run_name', 'start_time', 'status', 'user_id'}'")
        for filter, expected in {
                " ": "Invalid filter ' '. Could not be parsed.",
                "metrics.m = NaN": "Expected numeric value type for metric. Found NaN",
                "metrics.m LIKE '1'": "Expected numeric value type for metric. Found '1'",
                "metrics.m = 1_0": "Expected numeric value type for metric. Found 1_0",
                "m > 1": f"Invalid attribute key 'm' specified. {attributes}",
                "lifecycle_stage = 'active'": f"Invalid attribute key 'lifecycle_stage' specified. {attributes}",
                "params.p = 2": "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 2",
                "params.p IN ('2', '3')": "Expected a quoted string value for parameter (e.g. 'my-value'). Got value ('2', '3')",
                "metrics.m IS NULL": "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'm'",
                "run_id IN ()": "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
                "run_name IN ('r1', 'r2')":
                    "Only ['run_id'] attributes support comparison with a list of quoted string values.",
                "start_time = '1600000000000'":
                    "Expected numeric value type for numeric attribute: start_time. Found '1600000000000'",
                "params.p = '2' OR params.p = '3'": "Invalid clause(s) in filter string: 'OR'",
                "NOT params.p = '2'": "Invalid clause(s) in filter string: 'NOT'",
                "(params.p = '2')": "Invalid clause(s) in filter string: '(params.p = '2')'",
                "metrics.m >": "Invalid clause(s) in filter string: 'metrics.m', '>'",
                "params.p == '2'":
                    "Invalid comparator '==' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}'",
                "'2' = params.p": "Invalid comparison clause. Expected 'Identifier' found ''2''",
                "params.p = '2'; params.p = '3'": "Search filter contained multiple expression \"params.p = '2'; params.p = '3'\"."
                                                  " Provide AND-ed expression list.",
                "tags.t BETWEEN 'a' AND 'b'": "Invalid clause(s) in filter string: 'tags.t', 'BETWEEN', ''a'', ''b''",
                "dataset.bogus = 'x'": "Invalid dataset key 'bogus' specified. Valid keys are '{'context', 'digest', 'name'}'",
                "trace.x = 'y'": "Invalid entity type 'trace'. Valid values are ['metric', 'parameter', 'tag', 'attribute',"
                                 " 'dataset']",
        }.items():
            self.assertEqual(self.refused("/runs/search", experiment_ids=[self.experiment], filter=filter), expected)

    def test_orders_put_nan_and_nothing_last(self):
        for order, expected in {
                "metrics.m": "r3 r2 r0 r4 r5", "metrics.m DESC": "r0 r2 r3 r4 r5", "params.p DESC": "r5 r4 r3 r2 r0",
                "tags.t asc": "r3 r2 r4 r0 r5", "tags.none": "r5 r4 r3 r2 r0", "start_time": "r0 r2 r3 r4 r5",
                "attributes.run_name DESC": "r5 r4 r3 r2 r0", "params.`with space`": "r5 r4 r3 r2 r0",
                "end_time ASC": "r0 r5 r4 r3 r2", "end_time DESC": "r0 r5 r4 r3 r2",
        }.items():
            self.assertEqual(self.names(order_by=[order]), expected, order)
        self.assertEqual(self.names(order_by=["status DESC", "params.p"]), "r2 r3 r4 r5 r0")
        self.assertEqual(self.names(order_by=["tags.t", "metrics.m DESC"]), "r3 r2 r0 r4 r5")
        self.assertEqual(self.names("metrics.m > -3", ["metrics.m"]), "r2 r0")
        self.assertEqual(self.names("metrics.m != -3", ["metrics.m"]), "r2 r0 r4")
        self.assertEqual(self.names("metrics.m != -3", ["params.p DESC", "metrics.m"]), "r4 r2 r0")

    def test_what_is_no_order_is_refused(self):
        for order, expected in {
                "bogus": "Invalid attribute key 'bogus' specified. Valid keys are '{'Created', 'artifact_uri', 'created',"
                         " 'end_time', 'run_id', 'run_name', 'start_time', 'status', 'user_id'}'",
                "metrics.m UP": "Invalid ordering key in order_by clause 'metrics.m UP'.",
                "metrics.m ASC DESC": "Invalid order_by clause 'metrics.m ASC DESC'. Could not be parsed.",
                "": "Invalid order_by clause ''. Could not be parsed.",
                "dataset.name": "Invalid identifier type 'dataset'",
                "metrics.m, params.p": "Invalid order_by clause 'metrics.m, params.p'. Could not be parsed.",
        }.items():
            self.assertEqual(self.refused("/runs/search", experiment_ids=[self.experiment], order_by=[order]), expected)

    def test_pages_of_any_size_hold_the_same(self):
        for filter, order_by in [("", []), ("", ["metrics.m"]), ("", ["metrics.m DESC"]), ("", ["tags.t"]), ("", ["params.p DESC"]),
                                 ("", ["end_time", "tags.t"]), ("params.`with space` = 'x'", ["metrics.m"]),
                                 ("tags.t LIKE '_'", ["status", "metrics.m DESC", "run_id"])]:
            whole = self.names(filter, order_by).split()
            for size in (1, 2, 3):
                got, token = [], None
                while True:
                    reply = self.ask("/runs/search", experiment_ids=[self.experiment], filter=filter, order_by=order_by,
                                     max_results=size, page_token=token)
                    got += [r["info"]["run_name"] for r in reply.get("runs", [])]
                    token = reply.get("next_page_token")
                    if not token:
                        break
                    self.assertEqual(len(reply["runs"]), size)
                self.assertEqual(got, whole, (filter, order_by, size))

    def test_a_token_fits_its_search_only(self):
        token = self.ask("/runs/search", experiment_ids=[self.experiment], max_results=1)["next_page_token"]
        for other in ({"filter": "status = 'RUNNING'"}, {"order_by": ["metrics.m"]}, {"run_view_type": "ALL"},
                      {"experiment_ids": ["0"]}):
            body = {"experiment_ids": [self.experiment], "page_token": token, **other}
            self.assertIn("Invalid page token", self.refused("/runs/search", **body))
        for bad in ("bogus", "eyJvZmZzZXQiOiA5OTl9", "====", token[:-4], token + token):
            self.assertIn("Invalid page token",
                          self.refused("/runs/search", experiment_ids=[self.experiment], page_token=bad))

    def test_what_comes_between_two_pages_is_neither_lost_nor_shown_twice(self):
        experiment = self.ask("/experiments/create", name="moving")["experiment_id"]
        made = [self.ask("/runs/create", experiment_id=experiment, start_time=T0 + i)["run"]["info"]["run_id"] for i in range(6)]
        first = self.ask("/runs/search", experiment_ids=[experiment], max_results=3)
        self.ask("/runs/create", experiment_id=experiment, start_time=T0 + 100)
        self.ask("/runs/delete", run_id=made[4])
        second = self.ask("/runs/search", experiment_ids=[experiment], max_results=3, page_token=first["next_page_token"])
        got = [r["info"]["run_id"] for r in first["runs"] + second["runs"]]
        self.assertEqual(got, made[::-1])

    def test_views_and_scopes(self):
        self.assertEqual(self.names(run_view_type="ALL"), "r5 r4 r3 r2 r1 r0")
        self.assertEqual(self.names(run_view_type="DELETED_ONLY"), "r1")
        self.assertEqual(self.names(run_view_type=2), "r1")
        self.assertEqual(self.names(run_view_type="bogus"), "r5 r4 r3 r2 r0")
        self.assertEqual(self.ask("/runs/search"), {})
        self.assertEqual(self.ask("/runs/search", experiment_ids=["987654", "x"]), {})
        self.assertIn("must be a positive integer", self.refused("/runs/search", max_results=0))
        self.assertIn("50001", self.refused("/runs/search", max_results=50001))

    def test_a_page_too_large_for_an_answer_ends_early(self):
        experiment = self.ask("/experiments/create", name="large")["experiment_id"]
        for i in range(220):
            run = self.ask("/runs/create", experiment_id=experiment, start_time=T0 + i, run_name=f"large {i}")["run"]["info"]["run_id"]
            self.ask("/runs/log-batch", run_id=run,
                     params=[{"key": f"p{k}", "value": "v" * 6000} for k in range(12)])
        got, token, pages = [], None, 0
        while token or not pages:
            reply = self.ask("/runs/search", experiment_ids=[experiment], max_results=1000, page_token=token)
            got += [r["info"]["run_name"] for r in reply["runs"]]
            token = reply.get("next_page_token")
            pages += 1
        self.assertGreater(pages, 1)
        self.assertEqual(got, [f"large {i}" for i in reversed(range(220))])


class Kept(Searching):
    """What a run that has ended logged is kept as a text once it was read: does a search show every write all the same?"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_id = cls.ask("/runs/create", experiment_id="0", run_name="long")["run"]["info"]["run_id"]
        cls.ask("/runs/log-batch", run_id=cls.run_id, metrics=[{"key": f"m{i}", "value": i, "timestamp": T0, "step": 0} for i in range(50)])
        cls.ask("/runs/update", run_id=cls.run_id, status="FINISHED", end_time=T0)

    def shown(self):
        """The run as a search has it, and the same by its id."""
        found, = self.ask("/runs/search", experiment_ids=["0"])["runs"]
        self.assertEqual(found, self.server.get(API + "/runs/get", run_id=self.run_id).json()["run"])
        return {list_: {x["key"]: x["value"] for x in found["data"].get(list_, [])} for list_ in ("metrics", "params", "tags")}

    def kept(self):
        """Reads until it is kept."""
        while not self.server.sql("SELECT COUNT(*) FROM run_data WHERE run_id = ?", self.run_id)[0][0]:
            self.shown()
        before = self.server.metric("skerry_run_reads_total", **{"from": "text"}) or 0
        self.shown()
        self.assertGreater(self.server.metric("skerry_run_reads_total", **{"from": "text"}), before)

    def test_every_write_is_seen_at_once(self):
        note = {"run_id": self.run_id, "artifact_path": "model", "flavors": {}, "utc_time_created": "now"}
        for path, body, list_, key, value in (
                ("/runs/log-metric", {"key": "late", "value": 0.5, "timestamp": T0}, "metrics", "late", 0.5),
                ("/runs/log-metric", {"key": "late", "value": "NaN", "timestamp": T0, "step": 1}, "metrics", "late", "NaN"),
                ("/runs/log-batch", {"metrics": [{"key": "m7", "value": 70, "timestamp": T0, "step": 3}]}, "metrics", "m7", 70),
                ("/runs/log-parameter", {"key": "lr", "value": "0.1"}, "params", "lr", "0.1"),
                ("/runs/log-batch", {"params": [{"key": "b", "value": "2"}]}, "params", "b", "2"),
                ("/runs/set-tag", {"key": "note", "value": "one"}, "tags", "note", "one"),
                ("/runs/set-tag", {"key": "note", "value": "two"}, "tags", "note", "two"),
                ("/runs/log-batch", {"tags": [{"key": "note", "value": "three"}]}, "tags", "note", "three"),
                ("/runs/delete-tag", {"key": "note"}, "tags", "note", None),
                ("/runs/update", {"run_name": "new"}, "tags", "mlflow.runName", "new"),
                ("/runs/log-model", {"model_json": json.dumps(note)}, "tags", "mlflow.log-model.history", ...)):
            with self.subTest(path=path, key=key):
                self.kept()
                self.ask(path, run_id=self.run_id, **body)
                got = self.shown()[list_].get(key)
                self.assertEqual(got, got if value is ... and got else value)
        self.kept()  # at work again, and then ended once more
        self.ask("/runs/update", run_id=self.run_id, status="RUNNING")
        self.shown()
        self.ask("/runs/log-metric", run_id=self.run_id, key="late", value=2, timestamp=T0, step=5)
        self.assertEqual(self.shown()["metrics"]["late"], 2)
        self.ask("/runs/update", run_id=self.run_id, status="FINISHED")
        self.kept()
        self.assertEqual(self.shown()["metrics"]["late"], 2)


class Experiments(Searching):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i, name in enumerate(["Exps-a", "Exps-b", "Exps-c", "Exps-d", "Exps-e"]):
            id = cls.ask("/experiments/create", name=name,
                         tags=[{"key": "group", "value": "vowel" if name[-1] in "ae" else "consonant"}]
                         + ([{"key": "only", "value": "b"}] if i == 1 else []))["experiment_id"]
            made_ms = time.time_ns() // 1000000
            while time.time_ns() // 1000000 == made_ms:  # no two of one millisecond: orders by time are tested
                pass
            if i == 4:
                cls.ask("/experiments/delete", experiment_id=id)

    def names(self, filter, order_by=("name ASC",), **more):
        reply = self.ask("/experiments/search", filter=filter, order_by=list(order_by), max_results=100, **more)
        return " ".join(e["name"][-1] for e in reply.get("experiments", []))

    def test_filters(self):
        for filter, expected in {
                "name LIKE 'Exps-%'": "a b c d", "name LIKE 'exps-%'": "", "name ILIKE 'exps-%'": "a b c d",
                "name LIKE 'Exps-%' and tags.group = 'vowel'": "a", "name LIKE 'Exps-%' and tags.group != 'vowel'": "b c d",
                "tag.only ILIKE 'B'": "b", "attribute.name = 'Exps-c'": "c", "tags.only IS NULL AND name != 'Default'": "a c d",
                "name LIKE 'Exps-%' and creation_time > 1600000000000": "a b c d", "experiment_id = '0'": "t",
                "experiment_id IN ('0', '1')": "t a", "last_update_time < 5": "",
        }.items():
            self.assertEqual(self.names(filter), expected, filter)
        self.assertEqual(self.names("name LIKE 'Exps-%'", view_type="DELETED_ONLY"), "e")
        self.assertEqual(self.names("name LIKE 'Exps-%'", view_type="ALL"), "a b c d e")
        self.assertEqual(self.names("name LIKE 'Exps-%'", ["creation_time DESC"]), "d c b a")
        self.assertEqual(self.names("name LIKE 'Exps-%'", []), "d c b a")
        self.assertEqual(self.names("name LIKE 'Exps-%'", ["tags.x"] and ["name DESC"]), "d c b a")

    def test_refusals(self):
        for filter, expected in {
                "metrics.x = 1": "Invalid entity type 'metrics'. Valid entity types are ('attribute', 'tag', 'tags')",
                "attributes.name = 'x'": "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag', 'tags')",
                "name > 'x'": "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'}'",
                "name =": "Invalid clause(s) in filter string: name, =",
                "name = x": "Parameter value is either not quoted or unidentified quote types used for string value x."
                            " Use either single or double quotes.",
                "name = 3": "Expected a quoted string value for attributes. Got value 3",
                "name IN ('a')": "Only ['experiment_id'] attributes support comparison with a list of quoted string values.",
                "tags.a = 1": "Expected a quoted string value for tag (e.g. 'my-value'). Got value 1",
                "NAME = 'x'": "Invalid attribute key 'NAME' specified. Valid keys are '{'creation_time', 'experiment_id',"
                              " 'last_update_time', 'name'}'",
        }.items():
            self.assertEqual(self.refused("/experiments/search", filter=filter, max_results=5), expected)
        self.assertEqual(self.refused("/experiments/search", order_by=["tags.a"], max_results=5), "Invalid order_by entity: tag")
        self.assertEqual(self.refused("/experiments/search"),
                         "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer")

    def test_pages_and_get(self):
        reply = self.ask("/experiments/search", filter="name LIKE 'Exps-%'", order_by=["name"], max_results=3)
        self.assertEqual([e["name"] for e in reply["experiments"]], ["Exps-a", "Exps-b", "Exps-c"])
        reply = self.server.get("/ajax-api/2.0/mlflow/experiments/search", filter="name LIKE 'Exps-%'", order_by="name",
                                max_results="3", page_token=reply["next_page_token"]).json()
        self.assertEqual([e["name"] for e in reply["experiments"]], ["Exps-d"])
        self.assertNotIn("next_page_token", reply)


class Models(Searching):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i, name in enumerate(["Alpha", "beta", "greet"]):
            cls.server.sql("INSERT INTO registered_models (name, kind, created_ms, updated_ms) VALUES (?, 'mlflow', ?, ?)",
                           name, i, 10 - i)
            for version in (1, 2):
                cls.server.sql("INSERT INTO model_versions (id, name, version, kind, stage, status, source, run_id, bytes, created_ms,"
                               " updated_ms) VALUES (?, ?, ?, 'mlflow', 'None', 'READY', 's3://b/x', 'r', 0, 1, ?)",
                               f"{name}{version}", name, version, version)
        cls.server.sql("INSERT INTO registered_model_tags (name, key, value) VALUES ('greet', 'mlflow.prompt.is_prompt', 'true')")
        cls.server.sql("INSERT INTO model_version_tags (version_id, key, value) VALUES ('greet1', 'mlflow.prompt.is_prompt', 'true')")
        for i in range(3):
            cls.server.sql("INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, created_ms, updated_ms, status,"
                           " lifecycle_stage) VALUES (?, 0, ?, 'x', ?, 0, 'LOGGED_MODEL_READY', 'active')", f"m-{i}", f"n{i}", i)
            cls.server.sql("INSERT INTO logged_model_metrics (model_id, key, ts_ms, step, run_id, value, is_nan, dataset_name)"
                           f" VALUES (?, 'acc', 1, 1, 'r', {[0.5, 0.1, 0.9][i]}, 0, 'd')", f"m-{i}")

    def get(self, path, expect=200, **query):
        reply = self.server.get(API + path, **query)
        self.assertEqual(reply.status, expect, reply)
        return reply.json()

    def test_registered_models(self):
        def names(**query):
            return [m["name"] for m in self.get("/registered-models/search", **query).get("registered_models", [])]
        self.assertEqual(names(), ["Alpha", "beta"])
        self.assertEqual(names(filter="name ILIKE 'al%' AND tag.`mlflow.prompt.is_prompt` != 'true'"), ["Alpha"])
        self.assertEqual(names(filter="tags.`mlflow.prompt.is_prompt` = 'true'"), ["greet"])
        self.assertEqual(names(order_by="timestamp ASC"), ["beta", "Alpha"])
        first = self.get("/registered-models/search", max_results="1", order_by="name DESC")
        self.assertEqual(names(max_results="1", order_by="name DESC", page_token=first["next_page_token"]), ["Alpha"])
        self.assertEqual(self.get("/registered-models/search", expect=400, order_by="bogus")["message"],
                         "Invalid order by key 'bogus' specified. Valid keys are '{'name', 'timestamp'}'")
        self.get("/registered-models/search", expect=400, max_results="1001")

    def test_versions(self):
        def versions(**query):
            return [v["name"] + v["version"] for v in self.get("/model-versions/search", **query).get("model_versions", [])]
        self.assertEqual(versions(), ["Alpha2", "beta2", "Alpha1", "beta1"])
        self.assertEqual(versions(filter="name = 'beta'", order_by="version_number ASC"), ["beta1", "beta2"])
        self.assertEqual(versions(filter="version_number > 1 and run_id IN ('r')", order_by="name DESC"), ["beta2", "Alpha2"])
        self.assertEqual(versions(filter="tags.`mlflow.prompt.is_prompt` = 'true'"), ["greet1"])
        self.get("/model-versions/search", expect=400, max_results="200001")

    def test_logged_models(self):
        def ids(**body):
            reply = self.ask("/logged-models/search", experiment_ids=["0"], **body)
            return [m["info"]["model_id"] for m in reply.get("models", [])]
        self.assertEqual(ids(), ["m-2", "m-1", "m-0"])
        self.assertEqual(ids(filter="metrics.acc > 0.2", order_by=[{"field_name": "metrics.acc", "ascending": False}]),
                         ["m-2", "m-0"])
        self.assertEqual(ids(datasets=[{"dataset_name": "none"}]), [])
        self.assertEqual(ids(filter="status = 'READY' AND name IN ('n1', 'n2')", order_by=[{"field_name": "name"}]), ["m-1", "m-2"])
        first = self.ask("/logged-models/search", experiment_ids=["0"], max_results=2)
        self.assertEqual(ids(max_results=2, page_token=first["next_page_token"]), ["m-0"])
        self.assertEqual(self.refused("/logged-models/search", experiment_ids=["0"], order_by=[{"field_name": "bogus"}]),
                         "Invalid order by field name: bogus")
        self.assertEqual(self.refused("/logged-models/search", experiment_ids=["0"], datasets=[{"dataset_digest": "abc"}]),
                         "`dataset_name` in the `datasets` clause must be specified.")
        self.assertIn("experiment_ids", self.refused("/logged-models/search"))


if __name__ == "__main__":
    unittest.main()
