#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Writes demo_games.c: the file of games that POST /v1/games/demo imports, inside the program, so that
# it is there after an installation, too. The assembler takes the bytes in (.incbin), which costs no time.
# usage: demo_games.sh FILE OUTPUT
set -eu
file=$(realpath "$1")
cat >"$2" <<END
/* Written by src/apps/chess/demo_games.sh. */
#include "apps/chess/demo_games.h"

__asm__(".pushsection .rodata\n"
        ".global demo_games_bytes\n"
        ".global demo_games_end\n"
        "demo_games_bytes:\n"
        ".incbin \"$file\"\n"
        "demo_games_end:\n"
        ".popsection\n");
END
