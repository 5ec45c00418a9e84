// owners.rs - the loops of owners.c in Rust; see there. HashMap twice: with its own SipHash, as a program that takes it from std has.
use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

const PAIRS: u64 = 1_000_000;
const BULK: usize = 1000;
const LIST: u64 = 1_000_000;
const PUSHES: u64 = 1_000_000;
const KEYS: usize = 200_000;

struct Node {
    next: Option<Box<Node>>,
    value: u64,
}

// Rust's own drop of a long list recurses until the stack ends: the usual remedy is a Drop that loops.
impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}

struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d049bb133111eb);
        z ^ z >> 31
    }
}

fn box_pair() -> u64 {
    let mut sum = 0;
    for i in 0..PAIRS {
        let b = Box::new(i);
        black_box(&*b);
        sum += *b;
    }
    sum
}

fn box_bulk() -> u64 {
    let mut sum = 0;
    let mut all: Vec<Box<u64>> = Vec::with_capacity(BULK);
    for _ in 0..PAIRS as usize / BULK {
        for i in 0..BULK as u64 {
            all.push(Box::new(i));
        }
        black_box(&all);
        for b in all.drain(..) {
            sum += *b;
        }
    }
    sum
}

fn box_list() -> u64 {
    let mut list: Option<Box<Node>> = None;
    for value in 0..LIST {
        list = Some(Box::new(Node { next: list, value }));
    }
    let mut sum = 0;
    let mut at = &list;
    while let Some(n) = at {
        sum += n.value;
        at = &n.next;
    }
    sum
}

fn rc_pair() -> u64 {
    let mut sum = 0;
    for i in 0..PAIRS {
        let r = Rc::new(i);
        black_box(&*r);
        sum += *r;
    }
    sum
}

fn rc_share() -> u64 {
    let first = Rc::new(1);
    let mut sum = 0;
    for _ in 0..PAIRS {
        let r = Rc::clone(&first);
        black_box(&*r);
        sum += *r;
    }
    sum
}

fn arc_pair() -> u64 {
    let mut sum = 0;
    for i in 0..PAIRS {
        let a = Arc::new(i);
        black_box(&*a);
        sum += *a;
    }
    sum
}

fn arc_share() -> u64 {
    let first = Arc::new(1);
    let mut sum = 0;
    for _ in 0..PAIRS {
        let a = Arc::clone(&first);
        black_box(&*a);
        sum += *a;
    }
    sum
}

// The same in a process of two threads.
fn arc_threads() -> u64 {
    static BEGUN: std::sync::Once = std::sync::Once::new();
    BEGUN.call_once(|| {
        std::thread::spawn(|| loop {
            std::thread::park()
        });
    });
    arc_share()
}

fn vec_push_loop() -> u64 {
    let mut v = Vec::new();
    for i in 0..PUSHES {
        v.push(i);
    }
    black_box(v.as_ptr());
    v.len() as u64 + v[PUSHES as usize / 2]
}

fn vec_short() -> u64 {
    let mut sum = 0;
    for i in 0..PUSHES / 8 {
        let mut v = Vec::new();
        for j in 0..8 {
            v.push(i + j);
        }
        black_box(v.as_ptr());
        sum += v[3];
    }
    sum
}

fn str_push_loop() -> u64 {
    let mut s = String::new();
    for _ in 0..PUSHES {
        s.push_str("hello, ");
    }
    black_box(s.as_ptr());
    s.len() as u64
}

fn str_short() -> u64 {
    let mut sum = 0;
    for _ in 0..PUSHES {
        let s = String::from("a short text");
        black_box(s.as_ptr());
        sum += s.len() as u64;
    }
    sum
}

fn filled() -> HashMap<u64, u64> {
    let mut m = HashMap::new();
    let mut random = Random(1);
    for i in 0..KEYS as u64 {
        *m.entry(random.next()).or_insert(0) = i;
    }
    m
}

fn map_lookup_loop(m: &HashMap<u64, u64>) -> u64 {
    let mut random = Random(1);
    let mut sum = 0;
    for _ in 0..KEYS {
        sum += m[&random.next()];
    }
    sum
}

fn count(words: &[String]) -> HashMap<String, u64> {
    let mut m: HashMap<String, u64> = HashMap::new();
    for w in words {
        match m.get_mut(w.as_str()) {
            Some(n) => *n += 1,
            None => {
                m.insert(w.clone(), 1);
            }
        }
    }
    m
}

fn main() {
    let repetitions: u32 = std::env::args().nth(1).map_or(5, |a| a.parse().unwrap());
    let mut random = Random(7);
    let words: Vec<String> = (0..KEYS).map(|_| format!("w{}", random.next() % (KEYS as u64 / 4))).collect();
    let table = filled();
    let counts = count(&words);
    let loops: Vec<(&str, Box<dyn Fn() -> u64>, u64)> = vec![
        ("box", Box::new(box_pair), PAIRS),
        ("box-bulk", Box::new(box_bulk), PAIRS),
        ("box-list", Box::new(box_list), LIST),
        ("rc", Box::new(rc_pair), PAIRS),
        ("rc-clone", Box::new(rc_share), PAIRS),
        ("arc", Box::new(arc_pair), PAIRS),
        ("arc-clone", Box::new(arc_share), PAIRS),
        ("vec-push", Box::new(vec_push_loop), PUSHES),
        ("vec-short", Box::new(vec_short), PUSHES / 8),
        ("str-push", Box::new(str_push_loop), PUSHES),
        ("str-short", Box::new(str_short), PUSHES),
        ("map-insert", Box::new(|| filled().len() as u64), KEYS as u64),
        ("map-get", Box::new(move || map_lookup_loop(&table)), KEYS as u64),
        ("words-count", { let w = words.clone(); Box::new(move || count(&w).len() as u64) }, KEYS as u64),
        ("words-get", Box::new(move || words.iter().map(|w| counts[w.as_str()]).sum()), KEYS as u64),
        ("arc-threads", Box::new(arc_threads), PAIRS),
    ];
    for (name, run, operations) in &loops {
        let mut best = f64::MAX;
        let mut sum = 0;
        for _ in 0..repetitions {
            let began = Instant::now();
            sum = run();
            best = best.min(began.elapsed().as_nanos() as f64);
        }
        println!("{} {:.3} {}", name, best / *operations as f64, sum);
    }
}
