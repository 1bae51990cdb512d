/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train.c -- the training loop: steps of a batch each, in slices over the pool's threads,
 * evaluation rounds, early stopping, reports. train.h says what makes it repeatable. */
#include "engine/chess/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"

enum { REPORT_MS = 250 };

/* Ratings are hidden from this share of the samples, so that a prediction without ratings is good
 * too. */
#define RATINGS_HIDDEN 0.1
#define VALUE_WEIGHT 0.25f
/* Every sample has a say in a dense weight and few have one in a row of a table, so the former want
 * smaller steps: 0.2 to 0.3 of the rate was best on masters, 1 cost 0.3 % of top-1 (4 million
 * samples). */
#define DENSE_RATE 0.25f
/* Rounding a share p up to 1/16 with chance 16 p adds p/16 of variance to the p that the label has
 * anyway. */
#define ROULETTE (1.0f / 16)

/* The average looks back over about this share of the steps so far. */
#define AVERAGE_SHARE 0.05

/* ------------------------------------------------------------------ order */

/* A Feistel network is a permutation of the numbers with an even number of bits, whatever its round
 * function; walking on until the result is below count makes it one of 0..count-1. So any place of
 * any epoch is found without a table, which makes a resume exact and large datasets free. */
size_t train_order(uint64_t seed, uint64_t epoch, size_t count, size_t place)
{
    unsigned half = 1;
    while (half < 32 && ((uint64_t)1 << (2 * half)) < count)
        half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, key = rand_mix(seed ^ rand_mix(epoch)), x = place;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (unsigned round = 0; round < 4; round++) {
            uint64_t next = left ^ (rand_mix(key + round + (right << 8)) & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= count);
    return (size_t)x;
}

/* ------------------------------------------------------------------ a step */

static struct net_pass pass_of(const struct chess_trainer *t, const struct train_slice *slice)
{
    return (struct net_pass){
        .shape = t->shape,
        .at = t->at,
        .kernels = t->kernels,
        .weights = t->weights,
        .transposed = t->transposed,
        .gradient = slice ? slice->gradient : NULL,
        .touched = slice ? slice->touched : NULL,
        .dropout = (float)t->options.dropout,
        .value_weight = VALUE_WEIGHT,
        .roulette = ROULETTE,
    };
}

static void sums_add_batch(struct train_sums *sums, const struct net_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct net_row *row = &b->rows[i];
        sums->policy_loss += (double)row->policy_loss;
        sums->value_loss += (double)row->value_loss;
        sums->value_count += row->outcome >= 0;
        sums->hits += learn_rank(row->policy, (size_t)row->features.move_count,
                                 (size_t)row->truth) == 0;
    }
    sums->count += (int64_t)b->count;
}

static void sums_merge(struct train_sums *into, const struct train_sums *from)
{
    into->policy_loss += from->policy_loss;
    into->value_loss += from->value_loss;
    into->count += from->count;
    into->value_count += from->value_count;
    into->hits += from->hits;
    into->refused += from->refused;
}

/* A number in 0..1 that depends on the seed, the sample's number and what it is for. */
static double chance_of(const struct chess_trainer *t, uint64_t number, uint64_t what)
{
    return (double)(rand_mix((t->options.seed + what * RAND_MIX_STEP) ^ rand_mix(number)) >> 11) *
           0x1p-53;
}

static void get_sample(const struct chess_trainer *t, uint64_t number,
                       struct chess_sample *ret_sample)
{
    uint64_t epoch = number / t->train.count;
    size_t index = train_order(t->options.seed, epoch, t->train.count,
                               (size_t)(number % t->train.count));
    t->train.get(t->train.arg, index, ret_sample);
    if (epoch > 0 && chance_of(t, number, 1) < t->mirrored)
        (void)train_mirror(ret_sample);
    if (chance_of(t, number, 0) < RATINGS_HIDDEN)
        ret_sample->conditions.rating_self = ret_sample->conditions.rating_opponent = 0;
}

/* One slice of the batch of the current step: its gradient and sums. */
static void slice_step(void *arg, size_t index)
{
    struct chess_trainer *t = arg;
    struct train_slice *slice = &t->slices[index];
    size_t slices = (size_t)t->options.threads, size = (size_t)t->options.batch_size;
    size_t next = size * index / slices, end = size * (index + 1) / slices;
    struct net_pass pass = pass_of(t, slice);
    struct net_batch *b = slice->batch;
    struct chess_sample sample;

    slice->sums = (struct train_sums){ 0 };
    while (next < end) {
        uint64_t number = (uint64_t)t->step * size + next;
        uint64_t noise = rand_mix(t->options.seed ^ rand_mix(~number));
        b->count = 0;
        for (; next < end && b->count < NET_BATCH_MAX; next++) {
            get_sample(t, (uint64_t)t->step * size + next, &sample);
            slice->sums.refused += !net_batch_add(b, &sample);
        }
        if (b->count == 0)
            continue;
        net_forward(b, &pass, &noise);
        net_backward(b, &pass);
        sums_add_batch(&slice->sums, b);
    }
}

/* ------------------------------------------------------------------ the update
 *
 * Rows of tables that no sample of the batch had keep their weights and moments (lazy Adam): with
 * small batches that is most of the rows, and they would cost more than the rest of the step. */

static void weights_update(struct chess_trainer *t, size_t from, size_t to,
                           const struct learn_adam_factors *factors)
{
    float *parts[TRAIN_SLICES_MAX];
    for (int s = 0; s < t->options.threads; s++)
        parts[s] = t->slices[s].gradient + from;
    t->kernels->adam(t->weights + from, t->adam.first + from, t->adam.second + from, parts,
                     (size_t)t->options.threads, to - from, factors);
}

/* The row is in some slice's gradient; forgets it. */
static bool take_touched(struct chess_trainer *t, size_t row)
{
    uint8_t any = 0;
    for (int s = 0; s < t->options.threads; s++) {
        any |= t->slices[s].touched[row];
        t->slices[s].touched[row] = 0;
    }
    return any != 0;
}

/* Rows from..to of a table whose weights start at `at` and whose marks at `first`; neighbours go
 * together. */
static void rows_update(struct chess_trainer *t, size_t at, size_t width, size_t first, size_t from,
                        size_t to)
{
    size_t row = from;
    while (row < to) {
        size_t end = row;
        while (end < to && take_touched(t, first + end))
            end++;
        if (end > row)
            weights_update(t, at + row * width, at + end * width, &t->factors);
        row = end + 1;
    }
}

/* Part `index` of 0..TRAIN_RANGES-1 of all weights. Parts are whole cache lines, so that two
 * threads never write the same one. */
static void range_update(void *arg, size_t index)
{
    struct chess_trainer *t = arg;
    const struct net_layout *at = &t->at;
    const struct {
        size_t at, rows, width;
    } tables[] = {
        { at->bag, BAG_ROWS, t->shape.bag },
        { at->square, SQUARE_ROWS, t->shape.square },
        { at->move, MOVE_ROWS, t->shape.move },
    };
    const size_t dense[][2] = { { at->trunk, at->square },
                                { at->from, at->move },
                                { at->out, at->count } };
    struct learn_adam_factors slow = t->factors;
    slow.rate *= DENSE_RATE;
    slow.decay *= DENSE_RATE;
    size_t first = 0;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        rows_update(t, tables[i].at, tables[i].width, first, tables[i].rows * index / TRAIN_RANGES,
                    tables[i].rows * (index + 1) / TRAIN_RANGES);
        first += tables[i].rows;
    }
    for (size_t i = 0; i < COUNT_OF(dense); i++) {
        size_t lines = (dense[i][1] - dense[i][0]) / LEARN_LANES;
        size_t from = dense[i][0] + lines * index / TRAIN_RANGES * LEARN_LANES;
        size_t to = dense[i][0] + lines * (index + 1) / TRAIN_RANGES * LEARN_LANES;
        if (to > from)
            weights_update(t, from, to, &slow);
    }
}

/* Part `index` of 0..TRAIN_RANGES-1 of the average, towards the weights. */
static void range_average(void *arg, size_t index)
{
    struct chess_trainer *t = arg;
    size_t from = t->at.count * index / TRAIN_RANGES, to = t->at.count * (index + 1) / TRAIN_RANGES;
    double share = TRAIN_AVERAGE_EVERY / (AVERAGE_SHARE * (double)t->step);
    if (share >= 1) {
        memcpy(t->average + from, t->weights + from, (to - from) * sizeof(float));
        return;
    }
    for (size_t i = from; i < to; i++)
        t->average[i] += (float)share * (t->weights[i] - t->average[i]);
}

/* Every eighth step, and the first ones each: there the average is the weights. */
static bool average_is_due(const struct chess_trainer *t)
{
    return t->step % TRAIN_AVERAGE_EVERY == 0 ||
           AVERAGE_SHARE * (double)t->step <= TRAIN_AVERAGE_EVERY;
}

static double progress_of(const struct chess_trainer *t, double elapsed_s)
{
    double by_steps = (double)t->step / (double)t->step_total;
    double by_time = t->options.minutes_max > 0 ? elapsed_s / (60 * t->options.minutes_max) : 0;
    double progress = by_steps > by_time ? by_steps : by_time;
    return progress > 1 ? 1 : progress;
}

static void step_once(struct chess_trainer *t, struct pool *pool, double progress)
{
    int64_t count = 0;
    net_transpose(&t->shape, &t->at, t->weights, t->transposed);
    pool_each(pool, (size_t)t->options.threads, slice_step, t);
    for (int s = 0; s < t->options.threads; s++) {
        count += t->slices[s].sums.count;
        sums_merge(&t->recent, &t->slices[s].sums);
    }
    t->factors = learn_adam_next(&t->adam, learn_schedule_rate(&t->schedule, progress),
                                 count ? 1.0 / (double)count : 0);
    pool_each(pool, TRAIN_RANGES, range_update, t);
    t->step++;
    if (average_is_due(t))
        pool_each(pool, TRAIN_RANGES, range_average, t);
}

/* ------------------------------------------------------------------ evaluation rounds */

static void slice_evaluate(void *arg, size_t index)
{
    struct chess_trainer *t = arg;
    struct train_slice *slice = &t->slices[index];
    size_t slices = (size_t)t->options.threads;
    size_t next = t->valid_count * index / slices, end = t->valid_count * (index + 1) / slices;
    struct net_pass pass = pass_of(t, NULL);
    struct net_batch *b = slice->batch;
    struct chess_sample sample;

    pass.weights = t->average;
    slice->sums = (struct train_sums){ 0 };
    slice->tally = (struct learn_tally){ 0 };
    while (next < end) {
        b->count = 0;
        for (; next < end && b->count < NET_BATCH_MAX; next++) {
            /* Spread evenly over the whole validation set. In integers: a quotient that is a
             * hair too small would judge its neighbour twice. */
            t->valid.get(t->valid.arg, next * t->valid.count / t->valid_count, &sample);
            net_batch_add(b, &sample);
        }
        if (b->count == 0)
            continue;
        net_forward(b, &pass, NULL);
        sums_add_batch(&slice->sums, b);
        for (size_t i = 0; i < b->count; i++)
            learn_tally_add(&slice->tally, b->rows[i].policy,
                            (size_t)b->rows[i].features.move_count, (size_t)b->rows[i].truth);
    }
}

static void evaluate(struct chess_trainer *t, struct pool *pool, struct chess_train_report *report)
{
    struct learn_tally tally = { 0 };
    struct train_sums sums = { 0 };
    pool_each(pool, (size_t)t->options.threads, slice_evaluate, t);
    for (int s = 0; s < t->options.threads; s++) {
        learn_tally_merge(&tally, &t->slices[s].tally);
        sums_merge(&sums, &t->slices[s].sums);
    }
    double count = tally.count ? (double)tally.count : 1;
    double loss = tally.log_loss / count;
    if (sums.value_count > 0)
        loss += (double)VALUE_WEIGHT * sums.value_loss / (double)sums.value_count;
    report->evaluated = true;
    report->valid_loss = loss;
    report->valid_top1 = (double)tally.top1 / count;
    report->valid_top3 = (double)tally.top3 / count;
    if (loss < t->best_loss) {
        t->best_loss = loss;
        t->rounds_without_gain = 0;
        memcpy(t->best, t->average, t->at.count * sizeof(float));
    } else {
        t->rounds_without_gain++;
    }
    t->stopped_early = t->options.patience > 0 && t->rounds_without_gain >= t->options.patience;
}

/* A round after every epoch, and TRAIN_ROUNDS rounds in long epochs; always one at the end. */
static bool round_is_due(const struct chess_trainer *t, double progress)
{
    int64_t epoch_steps = (int64_t)(t->train.count / (size_t)t->options.batch_size) + 1;
    if (t->valid_count == 0 || t->step == t->last_round_step)
        return false;
    return progress >= 1 || t->step - t->last_round_step >= epoch_steps ||
           progress - t->last_round >= 1.0 / TRAIN_ROUNDS;
}

/* ------------------------------------------------------------------ the loop */

static void report_fill(struct chess_trainer *t, double progress, double run_s, double run_progress,
                        double recent_s, struct chess_train_report *r)
{
    const struct train_sums *sums = &t->recent;
    r->step = t->step;
    r->step_total = t->step_total;
    r->epoch = (int)((uint64_t)t->step * (uint64_t)t->options.batch_size / t->train.count);
    r->progress = progress;
    r->eta_s = run_progress > 0 ? run_s / run_progress * (1 - progress) : 0;
    if (sums->count > 0) {
        r->policy_loss = sums->policy_loss / (double)sums->count;
        r->value_loss = sums->value_count ? sums->value_loss / (double)sums->value_count : 0;
        r->loss = r->policy_loss + (double)VALUE_WEIGHT * r->value_loss;
        r->top1 = (double)sums->hits / (double)sums->count;
        r->samples_per_s = recent_s > 0 ? (double)sums->count / recent_s : 0;
    }
    t->recent = (struct train_sums){ 0 };
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_mono_ns() - start_ns) * 1e-9;
}

err chess_trainer_run(struct chess_trainer *t, struct pool *pool, chess_train_tick tick, void *arg)
{
    err e = OK;
    int64_t start = clock_mono_ns(), reported = start;
    double before_s = t->elapsed_s, before = progress_of(t, before_s), progress = before;
    struct chess_train_report report = { 0 };

    while (!e.code && progress < 1 && !t->stopped_early) {
        step_once(t, pool, progress);
        t->elapsed_s = before_s + seconds_since(start);
        progress = progress_of(t, t->elapsed_s);
        report.evaluated = false;
        if (round_is_due(t, progress)) {
            evaluate(t, pool, &report);
            t->last_round = progress;
            t->last_round_step = t->step;
        }
        bool last = progress >= 1 || t->stopped_early;
        if (!tick || (!last && !report.evaluated && seconds_since(reported) * 1000 < REPORT_MS))
            continue;
        report_fill(t, progress, seconds_since(start), progress - before, seconds_since(reported),
                    &report);
        reported = clock_mono_ns();
        e = tick(arg, &report);
    }
    return e;
}
