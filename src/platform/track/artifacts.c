/* SPDX-License-Identifier: GPL-3.0-or-later */
/* artifacts.c -- the files a run leaves: a path in the run, and a blob that holds the bytes.
 *
 * First the blob is put (synced, pinned), then the row that refers to it is committed, then the pin
 * is taken off: at no moment is there a row without its bytes, or bytes that collection could take.
 */
#include "platform/track/track_internal.h"

#include "base/clock.h"

struct artifact_write {
    const char *run_id;
    str path;
    const struct blob_info *blob;
};

static err artifact_tx(struct store_tx *tx, void *arg)
{
    const struct artifact_write *w = arg;
    return store_exec(tx,
                      "INSERT INTO artifacts (run_id, path, blob, bytes, created_ms)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)"
                      " ON CONFLICT (run_id, path) DO UPDATE SET blob = excluded.blob,"
                      " bytes = excluded.bytes, created_ms = excluded.created_ms",
                      ARGS(sql_cstr(w->run_id), sql_text(w->path), sql_cstr(w->blob->id.hex),
                           sql_int(w->blob->bytes), sql_int(clock_wall_ms())),
                      NULL);
}

static err artifact_store(struct run *r, const char *path, const struct blob_info *blob)
{
    struct artifact_write w = { r->id, str_of(path), blob };
    err e = track_check_path(w.path);
    if (!e.code)
        e = job_write(r->job, r->track->store, artifact_tx, &w);
    if (e.code)
        return err_wrap(e, "storing artifact '%s' of run %s", path, r->id);
    metric_add(TRACK_CELL(r->track->metrics, TRACK_M_ARTIFACT_BYTES, str_of(r->component)),
               (double)blob->bytes);
    RUN_LOG(r, LOG_DEBUG, "run.artifact", NULL, F_STR("path", w.path), F_INT("bytes", blob->bytes));
    return OK;
}

err run_artifact(struct run *r, const char *path, str bytes)
{
    struct blob_info blob;
    TRY(track_check_path(str_of(path)));
    TRY(blob_put(r->track->blobs, bytes, &blob));
    err e = artifact_store(r, path, &blob);
    blob_unpin(r->track->blobs, &blob.id);
    return e;
}

err run_artifact_file(struct run *r, const char *path, const char *file)
{
    struct blob_info blob;
    TRY(track_check_path(str_of(path)));
    TRY(blob_put_file(r->track->blobs, file, &blob));
    err e = artifact_store(r, path, &blob);
    blob_unpin(r->track->blobs, &blob.id);
    return e;
}

err run_artifact_blob(struct run *r, const char *path, const struct blob_info *blob)
{
    TRY(artifact_store(r, path, blob));
    blob_unpin(r->track->blobs, &blob->id);
    return OK;
}

err run_artifact_read(struct run *r, const char *path, arena *keep, size_t bytes_max,
                      str *ret_bytes)
{
    struct artifact_info info;
    TRY(track_artifact_get(r->track, str_of(r->id), str_of(path), keep, &info));
    return blob_get(r->track->blobs, &info.blob, keep, bytes_max, ret_bytes);
}

/* ------------------------------------------------------------------ reading */

struct artifact_read {
    str run_id, path; /* path empty: all */
    arena *keep;
    struct artifact_info *infos;
    size_t count;
};

static err artifact_row(struct store_rows *rows, arena *keep, struct artifact_info *ret_info)
{
    struct artifact_info info = {
        .path = store_col_text_keep(rows, 0, keep),
        .bytes = store_col_int(rows, 2),
        .created_ms = store_col_int(rows, 3),
    };
    TRY(blob_id_parse(store_col_text(rows, 1), &info.blob));
    *ret_info = info;
    return OK;
}

/* Room for `count` plus one: doubled when full, the old half stays in the arena. */
static err artifact_room(struct artifact_read *a, size_t *room)
{
    if (a->count < *room)
        return OK;
    size_t more = *room ? *room * 2 : 16;
    struct artifact_info *grown = NEW_ARRAY(a->keep, struct artifact_info, more);
    ARENA_TRY(grown);
    for (size_t i = 0; i < a->count; i++)
        grown[i] = a->infos[i];
    a->infos = grown;
    *room = more;
    return OK;
}

static err artifact_read_fn(struct store_read *rd, void *arg)
{
    struct artifact_read *a = arg;
    struct store_rows *rows;
    size_t room = 0;

    a->count = 0;
    if (a->path.len)
        TRY(store_query(rd,
                        "SELECT path, blob, bytes, created_ms FROM artifacts"
                        " WHERE run_id = ?1 AND path = ?2",
                        ARGS(sql_text(a->run_id), sql_text(a->path)), &rows));
    else
        TRY(store_query(rd,
                        "SELECT path, blob, bytes, created_ms FROM artifacts"
                        " WHERE run_id = ?1 ORDER BY path",
                        ARGS(sql_text(a->run_id)), &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        e = artifact_room(a, &room);
        if (!e.code)
            e = artifact_row(rows, a->keep, &a->infos[a->count]);
        if (!e.code)
            a->count++;
    }
    e = err_first(e, store_rows_close(rows));
    return err_first(e, arena_check(a->keep));
}

err track_artifact_list(struct track *t, str run_id, arena *keep, struct artifact_info **ret_infos,
                        size_t *ret_count)
{
    struct artifact_read a = { .run_id = run_id, .keep = keep };
    TRY(store_read(t->store, artifact_read_fn, &a));
    *ret_infos = a.infos;
    *ret_count = a.count;
    return OK;
}

err track_artifact_get(struct track *t, str run_id, str path, arena *keep,
                       struct artifact_info *ret_info)
{
    TRY(track_check_path(path));
    struct artifact_read a = { .run_id = run_id, .path = path, .keep = keep };
    TRY(store_read(t->store, artifact_read_fn, &a));
    if (a.count == 0)
        return ERR(ERR_NOT_FOUND, "run %.*s has no artifact '%.*s'", STR_ARG(run_id),
                   STR_ARG(path));
    *ret_info = a.infos[0];
    return OK;
}
