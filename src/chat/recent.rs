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

/// What an id is known by. Pages make their ids independently, so equal ids of different senders are
/// different ids.
pub fn key(name: Option<&Name>, id: &str) -> Arc<str> {
    // No name has a line end, so the sum of both is unambiguous.
    format!("{}\n{id}", name.map_or("", |name| name.skeleton().letters())).into()
}

impl RecentIds {
    pub fn contains(&self, key: &str) -> bool {
        self.known.contains(key)
    }

    /// Returns false if it is there already.
    pub fn insert(&mut self, key: &Arc<str>) -> bool {
        if !self.known.insert(Arc::clone(key)) {
            return false;
        }
        self.order.push_back(Arc::clone(key));
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
        let mut insert = |id: &str| {
            let key = key(None, id);
            let known = recent.contains(&key);
            assert_eq!(recent.insert(&key), !known);
            !known
        };
        assert!(insert("a"));
        for n in 1..CAPACITY {
            assert!(insert(&n.to_string()));
            assert!(!insert("a"));
        }
        assert!(insert("one too many"));
        assert!(insert("a"), "forgotten by now");
        assert_eq!((recent.known.len(), recent.order.len()), (CAPACITY, CAPACITY));
    }

    #[test]
    fn ids_of_different_people_are_different() {
        let mut recent = RecentIds::default();
        let [ann, bob] = ["ann", "bob"].map(|name| Name::new(name).unwrap());
        let same = Name::new("ANN.").unwrap();
        assert_eq!(key(Some(&ann), "1"), key(Some(&same), "1"), "who comes back as that is she");
        for name in [None, Some(&ann), Some(&bob)] {
            assert!(recent.insert(&key(name, "1")));
            assert!(!recent.insert(&key(name, "1")));
        }
    }
}
