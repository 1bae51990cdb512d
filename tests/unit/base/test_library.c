/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, what is not installed ends the program, or a call goes nowhere. */
#include "check.h"

#include <stdlib.h>

#include "base/library.h"

static const char *const names[] = { "libskerry-nothing.so.7", "libm.so.6", NULL };

static void the_first_that_is_there_is_taken(void **state)
{
    double (*root)(double) = NULL;
    void *library = library_open("", names);
    assert_non_null(library);
    assert_true(library_find(library, "sqrt", (void *)&root));
    assert_true(root(81) == 9);
}

static void a_path_is_taken_or_nothing(void **state)
{
    assert_non_null(library_open("libm.so.6", NULL));
    assert_null(library_open("/nowhere/libm.so.6", names));
    assert_null(library_open("", (const char *const[]){ names[0], NULL }));
}

static void a_function_that_is_not_there_is_null(void **state)
{
    double (*root)(double) = (double (*)(double))(void (*)(void))abort;
    void *library = library_open("", names);
    assert_non_null(library);
    assert_false(library_find(library, "skerry_has_no_such_function", (void *)&root));
    assert_true(root == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_is_there_is_taken),
        cmocka_unit_test(a_path_is_taken_or_nothing),
        cmocka_unit_test(a_function_that_is_not_there_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
