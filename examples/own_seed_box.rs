// own_seed_box.rs - the same program as own_seed_box.c.
include!("own_where.rs");

fn main() {
    let my_number = Box::new(42); // allocates on the heap
    println!("My number is: {}", *my_number);
    show("my_number, the pointer", &my_number);
    show("*my_number, the value", &*my_number);
    println!("the owner takes {} bytes, the value {}", std::mem::size_of_val(&my_number), std::mem::size_of_val(&*my_number));

    let moved = my_number; // the owner moves; the value stays where it is
    println!("moved: {}", *moved);
    show("*moved, the same value", &*moved);
} // the number is freed here, once: my_number was moved from
