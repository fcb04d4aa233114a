//! Entries of one log in memory: all of them from one number on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::bounds::MAX_PAGE;
use super::page::Filling;
use super::{Entry, Kind, Page};

/// The end of a log.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// By number, with gaps.
    entries: VecDeque<Arc<Entry>>,
    /// The numbers of those that have a key.
    keys: HashMap<Box<str>, u64>,
    /// All entries after this number are here.
    start: u64,
    bytes: u64,
}

/// Author and key as one word.
fn joined(author: &str, key: &str) -> Box<str> {
    format!("{}:{author}{key}", author.len()).into()
}

impl Window {
    /// An empty one: nothing comes after this number yet.
    pub fn new(start: u64) -> Self {
        Window { start, ..Window::default() }
    }

    /// One with the last entries of a log.
    pub fn with(start: u64, entries: Vec<Arc<Entry>>) -> Self {
        let mut window = Window::new(start);
        for entry in entries {
            window.add(entry);
        }
        window
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn oldest(&self) -> Option<&Arc<Entry>> {
        self.entries.front()
    }

    fn add(&mut self, entry: Arc<Entry>) {
        if let Some(key) = &entry.key {
            self.keys.insert(joined(&entry.author, key), entry.seq);
        }
        self.bytes += entry.size();
        self.entries.push_back(entry);
    }

    /// Appends an entry, with what it changes.
    pub fn push(&mut self, mut entry: Arc<Entry>) {
        if let Some(target) = entry.target.filter(|_| entry.kind.is_change()) {
            self.change(&entry);
            let deleted = match self.get(target) {
                Some(target) => target.deleted,
                None => (target > self.start).then_some(entry.at),
            };
            if let Some(at) = deleted.filter(|_| entry.kind == Kind::Edit) {
                entry = Arc::new(entry.without_text(at));
            }
        }
        self.add(entry);
    }

    fn change(&mut self, change: &Entry) {
        let Some(place) = change.target.and_then(|target| self.place(target).ok()) else { return };
        let was_edited = self.entries[place].edited.is_some();
        let Some(changed) = self.entries[place].after(change) else { return };
        self.replace(place, changed);
        if change.kind == Kind::Delete && was_edited {
            for place in place + 1..self.entries.len() {
                let entry = &self.entries[place];
                if entry.kind == Kind::Edit && entry.target == change.target {
                    let emptied = entry.without_text(change.at);
                    self.replace(place, emptied);
                }
            }
        }
    }

    fn replace(&mut self, place: usize, entry: Entry) {
        self.bytes = self.bytes + entry.size() - self.entries[place].size();
        self.entries[place] = Arc::new(entry);
    }

    /// Takes the oldest entry out.
    pub fn pop(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.start = entry.seq;
        self.forget(&entry);
        Some(entry)
    }

    /// Entries up to this number are no longer kept.
    pub fn forget_until(&mut self, floor: u64) {
        while self.entries.front().is_some_and(|oldest| oldest.seq <= floor) {
            self.pop();
        }
        self.start = self.start.max(floor);
    }

    /// Takes out an entry that was not written.
    pub fn remove(&mut self, seq: u64) {
        if let Some(entry) = self.place(seq).ok().and_then(|place| self.entries.remove(place)) {
            self.forget(&entry);
        }
    }

    fn forget(&mut self, entry: &Entry) {
        self.bytes -= entry.size();
        if let Some(key) = &entry.key {
            let key = joined(&entry.author, key);
            if self.keys.get(&key) == Some(&entry.seq) {
                self.keys.remove(&key);
            }
        }
    }

    /// Where an entry is, or would be.
    fn place(&self, seq: u64) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&seq, |entry| entry.seq)
    }

    /// The number of the entry with a key.
    pub fn find(&self, author: &str, key: &str) -> Option<u64> {
        self.keys.get(&joined(author, key)).copied()
    }

    pub fn get(&self, seq: u64) -> Option<Arc<Entry>> {
        self.place(seq).ok().map(|place| self.entries[place].clone())
    }

    /// The entries after a number, if all of them are here.
    pub fn after(&self, seq: u64, limit: usize) -> Option<Page> {
        (seq >= self.start).then(|| self.page_after(seq, limit))
    }

    /// The entries after a number that are here.
    pub fn page_after(&self, seq: u64, limit: usize) -> Page {
        let mut page = Filling::new(limit.min(MAX_PAGE));
        let more = page.fill(self.from(seq).cloned());
        Page { entries: page.entries, more, gap: seq < self.start }
    }

    /// The last entries before a number that are to be shown, if none of them are missing here.
    pub fn before(&self, seq: u64, limit: usize) -> Option<Page> {
        let page = self.page_before(seq, limit);
        (self.start == 0 || page.more).then_some(page)
    }

    /// The last entries before a number that are to be shown, of those that are here.
    pub fn page_before(&self, seq: u64, limit: usize) -> Page {
        let mut page = Filling::new(limit.min(MAX_PAGE));
        let more = page.fill(self.back_from(seq).filter(|entry| !entry.kind.is_change()).cloned());
        page.entries.reverse();
        Page { entries: page.entries, more, gap: false }
    }

    /// Entries after a number.
    pub fn from(&self, seq: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let place = self.place(seq).map_or_else(|place| place, |place| place + 1);
        self.entries.range(place..)
    }

    /// Entries before a number, the last one first.
    pub fn back_from(&self, seq: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let place = self.place(seq).unwrap_or_else(|place| place);
        self.entries.range(..place).rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::NewEntry;
    use crate::store::contract::message;

    #[test]
    fn what_is_changed_counts_as_it_stands() {
        let mut window = Window::new(0);
        let change = |kind, body| NewEntry { kind, target: Some(1), ..message("a", None, body) };
        let long = "x".repeat(1_000);
        for (seq, new) in (1..).zip([
            message("a", Some("key"), "in the middle"),
            change(Kind::Edit, &long),
            change(Kind::Edit, "short"),
            message("b", None, "another"),
            change(Kind::Delete, ""),
        ]) {
            window.push(Arc::new(new.numbered(seq)));
            let sum: u64 = window.entries.iter().map(|entry| entry.size()).sum();
            assert_eq!(window.bytes(), sum, "after {seq}");
        }
        assert!(window.bytes() < 1_000, "the texts of what was deleted are gone");
        while window.pop().is_some() {}
        assert_eq!((window.bytes(), window.keys.len()), (0, 0));
    }
}
