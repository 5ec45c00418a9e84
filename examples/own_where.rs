// own_where.rs - for the seeds' programs in Rust: see own_where.h.
extern "C" {
    static __executable_start: u8;
    static end: u8;
}

#[inline(never)]
fn where_is(at: usize) -> &'static str {
    let here = 0u8; // a local of this function: the stack is around it
    let now = &here as *const u8 as usize;
    let (first, last) = unsafe { (&__executable_start as *const u8 as usize, &end as *const u8 as usize) };
    if at >= now && at - now < 8 << 20 {
        "on the stack"
    } else if at >= first && at < last {
        "in the program's data"
    } else {
        "on the heap"
    }
}

fn show<T: ?Sized>(what: &str, p: *const T) {
    let at = p as *const u8 as usize;
    println!("{:<24} at {:#x}, {}", what, at, where_is(at));
}
