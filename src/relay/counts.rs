//! What is counted of requests that are passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Since the start of the node.
#[derive(Debug, Default)]
pub struct RelayCounts {
    answered: AtomicU64,
    gone: AtomicU64,
    all_taken: AtomicU64,
    incomplete: AtomicU64,
    open: AtomicUsize,
    to_owners: AtomicU64,
    to_clients: AtomicU64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Gone,
    AllTaken,
    Incomplete,
}

impl RelayCounts {
    /// Requests by what became of them: `ok`, `gone` (the owner cannot be reached, or ended), `all-taken`
    /// (`node-connections`), `incomplete` (the client's body).
    pub fn requests(&self) -> [(&'static str, u64); 4] {
        let Self { answered, gone, all_taken, incomplete, .. } = self;
        [("ok", answered), ("gone", gone), ("all-taken", all_taken), ("incomplete", incomplete)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// WebSockets and streamed answers that are passed on now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Bytes of bodies and of WebSockets: to the owners of sessions, and to clients.
    pub fn bytes(&self) -> (u64, u64) {
        (self.to_owners.load(Ordering::Relaxed), self.to_clients.load(Ordering::Relaxed))
    }

    pub(super) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Gone => &self.gone,
            Outcome::AllTaken => &self.all_taken,
            Outcome::Incomplete => &self.incomplete,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn to_owner(&self, bytes: usize) {
        self.to_owners.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn to_client(&self, bytes: usize) {
        self.to_clients.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Something that is passed on, as long as it lasts.
#[derive(Debug)]
pub(super) struct Open(Arc<RelayCounts>);

impl Open {
    pub fn new(counts: &Arc<RelayCounts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(counts))
    }

    pub fn counts(&self) -> &RelayCounts {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
