/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "client.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"

int client_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = { .tv_sec = CLIENT_PATIENCE_S };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail_msg("connecting to port %d: %s", port, strerror(errno));
    return fd;
}

void client_close(int fd)
{
    close(fd);
}

bool client_try_send(int fd, const void *bytes, size_t count)
{
    const char *p = bytes;
    while (count) {
        ssize_t n = send(fd, p, count, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        count -= (size_t)n;
    }
    return true;
}

void client_send_bytes(int fd, const void *bytes, size_t count)
{
    if (!client_try_send(fd, bytes, count))
        fail_msg("sending: %s", strerror(errno));
}

void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

/* Appends what comes; false at the end. */
static bool read_more(int fd, struct buf *in, size_t most)
{
    char *room = buf_reserve(in, most);
    assert_non_null(room);
    ssize_t n;
    do
        n = recv(fd, room, most, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET)
        fail_msg("the server stays silent: %s", strerror(errno));
    if (n <= 0)
        return false;
    in->len += (size_t)n;
    in->ptr[in->len] = '\0';
    return true;
}

/* One byte at a time up to the blank line, so that nothing of a next answer is taken. */
static void read_head(int fd, struct buf *in)
{
    while (!str_ends(buf_str(in), STR("\r\n\r\n")))
        if (!read_more(fd, in, 1))
            fail_msg("no answer, only: '%s'", in->len ? in->ptr : "");
}

static void read_exactly(int fd, struct buf *in, size_t count)
{
    while (count) {
        size_t before = in->len;
        if (!read_more(fd, in, count))
            fail_msg("the body ends %zu bytes early", count);
        count -= in->len - before;
    }
}

/* False when the server broke off before the last chunk. */
static bool read_chunks(int fd, struct buf *in)
{
    for (;;) {
        struct buf line;
        buf_init(&line, 64);
        while (!str_ends(buf_str(&line), STR("\r\n")))
            if (!read_more(fd, &line, 1)) {
                buf_deinit(&line);
                return false;
            }
        size_t size = strtoul(line.ptr, NULL, 16);
        buf_deinit(&line);
        read_exactly(fd, in, size);
        size_t end = in->len;
        read_exactly(fd, in, 2);
        in->len = end;
        in->ptr[end] = '\0';
        if (size == 0)
            return true;
    }
}

str answer_header(const struct answer *a, const char *name)
{
    str rest = a->head;
    while (rest.len) {
        str line = str_split(&rest, '\n');
        ptrdiff_t colon = str_find_char(line, ':');
        if (colon > 0 && str_eq_nocase(str_sub(line, 0, (size_t)colon), str_of(name)))
            return str_trim(str_sub(line, (size_t)colon + 1, line.len));
    }
    return STR("");
}

struct answer client_read(int fd, bool head_only)
{
    struct answer a = { 0 };
    struct buf in;
    buf_init(&in, 256 << 20);
    do { /* an interim "100 Continue" is not the answer */
        buf_clear(&in);
        read_head(fd, &in);
    } while (str_starts(buf_str(&in), STR("HTTP/1.1 100")));
    size_t head_len = in.len;
    a.head = buf_str(&in);
    a.status = (int)strtol(in.ptr + 9, NULL, 10);
    int64_t length = -1;
    err e = str_to_i64(answer_header(&a, "Content-Length"), &length);
    bool is_chunked = str_eq(answer_header(&a, "Transfer-Encoding"), STR("chunked"));
    bool closes = str_eq_nocase(answer_header(&a, "Connection"), STR("close"));
    bool empty = head_only || a.status == 204 || a.status == 304;
    if (!empty && is_chunked)
        a.closed = !read_chunks(fd, &in);
    else if (!empty && !e.code)
        read_exactly(fd, &in, (size_t)length);
    else if (!empty && closes)
        while (read_more(fd, &in, 4096))
            ;
    a.closed |= closes;
    a.text = in.ptr;
    a.head = str_from(in.ptr, head_len);
    a.body = str_from(in.ptr + head_len, in.len - head_len);
    return a;
}

void answer_free(struct answer *a)
{
    free(a->text);
    *a = (struct answer){ 0 };
}

bool client_at_end(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

struct answer client_ask(int port, const char *method, const char *target, const char *headers,
                         const char *body)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    buf_add_fmt(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s", method,
                target, headers ? headers : "");
    if (body)
        buf_add_fmt(&out, "Content-Length: %zu\r\n", strlen(body));
    buf_add_fmt(&out, "\r\n%s", body ? body : "");
    int fd = client_connect(port);
    client_send_bytes(fd, out.ptr, out.len);
    struct answer a = client_read(fd, !strcmp(method, "HEAD"));
    client_close(fd);
    buf_deinit(&out);
    return a;
}
