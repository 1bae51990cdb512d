/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Do we answer as a real Prometheus does? golden.json holds samples, questions and the answers of
 * Prometheus, recorded by tests/interop/promql_golden.py. */
#include "query_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"

static const char *golden_path;

struct golden {
    arena keep;
    const struct json *root;
    struct mem_source mem;
    struct query_source source;
};

static double number_of(str text)
{
    double value = 0;
    if (str_eq(text, STR("NaN")))
        return NAN;
    if (str_eq(text, STR("+Inf")) || str_eq(text, STR("-Inf")))
        return text.ptr[0] == '-' ? -INFINITY : INFINITY;
    assert_ok(str_to_f64(text, &value));
    return value;
}

static struct labels labels_of(arena *keep, const struct json *metric)
{
    struct label pairs[16];
    struct labels labels;
    size_t count = 0;
    void *iter = NULL;
    const struct json *value;
    while (json_next(metric, &iter, &pairs[count].name, &value))
        pairs[count++].value = json_str(value, STR_NONE);
    assert_ok(labels_make(keep, pairs, count, &labels));
    return labels;
}

static int golden_init(void **state)
{
    struct golden *g = calloc(1, sizeof *g);
    if (!g)
        return -1;
    arena_init(&g->keep, 256u << 20);
    str text;
    assert_ok(fs_read(&g->keep, golden_path, 16 << 20, &text));
    assert_ok(json_parse(&g->keep, text, &g->root));
    const struct json *series = json_get(g->root, "series");
    g->mem.series_count = json_count(series);
    g->mem.series = NEW_ARRAY(&g->keep, struct mem_series, g->mem.series_count);
    for (size_t i = 0; i < g->mem.series_count; i++) {
        const struct json *values = json_get(json_at(series, i), "values");
        struct mem_series *s = &g->mem.series[i];
        s->labels = labels_of(&g->keep, json_get(json_at(series, i), "metric"));
        s->count = json_count(values);
        s->points = NEW_ARRAY(&g->keep, struct query_point, s->count);
        for (size_t k = 0; k < s->count; k++) {
            const struct json *pair = json_at(values, k);
            s->points[k] = (struct query_point){ json_int(json_at(pair, 0), 0),
                                                 number_of(json_str(json_at(pair, 1), STR_NONE)) };
        }
    }
    g->source = mem_source_of(&g->mem);
    *state = g;
    return 0;
}

static int golden_deinit(void **state)
{
    struct golden *g = *state;
    arena_deinit(&g->keep);
    free(g);
    return 0;
}

/* The answers are sums of floats in another order. */
static bool is_near(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= 1e-9 * fmax(fmax(fabs(a), fabs(b)), 1e-3);
}

static bool same_pair(const struct json *a, const struct json *b)
{
    if (fabs(json_num(json_at(a, 0), 0) - json_num(json_at(b, 0), -1)) > 1e-6)
        return false;
    return is_near(number_of(json_str(json_at(a, 1), STR_NONE)),
                   number_of(json_str(json_at(b, 1), STR_NONE)));
}

static bool same_series(const struct json *a, const struct json *b)
{
    const struct json *x = json_get(a, "values"), *y = json_get(b, "values");
    if (!x)
        return same_pair(json_get(a, "value"), json_get(b, "value"));
    if (json_count(x) != json_count(y))
        return false;
    for (size_t i = 0; i < json_count(x); i++)
        if (!same_pair(json_at(x, i), json_at(y, i)))
            return false;
    return true;
}

static bool same_data(arena *keep, const struct json *wanted, const struct json *got,
                      bool is_ordered)
{
    const struct json *a = json_get(wanted, "result"), *b = json_get(got, "result");
    str type = json_str(json_get(wanted, "resultType"), STR_NONE);
    if (!str_eq(type, json_str(json_get(got, "resultType"), STR("none"))) ||
        json_count(a) != json_count(b))
        return false;
    if (str_eq(type, STR("scalar")))
        return same_pair(a, b);
    if (str_eq(type, STR("string")))
        return str_eq(json_str(json_at(a, 1), STR_NONE), json_str(json_at(b, 1), STR("?")));
    for (size_t i = 0; i < json_count(a); i++) {
        struct labels labels = labels_of(keep, json_get(json_at(a, i), "metric"));
        size_t k = is_ordered ? i : 0, end = is_ordered ? i + 1 : json_count(b);
        while (k < end &&
               labels_cmp(labels, labels_of(keep, json_get(json_at(b, k), "metric"))) != 0)
            k++;
        if (k == end || !same_series(json_at(a, i), json_at(b, k)))
            return false;
    }
    return true;
}

static struct query_times times_of(const struct json *question)
{
    int64_t step = json_int(json_get(question, "step"), 0);
    if (!step) {
        int64_t at_ms = json_int(json_get(question, "time"), 0) * 1000;
        return (struct query_times){ .start_ms = at_ms, .end_ms = at_ms };
    }
    return (struct query_times){ .start_ms = json_int(json_get(question, "start"), 0) * 1000,
                                 .end_ms = json_int(json_get(question, "end"), 0) * 1000,
                                 .step_ms = step * 1000,
                                 .is_range = true };
}

/* Wrong numbers on dashboards. */
static void answers_are_those_of_prometheus(void **state)
{
    struct golden *g = *state;
    const struct json *questions = json_get(g->root, "questions");
    size_t wrong = 0;
    assert_true(json_count(questions) > 150);
    for (size_t i = 0; i < json_count(questions); i++) {
        const struct json *question = json_at(questions, i), *data = json_get(question, "data");
        const struct json *got = NULL;
        str text = json_str(json_get(question, "query"), STR_NONE);
        struct query_times times = times_of(question);
        arena keep;
        arena_init(&keep, 64u << 20);
        str answer = ask_text(&keep, &g->source, QUERY_PROMQL, arena_cstr(&keep, text), &times);
        err e = json_parse(&keep, answer, &got);
        bool is_ordered = !times.is_range &&
                          (str_starts(text, STR("sort")) || str_starts(text, STR("topk(")));
        if (e.code || !same_data(&keep, data, got, is_ordered)) {
            struct buf wanted;
            buf_init(&wanted, 1 << 20);
            json_dump(data, &wanted);
            print_error("%.*s\n  wanted %.2000s\n  got    %.2000s\n", STR_ARG(text),
                        buf_str(&wanted).ptr, answer.ptr);
            buf_deinit(&wanted);
            wrong++;
        }
        arena_deinit(&keep);
    }
    assert_int_equal(wrong, 0);
}

/* What Prometheus refuses for a reason of the query, we refuse for the same kind of reason. */
static void refusals_are_those_of_prometheus(void **state)
{
    struct golden *g = *state;
    const struct json *refused = json_get(g->root, "refused");
    struct query_times times = times_of(json_at(json_get(g->root, "questions"), 0));
    assert_true(json_count(refused) > 10);
    for (size_t i = 0; i < json_count(refused); i++) {
        str text = json_str(json_get(json_at(refused, i), "query"), STR_NONE);
        str type = json_str(json_get(json_at(refused, i), "errorType"), STR_NONE);
        arena keep;
        arena_init(&keep, 64u << 20);
        str answer = ask_text(&keep, &g->source, QUERY_PROMQL, arena_cstr(&keep, text), &times);
        str wanted = str_eq(type, STR("bad_data")) ? STR("invalid: ") : STR("conflict: ");
        if (!str_starts(answer, wanted))
            fail_msg("%.*s: wanted %.*s, got %.*s", STR_ARG(text), STR_ARG(wanted),
                     STR_ARG(answer));
        arena_deinit(&keep);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_those_of_prometheus, golden_init,
                                        golden_deinit),
        cmocka_unit_test_setup_teardown(refusals_are_those_of_prometheus, golden_init,
                                        golden_deinit),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s golden.json\n", argv[0]);
        return 2;
    }
    golden_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
