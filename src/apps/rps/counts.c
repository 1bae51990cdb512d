/* SPDX-License-Identifier: GPL-3.0-or-later */
/* counts.c -- the metrics of section 13 of the contract that playing moves. Cells are looked up
 * once: a round then costs a handful of atomic additions. */
#include "apps/rps/counts.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/rps/ledger.h"

enum { DECISIONS_MAX = 200, DECISION_BYTES_MAX = 8 * 1024 * 1024 };

enum {
    M_PREDICTIONS,
    M_WINS,
    M_LOSSES,
    M_TIES,
    M_GAMES,
    M_GAME_WINS,
    M_GAME_LOSSES,
    M_STARTED,
    M_BY_ALIAS,
    M_CORRECT_BY_ALIAS,
    M_ACCURACY,
    M_GAMES_BY_ALIAS,
    M_WINS_BY_ALIAS,
    M_LOSSES_BY_ALIAS,
    M_MODEL_GAMES,
    M_MODEL_GAMES_WON,
    M_MODEL_PREDICTIONS,
    M_MODEL_CORRECT,
    M_MODEL_ACCURACY,
    M_MODEL_WIN_RATE,
    M_MODEL_GAME_WIN_RATE,
    M_SOURCES,
    M_FALLBACKS,
    M_FALLBACK_RATIO,
    M_AB_ENABLED,
    M_AB_RATIO,
    M_EXPOSURES,
    M_AB,
    M_AB_ACTIONS,
    M_AB_CORRECT,
    M_AB_GAMES,
    M_AB_WON,
    M_AB_ACCURACY,
    M_AB_WIN_RATE,
    M_AB_DISAGREE,
    M_AB_LIFT,
    M_AB_CALIBRATION,
    M_DRIFT,
    M_LOADED,
    M_LOAD_SECONDS,
    M_LOAD_FAILURES,
    M_LOAD_SKIPS,
    M_RESOLUTIONS,
    M_LIVE,
    M_PLAYER_STATES,
    M_RECALLS,
    M_TRAININGS,
    M_TRAINING_SECONDS,
    M_Z,
    M_P,
    M_PROMOTIONS,
    M_REORDERS,
    M_RANK,
    M_DECISION,
    M_SINCE_SWAP,
    M_CYCLES,
    M_COUNT,
};

#define PLAYED                               \
    {                                        \
        "policy", "model_type", "difficulty" \
    }
#define ALIAS            \
    {                    \
        "model", "alias" \
    }

#define VARIANT \
    {           \
        "model" \
    }

static const double training_seconds[] = { 10, 30, 60, 120, 300, 600, 1800, 3600 };

const struct metric_family rps_metrics[M_COUNT + 1] = {
    [M_PREDICTIONS] = { "rps_action_predictions_total",
                        METRIC_COUNTER,
                        "Moves of the bot that were chosen by a model, its fallback or a rule.",
                        { "policy", "model_type", "difficulty", "move" } },
    [M_WINS] = { "rps_action_wins_total", METRIC_COUNTER, "Rounds that the bot won.", PLAYED },
    [M_LOSSES] = { "rps_action_losses_total", METRIC_COUNTER, "Rounds that the bot lost.", PLAYED },
    [M_TIES] = { "rps_action_ties_total", METRIC_COUNTER, "Rounds that were drawn.", PLAYED },
    [M_GAMES] = { "rps_games_total", METRIC_COUNTER, "Games that ended.", PLAYED },
    [M_GAME_WINS] = { "rps_game_wins_total", METRIC_COUNTER, "Games that the bot won.", PLAYED },
    [M_GAME_LOSSES] = { "rps_game_losses_total", METRIC_COUNTER,
                        "Games that the bot did not win; ties are among them.", PLAYED },
    [M_STARTED] = { "rps_games_started_total", METRIC_COUNTER, "Games that began.", PLAYED },
    [M_BY_ALIAS] = { "rps_model_predictions_by_alias_total", METRIC_COUNTER,
                     "Predictions in stored rounds, those of models that only look on too.",
                     ALIAS },
    [M_CORRECT_BY_ALIAS] = { "rps_model_correct_predictions_by_alias_total", METRIC_COUNTER,
                             "Those whose likeliest move was played.", ALIAS },
    [M_ACCURACY] = { "rps_model_accuracy", METRIC_GAUGE,
                     "Share of correct predictions since the server started.", ALIAS },
    [M_GAMES_BY_ALIAS] = { "rps_model_games_by_alias_total",
                           METRIC_COUNTER,
                           "Games that ended, by the alias that played.",
                           { "model", "alias", "difficulty" } },
    [M_WINS_BY_ALIAS] = { "rps_model_game_wins_by_alias_total",
                          METRIC_COUNTER,
                          "Those that the bot won.",
                          { "model", "alias", "difficulty" } },
    [M_LOSSES_BY_ALIAS] = { "rps_model_game_losses_by_alias_total",
                            METRIC_COUNTER,
                            "Those that it did not win.",
                            { "model", "alias", "difficulty" } },
    [M_MODEL_GAMES] = { "rps_model_games_total",
                        METRIC_COUNTER,
                        "Games that ended, by type@alias.",
                        { "model" } },
    [M_MODEL_GAMES_WON] = { "rps_model_games_won_total",
                            METRIC_COUNTER,
                            "Those that the bot won.",
                            { "model" } },
    [M_MODEL_PREDICTIONS] = { "rps_model_predictions_total", METRIC_COUNTER,
                              "Predictions in stored rounds, by type@alias.", VARIANT },
    [M_MODEL_CORRECT] = { "rps_model_predictions_correct_total", METRIC_COUNTER,
                          "Those whose likeliest move was played.", VARIANT },
    [M_MODEL_ACCURACY] = { "rps_model_prediction_accuracy", METRIC_GAUGE,
                           "Their share, since the server started.", VARIANT },
    [M_MODEL_WIN_RATE] = { "rps_model_win_rate", METRIC_GAUGE,
                           "Share of the rounds that the bot won, of those whose move type@alias "
                           "chose, since the server started.",
                           VARIANT },
    [M_MODEL_GAME_WIN_RATE] = { "rps_model_game_win_rate", METRIC_GAUGE,
                                "Share of its games that the bot won, since the server started.",
                                VARIANT },
    [M_SOURCES] = { "rps_model_prediction_sources_total",
                    METRIC_COUNTER,
                    "Where the probabilities of a move came from.",
                    { "model", "source" } },
    [M_FALLBACKS] = { "rps_model_fallback_total",
                      METRIC_COUNTER,
                      "Moves without a model's answer, under type@alias and under type.",
                      { "model", "reason" } },
    [M_FALLBACK_RATIO] = { "rps_model_fallback_ratio",
                           METRIC_GAUGE,
                           "Share of the moves since the server started that had no model's "
                           "answer.",
                           { "model" } },
    [M_AB_ENABLED] = { "rps_ab_enabled", METRIC_GAUGE,
                       "1: games are split between Production and B." },
    [M_AB_RATIO] = { "rps_ab_split_ratio",
                     METRIC_GAUGE,
                     "Share of games that Production gets.",
                     { "model" } },
    [M_EXPOSURES] = { "rps_ab_exposure_total",
                      METRIC_COUNTER,
                      "Games that were given to type@alias.",
                      { "variant" } },
    [M_AB] = { "rps_ab_requests_total", METRIC_COUNTER,
               "Moves that were asked for in games of type@alias since the server started.",
               VARIANT },
    [M_AB_ACTIONS] = { "rps_ab_actions_total", METRIC_COUNTER,
                       "Those of them that its model chose.", VARIANT },
    [M_AB_CORRECT] = { "rps_ab_actions_correct_total", METRIC_COUNTER,
                       "Those whose prediction came true.", VARIANT },
    [M_AB_GAMES] = { "rps_ab_games_total", METRIC_COUNTER, "Games of type@alias that ended.",
                     VARIANT },
    [M_AB_WON] = { "rps_ab_games_won", METRIC_GAUGE, "Those that the bot won.", VARIANT },
    [M_AB_ACCURACY] = { "rps_ab_action_accuracy", METRIC_GAUGE,
                        "Share of its choices whose prediction came true.", VARIANT },
    [M_AB_WIN_RATE] = { "rps_ab_game_win_rate", METRIC_GAUGE, "Share of its games that it won.",
                        VARIANT },
    [M_AB_DISAGREE] = { "rps_ab_disagree_ratio",
                        METRIC_GAUGE,
                        "Share of rounds in which one that looked on expected another move than "
                        "the one that played, since the server started.",
                        { "active_model", "shadow_model" } },
    [M_AB_LIFT] = { "rps_ab_win_lift",
                    METRIC_GAUGE,
                    "Its share of games won less Production's, since the server started.",
                    { "variant" } },
    [M_AB_CALIBRATION] = { "rps_ab_calibration_error",
                           METRIC_GAUGE,
                           "How far its probabilities are from what came true, by tenths, over "
                           "the window.",
                           { "variant" } },
    [M_DRIFT] = { "rps_data_drift_score",
                  METRIC_GAUGE,
                  "The largest stability index of a Production model against its training, over "
                  "the window: of its inputs, of its predictions.",
                  { "scope" } },
    [M_LOADED] = { "rps_model_loaded_info",
                   METRIC_GAUGE,
                   "1 for each version that serves.",
                   { "model", "version", "stage", "alias" } },
    [M_LOAD_SECONDS] = { "rps_model_load_seconds",
                         METRIC_GAUGE,
                         "How long it took to load a version that serves.",
                         { "model", "version" } },
    [M_LOAD_FAILURES] = { "rps_model_load_failures_total", METRIC_COUNTER,
                          "Versions that could not be loaded.", VARIANT },
    [M_LOAD_SKIPS] = { "rps_model_load_skips_total", METRIC_COUNTER,
                       "Versions that were not tried again, because they failed a moment ago.",
                       VARIANT },
    [M_RESOLUTIONS] = { "rps_registry_resolution_total",
                        METRIC_COUNTER,
                        "Looks at an alias, by whether it named a version.",
                        { "result" } },
    [M_TRAININGS] = { "rps_training_completed_total",
                      METRIC_COUNTER,
                      "Trainings that ended.",
                      { "model_type", "status" } },
    [M_TRAINING_SECONDS] = { "rps_training_duration_seconds",
                             METRIC_HISTOGRAM,
                             "How long they took.",
                             { "model_type" },
                             training_seconds,
                             COUNT_OF(training_seconds) },
    [M_Z] = { "rps_model_promotion_z_statistic",
              METRIC_GAUGE,
              "Of the last promotion: B's share of wins less Production's, in standard errors.",
              { "model" } },
    [M_P] = { "rps_model_promotion_p_value",
              METRIC_GAUGE,
              "Of the last promotion: the chance of as much by chance.",
              { "model" } },
    [M_PROMOTIONS] = { "rps_model_promotion_events_total",
                       METRIC_COUNTER,
                       "Decisions about promotion, our own and those that were reported.",
                       { "model", "decision" } },
    [M_REORDERS] = { "rps_model_alias_reorders_total",
                     METRIC_COUNTER,
                     "Those that reordered the challengers.",
                     { "model" } },
    [M_RANK] = { "rps_model_alias_rank", METRIC_GAUGE,
                 "Rank of a challenger, of the last promotion; 0: none.", ALIAS },
    [M_DECISION] = { "rps_model_promotion_decision_state",
                     METRIC_GAUGE,
                     "1 for the last decision, 0 for the others.",
                     { "model", "decision" } },
    [M_SINCE_SWAP] = { "rps_model_games_since_production_swap", METRIC_GAUGE,
                       "Games since the last swap, when it was decided last.", ALIAS },
    [M_CYCLES] = { "rps_model_promotion_cycles_since_swap",
                   METRIC_GAUGE,
                   "Decisions since the last swap.",
                   { "model" } },
    [M_LIVE] = { "rps_live_games", METRIC_GAUGE, "Games that are in memory." },
    [M_PLAYER_STATES] = { "rps_player_states", METRIC_GAUGE,
                          "What models of player-history know of people, in memory." },
    [M_RECALLS] = { "rps_player_recalls_total",
                    METRIC_COUNTER,
                    "States of players that were there (kept), began with nobody known (begun), "
                    "were made again from the store (read) or made room (evicted).",
                    { "result" } },
    [M_COUNT] = { 0 },
};

static err tell_all_decisions(struct rps_state *s, struct rps_counts *c, bool is_told);

/* The reasons that are known before they happen. */
static const char *const reasons[] = { "fallback", "load_failed", "mlflow_error",
                                       "forced_fallback" };

/* The names of the contract: no version has the alias; a model that serves did not answer. */
static const char *reason_of(const char *why)
{
    if (strcmp(why, "not_assigned") == 0)
        return "fallback";
    return strcmp(why, "predict_failed") == 0 ? "mlflow_error" : why;
}

static const char *const recalls[RPS_RECALLS] = {
    [RPS_RECALL_KEPT] = "kept",
    [RPS_RECALL_BEGUN] = "begun",
    [RPS_RECALL_READ] = "read",
    [RPS_RECALL_EVICTED] = "evicted",
};

static const char *const decisions[] = { "swap_production_b", "retain_production",
                                         "insufficient_data", "alias_reorder" };

static const char *const scopes[] = { "inputs", "predictions" };

struct rps_counts {
    struct metrics *metrics;
    struct rps_memory *memory;
    pthread_mutex_t refresh_lock;
    int64_t loaded[RPS_FAMILIES][RPS_ALIASES]; /* guarded by refresh_lock: as it was told last */
    int64_t decided[RPS_FAMILIES]; /* guarded by refresh_lock: the last decision that was told */
    struct {
        struct metric_cell *predictions[RPS_MOVES], *outcomes[RPS_OUTCOMES];
        struct metric_cell *games, *wins, *losses, *started;
    } policies[RPS_POLICIES];
    struct {
        struct metric_cell *predictions, *correct, *accuracy;
        struct metric_cell *games, *wins, *losses, *model_games, *model_won; /* the two that play */
        struct metric_cell *exposures;
        _Atomic int64_t requests, chosen, chosen_right, chosen_won; /* of its own games */
        _Atomic int64_t beside[RPS_ALIASES], other[RPS_ALIASES]; /* who looked on, and disagreed */
    } aliases[RPS_FAMILIES][RPS_ALIASES];
    struct {
        struct metric_cell *sources[RPS_SOURCES];
        struct metric_cell *fallback_ratio;
    } families[RPS_FAMILIES];
};

#define CELL(c, which, ...) METRIC_CELL((c)->metrics, &rps_metrics[which], __VA_ARGS__)

static void open_policy(struct rps_counts *c, size_t at)
{
    static const enum rps_outcome of_bot[] = { RPS_LOSE, RPS_WIN, RPS_DRAW }; /* M_WINS and on */
    const struct rps_policy *p = rps_policy_at(at);
    str name = str_of(p->name), type = str_of(p->model_type), level = STR("standard");
    for (unsigned move = 0; move < RPS_MOVES; move++)
        c->policies[at].predictions[move] = CELL(c, M_PREDICTIONS, name, type, level,
                                                 str_of(rps_move_name(move)));
    for (size_t i = 0; i < COUNT_OF(of_bot); i++)
        c->policies[at].outcomes[of_bot[i]] = CELL(c, M_WINS + i, name, type, level);
    c->policies[at].games = CELL(c, M_GAMES, name, type, level);
    c->policies[at].wins = CELL(c, M_GAME_WINS, name, type, level);
    c->policies[at].losses = CELL(c, M_GAME_LOSSES, name, type, level);
    c->policies[at].started = CELL(c, M_STARTED, name, type, level);
}

static void key_of(enum rps_family family, enum rps_alias alias, char out[64])
{
    snprintf(out, 64, "%s@%s", rps_family_name(family), rps_alias_name(alias));
}

static void open_alias(struct rps_counts *c, enum rps_family family, enum rps_alias alias)
{
    str type = str_of(rps_family_name(family)), name = str_of(rps_alias_name(alias));
    char key[64];
    key_of(family, alias, key);
    c->aliases[family][alias].predictions = CELL(c, M_BY_ALIAS, type, name);
    c->aliases[family][alias].correct = CELL(c, M_CORRECT_BY_ALIAS, type, name);
    c->aliases[family][alias].accuracy = CELL(c, M_ACCURACY, type, name);
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        CELL(c, M_FALLBACKS, str_of(key), str_of(reasons[i]));
    if (alias != RPS_PRODUCTION && alias != RPS_B)
        return;
    c->aliases[family][alias].games = CELL(c, M_GAMES_BY_ALIAS, type, name, STR("standard"));
    c->aliases[family][alias].wins = CELL(c, M_WINS_BY_ALIAS, type, name, STR("standard"));
    c->aliases[family][alias].losses = CELL(c, M_LOSSES_BY_ALIAS, type, name, STR("standard"));
    c->aliases[family][alias].model_games = CELL(c, M_MODEL_GAMES, str_of(key));
    c->aliases[family][alias].model_won = CELL(c, M_MODEL_GAMES_WON, str_of(key));
    c->aliases[family][alias].exposures = CELL(c, M_EXPOSURES, str_of(key));
}

static void open_promotion(struct rps_counts *c, str type)
{
    CELL(c, M_TRAININGS, type, STR("success"));
    CELL(c, M_TRAININGS, type, STR("failure"));
    CELL(c, M_TRAINING_SECONDS, type);
    CELL(c, M_Z, type);
    metric_set(CELL(c, M_P, type), 1);
    CELL(c, M_REORDERS, type);
    CELL(c, M_CYCLES, type);
    for (size_t i = 0; i < COUNT_OF(decisions); i++) {
        CELL(c, M_PROMOTIONS, type, str_of(decisions[i]));
        CELL(c, M_DECISION, type, str_of(decisions[i]));
    }
    for (enum rps_alias alias = RPS_B; alias < RPS_ALIASES; alias++)
        CELL(c, M_RANK, type, str_of(rps_alias_name(alias)));
    CELL(c, M_SINCE_SWAP, type, STR("Production"));
    CELL(c, M_SINCE_SWAP, type, STR("B"));
}

static void open_family(struct rps_state *s, struct rps_counts *c, enum rps_family family)
{
    str type = str_of(rps_family_name(family));
    for (size_t source = 0; source < RPS_SOURCES; source++)
        if (source != RPS_SOURCE_HEURISTIC && source != RPS_SOURCE_IMPORTED)
            c->families[family].sources[source] = CELL(c, M_SOURCES, type,
                                                       str_of(rps_source_names[source]));
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        CELL(c, M_FALLBACKS, type, str_of(reasons[i]));
    c->families[family].fallback_ratio = CELL(c, M_FALLBACK_RATIO, type);
    metric_set(CELL(c, M_AB_RATIO, type), s->served[family] ? serving_ratio(s->served[family]) : 1);
    for (enum rps_alias alias = 0; alias < RPS_ALIASES; alias++)
        open_alias(c, family, alias);
    open_promotion(c, type);
}

err rps_counts_open(struct rps_state *s, struct rps_counts **ret_counts)
{
    struct metric_cell *cells[RPS_RECALLS];
    struct rps_counts *c = calloc(1, sizeof *c);
    if (!c)
        return ERR(ERR_NO_MEMORY, "no memory for counters");
    c->metrics = house_metrics(s->house);
    c->memory = s->memory;
    for (int i = 0; i < RPS_RECALLS; i++)
        cells[i] = CELL(c, M_RECALLS, str_of(recalls[i]));
    rps_memory_tell(s->memory, cells);
    pthread_mutex_init(&c->refresh_lock, NULL);
    for (size_t i = 0; i < RPS_POLICIES; i++)
        open_policy(c, i);
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++)
        open_family(s, c, family);
    metric_set(metric_cell_plain(c->metrics, &rps_metrics[M_AB_ENABLED]), s->is_ab_enabled);
    err e = tell_all_decisions(s, c, true); /* counters are of this server's life */
    if (e.code) {
        rps_counts_close(c);
        return e;
    }
    *ret_counts = c;
    return OK;
}

void rps_counts_close(struct rps_counts *c)
{
    if (c)
        pthread_mutex_destroy(&c->refresh_lock);
    free(c);
}

void rps_count_start(struct rps_counts *c, const struct rps_live *live, size_t live_count)
{
    metric_add(c->policies[rps_policy_index(live->policy)].started, 1);
    metric_set(metric_cell_plain(c->metrics, &rps_metrics[M_LIVE]), (double)live_count);
    metric_set(metric_cell_plain(c->metrics, &rps_metrics[M_PLAYER_STATES]),
               (double)rps_memory_states(c->memory));
    if (live->policy->family != RPS_FAMILIES &&
        (live->alias == RPS_PRODUCTION || live->alias == RPS_B))
        metric_add(c->aliases[live->policy->family][live->alias].exposures, 1);
}

static void set_ratio(struct rps_counts *c, enum rps_family family)
{
    double model = metric_value(c->families[family].sources[RPS_SOURCE_MODEL]);
    double without = metric_value(c->families[family].sources[RPS_SOURCE_FALLBACK]) +
                     metric_value(c->families[family].sources[RPS_SOURCE_FORCED_FALLBACK]);
    if (model + without > 0)
        metric_set(c->families[family].fallback_ratio, without / (model + without));
}

static void count_fallback(struct rps_counts *c, enum rps_family family, enum rps_alias alias,
                           const char *why)
{
    char key[64];
    key_of(family, alias, key);
    str reason = str_of(reason_of(why));
    metric_add(CELL(c, M_FALLBACKS, str_of(key), reason), 1);
    metric_add(CELL(c, M_FALLBACKS, str_of(rps_family_name(family)), reason), 1);
}

/* How the alias did that played, and who saw it differently. */
static void count_variant(struct rps_counts *c, const struct rps_live *live,
                          const struct rps_choice *choice, const struct rps_round *round)
{
    unsigned truth = round->user;
    enum rps_family family = live->policy->family;
    const struct serving_answer *answers = choice->call.answers;
    atomic_fetch_add_explicit(&c->aliases[family][live->alias].requests, 1, memory_order_relaxed);
    if (!choice->has_call)
        return;
    int best = answers[live->alias].best;
    atomic_fetch_add_explicit(&c->aliases[family][live->alias].chosen, 1, memory_order_relaxed);
    if (best == (int)truth)
        atomic_fetch_add_explicit(&c->aliases[family][live->alias].chosen_right, 1,
                                  memory_order_relaxed);
    if (round->outcome == RPS_LOSE) /* of the player's */
        atomic_fetch_add_explicit(&c->aliases[family][live->alias].chosen_won, 1,
                                  memory_order_relaxed);
    for (size_t i = 0; i < SERVING_SLOTS; i++) {
        if (i == live->alias || !answers[i].is_there)
            continue;
        atomic_fetch_add_explicit(&c->aliases[family][live->alias].beside[i], 1,
                                  memory_order_relaxed);
        if (answers[i].best != best)
            atomic_fetch_add_explicit(&c->aliases[family][live->alias].other[i], 1,
                                      memory_order_relaxed);
    }
}

/* Every model that answered is judged, also those that only look on. */
static void count_answers(struct rps_counts *c, enum rps_family family,
                          const struct serving_call *call, unsigned truth)
{
    for (size_t slot = 0; slot < SERVING_SLOTS; slot++) {
        if (!call->answers[slot].is_there)
            continue;
        metric_add(c->aliases[family][slot].predictions, 1);
        if (call->answers[slot].best == (int)truth)
            metric_add(c->aliases[family][slot].correct, 1);
        metric_set(c->aliases[family][slot].accuracy,
                   metric_value(c->aliases[family][slot].correct) /
                       metric_value(c->aliases[family][slot].predictions));
    }
}

static void count_game(struct rps_counts *c, const struct rps_live *live, enum rps_winner winner)
{
    size_t at = rps_policy_index(live->policy);
    enum rps_family family = live->policy->family;
    bool won = winner == RPS_BOT_WINS;
    metric_add(c->policies[at].games, 1);
    metric_add(won ? c->policies[at].wins : c->policies[at].losses, 1);
    if (family == RPS_FAMILIES || (live->alias != RPS_PRODUCTION && live->alias != RPS_B))
        return;
    metric_add(c->aliases[family][live->alias].games, 1);
    metric_add(c->aliases[family][live->alias].model_games, 1);
    metric_add(won ? c->aliases[family][live->alias].wins : c->aliases[family][live->alias].losses,
               1);
    if (won)
        metric_add(c->aliases[family][live->alias].model_won, 1);
}

void rps_count_round(struct rps_counts *c, const struct rps_live *live,
                     const struct rps_choice *choice, const struct rps_round *round,
                     const struct rps_game *after)
{
    size_t at = rps_policy_index(live->policy);
    enum rps_family family = live->policy->family;
    if (choice->source != RPS_SOURCE_GAMBIT)
        metric_add(c->policies[at].predictions[round->bot], 1);
    metric_add(c->policies[at].outcomes[round->outcome], 1);
    if (family != RPS_FAMILIES) {
        metric_add(c->families[family].sources[choice->source], 1);
        if (choice->why)
            count_fallback(c, family, live->alias, choice->why);
        if (choice->source != RPS_SOURCE_GAMBIT) {
            set_ratio(c, family);
            count_variant(c, live, choice, round);
        }
        if (choice->has_call)
            count_answers(c, family, &choice->call, round->user);
    }
    if (after->winner != RPS_NOBODY_YET)
        count_game(c, live, after->winner);
}

/* ------------------------------------------------------------------ gauges that are computed */

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* Lock held: a counter that follows what is counted elsewhere. */
static void follow(struct metric_cell *cell, double value)
{
    double more = value - metric_value(cell);
    if (more > 0)
        metric_add(cell, more);
}

/* Lock held. */
static void set_alias(struct rps_counts *c, enum rps_family family, enum rps_alias alias)
{
    char key[64], other[64];
    key_of(family, alias, key);
    str name = str_of(key);
    double chosen = (double)atomic_load(&c->aliases[family][alias].chosen),
           right = (double)atomic_load(&c->aliases[family][alias].chosen_right),
           games = metric_value(c->aliases[family][alias].model_games),
           won = metric_value(c->aliases[family][alias].model_won);
    follow(CELL(c, M_AB, name), (double)atomic_load(&c->aliases[family][alias].requests));
    follow(CELL(c, M_AB_ACTIONS, name), chosen);
    follow(CELL(c, M_AB_CORRECT, name), right);
    follow(CELL(c, M_AB_GAMES, name), games);
    metric_set(CELL(c, M_AB_WON, name), won);
    metric_set(CELL(c, M_AB_ACCURACY, name), share(right, chosen));
    metric_set(CELL(c, M_AB_WIN_RATE, name), share(won, games));
    metric_set(CELL(c, M_MODEL_GAME_WIN_RATE, name), share(won, games));
    metric_set(CELL(c, M_MODEL_WIN_RATE, name),
               share((double)atomic_load(&c->aliases[family][alias].chosen_won), chosen));
    for (enum rps_alias i = 0; i < RPS_ALIASES; i++) {
        if (i == alias)
            continue;
        key_of(family, i, other);
        metric_set(CELL(c, M_AB_DISAGREE, name, str_of(other)),
                   share((double)atomic_load(&c->aliases[family][alias].other[i]),
                         (double)atomic_load(&c->aliases[family][alias].beside[i])));
    }
}

/* Lock held. A version that left its slot takes its series with it. */
static void set_loaded(struct rps_counts *c, enum rps_family family,
                       const struct serving_slot_report slots[SERVING_SLOTS])
{
    str type = str_of(rps_family_name(family));
    bool is_same = true;
    for (size_t i = 0; i < SERVING_SLOTS; i++)
        is_same = is_same && c->loaded[family][i] == slots[i].version;
    if (is_same)
        return;
    metrics_drop(c->metrics, &rps_metrics[M_LOADED], "model", type);
    metrics_drop(c->metrics, &rps_metrics[M_LOAD_SECONDS], "model", type);
    for (size_t i = 0; i < SERVING_SLOTS; i++) {
        char version[24];
        c->loaded[family][i] = slots[i].version;
        snprintf(version, sizeof version, "%lld", (long long)slots[i].version);
        str alias = str_of(serving_aliases[i]);
        if (slots[i].version == 0)
            continue;
        metric_set(CELL(c, M_LOADED, type, str_of(version), alias, alias), 1);
        metric_set(CELL(c, M_LOAD_SECONDS, type, str_of(version)), slots[i].load_ms / 1e3);
    }
}

/* Lock held. */
static void set_looks(struct rps_state *s, struct rps_counts *c)
{
    int64_t named = 0, unnamed = 0;
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        struct serving_looks looks;
        str type = str_of(rps_family_name(family));
        serving_looks(s->served[family], &looks);
        follow(CELL(c, M_LOAD_FAILURES, type), (double)looks.failed);
        follow(CELL(c, M_LOAD_SKIPS, type), (double)looks.skipped);
        named += looks.named;
        unnamed += looks.unnamed;
    }
    follow(CELL(c, M_RESOLUTIONS, STR("found")), (double)named);
    follow(CELL(c, M_RESOLUTIONS, STR("missing")), (double)unnamed);
}

/* `drift`: the largest so far, by scope. */
static void set_family(struct rps_counts *c, enum rps_family family,
                       const struct serving_slot_report slots[SERVING_SLOTS], double drift[2])
{
    char key[64];
    set_loaded(c, family, slots);
    for (enum rps_alias alias = RPS_PRODUCTION; alias <= RPS_B; alias++)
        set_alias(c, family, alias);
    for (enum rps_alias alias = 0; alias < RPS_ALIASES; alias++) {
        double off = serving_calibration_error(&slots[alias].tally);
        key_of(family, alias, key);
        metric_set(CELL(c, M_AB_CALIBRATION, str_of(key)), isnan(off) ? 0 : off);
        double predictions = metric_value(c->aliases[family][alias].predictions);
        double correct = metric_value(c->aliases[family][alias].correct);
        follow(CELL(c, M_MODEL_PREDICTIONS, str_of(key)), predictions);
        follow(CELL(c, M_MODEL_CORRECT, str_of(key)), correct);
        metric_set(CELL(c, M_MODEL_ACCURACY, str_of(key)), share(correct, predictions));
    }
    const struct serving_slot_report *production = &slots[SERVING_PRODUCTION];
    drift[0] = fmax(drift[0], production->drift_inputs); /* fmax leaves out what is not known */
    drift[1] = fmax(drift[1], production->drift_predictions);
    key_of(family, RPS_B, key);
    metric_set(CELL(c, M_AB_LIFT, str_of(key)),
               share(metric_value(c->aliases[family][RPS_B].model_won),
                     metric_value(c->aliases[family][RPS_B].model_games)) -
                   share(metric_value(c->aliases[family][RPS_PRODUCTION].model_won),
                         metric_value(c->aliases[family][RPS_PRODUCTION].model_games)));
}

/* What was decided since the last time, oldest first; `is_told`: none of it is news. Lock held. */
static err tell_decisions(struct rps_state *s, struct rps_counts *c, enum rps_family family,
                          bool is_told, arena *keep)
{
    struct rps_event *events;
    size_t count;
    int64_t last = c->decided[family];
    TRY(rps_events_own(s, family, 1, keep, &events, &count));
    if (!is_told && count && events[0].id > last) /* rare: a decision is made every ten minutes */
        TRY(rps_events_own(s, family, DECISIONS_MAX, keep, &events, &count));
    for (size_t i = count; i-- > 0;) {
        const struct json *rankings;
        if (events[i].id <= last)
            continue;
        c->decided[family] = events[i].id;
        if (is_told)
            continue;
        if (str_eq(events[i].decision, STR("rollback"))) /* it swaps, too */
            events[i].decision = STR("swap_production_b");
        TRY(json_parse(keep, events[i].rankings, &rankings));
        rps_count_promotion(c, &events[i], rankings);
    }
    return OK;
}

static err tell_all_decisions(struct rps_state *s, struct rps_counts *c, bool is_told)
{
    arena keep;
    err e = OK;
    arena_init(&keep, DECISION_BYTES_MAX);
    pthread_mutex_lock(&c->refresh_lock);
    for (enum rps_family family = 0; family < RPS_FAMILIES && !e.code; family++)
        e = tell_decisions(s, c, family, is_told, &keep);
    pthread_mutex_unlock(&c->refresh_lock);
    arena_deinit(&keep);
    return e;
}

err rps_counts_refresh(struct rps_state *s)
{
    struct rps_counts *c = s->counts;
    struct serving_slot_report slots[RPS_FAMILIES][SERVING_SLOTS];
    TRY(tell_all_decisions(s, c, false));
    int hours = (int)setting_int(s->house, "SKERRY_SERVING_WINDOW_HOURS");
    double drift[COUNT_OF(scopes)] = { 0 };
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++)
        TRY(serving_report(s->served[family], hours, slots[family]));
    pthread_mutex_lock(&c->refresh_lock);
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++)
        set_family(c, family, slots[family], drift);
    set_looks(s, c);
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        metric_set(CELL(c, M_DRIFT, str_of(scopes[i])), drift[i]);
    pthread_mutex_unlock(&c->refresh_lock);
    return OK;
}

/* ------------------------------------------------------------------ what others report */

void rps_count_promotion(struct rps_counts *c, const struct rps_event *event,
                         const struct json *rankings)
{
    str type = event->model_type;
    if (isfinite(event->z))
        metric_set(CELL(c, M_Z, type), event->z);
    if (isfinite(event->p))
        metric_set(CELL(c, M_P, type), event->p);
    metric_add(CELL(c, M_PROMOTIONS, type, event->decision), 1);
    for (size_t i = 0; i < COUNT_OF(decisions); i++)
        metric_set(CELL(c, M_DECISION, type, str_of(decisions[i])),
                   str_eq(event->decision, str_of(decisions[i])));
    if (event->is_reordered)
        metric_add(CELL(c, M_REORDERS, type), 1);
    for (size_t i = 0; i < json_count(rankings); i++)
        metric_set(
            CELL(c, M_RANK, type, json_str(json_get(json_at(rankings, i), "alias"), STR_NONE)),
            (double)json_int(json_get(json_at(rankings, i), "rank"), 0));
    metric_set(CELL(c, M_SINCE_SWAP, type, STR("Production")), (double)event->production_since);
    metric_set(CELL(c, M_SINCE_SWAP, type, STR("B")), (double)event->b_since);
    metric_set(CELL(c, M_CYCLES, type), (double)event->cycles);
}

void rps_count_training(struct rps_counts *c, enum rps_family family, bool is_success,
                        double seconds)
{
    str type = str_of(rps_family_name(family));
    metric_add(CELL(c, M_TRAININGS, type, is_success ? STR("success") : STR("failure")), 1);
    if (isfinite(seconds))
        metric_observe(CELL(c, M_TRAINING_SECONDS, type), seconds);
}
