/* misuse_text.c - wrong uses of the heap by functions of the C library that read: text that is printed,
 * measured or searched, arrays that are sorted, paths; and the functions that programs call which were compiled
 * with -D_FORTIFY_SOURCE=2. As misuse.c.
 */
#include "misuse.h"

#include <stdarg.h>
#include <string.h>
#include <wchar.h>

/* ---- text and arrays ---- */

static void text_written_freed(void) {
    char *text = text_of(64);
    text[63] = 0;
    give(text);
    puts(text);
}
static void text_written_without_end(void) { fputs(text_of(64), stdout); }
static void text_copied_freed(void) { hide(strdup(freed(64))); }
static void text_copied_without_end(void) { hide(strdup(text_of(48))); }
static void text_compared_freed(void) { seen = strcmp("abc", freed(64)) == 0; }
static void text_appended_freed(void) {
    char room[200] = "abc";
    strncat(room, "d", 1);
    strcat(room, freed(64));
    hide(room);
}
static int print(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int result = vfprintf(stdout, format, list);
    va_end(list);
    return result;
}
static void text_printed_freed(void) { seen = printf("%5d %s\n", 7, (char *)freed(64)) > 0; }
static void text_printed_freed_by_list(void) { seen = print("%s\n", (char *)freed(64)) > 0; }
static void text_printed_behind_others(void) {
    seen = printf("%%%-*.3f%c%Lf%lx%hhu%zu%p%.2s %s\n", 9, 1.5, 'c', 2.5L, 7ul, (unsigned char)9, (size_t)8,
                  (void *)&seen, "abc", (char *)freed(64)) > 0;
}
static void text_printed_without_end(void) { seen = printf("%s\n", text_of(64)) > 0; }
static void text_made_of_freed(void) {
    char room[200];
    seen = snprintf(room, sizeof room, "%.40s", (char *)freed(64)) > 0;
    hide(room);
}
static void format_freed(void) {
    char *format = strdup("no conversion in it, but text");
    give(format);
    seen = print(hide(format)) > 0;
}
static void
text_printed_of_right_size(void) { /* no mistake: no more than is there, of a block without an end */
    char *text = text_of(64), *whole = text_of(64), room[100];
    whole[63] = 0;
    seen = snprintf(room, sizeof room, "%.*s|%.64s|%s|%-70.3s|%ls|%s", 64, text, text, whole, text, L"wide",
                    "") > 0;
    seen = snprintf(room, sizeof room, "%.0s|%2$s", (char *)freed(64), whole) > 0;
    give(text);
    give(whole);
}
static void text_measured_unwritten(void) { seen = (unsigned char)strlen(hide(malloc(64))); }
static void text_searched_freed(void) { seen = strstr(freed(64), "text") != NULL; }
static void number_read_freed(void) { seen = (unsigned char)strtol(freed(64), NULL, 10); }
static int compare_numbers(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void array_sorted_freed(void) { qsort(freed(64), 16, sizeof(int), compare_numbers); }
static void array_sorted_too_far(void) { qsort(block(64), 17, sizeof(int), compare_numbers); }

/* What programs call that were compiled with -D_FORTIFY_SOURCE=2; other C libraries do without. */
#ifdef __GLIBC__
void *__memcpy_chk(void *to, const void *from, size_t size, size_t room);
char *__strcpy_chk(char *to, const char *text, size_t room);
char *__strcat_chk(char *to, const char *text, size_t room);
int __printf_chk(int flag, const char *format, ...);
int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...);
#else
#define __memcpy_chk(to, from, size, room) memcpy(to, from, size)
#define __strcpy_chk(to, text, room) strcpy(to, text)
#define __strcat_chk(to, text, room) strcat(to, text)
#define __printf_chk(flag, ...) printf(__VA_ARGS__)
#define __snprintf_chk(to, size, flag, room, ...) snprintf(to, size, __VA_ARGS__)
#endif
static void fortified_copy_freed(void) {
    char room[64];
    __memcpy_chk(room, freed(64), (size_t)hide((void *)64), sizeof room);
    hide(room);
}
static void fortified_page_from_too_little(void) {
    static char room[8192];
    __memcpy_chk(room, block(48), (size_t)hide((void *)8192), sizeof room);
}
static void fortified_text_freed(void) {
    char room[200];
    __strcpy_chk(room, freed(64), sizeof room);
    hide(room);
}
static void fortified_append_freed(void) {
    char room[200] = "abc";
    __strcat_chk(room, freed(64), sizeof room);
    hide(room);
}
static void fortified_print_freed(void) { seen = __printf_chk(1, "%d %s\n", 7, (char *)freed(64)) > 0; }
static void fortified_text_made_of_freed(void) {
    char room[200];
    seen = __snprintf_chk(room, sizeof room, 1, sizeof room, "%s", (char *)freed(64)) > 0;
    hide(room);
}

/* ---- paths ---- */

static void system_renames_freed(void) {
    char *path = strdup("/nonexistent");
    give(path);
    if (rename("/nonexistent/too", hide(path)) < 0) errno = 0;
}
static void stream_opens_freed(void) {
    char *path = strdup("/dev/null");
    give(path);
    if (fopen(hide(path), "r") == NULL) errno = 0;
}

static const struct misuse cases[] = {
    CASE(text_written_freed),         CASE(text_written_without_end),
    CASE(text_copied_freed),          CASE(text_copied_without_end),
    CASE(text_compared_freed),        CASE(text_appended_freed),
    CASE(text_printed_freed),         CASE(text_printed_freed_by_list),
    CASE(text_printed_behind_others), CASE(text_printed_without_end),
    CASE(text_made_of_freed),         CASE(format_freed),
    CASE(text_printed_of_right_size), CASE(text_measured_unwritten),
    CASE(text_searched_freed),        CASE(number_read_freed),
    CASE(array_sorted_freed),         CASE(array_sorted_too_far),
    CASE(fortified_copy_freed),       CASE(fortified_page_from_too_little),
    CASE(fortified_text_freed),       CASE(fortified_append_freed),
    CASE(fortified_print_freed),      CASE(fortified_text_made_of_freed),
    CASE(system_renames_freed),       CASE(stream_opens_freed),
};

int main(int argc, char **argv) { return run_misuse(cases, sizeof cases / sizeof *cases, argc, argv); }
