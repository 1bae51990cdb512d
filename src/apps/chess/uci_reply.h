/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uci_reply.h -- one line of what a UCI engine says, read. Pure: no process, no memory.
 *
 * Protocol: "Universal Chess Interface" (Huber and Meyer-Kahlen, 2006). Engines are strangers: any
 * bytes may come, and what is not understood is UCI_REPLY_OTHER, to be passed over as the protocol
 * asks.
 */
#ifndef SKERRY_APPS_CHESS_UCI_REPLY_H
#define SKERRY_APPS_CHESS_UCI_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum uci_reply_kind {
    UCI_REPLY_OTHER,
    UCI_REPLY_NAME,   /* id name ... */
    UCI_REPLY_OPTION, /* option name ... type ... */
    UCI_REPLY_UCIOK,
    UCI_REPLY_READYOK,
    UCI_REPLY_SCORE,    /* info ... score ... of the first line (multipv 1) */
    UCI_REPLY_BESTMOVE, /* bestmove ... */
};

/* As the side to move sees it. */
struct uci_score {
    bool is_mate;
    bool is_bound; /* "lowerbound" or "upperbound": the search was not through with it */
    int value;     /* centipawns, or moves to mate: negative is being mated, 0 is mated */
};

struct uci_reply {
    enum uci_reply_kind kind;
    str text;         /* the name of NAME or OPTION, the move of BESTMOVE (may be empty) */
    bool is_spin;     /* OPTION of type spin, with a range that makes sense: */
    int64_t min, max; /* both included */
    struct uci_score score;
};

enum { UCI_SCORE_MAX = 1000000 }; /* a number beyond is not a score: the line is OTHER */

/* Slices point into `line`, which needs no end mark and may contain anything. */
void uci_reply_parse(str line, struct uci_reply *ret_reply);

/* Centipawns within -cap..cap; a mate is worth the cap, for or against. */
int uci_score_cp(const struct uci_score *score, int cap);

/* The next word of a line, or an empty slice at its end; *rest is what follows. */
str uci_word(str *rest);

#endif
