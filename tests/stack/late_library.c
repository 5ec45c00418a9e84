/* late_library.c - loaded by test_late.c after the report was installed; its static function overflows the
 * stack. */
static volatile int one = 1;

__attribute__((noinline)) static int late_recursion(int n) { return one ? late_recursion(n + one) + one : n; }

int late_begin(int n);
int late_begin(int n) { return late_recursion(n) + one; }
