/* misuse_wide.c - more wrong uses of the heap, as misuse.c: all sizes, blocks of every origin, threads, heaps
 * of the program's own, the typed path, and sums that overflow.
 */
#include "misuse.h"

#include <fcntl.h>
#include <freehold/heaps.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HUGE_SIZE = 3 << 20 };

static void in_thread(void *(*work)(void *), void *arg) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, arg)) exit(9);
    pthread_join(thread, NULL);
}
static void *thread_gives(void *p) {
    give(p);
    return NULL;
}
static void *thread_writes(void *p) {
    put(p, 3, 0);
    return NULL;
}

/* ---- freed twice, and late ---- */

static void twice(void *p) {
    give(p);
    give(p);
}
static void double_free_medium(void) { twice(block(MEDIUM)); }
static void double_free_20k(void) { twice(block(20000)); }
static void double_free_huge(void) { twice(block(HUGE_SIZE)); }
static void double_free_calloc(void) { twice(hide(calloc(3, 40))); }
static void double_free_aligned(void) { twice(hide(aligned_alloc(256, 512))); }
static void double_free_page(void) { twice(hide(valloc(5000))); }
static void double_free_strdup(void) { twice(hide(strdup(hide((void *)(uintptr_t) "some text")))); }
static void double_free_zero_size(void) { twice(hide(malloc(0))); }
static void double_free_in_threads(void) {
    void *p = block(SMALL);
    in_thread(thread_gives, p);
    in_thread(thread_gives, p);
}
static void double_free_after_thread(void) {
    void *p = block(SMALL);
    in_thread(thread_gives, p);
    give(p);
}
static void double_free_medium_reused(void) {
    unsigned char *p = block(MEDIUM);
    give(p);
    pass(MEDIUM, (size_t)1 << 20);
    give(p);
}
/* Many blocks, as of a list or a tree: all are freed, and one of them is used again. */
static void *crowd[20000];
static void *free_crowd(void) {
    for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++) crowd[i] = block(SMALL);
    for (size_t i = 0; i < sizeof crowd / sizeof *crowd; i++) give(crowd[i]);
    return crowd[9999];
}
static void double_free_of_all(void) { give(free_crowd()); }
static void realloc_twice(void) {
    void *p = block(SMALL), *q = hide(realloc(p, 3000)), *r = hide(realloc(hide(p), 4000));
    give(q);
    give(r);
}
static void realloc_after_free_large(void) {
    void *p = block(LARGE);
    give(p);
    give(realloc(hide(p), 2 * LARGE));
}
static void double_free_large_after_shrink(void) {
    void *p = hide(realloc(block(4 * LARGE), LARGE));
    twice(p);
}

/* ---- no block ---- */

static __thread char of_thread[64];
static void free_thread_local(void) { give(of_thread); }
static void free_environment(void) { give(getenv("PATH") ? getenv("PATH") : "x"); }
static void free_interior_huge(void) { give(block(HUGE_SIZE) + (1 << 20)); }
/* Nothing was written to these blocks since others had been freed there, and behind each is another: all around
 * looks as it does around a block. */
static void free_interior_among(size_t size) {
    enum { MANY = 200, ROUNDS = 12 };
    static char *p[MANY];
    size_t apart = SIZE_MAX, at = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < MANY; i++) free(p[i]);
        for (size_t i = 0; i < MANY; i++) p[i] = hide(malloc(size));
    }
    for (size_t i = 0; i < MANY; i++)
        for (size_t k = 0; k < MANY; k++) {
            if (p[k] <= p[i] || (size_t)(p[k] - p[i]) >= apart) continue;
            apart = (size_t)(p[k] - p[i]);
            at = i;
        }
    give(p[at] + 16);
}
static void free_interior_among_others(void) { free_interior_among(MEDIUM); }
static void free_interior_among_small(void) { free_interior_among(200); }
static void free_unaligned_large(void) { give(block(LARGE) + 1); }
static void free_next_to_large(void) { give(block(LARGE) + 16); }
static void free_before(void) { give(block(SMALL) - 16); }
static void free_behind_large(void) { give(block(LARGE) + LARGE); }
static void realloc_global(void) { give(realloc(hide(of_thread), 100)); }
static void realloc_interior_large(void) { give(realloc(hide(block(LARGE) + 4096), 100)); }
static void usable_size_of_stack(void) {
    char local[32];
    seen = (unsigned char)malloc_usable_size(hide(local));
}
static void free_minus_one(void) { give((void *)(intptr_t)-1); }
static void free_other_threads_stack(void) {
    pthread_attr_t attributes;
    void *stack;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &size);
    give((char *)stack + size - 4096);
}

/* ---- beyond the block ---- */

static void behind(void *p, size_t size, unsigned char value) {
    put(p, (ptrdiff_t)size, value);
    give(p);
}
static void overflow_calloc(void) { behind(hide(calloc(5, 8)), 40, 1); }
static void overflow_grown(void) { behind(hide(realloc(block(SMALL), 77)), 77, 0); }
static void overflow_shrunk(void) { behind(hide(realloc(block(120), 100)), 100, 0); }
static void overflow_grown_large(void) { behind(hide(realloc(block(LARGE), 3 * LARGE)), 3 * LARGE, 0); }
static void overflow_shrunk_large(void) { behind(hide(realloc(block(3 * LARGE), LARGE)), LARGE, 0); }
static void overflow_reallocarray(void) { behind(hide(reallocarray(NULL, 7, 9)), 63, 0); }
static void overflow_page_aligned(void) { behind(hide(aligned_alloc(4096, 4096)), 4096, 0); }
static void overflow_aligned_odd(void) {
    void *p = NULL;
    if (posix_memalign(&p, 128, 100)) exit(9);
    behind(hide(p), 100, 0);
}
static void overflow_huge(void) { behind(block(HUGE_SIZE), HUGE_SIZE, 0); }
static void overflow_huge_odd(void) { behind(block(HUGE_SIZE + 77), HUGE_SIZE + 77, 0); }
static void overflow_32k(void) { behind(block(32768), 32768, 0); }
static void overflow_strdup(void) {
    char *p = hide(strdup(hide((void *)(uintptr_t) "twelve chars")));
    strcat(p, "!");
    give(p);
}
static void overflow_memset(void) {
    unsigned char *p = block(200);
    memset(hide(p), 'A', 216);
    give(p);
}
static void overflow_by_a_page(void) {
    unsigned char *p = block(LARGE);
    memset(hide(p + LARGE), 'A', 4096);
    give(p);
}
static void overflow_far_large(void) { /* not the next byte, but one some way off */
    unsigned char *p = block(LARGE);
    put(p, LARGE + 2000, 0);
    give(p);
}
static void overflow_farther_large(void) { /* beyond the page in which it ends, and the next */
    unsigned char *p = block(LARGE);
    put(p, LARGE + 12000, 0);
    give(p);
}
static void overflow_by_thread(void) {
    unsigned char *p = block(3);
    in_thread(thread_writes, p);
    give(p);
}
static void overflow_freed_by_thread(void) {
    unsigned char *p = block(SMALL);
    put(p, SMALL, 0);
    in_thread(thread_gives, p);
}
static void overflow_seen_at_quick_end(void) { /* the program ends without destructors */
    unsigned char *p = block(SMALL);
    put(p, SMALL, 0);
    quick_exit(0);
}
static void underflow_page(void) {
    unsigned char *p = block(4096);
    put(p, -1, 0);
    give(p);
}
static void underflow_20k(void) {
    unsigned char *p = block(20000);
    put(p, -16, 0);
    give(p);
}
static void underflow_huge(void) {
    unsigned char *p = block(HUGE_SIZE);
    put(p, -1, 0);
    give(p);
}
static void overflow_without_end(void) {
    memset(hide(block(SMALL)), 1, (size_t)hide((void *)((uintptr_t)1 << 42)));
}
static void null_after_refusal(void) { put(hide(malloc((size_t)hide((void *)(PTRDIFF_MAX - 5)))), 3, 1); }
static void null_after_overflow(void) { put(hide(calloc((size_t)1 << 60, (size_t)hide((void *)64))), 0, 1); }
static void null_far_after_refusal(void) {
    put(hide(malloc((size_t)hide((void *)(PTRDIFF_MAX - 5)))), (ptrdiff_t)1 << 20, 1);
}
void *pvalloc(size_t size); /* ours, as not every C library declares it */
static void null_after_pvalloc(void) { put(hide(pvalloc((size_t)hide((void *)-1))), 8, 1); }
static void underflow_granule(void) { put(hide(aligned_alloc(65536, 65536)), -1, 1); }
static void underflow_calloc(void) {
    unsigned char *p = hide(calloc(1, 60));
    put(p, -4, 1);
    give(p);
}
static void underflow_far_before(void) {
    unsigned char *p = block(64);
    put(p, -300, 1);
    give(p);
}
/* A signal handler allocates while its thread does: sooner or later while that holds a lock of the heap. */
static void large_ones(int unused) {
    (void)unused;
    free(hide(malloc(200000)));
}
static void call_heap_from_handler(void) {
    struct itimerval often = {{0, 100}, {0, 100}};
    signal(SIGALRM, large_ones);
    setitimer(ITIMER_REAL, &often, NULL);
    for (;;) large_ones(0);
}
/* A signal in the few instructions where a lock has no owner yet is not noticed, and the process waits: so it
 * may try again. */
static void handler_calls_heap(void) {
    enum { TRIES = 4, WAIT = 1000, TURN_US = 10000 };
    int status = 0;
    for (int try = 0; try < TRIES; try++) {
        pid_t child = fork();
        if (child < 0) exit(9);
        if (child == 0) call_heap_from_handler();
        for (int i = 0; i < WAIT && waitpid(child, &status, WNOHANG) == 0; i++) usleep(TURN_US);
        if (WIFSIGNALED(status)) break;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) abort();
}

/* Of many blocks one that is the first of its 64 KiB, behind others: what lies before it is none of its own. */
static void underflow_first_of_span(void) {
    enum { MANY = 10000, SPAN = 65536 };
    static unsigned char *all[MANY];
    uintptr_t first = 0, before = SPAN;
    for (int i = 0; i < MANY; i++) {
        uintptr_t at = (uintptr_t)(all[i] = block(100));
        if (at % SPAN > before || (at % SPAN == before && at < first)) continue;
        before = at % SPAN;
        first = at;
    }
    put((unsigned char *)first, -1, 0);
    for (int i = 0; i < MANY; i++) give(all[i]);
}

/* A wrong byte right behind a block of each of many sizes: each is found. */
static int dies(void (*run)(size_t), size_t size) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) exit(9);
    if (child == 0) {
        run(size);
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child) exit(9);
    return WIFSIGNALED(status);
}
static void one_behind(size_t size) { behind(block(size), size, 0); }
static void one_before(size_t size) {
    unsigned char *p = block(size);
    put(p, -1, 0);
    give(p);
}
static const size_t sizes[] = {0,     1,     7,     8,     15,    16,    17,    31,    33,
                               100,   127,   128,   129,   255,   257,   500,   1000,  1007,
                               1008,  1023,  1024,  1025,  3000,  8175,  8176,  9000,  16384,
                               20480, 32751, 32752, 32767, 32769, 65471, 65472, 65535, 1 << 20};
static void overflow_any_size(void) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!dies(one_behind, sizes[i])) exit(3);
}
static void underflow_any_size(void) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] && !dies(one_before, sizes[i])) exit(3);
}

/* ---- after the free ---- */

static void written_after(size_t size, ptrdiff_t at, size_t reuse) {
    unsigned char *p = block(size);
    give(p);
    put(p, at, 0);
    if (reuse) pass(size, reuse);
}
static void write_after_free_300k(void) { written_after(300000, 200000, 0); }
static void write_after_free_huge(void) { written_after(HUGE_SIZE, HUGE_SIZE / 2, 0); }
static void write_after_free_8k(void) { written_after(8000, 7999, (size_t)8 << 20); }
static void write_after_free_by_thread(void) {
    unsigned char *p = block(SMALL);
    give(p);
    in_thread(thread_writes, p);
}
static void write_after_free_memset(void) {
    unsigned char *p = block(500);
    give(p);
    memset(hide(p), 0, 500);
}
static void write_after_free_calloc(void) {
    unsigned char *p = hide(calloc(10, 10));
    give(p);
    put(p, 50, 7);
}
static void write_after_shrink_moved(void) {
    unsigned char *p = block(5000), *q = hide(realloc(p, 20));
    put(p, 10, 0);
    give(q);
}
static void write_after_free_of_all(void) { put(free_crowd(), 10, 0); }
/* ---- by the system ---- */

static void read_zeros(void *to, size_t size) {
    int zeros = open("/dev/zero", O_RDONLY);
    if (zeros < 0) exit(9);
    if (read(zeros, to, size) < 0) errno = 0; /* as programs do that take it for the end */
    close(zeros);
}
static void system_reads_into_freed(void) { read_zeros(freed(64), 64); }
static void system_reads_into_freed_large(void) { read_zeros(freed(LARGE), LARGE); }
static void system_reads_too_much(void) {
    void *p = block(48);
    read_zeros(p, 4096);
    give(p);
}
static void system_writes_freed(void) {
    int ends[2];
    if (pipe(ends)) exit(9);
    if (write(ends[1], freed(64), 64) < 0) errno = 0;
}
static void system_writes_too_much(void) { /* to somebody who learns what lies behind the block */
    int ends[2];
    if (pipe(ends)) exit(9);
    if (write(ends[1], block(48), 4096) < 0) errno = 0;
}
static void system_reads_into_parts(void) {
    int zeros = open("/dev/zero", O_RDONLY);
    void *p = block(48), *q = block(48);
    struct iovec parts[] = {{p, 48}, {q, 64}};
    if (readv(zeros, parts, 2) < 0) errno = 0;
    give(q);
    give(p);
}
static void system_writes_unread(void) { /* whoever does not read what he is given refuses nothing */
    if (write(open("/dev/null", O_WRONLY), block(48), 64) < 0) errno = 0;
}
static void system_writes_freed_unread(void) {
    if (write(open("/dev/null", O_WRONLY), freed(64), 64) < 0) errno = 0;
}
static void system_writes_too_many_parts(void) {
    struct iovec parts[] = {{block(48), 48}, {block(48), 64}};
    if (writev(open("/dev/null", O_WRONLY), parts, 2) < 0) errno = 0;
}
static void system_sends_too_much(void) {
    int ends[2];
    struct iovec part = {block(48), 64};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) exit(9);
    if (sendmsg(ends[0], &message, 0) < 0) errno = 0;
}
static void stream_writes_too_much(void) {
    FILE *nothing = fopen("/dev/null", "w");
    if (nothing == NULL || fwrite(block(48), 1, 64, nothing) == 0) exit(9);
}
static void stream_writes_freed(void) {
    FILE *nothing = fopen("/dev/null", "w");
    if (nothing == NULL || fwrite(freed(64), 1, 64, nothing) == 0) exit(9);
}
static void text_measured_freed(void) { seen = (unsigned char)strlen(freed(64)); }
static void bytes_copied_freed(void) {
    char room[64];
    memcpy(room, freed(64), (size_t)hide((void *)64));
    hide(room);
}
static void bytes_compared_freed(void) {
    char room[64] = {0};
    seen = memcmp(room, freed(64), (size_t)hide((void *)64)) == 0;
}
static void page_copied_from_too_little(void) { /* as who believes what he is told of a length */
    static char room[8192];
    memcpy(room, block(48), (size_t)hide((void *)8192));
}
static void page_copied_to_too_little(void) {
    static char room[8192];
    memmove(block(48), room, (size_t)hide((void *)8192));
}
static void
copies_of_right_size(void) { /* no mistake: all of a block, none of a freed one, what nobody wrote */
    static char room[8192];
    char *p = block(5000), *gone = freed(64), *fresh = hide(malloc(64));
    memcpy(room, p, (size_t)hide((void *)5000));
    memmove(p, room, (size_t)hide((void *)5000));
    memcpy(room, gone, (size_t)hide(NULL));
    if (memcmp(gone, room, (size_t)hide(NULL)) || strncmp(gone, room, (size_t)hide(NULL))) exit(9);
    memcpy(room, fresh, (size_t)hide((void *)64));
    give(fresh);
    give(p);
}
static void system_opens_freed(void) {
    char *path = strdup("/dev/null");
    give(path);
    if (open(hide(path), O_RDONLY) < 0) errno = 0;
}
static void system_tells_too_much(void) { /* what it knows of a file, into a block of half that size */
    void *p = hide(malloc(sizeof(struct stat) / 2));
    if (fstat(0, p)) errno = 0;
    give(p);
}
static void system_tells_into_pointer(void) {
    void *p = hide(malloc(sizeof(struct stat *)));
    if (stat("/", p)) errno = 0;
    give(p);
}
static void system_tells_freed(void) {
    if (stat("/", freed(sizeof(struct stat)))) errno = 0;
}
static void system_makes_pipe(void) { /* two numbers where one has room */
    void *p = hide(malloc(sizeof(int)));
    if (pipe(p)) errno = 0;
    give(p);
}
static void system_follows_link(void) {
    void *p = hide(malloc(4));
    if (readlink("/proc/self/exe", p, 100) < 0) errno = 0;
    give(p);
}
static void system_receives_too_much(void) {
    char text[200] = "text";
    int ends[2];
    void *p = block(48);
    struct iovec part = {p, sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || send(ends[0], text, sizeof text, 0) < 0) exit(9);
    if (recvmsg(ends[1], &message, 0) < 0) errno = 0;
    give(p);
}
static void stream_reads_too_much(void) {
    FILE *zeros = fopen("/dev/zero", "r");
    void *p = block(LARGE);
    if (zeros == NULL) exit(9);
    if (fread(p, 1, 2 * LARGE, zeros) == 0) errno = 0;
    give(p);
}
static void overflow_seen_at_exit_now(void) {
    put(block(SMALL), SMALL, 0);
    puts("survived");
    fflush(stdout);
    _exit(0);
}
/* The block before it is free again: what is damaged is that one. */
static void underflow_into_freed(void) {
    unsigned char *v[200];
    for (int i = 0; i < 200; i++) v[i] = block(SMALL);
    for (int i = 0; i < 200; i++)
        for (int k = 0; k < 200; k++)
            if (v[i] + 32 == v[k]) {
                give(v[i]);
                put(v[k], -5, 1);
                return;
            }
    put(v[0], -5, 1); /* in guard mode none is beside another */
    give(v[0]);
}
struct links {
    struct links *next, *before;
};
static void free_from_freed(void) { /* as who frees a list, and takes the next one from what was freed */
    struct links *p = (struct links *)(void *)block(sizeof *p);
    p->next = hide(malloc(SMALL));
    give(p);
    give(((struct links *)hide(p))->next);
}
static void follow(struct links *p) { p->next->before = NULL; }
static void pointer_from_freed(void) {
    static struct links other;
    struct links *p = (struct links *)(void *)block(sizeof *p);
    p->next = &other;
    give(p);
    follow(hide(p));
}
static void pointer_from_new(void) { follow(hide(malloc(sizeof(struct links)))); }
static void call_from_new(void) {
    void (**functions)(void) = hide(malloc(4 * sizeof *functions));
    functions[2]();
}
static void read_after_free_huge(void) {
    unsigned char *p = block(HUGE_SIZE);
    give(p);
    get(p, 5);
}
/* Uses up what is allowed for large blocks at the start of a process. */
static void use_up(void) {
    for (int i = 0; i < 2; i++) give(hide(malloc(HUGE_SIZE)));
}
static void read_after_free_huge_late(void) {
    use_up();
    read_after_free_huge();
}
static void write_after_free_huge_late(void) {
    use_up();
    write_after_free_huge();
}
static void read_after_free_large_late(void) {
    use_up();
    unsigned char *p = block(LARGE);
    give(p);
    get(p, LARGE / 2);
}
static void read_after_free_huge_reused(void) { /* by one that was freed, too */
    use_up();
    unsigned char *p = block(HUGE_SIZE);
    give(p);
    pass(HUGE_SIZE, (size_t)4 * HUGE_SIZE);
    get(p, 5);
}
static void read_after_realloc(void) {
    unsigned char *p = block(SMALL), *q = hide(realloc(p, 9000));
    get(p, 5);
    give(q);
}

/* No mistake, but instructions that want 16 where guard mode gives 8: moves, with each kind of operand. */
#if defined(__x86_64__)
#define VECTOR(instruction, p, i) \
    __asm__ volatile(instruction : : "a"(p), "d"((size_t)(i)) : "r12", "r13", "xmm3", "xmm9", "memory")
#else
#define VECTOR(instruction, p, i) ((void)(p))
#endif
static void vector_moves(void) {
    unsigned char *p = block(56), *q = block(56);
    for (int i = 0; i < 56; i++) p[i] = (unsigned char)i;
    VECTOR("movaps (%%rax), %%xmm3\n movaps %%xmm3, 16(%%rax)", p, 0);
    VECTOR("movapd (%%rax,%%rdx,8), %%xmm9\n movapd %%xmm9, 0x90(%%rax,%%rdx,4)", p - 224, 28);
    VECTOR("mov %%rax, %%r12\n movdqa (%%r12), %%xmm3\n movntdq %%xmm3, 16(%%r12)", p, 0);
    VECTOR("mov %%rax, %%r13\n movdqa 0(%%r13), %%xmm9\n movntps %%xmm9, 0(,%%rdx,1)", p, q);
    VECTOR("movaps (%%rax), %%xmm3\n movdqa %%xmm3, 32(%%rdx)", p, q);
    for (int i = 0; i < 16; i++)
        if (p[16 + i] != i || p[32 + i] != i || q[i] != i || q[32 + i] != i) exit(9);
    give(q);
    give(p);
}
static void vector_load_behind(void) { VECTOR("movaps 16(%%rax), %%xmm3", block(24), 0); }
static void vector_add(void) {
    unsigned char *p = block(24);
    VECTOR("paddd (%%rax), %%xmm3", p, 0);
    give(p);
}

/* ---- heaps of the program's own ---- */

static struct fh_heap *own;
static unsigned char *own_block(size_t size) {
    if (own == NULL) own = fh_heap_new(0);
    unsigned char *p = hide(fh_heap_malloc(own, size));
    if (p == NULL) exit(9);
    memset(p, 1, size);
    return p;
}
static void own_overflow(void) { behind(own_block(SMALL), SMALL, 0); }
static void own_overflow_large(void) { behind(own_block(LARGE), LARGE, 0); }
static void own_underflow(void) {
    unsigned char *p = own_block(MEDIUM);
    put(p, -1, 0);
    give(p);
}
static void own_overflow_dropped(void) {
    put(own_block(SMALL), SMALL, 0);
    fh_heap_drop(own);
}
static void own_write_after_free(void) {
    unsigned char *p = own_block(SMALL);
    own_block(SMALL);
    give(p);
    put(p, 3, 0);
    fh_heap_drop(own);
}
static void own_double_free(void) { twice(own_block(SMALL)); }
static void own_double_free_large(void) { twice(own_block(LARGE)); }
static void own_interior(void) { give(own_block(SMALL) + 8); }
static void own_after_drop(void) {
    unsigned char *p = own_block(SMALL);
    fh_heap_drop(own);
    give(p);
}
static void own_sized_wrong(void) { fh_free_sized(own_block(SMALL), 200); }

/* ---- the typed path ---- */

struct typed {
    char bytes[40];
};
static void typed_delete_twice(void) {
    struct typed *p = hide(fh_new(struct typed)), *q = hide(p);
    fh_delete(p);
    fh_delete(q);
}
static void typed_delete_then_free(void) {
    struct typed *p = hide(fh_new(struct typed)), *q = hide(p);
    fh_delete(p);
    give(q);
}
static void typed_delete_interior(void) {
    struct typed *p = hide(fh_new(struct typed));
    fh_delete((struct typed *)hide(p->bytes + 8));
}
static void typed_delete_stack(void) {
    struct typed local;
    fh_delete((struct typed *)hide(&local));
}
static void typed_overflow(void) {
    struct typed *p = hide(fh_new(struct typed));
    put((unsigned char *)p, sizeof *p, 0);
    fh_delete(p);
}
static void typed_write_after_delete(void) {
    struct typed *p = hide(fh_new(struct typed)), *q = hide(p);
    fh_delete(p);
    put((unsigned char *)q, 5, 0);
}

/* ---- sums that overflow (properties) ---- */

static void refuses(void *p) {
    if (hide(p) != NULL || errno != ENOMEM) exit(3);
}
static size_t far(size_t n) { return (size_t)(uintptr_t)hide((void *)(uintptr_t)n); }
static void reallocarray_overflows(void) {
    void *p = block(SMALL);
    refuses(reallocarray(p, far(SIZE_MAX / 2), far(3)));
    give(p); /* it is still there */
}
static void realloc_negative(void) {
    void *p = block(SMALL);
    refuses(realloc(p, far((size_t)-8)));
    give(p);
}
static void aligned_overflows(void) { refuses(aligned_alloc(far(4096), far(SIZE_MAX - 100))); }
static void new_array_overflows(void) { refuses(fh_calloc(far(SIZE_MAX / 16), far(32))); }

static const struct misuse cases[] = {
    CASE(double_free_medium),
    CASE(double_free_20k),
    CASE(double_free_huge),
    CASE(double_free_calloc),
    CASE(double_free_aligned),
    CASE(double_free_page),
    CASE(double_free_strdup),
    CASE(double_free_zero_size),
    CASE(double_free_in_threads),
    CASE(double_free_after_thread),
    CASE(double_free_medium_reused),
    CASE(double_free_of_all),
    CASE(realloc_twice),
    CASE(realloc_after_free_large),
    CASE(double_free_large_after_shrink),
    CASE(free_thread_local),
    CASE(free_environment),
    CASE(free_interior_huge),
    CASE(free_interior_among_others),
    CASE(free_interior_among_small),
    CASE(free_unaligned_large),
    CASE(free_next_to_large),
    CASE(free_before),
    CASE(free_behind_large),
    CASE(realloc_global),
    CASE(realloc_interior_large),
    CASE(usable_size_of_stack),
    CASE(free_minus_one),
    CASE(free_other_threads_stack),
    CASE(overflow_calloc),
    CASE(overflow_grown),
    CASE(overflow_shrunk),
    CASE(overflow_grown_large),
    CASE(overflow_shrunk_large),
    CASE(overflow_reallocarray),
    CASE(overflow_page_aligned),
    CASE(overflow_aligned_odd),
    CASE(overflow_huge),
    CASE(overflow_huge_odd),
    CASE(overflow_32k),
    CASE(overflow_strdup),
    CASE(overflow_memset),
    CASE(overflow_by_a_page),
    CASE(overflow_far_large),
    CASE(overflow_farther_large),
    CASE(overflow_by_thread),
    CASE(overflow_freed_by_thread),
    CASE(overflow_seen_at_quick_end),
    CASE(underflow_page),
    CASE(underflow_20k),
    CASE(underflow_huge),
    CASE(overflow_without_end),
    CASE(null_after_refusal),
    CASE(null_after_overflow),
    CASE(null_far_after_refusal),
    CASE(null_after_pvalloc),
    CASE(underflow_granule),
    CASE(underflow_calloc),
    CASE(underflow_far_before),
    CASE(underflow_first_of_span),
    CASE(handler_calls_heap),
    CASE(overflow_any_size),
    CASE(underflow_any_size),
    CASE(write_after_free_300k),
    CASE(write_after_free_huge),
    CASE(write_after_free_8k),
    CASE(write_after_free_by_thread),
    CASE(write_after_free_memset),
    CASE(write_after_free_calloc),
    CASE(write_after_shrink_moved),
    CASE(write_after_free_of_all),
    CASE(system_reads_into_freed),
    CASE(system_reads_into_freed_large),
    CASE(system_reads_too_much),
    CASE(system_writes_freed),
    CASE(system_writes_too_much),
    CASE(system_reads_into_parts),
    CASE(system_writes_unread),
    CASE(system_writes_freed_unread),
    CASE(system_writes_too_many_parts),
    CASE(system_sends_too_much),
    CASE(stream_writes_too_much),
    CASE(stream_writes_freed),
    CASE(text_measured_freed),
    CASE(bytes_copied_freed),
    CASE(bytes_compared_freed),
    CASE(page_copied_from_too_little),
    CASE(page_copied_to_too_little),
    CASE(copies_of_right_size),
    CASE(system_opens_freed),
    CASE(system_tells_too_much),
    CASE(system_tells_into_pointer),
    CASE(system_tells_freed),
    CASE(system_makes_pipe),
    CASE(system_follows_link),
    CASE(system_receives_too_much),
    CASE(stream_reads_too_much),
    CASE(overflow_seen_at_exit_now),
    CASE(underflow_into_freed),
    CASE(free_from_freed),
    CASE(pointer_from_freed),
    CASE(pointer_from_new),
    CASE(call_from_new),
    CASE(read_after_free_huge),
    CASE(read_after_free_huge_late),
    CASE(write_after_free_huge_late),
    CASE(read_after_free_large_late),
    CASE(read_after_free_huge_reused),
    CASE(read_after_realloc),
    CASE(vector_moves),
    CASE(vector_load_behind),
    CASE(vector_add),
    CASE(own_overflow),
    CASE(own_overflow_large),
    CASE(own_underflow),
    CASE(own_overflow_dropped),
    CASE(own_write_after_free),
    CASE(own_double_free),
    CASE(own_double_free_large),
    CASE(own_interior),
    CASE(own_after_drop),
    CASE(own_sized_wrong),
    CASE(typed_delete_twice),
    CASE(typed_delete_then_free),
    CASE(typed_delete_interior),
    CASE(typed_delete_stack),
    CASE(typed_overflow),
    CASE(typed_write_after_delete),
    CASE(reallocarray_overflows),
    CASE(realloc_negative),
    CASE(aligned_overflows),
    CASE(new_array_overflows),
};

int main(int argc, char **argv) { return run_misuse(cases, sizeof cases / sizeof *cases, argc, argv); }
