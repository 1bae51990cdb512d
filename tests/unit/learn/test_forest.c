/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trees read and walked, against sums made by hand. That they are what libxgboost predicts is
 * tested where that is loaded (scoring/test_tree_train.c). */
#include "learn_cases.h"

#include <string.h>

#include "engine/learn/forest.h"

/* A tree of three columns of nodes: 0 splits x0 at 0.5, 1 is removed, 2 splits x1 at -1 (missing
 * goes right), 3 and 4 are its leaves, 5 is the leaf at the right. Missing x0 goes left. */
#define TREE_DEEP                                                                              \
    "{\"left_children\":[2,-1,3,-1,-1,-1],\"right_children\":[5,-1,4,-1,-1,-1],"               \
    "\"split_indices\":[0,0,1,0,0,0],\"split_conditions\":[5E-1,0,-1E0,1.5E0,-2.5E-1,7.5E-1]," \
    "\"default_left\":[1,0,0,0,0,0],\"categories\":[],"                                        \
    "\"tree_param\":{\"num_nodes\":\"6\",\"size_leaf_vector\":\"0\"}}"
#define TREE_LEAF(value)                                                     \
    "{\"left_children\":[-1],\"right_children\":[-1],\"split_indices\":[0]," \
    "\"split_conditions\":[" value "],\"default_left\":[0]}"
#define MODEL(objective, booster, base, classes, trees)                                          \
    "{\"learner\":{\"gradient_booster\":{\"model\":{\"tree_info\":" classes ",\"trees\":[" trees \
    "]},\"name\":\"" booster "\"},\"learner_model_param\":{\"base_score\":\"" base               \
    "\",\"num_class\":\"2\",\"num_feature\":\"2\"},\"objective\":{\"name\":\"" objective "\"}}," \
    "\"version\":[1,7,4]}"
#define GOOD MODEL("multi:softprob", "gbtree", "5E-1", "[0,1]", TREE_DEEP "," TREE_LEAF("1E0"))

static void assert_score(const struct learn_forest *f, double x0, double x1, double first,
                         double second)
{
    double x[2] = { x0, x1 };
    float p[2];
    learn_forest_predict(f, x, p);
    assert_near((double)p[0], exp(first) / (exp(first) + exp(second)), 1e-6);
    assert_near((double)(p[0] + p[1]), 1, 1e-6);
}

static void test_walks(void **state)
{
    struct learn_forest *f;
    assert_ok(learn_forest_new(2, 2, &f));
    assert_score(f, 0, 0, 0, 0); /* no trees: no opinion */
    assert_ok(learn_forest_add_xgboost(f, STR(GOOD)));
    assert_int_equal(learn_forest_tree_count(f), 2);
    assert_int_equal(learn_forest_node_count(f), 6); /* the removed one is not there */
    assert_score(f, 0.49, -1.5, 1.5, 1);
    assert_score(f, 0.49, -1, -0.25, 1); /* not less: right */
    assert_score(f, 0.5, -5, 0.75, 1);
    assert_score(f, NAN, -1.5, 1.5, 1);
    assert_score(f, NAN, NAN, -0.25, 1);
    assert_score(f, INFINITY, -1.5, 1.5, 1); /* not finite is missing, not large */
    assert_score(f, 1e300, -1.5, 1.5, 1);    /* nor is what no float holds */
    /* more trees than are walked at once, so that both ways of walking have had their turn */
    for (int i = 0; i < 8; i++)
        assert_ok(learn_forest_add_xgboost(f, STR(GOOD)));
    assert_score(f, 0.49, -1.5, 9 * 1.5, 9);
    assert_score(f, NAN, -1, 9 * -0.25, 9);
    assert_score(f, 0.6, 0, 9 * 0.75, 9);
    learn_forest_free(f);
}

static void test_base_scores(void **state)
{
    struct learn_forest *f;
    assert_ok(learn_forest_new(2, 2, &f));
    assert_ok(learn_forest_add_xgboost(
        f, STR(MODEL("multi:softmax", "gbtree", "[1E0,-5E-1]", "[1]", TREE_LEAF("2.5E-1")))));
    assert_score(f, 0, 0, 1, -0.25);
    /* another start would be another model */
    assert_int_equal(learn_forest_add_xgboost(f, STR(GOOD)).code, ERR_INVALID);
    assert_int_equal(learn_forest_tree_count(f), 1);
    assert_score(f, 0, 0, 1, -0.25);
    learn_forest_free(f);
}

#define BAD_TREE(left, right, feature, value)                                                   \
    MODEL("multi:softprob", "gbtree", "5E-1", "[0]",                                            \
          "{\"left_children\":" left ",\"right_children\":" right ",\"split_indices\":" feature \
          ",\"split_conditions\":" value ",\"default_left\":[0,0,0]}")

static void test_refusals(void **state)
{
    static const struct {
        const char *json;
        enum err_code code;
    } cases[] = {
        { "", ERR_INVALID },
        { "{}", ERR_INVALID },
        { "[1]", ERR_INVALID },
        { MODEL("binary:logistic", "gbtree", "5E-1", "[0]", TREE_DEEP), ERR_UNSUPPORTED },
        { MODEL("multi:softprob", "dart", "5E-1", "[0]", TREE_DEEP), ERR_UNSUPPORTED },
        { MODEL("multi:softprob", "gbtree", "x", "[0]", TREE_DEEP), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "[0,0,0]", "[0]", TREE_DEEP), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "5E-1", "[0,1]", TREE_DEEP), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "5E-1", "[2]", TREE_DEEP), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "5E-1", "[-1]", TREE_DEEP), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "5E-1", "[0]", "{}"), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "5E-1", "[0]", TREE_LEAF("1E9")), ERR_INVALID },
        { MODEL("multi:softprob", "gbtree", "5E-1", "[0]", TREE_LEAF("null")), ERR_INVALID },
        /* a circle, which a walk would never leave; a child beyond the end; an unknown feature */
        { BAD_TREE("[1,0,-1]", "[2,2,-1]", "[0,0,0]", "[0,0,0]"), ERR_INVALID },
        { BAD_TREE("[0,-1,-1]", "[0,-1,-1]", "[0,0,0]", "[0,0,0]"), ERR_INVALID },
        { BAD_TREE("[1,-1,-1]", "[3,-1,-1]", "[0,0,0]", "[0,0,0]"), ERR_INVALID },
        { BAD_TREE("[1,-1,-1]", "[-1,-1,-1]", "[0,0,0]", "[0,0,0]"), ERR_INVALID },
        { BAD_TREE("[1,-1,-1]", "[2,-1,-1]", "[2,0,0]", "[0,0,0]"), ERR_INVALID },
        { BAD_TREE("[1,-1,-1]", "[2,-1,-1]", "[0,0,0]", "[0,0]"), ERR_INVALID },
        { BAD_TREE("[1,-1,-1]", "[2,-1,-1]", "[0,0,0]", "[1E39,0,0]"), ERR_INVALID },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct learn_forest *f;
        assert_ok(learn_forest_new(2, 2, &f));
        err e = learn_forest_add_xgboost(f, str_of(cases[i].json));
        if (e.code != cases[i].code)
            fail_msg("case %zu: %d, %s", i, e.code, e.msg);
        assert_int_equal(learn_forest_tree_count(f), 0);
        learn_forest_free(f);
    }
    struct learn_forest *other;
    assert_ok(learn_forest_new(3, 2, &other)); /* a feature more than the model */
    assert_int_equal(learn_forest_add_xgboost(other, STR(GOOD)).code, ERR_INVALID);
    learn_forest_free(other);
    assert_int_equal(learn_forest_new(0, 2, &other).code, ERR_INVALID);
    assert_int_equal(learn_forest_new(2, LEARN_CLASSES_MAX + 1, &other).code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_walks),
                                        cmocka_unit_test(test_base_scores),
                                        cmocka_unit_test(test_refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
