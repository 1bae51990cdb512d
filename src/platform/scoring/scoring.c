/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scoring.c -- the models in memory, and asking them. */
#include "platform/scoring/scoring.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/scoring/scoring_internal.h"

enum { KEEP_BYTES_MAX = 64 * 1024, LOOKUP_BYTES_MAX = 1024 * 1024, CELLS_MAX = 64 };

const struct metric_family scoring_metrics[] = {
    [SCORING_M_SECONDS] = { .name = "skerry_scoring_seconds",
                            .type = METRIC_HISTOGRAM,
                            .help = "How long predictions of clients' models took, without the "
                                    "request around them; the count is the predictions.",
                            .labels = { "model", "version" },
                            .cells_max = CELLS_MAX },
    [SCORING_M_ROWS] = { .name = "skerry_scoring_rows_total",
                         .type = METRIC_COUNTER,
                         .help = "Rows that were predicted.",
                         .labels = { "model", "version" },
                         .cells_max = CELLS_MAX },
    [SCORING_M_ERRORS] = { .name = "skerry_scoring_errors_total",
                           .type = METRIC_COUNTER,
                           .help = "Predictions that were refused, by what was wrong: values, "
                                   "columns, or what the model says.",
                           .labels = { "reason" } },
    [SCORING_M_LOADS] = { .name = "skerry_scoring_load_seconds",
                          .type = METRIC_HISTOGRAM,
                          .help = "How long it took to load a version.",
                          .labels = { "flavour" } },
    [SCORING_M_LOAD_FAILURES] = { .name = "skerry_scoring_load_failures_total",
                                  .type = METRIC_COUNTER,
                                  .help = "Versions that could not be loaded, by the code of the "
                                          "error.",
                                  .labels = { "code" } },
    [SCORING_M_MODELS] = { .name = "skerry_scoring_models",
                           .type = METRIC_GAUGE,
                           .help = "Versions of clients' models in memory." },
    [SCORING_M_BYTES] = { .name = "skerry_scoring_model_bytes",
                          .type = METRIC_GAUGE,
                          .help = "Bytes of the files of these versions." },
    { .name = NULL },
};

#define SCORING_CELL(s, which, ...) \
    METRIC_CELL((s)->options.metrics, &scoring_metrics[which], __VA_ARGS__)

err scoring_open(const struct scoring_options *options, struct scoring **ret_scoring)
{
    struct scoring *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "no memory to serve models");
    arena_init(&s->keep, KEEP_BYTES_MAX);
    s->options = *options;
    s->options.xgboost_library = arena_cstr(&s->keep, str_of(options->xgboost_library));
    s->options.onnx_library = arena_cstr(&s->keep, str_of(options->onnx_library));
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->library_lock, NULL);
    thread_cond_init(&s->changed);
    err e = arena_check(&s->keep);
    if (e.code)
        scoring_close(s);
    else
        *ret_scoring = s;
    return e;
}

void scoring_close(struct scoring *s)
{
    static const struct flavour *const flavours[FLAVOUR_COUNT] = { &scoring_xgboost,
                                                                   &scoring_onnx };
    if (!s)
        return;
    for (size_t i = 0; i < SCORING_MODELS_MAX; i++)
        scoring_release(s->slots[i].model);
    for (size_t i = 0; i < FLAVOUR_COUNT; i++)
        if (s->libraries[i])
            flavours[i]->close(s->libraries[i]);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->library_lock);
    pthread_mutex_destroy(&s->lock);
    arena_deinit(&s->keep);
    free(s);
}

void scoring_release(struct scored_model *m)
{
    if (m && atomic_fetch_sub(&m->holders, 1) == 1)
        scoring_model_free(m);
}

/* ------------------------------------------------------------------ the cache; under the lock */

static struct scoring_slot *find_slot(struct scoring *s, const char *id)
{
    for (size_t i = 0; i < SCORING_MODELS_MAX; i++)
        if (strcmp(s->slots[i].id, id) == 0)
            return &s->slots[i];
    return NULL;
}

/* The loaded one that was used least recently, but not `except`; NULL: there is none. */
static struct scoring_slot *oldest(struct scoring *s, const struct scoring_slot *except)
{
    struct scoring_slot *found = NULL;
    for (size_t i = 0; i < SCORING_MODELS_MAX; i++) {
        struct scoring_slot *slot = &s->slots[i];
        if (slot->model && slot != except && (!found || slot->last_used < found->last_used))
            found = slot;
    }
    return found;
}

/* Users of it go on with it. */
static void drop(struct scoring *s, struct scoring_slot *slot)
{
    s->bytes -= slot->model->bytes;
    scoring_release(slot->model);
    *slot = (struct scoring_slot){ .model = NULL };
}

static void tell_size(struct scoring *s)
{
    int count = 0;
    for (size_t i = 0; i < SCORING_MODELS_MAX; i++)
        count += s->slots[i].model != NULL;
    metric_set(metric_cell_plain(s->options.metrics, &scoring_metrics[SCORING_M_MODELS]), count);
    metric_set(metric_cell_plain(s->options.metrics, &scoring_metrics[SCORING_M_BYTES]),
               (double)s->bytes);
}

/* A slot for a version that this thread will load; NULL while all are loading. */
static struct scoring_slot *claim_slot(struct scoring *s, const char *id)
{
    struct scoring_slot *slot = find_slot(s, "");
    if (!slot) {
        slot = oldest(s, NULL);
        if (!slot)
            return NULL;
        drop(s, slot);
    }
    memcpy(slot->id, id, sizeof slot->id);
    return slot;
}

static struct scored_model *hold(struct scoring *s, struct scoring_slot *slot)
{
    atomic_fetch_add(&slot->model->holders, 1);
    slot->last_used = ++s->uses;
    return slot->model;
}

/* Puts what was loaded where it was claimed, and makes room. */
static void publish(struct scoring *s, struct scoring_slot *slot, struct scored_model *m)
{
    slot->model = m;
    s->bytes += m->bytes;
    struct scoring_slot *victim;
    while (s->bytes > s->options.bytes_max && (victim = oldest(s, slot)))
        drop(s, victim);
}

/* ------------------------------------------------------------------ acquiring */

static void told_loaded(struct scoring *s, struct scored_model *m, int64_t spent_ns)
{
    char version[24];
    snprintf(version, sizeof version, "%lld", (long long)m->version);
    str name = str_of(m->name);
    m->seconds = SCORING_CELL(s, SCORING_M_SECONDS, name, str_of(version));
    m->rows = SCORING_CELL(s, SCORING_M_ROWS, name, str_of(version));
    metric_observe(SCORING_CELL(s, SCORING_M_LOADS, str_of(m->flavour->name)),
                   (double)spent_ns / 1e9);
    struct log_labels labels = { .component = STR("scoring"), .model_id = str_of(m->id) };
    log_event(s->options.log, LOG_INFO, &labels, "scoring.loaded", NULL, F_STR("name", name),
              F_INT("version", m->version), F_CSTR("flavour", m->flavour->name),
              F_INT("bytes", m->bytes), F_REAL("ms", (double)spent_ns / 1e6));
}

/* Loads outside of the lock, into the slot that was claimed. */
static err load_claimed(struct scoring *s, struct scoring_slot *slot,
                        const struct model_version_info *info, struct scored_model **ret_model)
{
    struct scored_model *m = NULL;
    int64_t started_ns = clock_mono_ns();
    err e = scoring_load(s, info, &m);
    if (e.code)
        metric_add(SCORING_CELL(s, SCORING_M_LOAD_FAILURES, str_of(err_code_name(e.code))), 1);
    else
        told_loaded(s, m, clock_mono_ns() - started_ns);
    pthread_mutex_lock(&s->lock);
    if (e.code) {
        *slot = (struct scoring_slot){ .model = NULL };
    } else {
        publish(s, slot, m);
        *ret_model = hold(s, slot);
    }
    tell_size(s);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return e;
}

err scoring_acquire_version(struct scoring *s, const struct model_version_info *info,
                            struct scored_model **ret_model)
{
    struct timespec deadline = clock_deadline(SCORING_LOAD_WAIT_MS);
    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct scoring_slot *slot = find_slot(s, info->id);
        if (slot && slot->model) {
            *ret_model = hold(s, slot);
            break;
        }
        if (!slot && (slot = claim_slot(s, info->id))) {
            pthread_mutex_unlock(&s->lock);
            return load_claimed(s, slot, info, ret_model);
        }
        if (pthread_cond_timedwait(&s->changed, &s->lock, &deadline) != 0) {
            pthread_mutex_unlock(&s->lock);
            return ERR(ERR_BUSY, "model %.*s version %lld is still being loaded: try again",
                       STR_ARG(str_sub(info->name, 0, 80)), (long long)info->version);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return OK;
}

err scoring_acquire(struct scoring *s, str name, str ref, struct scored_model **ret_model)
{
    arena keep;
    struct model_version_info info;
    arena_init(&keep, LOOKUP_BYTES_MAX);
    err e = model_get(s->options.track, name, ref, &keep, &info);
    if (!e.code)
        e = scoring_acquire_version(s, &info, ret_model);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ asking */

str scored_model_name(const struct scored_model *m)
{
    return str_of(m->name);
}
int64_t scored_model_version(const struct scored_model *m)
{
    return m->version;
}
const char *scored_model_id(const struct scored_model *m)
{
    return m->id;
}
const char *scored_model_flavour(const struct scored_model *m)
{
    return m->flavour->name;
}
const struct signature *scored_model_signature(const struct scored_model *m)
{
    return &m->mlmodel.signature;
}

static err predict(struct scored_model *m, struct score_batch *in, arena *keep,
                   struct prediction *ret_prediction, enum scoring_fault *ret_fault)
{
    const struct signature *signature = &m->mlmodel.signature;
    *ret_fault = SCORING_BAD_VALUES;
    if (!signature->is_given)
        batch_infer(in);
    TRY(batch_cast(in, signature));
    *ret_fault = SCORING_BAD_COLUMNS;
    TRY(batch_choose(in, signature, keep));
    *ret_fault = SCORING_BAD_MODEL;
    TRY(m->flavour->predict(m->model, in, keep, ret_prediction));
    *ret_fault = SCORING_FINE;
    return OK;
}

err scoring_predict(struct scored_model *m, struct score_batch *in, arena *keep,
                    struct prediction *ret_prediction, enum scoring_fault *ret_fault)
{
    int64_t started_ns = clock_mono_ns();
    err e = predict(m, in, keep, ret_prediction, ret_fault);
    if (e.code)
        return e;
    metric_observe(m->seconds, (double)(clock_mono_ns() - started_ns) / 1e9);
    metric_add(m->rows, (double)in->rows);
    return OK;
}

void scoring_count_fault(struct scoring *s, enum scoring_fault fault)
{
    static const char *const reasons[] = { "none", "values", "columns", "model" };
    metric_add(SCORING_CELL(s, SCORING_M_ERRORS, str_of(reasons[fault])), 1);
}

void scoring_loaded(struct scoring *s, struct json_out *out)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < SCORING_MODELS_MAX; i++) {
        const struct scored_model *m = s->slots[i].model;
        if (!m)
            continue;
        json_object_begin(out);
        json_kv_cstr(out, "modelId", m->name);
        json_key(out, "modelVersion");
        json_out_fmt(out, "%lld", (long long)m->version);
        json_kv_cstr(out, "flavour", m->flavour->name);
        json_kv_int(out, "bytes", m->bytes);
        json_kv_time_ms(out, "loadedAt", m->loaded_ms);
        json_object_end(out);
    }
    pthread_mutex_unlock(&s->lock);
}
