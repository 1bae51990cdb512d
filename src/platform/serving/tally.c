/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tally.c -- sums over predictions, and notes as bytes. */
#include "platform/serving/tally.h"

#include <assert.h>
#include <math.h>

#include "base/rand.h"

enum { TALLY_FORMAT = 1, NOTE_CALL = 1, NOTE_OUTCOME = 2, NOTE_MANY = 3 };

/* A probability of nothing at all would make a sum infinite by one surprise. */
#define P_MIN 1e-6

/* ------------------------------------------------------------------ tables */

static bool same_key(const struct tally_key *a, const struct tally_key *b)
{
    return a->tenure == b->tenure && a->generation == b->generation && a->version == b->version &&
           a->hour == b->hour && a->slot == b->slot;
}

struct serving_tally *tally_at(struct tally_table *t, const struct tally_key *key)
{
    uint64_t hash = rand_mix((uint64_t)key->tenure * SERVING_SLOTS + key->slot) ^
                    rand_mix((uint64_t)(key->generation ^ (key->hour << 24) ^ key->version));
    for (size_t i = 0; i < TALLY_CELLS; i++) {
        size_t at = (hash + i) % TALLY_CELLS;
        if (t->cells[at].is_used && same_key(&t->cells[at].key, key))
            return &t->cells[at].tally;
        if (!t->cells[at].is_used) {
            t->cells[at].is_used = true;
            t->cells[at].key = *key;
            t->cells[at].tally = (struct serving_tally){ .made = 0 };
            t->count++;
            return &t->cells[at].tally;
        }
    }
    assert(!"there was room");
    return NULL;
}

bool tally_has_room(const struct tally_table *t)
{
    return t->count + SERVING_SLOTS <= TALLY_CELLS;
}

void tally_add(struct serving_tally *sum, const struct serving_tally *more)
{
    sum->made += more->made;
    sum->judged += more->judged;
    sum->correct += more->correct;
    sum->trials += more->trials;
    sum->wins += more->wins;
    sum->log_loss += more->log_loss;
    for (int i = 0; i < SERVING_BINS; i++) {
        sum->confidence[i] += more->confidence[i];
        sum->calibration_count[i] += more->calibration_count[i];
        sum->calibration_hits[i] += more->calibration_hits[i];
        sum->calibration_sum[i] += more->calibration_sum[i];
    }
    for (int i = 0; i < SERVING_CLASSES_MAX; i++)
        sum->classes[i] += more->classes[i];
    for (int f = 0; f < SERVING_FEATURES_MAX; f++)
        for (int i = 0; i < SERVING_BINS; i++)
            sum->features[f][i] += more->features[f][i];
}

static void pack_bins(const int64_t *bins, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        buf_add_varint(out, (uint64_t)bins[i]);
}

static void unpack_bins(struct cursor *c, size_t count, int64_t *bins)
{
    for (size_t i = 0; i < count; i++)
        bins[i] += (int64_t)(cursor_varint(c) & INT64_MAX);
}

/* Inputs that nobody watches take no room: up to the last feature that was counted. */
static int features_used(const struct serving_tally *t)
{
    int used = 0;
    for (int f = 0; f < SERVING_FEATURES_MAX; f++)
        for (int i = 0; i < SERVING_BINS; i++)
            if (t->features[f][i])
                used = f + 1;
    return used;
}

void tally_pack(const struct serving_tally *t, struct buf *out)
{
    int features = features_used(t);
    buf_add_u8(out, TALLY_FORMAT);
    pack_bins(t->confidence, SERVING_BINS, out);
    pack_bins(t->calibration_count, SERVING_BINS, out);
    pack_bins(t->calibration_hits, SERVING_BINS, out);
    pack_bins(t->calibration_sum, SERVING_BINS, out);
    pack_bins(t->classes, SERVING_CLASSES_MAX, out);
    buf_add_u8(out, (uint8_t)features);
    for (int f = 0; f < features; f++)
        pack_bins(t->features[f], SERVING_BINS, out);
}

err tally_unpack(str bytes, struct serving_tally *t)
{
    struct cursor c = cursor_of(bytes);
    if (cursor_u8(&c) != TALLY_FORMAT)
        return ERR(ERR_CORRUPT, "sums of predictions are of a format that this program does not "
                                "know");
    unpack_bins(&c, SERVING_BINS, t->confidence);
    unpack_bins(&c, SERVING_BINS, t->calibration_count);
    unpack_bins(&c, SERVING_BINS, t->calibration_hits);
    unpack_bins(&c, SERVING_BINS, t->calibration_sum);
    unpack_bins(&c, SERVING_CLASSES_MAX, t->classes);
    int features = cursor_u8(&c);
    for (int f = 0; f < features && f < SERVING_FEATURES_MAX; f++)
        unpack_bins(&c, SERVING_BINS, t->features[f]);
    if (c.bad || features > SERVING_FEATURES_MAX || cursor_left(&c))
        return ERR(ERR_CORRUPT, "sums of predictions end too early or too late");
    return OK;
}

/* ------------------------------------------------------------------ counting */

static int tenth(double p)
{
    int bin = (int)(p * SERVING_BINS);
    return bin < 0 ? 0 : bin >= SERVING_BINS ? SERVING_BINS - 1 : bin;
}

static void count_made(struct serving_tally *t, const struct serving_call *call,
                       const struct serving_answer *a)
{
    t->made++;
    t->confidence[tenth((double)a->p[a->best])]++;
    t->classes[a->best]++;
    if (a->has_bins)
        for (int f = 0; f < call->feature_count; f++)
            t->features[f][a->bins[f]]++;
}

static void count_judged(struct serving_tally *t, const struct serving_answer *a, int truth)
{
    double top = (double)a->p[a->best], p = (double)a->p[truth];
    int bin = tenth(top);
    t->judged++;
    t->correct += a->best == truth;
    t->log_loss -= log(p > P_MIN ? p : P_MIN);
    t->calibration_count[bin]++;
    t->calibration_hits[bin] += a->best == truth;
    t->calibration_sum[bin] += (int64_t)(top * 1e6);
}

void note_count(struct tally_table *t, const struct serving_call *call, int truth, int what)
{
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct serving_answer *a = &call->answers[i];
        if (!a->is_there)
            continue;
        struct tally_key key = { .tenure = a->tenure,
                                 .generation = call->generation,
                                 .version = a->version,
                                 .hour = call->at_ms / HOUR_MS,
                                 .slot = (enum serving_slot)i };
        struct serving_tally *sum = tally_at(t, &key);
        if (what & NOTE_MADE)
            count_made(sum, call, a);
        if (what & NOTE_JUDGED)
            count_judged(sum, a, truth);
    }
}

void note_count_outcome(struct tally_table *t, const struct note_outcome *outcome, int64_t at_ms)
{
    struct tally_key key = outcome->key;
    key.hour = at_ms / HOUR_MS;
    struct serving_tally *sum = tally_at(t, &key);
    sum->trials++;
    sum->wins += outcome->is_success;
}

/* ------------------------------------------------------------------ notes as bytes */

void note_pack_outcome(const struct note_outcome *outcome, struct buf *out)
{
    buf_add_u8(out, NOTE_OUTCOME);
    buf_add_u8(out, (uint8_t)outcome->key.slot);
    buf_add_varint(out, (uint64_t)outcome->key.version);
    buf_add_varint(out, (uint64_t)outcome->key.tenure);
    buf_add_varint(out, (uint64_t)outcome->key.generation);
    buf_add_u8(out, outcome->is_success);
}

void note_pack_call(const struct serving_call *call, int truth, struct buf *out)
{
    buf_add_u8(out, NOTE_CALL);
    buf_add_u8(out, (uint8_t)truth);
    buf_add_u8(out, (uint8_t)call->active);
    buf_add_u8(out, (uint8_t)call->class_count);
    buf_add_u8(out, (uint8_t)call->feature_count);
    buf_add_varint(out, (uint64_t)call->generation);
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct serving_answer *a = &call->answers[i];
        buf_add_u8(out, (uint8_t)(a->is_there + 2 * (a->is_there && a->has_bins)));
        if (!a->is_there)
            continue;
        buf_add_varint(out, (uint64_t)a->version);
        buf_add_varint(out, (uint64_t)a->tenure);
        for (int c = 0; c < call->class_count; c++)
            buf_add_u16(out, (uint16_t)(a->p[c] * 65535.0F + 0.5F));
        buf_add_u8(out, (uint8_t)a->best); /* of equals after rounding, too */
        if (a->has_bins)
            buf_add_bytes(out, a->bins, (size_t)call->feature_count);
    }
}

static void unpack_answer(struct cursor *c, const struct serving_call *call,
                          struct serving_answer *a)
{
    uint8_t flags = cursor_u8(c);
    c->bad = c->bad || flags == 2 || flags > 3;
    a->is_there = flags & 1;
    a->has_bins = flags & 2;
    if (!a->is_there || c->bad)
        return;
    a->version = (int64_t)(cursor_varint(c) & INT64_MAX);
    a->tenure = (int64_t)(cursor_varint(c) & INT64_MAX);
    for (int i = 0; i < call->class_count; i++)
        a->p[i] = (float)cursor_u16(c) / 65535.0F;
    a->best = cursor_u8(c);
    c->bad = c->bad || a->best >= call->class_count;
    for (int f = 0; a->has_bins && f < call->feature_count; f++) {
        a->bins[f] = cursor_u8(c);
        c->bad = c->bad || a->bins[f] >= SERVING_BINS;
    }
}

static void unpack_outcome(struct cursor *c, struct note_outcome *o)
{
    uint8_t slot = cursor_u8(c);
    c->bad = c->bad || slot >= SERVING_SLOTS;
    o->key.slot = (enum serving_slot)(slot % SERVING_SLOTS);
    o->key.version = (int64_t)(cursor_varint(c) & INT64_MAX);
    o->key.tenure = (int64_t)(cursor_varint(c) & INT64_MAX);
    o->key.generation = (int64_t)(cursor_varint(c) & INT64_MAX);
    uint8_t success = cursor_u8(c);
    c->bad = c->bad || success > 1;
    o->is_success = success == 1;
}

static void unpack_call(struct cursor *c, struct note *n)
{
    uint8_t truth = cursor_u8(c), active = cursor_u8(c), classes = cursor_u8(c),
            features = cursor_u8(c);
    c->bad = c->bad || active >= SERVING_SLOTS || classes < 2 || classes > SERVING_CLASSES_MAX ||
             features > SERVING_FEATURES_MAX || (truth != NO_TRUTH && truth >= classes);
    if (c->bad)
        return;
    n->truth = truth;
    n->call.active = (enum serving_slot)active;
    n->call.class_count = classes;
    n->call.feature_count = features;
    n->call.generation = (int64_t)(cursor_varint(c) & INT64_MAX);
    for (int i = 0; i < SERVING_SLOTS && !c->bad; i++)
        unpack_answer(c, &n->call, &n->call.answers[i]);
}

err note_unpack(str bytes, struct note *ret_note)
{
    struct cursor c = cursor_of(bytes);
    struct note n = { .truth = NO_TRUTH };
    uint8_t kind = cursor_u8(&c);
    n.is_outcome = kind == NOTE_OUTCOME;
    if (kind == NOTE_OUTCOME)
        unpack_outcome(&c, &n.outcome);
    else if (kind == NOTE_CALL)
        unpack_call(&c, &n);
    if ((kind != NOTE_OUTCOME && kind != NOTE_CALL) || c.bad || cursor_left(&c))
        return ERR(ERR_CORRUPT, "a note of %zu bytes about a prediction cannot be read", bytes.len);
    *ret_note = n;
    return OK;
}

void note_pack_first(struct buf *out)
{
    buf_add_u8(out, NOTE_MANY);
}

void note_pack_next(str note, int64_t before_ms, struct buf *out)
{
    buf_add_varint(out, before_ms > 0 ? (uint64_t)before_ms : 0);
    buf_add_varint(out, note.len);
    buf_add(out, note);
}

bool note_next(struct note_walk *w, str *ret_note, int64_t *ret_before_ms, err *e)
{
    if (!w->is_begun) {
        w->is_begun = true;
        if (!cursor_left(&w->c) || w->c.next[0] != NOTE_MANY) {
            *ret_note = cursor_bytes(&w->c, cursor_left(&w->c));
            *ret_before_ms = 0;
            return true;
        }
        cursor_u8(&w->c);
    }
    if (!cursor_left(&w->c))
        return false;
    *ret_before_ms = (int64_t)(cursor_varint(&w->c) & INT64_MAX);
    uint64_t len = cursor_varint(&w->c);
    *ret_note = cursor_bytes(&w->c, len <= NOTE_BYTES_MAX ? (size_t)len : SIZE_MAX);
    if (w->c.bad)
        *e = ERR(ERR_CORRUPT, "notes about predictions end in the middle of one");
    return !w->c.bad;
}

/* ------------------------------------------------------------------ what sums say */

double serving_accuracy(const struct serving_tally *t)
{
    return t->judged ? (double)t->correct / (double)t->judged : (double)NAN;
}

double serving_log_loss(const struct serving_tally *t)
{
    return t->judged ? t->log_loss / (double)t->judged : (double)NAN;
}

double serving_calibration_error(const struct serving_tally *t)
{
    double off = 0;
    for (int i = 0; i < SERVING_BINS; i++)
        off += fabs((double)t->calibration_sum[i] / 1e6 - (double)t->calibration_hits[i]);
    return t->judged ? off / (double)t->judged : (double)NAN;
}

double serving_psi(const int64_t counts[SERVING_BINS], const double shares[SERVING_BINS])
{
    /* By chance alone the index is about 9 / count: below a hundred it says nothing. An empty bin
     * counts as half an observation, so that the logarithm exists. */
    enum { COUNT_MIN = 100 };
    double total = 0, psi = 0;
    for (int i = 0; i < SERVING_BINS; i++)
        total += (double)counts[i];
    if (total < COUNT_MIN)
        return (double)NAN;
    for (int i = 0; i < SERVING_BINS; i++) {
        double now = fmax((double)counts[i], 0.5) / total, then = fmax(shares[i], 0.5 / total);
        psi += (now - then) * log(now / then);
    }
    return psi;
}
