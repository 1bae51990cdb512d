/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

static arena keep;

static int make_arena(void **state)
{
    arena_init(&keep, 8 << 20);
    return 0;
}
static int drop_arena(void **state)
{
    arena_deinit(&keep);
    return 0;
}

static const struct json *parse(const char *text)
{
    const struct json *root = NULL;
    assert_ok(json_parse(&keep, str_of(text), &root));
    return root;
}

/* Everything here is refused, with a reason: what one parser accepts and another does not is a
 * hole. */
static void hostile_text_is_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "{",
                                       "[1,]",
                                       "{\"a\":1,}",
                                       "{\"a\":1 \"b\":2}",
                                       "[1] junk",
                                       "\"\\u0000\"",
                                       "{\"a\":1,\"a\":2}",
                                       "01",
                                       "1e999",
                                       "99999999999999999999",
                                       "nul",
                                       "\"\xFF\"",
                                       "'a'",
                                       "{a:1}",
                                       "[NaN]" };
    const struct json *root;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(json_parse(&keep, str_of(bad[i]), &root), ERR_INVALID);
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    assert_err(json_parse(&keep, str_from(deep, 400), &root), ERR_INVALID);
    assert_ok(json_parse(&keep, str_from(deep + 140, 120), &root)); /* 60 levels */
    assert_ok(
        json_parse(&keep, STR("\"[[[[\\\"[[[[\""), &root)); /* brackets in a string are text */
}

static void getters_accept_what_is_not_there(void **state)
{
    const struct json *root = parse(
        "{\"a\":\"x\",\"n\":3,\"r\":2.5,\"b\":true,\"z\":null,\"l\":[1,2],\"w\":4.0}");
    assert_true(str_eq(json_str(json_get(root, "a"), STR_NONE), STR("x")));
    assert_true(str_eq(json_str(json_get(root, "n"), STR("other")), STR("other")));
    assert_int_equal(json_int(json_get(root, "n"), 0), 3);
    assert_int_equal(json_int(json_get(root, "w"), 0), 4);
    assert_int_equal(json_int(json_get(root, "r"), -1), -1);
    assert_true(json_num(json_get(root, "r"), 0) == 2.5);
    assert_true(json_bool(json_get(root, "b"), false));
    assert_int_equal(json_kind(json_get(root, "z")), JSON_IS_NULL);
    assert_int_equal(json_kind(json_get(root, "none")), JSON_IS_NONE);
    assert_int_equal(json_count(json_get(root, "l")), 2);
    assert_null(json_at(json_get(root, "l"), 2));
    assert_null(json_get(json_get(root, "a"), "b"));
    assert_null(json_get(NULL, "a"));
    assert_int_equal(json_count(NULL), 0);
}

/* The message names the field: it is what the person who sent the request reads. */
static void wrong_fields_are_named(void **state)
{
    const struct json *root = parse("{\"s\":1,\"n\":\"x\",\"big\":11,\"null\":null}");
    str text = STR("before");
    int64_t number = 5;
    double real = 0.5;
    bool flag = true;
    err e = json_need_str(root, "fen", &text);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.msg, "'fen'"));
    assert_err(json_opt_str(root, "s", &text), ERR_INVALID);
    assert_err(json_opt_int(root, "n", 0, 10, &number), ERR_INVALID);
    assert_err(json_opt_int(root, "big", 0, 10, &number), ERR_INVALID);
    assert_err(json_opt_real(root, "n", 0, 1, &real), ERR_INVALID);
    assert_err(json_opt_bool(root, "n", &flag), ERR_INVALID);
    assert_err(json_need_int(root, "null", 0, 10, &number), ERR_INVALID);
    assert_ok(json_opt_int(root, "null", 0, 10, &number));
    assert_ok(json_opt_str(root, "absent", &text));
    assert_int_equal(number, 5);
    assert_true(str_eq(text, STR("before")));
}

static void the_writer_puts_the_commas(void **state)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, 4096);
    json_out_init(&w, &b);
    json_object_begin(&w);
    json_kv_int(&w, "a", 1);
    json_key(&w, "l");
    json_array_begin(&w);
    json_out_str(&w, STR("x\"\\\n\x01"));
    json_out_real(&w, NAN);
    json_object_begin(&w);
    json_object_end(&w);
    json_array_end(&w);
    json_kv_bool(&w, "b", false);
    json_kv_cstr(&w, "n", NULL);
    json_kv_raw(&w, "raw", STR("[1]"));
    json_kv_time_ms(&w, "t", 0);
    json_object_end(&w);
    assert_string_equal(b.ptr, "{\"a\":1,\"l\":[\"x\\\"\\\\\\n\\u0001\",null,{}],\"b\":false,\"n\":"
                               "null,\"raw\":[1],\"t\":null}");
    const struct json *again = parse(b.ptr);
    struct buf copy;
    buf_init(&copy, 4096);
    json_dump(again, &copy);
    const struct json *third = parse(copy.ptr);
    assert_int_equal(json_count(third), json_count(again));
    buf_deinit(&b);
    buf_deinit(&copy);
}

/* Names of players come from files in any encoding: the reply must still be JSON. */
static void broken_utf8_is_replaced(void **state)
{
    struct buf b;
    buf_init(&b, 4096);
    json_escape(&b, STR("J\xFCrgen \xC3\xA9 \xE2\x99"));
    assert_string_equal(b.ptr, "\"J\xEF\xBF\xBDrgen \xC3\xA9 \xEF\xBF\xBD\xEF\xBF\xBD\"");
    parse(b.ptr);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_text_is_refused, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(getters_accept_what_is_not_there, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(wrong_fields_are_named, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(the_writer_puts_the_commas, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(broken_utf8_is_replaced, make_arena, drop_arena),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
