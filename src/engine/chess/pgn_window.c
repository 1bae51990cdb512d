/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_window.c -- the piece of the stream that the reader looks at.
 *
 * It begins where the current game begins. When something is cut by its end, the game's text is
 * moved to the front and more is read behind it; it grows only for games that are longer than it,
 * up to PGN_TEXT_MAX. What lies before the game is forgotten, but its lines have been counted.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pgn_internal.h"

enum {
    WINDOW_BYTES = 256 * 1024,  /* to begin with; stays in the second level cache */
    READ_BYTES_MIN = 64 * 1024, /* room there should be before reading */
    ROOM_BYTES_MIN = 16,        /* room there must be, for a character and some */
    WINDOW_BYTES_MAX = PGN_TEXT_MAX + 2 * READ_BYTES_MIN,
    RAW_BYTES = 64 * 1024, /* UTF-16 before it is converted */
};

err pgn_window_init(struct pgn_window *w, struct pgn_source *source)
{
    *w = (struct pgn_window){ .source = source, .text_bytes = WINDOW_BYTES };
    w->padded = calloc(1, WINDOW_BYTES + 2 * PGN_PAD_BYTES);
    if (!w->padded)
        return ERR(ERR_NO_MEMORY, "reading '%s': out of memory", pgn_source_name(source));
    w->text = w->padded + PGN_PAD_BYTES;
    w->text[-1] = '\n'; /* the text begins with the start of a line */
    return OK;
}

void pgn_window_deinit(struct pgn_window *w)
{
    free(w->raw);
    free(w->padded);
}

uint64_t pgn_window_pass(struct pgn_window *w, size_t offset)
{
    if (offset > w->counted_to) {
        w->line += pgn_text_lines(str_from(w->text + w->counted_to, offset - w->counted_to),
                                  &w->counted_cr);
        w->counted_to = offset;
    }
    return w->line + 1;
}

uint64_t pgn_window_line(const struct pgn_window *w, size_t offset)
{
    bool was_cr = w->counted_cr;
    uint64_t line = w->line;
    if (offset > w->counted_to)
        line += pgn_text_lines(str_from(w->text + w->counted_to, offset - w->counted_to), &was_cr);
    return line + 1;
}

/* Makes room for READ_BYTES_MIN more bytes behind the current game. */
static err window_make_room(struct pgn_window *w)
{
    if (w->text_bytes - w->end >= READ_BYTES_MIN)
        return OK;
    if (w->game_at > 0) {
        pgn_window_pass(w, w->game_at);
        /* What stood before the game goes along, for pgn_opens_line. */
        memmove(w->text - PGN_SEEN_BYTES, w->text + w->game_at - PGN_SEEN_BYTES,
                w->end - w->game_at + PGN_SEEN_BYTES);
        w->dropped += w->game_at;
        w->end -= w->game_at;
        w->at -= w->game_at;
        w->counted_to -= w->game_at;
        w->game_at = 0;
    }
    /* Half empty after each move, so that long games are not moved over and over. */
    if (w->text_bytes - w->end >= w->text_bytes / 2 || w->text_bytes >= WINDOW_BYTES_MAX)
        return OK;
    size_t larger = w->text_bytes * 2 < WINDOW_BYTES_MAX ? w->text_bytes * 2 : WINDOW_BYTES_MAX;
    char *moved = realloc(w->padded, larger + 2 * PGN_PAD_BYTES);
    if (!moved)
        return ERR(ERR_NO_MEMORY, "reading '%s': no memory for a game of %zu bytes",
                   pgn_source_name(w->source), w->end);
    w->padded = moved;
    w->text = moved + PGN_PAD_BYTES;
    w->text_bytes = larger;
    return OK;
}

/* One read, converted to what the window holds. */
static err window_read(struct pgn_window *w, size_t *ret_count)
{
    size_t room = w->text_bytes - w->end, count = 0;
    if (w->encoding == PGN_BYTES) {
        TRY(pgn_source_read(w->source, w->text + w->end, room, &count));
        *ret_count = count;
        return OK;
    }
    /* An odd byte or half a pair gives no text yet; zero would mean the end. */
    size_t want = (room - 8) / PGN_UTF16_GROWTH, len = 0;
    do {
        TRY(pgn_source_read(w->source, w->raw, want < RAW_BYTES ? want : RAW_BYTES, &count));
        len = pgn_utf16_to_utf8(&w->utf16, str_from(w->raw, count), w->text + w->end);
    } while (count > 0 && len == 0);
    *ret_count = len;
    return OK;
}

/* Reads until the text behind `at` has doubled, so that whoever looks at it again from its start
 * does not do so more often than its length allows. Fails only on our own limits: what the source
 * has to say waits in w->failure until the good text is used up. */
err pgn_window_fill(struct pgn_window *w)
{
    size_t want = (w->end - w->at) * 2 + 1;
    while (!w->at_eof && w->end - w->at < want) {
        TRY(window_make_room(w));
        if (w->text_bytes - w->end < ROOM_BYTES_MIN)
            break;
        size_t count = 0;
        err e = window_read(w, &count);
        if (e.code)
            w->failure = e;
        w->at_eof = e.code || count == 0;
        w->end += count;
        w->bytes += count;
    }
    memset(w->text + w->end, 0, PGN_PAD_BYTES);
    return OK;
}

/* The first bytes tell the encoding. */
err pgn_window_begin(struct pgn_window *w)
{
    while (!w->at_eof && w->end < 4)
        TRY(pgn_window_fill(w));
    size_t skip;
    w->encoding = pgn_encoding_of(str_from(w->text, w->end), &skip);
    w->has_begun = true;
    if (w->encoding == PGN_BYTES) {
        w->at = w->game_at = skip;
        return OK;
    }
    w->utf16.big_endian = w->encoding == PGN_UTF16_BE;
    w->raw = malloc(RAW_BYTES);
    size_t before = w->end, needed = before * PGN_UTF16_GROWTH + 8;
    size_t larger = needed > w->text_bytes ? needed : w->text_bytes;
    char *again = calloc(1, larger + 2 * PGN_PAD_BYTES);
    if (!w->raw || !again) {
        free(again);
        return ERR(ERR_NO_MEMORY, "reading '%s': no memory to convert UTF-16",
                   pgn_source_name(w->source));
    }
    w->end = pgn_utf16_to_utf8(&w->utf16, str_from(w->text + skip, before - skip),
                               again + PGN_PAD_BYTES);
    free(w->padded);
    w->padded = again;
    w->text = again + PGN_PAD_BYTES;
    w->text[-1] = '\n';
    w->text_bytes = larger;
    w->bytes = w->end;
    memset(w->text + w->end, 0, PGN_PAD_BYTES);
    return OK;
}
