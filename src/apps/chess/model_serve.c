/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/model_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "base/clock.h"

enum { LOG_LINES_PER_S = 20, RETRY_S = 30 };

struct model_serve *chess_model_serve(const struct house *h)
{
    return &((struct chess_state *)app_state(h, &app_chess))->serve;
}

void model_serve_init(struct model_serve *s)
{
    pthread_mutex_init(&s->lock, NULL);
}

void model_release(struct served_model *m)
{
    if (!m || atomic_fetch_sub(&m->holders, 1) != 1)
        return;
    chess_net_free(m->net);
    free(m);
}

void model_serve_deinit(struct model_serve *s)
{
    for (size_t i = 0; i < MODEL_SLOTS_MAX; i++)
        model_release(s->slots[i].model);
    pthread_mutex_destroy(&s->lock);
}

bool model_log_allowed(struct model_serve *s)
{
    int64_t now = clock_mono_ns() / 1000000000;
    int64_t second = atomic_load_explicit(&s->log_second, memory_order_relaxed);
    if (second != now && atomic_compare_exchange_strong(&s->log_second, &second, now))
        atomic_store_explicit(&s->log_lines, 0, memory_order_relaxed);
    return atomic_load_explicit(&s->log_lines, memory_order_relaxed) < LOG_LINES_PER_S &&
           atomic_fetch_add_explicit(&s->log_lines, 1, memory_order_relaxed) < LOG_LINES_PER_S;
}

/* ------------------------------------------------------------------ loading */

static err read_net(struct house *h, const struct model_version_info *info,
                    struct chess_net **ret_net)
{
    struct blob_map map;
    TRY(blob_map(house_blobs(h), &info->blob, &map));
    err e = map.count > MODEL_BYTES_MAX
                ? ERR(ERR_TOO_BIG, "the model has %zu bytes, at most %d are loaded", map.count,
                      MODEL_BYTES_MAX)
                : chess_net_load(str_from(map.bytes, map.count), ret_net);
    blob_unmap(&map);
    return err_wrap(e, "loading model %.*s version %lld", STR_ARG(info->name),
                    (long long)info->version);
}

static err make_served(struct house *h, const struct model_version_info *info,
                       struct served_model **ret_model)
{
    struct served_model *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "no memory to load a model");
    err e = read_net(h, info, &m->net);
    if (e.code) {
        free(m);
        return e;
    }
    atomic_init(&m->holders, 1);
    snprintf(m->name, sizeof m->name, "%.*s", STR_ARG(info->name));
    snprintf(m->version, sizeof m->version, "%lld", (long long)info->version);
    memcpy(m->id, info->id, sizeof m->id);
    m->loaded_ms = clock_wall_ms();
    struct metrics *metrics = house_metrics(h);
    str name = str_of(m->name), version = str_of(m->version);
    m->requests = CHESS_CELL(metrics, CHESS_M_PREDICT_REQUESTS, name, version);
    m->seconds = CHESS_CELL(metrics, CHESS_M_PREDICT_SECONDS, name, version);
    m->illegal = CHESS_CELL(metrics, CHESS_M_PREDICT_ILLEGAL, name, version);
    m->errors = CHESS_CELL(metrics, CHESS_M_PREDICT_ERRORS, name, version, STR("400"));
    metric_add(CHESS_CELL(metrics, CHESS_M_MODELS_LOADED, name, version), 1);
    *ret_model = m;
    return OK;
}

static struct model_slot *find_slot(struct model_serve *s, str alias)
{
    for (size_t i = 0; i < MODEL_SLOTS_MAX; i++)
        if (s->slots[i].model && str_eq(str_of(s->slots[i].alias), alias))
            return &s->slots[i];
    return NULL;
}

/* The model of a slot, held; NULL when there is none, or another version than `id` (NULL: any). A
 * name can be made anew, with a version 1 again. */
static struct served_model *hold(struct model_serve *s, str alias, const char *id)
{
    pthread_mutex_lock(&s->lock);
    struct model_slot *slot = find_slot(s, alias);
    struct served_model *m = slot ? slot->model : NULL;
    if (m && id && strcmp(m->id, id) != 0)
        m = NULL;
    if (m) {
        atomic_fetch_add(&m->holders, 1);
        slot->last_used = ++s->uses;
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

/* A free slot, or the one that was used least recently; never prod's. */
static struct model_slot *slot_for(struct model_serve *s, str alias)
{
    struct model_slot *slot = find_slot(s, alias);
    for (size_t i = 0; i < MODEL_SLOTS_MAX && !slot; i++)
        if (!s->slots[i].model)
            slot = &s->slots[i];
    if (slot)
        return slot;
    for (size_t i = 0; i < MODEL_SLOTS_MAX; i++)
        if (strcmp(s->slots[i].alias, "prod") != 0 &&
            (!slot || s->slots[i].last_used < slot->last_used))
            slot = &s->slots[i];
    return slot;
}

err model_load(struct house *h, const struct model_version_info *info, str alias)
{
    struct model_serve *s = chess_model_serve(h);
    struct served_model *m = NULL;
    struct log_labels labels = { .component = STR("serve"), .model_id = info->name };
    if (alias.len >= sizeof s->slots[0].alias)
        return ERR(ERR_INVALID, "alias '%.*s' is longer than %zu characters",
                   STR_ARG(str_sub(alias, 0, 80)), sizeof s->slots[0].alias - 1);
    err e = make_served(h, info, &m);
    if (e.code) {
        str reason = e.code == ERR_NOT_FOUND ? STR("missing_artifact") : STR("internal");
        metric_add(CHESS_CELL(house_metrics(h), CHESS_M_RELOAD_FAILURES, reason), 1);
        log_error(house_log(h), &labels, "model.load_failed", &e);
        return e;
    }
    atomic_fetch_add(&m->holders, 1); /* another load may take it out of its slot at once */
    pthread_mutex_lock(&s->lock);
    struct model_slot *slot = slot_for(s, alias);
    struct served_model *before = slot->model;
    snprintf(slot->alias, sizeof slot->alias, "%.*s", STR_ARG(alias));
    slot->model = m;
    slot->last_used = ++s->uses;
    pthread_mutex_unlock(&s->lock);
    log_event(house_log(h), LOG_INFO, &labels, "model.loaded", NULL, F_STR("alias", alias),
              F_CSTR("model_version", m->version),
              F_INT("parameters", (int64_t)chess_net_parameters(m->net)));
    model_release(before);
    model_release(m);
    return OK;
}

err model_loaded(struct house *h, struct json_out *out)
{
    struct model_serve *s = chess_model_serve(h);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < MODEL_SLOTS_MAX; i++) {
        const struct served_model *m = s->slots[i].model;
        if (!m)
            continue;
        json_object_begin(out);
        json_kv_cstr(out, "alias", s->slots[i].alias);
        json_kv_cstr(out, "modelId", m->name);
        json_kv_cstr(out, "modelVersion", m->version);
        json_kv_int(out, "parameters", (int64_t)chess_net_parameters(m->net));
        json_kv_time_ms(out, "loadedAt", m->loaded_ms);
        json_object_end(out);
    }
    pthread_mutex_unlock(&s->lock);
    return OK;
}

/* ------------------------------------------------------------------ following */

/* The version that has the alias, and since which promotion; an empty id when none has. */
static err read_prod(struct house *h, arena *keep, struct model_version_info *ret_info,
                     struct model_followed *ret_wanted)
{
    struct model_alias *aliases;
    size_t count;
    err e = model_alias_holder(house_track(h), STR("chess.policy"), STR("prod"), keep, ret_info);
    *ret_wanted = (struct model_followed){ .tenure = 0 };
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    memcpy(ret_wanted->id, ret_info->id, sizeof ret_wanted->id);
    TRY(model_aliases_read(house_track(h), ret_info->name, keep, &aliases, &count));
    for (size_t i = 0; i < count; i++)
        if (str_eq(aliases[i].alias, STR("prod")))
            ret_wanted->tenure = aliases[i].tenure;
    return OK;
}

/* What prod says is nobody: its slot is emptied. */
static void empty_prod(struct house *h)
{
    struct model_serve *s = chess_model_serve(h);
    pthread_mutex_lock(&s->lock);
    struct model_slot *slot = find_slot(s, STR("prod"));
    struct served_model *before = slot ? slot->model : NULL;
    if (slot)
        *slot = (struct model_slot){ .model = NULL };
    pthread_mutex_unlock(&s->lock);
    if (!before)
        return;
    struct log_labels labels = { .component = STR("serve"), .model_id = str_of(before->name) };
    log_event(house_log(h), LOG_INFO, &labels, "model.emptied", NULL, F_CSTR("alias", "prod"),
              F_CSTR("model_version", before->version));
    model_release(before);
}

err model_serve_follow(struct house *h)
{
    struct model_serve *s = chess_model_serve(h);
    struct model_followed wanted, *last = &s->followed;
    struct model_version_info prod;
    arena keep;
    arena_init(&keep, 1024 * 1024);
    err e = read_prod(h, &keep, &prod, &wanted);
    bool is_same = !e.code && strcmp(wanted.id, last->id) == 0 && wanted.tenure == last->tenure;
    if (!e.code && (!is_same || (last->retry_ns && clock_mono_ns() >= last->retry_ns))) {
        struct served_model *now = hold(s, STR("prod"), wanted.id);
        if (!wanted.id[0])
            empty_prod(h);
        /* A damaged model must not keep a server down, nor take the place of one that works: it is
         * logged and counted, and tried again later; another version can be promoted. */
        else if (!now && model_load(h, &prod, STR("prod")).code)
            wanted.retry_ns = clock_mono_ns() + RETRY_S * INT64_C(1000000000);
        model_release(now);
        *last = wanted;
    }
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ using */

err model_acquire_prod(struct house *h, struct served_model **ret_model)
{
    struct served_model *m = hold(chess_model_serve(h), STR("prod"), NULL);
    if (!m)
        return ERR(ERR_CONFLICT, "no model is promoted to prod: train one (skerry chess train, or "
                                 "POST /v1/trainings) and promote it (skerry promote, or POST "
                                 "/v1/models/promote)");
    *ret_model = m;
    return OK;
}

err model_acquire(struct house *h, str name, str version, struct served_model **ret_model)
{
    if (name.len == 0)
        return model_acquire_prod(h, ret_model);
    arena keep;
    struct model_version_info info;
    arena_init(&keep, 1024 * 1024);
    err e = model_get(house_track(h), name, version, &keep, &info);
    if (!e.code && !str_eq(info.kind, STR("chess.policy")))
        e = ERR(ERR_INVALID, "model '%.*s' is a %.*s, not a chess.policy", STR_ARG(name),
                STR_ARG(info.kind));
    if (!e.code) {
        str alias = arena_fmt(&keep, "%.*s@%lld", STR_ARG(str_sub(info.name, 0, 40)),
                              (long long)info.version);
        struct served_model *m = alias.ptr ? hold(chess_model_serve(h), alias, info.id) : NULL;
        if (!m && alias.ptr) {
            e = model_load(h, &info, alias);
            m = hold(chess_model_serve(h), alias, info.id);
        }
        if (!e.code && !m)
            e = ERR(ERR_BUSY, "model '%.*s' was loaded and at once replaced by others: try again",
                    STR_ARG(name));
        if (!e.code)
            *ret_model = m;
    }
    arena_deinit(&keep);
    return e;
}
