/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit.c -- who changed what, when: one row per mutation, never changed or deleted again. */
#include "base/clock.h"
#include "platform/auth/auth_internal.h"

err auth_audit_tx(struct store_tx *tx, str username, str action, str subject, str detail_json)
{
    if (!action.len || action.len > AUTH_ACTION_MAX)
        return ERR(ERR_INVALID,
                   "the action of an audit row must have 1 to %d bytes, like 'model.promote'",
                   AUTH_ACTION_MAX);
    if (detail_json.len > AUTH_DETAIL_MAX)
        return ERR(ERR_TOO_BIG, "the detail of an audit row has %zu bytes; at most %d are kept",
                   detail_json.len, AUTH_DETAIL_MAX);
    return store_exec(tx,
                      "INSERT INTO auth_audit (at_ms, username, action, subject, detail) "
                      "VALUES (?1, ?2, ?3, ?4, ?5)",
                      ARGS(sql_int(clock_wall_ms()), sql_text(username.len ? username : STR("")),
                           sql_text(action), sql_text(subject.len ? subject : STR("")),
                           sql_text_opt(detail_json)),
                      NULL);
}

struct audit_tx {
    str username, action, subject, detail;
};

static err audit_write(struct store_tx *tx, void *arg)
{
    struct audit_tx *x = arg;
    return auth_audit_tx(tx, x->username, x->action, x->subject, x->detail);
}

err auth_audit(struct auth *a, str username, str action, str subject, str detail_json)
{
    struct audit_tx x = { username, action, subject, detail_json };
    TRY(store_write(a->store, audit_write, &x));
    if (a->log) {
        struct log_labels labels = { .component = STR("auth"), .username = username };
        log_event(a->log, LOG_INFO, &labels, "audit.written", NULL, F_STR("action", action),
                  F_STR("subject", subject));
    }
    return OK;
}

/* ------------------------------------------------------------------ reading */

enum { AUDIT_LIST_DEFAULT = 100, AUDIT_LIST_MAX = 1000 };

struct list_read {
    str username, prefix;
    int64_t limit, offset;
    arena *keep;
    struct auth_audit_row *rows;
    size_t count;
};

static err list_query(struct store_read *rd, void *arg)
{
    struct list_read *l = arg;
    l->count = 0;
    l->rows = NEW_ARRAY(l->keep, struct auth_audit_row, (size_t)l->limit);
    ARENA_TRY(l->rows);
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT at_ms, username, action, subject, detail FROM auth_audit "
                    "WHERE (?1 IS NULL OR username = ?1) "
                    "AND (?2 IS NULL OR substr(action, 1, ?3) = ?2) "
                    "ORDER BY audit_no DESC LIMIT ?4 OFFSET ?5",
                    ARGS(sql_text_opt(l->username), sql_text_opt(l->prefix),
                         sql_int((int64_t)l->prefix.len), sql_int(l->limit), sql_int(l->offset)),
                    &rows));
    while (l->count < (size_t)l->limit && store_next(rows)) {
        struct auth_audit_row *row = &l->rows[l->count++];
        row->at_ms = store_col_int(rows, 0);
        row->username = store_col_text_keep(rows, 1, l->keep);
        row->action = store_col_text_keep(rows, 2, l->keep);
        row->subject = store_col_text_keep(rows, 3, l->keep);
        row->detail = store_col_text_keep(rows, 4, l->keep);
    }
    return err_first(arena_check(l->keep), store_rows_close(rows));
}

err auth_audit_list(struct auth *a, str username, str action_prefix, int64_t limit, int64_t offset,
                    arena *keep, struct auth_audit_row **ret_rows, size_t *ret_count)
{
    struct list_read l = {
        .username = username,
        .prefix = action_prefix,
        .keep = keep,
        .limit = limit <= 0 ? AUDIT_LIST_DEFAULT : limit,
        .offset = offset > 0 ? offset : 0,
    };
    if (l.limit > AUDIT_LIST_MAX)
        l.limit = AUDIT_LIST_MAX;
    TRY(store_read(a->store, list_query, &l));
    *ret_rows = l.rows;
    *ret_count = l.count;
    return OK;
}
