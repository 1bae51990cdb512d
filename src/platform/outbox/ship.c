/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ship.c -- the thread of one destination: look, gather, send, settle.
 *
 * What is to be sent stays where it is, in the store or in the log's files, until the destination
 * took it; then one transaction takes it off, or moves the place in the log, or makes it a dead
 * letter. So a kill at any moment costs nothing but a repetition.
 *
 * Failing is the normal case here and must not make work: one log line when a destination goes away
 * and one when it is back, whatever happens in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "platform/outbox/outbox_internal.h"

enum {
    WORK_ARENA_BYTES = 24 << 20,  /* a batch: a megabyte, or one row of the largest size */
    FOLLOW_ARENA_BYTES = 1 << 20, /* a saved place, and the last error */
    LINGER_MS = 20,               /* events that come together leave together */
    SHARES = 64,                  /* of a full batch; one is the least that is tried */
};

/* One batch under way. */
struct work {
    arena keep;
    struct outbox_item items[OUTBOX_ITEMS_MAX];
    int64_t ids[OUTBOX_ITEMS_MAX];                              /* of rows */
    int64_t segments[OUTBOX_ITEMS_MAX], ends[OUTBOX_ITEMS_MAX]; /* of lines */
    size_t count, max;
    size_t bytes, bytes_max;
    bool are_rows;
    struct log_follow after; /* of lines */
    struct store_lock *turn; /* of rows: one server sends at a time */
    int64_t retry_after_ms, unnamed;
};

static int64_t mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static struct log_labels labels_of(void)
{
    return (struct log_labels){ .component = STR("outbox") };
}

static void count(struct ship *s, enum outbox_metric which, double amount)
{
    if (s->cells[which] && amount > 0)
        metric_add(s->cells[which], amount);
}

static void gauge(struct ship *s, enum outbox_metric which, double value)
{
    if (s->cells[which])
        metric_set(s->cells[which], value);
}

/* ------------------------------------------------------------------ saying it once */

static void note_lost(struct ship *s, int64_t lost, const char *what)
{
    if (lost <= 0)
        return;
    struct log_labels labels = labels_of();
    count(s, OUTBOX_M_LOST, (double)lost);
    pthread_mutex_lock(&s->lock);
    s->numbers.lost += lost;
    pthread_mutex_unlock(&s->lock);
    if (!atomic_exchange(&s->is_losing, true))
        log_event(s->outbox->options.log, LOG_WARN, &labels, "outbox.lost", what,
                  F_CSTR("destination", s->kind->name), F_INT("items", lost));
}

static void note_dead(struct ship *s, const struct work *w)
{
    struct log_labels labels = labels_of();
    const char *why = "";
    int64_t dead = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->items[i].outcome == OUTBOX_REFUSED && dead++ == 0)
            why = w->items[i].why;
    count(s, OUTBOX_M_DEAD, (double)dead);
    if (dead && !s->is_refusing)
        log_event(s->outbox->options.log, LOG_WARN, &labels, "outbox.refused", why,
                  F_CSTR("destination", s->kind->name), F_INT("items", dead));
    s->is_refusing = dead > 0;
}

/* ------------------------------------------------------------------ making it durable */

/* Until it is durable or the end: without it the same would be sent again and again. */
static void settle(struct ship *s, const struct work *w, size_t settled, bool has_cursor)
{
    struct outbox *o = s->outbox;
    struct outbox_numbers numbers;
    struct buf cursor;
    buf_init(&cursor, LOG_PLACES_TEXT_MAX);
    if (has_cursor)
        log_follow_save(&s->follow, &cursor);
    pthread_mutex_lock(&s->lock);
    numbers = s->numbers;
    pthread_mutex_unlock(&s->lock);
    struct rows_outcome outcome = {
        .ship = s,
        .items = w ? w->items : NULL,
        .ids = w && w->are_rows ? w->ids : NULL,
        .count = settled,
        .cursor = buf_str(&cursor),
        .numbers = &numbers,
    };
    for (;;) {
        err e = buf_check(&cursor);
        if (!e.code)
            e = rows_settle(o, &outcome);
        if (!e.code || atomic_load(&o->stop))
            break;
        pthread_mutex_lock(&s->lock);
        snprintf(s->numbers.error, sizeof s->numbers.error, "noting what was sent: %.200s", e.msg);
        s->numbers.error_ms = clock_wall_ms();
        pthread_mutex_unlock(&s->lock);
        outbox_wait(o, NULL, o->options.poll_ms);
    }
    buf_deinit(&cursor);
}

/* ------------------------------------------------------------------ what a try came to */

static void set_breaker(struct ship *s)
{
    gauge(s, OUTBOX_M_BREAKER, (double)s->breaker.state);
    pthread_mutex_lock(&s->lock);
    s->numbers.breaker = s->breaker.state;
    pthread_mutex_unlock(&s->lock);
}

/* Some limit what comes at once (Loki's burst size) and say no more than that it was too much: a
 * batch above it would be refused for ever, the same one again and again. So the next one is half
 * as large, and grows slowly again while all goes well. */
static void set_share(struct ship *s, const err *e)
{
    if (e->code == ERR_BUSY)
        s->share = s->share > 1 ? s->share / 2 : 1;
    else if (!e->code && s->share < SHARES)
        s->share++;
}

static void failed(struct ship *s, const err *e, int64_t asked_ms)
{
    struct log_labels labels = labels_of();
    uint64_t dice;
    if (e->code == ERR_CANCELLED)
        return;
    rand_bytes(&dice, sizeof dice);
    bool went_away = breaker_failed(&s->breaker, mono_ms(), asked_ms, dice);
    count(s, OUTBOX_M_FAILED, 1);
    pthread_mutex_lock(&s->lock);
    snprintf(s->numbers.error, sizeof s->numbers.error, "%s", e->msg);
    s->numbers.error_ms = clock_wall_ms();
    pthread_mutex_unlock(&s->lock);
    set_breaker(s);
    s->kind->close(s->state);
    s->state = NULL;
    if (!went_away)
        return;
    log_event(s->outbox->options.log, LOG_WARN, &labels, "outbox.unreachable", e->msg,
              F_CSTR("destination", s->kind->name), F_INT("failures", s->breaker.failures));
    settle(s, NULL, 0, false);
}

static void succeeded(struct ship *s, const struct work *w)
{
    struct log_labels labels = labels_of();
    bool is_back = breaker_succeeded(&s->breaker);
    pthread_mutex_lock(&s->lock);
    s->numbers.error[0] = '\0';
    s->numbers.sent_ms = clock_wall_ms();
    pthread_mutex_unlock(&s->lock);
    set_breaker(s);
    s->is_losing = false;
    if (is_back)
        log_event(s->outbox->options.log, LOG_INFO, &labels, "outbox.recovered", NULL,
                  F_CSTR("destination", s->kind->name));
    note_lost(s, w->unnamed, "the destination refused items without saying which");
}

/* ------------------------------------------------------------------ gathering */

static err take_line(void *arg, str line, int64_t segment, int64_t end_offset, bool *ret_stop)
{
    struct work *w = arg;
    struct log_seen seen;
    if (w->count == w->max || (w->count && w->bytes + line.len > w->bytes_max)) {
        *ret_stop = true;
        return OK;
    }
    if (!log_line_read(line, &seen))
        return OK; /* torn, or not ours: nobody could read it */
    struct outbox_item *item = &w->items[w->count];
    *item = (struct outbox_item){ .body = arena_str(&w->keep, line), .at_ms = seen.ts_ms };
    ARENA_TRY(item->body.ptr);
    w->segments[w->count] = segment;
    w->ends[w->count++] = end_offset;
    w->bytes += line.len;
    return OK;
}

/* Rows first: events, or lines that are replayed. */
static err gather(struct ship *s, struct work *w)
{
    struct outbox *o = s->outbox;
    char lock_name[64];
    arena_reset(&w->keep);
    w->count = w->bytes = 0;
    w->retry_after_ms = w->unnamed = 0;
    w->max = s->breaker.state == OUTBOX_CLOSED ? s->kind->items_max * s->share / SHARES : 1;
    w->bytes_max = s->kind->bytes_max * s->share / SHARES;
    w->are_rows = true;
    if (w->max > OUTBOX_ITEMS_MAX)
        w->max = OUTBOX_ITEMS_MAX;
    if (w->max < 1)
        w->max = 1;
    if (s->kind->takes == OUTBOX_EVENTS || s->rows_waiting) {
        snprintf(lock_name, sizeof lock_name, "outbox:%s", s->kind->name);
        err e = store_lock(o->options.store, lock_name, 1, &w->turn);
        if (e.code == ERR_BUSY || e.code == ERR_TIMEOUT)
            return OK; /* another server of this store is sending */
        TRY(e);
        TRY(rows_read(o, s, w->max, &w->keep, w->items, w->ids, &w->count));
    }
    if (w->count || s->kind->takes == OUTBOX_EVENTS)
        return OK;
    w->are_rows = false;
    TRY(log_follow_read(o->options.log, &s->follow, LOG_FOLLOW_BYTES_MIN, take_line, w, &w->after));
    if (!w->count)
        s->follow = w->after; /* only lines of the other kind */
    return OK;
}

/* ------------------------------------------------------------------ sending */

/* A batch that is refused is tried in halves, from its oldest item on, until each item that nobody
 * wants is alone. */
static err send_part(struct ship *s, struct work *w, size_t from, size_t n)
{
    struct outbox *o = s->outbox;
    if (atomic_load(&o->stop))
        return ERR(ERR_CANCELLED, "the server stops");
    struct outbox_batch batch = {
        .items = w->items + from,
        .count = n,
        .deadline_ns = clock_mono_ns() + o->options.timeout_ms * 1000000,
        .stop = &o->stop,
    };
    int64_t began_ns = clock_mono_ns();
    err e = s->kind->send(s->state, &batch);
    if (s->cells[OUTBOX_M_SECONDS])
        metric_observe(s->cells[OUTBOX_M_SECONDS], (double)(clock_mono_ns() - began_ns) / 1e9);
    w->retry_after_ms = batch.retry_after_ms;
    w->unnamed += batch.unnamed_refusals;
    if (!e.code)
        for (size_t i = from; i < from + n; i++)
            if (w->items[i].outcome == OUTBOX_WAITING)
                w->items[i].outcome = OUTBOX_SENT;
    if (e.code != ERR_INVALID && e.code != ERR_TOO_BIG)
        return e;
    if (n > 1) {
        TRY(send_part(s, w, from, n / 2));
        return send_part(s, w, from + n / 2, n - n / 2);
    }
    w->items[from].outcome = OUTBOX_REFUSED;
    snprintf(w->items[from].why, OUTBOX_WHY_BYTES, "%s", e.msg);
    return OK;
}

/* Lines are settled up to the first that waits; rows one by one. */
static size_t settled_count(const struct work *w)
{
    size_t n = 0;
    if (w->are_rows)
        return w->count;
    while (n < w->count && w->items[n].outcome != OUTBOX_WAITING)
        n++;
    return n;
}

static void take_off(struct ship *s, const struct work *w)
{
    size_t settled = settled_count(w);
    int64_t sent = 0;
    for (size_t i = 0; i < settled; i++) {
        sent += w->items[i].outcome == OUTBOX_SENT;
        if (!w->are_rows)
            log_follow_move(&s->follow, w->segments[i], w->ends[i]);
    }
    if (!w->are_rows && settled == w->count)
        s->follow = w->after;
    count(s, OUTBOX_M_SENT, (double)sent);
    pthread_mutex_lock(&s->lock);
    s->numbers.sent += sent;
    pthread_mutex_unlock(&s->lock);
    note_dead(s, w);
    if (settled)
        settle(s, w, settled, !w->are_rows);
}

static err send_batch(struct ship *s, struct work *w)
{
    err e = s->state ? OK : s->kind->open(s->config, &s->state);
    if (!e.code)
        e = send_part(s, w, 0, w->count);
    set_share(s, &e);
    if (e.code)
        failed(s, &e, w->retry_after_ms);
    else
        succeeded(s, w);
    take_off(s, w);
    return e;
}

/* ------------------------------------------------------------------ looking */

err ship_trim(struct ship *s, struct rows_counts *ret_rows)
{
    struct outbox *o = s->outbox;
    int64_t lost = 0;
    TRY(rows_count(o, s->kind->name, ret_rows));
    if (ret_rows->waiting <= o->options.rows_max &&
        ret_rows->waiting_bytes <= o->options.bytes_max && ret_rows->dead <= OUTBOX_DEAD_MAX)
        return OK;
    TRY(rows_trim(o, s->kind->name, &lost));
    note_lost(s, lost, "more was waiting than is kept: the oldest is forgotten");
    return rows_count(o, s->kind->name, ret_rows);
}

static err look(struct ship *s)
{
    struct outbox *o = s->outbox;
    struct rows_counts rows;
    struct log_waiting lines = { 0 };
    TRY(ship_trim(s, &rows));
    if (s->kind->takes != OUTBOX_EVENTS)
        TRY(log_follow_look(o->options.log, &s->follow, &lines));
    note_lost(s, lines.lost, "log files expired before they were sent");
    s->rows_waiting = rows.waiting;
    pthread_mutex_lock(&s->lock);
    struct outbox_numbers *n = &s->numbers;
    n->waiting_items = rows.waiting + lines.lines;
    n->waiting_bytes = rows.waiting_bytes + lines.bytes;
    n->dead_items = rows.dead;
    n->oldest_ms = rows.oldest_ms;
    if (lines.since_ms && (!n->oldest_ms || lines.since_ms < n->oldest_ms))
        n->oldest_ms = lines.since_ms;
    gauge(s, OUTBOX_M_ITEMS, (double)n->waiting_items);
    gauge(s, OUTBOX_M_BYTES, (double)n->waiting_bytes);
    double age_s = n->oldest_ms ? (double)(clock_wall_ms() - n->oldest_ms) / 1000 : 0;
    gauge(s, OUTBOX_M_OLDEST, age_s > 0 ? age_s : 0);
    pthread_mutex_unlock(&s->lock);
    return OK;
}

/* A place in the log that nobody has noted yet; a failure is the caller's to repeat. */
static err note_beginning(struct ship *s)
{
    struct outbox *o = s->outbox;
    struct buf cursor;
    TRY(log_follow_begin(o->options.log, s->kind->takes == OUTBOX_SPANS, o->options.started_ms,
                         &s->follow));
    buf_init(&cursor, LOG_PLACES_TEXT_MAX);
    log_follow_save(&s->follow, &cursor);
    pthread_mutex_lock(&s->lock);
    struct outbox_numbers numbers = s->numbers;
    pthread_mutex_unlock(&s->lock);
    struct rows_outcome outcome = { .ship = s, .cursor = buf_str(&cursor), .numbers = &numbers };
    err e = buf_check(&cursor);
    if (!e.code)
        e = rows_settle(o, &outcome);
    buf_deinit(&cursor);
    return e;
}

/* Where it stopped, or, for a log that was never shipped, the beginning of this process. */
static err restore(struct ship *s, arena *keep)
{
    struct outbox *o = s->outbox;
    struct outbox_saved saved = { 0 };
    bool is_found = false;
    TRY(rows_saved(o, s->kind->name, keep, &saved, &is_found));
    pthread_mutex_lock(&s->lock);
    s->numbers.sent = saved.sent;
    s->numbers.lost = saved.lost;
    s->numbers.sent_ms = saved.sent_ms;
    pthread_mutex_unlock(&s->lock);
    if (s->kind->takes == OUTBOX_EVENTS)
        return OK;
    err e = saved.cursor.len
                ? log_follow_load(saved.cursor, s->kind->takes == OUTBOX_SPANS, &s->follow)
                : OK;
    if (saved.cursor.len && !e.code)
        return OK;
    if (e.code)
        log_error(o->options.log, NULL, "outbox.place_lost", &e);
    return note_beginning(s);
}

/* Of the processes of one data folder, one sends its lines; the others stand by. */
static err take_files(struct ship *s, bool *ret_taken)
{
    struct outbox *o = s->outbox;
    char name[128];
    *ret_taken = true;
    if (s->kind->takes == OUTBOX_EVENTS || s->files)
        return OK;
    snprintf(name, sizeof name, "outbox:%s:%s", s->kind->name, o->options.instance);
    err e = store_lock(o->options.store, name, 1, &s->files);
    *ret_taken = !e.code;
    return e.code == ERR_BUSY || e.code == ERR_TIMEOUT ? OK : e;
}

err ship_follow(struct ship *s)
{
    bool is_taken;
    arena keep;
    if (s->is_following)
        return OK;
    TRY(take_files(s, &is_taken));
    if (!is_taken)
        return OK;
    arena_init(&keep, FOLLOW_ARENA_BYTES);
    err e = restore(s, &keep);
    arena_deinit(&keep);
    s->is_following = !e.code;
    return e;
}

/* One look, and at most one batch; *ret_wait_ms 0: go on at once. */
static err turn(struct ship *s, struct work *w, int64_t *ret_wait_ms)
{
    struct outbox *o = s->outbox;
    *ret_wait_ms = o->options.poll_ms;
    TRY(ship_follow(s));
    if (!s->is_following)
        return OK;
    if (!s->looked_ms || mono_ms() - s->looked_ms >= o->options.poll_ms) {
        TRY(look(s));
        s->looked_ms = mono_ms();
    }
    int64_t pause_ms = breaker_wait_ms(&s->breaker, mono_ms());
    if (pause_ms > 0) {
        *ret_wait_ms = pause_ms < o->options.poll_ms ? pause_ms : o->options.poll_ms;
        return OK;
    }
    set_breaker(s);
    TRY(gather(s, w));
    if (!w->count)
        return OK;
    err sent = send_batch(s, w);
    if (!sent.code && !s->is_refusing)
        *ret_wait_ms = 0;
    return OK;
}

void *ship_main(void *ship)
{
    struct ship *s = ship;
    struct outbox *o = s->outbox;
    struct work *w = calloc(1, sizeof *w);
    uint64_t seen = 0;
    s->share = SHARES;
    while (w && !atomic_load(&o->stop)) {
        int64_t wait_ms = 0;
        arena_init(&w->keep, WORK_ARENA_BYTES);
        err e = turn(s, w, &wait_ms);
        store_unlock(w->turn);
        w->turn = NULL;
        arena_deinit(&w->keep);
        if (e.code) { /* the store or the disk, which say so where somebody waits for them */
            pthread_mutex_lock(&s->lock);
            snprintf(s->numbers.error, sizeof s->numbers.error, "%s", e.msg);
            s->numbers.error_ms = clock_wall_ms();
            pthread_mutex_unlock(&s->lock);
            wait_ms = o->options.poll_ms;
        }
        if (wait_ms > 0) {
            bool is_pausing = s->breaker.not_before_ms > mono_ms();
            outbox_wait(o, is_pausing || e.code ? NULL : &seen, wait_ms);
            if (!is_pausing)
                outbox_wait(o, NULL, LINGER_MS < wait_ms ? LINGER_MS : 0);
        }
    }
    s->kind->close(s->state);
    s->state = NULL;
    store_unlock(s->files);
    s->files = NULL;
    free(w);
    return NULL;
}
