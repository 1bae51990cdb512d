/* SPDX-License-Identifier: GPL-3.0-or-later */
/* query.c -- SELECTs whose conditions depend on what the caller filters by.
 *
 * The text is built from literals only; everything a person typed travels as an argument.
 */
#include "platform/track/track_internal.h"

#include <assert.h>

void track_query_init(struct track_query *q, const char *text)
{
    buf_init(&q->sql, TRACK_QUERY_BYTES_MAX);
    q->arg_count = 0;
    buf_add_cstr(&q->sql, text);
}

void track_query_deinit(struct track_query *q)
{
    buf_deinit(&q->sql);
}

void track_query_add(struct track_query *q, const char *text)
{
    buf_add_cstr(&q->sql, text);
}

void track_query_arg(struct track_query *q, struct store_value value)
{
    assert(q->arg_count < TRACK_QUERY_ARGS_MAX);
    q->args[q->arg_count++] = value;
    buf_add_fmt(&q->sql, "?%zu", q->arg_count);
}

void track_query_and(struct track_query *q, const char *before, struct store_value value,
                     const char *after)
{
    buf_add_cstr(&q->sql, " AND ");
    buf_add_cstr(&q->sql, before);
    track_query_arg(q, value);
    buf_add_cstr(&q->sql, after);
}

int64_t track_limit(int64_t limit)
{
    if (limit <= 0)
        return TRACK_LIST_DEFAULT;
    return limit > TRACK_LIST_MAX + 1 ? TRACK_LIST_MAX + 1 : limit;
}

void track_query_page(struct track_query *q, int64_t limit, int64_t offset)
{
    track_query_add(q, " LIMIT ");
    track_query_arg(q, sql_int(track_limit(limit)));
    track_query_add(q, " OFFSET ");
    track_query_arg(q, sql_int(offset > 0 ? offset : 0));
}

err track_query_run(struct track_query *q, struct store_read *rd, struct store_rows **ret_rows)
{
    TRY(buf_check(&q->sql));
    struct store_args args = { q->args, q->arg_count };
    return store_query_dynamic(rd, buf_str(&q->sql), args, ret_rows);
}

err track_like_part(arena *keep, str part, str *ret_pattern)
{
    char *text = NEW_ARRAY(keep, char, part.len * 2 + 2);
    ARENA_TRY(text);
    size_t len = 0;
    text[len++] = '%';
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (c == '%' || c == '_' || c == '!')
            text[len++] = '!';
        text[len++] = (c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c;
    }
    text[len++] = '%';
    *ret_pattern = str_from(text, len);
    return OK;
}
