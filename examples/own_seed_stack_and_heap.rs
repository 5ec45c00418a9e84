// own_seed_stack_and_heap.rs - the same program as own_seed_stack_and_heap.c.
include!("own_where.rs");

fn stack_and_heap() {
    let d = 5;
    let e = Box::new(7);
    show("    d", &d);
    show("    e", &e);
    show("    *e", &*e);
    println!("    d = {}, *e = {}", d, *e);
} // d and e leave the stack; the 7 is freed with e

fn stack_only(b: i32) {
    let c = 3;
    show("  b", &b);
    show("  c", &c);
    println!("  b = {}, c = {}", b, c);
    stack_and_heap();
}

fn main() {
    let a = 2;
    show("a", &a);
    stack_only(a);
    println!("back in main, a = {}", a);
}
