/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logs of people from strangers: what is read has people, games and rounds that lie within each
 * other, and only moves in them. */
#include <stdlib.h>
#include <string.h>

#include "engine/rps/people.h"

enum { SIZE_MAX_BYTES = 1 << 20, MEMORY_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool is_so)
{
    if (!is_so)
        abort();
}

static void look(const struct rps_people *p)
{
    size_t rounds = 0, games = 0;

    for (size_t i = 0; i < p->person_count; i++) {
        const struct rps_person *who = &p->people[i];
        size_t inside = 0;
        need(who->first == rounds && who->first_game == games);
        for (size_t g = games; g < games + who->game_count; g++) {
            need(g < p->game_count && p->games[g].person == i);
            need(p->games[g].first == rounds + inside && p->games[g].count > 0);
            inside += p->games[g].count;
        }
        need(inside == who->count && who->game_count > 0);
        rounds += who->count;
        games += who->game_count;
    }
    need(rounds == p->round_count && games == p->game_count);
    for (size_t i = 0; i < rounds; i++)
        need(p->rounds[i].user < RPS_MOVES && p->rounds[i].bot < RPS_MOVES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE_MAX_BYTES)
        return 0;
    char *exact = malloc(size ? size : 1);
    struct rps_people people;
    arena keep;

    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    arena_init(&keep, MEMORY_BYTES);
    err e = rps_people_read(&keep, str_from(exact, size), &people);
    free(exact); /* nothing may point into it */
    if (!e.code)
        look(&people);
    arena_deinit(&keep);
    return 0;
}
