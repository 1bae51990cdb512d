/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/policies.h"

#define MODEL(name, type, id)    \
    {                            \
        name, type, id, RPS_BOTS \
    }
#define BOT(name, id)                       \
    {                                       \
        name, "heuristic", RPS_FAMILIES, id \
    }

/* Names as in the engine; a test compares them. */
static const struct rps_policy policies[RPS_POLICIES] = {
    MODEL("brian", "feedforward_nn", RPS_FEEDFORWARD),
    MODEL("forrest", "xgboost", RPS_XGBOOST),
    MODEL("logan", "multinomial_logistic", RPS_LOGISTIC),
    BOT("ace", RPS_ACE),
    BOT("bob", RPS_BOB),
    BOT("cal", RPS_CAL),
    BOT("dan", RPS_DAN),
    BOT("edd", RPS_EDD),
    BOT("fox", RPS_FOX),
    BOT("gus", RPS_GUS),
    BOT("hal", RPS_HAL),
};

const struct rps_policy *rps_policy_at(size_t index)
{
    return &policies[index];
}

size_t rps_policy_index(const struct rps_policy *policy)
{
    return (size_t)(policy - policies);
}

const struct rps_policy *rps_policy_find(str name, bool *ret_is_retired)
{
    *ret_is_retired = false;
    if (str_ends(name, STR("_easy"))) {
        *ret_is_retired = true;
        name.len -= 5;
    }
    for (size_t i = 0; i < RPS_POLICIES; i++)
        if (str_eq(name, str_of(policies[i].name)))
            return &policies[i];
    return NULL;
}
