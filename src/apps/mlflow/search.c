/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search.c -- /mlflow/runs/search, experiments/search: handlers, and what searches share. */
#include "apps/mlflow/search.h"

#include <stdio.h>

#include "platform/track/client_runs.h"

enum {
    RUNS_MAX = 50000, /* of max_results, as MLflow */
    RUNS_DEFAULT = 1000,
    RUNS_PAGE_MAX = 1000, /* and what a page really holds at most */
    EXPERIMENTS_RESULTS_MAX = 50000,
    EXPERIMENTS_PAGE_MAX = 1000,
    /* Things of a group: few, so that their memory is used again for the next. */
    GROUP = 50,
    /* A reply holds 16 MiB. A page ends behind the group that reached this. */
    PAGE_BYTES = 6 * 1024 * 1024,
    GROUP_BYTES_MAX = 16 * 1024 * 1024,
};

/* ------------------------------------------------------------------ what searches share */

/* max_results as `limit`: 1 to max, and no more than a page holds. */
static err limit_read(const struct wire_args *a, int64_t max, int64_t page_max, int64_t *limit)
{
    char given[32];
    TRY(wire_int(a, "max_results", limit));
    snprintf(given, sizeof given, "%lld", (long long)*limit);
    if (*limit < 1)
        return ERR(ERR_INVALID,
                   "Invalid value %s for parameter 'max_results' supplied. It must be a positive"
                   " integer",
                   given);
    const char *quote = a->rq ? "\"" : "";
    if (*limit > max)
        return ERR(ERR_INVALID,
                   "Invalid value %s%s%s for parameter 'max_results' supplied:  Hint: Value was of"
                   " type '%s'. See the API docs for more information about request parameters.",
                   quote, given, quote, a->rq ? "str" : "int");
    if (*limit > page_max)
        *limit = page_max;
    return OK;
}

err search_args(const struct wire_args *a, arena *keep, int64_t results_max, int64_t page_max,
                struct search_spec *spec)
{
    str *orders;
    TRY(limit_read(a, results_max, page_max, &spec->limit));
    TRY(wire_str(a, "filter", &spec->filter));
    TRY(wire_str(a, "page_token", &spec->page_token));
    if (spec->kind == SEARCH_LOGGED_MODELS) /* objects */
        return OK;
    TRY(wire_strs(a, "order_by", SEARCH_ORDERS_MAX, keep, &orders, &spec->order_count));
    spec->order_by = orders;
    return OK;
}

err search_args_experiments(const struct wire_args *a, arena *keep, struct search_spec *spec)
{
    str *texts;
    size_t count;
    TRY(wire_strs(a, "experiment_ids", SEARCH_EXPERIMENTS_MAX, keep, &texts, &count));
    int64_t *ids = NEW_ARRAY(keep, int64_t, count + 1);
    ARENA_TRY(ids);
    for (size_t i = 0; i < count; i++)
        if (!str_to_i64(texts[i], &ids[spec->experiment_count]).code)
            spec->experiment_count++;
    spec->experiment_ids = ids;
    return OK;
}

/* Fewer at a time when they need too much memory. */
static err group_write(struct search_reply *r, const struct search_hit *hits, size_t count)
{
    arena memory;
    size_t before = r->w->buf->len;
    arena_init(&memory, GROUP_BYTES_MAX);
    err e = r->write(r->track, hits, count, &memory, r->w);
    arena_deinit(&memory);
    if (e.code != ERR_NO_MEMORY || count == 1 || r->w->buf->len != before)
        return e;
    TRY(group_write(r, hits, count / 2));
    return group_write(r, hits + count / 2, count - count / 2);
}

static err answer_fn(void *arg)
{
    struct search_reply *r = arg;
    struct search_page page;
    size_t shown = 0;
    str token;
    TRY(search_run(r->track, r->spec, r->keep, &page));
    json_object_begin(r->w);
    if (page.count) {
        json_key(r->w, r->list);
        json_array_begin(r->w);
        while (shown < page.count && r->w->buf->len < PAGE_BYTES) {
            size_t count = page.count - shown < GROUP ? page.count - shown : GROUP;
            TRY(group_write(r, page.hits + shown, count));
            shown += count;
        }
        json_array_end(r->w);
    }
    if (shown < page.count || page.is_more) {
        TRY(search_token(r->spec, &page, shown - 1, r->keep, &token));
        json_kv_str(r->w, "next_page_token", token);
    }
    json_object_end(r->w);
    return OK;
}

err search_answer(struct http_request *rq, struct http_reply *rp, struct search_reply *r)
{
    r->track = house_track(rq_house(rq));
    r->keep = http_arena(rq);
    r->w = http_json(rp);
    return search_snapshot(r->track, answer_fn, r);
}

/* ACTIVE_ONLY when it is absent or unknown, as MLflow has it. */
static enum search_view view_of(const struct wire_args *a, const char *name)
{
    int64_t number = 0;
    str text = STR_NONE;
    if (!wire_int(a, name, &number).code && number >= 1 && number <= 3)
        return number == 1 ? SEARCH_ACTIVE : number == 2 ? SEARCH_DELETED : SEARCH_ALL;
    if (wire_str(a, name, &text).code)
        return SEARCH_ACTIVE;
    if (str_eq(text, STR("DELETED_ONLY")))
        return SEARCH_DELETED;
    return str_eq(text, STR("ALL")) ? SEARCH_ALL : SEARCH_ACTIVE;
}

/* ------------------------------------------------------------------ runs */

static err runs_write(struct track *t, const struct search_hit *hits, size_t count, arena *memory,
                      struct json_out *w)
{
    struct client_run *runs;
    str *ids = NEW_ARRAY(memory, str, count);
    ARENA_TRY(ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = hits[i].id;
    TRY(client_runs_read(t, ids, count, memory, &runs));
    for (size_t i = 0; i < count; i++)
        mlflow_write_run(w, &runs[i]);
    return OK;
}

err mlflow_search_runs(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_RUNS, .limit = RUNS_DEFAULT };
    TRY(wire_open(rq, &a));
    TRY(search_args(&a, http_arena(rq), RUNS_MAX, RUNS_PAGE_MAX, &spec));
    TRY(search_args_experiments(&a, http_arena(rq), &spec));
    spec.view = view_of(&a, "run_view_type");
    return search_answer(
        rq, rp, &(struct search_reply){ .spec = &spec, .list = "runs", .write = runs_write });
}

/* ------------------------------------------------------------------ experiments */

static err experiments_write(struct track *t, const struct search_hit *hits, size_t count,
                             arena *memory, struct json_out *w)
{
    struct experiment_info *infos;
    size_t found;
    int64_t *ids = NEW_ARRAY(memory, int64_t, count);
    ARENA_TRY(ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = hits[i].number;
    TRY(experiments_read(t, ids, count, memory, &infos, &found));
    for (size_t i = 0; i < found; i++)
        mlflow_write_experiment(w, &infos[i]);
    return OK;
}

err mlflow_search_experiments(struct http_request *rq, struct http_reply *rp)
{
    struct wire_args a;
    struct search_spec spec = { .kind = SEARCH_EXPERIMENTS };
    TRY(wire_open(rq, &a));
    TRY(search_args(&a, http_arena(rq), EXPERIMENTS_RESULTS_MAX, EXPERIMENTS_PAGE_MAX, &spec));
    spec.view = view_of(&a, "view_type");
    return search_answer(
        rq, rp,
        &(struct search_reply){ .spec = &spec, .list = "experiments", .write = experiments_write });
}
