/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Trained weights stay below 10; folding a batch norm may multiply by 300. A file with more is not
 * one of ours. */
#define WEIGHT_MAX 1e6f
#define MEAN_MAX 1e300

float *learn_floats(size_t count)
{
    size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    float *p = aligned_alloc(64, bytes ? bytes : 64);
    if (p)
        memset(p, 0, bytes);
    return p;
}

size_t learn_dense_padded(size_t width)
{
    return (width + LEARN_LANES - 1) / LEARN_LANES * LEARN_LANES;
}

err learn_dense_shape_check(const struct learn_dense_shape *s)
{
    if (s->feature_count == 0 || s->feature_count > LEARN_FEATURES_MAX)
        return ERR(ERR_INVALID, "a network of %zu features: give 1 to %d", s->feature_count,
                   LEARN_FEATURES_MAX);
    if (s->layer_count == 0 || s->layer_count > LEARN_LAYERS_MAX)
        return ERR(ERR_INVALID, "a network of %zu layers: give 1 to %d", s->layer_count,
                   LEARN_LAYERS_MAX);
    for (size_t l = 0; l < s->layer_count; l++)
        if (s->width[l] == 0 || s->width[l] > LEARN_WIDTH_MAX)
            return ERR(ERR_INVALID, "layer %zu of the network is %zu wide: give 1 to %d", l + 1,
                       s->width[l], LEARN_WIDTH_MAX);
    size_t classes = s->width[s->layer_count - 1];
    if (classes < 2 || classes > LEARN_CLASSES_MAX)
        return ERR(ERR_INVALID, "a network of %zu classes: give 2 to %d", classes,
                   LEARN_CLASSES_MAX);
    return OK;
}

size_t learn_dense_inputs(const struct learn_dense *d, size_t layer)
{
    return layer == 0 ? d->shape.feature_count : learn_dense_padded(d->shape.width[layer - 1]);
}

float *learn_dense_bias(const struct learn_dense *d, size_t layer)
{
    return d->weights[layer] +
           learn_dense_inputs(d, layer) * learn_dense_padded(d->shape.width[layer]);
}

err learn_dense_new(const struct learn_dense_shape *shape, struct learn_dense **ret_dense)
{
    size_t at[LEARN_LAYERS_MAX], count = 0;
    TRY(learn_dense_shape_check(shape));
    struct learn_dense *d = calloc(1, sizeof *d);
    if (!d)
        return ERR(ERR_NO_MEMORY, "no memory for a network");
    d->shape = *shape;
    d->kernels = learn_kernels_best();
    for (size_t l = 0; l < shape->layer_count; l++) {
        at[l] = count;
        count += (learn_dense_inputs(d, l) + 1) * learn_dense_padded(shape->width[l]);
    }
    d->memory = learn_floats(count);
    d->mean = calloc(2 * shape->feature_count, sizeof *d->mean);
    if (!d->memory || !d->mean) {
        learn_dense_free(d);
        return ERR(ERR_NO_MEMORY, "no memory for a network of %zu weights", count);
    }
    d->inverse_scale = d->mean + shape->feature_count;
    for (size_t f = 0; f < shape->feature_count; f++)
        d->inverse_scale[f] = 1;
    for (size_t l = 0; l < shape->layer_count; l++)
        d->weights[l] = d->memory + at[l];
    *ret_dense = d;
    return OK;
}

void learn_dense_free(struct learn_dense *d)
{
    if (!d)
        return;
    free(d->memory);
    free(d->mean);
    free(d);
}

size_t learn_dense_bytes(const struct learn_dense *d)
{
    size_t bytes = sizeof *d + 2 * d->shape.feature_count * sizeof *d->mean;
    for (size_t l = 0; l < d->shape.layer_count; l++)
        bytes += (learn_dense_inputs(d, l) + 1) * learn_dense_padded(d->shape.width[l]) *
                 sizeof *d->memory;
    return bytes;
}

static void uniform(float *probability, size_t count)
{
    for (size_t c = 0; c < count; c++)
        probability[c] = 1.0F / (float)count;
}

void learn_dense_predict(const struct learn_dense *d, const double *features, float *probability)
{
    _Alignas(64) float values[2][LEARN_WIDTH_MAX];
    float *from = values[0], *to = values[1];
    size_t last = d->shape.layer_count - 1, classes = d->shape.width[last];

    _Static_assert((int)LEARN_FEATURES_MAX <= (int)LEARN_WIDTH_MAX, "features start in `values`");
    for (size_t f = 0; f < d->shape.feature_count; f++)
        from[f] = learn_scaled(features[f], d->mean[f], d->inverse_scale[f]);
    for (size_t l = 0; l <= last; l++) {
        size_t outputs = learn_dense_padded(d->shape.width[l]);
        memcpy(to, learn_dense_bias(d, l), outputs * sizeof *to);
        d->kernels->gemm(1, outputs, learn_dense_inputs(d, l), from, 0, 1, d->weights[l], outputs,
                         to, outputs, 1);
        if (l < last)
            d->kernels->relu(to, outputs, 1, NULL, 0);
        float *swap = from;
        from = to;
        to = swap;
    }
    for (size_t c = 0; c < classes; c++)
        if (!isfinite(from[c])) {
            uniform(probability, classes);
            return;
        }
    d->kernels->softmax(from, classes);
    memcpy(probability, from, classes * sizeof *probability);
}

/* ------------------------------------------------------------------ as bytes */

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Only rows and columns that mean something: the padding is a matter of this program. */
static size_t real_inputs(const struct learn_dense_shape *s, size_t layer)
{
    return layer == 0 ? s->feature_count : s->width[layer - 1];
}

void learn_dense_write(const struct learn_dense *d, struct buf *out)
{
    const struct learn_dense_shape *s = &d->shape;
    buf_add_u32(out, (uint32_t)s->layer_count);
    for (size_t l = 0; l < s->layer_count; l++)
        buf_add_u32(out, (uint32_t)s->width[l]);
    for (size_t f = 0; f < s->feature_count; f++)
        buf_add_u64(out, bits_of(d->mean[f]));
    for (size_t f = 0; f < s->feature_count; f++)
        buf_add_u64(out, bits_of(d->inverse_scale[f]));
    for (size_t l = 0; l < s->layer_count; l++) {
        const float *bias = learn_dense_bias(d, l);
        for (size_t i = 0; i < real_inputs(s, l); i++)
            for (size_t o = 0; o < s->width[l]; o++)
                buf_add_f32(out, d->weights[l][i * learn_dense_padded(s->width[l]) + o]);
        for (size_t o = 0; o < s->width[l]; o++)
            buf_add_f32(out, bias[o]);
    }
}

static err shape_read(struct cursor *c, size_t feature_count, size_t class_count,
                      struct learn_dense_shape *ret_shape)
{
    struct learn_dense_shape s = { .feature_count = feature_count, .layer_count = cursor_u32(c) };
    size_t bytes = 2 * feature_count * sizeof(double);
    if (s.layer_count > LEARN_LAYERS_MAX)
        return ERR(ERR_CORRUPT, "a network of %zu layers: at most %d are served", s.layer_count,
                   LEARN_LAYERS_MAX);
    for (size_t l = 0; l < s.layer_count; l++)
        s.width[l] = cursor_u32(c);
    if (c->bad || learn_dense_shape_check(&s).code || s.width[s.layer_count - 1] != class_count)
        return ERR(ERR_CORRUPT, "the network has impossible widths");
    for (size_t l = 0; l < s.layer_count; l++)
        bytes += (real_inputs(&s, l) + 1) * s.width[l] * sizeof(float);
    if (cursor_left(c) < bytes)
        return ERR(ERR_CORRUPT, "the network is cut short: %zu bytes are left of %zu",
                   cursor_left(c), bytes);
    *ret_shape = s;
    return OK;
}

bool learn_dense_is_sane(const struct learn_dense *d)
{
    for (size_t f = 0; f < d->shape.feature_count; f++)
        if (!(fabs(d->mean[f]) <= MEAN_MAX) || !(d->inverse_scale[f] > 0) ||
            !isfinite(d->inverse_scale[f]))
            return false;
    for (size_t l = 0; l < d->shape.layer_count; l++) {
        size_t padded = learn_dense_padded(d->shape.width[l]);
        for (size_t i = 0; i < (learn_dense_inputs(d, l) + 1) * padded; i++)
            if (!(fabsf(d->weights[l][i]) <= WEIGHT_MAX))
                return false;
    }
    return true;
}

/* There are as many bytes; a call of the cursor for each weight would take most of the time that
 * loading takes. */
static void weights_read(struct cursor *c, float *weights, size_t count)
{
    str bytes = cursor_bytes(c, count * sizeof *weights);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *b = (const unsigned char *)bytes.ptr + 4 * i;
        uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(&weights[i], &bits, sizeof bits);
    }
}

err learn_dense_read(struct cursor *c, size_t feature_count, size_t class_count,
                     struct learn_dense **ret_dense)
{
    struct learn_dense_shape shape = { 0 };
    struct learn_dense *d;
    TRY(shape_read(c, feature_count, class_count, &shape));
    TRY(learn_dense_new(&shape, &d));
    for (size_t f = 0; f < feature_count; f++)
        d->mean[f] = double_of(cursor_u64(c));
    for (size_t f = 0; f < feature_count; f++)
        d->inverse_scale[f] = double_of(cursor_u64(c));
    for (size_t l = 0; l < shape.layer_count; l++) {
        size_t padded = learn_dense_padded(shape.width[l]);
        for (size_t i = 0; i < real_inputs(&shape, l); i++)
            weights_read(c, d->weights[l] + i * padded, shape.width[l]);
        weights_read(c, learn_dense_bias(d, l), shape.width[l]);
    }
    if (!learn_dense_is_sane(d)) {
        learn_dense_free(d);
        return ERR(ERR_CORRUPT, "the network holds a number that is not sane");
    }
    *ret_dense = d;
    return OK;
}
