/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mlp_batch.c -- one step of the network: forward, backward, and what it folds to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/learn/mlp_internal.h"

static void place(struct mlp *m)
{
    size_t at = 0;
    for (size_t l = 0; l < m->shape.layer_count; l++) {
        struct mlp_layer *layer = &m->layers[l];
        layer->inputs = l == 0 ? m->shape.feature_count : m->layers[l - 1].outputs;
        layer->outputs = learn_dense_padded(m->shape.width[l]);
        layer->matrix = at;
        layer->scale = layer->matrix + layer->inputs * layer->outputs;
        layer->shift = layer->scale + (l + 1 < m->shape.layer_count ? layer->outputs : 0);
        at = layer->shift + layer->outputs;
    }
    m->weight_count = at;
}

static bool allocate(struct mlp *m)
{
    size_t floats = 2 * m->weight_count, bytes = 0, largest = 0;
    for (size_t l = 0; l < m->shape.layer_count; l++) {
        const struct mlp_layer *layer = &m->layers[l];
        size_t matrix = layer->inputs * layer->outputs;
        floats += (3 * m->row_max + 3) * layer->outputs;
        bytes += m->row_max * layer->outputs;
        largest = matrix > largest ? matrix : largest;
    }
    m->floats = learn_floats(floats + largest);
    m->bytes = calloc(bytes, 1);
    if (!m->floats || !m->bytes)
        return false;
    float *next = m->floats;
    uint8_t *next_byte = m->bytes;
    m->weights = next;
    m->gradient = next += m->weight_count;
    next += m->weight_count;
    for (size_t l = 0; l < m->shape.layer_count; l++) {
        struct mlp_layer *layer = &m->layers[l];
        size_t count = m->row_max * layer->outputs;
        layer->normal = next;
        layer->out = next += count;
        layer->d_out = next += count;
        layer->deviation = next += count;
        layer->running_mean = next += layer->outputs;
        layer->running_variance = next += layer->outputs;
        next += layer->outputs;
        layer->drop = next_byte;
        next_byte += count;
    }
    m->transposed = next;
    return true;
}

err mlp_init(struct mlp *m, const struct learn_dense_shape *shape, size_t row_max, double dropout,
             struct rng *rng)
{
    TRY(learn_dense_shape_check(shape));
    *m = (struct mlp){ .shape = *shape,
                       .kernels = learn_kernels_best(),
                       .row_max = row_max,
                       .drop_below = (int)lround(dropout * 256) };
    place(m);
    if (!allocate(m)) {
        mlp_deinit(m);
        return ERR(ERR_NO_MEMORY, "no memory to train a network of %zu weights", m->weight_count);
    }
    for (size_t l = 0; l < shape->layer_count; l++) {
        const struct mlp_layer *layer = &m->layers[l];
        size_t inputs = l == 0 ? shape->feature_count : shape->width[l - 1];
        double bound = sqrt(6.0 / (double)(inputs + shape->width[l]));
        for (size_t i = 0; i < inputs; i++)
            for (size_t o = 0; o < shape->width[l]; o++)
                m->weights[layer->matrix + i * layer->outputs + o] =
                    (float)(bound * (2 * rng_unit(rng) - 1));
        for (size_t o = 0; o < shape->width[l] && l + 1 < shape->layer_count; o++) {
            m->weights[layer->scale + o] = 1;
            layer->running_variance[o] = 1;
        }
    }
    return OK;
}

void mlp_deinit(struct mlp *m)
{
    free(m->floats);
    free(m->bytes);
    m->floats = NULL;
    m->bytes = NULL;
}

void mlp_draw(struct mlp *m, size_t rows, struct rng *rng)
{
    for (size_t l = 0; l + 1 < m->shape.layer_count && m->drop_below; l++) {
        const struct mlp_layer *layer = &m->layers[l];
        /* a multiple of 8, because outputs is */
        for (size_t i = 0; i < rows * layer->outputs; i += 8) {
            uint64_t bits = rng_u64(rng);
            memcpy(layer->drop + i, &bits, sizeof bits);
        }
    }
}

static float keep_scale(const struct mlp *m)
{
    return 256.0F / (float)(256 - m->drop_below);
}

/* ------------------------------------------------------------------ forward */

/* Mean and deviation of each column of layer->normal, which is what the matrix gave, and the same
 * normalised. Two passes, because the mean may be large beside the deviation. */
static void normalise(struct mlp_layer *layer, size_t rows)
{
    float mean[LEARN_WIDTH_MAX] = { 0 }, variance[LEARN_WIDTH_MAX] = { 0 };
    size_t outputs = layer->outputs;
    float share = 1.0F / (float)rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++)
            mean[o] += layer->normal[r * outputs + o];
    for (size_t o = 0; o < outputs; o++)
        mean[o] *= share;
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++) {
            float gap = layer->normal[r * outputs + o] - mean[o];
            variance[o] += gap * gap;
            layer->normal[r * outputs + o] = gap;
        }
    float unbiased = (float)rows / (float)(rows - 1);
    for (size_t o = 0; o < outputs; o++) {
        variance[o] *= share;
        layer->deviation[o] = 1.0F / sqrtf(variance[o] + MLP_NORM_EPSILON);
        layer->running_mean[o] += MLP_NORM_MOMENTUM * (mean[o] - layer->running_mean[o]);
        layer->running_variance[o] += MLP_NORM_MOMENTUM *
                                      (variance[o] * unbiased - layer->running_variance[o]);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++)
            layer->normal[r * outputs + o] *= layer->deviation[o];
}

static void forward(struct mlp *m, const float *rows, size_t row_count)
{
    size_t last = m->shape.layer_count - 1;
    const float *in = rows;
    for (size_t l = 0; l <= last; l++) {
        struct mlp_layer *layer = &m->layers[l];
        size_t outputs = layer->outputs;
        const float *matrix = m->weights + layer->matrix, *shift = m->weights + layer->shift;
        float *product = l < last ? layer->normal : layer->out;
        m->kernels->gemm(row_count, outputs, layer->inputs, in, layer->inputs, 1, matrix, outputs,
                         product, outputs, 0);
        if (l == last) {
            for (size_t r = 0; r < row_count; r++) {
                m->kernels->axpy(layer->out + r * outputs, 1, shift, outputs);
                m->kernels->softmax(layer->out + r * outputs, m->shape.width[l]);
            }
            return;
        }
        normalise(layer, row_count);
        const float *scale = m->weights + layer->scale;
        for (size_t r = 0; r < row_count; r++)
            for (size_t o = 0; o < outputs; o++)
                layer->out[r * outputs + o] = layer->normal[r * outputs + o] * scale[o] + shift[o];
        m->kernels->relu(layer->out, row_count * outputs, keep_scale(m),
                         m->drop_below ? layer->drop : NULL, m->drop_below);
        in = layer->out;
    }
}

/* ------------------------------------------------------------------ backward */

/* Of the mean loss with respect to the logits, into d_out of the last layer. */
static void loss_back(struct mlp *m, const uint8_t *labels, size_t rows,
                      const struct mlp_loss *loss, struct learn_loss *sum)
{
    size_t last = m->shape.layer_count - 1, classes = m->shape.width[last];
    struct mlp_layer *layer = &m->layers[last];
    double weight_sum = 0;
    for (size_t r = 0; r < rows; r++)
        weight_sum += loss->class_weights[labels[r]];
    for (size_t r = 0; r < rows; r++) {
        const float *p = layer->out + r * layer->outputs;
        float *d = layer->d_out + r * layer->outputs;
        double weight = loss->class_weights[labels[r]];
        learn_loss_add(sum, p, classes, labels[r], weight, loss->danger);
        float share = (float)(weight_sum > 0 ? weight / weight_sum : 0), risk = 0;
        size_t danger = 0;
        if (loss->danger && loss->lambda > 0) {
            danger = loss->danger[labels[r]];
            risk = (float)(loss->lambda / (double)rows) * p[danger];
        }
        memset(d, 0, layer->outputs * sizeof *d);
        for (size_t c = 0; c < classes; c++)
            d[c] = (share - risk) * p[c];
        d[labels[r]] -= share;
        d[danger] += risk;
    }
}

/* From the gradient of what the norm gave, scaled and shifted, to that of what it was given, both
 * in d_out; and those of scale and shift. */
static void normalise_back(struct mlp *m, struct mlp_layer *layer, size_t rows)
{
    size_t outputs = layer->outputs;
    float *d_scale = m->gradient + layer->scale, *d_shift = m->gradient + layer->shift;
    const float *scale = m->weights + layer->scale;
    float share = 1.0F / (float)rows;
    memset(d_scale, 0, outputs * sizeof *d_scale);
    memset(d_shift, 0, outputs * sizeof *d_shift);
    for (size_t r = 0; r < rows; r++) {
        const float *d = layer->d_out + r * outputs, *normal = layer->normal + r * outputs;
        for (size_t o = 0; o < outputs; o++) {
            d_shift[o] += d[o];
            d_scale[o] += d[o] * normal[o];
        }
    }
    for (size_t r = 0; r < rows; r++) {
        float *d = layer->d_out + r * outputs;
        const float *normal = layer->normal + r * outputs;
        for (size_t o = 0; o < outputs; o++)
            d[o] = scale[o] * layer->deviation[o] *
                   (d[o] - share * (d_shift[o] + normal[o] * d_scale[o]));
    }
}

static void transpose(const float *matrix, size_t rows, size_t columns, float *out)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            out[c * rows + r] = matrix[r * columns + c];
}

static void backward(struct mlp *m, const float *rows, size_t row_count)
{
    size_t last = m->shape.layer_count - 1;
    for (size_t l = last + 1; l-- > 0;) {
        struct mlp_layer *layer = &m->layers[l];
        size_t inputs = layer->inputs, outputs = layer->outputs;
        if (l == last) {
            float *d_shift = m->gradient + layer->shift;
            memset(d_shift, 0, outputs * sizeof *d_shift);
            for (size_t r = 0; r < row_count; r++)
                m->kernels->axpy(d_shift, 1, layer->d_out + r * outputs, outputs);
        } else {
            m->kernels->relu_back(layer->d_out, layer->out, row_count * outputs, keep_scale(m));
            normalise_back(m, layer, row_count);
        }
        const float *in = l > 0 ? m->layers[l - 1].out : rows;
        m->kernels->gemm(inputs, outputs, row_count, in, 1, inputs, layer->d_out, outputs,
                         m->gradient + layer->matrix, outputs, 0);
        if (l == 0)
            return;
        transpose(m->weights + layer->matrix, inputs, outputs, m->transposed);
        m->kernels->gemm(row_count, inputs, outputs, layer->d_out, outputs, 1, m->transposed,
                         inputs, m->layers[l - 1].d_out, inputs, 0);
    }
}

void mlp_step(struct mlp *m, const float *rows, const uint8_t *labels, size_t row_count,
              const struct mlp_loss *loss, struct learn_loss *sum)
{
    forward(m, rows, row_count);
    loss_back(m, labels, row_count, loss, sum);
    backward(m, rows, row_count);
}

/* ------------------------------------------------------------------ serving */

void mlp_fold(const struct mlp *m, struct learn_dense *d)
{
    for (size_t l = 0; l < m->shape.layer_count; l++) {
        const struct mlp_layer *layer = &m->layers[l];
        bool is_last = l + 1 == m->shape.layer_count;
        float *bias = learn_dense_bias(d, l);
        for (size_t o = 0; o < layer->outputs; o++) {
            double factor = 1, mean = 0;
            if (!is_last) {
                double variance = (double)layer->running_variance[o] + (double)MLP_NORM_EPSILON;
                factor = (double)m->weights[layer->scale + o] / sqrt(variance);
                mean = (double)layer->running_mean[o];
            }
            bias[o] = (float)((double)m->weights[layer->shift + o] - mean * factor);
            for (size_t i = 0; i < layer->inputs; i++) {
                size_t at = i * layer->outputs + o;
                d->weights[l][at] = (float)((double)m->weights[layer->matrix + at] * factor);
            }
        }
    }
}
