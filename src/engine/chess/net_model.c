/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_model.c -- shapes, the layout of the weights in one array, random weights, and the model
 * object. */
#include "engine/chess/net_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

err net_shape_check(const struct net_shape *s)
{
    const uint32_t widths[4] = { s->bag, s->square, s->move, s->value };
    static const uint32_t most[4] = { NET_BAG_MAX, NET_SQUARE_MAX, NET_MOVE_MAX, NET_VALUE_MAX };
    for (int i = 0; i < 4; i++)
        if (widths[i] == 0 || widths[i] > most[i] || widths[i] % LEARN_LANES != 0)
            return ERR(ERR_INVALID,
                       "a layer of the network is %u wide; it must be a multiple of %d up to %u",
                       widths[i], LEARN_LANES, most[i]);
    return OK;
}

void net_layout_of(const struct net_shape *s, struct net_layout *ret_layout)
{
    struct net_layout at;
    size_t next = 0;
#define NET_PLACE(name, group_count) \
    at.name = next;                  \
    next += (group_count);
    NET_GROUPS(NET_PLACE)
#undef NET_PLACE
    at.count = next;
    *ret_layout = at;
}

float *net_floats(size_t count)
{
    size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    float *p = aligned_alloc(64, bytes ? bytes : 64);
    if (p)
        memset(p, 0, bytes);
    return p;
}

static void fill(float *w, size_t count, double deviation, struct rng *rng)
{
    for (size_t i = 0; i < count; i++)
        w[i] = (float)deviation * rng_normal(rng);
}

void net_init(const struct net_shape *s, uint64_t seed, float *weights)
{
    struct net_layout at;
    struct rng rng;
    size_t outputs = 2 * s->move + s->value;

    net_layout_of(s, &at);
    rng_init(&rng, seed);
    memset(weights, 0, at.count * sizeof *weights);
    /* About forty bag rows, twenty-six square rows and twenty move rows are summed: these
     * deviations give sums near one. Rows of moves start smaller, because what is rare keeps its
     * start. */
    fill(weights + at.bag, (size_t)BAG_ROWS * s->bag, 0.15, &rng);
    fill(weights + at.trunk, s->bag * outputs, sqrt(1.0 / s->bag), &rng);
    for (size_t i = 0; i < s->bag; i++)
        for (size_t j = 0; j < 2 * s->move; j++)
            weights[at.trunk + i * outputs + j] *= 0.1f;
    fill(weights + at.square, (size_t)SQUARE_ROWS * s->square, 0.15, &rng);
    fill(weights + at.from, s->square * s->move, sqrt(0.05 / s->square), &rng);
    fill(weights + at.to, s->square * s->move, sqrt(0.05 / s->square), &rng);
    fill(weights + at.move, (size_t)MOVE_ROWS * s->move, 0.05, &rng);
    fill(weights + at.out, s->move, sqrt(1.0 / s->move), &rng);
    for (size_t i = 0; i < s->value; i++)
        fill(weights + at.value + i * LEARN_LANES, 3, sqrt(1.0 / s->value), &rng);
}

err net_new(const struct net_shape *shape, const float *weights, struct chess_net **ret_net)
{
    TRY(net_shape_check(shape));
    struct chess_net *net = calloc(1, sizeof *net);
    struct net_layout at;
    net_layout_of(shape, &at);
    float *copy = net_floats(at.count);
    if (!net || !copy) {
        free(net);
        free(copy);
        return ERR(ERR_NO_MEMORY, "no memory for a network of %zu weights", at.count);
    }
    memcpy(copy, weights, at.count * sizeof *copy);
    *net = (struct chess_net){
        .shape = *shape, .at = at, .kernels = learn_kernels_best(), .weights = copy
    };
    *ret_net = net;
    return OK;
}

void chess_net_free(struct chess_net *net)
{
    if (!net)
        return;
    book_deinit(&net->book);
    free(net->weights);
    free(net);
}

size_t chess_net_parameters(const struct chess_net *net)
{
    return net->at.count;
}
