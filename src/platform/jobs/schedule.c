/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schedule.c -- jobs that come back by the clock.
 *
 * The next time of a schedule stands in the store. Firing moves it on and adds the job in one
 * transaction, so a schedule fires once, whoever looks, and a crash between the two is impossible.
 * Times that passed while nobody ran are made up for by one job, not by all of them. A schedule
 * whose last job is unfinished lets this time pass.
 */
#include <string.h>

#include "platform/jobs/jobs_internal.h"

/* ------------------------------------------------------------------ registering */

struct register_tx {
    struct jobs *jobs;
    const struct job_schedule *schedules;
    int64_t now_ms;
};

static err schedule_check(struct jobs *j, const struct job_schedule *s, int64_t now_ms,
                          int64_t *ret_ms)
{
    if (strlen(s->name) > JOB_NAME_MAX)
        return ERR(ERR_INVALID, "the name of schedule '%s' is too long", s->name);
    if (!jobs_kind(j, str_of(s->kind)))
        return ERR(ERR_INVALID, "schedule '%s' is for the unknown job kind '%s'", s->name, s->kind);
    err e = cron_next(str_of(s->cron), now_ms, ret_ms);
    return e.code ? err_wrap(e, "schedule '%s'", s->name) : OK;
}

static err register_write(struct store_tx *tx, void *arg)
{
    struct register_tx *r = arg;
    for (const struct job_schedule *s = r->schedules; s->name; s++) {
        int64_t next_ms = 0;
        TRY(schedule_check(r->jobs, s, r->now_ms, &next_ms));
        TRY(store_exec(tx,
                       "INSERT INTO job_schedules (name, cron, next_ms) VALUES (?1, ?2, ?3) "
                       "ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, next_ms = "
                       "CASE WHEN job_schedules.cron = excluded.cron THEN job_schedules.next_ms "
                       "ELSE excluded.next_ms END",
                       ARGS(sql_cstr(s->name), sql_cstr(s->cron), sql_int(next_ms)), NULL));
    }
    return OK;
}

static err remember(struct jobs *j, const struct job_schedule *s)
{
    err e = OK;
    pthread_mutex_lock(&j->lock);
    size_t i = 0;
    while (i < j->schedule_count && !str_eq(str_of(j->schedules[i]->name), str_of(s->name)))
        i++;
    if (i == JOBS_SCHEDULES_MAX)
        e = ERR(ERR_TOO_BIG, "at most %d schedules are possible", JOBS_SCHEDULES_MAX);
    else
        j->schedules[i] = s;
    if (!e.code && i == j->schedule_count)
        j->schedule_count++;
    pthread_mutex_unlock(&j->lock);
    return e;
}

err jobs_schedule(struct jobs *j, const struct job_schedule *schedules)
{
    struct register_tx r = { j, schedules, clock_wall_ms() };
    TRY(store_write(j->options.store, register_write, &r));
    for (const struct job_schedule *s = schedules; s->name; s++)
        TRY(remember(j, s));
    jobs_note_due(j, 0);
    return OK;
}

/* ------------------------------------------------------------------ firing */

struct fire_tx {
    struct jobs *jobs;
    const struct job_schedule *schedule;
    int64_t now_ms, next_ms; /* next_ms: result */
    bool is_overlapping, is_refused;
};

struct schedule_row {
    int64_t next_ms;
    char last_job_id[UUID_BYTES];
    bool is_last_unfinished;
};

static err schedule_read(struct store_tx *tx, const char *name, struct schedule_row *ret_row)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "SELECT next_ms, last_job_id, state FROM job_schedules "
                    "LEFT JOIN jobs ON id = last_job_id WHERE name = ?1",
                    ARGS(sql_cstr(name)), &rows));
    struct schedule_row row = { .next_ms = INT64_MAX };
    enum job_state state = JOB_SUCCEEDED;
    if (store_next(rows)) {
        row.next_ms = store_col_int(rows, 0);
        snprintf(row.last_job_id, sizeof(row.last_job_id), "%.*s",
                 STR_ARG(store_col_text(rows, 1)));
        row.is_last_unfinished = job_state_parse(store_col_text(rows, 2), &state) &&
                                 !job_state_is_finished(state);
    }
    TRY(store_rows_close(rows));
    *ret_row = row;
    return OK;
}

static err fire_write(struct store_tx *tx, void *arg)
{
    struct fire_tx *f = arg;
    const struct job_schedule *s = f->schedule;
    struct schedule_row row;
    f->is_overlapping = f->is_refused = false;
    TRY(schedule_read(tx, s->name, &row));
    f->next_ms = row.next_ms;
    if (row.next_ms > f->now_ms)
        return OK;
    TRY(cron_next(str_of(s->cron), f->now_ms, &f->next_ms));
    f->is_overlapping = row.is_last_unfinished;
    if (!f->is_overlapping) {
        struct job_spec spec = {
            .kind = s->kind,
            .payload = str_of(s->payload),
            .schedule = str_of(s->name),
        };
        bool is_new = false;
        char id[UUID_BYTES];
        err e = job_add_tx(f->jobs, tx, &spec, id, &is_new);
        if (e.code && e.code != ERR_BUSY)
            return e;
        f->is_refused = e.code == ERR_BUSY;
        if (!e.code)
            return store_exec(
                tx,
                "UPDATE job_schedules SET next_ms = ?2, last_ms = ?3, last_job_id = ?4 "
                "WHERE name = ?1",
                ARGS(sql_cstr(s->name), sql_int(f->next_ms), sql_int(f->now_ms), sql_cstr(id)),
                NULL);
    }
    return store_exec(tx, "UPDATE job_schedules SET next_ms = ?2 WHERE name = ?1",
                      ARGS(sql_cstr(s->name), sql_int(f->next_ms)), NULL);
}

struct schedule_times {
    struct jobs *jobs;
    const struct job_schedule *schedules[JOBS_SCHEDULES_MAX];
    int64_t next_ms[JOBS_SCHEDULES_MAX];
    size_t count;
};

static err times_read(struct store_read *rd, void *arg)
{
    struct schedule_times *t = arg;
    for (size_t i = 0; i < t->count; i++)
        TRY(store_get_int(rd, "SELECT next_ms FROM job_schedules WHERE name = ?1",
                          ARGS(sql_cstr(t->schedules[i]->name)), &t->next_ms[i]));
    return OK;
}

static void times_list(struct jobs *j, struct schedule_times *t)
{
    pthread_mutex_lock(&j->lock);
    t->count = j->schedule_count;
    memcpy(t->schedules, j->schedules, t->count * sizeof(t->schedules[0]));
    pthread_mutex_unlock(&j->lock);
}

err jobs_schedules_fire(struct jobs *j, int64_t now_ms, int64_t *ret_next_ms)
{
    struct schedule_times t = { .jobs = j };
    times_list(j, &t);
    int64_t next_ms = INT64_MAX;
    if (t.count)
        TRY(store_read(j->options.store, times_read, &t));
    for (size_t i = 0; i < t.count; i++) {
        if (t.next_ms[i] <= now_ms) {
            struct fire_tx f = { .jobs = j, .schedule = t.schedules[i], .now_ms = now_ms };
            err e = store_write(j->options.store, fire_write, &f);
            if (e.code)
                return err_wrap(e, "firing schedule '%s'", t.schedules[i]->name);
            if (f.is_overlapping || f.is_refused) {
                err why = ERR(ERR_BUSY, "schedule '%s' lets this time pass: %s",
                              t.schedules[i]->name,
                              f.is_refused ? "too many jobs of its kind are waiting"
                                           : "its last job is unfinished");
                jobs_warn(j, "schedule.skipped", NULL, &why);
            }
            t.next_ms[i] = f.next_ms;
        }
        if (t.next_ms[i] < next_ms)
            next_ms = t.next_ms[i];
    }
    *ret_next_ms = next_ms;
    return OK;
}

/* ------------------------------------------------------------------ listing */

struct list_read {
    struct schedule_times times;
    arena *keep;
    struct job_schedule_info *infos;
    size_t count;
};

static err info_read(struct store_read *rd, const struct job_schedule *s, arena *keep,
                     struct job_schedule_info *ret_info)
{
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT next_ms, last_ms, last_job_id, state FROM job_schedules "
                    "LEFT JOIN jobs ON id = last_job_id WHERE name = ?1",
                    ARGS(sql_cstr(s->name)), &rows));
    struct job_schedule_info info = {
        .name = str_of(s->name),
        .cron = str_of(s->cron),
        .kind = str_of(s->kind),
    };
    if (store_next(rows)) {
        info.next_ms = store_col_int(rows, 0);
        info.last_ms = store_col_int(rows, 1);
        info.last_job_id = store_col_text_keep(rows, 2, keep);
        info.last_state = store_col_text_keep(rows, 3, keep);
    }
    TRY(store_rows_close(rows));
    *ret_info = info;
    return arena_check(keep);
}

static err infos_read(struct store_read *rd, void *arg)
{
    struct list_read *l = arg;
    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct job_schedule_info, l->times.count + 1);
    ARENA_TRY(l->infos);
    for (size_t i = 0; i < l->times.count; i++)
        TRY(info_read(rd, l->times.schedules[i], l->keep, &l->infos[l->count++]));
    return OK;
}

err jobs_schedule_list(struct jobs *j, arena *keep, struct job_schedule_info **ret,
                       size_t *ret_count)
{
    struct list_read l = { .keep = keep };
    times_list(j, &l.times);
    TRY(store_read(j->options.store, infos_read, &l));
    *ret = l.infos;
    *ret_count = l.count;
    return OK;
}
