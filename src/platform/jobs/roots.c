/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roots.c -- blobs that jobs wait for. Who starts a job for bytes of a client puts them first and
 * names them in the payload, as the member "blob". The pin of that put is gone with its process,
 * and the job is not: until it is over its row speaks for the bytes. */
#include "platform/jobs/jobs_internal.h"

#include "base/json.h"

static err mark_one(str payload, blob_mark_fn mark, void *mark_arg)
{
    const struct json *root = NULL;
    struct blob_id id;
    arena keep;
    if (!str_contains(payload, STR("\"blob\"")))
        return OK;
    arena_init(&keep, 4 * JOB_PAYLOAD_MAX);
    err e = json_parse(&keep, payload, &root);
    if (!e.code && !blob_id_parse(json_str(json_get(root, "blob"), STR_NONE), &id).code)
        e = mark(mark_arg, &id);
    arena_deinit(&keep);
    return e;
}

struct roots {
    blob_mark_fn mark;
    void *mark_arg;
};

static err mark_all(struct store_read *rd, void *arg)
{
    const struct roots *r = arg;
    struct store_rows *rows;
    err e = OK;
    TRY(store_query(rd,
                    "SELECT payload FROM jobs"
                    " WHERE state IN ('waiting', 'queued', 'running', 'paused')",
                    NO_ARGS, &rows));
    while (!e.code && store_next(rows))
        e = mark_one(store_col_text(rows, 0), r->mark, r->mark_arg);
    return err_first(e, store_rows_close(rows));
}

err jobs_roots_in(struct store *s, blob_mark_fn mark, void *mark_arg)
{
    struct roots r = { mark, mark_arg };
    return store_read(s, mark_all, &r);
}
