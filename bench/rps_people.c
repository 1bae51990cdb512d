/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How well the next move of people is predicted who are in no training.
 *
 *     rps_people DIR [FOLDS [STRIDE]]     4 1 is a quarter of an hour of processor time
 *
 * DIR holds the logs of play (brockbank_v1..3.csv.zst, wxz2014.csv, 200px_bo3_ru.csv; their
 * publishers' licences apply, they are not part of this program). People are parted into four by
 * their group, so that people who met stay together; of FOLDS (1) parts each in turn is judged by
 * what was fitted on the other three: the population, the mixers, and the models of each family on
 * both feature sets. A tenth of those people, again by group, decides when the models stop. With a
 * STRIDE above 1 (1) only every so many rounds train the families: quicker, and little is lost;
 * with 0 there are no families, only the mixers.
 *
 * Rounds 4 and later of each game are judged, as a model plays them; rounds-4-15 are those of a
 * person's first 15 rounds ever. Prints a JSON line a figure:
 * accuracy, log loss, and score (wins minus losses a round of whoever plays against the
 * prediction), with low and high, the 95 % interval by drawing people. theirs is the same model on
 * contract-50, where there is one; rps-people-gain-* is the difference, person by person. Trees are
 * left out, and it is said so, where libxgboost is not installed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/learn/forest.h"
#include "engine/learn/metrics.h"
#include "engine/learn/mlp.h"
#include "engine/learn/softmax_regression.h"
#include "engine/learn/split.h"
#include "engine/rps/features.h"
#include "engine/rps/player_past.h"
#include "platform/scoring/tree_train.h"

enum { PARTS = 4, EARLY_ROUNDS = 15, DRAWS = 1000, SEED = 1 };

enum set { CONTRACT, HISTORY, SETS };
enum model { MIX, HEDGE, LOGIT, NET, TREES, MODELS };
enum slice { POOL, EARLY, KIND, SLICES = KIND + RPS_AGAINST_KINDS };
enum measure { ACCURACY, LOG_LOSS, SCORE, MEASURES };

static const char *const set_names[SETS] = { "contract", "history" };
static const char *const model_names[MODELS] = { "mix", "hedge", "logit", "net", "trees" };
static const char *const measure_names[MEASURES] = { "accuracy", "log-loss", "score" };
static const char *const slice_names[SLICES] = { "pool", "rounds-4-15", "people", "stable-bots",
                                                 "adaptive-bots" };

/* A row of both tables. */
struct row {
    uint32_t person;
    bool is_early;
};

struct bench {
    struct rps_people people;
    struct learn_table tables[SETS];
    struct row *rows;
    bool *is_used;                                                /* people to fit on */
    struct learn_group_sum *sums[MODELS][SETS][SLICES][MEASURES]; /* by person */
    bool has[MODELS][SETS];
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "rps_people: %s\n", what);
    exit(1);
}

static void need(err e)
{
    if (e.code)
        die(e.msg);
}

static void *zeroed(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        die("out of memory");
    return p;
}

/* ---------------------------------------------------------------- rows */

static void load(arena *keep, const char *folder, struct rps_people *all)
{
    static const char *const names[] = { "brockbank_v1.csv.zst", "brockbank_v2.csv.zst",
                                         "brockbank_v3.csv.zst", "wxz2014.csv",
                                         "200px_bo3_ru.csv" };
    struct rps_people parts[COUNT_OF(names)];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        need(rps_people_load(keep, path, &parts[i]));
    }
    need(rps_people_join(keep, parts, COUNT_OF(names), all));
}

static unsigned part_of(const struct rps_person *who)
{
    return (unsigned)(rand_mix(learn_split_key(who->group)) % PARTS);
}

/* A person's games as the past is read, in one place. */
struct past {
    const struct bench *b;
    const struct rps_person *who;
    struct rps_turn *turns; /* room for the longest game */
};

static err past_game(void *arg, int64_t number, const struct rps_turn **ret_turns,
                     size_t *ret_count)
{
    const struct past *past = arg;
    const struct rps_people *people = &past->b->people;
    const struct rps_people_game *game = &people->games[past->who->first_game + number - 1];

    for (size_t i = 0; i < game->count; i++) {
        struct rps_pair pair = people->rounds[game->first + i];
        past->turns[i] = (struct rps_turn){ .points = { { 1, 1, 1 } }, /* nobody saw any */
                                            .user = pair.user,
                                            .bot = pair.bot };
    }
    *ret_turns = past->turns;
    *ret_count = game->count;
    return OK;
}

static void add_to(struct rps_history *history, const struct rps_turn *turn)
{
    enum rps_outcome outcome = rps_outcome(turn->user, turn->bot);
    double half = outcome == RPS_DRAW ? 0.5 : 0;
    struct rps_round round = { .user = turn->user,
                               .bot = turn->bot,
                               .outcome = (uint8_t)outcome,
                               .points = turn->points,
                               .user_score = history->user_score + (outcome == RPS_WIN ? 1 : half),
                               .bot_score = history->bot_score + (outcome == RPS_LOSE ? 1 : half) };
    rps_history_add(history, &round);
}

/* A row to both tables for each round that a model would play. `before`: rounds of earlier games.
 */
static void add_game(struct bench *b, const struct rps_population *population,
                     struct rps_player *player, const struct rps_turn *turns, size_t count,
                     uint32_t person, size_t before)
{
    struct rps_history history = { 0 };

    rps_player_begin_game(player);
    for (size_t i = 0; i < count; i++) {
        double contract[RPS_FEATURES], known[RPS_PLAYER_FEATURES];

        if (i + 1 >= RPS_FIRST_MODEL_ROUND) {
            rps_features(&history, &turns[i].points, (int64_t)i + 1, false, contract);
            rps_player_see(population, player, &turns[i].points, known);
            b->rows[b->tables[CONTRACT].row_count] = (struct row){ person,
                                                                   before + i < EARLY_ROUNDS };
            need(learn_table_add(&b->tables[CONTRACT], contract, turns[i].user, person, 0));
            need(learn_table_add(&b->tables[HISTORY], known, turns[i].user, person, 0));
        }
        add_to(&history, &turns[i]);
        rps_player_take(population, player, &turns[i]);
    }
}

/* Plays a person's games as a server would see them, one after the other. */
static void add_person(struct bench *b, const struct rps_population *population, size_t person)
{
    const struct rps_person *who = &b->people.people[person];
    struct past past = { b, who, zeroed(who->count, sizeof *past.turns) };
    struct rps_recall recall = { 0 };
    size_t before = 0;

    for (uint32_t g = 0; g < who->game_count; g++) {
        const struct rps_turn *turns;
        struct rps_player *player;
        size_t count;
        need(rps_recall_to(population, &recall, g, past_game, &past));
        need(rps_player_copy(population, recall.player, &player));
        need(past_game(&past, (int64_t)g + 1, &turns, &count));
        add_game(b, population, player, turns, count, (uint32_t)person, before);
        rps_player_free(player);
        before += count;
    }
    rps_recall_deinit(&recall);
    free(past.turns);
}

/* ---------------------------------------------------------------- judging */

/* What is judged so far, for who waits. */
static void say(const struct bench *b, enum model model, enum set set)
{
    double hits = 0, rows = 0;
    for (size_t i = 0; i < b->people.person_count; i++) {
        hits += b->sums[model][set][POOL][ACCURACY][i].sum;
        rows += b->sums[model][set][POOL][ACCURACY][i].count;
    }
    (void)fprintf(stderr, "rps_people: %s on %s: accuracy %.4f of %.0f rounds\n",
                  model_names[model], set_names[set], hits / rows, rows);
}

static void judge_row(struct bench *b, enum model model, enum set set, size_t row, const float *p)
{
    const struct row *r = &b->rows[row];
    unsigned truth = b->tables[CONTRACT].labels[row], guess = 0;
    int slices[3] = { POOL, r->is_early ? EARLY : -1,
                      KIND + (int)b->people.people[r->person].against };

    for (unsigned move = 1; move < RPS_MOVES; move++) {
        if (p[move] > p[guess])
            guess = move;
    }
    double values[MEASURES] = {
        [ACCURACY] = truth == guess,
        [LOG_LOSS] = -log(fmax((double)p[truth], LEARN_PROBABILITY_MIN)),
        [SCORE] = truth == guess               ? 1
                  : truth == rps_beaten(guess) ? -1
                                               : 0,
    };
    b->has[model][set] = true;
    for (size_t i = 0; i < COUNT_OF(slices); i++) {
        for (int m = 0; m < MEASURES && slices[i] >= 0; m++) {
            struct learn_group_sum *sum = &b->sums[model][set][slices[i]][m][r->person];
            sum->sum += values[m];
            sum->count++;
        }
    }
}

/* The mixers need no model: their probabilities are the first features. */
static void judge_mixers(struct bench *b, struct learn_rows test)
{
    for (size_t i = 0; i < test.count; i++) {
        const double *known = learn_table_row(&b->tables[HISTORY], test.index[i]);
        float p[2][RPS_MOVES];
        for (unsigned move = 0; move < RPS_MOVES; move++) {
            p[0][move] = (float)known[move];
            p[1][move] = (float)known[RPS_MOVES + move];
        }
        judge_row(b, MIX, HISTORY, test.index[i], p[0]);
        judge_row(b, HEDGE, HISTORY, test.index[i], p[1]);
    }
}

static void judge_dense(struct bench *b, enum model model, enum set set, struct learn_rows test,
                        struct learn_dense *dense)
{
    for (size_t i = 0; i < test.count; i++) {
        float p[RPS_MOVES];
        learn_dense_predict(dense, learn_table_row(&b->tables[set], test.index[i]), p);
        judge_row(b, model, set, test.index[i], p);
    }
    say(b, model, set);
    learn_dense_free(dense);
}

/* ---------------------------------------------------------------- trees */

static err add_slice(void *arg, str json)
{
    return learn_forest_add_xgboost(arg, json);
}

static struct tree_train_rows tree_rows(const struct learn_table *t, struct learn_rows rows)
{
    float *values = zeroed(rows.count * t->feature_count, sizeof *values),
          *labels = zeroed(rows.count, sizeof *labels);
    for (size_t i = 0; i < rows.count; i++) {
        const double *row = learn_table_row(t, rows.index[i]);
        for (size_t k = 0; k < t->feature_count; k++)
            values[i * t->feature_count + k] = learn_forest_value(row[k]);
        labels[i] = t->labels[rows.index[i]];
    }
    return (struct tree_train_rows){ .values = values, .labels = labels, .count = rows.count };
}

static void free_rows(struct tree_train_rows *rows)
{
    free((void *)rows->values);
    free((void *)rows->labels);
}

/* Leaves them out where the library is missing. */
static void judge_trees(struct bench *b, enum set set, const struct learn_training *training,
                        struct learn_rows test)
{
    const struct learn_table *t = &b->tables[set];
    struct tree_train_options options = {
        .feature_count = t->feature_count,
        .class_count = RPS_MOVES,
        .rounds = 300,
        .rate = 0.08,
        .depth = 4,
        .min_child_weight = 8,
        .subsample = 0.8,
        .colsample = 0.7,
        .lambda = 2,
        .alpha = 0.1,
        .patience = 20,
        .seed = SEED,
        .threads = 2,
    };
    struct tree_train_rows train = tree_rows(t, training->train),
                           valid = tree_rows(t, training->valid);
    struct learn_forest *forest = NULL;

    need(learn_forest_new(t->feature_count, RPS_MOVES, &forest));
    struct tree_train_ends ends = { .slice = add_slice, .arg = forest };
    err e = tree_train("", &options, &train, &valid, &ends, NULL);
    free_rows(&train);
    free_rows(&valid);
    if (e.code && e.code != ERR_UNSUPPORTED)
        die(e.msg);
    for (size_t i = 0; !e.code && i < test.count; i++) {
        float p[RPS_MOVES];
        learn_forest_predict(forest, learn_table_row(t, test.index[i]), p);
        judge_row(b, TREES, set, test.index[i], p);
    }
    learn_forest_free(forest);
    if (!e.code)
        say(b, TREES, set);
    else
        (void)fprintf(stderr, "rps_people: no trees: %s\n", e.msg);
}

/* ---------------------------------------------------------------- a fold */

static void judge_families(struct bench *b, struct learn_rows train, struct learn_rows valid,
                           struct learn_rows test)
{
    for (int set = 0; set < SETS; set++) {
        struct learn_training training = {
            .table = &b->tables[set], .train = train, .valid = valid, .seed = SEED, .threads = 2
        };
        struct learn_softmax_options logit = learn_softmax_defaults();
        struct learn_mlp_options net = learn_mlp_defaults();
        struct learn_dense *dense;

        logit.class_weights = false;
        need(learn_softmax_train(&logit, &training, &dense, NULL));
        judge_dense(b, LOGIT, (enum set)set, test, dense);
        net.epochs = 15;
        net.batch = 256;
        net.patience = 4;
        net.plateau = 2;
        judge_trees(b, (enum set)set, &training, test);
        need(learn_mlp_train(&net, &training, &dense, NULL));
        judge_dense(b, NET, (enum set)set, test, dense);
    }
}

static void run_fold(struct bench *b, unsigned fold, size_t stride)
{
    size_t rows_max = b->people.round_count, people = b->people.person_count, count;
    uint32_t *index[3]; /* train, valid, test */
    struct learn_rows parts[3];
    struct rps_population *population;
    int64_t start = clock_mono_ns();

    for (size_t i = 0; i < people; i++)
        b->is_used[i] = part_of(&b->people.people[i]) != fold;
    need(rps_population_fit(&b->people, b->is_used, NULL, NULL, &population));
    (void)fprintf(stderr, "rps_people: part %u: a population fitted in %.1f s\n", fold,
                  (double)(clock_mono_ns() - start) * 1e-9);
    need(learn_table_init(&b->tables[CONTRACT], RPS_FEATURES, RPS_MOVES, rows_max));
    need(learn_table_init(&b->tables[HISTORY], RPS_PLAYER_FEATURES, RPS_MOVES, rows_max));
    for (size_t i = 0; i < people; i++)
        add_person(b, population, i);
    for (int part = 0; part < 3; part++) {
        index[part] = zeroed(b->tables[CONTRACT].row_count, sizeof **index);
        parts[part] = (struct learn_rows){ index[part], 0 };
    }
    count = b->tables[CONTRACT].row_count;
    for (size_t row = 0; row < count; row++) {
        const struct rps_person *who = &b->people.people[b->rows[row].person];
        bool stops = rand_mix(learn_split_key(who->group) + 1) % 10 == 0;
        int part = !b->is_used[b->rows[row].person] ? 2 : stops;
        if (part != 2 && stride && row % stride != 0)
            continue;
        index[part][parts[part].count++] = (uint32_t)row;
    }
    judge_mixers(b, parts[2]);
    if (stride)
        judge_families(b, parts[0], parts[1], parts[2]);
    (void)fprintf(
        stderr, "rps_people: part %u: %zu rounds to train, %zu to stop, %zu judged, %.1f s\n", fold,
        parts[0].count, parts[1].count, parts[2].count, (double)(clock_mono_ns() - start) * 1e-9);
    for (int part = 0; part < 3; part++)
        free(index[part]);
    learn_table_deinit(&b->tables[CONTRACT]);
    learn_table_deinit(&b->tables[HISTORY]);
    rps_population_free(population);
}

/* ---------------------------------------------------------------- figures */

/* Mean over rows and its interval by people; people without rows do not count. */
static double mean_of(const struct learn_group_sum *sums, size_t people,
                      struct learn_interval *ret_interval)
{
    struct learn_group_sum *there = zeroed(people, sizeof *there);
    double sum = 0, rows = 0;
    size_t count = 0;
    struct rng rng;

    for (size_t i = 0; i < people; i++) {
        sum += sums[i].sum;
        rows += sums[i].count;
        if (sums[i].count > 0)
            there[count++] = sums[i];
    }
    rng_init(&rng, SEED);
    *ret_interval = learn_bootstrap(there, count, DRAWS, &rng);
    free(there);
    return rows > 0 ? sum / rows : 0;
}

static void print_figure(const struct bench *b, int model, int set, int slice, int measure)
{
    struct learn_interval interval, unused;
    size_t people = b->people.person_count;
    double ours = mean_of(b->sums[model][set][slice][measure], people, &interval);
    bool has_peer = set == HISTORY && b->has[model][CONTRACT];

    printf("{\"bench\":\"rps-people-%s-%s-%s-%s\",\"ours\":%.4f,", model_names[model],
           set_names[set], slice_names[slice], measure_names[measure], ours);
    if (has_peer) {
        double theirs = mean_of(b->sums[model][CONTRACT][slice][measure], people, &unused);
        double ratio = measure == LOG_LOSS ? theirs / ours : ours / theirs;
        printf("\"peer\":\"contract-50\",\"theirs\":%.4f,\"unit\":\"%s\",\"ratio\":%.3f,", theirs,
               measure_names[measure], ratio);
    } else {
        printf("\"peer\":null,\"theirs\":null,\"unit\":\"%s\",\"ratio\":null,",
               measure_names[measure]);
    }
    printf("\"low\":%.4f,\"high\":%.4f}\n", interval.low, interval.high);
    (void)fflush(stdout);
}

/* Person by person, how much better than contract-feature trees (or nets, without trees). */
static void print_gain(const struct bench *b, int model)
{
    int peer = b->has[TREES][CONTRACT] ? TREES : NET;
    size_t people = b->people.person_count;
    struct learn_group_sum *gain = zeroed(people, sizeof *gain);
    struct learn_interval interval;

    for (size_t i = 0; i < people; i++) {
        gain[i] = b->sums[model][HISTORY][POOL][ACCURACY][i];
        gain[i].sum -= b->sums[peer][CONTRACT][POOL][ACCURACY][i].sum;
    }
    double mean = mean_of(gain, people, &interval);
    printf("{\"bench\":\"rps-people-gain-%s\",\"ours\":%.4f,\"peer\":\"%s contract-50\","
           "\"theirs\":null,\"unit\":\"accuracy, difference\",\"ratio\":null,\"low\":%.4f,"
           "\"high\":%.4f}\n",
           model_names[model], mean, model_names[peer], interval.low, interval.high);
    free(gain);
}

static void print_all(const struct bench *b)
{
    for (int model = 0; model < MODELS; model++) {
        for (int set = 0; set < SETS; set++) {
            for (int slice = 0; b->has[model][set] && slice < SLICES; slice++) {
                for (int measure = 0; measure < MEASURES; measure++)
                    print_figure(b, model, set, slice, measure);
            }
        }
        if (b->has[model][HISTORY] && b->has[NET][CONTRACT])
            print_gain(b, model);
    }
}

int main(int argc, char **argv)
{
    static struct bench b;
    int64_t folds = 1, stride = 1;
    arena keep;

    if (argc < 2 || argc > 4)
        die("usage: rps_people DIR [FOLDS [STRIDE]]");
    if (argc > 2)
        need(str_to_i64(str_of(argv[2]), &folds));
    if (argc > 3)
        need(str_to_i64(str_of(argv[3]), &stride));
    if (folds < 1 || folds > PARTS || stride < 0 || stride > 1000)
        die("FOLDS must be 1 to 4, STRIDE 0 to 1000");
    arena_init(&keep, (size_t)1 << 30);
    load(&keep, argv[1], &b.people);
    (void)fprintf(stderr, "rps_people: %zu people, %zu games, %zu rounds, %zu without both moves\n",
                  b.people.person_count, b.people.game_count, b.people.round_count,
                  b.people.skipped);
    b.rows = zeroed(b.people.round_count, sizeof *b.rows);
    b.is_used = zeroed(b.people.person_count, sizeof *b.is_used);
    for (int model = 0; model < MODELS; model++)
        for (int set = 0; set < SETS; set++)
            for (int slice = 0; slice < SLICES; slice++)
                for (int m = 0; m < MEASURES; m++)
                    b.sums[model][set][slice][m] = zeroed(b.people.person_count,
                                                          sizeof(struct learn_group_sum));
    for (unsigned fold = 0; fold < (unsigned)folds; fold++)
        run_fold(&b, fold, (size_t)stride);
    print_all(&b);
    for (int model = 0; model < MODELS; model++)
        for (int set = 0; set < SETS; set++)
            for (int slice = 0; slice < SLICES; slice++)
                for (int m = 0; m < MEASURES; m++)
                    free(b.sums[model][set][slice][m]);
    free(b.is_used);
    free(b.rows);
    arena_deinit(&keep);
    return 0;
}
