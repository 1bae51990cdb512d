/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/zip_load.h"

#include "base/library.h"

err zip_load(struct zip_functions *ret_functions)
{
    void *library = library_open("libarchive.so.13", NULL);
    if (!library)
        return ERR(ERR_UNSUPPORTED, "libarchive is needed to read a zip and is not installed "
                                    "(apt-get install libarchive13, or upload the .pgn)");
    struct zip_functions functions;
    const char *missing = NULL;
#define ZIP_FIND(result, name, arguments)                                  \
    if (!library_find(library, "archive_" #name, (void *)&functions.name)) \
        missing = "archive_" #name;
    ZIP_FUNCTIONS(ZIP_FIND)
#undef ZIP_FIND
    if (missing)
        return ERR(ERR_UNSUPPORTED, "the installed libarchive has no %s: 3.6 or later is needed",
                   missing);
    *ret_functions = functions;
    return OK;
}
