/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MLmodel files: would a value be missed, or a signature read as another one? */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "platform/scoring/mlmodel.h"

static arena keep;

static int setup(void **state)
{
    (void)state;
    arena_init(&keep, 64 * 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&keep);
    return 0;
}

static struct mlmodel parse(const char *text)
{
    struct mlmodel m;
    err e = mlmodel_read(str_of(text), &keep, &m);
    if (e.code)
        fail_msg("%s", e.msg);
    return m;
}

#define assert_value(m, path, wanted)                      \
    do {                                                   \
        str value_ = mlmodel_value(&(m), path);            \
        if (!str_eq(value_, STR(wanted)))                  \
            fail_msg("%s: '%.*s'", path, STR_ARG(value_)); \
    } while (0)

static void values_are_found_by_their_path(void **state)
{
    (void)state;
    struct mlmodel m = parse("flavors:\n"
                             "  python_function:\n"
                             "    env:\n"
                             "      conda: conda.yaml\n"
                             "    loader_module: mlflow.xgboost\n"
                             "  xgboost:\n"
                             "    code: null\n"
                             "    data: model.ubj\n"
                             "mlflow_version: 3.17.2\n"
                             "utc_time_created: '2026-11-28 18:02:44.264968'\n");
    char names[64];
    assert_value(m, "flavors.xgboost.data", "model.ubj");
    assert_value(m, "flavors.xgboost.code", "");
    assert_value(m, "flavors.python_function.env.conda", "conda.yaml");
    assert_value(m, "utc_time_created", "2026-11-28 18:02:44.264968");
    assert_value(m, "data", "");
    assert_true(mlmodel_has_flavour(&m, "xgboost"));
    assert_false(mlmodel_has_flavour(&m, "env"));
    mlmodel_flavours(&m, names, sizeof names);
    assert_string_equal(names, "python_function, xgboost");
    assert_false(m.signature.is_given);
}

static void scalars_go_on_over_lines(void **state)
{
    (void)state;
    struct mlmodel m = parse("a: one\n"
                             "  two\n"
                             "b: 'it''s\n"
                             "\n"
                             "  here'\n"
                             "c: \"x\\u00e9\\\n"
                             "  y\\n\\\"\"\n"
                             "d: [1,\n"
                             "  2]\n"
                             "e:\n"
                             "- f: 1\n"
                             "- g\n"
                             "'h i': 2\n");
    assert_value(m, "a", "one two");
    assert_value(m, "b", "it's\nhere");
    assert_value(m, "c", "x\xc3\xa9y\n\"");
    assert_value(m, "d", "[1, 2]");
    assert_value(m, "h i", "2");
}

static void signature_of_columns(void **state)
{
    (void)state;
    struct mlmodel m = parse("signature:\n"
                             "  inputs: '[{\"type\": \"double\", \"name\": \"a\", \"required\": "
                             "true}, {\"type\": \"long\",\n"
                             "    \"name\": \"n\", \"required\": false}]'\n"
                             "  params: null\n");
    assert_true(m.signature.is_given && m.signature.is_named && !m.signature.is_tensor);
    assert_false(m.signature.has_params || m.signature.is_unreadable);
    assert_int_equal(m.signature.column_count, 2);
    assert_true(str_eq(m.signature.columns[1].name, STR("n")));
    assert_int_equal(m.signature.columns[1].type, COLUMN_LONG);
    assert_true(m.signature.columns[1].is_optional && !m.signature.columns[0].is_optional);
}

static void signature_of_a_tensor(void **state)
{
    (void)state;
    struct mlmodel m = parse(
        "signature:\n"
        "  inputs: '[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float32\","
        " \"shape\": [-1, 4]}}]'\n"
        "  params: '[{\"name\": \"p\"}]'\n");
    assert_true(m.signature.is_tensor && m.signature.has_params);
    assert_int_equal(m.signature.dims, 2);
    assert_int_equal(m.signature.shape[1], 4);
    m = parse("signature:\n  inputs: '[{\"type\": \"array\", \"name\": \"a\"}]'\n");
    assert_true(m.signature.is_unreadable);
}

static void what_is_no_mlmodel_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "no file of this kind", "a: 'open",
                                         "signature:\n  inputs: '[{'\n",
                                         "signature:\n  inputs: '{}'\n" };
    struct mlmodel m;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(mlmodel_read(str_of(texts[i]), &keep, &m).code, ERR_INVALID);
    struct buf deep;
    buf_init(&deep, 1000);
    for (int i = 0; i < 20; i++)
        buf_add_fmt(&deep, "%*sa:\n", i, "");
    assert_int_equal(mlmodel_read(buf_str(&deep), &keep, &m).code, ERR_TOO_BIG);
    buf_deinit(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_found_by_their_path, setup, teardown),
        cmocka_unit_test_setup_teardown(scalars_go_on_over_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(signature_of_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(signature_of_a_tensor, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_mlmodel_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
