/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_model.h -- the weights of the network and how a batch runs through them, for the files of
 * this room only.
 *
 *   h      = relu(sum of bag rows)                                   [bag]
 *   t      = h * trunk + bias = (shift, gate, value hidden)          [move + move + value]
 *   s_q    = relu(sum of square rows)       for each square q used   [square]
 *   z_m    = relu(shift + s_from(m) * from + s_to(m) * to + sum of move rows)   [move]
 *   score  = z_m . (out + gate)             softmax over the legal moves
 *   value  = softmax(relu(value hidden) * value + bias)              win, draw, loss
 *
 * So the position decides, through `gate`, how much each quality of a move counts.
 */
#ifndef SKERRY_CHESS_NET_MODEL_H
#define SKERRY_CHESS_NET_MODEL_H

#include "engine/chess/book.h"
#include "engine/chess/features.h"
#include "engine/learn/kernels.h"

/* Widths, multiples of LEARN_LANES. A prediction keeps all of them on the stack. */
enum { NET_BAG_MAX = 512, NET_SQUARE_MAX = 64, NET_MOVE_MAX = 128, NET_VALUE_MAX = 64 };
struct net_shape {
    uint32_t bag, square, move, value;
};

/* Where each group of weights starts in the one array of all; X(name, count). Written with the
 * widths of a shape `s`. */
#define NET_GROUPS(X)                                                    \
    X(bag, (size_t)BAG_ROWS * s->bag)                                    \
    X(trunk, (size_t)s->bag *(2 * s->move + s->value))                   \
    X(trunk_bias, 2 * s->move + s->value)                                \
    X(square, (size_t)SQUARE_ROWS * s->square)                           \
    X(from, (size_t)s->square * s->move)                                 \
    X(to, (size_t)s->square * s->move)                                   \
    X(move, (size_t)MOVE_ROWS * s->move)                                 \
    X(out, s->move)                                                      \
    X(value, (size_t)s->value *LEARN_LANES) /* three columns are used */ \
    X(value_bias, LEARN_LANES)

enum { NET_TABLE_ROWS = BAG_ROWS + SQUARE_ROWS + MOVE_ROWS };

struct net_layout {
#define NET_FIELD(name, count) size_t name;
    NET_GROUPS(NET_FIELD)
#undef NET_FIELD
    size_t count; /* all weights */
};

MUST_USE err net_shape_check(const struct net_shape *s); /* ERR_INVALID */
void net_layout_of(const struct net_shape *s, struct net_layout *ret_layout);
/* Random weights for training. */
void net_init(const struct net_shape *s, uint64_t seed, float *weights);

struct chess_net {
    struct net_shape shape;
    struct net_layout at;
    const struct learn_kernels *kernels;
    float *weights; /* 64-byte aligned; owned */
    struct book book;
};
/* Takes over nothing: weights are copied. The book starts empty. */
MUST_USE err net_new(const struct net_shape *shape, const float *weights,
                     struct chess_net **ret_net);
/* 64-byte aligned memory for floats, zeroed; free() gives it back. NULL when there is none. */
float *net_floats(size_t count);

/* ------------------------------------------------------------------ batches */

enum {
    NET_BATCH_MAX = 32
}; /* positions; their intermediate values stay in the second-level cache */

/* What is fixed while a batch runs. */
struct net_pass {
    struct net_shape shape;
    struct net_layout at;
    const struct learn_kernels *kernels;
    const float *weights;
    /* Training only: transposed weights (see net_transpose), gradients to add to, dropout in 0..1
     * and the weight of the value's loss. */
    const float *transposed;
    float *gradient;
    /* Training only, may be NULL: NET_TABLE_ROWS bytes, one a row of the tables of bag, squares and
     * moves in this order; set to 1 where the row's gradient was added to. */
    uint8_t *touched;
    float dropout, value_weight;
    /* Moves whose share of the gradient is below this are backed up with a chance proportional to
     * it, at this share: the gradient is the same on average, and two thirds of the work is saved.
     * 0: off. */
    float roulette;
};

/* One position of a batch with its label and what came out. */
struct net_row {
    struct features features;
    int truth;                     /* index of the move played */
    int outcome;                   /* 0 win, 1 draw, 2 loss; -1 unknown */
    float value[LEARN_LANES];      /* probabilities */
    float policy[CHESS_MOVES_MAX]; /* probabilities */
    float policy_loss, value_loss;
};

/* A square that the gradient passes through. */
struct net_used {
    const struct features *features;
    const struct features_square *square;
};

struct net_batch {
    size_t count; /* rows in use */
    struct net_row rows[NET_BATCH_MAX];
    /* private */
    struct net_shape shape;
    float *memory, *h, *t, *out, *z;
    struct net_squares {
        float *s, *p;              /* square rows and their projections, forward */
        float *used_s, *d_s, *d_p; /* of the squares that the gradient passes through */
        struct net_used *used;
        size_t used_count;
        size_t start[NET_BATCH_MAX + 1];
    } from, to;
    uint8_t *noise;
    uint64_t noise_seed;
    size_t move_start[NET_BATCH_MAX + 1];
};
MUST_USE err net_batch_new(const struct net_shape *shape, bool train, struct net_batch **ret_batch);
void net_batch_free(struct net_batch *b); /* accepts NULL */

/* Fills features, truth and outcome of the next row from a sample; false, and no row, when the
 * sample's move is not legal in its position. */
bool net_batch_add(struct net_batch *b, const struct chess_sample *sample);
/* Fills policy, value and losses of all rows. With `noise_seed` not NULL, units are dropped. */
void net_forward(struct net_batch *b, const struct net_pass *pass, const uint64_t *noise_seed);
/* Adds the gradient of the summed losses to pass->gradient. After net_forward, same pass. */
void net_backward(struct net_batch *b, const struct net_pass *pass);
/* Copies of trunk, from and to with rows and columns swapped; `out` holds net_transpose_count
 * floats. */
size_t net_transpose_count(const struct net_shape *s);
void net_transpose(const struct net_shape *s, const struct net_layout *at, const float *weights,
                   float *out);

#endif
