//! Messages of other nodes that did not come here. Each node numbers what its people say, so that whoever hears a
//! number knows how many are missing before it.

use std::collections::HashMap;
use std::sync::Arc;

/// Nodes whose last number is known.
const MAX_NODES: usize = 1024;
/// More than that is no gap, but another count.
const MAX_GAP: u64 = 1_000_000;

/// The last number of each other node.
#[derive(Debug, Default)]
pub(super) struct Gaps(HashMap<Arc<str>, u64>);

impl Gaps {
    /// A message of a node came. Returns how many of that node did not since the last one; what was said before the
    /// first one is not missed.
    pub fn came(&mut self, node: &Arc<str>, number: u64) -> u64 {
        if let Some(last) = self.0.get_mut(node) {
            let gap = number.saturating_sub(last.saturating_add(1));
            // What comes late was counted already.
            *last = number.max(*last);
            return if gap <= MAX_GAP { gap } else { 0 };
        }
        if self.0.len() >= MAX_NODES {
            self.0.clear();
        }
        self.0.insert(Arc::clone(node), number);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_between_two_numbers_is_counted_once() {
        let mut gaps = Gaps::default();
        let [a, b] = ["a", "b"].map(Arc::<str>::from);
        let told = [(&a, 7), (&a, 8), (&b, 1), (&a, 12), (&a, 10), (&a, 12), (&a, 13), (&b, 3)];
        assert_eq!(told.map(|(node, number)| gaps.came(node, number)), [0, 0, 0, 3, 0, 0, 0, 1]);
        assert_eq!(gaps.came(&a, u64::MAX), 0, "no gap");
        assert_eq!(gaps.came(&a, u64::MAX), 0);
    }

    #[test]
    fn nodes_that_are_too_many_begin_anew() {
        let mut gaps = Gaps::default();
        for number in 0..=MAX_NODES {
            assert_eq!(gaps.came(&number.to_string().into(), 1), 0);
        }
        assert_eq!(gaps.0.len(), 1);
    }
}
