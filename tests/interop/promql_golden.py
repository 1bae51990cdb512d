#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what a real Prometheus answers to the questions below, over samples made here, into
tests/unit/query/golden.json; tests/unit/query/test_golden.c asks our evaluator the same.
    tests/interop/promql_golden.py
"""
import json
import math
import random
import sys

import world
from prometheus import Prometheus, ask

OUT = world.ROOT / "tests" / "unit" / "query" / "golden.json"
# No sample falls on a moment that is asked for or on the end of a window, where the versions of Prometheus differ.
T0 = 1700000000
END = T0 + 3000

INSTANT = """
1 + 2 * 3 ^ 2 ^ 0.5 % 4 - -1
-2 ^ 2
1e3 + 0x1F + .5 + 2.
Inf - 1
NaN
1 / 0
-1 / 0
5 % 3
-5 % 3
1 == bool 1
2 > bool 3
time()
time() - 1700000000
vector(7)
scalar(vector(3)) + 1
"text"
jobs_total
jobs_total{kind="a"}
jobs_total{kind!="a"}
jobs_total{kind=~"a|b"}
jobs_total{kind!~"a.*",zone="x"}
{__name__=~"jobs.+",kind="b"}
{__name__="temperature"}
temperature offset 10m
temperature offset -5m
gone
gone offset 20m
sparse
rate(jobs_total[5m])
rate(jobs_total[1m])
rate(jobs_total[40s])
rate(jobs_total[20s])
increase(jobs_total[10m])
increase(late_total[10m])
rate(late_total[45m])
increase(slow_total[7m])
increase(slow_total[30m])
irate(jobs_total[2m])
idelta(temperature[2m])
delta(temperature[10m])
deriv(temperature[10m])
predict_linear(temperature[10m], 600)
changes(steps[20m])
resets(jobs_total[45m])
avg_over_time(temperature[10m])
min_over_time(temperature[10m])
max_over_time(temperature[10m])
sum_over_time(temperature[10m])
count_over_time(temperature[10m])
last_over_time(temperature[10m])
present_over_time(gone[40m])
stddev_over_time(temperature[10m])
stdvar_over_time(temperature[10m])
count_over_time(odd[10m])
max_over_time(odd[45m])
min_over_time(odd[45m])
sum(jobs_total)
sum by (kind) (jobs_total)
sum(jobs_total) by (zone)
sum without (kind) (jobs_total)
avg by (zone) (jobs_total)
min(jobs_total)
max by (kind, zone) (jobs_total)
count by (nothing) (jobs_total)
count(jobs_total > 1000)
group by (kind) (jobs_total)
stddev(jobs_total)
stdvar by (zone) (jobs_total)
quantile(0.5, jobs_total)
quantile by (zone) (0.9, jobs_total)
topk(2, jobs_total)
bottomk(1, jobs_total)
topk by (zone) (1, jobs_total)
topk(0, jobs_total)
sum by (__name__) ({__name__=~"jobs_total|steps"})
sum(rate(jobs_total[5m])) by (kind) / on (kind) group_left sum by (kind) (limits)
jobs_total * 2
2 * jobs_total
jobs_total > 500
500 < jobs_total
jobs_total > bool 500
jobs_total == jobs_total
jobs_total - jobs_total offset 5m
jobs_total / ignoring (zone) group_left limits
limits * on (kind) group_right jobs_total
jobs_total * on (kind) group_left (unit) limits
jobs_total and on (kind) limits{kind="a"}
jobs_total unless on (kind) limits{kind="a"}
jobs_total or limits
jobs_total{kind="a"} or jobs_total
temperature and jobs_total
temperature or on () vector(1)
nothing_there or vector(0)
nothing_there + 1
abs(temperature - 25)
ceil(temperature)
floor(temperature)
round(temperature)
round(temperature, 0.25)
round(temperature - 100)
clamp(temperature, 21, 23)
clamp(temperature, 5, 1)
clamp_min(temperature, 24)
clamp_max(temperature, 20)
exp(temperature / 10)
ln(temperature)
log2(temperature)
log10(temperature)
sqrt(temperature)
sgn(temperature - 20)
-temperature
+temperature
absent(nothing_there{a="b",c=~"d"})
absent(jobs_total)
absent(sum(nothing_there))
scalar(jobs_total)
scalar(sum(jobs_total))
sort(jobs_total)
sort_desc(jobs_total)
histogram_quantile(0.5, latency_seconds_bucket)
histogram_quantile(0.95, rate(latency_seconds_bucket[5m]))
histogram_quantile(0.99, sum by (le) (rate(latency_seconds_bucket[5m])))
histogram_quantile(0, latency_seconds_bucket)
histogram_quantile(1, latency_seconds_bucket)
histogram_quantile(1.5, latency_seconds_bucket)
histogram_quantile(-1, latency_seconds_bucket)
histogram_quantile(0.5, latency_seconds_bucket{le!="+Inf"})
histogram_quantile(0.9, jobs_total)
rate(latency_seconds_sum[5m]) / rate(latency_seconds_count[5m])
sum(odd)
max(odd)
min(odd)
avg(odd)
odd > 0
odd == odd
odd / 0
temperature[70s]
jobs_total{kind="a"}[3m] offset 4m
((((jobs_total{kind="a",zone="x"}))))
sum(jobs_total) / count(jobs_total) * 100 > 1 unless vector(1) > 2
""".strip().split("\n")

RANGE = """
jobs_total
rate(jobs_total[5m])
increase(late_total[4m])
increase(jobs_total[5m] offset 1s)
delta(temperature[3m] offset 2s)
sum by (kind) (rate(jobs_total[2m]))
topk(1, jobs_total)
topk(1, rate(jobs_total[90s]))
gone
sparse
temperature > 22
temperature > bool 22
temperature offset 15m
gone or temperature
temperature unless gone
absent(gone)
count(gone) or vector(0)
histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket[3m])))
avg_over_time(temperature[7m]) - temperature
scalar(temperature)
time() / 3
max(odd)
jobs_total / ignoring (zone) group_left limits
sum(jobs_total{zone="x"} or jobs_total{zone="y"})
resets(jobs_total[10m])
deriv(temperature[5m]) * 3600
1
""".strip().split("\n")

REFUSED = """
jobs_total{
sum(
rate(jobs_total)
jobs_total[5m] + 1
1 and 2
1 == 2
{}
{a=~".*"}
foo bar
sum by (1) (x)
rate(jobs_total[0s])
"open
nosuch(1)
jobs_total + on (kind) jobs_total
jobs_total * on (kind) group_left jobs_total
sum(1)
topk(jobs_total, 1)
abs("a")
a offset b
""".strip().split("\n")


def samples():
    rng = random.Random(7)
    series, times = [], [T0 + 3.456 + 15 * i + rng.choice((0, 0.011, -0.02)) for i in range(200)]

    def add(name, values, when=times, **labels):
        series.append((dict(labels, __name__=name), [(t, v) for t, v in zip(when, values)]))

    for n, (kind, zone) in enumerate((("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x"))):
        value, values = 10.0 * n, []
        for i in range(200):
            value = 0.0 if i == 90 + 20 * n else value + rng.randrange(0, 9 + n)
            values.append(value)
        add("jobs_total", values, kind=kind, zone=zone)
    for n, kind in enumerate("abc"):
        add("limits", [100.0 * (n + 1)] * 200, kind=kind, unit="per " + kind)
    add("temperature", [22 + 3 * math.sin(i / 9) + rng.random() / 10 for i in range(200)])
    add("steps", [float(i // 13) for i in range(200)])
    add("late_total", [float(5 + 3 * i) for i in range(60)], times[140:])
    add("slow_total", [float(i // 40) for i in range(200)])
    add("gone", [float(i) for i in range(80)], times[:80])
    add("sparse", [float(i) for i in range(14)], [T0 + 41.7 + 213 * i for i in range(14)])
    add("odd", [math.nan if i % 3 == 0 else math.inf if i % 7 == 0 else float(i) for i in range(200)], n="1")
    add("odd", [-math.inf if i % 11 == 0 else float(-i) for i in range(200)], n="2")
    for path in ("/a", "/b"):
        counts, total = {0.1: 0, 0.25: 0, 0.5: 0, 1.0: 0, math.inf: 0}, 0.0
        history = {le: [] for le in counts}
        sums = []
        for _ in range(200):
            for _ in range(rng.randrange(0, 6)):
                seen = rng.random() ** 2 * (1.3 if path == "/a" else 0.4)
                total += seen
                for le in counts:
                    counts[le] += seen <= le
            sums.append(total)
            for le in counts:
                history[le].append(float(counts[le]))
        for le in counts:
            add("latency_seconds_bucket", history[le], path=path, le="+Inf" if le == math.inf else str(le))
        add("latency_seconds_sum", sums, path=path)
        add("latency_seconds_count", history[math.inf], path=path)
    return series


def text_of(value):
    return "NaN" if value != value else "+Inf" if value == math.inf else "-Inf" if value == -math.inf else repr(value)


def question(prometheus, expr, **times):
    path = "query_range" if "step" in times else "query"
    answer = ask(prometheus.base, path, query=expr, **times)
    if answer["status"] != "success":
        raise SystemExit(f"Prometheus refuses {expr}: {answer['error']}")
    data = answer["data"]
    if data["resultType"] in ("vector", "matrix") and "sort" not in expr and "topk" not in expr and "bottomk" not in expr:
        data["result"].sort(key=lambda one: sorted(one["metric"].items()))
    return dict(times, query=expr, data=data)


def main():
    series = samples()
    # Values as Prometheus has read them: repr() of a double reads back as the same.
    prometheus = Prometheus(world.peer, [(labels, [(t, text_of(v)) for t, v in points]) for labels, points in series])
    try:
        golden = {"comment": "made by tests/interop/promql_golden.py with a real Prometheus: do not edit"}
        golden["series"] = [{"metric": labels, "values": [[round(t * 1000), text_of(v)] for t, v in points]} for labels, points in series]
        golden["questions"] = [question(prometheus, q, time=END) for q in INSTANT]
        golden["questions"] += [question(prometheus, q, start=T0 + 100, end=END - 50, step=290) for q in RANGE]
        golden["refused"] = []
        for q in REFUSED:
            answer = ask(prometheus.base, "query", query=q, time=END)
            if answer["status"] == "success":
                raise SystemExit(f"Prometheus takes {q}")
            golden["refused"].append({"query": q, "errorType": answer["errorType"], "error": answer["error"]})
    finally:
        prometheus.close()
    with open(OUT, "w") as f:
        f.write("{\n")
        f.write(",\n".join(f"{json.dumps(k)}: " + (json.dumps(v) if isinstance(v, str) else
                                                    "[\n" + ",\n".join(json.dumps(one) for one in v) + "\n]")
                           for k, v in golden.items()))
        f.write("\n}\n")
    print(f"{OUT}: {len(golden['questions'])} answers, {len(golden['refused'])} refusals")


if __name__ == "__main__":
    sys.exit(main())
