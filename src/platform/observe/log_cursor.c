/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log_cursor.c -- the lines of one segment that match, one after the other, in windows of a few
 * hundred KiB, from either end.
 *
 * No index. A window in which a wanted text does not occur at all is passed over at the speed of
 * memmem; only lines of the others are taken apart. The segment that is being written is safe to
 * read: its lines are whole up to its last newline, and what stands behind that is not looked at,
 * here or at the torn end of a segment of a killed process.
 */
#include "platform/observe/log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

enum {
    WINDOW_BYTES = 256 * 1024,
    WINDOW_BYTES_MAX = 2 * LOG_LINE_BYTES_MAX,
};

/* ------------------------------------------------------------------ what is looked for */

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

static err want(struct log_match *m, arena *keep, str *slot, const char *key, str value)
{
    if (value.len == 0)
        return OK;
    TRY(escaped(keep, value, slot));
    str needle = arena_fmt(keep, "\"%s\":\"%.*s\"", key, STR_ARG(*slot));
    ARENA_TRY(needle.ptr);
    m->needles[m->needle_count++] = needle;
    return OK;
}

err log_match_init(struct log_match *m, const struct log_query *q, arena *keep)
{
    *m = (struct log_match){ .query = q };
    /* The rarest first: a miss ends the look at a window. */
    if (q->text.len) {
        str text = STR_NONE;
        TRY(escaped(keep, q->text, &text));
        m->needles[m->needle_count++] = text;
    }
    if (q->level_min == LOG_ERROR)
        m->needles[m->needle_count++] = STR("\"level\":\"error\"");
    TRY(want(m, keep, &m->wanted.request_id, "request_id", q->request_id));
    TRY(want(m, keep, &m->wanted.run_id, "run_id", q->run_id));
    TRY(want(m, keep, &m->wanted.dataset_id, "dataset_id", q->dataset_id));
    TRY(want(m, keep, &m->wanted.model_id, "model_id", q->model_id));
    TRY(want(m, keep, &m->wanted.event, q->spans ? "span" : "event", q->event));
    TRY(want(m, keep, &m->wanted.username, "username", q->username));
    TRY(want(m, keep, &m->wanted.component, "component", q->component));
    return arena_check(keep);
}

static bool field_matches(str wanted, str value)
{
    return wanted.len == 0 || str_eq(wanted, value);
}

static struct log_seen seen_of(str line, const struct log_scan *scan)
{
    return (struct log_seen){ .json = line,
                              .ts_ms = scan->ts_ms,
                              .level = scan->level,
                              .event = scan->event,
                              .component = scan->component,
                              .run_id = scan->run_id,
                              .dataset_id = scan->dataset_id,
                              .model_id = scan->model_id,
                              .username = scan->username,
                              .request_id = scan->request_id };
}

bool log_line_read(str line, struct log_seen *ret_seen)
{
    struct log_scan scan;
    if (!log_scan_line(line, &scan))
        return false;
    *ret_seen = seen_of(line, &scan);
    return true;
}

static bool line_matches(const struct log_match *m, str line, struct log_seen *ret_seen)
{
    /* The first needle is the rarest, and the text when there is one; fields are compared below. */
    if (m->needle_count && !str_contains(line, m->needles[0]))
        return false;
    struct log_scan scan;
    if (!log_scan_line(line, &scan))
        return false;
    const struct log_query *q = m->query;
    *ret_seen = seen_of(line, &scan);
    if ((q->from_ms && scan.ts_ms < q->from_ms) || (q->to_ms && scan.ts_ms > q->to_ms))
        return false;
    if (q->spans != (scan.span.len > 0) || scan.level < q->level_min)
        return false;
    return field_matches(m->wanted.component, scan.component) &&
           field_matches(m->wanted.run_id, scan.run_id) &&
           field_matches(m->wanted.dataset_id, scan.dataset_id) &&
           field_matches(m->wanted.model_id, scan.model_id) &&
           field_matches(m->wanted.username, scan.username) &&
           field_matches(m->wanted.request_id, scan.request_id) &&
           field_matches(m->wanted.event, q->spans ? scan.span : scan.event);
}

/* ------------------------------------------------------------------ windows */

static bool window_may_match(const struct log_match *m, str window)
{
    for (size_t i = 0; i < m->needle_count; i++)
        if (!str_contains(window, m->needles[i]))
            return false;
    return true;
}

/* With errno. */
static err failed(const struct log_cursor *c)
{
    return ERR_SYS("searching the log's segment %lld", (long long)c->start_ms);
}

/* Reads [from, to) into the window; fewer bytes when the file is shorter by now. */
static err window_read(struct log_cursor *c, int64_t from, int64_t to)
{
    buf_clear(&c->window);
    char *out = buf_reserve(&c->window, (size_t)(to - from));
    if (!out)
        return ERR(ERR_NO_MEMORY, "searching the log: out of memory");
    while (from < to) {
        ssize_t n = pread(c->fd, out + c->window.len, (size_t)(to - from), from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(c);
        if (n == 0)
            break;
        c->window.len += (size_t)n;
        from += n;
    }
    return OK;
}

/* The next window from the end: c->to moves down. A window that does not start at the file's start
 * loses what is before its first newline to the next one. */
static err window_back(struct log_cursor *c, str *ret_lines)
{
    for (int64_t size = WINDOW_BYTES;; size = WINDOW_BYTES_MAX) {
        int64_t from = c->to > size ? c->to - size : 0;
        TRY(window_read(c, from, c->to));
        str text = buf_str(&c->window);
        /* At the end of the file there may be a line that is not whole yet, or never will be. */
        const char *last = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
        size_t end = last ? (size_t)(last - text.ptr) + 1 : 0;
        const char *first = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
        size_t start = from == 0 ? 0 : first ? (size_t)(first - text.ptr) + 1 : text.len;
        if (start >= end && from > 0 && size < WINDOW_BYTES_MAX)
            continue; /* one long line: look further back */
        *ret_lines = start < end ? str_sub(text, start, end - start) : STR_NONE;
        /* A window within one monstrous line has no start: that line is passed over. */
        c->to = from == 0 ? 0 : start < end ? from + (int64_t)start : from;
        return OK;
    }
}

/* The next window from the start: c->from moves up. */
static err window_on(struct log_cursor *c, str *ret_lines)
{
    for (int64_t size = WINDOW_BYTES;; size = WINDOW_BYTES_MAX) {
        int64_t to = c->to - c->from > size ? c->from + size : c->to;
        TRY(window_read(c, c->from, to));
        str text = buf_str(&c->window);
        const char *last = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
        if (!last && to < c->to && size < WINDOW_BYTES_MAX)
            continue;
        *ret_lines = STR_NONE;
        if (!last) {
            c->is_in_long_line = true;
            c->from = to;
            return OK;
        }
        *ret_lines = str_sub(text, 0, (size_t)(last - text.ptr) + 1);
        c->from += (int64_t)ret_lines->len;
        if (c->is_in_long_line)
            str_split(ret_lines, '\n');
        c->is_in_long_line = false;
        return OK;
    }
}

/* ------------------------------------------------------------------ a segment as a row of lines */

/* Takes the next line off the window, which is whole lines, each ended by a newline. */
static str line_take(str *window, bool oldest_first)
{
    if (oldest_first)
        return str_split(window, '\n');
    window->len--; /* the newline of the last line */
    const char *before = window->len ? memrchr(window->ptr, '\n', window->len) : NULL;
    size_t from = before ? (size_t)(before - window->ptr) + 1 : 0;
    str line = str_sub(*window, from, window->len);
    window->len = from;
    return line;
}

err log_cursor_next(struct log_cursor *c)
{
    bool oldest_first = c->match->query->oldest_first;
    for (;;) {
        while (c->rest.len) {
            str line = line_take(&c->rest, oldest_first);
            if (line.len < LOG_LINE_BYTES_MAX && line_matches(c->match, line, &c->head))
                return OK;
        }
        if (c->from >= c->to) {
            c->is_done = true;
            return OK;
        }
        TRY(oldest_first ? window_on(c, &c->rest) : window_back(c, &c->rest));
        if (!window_may_match(c->match, c->rest))
            c->rest = STR_NONE;
    }
}

err log_cursor_open(struct log_cursor *c, const struct log_match *match, const char *folder,
                    const struct log_segment *segment)
{
    char path[FS_PATH_BYTES];
    struct stat st;
    *c = (struct log_cursor){ .match = match, .start_ms = segment->start_ms, .fd = -1 };
    buf_init(&c->window, WINDOW_BYTES_MAX);
    log_segment_path(path, folder, segment->start_ms);
    c->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0 && errno == ENOENT) {
        c->is_done = true; /* expired while we searched */
        return OK;
    }
    if (c->fd < 0 || fstat(c->fd, &st) != 0)
        return failed(c);
    c->to = st.st_size;
    return log_cursor_next(c);
}

void log_cursor_close(struct log_cursor *c)
{
    if (c->fd >= 0)
        close(c->fd);
    buf_deinit(&c->window);
}
