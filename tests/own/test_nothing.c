/* test_nothing.c - GNU C has structs without a byte. A Vec counts them, in a block of its own that is large
 * enough for what it says of it. (Built without warnings: that such a struct is empty is one.) */
#include <freehold/names.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    char bytes[0];
} Nothing;
PLAIN(Nothing)

static void add(Vec(Nothing) * v, int n) {
    static Nothing nothing;
    for (int i = 0; i < n; i++) vec_push(v, nothing);
}

static void a_vec_counts_elements_without_a_byte(void **state) {
    (void)state;
    struct fh_stats before, after;
    fh_stats_now(&before);
    for (int round = 0; round < 100; round++) {
        own(Vec(Nothing)) v = {0};
        add(&v, 1000);
        while (v.len > 700) vec_pop(&v);
        vec_shrink(&v);
        add(&v, 1000);
        own(Vec(Nothing)) tail = vec_split_off(&v, 500);
        assert_int_equal(v.len, 500);
        assert_int_equal(tail.len, 1200);
        assert_true(v.cap >= 500 && tail.cap >= 1200);
        char *others = fh_malloc(8);
        memset(others, 1, 8);
        fh_free(others);
    }
    fh_stats_now(&after);
    assert_true(after.live_blocks <= before.live_blocks + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vec_counts_elements_without_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
