/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs a fuzz target over every file of the folders that are given, without a fuzzer: so the inputs
 * that once broke something are part of every test run, with any compiler. A folder without a file
 * is an error, because a replay of nothing would always pass. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 64 * 1024 * 1024, PATH_BYTES = 4096 };

static int fail(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
}

/* An exact copy, so that a sanitizer sees a read past the end. */
static int replay(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(bytes ? bytes : 1);
    if (!file || !data || fread(data, 1, bytes, file) != bytes) {
        if (file)
            fclose(file);
        free(data);
        return fail(path);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last line names the file that crashes */
    LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    return 0;
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return fail(folder);
    int count = 0;
    const struct dirent *entry;
    while (count >= 0 && (entry = readdir(dir))) {
        char path[PATH_BYTES];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
            st.st_size > INPUT_BYTES_MAX)
            continue;
        count = replay(path, (size_t)st.st_size) == 0 ? count + 1 : -1;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);
        if (count <= 0) {
            fprintf(stderr, "%s: %s\n", argv[i], count ? "failed" : "holds no inputs");
            return 1;
        }
        printf("%s: %d inputs\n", argv[i], count);
    }
    return argc > 1 ? 0 : 1;
}
