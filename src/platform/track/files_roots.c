/* SPDX-License-Identifier: GPL-3.0-or-later */
/* files_roots.c -- where runs, logged models, traces and model versions have their files. */
#include "platform/track/files_internal.h"
#include "platform/track/registry.h"

/* A source that names a version that names a version ...: more is a circle. */
enum { HOPS_MAX = 8 };

struct root {
    str key;
    arena *keep;
    str uri; /* empty: there is none */
    const char *sql;
};

static err root_fn(struct store_read *rd, void *arg)
{
    struct root *r = arg;
    struct store_rows *rows;
    r->uri = STR_NONE;
    TRY(store_query(rd, r->sql, ARGS(sql_text(r->key)), &rows));
    if (store_next(rows))
        r->uri = store_col_text_keep(rows, 0, r->keep);
    TRY(store_rows_close(rows));
    return arena_check(r->keep);
}

err files_root_of_run(struct track *t, str run_id, arena *keep, str *ret_uri)
{
    struct root r = { .key = run_id,
                      .keep = keep,
                      .sql = "SELECT e.artifact_location || CASE WHEN substr(e.artifact_location,"
                             " length(e.artifact_location), 1) = '/' THEN '' ELSE '/' END ||"
                             " r.run_id || '/artifacts' FROM runs r JOIN experiments e ON "
                             "e.experiment_id = r.experiment_id"
                             " WHERE r.run_id = ?1" };
    TRY(store_read(t->store, root_fn, &r));
    if (r.uri.len == 0)
        return ERR(ERR_NOT_FOUND, "Run with id=%.*s not found", STR_ARG(run_id));
    *ret_uri = r.uri;
    return OK;
}

err files_root_of_logged_model(struct track *t, str model_id, arena *keep, str *ret_uri)
{
    struct root r = { .key = model_id,
                      .keep = keep,
                      .sql = "SELECT artifact_location FROM logged_models WHERE model_id = ?1" };
    TRY(store_read(t->store, root_fn, &r));
    if (r.uri.len == 0)
        return ERR(ERR_NOT_FOUND, "Logged model with ID '%.*s' not found.", STR_ARG(model_id));
    *ret_uri = r.uri;
    return OK;
}

err files_root_of_trace(struct track *t, str trace_id, arena *keep, str *ret_uri)
{
    struct root r = {
        .key = trace_id,
        .keep = keep,
        .sql = "SELECT COALESCE(tag.value, e.artifact_location || '/traces/' || t.trace_id ||"
               " '/artifacts') FROM traces t JOIN experiments e ON e.experiment_id ="
               " t.experiment_id LEFT JOIN trace_tags tag ON tag.trace = t.id"
               " AND tag.key = 'mlflow.artifactLocation' WHERE t.trace_id = ?1"
    };
    TRY(store_read(t->store, root_fn, &r));
    if (r.uri.len == 0)
        return ERR(ERR_NOT_FOUND, "Trace with ID '%.*s' not found.", STR_ARG(trace_id));
    *ret_uri = r.uri;
    return OK;
}

/* ------------------------------------------------------------------ versions */

/* "runs:/<run id>/<path>" */
static err follow_run(struct track *t, str rest, arena *keep, str *ret_uri)
{
    str root, run_id = str_split(&rest, '/');
    TRY(files_root_of_run(t, run_id, keep, &root));
    *ret_uri = rest.len ? arena_fmt(keep, "%.*s/%.*s", STR_ARG(root), STR_ARG(rest)) : root;
    ARENA_TRY(ret_uri->ptr);
    return OK;
}

err files_root_of_version(struct track *t, str name, str version, arena *keep, str *ret_uri)
{
    struct registry_version *v;
    for (int hop = 0; hop < HOPS_MAX; hop++) {
        int64_t number = 0;
        if (str_to_i64(version, &number).code)
            return ERR(ERR_NOT_FOUND, "Model Version (name=%.*s, version=%.*s) not found",
                       STR_ARG(str_sub(name, 0, 100)), STR_ARG(str_sub(version, 0, 50)));
        TRY(registry_version_get(t, name, number, keep, &v));
        if (str_starts(v->source, STR("sha256:")))
            return ERR(ERR_INVALID,
                       "version %lld of model '%.*s' was made by this server and is no artifact of "
                       "a run: its bytes are at %.*s, see 'skerry blob-url'",
                       (long long)number, STR_ARG(str_sub(name, 0, 50)), STR_ARG(v->source));
        str uri = v->location.len ? v->location : v->source, rest = uri;
        if (str_starts(rest, STR("runs:/")))
            return follow_run(t, str_sub(rest, 6, rest.len), keep, ret_uri);
        if (!str_starts(rest, STR("models:/"))) {
            *ret_uri = uri;
            return OK;
        }
        rest = str_sub(rest, 8, rest.len);
        if (str_starts(rest, STR("m-")) && str_find_char(rest, '/') < 0)
            return files_root_of_logged_model(t, rest, keep, ret_uri);
        name = str_split(&rest, '/');
        version = rest;
    }
    return ERR(ERR_INVALID, "model version %.*s/%.*s: its source names versions in a circle",
               STR_ARG(name), STR_ARG(version));
}
