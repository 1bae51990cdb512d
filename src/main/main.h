/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main.h -- the roles of the program. */
#ifndef SKERRY_MAIN_H
#define SKERRY_MAIN_H

#include "base/err.h"

/* Runs the server until SIGTERM or SIGINT; returns when everything is closed. */
MUST_USE err serve_run(int argc, char **argv);

/* Does jobs of a shared store until SIGTERM, SIGINT or a wish to drain; returns when what still ran
 * is handed back. */
MUST_USE err work_run(int argc, char **argv);

/* Finds and runs a verb: argv[0] is the program, argv[1] the first word. */
MUST_USE err cli_run(int argc, char **argv);

#endif
