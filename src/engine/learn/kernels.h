/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernels.h -- the few float loops in which training and prediction spend their time.
 *
 * The same source (kernels_body.h) is compiled three times: for any machine, for AVX2 with FMA, and
 * for AVX-512; the best one that the processor offers is chosen at run time. One build always gives
 * the same bits. Between builds the order of additions and the rounding of fused products differ:
 * results of single kernels agree within LEARN_KERNELS_TOLERANCE relative to the sum of magnitudes.
 *
 * All widths are multiples of LEARN_LANES, so that no build has remainders in its inner loops.
 * Memory needs no alignment; 64 bytes is fastest.
 */
#ifndef SKERRY_LEARN_KERNELS_H
#define SKERRY_LEARN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { LEARN_LANES = 16 };
#define LEARN_KERNELS_TOLERANCE 2e-6f

/* One Adam update with decoupled weight decay (Loshchilov and Hutter 2019), as numbers ready to
 * use. */
struct learn_adam_factors {
    float rate; /* learning rate of this step over (1 - beta1^t) */
    float beta1, beta2;
    float second_scale; /* 1 / (1 - beta2^t) */
    float epsilon;
    float decay;          /* the weight shrinks by this share: learning rate * weight decay */
    float gradient_scale; /* multiplies the summed gradient */
};

struct learn_kernels {
    const char *name; /* "portable", "avx2", "avx512" */

    /* C[m x n] = A * B, or += with `add`. Element (i, k) of A is a[i * a_row + k * a_col], so that
     * a transposed A costs nothing; B and C are row-major with row strides b_row, c_row. n % LANES
     * == 0. */
    void (*gemm)(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col,
                 const float *b, size_t b_row, float *c, size_t c_row, int add);

    /* out[width] += the sum of the named rows of the table. */
    void (*rows_sum)(float *out, const float *table, size_t width, const uint16_t *rows,
                     size_t count);
    /* Adds x[width] to each of the named rows: the gradient of rows_sum. */
    void (*rows_add)(float *table, size_t width, const uint16_t *rows, size_t count,
                     const float *x);

    /* A scored sum, the inner loop of a network that scores sparse items: z = max(base[0] + base[1]
     * + base[2] + the named rows of the table, 0); returns the product of z and out. */
    float (*unit)(float *z, const float *const base[3], const float *table, size_t width,
                  const uint16_t *rows, size_t count, const float *out);
    /* Its gradient, given that of the score, added to those of out, the bases and the rows. */
    void (*unit_back)(float d_score, const float *z, const float *out, float *d_out,
                      float *const d_base[3], float *d_table, size_t width, const uint16_t *rows,
                      size_t count);

    float (*dot)(const float *a, const float *b, size_t n);
    void (*axpy)(float *y, float factor, const float *x, size_t n); /* y += factor * x */

    /* x = max(x, 0) * scale, and 0 where drop[i] < threshold (drop may be NULL). */
    void (*relu)(float *x, size_t n, float scale, const uint8_t *drop, int threshold);
    /* Gradient of relu() from its result y: dx = y > 0 ? dx * scale : 0. */
    void (*relu_back)(float *dx, const float *y, size_t n, float scale);

    /* Turns n logits into probabilities in place, and returns the log of the sum of exponentials. x
     * must have room up to the next multiple of LANES; that padding becomes 0. n >= 1. */
    float (*softmax)(float *x, size_t n);

    /* Adam on w[n]. The gradient is the sum of `part_count` arrays in their order, which are
     * zeroed. */
    void (*adam)(float *w, float *m, float *v, float *const *parts, size_t part_count, size_t n,
                 const struct learn_adam_factors *f);

    /* sum of squares, in eight interleaved sums: for the norm of a gradient */
    double (*square_sum)(const float *x, size_t n);
};

enum learn_simd { LEARN_SIMD_PORTABLE, LEARN_SIMD_AVX2, LEARN_SIMD_AVX512 };

/* The best build that this processor can run, not above `limit`. */
const struct learn_kernels *learn_kernels_get(enum learn_simd limit);
/* learn_kernels_get without a limit, except that the environment variable SKERRY_SIMD may hold
 * "portable", "avx2" or "avx512" as one. */
const struct learn_kernels *learn_kernels_best(void);

#endif
