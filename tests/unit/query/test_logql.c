/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LogQL: the right lines, in the right order, and the right counts of them. */
#include "query_fixture.h"

#include <stdlib.h>

#define NOW INT64_C(1700000000000)

static const struct {
    int64_t age_s;
    const char *labels, *line;
} lines[] = {
    { 600, "component=\"http\",level=\"info\"", "{\"status\":200,\"path\":\"/a\",\"ms\":1.5}" },
    { 290, "component=\"http\",level=\"error\"", "{\"status\":503,\"path\":\"/b\",\"ms\":30}" },
    { 280, "component=\"http\",level=\"info\"",
      "{\"status\":404,\"path\":\"/b\",\"in\":{\"a\":\"x\"}}" },
    { 100, "component=\"train\",level=\"info\",run_id=\"r1\"", "{\"loss\":0.5,\"path\":\"\"}" },
    { 50, "component=\"train\",level=\"info\",run_id=\"r2\"",
      "{\"loss\":\"bad\",\"say\":\"a \\\"b\\\"\"}" },
    { 0, "component=\"http\",level=\"warn\"", "not json" },
};

struct world {
    arena keep;
    struct mem_source mem;
    struct query_source source;
    struct mem_line items[COUNT_OF(lines)];
};

static int world_init(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    arena_init(&w->keep, 64u << 20);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_ok(labels_parse(&w->keep, STR_NONE, str_of(lines[i].labels), &w->items[i].labels));
        w->items[i].line = str_of(lines[i].line);
        w->items[i].ts_ms = NOW - lines[i].age_s * 1000;
    }
    w->mem = (struct mem_source){ .lines = w->items, .line_count = COUNT_OF(lines) };
    w->source = mem_source_of(&w->mem);
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

static const struct query_times hour = {
    .start_ms = NOW - 3600000, .end_ms = NOW, .step_ms = 60000, .is_range = true
};

/* Which of the lines come, as their numbers. */
static void assert_lines(struct world *w, const char *text, const char *wanted)
{
    struct query *q;
    struct query_stream *streams;
    size_t count;
    struct buf got;
    buf_init(&got, 4096);
    assert_ok(query_parse(&w->keep, QUERY_LOGQL, str_of(text), &q));
    assert_true(query_wants_lines(q));
    assert_ok(query_run_lines(q, &w->source, &hour, 0, true, &w->keep, &streams, &count));
    for (size_t n = 0; n < COUNT_OF(lines); n++)
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < streams[i].count; k++)
                if (str_eq(streams[i].lines[k].line, str_of(lines[n].line)))
                    buf_add_fmt(&got, "%zu", n);
    buf_add_char(&got, '\0');
    if (!str_eq(str_of(got.ptr), str_of(wanted)))
        fail_msg("%s: wanted lines %s, got %s", text, wanted, got.ptr);
    buf_deinit(&got);
}

static void lines_are_filtered(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "{component=\"http\"}", "0125" },
        { "{component=~\"http|train\", level!=\"info\"}", "15" },
        { "{component=~\".+\",run_id=\"r2\"}", "4" },
        { "{component=\"http\"} |= \"/b\"", "12" },
        { "{component=\"http\"} != \"/b\"", "05" },
        { "{component=\"http\"} |~ \"status.:(2|5)\\\\d\\\\d\"", "01" },
        { "{component=\"http\"} !~ `\\d+`", "5" },
        { "{component=\"http\"} |= \"status\" |= \"/b\" != \"404\"", "1" },
        { "{component=\"train\"} |= `a \\\"b\\\"`", "4" },
        { "{component=\"http\"} | json | status >= 400", "12" },
        { "{component=\"http\"} | json | status == 200", "0" },
        { "{component=\"http\"} | json | status != 200", "12" },
        { "{component=\"http\"} | json | path=\"/b\" | in_a=\"x\"", "2" },
        { "{component=\"http\"} | json | path=~\"/.\" | in_a=\"\"", "01" },
        { "{component=\"train\"} | json | loss < 1", "3" },
        { "{component=\"http\"} | level=\"warn\"", "5" },
        { "{component=\"http\"} | json | drop status, path | status=\"\"", "0125" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_lines(w, cases[i].text, cases[i].wanted);
}

static void assert_answer(struct world *w, const char *text, const struct query_times *times,
                          const char *wanted)
{
    str got = ask_text(&w->keep, &w->source, QUERY_LOGQL, text, times);
    if (!str_eq(got, str_of(wanted)))
        fail_msg("%s\n  wanted %s\n  got    %.*s", text, wanted, STR_ARG(got));
}

static void streams_are_written_as_loki_does(void **state)
{
    struct world *w = *state;
    assert_answer(w, "{run_id=~\"r.\"} |= \"loss\" | json | drop say, loss", &hour,
                  "{\"resultType\":\"streams\",\"result\":["
                  "{\"stream\":{\"component\":\"train\",\"level\":\"info\",\"run_id\":\"r2\"},"
                  "\"values\":[[\"1699999950000000000\","
                  "\"{\\\"loss\\\":\\\"bad\\\",\\\"say\\\":\\\"a \\\\\\\"b\\\\\\\"\\\"}\"]]},"
                  "{\"stream\":{\"component\":\"train\",\"level\":\"info\",\"run_id\":\"r1\"},"
                  "\"values\":[[\"1699999900000000000\","
                  "\"{\\\"loss\\\":0.5,\\\"path\\\":\\\"\\\"}\"]]}],\"stats\":{}}");
}

static void lines_are_counted(void **state)
{
    struct world *w = *state;
    struct query_times at = { .start_ms = NOW, .end_ms = NOW };
    assert_answer(w, "sum by (component) (count_over_time({level=~\".+\"}[5m]))", &at,
                  "{\"resultType\":\"vector\",\"result\":["
                  "{\"metric\":{\"component\":\"http\"},\"value\":[1700000000,\"3\"]},"
                  "{\"metric\":{\"component\":\"train\"},\"value\":[1700000000,\"2\"]}]}");
    assert_answer(w, "sum(rate({component=\"http\"}[10m]))", &at,
                  "{\"resultType\":\"vector\",\"result\":["
                  "{\"metric\":{},\"value\":[1700000000,\"0.005\"]}]}");
    assert_answer(w, "sum(bytes_over_time({component=\"http\"} |= \"not\" [1m]))", &at,
                  "{\"resultType\":\"vector\",\"result\":["
                  "{\"metric\":{},\"value\":[1700000000,\"8\"]}]}");
    assert_answer(w, "max(count_over_time({run_id=~\".+\"}[5m] offset 75s)) * 2", &at,
                  "{\"resultType\":\"vector\",\"result\":["
                  "{\"metric\":{},\"value\":[1700000000,\"2\"]}]}");
    assert_answer(w, "vector(1)+vector(1)", &at,
                  "{\"resultType\":\"vector\",\"result\":["
                  "{\"metric\":{},\"value\":[1700000000,\"2\"]}]}");
    /* A line counts from its own moment on, for as long as the window is. */
    struct query_times range = {
        .start_ms = NOW - 300000, .end_ms = NOW, .step_ms = 50000, .is_range = true
    };
    assert_answer(w, "sum(count_over_time({component=\"http\"}[1m40s]))", &range,
                  "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":["
                  "[1699999750,\"2\"],[1699999800,\"2\"],[1700000000,\"1\"]]}]}");
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "{}", "invalid: character 1: a selector needs a matcher that does not match the empty "
                "text" },
        { "up", "invalid: character 1: 'up' stands where '{' and matchers is wanted" },
        { "{a=\"b\"} | logfmt",
          "invalid: character 11: the stage 'logfmt' is not supported: json, "
          "drop and label filters like level=\"error\" or status >= 500 are" },
        { "{a=\"b\"} | line_format \"x\"",
          "invalid: character 11: the stage 'line_format' is not supported: json, drop and label "
          "filters like level=\"error\" or status >= 500 are" },
        { "{a=\"b\"}[5m]", "invalid: character 1: a range of lines has to be counted: "
                           "count_over_time(...) or rate(...)" },
        { "rate({a=\"b\"})", "invalid: character 6: rate wants a range like [5m] behind the "
                             "selector" },
        { "quantile_over_time(0.5, {a=\"b\"}[5m])",
          "invalid: character 1: the function 'quantile_over_time' is not supported: "
          "docs/observability.md lists those that are" },
        { "{a=\"b\"} |= 5", "invalid: character 12: '5' stands where a text in quotes is wanted" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_answer(w, cases[i].text, &hour, cases[i].error);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_init, world_deinit)
    const struct CMUnitTest tests[] = {
        T(lines_are_filtered),
        T(streams_are_written_as_loki_does),
        T(lines_are_counted),
        T(what_is_wrong_is_said_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
