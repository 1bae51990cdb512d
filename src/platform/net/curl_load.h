/* SPDX-License-Identifier: GPL-3.0-or-later */
/* curl_load.h -- the functions of libcurl that this room uses. Private to this room.
 *
 * Not linked: libcurl with its TLS library costs megabytes and milliseconds at every start, and
 * most servers never call out.
 */
#ifndef SKERRY_NET_CURL_LOAD_H
#define SKERRY_NET_CURL_LOAD_H

#define CURL_DISABLE_TYPECHECK /* its checks wrap the functions that are pointers here */
#include <curl/curl.h>

#include "base/err.h"

/* X(result, name, arguments) */
#define CURL_FUNCTIONS(X)                                                                          \
    X(CURLcode, global_init, (long flags))                                                         \
    X(void, global_cleanup, (void))                                                                \
    X(CURL *, easy_init, (void))                                                                   \
    X(void, easy_cleanup, (CURL * easy))                                                           \
    X(void, easy_reset, (CURL * easy))                                                             \
    X(CURLcode, easy_setopt, (CURL * easy, CURLoption option, ...))                                \
    X(CURLcode, easy_getinfo, (CURL * easy, CURLINFO info, ...))                                   \
    X(CURLcode, easy_pause, (CURL * easy, int mask))                                               \
    X(const char *, easy_strerror, (CURLcode code))                                                \
    X(CURLM *, multi_init, (void))                                                                 \
    X(CURLMcode, multi_cleanup, (CURLM * multi))                                                   \
    X(CURLMcode, multi_add_handle, (CURLM * multi, CURL * easy))                                   \
    X(CURLMcode, multi_remove_handle, (CURLM * multi, CURL * easy))                                \
    X(CURLMcode, multi_perform, (CURLM * multi, int *running))                                     \
    X(CURLMcode, multi_poll,                                                                       \
      (CURLM * multi, struct curl_waitfd extra[], unsigned count, int timeout_ms, int *ret_count)) \
    X(CURLMsg *, multi_info_read, (CURLM * multi, int *left))                                      \
    X(struct curl_slist *, slist_append, (struct curl_slist * list, const char *text))             \
    X(void, slist_free_all, (struct curl_slist * list))

struct curl_functions {
#define CURL_MEMBER(result, name, arguments) result(*name) arguments;
    CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
};

/* ERR_UNSUPPORTED, with the package to install, when the library or a function is not there. The
 * library stays loaded: TLS libraries leave exit handlers behind. */
MUST_USE err curl_load(struct curl_functions *ret_functions);

#endif
