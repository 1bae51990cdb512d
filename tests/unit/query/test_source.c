/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our own samples as a query sees them: a value that stood still has a sample at each round, a
 * series that ended stops, what was counted since the last round is there, and up says when a
 * process was. */
#include "../track/track_fixture.h"

#include "base/clock.h"
#include "platform/query/query.h"
#include "platform/track/history_internal.h"

enum { C_PLAIN, G_RUN };

static const struct metric_family families[] = {
    [C_PLAIN] = { "t_requests_total", METRIC_COUNTER, "Requests." },
    [G_RUN] = { "t_loss", METRIC_GAUGE, "Loss.", { "run_id" } },
    { 0 },
};

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

struct world {
    struct fixture base;
    struct history *h;
    struct query_house house;
    struct query_source source;
    int64_t t0;
};

static void process_begin(struct world *w)
{
    history_close(w->h);
    metrics_close(w->base.metrics);
    assert_ok(metrics_open(&w->base.metrics));
    assert_ok(metrics_register(w->base.metrics, track_metrics));
    assert_ok(metrics_register(w->base.metrics, families));
    assert_ok(history_open(w->base.store, w->base.metrics, &w->h));
    w->house = (struct query_house){ w->h, w->base.metrics, w->base.log };
    w->source = query_source_house(&w->house);
}

static int world_init(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    fixture_folder(&w->base);
    assert_ok(fixture_try_open(&w->base));
    track_close(w->base.track);
    w->base.track = NULL;
    process_begin(w);
    /* An hour ago, so that nothing is packed and nothing is now. */
    w->t0 = clock_wall_ms() / SECOND * SECOND - 60 * MINUTE;
    *state = w;
    return 0;
}

static int world_deinit(void **state)
{
    struct world *w = *state;
    history_close(w->h);
    *state = &w->base;
    return fixture_deinit(state);
}

static void count(struct world *w, double amount)
{
    metric_add(metric_cell_plain(w->base.metrics, &families[C_PLAIN]), amount);
}

static void loss(struct world *w, const char *run, double value)
{
    metric_set(METRIC_CELL(w->base.metrics, &families[G_RUN], str_of(run)), value);
}

static str ask(struct world *w, const char *text, int64_t at_ms)
{
    struct query_times times = { .start_ms = at_ms, .end_ms = at_ms };
    struct query *q;
    struct query_result result;
    struct buf out;
    struct json_out json;
    buf_init(&out, 1 << 20);
    json_out_init(&json, &out);
    assert_ok(query_parse(&w->base.mem, QUERY_PROMQL, str_of(text), &q));
    assert_ok(query_run(q, &w->source, &times, &w->base.mem, &result));
    query_result_json(&result, &json);
    str copy = arena_str(&w->base.mem, buf_str(&out));
    buf_deinit(&out);
    return copy;
}

/* The one value of an answer, or "none". */
static void assert_value(struct world *w, const char *text, int64_t at_ms, const char *wanted)
{
    str answer = ask(w, text, at_ms), rest = answer;
    ptrdiff_t at = str_find(answer, STR("\"value\":["));
    str value = STR("none");
    if (at >= 0) {
        rest = str_sub(answer, (size_t)at, answer.len);
        at = str_find(rest, STR(",\""));
        rest = str_sub(rest, (size_t)at + 2, rest.len);
        value = str_split(&rest, '"');
    }
    if (!str_eq(value, str_of(wanted)))
        fail_msg("%s: wanted %s, got %.*s", text, wanted, STR_ARG(answer));
}

static void a_value_that_stands_still_is_sampled_at_each_round(void **state)
{
    struct world *w = *state;
    count(w, 5);
    for (int i = 0; i <= 40; i++) { /* ten minutes, one change in the middle */
        if (i == 20)
            count(w, 3);
        assert_ok(history_sample_at(w->h, w->t0 + i * 15 * SECOND));
    }
    int64_t at = w->t0 + 10 * MINUTE + 2 * SECOND;
    assert_value(w, "t_requests_total", at, "8");
    assert_value(w, "count_over_time(t_requests_total[2m])", at, "8");
    assert_value(w, "t_requests_total", w->t0 + 4 * MINUTE, "5");
    assert_value(w, "changes(t_requests_total[10m])", at, "1");
    assert_value(w, "round(increase(t_requests_total[9m]), 0.1)", at, "3.1");
    assert_value(w, "t_requests_total", w->t0 - 1, "none");
    assert_value(w, "up", at, "1");
    assert_value(w, "up{job=\"other\"}", at, "none");
}

static void a_series_that_ended_stops_at_once(void **state)
{
    struct world *w = *state;
    loss(w, "a", 0.5);
    assert_ok(history_sample_at(w->h, w->t0));
    assert_ok(history_sample_at(w->h, w->t0 + 15 * SECOND));
    metrics_drop(w->base.metrics, &families[G_RUN], "run_id", STR("a"));
    assert_ok(history_sample_at(w->h, w->t0 + 30 * SECOND));
    assert_value(w, "t_loss{run_id=\"a\"}", w->t0 + 20 * SECOND, "0.5");
    assert_value(w, "t_loss", w->t0 + 31 * SECOND, "none");
    assert_value(w, "last_over_time(t_loss[5m])", w->t0 + 31 * SECOND, "0.5");
}

/* Up to five minutes are looked back, as Prometheus does; then a dead process has no values. */
static void a_process_that_died_leaves_a_gap(void **state)
{
    struct world *w = *state;
    count(w, 100);
    assert_ok(history_sample_at(w->h, w->t0));
    assert_ok(history_sample_at(w->h, w->t0 + MINUTE));
    process_begin(w);
    count(w, 7);
    assert_ok(history_sample_at(w->h, w->t0 + 20 * MINUTE));
    assert_ok(history_sample_at(w->h, w->t0 + 21 * MINUTE));
    assert_value(w, "t_requests_total", w->t0 + 5 * MINUTE, "100");
    assert_value(w, "t_requests_total", w->t0 + 10 * MINUTE, "none");
    assert_value(w, "up", w->t0 + 10 * MINUTE, "none");
    assert_value(w, "t_requests_total", w->t0 + 21 * MINUTE, "7");
    assert_value(w, "resets(t_requests_total[30m])", w->t0 + 21 * MINUTE, "1");
}

static void what_was_counted_just_now_is_there(void **state)
{
    struct world *w = *state;
    assert_ok(history_sample_at(w->h, w->t0));
    count(w, 41);
    loss(w, "new", 2.5);
    int64_t later = clock_wall_ms() + 1000;
    assert_value(w, "t_requests_total", later, "41");
    assert_value(w, "t_loss{run_id=~\"n.w\"}", later, "2.5");
    assert_value(w, "t_requests_total", w->t0 + SECOND, "0");
}

static void all_series_are_listed_once(void **state)
{
    struct world *w = *state;
    struct query_selector *selector;
    struct labels *list;
    size_t found;
    loss(w, "a", 1);
    assert_ok(history_sample_at(w->h, w->t0));
    loss(w, "b", 1);
    assert_ok(query_selector_parse(&w->base.mem, STR("{__name__=~\"t_.*\"}"), &selector));
    assert_ok(query_series_list(&w->house, &selector, 1, &w->base.mem, &list, &found));
    assert_int_equal(found, 3);
    assert_true(str_eq(labels_get(list[0], STR("run_id")), STR("a")));
    assert_true(str_eq(labels_get(list[1], STR("run_id")), STR("b")));
    assert_true(str_eq(labels_get(list[2], LABELS_NAME), STR("t_requests_total")));
}

static void lines_of_our_log_are_found(void **state)
{
    struct world *w = *state;
    struct query *q;
    struct query_stream *streams;
    size_t found;
    struct log_labels labels = { .component = STR("training"), .username = STR("a \"b\" c") };
    log_event(w->base.log, LOG_WARN, &labels, "training.slow", "too slow", F_INT("steps", 12));
    log_event(w->base.log, LOG_INFO, &labels, "training.started", NULL);
    int64_t now = clock_wall_ms();
    struct query_times times = { .start_ms = now - MINUTE, .end_ms = now + MINUTE };
    assert_ok(query_parse(
        &w->base.mem, QUERY_LOGQL,
        STR("{component=\"training\",level!=\"info\"} |= `slow` | json | steps > 10"), &q));
    assert_ok(query_run_lines(q, &w->source, &times, 0, false, &w->base.mem, &streams, &found));
    assert_int_equal(found, 1);
    assert_int_equal(streams[0].count, 1);
    assert_true(str_eq(labels_get(streams[0].labels, STR("username")), STR("a \"b\" c")));
    assert_true(str_eq(labels_get(streams[0].labels, STR("steps")), STR("12")));
    str *values;
    assert_ok(query_log_values(&w->house, STR("event"), now - MINUTE, now + MINUTE, &w->base.mem,
                               &values, &found));
    bool there = false;
    for (size_t i = 0; i < found; i++)
        there = there || str_eq(values[i], STR("training.slow"));
    assert_true(there);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_init, world_deinit)
    const struct CMUnitTest tests[] = {
        T(a_value_that_stands_still_is_sampled_at_each_round),
        T(a_series_that_ended_stops_at_once),
        T(a_process_that_died_leaves_a_gap),
        T(what_was_counted_just_now_is_there),
        T(all_series_are_listed_once),
        T(lines_of_our_log_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
