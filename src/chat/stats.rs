//! Numbers of the chat since the process started, and how many people are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::error::ChatError;
use super::rate_limits::Kind;

/// What became of a message. `again`: it had been handled before, and only its acknowledgement was lost.
const RESULTS: [&str; 9] =
    ["ok", "again", "rate", "too-long", "no-text", "not-joined", "slow", "read-only", "muted"];

/// Counts for the administrator and the metrics.
#[derive(Debug, Default)]
pub struct ChatStats {
    messages_refused: AtomicU64,
    bytes_refused: AtomicU64,
    results: [AtomicU64; RESULTS.len()],
    people: AtomicU64,
    elsewhere: AtomicU64,
    nodes: AtomicU64,
    alone: AtomicBool,
    missed: AtomicU64,
    missed_elsewhere: AtomicU64,
    not_understood: AtomicU64,
}

impl ChatStats {
    /// A rate limit was exceeded.
    pub(super) fn refused(&self, kind: Kind) {
        let counter = match kind {
            Kind::Messages | Kind::Notices => &self.messages_refused,
            Kind::Bytes => &self.bytes_refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A message was passed on, for the first time or not.
    pub(super) fn message(&self, is_new: bool) {
        self.count(if is_new { "ok" } else { "again" });
    }

    /// A message was refused.
    pub(super) fn message_refused(&self, error: &ChatError) {
        self.count(&error.reason.replace(' ', "-"));
    }

    fn count(&self, result: &str) {
        let of = RESULTS.iter().zip(&self.results).find(|(name, _)| **name == result);
        if let Some((_, counter)) = of {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of refusals by each rate limit, with the name of its setting.
    pub fn counts(&self) -> [(&'static str, u64); 2] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("message-rate", load(&self.messages_refused)), ("byte-rate", load(&self.bytes_refused))]
    }

    /// The number of messages by what became of them.
    pub fn messages(&self) -> [(&'static str, u64); RESULTS.len()] {
        std::array::from_fn(|at| (RESULTS[at], self.results[at].load(Ordering::Relaxed)))
    }

    /// Something of another node was left out, because too much waited.
    pub(super) fn missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Something of another node was nothing that this chat says.
    pub(super) fn not_understood(&self) {
        self.not_understood.fetch_add(1, Ordering::Relaxed);
    }

    /// So many messages of another node did not come here.
    pub(super) fn missed_elsewhere(&self, messages: u64) {
        self.missed_elsewhere.fetch_add(messages, Ordering::Relaxed);
    }

    /// How many messages of other nodes did not come here, as far as later ones have shown.
    pub fn messages_missed(&self) -> u64 {
        self.missed_elsewhere.load(Ordering::Relaxed)
    }

    /// How many other nodes are known.
    pub fn nodes_elsewhere(&self) -> u64 {
        self.nodes.load(Ordering::Relaxed)
    }

    /// How many people are on other nodes.
    pub fn people_elsewhere(&self) -> u64 {
        self.elsewhere.load(Ordering::Relaxed)
    }

    /// Whether other nodes cannot be reached.
    pub fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    /// What came from other nodes and was left out, by why: too much waited, or it could not be read.
    pub fn left_out(&self) -> [(&'static str, u64); 2] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("too-much", load(&self.missed)), ("not-understood", load(&self.not_understood))]
    }

    /// How many people on this node have a name.
    pub fn people(&self) -> u64 {
        self.people.load(Ordering::Relaxed)
    }
}

/// One room's part of the numbers of people and nodes; none, once it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    stats: Arc<ChatStats>,
    /// Other nodes are counted there, which all have.
    is_lobby: bool,
    people: u64,
    elsewhere: u64,
    /// Has the number of people, too.
    room: Arc<AtomicUsize>,
}

impl Counted {
    pub fn new(stats: Arc<ChatStats>, is_lobby: bool) -> Self {
        Counted { stats, is_lobby, people: 0, elsewhere: 0, room: Arc::default() }
    }

    /// Has the number of people written there as well.
    pub fn also(&mut self, room: Arc<AtomicUsize>) {
        self.room = room;
    }

    pub fn is_lobby(&self) -> bool {
        self.is_lobby
    }

    /// So many people on this node have a name now.
    pub fn set_people(&mut self, people: usize) {
        change(&self.stats.people, &mut self.people, people as u64);
    }

    /// So many people are in the room, on all nodes.
    pub fn set_in_room(&mut self, people: usize) {
        self.room.store(people, Ordering::Relaxed);
    }

    /// So many other nodes are known, with so many people.
    pub fn set_elsewhere(&mut self, nodes: usize, people: usize) {
        change(&self.stats.elsewhere, &mut self.elsewhere, people as u64);
        if self.is_lobby {
            self.stats.nodes.store(nodes as u64, Ordering::Relaxed);
        }
    }

    /// Other nodes cannot be reached, or can again.
    pub fn set_alone(&mut self, alone: bool) {
        if self.is_lobby {
            self.stats.alone.store(alone, Ordering::Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.set_people(0);
        self.set_in_room(0);
        change(&self.stats.elsewhere, &mut self.elsewhere, 0);
    }
}

/// Changes one room's part of a sum.
fn change(sum: &AtomicU64, part: &mut u64, now: u64) {
    sum.fetch_add(now.wrapping_sub(*part), Ordering::Relaxed);
    *part = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_counted_under_its_setting() {
        let stats = ChatStats::default();
        [Kind::Messages, Kind::Notices, Kind::Bytes].iter().for_each(|kind| stats.refused(*kind));
        assert_eq!(stats.counts(), [("message-rate", 2), ("byte-rate", 1)]);
        for kind in [Kind::Messages, Kind::Notices, Kind::Bytes] {
            assert!(stats.counts().iter().any(|(name, _)| *name == kind.setting()));
        }
    }

    #[test]
    fn each_message_is_counted_by_what_became_of_it() {
        let stats = ChatStats::default();
        stats.message(true);
        stats.message(true);
        stats.message(false);
        stats.message_refused(&ChatError::not_joined());
        stats.message_refused(&ChatError::new("gone", "the connection is gone"));
        assert_eq!(stats.messages().map(|(_, count)| count), [2, 1, 0, 0, 0, 1, 0, 0, 0]);
    }
}
