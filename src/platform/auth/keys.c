/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keys.c -- API keys: made, listed, revoked. The store keeps only their SHA-256.
 *
 * A key is 256 random bits, so a plain hash is enough: there is nothing to guess, unlike a
 * password. Rows are never deleted; a revoked key keeps its history.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "platform/auth/auth_internal.h"

enum { KEY_RANDOM_BYTES = 32, KEY_TEXT_BYTES = 43 };

err auth_name_check(const char *what, str name)
{
    bool ok = name.len > 0 && name.len <= AUTH_NAME_MAX && str_trim(name).len == name.len &&
              str_utf8_valid_len(name) == name.len;
    for (size_t i = 0; ok && i < name.len; i++)
        ok = (unsigned char)name.ptr[i] >= 0x20 && name.ptr[i] != 0x7f;
    return ok ? OK
              : ERR(ERR_INVALID, "the %s must be 1 to %d bytes of text without control characters",
                    what, AUTH_NAME_MAX);
}

/* Base64 for URLs (RFC 4648, section 5) without padding: 32 bytes become 43 characters. */
static void key_text(const uint8_t random[KEY_RANDOM_BYTES], char out[AUTH_KEY_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = 0;
    out[len++] = 's';
    out[len++] = 'k';
    out[len++] = '_';
    uint32_t bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < KEY_RANDOM_BYTES; i++) {
        bits = bits << 8 | random[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6)
            out[len++] = digits[bits >> (bit_count - 6) & 63];
    }
    out[len++] = digits[bits << (6 - bit_count) & 63];
    out[len] = 0;
}

/* ------------------------------------------------------------------ loading */

struct load_read {
    struct auth_key *keys; /* AUTH_KEYS_MAX */
    size_t count;
};

static err key_row_read(struct store_rows *rows, struct auth_key *ret_key)
{
    struct auth_key key = { .last_used_ms = store_col_int(rows, 4),
                            .expires_ms = store_col_int(rows, 5) };
    snprintf(key.id, sizeof(key.id), "%.*s", STR_ARG(store_col_text(rows, 0)));
    snprintf(key.username, sizeof(key.username), "%.*s", STR_ARG(store_col_text(rows, 1)));
    TRY(access_parse(store_col_text(rows, 2), &key.role));
    str hash = store_col_blob(rows, 3);
    if (hash.len != SHA256_BYTES)
        return ERR(ERR_CORRUPT, "the hash of API key %s has %zu bytes instead of %d", key.id,
                   hash.len, SHA256_BYTES);
    memcpy(key.hash, hash.ptr, SHA256_BYTES);
    *ret_key = key;
    return OK;
}

static err load_query(struct store_read *rd, void *arg)
{
    struct load_read *l = arg;
    l->count = 0;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT id, username, role, hash, last_used_ms, expires_ms FROM auth_keys "
                    "WHERE revoked_ms IS NULL ORDER BY created_ms LIMIT ?1",
                    ARGS(sql_int(AUTH_KEYS_MAX)), &rows));
    err e = OK;
    while (!e.code && l->count < AUTH_KEYS_MAX && store_next(rows)) {
        e = key_row_read(rows, &l->keys[l->count]);
        if (!e.code)
            l->count++;
    }
    return err_first(e, store_rows_close(rows));
}

err auth_keys_load(struct auth *a)
{
    struct load_read l = { .keys = calloc(AUTH_KEYS_MAX, sizeof(struct auth_key)) };
    if (!l.keys)
        return ERR(ERR_NO_MEMORY, "no memory for the table of API keys");
    uint64_t ticket = key_table_ticket(&a->table), news = auth_news_state(a);
    err e = store_read(a->store, load_query, &l);
    if (!e.code)
        key_table_set(&a->table, ticket, l.keys, l.count);
    if (!e.code)
        atomic_store(&a->news_seen, news);
    free(l.keys);
    return e.code ? err_wrap(e, "reading the API keys") : OK;
}

/* ------------------------------------------------------------------ making */

struct create_tx {
    str actor;
    struct auth_key_spec spec;
    char id[UUID_BYTES];
    uint8_t hash[SHA256_BYTES];
};

static err key_audit(struct store_tx *tx, str actor, const char *action, const char *id,
                     str username, enum access role)
{
    struct buf detail;
    struct json_out w;
    buf_init(&detail, 1024);
    json_out_init(&w, &detail);
    json_object_begin(&w);
    json_kv_str(&w, "username", username);
    json_kv_cstr(&w, "role", access_name(role));
    json_object_end(&w);
    err e = buf_check(&detail);
    if (!e.code)
        e = auth_audit_tx(tx, actor, str_of(action), str_of(id), buf_str(&detail));
    buf_deinit(&detail);
    return e;
}

static err create_write(struct store_tx *tx, void *arg)
{
    struct create_tx *c = arg;
    const struct auth_key_spec *s = &c->spec;
    int64_t active = 0;
    TRY(store_get_int(store_tx_read(tx), "SELECT count(*) FROM auth_keys WHERE revoked_ms IS NULL",
                      NO_ARGS, &active));
    if (active >= AUTH_KEYS_MAX)
        return ERR(ERR_TOO_BIG, "there are %d API keys already: revoke those that nobody uses",
                   AUTH_KEYS_MAX);
    TRY(store_exec(
        tx,
        "INSERT INTO auth_keys (id, username, role, note, hash, created_ms, last_used_ms, "
        "expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
        ARGS(sql_cstr(c->id), sql_text(s->username), sql_cstr(access_name(s->role)),
             sql_text(s->note.len ? s->note : STR("")), sql_blob(str_from(c->hash, SHA256_BYTES)),
             sql_int(clock_wall_ms()), s->expires_ms ? sql_int(s->expires_ms) : sql_null()),
        NULL));
    TRY(auth_user_note_tx(tx, s->username));
    TRY(store_notify(tx, AUTH_TOPIC));
    return key_audit(tx, c->actor, "auth.key_created", c->id, s->username, s->role);
}

err auth_key_create(struct auth *a, str actor, const struct auth_key_spec *spec, arena *keep,
                    str *ret_id, str *ret_key)
{
    TRY(auth_name_check("user name", spec->username));
    if (spec->role < ACCESS_VIEWER || spec->role > ACCESS_ADMIN)
        return ERR(ERR_INVALID, "the role of a key must be viewer, analyst or admin, not %s",
                   access_name(spec->role));
    if (spec->note.len > AUTH_NOTE_MAX)
        return ERR(ERR_TOO_BIG, "the note of a key has %zu bytes; at most %d are possible",
                   spec->note.len, AUTH_NOTE_MAX);
    if (spec->expires_ms && spec->expires_ms <= clock_wall_ms())
        return ERR(ERR_INVALID, "a key must expire in the future, or never");
    uint8_t random[KEY_RANDOM_BYTES];
    char text[AUTH_KEY_BYTES];
    rand_bytes(random, sizeof(random));
    key_text(random, text);
    struct create_tx c = { .actor = actor, .spec = *spec };
    rand_uuid(c.id);
    sha256_of(str_of(text), c.hash);
    /* First the copies for the caller: a key that is stored but cannot be shown is of no use. */
    str id = arena_str(keep, str_of(c.id)), key = arena_str(keep, str_of(text));
    explicit_bzero(random, sizeof(random));
    explicit_bzero(text, sizeof(text));
    ARENA_TRY(id.ptr && key.ptr);
    err e = store_write(a->store, create_write, &c);
    if (e.code)
        return err_wrap(e, "creating an API key");
    auth_news_tell(a);
    TRY(auth_keys_load(a));
    *ret_id = id;
    *ret_key = key;
    return OK;
}

/* ------------------------------------------------------------------ revoking */

struct revoke_tx {
    str actor, id;
};

static err revoke_write(struct store_tx *tx, void *arg)
{
    struct revoke_tx *r = arg;
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "UPDATE auth_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL "
                    "RETURNING id, username, role, hash, last_used_ms, expires_ms",
                    ARGS(sql_text(r->id), sql_int(clock_wall_ms())), &rows));
    struct auth_key key;
    bool found = store_next(rows);
    err e = found ? key_row_read(rows, &key) : OK;
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        return e;
    if (!found)
        return ERR(ERR_NOT_FOUND, "there is no API key '%.*s' that could be revoked",
                   STR_ARG(r->id));
    TRY(store_notify(tx, AUTH_TOPIC));
    return key_audit(tx, r->actor, "auth.key_revoked", key.id, str_of(key.username), key.role);
}

err auth_key_revoke(struct auth *a, str actor, str id)
{
    struct revoke_tx r = { actor, id };
    TRY(store_write(a->store, revoke_write, &r));
    auth_news_tell(a);
    return auth_keys_load(a);
}

/* ------------------------------------------------------------------ listing */

enum { KEY_LIST_MAX = 1000 };

struct list_read {
    arena *keep;
    struct auth_key_info *infos;
    size_t count;
};

static err list_query(struct store_read *rd, void *arg)
{
    struct list_read *l = arg;
    l->count = 0;
    l->infos = NEW_ARRAY(l->keep, struct auth_key_info, KEY_LIST_MAX);
    ARENA_TRY(l->infos);
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT id, username, note, role, created_ms, last_used_ms, revoked_ms, "
                    "expires_ms "
                    "FROM auth_keys ORDER BY created_ms DESC, id DESC LIMIT ?1",
                    ARGS(sql_int(KEY_LIST_MAX)), &rows));
    err e = OK;
    while (!e.code && l->count < KEY_LIST_MAX && store_next(rows)) {
        struct auth_key_info *info = &l->infos[l->count++];
        info->id = store_col_text_keep(rows, 0, l->keep);
        info->username = store_col_text_keep(rows, 1, l->keep);
        info->note = store_col_text_keep(rows, 2, l->keep);
        e = access_parse(store_col_text(rows, 3), &info->role);
        info->created_ms = store_col_int(rows, 4);
        info->last_used_ms = store_col_int(rows, 5);
        info->revoked_ms = store_col_int(rows, 6);
        info->expires_ms = store_col_int(rows, 7);
    }
    e = err_first(e, arena_check(l->keep));
    return err_first(e, store_rows_close(rows));
}

err auth_key_list(struct auth *a, arena *keep, struct auth_key_info **ret_infos, size_t *ret_count)
{
    struct list_read l = { .keep = keep };
    TRY(store_read(a->store, list_query, &l));
    *ret_infos = l.infos;
    *ret_count = l.count;
    return OK;
}
