/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds lines: a scan of the segments that can hold the time range, in windows of a few hundred
 * KiB.
 *
 * No index. A window in which a wanted text does not occur at all is passed over at the speed of
 * memmem; only lines of the others are taken apart. Memory is one window plus what is found. The
 * segment that is being written is safe to read: its lines are whole up to its last newline, and
 * what stands behind that is not looked at, here or at the torn end of a segment of a killed
 * process.
 */
#include "platform/observe/log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

enum {
    WINDOW_BYTES = 256 * 1024,
    WINDOW_BYTES_MAX = 2 * LOG_LINE_BYTES_MAX,
    LIMIT_DEFAULT = 500,
    LIMIT_MAX = 5000,
    NEEDLES_MAX = 9,
    NEEDLE_BYTES_MAX = 1024 * 1024,
    /* Threads stamp a line before they queue it, so neighbours may stand in the wrong order. */
    DISORDER_MS = 5000,
};

struct search {
    const struct log_query *query;
    arena *keep; /* of the needles */
    err (*each)(void *arg, const struct log_seen *line, bool *ret_stop);
    void *arg;
    /* A line that matches contains all of these: the text, "run_id":"...", JSON-escaped. */
    str needles[NEEDLES_MAX];
    size_t needle_count;
    struct log_scan wanted; /* escaped values */
    struct buf window;
    bool is_done;
};

/* ------------------------------------------------------------------ one line */

static bool field_matches(str wanted, str value)
{
    return wanted.len == 0 || str_eq(wanted, value);
}

static bool line_matches(const struct search *s, str line, struct log_seen *ret_seen)
{
    /* The first needle is the rarest, and the text when there is one; fields are compared below. */
    if (s->needle_count && !str_contains(line, s->needles[0]))
        return false;
    struct log_scan scan;
    if (!log_scan_line(line, &scan))
        return false;
    const struct log_query *q = s->query;
    *ret_seen = (struct log_seen){ .json = line,
                                   .ts_ms = scan.ts_ms,
                                   .level = scan.level,
                                   .event = scan.event,
                                   .component = scan.component,
                                   .run_id = scan.run_id,
                                   .dataset_id = scan.dataset_id,
                                   .model_id = scan.model_id,
                                   .username = scan.username };
    if ((q->from_ms && scan.ts_ms < q->from_ms) || (q->to_ms && scan.ts_ms > q->to_ms))
        return false;
    if (q->spans != (scan.span.len > 0) || scan.level < q->level_min)
        return false;
    return field_matches(s->wanted.component, scan.component) &&
           field_matches(s->wanted.run_id, scan.run_id) &&
           field_matches(s->wanted.dataset_id, scan.dataset_id) &&
           field_matches(s->wanted.model_id, scan.model_id) &&
           field_matches(s->wanted.username, scan.username) &&
           field_matches(s->wanted.request_id, scan.request_id) &&
           field_matches(s->wanted.event, q->spans ? scan.span : scan.event);
}

static err line_visit(struct search *s, str line)
{
    struct log_seen seen;
    if (line.len >= LOG_LINE_BYTES_MAX || !line_matches(s, line, &seen))
        return OK;
    return s->each(s->arg, &seen, &s->is_done);
}

/* ------------------------------------------------------------------ one window */

static bool window_may_match(const struct search *s, str window)
{
    for (size_t i = 0; i < s->needle_count; i++)
        if (!str_contains(window, s->needles[i]))
            return false;
    return true;
}

/* Whole lines, each ended by a newline. */
static err window_visit(struct search *s, str window)
{
    if (!window_may_match(s, window))
        return OK;
    while (window.len && !s->is_done) {
        str line;
        if (s->query->oldest_first) {
            line = str_split(&window, '\n');
        } else {
            window.len--; /* the newline of the last line */
            const char *before = window.len ? memrchr(window.ptr, '\n', window.len) : NULL;
            size_t from = before ? (size_t)(before - window.ptr) + 1 : 0;
            line = str_sub(window, from, window.len);
            window.len = from;
        }
        TRY(line_visit(s, line));
    }
    return OK;
}

/* ------------------------------------------------------------------ one segment */

/* Reads [from, to) into the window; fewer bytes when the file is shorter by now. */
static err window_read(struct search *s, int fd, int64_t from, int64_t to, const char *path)
{
    buf_clear(&s->window);
    char *out = buf_reserve(&s->window, (size_t)(to - from));
    if (!out)
        return ERR(ERR_NO_MEMORY, "searching the log '%s': out of memory", path);
    while (from < to) {
        ssize_t n = pread(fd, out + s->window.len, (size_t)(to - from), from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_SYS("searching the log '%s'", path);
        if (n == 0)
            break;
        s->window.len += (size_t)n;
        from += n;
    }
    return OK;
}

/* From the end. A window that does not start at the file's start loses what is before its first
 * newline to the next window. */
static err segment_backward(struct search *s, int fd, int64_t bytes, const char *path)
{
    int64_t to = bytes;
    int64_t size = WINDOW_BYTES;
    while (to > 0 && !s->is_done) {
        int64_t from = to > size ? to - size : 0;
        TRY(window_read(s, fd, from, to, path));
        str text = buf_str(&s->window);
        /* At the end of the file there may be a line that is not whole yet, or never will be. */
        const char *last = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
        size_t end = last ? (size_t)(last - text.ptr) + 1 : 0;
        const char *first = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
        size_t start = from == 0 ? 0 : first ? (size_t)(first - text.ptr) + 1 : text.len;
        if (start >= end && from > 0 && size < WINDOW_BYTES_MAX) {
            size = WINDOW_BYTES_MAX; /* one long line: look further back */
            continue;
        }
        if (start < end)
            TRY(window_visit(s, str_sub(text, start, end - start)));
        /* A window within one monstrous line has no start: that line is passed over. */
        to = from == 0 ? 0 : start < end ? from + (int64_t)start : from;
        size = WINDOW_BYTES;
    }
    return OK;
}

static err segment_forward(struct search *s, int fd, int64_t bytes, const char *path)
{
    int64_t from = 0;
    int64_t size = WINDOW_BYTES;
    bool in_long_line = false;
    while (from < bytes && !s->is_done) {
        int64_t to = bytes - from > size ? from + size : bytes;
        TRY(window_read(s, fd, from, to, path));
        str text = buf_str(&s->window);
        const char *last = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
        if (!last && to < bytes && size < WINDOW_BYTES_MAX) {
            size = WINDOW_BYTES_MAX;
            continue;
        }
        size = WINDOW_BYTES;
        if (!last) {
            in_long_line = true;
            from = to;
            continue;
        }
        str lines = str_sub(text, 0, (size_t)(last - text.ptr) + 1);
        from += (int64_t)lines.len;
        if (in_long_line)
            str_split(&lines, '\n');
        in_long_line = false;
        TRY(window_visit(s, lines));
    }
    return OK;
}

static err segment_visit(struct search *s, const char *folder, const struct log_segment *segment)
{
    char path[FS_PATH_BYTES];
    log_segment_path(path, folder, segment->start_ms);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return OK; /* expired while we searched */
    if (fd < 0)
        return ERR_SYS("searching the log '%s'", path);
    struct stat st;
    err e = OK;
    if (fstat(fd, &st) != 0)
        e = ERR_SYS("searching the log '%s'", path);
    else if (s->query->oldest_first)
        e = segment_forward(s, fd, st.st_size, path);
    else
        e = segment_backward(s, fd, st.st_size, path);
    close(fd);
    return e;
}

/* ------------------------------------------------------------------ the query */

/* The value, which is not empty, as it stands between the quotes of a line. */
static err escaped(arena *keep, str value, str *ret_text)
{
    struct buf out;
    buf_init(&out, value.len * 6 + 2);
    json_escape(&out, value);
    err e = buf_check(&out);
    if (!e.code) {
        *ret_text = arena_str(keep, str_sub(buf_str(&out), 1, out.len - 2));
        e = arena_check(keep);
    }
    buf_deinit(&out);
    return e;
}

static err want(struct search *s, str *slot, const char *key, str value)
{
    if (value.len == 0)
        return OK;
    TRY(escaped(s->keep, value, slot));
    str needle = arena_fmt(s->keep, "\"%s\":\"%.*s\"", key, STR_ARG(*slot));
    ARENA_TRY(needle.ptr);
    s->needles[s->needle_count++] = needle;
    return OK;
}

static err search_prepare(struct search *s)
{
    const struct log_query *q = s->query;
    /* The rarest first: a miss ends the look at a window. */
    if (q->text.len) {
        str text = STR_NONE;
        TRY(escaped(s->keep, q->text, &text));
        s->needles[s->needle_count++] = text;
    }
    if (q->level_min == LOG_ERROR)
        s->needles[s->needle_count++] = STR("\"level\":\"error\"");
    TRY(want(s, &s->wanted.request_id, "request_id", q->request_id));
    TRY(want(s, &s->wanted.run_id, "run_id", q->run_id));
    TRY(want(s, &s->wanted.dataset_id, "dataset_id", q->dataset_id));
    TRY(want(s, &s->wanted.model_id, "model_id", q->model_id));
    TRY(want(s, &s->wanted.event, q->spans ? "span" : "event", q->event));
    TRY(want(s, &s->wanted.username, "username", q->username));
    TRY(want(s, &s->wanted.component, "component", q->component));
    TRY(arena_check(s->keep));
    buf_init(&s->window, WINDOW_BYTES_MAX);
    return OK;
}

static bool segment_overlaps(const struct log_query *q, const struct log_segment *segment)
{
    if (q->to_ms && segment->start_ms > q->to_ms + DISORDER_MS)
        return false;
    return !q->from_ms || segment->changed_ms >= q->from_ms - DISORDER_MS;
}

err log_visit(struct log *l, const struct log_query *query,
              err (*each)(void *arg, const struct log_seen *line, bool *ret_stop), void *arg)
{
    arena needles;
    struct search s = { .query = query, .keep = &needles, .each = each, .arg = arg };
    struct log_segment *segments = NULL;
    size_t count = 0;
    arena_init(&needles, NEEDLE_BYTES_MAX);
    err e = search_prepare(&s);
    if (!e.code && log_writer_has_folder(l->writer)) {
        log_writer_flush(l->writer);
        e = log_segments_list(log_writer_folder(l->writer), &segments, &count);
    }
    for (size_t i = 0; i < count && !s.is_done && !e.code; i++) {
        const struct log_segment *segment = &segments[query->oldest_first ? i : count - 1 - i];
        if (segment_overlaps(query, segment))
            e = segment_visit(&s, log_writer_folder(l->writer), segment);
    }
    free(segments);
    buf_deinit(&s.window);
    arena_deinit(&needles);
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

err log_search(struct log *l, const struct log_query *query, arena *keep,
               struct log_line **ret_lines, size_t *ret_count)
{
    struct finding f = { .keep = keep, .limit = query->limit ? query->limit : LIMIT_DEFAULT };
    if (f.limit > LIMIT_MAX)
        f.limit = LIMIT_MAX;
    f.found = NEW_ARRAY(keep, struct log_line, f.limit);
    ARENA_TRY(f.found);
    TRY(log_visit(l, query, finding_add, &f));
    *ret_lines = f.found;
    *ret_count = f.count;
    return OK;
}
