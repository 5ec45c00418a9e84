/* fuzz_model.c - the model of model.h behind the entry that libFuzzer and AFL++ call.
 *
 *     clang -fsanitize=fuzzer ... fuzz_model.c model.c support.c libfreehold.a -o fuzz_model && ./fuzz_model corpus/
 *
 * The first byte of the input chooses the number of threads (1 to 4); the rest is dealt to them as steps.
 */
#include "model.h"

#include <pthread.h>

static struct model models[4];
static struct mailbox mailboxes[MAILBOX_COUNT];

struct share {
    struct model *m;
    const unsigned char *bytes;
    size_t size;
};

static void *play(void *arg) {
    struct share *s = arg;
    model_run(s->m, s->bytes, s->size);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 + STEP_BYTES) return 0;
    unsigned n = 1 + (data[0] & 3);
    size_t part = (size - 1) / n / STEP_BYTES * STEP_BYTES;
    pthread_t thread[4];
    struct share share[4];
    for (unsigned i = 0; i < n; i++) {
        model_begin(&models[i], i + 1, n > 1 ? mailboxes : 0);
        share[i] = (struct share){&models[i], data + 1 + i * part, part};
        if (i > 0) CHECK(pthread_create(&thread[i], 0, play, &share[i]) == 0);
    }
    play(&share[0]);
    for (unsigned i = 1; i < n; i++) CHECK(pthread_join(thread[i], 0) == 0);
    for (unsigned i = 0; i < n; i++) model_end(&models[i]);
    mailboxes_empty(mailboxes);
    return 0;
}
