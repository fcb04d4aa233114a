//! When which session is next due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::sid::Sid;

/// A queue of sids, ordered by when each is due.
///
/// Nothing is ever removed but what is due. A deadline that moves to a later time, as most do with
/// every sign of life, costs nothing here: its session finds nothing due and schedules the next
/// one.
///
/// The lock is a leaf in the lock order: no other lock is taken while it is held.
#[derive(Debug, Default)]
pub(super) struct DeadlineQueue {
    heap: Mutex<BinaryHeap<Reverse<(Instant, Sid)>>>,
    /// Wakes the task that runs what is due. Shared, so that this task can wait for it without
    /// keeping the queue alive.
    changed: Arc<Notify>,
}

impl DeadlineQueue {
    fn heap(&self) -> MutexGuard<'_, BinaryHeap<Reverse<(Instant, Sid)>>> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes that session due at that time.
    pub fn schedule(&self, sid: Sid, at: Instant) {
        let mut heap = self.heap();
        let first = heap.peek().is_none_or(|Reverse((earliest, _))| at < *earliest);
        heap.push(Reverse((at, sid)));
        drop(heap);
        if first {
            self.wake();
        }
    }

    /// Moves what is due into `batch`, at most until that has `most` entries. Returns when the next
    /// one is due.
    pub fn take_due(
        &self,
        now: Instant,
        most: usize,
        batch: &mut Vec<(Instant, Sid)>,
    ) -> Option<Instant> {
        let mut heap = self.heap();
        while let Some(Reverse((at, _))) = heap.peek()
            && *at <= now
            && batch.len() < most
        {
            batch.extend(heap.pop().map(|Reverse(entry)| entry));
        }
        heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Wakes the task that runs what is due: there is something to do before the next deadline.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// What that task waits for besides the next deadline.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

impl Drop for DeadlineQueue {
    fn drop(&mut self) {
        // The task wakes up, finds the engine gone and ends.
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_due_comes_out_in_order_and_no_more_than_asked_for() {
        let queue = DeadlineQueue::default();
        let [a, b, c] = [0; 3].map(|_| Sid::random().unwrap());
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (sid, seconds) in [(c, 3), (a, 1), (b, 2)] {
            queue.schedule(sid, at(seconds));
        }
        let mut batch = Vec::new();
        assert_eq!(queue.take_due(now, 9, &mut batch), Some(at(1)));
        assert_eq!(batch, []);
        assert_eq!(queue.take_due(at(3), 2, &mut batch), Some(at(3)));
        assert_eq!(batch, [(at(1), a), (at(2), b)]);
        batch.clear();
        assert_eq!(queue.take_due(at(3), 2, &mut batch), None);
        assert_eq!(batch, [(at(3), c)]);
    }

    #[test]
    fn only_a_deadline_before_all_others_wakes() {
        let queue = DeadlineQueue::default();
        let (sid, now) = (Sid::random().unwrap(), Instant::now());
        let changed = queue.changed();
        let woken = || changed.notified().now_or_never().is_some();
        queue.schedule(sid, now + Duration::from_secs(2));
        assert!(woken());
        queue.schedule(sid, now + Duration::from_secs(3));
        queue.schedule(sid, now + Duration::from_secs(2));
        assert!(!woken());
        queue.schedule(sid, now + Duration::from_secs(1));
        assert!(woken());
        drop(queue);
        assert!(woken(), "the end wakes, too");
    }
}
