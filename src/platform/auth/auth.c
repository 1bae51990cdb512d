/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auth.c -- opening and closing; the tables of this room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/auth/auth_internal.h"

const struct store_migration auth_migrations[] = {
    { 1, "CREATE TABLE auth_keys ("
         "  id           @text NOT NULL PRIMARY KEY,"
         "  username     @text NOT NULL,"
         "  role         @text NOT NULL CHECK (role IN ('viewer','analyst','admin')),"
         "  note         @text NOT NULL,"
         "  hash         @blob NOT NULL UNIQUE," /* SHA-256 of the whole key as shown */
         "  created_ms   @int NOT NULL,"
         "  last_used_ms @int NOT NULL," /* within a minute; 0: never */
         "  revoked_ms   @int"           /* NULL: it works */
         ") @strict;"
         "CREATE TABLE auth_audit ("
         "  audit_no @id,"
         "  at_ms    @int NOT NULL,"
         "  username @text NOT NULL," /* who did it; empty: the program itself */
         "  action   @text NOT NULL," /* 'model.promote' */
         "  subject  @text NOT NULL," /* id of what it was done to */
         "  detail   @text"           /* JSON */
         ") @strict;" },
    { 2, "CREATE TABLE auth_users ("
         "  username   @text NOT NULL PRIMARY KEY,"
         "  created_ms @int NOT NULL" /* his first key, or the first start as the default user */
         ") @strict;"
         "INSERT INTO auth_users (username, created_ms) "
         "SELECT username, min(created_ms) FROM auth_keys GROUP BY username;" },
    { 3, "ALTER TABLE auth_keys ADD COLUMN expires_ms @int;" }, /* NULL: never */
    { 0, NULL },
};

static void keys_changed(void *arg)
{
    atomic_store(&((struct auth *)arg)->is_stale, true);
}

err auth_open(const struct auth_options *options, struct auth **ret_auth)
{
    str user = str_of(options->default_user ? options->default_user : "admin");
    TRY(auth_name_check("default user", user));
    struct auth *a = calloc(1, sizeof(*a));
    if (!a)
        return ERR(ERR_NO_MEMORY, "no memory for the table of API keys");
    a->store = options->store;
    a->log = options->log;
    a->metrics = options->metrics;
    a->news_path = options->news_path ? strdup(options->news_path) : NULL;
    snprintf(a->default_user, sizeof(a->default_user), "%.*s", STR_ARG(user));
    key_table_init(&a->table);
    err e = store_migrate(a->store, "auth", auth_migrations);
    /* Before reading, so that no change falls in between. */
    if (!e.code && store_is_shared(a->store))
        e = store_listen(a->store, AUTH_TOPIC, keys_changed, a);
    if (!e.code)
        e = auth_user_note_default(a);
    if (!e.code)
        e = auth_keys_load(a);
    if (e.code) {
        auth_close(a);
        return e;
    }
    *ret_auth = a;
    return OK;
}

err auth_follow(struct auth *a)
{
    return auth_keys_load(a);
}

void auth_close(struct auth *a)
{
    if (!a)
        return;
    store_unlisten(a->store, a);
    key_table_deinit(&a->table);
    free(a->news_path);
    free(a);
}
