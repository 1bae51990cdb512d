/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uci_engine.h -- any UCI engine as a child process: one position at a time, one score.
 *
 * The child is an outside program that nobody here has read. It runs in a process group of its own
 * with limits on memory, time and files, sees no descriptor and no environment of ours but PATH,
 * and goes when we go. Every wait has a deadline and every line a maximum. When it hangs, crashes
 * or breaks the protocol, it is ended, the question at hand is an error that says which, and the
 * next question starts it again.
 *
 * Answers are repeatable: one thread, a fixed number of nodes or a fixed depth, and a fresh hash
 * table for each question, so that a score depends on nothing that was asked before. One thread at
 * a time calls an engine.
 */
#ifndef SKERRY_APPS_CHESS_UCI_ENGINE_H
#define SKERRY_APPS_CHESS_UCI_ENGINE_H

#include "apps/chess/uci_reply.h"
#include "base/fs.h"
#include "engine/chess/position.h"

enum {
    UCI_NODES_MAX = 1000000000,
    UCI_DEPTH_MAX = 60,
    UCI_HASH_MIB = 16,
    UCI_LINE_MAX = 16 * 1024,          /* a longer line ends the engine */
    UCI_ANSWER_MAX = 16 * 1024 * 1024, /* so does more output for one question */
    UCI_START_WAIT_MS = 10000,
};

struct uci_engine_options {
    const char *program; /* a path, see uci_engine_find; kept for as long as the engine */
    int64_t nodes;       /* of one search; not looked at when depth > 0 */
    int depth;
    int64_t start_wait_ms;   /* from the start to "readyok"; 0: UCI_START_WAIT_MS */
    int64_t answer_wait_ms;  /* of one question, more than 0 */
    err (*check)(void *arg); /* asked about ten times a second while the engine thinks: its error
                                ends the engine and is passed on. May be NULL */
    void *arg;
};

struct uci_engine;

/* The engine that CHESS_ENGINE means: a path; a name on PATH; "auto" for stockfish on PATH or in
 * /usr/games; "off" or nothing for none. ERR_NOT_FOUND, and what to do, when there is none. */
MUST_USE err uci_engine_find(str setting, char out[FS_PATH_BYTES]);

/* Starts the program and waits until it is ready. ERR_UPSTREAM says what it did instead. */
MUST_USE err uci_engine_open(const struct uci_engine_options *options,
                             struct uci_engine **ret_engine);
const char *uci_engine_name(const struct uci_engine *e); /* "Stockfish 15.1", as it says itself */

/* Searches p, which has legal moves. With `only` a move, what that move is worth; else the best
 * one. The score is the mover's; ret_best may be NULL. ERR_UPSTREAM and ERR_TIMEOUT are the
 * engine's doing; anything else came from check, or is ours. */
MUST_USE err uci_engine_ask(struct uci_engine *e, const struct chess_position *p, chess_move only,
                            struct uci_score *ret_score, chess_move *ret_best);

void uci_engine_close(struct uci_engine *e); /* accepts NULL */

/* The child's side: limits itself and becomes argv[2], or ends. */
int uci_engine_role(int argc, char **argv);

#endif
