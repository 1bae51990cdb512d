/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outbox.c -- opening, putting, and answering who asks. */
#include "platform/outbox/outbox.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "platform/outbox/outbox_internal.h"

enum {
    ROWS_MAX = 100000,
    BYTES_MAX = 64 << 20,
    RETRY_MS = 1000,
    RETRY_MAX_MS = 60000,
    TIMEOUT_MS = 20000,
    POLL_MS = 1000,
    LETTERS_MAX = 1000,
    PUTS_BETWEEN_TRIMS = 1000, /* a verb that puts more than this trims when it ends */
};

/* From a local collector to one behind a slow line. */
static const double SECONDS[] = { 0.005, 0.02, 0.1, 0.5, 2, 10 };

const struct metric_family outbox_metrics[] = {
    [OUTBOX_M_SENT] = { "skerry_outbox_sent_total",
                        METRIC_COUNTER,
                        "Items that a destination took.",
                        { "destination" } },
    [OUTBOX_M_FAILED] = { "skerry_outbox_failed_total",
                          METRIC_COUNTER,
                          "Tries that failed and are made again.",
                          { "destination" } },
    [OUTBOX_M_DEAD] = { "skerry_outbox_dead_total",
                        METRIC_COUNTER,
                        "Items that a destination refused for good: dead letters.",
                        { "destination" } },
    [OUTBOX_M_LOST] = { "skerry_outbox_lost_total",
                        METRIC_COUNTER,
                        "Items that were given up: more waited than is kept.",
                        { "destination" } },
    [OUTBOX_M_ITEMS] = { "skerry_outbox_backlog_items",
                         METRIC_GAUGE,
                         "Items that wait.",
                         { "destination" } },
    [OUTBOX_M_BYTES] = { "skerry_outbox_backlog_bytes",
                         METRIC_GAUGE,
                         "Bytes that wait, in the store or in log files.",
                         { "destination" } },
    [OUTBOX_M_OLDEST] = { "skerry_outbox_oldest_seconds",
                          METRIC_GAUGE,
                          "Age of the oldest item that waits.",
                          { "destination" } },
    [OUTBOX_M_BREAKER] = { "skerry_outbox_breaker_state",
                           METRIC_GAUGE,
                           "0: sending, 1: trying one item, 2: pausing after failures.",
                           { "destination" } },
    [OUTBOX_M_SECONDS] = { "skerry_outbox_send_seconds",
                           METRIC_HISTOGRAM,
                           "Time of one request to a destination.",
                           { "destination" },
                           .buckets = SECONDS,
                           .bucket_count = COUNT_OF(SECONDS) },
    { 0 },
};

const char *outbox_breaker_name(enum outbox_breaker breaker)
{
    static const char *const names[] = { "closed", "half-open", "open" };
    return names[breaker];
}

const char *outbox_takes_name(enum outbox_takes takes)
{
    static const char *const names[] = { "events", "lines", "spans" };
    return names[takes];
}

/* ------------------------------------------------------------------ life cycle */

static void ship_init(struct outbox *o, const struct outbox_destination *d)
{
    struct ship *s = &o->ships[o->count++];
    s->outbox = o;
    s->kind = d->kind;
    s->config = d->config;
    o->takes_events = o->takes_events || d->kind->takes == OUTBOX_EVENTS;
    breaker_init(&s->breaker, o->options.retry_ms, o->options.retry_max_ms);
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 0; o->options.metrics && i < OUTBOX_M_COUNT; i++)
        s->cells[i] = METRIC_CELL(o->options.metrics, &outbox_metrics[i], str_of(d->kind->name));
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

err outbox_open(const struct outbox_options *options, struct outbox **ret_outbox)
{
    assert(options->destination_count <= OUTBOX_DESTINATIONS_MAX);
    TRY(err_wrap(store_migrate(options->store, "outbox", outbox_migrations), "opening the outbox"));
    struct outbox *o = calloc(1, sizeof *o);
    if (!o)
        return ERR(ERR_NO_MEMORY, "opening the outbox: out of memory");
    o->options = *options;
    o->options.rows_max = or_default(options->rows_max, ROWS_MAX);
    o->options.bytes_max = or_default(options->bytes_max, BYTES_MAX);
    o->options.retry_ms = or_default(options->retry_ms, RETRY_MS);
    o->options.retry_max_ms = or_default(options->retry_max_ms, RETRY_MAX_MS);
    o->options.timeout_ms = or_default(options->timeout_ms, TIMEOUT_MS);
    o->options.poll_ms = or_default(options->poll_ms, POLL_MS);
    pthread_mutex_init(&o->lock, NULL);
    thread_cond_init(&o->wake);
    for (size_t i = 0; i < options->destination_count; i++)
        ship_init(o, &options->destinations[i]);
    *ret_outbox = o;
    return OK;
}

static void wake(void *arg)
{
    struct outbox *o = arg;
    pthread_mutex_lock(&o->lock);
    o->waked++;
    pthread_cond_broadcast(&o->wake);
    pthread_mutex_unlock(&o->lock);
}

void outbox_wait(struct outbox *o, uint64_t *seen, int64_t ms)
{
    struct timespec deadline = clock_deadline(ms);
    pthread_mutex_lock(&o->lock);
    while (!atomic_load(&o->stop) && (!seen || *seen == o->waked))
        if (pthread_cond_timedwait(&o->wake, &o->lock, &deadline) != 0)
            break;
    if (seen)
        *seen = o->waked;
    pthread_mutex_unlock(&o->lock);
}

/* A ship trims between two sends, and one to a destination that only listens takes twenty seconds.
 * Meanwhile events come: so this thread looks, too, when a sixteenth of what may wait was put. */
static void *keeper_main(void *outbox)
{
    struct outbox *o = outbox;
    int64_t puts = 0, bytes = 0;
    while (!atomic_load(&o->stop)) {
        outbox_wait(o, NULL, o->options.poll_ms);
        int64_t puts_now = atomic_load(&o->puts), bytes_now = atomic_load(&o->put_bytes);
        if (puts_now - puts <= o->options.rows_max / 16 &&
            bytes_now - bytes <= o->options.bytes_max / 16)
            continue;
        puts = puts_now;
        bytes = bytes_now;
        for (size_t i = 0; i < o->count; i++) {
            struct rows_counts ignored;
            if (o->ships[i].kind->takes == OUTBOX_EVENTS && ship_trim(&o->ships[i], &ignored).code)
                puts = bytes = 0; /* the store is away: once more */
        }
    }
    return NULL;
}

err outbox_start(struct outbox *o)
{
    char name[16];
    if (o->takes_events) {
        TRY(store_listen(o->options.store, OUTBOX_TOPIC, wake, o));
        o->is_listening = true;
    }
    for (size_t i = 0; i < o->count; i++) {
        struct ship *s = &o->ships[i];
        TRY(err_wrap(ship_follow(s), "starting the outbox"));
        snprintf(name, sizeof name, "out-%.11s", s->kind->name);
        TRY(thread_start(&s->thread, name, ship_main, s));
        s->is_running = true;
    }
    if (o->takes_events) {
        TRY(thread_start(&o->keeper, "out-keeper", keeper_main, o));
        o->has_keeper = true;
    }
    return OK;
}

/* A verb that put much and is not followed by a server must not fill the store. */
static void trim_own(struct outbox *o)
{
    int64_t lost = 0;
    for (size_t i = 0; i < o->count; i++) {
        const struct ship *s = &o->ships[i];
        if (s->kind->takes != OUTBOX_EVENTS || s->is_running)
            continue;
        err e = rows_trim(o, s->kind->name, &lost);
        if (e.code)
            log_error(o->options.log, NULL, "outbox.trim_failed", &e);
    }
}

void outbox_close(struct outbox *o)
{
    if (!o)
        return;
    atomic_store(&o->stop, true);
    wake(o);
    for (size_t i = 0; i < o->count; i++)
        if (o->ships[i].is_running)
            pthread_join(o->ships[i].thread, NULL);
    if (o->has_keeper)
        pthread_join(o->keeper, NULL);
    if (o->is_listening)
        store_unlisten(o->options.store, o);
    if (atomic_load(&o->puts) > PUTS_BETWEEN_TRIMS)
        trim_own(o);
    for (size_t i = 0; i < o->count; i++)
        pthread_mutex_destroy(&o->ships[i].lock);
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* ------------------------------------------------------------------ putting */

bool outbox_takes_events(const struct outbox *o)
{
    return o && o->takes_events;
}

err outbox_put(struct outbox *o, struct store_tx *tx, const struct outbox_event *event)
{
    if (!outbox_takes_events(o))
        return OK;
    if (event->data.len > OUTBOX_BODY_MAX || event->subject.len > OUTBOX_SUBJECT_MAX)
        return ERR(ERR_TOO_BIG, "event %s has %zu bytes of data; at most %d", event->type,
                   event->data.len, OUTBOX_BODY_MAX);
    char id[UUID_BYTES];
    rand_uuid(id);
    for (size_t i = 0; i < o->count; i++)
        if (o->ships[i].kind->takes == OUTBOX_EVENTS)
            TRY(rows_put(tx, o->ships[i].kind->name, str_of(id), str_of(event->type),
                         event->subject, event->data, clock_wall_ms()));
    atomic_fetch_add(&o->puts, 1);
    atomic_fetch_add(&o->put_bytes, (int64_t)event->data.len);
    return store_notify(tx, OUTBOX_TOPIC);
}

/* ------------------------------------------------------------------ looking after it */

/* What a verb knows: the rows of the store, and what the server noted last. */
static err info_from_store(struct outbox *o, const struct ship *s, arena *keep,
                           struct outbox_info *info)
{
    struct outbox_saved saved = { 0 };
    struct rows_counts rows;
    struct log_follow follow;
    struct log_waiting lines = { 0 };
    bool is_found = false;
    TRY(rows_saved(o, s->kind->name, keep, &saved, &is_found));
    TRY(rows_count(o, s->kind->name, &rows));
    if (saved.cursor.len) {
        TRY(log_follow_load(saved.cursor, s->kind->takes == OUTBOX_SPANS, &follow));
        TRY(log_follow_look(o->options.log, &follow, &lines));
    }
    info->breaker = saved.breaker;
    info->error = saved.error;
    info->error_ms = saved.error_ms;
    info->sent_ms = saved.sent_ms;
    info->sent = saved.sent;
    info->lost = saved.lost;
    info->waiting_items = rows.waiting + lines.lines;
    info->waiting_bytes = rows.waiting_bytes + lines.bytes;
    info->oldest_ms = rows.oldest_ms && (!lines.since_ms || rows.oldest_ms < lines.since_ms)
                          ? rows.oldest_ms
                          : lines.since_ms;
    info->dead_items = rows.dead;
    return OK;
}

static err info_from_ship(struct outbox *o, struct ship *s, arena *keep, struct outbox_info *info)
{
    struct rows_counts rows;
    TRY(rows_count(o, s->kind->name, &rows)); /* somebody may just have replayed */
    pthread_mutex_lock(&s->lock);
    struct outbox_numbers n = s->numbers;
    pthread_mutex_unlock(&s->lock);
    info->breaker = n.breaker;
    info->error = arena_str(keep, str_of(n.error));
    info->error_ms = n.error_ms;
    info->sent_ms = n.sent_ms;
    info->sent = n.sent;
    info->lost = n.lost;
    info->waiting_items = s->kind->takes == OUTBOX_EVENTS ? rows.waiting : n.waiting_items;
    info->waiting_bytes = s->kind->takes == OUTBOX_EVENTS ? rows.waiting_bytes : n.waiting_bytes;
    info->oldest_ms = n.oldest_ms;
    info->dead_items = rows.dead;
    return arena_check(keep);
}

err outbox_list(struct outbox *o, arena *keep, struct outbox_info **ret_infos, size_t *ret_count)
{
    struct outbox_info *infos = NEW_ARRAY(keep, struct outbox_info, o->count + 1);
    ARENA_TRY(infos);
    for (size_t i = 0; i < o->count; i++) {
        struct ship *s = &o->ships[i];
        infos[i] = (struct outbox_info){ .name = s->kind->name,
                                         .takes = s->kind->takes,
                                         .is_here = s->is_running };
        TRY(s->is_running ? info_from_ship(o, s, keep, &infos[i])
                          : info_from_store(o, s, keep, &infos[i]));
    }
    *ret_infos = infos;
    *ret_count = o->count;
    return OK;
}

static err find(struct outbox *o, str destination, const char **ret_name)
{
    for (size_t i = 0; i < o->count; i++)
        if (str_eq(destination, str_of(o->ships[i].kind->name))) {
            *ret_name = o->ships[i].kind->name;
            return OK;
        }
    return ERR(ERR_NOT_FOUND,
               "there is no destination '%.*s': 'skerry outbox' lists those that are "
               "configured",
               STR_ARG(str_sub(destination, 0, 60)));
}

err outbox_dead(struct outbox *o, str destination, int64_t limit, arena *keep,
                struct outbox_letter **ret_letters, size_t *ret_count)
{
    const char *name;
    TRY(find(o, destination, &name));
    if (limit < 1 || limit > LETTERS_MAX)
        limit = LETTERS_MAX;
    return rows_dead(o, name, limit, keep, ret_letters, ret_count);
}

err outbox_replay(struct outbox *o, str destination, int64_t *ret_count)
{
    const char *name;
    TRY(find(o, destination, &name));
    TRY(rows_replay(o, name, ret_count));
    wake(o);
    return OK;
}

err outbox_drop(struct outbox *o, str destination, int64_t *ret_count)
{
    const char *name;
    char left[64];
    int64_t count = 0;
    err e = find(o, destination, &name);
    if (!e.code)
        return rows_drop(o, name, ret_count);
    snprintf(left, sizeof left, "%.*s", STR_ARG(str_sub(destination, 0, sizeof left - 1)));
    TRY(rows_drop_all(o, left, &count));
    if (!count)
        return e;
    *ret_count = count;
    return OK;
}
