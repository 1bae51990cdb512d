/* SPDX-License-Identifier: GPL-3.0-or-later */
/* track_fixture.h -- tracking in a folder of its own: store, blobs, log, metrics. */
#ifndef SKERRY_TEST_TRACK_FIXTURE_H
#define SKERRY_TEST_TRACK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/track/track_internal.h"

struct fixture {
    char folder[64];
    char db_url[320]; /* of the store */
    struct log *log;
    struct metrics *metrics;
    struct store *store;
    struct blobs *blobs;
    struct track *track;
    arena mem;
};

/* The message of an unexpected error is what one wants to read. */
#define assert_ok(call)                                                                       \
    do {                                                                                      \
        err ok_ = (call);                                                                     \
        if (ok_.code)                                                                         \
            fail_msg("%s: %s (%s:%d)", err_code_name(ok_.code), ok_.msg, ok_.file, ok_.line); \
    } while (0)
#define assert_err(call, wanted)                                                               \
    do {                                                                                       \
        err got_ = (call);                                                                     \
        if (got_.code != (wanted))                                                             \
            fail_msg("wanted %s, got %s: %s", err_code_name(wanted), err_code_name(got_.code), \
                     got_.msg);                                                                \
    } while (0)

void fixture_folder(struct fixture *f); /* makes the folder only */
void fixture_folder_remove(struct fixture *f);
err fixture_try_open(struct fixture *f); /* everything in f->folder */
void fixture_shut(struct fixture *f);    /* closes everything, keeps the folder */
int fixture_init(void **state);          /* cmocka setup: a fixture that is open */
int fixture_deinit(void **state);

struct run *fixture_run(struct fixture *f, const char *component);
void fixture_end(struct run *r, enum err_code code);
void fixture_exec(struct fixture *f, const char *sql); /* a statement, behind tracking's back */
int64_t fixture_int(struct fixture *f, const char *sql);
str fixture_text(struct fixture *f, const char *sql);
/* How many log lines have this event; *ret_last (may be NULL) is the newest. */
size_t fixture_logged(struct fixture *f, const char *event, str *ret_last);
bool fixture_exposed(struct fixture *f, const char *line); /* in the Prometheus text */
struct blob_info fixture_blob(struct fixture *f, str bytes);
struct dataset_info fixture_dataset(struct fixture *f, const char *name, str bytes); /* ready */
struct blob_gc_report fixture_collect(struct fixture *f);

#endif
