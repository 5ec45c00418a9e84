/* test_model.c - random programs against the model of model.h: alone, and in threads that exchange blocks.
 *
 *     TEST_SECONDS=600   how long in all (5 unless told)
 *     TEST_SEED=0x2a     the first seed (from the clock unless told; the seed of a failure is printed)
 *     TEST_REPLAY=file   run one stream of steps, each said before it is done
 *
 * A stream that fails is made shorter: pieces are left out as long as the rest still fails (delta debugging,
 * Zeller 1999). The shortest stream found is printed in words and written to model-failure.bin for TEST_REPLAY.
 */
#include "model.h"
#include "names.h"
#include "runner.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STREAM_STEPS = 25000, THREADS = 4 };

static struct model models[THREADS];
static struct mailbox mailboxes[MAILBOX_COUNT];
static uint64_t first_seed;
static double seconds;

/* ---------------------------------------------------------------- streams in children, and their shrinking
 * ---- */

struct stream {
    unsigned char *bytes;
    size_t steps;
};

static void play(void *arg) {
    struct stream *s = arg;
    model_begin(&models[0], 1, NULL);
    for (size_t i = 0; i < s->steps; i++) {
        check_step = i;
        model_step(&models[0], s->bytes + i * STEP_BYTES);
        if (i % 5000 == 0) model_check_stats(&models[0], true);
    }
    model_end(&models[0]);
    model_check_stats(&models[0], true);
}

static bool fails(struct stream *s, struct outcome *out) {
    run_child(out, play, s, 60);
    return !out->exited || out->code != 0;
}

static void leave_out(struct stream *s, size_t from, size_t n) {
    memmove(s->bytes + from * STEP_BYTES, s->bytes + (from + n) * STEP_BYTES,
            (s->steps - from - n) * STEP_BYTES);
    s->steps -= n;
}

static void shrink(struct stream *s) {
    static unsigned char kept[STREAM_STEPS * STEP_BYTES];
    static struct outcome out;
    double end = seconds_now() + 20;
    for (size_t piece = s->steps / 2; piece >= 1; piece /= 2) {
        for (size_t at = 0; at + piece <= s->steps && seconds_now() < end;) {
            size_t before = s->steps;
            memcpy(kept, s->bytes, before * STEP_BYTES);
            leave_out(s, at, piece);
            if (fails(s, &out)) continue;
            memcpy(s->bytes, kept, before * STEP_BYTES);
            s->steps = before;
            at += piece;
        }
    }
}

static void show(const struct stream *s) {
    char text[200];
    for (size_t i = 0; i < s->steps && i < 60; i++) {
        model_describe(text, sizeof text, s->bytes + i * STEP_BYTES);
        fprintf(stderr, "  %zu: %s\n", i, text);
    }
    FILE *f = fopen("model-failure.bin", "wb");
    if (f == NULL) return;
    fwrite(s->bytes, STEP_BYTES, s->steps, f);
    fclose(f);
    fprintf(stderr, "  (%zu steps, written to model-failure.bin)\n", s->steps);
}

static void random_programs_from_a_fresh_heap(void **state) {
    (void)state;
    static unsigned char bytes[STREAM_STEPS * STEP_BYTES];
    static struct outcome out;
    double end = seconds_now() + seconds * 0.3;
    uint64_t seed = first_seed;
    do {
        struct rng rng = {.state = seed};
        struct stream s = {bytes, seconds < 2 ? STREAM_STEPS / 4 : STREAM_STEPS};
        for (size_t i = 0; i < s.steps; i++) model_make_step(bytes + i * STEP_BYTES, &rng, i);
        if (fails(&s, &out)) {
            fprintf(stderr, "seed %#llx fails: %s\n%s\nmaking it shorter ...\n", (unsigned long long)seed,
                    out.exited ? "exit" : "signal", out.text);
            shrink(&s);
            show(&s);
            fails(&s, &out);
            check_failed(__FILE__, __LINE__, "seed %#llx: %s %d: %.500s", (unsigned long long)seed,
                         out.exited ? "exit" : "signal", out.code, out.text);
        }
        seed++;
    } while (seconds_now() < end);
}

/* ---------------------------------------------------------------- one long life ---- */

static void one_long_program_keeps_to_the_model(void **state) {
    (void)state;
    double end = seconds_now() + seconds * 0.2;
    struct rng rng = {.state = first_seed ^ 0x1111};
    check_seed = rng.state;
    model_begin(&models[0], 1, NULL);
    unsigned char step[STEP_BYTES];
    uint64_t i = 0;
    do {
        for (int k = 0; k < 10000; k++) {
            model_make_step(step, &rng, i);
            check_step = i++;
            model_step(&models[0], step);
        }
        model_check_stats(&models[0], false);
    } while (seconds_now() < end);
    model_end(&models[0]);
    check_seed = check_step = 0;
}

/* ---------------------------------------------------------------- threads ---- */

struct job {
    unsigned index;
    uint64_t seed;
    uint64_t steps;
};

static void *work(void *arg) {
    struct job *job = arg;
    model_begin(&models[job->index], job->seed << 3 | job->index, mailboxes);
    model_run_seed(&models[job->index], job->seed, job->steps);
    if (job->index % 2 == 0)
        model_end(&models[job->index]); /* the others leave their blocks to the main thread */
    return NULL;
}

static void check_disjoint(void) {
    for (unsigned i = 0; i < THREADS; i++)
        for (unsigned j = 0; j < THREADS; j++)
            for (size_t a = 0, b = 0; i != j && a < models[i].live_count && b < models[j].live_count;) {
                struct interval x = models[i].live[a], y = models[j].live[b];
                CHECKF(x.end <= y.begin || y.end <= x.begin, "blocks of two threads overlap: %p and %p",
                       (void *)x.begin, (void *)y.begin);
                if (x.begin < y.begin) a++;
                else b++;
            }
}

static void threads_that_exchange_blocks_keep_to_the_model(void **state) {
    (void)state;
    double end = seconds_now() + seconds * 0.5;
    uint64_t seed = first_seed;
    do {
        pthread_t thread[THREADS];
        struct job job[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            job[i] = (struct job){i, seed, 3000 + seed * 7919 % (seconds < 2 ? 5000 : 30000)};
            seed++;
            CHECK(pthread_create(&thread[i], NULL, work, &job[i]) == 0);
        }
        for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
        check_disjoint();
        for (unsigned i = 0; i < THREADS; i++) model_end(&models[i]);
        mailboxes_empty(mailboxes);
        model_check_stats(&models[0], false);
    } while (seconds_now() < end);
}

/* ---------------------------------------------------------------- main ---- */

static int replay(const char *path) {
    static unsigned char bytes[STREAM_STEPS * STEP_BYTES];
    FILE *f = fopen(path, "rb");
    if (f == NULL) return perror(path), 1;
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    model_begin(&models[0], 1, NULL);
    models[0].trace = true;
    model_run(&models[0], bytes, n);
    model_end(&models[0]);
    return 0;
}

int main(void) {
    if (getenv("TEST_REPLAY")) return replay(getenv("TEST_REPLAY"));
    seconds = (double)env_number("TEST_SECONDS", 5);
    first_seed = env_number("TEST_SEED", (uint64_t)time(NULL) * 1000);
    fprintf(stderr, "TEST_SEED=%#llx\n", (unsigned long long)first_seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_from_a_fresh_heap),
        cmocka_unit_test(one_long_program_keeps_to_the_model),
        cmocka_unit_test(threads_that_exchange_blocks_keep_to_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
