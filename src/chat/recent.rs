//! The ids of recent messages, to recognise what is sent again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::name::Name;

/// How many are remembered.
const REMEMBERED: usize = 4096;

/// Ids, oldest forgotten first.
#[derive(Debug, Default)]
pub struct RecentIds {
    known: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl RecentIds {
    /// False if it is there already: of the same person, that is, for the ids of different pages have
    /// nothing to do with each other.
    pub fn insert(&mut self, name: Option<&Name>, id: &str) -> bool {
        // No name has a line end.
        let id: Arc<str> = format!("{}\n{id}", name.map_or("", Name::as_str)).into();
        if !self.known.insert(Arc::clone(&id)) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
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
        for n in 1..REMEMBERED {
            assert!(recent.insert(None, &n.to_string()));
            assert!(!recent.insert(None, "a"));
        }
        assert!(recent.insert(None, "one too many"));
        assert!(recent.insert(None, "a"), "forgotten by now");
        assert_eq!((recent.known.len(), recent.order.len()), (REMEMBERED, REMEMBERED));
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
