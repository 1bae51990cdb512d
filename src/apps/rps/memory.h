/* SPDX-License-Identifier: GPL-3.0-or-later */
/* memory.h -- who plays, in memory: what models of "player-history" know of people, bounded.
 *
 * For each population (a model has its own) there is what was known of a person between two games,
 * under the name, and what is known in a game, under its id. Both follow from stored rounds alone
 * (engine/rps/player_past.h): what was not used for longest makes room and is made again when it is
 * asked for, with the same answers, as after a restart. Making somebody again reads the store and
 * takes a few milliseconds, which the event thread must not spend: it is told so and goes to a
 * worker.
 *
 * Any thread; no lock is held while anything is computed or read.
 */
#ifndef SKERRY_RPS_MEMORY_H
#define SKERRY_RPS_MEMORY_H

#include "engine/rps/player_past.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"

struct rps_memory;

/* Before a round: whose game, and what was played in it. Borrowed. */
struct rps_moment {
    str game;     /* its id; empty: it is none of ours, and is not remembered */
    str person;   /* empty: nobody knows them */
    int64_t seen; /* of their games */
    const struct rps_turn *turns;
    size_t turn_count;
    struct rps_points points; /* of the round */
};

enum { RPS_STATE_KIB = 45 }; /* what one takes, about; a test sees to it */

/* states_max at least 1. */
MUST_USE err rps_memory_open(struct store *store, size_t states_max,
                             struct rps_memory **ret_memory);
void rps_memory_close(struct rps_memory *m); /* accepts NULL */

/* The features before the round. Without may_read, *ret_is_ready is false when the store has to be
 * asked or much has to be computed: nothing is done then. ERR_NO_MEMORY, and what the store
 * says. */
MUST_USE err rps_memory_see(struct rps_memory *m, const struct rps_population *population,
                            const struct rps_moment *moment, bool may_read,
                            double out[RPS_PLAYER_FEATURES], bool *ret_is_ready);

/* The game ended and is stored as the person's `number`-th; 0: it is not remembered. The moment is
 * the one after its last round. */
void rps_memory_end(struct rps_memory *m, uint64_t population, const struct rps_moment *moment,
                    int64_t number);

size_t rps_memory_states(struct rps_memory *m);

/* Answered from what was there; begun with nobody known; made again from the store; and what made
 * room for another. */
enum rps_recall_result {
    RPS_RECALL_KEPT,
    RPS_RECALL_BEGUN,
    RPS_RECALL_READ,
    RPS_RECALL_EVICTED,
    RPS_RECALLS
};
/* Counts them into these from now on; before the memory is used. */
void rps_memory_tell(struct rps_memory *m, struct metric_cell *const cells[RPS_RECALLS]);

#endif
