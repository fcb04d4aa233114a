//! Runs each property for a moment, for `make test`: with its seeds, and inputs derived from them, which are the
//! same each time.

use std::fs;
use std::path::Path;

/// Makes a test of each property, with a number of inputs besides its seeds.
macro_rules! targets {
    ($($name:ident: $inputs:literal,)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name), super::$name, $inputs);
            }
        )*

        const TARGETS: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    engineio3: 20_000,
    engineio4: 20_000,
    forwarded: 20_000,
    grammar: 20_000,
    json: 20_000,
    node_format: 20_000,
    origins: 20_000,
    path: 20_000,
    proxy_header: 20_000,
    pubsub_wire: 20_000,
    query: 20_000,
    relay_answer: 20_000,
    session: 3_000,
    settings: 5_000,
    socketio09: 20_000,
    token: 10_000,
    web_config: 1_000,
    ws_frames: 20_000,
}

/// Inputs stop growing at about this many bytes.
const LONG: usize = 4096;

fn run(name: &str, property: fn(&[u8]), inputs: usize) {
    let seeds = seeds(name);
    for (_, seed) in &seeds {
        try_with(property, seed);
    }
    let mut dice = Dice(0x5eed);
    for _ in 0..inputs {
        let mut input = dice.of(&seeds).to_vec();
        for _ in 0..=dice.below(4) {
            dice.change(&mut input, &seeds);
        }
        try_with(property, &input);
    }
}

/// Runs a property, and prints the input if it panics.
fn try_with(property: fn(&[u8]), input: &[u8]) {
    struct PrintOnPanic<'a>(&'a [u8]);
    impl Drop for PrintOnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input was b\"{}\"", self.0.escape_ascii());
            }
        }
    }
    let _print = PrintOnPanic(input);
    property(input);
}

/// The seeds of a target with their names, sorted by name. The first is an empty one.
fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut seeds = vec![(String::new(), Vec::new())];
    for file in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}", folder.display())) {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        seeds.push((name, fs::read(file.path()).unwrap()));
    }
    assert!(seeds.len() > 1, "{} has no seeds", folder.display());
    seeds.sort();
    seeds
}

/// Pseudorandom numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, seeds: &'a [(String, Vec<u8>)]) -> &'a [u8] {
        &seeds[self.below(seeds.len())].1
    }

    /// Changes an input at one place: a byte, a bit, a piece taken out, doubled, or taken from a seed.
    fn change(&mut self, input: &mut Vec<u8>, seeds: &[(String, Vec<u8>)]) {
        let at = self.below(input.len() + 1);
        let until = at + self.below((input.len() - at).min(64) + 1);
        match self.below(7) {
            0 => input.insert(at, self.next() as u8),
            1 if at < input.len() => input[at] ^= 1 << self.below(8),
            2 if at < input.len() => input[at] = b"\0\xff \n\"\\:/0-,;="[self.below(13)],
            3 => drop(input.drain(at..until)),
            4 if input.len() < LONG => {
                let piece = input[at..until].to_vec();
                let times = 1 + self.below(3);
                input.splice(at..at, piece.repeat(times));
            }
            5 if input.len() < LONG => {
                let other = self.of(seeds);
                let from = self.below(other.len() + 1);
                let piece = &other[from..][..self.below((other.len() - from).min(256) + 1)];
                input.splice(at..until, piece.iter().copied());
            }
            _ => input.truncate(at),
        }
    }
}

#[test]
fn every_target_is_here_and_there() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let manifest: toml::Table = toml::from_str(manifest).unwrap();
    let bins = manifest["bin"].as_array().unwrap().iter();
    let mut names: Vec<&str> = bins.map(|bin| bin["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, TARGETS);
}
