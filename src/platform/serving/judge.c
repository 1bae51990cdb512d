/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge.c -- from evidence to a decision, and to the sentence that explains it. */
#include <math.h>

#include "platform/serving/promotion_internal.h"

const char *const serving_verdicts[SERVING_VERDICTS] = { "swap_production_b", "retain_production",
                                                         "insufficient_data", "alias_reorder",
                                                         "rollback" };

err serving_verdict_parse(str text, enum serving_verdict *ret_verdict)
{
    for (int i = 0; i < SERVING_VERDICTS; i++) {
        if (str_eq(text, str_of(serving_verdicts[i]))) {
            *ret_verdict = (enum serving_verdict)i;
            return OK;
        }
    }
    return ERR(ERR_INVALID,
               "decision '%.*s' is none of swap_production_b, retain_production, "
               "insufficient_data, alias_reorder, rollback",
               STR_ARG(str_sub(text, 0, 60)));
}

struct judging {
    struct served_family *f;
    const struct serving_options *options;
    struct store_read *rd;
    arena *keep;
    struct serving_decision *moves; /* earlier ones, newest first */
    size_t move_count;
    struct serving_decision *d;
};

/* ------------------------------------------------------------------ evidence */

static struct serving_share_count accuracy_of(const struct serving_tally *t)
{
    return (struct serving_share_count){ t->correct, t->judged };
}

static struct serving_share_count outcomes_of(const struct serving_tally *t)
{
    return (struct serving_share_count){ t->wins, t->trials };
}

err serving_standings_in(struct store_read *rd, const struct served_family *f, arena *keep,
                         struct serving_standing ret_slots[SERVING_SLOTS])
{
    struct model_alias *aliases;
    size_t count;
    TRY(model_aliases_read_in(rd, str_of(f->row->model), keep, &aliases, &count));
    for (int i = 0; i < SERVING_SLOTS; i++) {
        struct serving_standing *slot = &ret_slots[i];
        *slot = (struct serving_standing){ .source = (enum serving_slot)i,
                                           .log_loss = (double)NAN };
        for (size_t k = 0; k < count; k++) {
            if (!str_eq(aliases[k].alias, str_of(serving_aliases[i])))
                continue;
            slot->version_before = slot->version_after = aliases[k].version;
            slot->tenure = aliases[k].tenure;
            slot->since_ms = aliases[k].since_ms;
        }
    }
    return OK;
}

static err read_standings(struct judging *j)
{
    TRY(serving_standings_in(j->rd, j->f, j->keep, j->d->slots));
    for (int i = 0; i < SERVING_SLOTS; i++) {
        struct serving_standing *slot = &j->d->slots[i];
        struct serving_tally t;
        if (!slot->version_before)
            continue;
        TRY(serving_tally_in(j->rd, j->f, (enum serving_slot)i, slot->tenure, 0, 0, &t));
        slot->made = t.made;
        slot->judged = t.judged;
        slot->correct = t.correct;
        slot->trials = t.trials;
        slot->wins = t.wins;
        slot->log_loss = serving_log_loss(&t);
    }
    return OK;
}

/* Of two slots, from when both held what they hold. */
static err read_pair(struct judging *j, enum serving_slot a, enum serving_slot b,
                     struct serving_tally *ret_a, struct serving_tally *ret_b)
{
    const struct serving_standing *x = &j->d->slots[a], *y = &j->d->slots[b];
    int64_t both = x->tenure > y->tenure ? x->tenure : y->tenure;
    TRY(serving_tally_in(j->rd, j->f, a, x->tenure, both, 0, ret_a));
    return serving_tally_in(j->rd, j->f, b, y->tenure, both, 0, ret_b);
}

static int place_of(const struct serving_decision *d, int64_t version, bool is_after)
{
    for (int i = 0; i < SERVING_SLOTS; i++)
        if ((is_after ? d->slots[i].version_after : d->slots[i].version_before) == version)
            return i;
    return -1;
}

/* How often these two have met, with this time: once more for each decision that put one of them
 * above the other. */
static int meetings_of(const struct judging *j, int64_t a, int64_t b)
{
    int count = 1;
    for (size_t i = 0; i < j->move_count; i++) {
        const struct serving_decision *d = &j->moves[i];
        int before = place_of(d, a, false) - place_of(d, b, false);
        int after = place_of(d, a, true) - place_of(d, b, true);
        bool there = place_of(d, a, false) >= 0 && place_of(d, b, false) >= 0 &&
                     place_of(d, a, true) >= 0 && place_of(d, b, true) >= 0;
        count += there && (before < 0) != (after < 0);
    }
    return count;
}

/* Sums to alpha over all meetings there can be. */
static double alpha_of(const struct judging *j, int meetings)
{
    return j->options->alpha / ((double)meetings * (meetings + 1.0));
}

/* ------------------------------------------------------------------ rollback */

const struct serving_decision *serving_maker_of(const struct serving_decision *moves, size_t count,
                                                int64_t version)
{
    for (size_t i = 0; i < count; i++) {
        const struct serving_standing *slot = &moves[i].slots[SERVING_PRODUCTION];
        if (slot->version_before != slot->version_after)
            return slot->version_after == version && slot->version_before ? &moves[i] : NULL;
    }
    return NULL;
}

void serving_exchange(struct serving_decision *d, int64_t version)
{
    struct serving_standing *production = &d->slots[SERVING_PRODUCTION];
    int from = place_of(d, version, true);
    if (from == SERVING_PRODUCTION)
        return;
    if (from > 0) {
        d->slots[from].version_after = production->version_after;
        d->slots[from].source = production->source;
        production->source = (enum serving_slot)from;
    }
    production->version_after = version;
}

/* One way of counting, in rollback's question. */
struct fall {
    const char *what;
    struct serving_share_count now, record;
    struct serving_share_count beside, before_now; /* from when what it replaced is beside it */
    struct serving_share_count before_record;      /* of what it replaced, at the promotion */
    int64_t needed;                                /* of each, before it says anything */
};

/* Is Production proven to be below its record, and what it replaced better? */
static bool has_fallen(struct judging *j, const struct fall *fall, struct serving_test *ret_test,
                       bool *ret_is_live)
{
    struct serving_test against_before;
    if (fall->now.total < fall->needed || fall->record.total < fall->needed)
        return false;
    serving_compare(fall->now, fall->record, j->options->alpha, ret_test);
    if (!(ret_test->high < -j->options->margin))
        return false;
    *ret_is_live = fall->before_now.total >= fall->needed && fall->beside.total >= fall->needed;
    /* When both fell, the world has changed, and going back does not help. */
    struct serving_share_count before = *ret_is_live ? fall->before_now : fall->before_record;
    serving_compare(before, *ret_is_live ? fall->beside : fall->now, j->options->alpha,
                    &against_before);
    return before.total >= fall->needed && against_before.low > 0;
}

static err rollback_words(struct judging *j, const struct fall *fall, int64_t before, bool is_live)
{
    struct serving_decision *d = j->d;
    struct serving_share_count other = is_live ? fall->before_now : fall->before_record;
    d->reason = arena_fmt(
        j->keep,
        "Production (version %lld) has %s %lld of %lld since it was promoted, and had %lld of %lld "
        "when it was: %+.3f, at most %+.3f with %.0f %% at all times, more than "
        "the margin of %.3f below its record. Version %lld, which it replaced, is provably better: "
        "%lld of %lld %s. It comes back.",
        (long long)d->slots[SERVING_PRODUCTION].version_before, fall->what,
        (long long)fall->now.hits, (long long)fall->now.total, (long long)fall->record.hits,
        (long long)fall->record.total, d->test.difference, d->test.high,
        100 * (1 - j->options->alpha), j->options->margin, (long long)before, (long long)other.hits,
        (long long)other.total, is_live ? "beside it" : "in its own time");
    return arena_check(j->keep);
}

static err judge_rollback(struct judging *j, bool *ret_is_decided)
{
    struct serving_decision *d = j->d;
    struct serving_standing *production = &d->slots[SERVING_PRODUCTION];
    const struct serving_decision *maker = serving_maker_of(j->moves, j->move_count,
                                                            production->version_before);
    if (!maker)
        return OK;
    const struct serving_standing *before = &maker->slots[SERVING_PRODUCTION];
    const struct serving_standing *record = &maker->slots[before->source];
    int64_t back_to = before->version_before;
    int place = place_of(d, back_to, false);
    struct serving_tally now = { .made = 0 }, other = { .made = 0 };
    if (place > 0)
        TRY(read_pair(j, SERVING_PRODUCTION, (enum serving_slot)place, &now, &other));
    struct fall falls[] = {
        { .what = "predicted right",
          .now = { production->correct, production->judged },
          .record = { record->correct, record->judged },
          .beside = accuracy_of(&now),
          .before_now = accuracy_of(&other),
          .before_record = { before->correct, before->judged },
          .needed = j->options->judged_min },
        { .what = "won",
          .now = { production->wins, production->trials },
          .record = { record->wins, record->trials },
          .beside = outcomes_of(&now),
          .before_now = outcomes_of(&other),
          .before_record = { before->wins, before->trials },
          .needed = j->options->trials_min },
    };
    for (size_t i = 0; i < (d->is_by_outcome ? 2 : 1); i++) {
        bool is_live = false;
        struct serving_test test;
        if (!has_fallen(j, &falls[i], &test, &is_live))
            continue;
        d->verdict = SERVING_ROLLBACK;
        d->has_test = true;
        d->test = test;
        d->challenger = falls[i].now;
        d->champion = falls[i].record;
        d->alpha = j->options->alpha;
        d->meetings = meetings_of(j, production->version_before, back_to);
        TRY(rollback_words(j, &falls[i], back_to, is_live));
        serving_exchange(d, back_to);
        *ret_is_decided = true;
        return OK;
    }
    return OK;
}

/* ------------------------------------------------------------------ Production against B */

static err swap_words(struct judging *j)
{
    struct serving_decision *d = j->d;
    const char *what = d->is_by_outcome ? "won" : "predicted right";
    bool is_swap = d->verdict == SERVING_SWAP;
    d->reason = arena_fmt(
        j->keep,
        "Since both have their alias, B (version %lld) %s %lld of %lld and Production (version "
        "%lld) %lld of %lld: %+.3f, between %+.3f and %+.3f with %.1f %% at all times; p %.4g, "
        "alpha %.4g (meeting %d of the two). %s",
        (long long)d->slots[SERVING_B].version_before, what, (long long)d->challenger.hits,
        (long long)d->challenger.total, (long long)d->slots[SERVING_PRODUCTION].version_before,
        (long long)d->champion.hits, (long long)d->champion.total, d->test.difference, d->test.low,
        d->test.high, 100 * (1 - d->alpha), d->test.p, d->alpha, d->meetings,
        is_swap ? "B is better: they change places."
                : "That B is better is not shown: Production stays.");
    return arena_check(j->keep);
}

static err judge_swap(struct judging *j)
{
    struct serving_decision *d = j->d;
    int64_t production = d->slots[SERVING_PRODUCTION].version_before,
            b = d->slots[SERVING_B].version_before;
    struct serving_tally x, y;
    d->verdict = SERVING_INSUFFICIENT;
    if (!production || !b || production == b) {
        d->reason = !production ? STR("Production is empty: nothing to compare with.")
                    : !b        ? STR("B is empty: nothing to compare with.")
                                : STR("Production and B are the same version.");
        return OK;
    }
    TRY(read_pair(j, SERVING_B, SERVING_PRODUCTION, &x, &y));
    d->challenger = d->is_by_outcome ? outcomes_of(&x) : accuracy_of(&x);
    d->champion = d->is_by_outcome ? outcomes_of(&y) : accuracy_of(&y);
    d->meetings = meetings_of(j, production, b);
    d->alpha = alpha_of(j, d->meetings);
    int64_t needed = d->is_by_outcome ? j->options->trials_min : j->options->judged_min;
    if (d->challenger.total < needed || d->champion.total < needed) {
        d->reason = arena_fmt(j->keep,
                              "Since both have their alias, B (version %lld) has %lld %s and "
                              "Production (version %lld) %lld: each needs %lld before they are "
                              "compared.",
                              (long long)b, (long long)d->challenger.total,
                              d->is_by_outcome ? "outcomes" : "judged predictions",
                              (long long)production, (long long)d->champion.total,
                              (long long)needed);
        return arena_check(j->keep);
    }
    serving_compare(d->challenger, d->champion, d->alpha, &d->test);
    d->has_test = true;
    d->verdict = d->test.p <= d->alpha ? SERVING_SWAP : SERVING_RETAIN;
    TRY(swap_words(j));
    if (d->verdict == SERVING_SWAP)
        serving_exchange(d, b);
    return OK;
}

/* ------------------------------------------------------------------ the challengers' order */

/* Is what is below provably right more often than what is above it? Both are told by where they
 * are now, before any move. */
static err is_better(struct judging *j, enum serving_slot below, enum serving_slot above,
                     bool *ret_is)
{
    const struct serving_standing *slots = j->d->slots;
    struct serving_tally x, y;
    struct serving_test test;
    TRY(read_pair(j, below, above, &x, &y));
    if (x.judged < j->options->judged_min || y.judged < j->options->judged_min)
        return OK;
    double alpha = alpha_of(
        j, meetings_of(j, slots[below].version_before, slots[above].version_before));
    serving_compare(accuracy_of(&x), accuracy_of(&y), alpha, &test);
    *ret_is = test.p <= alpha;
    return OK;
}

static err add_words(struct judging *j, str more)
{
    j->d->reason = arena_fmt(j->keep, "%.*s %.*s", STR_ARG(j->d->reason), STR_ARG(more));
    return arena_check(j->keep);
}

static err exchange_challengers(struct judging *j, int above, int below)
{
    struct serving_standing *slots = j->d->slots, *up = &slots[below], *down = &slots[above];
    str words = arena_fmt(j->keep,
                          "Version %lld is right more often than version %lld: %s over %s.",
                          (long long)up->version_after, (long long)down->version_after,
                          serving_aliases[above], serving_aliases[below]);
    int64_t version = up->version_after;
    enum serving_slot source = up->source;
    up->version_after = down->version_after;
    up->source = down->source;
    down->version_after = version;
    down->source = source;
    j->d->is_reordered = true;
    return add_words(j, words);
}

/* By insertion: each moves up while it is provably better than what is above it. Empty slots stay
 * empty. */
static err judge_order(struct judging *j)
{
    struct serving_decision *d = j->d;
    for (int from = SERVING_SHADOW1; from < SERVING_SLOTS; from++) {
        for (int i = from; i > SERVING_B; i--) {
            const struct serving_standing *below = &d->slots[i], *above = &d->slots[i - 1];
            bool is = false;
            if (!below->version_after || !above->version_after ||
                below->version_after == above->version_after)
                break;
            TRY(is_better(j, below->source, above->source, &is));
            if (!is)
                break;
            TRY(exchange_challengers(j, i - 1, i));
        }
    }
    if (d->is_reordered && (d->verdict == SERVING_RETAIN || d->verdict == SERVING_INSUFFICIENT))
        d->verdict = SERVING_REORDER;
    return OK;
}

/* ------------------------------------------------------------------ all of it */

static err judge_fn(struct store_read *rd, void *arg)
{
    struct judging *j = arg;
    bool is_decided = false;
    j->rd = rd;
    *j->d = (struct serving_decision){
        .family = str_of(j->f->row->name),
        .is_by_outcome = j->f->row->is_by_outcome,
        .test = { .difference = (double)NAN, .low = -1, .high = 1, .p = 1 },
        .source = STR("auto_promotion")
    };
    TRY(read_standings(j));
    TRY(serving_moves_in(rd, j->f, j->keep, &j->moves, &j->move_count));
    TRY(judge_rollback(j, &is_decided));
    if (is_decided)
        return OK;
    TRY(judge_swap(j));
    return judge_order(j);
}

err serving_judge(struct served_family *f, arena *keep, struct serving_decision *ret)
{
    struct serving_decision d;
    struct judging j = { .f = f, .options = &f->s->options, .keep = keep, .d = &d };
    TRY(serving_flush(f->s));
    TRY(err_wrap(store_read(f->s->options.store, judge_fn, &j), "judging family %s", f->row->name));
    *ret = d;
    return OK;
}
