/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auth.h -- who may do what: loopback trust, API keys, and the audit trail.
 *
 * Bound to loopback and without any key, everybody who reaches the port is the default user with
 * admin access (one person, one machine). As soon as an admin key exists, every non-public route
 * needs "Authorization: Bearer <key>" (or Basic with the key as password, or X-Api-Key). Keys are
 * random, shown once, stored as SHA-256; roles viewer, analyst, admin; they can be revoked, and may
 * expire. An admin key that expired does not bring the trust back. Binding to another address
 * without an admin key is refused at start.
 */
#ifndef SKERRY_AUTH_H
#define SKERRY_AUTH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "platform/http/http.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"

struct auth;

struct auth_options {
    struct store *store;
    const char *default_user; /* "M3NG00S3" */
    /* A file of this data folder that is written anew whenever a process changes keys, and looked
     * at with each key that is sent: another process's change counts at once. NULL: none. */
    const char *news_path;
    struct log *log;         /* may be NULL */
    struct metrics *metrics; /* auth_metrics must be registered there; may be NULL */
};
/* Registered by the owner of options.metrics, before auth_open. */
extern const struct metric_family auth_metrics[];
extern const struct store_migration auth_migrations[]; /* of the owner "auth" */

/* Migrates its tables, loads the keys. */
MUST_USE err auth_open(const struct auth_options *options, struct auth **ret_auth);
void auth_close(struct auth *a);

/* For http_hooks.authorise: memory only, does not block. */
MUST_USE err auth_authorise(struct auth *a, struct http_request *rq, enum access needed);

/* Reads the keys again, in case that the wake-up of another process's change was lost. Blocks. */
MUST_USE err auth_follow(struct auth *a);

bool auth_has_admin_key(struct auth *a);
/* ERR_DENIED, with what to do, when `address` is not loopback and no admin key exists. */
MUST_USE err auth_check_bind(struct auth *a, const char *address);

enum { AUTH_KEY_BYTES = 64 };
struct auth_key_spec {
    str username, note;
    enum access role;
    int64_t expires_ms; /* 0: never */
};
/* The key is returned once, like "sk_" + 43 characters. `actor` is who asks, for the audit row that
 * is written in the same transaction. */
MUST_USE err auth_key_create(struct auth *a, str actor, const struct auth_key_spec *spec,
                             arena *keep, str *ret_id, str *ret_key);
MUST_USE err auth_key_revoke(struct auth *a, str actor, str id);
struct auth_key_info {
    str id, username, note;
    enum access role;
    int64_t created_ms, last_used_ms, revoked_ms, expires_ms; /* 0: not, never */
};
MUST_USE err auth_key_list(struct auth *a, arena *keep, struct auth_key_info **ret_infos,
                           size_t *ret_count);

/* Whoever was given a key, and the default user. */
struct auth_user_info {
    str username;
    enum access role; /* of the strongest working key; ACCESS_PUBLIC: there is none */
    int64_t created_ms, key_count;
};
MUST_USE err auth_user_list(struct auth *a, arena *keep, struct auth_user_info **ret_infos,
                            size_t *ret_count);
MUST_USE err auth_user_get(struct auth *a, str username, arena *keep,
                           struct auth_user_info *ret_info);
/* Gives all working keys of a user this role. ERR_NOT_FOUND when he has none, ERR_CONFLICT when no
 * admin key would be left. */
MUST_USE err auth_user_set_role(struct auth *a, str actor, str username, enum access role);

/* One row per mutation, written with the mutation's own transaction or alone. */
MUST_USE err auth_audit(struct auth *a, str username, str action, str subject, str detail_json);
MUST_USE err auth_audit_tx(struct store_tx *tx, str username, str action, str subject,
                           str detail_json);
struct auth_audit_row {
    int64_t at_ms;
    str username, action, subject, detail;
};
/* Newest first. Empty username or action prefix: any. */
MUST_USE err auth_audit_list(struct auth *a, str username, str action_prefix, int64_t limit,
                             int64_t offset, arena *keep, struct auth_audit_row **ret_rows,
                             size_t *ret_count);

const char *access_name(enum access access);                  /* "viewer" */
MUST_USE err access_parse(str text, enum access *ret_access); /* viewer, analyst, admin, public */

#endif
