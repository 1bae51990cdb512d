/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sim_http.c -- a load generator: one thread, many connections that stay open, a game at a time on
 * each. It must cost little beside the server it measures: answers are not parsed but searched for
 * the few members that are needed, and what they say is checked against the rules, which are the
 * same on both sides. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/rps/sim.h"
#include "apps/rps/sim_answer.h"
#include "base/clock.h"

enum {
    REPLY_BYTES_MAX = 16 * 1024,
    REQUEST_BYTES_MAX = 1024,
    EVENTS_MAX = 64,
    QUIET_MS_MAX = 30000, /* nothing came for so long: given up */
    /* Buckets of latency: 64 to each doubling of microseconds. */
    FINE = 64,
    BUCKETS = 24 * FINE,
};

struct client {
    int fd;
    char id[RPS_ID_BYTES_MAX + 1]; /* empty: the game is being started */
    struct rps_game game;
    struct rps_round rounds[RPS_ROUNDS_MAX];
    struct rps_points points;
    unsigned move;
    int64_t sent_ns;
    size_t len;
    char reply[REPLY_BYTES_MAX];
};

struct load {
    const struct rps_sim_plan *plan;
    struct rps_sim_result result;
    struct rng rng;
    int64_t started; /* games */
    int epoll, open_count;
    int64_t buckets[BUCKETS];
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* ------------------------------------------------------------------ latency */

static size_t bucket_of(int64_t us)
{
    size_t shift = 0;
    while (us >= 2 * FINE) {
        us >>= 1;
        shift++;
    }
    size_t at = shift * FINE + (size_t)us;
    return at < BUCKETS ? at : BUCKETS - 1;
}

static double bucket_seconds(size_t at)
{
    size_t shift = at < 2 * FINE ? 0 : at / FINE - 1;
    return (double)((at - shift * FINE) << shift) / 1e6;
}

static double quantile(const struct load *l, double q)
{
    int64_t below = 0, wanted = (int64_t)(q * (double)l->result.rounds);
    for (size_t i = 0; i < BUCKETS; i++) {
        below += l->buckets[i];
        if (below > wanted)
            return bucket_seconds(i);
    }
    return 0;
}

static void note_latency(struct load *l, const struct client *c)
{
    int64_t ns = clock_mono_ns() - c->sent_ns;
    l->buckets[bucket_of(ns / 1000)]++;
    if ((double)ns / 1e9 > l->result.longest)
        l->result.longest = (double)ns / 1e9;
}

/* ------------------------------------------------------------------ asking */

static err send_request(struct load *l, struct client *c, const char *path, const char *body)
{
    char request[REQUEST_BYTES_MAX];
    const struct rps_sim_plan *plan = l->plan;
    int len = snprintf(request, sizeof request,
                       "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
                       "%s%s%sContent-Length: %zu\r\n\r\n%s",
                       path, plan->host, plan->port, plan->key ? "Authorization: Bearer " : "",
                       plan->key ? plan->key : "", plan->key ? "\r\n" : "", strlen(body), body);
    if (len < 0 || (size_t)len >= sizeof request)
        return ERR(ERR_INVALID, "the host's name or the key is too long");
    c->len = 0;
    c->sent_ns = clock_mono_ns();
    /* A request is far smaller than a socket's buffer, which is empty: nothing else was sent. */
    ssize_t sent = send(c->fd, request, (size_t)len, MSG_NOSIGNAL);
    if (sent != len)
        return ERR_SYS("sending to %s:%d", plan->host, plan->port);
    return OK;
}

static err start_game(struct load *l, struct client *c)
{
    char body[256];
    c->id[0] = '\0';
    c->game = (struct rps_game){ 0 };
    l->started++;
    snprintf(body, sizeof body, "{\"player_name\":\"sim%d\",\"policy\":\"%s\",\"is_test\":%s}",
             c->fd, l->plan->policy->name, l->plan->is_kept ? "false" : "true");
    return send_request(l, c, "/start_game", body);
}

static err play_round(struct load *l, struct client *c)
{
    char body[256];
    rps_round_points(str_of(c->id), (int64_t)c->game.rounds + 1, &c->points);
    c->move = rps_sim_move(l->plan, c->rounds, c->game.rounds, &c->points, &c->game, &l->rng);
    snprintf(body, sizeof body, "{\"game_id\":\"%s\",\"user_move\":\"%s\",\"round\":%u}", c->id,
             rps_move_name(c->move), c->game.rounds + 1);
    return send_request(l, c, "/play", body);
}

/* ------------------------------------------------------------------ answers */

static bool is_same(double a, double b)
{
    return a == b;
}

/* Plays the round here, too; false when the server says something else. */
static bool follow(struct client *c, str body)
{
    unsigned bot = rps_move_find(rps_answer_text(body, "\"bot_move\":\""));
    struct rps_round *round = &c->rounds[c->game.rounds];
    if (bot == RPS_NO_MOVE || c->game.rounds == RPS_ROUNDS_MAX)
        return false;
    err e = rps_game_play(&c->game, c->move, bot, &c->points, round);
    bool is_over = str_contains(body, STR("\"finished\":true"));
    return !e.code && is_same(rps_answer_number(body, "\"user_score\":"), round->user_score) &&
           is_same(rps_answer_number(body, "\"bot_score\":"), round->bot_score) &&
           is_same(rps_answer_number(body, "\"round\":"), (double)round->number) &&
           is_over == (c->game.winner != RPS_NOBODY_YET);
}

static void hang_up(struct load *l, struct client *c)
{
    close(c->fd);
    c->fd = -1;
    l->open_count--;
}

static err next_game(struct load *l, struct client *c)
{
    if (l->started < l->plan->games)
        return start_game(l, c);
    hang_up(l, c);
    return OK;
}

static void note_game(struct load *l, const struct client *c)
{
    struct rps_sim_result *r = &l->result;
    r->games++;
    r->user_wins += c->game.winner == RPS_USER_WINS;
    r->bot_wins += c->game.winner == RPS_BOT_WINS;
    r->ties += c->game.winner == RPS_TIE;
    r->user_points += c->game.user_score;
    r->bot_points += c->game.bot_score;
}

static err take_answer(struct load *l, struct client *c, const struct rps_answer *answer)
{
    str body = answer->body;
    if (!answer->is_good) {
        l->result.failures++;
        return next_game(l, c);
    }
    if (!c->id[0]) {
        str id = rps_answer_text(body, "\"game_id\":\"");
        if (id.len == 0 || id.len > RPS_ID_BYTES_MAX)
            return ERR(ERR_UPSTREAM, "the server started a game without an id");
        memcpy(c->id, id.ptr, id.len);
        c->id[id.len] = '\0';
        return play_round(l, c);
    }
    note_latency(l, c);
    l->result.rounds++;
    if (!follow(c, body)) {
        l->result.mismatches++;
        return next_game(l, c);
    }
    if (c->game.winner == RPS_NOBODY_YET)
        return play_round(l, c);
    note_game(l, c);
    return next_game(l, c);
}

/* Reads what is there; acts when the answer is whole. */
static err take_bytes(struct load *l, struct client *c)
{
    ssize_t got = recv(c->fd, c->reply + c->len, REPLY_BYTES_MAX - c->len, 0);
    if (got <= 0)
        return got == 0 ? ERR(ERR_UPSTREAM, "the server closed a connection")
                        : ERR_SYS("reading from %s:%d", l->plan->host, l->plan->port);
    c->len += (size_t)got;
    struct rps_answer answer;
    enum rps_answer_state state = rps_answer_read(str_from(c->reply, c->len), REPLY_BYTES_MAX,
                                                  &answer);
    if (state == RPS_ANSWER_BROKEN)
        return ERR(ERR_UPSTREAM, "an answer is too long, or none of HTTP/1.1 with a length");
    return state == RPS_ANSWER_WHOLE ? take_answer(l, c, &answer) : OK;
}

/* ------------------------------------------------------------------ connections */

static err look_up(struct load *l)
{
    char port[16];
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found;
    snprintf(port, sizeof port, "%d", l->plan->port);
    int code = getaddrinfo(l->plan->host, port, &hints, &found);
    if (code != 0)
        return ERR(ERR_UPSTREAM, "looking up %s: %s", l->plan->host, gai_strerror(code));
    memcpy(&l->address, found->ai_addr, found->ai_addrlen);
    l->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    return OK;
}

static err open_client(struct load *l, struct client *c)
{
    int yes = 1;
    c->fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return ERR_SYS("making a socket");
    l->open_count++;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(c->fd, (struct sockaddr *)&l->address, l->address_len) != 0)
        return ERR_SYS("connecting to %s:%d", l->plan->host, l->plan->port);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        return ERR_SYS("watching a connection");
    return start_game(l, c);
}

static err run(struct load *l, struct client *clients, int count)
{
    struct epoll_event events[EVENTS_MAX];
    for (int i = 0; i < count; i++)
        TRY(open_client(l, &clients[i]));
    while (l->open_count) {
        int n = epoll_wait(l->epoll, events, EVENTS_MAX, QUIET_MS_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_SYS("waiting for answers");
        if (n == 0)
            return ERR(ERR_TIMEOUT, "the server has not answered for %d s", QUIET_MS_MAX / 1000);
        for (int i = 0; i < n; i++)
            TRY(take_bytes(l, events[i].data.ptr));
    }
    return OK;
}

err rps_sim_http(const struct rps_sim_plan *plan, struct rps_sim_result *ret_result)
{
    int count = plan->games < plan->connections ? (int)plan->games : plan->connections;
    struct load *l = calloc(1, sizeof *l);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    err e = l && clients ? OK : ERR(ERR_NO_MEMORY, "no memory for %d connections", count);
    if (!e.code) {
        l->plan = plan;
        rng_init(&l->rng, plan->seed);
        l->epoll = epoll_create1(EPOLL_CLOEXEC);
        for (int i = 0; i < count; i++)
            clients[i].fd = -1;
        e = l->epoll < 0 ? ERR_SYS("making an epoll") : look_up(l);
    }
    int64_t begun_ns = clock_mono_ns();
    if (!e.code)
        e = run(l, clients, count);
    for (int i = 0; clients && i < count; i++)
        if (clients[i].fd > 0)
            close(clients[i].fd);
    if (!e.code) {
        l->result.seconds = (double)(clock_mono_ns() - begun_ns) / 1e9;
        l->result.p50 = quantile(l, 0.5);
        l->result.p99 = quantile(l, 0.99);
        *ret_result = l->result;
    }
    if (l && l->epoll > 0)
        close(l->epoll);
    free(clients);
    free(l);
    return e;
}
