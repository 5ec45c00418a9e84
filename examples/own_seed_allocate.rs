// own_seed_allocate.rs - the same program as own_seed_allocate.c: by hand with raw pointers, then with an owner.
#![allow(non_snake_case)]
include!("own_where.rs");
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

static ALLOCATED: AtomicI32 = AtomicI32::new(0);

fn ALLOCATE_INTEGER(value: i32) -> *mut i32 {
    ALLOCATED.fetch_add(1, Relaxed);
    Box::into_raw(Box::new(value))
}
fn DEALLOCATE(p: *mut i32) {
    drop(unsafe { Box::from_raw(p) });
    ALLOCATED.fetch_sub(1, Relaxed);
}

fn stack_and_heap(forget: bool) {
    let d = 5;
    let e = ALLOCATE_INTEGER(7);
    show("    d", &d);
    show("    e, a plain pointer", &e);
    show("    *e", e);
    if !forget {
        DEALLOCATE(e);
    }
} // the pointer leaves the stack in any case; the integer does not leave the heap by itself

// The same integer with an owner: DEALLOCATE is its drop.
struct Integer(*mut i32);
impl Drop for Integer {
    fn drop(&mut self) {
        DEALLOCATE(self.0);
    }
}
fn stack_and_heap_owned() {
    let e = Integer(ALLOCATE_INTEGER(7));
    println!("    owned: {}", unsafe { *e.0 });
} // dropped here, whatever happens above

fn stack_only(b: i32, forget: bool) {
    let c = 3;
    println!("  b = {}, c = {}", b, c);
    stack_and_heap(forget);
}

fn main() {
    let a = 2;
    stack_only(a, false);
    println!("with DEALLOCATE: {} left on the heap", ALLOCATED.load(Relaxed));
    for _ in 0..3 {
        stack_only(a, true);
    }
    println!("DEALLOCATE forgotten 3 times: {} left on the heap, and nobody knows where", ALLOCATED.load(Relaxed));
    for _ in 0..3 {
        stack_and_heap_owned();
    }
    println!("with an owner, 3 times: still {}", ALLOCATED.load(Relaxed));
}
