/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bots.h -- the eight players that follow a rule: ace, bob, cal, dan, edd, fox, gus, hal.
 *
 * They are policies to play against and users to simulate with. Each looks at the rounds so far and
 * at what is to be won now, and names a move; dan, and gus when it is at a loss, throw a die that
 * the caller gives. Where the rule leaves several moves, the first of rock, paper, scissors is
 * taken (or the one that was played first, where said), so that a seed gives the same game again.
 * Pure functions.
 */
#ifndef SKERRY_RPS_BOTS_H
#define SKERRY_RPS_BOTS_H

#include "base/rand.h"
#include "engine/rps/game.h"

enum rps_bot { RPS_ACE, RPS_BOB, RPS_CAL, RPS_DAN, RPS_EDD, RPS_FOX, RPS_GUS, RPS_HAL, RPS_BOTS };

const char *rps_bot_name(enum rps_bot bot);  /* "ace" */
const char *rps_bot_title(enum rps_bot bot); /* "Ace", the name it plays under */
enum rps_bot rps_bot_find(str name);         /* by name, exactly; RPS_BOTS when there is none */

/* What a bot sees. The rounds are borrowed and in order, of this game only. */
struct rps_table {
    const struct rps_round *rounds;
    size_t count;
    struct rps_points points; /* of the round to come */
    double user_score, bot_score;
};

/* The move of a bot. `rng` is used by dan and gus only. */
unsigned rps_bot_move(enum rps_bot bot, const struct rps_table *table, struct rng *rng);

#endif
