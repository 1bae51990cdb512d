/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source_house.c -- our own samples and log lines as a source of queries.
 *
 * The history keeps a value once and how long it held; a query language wants a sample at each
 * round of sampling, so they are laid out again here, one series at a time. The newest value comes
 * from the live registry, so that what was counted a second ago is seen.
 *
 * One series is made up: up{job="skerry"}, 1 while a process was there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/query/query_internal.h"
#include "platform/track/track.h"

enum {
    LIVE_MAX = 16384,
    SCRATCH_BYTES_MAX = 32 * 1024 * 1024,
    LABEL_BYTES_MAX = 1024 * 1024,
    /* A question about "now" is that much old when it is looked at: its sender's now. */
    LIVE_SLACK_MS = 1000,
};

/* ------------------------------------------------------------------ the live registry */

struct live {
    str name, labels;
    double value;
    bool used;
};
struct lives {
    arena memory;
    struct live *items;
    size_t count;
    struct map by_name; /* name NUL labels -> index */
};

static str series_key(arena *keep, str name, str labels)
{
    return arena_fmt(keep, "%.*s%c%.*s", STR_ARG(name), 0, STR_ARG(labels));
}

static void live_take(void *arg, const char *name, str labels, double value)
{
    struct lives *l = arg;
    if (l->count == LIVE_MAX)
        return;
    l->items[l->count++] = (struct live){ arena_str(&l->memory, str_of(name)),
                                          arena_str(&l->memory, labels), value, false };
}

static err lives_open(struct lives *l, struct metrics *metrics)
{
    *l = (struct lives){ 0 };
    arena_init(&l->memory, SCRATCH_BYTES_MAX);
    map_init(&l->by_name, LIVE_MAX);
    l->items = NEW_ARRAY(&l->memory, struct live, LIVE_MAX);
    ARENA_TRY(l->items);
    if (metrics)
        metrics_each(metrics, live_take, l);
    for (size_t i = 0; i < l->count; i++) {
        union map_value *slot;
        bool is_new;
        str key = series_key(&l->memory, l->items[i].name, l->items[i].labels);
        ARENA_TRY(key.ptr);
        TRY(map_put(&l->by_name, key, &slot, &is_new));
        slot->num = (int64_t)i;
    }
    return arena_check(&l->memory);
}

static void lives_close(struct lives *l)
{
    map_deinit(&l->by_name);
    arena_deinit(&l->memory);
}

/* ------------------------------------------------------------------ samples */

struct reading {
    const struct query_selector *selector;
    int64_t from_ms, to_ms, now_ms;
    struct lives lives;
    arena wants_memory, memory; /* of one candidate, of one series */
    struct query_point *points;
    size_t count, room;
    query_series_fn each;
    void *each_arg;
};

static bool selector_wants(struct reading *r, str name, str labels)
{
    struct labels set;
    err e = labels_parse(&r->wants_memory, name, labels, &set);
    bool wants = !e.code && query_selector_matches(r->selector, set);
    arena_reset(&r->wants_memory);
    return wants;
}

static bool reading_wants(void *arg, str name, str labels)
{
    return selector_wants(arg, name, labels);
}

static err point_add(struct reading *r, int64_t ts_ms, double value)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 1024;
        struct query_point *points = NEW_ARRAY(&r->memory, struct query_point, room);
        ARENA_TRY(points);
        if (r->count)
            memcpy(points, r->points, r->count * sizeof *points);
        r->points = points;
        r->room = room;
    }
    r->points[r->count++] = (struct query_point){ ts_ms, value };
    return OK;
}

/* A sample at each round of the span that lies in the time asked for. */
static err span_add(struct reading *r, const struct history_span *span)
{
    int64_t every_ms = span->every_ms > 0 ? span->every_ms : 1;
    int64_t ts_ms = span->from_ms;
    if (ts_ms <= r->from_ms)
        ts_ms += (r->from_ms - ts_ms) / every_ms * every_ms + every_ms;
    double value = isnan(span->value) ? query_absent() : span->value;
    for (; ts_ms <= span->until_ms && ts_ms <= r->to_ms; ts_ms += every_ms)
        TRY(point_add(r, ts_ms, value));
    return OK;
}

static void reading_reset(struct reading *r)
{
    arena_reset(&r->memory);
    r->points = NULL;
    r->count = r->room = 0;
}

static err reading_give(struct reading *r, str name, str labels)
{
    struct labels set;
    if (r->count) {
        TRY(labels_parse(&r->memory, name, labels, &set));
        TRY(r->each(r->each_arg, set, r->points, r->count));
    }
    reading_reset(r);
    return OK;
}

static err live_add(struct reading *r, struct live *live)
{
    live->used = true;
    if (r->now_ms <= r->from_ms || isnan(live->value) ||
        (r->count && r->points[r->count - 1].ts_ms >= r->now_ms))
        return OK;
    return point_add(r, r->now_ms, live->value);
}

static err reading_each(void *arg, str name, str labels, const struct history_span *spans,
                        size_t count)
{
    struct reading *r = arg;
    for (size_t i = 0; i < count; i++)
        TRY(span_add(r, &spans[i]));
    str key = series_key(&r->memory, name, labels);
    ARENA_TRY(key.ptr);
    const union map_value *slot = map_find(&r->lives.by_name, key);
    if (slot)
        TRY(live_add(r, &r->lives.items[slot->num]));
    return reading_give(r, name, labels);
}

/* Series so new that no round of sampling has seen them. */
static err read_unseen(struct reading *r)
{
    for (size_t i = 0; i < r->lives.count; i++) {
        struct live *live = &r->lives.items[i];
        if (live->used || !selector_wants(r, live->name, live->labels))
            continue;
        TRY(live_add(r, live));
        TRY(reading_give(r, live->name, live->labels));
    }
    return OK;
}

static err read_up(struct reading *r, struct history *history)
{
    str name = STR("up"), labels = STR("job=\"skerry\"");
    struct history_span *spans;
    size_t count;
    if (!selector_wants(r, name, labels))
        return OK;
    TRY(history_uptime(history, r->from_ms, r->to_ms, &r->memory, &spans, &count));
    for (size_t i = 0; i < count; i++)
        TRY(span_add(r, &spans[i]));
    return reading_give(r, name, labels);
}

static err house_series(void *arg, const struct query_selector *selector, int64_t from_ms,
                        int64_t to_ms, query_series_fn each, void *each_arg)
{
    const struct query_house *house = arg;
    int64_t now_ms = clock_wall_ms();
    bool is_now = to_ms >= now_ms - LIVE_SLACK_MS;
    struct reading r = { .selector = selector,
                         .from_ms = from_ms,
                         .to_ms = to_ms,
                         .now_ms = to_ms < now_ms ? to_ms : now_ms,
                         .each = each,
                         .each_arg = each_arg };
    struct history_selection selection = { .name = query_selector_name(selector),
                                           .from_ms = from_ms,
                                           .to_ms = to_ms,
                                           .wants = reading_wants,
                                           .each = reading_each,
                                           .arg = &r };
    arena_init(&r.memory, SCRATCH_BYTES_MAX);
    arena_init(&r.wants_memory, LABEL_BYTES_MAX);
    err e = lives_open(&r.lives, is_now ? house->metrics : NULL);
    if (!e.code)
        e = history_select(house->history, &selection);
    if (!e.code)
        e = read_unseen(&r);
    if (!e.code)
        e = read_up(&r, house->history);
    lives_close(&r.lives);
    arena_deinit(&r.wants_memory);
    arena_deinit(&r.memory);
    return e;
}

/* ------------------------------------------------------------------ log lines */

const char *const query_log_labels[] = { "component", "dataset_id", "event",    "level",
                                         "model_id",  "run_id",     "username", NULL };

struct tailing {
    const struct query_selector *selector;
    arena memory;
    query_line_fn each;
    void *each_arg;
};

/* The text between the quotes of a JSON string. */
static str unescaped(arena *keep, str text)
{
    const struct json *node;
    if (str_find_char(text, '\\') < 0)
        return text;
    err e = json_parse(keep, arena_fmt(keep, "[\"%.*s\"]", STR_ARG(text)), &node);
    return e.code ? text : json_str(json_at(node, 0), text);
}

static err line_seen(void *arg, const struct log_seen *seen, bool *ret_stop)
{
    struct tailing *t = arg;
    const struct label pairs[] = {
        { STR("component"), unescaped(&t->memory, seen->component) },
        { STR("dataset_id"), unescaped(&t->memory, seen->dataset_id) },
        { STR("event"), unescaped(&t->memory, seen->event) },
        { STR("level"), str_of(log_level_name(seen->level)) },
        { STR("model_id"), unescaped(&t->memory, seen->model_id) },
        { STR("run_id"), unescaped(&t->memory, seen->run_id) },
        { STR("username"), unescaped(&t->memory, seen->username) },
    };
    struct labels stream;
    err e = labels_make(&t->memory, pairs, COUNT_OF(pairs), &stream);
    if (!e.code && query_selector_matches(t->selector, stream))
        e = t->each(t->each_arg, stream, seen->json, seen->ts_ms, ret_stop);
    arena_reset(&t->memory);
    return e;
}

static err house_lines(void *arg, const struct query_selector *selector, str must_contain,
                       int64_t from_ms, int64_t to_ms, bool oldest_first, query_line_fn each,
                       void *each_arg)
{
    const struct query_house *house = arg;
    struct tailing t = { .selector = selector, .each = each, .each_arg = each_arg };
    struct log_query q = { .from_ms = from_ms > 0 ? from_ms : 1,
                           .to_ms = to_ms,
                           .component = query_selector_demands(selector, STR("component")),
                           .run_id = query_selector_demands(selector, STR("run_id")),
                           .dataset_id = query_selector_demands(selector, STR("dataset_id")),
                           .model_id = query_selector_demands(selector, STR("model_id")),
                           .username = query_selector_demands(selector, STR("username")),
                           .event = query_selector_demands(selector, STR("event")),
                           .text = must_contain,
                           .oldest_first = oldest_first };
    if (to_ms <= 0) /* 0 would mean an open end */
        return OK;
    err none = log_level_parse(query_selector_demands(selector, STR("level")), &q.level_min);
    (void)none; /* a level that there is not matches no line below */
    arena_init(&t.memory, LABEL_BYTES_MAX);
    err e = log_visit(house->log, &q, line_seen, &t);
    arena_deinit(&t.memory);
    return e;
}

struct query_source query_source_house(struct query_house *house)
{
    return (struct query_source){ .arg = house,
                                  .series = house->history ? house_series : NULL,
                                  .lines = house->log ? house_lines : NULL };
}

/* ------------------------------------------------------------------ which series there are */

struct listing {
    struct query_selector *const *selectors;
    size_t selector_count;
    arena *keep;
    struct labels *list;
    size_t count, room;
    struct map seen;
};

static err listing_add(struct listing *l, str name, str labels)
{
    struct labels set, own;
    union map_value *slot;
    bool is_new;
    arena scratch;
    arena_init(&scratch, LABEL_BYTES_MAX);
    err e = labels_parse(&scratch, name, labels, &set);
    bool wants = l->selector_count == 0;
    for (size_t i = 0; !e.code && !wants && i < l->selector_count; i++)
        wants = query_selector_matches(l->selectors[i], set);
    str key = !e.code && wants ? series_key(l->keep, name, labels) : STR_NONE;
    if (key.ptr && !map_find(&l->seen, key)) {
        e = labels_copy(l->keep, set, &own);
        if (!e.code)
            e = map_put(&l->seen, key, &slot, &is_new);
        if (!e.code && l->count == l->room)
            e = ERR(ERR_TOO_BIG, "more than %zu series: match fewer", l->room);
        if (!e.code)
            l->list[l->count++] = own;
    }
    arena_deinit(&scratch);
    return e;
}

static err listing_history(void *arg, str name, str labels)
{
    return listing_add(arg, name, labels);
}

static int by_labels(const void *a, const void *b)
{
    const struct labels *x = a, *y = b;
    return labels_cmp(*x, *y);
}

err query_series_list(const struct query_house *house, struct query_selector *const *selectors,
                      size_t selector_count, arena *keep, struct labels **ret_list,
                      size_t *ret_count)
{
    struct listing l = {
        .selectors = selectors, .selector_count = selector_count, .keep = keep, .room = 2 * LIVE_MAX
    };
    struct lives lives;
    l.list = NEW_ARRAY(keep, struct labels, l.room);
    ARENA_TRY(l.list);
    map_init(&l.seen, l.room);
    err e = lives_open(&lives, house->metrics);
    if (!e.code)
        e = history_series_each(house->history, listing_history, &l);
    for (size_t i = 0; !e.code && i < lives.count; i++)
        e = listing_add(&l, lives.items[i].name, lives.items[i].labels);
    if (!e.code)
        e = listing_add(&l, STR("up"), STR("job=\"skerry\""));
    lives_close(&lives);
    map_deinit(&l.seen);
    if (e.code)
        return e;
    qsort(l.list, l.count, sizeof *l.list, by_labels);
    *ret_list = l.list;
    *ret_count = l.count;
    return OK;
}

/* ------------------------------------------------------------------ which values a label has */

struct collecting {
    str label;
    arena *keep;
    str *values;
    struct map seen;
};

static err value_collect(void *arg, struct labels stream, str line, int64_t ts_ms, bool *ret_stop)
{
    struct collecting *c = arg;
    str value = labels_get(stream, c->label);
    union map_value *slot;
    bool is_new;
    (void)line, (void)ts_ms;
    if (!value.len || map_find(&c->seen, value))
        return OK;
    str own = arena_str(c->keep, value);
    ARENA_TRY(own.ptr);
    c->values[c->seen.count] = own;
    TRY(map_put(&c->seen, own, &slot, &is_new));
    *ret_stop = c->seen.count == QUERY_SERIES_MAX;
    return OK;
}

static int by_text(const void *a, const void *b)
{
    const str *x = a, *y = b;
    return str_cmp(*x, *y);
}

err query_log_values(const struct query_house *house, str label, int64_t from_ms, int64_t to_ms,
                     arena *keep, str **ret_values, size_t *ret_count)
{
    static const struct query_selector any; /* without matchers */
    struct query_house here = *house;
    struct collecting c = { .label = label, .keep = keep };
    c.values = NEW_ARRAY(keep, str, QUERY_SERIES_MAX);
    ARENA_TRY(c.values);
    map_init(&c.seen, QUERY_SERIES_MAX);
    err e = house_lines(&here, &any, STR_NONE, from_ms, to_ms, false, value_collect, &c);
    size_t count = c.seen.count;
    map_deinit(&c.seen);
    if (e.code)
        return e;
    qsort(c.values, count, sizeof *c.values, by_text);
    *ret_values = c.values;
    *ret_count = count;
    return OK;
}
