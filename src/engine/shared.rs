//! What all sessions of one engine share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::deadlines::DeadlineQueue;
use super::event::Observer;
use super::limits::Limits;
use super::pauses::PauseDetector;
use super::registry::Registry;
use super::sync;
use crate::memory;

/// What all sessions of one engine share; `T` is the session.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub limits: Limits,
    pub registry: Registry<T>,
    pub deadlines: DeadlineQueue,
    pub pauses: PauseDetector,
    /// Sessions that are not over, and work that belongs to sessions.
    pub tasks: TaskTracker,
    /// Told whenever a session is over.
    pub over: Notify,
    /// More waits for clients than may: the next round of the budget is due.
    over_budget: AtomicBool,
    /// Slow readers that were disconnected since this was last read.
    slow_readers: AtomicUsize,
    runtime: Handle,
    pub observer: Option<Arc<dyn Observer<T>>>,
}

impl<T> Shared<T> {
    pub fn new(
        limits: Limits,
        runtime: Handle,
        observer: Option<Arc<dyn Observer<T>>>,
    ) -> Arc<Self> {
        Arc::new(Shared {
            limits,
            registry: Registry::default(),
            deadlines: DeadlineQueue::default(),
            pauses: PauseDetector::default(),
            tasks: TaskTracker::new(),
            over: Notify::new(),
            over_budget: AtomicBool::new(false),
            slow_readers: AtomicUsize::new(0),
            runtime,
            observer,
        })
    }

    /// Runs work that belongs to sessions. Not `tokio::spawn`: the caller may be on a thread
    /// without a runtime, or on a runtime that ends before the engine.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        sync::spawn(&self.runtime, self.tasks.track_future(work));
    }

    /// Checks the bound on what waits for all clients together. To be called after something more
    /// waits for one of them.
    pub fn check_budget(&self) {
        let total = self.limits.queue_total;
        if total > 0 && memory::held() > total {
            self.request_round();
        }
    }

    /// Asks for a round of closing slow readers.
    pub fn request_round(&self) {
        if !self.over_budget.swap(true, Ordering::AcqRel) {
            self.deadlines.wake();
        }
    }

    /// Whether a round was asked for since the last one began.
    pub fn is_over_budget(&self) -> bool {
        self.over_budget.load(Ordering::Acquire)
    }

    /// A round begins: a request from here on is for the next one.
    pub fn begin_round(&self) {
        self.over_budget.store(false, Ordering::Release);
    }

    /// Counts a slow reader that was disconnected.
    pub fn count_slow_reader(&self) {
        self.slow_readers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were counted since the last call.
    pub fn take_slow_readers(&self) -> usize {
        self.slow_readers.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Arc<Shared<()>> {
        Shared::new(Limits::default(), Handle::current(), None)
    }

    #[tokio::test]
    async fn slow_readers_are_told_of_once() {
        let shared = shared();
        (0..3).for_each(|_| shared.count_slow_reader());
        assert_eq!((shared.take_slow_readers(), shared.take_slow_readers()), (3, 0));
    }

    #[tokio::test]
    async fn a_round_is_asked_for_if_more_is_held_than_may_be() {
        let mut held = memory::Charge::default();
        held.set(1000);
        for (queue_total, asked) in [(0, false), (1, true), (usize::MAX, false)] {
            let limits = Limits { queue_total, ..Limits::default() };
            let shared: Arc<Shared<()>> = Shared::new(limits, Handle::current(), None);
            shared.check_budget();
            assert_eq!(shared.is_over_budget(), asked, "{queue_total}");
        }
    }

    #[tokio::test]
    async fn a_round_that_is_asked_for_wakes_the_clock_once() {
        let shared = shared();
        assert!(!shared.is_over_budget());
        shared.request_round();
        assert!(shared.is_over_budget());
        shared.deadlines.changed().notified().await;
        shared.begin_round();
        assert!(!shared.is_over_budget());
    }
}
