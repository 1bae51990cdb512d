/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player.h -- feature set "player-history": what is known of a person who has played before.
 *
 * A few dozen experts each look at one thing (what the person played last, whether it won, what the
 * other does over and over) and keep decayed counts of what the person then did. They start from
 * the counts of a *population*, fitted on people who are in no test, so that they say something
 * sensible in a person's first rounds. Two mixers weigh the experts: a logistic one, whose weights
 * start at the population's and drift with the person, and Hedge. The features are the mixers' and
 * some experts' probabilities, and the last moves.
 *
 * A population is part of a model's artifact: made by rps_population_fit, stored as bytes. A player
 * is a person's memory: it starts empty, takes a round at a time, goes on over games, and can be
 * stored as bytes or made again from the person's rounds with the same result to the bit (on one
 * machine: logarithms are those of its math library). Both ways of use, training and serving, call
 * rps_player_features before a round and rps_player_add after it.
 *
 * A population may be used by many threads; a player by one at a time.
 */
#ifndef SKERRY_RPS_PLAYER_H
#define SKERRY_RPS_PLAYER_H

#include "base/buf.h"
#include "engine/rps/people.h"

#define RPS_PLAYER_FEATURE_SET "player-history"

enum {
    RPS_EXPERTS = 64,
    RPS_SHOWN_EXPERTS = 12, /* whose probabilities are features themselves */
    RPS_PLAYER_LAGS = 2,    /* rounds whose moves are */
    RPS_PLAYER_FEATURES = (2 + RPS_SHOWN_EXPERTS) * RPS_MOVES + RPS_PLAYER_LAGS * 2 * RPS_MOVES +
                          RPS_MOVES + 3,
    RPS_POPULATION_BYTES_MAX = 1 << 17,
    RPS_PLAYER_BYTES_MAX = 1 << 17,
};

struct rps_population;
struct rps_player;

/* ---------------------------------------------------------------- populations */

/* Fits priors, weights and rates on the people whose `use` is true (NULL: all). About 0.1 ms a
 * round; the same people give the same population. ERR_INVALID when they have no rounds. `progress`
 * (may be NULL) gets 0..1; an error from it ends the fit and is returned. */
MUST_USE err rps_population_fit(const struct rps_people *people, const bool *use,
                                err (*progress)(void *arg, double done), void *arg,
                                struct rps_population **ret_population);
void rps_population_free(struct rps_population *population); /* accepts NULL */

/* Tells populations apart: players go with one. */
uint64_t rps_population_digest(const struct rps_population *population);

/* As bytes: version, numbers, checksum. */
void rps_population_write(const struct rps_population *population, struct buf *out);
/* ERR_CORRUPT when the bytes are not what was written, ERR_UNSUPPORTED for another version. */
MUST_USE err rps_population_read(str bytes, struct rps_population **ret_population);

/* ---------------------------------------------------------------- players */

/* Somebody of whom nothing is known. The population is needed by each call, but not kept. */
MUST_USE err rps_player_new(const struct rps_population *population,
                            struct rps_player **ret_player);
void rps_player_free(struct rps_player *player); /* accepts NULL */
/* A second one who knows the same. */
MUST_USE err rps_player_copy(const struct rps_population *population,
                             const struct rps_player *player, struct rps_player **ret_copy);
size_t rps_player_bytes(const struct rps_population *population); /* in memory, each */

/* A new game begins: what the last rounds were no longer matters, what they taught does. */
void rps_player_begin_game(struct rps_player *player);

/* The vector before the next round. `now` are its points; NULL where a game has none. */
void rps_player_features(const struct rps_population *population, const struct rps_player *player,
                         const struct rps_points *now, double out[RPS_PLAYER_FEATURES]);

/* mix_r hedge_r ... EXPERT_r ... user_-1_r bot_-1_r ... (here -1 is the newest) rock_pts paper_pts
 * scissors_pts game_rounds games log_rounds. `out` holds RPS_PLAYER_NAME_BYTES. */
enum { RPS_PLAYER_NAME_BYTES = 32 };
void rps_player_feature_name(size_t index, char out[RPS_PLAYER_NAME_BYTES]);

/* The logistic mixer's probabilities alone, which are features 0 to 2: a model that needs no
 * family.
 */
void rps_player_predict(const struct rps_population *population, const struct rps_player *player,
                        const struct rps_points *now, double out[RPS_MOVES]);

/* Learns from the round that was played; moves must be moves. */
void rps_player_add(const struct rps_population *population, struct rps_player *player,
                    unsigned user, unsigned bot, const struct rps_points *now);

uint32_t rps_player_rounds(const struct rps_player *player); /* learned from */

/* As bytes, with a checksum: about 2 KiB for somebody new, 12 bytes more for each context that came
 * up, at most RPS_PLAYER_BYTES_MAX. */
void rps_player_write(const struct rps_population *population, const struct rps_player *player,
                      struct buf *out);
/* ERR_CONFLICT when they belong to another population (make the player again from its rounds),
 * ERR_CORRUPT when they are damaged, ERR_UNSUPPORTED for another version. */
MUST_USE err rps_player_read(const struct rps_population *population, str bytes,
                             struct rps_player **ret_player);

#endif
