/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model files: what is saved predicts the same after loading, and a file that was damaged, or made
 * on purpose, is refused and never walked. */
#include "learn_cases.h"

#include <pthread.h>
#include <string.h>

#include "base/hash.h"
#include "engine/learn/classifier.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static const char trees_json[] =
    "{\"learner\":{\"gradient_booster\":{\"model\":{\"tree_info\":[0,1,2],\"trees\":["
    "{\"left_children\":[1,-1,-1],\"right_children\":[2,-1,-1],\"split_indices\":[3,0,0],"
    "\"split_conditions\":[5E-1,1.5E0,-2.5E-1],\"default_left\":[1,0,0]},"
    "{\"left_children\":[1,-1,3,-1,-1],\"right_children\":[2,-1,4,-1,-1],"
    "\"split_indices\":[0,0,7,0,0],\"split_conditions\":[0,3E-1,2E-1,1,-1],"
    "\"default_left\":[0,0,1,0,0]},"
    "{\"left_children\":[-1],\"right_children\":[-1],\"split_indices\":[0],"
    "\"split_conditions\":[1E-1],\"default_left\":[0]}]},\"name\":\"gbtree\"},"
    "\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_class\":\"3\",\"num_feature\":\"8\"},"
    "\"objective\":{\"name\":\"multi:softprob\"}}}";

static struct learn_card card_of(enum learn_family family)
{
    return (struct learn_card){ .family = family,
                                .feature_set = STR("contract-50"),
                                .class_names = { STR("rock"), STR("paper"), STR("scissors") },
                                .params = STR("{\"learning_rate\":0.05}"),
                                .metrics = STR("{\"test_accuracy\":0.5}") };
}

/* A model with weights that are not all the same. */
static struct learn_classifier *make(enum learn_family family)
{
    struct learn_card card = card_of(family);
    struct learn_classifier *c = NULL;
    struct rng rng;
    rng_init(&rng, 4);
    if (family == LEARN_TREES) {
        struct learn_forest *f;
        assert_ok(learn_forest_new(8, 3, &f));
        assert_ok(learn_forest_add_xgboost(f, str_of(trees_json)));
        assert_ok(learn_classifier_of_forest(&card, f, &c));
        return c;
    }
    struct learn_dense_shape shape = { .feature_count = 8, .layer_count = 1, .width = { 3 } };
    struct learn_dense *d;
    if (family == LEARN_NET) /* one width that is padded, one that is not */
        shape = (struct learn_dense_shape){ .feature_count = 8,
                                            .layer_count = 3,
                                            .width = { 32, 10, 3 } };
    assert_ok(learn_dense_new(&shape, &d));
    for (size_t l = 0, inputs = 8; l < shape.layer_count; inputs = shape.width[l++])
        for (size_t i = 0; i < inputs; i++)
            for (size_t o = 0; o < shape.width[l]; o++)
                d->weights[l][i * learn_dense_padded(shape.width[l]) + o] = rng_normal(&rng);
    for (size_t f = 0; f < 8; f++) {
        d->mean[f] = (double)rng_normal(&rng);
        d->inverse_scale[f] = 0.5 + rng_unit(&rng);
    }
    assert_ok(learn_classifier_of_dense(&card, d, &c));
    return c;
}

static void assert_same_answers(const struct learn_classifier *a, const struct learn_classifier *b)
{
    struct rng rng;
    rng_init(&rng, 5);
    for (int row = 0; row < 50; row++) {
        double x[8];
        float p[3], q[3];
        for (size_t f = 0; f < 8; f++)
            x[f] = rng_below(&rng, 10) ? (double)rng_normal(&rng) : NAN;
        learn_classifier_predict(a, x, p);
        learn_classifier_predict(b, x, q);
        assert_memory_equal(p, q, sizeof p);
        assert_near((double)(p[0] + p[1] + p[2]), 1, 1e-5);
    }
}

static void test_comes_back_as_it_was(void **state)
{
    for (int f = LEARN_LOGIT; f < LEARN_FAMILY_END; f++) {
        struct learn_classifier *made = make((enum learn_family)f), *loaded;
        struct buf bytes, again;
        buf_init(&bytes, FILE_BYTES_MAX);
        buf_init(&again, FILE_BYTES_MAX);
        assert_string_equal(learn_classifier_digest(made), "");
        assert_ok(learn_classifier_save(made, &bytes));
        assert_ok(learn_classifier_load(buf_str(&bytes), &loaded));
        const struct learn_card *card = learn_classifier_card(loaded);
        assert_int_equal(card->family, f);
        assert_int_equal(card->feature_count, 8);
        assert_int_equal(card->class_count, 3);
        assert_true(str_eq(card->feature_set, STR("contract-50")));
        assert_true(str_eq(card->class_names[2], STR("scissors")));
        assert_true(str_eq(card->params, STR("{\"learning_rate\":0.05}")));
        assert_true(str_eq(card->metrics, STR("{\"test_accuracy\":0.5}")));
        assert_same_answers(made, loaded);
        assert_ok(learn_classifier_save(loaded, &again));
        assert_true(str_eq(buf_str(&bytes), buf_str(&again)));
        assert_string_equal(learn_classifier_digest(made), learn_classifier_digest(loaded));
        assert_int_equal(strlen(learn_classifier_digest(made)), 64);
        assert_true(learn_classifier_bytes(loaded) > 100);
        learn_classifier_free(made);
        learn_classifier_free(loaded);
        buf_deinit(&bytes);
        buf_deinit(&again);
    }
}

static enum err_code load_code(const char *bytes, size_t count)
{
    struct learn_classifier *c = NULL;
    /* a copy of exactly this size, so that a sanitizer sees a read past the end */
    char *copy = malloc(count ? count : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, count);
    enum err_code code = learn_classifier_load(str_from(copy, count), &c).code;
    learn_classifier_free(c);
    free(copy);
    return code;
}

static void put_digest(struct buf *b)
{
    sha256_of(str_from(b->ptr, b->len - SHA256_BYTES), (uint8_t *)b->ptr + b->len - SHA256_BYTES);
}

/* Every prefix and every changed byte is refused; and with its checksum put right, a file with any
 * byte changed is refused or answers with a distribution. */
static void test_damaged_files(void **state)
{
    for (int f = LEARN_LOGIT; f < LEARN_FAMILY_END; f++) {
        struct learn_classifier *made = make((enum learn_family)f);
        struct buf b;
        buf_init(&b, FILE_BYTES_MAX);
        assert_ok(learn_classifier_save(made, &b));
        for (size_t len = 0; len < b.len; len++)
            assert_int_equal(load_code(b.ptr, len), ERR_CORRUPT);
        for (size_t at = 0; at < b.len; at++) {
            b.ptr[at] ^= 0x41;
            enum err_code code = load_code(b.ptr, b.len);
            assert_true(code == ERR_CORRUPT || (at == 7 && code == ERR_UNSUPPORTED));
            b.ptr[at] ^= 0x41;
        }
        size_t refused = 0;
        for (size_t at = 0; at < b.len - SHA256_BYTES; at++) {
            char kept = b.ptr[at];
            struct learn_classifier *c = NULL;
            b.ptr[at] = (char)0xFF;
            put_digest(&b);
            err e = learn_classifier_load(buf_str(&b), &c);
            refused += e.code != ERR_NONE;
            assert_true(!e.code || e.code == ERR_CORRUPT || (at == 7 && e.code == ERR_UNSUPPORTED));
            if (c && learn_classifier_card(c)->class_count == 3) {
                /* trees may have got more features by it */
                double x[LEARN_FEATURES_MAX] = { 1, 2, NAN, -1, 0, 1e9, 0, 1 };
                float p[3];
                learn_classifier_predict(c, x, p);
                assert_near((double)(p[0] + p[1] + p[2]), 1, 1e-5);
            }
            learn_classifier_free(c);
            b.ptr[at] = kept;
        }
        assert_true(refused > 60);
        learn_classifier_free(made);
        buf_deinit(&b);
    }
}

/* What features are made with is kept to the byte, with a version of the file of its own; without
 * it a file is what it was before there was such a thing. */
static void test_a_part_goes_along(void **state)
{
    enum { PART = 70 * 1000, VERSION_AT = 7 };
    struct learn_dense_shape shape = { .feature_count = 2, .layer_count = 1, .width = { 3 } };
    struct learn_classifier *made = NULL, *loaded = NULL;
    struct learn_dense *d;
    struct buf bytes, again;
    char *part = calloc(1, LEARN_PART_BYTES_MAX + 1);
    assert_non_null(part);
    for (size_t i = 0; i < PART; i++)
        part[i] = (char)(i * i / 7);
    struct learn_card card = card_of(LEARN_LOGIT);
    card.part = str_from(part, PART);
    buf_init(&bytes, FILE_BYTES_MAX);
    buf_init(&again, FILE_BYTES_MAX);
    assert_ok(learn_dense_new(&shape, &d));
    assert_ok(learn_classifier_of_dense(&card, d, &made));
    assert_ok(learn_classifier_save(made, &bytes));
    assert_int_equal(bytes.ptr[VERSION_AT], 2);
    assert_ok(learn_classifier_load(buf_str(&bytes), &loaded));
    assert_true(str_eq(learn_classifier_card(loaded)->part, card.part));
    assert_ok(learn_classifier_save(loaded, &again));
    assert_true(str_eq(buf_str(&bytes), buf_str(&again)));
    /* the versions say whether there is one */
    bytes.ptr[VERSION_AT] = 1;
    put_digest(&bytes);
    assert_int_equal(load_code(bytes.ptr, bytes.len), ERR_CORRUPT);
    learn_classifier_free(made);
    learn_classifier_free(loaded);
    made = make(LEARN_LOGIT);
    buf_clear(&bytes);
    assert_ok(learn_classifier_save(made, &bytes));
    assert_int_equal(bytes.ptr[VERSION_AT], 1);
    bytes.ptr[VERSION_AT] = 2;
    put_digest(&bytes);
    assert_int_equal(load_code(bytes.ptr, bytes.len), ERR_CORRUPT);
    bytes.ptr[VERSION_AT] = 3;
    put_digest(&bytes);
    assert_int_equal(load_code(bytes.ptr, bytes.len), ERR_UNSUPPORTED);
    learn_classifier_free(made);
    made = NULL;
    card.part = str_from(part, LEARN_PART_BYTES_MAX + 1);
    assert_ok(learn_dense_new(&shape, &d));
    assert_int_equal(learn_classifier_of_dense(&card, d, &made).code, ERR_INVALID);
    buf_deinit(&bytes);
    buf_deinit(&again);
    free(part);
}

static void test_bad_cards_are_refused(void **state)
{
    struct learn_card bad[7];
    char long_name[LEARN_NAME_BYTES_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = card_of(LEARN_NET);
    bad[0].feature_set = STR_NONE;
    bad[1].feature_set = str_of(long_name);
    bad[2].class_names[1] = STR("pap\ner");
    bad[3].class_names[1] = STR("pap\xFF");
    bad[4].params = STR("[1]");
    bad[5].metrics = STR("{\"a\":}");
    bad[6].family = LEARN_TREES;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct learn_dense_shape shape = { .feature_count = 2,
                                           .layer_count = 2,
                                           .width = { 16, 3 } };
        struct learn_dense *d;
        struct learn_classifier *c = NULL;
        assert_ok(learn_dense_new(&shape, &d));
        assert_int_equal(learn_classifier_of_dense(&bad[i], d, &c).code, ERR_INVALID);
        assert_null(c);
    }
    /* a regression of two layers is none */
    struct learn_dense_shape shape = { .feature_count = 2, .layer_count = 2, .width = { 16, 3 } };
    struct learn_card card = card_of(LEARN_LOGIT);
    struct learn_dense *d;
    struct learn_forest *f;
    struct learn_classifier *c = NULL;
    assert_ok(learn_dense_new(&shape, &d));
    assert_int_equal(learn_classifier_of_dense(&card, d, &c).code, ERR_INVALID);
    assert_ok(learn_forest_new(2, 3, &f));
    assert_int_equal(learn_classifier_of_forest(&card, f, &c).code, ERR_INVALID);
}

struct asking {
    const struct learn_classifier *c;
    double x[8];
    float expected[3];
    bool differs;
};

static void *ask(void *arg)
{
    struct asking *a = arg;
    for (int i = 0; i < 20000; i++) {
        float p[3];
        learn_classifier_predict(a->c, a->x, p);
        a->differs |= memcmp(p, a->expected, sizeof p) != 0;
    }
    return NULL;
}

/* One model, several threads with other features each: nobody gets the answer of another. */
static void test_threads_share_a_model(void **state)
{
    enum { THREADS = 4 };
    for (int f = LEARN_LOGIT; f < LEARN_FAMILY_END; f++) {
        struct learn_classifier *c = make((enum learn_family)f);
        struct asking asking[THREADS];
        pthread_t threads[THREADS];
        for (size_t t = 0; t < THREADS; t++) {
            asking[t] = (struct asking){ .c = c };
            for (size_t i = 0; i < 8; i++)
                asking[t].x[i] = (double)(t * i) - 3;
            learn_classifier_predict(c, asking[t].x, asking[t].expected);
        }
        for (size_t t = 0; t < THREADS; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, ask, &asking[t]), 0);
        for (size_t t = 0; t < THREADS; t++) {
            pthread_join(threads[t], NULL);
            assert_false(asking[t].differs);
        }
        learn_classifier_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back_as_it_was),  cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_a_part_goes_along),     cmocka_unit_test(test_bad_cards_are_refused),
        cmocka_unit_test(test_threads_share_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
