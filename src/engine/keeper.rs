//! The clock of all sessions: one task, which looks at each session when something may be due there.
//!
//! A session asks to be looked at by an instant. Deadlines that move to a later time, as most do with
//! every sign of life, cost nothing: the look finds nothing due, and learns of the next instant.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Sid;
use super::core::Core;

/// Who is to be looked at, and when.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    looks: Mutex<BinaryHeap<Reverse<(Instant, Sid)>>>,
    /// A look is due before all others that there were.
    sooner: Arc<Notify>,
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
        while let Some(next) = look_round(&core, &mut batch) {
            if batch.len() == BATCH {
                tokio::task::yield_now().await;
                continue;
            }
            match next {
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = sooner.notified() => {}
                },
                None => sooner.notified().await,
            }
        }
    }
}

/// Looks at all who are due, a batch at most. `None` if the engine is gone.
fn look_round(core: &Weak<Core>, batch: &mut Vec<(Instant, Sid)>) -> Option<Option<Instant>> {
    let core = core.upgrade()?;
    batch.clear();
    let next = core.keeper.due(Instant::now(), batch);
    for (at, sid) in &*batch {
        if let Some(session) = core.registry.get(sid) {
            session.looked_at(*at);
        }
    }
    // A look may have asked for another one, sooner than `next`: then `sooner` says so.
    Some(next)
}
