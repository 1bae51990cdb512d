/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auth_internal.h -- what the files of this room share. */
#ifndef SKERRY_AUTH_INTERNAL_H
#define SKERRY_AUTH_INTERNAL_H

#include <stdatomic.h>

#include "platform/auth/auth.h"
#include "platform/auth/key_table.h"

enum { AUTH_NOTE_MAX = 200, AUTH_ACTION_MAX = 64, AUTH_DETAIL_MAX = 16 * 1024 };

struct auth {
    struct store *store;
    struct log *log;         /* may be NULL */
    struct metrics *metrics; /* may be NULL */
    char default_user[AUTH_NAME_MAX + 1];
    struct key_table table;
    char *news_path;            /* NULL: none */
    _Atomic uint64_t news_seen; /* the state of that file when the table was read */
    atomic_bool is_stale;       /* another process changed a key: the table is read again */
};

/* What is said through the store when a key was made or revoked, or its role changed. */
#define AUTH_TOPIC "auth.keys"

/* news.c: which state the file is in, 0 for none; writes it anew, best effort. */
uint64_t auth_news_state(const struct auth *a);
void auth_news_tell(struct auth *a);

/* Reads the keys that are not revoked into the table. */
MUST_USE err auth_keys_load(struct auth *a);
/* Remembers since when there is such a user; the first time counts. */
MUST_USE err auth_user_note_tx(struct store_tx *tx, str username);
MUST_USE err auth_user_note_default(struct auth *a);
/* ERR_INVALID unless it is 1..AUTH_NAME_MAX bytes of printable text without spaces at its ends. */
MUST_USE err auth_name_check(const char *what, str name);

#endif
