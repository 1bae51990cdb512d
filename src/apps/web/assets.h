/* SPDX-License-Identifier: GPL-3.0-or-later */
/* assets.h -- the files of the web UI, as they lie in the program.
 *
 * embed.py writes the table, in the order of paths. The bytes are pages of the program's file: they
 * cost no memory until somebody asks for them. Without a built UI the table is empty.
 */
#ifndef SKERRY_WEB_ASSETS_H
#define SKERRY_WEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

/* One way of sending a file. Each has a tag of its own, for they are different bytes. */
struct web_body {
    const char *bytes; /* NULL: not in this encoding */
    size_t count;
    const char *etag;
};

struct web_asset {
    const char *path; /* below /ui/: "assets/index-B3xY.js"; NULL ends the table */
    const char *content_type;
    struct web_body plain, gzip, brotli;
};

extern const struct web_asset web_assets[];
extern const size_t web_asset_count;

#endif
