//! What is read from a log.

use std::sync::Arc;

use super::Entry;
use super::bounds::MAX_PAGE_BYTES;

/// Which entries are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The last ones before a number: what somebody sees who looks back. Edits and removals are not among
    /// them, as messages are given as they stand. `Before(u64::MAX)` is the end of the log.
    Before(u64),
    /// The first ones after a number: what somebody missed. Edits and removals are among them.
    After(u64),
}

/// Entries, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// Whether there are more: before the first one, or after the last one, as was asked for.
    pub more: bool,
    /// Of [`Range::After`]: whether some entries after that number are no longer kept.
    pub gap: bool,
}

impl Page {
    /// Adds entries that came after all that could be read.
    pub(super) fn extend(&mut self, later: &[Arc<Entry>], range: Range, limit: usize) {
        let last = self.entries.last().map_or(0, |entry| entry.seq);
        match range {
            Range::After(_) if self.more => {}
            Range::After(seq) => {
                let later = later.iter().filter(|entry| entry.seq > last.max(seq)).cloned();
                let mut filling = Filling::new(limit);
                let read = std::mem::take(&mut self.entries);
                self.more = filling.fill(read.into_iter().chain(later));
                self.entries = filling.entries;
            }
            Range::Before(seq) => {
                let is_meant = |entry: &&Arc<Entry>| {
                    entry.seq > last && entry.seq < seq && !entry.kind.is_change()
                };
                let later = later.iter().filter(is_meant).cloned();
                let mut filling = Filling::new(limit);
                let read = std::mem::take(&mut self.entries);
                self.more |= filling.fill(later.rev().chain(read.into_iter().rev()));
                filling.entries.reverse();
                self.entries = filling.entries;
            }
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matches {
    /// Messages, in ascending order.
    pub entries: Vec<Arc<Entry>>,
    /// Where to go on, if there is more to search: the `before` of the next search. There may be a next one
    /// even if this one found nothing.
    pub next: Option<u64>,
}

/// A room that has a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name.
    pub name: Arc<str>,
    /// The epoch of its log.
    pub epoch: Arc<str>,
    /// The number of its last entry.
    pub top: u64,
    /// How many entries it has.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl RoomInfo {
    /// The position of its last entry, as [`RoomLog::position`](super::RoomLog::position) writes it.
    pub fn position(&self) -> String {
        format!("{}.{}", self.epoch, self.top)
    }
}

/// Rooms by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rooms {
    /// The rooms.
    pub rooms: Vec<RoomInfo>,
    /// Whether there are more after the last one.
    pub more: bool,
}

impl Rooms {
    /// Adds what waits to be written.
    pub(super) fn extend(&mut self, waiting: Vec<RoomInfo>, limit: usize) {
        for new in waiting {
            match self.rooms.binary_search_by(|room| room.name.cmp(&new.name)) {
                Ok(at) => {
                    let room = &mut self.rooms[at];
                    // What was written since counts once.
                    if room.top < new.top {
                        room.top = new.top;
                        room.entries += new.entries;
                        room.bytes += new.bytes;
                    }
                }
                Err(at) if at == self.rooms.len() && self.more => {}
                Err(at) => self.rooms.insert(at, new),
            }
        }
        self.more |= self.rooms.len() > limit;
        self.rooms.truncate(limit);
    }
}

/// Fills a page, in the order in which entries are read, until it is full by number or bytes.
pub(super) struct Filling {
    pub entries: Vec<Arc<Entry>>,
    limit: usize,
    bytes: u64,
}

impl Filling {
    pub fn new(limit: usize) -> Self {
        Filling { entries: Vec::new(), limit, bytes: 0 }
    }

    /// Takes an entry, unless the page is full.
    pub fn take(&mut self, entry: Arc<Entry>) -> bool {
        let bytes = self.bytes + entry.size();
        let fits =
            self.entries.len() < self.limit && (bytes <= MAX_PAGE_BYTES || self.entries.is_empty());
        if fits {
            self.bytes = bytes;
            self.entries.push(entry);
        }
        fits
    }

    /// Takes what fits, and returns whether there was more.
    pub fn fill(&mut self, entries: impl Iterator<Item = Arc<Entry>>) -> bool {
        for entry in entries {
            if !self.take(entry) {
                return true;
            }
        }
        false
    }

    /// What a search has found, the last one first.
    pub fn matches(mut self, next: Option<u64>) -> Matches {
        self.entries.reverse();
        Matches { entries: self.entries, next }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn entry(seq: u64) -> Arc<Entry> {
        Arc::new(Entry {
            seq,
            at: 0,
            author: "a".into(),
            name: None,
            key: None,
            kind: Kind::Message,
            target: None,
            body: "x".repeat(200_000).into(),
            edited: None,
            deleted: None,
            changed: 0,
        })
    }

    /// What waits to be written counts like what was read.
    #[test]
    fn a_page_has_its_bytes_whatever_waits() {
        let later: Vec<_> = (4..=9).map(entry).collect();
        for (range, limit, expected) in [
            (Range::After(0), 100, 1..=5),
            (Range::Before(u64::MAX), 100, 5..=9),
            (Range::After(0), 4, 1..=4),
            (Range::Before(u64::MAX), 4, 6..=9),
            (Range::Before(6), 3, 3..=5),
        ] {
            let mut page = Page { entries: (1..=3).map(entry).collect(), more: false, gap: false };
            page.extend(&later, range, limit);
            let seqs = page.entries.iter().map(|entry| entry.seq);
            assert!(seqs.eq(expected), "{range:?} {limit}");
            assert!(page.more, "{range:?} {limit}");
        }
        let mut page = Page { entries: vec![entry(1)], more: false, gap: false };
        page.extend(&[entry(2)], Range::After(0), 2);
        assert_eq!((page.entries.len(), page.more), (2, false));
    }
}
