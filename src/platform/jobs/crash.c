/* SPDX-License-Identifier: GPL-3.0-or-later */
/* crash.c -- did the process that held a lease crash, or did somebody end it?
 *
 * A process that dies of a fatal signal of its own making (SIGSEGV, a failed assertion) leaves a
 * small file behind, named like its leases, with the number of the signal. kill -9, the kernel's
 * out-of-memory killer and a power cut leave none. Notes are read when jobs of dead processes are
 * put back, and removed after that.
 *
 * The handler calls only what is allowed in one. Then the signal takes its course, with whatever
 * handler was there before (a sanitizer's), so that core dumps are as they would be without us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/jobs/jobs_internal.h"

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

/* A handler has no argument of ours. */
static struct {
    char path[FS_PATH_BYTES]; /* empty: no handlers are installed */
    pid_t pid;                /* children that were forked must not speak for us */
    struct sigaction before[COUNT_OF(fatal)];
} note;

static void restore_handlers(void)
{
    for (size_t i = 0; i < COUNT_OF(fatal); i++)
        sigaction(fatal[i], &note.before[i], NULL);
}

static void on_fatal(int signal_number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    char digits[3] = { (char)('0' + signal_number / 10 % 10), (char)('0' + signal_number % 10),
                       '\n' };
    (void)context;
    if (getpid() == note.pid) {
        int fd = open(note.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        if (fd >= 0) {
            if (write(fd, digits, sizeof digits) < 0)
                digits[0] = '\0'; /* the name of the file says enough */
            close(fd);
        }
    }
    restore_handlers();
    errno = saved_errno;
    /* A fault comes again when we return to it; a signal that was sent must be sent again. */
    if (info->si_code <= 0)
        raise(signal_number);
}

/* Folder and worker as a path; a worker's name may hold what a file's name may not. */
static err note_path(const char *folder, str worker, char out[FS_PATH_BYTES])
{
    char name[PROCESS_NAME_BYTES];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(worker));
    for (char *c = name; *c; c++)
        *c = (char)(*c == '/' ? '_' : *c);
    return fs_join(out, folder, name);
}

err crash_notes_open(const char *folder, const char *worker)
{
    char path[FS_PATH_BYTES];
    TRY(fs_mkdirs(folder));
    TRY(note_path(folder, str_of(worker), path));
    crash_notes_close();
    memcpy(note.path, path, sizeof(path));
    note.pid = getpid();
    for (size_t i = 0; i < COUNT_OF(fatal); i++) {
        struct sigaction action = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        sigemptyset(&action.sa_mask);
        sigaction(fatal[i], &action, &note.before[i]);
    }
    return OK;
}

void crash_notes_close(void)
{
    if (note.path[0])
        restore_handlers();
    note.path[0] = '\0';
}

bool crash_note_exists(const char *folder, str worker)
{
    char path[FS_PATH_BYTES];
    err e = note_path(folder, worker, path);
    return !e.code && fs_exists(path);
}

struct sweep {
    const char *folder;
    str own;
    void (*fn)(void *arg, const char *worker, int signal_number);
    void *arg;
};

static err sweep_one(void *arg, const char *name)
{
    struct sweep *s = arg;
    char path[FS_PATH_BYTES], digits[2] = "00";
    if (!process_is_dead(str_of(name), s->own))
        return OK;
    TRY(fs_join(path, s->folder, name));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return OK; /* another process has swept it */
    bool has_number = read(fd, digits, sizeof digits) == sizeof digits;
    close(fd);
    s->fn(s->arg, name, has_number ? (digits[0] - '0') * 10 + digits[1] - '0' : 0);
    unlink(path);
    return OK;
}

err crash_notes_sweep(const char *folder, str own,
                      void (*fn)(void *arg, const char *worker, int signal_number), void *arg)
{
    struct sweep s = { folder, own, fn, arg };
    return fs_list(folder, sweep_one, &s);
}
