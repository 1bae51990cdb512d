/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/learn/reference.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = LEARN_REFERENCE_BINS };

void learn_reference_answer(struct learn_reference *r, double confidence)
{
    int bin = (int)(confidence * BINS);
    r->confidence[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
}

static void make_shares(double counts[BINS])
{
    double total = 0;
    for (size_t i = 0; i < BINS; i++)
        total += counts[i];
    for (size_t i = 0; i < BINS && total > 0; i++)
        counts[i] /= total;
}

void learn_reference_close(struct learn_reference *r)
{
    make_shares(r->confidence);
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As a value is binned when it is compared: an edge belongs to the bin above it. */
static size_t bin_of(const double edges[BINS - 1], double value)
{
    size_t bin = 0;
    while (bin < BINS - 1 && !(value < edges[bin]))
        bin++;
    return bin;
}

err learn_reference_watch(struct learn_reference *r, const struct learn_table *t, size_t column)
{
    assert(r->watched_count < LEARN_WATCHED_MAX && column < t->feature_count);
    double *values = malloc((t->row_count + 1) * sizeof *values);
    size_t count = 0;
    if (!values)
        return ERR(ERR_NO_MEMORY, "no memory to describe %zu rows", t->row_count);
    for (size_t i = 0; i < t->row_count; i++) {
        double value = learn_table_row(t, i)[column];
        if (isfinite(value))
            values[count++] = value;
    }
    qsort(values, count, sizeof *values, order);
    struct learn_watched *w = &r->watched[r->watched_count++];
    *w = (struct learn_watched){ .column = column };
    for (size_t i = 0; i < BINS - 1 && count; i++)
        w->edges[i] = values[(i + 1) * count / BINS];
    for (size_t i = 0; i < t->row_count; i++)
        w->shares[bin_of(w->edges, learn_table_row(t, i)[column])]++;
    make_shares(w->shares);
    free(values);
    return OK;
}

/* ------------------------------------------------------------------ as JSON */

static void write_list(struct json_out *w, const char *key, const double *values, size_t count)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_out_real(w, values[i]);
    json_array_end(w);
}

void learn_reference_write(const struct learn_reference *r, struct json_out *w)
{
    json_object_begin(w);
    write_list(w, "confidence", r->confidence, BINS);
    json_key(w, "inputs");
    json_array_begin(w);
    for (size_t i = 0; i < r->watched_count; i++) {
        json_object_begin(w);
        json_kv_int(w, "column", (int64_t)r->watched[i].column);
        write_list(w, "edges", r->watched[i].edges, BINS - 1);
        write_list(w, "shares", r->watched[i].shares, BINS);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static bool read_list(const struct json *node, double *ret_values, size_t count)
{
    if (json_kind(node) != JSON_IS_ARRAY || json_count(node) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        ret_values[i] = json_num(json_at(node, i), NAN);
        if (!isfinite(ret_values[i]))
            return false;
    }
    return true;
}

static bool are_shares(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (values[i] < 0)
            return false;
        sum += values[i];
    }
    return fabs(sum - 1) < 1e-6;
}

static bool read_watched(const struct json *node, struct learn_watched *ret_watched)
{
    int64_t column = json_int(json_get(node, "column"), -1);
    struct learn_watched w = { .column = (size_t)column };
    if (column < 0 || column >= LEARN_FEATURES_MAX ||
        !read_list(json_get(node, "edges"), w.edges, BINS - 1) ||
        !read_list(json_get(node, "shares"), w.shares, BINS) || !are_shares(w.shares, BINS))
        return false;
    for (size_t i = 1; i < BINS - 1; i++)
        if (w.edges[i] < w.edges[i - 1])
            return false;
    *ret_watched = w;
    return true;
}

bool learn_reference_read(const struct json *node, struct learn_reference *ret_reference)
{
    struct learn_reference r = { .watched_count = 0 };
    const struct json *inputs = json_kind(node) == JSON_IS_OBJECT ? json_get(node, "inputs") : NULL;
    if (!inputs || json_kind(inputs) != JSON_IS_ARRAY || json_count(inputs) > LEARN_WATCHED_MAX ||
        !read_list(json_get(node, "confidence"), r.confidence, BINS) ||
        !are_shares(r.confidence, BINS))
        return false;
    for (size_t i = 0; i < json_count(inputs); i++)
        if (!read_watched(json_at(inputs, i), &r.watched[r.watched_count++]))
            return false;
    *ret_reference = r;
    return true;
}
