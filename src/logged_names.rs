//! What strangers name, in lines of the log: cut, and each name once.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names that were logged: at most `MAX`, further ones are not logged.
#[derive(Debug, Default)]
pub(crate) struct LoggedNames<const MAX: usize>(Mutex<HashSet<Box<str>>>);

impl<const MAX: usize> LoggedNames<MAX> {
    fn names(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a name is to be logged now.
    pub fn is_new(&self, name: &str) -> bool {
        let mut names = self.names();
        names.len() < MAX && !names.contains(name) && names.insert(name.into())
    }

    /// Lets all names be logged once more.
    pub fn clear(&self) {
        self.names().clear();
    }
}

/// The first 32 characters of text from a client, for a log line.
pub(crate) fn truncated(text: &str) -> &str {
    text.char_indices().nth(32).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_new_once_and_so_many_are() {
        let logged = LoggedNames::<2>::default();
        for (name, new) in [("a", true), ("a", false), ("b", true), ("b", false), ("c", false)] {
            assert_eq!(logged.is_new(name), new, "{name}");
        }
        assert_eq!(logged.names().len(), 2);
        logged.clear();
        assert!(logged.is_new("c"));
    }
}
