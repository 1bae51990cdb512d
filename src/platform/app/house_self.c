/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_self.c -- what a process tells the others about itself: where it stands, what it has.
 *
 * The place is the data folder, not the machine: files lie in folders, and two machines may bear
 * one name. It is called by a random word that is made once and kept in the folder.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rand.h"
#include "platform/app/house_private.h"

enum { PLACE_CHARS = 16, GPUS_MAX = 64 };

/* ------------------------------------------------------------------ the place */

static bool is_place(str text)
{
    bool ok = text.len == PLACE_CHARS;
    for (size_t i = 0; ok && i < text.len; i++)
        ok = isxdigit((unsigned char)text.ptr[i]) != 0;
    return ok;
}

/* Two processes may come first at the same time: the file of whoever links it is the one. */
static err place_make(const char *path, const char *home)
{
    char word[HEX_ID_BYTES], own[FS_PATH_BYTES], name[64];
    rand_hex_id(word);
    snprintf(name, sizeof name, "place.%d", (int)getpid());
    TRY(fs_join(own, home, name));
    TRY(fs_write_durable(own, str_from(word + HEX_ID_BYTES - 1 - PLACE_CHARS, PLACE_CHARS)));
    err e = link(own, path) != 0 && errno != EEXIST ? ERR_SYS("making '%s'", path) : OK;
    unlink(own);
    return e.code ? e : fs_sync_dir(home);
}

err house_place(struct house *h, const char **ret_place)
{
    char path[FS_PATH_BYTES];
    str text = STR_NONE;
    TRY(fs_join(path, h->home, "place"));
    if (!fs_exists(path))
        TRY(place_make(path, h->home));
    TRY(fs_read(&h->keep, path, 4096, &text));
    text = str_trim(text);
    if (!is_place(text))
        return ERR(
            ERR_CORRUPT,
            "'%s' does not hold the %d hex digits that name this data folder: remove it, and "
            "a new name is made (jobs that wait for files of this folder then wait for ever)",
            path, PLACE_CHARS);
    *ret_place = arena_cstr(&h->keep, text);
    ARENA_TRY(*ret_place);
    return OK;
}

/* ------------------------------------------------------------------ the machine */

static int64_t number_in(const char *path)
{
    long long number = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    int got = fscanf(f, "%lld", &number); /* "max" is no number: no limit */
    fclose(f);
    return got == 1 && number > 0 ? number : 0;
}

/* What the machine has, or what the container may use of it. */
static int64_t memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t all = pages > 0 && page > 0 ? (int64_t)pages * page : 0;
    int64_t limit = number_in("/sys/fs/cgroup/memory.max");
    return limit && limit < all ? limit : all;
}

/* "Model: \t\t NVIDIA H200" of a card that the driver has. */
static bool model_in(const char *path, char out[96])
{
    char line[256];
    bool found = false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (!found && fgets(line, sizeof line, f)) {
        str text = str_of(line);
        if (!str_starts(text, STR("Model:")))
            continue;
        text = str_trim(str_sub(text, 6, text.len - 6));
        snprintf(out, 96, "%.*s", STR_ARG(text));
        found = true;
    }
    fclose(f);
    return found;
}

/* The devices that a container was given count, not the cards of the machine. */
static int gpu_devices(void)
{
    char path[32];
    int count = 0;
    for (int i = 0; i < GPUS_MAX; i++) {
        snprintf(path, sizeof path, "/dev/nvidia%d", i);
        count += access(path, F_OK) == 0;
    }
    return count;
}

static err gpu_of(struct house *h, const char **ret_gpu)
{
    static const char folder[] = "/proc/driver/nvidia/gpus";
    char model[96] = "NVIDIA";
    int count = gpu_devices();
    *ret_gpu = "";
    if (!count)
        return OK;
    DIR *dir = opendir(folder);
    for (struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        char path[sizeof folder + sizeof d->d_name + 16];
        snprintf(path, sizeof path, "%s/%s/information", folder, d->d_name);
        if (d->d_name[0] != '.' && model_in(path, model))
            break;
    }
    if (dir)
        closedir(dir);
    str text = arena_fmt(&h->keep, "%d x %s", count, model);
    ARENA_TRY(text.ptr);
    *ret_gpu = text.ptr;
    return OK;
}

/* ------------------------------------------------------------------ all of it */

err house_self(struct house *h, struct worker_self *ret_self)
{
    bool is_work = h->mode == HOUSE_WORK;
    char host[64] = "host";
    gethostname(host, sizeof host - 1);
    str name = setting_str(h, "SKERRY_WORKER_NAME");
    struct worker_self self = {
        .name = arena_cstr(&h->keep, name.len ? name : str_of(host)),
        .role = is_work                  ? "work"
                : h->mode == HOUSE_SERVE ? "serve"
                                         : "verb",
        .version = SKERRY_VERSION,
        .takes = arena_cstr(&h->keep, is_work ? setting_str(h, "SKERRY_WORK_KINDS") : STR("")),
        .cores = thread_core_count(),
        .memory_bytes = memory_bytes(),
    };
    ARENA_TRY(self.name);
    ARENA_TRY(self.takes);
    if (strlen(self.name) > 63 || strpbrk(self.name, "/\"\n"))
        return ERR(ERR_INVALID,
                   "SKERRY_WORKER_NAME '%.80s' must have at most 63 bytes, without / and quotes",
                   self.name);
    TRY(house_place(h, &self.place));
    TRY(gpu_of(h, &self.gpu));
    *ret_self = self;
    return OK;
}

err house_must_share(struct house *h)
{
    if (!str_starts(setting_str(h, "SKERRY_DB"), STR("postgres")))
        return ERR(ERR_INVALID, "skerry work shares its store with other machines: set SKERRY_DB="
                                "postgresql://... (with SQLite, skerry serve does the jobs itself, "
                                "SKERRY_WORKERS at a time)");
    if (!str_starts(setting_str(h, "SKERRY_BLOBS"), STR("s3:")))
        return ERR(ERR_INVALID,
                   "skerry work shares its blobs with other machines: set SKERRY_BLOBS=s3://bucket "
                   "as the server has it (a folder is seen by one machine only)");
    return OK;
}
