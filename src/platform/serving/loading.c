/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loading.c -- from an alias to a model in memory, and the swap.
 *
 * The slots of a family are one immutable value, held by a count. A swap makes the next value and
 * puts it where the first was; who holds the old one keeps it, and the models in it, until it lets
 * go. Versions that only change their slot are not loaded again. What cannot be loaded changes
 * nothing: the version before it stays, and the new one is tried again after a while.
 */
#include "platform/serving/serving_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { KEEP_BYTES_MAX = 4 * 1024 * 1024, BLOB_BYTES_MAX = 64 * 1024 * 1024 };

/* ------------------------------------------------------------------ holding */

static void served_release(struct served *m)
{
    if (!m || atomic_fetch_sub(&m->holders, 1) != 1)
        return;
    m->row->drop(m->model);
    metrics_drop(m->metrics, &serving_metrics[SERVING_M_MODEL_PREDICTIONS], "model",
                 str_of(m->label));
    free(m);
}

static struct served *served_hold(struct served *m)
{
    if (m)
        atomic_fetch_add(&m->holders, 1);
    return m;
}

struct serving_set *serving_set_hold(struct served_family *f)
{
    pthread_mutex_lock(&f->lock);
    struct serving_set *set = f->set;
    atomic_fetch_add(&set->holders, 1);
    pthread_mutex_unlock(&f->lock);
    return set;
}

void serving_set_release(struct serving_set *set)
{
    if (atomic_fetch_sub(&set->holders, 1) != 1)
        return;
    for (int i = 0; i < SERVING_SLOTS; i++)
        served_release(set->slots[i].served);
    free(set);
}

/* ------------------------------------------------------------------ loading */

static err load_model(struct served_family *f, const struct model_version_info *info,
                      struct served *m)
{
    int64_t bytes_max = f->row->bytes_max ? f->row->bytes_max : BLOB_BYTES_MAX;
    struct blob_map map = { .count = 0 };
    if (!info->blob.hex[0])
        return ERR(ERR_UNSUPPORTED, "its files were registered by a client and are not ours: "
                                    "register a version that this server made");
    if (info->bytes > bytes_max)
        return ERR(ERR_TOO_BIG, "it has %lld bytes, at most %lld are loaded",
                   (long long)info->bytes, (long long)bytes_max);
    TRY(blob_map(f->s->options.blobs, &info->blob, &map));
    err e = f->row->load(f->s->options.ctx, info, str_from(map.bytes, map.count), &m->model);
    blob_unmap(&map);
    return e;
}

static err make_served(struct served_family *f, const struct model_version_info *info,
                       struct served **ret_served)
{
    struct serving *s = f->s;
    int64_t started_ns = clock_mono_ns();
    struct served *m = calloc(1, sizeof *m);
    err e = m ? load_model(f, info, m) : ERR(ERR_NO_MEMORY, "no memory to load a model");
    if (e.code) {
        free(m);
        return err_wrap(e, "loading %.*s version %lld", STR_ARG(str_sub(info->name, 0, 80)),
                        (long long)info->version);
    }
    atomic_init(&m->holders, 1);
    m->row = f->row;
    m->metrics = s->options.metrics;
    m->version = info->version;
    m->bytes = info->bytes;
    memcpy(m->id, info->id, sizeof m->id);
    snprintf(m->label, sizeof m->label, "%.*s@%lld", STR_ARG(str_sub(info->name, 0, 160)),
             (long long)info->version);
    m->predictions = SERVING_CELL(s, SERVING_M_MODEL_PREDICTIONS, str_of(m->label));
    if (f->row->reference)
        f->row->reference(m->model, &m->reference);
    m->loaded_ms = clock_wall_ms();
    m->load_ns = clock_mono_ns() - started_ns;
    metric_observe(SERVING_CELL(s, SERVING_M_LOAD_SECONDS, str_of(f->row->name)),
                   (double)m->load_ns / 1e9);
    *ret_served = m;
    return OK;
}

static void load_failed(struct served_family *f, enum serving_slot slot,
                        const struct model_alias *alias, const err *e)
{
    struct serving *s = f->s;
    struct log_labels labels = { .component = STR("serving"),
                                 .model_id = str_of(alias->version_id) };
    atomic_fetch_add(&f->failed, 1);
    metric_add(SERVING_CELL(s, SERVING_M_LOAD_FAILURES, str_of(f->row->name),
                            str_of(err_code_name(e->code))),
               1);
    log_error(s->options.log, &labels, "serving.load_failed", e);
    pthread_mutex_lock(&f->lock);
    struct slot_state *state = &f->states[slot];
    memcpy(state->failed_id, alias->version_id, sizeof state->failed_id);
    memcpy(state->failure, e->msg, sizeof state->failure);
    state->retry_ns = clock_mono_ns() + s->options.cooldown_ms * 1000000;
    pthread_mutex_unlock(&f->lock);
}

/* ------------------------------------------------------------------ following */

static const struct model_alias *find_alias(const struct model_alias *aliases, size_t count,
                                            int slot)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(aliases[i].alias, str_of(serving_aliases[slot])))
            return &aliases[i];
    return NULL;
}

static struct served *find_served(const struct serving_set *set, const char *id)
{
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (set->slots[i].served && strcmp(set->slots[i].served->id, id) == 0)
            return set->slots[i].served;
    return NULL;
}

/* Is it too early to try a version once more? */
static bool is_cooling(struct served_family *f, enum serving_slot slot, const char *id)
{
    pthread_mutex_lock(&f->lock);
    bool is = strcmp(f->states[slot].failed_id, id) == 0 &&
              clock_mono_ns() < f->states[slot].retry_ns;
    pthread_mutex_unlock(&f->lock);
    return is;
}

static void note_wanted(struct served_family *f, enum serving_slot slot,
                        const struct model_alias *alias, bool is_served)
{
    pthread_mutex_lock(&f->lock);
    f->states[slot].alias_version = alias ? alias->version : 0;
    if (is_served || !alias) {
        f->states[slot].failed_id[0] = '\0';
        f->states[slot].failure[0] = '\0';
    }
    pthread_mutex_unlock(&f->lock);
}

/* The version that the alias names, held; NULL when it cannot serve now. */
static struct served *version_for(struct served_family *f, enum serving_slot slot,
                                  const struct model_alias *alias, const struct serving_set *next,
                                  const struct serving_set *now, enum serving_look look,
                                  arena *keep)
{
    struct served *m = look == SERVING_LOOK_ANEW ? NULL : find_served(now, alias->version_id);
    m = m ? m : find_served(next, alias->version_id);
    if (m)
        return served_hold(m);
    if (look == SERVING_LOOK && is_cooling(f, slot, alias->version_id)) {
        atomic_fetch_add(&f->skipped, 1);
        return NULL;
    }
    struct model_version_info info;
    char version[24];
    snprintf(version, sizeof version, "%lld", (long long)alias->version);
    err e = model_get(f->s->options.track, str_of(f->row->model), str_of(version), keep, &info);
    if (!e.code)
        e = make_served(f, &info, &m);
    if (e.code)
        load_failed(f, slot, alias, &e);
    return m;
}

/* Fills in a slot of the next set. */
static void follow_slot(struct served_family *f, enum serving_slot slot,
                        const struct model_alias *alias, struct serving_set *next,
                        const struct serving_set *now, enum serving_look look, arena *keep)
{
    struct served *m = alias ? version_for(f, slot, alias, next, now, look, keep) : NULL;
    note_wanted(f, slot, alias, m != NULL);
    atomic_fetch_add(alias ? &f->named : &f->unnamed, 1);
    if (m) {
        next->slots[slot].served = m;
        next->slots[slot].tenure = alias->tenure;
        next->slots[slot].since_ms = alias->since_ms;
    } else if (alias) { /* what served goes on, under the tenure it has */
        next->slots[slot] = now->slots[slot];
        served_hold(next->slots[slot].served);
    }
    if (next->slots[slot].tenure > next->generation)
        next->generation = next->slots[slot].tenure;
}

static bool same_slots(const struct serving_set *a, const struct serving_set *b)
{
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (a->slots[i].served != b->slots[i].served || a->slots[i].tenure != b->slots[i].tenure)
            return false;
    return true;
}

static void tell_swap(struct served_family *f, const struct serving_set *before,
                      const struct serving_set *after)
{
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct served *old = before->slots[i].served, *m = after->slots[i].served;
        metric_set(f->cells[i].version, m ? (double)m->version : 0);
        if (old == m)
            continue;
        struct log_labels labels = { .component = STR("serving"),
                                     .model_id = m ? str_of(m->id) : STR_NONE };
        log_event(f->s->options.log, LOG_INFO, &labels, m ? "serving.loaded" : "serving.emptied",
                  NULL, F_CSTR("family", f->row->name), F_CSTR("alias", serving_aliases[i]),
                  F_INT("from_version", old ? old->version : 0),
                  F_INT("version", m ? m->version : 0),
                  F_REAL("load_ms", m ? (double)m->load_ns / 1e6 : 0));
    }
}

/* Under load_lock. */
static err follow_locked(struct served_family *f, enum serving_look look, arena *keep)
{
    struct model_alias *aliases;
    size_t count;
    TRY(model_aliases_read(f->s->options.track, str_of(f->row->model), keep, &aliases, &count));
    struct serving_set *next = calloc(1, sizeof *next);
    if (!next)
        return ERR(ERR_NO_MEMORY, "no memory to swap models");
    atomic_init(&next->holders, 1);
    struct serving_set *now = serving_set_hold(f);
    for (int i = 0; i < SERVING_SLOTS; i++)
        follow_slot(f, (enum serving_slot)i, find_alias(aliases, count, i), next, now, look, keep);
    if (same_slots(now, next)) {
        serving_set_release(next);
        serving_set_release(now);
        return OK;
    }
    pthread_mutex_lock(&f->lock);
    f->set = next;
    pthread_mutex_unlock(&f->lock);
    tell_swap(f, now, next);
    serving_set_release(now); /* ours */
    serving_set_release(now); /* the family's */
    return OK;
}

err serving_family_follow(struct served_family *f, enum serving_look look)
{
    arena keep;
    arena_init(&keep, KEEP_BYTES_MAX);
    pthread_mutex_lock(&f->load_lock);
    err e = follow_locked(f, look, &keep);
    pthread_mutex_unlock(&f->load_lock);
    arena_deinit(&keep);
    return err_wrap(e, "following the aliases of %s", f->row->model);
}

err serving_reload(struct served_family *f)
{
    return serving_family_follow(f, SERVING_LOOK_ANEW);
}

void serving_looks(struct served_family *f, struct serving_looks *ret_looks)
{
    *ret_looks = (struct serving_looks){ .named = atomic_load(&f->named),
                                         .unnamed = atomic_load(&f->unnamed),
                                         .failed = atomic_load(&f->failed),
                                         .skipped = atomic_load(&f->skipped) };
}

/* ------------------------------------------------------------------ for the registry's routes */

err serving_load(struct serving *s, const struct model_version_info *info, str alias)
{
    struct served_family *f = serving_find(s, info->name);
    enum serving_slot slot = SERVING_PRODUCTION;
    err known = serving_slot_parse(alias, &slot);
    if (str_eq(alias, STR("prod"))) /* what others call Production: said, not guessed */
        return known;
    if (!f || known.code) /* a label of somebody's, behind which nothing serves */
        return OK;
    TRY(serving_family_follow(f, SERVING_LOOK_RETRY));
    err e = OK;
    struct serving_set *set = serving_set_hold(f);
    const struct served *m = set->slots[slot].served;
    pthread_mutex_lock(&f->lock);
    const struct slot_state *state = &f->states[slot];
    if (m && strcmp(m->id, info->id) == 0)
        e = OK;
    else if (strcmp(state->failed_id, info->id) == 0)
        e = ERR(ERR_CONFLICT, "%s", state->failure);
    else if (state->alias_version == info->version)
        e = ERR(ERR_CONFLICT, "version %lld of '%.*s' could not be loaded",
                (long long)info->version, STR_ARG(str_sub(info->name, 0, 80)));
    pthread_mutex_unlock(&f->lock); /* else: the alias has moved on, and so have we */
    serving_set_release(set);
    return e;
}

static void write_loaded(struct served_family *f, struct json_out *out)
{
    struct serving_set *set = serving_set_hold(f);
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct served *m = set->slots[i].served;
        if (!m)
            continue;
        json_object_begin(out);
        json_kv_cstr(out, "alias", serving_aliases[i]);
        json_kv_cstr(out, "modelId", f->row->model);
        json_key(out, "modelVersion");
        json_out_fmt(out, "%lld", (long long)m->version);
        json_kv_int(out, "bytes", m->bytes);
        json_kv_time_ms(out, "loadedAt", m->loaded_ms);
        json_object_end(out);
    }
    serving_set_release(set);
}

void serving_loaded(struct serving *s, struct json_out *out)
{
    for (size_t i = 0; i < s->family_count; i++)
        write_loaded(&s->families[i], out);
}
