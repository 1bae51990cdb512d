/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kill -9 while events are put and sent. If this failed, somebody else would know of what never
 * happened here, or would never hear of what was promised to them.
 *
 * A child puts events and notes in a file, synced, which commits were acknowledged and which were
 * rolled back; its destination appends what it gets to another file. It is killed at a random
 * moment. In the end everything acknowledged has arrived, and nothing that was rolled back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "outbox_fixture.h"

enum { ROUNDS = 12, EVENTS_MAX = 100000, PATIENCE_MS = 60000 };

/* Lives in memory shared with the children: what a kill leaves is what stood there. */
struct ledger {
    _Atomic int next; /* number of the next event */
    _Atomic unsigned char acknowledged[EVENTS_MAX], rolled_back[EVENTS_MAX], arrived[EVENTS_MAX];
};

static err book_open(const void *config, void **ret_state)
{
    *ret_state = (void *)(uintptr_t)config;
    return OK;
}

static err book_send(void *state, struct outbox_batch *batch)
{
    struct ledger *l = state;
    for (size_t i = 0; i < batch->count; i++) {
        int n = -1;
        if (sscanf(batch->items[i].body.ptr, "{\"n\":%d}", &n) == 1 && n >= 0 && n < EVENTS_MAX)
            l->arrived[n]++;
    }
    return OK;
}

static void book_close(void *state)
{
}

static const struct outbox_kind book = { .name = "book",
                                         .takes = OUTBOX_EVENTS,
                                         .items_max = 7,
                                         .bytes_max = 64 * 1024,
                                         .open = book_open,
                                         .send = book_send,
                                         .close = book_close };

static void child(struct fixture *f, struct ledger *l)
{
    fixture_open(f, true);
    for (;;) {
        char data[64];
        int n = l->next++;
        bool fails = n % 3 == 0;
        if (n >= EVENTS_MAX)
            _exit(0);
        snprintf(data, sizeof data, "{\"n\":%d}", n);
        err e = fixture_put(f, data, fails);
        if (!e.code)
            l->acknowledged[n] = 1;
        else if (fails)
            l->rolled_back[n] = 1;
    }
}

static bool all_arrived(const struct ledger *l)
{
    for (int n = 0; n < l->next && n < EVENTS_MAX; n++)
        if (l->acknowledged[n] && !l->arrived[n])
            return false;
    return true;
}

static void test_kill(void **state)
{
    struct fixture *f = *state;
    struct ledger *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                            0);
    int many = 0;
    assert_true(l != MAP_FAILED);
    f->destinations[0] = (struct outbox_destination){ &book, l };
    f->options.destination_count = 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice;
        int before = l->next, status = 0;
        rand_bytes(&dice, sizeof dice);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(f, l);
        /* Not before it works: the time to start differs. */
        for (int waited = 0; waited < PATIENCE_MS && l->next < before + 5; waited += 5)
            clock_sleep_ms(5);
        clock_sleep_ms((int64_t)(dice % 150));
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        assert_true(WIFSIGNALED(status));
    }
    fixture_open(f, true);
    for (int waited = 0; waited < PATIENCE_MS && !all_arrived(l); waited += 5)
        clock_sleep_ms(5);
    assert_true(all_arrived(l));
    for (int n = 0; n < l->next && n < EVENTS_MAX; n++) {
        if (l->rolled_back[n] && l->arrived[n])
            fail_msg("event %d left, and never happened", n);
        many += l->acknowledged[n];
    }
    assert_true(many > ROUNDS);
    fixture_close(f);
    munmap(l, sizeof *l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
