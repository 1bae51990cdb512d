/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query_fixture.h"

static err mem_each_series(void *arg, const struct query_selector *selector, int64_t from_ms,
                           int64_t to_ms, query_series_fn each, void *each_arg)
{
    const struct mem_source *s = arg;
    for (size_t i = 0; i < s->series_count; i++) {
        const struct mem_series *series = &s->series[i];
        size_t first = 0, count = 0;
        if (!query_selector_matches(selector, series->labels))
            continue;
        while (first < series->count && series->points[first].ts_ms <= from_ms)
            first++;
        while (first + count < series->count && series->points[first + count].ts_ms <= to_ms)
            count++;
        if (count)
            TRY(each(each_arg, series->labels, series->points + first, count));
    }
    return OK;
}

static err mem_each_line(void *arg, const struct query_selector *selector, str must_contain,
                         int64_t from_ms, int64_t to_ms, bool oldest_first, query_line_fn each,
                         void *each_arg)
{
    const struct mem_source *s = arg;
    bool stop = false;
    for (size_t i = 0; i < s->line_count && !stop; i++) {
        const struct mem_line *line = &s->lines[oldest_first ? i : s->line_count - 1 - i];
        if (line->ts_ms >= from_ms && line->ts_ms <= to_ms &&
            str_contains(line->line, must_contain) &&
            query_selector_matches(selector, line->labels))
            TRY(each(each_arg, line->labels, line->line, line->ts_ms, &stop));
    }
    return OK;
}

struct query_source mem_source_of(struct mem_source *s)
{
    return (struct query_source){ .arg = s, .series = mem_each_series, .lines = mem_each_line };
}

static err ask(arena *keep, const struct query_source *source, enum query_language language,
               const char *text, const struct query_times *times, struct buf *out)
{
    struct query *q;
    struct query_result result;
    struct query_stream *streams;
    size_t count;
    struct json_out w;
    TRY(query_parse(keep, language, str_of(text), &q));
    json_out_init(&w, out);
    if (query_wants_lines(q)) {
        TRY(query_run_lines(q, source, times, 0, false, keep, &streams, &count));
        query_streams_json(streams, count, &w);
    } else {
        TRY(query_run(q, source, times, keep, &result));
        query_result_json(&result, &w);
    }
    return OK;
}

str ask_text(arena *keep, const struct query_source *source, enum query_language language,
             const char *text, const struct query_times *times)
{
    struct buf out;
    buf_init(&out, 16 << 20);
    err e = ask(keep, source, language, text, times, &out);
    str copy = e.code ? arena_fmt(keep, "%s: %s", err_code_name(e.code), e.msg)
                      : arena_str(keep, buf_str(&out));
    buf_deinit(&out);
    return copy;
}
