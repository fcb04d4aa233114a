//! Which keys a log may have, in little memory: Bloom filters, one after the other.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

/// Keys of one log. It never says no to a key that is there.
#[derive(Debug)]
pub(super) struct Filter {
    hasher: RandomState,
    /// Each has the keys of a part of the log. They are forgotten when all of their part is.
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    bits: Box<[u64]>,
    keys: usize,
    most: usize,
    /// The last entry with a key in it.
    last: u64,
}

/// Bits for each key and bits set by it: 1 of 400 keys that are not there seems to be.
const BITS_PER_KEY: usize = 12;
const HASHES: u64 = 6;
/// Keys of the smallest part. Each has room for twice as many as the one before, up to the largest.
const SMALLEST: usize = 256;
const LARGEST: usize = 1 << 17;

impl Filter {
    /// One for so many keys to begin with.
    pub fn new(keys: usize) -> Self {
        let parts = VecDeque::from([Part::new(keys.max(SMALLEST))]);
        Filter { hasher: RandomState::new(), parts }
    }

    /// Takes a key of the entry with this number.
    pub fn add(&mut self, author: &str, key: &str, seq: u64) {
        let hash = self.hasher.hash_one((author, key));
        if let Some(last) = self.parts.back()
            && last.keys >= last.most
        {
            self.parts.push_back(Part::new((last.most * 2).min(LARGEST)));
        }
        if let Some(last) = self.parts.back_mut() {
            last.add(hash);
            last.last = last.last.max(seq);
        }
    }

    /// Whether the key may be there.
    pub fn may_have(&self, author: &str, key: &str) -> bool {
        let hash = self.hasher.hash_one((author, key));
        self.parts.iter().any(|part| part.may_have(hash))
    }

    /// Forgets what is there of entries up to this number, as far as it stands by itself.
    pub fn forget_until(&mut self, seq: u64) {
        while self.parts.len() > 1 && self.parts.front().is_some_and(|part| part.last <= seq) {
            self.parts.pop_front();
        }
    }
}

impl Part {
    fn new(most: usize) -> Self {
        let words = (most * BITS_PER_KEY).div_ceil(64);
        Part { bits: vec![0; words].into(), keys: 0, most, last: 0 }
    }

    /// The places of a key: word and bit.
    fn places(&self, hash: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let bits = self.bits.len() as u64 * 64;
        let (first, step) = (hash >> 32, hash << 32 >> 32 | 1);
        let places = (0..HASHES).map(move |turn| (first + turn * step + turn * turn) % bits);
        places.map(|place| ((place / 64) as usize, 1 << (place % 64)))
    }

    fn add(&mut self, hash: u64) {
        self.keys += 1;
        for (word, bit) in self.places(hash) {
            self.bits[word] |= bit;
        }
    }

    fn may_have(&self, hash: u64) -> bool {
        self.places(hash).all(|(word, bit)| self.bits[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_denied_and_few_are_invented() {
        let mut filter = Filter::new(0);
        for seq in 1..=50_000 {
            filter.add("author", &seq.to_string(), seq);
        }
        assert!((1..=50_000).all(|seq| filter.may_have("author", &seq.to_string())));
        let others = (1..=20_000).filter(|seq| filter.may_have("other", &seq.to_string())).count();
        assert!(others < 800, "{others}");
        let bytes: usize = filter.parts.iter().map(|part| part.bits.len() * 8).sum();
        assert!(bytes < 200_000, "{bytes}");
    }

    #[test]
    fn what_is_no_longer_kept_is_forgotten_in_parts() {
        let mut filter = Filter::new(0);
        for seq in 1..=1_000_000 {
            filter.add("a", &seq.to_string(), seq);
            filter.forget_until(seq.saturating_sub(1_000));
        }
        assert!((999_001..=1_000_000).all(|seq| filter.may_have("a", &seq.to_string())));
        let bytes: usize = filter.parts.iter().map(|part| part.bits.len() * 8).sum();
        assert!(bytes < 3 * LARGEST * BITS_PER_KEY / 8, "{bytes}");
    }
}
