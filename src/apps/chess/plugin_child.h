/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plugin_child.h -- a plugin in a fenced child process, one game at a time.
 *
 * Parent and child speak over a socket in frames: a 32-bit little-endian length and as many bytes.
 * A question is a game's id (36 bytes) and its packed game; an answer is a status byte (enum
 * plugin_status) and a JSON object or a reason. Both sides check every length; neither trusts the
 * other.
 */
#ifndef SKERRY_APPS_CHESS_PLUGIN_CHILD_H
#define SKERRY_APPS_CHESS_PLUGIN_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum plugin_status { PLUGIN_DONE, PLUGIN_SKIPPED, PLUGIN_FAILED, PLUGIN_DESCRIPTION };

enum {
    PLUGIN_QUESTION_MAX = 4 * 1024 * 1024,
    PLUGIN_ANSWER_MAX = 128 * 1024,
    PLUGIN_GAME_WAIT_MS = 5000, /* one game; then the child is killed */
};

/* What a plugin says of itself. */
struct plugin_info {
    char name[64], version[32], summary[200];
    uint32_t needs;
};

struct plugin_child {
    pid_t pid; /* 0: not running */
    int fd;
    struct plugin_info info;
};

/* Starts a child for "builtin:NAME" or the path of a .so, and reads its description. */
MUST_USE err plugin_child_start(const char *origin, struct plugin_child *ret_child);

/* One game. *ret_status is what the plugin answered; *ret_text (in keep) its JSON or reason. An
 * error means that the child crashed, broke the protocol or took too long, and is gone: the reason
 * says which. */
MUST_USE err plugin_child_ask(struct plugin_child *c, const char *game_id, str packed_game,
                              arena *keep, enum plugin_status *ret_status, str *ret_text);
void plugin_child_stop(struct plugin_child *c); /* accepts one that is not running */

/* The child's side: argv[2] is the origin. Returns the exit code. */
int plugin_role(int argc, char **argv);

/* Names of the plugins that are compiled in, NULL-ended. */
extern const char *const plugin_builtin_names[];

#endif
