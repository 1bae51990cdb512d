/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels_body.h -- the source of all builds of the kernels, written once in the vector extension
 * of GCC and clang. The including file sets LANES_NATIVE (floats in a register), TILE_ROWS (rows of
 * C that fit the register file with two registers across) and KERNELS_NAME (the table to define).
 *
 * The multiply-adds are written as one expression, which both compilers fuse where the target has
 * FMA.
 */
#include <math.h>
#include <string.h>

#include "engine/learn/kernels.h"

typedef float vec __attribute__((vector_size(LANES_NATIVE * 4), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(LANES_NATIVE * 4), aligned(4), may_alias));
enum { L = LANES_NATIVE };

_Static_assert(LEARN_LANES % LANES_NATIVE == 0, "a width must be whole registers");

static inline vec load(const float *p)
{
    return *(const vec *)p;
}

static inline void store(float *p, vec x)
{
    *(vec *)p = x;
}

static inline vec splat(float x)
{
    return x - (vec){ 0 };
}

static inline float sum_lanes(vec x)
{
    float s[L];
    memcpy(s, &x, sizeof s);
    for (int half = L / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            s[i] += s[i + half];
    return s[0];
}

/* ------------------------------------------------------------------ matrix product */

/* A tile of `rows` x (`across` registers) of C stays in registers while k runs. Always inlined with
 * constants, so that the arrays become registers. */
static inline __attribute__((always_inline)) void tile(size_t rows, size_t across, size_t k,
                                                       const float *a, size_t a_row, size_t a_col,
                                                       const float *b, size_t b_row, float *c,
                                                       size_t c_row, int add)
{
    vec sum[TILE_ROWS][2];
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < across; j++)
            sum[i][j] = add ? load(c + i * c_row + j * L) : (vec){ 0 };
    for (size_t s = 0; s < k; s++) {
        vec right[2];
#pragma GCC unroll 2
        for (size_t j = 0; j < across; j++)
            right[j] = load(b + s * b_row + j * L);
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
            vec left = splat(a[i * a_row + s * a_col]);
#pragma GCC unroll 2
            for (size_t j = 0; j < across; j++)
                sum[i][j] += left * right[j];
        }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size_t j = 0; j < across; j++)
            store(c + i * c_row + j * L, sum[i][j]);
}

/* One row of C, eight registers at a time: a prediction for one position is this. */
static inline void tile_row(size_t n, size_t k, const float *a, size_t a_col, const float *b,
                            size_t b_row, float *c, int add)
{
    size_t j = 0;
    for (; j + 8 * L <= n; j += 8 * L) {
        vec sum[8];
#pragma GCC unroll 8
        for (size_t x = 0; x < 8; x++)
            sum[x] = add ? load(c + j + x * L) : (vec){ 0 };
        for (size_t s = 0; s < k; s++) {
            vec left = splat(a[s * a_col]);
#pragma GCC unroll 8
            for (size_t x = 0; x < 8; x++)
                sum[x] += left * load(b + s * b_row + j + x * L);
        }
#pragma GCC unroll 8
        for (size_t x = 0; x < 8; x++)
            store(c + j + x * L, sum[x]);
    }
    for (; j + 2 * L <= n; j += 2 * L)
        tile(1, 2, k, a, 0, a_col, b + j, b_row, c + j, 0, add);
    for (; j < n; j += L)
        tile(1, 1, k, a, 0, a_col, b + j, b_row, c + j, 0, add);
}

static void gemm(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col,
                 const float *b, size_t b_row, float *c, size_t c_row, int add)
{
    size_t j = 0;
    if (m == 1) {
        tile_row(n, k, a, a_col, b, b_row, c, add);
        return;
    }
    for (; j + 2 * L <= n; j += 2 * L) {
        size_t i = 0;
        for (; i + TILE_ROWS <= m; i += TILE_ROWS)
            tile(TILE_ROWS, 2, k, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j,
                 c_row, add);
        for (; i + 4 <= m; i += 4)
            tile(4, 2, k, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row, add);
        for (; i < m; i++)
            tile(1, 2, k, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row, add);
    }
    for (; j < n; j += L) {
        size_t i = 0;
        for (; i + TILE_ROWS <= m; i += TILE_ROWS)
            tile(TILE_ROWS, 1, k, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j,
                 c_row, add);
        for (; i < m; i++)
            tile(1, 1, k, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row, add);
    }
}

/* ------------------------------------------------------------------ rows of a table */

/* `across` registers of the row stay in registers while the rows are walked. */
static inline __attribute__((always_inline)) void rows_sum_part(size_t across, float *out,
                                                                const float *table, size_t width,
                                                                const uint16_t *rows, size_t count)
{
    vec sum[4];
#pragma GCC unroll 4
    for (size_t j = 0; j < across; j++)
        sum[j] = load(out + j * L);
    for (size_t r = 0; r < count; r++) {
        const float *row = table + rows[r] * width;
#pragma GCC unroll 4
        for (size_t j = 0; j < across; j++)
            sum[j] += load(row + j * L);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < across; j++)
        store(out + j * L, sum[j]);
}

static void rows_sum(float *out, const float *table, size_t width, const uint16_t *rows,
                     size_t count)
{
    size_t i = 0;
    for (; i + 4 * L <= width; i += 4 * L)
        rows_sum_part(4, out + i, table + i, width, rows, count);
    for (; i + 2 * L <= width; i += 2 * L)
        rows_sum_part(2, out + i, table + i, width, rows, count);
    for (; i < width; i += L)
        rows_sum_part(1, out + i, table + i, width, rows, count);
}

static inline __attribute__((always_inline)) void rows_add_part(size_t across, float *table,
                                                                size_t width, const uint16_t *rows,
                                                                size_t count, const float *x)
{
    vec value[4];
#pragma GCC unroll 4
    for (size_t j = 0; j < across; j++)
        value[j] = load(x + j * L);
    for (size_t r = 0; r < count; r++) {
        float *row = table + rows[r] * width;
#pragma GCC unroll 4
        for (size_t j = 0; j < across; j++)
            store(row + j * L, load(row + j * L) + value[j]);
    }
}

static void rows_add(float *table, size_t width, const uint16_t *rows, size_t count, const float *x)
{
    size_t i = 0;
    for (; i + 4 * L <= width; i += 4 * L)
        rows_add_part(4, table + i, width, rows, count, x + i);
    for (; i + 2 * L <= width; i += 2 * L)
        rows_add_part(2, table + i, width, rows, count, x + i);
    for (; i < width; i += L)
        rows_add_part(1, table + i, width, rows, count, x + i);
}

/* ------------------------------------------------------------------ scored sums */

/* Returns the lanes of the score that this part of the width contributes. */
static inline __attribute__((always_inline)) vec unit_part(size_t across, float *z,
                                                           const float *const base[3],
                                                           const float *table, size_t width,
                                                           const uint16_t *rows, size_t count,
                                                           const float *out, size_t at)
{
    vec sum[4], score = { 0 };
#pragma GCC unroll 4
    for (size_t j = 0; j < across; j++)
        sum[j] = load(base[0] + at + j * L) + load(base[1] + at + j * L) +
                 load(base[2] + at + j * L);
    for (size_t r = 0; r < count; r++) {
        const float *row = table + rows[r] * width + at;
#pragma GCC unroll 4
        for (size_t j = 0; j < across; j++)
            sum[j] += load(row + j * L);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < across; j++) {
        vec kept = (vec)((ivec)sum[j] & (sum[j] > 0.0f));
        store(z + at + j * L, kept);
        score += kept * load(out + at + j * L);
    }
    return score;
}

static float unit(float *z, const float *const base[3], const float *table, size_t width,
                  const uint16_t *rows, size_t count, const float *out)
{
    vec score = { 0 };
    size_t i = 0;
    for (; i + 4 * L <= width; i += 4 * L)
        score += unit_part(4, z, base, table, width, rows, count, out, i);
    for (; i < width; i += L)
        score += unit_part(1, z, base, table, width, rows, count, out, i);
    return sum_lanes(score);
}

static inline __attribute__((always_inline)) void unit_back_part(
    size_t across, float d_score, const float *z, const float *out, float *d_out,
    float *const d_base[3], float *d_table, size_t width, const uint16_t *rows, size_t count,
    size_t at)
{
    vec d = splat(d_score), d_sum[4];
#pragma GCC unroll 4
    for (size_t j = 0; j < across; j++) {
        size_t i = at + j * L;
        vec kept = load(z + i);
        d_sum[j] = (vec)((ivec)(d * load(out + i)) & (kept > 0.0f));
        store(d_out + i, load(d_out + i) + d * kept);
        store(d_base[0] + i, load(d_base[0] + i) + d_sum[j]);
        store(d_base[1] + i, load(d_base[1] + i) + d_sum[j]);
        store(d_base[2] + i, load(d_base[2] + i) + d_sum[j]);
    }
    for (size_t r = 0; r < count; r++) {
        float *row = d_table + rows[r] * width + at;
#pragma GCC unroll 4
        for (size_t j = 0; j < across; j++)
            store(row + j * L, load(row + j * L) + d_sum[j]);
    }
}

static void unit_back(float d_score, const float *z, const float *out, float *d_out,
                      float *const d_base[3], float *d_table, size_t width, const uint16_t *rows,
                      size_t count)
{
    size_t i = 0;
    for (; i + 4 * L <= width; i += 4 * L)
        unit_back_part(4, d_score, z, out, d_out, d_base, d_table, width, rows, count, i);
    for (; i < width; i += L)
        unit_back_part(1, d_score, z, out, d_out, d_base, d_table, width, rows, count, i);
}

/* ------------------------------------------------------------------ vectors */

static float dot(const float *a, const float *b, size_t n)
{
    vec sum = { 0 };
    for (size_t i = 0; i < n; i += L)
        sum += load(a + i) * load(b + i);
    return sum_lanes(sum);
}

static void axpy(float *y, float factor, const float *x, size_t n)
{
    vec f = splat(factor);
    for (size_t i = 0; i < n; i += L)
        store(y + i, load(y + i) + f * load(x + i));
}

static void relu(float *x, size_t n, float scale, const uint8_t *drop, int threshold)
{
    vec factor = splat(scale);
    if (!drop) {
        for (size_t i = 0; i < n; i += L) {
            vec v = load(x + i);
            store(x + i, (vec)((ivec)(v * factor) & (v > 0.0f)));
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float kept = x[i] > 0 ? x[i] * scale : 0;
        x[i] = drop[i] < threshold ? 0 : kept;
    }
}

static void relu_back(float *dx, const float *y, size_t n, float scale)
{
    vec factor = splat(scale);
    for (size_t i = 0; i < n; i += L)
        store(dx + i, (vec)((ivec)(load(dx + i) * factor) & (load(y + i) > 0.0f)));
}

/* exp(x) for x <= 0: 2^round(x / ln 2) times a polynomial of the rest (Cephes' coefficients);
 * relative error below 2e-7. Anything below -87 gives 0. */
static inline vec exp_negative(vec x)
{
    const vec least = splat(-87.0f);
    ivec in_range = x > least;
    x = (vec)(((ivec)x & in_range) |
              ((ivec)least & ~in_range)); /* minus infinity has no whole part */
    const vec magic = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
    vec n = x * 1.44269504088896341f + magic;
    ivec exponent = (ivec)n - (ivec)magic;
    n -= magic;
    vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    vec result = (vec)((ivec)p + (exponent << 23));
    return (vec)((ivec)result & in_range);
}

static float softmax(float *x, size_t n)
{
    size_t padded = (n + LEARN_LANES - 1) / LEARN_LANES * LEARN_LANES;
    float top = x[0];
    for (size_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (size_t i = n; i < padded; i++)
        x[i] = -INFINITY;
    vec sum = { 0 };
    for (size_t i = 0; i < padded; i += L) {
        vec e = exp_negative(load(x + i) - top);
        sum += e;
        store(x + i, e);
    }
    float total = sum_lanes(sum);
    vec scale = splat(1.0f / total);
    for (size_t i = 0; i < padded; i += L)
        store(x + i, load(x + i) * scale);
    return top + logf(total);
}

/* ------------------------------------------------------------------ Adam */

static void adam(float *restrict w, float *restrict m, float *restrict v, float *const *parts,
                 size_t part_count, size_t n, const struct learn_adam_factors *f)
{
    const float beta1 = f->beta1, beta2 = f->beta2, rate = f->rate, epsilon = f->epsilon;
    const float second_scale = f->second_scale, keep = 1.0f - f->decay, scale = f->gradient_scale;
    /* blocks that stay in the first cache, so that summing costs one trip to memory a part */
    enum { BLOCK = 1024 };
    float gradient[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t count = n - at < BLOCK ? n - at : BLOCK;
        memset(gradient, 0, count * sizeof gradient[0]);
        for (size_t p = 0; p < part_count; p++) {
            float *restrict part = parts[p] + at;
            for (size_t i = 0; i < count; i++)
                gradient[i] += part[i];
            memset(part, 0, count * sizeof part[0]);
        }
        for (size_t i = 0; i < count; i++) {
            float g = gradient[i] * scale;
            float first = beta1 * m[at + i] + (1 - beta1) * g;
            float second = beta2 * v[at + i] + (1 - beta2) * (g * g);
            m[at + i] = first;
            v[at + i] = second;
            w[at + i] = keep * w[at + i] - rate * first / (sqrtf(second * second_scale) + epsilon);
        }
    }
}

static double square_sum(const float *x, size_t n)
{
    double sum[8] = { 0 };
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t i = n / 8 * 8; i < n; i++)
        sum[i % 8] += (double)x[i] * (double)x[i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

const struct learn_kernels KERNELS_NAME = {
    .name = KERNELS_TEXT,
    .gemm = gemm,
    .rows_sum = rows_sum,
    .rows_add = rows_add,
    .unit = unit,
    .unit_back = unit_back,
    .dot = dot,
    .axpy = axpy,
    .relu = relu,
    .relu_back = relu_back,
    .softmax = softmax,
    .adam = adam,
    .square_sum = square_sum,
};
