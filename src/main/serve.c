/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serve.c -- the server role: opens the house, waits for a signal, closes it in order. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "main/main.h"
#include "platform/app/app.h"

static const char serve_help[] =
    "usage: skerry serve\n\n"
    "Runs the HTTP API, the scheduler and the job workers in one process, until Ctrl-C or "
    "SIGTERM.\n"
    "Settings come from the environment or .env (skerry config shows them all):\n\n"
    "    SKERRY_HOME=/srv/skerry API_PORT=8001 skerry serve\n";

err serve_run(int argc, char **argv)
{
    if (argc > 2) {
        if (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0) {
            fputs(serve_help, stdout);
            return OK;
        }
        return ERR(ERR_INVALID,
                   "skerry serve takes no argument '%s'; settings come from the environment "
                   "(skerry serve --help)",
                   argv[2]);
    }
    /* Blocked before the first thread starts, so that every thread inherits it and only sigwait
     * sees them. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);

    struct house *h = NULL;
    TRY(house_open(&(struct house_options){ .mode = HOUSE_SERVE }, &h));
    err e = house_serve(h);
    if (!e.code) {
        str address = setting_str(h, "SKERRY_BIND");
        printf("skerry serves on http://%.*s:%d  (data in %s; stop with Ctrl-C)\n",
               STR_ARG(address), http_port(house_http(h)), house_home(h));
        fflush(stdout);
        int signal_number;
        sigwait(&stop, &signal_number);
        log_event(house_log(h), LOG_INFO, NULL, "serve.stopping", NULL,
                  F_INT("signal", signal_number));
    }
    house_close(h);
    return e;
}
