/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_predict.c -- one position through the network, all on the stack; and choosing a move. The
 * same formulas as net_batch.c (a test holds the two together), without what only training needs.
 */
#include <math.h>
#include <string.h>

#include "engine/chess/net_model.h"

enum { FROM_MAX = 16, TO_MAX = 64 };

/* About 90 KiB: threads of this house have 512. */
struct scratch {
    struct features features;
    float h[NET_BAG_MAX], t[2 * NET_MOVE_MAX + NET_VALUE_MAX], out[NET_MOVE_MAX], z[NET_MOVE_MAX];
    float s[TO_MAX * NET_SQUARE_MAX];
    float p_from[FROM_MAX * NET_MOVE_MAX], p_to[TO_MAX * NET_MOVE_MAX];
};

static void squares(const struct chess_net *net, struct scratch *x,
                    const struct features_square *list, int count, size_t projection, float *p)
{
    const struct learn_kernels *k = net->kernels;
    const struct features *f = &x->features;
    const float *table = net->weights + net->at.square;
    size_t width = net->shape.square, rows = (size_t)count;
    memset(x->s, 0, rows * width * sizeof(float));
    for (size_t q = 0; q < rows; q++) {
        k->rows_sum(x->s + q * width, table + list[q].shift * width, width, f->relative,
                    (size_t)f->relative_count);
        k->rows_sum(x->s + q * width, table, width, list[q].rows, 2);
    }
    k->relu(x->s, rows * width, 1, NULL, 0);
    k->gemm(rows, net->shape.move, width, x->s, width, 1, net->weights + projection,
            net->shape.move, p, net->shape.move, 0);
}

static void value(const struct chess_net *net, struct scratch *x, struct chess_prediction *ret)
{
    const struct learn_kernels *k = net->kernels;
    float *hidden = x->t + 2 * net->shape.move, result[LEARN_LANES];
    k->relu(hidden, net->shape.value, 1, NULL, 0);
    memcpy(result, net->weights + net->at.value_bias, sizeof result);
    k->gemm(1, LEARN_LANES, net->shape.value, hidden, net->shape.value, 1,
            net->weights + net->at.value, LEARN_LANES, result, LEARN_LANES, 1);
    k->softmax(result, 3);
    ret->win = result[0];
    ret->draw = result[1];
    ret->loss = result[2];
}

static void policy(const struct chess_net *net, struct scratch *x, struct chess_prediction *ret)
{
    const struct learn_kernels *k = net->kernels;
    const struct features *f = &x->features;
    const float *table = net->weights + net->at.move, *out = net->weights + net->at.out;
    size_t width = net->shape.move;
    const float *gate = x->t + width, *base[3] = { x->t, NULL, NULL };

    squares(net, x, f->from, f->from_count, net->at.from, x->p_from);
    squares(net, x, f->to, f->to_count, net->at.to, x->p_to);
    for (size_t j = 0; j < width; j++)
        x->out[j] = out[j] + gate[j];
    for (int m = 0; m < f->move_count; m++) {
        base[1] = x->p_from + f->move_from[m] * width;
        base[2] = x->p_to + f->move_to[m] * width;
        size_t start = f->move_start[m];
        ret->probability[m] = k->unit(x->z, base, table, width, f->rows + start,
                                      f->move_start[m + 1] - start, x->out);
    }
    k->softmax(ret->probability, (size_t)f->move_count);
}

void chess_net_predict(const struct chess_net *net, const struct chess_position *p,
                       const struct chess_conditions *conditions, struct chess_prediction *ret)
{
    const struct learn_kernels *k = net->kernels;
    size_t outputs = 2 * net->shape.move + net->shape.value;
    struct scratch x;

    ret->move_count = chess_moves(p, ret->moves);
    features_extract(p, conditions, ret->moves, ret->move_count, &x.features);
    memset(x.h, 0, net->shape.bag * sizeof(float));
    k->rows_sum(x.h, net->weights + net->at.bag, net->shape.bag, x.features.bag,
                (size_t)x.features.bag_count);
    k->relu(x.h, net->shape.bag, 1, NULL, 0);
    memcpy(x.t, net->weights + net->at.trunk_bias, outputs * sizeof(float));
    k->gemm(1, outputs, net->shape.bag, x.h, net->shape.bag, 1, net->weights + net->at.trunk,
            outputs, x.t, outputs, 1);
    if (ret->move_count > 0) {
        policy(net, &x, ret);
        if (net->book.count > 0)
            book_mix(&net->book, p->key, ret->moves, ret->move_count, ret->probability);
    }
    value(net, &x, ret);
}

chess_move chess_prediction_pick(const struct chess_prediction *pred, double temperature, int top_k,
                                 struct rng *rng)
{
    int order[CHESS_MOVES_MAX], count = pred->move_count, best = 0;
    double weight[CHESS_MOVES_MAX], total = 0;

    if (count == 0)
        return CHESS_MOVE_NONE;
    /* a selection sort of the first top_k: k is small, and so are move lists */
    int kept = top_k > 0 && top_k < count ? top_k : count;
    for (int i = 0; i < count; i++)
        order[i] = i;
    for (int i = 0; i < (kept < count ? kept : 1); i++) {
        best = i;
        for (int j = i + 1; j < count; j++) {
            float ahead = pred->probability[order[j]] - pred->probability[order[best]];
            if (ahead > 0 || (ahead == 0 && order[j] < order[best]))
                best = j;
        }
        int swap = order[i];
        order[i] = order[best];
        order[best] = swap;
    }
    if (!(temperature > 0))
        return pred->moves[order[0]];
    double top = (double)pred->probability[order[0]];
    for (int i = 0; i < kept; i++) {
        weight[i] = pow((double)pred->probability[order[i]] / top, 1 / temperature);
        total += weight[i];
    }
    double at = rng_unit(rng) * total;
    int chosen = 0;
    while (chosen + 1 < kept && at >= weight[chosen])
        at -= weight[chosen++];
    return pred->moves[order[chosen]];
}
