/* SPDX-License-Identifier: GPL-3.0-or-later */
/* news.c -- how a server hears that a verb beside it made or revoked a key.
 *
 * The store of one machine has no wake-ups between processes, and a revoked key must not work until
 * somebody happens to look. So whoever changes keys replaces a file, and each request with a key
 * asks the kernel whether it is still the same one: a microsecond. A shared store tells by itself;
 * there the file does no harm.
 */
#include <sys/stat.h>

#include "base/fs.h"
#include "base/rand.h"
#include "platform/auth/auth_internal.h"

uint64_t auth_news_state(const struct auth *a)
{
    struct stat st;
    if (!a->news_path || stat(a->news_path, &st) != 0)
        return 0;
    return ((uint64_t)st.st_ino * 0x9E3779B97F4A7C15u) ^ (uint64_t)st.st_mtim.tv_sec << 20 ^
           (uint64_t)st.st_mtim.tv_nsec;
}

void auth_news_tell(struct auth *a)
{
    char word[HEX_ID_BYTES];
    if (!a->news_path)
        return;
    rand_hex_id(word);
    err e = fs_write_durable(a->news_path, str_of(word));
    if (e.code && a->log) /* a server then hears at its next start */
        log_error(a->log, NULL, "auth.news_failed", &e);
}
