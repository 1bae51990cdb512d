/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Puts twelve models into a data folder, so that rounds can be tested and measured with all of
 * them.
 *
 *     rps_models HOME [LIBXGBOOST]
 *     rps_models HOME NAME VERSION ALIAS     moves an alias; a server may run
 *
 * They are of the shapes that are served (networks of 128-128-64, 200 rounds of trees of depth 3,
 * logistic regressions), trained on games of bots against bots. With no libxgboost the trees are
 * left out, and said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/rps/sim.h"
#include "engine/learn/classifier.h"
#include "platform/scoring/tree_train.h"

enum { GAMES = 400, ROWS_MAX = GAMES * RPS_ROUNDS_MAX, FILE_BYTES_MAX = 32 << 20 };

const struct app *const app_registry[] = { &app_core, &app_rps, NULL };

static void need(err e)
{
    if (!e.code)
        return;
    fprintf(stderr, "rps_models: %s\n", e.msg);
    exit(1);
}

/* ------------------------------------------------------------------ rows */

static void play(struct learn_table *table, size_t game, struct rng *rng)
{
    double rows[RPS_ROUNDS_MAX][RPS_FEATURES];
    uint8_t labels[RPS_ROUNDS_MAX];
    struct rps_round rounds[RPS_ROUNDS_MAX];
    struct rps_game state = { 0 };
    struct rps_sim_plan user = { .user = (enum rps_bot)(game % RPS_BOTS) },
                        bot = { .user = RPS_BOTS };
    char id[32];
    snprintf(id, sizeof id, "game-%zu", game);
    while (state.winner == RPS_NOBODY_YET) {
        struct rps_points points;
        size_t count = state.rounds;
        rps_round_points(str_of(id), (int64_t)count + 1, &points);
        unsigned mine = rps_sim_move(&user, rounds, count, &points, &state, rng);
        unsigned theirs = rps_sim_move(&bot, rounds, count, &points, &state, rng);
        need(rps_game_play(&state, mine, theirs, &points, &rounds[count]));
    }
    size_t count = rps_training_rows(rounds, state.rounds, false, rows, labels);
    for (size_t i = 0; i < count; i++)
        need(learn_table_add(table, rows[i], labels[i], game, (int64_t)game));
}

/* ------------------------------------------------------------------ models */

static err take_slice(void *arg, str json)
{
    return learn_forest_add_xgboost(arg, json);
}

static err train_trees(const char *library, const struct learn_table *table, uint64_t seed,
                       struct learn_forest **ret_forest)
{
    size_t cells = table->row_count * table->feature_count;
    float *values = malloc(cells * sizeof *values),
          *labels = malloc(table->row_count * sizeof *labels);
    if (!values || !labels)
        need(ERR(ERR_NO_MEMORY, "no memory for rows"));
    for (size_t i = 0; i < cells; i++)
        values[i] = (float)table->values[i];
    for (size_t i = 0; i < table->row_count; i++)
        labels[i] = table->labels[i];
    struct tree_train_rows rows = { .values = values, .labels = labels, .count = table->row_count };
    struct tree_train_options options = { .feature_count = RPS_FEATURES,
                                          .class_count = RPS_MOVES,
                                          .rounds = 200,
                                          .rate = 0.05,
                                          .depth = 3,
                                          .min_child_weight = 2,
                                          .subsample = 0.8,
                                          .colsample = 0.7,
                                          .lambda = 2,
                                          .alpha = 0.1,
                                          .seed = seed };
    need(learn_forest_new(RPS_FEATURES, RPS_MOVES, ret_forest));
    struct tree_train_ends ends = { .slice = take_slice, .arg = *ret_forest };
    struct tree_train_rows none = { 0 };
    err e = tree_train(library, &options, &rows, &none, &ends, NULL);
    free(values);
    free(labels);
    return e;
}

static struct learn_card card_of(enum learn_family family)
{
    return (struct learn_card){ .family = family,
                                .feature_count = RPS_FEATURES,
                                .class_count = RPS_MOVES,
                                .feature_set = STR("contract-50"),
                                .class_names = { STR("rock"), STR("paper"), STR("scissors") } };
}

static err train(enum rps_family family, const struct learn_training *t, const char *library,
                 struct learn_classifier **ret)
{
    struct learn_dense *dense = NULL;
    struct learn_forest *forest = NULL;
    if (family == RPS_XGBOOST) {
        TRY(train_trees(library, t->table, t->seed, &forest));
        struct learn_card card = card_of(LEARN_TREES);
        return learn_classifier_of_forest(&card, forest, ret);
    }
    struct learn_softmax_options logit = learn_softmax_defaults();
    struct learn_mlp_options net = learn_mlp_defaults();
    net.hidden_count = 3;
    net.hidden[0] = net.hidden[1] = 128;
    net.hidden[2] = 64;
    net.epochs = 2; /* their speed does not depend on how good they are */
    TRY(family == RPS_LOGISTIC ? learn_softmax_train(&logit, t, &dense, NULL)
                               : learn_mlp_train(&net, t, &dense, NULL));
    struct learn_card card = card_of(family == RPS_LOGISTIC ? LEARN_LOGIT : LEARN_NET);
    return learn_classifier_of_dense(&card, dense, ret);
}

static void put(struct house *h, enum rps_family family, enum rps_alias alias,
                struct learn_classifier *c)
{
    struct buf file;
    struct blob_info blob;
    struct model_version_info info;
    arena keep;
    arena_init(&keep, 1 << 20);
    buf_init(&file, FILE_BYTES_MAX);
    need(learn_classifier_save(c, &file));
    need(blob_put(house_blobs(h), buf_str(&file), &blob));
    str name = str_of(rps_family_registry(family));
    need(model_register(house_track(h),
                        &(struct model_spec){ .name = name, .kind = "rps.policy", .blob = blob },
                        &keep, &info));
    need(model_promote(house_track(h), name, info.version, str_of(rps_alias_name(alias)),
                       STR("bench"), STR("made for a bench")));
    buf_deinit(&file);
    arena_deinit(&keep);
    learn_classifier_free(c);
}

static int move(char **argv)
{
    struct house *h;
    int64_t version = 0;
    need(str_to_i64(str_of(argv[3]), &version));
    need(house_open(
        &(struct house_options){
            .mode = HOUSE_VERB, .home = argv[1], .apps = app_registry, .quiet = true },
        &h));
    need(model_promote(house_track(h), str_of(argv[2]), version, str_of(argv[4]), STR("test"),
                       STR("moved for a test")));
    house_close(h);
    return 0;
}

int main(int argc, char **argv)
{
    static uint32_t index[ROWS_MAX];
    struct learn_table table;
    struct rng rng;
    struct house *h;
    if (argc < 2) {
        fprintf(stderr, "usage: rps_models HOME [LIBXGBOOST | NAME VERSION ALIAS]\n");
        return 2;
    }
    if (argc == 5)
        return move(argv);
    need(learn_table_init(&table, RPS_FEATURES, RPS_MOVES, ROWS_MAX));
    rng_init(&rng, 1);
    for (size_t game = 0; game < GAMES; game++)
        play(&table, game, &rng);
    for (size_t i = 0; i < table.row_count; i++)
        index[i] = (uint32_t)i;
    need(house_open(
        &(struct house_options){
            .mode = HOUSE_VERB, .home = argv[1], .apps = app_registry, .quiet = true },
        &h));
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        for (enum rps_alias alias = 0; alias < RPS_ALIASES; alias++) {
            struct learn_classifier *c;
            struct learn_training t = { .table = &table,
                                        .train = { index, table.row_count - alias },
                                        .seed = alias + 1 };
            err e = train(family, &t, argc > 2 ? argv[2] : "", &c);
            if (e.code == ERR_UNSUPPORTED) {
                fprintf(stderr, "rps_models: no %s: %s\n", rps_family_name(family), e.msg);
                break;
            }
            need(e);
            put(h, family, alias, c);
        }
    }
    house_close(h);
    learn_table_deinit(&table);
    return 0;
}
