/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A destination that goes away, comes back, refuses and hangs. If these failed, what was promised
 * to leave would not, or would leave without having happened, or a broken service elsewhere would
 * fill our disk or our log. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "outbox_fixture.h"

enum { PATIENCE_MS = 30000 };

#define wait_for(condition)                                                        \
    do {                                                                           \
        for (int waited_ = 0; !(condition) && waited_ < PATIENCE_MS; waited_ += 5) \
            clock_sleep_ms(5);                                                     \
        assert_true(condition);                                                    \
    } while (0)

static void put_many(struct fixture *f, int from, int to)
{
    char data[64];
    for (int i = from; i < to; i++) {
        snprintf(data, sizeof data, "{\"n\":%d}", i);
        assert_ok(fixture_put(f, data, false));
    }
}

static void test_what_is_committed_leaves_in_order(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, true);
    for (int i = 0; i < 50; i++) {
        put_many(f, i, i + 1);
        assert_int_equal(fixture_put(f, "{\"n\":\"never\"}", true).code, ERR_CONFLICT);
    }
    expect_count(&f->events, 50);
    for (int i = 0; i < 50; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        assert_string_equal(f->events.got[i], text);
    }
    wait_for(fixture_info(f, "fake-events").waiting_items == 0);
    assert_int_equal(fixture_info(f, "fake-events").sent, 50);
    assert_false(fake_has(&f->events, "never"));
}

static void test_nobody_takes_events_and_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    f->destinations[0] = f->destinations[1]; /* lines only */
    f->options.destination_count = 1;
    fixture_open(f, true);
    assert_false(outbox_takes_events(f->outbox));
    assert_false(outbox_takes_events(NULL));
    assert_ok(fixture_put(f, "{}", false));
    int64_t rows = -1;
    fixture_close(f);
    f->destinations[0] = (struct outbox_destination){ &fake_events, &f->events };
    fixture_open(f, false);
    rows = fixture_info(f, "fake-events").waiting_items;
    assert_int_equal(rows, 0);
}

static void test_an_outage_is_said_once_and_made_up_for(void **state)
{
    struct fixture *f = *state;
    fake_set(&f->events, ERR_UPSTREAM);
    fixture_open(f, true);
    put_many(f, 0, 300);
    wait_for(fixture_info(f, "fake-events").breaker != OUTBOX_CLOSED);
    wait_for(f->events.calls > 12);
    struct outbox_info info = fixture_info(f, "fake-events");
    assert_int_equal(info.waiting_items, 300);
    assert_true(str_contains(info.error, STR("it says no")));
    assert_int_equal(fake_count(&f->events), 0);
    fake_set(&f->events, ERR_NONE);
    expect_count(&f->events, 300);
    wait_for(fixture_info(f, "fake-events").breaker == OUTBOX_CLOSED);
    assert_int_equal(fixture_logged(f, "outbox.unreachable"), 1);
    assert_int_equal(fixture_logged(f, "outbox.recovered"), 1);
    assert_int_equal(fixture_info(f, "fake-events").error.len, 0);
    assert_string_equal(f->events.got[0], "{\"n\":0}"); /* the one item that tried */
    assert_string_equal(f->events.got[299], "{\"n\":299}");
}

static void test_an_open_breaker_tries_one_item(void **state)
{
    struct fixture *f = *state;
    fake_set(&f->events, ERR_TIMEOUT);
    fixture_open(f, false);
    put_many(f, 0, 80);
    assert_ok(outbox_start(f->outbox));
    wait_for(fixture_info(f, "fake-events").breaker != OUTBOX_CLOSED);
    pthread_mutex_lock(&f->events.lock);
    f->events.largest = 0;
    int calls = f->events.calls;
    pthread_mutex_unlock(&f->events.lock);
    wait_for(f->events.calls > calls + 3);
    assert_int_equal(f->events.largest, 1);
}

static void test_poison_is_found_and_put_aside(void **state)
{
    struct fixture *f = *state;
    struct outbox_letter *letters;
    size_t count;
    int64_t changed;
    f->events.poison = "\"n\":37}";
    fixture_open(f, false);
    put_many(f, 0, 100);
    assert_ok(outbox_start(f->outbox));
    expect_count(&f->events, 99);
    wait_for(fixture_info(f, "fake-events").dead_items == 1);
    assert_ok(outbox_dead(f->outbox, STR("fake-events"), 10, &f->keep, &letters, &count));
    assert_int_equal(count, 1);
    assert_true(str_eq(letters[0].body, STR("{\"n\":37}")));
    assert_true(str_contains(letters[0].why, STR("does not take this")));
    assert_true(letters[0].event_id.len == UUID_BYTES - 1);
    /* It is fixed over there: once more. */
    pthread_mutex_lock(&f->events.lock);
    f->events.poison = NULL;
    pthread_mutex_unlock(&f->events.lock);
    assert_ok(outbox_replay(f->outbox, STR("fake-events"), &changed));
    assert_int_equal(changed, 1);
    expect_count(&f->events, 100);
    assert_true(fake_has(&f->events, "\"n\":37}"));
    assert_int_equal(outbox_replay(f->outbox, STR("nowhere"), &changed).code, ERR_NOT_FOUND);
    assert_int_equal(fixture_info(f, "fake-events").breaker, OUTBOX_CLOSED); /* no failure */
}

static void test_dead_letters_can_be_dropped(void **state)
{
    struct fixture *f = *state;
    int64_t changed;
    fake_set(&f->events, ERR_INVALID);
    fixture_open(f, true);
    put_many(f, 0, 3);
    wait_for(fixture_info(f, "fake-events").dead_items == 3);
    assert_ok(outbox_drop(f->outbox, STR("fake-events"), &changed));
    assert_int_equal(changed, 3);
    assert_int_equal(fixture_info(f, "fake-events").dead_items, 0);
    assert_true(fixture_logged(f, "outbox.refused") <= 3);
}

/* Nothing is sent to it any more, and nobody has to look into the store to be rid of its rows. */
static void test_what_waits_for_nobody_can_be_dropped(void **state)
{
    struct fixture *f = *state;
    int64_t changed = 0;
    fixture_open(f, false);
    put_many(f, 0, 4);
    fixture_close(f);
    f->destinations[0] = f->destinations[1];
    f->options.destination_count = 1;
    fixture_open(f, true);
    assert_ok(outbox_drop(f->outbox, STR("fake-events"), &changed));
    assert_int_equal(changed, 4);
    assert_int_equal(outbox_drop(f->outbox, STR("fake-events"), &changed).code, ERR_NOT_FOUND);
}

/* Wrong credentials are no fault of what is sent. */
static void test_a_refused_caller_loses_nothing(void **state)
{
    struct fixture *f = *state;
    fake_set(&f->events, ERR_DENIED);
    fixture_open(f, true);
    put_many(f, 0, 20);
    wait_for(fixture_info(f, "fake-events").breaker != OUTBOX_CLOSED);
    assert_int_equal(fixture_info(f, "fake-events").dead_items, 0);
    fake_set(&f->events, ERR_NONE);
    expect_count(&f->events, 20);
}

static void test_what_waits_has_a_cap(void **state)
{
    struct fixture *f = *state;
    f->options.rows_max = 40;
    fake_set(&f->events, ERR_UPSTREAM);
    fixture_open(f, true);
    put_many(f, 0, 100);
    wait_for(fixture_info(f, "fake-events").waiting_items == 40);
    wait_for(fixture_info(f, "fake-events").lost == 60); /* counted after they are gone */
    fake_set(&f->events, ERR_NONE);
    expect_count(&f->events, 40);
    assert_string_equal(f->events.got[39], "{\"n\":99}");
    assert_true(fixture_logged(f, "outbox.lost") >= 1);
}

static void test_what_waits_has_a_cap_in_bytes(void **state)
{
    struct fixture *f = *state;
    char data[1100];
    f->options.bytes_max = 10000;
    fake_set(&f->events, ERR_UPSTREAM);
    fixture_open(f, true);
    memset(data, 'x', sizeof data);
    snprintf(data, 20, "{\"n\":\"");
    data[6] = 'x';
    memcpy(data + 1000, "\"}", 3);
    for (int i = 0; i < 30; i++)
        assert_ok(fixture_put(f, data, false));
    wait_for(fixture_info(f, "fake-events").waiting_bytes <= 10000);
    wait_for(fixture_info(f, "fake-events").lost >= 20);
}

static void test_lines_leave_once_and_in_order(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, true);
    for (int i = 0; i < 1000; i++)
        log_event(f->log, LOG_INFO, NULL, "test.line", NULL, F_INT("n", i));
    expect_count(&f->lines, 1000);
    fixture_close(f);
    fixture_open(f, true); /* goes on where it stopped */
    log_event(f->log, LOG_INFO, NULL, "test.line", NULL, F_INT("n", 1000));
    expect_count(&f->lines, 1001);
    assert_int_equal(f->events.calls, 0);
}

static err saved_fn(struct store_read *rd, void *arg)
{
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT cursor FROM outbox_destinations WHERE destination = 'fake-lines'",
                    NO_ARGS, &rows));
    *(bool *)arg = store_next(rows) && store_col_text(rows, 0).len > 0;
    return store_rows_close(rows);
}

/* A process that is killed in its first moments has lines, too: where they begin is durable before
 * it does anything that it could be asked for. */
static void test_the_place_in_the_files_is_noted_before_it_starts(void **state)
{
    struct fixture *f = *state;
    bool is_noted = false;
    fixture_open(f, false);
    assert_ok(outbox_start(f->outbox));
    assert_ok(store_read(f->store, saved_fn, &is_noted));
    assert_true(is_noted);
}

static void test_lines_wait_in_the_files(void **state)
{
    struct fixture *f = *state;
    fake_set(&f->lines, ERR_UPSTREAM);
    fixture_open(f, true);
    for (int i = 0; i < 500; i++)
        log_event(f->log, LOG_INFO, NULL, "test.line", NULL, F_INT("n", i));
    wait_for(fixture_info(f, "fake-lines").waiting_items >= 500);
    wait_for(fixture_logged(f, "outbox.unreachable") == 1);
    fixture_close(f); /* while it is away: the place it never got to is kept */
    fake_set(&f->lines, ERR_NONE);
    fixture_open(f, true);
    for (int waited = 0; waited < PATIENCE_MS && fake_count(&f->lines) < 501; waited += 5)
        clock_sleep_ms(5);
    assert_true(fake_count(&f->lines) >= 501); /* and the line that it went away */
}

static void test_a_refused_line_is_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    int64_t changed;
    f->lines.poison = "test.poison";
    fixture_open(f, true);
    for (int i = 0; i < 20; i++)
        log_event(f->log, LOG_INFO, NULL, i == 11 ? "test.poison" : "test.line", NULL);
    wait_for(fixture_info(f, "fake-lines").dead_items == 1);
    wait_for(fake_count(&f->lines) == 20); /* 19, and the line that says so */
    pthread_mutex_lock(&f->lines.lock);
    f->lines.poison = NULL;
    pthread_mutex_unlock(&f->lines.lock);
    assert_ok(outbox_replay(f->outbox, STR("fake-lines"), &changed));
    assert_int_equal(changed, 1);
    expect_count(&f->lines, 21);
}

/* Kafka says for each message what became of it. */
static void test_what_was_taken_before_it_broke_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    f->events.marks_itself = true;
    fixture_open(f, false);
    put_many(f, 0, 9);
    assert_ok(outbox_start(f->outbox));
    expect_count(&f->events, 9);
    wait_for(fixture_info(f, "fake-events").waiting_items == 0);
    assert_int_equal(fake_count(&f->events), 9);
    assert_string_equal(f->events.got[8], "{\"n\":8}");
}

static void test_unnamed_refusals_are_counted(void **state)
{
    struct fixture *f = *state;
    f->events.unnamed = 2;
    fixture_open(f, true);
    put_many(f, 0, 1);
    expect_count(&f->events, 1);
    wait_for(fixture_info(f, "fake-events").lost == 2);
}

/* A server that stops does not wait for a service that hangs. */
static void test_a_hanging_destination_does_not_hold_the_end(void **state)
{
    struct fixture *f = *state;
    f->events.is_slow = f->lines.is_slow = true;
    f->options.timeout_ms = 600000;
    fixture_open(f, true);
    put_many(f, 0, 5);
    log_event(f->log, LOG_INFO, NULL, "test.line", NULL);
    wait_for(f->events.opens > 0 && f->lines.opens > 0);
    fixture_close(f);
    f->events.is_slow = f->lines.is_slow = false;
    fixture_open(f, true);
    expect_count(&f->events, 5);
}

/* What it asks for is obeyed: one call, and none for the next ten minutes. */
static void test_retry_after_is_obeyed(void **state)
{
    struct fixture *f = *state;
    f->events.retry_after_ms = 600000;
    fake_set(&f->events, ERR_BUSY);
    fixture_open(f, true);
    put_many(f, 0, 5);
    wait_for(f->events.calls == 1);
    put_many(f, 5, 50);
    wait_for(fixture_info(f, "fake-events").waiting_items == 50);
    assert_int_equal(f->events.calls, 1);
}

/* Two servers of one store: each event once. */
static void test_two_servers_share_the_events(void **state)
{
    struct fixture *f = *state;
    struct fixture *other;
    assert_int_equal(fixture_set_up((void **)&other), 0);
    fixture_open(f, false);
    struct outbox *second;
    struct outbox_options options = f->options;
    options.instance = "there";
    assert_ok(outbox_open(&options, &second));
    put_many(f, 0, 200);
    assert_ok(outbox_start(f->outbox));
    assert_ok(outbox_start(second));
    put_many(f, 200, 400);
    wait_for(fixture_info(f, "fake-events").waiting_items == 0);
    outbox_close(second);
    assert_int_equal(fake_count(&f->events), 400);
    fixture_tear_down((void **)&other);
}

static void test_too_big_is_said_to_who_puts_it(void **state)
{
    struct fixture *f = *state;
    static char data[OUTBOX_BODY_MAX + 2];
    memset(data, ' ', sizeof data - 1);
    fixture_open(f, false);
    assert_int_equal(fixture_put(f, data, false).code, ERR_TOO_BIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_committed_leaves_in_order),
        TEST(test_nobody_takes_events_and_nothing_is_kept),
        TEST(test_an_outage_is_said_once_and_made_up_for),
        TEST(test_an_open_breaker_tries_one_item),
        TEST(test_poison_is_found_and_put_aside),
        TEST(test_dead_letters_can_be_dropped),
        TEST(test_what_waits_for_nobody_can_be_dropped),
        TEST(test_a_refused_caller_loses_nothing),
        TEST(test_what_waits_has_a_cap),
        TEST(test_what_waits_has_a_cap_in_bytes),
        TEST(test_lines_leave_once_and_in_order),
        TEST(test_the_place_in_the_files_is_noted_before_it_starts),
        TEST(test_lines_wait_in_the_files),
        TEST(test_a_refused_line_is_a_dead_letter),
        TEST(test_what_was_taken_before_it_broke_is_not_sent_again),
        TEST(test_unnamed_refusals_are_counted),
        TEST(test_a_hanging_destination_does_not_hold_the_end),
        TEST(test_retry_after_is_obeyed),
        TEST(test_two_servers_share_the_events),
        TEST(test_too_big_is_said_to_who_puts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
