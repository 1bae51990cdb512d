/* SPDX-License-Identifier: GPL-3.0-or-later */
/* notes.c -- the table move_notes, and what its notes mean at the door. */
#include "platform/move/notes.h"

#include <stdio.h>
#include <string.h>

enum { PLACE_WAIT_MS = 30 * 1000 };

const struct store_migration move_migrations[] = {
    { 1, "CREATE TABLE move_notes ("
         "  name @text PRIMARY KEY,"
         "  value @text NOT NULL"
         ") @strict;" },
    { 0, NULL },
};

err move_note_get(struct store_read *rd, const char *name, arena *keep, str *ret_value)
{
    str value = STR_NONE;
    err e = store_get_text(rd, "SELECT value FROM move_notes WHERE name = ?1", ARGS(sql_cstr(name)),
                           keep, &value);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    *ret_value = value;
    return OK;
}

err move_note_set(struct store_tx *tx, const char *name, str value)
{
    if (!value.len)
        return store_exec(tx, "DELETE FROM move_notes WHERE name = ?1", ARGS(sql_cstr(name)), NULL);
    return store_exec(tx,
                      "INSERT INTO move_notes (name, value) VALUES (?1, ?2)"
                      " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                      ARGS(sql_cstr(name), sql_text(value)), NULL);
}

struct notes_call {
    struct move_note *notes;
    size_t count;
    arena *keep;
};

static err notes_read(struct store_read *rd, void *arg)
{
    struct notes_call *c = arg;
    for (size_t i = 0; i < c->count; i++)
        TRY(move_note_get(rd, c->notes[i].name, c->keep, &c->notes[i].value));
    return OK;
}

err move_notes_read(struct store *s, struct move_note *notes, size_t count, arena *keep)
{
    struct notes_call call = { notes, count, keep };
    return store_read(s, notes_read, &call);
}

static err notes_write(struct store_tx *tx, void *arg)
{
    const struct notes_call *c = arg;
    for (size_t i = 0; i < c->count; i++)
        TRY(move_note_set(tx, c->notes[i].name, c->notes[i].value));
    return OK;
}

err move_notes_write(struct store *s, const struct move_note *notes, size_t count)
{
    struct notes_call call = { (struct move_note *)(uintptr_t)notes, count, NULL };
    return store_write(s, notes_write, &call);
}

/* ------------------------------------------------------------------ who this is */

struct identity {
    char made[HEX_ID_BYTES], found[HEX_ID_BYTES];
};

static err identity_read(struct store_read *rd, struct identity *who)
{
    struct store_rows *rows = NULL;
    TRY(store_query(rd, "SELECT value FROM move_notes WHERE name = 'installation'", NO_ARGS,
                    &rows));
    who->found[0] = '\0';
    if (store_next(rows))
        snprintf(who->found, sizeof who->found, "%.*s", STR_ARG(store_col_text(rows, 0)));
    return store_rows_close(rows);
}

static err identity_look(struct store_read *rd, void *arg)
{
    return identity_read(rd, arg);
}

static err identity_write(struct store_tx *tx, void *arg)
{
    struct identity *who = arg;
    TRY(store_exec(tx,
                   "INSERT INTO move_notes (name, value) VALUES ('installation', ?1)"
                   " ON CONFLICT (name) DO NOTHING",
                   ARGS(sql_cstr(who->made)), NULL));
    return identity_read(store_tx_read(tx), who);
}

err move_installation(struct store *s, char ret_id[HEX_ID_BYTES])
{
    struct identity who = { .found = "" };
    TRY(store_read(s, identity_look, &who));
    if (!who.found[0]) {
        rand_hex_id(who.made);
        TRY(store_write(s, identity_write, &who));
    }
    memcpy(ret_id, who.found, HEX_ID_BYTES);
    return OK;
}

/* ------------------------------------------------------------------ whose blobs */

/* Texts beside the objects: whose they are, and a number of the place itself. */
static const char owner_folder[] = "installation", owner_name[] = "id", place_name[] = "place";

err move_blobs_claim(struct blobs *b, const char *where, const char *id)
{
    arena keep;
    str found = STR_NONE;
    arena_init(&keep, 4 * NOTE_BYTES_MAX);
    err e = blobs_text_get(b, owner_folder, owner_name, &keep, NOTE_BYTES_MAX, &found);
    if (e.code == ERR_NOT_FOUND)
        e = blobs_text_put(b, owner_folder, owner_name, str_of(id));
    else if (!e.code && !str_eq(str_trim(found), str_of(id)))
        e = ERR(ERR_CONFLICT,
                "'%.60s' has the blobs of another installation: name another place (or, if that "
                "one is gone for good, delete '%s/%s' there)",
                where, owner_folder, owner_name);
    arena_deinit(&keep);
    return e;
}

static err place_read(struct blobs *b, arena *keep, str *ret_place)
{
    return blobs_text_get(b, owner_folder, place_name, keep, NOTE_BYTES_MAX, ret_place);
}

static err place_make(struct blobs *b, arena *keep, str *ret_place)
{
    char made[HEX_ID_BYTES];
    err e = place_read(b, keep, ret_place);
    if (e.code != ERR_NOT_FOUND)
        return e;
    rand_hex_id(made);
    TRY(blobs_text_put(b, owner_folder, place_name, str_of(made)));
    return place_read(b, keep, ret_place);
}

/* Servers may start at once: one of them makes the number. */
static err place_of(struct store *s, struct blobs *b, arena *keep, str *ret_place)
{
    struct store_lock *lock = NULL;
    err e = place_read(b, keep, ret_place);
    if (e.code != ERR_NOT_FOUND)
        return e;
    TRY(store_lock(s, "blobs_place", PLACE_WAIT_MS, &lock));
    e = place_make(b, keep, ret_place);
    store_unlock(lock);
    return e;
}

static err meet(struct store *s, struct blobs *b, const char *where, arena *keep)
{
    struct move_note note = { "blobs_place", STR_NONE };
    int64_t others = 0;
    str place = STR_NONE;
    TRY(place_of(s, b, keep, &place));
    TRY(move_notes_read(s, &note, 1, keep));
    if (str_eq(note.value, place))
        return OK;
    TRY(store_others(s, &others));
    if (others && note.value.len)
        return ERR(ERR_CONFLICT,
                   "servers that share a database share their blobs, and another one is there that "
                   "does not use '%.60s' (give all the same SKERRY_BLOBS, or stop it first)",
                   where);
    note.value = place;
    return move_notes_write(s, &note, 1);
}

err move_blobs_meet(struct store *s, struct blobs *b, const char *where)
{
    arena keep;
    arena_init(&keep, 8 * NOTE_BYTES_MAX);
    err e = meet(s, b, where, &keep);
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ at the door */

err move_admit(struct store *s, bool may_be_moved)
{
    arena keep;
    struct move_note notes[] = { { "state", STR_NONE },
                                 { "from", STR_NONE },
                                 { "peer", STR_NONE } };
    arena_init(&keep, 64 * 1024);
    err e = move_notes_read(s, notes, COUNT_OF(notes), &keep);
    str state = notes[0].value;
    if (e.code || !state.len)
        ;
    else if (str_eq(state, STR("filling")))
        e = ERR(ERR_CONFLICT,
                "this store is half filled: a %s into it did not finish (run it again)",
                str_starts(notes[1].value, STR("backup:")) ? "skerry restore" : "skerry move");
    else if (!may_be_moved)
        e = ERR(ERR_CONFLICT, "%s %.*s (use SKERRY_DB as it said; to go on here: %s)",
                str_eq(state, STR("moved")) ? "this store moved to" : "a move is ending at",
                STR_ARG(str_sub(notes[2].value, 0, 30)), "skerry move --stay");
    arena_deinit(&keep);
    return e;
}
