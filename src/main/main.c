/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main.c -- the edge of the program: runs a role and turns its error into a sentence and an exit code. */
#include <stdio.h>
#include <string.h>

#include "main/main.h"

int main(int argc, char **argv)
{
    bool serves = argc > 1 && strcmp(argv[1], "serve") == 0;
    err e = serves ? serve_run(argc, argv) : cli_run(argc, argv);
    fflush(stdout);
    if (e.code)
        fprintf(stderr, "skerry: %s\n", e.msg);
    return err_exit_code(e.code);
}
