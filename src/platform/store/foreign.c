/* SPDX-License-Identifier: GPL-3.0-or-later */
/* foreign.c -- reading another program's SQLite file. */
#include "platform/store/foreign.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STATEMENTS_MAX = 64, BUSY_MS = 10000, VALUE_BYTES_MAX = 64 << 20, URI_BYTES = 13000 };

struct foreign_rows {
    struct foreign *foreign;
    sqlite3_stmt *stmt;
    const char *key; /* address of its text */
    bool in_use, is_done;
    err failure;
};

struct foreign {
    sqlite3 *db;
    char *path;
    struct foreign_rows statements[STATEMENTS_MAX];
};

static err failed(const struct foreign *f, int rc, const char *doing)
{
    enum err_code code = ERR_IO;
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = ERR_BUSY;
        break;
    case SQLITE_NOTADB:
        code = ERR_INVALID;
        break;
    case SQLITE_CORRUPT:
        code = ERR_CORRUPT;
        break;
    case SQLITE_NOMEM:
        code = ERR_NO_MEMORY;
        break;
    case SQLITE_ERROR:
        code = ERR_UNSUPPORTED;
        break; /* no such table or column */
    case SQLITE_TOOBIG:
        code = ERR_TOO_BIG;
        break;
    default:
        break;
    }
    return ERR(code, "%s %.120s: %.80s", doing, f->path,
               f->db ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc));
}

/* ------------------------------------------------------------------ opening */

/* A path as a file: URI. */
static err uri_of(const char *path, const char *options, char out[URI_BYTES])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = (size_t)snprintf(out, URI_BYTES, "file:");
    for (; *path && n + 64 < URI_BYTES; path++) {
        unsigned char c = (unsigned char)*path;
        if (c == '%' || c == '?' || c == '#' || c < 0x21 || c > 0x7e) {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        } else {
            out[n++] = (char)c;
        }
    }
    if (*path)
        return ERR(ERR_TOO_BIG, "the path is too long");
    snprintf(out + n, URI_BYTES - n, "%s", options);
    return OK;
}

static err open_as(struct foreign *f, const char *options)
{
    char uri[URI_BYTES];
    TRY(uri_of(f->path, options, uri));
    int rc = sqlite3_open_v2(uri, &f->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_PRIVATECACHE,
                             NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(f->db, BUSY_MS);
        sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
        /* Triggers and views of a stranger's file run nothing but plain SQL. */
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        rc = sqlite3_exec(f->db, "SELECT COUNT(*) FROM sqlite_master", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        return OK;
    err e = failed(f, rc, "opening");
    sqlite3_close(f->db);
    f->db = NULL;
    return e;
}

err foreign_open(const char *path, struct foreign **ret_foreign)
{
    struct stat st;
    char wal[4096];
    if (stat(path, &st) != 0)
        return ERR_SYS("opening %s", path);
    struct foreign *f = calloc(1, sizeof *f);
    if (!f)
        return ERR(ERR_NO_MEMORY, "opening %s: out of memory", path);
    f->path = strdup(path);
    err e = f->path ? open_as(f, "?mode=ro") : ERR(ERR_NO_MEMORY, "opening a file: out of memory");
    /* A file with a write-ahead log in a folder where we may not make the shared index: without
     * that log nobody is at work on it, and it can be read as it lies there. */
    snprintf(wal, sizeof wal, "%.4000s-wal", path);
    if (e.code == ERR_IO && f->path && stat(wal, &st) != 0)
        e = open_as(f, "?mode=ro&immutable=1");
    if (e.code) {
        foreign_close(f);
        return e;
    }
    *ret_foreign = f;
    return OK;
}

void foreign_close(struct foreign *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        sqlite3_finalize(f->statements[i].stmt);
    sqlite3_close(f->db);
    free(f->path);
    free(f);
}

/* ------------------------------------------------------------------ statements */

static err statement(struct foreign *f, const char *sql, struct foreign_rows **ret_rows)
{
    struct foreign_rows *r = NULL;
    for (size_t i = 0; i < STATEMENTS_MAX; i++) {
        struct foreign_rows *each = &f->statements[i];
        if (each->key == sql && !each->in_use) {
            *ret_rows = each;
            return OK;
        }
        if (!each->in_use && (!r || !each->key))
            r = each;
    }
    if (!r)
        return ERR(ERR_INTERNAL, "too many open results of one file");
    sqlite3_finalize(r->stmt);
    *r = (struct foreign_rows){ .foreign = f };
    int rc = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &r->stmt, NULL);
    if (rc != SQLITE_OK)
        return failed(f, rc, "reading");
    if (!sqlite3_stmt_readonly(r->stmt))
        return ERR(ERR_INTERNAL, "another program's file is only read");
    r->key = sql;
    *ret_rows = r;
    return OK;
}

static void bind(sqlite3_stmt *stmt, int at, const struct store_value *v)
{
    switch (v->type) {
    case STORE_NULL:
        sqlite3_bind_null(stmt, at);
        break;
    case STORE_INT:
        sqlite3_bind_int64(stmt, at, v->integer);
        break;
    case STORE_REAL:
        sqlite3_bind_double(stmt, at, v->real);
        break;
    case STORE_TEXT:
        sqlite3_bind_text64(stmt, at, v->bytes.len ? v->bytes.ptr : "", v->bytes.len,
                            SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case STORE_BLOB:
        sqlite3_bind_blob64(stmt, at, v->bytes.ptr, v->bytes.len, SQLITE_TRANSIENT);
        break;
    }
}

err foreign_query(struct foreign *f, const char *sql, struct store_args args,
                  struct foreign_rows **ret_rows)
{
    struct foreign_rows *r = NULL;
    TRY(statement(f, sql, &r));
    for (size_t i = 0; i < args.count; i++)
        bind(r->stmt, (int)i + 1, &args.values[i]);
    r->in_use = true;
    r->is_done = false;
    r->failure = OK;
    *ret_rows = r;
    return OK;
}

bool foreign_next(struct foreign_rows *rows)
{
    if (rows->is_done)
        return false;
    int rc = sqlite3_step(rows->stmt);
    if (rc == SQLITE_ROW)
        return true;
    rows->is_done = true;
    if (rc != SQLITE_DONE)
        rows->failure = failed(rows->foreign, rc, "reading");
    return false;
}

err foreign_rows_close(struct foreign_rows *rows)
{
    if (!rows)
        return OK;
    err e = rows->failure;
    sqlite3_reset(rows->stmt);
    sqlite3_clear_bindings(rows->stmt);
    rows->in_use = false;
    return e;
}

int foreign_columns(const struct foreign_rows *rows)
{
    return sqlite3_column_count(rows->stmt);
}

struct store_value foreign_value(struct foreign_rows *rows, int column)
{
    str bytes;
    switch (sqlite3_column_type(rows->stmt, column)) {
    case SQLITE_INTEGER:
        return sql_int(sqlite3_column_int64(rows->stmt, column));
    case SQLITE_FLOAT:
        return sql_real(sqlite3_column_double(rows->stmt, column));
    case SQLITE_TEXT:
        bytes.ptr = (const char *)sqlite3_column_text(rows->stmt, column);
        bytes.len = (size_t)sqlite3_column_bytes(rows->stmt, column);
        bytes.len = bytes.ptr ? str_utf8_valid_len(bytes) : 0;
        return sql_text(bytes);
    case SQLITE_BLOB:
        bytes.ptr = sqlite3_column_blob(rows->stmt, column);
        bytes.len = (size_t)sqlite3_column_bytes(rows->stmt, column);
        return sql_blob(bytes);
    default:
        return sql_null();
    }
}

err foreign_has(struct foreign *f, const char *table, const char *column, bool *ret_has)
{
    struct foreign_rows *rows = NULL;
    TRY(foreign_query(f, "SELECT 1 FROM pragma_table_info(?1) WHERE ?2 IS NULL OR name = ?2",
                      ARGS(sql_cstr(table), sql_cstr(column)), &rows));
    bool has = foreign_next(rows);
    TRY(foreign_rows_close(rows));
    *ret_has = has;
    return OK;
}
