// own_seed_scope.rs - the same program as own_seed_scope.c.
include!("own_where.rs");

fn stack_only(b: i32) {
    let c = 3;
    println!("stack_only({}): b and c = {}", b, c);
    show("  b", &b);
    show("  c", &c);
}

fn main() {
    let x = 5;
    let y = 10;
    show("x", &x);
    show("y", &y);
    {
        let z = x + y;
        show("z, in the block", &z);
        println!("The sum is: {}", z);
    } // z is gone here
    println!("Variables `x` and `y` are still in scope: {}, {}", x, y);
    let mut a = x; // a copy, with a place of its own
    a += 1;
    println!("a copy of x, plus one: {}; x is still {}; the same place: {}", a, x, if std::ptr::eq(&a, &x) { "yes" } else { "no" });
    stack_only(a);
}
