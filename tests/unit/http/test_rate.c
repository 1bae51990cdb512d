/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, one client can fill the queue with work, or a busy one is locked out for good. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "platform/http/rate.h"

static const char a_route, another_route; /* routes are told apart by address */

static uint64_t client(const char *peer)
{
    return rate_client(str_of(peer), false, STR_NONE);
}

static void a_client_has_its_share_of_each_minute(void **state)
{
    struct rate_table t;
    rate_init(&t, 7);
    uint64_t c = client("192.0.2.1");
    for (int i = 0; i < 30; i++)
        assert_int_equal(rate_take(&t, c, &a_route, 30, 1000 + i), 0);
    assert_int_equal(rate_take(&t, c, &a_route, 30, 2000), RATE_WINDOW_MS - 1000);
    assert_int_equal(rate_take(&t, c, &a_route, 30, 1000 + RATE_WINDOW_MS - 1), 1);
    /* Asking while it has to wait does not make the wait longer. */
    assert_int_equal(rate_take(&t, c, &a_route, 30, 1000 + RATE_WINDOW_MS), 0);
    for (int i = 1; i < 30; i++)
        assert_int_equal(rate_take(&t, c, &a_route, 30, 70000), 0);
    assert_true(rate_take(&t, c, &a_route, 30, 70000) > 0);
    rate_deinit(&t);
}

static void clients_and_routes_are_counted_apart(void **state)
{
    struct rate_table t;
    rate_init(&t, 7);
    assert_int_equal(rate_take(&t, client("192.0.2.1"), &a_route, 1, 1), 0);
    assert_true(rate_take(&t, client("192.0.2.1"), &a_route, 1, 1) > 0);
    assert_int_equal(rate_take(&t, client("192.0.2.2"), &a_route, 1, 1), 0);
    assert_int_equal(rate_take(&t, client("192.0.2.1"), &another_route, 1, 1), 0);
    rate_deinit(&t);
}

static void any_number_of_clients_fits(void **state)
{
    struct rate_table t;
    char peer[32];
    rate_init(&t, 7);
    for (int i = 0; i < 100000; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(rate_take(&t, client(peer), &a_route, 1, 1000 + i / 100), 0);
    }
    /* The one who came last is still known. */
    assert_true(rate_take(&t, client(peer), &a_route, 1, 2000) > 0);
    rate_deinit(&t);
}

static void who_is_counted(void **state)
{
    static const struct {
        const char *peer;
        bool is_loopback;
        const char *forwarded, *same_as;
    } rows[] = {
        { "127.0.0.1", true, "", "127.0.0.1" },
        { "127.0.0.1", true, "203.0.113.9", "203.0.113.9" },
        /* Only the last address is the proxy's own word; the client can write any before it. */
        { "127.0.0.1", true, "198.51.100.1, 203.0.113.9", "203.0.113.9" },
        { "127.0.0.1", true, "somebody", "127.0.0.1" },
        { "127.0.0.1", true, ",", "127.0.0.1" },
        { "203.0.113.9", false, "198.51.100.1", "203.0.113.9" },
        { "::ffff:203.0.113.9", false, "", "203.0.113.9" },
        { "2001:db8:1:2::1", false, "", "2001:db8:1:2:ffff::7" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(
            rate_client(str_of(rows[i].peer), rows[i].is_loopback, str_of(rows[i].forwarded)),
            client(rows[i].same_as));
    assert_int_not_equal(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
    assert_int_not_equal(client("203.0.113.9"), client("203.0.113.8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_has_its_share_of_each_minute),
        cmocka_unit_test(clients_and_routes_are_counted_apart),
        cmocka_unit_test(any_number_of_clients_fits),
        cmocka_unit_test(who_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
