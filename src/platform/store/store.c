/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is the same for every engine: which one an URL means, migrations, getters. Everything else
 * is handed to the backend. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "platform/store/signals.h"

struct store {
    const struct store_backend *backend;
    void *engine;
    struct signals signals;
    char engine_name[64];
};

static const struct {
    const char *scheme;
    const struct store_backend *backend; /* NULL: not in this build */
} engines[] = {
    { "sqlite", &store_backend_sqlite },
#ifdef SKERRY_HAS_POSTGRES
    { "postgresql", &store_backend_postgresql },
    { "postgres", &store_backend_postgresql },
#else
    { "postgresql", NULL },
    { "postgres", NULL },
#endif
};

/* ------------------------------------------------------------------ life cycle */

/* An URL may hold a password, so messages name its scheme only. */
static err engine_find(str scheme, const struct store_backend **ret_backend)
{
    for (size_t i = 0; i < COUNT_OF(engines); i++) {
        if (!str_eq(scheme, str_of(engines[i].scheme)))
            continue;
        if (!engines[i].backend)
            return ERR(ERR_UNSUPPORTED,
                       "opening store '%.*s:': this program was built without PostgreSQL (install "
                       "libpq-dev, then build again)",
                       STR_ARG(scheme));
        *ret_backend = engines[i].backend;
        return OK;
    }
    return ERR(ERR_UNSUPPORTED,
               "opening store '%.*s:': no engine for this URL (use sqlite:/path/skerry.db or "
               "postgresql://user:password@host/database)",
               STR_ARG(str_sub(scheme, 0, 40)));
}

err store_open(const struct store_options *options, struct store **ret_store)
{
    str location = str_of(options->url);
    str scheme = str_split(&location, ':');
    const struct store_backend *backend = NULL;
    TRY(engine_find(scheme, &backend));
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "opening the store: out of memory");
    s->backend = backend;
    err e = backend->open(options, location.ptr ? location.ptr : "", &s->engine);
    if (e.code) {
        free(s);
        return e;
    }
    snprintf(s->engine_name, sizeof s->engine_name, "%s %s", backend->scheme,
             backend->version(s->engine));
    signals_init(&s->signals, backend, s->engine);
    *ret_store = s;
    return OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    s->backend->close(s->engine);
    signals_deinit(&s->signals);
    free(s);
}

/* ------------------------------------------------------------------ migrations */

struct migration {
    str owner;
    const struct store_migration *step;
    const char *sql; /* the step's, for this engine */
    int64_t number_max;
    int64_t number_found;
    char checksum[SHA256_HEX_BYTES];
};

static err migrations_create(struct store_tx *tx, void *arg)
{
    return tx->backend->exec_script(tx, "CREATE TABLE IF NOT EXISTS store_migrations ("
                                        "  owner @text NOT NULL,"
                                        "  number @int NOT NULL,"
                                        "  applied_ms @int NOT NULL,"
                                        "  checksum @text NOT NULL,"
                                        "  PRIMARY KEY (owner, number)"
                                        ") @strict");
}

static err migrations_find_newest(struct store_read *rd, void *arg)
{
    struct migration *m = arg;
    return store_get_int(rd,
                         "SELECT COALESCE(MAX(number), 0) FROM store_migrations WHERE owner = ?1",
                         ARGS(sql_text(m->owner)), &m->number_found);
}

/* True in *ret_found when the step is in the store, with the same text. */
static err migration_compare(struct store_read *rd, const struct migration *m, bool *ret_found)
{
    struct store_rows *rows = NULL;
    TRY(store_query(rd, "SELECT checksum FROM store_migrations WHERE owner = ?1 AND number = ?2",
                    ARGS(sql_text(m->owner), sql_int(m->step->number)), &rows));
    bool found = store_next(rows);
    bool same = found && str_eq(store_col_text(rows, 0), str_of(m->checksum));
    TRY(store_rows_close(rows));
    if (found && !same)
        return ERR(
            ERR_CONFLICT,
            "migrating '%.*s': step %d was edited after it was applied (restore its text, and "
            "put the change into a new step)",
            STR_ARG(m->owner), m->step->number);
    *ret_found = found;
    return OK;
}

static err migration_apply(struct store_tx *tx, void *arg)
{
    const struct migration *m = arg;
    bool found = false;
    TRY(migration_compare(store_tx_read(tx), m, &found));
    if (found)
        return OK;
    err e = tx->backend->exec_script(tx, m->sql);
    if (e.code)
        return err_wrap(e, "migrating '%.*s' step %d", STR_ARG(m->owner), m->step->number);
    return store_exec(tx,
                      "INSERT INTO store_migrations (owner, number, applied_ms, checksum)"
                      " VALUES (?1, ?2, ?3, ?4)",
                      ARGS(sql_text(m->owner), sql_int(m->step->number), sql_int(clock_wall_ms()),
                           sql_cstr(m->checksum)),
                      NULL);
}

err store_migrate(struct store *s, const char *owner, const struct store_migration *steps)
{
    return store_migrate_to(s, owner, steps, INT_MAX);
}

err store_migrate_to(struct store *s, const char *owner, const struct store_migration *steps,
                     int number_max)
{
    struct migration m = { .owner = str_of(owner) };
    bool is_postgresql = strcmp(s->backend->scheme, "postgresql") == 0;
    if (!m.owner.len)
        return ERR(ERR_INTERNAL, "migrating: the owner has no name");
    for (const struct store_migration *step = steps; step->number; step++)
        if (step->number != ++m.number_max || !step->sql)
            return ERR(ERR_INTERNAL, "migrating '%s': step %d stands where step %d belongs", owner,
                       step->number, (int)m.number_max);

    TRY(store_write(s, migrations_create, NULL));
    TRY(store_read(s, migrations_find_newest, &m));
    if (m.number_found > m.number_max)
        return ERR(ERR_UNSUPPORTED,
                   "migrating '%s': the store has step %d, this program knows %d (use a newer "
                   "program, or a backup from before the upgrade)",
                   owner, (int)m.number_found, (int)m.number_max);
    for (m.step = steps; m.step->number && m.step->number <= number_max; m.step++) {
        m.sql = is_postgresql && m.step->postgresql ? m.step->postgresql : m.step->sql;
        sha256_hex_of(str_of(m.sql), m.checksum);
        TRY(store_write(s, migration_apply, &m));
    }
    return OK;
}

/* ------------------------------------------------------------------ transactions */

err store_write(struct store *s, store_write_fn fn, void *arg)
{
    return s->backend->write(s->engine, fn, arg);
}

err store_write_claim(struct store *s, store_write_fn fn, void *arg)
{
    return s->backend->write_claim(s->engine, fn, arg);
}

err store_write_later(struct store *s, store_write_fn fn, void *arg,
                      void (*done)(void *arg, err result))
{
    return s->backend->write_later(s->engine, fn, arg, done);
}

err store_read(struct store *s, store_read_fn fn, void *arg)
{
    return s->backend->read(s->engine, fn, arg);
}

struct store_read *store_tx_read(struct store_tx *tx)
{
    return tx->read;
}

/* ------------------------------------------------------------------ statements */

err store_exec(struct store_tx *tx, const char *sql, struct store_args args, int64_t *ret_changed)
{
    return tx->backend->exec(tx, sql, args, ret_changed);
}

err store_query(struct store_read *rd, const char *sql, struct store_args args,
                struct store_rows **ret_rows)
{
    return rd->backend->query(rd, str_of(sql), true, args, ret_rows);
}

err store_query_dynamic(struct store_read *rd, str sql, struct store_args args,
                        struct store_rows **ret_rows)
{
    return rd->backend->query(rd, sql, false, args, ret_rows);
}

err store_query_whole(struct store_tx *tx, str sql, struct store_args args,
                      struct store_rows **ret_rows)
{
    if (!tx->backend->query_whole)
        return ERR(ERR_INTERNAL, "store_query_whole on an engine that does not chain");
    return tx->backend->query_whole(tx, sql, args, ret_rows);
}

bool store_chains(const struct store *s)
{
    return s->backend->query_whole != NULL;
}

bool store_next(struct store_rows *rows)
{
    return rows->backend->next(rows);
}

err store_rows_close(struct store_rows *rows)
{
    return rows ? rows->backend->rows_close(rows) : OK;
}

bool store_col_is_null(struct store_rows *rows, int column)
{
    return rows->backend->col_is_null(rows, column);
}

int64_t store_col_int(struct store_rows *rows, int column)
{
    return rows->backend->col_int(rows, column);
}

double store_col_real(struct store_rows *rows, int column)
{
    return rows->backend->col_real(rows, column);
}

str store_col_text(struct store_rows *rows, int column)
{
    return rows->backend->col_bytes(rows, column);
}

str store_col_blob(struct store_rows *rows, int column)
{
    return rows->backend->col_bytes(rows, column);
}

str store_col_text_keep(struct store_rows *rows, int column, arena *keep)
{
    return arena_str(keep, store_col_text(rows, column));
}

/* Runs a query for its first row; *ret_rows is to be closed when this returned OK. */
static err first_row(struct store_read *rd, const char *sql, struct store_args args,
                     struct store_rows **ret_rows)
{
    struct store_rows *rows = NULL;
    TRY(store_query(rd, sql, args, &rows));
    if (store_next(rows)) {
        *ret_rows = rows;
        return OK;
    }
    TRY(store_rows_close(rows));
    return ERR(ERR_NOT_FOUND, "no row for: %.160s", sql);
}

err store_get_int(struct store_read *rd, const char *sql, struct store_args args,
                  int64_t *ret_value)
{
    struct store_rows *rows = NULL;
    TRY(first_row(rd, sql, args, &rows));
    int64_t value = store_col_int(rows, 0);
    TRY(store_rows_close(rows));
    *ret_value = value;
    return OK;
}

err store_get_text(struct store_read *rd, const char *sql, struct store_args args, arena *keep,
                   str *ret_value)
{
    struct store_rows *rows = NULL;
    TRY(first_row(rd, sql, args, &rows));
    str value = store_col_text_keep(rows, 0, keep);
    TRY(store_rows_close(rows));
    ARENA_TRY(value.ptr);
    *ret_value = value;
    return OK;
}

/* ------------------------------------------------------------------ bulk */

err store_bulk_begin(struct store_tx *tx, const char *table, const char *columns, int column_count,
                     struct store_bulk **ret_bulk)
{
    return tx->backend->bulk_begin(tx, table, columns, column_count, ret_bulk);
}

err store_bulk_row(struct store_bulk *bulk, const struct store_value *values)
{
    return bulk->backend->bulk_row(bulk, values);
}

err store_bulk_end(struct store_bulk *bulk, int64_t *ret_inserted)
{
    return bulk->backend->bulk_end(bulk, ret_inserted);
}

/* ------------------------------------------------------------------ other threads, other processes
 */

err store_notify(struct store_tx *tx, const char *topic)
{
    return tx->backend->notify(tx, topic);
}

err store_listen(struct store *s, const char *topic, void (*fn)(void *arg), void *arg)
{
    return signals_listen(&s->signals, topic, fn, arg);
}

bool store_is_shared(const struct store *s)
{
    return s->backend->lock_try != NULL;
}

void store_unlisten(struct store *s, void *arg)
{
    signals_unlisten(&s->signals, arg);
}

err store_lock(struct store *s, const char *name, int64_t timeout_ms, struct store_lock **ret_lock)
{
    return signals_lock(&s->signals, name, timeout_ms, ret_lock);
}

/* ------------------------------------------------------------------ the tables as they are */

err store_ids_continue(struct store_tx *tx, str table)
{
    return tx->backend->ids_continue ? tx->backend->ids_continue(tx, table) : OK;
}

struct spread {
    const char *table, *owner, *time;
    int64_t piece;
};

static err spread_fn(struct store_tx *tx, void *arg)
{
    const struct spread *s = arg;
    return tx->backend->spread(tx, s->table, s->owner, s->time, s->piece);
}

err store_spread(struct store *s, const char *table, const char *owner, const char *time,
                 int64_t piece)
{
    struct spread spread = { table, owner, time, piece };
    return s->backend->spread ? store_write(s, spread_fn, &spread) : OK;
}

err store_others(struct store *s, int64_t *ret_count)
{
    if (s->backend->others)
        return s->backend->others(s->engine, ret_count);
    *ret_count = 0;
    return OK;
}

/* ------------------------------------------------------------------ operations */

err store_check(struct store *s)
{
    return s->backend->check(s->engine);
}

err store_size(struct store *s, int64_t *ret_bytes)
{
    return s->backend->size(s->engine, ret_bytes);
}

err store_spare(struct store *s, int64_t *ret_bytes)
{
    *ret_bytes = 0;
    return s->backend->spare ? s->backend->spare(s->engine, ret_bytes) : OK;
}

err store_sweep(struct store *s, const char *table)
{
    return s->backend->sweep ? s->backend->sweep(s->engine, table) : OK;
}

const char *store_engine(const struct store *s)
{
    return s->engine_name;
}

err store_backup(struct store *s, const char *path)
{
    return s->backend->backup(s->engine, path);
}
