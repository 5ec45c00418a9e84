#!/usr/bin/env python3
"""Deliberate faults in the heap, each of which some test must catch: who tests the tests?

Each fault is one replacement of text in one file of a copy of the sources. The test named beside it is built with it, and must
fail. A replacement whose text is not found any more is a failure too: the list must follow the code.

    mutants.py [--all] [NAME...]       the short list, all, or those named
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE, BUILD, CC = Path(os.environ["FREEHOLD_SOURCE"]), Path(os.environ["FREEHOLD_BUILD"]), os.environ.get("CC", "cc")
FLAGS = ["-O1", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-DNDEBUG", "-w", "-fno-builtin", "-ftls-model=initial-exec", "-fPIC",
         '-DFREEHOLD_VERSION="0"']

# name, file, text, its replacement, test; those with a * are in the short list
MUTANTS = [
    ("*touch_forgets_passed_on", "heap/span.c", "else touch(g, remote);", "else (void)remote;", "interleave"),
    ("*queued_cleared_late", "heap/span.c",
     "    struct fh_remote *remote = &fh_space.remotes[g];\n    struct fh_head *head = head_of(g);\n"
     "    uint64_t words = atomic_exchange(&remote->summary, 0);",
     "    struct fh_remote *remote = &fh_space.remotes[g];\n    struct fh_head *head = head_of(g);\n"
     "    uint64_t words = atomic_load(&remote->summary);\n    atomic_store(&remote->summary, 0);", "interleave"),
    ("remote_or_not_atomic", "heap/span.c", "atomic_fetch_or(&remote->bits[w], mask)",
     "__extension__({ uint64_t o = atomic_load(&remote->bits[w]); atomic_store(&remote->bits[w], o | mask); o; })",
     "interleave"),
    ("summary_not_set", "heap/span.c", "atomic_fetch_or(&remote->summary, summary);", "(void)summary;", "interleave"),
    ("moved_span_keeps_owner", "heap/span.c", "    link_span(to, g, head, bucket);\n    atomic_store(&head->owner, to);",
     "    link_span(to, g, head, bucket);", "interleave"),
    ("free_count_off", "heap/span.c", "head->free = (uint16_t)(head->free + fh_count_bits(mask));",
     "head->free = (uint16_t)(head->free + 1);", "interleave"),
    ("bitmap_not_cleared", "heap/span.c", "words[w] ^= word;", "if (word & 1) words[w] ^= word;", "interleave"),
    ("wrong_class_one_up", "heap/class.c", "(uint8_t)fh_class_of(size)",
     "(uint8_t)fh_class_of(size - (i > 40 ? 16 : 0))", "model"),
    ("inverse_off", "heap/class.c", "<< 32) / size) + 1;", "<< 32) / size);", "model"),
    ("*grow_loses_blocks", "heap/bin.c", "memcpy(base, old, count * sizeof(void *));",
     "memcpy(base, old, (count ? count - 1 : 0) * sizeof(void *));", "model"),
    ("calloc_not_cleared", "heap/fast.h", "return __builtin_memset(block, 0, bytes);", "return block;", "model"),
    ("realloc_copies_less", "heap/alloc.c", "memcpy(block, p, usable < size ? usable : size);",
     "memcpy(block, p, (usable < size ? usable : size) - 1);", "model"),
    ("align_ignored", "heap/extent.c", "return (uint32_t)((number + align - 1) / align * align - base);",
     "return (uint32_t)(number - base + 0 * align);", "model"),
    ("*canary_not_checked", "heap/check_quick.c", "canaries_before(p + b.size) < (uint32_t)b.word - usual",
     "(uint32_t)b.word - usual > 0xffff", "misuse"),
    ("canary_next_to_the_block_not_checked", "heap/check_quick.c",
     "canaries_before(p + b.size) < (uint32_t)b.word - usual",
     "canaries_before(p + b.size) + 1 < (uint32_t)b.word - usual", "misuse"),
    ("any_state_is_usual", "heap/check_quick.c", "(uint32_t)b.word - usual)", "((uint32_t)b.word & 0xffff))", "misuse"),
    ("far_canary_not_checked", "heap/check_quick.c", "return ~agree >> (-slack & 63) == 0;", "return ~agree >> 63 == 0;", "misuse"),
    ("canary_between_not_checked", "heap/check_quick.c", "(uint64_t)fh_os_mask_of(agrees_at(end - SLACK + i)) << i;",
     "(uint64_t)(i == 32 ? FH_OS_ALL_AGREE : fh_os_mask_of(agrees_at(end - SLACK + i))) << i;", "put_right"),
    ("canaries_beyond_one_look_not_checked", "heap/check_quick.c",
     "return ~agree == 0 && is_long_slack_whole(end - slack, end - SLACK);", "return ~agree == 0;", "put_right"),
    ("canaries_beyond_one_look_with_gaps", "heap/check_quick.c", "while (at < end && is_piece_whole(at)) at += TAIL;",
     "while (at < end && is_piece_whole(at)) at += 2 * TAIL;", "put_right"),
    ("last_canary_of_much_slack_not_checked", "heap/check_quick.c", "return ~agree == 0 && is_long", "return is_long", "put_right"),
    ("nothing_before_the_first_block", "heap/span.c", "return (SET_ASIDE + class->size - 1) / class->size;", "return 0;", "misuse"),
    ("byte_before_not_checked", "heap/check_quick.c", "FH_LIKELY((unsigned char)block[-1] == fh_canary)", "true", "misuse"),
    ("front_not_checked", "heap/check_quick.c", "fh_os_mask_of(fh_os_widened(b->block) == canaries()) == FH_OS_ALL_AGREE;",
     "true;", "misuse"),
    ("fronted_block_begins_anywhere", "heap/check.h", "marks && number * class->size == within ?", "marks ?", "misuse"),
    ("freed_state_not_kept", "heap/check_quick.c", "((FH_MARK_FREED - FH_MARK_LIVE) << STATE_SHIFT)", "0u", "misuse"),
    ("fill_not_checked", "heap/check_quick.c", "if (FH_UNLIKELY(!is_filled(block, need, whole)))", "if (0)", "misuse"),
    ("fill_above_1k_not_checked", "heap/check_quick.c", "if (!is_filled(block, whole, whole)) fh", "if (0) fh", "misuse"),
    ("fill_of_short_ones_in_part", "heap/check_quick.c", "return agrees_at(block) & agrees_at(block + size - 32);",
     "return agrees_at(block);", "put_right"),
    ("fill_of_short_ones_in_part_by_16", "heap/check_quick.c", "(agrees_at(block + size - 32) & agrees_at(block + size - 16))",
     "agrees_at(block + size - 16)", "put_right_by_16"),
    ("fill_of_medium_ones_in_part", "heap/check_quick.c",
     "(sixty_four_agree(last_but_one(block, last)) & sixty_four_agree(last))", "sixty_four_agree(last)", "put_right"),
    ("fill_of_long_ones_in_part", "heap/check_quick.c", "agree &= long_step_agrees(at);", "agree |= long_step_agrees(at);",
     "misuse"),
    ("fill_of_long_ones_with_gaps", "heap/check_quick.c",
     "(sixty_four_agree(at + 2 * STEP) & sixty_four_agree(at + 3 * STEP))",
     "sixty_four_agree(at + 3 * STEP)", "put_right"),
    ("past_the_bin_and_into_it", "heap/bin.c", "    fh_span_give(heap, c, blocks, count);\n    return count;",
     "    fh_span_give(heap, c, blocks, count);\n    return count - 1;", "put_right"),
    ("fill_of_larger_blocks_not_checked", "heap/check.c",
     "const unsigned char *bad = filled ? fh_check_damage_after_free(f, &expected) : NULL;",
     "const unsigned char *bad = 0 * filled ? fh_check_damage_after_free(f, &expected) : NULL;", "misuse"),
    ("span_ends_and_its_size_stays", "heap/check.c", "    __atomic_store_n(&at->in_granule, 0, __ATOMIC_RELAXED);\n", "",
     "put_right"),
    ("interior_taken", "heap/class.h", "return (uint32_t)product < in_granule;", "return in_granule != 0;", "misuse"),
    ("damage_not_put_right", "heap/check.c", "    memset(block, fh_canary, f.size);\n", "", "put_right"),
    ("damaged_fill_given_out_as_it_is", "heap/check_quick.c",
     "if (!is_filled(block, whole, whole)) fh_check_repair_taken(block, c, caller);",
     "", "put_right"),
    ("resized_mark_stays", "heap/check_quick.c", "    if (size < asked) memset(p + size, fh_canary, asked - size);\n", "",
     "corpus_checked"),
    ("moved_by_realloc_copies_less", "heap/check_quick.c", "    memcpy(block, p, asked < size ? asked : size);",
     "    memcpy(block, p, (asked < size ? asked : size) - 1);", "corpus_checked"),
    ("marks_begin_as_they_were", "heap/check.c", "return marks ? memset(marks, 0, rounded * sizeof(struct fh_mark)) : NULL;",
     "return marks;", "corpus_checked"),
    ("walk_takes_waiting_for_live", "heap/walk.c", "if (waits(mark)) block->state", "if (0) block->state", "heaps_checked"),
    ("no_random_order", "heap/quarantine.c", "shuffle_by(digits = change(digits, &state), blocks);", ";", "misuse"),
    ("order_doubles_a_digit", "heap/quarantine.c", "return digits ^ differ ^ differ << to;", "return digits ^ differ;",
     "corpus_checked"),
    ("guard_page_kept_open", "heap/guard.c", "if (held) fh_os_decommit(address_of(r->page), held);", "", "misuse"),
    ("guarded_place_in_use_taken", "heap/guard.c", "if (r && r->state == FH_MARK_LIVE) {\n            at =",
     "if (r && r->state == FH_MARK_NONE) {\n            at =", "guard_region"),
    ("guarded_without_limit", "heap/guard.c", " || live >= fh_settings.guard_most)", ")", "guard_region"),
    ("lost_in_the_child_of_a_fork", "heap/extent.c", "        if (head_of(g)->kind != FH_PURGING) continue;\n",
     "        continue;\n", "whole"),
    ("parked_without_end", "heap/heap.c", "if (parked_last == NULL) parked_last = heap;", "", "interleave"),
    ("magazine_keeps_link", "heap/depot.c", "    *capacity = (unsigned)(uintptr_t)base[-2];\n    base[-1] = NULL;\n",
     "    *capacity = (unsigned)(uintptr_t)base[-2];\n", "interleave"),
    ("depot_miscounts", "heap/depot.c", "blocks_in(depot) - *capacity,", "blocks_in(depot),", "interleave"),
    ("empty_magazine_given_up_twice", "heap/depot.c", "    depot->empty_count = (uint16_t)(others ? 1", "    others = base;\n"
     "    depot->empty_count = (uint16_t)(others ? 1", "interleave"),
    ("empty_magazines_of_another_size_lost", "heap/depot.c", "    *capacity = old;\n    return others;", "    return NULL;", "interleave"),
    ("empty_magazine_lost", "heap/depot.c", "    if (empty) fh_magazine_end(at_hand, empty, capacity);\n", "", "interleave"),
    ("empty_magazine_keeps_link", "heap/depot.c", "    depot->empties = next_of(base);\n    base[-1] = NULL;\n",
     "    depot->empties = next_of(base);\n", "interleave"),
    ("depot_full_without_empty", "heap/depot.c", "    if (*empty == NULL) return false; /* somebody else took it just now */\n", "",
     "interleave"),
    ("scattered_not_settled", "heap/span.c", "if ((free & (free - 1)) == 0 || free == head->usable) settle",
     "if (free == head->usable) settle", "whole"),
    ("scattered_twice_unseen", "heap/span.c", "if (block >= head->blocks || *word & bit) break;",
     "if (block >= head->blocks) break;", "misuse_fast"),
    ("list_stays_locked_at_a_report", "heap/heap.c", "    let_go(&list_lock);\n", "", "misuse_fast"),
    ("mixed_word_not_put_back", "heap/span.c", "            words[w] = word;\n", "", "corpus_checked"),
    ("scattered_inside_unseen", "heap/span.c",
     "if (!fh_block_in_granule(class.in_granule, (uint16_t)offset, &block)) break;",
     "(void)fh_block_in_granule(class.in_granule, (uint16_t)offset, &block);", "misuse_fast"),
    ("meta_gives_twice", "heap/meta.c", "    pieces[from] = piece->next;\n", "", "corpus"),
    ("meta_halves_overlap", "heap/meta.c", "while (from-- > i) put(", "while (from-- >= i && from + 1) put(", "corpus_checked"),
    ("stats_lose_a_block", "heap/stats.c", "class->free += head->free;", "class->free += head->free / 2u;", "model"),
    ("free_not_counted", "heap/count.c", "    add(&fh_counters->frees, 1);\n", "", "counting"),
    ("shuffle_doubles_a_block", "heap/quarantine.c", "        blocks[left - 1] = block;\n", "", "corpus_checked"),
    ("tree_keeps_stale_child", "heap/extent_tree.h", "    *below = *above = 0;", "    *below = 0;", "corpus"),
    ("last_canary_not_seen", "heap/canary.h", "for (; at < end; at++)", "for (; at < end - 1; at++)", "misuse"),
    ("cached_shown_as_live", "heap/walk.c", "if (number < class->blocks) picture->cached", "if (0) picture->cached", "heaps"),
    ("large_calloc_stays_dirty", "heap/zero.c", "if (from < to) memset", "if (from + (1u << 20) < to) memset", "model"),
    ("zeroed_blocks_are_always_written", "heap/zero.c", "? 0 : foretold(granules);", "? granules : granules;", "large"),
    ("untouched_is_taken_at_its_word", "heap/untouched.c", "if (!fh_os_purge(", "if (0 && !fh_os_purge(", "large"),
    ("touched_parts_are_clean", "heap/extent.c", "clean[i].from - at, false);", "clean[i].from - at, true);", "large"),
    ("clean_behind_is_not_asked", "heap/extent.c", "if (head_of(g)->granules + clean_behind(g) >= want->granules) return g;",
     "return g;", "large"),
    ("half_used_is_fully_used", "heap/zero.c", "while (reach && touched", "while (reach == 0 && touched", "large"),
    ("trim_leaves_pages_of_holes", "heap/stats.c", "trim->given += fh_holes_purge(heap);", "{}", "trim"),
    ("trim_looks_at_first_blocks_only", "heap/holes.c", "(uint32_t)(to - 1)", "(uint32_t)from", "trim"),
    ("trim_takes_fills", "heap/stats.c", "if (!fh_mode_checks()) trim->given", "trim->given", "trim_checked"),
    ("zeroed_blocks_never_count_as_used", "heap/zero.c", "reaches = reaches << 8 | reach;", "reaches = 0;", "large"),
    ("full_spans_of_an_own_heap_lost", "heap/span.c", "return heap->private ? FH_FULL_BUCKET : FH_NO_BUCKET;",
     "return FH_NO_BUCKET;", "heaps"),
    ("own_heap_miscounts", "heap/private.c", "heap->private->blocks--;", "", "corpus"),
    ("space_ends_early", "heap/space.c", "fh_space.mapped = at + granules;", "fh_space.mapped = at + granules - 1;", "whole"),
    ("bin_shuffled_in_sight", "heap/check.c",
     "    __atomic_store_n(&bin->top, base, __ATOMIC_SEQ_CST);\n", "", "fork_checked"),
    ("stacks_kept_short", "heap/sites.c", "    words[at] = count;", "    words[at] = 1;", "reports"),
    ("stacks_end_early", "os/os_backtrace.c", "if (wanted) pcs[count++] = pc;",
     "if (count < most) pcs[count++] = pc;\n        if (wanted) count += 0;", "reports"),
    ("sites_without_stack", "heap/sites.c", "return count ? number_of(pcs, count) : number_of(&caller, 1);",
     "return number_of(&caller, 1);", "reports"),
    ("json_not_escaped", "base/reporter.c", "if (c == '\"' || c == '\\\\') fh_reporter_put(\"\\\\%c\", c);",
     "if (0) fh_reporter_put(\"\");", "reports"),
    ("peak_in_the_last_pages_unseen", "stack/peaks.c", "return fh_os_lowest_touched(bounds.mapped_low, first);",
     "return lowest;", "peaks"),
    ("running_threads_without_name", "stack/peaks.c", "else fh_os_name_of_thread(place->id, peak->name);", "", "peaks"),
    ("list_of_threads_breaks", "stack/threads.c", "    if (newest) newest->newer = block;\n", "", "peaks"),
    ("thread_without_signal_stack", "stack/threads.c", "        take_stack(block);\n", "        (void)block;\n", "overflow"),
    ("reached_one_link_deep", "own/leaks.c", "    todo[waiting++] = place;", "", "leaks"),
    ("reached_by_first_byte_only", "own/leaks.c", "address < places[low - 1].to)", "address == places[low - 1].from)", "leaks"),
    ("malloc_holds_nothing", "own/leaks.c", "lost = search(true);", "lost = search(false);", "leaks"),
    ("running_threads_lose", "own/leaks.c", "bool busy = ", "bool busy = 0 && ", "leaks"),
    ("leaks_end_in_peace", "own/leaks.c", "STATUS = 101", "STATUS = 0", "leaks"),
    ("move_not_noted", "own/moves.c", "if (distance > 2 * 65536) return;", "return;", "mistakes"),
    ("set_again_still_moved", "own/moves.c", "if (size == known->size && all_zero(owner, size) && is",
     "if (size == known->size && is", "own_checked"),
    ("moves_outlive_longjmp", "own/moves.c", "return move->sure && memcmp(", "return move->sure || memcmp(", "own_stops"),
    ("moves_outlive_their_variable", "own/moves.c", "if (!is_local(owner, open->scope.frame)) return;", "return;", "own_stops"),
    ("region_rounds_down", "stack/region.c", "size_t rounded = (size + 15) & ~(size_t)15;",
     "size_t rounded = size & ~(size_t)15;", "region_model"),
    ("*trim_takes_what_is_pushed", "stack/region_deep.c", "max_of(top, region->base + (keep < most ? keep : most));",
     "region->base + (keep < most ? keep : most);", "corpus"),
    ("turn_forgets_top", "stack/region_frame.c", "    thread->now->top = *fh_region_top();\n    frame->outer",
     "    frame->outer", "corpus"),
    ("text_without_end", "stack/region_text.c", "copy[length] = '\\0';", "copy[length] = 'x';", "region"),
    ("checked_run_stays_free", "stack/region_check.c", "i < first + n ? LIVE : GUARD, 0}", "i < first + n ? FREE : GUARD, 0}",
     "region_model_checked"),
    ("stack_left_from_above", "stack/callstack.c", "return (size_t)(here - bounds.low);", "return (size_t)(bounds.high - here);",
     "callstack"),
    ("further_stack_too_small", "stack/grow.c", "        if (size < least) size = least;\n", "", "callstack"),
    ("overflow_not_reported", "stack/overflow.c", "if (fault.kind != FH_FAULT_OTHER) report_once(&fault, signal);", "", "overflow"),
    ("arena_chunk_too_small", "own/arena.c", "if (size < need) size = need;", "", "own"),
    ("record_lost_in_erase", "own/checked.c", "        table[hole] = table[i];\n        hole = i;", "        hole = i;",
     "corpus_checked"),
    ("*shrunk_buffer_stays", "own/own.c", "return size >= old ||", "return size >= 0 ||", "containers"),
    ("rc_clone_not_counted", "own/rc.c", "    ++*word;\n", "", "own_checked"),
    ("overlong_utf8_taken", "own/view.c", "good && c >= least[length] &&", "good &&", "containers"),
    ("*vec_buffer_too_small",
     "own/vec.c", 'v->cap * size, cap * size, align, "Vec")', 'v->cap * size, cap * size - 1, align, "Vec")',
     "rooms_guard"),
    ("vec_in_arena_copies_less", "own/vec.c", "(v->len < cap ? v->len : cap) * size",
     "(v->len < cap ? v->len : cap) * size - 1", "rooms"),
    ("vec_in_arena_keeps_old", "own/vec.c", "        fh_alloc_give(alloc, v->ptr, v->cap * size, align);\n    }", "    }", "rooms"),
    ("vec_grows_by_few", "own/vec.c", "most : v->cap * 2;", "most : v->cap + 4;", "rooms"),
    ("vec_room_wraps", "own/vec.c", "n > most - v->len", "v->len + n > most", "rooms"),
    ("*vec_reads_where_it_was", "own/vec.c", "inside < v->len * size ? v->ptr + inside : from", "from", "itself_guard"),
    ("vec_cut_too_small", "own/vec.c", "need_room(cut, size, align, whole, to - from);",
     "need_room(cut, size, align, whole, 1);", "rooms"),
    ("vec_gap_moves_too_much", "own/vec.c", "v->ptr + i * size, (v->len - i) * size);\n    v->len++;",
     "v->ptr + i * size, (v->len - i + 1) * size);\n    v->len++;", "containers_guard"),
    ("vec_is_empty_and_has_room", "own/vec.c", "    v->ptr = NULL;\n    v->len = v->cap = 0;",
     "    v->ptr = NULL;\n    v->len = 0;",
     "rooms"),
    ("*str_has_no_room_for_its_end", "own/str.c", "capacity(s, s->len + room + 1)", "capacity(s, s->len + room)", "rooms_checked"),
    ("str_room_wraps", "own/str.c", "if (room >= PTRDIFF_MAX - s->len) {", "if (0 * room) {", "rooms"),
    ("str_reads_where_it_was", "own/str.c", "inside < s->len ? s->ptr + inside : text.ptr", "text.ptr", "itself_guard"),
    ("str_torn_by_its_gap", "own/str.c", "if (inside < s->len) { /*", "if (0 * inside) { /*", "itself"),
    ("str_formats_into_itself", "own/str.c", "int n = vsnprintf(text, sizeof text, format, args);",
     "need_room(s, sizeof text);\n    int n = vsnprintf(s->ptr + s->len, sizeof text, format, args);\n"
     "    memcpy(text, s->ptr + s->len, sizeof text);", "itself"),
    ("str_long_format_cut", "own/str.c", "(size_t)n >= sizeof text) add_long", "(size_t)n > sizeof text) add_long", "rooms"),
    ("str_shrunk_without_end", "own/str.c", "s->cap, s->len + 1, 1,", "s->cap, s->len, 1,", "rooms_checked"),
    ("cut_inside_a_character", "own/str.c", "at < s->len && fh_utf8_is_inside(s->ptr[at])", "at > s->len", "stops"),
    ("last_byte_alone", "own/str.c", "s->len - at < 4 && fh_utf8", "s->len - at < 3 && fh_utf8", "text"),
    ("*map_buffer_too_small", "own/map.c", 'fh_buffer_get(bytes, 16, "Map")', 'fh_buffer_get(bytes - 1, 16, "Map")', "maps_guard"),
    ("*map_too_full", "own/map.c", "groups * FH_MAP_GROUP / 8 * 7;\n    memset",
     "groups * FH_MAP_GROUP / 16 * 15;\n    memset", "maps"),
    ("map_grows_early", "own/map.c", "wanted > groups * FH_MAP_GROUP / 8 * 7", "wanted > groups * FH_MAP_GROUP / 8 * 6", "maps"),
    ("map_grows_by_marks", "own/map.c", "if (map->len > groups * FH_MAP_GROUP / 16 * 7) groups", "if (map->slots) groups", "maps"),
    ("map_cleans_without_end", "own/map.c", "if (map->len > groups * FH_MAP_GROUP / 16 * 7) groups *= 2;", "", "maps"),
    ("map_room_wraps", "own/map.c", "if (wanted < n || !rebuild", "if (!rebuild", "rooms"),
    ("attack_not_seen", "own/map.c", "return empty > n / 8;", "return empty > n;", "maps"),
    ("attack_seen_where_none_is", "own/map.c", "return empty > n / 8;", "return empty >= n / 8;", "maps"),
    ("hash_reads_on", "own/map.c", "fh_read8(p + left - 8)", "fh_read8(p + left - 7)", "maps"),
    ("hash_skips_a_word", "own/map.c", "fh_read8(p + 16) ^ FH_HASH_B", "fh_read8(p + 8) ^ FH_HASH_B", "maps"),
    ("siphash_1_2", "own/map.c", "round < 3;", "round < 2;", "maps"),
    ("arena_thing_off_its_end", "own/arena.c", "+ whole - size) & ~", "+ whole - size + align) & ~", "own_checked"),
    ("empty_spans_do_not_rest", "heap/span.c", "else if (fh_space.marked == NULL) rest_or_end(heap, g, head);",
     "else if (1) end_span(heap, g, head);", "misuse"),
    ("*resting_span_counted_twice", "heap/span.c",
     "    if (head->rests) return; /* somebody's late push made it be looked at again */\n",
     "", "interleave"),
    ("spans_never_rest", "heap/span.c", "if (book->may_rest < UINT8_MAX) book->may_rest++;", "", "counting"),
    ("all_spans_rest", "heap/span.c", "return book->resting < book->may_rest && heap->resting", "return heap->resting", "counting"),
    ("too_many_spans_rest", "heap/span.c", "heap->resting < ALWAYS + part", "1", "counting"),
    ("spans_rest_for_ever", "heap/bin.c", "(book->resting || !book->stirred)", "!book->stirred", "counting"),
    ("resting_not_for_others", "heap/span.c", "if (heap->resting) end_one_resting(heap);", "", "counting"),
    ("depot_unwanted_for_ever", "heap/depot.c",
     "    set_overflow(depot, 0); /* here is somebody who wants blocks, though there may be none */\n",
     "", "depots"),
    ("*spare_magazine_stays", "heap/magazine.c", "[--at_hand->count[size]];", "[at_hand->count[size] - 1];", "magazines"),
    ("spare_magazine_given_back_and_kept", "heap/magazine.c", "    at_hand->count[size] = (uint8_t)rest;\n", "", "magazines"),
    ("wrong_half_given_back", "heap/magazine.c", "    memmove(spare, spare + count, rest * sizeof *spare);\n", "", "magazines"),
    ("spare_magazine_keeps_link", "heap/magazine.c", "    base[-1] = NULL;\n", "", "magazines"),
    ("magazines_pile_up", "heap/magazine.c", "most < FH_MAGAZINES_SPARE ? (unsigned)most : FH", "FH", "magazines"),
    ("dead_threads_magazines_lost", "heap/bin.c", "    fh_magazine_end(&heap->magazines, book->base, book->capacity);\n", "",
     "magazines"),
    ("null_after_refusal_unseen", "heap/fault.c", "    refused.size = size;\n", "    refused.size = size + 1;\n", "reports"),
    ("fault_at_zero_is_an_old_one", "stack/overflow.c", "last_address = UINTPTR_MAX;", "last_address = 0;", "misuse"),
    ("fill_followed_unseen", "heap/fault.c", "if (!fh_check_is_fill(address)) return false;", "return false;", "misuse"),
    ("address_from_any_register", "os/os_instruction.c", "if (operand == NULL) return ALL_REGISTERS;", "return ALL_REGISTERS;",
     "explained"),
    ("guarded_front_seen_in_part", "heap/guard.c", "{ return (size_t)(r->p - address_of(r->page)); }",
     "{ return (size_t)(r->p - address_of(r->page)) & 63; }", "misuse"),
    ("beside_an_owner_unseen", "own/checked.c", "if (r->pages == NULL) return NULL;", "return NULL;", "mistakes"),
    ("box_has_a_count", "own/checked.c", "if (copy.state == FH_RECORD_LIVE && !is_one)", "if (0)", "mistakes"),
    ("fault_in_the_window_unseen", "heap/fault.c", "known ? explain_window(address, m) ||", "known ? 0 ||", "misuse"),
    ("second_report_ends_the_first", "heap/misuse.c", "if (!fh_misuse_write(m)) return;", "fh_misuse_write(m);", "reports"),
    ("freed_text_is_read", "malloc/reads.c", "== fh_freed_fill)) look_closely(name, from, caller);",
     "== fh_freed_fill)) (void)caller;", "misuse"),
    ("copy_from_too_little", "malloc/reads.c", "    fh_check_look_at_source(name, from, size, caller);\n", "", "misuse"),
    ("copy_to_too_little", "malloc/reads.c", "    fh_check_look_at_source(name, to, size, caller);\n", "", "misuse"),
    ("none_of_a_freed_block_is_read", "malloc/reads.c", "    if (size) look(\"memcpy\", from, HERE);",
     "    look(\"memcpy\", from, HERE);", "misuse"),
    ("stand_in_is_shown", "heap/misuse.c", "pcs[0] - left_out < left_out_size", "false", "reports"),
    ("callee_in_memory_unseen", "heap/fault.c", "fh_os_callee(registers, &callee) && explain_fill(callee, m)", "false", "explained"),
    ("text_may_have_no_end", "heap/found.c", "if (left && strnlen(text, left) == left)", "if (0)", "misuse"),
    ("printed_text_not_looked_at", "malloc/prints.c", "look_at_text(name, text, c->precision, caller);", "", "misuse"),
    ("precision_is_taken_for_none", "malloc/prints.c", "read_number(at + 1, arguments, &c->precision);",
     "read_number(at + 1, arguments, &width);", "misuse"),
    ("freed_array_is_sorted", "malloc/reads.c", "fh_check_look_at_source(\"qsort\", array, whole, HERE);", "(void)whole;",
     "misuse"),
    ("long_block_not_held", "heap/check_large.c", "    else if (closed) hold(f, allocated);\n", "", "misuse"),
    ("refused_buffer_not_looked_at", "malloc/system.c", "if (done < size && at_page)", "if (0)", "misuse"),
    ("exit_now_without_sweep", "malloc/system.c", "    fh_check_sweep_at_once();\n", "", "misuse"),
    ("beside_not_found", "heap/found.c", "if (fh_mark_state(beside->mark) == FH_MARK_LIVE) return true;", "", "reports"),
    ("kinds_not_compared", "heap/found.c", "if (family != freed_as && fh_settings.check_kinds) {",
     "if (0 && family != freed_as) {", "misuse"),
    ("depot_skipped_though_it_holds_blocks", "heap/depot.c", "bool nothing = blocks_in(depot) == 0 && overflow_of(depot) == 0;",
     "bool nothing = overflow_of(depot) == 0;", "depots"),
    ("idle_depot_stays_full", "heap/depot.c", "bool idle = all || !depot->used;", "bool idle = all;", "depots"),
    ("depot_in_use_is_emptied", "heap/depot.c", "bool idle = all || !depot->used;", "bool idle = true;", "depots"),
    ("depot_never_idle", "heap/depot.c", "        depot->used = false; /* idle", "        /* idle", "depots"),
    ("full_magazine_is_no_use", "heap/depot.c", "    depot->used = true;\n    atomic_store_explicit(&depot->blocks",
     "    atomic_store_explicit(&depot->blocks", "depots"),
    ("taken_magazine_is_no_use", "heap/depot.c", "    depot->used = true;\n    unsigned emptied", "    unsigned emptied", "depots"),
    ("depots_hold_without_bound", "heap/depot.c", "    return most > least ? most : least;", "    return UINT32_MAX / 8;",
     "depots"),
    ("what_overflows_is_not_counted", "heap/depot.c", "set_overflow(depot, overflow_of(depot) + count);", "(void)count;", "depots"),
    ("idle_empty_magazines_lost", "heap/depot.c", "            empties = depot->empties;\n", "", "interleave"),
    ("rest_uncounted_when_woken", "heap/span.c",
     "        atomic_fetch_sub_explicit(&resting, 1, memory_order_relaxed);\n",
     "", "interleave"),
    ("rests_without_bound", "heap/span.c",
     "return atomic_load_explicit(&resting, memory_order_relaxed) > ALWAYS + fh_space.mapped / 16;",
     "return ALWAYS == 0;", "interleave"),
    ("ended_span_counts_as_resting", "heap/span.c", "    unlink_span(heap, head);\n    wake(heap, head);\n    heap->spans",
     "    unlink_span(heap, head);\n    heap->spans", "interleave"),
    ("what_rests_is_not_had_back", "heap/span.c", "if (heap->filled[c] && !heap->private) fh_span_end_empty(heap, c, true);",
     "if (0) fh_span_end_empty(heap, c, true);", "interleave"),
    ("parked_with_what_rests", "heap/span.c", "(resting_too || !head->rests || fh_space.marked == NULL)",
     "(resting_too || !head->rests)",
     "interleave"),
    ("parked_with_empty_spans", "heap/heap.c", "        if (heap->filled[c]) fh_span_end_empty(heap, c, false);\n",
     "        {}\n", "interleave"),
    ("late_call_adopts_a_heap", "heap/heap.c", "if (ended || !begin_once()) return NULL;", "if (!begin_once()) return NULL;",
     "threads"),
    ("child_keeps_bins_of_others", "heap/heap.c", "        if (heap->bins) leave(heap);\n", "", "fork"),
    ("child_loses_heaps_of_others", "heap/heap.c", "        park(heap); /* also one", "        /* also one", "fork"),
    ("fork_without_locks_of_the_heaps", "heap/heap.c",
     "    for (struct fh_heap *heap = all_heaps; heap; heap = heap->next) fh_lock(&heap->lock);\n", "", "fork"),
    ("fork_without_locks_of_the_extents", "heap/heap.c", "    fh_meta_lock();\n    fh_extent_lock_all();\n",
     "    fh_meta_lock();\n", "fork"),
    ("live_record_taken", "heap/guard.c", "if (records[i].state != FH_MARK_LIVE) return i;", "return i;", "guard_region"),
    ("places_not_told_apart", "heap/guard.c", "if (there == place) return false;", "if (there == place) return true;", "misuse"),
    ("guarded_bytes_stay_charged", "heap/guard.c", "    fh_extent_discharge(held);\n    if (!agrees)", "    if (!agrees)",
     "limits"),
    ("guarded_kind_forgotten", "heap/guard.c", "        r->kind = (uint8_t)(r->kind | (call & FH_KIND_MASK));\n", "", "misuse"),
    ("guarded_front_not_checked", "heap/guard.c", "bad = fh_first_other(r->p - slack_before(r), slack_before(r), fh_canary);",
     "", "misuse"),
    ("vector_move_goes_too_far", "heap/guard.c", " || pages - within < 16)", ")", "misuse"),
    ("large_first_ones_without_limit", "heap/guard.c", "if (all / EACH > fh_settings.guard_first) return false;", "",
     "guard_region"),
    ("no_large_first_ones", "heap/guard.c", "if (all / EACH > fh_settings.guard_first) return false;", "return false;",
     "guard_region"),
    ("sampled_always", "heap/guard.c", "left = 1 + (int64_t)((random >> 33) % (2 * every - 1));", "left = 0;", "guard_region"),
    ("sampled_again_and_again", "heap/guard.c", "left -= chosen ? 1 : calls;", "left -= calls;", "guard_region"),
    ("sampled_never", "heap/guard.c", "return chosen = begun;", "return false;", "guard_region"),
    ("large_fill_not_checked", "heap/check_large.c", "    const unsigned char *bad = closed ? NULL : fh_check_large_damage(&f);",
     "    const unsigned char *bad = closed ? NULL : NULL;", "put_right"),
    ("large_stripes_not_checked", "heap/check_large.c", "for (unsigned i = 0; i <= STRIPES && bad == NULL; i++)",
     "for (unsigned i = 0; i <= 1 && bad == NULL; i++)", "put_right"),
    ("large_block_opened_dirty", "heap/check_large.c", "if (clean || !closed) fh_extent_give(f.first, clean);",
     "if (clean || !closed) fh_extent_give(f.first, true);", "corpus_checked"),
    ("large_kept_for_ever", "heap/check_large.c", "        any |= entry != 0;\n        let_go(entry);",
     "        any |= entry != 0;", "put_right"),
    ("moved_large_copies_less", "heap/large.c", "(size_t)(had - moved) << FH_GRANULE_SHIFT);",
     "(size_t)(had - moved - (had > moved)) << FH_GRANULE_SHIFT);", "corpus"),
    ("border_forgotten", "heap/move.c", "    set_border(g + granules);\n", "", "large"),
    ("purger_does_not_look", "heap/purger.c", "        fh_extent_decay();\n", "", "decay_by_thread"),
    ("two_runtimes_are_a_mistake", "heap/foreign.c", "return freed_as == FH_KIND_MALLOC && in_such_a_module((uint32_t)caller, caller);",
     "return false;", "runtimes"),
    ("sweep_overlooks_live_blocks", "heap/sweep.c", "if (state != FH_MARK_LIVE && state != FH_MARK_FREED) continue;",
     "if (state != FH_MARK_FREED) continue;", "misuse"),
    ("sweep_overlooks_freed_blocks", "heap/sweep.c", "if (state == FH_MARK_FREED && is_whole(start, size)) continue;",
     "if (state == FH_MARK_FREED) continue;", "misuse"),
    ("child_sweeps_what_was_lost", "heap/sweep.c", " || thread_lost) return;", ") return;", "fork_checked"),
    ("refused_purge_counts", "heap/extent.c", "    put_back(g, granules, done);\n", "    put_back(g, granules, true);\n", "faults"),
    ("merge_loses_its_place_by_age", "heap/extent.c", "    if (age->after == g) age->after = head->prev;\n", "", "whole"),
    ("limit_without_what_is_guarded", "heap/extent.c", "    limit = (limit - elsewhere) >> FH_GRANULE_SHIFT;",
     "    limit = limit >> FH_GRANULE_SHIFT;", "limits"),
    ("rc_has_no_end", "own/rc.c", "if (strong == INT32_MAX) fh_own_stop", "if (0) fh_own_stop", "stops"),
    ("rc_of_nothing_cloned", "own/rc.c", "if (strong == 0) fh_own_stop", "if (0) fh_own_stop", "stops"),
    ("rc_dropped_too_often", "own/rc.c", "if (((uint32_t)*word & INT32_MAX) == 0) {", "if (0) {", "stops"),
    ("arena_kept_by_nobody", "own/arena.c", "        arena->kept = kept;\n", "", "own"),
    ("arena_size_wraps", "own/arena.c", "if (size > PTRDIFF_MAX / 2 || align > PTRDIFF_MAX / 4) {", "if (0) {", "failure"),
    ("chain_loses_what_waits", "own/own.c", "    if (w->stack == w->first) memcpy(stack, w->first, sizeof w->first);\n", "", "failure"),
    ("forgotten_block_freed_inside", "own/freed.c", "copy.block != (uintptr_t)p || ", "", "records"),
    ("gone_block_freed", "own/freed.c", "copy.state != FH_RECORD_FORGOTTEN || ", "", "records"),
    ("unwind_forgets_the_second_region", "stack/region_frame.c",
     "    unwind_region(&thread->second, mark->own[MARK_SECOND], moment);\n", "", "region"),
    ("region_of_two_threads", "stack/region_frame.c", "        user != thread) {", "        0) {", "region_deaths"),
    ("outside_frees_what_was_pushed", "stack/region_frame.c", "region->top = *fh_top_(thread->turn->outer) = top;",
     "region->top = top;", "corpus"),
    ("spare_stack_too_small", "stack/grow.c", "spare->size >= size && ", "", "callstack"),
    ("*vec_turned_but_for_its_middle", "own/vec.c", "a < b; a += size, b -= size)", "a + size < b; a += size, b -= size)", "corpus"),
    ("last_find_misses_the_end", "own/view.c", "for (size_t at = text.len - what.len + 1; at-- > 0;)",
     "for (size_t at = text.len - what.len; at-- > 0;)", "corpus"),
    ("arena_things_overlap", "own/arena.c", "    arena->top = (char *)at + size;\n", "    arena->top = (char *)at + size / 2;\n",
     "corpus"),
    ("arena_forgets_what_it_kept_before", "own/arena.c", "*kept = (struct fh_kept){arena->kept, thing, drop};",
     "*kept = (struct fh_kept){NULL, thing, drop};", "corpus"),
    ("rc_with_weaks_is_never_dropped", "own/rc.c", "    fh_drop_guarded(run_value, value, 0, 0);",
     "    if (*word >> 32 == 1) fh_drop_guarded(run_value, value, 0, 0);", "corpus"),
    ("refused_resize_forgets_alignment", "heap/check.c", "    if (block == NULL) f.mark->kind = kind; /* nothing has happened */\n",
     "", "api_checked"),
    ("parked_heaps_do_not_say_what_they_hold", "heap/heap.c", "if (heap->filled[c]) heap->holds |= (uint64_t)1 << c;",
     "(void)heap;", "fork"),
    ("new_from_handler_is_malloc", "malloc/cxx.c", "fh_new_slow(size, align, kind, caller);\n        if (block)",
     "fh_alloc_slow(size, align);\n        if (block)", "misuse"),
]


# Seconds for a program of the tests. With a fault in the library, one that takes longer hangs, and the fault is caught;
# without one, it is the machine that is slow.
WITH_A_FAULT, WITHOUT = 100, 600
patience = WITH_A_FAULT


def run(command, timeout=1500, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", timeout=timeout,
                          **more)


def build(command):
    done = run(command)
    if done.returncode:
        raise RuntimeError(f"does not build: {done.stderr[-800:]}")


def interleave(work, _):
    text = (SOURCE / "tests/trust/interleave.c").read_text()
    (work / "interleave.c").write_text(text)
    build([CC, *FLAGS, "-I", SOURCE / "include", "-I", work / "src", work / "interleave.c", "-o", work / "test"])
    return run([work / "test"]).returncode


QUICK = ["heap/check_quick.c", "heap/check_quick_wide.c"]


def library(work, file):
    """The static library of the build tree, with what the fault changes compiled anew."""
    headers = {"heap/extent_tree.h": ["heap/extent.c"], "heap/canary.h": ["heap/check.c", "heap/guard.c"],
               "heap/class.h": QUICK, "heap/check.h": QUICK, "heap/check_quick.c": QUICK}
    others = [file] if file.endswith(".c") else ["heap/alloc.c", "malloc/malloc.c", "malloc/cxx.c"]
    sources = headers.get(file, others)
    shutil.copy(BUILD / "libfreehold.a", work / "libfreehold.a")
    for source in sources:
        name = work / (Path(source).name + ".o")
        build([CC, *FLAGS, "-I", SOURCE / "include", "-I", work / "src", "-c", work / "src" / source, "-o", name])
        build(["ar", "r", work / "libfreehold.a", name])
    return work / "libfreehold.a"


def model(work, file):
    tests = SOURCE / "tests/heap"
    build([CC, *FLAGS, "-DTEST_FH_NAMES", "-DTEST_NO_CMOCKA", "-DFREEHOLD_REPLACES_MALLOC=1", "-I", SOURCE / "include", "-I", tests,
           tests / "test_model.c", tests / "model.c", tests / "support.c", library(work, file), "-o", work / "test", "-lpthread"])
    return run([work / "test"], cwd=work, env=dict(os.environ, TEST_SECONDS="3", TEST_SEED="1")).returncode


ONLY_SHARED = ["malloc/deepbind.c", "malloc/prints.c", "malloc/reads.c", "malloc/system.c", "stack/thrd.c"]


def shared_library(work, file):
    """libfreehold.so of that."""
    linked = work / "libfreehold.so"
    build([CC, *FLAGS, "-fvisibility=hidden", "-I", SOURCE / "include", "-I", work / "src", "-shared",
           *(work / "src" / source for source in ONLY_SHARED), "-Wl,--whole-archive",
           library(work, "heap/span.c" if file in ONLY_SHARED else file), "-Wl,--no-whole-archive", "-lpthread", "-ldl",
           "-Wl,-soname,libfreehold.so", "-o", linked])
    return linked


def wrong_uses(work, file):
    """misuse.c, misuse_wide.c and misuse_text.c, linked with that."""
    built, programs = shared_library(work, file), [work / "misuse", work / "wide", work / "text"]
    for source, to in zip(("misuse.c", "misuse_wide.c", "misuse_text.c"), programs):
        build([CC, *FLAGS, "-I", SOURCE / "include", SOURCE / "tests/trust" / source, built, "-Wl,-rpath," + str(work), "-o", to,
               "-lpthread", "-ldl"])
    return programs


def misuse(work, file):
    programs = wrong_uses(work, file)
    if os.environ.get("CXX"):
        build([os.environ["CXX"], "-O1", "-std=c++17", "-w", "-fno-builtin", "-fsized-deallocation",
               SOURCE / "tests/trust/misuse_cxx.cpp", work / "libfreehold.so", "-Wl,-rpath," + str(work), "-o", work / "misuse_cxx",
               "-lpthread", "-ldl"])
        programs.append(work / "misuse_cxx")
    return run([sys.executable, SOURCE / "tests/trust/outcomes.py", *programs]).returncode


def reports(work, file):
    return run([sys.executable, SOURCE / "tests/trust/reports.py", *wrong_uses(work, file)[:2]], cwd=work).returncode


def peaks(work, file):
    """`freehold run` preloads the library."""
    env = dict(os.environ, FREEHOLD_LIB=str(shared_library(work, file)), FREEHOLD_COMMAND=str(BUILD / "freehold"), CC=CC)
    status = run([sys.executable, SOURCE / "tests/stack/run_peaks.py"], cwd=work, env=env).returncode
    return 0 if status == 77 else status


def runtimes(work, file):
    """The library is preloaded to C++ programs that it builds itself."""
    env = dict(os.environ, FREEHOLD_LIB=str(shared_library(work, file)), CC=CC)
    status = run([sys.executable, SOURCE / "tests/trust/runtimes.py"], cwd=work, env=env).returncode
    return 0 if status == 77 else status


def mistakes(work, file):
    """Those of tests/own/errors that use what was moved, take one owner for another, or write before one: each must be stopped
    with what its comment says."""
    built, errors = library(work, file), SOURCE / "tests/own/errors"
    for source in sorted([*errors.glob("E0382*.c"), *errors.glob("E0308*.c"), *errors.glob("before_*.c")]):
        wants = re.search(r"^ \* checked: *(\S.*)$", source.read_text(), re.M)
        if wants is None:
            continue
        build([CC, "-std=gnu11", "-g", "-O0", "-w", "-DFH_CHECKED", "-I", SOURCE / "include", source, built, "-lpthread", "-o",
               work / "mistake"])
        done = run([work / "mistake"], env=dict(os.environ, FREEHOLD="mode=checked"))
        if done.returncode == 0 or not all(text in done.stderr for text in wants[1].split("|")):
            return 1
    return 0


WORLD = ["fuzz/replay.c", "fuzz/program.c", "fuzz/heaps.c", "fuzz/frames.c", "fuzz/owners.c",
         *(f"fuzz/{part}.c" for part in ("witness", "texts", "vectors", "maps", "rcs", "arcs", "arenas", "trees", "calls")),
         "fuzz/fuzz.c", "heap/model.c",
         "heap/support.c"]

GUARD = "mode=guard,guard_align=1"
# test: its sources, arguments, FREEHOLD, definitions
PROGRAMS = {
    "corpus": (WORLD, [SOURCE / "tests/fuzz/corpus"], "", []),
    "corpus_checked": (WORLD, ["--seconds", "5", SOURCE / "tests/fuzz/corpus"], "mode=checked,quarantine=16k", []),
    "heaps": (["heap/test_heaps.c", "heap/model.c", "heap/support.c"], [], "", []),
    "guard_region": (["trust/test_guard_region.c", "heap/support.c"], [], "", []),
    "explained": (["trust/test_explained.c", "heap/support.c"], [], "mode=checked", []),
    "put_right": (["trust/test_put_right.c", "heap/support.c"], [], "mode=checked,guard_first=0,on_error=report", []),
    "put_right_by_16": (["trust/test_put_right.c", "heap/support.c"], [],
                        "mode=checked,guard_first=0,on_error=report,wide=off", []),
    "whole": (["trust/test_whole.c", "heap/model.c", "heap/support.c"], [], "", []),
    "misuse_fast": (["malloc/test_misuse.c", "heap/model.c", "heap/support.c"], [], "", ["-I", SOURCE / "tests/malloc"]),
    "large": (["heap/test_large.c", "heap/model.c", "heap/support.c"], [], "", []),
    "fork_checked": (["heap/test_fork.c", "heap/model.c", "heap/support.c"], [], "mode=checked,guard_first=0", []),
    "heaps_checked": (["heap/test_heaps.c", "heap/model.c", "heap/support.c"], [], "mode=checked", []),
    "api_checked": (["heap/test_api.c", "heap/support.c"], [], "mode=checked", []),
    "fork": (["heap/test_fork.c", "heap/model.c", "heap/support.c"], [], "", []),
    "threads": (["heap/test_threads.c", "heap/model.c", "heap/support.c"], [], "", []),
    "limits": (["malloc/test_limits.c", "heap/support.c"], [], "", []),
    "faults": (["malloc/test_faults.c", "heap/inject.c", "heap/model.c", "heap/support.c"], [], "", []),
    "decay_by_thread": (["malloc/test_decay.c", "heap/support.c"], [], "decay=100,purge_thread=on", []),
    "failure": (["own/test_failure.c"], [], "count=on",
                ["-Wl,--wrap=fh_alloc_slow,--wrap=fh_malloc,--wrap=fh_realloc,--wrap=fh_aligned_alloc,--wrap=fh_os_map"]),
    "records": (["own/test_checked.c"], [], "mode=checked",
                ["-DFH_CHECKED", "-Wl,--wrap=fh_calloc,--wrap=fh_os_backtrace_from,--wrap=fh_os_random"]),
    "region_deaths": (["stack/test_deaths.c"], [], "", []),
    "trim": (["heap/test_trim.c", "heap/support.c"], [], "", []),
    "trim_checked": (["heap/test_trim.c", "heap/support.c"], [], "mode=checked,guard_first=0", []),
    "magazines": (["heap/test_magazines.c", "heap/support.c"], [], "", []),
    "depots": (["heap/test_depots.c", "heap/support.c"], [], "", ["-Wl,--wrap=fh_os_ticks"]),
    "counting": (["heap/test_stats.c", "heap/support.c"], [], "count=on", []),
    "region": (["stack/test_region.c"], [], "", []),
    "region_model": (["stack/test_region_model.c"], [], "", []),
    "region_model_checked": (["stack/test_region_model.c"], [], "", ["-DCHECKED"]),
    "callstack": (["stack/test_callstack.c"], [], "", []),
    "overflow": (["stack/test_overflow.c"], [], "", ["-fno-optimize-sibling-calls", "-Wl,--wrap=fh_os_ticks"]),
    "containers": (["own/test_containers.c"], [], "", []),
    "containers_guard": (["own/test_containers.c"], [], GUARD, []),
    "itself": (["own/test_itself.c"], [], "", []),
    "itself_guard": (["own/test_itself.c"], [], GUARD, []),
    "rooms": (["own/test_rooms.c"], [], "", []),
    "rooms_guard": (["own/test_rooms.c"], [], GUARD, []),
    "rooms_checked": (["own/test_rooms.c"], [], "mode=checked", []),
    "text": (["own/test_text.c"], [], "", []),
    "stops": (["own/test_stops.c"], [], "", []),
    "maps": (["own/test_maps.c"], [], "", []),
    "maps_guard": (["own/test_maps.c"], [], GUARD, []),
    "own": (["own/test_own.c"], [], "", []),
    "leaks": (["own/test_leaks.c"], [], "mode=checked", ["-DFH_CHECKED"]),
    "own_checked": (["own/test_own.c"], [], "mode=checked", ["-DFH_CHECKED"]),
    "own_stops": (["own/test_stops.c"], [], "mode=checked", ["-DFH_CHECKED"]),
}


def program(name):
    sources, arguments, settings, definitions = PROGRAMS[name]

    def test(work, file):
        build([CC, *FLAGS, *definitions, "-DTEST_FH_NAMES", "-DTEST_LINKED", "-DFREEHOLD_REPLACES_MALLOC=1", "-I", SOURCE / "include",
               "-I", work / "src", "-I", SOURCE / "tests/heap", *(SOURCE / "tests" / source for source in sources),
               library(work, file), "-o", work / "test", "-lpthread", "-lcmocka"])
        env = {**os.environ, "FREEHOLD": settings, "TEST_SECONDS": "3", "TEST_SEED": "1"}
        return run([work / "test", *arguments], timeout=patience, cwd=work, env=env).returncode

    return test


TESTS = {"interleave": interleave, "model": model, "misuse": misuse, "reports": reports, "peaks": peaks, "runtimes": runtimes,
         "mistakes": mistakes, **{name: program(name) for name in PROGRAMS}}


def outcome(name, file, old, new, test):
    global patience
    patience = WITHOUT if old is None else WITH_A_FAULT
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(SOURCE / "src", work / "src")
        path = work / "src" / file
        text = path.read_text()
        if old is not None:
            if text.count(old) != 1:
                return f"its text stands {text.count(old)} times in {file}"
            path.write_text(text.replace(old, new))
        try:
            return "caught" if TESTS[test](work, file) else "not caught"
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return str(error) if isinstance(error, RuntimeError) else "caught"


def main():
    named = [a for a in sys.argv[1:] if not a.startswith("--")]
    failed = 0
    for name, file, old, new, test in MUTANTS:
        short, name = name.startswith("*"), name.strip("*")
        if (named and name not in named) or not (named or short or "--all" in sys.argv):
            continue
        result = outcome(name, file, old, new, test)
        print(f"{name} ({test}): {result}", flush=True)
        failed += result != "caught"
    for test in TESTS: # whoever always fails catches nothing
        if not ("--all" in sys.argv or test in ("interleave", "corpus")) or named:
            continue
        file = "heap/span.c"
        result = outcome("no fault", file, None, None, test)
        print(f"no fault ({test}): {'passes' if result == 'not caught' else result}", flush=True)
        failed += result != "not caught"
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
