/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promote.c -- decisions carried out: all aliases and the ledger's row in one transaction. */
#include "platform/serving/promotion_internal.h"

struct applying {
    struct served_family *f;
    struct serving_decision *d;
    arena *keep;
    struct promotion moves[SERVING_SLOTS];
    size_t move_count;
};

/* The ledger of the registry says why, too. */
static err move_alias(struct store_tx *tx, struct applying *a, int slot)
{
    struct serving_decision *d = a->d;
    struct promotion *move = &a->moves[a->move_count];
    *move = (struct promotion){ .name = str_of(a->f->row->model),
                                .alias = str_of(serving_aliases[slot]),
                                .username = d->username,
                                .reason = d->reason,
                                .to_version = d->slots[slot].version_after };
    TRY(model_promote_tx(a->f->s->options.track, tx, move));
    a->move_count++;
    return OK;
}

static err apply_fn(struct store_tx *tx, void *arg)
{
    struct applying *a = arg;
    struct serving_standing now[SERVING_SLOTS];
    a->move_count = 0;
    TRY(serving_standings_in(store_tx_read(tx), a->f, a->keep, now));
    for (int i = 0; i < SERVING_SLOTS; i++) {
        const struct serving_standing *judged = &a->d->slots[i];
        if (now[i].version_before != judged->version_before || now[i].tenure != judged->tenure)
            return ERR(ERR_CONFLICT,
                       "alias %s of %s moved while its versions were judged: judge again",
                       serving_aliases[i], a->f->row->model);
    }
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (a->d->slots[i].version_after != a->d->slots[i].version_before)
            TRY(move_alias(tx, a, i));
    return serving_decision_insert(tx, a->d);
}

static void tell(struct served_family *f, const struct serving_decision *d)
{
    struct serving *s = f->s;
    struct log_labels labels = { .component = STR("serving"),
                                 .run_id = d->run_id,
                                 .username = d->username };
    metric_add(SERVING_CELL(s, SERVING_M_DECISIONS, str_of(f->row->name),
                            str_of(serving_verdicts[d->verdict])),
               1);
    log_event(s->options.log, d->verdict == SERVING_ROLLBACK ? LOG_WARN : LOG_INFO, &labels,
              "serving.decided", NULL, F_CSTR("family", f->row->name),
              F_CSTR("decision", serving_verdicts[d->verdict]),
              F_BOOL("reordered", d->is_reordered),
              F_INT("production", d->slots[SERVING_PRODUCTION].version_after),
              F_STR("reason", d->reason));
}

err serving_apply(struct served_family *f, struct serving_decision *d, struct job *job)
{
    arena keep;
    arena_init(&keep, JUDGE_BYTES_MAX);
    struct applying a = { .f = f, .d = d, .keep = &keep };
    err e = job_write(job, f->s->options.store, apply_fn, &a);
    if (!e.code) {
        for (size_t i = 0; i < a.move_count; i++)
            model_promoted(f->s->options.track, &a.moves[i]);
        tell(f, d);
    }
    /* At once here; other servers hear of it. What cannot be loaded is told by the slot. */
    if (!e.code && a.move_count && f->s->is_started)
        e = serving_family_follow(f, SERVING_LOOK);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ by hand */

struct looking_back {
    struct served_family *f;
    arena *keep;
    struct serving_decision *d;
};

static err look_back_fn(struct store_read *rd, void *arg)
{
    struct looking_back *l = arg;
    struct serving_decision *moves;
    size_t count;
    TRY(serving_standings_in(rd, l->f, l->keep, l->d->slots));
    TRY(serving_moves_in(rd, l->f, l->keep, &moves, &count));
    int64_t now = l->d->slots[SERVING_PRODUCTION].version_before;
    const struct serving_decision *maker = serving_maker_of(moves, count, now);
    if (!maker)
        return ERR(ERR_CONFLICT,
                   "Production of %s (version %lld) did not replace anything by a decision of "
                   "promotion: move the alias with POST /v1/models/promote",
                   l->f->row->model, (long long)now);
    serving_exchange(l->d, maker->slots[SERVING_PRODUCTION].version_before);
    return OK;
}

err serving_rollback(struct served_family *f, str username, str reason, arena *keep,
                     struct serving_decision *ret_decision)
{
    struct serving_decision d = { .family = str_of(f->row->name),
                                  .verdict = SERVING_ROLLBACK,
                                  .is_by_outcome = f->row->is_by_outcome,
                                  .username = username,
                                  .source = STR("by_hand"),
                                  .reason = reason };
    struct looking_back l = { .f = f, .keep = keep, .d = &d };
    TRY(store_read(f->s->options.store, look_back_fn, &l));
    TRY(serving_apply(f, &d, NULL));
    *ret_decision = d;
    return OK;
}

static err add_fn(struct store_tx *tx, void *arg)
{
    return serving_decision_insert(tx, arg);
}

err serving_decision_add(struct served_family *f, struct serving_decision *d)
{
    struct serving_decision row = *d;
    row.family = str_of(f->row->name);
    TRY(store_write(f->s->options.store, add_fn, &row));
    tell(f, &row);
    *d = row;
    return OK;
}
