/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/net/curl_load.h"

#include "base/library.h"

/* Debian's names for the builds with OpenSSL and with GnuTLS; both speak the same interface. */
static const char *const library_names[] = { "libcurl.so.4", "libcurl-gnutls.so.4", NULL };

err curl_load(struct curl_functions *ret_functions)
{
    void *library = library_open("", library_names);
    if (!library)
        return ERR(ERR_UNSUPPORTED, "libcurl is needed to talk to other services and is not "
                                    "installed (apt-get install libcurl4)");
    struct curl_functions functions;
    const char *missing = NULL;
#define CURL_FIND(result, name, arguments)                              \
    if (!library_find(library, "curl_" #name, (void *)&functions.name)) \
        missing = "curl_" #name;
    CURL_FUNCTIONS(CURL_FIND)
#undef CURL_FIND
    if (missing)
        return ERR(ERR_UNSUPPORTED, "the installed libcurl has no %s: 7.85 or later is needed",
                   missing);
    *ret_functions = functions;
    return OK;
}
