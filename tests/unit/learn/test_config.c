/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations: what is asked for is what is trained, and what is written down. The reference let
 * one family's settings leak into another, and read "false" as true. */
#include "learn_cases.h"

#include <stdio.h>
#include <string.h>

#include "engine/learn/config.h"

static err read_text(struct learn_config *c, const char *text)
{
    const struct json *root;
    arena keep;
    arena_init(&keep, 1 << 16);
    err e = json_parse(&keep, str_of(text), &root);
    if (!e.code)
        e = learn_config_read(c, root);
    arena_deinit(&keep);
    return e;
}

static void write_text(const struct learn_config *c, struct buf *out)
{
    struct json_out w;
    buf_clear(out);
    json_out_init(&w, out);
    json_object_begin(&w);
    learn_config_write(c, &w);
    json_object_end(&w);
    assert_ok(buf_check(out));
}

static void test_reads(void **state)
{
    struct learn_config c = learn_config_default(LEARN_NET);
    assert_ok(read_text(&c, "{\"hidden\":[48,16,8],\"dropout\":0,\"epochs\":7,\"batch_size\":32,"
                            "\"learning_rate\":0.5,\"weight_decay\":0.25,\"patience\":3,"
                            "\"reduce_lr_patience\":2,\"lambda_danger\":0.6,"
                            "\"use_class_weights\":true}"));
    assert_true(c.net.hidden_count == 3 && c.net.hidden[0] == 48 && c.net.hidden[2] == 8);
    assert_true(c.net.epochs == 7 && c.net.batch == 32 && c.net.patience == 3 &&
                c.net.plateau == 2 && c.net.class_weights);
    assert_near(c.net.dropout + c.net.rate + c.net.weight_decay + c.net.lambda_danger, 1.35, 1e-12);
    c = learn_config_default(LEARN_LOGIT);
    assert_true(c.logit.class_weights);
    assert_ok(read_text(&c, "{\"use_class_weights\":false,\"l2_lambda\":0.4,\"patience\":null}"));
    assert_false(c.logit.class_weights);
    assert_near(c.logit.l2, 0.4, 0);
    assert_int_equal(c.logit.patience, 25);
    c = learn_config_default(LEARN_TREES);
    assert_ok(read_text(&c, "{\"n_estimators\":600,\"max_depth\":6,\"exact\":false,"
                            "\"early_stopping_rounds\":0,\"colsample_bytree\":0.5}"));
    assert_true(c.trees.rounds == 600 && c.trees.depth == 6 && !c.trees.is_exact &&
                c.trees.patience == 0);
    assert_near(c.trees.colsample, 0.5, 0);
}

static void test_refuses(void **state)
{
    static const struct {
        enum learn_family family;
        const char *text, *named;
    } cases[] = {
        { LEARN_NET, "{\"hiden\":[1]}", "hiden" },
        { LEARN_NET, "{\"hidden\":[0]}", "hidden" },
        { LEARN_NET, "{\"hidden\":[1,1,1,1,1,1,1]}", "hidden" },
        { LEARN_NET, "{\"hidden\":64}", "hidden" },
        { LEARN_NET, "{\"epochs\":3,\"dropout\":1}", "dropout" },
        { LEARN_NET, "{\"batch_size\":\"64\"}", "batch_size" },
        { LEARN_NET, "{\"n_estimators\":64}", "n_estimators" },
        { LEARN_LOGIT, "{\"use_class_weights\":\"false\"}", "use_class_weights" },
        { LEARN_LOGIT, "{\"l2_lambda\":-1}", "l2_lambda" },
        { LEARN_TREES, "{\"max_depth\":13}", "max_depth" },
        { LEARN_TREES, "{\"learning_rate\":0}", "learning_rate" },
        { LEARN_TREES, "[]", "object" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct learn_config c = learn_config_default(cases[i].family);
        err e = read_text(&c, cases[i].text);
        if (e.code != ERR_INVALID || !strstr(e.msg, cases[i].named))
            fail_msg("case %zu: %d, %s", i, e.code, e.msg);
        if (cases[i].family == LEARN_NET)
            assert_int_equal(c.net.epochs, 200); /* nothing of it was taken */
    }
}

/* Each of the thirty-six is one that its trainer takes, comes back from JSON as it was, and is not
 * another one twice. */
static void test_sweep(void **state)
{
    struct buf text, again, other;
    buf_init(&text, 4096);
    buf_init(&again, 4096);
    buf_init(&other, 4096);
    for (int f = LEARN_LOGIT; f < LEARN_FAMILY_END; f++) {
        enum learn_family family = (enum learn_family)f, found;
        const struct learn_config *all = learn_sweep(family);
        assert_ok(learn_family_find(str_of(learn_family_name(family)), &found));
        assert_int_equal(found, family);
        for (int i = 0; i < LEARN_SWEEP_COUNT; i++) {
            char id[16];
            struct learn_config c = learn_config_default(family);
            snprintf(id, sizeof id, "c%02d", i + 1);
            assert_string_equal(all[i].id, id);
            assert_int_equal(all[i].family, family);
            assert_ptr_equal(learn_sweep_find(family, str_of(id)), &all[i]);
            if (family == LEARN_NET)
                assert_ok(learn_mlp_check(&all[i].net));
            if (family == LEARN_LOGIT)
                assert_ok(learn_softmax_check(&all[i].logit));
            write_text(&all[i], &text);
            assert_ok(read_text(&c, text.ptr));
            write_text(&c, &again);
            assert_string_equal(text.ptr, again.ptr);
            for (int j = 0; j < i; j++) {
                write_text(&all[j], &other);
                assert_string_not_equal(text.ptr, other.ptr);
            }
        }
        assert_null(learn_sweep_find(family, STR("c13")));
    }
    enum learn_family family;
    assert_int_equal(learn_family_find(STR("xgb"), &family).code, ERR_INVALID);
    buf_deinit(&text);
    buf_deinit(&again);
    buf_deinit(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reads),
                                        cmocka_unit_test(test_refuses),
                                        cmocka_unit_test(test_sweep) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
