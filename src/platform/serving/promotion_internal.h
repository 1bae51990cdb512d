/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promotion_internal.h -- what the files about promotion share. Not for other rooms. */
#ifndef SKERRY_SERVING_PROMOTION_INTERNAL_H
#define SKERRY_SERVING_PROMOTION_INTERNAL_H

#include "platform/serving/promotion.h"
#include "platform/serving/serving_internal.h"

enum { DECISIONS_MAX = 200, DECISION_BYTES_MAX = 16 * 1024, JUDGE_BYTES_MAX = 16 * 1024 * 1024 };

MUST_USE err serving_decisions_in(struct store_read *rd,
                                  const struct serving_decision_filter *filter, arena *keep,
                                  struct serving_decision **ret_decisions, size_t *ret_count);
/* The newest decisions that moved an alias. */
MUST_USE err serving_moves_in(struct store_read *rd, const struct served_family *f, arena *keep,
                              struct serving_decision **ret_decisions, size_t *ret_count);
/* Sets id, at_ms and cycles_since_swap. */
MUST_USE err serving_decision_insert(struct store_tx *tx, struct serving_decision *d);
/* What the slots hold now, as the registry says: versions, tenures; version_after is the same. */
MUST_USE err serving_standings_in(struct store_read *rd, const struct served_family *f, arena *keep,
                                  struct serving_standing ret_slots[SERVING_SLOTS]);
/* The decision that made `version` Production, from those of serving_moves_in; NULL: none did. */
const struct serving_decision *serving_maker_of(const struct serving_decision *moves, size_t count,
                                                int64_t version);
/* Puts `version` into Production, and what is there where `version` is now, if anywhere. */
void serving_exchange(struct serving_decision *d, int64_t version);

#endif
