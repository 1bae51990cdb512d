/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fast builds of the kernels against plain loops in double: every build that this processor can
 * run. If one fails, a model trained on one machine answers differently on another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "engine/learn/kernels.h"

enum { BUILDS = 3 };

static const struct learn_kernels *build_of(int i)
{
    static const enum learn_simd limits[BUILDS] = { LEARN_SIMD_PORTABLE, LEARN_SIMD_AVX2,
                                                    LEARN_SIMD_AVX512 };
    return learn_kernels_get(limits[i]);
}

static void fill(struct rng *rng, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(rng);
}

static void assert_close(double got, double want, double magnitude)
{
    double allowed = (double)LEARN_KERNELS_TOLERANCE * (magnitude + 1);
    if (!(fabs(got - want) <= allowed))
        fail_msg("got %.9g, want %.9g, off by %.3g, allowed %.3g", got, want, fabs(got - want),
                 allowed);
}

/* Forward, backward and weight gradient of every dense layer are this product. */
static void test_gemm(void **state)
{
    static const struct {
        size_t m, n, k;
    } sizes[] = { { 1, 16, 1 },   { 5, 16, 3 },  { 13, 32, 64 }, { 64, 160, 256 },
                  { 31, 48, 33 }, { 12, 80, 7 }, { 3, 16, 0 } };
    struct rng rng;
    rng_init(&rng, 11);
    for (int b = 0; b < BUILDS; b++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            size_t m = sizes[s].m, n = sizes[s].n, k = sizes[s].k;
            float *a = calloc(m * k + 1, sizeof *a), *right = calloc(k * n + 1, sizeof *right);
            float *c = calloc(m * n, sizeof *c), *before = calloc(m * n, sizeof *before);
            fill(&rng, a, m * k);
            fill(&rng, right, k * n);
            for (int mode = 0; mode < 4; mode++) {
                int add = mode & 1, transposed = mode & 2;
                size_t a_row = transposed ? 1 : k, a_col = transposed ? m : 1;
                fill(&rng, before, m * n);
                memcpy(c, before, m * n * sizeof *c);
                build_of(b)->gemm(m, n, k, a, a_row, a_col, right, n, c, n, add);
                for (size_t i = 0; i < m; i++) {
                    for (size_t j = 0; j < n; j++) {
                        double want = add ? (double)before[i * n + j] : 0, magnitude = fabs(want);
                        for (size_t x = 0; x < k; x++) {
                            double product = (double)a[i * a_row + x * a_col] *
                                             (double)right[x * n + j];
                            want += product;
                            magnitude += fabs(product);
                        }
                        assert_close((double)c[i * n + j], want, magnitude);
                    }
                }
            }
            free(a);
            free(right);
            free(c);
            free(before);
        }
    }
}

/* A wrong row sum is a wrong feature; a wrong row gradient trains another one. Repeated rows count
 * twice. */
static void test_rows(void **state)
{
    static const size_t widths[] = { 16, 32, 48, 64, 80, 112, 256 };
    enum { ROWS = 40, PICKED = 9 };
    static const uint16_t picked[PICKED] = { 3, 0, 39, 3, 17, 21, 8, 8, 30 };
    struct rng rng;
    rng_init(&rng, 12);
    for (int b = 0; b < BUILDS; b++) {
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
            size_t width = widths[w];
            float *table = calloc(ROWS * width, sizeof *table),
                  *old = calloc(ROWS * width, sizeof *old);
            float *x = calloc(width, sizeof *x), *out = calloc(width, sizeof *out);
            fill(&rng, table, ROWS * width);
            fill(&rng, x, width);
            memcpy(out, x, width * sizeof *out);
            build_of(b)->rows_sum(out, table, width, picked, PICKED);
            for (size_t i = 0; i < width; i++) {
                double want = (double)x[i], magnitude = fabs(want);
                for (size_t r = 0; r < PICKED; r++) {
                    want += (double)table[picked[r] * width + i];
                    magnitude += fabs((double)table[picked[r] * width + i]);
                }
                assert_close((double)out[i], want, magnitude);
            }
            memcpy(old, table, ROWS * width * sizeof *old);
            build_of(b)->rows_add(table, width, picked, PICKED, x);
            for (size_t r = 0; r < ROWS; r++) {
                double times = 0;
                for (size_t i = 0; i < PICKED; i++)
                    times += picked[i] == r;
                for (size_t i = 0; i < width; i++)
                    assert_close((double)table[r * width + i],
                                 (double)old[r * width + i] + times * (double)x[i],
                                 fabs((double)old[r * width + i]) + times * fabs((double)x[i]));
            }
            out[0] = build_of(b)->dot(table, old, width);
            double want = 0, magnitude = 0;
            for (size_t i = 0; i < width; i++) {
                want += (double)table[i] * (double)old[i];
                magnitude += fabs((double)table[i] * (double)old[i]);
            }
            assert_close((double)out[0], want, magnitude);
            memcpy(old, x, width * sizeof *old);
            build_of(b)->axpy(x, -0.75f, table, width);
            for (size_t i = 0; i < width; i++)
                assert_close((double)x[i], (double)old[i] - 0.75 * (double)table[i],
                             fabs((double)old[i]) + fabs((double)table[i]));
            free(table);
            free(old);
            free(x);
            free(out);
        }
    }
}

static void test_relu(void **state)
{
    float x[32], y[32], dx[32];
    uint8_t drop[32];
    struct rng rng;
    rng_init(&rng, 13);
    for (int b = 0; b < BUILDS; b++) {
        for (int dropping = 0; dropping < 2; dropping++) {
            fill(&rng, x, 32);
            fill(&rng, dx, 32);
            x[5] = 0;
            for (int i = 0; i < 32; i++)
                drop[i] = (uint8_t)rng_below(&rng, 256);
            memcpy(y, x, sizeof y);
            build_of(b)->relu(y, 32, 1.25f, dropping ? drop : NULL, 100);
            float back[32];
            memcpy(back, dx, sizeof back);
            build_of(b)->relu_back(back, y, 32, 1.25f);
            for (int i = 0; i < 32; i++) {
                bool on = x[i] > 0 && !(dropping && drop[i] < 100);
                assert_true(y[i] == (on ? x[i] * 1.25f : 0));
                assert_true(back[i] == (on ? dx[i] * 1.25f : 0));
            }
        }
    }
}

/* Probabilities that do not add up, or an overflow on large logits, would be served to people. */
static void test_softmax(void **state)
{
    static const float scales[] = { 0.01f, 1, 20, 300 };
    struct rng rng;
    rng_init(&rng, 14);
    for (int b = 0; b < BUILDS; b++) {
        for (size_t n = 1; n <= 70; n++) {
            for (size_t s = 0; s < 4; s++) {
                float x[80], logits[80];
                fill(&rng, x, 80);
                for (size_t i = 0; i < n; i++)
                    logits[i] = x[i] = x[i] * scales[s] + 100;
                float log_sum = build_of(b)->softmax(x, n);
                double top = -1e30, total = 0, sum = 0;
                for (size_t i = 0; i < n; i++) /* gcc 12 for ARM breaks down over fmax here */
                    top = (double)logits[i] > top ? (double)logits[i] : top;
                for (size_t i = 0; i < n; i++)
                    total += exp((double)logits[i] - top);
                for (size_t i = 0; i < n; i++) {
                    assert_close((double)x[i], exp((double)logits[i] - top) / total, 0);
                    sum += (double)x[i];
                }
                assert_close(sum, 1, 1);
                assert_close((double)log_sum, top + log(total), fabs(top));
                for (size_t i = n; i < (n + 15) / 16 * 16; i++)
                    assert_true(x[i] == 0);
            }
        }
    }
}

/* Adam in double, the gradient in two parts: a training run on two cores must follow the formula.
 */
static void test_adam(void **state)
{
    enum { N = 2500, STEPS = 5 };
    struct rng rng;
    for (int b = 0; b < BUILDS; b++) {
        float *w = calloc(N, sizeof *w), *m = calloc(N, sizeof *m), *v = calloc(N, sizeof *v);
        float *parts[2] = { calloc(N, sizeof(float)), calloc(N, sizeof(float)) };
        double *rw = calloc(N, sizeof *rw), *rm = calloc(N, sizeof *rm),
               *rv = calloc(N, sizeof *rv);
        rng_init(&rng, 15);
        fill(&rng, w, N);
        for (size_t i = 0; i < N; i++)
            rw[i] = (double)w[i];
        for (int step = 1; step <= STEPS; step++) {
            fill(&rng, parts[0], N);
            fill(&rng, parts[1], N);
            struct learn_adam_factors f = {
                .rate = (float)(0.01 / (1 - pow(0.9, step))),
                .beta1 = 0.9f,
                .beta2 = 0.999f,
                .epsilon = 1e-8f,
                .second_scale = (float)(1 / (1 - pow(0.999, step))),
                .decay = 0.01f * 0.03f,
                .gradient_scale = 0.5f,
            };
            for (size_t i = 0; i < N; i++) {
                double g = ((double)parts[0][i] + (double)parts[1][i]) * 0.5;
                rm[i] = 0.9 * rm[i] + 0.1 * g;
                rv[i] = 0.999 * rv[i] + 0.001 * g * g;
                double first = rm[i] / (1 - pow(0.9, step)),
                       second = rv[i] / (1 - pow(0.999, step));
                rw[i] = rw[i] * (1 - 0.01 * 0.03) - 0.01 * first / (sqrt(second) + 1e-8);
            }
            build_of(b)->adam(w, m, v, parts, 2, N, &f);
            for (size_t i = 0; i < N; i++)
                assert_true(parts[0][i] == 0 && parts[1][i] == 0);
        }
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((double)w[i] - rw[i]) < 1e-5 * (fabs(rw[i]) + 1));
        double squares = 0;
        for (size_t i = 0; i < N; i++)
            squares += (double)w[i] * (double)w[i];
        assert_true(fabs(build_of(b)->square_sum(w, N) - squares) < 1e-9 * squares);
        free(w);
        free(m);
        free(v);
        free(parts[0]);
        free(parts[1]);
        free(rw);
        free(rm);
        free(rv);
    }
}

/* An operator who sets SKERRY_SIMD to look into a difference must get the build named. */
static void test_choice(void **state)
{
    assert_string_equal(learn_kernels_get(LEARN_SIMD_PORTABLE)->name, "portable");
    assert_int_equal(setenv("SKERRY_SIMD", "portable", 1), 0);
    assert_string_equal(learn_kernels_best()->name, "portable");
    assert_int_equal(unsetenv("SKERRY_SIMD"), 0);
    assert_ptr_equal(learn_kernels_best(), learn_kernels_get(LEARN_SIMD_AVX512));
    print_message("builds tested: %s %s %s\n", build_of(0)->name, build_of(1)->name,
                  build_of(2)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),    cmocka_unit_test(test_rows), cmocka_unit_test(test_relu),
        cmocka_unit_test(test_softmax), cmocka_unit_test(test_adam), cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
