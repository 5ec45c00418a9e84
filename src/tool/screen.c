/* screen.c - text and numbers laid out for a terminal or a file. */
#include "tool/screen.h"

#include "base/report.h"
#include "tool/tool.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NARROWEST = 40, WIDEST = 100, WIDTH_ELSEWHERE = 80, BUFFERS = 12, BUFFER = 40 };

static const char *const escapes[] = {[FH_PLAIN] = "",
                                      [FH_BOLD] = "\033[1m",
                                      [FH_DIM] = "\033[2m",
                                      [FH_BAR] = "\033[36m",
                                      [FH_WARN] = "\033[33m"};

/* A terminal that does not know its width says 0. */
static int width_of(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return WIDTH_ELSEWHERE;
    if (size.ws_col < NARROWEST) return NARROWEST;
    return size.ws_col > WIDEST ? WIDEST : size.ws_col;
}

void fh_screen_begin(struct fh_screen *screen, FILE *out, int fd) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(fd);
    setlocale(LC_CTYPE, "");
    screen->out = out;
    screen->width = terminal ? width_of(fd) : WIDTH_ELSEWHERE;
    screen->colour =
        terminal && (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
    screen->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void begin_style(struct fh_screen *screen, enum fh_style style) {
    if (screen->colour) fputs(escapes[style], screen->out);
}

static void end_style(struct fh_screen *screen, enum fh_style style) {
    if (screen->colour && style != FH_PLAIN) fputs("\033[0m", screen->out);
}

void fh_screen_print(struct fh_screen *screen, enum fh_style style, const char *format, ...) {
    va_list args;
    va_start(args, format);
    begin_style(screen, style);
    vfprintf(screen->out, format, args);
    end_style(screen, style);
    va_end(args);
}

/* ---------------------------------------------------------------- text ---------------------------------- */

/* Columns that the first `bytes` of text take: characters, taken as one column each. */
static int columns(const char *text, size_t bytes) {
    int n = 0;
    for (size_t i = 0; i < bytes; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

void fh_screen_wrap(struct fh_screen *screen, enum fh_style style, const char *text, int at, int indent) {
    bool fresh = true; /* no word stands on this line yet */
    begin_style(screen, style);
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        int wide = columns(text, length);
        if (!fresh && at + 1 + wide > screen->width) {
            end_style(screen, style);
            fprintf(screen->out, "\n%*s", indent, "");
            begin_style(screen, style);
            at = indent;
            fresh = true;
        }
        if (!fresh) fputc(' ', screen->out);
        at += wide + !fresh;
        fresh = false;
        for (size_t i = 0; i < length; i++) fputc(text[i] == FH_JOIN[0] ? ' ' : text[i], screen->out);
        text += length;
        text += strspn(text, " ");
    }
    end_style(screen, style);
    fputc('\n', screen->out);
}

void fh_screen_paragraph(struct fh_screen *screen, enum fh_style style, const char *text) {
    fputs("  ", screen->out);
    fh_screen_wrap(screen, style, text, 2, 2);
}

void fh_screen_bar(struct fh_screen *screen, double share, int room) {
    static const char *const parts[] = {"",
                                        "\xe2\x96\x8f",
                                        "\xe2\x96\x8e",
                                        "\xe2\x96\x8d",
                                        "\xe2\x96\x8c",
                                        "\xe2\x96\x8b",
                                        "\xe2\x96\x8a",
                                        "\xe2\x96\x89"}; /* one to seven eighths */
    int eighths = (int)(share * room * 8 + 0.5);
    if (eighths > room * 8) eighths = room * 8;
    if (eighths == 0 && share > 0) eighths = 1;
    int full = eighths / 8, rest = eighths % 8;
    if (!screen->utf8 && rest > 0 && (rest >= 4 || full == 0)) full++;
    begin_style(screen, FH_BAR);
    for (int i = 0; i < full; i++) fputs(screen->utf8 ? "\xe2\x96\x88" : "#", screen->out);
    if (screen->utf8) fputs(parts[rest], screen->out);
    end_style(screen, FH_BAR);
    if (screen->utf8) full += rest > 0;
    for (int i = full; i < room; i++) fputc(' ', screen->out);
}

/* The length of the well-formed UTF-8 character that begins here; 0: none does, or it is a control character.
 * */
static size_t character(const char *text) {
    const unsigned char *t = (const unsigned char *)text;
    if (t[0] < 0x80) return t[0] >= ' ' && t[0] != 0x7f;
    size_t length = t[0] >= 0xf0 && t[0] < 0xf5 ? 4 : t[0] >= 0xe0 ? 3 : t[0] >= 0xc2 ? 2 : 0;
    if (t[0] >= 0xf5 || (t[0] == 0xc2 && t[1] < 0xa0)) return 0;
    for (size_t i = 1; i < length; i++)
        if ((t[i] & 0xc0) != 0x80) return 0;
    return length;
}

static bool fits(const char *text, int room) {
    for (; *text != '\0' && room >= 0; room--) {
        size_t length = character(text);
        text += length > 0 ? length : 1;
    }
    return room >= 0;
}

void fh_screen_foreign(struct fh_screen *screen, const char *text, int room) {
    int left = fits(text, room) ? room : room - 3;
    for (; *text != '\0' && left > 0; left--) {
        size_t length = character(text);
        if (length == 1 || (length > 1 && screen->utf8)) fwrite(text, 1, length, screen->out);
        else fputc('?', screen->out);
        text += length > 0 ? length : 1;
    }
    if (*text != '\0') fputs("...", screen->out);
}

/* ---------------------------------------------------------------- numbers ------------------------------- */

static char *buffer(void) {
    static char buffers[BUFFERS][BUFFER];
    static unsigned next;
    return buffers[next++ % BUFFERS];
}

static const char *joined(char *text) {
    for (char *at = text; *at != '\0'; at++)
        if (*at == ' ') *at = FH_JOIN[0];
    return text;
}

const char *fh_size_text(uint64_t bytes) {
    char *text = buffer();
    fh_format(text, BUFFER, "%H", (size_t)bytes);
    return text;
}

const char *fh_size_text_joined(uint64_t bytes) {
    char *text = buffer();
    fh_format(text, BUFFER, "%H", (size_t)bytes);
    return joined(text);
}

/* From the right: three digits, a comma, three digits ... */
const char *fh_count_text(uint64_t n) {
    char *text = buffer(), *at = text + BUFFER - 1;
    int digits = 0;
    *at = '\0';
    do {
        if (digits > 0 && digits % 3 == 0) *--at = ',';
        *--at = (char)('0' + n % 10);
        n /= 10;
        digits++;
    } while (n > 0);
    return at;
}

const char *fh_percent_text(uint64_t part, uint64_t whole) {
    char *text = buffer();
    double percent = whole > 0 ? 100.0 * (double)part / (double)whole : 0;
    if (percent > 0 && percent < 0.5) snprintf(text, BUFFER, "<1 %%");
    else snprintf(text, BUFFER, "%.0f %%", percent);
    return text;
}

const char *fh_percent_text_joined(uint64_t part, uint64_t whole) {
    const char *text = fh_percent_text(part, whole);
    return joined(memmove(buffer(), text, strlen(text) + 1));
}
