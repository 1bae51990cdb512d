/* SPDX-License-Identifier: GPL-3.0-or-later */
/* users.c -- users: whoever was given a key, and the default user, who needs none. A user's role is
 * that of his strongest working key. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "platform/auth/auth_internal.h"

err auth_user_note_tx(struct store_tx *tx, str username)
{
    return store_exec(tx,
                      "INSERT INTO auth_users (username, created_ms) VALUES (?1, ?2) "
                      "ON CONFLICT (username) DO NOTHING",
                      ARGS(sql_text(username), sql_int(clock_wall_ms())), NULL);
}

static err note_write(struct store_tx *tx, void *arg)
{
    return auth_user_note_tx(tx, str_of(arg));
}

err auth_user_note_default(struct auth *a)
{
    return store_write(a->store, note_write, a->default_user);
}

/* ------------------------------------------------------------------ reading */

enum { USER_LIST_MAX = 1000 };

/* A key that works at ?3. */
#define WORKS "k.revoked_ms IS NULL AND (k.expires_ms IS NULL OR k.expires_ms > ?3)"

struct users_read {
    struct auth *auth;
    str username; /* empty: all */
    arena *keep;
    struct auth_user_info *infos; /* USER_LIST_MAX, or 1 */
    size_t count;
};

static err users_query(struct store_read *rd, void *arg)
{
    struct users_read *u = arg;
    struct store_rows *rows;
    size_t most = u->username.len ? 1 : USER_LIST_MAX;
    err e = OK;
    u->count = 0;
    u->infos = NEW_ARRAY(u->keep, struct auth_user_info, most);
    ARENA_TRY(u->infos);
    TRY(store_query(
        rd,
        "SELECT u.username, u.created_ms, "
        "(SELECT count(*) FROM auth_keys k WHERE k.username = u.username AND " WORKS "),"
        "(SELECT max(CASE k.role WHEN 'admin' THEN 3 WHEN 'analyst' THEN 2 ELSE 1 END) "
        " FROM auth_keys k WHERE k.username = u.username AND " WORKS ") "
        "FROM auth_users u WHERE ?1 IS NULL OR u.username = ?1 ORDER BY u.created_ms, u.username "
        "LIMIT ?2",
        ARGS(sql_text_opt(u->username), sql_int((int64_t)most), sql_int(clock_wall_ms())), &rows));
    while (u->count < most && store_next(rows)) {
        struct auth_user_info *info = &u->infos[u->count++];
        int64_t rank = store_col_int(rows, 3);
        info->username = store_col_text_keep(rows, 0, u->keep);
        info->created_ms = store_col_int(rows, 1);
        info->key_count = store_col_int(rows, 2);
        info->role = rank == 3   ? ACCESS_ADMIN
                     : rank == 2 ? ACCESS_ANALYST
                     : rank == 1 ? ACCESS_VIEWER
                                 : ACCESS_PUBLIC;
        if (str_eq(info->username, str_of(u->auth->default_user)) && !auth_has_admin_key(u->auth))
            info->role = ACCESS_ADMIN; /* trusted on this machine */
    }
    e = arena_check(u->keep);
    return err_first(e, store_rows_close(rows));
}

err auth_user_list(struct auth *a, arena *keep, struct auth_user_info **ret_infos,
                   size_t *ret_count)
{
    struct users_read u = { .auth = a, .keep = keep };
    TRY(store_read(a->store, users_query, &u));
    *ret_infos = u.infos;
    *ret_count = u.count;
    return OK;
}

err auth_user_get(struct auth *a, str username, arena *keep, struct auth_user_info *ret_info)
{
    struct users_read u = { .auth = a, .username = username, .keep = keep };
    if (username.len)
        TRY(store_read(a->store, users_query, &u));
    if (!u.count)
        return ERR(ERR_NOT_FOUND, "there is no user '%.*s'; GET /v1/admin/users lists them",
                   STR_ARG(str_sub(username, 0, AUTH_NAME_MAX)));
    *ret_info = u.infos[0];
    return OK;
}

/* ------------------------------------------------------------------ changing a role */

struct role_tx {
    str actor, username;
    enum access role;
};

static err count_admin_keys(struct store_tx *tx, int64_t *ret_count)
{
    return store_get_int(
        store_tx_read(tx),
        "SELECT count(*) FROM auth_keys WHERE role = 'admin' AND revoked_ms IS NULL "
        "AND (expires_ms IS NULL OR expires_ms > ?1)",
        ARGS(sql_int(clock_wall_ms())), ret_count);
}

static err role_audit(struct store_tx *tx, const struct role_tx *r)
{
    struct buf detail;
    struct json_out w;
    buf_init(&detail, 1024);
    json_out_init(&w, &detail);
    json_object_begin(&w);
    json_kv_cstr(&w, "role", access_name(r->role));
    json_object_end(&w);
    err e = buf_check(&detail);
    if (!e.code)
        e = auth_audit_tx(tx, r->actor, STR("auth.role_changed"), r->username, buf_str(&detail));
    buf_deinit(&detail);
    return e;
}

/* Without an admin key everybody on this machine is admin again: that is no way to lose a role. */
static err role_write(struct store_tx *tx, void *arg)
{
    struct role_tx *r = arg;
    int64_t before = 0, after = 0, changed = 0;
    TRY(count_admin_keys(tx, &before));
    TRY(store_exec(tx, "UPDATE auth_keys SET role = ?2 WHERE username = ?1 AND revoked_ms IS NULL",
                   ARGS(sql_text(r->username), sql_cstr(access_name(r->role))), &changed));
    TRY(count_admin_keys(tx, &after));
    if (!changed)
        return ERR(ERR_NOT_FOUND,
                   "user '%.*s' has no key whose role could be changed: POST /v1/keys makes one",
                   STR_ARG(str_sub(r->username, 0, AUTH_NAME_MAX)));
    if (before && !after)
        return ERR(ERR_CONFLICT,
                   "'%.*s' has the last admin key: make another admin before this one is none",
                   STR_ARG(str_sub(r->username, 0, AUTH_NAME_MAX)));
    TRY(store_notify(tx, AUTH_TOPIC));
    return role_audit(tx, r);
}

err auth_user_set_role(struct auth *a, str actor, str username, enum access role)
{
    struct role_tx r = { actor, username, role };
    if (role < ACCESS_VIEWER || role > ACCESS_ADMIN)
        return ERR(ERR_INVALID, "a role must be viewer, analyst or admin, not %s",
                   access_name(role));
    TRY(store_write(a->store, role_write, &r));
    auth_news_tell(a);
    return auth_keys_load(a);
}
