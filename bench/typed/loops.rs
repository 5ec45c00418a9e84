//! bench/typed/loops.rs - the loops of loops.c in Rust: Box for the objects and the nodes, Vec for the array.
//!
//! Rust's standard library asks malloc (through its System allocator), so this runs on any preloaded allocator.
//! Compiled with -O and nothing else: what `cargo build --release` gives. Works with Debian's rustc 1.63.

use std::arch::asm;
use std::time::Instant;

struct Item {
    _a: u64,
    b: u64,
    c: u64,
    _d: u64,
}

struct Node {
    next: Option<Box<Node>>,
    a: u64,
    _b: u64,
}

/// The compiler must believe that somebody looks at what `p` points to.
#[inline(always)]
fn seen<T>(p: *const T) {
    unsafe { asm!("/* {0} */", in(reg) p, options(nostack)) }
}

fn pair(n: u64) -> u64 {
    let mut sum = 0;
    for i in 0..n {
        let p = Box::new(Item { _a: i, b: i, c: i, _d: i });
        seen(&*p);
        sum += p.b;
    }
    sum
}

fn bulk(n: u64) -> u64 {
    let mut sum = 0;
    let mut items: Vec<Box<Item>> = Vec::with_capacity(1000);
    for r in 0..n / 1000 {
        for i in 0..1000 {
            let p = Box::new(Item { _a: i, b: i, c: i, _d: r });
            seen(&*p);
            items.push(p);
        }
        for p in items.drain(..) {
            sum += p.c;
        }
    }
    sum
}

fn list(n: u64) -> u64 {
    let mut head: Option<Box<Node>> = None;
    let mut sum = 0;
    for i in 0..n {
        let x = Box::new(Node { next: head.take(), a: i, _b: i });
        seen(&*x);
        head = Some(x);
    }
    while let Some(mut x) = head {
        sum += x.a;
        head = x.next.take();
    }
    sum
}

fn vec(n: u64) -> u64 {
    let mut sum = 0;
    for r in 0..n / 1000 {
        let mut array: Vec<u64> = Vec::new();
        for i in 0..1000 {
            array.push(i + r);
            seen(array.as_ptr());
        }
        sum += array[999];
    }
    sum
}

fn best_of(name: &str, run: fn(u64) -> u64, n: u64, repetitions: usize) {
    let mut best = f64::MAX;
    let mut sum = 0;
    for _ in 0..repetitions {
        let begin = Instant::now();
        sum = run(n);
        best = best.min(begin.elapsed().as_nanos() as f64 / n as f64);
    }
    println!("{} {:.3} {}", name, best, sum);
}

fn main() {
    let repetitions = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(10);
    best_of("pair", pair, 3_000_000, repetitions);
    best_of("bulk", bulk, 3_000_000, repetitions);
    best_of("list", list, 1_000_000, repetitions);
    best_of("vec", vec, 3_000_000, repetitions);
}
