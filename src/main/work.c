/* SPDX-License-Identifier: GPL-3.0-or-later */
/* work.c -- the worker role: opens the house without its API, does jobs, drains, closes.
 *
 * The first SIGTERM, or a wish of somebody else (skerry workers drain), lets running jobs go on for
 * SKERRY_DRAIN_SECONDS and takes no new ones. Then, or at the second signal, those that still run
 * keep a checkpoint and are queued again at once: another worker goes on with them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "main/main.h"
#include "platform/app/app.h"

enum { LOOK_MS = 200 };

static const char work_help[] =
    "usage: skerry work [--kinds LIST] [--name NAME]\n\n"
    "Does jobs for a skerry serve on another machine, until Ctrl-C or SIGTERM. Both share\n"
    "SKERRY_DB (PostgreSQL) and SKERRY_BLOBS (S3). Other settings: SKERRY_WORKERS (jobs at a\n"
    "time), SKERRY_WORK_KINDS, SKERRY_WORKER_NAME, SKERRY_WORK_PORT, SKERRY_DRAIN_SECONDS.\n\n"
    "    skerry work --kinds chess.train,chess.evaluate --name rack-2\n";

static err options_read(int argc, char **argv, bool *ret_is_help)
{
    static const struct {
        const char *option, *setting;
    } known[] = { { "--kinds", "SKERRY_WORK_KINDS" }, { "--name", "SKERRY_WORKER_NAME" } };
    for (int i = 2; i < argc; i++) {
        bool is_known = false;
        *ret_is_help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        for (size_t k = 0; !*ret_is_help && k < COUNT_OF(known); k++) {
            if (strcmp(argv[i], known[k].option) != 0)
                continue;
            if (i + 1 == argc)
                return ERR(ERR_INVALID, "%s needs a value (skerry work --help)", argv[i]);
            setenv(known[k].setting, argv[++i], 1);
            is_known = true;
            break;
        }
        if (!is_known && !*ret_is_help)
            return ERR(ERR_INVALID, "skerry work takes no argument '%s' (skerry work --help)",
                       argv[i]);
    }
    return OK;
}

/* True when a signal came within wait_ms. */
static bool signal_comes(const sigset_t *stop, int64_t wait_ms)
{
    struct timespec wait = { wait_ms / 1000, wait_ms % 1000 * 1000000 };
    return sigtimedwait(stop, NULL, &wait) > 0;
}

static void drain(struct house *h, const sigset_t *stop)
{
    int64_t wait_ns = setting_int(h, "SKERRY_DRAIN_SECONDS") * 1000000000;
    int64_t until_ns = clock_mono_ns() + wait_ns;
    jobs_drain(house_jobs(h), true);
    size_t count = jobs_running_count(house_jobs(h));
    log_event(house_log(h), LOG_INFO, NULL, "work.draining", NULL, F_INT("jobs", (int64_t)count));
    while (count && clock_mono_ns() < until_ns && !signal_comes(stop, LOOK_MS))
        count = jobs_running_count(house_jobs(h));
    log_event(house_log(h), LOG_INFO, NULL, "work.stopping", NULL,
              F_INT("handed_back", (int64_t)jobs_running_count(house_jobs(h))));
}

err work_run(int argc, char **argv)
{
    bool is_help = false;
    TRY(options_read(argc, argv, &is_help));
    if (is_help) {
        fputs(work_help, stdout);
        return OK;
    }
    /* Blocked before the first thread starts: see serve.c. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);

    struct house *h = NULL;
    TRY(house_open(&(struct house_options){ .mode = HOUSE_WORK }, &h));
    err e = house_work(h);
    if (!e.code) {
        printf("skerry works  (data in %s; stop with Ctrl-C)\n", house_home(h));
        fflush(stdout);
        while (!jobs_is_draining(house_jobs(h)) && !signal_comes(&stop, LOOK_MS)) {
        }
        drain(h, &stop);
    }
    house_close(h);
    return e;
}
