/* SPDX-License-Identifier: GPL-3.0-or-later */
/* adopt.c -- the jobs of a store that was put back into another data folder.
 *
 * What ran when the copy was made runs nowhere now, and nobody will come back for it: waiting for
 * leases to run out would be waiting for nothing. What only the old folder could do is the new
 * one's.
 */
#include "platform/jobs/jobs_internal.h"

struct adopt_tx {
    const char *place, *ended_kind;
};

static err adopt_write(struct store_tx *tx, void *arg)
{
    const struct adopt_tx *a = arg;
    TRY(store_exec(tx,
                   "UPDATE jobs SET place = ?1 WHERE place IS NOT NULL "
                   "AND state IN ('waiting','queued','running','paused')",
                   ARGS(sql_cstr(a->place)), NULL));
    TRY(store_exec(tx, "UPDATE jobs SET lease_until_ms = 0 WHERE state = 'running'", NO_ARGS,
                   NULL));
    /* One that had not begun counts as begun: then the keeper ends it, with all that goes with it.
     */
    return store_exec(tx,
                      "UPDATE jobs SET state = 'running', worker = COALESCE(worker, ''), "
                      "lease_until_ms = 0, stop_wanted = 1 WHERE kind = ?1 "
                      "AND state IN ('waiting','queued','running','paused')",
                      ARGS(sql_cstr(a->ended_kind)), NULL);
}

err jobs_adopt(struct store *s, const char *place, const char *ended_kind)
{
    struct adopt_tx a = { place, ended_kind };
    return err_wrap(store_write(s, adopt_write, &a), "taking over the jobs of a restored store");
}
