/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection: how it is configured, how it begins and ends transactions, what its errors mean.
 * LIKE minds case, as in PostgreSQL.
 *
 * Settings that matter: write-ahead log, so that readers and the writer never wait for each other;
 * synchronous=FULL, so that a commit that returned is on the disk; foreign keys. An authorizer
 * refuses what store.h leaves out of the SQL subset and what would pull a transaction from under
 * us: BEGIN, COMMIT, SAVEPOINT, PRAGMA, ATTACH.
 */
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/store/sqlite.h"
#include "platform/store/sqlite_undo.h"

enum {
    /* Readers are many and mostly look rows up by key; the writer touches the same few hot pages.
     * The operating system caches the file anyway: a miss here is a copy, not a disk access. */
    READER_CACHE_KIB = 512,
    WRITER_CACHE_KIB = 2048,
    /* Random keys touch every page of their index in each batch: below this they are written more
     * than once per commit (bench/store_bench.c); above it an import of any size needs more than
     * 64 MiB in all. */
    BULK_CACHE_KIB = 16384,
    READER_STATEMENTS_MAX = 48,
    WRITER_STATEMENTS_MAX = 128,
    /* The log file is cut back to this after it has been copied into the main file. */
    WAL_KEEP_BYTES = 16 << 20,
    /* Larger values belong into the blob store. */
    VALUE_BYTES_MAX = 64 << 20,
    SQL_BYTES_MAX = 1 << 20,
};

/* "SKRY" in the header of the file: tells our files from those of other programs. */
#define APPLICATION_ID "1397445209"

static const char *const control_sql[CONTROL_COUNT] = {
    [CONTROL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [CONTROL_BEGIN_READ] = "BEGIN",
    [CONTROL_COMMIT] = "COMMIT",
    [CONTROL_ROLLBACK] = "ROLLBACK",
    [CONTROL_SAVEPOINT] = "SAVEPOINT one",
    [CONTROL_RELEASE] = "RELEASE one",
    [CONTROL_ROLLBACK_TO] = "ROLLBACK TO one",
};

/* ------------------------------------------------------------------ errors */

/* SQLite reports why the system refused on some paths; on others, a failed COMMIT among them, only
 * errno tells. sqlite_step clears it first. */
static int system_reason(const struct sqlite_conn *c, int rc, int saved_errno)
{
    if ((rc & 0xFF) != SQLITE_IOERR && (rc & 0xFF) != SQLITE_CANTOPEN)
        return 0;
    int reason = c->db ? sqlite3_system_errno(c->db) : 0;
    return reason ? reason : saved_errno;
}

int sqlite_step(sqlite3_stmt *stmt)
{
    errno = 0;
    return sqlite3_step(stmt);
}

static enum err_code code_of(const struct sqlite_conn *c, int rc, int reason)
{
    switch (rc & 0xFF) {
    case SQLITE_CONSTRAINT:
        /* A missing or mistyped value is wrong input, not a clash with what is stored. */
        if (rc == SQLITE_CONSTRAINT_NOTNULL || rc == SQLITE_CONSTRAINT_DATATYPE)
            return ERR_INVALID;
        return ERR_CONFLICT;
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return ERR_NO_MEMORY;
        return reason == ENOSPC || reason == EDQUOT || reason == EFBIG ? ERR_NO_SPACE : ERR_IO;
    case SQLITE_CANTOPEN:
        return reason == ENOSPC || reason == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_TOOBIG:
        return ERR_TOO_BIG;
    case SQLITE_READONLY:
        return c->role == SQLITE_ROLE_READER ? ERR_INTERNAL : ERR_IO;
    default:
        return ERR_INTERNAL;
    }
}

err sqlite_error(struct sqlite_conn *c, int rc, const char *doing, const char *sql)
{
    int reason = system_reason(c, rc, errno);
    enum err_code code = code_of(c, rc, reason);
    const char *text = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
    switch ((int)code) {
    case ERR_CORRUPT:
        return ERR(
            code,
            "%s: the store '%s' is damaged: %s (stop the server, keep a copy of the file, and "
            "put a backup in its place)",
            doing, c->path, text);
    case ERR_NO_SPACE:
        return ERR(code,
                   "%s: no room on the disk of '%s' (nothing was changed; make room, try again)",
                   doing, c->path);
    case ERR_IO:
        if (access(c->path, W_OK) != 0 && errno == EROFS) /* SQLite says that there is no file */
            return ERR(code, "%s: the disk of '%s' is read-only (make it writable, try again)",
                       doing, c->path);
        return ERR(code, "%s: store '%s': %s%s%s", doing, c->path, text, reason ? ": " : "",
                   reason ? strerrordesc_np(reason) : "");
    case ERR_TOO_BIG: /* of what somebody asked for: no business of the SQL */
        return ERR(code, "%s: %s", doing, text);
    default:
        return ERR(code, "%s: %s%s%.80s", doing, text, sql ? ": " : "", sql ? sql : "");
    }
}

/* ------------------------------------------------------------------ open, close */

/* Called while a statement is prepared. FTS5 asks for data_version on its own account. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *database,
                     const char *trigger)
{
    const struct sqlite_conn *c = arg;
    if (c->trusted)
        return SQLITE_OK;
    if (action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT || action == SQLITE_ATTACH ||
        action == SQLITE_DETACH)
        return SQLITE_DENY;
    if (action == SQLITE_PRAGMA && strcmp(a, "data_version") != 0)
        return SQLITE_DENY;
    return SQLITE_OK;
}

static int after_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_conn *c = arg;
    c->wal_pages = pages;
    return SQLITE_OK;
}

static err run_trusted(struct sqlite_conn *c, const char *sql)
{
    c->trusted = true;
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    c->trusted = false;
    if (rc)
        return sqlite_error(c, rc, "setting up a connection", sql);
    return OK;
}

err sqlite_conn_pragma(struct sqlite_conn *c, const char *sql, char *out, size_t out_bytes)
{
    sqlite3_stmt *stmt = NULL;
    c->trusted = true;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (!rc)
        rc = sqlite3_step(stmt);
    c->trusted = false;
    err e = OK;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (text)
        snprintf(out, out_bytes, "%s", text);
    else if (rc == SQLITE_ROW) /* no pragma answers NULL */
        e = sqlite_error(c, SQLITE_NOMEM, "reading", sql);
    else if (rc == SQLITE_DONE)
        out[0] = '\0';
    else
        e = sqlite_error(c, rc, "reading", sql);
    sqlite3_finalize(stmt);
    return e;
}

/* Marks a new file as ours; refuses another program's, before anything in it is changed. */
static err claim_file(struct sqlite_conn *c)
{
    char id[24], tables[24];
    TRY(sqlite_conn_pragma(c, "PRAGMA application_id", id, sizeof id));
    TRY(sqlite_conn_pragma(c, "SELECT count(*) FROM sqlite_schema", tables, sizeof tables));
    if (strcmp(id, APPLICATION_ID) == 0)
        return OK;
    if (strcmp(id, "0") != 0 || strcmp(tables, "0") != 0)
        return ERR(ERR_CONFLICT,
                   "opening store '%s': this is an SQLite file of another program (choose another "
                   "path)",
                   c->path);
    return run_trusted(c, "PRAGMA application_id=" APPLICATION_ID);
}

static err configure(struct sqlite_conn *c)
{
    sqlite3_busy_timeout(c->db, SQLITE_CONN_BUSY_MS);
    sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    sqlite3_limit(c->db, SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX);
    sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);

    char sql[320];
    if (c->role == SQLITE_ROLE_READER) {
        snprintf(sql, sizeof sql,
                 "PRAGMA query_only=1; PRAGMA cell_size_check=1; PRAGMA case_sensitive_like=1;"
                 "PRAGMA cache_size=-%d",
                 READER_CACHE_KIB);
        return run_trusted(c, sql);
    }
    TRY(claim_file(c));
    char mode[16];
    TRY(sqlite_conn_pragma(c, "PRAGMA journal_mode=WAL", mode, sizeof mode));
    if (strcmp(mode, "wal") != 0)
        return ERR(ERR_UNSUPPORTED,
                   "opening store '%s': its disk cannot hold a write-ahead log (use a local disk)",
                   c->path);
    /* secure_delete=FAST wipes deleted rows where that costs no extra write. */
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous=FULL; PRAGMA foreign_keys=1; PRAGMA case_sensitive_like=1;"
             "PRAGMA cell_size_check=1; PRAGMA secure_delete=FAST; PRAGMA cache_size=-%d;"
             "PRAGMA journal_size_limit=%d",
             WRITER_CACHE_KIB, WAL_KEEP_BYTES);
    TRY(run_trusted(c, sql));
    /* Takes the place of automatic checkpoints: the writer does them, between commits. */
    sqlite3_wal_hook(c->db, after_commit, c);
    return OK;
}

err sqlite_conn_open(const char *path, enum sqlite_role role, struct sqlite_conn **ret_conn)
{
    struct sqlite_conn *c = calloc(1, sizeof *c);
    if (!c)
        return ERR(ERR_NO_MEMORY, "opening store '%s': out of memory", path);
    c->read.backend = c->tx.backend = &store_backend_sqlite;
    c->tx.read = &c->read;
    c->path = path;
    c->role = role;
    list_init(&c->open);
    c->cache_max = role == SQLITE_ROLE_WRITER ? WRITER_STATEMENTS_MAX : READER_STATEMENTS_MAX;

    err e = OK;
    int access = role == SQLITE_ROLE_WRITER ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int rc = sqlite3_open_v2(path, &c->db, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             sqlite_undo_layer());
    c->cache = calloc(c->cache_max, sizeof(struct sqlite_stmt *));
    if (rc)
        e = sqlite_error(c, rc, "opening", NULL);
    else if (!c->cache)
        e = ERR(ERR_NO_MEMORY, "opening store '%s': out of memory", path);
    if (!e.code)
        e = configure(c);
    if (!e.code && sqlite3_set_authorizer(c->db, authorize, c) != SQLITE_OK)
        e = ERR(ERR_INTERNAL, "opening store '%s': cannot set the authorizer", path);
    if (!e.code && (rc = sqlite_regexp_add(c->db)) != SQLITE_OK)
        e = sqlite_error(c, rc, "opening", NULL);
    if (e.code) {
        sqlite_conn_close(c);
        return e;
    }
    *ret_conn = c;
    return OK;
}

void sqlite_conn_close(struct sqlite_conn *c)
{
    if (!c)
        return;
    sqlite_stmt_close_open(c);
    sqlite_stmt_close_cache(c);
    for (int i = 0; i < CONTROL_COUNT; i++)
        sqlite3_finalize(c->control[i]);
    int rc = sqlite3_close(c->db);
    assert(rc == SQLITE_OK && "a statement of this connection is still open");
    (void)rc;
    free(c->cache);
    free(c);
}

/* ------------------------------------------------------------------ transactions */

err sqlite_conn_control(struct sqlite_conn *c, enum sqlite_control control)
{
    sqlite3_stmt **stmt = &c->control[control];
    int rc = SQLITE_OK;
    c->trusted = true; /* a schema change makes the engine prepare it again, inside step */
    if (!*stmt)
        rc = sqlite3_prepare_v3(c->db, control_sql[control], -1, SQLITE_PREPARE_PERSISTENT, stmt,
                                NULL);
    if (!rc) {
        sqlite_step(*stmt);
        rc = sqlite3_reset(*stmt);
    }
    c->trusted = false;
    if (!rc)
        return OK;
    return sqlite_error(c, rc, control == CONTROL_COMMIT ? "committing" : "running a transaction",
                        control_sql[control]);
}

void sqlite_conn_resize(struct sqlite_conn *c, bool roomy)
{
    if (c->is_roomy == roomy)
        return;
    char sql[60];
    snprintf(sql, sizeof sql, "PRAGMA cache_size=-%d", roomy ? BULK_CACHE_KIB : WRITER_CACHE_KIB);
    err e = run_trusted(c, sql);
    if (e.code)
        return; /* the size is a matter of speed only */
    c->is_roomy = roomy;
    if (!roomy) {
        sqlite3_db_release_memory(c->db);
        malloc_trim(0);
    }
}

err sqlite_conn_settle(struct sqlite_conn *c, err from_fn)
{
    sqlite_stmt_close_open(c);
    err e = err_first(from_fn, c->failure);
    c->failure = OK;
    return e;
}
