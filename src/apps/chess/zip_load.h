/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zip_load.h -- libarchive, loaded when the first zip comes.
 *
 * It brings XML, Unicode tables and the C++ library along: two megabytes of memory for a server
 * that mostly never sees a zip.
 */
#ifndef SKERRY_APPS_CHESS_ZIP_LOAD_H
#define SKERRY_APPS_CHESS_ZIP_LOAD_H

#include <archive.h>
#include <archive_entry.h>

#include "base/err.h"

/* X(result, name without "archive_", arguments) */
#define ZIP_FUNCTIONS(X)                                                  \
    X(struct archive *, read_new, (void))                                 \
    X(int, read_support_format_zip, (struct archive *))                   \
    X(int, read_open_filename, (struct archive *, const char *, size_t))  \
    X(int, read_next_header, (struct archive *, struct archive_entry **)) \
    X(la_ssize_t, read_data, (struct archive *, void *, size_t))          \
    X(int, read_free, (struct archive *))                                 \
    X(la_int64_t, filter_bytes, (struct archive *, int))                  \
    X(const char *, error_string, (struct archive *))                     \
    X(int, entry_is_encrypted, (struct archive_entry *))                  \
    X(int, entry_size_is_set, (struct archive_entry *))                   \
    X(la_int64_t, entry_size, (struct archive_entry *))                   \
    X(const char *, entry_pathname, (struct archive_entry *))             \
    X(__LA_MODE_T, entry_filetype, (struct archive_entry *))

struct zip_functions {
#define ZIP_FIELD(result, name, arguments) result(*name) arguments;
    ZIP_FUNCTIONS(ZIP_FIELD)
#undef ZIP_FIELD
};

/* Stays loaded for the life of the process. ERR_UNSUPPORTED when there is none, or one too old. */
MUST_USE err zip_load(struct zip_functions *ret_functions);

#endif
