/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bots.c -- the rules of the eight heuristic players. "Result" is always the user's. */
#include "engine/rps/bots.h"

#include <math.h>

static const char *const names[RPS_BOTS] = {
    "ace", "bob", "cal", "dan", "edd", "fox", "gus", "hal"
};
static const char *const titles[RPS_BOTS] = {
    "Ace", "Bob", "Cal", "Dan", "Edd", "Fox", "Gus", "Hal"
};

const char *rps_bot_name(enum rps_bot bot)
{
    return names[bot];
}

const char *rps_bot_title(enum rps_bot bot)
{
    return titles[bot];
}

enum rps_bot rps_bot_find(str name)
{
    size_t i = 0;
    while (i < RPS_BOTS && !str_eq(name, str_of(names[i])))
        i++;
    return (enum rps_bot)i;
}

/* ---------------------------------------------------------------- what several look at */

/* How many of the last `rounds` rounds ended so. */
static unsigned recent(const struct rps_table *t, size_t rounds, enum rps_outcome outcome)
{
    unsigned count = 0;
    for (size_t i = t->count < rounds ? 0 : t->count - rounds; i < t->count; i++)
        count += t->rounds[i].outcome == outcome;
    return count;
}

static const struct rps_round *last_round(const struct rps_table *t)
{
    return &t->rounds[t->count - 1];
}

/* The bot's moves from round index `from` on. */
static void count_bot_moves(const struct rps_table *t, size_t from, unsigned out[RPS_MOVES])
{
    for (unsigned move = 0; move < RPS_MOVES; move++)
        out[move] = 0;
    for (size_t i = from; i < t->count; i++)
        out[t->rounds[i].bot]++;
}

/* First of the largest. */
static unsigned largest(const unsigned count[RPS_MOVES])
{
    unsigned best = 0;
    for (unsigned move = 1; move < RPS_MOVES; move++) {
        if (count[move] > count[best])
            best = move;
    }
    return best;
}

/* 0, 1 or 2: how many moves had more points; equal ones in order of their names. */
static unsigned rank_of(const struct rps_points *points, unsigned move)
{
    static const unsigned by_name[RPS_MOVES] = { 1, 0, 2 }; /* paper, rock, scissors */
    unsigned rank = 0;
    for (unsigned other = 0; other < RPS_MOVES; other++)
        rank += points->of[other] > points->of[move] ||
                (points->of[other] == points->of[move] && by_name[other] < by_name[move]);
    return rank;
}

static unsigned move_of_rank(const struct rps_points *points, unsigned rank)
{
    unsigned move = 0;
    while (move + 1 < RPS_MOVES && rank_of(points, move) != rank)
        move++;
    return move;
}

static unsigned middle_move(const struct rps_points *points)
{
    unsigned order[RPS_MOVES];
    rps_moves_by_points(points, order);
    return order[1];
}

/* ---------------------------------------------------------------- the rules */

static unsigned ace(const struct rps_table *t)
{
    if (t->count == 0 || recent(t, 3, RPS_WIN) >= 2)
        return rps_best_move(&t->points);
    return rps_beater(last_round(t)->user);
}

static unsigned bob(const struct rps_table *t)
{
    static const unsigned rotation[RPS_MOVES] = { 0, 2, 1 };
    unsigned count[RPS_MOVES] = { 0 }, favourite = RPS_MOVES;

    if (recent(t, 3, RPS_WIN) < 2)
        return move_of_rank(&t->points, rotation[t->count % RPS_MOVES]);
    /* the rank that the bot plays most; of equal ones the one played first */
    for (size_t i = 0; i < t->count; i++)
        count[rank_of(&t->rounds[i].points, t->rounds[i].bot)]++;
    for (size_t i = 0; i < t->count; i++) {
        unsigned rank = rank_of(&t->rounds[i].points, t->rounds[i].bot);
        if (favourite == RPS_MOVES || count[rank] > count[favourite])
            favourite = rank;
    }
    return rps_beater(move_of_rank(&t->points, favourite));
}

static unsigned cal(const struct rps_table *t)
{
    unsigned best = rps_best_move(&t->points);
    return recent(t, 3, RPS_LOSE) == 3 ? best : rps_beater(best);
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

static unsigned dan(const struct rps_table *t, struct rng *rng)
{
    enum { WINDOW = 10 };
    unsigned best = rps_best_move(&t->points), beater = rps_beater(best), other = rps_beaten(best),
             count[RPS_MOVES];
    double weight[RPS_MOVES], sum = 0;
    size_t window = t->count < WINDOW ? t->count : WINDOW;

    weight[best] = clamp(clamp(t->points.of[best], 1.5, 2.0) - 1.40, 0.10, 0.60);
    weight[beater] = 0.30;
    weight[other] = fmax(0.05, 1 - weight[best] - weight[beater]);
    if (t->count) {
        weight[best] += last_round(t)->outcome == RPS_LOSE ? 0.15 : 0;
        weight[other] += last_round(t)->outcome == RPS_WIN ? 0.05 : 0;
    }
    weight[beater] += t->user_score < t->bot_score ? 0.10 : 0;
    weight[other] += t->user_score > t->bot_score ? 0.05 : 0;
    count_bot_moves(t, t->count - window, count);
    unsigned common = largest(count);
    if (count[common] >= (window / 2 > 2 ? window / 2 : 2))
        weight[rps_beater(common)] += 0.10;

    for (unsigned move = 0; move < RPS_MOVES; move++)
        sum += weight[move];
    double u = rng_unit(rng) * sum;
    for (unsigned move = 0; move + 1 < RPS_MOVES; move++) {
        u -= weight[move];
        if (u < 0)
            return move;
    }
    return RPS_MOVES - 1;
}

static unsigned edd(const struct rps_table *t)
{
    unsigned count[RPS_MOVES];

    if (t->count == 0 || last_round(t)->outcome == RPS_LOSE)
        return rps_best_move(&t->points);
    count_bot_moves(t, 0, count);
    return rps_beater(largest(count));
}

static unsigned fox(const struct rps_table *t)
{
    unsigned count[RPS_MOVES], order[RPS_MOVES], rarest = RPS_MOVES;

    rps_moves_by_points(&t->points, order);
    if (t->user_score > t->bot_score)
        return order[RPS_MOVES - 1];
    count_bot_moves(t, 0, count);
    for (unsigned move = 0; move < RPS_MOVES; move++) {
        if (count[move] && (rarest == RPS_MOVES || count[move] < count[rarest]))
            rarest = move;
    }
    return t->user_score < t->bot_score && rarest < RPS_MOVES ? rps_beater(rarest) : order[1];
}

static unsigned gus(const struct rps_table *t, struct rng *rng)
{
    unsigned order[RPS_MOVES], count[RPS_MOVES];

    if (t->count >= 2 && recent(t, 2, RPS_LOSE) == 2)
        return (unsigned)rng_below(rng, RPS_MOVES);
    /* In binary 1.6 - 1.0 is more than 0.6, so with the points of a real round this is always so.
     * Kept: it is how gus plays. */
    rps_moves_by_points(&t->points, order);
    if (t->points.of[order[0]] - t->points.of[order[RPS_MOVES - 1]] > 0.6)
        return order[0];
    if (t->count == 0)
        return (unsigned)rng_below(rng, RPS_MOVES);
    unsigned last = last_round(t)->bot;
    if (t->count >= 2 && t->rounds[t->count - 2].bot == last)
        return rps_beater(last);
    count_bot_moves(t, 0, count);
    unsigned common = largest(count);
    return rps_beater(count[common] * 2 >= t->count ? common : last);
}

static unsigned hal(const struct rps_table *t)
{
    if (recent(t, 3, RPS_LOSE) < 3)
        return middle_move(&t->points);
    /* of three moves one is the most common if it comes twice; else the first one is */
    const struct rps_round *three = &t->rounds[t->count - 3];
    return three[1].bot == three[2].bot ? three[1].bot : three[0].bot;
}

unsigned rps_bot_move(enum rps_bot bot, const struct rps_table *table, struct rng *rng)
{
    switch (bot) {
    case RPS_ACE:
        return ace(table);
    case RPS_BOB:
        return bob(table);
    case RPS_CAL:
        return cal(table);
    case RPS_DAN:
        return dan(table, rng);
    case RPS_EDD:
        return edd(table);
    case RPS_FOX:
        return fox(table);
    case RPS_GUS:
        return gus(table, rng);
    case RPS_HAL:
    case RPS_BOTS:
        break;
    }
    return hal(table);
}
