/* SPDX-License-Identifier: GPL-3.0-or-later */
/* people.h -- logs of people playing, read from the CSV files of published experiments.
 *
 * Three forms are known by their first line: "exp,game_id,round,p1,p2,..." (Brockbank and Vul:
 * people against people, against stable and against adaptive bots; a person each side),
 * "id,game,period,choice,..." (Wang, Xu and Zhou: groups of six) and "id,enemy_name,round,..." (one
 * person against many). Columns are found by name. The text may be packed with zstd. Nothing of it
 * is shipped with this program: who has the files reads them.
 *
 * A person is one row of games in the order of the file, from their own side of the table. Rounds
 * in which either side did not move in time are left out and counted.
 */
#ifndef SKERRY_RPS_PEOPLE_H
#define SKERRY_RPS_PEOPLE_H

#include "base/arena.h"
#include "engine/rps/game.h"

enum {
    RPS_PEOPLE_BYTES_MAX = 256 << 20, /* unpacked text */
    RPS_PEOPLE_ROUNDS_MAX = 4 << 20,
    RPS_PEOPLE_MAX = 1 << 16,
};

enum rps_against {
    RPS_AGAINST_PEOPLE,
    RPS_AGAINST_STABLE,
    RPS_AGAINST_ADAPTIVE,
    RPS_AGAINST_KINDS
};
const char *rps_against_name(
    enum rps_against against); /* "people", "stable bots", "adaptive bots" */

struct rps_pair {
    uint8_t user, bot; /* moves of the person and of whoever sat opposite */
};

/* Games and people are ranges of one array of rounds and one of games. */
struct rps_people_game {
    str id;             /* as in the file */
    str opponent;       /* a person's id, a bot's strategy, or a name; may be empty */
    int64_t started_ms; /* Unix time of the first round; 0: the file does not say */
    uint32_t person;
    uint32_t first, count; /* rounds */
};

struct rps_person {
    str id;
    str group; /* people of one group met each other: a split must keep them together */
    enum rps_against against;
    uint32_t first_game, game_count;
    uint32_t first, count; /* rounds of all games */
};

struct rps_people {
    const struct rps_person *people;
    const struct rps_people_game *games;
    const struct rps_pair *rounds;
    const struct rps_points *points; /* of each round, all zero where unknown; NULL: of none */
    size_t person_count, game_count, round_count;
    size_t skipped; /* rounds without both moves */
};

/* Points of a round, or NULL. The files have none; an app that fits on its own games has. */
static inline const struct rps_points *rps_people_points(const struct rps_people *people,
                                                         size_t round)
{
    return people->points && people->points[round].of[0] > 0 ? &people->points[round] : NULL;
}

/* Reads one file's bytes, packed or not. ERR_INVALID names line and reason; ERR_TOO_BIG above the
 * maxima. */
MUST_USE err rps_people_read(arena *keep, str bytes, struct rps_people *ret_people);

/* The same from a file. */
MUST_USE err rps_people_load(arena *keep, const char *path, struct rps_people *ret_people);

/* Several as one, in the order given. Texts stay where they are. */
MUST_USE err rps_people_join(arena *keep, const struct rps_people *parts, size_t count,
                             struct rps_people *ret_people);

#endif
