/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_job.c -- the job chess.train: a dataset in, a registered model version out.
 *
 * Every half minute (CHESS_CHECKPOINT_SECONDS) the trainer's whole state is kept as the run's
 * artifact checkpoint.bin; a job that was paused, stopped by a restart or killed goes on from
 * there, with the same numbers as if nothing had happened. Registering is the last step and is done
 * once: a version that carries this run's id is found again instead of being made twice.
 */
#include <stdio.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/dataset_file.h"
#include "apps/chess/train.h"
#include "base/clock.h"

enum {
    METRIC_EVERY_MS = 1000,
    CHECKPOINT_BYTES_MAX = 512 * 1024 * 1024,
    JUDGED_MAX = 50000, /* held-out positions for the numbers at registration; +-0.2 % at top-1 */
};

#define DEFAULT_MODEL "chess-policy"

/* Defaults that follow from the size of the dataset are not said. */
/* clang-format off */
const char train_params_schema[] =
    "\"modelId\":{\"type\":\"string\",\"default\":\"" DEFAULT_MODEL "\"},"
    "\"epochs\":{\"type\":\"integer\",\"default\":10},"
    "\"minutes\":{\"type\":\"number\"},"
    "\"patience\":{\"type\":\"integer\",\"default\":3},"
    "\"batchSize\":{\"type\":\"integer\"},"
    "\"learningRate\":{\"type\":\"number\"},"
    "\"weightDecay\":{\"type\":\"number\"},"
    "\"dropout\":{\"type\":\"number\"},"
    "\"seed\":{\"type\":\"integer\",\"default\":1},"
    "\"book\":{\"type\":\"boolean\",\"default\":true}";
/* clang-format on */

err train_params_read(const struct json *params, struct chess_train_options *ret_options)
{
    struct chess_train_options o = {
        .dropout = -1, .weight_decay = -1, .epochs = 10, .patience = 3, .book = true, .seed = 1
    };
    int64_t batch = 0, epochs = o.epochs, seed = 1, patience = o.patience, threads = 0;
    str optimizer = STR("adam");
    bool use_gpu = false;
    TRY(json_opt_int(params, "epochs", 1, 10000, &epochs));
    TRY(json_opt_int(params, "batchSize", 1, 65536, &batch));
    TRY(json_opt_real(params, "learningRate", 1e-8, 10, &o.learning_rate));
    TRY(json_opt_real(params, "weightDecay", 0, 10, &o.weight_decay));
    TRY(json_opt_real(params, "dropout", 0, 0.95, &o.dropout));
    TRY(json_opt_real(params, "minutes", 0, 100000, &o.minutes_max));
    TRY(json_opt_int(params, "seed", 0, INT64_MAX, &seed));
    TRY(json_opt_int(params, "patience", 0, 10000, &patience));
    TRY(json_opt_int(params, "threads", 0, 1024, &threads));
    TRY(json_opt_bool(params, "book", &o.book));
    TRY(json_opt_bool(params, "useGPU", &use_gpu)); /* a wish; param "device" says what it was */
    TRY(json_opt_str(params, "optimizer", &optimizer));
    if (!str_eq_nocase(optimizer, STR("adam")) && !str_eq_nocase(optimizer, STR("adamw")))
        return ERR(
            ERR_INVALID,
            "field 'optimizer' is '%.*s': this network is trained with adam (decoupled weight "
            "decay), leave it out",
            STR_ARG(str_sub(optimizer, 0, 40)));
    o.batch_size = (int)batch;
    o.epochs = (int)epochs;
    o.seed = (uint64_t)seed;
    o.patience = (int)patience;
    o.threads = (int)threads;
    *ret_options = o;
    return OK;
}

err train_check(struct house *h, const struct json *params)
{
    struct chess_train_options options;
    str model = STR_NONE;
    TRY(json_opt_str(params, "modelId", &model));
    if (model.len > 100)
        return ERR(ERR_INVALID, "field 'modelId' must have at most 100 characters");
    return train_params_read(params, &options);
}

/* ------------------------------------------------------------------ one training */

struct training {
    struct run *run;
    struct house *h;
    struct dataset_info info;
    struct chess_dataset *data;
    struct chess_sample_source train, valid, test;
    struct chess_train_options options;
    struct chess_trainer *trainer;
    str model_name;
    int64_t checkpoint_every_ms;                /* at most this much work is done twice */
    int64_t next_metric_ms, next_checkpoint_ms; /* monotonic */
    int64_t step;                               /* done, as of the last tick */
    int64_t last_step, last_step_ns;
    struct metric_cell *loss, *accuracy, *rate, *step_seconds;
};

static err open_data(struct training *t, const struct json *payload)
{
    str dataset_id;
    arena *keep = run_arena(t->run);
    TRY(json_need_str(payload, "datasetId", &dataset_id));
    TRY(dataset_get(house_track(t->h), dataset_id, STR_NONE, keep, &t->info));
    run_set_dataset(t->run, str_of(t->info.id));
    TRY(run_dataset_in(t->run, str_of(t->info.id), "training"));
    TRY(chess_dataset_open(house_blobs(t->h), &t->info, &t->data));
    chess_dataset_source(t->data, CHESS_TRAIN, &t->train);
    chess_dataset_source(t->data, CHESS_VALID, &t->valid);
    chess_dataset_source(t->data, CHESS_TEST, &t->test);
    if (t->train.count == 0)
        return ERR(ERR_INVALID,
                   "dataset %.*s@%.*s has no training rows: widen its filter or its split",
                   STR_ARG(t->info.name), STR_ARG(t->info.version));
    return OK;
}

static err write_params(struct training *t)
{
    const struct chess_train_options *o = &t->options;
    struct run *run = t->run;
    TRY(run_param(run, "model", t->model_name));
    TRY(run_param(run, "dataset_id", str_of(t->info.id)));
    TRY(run_param_fmt(run, "epochs", "%d", o->epochs));
    TRY(run_param_fmt(run, "batch_size", "%d", o->batch_size));
    TRY(run_param(run, "optimizer", STR("adam")));
    TRY(run_param(run, "device", STR("cpu")));
    TRY(run_param_fmt(run, "lr", "%g", o->learning_rate));
    TRY(run_param_fmt(run, "weight_decay", "%g", o->weight_decay));
    TRY(run_param_fmt(run, "dropout", "%g", o->dropout));
    TRY(run_param_fmt(run, "seed", "%llu", (unsigned long long)o->seed));
    TRY(run_param_fmt(run, "minutes", "%g", o->minutes_max));
    TRY(run_param_fmt(run, "patience", "%d", o->patience));
    TRY(run_param_fmt(run, "book", "%s", o->book ? "true" : "false"));
    return run_param_fmt(run, "train_rows", "%zu", t->train.count);
}

static err restore(struct training *t)
{
    struct artifact_info found;
    str bytes;
    arena scratch;
    err e = track_artifact_get(house_track(t->h), str_of(run_id(t->run)), STR("checkpoint.bin"),
                               run_arena(t->run), &found);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    arena_init(&scratch, CHECKPOINT_BYTES_MAX + 4096);
    e = blob_get(house_blobs(t->h), &found.blob, &scratch, CHECKPOINT_BYTES_MAX, &bytes);
    if (!e.code)
        e = chess_trainer_restore(t->trainer, bytes);
    arena_deinit(&scratch);
    if (!e.code)
        RUN_LOG(t->run, LOG_INFO, "training.resumed", "goes on from its checkpoint",
                F_INT("bytes", found.bytes));
    return err_wrap(e, "resuming from the checkpoint");
}

/* The state is the artifact; the cursor tells the scheduler that this try got ahead, so that a long
 * training outlives any number of restarts, and one that kills its process each time does not. */
static err checkpoint(struct training *t)
{
    struct buf bytes;
    char cursor[40];
    snprintf(cursor, sizeof cursor, "{\"step\":%lld}", (long long)t->step);
    buf_init(&bytes, CHECKPOINT_BYTES_MAX);
    err e = chess_trainer_checkpoint(t->trainer, &bytes);
    if (!e.code)
        e = buf_check(&bytes);
    if (!e.code)
        e = run_artifact(t->run, "checkpoint.bin", buf_str(&bytes));
    buf_deinit(&bytes);
    return e.code ? e : job_cursor_commit(run_job(t->run), str_of(cursor));
}

static err report_metrics(struct training *t, const struct chess_train_report *r)
{
    struct run *run = t->run;
    int64_t now_ns = clock_mono_ns();
    if (t->last_step_ns && r->step > t->last_step)
        metric_observe(t->step_seconds,
                       (double)(now_ns - t->last_step_ns) / 1e9 / (double)(r->step - t->last_step));
    t->last_step = r->step;
    t->last_step_ns = now_ns;
    metric_set(t->loss, r->loss);
    metric_set(t->rate, r->samples_per_s);
    TRY(run_metric(run, "step", (double)r->step, r->step));
    TRY(run_metric(run, "epoch", r->epoch, r->step));
    TRY(run_metric(run, "loss", r->loss, r->step));
    TRY(run_metric(run, "policy_loss", r->policy_loss, r->step));
    TRY(run_metric(run, "value_loss", r->value_loss, r->step));
    TRY(run_metric(run, "top1", r->top1, r->step));
    return run_metric(run, "samples_per_s", r->samples_per_s, r->step);
}

static err report_evaluation(struct training *t, const struct chess_train_report *r)
{
    metric_set(t->accuracy, r->valid_top1);
    RUN_LOG(t->run, LOG_INFO, "training.epoch", NULL, F_INT("step", r->step),
            F_INT("epoch", r->epoch), F_REAL("val_loss", r->valid_loss),
            F_REAL("val_acc", r->valid_top1), F_REAL("samples_per_s", r->samples_per_s));
    TRY(run_metric(t->run, "val_loss", r->valid_loss, r->step));
    TRY(run_metric(t->run, "val_acc", r->valid_top1, r->step));
    return run_metric(t->run, "val_top3", r->valid_top3, r->step);
}

/* Called a few times a second by the trainer. */
static err tick(void *arg, const struct chess_train_report *r)
{
    struct training *t = arg;
    int64_t now_ms = clock_mono_ns() / 1000000;
    t->step = r->step;
    run_progress(t->run, (int64_t)(r->progress * 10000), 10000);
    if (now_ms >= t->next_metric_ms || r->evaluated) {
        t->next_metric_ms = now_ms + METRIC_EVERY_MS;
        TRY(report_metrics(t, r));
    }
    if (r->evaluated)
        TRY(report_evaluation(t, r));
    if (now_ms >= t->next_checkpoint_ms) {
        t->next_checkpoint_ms = now_ms + t->checkpoint_every_ms;
        TRY(checkpoint(t));
    }
    return run_check(t->run);
}

/* ------------------------------------------------------------------ the result */

/* A source of at most `count_max` rows, spread evenly over another. */
struct thinned {
    const struct chess_sample_source *all;
    size_t stride;
};

static void thinned_get(void *arg, size_t index, struct chess_sample *ret_sample)
{
    const struct thinned *t = arg;
    t->all->get(t->all->arg, index * t->stride, ret_sample);
}

static err judge(struct training *t, const struct chess_net *net, struct chess_score *ret_score,
                 const char **ret_split)
{
    const struct chess_sample_source *held_out = t->test.count ? &t->test : &t->valid;
    *ret_split = t->test.count ? "test" : "valid";
    if (held_out->count == 0) {
        held_out = &t->train; /* the person asked for no held-out rows: say so in the name */
        *ret_split = "train";
    }
    struct thinned thinned = { held_out, (held_out->count + JUDGED_MAX - 1) / JUDGED_MAX };
    struct chess_sample_source some = { .count = held_out->count / thinned.stride,
                                        .get = thinned_get,
                                        .arg = &thinned };
    return chess_net_score(net, &some, NULL, NULL, house_compute(t->h), ret_score);
}

static err log_score(struct training *t, const struct chess_score *s)
{
    int64_t step = t->last_step;
    TRY(run_metric(t->run, "test_top1", s->top1, step));
    TRY(run_metric(t->run, "test_top3", s->top3, step));
    TRY(run_metric(t->run, "test_log_loss", s->log_loss, step));
    TRY(run_metric(t->run, "test_ece", s->ece, step));
    return run_metric(t->run, "test_value_log_loss", s->value_log_loss, step);
}

static bool find_registered(struct training *t, struct model_version_info *ret_info)
{
    struct model_version_info *versions;
    size_t count;
    err e = model_list(
        house_track(t->h),
        &(struct model_filter){ .name = t->model_name, .kind = STR("chess.policy"), .limit = 1000 },
        run_arena(t->run), &versions, &count);
    for (size_t i = 0; !e.code && i < count; i++) {
        if (str_eq(versions[i].run_id, str_of(run_id(t->run)))) {
            *ret_info = versions[i];
            return true;
        }
    }
    return false;
}

static err register_model(struct training *t, const struct chess_net *net, str metrics,
                          struct model_version_info *ret_info)
{
    struct buf bytes;
    struct blob_info blob;
    if (find_registered(t, ret_info))
        return OK;
    buf_init(&bytes, MODEL_BYTES_MAX);
    err e = chess_net_save(net, &bytes);
    if (!e.code)
        e = buf_check(&bytes);
    if (!e.code)
        e = run_artifact(t->run, "model/net.bin", buf_str(&bytes));
    if (!e.code)
        e = blob_put(house_blobs(t->h), buf_str(&bytes),
                     &blob); /* the same bytes: one copy, and a pin for the registry's row */
    buf_deinit(&bytes);
    TRY(e);
    struct model_spec spec = { .name = t->model_name,
                               .kind = "chess.policy",
                               .display_name = STR("Chess policy and value"),
                               .metrics = metrics,
                               .tags = STR("{}"),
                               .blob = blob,
                               .run_id = str_of(run_id(t->run)),
                               .dataset_id = str_of(t->info.id),
                               .job = run_job(t->run) };
    TRY(model_register(house_track(t->h), &spec, run_arena(t->run), ret_info));
    run_set_model(t->run, str_of(ret_info->id));
    return run_model_out(t->run, str_of(ret_info->id));
}

static err finish(struct training *t)
{
    struct chess_net *net = NULL;
    struct chess_score score;
    const char *split;
    struct model_version_info model;
    struct buf metrics, result;
    struct json_out w;
    buf_init(&metrics, 16 * 1024);
    buf_init(&result, 16 * 1024);
    err e = chess_trainer_net(t->trainer, &net);
    if (!e.code)
        e = judge(t, net, &score, &split);
    if (!e.code)
        e = log_score(t, &score);
    if (e.code)
        goto done;
    json_out_init(&w, &metrics);
    json_object_begin(&w);
    json_kv_cstr(&w, "split", split);
    score_write(&w, &score);
    json_object_end(&w);
    e = register_model(t, net, buf_str(&metrics), &model);
    if (e.code)
        goto done;
    json_out_init(&w, &result);
    json_object_begin(&w);
    json_kv_str(&w, "modelId", model.name);
    json_kv_int(&w, "modelVersion", model.version);
    json_kv_cstr(&w, "runId", run_id(t->run));
    json_kv_str(&w, "dataset", t->info.name);
    json_kv_int(&w, "parameters", (int64_t)chess_net_parameters(net));
    json_kv_cstr(&w, "split", split);
    score_write(&w, &score);
    json_object_end(&w);
    e = buf_check(&result);
    if (!e.code)
        e = run_artifact(t->run, "training_report.json", buf_str(&result));
    if (!e.code)
        e = run_result(t->run, buf_str(&result));
done:
    chess_net_free(net);
    buf_deinit(&metrics);
    buf_deinit(&result);
    return e;
}

static void open_cells(struct training *t)
{
    struct metrics *m = house_metrics(t->h);
    str run = str_of(run_id(t->run)), dataset = str_of(t->info.id),
        user = run_labels(t->run)->username, component = STR("training");
    t->loss = CHESS_CELL(m, CHESS_M_TRAINING_LOSS, run, dataset, user, component);
    t->accuracy = CHESS_CELL(m, CHESS_M_TRAINING_ACCURACY, run, dataset, user, component);
    t->rate = CHESS_CELL(m, CHESS_M_TRAINING_RATE, run, dataset, user, component);
    t->step_seconds = chess_cell(m, CHESS_M_TRAINING_STEP);
}

/* Gauges that carry a run id are for live runs only: the history is in the run's metrics. */
static void drop_cells(struct training *t)
{
    static const enum chess_metric gauges[] = { CHESS_M_TRAINING_LOSS, CHESS_M_TRAINING_ACCURACY,
                                                CHESS_M_TRAINING_RATE };
    for (size_t i = 0; i < COUNT_OF(gauges); i++)
        metrics_drop(house_metrics(t->h), &chess_metrics[gauges[i]], "run_id",
                     str_of(run_id(t->run)));
}

err train_run(struct run *run, const struct json *payload)
{
    struct training t = { .run = run, .h = run_house(run), .model_name = STR(DEFAULT_MODEL) };
    str model = STR_NONE;
    TRY(json_opt_str(payload, "model", &model));
    if (model.len)
        t.model_name = model;
    TRY(train_params_read(json_get(payload, "params"), &t.options));
    err e = open_data(&t, payload);
    t.options = chess_train_resolve(&t.options, t.train.count); /* the run says what is used */
    if (!e.code)
        e = write_params(&t);
    if (e.code) {
        chess_dataset_close(t.data);
        return e;
    }
    open_cells(&t);
    metric_add(CHESS_CELL(house_metrics(t.h), CHESS_M_TRAINING_RUNS, run_labels(run)->username,
                          STR("training")),
               1);
    RUN_LOG(run, LOG_INFO, "training.started", NULL, F_INT("rows", (int64_t)t.train.count),
            F_INT("attempt", job_attempt(run_job(run))));
    t.checkpoint_every_ms = (int64_t)(setting_real(t.h, "CHESS_CHECKPOINT_SECONDS") * 1000);
    t.next_checkpoint_ms = clock_mono_ns() / 1000000 + t.checkpoint_every_ms;
    e = chess_trainer_new(&t.options, &t.train, t.valid.count ? &t.valid : NULL, &t.trainer);
    if (!e.code)
        e = restore(&t);
    if (!e.code)
        e = chess_trainer_run(t.trainer, house_compute(t.h), tick, &t);
    if (e.code == ERR_CANCELLED && t.trainer) {
        err kept = checkpoint(&t); /* pause, stop or shutdown: nothing that was computed is lost */
        if (kept.code)
            e = kept;
    }
    if (!e.code)
        e = finish(&t);
    if (!e.code)
        RUN_LOG(run, LOG_INFO, "training.completed", NULL, F_STR("model", t.model_name),
                F_INT("step", t.last_step));
    else
        RUN_LOG(run, e.code == ERR_CANCELLED ? LOG_INFO : LOG_ERROR,
                e.code == ERR_CANCELLED ? "training.stopped" : "training.failed", e.msg);
    drop_cells(&t);
    chess_trainer_free(t.trainer);
    chess_dataset_close(t.data);
    return e;
}
