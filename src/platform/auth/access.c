/* SPDX-License-Identifier: GPL-3.0-or-later */
/* access.c -- names of access levels. */
#include "platform/auth/auth_internal.h"

static const char *const access_names[] = {
    [ACCESS_UNSET] = "unset",     [ACCESS_PUBLIC] = "public", [ACCESS_VIEWER] = "viewer",
    [ACCESS_ANALYST] = "analyst", [ACCESS_ADMIN] = "admin",
};

const char *access_name(enum access access)
{
    return (size_t)access < COUNT_OF(access_names) ? access_names[access] : "unset";
}

err access_parse(str text, enum access *ret_access)
{
    for (size_t i = ACCESS_PUBLIC; i < COUNT_OF(access_names); i++) {
        if (str_eq(text, str_of(access_names[i]))) {
            *ret_access = (enum access)i;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "'%.*s' is not an access level: public, viewer, analyst or admin",
               STR_ARG(text));
}
