/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements of one connection: prepared once, kept by the address of their text, least recently
 * used out first.
 *
 * A statement that fails spoils its transaction: later ones are refused with the same error, and
 * the transaction is rolled back whatever its function returns. PostgreSQL works that way, so an
 * app that runs here runs there.
 *
 * A query takes its first step when it is made, so that INSERT ... RETURNING happens even when
 * nobody looks at the result, and so that a broken rule is reported by store_query itself.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/store/dialect.h"
#include "platform/store/sqlite.h"

enum { SQL_BYTES_MAX = 1 << 20, COLUMNS_MAX = 64 };

static const struct dialect_word words[] = {
    { STR_INIT("id"), STR_INIT("INTEGER PRIMARY KEY") },
    { STR_INIT("int"), STR_INIT("INTEGER") },
    { STR_INIT("real"), STR_INIT("REAL") },
    { STR_INIT("text"), STR_INIT("TEXT") },
    { STR_INIT("blob"), STR_INIT("BLOB") },
    { STR_INIT("strict"), STR_INIT("STRICT") },
    { STR_INIT("clustered"), STR_INIT("STRICT, WITHOUT ROWID") },
    { STR_INIT("instr"), STR_INIT("instr") },
    { STR_INIT("rlike"), STR_INIT("REGEXP") },
    { STR_INIT("skip_locked"), STR_INIT("") }, /* one writer: nobody else holds a row */
    { STR_INIT(""), STR_INIT("") },
};

struct sqlite_stmt {
    struct store_rows rows; /* first: this is what an app holds as its result */
    struct sqlite_conn *conn;
    struct list_link open; /* in conn->open while in use */
    struct sqlite_bulk *bulk;
    sqlite3_stmt *stmt;
    const char *key;  /* address of the app's text; NULL: not in the cache */
    char *text;       /* copy of it, against an address that got another text */
    uint64_t used_at; /* conn->cache_clock */
    bool in_use;
    bool has_row; /* a row was fetched that store_next has not handed out yet */
    bool is_done;
    err failure;
};

struct sqlite_bulk {
    struct store_bulk bulk;
    struct sqlite_stmt *stmt;
    size_t column_count;
    int64_t inserted;
};

/* ------------------------------------------------------------------ prepare */

/* True when nothing but white space, ";" and comments is left. */
static bool is_only_trailing(const char *tail)
{
    while (*tail) {
        if (tail[0] == '-' && tail[1] == '-')
            tail += strcspn(tail, "\n");
        else if (strchr(" \t\r\n;", *tail))
            tail++;
        else
            return false;
    }
    return true;
}

/* Checks what store.h promises about a prepared statement. */
static err check_prepared(struct sqlite_conn *c, sqlite3_stmt *stmt, const char *tail, str sql)
{
    if (!stmt)
        return ERR(ERR_INTERNAL, "an SQL statement is empty");
    if (!is_only_trailing(tail))
        return ERR(ERR_INTERNAL, "more than one SQL statement in one call: %.*s", STR_ARG(sql));
    if (c->role == SQLITE_ROLE_READER && !sqlite3_stmt_readonly(stmt))
        return ERR(ERR_INTERNAL, "a snapshot cannot write (use store_write): %.*s", STR_ARG(sql));
    return OK;
}

static err stmt_prepare(struct sqlite_conn *c, str sql, bool persistent,
                        struct sqlite_stmt **ret_st)
{
    err e = OK;
    struct buf text;
    buf_init(&text, SQL_BYTES_MAX);
    struct sqlite_stmt *st = calloc(1, sizeof *st);
    if (!st) {
        e = ERR(ERR_NO_MEMORY, "preparing an SQL statement: out of memory");
        goto done;
    }
    e = dialect_translate(words, sql, &text);
    if (!e.code)
        e = buf_check(&text);
    if (e.code)
        goto done;
    const char *tail = "";
    int rc = sqlite3_prepare_v3(c->db, text.len ? text.ptr : "", (int)text.len + 1,
                                persistent ? SQLITE_PREPARE_PERSISTENT : 0, &st->stmt, &tail);
    if (rc) {
        e = sqlite_error(c, rc, "preparing", text.ptr);
        goto done;
    }
    e = check_prepared(c, st->stmt, tail, sql);
    if (e.code)
        goto done;
    st->rows.backend = &store_backend_sqlite;
    st->conn = c;
    *ret_st = st;
    st = NULL;
done:
    if (st) {
        sqlite3_finalize(st->stmt);
        free(st);
    }
    buf_deinit(&text);
    return e;
}

static void stmt_free(struct sqlite_stmt *st)
{
    sqlite3_finalize(st->stmt);
    free(st->text);
    free(st);
}

/* ------------------------------------------------------------------ the cache */

/* Where a new statement goes: a free place, or that of the one unused longest. NULL when all are in
 * use. */
static struct sqlite_stmt **cache_place(struct sqlite_conn *c)
{
    if (c->cache_count < c->cache_max)
        return &c->cache[c->cache_count++];
    struct sqlite_stmt **oldest = NULL;
    for (size_t i = 0; i < c->cache_count; i++)
        if (!c->cache[i]->in_use && (!oldest || c->cache[i]->used_at < (*oldest)->used_at))
            oldest = &c->cache[i];
    if (oldest)
        stmt_free(*oldest);
    return oldest;
}

static struct sqlite_stmt *cache_find(struct sqlite_conn *c, str sql)
{
    for (size_t i = 0; i < c->cache_count; i++) {
        struct sqlite_stmt *st = c->cache[i];
        if (st->key == sql.ptr && !st->in_use && strcmp(st->text, sql.ptr) == 0)
            return st;
    }
    return NULL;
}

static void stmt_take(struct sqlite_stmt *st)
{
    st->in_use = true;
    st->has_row = st->is_done = false;
    st->used_at = ++st->conn->cache_clock;
    list_push(&st->conn->open, &st->open);
}

/* A statement ready to bind, in use until stmt_release. A cacheable sql is a C string. */
static err stmt_acquire(struct sqlite_conn *c, str sql, bool cacheable, struct sqlite_stmt **ret_st)
{
    struct sqlite_stmt *st = cacheable ? cache_find(c, sql) : NULL;
    if (!st) {
        TRY(stmt_prepare(c, sql, cacheable, &st));
        st->text = cacheable ? strdup(sql.ptr) : NULL;
        struct sqlite_stmt **place = st->text ? cache_place(c) : NULL;
        if (place) {
            st->key = sql.ptr;
            *place = st;
        }
    }
    stmt_take(st);
    *ret_st = st;
    return OK;
}

/* Ends the use of a statement. Returns SQLite's verdict on it: a foreign key that a RETURNING
 * statement broke shows only here. */
static int stmt_release(struct sqlite_stmt *st)
{
    list_remove(&st->open);
    int rc = sqlite3_reset(st->stmt);
    sqlite3_clear_bindings(st->stmt); /* copies of large values go now, not at the next use */
    st->in_use = false;
    st->failure = OK;
    if (!st->key)
        stmt_free(st);
    return rc;
}

void sqlite_stmt_close_open(struct sqlite_conn *c)
{
    while (!list_is_empty(&c->open)) {
        struct sqlite_stmt *st = LIST_ENTRY(c->open.head.next, struct sqlite_stmt, open);
        err e = st->bulk ? sqlite_bulk_end(&st->bulk->bulk, NULL) : sqlite_rows_close(&st->rows);
        c->failure = err_first(c->failure, e);
    }
}

void sqlite_stmt_close_cache(struct sqlite_conn *c)
{
    for (size_t i = 0; i < c->cache_count; i++)
        stmt_free(c->cache[i]);
    c->cache_count = 0;
}

/* ------------------------------------------------------------------ bind and run */

/* Remembers the failure that spoils the transaction, and returns it. */
static err spoil(struct sqlite_conn *c, err e)
{
    c->failure = err_first(c->failure, e);
    return e;
}

static err bind_text(struct sqlite_stmt *st, int at, str text, sqlite3_destructor_type copy)
{
    /* What other engines refuse to hold as text is refused here too. */
    if (text.len && (memchr(text.ptr, '\0', text.len) || str_utf8_valid_len(text) != text.len))
        return ERR(ERR_INVALID, "value ?%d is not UTF-8 text, or holds a NUL byte: %.80s", at,
                   sqlite3_sql(st->stmt));
    int rc = sqlite3_bind_text64(st->stmt, at, text.len ? text.ptr : "", text.len, copy,
                                 SQLITE_UTF8);
    return rc ? sqlite_error(st->conn, rc, "binding a text", sqlite3_sql(st->stmt)) : OK;
}

static err bind_value(struct sqlite_stmt *st, int at, const struct store_value *v,
                      sqlite3_destructor_type copy)
{
    int rc = SQLITE_OK;
    switch (v->type) {
    case STORE_NULL:
        rc = sqlite3_bind_null(st->stmt, at);
        break;
    case STORE_INT:
        rc = sqlite3_bind_int64(st->stmt, at, v->integer);
        break;
    case STORE_REAL:
        rc = sqlite3_bind_double(st->stmt, at, v->real);
        break;
    case STORE_TEXT:
        return bind_text(st, at, v->bytes, copy);
    case STORE_BLOB:
        rc = sqlite3_bind_blob64(st->stmt, at, v->bytes.len ? v->bytes.ptr : "", v->bytes.len,
                                 copy);
        break;
    }
    return rc ? sqlite_error(st->conn, rc, "binding a value", sqlite3_sql(st->stmt)) : OK;
}

static err bind_all(struct sqlite_stmt *st, const struct store_value *values, size_t count,
                    sqlite3_destructor_type copy)
{
    size_t wanted = (size_t)sqlite3_bind_parameter_count(st->stmt);
    if (wanted != count)
        return ERR(ERR_INTERNAL, "a statement has %zu placeholders and got %zu values: %.120s",
                   wanted, count, sqlite3_sql(st->stmt));
    for (size_t i = 0; i < count; i++)
        TRY(bind_value(st, (int)i + 1, &values[i], copy));
    return OK;
}

static struct sqlite_conn *conn_of(struct store_read *rd)
{
    return (struct sqlite_conn *)(void *)rd;
}

err sqlite_exec(struct store_tx *tx, const char *sql, struct store_args args, int64_t *ret_changed)
{
    struct sqlite_conn *c = conn_of(tx->read);
    struct sqlite_stmt *st = NULL;
    if (c->failure.code)
        return c->failure;
    err e = stmt_acquire(c, str_of(sql), true, &st);
    if (e.code)
        return spoil(c, e);
    /* changes() keeps its last value over a statement that is not INSERT, UPDATE or DELETE. */
    int64_t total_before = sqlite3_total_changes64(c->db);
    if (sqlite3_column_count(st->stmt) > 0)
        e = ERR(ERR_INTERNAL, "a statement that returns rows needs store_query: %.160s", sql);
    if (!e.code)
        e = bind_all(st, args.values, args.count, SQLITE_STATIC);
    int rc = e.code ? SQLITE_OK : sqlite_step(st->stmt);
    if (!e.code && rc != SQLITE_DONE)
        e = sqlite_error(c, rc, "writing", sql);
    stmt_release(st);
    if (e.code)
        return spoil(c, e);
    if (ret_changed)
        *ret_changed = sqlite3_total_changes64(c->db) > total_before ? sqlite3_changes64(c->db) : 0;
    return OK;
}

/* Splits at statement ends, as SQLite finds them, so that each is prepared after the one before
 * ran. */
static err run_script(struct sqlite_conn *c, const char *sql)
{
    while (*sql) {
        sqlite3_stmt *stmt = NULL;
        const char *tail = NULL;
        int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, &tail);
        if (rc)
            return sqlite_error(c, rc, "preparing", sql);
        if (stmt) {
            while ((rc = sqlite_step(stmt)) == SQLITE_ROW)
                ;
            err e = rc == SQLITE_DONE ? OK : sqlite_error(c, rc, "running", sqlite3_sql(stmt));
            sqlite3_finalize(stmt);
            if (e.code)
                return e;
        }
        sql = tail;
    }
    return OK;
}

err sqlite_exec_script(struct store_tx *tx, const char *sql)
{
    struct sqlite_conn *c = conn_of(tx->read);
    if (c->failure.code)
        return c->failure;
    struct buf text;
    buf_init(&text, SQL_BYTES_MAX);
    err e = dialect_translate(words, str_of(sql), &text);
    if (!e.code)
        e = buf_check(&text);
    if (!e.code && text.len)
        e = run_script(c, text.ptr);
    buf_deinit(&text);
    return e.code ? spoil(c, e) : OK;
}

/* ------------------------------------------------------------------ rows */

static void rows_step(struct sqlite_stmt *st)
{
    int rc = sqlite_step(st->stmt);
    st->has_row = rc == SQLITE_ROW;
    st->is_done = rc != SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st->failure = spoil(st->conn,
                            sqlite_error(st->conn, rc, "querying", sqlite3_sql(st->stmt)));
}

err sqlite_query(struct store_read *rd, str sql, bool cacheable, struct store_args args,
                 struct store_rows **ret_rows)
{
    struct sqlite_conn *c = conn_of(rd);
    struct sqlite_stmt *st = NULL;
    if (c->failure.code)
        return c->failure;
    err e = stmt_acquire(c, sql, cacheable, &st);
    if (e.code)
        return spoil(c, e);
    e = bind_all(st, args.values, args.count, SQLITE_TRANSIENT);
    if (!e.code) {
        rows_step(st);
        e = st->failure;
    }
    if (e.code) {
        stmt_release(st);
        return spoil(c, e);
    }
    *ret_rows = &st->rows;
    return OK;
}

static struct sqlite_stmt *stmt_of(struct store_rows *rows)
{
    return (struct sqlite_stmt *)(void *)rows;
}

bool sqlite_next(struct store_rows *rows)
{
    struct sqlite_stmt *st = stmt_of(rows);
    if (!st->has_row && !st->is_done)
        rows_step(st);
    bool is_row = st->has_row;
    st->has_row = false;
    return is_row;
}

err sqlite_rows_close(struct store_rows *rows)
{
    struct sqlite_stmt *st = stmt_of(rows);
    struct sqlite_conn *c = st->conn;
    err e = st->failure;
    int rc = stmt_release(st);
    if (!e.code && rc)
        e = spoil(c, sqlite_error(c, rc, "querying", NULL));
    return e;
}

static sqlite3_stmt *column_stmt(struct store_rows *rows, int column)
{
    struct sqlite_stmt *st = stmt_of(rows);
    assert(column >= 0 && column < sqlite3_column_count(st->stmt));
    return st->stmt;
}

bool sqlite_col_is_null(struct store_rows *rows, int column)
{
    return sqlite3_column_type(column_stmt(rows, column), column) == SQLITE_NULL;
}

int64_t sqlite_col_int(struct store_rows *rows, int column)
{
    return sqlite3_column_int64(column_stmt(rows, column), column);
}

double sqlite_col_real(struct store_rows *rows, int column)
{
    return sqlite3_column_double(column_stmt(rows, column), column);
}

str sqlite_col_bytes(struct store_rows *rows, int column)
{
    sqlite3_stmt *stmt = column_stmt(rows, column);
    const void *bytes = sqlite3_column_blob(stmt, column); /* before the length: it may convert */
    return bytes ? str_from(bytes, (size_t)sqlite3_column_bytes(stmt, column)) : STR_NONE;
}

/* ------------------------------------------------------------------ bulk */

static err bulk_sql(const char *table, const char *columns, int column_count, struct buf *sql)
{
    buf_add_fmt(sql, "INSERT INTO %s (%s) VALUES (", table, columns);
    for (int i = 1; i <= column_count; i++)
        buf_add_fmt(sql, "%s?%d", i > 1 ? "," : "", i);
    buf_add_cstr(sql, ") ON CONFLICT DO NOTHING");
    return buf_check(sql);
}

err sqlite_bulk_begin(struct store_tx *tx, const char *table, const char *columns, int column_count,
                      struct store_bulk **ret_bulk)
{
    struct sqlite_conn *c = conn_of(tx->read);
    if (c->failure.code)
        return c->failure;
    if (column_count < 1 || column_count > COLUMNS_MAX)
        return spoil(c, ERR(ERR_INTERNAL, "bulk insert into %s with %d columns (1 to %d)", table,
                            column_count, COLUMNS_MAX));
    struct sqlite_stmt *st = NULL;
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    err e = bulk_sql(table, columns, column_count, &sql);
    struct sqlite_bulk *b = calloc(1, sizeof *b);
    if (!e.code && !b)
        e = ERR(ERR_NO_MEMORY, "bulk insert into %s: out of memory", table);
    if (!e.code)
        e = stmt_acquire(c, buf_str(&sql), false, &st);
    buf_deinit(&sql);
    if (e.code) {
        free(b);
        return spoil(c, e);
    }
    sqlite_conn_resize(c, true);
    b->bulk.backend = &store_backend_sqlite;
    b->stmt = st;
    b->column_count = (size_t)column_count;
    st->bulk = b;
    *ret_bulk = &b->bulk;
    return OK;
}

err sqlite_bulk_row(struct store_bulk *bulk, const struct store_value *values)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)(void *)bulk;
    struct sqlite_stmt *st = b->stmt;
    struct sqlite_conn *c = st->conn;
    if (c->failure.code)
        return c->failure;
    err e = bind_all(st, values, b->column_count, SQLITE_STATIC);
    if (e.code)
        return spoil(c, e);
    int rc = sqlite_step(st->stmt);
    if (rc == SQLITE_DONE)
        b->inserted += sqlite3_changes64(c->db);
    else
        e = sqlite_error(c, rc, "inserting in bulk", sqlite3_sql(st->stmt));
    sqlite3_reset(st->stmt);
    return e.code ? spoil(c, e) : OK;
}

err sqlite_bulk_end(struct store_bulk *bulk, int64_t *ret_inserted)
{
    struct sqlite_bulk *b = (struct sqlite_bulk *)(void *)bulk;
    struct sqlite_conn *c = b->stmt->conn;
    int64_t inserted = b->inserted;
    stmt_release(b->stmt); /* its verdict was given row by row */
    free(b);
    if (c->failure.code)
        return c->failure;
    if (ret_inserted)
        *ret_inserted = inserted;
    return OK;
}
