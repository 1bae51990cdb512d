/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * plugin.h -- write an analytic in C, drop it in, and it runs over every game.
 *
 * A plugin looks at one game and answers with named values. Skerry does the rest: it finds the
 * games that this version of the plugin has not seen, hands them over in batches, stores the
 * answers, tries failures again, and shows it all. The plugin runs in a child process without
 * network or files, with limits on time and memory: if it crashes, that one game fails and the next
 * batch goes on.
 *
 *     #include <skerry/plugin.h>
 *
 *     static int analyse(const struct skerry_game *g, struct skerry_result *r)
 *     {
 *         r->set_int(r, "move_count", g->plies);
 *         return SKERRY_DONE;
 *     }
 *     SKERRY_PLUGIN(move_count, "1", "Counts the half moves of a game.", analyse)
 *
 *     $ skerry plugin build move_count.c       compiles it into $SKERRY_HOME/plugins
 *
 * This header is the whole interface and is additive only: members are added at the end of structs,
 * and `abi` says how many there are. A plugin built for an older header goes on working.
 */
#ifndef SKERRY_PLUGIN_H
#define SKERRY_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SKERRY_PLUGIN_ABI = 1 };

/* Pieces in boards: white P N B R Q K are 1 to 6, black ones 9 to 14, an empty square is 0. */
enum skerry_piece {
    SKERRY_EMPTY,
    SKERRY_PAWN,
    SKERRY_KNIGHT,
    SKERRY_BISHOP,
    SKERRY_ROOK,
    SKERRY_QUEEN,
    SKERRY_KING,
    SKERRY_BLACK = 8
};

enum skerry_move_flags {
    SKERRY_CAPTURE = 1,
    SKERRY_CHECK = 2,
    SKERRY_MATE = 4,
    SKERRY_CASTLE_KING = 8,   /* towards the h-file */
    SKERRY_CASTLE_QUEEN = 16, /* towards the a-file */
    SKERRY_EN_PASSANT = 32,
    SKERRY_PROMOTION = 64,
};

#define SKERRY_EVAL_NONE INT32_MIN
#define SKERRY_CLOCK_NONE (-1)

/* One half move. Squares are 0..63 = a1..h8. */
struct skerry_move {
    uint8_t from, to; /* castling: the king's two squares */
    uint8_t piece;    /* what moved, before a promotion: enum skerry_piece with colour */
    uint8_t captured; /* what was taken, or SKERRY_EMPTY */
    uint8_t promoted; /* what it became, or SKERRY_EMPTY */
    uint8_t flags;    /* enum skerry_move_flags */
    int32_t clock_cs; /* centiseconds left after the move, or SKERRY_CLOCK_NONE */
    int32_t
        eval_cp; /* white's view after the move; mate in n is +-(32000 - n); or SKERRY_EVAL_NONE */
    char san[12], uci[6];
};

struct skerry_game {
    uint32_t abi;   /* of the program that calls */
    const char *id; /* UUID */
    const char *white, *black;
    int32_t white_rating, black_rating; /* 0: unknown */
    const char *result;                 /* "1-0", "0-1", "1/2-1/2" or "*" */
    const char *speed;                  /* "BLITZ", ... or "UNKNOWN" */
    const char *eco;                    /* "B20", or "" */
    const char *opening;                /* name, or "" */
    const char *time_control;           /* as written, or "" */
    int32_t plies;
    const struct skerry_move *moves; /* plies of them */
    const uint8_t (*boards)[64];     /* plies + 1 of them: boards[0] is before the first move */
    int32_t has_clocks, has_evals;
};

/* Where the answer goes. Keys are lower-case words, at most 64 of them; texts at most 1000 bytes.
 * Setting a key again replaces it. The functions return 0, or -1 when a limit is reached. */
struct skerry_result {
    uint32_t abi;
    void *impl;
    int (*set_int)(struct skerry_result *r, const char *key, int64_t value);
    int (*set_real)(struct skerry_result *r, const char *key, double value);
    int (*set_text)(struct skerry_result *r, const char *key, const char *value);
    int (*set_bool)(struct skerry_result *r, const char *key, int value);
    int (*fail)(struct skerry_result *r, const char *reason); /* then return SKERRY_FAILED */
};

enum {
    SKERRY_DONE = 0,    /* the values are the answer */
    SKERRY_SKIPPED = 1, /* this game has no answer (no clocks, say); it will not be asked again */
    SKERRY_FAILED = 2,  /* try again later, a few times */
};

enum skerry_needs { SKERRY_NEEDS_NOTHING = 0, SKERRY_NEEDS_CLOCKS = 1, SKERRY_NEEDS_EVALS = 2 };

struct skerry_plugin {
    uint32_t abi;        /* SKERRY_PLUGIN_ABI */
    const char *name;    /* lower-case letters, digits and _; unique */
    const char *version; /* another version runs over all games again; old results stay */
    const char *summary; /* one sentence */
    uint32_t needs;      /* games without it are not offered */
    int (*analyse)(const struct skerry_game *game, struct skerry_result *result);
};

/* The one symbol that a plugin exports. A plugin compiled into the program itself exports it under
 * its own name instead. */
#ifdef SKERRY_PLUGIN_BUILTIN
#define SKERRY_PLUGIN_SYMBOL(plugin_name) const struct skerry_plugin skerry_plugin_##plugin_name
#else
#define SKERRY_PLUGIN_SYMBOL(plugin_name) \
    __attribute__((visibility("default"))) const struct skerry_plugin skerry_plugin
#endif

#define SKERRY_PLUGIN_NEEDING(plugin_name, plugin_version, plugin_summary, function, plugin_needs) \
    extern SKERRY_PLUGIN_SYMBOL(plugin_name);                                                      \
    SKERRY_PLUGIN_SYMBOL(plugin_name) = { SKERRY_PLUGIN_ABI, #plugin_name, plugin_version,         \
                                          plugin_summary,    plugin_needs, function };

#define SKERRY_PLUGIN(plugin_name, plugin_version, plugin_summary, function)     \
    SKERRY_PLUGIN_NEEDING(plugin_name, plugin_version, plugin_summary, function, \
                          SKERRY_NEEDS_NOTHING)

#ifdef __cplusplus
}
#endif

#endif
