/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net.h -- the chess network: a policy over the legal moves and a value, conditioned on the
 * players.
 *
 * Input is sparse (pieces on squares, relations of each legal move); output is a softmax over
 * exactly the legal moves, so an illegal move has no probability by construction, and three value
 * probabilities. Conditioning: rating of the side to move and of the opponent, clock class, side.
 * The same feature function serves training, evaluation and prediction. Shapes are in net.c;
 * docs/model.md explains.
 */
#ifndef SKERRY_CHESS_NET_H
#define SKERRY_CHESS_NET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/thread.h"
#include "engine/chess/position.h"

enum chess_speed {
    CHESS_SPEED_UNKNOWN,
    CHESS_ULTRABULLET,
    CHESS_BULLET,
    CHESS_BLITZ,
    CHESS_RAPID,
    CHESS_CLASSICAL,
    CHESS_CORRESPONDENCE
};

struct chess_conditions {
    uint16_t rating_self, rating_opponent; /* 0: unknown */
    uint8_t speed;                         /* enum chess_speed */
};

/* One row of training data: what stands in a dataset file. 32 bytes of position + labels. */
struct chess_sample {
    struct chess_position position;
    struct chess_conditions conditions;
    chess_move move; /* what was played */
    int8_t outcome;  /* for the side to move: 1 win, 0 draw, -1 loss; 2 unknown */
    uint32_t game;   /* group: a game never straddles train and test */
    uint16_t ply;
};

/* Where samples come from: random access by index, so that shuffling needs no copy. Thread-safe. */
struct chess_sample_source {
    size_t count;
    void (*get)(void *arg, size_t index, struct chess_sample *ret_sample);
    void *arg;
};

struct chess_prediction {
    int move_count;
    chess_move moves[CHESS_MOVES_MAX];
    float probability[CHESS_MOVES_MAX]; /* same order; sums to 1 */
    float win, draw, loss;              /* for the side to move */
};

/* ------------------------------------------------------------------ model: immutable, shared by
 * threads */

struct chess_net;
MUST_USE err chess_net_load(str bytes,
                            struct chess_net **ret_net); /* bytes may be hostile: ERR_CORRUPT */
MUST_USE err chess_net_save(const struct chess_net *net, struct buf *out);
void chess_net_free(struct chess_net *net);
/* Adds the book of positions of these samples, replacing an older one; before others use the net.
 */
MUST_USE err chess_net_add_book(struct chess_net *net, const struct chess_sample_source *train);
size_t chess_net_parameters(const struct chess_net *net);
/* Deterministic: same net, position, conditions: same numbers on the same SIMD path. The book of
 * positions, when the net carries one, is mixed in. No allocation. */
void chess_net_predict(const struct chess_net *net, const struct chess_position *p,
                       const struct chess_conditions *conditions, struct chess_prediction *ret);
/* Picks from a prediction: temperature 0 is the most probable move; top_k 0 means all. */
chess_move chess_prediction_pick(const struct chess_prediction *pred, double temperature, int top_k,
                                 struct rng *rng);

/* ------------------------------------------------------------------ training */

enum chess_net_size {
    CHESS_NET_AUTO, /* by the number of samples */
    CHESS_NET_SMALL,
    CHESS_NET_MEDIUM,
    CHESS_NET_LARGE,
};

enum { CHESS_TRAIN_BATCH_MAX = 65536, CHESS_TRAIN_EPOCHS_MAX = 10000 };

struct chess_train_options {
    uint64_t seed;
    int batch_size;               /* 0: default */
    double learning_rate;         /* peak of the schedule; 0: default */
    double weight_decay, dropout; /* negative: default */
    int epochs;                   /* upper bound */
    double minutes_max;           /* 0: no bound; the schedule decays to its end at the bound */
    int patience; /* early stopping: epochs (or evaluation rounds) without gain; 0: off */
    bool book;    /* add the book of positions */
    int threads;  /* 0: all cores; part of what makes a training repeatable */
    enum chess_net_size size;
};

/* What is best for so many samples, with nothing left to default but `size`. */
struct chess_train_options chess_train_defaults(size_t count);
/* What a training with these options uses: defaults for `count` samples where they leave it open,
 * and no more threads than a batch has samples. */
struct chess_train_options chess_train_resolve(const struct chess_train_options *given,
                                               size_t count);
/* ERR_INVALID names the option, its value and what is allowed. */
MUST_USE err chess_train_options_check(const struct chess_train_options *options);

struct chess_train_report {
    int64_t step, step_total;
    int epoch;
    double progress; /* 0..1 */
    double eta_s;
    double loss, policy_loss, value_loss, top1; /* running, training data */
    double samples_per_s;
    bool evaluated; /* the following are new */
    double valid_loss, valid_top1, valid_top3;
};
/* Called a few times a second. ERR_CANCELLED ends training after saving a checkpoint. */
typedef err (*chess_train_tick)(void *arg, const struct chess_train_report *report);

struct chess_trainer;
MUST_USE err chess_trainer_new(const struct chess_train_options *options,
                               const struct chess_sample_source *train,
                               const struct chess_sample_source *valid,
                               struct chess_trainer **ret_trainer);
/* Continues exactly where a checkpoint was taken: same seed, same order, same numbers. */
MUST_USE err chess_trainer_restore(struct chess_trainer *t, str checkpoint);
MUST_USE err chess_trainer_checkpoint(struct chess_trainer *t, struct buf *out);
MUST_USE err chess_trainer_run(struct chess_trainer *t, struct pool *pool, chess_train_tick tick,
                               void *arg);
/* The best weights so far by validation (or the last ones without validation). */
MUST_USE err chess_trainer_net(struct chess_trainer *t, struct chess_net **ret_net);
void chess_trainer_free(struct chess_trainer *t);

/* ------------------------------------------------------------------ judging */

struct chess_score {
    size_t positions;
    double top1, top3, top5, log_loss; /* policy */
    double ece; /* expected calibration error of the top move, 15 equal bins */
    double value_log_loss, value_baseline_log_loss; /* baseline: the constant outcome frequencies */
    size_t bin_count[15];
    double bin_confidence[15], bin_accuracy[15];
};
/* Judges samples chosen by `include` (NULL: all). Uses the pool's threads. */
MUST_USE err chess_net_score(const struct chess_net *net, const struct chess_sample_source *samples,
                             bool (*include)(void *arg, const struct chess_sample *s), void *arg,
                             struct pool *pool, struct chess_score *ret_score);

#endif
