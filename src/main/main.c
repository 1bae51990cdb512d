/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main.c -- the edge of the program: runs a role and turns its error into a sentence and an exit
 * code. */
#include <stdio.h>
#include <string.h>

#include "main/main.h"
#include "platform/app/app.h"

/* Children that we start ourselves; people never type this. */
static int run_role(const char *name, int argc, char **argv)
{
    for (size_t i = 0; app_registry[i]; i++)
        for (const struct role *r = app_registry[i]->roles; r && r->name; r++)
            if (strcmp(r->name, name) == 0)
                return r->run(argc, argv);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "--role=", 7) == 0)
        return run_role(argv[1] + 7, argc, argv);
    const char *word = argc > 1 ? argv[1] : "";
    err e = strcmp(word, "serve") == 0  ? serve_run(argc, argv)
            : strcmp(word, "work") == 0 ? work_run(argc, argv)
                                        : cli_run(argc, argv);
    fflush(stdout);
    if (e.code)
        fprintf(stderr, "skerry: %s\n", e.msg);
    return err_exit_code(e.code);
}
