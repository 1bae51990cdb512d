/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train.h -- the trainer's state, for the files of this room only.
 *
 * Repeatable: sample n of the whole training is found by a seeded permutation of the epoch it falls
 * into; the noise of dropout is a hash of seed, step and place; each slice of a batch adds up its
 * own gradient, and the slices are added in order. So the weights depend on the data, the options
 * (the number of slices included), the shape and the build of the kernels, but on no clock and no
 * scheduling, as long as minutes_max is not set: a training bounded by time lets the clock lower
 * the learning rate.
 */
#ifndef SKERRY_CHESS_TRAIN_H
#define SKERRY_CHESS_TRAIN_H

#include "engine/chess/net_model.h"
#include "engine/learn/adam.h"
#include "engine/learn/metrics.h"

enum {
    TRAIN_SLICES_MAX = 64,
    TRAIN_RANGES = 64,       /* pieces in which the weights are updated */
    TRAIN_VALID_MAX = 16384, /* samples judged in an evaluation round */
    TRAIN_ROUNDS = 20,       /* at least so many evaluation rounds in a training */
    TRAIN_AVERAGE_EVERY = 8, /* steps between two updates of the average of the weights */
};

/* What one slice of a batch found. */
struct train_sums {
    double policy_loss, value_loss;
    int64_t count, value_count, hits, refused;
};

struct train_slice {
    struct chess_trainer *trainer;
    struct net_batch *batch;
    float *gradient;
    uint8_t *touched; /* rows of tables that have a gradient: see struct net_pass */
    struct train_sums sums;
    struct learn_tally tally; /* evaluation */
};

struct chess_trainer {
    struct chess_train_options options; /* nothing left to default */
    struct net_shape shape;
    struct net_layout at;
    const struct learn_kernels *kernels;
    struct learn_schedule schedule;
    struct chess_sample_source train, valid;
    size_t valid_count; /* judged in a round */
    double mirrored;    /* share of samples seen in a mirror, from the second epoch on */

    /* `average` is the running average of the weights: it is judged, kept and saved */
    float *weights, *average, *best, *transposed;
    struct learn_adam adam;
    struct train_slice *slices;

    int64_t step, step_total;
    double elapsed_s;  /* of training, earlier runs included */
    double last_round; /* progress at the last evaluation round */
    int64_t last_round_step;
    double best_loss; /* INFINITY before the first round */
    int rounds_without_gain;
    bool stopped_early;
    struct train_sums recent;          /* since the last report */
    struct learn_adam_factors factors; /* of the step under way */
};

/* Turns position and move of a sample left to right; false, and nothing is done, while a side may
 * castle. A sample with an illegal move stays one. */
bool train_mirror(struct chess_sample *s);

/* The sample that stands at `place` of the epoch's order: a permutation of 0..count-1. */
size_t train_order(uint64_t seed, uint64_t epoch, size_t count, size_t place);

#endif
