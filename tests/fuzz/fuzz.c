/* fuzz.c - the entry that fuzzers call: bytes become a program of one to three threads (program.h).
 *
 * The first byte says how many threads; the rest is dealt to them, each a share. Afterwards, with all threads
 * at rest, every invariant of the heap's books is checked (src/heap/valid.c), and the numbers of fh_stats_now
 * must add up.
 */
#include "heap/valid.h"
#include "program.h"

#include <pthread.h>

enum { THREADS = 3 };

static struct program programs[THREADS];
static struct mailbox mailboxes[MAILBOX_COUNT];

struct share {
    unsigned number;
    struct mailbox *mailboxes;
    const unsigned char *bytes;
    size_t size;
};

static void *play(void *arg) {
    const struct share *s = arg;
    struct program *p = &programs[s->number];
    program_begin(p, s->number, s->mailboxes);
    p->may_limit = s->mailboxes == NULL;
    program_run(p, s->bytes, s->size);
    program_end(p);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 + STEP_BYTES) return 0;
    unsigned n = 1 + data[0] % THREADS;
    size_t part = (size - 1) / n / STEP_BYTES * STEP_BYTES;
    pthread_t thread[THREADS];
    struct share share[THREADS];
    for (unsigned i = 0; i < n; i++) {
        share[i] = (struct share){i, n > 1 ? mailboxes : NULL, data + 1 + i * part, part};
        if (i > 0) CHECK(pthread_create(&thread[i], NULL, play, &share[i]) == 0);
    }
    play(&share[0]);
    for (unsigned i = 1; i < n; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    if (n > 1) programs_over();
    mailboxes_empty(mailboxes);
    model_check_stats(&programs[0].blocks, false);
    CHECK(fh_heap_is_valid(true));
    return 0;
}
