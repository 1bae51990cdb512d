/* SPDX-License-Identifier: GPL-3.0-or-later */
/* promote.c -- aliases of model versions, and the ledger of how they moved.
 *
 * The alias and its ledger row change in one transaction, so the ledger is a chain: each row of an
 * alias starts where the one before ended, however many people promote at once. Pointing an alias
 * where it points already is no change and no row: a repeated request, or the second try of a job,
 * adds nothing. Some aliases say what serves for all models of a kind: model_promote_alone takes
 * such a one from the others in the same transaction.
 */
#include "platform/track/track_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct promote {
    struct track *track;
    str name, alias, username, reason;
    int64_t version; /* 0: remove the alias */
    str kind;        /* when not empty: no other model of this kind keeps the alias */
    arena *keep;
    /* results */
    int64_t before;
    char id[UUID_BYTES];
    struct promotion *taken; /* from other models */
    size_t taken_count;
};

err model_alias_check(str alias)
{
    if (alias.len == 0)
        return ERR(ERR_INVALID, "Registered model alias name cannot be empty.");
    if (alias.len > TRACK_ALIAS_BYTES_MAX)
        return ERR(ERR_INVALID,
                   "'Registered model alias name' exceeds the maximum length of %d characters",
                   TRACK_ALIAS_BYTES_MAX);
    bool digits_only = true;
    for (size_t i = 0; i < alias.len; i++) {
        char c = alias.ptr[i];
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        if (!digit && !letter)
            return ERR(ERR_INVALID,
                       "Invalid alias name: '%.*s'. Names may only contain alphanumerics, "
                       "underscores (_), and dashes (-).",
                       STR_ARG(str_sub(alias, 0, 80)));
        digits_only = digits_only && (digit || (i == 0 && alias.len > 1 && (c == 'v' || c == 'V')));
    }
    if (str_eq_nocase(alias, STR("latest")))
        return ERR(ERR_INVALID, "'latest' alias name (case insensitive) is reserved.");
    if (digits_only) /* it would be mistaken for a version */
        return ERR(ERR_INVALID, "Version alias name '%.*s' is reserved.",
                   STR_ARG(str_sub(alias, 0, 80)));
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
    TRY(store_exec(tx,
                   "INSERT INTO model_promotions (name, alias, from_version, to_version,"
                   " username, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                   ARGS(sql_text(p->name), sql_text(p->alias), sql_int(p->before),
                        sql_int(p->version), sql_text(p->username), sql_text(p->reason),
                        sql_int(now_ms)),
                   NULL));
    TRY(store_notify(tx, MODEL_ALIAS_TOPIC));
    struct promotion told = { .name = p->name,
                              .alias = p->alias,
                              .username = p->username,
                              .reason = p->reason,
                              .from_version = p->before,
                              .to_version = p->version };
    return track_tell_promotion(p->track, tx, &told);
}

err model_aliases_drop_tx(struct track *t, struct store_tx *tx, str name, int64_t version,
                          str username, str reason, arena *scratch)
{
    struct store_rows *rows;
    struct promote *found = NULL;
    size_t count = 0, room = 0;
    TRY(store_query(store_tx_read(tx),
                    "SELECT alias, version FROM model_aliases WHERE name = ?1"
                    " AND (version = ?2 OR ?2 = 0) ORDER BY alias",
                    ARGS(sql_text(name), sql_int(version)), &rows));
    while (store_next(rows)) {
        if (count == room) {
            struct promote *more = NEW_ARRAY(scratch, struct promote, room * 2 + 8);
            ARENA_TRY(more);
            if (count)
                memcpy(more, found, count * sizeof *more);
            found = more;
            room = room * 2 + 8;
        }
        found[count++] = (struct promote){ .track = t,
                                           .name = name,
                                           .alias = store_col_text_keep(rows, 0, scratch),
                                           .username = username,
                                           .reason = reason,
                                           .before = store_col_int(rows, 1) };
    }
    TRY(store_rows_close(rows));
    TRY(arena_check(scratch));
    TRY(store_exec(tx, "DELETE FROM model_aliases WHERE name = ?1 AND (version = ?2 OR ?2 = 0)",
                   ARGS(sql_text(name), sql_int(version)), NULL));
    for (size_t i = 0; i < count; i++)
        TRY(ledger_add(tx, &found[i]));
    return OK;
}

enum { TAKEN_MAX = 100 }; /* one, but for stores of before aliases were taken */

static err take_from_others(struct store_tx *tx, struct promote *p)
{
    struct store_rows *rows;
    str reason = arena_fmt(p->keep, "%.*s@%lld is %.*s now", STR_ARG(str_sub(p->name, 0, 500)),
                           (long long)p->version, STR_ARG(p->alias));
    p->taken = NEW_ARRAY(p->keep, struct promotion, TAKEN_MAX);
    p->taken_count = 0;
    ARENA_TRY(reason.ptr && p->taken);
    TRY(store_query(
        store_tx_read(tx),
        "SELECT a.name, a.version FROM model_aliases a"
        " JOIN model_versions v ON v.name = a.name AND v.version = a.version"
        " WHERE a.alias = ?1 AND a.name <> ?2 AND v.kind = ?3 LIMIT ?4",
        ARGS(sql_text(p->alias), sql_text(p->name), sql_text(p->kind), sql_int(TAKEN_MAX)), &rows));
    while (p->taken_count < TAKEN_MAX && store_next(rows))
        p->taken[p->taken_count++] = (struct promotion){
            .name = store_col_text_keep(rows, 0, p->keep),
            .alias = p->alias,
            .username = p->username,
            .reason = reason,
            .from_version = store_col_int(rows, 1),
        };
    TRY(store_rows_close(rows));
    TRY(arena_check(p->keep));
    for (size_t i = 0; i < p->taken_count; i++) {
        struct promote other = { .track = p->track,
                                 .name = p->taken[i].name,
                                 .alias = p->alias,
                                 .username = p->username,
                                 .reason = reason,
                                 .before = p->taken[i].from_version };
        TRY(store_exec(tx, "DELETE FROM model_aliases WHERE name = ?1 AND alias = ?2",
                       ARGS(sql_text(other.name), sql_text(other.alias)), NULL));
        TRY(ledger_add(tx, &other));
    }
    return OK;
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
    if (p->kind.len)
        TRY(take_from_others(tx, p));
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
    struct promote p = { .track = t,
                         .name = name,
                         .alias = alias,
                         .username = username,
                         .reason = str_sub(reason, 0, 2000),
                         .version = version };
    TRY(model_alias_check(alias));
    TRY(store_write(t->store, promote_fn, &p));
    promote_told(t, &p);
    return OK;
}

err model_promote_alone(struct track *t, str kind, const struct promotion *move, arena *keep,
                        struct promotion **ret_taken, size_t *ret_count)
{
    struct promote p = { .track = t,
                         .name = move->name,
                         .alias = move->alias,
                         .username = move->username,
                         .reason = str_sub(move->reason, 0, 2000),
                         .version = move->to_version,
                         .kind = kind,
                         .keep = keep };
    TRY(model_alias_check(move->alias));
    TRY(store_write(t->store, promote_fn, &p));
    for (size_t i = 0; i < p.taken_count; i++)
        model_promoted(t, &p.taken[i]);
    promote_told(t, &p);
    *ret_taken = p.taken;
    *ret_count = p.taken_count;
    return OK;
}

err model_promote_tx(struct track *t, struct store_tx *tx, struct promotion *move)
{
    struct promote p = { .track = t,
                         .name = move->name,
                         .alias = move->alias,
                         .username = move->username,
                         .reason = str_sub(move->reason, 0, 2000),
                         .version = move->to_version };
    TRY(model_alias_check(move->alias));
    TRY(promote_fn(tx, &p));
    move->from_version = p.before;
    return OK;
}

void model_promoted(struct track *t, const struct promotion *move)
{
    struct promote p = { .track = t,
                         .name = move->name,
                         .alias = move->alias,
                         .username = move->username,
                         .reason = move->reason,
                         .version = move->to_version,
                         .before = move->from_version };
    promote_told(t, &p);
}

err model_alias_remove(struct track *t, str name, str alias, str username, str reason)
{
    struct promote p = { .track = t,
                         .name = name,
                         .alias = alias,
                         .username = username,
                         .reason = str_sub(reason, 0, 2000) };
    TRY(store_write(t->store, alias_remove_fn, &p));
    promote_told(t, &p);
    return OK;
}

/* ------------------------------------------------------------------ where aliases point */

enum { ALIASES_MAX = 1000 };

err model_aliases_read_in(struct store_read *rd, str name, arena *keep,
                          struct model_alias **ret_aliases, size_t *ret_count)
{
    struct store_rows *rows;
    struct model_alias *found = NEW_ARRAY(keep, struct model_alias, ALIASES_MAX);
    size_t count = 0;
    ARENA_TRY(found);
    TRY(store_query(rd,
                    "SELECT a.alias, a.version, v.id, COALESCE(p.id, 0), COALESCE(p.at_ms, 0)"
                    " FROM model_aliases a"
                    " JOIN model_versions v ON v.name = a.name AND v.version = a.version"
                    " LEFT JOIN (SELECT alias, MAX(id) AS id FROM model_promotions"
                    "  WHERE name = ?1 GROUP BY alias) newest ON newest.alias = a.alias"
                    " LEFT JOIN model_promotions p ON p.id = newest.id"
                    " WHERE a.name = ?1 ORDER BY a.alias LIMIT ?2",
                    ARGS(sql_text(name), sql_int(ALIASES_MAX)), &rows));
    while (count < ALIASES_MAX && store_next(rows)) {
        struct model_alias *a = &found[count++];
        a->alias = store_col_text_keep(rows, 0, keep);
        a->version = store_col_int(rows, 1);
        snprintf(a->version_id, sizeof a->version_id, "%.*s", STR_ARG(store_col_text(rows, 2)));
        a->tenure = store_col_int(rows, 3);
        a->since_ms = store_col_int(rows, 4);
    }
    TRY(store_rows_close(rows));
    TRY(arena_check(keep));
    *ret_aliases = found;
    *ret_count = count;
    return OK;
}

struct aliases_read {
    str name;
    arena *keep;
    struct model_alias *aliases;
    size_t count;
};

static err aliases_fn(struct store_read *rd, void *arg)
{
    struct aliases_read *a = arg;
    return model_aliases_read_in(rd, a->name, a->keep, &a->aliases, &a->count);
}

err model_aliases_read(struct track *t, str name, arena *keep, struct model_alias **ret_aliases,
                       size_t *ret_count)
{
    struct aliases_read a = { .name = name, .keep = keep };
    TRY(store_read(t->store, aliases_fn, &a));
    *ret_aliases = a.aliases;
    *ret_count = a.count;
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
    TRY(store_exec(tx,
                   "UPDATE model_versions SET stage = 'Deleted_Internal', blob = NULL,"
                   " source = NULL, run_link = NULL, updated_ms = ?3"
                   " WHERE name = ?1 AND version = ?2",
                   ARGS(sql_text(p->name), sql_int(p->version), sql_int(clock_wall_ms())), NULL));
    return track_tell_model(
        p->track, tx,
        &(struct model_news){
            .type = "model.deleted", .name = p->name, .id = str_of(p->id), .version = p->version });
}

err model_delete(struct track *t, str name, int64_t version)
{
    struct promote p = { .track = t, .name = name, .version = version };
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
