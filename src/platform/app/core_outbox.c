/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_outbox.c -- /v1/outbox and `skerry outbox`: what leaves, what waits, what was refused. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"

enum { DEAD_MAX = 1000, DEAD_DEFAULT = 100, VERB_BYTES_MAX = 16 << 20, VERB_ARENA_MAX = 64 << 20 };

static void write_info(struct json_out *w, const struct outbox_info *info)
{
    json_object_begin(w);
    json_kv_cstr(w, "destination", info->name);
    json_kv_cstr(w, "takes", outbox_takes_name(info->takes));
    json_kv_cstr(w, "breaker", outbox_breaker_name(info->breaker));
    json_kv_int(w, "sent", info->sent);
    json_kv_int(w, "waiting", info->waiting_items);
    json_kv_int(w, "waitingBytes", info->waiting_bytes);
    json_kv_time_ms(w, "oldestAt", info->oldest_ms);
    json_kv_int(w, "dead", info->dead_items);
    json_kv_int(w, "lost", info->lost);
    json_kv_time_ms(w, "lastSentAt", info->sent_ms);
    json_kv_time_ms(w, "lastFailedAt", info->error_ms);
    json_key(w, "error");
    if (info->error.len)
        json_out_str(w, info->error);
    else
        json_out_null(w);
    json_object_end(w);
}

static err write_list(struct house *h, arena *keep, struct json_out *w)
{
    struct outbox_info *infos;
    size_t count;
    TRY(outbox_list(house_outbox(h), keep, &infos, &count));
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        write_info(w, &infos[i]);
    json_items_end(w);
    return OK;
}

static void write_letter(struct json_out *w, const struct outbox_letter *l)
{
    bool is_event = l->event_id.len > 0;
    json_object_begin(w);
    json_kv_int(w, "id", l->id);
    if (is_event) {
        json_kv_str(w, "eventId", l->event_id);
        json_kv_str(w, "type", l->type);
        json_kv_str(w, "subject", l->subject);
    }
    json_kv_time_ms(w, "at", l->at_ms);
    json_kv_time_ms(w, "refusedAt", l->refused_ms);
    json_kv_str(w, "why", l->why);
    json_kv_raw(w, is_event ? "data" : "line", l->body);
    json_object_end(w);
}

static err write_dead(struct house *h, str destination, int64_t limit, arena *keep,
                      struct json_out *w)
{
    struct outbox_letter *letters;
    size_t count;
    TRY(outbox_dead(house_outbox(h), destination, limit, keep, &letters, &count));
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        write_letter(w, &letters[i]);
    json_items_end(w);
    return OK;
}

/* ------------------------------------------------------------------ HTTP */

err core_outbox_list(struct http_request *rq, struct http_reply *rp)
{
    return write_list(rq_house(rq), http_arena(rq), http_json(rp));
}

err core_outbox_dead(struct http_request *rq, struct http_reply *rp)
{
    int64_t limit = DEAD_DEFAULT;
    TRY(http_query_int(rq, "limit", 1, DEAD_MAX, &limit));
    return write_dead(rq_house(rq), http_param(rq, "destination"), limit, http_arena(rq),
                      http_json(rp));
}

static err change(struct http_request *rq, struct http_reply *rp, const char *event,
                  err (*fn)(struct outbox *o, str destination, int64_t *ret_count))
{
    struct house *h = rq_house(rq);
    str destination = http_param(rq, "destination");
    int64_t count = 0;
    TRY(fn(house_outbox(h), destination, &count));
    struct log_labels labels = { .component = STR("outbox"),
                                 .username = http_user(rq),
                                 .request_id = http_request_id(rq) };
    log_event(house_log(h), LOG_INFO, &labels, event, NULL, F_STR("destination", destination),
              F_INT("items", count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", count);
    json_object_end(w);
    return OK;
}

err core_outbox_replay(struct http_request *rq, struct http_reply *rp)
{
    return change(rq, rp, "outbox.replayed", outbox_replay);
}

err core_outbox_drop(struct http_request *rq, struct http_reply *rp)
{
    return change(rq, rp, "outbox.dropped", outbox_drop);
}

/* ------------------------------------------------------------------ the verb */

static void add_age(struct buf *out, const char *what, int64_t ms)
{
    if (ms)
        buf_add_fmt(out, ", %s %lld s ago", what, (long long)((clock_wall_ms() - ms) / 1000));
}

static err list_text(struct house *h, arena *keep, struct buf *out)
{
    struct outbox_info *infos;
    size_t count;
    TRY(outbox_list(house_outbox(h), keep, &infos, &count));
    if (!count)
        buf_add_cstr(out, "Nothing leaves: set SKERRY_LOKI_URL, SKERRY_OTLP_URL, "
                          "SKERRY_KAFKA_BROKERS or SKERRY_MIRROR_URL.\n");
    for (size_t i = 0; i < count; i++) {
        const struct outbox_info *info = &infos[i];
        buf_add_fmt(out, "%-12s %-7s %s, %lld sent, %lld waiting (%lld bytes)", info->name,
                    outbox_takes_name(info->takes),
                    info->breaker == OUTBOX_CLOSED ? "up" : "not reachable", (long long)info->sent,
                    (long long)info->waiting_items, (long long)info->waiting_bytes);
        buf_add_fmt(out, ", %lld dead, %lld lost", (long long)info->dead_items,
                    (long long)info->lost);
        add_age(out, "last sent", info->sent_ms);
        add_age(out, "oldest from", info->oldest_ms);
        if (info->error.len)
            buf_add_fmt(out, "\n             %.*s", STR_ARG(info->error));
        buf_add_char(out, '\n');
    }
    return OK;
}

static err dead_text(struct house *h, str destination, arena *keep, struct buf *out)
{
    struct outbox_letter *letters;
    size_t count;
    char at[CLOCK_ISO_BYTES];
    TRY(outbox_dead(house_outbox(h), destination, DEAD_MAX, keep, &letters, &count));
    for (size_t i = 0; i < count; i++) {
        clock_iso(letters[i].at_ms, at);
        buf_add_fmt(out, "%s  %.*s\n    %.*s\n", at, STR_ARG(letters[i].why),
                    STR_ARG(letters[i].body));
    }
    if (!count)
        buf_add_cstr(out, "It has refused nothing.\n");
    return OK;
}

static err change_text(struct house *h, const char *what, str destination, bool json,
                       struct buf *out)
{
    bool is_replay = strcmp(what, "replay") == 0;
    int64_t count = 0;
    TRY((is_replay ? outbox_replay : outbox_drop)(house_outbox(h), destination, &count));
    if (json)
        buf_add_fmt(out, "{\"count\":%lld}\n", (long long)count);
    else
        buf_add_fmt(out, "%lld %s\n", (long long)count, is_replay ? "wait again" : "are forgotten");
    return OK;
}

static err answer(struct house *h, const struct verb_args *args, arena *keep, struct buf *out)
{
    struct json_out w;
    const char *what = args->count ? args->values[0] : "";
    str destination = args->count > 1 ? str_of(args->values[1]) : STR_NONE;
    bool is_dead = strcmp(what, "dead") == 0;
    json_out_init(&w, out);
    if (args->count == 0) {
        if (!args->json)
            return list_text(h, keep, out);
        TRY(write_list(h, keep, &w));
    } else if (args->count == 2 && is_dead) {
        if (!args->json)
            return dead_text(h, destination, keep, out);
        TRY(write_dead(h, destination, DEAD_MAX, keep, &w));
    } else if (args->count == 2 && (strcmp(what, "replay") == 0 || strcmp(what, "drop") == 0)) {
        return change_text(h, what, destination, args->json, out);
    } else {
        return ERR(ERR_INVALID, "usage: skerry outbox [dead DEST | replay DEST | drop DEST]");
    }
    buf_add_char(out, '\n');
    return OK;
}

err core_verb_outbox(struct house *h, const struct verb_args *args)
{
    arena keep;
    struct buf out;
    arena_init(&keep, VERB_ARENA_MAX);
    buf_init(&out, VERB_BYTES_MAX);
    err e = answer(h, args, &keep, &out);
    if (!e.code)
        e = buf_check(&out);
    if (!e.code)
        fwrite(out.ptr, 1, out.len, stdout);
    buf_deinit(&out);
    arena_deinit(&keep);
    return e;
}
