/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, dashboards and alerts read wrong numbers, or a scraper refuses the whole page. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "platform/observe/metrics.h"

static const double bounds[] = { 0.5, 1, 2 };
static const struct metric_family families[] = {
    { .name = "t_plain_total", .type = METRIC_COUNTER, .help = "A counter." },
    { .name = "t_calls_total",
      .type = METRIC_COUNTER,
      .help = "Calls, by \"who\" and\nwhat.",
      .labels = { "who", "what" } },
    { .name = "t_depth",
      .type = METRIC_GAUGE,
      .help = "A gauge.",
      .labels = { "run_id" },
      .cells_max = 4 },
    { .name = "t_wait_seconds",
      .type = METRIC_HISTOGRAM,
      .help = "A histogram.",
      .labels = { "q" },
      .buckets = bounds,
      .bucket_count = COUNT_OF(bounds) },
    { .name = "t_default_seconds", .type = METRIC_HISTOGRAM, .help = "Default buckets." },
    { .name = "t_rows", .type = METRIC_GAUGE, .help = "Rows now." },
    { .name = "t_rows_total", .type = METRIC_COUNTER, .help = "Rows ever written." },
    { 0 },
};
enum { PLAIN, CALLS, DEPTH, WAIT, DEFAULTS, ROWS, ROWS_TOTAL };

static int set_up(void **state)
{
    struct metrics *m = NULL;
    err e = metrics_open(&m);
    if (!e.code)
        e = metrics_register(m, families);
    *state = m;
    return e.code != ERR_NONE;
}

static int tear_down(void **state)
{
    metrics_close(*state);
    return 0;
}

static char *text_of(struct metrics *m, enum metrics_format format)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    metrics_write(m, format, &out);
    assert_false(out.failed);
    return out.ptr;
}

static void assert_has(struct metrics *m, enum metrics_format format, const char *line)
{
    char *text = text_of(m, format);
    if (!strstr(text, line))
        fail_msg("'%s' is not in:\n%s", line, text);
    free(text);
}

static void assert_lacks(struct metrics *m, const char *line)
{
    char *text = text_of(m, METRICS_PROMETHEUS);
    if (strstr(text, line))
        fail_msg("'%s' is in:\n%s", line, text);
    free(text);
}

static void counters_add_up(void **state)
{
    struct metrics *m = *state;
    struct metric_cell *cell = metric_cell_plain(m, &families[PLAIN]);
    assert_ptr_equal(cell, metric_cell_plain(m, &families[PLAIN]));
    assert_has(m, METRICS_PROMETHEUS, "\nt_plain_total 0\n"); /* exposed before anything happened */
    metric_add(cell, 3);
    metric_add(cell, 0.25);
    metric_add(cell, 0);
    assert_true(metric_value(cell) == 3.25);
    assert_has(m, METRICS_PROMETHEUS, "\nt_plain_total 3.25\n");
}

static void gauges_go_both_ways(void **state)
{
    struct metric_cell *cell = METRIC_CELL(*state, &families[DEPTH], STR("r1"));
    metric_set(cell, 5);
    metric_add(cell, -7.5);
    assert_true(metric_value(cell) == -2.5);
    metric_set(cell, INFINITY);
    assert_has(*state, METRICS_PROMETHEUS, "t_depth{run_id=\"r1\"} +Inf\n");
    metric_set(cell, NAN);
    assert_has(*state, METRICS_OPENMETRICS, "t_depth{run_id=\"r1\"} NaN\n");
}

static void prometheus_text_is_exact(void **state)
{
    struct metrics *m = *state;
    metric_add(METRIC_CELL(m, &families[CALLS], STR("a\"b\\c\nd"), STR_NONE), 2);
    metric_observe(METRIC_CELL(m, &families[WAIT], STR("x")), 0.5);
    metric_observe(METRIC_CELL(m, &families[WAIT], STR("x")), 1.5);
    metric_observe(METRIC_CELL(m, &families[WAIT], STR("x")), 99);
    assert_has(m, METRICS_PROMETHEUS,
               "# HELP t_calls_total Calls, by \"who\" and\\nwhat.\n# TYPE t_calls_total counter\n"
               "t_calls_total{who=\"a\\\"b\\\\c\\nd\",what=\"\"} 2\n");
    assert_has(
        m, METRICS_PROMETHEUS,
        "# HELP t_wait_seconds A histogram.\n# TYPE t_wait_seconds histogram\n"
        "t_wait_seconds_bucket{q=\"x\",le=\"0.5\"} 1\nt_wait_seconds_bucket{q=\"x\",le=\"1\"} 1\n"
        "t_wait_seconds_bucket{q=\"x\",le=\"2\"} 2\nt_wait_seconds_bucket{q=\"x\",le=\"+Inf\"} 3\n"
        "t_wait_seconds_sum{q=\"x\"} 101\nt_wait_seconds_count{q=\"x\"} 3\n");
    assert_lacks(m, "EOF");
    assert_lacks(m, "# UNIT");
}

static void openmetrics_text_is_exact(void **state)
{
    struct metrics *m = *state;
    metric_add(METRIC_CELL(m, &families[CALLS], STR("x"), STR("y")), 1);
    metric_observe(METRIC_CELL(m, &families[WAIT], STR("x")), 0.75);
    assert_has(m, METRICS_OPENMETRICS,
               "# HELP t_calls Calls, by \\\"who\\\" and\\nwhat.\n# TYPE t_calls counter\n"
               "t_calls_total{who=\"x\",what=\"y\"} 1\n");
    assert_has(m, METRICS_OPENMETRICS,
               "# TYPE t_wait_seconds histogram\n# UNIT t_wait_seconds seconds\n");
    assert_has(m, METRICS_OPENMETRICS, "t_wait_seconds_bucket{q=\"x\",le=\"1.0\"} 1\n");
    char *text = text_of(m, METRICS_OPENMETRICS);
    assert_true(str_ends(str_of(text), STR("\n# EOF\n")));
    free(text);
}

/* OpenMetrics has one namespace for a gauge and a counter without its _total: a scraper would
 * refuse the whole page if two families had one name. */
static void a_counter_beside_a_gauge_of_its_name(void **state)
{
    struct metrics *m = *state;
    metric_set(metric_cell_plain(m, &families[ROWS]), 3);
    metric_add(metric_cell_plain(m, &families[ROWS_TOTAL]), 5);
    assert_has(m, METRICS_OPENMETRICS,
               "# HELP t_rows Rows now.\n# TYPE t_rows gauge\nt_rows 3\n"
               "# HELP t_rows_total Rows ever written.\nt_rows_total 5\n");
    assert_has(m, METRICS_PROMETHEUS, "# TYPE t_rows_total counter\nt_rows_total 5\n");
}

static void bad_values_are_made_harmless(void **state)
{
    struct metrics *m = *state;
    char longer[600];
    memset(longer, 'x', sizeof longer);
    metric_add(METRIC_CELL(m, &families[CALLS],
                           STR("\xff\xfe"
                               "ok\xc3"),
                           str_from(longer, sizeof longer)),
               1);
    assert_has(m, METRICS_PROMETHEUS, "t_calls_total{who=\"??ok?\",what=\"xxx");
    char *text = text_of(m, METRICS_PROMETHEUS);
    assert_int_equal(str_utf8_valid_len(str_of(text)), strlen(text));
    assert_null(strstr(text, "xxxx") + 250 < text + strlen(text) ? NULL : text);
    free(text);
    /* A value cut at its maximum stays one and the same label set, and splits no character. */
    char wide[300];
    for (size_t i = 0; i + 1 < sizeof wide; i += 2)
        memcpy(wide + i, "\xc3\xa9", 2);
    struct metric_cell *a = METRIC_CELL(m, &families[CALLS], str_from(wide, 201), STR("w"));
    struct metric_cell *b = METRIC_CELL(m, &families[CALLS], str_from(wide, 299), STR("w"));
    assert_ptr_equal(a, b);
}

static void full_family_shares_one_cell(void **state)
{
    struct metrics *m = *state;
    char name[16];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "r%d", i);
        metric_set(METRIC_CELL(m, &families[DEPTH], str_of(name)), i);
    }
    struct metric_cell *fifth = METRIC_CELL(m, &families[DEPTH], STR("r4"));
    assert_ptr_equal(fifth, METRIC_CELL(m, &families[DEPTH], STR("r5")));
    metric_set(fifth, 44);
    assert_has(m, METRICS_PROMETHEUS, "t_depth{run_id=\"other\"} 44\n");
    assert_has(m, METRICS_PROMETHEUS, "skerry_metrics_overflow_total{family=\"t_depth\"} 2\n");
    assert_lacks(m, "r5");
}

static void dropped_sets_disappear_and_start_again(void **state)
{
    struct metrics *m = *state;
    struct metric_cell *cell = METRIC_CELL(m, &families[DEPTH], STR("r1"));
    metric_set(cell, 7);
    metric_set(METRIC_CELL(m, &families[DEPTH], STR("r2")), 8);
    metrics_drop(m, &families[DEPTH], "run_id", STR("r1"));
    assert_lacks(m, "r1");
    assert_has(m, METRICS_PROMETHEUS, "t_depth{run_id=\"r2\"} 8\n");
    metric_set(cell, 9); /* a late writer harms nobody */
    assert_lacks(m, "r1");
    assert_ptr_equal(METRIC_CELL(m, &families[DEPTH], STR("r1")), cell);
    assert_true(metric_value(cell) == 0);
    metrics_drop(m, &families[DEPTH], "run_id", STR("never seen"));
}

/* A server that runs for a year has a million runs: their gauges must neither pile up nor run out.
 */
static void a_million_runs_come_and_go(void **state)
{
    struct metrics *m = *state;
    char name[16];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "run%d", i);
        struct metric_cell *cell = METRIC_CELL(m, &families[DEPTH], str_of(name));
        assert_true(metric_value(cell) == 0);
        metric_set(cell, 1);
        metrics_drop(m, &families[DEPTH], "run_id", str_of(name));
    }
    assert_lacks(m, "other");
    assert_lacks(m, "run");
}

static void quantiles_interpolate(void **state)
{
    struct metrics *m = *state;
    struct metric_cell *cell = METRIC_CELL(m, &families[WAIT], STR("q"));
    assert_true(isnan(metric_quantile(cell, 0.5)));
    for (int i = 0; i < 10; i++)
        metric_observe(cell, 0.7);
    for (int i = 0; i < 10; i++)
        metric_observe(cell, 1.5);
    assert_true(metric_value(cell) == 20);
    assert_true(fabs(metric_quantile(cell, 0.5) - 1.0) < 1e-9);
    assert_true(fabs(metric_quantile(cell, 0.25) - 0.75) < 1e-9);
    assert_true(fabs(metric_quantile(cell, 1) - 2.0) < 1e-9);
    assert_true(isnan(metric_quantile(cell, 1.5)));
    metric_observe(cell, 1e9);
    assert_true(metric_quantile(cell, 1) == 2.0); /* beyond the last bound only that is known */
}

static void wrong_families_are_refused(void **state)
{
    static const double falling[] = { 2, 1 };
    static const struct metric_family bad[][2] = {
        { { .name = "t_plain_total", .type = METRIC_COUNTER, .help = "Twice." } },
        { { .name = "t_x", .type = METRIC_COUNTER, .help = "Counter without _total." } },
        { { .name = "t_x_total", .type = METRIC_GAUGE, .help = "Gauge with _total." } },
        { { .name = "t_x", .help = "No type." } },
        { { .name = "t_x", .type = METRIC_GAUGE } },
        { { .name = "t-x", .type = METRIC_GAUGE, .help = "Bad name." } },
        { { .name = "9x", .type = METRIC_GAUGE, .help = "Bad name." } },
        { { .name = "t_x", .type = METRIC_HISTOGRAM, .help = "Label le.", .labels = { "le" } } },
        { { .name = "t_x",
            .type = METRIC_HISTOGRAM,
            .help = "Falling.",
            .buckets = falling,
            .bucket_count = 2 } },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        err e = metrics_register(*state, bad[i]);
        assert_int_equal(e.code, i == 0 ? ERR_CONFLICT : ERR_INVALID);
        assert_true(e.msg[0]);
    }
}

struct hammer {
    struct metrics *m;
    struct metric_cell *counter, *histogram;
};

static void hammer_one(void *arg, size_t index)
{
    struct hammer *h = arg;
    char name[16];
    for (int i = 0; i < 20000; i++) {
        metric_add(h->counter, i % 2 ? 1 : 0.5);
        metric_observe(h->histogram, i % 3);
        if (i % 1000 == 0) {
            snprintf(name, sizeof name, "w%zu", (index + (size_t)i) % 3);
            metric_add(METRIC_CELL(h->m, &families[CALLS], str_of(name), STR("z")), 1);
            char *text = text_of(h->m, METRICS_OPENMETRICS);
            free(text);
        }
    }
}

/* Lost updates would show as counts that are too small. */
static void threads_lose_nothing(void **state)
{
    struct hammer h = { .m = *state,
                        .counter = metric_cell_plain(*state, &families[PLAIN]),
                        .histogram = METRIC_CELL(*state, &families[WAIT], STR("t")) };
    struct pool *pool = NULL;
    err e = pool_open("hammer", 4, 16, &pool);
    assert_int_equal(e.code, 0);
    pool_each(pool, 4, hammer_one, &h);
    pool_close(pool);
    assert_true(metric_value(h.counter) == 4 * 15000);
    assert_true(metric_value(h.histogram) == 80000);
    double calls = 0;
    for (int i = 0; i < 3; i++)
        calls += metric_value(METRIC_CELL(*state, &families[CALLS],
                                          (str){ (const char *[]){ "w0", "w1", "w2" }[i], 2 },
                                          STR("z")));
    assert_true(calls == 80);
}

struct walk {
    int samples;
    double sum;
    bool saw_bucket;
};

static void walk_one(void *arg, const char *name, str labels, double value)
{
    struct walk *w = arg;
    w->samples++;
    if (!strcmp(name, "t_wait_seconds_sum"))
        w->sum = value;
    if (!strcmp(name, "t_wait_seconds_bucket") && str_eq(labels, STR("q=\"e\",le=\"1\"")))
        w->saw_bucket = value == 1;
}

static void walk_sees_every_series(void **state)
{
    metric_observe(METRIC_CELL(*state, &families[WAIT], STR("e")), 0.75);
    struct walk w = { 0 };
    metrics_each(*state, walk_one, &w);
    /* plain + wait (3 bounds, +Inf, sum, count) + default (17 bounds, +Inf, sum, count) + two rows
     */
    assert_int_equal(w.samples, 1 + 6 + 20 + 2);
    assert_true(w.sum == 0.75);
    assert_true(w.saw_bucket);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(counters_add_up),
        T(gauges_go_both_ways),
        T(prometheus_text_is_exact),
        T(openmetrics_text_is_exact),
        T(a_counter_beside_a_gauge_of_its_name),
        T(bad_values_are_made_harmless),
        T(full_family_shares_one_cell),
        T(dropped_sets_disappear_and_start_again),
        T(a_million_runs_come_and_go),
        T(quantiles_interpolate),
        T(wrong_families_are_refused),
        T(threads_lose_nothing),
        T(walk_sees_every_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
