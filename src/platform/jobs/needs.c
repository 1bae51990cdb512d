/* SPDX-License-Identifier: GPL-3.0-or-later */
/* needs.c -- jobs that wait for other jobs.
 *
 * A job with needs is born waiting and becomes queued when the last of them has succeeded. When one
 * fails or is stopped, everything that stands on it fails too, at once and with a reason: a job
 * that can never run must not look as if it were only waiting. Replaying the one that failed brings
 * the others back. Needs are named at birth and must exist, so there are no circles.
 */
#include <assert.h>

#include "platform/jobs/jobs_internal.h"

static err need_add(struct store_tx *tx, const char *id, const char *need, bool *is_waiting)
{
    arena scratch;
    arena_init(&scratch, 4096);
    str state = STR_NONE;
    err e = store_get_text(store_tx_read(tx), "SELECT state FROM jobs WHERE id = ?1",
                           ARGS(sql_cstr(need)), &scratch, &state);
    if (e.code == ERR_NOT_FOUND)
        e = ERR(ERR_NOT_FOUND, "the needed job '%s' does not exist", need);
    else if (!e.code && (str_eq(state, STR("failed")) || str_eq(state, STR("stopped"))))
        e = ERR(ERR_CONFLICT, "the needed job %s is %.*s: replay it first", need, STR_ARG(state));
    if (!e.code)
        *is_waiting |= !str_eq(state, STR("succeeded"));
    arena_deinit(&scratch);
    if (e.code)
        return e;
    return store_exec(
        tx, "INSERT INTO job_needs (job_id, needs_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        ARGS(sql_cstr(id), sql_cstr(need)), NULL);
}

err job_needs_add(struct store_tx *tx, const char *id, const char *const *needs,
                  bool *ret_is_waiting)
{
    bool is_waiting = false;
    for (size_t i = 0; needs && needs[i]; i++) {
        if (i == JOB_NEEDS_MAX)
            return ERR(ERR_TOO_BIG, "a job can need at most %d others", JOB_NEEDS_MAX);
        TRY(need_add(tx, id, needs[i], &is_waiting));
    }
    *ret_is_waiting = is_waiting;
    return OK;
}

err job_needs_state(struct store_read *rd, str id, enum job_state *ret_state)
{
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT d.id, d.state FROM job_needs n JOIN jobs d ON d.id = n.needs_id "
                    "WHERE n.job_id = ?1 AND d.state <> 'succeeded'",
                    ARGS(sql_text(id)), &rows));
    enum job_state to = JOB_QUEUED;
    err e = OK;
    while (!e.code && store_next(rows)) {
        str need = store_col_text(rows, 0), state = store_col_text(rows, 1);
        to = JOB_WAITING;
        if (str_eq(state, STR("failed")) || str_eq(state, STR("stopped")))
            e = ERR(ERR_CONFLICT, "job %.*s needs job %.*s, which is %.*s: replay that one first",
                    STR_ARG(id), STR_ARG(need), STR_ARG(state));
    }
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        return e;
    *ret_state = to;
    return OK;
}

/* Those that wait for ?1 alone, now that it has succeeded. */
#define READY                                                                         \
    "state = 'waiting' AND id IN (SELECT job_id FROM job_needs WHERE needs_id = ?1) " \
    "AND NOT EXISTS (SELECT 1 FROM job_needs n JOIN jobs d ON d.id = n.needs_id "     \
    "                WHERE n.job_id = jobs.id AND d.state <> 'succeeded')"

/* Everything that stands on ?1, however far above. */
#define ABOVE                                             \
    "WITH RECURSIVE above (id) AS ("                      \
    "  SELECT job_id FROM job_needs WHERE needs_id = ?1 " \
    "  UNION SELECT n.job_id FROM job_needs n JOIN above a ON n.needs_id = a.id) "

#define EVENT_COLUMNS \
    "(job_id, at_ms, event, from_state, to_state, attempt, took_ms, by_worker, detail) "

static err release(struct jobs *j, struct store_tx *tx, str id, int64_t now_ms)
{
    assert(job_state_may(JOB_WAITING, JOB_QUEUED));
    int64_t released = 0;
    TRY(store_exec(
        tx,
        "INSERT INTO job_events " EVENT_COLUMNS
        "SELECT id, ?2, 'job.queued', 'waiting', 'queued', attempts, ?2 - created_ms, ?3, "
        "NULL FROM jobs WHERE " READY,
        ARGS(sql_text(id), sql_int(now_ms), sql_cstr(j->worker)), &released));
    if (!released)
        return OK;
    TRY(store_notify(tx, JOBS_TOPIC));
    return store_exec(tx,
                      "UPDATE jobs SET state = 'queued', "
                      "next_try_ms = CASE WHEN next_try_ms > ?2 THEN next_try_ms ELSE ?2 END "
                      "WHERE " READY,
                      ARGS(sql_text(id), sql_int(now_ms)), NULL);
}

static err fail_above(struct jobs *j, struct store_tx *tx, str id, enum job_state to,
                      int64_t now_ms)
{
    assert(job_state_may(JOB_WAITING, JOB_FAILED));
    char reason[160];
    snprintf(reason, sizeof(reason), "needs job %.*s, which is %s: replay that one", STR_ARG(id),
             job_state_name(to));
    struct store_args args = ARGS(sql_text(id), sql_int(now_ms), sql_cstr(j->worker),
                                  sql_cstr(reason));
    TRY(store_exec(tx,
                   ABOVE
                   "INSERT INTO job_events " EVENT_COLUMNS
                   "SELECT id, ?2, 'job.failed', 'waiting', 'failed', attempts, ?2 - created_ms, "
                   "?3, ?4 FROM jobs WHERE state = 'waiting' AND id IN (SELECT id FROM above)",
                   args, NULL));
    return store_exec(tx,
                      ABOVE "UPDATE jobs SET state = 'failed', finished_ms = ?2, blocked_by = ?1, "
                            "error = ?3, error_code = 'conflict' "
                            "WHERE state = 'waiting' AND id IN (SELECT id FROM above)",
                      ARGS(sql_text(id), sql_int(now_ms), sql_cstr(reason)), NULL);
}

err job_needs_follow(struct jobs *j, struct store_tx *tx, str id, enum job_state to, int64_t now_ms)
{
    if (to == JOB_SUCCEEDED)
        return release(j, tx, id, now_ms);
    if (to == JOB_FAILED || to == JOB_STOPPED)
        return fail_above(j, tx, id, to, now_ms);
    return OK;
}

/* Those that failed because of ?1 and may wait again: nothing else that they need has failed, and
 * no newer job has taken their key. */
#define REVIVABLE                                                                                 \
    "state = 'failed' AND blocked_by = ?1 "                                                       \
    "AND NOT EXISTS (SELECT 1 FROM job_needs n JOIN jobs d ON d.id = n.needs_id "                 \
    "                WHERE n.job_id = jobs.id AND d.state IN ('failed', 'stopped')) "             \
    "AND NOT EXISTS (SELECT 1 FROM jobs k WHERE k.kind = jobs.kind AND k.job_key = jobs.job_key " \
    "                AND k.finished_ms IS NULL)"

err job_needs_revive(struct jobs *j, struct store_tx *tx, str id, int64_t now_ms)
{
    assert(job_state_may(JOB_FAILED, JOB_WAITING));
    int64_t changed = 0;
    do { /* one level a round: those above can follow once these wait again */
        TRY(store_exec(tx,
                       "INSERT INTO job_events " EVENT_COLUMNS
                       "SELECT id, ?2, 'job.replayed', 'failed', 'waiting', attempts, -1, ?3, NULL "
                       "FROM jobs WHERE " REVIVABLE,
                       ARGS(sql_text(id), sql_int(now_ms), sql_cstr(j->worker)), NULL));
        TRY(store_exec(tx,
                       "UPDATE jobs SET state = 'waiting', finished_ms = NULL, blocked_by = NULL, "
                       "error = NULL, error_code = NULL WHERE " REVIVABLE,
                       ARGS(sql_text(id)), &changed));
    } while (changed > 0);
    return OK;
}
