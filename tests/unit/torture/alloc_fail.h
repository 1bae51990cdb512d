/* SPDX-License-Identifier: GPL-3.0-or-later */
/* alloc_fail.h -- makes the n-th allocation of a program fail.
 *
 * The linker's --wrap (see meson.build) leads every malloc, calloc, realloc, aligned_alloc,
 * posix_memalign and strdup of our own code here, which includes jansson's; SQLite's allocator is
 * led here by its own hook. All threads count together, except those that ask not to: a test's
 * client must not be what fails.
 */
#ifndef SKERRY_TEST_ALLOC_FAIL_H
#define SKERRY_TEST_ALLOC_FAIL_H

#include <stdbool.h>

/* Before the first use of SQLite. */
void alloc_fail_install(void);

/* From now on allocations are counted from 1, and the `nth` fails; with `and_all_after`, also every
 * later one: what a machine that has run out does. */
void alloc_fail_at(long nth, bool and_all_after);
/* Back to normal. Returns how many allocations were asked for since alloc_fail_at. */
long alloc_fail_off(void);

/* Allocations of this thread are neither counted nor refused. */
void alloc_fail_spare_thread(bool is_spared);

#endif
