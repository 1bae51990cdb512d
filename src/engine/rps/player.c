/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player.c -- a person's memory: what the experts say, how they are mixed, what a round teaches. */
#include "engine/rps/player.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rps/player_internal.h"

/* Hedge forgets: who was right of late counts more. */
static const float hedge_keep = 0.98f;
/* Weights wander where experts agree; this pulls a person's back to the population's. */
static const float drift_keep = 0.999f;
/* Of guesses. Bots are either regular or not: little is needed to believe a habit. */
static const float guess_prior = 0.3f, guess_keep = 0.95f;

static unsigned sum_of(unsigned base, unsigned diff)
{
    return base + diff >= RPS_MOVES ? base + diff - RPS_MOVES : base + diff;
}

/* ---------------------------------------------------------------- guessing the other */

/* What each guess counts of the other's next move, and relative to what. */
static const struct guess {
    bool is_of_user; /* relative to the user's last move, else to the other's */
    uint8_t digit_count;
    uint8_t digits[2]; /* of the last round */
} guesses[GUESSES] = {
    { false, 0, { 0 } },
    { true, 0, { 0 } },
    { false, 1, { DIGIT_RESULT } },
    { false, 2, { DIGIT_RESULT, DIGIT_BOTSTEP } },
    { false, 1, { DIGIT_BOTSTEP } },
    { true, 2, { DIGIT_STEP, DIGIT_RESULT } },
};

struct guessed {
    bool speaks;
    uint8_t context, base, move, sure;
};

static struct guessed guess(const struct rps_player *player, size_t which)
{
    const struct guess *g = &guesses[which];
    const struct recent *recent = &player->recent;
    struct guessed made = { 0 };
    unsigned best = 0;

    if (recent->known == 0)
        return made;
    for (size_t i = 0; i < g->digit_count; i++) {
        uint8_t digit = recent->digits[g->digits[i]][1];
        if (digit == NO_DIGIT)
            return made;
        made.context = (uint8_t)(made.context * 3 + digit);
    }
    const struct cell *cell = &player->guesses[which][made.context];
    for (unsigned diff = 1; diff < RPS_MOVES; diff++) {
        if (cell->of[diff] > cell->of[best])
            best = diff;
    }
    float total = cell->of[0] + cell->of[1] + cell->of[2] + RPS_MOVES * guess_prior;
    float share = (cell->of[best] + guess_prior) / total;
    made.base = recent->digits[g->is_of_user ? DIGIT_USER : DIGIT_BOT][1];
    made.move = (uint8_t)sum_of(made.base, best);
    made.sure = share < 0.5f ? 0 : share < 0.75f ? 1 : 2;
    made.speaks = true;
    return made;
}

/* ---------------------------------------------------------------- views */

/* Finds the expert's context and what its counts are relative to; false when one is unknown. */
static bool look(const struct expert *x, const struct recent *recent, unsigned favoured,
                 const struct guessed *guessed, uint32_t *ret_context, uint8_t *ret_base)
{
    uint32_t context = 0;
    unsigned base = RPS_ROCK;

    switch ((enum frame)x->frame) {
    case FRAME_USER:
    case FRAME_BOT:
        base = recent->digits[x->frame == FRAME_USER ? DIGIT_USER : DIGIT_BOT][x->lag];
        break;
    case FRAME_GUESS:
        base = guessed[x->lag].speaks ? guessed[x->lag].move : RPS_NO_MOVE;
        break;
    case FRAME_VALUE:
        base = favoured;
        break;
    case FRAME_MOVE:
        break;
    }
    if (base == RPS_NO_MOVE)
        return false;
    for (size_t i = 0; i < x->digit_count; i++) {
        unsigned digit = x->digits[i].kind == DIGIT_SURE
                             ? guessed[x->lag].sure
                             : recent->digits[x->digits[i].kind][x->digits[i].lag];
        if (digit == NO_DIGIT)
            return false;
        context = context * 3 + digit;
    }
    *ret_context = context;
    *ret_base = (uint8_t)base;
    return true;
}

void rps_player_views(const struct rps_population *population, const struct rps_player *player,
                      const struct rps_points *now, struct view views[RPS_EXPERTS])
{
    unsigned favoured = now ? rps_best_move(now) : RPS_NO_MOVE;
    struct guessed guessed[GUESSES];

    for (size_t i = 0; i < GUESSES; i++)
        guessed[i] = guess(player, i);
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        struct view *view = &views[i];
        uint32_t context = 0;
        float share[RPS_MOVES], total = 0;

        *view = (struct view){ .p = { 1 / 3.0f, 1 / 3.0f, 1 / 3.0f } };
        view->speaks = look(&rps_experts[i], &player->recent, favoured, guessed, &context,
                            &view->base);
        if (!view->speaks)
            continue;
        view->cell = population->offset[i] + context;
        const struct cell *prior = &population->prior[view->cell],
                          *count = &player->counts[view->cell];
        for (unsigned diff = 0; diff < RPS_MOVES; diff++) {
            share[diff] = prior->of[diff] + count->of[diff];
            total += share[diff];
        }
        for (unsigned diff = 0; diff < RPS_MOVES; diff++)
            view->p[sum_of(view->base, diff)] = share[diff] / total;
        for (unsigned move = 0; move < RPS_MOVES; move++)
            view->log_p[move] = logf(3 * view->p[move]);
    }
}

/* ---------------------------------------------------------------- mixing */

void rps_player_ages(uint32_t rounds, float out[WEIGHT_AGES])
{
    out[0] = 1;
    out[1] = expf(-(float)rounds / 60);
    out[2] = expf(-(float)rounds / 10);
}

void rps_player_mix_logistic(const struct rps_population *population,
                             const struct rps_player *player, const struct view *views,
                             float out[RPS_MOVES])
{
    float ages[WEIGHT_AGES], z[RPS_MOVES] = { 0 }, sum = 0;

    rps_player_ages(player->rounds, ages);
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        float weight = player->drift[i];
        for (size_t age = 0; age < WEIGHT_AGES; age++)
            weight += ages[age] * population->weights[age][i];
        for (unsigned move = 0; move < RPS_MOVES; move++)
            z[move] += weight * views[i].log_p[move];
    }
    float top = fmaxf(z[0], fmaxf(z[1], z[2]));
    for (unsigned move = 0; move < RPS_MOVES; move++) {
        out[move] = expf(z[move] - top);
        sum += out[move];
    }
    for (unsigned move = 0; move < RPS_MOVES; move++)
        out[move] /= sum;
}

void rps_player_mix_hedge(const struct rps_player *player, const struct view *views,
                          float out[RPS_MOVES])
{
    float top = player->hedge[0], sum = 0;

    for (unsigned move = 0; move < RPS_MOVES; move++)
        out[move] = 0;
    for (size_t i = 1; i < RPS_EXPERTS; i++)
        top = fmaxf(top, player->hedge[i]);
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        float weight = expf(player->hedge[i] - top);
        sum += weight;
        for (unsigned move = 0; move < RPS_MOVES; move++)
            out[move] += weight * views[i].p[move];
    }
    for (unsigned move = 0; move < RPS_MOVES; move++)
        out[move] /= sum;
}

/* ---------------------------------------------------------------- learning */

static void recent_add(struct recent *recent, unsigned user, unsigned bot,
                       const struct rps_points *now)
{
    const uint8_t none = NO_DIGIT;
    bool is_first = recent->known == 0;
    unsigned user_before = recent->digits[DIGIT_USER][1], bot_before = recent->digits[DIGIT_BOT][1];

    for (size_t kind = 0; kind < DIGIT_RECENT; kind++)
        memmove(recent->digits[kind] + 2, recent->digits[kind] + 1, LAGS - 1);
    recent->digits[DIGIT_USER][1] = (uint8_t)user;
    recent->digits[DIGIT_BOT][1] = (uint8_t)bot;
    recent->digits[DIGIT_RESULT][1] = (uint8_t)rps_difference(user, bot);
    recent->digits[DIGIT_STEP][1] = is_first ? none : (uint8_t)rps_difference(user, user_before);
    recent->digits[DIGIT_BOTSTEP][1] = is_first ? none : (uint8_t)rps_difference(bot, bot_before);
    recent->digits[DIGIT_ANSWER][1] = is_first ? none : (uint8_t)rps_difference(user, bot_before);
    recent->digits[DIGIT_VALUE][1] = now ? (uint8_t)rps_difference(user, rps_best_move(now)) : none;
    if (recent->known < LAGS)
        recent->known++;
}

static void cell_add(struct cell *cell, float keep, unsigned diff)
{
    for (unsigned i = 0; i < RPS_MOVES; i++)
        cell->of[i] *= keep;
    cell->of[diff] += 1;
}

void rps_player_count(struct rps_player *player, const struct view views[RPS_EXPERTS],
                      unsigned user, unsigned bot, const struct rps_points *now)
{
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        if (views[i].speaks)
            cell_add(&player->counts[views[i].cell], rps_experts[i].decay,
                     rps_difference(user, views[i].base));
    }
    for (size_t i = 0; i < GUESSES; i++) {
        struct guessed g = guess(player, i);
        if (g.speaks)
            cell_add(&player->guesses[i][g.context], guess_keep, rps_difference(bot, g.base));
    }
    recent_add(&player->recent, user, bot, now);
    player->rounds++;
}

void rps_player_learn(const struct rps_population *population, struct rps_player *player,
                      const struct view views[RPS_EXPERTS], unsigned user, unsigned bot,
                      const struct rps_points *now)
{
    float mixed[RPS_MOVES];

    rps_player_mix_logistic(population, player, views, mixed);
    for (size_t i = 0; i < RPS_EXPERTS; i++) {
        float slope = views[i].log_p[user];
        for (unsigned move = 0; move < RPS_MOVES; move++)
            slope -= mixed[move] * views[i].log_p[move];
        player->drift[i] = drift_keep * player->drift[i] + population->rate * slope;
        player->hedge[i] = hedge_keep * player->hedge[i] +
                           population->hedge_rate * views[i].log_p[user];
    }
    rps_player_count(player, views, user, bot, now);
}

void rps_player_add(const struct rps_population *population, struct rps_player *player,
                    unsigned user, unsigned bot, const struct rps_points *now)
{
    struct view views[RPS_EXPERTS];

    rps_player_views(population, player, now, views);
    rps_player_learn(population, player, views, user, bot, now);
}

/* ---------------------------------------------------------------- features */

/* Experts whose probabilities are features themselves: one of each sort, by their place in the
 * table: move-90, move-u1b1, move-u2b2, move-u3, step-r1, step-r1s1, step-r2s1, step-r2s2, step-s4,
 * answer, guess-0, value. */
static const uint8_t shown[RPS_SHOWN_EXPERTS] = { 1, 4, 8, 9, 17, 21, 27, 29, 33, 35, 52, 60 };

static size_t put(double *out, size_t at, const float p[RPS_MOVES])
{
    for (unsigned move = 0; move < RPS_MOVES; move++)
        out[at++] = (double)p[move];
    return at;
}

static size_t put_move(double *out, size_t at, unsigned move)
{
    for (unsigned m = 0; m < RPS_MOVES; m++)
        out[at++] = m == move;
    return at;
}

void rps_player_features(const struct rps_population *population, const struct rps_player *player,
                         const struct rps_points *now, double out[RPS_PLAYER_FEATURES])
{
    struct view views[RPS_EXPERTS];
    float mixed[RPS_MOVES];
    size_t at = 0;

    rps_player_views(population, player, now, views);
    rps_player_mix_logistic(population, player, views, mixed);
    at = put(out, at, mixed);
    rps_player_mix_hedge(player, views, mixed);
    at = put(out, at, mixed);
    for (size_t i = 0; i < RPS_SHOWN_EXPERTS; i++)
        at = put(out, at, views[shown[i]].p);
    for (size_t lag = 1; lag <= RPS_PLAYER_LAGS; lag++) {
        at = put_move(out, at, player->recent.digits[DIGIT_USER][lag]);
        at = put_move(out, at, player->recent.digits[DIGIT_BOT][lag]);
    }
    for (unsigned move = 0; move < RPS_MOVES; move++)
        out[at++] = now ? now->of[move] : 1.0;
    out[at++] = player->recent.known;
    out[at++] = player->games;
    out[at++] = log1p(player->rounds);
}

void rps_player_feature_name(size_t index, char out[RPS_PLAYER_NAME_BYTES])
{
    enum {
        AT_LAGS = (2 + RPS_SHOWN_EXPERTS) * RPS_MOVES,
        AT_POINTS = AT_LAGS + RPS_PLAYER_LAGS * 2 * RPS_MOVES,
        AT_REST = AT_POINTS + RPS_MOVES
    };
    static const char *const rest[] = { "game_rounds", "games", "log_rounds" };
    size_t group = index / RPS_MOVES;
    char letter = "rps"[index % RPS_MOVES];

    if (index >= AT_REST) {
        (void)snprintf(out, RPS_PLAYER_NAME_BYTES, "%s",
                       index < RPS_PLAYER_FEATURES ? rest[index - AT_REST] : "");
    } else if (index >= AT_POINTS) {
        (void)snprintf(out, RPS_PLAYER_NAME_BYTES, "%s_pts",
                       rps_move_name((unsigned)(index - AT_POINTS)));
    } else if (index >= AT_LAGS) {
        size_t which = group - AT_LAGS / RPS_MOVES;
        (void)snprintf(out, RPS_PLAYER_NAME_BYTES, "%s_-%zu_%c", which % 2 ? "bot" : "user",
                       which / 2 + 1, letter);
    } else {
        const char *name = group == 0   ? "mix"
                           : group == 1 ? "hedge"
                                        : rps_experts[shown[group - 2]].name;
        (void)snprintf(out, RPS_PLAYER_NAME_BYTES, "%s_%c", name, letter);
    }
}

void rps_player_predict(const struct rps_population *population, const struct rps_player *player,
                        const struct rps_points *now, double out[RPS_MOVES])
{
    struct view views[RPS_EXPERTS];
    float mixed[RPS_MOVES];

    rps_player_views(population, player, now, views);
    rps_player_mix_logistic(population, player, views, mixed);
    (void)put(out, 0, mixed);
}

/* ---------------------------------------------------------------- life */

static void forget_recent(struct rps_player *player)
{
    player->recent.known = 0;
    memset(player->recent.digits, NO_DIGIT, sizeof player->recent.digits);
}

size_t rps_player_bytes(const struct rps_population *population)
{
    return sizeof(struct rps_player) + rps_population_cells(population) * sizeof(struct cell);
}

err rps_player_new(const struct rps_population *population, struct rps_player **ret_player)
{
    struct rps_player *player = calloc(1, rps_player_bytes(population));

    if (!player)
        return ERR(ERR_NO_MEMORY, "making a player's memory: out of memory");
    player->population = population->digest;
    forget_recent(player);
    *ret_player = player;
    return OK;
}

void rps_player_free(struct rps_player *player)
{
    free(player);
}

err rps_player_copy(const struct rps_population *population, const struct rps_player *player,
                    struct rps_player **ret_copy)
{
    TRY(rps_player_new(population, ret_copy));
    memcpy(*ret_copy, player, rps_player_bytes(population));
    return OK;
}

void rps_player_begin_game(struct rps_player *player)
{
    forget_recent(player);
    player->games++;
}

uint32_t rps_player_rounds(const struct rps_player *player)
{
    return player->rounds;
}
