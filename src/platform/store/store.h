/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store.h -- the relational store: one interface, SQLite behind it, or PostgreSQL.
 *
 * Writes: store_write(store, fn, arg) runs fn inside a transaction and returns when the result is
 * synced to disk, as if no other write ran meanwhile. SQLite has one writer and many callers share
 * a commit (group commit); when one fails the others run again without it, so a failing neighbour
 * harms no one. PostgreSQL runs them side by side and retries on a serialization failure. Either
 * way fn may be run again, so it touches nothing but the transaction and its own result struct,
 * which it sets from scratch each time. Reads: store_read(store, fn, arg) gives a snapshot. Its
 * handle has another type, so that a read cannot write. Keep reads short: a long one keeps the
 * write-ahead log growing. A read inside a read of the same thread gets the same snapshot.
 *
 * A statement that fails spoils its transaction, as in PostgreSQL: later statements are refused
 * with the same error, and the write or read fails with it whatever fn returns. So "insert, or
 * else ..." is written with ON CONFLICT, not by catching ERR_CONFLICT. Results and bulks that fn
 * leaves open are closed for it, so TRY is fine inside a walk over rows.
 *
 * SQL is the subset both engines share; placeholders are ?1 ?2 ... (a sibling rewrites them):
 *   use      ON CONFLICT ... DO UPDATE/NOTHING, RETURNING, CTEs, window functions, CASE, COALESCE,
 *            LIMIT/OFFSET, CAST(x AS @text/@int/@real), lower(), length(), substr(), strict GROUP
 * BY, a name for each subquery in FROM, NULLS FIRST/LAST where ORDER BY meets NULL, LIKE ... ESCAPE
 *            (which minds case; its escape must be named: engines differ in what they use else)
 *   not      INSERT OR x, rowid, PRAGMA, datetime(), typeof(), json functions, ILIKE,
 *            BEGIN/COMMIT/SAVEPOINT
 * In migrations and statements these words are replaced by the dialect's:
 *   @id      64-bit primary key that numbers itself
 *            (INTEGER PRIMARY KEY | BIGINT GENERATED ... KEY)
 *   @int @real @text @blob   column types
 *            (INTEGER REAL TEXT BLOB | BIGINT DOUBLE PRECISION TEXT BYTEA)
 *   @strict  end of CREATE TABLE (STRICT | nothing)
 *   @clustered  the same, for small rows of a table that is its primary key: no second copy of
 *            them beside the index (STRICT, WITHOUT ROWID | nothing)
 *   @instr(text, part)  where `part` begins, in characters from 1 on; 0: nowhere (instr | strpos)
 *   text @rlike pattern  the regular expression is found in the text (REGEXP | ~). `pattern` is an
 *            argument that pattern_portable() made: the engines agree on no others. ERR_TOO_BIG, or
 *            ERR_TIMEOUT, when all texts together take too long
 *   @skip_locked  end of a SELECT that takes rows nobody else is taking, for store_write_claim
 *            (nothing | FOR UPDATE SKIP LOCKED)
 * Times are @int milliseconds since 1970 UTC, booleans @int 0/1, JSON is @text. A @text value is
 * UTF-8 without NUL bytes (else ERR_INVALID) and, like a blob, at most 64 MiB.
 */
#ifndef SKERRY_STORE_H
#define SKERRY_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct store;      /* an open store; any thread */
struct store_read; /* a snapshot; the thread that got it */
struct store_tx;   /* a write transaction; the thread that got it */
struct store_rows; /* an open result; closed before its snapshot ends */

/* ------------------------------------------------------------------ life cycle */

struct store_options {
    /* "sqlite:/path/skerry.db", "postgresql://user:password@host/database" (libpq's URL); other
     * schemes: ERR_UNSUPPORTED. No message shows a password. */
    const char *url;
    int readers_max;        /* read connections, opened when first needed; 0 means 8 */
    size_t write_queue_max; /* waiting writes; beyond: ERR_BUSY; 0 means 4096 */
    /* Called after each commit on the thread that made it, e.g. to feed metrics. With PostgreSQL
     * several threads may call at once. May be NULL. */
    void (*on_commit)(void *arg, size_t writes, int64_t duration_ns);
    void *on_commit_arg;
};

/* Opens or creates. ERR_CORRUPT with what to do when the file is damaged. */
MUST_USE err store_open(const struct store_options *options, struct store **ret_store);

/* Drains the write queue, checkpoints, closes. Accepts NULL. No read or write may be running. */
void store_close(struct store *s);

/* ------------------------------------------------------------------ migrations */

/* One numbered step of one owner (an app or a platform room). Numbers start at 1 without gaps. A
 * step is never edited once released. `sql` holds statements separated by ";". */
struct store_migration {
    int number; /* 0 ends a table of steps */
    const char *sql;
    /* In the place of `sql` on PostgreSQL, where each engine keeps the same in its own way (an
     * index here, a table that triggers keep there); NULL: it is the same. A table whose comment
     * begins with "derived:" is kept by triggers: store_tables does not name it. */
    const char *postgresql;
};

/* Applies what is missing, each step in its own transaction with its bookkeeping row. Safe to call
 * again. ERR_UNSUPPORTED, with both numbers, when the store has a newer step than this program;
 * ERR_CONFLICT when the text of an applied step was edited. */
MUST_USE err store_migrate(struct store *s, const char *owner, const struct store_migration *steps);
/* The same as far as step number_max: a store as an older program left it. */
MUST_USE err store_migrate_to(struct store *s, const char *owner,
                              const struct store_migration *steps, int number_max);

/* ------------------------------------------------------------------ transactions */

typedef err (*store_write_fn)(struct store_tx *tx, void *arg);
typedef err (*store_read_fn)(struct store_read *rd, void *arg);

/* Returns fn's error after rolling its part back, or OK when the commit is on disk. ERR_BUSY when
 * the queue is full, ERR_NO_SPACE when the disk is, ERR_CANCELLED while the store closes. From
 * inside another store_write or store_read it would deadlock: ERR_INTERNAL. */
MUST_USE err store_write(struct store *s, store_write_fn fn, void *arg);

/* Same, for taking a row that others want too, found with @skip_locked: fn sees each row as it is
 * now and not as it was when it began. So it must not decide by rows that it does not lock. With
 * PostgreSQL it does not wait for the disk: when the server's machine crashes, a row that was just
 * taken is free again, as are all later writes that were not acknowledged. */
MUST_USE err store_write_claim(struct store *s, store_write_fn fn, void *arg);

/* Same, without waiting: `done(arg, result)` is called once on the writer thread, after the commit
 * or the failure; it must be short and owns arg from then on. On an error return done is not
 * called. Those of one thread run in order. */
MUST_USE err store_write_later(struct store *s, store_write_fn fn, void *arg,
                               void (*done)(void *arg, err result));

/* A snapshot for the time of fn. ERR_BUSY when no read connection came free within five seconds.
 * Not on the writer thread (in a write's fn or in done): ERR_INTERNAL. */
MUST_USE err store_read(struct store *s, store_read_fn fn, void *arg);

/* The transaction as a snapshot that sees its own writes. Same life. */
struct store_read *store_tx_read(struct store_tx *tx);

/* ------------------------------------------------------------------ statements */

enum store_type { STORE_NULL, STORE_INT, STORE_REAL, STORE_TEXT, STORE_BLOB };

struct store_value {
    enum store_type type;
    union {
        int64_t integer;
        double real;
        str bytes; /* borrowed for the call */
    };
};

static inline struct store_value sql_int(int64_t v)
{
    return (struct store_value){ .type = STORE_INT, .integer = v };
}
static inline struct store_value sql_real(double v)
{
    return (struct store_value){ .type = STORE_REAL, .real = v };
}
static inline struct store_value sql_text(str v)
{
    return (struct store_value){ .type = STORE_TEXT, .bytes = v };
}
static inline struct store_value sql_cstr(const char *v) /* NULL binds NULL */
{
    return v ? sql_text(str_of(v)) : (struct store_value){ .type = STORE_NULL };
}
static inline struct store_value sql_blob(str v)
{
    return (struct store_value){ .type = STORE_BLOB, .bytes = v };
}
static inline struct store_value sql_null(void)
{
    return (struct store_value){ .type = STORE_NULL };
}
/* NULL for an empty text, for optional columns */
static inline struct store_value sql_text_opt(str v)
{
    return v.len ? sql_text(v) : sql_null();
}

struct store_args {
    const struct store_value *values;
    size_t count;
};
#define ARGS(...)                                                               \
    ((struct store_args){ (const struct store_value[]){ __VA_ARGS__ },          \
                          sizeof((const struct store_value[]){ __VA_ARGS__ }) / \
                              sizeof(struct store_value) })
#define NO_ARGS ((struct store_args){ NULL, 0 })

/* Runs one statement that returns no rows. `sql` is a literal or lives as long as the store:
 * prepared statements are cached by its address and text. *ret_changed (may be NULL) is the number
 * of rows inserted, updated or deleted. A broken unique, check or foreign key rule is
 * ERR_CONFLICT; NULL in a NOT NULL column, or a value of the wrong type, is ERR_INVALID. */
MUST_USE err store_exec(struct store_tx *tx, const char *sql, struct store_args args,
                        int64_t *ret_changed);

/* Runs a query as far as its first row; also INSERT/UPDATE/DELETE ... RETURNING with
 * store_tx_read(tx) as rd.
 *     struct store_rows *rows;
 *     TRY(store_query(rd, "SELECT ...", ARGS(sql_text(id)), &rows));
 *     while (store_next(rows)) ... store_col_int(rows, 0) ...
 *     TRY(store_rows_close(rows));      <- reports an error that ended the walk early */
MUST_USE err store_query(struct store_read *rd, const char *sql, struct store_args args,
                         struct store_rows **ret_rows);
/* Same for SQL that was built at run time (filters): not cached; the text is copied. */
MUST_USE err store_query_dynamic(struct store_read *rd, str sql, struct store_args args,
                                 struct store_rows **ret_rows);
/* Same for SQL that is all that its store_write_claim does, where store_chains says true. Nothing
 * but the statement travels: OK means that it is stored. When the connection breaks
 * under way it may have been stored, and fn runs again all the same. The text is PostgreSQL's, but
 * for placeholders and words. */
MUST_USE err store_query_whole(struct store_tx *tx, str sql, struct store_args args,
                               struct store_rows **ret_rows);
/* Can one statement change several tables, by WITH changed AS (UPDATE ... RETURNING ...)? SQLite
 * cannot. */
bool store_chains(const struct store *s);
bool store_next(struct store_rows *rows);
MUST_USE err store_rows_close(struct store_rows *rows); /* accepts NULL */

/* Columns count from 0. Slices are valid until the next store_next or close. NULL reads as 0 or
 * "". */
bool store_col_is_null(struct store_rows *rows, int column);
int64_t store_col_int(struct store_rows *rows, int column);
double store_col_real(struct store_rows *rows, int column);
str store_col_text(struct store_rows *rows, int column);
str store_col_blob(struct store_rows *rows, int column);
str store_col_text_keep(struct store_rows *rows, int column, arena *keep); /* a copy */

/* First column of the first row; ERR_NOT_FOUND when there is none. */
MUST_USE err store_get_int(struct store_read *rd, const char *sql, struct store_args args,
                           int64_t *ret_value);
MUST_USE err store_get_text(struct store_read *rd, const char *sql, struct store_args args,
                            arena *keep, str *ret_value);

/* ------------------------------------------------------------------ bulk */

/* Many rows into one table as fast as the engine can (PostgreSQL: COPY BINARY). Rows that break a
 * unique rule are skipped and not counted. About 20,000 rows in one write are best: each commit
 * writes every index page that it touched, and with random keys that is nearly all of them; more
 * rows make other writers wait longer than a quarter of a second.
 *     TRY(store_bulk_begin(tx, "chess_games", "key, white_id, moves", 3, &bulk));
 *     for (...) TRY(store_bulk_row(bulk, values));
 *     TRY(store_bulk_end(bulk, &inserted_total));  */
struct store_bulk;
MUST_USE err store_bulk_begin(struct store_tx *tx, const char *table, const char *columns,
                              int column_count, struct store_bulk **ret_bulk);
MUST_USE err store_bulk_row(struct store_bulk *bulk, const struct store_value *values);
/* Frees bulk, always. */
MUST_USE err store_bulk_end(struct store_bulk *bulk, int64_t *ret_inserted);

/* ------------------------------------------------------------------ other threads, other processes
 */

/* Wakes listeners of `topic` when tx commits, in this process and, with PostgreSQL, in all others.
 * `topic` is a literal. Wake-ups may be merged, and come twice; none is lost, except while a
 * connection is broken: then everybody is woken when it is back. */
MUST_USE err store_notify(struct store_tx *tx, const char *topic);

/* Calls fn(arg) on a thread of the store for each wake-up, until store_unlisten(s, arg) returns. fn
 * is short and calls nothing of the store. `topic` is a literal. */
MUST_USE err store_listen(struct store *s, const char *topic, void (*fn)(void *arg), void *arg);
/* True when processes of other machines may use the store, and wake-ups cross processes. */
bool store_is_shared(const struct store *s);
void store_unlisten(struct store *s, void *arg); /* all topics of arg; not from within fn */

/* A lock by name that one holder has at a time: among the threads of this process, and with
 * PostgreSQL among all processes of the store. For what the world outside wants one at a time (a
 * web site that is asked politely); rows need none. ERR_BUSY when it did not come free within
 * timeout_ms. It is lost when the process dies or its connection breaks. */
struct store_lock;
MUST_USE err store_lock(struct store *s, const char *name, int64_t timeout_ms,
                        struct store_lock **ret_lock);
void store_unlock(struct store_lock *lock); /* accepts NULL */

/* ------------------------------------------------------------------ the tables as they are */

struct store_column {
    str name;
    enum store_type type; /* as declared: INT, REAL, TEXT or BLOB */
    int key;              /* its place in the primary key, from 1 on; 0: not part of it */
};
struct store_table {
    str name;
    const struct store_column *columns; /* in the order of their making */
    size_t column_count;
    const str *parents; /* tables that foreign keys of this one refer to; itself is left out */
    size_t parent_count;
};
enum { STORE_TABLES_MAX = 512, STORE_COLUMNS_MAX = 64 };

/* All tables, each behind its parents and otherwise by name: the same order from every engine.
 * ERR_UNSUPPORTED for one that store.h's SQL cannot have made. */
MUST_USE err store_tables(struct store_read *rd, arena *keep, struct store_table **ret_tables,
                          size_t *ret_count);
/* After rows were written with numbers of their own into @id columns: the next number that is
 * given is above all of them. */
MUST_USE err store_ids_continue(struct store_tx *tx, str table);
/* Keeps a table that grows for ever in pieces, where the engine has something for it: PostgreSQL
 * with TimescaleDB in the database makes it a hypertable, in pieces of `piece` by `time`; with
 * Citus and workers, it is distributed over them by `owner`. What is in it moves along. Both are
 * @int columns of its primary key. No table refers to it, and no write decides by its rows: what
 * is on several machines is SERIALIZABLE on each alone. Else, and when it is done, does nothing. */
MUST_USE err store_spread(struct store *s, const char *table, const char *owner, const char *time,
                          int64_t piece);
/* Processes other than this one that are connected to a shared store; 0 for SQLite, where the locks
 * in SKERRY_HOME tell. */
MUST_USE err store_others(struct store *s, int64_t *ret_count);

/* ------------------------------------------------------------------ operations */

/* Reads everything: OK, or ERR_CORRUPT with the first finding. PostgreSQL finds damaged pages only
 * when the server was made with checksums. */
MUST_USE err store_check(struct store *s);
MUST_USE err store_size(struct store *s, int64_t *ret_bytes);
/* Of that size, what removed rows left: it is filled again before the files grow. */
MUST_USE err store_spare(struct store *s, int64_t *ret_bytes);
const char *store_engine(const struct store *s); /* "sqlite 3.40.1" */
/* Clears away what removed rows left in `table` and its indexes, now and not when the engine comes
 * to it (PostgreSQL's autovacuum: once a minute at most). For a table that rows only pass through
 * and that is searched from its beginning: until then each search walks over all that were removed.
 * What somebody else clears at this moment is left to him. ERR_TIMEOUT after five seconds. Does
 * nothing with SQLite, where nothing is left. Not from within a write or a read. */
MUST_USE err store_sweep(struct store *s, const char *table);
/* Online copy into a new file: an SQLite file, or what pg_dump --format=custom writes. */
MUST_USE err store_backup(struct store *s, const char *path);

#endif
