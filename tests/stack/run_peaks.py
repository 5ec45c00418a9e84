"""`freehold run` tells the peak of each thread's call stack: of those that ended, of those that run, of the first."""

import json
import os
import subprocess
import sys

SOURCE = r"""
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>
static void use(size_t n) { volatile char b[n]; for (size_t i = 0; i < n; i += 512) b[i] = 1; }
static atomic_int staying;
static void *ends(void *n) {
    pthread_setname_np(pthread_self(), "ends");
    use((size_t)n);
    while ((size_t)n == 500000 && staying < 2) usleep(1000); /* ends when younger ones run */
    return 0;
}
static void *stays(void *n) {
    pthread_setname_np(pthread_self(), "stays");
    use((size_t)n);
    staying++;
    for (;;) pause();
}
static int c11(void *n) { pthread_setname_np(pthread_self(), "c11"); use((size_t)n); return 0; }
int main(void) {
    pthread_t id, last;
    thrd_t other;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 20);
    for (size_t i = 1; i <= 5; i++) {
        pthread_create(&last, &small, ends, (void *)(i * 100000));
        if (i < 5) pthread_join(last, 0);
    }
    thrd_create(&other, c11, (void *)3000000);
    thrd_join(other, 0);
    pthread_create(&id, 0, stays, (void *)4000000);
    pthread_create(&id, &small, stays, (void *)1000000);
    pthread_join(last, 0);
    while (staying < 2) usleep(1000);
    use(2000000);
    pid_t child = fork(); /* which has one of these threads */
    if (child == 0) {
        pthread_create(&id, &small, ends, (void *)200000);
        exit(pthread_join(id, 0));
    }
    int status = 1;
    return waitpid(child, &status, 0) == child ? status : 1;
}
"""


def main():
    command = os.environ["FREEHOLD_COMMAND"]
    if not os.path.exists(command):
        return 77
    with open("peaks.c", "w") as out:
        out.write(SOURCE)
    subprocess.run([os.environ["CC"], "-D_GNU_SOURCE", "-O1", "-w", "-o", "peaks", "peaks.c", "-pthread"], check=True)
    ran = subprocess.run([command, "run", "--json", "--output", "peaks.json", "./peaks"], timeout=300)
    if ran.returncode == 125:
        return 77  # a build without the library that can be preloaded
    program = json.load(open("peaks.json"))["program"]
    stacks = program["stacks"]
    failed = 0

    def expect(what, good):
        nonlocal failed
        if not good:
            failed = 1
            print("FAILED", what, json.dumps(stacks, indent=1))

    expect("the child of a fork ends well", ran.returncode == 0)
    expect("nine threads", program["threads_measured"] == 9 and len(stacks) == 9)
    main_stack = [s for s in stacks if s["main"]]
    expect("the first thread", len(main_stack) == 1 and 2000000 <= main_stack[0]["peak"] < 2200000)
    ended = sorted(s["peak"] for s in stacks if s["name"] == "ends")
    expect("one of C11's", [0 <= s["peak"] - 3000000 < 40000 for s in stacks if s["name"] == "c11"] == [True])
    expect("five that ended", len(ended) == 5)
    expect("their peaks", all(0 <= peak - (i + 1) * 100000 < 40000 for i, peak in enumerate(ended)))
    stay = sorted((s for s in stacks if s["name"] == "stays"), key=lambda s: s["peak"])
    expect("two that stay", len(stay) == 2)
    expect("one almost full", len(stay) == 2 and 1000000 <= stay[0]["peak"] <= stay[0]["size"] == 1 << 20)
    expect("one large", len(stay) == 2 and 4000000 <= stay[1]["peak"] < 4100000)

    text = subprocess.run([command, "run", "./peaks"], capture_output=True, text=True, timeout=300).stderr
    expect("the text has them", "call stacks" in text and "(main)" in text and "stays" in text)
    return failed


if __name__ == "__main__":
    sys.exit(main())
