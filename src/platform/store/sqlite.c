/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SQLite as a store: one file, one connection that writes, a few that read. This file joins the
 * parts and does what concerns the file as a whole: create, check, measure, copy.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/store/sqlite.h"

struct sqlite_engine {
    char path[FS_PATH_BYTES];
    struct sqlite_writer *writer;
    struct sqlite_readers *readers;
};

/* ------------------------------------------------------------------ open, close */

static err folder_of(const char *path, char out[FS_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    int len = slash == path ? 1 : slash ? (int)(slash - path) : 0;
    if (snprintf(out, FS_PATH_BYTES, "%.*s", len ? len : 1, len ? path : ".") >= FS_PATH_BYTES)
        return ERR(ERR_TOO_BIG, "the path of the store is longer than %d bytes", FS_PATH_BYTES - 1);
    return OK;
}

/* Makes an empty file that others cannot read; SQLite gives the log the same mode. */
static err create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd >= 0) {
        close(fd);
        return OK;
    }
    return errno == EEXIST ? OK : ERR_SYS("creating store '%s'", path);
}

static void engine_close(void *engine)
{
    struct sqlite_engine *s = engine;
    if (!s)
        return;
    /* Readers first: the last connection to close cleans up the log, and a reader may not. */
    sqlite_readers_close(s->readers);
    sqlite_writer_close(s->writer);
    free(s);
}

static err engine_open(const struct store_options *options, const char *location, void **ret_engine)
{
    char folder[FS_PATH_BYTES];
    if (!location[0] || strlen(location) >= FS_PATH_BYTES - 8)
        return ERR(ERR_INVALID, "opening a store: 'sqlite:' wants the path of a file, got '%.80s'",
                   location);
    struct sqlite_engine *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "opening store '%s': out of memory", location);
    snprintf(s->path, sizeof s->path, "%s", location);

    struct sqlite_conn *conn = NULL;
    err e = folder_of(s->path, folder);
    if (!e.code)
        e = fs_mkdirs(folder);
    if (!e.code)
        e = create_file(s->path);
    if (!e.code)
        e = sqlite_conn_open(s->path, SQLITE_ROLE_WRITER, &conn);
    if (!e.code)
        e = sqlite_writer_open(options, conn, &s->writer);
    if (!e.code)
        e = sqlite_readers_open(s->path, options->readers_max, &s->readers);
    if (!e.code)
        e = fs_sync_dir(folder);
    if (e.code) {
        engine_close(s);
        return e;
    }
    *ret_engine = s;
    return OK;
}

/* ------------------------------------------------------------------ transactions */

static err engine_write(void *engine, store_write_fn fn, void *arg)
{
    struct sqlite_engine *s = engine;
    if (sqlite_writer_is_me(s->writer))
        return ERR(ERR_INTERNAL, "store_write inside a write would wait for itself (use its tx, or "
                                 "store_write_later)");
    if (sqlite_readers_has_me(s->readers))
        return ERR(ERR_INTERNAL, "store_write inside a read would hold its snapshot while it waits "
                                 "(end the read first)");
    return sqlite_writer_run(s->writer, fn, arg);
}

static err engine_write_later(void *engine, store_write_fn fn, void *arg, void (*done)(void *, err))
{
    struct sqlite_engine *s = engine;
    return sqlite_writer_later(s->writer, fn, arg, done);
}

static err engine_read(void *engine, store_read_fn fn, void *arg)
{
    struct sqlite_engine *s = engine;
    if (sqlite_writer_is_me(s->writer))
        return ERR(ERR_INTERNAL,
                   "store_read on the writer thread would not see the write (use store_tx_read)");
    return sqlite_readers_run(s->readers, fn, arg);
}

static err engine_listen(void *engine, const char *topic,
                         void (*heard)(void *arg, const char *topic), void *arg)
{
    struct sqlite_engine *s = engine;
    sqlite_writer_listen(s->writer, heard, arg);
    return OK;
}

/* ------------------------------------------------------------------ the file */

static const char *engine_version(void *engine)
{
    return sqlite3_libversion();
}

static err engine_check(void *engine)
{
    struct sqlite_engine *s = engine;
    struct sqlite_conn *c = NULL;
    char finding[160];
    TRY(sqlite_conn_open(s->path, SQLITE_ROLE_READER, &c));
    err e = sqlite_conn_pragma(c, "PRAGMA integrity_check(1)", finding, sizeof finding);
    if (!e.code && strcmp(finding, "ok") != 0)
        e = ERR(ERR_CORRUPT, "the store '%s' is damaged: %s (put a backup in its place)", s->path,
                finding);
    if (!e.code)
        e = sqlite_conn_pragma(c, "PRAGMA foreign_key_check", finding, sizeof finding);
    if (!e.code && finding[0])
        e = ERR(ERR_CORRUPT, "the store '%s' is damaged: a row of table %s refers to a missing row",
                s->path, finding);
    sqlite_conn_close(c);
    return e;
}

static err engine_size(void *engine, int64_t *ret_bytes)
{
    struct sqlite_engine *s = engine;
    char wal[FS_PATH_BYTES + 8];
    int64_t bytes = 0, wal_bytes = 0;
    snprintf(wal, sizeof wal, "%s-wal", s->path);
    TRY(fs_size(s->path, &bytes));
    err e = fs_size(wal, &wal_bytes);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    *ret_bytes = bytes + wal_bytes;
    return OK;
}

static err pragma_number(struct sqlite_conn *c, const char *sql, int64_t *ret_number)
{
    char text[32];
    TRY(sqlite_conn_pragma(c, sql, text, sizeof text));
    return str_to_i64(str_of(text), ret_number);
}

static err engine_spare(void *engine, int64_t *ret_bytes)
{
    struct sqlite_engine *s = engine;
    struct sqlite_conn *c = NULL;
    int64_t pages = 0, page_bytes = 0;
    TRY(sqlite_conn_open(s->path, SQLITE_ROLE_READER, &c));
    err e = pragma_number(c, "PRAGMA freelist_count", &pages);
    if (!e.code)
        e = pragma_number(c, "PRAGMA page_size", &page_bytes);
    sqlite_conn_close(c);
    if (!e.code)
        *ret_bytes = pages * page_bytes;
    return e;
}

/* Copies all pages in one step, which is one snapshot, into a file that nobody uses yet. */
static err copy_pages(struct sqlite_conn *from, const char *path)
{
    err e = OK;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    /* No journal and no syncs: the file becomes a backup only after it was synced as a whole. */
    if (!rc)
        rc = sqlite3_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL);
    sqlite3_backup *backup = rc ? NULL : sqlite3_backup_init(db, "main", from->db, "main");
    if (backup) {
        sqlite3_backup_step(backup, -1);
        rc = sqlite3_backup_finish(backup);
    } else if (!rc) {
        rc = sqlite3_errcode(db);
    }
    if (rc)
        e = ERR((rc & 0xFF) == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO, "copying the store to '%s': %s",
                path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return e;
}

static err sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("syncing '%s'", path);
    err e = fsync(fd) != 0 ? ERR_SYS("syncing '%s'", path) : OK;
    close(fd);
    return e;
}

static err engine_backup(void *engine, const char *path)
{
    struct sqlite_engine *s = engine;
    char part[FS_PATH_BYTES], folder[FS_PATH_BYTES];
    if (fs_exists(path))
        return ERR(ERR_CONFLICT,
                   "backing up the store to '%s': the file exists (choose a new name)", path);
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return ERR(ERR_TOO_BIG, "backing up the store: the path is longer than %d bytes",
                   FS_PATH_BYTES - 6);
    TRY(folder_of(path, folder));

    struct sqlite_conn *from = NULL;
    if (unlink(part) != 0 && errno != ENOENT)
        return ERR_SYS("backing up the store: removing '%s'", part);
    err e = create_file(part);
    if (!e.code)
        e = sqlite_conn_open(s->path, SQLITE_ROLE_READER, &from);
    if (!e.code)
        e = copy_pages(from, part);
    sqlite_conn_close(from);
    if (!e.code)
        e = sync_file(part);
    if (!e.code && rename(part, path) != 0)
        e = ERR_SYS("backing up the store: renaming '%s' to '%s'", part, path);
    if (!e.code)
        return fs_sync_dir(folder);
    unlink(part);
    return e;
}

const struct store_backend store_backend_sqlite = {
    .scheme = "sqlite",
    .open = engine_open,
    .close = engine_close,
    .write = engine_write,
    .write_claim = engine_write, /* there is one writer: nobody else takes the row */
    .write_later = engine_write_later,
    .read = engine_read,
    .exec = sqlite_exec,
    .exec_script = sqlite_exec_script,
    .query = sqlite_query,
    .next = sqlite_next,
    .rows_close = sqlite_rows_close,
    .col_is_null = sqlite_col_is_null,
    .col_int = sqlite_col_int,
    .col_real = sqlite_col_real,
    .col_bytes = sqlite_col_bytes,
    .bulk_begin = sqlite_bulk_begin,
    .bulk_row = sqlite_bulk_row,
    .bulk_end = sqlite_bulk_end,
    .notify = sqlite_notify,
    .listen = engine_listen,
    .catalog = sqlite_catalog,
    .check = engine_check,
    .size = engine_size,
    .spare = engine_spare,
    .backup = engine_backup,
    .version = engine_version,
};
