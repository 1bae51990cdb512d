/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outbox_fixture.h -- an outbox with destinations that do what the test says, and note what they
 * got.
 */
#ifndef SKERRY_TESTS_OUTBOX_FIXTURE_H
#define SKERRY_TESTS_OUTBOX_FIXTURE_H

#include <pthread.h>

#include "platform/outbox/outbox.h"

#define assert_ok(call)                                                         \
    do {                                                                        \
        err assert_ok_ = (call);                                                \
        if (assert_ok_.code)                                                    \
            fail_msg("%s: %s", err_code_name(assert_ok_.code), assert_ok_.msg); \
    } while (0)

enum { GOT_MAX = 20000, GOT_BYTES = 64 };

/* A destination in this process. */
struct fake {
    pthread_mutex_t lock;
    /* All guarded by lock. What it answers: */
    enum err_code answer; /* to everything; ERR_NONE: it takes it */
    const char *poison;   /* refuses a batch that has this in a body */
    int64_t retry_after_ms;
    bool is_slow;      /* answers when the deadline is over, or it is told to stop */
    bool marks_itself; /* marks items one by one and fails behind the second */
    int64_t unnamed;
    /* What it saw: */
    _Atomic int calls, opens, closes;
    _Atomic size_t largest;
    size_t count;
    char got[GOT_MAX][GOT_BYTES]; /* the first bytes of the bodies that it took */
};

struct fixture {
    char folder[64], url[512];
    struct store *store;
    struct log *log;
    struct metrics *metrics;
    struct outbox *outbox;
    struct outbox_options options;
    struct outbox_destination destinations[2];
    struct fake events, lines;
    arena keep;
};

extern const struct outbox_kind fake_events, fake_lines;

int fixture_set_up(void **state);
int fixture_tear_down(void **state);
void fixture_open(struct fixture *f, bool starts); /* also again, after fixture_close */
void fixture_close(struct fixture *f);
/* One event in a transaction of its own, which fails when told to. */
err fixture_put(struct fixture *f, const char *data, bool fails);
void fake_set(struct fake *fake, enum err_code answer);
size_t fake_count(struct fake *fake);
bool fake_has(struct fake *fake, const char *text);
/* Waits for it. */
void expect_count(struct fake *fake, size_t count);
struct outbox_info fixture_info(struct fixture *f, const char *name);
size_t fixture_logged(struct fixture *f, const char *event);

#endif
