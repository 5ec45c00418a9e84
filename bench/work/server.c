/* bench/work/server.c - a server: sessions with many short objects and few long ones.
 *
 * Two workers serve 4000 sessions. A request is parsed into small objects (header lines, a body, a reply that
 * grows), which all die at its end; a few things stay with the session (its name, the last lines of its log).
 * Sessions end and others begin. A session is not bound to a worker: the one that frees its old log lines is
 * often not the one that wrote them.
 *
 *     round r:   session s is served by worker (s + r) mod 2, then both wait for each other
 *
 * so every session is served by both in turn, and yet each round's calls are always the same. */
#include "work.h"

#define WORKERS 2
#define SESSIONS 4000
#define LOG 12

struct session {
    struct rng rng;
    char *name;
    char *log[LOG];
    size_t requests, ends_after;
};

struct server {
    struct session *session[SESSIONS];
    size_t rounds;
    pthread_barrier_t round;
};

static char *text(struct rng *r, size_t least, size_t most) {
    size_t n = rng_between(r, least, most);
    char *s = must(malloc(n + 1));
    memset(s, (int)('a' + n % 26), n);
    s[n] = 0;
    return s;
}

static struct session *begin(size_t id, size_t round) {
    struct session *s = must(calloc(1, sizeof *s));
    s->rng.state = id * 1000003u + round;
    s->name = text(&s->rng, 8, 40);
    s->ends_after = rng_between(&s->rng, 5, 200);
    return s;
}

static uint64_t end(struct session *s) {
    uint64_t sum = (unsigned char)s->name[0];
    for (size_t i = 0; i < LOG; i++) {
        if (s->log[i]) sum += (unsigned char)s->log[i][0];
        free(s->log[i]);
    }
    free(s->name);
    free(s);
    return sum;
}

/* The reply grows by pieces, as printf into a buffer does. */
static uint64_t answer(struct rng *r) {
    size_t size = 0, room = 128, goal = rng_size(r, 16384);
    char *reply = must(malloc(room));
    while (size < goal) {
        size_t piece = rng_between(r, 16, 200);
        if (size + piece > room) reply = must(realloc(reply, room = 2 * (size + piece)));
        memset(reply + size, (int)(piece & 127), piece);
        size += piece;
    }
    uint64_t sum = size + (unsigned char)reply[size / 2];
    free(reply);
    return sum;
}

static uint64_t request(struct session *s) {
    char *header[20], *body;
    uint64_t sum = 0;
    size_t headers = rng_between(&s->rng, 6, 20);
    for (size_t i = 0; i < headers; i++) header[i] = text(&s->rng, 8, 100);
    body = text(&s->rng, 256, rng_below(&s->rng, 16) ? 2048 : 60000);
    sum += answer(&s->rng);
    char **line = &s->log[s->requests++ % LOG];
    free(*line);
    *line = text(&s->rng, 30, 120);
    for (size_t i = 0; i < headers; i++) {
        sum += (unsigned char)header[i][0];
        free(header[i]);
    }
    sum += (unsigned char)body[0];
    free(body);
    return sum;
}

static void *work(void *argument) {
    struct part *part = argument;
    struct server *server = part->shared;
    for (size_t round = 0; round < server->rounds; round++) {
        for (size_t id = (part->index + round) % WORKERS; id < SESSIONS; id += WORKERS) {
            struct session **s = &server->session[id];
            if (!*s) *s = begin(id, round);
            part->sum += request(*s);
            if ((*s)->requests < (*s)->ends_after) continue;
            part->sum += end(*s);
            *s = NULL;
        }
        pthread_barrier_wait(&server->round);
    }
    return NULL;
}

static uint64_t run_server(double scale) {
    struct server *server = must(calloc(1, sizeof *server));
    server->rounds = scaled(500, scale, 3);
    pthread_barrier_init(&server->round, NULL, WORKERS);
    uint64_t sum = on_threads(WORKERS, work, scale, server);
    for (size_t id = 0; id < SESSIONS; id++)
        if (server->session[id]) sum += end(server->session[id]);
    pthread_barrier_destroy(&server->round);
    free(server);
    return sum;
}

const struct work works_server[] = {
    {"server", "4000 sessions served by two threads in turn", run_server},
    {0},
};
