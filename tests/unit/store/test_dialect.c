/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these failed, an app's tables would differ between engines, or its data would be rewritten. */
#include "place.h"

#include "platform/store/dialect.h"

static const struct dialect_word words[] = {
    { STR_INIT("id"), STR_INIT("KEY") },
    { STR_INIT("int"), STR_INIT("BIGINT") },
    { STR_INIT("strict"), STR_INIT("") },
    { STR_INIT(""), STR_INIT("") },
};

static const struct {
    const char *from, *to; /* to NULL: refused */
} cases[] = {
    { "", "" },
    { "SELECT 1", "SELECT 1" },
    { "@int", "BIGINT" },
    { "a @id, b @int) @strict;", "a KEY, b BIGINT) ;" },
    { "CAST(x AS @int)", "CAST(x AS BIGINT)" },
    { "'a@int' @int", "'a@int' BIGINT" },
    { "'it''s @int' @int 'x'", "'it''s @int' BIGINT 'x'" },
    { "\"@int\" @int", "\"@int\" BIGINT" },
    { "-- @nonsense\n@int", "-- @nonsense\nBIGINT" },
    { "/* @nonsense ' */ @int", "/* @nonsense ' */ BIGINT" },
    { "- @int / @int", "- BIGINT / BIGINT" },
    { "'never closed @int", "'never closed @int" },
    { "/* never closed @int", "/* never closed @int" },
    { "@integer", NULL },
    { "@", NULL },
    { "@INT", NULL },
    { "SELECT @name", NULL },
};

static void test_words(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        err e = dialect_translate(words, str_of(cases[i].from), &out);
        if (!cases[i].to) {
            assert_int_equal(e.code, ERR_INTERNAL);
        } else {
            assert_ok(e);
            assert_ok(buf_check(&out));
            if (!str_eq(buf_str(&out), str_of(cases[i].to)))
                fail_msg("%s -> %.*s", cases[i].from, STR_ARG(buf_str(&out)));
        }
        buf_deinit(&out);
    }
}

static void test_maximum(void **state)
{
    struct buf out;
    buf_init(&out, 8);
    assert_ok(dialect_translate(words, STR("SELECT 1234567890"), &out));
    assert_err(buf_check(&out), ERR_TOO_BIG);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
