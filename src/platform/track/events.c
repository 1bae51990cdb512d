/* SPDX-License-Identifier: GPL-3.0-or-later */
/* events.c -- what tracking tells the outbox: runs that begin and end, what happens to models.
 *
 * Told in the transaction that writes it, so that nobody hears of what was rolled back and nobody
 * misses what was committed.
 */
#include "base/json.h"
#include "platform/outbox/outbox.h"
#include "platform/track/track_internal.h"

static err put(struct track *t, struct store_tx *tx, const char *type, str subject,
               const struct buf *data)
{
    TRY(buf_check(data));
    struct outbox_event event = { .type = type, .subject = subject, .data = buf_str(data) };
    return outbox_put(t->outbox, tx, &event);
}

static void kv_opt(struct json_out *w, const char *key, str value)
{
    if (value.len)
        json_kv_str(w, key, value);
}

static err run_data(struct store_tx *tx, str run_id, struct buf *out)
{
    struct store_rows *rows;
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_str(&w, "runId", run_id);
    TRY(store_query(store_tx_read(tx),
                    "SELECT status, component, job_kind, user_id, attempts, dataset_id, model_id,"
                    " error, start_ms, end_ms, run_name FROM runs WHERE run_id = ?1",
                    ARGS(sql_text(run_id)), &rows));
    if (store_next(rows)) {
        json_kv_str(&w, "status", store_col_text(rows, 0));
        json_kv_str(&w, "component", store_col_text(rows, 1));
        kv_opt(&w, "kind", store_col_text(rows, 2));
        kv_opt(&w, "username", store_col_text(rows, 3));
        json_kv_int(&w, "attempt", store_col_int(rows, 4));
        kv_opt(&w, "datasetId", store_col_text(rows, 5));
        kv_opt(&w, "modelId", store_col_text(rows, 6));
        kv_opt(&w, "error", store_col_text(rows, 7));
        json_kv_time_ms(&w, "startedAt", store_col_int(rows, 8));
        json_kv_time_ms(&w, "finishedAt", store_col_int(rows, 9));
        json_kv_str(&w, "name", store_col_text(rows, 10));
    }
    json_object_end(&w);
    return store_rows_close(rows);
}

err track_tell_run(struct track *t, struct store_tx *tx, const char *type, str run_id)
{
    if (!outbox_takes_events(t->outbox))
        return OK;
    struct buf data;
    buf_init(&data, OUTBOX_BODY_MAX);
    err e = run_data(tx, run_id, &data);
    if (!e.code)
        e = put(t, tx, type, run_id, &data);
    buf_deinit(&data);
    return e;
}

/* What is told of a model is one object, under its name. */
static void model_begin(struct json_out *w, struct buf *data)
{
    buf_init(data, OUTBOX_BODY_MAX);
    json_out_init(w, data);
    json_object_begin(w);
}

static err model_end(struct track *t, struct store_tx *tx, const char *type, str name,
                     struct json_out *w)
{
    json_object_end(w);
    err e = put(t, tx, type, str_sub(name, 0, 200), w->buf);
    buf_deinit(w->buf);
    return e;
}

err track_tell_promotion(struct track *t, struct store_tx *tx, const struct promotion *p)
{
    if (!outbox_takes_events(t->outbox))
        return OK;
    struct buf data;
    struct json_out w;
    model_begin(&w, &data);
    json_kv_str(&w, "model", p->name);
    json_kv_str(&w, "alias", p->alias);
    json_kv_int(&w, "fromVersion", p->from_version);
    json_kv_int(&w, "toVersion", p->to_version);
    json_kv_str(&w, "username", p->username);
    json_kv_str(&w, "reason", p->reason);
    return model_end(t, tx, p->to_version ? "model.promoted" : "model.alias_removed", p->name, &w);
}

err track_tell_model(struct track *t, struct store_tx *tx, const struct model_news *n)
{
    if (!outbox_takes_events(t->outbox))
        return OK;
    struct buf data;
    struct json_out w;
    model_begin(&w, &data);
    json_kv_str(&w, "model", n->name);
    if (n->id.len) {
        json_kv_int(&w, "version", n->version);
        json_kv_str(&w, "modelId", n->id);
    }
    if (n->what)
        json_kv_cstr(&w, "what", n->what);
    kv_opt(&w, "key", n->key);
    kv_opt(&w, "from", n->from);
    kv_opt(&w, "runId", n->run_id);
    kv_opt(&w, "source", n->source);
    return model_end(t, tx, n->type, n->name, &w);
}

err track_tell_logged(struct track *t, struct store_tx *tx, const char *type, str model_id)
{
    if (!outbox_takes_events(t->outbox))
        return OK;
    struct buf data;
    struct json_out w;
    model_begin(&w, &data);
    json_kv_str(&w, "modelId", model_id);
    return model_end(t, tx, type, model_id, &w);
}

err track_tell_version(struct track *t, struct store_tx *tx, const struct model_spec *spec, str id,
                       int64_t version)
{
    if (!outbox_takes_events(t->outbox))
        return OK;
    struct buf data;
    struct json_out w;
    model_begin(&w, &data);
    json_kv_str(&w, "model", spec->name);
    json_kv_int(&w, "version", version);
    json_kv_str(&w, "modelId", id);
    json_kv_cstr(&w, "kind", spec->kind);
    kv_opt(&w, "runId", spec->run_id);
    kv_opt(&w, "datasetId", spec->dataset_id);
    json_kv_cstr(&w, "sha256", spec->blob.id.hex);
    json_kv_int(&w, "bytes", spec->blob.bytes);
    return model_end(t, tx, "model.registered", spec->name, &w);
}
