// own_seed_string.rs - the same program as own_seed_string.c.
include!("own_where.rs");

fn main() {
    let x = 42;
    let y = "hello";
    let mut s = String::from(y);
    show("x", &x);
    show("y, the view", &y);
    show("y's bytes", y.as_ptr());
    show("s, the owner", &s);
    show("s's bytes", s.as_ptr());
    println!("{} {} {}", x, y, s);

    s.push_str(", world, and all that is in it"); // a literal cannot grow; a String can
    println!("{} ({} bytes)", s, s.len());
    let world = &s[7..12]; // a part of it: no copy
    println!("{}: inside s: {}", world, if world.as_ptr() as usize == s.as_ptr() as usize + 7 { "yes" } else { "no" });

    let t = s; // the owner moves: s may not be used any more, and the bytes stay where they are
    println!("t = {}", t);
    let u = t.clone();
    println!("a clone has bytes of its own: {}", if u.as_ptr() != t.as_ptr() { "yes" } else { "no" });
}
