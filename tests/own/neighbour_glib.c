/* neighbour_glib.c - owners in a GLib program: g_autoptr, a list and an array with a destructor, and text that
 * g_free frees. */
#include <glib.h>

#include <freehold/names.h>

TYPE(Person);
struct Person {
    Str name;
};
static int dropped;
static void count_drop(Person *p) {
    (void)p;
    dropped++;
}
DROP_WITH(Person, count_drop, (Str, name))
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Person, fh_Box_Person_free)

typedef char *GText;
static void GText_drop(GText *text) { g_clear_pointer(text, g_free); }

int main(void) {
    {
        g_autoptr(Person) p = box(Person, .name = str_from("auto"));
        g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(fh_Box_Person_free);
        for (int i = 0; i < 10; i++) g_ptr_array_add(all, box(Person, .name = str_of("person %d", i)));
        GList *list = g_list_prepend(NULL, box(Person));
        g_list_free_full(list, fh_Box_Person_free);
        own(GText) text = g_strdup_printf("%s and %u", str_c(&p->name), all->len);
        if (g_strcmp0(text, "auto and 10") != 0) return 1;
    }
    return dropped == 12 ? 0 : 1;
}
