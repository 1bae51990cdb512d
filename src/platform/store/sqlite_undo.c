/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sqlite_undo.c -- a layer over SQLite's own for files that differs in one thing: the files of
 * savepoints take writes of any length. */
#include "platform/store/sqlite_undo.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

/* SQLite puts what one write of a group changes into a file from 64 KiB on, page by page: writes of
 * a thousand metrics in a group did more of this than of anything else. In memory up to here. */
enum { UNDO_BYTES_MAX = 4 << 20, PIECE_BYTES = 64 << 10, ALIGNED = 16 };

static const char layer_name[] = "skerry";

/* Stands behind SQLite's own file: its functions, but for one. */
struct undo_file {
    sqlite3_io_methods methods;
    int (*write)(sqlite3_file *, const void *, int, sqlite3_int64);
};

static int write_in_pieces(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    const struct undo_file *undo = (const void *)file->pMethods;
    int rc = SQLITE_OK;
    for (int done = 0; done < count && rc == SQLITE_OK; done += PIECE_BYTES) {
        int piece = count - done < PIECE_BYTES ? count - done : PIECE_BYTES;
        rc = undo->write(file, (const char *)bytes + done, piece, at + done);
    }
    return rc;
}

static int open_file(sqlite3_vfs *layer, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    sqlite3_vfs *own = layer->pAppData;
    int rc = own->xOpen(own, name, file, flags, ret_flags);
    if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_SUBJOURNAL) || !file->pMethods)
        return rc;
    struct undo_file *undo = (void *)((char *)file + layer->szOsFile - sizeof *undo);
    undo->methods = *file->pMethods;
    undo->write = undo->methods.xWrite;
    undo->methods.xWrite = write_in_pieces;
    file->pMethods = &undo->methods;
    return rc;
}

/* SQLite keeps the layer to the end of the process. Where it was in use before (a verb that reads
 * another program's file first), its own limit stays, which it can do by itself. */
static void layer_register(void)
{
    sqlite3_vfs *layer = malloc(sizeof *layer);
    if (!layer || sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, UNDO_BYTES_MAX) != SQLITE_OK) {
        free(layer);
        return;
    }
    /* Counting its memory would lock each allocation of all connections against the others. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_vfs *own = sqlite3_vfs_find(NULL);
    if (!own) { /* SQLite has no memory to start with, and will open nothing */
        free(layer);
        return;
    }
    *layer = *own;
    layer->pNext = NULL;
    layer->zName = layer_name;
    layer->pAppData = own;
    layer->xOpen = open_file;
    layer->szOsFile = (own->szOsFile + ALIGNED - 1) / ALIGNED * ALIGNED +
                      (int)sizeof(struct undo_file);
    (void)sqlite3_vfs_register(layer, 0); /* it can only fail to start */
}

const char *sqlite_undo_layer(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, layer_register);
    return sqlite3_vfs_find(layer_name) ? layer_name : NULL;
}
