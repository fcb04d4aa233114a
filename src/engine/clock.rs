//! The task that watches the clock for all sessions of an engine.

use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep_until};

use super::budget::Budget;
use super::pauses::PULSE;
use super::session::Session;
use super::shared::Shared;
use super::sid::Sid;

/// Sessions handled before other tasks of the runtime get a turn.
const BATCH: usize = 64;

/// Runs what is due until the engine is gone.
pub(super) fn run(shared: &Arc<Shared<Session>>) -> impl Future<Output = ()> + Send + 'static {
    let (changed, shared) = (shared.deadlines.changed(), Arc::downgrade(shared));
    async move {
        let mut batch = Vec::with_capacity(BATCH);
        let mut budget = Budget::new(Instant::now());
        while let Some(next) = run_due(&shared, &mut batch, &mut budget) {
            if batch.len() == BATCH {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = changed.notified() => {}
            }
        }
    }
}

/// Has the sessions that are due do what they have to, a batch at most, and keeps the budget.
/// Returns when to do so again; `None` if the engine is gone.
fn run_due(
    shared: &Weak<Shared<Session>>,
    batch: &mut Vec<(Instant, Sid)>,
    budget: &mut Budget,
) -> Option<Instant> {
    let shared = shared.upgrade()?;
    let now = Instant::now();
    shared.pauses.resumed(now);
    batch.clear();
    let due = shared.deadlines.take_due(now, BATCH, batch);
    for (at, sid) in &*batch {
        if let Some(session) = shared.registry.get(sid) {
            session.run_due(*at);
        }
    }
    let round = budget.run_round(&shared, now);
    // A session may have scheduled itself before `next` meanwhile: then `changed` says so.
    Some([due, round].into_iter().flatten().fold(now + PULSE, Ord::min))
}
