/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trace_stats.c -- numbers about many traces: how two filters go together. */
#include <math.h>

#include "apps/mlflow/search.h"
#include "platform/app/app.h"

struct together {
    struct track *track;
    arena *keep;
    struct search_spec spec;
    str filters[2], base;
    /* results */
    int64_t each[2], both, all;
};

/* The traces that fulfil all three; an empty filter is none. */
static err count(struct together *c, str first, str second, str third, int64_t *ret_count)
{
    const str parts[] = { first, second, third };
    struct buf text;
    buf_init(&text, 3 * SEARCH_TEXT_BYTES_MAX + 64);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].len == 0)
            continue;
        buf_add_cstr(&text, text.len ? " AND " : "");
        buf_add(&text, parts[i]);
    }
    c->spec.filter = buf_str(&text);
    err e = buf_check(&text);
    if (!e.code)
        e = search_count_traces(c->track, &c->spec, c->keep, ret_count);
    buf_deinit(&text);
    return e;
}

static err counts_fn(void *arg)
{
    struct together *c = arg;
    for (size_t i = 0; i < 2; i++)
        TRY(count(c, c->base, c->filters[i], STR_NONE, &c->each[i]));
    TRY(count(c, c->base, c->filters[0], c->filters[1], &c->both));
    return count(c, c->base, STR_NONE, STR_NONE, &c->all);
}

/* Normalized pointwise mutual information, -1 (never together) to 1 (always): how much likelier
 * `both` is than chance would have it, in units of how surprising `both` is. `prior` is added to
 * each of the four cells (both, one only, the other only, neither). NaN where it says nothing. */
static double npmi(const struct together *c, double prior)
{
    double both = (double)c->both + prior, one = (double)c->each[0] + 2 * prior;
    double other = (double)c->each[1] + 2 * prior, all = (double)c->all + 4 * prior;
    if (c->each[0] == 0 || c->each[1] == 0)
        return NAN;
    if (c->both == c->all) /* nothing is surprising about it */
        return 1;
    if (both <= 0)
        return -1;
    double value = log(both * all / (one * other)) / log(all / both);
    return fmax(-1, fmin(1, value));
}

err mlflow_traces_correlation(struct http_request *rq, struct http_reply *rp)
{
    /* Of Jeffreys: keeps what few traces say from looking certain. */
    const double prior = 0.5;
    struct wire_args a;
    struct together c = { .track = house_track(rq_house(rq)),
                          .keep = http_arena(rq),
                          .spec = { .kind = SEARCH_TRACES } };
    TRY(wire_open(rq, &a));
    if (!wire_has(&a, "experiment_ids"))
        return wire_missing("experiment_ids");
    TRY(search_args_experiments(&a, c.keep, &c.spec));
    TRY(wire_need_str(&a, "filter_string1", &c.filters[0]));
    TRY(wire_need_str(&a, "filter_string2", &c.filters[1]));
    TRY(wire_str(&a, "base_filter", &c.base));
    TRY(search_snapshot(c.track, counts_fn, &c));
    double plain = npmi(&c, 0), smooth = npmi(&c, prior);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (!isnan(plain))
        json_kv_real(w, "npmi", plain);
    if (!isnan(smooth))
        json_kv_real(w, "npmi_smoothed", smooth);
    json_kv_int(w, "filter1_count", c.each[0]);
    json_kv_int(w, "filter2_count", c.each[1]);
    json_kv_int(w, "joint_count", c.both);
    json_kv_int(w, "total_count", c.all);
    json_object_end(w);
    return OK;
}
