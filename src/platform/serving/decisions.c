/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decisions.c -- the ledger of what was decided about promotion. */
#include <math.h>

#include "base/clock.h"
#include "platform/serving/promotion_internal.h"

enum { LIMIT_DEFAULT = 20, COUNT_BYTES_MAX = 1024 * 1024 };

/* ------------------------------------------------------------------ as JSON */

static void write_count(struct json_out *w, const char *key, const struct serving_share_count *c)
{
    json_key(w, key);
    json_object_begin(w);
    json_kv_int(w, "hits", c->hits);
    json_kv_int(w, "total", c->total);
    json_object_end(w);
}

static void write_test(const struct serving_decision *d, struct json_out *w)
{
    json_key(w, "test");
    if (!d->has_test) {
        json_out_null(w);
        return;
    }
    json_object_begin(w);
    write_count(w, "challenger", &d->challenger);
    write_count(w, "champion", &d->champion);
    json_kv_real(w, "difference", d->test.difference);
    json_kv_real(w, "low", d->test.low);
    json_kv_real(w, "high", d->test.high);
    json_kv_real(w, "logE", d->test.log_e);
    json_kv_real(w, "p", d->test.p);
    json_kv_real(w, "alpha", d->alpha);
    json_kv_int(w, "meetings", d->meetings);
    json_object_end(w);
}

static void write_slot(const struct serving_standing *slot, int i, struct json_out *w)
{
    json_object_begin(w);
    json_kv_cstr(w, "alias", serving_aliases[i]);
    json_kv_int(w, "versionBefore", slot->version_before);
    json_kv_int(w, "versionAfter", slot->version_after);
    json_kv_cstr(w, "source", serving_aliases[slot->source]);
    json_kv_int(w, "tenure", slot->tenure);
    json_kv_int(w, "sinceMs", slot->since_ms);
    json_kv_int(w, "predictions", slot->made);
    json_kv_int(w, "judged", slot->judged);
    json_kv_int(w, "correct", slot->correct);
    json_kv_int(w, "trials", slot->trials);
    json_kv_int(w, "wins", slot->wins);
    json_kv_real(w, "logLoss", slot->log_loss);
    json_object_end(w);
}

/* What is kept as text, and shown. */
static void write_data(const struct serving_decision *d, struct json_out *w)
{
    json_kv_bool(w, "byOutcome", d->is_by_outcome);
    json_kv_int(w, "cyclesSinceSwap", d->cycles_since_swap);
    write_test(d, w);
    json_key(w, "slots");
    json_array_begin(w);
    for (int i = 0; i < SERVING_SLOTS; i++)
        write_slot(&d->slots[i], i, w);
    json_array_end(w);
}

void serving_decision_json(const struct serving_decision *d, struct json_out *out)
{
    json_object_begin(out);
    json_kv_int(out, "id", d->id);
    json_kv_time_ms(out, "at", d->at_ms);
    json_kv_str(out, "family", d->family);
    json_kv_cstr(out, "decision", serving_verdicts[d->verdict]);
    json_kv_bool(out, "reordered", d->is_reordered);
    json_kv_str(out, "reason", d->reason);
    json_kv_str(out, "by", d->username);
    json_kv_str(out, "source", d->source);
    json_kv_str(out, "runId", d->run_id);
    write_data(d, out);
    json_object_end(out);
}

static struct serving_share_count read_count(const struct json *node)
{
    return (struct serving_share_count){ json_int(json_get(node, "hits"), 0),
                                         json_int(json_get(node, "total"), 0) };
}

static void read_test(const struct json *test, struct serving_decision *d)
{
    d->has_test = json_kind(test) == JSON_IS_OBJECT;
    d->challenger = read_count(json_get(test, "challenger"));
    d->champion = read_count(json_get(test, "champion"));
    d->test.difference = json_num(json_get(test, "difference"), (double)NAN);
    d->test.low = json_num(json_get(test, "low"), -1);
    d->test.high = json_num(json_get(test, "high"), 1);
    d->test.log_e = json_num(json_get(test, "logE"), 0);
    d->test.p = json_num(json_get(test, "p"), 1);
    d->alpha = json_num(json_get(test, "alpha"), 0);
    d->meetings = (int)json_int(json_get(test, "meetings"), 0);
}

static void read_slot(const struct json *node, int i, struct serving_standing *slot)
{
    slot->source = (enum serving_slot)i;
    err unknown = serving_slot_parse(json_str(json_get(node, "source"), STR_NONE), &slot->source);
    (void)unknown; /* of a newer program: then it stayed where it is */
    slot->version_before = json_int(json_get(node, "versionBefore"), 0);
    slot->version_after = json_int(json_get(node, "versionAfter"), 0);
    slot->tenure = json_int(json_get(node, "tenure"), 0);
    slot->since_ms = json_int(json_get(node, "sinceMs"), 0);
    slot->made = json_int(json_get(node, "predictions"), 0);
    slot->judged = json_int(json_get(node, "judged"), 0);
    slot->correct = json_int(json_get(node, "correct"), 0);
    slot->trials = json_int(json_get(node, "trials"), 0);
    slot->wins = json_int(json_get(node, "wins"), 0);
    slot->log_loss = json_num(json_get(node, "logLoss"), (double)NAN);
}

static err read_data(str text, arena *keep, struct serving_decision *d)
{
    const struct json *root;
    TRY(json_parse(keep, text, &root));
    d->is_by_outcome = json_bool(json_get(root, "byOutcome"), false);
    d->cycles_since_swap = json_int(json_get(root, "cyclesSinceSwap"), 0);
    read_test(json_get(root, "test"), d);
    for (int i = 0; i < SERVING_SLOTS; i++)
        read_slot(json_at(json_get(root, "slots"), (size_t)i), i, &d->slots[i]);
    return OK;
}

/* ------------------------------------------------------------------ rows */

#define COLUMNS                                                                              \
    "id, family, decision, at_ms, is_reordered, reason, username, source, COALESCE(run_id, " \
    "''), data"

static err read_rows(struct store_rows *rows, arena *keep, size_t max,
                     struct serving_decision *decisions, size_t *ret_count)
{
    size_t count = 0;
    err e = OK;
    while (count < max && !e.code && store_next(rows)) {
        struct serving_decision *d = &decisions[count++];
        d->id = store_col_int(rows, 0);
        d->family = store_col_text_keep(rows, 1, keep);
        e = serving_verdict_parse(store_col_text(rows, 2), &d->verdict);
        d->at_ms = store_col_int(rows, 3);
        d->is_reordered = store_col_int(rows, 4) != 0;
        d->reason = store_col_text_keep(rows, 5, keep);
        d->username = store_col_text_keep(rows, 6, keep);
        d->source = store_col_text_keep(rows, 7, keep);
        d->run_id = store_col_text_keep(rows, 8, keep);
        if (!e.code)
            e = read_data(store_col_text_keep(rows, 9, keep), keep, d);
    }
    TRY(err_first(e, store_rows_close(rows)));
    *ret_count = count;
    return arena_check(keep);
}

err serving_decisions_in(struct store_read *rd, const struct serving_decision_filter *filter,
                         arena *keep, struct serving_decision **ret_decisions, size_t *ret_count)
{
    int64_t limit = filter->limit <= 0              ? LIMIT_DEFAULT
                    : filter->limit > DECISIONS_MAX ? DECISIONS_MAX
                                                    : filter->limit;
    struct serving_decision *decisions = NEW_ARRAY(keep, struct serving_decision, (size_t)limit);
    struct store_rows *rows;
    const char *family = filter->family ? filter->family->row->name : "";
    const char *verdict = filter->has_verdict ? serving_verdicts[filter->verdict] : "";
    ARENA_TRY(decisions);
    TRY(store_query(
        rd,
        "SELECT " COLUMNS " FROM serving_decisions WHERE (family = ?1 OR ?1 = '')"
        " AND (decision = ?2 OR ?2 = '') AND at_ms >= ?3 ORDER BY id DESC LIMIT ?4",
        ARGS(sql_cstr(family), sql_cstr(verdict), sql_int(filter->since_ms), sql_int(limit)),
        &rows));
    TRY(read_rows(rows, keep, (size_t)limit, decisions, ret_count));
    *ret_decisions = decisions;
    return OK;
}

err serving_moves_in(struct store_read *rd, const struct served_family *f, arena *keep,
                     struct serving_decision **ret_decisions, size_t *ret_count)
{
    struct serving_decision *decisions = NEW_ARRAY(keep, struct serving_decision, DECISIONS_MAX);
    struct store_rows *rows;
    ARENA_TRY(decisions);
    TRY(store_query(rd,
                    "SELECT " COLUMNS " FROM serving_decisions WHERE family = ?1 AND"
                    " (decision = ?2 OR decision = ?3 OR is_reordered = 1)"
                    " ORDER BY id DESC LIMIT ?4",
                    ARGS(sql_cstr(f->row->name), sql_cstr(serving_verdicts[SERVING_SWAP]),
                         sql_cstr(serving_verdicts[SERVING_ROLLBACK]), sql_int(DECISIONS_MAX)),
                    &rows));
    TRY(read_rows(rows, keep, DECISIONS_MAX, decisions, ret_count));
    *ret_decisions = decisions;
    return OK;
}

/* One more than the decision before, which may be the last one that is still kept. */
static err count_cycles(struct store_tx *tx, struct serving_decision *d)
{
    struct serving_decision before = { .id = 0 };
    str data = STR_NONE;
    arena keep;
    if (d->verdict == SERVING_SWAP || d->verdict == SERVING_ROLLBACK) {
        d->cycles_since_swap = 0;
        return OK;
    }
    arena_init(&keep, COUNT_BYTES_MAX);
    err e = store_get_text(store_tx_read(tx),
                           "SELECT data FROM serving_decisions WHERE family = ?1"
                           " ORDER BY id DESC LIMIT 1",
                           ARGS(sql_text(d->family)), &keep, &data);
    if (!e.code)
        e = read_data(data, &keep, &before);
    arena_deinit(&keep);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    d->cycles_since_swap = before.cycles_since_swap + 1;
    return OK;
}

static err insert_row(struct store_tx *tx, struct serving_decision *d, str data)
{
    struct store_rows *rows;
    int64_t at_ms = d->at_ms ? d->at_ms : clock_wall_ms(), id = 0;
    TRY(store_query(store_tx_read(tx),
                    "INSERT INTO serving_decisions (family, decision, at_ms, is_reordered, reason,"
                    " username, source, run_id, data)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id",
                    ARGS(sql_text(d->family), sql_cstr(serving_verdicts[d->verdict]),
                         sql_int(at_ms), sql_int(d->is_reordered), sql_text(d->reason),
                         sql_text(d->username), sql_text(d->source), sql_text_opt(d->run_id),
                         sql_text(data)),
                    &rows));
    if (store_next(rows))
        id = store_col_int(rows, 0);
    TRY(store_rows_close(rows));
    d->id = id;
    d->at_ms = at_ms;
    return OK;
}

err serving_decision_insert(struct store_tx *tx, struct serving_decision *d)
{
    struct buf text;
    struct json_out w;
    TRY(count_cycles(tx, d));
    buf_init(&text, DECISION_BYTES_MAX);
    json_out_init(&w, &text);
    json_object_begin(&w);
    write_data(d, &w);
    json_object_end(&w);
    err e = buf_check(&text);
    if (!e.code)
        e = insert_row(tx, d, buf_str(&text));
    buf_deinit(&text);
    return e;
}

/* ------------------------------------------------------------------ reading */

struct listing {
    const struct serving_decision_filter *filter;
    arena *keep;
    struct serving_decision *decisions;
    size_t count;
};

static err listing_fn(struct store_read *rd, void *arg)
{
    struct listing *l = arg;
    return serving_decisions_in(rd, l->filter, l->keep, &l->decisions, &l->count);
}

err serving_decisions(struct serving *s, const struct serving_decision_filter *filter, arena *keep,
                      struct serving_decision **ret_decisions, size_t *ret_count)
{
    struct listing l = { .filter = filter, .keep = keep };
    TRY(store_read(s->options.store, listing_fn, &l));
    *ret_decisions = l.decisions;
    *ret_count = l.count;
    return OK;
}

struct totals {
    struct served_family *f;
    int64_t since_ms;
    int64_t counts[SERVING_VERDICTS];
};

static err totals_fn(struct store_read *rd, void *arg)
{
    struct totals *t = arg;
    for (int i = 0; i < SERVING_VERDICTS; i++)
        TRY(store_get_int(
            rd,
            "SELECT COUNT(*) FROM serving_decisions WHERE family = ?1"
            " AND decision = ?2 AND at_ms >= ?3",
            ARGS(sql_cstr(t->f->row->name), sql_cstr(serving_verdicts[i]), sql_int(t->since_ms)),
            &t->counts[i]));
    return OK;
}

err serving_decision_totals(struct served_family *f, int days, int64_t ret_totals[SERVING_VERDICTS])
{
    struct totals t = { .f = f, .since_ms = clock_wall_ms() - days * 24 * (int64_t)HOUR_MS };
    TRY(store_read(f->s->options.store, totals_fn, &t));
    for (int i = 0; i < SERVING_VERDICTS; i++)
        ret_totals[i] = t.counts[i];
    return OK;
}
