/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_server.c -- an MLflow that is running somewhere, asked over its REST API.
 *
 * A page of runs at a time, each with the histories of its metrics and its artifacts; the token of
 * the next page is the place to go on from. Spans of traces are in no answer that older servers
 * have: of traces come what search tells, and their files.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/mlflow/import.h"
#include "base/clock.h"
#include "platform/net/api.h"

enum {
    PAGE_ARENA_BYTES = 512 * 1024 * 1024, /* trees of answers of up to 64 MiB */
    PATH_BYTES_MAX = 8000,
    EXPERIMENTS_MAX = 100000,
    RUNS_PAGE = 50,
    POINTS_PAGE = 20000,
    COPY_BYTES = 256 * 1024,
    STAGE_RUNS = 2,
    STAGE_MODELS = 3,
    STAGE_REGISTRY = 4,
};

struct server {
    struct import_work *w;
    struct net_api *api;
    int64_t *experiments; /* ascending */
    size_t experiment_count;
};

/* ------------------------------------------------------------------ answers */

static int64_t number(const struct json *node)
{
    int64_t value = json_int(node, 0);
    if (json_kind(node) == JSON_IS_STR && str_to_i64(json_str(node, STR_NONE), &value).code)
        value = 0;
    return value;
}

static struct store_value num(const struct json *object, const char *key)
{
    return sql_int(number(json_get(object, key)));
}

static struct store_value num_opt(const struct json *object, const char *key)
{
    const struct json *node = json_get(object, key);
    return json_kind(node) == JSON_IS_NONE || json_kind(node) == JSON_IS_NULL
               ? sql_null()
               : sql_int(number(node));
}

static struct store_value text(const struct json *object, const char *key)
{
    return sql_text(json_str(json_get(object, key), STR("")));
}

static struct store_value text_opt(const struct json *object, const char *key)
{
    return sql_text_opt(json_str(json_get(object, key), STR_NONE));
}

static struct store_value deleted(const struct json *object)
{
    return sql_int(str_eq(json_str(json_get(object, "lifecycle_stage"), STR_NONE), STR("deleted")));
}

/* A number, or "NaN", "Infinity": text that the importer reads as such. */
static struct store_value real(const struct json *node)
{
    str word = json_str(node, STR_NONE);
    if (json_kind(node) != JSON_IS_STR)
        return sql_real(json_num(node, 0));
    return sql_real(str_starts(word, STR("-Inf"))  ? -INFINITY
                    : str_starts(word, STR("Inf")) ? INFINITY
                                                   : 0);
}

static bool is_nan(const struct json *node)
{
    return str_eq_nocase(json_str(node, STR_NONE), STR("nan"));
}

/* [{"key","value"}] of something. */
static err say_pairs(struct server *s, enum import_kind kind, struct store_value of,
                     const struct json *list)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *each = json_at(list, i);
        str key = json_str(json_get(each, "key"), STR_NONE);
        if (kind == IMPORT_TAG && str_eq(key, STR("skerry.imported_from")))
            continue;
        TRY(IMPORT(s->w->im, kind, of, sql_text(key), text(each, "value")));
    }
    return OK;
}

/* {"key":"value"} of something. */
static err say_members(struct server *s, enum import_kind kind, struct store_value of,
                       const struct json *object)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(object, &iter, &key, &value))
        TRY(IMPORT(s->w->im, kind, of, sql_text(key), sql_text(json_str(value, STR("")))));
    return OK;
}

static err ask(struct server *s, const char *method, const char *path, str body, arena *keep,
               const struct json **ret_reply)
{
    TRY(run_check(s->w->run));
    return net_api_need(s->api, method, path, body, NULL, keep, ret_reply);
}

/* ------------------------------------------------------------------ pages */

/* A POST that searches, with a page token. `filter` are members of the body. */
static err search(struct server *s, const char *path, const char *filter, str token, arena *keep,
                  const struct json **ret_reply)
{
    struct buf body;
    buf_init(&body, PATH_BYTES_MAX);
    buf_add_fmt(&body, "{%s", filter);
    if (token.len) {
        buf_add_cstr(&body, ",\"page_token\":");
        json_escape(&body, token);
    }
    buf_add_char(&body, '}');
    err e = buf_check(&body);
    if (!e.code)
        e = ask(s, "POST", path, buf_str(&body), keep, ret_reply);
    buf_deinit(&body);
    return e;
}

/* Walks all pages: of a POST, or of a GET whose path has a query already. */
struct pages {
    const char *path, *filter; /* filter NULL: a GET */
    const char *list;          /* the member with the items */
    err (*take)(struct server *s, void *arg, const struct json *item);
    void *arg;
};

static err next_page(struct server *s, const struct pages *p, str token, arena *keep,
                     const struct json **ret_reply)
{
    struct buf path;
    if (p->filter)
        return search(s, p->path, p->filter, token, keep, ret_reply);
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_cstr(&path, p->path);
    if (token.len) {
        buf_add_cstr(&path, strchr(p->path, '?') ? "&page_token=" : "?page_token=");
        net_api_escape(&path, token, false);
    }
    err e = buf_check(&path);
    if (!e.code)
        e = ask(s, "GET", path.ptr, STR_NONE, keep, ret_reply);
    buf_deinit(&path);
    return e;
}

static err take_page(struct server *s, const struct pages *p, const struct json *reply)
{
    const struct json *list = json_get(reply, p->list);
    for (size_t i = 0; i < json_count(list); i++)
        TRY(p->take(s, p->arg, json_at(list, i)));
    return OK;
}

static err each_item(struct server *s, const struct pages *p)
{
    arena keep;
    char token[IMPORT_AFTER_BYTES_MAX] = "";
    err e = OK;
    arena_init(&keep, PAGE_ARENA_BYTES);
    do {
        const struct json *reply = NULL;
        e = next_page(s, p, str_of(token), &keep, &reply);
        if (!e.code)
            e = take_page(s, p, reply);
        str next = json_str(json_get(reply, "next_page_token"), STR_NONE);
        if (!e.code && next.len >= sizeof token)
            e = ERR(ERR_UPSTREAM, "%.80s gives page tokens that are too long", s->w->source);
        snprintf(token, sizeof token, "%.*s", e.code ? 0 : (int)next.len, next.ptr ? next.ptr : "");
        arena_reset(&keep);
    } while (!e.code && token[0]);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ experiments */

static err take_experiment(struct server *s, void *arg, const struct json *x)
{
    (void)arg;
    int64_t id = number(json_get(x, "experiment_id"));
    if (s->experiment_count == EXPERIMENTS_MAX)
        return ERR(ERR_TOO_BIG, "more than %d experiments", EXPERIMENTS_MAX);
    s->experiments[s->experiment_count++] = id;
    if (import_stage(s->w->im) >= STAGE_RUNS) /* said by an earlier try */
        return OK;
    TRY(IMPORT(s->w->im, IMPORT_EXPERIMENT, sql_int(id), text(x, "name"), deleted(x),
               num(x, "creation_time"), num(x, "last_update_time")));
    return say_pairs(s, IMPORT_EXPERIMENT_TAG, sql_int(id), json_get(x, "tags"));
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static err read_experiments(struct server *s)
{
    s->experiments = NEW_ARRAY(run_arena(s->w->run), int64_t, EXPERIMENTS_MAX);
    ARENA_TRY(s->experiments);
    TRY(each_item(s, &(struct pages){ .path = "/api/2.0/mlflow/experiments/search",
                                      .filter = "\"view_type\":\"ALL\",\"max_results\":1000",
                                      .list = "experiments",
                                      .take = take_experiment }));
    qsort(s->experiments, s->experiment_count, sizeof *s->experiments, by_number);
    if (import_stage(s->w->im) < STAGE_RUNS)
        TRY(import_place(s->w->im, STAGE_RUNS, STR("")));
    return import_flush(s->w->im);
}

/* ------------------------------------------------------------------ artifacts */

struct files {
    struct import_owner owner;
    str root;   /* below mlflow-artifacts:/; empty: the server reads them itself */
    str prefix; /* of what the list names: to be taken off */
    int depth;
};

static err copy(struct server *s, const char *path, struct blob_info *ret_blob)
{
    struct net_call *c = NULL;
    struct blob_writer *to;
    char *bytes = malloc(COPY_BYTES);
    size_t n = 1;
    if (!bytes)
        return ERR(ERR_NO_MEMORY, "copying an artifact: out of memory");
    err e = net_api_get(s->api, path, NULL, &c);
    if (e.code) {
        free(bytes);
        return e;
    }
    e = blob_writer_open(run_blobs(s->w->run), &to);
    bool is_open = !e.code;
    while (!e.code && n) {
        e = run_check(s->w->run);
        if (!e.code)
            e = net_read(c, bytes, COPY_BYTES, &n);
        if (!e.code && n)
            e = blob_write(to, bytes, n);
    }
    net_end(c);
    free(bytes);
    if (!e.code)
        return blob_writer_commit(to, ret_blob);
    if (is_open)
        blob_writer_abort(to);
    return e;
}

static err take_artifact(struct server *s, const struct files *f, str path, int64_t bytes)
{
    struct blob_info blob;
    struct buf address, here;
    bool known = false;
    buf_init(&address, PATH_BYTES_MAX);
    buf_init(&here, IMPORT_PATH_BYTES_MAX);
    if (f->owner.below.len)
        buf_add_fmt(&here, "%.*s/", STR_ARG(f->owner.below));
    buf_add(&here, path);
    if (f->root.len) {
        buf_add_cstr(&address, "/api/2.0/mlflow-artifacts/artifacts/");
        net_api_escape(&address, f->root, true);
        buf_add_char(&address, '/');
        net_api_escape(&address, path, true);
    } else {
        buf_add_fmt(&address, "/get-artifact?run_uuid=%.*s&path=", STR_ARG(f->owner.run_id));
        net_api_escape(&address, path, false);
    }
    err e = err_first(buf_check(&address), buf_check(&here));
    if (!e.code) /* a length alone is what we are told before we fetch it */
        e = import_file_known(s->w->im, f->owner.run_id, f->owner.experiment, buf_str(&here), bytes,
                              0, &known);
    if (!e.code && !known) {
        e = copy(s, address.ptr, &blob);
        if (!e.code)
            e = import_file(s->w->im, f->owner.run_id, f->owner.experiment, buf_str(&here), &blob,
                            clock_wall_ms());
        else if (e.code == ERR_NOT_FOUND || e.code == ERR_INVALID) {
            import_pass_over(s->w, buf_str(&here), e.msg);
            e = OK;
        }
    }
    buf_deinit(&address);
    buf_deinit(&here);
    return e;
}

static err list_folder(struct server *s, struct files *f, str folder);

static err take_listed(struct server *s, void *arg, const struct json *item)
{
    struct files *f = arg;
    str path = json_str(json_get(item, "path"), STR_NONE);
    bool is_folder = json_bool(json_get(item, "is_dir"), false);
    if (!path.len || path.len > IMPORT_PATH_BYTES_MAX / 2 || str_contains(path, STR("..")) ||
        f->depth > IMPORT_DEPTH_MAX) {
        import_pass_over(s->w, path, "its path is empty, too long or leads elsewhere");
        return OK;
    }
    if (!is_folder)
        return take_artifact(s, f, path, number(json_get(item, "file_size")));
    f->depth++;
    err e = list_folder(s, f, path);
    f->depth--;
    return e;
}

/* The proxy lists names, below the folder; the server lists paths, below the run. */
static err take_proxied(struct server *s, void *arg, const struct json *item)
{
    struct files *f = arg;
    arena keep;
    str name = json_str(json_get(item, "path"), STR_NONE);
    ptrdiff_t slash;
    while ((slash = str_find_char(name, '/')) >= 0)
        name = str_sub(name, (size_t)slash + 1, name.len);
    if (!name.len || str_eq(name, STR("..")) || f->prefix.len > IMPORT_PATH_BYTES_MAX / 2 ||
        f->depth > IMPORT_DEPTH_MAX) {
        import_pass_over(s->w, name, "its path is empty, too long or leads elsewhere");
        return OK;
    }
    arena_init(&keep, 64 * 1024);
    str path = f->prefix.len ? arena_fmt(&keep, "%.*s/%.*s", STR_ARG(f->prefix), STR_ARG(name))
                             : arena_str(&keep, name);
    str before = f->prefix;
    err e = arena_check(&keep);
    if (!e.code && json_bool(json_get(item, "is_dir"), false)) {
        f->prefix = path;
        f->depth++;
        e = list_folder(s, f, path);
        f->depth--;
        f->prefix = before;
    } else if (!e.code) {
        e = take_artifact(s, f, path, number(json_get(item, "file_size")));
    }
    arena_deinit(&keep);
    return e;
}

static err list_folder(struct server *s, struct files *f, str folder)
{
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    if (f->root.len) {
        buf_add_cstr(&path, "/api/2.0/mlflow-artifacts/artifacts?path=");
        net_api_escape(&path, f->root, false);
        if (folder.len)
            buf_add_cstr(&path, "%2F");
    } else {
        buf_add_fmt(&path, "/api/2.0/mlflow/artifacts/list?run_id=%.*s", STR_ARG(f->owner.run_id));
        if (folder.len)
            buf_add_cstr(&path, "&path=");
    }
    net_api_escape(&path, folder, false);
    err e = buf_check(&path);
    if (!e.code)
        e = each_item(s, &(struct pages){ .path = path.ptr,
                                          .list = "files",
                                          .take = f->root.len ? take_proxied : take_listed,
                                          .arg = f });
    buf_deinit(&path);
    return e;
}

static err read_files(struct server *s, struct import_owner owner, str uri)
{
    static const str proxied = STR_INIT("mlflow-artifacts:/");
    struct files f = { .owner = owner };
    if (str_starts(uri, proxied)) {
        f.root = str_sub(uri, proxied.len, uri.len);
        if (str_starts(f.root, STR("/"))) { /* with a host */
            f.root = str_sub(f.root, 1, f.root.len);
            str_split(&f.root, '/');
        }
    } else if (!owner.run_id.len) {
        import_elsewhere(s->w->im, uri);
        return OK;
    }
    err e = list_folder(s, &f, STR(""));
    if (e.code == ERR_UPSTREAM || e.code == ERR_INVALID || e.code == ERR_NOT_FOUND) {
        /* A store that this server cannot read. One that is away is noticed by the next call. */
        import_pass_over(s->w, uri, e.msg);
        return OK;
    }
    return e;
}

/* ------------------------------------------------------------------ runs */

struct history {
    str run_id, key;
};

static err take_point(struct server *s, void *arg, const struct json *p)
{
    const struct history *h = arg;
    const struct json *value = json_get(p, "value");
    return IMPORT(s->w->im, IMPORT_METRIC, sql_text(h->run_id), sql_text(h->key),
                  num(p, "timestamp"), num(p, "step"), real(value), sql_int(is_nan(value)));
}

static err read_history(struct server *s, str run_id, str key)
{
    struct buf path;
    struct history h = { run_id, key };
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_fmt(&path, "/api/2.0/mlflow/metrics/get-history?run_id=%.*s&max_results=%d&metric_key=",
                STR_ARG(run_id), POINTS_PAGE);
    net_api_escape(&path, key, false);
    err e = buf_check(&path);
    if (!e.code)
        e = each_item(s, &(struct pages){
                             .path = path.ptr, .list = "metrics", .take = take_point, .arg = &h });
    buf_deinit(&path);
    return e;
}

static err say_inputs(struct server *s, str run_id, const struct json *run)
{
    const struct json *list = json_get(json_get(run, "inputs"), "dataset_inputs");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *d = json_get(json_at(list, i), "dataset");
        const struct json *tags = json_get(json_at(list, i), "tags");
        str context = STR("");
        for (size_t k = 0; k < json_count(tags); k++)
            if (str_eq(json_str(json_get(json_at(tags, k), "key"), STR_NONE),
                       STR("mlflow.data.context")))
                context = json_str(json_get(json_at(tags, k), "value"), STR(""));
        TRY(IMPORT(s->w->im, IMPORT_DATASET, sql_text(run_id), text(d, "name"), text(d, "digest"),
                   text(d, "source_type"), text(d, "source"), text(d, "schema"), text(d, "profile"),
                   sql_text(context)));
        for (size_t k = 0; k < json_count(tags); k++) {
            struct store_value key = text(json_at(tags, k), "key");
            if (!str_eq(key.bytes, STR("mlflow.data.context")))
                TRY(IMPORT(s->w->im, IMPORT_DATASET_TAG, sql_text(run_id), text(d, "name"),
                           text(d, "digest"), key, text(json_at(tags, k), "value")));
        }
    }
    static const char *const uses[][3] = { { "inputs", "model_inputs", "in" },
                                           { "outputs", "model_outputs", "out" } };
    for (size_t u = 0; u < COUNT_OF(uses); u++) {
        list = json_get(json_get(run, uses[u][0]), uses[u][1]);
        for (size_t i = 0; i < json_count(list); i++)
            TRY(IMPORT(s->w->im, IMPORT_MODEL_USE, sql_text(run_id), sql_cstr(uses[u][2]),
                       text(json_at(list, i), "model_id"), num(json_at(list, i), "step")));
    }
    return OK;
}

static str tag_of(const struct json *tags, str key)
{
    for (size_t i = 0; i < json_count(tags); i++)
        if (str_eq(json_str(json_get(json_at(tags, i), "key"), STR_NONE), key))
            return json_str(json_get(json_at(tags, i), "value"), STR_NONE);
    return STR_NONE;
}

static err take_run(struct server *s, void *arg, const struct json *run)
{
    const struct json *info = json_get(run, "info"), *data = json_get(run, "data");
    const struct json *tags = json_get(data, "tags"), *latest = json_get(data, "metrics");
    str run_id = json_str(json_get(info, "run_id"), STR_NONE);
    struct store_value of = sql_text(run_id);
    str name = json_str(json_get(info, "run_name"), STR_NONE);
    (void)arg;
    s->w->done++;
    if (!run_id.len)
        return OK;
    TRY(IMPORT(s->w->im, IMPORT_RUN, of, num(info, "experiment_id"),
               sql_text(name.len ? name : tag_of(tags, STR("mlflow.runName"))),
               text(info, "user_id"), text(info, "status"), deleted(info),
               num_opt(info, "start_time"), num_opt(info, "end_time"), sql_null(),
               sql_text_opt(tag_of(tags, STR("skerry.run_id")))));
    TRY(say_pairs(s, IMPORT_PARAM, of, json_get(data, "params")));
    TRY(say_pairs(s, IMPORT_TAG, of, tags));
    TRY(say_inputs(s, run_id, run));
    for (size_t i = 0; i < json_count(latest); i++)
        TRY(read_history(s, run_id, json_str(json_get(json_at(latest, i), "key"), STR_NONE)));
    struct import_owner owner = { .run_id = run_id };
    TRY(read_files(s, owner, json_str(json_get(info, "artifact_uri"), STR_NONE)));
    return import_step(s->w);
}

static err read_runs_of(struct server *s, int64_t experiment, str token)
{
    char filter[200], place[IMPORT_AFTER_BYTES_MAX], next[IMPORT_AFTER_BYTES_MAX - 32];
    arena keep;
    err e = OK;
    snprintf(next, sizeof next, "%.*s", STR_ARG(token));
    snprintf(filter, sizeof filter,
             "\"experiment_ids\":[\"%lld\"],\"run_view_type\":\"ALL\",\"max_results\":%d,"
             "\"order_by\":[\"attributes.start_time ASC\"]",
             (long long)experiment, RUNS_PAGE);
    arena_init(&keep, PAGE_ARENA_BYTES);
    do {
        const struct json *reply = NULL;
        struct pages page = { .list = "runs", .take = take_run };
        e = search(s, "/api/2.0/mlflow/runs/search", filter, str_of(next), &keep, &reply);
        if (!e.code)
            e = take_page(s, &page, reply);
        str token_next = json_str(json_get(reply, "next_page_token"), STR_NONE);
        snprintf(next, sizeof next, "%.*s", STR_ARG(str_sub(token_next, 0, sizeof next - 1)));
        snprintf(place, sizeof place, "%lld %s", (long long)experiment, next[0] ? next : "end");
        if (!e.code)
            e = import_place(s->w->im, STAGE_RUNS, str_of(place));
        arena_reset(&keep);
    } while (!e.code && next[0]);
    arena_deinit(&keep);
    return e;
}

static err read_runs(struct server *s)
{
    char place[IMPORT_AFTER_BYTES_MAX];
    snprintf(place, sizeof place, "%.*s", STR_ARG(import_after(s->w->im)));
    str token = str_of(place), number_text = str_split(&token, ' ');
    int64_t first = INT64_MIN;
    if (number_text.len)
        TRY(str_to_i64(number_text, &first));
    for (size_t i = 0; i < s->experiment_count; i++) {
        bool is_first = s->experiments[i] == first;
        if (s->experiments[i] < first || (is_first && str_eq(token, STR("end"))))
            continue;
        TRY(read_runs_of(s, s->experiments[i], is_first ? token : STR_NONE));
    }
    return import_place(s->w->im, STAGE_MODELS, STR(""));
}

/* ------------------------------------------------------------------ logged models, traces */

static err take_logged(struct server *s, void *arg, const struct json *model)
{
    const struct json *info = json_get(model, "info"), *data = json_get(model, "data");
    const struct json *metrics = json_get(data, "metrics");
    struct store_value of = text(info, "model_id");
    char below[256];
    (void)arg;
    TRY(IMPORT(s->w->im, IMPORT_LOGGED_MODEL, of, num(info, "experiment_id"), text(info, "name"),
               num(info, "creation_timestamp_ms"), num(info, "last_updated_timestamp_ms"),
               text(info, "status"), text_opt(info, "status_message"), text_opt(info, "model_type"),
               text_opt(info, "source_run_id"), sql_int(0)));
    TRY(say_pairs(s, IMPORT_LOGGED_PARAM, of, json_get(data, "params")));
    TRY(say_pairs(s, IMPORT_LOGGED_TAG, of, json_get(info, "tags")));
    for (size_t i = 0; i < json_count(metrics); i++) {
        const struct json *m = json_at(metrics, i), *value = json_get(m, "value");
        TRY(IMPORT(s->w->im, IMPORT_LOGGED_METRIC, of, text(m, "key"), num(m, "timestamp"),
                   num(m, "step"), text(m, "run_id"), real(value), sql_int(is_nan(value)),
                   text_opt(m, "dataset_name"), text_opt(m, "dataset_digest")));
    }
    snprintf(below, sizeof below, "models/%.*s/artifacts", STR_ARG(str_sub(of.bytes, 0, 200)));
    struct import_owner owner = { .experiment = number(json_get(info, "experiment_id")),
                                  .below = str_of(below) };
    return read_files(s, owner, json_str(json_get(info, "artifact_uri"), STR_NONE));
}

/* "1.5s" as ms */
static struct store_value duration(const struct json *node)
{
    double seconds;
    str all = json_str(node, STR_NONE);
    if (!str_ends(all, STR("s")) || str_to_f64(str_sub(all, 0, all.len - 1), &seconds).code)
        return sql_null();
    return sql_int((int64_t)(seconds * 1000 + 0.5));
}

static err take_trace(struct server *s, void *arg, const struct json *t)
{
    const int64_t *experiment = arg;
    struct store_value of = text(t, "trace_id");
    int64_t at_ms = 0;
    char below[256];
    if (clock_parse(json_str(json_get(t, "request_time"), STR_NONE), &at_ms).code)
        at_ms = 0;
    TRY(IMPORT(s->w->im, IMPORT_TRACE, of, sql_int(*experiment), sql_int(at_ms),
               duration(json_get(t, "execution_duration")), text(t, "state"),
               text_opt(t, "client_request_id"), text_opt(t, "request_preview"),
               text_opt(t, "response_preview")));
    TRY(say_members(s, IMPORT_TRACE_TAG, of, json_get(t, "tags")));
    TRY(say_members(s, IMPORT_TRACE_METADATA, of, json_get(t, "trace_metadata")));
    str uri = json_str(json_get(json_get(t, "tags"), "mlflow.artifactLocation"), STR_NONE);
    if (str_eq(json_str(json_get(json_get(t, "tags"), "mlflow.trace.spansLocation"), STR_NONE),
               STR("TRACKING_STORE")))
        import_pass_over(s->w, of.bytes,
                         "spans are not asked for over REST: import the SQLite "
                         "file");
    snprintf(below, sizeof below, "traces/%.*s/artifacts", STR_ARG(str_sub(of.bytes, 0, 200)));
    struct import_owner owner = { .experiment = *experiment, .below = str_of(below) };
    return uri.len ? read_files(s, owner, uri) : OK;
}

/* Does this server have that? MLflow 2 has no logged models, and another search for traces. */
static err has_route(struct server *s, const char *path, const char *filter, bool *ret_has)
{
    arena keep;
    const struct json *reply;
    arena_init(&keep, PAGE_ARENA_BYTES);
    err e = search(s, path, filter, STR_NONE, &keep, &reply);
    arena_deinit(&keep);
    *ret_has = !e.code;
    return e.code == ERR_NOT_FOUND || e.code == ERR_INVALID ||
                   (e.code == ERR_UPSTREAM && str_contains(str_of(e.msg), STR("answered")))
               ? OK
               : e;
}

static err read_models(struct server *s)
{
    static const char path[] = "/api/2.0/mlflow/logged-models/search";
    static const char traces[] = "/api/3.0/mlflow/traces/search";
    char filter[160], place[24];
    int64_t first;
    if (str_to_i64(import_after(s->w->im), &first).code)
        first = INT64_MIN;
    for (size_t i = 0; i < s->experiment_count; i++) {
        int64_t id = s->experiments[i];
        bool has_models, has_traces;
        if (id <= first)
            continue;
        snprintf(filter, sizeof filter, "\"experiment_ids\":[\"%lld\"],\"max_results\":50",
                 (long long)id);
        TRY(has_route(s, path, filter, &has_models));
        if (has_models)
            TRY(each_item(
                s, &(struct pages){
                       .path = path, .filter = filter, .list = "models", .take = take_logged }));
        snprintf(filter, sizeof filter,
                 "\"locations\":[{\"type\":\"MLFLOW_EXPERIMENT\",\"mlflow_experiment\":"
                 "{\"experiment_id\":\"%lld\"}}],\"max_results\":100",
                 (long long)id);
        TRY(has_route(s, traces, filter, &has_traces));
        if (has_traces)
            TRY(each_item(s, &(struct pages){ .path = traces,
                                              .filter = filter,
                                              .list = "traces",
                                              .take = take_trace,
                                              .arg = &id }));
        snprintf(place, sizeof place, "%lld", (long long)id);
        TRY(import_place(s->w->im, STAGE_MODELS, str_of(place)));
        TRY(import_step(s->w));
    }
    return import_place(s->w->im, STAGE_REGISTRY, STR(""));
}

/* ------------------------------------------------------------------ the registry */

static err take_version(struct server *s, void *arg, const struct json *v)
{
    (void)arg;
    TRY(IMPORT(s->w->im, IMPORT_VERSION, text(v, "name"), num(v, "version"),
               text(v, "current_stage"), text(v, "status"), text_opt(v, "status_message"),
               text_opt(v, "description"), text_opt(v, "user_id"), text_opt(v, "source"),
               text_opt(v, "run_id"), text_opt(v, "run_link"), num(v, "creation_timestamp"),
               num(v, "last_updated_timestamp")));
    const struct json *tags = json_get(v, "tags");
    for (size_t i = 0; i < json_count(tags); i++)
        TRY(IMPORT(s->w->im, IMPORT_VERSION_TAG, text(v, "name"), num(v, "version"),
                   text(json_at(tags, i), "key"), text(json_at(tags, i), "value")));
    return OK;
}

/* Prompts are registered models that searches leave out unless they are asked for. */
#define PROMPT_TAG "tags.%60mlflow.prompt.is_prompt%60%20%3D%20%27true%27"

static bool is_prompt(const struct json *model)
{
    return str_eq(tag_of(json_get(model, "tags"), STR("mlflow.prompt.is_prompt")), STR("true"));
}

static err read_versions(struct server *s, str name, bool of_prompt)
{
    const char *quote = str_find_char(name, '\'') >= 0 ? "%22" : "%27";
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_cstr(&path, "/api/2.0/mlflow/model-versions/search?max_results=200&filter=name%3D");
    buf_add_cstr(&path, quote);
    net_api_escape(&path, name, false);
    buf_add_cstr(&path, quote);
    if (of_prompt)
        buf_add_cstr(&path, "%20AND%20" PROMPT_TAG);
    err e = buf_check(&path);
    if (!e.code)
        e = each_item(
            s, &(struct pages){ .path = path.ptr, .list = "model_versions", .take = take_version });
    buf_deinit(&path);
    return e;
}

static err take_registered(struct server *s, void *arg, const struct json *m)
{
    str name = json_str(json_get(m, "name"), STR_NONE);
    const bool *wants_prompts = arg;
    if (is_prompt(m) != *wants_prompts)
        return OK;
    TRY(IMPORT(s->w->im, IMPORT_MODEL, sql_text(name), text_opt(m, "description"),
               num(m, "creation_timestamp"), num(m, "last_updated_timestamp")));
    TRY(say_pairs(s, IMPORT_MODEL_TAG, sql_text(name), json_get(m, "tags")));
    TRY(read_versions(s, name, *wants_prompts));
    const struct json *aliases = json_get(m, "aliases");
    for (size_t i = 0; i < json_count(aliases); i++)
        TRY(IMPORT(s->w->im, IMPORT_ALIAS, sql_text(name), text(json_at(aliases, i), "alias"),
                   num(json_at(aliases, i), "version")));
    return import_step(s->w);
}

static err read_registry(struct server *s, bool wants_prompts)
{
    return each_item(s, &(struct pages){ .path = wants_prompts
                                                     ? "/api/2.0/mlflow/registered-models/search"
                                                       "?max_results=100&filter=" PROMPT_TAG
                                                     : "/api/2.0/mlflow/registered-models/search"
                                                       "?max_results=100",
                                         .list = "registered_models",
                                         .take = take_registered,
                                         .arg = &wants_prompts });
}

/* ------------------------------------------------------------------ all of it */

static err read_all(struct server *s)
{
    TRY(read_experiments(s));
    if (import_stage(s->w->im) <= STAGE_RUNS)
        TRY(read_runs(s));
    TRY(import_flush(s->w->im));
    if (import_stage(s->w->im) <= STAGE_MODELS)
        TRY(read_models(s));
    TRY(read_registry(s, false));
    return read_registry(s, true);
}

err import_from_server(struct import_work *w, const char *token)
{
    struct server s = { .w = w };
    TRY(net_api_open(&(struct net_api_options){ .url = w->source, .token = token }, &s.api));
    err e = read_all(&s);
    net_api_close(s.api);
    return e;
}
