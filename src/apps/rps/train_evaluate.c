/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_evaluate.c -- the job rps.evaluate: how well a version predicts people who trained nothing.
 *
 * The people are those of imported games who are held out (train_rows.c): no training sees them.
 * Intervals come from drawing whole people, because rounds of one person are alike.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/rps/train.h"
#include "base/clock.h"
#include "base/map.h"

enum {
    PEOPLE_MAX = 1 << 16,
    DRAWS = 1000,
    ECE_DRAWS = 300,
    SEED = 1,
    EARLY_ROUNDS = 15, /* of a person's first games */
    CHECK_EVERY = 4096,
    REPORT_BYTES_MAX = 64 * 1024,
    VERB_ARENA_BYTES = 4 * 1024 * 1024,
};

/* Rounds that are judged apart: all; those of the people's first fifteen; by whom they played. */
enum slice { ALL, EARLY, AGAINST, SLICES = AGAINST + RPS_AGAINST_KINDS };
static const char *const slice_names[SLICES] = {
    [ALL] = "",
    [EARLY] = "rounds_4_15",
    [AGAINST + RPS_AGAINST_PEOPLE] = "people",
    [AGAINST + RPS_AGAINST_STABLE] = "stable_bots",
    [AGAINST + RPS_AGAINST_ADAPTIVE] = "adaptive_bots",
};

/* One version's predictions, by person. */
struct judged {
    struct rps_slice_sums {
        struct learn_group_sum *hits, *loss, *score; /* by person */
    } slices[SLICES];
    struct learn_tally *tallies; /* by person */
    struct learn_tally all;
};

struct evaluation {
    struct run *run;
    struct house *h;
    struct rps_rows rows;
    struct rps_players *players; /* NULL until a version asks for it */
    uint32_t *person_of;         /* by game */
    size_t *rounds_before;       /* by game: of its person */
    size_t person_count;
};

/* ------------------------------------------------------------------ judging */

static err number_people(struct evaluation *ev)
{
    struct map seen;
    size_t *rounds = calloc(ev->rows.game_count, sizeof *rounds); /* of each person so far */
    err e = OK;
    ev->person_of = calloc(ev->rows.game_count, sizeof *ev->person_of);
    ev->rounds_before = calloc(ev->rows.game_count, sizeof *ev->rounds_before);
    if (!rounds || !ev->person_of || !ev->rounds_before)
        e = ERR(ERR_NO_MEMORY, "%zu games", ev->rows.game_count);
    map_init(&seen, PEOPLE_MAX);
    for (size_t i = 0; i < ev->rows.game_count && !e.code; i++) {
        union map_value *value;
        bool is_new;
        const uint64_t *person = &ev->rows.games[i].person;
        e = map_put(&seen, str_from(person, sizeof *person), &value, &is_new);
        if (e.code)
            break;
        if (is_new)
            value->num = (int64_t)ev->person_count++;
        ev->person_of[i] = (uint32_t)value->num;
        ev->rounds_before[i] = rounds[value->num];
        rounds[value->num] += ev->rows.games[i].turn_count;
    }
    map_deinit(&seen);
    free(rounds);
    return e;
}

static void judged_deinit(struct judged *j)
{
    for (int i = 0; i < SLICES; i++) {
        free(j->slices[i].hits);
        free(j->slices[i].loss);
        free(j->slices[i].score);
    }
    free(j->tallies);
}

static err judged_init(struct judged *j, size_t people)
{
    bool is_there = true;
    *j = (struct judged){ .tallies = calloc(people, sizeof *j->tallies) };
    for (int i = 0; i < SLICES; i++) {
        struct rps_slice_sums *s = &j->slices[i];
        s->hits = calloc(people, sizeof *s->hits);
        s->loss = calloc(people, sizeof *s->loss);
        s->score = calloc(people, sizeof *s->score);
        is_there = is_there && s->hits && s->loss && s->score;
    }
    return is_there && j->tallies ? OK : ERR(ERR_NO_MEMORY, "%zu people to judge on", people);
}

static void add(struct learn_group_sum *sum, double value)
{
    sum->sum += value;
    sum->count++;
}

static void judge_row(struct judged *j, const bool in[SLICES], const float *p, size_t truth,
                      uint32_t person)
{
    size_t guess = 0;
    for (size_t move = 1; move < RPS_MOVES; move++)
        guess = p[move] > p[guess] ? move : guess;
    double loss = -log(fmax((double)p[truth], LEARN_PROBABILITY_MIN));
    double score = guess == truth ? 1 : truth == rps_beaten((unsigned)guess) ? -1 : 0;
    learn_tally_add(&j->tallies[person], p, RPS_MOVES, truth);
    learn_tally_add(&j->all, p, RPS_MOVES, truth);
    for (int i = 0; i < SLICES; i++) {
        if (!in[i])
            continue;
        add(&j->slices[i].hits[person], guess == truth);
        add(&j->slices[i].loss[person], loss);
        add(&j->slices[i].score[person], score);
    }
}

static err judge(struct evaluation *ev, const struct rps_model *model, struct judged *j)
{
    const struct learn_table *table = &ev->rows.table;
    if (model->sort == RPS_OF_PLAYERS) {
        if (!ev->players)
            TRY(rps_players_open(ev->h, &ev->rows, &ev->players));
        TRY(rps_players_fill(ev->players, model->population));
        table = rps_players_table(ev->players);
    }
    for (size_t i = 0; i < ev->rows.game_count; i++) {
        const struct rps_row_game *g = &ev->rows.games[i];
        bool in[SLICES] = { [ALL] = true };
        in[AGAINST + g->against] = true;
        TRY(run_check(ev->run));
        for (size_t k = 0; k < g->count; k++) {
            float p[RPS_MOVES];
            size_t row = g->first + k, round = k + RPS_FIRST_MODEL_ROUND;
            in[EARLY] = ev->rounds_before[i] + round <= EARLY_ROUNDS;
            learn_classifier_predict(model->classifier, learn_table_row(table, row), p);
            judge_row(j, in, p, table->labels[row], ev->person_of[i]);
        }
    }
    return OK;
}

static err load(struct evaluation *ev, str ref, struct model_version_info *ret_info,
                struct rps_model **ret_model)
{
    str version = ref, bytes;
    str name = str_split(&version, '@');
    TRY(model_get(house_track(ev->h), name, version, run_arena(ev->run), ret_info));
    if (!str_eq(ret_info->kind, STR(RPS_MODEL_KIND)))
        return ERR(ERR_INVALID, "%.*s is of kind '%.*s', not " RPS_MODEL_KIND,
                   STR_ARG(str_sub(ref, 0, 100)), STR_ARG(ret_info->kind));
    TRY(blob_get(house_blobs(ev->h), &ret_info->blob, run_arena(ev->run), LEARN_MODEL_BYTES_MAX,
                 &bytes));
    TRY(run_model_in(ev->run, str_of(ret_info->id)));
    return err_wrap(rps_model_load(bytes, ret_model), "%.*s", STR_ARG(str_sub(ref, 0, 100)));
}

/* ------------------------------------------------------------------ intervals */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct learn_interval ece_interval(const struct judged *j, size_t people)
{
    double values[ECE_DRAWS];
    struct rng rng;
    rng_init(&rng, SEED);
    for (size_t d = 0; d < ECE_DRAWS; d++) {
        struct learn_tally t = { 0 };
        for (size_t i = 0; i < people; i++)
            learn_tally_merge(&t, &j->tallies[rng_below(&rng, people)]);
        values[d] = learn_tally_ece(&t);
    }
    qsort(values, ECE_DRAWS, sizeof *values, by_value);
    return (struct learn_interval){ values[ECE_DRAWS / 40],
                                    values[ECE_DRAWS - 1 - ECE_DRAWS / 40] };
}

/* Mean over rounds; people who have none of these rounds are not drawn. NAN: nobody has. */
static err mean_of(const struct learn_group_sum *sums, size_t people, double *ret_mean,
                   struct learn_interval *ret_range)
{
    struct learn_group_sum *there = calloc(people, sizeof *there);
    double sum = 0, rounds = 0;
    size_t count = 0;
    struct rng rng;
    if (!there)
        return ERR(ERR_NO_MEMORY, "drawing from %zu people", people);
    for (size_t i = 0; i < people; i++) {
        sum += sums[i].sum;
        rounds += sums[i].count;
        if (sums[i].count > 0)
            there[count++] = sums[i];
    }
    rng_init(&rng, SEED);
    *ret_range = learn_bootstrap(there, count, DRAWS, &rng);
    *ret_mean = rounds > 0 ? sum / rounds : (double)NAN;
    free(there);
    return OK;
}

/* Also as metrics of the run: "PARTSLICE_NAME". */
static err put(struct evaluation *ev, struct json_out *w, const char *part, const char *slice,
               const char *name, double value, struct learn_interval range)
{
    char key[120];
    const char *bar = slice[0] ? "_" : "";
    json_key(w, name);
    json_object_begin(w);
    json_kv_real(w, "value", value);
    json_kv_real(w, "low", range.low);
    json_kv_real(w, "high", range.high);
    json_object_end(w);
    snprintf(key, sizeof key, "%s%s%s%s", part, slice, bar, name);
    TRY(run_metric(ev->run, key, value, 0));
    snprintf(key, sizeof key, "%s%s%s%s_low", part, slice, bar, name);
    TRY(run_metric(ev->run, key, range.low, 0));
    snprintf(key, sizeof key, "%s%s%s%s_high", part, slice, bar, name);
    return run_metric(ev->run, key, range.high, 0);
}

static err put_mean(struct evaluation *ev, struct json_out *w, const char *part, const char *slice,
                    const char *name, const struct learn_group_sum *sums)
{
    struct learn_interval range;
    double mean = 0;
    TRY(mean_of(sums, ev->person_count, &mean, &range));
    return put(ev, w, part, slice, name, mean, range);
}

static int64_t rounds_of(const struct evaluation *ev, const struct rps_slice_sums *sums)
{
    double rounds = 0;
    for (size_t i = 0; i < ev->person_count; i++)
        rounds += sums->hits[i].count;
    return (int64_t)rounds;
}

static err put_slice(struct evaluation *ev, struct json_out *w, const char *part,
                     const struct judged *j, enum slice slice)
{
    const struct rps_slice_sums *sums = &j->slices[slice];
    TRY(put_mean(ev, w, part, slice_names[slice], "accuracy", sums->hits));
    TRY(put_mean(ev, w, part, slice_names[slice], "log_loss", sums->loss));
    return put_mean(ev, w, part, slice_names[slice], "score", sums->score);
}

static err put_judged(struct evaluation *ev, struct json_out *w, const char *key, const char *part,
                      const struct judged *j)
{
    json_key(w, key);
    json_object_begin(w);
    TRY(put_slice(ev, w, part, j, ALL));
    TRY(put(ev, w, part, "", "ece", learn_tally_ece(&j->all), ece_interval(j, ev->person_count)));
    json_key(w, "slices");
    json_object_begin(w);
    for (int slice = ALL + 1; slice < SLICES; slice++) {
        int64_t rounds = rounds_of(ev, &j->slices[slice]);
        if (rounds == 0)
            continue;
        json_key(w, slice_names[slice]);
        json_object_begin(w);
        json_kv_int(w, "rounds", rounds);
        TRY(put_slice(ev, w, part, j, (enum slice)slice));
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
    return OK;
}

/* Person by person: how much better the candidate is. */
static err put_gain(struct evaluation *ev, struct json_out *w, const struct judged *candidate,
                    const struct judged *baseline)
{
    const struct learn_group_sum *a = candidate->slices[ALL].hits, *b = baseline->slices[ALL].hits;
    struct learn_group_sum *gain = calloc(ev->person_count, sizeof *gain);
    if (!gain)
        return ERR(ERR_NO_MEMORY, "comparing two versions");
    for (size_t i = 0; i < ev->person_count; i++)
        gain[i] = (struct learn_group_sum){ a[i].sum - b[i].sum, a[i].count };
    err e = put_mean(ev, w, "", "", "accuracy_gain", gain);
    free(gain);
    return e;
}

/* ------------------------------------------------------------------ the job */

static err judge_version(struct evaluation *ev, str ref, struct judged *j)
{
    struct rps_model *model = NULL;
    struct model_version_info info;
    TRY(judged_init(j, ev->person_count));
    err e = load(ev, ref, &info, &model);
    if (!e.code)
        e = judge(ev, model, j);
    rps_model_free(model);
    return e;
}

static err report(struct evaluation *ev, str candidate, str baseline, struct judged j[2],
                  struct buf *text)
{
    struct json_out w;
    json_out_init(&w, text);
    json_object_begin(&w);
    json_kv_str(&w, "candidateRef", candidate);
    json_kv_str(&w, "baselineRef", baseline);
    json_kv_int(&w, "people", (int64_t)ev->person_count);
    json_kv_int(&w, "games", (int64_t)ev->rows.game_count);
    json_kv_int(&w, "rounds", (int64_t)ev->rows.table.row_count);
    TRY(judge_version(ev, candidate, &j[0]));
    TRY(put_judged(ev, &w, "candidate", "", &j[0]));
    if (baseline.len) {
        TRY(judge_version(ev, baseline, &j[1]));
        TRY(put_judged(ev, &w, "baseline", "baseline_", &j[1]));
        TRY(put_gain(ev, &w, &j[0], &j[1]));
    }
    json_object_end(&w);
    TRY(buf_check(text));
    TRY(run_artifact(ev->run, "evaluation.json", buf_str(text)));
    return run_result(ev->run, buf_str(text));
}

static err work(struct evaluation *ev, str candidate, str baseline)
{
    struct rps_rows_query query;
    struct judged judged[2] = { 0 };
    struct buf text;
    TRY(run_param(ev->run, "candidate", candidate));
    TRY(run_param(ev->run, "baseline", baseline));
    TRY(rps_rows_settings(ev->h, RPS_ROWS_HELD_OUT, &query));
    query.until_ms = clock_wall_ms();
    TRY(rps_rows_read(ev->h, &query, &ev->rows));
    if (ev->rows.game_count == 0)
        return ERR(ERR_CONFLICT,
                   "no games of people are there to judge on: skerry rps import FILE...");
    TRY(number_people(ev));
    buf_init(&text, REPORT_BYTES_MAX);
    err e = report(ev, candidate, baseline, judged, &text);
    buf_deinit(&text);
    if (!e.code)
        RUN_LOG(
            ev->run, LOG_INFO, "evaluation.completed", NULL, F_STR("candidate", candidate),
            F_INT("people", (int64_t)ev->person_count),
            F_REAL("accuracy", (double)judged[0].all.top1 / fmax(1, (double)judged[0].all.count)));
    judged_deinit(&judged[0]);
    judged_deinit(&judged[1]);
    return e;
}

err rps_evaluate_run(struct run *run, const struct json *payload)
{
    struct evaluation ev = { .run = run, .h = run_house(run) };
    str candidate, baseline = STR_NONE;
    TRY(json_need_str(payload, "candidate", &candidate));
    TRY(json_opt_str(payload, "baseline", &baseline));
    err e = work(&ev, candidate, baseline);
    free(ev.person_of);
    free(ev.rounds_before);
    rps_players_close(ev.players);
    rps_rows_deinit(&ev.rows);
    return e;
}

/* A version that is not there is said at once, not by a job that fails. */
static err check_version(struct house *h, const char *ref, arena *keep)
{
    struct model_version_info info;
    str version = str_of(ref);
    str name = str_split(&version, '@');
    return model_get(house_track(h), name, version, keep, &info);
}

err rps_verb_evaluate(struct house *h, const struct verb_args *args)
{
    struct buf payload;
    struct json_out w;
    struct job_info info;
    arena keep;
    if (args->count < 1 || args->count > 2)
        return ERR(ERR_INVALID, "name a version, and one to compare it with: skerry rps evaluate "
                                "rps_bot_xgboost@Production rps_bot_mnlogit@Production");
    buf_init(&payload, JOB_PAYLOAD_MAX);
    arena_init(&keep, VERB_ARENA_BYTES);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_cstr(&w, "candidate", args->values[0]);
    json_kv_cstr(&w, "baseline", args->count > 1 ? args->values[1] : NULL);
    json_object_end(&w);
    err e = buf_check(&payload);
    for (int i = 0; i < args->count && !e.code; i++)
        e = check_version(h, args->values[i], &keep);
    if (!e.code)
        e = app_run_job(h,
                        &(struct job_spec){ .kind = "rps.evaluate", .payload = buf_str(&payload) },
                        args->json, &keep, &info);
    arena_deinit(&keep);
    buf_deinit(&payload);
    return e;
}

/* ------------------------------------------------------------------ the kind */

static err refuse_training(struct house *h, const struct json *params)
{
    (void)h;
    (void)params;
    return ERR(ERR_INVALID, "versions of " RPS_MODEL_KIND " are trained on the games that are "
                            "there: POST /v1/rps/train, or skerry rps train");
}

const struct model_kind rps_model_kinds[] = {
    { .name = RPS_MODEL_KIND,
      .dataset_kind = RPS_DATASET_KIND,
      .train_job = "rps.train",
      .evaluate_job = "rps.evaluate",
      .train_route = "/v1/rps/train",
      .params_schema = RPS_TRAIN_SCHEMA,
      .check = refuse_training,
      .suites = "people",
      .load = house_family_load,
      .score = rps_model_score,
      .score_inputs = "[{\"type\":\"tensor\",\"dtype\":\"float64\",\"shape\":[-1,50]}]" },
    { 0 },
};
