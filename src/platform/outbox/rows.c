/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rows.c -- the tables: items that wait or are dead, and what is known of each destination. */
#include <string.h>

#include "base/clock.h"
#include "platform/outbox/outbox_internal.h"

const struct store_migration outbox_migrations[] = {
    { 1, "CREATE TABLE outbox_items ("
         " id @id,"
         " destination @text NOT NULL,"
         " is_dead @int NOT NULL DEFAULT 0,"
         " event_id @text NOT NULL," /* empty: a line of the log that was refused */
         " type @text NOT NULL,"
         " subject @text NOT NULL,"
         " body @text NOT NULL,"
         " bytes @int NOT NULL,"
         " at_ms @int NOT NULL,"
         " refused_ms @int,"
         " why @text) @strict;"
         "CREATE INDEX outbox_items_by_turn ON outbox_items (destination, is_dead, id);"

         "CREATE TABLE outbox_destinations ("
         " destination @text NOT NULL,"
         " instance @text NOT NULL," /* whose log files the cursor is about */
         " cursor @text NOT NULL DEFAULT '',"
         " breaker @int NOT NULL DEFAULT 0,"
         " error @text NOT NULL DEFAULT '',"
         " error_ms @int NOT NULL DEFAULT 0,"
         " sent_ms @int NOT NULL DEFAULT 0,"
         " sent @int NOT NULL DEFAULT 0,"
         " lost @int NOT NULL DEFAULT 0,"
         " PRIMARY KEY (destination, instance)) @strict;" },
    { 0, NULL },
};

/* ------------------------------------------------------------------ what is known */

struct saved_read {
    struct outbox *outbox;
    const char *destination;
    arena *keep;
    struct outbox_saved saved;
    bool is_found;
};

static err saved_fn(struct store_read *rd, void *arg)
{
    struct saved_read *r = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT cursor, breaker, error, error_ms, sent_ms, sent, lost"
                    " FROM outbox_destinations WHERE destination = ?1 AND instance = ?2",
                    ARGS(sql_cstr(r->destination), sql_cstr(r->outbox->options.instance)), &rows));
    r->is_found = store_next(rows);
    if (r->is_found)
        r->saved = (struct outbox_saved){
            .cursor = store_col_text_keep(rows, 0, r->keep),
            .breaker = store_col_int(rows, 1) ? OUTBOX_OPEN : OUTBOX_CLOSED,
            .error = store_col_text_keep(rows, 2, r->keep),
            .error_ms = store_col_int(rows, 3),
            .sent_ms = store_col_int(rows, 4),
            .sent = store_col_int(rows, 5),
            .lost = store_col_int(rows, 6),
        };
    TRY(store_rows_close(rows));
    return arena_check(r->keep);
}

err rows_saved(struct outbox *o, const char *destination, arena *keep,
               struct outbox_saved *ret_saved, bool *ret_found)
{
    struct saved_read r = { .outbox = o, .destination = destination, .keep = keep };
    TRY(store_read(o->options.store, saved_fn, &r));
    if (r.is_found)
        *ret_saved = r.saved;
    *ret_found = r.is_found;
    return OK;
}

/* ------------------------------------------------------------------ in */

static err item_insert(struct store_tx *tx, const char *destination, const struct outbox_item *item,
                       bool is_dead)
{
    return store_exec(
        tx,
        "INSERT INTO outbox_items (destination, is_dead, event_id, type, subject, body, bytes,"
        " at_ms, refused_ms, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        ARGS(sql_cstr(destination), sql_int(is_dead), sql_text(item->id), sql_text(item->type),
             sql_text(item->subject), sql_text(item->body), sql_int((int64_t)item->body.len),
             sql_int(item->at_ms), is_dead ? sql_int(clock_wall_ms()) : sql_null(),
             sql_cstr(is_dead ? item->why : NULL)),
        NULL);
}

err rows_put(struct store_tx *tx, const char *destination, str event_id, str type, str subject,
             str body, int64_t at_ms)
{
    struct outbox_item item = {
        .id = event_id, .type = type, .subject = subject, .body = body, .at_ms = at_ms
    };
    return item_insert(tx, destination, &item, false);
}

/* ------------------------------------------------------------------ out */

struct batch_read {
    const struct ship *ship;
    size_t max;
    arena *keep;
    struct outbox_item *items;
    int64_t *ids;
    size_t count;
};

static err batch_fn(struct store_read *rd, void *arg)
{
    struct batch_read *b = arg;
    struct store_rows *rows;
    size_t bytes = 0;
    b->count = 0;
    TRY(store_query(rd,
                    "SELECT id, event_id, type, subject, body, at_ms FROM outbox_items"
                    " WHERE destination = ?1 AND is_dead = 0 ORDER BY id LIMIT ?2",
                    ARGS(sql_cstr(b->ship->kind->name), sql_int((int64_t)b->max)), &rows));
    while (bytes < b->ship->kind->bytes_max && b->count < b->max && store_next(rows)) {
        b->ids[b->count] = store_col_int(rows, 0);
        b->items[b->count] = (struct outbox_item){
            .id = store_col_text_keep(rows, 1, b->keep),
            .type = store_col_text_keep(rows, 2, b->keep),
            .subject = store_col_text_keep(rows, 3, b->keep),
            .body = store_col_text_keep(rows, 4, b->keep),
            .at_ms = store_col_int(rows, 5),
        };
        bytes += b->items[b->count++].body.len;
    }
    TRY(store_rows_close(rows));
    return arena_check(b->keep);
}

err rows_read(struct outbox *o, const struct ship *s, size_t max, arena *keep,
              struct outbox_item *items, int64_t *ids, size_t *ret_count)
{
    struct batch_read b = { .ship = s, .max = max, .keep = keep, .items = items, .ids = ids };
    TRY(store_read(o->options.store, batch_fn, &b));
    *ret_count = b.count;
    return OK;
}

struct settle {
    struct outbox *outbox;
    const struct rows_outcome *outcome;
};

static err settle_item(struct store_tx *tx, const struct rows_outcome *out, size_t i)
{
    const struct outbox_item *item = &out->items[i];
    bool is_dead = item->outcome == OUTBOX_REFUSED;
    if (!out->ids)
        return is_dead ? item_insert(tx, out->ship->kind->name, item, true) : OK;
    if (is_dead)
        return store_exec(tx,
                          "UPDATE outbox_items SET is_dead = 1, refused_ms = ?2, why = ?3"
                          " WHERE id = ?1",
                          ARGS(sql_int(out->ids[i]), sql_int(clock_wall_ms()), sql_cstr(item->why)),
                          NULL);
    return item->outcome == OUTBOX_SENT ? store_exec(tx, "DELETE FROM outbox_items WHERE id = ?1",
                                                     ARGS(sql_int(out->ids[i])), NULL)
                                        : OK;
}

static err settle_fn(struct store_tx *tx, void *arg)
{
    const struct settle *s = arg;
    const struct rows_outcome *out = s->outcome;
    const struct outbox_numbers *n = out->numbers;
    for (size_t i = 0; i < out->count; i++)
        TRY(settle_item(tx, out, i));
    return store_exec(
        tx,
        "INSERT INTO outbox_destinations (destination, instance, cursor, breaker, error, error_ms,"
        " sent_ms, sent, lost) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        " ON CONFLICT (destination, instance) DO UPDATE SET"
        " cursor = CASE WHEN excluded.cursor = '' THEN outbox_destinations.cursor"
        " ELSE excluded.cursor END, breaker = excluded.breaker, error = excluded.error,"
        " error_ms = excluded.error_ms, sent_ms = excluded.sent_ms, sent = excluded.sent,"
        " lost = excluded.lost",
        ARGS(sql_cstr(out->ship->kind->name), sql_cstr(s->outbox->options.instance),
             sql_text(out->cursor), sql_int(n->breaker != OUTBOX_CLOSED), sql_cstr(n->error),
             sql_int(n->error_ms), sql_int(n->sent_ms), sql_int(n->sent), sql_int(n->lost)),
        NULL);
}

err rows_settle(struct outbox *o, const struct rows_outcome *outcome)
{
    struct settle s = { o, outcome };
    return store_write(o->options.store, settle_fn, &s);
}

/* ------------------------------------------------------------------ how many */

struct counting {
    const char *destination;
    struct rows_counts counts;
};

static err count_fn(struct store_read *rd, void *arg)
{
    struct counting *c = arg;
    struct store_rows *rows;
    c->counts = (struct rows_counts){ 0 };
    TRY(store_query(rd,
                    "SELECT is_dead, COUNT(*), CAST(SUM(bytes) AS @int), MIN(at_ms)"
                    " FROM outbox_items WHERE destination = ?1 GROUP BY is_dead",
                    ARGS(sql_cstr(c->destination)), &rows));
    while (store_next(rows)) {
        if (store_col_int(rows, 0)) {
            c->counts.dead = store_col_int(rows, 1);
            continue;
        }
        c->counts.waiting = store_col_int(rows, 1);
        c->counts.waiting_bytes = store_col_int(rows, 2);
        c->counts.oldest_ms = store_col_int(rows, 3);
    }
    return store_rows_close(rows);
}

err rows_count(struct outbox *o, const char *destination, struct rows_counts *ret)
{
    struct counting c = { .destination = destination };
    TRY(store_read(o->options.store, count_fn, &c));
    *ret = c.counts;
    return OK;
}

/* ------------------------------------------------------------------ caps */

struct trim {
    const struct outbox *outbox;
    const char *destination;
    int64_t lost;
};

static err delete_oldest(struct store_tx *tx, const char *destination, int64_t is_dead,
                         int64_t count, int64_t *ret_deleted)
{
    return store_exec(tx,
                      "DELETE FROM outbox_items WHERE id IN (SELECT id FROM outbox_items"
                      " WHERE destination = ?1 AND is_dead = ?2 ORDER BY id LIMIT ?3)",
                      ARGS(sql_cstr(destination), sql_int(is_dead), sql_int(count)), ret_deleted);
}

static err trim_fn(struct store_tx *tx, void *arg)
{
    struct trim *t = arg;
    const struct outbox_options *options = &t->outbox->options;
    struct counting c = { .destination = t->destination };
    int64_t deleted = 0;
    t->lost = 0;
    TRY(count_fn(store_tx_read(tx), &c));
    int64_t excess = c.counts.waiting - options->rows_max;
    if (excess <= 0 && c.counts.waiting_bytes > options->bytes_max) /* by the average size */
        excess = 1 + (c.counts.waiting_bytes - options->bytes_max) * c.counts.waiting /
                         c.counts.waiting_bytes;
    if (excess > 0)
        TRY(delete_oldest(tx, t->destination, 0, excess, &t->lost));
    excess = c.counts.dead - OUTBOX_DEAD_MAX;
    if (excess > 0)
        TRY(delete_oldest(tx, t->destination, 1, excess, &deleted));
    t->lost += deleted;
    return OK;
}

err rows_trim(struct outbox *o, const char *destination, int64_t *ret_lost)
{
    struct trim t = { .outbox = o, .destination = destination };
    TRY(store_write(o->options.store, trim_fn, &t));
    *ret_lost = t.lost;
    return OK;
}

/* ------------------------------------------------------------------ dead letters */

struct dead_read {
    const char *destination;
    int64_t limit;
    arena *keep;
    struct outbox_letter *letters;
    size_t count;
};

static err dead_fn(struct store_read *rd, void *arg)
{
    struct dead_read *d = arg;
    struct store_rows *rows;
    d->count = 0;
    TRY(store_query(rd,
                    "SELECT id, event_id, type, subject, body, COALESCE(why, ''), at_ms, refused_ms"
                    " FROM outbox_items WHERE destination = ?1 AND is_dead = 1"
                    " ORDER BY id DESC LIMIT ?2",
                    ARGS(sql_cstr(d->destination), sql_int(d->limit)), &rows));
    while ((int64_t)d->count < d->limit && store_next(rows))
        d->letters[d->count++] = (struct outbox_letter){
            .id = store_col_int(rows, 0),
            .event_id = store_col_text_keep(rows, 1, d->keep),
            .type = store_col_text_keep(rows, 2, d->keep),
            .subject = store_col_text_keep(rows, 3, d->keep),
            .body = store_col_text_keep(rows, 4, d->keep),
            .why = store_col_text_keep(rows, 5, d->keep),
            .at_ms = store_col_int(rows, 6),
            .refused_ms = store_col_int(rows, 7),
        };
    TRY(store_rows_close(rows));
    return arena_check(d->keep);
}

err rows_dead(struct outbox *o, const char *destination, int64_t limit, arena *keep,
              struct outbox_letter **ret_letters, size_t *ret_count)
{
    struct dead_read d = { .destination = destination, .limit = limit, .keep = keep };
    d.letters = NEW_ARRAY(keep, struct outbox_letter, (size_t)limit);
    ARENA_TRY(d.letters);
    TRY(store_read(o->options.store, dead_fn, &d));
    *ret_letters = d.letters;
    *ret_count = d.count;
    return OK;
}

struct change {
    const char *destination;
    int64_t count;
};

static err replay_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(store_exec(tx,
                   "UPDATE outbox_items SET is_dead = 0, refused_ms = NULL, why = NULL"
                   " WHERE destination = ?1 AND is_dead = 1",
                   ARGS(sql_cstr(c->destination)), &c->count));
    return store_notify(tx, OUTBOX_TOPIC);
}

static err drop_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    return store_exec(tx, "DELETE FROM outbox_items WHERE destination = ?1 AND is_dead = 1",
                      ARGS(sql_cstr(c->destination)), &c->count);
}

static err drop_all_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(store_exec(tx, "DELETE FROM outbox_destinations WHERE destination = ?1",
                   ARGS(sql_cstr(c->destination)), NULL));
    return store_exec(tx, "DELETE FROM outbox_items WHERE destination = ?1",
                      ARGS(sql_cstr(c->destination)), &c->count);
}

static err change(struct outbox *o, store_write_fn fn, const char *destination, int64_t *ret_count)
{
    struct change c = { .destination = destination };
    TRY(store_write(o->options.store, fn, &c));
    *ret_count = c.count;
    return OK;
}

err rows_replay(struct outbox *o, const char *destination, int64_t *ret_count)
{
    return change(o, replay_fn, destination, ret_count);
}

err rows_drop(struct outbox *o, const char *destination, int64_t *ret_count)
{
    return change(o, drop_fn, destination, ret_count);
}

err rows_drop_all(struct outbox *o, const char *destination, int64_t *ret_count)
{
    return change(o, drop_all_fn, destination, ret_count);
}
