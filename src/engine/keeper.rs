//! The clock of all sessions: one task, which looks at each session when something may be due there.
//!
//! A session asks to be looked at by an instant. Deadlines that move to a later time, as most do with
//! every sign of life, cost nothing: the look finds nothing due, and learns of the next instant.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Sid;
use super::budget::Budget;
use super::core::Core;

/// Who is to be looked at, and when.
#[derive(Debug)]
pub(super) struct Keeper {
    looks: Mutex<BinaryHeap<Reverse<(Instant, Sid)>>>,
    /// A look is due before all others that there were, or there is something else to do.
    sooner: Arc<Notify>,
    /// More waits for clients than may.
    over_budget: AtomicBool,
    /// Slow readers that were disconnected and of whom nothing was told yet.
    slow_readers: AtomicUsize,
    pulse: Mutex<Pulse>,
}

/// The process was there at these times.
#[derive(Debug)]
struct Pulse {
    last: Instant,
    /// When it came back after a pause: stopped, or starved.
    resumed: Option<Instant>,
}

/// How often the keeper is there at least.
const PULSE: Duration = Duration::from_secs(1);
/// Without a pulse for so long, the process was paused and heard nobody meanwhile.
const PAUSE: Duration = Duration::from_secs(3);

impl Default for Keeper {
    fn default() -> Self {
        Keeper {
            looks: Mutex::default(),
            sooner: Arc::default(),
            over_budget: AtomicBool::new(false),
            slow_readers: AtomicUsize::new(0),
            pulse: Mutex::new(Pulse { last: Instant::now(), resumed: None }),
        }
    }
}

/// Sessions looked at between two looks at the runtime.
const BATCH: usize = 64;

impl Keeper {
    fn looks(&self) -> MutexGuard<'_, BinaryHeap<Reverse<(Instant, Sid)>>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has that session looked at at that time.
    pub fn look(&self, sid: Sid, at: Instant) {
        let mut looks = self.looks();
        let first = looks.peek().is_none_or(|Reverse((earliest, _))| at < *earliest);
        looks.push(Reverse((at, sid)));
        drop(looks);
        if first {
            self.sooner.notify_one();
        }
    }

    /// When the process last came back from a pause, if it was ever paused. To be asked whenever what was
    /// heard until now decides.
    pub fn resumed(&self, now: Instant) -> Option<Instant> {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(pulse.last) > PAUSE {
            pulse.resumed = Some(now);
        }
        pulse.last = pulse.last.max(now);
        pulse.resumed
    }

    /// A slow reader was disconnected.
    pub fn note_slow_reader(&self) {
        self.slow_readers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were, of whom nothing was told yet; who asks tells it.
    pub fn take_slow_readers(&self) -> usize {
        self.slow_readers.swap(0, Ordering::Relaxed)
    }

    /// Has those looked at for whom most waits.
    pub fn over_budget(&self) {
        if !self.over_budget.swap(true, Ordering::AcqRel) {
            self.sooner.notify_one();
        }
    }

    /// Whether that was asked for.
    pub fn is_over_budget(&self) -> bool {
        self.over_budget.load(Ordering::Acquire)
    }

    /// Somebody sees to it now.
    pub fn within_budget(&self) {
        self.over_budget.store(false, Ordering::Release);
    }

    /// Takes out who is due, a batch at most, and tells when the next one is.
    fn due(&self, now: Instant, batch: &mut Vec<(Instant, Sid)>) -> Option<Instant> {
        let mut looks = self.looks();
        while let Some(Reverse((at, _))) = looks.peek()
            && *at <= now
            && batch.len() < BATCH
        {
            batch.extend(looks.pop().map(|Reverse(look)| look));
        }
        looks.peek().map(|Reverse((at, _))| *at)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The task waits for this, and finds that there is nobody left to keep.
        self.sooner.notify_one();
    }
}

/// Runs until the engine is gone.
pub(super) fn keep(core: &Arc<Core>) -> impl Future<Output = ()> + Send + 'static {
    let (sooner, core) = (Arc::clone(&core.keeper.sooner), Arc::downgrade(core));
    async move {
        let mut batch = Vec::with_capacity(BATCH);
        let mut budget = Budget::new(Instant::now());
        while let Some(next) = look_round(&core, &mut batch, &mut budget) {
            if batch.len() == BATCH {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = sooner.notified() => {}
            }
        }
    }
}

/// Looks at all who are due, a batch at most, and at the budget. When to look again; `None` if the engine is
/// gone.
fn look_round(
    core: &Weak<Core>,
    batch: &mut Vec<(Instant, Sid)>,
    budget: &mut Budget,
) -> Option<Instant> {
    let core = core.upgrade()?;
    let now = Instant::now();
    core.keeper.resumed(now);
    batch.clear();
    let mut next = now + PULSE;
    next = core.keeper.due(now, batch).map_or(next, |at| at.min(next));
    for (at, sid) in &*batch {
        if let Some(session) = core.registry.get(sid) {
            session.looked_at(*at);
        }
    }
    next = budget.look(&core, now).map_or(next, |at| at.min(next));
    // A look may have asked for another one, sooner than `next`: then `sooner` says so.
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_the_process_is_noticed_and_kept() {
        let keeper = Keeper::default();
        let mut now = keeper.pulse.lock().unwrap().last;
        let mut resumed = None;
        for (passed, paused) in [
            (Duration::ZERO, false),
            (PAUSE, false),
            (PAUSE, false),
            (PAUSE + Duration::from_millis(1), true),
            (PAUSE, false),
            (10 * PAUSE, true),
        ] {
            now += passed;
            if paused {
                resumed = Some(now);
            }
            assert_eq!(keeper.resumed(now), resumed, "{passed:?}");
        }
        // Somebody may have looked at the clock before, and come later.
        assert_eq!(keeper.resumed(now - 2 * PAUSE), resumed);
        assert_eq!(keeper.resumed(now + PAUSE), resumed);
    }

    #[test]
    fn slow_readers_are_told_of_once() {
        let keeper = Keeper::default();
        (0..3).for_each(|_| keeper.note_slow_reader());
        assert_eq!((keeper.take_slow_readers(), keeper.take_slow_readers()), (3, 0));
    }

    #[tokio::test]
    async fn who_is_over_the_budget_wakes_the_keeper_until_somebody_sees_to_it() {
        let keeper = Keeper::default();
        assert!(!keeper.is_over_budget());
        keeper.over_budget();
        assert!(keeper.is_over_budget());
        keeper.sooner.notified().await;
        keeper.within_budget();
        assert!(!keeper.is_over_budget());
    }
}
