// bench/stack/frames.rs - bumpalo's part of the table of frames; frames.c says what is measured.
//
// bumpalo has no frames: what comes nearest is one arena that is reset after each use.
use bumpalo::Bump;
use std::alloc::Layout;
use std::hint::black_box;
use std::time::Instant;

const SIZES: [usize; 8] = [8, 64, 512, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20];

#[inline(never)]
fn by_bump(bump: &mut Bump, n: usize, written: bool) {
    let p = bump.alloc_layout(Layout::from_size_align(n, 16).unwrap());
    unsafe {
        if written {
            std::ptr::write_bytes(p.as_ptr(), 1, n);
        } else {
            *p.as_ptr() = 1;
        }
    }
    black_box(p);
    bump.reset();
}

fn measure(n: usize, written: bool, repetitions: usize) {
    let mut bump = Bump::new();
    let one = 4.0 + if written { n as f64 / 10.0 } else { 0.0 };
    let calls = std::cmp::max(2, (2e6 / one) as usize);
    let mut least = f64::INFINITY;
    for _ in 0..repetitions {
        by_bump(&mut bump, black_box(n), written); // as in frames.c: not timed
        let begun = Instant::now();
        for _ in 0..calls {
            by_bump(&mut bump, black_box(n), written);
        }
        least = least.min(begun.elapsed().as_nanos() as f64 / calls as f64);
    }
    println!("bumpalo {} {} {:.2}", if written { "written" } else { "bare" }, n, least);
}

fn main() {
    let repetitions = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(10);
    for written in [false, true] {
        for n in SIZES {
            measure(n, written, repetitions);
        }
    }
}
