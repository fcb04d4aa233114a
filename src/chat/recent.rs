//! The ids of recent messages, by which the room drops a message that a page sends again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::name::Name;

/// Ids kept at once.
const CAPACITY: usize = 4096;

/// A set of ids with a bound; the oldest id makes room for a new one.
#[derive(Debug, Default)]
pub struct RecentIds {
    known: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl RecentIds {
    /// Returns false if this sender's id is there already. Pages make their ids independently, so equal
    /// ids of different senders are different ids.
    pub fn insert(&mut self, name: Option<&Name>, id: &str) -> bool {
        // A name has no line end, so the sum of both is unambiguous.
        let id: Arc<str> = format!("{}\n{id}", name.map_or("", Name::as_str)).into();
        if !self.known.insert(Arc::clone(&id)) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_for_a_while() {
        let mut recent = RecentIds::default();
        assert!(recent.insert(None, "a"));
        for n in 1..CAPACITY {
            assert!(recent.insert(None, &n.to_string()));
            assert!(!recent.insert(None, "a"));
        }
        assert!(recent.insert(None, "one too many"));
        assert!(recent.insert(None, "a"), "forgotten by now");
        assert_eq!((recent.known.len(), recent.order.len()), (CAPACITY, CAPACITY));
    }

    #[test]
    fn ids_of_different_people_are_different() {
        let mut recent = RecentIds::default();
        let [ann, bob] = ["ann", "bob"].map(|name| Name::new(name).unwrap());
        for name in [None, Some(&ann), Some(&bob)] {
            assert!(recent.insert(name, "1"));
            assert!(!recent.insert(name, "1"));
        }
    }
}
