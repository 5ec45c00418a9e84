/* test_arc.c - Arc and ArcWeak in several threads: the value is dropped exactly once, after the last owner, and
 * never seen afterwards. Run under ThreadSanitizer too (`make` with FREEHOLD_SANITIZE=thread). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <freehold/names.h> /* last: <sched.h> has a function `clone` */

enum { THREADS = 4, ROUNDS = 20000 };

static int drops, seen_dead;

TYPE(Shared);
struct Shared {
    int magic;
    Str text;
};
static void end_shared(Shared *s) {
    if (s->magic != 42) __atomic_fetch_add(&seen_dead, 1, __ATOMIC_RELAXED);
    s->magic = 0;
    __atomic_fetch_add(&drops, 1, __ATOMIC_RELAXED);
}
DROP_WITH(Shared, end_shared, (Str, text))

static void *clone_and_drop(void *in) {
    own(Arc(Shared)) mine = in;
    for (int i = 0; i < ROUNDS; i++) {
        own(Arc(Shared)) another = arc_clone(mine);
        if (another->magic != 42) __atomic_fetch_add(&seen_dead, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void the_last_of_many_threads_drops_the_value(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        drops = seen_dead = 0;
        Arc(Shared) shared = arc(Shared, .magic = 42, .text = str_from("shared"));
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, clone_and_drop, arc_clone(shared));
        drop(Arc(Shared), &shared);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        assert_int_equal(drops, 1);
        assert_int_equal(seen_dead, 0);
    }
}

static void *upgrade(void *in) {
    own(ArcWeak(Shared)) weak = {in};
    for (;;) {
        own(Arc(Shared)) strong = arc_upgrade(weak);
        if (strong == NULL) return NULL;
        if (strong->magic != 42) __atomic_fetch_add(&seen_dead, 1, __ATOMIC_RELAXED);
    }
}

static void an_upgrade_gives_a_live_value_or_nothing(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        drops = seen_dead = 0;
        Arc(Shared) shared = arc(Shared, .magic = 42);
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            ArcWeak(Shared) weak = arc_downgrade(Shared, shared);
            pthread_create(&threads[i], NULL, upgrade, weak.fh_weak);
        }
        drop(Arc(Shared), &shared);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        assert_int_equal(drops, 1);
        assert_int_equal(seen_dead, 0);
    }
}

static void counts_tell_of_handles(void **state) {
    (void)state;
    own(Arc(int)) a = arc(int, 1);
    assert_ptr_equal(arc_get_mut(a), a);
    own(ArcWeak(int)) w = arc_downgrade(int, a);
    assert_null(arc_get_mut(a));
    own(Arc(int)) b = arc_clone(a);
    assert_true(arc_strong_count(a) == 2 && arc_weak_count(a) == 1);
    drop(Arc(int), &a);
    drop(Arc(int), &b);
    assert_null(arc_upgrade(w));
}

OWNER(Vec(Str))

/* Owners made in one thread may be dropped in another. */
static void *drop_all(void *in) {
    own(Box(Vec(Str))) all = in;
    return all->len == 1000 ? NULL : in;
}
static void boxes_cross_threads(void **state) {
    (void)state;
    own(Vec(Str)) v = {0};
    for (int i = 0; i < 1000; i++) vec_push(&v, str_of("text %d", i));
    pthread_t thread;
    void *wrong;
    pthread_create(&thread, NULL, drop_all, box_of(Vec(Str), move(v)));
    pthread_join(thread, &wrong);
    assert_null(wrong);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_many_threads_drops_the_value),
        cmocka_unit_test(an_upgrade_gives_a_live_value_or_nothing),
        cmocka_unit_test(counts_tell_of_handles),
        cmocka_unit_test(boxes_cross_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
