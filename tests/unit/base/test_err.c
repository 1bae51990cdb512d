/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/* A wrong HTTP status or exit code breaks every script that looks at it. */
static void codes_have_documented_statuses(void **state)
{
    assert_int_equal(err_http_status(ERR_NONE), 200);
    assert_int_equal(err_http_status(ERR_INVALID), 400);
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
    assert_int_equal(err_http_status(ERR_CONFLICT), 409);
    assert_int_equal(err_http_status(ERR_BUSY), 503);
    assert_int_equal(err_exit_code(ERR_NONE), 0);
    assert_int_equal(err_exit_code(ERR_INVALID), 2);
    assert_string_equal(err_code_name(ERR_TOO_BIG), "too_big");
    assert_int_equal(err_http_status((enum err_code)999), 500);
}

/* errno is read at once: what the message says is what went wrong, and the code what to do. */
static void errno_becomes_code_and_text(void **state)
{
    static const struct {
        int number;
        enum err_code code;
    } cases[] = { { ENOENT, ERR_NOT_FOUND },
                  { EACCES, ERR_DENIED },
                  { ENOSPC, ERR_NO_SPACE },
                  { EIO, ERR_IO },
                  { ENOMEM, ERR_NO_MEMORY } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        errno = cases[i].number;
        err e = ERR_SYS("opening '%s'", "file");
        assert_int_equal(e.code, cases[i].code);
        assert_non_null(strstr(e.msg, "opening 'file': "));
    }
}

/* A cut message must stay valid UTF-8, or the reply that carries it is not JSON. */
static void long_messages_are_cut_between_characters(void **state)
{
    char text[600];
    for (int shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof text);
        for (size_t i = (size_t)shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x99\x98", 3);
        text[sizeof text - 1] = '\0';
        err e = ERR(ERR_INVALID, "%s", text);
        str msg = str_of(e.msg);
        assert_true(msg.len < ERR_MSG_BYTES);
        assert_int_equal(str_utf8_valid_len(msg), msg.len);
    }
}

static void wrapping_puts_the_context_first(void **state)
{
    err e = err_wrap(ERR(ERR_NOT_FOUND, "no such row"), "reading game %d", 7);
    assert_string_equal(e.msg, "reading game 7: no such row");
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(err_wrap(OK, "x").code, ERR_NONE);
    assert_int_equal(err_first(OK, e).code, ERR_NOT_FOUND);
    assert_int_equal(err_first(e, ERR(ERR_IO, "later")).code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_documented_statuses),
        cmocka_unit_test(errno_becomes_code_and_text),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(wrapping_puts_the_context_first),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
