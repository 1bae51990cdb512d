/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/app/server_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"

enum { REPLY_BYTES_MAX = 4 * 1024 * 1024, REPLY_WAIT_S = 60, LOCK_NOTE_BYTES_MAX = 256 };

bool server_find(const char *home, struct server_address *ret_server)
{
    char path[FS_PATH_BYTES];
    int fd;
    err e = fs_join(path, home, "serve.lock");
    if (e.code || !fs_exists(path))
        return false;
    arena keep;
    str note = STR_NONE;
    arena_init(&keep, 64 * 1024);
    e = fs_read(&keep, path, LOCK_NOTE_BYTES_MAX, &note);
    int pid = 0, port = 0;
    bool readable = !e.code && sscanf(note.ptr, "pid %d, port %d", &pid, &port) == 2;
    arena_deinit(&keep);
    /* The note may be a dead server's: only the lock tells. */
    e = fs_lock(path, STR_NONE, &fd);
    if (!e.code)
        close(fd);
    if (!readable || e.code != ERR_CONFLICT)
        return false;
    *ret_server = (struct server_address){ pid, port };
    return true;
}

static err exchange(int fd, const struct server_address *server, const char *path, str body,
                    struct buf *reply)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)server->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval wait = { .tv_sec = REPLY_WAIT_S };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return ERR_SYS("connecting to the server (pid %d) on port %d", server->pid, server->port);
    const char *key = getenv("SKERRY_KEY");
    struct buf request;
    buf_init(&request, body.len + 4096);
    buf_add_fmt(&request,
                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\nContent-Type: "
                "application/json\r\nContent-Length: %zu\r\n",
                path, server->port, body.len);
    if (key && key[0])
        buf_add_fmt(&request, "Authorization: Bearer %s\r\n", key);
    buf_add_cstr(&request, "\r\n");
    buf_add(&request, body);
    err e = buf_check(&request);
    if (!e.code)
        e = fs_write_all(fd, request.ptr, request.len);
    buf_deinit(&request);
    while (!e.code) {
        char piece[16384];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            e = ERR_SYS("waiting for the server (pid %d) on port %d", server->pid, server->port);
        if (got <= 0)
            break;
        buf_add_bytes(reply, piece, (size_t)got);
    }
    return err_first(e, buf_check(reply));
}

static err read_reply(str reply, arena *keep, str *ret_body)
{
    int status = 0;
    ptrdiff_t head_end = str_find(reply, STR("\r\n\r\n"));
    if (head_end < 0 || sscanf(reply.ptr, "HTTP/1.1 %d", &status) != 1)
        return ERR(ERR_UPSTREAM, "the server answered with something that is not HTTP");
    str body = arena_str(keep, str_sub(reply, (size_t)head_end + 4, reply.len));
    ARENA_TRY(body.ptr);
    if (status < 400) {
        *ret_body = body;
        return OK;
    }
    const struct json *problem = NULL;
    err e = json_parse(keep, body, &problem);
    str detail = e.code ? STR("no reason given")
                        : json_str(json_get(problem, "detail"), STR("no reason given"));
    enum err_code code = status == 404   ? ERR_NOT_FOUND
                         : status == 409 ? ERR_CONFLICT
                         : status < 500  ? ERR_INVALID
                                         : ERR_UPSTREAM;
    return ERR(code, "the server answered %d: %.*s", status, STR_ARG(detail));
}

err server_post(const struct server_address *server, const char *path, str json_body, arena *keep,
                str *ret_body)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYS("making a socket");
    struct buf reply;
    buf_init(&reply, REPLY_BYTES_MAX);
    err e = exchange(fd, server, path, json_body, &reply);
    close(fd);
    if (!e.code)
        e = read_reply(buf_str(&reply), keep, ret_body);
    buf_deinit(&reply);
    return e;
}
