/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rows.c -- pages of rows, their canonical bytes, digests. */
#include "platform/move/rows.h"

#include <string.h>

enum { SQL_BYTES_MAX = 16 * 1024 };

/* ------------------------------------------------------------------ the SQL of a table */

static void add_key_match(struct buf *sql, const struct table_plan *p, int first)
{
    for (size_t i = 0; i < p->key_count; i++)
        buf_add_fmt(sql, "%s%.*s = ?%d", i ? " AND " : " WHERE ",
                    STR_ARG(p->table->columns[p->keys[i]].name), first + (int)i);
}

static err take_sql(struct buf *sql, arena *keep, const char **ret_text)
{
    TRY(buf_check(sql));
    *ret_text = arena_cstr(keep, buf_str(sql));
    ARENA_TRY(*ret_text);
    buf_clear(sql);
    return OK;
}

static bool is_key(const struct table_plan *p, size_t column)
{
    return p->table->columns[column].key > 0;
}

/* UPDATE t SET a = ?1, b = ?2 WHERE k = ?3: first what changes, then the key. */
static err make_update(struct table_plan *p, struct buf *sql, arena *keep)
{
    int n = 0;
    buf_add_fmt(sql, "UPDATE %s SET ", p->name);
    for (size_t i = 0; i < p->table->column_count; i++) {
        if (is_key(p, i))
            continue;
        n++;
        buf_add_fmt(sql, "%s%.*s = ?%d", n > 1 ? ", " : "", STR_ARG(p->table->columns[i].name), n);
    }
    add_key_match(sql, p, n + 1);
    if (n == 0) {
        buf_clear(sql);
        return OK;
    }
    return take_sql(sql, keep, &p->update);
}

static err make_sql(struct table_plan *p, struct buf *sql, arena *keep)
{
    for (size_t i = 0; i < p->table->column_count; i++)
        buf_add_fmt(sql, "%s%.*s", i ? ", " : "", STR_ARG(p->table->columns[i].name));
    TRY(take_sql(sql, keep, &p->columns));
    buf_add_fmt(sql, "DELETE FROM %s", p->name);
    add_key_match(sql, p, 1);
    TRY(take_sql(sql, keep, &p->remove));
    return make_update(p, sql, keep);
}

err table_plan_make(const struct store_table *table, arena *keep, struct table_plan *ret_plan)
{
    struct table_plan p = { .table = table, .name = arena_cstr(keep, table->name) };
    ARENA_TRY(p.name);
    for (size_t i = 0; i < table->column_count; i++) {
        int key = table->columns[i].key;
        if (key < 0 || key > (int)table->column_count)
            return ERR(ERR_INTERNAL, "the key of table %s", p.name);
        if (key > 0) {
            p.keys[key - 1] = i;
            p.key_count++;
        }
    }
    if (!p.key_count)
        return ERR(ERR_UNSUPPORTED, "table %s has no primary key: its rows cannot be told apart",
                   p.name);
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    err e = make_sql(&p, &sql, keep);
    buf_deinit(&sql);
    if (!e.code)
        *ret_plan = p;
    return e;
}

/* ------------------------------------------------------------------ pages */

void page_init(struct page *p)
{
    *p = (struct page){ 0 };
    arena_init(&p->memory, PAGE_ARENA_BYTES);
}

void page_clear(struct page *p)
{
    arena_reset(&p->memory);
    p->values = NULL;
    p->row_count = 0;
    p->bytes = 0;
}

void page_deinit(struct page *p)
{
    arena_deinit(&p->memory);
}

err page_make(struct page *p, size_t rows, size_t column_count)
{
    page_clear(p);
    p->column_count = column_count;
    p->values = NEW_ARRAY(&p->memory, struct store_value, rows * column_count);
    ARENA_TRY(p->values);
    return OK;
}

static err keep_bytes(arena *keep, str bytes, str *ret_bytes)
{
    *ret_bytes = bytes.len ? arena_str(keep, bytes) : STR("");
    ARENA_TRY(ret_bytes->ptr);
    return OK;
}

static err read_value(struct store_rows *rows, int column, enum store_type type, arena *keep,
                      struct store_value *ret_value)
{
    struct store_value v = { .type = STORE_NULL };
    if (store_col_is_null(rows, column)) {
        *ret_value = v;
        return OK;
    }
    v.type = type;
    switch (type) {
    case STORE_INT:
        v.integer = store_col_int(rows, column);
        break;
    case STORE_REAL:
        v.real = store_col_real(rows, column);
        if (v.real == 0)
            v.real = 0; /* SQLite forgets the sign of a zero */
        break;
    case STORE_TEXT:
        TRY(keep_bytes(keep, store_col_text(rows, column), &v.bytes));
        break;
    case STORE_BLOB:
        TRY(keep_bytes(keep, store_col_blob(rows, column), &v.bytes));
        break;
    case STORE_NULL:
        break;
    }
    *ret_value = v;
    return OK;
}

static int64_t value_bytes(const struct store_value *v)
{
    return v->type == STORE_TEXT || v->type == STORE_BLOB ? (int64_t)v->bytes.len + 8 : 8;
}

static err read_row(struct store_rows *rows, const struct table_plan *t, struct page *p)
{
    struct store_value *to = p->values + p->row_count * p->column_count;
    for (size_t i = 0; i < p->column_count; i++) {
        TRY(read_value(rows, (int)i, t->table->columns[i].type, &p->memory, &to[i]));
        p->bytes += value_bytes(&to[i]);
    }
    p->row_count++;
    return OK;
}

/* "(a, b)" or "(?3, ?4)" */
static void add_tuple(struct buf *sql, const struct table_plan *t, int first)
{
    buf_add_char(sql, '(');
    for (size_t i = 0; i < t->key_count; i++) {
        buf_add_cstr(sql, i ? ", " : "");
        if (first)
            buf_add_fmt(sql, "?%d", first + (int)i);
        else
            buf_add(sql, t->table->columns[t->keys[i]].name);
    }
    buf_add_char(sql, ')');
}

static void add_bound(struct buf *sql, const struct table_plan *t, const char *word,
                      const char *sign, const struct store_value *row, struct store_value *values,
                      size_t *count)
{
    buf_add_cstr(sql, word);
    add_tuple(sql, t, 0);
    buf_add_cstr(sql, sign);
    add_tuple(sql, t, (int)*count + 1);
    for (size_t i = 0; i < t->key_count; i++)
        values[(*count)++] = row[t->keys[i]];
}

static err query_page(struct store_read *rd, const struct table_plan *t,
                      const struct store_value *after, const struct store_value *until,
                      struct store_rows **ret_rows)
{
    struct store_value values[2 * STORE_COLUMNS_MAX];
    size_t count = 0;
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_fmt(&sql, "SELECT %s FROM %s", t->columns, t->name);
    if (after)
        add_bound(&sql, t, " WHERE ", " > ", after, values, &count);
    if (until)
        add_bound(&sql, t, after ? " AND " : " WHERE ", " <= ", until, values, &count);
    buf_add_cstr(&sql, " ORDER BY ");
    for (size_t i = 0; i < t->key_count; i++)
        buf_add_fmt(&sql, "%s%.*s", i ? ", " : "", STR_ARG(t->table->columns[t->keys[i]].name));
    buf_add_fmt(&sql, " LIMIT %d", PAGE_ROWS_MAX);
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ values, count }, ret_rows);
    buf_deinit(&sql);
    return e;
}

err page_read(struct store_read *rd, const struct table_plan *t, const struct store_value *after,
              const struct store_value *until, struct page *p)
{
    struct store_rows *rows = NULL;
    TRY(page_make(p, PAGE_ROWS_MAX, t->table->column_count));
    TRY(query_page(rd, t, after, until, &rows));
    err e = OK;
    while (!e.code && p->row_count < PAGE_ROWS_MAX && p->bytes < PAGE_BYTES_MAX && store_next(rows))
        e = read_row(rows, t, p);
    return err_first(e, store_rows_close(rows));
}

/* ------------------------------------------------------------------ rows */

err row_keep(const struct table_plan *t, const struct store_value *row, arena *keep,
             struct store_value **ret_row)
{
    struct store_value *copy = NEW_ARRAY(keep, struct store_value, t->table->column_count);
    ARENA_TRY(copy);
    for (size_t i = 0; i < t->table->column_count; i++) {
        copy[i] = row[i];
        if (row[i].type == STORE_TEXT || row[i].type == STORE_BLOB)
            TRY(keep_bytes(keep, row[i].bytes, &copy[i].bytes));
    }
    *ret_row = copy;
    return OK;
}

static int value_cmp(const struct store_value *a, const struct store_value *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case STORE_INT:
        return (a->integer > b->integer) - (a->integer < b->integer);
    case STORE_REAL:
        return (a->real > b->real) - (a->real < b->real);
    case STORE_TEXT:
    case STORE_BLOB:
        return str_cmp(a->bytes, b->bytes);
    case STORE_NULL:
        break;
    }
    return 0;
}

int row_key_cmp(const struct table_plan *t, const struct store_value *a,
                const struct store_value *b)
{
    int order = 0;
    for (size_t i = 0; i < t->key_count && !order; i++)
        order = value_cmp(&a[t->keys[i]], &b[t->keys[i]]);
    return order;
}

bool row_equal(const struct table_plan *t, const struct store_value *a, const struct store_value *b)
{
    for (size_t i = 0; i < t->table->column_count; i++)
        if (value_cmp(&a[i], &b[i]) != 0)
            return false;
    return true;
}

void row_encode(const struct table_plan *t, const struct store_value *row, struct buf *out)
{
    for (size_t i = 0; i < t->table->column_count; i++) {
        uint64_t bits;
        buf_add_u8(out, (uint8_t)row[i].type);
        switch (row[i].type) {
        case STORE_INT:
            buf_add_u64(out, (uint64_t)row[i].integer);
            break;
        case STORE_REAL:
            memcpy(&bits, &row[i].real, sizeof bits);
            buf_add_u64(out, bits);
            break;
        case STORE_TEXT:
        case STORE_BLOB:
            buf_add_varint(out, row[i].bytes.len);
            buf_add(out, row[i].bytes);
            break;
        case STORE_NULL:
            break;
        }
    }
}

static bool decode_value(struct cursor *in, enum store_type type, struct store_value *ret_value)
{
    struct store_value v = { .type = type };
    uint64_t bits, len;
    uint8_t tag = cursor_u8(in);
    if (tag == STORE_NULL) {
        v.type = STORE_NULL;
    } else if (tag != type) {
        return false;
    } else if (type == STORE_INT) {
        v.integer = (int64_t)cursor_u64(in);
    } else if (type == STORE_REAL) {
        bits = cursor_u64(in);
        memcpy(&v.real, &bits, sizeof v.real);
        if (v.real != v.real)
            return false;
    } else {
        len = cursor_varint(in);
        if (len > VALUE_BYTES_MAX || len > cursor_left(in))
            return false;
        v.bytes = cursor_bytes(in, (size_t)len);
        if (type == STORE_TEXT &&
            (str_utf8_valid_len(v.bytes) != v.bytes.len || str_find_char(v.bytes, '\0') >= 0))
            return false;
    }
    *ret_value = v;
    return !in->bad;
}

err row_decode(struct cursor *in, const struct store_table *table, struct store_value *ret_row)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (!decode_value(in, table->columns[i].type, &ret_row[i]))
            return ERR(ERR_CORRUPT, "these bytes are no row of table %.*s (column %.*s)",
                       STR_ARG(table->name), STR_ARG(table->columns[i].name));
    return OK;
}

/* ------------------------------------------------------------------ a snapshot as a source */

static err store_begin(void *arg, const struct table_plan *t)
{
    struct store_source *s = arg;
    s->plan = t;
    s->last = NULL;
    return OK;
}

static err store_page(void *arg, struct page *p)
{
    struct store_source *s = arg;
    TRY(page_read(s->rd, s->plan, s->last, NULL, p));
    if (!p->row_count)
        return OK;
    arena_reset(&s->last_memory);
    return row_keep(s->plan, page_row(p, p->row_count - 1), &s->last_memory, &s->last);
}

struct row_source store_source_of(struct store_source *s, struct store_read *rd)
{
    *s = (struct store_source){ .rd = rd };
    arena_init(&s->last_memory, PAGE_ARENA_BYTES);
    return (struct row_source){ store_begin, store_page, s };
}

void store_source_deinit(struct store_source *s)
{
    arena_deinit(&s->last_memory);
}

/* ------------------------------------------------------------------ digests */

void digester_begin(struct digester *d)
{
    sha256_begin(&d->sha);
    buf_init(&d->bytes, ROW_BYTES_MAX);
    d->rows = 0;
}

err digester_add(struct digester *d, const struct table_plan *t, const struct page *p)
{
    for (size_t i = 0; i < p->row_count; i++) {
        buf_clear(&d->bytes);
        row_encode(t, page_row(p, i), &d->bytes);
        TRY(buf_check(&d->bytes));
        sha256_add(&d->sha, d->bytes.ptr, d->bytes.len);
    }
    d->rows += (int64_t)p->row_count;
    return OK;
}

void digester_end(struct digester *d, struct table_digest *ret_digest)
{
    ret_digest->rows = d->rows;
    sha256_end_hex(&d->sha, ret_digest->hex);
    buf_deinit(&d->bytes);
}

err source_digest(struct row_source *source, const struct table_plan *t,
                  struct table_digest *ret_digest)
{
    struct digester d;
    struct page p;
    page_init(&p);
    digester_begin(&d);
    err e = source->begin(source->arg, t);
    do {
        if (!e.code)
            e = source->next(source->arg, &p);
        if (!e.code)
            e = digester_add(&d, t, &p);
    } while (!e.code && p.row_count);
    digester_end(&d, ret_digest);
    page_deinit(&p);
    return e;
}

struct digest_call {
    const struct table_plan *plan;
    struct table_digest digest;
};

static err digest_read(struct store_read *rd, void *arg)
{
    struct digest_call *c = arg;
    struct store_source s;
    struct row_source source = store_source_of(&s, rd);
    err e = source_digest(&source, c->plan, &c->digest);
    store_source_deinit(&s);
    return e;
}

err store_digest(struct store *s, const struct table_plan *t, struct table_digest *ret_digest)
{
    struct digest_call call = { .plan = t };
    TRY(store_read(s, digest_read, &call));
    *ret_digest = call.digest;
    return OK;
}
