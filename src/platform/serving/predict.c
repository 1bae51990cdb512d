/* SPDX-License-Identifier: GPL-3.0-or-later */
/* predict.c -- assignment, and asking the models. The hot path: no allocation, no lock while a
 * model works. */
#include "platform/serving/serving_internal.h"

#include <assert.h>
#include <math.h>

#include "base/clock.h"
#include "base/hash.h"

/* ------------------------------------------------------------------ assignment */

double serving_share(str subject, str family)
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];
    uint64_t first = 0;
    sha256_begin(&h);
    sha256_add(&h, subject.ptr, subject.len);
    sha256_add(&h, "|", 1);
    sha256_add(&h, family.ptr, family.len);
    sha256_end(&h, digest);
    for (int i = 0; i < 8; i++)
        first = first << 8 | digest[i];
    /* 53 bits, so that the quotient is below 1 and exact. */
    return (double)(first >> 11) / 9007199254740992.0;
}

enum serving_slot serving_split(double share, double ratio)
{
    if (ratio <= 0)
        return SERVING_B;
    return ratio >= 1 || share < ratio ? SERVING_PRODUCTION : SERVING_B;
}

double serving_ratio(const struct served_family *f)
{
    return atomic_load_explicit(&f->ratio, memory_order_relaxed);
}

void serving_ratio_set(struct served_family *f, double ratio)
{
    atomic_store_explicit(&f->ratio, ratio, memory_order_relaxed);
}

enum serving_slot serving_assign(struct served_family *f, str subject)
{
    enum serving_slot slot = serving_split(serving_share(subject, str_of(f->row->name)),
                                           serving_ratio(f));
    if (slot == SERVING_B) {
        struct serving_set *set = serving_set_hold(f);
        if (!set->slots[SERVING_B].served)
            slot = SERVING_PRODUCTION;
        serving_set_release(set);
    }
    metric_add(f->cells[slot].exposures, 1);
    return slot;
}

void serving_fallback(struct served_family *f, enum serving_slot slot, const char *reason)
{
    metric_add(SERVING_CELL(f->s, SERVING_M_FALLBACKS, str_of(f->row->name),
                            str_of(serving_aliases[slot]), str_of(reason)),
               1);
}

/* ------------------------------------------------------------------ predicting */

static uint8_t bin_of(const double edges[SERVING_BINS - 1], double value)
{
    uint8_t bin = 0;
    while (bin < SERVING_BINS - 1 && value >= edges[bin])
        bin++;
    return bin;
}

/* A model that gives no probabilities has not answered. */
static bool is_sane(const float *p, int count)
{
    float sum = 0;
    for (int i = 0; i < count; i++) {
        if (!(p[i] >= 0.0F && p[i] <= 1.0F))
            return false;
        sum += p[i];
    }
    return fabsf(sum - 1.0F) < 0.01F;
}

static void ask(struct served_family *f, const struct serving_set *set, int slot, const void *input,
                const float *watched, struct serving_answer *a)
{
    const struct served *m = set->slots[slot].served;
    int classes = f->row->class_count;
    if (!m || !f->row->predict(m->model, input, a->p) || !is_sane(a->p, classes))
        return;
    a->is_there = true;
    a->version = m->version;
    a->tenure = set->slots[slot].tenure;
    for (int i = 1; i < classes; i++)
        if (a->p[i] > a->p[a->best])
            a->best = i;
    a->has_bins = watched && m->reference.feature_count == f->row->feature_count;
    for (int i = 0; a->has_bins && i < f->row->feature_count; i++)
        a->bins[i] = bin_of(m->reference.edges[i], (double)watched[i]);
    metric_add(m->predictions, 1);
    metric_add(f->cells[slot].predictions, 1);
}

static const char *why_not(struct served_family *f, const struct serving_set *set,
                           enum serving_slot slot)
{
    if (set->slots[slot].served)
        return "predict_failed";
    pthread_mutex_lock(&f->lock);
    bool is_wanted = f->states[slot].alias_version != 0;
    pthread_mutex_unlock(&f->lock);
    return is_wanted ? "load_failed" : "not_assigned";
}

static bool prepare(const struct served_family *f, const struct serving_set *set, int active,
                    bool with_others, const void *input)
{
    const void *models[SERVING_SLOTS] = { NULL };
    if (!f->row->prepare)
        return true;
    for (int i = 0; i < SERVING_SLOTS; i++)
        if ((i == active || with_others) && set->slots[i].served)
            models[i] = set->slots[i].served->model;
    return f->row->prepare(input, models);
}

bool serving_predict(struct served_family *f, enum serving_slot active, bool with_others,
                     const void *input, struct serving_call *ret_call, const char **ret_why)
{
    float watched[SERVING_FEATURES_MAX];
    bool is_watching = f->row->watch && f->row->feature_count > 0;
    int64_t started_ns = clock_mono_ns();
    assert(active < SERVING_SLOTS);
    struct serving_set *set = serving_set_hold(f);
    *ret_call = (struct serving_call){ .active = active,
                                       .at_ms = clock_wall_ms(),
                                       .generation = set->generation,
                                       .class_count = f->row->class_count,
                                       .feature_count = is_watching ? f->row->feature_count : 0 };
    if (!prepare(f, set, (int)active, with_others, input)) {
        serving_set_release(set);
        if (ret_why)
            *ret_why = SERVING_NOT_PREPARED;
        return false;
    }
    if (is_watching)
        f->row->watch(input, watched);
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (i == (int)active || with_others)
            ask(f, set, i, input, is_watching ? watched : NULL, &ret_call->answers[i]);
    bool is_there = ret_call->answers[active].is_there;
    if (!is_there && ret_why)
        *ret_why = why_not(f, set, active);
    serving_set_release(set);
    metric_observe(f->seconds, (double)(clock_mono_ns() - started_ns) / 1e9);
    return is_there;
}
