/* SPDX-License-Identifier: GPL-3.0-or-later */
/* watch.c -- gauges over the window, and the alarms.
 *
 * A slot's record is what its version had when it was promoted: for Production, the slot that it
 * came from in the decision that put it there. The alarm is the same always-valid test that decides
 * promotions, so that looking every minute raises no more false alarms than looking once.
 */
#include <math.h>

#include "base/clock.h"
#include "platform/serving/promotion_internal.h"

struct watching {
    struct served_family *f;
    arena *keep;
    int64_t tenure, version; /* of Production */
    struct serving_share_count record, now;
};

static err record_fn(struct store_read *rd, void *arg)
{
    struct watching *w = arg;
    struct serving_decision *moves;
    struct serving_tally t;
    size_t count;
    w->record = w->now = (struct serving_share_count){ 0, 0 };
    TRY(serving_moves_in(rd, w->f, w->keep, &moves, &count));
    const struct serving_decision *maker = serving_maker_of(moves, count, w->version);
    if (!maker)
        return OK;
    const struct serving_standing *from = &maker->slots[maker->slots[SERVING_PRODUCTION].source];
    TRY(serving_tally_in(rd, w->f, SERVING_PRODUCTION, w->tenure, 0, 0, &t));
    w->record = (struct serving_share_count){ from->correct, from->judged };
    w->now = (struct serving_share_count){ t.correct, t.judged };
    return OK;
}

static void set_alarm(struct served_family *f, int slot, enum serving_alarm which, bool is_on,
                      int64_t version, double value, double limit)
{
    static const char *const reasons[] = { "accuracy", "drift" };
    metric_set(f->cells[slot].alarms[which], is_on);
    if (f->alarms[slot][which] == is_on)
        return;
    f->alarms[slot][which] = is_on;
    struct log_labels labels = { .component = STR("serving") };
    log_event(f->s->options.log, is_on ? LOG_WARN : LOG_INFO, &labels,
              is_on ? "serving.alarm" : "serving.alarm_over", NULL, F_CSTR("family", f->row->name),
              F_CSTR("alias", serving_aliases[slot]), F_CSTR("reason", reasons[which]),
              F_INT("version", version), F_REAL("value", value), F_REAL("limit", limit));
}

static err watch_accuracy(struct served_family *f, const struct serving_slot_report *production)
{
    const struct serving_options *o = &f->s->options;
    arena keep;
    struct serving_test test = { .high = 1, .difference = 0 };
    struct watching w = {
        .f = f, .keep = &keep, .tenure = production->tenure, .version = production->version
    };
    arena_init(&keep, JUDGE_BYTES_MAX);
    err e = production->version ? store_read(o->store, record_fn, &w) : OK;
    arena_deinit(&keep);
    if (e.code)
        return e;
    if (w.now.total >= o->judged_min && w.record.total >= o->judged_min)
        serving_compare(w.now, w.record, o->alpha, &test);
    set_alarm(f, SERVING_PRODUCTION, ALARM_ACCURACY, test.high < -o->margin, production->version,
              test.difference, -o->margin);
    return OK;
}

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

err serving_watch(struct served_family *f)
{
    struct serving_slot_report slots[SERVING_SLOTS];
    const struct serving_options *o = &f->s->options;
    TRY(serving_report(f, o->window_hours, slots));
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct serving_slot_report *slot = &slots[i];
        const struct slot_cells *cells = &f->cells[i];
        double inputs = or_zero(slot->drift_inputs), answers = or_zero(slot->drift_predictions);
        metric_set(cells->accuracy, or_zero(serving_accuracy(&slot->tally)));
        metric_set(cells->log_loss, or_zero(serving_log_loss(&slot->tally)));
        metric_set(cells->calibration, or_zero(serving_calibration_error(&slot->tally)));
        metric_set(cells->drift_inputs, inputs);
        metric_set(cells->drift_predictions, answers);
        set_alarm(f, i, ALARM_DRIFT, fmax(inputs, answers) > o->drift_max, slot->version,
                  fmax(inputs, answers), o->drift_max);
    }
    return watch_accuracy(f, &slots[SERVING_PRODUCTION]);
}
