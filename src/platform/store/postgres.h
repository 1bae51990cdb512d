/* SPDX-License-Identifier: GPL-3.0-or-later */
/* postgres.h -- what the postgres_*.c files share. Private to this room.
 *
 * An engine has a pool of connections that write, each write in a transaction of its own, one that
 * takes rows off queues, and one that reads. A connection is used by one thread at a time; nothing
 * in postgres_conn.c, postgres_stmt.c or postgres_bulk.c locks.
 *
 * Connections work in libpq's pipeline mode: BEGIN, the preparation of a statement and the
 * statement travel together, so that a read of one statement costs one way to the server and back.
 */
#ifndef SKERRY_STORE_POSTGRES_H
#define SKERRY_STORE_POSTGRES_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "platform/store/backend.h"
#include "platform/store/postgres_sql.h"
#include "platform/store/pq.h"

#define PG_STATEMENT_TIMEOUT "120s"

enum { PG_ERROR_STATE_BYTES = 6, PG_WHERE_BYTES = 160 };

#define PG_POOLED_TEXT                                                                         \
    "%s is behind a proxy that pools by transaction (name the server itself in SKERRY_DB, or " \
    "set pool_mode=session there)"

/* Our types, by the numbers that PostgreSQL gives them. */
enum pg_type {
    PG_UNKNOWN = 0, /* the server finds it out */
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_OID = 26,
    PG_FLOAT4 = 700,
    PG_FLOAT8 = 701,
    PG_NUMERIC = 1700,
};

struct pg_pool;
struct pg_later;

struct pg_engine {
    struct pq pq;
    char *url;                  /* with the password: for libpq only, never in a message */
    char where[PG_WHERE_BYTES]; /* the same without it: for messages */
    char version[48];
    char instance[9]; /* tells our connections from those of other processes */
    struct pg_pool *readers, *writers, *claimers;
    struct pg_later *later;
    struct pg_listener *listener; /* NULL until somebody listens */
    pthread_mutex_t locks_turn;
    struct pg_conn *locks; /* guarded by locks_turn: holds the locks of this process */
    void (*on_commit)(void *arg, size_t writes, int64_t duration_ns);
    void *on_commit_arg;
    pthread_mutex_t down_lock;
    int64_t down_until_ns; /* guarded by down_lock: a connection failed; until then nobody tries */
    err down;              /* guarded by down_lock: why it did */
    _Atomic uint64_t retries; /* transactions that ran again */
};

/* ------------------------------------------------------------------ connections: postgres_conn.c
 */

enum pg_begin {
    PG_BEGIN_READ,  /* a snapshot */
    PG_BEGIN_WRITE, /* as if nobody else wrote meanwhile; else it runs again */
    PG_BEGIN_CLAIM, /* sees rows as they are now: for taking one that nobody holds */
    PG_BEGIN_COUNT
};

struct pg_prepared;
struct pg_rows;

struct pg_conn {
    struct store_read read; /* first: this is what an app holds as its snapshot */
    struct store_tx tx;     /* and this as its transaction */
    struct pg_engine *engine;
    PGconn *pq; /* NULL: to be connected when first used */
    enum pg_begin begin;
    bool is_claimer, is_reader; /* one of those that take rows, or only read: other settings */
    bool is_begun;              /* BEGIN has arrived */
    bool is_whole; /* the next statement is a transaction of its own: no BEGIN, no COMMIT */
    bool is_committing;
    bool may_resend;   /* the last statement met a connection that had died before: send again */
    bool wants_retry;  /* the transaction failed for a reason that another try may not meet */
    struct list rows;  /* of struct pg_rows: not closed yet */
    struct list bulks; /* of struct pg_bulk */
    struct pg_rows *streaming; /* whose rows are still arriving */
    err failure; /* the first failed statement of this transaction; later ones are refused */
    char state[PG_ERROR_STATE_BYTES]; /* SQLSTATE of the last error */
    struct pg_prepared **cache;
    size_t cache_count, cache_max;
    uint64_t cache_clock;
    uint64_t name_count; /* prepared statements are named s1, s2, ... */
    uint64_t drop_name;  /* one that left the cache: dropped on the next way; 0: none */
    uint64_t seen[32];   /* hashes of texts that were run once */
    size_t seen_at;
};

/* One statement on its way to the server. */
struct pg_call {
    const char *sql; /* NULL: prepared under `name` already */
    uint64_t name;   /* 0: not prepared, runs once */
    int count;
    const Oid *types;
    const char *const *values;
    const int *lengths, *formats;
};

/* Makes the struct; the server is asked when it is first used. */
MUST_USE err pg_conn_new(struct pg_engine *s, struct pg_conn **ret_conn);
void pg_conn_free(struct pg_conn *c); /* accepts NULL */
/* Connects now; a failure is told with the next step. */
MUST_USE err pg_conn_connect(struct pg_conn *c);
bool pg_conn_is_lost(const struct pg_conn *c);

void pg_conn_begin(struct pg_conn *c, enum pg_begin begin); /* sends nothing yet */
MUST_USE err pg_conn_commit(struct pg_conn *c);
void pg_conn_rollback(struct pg_conn *c);

/* Sends a statement, with what must go before it, and reads as far as the statement's own first
 * result, which is the caller's to clear. With `rows`, results come row by row. After an error with
 * may_resend set, all prepared statements are gone and the caller sends once more. */
MUST_USE err pg_conn_start(struct pg_conn *c, const struct pg_call *call, bool rows,
                           PGresult **ret_result);
/* Reads to the end of what pg_conn_start has begun. What fails there is the end of a transaction
 * without COMMIT; elsewhere the next step meets the same, and nobody needs to look. */
err pg_conn_finish(struct pg_conn *c);
/* Runs SQL of our own that may not be prepared, in the transaction; *ret_text (may be NULL) gets
 * the first value as text. */
MUST_USE err pg_conn_run(struct pg_conn *c, const char *sql, const char *const *values, int count,
                         char *out, size_t out_bytes);

/* Remembers the failure that spoils the transaction, and returns it. */
err pg_spoil(struct pg_conn *c, err e);
/* Makes an error of a failed result, or of the connection when result is NULL. */
MUST_USE err pg_error(struct pg_conn *c, const PGresult *result, const char *doing,
                      const char *sql);
/* Closes what fn left open and returns the error of the transaction. */
MUST_USE err pg_conn_settle(struct pg_conn *c, err from_fn);

static inline struct pg_conn *pg_conn_of(struct store_read *rd)
{
    return (struct pg_conn *)(void *)rd;
}

/* ------------------------------------------------------------------ statements: postgres_stmt.c */

err pg_exec(struct store_tx *tx, const char *sql, struct store_args args, int64_t *ret_changed);
err pg_exec_script(struct store_tx *tx, const char *sql);
err pg_query(struct store_read *rd, str sql, bool cacheable, struct store_args args,
             struct store_rows **ret_rows);
err pg_query_whole(struct store_tx *tx, str sql, struct store_args args,
                   struct store_rows **ret_rows);
void pg_cache_clear(struct pg_conn *c); /* the connection is gone, or its statements are stale */
/* Checks a value as store.h promises. */
MUST_USE err pg_value_check(const struct store_value *v, size_t number, const char *sql);

/* ------------------------------------------------------------------ rows: postgres_rows.c */

struct pg_rows {
    struct store_rows rows; /* first: this is what an app holds as its result */
    struct pg_conn *conn;
    struct list_link link; /* in conn->rows */
    PGresult *row;         /* what the columns are read from, and where in it */
    int row_at;
    PGresult **kept; /* rows that had to be read before they were asked for */
    size_t kept_count, kept_at, kept_bytes;
    char (*texts)[32]; /* numbers asked for as text, by column */
    bool has_row;      /* `row` was not handed out yet */
    bool is_done;
    err failure;
};

MUST_USE err pg_rows_new(struct pg_conn *c, struct pg_rows **ret_rows);
/* Takes the first result of a statement. */
MUST_USE err pg_rows_first(struct pg_rows *r, PGresult *result);
/* Reads what is still arriving for somebody's open rows, so that another statement can run. */
MUST_USE err pg_rows_keep(struct pg_conn *c);

bool pg_rows_next(struct store_rows *rows);
err pg_rows_close(struct store_rows *rows);
bool pg_col_is_null(struct store_rows *rows, int column);
int64_t pg_col_int(struct store_rows *rows, int column);
double pg_col_real(struct store_rows *rows, int column);
str pg_col_bytes(struct store_rows *rows, int column);

/* ------------------------------------------------------------------ bulk: postgres_bulk.c */

struct pg_bulk;
err pg_bulk_begin(struct store_tx *tx, const char *table, const char *columns, int column_count,
                  struct store_bulk **ret_bulk);
err pg_bulk_row(struct store_bulk *bulk, const struct store_value *values);
err pg_bulk_end(struct store_bulk *bulk, int64_t *ret_inserted);
void pg_bulk_close_open(struct pg_conn *c); /* what a transaction left open: not stored */

static inline void pg_put_u64(char out[8], uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        out[i] = (char)(v & 0xFF);
}

/* ------------------------------------------------------------------ postgres.c,
 * postgres_catalog.c */

/* Runs one query of our own on a connection that is lent for it; `value` is $1, or NULL. */
MUST_USE err pg_ask(struct pg_engine *s, const char *sql, const char *value, char *out,
                    size_t out_bytes);
err pg_catalog(struct store_read *rd, const struct store_catalog *to);
err pg_ids_continue(struct store_tx *tx, str table);
err pg_spread(struct store_tx *tx, const char *table, const char *owner, const char *time,
              int64_t piece);
err pg_others(void *engine, int64_t *ret_count);

/* ------------------------------------------------------------------ pools: postgres_pool.c */

MUST_USE err pg_pool_open(struct pg_engine *s, int count, const char *what,
                          struct pg_pool **ret_pool);
void pg_pool_close(struct pg_pool *p); /* accepts NULL */
bool pg_pool_has_me(struct pg_pool *p);
/* A connection for this thread until pg_pool_give; its own when its caller has one (*ret_nested).
 * ERR_BUSY when none came free in time. */
MUST_USE err pg_pool_take(struct pg_pool *p, struct pg_conn **ret_conn, bool *ret_nested);
void pg_pool_give(struct pg_pool *p, struct pg_conn *c);

/* ------------------------------------------------------------------ writes: postgres_write.c */

MUST_USE err pg_later_open(struct pg_engine *s, size_t queue_max, struct pg_later **ret_later);
void pg_later_close(struct pg_later *l); /* drains; accepts NULL */
err pg_write(void *engine, store_write_fn fn, void *arg);
err pg_write_claim(void *engine, store_write_fn fn, void *arg);
err pg_write_later(void *engine, store_write_fn fn, void *arg, void (*done)(void *, err));
err pg_read(void *engine, store_read_fn fn, void *arg);

/* ------------------------------------------------------------------ other processes:
 * postgres_listen.c */

struct pg_listener;
err pg_notify(struct store_tx *tx, const char *topic);
err pg_listen(void *engine, const char *topic, void (*heard)(void *arg, const char *topic),
              void *arg);
void pg_listener_close(struct pg_listener *l); /* accepts NULL */
err pg_lock_try(void *engine, const char *name, bool *ret_taken);
err pg_lock_release(void *engine, const char *name);

#endif
