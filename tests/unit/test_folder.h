/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_folder.h -- a new folder for a test that needs files but is not about disks: in memory,
 * where there is room. On ext4 the 256 folders of a blob store cost more than most of the tests in
 * them, and a commit waits for the disk. Tests of room store, of blobs and of files stay on the
 * disk.
 */
#ifndef SKERRY_TEST_FOLDER_H
#define SKERRY_TEST_FOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A test takes a few MiB; containers often give /dev/shm 64 MiB in all, which is too little. */
#define TEST_FOLDER_ROOM_BYTES (512ull << 20)

/* Makes /dev/shm/skerry-NAME-xxxxxx or /tmp/skerry-NAME-xxxxxx; false when neither can be made. */
static inline bool test_folder_make(char *folder, size_t bytes, const char *name)
{
    struct statvfs vfs;
    bool has_room = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &vfs) == 0 &&
                    (uint64_t)vfs.f_bavail * vfs.f_frsize >= TEST_FOLDER_ROOM_BYTES;
    snprintf(folder, bytes, "%s/skerry-%s-XXXXXX", has_room ? "/dev/shm" : "/tmp", name);
    return mkdtemp(folder) != NULL;
}

#endif
