/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_job.c -- the job rps.train: stored games in, a registered version out.
 *
 * A training takes seconds, so it keeps no checkpoint: a try that was cut short begins anew, with
 * the rounds that the first try saw (the cursor is their time), and makes the same model. When
 * there is too little that is new it makes none, says why, and succeeds. One at a time in a
 * process.
 */
#include "apps/rps/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/rps/counts.h"
#include "base/clock.h"

enum {
    REPORT_BYTES_MAX = 1024 * 1024,
    LOG_EVERY_EPOCHS = 10,
    PARTS = 2 + LEARN_PIPELINE_FOLDS, /* hold-out, candidate, folds */
    PART_STEPS = 1000,
    REASON_BYTES = 256,
};

/* By alias, what is deployed in the original. */
static const char *const deployed[RPS_FAMILIES][RPS_ALIASES] = {
    [RPS_FEEDFORWARD] = { "c04", "c02", "c05", "c06" },
    [RPS_XGBOOST] = { "c07", "c02", "c06", "c08" },
    [RPS_LOGISTIC] = { "c06", "c12", "c09", "c10" },
};

const struct job_schedule rps_schedules[] = {
    { "rps.train.network", "@every 1800s", "rps.train",
      "{\"family\":\"feedforward_nn\",\"challenger\":true}",
      "Trains the next network, when enough was played since the last." },
    { "rps.train.trees", "@every 1800s", "rps.train",
      "{\"family\":\"xgboost\",\"challenger\":true}",
      "Trains the next trees, when enough was played since the last and libxgboost is there." },
    { "rps.train.logistic", "@every 1800s", "rps.train",
      "{\"family\":\"multinomial_logistic\",\"challenger\":true}",
      "Trains the next regression, when enough was played since the last." },
    { 0 },
};

struct training {
    struct run *run;
    struct house *h;
    enum rps_family family;
    enum rps_sort sort; /* of features */
    str alias;
    struct learn_config config;
    str config_id; /* of the sweep, or "own" */
    bool is_overridden, is_challenger, is_forced, is_sweep;
    int64_t seed;
    const char *library;

    struct rps_rows_query query;
    struct rps_rows rows;
    struct rps_players *players; /* the rows by who plays; NULL for features of the contract */
    char skipped[REASON_BYTES];  /* why there is no model */
    struct json_out metrics;     /* open object */
    double cv_log_loss;          /* among them */
    int64_t config_index, config_count;
};

/* ------------------------------------------------------------------ what is asked */

static err read_config(struct training *t, const struct json *payload)
{
    enum learn_family kind;
    str id = STR_NONE;
    const struct json *own = json_get(payload, "hyperparameters");
    TRY(learn_family_find(str_of(rps_family_name(t->family)), &kind));
    TRY(json_opt_str(payload, "config", &id));
    TRY(json_opt_bool(payload, "sweep", &t->is_sweep));
    if (t->is_sweep && (id.len || own))
        return ERR(ERR_INVALID, "field 'sweep' tries all configurations: leave out 'config' and "
                                "'hyperparameters'");
    t->config_count = t->is_sweep ? LEARN_SWEEP_COUNT : 1;
    enum rps_alias alias = t->alias.len ? rps_alias_find(t->alias) : RPS_PRODUCTION;
    t->config_id = id.len ? id : str_of(deployed[t->family][alias]);
    const struct learn_config *found = learn_sweep_find(kind, t->config_id);
    if (!found)
        return ERR(ERR_INVALID, "field 'config' must be one of c01 to c12, not '%.*s'",
                   STR_ARG(str_sub(id, 0, 40)));
    t->config = *found;
    t->is_overridden = own && json_count(own) > 0;
    return own ? err_wrap(learn_config_read(&t->config, own), "field 'hyperparameters'") : OK;
}

err rps_train_features(struct house *h, enum rps_sort *ret_sort)
{
    str name = setting_str(h, "TRAINING_FEATURE_SET");
    *ret_sort = rps_sort_find(name);
    if (*ret_sort == RPS_SORTS)
        return ERR(ERR_INVALID,
                   "setting TRAINING_FEATURE_SET must be " RPS_CONTRACT_FEATURES
                   " or " RPS_PLAYER_FEATURE_SET ", not '%.*s'",
                   STR_ARG(str_sub(name, 0, 60)));
    return OK;
}

/* t->sort: of a payload that names no features. */
static err read_payload(struct training *t, const struct json *payload)
{
    str family = STR_NONE, features = STR_NONE, source = STR("played");
    TRY(json_need_str(payload, "family", &family));
    t->family = rps_family_find(family);
    if (t->family == RPS_FAMILIES)
        return ERR(ERR_INVALID,
                   "field 'family' must be feedforward_nn, xgboost or multinomial_logistic, not "
                   "'%.*s'",
                   STR_ARG(str_sub(family, 0, 60)));
    TRY(json_opt_str(payload, "features", &features));
    if (features.ptr)
        t->sort = rps_sort_find(features);
    if (t->sort == RPS_SORTS)
        return ERR(ERR_INVALID,
                   "field 'features' must be " RPS_CONTRACT_FEATURES " or " RPS_PLAYER_FEATURE_SET
                   ", not '%.*s'",
                   STR_ARG(str_sub(features, 0, 60)));
    TRY(json_opt_str(payload, "alias", &t->alias));
    if (t->alias.len && rps_alias_find(t->alias) == RPS_ALIASES)
        return ERR(ERR_INVALID,
                   "field 'alias' must be Production, B, shadow1 or shadow2, not '%.*s'",
                   STR_ARG(str_sub(t->alias, 0, 40)));
    TRY(json_opt_str(payload, "source", &source));
    if (!str_eq(source, STR("played")) && !str_eq(source, STR("people")))
        return ERR(ERR_INVALID, "field 'source' must be played or people, not '%.*s'",
                   STR_ARG(str_sub(source, 0, 40)));
    t->query.source = str_eq(source, STR("people")) ? RPS_ROWS_PEOPLE : RPS_ROWS_PLAYED;
    t->seed = 42;
    TRY(json_opt_int(payload, "seed", 0, INT64_MAX, &t->seed));
    TRY(json_opt_bool(payload, "challenger", &t->is_challenger));
    TRY(json_opt_bool(payload, "force", &t->is_forced));
    return read_config(t, payload);
}

err rps_train_check(const struct json *payload)
{
    struct training t = { 0 };
    return read_payload(&t, payload);
}

/* ------------------------------------------------------------------ is there enough */

/* When the newest version of the family was registered; 0: there is none. */
static err last_trained(struct training *t, int64_t *ret_ms, int64_t *ret_version)
{
    struct model_version_info info;
    str name = str_of(rps_family_registry(t->family));
    *ret_ms = *ret_version = 0;
    err e = model_get(house_track(t->h), name, STR("latest"), run_arena(t->run), &info);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    *ret_ms = info.created_ms;
    *ret_version = info.version;
    return OK;
}

/* A version that this run has made itself is no reason to skip: the last try got so far. */
static err judge_news(struct training *t)
{
    int64_t all, fresh, last_ms, version;
    int64_t total_min = setting_int(t->h, "MIN_TOTAL_ROWS");
    int64_t new_min = setting_int(t->h, "MIN_NEW_ROWS_FOR_TRAINING");
    if (t->is_forced || setting_bool(t->h, "FORCE_TRAINING"))
        return OK;
    TRY(last_trained(t, &last_ms, &version));
    if (last_ms > t->query.until_ms)
        return OK;
    TRY(rps_rounds_count(t->h, &t->query, last_ms, &all, &fresh));
    if (all < total_min)
        snprintf(t->skipped, sizeof t->skipped,
                 "skipped: %lld rounds were played, %lld are needed (MIN_TOTAL_ROWS)",
                 (long long)all, (long long)total_min);
    else if (fresh < new_min)
        snprintf(t->skipped, sizeof t->skipped,
                 "skipped: %lld rounds were played since version %lld was trained, %lld are needed "
                 "(MIN_NEW_ROWS_FOR_TRAINING)",
                 (long long)fresh, (long long)version, (long long)new_min);
    return OK;
}

/* The rounds of every try are those that the first one saw. */
static err fix_until(struct training *t)
{
    char text[40];
    const struct json *cursor = NULL;
    struct job *job = run_job(t->run);
    if (job_cursor(job).len) {
        TRY(json_parse(run_arena(t->run), job_cursor(job), &cursor));
        t->query.until_ms = json_int(json_get(cursor, "until"), 0);
        return OK;
    }
    t->query.until_ms = clock_wall_ms();
    snprintf(text, sizeof text, "{\"until\":%lld}", (long long)t->query.until_ms);
    return job_cursor_commit(job, str_of(text));
}

static err read_rows(struct training *t)
{
    int64_t row_min = setting_int(t->h, "MIN_SUP_ROWS");
    TRY(rps_rows_settings(t->h, t->query.source, &t->query));
    TRY(fix_until(t));
    TRY(judge_news(t));
    if (t->skipped[0])
        return OK;
    TRY(rps_rows_read(t->h, &t->query, &t->rows));
    int64_t count = (int64_t)t->rows.table.row_count;
    if (count < row_min || t->rows.game_count < LEARN_PIPELINE_GROUPS_MIN)
        snprintf(
            t->skipped, sizeof t->skipped,
            "skipped: there are %lld usable rows of %zu games; %lld (MIN_SUP_ROWS) of %d games "
            "are needed",
            (long long)count, t->rows.game_count, (long long)row_min, LEARN_PIPELINE_GROUPS_MIN);
    return OK;
}

/* ------------------------------------------------------------------ what is told */

static err tell_one(struct run *run, str key, const struct json *value)
{
    struct buf text;
    const char *name = arena_cstr(run_arena(run), key);
    ARENA_TRY(name);
    buf_init(&text, 4096);
    json_dump(value, &text);
    err e = run_param(run, name, buf_str(&text));
    buf_deinit(&text);
    return e;
}

static err tell_config(struct training *t)
{
    struct buf text;
    struct json_out w;
    const struct json *all = NULL;
    buf_init(&text, 64 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    learn_config_write(&t->config, &w);
    json_object_end(&w);
    err e = json_parse(run_arena(t->run), buf_str(&text), &all);
    buf_deinit(&text);
    void *iter = NULL;
    str key;
    const struct json *value;
    while (!e.code && json_next(all, &iter, &key, &value))
        e = tell_one(t->run, key, value);
    return e;
}

static err tell_params(struct training *t)
{
    struct run *run = t->run;
    TRY(run_param(run, "algorithm", str_of(rps_family_name(t->family))));
    TRY(run_param_fmt(run, "n_features", "%zu", rps_sort_feature_count(t->sort)));
    TRY(run_param_fmt(run, "n_samples", "%zu", t->rows.table.row_count));
    TRY(run_param_fmt(run, "n_games", "%zu", t->rows.game_count));
    TRY(run_param_fmt(run, "lookback", "%d", RPS_LOOKBACK));
    TRY(run_param(run, "feature_set", str_of(rps_sort_name(t->sort))));
    TRY(run_param(run, "source",
                  t->query.source == RPS_ROWS_PEOPLE ? STR("people") : STR("played")));
    if (t->query.player_like.len)
        TRY(run_param(run, "training_player_name_like", t->query.player_like));
    if (t->query.policies)
        TRY(run_param(run, "training_bot_policy_in", setting_str(t->h, "TRAINING_BOT_POLICY_IN")));
    TRY(run_param(run, "data_split", STR("games: 60/20/20 by time; 80/20 candidate; 3 folds")));
    TRY(run_param(run, "preprocessing", STR("standardised on each part's own training rows")));
    TRY(run_param_fmt(run, "seed", "%lld", (long long)t->seed));
    TRY(run_tag(run, "model_name", str_of(rps_family_registry(t->family))));
    TRY(run_tag(run, "model_type", str_of(rps_family_name(t->family))));
    TRY(run_tag(run, "hyperparameter_config_id", t->config_id));
    TRY(run_tag(run, "hyperparameters_overridden", t->is_overridden ? STR("true") : STR("false")));
    return tell_config(t);
}

static err see_epoch(void *arg, enum learn_stage stage, int part, const struct learn_epoch *epoch)
{
    struct training *t = arg;
    int64_t before = stage == LEARN_STAGE_FOLDS ? 2 + part : stage == LEARN_STAGE_CANDIDATE;
    run_progress(t->run,
                 (t->config_index * PARTS + before) * PART_STEPS +
                     PART_STEPS * epoch->epoch / epoch->epoch_max,
                 t->config_count * PARTS * PART_STEPS);
    if (stage == LEARN_STAGE_CANDIDATE && !t->is_sweep && epoch->epoch % LOG_EVERY_EPOCHS == 0) {
        TRY(run_metric(t->run, "train_loss", epoch->train_loss, epoch->epoch));
        TRY(run_metric(t->run, "train_acc", epoch->train_accuracy, epoch->epoch));
        TRY(run_metric(t->run, "val_loss", epoch->valid_loss, epoch->epoch));
        TRY(run_metric(t->run, "val_acc", epoch->valid_accuracy, epoch->epoch));
    }
    return run_check(t->run);
}

static err see_metric(void *arg, const char *name, double value)
{
    struct training *t = arg;
    if (strcmp(name, "cv_log_loss") == 0)
        t->cv_log_loss = value;
    json_kv_real(&t->metrics, name, value);
    return OK;
}

/* Of the version that is registered. */
static err tell_metrics(struct training *t, str metrics)
{
    const struct json *all, *value;
    void *iter = NULL;
    str key;
    TRY(json_parse(run_arena(t->run), metrics, &all));
    while (json_next(all, &iter, &key, &value)) {
        const char *name = arena_cstr(run_arena(t->run), key);
        ARENA_TRY(name);
        TRY(run_metric(t->run, name, json_num(value, (double)NAN), 0));
    }
    if (t->family != RPS_LOGISTIC)
        return OK;
    TRY(run_metric(t->run, "train_acc_final",
                   json_num(json_get(all, "train_acc_production"), (double)NAN), 0));
    return run_metric(t->run, "val_acc_final",
                      json_num(json_get(all, "val_acc_production"), (double)NAN), 0);
}

static err train_trees(void *arg, const struct learn_tree_options *options,
                       const struct learn_training *training, struct learn_forest **ret_forest,
                       struct learn_outcome *ret_outcome)
{
    return rps_train_trees(((const struct training *)arg)->library, options, training, ret_forest,
                           ret_outcome);
}

/* ------------------------------------------------------------------ training */

static err fit_on(void *arg, double done)
{
    (void)done; /* what comes after it counts the steps */
    return run_check(((const struct training *)arg)->run);
}

static err prepare(void *arg, enum learn_stage stage, int part, struct learn_rows train,
                   str *ret_part)
{
    struct training *t = arg;
    return rps_players_prepare(t->players, stage, part, train, fit_on, t, ret_part);
}

/* With the configuration as it stands. *ret_metrics is a JSON object. */
static err train_one(struct training *t, struct learn_classifier **ret_classifier, str *ret_metrics)
{
    static const str names[RPS_MOVES] = { STR_INIT("rock"), STR_INIT("paper"),
                                          STR_INIT("scissors") };
    static const uint8_t danger[RPS_MOVES] = { RPS_PAPER, RPS_SCISSORS, RPS_ROCK };
    struct learn_pipeline pipeline = { .table = t->players ? rps_players_table(t->players)
                                                           : &t->rows.table,
                                       .config = &t->config,
                                       .feature_set = str_of(rps_sort_name(t->sort)),
                                       .class_names = names,
                                       .danger = danger,
                                       .seed = (uint64_t)t->seed,
                                       .watched = rps_watched,
                                       /* what serving watches is of the contract's features */
                                       .watched_count = t->players ? 0 : RPS_WATCHED,
                                       .train_trees = train_trees,
                                       .prepare = t->players ? prepare : NULL,
                                       .report = see_epoch,
                                       .metric = see_metric,
                                       .arg = t };
    struct buf metrics;
    buf_init(&metrics, 64 * 1024);
    json_out_init(&t->metrics, &metrics);
    json_object_begin(&t->metrics);
    err e = learn_pipeline_run(&pipeline, ret_classifier);
    if (!e.code) {
        json_object_end(&t->metrics);
        e = buf_check(&metrics);
        *ret_metrics = arena_str(run_arena(t->run), buf_str(&metrics));
        if (!e.code && !ret_metrics->ptr)
            e = ERR(ERR_NO_MEMORY, "keeping the metrics");
        if (e.code)
            learn_classifier_free(*ret_classifier);
    }
    buf_deinit(&metrics);
    return e;
}

/* All configurations of the family. Chosen is the one that the folds say predicts best, which have
 * not seen the rows that test it. */
static err train_sweep(struct training *t, struct learn_classifier **ret_classifier,
                       str *ret_metrics)
{
    struct learn_classifier *best = NULL, *classifier;
    const struct learn_config *all = learn_sweep(t->config.family), *chosen = all;
    double best_loss = INFINITY;
    str metrics;
    err e = OK;
    for (size_t i = 0; i < LEARN_SWEEP_COUNT && !e.code; i++) {
        char name[40];
        t->config = all[i];
        t->config_index = (int64_t)i;
        e = train_one(t, &classifier, &metrics);
        if (e.code)
            break;
        snprintf(name, sizeof name, "%s.cv_log_loss", all[i].id);
        e = run_metric(t->run, name, t->cv_log_loss, 0);
        if (best && !(t->cv_log_loss < best_loss)) {
            learn_classifier_free(classifier);
            continue;
        }
        learn_classifier_free(best);
        best = classifier;
        best_loss = t->cv_log_loss;
        chosen = &all[i];
        *ret_metrics = metrics;
    }
    if (e.code) {
        learn_classifier_free(best);
        return e;
    }
    t->config = *chosen;
    t->config_id = str_of(chosen->id);
    *ret_classifier = best;
    return OK;
}

/* The result, which is the report as well. `model` is NULL for a training that was skipped. */
static err tell_result(struct training *t, const struct model_version_info *model,
                       const char *alias, str metrics)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, REPORT_BYTES_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    json_kv_cstr(&w, "family", rps_family_name(t->family));
    json_kv_cstr(&w, "skipped", model ? NULL : t->skipped);
    json_kv_cstr(&w, "runId", run_id(t->run));
    if (model) {
        json_kv_str(&w, "modelId", model->name);
        json_kv_int(&w, "modelVersion", model->version);
        json_kv_cstr(&w, "alias", alias[0] ? alias : NULL);
        json_kv_str(&w, "config", t->config_id);
        json_kv_cstr(&w, "features", rps_sort_name(t->sort));
        json_kv_int(&w, "games", (int64_t)t->rows.game_count);
        json_kv_int(&w, "rows", (int64_t)t->rows.table.row_count);
        json_kv_raw(&w, "metrics", metrics);
    }
    json_object_end(&w);
    err e = buf_check(&text);
    if (!e.code)
        e = run_artifact(t->run, "training_report.json", buf_str(&text));
    if (!e.code)
        e = run_result(t->run, buf_str(&text));
    buf_deinit(&text);
    RUN_LOG(t->run, LOG_INFO, "training.completed", model ? NULL : t->skipped,
            F_CSTR("family", rps_family_name(t->family)),
            F_INT("version", model ? model->version : 0), F_CSTR("alias", alias));
    return e;
}

static err train_and_register(struct training *t)
{
    struct learn_classifier *classifier = NULL;
    struct model_version_info model;
    char dataset_id[UUID_BYTES];
    const char *alias = "";
    str metrics;
    TRY(rps_dataset_of(t->run, &t->rows, dataset_id));
    if (t->sort == RPS_OF_PLAYERS)
        TRY(rps_players_open(t->h, &t->rows, &t->players));
    if (!t->is_sweep)
        TRY(tell_params(t));
    TRY(t->is_sweep ? train_sweep(t, &classifier, &metrics) : train_one(t, &classifier, &metrics));
    struct rps_made made = { .family = t->family,
                             .sort = t->sort,
                             .classifier = classifier,
                             .dataset_id = str_of(dataset_id),
                             .metrics = metrics,
                             .config_id = t->config_id,
                             .alias = t->alias,
                             .is_challenger = t->is_challenger };
    err e = t->is_sweep ? tell_params(t) : OK;
    if (!e.code)
        e = tell_metrics(t, metrics);
    if (!e.code)
        e = rps_register(t->run, &made, &model, &alias);
    learn_classifier_free(classifier);
    return e.code ? e : tell_result(t, &model, alias, metrics);
}

static err work(struct training *t)
{
    TRY(read_rows(t));
    if (t->skipped[0])
        return tell_result(t, NULL, "", STR_NONE);
    int64_t started_ns = clock_mono_ns();
    err e = train_and_register(t);
    if (e.code == ERR_UNSUPPORTED &&
        t->is_challenger) { /* asked by the clock: nobody can help it */
        snprintf(t->skipped, sizeof t->skipped, "skipped: %s", e.msg);
        return tell_result(t, NULL, "", STR_NONE);
    }
    if (e.code != ERR_CANCELLED)
        rps_count_training(rps_state(t->h)->counts, t->family, !e.code,
                           (double)(clock_mono_ns() - started_ns) / 1e9);
    return e;
}

err rps_train_run(struct run *run, const struct json *payload)
{
    struct training t = { .run = run, .h = run_house(run) };
    TRY(rps_train_features(t.h, &t.sort));
    TRY(read_payload(&t, payload));
    t.library = arena_cstr(run_arena(run), setting_str(t.h, "SKERRY_XGBOOST_LIB"));
    ARENA_TRY(t.library);
    err e = work(&t);
    rps_players_close(t.players);
    rps_rows_deinit(&t.rows);
    return e;
}
