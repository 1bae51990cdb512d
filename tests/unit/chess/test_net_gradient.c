/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hand-written gradient against finite differences, group by group. A wrong one still trains,
 * only worse, and nobody would notice. */
#include "net_help.h"

#include <math.h>

enum { POSITIONS = 24 };

struct bench {
    struct net_shape shape;
    struct net_layout at;
    struct net_batch *batch;
    float *weights, *gradient, *transposed;
    struct sample_set set;
    struct net_pass pass;
};

static void bench_make(struct bench *b, float dropout, enum learn_simd simd)
{
    b->shape = small_shape;
    net_layout_of(&b->shape, &b->at);
    b->weights = net_floats(b->at.count);
    b->gradient = net_floats(b->at.count);
    b->transposed = net_floats(net_transpose_count(&b->shape));
    assert_true(b->weights && b->gradient && b->transposed);
    net_init(&b->shape, 41, b->weights);
    assert_ok(net_batch_new(&b->shape, true, &b->batch));
    b->set = samples_make(42, POSITIONS);
    b->pass = (struct net_pass){
        .shape = b->shape,
        .at = b->at,
        .kernels = learn_kernels_get(simd),
        .weights = b->weights,
        .transposed = b->transposed,
        .gradient = b->gradient,
        .dropout = dropout,
        .value_weight = 0.7f,
    };
}

static void bench_free(struct bench *b)
{
    free(b->weights);
    free(b->gradient);
    free(b->transposed);
    free(b->set.samples);
    net_batch_free(b->batch);
}

static double loss_of(struct bench *b)
{
    static const uint64_t noise = 77;
    double loss = 0;
    b->batch->count = 0;
    for (size_t i = 0; i < b->set.count; i++)
        assert_true(net_batch_add(b->batch, &b->set.samples[i]));
    net_forward(b->batch, &b->pass, &noise);
    for (size_t i = 0; i < b->set.count; i++)
        loss += (double)b->batch->rows[i].policy_loss + 0.7 * (double)b->batch->rows[i].value_loss;
    return loss;
}

/* The slope of the loss along a random direction within one group of weights. */
static void check_group(struct bench *b, const char *name, size_t first, size_t count,
                        struct rng *rng)
{
    float *start = net_floats(count), *direction = net_floats(count);
    double slope = 0, size = 0;
    assert_true(start && direction);
    memcpy(start, b->weights + first, count * sizeof *start);
    for (size_t i = 0; i < count; i++) {
        /* along the gradient's sign, disturbed: so that the slope is not a difference of large
         * numbers */
        float sign = b->gradient[first + i] > 0 ? 1.0f : b->gradient[first + i] < 0 ? -1.0f : 0.0f;
        direction[i] = sign * (0.5f + (float)rng_unit(rng)) +
                       0.2f * rng_normal(rng) * (sign != 0 ? 1.0f : 0.0f);
        slope += (double)direction[i] * (double)b->gradient[first + i];
        size += (double)direction[i] * (double)direction[i];
    }
    assert_true(size > 0);
    /* Steps that change the loss by some hundredths: large against rounding. A step may cross the
     * kink of a unit, so the smaller one is tried as well. */
    double measured = 0;
    bool agree = false;
    for (int half = 0; half < 2 && !agree; half++) {
        double step = (half ? 0.004 : 0.02) / slope;
        for (size_t i = 0; i < count; i++)
            b->weights[first + i] = start[i] + (float)step * direction[i];
        double above = loss_of(b);
        for (size_t i = 0; i < count; i++)
            b->weights[first + i] = start[i] - (float)step * direction[i];
        measured = (above - loss_of(b)) / (2 * step);
        agree = fabs(measured - slope) < 0.01 * fabs(slope);
    }
    memcpy(b->weights + first, start, count * sizeof *start);
    if (!agree)
        fail_msg("%s: the loss has slope %.6g, the gradient says %.6g", name, measured, slope);
    free(start);
    free(direction);
}

static void check_all(float dropout, enum learn_simd simd)
{
    struct bench b;
    struct rng rng;
    rng_init(&rng, 43);
    bench_make(&b, dropout, simd);
    net_transpose(&b.shape, &b.at, b.weights, b.transposed);
    (void)loss_of(&b);
    net_backward(b.batch, &b.pass);
    const struct net_shape *s = &b.shape;
    for (int round = 0; round < 3; round++) {
#define CHECK(name, count) check_group(&b, #name, b.at.name, (count), &rng);
        NET_GROUPS(CHECK)
#undef CHECK
        check_group(&b, "square relative", b.at.square, (size_t)SQUARE_CONTENT * s->square, &rng);
        check_group(&b, "square content", b.at.square + (size_t)SQUARE_CONTENT * s->square,
                    13 * 64 * s->square, &rng);
        check_group(&b, "square control", b.at.square + (size_t)SQUARE_CONTROL * s->square,
                    196 * s->square, &rng);
        check_group(&b, "trunk bias: shift", b.at.trunk_bias, s->move, &rng);
        check_group(&b, "trunk bias: gate", b.at.trunk_bias + s->move, s->move, &rng);
        check_group(&b, "trunk bias: value", b.at.trunk_bias + 2 * s->move, s->value, &rng);
    }
    bench_free(&b);
}

static void test_gradient(void **state)
{
    check_all(0, LEARN_SIMD_AVX512);
}

static void test_gradient_with_dropout(void **state)
{
    check_all(0.25f, LEARN_SIMD_AVX512);
}

static void test_gradient_of_the_portable_build(void **state)
{
    check_all(0.25f, LEARN_SIMD_PORTABLE);
}

/* All builds must learn the same thing. */
static void test_builds_have_the_same_gradient(void **state)
{
    struct bench plain, fast;
    bench_make(&plain, 0.15f, LEARN_SIMD_PORTABLE);
    bench_make(&fast, 0.15f, LEARN_SIMD_AVX512);
    struct bench *both[2] = { &plain, &fast };
    double loss[2];
    for (int i = 0; i < 2; i++) {
        net_transpose(&both[i]->shape, &both[i]->at, both[i]->weights, both[i]->transposed);
        loss[i] = loss_of(both[i]);
        net_backward(both[i]->batch, &both[i]->pass);
    }
    assert_true(fabs(loss[0] - loss[1]) < 1e-5 * loss[0]);
    for (size_t i = 0; i < plain.at.count; i++)
        assert_true(fabsf(plain.gradient[i] - fast.gradient[i]) <
                    1e-4f * (1 + fabsf(plain.gradient[i])));
    bench_free(&plain);
    bench_free(&fast);
}

/* The roulette must not lean: over many draws its gradient is the full one. */
static void test_roulette_is_fair(void **state)
{
    struct bench b;
    bench_make(&b, 0, LEARN_SIMD_AVX512);
    net_transpose(&b.shape, &b.at, b.weights, b.transposed);
    (void)loss_of(&b);
    net_backward(b.batch, &b.pass);
    size_t count = b.at.count;
    float *full = net_floats(count), *sum = net_floats(count);
    assert_true(full && sum);
    memcpy(full, b.gradient, count * sizeof *full);
    b.pass.roulette = 1.0f / 16;
    enum { DRAWS = 400 };
    size_t used = 0, all = 0;
    for (int d = 0; d < DRAWS; d++) {
        memset(b.gradient, 0, count * sizeof(float));
        b.batch->noise_seed = 1000 + (uint64_t)d;
        net_backward(b.batch, &b.pass);
        used += b.batch->to.used_count;
        all += b.batch->to.start[b.batch->count];
        for (size_t i = 0; i < count; i++)
            sum[i] += b.gradient[i] / DRAWS;
    }
    assert_true(used < all * 9 / 10); /* it saves work at all */
    double wrong = 0, right = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += pow((double)(sum[i] - full[i]), 2);
        right += pow((double)full[i], 2);
    }
    /* each draw is off by some tens of percent; the mean of 400 by a twentieth of that */
    assert_true(sqrt(wrong / right) < 0.05);
    free(full);
    free(sum);
    bench_free(&b);
}

/* A row whose gradient is not marked is never updated, and its gradient leaks into a later step. */
static void test_every_gradient_of_a_table_is_marked(void **state)
{
    struct bench b;
    static uint8_t touched[NET_TABLE_ROWS];
    bench_make(&b, 0.15f, LEARN_SIMD_AVX512);
    memset(touched, 0, sizeof touched);
    b.pass.touched = touched;
    b.pass.roulette = 1.0f / 16;
    net_transpose(&b.shape, &b.at, b.weights, b.transposed);
    (void)loss_of(&b);
    net_backward(b.batch, &b.pass);
    const struct {
        size_t at, rows, width;
    } tables[] = {
        { b.at.bag, BAG_ROWS, b.shape.bag },
        { b.at.square, SQUARE_ROWS, b.shape.square },
        { b.at.move, MOVE_ROWS, b.shape.move },
    };
    size_t first = 0, marked = 0;
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        for (size_t row = 0; row < tables[t].rows; row++) {
            const float *gradient = b.gradient + tables[t].at + row * tables[t].width;
            bool any = false;
            for (size_t i = 0; i < tables[t].width; i++)
                any |= gradient[i] != 0;
            assert_true(!any || touched[first + row]);
            marked += touched[first + row];
        }
        first += tables[t].rows;
    }
    assert_true(marked > 0 && marked < NET_TABLE_ROWS / 2); /* and most rows are left alone */
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_gradient_with_dropout),
        cmocka_unit_test(test_gradient_of_the_portable_build),
        cmocka_unit_test(test_builds_have_the_same_gradient),
        cmocka_unit_test(test_roulette_is_fair),
        cmocka_unit_test(test_every_gradient_of_a_table_is_marked),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
