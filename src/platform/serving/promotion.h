/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promotion.h -- which version deserves which alias: judged from the tables, applied in one
 * transaction, explained in words.
 *
 * Evidence is of versions since they got their alias, and of two versions only from the time in
 * which both were there: an alias that moves begins anew. Every comparison is serving_compare: it
 * may be made every minute. Of one pair of versions, all comparisons there ever are share one
 * alpha: the k-th time that they meet gets alpha / (k (k + 1)). So a version that lost its place
 * comes back only by winning anew, against a stricter test.
 *
 * In this order:
 *   rollback           Production fell below its own record at promotion, and what it replaced is
 *                      better beside it (or was in its time, when it is not there any more)
 *   swap_production_b  B is better than Production
 *   alias_reorder      of B, shadow1 and shadow2, a lower one is better than the one above it; goes
 *                      along with the others and stands alone only when nothing else changes
 *   insufficient_data  Production or B has fewer outcomes (or judged predictions) than the minimum
 *   retain_production  none of these
 */
#ifndef SKERRY_SERVING_PROMOTION_H
#define SKERRY_SERVING_PROMOTION_H

#include "platform/jobs/jobs.h"
#include "platform/serving/sequential.h"
#include "platform/serving/serving.h"
#include "platform/track/run.h"

enum serving_verdict {
    SERVING_SWAP,
    SERVING_RETAIN,
    SERVING_INSUFFICIENT,
    SERVING_REORDER,
    SERVING_ROLLBACK,
    SERVING_VERDICTS
};
extern const char *const serving_verdicts[SERVING_VERDICTS]; /* "swap_production_b", ... */
MUST_USE err serving_verdict_parse(str text, enum serving_verdict *ret_verdict);

/* One slot when it was judged. Counts are since the version got the alias. */
struct serving_standing {
    int64_t version_before, version_after; /* 0: empty */
    int64_t tenure, since_ms;
    int64_t made, judged, correct, trials, wins;
    double log_loss;          /* mean; NAN: nothing judged */
    enum serving_slot source; /* where version_after was before; the slot itself: unchanged */
};

struct serving_decision {
    int64_t id, at_ms; /* id 0: not in the ledger */
    str family;
    enum serving_verdict verdict;
    struct serving_standing slots[SERVING_SLOTS];
    bool is_by_outcome;
    /* What the test of Production against B, or of the rollback, saw. Counts are concurrent ones.
     */
    bool has_test;
    struct serving_share_count challenger, champion;
    struct serving_test test;
    double alpha; /* of this time that they met */
    int meetings; /* of this pair, with this one; 1: the first */
    bool is_reordered;
    int64_t cycles_since_swap; /* decisions since the last swap or rollback; 0 for these */
    str reason, username, source, run_id;
};

/* Reads and decides, changes nothing. What is still in memory is written before. Texts live in
 * keep. */
MUST_USE err serving_judge(struct served_family *f, arena *keep, struct serving_decision *ret);
/* Moves the aliases and adds the decision to the ledger, in one transaction, behind the fence of
 * `job` (may be NULL). ERR_CONFLICT when an alias has moved since it was judged: judge again. Sets
 * id, at_ms and cycles_since_swap. */
MUST_USE err serving_apply(struct served_family *f, struct serving_decision *d, struct job *job);
/* Production back to what it replaced by the last swap, by hand: judged by nobody, in the ledger
 * all the same. ERR_CONFLICT when there is nothing to go back to. */
MUST_USE err serving_rollback(struct served_family *f, str username, str reason, arena *keep,
                              struct serving_decision *ret_decision);
/* Adds what another program decided and did, as it is: no alias moves. Sets id and, when it is 0,
 * at_ms. */
MUST_USE err serving_decision_add(struct served_family *f, struct serving_decision *d);

struct serving_decision_filter {
    struct served_family *family; /* NULL: all */
    bool has_verdict;
    enum serving_verdict verdict;
    int64_t since_ms; /* 0: any */
    int64_t limit;    /* 0: 20; at most 200 */
};
/* Newest first. */
MUST_USE err serving_decisions(struct serving *s, const struct serving_decision_filter *filter,
                               arena *keep, struct serving_decision **ret_decisions,
                               size_t *ret_count);
/* How many of each verdict, in days back from now. */
MUST_USE err serving_decision_totals(struct served_family *f, int days,
                                     int64_t ret_totals[SERVING_VERDICTS]);
void serving_decision_json(const struct serving_decision *d, struct json_out *out);

/* A stage: judges and applies one family, or all for an empty name, and tells the run everything:
 * params, metrics, artifact promotion.json, result. An app's own job kind may call it, too. */
MUST_USE err serving_promotion_run(struct serving *s, struct run *run, str family);

#endif
