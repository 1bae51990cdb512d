/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds lines: a scan of the segments that can hold the time range, in the order of time.
 *
 * Each process writes segments of its own, so that those of a verb lie within the time of the
 * server's. A segment joins the merge when it may hold the next line, and leaves it at its end:
 * at most times that is one segment or two, each with a window in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/observe/log_internal.h"

enum {
    LIMIT_DEFAULT = 500,
    LIMIT_MAX = 5000,
    NEEDLE_BYTES_MAX = 1024 * 1024,
    /* Threads stamp a line before they queue it, so neighbours may stand in the wrong order. */
    DISORDER_MS = 5000,
    /* So many segments are open at once. Where more processes than that wrote at one time, those
     * beyond it wait for one to end: memory is worth more than their order. */
    CURSORS_MAX = 32,
};

/* ------------------------------------------------------------------ merging segments */

struct merge {
    const struct log_query *query;
    struct log_match match;
    const char *folder;
    struct log_segment *segments; /* in the order in which they may begin to have lines */
    size_t count, next;
    struct log_cursor cursors[CURSORS_MAX];
    size_t open_count;
};

static bool segment_overlaps(const struct log_query *q, const struct log_segment *segment)
{
    if (q->to_ms && segment->start_ms > q->to_ms + DISORDER_MS)
        return false;
    return !q->from_ms || segment->changed_ms >= q->from_ms - DISORDER_MS;
}

static int by_last_write(const void *a, const void *b)
{
    const struct log_segment *x = a, *y = b;
    if (x->changed_ms != y->changed_ms)
        return x->changed_ms < y->changed_ms ? 1 : -1;
    return x->start_ms < y->start_ms ? 1 : x->start_ms > y->start_ms ? -1 : 0;
}

/* Drops what is outside the time asked for. log_segments_list has them oldest first. */
static void segments_choose(struct merge *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++)
        if (segment_overlaps(m->query, &m->segments[i]))
            m->segments[kept++] = m->segments[i];
    m->count = kept;
    if (!m->query->oldest_first && kept)
        qsort(m->segments, kept, sizeof *m->segments, by_last_write);
}

/* Of lines of one millisecond the order of the segments decides: a process ends one before it
 * begins the next. */
static bool is_before(const struct merge *m, const struct log_cursor *a, const struct log_cursor *b)
{
    int64_t later = a->head.ts_ms - b->head.ts_ms;
    if (later == 0)
        later = a->start_ms - b->start_ms;
    return m->query->oldest_first ? later < 0 : later > 0;
}

static struct log_cursor *first_of(struct merge *m)
{
    struct log_cursor *first = NULL;
    for (size_t i = 0; i < m->open_count; i++)
        if (!first || is_before(m, &m->cursors[i], first))
            first = &m->cursors[i];
    return first;
}

/* May the next segment have a line that comes before this one? */
static bool next_may_be_first(const struct merge *m, const struct log_cursor *first)
{
    if (m->next == m->count || m->open_count == CURSORS_MAX)
        return false;
    const struct log_segment *segment = &m->segments[m->next];
    if (!first)
        return true;
    return m->query->oldest_first ? segment->start_ms - DISORDER_MS <= first->head.ts_ms
                                  : segment->changed_ms + DISORDER_MS >= first->head.ts_ms;
}

/* Cursors hold slices of their own windows, so the last one may take the place of one that ended.
 */
static void leave(struct merge *m, struct log_cursor *c)
{
    log_cursor_close(c);
    *c = m->cursors[--m->open_count];
}

/* The cursor whose line comes next; NULL at the end. */
static err merge_first(struct merge *m, struct log_cursor **ret_first)
{
    struct log_cursor *first = first_of(m);
    while (next_may_be_first(m, first)) {
        struct log_cursor *c = &m->cursors[m->open_count++];
        TRY(log_cursor_open(c, &m->match, m->folder, &m->segments[m->next++]));
        if (c->is_done)
            leave(m, c);
        first = first_of(m);
    }
    *ret_first = first;
    return OK;
}

static err merge_run(struct merge *m,
                     err (*each)(void *arg, const struct log_seen *line, bool *ret_stop), void *arg)
{
    bool is_done = false;
    while (!is_done) {
        struct log_cursor *first = NULL;
        TRY(merge_first(m, &first));
        if (!first)
            break;
        TRY(each(arg, &first->head, &is_done));
        TRY(log_cursor_next(first));
        if (first->is_done)
            leave(m, first);
    }
    return OK;
}

err log_visit(struct log *l, const struct log_query *query,
              err (*each)(void *arg, const struct log_seen *line, bool *ret_stop), void *arg)
{
    arena needles;
    struct merge *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "searching the log: out of memory");
    m->query = query;
    arena_init(&needles, NEEDLE_BYTES_MAX);
    err e = log_match_init(&m->match, query, &needles);
    if (!e.code && log_writer_has_folder(l->writer)) {
        log_writer_flush(l->writer);
        m->folder = log_writer_folder(l->writer);
        e = log_segments_list(m->folder, &m->segments, &m->count);
        if (!e.code)
            segments_choose(m);
    }
    if (!e.code)
        e = merge_run(m, each, arg);
    while (m->open_count)
        log_cursor_close(&m->cursors[--m->open_count]);
    free(m->segments);
    arena_deinit(&needles);
    free(m);
    return e;
}

/* ------------------------------------------------------------------ keeping what is found */

struct finding {
    arena *keep;
    struct log_line *found;
    size_t count, limit;
};

static err finding_add(void *arg, const struct log_seen *line, bool *ret_stop)
{
    struct finding *f = arg;
    str copy = arena_str(f->keep, line->json);
    if (!copy.ptr)
        return ERR(ERR_NO_MEMORY,
                   "the log lines found need too much memory: ask for fewer than %zu",
                   f->count + 1);
    f->found[f->count++] = (struct log_line){ copy, line->ts_ms };
    *ret_stop = f->count == f->limit;
    return OK;
}

/* What threads wrote in the wrong order, put right: neighbours, so that few steps do it. */
static void sort_found(struct finding *f, bool oldest_first)
{
    for (size_t i = 1; i < f->count; i++) {
        struct log_line line = f->found[i];
        size_t at = i;
        while (at > 0 && (oldest_first ? f->found[at - 1].ts_ms > line.ts_ms
                                       : f->found[at - 1].ts_ms < line.ts_ms)) {
            f->found[at] = f->found[at - 1];
            at--;
        }
        f->found[at] = line;
    }
}

err log_search(struct log *l, const struct log_query *query, arena *keep,
               struct log_line **ret_lines, size_t *ret_count)
{
    struct finding f = { .keep = keep, .limit = query->limit ? query->limit : LIMIT_DEFAULT };
    if (f.limit > LIMIT_MAX)
        f.limit = LIMIT_MAX;
    f.found = NEW_ARRAY(keep, struct log_line, f.limit);
    ARENA_TRY(f.found);
    TRY(log_visit(l, query, finding_add, &f));
    sort_found(&f, query->oldest_first);
    *ret_lines = f.found;
    *ret_count = f.count;
    return OK;
}
