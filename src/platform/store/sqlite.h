/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sqlite.h -- what the sqlite_*.c files share. Private to this room.
 *
 * An engine has one connection that writes, owned by the writer thread, and a pool of connections
 * that read. A connection is used by one thread at a time; nothing in sqlite_conn.c or
 * sqlite_stmt.c locks.
 */
#ifndef SKERRY_STORE_SQLITE_H
#define SKERRY_STORE_SQLITE_H

#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>

#include "base/fs.h"
#include "base/list.h"
#include "platform/store/backend.h"

/* ------------------------------------------------------------------ connections: sqlite_conn.c */

/* How long a connection waits for a lock. Within one process only the end of a recovery takes any.
 */
enum { SQLITE_CONN_BUSY_MS = 5000 };

enum { SQLITE_TOPICS_MAX = 16 };

enum sqlite_role { SQLITE_ROLE_WRITER, SQLITE_ROLE_READER };

/* Statements that are ours alone: an app's SQL may not begin or end transactions. */
enum sqlite_control {
    CONTROL_BEGIN_WRITE,
    CONTROL_BEGIN_READ,
    CONTROL_COMMIT,
    CONTROL_ROLLBACK,
    CONTROL_SAVEPOINT,
    CONTROL_RELEASE,
    CONTROL_ROLLBACK_TO,
    CONTROL_COUNT
};

struct sqlite_stmt;

struct sqlite_conn {
    struct store_read read; /* first: this is what an app holds as its snapshot */
    struct store_tx tx;     /* and this as its transaction; writer only */
    sqlite3 *db;
    const char *path;
    enum sqlite_role role;
    bool trusted;     /* our own control statement is being prepared: the authorizer lets it pass */
    bool is_roomy;    /* the page cache has its bulk size */
    struct list open; /* of struct sqlite_stmt: results and bulks not closed yet */
    err failure;      /* the first failed statement of this transaction; later ones are refused */
    const char *topics[SQLITE_TOPICS_MAX]; /* said in this group, for after its commit */
    size_t topic_count;
    int wal_pages; /* in the write-ahead log after the last commit of this connection */
    sqlite3_stmt *control[CONTROL_COUNT];
    struct sqlite_stmt **cache;
    size_t cache_count, cache_max;
    uint64_t cache_clock;
};

/* Opens and configures. `path` must outlive the connection. */
MUST_USE err sqlite_conn_open(const char *path, enum sqlite_role role,
                              struct sqlite_conn **ret_conn);
void sqlite_conn_close(struct sqlite_conn *c); /* accepts NULL */

MUST_USE err sqlite_conn_control(struct sqlite_conn *c, enum sqlite_control control);

/* First column of the first row of one of our own statements, as text, cut to out_bytes; "" without
 * a row. */
MUST_USE err sqlite_conn_pragma(struct sqlite_conn *c, const char *sql, char *out,
                                size_t out_bytes);

/* Sets the size of the page cache; a smaller size gives memory back at once. */
void sqlite_conn_resize(struct sqlite_conn *c, bool roomy);

/* Closes what fn left open and returns the error of the transaction: fn's own, else that of the
 * first statement that failed. Clears it for the next transaction. */
MUST_USE err sqlite_conn_settle(struct sqlite_conn *c, err from_fn);

int sqlite_regexp_add(sqlite3 *db);  /* what @rlike calls; an SQLite result code */
int sqlite_step(sqlite3_stmt *stmt); /* sqlite3_step, so that sqlite_error can tell why it failed */

/* Makes an error from the connection's last failure; to be called before anything sets errno. */
MUST_USE err sqlite_error(struct sqlite_conn *c, int rc, const char *doing, const char *sql);

/* ------------------------------------------------------------------ statements: sqlite_stmt.c */

err sqlite_exec(struct store_tx *tx, const char *sql, struct store_args args, int64_t *ret_changed);
err sqlite_exec_script(struct store_tx *tx, const char *sql);
err sqlite_query(struct store_read *rd, str sql, bool cacheable, struct store_args args,
                 struct store_rows **ret_rows);
bool sqlite_next(struct store_rows *rows);
err sqlite_rows_close(struct store_rows *rows);
bool sqlite_col_is_null(struct store_rows *rows, int column);
int64_t sqlite_col_int(struct store_rows *rows, int column);
double sqlite_col_real(struct store_rows *rows, int column);
str sqlite_col_bytes(struct store_rows *rows, int column);
err sqlite_bulk_begin(struct store_tx *tx, const char *table, const char *columns, int column_count,
                      struct store_bulk **ret_bulk);
err sqlite_bulk_row(struct store_bulk *bulk, const struct store_value *values);
err sqlite_bulk_end(struct store_bulk *bulk, int64_t *ret_inserted);

/* sqlite_catalog.c */
err sqlite_catalog(struct store_read *rd, const struct store_catalog *to);

void sqlite_stmt_close_open(struct sqlite_conn *c);  /* what a transaction left open */
void sqlite_stmt_close_cache(struct sqlite_conn *c); /* everything, before the connection closes */

/* ------------------------------------------------------------------ writer: sqlite_writer.c */

struct sqlite_writer;

/* Takes conn over, also on failure. */
MUST_USE err sqlite_writer_open(const struct store_options *options, struct sqlite_conn *conn,
                                struct sqlite_writer **ret_writer);
/* Calls heard for what sqlite_notify says in writes that were committed. */
void sqlite_writer_listen(struct sqlite_writer *w, void (*heard)(void *arg, const char *topic),
                          void *arg);
err sqlite_notify(struct store_tx *tx, const char *topic);
void sqlite_writer_close(struct sqlite_writer *w); /* drains, checkpoints; accepts NULL */
MUST_USE err sqlite_writer_run(struct sqlite_writer *w, store_write_fn fn, void *arg);
MUST_USE err sqlite_writer_later(struct sqlite_writer *w, store_write_fn fn, void *arg,
                                 void (*done)(void *arg, err result));
bool sqlite_writer_is_me(const struct sqlite_writer *w); /* the caller is the writer thread */

/* ------------------------------------------------------------------ readers: sqlite_readers.c */

struct sqlite_readers;

MUST_USE err sqlite_readers_open(const char *path, int readers_max,
                                 struct sqlite_readers **ret_readers);
void sqlite_readers_close(struct sqlite_readers *r); /* accepts NULL */
MUST_USE err sqlite_readers_run(struct sqlite_readers *r, store_read_fn fn, void *arg);
bool sqlite_readers_has_me(struct sqlite_readers *r); /* the caller is inside a read */

#endif
