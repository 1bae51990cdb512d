/* SPDX-License-Identifier: GPL-3.0-or-later */
/* eval_lines.c -- log lines through the stages of a LogQL query: shown, or counted.
 *
 * A line comes with the labels of its stream. Stages drop it or change its labels; `json` adds the
 * members of the line that are not labels yet, objects inside with their names joined by "_".
 * Counting looks at each line once: it adds to the first moment whose window has it and takes away
 * behind the last one, and a running sum over the moments gives the counts.
 */
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "platform/query/query_internal.h"

enum { LINE_LABELS_MAX = 96, JSON_NESTING_MAX = 3, SCRATCH_BYTES_MAX = 8 * 1024 * 1024 };

struct scanner {
    struct eval *ev;
    const struct pipeline *pipeline;
    const struct label_list *by; /* what is kept (or dropped) of the labels; NULL: all are kept */
    bool without;
    arena scratch; /* of one line */
    struct label labels[LINE_LABELS_MAX];
    size_t count;
    size_t seen;
    struct map groups; /* labels -> number; keys live in ev->keep */

    /* counting */
    bool counts_bytes;
    int64_t first_ms, range_ms; /* the first moment, offset taken off */
    struct value *value;

    /* showing */
    struct query_stream *streams;
    size_t stream_count;
    struct shown *shown;
    size_t shown_count, limit;
};
struct shown {
    struct query_line line;
    size_t stream;
};

/* ------------------------------------------------------------------ one line */

static struct label *label_of(struct scanner *s, str name)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->labels[i].name, name))
            return &s->labels[i];
    return NULL;
}

static str label_name_of(struct scanner *s, str prefix, str key)
{
    str name = prefix.len ? arena_fmt(&s->scratch, "%.*s_%.*s", STR_ARG(prefix), STR_ARG(key))
                          : arena_str(&s->scratch, key);
    char *c = (char *)(uintptr_t)name.ptr; /* ours, just made */
    for (size_t i = 0; c && i < name.len; i++)
        if (!((c[i] >= 'a' && c[i] <= 'z') || (c[i] >= 'A' && c[i] <= 'Z') ||
              (c[i] >= '0' && c[i] <= '9')))
            c[i] = '_';
    return name;
}

static str real_text(struct scanner *s, double value)
{
    struct buf text;
    buf_init(&text, 64);
    buf_add_f64(&text, value);
    str copy = arena_str(&s->scratch, buf_str(&text));
    buf_deinit(&text);
    return copy;
}

static str scalar_text(struct scanner *s, const struct json *node)
{
    switch (json_kind(node)) {
    case JSON_IS_STR:
        return json_str(node, STR_NONE);
    case JSON_IS_BOOL:
        return json_bool(node, false) ? STR("true") : STR("false");
    case JSON_IS_INT:
        return arena_fmt(&s->scratch, "%lld", (long long)json_int(node, 0));
    case JSON_IS_REAL:
        return real_text(s, json_num(node, 0));
    case JSON_IS_NONE:
    case JSON_IS_NULL:
    case JSON_IS_ARRAY:
    case JSON_IS_OBJECT:
        break;
    }
    return STR_NONE;
}

static void json_labels(struct scanner *s, const struct json *object, str prefix, int depth)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(object, &iter, &key, &value)) {
        str name = label_name_of(s, prefix, key);
        if (json_kind(value) == JSON_IS_OBJECT && depth < JSON_NESTING_MAX) {
            json_labels(s, value, name, depth + 1);
            continue;
        }
        str text = scalar_text(s, value);
        if (text.len && name.len && s->count < LINE_LABELS_MAX && !label_of(s, name))
            s->labels[s->count++] = (struct label){ name, text };
    }
}

static bool compare(str sign, double a, double b)
{
    if (str_eq(sign, STR("<")))
        return a < b;
    if (str_eq(sign, STR("<=")))
        return a <= b;
    if (str_eq(sign, STR(">")))
        return a > b;
    if (str_eq(sign, STR(">=")))
        return a >= b;
    return str_eq(sign, STR("!=")) ? a != b : a == b;
}

/* A label that is not there compares as the empty text, and with no number. */
static bool label_passes(struct scanner *s, const struct stage *stage)
{
    const struct label *label = label_of(s, stage->matcher.name);
    str value = label ? label->value : STR_NONE;
    if (stage->compare) {
        double number;
        err e = str_to_f64(value, &number);
        return !e.code && compare(stage->compare->text, number, stage->number);
    }
    struct query_selector one = { .matchers = { stage->matcher }, .count = 1 };
    struct label named = { stage->matcher.name, value };
    return query_selector_matches(&one, (struct labels){ &named, 1 });
}

static bool stage_passes(struct scanner *s, const struct stage *stage, str line)
{
    const struct json *root;
    size_t kept = 0;
    err e;
    switch (stage->kind) {
    case STAGE_CONTAINS:
        return str_contains(line, stage->text) != stage->negated;
    case STAGE_PATTERN:
        return pattern_finds(stage->pattern, line) != stage->negated;
    case STAGE_LABEL:
        return label_passes(s, stage);
    case STAGE_JSON:
        e = json_parse(&s->scratch, line, &root);
        if (!e.code)
            json_labels(s, root, STR_NONE, 0);
        return true;
    case STAGE_DROP:
        for (size_t i = 0; i < s->count; i++) {
            bool is_named = false;
            for (size_t k = 0; !is_named && k < stage->name_count; k++)
                is_named = str_eq(s->labels[i].name, stage->names[k]);
            if (!is_named)
                s->labels[kept++] = s->labels[i];
        }
        s->count = kept;
        return true;
    }
    return false;
}

/* Takes the line through all stages; s->labels are its labels then. */
static bool line_passes(struct scanner *s, struct labels stream, str line)
{
    s->count = 0;
    for (size_t i = 0; i < stream.count && s->count < LINE_LABELS_MAX; i++)
        s->labels[s->count++] = stream.items[i];
    for (size_t i = 0; i < s->pipeline->count; i++)
        if (!stage_passes(s, &s->pipeline->stages[i], line))
            return false;
    return true;
}

/* The number of the line's label set; new ones are kept. */
static err group_of(struct scanner *s, size_t *ret_group, bool *ret_is_new,
                    struct labels *ret_labels)
{
    struct labels labels;
    union map_value *slot;
    TRY(labels_make(&s->scratch, s->labels, s->count, &labels));
    if (s->by)
        TRY(labels_filter(&s->scratch, labels, s->by, s->without, false, &labels));
    str key = labels_key(&s->scratch, labels);
    ARENA_TRY(key.ptr);
    slot = map_find(&s->groups, key);
    *ret_is_new = !slot;
    if (slot) {
        *ret_group = (size_t)slot->num;
        return OK;
    }
    if (s->groups.count == QUERY_SERIES_MAX)
        return ERR(ERR_TOO_BIG,
                   "the lines have more than %d different label sets: match fewer lines, or sum "
                   "by (label) over them",
                   QUERY_SERIES_MAX);
    key = arena_str(s->ev->keep, key);
    ARENA_TRY(key.ptr);
    TRY(labels_copy(s->ev->keep, labels, ret_labels));
    bool is_new;
    TRY(map_put(&s->groups, key, &slot, &is_new));
    slot->num = (int64_t)s->groups.count - 1;
    *ret_group = (size_t)slot->num;
    return OK;
}

static err line_count(struct scanner *s, int64_t ts_ms, size_t bytes);
static err line_show(struct scanner *s, str line, int64_t ts_ms, bool *ret_stop);

static err line_each(void *arg, struct labels stream, str line, int64_t ts_ms, bool *ret_stop)
{
    struct scanner *s = arg;
    if (s->seen++ % 256 == 0)
        TRY(eval_check(s->ev));
    err e = OK;
    if (line_passes(s, stream, line))
        e = s->value ? line_count(s, ts_ms, line.len) : line_show(s, line, ts_ms, ret_stop);
    e = err_first(e, arena_check(&s->scratch));
    arena_reset(&s->scratch);
    return e;
}

/* A text that every line must have as it stands in the file: it lets windows of the log be passed
 * over. */
static str must_contain(const struct pipeline *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct stage *stage = &p->stages[i];
        bool is_plain = stage->kind == STAGE_CONTAINS && !stage->negated && stage->text.len > 0;
        for (size_t k = 0; is_plain && k < stage->text.len; k++) {
            unsigned char c = (unsigned char)stage->text.ptr[k];
            is_plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
        }
        if (is_plain)
            return stage->text;
    }
    return STR_NONE;
}

static err scan(struct scanner *s, const struct node *select, int64_t from_ms, int64_t to_ms,
                bool oldest_first)
{
    const struct query_source *source = s->ev->source;
    if (!source->lines)
        return OK;
    s->pipeline = select->pipeline;
    arena_init(&s->scratch, SCRATCH_BYTES_MAX);
    map_init(&s->groups, QUERY_SERIES_MAX);
    err e = source->lines(source->arg, select->selector, must_contain(select->pipeline), from_ms,
                          to_ms, oldest_first, line_each, s);
    map_deinit(&s->groups);
    arena_deinit(&s->scratch);
    return e;
}

/* ------------------------------------------------------------------ counting */

static err line_count(struct scanner *s, int64_t ts_ms, size_t bytes)
{
    struct eval *ev = s->ev;
    int64_t step_ms = ev->times.step_ms, steps = (int64_t)ev->steps;
    int64_t since_ms = ts_ms - s->first_ms, first = 0, last = 0;
    if (step_ms > 0) {
        /* The first moment at or after the line, and the last one whose window still has it. */
        first = since_ms <= 0 ? 0 : (since_ms + step_ms - 1) / step_ms;
        int64_t reach_ms = since_ms + s->range_ms - 1;
        last = reach_ms < 0 ? -1 : reach_ms / step_ms;
    } else if (since_ms > 0 || since_ms <= -s->range_ms) {
        return OK;
    }
    last = last < steps ? last : steps - 1;
    if (first > last)
        return OK;
    size_t group;
    bool is_new;
    struct labels labels;
    TRY(group_of(s, &group, &is_new, &labels));
    if (is_new) {
        struct query_series *series;
        TRY(value_add(ev, s->value, labels, &series));
        memset(series->values, 0, ev->steps * sizeof *series->values);
    }
    double amount = s->counts_bytes ? (double)bytes : 1;
    s->value->series[group].values[first] += amount;
    if (last + 1 < steps)
        s->value->series[group].values[last + 1] -= amount;
    return OK;
}

err eval_line_counts(struct eval *ev, const struct node *call, struct value *ret_value)
{
    const struct node *select = call->args[0];
    str name = str_of(call->function->name);
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    struct scanner s = { .ev = ev,
                         .by = ev->sum_by,
                         .without = ev->sum_without,
                         .counts_bytes = str_starts(name, STR("bytes")),
                         .first_ms = eval_time(ev, 0) - select->offset_ms,
                         .range_ms = select->range_ms,
                         .value = ret_value };
    ev->sum_by = NULL;
    if (!select->range_ms)
        return ERR(ERR_INVALID, "character %zu: %s wants a range like [5m] behind the selector",
                   AT(select->at), call->function->name);
    int64_t to_ms = eval_time(ev, ev->steps - 1) - select->offset_ms;
    TRY(scan(&s, select, s.first_ms - s.range_ms + 1, to_ms, true));
    double divisor = str_ends(name, STR("rate")) ? (double)s.range_ms / 1000 : 1;
    for (size_t k = 0; k < ret_value->count; k++) {
        double sum = 0, *values = ret_value->series[k].values;
        for (size_t i = 0; i < ev->steps; i++) {
            sum += values[i];
            values[i] = sum > 0 ? sum / divisor : query_absent();
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ showing */

static err line_show(struct scanner *s, str line, int64_t ts_ms, bool *ret_stop)
{
    size_t group;
    bool is_new;
    struct labels labels;
    TRY(group_of(s, &group, &is_new, &labels));
    if (is_new)
        s->streams[s->stream_count++].labels = labels;
    str copy = arena_str(s->ev->keep, line);
    if (!copy.ptr)
        return ERR(ERR_NO_MEMORY,
                   "the log lines found need too much memory: ask for fewer than %zu",
                   s->shown_count + 1);
    s->shown[s->shown_count++] = (struct shown){ { copy, ts_ms }, group };
    s->streams[group].count++;
    *ret_stop = s->shown_count == s->limit;
    return OK;
}

err eval_lines(struct eval *ev, const struct node *node, size_t limit, bool oldest_first,
               struct query_stream **ret_streams, size_t *ret_count)
{
    struct scanner s = { .ev = ev, .limit = limit };
    size_t streams_max = limit < QUERY_SERIES_MAX ? limit : QUERY_SERIES_MAX;
    s.shown = NEW_ARRAY(ev->keep, struct shown, limit);
    s.streams = NEW_ARRAY(ev->keep, struct query_stream, streams_max);
    ARENA_TRY(s.shown && s.streams);
    TRY(scan(&s, node, ev->times.start_ms - node->offset_ms, ev->times.end_ms - node->offset_ms,
             oldest_first));
    for (size_t i = 0; i < s.stream_count; i++) {
        s.streams[i].lines = NEW_ARRAY(ev->keep, struct query_line, s.streams[i].count);
        ARENA_TRY(s.streams[i].lines);
        s.streams[i].count = 0;
    }
    for (size_t i = 0; i < s.shown_count; i++) {
        struct query_stream *stream = &s.streams[s.shown[i].stream];
        stream->lines[stream->count++] = s.shown[i].line;
    }
    *ret_streams = s.streams;
    *ret_count = s.stream_count;
    return OK;
}
