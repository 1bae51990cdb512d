/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policy.h -- from a prediction of the user's next move to the bot's move; names of policies.
 *
 * A policy is what a player chooses to play against. Three of them are served by a family of models
 * that predict the user's move; the bot then takes the move of the highest expected value. Nothing
 * here is random. Pure functions.
 */
#ifndef SKERRY_RPS_POLICY_H
#define SKERRY_RPS_POLICY_H

#include "engine/rps/game.h"

enum rps_family { RPS_FEEDFORWARD, RPS_XGBOOST, RPS_LOGISTIC, RPS_FAMILIES };

/* "feedforward_nn", "xgboost", "multinomial_logistic" */
const char *rps_family_name(enum rps_family family);
/* RPS_FAMILIES when there is no such family. */
enum rps_family rps_family_find(str name);
const char *rps_family_policy(enum rps_family family);   /* "brian", "forrest", "logan" */
const char *rps_family_registry(enum rps_family family); /* "rps_bot_feedforward" ... */
/* The heuristic bot that steps in when choosing itself fails: "bob", "cal", "dan". */
const char *rps_family_fallback(enum rps_family family);
/* The family of a policy, or RPS_FAMILIES: another policy (see bots.h) or none at all. */
enum rps_family rps_policy_family(str policy);

/* Probabilities that sum to 1: what is missing of three is 0, what is too much is left out,
 * negative and not finite numbers count as 0; uniform when nothing is left. The division is the
 * last thing done: no other rounding. */
void rps_normalise(const double *probabilities, size_t count, double out[RPS_MOVES]);

/* A certain model is never asked: a third each. */
#define RPS_UNIFORM ((double[RPS_MOVES]){ 1.0 / 3, 1.0 / 3, 1.0 / 3 })

/* What each bot move is worth to the bot, given normalised probabilities of the user's move. */
void rps_expected_values(const double probabilities[RPS_MOVES], const struct rps_points *points,
                         double user_score, double bot_score, double out[RPS_MOVES]);

/* The move of the highest value; the first of equal ones. */
unsigned rps_choose(const double values[RPS_MOVES]);

#endif
