/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loki.c -- lines of the log to Loki's push API.
 *
 * Labels are few, because Loki keeps a stream for each set of them: the service, which one of it,
 * its component and the level. Without the second, several servers would share streams, and Loki
 * refuses what is far behind the newest line of its stream: one that was cut off would lose what it
 * kept. What a person looks for (run_id, dataset_id, ...) goes along as structured metadata, where
 * Loki takes that. The same line sent twice has the same time and text, of which Loki keeps one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "platform/outbox/http_out.h"

enum { BODY_BYTES_MAX = 8 << 20, STREAMS_MAX = 1000 };

struct loki {
    struct http_out *http;
    bool is_plain; /* it takes no structured metadata */
};

/* Lines with the same component and level, together. Values are as they stand in the line: escaped.
 */
struct stream {
    str component;
    enum log_level level;
};

static bool is_of(const struct stream *s, const struct log_seen *seen)
{
    return s->level == seen->level && str_eq(s->component, seen->component);
}

static size_t find_streams(const struct log_seen *seen, size_t count, struct stream *streams)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < n && !is_of(&streams[k], &seen[i]))
            k++;
        if (k == n) /* there are at most as many as lines */
            streams[n++] = (struct stream){ seen[i].component, seen[i].level };
    }
    return n;
}

static void add_metadata(struct buf *out, const char *key, str value, bool *has_some)
{
    if (!value.len)
        return;
    buf_add_fmt(out, "%s\"%s\":\"", *has_some ? "," : "", key);
    buf_add(out, value);
    buf_add_char(out, '"');
    *has_some = true;
}

static void add_value(struct buf *out, const struct log_seen *seen, bool has_metadata)
{
    bool has_some = false;
    buf_add_fmt(out, "[\"%lld000000\",", (long long)seen->ts_ms);
    json_escape(out, seen->json);
    if (!has_metadata) {
        buf_add_char(out, ']');
        return;
    }
    buf_add_cstr(out, ",{");
    add_metadata(out, "event", seen->event, &has_some);
    add_metadata(out, "run_id", seen->run_id, &has_some);
    add_metadata(out, "dataset_id", seen->dataset_id, &has_some);
    add_metadata(out, "model_id", seen->model_id, &has_some);
    add_metadata(out, "request_id", seen->request_id, &has_some);
    add_metadata(out, "username", seen->username, &has_some);
    buf_add_cstr(out, "}]");
}

static err add_body(struct buf *out, const struct loki *l, const struct log_seen *seen,
                    size_t count)
{
    struct stream streams[STREAMS_MAX];
    size_t n = find_streams(seen, count, streams);
    buf_add_cstr(out, "{\"streams\":[");
    for (size_t k = 0; k < n; k++) {
        bool is_first = true;
        str component = streams[k].component.len ? streams[k].component : STR("server");
        buf_add_fmt(out,
                    "%s{\"stream\":{\"service_name\":\"skerry\",\"service_instance_id\":\"%s\","
                    "\"component\":\"%.*s\",\"level\":\"%s\"},\"values\":[",
                    k ? "," : "", l->http->config->instance, STR_ARG(component),
                    log_level_name(streams[k].level));
        for (size_t i = 0; i < count; i++) {
            if (!is_of(&streams[k], &seen[i]))
                continue;
            if (!is_first)
                buf_add_char(out, ',');
            add_value(out, &seen[i], !l->is_plain);
            is_first = false;
        }
        buf_add_cstr(out, "]}");
    }
    buf_add_cstr(out, "]}");
    return buf_check(out);
}

static err loki_open(const void *config, void **ret_state)
{
    struct loki *l = calloc(1, sizeof *l);
    if (!l)
        return ERR(ERR_NO_MEMORY, "opening Loki: out of memory");
    err e = http_out_open(config, "/loki/api/v1/push", &l->http);
    if (e.code)
        free(l);
    else
        *ret_state = l;
    return e;
}

static err post(struct loki *l, struct outbox_batch *batch, const struct log_seen *seen,
                struct buf *reply)
{
    struct buf body;
    buf_init(&body, BODY_BYTES_MAX);
    err e = add_body(&body, l, seen, batch->count);
    if (!e.code)
        e = http_out_post(l->http, batch, buf_str(&body), reply);
    buf_deinit(&body);
    return e;
}

/* Threads may write lines of one moment in another order, and a Loki before 2.4 refuses what is
 * behind the line before it. They are nearly sorted. */
static void sort_by_time(struct log_seen *seen, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct log_seen one = seen[i];
        size_t k = i;
        for (; k > 0 && seen[k - 1].ts_ms > one.ts_ms; k--)
            seen[k] = seen[k - 1];
        seen[k] = one;
    }
}

static err loki_send(void *state, struct outbox_batch *batch)
{
    struct loki *l = state;
    struct buf reply;
    struct log_seen *seen = calloc(batch->count, sizeof *seen);
    if (!seen)
        return ERR(ERR_NO_MEMORY, "sending to Loki: out of memory");
    for (size_t i = 0; i < batch->count; i++)
        if (!log_line_read(batch->items[i].body, &seen[i]))
            seen[i] = (struct log_seen){ .json = batch->items[i].body,
                                         .ts_ms = batch->items[i].at_ms,
                                         .level = LOG_INFO };
    sort_by_time(seen, batch->count);
    buf_init(&reply, HTTP_OUT_REPLY_MAX);
    err e = post(l, batch, seen, &reply);
    if (e.code == ERR_INVALID && !l->is_plain && http_out_wants_plain_lines(buf_str(&reply))) {
        l->is_plain = true;
        buf_clear(&reply);
        e = post(l, batch, seen, &reply);
    }
    buf_deinit(&reply);
    free(seen);
    return e;
}

static void loki_close(void *state)
{
    struct loki *l = state;
    if (l)
        http_out_close(l->http);
    free(l);
}

const struct outbox_kind outbox_loki = {
    .name = "loki",
    .takes = OUTBOX_LINES,
    .items_max = STREAMS_MAX,
    .bytes_max = 768 * 1024,
    .open = loki_open,
    .send = loki_send,
    .close = loki_close,
};
