/* SPDX-License-Identifier: GPL-3.0-or-later */
/* claim.c -- taking jobs off the queue: one, or several at once.
 *
 * On an engine that chains, a claim of either kind is one statement and the whole transaction: it
 * locks the best due jobs, passing over those that others are taking at this moment, leaves those
 * over the limit of their kind, marks the rest running under a numbered lease, moves them from the
 * queue to what is held, and adds the rows that tell of them. Elsewhere (SQLite, which has one
 * writer) the same is done step by step.
 */
#include <assert.h>

#include "base/buf.h"
#include "base/rand.h"
#include "platform/jobs/jobs_internal.h"

enum { CLAIM_SQL_BYTES = 16 * 1024, ONE_FIXED = 4, CHAIN_FIXED = 5, LOCK_FIXED = 2, IDS_FIXED = 3 };
enum { CHAIN_TRIES = 3, CHAIN_FOUND = JOB_COLUMN_COUNT + 2 };

/* ?1 now, ?2 worker, ?3 the end of the lease; `step` is what the number of the lease goes up by */
#define MARK(step)                                                               \
    "UPDATE jobs SET state = 'running', worker = ?2, lease_until_ms = ?3, "      \
    "lease_no = lease_no + " step ", lease_moved = 0, attempts = attempts + 1, " \
    "started_ms = COALESCE(started_ms, ?1), eta_s = -1 "
#define BEST_FIRST(of) "ORDER BY " of "priority DESC, " of "next_try_ms, " of "job_no LIMIT "
/* From rows that MARK has changed. ?1 and ?2 are MARK's */
#define TELL                                                                                     \
    "INSERT INTO job_events (job_id, at_ms, event, from_state, to_state, attempt, took_ms, "     \
    "by_worker) SELECT id, ?1, 'job.started', 'queued', 'running', attempts, ?1 - next_try_ms, " \
    "?2 FROM "

struct claim_tx {
    struct jobs *jobs;
    const struct job_claim *claim;
    struct job *const *into;
    size_t max, count;
    size_t locked; /* by a statement that chains: those that were left included */
    bool has_more;
    str sql;
    struct store_args args;
    char ids[JOBS_CLAIM_MAX][UUID_BYTES]; /* of those that were locked */
};

/* `of` says whose columns, ?1 is now; the kinds come after `fixed` values. */
static void add_due(const struct job_claim *c, const char *of, int place, int fixed,
                    struct buf *sql)
{
    buf_add_fmt(sql,
                "WHERE %sstate = 'queued' AND %snext_try_ms <= ?1 "
                "AND (%splace IS NULL OR %splace = ?%d) AND %skind IN (",
                of, of, of, of, place, of);
    for (size_t i = 0; i < c->kind_count; i++)
        buf_add_fmt(sql, "%s?%zu", i ? "," : "", (size_t)fixed + 1 + i);
    buf_add_cstr(sql, ") ");
}

/* Only the job that is value number `scope`, and what it needs. Said where it is asked for: the
 * server makes all of it ready for each claim, also when nothing comes of it. */
static void add_scope(const struct job_claim *c, size_t scope, struct buf *sql)
{
    if (c->scope.len)
        buf_add_fmt(sql,
                    "AND (id = ?%zu OR id IN (WITH RECURSIVE below (id) AS ("
                    "SELECT needs_id FROM job_needs WHERE job_id = ?%zu UNION "
                    "SELECT n.needs_id FROM job_needs n JOIN below b ON n.job_id = b.id) "
                    "SELECT id FROM below)) ",
                    scope, scope);
}

/* Into the next place of `into`. */
static err row_take(struct claim_tx *c, struct store_rows *rows)
{
    struct job *job = c->into[c->count];
    arena_reset(&job->mem);
    TRY(job_row_read(rows, &job->mem, &job->info));
    job->lease_no = store_col_int(rows, JOB_COLUMN_COUNT);
    job->kind = jobs_kind(c->jobs, str_of(job->info.kind));
    assert(job->kind); /* the statement asked for known kinds only */
    job->waited_ms = c->claim->now_ms - job->info.next_try_ms;
    c->count++;
    return OK;
}

static err rows_take(struct claim_tx *c, struct store_rows *rows)
{
    err e = OK;
    while (!e.code && c->count < c->max && store_next(rows))
        e = row_take(c, rows);
    return err_first(e, store_rows_close(rows));
}

/* ------------------------------------------------------------------ in one statement */

static bool has_limits(const struct claim_tx *c)
{
    for (size_t i = 0; c->max > 1 && i < c->claim->kind_count; i++)
        if ((size_t)c->claim->rooms[i] < c->max)
            return true;
    return false;
}

/* The rooms come behind the kinds, when some are less than all that is wanted. The queue is the
 * narrow table of schema.c. What is locked is the job, as by everybody who changes one: its row of
 * the queue is touched by who has it locked, so two never wait for each other. Rows are marked by
 * the place that they were locked at, the shortest way to them: it can be another than the
 * statement's snapshot knows when a row was changed at this moment. Then it is locked and left. */
static void chain_sql(const struct claim_tx *c, struct buf *sql)
{
    const struct job_claim *claim = c->claim;
    size_t kinds = claim->kind_count;
    buf_add_cstr(sql,
                 "WITH due AS MATERIALIZED (SELECT j.ctid AS row_at, q.kind, q.priority, "
                 "q.next_try_ms, q.job_no FROM jobs_queue q JOIN jobs j ON j.job_no = q.job_no ");
    add_due(claim, "q.", 4, CHAIN_FIXED, sql);
    buf_add_cstr(sql, "AND j.state = 'queued' ");
    add_scope(claim, CHAIN_FIXED + kinds + 1, sql);
    buf_add_fmt(sql, BEST_FIRST("q.") "%zu FOR UPDATE OF j SKIP LOCKED), ", c->max);
    if (has_limits(c)) {
        buf_add_cstr(
            sql, "fit AS MATERIALIZED (SELECT row_at FROM (SELECT row_at, kind, row_number() OVER "
                 "(PARTITION BY kind ORDER BY priority DESC, next_try_ms, job_no) AS nth "
                 "FROM due) numbered WHERE nth <= CASE kind");
        for (size_t i = 0; i < kinds; i++)
            buf_add_fmt(sql, " WHEN ?%zu THEN ?%zu", CHAIN_FIXED + 1 + i,
                        CHAIN_FIXED + 1 + kinds + i);
        buf_add_cstr(sql, " END), ");
    }
    buf_add_fmt(sql,
                "told AS (" MARK(
                    "?5") "WHERE ctid = ANY (ARRAY(SELECT row_at FROM %s)) "
                          "RETURNING " JOB_COLUMNS ", lease_no, job_no), said AS (" TELL
                          "told), gone AS (DELETE FROM jobs_queue WHERE job_no = ANY (ARRAY("
                          "SELECT job_no FROM told))), held AS (INSERT INTO jobs_held (job_no, "
                          "kind, lease_until_ms) SELECT job_no, kind, ?3 FROM told) "
                          "SELECT told.*, found FROM (SELECT count(*) AS found FROM due) counted "
                          "LEFT JOIN told ON TRUE",
                has_limits(c) ? "fit" : "due");
}

static err chain_write(struct store_tx *tx, void *arg)
{
    struct claim_tx *c = arg;
    struct store_rows *rows;
    c->count = c->locked = 0;
    TRY(store_query_whole(tx, c->sql, c->args, &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        c->locked = (size_t)store_col_int(rows, CHAIN_FOUND);
        if (!store_col_is_null(rows, 0))
            e = row_take(c, rows);
    }
    c->has_more = c->locked > c->count;
    return err_first(e, store_rows_close(rows));
}

/* A claim that does not wait for the disk can be lost when the server crashes: the row is as it
 * was, and its next claim starts from the same number. By a step that nobody else has had, the two
 * leases differ all the same, and who held the lost one is fenced off. */
static int64_t lease_step(void)
{
    uint32_t random;
    rand_bytes(&random, sizeof random);
    return (int64_t)random + 1;
}

static err chain_claim(struct claim_tx *c)
{
    const struct job_claim *claim = c->claim;
    struct jobs *j = c->jobs;
    struct store_value values[CHAIN_FIXED + 2 * JOBS_KINDS_MAX] = {
        sql_int(claim->now_ms),
        sql_cstr(j->worker),
        sql_int(job_lease_end_ms(j, claim->now_ms)),
        sql_cstr(j->options.self.place),
        sql_int(lease_step()),
    };
    size_t count = CHAIN_FIXED;
    struct buf sql;
    buf_init(&sql, CLAIM_SQL_BYTES);
    chain_sql(c, &sql);
    for (size_t i = 0; i < claim->kind_count; i++)
        values[count++] = sql_cstr(claim->kinds[i]->name);
    for (size_t i = 0; has_limits(c) && i < claim->kind_count; i++)
        values[count++] = sql_int(claim->rooms[i]);
    if (claim->scope.len)
        values[count++] = sql_text(claim->scope);
    c->sql = buf_str(&sql);
    c->args = (struct store_args){ values, count };
    err e = buf_check(&sql);
    /* Nobody else would look at a row that was locked and left. */
    for (int tries = 0; !e.code && tries < CHAIN_TRIES && (!tries || (c->locked && !c->count));
         tries++)
        e = store_write_claim(j->options.store, chain_write, c);
    buf_deinit(&sql);
    return e;
}

/* ------------------------------------------------------------------ one */

static void one_sql(const struct job_claim *c, struct buf *sql)
{
    buf_add_cstr(sql, MARK("1") "WHERE state = 'queued' AND id = (SELECT id FROM jobs ");
    add_due(c, "", 4, ONE_FIXED, sql);
    add_scope(c, ONE_FIXED + c->kind_count + 1, sql);
    buf_add_cstr(sql, BEST_FIRST("") "1) RETURNING " JOB_COLUMNS ", lease_no");
}

static err one_write(struct store_tx *tx, void *arg)
{
    struct claim_tx *c = arg;
    struct store_rows *rows;
    c->count = 0;
    TRY(store_query_dynamic(store_tx_read(tx), c->sql, c->args, &rows));
    TRY(rows_take(c, rows));
    if (!c->count)
        return OK;
    const struct job *job = c->into[0];
    struct job_event_row row = {
        .job_id = str_of(job->info.id),
        .event = "job.started",
        .from = JOB_QUEUED,
        .to = JOB_RUNNING,
        .attempt = job->info.attempts,
        .took_ms = job->waited_ms,
    };
    return job_event_add(c->jobs, tx, &row, c->claim->now_ms);
}

/* ------------------------------------------------------------------ several */

static void lock_sql(const struct job_claim *c, size_t max, struct buf *sql)
{
    buf_add_cstr(sql, "SELECT id, kind FROM jobs ");
    add_due(c, "", 2, LOCK_FIXED, sql);
    buf_add_fmt(sql, BEST_FIRST("") "%zu", max);
}

static err due_lock(struct store_tx *tx, struct claim_tx *c, size_t *ret_count)
{
    struct store_rows *rows;
    int taken[JOBS_KINDS_MAX] = { 0 };
    size_t n = 0;
    c->has_more = false;
    TRY(store_query_dynamic(store_tx_read(tx), c->sql, c->args, &rows));
    while (n < c->max && store_next(rows)) {
        str kind = store_col_text(rows, 1);
        size_t k = 0;
        while (!str_eq(str_of(c->claim->kinds[k]->name), kind))
            k++; /* the statement asked for these only */
        if (taken[k] >= c->claim->rooms[k]) {
            c->has_more = true;
            continue;
        }
        taken[k]++;
        snprintf(c->ids[n++], UUID_BYTES, "%.*s", STR_ARG(store_col_text(rows, 0)));
    }
    *ret_count = n;
    return store_rows_close(rows);
}

/* As many as JOBS_CLAIM_MAX: one text, prepared once. Those that are not there are NULL. */
#define IDS                                                                                    \
    "(?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,"  \
    "?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37,?38,?39,?40,?41,?42,?43,?44,?45,?46,?47,?48," \
    "?49,?50,?51,?52,?53,?54,?55,?56,?57,?58,?59,?60,?61,?62,?63,?64,?65,?66,?67) "

static err several_write(struct store_tx *tx, void *arg)
{
    struct claim_tx *c = arg;
    struct store_rows *rows;
    size_t locked = 0;
    c->count = 0;
    TRY(due_lock(tx, c, &locked));
    if (!locked)
        return OK;
    struct store_value values[IDS_FIXED + JOBS_CLAIM_MAX] = {
        sql_int(c->claim->now_ms),
        sql_cstr(c->jobs->worker),
        sql_int(job_lease_end_ms(c->jobs, c->claim->now_ms)),
    };
    for (size_t i = 0; i < JOBS_CLAIM_MAX; i++)
        values[IDS_FIXED + i] = i < locked ? sql_cstr(c->ids[i]) : sql_null();
    struct store_args args = { values, COUNT_OF(values) };
    /* Their state was asked when they were locked: their ids are the shortest way to them. */
    TRY(store_query(store_tx_read(tx),
                    MARK("1") "WHERE id IN " IDS "RETURNING " JOB_COLUMNS ", lease_no", args,
                    &rows));
    TRY(rows_take(c, rows));
    return store_exec(tx, TELL "jobs WHERE id IN " IDS, args, NULL);
}

/* ------------------------------------------------------------------ both */

static err step_claim(struct claim_tx *c)
{
    const struct job_claim *claim = c->claim;
    struct store_value values[ONE_FIXED + JOBS_KINDS_MAX + 1] = { sql_int(claim->now_ms) };
    struct buf sql;
    bool is_one = c->max == 1;
    buf_init(&sql, CLAIM_SQL_BYTES);
    if (is_one) {
        one_sql(claim, &sql);
        values[1] = sql_cstr(c->jobs->worker);
        values[2] = sql_int(job_lease_end_ms(c->jobs, claim->now_ms));
    } else {
        lock_sql(claim, c->max, &sql);
    }
    size_t fixed = is_one ? ONE_FIXED : LOCK_FIXED;
    values[is_one ? 3 : 1] = sql_cstr(c->jobs->options.self.place);
    for (size_t i = 0; i < claim->kind_count; i++)
        values[fixed + i] = sql_cstr(claim->kinds[i]->name);
    c->sql = buf_str(&sql);
    size_t count = fixed + claim->kind_count;
    if (claim->scope.len)
        values[count++] = sql_text(claim->scope);
    c->args = (struct store_args){ values, count };
    err e = buf_check(&sql);
    if (!e.code)
        e = store_write_claim(c->jobs->options.store, is_one ? one_write : several_write, c);
    buf_deinit(&sql);
    return e;
}

static err claim(struct claim_tx *c)
{
    err e = store_chains(c->jobs->options.store) ? chain_claim(c) : step_claim(c);
    if (e.code)
        return err_wrap(e, "claiming a job");
    jobs_note_taken(c->jobs, c->count);
    return OK;
}

err job_claim(struct jobs *j, const struct job_claim *one, struct job *job, bool *ret_claimed)
{
    struct job *into[] = { job };
    struct claim_tx c = { .jobs = j, .claim = one, .into = into, .max = 1 };
    assert(one->kind_count <= JOBS_KINDS_MAX);
    if (one->kind_count)
        TRY(claim(&c));
    *ret_claimed = c.count == 1;
    return OK;
}

err job_claim_several(struct jobs *j, const struct job_claim *several, struct job *const *into,
                      size_t max, struct job_claimed *ret_claimed)
{
    struct claim_tx c = { .jobs = j, .claim = several, .into = into, .max = max };
    assert(several->kind_count <= JOBS_KINDS_MAX && !several->scope.len);
    assert(max >= 1 && max <= JOBS_CLAIM_MAX);
    if (several->kind_count)
        TRY(claim(&c));
    *ret_claimed = (struct job_claimed){ c.count, c.has_more };
    return OK;
}
