//! The bound on what waits for all clients of the process together, and who pays when it is reached.

use std::sync::Arc;

use super::core::Core;
use super::{CloseReason, Session};
use crate::memory;

/// Closes the sessions for which most waits, until nine tenths of the bound would be left. Bytes that
/// several of them share are free when the last of them is: who asks again a little later sees what
/// became of it.
pub(super) fn shed(core: &Core) {
    let total = core.limits.queue_total;
    let held = memory::held();
    if total == 0 || held <= total {
        return;
    }
    let mut excess = held - total / 10 * 9;
    let mut sessions: Vec<(usize, Arc<Session>)> =
        core.registry.all().into_iter().map(|session| (session.held(), session)).collect();
    sessions.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
    let mut closed = 0;
    for (held, session) in sessions.into_iter().take_while(|(held, _)| *held > 0) {
        session.close(CloseReason::QueueTotal);
        closed += 1;
        excess = excess.saturating_sub(held);
        if excess == 0 {
            break;
        }
    }
    tracing::warn!(
        held,
        closed,
        "more waits for clients than queue-bytes-total: those who read most slowly were let go"
    );
}
