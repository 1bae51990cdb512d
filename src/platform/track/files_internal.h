/* SPDX-License-Identifier: GPL-3.0-or-later */
/* files_internal.h -- what the files of files.h share: the table and path in it that a path means.
 */
#ifndef SKERRY_TRACK_FILES_INTERNAL_H
#define SKERRY_TRACK_FILES_INTERNAL_H

#include "platform/track/files.h"
#include "platform/track/track_internal.h"

struct files_place {
    str run_id; /* empty: table `files`; else `artifacts` of that run */
    str path;   /* in that table; a slice of the path that was asked for */
};
MUST_USE err files_place_find(struct store_read *rd, str path, struct files_place *ret_place);

#endif
