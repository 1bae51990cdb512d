/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pq.h -- the functions of libpq, found at run time. Private to this room.
 *
 * Linking libpq would map OpenSSL, LDAP and Kerberos into every process: 3 MB more in an idle
 * server that uses SQLite (docs/numbers.md). So the program is built with its header, and loads
 * the library when SKERRY_DB asks for it.
 */
#ifndef SKERRY_STORE_PQ_H
#define SKERRY_STORE_PQ_H

#include <libpq-fe.h>

#include "base/err.h"

/* X(name): PQname of the library is pq.name here. */
/* clang-format off */
#define PQ_FUNCTIONS(X)                                                                           \
    X(clear)                                                                                      \
    X(cmdStatus)                                                                                  \
    X(cmdTuples)                                                                                  \
    X(conninfoFree)                                                                               \
    X(conninfoParse)                                                                              \
    X(connectdbParams) X(consumeInput) X(db) X(enterPipelineMode) X(errorMessage) X(exec)         \
        X(exitPipelineMode) X(finish) X(fformat) X(freemem) X(ftype) X(getResult) X(getisnull)    \
            X(getlength) X(getvalue) X(host) X(nfields) X(notifies) X(ntuples) X(parameterStatus) \
                X(pipelineSync) X(port) X(putCopyData) X(putCopyEnd) X(resultErrorField)          \
                    X(resultMemorySize) X(resultStatus) X(sendPrepare) X(sendQueryParams)         \
                        X(sendQueryPrepared) X(setNoticeReceiver) X(setSingleRowMode) X(socket)   \
                            X(status) X(user)
/* clang-format on */

struct pq {
#define PQ_MEMBER(name) __typeof__(PQ##name) *name;
    PQ_FUNCTIONS(PQ_MEMBER)
#undef PQ_MEMBER
};

/* ERR_UNSUPPORTED, with the package to install, when the library is missing. It stays loaded. */
MUST_USE err pq_load(struct pq *ret_pq);

#endif
