/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rows.h -- rows of any table, in pages and as bytes that are the same from every engine.
 * Private to this room.
 *
 * A row's canonical bytes: for each column a tag (0 NULL, 1 integer, 2 real, 3 text, 4 blob), then
 * eight bytes little-endian of the integer or of the bits of the real, or a varint length and the
 * bytes. A table's digest is the SHA-256 of its rows' bytes in the order of its primary key.
 */
#ifndef SKERRY_MOVE_ROWS_H
#define SKERRY_MOVE_ROWS_H

#include "base/buf.h"
#include "base/hash.h"
#include "platform/store/store.h"

enum {
    PAGE_ROWS_MAX = 10000,             /* about what one commit should write */
    PAGE_BYTES_MAX = 16 * 1024 * 1024, /* of texts and blobs; a row more may be in a page */
    /* A page's arena: a value may have 64 MiB, and a page may end with a row of several. */
    PAGE_ARENA_BYTES = 768 * 1024 * 1024,
    ROW_BYTES_MAX = 512 * 1024 * 1024,
    VALUE_BYTES_MAX = 64 * 1024 * 1024,
};

/* A table and the SQL that walks and changes it. Lives as long as the stores it is used with: they
 * keep prepared statements by the address of their text. */
struct table_plan {
    const struct store_table *table;
    size_t keys[STORE_COLUMNS_MAX]; /* places of the primary key's columns, in its order */
    size_t key_count;
    const char *name;
    const char *columns; /* "a, b, c" */
    const char *update;  /* NULL when all columns are key */
    const char *remove;
};

/* ERR_UNSUPPORTED without a primary key. */
MUST_USE err table_plan_make(const struct store_table *table, arena *keep,
                             struct table_plan *ret_plan);

/* Some rows of a table, in the order of its key. */
struct page {
    arena memory;
    struct store_value *values; /* row by row */
    size_t row_count, column_count;
    int64_t bytes;
};
void page_init(struct page *p);
void page_clear(struct page *p); /* no rows; the memory is given back */
void page_deinit(struct page *p);
/* Makes an empty page of up to `rows` rows. */
MUST_USE err page_make(struct page *p, size_t rows, size_t column_count);
static inline const struct store_value *page_row(const struct page *p, size_t row)
{
    return p->values + row * p->column_count;
}

/* Rows of a snapshot behind the row `after` (NULL: from the start) and not behind `until` (NULL: to
 * the end); both are whole rows. No rows: there are none left. */
MUST_USE err page_read(struct store_read *rd, const struct table_plan *t,
                       const struct store_value *after, const struct store_value *until,
                       struct page *p);

/* A copy of a row. */
MUST_USE err row_keep(const struct table_plan *t, const struct store_value *row, arena *keep,
                      struct store_value **ret_row);
int row_key_cmp(const struct table_plan *t, const struct store_value *a,
                const struct store_value *b);
bool row_equal(const struct table_plan *t, const struct store_value *a,
               const struct store_value *b);

void row_encode(const struct table_plan *t, const struct store_value *row, struct buf *out);
/* Slices point into the input. ERR_CORRUPT when it is no row of this table. */
MUST_USE err row_decode(struct cursor *in, const struct store_table *table,
                        struct store_value *ret_row);

/* All rows of a table, page by page. */
struct row_source {
    err (*begin)(void *arg, const struct table_plan *t);
    err (*next)(void *arg, struct page *p); /* no rows: the end */
    void *arg;
};

/* A snapshot as a source. */
struct store_source {
    struct store_read *rd;
    const struct table_plan *plan;
    arena last_memory;
    struct store_value *last;
};
struct row_source store_source_of(struct store_source *s, struct store_read *rd);
void store_source_deinit(struct store_source *s);

struct table_digest {
    int64_t rows;
    char hex[SHA256_HEX_BYTES];
};
/* Counts and digests as pages pass. */
struct digester {
    struct sha256 sha;
    struct buf bytes;
    int64_t rows;
};
void digester_begin(struct digester *d);
MUST_USE err digester_add(struct digester *d, const struct table_plan *t, const struct page *p);
void digester_end(struct digester *d, struct table_digest *ret_digest); /* frees, always */

MUST_USE err source_digest(struct row_source *source, const struct table_plan *t,
                           struct table_digest *ret_digest);
MUST_USE err store_digest(struct store *s, const struct table_plan *t,
                          struct table_digest *ret_digest);
static inline bool table_digest_equal(const struct table_digest *a, const struct table_digest *b)
{
    return a->rows == b->rows && str_eq(str_of(a->hex), str_of(b->hex));
}

#endif
