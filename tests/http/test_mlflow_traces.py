# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces as MLflow's clients and OpenTelemetry programs send and read them, over HTTP."""
import gzip
import json
import struct
import unittest
import uuid
import zlib

import harness

V2, V3 = "/api/2.0/mlflow/traces", "/api/3.0/mlflow/traces"
PROTOBUF = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"}
JSON = {"Content-Type": "application/json", "x-mlflow-experiment-id": "0"}


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def message(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def attribute(key, text):
    return message(9, message(1, key.encode()) + message(2, message(1, text.encode())))


def span(trace, number=1, parent=0, name="op", status=1, more=b""):
    times = b"\x39" + struct.pack("<Q", 10**18) + b"\x41" + struct.pack("<Q", 10**18 + 5 * 10**6)
    return message(2, message(1, bytes.fromhex(trace)) + message(2, struct.pack(">Q", number))
                   + (message(4, struct.pack(">Q", parent)) if parent else b"") + message(5, name.encode()) + times + more
                   + message(15, b"\x18" + bytes([status])))


def export(*spans):
    return message(1, message(2, b"".join(spans)))


def otlp_json(trace, **more):
    one = {"traceId": trace, "spanId": "00000000000000aa", "name": "op", "startTimeUnixNano": "1600000000000000000",
           "endTimeUnixNano": "1600000000012000000", "status": {"code": 1}, **more}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]})


def info(trace, **more):
    return {"trace": {"trace_info": {"trace_id": trace, "request_time": "2020-09-13T12:26:40.25Z", "state": "OK", "trace_location": {
        "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}, **more}}}


class Traces(harness.ServerTest):
    def ask(self, method, path, body=None, expect=200, **query):
        if query:
            path += "?" + "&".join(f"{k}={v}" for k, v in query.items())
        reply = self.server.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        self.assertEqual(reply.status, expect, reply.text)
        return reply.json()

    def export(self, body, headers=PROTOBUF, expect=200, **more):
        reply = self.server.request("POST", "/v1/traces", body, dict(headers, **more))
        self.assertEqual(reply.status, expect, reply.text)
        return reply

    def whole(self, trace, **query):
        return self.ask("GET", V3 + "/get", trace_id="tr-" + trace, **query)["trace"]

    def found(self, filter, **more):
        body = {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "filter": filter, **more}
        return [t["trace_id"] for t in self.ask("POST", V3 + "/search", body).get("traces", [])]

    # ------------------------------------------------------------------ exports

    def test_protobuf_packed_or_not(self):
        for pack, headers in ((bytes, {}), (gzip.compress, {"Content-Encoding": "gzip"}), (zlib.compress, {"Content-Encoding": "deflate"}),
                              (lambda b: zlib.compress(b)[2:-4], {"Content-Encoding": "deflate"})):
            trace = uuid.uuid4().hex
            reply = self.export(pack(export(span(trace), span(trace, 2, 1, "inner", 2))), **headers)
            self.assertEqual((reply.body, reply.headers["Content-Type"]), (b"", "application/x-protobuf"))
            read = self.whole(trace)
            self.assertEqual([s["name"] for s in read["spans"]], ["op", "inner"])
            self.assertEqual(read["spans"][1]["status"], {"code": "STATUS_CODE_ERROR"})
            self.assertEqual(read["trace_info"]["execution_duration"], "0.005s")
            self.assertEqual(read["trace_info"]["state"], "OK")
            self.assertEqual(read["trace_info"]["tags"]["mlflow.trace.spansLocation"], "TRACKING_STORE")

    def test_json_is_the_same(self):
        a, b = uuid.uuid4().hex, uuid.uuid4().hex
        attributes = [{"key": "mlflow.spanInputs", "value": {"stringValue": '{"x": 1}'}}]
        self.export(otlp_json(a, attributes=attributes), JSON)
        self.export(export(span(b, 0xaa, more=attribute("mlflow.spanInputs", '{"x": 1}'))))
        one, other = self.whole(a)["spans"][0], self.whole(b)["spans"][0]
        for key in ("name", "span_id", "status"):
            self.assertEqual(one[key], other[key])
        self.assertEqual(one["attributes"][0], other["attributes"][0])
        self.assertEqual(self.whole(a)["trace_info"]["request_preview"], '{"x": 1}')

    def test_what_is_wrong_with_an_export_is_said_once(self):
        trace = uuid.uuid4().hex
        for body, headers, status, detail in (
                (b"\xff\xff\xff", PROTOBUF, 400, "Invalid OpenTelemetry format"),
                (b"", PROTOBUF, 400, "Invalid OpenTelemetry format - no spans found"),
                ("{", JSON, 400, "Invalid OpenTelemetry format"),
                ("{}", JSON, 400, "Invalid OpenTelemetry format - no spans found"),
                (otlp_json("zz"), JSON, 400, "Invalid OpenTelemetry format"),
                ("x", dict(JSON, **{"Content-Type": "text/plain"}), 400,
                 "Invalid Content-Type: text/plain. Expected: application/x-protobuf or application/json"),
                ("junk", dict(JSON, **{"Content-Encoding": "gzip"}), 400, "Failed to decompress gzip payload"),
                (gzip.compress(bytes(40 << 20)), dict(PROTOBUF, **{"Content-Encoding": "gzip"}), 400,
                 "Failed to decompress gzip payload: it has more than 32 MiB"),
                (gzip.compress(b"x" * 1000)[:-9], dict(PROTOBUF, **{"Content-Encoding": "gzip"}), 400, "Failed to decompress gzip payload"),
                ("junk", dict(JSON, **{"Content-Encoding": "br"}), 400, "Unsupported Content-Encoding: br")):
            self.assertEqual(self.export(body, headers, status).json(), {"detail": detail})
        missing = self.export(otlp_json(trace), {"Content-Type": "application/json"}, 422).json()
        self.assertEqual(missing["detail"][0]["loc"], ["header", "x-mlflow-experiment-id"])
        unknown = self.export(otlp_json(trace), JSON, 404, **{"x-mlflow-experiment-id": "987654"}).json()
        self.assertEqual(unknown, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No Experiment with id=987654 exists",
                                   "sqlstate": "KAM00", "error_class": "RESOURCE_NOT_FOUND"})
        self.export(otlp_json(trace), JSON, 400, **{"x-mlflow-experiment-id": "x"})
        self.ask("GET", V3 + "/tr-" + trace, expect=404)

    def test_an_export_belongs_to_a_run(self):
        trace, run = uuid.uuid4().hex, uuid.uuid4().hex
        self.export(otlp_json(trace), JSON, **{"x-mlflow-run-id": run})
        self.assertEqual(self.found(f"run_id = '{run}'"), ["tr-" + trace])

    def test_what_was_answered_survives_kill(self):
        server = harness.Server()
        try:
            trace = uuid.uuid4().hex
            reply = server.request("POST", "/v1/traces", export(*(span(trace, i + 1, i and 1) for i in range(500))), PROTOBUF)
            self.assertEqual(reply.status, 200, reply.text)
            server.kill()
            server.start()
            read = server.get(V3 + "/get", trace_id="tr-" + trace).json()["trace"]
            self.assertEqual(len(read["spans"]), 500)
        finally:
            server.close()

    # ------------------------------------------------------------------ version 3

    def test_start_after_spans_and_before(self):
        for spans_first in (True, False):
            trace = uuid.uuid4().hex
            if spans_first:
                self.export(export(span(trace)))
            started = self.ask("POST", V3, info("tr-" + trace, execution_duration="1.5s", client_request_id="c", request_preview="in",
                                                tags={"mlflow.traceName": "t"}, trace_metadata={"m": "1"}))["trace"]["trace_info"]
            self.assertEqual("mlflow.trace.spansLocation" in started["tags"], spans_first)
            self.assertEqual((started["request_time"], started["execution_duration"]), ("2020-09-13T12:26:40.250Z", "1.500s"))
            if not spans_first:
                self.ask("GET", V3 + "/get", expect=404, trace_id="tr-" + trace)
                self.export(export(span(trace)))
            read = self.whole(trace)["trace_info"]
            self.assertEqual((read["state"], read["client_request_id"], read["request_preview"]), ("OK", "c", "in"))
            self.assertEqual(read["trace_metadata"], {"m": "1", "mlflow.trace.infoFinalized": "true"})

    def test_a_trace_is_whole_when_all_announced_spans_are_there(self):
        trace = uuid.uuid4().hex
        self.ask("POST", V3, info("tr-" + trace, trace_metadata={"mlflow.trace.sizeStats": '{"num_spans": 2}'}))
        self.export(export(span(trace)))
        refused = self.ask("GET", V3 + "/get", expect=404, trace_id="tr-" + trace)
        self.assertIn("not fully exported yet", refused["message"])
        self.assertEqual(len(self.whole(trace, allow_partial="True")["spans"]), 1)
        self.assertEqual(self.ask("GET", V3 + "/batchGet", trace_ids="tr-" + trace), {})
        self.export(export(span(trace, 2, 1)))
        self.assertEqual(len(self.whole(trace)["spans"]), 2)
        self.assertEqual(len(self.ask("GET", V3 + "/batchGet", trace_ids="tr-" + trace)["traces"]), 1)
        infos = self.ask("POST", V3 + "/batchGetInfos", {"trace_ids": ["tr-" + trace, "tr-none"]})["trace_infos"]
        self.assertEqual([i["trace_id"] for i in infos], ["tr-" + trace])

    def test_mistakes_are_the_clients(self):
        self.ask("POST", V3, {}, 400)
        self.ask("POST", V3, {"trace": {}}, 400)
        self.ask("POST", V3, info(""), 400)
        self.ask("POST", V3, info("x" * 251), 400)
        self.ask("POST", V3, info("tr-t", request_time="yesterday"), 400)
        self.ask("POST", V3, info("tr-t", execution_duration="1"), 400)
        self.ask("POST", V3, info("tr-t", state="GOOD"), 400)
        self.ask("POST", V3, info("tr-t", tags={"k": 1}), 400)
        self.ask("POST", V3, info("tr-t", tags=["k"]), 400)
        self.ask("POST", V3, info("tr-t", assessments=[{}]), 400)
        self.ask("GET", V3 + "/get", expect=400, trace_id="tr-t", allow_partial="maybe")
        self.ask("GET", V3 + "/batchGet", expect=400)
        self.ask("POST", V3 + "/search", {}, 400)
        self.ask("POST", V3 + "/delete-traces", {"experiment_id": "0"}, 400)
        self.ask("POST", V3 + "/delete-traces", {"experiment_id": "0", "max_timestamp_millis": 1, "max_traces": 0}, 400)
        self.ask("POST", V2 + "/link-to-run", {"trace_ids": ["t"] * 101, "run_id": "r"}, 400)
        self.ask("PATCH", V2 + "/none", {"status": "OK"}, 404)

    def test_pages_and_links_and_delete(self):
        tag = uuid.uuid4().hex
        ids = ["tr-" + uuid.uuid4().hex for _ in range(5)]
        for i, trace in enumerate(ids):
            self.ask("POST", V3, info(trace, request_time=f"2021-01-01T00:00:0{i}Z", tags={"page": tag}))
        seen, token = [], None
        for _ in range(3):
            body = {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "filter": f"tags.page = '{tag}'", "max_results": 2,
                    **({"page_token": token} if token else {})}
            page = self.ask("POST", V3 + "/search", body)
            seen += [t["trace_id"] for t in page["traces"]]
            token = page.get("next_page_token")
        self.assertEqual((seen, token), (ids[::-1], None))
        self.ask("POST", V2 + "/link-to-run", {"trace_ids": ids[:2], "run_id": "run" + tag})
        self.assertEqual(self.found(f"run_id = 'run{tag}'"), ids[1::-1])
        self.ask("POST", V2 + "/link-prompts", {"trace_id": ids[0], "prompt_versions": [{"name": "p" + tag, "version": "1"}]})
        self.assertEqual(self.found(f"prompt = 'p{tag}/1'"), ids[:1])
        gone = self.ask("POST", V3 + "/delete-traces", {"experiment_id": "0", "request_ids": [ids[0], "tr-none"]})
        self.assertEqual(gone, {"traces_deleted": 1})
        self.ask("GET", V3 + "/" + ids[0], expect=404)

    def test_assessments(self):
        trace = "tr-" + uuid.uuid4().hex
        self.ask("POST", V3, info(trace))
        at = f"{V3}/{trace}/assessments"
        made = self.ask("POST", at, {"assessment": {"assessment_name": "good", "source": {"source_type": "HUMAN", "source_id": "ann"},
                                                    "feedback": {"value": 1}, "rationale": "why", "metadata": {"a": "b"}}})["assessment"]
        self.assertEqual((made["feedback"], made["valid"], made["metadata"]), ({"value": 1.0}, True, {"a": "b"}))
        other = self.ask("POST", at, {"assessment": {"assessment_name": "good", "feedback": {"value": "no", "error": {"error_code": "E"}},
                                                     "overrides": made["assessment_id"]}})["assessment"]
        read = self.ask("GET", f"{at}/{made['assessment_id']}")["assessment"]
        self.assertFalse(read["valid"])
        self.assertEqual(len(self.ask("GET", V3 + "/" + trace)["trace"]["trace_info"]["assessments"]), 2)
        changed = self.ask("PATCH", f"{at}/{made['assessment_id']}", {"assessment": {"rationale": "r", "feedback": {"value": [1, "a"]}},
                                                                      "update_mask": "feedback"})["assessment"]
        self.assertEqual((changed["rationale"], changed["feedback"]), ("why", {"value": [1.0, "a"]}))
        wish = self.ask("POST", at, {"assessment": {"assessment_name": "w", "expectation": {"value": {"a": 1}}}})["assessment"]
        self.assertEqual(wish["expectation"]["serialized_value"]["value"], '{"a": 1.0}')
        self.assertEqual(self.found("expectation.w IS NOT NULL"), [trace])
        self.ask("DELETE", f"{at}/{other['assessment_id']}")
        self.assertTrue(self.ask("GET", f"{at}/{made['assessment_id']}")["assessment"]["valid"])
        self.ask("POST", at, {"assessment": {"assessment_name": "n"}}, 400)
        self.ask("GET", at + "/a-none", expect=404)
        self.ask("POST", V3 + "/tr-none/assessments", {"assessment": {"feedback": {"value": 1}}}, 404)

    # ------------------------------------------------------------------ version 2

    def test_how_two_filters_go_together(self):
        """The numbers are those of MLflow 3.17.2 for the same 23 traces."""
        experiment = self.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": "together"})["experiment_id"]
        for i in range(23):
            self.ask("POST", V3, {"trace": {"trace_info": {
                "trace_id": f"tr-c0{i:030x}", "request_time": "2020-09-13T12:26:40Z", "execution_duration": f"{i}s",
                "trace_location": {"mlflow_experiment": {"experiment_id": experiment}}, "state": "OK" if i % 3 else "ERROR",
                "tags": {"a": str(i % 2), "b": str(i % 4)}}}})

        def together(first, second, expect=200, **more):
            return self.ask("POST", V3 + "/calculate-filter-correlation",
                            {"experiment_ids": [experiment], "filter_string1": first, "filter_string2": second, **more}, expect)
        for filters, base, counts, plain, smooth in (
                (("status = 'ERROR'", "execution_time_ms > 5000"), {}, (8, 17, 6, 23), 0.010864346149411615, 0.0022876748736491512),
                (("status = 'ERROR'", "status = 'OK'"), {}, (8, 15, 0, 23), -1, -0.6247623421121102),
                (("tag.a = '0'", "tag.b = '0'"), {"base_filter": ""}, (12, 6, 6, 23), 0.48416368463966536, 0.4304282071942917),
                (("tag.a = '0'", "tag.a = '0'"), {}, (12, 12, 12, 23), 1, 0.886832943267265),
                (("execution_time_ms >= 0", "execution_time_ms >= 0"), {}, (23, 23, 23, 23), 1, 1),
                (("status = 'ERROR'", "tag.a = '0'"), {"base_filter": "execution_time_ms < 10000"}, (4, 5, 2, 10), 0, 0),
                (("tag.a = '9'", "tag.b = '0'"), {}, (0, 6, 0, 23), None, None),
                (("tag.a = '0'", "tag.b = '0'"), {"experiment_ids": []}, (0, 0, 0, 0), None, None)):
            answer = together(*filters, **base)
            self.assertEqual(tuple(answer[k + "_count"] for k in ("filter1", "filter2", "joint", "total")), counts, filters)
            for key, value in (("npmi", plain), ("npmi_smoothed", smooth)):
                self.assertEqual(key in answer, value is not None)
                if value is not None:
                    self.assertAlmostEqual(answer[key], value, 12)
        self.assertIn("Invalid clause(s)", together("bogus", "tag.a = '0'", 400)["message"])
        self.assertIn("'filter_string2'", together("tag.a = '0'", "", 400)["message"])
        self.assertIn("'experiment_ids'", together("tag.a = '0'", "tag.a = '1'", 400, experiment_ids=None)["message"])

    def test_regular_expressions(self):
        """Python's, as far as they can be followed in time that grows with the text only."""
        for i, (team, name) in enumerate((("harbour", "rl-one"), ("Pier 7", "rl-two"), ("a\nb", "rl-three"))):
            self.ask("POST", V3, info(f"tr-rlike-{i}", tags={"mlflow.traceName": name, "rl.team": team}, trace_metadata={"rl": team}))
        self.export(export(span("77" * 16, name="rl-span", more=attribute("mlflow.spanType", "TOOL") + attribute("rl.word", "tide 42"))))

        here = [{"mlflow_experiment": {"experiment_id": "0"}}]

        def found(text, expect=200):
            answer = self.ask("POST", V3 + "/search", {"locations": here, "filter": text}, expect)
            return sorted(t["trace_id"][-1] for t in answer.get("traces", [])) if expect == 200 else answer["message"]

        team = "tags.`rl.team`"
        self.assertEqual(found(f"{team} RLIKE '^h'"), ["0"])
        self.assertEqual(found(f"{team} rlike 'r'"), ["0", "1"])
        self.assertEqual(found(f"{team} RLIKE '^pier'"), [])
        self.assertEqual(found(f"{team} RLIKE '(?i)^pier \\d$'"), ["1"])
        self.assertEqual(found(f"{team} RLIKE '^.*$'"), ["0", "1"])  # a dot is no line break
        self.assertEqual(found(f"{team} RLIKE '^a\\sb$'"), ["2"])
        self.assertEqual(found(f"{team} RLIKE '^[^x]+$' AND name RLIKE 'rl-t.+'"), ["1", "2"])
        self.assertEqual(found(f"metadata.rl RLIKE '(har|far)bou?r' AND {team} != 'x'"), ["0"])
        self.assertEqual(found(f"name RLIKE '^rl-(one|two)$' AND {team} LIKE '%'"), ["0", "1"])
        self.assertEqual(found("request_id RLIKE 'rlike-[12]$'"), ["1", "2"])
        self.assertEqual(found("span.name RLIKE 'l.s' AND span.type RLIKE '^TOO'"), ["7"])
        self.assertEqual(found("span.attributes.`rl.word` RLIKE '^tide \\d+$'"), ["7"])
        self.assertEqual(found("span.attributes.`rl.word` RLIKE '^42'"), [])
        self.assertEqual(found("tag.rlike = 'x' AND tag.a ILIKE 'RLIKE'"), [])  # a key, a value
        for wrong in ("(", "a**", "(?<=a)b", "a{256}", "(a{200}){9}", "\\bx"):
            self.assertIn("regular expression", found(f"{team} RLIKE '{wrong}'", 400))
        for kind in ("timestamp_ms RLIKE '1'", "span.content RLIKE 'x'", "prompt RLIKE 'x'", f"{team} RLIKE 5"):
            found(kind, 400)
        self.ask("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"], "filter": "tags.a RLIKE 'x'"}, 400)

    def test_no_expression_keeps_the_server_busy(self):
        """Each would take a backtracking engine longer than the universe lasts."""
        experiment = self.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": "hostile expressions"})["experiment_id"]
        where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        self.ask("POST", V3, info("tr-hostile", trace_location=where, tags={"h": "a" * 8000}))
        for text in ("(a*)*b", "(a|a)*b", "(a|aa)+$x", "(.*)(.*)(.*)(.*)(.*)b", "(a?){100}(a){100}b", "((a{1,20}){1,20})b", "^(([a-z])+.)+[A-Z]([a-z])+$"):
            self.assertEqual(self.ask("POST", V3 + "/search", {"locations": [where], "filter": f"tags.h RLIKE '{text}'"}), {})

    # ------------------------------------------------------------------ charts

    def test_charts(self):
        made = self.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": "charts"})["experiment_id"]
        where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": made}}
        for i in range(10):
            self.ask("POST", V3, info(
                f"tr-chart-{i}", trace_location=where, request_time=f"2024-01-0{1 + i // 5}T0{i}:00:00Z", execution_duration=f"{i}s",
                state="ERROR" if i == 9 else "OK", tags={"mlflow.traceName": "ask" if i % 2 else "look", "team": "x"},
                trace_metadata={"mlflow.trace.session": f"s{i // 4}", **({"mlflow.trace.tokenUsage": json.dumps(
                    {"input_tokens": 10 * i, "output_tokens": i, "total_tokens": 11 * i})} if i != 3 else {})}))
        costs = message(9, message(1, b"mlflow.llm.cost") + message(2, message(1, b'{"input_cost": 0.5, "output_cost": 1, "total_cost": 1.5}')))
        headers = dict(PROTOBUF, **{"x-mlflow-experiment-id": made})
        self.export(export(span("c1" * 16, 1, name="llm", more=costs + attribute("mlflow.llm.model", "gpt \"x\"") + attribute("mlflow.spanType", "LLM")),
                           span("c1" * 16, 2, 1, name="tool", status=2)), headers)
        for value in (4, 1, True, "yes", "no", "perhaps"):
            self.ask("POST", f"{V3}/tr-chart-0/assessments", {"assessment": {"assessment_name": "good" if value == 4 else "q", "feedback": {"value": value},
                                                              "source": {"source_type": "HUMAN", "source_id": "ann"}}})

        def chart(view, metric, *aggregations, expect=200, **more):
            answer = self.ask("POST", V3 + "/metrics", {
                "experiment_ids": [made], "view_type": view, "metric_name": metric,
                "aggregations": [{"aggregation_type": a} if isinstance(a, str) else {"aggregation_type": "PERCENTILE", "percentile_value": a}
                                 for a in aggregations], **more}, expect)
            if expect != 200:
                return answer["message"]
            points = answer.get("data_points", [])
            self.assertTrue(all(p["metric_name"] == metric for p in points))
            return [(tuple(p.get("dimensions", {}).values()), p["values"]) for p in points]

        ours = {"filters": ["trace.tag.team = 'x'"]}
        self.assertEqual(chart("TRACES", "trace_count", "COUNT"), [((), {"COUNT": 11.0})])
        self.assertEqual(chart("TRACES", "trace_count", "COUNT", dimensions=["trace_name", "trace_status"], **ours),
                         [(("ask", "ERROR"), {"COUNT": 1.0}), (("ask", "OK"), {"COUNT": 4.0}), (("look", "OK"), {"COUNT": 5.0})])
        self.assertEqual(chart("TRACES", "latency", "AVG", "MIN", "MAX", 50, 12.5, **ours),
                         [((), {"AVG": 4500.0, "MIN": 0.0, "MAX": 9000.0, "P50.0": 4500.0, "P12.5": 1125.0})])
        self.assertEqual(chart("TRACES", "session_count", "COUNT"), [((), {"COUNT": 3.0})])
        self.assertEqual(chart("TRACES", "input_tokens", "SUM", "MAX", dimensions=["trace_name"]),
                         [(("ask",), {"SUM": 220.0, "MAX": 90.0}), (("look",), {"SUM": 200.0, "MAX": 80.0})])
        day = {"time_interval_seconds": 86400, "start_time_ms": 1704067200000, "end_time_ms": 1704240000000}
        self.assertEqual(chart("TRACES", "trace_count", "COUNT", **day), [(("2024-01-01T00:00:00+00:00",), {"COUNT": 5.0}),
                                                                          (("2024-01-02T00:00:00+00:00",), {"COUNT": 5.0})])
        self.assertEqual(chart("TRACES", "trace_count", "COUNT", max_results=1, **day), [(("2024-01-01T00:00:00+00:00",), {"COUNT": 5.0})])
        self.assertEqual(chart("TRACES", "trace_count", "COUNT", start_time_ms=1704067200000, end_time_ms=1704067200000), [((), {"COUNT": 1.0})])
        self.assertEqual(chart("TRACES", "trace_count", "COUNT", filters=["trace.status = 'ERROR'"]), [((), {"COUNT": 1.0})])
        self.assertEqual(chart("TRACES", "trace_count", "COUNT", filters=["trace.metadata.`mlflow.trace.session` = 's1'"]), [((), {"COUNT": 4.0})])
        self.assertEqual(chart("TRACES", "latency", "AVG", filters=["trace.status = 'nothing'"]), [])
        self.assertEqual(chart("SPANS", "span_count", "COUNT", dimensions=["span_type", "span_status"]),
                         [(("LLM", "OK"), {"COUNT": 1.0})])  # the other one says nothing of its type
        self.assertEqual(chart("SPANS", "span_count", "COUNT", dimensions=["span_name"]), [(("llm",), {"COUNT": 1.0}), (("tool",), {"COUNT": 1.0})])
        self.assertEqual(chart("SPANS", "latency", "AVG", filters=["span.name = 'llm'"]), [((), {"AVG": 5.0})])
        self.assertEqual(chart("SPANS", "total_cost", "SUM", dimensions=["span_model_name"]), [(('gpt "x"',), {"SUM": 1.5})])
        self.assertEqual(chart("SPANS", "input_cost", "SUM", time_interval_seconds=3600, start_time_ms=10**12, end_time_ms=10**12),
                         [(("2001-09-09T01:00:00+00:00",), {"SUM": 0.5})])
        self.assertEqual(chart("SPANS", "input_cost", "SUM", start_time_ms=10**12 + 1), [])
        self.assertEqual(chart("ASSESSMENTS", "assessment_count", "COUNT", dimensions=["assessment_name"]),
                         [(("good",), {"COUNT": 1.0}), (("q",), {"COUNT": 5.0})])
        self.assertEqual(chart("ASSESSMENTS", "assessment_value", "AVG", filters=["assessment.name = 'q'", "assessment.type = 'feedback'"]),
                         [((), {"AVG": 0.75})])
        self.assertEqual(chart("ASSESSMENTS", "assessment_count", "COUNT", dimensions=["assessment_value"], filters=["assessment.name = 'good'"]),
                         [(("4.0",), {"COUNT": 1.0})])

        for words, asked in (
                ("metric_name must be one of ['trace_count', 'session_count'", ("TRACES", "bogus", "COUNT", {})),
                ("Found invalid aggregation_type(s): ['SUM']. Supported aggregation types: ['COUNT']", ("TRACES", "trace_count", "SUM", {})),
                ("Found invalid dimension(s): ['span_name']. Supported dimensions: ['trace_name']", ("TRACES", "latency", "AVG", {"dimensions": ["span_name"]})),
                ("start_time_ms and end_time_ms are required", ("TRACES", "latency", "AVG", {"time_interval_seconds": 60})),
                ("Percentile value must be between 0 and 100, got 101.0", ("TRACES", "latency", 101, {})),
                ("Filtering by span is only supported for SPANS view type, got TRACES", ("TRACES", "latency", "AVG", {"filters": ["span.name = 'x'"]})),
                ("Invalid view type 'bogus'.", ("TRACES", "latency", "AVG", {"filters": ["bogus.name = 'x'"]})),
                ("Invalid entity 'bogus' specified for view type 'trace'. Valid entities are ['status', 'tag', 'metadata']",
                 ("TRACES", "latency", "AVG", {"filters": ["trace.bogus = 'x'"]})),
                ("requires a key, e.g. 'trace.tag.<key> = <value>'", ("TRACES", "latency", "AVG", {"filters": ["trace.tag = 'x'"]})),
                ("does not require a key, use 'trace.status' instead", ("TRACES", "latency", "AVG", {"filters": ["trace.status.x = 'x'"]})),
                ("Invalid comparator: '!=', only '=' operator is supported", ("TRACES", "latency", "AVG", {"filters": ["trace.status != 'x'"]})),
                ("Expected one filter clause", ("TRACES", "latency", "AVG", {"filters": [""]})),
                ("Invalid clause(s) in filter string: AND", ("TRACES", "latency", "AVG", {"filters": ["trace.status = 'x' AND trace.status = 'y'"]})),
                ("'view_type'", ("bogus", "latency", "AVG", {})),
                ("'experiment_ids'", ("TRACES", "latency", "AVG", {"experiment_ids": None})),
                ("years 1 to 9999", ("TRACES", "latency", "AVG", {"start_time_ms": 2**62}))):
            view, metric, aggregation, more = asked
            self.assertIn(words, chart(view, metric, aggregation, expect=400, **more))

    def test_version_2(self):
        made = self.ask("POST", V2, {"experiment_id": "0", "timestamp_ms": 1000, "request_metadata": [{"key": "r", "value": "1"}],
                                     "tags": [{"key": "mlflow.traceName", "value": "two"}]})["trace_info"]
        self.assertEqual((made["status"], made["execution_time_ms"], len(made["request_id"])), ("IN_PROGRESS", 0, 32))
        at = f"{V2}/{made['request_id']}"
        ended = self.ask("PATCH", at, {"timestamp_ms": 1007, "status": "OK", "tags": [{"key": "x", "value": "y"}]})["trace_info"]
        self.assertEqual((ended["status"], ended["execution_time_ms"]), ("OK", 7))
        self.assertEqual(self.ask("GET", at + "/info")["trace_info"], ended)
        found = self.ask("GET", V2, experiment_ids="0", filter="name%20=%20'two'")["traces"]
        self.assertEqual(found, [ended])
        self.ask("PATCH", at + "/tags", {"key": "k", "value": "v"})
        self.ask("DELETE", at + "/tags", {"key": "k"})
        self.ask("DELETE", at + "/tags", {"key": "k"}, 404)
        gone = self.ask("POST", V2 + "/delete-traces", {"experiment_id": "0", "max_timestamp_millis": 1000, "max_traces": 5})
        self.assertEqual(gone, {"traces_deleted": 1})
        self.ask("GET", at + "/info", expect=404)


if __name__ == "__main__":
    unittest.main()
