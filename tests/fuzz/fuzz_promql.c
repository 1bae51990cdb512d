/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PromQL from strangers: whatever the text, an answer or an error with a place, within the maxima.
 * What is accepted is asked of a small world at one moment and over a stretch of time, and the
 * answer is JSON. */
#include <stdlib.h>
#include <string.h>

#include "platform/query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERIES = 6, POINTS = 40 };
#define NOW INT64_C(1700000000000)

static err small_world(void *arg, const struct query_selector *selector, int64_t from_ms,
                       int64_t to_ms, query_series_fn each, void *each_arg)
{
    static const char *const texts[SERIES] = {
        "kind=\"a\"", "kind=\"b\"", "kind=\"a\",le=\"0.5\"", "kind=\"a\",le=\"+Inf\"",
        "le=\"1\"",   "",
    };
    (void)arg;
    for (size_t i = 0; i < SERIES; i++) {
        struct query_point points[POINTS];
        size_t count = 0;
        struct labels labels;
        arena scratch;
        arena_init(&scratch, 1 << 16);
        err e = labels_parse(&scratch, i % 2 ? STR("jobs_total") : STR("up"), str_of(texts[i]),
                             &labels);
        for (int64_t k = 0; k < POINTS; k++) {
            int64_t ts_ms = NOW - (POINTS - k) * 15000 + (int64_t)i;
            double value = k % 17 == 16 ? query_absent() : (double)(k * (int64_t)i % 13);
            if (ts_ms > from_ms && ts_ms <= to_ms)
                points[count++] = (struct query_point){ ts_ms, value };
        }
        if (!e.code && count && query_selector_matches(selector, labels))
            e = each(each_arg, labels, points, count);
        arena_deinit(&scratch);
        if (e.code)
            return e;
    }
    return OK;
}

static void ask(const struct query *q, const struct query_times *times)
{
    struct query_source source = { .series = small_world };
    struct query_result result;
    struct buf out;
    struct json_out json;
    const struct json *root;
    arena keep;
    arena_init(&keep, 16u << 20);
    buf_init(&out, 16u << 20);
    json_out_init(&json, &out);
    err e = query_run(q, &source, times, &keep, &result);
    if (!e.code) {
        query_result_json(&result, &json);
        if (out.failed || json_parse(&keep, buf_str(&out), &root).code)
            abort();
    }
    buf_deinit(&out);
    arena_deinit(&keep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* exact size, so that reading past the end is seen */
    arena keep;
    struct query *q;
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    arena_init(&keep, 16u << 20);
    err e = query_parse(&keep, QUERY_PROMQL, str_from(text, size), &q);
    if (e.code && (e.code != ERR_INVALID || !e.msg[0]))
        abort();
    if (!e.code) {
        ask(q, &(struct query_times){ .start_ms = NOW, .end_ms = NOW, .timeout_ms = 500 });
        ask(q, &(struct query_times){ .start_ms = NOW - 300000,
                                      .end_ms = NOW,
                                      .step_ms = 60000,
                                      .is_range = true,
                                      .timeout_ms = 500 });
    }
    arena_deinit(&keep);
    free(text);
    return 0;
}
