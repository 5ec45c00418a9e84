/* names.h - the short spellings of everything, for who wants them.
 *
 *     #include <freehold/names.h>
 *     #include <stdio.h>
 *
 *     TYPE(Node);
 *     struct Node {
 *         Box(Node) next;
 *         Str name;
 *         int id;
 *     };
 *     DROP(Node, (Box(Node), next), (Str, name))
 *
 *     static Box(Node) parse(const char *text) {
 *         own(Box(Node)) n = box(Node, .id = 1);                // freed at the end of the scope, unless moved
 *         n->name = str_from(text);                             // n is an ordinary Node *
 *         return move(n);                                       // moved: n is now empty
 *     }
 *     static void eat(Box(Node) in) {
 *         own(Box(Node)) n = move(in);                          // by value = takes ownership
 *         printf("%s\n", str_c(&n->name));
 *     }
 *     int main(void) {
 *         eat(parse("hello"));
 *         own(Vec(int)) v = vec_of(int, 1, 2, 3);
 *         set(Vec(int), &v, vec_of(int, 4));                    // drops the old one, stores the new one
 *         return v.len == 1 ? 0 : 1;
 *     }
 *
 * Include this after headers that use these words as names of their own (the type names and verbs are macros).
 * In C++ the words that the standard library has too keep their fh_ form, so that its headers and its members
 * work before and after this one: fh_move, fh_swap, fh_take, fh_replace, fh_drop, fh_put (for set), fh_slice,
 * fh_view, fh_none, fh_ok, and fh_push of the frames.
 */
#ifndef FREEHOLD_NAMES_H
#define FREEHOLD_NAMES_H

#include <freehold/map.h>

/* System headers that declare functions of these names: here first, so that they may be included later too. */
#if defined(__has_include)
#if __has_include(<sched.h>)
#include <sched.h> /* clone */
#endif
#if __has_include(<err.h>)
#include <err.h> /* err */
#endif
#if __has_include(<freehold/stack_names.h>)
#include <freehold/stack_names.h>
#endif
#endif

/* ---- types ---- */

#define Box(T) fh_Box(T)
#define BoxIn(T) fh_BoxIn(T)
#define Rc(T) fh_Rc(T)
#define Weak(T) fh_Weak(T)
#define Arc(T) fh_Arc(T)
#define ArcWeak(T) fh_ArcWeak(T)
#define Vec(T) fh_Vec(T)
#define VecIn(T) fh_VecIn(T)
#define Slice(T) fh_Slice(T)
#define Cell(T) fh_Cell(T)
#define RefCell(T) fh_RefCell(T)
#define Ref(T) fh_Ref(T)
#define RefMut(T) fh_RefMut(T)
#define Option(T) fh_Option(T)
#define Result(T) fh_Result(T)
#define Map(K, V) fh_Map(K, V)
#define Str fh_str
#define StrView fh_str_view
#define Arena fh_arena

/* ---- declaring ---- */

#define TYPE(T) FH_TYPE(T)
#define DROP(...) FH_DROP(__VA_ARGS__)
#define DROP_WITH(...) FH_DROP_WITH(__VA_ARGS__)
#define DROP_ENUM(...) FH_DROP_ENUM(__VA_ARGS__)
#define CLONE(...) FH_CLONE(__VA_ARGS__)
#define CLONE_ENUM(...) FH_CLONE_ENUM(__VA_ARGS__)
#define PLAIN(T) FH_PLAIN(T)
#define OWNER(T) FH_OWNER(T)
#define OWNER_CLONE(T) FH_OWNER_CLONE(T)
#define CLONE_LATER(T) FH_CLONE_LATER(T)
#define MAP(K, V) FH_MAP(K, V)
#define MAP_NAME(K, V) FH_MAP_NAME(K, V)
#define MAP_BODY(K, V) FH_MAP_BODY(K, V)
#define MAP_CLONE(K, V) FH_MAP_CLONE(K, V)
#define MAP_CLONE_LATER(K, V) FH_MAP_CLONE_LATER(K, V)
#define MAP_KEY(K) FH_MAP_KEY(K)

/* ---- verbs ---- */

#define own(X) FH_OWN(X, #X, FH_UNIQUE(fh_scope_))
#ifndef __cplusplus
#define move(x) fh_move(x)
#define swap(p, q) fh_swap(p, q)
#define take(x) fh_take(x)
#define replace(x, ...) fh_replace(x, __VA_ARGS__)
#define drop(X, p) fh_drop(X, p)
#define set(X, p, ...) fh_put(X, p, __VA_ARGS__)
#endif
#define forget(x) fh_forget(x)
#define clone(X, p) fh_clone(X, p)

/* ---- one thing: box.h, rc.h, arc.h, alloc.h ---- */

#define box(...) fh_box(__VA_ARGS__)
#define try_box(...) fh_try_box(__VA_ARGS__)
#define rc(...) fh_rc(__VA_ARGS__)
#define try_rc(...) fh_try_rc(__VA_ARGS__)
#define arc(...) fh_arc(__VA_ARGS__)
#define try_arc(...) fh_try_arc(__VA_ARGS__)
#define box_of(T, value) fh_box_of(T, value)
#define try_box_of(T, value) fh_try_box_of(T, value)
#define rc_of(T, value) fh_rc_of(T, value)
#define arc_of(T, value) fh_arc_of(T, value)
#define box_zero(T) fh_box_zero(T)
#define unbox(b) fh_unbox(b)
#define box_in(...) fh_box_in(__VA_ARGS__)
#define rc_clone(r) fh_rc_clone(r)
#define rc_strong_count(r) fh_rc_strong_count(r)
#define rc_weak_count(r) fh_rc_weak_count(r)
#define rc_get_mut(r) fh_rc_get_mut(r)
#define arc_clone(r) fh_arc_clone(r)
#define arc_strong_count(r) fh_arc_strong_count(r)
#define arc_weak_count(r) fh_arc_weak_count(r)
#define arc_get_mut(r) fh_arc_get_mut(r)
#define rc_ptr_eq(a, b) fh_rc_ptr_eq(a, b)
#define rc_downgrade(T, r) fh_rc_downgrade(T, r)
#define arc_downgrade(T, r) fh_arc_downgrade(T, r)
#define weak_upgrade(w) fh_weak_upgrade(w)
#define arc_upgrade(w) fh_arc_upgrade(w)
#define place(...) fh_place(__VA_ARGS__)
#define try_place(...) fh_try_place(__VA_ARGS__)
#define arena_in_frame fh_arena_in_frame
#define arena_in_heap fh_arena_in_heap

/* ---- many things: vec.h ---- */

#define vec_of(...) fh_vec_of(__VA_ARGS__)
#define vec_with(T, cap) fh_vec_with(T, cap)
#define vec_from(T, from, n) fh_vec_from(T, from, n)
#define vec_push(v, ...) fh_vec_push(v, __VA_ARGS__)
#define vec_try_push(v, ...) fh_vec_try_push(v, __VA_ARGS__)
#define vec_pop(v) fh_vec_pop(v)
#define vec_first(v) fh_vec_first(v)
#define vec_last(v) fh_vec_last(v)
#define vec_shrink(v) fh_vec_shrink(v)
#define vec_reverse(v) fh_vec_reverse(v)
#define vec_insert(v, i, ...) fh_vec_insert(v, i, __VA_ARGS__)
#define vec_remove(v, i) fh_vec_remove(v, i)
#define vec_swap_remove(v, i) fh_vec_swap_remove(v, i)
#define vec_at(v, i) fh_vec_at(v, i)
#define vec_get(v, i) fh_vec_get(v, i)
#define vec_extend(v, from, n) fh_vec_extend(v, from, n)
#define vec_append(v, w) fh_vec_append(v, w)
#define vec_drain(v, from, to) fh_vec_drain(v, from, to)
#define vec_split_off(v, at) fh_vec_split_off(v, at)
#define vec_clear(X, v) fh_vec_clear(X, v)
#define vec_truncate(X, v, len) fh_vec_truncate(X, v, len)
#define vec_reserve(v, n) fh_vec_reserve(v, n)
#define vec_try_reserve(v, n) fh_vec_try_reserve(v, n)
#define vec_each(x, v) fh_vec_each(x, v)
#define vec_sort(v, compare) fh_vec_sort(v, compare)
#define vec_search(v, key, compare) fh_vec_search(v, key, compare)
#ifndef __cplusplus
#define slice(v, from, to) fh_slice(v, from, to)
#endif

/* ---- text: str.h ---- */

#ifndef __cplusplus
#define view(literal) fh_view(literal)
#endif
#define view_of fh_view_of
#define view_n fh_view_n
#define view_equal fh_view_equal
#define view_compare fh_view_compare
#define view_starts fh_view_starts
#define view_ends fh_view_ends
#define view_find fh_view_find
#define view_find_last fh_view_find_last
#define view_part fh_view_part
#define view_trim fh_view_trim
#define view_is_utf8 fh_view_is_utf8
#define view_chars fh_view_chars
#define view_next_char fh_view_next_char
#define view_next_split fh_view_next_split
#define view_to_split fh_view_to_split
#define view_to_int fh_view_to_int
#define view_to_double fh_view_to_double
#define view_replace fh_view_replace
#define str_as_view fh_str_as_view
#define str_from_view fh_str_from_view
#define str_from fh_str_from
#define str_with fh_str_with
#define str_of fh_str_of
#define str_clone fh_str_clone
#define str_try_from fh_str_try_from
#define str_c fh_str_c
#define str_part fh_str_part
#define str_reserve fh_str_reserve
#define str_try_reserve fh_str_try_reserve
#define str_shrink fh_str_shrink
#define str_try_push fh_str_try_push
#define str_push_char fh_str_push_char
#define str_insert fh_str_insert
#define str_remove fh_str_remove
#define str_truncate fh_str_truncate
#define str_clear fh_str_clear
#define str_pop_char fh_str_pop_char
#define str_to_lower fh_str_to_lower
#define str_to_upper fh_str_to_upper
#define str_format fh_str_format
#define str_vformat fh_str_vformat
#define str_push_view fh_str_push_view
#define str_push fh_str_push
#define str_equal fh_str_equal
#define str_is fh_str_is
#define str_each_split(piece, text, separator) fh_str_each_split(piece, text, separator)
#define str_each_char(c, text) fh_str_each_char(c, text)

/* ---- shared and changing: cell.h ---- */

#define cell(T, v) fh_cell(T, v)
#define cell_get(c) fh_cell_get(c)
#define cell_set(c, v) fh_cell_set(c, v)
#define cell_replace(c, v) fh_cell_replace(c, v)
#define refcell(...) fh_refcell(__VA_ARGS__)
#define refcell_of(T, v) fh_refcell_of(T, v)
#define borrow(c) fh_borrow(c)
#define borrow_mut(c) fh_borrow_mut(c)
#define try_borrow(c) fh_try_borrow(c)
#define try_borrow_mut(c) fh_try_borrow_mut(c)
#define refcell_replace(c, v) fh_refcell_replace(c, v)

/* ---- perhaps: option.h ---- */

#define some(T, v) fh_some(T, v)
#ifndef __cplusplus
#define none(T) fh_none(T)
#define ok(T, v) fh_ok(T, v)
#endif
#define err(T, code) fh_err(T, code)
#define option_or(o, v) fh_option_or(o, v)
#define unwrap(o) fh_unwrap(o)
#define unwrap_ok(r) fh_unwrap_ok(r)
#define option_take(p) fh_option_take(p)

/* ---- by key: map.h ---- */

#define map_get(m, key) fh_map_get(m, key)
#define map_entry(m, key) fh_map_entry(m, key)
#define map_try_entry(m, key) fh_map_try_entry(m, key)
#define map_remove(m, key) fh_map_remove(m, key)
#define map_insert(X, m, key, ...) fh_map_insert(X, m, key, __VA_ARGS__)
#define map_delete(X, m, key) fh_map_delete(X, m, key)
#define map_clear(X, m) fh_map_clear(X, m)
#define map_reserve(m, n) fh_map_reserve(m, n)
#define map_each(e, m) fh_map_each(e, m)

#endif
