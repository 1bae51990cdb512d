/* SPDX-License-Identifier: GPL-3.0-or-later */
/* yard.h -- a folder of its own for one test, and the blobs in it. */
#ifndef SKERRY_TEST_BLOBS_YARD_H
#define SKERRY_TEST_BLOBS_YARD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/blobs/blobs.h"

#define assert_ok(call)                                                         \
    do {                                                                        \
        err assert_ok_ = (call);                                                \
        if (assert_ok_.code)                                                    \
            fail_msg("%s: %s", err_code_name(assert_ok_.code), assert_ok_.msg); \
    } while (0)

#define assert_err(call, expected)                                                            \
    do {                                                                                      \
        err assert_err_ = (call);                                                             \
        if (assert_err_.code != (expected))                                                   \
            fail_msg("got %s '%s', not %s", err_code_name(assert_err_.code), assert_err_.msg, \
                     err_code_name(expected));                                                \
    } while (0)

struct yard {
    char folder[64];
    char url[80];
    struct blobs *blobs;
    arena keep;
};

static inline void yard_open(struct yard *y)
{
    snprintf(y->url, sizeof y->url, "file:%s", y->folder);
    assert_ok(blobs_open(y->url, &y->blobs));
}

static inline int yard_setup(void **state)
{
    struct yard *y = calloc(1, sizeof *y);
    assert_non_null(y);
    snprintf(y->folder, sizeof y->folder, "/tmp/skerry-test-XXXXXX");
    assert_non_null(mkdtemp(y->folder));
    arena_init(&y->keep, 64 << 20);
    yard_open(y);
    *state = y;
    return 0;
}

static inline int yard_teardown(void **state)
{
    struct yard *y = *state;
    blobs_close(y->blobs);
    arena_deinit(&y->keep);
    assert_ok(fs_remove_tree(y->folder));
    free(y);
    return 0;
}

static inline void yard_path(const struct yard *y, const struct blob_id *id,
                             char out[FS_PATH_BYTES])
{
    snprintf(out, FS_PATH_BYTES, "%s/objects/%.2s/%s", y->folder, id->hex, id->hex + 2);
}

static inline struct blob_info yard_put(struct yard *y, str bytes)
{
    struct blob_info info = { 0 };
    assert_ok(blob_put(y->blobs, bytes, &info));
    return info;
}

static inline struct blobs_usage yard_usage(struct yard *y)
{
    struct blobs_usage usage = { 0 };
    assert_ok(blobs_usage(y->blobs, &usage));
    return usage;
}

static inline err yard_count_name(void *arg, const char *name)
{
    ++*(int *)arg;
    return OK;
}

/* Files in tmp/. */
static inline int yard_temporary_count(const struct yard *y)
{
    char path[100];
    int count = 0;
    snprintf(path, sizeof path, "%s/tmp", y->folder);
    assert_ok(fs_list(path, yard_count_name, &count));
    return count;
}

/* Bytes that depend on where they are, so that a shifted or cut copy differs. */
static inline unsigned char *yard_bytes(struct yard *y, size_t count)
{
    unsigned char *bytes = arena_alloc(&y->keep, count + 1, 1, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 16));
    return bytes;
}

#endif
