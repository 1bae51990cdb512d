/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LogQL from strangers: whatever the text, an answer or an error, within the maxima. What is
 * accepted runs over a few lines, some of which are not JSON. */
#include <stdlib.h>
#include <string.h>

#include "platform/query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1700000000000)

static err few_lines(void *arg, const struct query_selector *selector, str must_contain,
                     int64_t from_ms, int64_t to_ms, bool oldest_first, query_line_fn each,
                     void *each_arg)
{
    static const struct {
        str level, line;
    } lines[] = {
        { STR_INIT("info"), STR_INIT("{\"level\":\"info\",\"status\":200,\"in\":{\"a\":[1,{}]}}") },
        { STR_INIT("error"), STR_INIT("{\"level\":\"error\",\"status\":503.5,\"ok\":false}") },
        { STR_INIT("warn"), STR_INIT("not json \xFF") },
        { STR_INIT("warn"), STR_INIT("") },
    };
    (void)arg, (void)oldest_first;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const struct label pairs[] = { { STR("component"), STR("http") },
                                       { STR("level"), lines[i].level } };
        int64_t ts_ms = NOW - (int64_t)i * 40000;
        bool stop = false;
        if (ts_ms < from_ms || ts_ms > to_ms || !str_contains(lines[i].line, must_contain) ||
            !query_selector_matches(selector, (struct labels){ pairs, 2 }))
            continue;
        TRY(each(each_arg, (struct labels){ pairs, 2 }, lines[i].line, ts_ms, &stop));
        if (stop)
            break;
    }
    return OK;
}

static void ask(const struct query *q, bool is_range)
{
    struct query_source source = { .lines = few_lines };
    struct query_times times = { .start_ms = is_range ? NOW - 600000 : NOW,
                                 .end_ms = NOW,
                                 .step_ms = 45000,
                                 .is_range = is_range,
                                 .timeout_ms = 500 };
    struct query_result result;
    struct query_stream *streams;
    size_t count;
    struct buf out;
    struct json_out json;
    const struct json *root;
    arena keep;
    err e;
    arena_init(&keep, 16u << 20);
    buf_init(&out, 16u << 20);
    json_out_init(&json, &out);
    if (query_wants_lines(q)) {
        e = query_run_lines(q, &source, &times, 3, is_range, &keep, &streams, &count);
        if (!e.code)
            query_streams_json(streams, count, &json);
    } else {
        e = query_run(q, &source, &times, &keep, &result);
        if (!e.code)
            query_result_json(&result, &json);
    }
    if (!e.code && (out.failed || json_parse(&keep, buf_str(&out), &root).code))
        abort();
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
    err e = query_parse(&keep, QUERY_LOGQL, str_from(text, size), &q);
    if (e.code && (e.code != ERR_INVALID || !e.msg[0]))
        abort();
    if (!e.code) {
        ask(q, false);
        ask(q, true);
    }
    arena_deinit(&keep);
    free(text);
    return 0;
}
