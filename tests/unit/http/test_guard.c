/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a web page anywhere can drive a server on its visitor's machine. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "platform/http/guard.h"

static const char *const extra[] = { "skerry.example", "box:9000", NULL };
static const char *const origins[] = { "https://notebook.example", NULL };

static void hosts_of_others_are_refused(void **state)
{
    static const struct {
        const char *bind, *host;
        enum err_code code;
    } rows[] = {
        { "127.0.0.1", "localhost", ERR_NONE },
        { "127.0.0.1", "LocalHost:8001", ERR_NONE },
        { "127.0.0.1", "localhost.", ERR_NONE },
        { "127.0.0.1", "127.0.0.1:8001", ERR_NONE },
        { "127.0.0.1", "127.9.9.9", ERR_NONE },
        { "127.0.0.1", "[::1]:8001", ERR_NONE },
        { "127.0.0.1", "[::ffff:127.0.0.1]", ERR_NONE },
        { "127.0.0.1", "skerry.example", ERR_NONE },
        { "127.0.0.1", "SKERRY.example:443", ERR_NONE },
        { "127.0.0.1", "box:9000", ERR_NONE },
        { "127.0.0.1", "box", ERR_DENIED },
        { "127.0.0.1", "evil.example", ERR_DENIED },
        { "127.0.0.1", "localhost.evil.example", ERR_DENIED },
        { "127.0.0.1", "127.0.0.1.evil.example", ERR_DENIED },
        { "127.0.0.1", "0177.0.0.1", ERR_DENIED },
        { "127.0.0.1", "2130706433", ERR_DENIED },
        { "127.0.0.1", "192.168.1.5", ERR_DENIED },
        { "127.0.0.1", "0.0.0.0", ERR_DENIED },
        { "127.0.0.1", "[::2]", ERR_DENIED },
        { "192.168.1.5", "192.168.1.5:8001", ERR_NONE },
        { "192.168.1.5", "192.168.1.6", ERR_DENIED },
        { "0.0.0.0", "192.168.1.6", ERR_NONE },
        { "0.0.0.0", "evil.example", ERR_DENIED },
        { "::", "[fe80::1]", ERR_NONE },
        { "::", "evil.example", ERR_DENIED },
        { "127.0.0.1", "", ERR_INVALID },
        { "127.0.0.1", ":8001", ERR_INVALID },
        { "127.0.0.1", "localhost:80a", ERR_INVALID },
        { "127.0.0.1", "localhost:123456", ERR_INVALID },
        { "127.0.0.1", "local host", ERR_INVALID },
        { "127.0.0.1", "user@localhost", ERR_INVALID },
        { "127.0.0.1", "localhost/x", ERR_INVALID },
        { "127.0.0.1", "[::1", ERR_INVALID },
        { "127.0.0.1", "[::1]x", ERR_INVALID },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct guard g = { rows[i].bind, extra, origins };
        err e = guard_host(&g, str_of(rows[i].host));
        if (e.code != rows[i].code)
            fail_msg("bound to %s, Host '%s': %s", rows[i].bind, rows[i].host,
                     e.code ? e.msg : "accepted");
    }
}

static void origins_of_others_are_refused(void **state)
{
    static const struct {
        const char *origin, *host;
        bool is_fine, is_listed;
    } rows[] = {
        { "http://localhost:8001", "localhost:8001", true, false },
        { "http://LOCALHOST:8001", "localhost:8001", true, false },
        { "https://skerry.example", "skerry.example", true, false },
        { "https://notebook.example", "localhost:8001", true, true },
        { "http://localhost:3000", "localhost:8001", false,
          false }, /* another program on this machine */
        { "http://localhost", "localhost:8001", false, false },
        { "http://evil.example", "localhost:8001", false, false },
        { "http://localhost:8001.evil.example", "localhost:8001", false, false },
        { "null", "localhost:8001", false, false },
        { "", "localhost:8001", false, false },
        { "file://", "localhost:8001", false, false },
        { "localhost:8001", "localhost:8001", false, false },
    };
    (void)state;
    struct guard g = { "127.0.0.1", NULL, origins };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_listed = false;
        err e = guard_origin(&g, str_of(rows[i].origin), str_of(rows[i].host), &is_listed);
        if ((e.code == ERR_NONE) != rows[i].is_fine || (e.code && e.code != ERR_DENIED))
            fail_msg("Origin '%s', Host '%s': %s", rows[i].origin, rows[i].host,
                     e.code ? e.msg : "accepted");
        assert_int_equal(is_listed, rows[i].is_listed);
    }
}

static void loopback_is_known(void **state)
{
    (void)state;
    assert_true(guard_is_loopback("127.0.0.1") && guard_is_loopback("::1") &&
                guard_is_loopback("localhost"));
    assert_true(guard_is_loopback("::ffff:127.0.0.1"));
    assert_false(guard_is_loopback("0.0.0.0") || guard_is_loopback("10.0.0.1") ||
                 guard_is_loopback(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_others_are_refused),
        cmocka_unit_test(origins_of_others_are_refused),
        cmocka_unit_test(loopback_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
