/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trace_read.c -- traces with all that belongs to them, many at a time: one query for each kind of
 * thing, ordered by trace, so that the things of one trace are neighbours. */
#include <stdlib.h>
#include <string.h>

#include "platform/track/traces_internal.h"

enum { SQL_BYTES_MAX = 64 * 1024, PAIRS_FIRST = 64 };

struct page {
    const str *ids;
    size_t count;
    arena *keep;
    struct trace_info *infos; /* those found, by number until the end */
    str *locations;           /* of their experiments */
    size_t found;
};

/* ------------------------------------------------------------------ the traces themselves */

static str text_or_none(struct store_rows *rows, int column, arena *keep)
{
    return store_col_is_null(rows, column) ? STR_NONE : store_col_text_keep(rows, column, keep);
}

static err rows_read(struct store_read *rd, struct page *p)
{
    struct store_rows *rows;
    struct buf sql;
    struct store_value *args = NEW_ARRAY(p->keep, struct store_value, p->count);
    ARENA_TRY(args);
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_cstr(&sql, "SELECT t.id, t.trace_id, t.experiment_id, t.request_ms, t.duration_ms,"
                       " t.state, t.has_spans, t.client_request_id, t.request_preview,"
                       " t.response_preview, e.artifact_location FROM traces t"
                       " JOIN experiments e ON e.experiment_id = t.experiment_id"
                       " WHERE t.trace_id IN (");
    for (size_t i = 0; i < p->count; i++) {
        args[i] = sql_text(p->ids[i]);
        buf_add_fmt(&sql, "%s?%zu", i ? "," : "", i + 1);
    }
    buf_add_cstr(&sql, ") ORDER BY t.id");
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ args, p->count }, &rows);
    buf_deinit(&sql);
    TRY(e);
    for (p->found = 0; p->found < p->count && store_next(rows); p->found++) {
        p->infos[p->found] = (struct trace_info){
            .number = store_col_int(rows, 0),
            .trace_id = store_col_text_keep(rows, 1, p->keep),
            .experiment_id = store_col_int(rows, 2),
            .request_ms = store_col_int(rows, 3),
            .duration_ms = store_col_int(rows, 4),
            .has_duration = !store_col_is_null(rows, 4),
            .state = store_col_text_keep(rows, 5, p->keep),
            .has_spans = store_col_int(rows, 6) != 0,
            .client_request_id = text_or_none(rows, 7, p->keep),
            .request_preview = text_or_none(rows, 8, p->keep),
            .response_preview = text_or_none(rows, 9, p->keep),
        };
        p->locations[p->found] = store_col_text_keep(rows, 10, p->keep);
    }
    TRY(store_rows_close(rows));
    return arena_check(p->keep);
}

/* ------------------------------------------------------------------ tags and metadata */

void trace_numbers_add(struct buf *sql, const struct trace_info *infos, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_add_fmt(sql, "%s%lld", i ? "," : "", (long long)infos[i].number);
}

struct trace_info *trace_of_number(struct trace_info *infos, size_t count, int64_t number)
{
    size_t low = 0, high = count;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (infos[middle].number <= number)
            low = middle;
        else
            high = middle;
    }
    return &infos[low];
}

/* Tags of all, one behind the other, as a list that may grow; then each trace gets its part. Room
 * for two more is left behind the tags of each trace. */
static err pairs_read(struct store_read *rd, struct page *p, const char *table, bool is_tags)
{
    struct store_rows *rows;
    struct buf sql;
    size_t count = 0, room = PAIRS_FIRST + p->found * 2;
    struct track_tag *pairs = NEW_ARRAY(p->keep, struct track_tag, room);
    size_t *first = NEW_ARRAY(p->keep, size_t, p->found + 1);
    ARENA_TRY(pairs);
    ARENA_TRY(first);
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_fmt(&sql, "SELECT trace, key, value FROM %s WHERE trace IN (", table);
    trace_numbers_add(&sql, p->infos, p->found);
    buf_add_cstr(&sql, ") ORDER BY trace, key");
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), NO_ARGS, &rows);
    buf_deinit(&sql);
    TRY(e);
    size_t at = 0; /* the trace whose pairs are being gathered */
    while (store_next(rows)) {
        struct trace_info *info = trace_of_number(p->infos, p->found, store_col_int(rows, 0));
        while (at < (size_t)(info - p->infos)) {
            count += 2;
            first[++at] = count;
        }
        if (count + 1 + 2 * (p->found - at) > room) {
            struct track_tag *moved = NEW_ARRAY(p->keep, struct track_tag, room * 2);
            ARENA_TRY(moved);
            memcpy(moved, pairs, count * sizeof *pairs);
            pairs = moved;
            room *= 2;
        }
        pairs[count++] = (struct track_tag){ store_col_text_keep(rows, 1, p->keep),
                                             store_col_text_keep(rows, 2, p->keep) };
        (*(is_tags ? &info->tag_count : &info->metadata_count))++;
    }
    while (at < p->found) {
        count += 2;
        first[++at] = count;
    }
    for (size_t i = 0; i < p->found; i++)
        *(is_tags ? &p->infos[i].tags : &p->infos[i].metadata) = pairs + first[i];
    TRY(store_rows_close(rows));
    return arena_check(p->keep);
}

static bool has_tag(const struct trace_info *info, str key)
{
    for (size_t i = 0; i < info->tag_count; i++)
        if (str_eq(info->tags[i].key, key))
            return true;
    return false;
}

/* The two tags that stand in no row. */
static err tags_complete(struct trace_info *info, str location, arena *keep)
{
    bool has_slash = str_ends(location, STR("/"));
    if (!has_tag(info, TRACE_TAG_LOCATION))
        info->tags[info->tag_count++] = (struct track_tag){
            TRACE_TAG_LOCATION, arena_fmt(keep, "%.*s%straces/%.*s/artifacts", STR_ARG(location),
                                          has_slash ? "" : "/", STR_ARG(info->trace_id))
        };
    if (info->has_spans && !has_tag(info, TRACE_TAG_SPANS))
        info->tags[info->tag_count++] = (struct track_tag){ TRACE_TAG_SPANS,
                                                            STR("TRACKING_STORE") };
    return arena_check(keep);
}

/* ------------------------------------------------------------------ a page */

static err page_fn(struct store_read *rd, void *arg)
{
    struct page *p = arg;
    TRY(rows_read(rd, p));
    if (p->found == 0)
        return OK;
    TRY(pairs_read(rd, p, "trace_tags", true));
    TRY(pairs_read(rd, p, "trace_metadata", false));
    return trace_assessments_read(rd, p->infos, p->found, p->keep);
}

err traces_read(struct track *t, const str *ids, size_t count, arena *keep,
                struct trace_info **ret_infos, size_t *ret_count)
{
    if (count > TRACES_MAX)
        return ERR(ERR_INVALID, "At most %d traces can be read at a time", TRACES_MAX);
    struct page p = { .ids = ids, .count = count, .keep = keep };
    p.infos = NEW_ARRAY(keep, struct trace_info, count + 1);
    p.locations = NEW_ARRAY(keep, str, count + 1);
    struct trace_info *sorted = NEW_ARRAY(keep, struct trace_info, count + 1);
    ARENA_TRY(p.infos);
    ARENA_TRY(p.locations);
    ARENA_TRY(sorted);
    if (count)
        TRY(store_read(t->store, page_fn, &p));
    size_t found = 0;
    for (size_t i = 0; i < p.found; i++)
        TRY(tags_complete(&p.infos[i], p.locations[i], keep));
    for (size_t i = 0; i < count && found < count; i++) {
        for (size_t k = 0; k < p.found; k++) {
            if (!p.infos[k].number || !str_eq(p.infos[k].trace_id, ids[i]))
                continue;
            sorted[found++] = p.infos[k];
            p.infos[k].number = 0; /* taken: an id that is asked for twice is given once */
            break;
        }
    }
    *ret_infos = sorted;
    *ret_count = found;
    return OK;
}

err trace_read(struct track *t, str trace_id, arena *keep, struct trace_info *ret_info)
{
    struct trace_info *infos;
    size_t count;
    TRY(traces_read(t, &trace_id, 1, keep, &infos, &count));
    if (count == 0)
        return ERR(ERR_NOT_FOUND, "Trace with ID '%.*s' not found.",
                   STR_ARG(str_sub(trace_id, 0, 80)));
    *ret_info = infos[0];
    return OK;
}

/* ------------------------------------------------------------------ spans */

struct spans {
    const struct trace_info *info;
    struct json_out *w;
    int64_t count;
};

static void id_copy(char *out, size_t room, str id)
{
    size_t len = id.len < room ? id.len : room - 1;
    memcpy(out, id.len ? id.ptr : "", len);
    out[len] = '\0';
}

static err spans_fn(struct store_read *rd, void *arg)
{
    struct spans *s = arg;
    struct store_rows *rows;
    err e = OK;
    TRY(store_query(rd,
                    "SELECT span_id, parent_id, name, status, start_ns, end_ns, content"
                    " FROM trace_spans WHERE trace = ?1"
                    " ORDER BY CASE WHEN parent_id IS NULL THEN 0 ELSE 1 END, start_ns, span_id",
                    ARGS(sql_int(s->info->number)), &rows));
    while (!e.code && store_next(rows)) {
        str status = store_col_text(rows, 3);
        struct span span = {
            .name = store_col_text(rows, 2),
            .status = str_eq(status, STR("OK"))      ? "OK"
                      : str_eq(status, STR("ERROR")) ? "ERROR"
                                                     : "UNSET",
            .start_ns = store_col_int(rows, 4),
            .end_ns = store_col_int(rows, 5),
            .content = store_col_text(rows, 6),
        };
        id_copy(span.span_id, sizeof span.span_id, store_col_text(rows, 0));
        id_copy(span.parent_id, sizeof span.parent_id, store_col_text(rows, 1));
        e = span_write_proto_json(s->w, s->info->trace_id, &span);
        if (!e.code)
            e = buf_check(s->w->buf);
    }
    return err_first(e, store_rows_close(rows));
}

err trace_write_spans(struct track *t, const struct trace_info *info, struct json_out *w)
{
    return store_read(t->store, spans_fn, &(struct spans){ .info = info, .w = w });
}

static err count_fn(struct store_read *rd, void *arg)
{
    struct spans *s = arg;
    return store_get_int(rd, "SELECT COUNT(*) FROM trace_spans WHERE trace = ?1",
                         ARGS(sql_int(s->info->number)), &s->count);
}

err trace_count_spans(struct track *t, const struct trace_info *info, int64_t *ret_count)
{
    struct spans s = { .info = info };
    TRY(store_read(t->store, count_fn, &s));
    *ret_count = s.count;
    return OK;
}
