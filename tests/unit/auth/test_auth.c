/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, strangers come in, or the owner is locked out. The HTTP room is replaced here by a
 * request of a few fields, so that every client can be played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/auth/auth_internal.h"
#include "../test_db.h"
#include "../test_folder.h"

/* ------------------------------------------------------------------ a request */

struct http_request {
    const char *authorization, *api_key, *forwarded;
    bool is_remote;
    char user[AUTH_NAME_MAX + 1]; /* results */
    enum access granted;
};

str http_header(const struct http_request *rq, const char *name)
{
    if (!strcmp(name, "Authorization"))
        return str_of(rq->authorization);
    if (!strcmp(name, "X-Api-Key"))
        return str_of(rq->api_key);
    if (!strcmp(name, "X-Forwarded-For"))
        return str_of(rq->forwarded);
    return STR_NONE;
}

bool http_client_is_loopback(const struct http_request *rq)
{
    return !rq->is_remote;
}

void http_request_set_user(struct http_request *rq, str user, enum access granted)
{
    snprintf(rq->user, sizeof(rq->user), "%.*s", STR_ARG(user));
    rq->granted = granted;
}

/* ------------------------------------------------------------------ a store */

struct fixture {
    char folder[64], url[320];
    struct store *store;
    struct metrics *metrics;
    struct auth *auth;
    arena mem;
};

static void must(err e)
{
    if (e.code)
        fail_msg("%s", e.msg);
}

static void auth_begin(struct fixture *f)
{
    must(auth_open(&(struct auth_options){ .store = f->store,
                                           .default_user = "M3NG00S3",
                                           .metrics = f->metrics },
                   &f->auth));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    arena_init(&f->mem, 16 * 1024 * 1024);
    assert_true(test_folder_make(f->folder, sizeof(f->folder), "auth"));
    test_db_url(f->folder, "test.db", f->url, sizeof(f->url));
    must(store_open(&(struct store_options){ .url = f->url }, &f->store));
    must(metrics_open(&f->metrics));
    must(metrics_register(f->metrics, auth_metrics));
    auth_begin(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    auth_close(f->auth);
    store_close(f->store);
    test_db_drop(f->url);
    metrics_close(f->metrics);
    must(fs_remove_tree(f->folder));
    arena_deinit(&f->mem);
    free(f);
    return 0;
}

struct made {
    str id, key;
};

static struct made make(struct fixture *f, const char *user, enum access role)
{
    struct made m;
    must(auth_key_create(f->auth, STR("owner"),
                         &(struct auth_key_spec){ str_of(user), STR("a note"), role, 0 }, &f->mem,
                         &m.id, &m.key));
    return m;
}

static const char *bearer(struct fixture *f, str key)
{
    str text = arena_fmt(&f->mem, "Bearer %.*s", STR_ARG(key));
    assert_non_null(text.ptr);
    return text.ptr;
}

static enum err_code ask(struct fixture *f, struct http_request *rq, enum access needed)
{
    return auth_authorise(f->auth, rq, needed).code;
}

/* ------------------------------------------------------------------ without keys */

static void alone_on_the_machine_one_needs_no_login(void **state)
{
    struct fixture *f = *state;
    for (int needed = ACCESS_PUBLIC; needed <= ACCESS_ADMIN; needed++) {
        struct http_request rq = { 0 };
        assert_int_equal(ask(f, &rq, (enum access)needed), ERR_NONE);
        assert_string_equal(rq.user, "M3NG00S3");
        assert_int_equal(rq.granted, ACCESS_ADMIN);
    }
    assert_false(auth_has_admin_key(f->auth));
}

static void nobody_else_is_trusted(void **state)
{
    struct fixture *f = *state;
    struct http_request remote = { .is_remote = true };
    assert_int_equal(ask(f, &remote, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    assert_int_equal(remote.granted, ACCESS_UNSET);
    /* A proxy on this machine speaks for somebody elsewhere. */
    struct http_request proxied = { .forwarded = "203.0.113.9" };
    assert_int_equal(ask(f, &proxied, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    /* Public is public, but makes nobody of them. */
    assert_int_equal(ask(f, &remote, ACCESS_PUBLIC), ERR_NONE);
    assert_string_equal(remote.user, "");
    assert_int_equal(remote.granted, ACCESS_PUBLIC);
    assert_int_equal(ask(f, &proxied, ACCESS_PUBLIC), ERR_NONE);
    assert_int_equal(proxied.granted, ACCESS_PUBLIC);
    /* A made-up key is worse than none. */
    struct http_request liar = { .api_key = "sk_guess" };
    assert_int_equal(ask(f, &liar, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    assert_int_equal(ask(f, &liar, ACCESS_PUBLIC), ERR_UNAUTHENTICATED);
}

static void a_route_that_forgot_to_say_is_closed(void **state)
{
    struct fixture *f = *state;
    struct http_request rq = { 0 };
    assert_int_equal(ask(f, &rq, ACCESS_UNSET), ERR_DENIED);
    assert_int_equal(ask(f, &rq, (enum access)(ACCESS_ADMIN + 1)), ERR_DENIED);
}

static const struct {
    const char *address;
    bool is_loopback;
} addresses[] = {
    { "127.0.0.1", true },  { "127.9.8.7", true },
    { "::1", true },        { "localhost", true },
    { "0.0.0.0", false },   { "::", false },
    { "10.0.0.1", false },  { "192.168.1.5", false },
    { "128.0.0.1", false }, { "localhost.evil", false },
    { "", false },          { "::ffff:10.0.0.1", false },
};

static void listening_to_the_world_needs_an_admin_key(void **state)
{
    struct fixture *f = *state;
    make(f, "ann", ACCESS_ANALYST); /* not enough */
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        err e = auth_check_bind(f->auth, addresses[i].address);
        if ((e.code == ERR_NONE) != addresses[i].is_loopback)
            fail_msg("'%s': %d", addresses[i].address, (int)e.code);
        if (e.code)
            assert_non_null(strstr(e.msg, "admin key"));
    }
    struct made m = make(f, "ada", ACCESS_ADMIN);
    for (size_t i = 0; i < COUNT_OF(addresses); i++)
        assert_int_equal(auth_check_bind(f->auth, addresses[i].address).code, ERR_NONE);
    must(auth_key_revoke(f->auth, STR("owner"), m.id));
    assert_int_equal(auth_check_bind(f->auth, "0.0.0.0").code, ERR_DENIED);
}

/* ------------------------------------------------------------------ with keys */

static void a_key_is_long_random_and_not_stored(void **state)
{
    struct fixture *f = *state;
    struct made a = make(f, "ada", ACCESS_ADMIN), b = make(f, "ada", ACCESS_ADMIN);
    assert_int_equal(a.key.len, 46);
    assert_true(str_starts(a.key, STR("sk_")));
    assert_false(str_eq(a.key, b.key));
    for (size_t i = 3; i < a.key.len; i++)
        assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                               a.key.ptr[i]));
    if (test_db_is_postgres())
        return; /* its files are the server's; what is sent there is the same */
    /* Neither the database nor its log contains it. */
    const char *const files[] = { "test.db", "test.db-wal" };
    int read_count = 0;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[FS_PATH_BYTES];
        must(fs_join(path, f->folder, files[i]));
        str bytes = STR_NONE;
        if (fs_read(&f->mem, path, 8 * 1024 * 1024, &bytes).code)
            continue;
        read_count += str_contains(bytes, a.id); /* it is the file that would have it */
        assert_false(str_contains(bytes, str_sub(a.key, 3, 20)));
    }
    assert_true(read_count > 0);
}

static void a_role_reaches_so_far(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *user;
        enum access role;
    } people[] = { { "vic", ACCESS_VIEWER }, { "ann", ACCESS_ANALYST }, { "ada", ACCESS_ADMIN } };
    for (size_t i = 0; i < COUNT_OF(people); i++) {
        struct made m = make(f, people[i].user, people[i].role);
        for (int needed = ACCESS_PUBLIC; needed <= ACCESS_ADMIN; needed++) {
            struct http_request rq = { .authorization = bearer(f, m.key), .is_remote = true };
            err e = auth_authorise(f->auth, &rq, (enum access)needed);
            assert_int_equal(e.code, (int)people[i].role >= needed ? ERR_NONE : ERR_DENIED);
            if (e.code)
                assert_non_null(strstr(e.msg, people[i].user));
            else
                assert_string_equal(rq.user, people[i].user);
            assert_int_equal(rq.granted, e.code ? ACCESS_UNSET : people[i].role);
        }
    }
}

static void keys_come_in_two_headers(void **state)
{
    struct fixture *f = *state;
    struct made m = make(f, "ada", ACCESS_ADMIN);
    char *key = arena_cstr(&f->mem, m.key);
    const struct {
        struct http_request rq;
        enum err_code code;
    } cases[] = {
        { { .authorization = bearer(f, m.key) }, ERR_NONE },
        { { .authorization = arena_fmt(&f->mem, "bearer   %s  ", key).ptr }, ERR_NONE },
        { { .api_key = key }, ERR_NONE },
        { { .authorization = arena_fmt(&f->mem, "Basic %s", key).ptr }, ERR_UNAUTHENTICATED },
        { { .authorization = key }, ERR_UNAUTHENTICATED },
        { { .authorization = "Bearer " }, ERR_UNAUTHENTICATED },
        { { .authorization = "Bearer sk_" }, ERR_UNAUTHENTICATED },
        { { .authorization = arena_fmt(&f->mem, "Bearer %sx", key).ptr }, ERR_UNAUTHENTICATED },
        { { .authorization = arena_fmt(&f->mem, "Bearer %.*s", 45, key).ptr },
          ERR_UNAUTHENTICATED },
        { { .authorization = "Bearer sk_no", .api_key = key }, ERR_UNAUTHENTICATED },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_request rq = cases[i].rq;
        if (ask(f, &rq, ACCESS_VIEWER) != cases[i].code)
            fail_msg("case %zu", i);
    }
}

static void an_admin_key_ends_the_trust_in_loopback(void **state)
{
    struct fixture *f = *state;
    make(f, "ann", ACCESS_ANALYST);
    struct http_request rq = { 0 };
    assert_int_equal(ask(f, &rq, ACCESS_ADMIN), ERR_NONE); /* only an admin key does */
    struct made m = make(f, "ada", ACCESS_ADMIN);
    assert_true(auth_has_admin_key(f->auth));
    assert_int_equal(ask(f, &rq, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    assert_int_equal(ask(f, &rq, ACCESS_PUBLIC), ERR_NONE);
    /* And still after a restart. */
    auth_close(f->auth);
    auth_begin(f);
    assert_int_equal(ask(f, &rq, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    struct http_request ada = { .api_key = arena_cstr(&f->mem, m.key) };
    assert_int_equal(ask(f, &ada, ACCESS_ADMIN), ERR_NONE);
}

static void a_revoked_key_is_dead_at_once(void **state)
{
    struct fixture *f = *state;
    make(f, "ada", ACCESS_ADMIN);
    struct made m = make(f, "eve", ACCESS_ADMIN);
    struct http_request rq = { .api_key = arena_cstr(&f->mem, m.key) };
    assert_int_equal(ask(f, &rq, ACCESS_ADMIN), ERR_NONE);
    must(auth_key_revoke(f->auth, STR("ada"), m.id));
    assert_int_equal(ask(f, &rq, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    assert_int_equal(auth_key_revoke(f->auth, STR("ada"), m.id).code, ERR_NOT_FOUND);
    assert_int_equal(auth_key_revoke(f->auth, STR("ada"), STR("ghost")).code, ERR_NOT_FOUND);
    struct auth_key_info *infos = NULL;
    size_t count = 0;
    must(auth_key_list(f->auth, &f->mem, &infos, &count));
    assert_int_equal(count, 2);
    size_t eve = str_eq(infos[0].id, m.id) ? 0 : 1;
    assert_true(infos[eve].revoked_ms > 0 && infos[1 - eve].revoked_ms == 0);
    assert_true(str_eq(infos[eve].username, STR("eve")) && str_eq(infos[eve].note, STR("a note")));
    assert_int_equal(infos[eve].role, ACCESS_ADMIN);
}

static void bad_keys_are_not_made(void **state)
{
    struct fixture *f = *state;
    char *big = arena_alloc(&f->mem, 300, 1, 1);
    assert_non_null(big);
    memset(big, 'x', 300);
    const struct {
        str user;
        enum access role;
        str note;
        enum err_code code;
    } cases[] = {
        { STR(""), ACCESS_ADMIN, STR(""), ERR_INVALID },
        { STR(" ada"), ACCESS_ADMIN, STR(""), ERR_INVALID },
        { STR("a\nda"), ACCESS_ADMIN, STR(""), ERR_INVALID },
        { STR("a\xff"), ACCESS_ADMIN, STR(""), ERR_INVALID },
        { str_from(big, AUTH_NAME_MAX + 1), ACCESS_ADMIN, STR(""), ERR_INVALID },
        { STR("ada"), ACCESS_PUBLIC, STR(""), ERR_INVALID },
        { STR("ada"), ACCESS_UNSET, STR(""), ERR_INVALID },
        { STR("ada"), ACCESS_ADMIN, str_from(big, 201), ERR_TOO_BIG },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str id = STR_NONE, key = STR_NONE;
        err e = auth_key_create(
            f->auth, STR(""),
            &(struct auth_key_spec){ cases[i].user, cases[i].note, cases[i].role, 0 }, &f->mem, &id,
            &key);
        if (e.code != cases[i].code)
            fail_msg("case %zu: %s", i, e.msg);
        assert_null(key.ptr);
    }
    str id, key;
    must(auth_key_create(
        f->auth, STR(""),
        &(struct auth_key_spec){ str_from(big, AUTH_NAME_MAX), STR(""), ACCESS_VIEWER, 0 }, &f->mem,
        &id, &key));
    assert_false(auth_has_admin_key(f->auth));
}

static void the_number_of_keys_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct made last = { STR_NONE, STR_NONE };
    for (int i = 0; i < AUTH_KEYS_MAX; i++)
        last = make(f, "many", ACCESS_VIEWER);
    str id, key;
    err e = auth_key_create(f->auth, STR(""),
                            &(struct auth_key_spec){ STR("more"), STR(""), ACCESS_VIEWER, 0 },
                            &f->mem, &id, &key);
    assert_int_equal(e.code, ERR_TOO_BIG);
    struct http_request rq = { .api_key = arena_cstr(&f->mem, last.key) };
    assert_int_equal(ask(f, &rq, ACCESS_VIEWER), ERR_NONE); /* the last of them works too */
    must(auth_key_revoke(f->auth, STR(""), last.id));
    make(f, "more", ACCESS_VIEWER);
}

static void use_is_noted(void **state)
{
    struct fixture *f = *state;
    struct made m = make(f, "ada", ACCESS_VIEWER);
    struct http_request rq = { .api_key = arena_cstr(&f->mem, m.key) };
    int64_t before_ms = clock_wall_ms();
    assert_int_equal(ask(f, &rq, ACCESS_VIEWER), ERR_NONE);
    /* It is written behind our back, a moment later. */
    struct auth_key_info *infos = NULL;
    size_t count = 0;
    for (int i = 0; i < 1000 && !(infos && infos[0].last_used_ms >= before_ms); i++) {
        clock_sleep_ms(i ? 5 : 0);
        must(auth_key_list(f->auth, &f->mem, &infos, &count));
    }
    assert_true(infos[0].last_used_ms >= before_ms);
}

/* Readings of the store may overlap; an old one that ends late must not bring a revoked key back.
 */
static void an_old_reading_does_not_undo_a_newer_one(void **state)
{
    (void)state;
    struct key_table *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    key_table_init(t);
    struct auth_key key = { .role = ACCESS_ADMIN, .hash = { 7 } }, found;
    bool is_due = false;
    uint64_t old = key_table_ticket(t), new = key_table_ticket(t);
    key_table_set(t, new, NULL, 0);
    key_table_set(t, old, &key, 1);
    assert_false(key_table_find(t, key.hash, 0, &found, &is_due));
    assert_false(key_table_has_admin(t));
    key_table_set(t, key_table_ticket(t), &key, 1);
    assert_true(key_table_find(t, key.hash, 0, &found, &is_due));
    assert_true(key_table_has_admin(t));
    /* Its use is due once a minute. */
    assert_true(key_table_find(t, key.hash, 100000, &found, &is_due) && is_due);
    assert_true(key_table_find(t, key.hash, 159999, &found, &is_due) && !is_due);
    assert_true(key_table_find(t, key.hash, 160000, &found, &is_due) && is_due);
    key_table_deinit(t);
    free(t);
}

/* ------------------------------------------------------------------ audit, metrics, names */

static void changes_of_keys_are_audited(void **state)
{
    struct fixture *f = *state;
    struct made m = make(f, "ada", ACCESS_ADMIN);
    must(auth_key_revoke(f->auth, STR("eve"), m.id));
    must(auth_audit(f->auth, STR("ada"), STR("model.promote"), STR("net@3"),
                    STR("{\"alias\":\"prod\"}")));
    struct auth_audit_row *rows = NULL;
    size_t count = 0;
    must(auth_audit_list(f->auth, STR_NONE, STR_NONE, 0, 0, &f->mem, &rows, &count));
    assert_int_equal(count, 3);
    assert_true(str_eq(rows[0].action, STR("model.promote")) &&
                str_eq(rows[0].subject, STR("net@3")));
    assert_true(str_eq(rows[0].detail, STR("{\"alias\":\"prod\"}")) && rows[0].at_ms > 0);
    assert_true(str_eq(rows[1].action, STR("auth.key_revoked")) &&
                str_eq(rows[1].username, STR("eve")));
    assert_true(str_eq(rows[1].subject, m.id));
    assert_true(str_eq(rows[2].action, STR("auth.key_created")) &&
                str_eq(rows[2].username, STR("owner")));
    assert_true(str_eq(rows[2].detail, STR("{\"username\":\"ada\",\"role\":\"admin\"}")));
    must(auth_audit_list(f->auth, STR_NONE, STR("auth."), 0, 0, &f->mem, &rows, &count));
    assert_int_equal(count, 2);
    must(auth_audit_list(f->auth, STR("ada"), STR_NONE, 0, 0, &f->mem, &rows, &count));
    assert_int_equal(count, 1);
    must(auth_audit_list(f->auth, STR_NONE, STR_NONE, 1, 2, &f->mem, &rows, &count));
    assert_int_equal(count, 1);
    assert_true(str_eq(rows[0].action, STR("auth.key_created")));
    /* A refused change leaves no row, and rows have a shape. */
    assert_int_equal(auth_key_revoke(f->auth, STR("eve"), STR("ghost")).code, ERR_NOT_FOUND);
    assert_int_equal(auth_audit(f->auth, STR("ada"), STR(""), STR("x"), STR_NONE).code,
                     ERR_INVALID);
    must(auth_audit_list(f->auth, STR_NONE, STR_NONE, 0, 0, &f->mem, &rows, &count));
    assert_int_equal(count, 3);
}

static double decisions(struct fixture *f, const char *result)
{
    return metric_value(METRIC_CELL(f->metrics, &auth_metrics[0], str_of(result)));
}

static void decisions_are_counted(void **state)
{
    struct fixture *f = *state;
    struct http_request here = { 0 }, there = { .is_remote = true }, liar = { .api_key = "no" };
    (void)ask(f, &here, ACCESS_ADMIN);
    (void)ask(f, &there, ACCESS_ADMIN);
    (void)ask(f, &there, ACCESS_PUBLIC);
    (void)ask(f, &liar, ACCESS_ADMIN);
    struct made m = make(f, "vic", ACCESS_VIEWER);
    struct http_request vic = { .api_key = arena_cstr(&f->mem, m.key) };
    (void)ask(f, &vic, ACCESS_VIEWER);
    (void)ask(f, &vic, ACCESS_ADMIN);
    const char *const results[] = { "trusted", "no_key", "public", "bad_key", "key", "denied" };
    for (size_t i = 0; i < COUNT_OF(results); i++)
        assert_float_equal(decisions(f, results[i]), 1, 0);
}

static void names_of_access_levels(void **state)
{
    (void)state;
    for (int i = ACCESS_PUBLIC; i <= ACCESS_ADMIN; i++) {
        enum access back = ACCESS_UNSET;
        must(access_parse(str_of(access_name((enum access)i)), &back));
        assert_int_equal(back, i);
    }
    enum access kept = ACCESS_VIEWER;
    assert_int_equal(access_parse(STR("root"), &kept).code, ERR_INVALID);
    assert_int_equal(access_parse(STR("unset"), &kept).code, ERR_INVALID);
    assert_int_equal(access_parse(STR("Admin"), &kept).code, ERR_INVALID);
    assert_int_equal(kept, ACCESS_VIEWER);
    assert_string_equal(access_name((enum access)99), "unset");
}

static void a_default_user_must_be_a_name(void **state)
{
    struct fixture *f = *state;
    struct auth *a = NULL;
    err e = auth_open(&(struct auth_options){ .store = f->store, .default_user = "" }, &a);
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(a);
    auth_close(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ------------------------------------------------------------------ expiry, other processes */

static err expire_all(struct store_tx *tx, void *arg)
{
    (void)arg;
    return store_exec(tx, "UPDATE auth_keys SET expires_ms = 1", NO_ARGS, NULL);
}

static void a_key_expires(void **state)
{
    struct fixture *f = *state;
    struct made m;
    struct auth_key_spec spec = { STR("ada"), STR(""), ACCESS_ADMIN, clock_wall_ms() + 3600000 };
    must(auth_key_create(f->auth, STR("owner"), &spec, &f->mem, &m.id, &m.key));
    struct http_request rq = { .authorization = bearer(f, m.key) }, plain = { 0 };
    assert_int_equal(ask(f, &rq, ACCESS_ADMIN), ERR_NONE);
    must(store_write(f->store, expire_all, NULL));
    must(auth_keys_load(f->auth));
    err e = auth_authorise(f->auth, &rq, ACCESS_VIEWER);
    assert_int_equal(e.code, ERR_UNAUTHENTICATED);
    assert_non_null(strstr(e.msg, "expired at 1970-"));
    /* Time alone makes nobody an admin again. */
    assert_int_equal(ask(f, &plain, ACCESS_VIEWER), ERR_UNAUTHENTICATED);
    assert_true(auth_has_admin_key(f->auth));

    struct auth_user_info user;
    must(auth_user_get(f->auth, STR("ada"), &f->mem, &user));
    assert_int_equal(user.key_count, 0);
    struct auth_key_info *infos;
    size_t count;
    must(auth_key_list(f->auth, &f->mem, &infos, &count));
    assert_int_equal(infos[0].expires_ms, 1);
    spec.expires_ms = 5; /* the past */
    assert_int_equal(auth_key_create(f->auth, STR(""), &spec, &f->mem, &m.id, &m.key).code,
                     ERR_INVALID);
}

/* Two of them on one store, as a server and a verb are. */
static void another_process_changes_keys(void **state)
{
    struct fixture *f = *state;
    char news[128];
    snprintf(news, sizeof news, "%s/keys.changed", f->folder);
    struct auth_options options = { .store = f->store, .default_user = "x", .news_path = news };
    struct auth *server, *verb;
    struct made m, second;
    must(auth_open(&options, &server));
    must(auth_open(&options, &verb));
    struct auth_key_spec spec = { STR("ada"), STR(""), ACCESS_ADMIN, 0 };
    must(auth_key_create(verb, STR(""), &spec, &f->mem, &m.id, &m.key));
    must(auth_key_create(verb, STR(""), &spec, &f->mem, &second.id, &second.key));
    struct http_request rq = { .authorization = bearer(f, m.key) }, plain = { 0 };
    assert_int_equal(auth_authorise(server, &plain, ACCESS_VIEWER).code, ERR_UNAUTHENTICATED);
    assert_int_equal(auth_authorise(server, &rq, ACCESS_ADMIN).code, ERR_NONE);
    must(auth_key_revoke(verb, STR(""), m.id));
    assert_int_equal(auth_authorise(server, &rq, ACCESS_VIEWER).code, ERR_UNAUTHENTICATED);
    rq.authorization = bearer(f, second.key);
    assert_int_equal(auth_authorise(server, &rq, ACCESS_ADMIN).code, ERR_NONE);
    must(auth_user_set_role(server, STR(""), STR("ada"), ACCESS_ADMIN));
    assert_int_equal(auth_authorise(verb, &rq, ACCESS_ADMIN).code, ERR_NONE);
    auth_close(verb);
    auth_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(alone_on_the_machine_one_needs_no_login),
        T(nobody_else_is_trusted),
        T(a_route_that_forgot_to_say_is_closed),
        T(listening_to_the_world_needs_an_admin_key),
        T(a_key_is_long_random_and_not_stored),
        T(a_role_reaches_so_far),
        T(keys_come_in_two_headers),
        T(an_admin_key_ends_the_trust_in_loopback),
        T(a_revoked_key_is_dead_at_once),
        T(a_key_expires),
        T(another_process_changes_keys),
        T(bad_keys_are_not_made),
        T(the_number_of_keys_is_bounded),
        T(use_is_noted),
        cmocka_unit_test(an_old_reading_does_not_undo_a_newer_one),
        T(changes_of_keys_are_audited),
        T(decisions_are_counted),
        cmocka_unit_test(names_of_access_levels),
        T(a_default_user_must_be_a_name),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
