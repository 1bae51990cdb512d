/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry: families by name, their cells by label values, and the numbers.
 *
 * A cell is found once, under the lock, and then used without it. A whole amount added to a counter
 * is one atomic addition; anything else is a compare-and-swap on the bits of a double. A histogram
 * keeps one number a bucket and derives its count from them, so that count and buckets can never
 * disagree.
 *
 * Dropped cells leave the exposition, and are used again for new label sets only after cells_max
 * later drops: somebody may still hold the pointer of a run that has just ended. So a family never
 * owns more than twice cells_max cells, however many runs come and go.
 */
#include "platform/observe/metrics_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES_MAX = 1024, LABEL_VALUE_BYTES_MAX = 200 };

const double METRIC_BUCKETS_LATENCY[] = { 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                          0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                          0.5,     1,      2.5,     5,      10 };
const size_t METRIC_BUCKETS_LATENCY_COUNT = COUNT_OF(METRIC_BUCKETS_LATENCY);

static const struct metric_family overflow_family[] = {
    { .name = "skerry_metrics_overflow_total",
      .type = METRIC_COUNTER,
      .help = "Label sets that did not fit in their family and were counted as \"other\".",
      .labels = { "family" },
      .cells_max = FAMILIES_MAX },
    { 0 },
};

/* ------------------------------------------------------------------ numbers */

double metric_bits_load(const _Atomic uint64_t *bits)
{
    uint64_t raw = atomic_load_explicit(bits, memory_order_relaxed);
    double value;
    memcpy(&value, &raw, sizeof value);
    return value;
}

static void bits_store(_Atomic uint64_t *bits, double value)
{
    uint64_t raw;
    memcpy(&raw, &value, sizeof raw);
    atomic_store_explicit(bits, raw, memory_order_relaxed);
}

static void bits_add(_Atomic uint64_t *bits, double amount)
{
    uint64_t seen = atomic_load_explicit(bits, memory_order_relaxed);
    uint64_t next;
    do {
        double value;
        memcpy(&value, &seen, sizeof value);
        value += amount;
        memcpy(&next, &value, sizeof next);
    } while (!atomic_compare_exchange_weak_explicit(bits, &seen, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

double metric_cell_number(const struct metric_cell *cell)
{
    return metric_bits_load(&cell->real_bits) +
           (double)atomic_load_explicit(&cell->whole, memory_order_relaxed);
}

void metric_add(struct metric_cell *cell, double amount)
{
    enum metric_type type = cell->entry->family->type;
    assert(type == METRIC_GAUGE || (type == METRIC_COUNTER && amount >= 0));
    /* 2^53: above, a double no longer knows every whole number. */
    if (type == METRIC_COUNTER && amount < 9007199254740992.0 && amount == (double)(uint64_t)amount)
        atomic_fetch_add_explicit(&cell->whole, (uint64_t)amount, memory_order_relaxed);
    else
        bits_add(&cell->real_bits, amount);
}

void metric_set(struct metric_cell *cell, double value)
{
    assert(cell->entry->family->type == METRIC_GAUGE);
    bits_store(&cell->real_bits, value);
}

void metric_observe(struct metric_cell *cell, double value)
{
    const struct metric_entry *entry = cell->entry;
    assert(entry->family->type == METRIC_HISTOGRAM);
    size_t i = 0;
    while (i < entry->bucket_count && !(value <= entry->buckets[i]))
        i++;
    atomic_fetch_add_explicit(&cell->buckets[i], 1, memory_order_relaxed);
    bits_add(&cell->real_bits, value);
}

static uint64_t histogram_count(const struct metric_cell *cell)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= cell->entry->bucket_count; i++)
        count += atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
    return count;
}

double metric_value(const struct metric_cell *cell)
{
    if (cell->entry->family->type == METRIC_HISTOGRAM)
        return (double)histogram_count(cell);
    return metric_cell_number(cell);
}

double metric_quantile(const struct metric_cell *cell, double q)
{
    const struct metric_entry *entry = cell->entry;
    assert(entry->family->type == METRIC_HISTOGRAM);
    uint64_t counts[METRIC_BUCKETS_MAX + 1];
    uint64_t total = 0;
    for (size_t i = 0; i <= entry->bucket_count; i++) {
        counts[i] = atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
        total += counts[i];
    }
    if (total == 0 || !(q >= 0 && q <= 1))
        return NAN;
    double rank = q * (double)total;
    uint64_t below = 0;
    for (size_t i = 0; i < entry->bucket_count; i++) {
        if ((double)(below + counts[i]) >= rank && counts[i]) {
            double low = i ? entry->buckets[i - 1] : fmin(0, entry->buckets[0]);
            double share = (rank - (double)below) / (double)counts[i];
            return low + (entry->buckets[i] - low) * fmax(share, 0);
        }
        below += counts[i];
    }
    /* Beyond the last bound nothing is known but that: Prometheus answers the same. */
    return entry->bucket_count ? entry->buckets[entry->bucket_count - 1] : NAN;
}

static void cell_zero(struct metric_cell *cell)
{
    bits_store(&cell->real_bits, 0);
    atomic_store_explicit(&cell->whole, 0, memory_order_relaxed);
    for (size_t i = 0; cell->buckets && i <= cell->entry->bucket_count; i++)
        atomic_store_explicit(&cell->buckets[i], 0, memory_order_relaxed);
}

/* ------------------------------------------------------------------ registry */

err metrics_open(struct metrics **ret_metrics)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "opening the metrics registry: out of memory");
    pthread_mutex_init(&m->lock, NULL);
    map_init(&m->by_name, FAMILIES_MAX);
    err e = metrics_register(m, overflow_family);
    if (e.code) {
        metrics_close(m);
        return e;
    }
    *ret_metrics = m;
    return OK;
}

static void cell_free(struct metric_cell *cell)
{
    if (!cell)
        return;
    free(cell->buckets);
    free(cell->values);
    free(cell->labels);
    free(cell);
}

/* A cell without labels. */
static struct metric_cell *cell_bare(struct metric_entry *entry)
{
    struct metric_cell *cell = aligned_alloc(_Alignof(struct metric_cell), sizeof *cell);
    if (!cell)
        return NULL;
    memset(cell, 0, sizeof *cell);
    cell->entry = entry;
    if (entry->family->type == METRIC_HISTOGRAM) {
        cell->buckets = calloc(entry->bucket_count + 1, sizeof *cell->buckets);
        if (!cell->buckets) {
            cell_free(cell);
            return NULL;
        }
    }
    return cell;
}

static void cells_free(struct list *cells)
{
    struct list_link *link;
    while ((link = list_pop(cells)))
        cell_free(LIST_ENTRY(link, struct metric_cell, link));
}

static void entry_free(struct metric_entry *entry)
{
    if (!entry)
        return;
    cells_free(&entry->live);
    cells_free(&entry->dropped);
    cell_free(entry->lost);
    map_deinit(&entry->cells);
    free(entry);
}

void metrics_close(struct metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        entry_free(m->sorted[i]);
    free(m->sorted);
    map_deinit(&m->by_name);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static bool is_name(const char *name)
{
    if (!name[0])
        return false;
    for (size_t i = 0; name[i]; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return true;
}

static err family_check(const struct metric_family *family)
{
    str name = str_of(family->name);
    if (!is_name(family->name))
        return ERR(ERR_INVALID, "metric '%s': a name has letters, digits and _ only", family->name);
    if (family->type != METRIC_COUNTER && family->type != METRIC_GAUGE &&
        family->type != METRIC_HISTOGRAM)
        return ERR(ERR_INVALID, "metric '%s' has no type", family->name);
    if (!family->help || !family->help[0])
        return ERR(ERR_INVALID, "metric '%s' has no help", family->name);
    if ((family->type == METRIC_COUNTER) != str_ends(name, STR("_total")))
        return ERR(ERR_INVALID, "metric '%s': counters, and only they, end in _total",
                   family->name);
    for (size_t i = 0; i < METRIC_LABELS_MAX && family->labels[i]; i++)
        if (!is_name(family->labels[i]) || !strcmp(family->labels[i], "le"))
            return ERR(ERR_INVALID, "metric '%s' has the bad label '%s'", family->name,
                       family->labels[i]);
    if (family->bucket_count > METRIC_BUCKETS_MAX)
        return ERR(ERR_TOO_BIG, "metric '%s' has more than %d buckets", family->name,
                   METRIC_BUCKETS_MAX);
    for (size_t i = 1; family->buckets && i < family->bucket_count; i++)
        if (!(family->buckets[i] > family->buckets[i - 1]))
            return ERR(ERR_INVALID, "metric '%s': bucket bounds must ascend", family->name);
    return OK;
}

static struct metric_entry *entry_new(struct metrics *m, const struct metric_family *family)
{
    struct metric_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->registry = m;
    entry->family = family;
    while (entry->label_count < METRIC_LABELS_MAX && family->labels[entry->label_count])
        entry->label_count++;
    entry->cells_max = family->cells_max ? family->cells_max : METRIC_CELLS_DEFAULT;
    if (family->type == METRIC_HISTOGRAM) {
        entry->buckets = family->buckets ? family->buckets : METRIC_BUCKETS_LATENCY;
        entry->bucket_count = family->buckets ? family->bucket_count : METRIC_BUCKETS_LATENCY_COUNT;
    }
    /* Live and dropped cells each reach cells_max, and one may be on its way between them. */
    map_init(&entry->cells, 2 * entry->cells_max + 2);
    list_init(&entry->live);
    list_init(&entry->dropped);
    entry->lost = cell_bare(entry);
    if (!entry->lost) {
        entry_free(entry);
        return NULL;
    }
    return entry;
}

/* Lock held. Keeps `sorted` in order by inserting. */
static err registry_insert(struct metrics *m, struct metric_entry *entry)
{
    if (m->count == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 64;
        struct metric_entry **grown = realloc(m->sorted, cap * sizeof *grown);
        if (!grown)
            return ERR(ERR_NO_MEMORY, "registering metric '%s': out of memory",
                       entry->family->name);
        m->sorted = grown;
        m->cap = cap;
    }
    union map_value *value = NULL;
    bool is_new = false;
    TRY(map_put(&m->by_name, str_of(entry->family->name), &value, &is_new));
    if (!is_new)
        return ERR(ERR_CONFLICT, "metric '%s' is registered twice: rename one",
                   entry->family->name);
    value->ptr = entry;
    size_t at = m->count;
    while (at > 0 && strcmp(m->sorted[at - 1]->family->name, entry->family->name) > 0) {
        m->sorted[at] = m->sorted[at - 1];
        at--;
    }
    m->sorted[at] = entry;
    m->count++;
    return OK;
}

err metrics_register(struct metrics *m, const struct metric_family *families)
{
    for (const struct metric_family *family = families; family && family->name; family++) {
        TRY(family_check(family));
        struct metric_entry *entry = entry_new(m, family);
        if (!entry)
            return ERR(ERR_NO_MEMORY, "registering metric '%s': out of memory", family->name);
        pthread_mutex_lock(&m->lock);
        err e = registry_insert(m, entry);
        pthread_mutex_unlock(&m->lock);
        if (e.code) {
            entry_free(entry);
            return e;
        }
        if (entry->label_count == 0 && metric_cell_plain(m, family) == entry->lost)
            return ERR(ERR_NO_MEMORY, "registering metric '%s': out of memory", family->name);
    }
    return OK;
}

/* ------------------------------------------------------------------ cells */

/* Copies one label value: cut to a maximum without splitting a character; what is not UTF-8, and
 * NUL, becomes '?'. */
static size_t key_of_value(char *key, str value)
{
    if (value.len > LABEL_VALUE_BYTES_MAX) {
        value.len = LABEL_VALUE_BYTES_MAX;
        while (value.len && ((unsigned char)value.ptr[value.len] & 0xC0) == 0x80)
            value.len--;
    }
    size_t len = 0;
    while (len < value.len) {
        size_t good = str_utf8_valid_len(str_sub(value, len, value.len));
        for (; good; good--, len++)
            key[len] = value.ptr[len] ? value.ptr[len] : '?';
        if (len < value.len)
            key[len++] = '?';
    }
    key[len++] = '\0';
    return len;
}

/* Label values as one key, each with a NUL behind. */
static size_t key_of_values(char *key, const str *values, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += key_of_value(key + len, values[i]);
    return len;
}

/* Writes name="value" pairs; NULL when out of memory. */
static char *labels_render(const struct metric_entry *entry, const char *key, size_t *ret_len)
{
    struct buf out;
    buf_init(&out, METRIC_LABELS_MAX * (2 * LABEL_VALUE_BYTES_MAX + 256));
    const char *value = key;
    for (size_t i = 0; i < entry->label_count; i++) {
        if (i)
            buf_add_char(&out, ',');
        buf_add_cstr(&out, entry->family->labels[i]);
        buf_add(&out, STR("=\""));
        for (; *value; value++) {
            if (*value == '\n')
                buf_add(&out, STR("\\n"));
            else if (*value == '"' || *value == '\\')
                buf_add_bytes(&out, (const char[]){ '\\', *value }, 2);
            else
                buf_add_char(&out, *value);
        }
        value++;
        buf_add_char(&out, '"');
    }
    if (!out.ptr)
        buf_reserve(&out, 1);
    if (out.failed) {
        buf_deinit(&out);
        return NULL;
    }
    *ret_len = out.len;
    return out.ptr;
}

/* Gives the cell these labels. On failure the cell keeps what it had. */
static bool cell_label(struct metric_cell *cell, const char *key, size_t key_len)
{
    size_t labels_len = 0;
    char *labels = labels_render(cell->entry, key, &labels_len);
    char *values = malloc(key_len + 1);
    if (!labels || !values) {
        free(labels);
        free(values);
        return false;
    }
    memcpy(values, key, key_len);
    values[key_len] = '\0';
    if (cell->values)
        map_remove(&cell->entry->cells, str_from(cell->values, cell->values_bytes));
    free(cell->labels);
    free(cell->values);
    cell->labels = labels;
    cell->labels_len = labels_len;
    cell->values = values;
    cell->values_bytes = key_len;
    return true;
}

static struct metric_cell *cell_new(struct metric_entry *entry, const char *key, size_t key_len)
{
    struct metric_cell *cell = cell_bare(entry);
    if (cell && !cell_label(cell, key, key_len)) {
        cell_free(cell);
        return NULL;
    }
    return cell;
}

static void cell_to_live(struct metric_cell *cell)
{
    list_push(&cell->entry->live, &cell->link);
    cell->entry->live_count++;
    cell->is_dropped = false;
}

/* The oldest dropped cell, when enough were dropped after it that nobody uses it any more. */
static struct metric_cell *cell_recycle(struct metric_entry *entry, const char *key, size_t key_len)
{
    if (entry->dropped_count < entry->cells_max)
        return NULL;
    struct metric_cell *cell = LIST_ENTRY(entry->dropped.head.next, struct metric_cell, link);
    if (!cell_label(cell, key, key_len))
        return NULL;
    list_remove(&cell->link);
    entry->dropped_count--;
    cell_zero(cell);
    return cell;
}

/* Lock held. NULL when memory is short. */
static struct metric_cell *cell_make(struct metric_entry *entry, const char *key, size_t key_len)
{
    struct metric_cell *cell = cell_recycle(entry, key, key_len);
    bool is_new_memory = !cell;
    if (!cell)
        cell = cell_new(entry, key, key_len);
    if (!cell)
        return NULL;
    union map_value *value = NULL;
    bool is_new = false;
    err e = map_put(&entry->cells, str_from(cell->values, cell->values_bytes), &value, &is_new);
    if (e.code && is_new_memory) {
        cell_free(cell);
        return NULL;
    }
    if (e.code) { /* somebody may still hold it: back to the dropped ones */
        list_push(&entry->dropped, &cell->link);
        entry->dropped_count++;
        return NULL;
    }
    value->ptr = cell;
    cell_to_live(cell);
    return cell;
}

static void cell_revive(struct metric_cell *cell)
{
    list_remove(&cell->link);
    cell->entry->dropped_count--;
    cell_zero(cell);
    cell_to_live(cell);
}

/* Lock held. Never NULL. */
static struct metric_cell *shared_cell(struct metric_entry *entry)
{
    if (entry->shared)
        return entry->shared;
    str values[METRIC_LABELS_MAX];
    for (size_t i = 0; i < entry->label_count; i++)
        values[i] = STR("other");
    char key[METRIC_LABELS_MAX * 8];
    size_t key_len = key_of_values(key, values, entry->label_count);
    union map_value *found = map_find(&entry->cells, str_from(key, key_len));
    entry->shared = found ? found->ptr : cell_make(entry, key, key_len);
    if (!entry->shared)
        return entry->lost;
    if (entry->shared->is_dropped)
        cell_revive(entry->shared);
    return entry->shared;
}

static struct metric_entry *entry_of(struct metrics *m, const struct metric_family *family)
{
    union map_value *found = map_find(&m->by_name, str_of(family->name));
    struct metric_entry *entry = found ? found->ptr : NULL;
    assert(entry && entry->family == family);
    return entry;
}

struct metric_cell *metric_cell(struct metrics *m, const struct metric_family *family,
                                const str *label_values, size_t count)
{
    char key[METRIC_LABELS_MAX * (LABEL_VALUE_BYTES_MAX + 1)];
    size_t key_len = key_of_values(key, label_values, count);

    pthread_mutex_lock(&m->lock);
    struct metric_entry *entry = entry_of(m, family);
    assert(count == entry->label_count);
    bool overflowed = false;
    struct metric_cell *cell = NULL;
    union map_value *found = map_find(&entry->cells, str_from(key, key_len));
    if (found) {
        cell = found->ptr;
        if (cell->is_dropped)
            cell_revive(cell);
    } else if (entry->live_count < entry->cells_max) {
        cell = cell_make(entry, key, key_len);
    }
    if (!cell) {
        cell = shared_cell(entry);
        overflowed = true;
    }
    pthread_mutex_unlock(&m->lock);

    if (overflowed && family != overflow_family)
        metric_add(METRIC_CELL(m, overflow_family, str_of(family->name)), 1);
    return cell;
}

struct metric_cell *metric_cell_plain(struct metrics *m, const struct metric_family *family)
{
    return metric_cell(m, family, NULL, 0);
}

/* The value of label `index` in a cell's key. */
static const char *cell_value(const struct metric_cell *cell, size_t index)
{
    const char *value = cell->values;
    while (index--)
        value += strlen(value) + 1;
    return value;
}

void metrics_drop(struct metrics *m, const struct metric_family *family, const char *label,
                  str value)
{
    pthread_mutex_lock(&m->lock);
    struct metric_entry *entry = entry_of(m, family);
    size_t index = 0;
    while (index < entry->label_count && strcmp(entry->family->labels[index], label) != 0)
        index++;
    assert(index < entry->label_count);
    char wanted[LABEL_VALUE_BYTES_MAX + 1];
    key_of_value(wanted, value);
    struct list_link *link = entry->live.head.next;
    while (link != &entry->live.head) {
        struct metric_cell *cell = LIST_ENTRY(link, struct metric_cell, link);
        link = link->next;
        if (cell == entry->shared || strcmp(cell_value(cell, index), wanted) != 0)
            continue;
        list_remove(&cell->link);
        entry->live_count--;
        list_push(&entry->dropped, &cell->link);
        entry->dropped_count++;
        cell->is_dropped = true;
    }
    pthread_mutex_unlock(&m->lock);
}
