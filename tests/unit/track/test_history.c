/* SPDX-License-Identifier: GPL-3.0-or-later */
/* History: do the built-in charts show what really happened, across restarts and after thinning,
 * and does the store stay small? Time is given by the tests. */
#include "track_fixture.h"

#include <math.h>
#include <stdio.h>

#include "platform/track/history_internal.h"

enum { C_PLAIN, C_BY, G_PLAIN, H_LATENCY, COUNT };

static const double bounds[] = { 0.1, 0.2, 0.4 };

static const struct metric_family families[] = {
    [C_PLAIN] = { "t_requests_total", METRIC_COUNTER, "Requests." },
    [C_BY] = { "t_by_total", METRIC_COUNTER, "By label.", { "run_id", "other_run_id" } },
    [G_PLAIN] = { "t_size", METRIC_GAUGE, "Size.", { "run_id" } },
    [H_LATENCY] = { "t_seconds",
                    METRIC_HISTOGRAM,
                    "Time.",
                    { "path" },
                    .buckets = bounds,
                    .bucket_count = COUNT_OF(bounds) },
    { 0 },
};

/* 2026-01-01 00:00 UTC, the start of a day and an hour. */
#define T0 INT64_C(1767225600000)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

struct h_fixture {
    struct fixture base;
    struct history *h;
};

/* A new process: new counters, new session, same store. */
static void process_begin(struct h_fixture *f)
{
    if (f->h)
        history_close(f->h);
    metrics_close(f->base.metrics);
    assert_ok(metrics_open(&f->base.metrics));
    assert_ok(metrics_register(f->base.metrics, track_metrics));
    assert_ok(metrics_register(f->base.metrics, families));
    assert_ok(history_open(f->base.store, f->base.metrics, &f->h));
}

static int h_init(void **state)
{
    struct h_fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    fixture_folder(&f->base);
    assert_ok(fixture_try_open(&f->base));
    /* Tracking keeps cells of the first registry; here only the history is of interest. */
    track_close(f->base.track);
    f->base.track = NULL;
    process_begin(f);
    *state = f;
    return 0;
}

static int h_deinit(void **state)
{
    struct h_fixture *f = *state;
    history_close(f->h);
    *state = &f->base;
    return fixture_deinit(state);
}

static void add(struct h_fixture *f, double amount)
{
    metric_add(metric_cell_plain(f->base.metrics, &families[C_PLAIN]), amount);
}

static void sample(struct h_fixture *f, int64_t ts_ms)
{
    assert_ok(history_sample_at(f->h, ts_ms));
}

static struct metric_point *query(struct h_fixture *f, const char *name, const char *label,
                                  enum history_function fn, int64_t from_ms, int64_t to_ms,
                                  int64_t step_ms, size_t *ret_count)
{
    struct metric_point *points;
    str labels[] = { str_of(label) };
    assert_ok(history_query(f->h,
                            &(struct history_query){ .name = str_of(name),
                                                     .labels = labels,
                                                     .label_count = label ? 1 : 0,
                                                     .function = fn,
                                                     .from_ms = from_ms,
                                                     .to_ms = to_ms,
                                                     .step_ms = step_ms },
                            &f->base.mem, &points, ret_count));
    return points;
}

/* The increase over a window, whatever its steps. */
static double increase(struct h_fixture *f, const char *name, const char *label, int64_t from_ms,
                       int64_t to_ms)
{
    size_t count;
    struct metric_point *p = query(f, name, label, HISTORY_RATE, from_ms, to_ms, to_ms - from_ms,
                                   &count);
    return count ? p[0].value * (double)(to_ms - from_ms) / 1000.0 : 0;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

static void maintain(struct h_fixture *f, int64_t now_ms)
{
    for (int i = 0; i < 200; i++)
        assert_ok(history_maintain(f->h, now_ms));
}

/* ------------------------------------------------------------------ coding */

static void samples_survive_coding(void **state)
{
    static const double values[] = { 0,
                                     1,
                                     -1,
                                     0.5,
                                     NAN,
                                     9007199254740992.0,
                                     -9007199254740992.0,
                                     9007199254740994.0,
                                     1e300,
                                     -0.0,
                                     INFINITY,
                                     3,
                                     4,
                                     1e-300,
                                     12345678 };
    struct history_sample in[COUNT_OF(values)], out;
    struct buf data;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        in[i] = (struct history_sample){ T0 + (int64_t)(i * i) * 15000, values[i] };
    buf_init(&data, 4096);
    history_chunk_write(&data, in, COUNT_OF(in));
    assert_ok(buf_check(&data));
    struct history_chunk_reader r = history_chunk_read(buf_str(&data));
    for (size_t i = 0; i < COUNT_OF(in); i++) {
        assert_true(history_chunk_next(&r, &out));
        assert_int_equal(out.ts_ms, in[i].ts_ms);
        assert_memory_equal(&out.value, &in[i].value, sizeof out.value);
    }
    assert_false(history_chunk_next(&r, &out));

    struct history_entry entries[COUNT_OF(values)], entry;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        entries[i] = (struct history_entry){ (int64_t)(i * i * i + 1), values[i] };
    buf_clear(&data);
    history_tick_write(&data, entries, COUNT_OF(entries));
    struct history_tick_reader t = history_tick_read(buf_str(&data));
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        assert_true(history_tick_next(&t, &entry));
        assert_int_equal(entry.series_id, entries[i].series_id);
        assert_memory_equal(&entry.value, &entries[i].value, sizeof entry.value);
    }
    assert_false(history_tick_next(&t, &entry));
    /* Bytes cut off anywhere end the walk; they do not make it run on. */
    for (size_t cut = 0; cut < data.len; cut++) {
        size_t seen = 0;
        t = history_tick_read(str_sub(buf_str(&data), 0, cut));
        while (history_tick_next(&t, &entry))
            seen++;
        assert_true(seen < COUNT_OF(entries));
    }
    buf_deinit(&data);
}

/* ------------------------------------------------------------------ rates */

static void a_rate_is_what_was_counted(void **state)
{
    struct h_fixture *f = *state;
    for (int i = 0; i <= 40; i++) {
        add(f, 3);
        sample(f, T0 + i * 15 * SECOND);
    }
    size_t count;
    struct metric_point *p = query(f, "t_requests_total", NULL, HISTORY_RATE, T0, T0 + 10 * MINUTE,
                                   MINUTE, &count);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++) {
        assert_true(near(p[i].value, 12.0 / 60));
        assert_int_equal(p[i].ts_ms, T0 + (int64_t)(i + 1) * MINUTE);
    }
    assert_true(near(increase(f, "t_requests_total", NULL, T0 - MINUTE, T0 + 10 * MINUTE), 123));
    query(f, "t_requests_total", NULL, HISTORY_RATE, T0 + 60 * MINUTE, T0 + 70 * MINUTE, MINUTE,
          &count);
    query(f, "absent_total", NULL, HISTORY_RATE, T0, T0 + MINUTE, MINUTE, &count);
    assert_int_equal(count, 0);
}

/* A restart makes every counter start again. Taking that for a fall would show a negative rate;
 * taking the new value for the difference to the old one would lose what was counted. */
static void restarts_lose_and_invent_nothing(void **state)
{
    struct h_fixture *f = *state;
    double counted = 0;
    int64_t ts = T0;
    for (int process = 0; process < 4; process++) {
        if (process)
            process_begin(f);
        /* The third process counts beyond where the second ended before its first sample. */
        double first = process == 2 ? 5000 : 10;
        add(f, first);
        counted += first;
        for (int i = 0; i < 10; i++) {
            sample(f, ts);
            ts += 15 * SECOND;
            add(f, 7);
            counted += 7;
        }
        sample(f, ts);
        ts += 20 * MINUTE; /* it was down */
    }
    assert_true(near(increase(f, "t_requests_total", NULL, T0 - MINUTE, ts), counted));
    /* The same after the ticks have become chunks, and after those were thinned. */
    maintain(f, ts + 2 * HISTORY_HOUR_MS);
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM history_ticks"), 0);
    assert_true(near(increase(f, "t_requests_total", NULL, T0 - MINUTE, ts), counted));
    maintain(f, T0 + 5 * HISTORY_DAY_MS);
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM history_chunks WHERE level = 1"),
                     0);
    assert_true(near(increase(f, "t_requests_total", NULL, T0 - MINUTE, ts), counted));
}

/* A counter that stands still is not stored again; when it moves, only the move counts. */
static void what_stands_still_costs_nothing_and_counts_right(void **state)
{
    struct h_fixture *f = *state;
    add(f, 1000);
    sample(f, T0);
    int64_t ts = T0;
    for (int i = 0; i < 4 * 60 * 3; i++) { /* three hours */
        ts += 15 * SECOND;
        sample(f, ts);
        if (i % 100 == 0)
            assert_ok(history_maintain(f->h, ts));
    }
    add(f, 1);
    sample(f, ts + 15 * SECOND);
    assert_true(near(increase(f, "t_requests_total", NULL, ts, ts + MINUTE), 1));
    assert_true(near(increase(f, "t_requests_total", NULL, T0 + MINUTE, ts + MINUTE), 1));
    size_t count;
    struct metric_point *p = query(f, "t_requests_total", NULL, HISTORY_VALUE, ts - HISTORY_HOUR_MS,
                                   ts, 10 * MINUTE, &count);
    assert_int_equal(count, 6);
    assert_true(p[0].value == 1000 && p[5].value == 1000);
}

/* ------------------------------------------------------------------ values */

static void a_gauge_holds_until_it_is_gone(void **state)
{
    struct h_fixture *f = *state;
    str a = STR("a"), b = STR("b");
    metric_set(METRIC_CELL(f->base.metrics, &families[G_PLAIN], a), 5);
    metric_set(METRIC_CELL(f->base.metrics, &families[G_PLAIN], b), 10.5);
    sample(f, T0 + 1);
    sample(f, T0 + 5 * MINUTE);
    metrics_drop(f->base.metrics, &families[G_PLAIN], "run_id", a);
    sample(f, T0 + 6 * MINUTE);
    sample(f, T0 + 10 * MINUTE);
    size_t count;
    struct metric_point *p = query(f, "t_size", NULL, HISTORY_VALUE, T0, T0 + 10 * MINUTE, MINUTE,
                                   &count);
    assert_int_equal(count, 10);
    assert_true(p[0].value == 15.5 && p[4].value == 15.5);
    assert_true(p[5].value == 10.5 && p[9].value == 10.5);
    query(f, "t_size", "run_id=\"a\"", HISTORY_VALUE, T0, T0 + 10 * MINUTE, MINUTE, &count);
    assert_int_equal(count, 5);
    /* The process ends; until the next one begins nothing has a value. */
    process_begin(f);
    metric_set(METRIC_CELL(f->base.metrics, &families[G_PLAIN], b), 1);
    sample(f, T0 + 30 * MINUTE);
    p = query(f, "t_size", NULL, HISTORY_VALUE, T0, T0 + 31 * MINUTE, MINUTE, &count);
    assert_int_equal(count, 12);
    assert_int_equal(p[9].ts_ms, T0 + 10 * MINUTE);
    assert_int_equal(p[10].ts_ms, T0 + 30 * MINUTE);
    assert_true(p[10].value == 1);
}

static void labels_select_whole_labels(void **state)
{
    struct h_fixture *f = *state;
    str x = STR("x"), y = STR("y");
    metric_add(METRIC_CELL(f->base.metrics, &families[C_BY], x, y), 1);
    metric_add(METRIC_CELL(f->base.metrics, &families[C_BY], y, x), 10);
    sample(f, T0);
    int64_t from = T0 - MINUTE, to = T0 + MINUTE;
    assert_true(near(increase(f, "t_by_total", NULL, from, to), 11));
    assert_true(near(increase(f, "t_by_total", "run_id=\"x\"", from, to), 1));
    assert_true(near(increase(f, "t_by_total", "other_run_id=\"x\"", from, to), 10));
    assert_true(near(increase(f, "t_by_total", "run_id=\"z\"", from, to), 0));
    assert_true(near(increase(f, "t_by_total", "run_id=\"x", from, to), 0));
}

static void bad_questions_are_refused(void **state)
{
    struct h_fixture *f = *state;
    struct metric_point *points;
    size_t count;
    double value;
    sample(f, T0);
    const struct history_query bad[] = {
        { .name = STR("t_size"), .from_ms = T0, .to_ms = T0 + 1000, .step_ms = 0 },
        { .name = STR("t_size"), .from_ms = T0, .to_ms = T0 + 1000, .step_ms = -5 },
        { .name = STR("t_size"), .from_ms = T0, .to_ms = T0, .step_ms = 1000 },
        { .name = STR("t_size"), .from_ms = T0, .to_ms = T0 + HISTORY_DAY_MS, .step_ms = 1 },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(history_query(f->h, &bad[i], &f->base.mem, &points, &count), ERR_INVALID);
    assert_err(history_quantile(f->h, STR("t_seconds"), NULL, 0, 1.5, T0, T0 + 1, &value),
               ERR_INVALID);
    assert_err(history_quantile(f->h, STR("t_seconds"), NULL, 0, NAN, T0, T0 + 1, &value),
               ERR_INVALID);
    assert_err(history_quantile(f->h, STR("t_seconds"), NULL, 0, 0.5, T0, T0, &value), ERR_INVALID);
}

/* ------------------------------------------------------------------ quantiles */

static double quantile(struct h_fixture *f, const char *label, double q, int64_t from_ms,
                       int64_t to_ms)
{
    double value = -1;
    str labels[] = { str_of(label) };
    assert_ok(
        history_quantile(f->h, STR("t_seconds"), labels, label ? 1 : 0, q, from_ms, to_ms, &value));
    return value;
}

/* As PromQL's histogram_quantile(q, sum by (le) (increase(t_seconds_bucket[w]))). */
static void quantiles_come_from_the_window(void **state)
{
    struct h_fixture *f = *state;
    struct metric_cell *a = METRIC_CELL(f->base.metrics, &families[H_LATENCY], STR("/a"));
    struct metric_cell *b = METRIC_CELL(f->base.metrics, &families[H_LATENCY], STR("/b"));
    for (int i = 0; i < 1000; i++)
        metric_observe(a, 5); /* before the window: far off */
    sample(f, T0);
    for (int i = 0; i < 10; i++) {
        metric_observe(a, 0.05);
        metric_observe(a, 0.15);
        metric_observe(b, 0.3);
        metric_observe(b, 0.3);
    }
    sample(f, T0 + MINUTE);
    int64_t to = T0 + MINUTE;
    assert_true(near(quantile(f, NULL, 0.25, T0, to), 0.1));
    assert_true(near(quantile(f, NULL, 0.125, T0, to), 0.05));
    assert_true(near(quantile(f, NULL, 0.5, T0, to), 0.2));
    assert_true(near(quantile(f, NULL, 0.75, T0, to), 0.3));
    assert_true(near(quantile(f, NULL, 1, T0, to), 0.4));
    assert_true(near(quantile(f, "path=\"/a\"", 1, T0, to), 0.2));
    assert_true(near(quantile(f, NULL, 0.99, T0 - MINUTE, to), 0.4)); /* beyond the last bound */
    assert_true(isnan(quantile(f, NULL, 0.5, to, to + MINUTE)));
    assert_true(isnan(quantile(f, "path=\"/c\"", 0.5, T0, to)));
}

/* ------------------------------------------------------------------ what is kept */

/* The same questions before and after packing and thinning give the same answers, but for the
 * grain. */
static void packing_changes_no_answer(void **state)
{
    struct h_fixture *f = *state;
    str run = STR("r");
    double total = 0;
    int64_t ts = T0;
    for (int i = 0; i < 4 * 60 * 3; i++) { /* three hours */
        double amount = i % 7 == 0 ? 0 : (i * 37 % 101) / 4.0;
        add(f, amount);
        total += amount;
        metric_set(METRIC_CELL(f->base.metrics, &families[G_PLAIN], run), i / 20);
        sample(f, ts += 15 * SECOND);
    }
    size_t count, again;
    struct metric_point *before = query(f, "t_requests_total", NULL, HISTORY_RATE, T0, ts,
                                        5 * MINUTE, &count);
    struct metric_point *gauge = query(f, "t_size", NULL, HISTORY_VALUE, T0, ts, 5 * MINUTE,
                                       &again);
    assert_int_equal(count, 36);
    assert_int_equal(again, 36);
    for (int stage = 0; stage < 2; stage++) {
        maintain(f, stage == 0 ? ts + HISTORY_HOUR_MS : ts + 4 * HISTORY_DAY_MS);
        assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM history_ticks"), 0);
        struct metric_point *after = query(f, "t_requests_total", NULL, HISTORY_RATE, T0, ts,
                                           5 * MINUTE, &again);
        assert_int_equal(again, count);
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            /* After thinning a sample in five minutes is left, just before the step's end, not on
             * it. */
            if (stage == 0)
                assert_true(near(after[i].value, before[i].value));
            sum += after[i].value * 300;
        }
        assert_true(near(sum, total));
        after = query(f, "t_size", NULL, HISTORY_VALUE, T0, ts, 5 * MINUTE, &again);
        assert_int_equal(again, count);
        for (size_t i = 0; i < count; i++)
            assert_true(fabs(after[i].value - gauge[i].value) <= (stage == 0 ? 0 : 1));
    }
}

/* A label set that is dropped and comes back counts from zero again, within one process. After
 * thinning the sum must still be both parts. */
static void thinning_keeps_what_stood_before_a_fall(void **state)
{
    struct h_fixture *f = *state;
    str x = STR("x"), y = STR("y");
    int64_t ts = T0;
    for (int i = 0; i < 40; i++) {
        /* Falls from 100 to 10 inside five minutes, without a round in which it was gone. */
        metric_add(METRIC_CELL(f->base.metrics, &families[C_BY], x, y), i % 8 == 3 ? 10 : 30);
        sample(f, ts += 15 * SECOND);
        if (i % 8 == 2)
            metrics_drop(f->base.metrics, &families[C_BY], "run_id", x);
    }
    double total = increase(f, "t_by_total", NULL, T0 - MINUTE, ts);
    assert_true(near(total, 5 * (7 * 30 + 10)));
    maintain(f, T0 + 5 * HISTORY_DAY_MS);
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM history_chunks WHERE level = 1"),
                     0);
    assert_true(near(increase(f, "t_by_total", NULL, T0 - MINUTE, ts), total));
}

static void old_history_is_forgotten_whole(void **state)
{
    struct h_fixture *f = *state;
    for (int day = 0; day < 40; day++) {
        for (int i = 0; i < 4; i++) {
            add(f, 1);
            sample(f, T0 + day * HISTORY_DAY_MS + i * 6 * HISTORY_HOUR_MS);
        }
        maintain(f, f->h->last_ts_ms);
    }
    int64_t now = f->h->last_ts_ms;
    int64_t oldest = fixture_int(&f->base, "SELECT MIN(start_ms) FROM history_chunks");
    assert_true(oldest >= now - 32 * HISTORY_DAY_MS && oldest <= now - 29 * HISTORY_DAY_MS);
    /* What is left counts from the first day that is left, not from zero. */
    assert_true(increase(f, "t_requests_total", NULL, T0, now) <= 32 * 4);
    assert_true(near(increase(f, "t_requests_total", NULL, now - 10 * HISTORY_DAY_MS, now), 40));
    /* A series nobody samples any more goes with its last chunk. */
    str gone = STR("gone");
    metric_set(METRIC_CELL(f->base.metrics, &families[G_PLAIN], gone), 1);
    sample(f, now + SECOND);
    metrics_drop(f->base.metrics, &families[G_PLAIN], "run_id", gone);
    assert_int_equal(
        fixture_int(&f->base, "SELECT COUNT(*) FROM history_series WHERE name = 't_size'"), 1);
    for (int day = 1; day < 36; day++) {
        sample(f, now + day * HISTORY_DAY_MS);
        maintain(f, f->h->last_ts_ms);
    }
    assert_int_equal(
        fixture_int(&f->base, "SELECT COUNT(*) FROM history_series WHERE name = 't_size'"), 0);
    assert_int_equal(
        fixture_int(&f->base,
                    "SELECT COUNT(*) FROM history_series WHERE name = 't_requests_total'"),
        1);
}

/* The clock of a small machine may jump. Samples keep their order, and nothing is lost. */
static void a_clock_set_back_keeps_the_order(void **state)
{
    struct h_fixture *f = *state;
    add(f, 1);
    sample(f, T0 + HISTORY_HOUR_MS);
    add(f, 1);
    sample(f, T0);
    process_begin(f);
    add(f, 1);
    sample(f, T0 + 1);
    assert_true(near(increase(f, "t_requests_total", NULL, T0, T0 + 2 * HISTORY_HOUR_MS), 3));
    assert_int_equal(
        fixture_int(&f->base, "SELECT COUNT(*) FROM history_ticks WHERE ts_ms >= 1767229200000"),
        3);
}

static void the_thread_samples_at_the_start_and_at_the_end(void **state)
{
    struct h_fixture *f = *state;
    add(f, 4);
    assert_ok(history_start(f->h, 3600 * 1000, 0));
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM history_ticks"), 1);
    add(f, 5);
    process_begin(f); /* closes the first while its thread sleeps */
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM history_ticks"), 2);
    int64_t now = fixture_int(&f->base, "SELECT MAX(ts_ms) FROM history_ticks");
    assert_true(near(increase(f, "t_requests_total", NULL, now - MINUTE, now), 9));
}

/* CPU time and memory are read when asked for: a chart of them must need no scraper beside us. */
static void count_one(void *arg)
{
    add(arg, 1);
}

static void numbers_are_brought_up_to_date_before_each_sample(void **state)
{
    struct h_fixture *f = *state;
    history_refresh_with(f->h, count_one, f);
    for (int i = 0; i < 5; i++)
        sample(f, T0 + i * 15 * SECOND);
    assert_true(near(increase(f, "t_requests_total", NULL, T0, T0 + MINUTE), 4));
}

static void the_first_process_is_no_restart(void **state)
{
    struct h_fixture *f = *state;
    int64_t count = -1;
    assert_ok(history_restarts(f->h, T0, &count));
    assert_int_equal(count, 0);
    for (int i = 0; i < 3; i++) {
        sample(f, T0 + i * MINUTE);
        process_begin(f);
    }
    sample(f, T0 + 3 * MINUTE);
    assert_ok(history_restarts(f->h, T0, &count));
    assert_int_equal(count, 3);
    assert_ok(history_restarts(f->h, T0 + 2 * MINUTE, &count));
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, h_init, h_deinit)
        cmocka_unit_test(samples_survive_coding),
        T(a_rate_is_what_was_counted),
        T(restarts_lose_and_invent_nothing),
        T(what_stands_still_costs_nothing_and_counts_right),
        T(a_gauge_holds_until_it_is_gone),
        T(labels_select_whole_labels),
        T(bad_questions_are_refused),
        T(quantiles_come_from_the_window),
        T(packing_changes_no_answer),
        T(thinning_keeps_what_stood_before_a_fall),
        T(old_history_is_forgotten_whole),
        T(a_clock_set_back_keeps_the_order),
        T(the_thread_samples_at_the_start_and_at_the_end),
        T(numbers_are_brought_up_to_date_before_each_sample),
        T(the_first_process_is_no_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
