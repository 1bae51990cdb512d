/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traces.c -- how a trace is made, changed, linked and deleted. */
#include <stdio.h>

#include "base/clock.h"
#include "platform/track/traces_internal.h"

enum { SHOWN_BYTES = 80, DELETE_STEP = 200, PROMPTS_BYTES_MAX = 64 * 1024 };

static err not_found(str trace_id)
{
    return ERR(ERR_NOT_FOUND, "Trace with ID '%.*s' not found.",
               STR_ARG(str_sub(trace_id, 0, SHOWN_BYTES)));
}

err trace_number(struct store_read *rd, str trace_id, int64_t *ret_number)
{
    err e = store_get_int(rd, "SELECT id FROM traces WHERE trace_id = ?1", ARGS(sql_text(trace_id)),
                          ret_number);
    return e.code == ERR_NOT_FOUND ? not_found(trace_id) : e;
}

static err key_check(str key)
{
    if (key.len == 0)
        return ERR(ERR_INVALID, "Missing value for required parameter 'key'. See the API docs for"
                                " more information about request parameters.");
    if (client_characters(key) > TRACK_KEY_BYTES_MAX)
        return ERR(ERR_INVALID, "'key' exceeds the maximum length of %d characters",
                   TRACK_KEY_BYTES_MAX);
    return OK;
}

static err spec_check(const struct trace_spec *spec)
{
    size_t characters = client_characters(spec->trace_id);
    if (characters == 0 || characters > TRACE_ID_CHARACTERS_MAX)
        return ERR(ERR_INVALID, "A trace_id must have 1 to %d characters", TRACE_ID_CHARACTERS_MAX);
    for (size_t i = 0; i < spec->tag_count; i++)
        TRY(key_check(spec->tags[i].key));
    for (size_t i = 0; i < spec->metadata_count; i++)
        TRY(key_check(spec->metadata[i].key));
    return OK;
}

/* ------------------------------------------------------------------ rows */

err trace_tag_put(struct store_tx *tx, int64_t trace, const struct track_tag *tag)
{
    str value = client_cut(tag->value, TRACE_VALUE_CHARACTERS_MAX);
    return store_exec(tx,
                      "INSERT INTO trace_tags (trace, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (trace, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_int(trace), sql_text(tag->key), sql_text(value)), NULL);
}

static err metadata_put(struct store_tx *tx, int64_t trace, const struct track_tag *pair)
{
    str value = client_cut(pair->value, TRACE_VALUE_CHARACTERS_MAX);
    return store_exec(tx,
                      "INSERT INTO trace_metadata (trace, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (trace, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_int(trace), sql_text(pair->key), sql_text(value)), NULL);
}

err trace_run_put(struct store_tx *tx, str trace_id, str run_id)
{
    return store_exec(tx,
                      "INSERT INTO trace_runs (trace_id, run_id) VALUES (?1, ?2)"
                      " ON CONFLICT (trace_id, run_id) DO NOTHING",
                      ARGS(sql_text(trace_id), sql_text(run_id)), NULL);
}

static err pairs_put(struct store_tx *tx, int64_t trace, const struct trace_spec *spec)
{
    for (size_t i = 0; i < spec->tag_count; i++)
        TRY(trace_tag_put(tx, trace, &spec->tags[i]));
    for (size_t i = 0; i < spec->metadata_count; i++) {
        const struct track_tag *pair = &spec->metadata[i];
        TRY(metadata_put(tx, trace, pair));
        if (str_eq(pair->key, TRACE_METADATA_RUN) && pair->value.len)
            TRY(trace_run_put(tx, spec->trace_id, pair->value));
    }
    return OK;
}

/* ------------------------------------------------------------------ start and end */

static struct store_value preview(str text)
{
    return sql_text_opt(client_cut(text, TRACE_PREVIEW_CHARACTERS_MAX));
}

static err start_fn(struct store_tx *tx, void *arg)
{
    const struct trace_spec *spec = arg;
    int64_t trace;
    TRY(experiment_need_active(store_tx_read(tx), spec->experiment_id));
    TRY(store_get_int(
        store_tx_read(tx),
        "INSERT INTO traces (trace_id, experiment_id, request_ms, duration_ms, state, has_spans,"
        " client_request_id, request_preview, response_preview)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)"
        " ON CONFLICT (trace_id) DO UPDATE SET experiment_id = excluded.experiment_id,"
        " request_ms = excluded.request_ms, duration_ms = excluded.duration_ms,"
        " state = excluded.state,"
        " client_request_id = COALESCE(excluded.client_request_id, traces.client_request_id),"
        " request_preview = COALESCE(excluded.request_preview, traces.request_preview),"
        " response_preview = COALESCE(excluded.response_preview, traces.response_preview)"
        " RETURNING id",
        ARGS(sql_text(spec->trace_id), sql_int(spec->experiment_id), sql_int(spec->request_ms),
             spec->has_duration ? sql_int(spec->duration_ms) : sql_null(), sql_text(spec->state),
             sql_text_opt(client_cut(spec->client_request_id, TRACE_ID_CHARACTERS_MAX)),
             preview(spec->request_preview), preview(spec->response_preview)),
        &trace));
    TRY(pairs_put(tx, trace, spec));
    for (size_t i = 0; i < spec->assessment_count; i++)
        TRY(assessment_put(tx, trace, &spec->assessments[i]));
    return OK;
}

err trace_start(struct track *t, const struct trace_spec *spec)
{
    struct trace_spec copy = *spec;
    TRY(spec_check(spec));
    return store_write(t->store, start_fn, &copy);
}

struct end {
    const struct trace_spec *spec;
    int64_t end_ms;
};

static err end_fn(struct store_tx *tx, void *arg)
{
    const struct end *end = arg;
    int64_t trace;
    TRY(trace_number(store_tx_read(tx), end->spec->trace_id, &trace));
    TRY(store_exec(tx, "UPDATE traces SET state = ?2, duration_ms = ?3 - request_ms WHERE id = ?1",
                   ARGS(sql_int(trace), sql_text(end->spec->state), sql_int(end->end_ms)), NULL));
    return pairs_put(tx, trace, end->spec);
}

err trace_end(struct track *t, const struct trace_spec *spec, int64_t end_ms)
{
    TRY(spec_check(spec));
    return store_write(t->store, end_fn, &(struct end){ spec, end_ms });
}

/* ------------------------------------------------------------------ tags, links */

struct change {
    str trace_id, key, value;
};

static err tag_set_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    int64_t trace;
    TRY(trace_number(store_tx_read(tx), c->trace_id, &trace));
    return trace_tag_put(tx, trace, &(struct track_tag){ c->key, c->value });
}

err trace_tag_set(struct track *t, str trace_id, str key, str value)
{
    TRY(key_check(key));
    return store_write(t->store, tag_set_fn, &(struct change){ trace_id, key, value });
}

static err tag_delete_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    int64_t trace, gone = 0;
    TRY(trace_number(store_tx_read(tx), c->trace_id, &trace));
    TRY(store_exec(tx, "DELETE FROM trace_tags WHERE trace = ?1 AND key = ?2",
                   ARGS(sql_int(trace), sql_text(c->key)), &gone));
    if (!gone)
        return ERR(ERR_NOT_FOUND, "No trace tag with key '%.*s' for trace with ID '%.*s'",
                   STR_ARG(str_sub(c->key, 0, SHOWN_BYTES)),
                   STR_ARG(str_sub(c->trace_id, 0, SHOWN_BYTES)));
    return OK;
}

err trace_tag_delete(struct track *t, str trace_id, str key)
{
    TRY(key_check(key));
    return store_write(t->store, tag_delete_fn,
                       &(struct change){ .trace_id = trace_id, .key = key });
}

struct link {
    const str *trace_ids;
    size_t count;
    str run_id;
};

static err link_fn(struct store_tx *tx, void *arg)
{
    const struct link *l = arg;
    for (size_t i = 0; i < l->count; i++)
        TRY(trace_run_put(tx, l->trace_ids[i], l->run_id));
    return OK;
}

err traces_link_run(struct track *t, const str *trace_ids, size_t count, str run_id)
{
    if (count > TRACE_LINKS_MAX)
        return ERR(ERR_INVALID,
                   "Cannot link more than %d traces to a run in a single request. Provided %zu"
                   " traces.",
                   TRACE_LINKS_MAX, count);
    return store_write(t->store, link_fn, &(struct link){ trace_ids, count, run_id });
}

struct prompts {
    str trace_id;
    const struct track_tag *versions;
    size_t count;
};

/* [{"name": "p", "version": "1"}], as clients write it: searches look for this text. */
static void prompt_write(struct buf *out, const struct track_tag *version)
{
    buf_add_cstr(out, "{\"name\": ");
    json_escape(out, version->key);
    buf_add_cstr(out, ", \"version\": ");
    json_escape(out, version->value);
    buf_add_char(out, '}');
}

static err prompts_merge(str linked, const struct prompts *p, struct buf *out)
{
    struct buf one;
    buf_init(&one, PROMPTS_BYTES_MAX);
    bool is_list = linked.len > 2 && linked.ptr[0] == '[' && linked.ptr[linked.len - 1] == ']';
    buf_add(out, is_list ? str_sub(linked, 0, linked.len - 1) : STR("["));
    for (size_t i = 0; i < p->count; i++) {
        buf_clear(&one);
        prompt_write(&one, &p->versions[i]);
        if (str_contains(buf_str(out), buf_str(&one)))
            continue;
        buf_add_cstr(out, out->len > 1 ? ", " : "");
        buf_add(out, buf_str(&one));
    }
    buf_add_char(out, ']');
    err e = err_first(buf_check(&one), buf_check(out));
    buf_deinit(&one);
    if (!e.code && client_characters(buf_str(out)) > TRACE_VALUE_CHARACTERS_MAX)
        e = ERR(ERR_INVALID, "Trace '%.*s' would be linked to more prompts than a tag holds",
                STR_ARG(str_sub(p->trace_id, 0, SHOWN_BYTES)));
    return e;
}

static err prompts_fn(struct store_tx *tx, void *arg)
{
    const struct prompts *p = arg;
    struct store_read *rd = store_tx_read(tx);
    struct buf merged;
    int64_t trace;
    str linked = STR("");
    arena memory;
    TRY(trace_number(rd, p->trace_id, &trace));
    arena_init(&memory, PROMPTS_BYTES_MAX);
    buf_init(&merged, PROMPTS_BYTES_MAX);
    err e = store_get_text(rd, "SELECT value FROM trace_tags WHERE trace = ?1 AND key = ?2",
                           ARGS(sql_int(trace), sql_text(TRACE_TAG_PROMPTS)), &memory, &linked);
    if (!e.code || e.code == ERR_NOT_FOUND)
        e = prompts_merge(linked, p, &merged);
    if (!e.code)
        e = trace_tag_put(tx, trace, &(struct track_tag){ TRACE_TAG_PROMPTS, buf_str(&merged) });
    buf_deinit(&merged);
    arena_deinit(&memory);
    return e;
}

err trace_link_prompts(struct track *t, str trace_id, const struct track_tag *versions,
                       size_t count)
{
    if (count == 0)
        return OK;
    return store_write(t->store, prompts_fn, &(struct prompts){ trace_id, versions, count });
}

/* ------------------------------------------------------------------ delete */

err trace_row_delete(struct store_tx *tx, int64_t trace, str trace_id)
{
    static const char *const sql[] = {
        "DELETE FROM trace_spans WHERE trace = ?1",
        "DELETE FROM trace_tags WHERE trace = ?1",
        "DELETE FROM trace_metadata WHERE trace = ?1",
        "DELETE FROM assessments WHERE trace = ?1",
        "DELETE FROM traces WHERE id = ?1",
    };
    for (size_t i = 0; i < COUNT_OF(sql); i++)
        TRY(store_exec(tx, sql[i], ARGS(sql_int(trace)), NULL));
    return store_exec(tx, "DELETE FROM trace_runs WHERE trace_id = ?1", ARGS(sql_text(trace_id)),
                      NULL);
}

struct removal {
    int64_t experiment_id, max_ms, limit;
    const str *ids;
    size_t count;
    int64_t deleted;
};

static err delete_ids_fn(struct store_tx *tx, void *arg)
{
    struct removal *r = arg;
    r->deleted = 0;
    for (size_t i = 0; i < r->count; i++) {
        int64_t trace;
        err e = store_get_int(store_tx_read(tx),
                              "SELECT id FROM traces WHERE trace_id = ?1 AND experiment_id = ?2",
                              ARGS(sql_text(r->ids[i]), sql_int(r->experiment_id)), &trace);
        if (e.code == ERR_NOT_FOUND)
            continue;
        TRY(e);
        TRY(trace_row_delete(tx, trace, r->ids[i]));
        r->deleted++;
    }
    return OK;
}

err traces_delete(struct track *t, int64_t experiment_id, const str *ids, size_t count,
                  int64_t *ret_deleted)
{
    struct removal r = { .experiment_id = experiment_id, .ids = ids, .count = count };
    TRY(store_write(t->store, delete_ids_fn, &r));
    *ret_deleted = r.deleted;
    return OK;
}

static err delete_older_fn(struct store_tx *tx, void *arg)
{
    struct removal *r = arg;
    struct store_rows *rows;
    int64_t numbers[DELETE_STEP];
    str ids[DELETE_STEP];
    size_t count = 0;
    arena memory;
    arena_init(&memory, 4 * DELETE_STEP * TRACE_ID_CHARACTERS_MAX);
    err e = store_query(store_tx_read(tx),
                        "SELECT id, trace_id FROM traces WHERE experiment_id = ?1"
                        " AND request_ms <= ?2 ORDER BY request_ms, id LIMIT ?3",
                        ARGS(sql_int(r->experiment_id), sql_int(r->max_ms), sql_int(r->limit)),
                        &rows);
    if (!e.code) {
        while (count < DELETE_STEP && store_next(rows)) {
            numbers[count] = store_col_int(rows, 0);
            ids[count++] = store_col_text_keep(rows, 1, &memory);
        }
        e = err_first(store_rows_close(rows), arena_check(&memory));
    }
    for (size_t i = 0; !e.code && i < count; i++)
        e = trace_row_delete(tx, numbers[i], ids[i]);
    arena_deinit(&memory);
    r->deleted = (int64_t)count;
    return e;
}

err traces_delete_older(struct track *t, int64_t experiment_id, int64_t max_ms, int64_t count,
                        int64_t *ret_deleted)
{
    int64_t deleted = 0;
    while (deleted < count) { /* in steps: other writers wait for none of them long */
        struct removal r = { .experiment_id = experiment_id, .max_ms = max_ms };
        r.limit = count - deleted < DELETE_STEP ? count - deleted : DELETE_STEP;
        TRY(store_write(t->store, delete_older_fn, &r));
        deleted += r.deleted;
        if (r.deleted < r.limit)
            break;
    }
    *ret_deleted = deleted;
    return OK;
}
