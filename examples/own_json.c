/* own_json.c - a JSON reader and writer on owners: a tagged union that owns, Vec, Str, and errors by value.
 *
 *     own_json                 reads a document of its own, changes it, writes it, and reads that again
 *     own_json FILE            reads FILE, writes it without blanks
 *
 * A value owns all that is in it; dropping the root frees the document, however deep. The reader is recursive,
 * so it refuses documents nested deeper than DEPTH; the drop is not limited. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <freehold/names.h>

enum { DEPTH = 10000 };

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } Kind;

TYPE(Json);
TYPE(Member);
struct Json {
    Kind kind;
    union {
        bool truth;
        double number;
        Str string;
        Vec(Json) array;
        Vec(Member) object; /* in the order of the text */
    };
};
struct Member {
    Str name;
    Json value;
};
DROP_ENUM(Json, kind, (JSON_STRING, Str, string), (JSON_ARRAY, Vec(Json), array),
          (JSON_OBJECT, Vec(Member), object))
DROP(Member, (Str, name), (Json, value))

/* ---- reading ---- */

typedef struct {
    StrView rest;
    StrView all;
    const char *error; /* NULL while all is well */
    int depth;
} Reader;

static Json fail(Reader *r, const char *why) {
    if (!r->error) r->error = why;
    return (Json){0};
}

static void skip_blanks(Reader *r) {
    while (r->rest.len > 0 &&
           (*r->rest.ptr == ' ' || *r->rest.ptr == '\n' || *r->rest.ptr == '\t' || *r->rest.ptr == '\r'))
        r->rest = view_n(r->rest.ptr + 1, r->rest.len - 1);
}

static bool take_text(Reader *r, StrView text) {
    if (!view_starts(r->rest, text)) return false;
    r->rest = view_n(r->rest.ptr + text.len, r->rest.len - text.len);
    return true;
}

static bool read_hex(Reader *r, uint32_t *unit) {
    if (r->rest.len < 4) return false;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char c = r->rest.ptr[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    r->rest = view_n(r->rest.ptr + 4, r->rest.len - 4);
    return true;
}

static bool read_escape(Reader *r, Str *out) {
    if (r->rest.len == 0) return false;
    char c = *r->rest.ptr;
    r->rest = view_n(r->rest.ptr + 1, r->rest.len - 1);
    uint32_t unit, low;
    switch (c) {
        case 'n': str_push_char(out, '\n'); return true;
        case 't': str_push_char(out, '\t'); return true;
        case 'r': str_push_char(out, '\r'); return true;
        case 'b': str_push_char(out, '\b'); return true;
        case 'f': str_push_char(out, '\f'); return true;
        case '"':
        case '\\':
        case '/': str_push_char(out, (uint32_t)c); return true;
        case 'u': break;
        default: return false;
    }
    if (!read_hex(r, &unit)) return false;
    StrView behind =
        r->rest; /* half of a pair may stand alone: it becomes U+FFFD, and what follows is read anew */
    if (unit >= 0xd800 && unit < 0xdc00 && take_text(r, view("\\u")) && read_hex(r, &low) && low >= 0xdc00 &&
        low < 0xe000)
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    else r->rest = behind;
    str_push_char(out, unit);
    return true;
}

/* The string after its opening quote. What is read so far is dropped when it ends badly: out is an owner. */
static bool read_string(Reader *r, Str *into) {
    own(Str) out = {0};
    while (r->rest.len > 0) {
        size_t plain = 0;
        while (plain < r->rest.len && r->rest.ptr[plain] != '"' && r->rest.ptr[plain] != '\\' &&
               (unsigned char)r->rest.ptr[plain] >= ' ')
            plain++;
        str_push_view(&out, view_n(r->rest.ptr, plain));
        r->rest = view_n(r->rest.ptr + plain, r->rest.len - plain);
        if (take_text(r, view("\""))) {
            *into = move(out);
            return true;
        }
        if (!take_text(r, view("\\")) || !read_escape(r, &out)) break;
    }
    fail(r, "bad string");
    return false;
}

static Json read_value(Reader *r);

static Json read_array(Reader *r) {
    own(Json) out = {JSON_ARRAY, .array = {0}};
    skip_blanks(r);
    if (take_text(r, view("]"))) return move(out);
    do {
        vec_push(&out.array, read_value(r));
        skip_blanks(r);
    } while (!r->error && take_text(r, view(",")));
    if (r->error || !take_text(r, view("]"))) return fail(r, "expected , or ]");
    return move(out);
}

static Json read_object(Reader *r) {
    own(Json) out = {JSON_OBJECT, .object = {0}};
    skip_blanks(r);
    if (take_text(r, view("}"))) return move(out);
    do {
        own(Member) member = {0};
        skip_blanks(r);
        if (!take_text(r, view("\"")) || !read_string(r, &member.name)) return fail(r, "expected a name");
        skip_blanks(r);
        if (!take_text(r, view(":"))) return fail(r, "expected :");
        member.value = read_value(r);
        vec_push(&out.object, move(member));
        skip_blanks(r);
    } while (!r->error && take_text(r, view(",")));
    if (r->error || !take_text(r, view("}"))) return fail(r, "expected , or }");
    return move(out);
}

/* The digits from *n on, of which there must be some. */
static bool pass_digits(StrView text, size_t *n) {
    size_t from = *n;
    while (*n < text.len && text.ptr[*n] >= '0' && text.ptr[*n] <= '9') ++*n;
    return *n > from;
}
static bool pass(StrView text, size_t *n, const char *any_of) {
    bool there = *n < text.len && strchr(any_of, text.ptr[*n]) != NULL && text.ptr[*n] != 0;
    *n += there;
    return there;
}
/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?    JSON has no other numbers, though strtod has. */
static size_t length_of_number(StrView text) {
    size_t n = 0;
    pass(text, &n, "-");
    if (!pass(text, &n, "0") && !pass_digits(text, &n)) return 0;
    if (pass(text, &n, ".") && !pass_digits(text, &n)) return 0;
    if (!pass(text, &n, "eE")) return n;
    pass(text, &n, "+-");
    return pass_digits(text, &n) ? n : 0;
}

static Json read_number(Reader *r) {
    size_t n = length_of_number(r->rest);
    double number;
    if (n == 0 || !view_to_double(view_n(r->rest.ptr, n), &number)) return fail(r, "expected a value");
    if (isinf(number)) return fail(r, "a number that is too large");
    r->rest = view_n(r->rest.ptr + n, r->rest.len - n);
    return (Json){JSON_NUMBER, .number = number};
}

static Json read_value(Reader *r) {
    skip_blanks(r);
    if (r->depth >= DEPTH) return fail(r, "nested too deep");
    r->depth++;
    Json out = {0};
    if (take_text(r, view("{"))) out = read_object(r);
    else if (take_text(r, view("["))) out = read_array(r);
    else if (take_text(r, view("\""))) {
        out.kind = JSON_STRING;
        if (!read_string(r, &out.string)) out = (Json){0};
    } else if (take_text(r, view("true"))) out = (Json){JSON_BOOL, .truth = true};
    else if (take_text(r, view("false"))) out = (Json){JSON_BOOL, .truth = false};
    else if (!take_text(r, view("null"))) out = read_number(r);
    r->depth--;
    return out;
}

static Result(Json) json_read(StrView text, Str *error) {
    Reader r = {.rest = text, .all = text};
    if (!view_is_utf8(text)) r.error = "the text is not UTF-8";
    own(Json) value = r.error ? (Json){0} : read_value(&r);
    skip_blanks(&r);
    if (!r.error && r.rest.len > 0) r.error = "more text after the document";
    if (!r.error) return ok(Json, move(value));
    str_format(error, "byte %zu: %s", text.len - r.rest.len, r.error);
    return err(Json, 1);
}

/* ---- writing ---- */

static void write_string(StrView text, Str *out) {
    str_push(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') str_format(out, "\\%c", c);
        else if (c == '\n') str_push(out, "\\n");
        else if (c < ' ') str_format(out, "\\u%04x", c);
        else str_push_view(out, view_n(text.ptr + i, 1));
    }
    str_push(out, "\"");
}

static void json_write(const Json *value, Str *out) {
    const char *between = "";
    switch (value->kind) {
        case JSON_NULL: str_push(out, "null"); break;
        case JSON_BOOL: str_push(out, value->truth ? "true" : "false"); break;
        case JSON_NUMBER: str_format(out, "%.17g", value->number); break;
        case JSON_STRING: write_string(str_as_view(&value->string), out); break;
        case JSON_ARRAY:
            str_push(out, "[");
            vec_each(item, &value->array) {
                str_push(out, between);
                json_write(item, out);
                between = ",";
            }
            str_push(out, "]");
            break;
        case JSON_OBJECT:
            str_push(out, "{");
            vec_each(member, &value->object) {
                str_push(out, between);
                write_string(str_as_view(&member->name), out);
                str_push(out, ":");
                json_write(&member->value, out);
                between = ",";
            }
            str_push(out, "}");
            break;
    }
}

/* A borrow: good while the document lives and does not change. */
static Json *json_member(Json *object, StrView name) {
    if (object->kind != JSON_OBJECT) return NULL;
    vec_each(member, &object->object) if (view_equal(str_as_view(&member->name), name)) return &member->value;
    return NULL;
}

/* ---- the program ---- */

static bool read_file(const char *path, Str *out) {
    FILE *file = fopen(path, "r");
    if (!file) return false;
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) str_push_view(out, view_n(buffer, n));
    bool read = !ferror(file);
    int why = errno;
    fclose(file);
    errno = why;
    return read;
}

int main(int argc, char **argv) {
    own(Str) text = str_from("{ \"name\": \"Freehold\", \"parts\": [\"stack\", \"heap\", \"owners\"],\n"
                             "  \"year\": 2026, \"deep\": [[[[1, -2.5e3], true], null]], \"text\": "
                             "\"caf\\u00e9 \\ud83d\\ude00 \\\"x\\\"\" }");
    if (argc > 1) {
        drop(Str, &text);
        if (!read_file(argv[1], &text)) {
            perror(argv[1]);
            return 1;
        }
    }
    own(Str) error = {0};
    own(Result(Json)) read = json_read(str_as_view(&text), &error);
    if (read.error) {
        fprintf(stderr, "not JSON: %s\n", str_c(&error));
        return 1;
    }
    Json *root = &read.value;
    if (argc == 1) {
        Json *parts = json_member(root, view("parts"));
        if (!parts || parts->kind != JSON_ARRAY) return 1;
        vec_push(&parts->array, ((Json){JSON_STRING, .string = str_from("checker")}));
        set(Json, json_member(root, view("name")), ((Json){JSON_STRING, .string = str_from("Freehold!")}));
    }
    own(Str) written = {0};
    json_write(root, &written);
    puts(str_c(&written));
    if (argc > 1) return 0;

    own(Result(Json)) again = json_read(str_as_view(&written), &error);
    own(Str) rewritten = {0};
    json_write(&again.value, &rewritten);
    bool same = again.error == 0 && str_equal(&written, &rewritten);
    own(Result(Json)) bad = json_read(view("[1, {\"a\": [2, \"x\"}]"), &error);
    printf("read again: %s; a wrong document: %s\n", same ? "the same" : "different", str_c(&error));
    return same && bad.error ? 0 : 1;
}
