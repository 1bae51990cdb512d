/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_metrics.c -- histories of metrics as clients read them: in pages, and as samples for
 * charts.
 *
 * A page's token names the last point it gave (time, step, value), so a page costs the same however
 * far down it is, and points that come in meanwhile move nothing.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/track/client_internal.h"

enum { TOKEN_BYTES = 128 };

/* ------------------------------------------------------------------ tokens */

static err token_wrong(void)
{
    return ERR(ERR_INVALID, "Invalid page token, could not base64-decode");
}

/* "time.step.bits of the value.is NaN" in base64 */
err client_token_read(str token, struct client_place *ret_place)
{
    char text[TOKEN_BYTES];
    ptrdiff_t len = token.len < TOKEN_BYTES ? str_base64_decode(token, text) : -1;
    if (len < 0)
        return token_wrong();
    str rest = str_from(text, (size_t)len);
    int64_t parts[4];
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (str_to_i64(str_split(&rest, '.'), &parts[i]).code)
            return token_wrong();
    if (rest.len)
        return token_wrong();
    *ret_place = (struct client_place){ .ts_ms = parts[0], .step = parts[1], .is_nan = parts[3] };
    memcpy(&ret_place->value, &parts[2], sizeof ret_place->value);
    return isfinite(ret_place->value) ? OK : token_wrong();
}

err client_token_make(const struct client_place *p, arena *keep, str *ret_token)
{
    char text[TOKEN_BYTES];
    int64_t bits;
    memcpy(&bits, &p->value, sizeof bits);
    int len = snprintf(text, sizeof text, "%" PRId64 ".%" PRId64 ".%" PRId64 ".%" PRId64, p->ts_ms,
                       p->step, bits, p->is_nan);
    char *out = NEW_ARRAY(keep, char, TOKEN_BYTES * 2);
    ARENA_TRY(out);
    *ret_token = str_from(out, str_base64(str_from(text, (size_t)len), out));
    return OK;
}

/* ------------------------------------------------------------------ reading */

struct history_read {
    str run_id, key;
    int64_t metric_id;
    struct client_place after;
    bool from_start;
    size_t limit;
    const struct client_sampling *sampling;
    arena *keep;
    /* results */
    struct client_point *points;
    size_t count;
    struct client_place last;
    bool more;
};

/* The metric's number; 0 when the run has none of that name. */
static err metric_find(struct store_read *rd, struct history_read *h)
{
    int64_t runs = 0;
    h->count = 0;
    h->points = NULL;
    h->more = false;
    TRY(store_get_int(rd, "SELECT COUNT(*) FROM runs WHERE run_id = ?1", ARGS(sql_text(h->run_id)),
                      &runs));
    if (!runs)
        return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found",
                   STR_ARG(str_sub(h->run_id, 0, 100)));
    h->metric_id = 0;
    err e = store_get_int(rd, "SELECT metric_id FROM latest_metrics WHERE run_id = ?1 AND key = ?2",
                          ARGS(sql_text(h->run_id), sql_text(h->key)), &h->metric_id);
    return e.code == ERR_NOT_FOUND ? OK : e;
}

/* Grows the list as it goes: room for the most points would be 2 MB a call. */
static err point_add(struct history_read *h, size_t *room, const struct client_place *p)
{
    if (h->count == *room) {
        size_t larger = *room ? *room * 2 : 256;
        if (larger > h->limit)
            larger = h->limit;
        struct client_point *moved = NEW_ARRAY(h->keep, struct client_point, larger);
        ARENA_TRY(moved);
        if (h->count)
            memcpy(moved, h->points, h->count * sizeof *moved);
        h->points = moved;
        *room = larger;
    }
    h->points[h->count++] = (struct client_point){ p->is_nan ? NAN : p->value, p->ts_ms, p->step };
    h->last = *p;
    return OK;
}

static err history_fn(struct store_read *rd, void *arg)
{
    struct history_read *h = arg;
    struct store_rows *rows;
    size_t room = 0;
    const struct client_place *a = &h->after;

    TRY(metric_find(rd, h));
    if (!h->metric_id)
        return OK;
    if (h->from_start)
        TRY(store_query(rd,
                        "SELECT ts_ms, step, value, is_nan FROM metrics WHERE metric_id = ?1"
                        " ORDER BY ts_ms, step, value, is_nan LIMIT ?2",
                        ARGS(sql_int(h->metric_id), sql_int((int64_t)h->limit + 1)), &rows));
    else
        TRY(store_query(rd,
                        "SELECT ts_ms, step, value, is_nan FROM metrics WHERE metric_id = ?1"
                        " AND (ts_ms, step, value, is_nan) > (?3, ?4, ?5, ?6)"
                        " ORDER BY ts_ms, step, value, is_nan LIMIT ?2",
                        ARGS(sql_int(h->metric_id), sql_int((int64_t)h->limit + 1),
                             sql_int(a->ts_ms), sql_int(a->step), sql_real(a->value),
                             sql_int(a->is_nan)),
                        &rows));
    while (store_next(rows)) {
        if (h->count == h->limit) {
            h->more = true;
            break;
        }
        TRY(point_add(h, &room,
                      &(struct client_place){ store_col_int(rows, 0), store_col_int(rows, 1),
                                              store_col_real(rows, 2), store_col_int(rows, 3) }));
    }
    return store_rows_close(rows);
}

err client_metric_history(struct track *t, str run_id, str key, str token, int64_t limit,
                          arena *keep, struct client_point **ret_points, size_t *ret_count,
                          str *ret_next)
{
    struct history_read h = {
        .run_id = run_id,
        .key = key,
        .from_start = token.len == 0,
        .limit = limit > 0 && limit < CLIENT_HISTORY_MAX ? (size_t)limit : CLIENT_HISTORY_MAX,
        .keep = keep,
    };
    str next = STR_NONE;
    if (token.len)
        TRY(client_token_read(token, &h.after));
    TRY(store_read(t->store, history_fn, &h));
    if (h.more)
        TRY(client_token_make(&h.last, keep, &next));
    *ret_points = h.points;
    *ret_count = h.count;
    *ret_next = next;
    return OK;
}

/* ------------------------------------------------------------------ samples */

/* The first point of each of `limit` equal parts of the history, and its last point. */
static err sample_fn(struct store_read *rd, void *arg)
{
    struct history_read *h = arg;
    const struct client_sampling *s = h->sampling;
    struct store_rows *rows;
    size_t room = 0;
    int64_t from = s->has_range ? s->from_step : INT64_MIN;
    int64_t to = s->has_range ? s->to_step : INT64_MAX;

    TRY(metric_find(rd, h));
    if (!h->metric_id)
        return OK;
    TRY(store_query(rd,
                    "SELECT ts_ms, step, value, is_nan FROM"
                    " (SELECT ts_ms, step, value, is_nan,"
                    " ROW_NUMBER() OVER (ORDER BY step, ts_ms, value, is_nan) - 1 AS place,"
                    " COUNT(*) OVER () AS total FROM metrics"
                    " WHERE metric_id = ?1 AND step >= ?2 AND step <= ?3) AS numbered"
                    /* a part begins where the number of the part before is another */
                    " WHERE place = 0 OR place = total - 1"
                    " OR place * ?4 / total <> (place - 1) * ?4 / total"
                    " ORDER BY step, ts_ms, value, is_nan",
                    ARGS(sql_int(h->metric_id), sql_int(from), sql_int(to), sql_int(s->limit)),
                    &rows));
    while (store_next(rows)) {
        struct client_place p = { store_col_int(rows, 0), store_col_int(rows, 1),
                                  store_col_real(rows, 2), store_col_int(rows, 3) };
        if (h->count == h->limit) /* the last point takes the place of the last part's first */
            h->count--;
        TRY(point_add(h, &room, &p));
    }
    return store_rows_close(rows);
}

err client_metric_sample(struct track *t, str run_id, str key,
                         const struct client_sampling *sampling, arena *keep,
                         struct client_point **ret_points, size_t *ret_count)
{
    struct history_read h = {
        .run_id = run_id,
        .key = key,
        .limit = (size_t)sampling->limit,
        .sampling = sampling,
        .keep = keep,
    };
    if (sampling->limit < 1 || sampling->limit > CLIENT_SAMPLES_MAX)
        return ERR(
            ERR_INVALID,
            "max_results must be between 1 and %d. See the API docs for more information about "
            "request parameters.",
            CLIENT_SAMPLES_MAX);
    TRY(store_read(t->store, sample_fn, &h));
    *ret_points = h.points;
    *ret_count = h.count;
    return OK;
}
