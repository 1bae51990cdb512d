/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verbs_plugin.c -- `skerry plugin build`, `skerry plugin header`, `skerry chess analyse`. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/chess/analytics.h"
#include "apps/chess/chess_app.h"
#include "base/fs.h"
#include "base/rand.h"

enum { VERB_ARENA_BYTES = 64 * 1024 * 1024 };

/* The public header, as it was when this program was built: written by the build. */
extern const char plugin_header_text[];
extern const size_t plugin_header_bytes;

/* Compiles source into out with the header from a folder of our own. The compiler's words go to
 * stderr. */
static err compile(const char *source, const char *include, const char *out)
{
    const char *cc = getenv("CC");
    char include_option[FS_PATH_BYTES + 2];
    snprintf(include_option, sizeof include_option, "-I%s", include);
    pid_t pid = fork();
    if (pid < 0)
        return ERR_SYS("starting the compiler");
    if (pid == 0) {
        execlp(cc && cc[0] ? cc : "cc", cc && cc[0] ? cc : "cc", "-O2", "-g", "-fPIC", "-shared",
               "-fvisibility=hidden", "-Wall", "-Wextra", include_option, source, "-o", out, "-lm",
               (char *)NULL);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return ERR(ERR_NOT_FOUND, "there is no C compiler '%s': install gcc, or set CC",
                   cc && cc[0] ? cc : "cc");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return ERR(ERR_INVALID, "compiling '%s' failed: see above", source);
    return OK;
}

/* Builds in a folder of its own, tries the plugin in a fenced child, and only then moves it in. */
static err build_in(struct house *h, const char *source, const char *work, bool json)
{
    char include[FS_PATH_BYTES], header[FS_PATH_BYTES], built[FS_PATH_BYTES], folder[FS_PATH_BYTES],
        final[FS_PATH_BYTES], name[80];
    struct plugin_child child;
    TRY(fs_join(include, work, "skerry"));
    TRY(fs_mkdirs(include));
    TRY(fs_join(header, include, "plugin.h"));
    TRY(fs_write_durable(header, str_from(plugin_header_text, plugin_header_bytes)));
    TRY(fs_join(built, work, "plugin.so"));
    TRY(compile(source, work, built));
    TRY(plugin_child_start(built, &child));
    plugin_child_stop(&child);
    TRY(analytics_folder(h, folder));
    TRY(fs_mkdirs(folder));
    snprintf(name, sizeof name, "%s.so", child.info.name);
    TRY(fs_join(final, folder, name));
    if (rename(built, final) != 0)
        return ERR_SYS("moving the plugin to '%s'", final);
    if (json)
        printf("{\"name\":\"%s\",\"version\":\"%s\",\"path\":\"%s\"}\n", child.info.name,
               child.info.version, final);
    else
        printf("built %s version %s into %s\n%s\nIt runs over all games with the next pass: skerry "
               "chess analyse\n",
               child.info.name, child.info.version, final, child.info.summary);
    return OK;
}

static err build(struct house *h, const char *file, bool json)
{
    char source[PATH_MAX], folder[FS_PATH_BYTES], work[FS_PATH_BYTES], name[HEX_ID_BYTES + 8],
        id[HEX_ID_BYTES];
    if (!realpath(file, source))
        return ERR_SYS("reading '%s'", file);
    rand_hex_id(id);
    snprintf(name, sizeof name, ".build-%s",
             id); /* inside the plugin folder: the move at the end is a rename */
    TRY(analytics_folder(h, folder));
    TRY(fs_join(work, folder, name));
    TRY(fs_mkdirs(work));
    err e = build_in(h, source, work, json);
    return err_first(e, fs_remove_tree(work));
}

err verb_plugin(struct house *h, const struct verb_args *args)
{
    if (args->count == 1 && strcmp(args->values[0], "header") == 0) {
        fwrite(plugin_header_text, 1, plugin_header_bytes, stdout);
        return OK;
    }
    if (args->count != 2 || strcmp(args->values[0], "build") != 0)
        return ERR(ERR_INVALID, "usage: skerry plugin build FILE.c, or skerry plugin header");
    return build(h, args->values[1], args->json);
}

err verb_analyse(struct house *h, const struct verb_args *args)
{
    arena keep;
    struct job_info info;
    struct job_spec spec;
    TRY(analytics_spec(h, &spec));
    arena_init(&keep, VERB_ARENA_BYTES);
    err e = app_run_job(h, &spec, args->json, &keep, &info);
    arena_deinit(&keep);
    return e;
}
