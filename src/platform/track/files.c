/* SPDX-License-Identifier: GPL-3.0-or-later */
/* files.c -- storing, reading and deleting files by path; files_list.c lists them.
 *
 * Both tables order paths bytewise, so what is below "a/b" are the keys from "a/b/" up to "a/b0",
 * '0' being what follows '/': a range of the primary key, whatever else there is.
 */
#include "platform/track/files_internal.h"

#include "base/clock.h"

enum { LOCATION_ARENA_BYTES = 64 * 1024 };

/* ------------------------------------------------------------------ which table */

static bool is_run_id(str s)
{
    if (s.len != HEX_ID_BYTES - 1)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

/* Is there such a run, of an experiment whose files are below `location`? */
static err run_is_at(struct store_read *rd, str run_id, str location, bool *ret_is_there)
{
    struct store_rows *rows;
    arena scratch;
    str path;
    *ret_is_there = false;
    TRY(store_query(rd,
                    "SELECT e.artifact_location FROM runs r"
                    " JOIN experiments e ON e.experiment_id = r.experiment_id WHERE r.run_id = ?1",
                    ARGS(sql_text(run_id)), &rows));
    arena_init(&scratch, LOCATION_ARENA_BYTES);
    if (store_next(rows) && !files_uri_path(store_col_text(rows, 0), &scratch, &path).code)
        *ret_is_there = str_eq(path, location);
    err e = store_rows_close(rows);
    arena_deinit(&scratch);
    return e;
}

err files_place_find(struct store_read *rd, str path, struct files_place *ret_place)
{
    static const size_t root_len = sizeof "/artifacts" - 1;
    size_t at = 0;
    *ret_place = (struct files_place){ .path = path };
    while (at < path.len) {
        str rest = str_sub(path, at, path.len);
        str name = str_split(&rest, '/');
        size_t end = at + name.len;
        str behind = str_sub(path, end, path.len);
        bool is_there = false;
        if (is_run_id(name) &&
            (str_eq(behind, STR("/artifacts")) || str_starts(behind, STR("/artifacts/"))))
            TRY(run_is_at(rd, name, str_sub(path, 0, at ? at - 1 : 0), &is_there));
        if (is_there) {
            ret_place->run_id = name;
            ret_place->path = str_sub(behind, root_len + 1, behind.len);
            return OK;
        }
        at = end + 1;
    }
    return OK;
}

/* ------------------------------------------------------------------ one row, and below it */

static err row_find(struct store_read *rd, const struct files_place *p,
                    struct store_rows **ret_rows)
{
    if (p->run_id.len)
        return store_query(rd,
                           "SELECT blob, bytes, created_ms FROM artifacts"
                           " WHERE run_id = ?1 AND path = ?2",
                           ARGS(sql_text(p->run_id), sql_text(p->path)), ret_rows);
    return store_query(rd, "SELECT blob, bytes, created_ms FROM files WHERE path = ?1",
                       ARGS(sql_text(p->path)), ret_rows);
}

static err row_is_there(struct store_read *rd, const struct files_place *p, bool *ret_is_there)
{
    struct store_rows *rows;
    TRY(row_find(rd, p, &rows));
    *ret_is_there = store_next(rows);
    return store_rows_close(rows);
}

static err is_directory(struct store_read *rd, const struct files_place *p, arena *scratch,
                        bool *ret_is)
{
    struct store_rows *rows;
    str from = arena_fmt(scratch, "%.*s/", STR_ARG(p->path));
    str end = arena_fmt(scratch, "%.*s0", STR_ARG(p->path));
    TRY(arena_check(scratch));
    if (p->path.len == 0) { /* a run's root: always one */
        *ret_is = true;
        return OK;
    }
    if (p->run_id.len)
        TRY(store_query(rd,
                        "SELECT 1 FROM artifacts WHERE run_id = ?1 AND path >= ?2 AND path < ?3"
                        " LIMIT 1",
                        ARGS(sql_text(p->run_id), sql_text(from), sql_text(end)), &rows));
    else
        TRY(store_query(rd, "SELECT 1 FROM files WHERE path >= ?1 AND path < ?2 LIMIT 1",
                        ARGS(sql_text(from), sql_text(end)), &rows));
    *ret_is = store_next(rows);
    return store_rows_close(rows);
}

static err is_a_directory(str path)
{
    return ERR(ERR_INVALID, "Artifact path refers to a directory, not a file: '%.*s'",
               STR_ARG(path));
}

/* ------------------------------------------------------------------ put */

struct put {
    str path;
    const struct blob_info *blob;
    arena scratch;
};

/* No part of the path before the last may be a file. */
static err check_above(struct store_read *rd, const struct files_place *p)
{
    for (size_t i = 0; i < p->path.len; i++) {
        bool is_file = false;
        struct files_place above = { p->run_id, str_sub(p->path, 0, i) };
        if (p->path.ptr[i] == '/')
            TRY(row_is_there(rd, &above, &is_file));
        if (is_file)
            return ERR(ERR_INVALID, "Invalid path: '%.*s' is a file, and nothing can be below it",
                       STR_ARG(above.path));
    }
    return OK;
}

static err put_fn(struct store_tx *tx, void *arg)
{
    struct put *put = arg;
    struct files_place p;
    bool is_taken;
    TRY(files_place_find(store_tx_read(tx), put->path, &p));
    TRY(is_directory(store_tx_read(tx), &p, &put->scratch, &is_taken));
    if (is_taken)
        return is_a_directory(put->path);
    TRY(check_above(store_tx_read(tx), &p));
    struct store_value path = sql_text(p.path), blob = sql_cstr(put->blob->id.hex),
                       bytes = sql_int(put->blob->bytes), now = sql_int(clock_wall_ms());
    if (p.run_id.len)
        return store_exec(tx,
                          "INSERT INTO artifacts (path, blob, bytes, created_ms, run_id)"
                          " VALUES (?1, ?2, ?3, ?4, ?5)"
                          " ON CONFLICT (run_id, path) DO UPDATE SET blob = excluded.blob,"
                          " bytes = excluded.bytes, created_ms = excluded.created_ms",
                          ARGS(path, blob, bytes, now, sql_text(p.run_id)), NULL);
    return store_exec(tx,
                      "INSERT INTO files (path, blob, bytes, created_ms)"
                      " VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT (path) DO UPDATE SET blob = excluded.blob,"
                      " bytes = excluded.bytes, created_ms = excluded.created_ms",
                      ARGS(path, blob, bytes, now), NULL);
}

err files_put(struct track *t, str path, const struct blob_info *blob)
{
    struct put put = { .path = path, .blob = blob };
    if (path.len == 0)
        return ERR(ERR_INVALID, "Invalid path: it is empty");
    arena_init(&put.scratch, LOCATION_ARENA_BYTES);
    err e = store_write(t->store, put_fn, &put);
    arena_deinit(&put.scratch);
    if (e.code)
        return e;
    metric_add(TRACK_CELL(t->metrics, TRACK_M_ARTIFACT_BYTES, STR("client")), (double)blob->bytes);
    return OK;
}

/* ------------------------------------------------------------------ get */

struct get {
    str path;
    arena *keep;
    struct file_info info;
    bool found, is_directory;
};

static err get_fn(struct store_read *rd, void *arg)
{
    struct get *get = arg;
    struct files_place p;
    struct store_rows *rows;
    TRY(files_place_find(rd, get->path, &p));
    TRY(row_find(rd, &p, &rows));
    get->found = store_next(rows);
    get->info = (struct file_info){ .path = get->path };
    err e = OK;
    if (get->found) {
        e = blob_id_parse(store_col_text(rows, 0), &get->info.blob);
        get->info.bytes = store_col_int(rows, 1);
        get->info.created_ms = store_col_int(rows, 2);
    }
    TRY(err_first(e, store_rows_close(rows)));
    return get->found ? OK : is_directory(rd, &p, get->keep, &get->is_directory);
}

err files_get(struct track *t, str path, arena *keep, struct file_info *ret_info)
{
    struct get get = { .path = path, .keep = keep };
    TRY(store_read(t->store, get_fn, &get));
    if (!get.found && get.is_directory)
        return is_a_directory(path);
    if (!get.found)
        return ERR(ERR_NOT_FOUND, "No such artifact: '%.*s'", STR_ARG(path));
    *ret_info = get.info;
    return OK;
}

/* ------------------------------------------------------------------ delete */

struct removal {
    str path, from, end; /* from, end: around what is below, as whole paths */
    int64_t count;
};

/* The part of `text`, which begins like the asked path, that counts in the table. */
static str in_place(str text, str asked, const struct files_place *p)
{
    return str_sub(text, asked.len - p->path.len, text.len);
}

static err delete_fn(struct store_tx *tx, void *arg)
{
    struct removal *r = arg;
    struct files_place p;
    TRY(files_place_find(store_tx_read(tx), r->path, &p));
    struct store_value from = sql_text(in_place(r->from, r->path, &p)),
                       end = sql_text(in_place(r->end, r->path, &p)), path = sql_text(p.path);
    if (p.run_id.len && p.path.len == 0)
        return store_exec(tx, "DELETE FROM artifacts WHERE run_id = ?1", ARGS(sql_text(p.run_id)),
                          &r->count);
    if (p.run_id.len)
        return store_exec(tx,
                          "DELETE FROM artifacts WHERE run_id = ?1"
                          " AND (path = ?2 OR (path >= ?3 AND path < ?4))",
                          ARGS(sql_text(p.run_id), path, from, end), &r->count);
    return store_exec(tx, "DELETE FROM files WHERE path = ?1 OR (path >= ?2 AND path < ?3)",
                      ARGS(path, from, end), &r->count);
}

err files_delete(struct track *t, str path, int64_t *ret_count)
{
    arena scratch;
    if (path.len == 0)
        return ERR(ERR_INVALID, "Invalid path: it is empty");
    arena_init(&scratch, LOCATION_ARENA_BYTES);
    struct removal r = { .path = path,
                         .from = arena_fmt(&scratch, "%.*s/", STR_ARG(path)),
                         .end = arena_fmt(&scratch, "%.*s0", STR_ARG(path)) };
    err e = arena_check(&scratch);
    if (!e.code)
        e = store_write(t->store, delete_fn, &r);
    arena_deinit(&scratch);
    if (!e.code)
        *ret_count = r.count;
    return e;
}
