/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The model object: what it answers, and what it refuses to load. */
#include "net_help.h"

#include <math.h>

static void assert_sane(const struct chess_position *p, const struct chess_prediction *pred)
{
    chess_move moves[CHESS_MOVES_MAX];
    double sum = 0;
    assert_int_equal(pred->move_count, chess_moves(p, moves));
    for (int i = 0; i < pred->move_count; i++) {
        assert_int_equal(pred->moves[i], moves[i]);
        assert_true(pred->probability[i] >= 0 && pred->probability[i] <= 1.00001f);
        sum += (double)pred->probability[i];
    }
    if (pred->move_count)
        assert_true(fabs(sum - 1) < 1e-4);
    assert_true(fabs((double)(pred->win + pred->draw + pred->loss) - 1) < 1e-4);
}

/* ------------------------------------------------------------------ predicting */

/* An illegal move with a probability, or a sum other than 1, would reach players. */
static void test_predictions_are_distributions_over_legal_moves(void **state)
{
    struct chess_net *net = random_net(&small_shape, 3);
    struct sample_set set = samples_make(31, 600);
    struct chess_prediction pred, again;
    for (size_t i = 0; i < set.count; i++) {
        chess_net_predict(net, &set.samples[i].position, &set.samples[i].conditions, &pred);
        assert_sane(&set.samples[i].position, &pred);
        memset(&again, 0, sizeof again);
        chess_net_predict(net, &set.samples[i].position, &set.samples[i].conditions, &again);
        assert_memory_equal(pred.probability, again.probability,
                            sizeof(float) * (size_t)pred.move_count);
    }
    /* checkmate and stalemate: no moves, still a value */
    static const char *const ends[] = { "7k/5KQ1/8/8/8/8/8/8 b - - 0 1",
                                        "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1" };
    for (size_t i = 0; i < 2; i++) {
        struct chess_position p = position_of(ends[i]);
        struct chess_conditions c = { 0 };
        chess_net_predict(net, &p, &c, &pred);
        assert_int_equal(pred.move_count, 0);
        assert_sane(&p, &pred);
        struct rng rng;
        rng_init(&rng, 1);
        assert_int_equal(chess_prediction_pick(&pred, 1, 0, &rng), CHESS_MOVE_NONE);
    }
    free(set.samples);
    chess_net_free(net);
}

/* Training and prediction must be the same function of a position, on every build of the kernels.
 */
static void test_prediction_equals_the_training_forward_pass(void **state)
{
    static const struct net_shape shapes[] = {
        { .bag = 32, .square = 16, .move = 32, .value = 16 },
        { .bag = 256, .square = 32, .move = 64, .value = 32 },
        { .bag = 48, .square = 48, .move = 80, .value = 48 },
    };
    struct sample_set set = samples_make(32, NET_BATCH_MAX);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        struct chess_net *net = random_net(&shapes[s], 4);
        struct net_batch *b;
        assert_ok(net_batch_new(&shapes[s], false, &b));
        for (int simd = LEARN_SIMD_PORTABLE; simd <= LEARN_SIMD_AVX512; simd++) {
            net->kernels = learn_kernels_get((enum learn_simd)simd);
            struct net_pass pass = { .shape = shapes[s],
                                     .at = net->at,
                                     .weights = net->weights,
                                     .kernels = learn_kernels_get(LEARN_SIMD_PORTABLE) };
            b->count = 0;
            for (size_t i = 0; i < set.count; i++)
                assert_true(net_batch_add(b, &set.samples[i]));
            net_forward(b, &pass, NULL);
            for (size_t i = 0; i < set.count; i++) {
                struct chess_prediction pred;
                chess_net_predict(net, &set.samples[i].position, &set.samples[i].conditions, &pred);
                for (int m = 0; m < pred.move_count; m++)
                    assert_true(fabsf(pred.probability[m] - b->rows[i].policy[m]) < 2e-5f);
                assert_true(fabsf(pred.win - b->rows[i].value[0]) < 2e-5f &&
                            fabsf(pred.loss - b->rows[i].value[2]) < 2e-5f);
            }
        }
        net_batch_free(b);
        chess_net_free(net);
    }
    free(set.samples);
}

/* The network sees the board from the mover's side: black's position is white's, mirrored. Only the
 * row that tells the side may make a difference, so it is cleared here. */
static void test_mirror_image_has_the_mirror_policy(void **state)
{
    struct chess_net *net = random_net(&small_shape, 5);
    memset(net->weights + net->at.bag + BAG_SIDE * small_shape.bag, 0,
           2 * small_shape.bag * sizeof(float));
    struct sample_set set = samples_make(33, 300);
    for (size_t i = 0; i < set.count; i++) {
        struct chess_position m = mirror_of(&set.samples[i].position);
        struct chess_prediction a, b;
        chess_net_predict(net, &set.samples[i].position, &set.samples[i].conditions, &a);
        chess_net_predict(net, &m, &set.samples[i].conditions, &b);
        assert_int_equal(a.move_count, b.move_count);
        assert_true(fabsf(a.win - b.win) < 1e-6f && fabsf(a.draw - b.draw) < 1e-6f);
        for (int x = 0; x < a.move_count; x++) {
            int y = 0;
            while (y < b.move_count && b.moves[y] != mirror_move(a.moves[x]))
                y++;
            assert_true(y < b.move_count);
            assert_true(fabsf(a.probability[x] - b.probability[y]) < 1e-5f);
        }
    }
    free(set.samples);
    chess_net_free(net);
}

/* ------------------------------------------------------------------ picking */

static void test_pick(void **state)
{
    struct chess_prediction pred = { .move_count = 4,
                                     .moves = { 11, 12, 13, 14 },
                                     .probability = { 0.1f, 0.5f, 0.1f, 0.3f } };
    struct rng rng;
    rng_init(&rng, 6);
    assert_int_equal(chess_prediction_pick(&pred, 0, 0, &rng), 12);
    assert_int_equal(chess_prediction_pick(&pred, 1, 1, &rng), 12);
    assert_int_equal(chess_prediction_pick(&pred, NAN, 0, &rng), 12);
    enum { DRAWS = 40000 };
    static const struct {
        double temperature;
        int top_k;
        double share[4];
    } cases[] = {
        { 1, 0, { 0.1, 0.5, 0.1, 0.3 } },
        { 1, 2, { 0, 0.625, 0, 0.375 } },
        { 0.5, 0, { 0.01 / 0.36, 0.25 / 0.36, 0.01 / 0.36, 0.09 / 0.36 } },
        { 1, 3, { 0.1 / 0.9, 0.5 / 0.9, 0, 0.3 / 0.9 } }, /* equal ones: the first in the list */
        { 1, 99, { 0.1, 0.5, 0.1, 0.3 } },
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        int count[4] = { 0 };
        for (int i = 0; i < DRAWS; i++)
            count[chess_prediction_pick(&pred, cases[c].temperature, cases[c].top_k, &rng) - 11]++;
        for (int i = 0; i < 4; i++)
            assert_true(fabs((double)count[i] / DRAWS - cases[c].share[i]) <
                        0.0125); /* five standard errors */
    }
    /* a very low temperature must not lose the sum to underflow */
    assert_int_equal(chess_prediction_pick(&pred, 1e-9, 0, &rng), 12);
}

/* ------------------------------------------------------------------ files */

static void add_book(struct chess_net *net)
{
    struct sample_set set = samples_make(34, 2000);
    struct chess_sample_source source = source_of(&set);
    assert_ok(book_build(&source, 20, 8, &net->book));
    assert_true(net->book.count > 0);
    free(set.samples);
}

static void save(const struct chess_net *net, struct buf *out)
{
    buf_init(out, 64 << 20);
    assert_ok(chess_net_save(net, out));
}

static void test_saved_and_loaded_answers_the_same(void **state)
{
    for (int book = 0; book < 2; book++) {
        struct chess_net *net = random_net(&small_shape, 7), *copy;
        struct buf bytes, again;
        if (book)
            add_book(net);
        save(net, &bytes);
        assert_ok(chess_net_load(buf_str(&bytes), &copy));
        assert_int_equal(chess_net_parameters(copy), net->at.count);
        save(copy, &again);
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.ptr, bytes.ptr, bytes.len);
        struct chess_position p;
        struct chess_conditions c = { 1800, 1700, CHESS_BLITZ };
        struct chess_prediction a, b;
        chess_position_start(&p);
        chess_net_predict(net, &p, &c, &a);
        chess_net_predict(copy, &p, &c, &b);
        assert_memory_equal(a.probability, b.probability, sizeof(float) * 20);
        buf_deinit(&bytes);
        buf_deinit(&again);
        chess_net_free(net);
        chess_net_free(copy);
    }
    chess_net_free(NULL);
}

/* Recomputes the checksum, as somebody who means harm would. */
static void seal(struct buf *b)
{
    sha256_of(str_from(b->ptr, b->len - SHA256_BYTES), (uint8_t *)b->ptr + b->len - SHA256_BYTES);
}

static enum err_code load_code(const char *ptr, size_t len)
{
    struct chess_net *net = NULL;
    char *exact = malloc(len ? len : 1); /* so that a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact, ptr, len);
    err e = chess_net_load(str_from(exact, len), &net);
    free(exact);
    if (!e.code)
        chess_net_free(net);
    else
        assert_null(net);
    return e.code;
}

static void test_damaged_files_are_refused(void **state)
{
    struct chess_net *net = random_net(&small_shape, 8);
    struct buf b;
    struct rng rng;
    add_book(net);
    save(net, &b);
    rng_init(&rng, 9);
    for (int i = 0; i < 60; i++) { /* cut short anywhere */
        size_t len = i < 40 ? (size_t)i * 2 : (size_t)rng_below(&rng, b.len);
        assert_int_equal(load_code(b.ptr, len), len >= 12 && len < 64 ? ERR_CORRUPT : ERR_CORRUPT);
    }
    for (int i = 0; i < 60; i++) { /* one bit turned */
        size_t at = (size_t)rng_below(&rng, b.len);
        b.ptr[at] ^= (char)(1 << rng_below(&rng, 8));
        enum err_code code = load_code(b.ptr, b.len);
        assert_true(code == ERR_CORRUPT || (at >= 8 && at < 12 && code == ERR_UNSUPPORTED));
        b.ptr[at] = (char)(buf_str(&b).ptr[at]);
        struct buf fresh;
        save(net, &fresh);
        memcpy(b.ptr, fresh.ptr, b.len);
        buf_deinit(&fresh);
    }
    buf_deinit(&b);
    chess_net_free(net);
}

static void put_u32(struct buf *b, size_t at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        b->ptr[at + (size_t)i] = (char)(v >> (8 * i));
}

/* Files with a correct checksum and wrong contents. */
static void test_hostile_files_are_refused(void **state)
{
    struct chess_net *net = random_net(&small_shape, 10);
    size_t weights_end = 32 + net->at.count * 4;
    struct {
        size_t at;
        uint32_t value;
        enum err_code code;
    } cases[] = {
        { 0, 0x31313131, ERR_CORRUPT },               /* magic */
        { 8, FEATURES_VERSION + 1, ERR_UNSUPPORTED }, /* features of another program */
        { 12, 0, ERR_CORRUPT },
        { 12, 17, ERR_CORRUPT },
        { 12, 0xffffffff, ERR_CORRUPT },
        { 12, 512, ERR_CORRUPT }, /* a width the bytes are too few for */
        { 16, 1024, ERR_CORRUPT },
        { 20, 256, ERR_CORRUPT },
        { 24, 0xfffffff0, ERR_CORRUPT },
        { 28, 2, ERR_CORRUPT },
        { 28, 0, ERR_CORRUPT }, /* book flag: bad; book left over */
        { 32, 0x7fc00000, ERR_CORRUPT },
        { 36, 0x7f800000, ERR_CORRUPT },
        { 40, 0x7f000000, ERR_CORRUPT },          /* NaN, inf, 1e38 */
        { weights_end, 0x7fc00000, ERR_CORRUPT }, /* strength of the book */
        { weights_end, 0, ERR_CORRUPT },
        { weights_end + 4, 0xffffffff, ERR_CORRUPT },  /* positions of the book */
        { weights_end + 4, 1, ERR_CORRUPT },           /* the rest is left over */
        { weights_end + 12, 0xffffffff, ERR_CORRUPT }, /* first key above the second */
        { weights_end + 16, 0xffffffff, ERR_CORRUPT }, /* 256 moves, which do not fall */
    };
    add_book(net);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        save(net, &b);
        put_u32(&b, cases[i].at, cases[i].value);
        seal(&b);
        enum err_code code = load_code(b.ptr, b.len);
        if (code != cases[i].code)
            fail_msg("case %zu: code %d, not %d", i, (int)code, (int)cases[i].code);
        buf_deinit(&b);
    }
    chess_net_free(net);
}

/* The largest weights that load must not make a prediction anything but a distribution. */
static void test_extreme_weights_stay_finite(void **state)
{
    struct chess_net *net = random_net(&small_shape, 11), *loaded;
    struct buf b;
    struct rng rng;
    rng_init(&rng, 12);
    for (size_t i = 0; i < net->at.count; i++)
        net->weights[i] = rng_below(&rng, 2) ? 1e4f : -1e4f;
    save(net, &b);
    assert_ok(chess_net_load(buf_str(&b), &loaded));
    struct sample_set set = samples_make(35, 200);
    struct chess_prediction pred;
    for (size_t i = 0; i < set.count; i++) {
        chess_net_predict(loaded, &set.samples[i].position, &set.samples[i].conditions, &pred);
        assert_sane(&set.samples[i].position, &pred);
    }
    free(set.samples);
    buf_deinit(&b);
    chess_net_free(net);
    chess_net_free(loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predictions_are_distributions_over_legal_moves),
        cmocka_unit_test(test_prediction_equals_the_training_forward_pass),
        cmocka_unit_test(test_mirror_image_has_the_mirror_policy),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_saved_and_loaded_answers_the_same),
        cmocka_unit_test(test_damaged_files_are_refused),
        cmocka_unit_test(test_hostile_files_are_refused),
        cmocka_unit_test(test_extreme_weights_stay_finite),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
