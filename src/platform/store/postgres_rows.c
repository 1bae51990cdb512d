/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of a query: they arrive one by one while the app walks over them.
 *
 * A connection carries one statement at a time. When another one is to run while rows are still
 * arriving, what is left of them is read into memory first, within a limit.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/store/postgres.h"

enum {
    /* Rows that must wait in memory because somebody else needs the connection. */
    KEPT_BYTES_MAX = 64 << 20,
    KEPT_ROWS_MAX = 1 << 20,
};

static struct pg_rows *rows_of(struct store_rows *rows)
{
    return (struct pg_rows *)(void *)rows;
}

static const struct pq *pq_of(const struct pg_rows *r)
{
    return &r->conn->engine->pq;
}

/* ------------------------------------------------------------------ arriving */

err pg_rows_new(struct pg_conn *c, struct pg_rows **ret_rows)
{
    struct pg_rows *r = calloc(1, sizeof *r);
    if (!r)
        return ERR(ERR_NO_MEMORY, "querying: out of memory");
    r->rows.backend = &store_backend_postgresql;
    r->conn = c;
    list_push(&c->rows, &r->link);
    *ret_rows = r;
    return OK;
}

/* Takes a result of the statement: a row, its end, or its failure. */
static err take(struct pg_rows *r, PGresult *result)
{
    struct pg_conn *c = r->conn;
    const struct pq *pq = pq_of(r);
    ExecStatusType status = result ? pq->resultStatus(result) : PGRES_FATAL_ERROR;
    if (status == PGRES_SINGLE_TUPLE) {
        r->row = result;
        return OK;
    }
    bool is_all = status == PGRES_TUPLES_OK && pq->ntuples(result) > 0;
    r->is_done = true;
    c->streaming = NULL;
    err e = OK;
    if (status == PGRES_COMMAND_OK)
        e = OK;
    else if (status != PGRES_TUPLES_OK)
        e = pg_error(c, result, "querying", NULL);
    if (is_all) /* all rows at once, or none: what was asked for as a whole */
        r->row = result;
    else
        pq->clear(result);
    return err_first(e, pg_conn_finish(c));
}

err pg_rows_first(struct pg_rows *r, PGresult *result)
{
    r->conn->streaming = r;
    r->failure = take(r, result);
    r->has_row = r->row != NULL;
    return r->failure;
}

static err arrive(struct pg_rows *r)
{
    return take(r, pq_of(r)->getResult(r->conn->pq));
}

/* Puts the row that `take` left in r->row behind those that wait. */
static err keep_row(struct pg_rows *r)
{
    if ((r->kept_count & (r->kept_count + 1)) == 0) { /* full: 0, 1, 3, 7 ... */
        PGresult **more = realloc(r->kept, (2 * r->kept_count + 1) * sizeof(PGresult *));
        if (!more)
            return ERR(ERR_NO_MEMORY, "keeping the rows of a query: out of memory");
        r->kept = more;
    }
    r->kept_bytes += pq_of(r)->resultMemorySize(r->row);
    r->kept[r->kept_count++] = r->row;
    r->row = NULL;
    if (r->kept_bytes > KEPT_BYTES_MAX || r->kept_count >= KEPT_ROWS_MAX)
        return ERR(ERR_TOO_BIG,
                   "a query inside the walk over another one that has more than %d MiB left (walk "
                   "in parts, with LIMIT)",
                   KEPT_BYTES_MAX >> 20);
    return OK;
}

err pg_rows_keep(struct pg_conn *c)
{
    struct pg_rows *r = c->streaming;
    if (!r)
        return OK;
    PGresult *shown = r->row;
    r->row = NULL;
    err e = OK;
    while (!e.code && !r->is_done) {
        e = arrive(r);
        if (!e.code && r->row)
            e = keep_row(r);
    }
    pq_of(r)->clear(r->row);
    r->row = shown;
    r->failure = err_first(r->failure, e);
    return e.code ? pg_spoil(c, e) : OK;
}

bool pg_rows_next(struct store_rows *rows)
{
    struct pg_rows *r = rows_of(rows);
    if (r->has_row) {
        r->has_row = false;
        return true;
    }
    if (r->row && r->row_at + 1 < pq_of(r)->ntuples(r->row)) {
        r->row_at++;
        return true;
    }
    pq_of(r)->clear(r->row);
    r->row = NULL;
    r->row_at = 0;
    if (r->kept_at < r->kept_count) {
        r->row = r->kept[r->kept_at++];
        return true;
    }
    if (r->is_done || r->failure.code || r->conn->streaming != r)
        return false;
    err e = arrive(r);
    if (e.code)
        r->failure = pg_spoil(r->conn, e);
    return r->row != NULL;
}

err pg_rows_close(struct store_rows *rows)
{
    struct pg_rows *r = rows_of(rows);
    const struct pq *pq = pq_of(r);
    err e = r->failure;
    pq->clear(r->row);
    r->row = NULL;
    while (!r->is_done && r->conn->streaming == r) { /* nobody asked for the rest */
        err rest = arrive(r);
        if (rest.code)
            e = err_first(e, pg_spoil(r->conn, rest));
        pq->clear(r->row);
        r->row = NULL;
    }
    while (r->kept_at < r->kept_count)
        pq->clear(r->kept[r->kept_at++]);
    list_remove(&r->link);
    free(r->kept);
    free(r->texts);
    free(r);
    return e;
}

/* ------------------------------------------------------------------ columns */

static uint64_t be_bits(const char *bytes, int count)
{
    uint64_t v = 0;
    for (int i = 0; i < count; i++)
        v = v << 8 | (unsigned char)bytes[i];
    return v;
}

/* sum() of integers is a decimal number: groups of four digits, the first weighs 10000^weight. */
static double numeric_of(const char *bytes, int len, int64_t *ret_integer)
{
    int groups = (int)be_bits(bytes, 2), weight = (int16_t)be_bits(bytes + 2, 2);
    bool is_negative = be_bits(bytes + 4, 2) == 0x4000;
    int64_t whole = 0;
    double real = 0, scale = 1;
    for (int i = 0; i <= weight || i < groups; i++) {
        bool has = i < groups && 8 + 2 * i + 2 <= len;
        int digits = has ? (int)be_bits(bytes + 8 + 2 * i, 2) : 0;
        if (i > weight)
            scale /= 10000;
        real = i > weight ? real + digits * scale : real * 10000 + digits;
        if (i <= weight && (__builtin_mul_overflow(whole, 10000, &whole) ||
                            __builtin_add_overflow(whole, digits, &whole)))
            whole = INT64_MAX;
    }
    *ret_integer = is_negative ? -whole : whole;
    return is_negative ? -real : real;
}

struct number {
    bool is_number, is_real;
    int64_t integer;
    double real;
};

/* NULL, or no row: both read as 0 and "". */
static bool is_absent(const struct pg_rows *r, int column)
{
    const struct pq *pq = pq_of(r);
    assert(column >= 0 && (!r->row || column < pq->nfields(r->row)));
    return !r->row || pq->getisnull(r->row, r->row_at, column);
}

static struct number number_of(struct pg_rows *r, int column)
{
    const struct pq *pq = pq_of(r);
    struct number n = { 0 };
    if (is_absent(r, column))
        return n;
    const char *bytes = pq->getvalue(r->row, r->row_at, column);
    int len = pq->getlength(r->row, r->row_at, column);
    uint64_t bits = be_bits(bytes, len < 8 ? len : 8);
    n.is_number = true;
    switch (pq->ftype(r->row, column)) {
    case PG_INT8:
    case PG_OID:
    case PG_BOOL:
        n.integer = (int64_t)bits;
        break;
    case PG_INT4:
        n.integer = (int32_t)bits;
        break;
    case PG_INT2:
        n.integer = (int16_t)bits;
        break;
    case PG_FLOAT8:
        n.is_real = true;
        memcpy(&n.real, &bits, sizeof n.real);
        break;
    case PG_FLOAT4: {
        n.is_real = true;
        uint32_t half = (uint32_t)bits;
        float small;
        memcpy(&small, &half, sizeof small);
        n.real = (double)small;
        break;
    }
    case PG_NUMERIC:
        n.real = numeric_of(bytes, len, &n.integer);
        return n;
    default:
        n.is_number = false;
        return n;
    }
    if (n.is_real)
        n.integer = n.real >= 0x1p63 ? INT64_MAX : n.real <= -0x1p63 ? INT64_MIN : (int64_t)n.real;
    else
        n.real = (double)n.integer;
    return n;
}

bool pg_col_is_null(struct store_rows *rows, int column)
{
    return is_absent(rows_of(rows), column);
}

int64_t pg_col_int(struct store_rows *rows, int column)
{
    struct pg_rows *r = rows_of(rows);
    struct number n = number_of(r, column);
    if (n.is_number || pg_col_is_null(rows, column))
        return n.integer;
    int64_t value = 0;
    err e = str_to_i64(pg_col_bytes(rows, column), &value);
    return e.code ? 0 : value;
}

double pg_col_real(struct store_rows *rows, int column)
{
    struct pg_rows *r = rows_of(rows);
    struct number n = number_of(r, column);
    if (n.is_number || pg_col_is_null(rows, column))
        return n.real;
    double value = 0;
    err e = str_to_f64(pg_col_bytes(rows, column), &value);
    return e.code ? 0 : value;
}

str pg_col_bytes(struct store_rows *rows, int column)
{
    struct pg_rows *r = rows_of(rows);
    const struct pq *pq = pq_of(r);
    if (is_absent(r, column))
        return STR_NONE;
    struct number n = number_of(r, column);
    if (!n.is_number)
        return str_from(pq->getvalue(r->row, r->row_at, column),
                        (size_t)pq->getlength(r->row, r->row_at, column));
    if (!r->texts)
        r->texts = calloc((size_t)pq->nfields(r->row), sizeof *r->texts);
    if (!r->texts)
        return STR_NONE;
    char *text = r->texts[column];
    if (n.is_real)
        snprintf(text, sizeof r->texts[0], "%.15g%s", n.real,
                 n.real == (double)n.integer && n.real < 1e15 && n.real > -1e15 ? ".0" : "");
    else
        snprintf(text, sizeof r->texts[0], "%" PRId64, n.integer);
    return str_of(text);
}
