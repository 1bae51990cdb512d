/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flush.c -- from memory into the tables.
 *
 * A write takes the sums since the last one and a slice of the calls that are kept and the truths
 * that came, all or nothing; when the store refuses, all of it waits and goes with the next. What
 * apps noted in their own transactions is added up in small writes of their own: the rows go and
 * their sums come in one transaction, so each counts exactly once whoever is killed when.
 */
#include "platform/serving/serving_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    JOIN_ROWS = TALLY_CELLS / SERVING_SLOTS / 2, /* however many hours they are of */
    /* Entries of the queue in one write: a few milliseconds, so that other writes do not wait. */
    SLICE_ENTRIES = 256,
    TRIES_MAX = 5, /* of a truth whose call may still wait on another server */
    PURGE_ROWS = 1000,
    FOLD_WAIT_MS = 2000,
    PENDING_WRITES_MAX = 200, /* in one turn: 100,000 rows, or notes */
};

/* ------------------------------------------------------------------ sums */

static err tally_write(struct store_tx *tx, const char *family, const struct tally_key *key,
                       const struct serving_tally *more, struct buf *bins)
{
    struct store_rows *rows;
    struct serving_tally sum = { .made = 0 };
    struct store_value id[] = {
        sql_cstr(family),         sql_int(key->tenure),  sql_int(key->slot),
        sql_int(key->generation), sql_int(key->version), sql_int(key->hour)
    };
    TRY(store_query(store_tx_read(tx),
                    "SELECT bins FROM serving_windows WHERE family = ?1 AND tenure = ?2"
                    " AND slot = ?3 AND generation = ?4 AND version = ?5 AND hour = ?6",
                    ((struct store_args){ id, COUNT_OF(id) }), &rows));
    bool is_there = store_next(rows);
    err e = is_there ? tally_unpack(store_col_blob(rows, 0), &sum) : OK;
    TRY(err_first(e, store_rows_close(rows)));
    tally_add(&sum, more);
    buf_clear(bins);
    tally_pack(&sum, bins);
    TRY(buf_check(bins));
    return store_exec(
        tx,
        "INSERT INTO serving_windows (family, tenure, slot, generation, version, hour, made, "
        "judged,"
        " correct, trials, wins, log_loss, bins)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        " ON CONFLICT (family, tenure, slot, generation, version, hour) DO UPDATE SET"
        " made = serving_windows.made + excluded.made,"
        " judged = serving_windows.judged + excluded.judged,"
        " correct = serving_windows.correct + excluded.correct,"
        " trials = serving_windows.trials + excluded.trials,"
        " wins = serving_windows.wins + excluded.wins,"
        " log_loss = serving_windows.log_loss + excluded.log_loss, bins = excluded.bins",
        ARGS(id[0], id[1], id[2], id[3], id[4], id[5], sql_int(more->made), sql_int(more->judged),
             sql_int(more->correct), sql_int(more->trials), sql_int(more->wins),
             sql_real(more->log_loss), sql_blob(buf_str(bins))),
        NULL);
}

err serving_tallies_write(struct store_tx *tx, const struct served_family *f,
                          const struct tally_table *t)
{
    struct buf bins;
    err e = OK;
    buf_init(&bins, TALLY_BYTES_MAX);
    for (size_t i = 0; i < TALLY_CELLS && !e.code; i++)
        if (t->cells[i].is_used)
            e = tally_write(tx, f->row->name, &t->cells[i].key, &t->cells[i].tally, &bins);
    buf_deinit(&bins);
    return e;
}

/* ------------------------------------------------------------------ calls and truths */

enum { CALL_COLUMNS = 6 };

static err call_insert(struct store_bulk *bulk, const struct queued *q)
{
    bool is_known = q->truth != NO_TRUTH;
    const struct store_value row[CALL_COLUMNS] = {
        sql_cstr(q->family->row->name),
        sql_text_opt(q->key),
        sql_int(q->at_ms),
        is_known ? sql_int(q->truth) : sql_null(),
        is_known ? sql_int(q->at_ms) : sql_null(),
        sql_blob(q->note),
    };
    return store_bulk_row(bulk, row);
}

static err calls_begin(struct store_tx *tx, struct store_bulk **ret_bulk)
{
    return store_bulk_begin(tx, "serving_calls", "family, key, at_ms, truth, judged_ms, note",
                            CALL_COLUMNS, ret_bulk);
}

struct flush {
    struct serving *s;
    struct tally_table **joined; /* by family: sums of calls whose truth came; NULL: none yet */
    int64_t (*correct)[SERVING_SLOTS]; /* by family: of what was joined */
    struct queued *missing;            /* truths without a call; SLICE_ENTRIES of room */
    size_t missing_count;
    size_t batch_done; /* where the slice ends */
};

/* Writes a table's sums, and empties it. */
static err joined_write(struct store_tx *tx, struct flush *u, struct served_family *f)
{
    size_t index = (size_t)(f - u->s->families);
    struct tally_table *t = u->joined[index];
    if (!t || !t->count)
        return OK;
    TRY(serving_tallies_write(tx, f, t));
    for (size_t k = 0; k < TALLY_CELLS; k++)
        if (t->cells[k].is_used)
            u->correct[index][t->cells[k].key.slot] += t->cells[k].tally.correct;
    *t = (struct tally_table){ .count = 0 };
    return OK;
}

static struct tally_table *joined_of(struct flush *u, const struct served_family *f)
{
    struct tally_table **t = &u->joined[f - u->s->families];
    if (!*t)
        *t = calloc(1, sizeof **t);
    return *t;
}

/* Judges some calls under a key that have no truth yet: as many as the empty table has room for. */
static err truth_join(struct store_tx *tx, struct flush *u, const struct queued *q,
                      int64_t *ret_count)
{
    struct store_rows *rows;
    struct tally_table *t = joined_of(u, q->family);
    struct store_value key[] = { sql_cstr(q->family->row->name), sql_text(q->key),
                                 sql_int(q->truth), sql_int(q->at_ms), sql_int(JOIN_ROWS) };
    int64_t count = 0;
    if (!t)
        return ERR(ERR_NO_MEMORY, "no memory to join predictions with what came true");
    if (t->count + JOIN_ROWS * SERVING_SLOTS > TALLY_CELLS)
        TRY(joined_write(tx, u, q->family));
    TRY(store_query(store_tx_read(tx),
                    "UPDATE serving_calls SET truth = ?3, judged_ms = ?4 WHERE id IN"
                    " (SELECT id FROM serving_calls WHERE family = ?1 AND key = ?2"
                    "  AND truth IS NULL ORDER BY id LIMIT ?5) RETURNING at_ms, note",
                    ((struct store_args){ key, COUNT_OF(key) }), &rows));
    while (store_next(rows)) {
        struct note n;
        count++;
        if (note_unpack(store_col_blob(rows, 1), &n).code || q->truth >= n.call.class_count)
            continue; /* of another program's format: it stays as a row, and is no evidence */
        n.call.at_ms = store_col_int(rows, 0);
        note_count(t, &n.call, q->truth, NOTE_JUDGED);
    }
    TRY(store_rows_close(rows));
    *ret_count = count;
    return OK;
}

/* A truth that is told twice finds its call judged, and is no stranger. */
static err truth_write(struct store_tx *tx, struct flush *u, const struct queued *q)
{
    int64_t count = 0, total = 0;
    do {
        TRY(truth_join(tx, u, q, &count));
        total += count;
    } while (count == JOIN_ROWS);
    if (!total)
        TRY(store_get_int(store_tx_read(tx),
                          "SELECT COUNT(*) FROM serving_calls WHERE family = ?1 AND key = ?2",
                          ARGS(sql_cstr(q->family->row->name), sql_text(q->key)), &total));
    if (!total)
        u->missing[u->missing_count++] = *q;
    return OK;
}

static err entry_write(struct store_tx *tx, struct flush *u, const struct queued *q)
{
    struct note n = { .truth = NO_TRUTH };
    if (q->kind == QUEUED_TRUTH)
        return truth_write(tx, u, q);
    if (q->kind == QUEUED_CALL && !q->is_uncounted)
        return OK;
    struct tally_table *t = joined_of(u, q->family);
    if (!t)
        return ERR(ERR_NO_MEMORY, "no memory to add up predictions");
    if (!tally_has_room(t))
        TRY(joined_write(tx, u, q->family));
    TRY(note_unpack(q->note, &n)); /* our own, of this process */
    n.call.at_ms = q->at_ms;
    if (n.is_outcome)
        note_count_outcome(t, &n.outcome, q->at_ms);
    else
        note_count(t, &n.call, n.truth,
                   q->kind == QUEUED_NOTE ? NOTE_MADE | NOTE_JUDGED : NOTE_MADE);
    return OK;
}

/* The slice's calls first: truths of the same slice find them. */
static err slice_calls(struct store_tx *tx, struct serving *s, struct cursor c)
{
    struct store_bulk *bulk = NULL;
    struct queued q;
    int64_t inserted;
    for (int i = 0; i < SLICE_ENTRIES && cursor_left(&c) && serving_queue_next(s, &c, &q); i++) {
        if (q.kind != QUEUED_CALL)
            continue;
        if (!bulk)
            TRY(calls_begin(tx, &bulk));
        TRY(call_insert(bulk, &q));
    }
    return bulk ? store_bulk_end(bulk, &inserted) : OK;
}

static err slice_write(struct store_tx *tx, struct flush *u)
{
    struct serving *s = u->s;
    struct cursor c = cursor_of(str_sub(buf_str(&s->batch), s->batch_done, s->batch.len));
    struct queued q;
    u->missing_count = 0;
    TRY(slice_calls(tx, s, c));
    for (int i = 0; i < SLICE_ENTRIES && cursor_left(&c) && serving_queue_next(s, &c, &q); i++)
        TRY(entry_write(tx, u, &q));
    u->batch_done = s->batch.len - cursor_left(&c);
    return OK;
}

static err flush_fn(struct store_tx *tx, void *arg)
{
    struct flush *u = arg;
    struct serving *s = u->s;
    memset(u->correct, 0, s->family_count * sizeof *u->correct);
    for (size_t i = 0; i < s->family_count; i++)
        if (u->joined[i])
            *u->joined[i] = (struct tally_table){ .count = 0 };
    for (size_t i = 0; i < s->family_count; i++)
        if (s->families[i].spare->count)
            TRY(serving_tallies_write(tx, &s->families[i], s->families[i].spare));
    TRY(slice_write(tx, u));
    for (size_t i = 0; i < s->family_count; i++)
        TRY(joined_write(tx, u, &s->families[i]));
    return OK;
}

/* ------------------------------------------------------------------ one flush */

/* Takes what is new, behind what could not be written last time. False: there is nothing. */
static bool take(struct serving *s)
{
    bool any = false;
    for (size_t i = 0; i < s->family_count; i++) {
        struct served_family *f = &s->families[i];
        pthread_mutex_lock(&f->tally_lock);
        if (!f->spare->count) {
            struct tally_table *full = f->tallies;
            f->tallies = f->spare;
            f->spare = full;
        }
        pthread_mutex_unlock(&f->tally_lock);
        any = any || f->spare->count;
    }
    pthread_mutex_lock(&s->queue_lock);
    if (!s->batch.len) {
        struct buf full = s->queue;
        s->queue = s->batch;
        s->batch = full;
    }
    pthread_mutex_unlock(&s->queue_lock);
    return any || s->batch.len;
}

/* A truth may come before its call, when another server has that still in memory: it is asked for
 * again a few times. */
static void queue_missing(struct flush *u)
{
    for (size_t i = 0; i < u->missing_count; i++) {
        struct queued *q = &u->missing[i];
        if (++q->tries < TRIES_MAX)
            serving_queue_add(u->s, q);
        else
            metric_add(SERVING_CELL(u->s, SERVING_M_UNJOINED, str_of(q->family->row->name)), 1);
    }
}

/* correct_total of what is in the tables now. */
static void count_correct(struct serving *s, int64_t (*correct)[SERVING_SLOTS])
{
    for (size_t i = 0; i < s->family_count; i++)
        for (int k = 0; k < SERVING_SLOTS; k++)
            if (correct[i][k])
                metric_add(s->families[i].cells[k].correct, (double)correct[i][k]);
}

/* One write: all sums, and a slice of the batch. */
static err flush_slice(struct flush *u)
{
    struct serving *s = u->s;
    TRY(store_write(s->options.store, flush_fn, u));
    for (size_t i = 0; i < s->family_count; i++)
        if (s->families[i].spare->count)
            *s->families[i].spare = (struct tally_table){ .count = 0 };
    queue_missing(u);
    s->batch_done = u->batch_done;
    count_correct(s, u->correct);
    return OK;
}

static err flush_locked(struct serving *s)
{
    struct tally_table *joined[SERVING_FAMILIES_MAX] = { NULL };
    int64_t correct[SERVING_FAMILIES_MAX][SERVING_SLOTS];
    struct queued missing[SLICE_ENTRIES];
    struct flush u = { .s = s, .joined = joined, .correct = correct, .missing = missing };
    if (!take(s))
        return OK;
    int64_t started_ns = clock_mono_ns();
    err e = flush_slice(&u);
    while (!e.code && s->batch_done < s->batch.len)
        e = flush_slice(&u);
    if (!e.code) {
        buf_clear(&s->batch);
        s->batch_done = 0;
        metric_observe(
            metric_cell_plain(s->options.metrics, &serving_metrics[SERVING_M_FLUSH_SECONDS]),
            (double)(clock_mono_ns() - started_ns) / 1e9);
    }
    for (size_t i = 0; i < s->family_count; i++)
        free(joined[i]);
    return e;
}

err serving_flush(struct serving *s)
{
    pthread_mutex_lock(&s->flush_lock);
    err e = flush_locked(s);
    if (!e.code)
        e = serving_pending_fold(s);
    pthread_mutex_unlock(&s->flush_lock);
    return e;
}

/* ------------------------------------------------------------------ noted in apps' transactions */

struct fold {
    struct serving *s;
    struct tally_table *sums; /* by family */
    int64_t correct[SERVING_FAMILIES_MAX][SERVING_SLOTS];
    size_t bad, notes;
    bool is_more;
};

/* Writes a family's sums, and begins new ones. */
static err fold_sums(struct store_tx *tx, struct fold *d, struct served_family *f)
{
    size_t index = (size_t)(f - d->s->families);
    struct tally_table *t = &d->sums[index];
    for (size_t k = 0; k < TALLY_CELLS; k++)
        if (t->cells[k].is_used)
            d->correct[index][t->cells[k].key.slot] += t->cells[k].tally.correct;
    TRY(serving_tallies_write(tx, f, t));
    *t = (struct tally_table){ .count = 0 };
    return OK;
}

static err fold_note(struct store_tx *tx, struct fold *d, struct served_family *f, int64_t at_ms,
                     str bytes)
{
    struct note n;
    struct tally_table *t = &d->sums[f - d->s->families];
    if (note_unpack(bytes, &n).code ||
        (!n.is_outcome && (n.call.class_count != f->row->class_count || n.truth == NO_TRUTH))) {
        d->bad++;
        return OK;
    }
    if (!tally_has_room(t)) /* many hours */
        TRY(fold_sums(tx, d, f));
    if (n.is_outcome) {
        note_count_outcome(t, &n.outcome, at_ms);
        return OK;
    }
    n.call.at_ms = at_ms;
    note_count(t, &n.call, n.truth, NOTE_MADE | NOTE_JUDGED);
    if (!serving_is_sampled(d->s))
        return OK;
    return store_exec(
        tx,
        "INSERT INTO serving_calls (family, at_ms, truth, judged_ms, note)"
        " VALUES (?1, ?2, ?3, ?2, ?4)",
        ARGS(sql_cstr(f->row->name), sql_int(at_ms), sql_int(n.truth), sql_blob(bytes)), NULL);
}

static err fold_row(struct store_tx *tx, struct fold *d, struct served_family *f, int64_t at_ms,
                    str bytes)
{
    struct note_walk walk = { .c = cursor_of(bytes) };
    str note;
    int64_t before_ms;
    err cut = OK;
    for (; note_next(&walk, &note, &before_ms, &cut); d->notes++)
        TRY(fold_note(tx, d, f, at_ms - before_ms, note));
    d->bad += cut.code != 0;
    return OK;
}

/* Rows of families that this program does not have stay: another server has them. */
static err fold_family(struct store_tx *tx, struct fold *d, struct served_family *f)
{
    struct store_rows *rows;
    int64_t last = 0, count = 0;
    TRY(store_query(store_tx_read(tx),
                    "SELECT id, at_ms, note FROM serving_pending WHERE family = ?1 AND id IN"
                    " (SELECT id FROM serving_pending WHERE family = ?1 ORDER BY id LIMIT ?2)"
                    " ORDER BY id",
                    ARGS(sql_cstr(f->row->name), sql_int(PENDING_ROWS)), &rows));
    while (store_next(rows)) {
        if (d->notes >= PENDING_NOTES) {
            d->is_more = true;
            break;
        }
        last = store_col_int(rows, 0);
        count++;
        TRY(fold_row(tx, d, f, store_col_int(rows, 1), store_col_blob(rows, 2)));
    }
    TRY(store_rows_close(rows));
    if (!count)
        return OK;
    /* The same snapshot as the SELECT's: no row that came meanwhile is in it. */
    TRY(store_exec(tx, "DELETE FROM serving_pending WHERE family = ?1 AND id <= ?2",
                   ARGS(sql_cstr(f->row->name), sql_int(last)), NULL));
    d->is_more = d->is_more || count == PENDING_ROWS;
    return fold_sums(tx, d, f);
}

static err fold_fn(struct store_tx *tx, void *arg)
{
    struct fold *d = arg;
    d->bad = d->notes = 0;
    d->is_more = false;
    memset(d->correct, 0, sizeof d->correct);
    memset(d->sums, 0, d->s->family_count * sizeof *d->sums);
    for (size_t i = 0; i < d->s->family_count; i++)
        TRY(fold_family(tx, d, &d->s->families[i]));
    return OK;
}

static err count_fn(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COUNT(*) FROM (SELECT id FROM serving_pending LIMIT 1) one",
                         NO_ARGS, arg);
}

static err fold_all(struct serving *s)
{
    struct fold d = { .s = s };
    d.sums = calloc(s->family_count, sizeof *d.sums);
    if (!d.sums)
        return ERR(ERR_NO_MEMORY, "no memory to add up predictions");
    err e = OK;
    for (int i = 0; i < PENDING_WRITES_MAX; i++) {
        e = store_write(s->options.store, fold_fn, &d);
        if (e.code)
            break;
        if (d.bad)
            serving_dropped(s, "unreadable", (double)d.bad);
        count_correct(s, d.correct);
        if (!d.is_more)
            break;
    }
    free(d.sums);
    return e;
}

err serving_pending_fold(struct serving *s)
{
    int64_t waiting = 0;
    struct store_lock *lock = NULL;
    TRY(store_read(s->options.store, count_fn, &waiting));
    if (!waiting || !s->family_count)
        return OK;
    /* Two servers at the same rows would only undo each other's writes. One waits, and finds what
     * the other has left, or lets it go on. */
    if (store_is_shared(s->options.store)) {
        err busy = store_lock(s->options.store, "serving.fold", FOLD_WAIT_MS, &lock);
        if (busy.code)
            return busy.code == ERR_BUSY ? OK : busy;
    }
    err e = fold_all(s);
    store_unlock(lock);
    return e;
}

/* ------------------------------------------------------------------ forgetting */

struct purge {
    int64_t calls_before_ms, windows_before_hour, removed;
};

static err purge_fn(struct store_tx *tx, void *arg)
{
    struct purge *p = arg;
    int64_t windows = 0;
    TRY(store_exec(tx,
                   "DELETE FROM serving_calls WHERE id IN"
                   " (SELECT id FROM serving_calls WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
                   ARGS(sql_int(p->calls_before_ms), sql_int(PURGE_ROWS)), &p->removed));
    TRY(store_exec(tx, "DELETE FROM serving_windows WHERE hour < ?1",
                   ARGS(sql_int(p->windows_before_hour)), &windows));
    /* That nothing was decided is told again every ten minutes; what moved an alias stays. */
    return store_exec(tx,
                      "DELETE FROM serving_decisions WHERE at_ms < ?1 AND is_reordered = 0"
                      " AND decision <> 'swap_production_b' AND decision <> 'rollback'"
                      " AND id < (SELECT MAX(id) FROM serving_decisions newest"
                      "  WHERE newest.family = serving_decisions.family)",
                      ARGS(sql_int(p->calls_before_ms)), NULL);
}

err serving_purge(struct serving *s)
{
    const int64_t day_ms = 24 * (int64_t)HOUR_MS;
    int64_t now = clock_wall_ms();
    struct purge p = { .calls_before_ms = now - s->options.log_days * day_ms,
                       .windows_before_hour = (now - s->options.window_days * day_ms) / HOUR_MS };
    do {
        TRY(store_write(s->options.store, purge_fn, &p));
    } while (p.removed == PURGE_ROWS);
    return OK;
}
