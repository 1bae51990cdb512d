/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PromQL beyond what golden.json has: ends of series, edges of windows, what is refused and how it
 * is said, and that nothing a stranger writes is without a maximum. */
#include "query_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1700000000000)
#define POINTS_MAX 64

struct world {
    arena keep;
    struct mem_source mem;
    struct query_source source;
    struct mem_series series[8];
    struct query_point points[8][POINTS_MAX];
};

static void add(struct world *w, const char *name, const char *labels)
{
    struct mem_series *s = &w->series[w->mem.series_count];
    assert_ok(labels_parse(&w->keep, str_of(name), str_of(labels), &s->labels));
    s->points = w->points[w->mem.series_count++];
}

static void point(struct world *w, int64_t ts_ms, double value)
{
    struct mem_series *s = &w->series[w->mem.series_count - 1];
    s->points[s->count++] = (struct query_point){ ts_ms, value };
}

static int world_init(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    arena_init(&w->keep, 64u << 20);
    w->mem.series = w->series;
    w->source = mem_source_of(&w->mem);
    add(w, "ended", "");
    point(w, NOW - 60000, 5);
    point(w, NOW - 30000, query_absent());
    add(w, "edge", "a=\"x\"");
    for (int i = 0; i <= 8; i++)
        point(w, NOW - 120000 + i * 15000, i);
    add(w, "edge", "a=\"y \\\"q\\\" \\\\ \\n\"");
    point(w, NOW, 7);
    add(w, "old", "");
    point(w, NOW - 300000, 1);
    add(w, "recent", "");
    point(w, NOW - 299999, 1);
    *state = w;
    return 0;
}

static int world_deinit(void **state)
{
    struct world *w = *state;
    arena_deinit(&w->keep);
    free(w);
    return 0;
}

static str ask(struct world *w, const char *text)
{
    struct query_times at = { .start_ms = NOW, .end_ms = NOW };
    return ask_text(&w->keep, &w->source, QUERY_PROMQL, text, &at);
}

static void assert_answer(struct world *w, const char *text, const char *type, const char *result)
{
    str got = ask(w, text);
    str wanted = arena_fmt(&w->keep, "{\"resultType\":\"%s\",\"result\":%s}", type, result);
    if (!str_eq(got, wanted))
        fail_msg("%s\n  wanted %.*s\n  got    %.*s", text, STR_ARG(wanted), STR_ARG(got));
}

#define NONE "[]"
#define PLAIN(v) "[{\"metric\":{},\"value\":[1700000000,\"" v "\"]}]"

/* A gauge of a finished run would stand on the dashboard for five more minutes. */
static void a_series_that_ended_is_not_looked_back_for(void **state)
{
    struct world *w = *state;
    assert_answer(w, "ended", "vector", NONE);
    assert_answer(w, "count_over_time(ended[2m])", "vector", PLAIN("1"));
    assert_answer(w, "sum(ended offset 40s)", "vector", PLAIN("5"));
    assert_answer(w, "old", "vector", NONE);
    assert_answer(w, "sum(recent)", "vector", PLAIN("1"));
}

/* Prometheus 3: a window is open at its left end, so neighbouring windows share no sample. */
static void windows_are_open_at_the_left(void **state)
{
    struct world *w = *state;
    assert_answer(w, "sum(count_over_time(edge{a=\"x\"}[1m]))", "vector", PLAIN("4"));
    assert_answer(w, "sum(count_over_time(edge{a=\"x\"}[1m] offset 1m))", "vector", PLAIN("4"));
    assert_answer(w, "sum(count_over_time(edge{a=\"x\"}[61s]))", "vector", PLAIN("5"));
    assert_answer(w, "sum(increase(edge{a=\"x\"}[1m]))", "vector", PLAIN("4"));
}

static void labels_are_read_and_written(void **state)
{
    struct world *w = *state;
    assert_answer(w, "edge{a=~\"y .*\"}", "vector", NONE); /* . is no line break */
    assert_answer(w, "edge{a!=\"x\"}", "vector",
                  "[{\"metric\":{\"__name__\":\"edge\",\"a\":\"y \\\"q\\\" \\\\ \\n\"},"
                  "\"value\":[1700000000,\"7\"]}]");
    assert_answer(w, "sum(edge{a='y \"q\" \\\\ \\n'})", "vector", PLAIN("7"));
    assert_answer(w, "sum(edge{a=\"y \\x22q\\u0022 \\\\ \\n\",})", "vector", PLAIN("7"));
    assert_answer(w, "# a comment\n sum(recent) # another", "vector", PLAIN("1"));
    assert_answer(w, "`a\\b`", "string", "[1700000000,\"a\\\\b\"]");
    assert_answer(w, "SUM (recent) + sum(sum{})", "vector", NONE); /* a metric may be named sum */
    assert_answer(w, "sum(count_over_time(recent[1h1m1s1ms]))", "vector", PLAIN("1"));
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "", "invalid: the query is empty" },
        { "up{job=", "invalid: character 8: the query ends where a value in quotes is wanted" },
        { "up{job=~\"(\"}",
          "invalid: character 4: regular expression '(', character 2: a group has "
          "no closing )" },
        { "rate(up[5m:1m])", "invalid: character 11: subqueries like [1h:5m] are not supported" },
        { "max_over_time((up)[5m])", "invalid: character 19: subqueries, a range behind an "
                                     "expression, are not supported" },
        { "up @ 5", "invalid: character 4: the modifier @ is not supported" },
        { "label_replace(up,\"a\",\"b\",\"c\",\"d\")",
          "invalid: character 1: the function 'label_replace' is not supported: "
          "docs/observability.md lists those that are" },
        { "count_values(\"x\", up)", "invalid: character 1: the function 'count_values' is not "
                                     "supported: docs/observability.md lists those that are" },
        { "up and on(a) group_left up", "invalid: character 14: and, or and unless take no "
                                        "group_left" },
        { "up & up", "invalid: character 4: '&' has no meaning here" },
        { "\"\\q\"", "invalid: character 2: this escape in a string is not known (a backslash is "
                     "written as two)" },
        { "5mm", "invalid: character 1: '5m' is not a number" },
        { "up[1y200y]", "invalid: character 4: the duration is longer than 100 years" },
        { "rate(up)", "invalid: character 6: rate wants a range of samples, and this is an instant "
                      "vector: put a range like [5m] behind a selector" },
        { "up + bool up", "invalid: character 6: bool goes with comparisons only" },
        { "\xFF", "invalid: character 1: the query is not UTF-8" },
        { "round(up, 1, 2)", "invalid: character 14: round takes at most 2 arguments" },
        { "time(1)", "invalid: character 6: time takes at most 0 arguments" },
        { "abs()", "invalid: character 1: abs needs 1 argument, and has 0" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str got = ask(w, cases[i].text);
        if (!str_eq(got, str_of(cases[i].error)))
            fail_msg("%s\n  wanted %s\n  got    %.*s", cases[i].text, cases[i].error, STR_ARG(got));
    }
}

/* ------------------------------------------------------------------ maxima */

static void assert_refused(struct world *w, str text, const char *part)
{
    str got = ask(w, arena_cstr(&w->keep, text));
    if (!str_starts(got, STR("invalid")) || !str_contains(got, str_of(part)))
        fail_msg("wanted '%s', got %.*s", part, STR_ARG(got));
}

static str repeated(struct world *w, const char *head, const char *piece, size_t count,
                    const char *tail)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_cstr(&text, head);
    for (size_t i = 0; i < count; i++)
        buf_add_cstr(&text, piece);
    buf_add_cstr(&text, tail);
    str copy = arena_str(&w->keep, buf_str(&text));
    buf_deinit(&text);
    return copy;
}

static void every_size_has_a_maximum(void **state)
{
    struct world *w = *state;
    assert_refused(w, repeated(w, "up", " ", QUERY_BYTES_MAX, ""), "at most 16384");
    assert_refused(w, repeated(w, "", "(", 200, "1"), "nested deeper");
    assert_refused(w, repeated(w, "", "-", 200, "1"), "nested deeper");
    assert_refused(w, repeated(w, "", "sum(", 200, "up"), "nested deeper");
    assert_refused(w, repeated(w, "1", "+1", 300, ""), "more than 256 operators");
    assert_refused(w, repeated(w, "1", "^1", 300, ""), "nested deeper");
    assert_refused(w, repeated(w, "up{a=\"b\"", ",a=\"b\"", 40, "}"), "more than 32 matchers");
    assert_refused(w, repeated(w, "sum by (a", ",a", 40, ") (up)"), "more than 32 labels");
    assert_answer(w, arena_cstr(&w->keep, repeated(w, "1", "+1", 255, "")), "scalar",
                  "[1700000000,\"256\"]");
}

static str ask_range(struct world *w, const char *text, int64_t span_ms, int64_t step_ms,
                     int64_t timeout_ms)
{
    struct query_times times = { .start_ms = NOW - span_ms,
                                 .end_ms = NOW,
                                 .step_ms = step_ms,
                                 .is_range = true,
                                 .timeout_ms = timeout_ms };
    return ask_text(&w->keep, &w->source, QUERY_PROMQL, text, &times);
}

static void times_are_checked(void **state)
{
    struct world *w = *state;
    assert_true(str_contains(ask_range(w, "recent", 11000 * 1000, 1000, 0),
                             STR("maximum resolution of 11000 points")));
    assert_true(str_contains(ask_range(w, "recent", 10999 * 1000, 1000, 0), STR("matrix")));
    assert_true(str_contains(ask_range(w, "recent", -1000, 1000, 0), STR("before start")));
    assert_true(str_contains(ask_range(w, "recent", 1000, 0, 0), STR("step widths")));
    assert_true(str_contains(ask_range(w, "recent[5m]", 1000, 1000, 0), STR("range vector")));
    /* Far from everything, and nothing overflows. */
    struct query_times far = { .start_ms = INT64_MAX / 2, .end_ms = INT64_MAX / 2 };
    assert_true(
        str_starts(ask_text(&w->keep, &w->source, QUERY_PROMQL, "recent", &far), STR("invalid: ")));
}

/* A source that never ends: the deadline ends it. */
static err endless(void *arg, const struct query_selector *selector, int64_t from_ms, int64_t to_ms,
                   query_series_fn each, void *each_arg)
{
    const struct label label = { STR("a"), STR("b") };
    const struct query_point one = { NOW, 1 };
    (void)arg, (void)selector, (void)from_ms, (void)to_ms;
    for (;;)
        TRY(each(each_arg, (struct labels){ &label, 1 }, &one, 0));
}

static void a_query_ends_in_time(void **state)
{
    struct world *w = *state;
    struct query_source source = { .series = endless };
    struct query_times at = { .start_ms = NOW, .end_ms = NOW, .timeout_ms = 20 };
    assert_true(str_starts(ask_text(&w->keep, &source, QUERY_PROMQL, "up", &at),
                           STR("timeout: the query took longer")));
}

static err crowd(void *arg, const struct query_selector *selector, int64_t from_ms, int64_t to_ms,
                 query_series_fn each, void *each_arg)
{
    (void)arg, (void)selector, (void)from_ms;
    for (int i = 0; i < 100000; i++) {
        char text[16];
        str value = { text, (size_t)snprintf(text, sizeof text, "%d", i) };
        struct label label = { STR("n"), value };
        struct query_point point = { to_ms, i };
        TRY(each(each_arg, (struct labels){ &label, 1 }, &point, 1));
    }
    return OK;
}

static void too_many_series_are_refused(void **state)
{
    struct world *w = *state;
    struct query_source source = { .series = crowd };
    struct query_times at = { .start_ms = NOW, .end_ms = NOW };
    assert_true(str_starts(ask_text(&w->keep, &source, QUERY_PROMQL, "max(up)", &at),
                           STR("too_big: a part of the query has more than 10000 series")));
    /* What is only summed takes no room. */
    str sum = ask_text(&w->keep, &source, QUERY_PROMQL, "sum by (n) (up) or sum(up)", &at);
    assert_true(str_starts(sum, STR("too_big: ")));
    sum = ask_text(&w->keep, &source, QUERY_PROMQL, "sum(up)", &at);
    assert_true(str_contains(sum, STR("\"4999950000\"")));
    struct query_times long_range = {
        .start_ms = NOW - 10000000, .end_ms = NOW, .step_ms = 1000, .is_range = true
    };
    arena small;
    arena_init(&small, QUERY_ARENA_BYTES);
    str got = ask_text(&small, &source, QUERY_PROMQL, "up", &long_range);
    assert_true(str_starts(got, STR("too_big: ")));
    arena_deinit(&small);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_init, world_deinit)
    const struct CMUnitTest tests[] = {
        T(a_series_that_ended_is_not_looked_back_for),
        T(windows_are_open_at_the_left),
        T(labels_are_read_and_written),
        T(what_is_wrong_is_said_with_its_place),
        T(every_size_has_a_maximum),
        T(times_are_checked),
        T(a_query_ends_in_time),
        T(too_many_series_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
