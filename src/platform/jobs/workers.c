/* SPDX-License-Identifier: GPL-3.0-or-later */
/* workers.c -- who works: a row for each process, and what follows from there being nobody.
 *
 * The row is for people, for wishes (drain), and for saying why a job waits. Nothing is decided by
 * it: who holds a job is decided by leases alone. On a store of one machine a row is written at the
 * start and the end only; whether its process lives, /proc says.
 */
#include <string.h>

#include "base/buf.h"
#include "platform/jobs/jobs_internal.h"

int64_t worker_beat_interval_ms(const struct jobs *j)
{
    return j->options.lease_ms / 3;
}

const char *worker_state(const struct jobs *j)
{
    return jobs_is_draining(j) ? "draining" : "active";
}

/* ------------------------------------------------------------------ our own row */

struct announcement {
    struct jobs *jobs;
    const char *state;
    str kinds;
    int64_t now_ms;
    bool is_shared;
    bool drain_wanted; /* result */
};

static err row_put(struct store_tx *tx, struct announcement *a)
{
    const struct jobs *j = a->jobs;
    const struct worker_self *self = &j->options.self;
    struct store_rows *rows;
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO workers (worker, name, role, version, place, cores, memory_bytes, gpu, kinds, "
        "places, state, drain_wanted, started_ms, seen_ms, until_ms) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?12, ?13) "
        "ON CONFLICT (worker) DO UPDATE SET state = excluded.state, seen_ms = excluded.seen_ms, "
        "until_ms = excluded.until_ms RETURNING drain_wanted",
        ARGS(sql_cstr(j->worker), sql_cstr(self->name ? self->name : j->worker),
             sql_cstr(self->role ? self->role : ""), sql_cstr(self->version ? self->version : ""),
             sql_cstr(self->place ? self->place : ""), sql_int(self->cores),
             sql_int(self->memory_bytes), sql_cstr(self->gpu ? self->gpu : ""), sql_text(a->kinds),
             sql_int(j->worker_count), sql_cstr(a->state), sql_int(a->now_ms),
             sql_int(a->is_shared ? a->now_ms + j->options.lease_ms : CLOCK_MS_MAX)),
        &rows));
    a->drain_wanted = store_next(rows) && store_col_int(rows, 0) != 0;
    return store_rows_close(rows);
}

/* What an earlier process of this data folder left, and what has been silent for a week. */
static err rows_forget(struct store_tx *tx, const struct announcement *a)
{
    const struct worker_self *self = &a->jobs->options.self;
    return store_exec(
        tx,
        "DELETE FROM workers WHERE worker <> ?1 AND (seen_ms < ?2 AND until_ms < ?3 "
        "OR place = ?4 AND role = ?5 AND (state = 'gone' OR until_ms < ?3 OR ?6 = 0))",
        ARGS(sql_cstr(a->jobs->worker), sql_int(a->now_ms - WORKER_FORGET_MS), sql_int(a->now_ms),
             sql_cstr(self->place ? self->place : ""), sql_cstr(self->role ? self->role : ""),
             sql_int(a->is_shared)),
        NULL);
}

static err announce_write(struct store_tx *tx, void *arg)
{
    return row_put(tx, arg);
}

static err arrive_write(struct store_tx *tx, void *arg)
{
    struct announcement *a = arg;
    TRY(rows_forget(tx, a));
    return row_put(tx, a);
}

static err wish_read(struct store_read *rd, void *arg)
{
    struct announcement *a = arg;
    int64_t wanted = 0;
    err e = store_get_int(rd, "SELECT drain_wanted FROM workers WHERE worker = ?1",
                          ARGS(sql_cstr(a->jobs->worker)), &wanted);
    a->drain_wanted = wanted != 0;
    return e.code == ERR_NOT_FOUND ? OK : e;
}

static void wish_apply(struct jobs *j, bool drain_wanted)
{
    if (atomic_exchange(&j->is_told_to_drain, drain_wanted) == drain_wanted)
        return;
    pthread_mutex_lock(&j->lock);
    j->must_announce = true; /* say that we heard it */
    j->keeper_is_poked = true;
    pthread_cond_signal(&j->keeper);
    jobs_wake_locked(j);
    pthread_mutex_unlock(&j->lock);
}

err worker_announce(struct jobs *j, const char *state)
{
    struct buf kinds;
    struct announcement a = { .jobs = j,
                              .state = state,
                              .now_ms = clock_wall_ms(),
                              .is_shared = store_is_shared(j->options.store) };
    bool is_first = !j->is_announced;
    /* One machine: nobody waits for a sign of life, so there is nothing to write. */
    bool is_quiet = !a.is_shared && j->announced_state && strcmp(state, j->announced_state) == 0;
    if (is_quiet) {
        TRY(store_read(j->options.store, wish_read, &a));
        wish_apply(j, a.drain_wanted);
        return OK;
    }
    buf_init(&kinds, JOBS_KINDS_MAX * 65 + 2);
    buf_add_char(&kinds, ',');
    for (size_t i = 0; i < j->kind_count; i++)
        if (j->takes[i])
            buf_add_fmt(&kinds, "%s,", j->kinds[i]->name);
    a.kinds = buf_str(&kinds);
    err e = buf_check(&kinds);
    if (!e.code)
        e = store_write(j->options.store, is_first ? arrive_write : announce_write, &a);
    buf_deinit(&kinds);
    if (e.code)
        return err_wrap(e, "announcing worker %s", j->worker);
    j->is_announced = true;
    j->announced_state = state;
    wish_apply(j, a.drain_wanted);
    return OK;
}

/* ------------------------------------------------------------------ the list */

struct listing {
    struct jobs *jobs;
    arena *keep;
    struct worker_info *infos;
    size_t count;
};

static bool is_silent(const struct jobs *j, str worker, int64_t until_ms)
{
    return store_is_shared(j->options.store) ? until_ms < clock_wall_ms()
                                             : process_is_dead(worker, str_of(j->worker));
}

static void row_copy(struct store_rows *rows, struct listing *l, struct worker_info *w)
{
    str *const texts[] = { &w->id,    &w->name, &w->role,  &w->version,
                           &w->place, &w->gpu,  &w->state, &w->kinds };
    int64_t *const numbers[] = { &w->cores,   &w->memory_bytes, &w->places,
                                 &w->running, &w->started_ms,   &w->seen_ms };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = store_col_text_keep(rows, (int)i, l->keep);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        *numbers[i] = store_col_int(rows, (int)(COUNT_OF(texts) + i));
    if (is_silent(l->jobs, w->id, store_col_int(rows, 14)))
        w->state = STR("gone");
}

static err list_query(struct store_read *rd, void *arg)
{
    struct listing *l = arg;
    struct store_rows *rows;
    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct worker_info, WORKERS_LISTED_MAX);
    ARENA_TRY(l->infos);
    TRY(store_query(rd,
                    "SELECT worker, name, role, version, place, gpu, state, kinds, cores, "
                    "memory_bytes, places, (SELECT count(*) FROM jobs_held h "
                    "JOIN jobs j ON j.job_no = h.job_no WHERE j.worker = w.worker), started_ms, "
                    "seen_ms, until_ms FROM workers w "
                    "ORDER BY CASE WHEN state = 'gone' OR until_ms < ?2 THEN 1 ELSE 0 END, "
                    "name, started_ms LIMIT ?1",
                    ARGS(sql_int(WORKERS_LISTED_MAX), sql_int(clock_wall_ms())), &rows));
    while (l->count < WORKERS_LISTED_MAX && store_next(rows))
        row_copy(rows, l, &l->infos[l->count++]);
    return err_first(arena_check(l->keep), store_rows_close(rows));
}

err workers_list(struct jobs *j, arena *keep, struct worker_info **ret_infos, size_t *ret_count)
{
    struct listing l = { .jobs = j, .keep = keep };
    TRY(store_read(j->options.store, list_query, &l));
    *ret_infos = l.infos;
    *ret_count = l.count;
    return OK;
}

/* ------------------------------------------------------------------ draining from elsewhere */

struct wish {
    str name;
    bool is_wanted;
    int64_t now_ms;
    int64_t count; /* result */
};

static err wish_write(struct store_tx *tx, void *arg)
{
    struct wish *w = arg;
    TRY(store_exec(tx,
                   "UPDATE workers SET drain_wanted = ?2 WHERE (name = ?1 OR worker = ?1) "
                   "AND state <> 'gone' AND until_ms >= ?3",
                   ARGS(sql_text(w->name), sql_int(w->is_wanted), sql_int(w->now_ms)), &w->count));
    return store_notify(tx, WORKERS_TOPIC);
}

err worker_drain(struct jobs *j, str name_or_id, bool is_wanted, int64_t *ret_count)
{
    struct wish w = { .name = name_or_id, .is_wanted = is_wanted, .now_ms = clock_wall_ms() };
    TRY(store_write(j->options.store, wish_write, &w));
    if (!w.count)
        return ERR(ERR_NOT_FOUND, "no living worker is called '%.*s' (skerry workers lists them)",
                   STR_ARG(str_sub(name_or_id, 0, 60)));
    *ret_count = w.count;
    return OK;
}

/* ------------------------------------------------------------------ why does it wait? */

struct crew { /* living workers: that stand where the job must be done; that could take it */
    size_t at_place, takers, draining;
};

static bool does_take(const struct worker_info *w, const char *kind)
{
    char wanted[80];
    snprintf(wanted, sizeof(wanted), ",%s,", kind);
    return str_contains(w->kinds, str_of(wanted));
}

static struct crew crew_of(const struct worker_info *workers, size_t count,
                           const struct job_info *info)
{
    struct crew c = { 0 };
    for (size_t i = 0; i < count; i++) {
        const struct worker_info *w = &workers[i];
        if (str_eq(w->state, STR("gone")))
            continue;
        if (info->place.len && !str_eq(w->place, info->place))
            continue;
        c.at_place++;
        if (!does_take(w, info->kind))
            continue;
        c.takers++;
        c.draining += str_eq(w->state, STR("draining"));
    }
    return c;
}

static str why_queued(const struct job_info *info, const struct crew *c, arena *keep)
{
    if (info->place.len && !c->at_place)
        return arena_fmt(keep,
                         "it needs a file in the data folder %.*s, and no process of that folder "
                         "runs: start skerry serve there",
                         STR_ARG(info->place));
    if (info->place.len && !c->takers)
        return arena_fmt(keep,
                         "it needs a file in the data folder %.*s, where nobody takes jobs of the "
                         "kind %s",
                         STR_ARG(info->place), info->kind);
    if (!c->takers)
        return arena_fmt(keep,
                         "no living worker takes jobs of the kind %s: start one that does (skerry "
                         "workers shows who takes what)",
                         info->kind);
    if (c->draining == c->takers)
        return arena_fmt(keep, "all %zu workers that could take it are draining", c->takers);
    return arena_fmt(keep, "it waits for its turn: %zu living workers could take it", c->takers);
}

err job_why_waiting(struct jobs *j, const struct job_info *info, arena *keep, str *ret_why)
{
    struct worker_info *workers;
    size_t count;
    str why = STR("");
    if (info->state == JOB_WAITING) {
        why = STR("it waits for the jobs that it needs");
    } else if (info->state == JOB_QUEUED && info->next_try_ms > clock_wall_ms()) {
        why = info->error.len ? STR("its last try failed: it waits for the next one")
                              : STR("it waits for its time");
    } else if (info->state == JOB_QUEUED) {
        TRY(workers_list(j, keep, &workers, &count));
        struct crew c = crew_of(workers, count, info);
        why = why_queued(info, &c, keep);
        ARENA_TRY(why.ptr);
    }
    *ret_why = why;
    return OK;
}
