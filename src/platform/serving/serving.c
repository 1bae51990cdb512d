/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serving.c -- opening and closing, and the one thread: it follows the aliases, writes what was
 * noted, looks for alarms, and forgets what is old. */
#include "platform/serving/serving_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"

enum {
    COOLDOWN_MS = 30000,
    POLL_MS = 2000, /* a wake-up is rarely lost; when one is, a promotion is late by this */
    FLUSH_MS = 1000,
    WINDOW_HOURS = 24,
    LOG_DAYS = 30,
    WINDOW_DAYS = 400,
    TRIALS_MIN = 20,
    JUDGED_MIN = 200,
    WATCH_MS = 60 * 1000,
    PURGE_MS = 3600 * 1000,
};
#define ALPHA 0.05
#define MARGIN 0.02
#define DRIFT_MAX 0.25 /* the usual "the population has changed" of credit scoring */

const char *const serving_aliases[SERVING_SLOTS] = { "Production", "B", "shadow1", "shadow2" };

err serving_slot_parse(str alias, enum serving_slot *ret_slot)
{
    for (int i = 0; i < SERVING_SLOTS; i++) {
        if (str_eq(alias, str_of(serving_aliases[i]))) {
            *ret_slot = (enum serving_slot)i;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "alias '%.*s' does not serve: it is Production, B, shadow1 or shadow2",
               STR_ARG(str_sub(alias, 0, 80)));
}

/* ------------------------------------------------------------------ opening */

static void set_defaults(struct serving_options *o)
{
    o->cooldown_ms = o->cooldown_ms ? o->cooldown_ms : COOLDOWN_MS;
    o->poll_ms = o->poll_ms ? o->poll_ms : POLL_MS;
    o->flush_ms = o->flush_ms ? o->flush_ms : FLUSH_MS;
    o->window_hours = o->window_hours ? o->window_hours : WINDOW_HOURS;
    o->log_days = o->log_days ? o->log_days : LOG_DAYS;
    o->window_days = o->window_days ? o->window_days : WINDOW_DAYS;
    o->alpha = o->alpha > 0 ? o->alpha : ALPHA;
    o->trials_min = o->trials_min ? o->trials_min : TRIALS_MIN;
    o->judged_min = o->judged_min ? o->judged_min : JUDGED_MIN;
    o->margin = o->margin > 0 ? o->margin : MARGIN;
    o->drift_max = o->drift_max > 0 ? o->drift_max : DRIFT_MAX;
}

static err open_family(struct serving *s, const struct serving_family *row)
{
    struct served_family *f = &s->families[s->family_count++];
    f->s = s;
    f->row = row;
    atomic_init(&f->ratio, 0.5);
    pthread_mutex_init(&f->load_lock, NULL);
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_init(&f->tally_lock, NULL);
    f->set = calloc(1, sizeof *f->set);
    f->tallies = calloc(1, sizeof *f->tallies);
    f->spare = calloc(1, sizeof *f->spare);
    if (!f->set || !f->tallies || !f->spare)
        return ERR(ERR_NO_MEMORY, "no memory to serve family '%s'", row->name);
    atomic_init(&f->set->holders, 1);
    serving_cells_make(f);
    return OK;
}

static err open_families(struct serving *s, const struct serving_family *const *tables,
                         size_t table_count)
{
    size_t count = 0;
    for (size_t i = 0; i < table_count; i++)
        for (const struct serving_family *row = tables[i]; row->name; row++)
            count++;
    if (count > SERVING_FAMILIES_MAX)
        return ERR(ERR_TOO_BIG, "%zu families of models: at most %d serve", count,
                   SERVING_FAMILIES_MAX);
    s->families = calloc(count + 1, sizeof *s->families);
    if (!s->families)
        return ERR(ERR_NO_MEMORY, "no memory to serve models");
    for (size_t i = 0; i < table_count; i++)
        for (const struct serving_family *row = tables[i]; row->name; row++)
            TRY(open_family(s, row));
    return OK;
}

err serving_open(const struct serving_options *options, const struct serving_family *const *tables,
                 size_t table_count, struct serving **ret_serving)
{
    struct serving *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "no memory to serve models");
    s->options = *options;
    set_defaults(&s->options);
    pthread_mutex_init(&s->queue_lock, NULL);
    pthread_mutex_init(&s->flush_lock, NULL);
    pthread_mutex_init(&s->wake_lock, NULL);
    thread_cond_init(&s->wake);
    buf_init(&s->queue, QUEUE_BYTES_MAX);
    buf_init(&s->batch, QUEUE_BYTES_MAX);
    err e = store_migrate(options->store, "serving", serving_migrations);
    if (!e.code)
        e = open_families(s, tables, table_count);
    if (e.code) {
        serving_close(s);
        return e;
    }
    *ret_serving = s;
    return OK;
}

static void close_family(struct served_family *f)
{
    if (f->set)
        serving_set_release(f->set);
    free(f->tallies);
    free(f->spare);
    pthread_mutex_destroy(&f->tally_lock);
    pthread_mutex_destroy(&f->lock);
    pthread_mutex_destroy(&f->load_lock);
}

static void stop(struct serving *s)
{
    store_unlisten(s->options.store, s);
    pthread_mutex_lock(&s->wake_lock);
    s->is_stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->wake_lock);
    pthread_join(s->thread, NULL);
}

void serving_close(struct serving *s)
{
    if (!s)
        return;
    if (s->is_started)
        stop(s);
    if (s->families) {
        err e = serving_flush(s);
        if (e.code)
            log_error(s->options.log, NULL, "serving.flush_failed", &e);
    }
    for (size_t i = 0; i < s->family_count; i++)
        close_family(&s->families[i]);
    free(s->families);
    buf_deinit(&s->batch);
    buf_deinit(&s->queue);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->wake_lock);
    pthread_mutex_destroy(&s->flush_lock);
    pthread_mutex_destroy(&s->queue_lock);
    free(s);
}

size_t serving_family_count(const struct serving *s)
{
    return s->family_count;
}

struct served_family *serving_family_at(const struct serving *s, size_t index)
{
    return index < s->family_count ? &s->families[index] : NULL;
}

struct served_family *serving_find(const struct serving *s, str name)
{
    for (size_t i = 0; i < s->family_count; i++)
        if (str_eq(name, str_of(s->families[i].row->name)) ||
            str_eq(name, str_of(s->families[i].row->model)))
            return &s->families[i];
    return NULL;
}

const struct serving_family *served_row(const struct served_family *f)
{
    return f->row;
}

/* ------------------------------------------------------------------ the thread */

/* On a thread of the store: short, and nothing of the store. */
static void heard_of_move(void *arg)
{
    struct serving *s = arg;
    pthread_mutex_lock(&s->wake_lock);
    s->is_moved = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->wake_lock);
}

err serving_follow(struct serving *s)
{
    err first = OK;
    for (size_t i = 0; i < s->family_count; i++)
        first = err_first(first, serving_family_follow(&s->families[i], SERVING_LOOK));
    return first;
}

static void watch(struct serving *s)
{
    for (size_t i = 0; i < s->family_count; i++) {
        err e = serving_watch(&s->families[i]);
        if (e.code)
            log_error(s->options.log, NULL, "serving.watch_failed", &e);
    }
}

/* Waits for the next thing to do. False: the end. */
static bool wait_for_turn(struct serving *s, bool *ret_is_moved)
{
    struct timespec deadline = clock_deadline(s->options.flush_ms);
    pthread_mutex_lock(&s->wake_lock);
    while (!s->is_stopping && !s->is_moved)
        if (pthread_cond_timedwait(&s->wake, &s->wake_lock, &deadline) != 0)
            break;
    *ret_is_moved = s->is_moved;
    s->is_moved = false;
    bool goes_on = !s->is_stopping;
    pthread_mutex_unlock(&s->wake_lock);
    return goes_on;
}

static void *serving_main(void *arg)
{
    struct serving *s = arg;
    int64_t polled = clock_mono_ns(), watched = polled, purged = polled;
    bool is_moved, was_bad = false;
    while (wait_for_turn(s, &is_moved)) {
        int64_t now = clock_mono_ns();
        err e = OK;
        if (is_moved || now - polled >= s->options.poll_ms * 1000000) {
            e = serving_follow(s);
            polled = now;
        }
        e = err_first(e, serving_flush(s));
        if (now - purged >= PURGE_MS * INT64_C(1000000)) {
            e = err_first(e, serving_purge(s));
            purged = now;
        }
        if (e.code && !was_bad) /* once, however long the store is away */
            log_error(s->options.log, NULL, "serving.store_failed", &e);
        was_bad = e.code != ERR_NONE;
        if (now - watched >= WATCH_MS * INT64_C(1000000)) {
            watch(s);
            watched = now;
        }
    }
    return NULL;
}

err serving_start(struct serving *s)
{
    if (!s->family_count)
        return OK;
    TRY(store_listen(s->options.store, MODEL_ALIAS_TOPIC, heard_of_move, s));
    err e = serving_follow(s);
    if (!e.code) {
        watch(s);
        e = thread_start(&s->thread, "serving", serving_main, s);
    }
    if (e.code)
        store_unlisten(s->options.store, s);
    s->is_started = !e.code;
    return e;
}
