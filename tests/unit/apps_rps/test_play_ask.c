/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the short way reads means the same to the parser of all JSON. If this failed, /play would
 * take what other parsers refuse, or play another move than was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/rps/play_ask.h"
#include "base/json.h"
#include "base/rand.h"
#include "platform/app/app.h"

/* The house that models are loaded in reads this list. */
const struct app *const app_registry[] = { &app_core, NULL };

static const char *const bodies[] = {
    "{\"game_id\":\"a-b\",\"user_move\":\"rock\"}",
    "{\"game_id\":\"a\",\"user_move\":\"PAPER\",\"round\":4}",
    " {\n\t\"round\" : 17 , \"user_move\" : \"\" ,\r\n\"game_id\" : \"x y\" } \n",
};

static void plain_bodies_are_read(void **state)
{
    static const struct rps_plain_ask wanted[] = {
        { STR_INIT("a-b"), STR_INIT("rock"), 0 },
        { STR_INIT("a"), STR_INIT("PAPER"), 4 },
        { STR_INIT("x y"), STR_INIT(""), 17 },
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct rps_plain_ask ask;
        assert_true(rps_ask_read_plain(str_of(bodies[i]), &ask));
        assert_true(str_eq(ask.game_id, wanted[i].game_id));
        assert_true(str_eq(ask.user_move, wanted[i].user_move));
        assert_int_equal(ask.round, wanted[i].round);
    }
}

static void everything_else_is_left_to_the_parser(void **state)
{
    static const char *const others[] = {
        "",
        "{}",
        "[]",
        "{\"game_id\":\"a\"}",
        "{\"user_move\":\"rock\"}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\"",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\"}}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\"} x",
        "{\"game_id\":\"a\" \"user_move\":\"rock\"}",
        "{\"game_id\":\"a\",\"game_id\":\"b\",\"user_move\":\"rock\"}",
        "{\"game_id\":\"\",\"game_id\":\"b\",\"user_move\":\"rock\"}",
        "{\"game_id\":\"a\\u0062\",\"user_move\":\"rock\"}",
        "{\"game_id\":\"\xC3\xA4\",\"user_move\":\"rock\"}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"easy_mode\":true}",
        "{\"game_id\":null,\"user_move\":\"rock\"}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":0}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":04}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":-4}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":4.0}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":4e1}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":4,\"round\":4}",
        "{\"game_id\":\"a\",\"user_move\":\"rock\",\"round\":99999999999999999999}",
        "{\"game_id\":\"a\tb\",\"user_move\":\"rock\"}",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct rps_plain_ask ask = { .round = 77 };
        assert_false(rps_ask_read_plain(str_of(others[i]), &ask));
        assert_int_equal(ask.round, 77); /* untouched */
    }
}

static bool check_one(str body)
{
    struct rps_plain_ask ask;
    const struct json *root = NULL;
    arena keep;
    if (!rps_ask_read_plain(body, &ask))
        return false;
    arena_init(&keep, 1 << 20);
    err e = json_parse(&keep, body, &root);
    assert_int_equal(e.code, ERR_NONE);
    assert_true(str_eq(json_str(json_get(root, "game_id"), STR("?")), ask.game_id));
    assert_true(str_eq(json_str(json_get(root, "user_move"), STR("?")), ask.user_move));
    assert_int_equal(json_int(json_get(root, "round"), 0), ask.round);
    assert_int_equal(json_count(root), ask.round ? 3 : 2);
    arena_deinit(&keep);
    return true;
}

static void what_is_read_means_the_same(void **state)
{
    static const char bytes[] = "{}[]:,\"\\ \n\t019-.e+aguro_\x01\x7F\xC3\xA4";
    struct rng rng;
    char body[256];
    size_t read = 0;
    rng_init(&rng, 20261129);
    for (int i = 0; i < 200000; i++) {
        const char *from = bodies[rng_below(&rng, COUNT_OF(bodies))];
        size_t len = strlen(from);
        memcpy(body, from, len);
        for (uint64_t k = rng_below(&rng, 4); k > 0; k--)
            body[rng_below(&rng, len)] = bytes[rng_below(&rng, sizeof bytes)];
        len -= rng_below(&rng, 8) ? 0 : rng_below(&rng, len);
        read += check_one(str_from(body, len));
    }
    assert_in_range(read, 20000, 199999); /* some are still plain, others are not */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bodies_are_read),
        cmocka_unit_test(everything_else_is_left_to_the_parser),
        cmocka_unit_test(what_is_read_means_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
