//! How long bytes wait for the last of their readers.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Upper bounds of the classes of waits, in seconds. Those of the last class are longer.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// One wait: when it began, and a number of its own.
pub(super) type Ticket = (Instant, u64);

/// The waits that last, and the classes of those that ended.
#[derive(Debug)]
pub(super) struct Waits(Mutex<State>);

#[derive(Debug)]
struct State {
    last_number: u64,
    open: BTreeSet<Ticket>,
    times: WaitTimes,
}

/// How long the waits were that ended.
#[derive(Debug, Clone, Copy)]
pub struct WaitTimes {
    sum: Duration,
    classes: [u64; BOUNDS.len() + 1],
}

impl Waits {
    pub const fn new() -> Self {
        let times = WaitTimes { sum: Duration::ZERO, classes: [0; BOUNDS.len() + 1] };
        Waits(Mutex::new(State { last_number: 0, open: BTreeSet::new(), times }))
    }

    /// A wait begins.
    pub fn begin(&self, now: Instant) -> Ticket {
        let mut state = self.lock();
        state.last_number += 1;
        let ticket = (now, state.last_number);
        state.open.insert(ticket);
        ticket
    }

    /// A wait ends.
    pub fn end(&self, ticket: Ticket, now: Instant) {
        let mut state = self.lock();
        if state.open.remove(&ticket) {
            state.times.add(now.saturating_duration_since(ticket.0));
        }
    }

    /// How long the oldest wait has lasted.
    pub fn oldest(&self, now: Instant) -> Duration {
        let oldest = self.lock().open.first().map(|ticket| ticket.0);
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    pub fn times(&self) -> WaitTimes {
        self.lock().times
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitTimes {
    fn add(&mut self, wait: Duration) {
        let seconds = wait.as_secs_f64();
        self.sum += wait;
        self.classes[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// Their sum in seconds.
    pub fn seconds(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    /// Upper bounds in seconds, the last one infinite, and how many were longer than the bound before and
    /// not longer than this one.
    pub fn classes(&self) -> [(f64, u64); BOUNDS.len() + 1] {
        let bound = |at: usize| BOUNDS.get(at).copied().unwrap_or(f64::INFINITY);
        std::array::from_fn(|at| (bound(at), self.classes[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_oldest_wait_is_the_first_that_has_not_ended() {
        let (waits, start) = (Waits::new(), Instant::now());
        assert_eq!(waits.oldest(start), Duration::ZERO);
        let first = waits.begin(start);
        let same_moment = waits.begin(start);
        let last = waits.begin(start + ms(20));
        assert_eq!(waits.oldest(start + ms(30)), ms(30));
        waits.end(first, start + ms(30));
        assert_eq!(waits.oldest(start + ms(31)), ms(31));
        waits.end(same_moment, start + ms(31));
        assert_eq!(waits.oldest(start + ms(31)), ms(11));
        waits.end(last, start + ms(40));
        assert_eq!(waits.oldest(start + ms(90)), Duration::ZERO);
    }

    #[test]
    fn waits_that_ended_are_counted_by_their_class() {
        let (waits, start) = (Waits::new(), Instant::now());
        for (lasted, class) in
            [(0, 0), (1, 0), (2, 1), (100, 6), (101, 7), (30_000, 11), (90_000, 12)]
        {
            let before = waits.times().classes()[class].1;
            let ticket = waits.begin(start);
            waits.end(ticket, start + ms(lasted));
            waits.end(ticket, start + ms(lasted));
            assert_eq!(waits.times().classes()[class].1, before + 1, "{lasted} ms");
        }
        let times = waits.times();
        assert_eq!(times.count(), 7);
        assert!((times.seconds() - 120.204).abs() < 1e-9, "{}", times.seconds());
        assert_eq!(
            times.classes().map(|(bound, _)| bound.to_string()).join(" "),
            "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 5 30 inf"
        );
    }
}
