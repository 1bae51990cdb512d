/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection: how it is made and configured, how statements travel, what errors mean.
 *
 * A connection that broke before BEGIN was answered is made again and the statement sent again:
 * nothing had happened yet. So a restarted server costs nobody an error. One that breaks later
 * fails its transaction; a write runs again from the start (postgres_write.c). One that breaks
 * while COMMIT is under way is told: nobody knows then whether it was stored. A claim that is one
 * statement without BEGIN and COMMIT runs again even so: what nobody heard of is an owner that fell
 * silent (docs/adr/019).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/store/postgres.h"

enum {
    STATEMENTS_MAX = 128,
    /* After a failed connection nobody tries again for this long: a server that is down is not
     * asked by every request, and nobody waits long to hear so. */
    DOWN_MS = 500,
};

/* statement_timeout ends what got lost; lock_timeout what waits for a stranger. A process that
 * hangs within a write, or whose machine is cut off, keeps its rows and locks from all others until
 * the server notices: by itself after hours (idle_in_transaction_session_timeout, tcp_*). Planning
 * with a just-in-time compiler takes longer than our statements do. Our SQL expects an index to be
 * used where there is one, as SQLite does: a plan made while a table was empty would read all of it
 * later, until the server has looked at the table again (enable_seqscan). With Citus, what a write
 * does on a worker is one transaction there, not one for each piece, of which each is prepared and
 * synced: ten times slower. Where Citus is not, a setting of its name means nothing. */
static const char setup_sql[] =
    "SET synchronous_commit = on; SET lock_timeout = '30s';"
    "SET statement_timeout = '" PG_STATEMENT_TIMEOUT "';"
    "SET idle_in_transaction_session_timeout = '20s'; SET jit = off; SET enable_seqscan = off;"
    "SET TimeZone = 'UTC'; SET client_min_messages = 'error';"
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2;"
    "SET tcp_user_timeout = 20000;"
    "SET citus.multi_shard_modify_mode = 'sequential'";

/* A connection that listens, or holds a lock, is idle for days, and a role may say otherwise. Older
 * servers do not know these, and are to be told apart by their version, not by this. */
static const char quiet_sql[] = "SELECT set_config(name, '0', false) FROM pg_settings"
                                " WHERE name IN ('idle_session_timeout', 'transaction_timeout');";

/* A row that was taken just before the server crashed is free again then, and whoever took it finds
 * that out with the next write: nothing is worth waiting for the disk. And the first row of an
 * index is wanted: sorting all that wait costs more the longer the queue is, but the server's idea
 * of how many wait is a minute old. When it looked at a quiet moment it takes it that no job is
 * queued, and would read all there are before it looks for one: so it is left one way only, from
 * the queue's index to each job's (enable_material, hashjoin, mergejoin). As there is no choice, it
 * is planned once (plan_cache_mode): anew for each batch is 7 % of its time. A claim does
 * itself, for all its rows at once, what a trigger would do for each: skerry.claims tells the
 * trigger so. */
static const char claim_setup_sql[] =
    ";SET synchronous_commit = off; SET enable_sort = off; SET enable_material = off;"
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET skerry.claims = 'on';"
    "SET plan_cache_mode = 'force_generic_plan';"
    "SET default_transaction_isolation = 'read committed'"; /* of a claim without BEGIN */

/* A reader keeps nobody waiting: whoever copies what it reads elsewhere may take long. */
static const char read_setup_sql[] = ";SET idle_in_transaction_session_timeout = '300s'";

static const char *const begin_sql[PG_BEGIN_COUNT] = {
    [PG_BEGIN_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [PG_BEGIN_WRITE] = "BEGIN ISOLATION LEVEL SERIALIZABLE",
    [PG_BEGIN_CLAIM] = "BEGIN ISOLATION LEVEL READ COMMITTED",
};

/* ------------------------------------------------------------------ errors */

#define STATE_READ_ONLY "25006"
/* We did not go on for so long that the server ended the transaction: nothing of it is stored. */
#define STATE_HUNG "25P03"

static const struct {
    const char *state; /* a prefix of SQLSTATE */
    enum err_code code;
} codes[] = {
    { "23502", ERR_INVALID },                       /* NULL where none may be */
    { "23", ERR_CONFLICT },                         /* unique, foreign key, check */
    { "22", ERR_INVALID },                          /* a value of the wrong form */
    { "42804", ERR_INVALID },                       /* of the wrong type */
    { "40", ERR_BUSY },                             /* somebody else was faster, again and again */
    { "53100", ERR_NO_SPACE },                      /* disk full */
    { "53200", ERR_NO_MEMORY }, { "53", ERR_BUSY }, /* too many connections */
    { "54", ERR_TOO_BIG },                          /* a limit of the server */
    { "55P03", ERR_BUSY },                          /* lock not available */
    { "57014", ERR_TIMEOUT },   { "57", ERR_BUSY }, /* shutting down, starting up */
    { "08", ERR_BUSY },                             /* the connection */
    { "28", ERR_DENIED },       { "42501", ERR_DENIED },  { "58", ERR_IO },
    { "XX001", ERR_CORRUPT },   { "XX002", ERR_CORRUPT },
};

static const char hint_writes[] = "it is a standby, or default_transaction_read_only is on";
static const char hint_owner[] =
    "make the role of SKERRY_DB the owner of the database, or GRANT it USAGE and CREATE ON SCHEMA";

static enum err_code code_of(const char *state)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (str_starts(str_of(state), str_of(codes[i].state)))
            return codes[i].code;
    return ERR_INTERNAL;
}

static bool is_retryable(const char *state)
{
    static const char *const states[] = {
        "40001",    "40P01", /* serialization failure, deadlock */
        "0A000",    "26000", /* a prepared statement that a migration, or a proxy, has spoiled */
        STATE_HUNG, "57P01", "57P02", "57P03", "08",
    };
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (str_starts(str_of(state), str_of(states[i])))
            return true;
    return false;
}

/* The server takes no writes for now; a write in a read of ours is our mistake. */
static bool is_frozen(const struct pg_conn *c)
{
    return c->begin != PG_BEGIN_READ && strcmp(c->state, STATE_READ_ONLY) == 0;
}

bool pg_conn_is_lost(const struct pg_conn *c)
{
    return c->pq && c->engine->pq.status(c->pq) == CONNECTION_BAD;
}

err pg_spoil(struct pg_conn *c, err e)
{
    c->failure = err_first(c->failure, e);
    return e;
}

err pg_error(struct pg_conn *c, const PGresult *result, const char *doing, const char *sql)
{
    const struct pq *pq = &c->engine->pq;
    const char *state = result ? pq->resultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? pq->resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bool is_lost = pg_conn_is_lost(c);
    snprintf(c->state, sizeof c->state, "%s", state ? state : is_lost ? "08006" : "XX000");
    if (is_retryable(c->state) || is_lost)
        c->wants_retry = true;
    if (is_lost && c->is_committing && strcmp(c->state, STATE_HUNG) != 0)
        return ERR(ERR_IO,
                   "%s: the connection to %s broke: it may be stored, or not (look, before you "
                   "try again)",
                   doing, c->engine->where);
    enum err_code code = is_lost ? ERR_BUSY : code_of(c->state);
    str line = str_of(text ? text : c->pq ? pq->errorMessage(c->pq) : "no connection");
    line = str_trim(str_split(&line, '\n'));
    if (is_frozen(c))
        return ERR(ERR_BUSY, "%s: %s takes no writes: %.*s (%s)", doing, c->engine->where,
                   STR_ARG(line), hint_writes);
    if (strcmp(c->state, "42P05") == 0) /* a prepared statement of another connection */
        return ERR(ERR_UNSUPPORTED, PG_POOLED_TEXT, c->engine->where);
    if (strcmp(c->state, "42501") == 0)
        return ERR(code, "%s: %s: %.*s (%s)", doing, c->engine->where, STR_ARG(line), hint_owner);
    switch ((int)code) {
    case ERR_NO_SPACE:
        return ERR(code, "%s: no room on the disk of %s (nothing was changed; make room there)",
                   doing, c->engine->where);
    case ERR_CORRUPT:
        return ERR(code, "%s: the database %s is damaged: %.*s (restore a backup)", doing,
                   c->engine->where, STR_ARG(line));
    case ERR_BUSY:
    case ERR_IO:
    case ERR_DENIED:
    case ERR_TIMEOUT:
        return ERR(code, "%s: %s: %.*s", doing, c->engine->where, STR_ARG(line));
    default:
        return ERR(code, "%s: %.*s%s%.80s", doing, STR_ARG(line), sql ? ": " : "", sql ? sql : "");
    }
}

/* ------------------------------------------------------------------ connect */

static void no_notices(void *arg, const PGresult *result)
{
}

static void disconnect(struct pg_conn *c)
{
    if (c->pq)
        c->engine->pq.finish(c->pq);
    c->pq = NULL;
    c->is_begun = false;
    c->streaming = NULL;
    c->drop_name = 0;
    pg_cache_clear(c);
}

/* Why libpq did not connect, by its words or the server's (in English; another language gets the
 * last of these), and what to do. */
static const struct {
    const char *words, *todo;
    enum err_code code;
} refusals[] = {
    { "password", "correct SKERRY_DB", ERR_DENIED },
    { "authentication", "correct SKERRY_DB", ERR_DENIED },
    { "pg_hba", "correct SKERRY_DB, or let it in there", ERR_DENIED },
    { "permission denied", "GRANT CONNECT ON DATABASE, or correct SKERRY_DB", ERR_DENIED },
    { "too many c", "raise max_connections or the role's CONNECTION LIMIT: a server takes up to 22",
      ERR_BUSY }, /* clients already, connections for role or database */
    { "connection slots", "raise max_connections: a server takes up to 22", ERR_BUSY },
    { "read-only", hint_writes, ERR_BUSY },
    { "certificate", "correct sslmode or sslrootcert in SKERRY_DB", ERR_BUSY },
    { "SSL", "correct sslmode in SKERRY_DB, or switch TLS on there", ERR_BUSY },
    { "host name", "correct the host in SKERRY_DB", ERR_BUSY },
    { "database \"", "CREATE DATABASE, or correct SKERRY_DB", ERR_BUSY },
    { "", "start the server, or correct SKERRY_DB", ERR_BUSY },
};

/* The reason in libpq's words names host, port and user; never the password. */
static err connect_error(struct pg_conn *c)
{
    str line = str_of(c->pq ? c->engine->pq.errorMessage(c->pq) : "out of memory");
    line = str_trim(str_split(&line, '\n'));
    /* connection to server at "host", port n failed: that is said already, unless of several */
    ptrdiff_t failed = str_find(line, STR(" failed: "));
    bool is_said = str_starts(line, STR("connection to server")) && !strchr(c->engine->where, ',');
    if (is_said && failed > 0)
        line = str_sub(line, (size_t)failed + sizeof " failed: " - 1, line.len);
    size_t i = 0;
    while (!str_contains(line, str_of(refusals[i].words)))
        i++;
    return ERR(refusals[i].code, "connecting to %s: %.*s (%s)", c->engine->where,
               STR_ARG(str_sub(line, 0, 120)), refusals[i].todo);
}

static void down_note(struct pg_engine *s, err e)
{
    pthread_mutex_lock(&s->down_lock);
    s->down_until_ns = clock_mono_ns() + DOWN_MS * INT64_C(1000000);
    s->down = e;
    pthread_mutex_unlock(&s->down_lock);
}

/* What another thread met a moment ago. */
static err down_check(struct pg_engine *s)
{
    pthread_mutex_lock(&s->down_lock);
    err e = clock_mono_ns() < s->down_until_ns ? ERR(ERR_BUSY, "%s", s->down.msg) : OK;
    pthread_mutex_unlock(&s->down_lock);
    return e;
}

err pg_conn_connect(struct pg_conn *c)
{
    struct pg_engine *s = c->engine;
    TRY(down_check(s));
    /* What stands later wins: the URL may say otherwise, but not about the encoding. */
    const char *const keys[] = { "connect_timeout",
                                 "keepalives_idle",
                                 "tcp_user_timeout",
                                 "fallback_application_name",
                                 "target_session_attrs", /* of several hosts, the first */
                                 "dbname",
                                 "client_encoding",
                                 NULL };
    const char *const values[] = {
        "5", "30", "30000", "skerry", "read-write", s->url, "UTF8", NULL
    };
    c->pq = s->pq.connectdbParams(keys, values, 1);
    err e = OK;
    if (!c->pq || s->pq.status(c->pq) != CONNECTION_OK) {
        e = connect_error(c);
        down_note(s, e);
    } else {
        s->pq.setNoticeReceiver(c->pq, no_notices, NULL);
        char sql[sizeof setup_sql + sizeof quiet_sql + sizeof claim_setup_sql + 160];
        _Static_assert(sizeof claim_setup_sql >= sizeof read_setup_sql, "either fits");
        const char *more = c->is_reader ? read_setup_sql : c->is_claimer ? claim_setup_sql : "";
        snprintf(sql, sizeof sql,
                 "SELECT set_config('application_name', left('skerry %s ' ||"
                 " coalesce(current_schema(), ''), 63), false);%s%s%s",
                 s->instance, quiet_sql, setup_sql, more);
        PGresult *result = s->pq.exec(c->pq, sql);
        if (s->pq.resultStatus(result) != PGRES_COMMAND_OK)
            e = pg_error(c, result, "setting up a connection", NULL);
        s->pq.clear(result);
    }
    if (!e.code && !s->pq.enterPipelineMode(c->pq))
        e = ERR(ERR_INTERNAL, "libpq refused its pipeline mode");
    if (e.code)
        disconnect(c);
    return e;
}

err pg_conn_new(struct pg_engine *s, struct pg_conn **ret_conn)
{
    struct pg_conn *c = calloc(1, sizeof *c);
    struct pg_prepared **cache = calloc(STATEMENTS_MAX, sizeof(struct pg_prepared *));
    if (!c || !cache) {
        free(c);
        free(cache);
        return ERR(ERR_NO_MEMORY, "opening a connection to %s: out of memory", s->where);
    }
    c->read.backend = c->tx.backend = &store_backend_postgresql;
    c->tx.read = &c->read;
    c->engine = s;
    c->cache = cache;
    c->cache_max = STATEMENTS_MAX;
    list_init(&c->rows);
    list_init(&c->bulks);
    *ret_conn = c;
    return OK;
}

void pg_conn_free(struct pg_conn *c)
{
    if (!c)
        return;
    disconnect(c);
    free(c->cache);
    free(c);
}

/* ------------------------------------------------------------------ a statement's way */

static bool send_plain(struct pg_conn *c, const char *sql)
{
    return c->engine->pq.sendQueryParams(c->pq, sql, 0, NULL, NULL, NULL, NULL, 1);
}

/* *before goes up by what is answered before the statement. */
static bool send_call(struct pg_conn *c, const struct pg_call *call, int *before)
{
    const struct pq *pq = &c->engine->pq;
    char name[24];
    snprintf(name, sizeof name, "s%" PRIu64, call->name);
    if (call->name && call->sql) {
        if (!pq->sendPrepare(c->pq, name, call->sql, call->count, call->types))
            return false;
        ++*before;
    }
    if (call->name)
        return pq->sendQueryPrepared(c->pq, name, call->count, call->values, call->lengths,
                                     call->formats, 1);
    return pq->sendQueryParams(c->pq, call->sql, call->count, call->types, call->values,
                               call->lengths, call->formats, 1);
}

/* Queues everything and sends it; *ret_before counts what is answered before the statement, and
 * *ret_begin is BEGIN's place among it, or -1. */
static bool send_all(struct pg_conn *c, const struct pg_call *call, int *ret_before, int *ret_begin)
{
    const struct pq *pq = &c->engine->pq;
    bool ok = true;
    char text[48];
    int before = 0;
    *ret_begin = -1;
    if (c->drop_name) {
        snprintf(text, sizeof text, "DEALLOCATE s%" PRIu64, c->drop_name);
        ok = send_plain(c, text);
        before++;
        c->drop_name = 0;
    }
    if (ok && !c->is_begun && !c->is_whole) {
        ok = send_plain(c, begin_sql[c->begin]);
        *ret_begin = before++;
    }
    ok = ok && send_call(c, call, &before);
    *ret_before = before;
    return ok && pq->pipelineSync(c->pq);
}

err pg_conn_finish(struct pg_conn *c)
{
    const struct pq *pq = &c->engine->pq;
    bool has_ended = false;
    err e = OK;
    /* Results of one statement end with NULL; two of them mean that nothing comes any more. */
    for (int nulls = 0; c->pq && nulls < 2 && !has_ended && !pg_conn_is_lost(c);) {
        PGresult *result = pq->getResult(c->pq);
        ExecStatusType status = result ? pq->resultStatus(result) : PGRES_EMPTY_QUERY;
        nulls = result ? 0 : nulls + 1;
        if (status == PGRES_FATAL_ERROR)
            e = err_first(e, pg_error(c, result, "committing", NULL));
        pq->clear(result);
        has_ended = status == PGRES_PIPELINE_SYNC;
    }
    if (!e.code && !has_ended && pg_conn_is_lost(c))
        e = pg_error(c, NULL, "committing", NULL);
    return e;
}

static bool is_good(ExecStatusType status)
{
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
}

/* Sends, and reads the answers to what goes before. */
static err start_once(struct pg_conn *c, const struct pg_call *call, bool rows,
                      PGresult **ret_result)
{
    const struct pq *pq = &c->engine->pq;
    int before = 0, begin = -1;
    if (!c->pq)
        TRY(pg_conn_connect(c));
    if (!send_all(c, call, &before, &begin))
        return pg_error(c, NULL, "sending a statement", NULL);
    for (int i = 0; i < before; i++) {
        PGresult *result = pq->getResult(c->pq);
        err e = result && is_good(pq->resultStatus(result))
                    ? OK
                    : pg_error(c, result, "preparing", call->sql);
        pq->clear(result);
        if (e.code) {
            pg_conn_finish(c);
            return e;
        }
        c->is_begun = c->is_begun || i == begin;
        result = pq->getResult(c->pq); /* the NULL behind it */
        pq->clear(result);
    }
    if (rows)
        pq->setSingleRowMode(c->pq);
    PGresult *result = pq->getResult(c->pq);
    if (!result || !is_good(pq->resultStatus(result))) {
        err e = pg_error(c, result, "running", call->sql);
        bool is_empty = result && pq->resultStatus(result) == PGRES_EMPTY_QUERY;
        pq->clear(result);
        pg_conn_finish(c);
        return is_empty ? ERR(ERR_INTERNAL, "an SQL statement is empty") : e;
    }
    *ret_result = result;
    return OK;
}

err pg_conn_start(struct pg_conn *c, const struct pg_call *call, bool rows, PGresult **ret_result)
{
    TRY(pg_rows_keep(c));
    bool was_begun = c->is_begun, was_open = c->pq != NULL;
    err e = start_once(c, call, rows, ret_result);
    /* The server was restarted while this connection was idle: nothing had begun. */
    c->may_resend = e.code && !was_begun && was_open && pg_conn_is_lost(c);
    if (c->may_resend) {
        disconnect(c);
        c->wants_retry = false;
    }
    return e;
}

err pg_conn_run(struct pg_conn *c, const char *sql, const char *const *values, int count, char *out,
                size_t out_bytes)
{
    const struct pq *pq = &c->engine->pq;
    const struct pg_call call = { .sql = sql, .count = count, .values = values };
    PGresult *result = NULL;
    err e = pg_conn_start(c, &call, false, &result);
    if (e.code && c->may_resend)
        e = pg_conn_start(c, &call, false, &result);
    if (e.code)
        return e;
    if (out && pq->ntuples(result) > 0)
        snprintf(out, out_bytes, "%.*s", pq->getlength(result, 0, 0), pq->getvalue(result, 0, 0));
    pq->clear(result);
    pg_conn_finish(c);
    return OK;
}

/* ------------------------------------------------------------------ transactions */

void pg_conn_begin(struct pg_conn *c, enum pg_begin begin)
{
    if (pg_conn_is_lost(c))
        disconnect(c);
    c->begin = begin;
    c->is_begun = false;
    c->wants_retry = false;
    c->state[0] = '\0';
}

err pg_conn_commit(struct pg_conn *c)
{
    const struct pq *pq = &c->engine->pq;
    if (!c->is_begun)
        return OK; /* no statement ran */
    const struct pg_call call = { .sql = "COMMIT" };
    PGresult *result = NULL;
    c->is_committing = true;
    err e = start_once(c, &call, false, &result);
    bool is_lost = e.code && pg_conn_is_lost(c);
    if (is_lost && strcmp(c->state, STATE_HUNG) != 0)
        c->wants_retry = false; /* it may have been stored */
    c->is_committing = false;
    c->is_begun = false;
    if (e.code)
        return e.code == ERR_IO && is_lost ? e : err_wrap(e, "committing");
    bool is_stored = strcmp(pq->cmdStatus(result), "COMMIT") == 0;
    pq->clear(result);
    pg_conn_finish(c);
    return is_stored ? OK : ERR(ERR_INTERNAL, "a failed transaction was committed");
}

void pg_conn_rollback(struct pg_conn *c)
{
    if (c->is_begun && c->pq && !pg_conn_is_lost(c)) {
        err e = pg_conn_run(c, "ROLLBACK", NULL, 0, NULL, 0);
        if (e.code)
            disconnect(c); /* the server rolls back what it has no connection for */
    }
    /* A new one finds the server that takes writes, or this one after its change of mind. */
    if (pg_conn_is_lost(c) || is_frozen(c))
        disconnect(c);
    c->is_begun = false;
}

err pg_conn_settle(struct pg_conn *c, err from_fn)
{
    pg_bulk_close_open(c);
    while (!list_is_empty(&c->rows)) {
        struct pg_rows *r = LIST_ENTRY(c->rows.head.next, struct pg_rows, link);
        err e = pg_rows_close(&r->rows);
        c->failure = err_first(c->failure, e);
    }
    err e = err_first(from_fn, c->failure);
    c->failure = OK;
    return e;
}
