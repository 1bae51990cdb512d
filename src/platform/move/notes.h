/* SPDX-License-Identifier: GPL-3.0-or-later */
/* notes.h -- what an installation knows about itself: who it is, whether it may be used, when it
 * was backed up. A small table of names and texts, which is never copied along with the others.
 *
 *     installation     32 hex digits, made when first asked for; a copy by move keeps it
 *     state            absent: in use; "filling": the unfinished target of a move or restore;
 *                      "leaving": a move is about to end here; "moved": it lives elsewhere now
 *     from             of "filling": the source, "installation:ID" or "backup:SHA-256"
 *     peer             of "leaving" and "moved": where it went, without a password
 *     blobs_place      which blobs its servers use: what stands in installation/place there
 *     blobs_checked    of "filling": "1" when all blobs there were read back
 *     backup_ms, backup_verified_ms, backup_folder     of the newest backup, of the newest that was
 *                      verified, and where they are
 */
#ifndef SKERRY_MOVE_NOTES_H
#define SKERRY_MOVE_NOTES_H

#include "base/rand.h"
#include "platform/blobs/blobs.h"
#include "platform/store/store.h"

enum { NOTE_BYTES_MAX = 4000 };

extern const struct store_migration move_migrations[]; /* of the owner "move" */

/* Empty when there is no such note. */
MUST_USE err move_note_get(struct store_read *rd, const char *name, arena *keep, str *ret_value);
/* An empty value removes the note. */
MUST_USE err move_note_set(struct store_tx *tx, const char *name, str value);

/* Several at once, in a write or read of their own. */
struct move_note {
    const char *name;
    str value;
};
MUST_USE err move_notes_read(struct store *s, struct move_note *notes, size_t count, arena *keep);
MUST_USE err move_notes_write(struct store *s, const struct move_note *notes, size_t count);

/* Who this is; given a name now if it has none. */
MUST_USE err move_installation(struct store *s, char ret_id[HEX_ID_BYTES]);

/* These blobs, shown as `where`, become installation `id`'s, unless they are somebody else's, whose
 * collection would remove what our rows name: ERR_CONFLICT, with what to do. */
MUST_USE err move_blobs_claim(struct blobs *b, const char *where, const char *id);
/* Of a store that several machines share: are these the blobs that the others use? ERR_CONFLICT
 * when somebody is there who uses others; when nobody is, these are the ones from now on. */
MUST_USE err move_blobs_meet(struct store *s, struct blobs *b, const char *where);

/* May the installation be used? ERR_CONFLICT, with what to do, for the unfinished target of a move
 * or restore and, unless may_be_moved, for one that moved away. */
MUST_USE err move_admit(struct store *s, bool may_be_moved);

#endif
