/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_batch.c -- forward and backward of a batch of positions; net_model.h has the formulas.
 *
 * The sums of table rows go position by position; what is dense (trunk, from, to) goes through one
 * matrix product for the whole batch. Order and grouping are fixed, so a batch always gives the
 * same bits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "engine/chess/net_model.h"

enum {
    FROM_MAX = 16, /* squares with own pieces */
    TO_MAX = 64,
    PADDED_MOVES = CHESS_MOVES_MAX,
};

static size_t outputs_of(const struct net_shape *s)
{
    return 2 * s->move + s->value;
}

/* ------------------------------------------------------------------ memory */

static float *take(float **next, size_t count)
{
    float *p = *next;
    *next += count;
    return p;
}

static size_t squares_floats(const struct net_shape *s, size_t rows, bool train)
{
    return rows * ((train ? 3 : 1) * s->square + (train ? 2 : 1) * s->move);
}

static void squares_place(struct net_squares *q, const struct net_shape *s, size_t rows, bool train,
                          float **next)
{
    q->s = take(next, rows * s->square);
    q->p = take(next, rows * s->move);
    if (!train)
        return;
    q->used_s = take(next, rows * s->square);
    q->d_s = take(next, rows * s->square);
    q->d_p = take(next, rows * s->move);
}

err net_batch_new(const struct net_shape *shape, bool train, struct net_batch **ret_batch)
{
    struct net_batch *b = calloc(1, sizeof *b);
    size_t rows = NET_BATCH_MAX,
           copies = train ? 2 : 1; /* values, and their gradients behind them */
    size_t h = copies * rows * shape->bag, t = copies * rows * outputs_of(shape),
           out = copies * rows * shape->move;
    size_t z = rows * CHESS_MOVES_MAX * shape->move;
    size_t squares = squares_floats(shape, rows * FROM_MAX, train) +
                     squares_floats(shape, rows * TO_MAX, train);
    float *memory = net_floats(h + t + out + z + squares);
    uint8_t *noise = malloc(rows * (shape->bag + shape->move));
    struct net_used *used = calloc(rows * (FROM_MAX + TO_MAX), sizeof *used);
    if (!b || !memory || !noise || !used) {
        free(b);
        free(memory);
        free(noise);
        free(used);
        return ERR(ERR_NO_MEMORY, "no memory for a batch of %zu positions", rows);
    }
    float *next = memory;
    b->shape = *shape;
    b->memory = memory;
    b->noise = noise;
    b->h = take(&next, h);
    b->t = take(&next, t);
    b->out = take(&next, out);
    b->z = take(&next, z);
    squares_place(&b->from, shape, rows * FROM_MAX, train, &next);
    squares_place(&b->to, shape, rows * TO_MAX, train, &next);
    b->from.used = used;
    b->to.used = used + rows * FROM_MAX;
    *ret_batch = b;
    return OK;
}

void net_batch_free(struct net_batch *b)
{
    if (!b)
        return;
    free(b->from.used);
    free(b->memory);
    free(b->noise);
    free(b);
}

bool net_batch_add(struct net_batch *b, const struct chess_sample *sample)
{
    struct net_row *row = &b->rows[b->count];
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(&sample->position, moves), truth = 0;

    while (truth < count && moves[truth] != sample->move)
        truth++;
    if (truth == count)
        return false;
    features_extract(&sample->position, &sample->conditions, moves, count, &row->features);
    row->truth = truth;
    row->outcome = sample->outcome < -1 || sample->outcome > 1 ? -1 : 1 - sample->outcome;
    b->count++;
    return true;
}

/* ------------------------------------------------------------------ forward */

static void bag_forward(struct net_batch *b, const struct net_pass *pass)
{
    const struct learn_kernels *k = pass->kernels;
    size_t width = pass->shape.bag;
    memset(b->h, 0, b->count * width * sizeof(float));
    for (size_t i = 0; i < b->count; i++)
        k->rows_sum(b->h + i * width, pass->weights + pass->at.bag, width, b->rows[i].features.bag,
                    (size_t)b->rows[i].features.bag_count);
}

/* Sums the rows of each square (packed, position after position) and projects them. */
static void squares_forward(struct net_batch *b, const struct net_pass *pass, bool to)
{
    const struct learn_kernels *k = pass->kernels;
    const float *table = pass->weights + pass->at.square;
    const float *projection = pass->weights + (to ? pass->at.to : pass->at.from);
    size_t width = pass->shape.square, move = pass->shape.move, at = 0;
    struct net_squares *squares = to ? &b->to : &b->from;
    for (size_t i = 0; i < b->count; i++) {
        const struct features *f = &b->rows[i].features;
        const struct features_square *list = to ? f->to : f->from;
        int count = to ? f->to_count : f->from_count;
        squares->start[i] = at;
        for (int q = 0; q < count; q++, at++) {
            float *sum = squares->s + at * width;
            memset(sum, 0, width * sizeof(float));
            k->rows_sum(sum, table + list[q].shift * width, width, f->relative,
                        (size_t)f->relative_count);
            k->rows_sum(sum, table, width, list[q].rows, 2);
        }
    }
    squares->start[b->count] = at;
    k->relu(squares->s, at * width, 1, NULL, 0);
    k->gemm(at, move, width, squares->s, width, 1, projection, move, squares->p, move, 0);
}

/* Counter-based noise: the same for the same seed and place, whatever was drawn before. */
static uint64_t noise_at(uint64_t seed, uint64_t place)
{
    return rand_mix(seed + place * RAND_MIX_STEP);
}

static void noise_fill(uint8_t *noise, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i += 8) {
        uint64_t x = noise_at(seed, i / 8);
        memcpy(noise + i, &x, 8);
    }
}

/* out + gate for every position; with dropout, some qualities of moves do not count for a position.
 */
static void out_forward(struct net_batch *b, const struct net_pass *pass, const uint8_t *noise,
                        int threshold, float scale)
{
    size_t width = pass->shape.move, outputs = outputs_of(&pass->shape);
    const float *out = pass->weights + pass->at.out;
    for (size_t i = 0; i < b->count; i++) {
        const float *gate = b->t + i * outputs + width;
        float *row = b->out + i * width;
        for (size_t j = 0; j < width; j++)
            row[j] = (out[j] + gate[j]) * scale;
        if (noise)
            for (size_t j = 0; j < width; j++)
                row[j] = noise[i * width + j] < threshold ? 0 : row[j];
    }
}

static void moves_forward(struct net_batch *b, const struct net_pass *pass)
{
    const struct learn_kernels *k = pass->kernels;
    size_t width = pass->shape.move, outputs = outputs_of(&pass->shape), at = 0;
    const float *table = pass->weights + pass->at.move;
    for (size_t i = 0; i < b->count; i++) {
        struct net_row *row = &b->rows[i];
        const struct features *f = &row->features;
        const float *base[3] = { b->t + i * outputs, NULL, NULL };
        b->move_start[i] = at;
        for (int m = 0; m < f->move_count; m++, at++) {
            base[1] = b->from.p + (b->from.start[i] + f->move_from[m]) * width;
            base[2] = b->to.p + (b->to.start[i] + f->move_to[m]) * width;
            size_t start = f->move_start[m];
            row->policy[m] = k->unit(b->z + at * width, base, table, width, f->rows + start,
                                     f->move_start[m + 1] - start, b->out + i * width);
        }
        float truth = row->policy[row->truth];
        row->policy_loss = k->softmax(row->policy, (size_t)f->move_count) - truth;
    }
    b->move_start[b->count] = at;
}

static void value_forward(struct net_batch *b, const struct net_pass *pass)
{
    const struct learn_kernels *k = pass->kernels;
    size_t width = pass->shape.value, outputs = outputs_of(&pass->shape);
    for (size_t i = 0; i < b->count; i++) {
        struct net_row *row = &b->rows[i];
        float *hidden = b->t + i * outputs + 2 * pass->shape.move;
        k->relu(hidden, width, 1, NULL, 0);
        memcpy(row->value, pass->weights + pass->at.value_bias, sizeof row->value);
        k->gemm(1, LEARN_LANES, width, hidden, width, 1, pass->weights + pass->at.value,
                LEARN_LANES, row->value, LEARN_LANES, 1);
        float truth = row->outcome >= 0 ? row->value[row->outcome] : 0;
        float log_sum = k->softmax(row->value, 3);
        row->value_loss = row->outcome >= 0 ? log_sum - truth : 0;
    }
}

void net_forward(struct net_batch *b, const struct net_pass *pass, const uint64_t *noise_seed)
{
    const struct learn_kernels *k = pass->kernels;
    const struct net_shape *s = &pass->shape;
    size_t outputs = outputs_of(s);
    bool drop = noise_seed && pass->dropout > 0;
    int threshold = (int)lrintf(pass->dropout * 256);
    float scale = drop ? 256.0f / (float)(256 - threshold) : 1;

    b->noise_seed = noise_seed ? *noise_seed : 0;
    if (drop)
        noise_fill(b->noise, b->count * (s->bag + s->move), *noise_seed);
    bag_forward(b, pass);
    k->relu(b->h, b->count * s->bag, scale, drop ? b->noise : NULL, threshold);
    for (size_t i = 0; i < b->count; i++)
        memcpy(b->t + i * outputs, pass->weights + pass->at.trunk_bias, outputs * sizeof(float));
    k->gemm(b->count, outputs, s->bag, b->h, s->bag, 1, pass->weights + pass->at.trunk, outputs,
            b->t, outputs, 1);

    squares_forward(b, pass, false);
    squares_forward(b, pass, true);
    out_forward(b, pass, drop ? b->noise + b->count * s->bag : NULL, threshold, scale);
    moves_forward(b, pass);
    value_forward(b, pass);
}

/* ------------------------------------------------------------------ backward */

enum { BAG_TOUCHED = 0, SQUARES_TOUCHED = BAG_ROWS, MOVES_TOUCHED = BAG_ROWS + SQUARE_ROWS };

static void touch(const struct net_pass *pass, size_t first, const uint16_t *rows, size_t count)
{
    if (!pass->touched)
        return;
    for (size_t i = 0; i < count; i++)
        pass->touched[first + rows[i]] = 1;
}

/* The gradient's row of a square, made when the first move needs it. `slot` is -1 for squares not
 * used. */
static float *used_row(struct net_squares *squares, const struct net_pass *pass,
                       const struct features *f, const struct features_square *square, size_t row,
                       int *slot)
{
    size_t width = pass->shape.square, move = pass->shape.move;
    if (*slot < 0) {
        *slot = (int)squares->used_count++;
        squares->used[*slot] = (struct net_used){ .features = f, .square = square };
        memcpy(squares->used_s + (size_t)*slot * width, squares->s + row * width,
               width * sizeof(float));
        memset(squares->d_p + (size_t)*slot * move, 0, move * sizeof(float));
    }
    return squares->d_p + (size_t)*slot * move;
}

/* The share of the gradient that a move gets: what it is, or what the roulette makes of it. */
static float share_of(const struct net_row *row, int m, float roulette, uint64_t noise)
{
    float share = row->policy[m] - (m == row->truth ? 1.0f : 0.0f);
    if (fabsf(share) >= roulette)
        return share;
    return (float)(noise & 0xffff) * roulette < fabsf(share) * 65536 ? copysignf(roulette, share)
                                                                     : 0;
}

static void moves_backward(struct net_batch *b, const struct net_pass *pass, float *d_t,
                           float *d_out)
{
    const struct learn_kernels *k = pass->kernels;
    size_t width = pass->shape.move, outputs = outputs_of(&pass->shape);
    float *d_table = pass->gradient + pass->at.move;
    b->from.used_count = b->to.used_count = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct net_row *row = &b->rows[i];
        const struct features *f = &row->features;
        float *d_base[3] = { d_t + i * outputs, NULL, NULL };
        int from_slot[FROM_MAX], to_slot[TO_MAX];
        uint64_t noise = 0;
        memset(from_slot, -1, sizeof from_slot);
        memset(to_slot, -1, sizeof to_slot);
        for (int m = 0; m < f->move_count; m++, noise >>= 16) {
            if (m % 4 == 0)
                noise = noise_at(~b->noise_seed, i * (CHESS_MOVES_MAX / 4) + (size_t)m / 4);
            float share = share_of(row, m, pass->roulette, noise);
            if (share == 0)
                continue;
            int from = f->move_from[m], to = f->move_to[m];
            d_base[1] = used_row(&b->from, pass, f, &f->from[from], b->from.start[i] + (size_t)from,
                                 &from_slot[from]);
            d_base[2] = used_row(&b->to, pass, f, &f->to[to], b->to.start[i] + (size_t)to,
                                 &to_slot[to]);
            const uint16_t *rows = f->rows + f->move_start[m];
            size_t count = f->move_start[m + 1] - f->move_start[m];
            k->unit_back(share, b->z + (b->move_start[i] + (size_t)m) * width, b->out + i * width,
                         d_out + i * width, d_base, d_table, width, rows, count);
            touch(pass, MOVES_TOUCHED, rows, count);
        }
    }
}

/* From the gradient of (out + gate) * scale, or 0 where dropped, to those of out and gate. */
static void out_backward(struct net_batch *b, const struct net_pass *pass, const float *d_out,
                         float *d_t, float scale)
{
    size_t width = pass->shape.move, outputs = outputs_of(&pass->shape);
    float *d_weights = pass->gradient + pass->at.out;
    for (size_t i = 0; i < b->count; i++) {
        float *d_gate = d_t + i * outputs + width;
        const float *out = b->out + i * width;
        for (size_t j = 0; j < width; j++) {
            /* a unit that is exactly 0 was dropped */
            float d = out[j] != 0 ? d_out[i * width + j] * scale : 0;
            d_gate[j] += d;
            d_weights[j] += d;
        }
    }
}

static void value_backward(struct net_batch *b, const struct net_pass *pass, float *d_t)
{
    const struct learn_kernels *k = pass->kernels;
    size_t width = pass->shape.value, outputs = outputs_of(&pass->shape);
    const float *weights = pass->weights + pass->at.value;
    for (size_t i = 0; i < b->count; i++) {
        const struct net_row *row = &b->rows[i];
        const float *hidden = b->t + i * outputs + 2 * pass->shape.move;
        float *d_hidden = d_t + i * outputs + 2 * pass->shape.move;
        float d[LEARN_LANES] = { 0 };
        if (row->outcome < 0)
            continue;
        for (int c = 0; c < 3; c++)
            d[c] = pass->value_weight * (row->value[c] - (c == row->outcome ? 1.0f : 0.0f));
        for (size_t j = 0; j < width; j++) {
            d_hidden[j] = hidden[j] > 0 ? k->dot(d, weights + j * LEARN_LANES, LEARN_LANES) : 0;
            k->axpy(pass->gradient + pass->at.value + j * LEARN_LANES, hidden[j], d, LEARN_LANES);
        }
        k->axpy(pass->gradient + pass->at.value_bias, 1, d, LEARN_LANES);
    }
}

/* Gradients of the projection and of the square rows. */
static void squares_backward(struct net_batch *b, const struct net_pass *pass, bool to)
{
    const struct learn_kernels *k = pass->kernels;
    struct net_squares *squares = to ? &b->to : &b->from;
    size_t width = pass->shape.square, move = pass->shape.move, rows = squares->used_count;
    size_t projection = to ? pass->at.to : pass->at.from;
    const float *transposed = pass->transposed +
                              (size_t)pass->shape.bag * outputs_of(&pass->shape) +
                              (to ? width * move : 0);
    float *d_table = pass->gradient + pass->at.square;

    k->gemm(width, move, rows, squares->used_s, 1, width, squares->d_p, move,
            pass->gradient + projection, move, 1);
    k->gemm(rows, width, move, squares->d_p, move, 1, transposed, width, squares->d_s, width, 0);
    k->relu_back(squares->d_s, squares->used_s, rows * width, 1);
    for (size_t q = 0; q < rows; q++) {
        const struct features *f = squares->used[q].features;
        const struct features_square *square = squares->used[q].square;
        k->rows_add(d_table + square->shift * width, width, f->relative, (size_t)f->relative_count,
                    squares->d_s + q * width);
        k->rows_add(d_table, width, square->rows, 2, squares->d_s + q * width);
        touch(pass, SQUARES_TOUCHED + square->shift, f->relative, (size_t)f->relative_count);
        touch(pass, SQUARES_TOUCHED, square->rows, 2);
    }
}

void net_backward(struct net_batch *b, const struct net_pass *pass)
{
    const struct learn_kernels *k = pass->kernels;
    const struct net_shape *s = &pass->shape;
    size_t n = b->count, outputs = outputs_of(s), rows = NET_BATCH_MAX;
    int threshold = (int)lrintf(pass->dropout * 256);
    float scale = pass->dropout > 0 ? 256.0f / (float)(256 - threshold) : 1;
    float *d_h = b->h + rows * s->bag, *d_t = b->t + rows * outputs,
          *d_out = b->out + rows * s->move;

    memset(d_t, 0, n * outputs * sizeof(float));
    memset(d_out, 0, n * s->move * sizeof(float));
    moves_backward(b, pass, d_t, d_out);
    out_backward(b, pass, d_out, d_t, scale);
    value_backward(b, pass, d_t);
    squares_backward(b, pass, false);
    squares_backward(b, pass, true);

    k->gemm(s->bag, outputs, n, b->h, 1, s->bag, d_t, outputs, pass->gradient + pass->at.trunk,
            outputs, 1);
    for (size_t i = 0; i < n; i++)
        k->axpy(pass->gradient + pass->at.trunk_bias, 1, d_t + i * outputs, outputs);
    k->gemm(n, s->bag, outputs, d_t, outputs, 1, pass->transposed, s->bag, d_h, s->bag, 0);
    k->relu_back(d_h, b->h, n * s->bag, scale);
    for (size_t i = 0; i < n; i++) {
        const struct features *f = &b->rows[i].features;
        k->rows_add(pass->gradient + pass->at.bag, s->bag, f->bag, (size_t)f->bag_count,
                    d_h + i * s->bag);
        touch(pass, BAG_TOUCHED, f->bag, (size_t)f->bag_count);
    }
}

/* ------------------------------------------------------------------ transposed copies */

size_t net_transpose_count(const struct net_shape *s)
{
    return s->bag * outputs_of(s) + 2 * (size_t)s->square * s->move;
}

static float *transpose(const float *in, size_t rows, size_t columns, float *out)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            out[c * rows + r] = in[r * columns + c];
    return out + rows * columns;
}

void net_transpose(const struct net_shape *s, const struct net_layout *at, const float *weights,
                   float *out)
{
    out = transpose(weights + at->trunk, s->bag, outputs_of(s), out);
    out = transpose(weights + at->from, s->square, s->move, out);
    transpose(weights + at->to, s->square, s->move, out);
}
