/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a crafted path reaches a route or a file that it should not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "platform/http/path.h"

static void paths_are_cut_then_decoded(void **state)
{
    static const struct {
        const char *raw, *joined; /* segments with '|' between; NULL: refused */
    } rows[] = {
        { "/", "" },
        { "/a", "a" },
        { "/a/b/c", "a|b|c" },
        { "/a/", "a|" },
        { "//a", "|a" },
        { "/a%20b/%c3%A9", "a b|\xc3\xa9" },
        { "/a%2Fb/c", "a/b|c" }, /* one segment: an encoded slash makes no new one */
        { "/a+b", "a+b" },
        { "/%", NULL },
        { "/%4", NULL },
        { "/a%zz", NULL },
        { "/%00", NULL },
        { "/a%0Ab", NULL },
        { "/a%7f", NULL },
        { "/a\\b", NULL },
        { "/a%5cb", NULL },
        { "/.", NULL },
        { "/..", NULL },
        { "/a/../b", NULL },
        { "/a/%2e%2E/b", NULL },
        { "/a/.%2e/b", NULL },
        { "/x%2f..%2fy", NULL },
        { "/x%2f..", NULL },
        { "/...", "..." },
        { "/..a/b..", "..a|b.." },
        { "/%ff", NULL },
        { "/%c0%ae%c0%ae", NULL }, /* overlong ".." */
        { "/%ed%a0%80", NULL },
        { "", NULL },
        { "a", NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char scratch[256], joined[256] = "";
        struct path path;
        err e = path_parse(str_of(rows[i].raw), scratch, &path);
        if ((e.code == ERR_NONE) != (rows[i].joined != NULL))
            fail_msg("'%s': %s", rows[i].raw, e.code ? e.msg : "accepted");
        if (e.code)
            continue;
        size_t len = 0;
        for (size_t s = 0; s < path.count; s++)
            len += (size_t)snprintf(joined + len, sizeof joined - len, "%s%.*s", s ? "|" : "",
                                    STR_ARG(path.segments[s]));
        assert_string_equal(joined, rows[i].joined);
    }
}

static void depth_is_limited(void **state)
{
    char raw[2 * PATH_SEGMENTS_MAX + 8] = "", scratch[sizeof raw];
    (void)state;
    for (int i = 0; i < PATH_SEGMENTS_MAX; i++)
        memcpy(raw + 2 * i, "/a", 3);
    struct path path;
    err e = path_parse(str_of(raw), scratch, &path);
    assert_int_equal(e.code, 0);
    memcpy(raw + strlen(raw), "/a", 3);
    e = path_parse(str_of(raw), scratch, &path);
    assert_int_equal(e.code, ERR_INVALID);
}

static void queries_are_decoded(void **state)
{
    static const struct {
        const char *raw, *joined; /* name=value, with '|' between; NULL: refused */
    } rows[] = {
        { "", "" },
        { "a=1&b=2", "a=1|b=2" },
        { "a", "a=" },
        { "a=&=b&&&c=d=e", "a=|=b|c=d=e" },
        { "q=a+b%2Bc&x%3d=%26", "q=a b+c|x==&" },
        { "q=%0a", "q=\n" },
        { "q=%", NULL },
        { "q=%4x", NULL },
        { "q=%00", NULL },
        { "%ff=1", NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char memory[256], joined[256] = "";
        char *scratch = memory;
        str rest = str_of(rows[i].raw), name, value;
        err e = OK;
        size_t len = 0;
        while (query_next(&rest, &scratch, &name, &value, &e))
            len += (size_t)snprintf(joined + len, sizeof joined - len, "%s%.*s=%.*s",
                                    len ? "|" : "", STR_ARG(name), STR_ARG(value));
        if ((e.code == ERR_NONE) != (rows[i].joined != NULL))
            fail_msg("'%s': %s", rows[i].raw, e.code ? e.msg : "accepted");
        if (!e.code)
            assert_string_equal(joined, rows[i].joined);
    }
}

static void targets_are_split(void **state)
{
    static const struct {
        const char *target, *authority, *path, *query;
    } rows[] = {
        { "/", "", "/", "" },
        { "/a?b=c?d", "", "/a", "b=c?d" },
        { "/a?", "", "/a", "" },
        { "http://h:1/a?b", "h:1", "/a", "b" },
        { "http://h", "h", "/", "" },
        { "http://h?x", NULL, NULL, NULL },
        { "http:///a", NULL, NULL, NULL },
        { "https://h/", NULL, NULL, NULL },
        { "a/b", NULL, NULL, NULL },
        { "*", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
        { "/a#b", NULL, NULL, NULL },
        { "/a?b#c", NULL, NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        str authority, path, query;
        err e = target_split(str_of(rows[i].target), &authority, &path, &query);
        if ((e.code == ERR_NONE) != (rows[i].path != NULL))
            fail_msg("'%s': %s", rows[i].target, e.code ? e.msg : "accepted");
        if (e.code)
            continue;
        assert_true(str_eq(authority, str_of(rows[i].authority)));
        assert_true(str_eq(path, str_of(rows[i].path)));
        assert_true(str_eq(query, str_of(rows[i].query)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_cut_then_decoded),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(queries_are_decoded),
        cmocka_unit_test(targets_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
