/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/chess_events.h"

#include "apps/chess/game_record.h"
#include "base/clock.h"
#include "base/json.h"

enum { EVENT_BYTES_MAX = 16 * 1024, NAME_BYTES_MAX = 1000 };

static err put(struct house *h, struct store_tx *tx, const char *type, const char *subject,
               struct buf *data)
{
    err e = buf_check(data);
    struct outbox_event event = { .type = type, .subject = str_of(subject) };
    if (!e.code) {
        event.data = buf_str(data);
        e = outbox_put(house_outbox(h), tx, &event);
    }
    buf_deinit(data);
    return e;
}

err chess_tell_game(struct house *h, struct store_tx *tx, const struct play *p)
{
    struct buf data;
    struct json_out w;
    if (!outbox_takes_events(house_outbox(h)))
        return OK;
    buf_init(&data, EVENT_BYTES_MAX);
    json_out_init(&w, &data);
    json_object_begin(&w);
    json_kv_cstr(&w, "gameId", p->id);
    json_kv_str(&w, "username", p->username);
    json_kv_cstr(&w, "color", p->person == CHESS_WHITE ? "white" : "black");
    json_kv_str(&w, "model", str_sub(p->model_name, 0, NAME_BYTES_MAX));
    json_kv_str(&w, "modelVersion", str_sub(p->model_version, 0, NAME_BYTES_MAX));
    json_kv_cstr(&w, "result", chess_result_name(p->game->result));
    json_kv_cstr(&w, "reason", p->game->reason);
    json_kv_int(&w, "plies", (int64_t)p->game->plies);
    json_kv_time_ms(&w, "startedAt", p->created_ms);
    json_kv_time_ms(&w, "finishedAt", clock_wall_ms());
    json_object_end(&w);
    return put(h, tx, "game.finished", p->id, &data);
}

err chess_tell_import(struct house *h, struct store_tx *tx, const struct chess_import *i)
{
    struct buf data;
    struct json_out w;
    bool is_good = i->error[0] == '\0';
    if (!outbox_takes_events(house_outbox(h)))
        return OK;
    buf_init(&data, EVENT_BYTES_MAX);
    json_out_init(&w, &data);
    json_object_begin(&w);
    json_kv_cstr(&w, "runId", i->run_id);
    json_kv_cstr(&w, "state", i->state);
    if (!is_good)
        json_kv_cstr(&w, "error", i->error);
    json_kv_str(&w, "source", str_sub(i->source, 0, NAME_BYTES_MAX));
    if (i->dataset.len)
        json_kv_str(&w, "dataset", str_sub(i->dataset, 0, NAME_BYTES_MAX));
    json_kv_int(&w, "added", i->added);
    json_kv_int(&w, "duplicates", i->duplicates);
    json_kv_int(&w, "refused", i->refused);
    json_kv_int(&w, "positions", i->positions);
    json_kv_int(&w, "bytes", i->bytes);
    json_object_end(&w);
    return put(h, tx, is_good ? "games.imported" : "games.import_failed", i->run_id, &data);
}
