/* SPDX-License-Identifier: GPL-3.0-or-later */
/* authorise.c -- may this request come in? Memory only: it runs on the event threads.
 *
 *   a key is presented  it must be known, whatever the route, and its role must reach the access
 *   public route         yes, as nobody
 *   no admin key exists  yes, as the default user with admin access, when the client is this
 *                        machine itself: one person, one machine
 *   otherwise            no
 *
 * A reverse proxy on this machine also connects from loopback, for people who are elsewhere. Such
 * requests carry a forwarding header, and are never trusted without a key.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/auth/auth_internal.h"

enum { METRIC_REQUESTS };
enum { AUTH_BASIC_BYTES_MAX = 512 };

const struct metric_family auth_metrics[] = {
    [METRIC_REQUESTS] = { "skerry_auth_total",
                          METRIC_COUNTER,
                          "Decisions about requests: trusted, key, public, no_key, bad_key, "
                          "expired, denied.",
                          { "result" } },
    { 0 },
};

static void count(struct auth *a, const char *result)
{
    if (a->metrics)
        metric_add(METRIC_CELL(a->metrics, &auth_metrics[METRIC_REQUESTS], str_of(result)), 1);
}

/* What follows the scheme, matched without case (RFC 6750, RFC 7617); empty: another scheme. */
static str credentials_of(str header, str scheme)
{
    if (header.len <= scheme.len || !str_eq_nocase(str_sub(header, 0, scheme.len), scheme))
        return STR_NONE;
    return str_trim(str_sub(header, scheme.len, header.len - scheme.len));
}

/* The password of "Basic <base64 of user:password>": programs that know only names and passwords
 * send the key as the latter, with any name. */
static str basic_password(str sent, char room[AUTH_BASIC_BYTES_MAX])
{
    if (sent.len > AUTH_BASIC_BYTES_MAX)
        return STR_NONE;
    ptrdiff_t len = str_base64_decode(sent, room);
    str rest = len > 0 ? str_from(room, (size_t)len) : STR_NONE;
    (void)str_split(&rest, ':');
    return rest;
}

/* The key as sent, or empty. `room` is where it may lie. */
static str key_of(const struct http_request *rq, char room[AUTH_BASIC_BYTES_MAX])
{
    str header = http_header(rq, "Authorization");
    str sent = credentials_of(header, STR("Bearer "));
    if (sent.len)
        return sent;
    sent = credentials_of(header, STR("Basic "));
    if (sent.len)
        return basic_password(sent, room);
    return str_trim(http_header(rq, "X-Api-Key"));
}

static bool is_forwarded(const struct http_request *rq)
{
    static const char *const headers[] = { "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via" };
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        if (http_header(rq, headers[i]).len)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ last use */

struct use_tx {
    char id[UUID_BYTES];
    int64_t at_ms;
};

static err use_write(struct store_tx *tx, void *arg)
{
    struct use_tx *u = arg;
    return store_exec(tx, "UPDATE auth_keys SET last_used_ms = ?2 WHERE id = ?1",
                      ARGS(sql_cstr(u->id), sql_int(u->at_ms)), NULL);
}

static void use_done(void *arg, err result)
{
    (void)result; /* a missing "last used" harms nobody; the next use writes it */
    free(arg);
}

static void use_note(struct auth *a, const struct auth_key *key)
{
    struct use_tx *u = malloc(sizeof(*u));
    if (!u)
        return;
    memcpy(u->id, key->id, sizeof(u->id));
    u->at_ms = key->last_used_ms;
    err e = store_write_later(a->store, use_write, u, use_done);
    if (e.code)
        free(u);
}

/* ------------------------------------------------------------------ the decision */

static err by_key(struct auth *a, struct http_request *rq, str sent, enum access needed)
{
    uint8_t hash[SHA256_BYTES];
    sha256_of(sent, hash);
    struct auth_key key;
    bool is_use_due = false;
    int64_t now_ms = clock_wall_ms();
    if (!key_table_find(&a->table, hash, now_ms, &key, &is_use_due)) {
        count(a, "bad_key");
        return ERR(ERR_UNAUTHENTICATED,
                   "this API key is not known here, or was revoked: ask an admin "
                   "for a new one");
    }
    if (key.expires_ms && now_ms >= key.expires_ms) {
        char when[CLOCK_ISO_BYTES];
        clock_iso(key.expires_ms, when);
        count(a, "expired");
        return ERR(ERR_UNAUTHENTICATED,
                   "this API key of %s expired at %s: ask an admin for a new "
                   "one",
                   key.username, when);
    }
    if (key.role < needed) {
        count(a, "denied");
        return ERR(ERR_DENIED, "this needs %s access; the key of %s has %s access",
                   access_name(needed), key.username, access_name(key.role));
    }
    if (is_use_due)
        use_note(a, &key);
    count(a, "key");
    http_request_set_user(rq, str_of(key.username), key.role);
    return OK;
}

/* A key that was revoked elsewhere is not taken here: not even when the store cannot be asked. */
static err read_news(struct auth *a)
{
    if (auth_news_state(a) != atomic_load(&a->news_seen))
        atomic_store(&a->is_stale, true);
    if (!atomic_load(&a->is_stale) || !atomic_exchange(&a->is_stale, false))
        return OK;
    err e = auth_keys_load(a);
    if (e.code)
        atomic_store(&a->is_stale, true);
    return e;
}

err auth_authorise(struct auth *a, struct http_request *rq, enum access needed)
{
    TRY(read_news(a));
    if (needed < ACCESS_PUBLIC || needed > ACCESS_ADMIN)
        return ERR(ERR_DENIED, "this route does not say who may use it, so nobody may");
    char room[AUTH_BASIC_BYTES_MAX];
    str sent = key_of(rq, room);
    if (sent.len)
        return by_key(a, rq, sent, needed);
    bool is_this_machine = http_client_is_loopback(rq) && !is_forwarded(rq);
    if (is_this_machine && !key_table_has_admin(&a->table)) {
        count(a, "trusted");
        http_request_set_user(rq, str_of(a->default_user), ACCESS_ADMIN);
        return OK;
    }
    if (needed == ACCESS_PUBLIC) {
        count(a, "public");
        http_request_set_user(rq, STR(""), ACCESS_PUBLIC);
        return OK;
    }
    count(a, "no_key");
    return ERR(ERR_UNAUTHENTICATED,
               "this needs %s access: send 'Authorization: Bearer <key>' or "
               "'X-Api-Key: <key>'",
               access_name(needed));
}

bool auth_has_admin_key(struct auth *a)
{
    return key_table_has_admin(&a->table);
}

/* 127.0.0.0/8, ::1 and the name that always means them. */
static bool is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, address, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return str_eq_nocase(str_of(address), STR("localhost"));
}

err auth_check_bind(struct auth *a, const char *address)
{
    if (is_loopback(address) || auth_has_admin_key(a))
        return OK;
    return ERR(ERR_DENIED,
               "refusing to listen on '%s': other machines could reach it, and no admin key "
               "exists. Create one first (skerry key create NAME admin), or listen on 127.0.0.1",
               address);
}
