/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_register.c -- what a training leaves behind: a dataset, a version, an alias. Each step is
 * found again by a later try instead of being done twice. */
#include <string.h>

#include "apps/rps/train.h"
#include "base/clock.h"

enum { CSV_BYTES_MAX = 1 << 30, DIGEST_SHOWN = 16, LISTED_MAX = 1000 };

/* ------------------------------------------------------------------ dataset */

static str profile_of(const struct rps_rows *rows, arena *keep)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, 64 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    json_key(&w, "schema");
    json_object_begin(&w);
    json_key(&w, "columns");
    json_array_begin(&w);
    for (size_t f = 0; f < RPS_FEATURES; f++) {
        json_object_begin(&w);
        json_kv_cstr(&w, "name", rps_feature_name(f));
        json_kv_cstr(&w, "type", "double");
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    json_key(&w, "stats");
    json_object_begin(&w);
    json_kv_int(&w, "games", (int64_t)rows->game_count);
    json_kv_time_ms(&w, "firstGameAt", rows->games[0].created_ms);
    json_kv_time_ms(&w, "lastGameAt", rows->games[rows->game_count - 1].created_ms);
    json_object_end(&w);
    json_object_end(&w);
    str profile = arena_str(keep, buf_str(&text));
    buf_deinit(&text);
    return profile;
}

static err finish_dataset(struct run *run, const struct rps_rows *rows, const char *id,
                          const struct blob_info *blob)
{
    arena *keep = run_arena(run);
    int64_t count = (int64_t)rows->table.row_count;
    str manifest = arena_fmt(keep,
                             "{\"files\":[{\"path\":\"rows.csv\",\"sha256\":\"%s\",\"bytes\":%lld,"
                             "\"rows\":%lld}]}",
                             blob->id.hex, (long long)blob->bytes, (long long)count);
    str profile = profile_of(rows, keep);
    TRY(arena_check(keep));
    err e = dataset_finish(run_track(run), str_of(id),
                           &(struct dataset_result){ .blob = *blob,
                                                     .rows = count,
                                                     .profile = profile,
                                                     .manifest = manifest,
                                                     .run_id = str_of(run_id(run)),
                                                     .job = run_job(run) });
    return e.code == ERR_CONFLICT && !job_check(run_job(run)).code ? OK : e; /* ready already */
}

/* The version is the digest, so that the same rows are found. One that was deleted does not come
 * back: then the next number. */
static err find_or_create(struct run *run, str version, struct dataset_info *ret_info)
{
    arena *keep = run_arena(run);
    struct track *t = run_track(run);
    err e = dataset_get(t, STR(RPS_DATASET_NAME), version, keep, ret_info);
    if (e.code != ERR_NOT_FOUND)
        return e;
    struct dataset_spec spec = { .name = STR(RPS_DATASET_NAME),
                                 .version = version,
                                 .kind = RPS_DATASET_KIND,
                                 .note = STR("Rounds of stored games that a training used.") };
    e = dataset_create(t, &spec, keep, ret_info);
    if (e.code != ERR_CONFLICT)
        return e;
    e = dataset_get(t, STR(RPS_DATASET_NAME), version, keep, ret_info);
    if (e.code != ERR_NOT_FOUND)
        return e; /* another training made it meanwhile */
    spec.version = STR_NONE;
    return dataset_create(t, &spec, keep, ret_info);
}

static err keep_dataset(struct run *run, const struct rps_rows *rows, str csv,
                        char ret_id[UUID_BYTES])
{
    struct blob_info blob;
    struct dataset_info info;
    TRY(run_artifact(run, "rows.csv", csv));
    TRY(blob_put(run_blobs(run), csv, &blob));
    str digest = arena_str(run_arena(run), str_from(blob.id.hex, DIGEST_SHOWN));
    err e = digest.ptr ? find_or_create(run, digest, &info)
                       : ERR(ERR_NO_MEMORY, "naming the dataset");
    if (!e.code && !str_eq(info.state, STR("ready")))
        e = finish_dataset(run, rows, info.id, &blob);
    else
        blob_unpin(run_blobs(run), &blob.id);
    TRY(e);
    memcpy(ret_id, info.id, sizeof info.id);
    run_set_dataset(run, str_of(ret_id));
    return run_dataset_in(run, str_of(ret_id), "training");
}

err rps_dataset_of(struct run *run, const struct rps_rows *rows, char ret_id[UUID_BYTES])
{
    struct buf csv;
    buf_init(&csv, CSV_BYTES_MAX);
    rps_rows_csv(rows, &csv);
    err e = buf_check(&csv);
    if (!e.code)
        e = keep_dataset(run, rows, buf_str(&csv), ret_id);
    buf_deinit(&csv);
    return err_wrap(e, "keeping the rows as a dataset");
}

/* ------------------------------------------------------------------ version */

static err find_registered(struct run *run, str name, struct model_version_info *ret_info,
                           bool *ret_found)
{
    struct model_version_info *versions;
    size_t count = 0;
    TRY(model_list(run_track(run), &(struct model_filter){ .name = name, .limit = LISTED_MAX },
                   run_arena(run), &versions, &count));
    *ret_found = false;
    for (size_t i = 0; i < count && !*ret_found; i++) {
        *ret_found = str_eq(versions[i].run_id, str_of(run_id(run)));
        if (*ret_found)
            *ret_info = versions[i];
    }
    return OK;
}

static err put_model(struct run *run, struct learn_classifier *c, struct blob_info *ret_blob)
{
    struct buf bytes;
    buf_init(&bytes, LEARN_MODEL_BYTES_MAX);
    err e = learn_classifier_save(c, &bytes);
    if (!e.code)
        e = run_artifact(run, "model/model.bin", buf_str(&bytes));
    if (!e.code)
        e = blob_put(run_blobs(run), buf_str(&bytes), ret_blob); /* a pin for the registry's row */
    buf_deinit(&bytes);
    return e;
}

static err add_version(struct run *run, const struct rps_made *made,
                       struct model_version_info *ret_info)
{
    str name = str_of(rps_family_registry(made->family));
    struct blob_info blob;
    bool is_found;
    TRY(find_registered(run, name, ret_info, &is_found));
    if (is_found)
        return OK;
    str tags = arena_fmt(
        run_arena(run), "{\"model_type\":\"%s\",\"config\":\"%.*s\",\"features\":\"%s\"}",
        rps_family_name(made->family), STR_ARG(made->config_id), rps_sort_name(made->sort));
    str title = arena_fmt(run_arena(run), "Rock, paper, scissors as policy %s",
                          rps_family_policy(made->family));
    TRY(arena_check(run_arena(run)));
    TRY(put_model(run, made->classifier, &blob));
    struct model_spec spec = { .name = name,
                               .kind = RPS_MODEL_KIND,
                               .display_name = title,
                               .metrics = made->metrics,
                               .tags = tags,
                               .blob = blob,
                               .run_id = str_of(run_id(run)),
                               .dataset_id = made->dataset_id,
                               .job = run_job(run) };
    err e = model_register(run_track(run), &spec, run_arena(run), ret_info);
    if (e.code)
        blob_unpin(run_blobs(run), &blob.id);
    return e;
}

/* ------------------------------------------------------------------ alias */

struct move {
    struct run *run;
    const struct rps_made *made;
    struct promotion promotion;
    const char *alias; /* "": none */
    bool is_moved;
};

/* The one that is asked for; else the first that is free; else, for a challenger, the last. */
static const char *choose_alias(const struct move *m, const struct model_alias *aliases,
                                size_t count)
{
    bool is_taken[SERVING_SLOTS] = { false };
    for (size_t i = 0; i < count; i++) {
        enum serving_slot slot;
        if (serving_slot_parse(aliases[i].alias, &slot).code)
            continue;
        if (aliases[i].version == m->promotion.to_version && !m->made->alias.len)
            return serving_aliases[slot]; /* an earlier try got so far */
        is_taken[slot] = true;
    }
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (m->made->alias.len ? str_eq(m->made->alias, str_of(serving_aliases[i])) : !is_taken[i])
            return serving_aliases[i];
    return m->made->is_challenger ? serving_aliases[SERVING_SHADOW2] : "";
}

static err move_alias(struct store_tx *tx, void *arg)
{
    struct move *m = arg;
    struct model_alias *aliases;
    size_t count;
    TRY(model_aliases_read_in(store_tx_read(tx), m->promotion.name, run_arena(m->run), &aliases,
                              &count));
    m->alias = choose_alias(m, aliases, count);
    m->is_moved = false;
    if (!m->alias[0])
        return OK;
    for (size_t i = 0; i < count; i++)
        if (str_eq(aliases[i].alias, str_of(m->alias)) &&
            aliases[i].version == m->promotion.to_version)
            return OK;
    m->promotion.alias = str_of(m->alias);
    m->is_moved = true;
    return model_promote_tx(run_track(m->run), tx, &m->promotion);
}

/* It serves at once, so that whoever waited for the training plays against it. */
static void serve(struct run *run, const struct model_version_info *info, const char *alias)
{
    err e = serving_load(house_serving(run_house(run)), info, str_of(alias));
    if (e.code)
        RUN_LOG(run, LOG_ERROR, "rps.model_not_served", e.msg, F_CSTR("alias", alias));
}

err rps_register(struct run *run, const struct rps_made *made, struct model_version_info *ret_info,
                 const char **ret_alias)
{
    TRY(add_version(run, made, ret_info));
    run_set_model(run, str_of(ret_info->id));
    TRY(run_model_out(run, str_of(ret_info->id)));
    TRY(run_flush(run));
    struct move m = { .run = run,
                      .made = made,
                      .promotion = { .name = ret_info->name,
                                     .username = str_of(run_username(run)),
                                     .reason = made->alias.len ? STR("trained for this alias")
                                                               : STR("trained; the next in line"),
                                     .to_version = ret_info->version,
                                     .at_ms = clock_wall_ms() } };
    TRY(job_write(run_job(run), run_store(run), move_alias, &m));
    if (m.is_moved)
        model_promoted(run_track(run), &m.promotion);
    if (m.alias[0])
        serve(run, ret_info, m.alias);
    *ret_alias = m.alias;
    return OK;
}
