/* own_interop.c - owners beside code that has ways of its own: systemd's _cleanup_ and TAKE_PTR, GLib's
 * g_autoptr and GDestroyNotify, and plain C with malloc and free. Each can adopt owners one function at a time.
 *
 * The glue of a Box is two plain functions that such code can use as they are:
 *     fh_Box_T_drop(T **)      what the cleanup attribute calls: systemd's _cleanup_(x), g_auto
 *     fh_Box_T_free(void *)    a destructor by pointer: GDestroyNotify, qsort-like tables, pthread_key_create */
#include <freehold/names.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TYPE(User);
struct User {
    Str name;
    int id;
};
static int dropped;
static void count_drop(User *u) {
    (void)u;
    dropped++;
}
DROP_WITH(User, count_drop, (Str, name))

/* ---- systemd's manner: the macros are its own, the cleanup function is ours ---- */

#define _cleanup_(function) __attribute__((cleanup(function)))
#define TAKE_PTR(pointer) take(pointer)

static int user_new(const char *name, User **ret) {
    _cleanup_(fh_Box_User_drop) User *u = NULL; /* a User * is a Box(User): no type changes */
    u = try_box(User, .id = 7);
    if (!u) return -1;
    u->name = str_from(name);
    *ret = TAKE_PTR(u);
    return 0;
}

/* ---- GLib's manner: what G_DEFINE_AUTOPTR_CLEANUP_FUNC(User, ...) makes, spelled out so that GLib is not
 * needed ---- */

typedef User *User_autoptr;
static inline void User_autoptr_cleanup(User_autoptr *p) { fh_Box_User_drop(p); }
#define g_autoptr(T) __attribute__((cleanup(T##_autoptr_cleanup))) T##_autoptr

typedef void (*DestroyNotify)(void *); /* GDestroyNotify */
struct list {
    void *data;
    struct list *next;
};
static void list_free_full(struct list *l, DestroyNotify destroy) { /* g_list_free_full */
    for (struct list *next; l; l = next) {
        next = l->next;
        destroy(l->data);
        free(l);
    }
}

/* ---- plain C ---- */

static size_t legacy_length(const char *text) { return strlen(text); } /* lends */
static char *legacy_copy(const char *text) { return strdup(text); }    /* gives: the caller frees */

/* What C code gave and free() takes, as an owner: one function makes any pointer type one. */
typedef char *CText;
static void CText_drop(CText *text) {
    free(*text);
    *text = NULL;
}

OWNER(CText)

int main(void) {
    {
        own(Box(User)) u = NULL;
        if (user_new("systemd", &u) != 0) return 1;
        printf("%s, %zu letters\n", str_c(&u->name), legacy_length(str_c(&u->name)));

        g_autoptr(User) v = box(User, .name = str_from("glib"));
        printf("%s\n", str_c(&v->name));

        struct list *list = NULL;
        for (int i = 0; i < 3; i++) {
            struct list *link = malloc(sizeof *link);
            if (!link) return 1;
            *link = (struct list){box(User, .id = i), list};
            list = link;
        }
        list_free_full(list, fh_Box_User_free);

        own(CText) copy = legacy_copy("from C");
        own(Vec(CText)) all = {0};
        vec_push(&all, legacy_copy("one"));
        vec_push(&all, move(copy));
        vec_each(text, &all) printf("%s\n", *text);
    }
    printf("%d users dropped\n", dropped);
    return dropped == 5 ? 0 : 1;
}
