/* SPDX-License-Identifier: GPL-3.0-or-later */
/* assessments.c -- assessments as rows: added, read, changed, deleted. */
#include "platform/track/assessments.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "platform/track/traces_internal.h"

enum {
    NAME_CHARACTERS_MAX = 250,
    TEXT_BYTES_MAX = 64 * 1024,
    SHOWN_BYTES = 80,
    ID_BYTES = HEX_ID_BYTES + 2,
    SQL_BYTES_MAX = 64 * 1024,
    MEMORY_BYTES_MAX = 4 * 1024 * 1024,
    LIST_FIRST = 16,
};

static err not_found(str trace_id, str id)
{
    return ERR(ERR_NOT_FOUND, "Assessment with ID '%.*s' not found for trace '%.*s'",
               STR_ARG(str_sub(id, 0, SHOWN_BYTES)), STR_ARG(str_sub(trace_id, 0, SHOWN_BYTES)));
}

static err too_long(const char *what, size_t max)
{
    return ERR(ERR_INVALID, "'%s' exceeds the maximum length of %zu bytes", what, max);
}

static err check(const struct assessment *a)
{
    if (client_characters(a->name) > NAME_CHARACTERS_MAX)
        return ERR(ERR_INVALID, "'assessment_name' exceeds the maximum length of %d characters",
                   NAME_CHARACTERS_MAX);
    if (a->json.len > ASSESSMENT_VALUE_BYTES_MAX)
        return too_long("value", ASSESSMENT_VALUE_BYTES_MAX);
    if (a->rationale.len > TEXT_BYTES_MAX)
        return too_long("rationale", TEXT_BYTES_MAX);
    if (a->error.len > TEXT_BYTES_MAX)
        return too_long("error", TEXT_BYTES_MAX);
    return a->metadata.len > TEXT_BYTES_MAX ? too_long("metadata", TEXT_BYTES_MAX) : OK;
}

static struct store_value text_or_null(str s)
{
    return s.ptr ? sql_text(s) : sql_null();
}

/* The value as it is searched for. */
struct searched {
    str text;
    bool is_number;
    double number;
};

static err searched_of(str json, arena *keep, struct searched *ret)
{
    const struct json *node;
    *ret = (struct searched){ .text = json };
    if (json.len == 0)
        return OK;
    if (json.ptr[0] == '"') {
        TRY(json_parse(keep, json, &node));
        ret->text = json_str(node, STR(""));
    } else if (!str_to_f64(json, &ret->number).code) {
        ret->is_number = true;
    }
    return OK;
}

/* ------------------------------------------------------------------ add */

static err row_put(struct store_tx *tx, int64_t trace, const struct assessment *a,
                   const struct searched *s)
{
    return store_exec(
        tx,
        "INSERT INTO assessments (assessment_id, trace, key, kind, json, value, number, error,"
        " rationale, source_type, source_id, metadata, span_id, run_id, overrides, is_valid,"
        " created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
        " ?14, ?15, ?16, ?17, ?18) ON CONFLICT (assessment_id) DO NOTHING",
        ARGS(sql_text(a->id), sql_int(trace), sql_text(a->name), sql_cstr(a->kind),
             sql_text(a->json), sql_text(s->text), s->is_number ? sql_real(s->number) : sql_null(),
             text_or_null(a->error), text_or_null(a->rationale), sql_text(a->source_type),
             text_or_null(a->source_id), text_or_null(a->metadata), text_or_null(a->span_id),
             text_or_null(a->run_id), text_or_null(a->overrides), sql_int(a->is_valid),
             sql_int(a->created_ms), sql_int(a->updated_ms)),
        NULL);
}

err assessment_put(struct store_tx *tx, int64_t trace, const struct assessment *a)
{
    struct assessment made = *a;
    struct searched s;
    char id[ID_BYTES], hex[HEX_ID_BYTES];
    arena memory;
    int64_t now_ms = clock_wall_ms(), changed = 0;
    TRY(check(a));
    if (a->id.len == 0) {
        rand_hex_id(hex);
        snprintf(id, sizeof id, "a-%s", hex);
        made.id = str_of(id);
    }
    made.created_ms = a->created_ms ? a->created_ms : now_ms;
    made.updated_ms = a->updated_ms ? a->updated_ms : made.created_ms;
    if (a->overrides.len) {
        TRY(store_exec(tx,
                       "UPDATE assessments SET is_valid = 0"
                       " WHERE trace = ?1 AND assessment_id = ?2",
                       ARGS(sql_int(trace), sql_text(a->overrides)), &changed));
        if (!changed)
            return ERR(ERR_NOT_FOUND, "Assessment with ID '%.*s' not found",
                       STR_ARG(str_sub(a->overrides, 0, SHOWN_BYTES)));
    }
    arena_init(&memory, MEMORY_BYTES_MAX);
    err e = searched_of(a->json, &memory, &s);
    if (!e.code)
        e = row_put(tx, trace, &made, &s);
    arena_deinit(&memory);
    return e;
}

static err add_fn(struct store_tx *tx, void *arg)
{
    const struct assessment *a = arg;
    int64_t trace;
    TRY(trace_number(store_tx_read(tx), a->trace_id, &trace));
    return assessment_put(tx, trace, a);
}

err assessment_add(struct track *t, const struct assessment *a, arena *keep,
                   struct assessment *ret_made)
{
    struct assessment made = *a;
    char hex[HEX_ID_BYTES];
    rand_hex_id(hex);
    made.id = arena_fmt(keep, "a-%s", hex);
    made.is_valid = true;
    TRY(arena_check(keep));
    made.created_ms = a->created_ms ? a->created_ms : clock_wall_ms();
    made.updated_ms = a->updated_ms ? a->updated_ms : made.created_ms;
    TRY(store_write(t->store, add_fn, &made));
    *ret_made = made;
    return OK;
}

/* ------------------------------------------------------------------ read */

#define COLUMNS                                                                             \
    "SELECT a.assessment_id, a.key, a.kind, a.json, a.error, a.rationale, a.source_type,"   \
    " a.source_id, a.metadata, a.span_id, a.run_id, a.overrides, a.is_valid, a.created_ms," \
    " a.updated_ms, a.trace FROM assessments a "

static str text_at(struct store_rows *rows, int column, arena *keep)
{
    return store_col_is_null(rows, column) ? STR_NONE : store_col_text_keep(rows, column, keep);
}

static struct assessment row_of(struct store_rows *rows, str trace_id, arena *keep)
{
    return (struct assessment){
        .id = store_col_text_keep(rows, 0, keep),
        .trace_id = trace_id,
        .name = store_col_text_keep(rows, 1, keep),
        .kind = str_eq(store_col_text(rows, 2), STR("feedback")) ? "feedback" : "expectation",
        .json = store_col_text_keep(rows, 3, keep),
        .error = text_at(rows, 4, keep),
        .rationale = text_at(rows, 5, keep),
        .source_type = store_col_text_keep(rows, 6, keep),
        .source_id = text_at(rows, 7, keep),
        .metadata = text_at(rows, 8, keep),
        .span_id = text_at(rows, 9, keep),
        .run_id = text_at(rows, 10, keep),
        .overrides = text_at(rows, 11, keep),
        .is_valid = store_col_int(rows, 12) != 0,
        .created_ms = store_col_int(rows, 13),
        .updated_ms = store_col_int(rows, 14),
    };
}

err trace_assessments_read(struct store_read *rd, struct trace_info *infos, size_t count,
                           arena *keep)
{
    struct store_rows *rows;
    struct buf sql;
    struct assessment *list = NULL;
    size_t room = 0, used = 0;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_cstr(&sql, COLUMNS "WHERE a.trace IN (");
    trace_numbers_add(&sql, infos, count);
    buf_add_cstr(&sql, ") ORDER BY a.trace, a.created_ms, a.assessment_id");
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), NO_ARGS, &rows);
    buf_deinit(&sql);
    TRY(e);
    while (store_next(rows)) {
        struct trace_info *info = trace_of_number(infos, count, store_col_int(rows, 15));
        if (used == room) {
            room = room ? room * 2 : LIST_FIRST;
            struct assessment *moved = NEW_ARRAY(keep, struct assessment, room);
            ARENA_TRY(moved);
            if (used)
                memcpy(moved, list, used * sizeof *list);
            list = moved;
        }
        list[used++] = row_of(rows, info->trace_id, keep);
        info->assessment_count++;
    }
    TRY(store_rows_close(rows));
    for (size_t i = 0, first = 0; i < count; first += infos[i++].assessment_count)
        infos[i].assessments = infos[i].assessment_count ? list + first : NULL;
    return arena_check(keep);
}

struct one {
    str trace_id, id;
    arena *keep;
    struct assessment found;
    int64_t trace;
    const struct assessment_change *change;
};

static err one_fn(struct store_read *rd, void *arg)
{
    struct one *o = arg;
    struct store_rows *rows;
    TRY(trace_number(rd, o->trace_id, &o->trace));
    TRY(store_query(rd, COLUMNS "WHERE a.trace = ?1 AND a.assessment_id = ?2",
                    ARGS(sql_int(o->trace), sql_text(o->id)), &rows));
    bool found = store_next(rows);
    if (found)
        o->found = row_of(rows, o->trace_id, o->keep);
    TRY(store_rows_close(rows));
    TRY(arena_check(o->keep));
    return found ? OK : not_found(o->trace_id, o->id);
}

err assessment_read(struct track *t, str trace_id, str id, arena *keep, struct assessment *ret_a)
{
    struct one o = { .trace_id = trace_id, .id = id, .keep = keep };
    TRY(store_read(t->store, one_fn, &o));
    *ret_a = o.found;
    return OK;
}

/* ------------------------------------------------------------------ change */

/* Members of both; those of `more` count. */
static err metadata_merge(str old, str more, arena *keep, str *ret_merged)
{
    const struct json *a, *b, *value;
    struct json_out w;
    struct buf out;
    void *iter = NULL;
    str key;
    if (!old.ptr) {
        *ret_merged = more;
        return OK;
    }
    TRY(json_parse(keep, old, &a));
    TRY(json_parse(keep, more, &b));
    buf_init(&out, TEXT_BYTES_MAX);
    json_out_init(&w, &out);
    json_object_begin(&w);
    while (json_next(a, &iter, &key, &value)) {
        if (json_get(b, arena_str(keep, key).ptr))
            continue;
        json_key_str(&w, key);
        json_out_str(&w, json_str(value, STR("")));
    }
    iter = NULL;
    while (json_next(b, &iter, &key, &value)) {
        json_key_str(&w, key);
        json_out_str(&w, json_str(value, STR("")));
    }
    json_object_end(&w);
    *ret_merged = arena_str(keep, buf_str(&out));
    err e = err_first(buf_check(&out), arena_check(keep));
    buf_deinit(&out);
    return e;
}

static err change_apply(struct one *o)
{
    const struct assessment_change *c = o->change;
    struct assessment *a = &o->found;
    if (c->kind && strcmp(c->kind, a->kind) != 0)
        return ERR(ERR_INVALID, "Cannot update %s value on %s assessment.", c->kind,
                   strcmp(a->kind, "feedback") == 0 ? "a Feedback" : "an Expectation");
    if (c->name.ptr)
        a->name = c->name;
    if (c->rationale.ptr)
        a->rationale = c->rationale;
    if (c->metadata.ptr)
        TRY(metadata_merge(a->metadata, c->metadata, o->keep, &a->metadata));
    if (c->kind) {
        a->json = c->json;
        a->error = c->error;
    }
    a->updated_ms = clock_wall_ms();
    return check(a);
}

static err change_fn(struct store_tx *tx, void *arg)
{
    struct one *o = arg;
    struct searched s;
    TRY(one_fn(store_tx_read(tx), o));
    TRY(change_apply(o));
    const struct assessment *a = &o->found;
    TRY(searched_of(a->json, o->keep, &s));
    return store_exec(tx,
                      "UPDATE assessments SET key = ?2, json = ?3, value = ?4, number = ?5,"
                      " error = ?6, rationale = ?7, metadata = ?8, updated_ms = ?9"
                      " WHERE assessment_id = ?1",
                      ARGS(sql_text(a->id), sql_text(a->name), sql_text(a->json), sql_text(s.text),
                           s.is_number ? sql_real(s.number) : sql_null(), text_or_null(a->error),
                           text_or_null(a->rationale), text_or_null(a->metadata),
                           sql_int(a->updated_ms)),
                      NULL);
}

err assessment_change(struct track *t, str trace_id, str id, const struct assessment_change *change,
                      arena *keep, struct assessment *ret_a)
{
    struct one o = { .trace_id = trace_id, .id = id, .keep = keep, .change = change };
    TRY(store_write(t->store, change_fn, &o));
    *ret_a = o.found;
    return OK;
}

/* ------------------------------------------------------------------ delete */

static err delete_fn(struct store_tx *tx, void *arg)
{
    struct one *o = arg;
    err e = one_fn(store_tx_read(tx), o);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    if (o->found.overrides.len)
        TRY(store_exec(
            tx, "UPDATE assessments SET is_valid = 1 WHERE trace = ?1 AND assessment_id = ?2",
            ARGS(sql_int(o->trace), sql_text(o->found.overrides)), NULL));
    return store_exec(tx, "DELETE FROM assessments WHERE assessment_id = ?1", ARGS(sql_text(o->id)),
                      NULL);
}

err assessment_delete(struct track *t, str trace_id, str id)
{
    arena memory;
    arena_init(&memory, MEMORY_BYTES_MAX);
    err e = store_write(t->store, delete_fn,
                        &(struct one){ .trace_id = trace_id, .id = id, .keep = &memory });
    arena_deinit(&memory);
    return e;
}
