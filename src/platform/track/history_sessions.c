/* SPDX-License-Identifier: GPL-3.0-or-later */
/* history_sessions.c -- from when to when a process took samples.
 *
 * A sample that does not change is not stored again, so a value holds until the next sample of its
 * series, or until its session ends. And a counter's first sample in a session counts from zero.
 */
#include "platform/track/history_internal.h"

err history_sessions_read(struct store_read *rd, int64_t live_id, int64_t from_ms, arena *keep,
                          struct history_sessions *ret_sessions)
{
    struct store_rows *rows;
    int64_t there = 0;
    struct history_sessions s = { 0 };

    TRY(store_get_int(rd, "SELECT COUNT(*) FROM history_sessions WHERE last_ms >= ?1",
                      ARGS(sql_int(from_ms)), &there));
    size_t room = there < HISTORY_SESSIONS_MAX ? (size_t)there : HISTORY_SESSIONS_MAX;
    s.items = NEW_ARRAY(keep, struct history_session, room);
    ARENA_TRY(s.items);
    TRY(store_query(rd,
                    "SELECT id, start_ms, last_ms FROM (SELECT id, start_ms, last_ms"
                    " FROM history_sessions WHERE last_ms >= ?1 ORDER BY start_ms DESC LIMIT ?2)"
                    " AS newest ORDER BY start_ms",
                    ARGS(sql_int(from_ms), sql_int((int64_t)room)), &rows));
    while (s.count < room && store_next(rows)) {
        bool live = live_id && store_col_int(rows, 0) == live_id;
        s.items[s.count++] = (struct history_session){
            .start_ms = store_col_int(rows, 1),
            .last_ms = live ? INT64_MAX : store_col_int(rows, 2),
        };
    }
    TRY(store_rows_close(rows));
    *ret_sessions = s;
    return OK;
}

const struct history_session *history_session_at(const struct history_sessions *s, int64_t ts_ms)
{
    size_t low = 0,
           high = s->count; /* the last one that starts at or before ts_ms is before high */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->items[mid].start_ms <= ts_ms)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || ts_ms > s->items[low - 1].last_ms)
        return NULL;
    return &s->items[low - 1];
}

struct restarts_read {
    int64_t from_ms, count;
};

static err restarts_fn(struct store_read *rd, void *arg)
{
    struct restarts_read *r = arg;
    return store_get_int(rd,
                         "SELECT COUNT(*) FROM history_sessions WHERE start_ms >= ?1"
                         " AND id > (SELECT MIN(id) FROM history_sessions)",
                         ARGS(sql_int(r->from_ms)), &r->count);
}

err history_restarts(struct history *h, int64_t from_ms, int64_t *ret_count)
{
    struct restarts_read r = { .from_ms = from_ms };
    TRY(store_read(h->store, restarts_fn, &r));
    *ret_count = r.count;
    return OK;
}
