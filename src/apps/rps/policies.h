/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policies.h -- whom one can play against: three policies with a family of models, eight bots that
 * follow a rule. */
#ifndef SKERRY_RPS_POLICIES_H
#define SKERRY_RPS_POLICIES_H

#include "engine/rps/bots.h"
#include "engine/rps/policy.h"

enum { RPS_POLICIES = RPS_FAMILIES + RPS_BOTS };

struct rps_policy {
    const char *name;       /* "brian", "ace" */
    const char *model_type; /* family; "heuristic" for bots, so that no model is credited */
    enum rps_family family; /* RPS_FAMILIES: none */
    enum rps_bot bot;       /* RPS_BOTS: none */
};

const struct rps_policy *rps_policy_at(size_t index);
size_t rps_policy_index(const struct rps_policy *policy);
/* By name in lower case; NULL: there is none. The retired NAME_easy is NAME, and *ret_is_retired
 * says so. */
const struct rps_policy *rps_policy_find(str name, bool *ret_is_retired);

#endif
