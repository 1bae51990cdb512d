/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player_fit.c -- fits a population: priors of the experts, weights of the mixers, their rates.
 *
 * Everything runs over people in the way that they will be served: from nothing, a round at a time.
 * First the counts of all people together give each context its mean, and a grid gives each expert
 * the number of pseudo-counts under which it would have predicted best. Then Adam fits the mixer's
 * weights while each person's drift does what it will do when serving, so that the weights are
 * those to start from, not those to end with. Last, a grid finds the rates.
 */
#include "engine/rps/player.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "engine/rps/player_internal.h"

enum { STRENGTHS = 9, RATES = 6, EPOCHS = 10, BATCH = 256, SEED = 1 };
/* What progress counts: a pass over all people each. */
enum { PASSES = 2 + EPOCHS + RATES };

static const float strengths[STRENGTHS] = { 0.25f, 0.5f, 1, 2, 4, 8, 16, 32, 64 };
static const float mean_smoothing =
    1.0f; /* rounds, in each of three, that every context has seen */
static const float rates[RATES] = { 0.0f, 0.002f, 0.005f, 0.01f, 0.02f, 0.04f };
static const float hedge_rates[RATES] = { 0.1f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f };
static const float rate_while_fitting = 0.01f;
static const float adam_rate = 0.01f;
/* Experts say much the same: without this the weights of a few hundred people's first rounds fit
 * noise. Part of the gradient, where the room's Adam has a decay beside it. */
static const float l2 = 0.01f;

struct rps_population *rps_population_blank(void)
{
    uint32_t offset[RPS_EXPERTS + 1];

    rps_expert_offsets(offset);
    struct rps_population *p = calloc(1, sizeof *p + offset[RPS_EXPERTS] * sizeof(struct cell));
    if (!p)
        return NULL;
    memcpy(p->offset, offset, sizeof offset);
    for (size_t i = 0; i < offset[RPS_EXPERTS]; i++)
        p->prior[i] = (struct cell){ { 1 / 3.0f, 1 / 3.0f, 1 / 3.0f } };
    for (size_t i = 0; i < RPS_EXPERTS; i++)
        p->weights[0][i] = 1.0f / RPS_EXPERTS;
    return p;
}

void rps_population_free(struct rps_population *population)
{
    free(population);
}

uint64_t rps_population_digest(const struct rps_population *population)
{
    return population->digest;
}

/* ---------------------------------------------------------------- walking people */

struct fit {
    const struct rps_people *people;
    uint32_t *order; /* people that are used */
    size_t order_count, round_count;
    struct rps_population *population;
    struct rps_player *player; /* used again for each person */
    int passes;
    err (*progress)(void *arg, double done);
    void *progress_arg;
};

/* What is done before a round is added. */
typedef void visit(void *arg, const struct fit *fit, const struct view *views, unsigned user);

/* Plays one person from nothing. `learns`: the mixers move, too. */
static void walk_person(struct fit *fit, const struct rps_person *who, bool learns, visit *each,
                        void *arg)
{
    struct view views[RPS_EXPERTS];

    memset(fit->player, 0, rps_player_bytes(fit->population));
    for (size_t g = who->first_game; g < (size_t)who->first_game + who->game_count; g++) {
        const struct rps_people_game *game = &fit->people->games[g];
        rps_player_begin_game(fit->player);
        for (size_t i = game->first; i < (size_t)game->first + game->count; i++) {
            struct rps_pair pair = fit->people->rounds[i];
            const struct rps_points *now = rps_people_points(fit->people, i);
            rps_player_views(fit->population, fit->player, now, views);
            each(arg, fit, views, pair.user);
            if (learns)
                rps_player_learn(fit->population, fit->player, views, pair.user, pair.bot, now);
            else
                rps_player_count(fit->player, views, pair.user, pair.bot, now);
        }
    }
}

static err walk(struct fit *fit, bool learns, visit *each, void *arg)
{
    for (size_t k = 0; k < fit->order_count; k++)
        walk_person(fit, &fit->people->people[fit->order[k]], learns, each, arg);
    fit->passes++;
    return fit->progress ? fit->progress(fit->progress_arg, (double)fit->passes / PASSES) : OK;
}

/* ---------------------------------------------------------------- priors */

static void tally(void *arg, const struct fit *fit, const struct view *views, unsigned user)
{
    struct cell *means = arg;
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        if (views[i].speaks)
            means[views[i].cell].of[rps_difference(user, views[i].base)] += 1;
    }
}

struct strength_losses {
    const struct cell *means;
    double loss[RPS_EXPERTS][STRENGTHS];
};

static void try_strengths(void *arg, const struct fit *fit, const struct view *views, unsigned user)
{
    struct strength_losses *s = arg;
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        if (!views[i].speaks)
            continue;
        const struct cell *count = &fit->player->counts[views[i].cell];
        unsigned diff = rps_difference(user, views[i].base);
        float total = count->of[0] + count->of[1] + count->of[2],
              mean = s->means[views[i].cell].of[diff];
        for (size_t k = 0; k < STRENGTHS; k++)
            s->loss[i][k] -= (double)logf((count->of[diff] + strengths[k] * mean) /
                                          (total + strengths[k]));
    }
}

static err fit_priors(struct fit *fit, struct cell *means, struct strength_losses *losses)
{
    struct rps_population *p = fit->population;

    TRY(walk(fit, false, tally, means));
    for (size_t i = 0; i < rps_population_cells(p); i++) {
        float total = means[i].of[0] + means[i].of[1] + means[i].of[2] + mean_smoothing * RPS_MOVES;
        for (unsigned diff = 0; diff < RPS_MOVES; diff++)
            means[i].of[diff] = (means[i].of[diff] + mean_smoothing) / total;
    }
    losses->means = means;
    TRY(walk(fit, false, try_strengths, losses));
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        size_t best = 0;
        for (size_t k = 1; k < STRENGTHS; k++) {
            if (losses->loss[i][k] < losses->loss[i][best])
                best = k;
        }
        for (size_t c = p->offset[i]; c < p->offset[i + 1]; c++) {
            for (unsigned diff = 0; diff < RPS_MOVES; diff++)
                p->prior[c].of[diff] = strengths[best] * means[c].of[diff];
        }
    }
    return OK;
}

/* ---------------------------------------------------------------- weights */

struct weight_fit {
    float gradient[WEIGHT_AGES][RPS_EXPERTS], first[WEIGHT_AGES][RPS_EXPERTS],
        second[WEIGHT_AGES][RPS_EXPERTS];
    size_t rows;
    int steps;
    float rate;
};

static void adam_step(struct weight_fit *w, struct rps_population *population)
{
    const float keep1 = 0.9f, keep2 = 0.999f;

    w->steps++;
    float fix1 = 1 - powf(keep1, (float)w->steps), fix2 = 1 - powf(keep2, (float)w->steps);
    for (size_t age = 0; age < WEIGHT_AGES; age++) {
        for (size_t i = 0; i < RPS_EXPERTS; i++) {
            float *weight = &population->weights[age][i], *m = &w->first[age][i],
                  *v = &w->second[age][i];
            float slope = w->gradient[age][i] / (float)w->rows + l2 * *weight;
            *m = keep1 * *m + (1 - keep1) * slope;
            *v = keep2 * *v + (1 - keep2) * slope * slope;
            *weight -= w->rate * (*m / fix1) / (sqrtf(*v / fix2) + 1e-8f);
            w->gradient[age][i] = 0;
        }
    }
    w->rows = 0;
}

static void weight_row(void *arg, const struct fit *fit, const struct view *views, unsigned user)
{
    struct weight_fit *w = arg;
    float p[RPS_MOVES], ages[WEIGHT_AGES];

    rps_player_ages(fit->player->rounds, ages);
    rps_player_mix_logistic(fit->population, fit->player, views, p);
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        float slope = -views[i].log_p[user];
        for (unsigned move = 0; move < RPS_MOVES; move++)
            slope += p[move] * views[i].log_p[move];
        for (size_t age = 0; age < WEIGHT_AGES; age++)
            w->gradient[age][i] += ages[age] * slope;
    }
    if (++w->rows == BATCH)
        adam_step(w, fit->population);
}

static err fit_weights(struct fit *fit, struct weight_fit *weights)
{
    struct rng rng;

    rng_init(&rng, SEED);
    fit->population->rate = rate_while_fitting;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        rng_shuffle_u32(&rng, fit->order, fit->order_count);
        weights->rate = adam_rate * (1 - (float)epoch / EPOCHS);
        TRY(walk(fit, true, weight_row, weights));
    }
    return OK;
}

/* ---------------------------------------------------------------- rates */

struct rate_losses {
    double logistic, hedge;
};

static void try_rates(void *arg, const struct fit *fit, const struct view *views, unsigned user)
{
    struct rate_losses *l = arg;
    float p[RPS_MOVES];

    rps_player_mix_logistic(fit->population, fit->player, views, p);
    l->logistic -= (double)logf(fmaxf(p[user], 1e-9f));
    rps_player_mix_hedge(fit->player, views, p);
    l->hedge -= (double)logf(fmaxf(p[user], 1e-9f));
}

/* The mixers do not touch each other, so one pass tries a rate of both. */
static err fit_rates(struct fit *fit)
{
    struct rate_losses best = { INFINITY, INFINITY };
    float rate = 0, hedge_rate = 0;

    for (size_t i = 0; i < RATES; i++) {
        struct rate_losses l = { 0, 0 };
        fit->population->rate = rates[i];
        fit->population->hedge_rate = hedge_rates[i];
        TRY(walk(fit, true, try_rates, &l));
        if (l.logistic < best.logistic) {
            best.logistic = l.logistic;
            rate = rates[i];
        }
        if (l.hedge < best.hedge) {
            best.hedge = l.hedge;
            hedge_rate = hedge_rates[i];
        }
    }
    fit->population->rate = rate;
    fit->population->hedge_rate = hedge_rate;
    return OK;
}

/* ---------------------------------------------------------------- all of it */

static err choose_people(struct fit *fit, const bool *use)
{
    fit->order = calloc(fit->people->person_count + 1, sizeof *fit->order);
    if (!fit->order)
        return ERR(ERR_NO_MEMORY, "fitting a population: out of memory");
    for (size_t i = 0; i < fit->people->person_count; i++) {
        if (use && !use[i])
            continue;
        fit->order[fit->order_count++] = (uint32_t)i;
        fit->round_count += fit->people->people[i].count;
    }
    if (fit->round_count == 0)
        return ERR(ERR_INVALID, "fitting a population: no rounds of %zu people to fit it on",
                   fit->order_count);
    return OK;
}

static err fit_all(struct fit *fit)
{
    struct cell *means = calloc(rps_population_cells(fit->population), sizeof *means);
    struct strength_losses *losses = calloc(1, sizeof *losses);
    struct weight_fit *weights = calloc(1, sizeof *weights);
    err e = OK;

    if (!means || !losses || !weights)
        e = ERR(ERR_NO_MEMORY, "fitting a population: out of memory");
    if (!e.code)
        e = fit_priors(fit, means, losses);
    if (!e.code)
        e = fit_weights(fit, weights);
    if (!e.code)
        e = fit_rates(fit);
    free(weights);
    free(losses);
    free(means);
    return e;
}

err rps_population_fit(const struct rps_people *people, const bool *use,
                       err (*progress)(void *arg, double done), void *arg,
                       struct rps_population **ret_population)
{
    struct fit fit = { .people = people, .progress = progress, .progress_arg = arg };
    err e = choose_people(&fit, use);

    if (e.code)
        goto done;
    fit.population = rps_population_blank();
    if (!fit.population) {
        e = ERR(ERR_NO_MEMORY, "fitting a population: out of memory");
        goto done;
    }
    e = rps_player_new(fit.population, &fit.player);
    if (!e.code)
        e = fit_all(&fit);
    if (!e.code)
        e = rps_population_seal(fit.population);
    if (e.code)
        goto done;
    *ret_population = fit.population;
    fit.population = NULL;
done:
    rps_player_free(fit.player);
    rps_population_free(fit.population);
    free(fit.order);
    return e;
}
