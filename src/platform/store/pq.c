/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pq.c -- loads libpq.so.5 and looks its functions up. */
#include "platform/store/pq.h"

#include <dlfcn.h>
#include <string.h>

static const char *const names[] = {
#define PQ_NAME(name) "PQ" #name,
    PQ_FUNCTIONS(PQ_NAME)
#undef PQ_NAME
};

err pq_load(struct pq *ret_pq)
{
    /* Its TLS library registers things for the end of the process: it is never unloaded. */
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return ERR(ERR_UNSUPPORTED,
                   "loading libpq.so.5 for PostgreSQL: %.120s (install the Debian package libpq5)",
                   dlerror());
    _Static_assert(sizeof(struct pq) == sizeof names, "a function pointer for each name");
    void *found[sizeof names / sizeof names[0]];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        found[i] = dlsym(library, names[i]);
        if (!found[i])
            return ERR(ERR_UNSUPPORTED, "libpq.so.5 has no %s (version 14 or newer is needed)",
                       names[i]);
    }
    memcpy(ret_pq, found, sizeof found);
    return OK;
}
