/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many rows through COPY in its binary form.
 *
 * Rows gather in a buffer, so that the connection stays free for other statements meanwhile. A full
 * buffer goes straight into the table, inside a savepoint. COPY cannot skip a row that breaks a
 * unique rule: when it meets one, the savepoint is rolled back and the buffer goes into a temporary
 * table instead, and from there with ON CONFLICT DO NOTHING; so does the rest of this bulk. Callers
 * mostly know what is new, so the second way is rare.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/store/postgres.h"

enum {
    COLUMNS_MAX = 64,
    FLUSH_BYTES = 4 << 20,
    /* A value may have 64 MiB, and stands behind less than FLUSH_BYTES. */
    BUFFER_BYTES_MAX = 80 << 20,
    NAME_BYTES_MAX = 4096,
};

static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
enum { COPY_HEADER_BYTES = 19 };

struct pg_bulk {
    struct store_bulk bulk; /* first: this is what an app holds */
    struct pg_conn *conn;
    struct list_link link; /* in conn->bulks */
    char *table, *columns;
    size_t column_count;
    Oid types[COLUMNS_MAX];
    struct buf rows;
    size_t row_count; /* in the buffer */
    int64_t inserted;
    bool is_staged; /* a row clashed: by way of the temporary table */
    bool is_spread; /* and the table is distributed by Citus */
};

static struct pg_bulk *bulk_of(struct store_bulk *bulk)
{
    return (struct pg_bulk *)(void *)bulk;
}

static void bulk_free(struct pg_bulk *b)
{
    list_remove(&b->link);
    buf_deinit(&b->rows);
    free(b->table);
    free(b->columns);
    free(b);
}

void pg_bulk_close_open(struct pg_conn *c)
{
    while (!list_is_empty(&c->bulks)) {
        err e = pg_bulk_end(&LIST_ENTRY(c->bulks.head.next, struct pg_bulk, link)->bulk, NULL);
        c->failure = err_first(c->failure, e);
    }
}

/* ------------------------------------------------------------------ rows into the buffer */

static void rows_clear(struct pg_bulk *b)
{
    buf_clear(&b->rows);
    buf_add_bytes(&b->rows, copy_header, COPY_HEADER_BYTES);
    b->row_count = 0;
}

static void add_be(struct buf *out, uint64_t value, int bytes)
{
    char text[8];
    pg_put_u64(text, value);
    buf_add_bytes(out, text + 8 - bytes, (size_t)bytes);
}

static void add_field(struct buf *out, str bytes)
{
    add_be(out, bytes.len, 4);
    buf_add(out, bytes);
}

static void add_bits(struct buf *out, uint64_t bits)
{
    add_be(out, 8, 4);
    add_be(out, bits, 8);
}

static void add_real(struct buf *out, double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    add_bits(out, bits);
}

/* Converts as a strict SQLite table does. False: the value is none of the column's type. */
static bool add_value(struct buf *out, Oid type, const struct store_value *v)
{
    char text[24];
    if (v->type == STORE_NULL || (v->type == STORE_REAL && isnan(v->real))) {
        add_be(out, UINT32_MAX, 4);
        return true;
    }
    switch (type) {
    case PG_INT8:
        if (v->type == STORE_REAL && v->real == (double)(int64_t)v->real)
            add_bits(out, (uint64_t)(int64_t)v->real);
        else if (v->type == STORE_INT)
            add_bits(out, (uint64_t)v->integer);
        else
            return false;
        return true;
    case PG_FLOAT8:
        if (v->type != STORE_REAL && v->type != STORE_INT)
            return false;
        add_real(out, v->type == STORE_REAL ? v->real : (double)v->integer);
        return true;
    case PG_TEXT:
        if (v->type == STORE_INT) {
            snprintf(text, sizeof text, "%" PRId64, v->integer);
            add_field(out, str_of(text));
            return true;
        }
        if (v->type == STORE_TEXT)
            add_field(out, v->bytes);
        return v->type == STORE_TEXT;
    case PG_BYTEA:
        if (v->type == STORE_BLOB)
            add_field(out, v->bytes);
        return v->type == STORE_BLOB;
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ the buffer into the table */

/* Runs statements of our own outside the pipeline. */
static err run_plain(struct pg_conn *c, const char *sql, int64_t *ret_changed)
{
    const struct pq *pq = &c->engine->pq;
    PGresult *result = pq->exec(c->pq, sql);
    ExecStatusType status = pq->resultStatus(result);
    err e = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
                ? OK
                : pg_error(c, result, "inserting in bulk", sql);
    if (!e.code && ret_changed)
        e = str_to_i64(str_of(pq->cmdTuples(result)), ret_changed);
    pq->clear(result);
    return e;
}

/* Sends the buffer as the data of `sql`, which holds one COPY; *ret_copied is its count. */
static err copy_rows(struct pg_bulk *b, const char *sql, int64_t *ret_copied)
{
    struct pg_conn *c = b->conn;
    const struct pq *pq = &c->engine->pq;
    PGresult *result = pq->exec(c->pq, sql);
    err e = pq->resultStatus(result) == PGRES_COPY_IN ? OK
                                                      : pg_error(c, result, "copying", b->table);
    pq->clear(result);
    if (e.code)
        return e;
    if (pq->putCopyData(c->pq, b->rows.ptr, (int)b->rows.len) != 1 ||
        pq->putCopyEnd(c->pq, NULL) != 1)
        e = pg_error(c, NULL, "copying", b->table);
    while ((result = pq->getResult(c->pq)) != NULL) {
        if (pq->resultStatus(result) != PGRES_COMMAND_OK)
            e = err_first(e, pg_error(c, result, "copying", b->table));
        else if (str_starts(str_of(pq->cmdStatus(result)), STR("COPY")))
            e = err_first(e, str_to_i64(str_of(pq->cmdTuples(result)), ret_copied));
        pq->clear(result);
    }
    return e;
}

static err flush_direct(struct pg_bulk *b)
{
    struct buf sql;
    int64_t copied = 0;
    buf_init(&sql, NAME_BYTES_MAX);
    buf_add_fmt(&sql,
                "SAVEPOINT skerry_bulk; COPY %s (%s) FROM STDIN (FORMAT binary); "
                "RELEASE SAVEPOINT skerry_bulk",
                b->table, b->columns);
    err e = buf_check(&sql);
    if (!e.code)
        e = copy_rows(b, sql.ptr, &copied);
    buf_deinit(&sql);
    if (!e.code) {
        b->inserted += copied;
        return OK;
    }
    /* Citus says internal error of whatever a worker says of a COPY: the second way hears more. */
    b->is_spread = strcmp(b->conn->state, "XX000") == 0;
    if (strcmp(b->conn->state, "23505") != 0 && !b->is_spread)
        return e;
    b->is_staged = true;
    return run_plain(b->conn, "ROLLBACK TO SAVEPOINT skerry_bulk; RELEASE SAVEPOINT skerry_bulk",
                     NULL);
}

static err flush_staged(struct pg_bulk *b)
{
    struct buf sql;
    int64_t copied = 0, inserted = 0;
    char stage[48];
    snprintf(stage, sizeof stage, "skerry_stage_%016" PRIx64 "%04zx",
             str_hash(str_of(b->columns)) ^ str_hash(str_of(b->table)), b->column_count);
    buf_init(&sql, NAME_BYTES_MAX);
    buf_add_fmt(&sql,
                "CREATE TEMP TABLE IF NOT EXISTS %s ON COMMIT DELETE ROWS AS "
                "SELECT %s FROM %s WITH NO DATA; COPY pg_temp.%s FROM STDIN (FORMAT binary)",
                stage, b->columns, b->table, stage);
    err e = buf_check(&sql);
    if (!e.code)
        e = copy_rows(b, sql.ptr, &copied);
    buf_clear(&sql);
    /* Citus counts what it was given, unless it is asked for what it has inserted. */
    buf_add_fmt(&sql, "INSERT INTO %s (%s) SELECT * FROM pg_temp.%s ON CONFLICT DO NOTHING%s",
                b->table, b->columns, stage, b->is_spread ? " RETURNING 1" : "");
    if (!e.code)
        e = run_plain(b->conn, sql.ptr, &inserted);
    buf_clear(&sql);
    buf_add_fmt(&sql, "DELETE FROM pg_temp.%s", stage);
    if (!e.code)
        e = run_plain(b->conn, sql.ptr, NULL);
    buf_deinit(&sql);
    b->inserted += inserted;
    return e;
}

static err flush(struct pg_bulk *b)
{
    struct pg_conn *c = b->conn;
    const struct pq *pq = &c->engine->pq;
    if (!b->row_count)
        return OK;
    add_be(&b->rows, UINT16_MAX, 2); /* the end */
    TRY(buf_check(&b->rows));
    TRY(pg_rows_keep(c));
    if (!pq->exitPipelineMode(c->pq))
        return pg_error(c, NULL, "copying", b->table);
    err e = b->is_staged ? OK : flush_direct(b);
    if (!e.code && b->is_staged)
        e = flush_staged(b);
    if (!pg_conn_is_lost(c) && !pq->enterPipelineMode(c->pq))
        e = err_first(e, pg_error(c, NULL, "copying", b->table));
    rows_clear(b);
    return e;
}

/* ------------------------------------------------------------------ what apps call */

/* Asks for the types of the columns. */
static err types_find(struct pg_bulk *b)
{
    struct pg_conn *c = b->conn;
    const struct pq *pq = &c->engine->pq;
    PGresult *result = NULL;
    struct buf sql;
    buf_init(&sql, NAME_BYTES_MAX);
    buf_add_fmt(&sql, "SELECT %s FROM %s LIMIT 0", b->columns, b->table);
    err e = buf_check(&sql);
    const struct pg_call call = { .sql = sql.ptr };
    if (!e.code)
        e = pg_conn_start(c, &call, false, &result);
    if (e.code && c->may_resend)
        e = pg_conn_start(c, &call, false, &result);
    if (!e.code && pq->nfields(result) != (int)b->column_count)
        e = ERR(ERR_INTERNAL, "bulk insert into %s names %d columns, not %zu", b->table,
                pq->nfields(result), b->column_count);
    for (size_t i = 0; !e.code && i < b->column_count; i++)
        b->types[i] = pq->ftype(result, (int)i);
    if (result) {
        pq->clear(result);
        pg_conn_finish(c);
    }
    buf_deinit(&sql);
    return e;
}

err pg_bulk_begin(struct store_tx *tx, const char *table, const char *columns, int column_count,
                  struct store_bulk **ret_bulk)
{
    struct pg_conn *c = pg_conn_of(tx->read);
    if (c->failure.code)
        return c->failure;
    if (column_count < 1 || column_count > COLUMNS_MAX)
        return pg_spoil(c, ERR(ERR_INTERNAL, "bulk insert into %s with %d columns (1 to %d)", table,
                               column_count, COLUMNS_MAX));
    struct pg_bulk *b = calloc(1, sizeof *b);
    if (!b)
        return pg_spoil(c, ERR(ERR_NO_MEMORY, "bulk insert into %s: out of memory", table));
    b->bulk.backend = &store_backend_postgresql;
    b->conn = c;
    b->column_count = (size_t)column_count;
    b->table = strdup(table);
    b->columns = strdup(columns);
    buf_init(&b->rows, BUFFER_BYTES_MAX);
    list_push(&c->bulks, &b->link);
    err e = b->table && b->columns
                ? types_find(b)
                : ERR(ERR_NO_MEMORY, "bulk insert into %s: out of memory", table);
    if (e.code) {
        bulk_free(b);
        return pg_spoil(c, e);
    }
    rows_clear(b);
    *ret_bulk = &b->bulk;
    return OK;
}

err pg_bulk_row(struct store_bulk *bulk, const struct store_value *values)
{
    struct pg_bulk *b = bulk_of(bulk);
    struct pg_conn *c = b->conn;
    if (c->failure.code)
        return c->failure;
    add_be(&b->rows, b->column_count, 2);
    for (size_t i = 0; i < b->column_count; i++) {
        err e = pg_value_check(&values[i], i + 1, b->table);
        if (!e.code && !add_value(&b->rows, b->types[i], &values[i]))
            e = ERR(ERR_INVALID, "bulk insert into %s: value %zu is not of its column's type",
                    b->table, i + 1);
        if (e.code)
            return pg_spoil(c, e);
    }
    b->row_count++;
    err e = b->rows.len >= FLUSH_BYTES || b->rows.failed ? flush(b) : OK;
    return e.code ? pg_spoil(c, e) : OK;
}

err pg_bulk_end(struct store_bulk *bulk, int64_t *ret_inserted)
{
    struct pg_bulk *b = bulk_of(bulk);
    struct pg_conn *c = b->conn;
    err e = c->failure.code ? c->failure : flush(b);
    int64_t inserted = b->inserted;
    bulk_free(b);
    if (e.code)
        return pg_spoil(c, e);
    if (ret_inserted)
        *ret_inserted = inserted;
    return OK;
}
