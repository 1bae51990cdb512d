/* SPDX-License-Identifier: GPL-3.0-or-later */
/* query_fixture.h -- samples and log lines in memory as a source of queries. */
#ifndef SKERRY_TEST_QUERY_FIXTURE_H
#define SKERRY_TEST_QUERY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "platform/query/query_internal.h"

struct mem_series {
    struct labels labels;
    struct query_point *points;
    size_t count;
};
struct mem_line {
    struct labels labels;
    str line;
    int64_t ts_ms;
};
struct mem_source {
    struct mem_series *series;
    size_t series_count;
    struct mem_line *lines; /* by time */
    size_t line_count;
};
struct query_source mem_source_of(struct mem_source *s);

/* What an answer, its JSON, or an error comes to, as a line of text in keep. */
str ask_text(arena *keep, const struct query_source *source, enum query_language language,
             const char *text, const struct query_times *times);

#define assert_ok(call)                                \
    do {                                               \
        err assert_ok_ = (call);                       \
        if (assert_ok_.code)                           \
            fail_msg("%s: %s", #call, assert_ok_.msg); \
    } while (0)

#endif
