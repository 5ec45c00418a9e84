// own_seed_vec.rs - the same program as own_seed_vec.c.
include!("own_where.rs");

fn sum_of(numbers: Vec<i32>) -> i32 {
    // by value: takes ownership, and drops it at its end
    numbers.iter().sum()
}

fn main() {
    let mut v: Vec<i32> = Vec::new();
    show("v, the owner", &v);
    println!("the owner takes {} bytes; empty, it holds no memory: {}", std::mem::size_of_val(&v), if v.capacity() == 0 { "yes" } else { "no" });
    for i in 0..1000 {
        v.push(i * i);
    }
    show("v's elements", v.as_ptr());
    show("v, where it was", &v);
    println!("{} elements, the last is {}", v.len(), v.last().unwrap());

    let mut names = vec![String::from("stack"), String::from("heap")];
    names.push(String::from("owner"));
    show("names' elements", names.as_ptr());
    show("names[0]'s bytes", names[0].as_ptr());
    for s in &names {
        print!("{} ", s);
    }
    println!("\nsum: {}", sum_of(v));
} // each name is dropped, then the elements' memory
