/* own_queue.c - a work queue: producers put jobs in, workers take them out; all of them share the queue by an
 * Arc.
 *
 *     main ──Arc──┐
 *     producer ───┼──> Queue { mutex, two conditions, Vec(Box(Job)) }        a Box(Job) moves in, and out to one worker
 *     worker ─────┘
 *
 * Who ends last drops the queue, and with it the jobs that nobody took. The results are shared too: an Arc of a
 * sum. */
#include <freehold/names.h>

#include <pthread.h>
#include <stdio.h>

enum { PRODUCERS = 3, WORKERS = 4, JOBS = 20000, MOST = 64 };

TYPE(Job);
struct Job {
    Str text;
    uint64_t number;
};
DROP(Job, (Str, text))

TYPE(Queue);
struct Queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    Vec(Box(Job)) jobs; /* the last is taken first */
    int producers;      /* that still put jobs in */
};
static void queue_end(Queue *q) {
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    pthread_mutex_destroy(&q->mutex);
}
DROP_WITH(Queue, queue_end, (Vec(Box(Job)), jobs))

typedef struct {
    _Atomic uint64_t jobs, sum;
} Results;
PLAIN(Results)

TYPE(Task);
struct Task {
    Arc(Queue) queue;
    Arc(Results) results;
    int number;
};
DROP(Task, (Arc(Queue), queue), (Arc(Results), results))

static void queue_put(Queue *q, Box(Job) job) {
    pthread_mutex_lock(&q->mutex);
    while (q->jobs.len >= MOST) pthread_cond_wait(&q->not_full, &q->mutex);
    vec_push(&q->jobs, job);
    pthread_cond_signal(&q->not_empty);
    pthread_mutex_unlock(&q->mutex);
}

/* A job, or NULL when there will be no more. */
static Box(Job) queue_take(Queue *q) {
    pthread_mutex_lock(&q->mutex);
    while (q->jobs.len == 0 && q->producers > 0) pthread_cond_wait(&q->not_empty, &q->mutex);
    Box(Job) job = vec_pop(&q->jobs);
    pthread_cond_signal(&q->not_full);
    pthread_mutex_unlock(&q->mutex);
    return job;
}

static void *produce(void *in) {
    own(Box(Task)) task = in;
    for (uint64_t i = 0; i < JOBS; i++)
        queue_put(task->queue, box(Job, str_of("job %d/%llu", task->number, (unsigned long long)i), i));
    pthread_mutex_lock(&task->queue->mutex);
    if (--task->queue->producers == 0) pthread_cond_broadcast(&task->queue->not_empty);
    pthread_mutex_unlock(&task->queue->mutex);
    return NULL;
}

static void *work(void *in) {
    own(Box(Task)) task = in;
    for (;;) {
        own(Box(Job)) job = queue_take(task->queue);
        if (!job) return NULL;
        task->results->sum += job->number + job->text.len;
        task->results->jobs++;
    } /* the job is dropped here */
}

int main(void) {
    own(Arc(Queue)) queue =
        arc(Queue, .mutex = PTHREAD_MUTEX_INITIALIZER, .not_empty = PTHREAD_COND_INITIALIZER,
            .not_full = PTHREAD_COND_INITIALIZER, .producers = PRODUCERS);
    own(Arc(Results)) results = arc(Results, .jobs = 0);
    pthread_t threads[PRODUCERS + WORKERS];
    for (int i = 0; i < PRODUCERS + WORKERS; i++) {
        Box(Task) task = box(Task, .queue = arc_clone(queue), .results = arc_clone(results), .number = i);
        if (pthread_create(&threads[i], NULL, i < PRODUCERS ? produce : work, task) != 0) return 1;
    }
    for (int i = 0; i < PRODUCERS + WORKERS; i++) pthread_join(threads[i], NULL);
    uint64_t jobs = results->jobs;
    printf("%llu jobs done, sum %llu; owners of the queue now: %zu\n", (unsigned long long)jobs,
           (unsigned long long)results->sum, arc_strong_count(queue));
    return jobs == PRODUCERS * JOBS && arc_strong_count(queue) == 1 ? 0 : 1;
}
