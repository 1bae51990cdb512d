/* SPDX-License-Identifier: GPL-3.0-or-later */
/* torture.h -- runs a piece of work again and again, each time with another allocation failing.
 *
 * The work says OK or how it failed, and gives back what it holds in both cases: leaks are found by
 * the sanitizer build. When memory is refused it must say so (ERR_NO_MEMORY), or do without. After
 * each failure it must succeed, on the same folder, as soon as there is memory again.
 */
#ifndef SKERRY_TEST_TORTURE_H
#define SKERRY_TEST_TORTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fs.h"

/* A folder for the files of one test. */
struct torture_place {
    char folder[64];
    void *arg; /* of the test, for its work */
};
int torture_setup(void **state);
int torture_teardown(void **state);

typedef err (*torture_work)(struct torture_place *place);
void torture(struct torture_place *place, torture_work work);
/* Refuses single allocations only: for work that rightly waits until there is memory again. */
void torture_singly(struct torture_place *place, torture_work work);

#endif
