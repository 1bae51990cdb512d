/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements of one connection: prepared on the server when their text is constant or comes again,
 * least recently used out first.
 *
 * The type of a placeholder is that of the value bound to it; for NULL the server finds it out. So
 * a prepared statement belongs to a text, the types it was made with, and which of its tested
 * values ("?1 IS NULL") were NULL. A NULL fits any type, so few are needed for one text.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/store/postgres.h"

enum { VALUE_BYTES_MAX = 64 << 20, ARGS_MAX = 4096, SMALL_ARGS = 40 };

struct pg_prepared {
    char *text; /* as the app wrote it */
    uint64_t hash, name, used_at;
    uint64_t tested_mask, null_mask; /* which values are tested, and which of them were NULL */
    size_t count;
    Oid types[];
};

/* ------------------------------------------------------------------ values */

static Oid type_of(const struct store_value *v)
{
    switch (v->type) {
    case STORE_INT:
        return PG_INT8;
    case STORE_REAL:
        return isnan(v->real) ? PG_UNKNOWN : PG_FLOAT8;
    case STORE_TEXT:
        return PG_TEXT;
    case STORE_BLOB:
        return PG_BYTEA;
    case STORE_NULL:
        break;
    }
    return PG_UNKNOWN;
}

err pg_value_check(const struct store_value *v, size_t number, const char *sql)
{
    if (v->type != STORE_TEXT && v->type != STORE_BLOB)
        return OK;
    if (v->bytes.len > VALUE_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "value ?%zu has %zu bytes; at most %d: %.80s", number, v->bytes.len,
                   VALUE_BYTES_MAX, sql);
    if (v->type == STORE_TEXT && v->bytes.len &&
        (memchr(v->bytes.ptr, '\0', v->bytes.len) || str_utf8_valid_len(v->bytes) != v->bytes.len))
        return ERR(ERR_INVALID, "value ?%zu is not UTF-8 text, or holds a NUL byte: %.80s", number,
                   sql);
    return OK;
}

/* The values of one call in the form that libpq takes; lives during the call. */
struct params {
    Oid *types;
    const char **values;
    int *lengths, *formats;
    char (*numbers)[8];
    void *memory; /* NULL: in the small arrays */
    Oid small_types[SMALL_ARGS];
    const char *small_values[SMALL_ARGS];
    int small_lengths[SMALL_ARGS], small_formats[SMALL_ARGS];
    char small_numbers[SMALL_ARGS][8];
};

static err params_room(struct params *p, size_t count)
{
    p->memory = NULL;
    if (count > ARGS_MAX)
        return ERR(ERR_TOO_BIG, "a statement with %zu values; at most %d", count, ARGS_MAX);
    if (count <= SMALL_ARGS) {
        p->types = p->small_types;
        p->values = p->small_values;
        p->lengths = p->small_lengths;
        p->formats = p->small_formats;
        p->numbers = p->small_numbers;
        return OK;
    }
    size_t one = sizeof(char *) + sizeof *p->numbers + sizeof(Oid) + 2 * sizeof(int);
    p->memory = calloc(count, one);
    if (!p->memory)
        return ERR(ERR_NO_MEMORY, "binding %zu values: out of memory", count);
    p->values = p->memory;
    p->numbers = (char(*)[8])(void *)(p->values + count);
    p->types = (Oid *)(void *)(p->numbers + count);
    p->lengths = (int *)(void *)(p->types + count);
    p->formats = p->lengths + count;
    return OK;
}

static void params_bind(struct params *p, size_t i, const struct store_value *v)
{
    p->types[i] = type_of(v);
    p->formats[i] = 1;
    p->lengths[i] = 8;
    p->values[i] = p->numbers[i];
    uint64_t bits = (uint64_t)v->integer;
    if (v->type == STORE_REAL)
        memcpy(&bits, &v->real, sizeof bits);
    if (v->type == STORE_TEXT || v->type == STORE_BLOB) {
        p->values[i] = v->bytes.len ? v->bytes.ptr : "";
        p->lengths[i] = (int)v->bytes.len;
    } else if (p->types[i] == PG_UNKNOWN) {
        p->values[i] = NULL;
    } else {
        pg_put_u64(p->numbers[i], bits);
    }
}

static err params_make(struct params *p, struct store_args args, const char *sql)
{
    TRY(params_room(p, args.count));
    for (size_t i = 0; i < args.count; i++) {
        err e = pg_value_check(&args.values[i], i + 1, sql);
        if (e.code) {
            free(p->memory);
            return e;
        }
        params_bind(p, i, &args.values[i]);
    }
    return OK;
}

/* ------------------------------------------------------------------ the cache */

void pg_cache_clear(struct pg_conn *c)
{
    for (size_t i = 0; i < c->cache_count; i++) {
        free(c->cache[i]->text);
        free(c->cache[i]);
    }
    c->cache_count = 0;
}

static bool types_fit(const struct pg_prepared *ps, const struct params *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (p->types[i] && p->types[i] != ps->types[i])
            return false;
    return true;
}

static struct pg_prepared *cache_find(struct pg_conn *c, str sql, uint64_t hash,
                                      struct store_args args, const struct params *p)
{
    uint64_t nulls = pg_sql_null_mask(args);
    for (size_t i = 0; i < c->cache_count; i++) {
        struct pg_prepared *ps = c->cache[i];
        if (ps->hash == hash && ps->count == args.count &&
            (nulls & ps->tested_mask) == ps->null_mask && types_fit(ps, p, args.count) &&
            str_eq(str_of(ps->text), sql)) {
            ps->used_at = ++c->cache_clock;
            return ps;
        }
    }
    return NULL;
}

/* A free place, or that of the one unused longest, which the server forgets with the next way. */
static struct pg_prepared **cache_place(struct pg_conn *c)
{
    if (c->cache_count < c->cache_max)
        return &c->cache[c->cache_count++];
    if (c->drop_name)
        return NULL;
    struct pg_prepared **oldest = &c->cache[0];
    for (size_t i = 1; i < c->cache_count; i++)
        if (c->cache[i]->used_at < (*oldest)->used_at)
            oldest = &c->cache[i];
    c->drop_name = (*oldest)->name;
    free((*oldest)->text);
    free(*oldest);
    return oldest;
}

static void cache_add(struct pg_conn *c, str sql, uint64_t hash, uint64_t name,
                      const struct pg_sql *info, struct store_args args, const struct params *p)
{
    struct pg_prepared *ps = calloc(1, sizeof *ps + args.count * sizeof(Oid));
    char *text = strndup(sql.ptr, sql.len);
    struct pg_prepared **place = ps && text ? cache_place(c) : NULL;
    if (!place) {
        free(ps);
        free(text);
        return; /* it stays prepared under a name that nobody uses: until the connection ends */
    }
    ps->text = text;
    ps->hash = hash;
    ps->name = name;
    ps->used_at = ++c->cache_clock;
    ps->tested_mask = info->tested_mask;
    ps->null_mask = info->tested_mask & pg_sql_null_mask(args);
    ps->count = args.count;
    memcpy(ps->types, p->types, args.count * sizeof(Oid));
    *place = ps;
}

/* Text made at run time is prepared when it comes a second time. */
static bool was_seen(struct pg_conn *c, uint64_t hash)
{
    for (size_t i = 0; i < COUNT_OF(c->seen); i++)
        if (c->seen[i] == hash)
            return true;
    c->seen[c->seen_at++ % COUNT_OF(c->seen)] = hash;
    return false;
}

/* ------------------------------------------------------------------ run */

/* Rewrites the text of a statement that is not prepared yet. */
static err text_make(str sql, struct store_args args, struct params *p, struct buf *text,
                     struct pg_sql *ret_info)
{
    TRY(pg_sql_allowed(sql, true));
    TRY(pg_sql_write(sql, args, text, ret_info));
    TRY(buf_check(text));
    if (ret_info->placeholders != args.count)
        return ERR(ERR_INTERNAL, "a statement has %zu placeholders and got %zu values: %.*s",
                   ret_info->placeholders, args.count, STR_ARG(str_sub(sql, 0, 120)));
    /* A NULL that is tested and nowhere else has a type that nothing tells. */
    for (size_t i = 0; i < args.count && i < PG_MASKED_MAX; i++)
        if (!p->types[i] && !(ret_info->used_mask >> i & 1))
            p->types[i] = PG_TEXT;
    return OK;
}

static err statement_start(struct pg_conn *c, str sql, bool cacheable, struct store_args args,
                           bool rows, PGresult **ret_result)
{
    struct params p;
    struct buf text;
    struct pg_sql info = { 0 };
    buf_init(&text, PG_SQL_BYTES_MAX);
    TRY(params_make(&p, args, sql.len ? sql.ptr : ""));
    uint64_t hash = str_hash(sql);
    struct pg_prepared *ps = cache_find(c, sql, hash, args, &p);
    struct pg_call call = {
        .name = ps ? ps->name : 0,
        .count = (int)args.count,
        .types = p.types,
        .values = p.values,
        .lengths = p.lengths,
        .formats = p.formats,
    };
    err e = ps ? OK : text_make(sql, args, &p, &text, &info);
    if (!e.code && !ps) {
        call.sql = text.ptr;
        call.name = cacheable || was_seen(c, hash) ? ++c->name_count : 0;
    }
    if (!e.code)
        e = pg_conn_start(c, &call, rows, ret_result);
    if (!e.code && call.sql && call.name)
        cache_add(c, sql, hash, call.name, &info, args, &p);
    buf_deinit(&text);
    free(p.memory);
    return e;
}

/* Begins a statement; sends it again when its connection turns out to have died before. */
static err statement_run(struct pg_conn *c, str sql, bool cacheable, struct store_args args,
                         bool rows, PGresult **ret_result)
{
    c->may_resend = false;
    err e = statement_start(c, sql, cacheable, args, rows, ret_result);
    if (e.code && c->may_resend)
        e = statement_start(c, sql, cacheable, args, rows, ret_result);
    if (e.code && (strcmp(c->state, "0A000") == 0 || strcmp(c->state, "26000") == 0))
        pg_cache_clear(c);
    return e;
}

static int64_t changed_rows(struct pg_conn *c, PGresult *result)
{
    int64_t count = 0;
    err e = str_to_i64(str_of(c->engine->pq.cmdTuples(result)), &count);
    return e.code ? 0 : count; /* empty for CREATE and the like */
}

err pg_exec(struct store_tx *tx, const char *sql, struct store_args args, int64_t *ret_changed)
{
    struct pg_conn *c = pg_conn_of(tx->read);
    const struct pq *pq = &c->engine->pq;
    PGresult *result = NULL;
    if (c->failure.code)
        return c->failure;
    err e = statement_run(c, str_of(sql), true, args, false, &result);
    if (e.code)
        return pg_spoil(c, e);
    if (pq->nfields(result) > 0)
        e = ERR(ERR_INTERNAL, "a statement that returns rows needs store_query: %.160s", sql);
    int64_t changed = changed_rows(c, result);
    pq->clear(result);
    pg_conn_finish(c);
    if (e.code)
        return pg_spoil(c, e);
    if (ret_changed)
        *ret_changed = changed;
    return OK;
}

/* Two processes may migrate at once: the second waits, and then finds the work done, because its
 * transaction runs again. */
static err script_run(struct pg_conn *c, const char *sql)
{
    str rest = str_of(sql), statement;
    TRY(pg_conn_run(c, "SELECT pg_advisory_xact_lock(5419731420181)::text", NULL, 0, NULL, 0));
    TRY(pg_conn_run(c, "SET LOCAL statement_timeout = 0", NULL, 0, NULL, 0));
    while (pg_sql_next(&rest, &statement)) {
        struct buf text;
        struct pg_sql info;
        buf_init(&text, PG_SQL_BYTES_MAX);
        err e = pg_sql_allowed(statement, true);
        if (!e.code)
            e = pg_sql_write(statement, NO_ARGS, &text, &info);
        if (!e.code)
            e = buf_check(&text);
        if (!e.code)
            e = pg_conn_run(c, text.ptr, NULL, 0, NULL, 0);
        buf_deinit(&text);
        if (e.code && strcmp(c->state, "42P07") == 0)
            c->wants_retry = true; /* the table is there: made while this one waited */
        if (e.code)
            return e;
    }
    return OK;
}

err pg_exec_script(struct store_tx *tx, const char *sql)
{
    struct pg_conn *c = pg_conn_of(tx->read);
    if (c->failure.code)
        return c->failure;
    err e = script_run(c, sql);
    return e.code ? pg_spoil(c, e) : OK;
}

err pg_query(struct store_read *rd, str sql, bool cacheable, struct store_args args,
             struct store_rows **ret_rows)
{
    struct pg_conn *c = pg_conn_of(rd);
    PGresult *result = NULL;
    struct pg_rows *r = NULL;
    if (c->failure.code)
        return c->failure;
    err e = statement_run(c, sql, cacheable, args, !c->is_whole, &result);
    if (!e.code)
        e = pg_rows_new(c, &r);
    if (!e.code)
        e = pg_rows_first(r, result);
    else if (result) {
        c->engine->pq.clear(result);
        pg_conn_finish(c);
    }
    if (e.code) {
        if (r)
            e = err_first(e, pg_rows_close(&r->rows));
        return pg_spoil(c, e);
    }
    *ret_rows = &r->rows;
    return OK;
}

err pg_query_whole(struct store_tx *tx, str sql, struct store_args args,
                   struct store_rows **ret_rows)
{
    struct pg_conn *c = pg_conn_of(tx->read);
    if (c->is_begun || c->begin != PG_BEGIN_CLAIM)
        return pg_spoil(c, ERR(ERR_INTERNAL, "store_query_whole is all that a claim does"));
    c->is_whole = true;
    err e = pg_query(tx->read, sql, false, args, ret_rows);
    c->is_whole = false;
    return e;
}
