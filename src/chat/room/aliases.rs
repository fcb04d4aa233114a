//! People who are there more than once: two tabs, or a new connection beside one that is dead and not known to
//! be. They count once, and nobody is told of what comes and goes beside it.

use std::collections::HashMap;
use std::sync::Arc;

/// How many connections of this node, and of others, a person has under a name.
#[derive(Debug, Default, Clone, Copy)]
struct Connections {
    here: usize,
    elsewhere: usize,
}

impl Connections {
    fn all(self) -> usize {
        self.here + self.elsewhere
    }
}

/// Those of all people who have an alias.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    known: HashMap<Arc<str>, Connections>,
    /// Connections beyond the first of each.
    beyond: usize,
}

impl Aliases {
    /// A connection of this node came.
    pub fn came(&mut self, alias: Option<&Arc<str>>) {
        self.change(alias, |it| it.here += 1);
    }

    /// A connection of this node went.
    pub fn went(&mut self, alias: Option<&Arc<str>>) {
        self.change(alias, |it| it.here = it.here.saturating_sub(1));
    }

    pub fn came_elsewhere(&mut self, alias: Option<&Arc<str>>) {
        self.change(alias, |it| it.elsewhere += 1);
    }

    pub fn went_elsewhere(&mut self, alias: Option<&Arc<str>>) {
        self.change(alias, |it| it.elsewhere = it.elsewhere.saturating_sub(1));
    }

    /// All others are gone.
    pub fn forget_elsewhere(&mut self) {
        let all: Vec<_> = self.known.keys().cloned().collect();
        all.iter().for_each(|alias| self.change(Some(alias), |it| it.elsewhere = 0));
    }

    fn change(&mut self, alias: Option<&Arc<str>>, change: impl FnOnce(&mut Connections)) {
        let Some(alias) = alias else { return };
        let connections = self.known.entry(Arc::clone(alias)).or_default();
        self.beyond -= connections.all().saturating_sub(1);
        change(connections);
        self.beyond += connections.all().saturating_sub(1);
        if connections.all() == 0 {
            self.known.remove(alias);
        }
    }

    /// Whether the person is there.
    pub fn has(&self, alias: Option<&Arc<str>>) -> bool {
        self.count(alias) > 0
    }

    /// How many connections the person has.
    pub fn count(&self, alias: Option<&Arc<str>>) -> usize {
        alias.and_then(|alias| self.known.get(alias)).map_or(0, |it| it.all())
    }

    /// How many connections are not to be counted as people.
    pub fn beyond(&self) -> usize {
        self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_counts_once() {
        let mut aliases = Aliases::default();
        let [ann, bob]: [Arc<str>; 2] = ["ann".into(), "bob".into()];
        aliases.came(None);
        aliases.came(Some(&ann));
        aliases.came(Some(&bob));
        assert_eq!(aliases.beyond(), 0);
        aliases.came(Some(&ann));
        aliases.came_elsewhere(Some(&ann));
        assert_eq!((aliases.beyond(), aliases.count(Some(&ann))), (2, 3));
        aliases.forget_elsewhere();
        assert_eq!((aliases.beyond(), aliases.count(Some(&ann))), (1, 2));
        aliases.went(Some(&ann));
        assert!(aliases.has(Some(&ann)) && !aliases.has(None));
        aliases.went(Some(&ann));
        aliases.went(Some(&ann));
        aliases.went_elsewhere(Some(&bob));
        assert!(!aliases.has(Some(&ann)) && aliases.has(Some(&bob)));
        aliases.went(Some(&bob));
        assert_eq!((aliases.beyond(), aliases.known.len()), (0, 0));
    }
}
