/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backend.h -- what a relational engine provides to store.c. Private to this room.
 *
 * store.c owns what is the same for all engines: options, the table of schemes, migrations, the
 * convenience getters; signals.c who listens and which locks are held. A backend owns connections,
 * statements and how writes are grouped.
 */
#ifndef SKERRY_STORE_BACKEND_H
#define SKERRY_STORE_BACKEND_H

#include "platform/store/store.h"

struct store_catalog {
    err (*column)(void *arg, str table, const struct store_column *column);
    err (*parent)(void *arg, str table, str parent);
    void *arg;
};

struct store_backend {
    const char *scheme; /* "sqlite" */

    err (*open)(const struct store_options *options, const char *location, void **ret_engine);
    void (*close)(void *engine);

    err (*write)(void *engine, store_write_fn fn, void *arg);
    err (*write_claim)(void *engine, store_write_fn fn, void *arg);
    err (*write_later)(void *engine, store_write_fn fn, void *arg, void (*done)(void *, err));
    err (*read)(void *engine, store_read_fn fn, void *arg);

    err (*exec)(struct store_tx *tx, const char *sql, struct store_args args, int64_t *ret_changed);
    /* Runs several statements separated by ";", for migrations. */
    err (*exec_script)(struct store_tx *tx, const char *sql);
    err (*query)(struct store_read *rd, str sql, bool cacheable, struct store_args args,
                 struct store_rows **ret_rows);
    /* NULL: a statement changes one table. */
    err (*query_whole)(struct store_tx *tx, str sql, struct store_args args,
                       struct store_rows **ret_rows);
    bool (*next)(struct store_rows *rows);
    err (*rows_close)(struct store_rows *rows);
    bool (*col_is_null)(struct store_rows *rows, int column);
    int64_t (*col_int)(struct store_rows *rows, int column);
    double (*col_real)(struct store_rows *rows, int column);
    str (*col_bytes)(struct store_rows *rows, int column);

    err (*bulk_begin)(struct store_tx *tx, const char *table, const char *columns, int column_count,
                      struct store_bulk **ret_bulk);
    err (*bulk_row)(struct store_bulk *bulk, const struct store_value *values);
    err (*bulk_end)(struct store_bulk *bulk, int64_t *ret_inserted);

    /* Says `topic` to listeners when tx commits. */
    err (*notify)(struct store_tx *tx, const char *topic);
    /* From now on heard(arg, topic) is called for it, on a thread of the engine, until it closes;
     * for several topics with the same heard and arg. */
    err (*listen)(void *engine, const char *topic, void (*heard)(void *arg, const char *topic),
                  void *arg);
    /* Locks between processes. NULL: only one process uses the store's locks. */
    err (*lock_try)(void *engine, const char *name, bool *ret_taken);
    err (*lock_release)(void *engine, const char *name);

    /* Calls fn for each column of each table, table by table, in order; then fn_parent for each
     * foreign key. Slices live for the call. */
    err (*catalog)(struct store_read *rd, const struct store_catalog *to);
    /* NULL: ids go on by themselves. */
    err (*ids_continue)(struct store_tx *tx, str table);
    err (*spread)(struct store_tx *tx, const char *table, const char *owner, const char *time,
                  int64_t piece);
    err (*others)(void *engine, int64_t *ret_count); /* NULL: none can be */

    err (*check)(void *engine);
    err (*size)(void *engine, int64_t *ret_bytes);
    err (*spare)(void *engine, int64_t *ret_bytes); /* NULL: not known, 0 */
    err (*sweep)(void *engine, const char *table);  /* NULL: removed rows leave nothing */
    err (*backup)(void *engine, const char *path);
    const char *(*version)(void *engine);
};

/* Every handle starts with the backend that made it, so that store.c can dispatch. */
struct store_read {
    const struct store_backend *backend;
};
struct store_tx {
    const struct store_backend *backend;
    struct store_read *read;
};
struct store_rows {
    const struct store_backend *backend;
};
struct store_bulk {
    const struct store_backend *backend;
};

extern const struct store_backend store_backend_sqlite;
extern const struct store_backend store_backend_postgresql; /* only with SKERRY_HAS_POSTGRES */

#endif
