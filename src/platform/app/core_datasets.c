/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_datasets.c -- /v1/datasets: generic over dataset kinds; an app's kind builds, samples,
 * exports. */
#include <string.h>

#include "platform/app/core.h"

enum { LIST_MAX = 100, SAMPLE_MAX = 1000 };

/* Examples in documentation ask for "sample": they work as they stand, as soon as there is any
 * dataset, and before that say how to get one. */
static err find_sample(struct http_request *rq, str version, struct dataset_info *ret_info)
{
    struct track *track = house_track(rq_house(rq));
    struct dataset_filter filter = { .state = STR("ready"), .limit = 1 };
    const struct dataset_kind *kind = house_dataset_kind(rq_house(rq), STR_NONE);
    struct dataset_info *newest;
    size_t count;
    TRY(dataset_list(track, &filter, http_arena(rq), &newest, &count));
    if (!count)
        return ERR(ERR_NOT_FOUND,
                   "'sample' is the newest dataset, and none is ready yet: %s%sPOST /v1/datasets "
                   "{\"name\":\"first\"} builds one",
                   kind && kind->first_step ? kind->first_step : "",
                   kind && kind->first_step ? ", then " : "");
    if (version.len)
        return dataset_get(track, str_of(newest->id), version, http_arena(rq), ret_info);
    *ret_info = *newest;
    return OK;
}

err core_dataset_find(struct http_request *rq, str id, str version, struct dataset_info *ret_info)
{
    struct track *track = house_track(rq_house(rq));
    struct dataset_info named;
    err e = dataset_get(track, id, version, http_arena(rq), ret_info);
    if (e.code != ERR_NOT_FOUND || !str_eq(id, STR("sample")))
        return e;
    if (version.len) { /* a dataset that is really called so, without that version? */
        err other = dataset_get(track, id, STR_NONE, http_arena(rq), &named);
        if (other.code != ERR_NOT_FOUND)
            return e;
    }
    return find_sample(rq, version, ret_info);
}

static err find(struct http_request *rq, struct dataset_info *ret_info)
{
    return core_dataset_find(rq, http_param(rq, "id"), http_query(rq, "version"), ret_info);
}

static err find_kind(struct house *h, str name, const struct dataset_kind **ret_kind)
{
    const struct dataset_kind *kind = house_dataset_kind(h, name);
    if (str_eq(name, STR(DATASET_KIND_CLIENT)))
        return ERR(ERR_INVALID,
                   "datasets of kind '%.*s' are what clients log: their name and "
                   "digest are here, their rows are not",
                   STR_ARG(name));
    if (!kind)
        return ERR(ERR_INVALID, "this build has no code for datasets of kind '%.*s'",
                   STR_ARG(name));
    *ret_kind = kind;
    return OK;
}

static str location_of(const struct dataset_info *d, arena *keep)
{
    return d->blob.hex[0] ? arena_fmt(keep, "datasets/%s", d->blob.hex) : STR_NONE;
}

static err dump_text(const struct json *node, arena *keep, str *ret_text)
{
    struct buf text;
    buf_init(&text, JOB_PAYLOAD_MAX);
    if (node)
        json_dump(node, &text);
    str kept = node ? arena_str(keep, buf_str(&text)) : STR_NONE;
    err e = buf_check(&text);
    buf_deinit(&text);
    if (!e.code && node && !kept.ptr)
        e = arena_check(keep);
    if (!e.code)
        *ret_text = kept;
    return e;
}

/* ------------------------------------------------------------------ create */

struct creation {
    struct house *h;
    const struct dataset_kind *kind;
    struct dataset_spec spec;
    struct job_spec job;
    arena *keep;
    struct dataset_info info;
    char job_id[UUID_BYTES];
};

/* The dataset row and the job that builds it appear together or not at all. */
static err create_tx(struct store_tx *tx, void *arg)
{
    struct creation *c = arg;
    TRY(dataset_create_tx(house_track(c->h), tx, &c->spec, c->keep, &c->info));
    c->job.payload = arena_fmt(c->keep, "{\"datasetId\":\"%s\"}", c->info.id);
    ARENA_TRY(c->job.payload.ptr);
    bool is_new;
    return app_add_job_tx(c->h, tx, &c->job, c->job_id, &is_new);
}

/* The filter, with "sizeRows" of the body in it as its "limit". */
static err read_filter(const struct json *body, arena *keep, const struct json **ret_filter,
                       str *ret_text)
{
    const struct json *filter = json_get(body, "filter"), *limit, *value;
    int64_t rows = 0;
    if (json_kind(filter) > JSON_IS_NULL && json_kind(filter) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "field 'filter' must be an object");
    *ret_filter = filter;
    TRY(json_opt_int(body, "sizeRows", 1, INT64_MAX / 2, &rows));
    if (!rows)
        return dump_text(filter, keep, ret_text);
    limit = json_get(filter, "limit");
    if (json_kind(limit) > JSON_IS_NULL && json_int(limit, 0) != rows)
        return ERR(ERR_INVALID,
                   "fields 'sizeRows' and 'filter.limit' mean the same and differ: give one");
    struct buf text, member;
    struct json_out w;
    void *iter = NULL;
    str key;
    buf_init(&text, JOB_PAYLOAD_MAX);
    buf_init(&member, JOB_PAYLOAD_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    while (json_next(filter, &iter, &key, &value)) {
        if (str_eq(key, STR("limit")))
            continue;
        buf_clear(&member);
        json_dump(value, &member);
        json_key_str(&w, key);
        json_out_raw(&w, buf_str(&member));
    }
    json_kv_int(&w, "limit", rows);
    json_object_end(&w);
    *ret_text = arena_str(keep, buf_str(&text));
    err e = err_first(buf_check(&member), buf_check(&text));
    buf_deinit(&text);
    buf_deinit(&member);
    TRY(e);
    ARENA_TRY(ret_text->ptr);
    return json_parse(keep, *ret_text, ret_filter);
}

static err read_creation(struct http_request *rq, struct creation *c)
{
    const struct json *body;
    str kind_name = STR_NONE;
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "name", &c->spec.name));
    TRY(json_opt_str(body, "version", &c->spec.version));
    TRY(json_opt_str(body, "note", &c->spec.note));
    TRY(json_opt_str(body, "kind", &kind_name));
    TRY(find_kind(c->h, kind_name, &c->kind));
    if (c->spec.name.len == 0 || c->spec.name.len > 200)
        return ERR(ERR_INVALID, "field 'name' must have 1 to 200 characters");
    const struct json *filter = NULL;
    const struct json *split = json_get(body, "split");
    TRY(read_filter(body, c->keep, &filter, &c->spec.filter));
    if (json_kind(split) > JSON_IS_NULL && json_kind(split) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "field 'split' must be an object");
    TRY(c->kind->check(c->h, filter, split));
    TRY(dump_text(split, c->keep, &c->spec.split));
    TRY(dump_text(json_get(body, "tags"), c->keep, &c->spec.tags));
    c->spec.kind = c->kind->name;
    return OK;
}

err core_dataset_create(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    arena *keep = http_arena(rq);
    struct creation c = { .h = h, .keep = keep };
    char run_id[HEX_ID_BYTES];
    TRY(read_creation(rq, &c));
    rand_hex_id(run_id);
    c.job = (struct job_spec){ .kind = c.kind->build_job,
                               .username = http_user(rq),
                               .run_id = str_of(run_id) };
    TRY(store_write(house_store(h), create_tx, &c));
    jobs_wake(house_jobs(h));
    dataset_announce(house_track(h), &c.info);

    http_status(rp, 201);
    str location = arena_fmt(keep, "/v1/datasets/%s", c.info.id);
    ARENA_TRY(location.ptr);
    http_set_header(rp, "Location", location);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "id", c.info.id);
    json_kv_str(w, "name", c.info.name);
    json_kv_str(w, "version", c.info.version);
    json_kv_cstr(w, "status", "building");
    json_kv_cstr(w, "runId", run_id);
    json_kv_cstr(w, "jobId", c.job_id);
    json_key(w, "sizeRows");
    json_out_null(w); /* known when the job is done */
    json_key(w, "locationUri");
    json_out_null(w);
    json_kv_time_ms(w, "createdAt", c.info.created_ms);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ read */

static void write_dataset(struct json_out *w, const struct dataset_info *d, arena *keep)
{
    json_kv_cstr(w, "id", d->id);
    json_kv_str(w, "name", d->name);
    json_kv_str(w, "version", d->version);
    json_kv_str(w, "kind", d->kind);
    json_kv_str(w, "status", d->state);
    json_kv_int(w, "rows", d->rows);
    json_kv_int(w, "sizeRows", d->rows);
    json_kv_int(w, "sizeBytes", d->bytes);
    json_kv_cstr(w, "digest", d->blob.hex[0] ? d->blob.hex : NULL);
    str location = location_of(d, keep);
    json_kv_cstr(w, "locationUri", location.ptr);
    json_kv_raw(w, "filter", d->filter);
    json_kv_raw(w, "split", d->split);
    json_kv_raw(w, "tags", d->tags);
    json_kv_cstr(w, "note", d->note.len ? d->note.ptr : NULL);
    json_kv_cstr(w, "runId", d->run_id.len ? d->run_id.ptr : NULL);
    json_kv_time_ms(w, "createdAt", d->created_ms);
    json_kv_time_ms(w, "updatedAt", d->updated_ms);
}

/* ------------------------------------------------------------------ checks */

struct check_counts {
    int64_t passed, failed;
};

static void write_check(struct json_out *w, struct check_counts *counts, const char *check, str of,
                        int64_t value, bool passed)
{
    *(passed ? &counts->passed : &counts->failed) += 1;
    if (!w)
        return;
    json_object_begin(w);
    json_kv_cstr(w, "check", check);
    json_kv_str(w, "of", of);
    json_kv_bool(w, "passed", passed);
    json_kv_int(w, "value", value);
    json_object_end(w);
}

/* What can be said of a dataset without an opinion: every split that was asked for has rows, and
 * nothing that the filter matches had to be left out. Writes into an open array, or only counts. */
static void write_checks(struct json_out *w, const struct json *manifest,
                         struct check_counts *counts)
{
    const struct json *value, *splits = json_get(manifest, "splits");
    void *iter = NULL;
    str key;
    while (json_next(splits, &iter, &key, &value)) {
        int64_t rows = json_int(json_get(value, "rows"), 0);
        if (json_num(json_get(value, "fraction"), 0) > 0)
            write_check(w, counts, "split", key, rows, rows > 0);
    }
    iter = NULL;
    while (json_next(json_get(manifest, "left_out"), &iter, &key, &value)) {
        int64_t left_out = json_int(value, 0);
        write_check(w, counts, "left_out", key, left_out, left_out == 0);
    }
}

/* In a list: rows of each split, what was measured, how many checks passed. */
static err write_judged(struct json_out *w, const struct dataset_info *d, arena *keep)
{
    const struct json *manifest = NULL, *profile = NULL, *value;
    struct check_counts counts = { 0 };
    void *iter = NULL;
    str key;
    if (d->manifest.len)
        TRY(json_parse(keep, d->manifest, &manifest));
    if (d->profile.len)
        TRY(json_parse(keep, d->profile, &profile));
    json_key(w, "splits");
    json_object_begin(w);
    while (json_next(json_get(manifest, "splits"), &iter, &key, &value)) {
        json_key_str(w, key);
        json_out_int(w, json_int(json_get(value, "rows"), 0));
    }
    json_object_end(w);
    json_key(w, "quality");
    json_object_begin(w);
    iter = NULL;
    while (json_next(json_get(profile, "quality"), &iter, &key, &value)) {
        json_key_str(w, key);
        json_out_real(w, json_num(value, 0));
    }
    json_object_end(w);
    write_checks(NULL, manifest, &counts);
    json_key(w, "checks");
    json_object_begin(w);
    json_kv_int(w, "passed", counts.passed);
    json_kv_int(w, "failed", counts.failed);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ lists */

static err versions_of(struct http_request *rq, str name, struct dataset_info **ret_infos,
                       size_t *ret_count)
{
    struct dataset_filter filter = { .name = name, .sort = "createdAt", .limit = 1000 };
    return dataset_list(house_track(rq_house(rq)), &filter, http_arena(rq), ret_infos, ret_count);
}

err core_datasets_list(struct http_request *rq, struct http_reply *rp)
{
    int64_t limit = 20, offset = 0;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &offset));
    str sort = http_query(rq, "sort");
    if (sort.len && !str_eq(sort, STR("size")) && !str_eq(sort, STR("rows")) &&
        !str_eq(sort, STR("createdAt")))
        return ERR(ERR_INVALID, "query parameter 'sort' must be size, rows or createdAt");
    struct dataset_filter filter = {
        .q = http_query(rq, "q"),
        .kind = http_query(rq, "kind"),
        .state = http_query(rq, "status"),
        .sort = str_eq(sort, STR("size"))   ? "size"
                : str_eq(sort, STR("rows")) ? "rows"
                                            : "createdAt",
        .newest_only = true,
        .limit = limit + 1, /* one more tells whether there is a next page */
        .offset = offset,
    };
    struct dataset_info *infos;
    size_t count;
    TRY(dataset_list(house_track(rq_house(rq)), &filter, http_arena(rq), &infos, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "items");
    json_array_begin(w);
    for (size_t i = 0; i < count && i < (size_t)limit; i++) {
        int64_t version_count;
        TRY(dataset_count_versions(house_track(rq_house(rq)), infos[i].name, &version_count));
        json_object_begin(w);
        json_kv_cstr(w, "id", infos[i].id);
        json_kv_str(w, "name", infos[i].name);
        json_kv_str(w, "kind", infos[i].kind);
        json_kv_str(w, "status", infos[i].state);
        json_kv_int(w, "rows", infos[i].rows);
        json_kv_int(w, "sizeBytes", infos[i].bytes);
        TRY(write_judged(w, &infos[i], http_arena(rq)));
        json_key(w, "versions");
        json_object_begin(w);
        json_kv_int(w, "count", version_count);
        json_kv_str(w, "latest", infos[i].version);
        json_object_end(w);
        json_kv_time_ms(w, "createdAt", infos[i].created_ms);
        json_kv_time_ms(w, "updatedAt", infos[i].updated_ms);
        json_object_end(w);
    }
    json_array_end(w);
    if (count > (size_t)limit)
        json_kv_int(w, "nextOffset", offset + limit);
    json_object_end(w);
    return OK;
}

err core_datasets_count(struct http_request *rq, struct http_reply *rp)
{
    int64_t names, versions;
    TRY(dataset_count(house_track(rq_house(rq)), &names, &versions));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", names);
    json_kv_int(w, "versions", versions);
    json_object_end(w);
    return OK;
}

/* The profile is what the build measured: {"schema":{..},"quality":{..},"stats":{..}}. */
static err profile_part(struct http_request *rq, const char *part, const struct json **ret_part)
{
    struct dataset_info d;
    TRY(find(rq, &d));
    if (!str_eq(d.state, STR("ready")))
        return ERR(ERR_CONFLICT, "dataset %.*s@%.*s is %.*s: its profile exists when it is ready",
                   STR_ARG(d.name), STR_ARG(d.version), STR_ARG(d.state));
    const struct json *profile;
    TRY(json_parse(http_arena(rq), d.profile, &profile));
    const struct json *found = json_get(profile, part);
    if (!found)
        return ERR(ERR_NOT_FOUND, "dataset %.*s@%.*s has no %s in its profile", STR_ARG(d.name),
                   STR_ARG(d.version), part);
    *ret_part = found;
    return OK;
}

static err reply_part(struct http_request *rq, struct http_reply *rp, const char *part)
{
    const struct json *node = NULL;
    TRY(profile_part(rq, part, &node));
    json_dump(node, http_text(rp, "application/json"));
    return OK;
}

err core_dataset_schema(struct http_request *rq, struct http_reply *rp)
{
    return reply_part(rq, rp, "schema");
}

err core_dataset_quality(struct http_request *rq, struct http_reply *rp)
{
    return reply_part(rq, rp, "quality");
}

err core_dataset_get(struct http_request *rq, struct http_reply *rp)
{
    struct dataset_info d;
    TRY(find(rq, &d));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_dataset(w, &d, http_arena(rq));
    json_kv_raw(w, "manifest", d.manifest);
    json_kv_raw(w, "profile", d.profile);
    const struct json *profile = NULL, *manifest = NULL;
    struct check_counts counts = { 0 };
    if (d.profile.len)
        TRY(json_parse(http_arena(rq), d.profile, &profile));
    if (d.manifest.len)
        TRY(json_parse(http_arena(rq), d.manifest, &manifest));
    if (d.reason.len)
        json_kv_str(w, "reason", d.reason);
    else
        json_kv_cstr(w, "reason", NULL);
    json_key(w, "checks");
    json_array_begin(w);
    write_checks(w, manifest, &counts);
    json_array_end(w);
    const struct dataset_kind *kind = house_dataset_kind(rq_house(rq), d.kind);
    json_key(w, "formats");
    core_write_words(w, kind ? kind->formats : "");
    json_kv_int(w, "classes", json_int(json_get(json_get(profile, "stats"), "classes"), 0));
    json_object_end(w);
    return OK;
}

static void write_versions(struct json_out *w, const struct dataset_info *infos, size_t count)
{
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_kv_str(w, "version", infos[i].version);
        json_kv_cstr(w, "id", infos[i].id);
        json_kv_str(w, "status", infos[i].state);
        json_kv_int(w, "rows", infos[i].rows);
        json_kv_time_ms(w, "createdAt", infos[i].created_ms);
        json_object_end(w);
    }
    json_array_end(w);
}

err core_dataset_versions(struct http_request *rq, struct http_reply *rp)
{
    struct dataset_info d, *all;
    size_t count;
    TRY(find(rq, &d));
    TRY(versions_of(rq, d.name, &all, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", (int64_t)count);
    json_kv_str(w, "latest", count ? all[0].version : STR_NONE);
    json_key(w, "items");
    write_versions(w, all, count);
    json_object_end(w);
    return OK;
}

err core_dataset_summary(struct http_request *rq, struct http_reply *rp)
{
    struct dataset_info d, *all;
    size_t count;
    TRY(find(rq, &d));
    TRY(versions_of(rq, d.name, &all, &count));
    const struct json *profile = NULL;
    if (d.profile.len)
        TRY(json_parse(http_arena(rq), d.profile, &profile));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "id", d.id);
    json_kv_int(w, "rows", d.rows);
    json_kv_int(w, "sizeBytes", d.bytes);
    json_kv_int(w, "classes", json_int(json_get(json_get(profile, "stats"), "classes"), 0));
    json_key(w, "versions");
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_out_str(w, all[i].version);
    json_array_end(w);
    json_kv_time_ms(w, "updatedAt", d.updated_ms);
    json_object_end(w);
    return OK;
}

err core_dataset_history(struct http_request *rq, struct http_reply *rp)
{
    struct dataset_info d;
    const struct dataset_kind *kind = NULL;
    TRY(find(rq, &d));
    TRY(find_kind(rq_house(rq), d.kind, &kind));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    if (kind->history)
        TRY(kind->history(rq_house(rq), &d, w));
    json_items_end(w);
    return OK;
}

/* ------------------------------------------------------------------ rows */

static err find_ready(struct http_request *rq, struct dataset_info *ret_info,
                      const struct dataset_kind **ret_kind)
{
    struct dataset_info d;
    const struct dataset_kind *kind = NULL;
    TRY(find(rq, &d));
    if (!str_eq(d.state, STR("ready")))
        return ERR(ERR_CONFLICT, "dataset %.*s@%.*s is %.*s: rows can be read when it is ready",
                   STR_ARG(d.name), STR_ARG(d.version), STR_ARG(d.state));
    TRY(find_kind(rq_house(rq), d.kind, &kind));
    *ret_info = d;
    *ret_kind = kind;
    return OK;
}

err core_dataset_sample(struct http_request *rq, struct http_reply *rp)
{
    int64_t limit = 10, cursor = 0;
    struct dataset_info d;
    const struct dataset_kind *kind = NULL;
    TRY(http_query_int(rq, "limit", 1, SAMPLE_MAX, &limit));
    TRY(http_query_int(rq, "cursor", 0, INT64_MAX / 2, &cursor));
    TRY(find_ready(rq, &d, &kind));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "items");
    json_array_begin(w);
    TRY(kind->sample(rq_house(rq), &d, cursor, limit, w));
    json_array_end(w);
    json_key(w, "nextCursor");
    if (cursor + limit < d.rows)
        json_out_int(w, cursor + limit);
    else
        json_out_null(w);
    json_object_end(w);
    return OK;
}

static bool has_word(const char *words, str word)
{
    for (str rest = str_of(words); rest.len;)
        if (str_eq(str_split(&rest, ' '), word))
            return true;
    return false;
}

err core_dataset_export(struct http_request *rq, struct http_reply *rp)
{
    struct dataset_info d;
    const struct dataset_kind *kind = NULL;
    TRY(find_ready(rq, &d, &kind));
    str format = http_query(rq, "format");
    if (!has_word(kind->formats, format))
        return ERR(ERR_INVALID,
                   "query parameter 'format' is '%.*s'; datasets of kind %s are exported as: %s",
                   STR_ARG(format), kind->name, kind->formats);
    struct http_stream stream;
    const char *content_type;
    TRY(kind->export_open(rq_house(rq), &d, format, http_query(rq, "split"), &stream,
                          &content_type));
    str file = arena_fmt(http_arena(rq), "attachment; filename=\"%s.%.*s\"", d.id, STR_ARG(format));
    if (file.ptr)
        http_set_header(rp, "Content-Disposition", file);
    http_stream(rp, content_type, stream);
    return OK;
}

err core_dataset_delete(struct http_request *rq, struct http_reply *rp)
{
    struct dataset_info d;
    /* Not core_dataset_find: nobody who deletes "sample" means whatever is newest. */
    TRY(dataset_get(house_track(rq_house(rq)), http_param(rq, "id"), http_query(rq, "version"),
                    http_arena(rq), &d));
    TRY(dataset_delete(house_track(rq_house(rq)), str_of(d.id)));
    TRY(auth_audit(house_auth(rq_house(rq)), http_user(rq), STR("dataset.delete"), str_of(d.id),
                   STR_NONE));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "deleted", d.id);
    json_object_end(w);
    return OK;
}
