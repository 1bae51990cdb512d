/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sqlite_undo.h -- what undoes one write of a group: kept in memory up to a limit, then in a file.
 *
 * SQLite moves such a journal from memory to its file in one call of write, of as many bytes as the
 * limit says; its layer for Unix writes no more than 128 KiB in a call and takes what is left for a
 * full disk (3.40.1, seekAndWriteFd: nBuf &= 0x1ffff). So the file is one of ours, which passes
 * large writes on in pieces. */
#ifndef SKERRY_STORE_SQLITE_UNDO_H
#define SKERRY_STORE_SQLITE_UNDO_H

/* The layer for files that connections name, for sqlite3_open_v2; NULL: SQLite's own, with its own
 * limit. The first call in a process sets the limit, and turns off SQLite's count of its
 * memory. Any thread, any number of times. */
const char *sqlite_undo_layer(void);

#endif
