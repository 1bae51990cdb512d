/* SPDX-License-Identifier: GPL-3.0-or-later */
/* torture.c -- see torture.h. */
#include "torture.h"

#include "../test_folder.h"

/* The first allocations are refused one by one. Later ones are mostly of loops that were met
 * before: the distance grows by a thirtieth of the way. */
static long next_after(long nth)
{
    return nth + 1 + nth / 30;
}

static void must_succeed(struct torture_place *place, torture_work work, const char *when, long nth)
{
    err e = work(place);
    if (e.code)
        fail_msg("%s (%ld): %s: %s (%s:%d)", when, nth, err_code_name(e.code), e.msg, e.file,
                 e.line);
}

static void torture_mode(struct torture_place *place, torture_work work, bool and_all_after)
{
    const char *mode = and_all_after ? "this and all later ones" : "this one";
    long nth = 1, failed = 0, last = 0;
    for (bool is_reached = true; is_reached; nth = next_after(nth)) {
        alloc_fail_at(nth, and_all_after);
        err e = work(place);
        long asked = alloc_fail_off();
        is_reached = asked >= nth;
        if (e.code && e.code != ERR_NO_MEMORY)
            fail_msg("allocation %ld (%s) was refused and the work said %s: %s (%s:%d)", nth, mode,
                     err_code_name(e.code), e.msg, e.file, e.line);
        if (e.code && !is_reached)
            fail_msg("nothing was refused, but: %s", e.msg);
        failed += e.code != ERR_NONE;
        last = asked;
        if (e.code && failed % 8 == 1)
            must_succeed(place, work, "with memory again, after allocation", nth);
    }
    print_message("%ld allocations, refused %s: %ld times it failed\n", last, mode, failed);
    assert_true(failed > 0); /* otherwise nothing was tortured */
}

void torture_singly(struct torture_place *place, torture_work work)
{
    must_succeed(place, work, "before anything is refused", 0);
    torture_mode(place, work, false);
    must_succeed(place, work, "at the end", 0);
}

void torture(struct torture_place *place, torture_work work)
{
    torture_singly(place, work);
    torture_mode(place, work, true);
    must_succeed(place, work, "at the end", 0);
}

int torture_setup(void **state)
{
    struct torture_place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    assert_true(test_folder_make(place->folder, sizeof place->folder, "torture"));
    *state = place;
    return 0;
}

int torture_teardown(void **state)
{
    struct torture_place *place = *state;
    err e = fs_remove_tree(place->folder);
    free(place);
    return e.code != ERR_NONE;
}
