/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Regular expressions of strangers: the same matches as RE2's, and no text that takes for ever. */
#include "check.h"

#include <string.h>

#include "base/pattern.h"

static bool tried(const char *expression, const char *text, bool whole)
{
    arena keep;
    struct pattern *p;
    arena_init(&keep, 8u << 20);
    assert_ok(pattern_compile(&keep, str_of(expression), &p));
    bool found = whole ? pattern_matches(p, str_of(text)) : pattern_finds(p, str_of(text));
    /* A second time: nothing is left over from the first. */
    assert_int_equal(found,
                     whole ? pattern_matches(p, str_of(text)) : pattern_finds(p, str_of(text)));
    arena_deinit(&keep);
    return found;
}

static void whole_texts(void **state)
{
    static const struct {
        const char *expression, *yes, *no;
    } cases[] = {
        { "", "", "a" },
        { "abc", "abc", "abcd" },
        { "a.c",
          "a\xC3\xA4"
          "c",
          "a\nc" },
        { "a*", "aaaa", "aaab" },
        { "a+", "a", "" },
        { "a?b", "b", "aab" },
        { "(ab)*c", "ababc", "abac" },
        { "a|b|cd", "cd", "c" },
        { "a(b|c)d|e", "acd", "ae" },
        { "(|a)b", "b", "aab" },
        { "a{3}", "aaa", "aa" },
        { "a{2,}", "aaaaa", "a" },
        { "a{2,3}b", "aab", "aaaab" },
        { "a{0}b", "b", "ab" },
        { "(a{2}){2}", "aaaa", "aaa" },
        { "a{b}", "a{b}", "ab" },
        { "[a-c]+", "abcabc", "abd" },
        { "[^a-c]+", "xyz", "xbz" },
        { "[]a]+", "a]", "b" },
        { "[a\\]-]+", "-]a", "b" },
        { "[\\d_]+", "12_3", "a" },
        { "\\d+\\.\\d*", "12.5", "12,5" },
        { "\\w+\\s\\W", "ab !", "ab a" },
        { "\\D\\S", "ab", "1 " },
        { "[\\D]", "x", "5" },
        { "(?i)get|post", "POST", "puT" },
        { "(?i:g)et", "Get", "GET" },
        { "(?:ab){2}", "abab", "ab" },
        { "^a$", "a", "aa" },
        { ".*", "anything", "two\nlines" },
        { "(a*)*", "aaa", "b" },
        { "(a|aa)+$", "aaaa", "aab" },
        { "a.*?b", "axxb", "axx" },
        { "\xC3\xA4+", "\xC3\xA4\xC3\xA4", "a" },
        { "[\xC3\xA0-\xC3\xBF]", "\xC3\xA4", "a" },
        { "\\/api\\/v1\\/.*", "/api/v1/x", "/api/v2/x" },
        { "5..", "503", "5034" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (!tried(cases[i].expression, cases[i].yes, true))
            fail_msg("'%s' must match '%s'", cases[i].expression, cases[i].yes);
        if (tried(cases[i].expression, cases[i].no, true))
            fail_msg("'%s' must not match '%s'", cases[i].expression, cases[i].no);
    }
}

static void parts_of_texts(void **state)
{
    assert_true(tried("b+c", "abbbcd", false));
    assert_true(tried("^ab", "abc", false));
    assert_false(tried("^b", "abc", false));
    assert_true(tried("c$", "abc", false));
    assert_false(tried("b$", "abc", false));
    assert_true(tried("", "x", false));
    assert_true(tried("status\":5\\d\\d", "{\"status\":503}", false));
    assert_false(tried("x|y", "abc", false));
    assert_true(tried("a\xFF", "a\xFF", false)); /* not UTF-8: bytes */
}

static void what_is_not_supported_is_said(void **state)
{
    static const char *const bad[] = {
        "(",
        ")",
        "a)",
        "[",
        "[a",
        "*",
        "a**",
        "+a",
        "\\",
        "\\b",
        "\\1",
        "\\p{L}",
        "(?P<n>a)",
        "(?s)a",
        "[[:alpha:]]",
        "[b-a]",
        "a{1001}",
        "a{3,2}",
        "(a{999}){999}",
        "((((){1000}){1000}){1000}){1000}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        arena keep;
        struct pattern *p;
        arena_init(&keep, 8u << 20);
        err e = pattern_compile(&keep, str_of(bad[i]), &p);
        if (e.code != ERR_INVALID || !strstr(e.msg, "character"))
            fail_msg("'%s': %s", bad[i], e.code ? e.msg : "accepted");
        arena_deinit(&keep);
    }
    char deep[400];
    memset(deep, '(', sizeof deep);
    arena keep;
    struct pattern *p;
    arena_init(&keep, 8u << 20);
    err e = pattern_compile(&keep, str_from(deep, sizeof deep), &p);
    assert_int_equal(e.code, ERR_INVALID);
    arena_deinit(&keep);
}

/* One request that keeps a worker busy for a day. */
static void no_text_takes_for_ever(void **state)
{
    char text[4001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(tried("(a*)*b", text, true));
    assert_false(tried("(a|a)*b", text, true));
    assert_false(tried("(a?){200}a{200}b", text, true));
    assert_false(tried("(.*)(.*)(.*)(.*)(.*)b", text, false));
}

/* What is written is read again, by us at least; tests/unit/store asks the engines. */
static void the_portable_form_means_the_same(void **state)
{
    static const struct {
        const char *expression, *portable;
    } cases[] = {
        { "a.c", "a[^\n]c" },
        { "^a|b$", "(?:^)a|b(?:$)" },
        { "(a|b)*?c+", "(?:a|b)*c{1,}" },
        { "\\d\\.x{2,3}", "[0-9]\\.x{2,3}" },
        { "(?i)a[x-z]1", "(?:)[aA][x-zX-Z]1" },
        { "a{b}", "a\\{b\\}" },
        { "[]^-]", "[\\]-\\]\\^-\\^\\--\\-]" },
        { "\xC3\xA4", "\xC3\xA4" },
        { "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80" },
        { "(x{3}){2}", "(?:x{3,3}){2,2}" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena keep;
        str portable, again;
        arena_init(&keep, 8u << 20);
        assert_ok(pattern_portable(&keep, str_of(cases[i].expression), &portable));
        if (!str_eq(portable, str_of(cases[i].portable)))
            fail_msg("'%s' became '%.*s'", cases[i].expression, STR_ARG(portable));
        assert_ok(pattern_portable(&keep, portable, &again));
        arena_deinit(&keep);
    }
}

static void what_is_portable_has_limits(void **state)
{
    static const char *const bad[] = { "a{256}", "(a{250}){5}", "a{1,300}", "(", "\\b" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        arena keep;
        str portable;
        arena_init(&keep, 8u << 20);
        err e = pattern_portable(&keep, str_of(bad[i]), &portable);
        assert_err(e, ERR_INVALID);
        assert_non_null(strstr(e.msg, "regular expression"));
        arena_deinit(&keep);
    }
}

static void work_is_counted(void **state)
{
    arena keep;
    struct pattern *p;
    arena_init(&keep, 8u << 20);
    assert_ok(pattern_compile(&keep, STR("(a|a)*b"), &p));
    assert_false(pattern_finds(p, STR("aaaaaaaaaa")));
    uint64_t once = pattern_work(p);
    assert_true(once >= 10 && once < 1000);
    assert_false(pattern_finds(p, STR("aaaaaaaaaa")));
    assert_int_equal(pattern_work(p), 2 * once);
    arena_deinit(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts),
        cmocka_unit_test(parts_of_texts),
        cmocka_unit_test(what_is_not_supported_is_said),
        cmocka_unit_test(no_text_takes_for_ever),
        cmocka_unit_test(the_portable_form_means_the_same),
        cmocka_unit_test(what_is_portable_has_limits),
        cmocka_unit_test(work_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
