/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.c -- what the small tables say. */
#include "platform/serving/serving_internal.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

enum { HOURS_DEFAULT = 500, HOURS_MAX = 2000 };

#define TALLY_COLUMNS "made, judged, correct, trials, wins, log_loss, bins"

static err read_tally(struct store_rows *rows, int column, struct serving_tally *sum)
{
    sum->made += store_col_int(rows, column);
    sum->judged += store_col_int(rows, column + 1);
    sum->correct += store_col_int(rows, column + 2);
    sum->trials += store_col_int(rows, column + 3);
    sum->wins += store_col_int(rows, column + 4);
    sum->log_loss += store_col_real(rows, column + 5);
    return tally_unpack(store_col_blob(rows, column + 6), sum);
}

err serving_tally_in(struct store_read *rd, const struct served_family *f, enum serving_slot slot,
                     int64_t tenure, int64_t generation_min, int64_t hour_min,
                     struct serving_tally *ret_tally)
{
    struct store_rows *rows;
    struct serving_tally sum = { .made = 0 };
    TRY(store_query(rd,
                    "SELECT " TALLY_COLUMNS " FROM serving_windows WHERE family = ?1"
                    " AND tenure = ?2 AND slot = ?3 AND generation >= ?4 AND hour >= ?5",
                    ARGS(sql_cstr(f->row->name), sql_int(tenure), sql_int(slot),
                         sql_int(generation_min), sql_int(hour_min)),
                    &rows));
    err e = OK;
    while (!e.code && store_next(rows))
        e = read_tally(rows, 0, &sum);
    TRY(err_first(e, store_rows_close(rows)));
    *ret_tally = sum;
    return OK;
}

/* ------------------------------------------------------------------ slots */

struct report {
    struct served_family *f;
    struct serving_set *set;
    int64_t hour_min;
    struct serving_slot_report *slots;
};

static double drift_of(const struct served *m, const struct serving_tally *t)
{
    double worst = (double)NAN;
    for (int i = 0; i < m->reference.feature_count; i++) {
        double psi = serving_psi(t->features[i], m->reference.shares[i]);
        if (!isnan(psi) && !(worst >= psi))
            worst = psi;
    }
    return worst;
}

static err report_fn(struct store_read *rd, void *arg)
{
    struct report *r = arg;
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct served *m = r->set->slots[i].served;
        if (m)
            TRY(serving_tally_in(rd, r->f, (enum serving_slot)i, r->set->slots[i].tenure, 0,
                                 r->hour_min, &r->slots[i].tally));
    }
    return OK;
}

static void report_slot(struct served_family *f, const struct serving_set *set, int i,
                        struct serving_slot_report *slot)
{
    const struct served *m = set->slots[i].served;
    slot->slot = (enum serving_slot)i;
    slot->drift_inputs = slot->drift_predictions = (double)NAN;
    pthread_mutex_lock(&f->lock);
    slot->alias_version = f->states[i].alias_version;
    memcpy(slot->failure, f->states[i].failure, sizeof slot->failure);
    pthread_mutex_unlock(&f->lock);
    if (!m)
        return;
    slot->version = m->version;
    slot->tenure = set->slots[i].tenure;
    slot->since_ms = set->slots[i].since_ms;
    slot->loaded_ms = m->loaded_ms;
    slot->bytes = m->bytes;
    slot->load_ms = (double)m->load_ns / 1e6;
}

err serving_report(struct served_family *f, int window_hours,
                   struct serving_slot_report ret_slots[SERVING_SLOTS])
{
    struct serving_slot_report slots[SERVING_SLOTS];
    memset(slots, 0, sizeof slots);
    struct report r = { .f = f,
                        .set = serving_set_hold(f),
                        .hour_min = clock_wall_ms() / HOUR_MS - window_hours,
                        .slots = slots };
    err e = store_read(f->s->options.store, report_fn, &r);
    for (int i = 0; i < SERVING_SLOTS && !e.code; i++) {
        const struct served *m = r.set->slots[i].served;
        report_slot(f, r.set, i, &slots[i]);
        if (m) {
            slots[i].drift_inputs = drift_of(m, &slots[i].tally);
            if (m->reference.has_confidence)
                slots[i].drift_predictions = serving_psi(slots[i].tally.confidence,
                                                         m->reference.confidence);
        }
    }
    serving_set_release(r.set);
    if (!e.code)
        memcpy(ret_slots, slots, sizeof slots);
    return e;
}

/* ------------------------------------------------------------------ hours */

struct hours {
    struct served_family *f;
    int64_t since_ms, limit;
    arena *keep;
    struct serving_hour *rows;
    size_t count;
};

static err hours_fn(struct store_read *rd, void *arg)
{
    struct hours *h = arg;
    struct store_rows *rows;
    err e = OK;
    h->count = 0;
    h->rows = NEW_ARRAY(h->keep, struct serving_hour, (size_t)h->limit);
    ARENA_TRY(h->rows);
    TRY(store_query(
        rd,
        "SELECT hour, version, tenure, slot, " TALLY_COLUMNS " FROM serving_windows"
        " WHERE family = ?1 AND hour >= ?2"
        " ORDER BY hour DESC, slot, tenure DESC, generation DESC LIMIT ?3",
        ARGS(sql_cstr(h->f->row->name), sql_int(h->since_ms / HOUR_MS), sql_int(h->limit)), &rows));
    while (!e.code && store_next(rows)) {
        struct serving_hour hour = { .hour_ms = store_col_int(rows, 0) * HOUR_MS,
                                     .version = store_col_int(rows, 1),
                                     .tenure = store_col_int(rows, 2),
                                     .slot = (enum serving_slot)(store_col_int(rows, 3) %
                                                                 SERVING_SLOTS) };
        struct serving_hour *last = h->count ? &h->rows[h->count - 1] : NULL;
        bool is_same = last && last->hour_ms == hour.hour_ms && last->slot == hour.slot &&
                       last->tenure == hour.tenure && last->version == hour.version;
        if (!is_same) /* rows of several generations are one line */
            h->rows[h->count++] = hour;
        e = read_tally(rows, 4, &h->rows[h->count - 1].tally);
    }
    return err_first(e, store_rows_close(rows));
}

err serving_hours(struct served_family *f, int64_t since_ms, int64_t limit, arena *keep,
                  struct serving_hour **ret_hours, size_t *ret_count)
{
    limit = limit <= 0 ? HOURS_DEFAULT : limit > HOURS_MAX ? HOURS_MAX : limit;
    struct hours h = { .f = f, .since_ms = since_ms, .limit = limit, .keep = keep };
    TRY(store_read(f->s->options.store, hours_fn, &h));
    *ret_hours = h.rows;
    *ret_count = h.count;
    return OK;
}
