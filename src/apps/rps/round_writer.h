/* SPDX-License-Identifier: GPL-3.0-or-later */
/* round_writer.h -- rounds on their way to the disk, many in one write.
 *
 * What a write costs beside its row (a place in the store's queue, a hand-over, a row of notes
 * about predictions) is the same for one round as for fifty. So rounds gather while the write
 * before theirs is synced, and go together. When one of them fails, each is written again alone,
 * and only the guilty one is told so.
 */
#ifndef SKERRY_RPS_ROUND_WRITER_H
#define SKERRY_RPS_ROUND_WRITER_H

#include "apps/rps/game_store.h"

struct rps_round_writer;

/* Lives as long as its round; all that `row` points to does, too. */
struct rps_round_write {
    struct rps_state *s;
    struct rps_new_round row;
    int64_t person_seq; /* once it is committed: of the game that it ended; 0: not remembered */
    /* Once, on the store's thread: committed, or why not. Short; the round is its owner's again. */
    void (*done)(struct rps_round_write *r, err result);
    struct rps_round_write *next; /* the writer's */
};

MUST_USE err rps_round_writer_open(struct rps_state *s, struct rps_round_writer **ret_writer);
void rps_round_writer_close(struct rps_round_writer *w); /* nothing waits; accepts NULL */

/* Any thread. On an error `done` is not called. */
MUST_USE err rps_round_write_later(struct rps_round_writer *w, struct rps_round_write *r);
/* The same, and waits; `done` is not called. */
MUST_USE err rps_round_write_now(struct rps_round_write *r);

#endif
