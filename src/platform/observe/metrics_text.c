/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry as text, in the two formats that scrapers ask for, and as a walk for the sampler.
 *
 * OpenMetrics 1.0 names a counter's family without _total, knows # UNIT, writes bucket bounds as
 * floats ("1.0") and must end with # EOF; Prometheus 0.0.4 does none of that. Everything else is
 * the same: a family's comments, then its cells in the order they were made.
 */
#include "platform/observe/metrics_internal.h"

#include <math.h>
#include <string.h>

static const char *type_name(enum metric_type type)
{
    return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

static void add_number(struct buf *out, double value)
{
    if (isnan(value))
        buf_add(out, STR("NaN"));
    else if (isinf(value))
        buf_add(out, value > 0 ? STR("+Inf") : STR("-Inf"));
    else
        buf_add_f64(out, value);
}

static void add_bound(struct buf *out, double bound, enum metrics_format format)
{
    add_number(out, bound);
    if (format == METRICS_OPENMETRICS && bound == floor(bound) && fabs(bound) < 1e15)
        buf_add(out, STR(".0"));
}

/* HELP text: backslash and newline are escaped; OpenMetrics escapes quotes as well. */
static void add_help(struct buf *out, const char *help, enum metrics_format format)
{
    for (; *help; help++) {
        if (*help == '\n')
            buf_add(out, STR("\\n"));
        else if (*help == '\\')
            buf_add(out, STR("\\\\"));
        else if (*help == '"' && format == METRICS_OPENMETRICS)
            buf_add(out, STR("\\\""));
        else
            buf_add_char(out, *help);
    }
}

/* The name and type on the comment lines. A counter whose name without _total is a family of its
 * own (rows now, rows ever written) cannot take it in OpenMetrics: its sample then stands under its
 * whole name, without a type, so that queries find both. Lock held. */
static str family_title(const struct metrics *m, const struct metric_family *family,
                        enum metrics_format format, const char **ret_type)
{
    str name = str_of(family->name);
    *ret_type = type_name(family->type);
    if (format != METRICS_OPENMETRICS || family->type != METRIC_COUNTER)
        return name;
    str title = str_sub(name, 0, name.len - strlen("_total"));
    for (size_t i = 0; i < m->count; i++) {
        if (str_eq(str_of(m->sorted[i]->family->name), title)) {
            *ret_type = NULL;
            return name;
        }
    }
    return title;
}

static void add_comments(struct buf *out, const struct metrics *m,
                         const struct metric_family *family, enum metrics_format format)
{
    const char *type;
    str title = family_title(m, family, format, &type);
    buf_add(out, STR("# HELP "));
    buf_add(out, title);
    buf_add_char(out, ' ');
    add_help(out, family->help, format);
    buf_add_char(out, '\n');
    if (type) {
        buf_add(out, STR("# TYPE "));
        buf_add(out, title);
        buf_add_char(out, ' ');
        buf_add_cstr(out, type);
        buf_add_char(out, '\n');
    }
    static const str units[] = { STR_INIT("seconds"), STR_INIT("bytes"), STR_INIT("ratio") };
    for (size_t i = 0; format == METRICS_OPENMETRICS && i < COUNT_OF(units); i++) {
        if (!str_ends(title, units[i]) || title.len <= units[i].len ||
            title.ptr[title.len - units[i].len - 1] != '_')
            continue;
        buf_add(out, STR("# UNIT "));
        buf_add(out, title);
        buf_add_char(out, ' ');
        buf_add(out, units[i]);
        buf_add_char(out, '\n');
    }
}

/* name{labels} or name{labels,le="bound"}, without a space behind. NAN: no bound. */
static void add_series(struct buf *out, str name, str suffix, str labels, double bound,
                       enum metrics_format format)
{
    buf_add(out, name);
    buf_add(out, suffix);
    bool has_bound = !isnan(bound);
    if (labels.len == 0 && !has_bound)
        return;
    buf_add_char(out, '{');
    buf_add(out, labels);
    if (has_bound) {
        buf_add(out, labels.len ? STR(",le=\"") : STR("le=\""));
        add_bound(out, bound, format);
        buf_add_char(out, '"');
    }
    buf_add_char(out, '}');
}

static void add_sample(struct buf *out, str name, str suffix, str labels, double bound,
                       double value, enum metrics_format format)
{
    add_series(out, name, suffix, labels, bound, format);
    buf_add_char(out, ' ');
    add_number(out, value);
    buf_add_char(out, '\n');
}

/* Calls fn for every sample of a cell. Bounds are NAN where there is none. */
static void cell_samples(const struct metric_cell *cell,
                         void (*fn)(void *arg, str suffix, double bound, double value), void *arg)
{
    const struct metric_entry *entry = cell->entry;
    if (entry->family->type != METRIC_HISTOGRAM) {
        fn(arg, STR_NONE, NAN, metric_cell_number(cell));
        return;
    }
    /* The sum first: at worst it lacks observations that the buckets already show. */
    double sum = metric_bits_load(&cell->real_bits);
    uint64_t count = 0;
    for (size_t i = 0; i <= entry->bucket_count; i++) {
        count += atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
        fn(arg, STR("_bucket"), i < entry->bucket_count ? entry->buckets[i] : INFINITY,
           (double)count);
    }
    fn(arg, STR("_sum"), NAN, sum);
    fn(arg, STR("_count"), NAN, (double)count);
}

struct write_state {
    struct buf *out;
    enum metrics_format format;
    str name, labels;
};

static void write_sample(void *arg, str suffix, double bound, double value)
{
    struct write_state *state = arg;
    add_sample(state->out, state->name, suffix, state->labels, bound, value, state->format);
}

void metrics_write(struct metrics *m, enum metrics_format format, struct buf *out)
{
    /* One family at a time under the lock, so that nobody who wants a cell waits for the whole
     * text. Families are never removed, and a late one can only move others to higher places. */
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count; i++) {
        const struct metric_entry *entry = m->sorted[i];
        if (!list_is_empty(&entry->live)) {
            struct write_state state = { .out = out,
                                         .format = format,
                                         .name = str_of(entry->family->name) };
            add_comments(out, m, entry->family, format);
            for (struct list_link *link = entry->live.head.next; link != &entry->live.head;
                 link = link->next) {
                const struct metric_cell *cell = LIST_ENTRY(link, struct metric_cell, link);
                state.labels = str_from(cell->labels, cell->labels_len);
                cell_samples(cell, write_sample, &state);
            }
        }
        pthread_mutex_unlock(&m->lock);
        pthread_mutex_lock(&m->lock);
        while (i < m->count && m->sorted[i] != entry)
            i++;
    }
    pthread_mutex_unlock(&m->lock);
    if (format == METRICS_OPENMETRICS)
        buf_add(out, STR("# EOF\n"));
}

/* ------------------------------------------------------------------ walking */

struct each_state {
    void (*fn)(void *arg, const char *name, str labels, double value);
    void *arg;
    struct buf name, labels;
    str family_name, cell_labels;
};

static void each_sample(void *arg, str suffix, double bound, double value)
{
    struct each_state *state = arg;
    buf_clear(&state->name);
    buf_add(&state->name, state->family_name);
    buf_add(&state->name, suffix);
    buf_clear(&state->labels);
    buf_add(&state->labels, state->cell_labels);
    if (!isnan(bound)) {
        buf_add(&state->labels, state->cell_labels.len ? STR(",le=\"") : STR("le=\""));
        add_bound(&state->labels, bound, METRICS_PROMETHEUS);
        buf_add_char(&state->labels, '"');
    }
    if (!state->name.failed && !state->labels.failed)
        state->fn(state->arg, state->name.ptr, buf_str(&state->labels), value);
}

void metrics_each(struct metrics *m,
                  void (*fn)(void *arg, const char *name, str labels, double value), void *arg)
{
    struct each_state state = { .fn = fn, .arg = arg };
    buf_init(&state.name, 512);
    buf_init(&state.labels, 16 * 1024);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count; i++) {
        const struct metric_entry *entry = m->sorted[i];
        state.family_name = str_of(entry->family->name);
        for (struct list_link *link = entry->live.head.next; link != &entry->live.head;
             link = link->next) {
            const struct metric_cell *cell = LIST_ENTRY(link, struct metric_cell, link);
            state.cell_labels = str_from(cell->labels, cell->labels_len);
            cell_samples(cell, each_sample, &state);
        }
    }
    pthread_mutex_unlock(&m->lock);
    buf_deinit(&state.name);
    buf_deinit(&state.labels);
}
