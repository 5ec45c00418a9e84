/* json_deep.c - a recursive-descent JSON parser that a document cannot overflow.
 *
 *     json_deep                    parses [[[[ ... ]]]] nested ten million deep
 *     json_deep DEPTH              the same, so deep
 *     json_deep FILE.json          parses a file
 *     json_deep --plain ...        without fh_stack_grow: shows the report of the stack overflow
 *
 * Each nesting is a call of parse_value. Before it recurses it asks how much of the stack is left; when it is
 * little, the call goes on on a further stack. So the depth is bounded by memory, about 100 bytes a level, and
 * not by `ulimit -s`. The values are pushed on the region stack and are freed at once, by the end of the frame
 * in main.
 */
#include <freehold/stack_names.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NOTHING, FALSE, TRUE, NUMBER, STRING, ARRAY, OBJECT };

struct value {
    enum kind kind;
    struct value *next; /* in the array or object       */
    char *key;          /* in an object                 */
    union {
        double number;
        char *text;
        struct value *first;
    };
};

struct parser {
    const char *start, *at, *end;
    const char *error;
    bool plain; /* do not grow */
    size_t depth, deepest, values;
    char *key;            /* of the value to be parsed */
    struct value *result; /* of the last parse_value   */
};

enum { RED_ZONE = 16 << 10, FURTHER = 64 << 20 };

#if defined(__SANITIZE_THREAD__)
#define DEPTH "20000" /* ThreadSanitizer keeps at most 65 536 calls */
#else
#define DEPTH "10000000"
#endif

static void parse_value(void *context);

static void fail(struct parser *parser, const char *error) {
    if (parser->error == NULL) parser->error = error;
}

static char peek(struct parser *parser) {
    while (parser->at < parser->end && strchr(" \t\r\n", *parser->at) != NULL && *parser->at != '\0')
        parser->at++;
    return parser->at < parser->end ? *parser->at : '\0';
}

static bool take(struct parser *parser, char c) {
    if (peek(parser) != c) return false;
    parser->at++;
    return true;
}

static bool take_word(struct parser *parser, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0) return false;
    parser->at += length;
    return true;
}

/* The four hexadecimal digits of \uXXXX as UTF-8; surrogate pairs come as two. */
static char *put_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

static int hex4(struct parser *parser) {
    int code = 0;
    for (int i = 0; i < 4; i++, parser->at++) {
        char c = parser->at < parser->end ? *parser->at : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *put_escape(struct parser *parser, char *out) {
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = parser->at < parser->end ? *parser->at++ : '\0';
    const char *name = c ? strchr(names, c) : NULL;
    if (name != NULL) {
        *out++ = meanings[name - names];
        return out;
    }
    int code = c == 'u' ? hex4(parser) : -1;
    if (code >= 0xd800 && code < 0xdc00 && take_word(parser, "\\u")) {
        int low = hex4(parser);
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    if (code < 0) fail(parser, "bad escape in a string");
    return code < 0 ? out : put_utf8(out, (unsigned)code);
}

/* Behind the opening quote. The text is never longer than its spelling. */
static char *parse_string(struct parser *parser) {
    const char *close = parser->at;
    while (close < parser->end && *close != '"') close += *close == '\\' && close + 1 < parser->end ? 2 : 1;
    if (close >= parser->end) {
        fail(parser, "a string without end");
        return NULL;
    }
    char *text = push_array(char, (size_t)(close - parser->at) + 1), *out = text;
    if (text == NULL) fail(parser, "no memory");
    while (text != NULL && parser->error == NULL && parser->at < close) {
        char c = *parser->at++;
        if (c == '\\') {
            out = put_escape(parser, out);
        } else {
            *out++ = c;
        }
    }
    if (text != NULL) *out = '\0';
    parser->at = close + 1;
    return text;
}

static void parse_number(struct parser *parser, struct value *value) {
    char *end;
    value->kind = NUMBER;
    value->number = strtod(parser->at, &end);
    if (end == parser->at) fail(parser, "not a value");
    parser->at = end;
}

static struct value *new_value(struct parser *parser) {
    struct value *value = push_zero(struct value);
    if (value == NULL) {
        fail(parser, "no memory");
        return NULL;
    }
    value->key = parser->key;
    parser->key = NULL;
    parser->values++;
    return value;
}

static void parse_scalar(struct parser *parser) {
    struct value *value = new_value(parser);
    if (value == NULL) return;
    parser->result = value;
    if (take(parser, '"')) {
        value->kind = STRING;
        value->text = parse_string(parser);
    } else if (take_word(parser, "null")) {
        value->kind = NOTHING;
    } else if (take_word(parser, "true")) {
        value->kind = TRUE;
    } else if (take_word(parser, "false")) {
        value->kind = FALSE;
    } else {
        parse_number(parser, value);
    }
}

static bool parse_key(struct parser *parser) {
    if (!take(parser, '"')) {
        fail(parser, "a key is wanted");
        return false;
    }
    parser->key = parse_string(parser);
    if (!take(parser, ':')) fail(parser, "a colon is wanted");
    return parser->error == NULL;
}

/* An array or an object: the recursion. */
static void parse_value(void *context) {
    struct parser *parser = context;
    char open = peek(parser);
    if (open != '[' && open != '{') {
        parse_scalar(parser);
        return;
    }
    struct value *value = new_value(parser), **link;
    if (value == NULL) return;
    value->kind = open == '[' ? ARRAY : OBJECT;
    link = &value->first;
    parser->at++;
    if (++parser->depth > parser->deepest) parser->deepest = parser->depth;
    if (!take(parser, value->kind == ARRAY ? ']' : '}')) {
        do {
            if (value->kind == OBJECT && !parse_key(parser)) break;
            if (parser->plain) {
                parse_value(parser);
            } else if (fh_stack_grow(RED_ZONE, FURTHER, parse_value, parser) != 0) {
                fail(parser, "no memory for a further stack");
            }
            if (parser->error != NULL) break;
            *link = parser->result;
            link = &parser->result->next;
        } while (take(parser, ','));
        if (parser->error == NULL && !take(parser, value->kind == ARRAY ? ']' : '}'))
            fail(parser, "a bracket is not closed");
    }
    parser->depth--;
    parser->result = value;
}

static char *nested(size_t depth, size_t *size) {
    char *text = malloc(2 * depth + 1);
    if (text == NULL) return NULL;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    *size = 2 * depth;
    return text;
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long length;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0) {
        text = malloc((size_t)length + 1);
        *size = text ? fread(text, 1, (size_t)length, file) : 0;
        if (text) text[*size] = '\0';
    }
    if (file != NULL) fclose(file);
    return text;
}

static int parse(struct parser *parser) {
    frame {
        parse_value(parser);
        if (parser->error == NULL && peek(parser) != '\0') fail(parser, "something follows the value");
        struct fh_region_info region;
        fh_region_stats(NULL, &region);
        if (parser->error != NULL) {
            printf("at byte %zu: %s\n", (size_t)(parser->at - parser->start), parser->error);
            return 1;
        }
        printf("%zu values, nested %zu deep; call stack %zu KiB, region stack %zu KiB\n", parser->values,
               parser->deepest, fh_stack_peak() / 1024, region.used / 1024);
    }
    return 0;
}

int main(int argc, char **argv) {
    struct parser parser = {.plain = argc > 1 && strcmp(argv[1], "--plain") == 0};
    const char *what = argc > 1 + parser.plain ? argv[1 + parser.plain] : DEPTH;
    size_t size = 0, depth = strtoul(what, NULL, 10);
    if (fh_stack_install() != 0) perror("fh_stack_install");
    char *text = depth > 0 ? nested(depth, &size) : read_file(what, &size);
    if (text == NULL) {
        perror(what);
        return 1;
    }
    parser.start = parser.at = text;
    parser.end = text + size;
    int status = parse(&parser);
    free(text);
    return status;
}
