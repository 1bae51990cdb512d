/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What MLflow's folders hold: meta.yaml and lines of metrics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "apps/mlflow/import.h"

static arena keep;
static struct import_meta meta;

static void read_meta(const char *text)
{
    arena_reset(&keep);
    err e = import_yaml(str_of(text), &keep, &meta);
    if (e.code)
        fail_msg("%s", e.msg);
}

static void expect(const char *key, const char *value)
{
    str got = import_meta_str(&meta, key);
    if (!str_eq(got, str_of(value)))
        fail_msg("%s is '%.*s', not '%s'", key, STR_ARG(got), value);
}

static void expect_bad(const char *text, const char *why)
{
    err e = import_yaml(str_of(text), &keep, &meta);
    assert_int_equal(e.code, ERR_INVALID);
    if (!str_contains(str_of(e.msg), str_of(why)))
        fail_msg("'%s' does not say '%s'", e.msg, why);
}

static void test_plain_and_quoted(void **state)
{
    (void)state;
    read_meta(
        "name: a b\nempty: ''\nnothing: null\ntilde: ~\nnumber: -12\nsingle: 'it''s: # x'\n"
        "double: \"caf\\xE9 \\u00e9\\t\\\"\\\\ \\U0001F600\"\nurl: file:///a:b\n---\n# note\n");
    expect("name", "a b");
    expect("empty", "");
    expect("nothing", "");
    expect("tilde", "");
    expect("single", "it's: # x");
    expect("double", "caf\xc3\xa9 \xc3\xa9\t\"\\ \xf0\x9f\x98\x80");
    expect("url", "file:///a:b");
    assert_int_equal(import_meta_int(&meta, "number", 0), -12);
    assert_int_equal(import_meta_int(&meta, "name", 7), 7);
    assert_int_equal(import_meta_int(&meta, "absent", 8), 8);
}

static void test_values_over_lines(void **state)
{
    (void)state;
    read_meta("source: '{\"a\": 1,\n  \"b\": 2}'\nlines: 'one\n\n  two'\nslash: \"ab\\\n  \\ cd\"\n"
              "plain: one\n  two\nlast: x\n");
    expect("source", "{\"a\": 1, \"b\": 2}");
    expect("lines", "one\ntwo");
    expect("slash", "ab cd");
    expect("plain", "one two");
    expect("last", "x");
    read_meta("a: 1\r\nb:\r\n  c: d\r\ne: f\r\n");
    expect("e", "f");
    assert_true(str_eq(meta.fields[2].parent, STR("b")) && str_eq(meta.fields[2].value, STR("d")));
}

static void test_maps_and_lists_inside(void **state)
{
    (void)state;
    read_meta("tags:\n  mlflow.data.context: training\n  'k: 1': \"v\n    w\"\n  deep:\n    er: x\n"
              "aliases:\n- champ\nflow: {a: 1}\nname: n\n");
    expect("name", "n");
    expect("mlflow.data.context", ""); /* not a field of the whole */
    size_t inside = 0;
    for (size_t i = 0; i < meta.count; i++)
        inside += str_eq(meta.fields[i].parent, STR("tags"));
    assert_int_equal(inside, 3);
    assert_true(str_eq(meta.fields[1].value, STR("training")));
    assert_true(str_eq(meta.fields[2].value, STR("v w")));
}

static void test_what_it_refuses(void **state)
{
    char many[IMPORT_YAML_MAX * 8 + 64];
    size_t n = 0;
    (void)state;
    expect_bad("name: x\nno colon\n", "line 2");
    expect_bad("a: 'open\n", "does not end");
    expect_bad("a: \"\\ud800\"\n", "no character");
    expect_bad("a: \"\\xZZ\"\n", "broken escape");
    expect_bad("a: \"\\q\"\n", "not known");
    for (int i = 0; i <= IMPORT_YAML_MAX; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "k%d: 1\n", i);
    expect_bad(many, "too many");
}

static void test_points(void **state)
{
    struct import_point p;
    (void)state;
    assert_true(import_point_parse(STR("5 0.25 3\n"), &p));
    assert_true(p.ts_ms == 5 && p.value == 0.25 && p.step == 3 && p.rest.len == 0);
    assert_true(import_point_parse(STR("5 1e3"), &p) && p.step == 0 && p.value == 1000);
    assert_true(import_point_parse(STR("5 nan 1"), &p) && isnan(p.value));
    assert_true(import_point_parse(STR("5 -inf 1"), &p) && isinf(p.value) && p.value < 0);
    assert_true(import_point_parse(STR("5 1 2 run name digest"), &p));
    assert_true(str_eq(p.rest, STR("run name digest")));
    assert_false(import_point_parse(STR("x 1 2"), &p));
    assert_false(import_point_parse(STR("5 one 2"), &p));
    assert_false(import_point_parse(STR("5 1 two"), &p));
    assert_false(import_point_parse(STR(""), &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_and_quoted),
        cmocka_unit_test(test_values_over_lines),
        cmocka_unit_test(test_maps_and_lists_inside),
        cmocka_unit_test(test_what_it_refuses),
        cmocka_unit_test(test_points),
    };
    arena_init(&keep, 4 * 1024 * 1024);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&keep);
    return failed;
}
