/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror_runs.c -- one run of ours in somebody's MLflow. */
#include <stdio.h>
#include <string.h>

#include "platform/track/mirror_internal.h"

enum { TEXTS_PAGE = 100, POINTS_PAGE = 1000 };

enum phase { PHASE_PARAMS, PHASE_TAGS, PHASE_METRICS, PHASE_FILES, PHASE_END };

/* ------------------------------------------------------------------ the run itself */

struct own_run {
    str run_id;
    arena *keep;
    str name, user, status, experiment;
    int64_t start_ms, end_ms;
    bool is_found;
};

/* Not found: it is not here any more, or came from an MLflow or from another's mirror. */
static err own_run_fn(struct store_read *rd, void *arg)
{
    struct own_run *r = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT r.run_name, r.user_id, r.status, e.name, r.start_ms, r.end_ms"
                    " FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
                    " WHERE r.run_id = ?1 AND NOT EXISTS (SELECT 1 FROM tags t"
                    " WHERE t.run_id = r.run_id AND (t.key = '" IMPORT_TAG_SOURCE
                    "' OR (t.key = '" MIRROR_TAG_RUN "' AND LENGTH(t.value) = 32)))",
                    ARGS(sql_text(r->run_id)), &rows));
    r->is_found = store_next(rows);
    if (r->is_found) {
        r->name = store_col_text_keep(rows, 0, r->keep);
        r->user = store_col_text_keep(rows, 1, r->keep);
        r->status = store_col_text_keep(rows, 2, r->keep);
        r->experiment = store_col_text_keep(rows, 3, r->keep);
        r->start_ms = store_col_int(rows, 4);
        r->end_ms = store_col_int(rows, 5);
    }
    return store_rows_close(rows);
}

static err own_run_read(struct mirror *m, str run_id, struct own_run *ret_run)
{
    *ret_run = (struct own_run){ .run_id = run_id, .keep = &m->keep };
    TRY(store_read(m->config->store, own_run_fn, ret_run));
    return arena_check(&m->keep);
}

err mirror_experiment_need(struct mirror *m, str name, str *ret_id)
{
    struct buf path;
    const struct json *reply;
    bool is_missing = false;
    str full = arena_fmt(&m->keep, "%s%.*s", m->config->prefix, STR_ARG(name));
    ARENA_TRY(full.ptr);
    buf_init(&path, 8000);
    buf_add_cstr(&path, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=");
    net_api_escape(&path, full, false);
    buf_clear(&m->body);
    err e = buf_check(&path);
    if (!e.code)
        e = mirror_try(m, "GET", path.ptr, "RESOURCE_DOES_NOT_EXIST", &is_missing, &reply);
    buf_deinit(&path);
    TRY(e);
    if (is_missing) {
        struct json_out w = mirror_body(m);
        json_kv_str(&w, "name", full);
        json_object_end(&w);
        TRY(mirror_ask(m, "POST", "/api/2.0/mlflow/experiments/create", &reply));
        *ret_id = json_str(json_get(reply, "experiment_id"), STR_NONE);
        return OK;
    }
    *ret_id = json_str(json_get(json_get(reply, "experiment"), "experiment_id"), STR_NONE);
    return OK;
}

static void run_of(const struct json *run, struct mirror_run *ret_run)
{
    const struct json *info = json_get(run, "info");
    ret_run->id = json_str(json_get(info, "run_id"), STR_NONE);
    ret_run->artifact_uri = json_str(json_get(info, "artifact_uri"), STR_NONE);
}

static err run_find(struct mirror *m, str experiment, str run_id, struct mirror_run *ret_run)
{
    const struct json *reply;
    struct json_out w = mirror_body(m);
    json_key(&w, "experiment_ids");
    json_array_begin(&w);
    json_out_str(&w, experiment);
    json_array_end(&w);
    json_key(&w, "filter");
    str filter = arena_fmt(&m->keep, "tags.`" MIRROR_TAG_RUN "` = '%.*s'", STR_ARG(run_id));
    ARENA_TRY(filter.ptr);
    json_out_str(&w, filter);
    json_kv_cstr(&w, "run_view_type", "ALL");
    json_kv_int(&w, "max_results", 1);
    json_object_end(&w);
    TRY(mirror_ask(m, "POST", "/api/2.0/mlflow/runs/search", &reply));
    run_of(json_at(json_get(reply, "runs"), 0), ret_run);
    return OK;
}

err mirror_run_need(struct mirror *m, str run_id, struct mirror_run *ret_run)
{
    struct own_run own;
    const struct json *reply;
    str experiment;
    *ret_run = (struct mirror_run){ .id = STR_NONE };
    TRY(own_run_read(m, run_id, &own));
    if (!own.is_found)
        return OK;
    TRY(mirror_experiment_need(m, own.experiment, &experiment));
    TRY(run_find(m, experiment, run_id, ret_run));
    if (ret_run->id.len)
        return OK;
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "experiment_id", experiment);
    json_kv_str(&w, "user_id", own.user);
    json_kv_str(&w, "run_name", own.name);
    json_kv_int(&w, "start_time", own.start_ms);
    json_key(&w, "tags");
    json_array_begin(&w);
    mirror_key_value(&w, MIRROR_TAG_RUN, run_id);
    mirror_key_value(&w, "mlflow.user", own.user);
    json_array_end(&w);
    json_object_end(&w);
    TRY(mirror_ask(m, "POST", "/api/2.0/mlflow/runs/create", &reply));
    run_of(json_get(reply, "run"), ret_run);
    if (!ret_run->id.len)
        return ERR(ERR_UPSTREAM, "%.80s made a run without an id", m->config->url);
    return OK;
}

/* ------------------------------------------------------------------ pages of what it logged */

struct page {
    struct mirror *m;
    str run_id, there;
    struct mirror_progress at; /* set to where the page ends */
    int64_t count;
};

static err texts_fn(struct store_read *rd, void *arg)
{
    struct page *p = arg;
    struct store_rows *rows;
    bool is_params = p->at.phase == PHASE_PARAMS;
    struct json_out w = mirror_body(p->m);
    str after = arena_str(&p->m->keep, str_of(p->at.path));
    p->count = 0;
    json_kv_str(&w, "run_id", p->there);
    json_key(&w, is_params ? "params" : "tags");
    json_array_begin(&w);
    TRY(store_query(rd,
                    is_params ? "SELECT key, value FROM params WHERE run_id = ?1 AND key > ?2"
                                " ORDER BY key LIMIT ?3"
                              : "SELECT key, value FROM tags WHERE run_id = ?1 AND key > ?2"
                                " ORDER BY key LIMIT ?3",
                    ARGS(sql_text(p->run_id), sql_text(after), sql_int(TEXTS_PAGE)), &rows));
    while (store_next(rows)) {
        str key = store_col_text(rows, 0);
        json_object_begin(&w);
        json_kv_str(&w, "key", key);
        json_kv_str(&w, "value", store_col_text(rows, 1));
        json_object_end(&w);
        snprintf(p->at.path, sizeof p->at.path, "%.*s", STR_ARG(key));
        p->count++;
    }
    json_array_end(&w);
    json_object_end(&w);
    return store_rows_close(rows);
}

static void write_point(struct json_out *w, str key, const struct mirror_progress *at)
{
    json_object_begin(w);
    json_kv_str(w, "key", key);
    if (at->is_nan)
        json_kv_cstr(w, "value", "NaN");
    else
        json_kv_real(w, "value", at->value);
    json_kv_int(w, "timestamp", at->ts_ms);
    json_kv_int(w, "step", at->step);
    json_object_end(w);
}

/* The key that is being sent, or the next one. */
static err key_fn(struct store_read *rd, struct page *p, str *ret_key)
{
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT metric_id, key FROM latest_metrics WHERE run_id = ?1"
                    " AND metric_id >= ?2 ORDER BY metric_id LIMIT 1",
                    ARGS(sql_text(p->run_id), sql_int(p->at.metric_id)), &rows));
    *ret_key = STR_NONE;
    if (store_next(rows)) {
        if (store_col_int(rows, 0) != p->at.metric_id)
            p->at.ts_ms = INT64_MIN;
        p->at.metric_id = store_col_int(rows, 0);
        *ret_key = store_col_text_keep(rows, 1, &p->m->keep);
    }
    return store_rows_close(rows);
}

/* Points of one key; an empty page moves on to the next key. count -1: there is none. */
static err points_fn(struct store_read *rd, void *arg)
{
    struct page *p = arg;
    struct mirror_progress *at = &p->at;
    struct store_rows *rows;
    str key;
    p->count = 0;
    TRY(key_fn(rd, p, &key));
    if (!key.ptr) {
        p->count = -1;
        return OK;
    }
    struct json_out w = mirror_body(p->m);
    json_kv_str(&w, "run_id", p->there);
    json_key(&w, "metrics");
    json_array_begin(&w);
    TRY(store_query(rd,
                    "SELECT ts_ms, step, value, is_nan FROM metrics WHERE metric_id = ?1"
                    " AND (ts_ms, step, value, is_nan) > (?2, ?3, ?4, ?5)"
                    " ORDER BY ts_ms, step, value, is_nan LIMIT ?6",
                    ARGS(sql_int(at->metric_id), sql_int(at->ts_ms), sql_int(at->step),
                         sql_real(at->value), sql_int(at->is_nan), sql_int(POINTS_PAGE)),
                    &rows));
    while (store_next(rows)) {
        at->ts_ms = store_col_int(rows, 0);
        at->step = store_col_int(rows, 1);
        at->value = store_col_real(rows, 2);
        at->is_nan = (int)store_col_int(rows, 3);
        write_point(&w, key, at);
        p->count++;
    }
    json_array_end(&w);
    json_object_end(&w);
    if (p->count < POINTS_PAGE) {
        at->metric_id++;
        at->ts_ms = INT64_MIN;
    }
    return store_rows_close(rows);
}

/* Sends page after page; what was sent is noted in progress. */
static err send_pages(struct page *p, store_read_fn fn, bool ends_empty)
{
    struct mirror_progress *progress = p->m->config->progress;
    do {
        p->at = *progress;
        TRY(store_read(p->m->config->store, fn, p));
        TRY(arena_check(&p->m->keep));
        if (p->count > 0)
            TRY(mirror_ask(p->m, "POST", "/api/2.0/mlflow/runs/log-batch", NULL));
        *progress = p->at;
    } while (ends_empty ? p->count > 0 : p->count >= 0);
    return OK;
}

/* ------------------------------------------------------------------ files */

err mirror_upload(struct mirror *m, const struct mirror_run *run, str path, str blob)
{
    static const str proxied = STR_INIT("mlflow-artifacts:/");
    struct blob_map map = { 0 };
    struct blob_id id;
    struct buf address;
    str root = str_sub(run->artifact_uri, proxied.len, run->artifact_uri.len);
    if (!str_starts(run->artifact_uri, proxied))
        return ERR(ERR_UNSUPPORTED, "the server keeps artifacts where only it can write");
    if (str_starts(root, STR("/"))) {
        root = str_sub(root, 1, root.len);
        str_split(&root, '/');
    }
    TRY(blob_id_parse(blob, &id));
    TRY(mirror_go_on(m));
    buf_init(&address, 8000);
    buf_add_cstr(&address, "/api/2.0/mlflow-artifacts/artifacts/");
    net_api_escape(&address, root, true);
    buf_add_char(&address, '/');
    net_api_escape(&address, path, true);
    err e = buf_check(&address);
    if (!e.code)
        e = blob_map(m->config->blobs, &id, &map);
    if (!e.code)
        e = net_api_put(m->api, address.ptr, str_from(map.bytes, map.count), m->batch->stop);
    blob_unmap(&map);
    buf_deinit(&address);
    return e;
}

struct next_file {
    const char *sql;
    struct store_args args;
    arena *keep;
    struct mirror_file *file;
};

static err next_file_fn(struct store_read *rd, void *arg)
{
    const struct next_file *f = arg;
    struct store_rows *rows;
    TRY(store_query(rd, f->sql, f->args, &rows));
    *f->file = (struct mirror_file){ .path = STR_NONE };
    if (store_next(rows)) {
        f->file->path = store_col_text_keep(rows, 0, f->keep);
        f->file->blob = store_col_text_keep(rows, 1, f->keep);
        f->file->bytes = store_col_int(rows, 2);
    }
    return store_rows_close(rows);
}

err mirror_next_file(struct mirror *m, const char *sql, struct store_args args,
                     struct mirror_file *ret_file)
{
    struct next_file f = { sql, args, &m->keep, ret_file };
    TRY(store_read(m->config->store, next_file_fn, &f));
    return arena_check(&m->keep);
}

static err send_files(struct page *p, const struct mirror_run *run)
{
    struct mirror *m = p->m;
    struct mirror_progress *progress = m->config->progress;
    while (m->config->artifact_bytes_max) {
        struct mirror_file f;
        TRY(mirror_next_file(m,
                             "SELECT path, blob, bytes FROM artifacts WHERE run_id = ?1"
                             " AND path > ?2 ORDER BY path LIMIT 1",
                             ARGS(sql_text(p->run_id), sql_cstr(progress->path)), &f));
        if (!f.path.len)
            break;
        err e = f.bytes <= m->config->artifact_bytes_max ? mirror_upload(m, run, f.path, f.blob)
                                                         : OK;
        if (e.code == ERR_UNSUPPORTED) /* nor any other */
            break;
        if (e.code != ERR_NOT_FOUND) /* deleted meanwhile */
            TRY(e);
        snprintf(progress->path, sizeof progress->path, "%.*s", STR_ARG(f.path));
    }
    return OK;
}

/* ------------------------------------------------------------------ all of it */

static err send_end(struct mirror *m, str run_id, const struct mirror_run *run)
{
    struct own_run own;
    TRY(own_run_read(m, run_id, &own));
    if (!own.is_found)
        return OK;
    struct json_out w = mirror_body(m);
    json_kv_str(&w, "run_id", run->id);
    json_kv_str(&w, "status", own.status);
    if (own.end_ms)
        json_kv_int(&w, "end_time", own.end_ms);
    json_kv_str(&w, "run_name", own.name);
    json_object_end(&w);
    return mirror_ask(m, "POST", "/api/2.0/mlflow/runs/update", NULL);
}

static void begin_phase(struct mirror_progress *at, int phase)
{
    at->phase = phase;
    at->path[0] = '\0';
}

err mirror_run_fill(struct mirror *m, str run_id, const struct mirror_run *run)
{
    struct mirror_progress *at = m->config->progress;
    struct page p = { .m = m, .run_id = run_id, .there = run->id };
    if (!str_eq(str_of(at->run_id), run_id)) {
        *at = (struct mirror_progress){ .ts_ms = INT64_MIN };
        snprintf(at->run_id, sizeof at->run_id, "%.*s", STR_ARG(run_id));
    }
    for (; at->phase < PHASE_END; begin_phase(at, at->phase + 1)) {
        if (at->phase == PHASE_METRICS)
            TRY(send_pages(&p, points_fn, false));
        else if (at->phase == PHASE_FILES)
            TRY(send_files(&p, run));
        else
            TRY(send_pages(&p, texts_fn, true));
    }
    TRY(mirror_run_models(m, run_id, run));
    TRY(send_end(m, run_id, run));
    /* Last: a dataset that is refused there is a dead letter, and the run is whole but for it. */
    TRY(mirror_run_inputs(m, run_id, run));
    *at = (struct mirror_progress){ .run_id = "" };
    return OK;
}
