/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policy.c -- expected value of the bot's moves; the table of model families. */
#include "engine/rps/policy.h"

#include <math.h>

static const struct family {
    const char *name, *policy, *registry, *fallback;
} families[RPS_FAMILIES] = {
    [RPS_FEEDFORWARD] = { "feedforward_nn", "brian", "rps_bot_feedforward", "bob" },
    [RPS_XGBOOST] = { "xgboost", "forrest", "rps_bot_xgboost", "cal" },
    [RPS_LOGISTIC] = { "multinomial_logistic", "logan", "rps_bot_mnlogit", "dan" },
};

const char *rps_family_name(enum rps_family family)
{
    return families[family].name;
}

const char *rps_family_policy(enum rps_family family)
{
    return families[family].policy;
}

const char *rps_family_registry(enum rps_family family)
{
    return families[family].registry;
}

const char *rps_family_fallback(enum rps_family family)
{
    return families[family].fallback;
}

enum rps_family rps_family_find(str name)
{
    size_t i = 0;
    while (i < RPS_FAMILIES && !str_eq(name, str_of(families[i].name)))
        i++;
    return (enum rps_family)i;
}

enum rps_family rps_policy_family(str policy)
{
    size_t i = 0;
    while (i < RPS_FAMILIES && !str_eq(policy, str_of(families[i].policy)))
        i++;
    return (enum rps_family)i;
}

void rps_normalise(const double *probabilities, size_t count, double out[RPS_MOVES])
{
    double sum = 0;
    for (size_t move = 0; move < RPS_MOVES; move++) {
        double p = move < count ? probabilities[move] : 0;
        out[move] = isfinite(p) && p > 0 ? p : 0;
        sum += out[move];
    }
    for (size_t move = 0; move < RPS_MOVES; move++)
        out[move] = sum > 0 && isfinite(sum) ? out[move] / sum : 1.0 / 3;
}

/* Points of a round, and the game on top when they end it. */
static double stake(double score, double points)
{
    return points + (score + points >= RPS_TARGET ? RPS_TARGET : 0.0);
}

void rps_expected_values(const double probabilities[RPS_MOVES], const struct rps_points *points,
                         double user_score, double bot_score, double out[RPS_MOVES])
{
    for (unsigned move = 0; move < RPS_MOVES; move++) {
        unsigned wins_over = rps_beaten(move), loses_to = rps_beater(move);
        double win = probabilities[wins_over] * stake(bot_score, points->of[move]);
        double lose = probabilities[loses_to] * stake(user_score, points->of[loses_to]);
        double tie = probabilities[move] * 0.5 * ((bot_score - user_score) / RPS_TARGET);
        out[move] = win - lose + tie;
    }
}

unsigned rps_choose(const double values[RPS_MOVES])
{
    unsigned best = 0;
    for (unsigned move = 1; move < RPS_MOVES; move++) {
        if (values[move] > values[best])
            best = move;
    }
    return best;
}
