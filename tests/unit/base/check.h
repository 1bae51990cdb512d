/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check.h -- cmocka with its four includes, and checks for our error type. */
#ifndef SKERRY_TESTS_CHECK_H
#define SKERRY_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

/* The message of an unexpected error is what the reader wants to see. */
#define assert_ok(call)                                \
    do {                                               \
        err check_err_ = (call);                       \
        if (check_err_.code)                           \
            fail_msg("%s: %s", #call, check_err_.msg); \
    } while (0)

#define assert_err(call, wanted) \
    assert_string_equal(err_code_name((call).code), err_code_name(wanted))

#endif
