/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promote.c -- aliases of model versions, and the ledger of how they moved.
 *
 * The alias and its ledger row change in one transaction, so the ledger is a chain: each row of an
 * alias starts where the one before ended, however many people promote at once. Pointing an alias
 * where it points already is no change and no row: a repeated request, or the second try of a job,
 * adds nothing.
 */
#include "platform/track/track_internal.h"

#include <stdio.h>

#include "base/clock.h"

struct promote {
    str name, alias, username, reason;
    int64_t version; /* 0: remove the alias */
    /* results */
    int64_t before;
    char id[UUID_BYTES];
};

static err alias_check(str alias)
{
    TRY(track_check_name("alias", alias, TRACK_ALIAS_BYTES_MAX, ""));
    bool digits_only = true;
    for (size_t i = 0; i < alias.len; i++) {
        char c = alias.ptr[i];
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        if (!digit && !letter)
            return ERR(ERR_INVALID, "alias '%.*s' may have letters, digits, _ and - only",
                       STR_ARG(alias));
        digits_only = digits_only && (digit || (i == 0 && alias.len > 1 && (c == 'v' || c == 'V')));
    }
    if (digits_only || str_eq_nocase(alias, STR("latest")))
        return ERR(ERR_INVALID, "alias '%.*s' would be mistaken for a version: choose another",
                   STR_ARG(alias));
    return OK;
}

static err version_id(struct store_tx *tx, struct promote *p)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "SELECT id FROM model_versions WHERE name = ?1 AND version = ?2"
                    " AND stage <> 'Deleted_Internal'",
                    ARGS(sql_text(p->name), sql_int(p->version)), &rows));
    bool found = store_next(rows);
    if (found)
        snprintf(p->id, sizeof p->id, "%.*s", STR_ARG(store_col_text(rows, 0)));
    TRY(store_rows_close(rows));
    return found ? OK
                 : ERR(ERR_NOT_FOUND, "Model Version (name=%.*s, version=%lld) not found",
                       STR_ARG(p->name), (long long)p->version);
}

static err ledger_add(struct store_tx *tx, const struct promote *p)
{
    int64_t now_ms = clock_wall_ms();
    TRY(store_exec(tx, "UPDATE registered_models SET updated_ms = ?2 WHERE name = ?1",
                   ARGS(sql_text(p->name), sql_int(now_ms)), NULL));
    return store_exec(tx,
                      "INSERT INTO model_promotions (name, alias, from_version, to_version,"
                      " username, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                      ARGS(sql_text(p->name), sql_text(p->alias), sql_int(p->before),
                           sql_int(p->version), sql_text(p->username), sql_text(p->reason),
                           sql_int(now_ms)),
                      NULL);
}

static err promote_fn(struct store_tx *tx, void *arg)
{
    struct promote *p = arg;

    TRY(version_id(tx, p));
    err found = store_get_int(store_tx_read(tx),
                              "SELECT version FROM model_aliases WHERE name = ?1 AND alias = ?2",
                              ARGS(sql_text(p->name), sql_text(p->alias)), &p->before);
    if (found.code == ERR_NOT_FOUND)
        p->before = 0;
    else if (found.code)
        return found;
    if (p->before == p->version)
        return OK;
    TRY(store_exec(tx,
                   "INSERT INTO model_aliases (name, alias, version) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
                   ARGS(sql_text(p->name), sql_text(p->alias), sql_int(p->version)), NULL));
    return ledger_add(tx, p);
}

static err alias_remove_fn(struct store_tx *tx, void *arg)
{
    struct promote *p = arg;
    err found = store_get_int(store_tx_read(tx),
                              "SELECT version FROM model_aliases WHERE name = ?1 AND alias = ?2",
                              ARGS(sql_text(p->name), sql_text(p->alias)), &p->before);
    if (found.code == ERR_NOT_FOUND)
        return ERR(ERR_NOT_FOUND, "Registered model alias %.*s not found.", STR_ARG(p->alias));
    if (found.code)
        return found;
    TRY(store_exec(tx, "DELETE FROM model_aliases WHERE name = ?1 AND alias = ?2",
                   ARGS(sql_text(p->name), sql_text(p->alias)), NULL));
    return ledger_add(tx, p);
}

static void promote_told(struct track *t, const struct promote *p)
{
    bool changed = p->before != p->version;
    struct log_labels labels = { .component = STR("registry"),
                                 .model_id = str_of(p->id),
                                 .username = p->username };
    if (changed)
        metric_add(TRACK_CELL(t->metrics, TRACK_M_PROMOTIONS, p->alias), 1);
    log_event(t->log, LOG_INFO, &labels, p->version ? "model.promoted" : "model.alias_removed",
              NULL, F_STR("name", p->name), F_STR("alias", p->alias),
              F_INT("from_version", p->before), F_INT("to_version", p->version),
              F_STR("reason", p->reason), F_BOOL("changed", changed));
}

err model_promote(struct track *t, str name, int64_t version, str alias, str username, str reason)
{
    struct promote p = { .name = name,
                         .alias = alias,
                         .username = username,
                         .reason = str_sub(reason, 0, 2000),
                         .version = version };
    TRY(alias_check(alias));
    TRY(store_write(t->store, promote_fn, &p));
    promote_told(t, &p);
    return OK;
}

err model_alias_remove(struct track *t, str name, str alias, str username, str reason)
{
    struct promote p = {
        .name = name, .alias = alias, .username = username, .reason = str_sub(reason, 0, 2000)
    };
    TRY(store_write(t->store, alias_remove_fn, &p));
    promote_told(t, &p);
    return OK;
}

/* ------------------------------------------------------------------ delete */

static err delete_fn(struct store_tx *tx, void *arg)
{
    struct promote *p = arg;
    int64_t aliases = 0;

    TRY(version_id(tx, p));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM model_aliases WHERE name = ?1 AND version = ?2",
                      ARGS(sql_text(p->name), sql_int(p->version)), &aliases));
    if (aliases)
        return ERR(ERR_CONFLICT,
                   "model '%.*s' version %lld has an alias and may be serving: move the "
                   "alias first",
                   STR_ARG(p->name), (long long)p->version);
    return store_exec(tx,
                      "UPDATE model_versions SET stage = 'Deleted_Internal', blob = NULL,"
                      " source = NULL, run_link = NULL, updated_ms = ?3"
                      " WHERE name = ?1 AND version = ?2",
                      ARGS(sql_text(p->name), sql_int(p->version), sql_int(clock_wall_ms())), NULL);
}

err model_delete(struct track *t, str name, int64_t version)
{
    struct promote p = { .name = name, .version = version };
    TRY(store_write(t->store, delete_fn, &p));
    struct log_labels labels = { .component = STR("registry"), .model_id = str_of(p.id) };
    log_event(t->log, LOG_INFO, &labels, "model.deleted", NULL, F_STR("name", name),
              F_INT("version", version));
    return OK;
}

/* ------------------------------------------------------------------ the ledger */

struct ledger_read {
    str name;
    int64_t limit;
    arena *keep;
    struct promotion *rows;
    size_t count;
};

static err ledger_fn(struct store_read *rd, void *arg)
{
    struct ledger_read *l = arg;
    struct store_rows *rows;

    l->count = 0;
    l->rows = NEW_ARRAY(l->keep, struct promotion, (size_t)l->limit);
    ARENA_TRY(l->rows);
    TRY(store_query(rd,
                    "SELECT alias, username, reason, from_version, to_version, at_ms"
                    " FROM model_promotions WHERE name = ?1 ORDER BY id DESC LIMIT ?2",
                    ARGS(sql_text(l->name), sql_int(l->limit)), &rows));
    while (l->count < (size_t)l->limit && store_next(rows))
        l->rows[l->count++] = (struct promotion){
            .name = l->name,
            .alias = store_col_text_keep(rows, 0, l->keep),
            .username = store_col_text_keep(rows, 1, l->keep),
            .reason = store_col_text_keep(rows, 2, l->keep),
            .from_version = store_col_int(rows, 3),
            .to_version = store_col_int(rows, 4),
            .at_ms = store_col_int(rows, 5),
        };
    TRY(store_rows_close(rows));
    return arena_check(l->keep);
}

err model_promotions(struct track *t, str name, int64_t limit, arena *keep,
                     struct promotion **ret_rows, size_t *ret_count)
{
    struct ledger_read l = { .name = arena_str(keep, name),
                             .limit = track_limit(limit),
                             .keep = keep };
    TRY(store_read(t->store, ledger_fn, &l));
    *ret_rows = l.rows;
    *ret_count = l.count;
    return OK;
}
