/* SPDX-License-Identifier: GPL-3.0-or-later */
/* notes.c -- what requests tell: added up in memory, or queued, or written in their transaction.
 * None of it waits for the disk but the last, which waits for its caller's commit. */
#include "platform/serving/serving_internal.h"

#include <assert.h>

#include "base/clock.h"
#include "base/rand.h"

/* ------------------------------------------------------------------ the queue */

/* Entry: kind u8, family u8, truth u8, tries u8, uncounted u8, at_ms u64, key length u8, note
 * length u16, bytes. All or nothing: a queue that is full refuses the entry, and goes on with the
 * next one. */
bool serving_queue_add(struct serving *s, const struct queued *q)
{
    static const char *const names[] = { "call", "truth", "note" };
    enum { HEAD_BYTES = 16 };
    size_t need = HEAD_BYTES + q->key.len + q->note.len;
    pthread_mutex_lock(&s->queue_lock);
    struct buf *out = &s->queue;
    bool fits = out->len + need < out->bytes_max && buf_reserve(out, need);
    if (fits) {
        buf_add_u8(out, (uint8_t)q->kind);
        buf_add_u8(out, (uint8_t)(q->family - s->families));
        buf_add_u8(out, (uint8_t)q->truth);
        buf_add_u8(out, (uint8_t)q->tries);
        buf_add_u8(out, q->is_uncounted);
        buf_add_u64(out, (uint64_t)q->at_ms);
        buf_add_u8(out, (uint8_t)q->key.len);
        buf_add_u16(out, (uint16_t)q->note.len);
        buf_add(out, q->key);
        buf_add(out, q->note);
    } else if (out->failed) {
        out->failed = false; /* no memory just now: what is there is whole, the next may fit */
    }
    pthread_mutex_unlock(&s->queue_lock);
    if (!fits)
        serving_dropped(s, names[q->kind], 1);
    return fits;
}

bool serving_queue_next(struct serving *s, struct cursor *c, struct queued *ret_entry)
{
    struct queued q = { .kind = (enum queued_kind)cursor_u8(c) };
    uint8_t family = cursor_u8(c);
    q.truth = cursor_u8(c);
    q.tries = cursor_u8(c);
    q.is_uncounted = cursor_u8(c) != 0;
    q.at_ms = (int64_t)cursor_u64(c);
    uint8_t key_len = cursor_u8(c);
    uint16_t note_len = cursor_u16(c);
    q.key = cursor_bytes(c, key_len);
    q.note = cursor_bytes(c, note_len);
    if (c->bad)
        return false;
    assert(family < s->family_count);
    q.family = &s->families[family];
    *ret_entry = q;
    return true;
}

bool serving_is_sampled(struct serving *s)
{
    double percent = s->options.log_percent;
    if (percent <= 0)
        return false;
    uint64_t n = atomic_fetch_add_explicit(&s->calls, 1, memory_order_relaxed);
    return (double)(rand_mix(n) % 1000000) < percent * 10000;
}

static bool queue_call(struct served_family *f, const struct serving_call *call, struct queued q)
{
    struct buf note;
    buf_init(&note, NOTE_BYTES_MAX);
    note_pack_call(call, q.truth, &note);
    q.family = f;
    q.at_ms = call->at_ms;
    q.note = buf_str(&note);
    bool fits = !note.failed && serving_queue_add(f->s, &q);
    buf_deinit(&note);
    return fits;
}

/* Adds up, or says that there was no room. */
static bool count_now(struct served_family *f, const struct serving_call *call, int truth, int what)
{
    pthread_mutex_lock(&f->tally_lock);
    bool has_room = tally_has_room(f->tallies);
    if (has_room)
        note_count(f->tallies, call, truth, what);
    pthread_mutex_unlock(&f->tally_lock);
    return has_room;
}

/* ------------------------------------------------------------------ at once */

static void check_truth(const struct served_family *f, int truth)
{
    assert(truth >= 0 && truth < f->row->class_count); /* the app's own classes */
}

static void count_correct(struct served_family *f, const struct serving_call *call, int truth)
{
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (call->answers[i].is_there && call->answers[i].best == truth)
            metric_add(f->cells[i].correct, 1);
}

void serving_note(struct served_family *f, const struct serving_call *call, int truth)
{
    check_truth(f, truth);
    if (count_now(f, call, truth, NOTE_MADE | NOTE_JUDGED))
        count_correct(f, call, truth);
    else
        queue_call(f, call, (struct queued){ .kind = QUEUED_NOTE, .truth = truth });
    if (serving_is_sampled(f->s))
        queue_call(f, call, (struct queued){ .kind = QUEUED_CALL, .truth = truth });
}

err serving_note_tx(struct served_family *f, struct store_tx *tx, const struct serving_call *call,
                    int truth)
{
    struct serving_notes n;
    serving_notes_begin(f, &n);
    serving_notes_add(&n, call, truth);
    return serving_notes_end(&n, tx);
}

/* ------------------------------------------------------------------ outcomes */

/* Whose outcome it is; false when the version is no longer in that slot. */
static bool find_outcome(struct served_family *f, enum serving_slot slot, int64_t version,
                         bool is_success, struct note_outcome *ret_outcome)
{
    struct serving_set *set = serving_set_hold(f);
    const struct served *m = set->slots[slot].served;
    bool is_there = m && m->version == version;
    *ret_outcome = (struct note_outcome){ .key = { .tenure = set->slots[slot].tenure,
                                                   .generation = set->generation,
                                                   .version = version,
                                                   .slot = slot },
                                          .is_success = is_success };
    serving_set_release(set);
    if (!is_there)
        serving_dropped(f->s, "late_outcome", 1);
    return is_there;
}

static void queue_outcome(struct served_family *f, const struct note_outcome *outcome)
{
    struct buf note;
    buf_init(&note, NOTE_BYTES_MAX);
    note_pack_outcome(outcome, &note);
    struct queued q = { .kind = QUEUED_NOTE,
                        .family = f,
                        .at_ms = clock_wall_ms(),
                        .truth = NO_TRUTH,
                        .note = buf_str(&note) };
    if (!note.failed) /* else there is no memory for thirty bytes: lost, as a kill would */
        serving_queue_add(f->s, &q);
    buf_deinit(&note);
}

void serving_outcome(struct served_family *f, enum serving_slot slot, int64_t version,
                     bool is_success)
{
    struct note_outcome outcome;
    if (!find_outcome(f, slot, version, is_success, &outcome))
        return;
    pthread_mutex_lock(&f->tally_lock);
    bool has_room = tally_has_room(f->tallies);
    if (has_room)
        note_count_outcome(f->tallies, &outcome, clock_wall_ms());
    pthread_mutex_unlock(&f->tally_lock);
    if (!has_room)
        queue_outcome(f, &outcome);
}

err serving_outcome_tx(struct served_family *f, struct store_tx *tx, enum serving_slot slot,
                       int64_t version, bool is_success)
{
    struct serving_notes n;
    serving_notes_begin(f, &n);
    serving_notes_add_outcome(&n, slot, version, is_success);
    return serving_notes_end(&n, tx);
}

/* ------------------------------------------------------------------ many in one transaction */

void serving_notes_begin(struct served_family *f, struct serving_notes *ret_notes)
{
    *ret_notes = (struct serving_notes){ .family = f, .at_ms = clock_wall_ms() };
    buf_init(&ret_notes->bytes, SERVING_NOTES_MAX * NOTE_BYTES_MAX);
    buf_init(&ret_notes->one, NOTE_BYTES_MAX);
}

static void notes_add(struct serving_notes *n, int64_t at_ms)
{
    if (n->bytes.len == 0)
        note_pack_first(&n->bytes);
    if (!n->one.failed) /* else the end tells */
        note_pack_next(buf_str(&n->one), n->at_ms - at_ms, &n->bytes);
}

/* correct_total moves when a note is added up: the transaction may be run again, or rolled back. */
void serving_notes_add(struct serving_notes *n, const struct serving_call *call, int truth)
{
    check_truth(n->family, truth);
    n->one.len = 0;
    note_pack_call(call, truth, &n->one);
    notes_add(n, call->at_ms);
}

void serving_notes_add_outcome(struct serving_notes *n, enum serving_slot slot, int64_t version,
                               bool is_success)
{
    struct note_outcome outcome;
    if (!find_outcome(n->family, slot, version, is_success, &outcome))
        return;
    n->one.len = 0;
    note_pack_outcome(&outcome, &n->one);
    notes_add(n, n->at_ms);
}

err serving_notes_end(struct serving_notes *n, struct store_tx *tx)
{
    err e = err_first(buf_check(&n->one), buf_check(&n->bytes));
    if (tx && !e.code && n->bytes.len)
        e = store_exec(
            tx, "INSERT INTO serving_pending (family, at_ms, note) VALUES (?1, ?2, ?3)",
            ARGS(sql_cstr(n->family->row->name), sql_int(n->at_ms), sql_blob(buf_str(&n->bytes))),
            NULL);
    buf_deinit(&n->bytes);
    buf_deinit(&n->one);
    return e;
}

/* ------------------------------------------------------------------ later */

static bool key_fits(str key)
{
    return key.len > 0 && key.len <= SERVING_KEY_BYTES_MAX;
}

bool serving_log(struct served_family *f, const struct serving_call *call, str key)
{
    assert(key_fits(key));
    bool is_counted = count_now(f, call, NO_TRUTH, NOTE_MADE);
    return queue_call(
        f, call,
        (struct queued){
            .kind = QUEUED_CALL, .truth = NO_TRUTH, .key = key, .is_uncounted = !is_counted });
}

bool serving_truth(struct served_family *f, str key, int truth)
{
    assert(key_fits(key));
    check_truth(f, truth);
    struct queued q = {
        .kind = QUEUED_TRUTH, .family = f, .at_ms = clock_wall_ms(), .truth = truth, .key = key
    };
    return serving_queue_add(f->s, &q);
}
