//! The bound on what waits for all clients of the process together, and which sessions are closed
//! when it is reached.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::reason::CloseReason;
use super::session::Session;
use super::shared::Shared;
use super::state::holdings::Held;
use crate::memory;

/// Between two rounds of closing slow readers: their connections need a moment to end.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two rounds if no session could be closed, and between two lines of the log.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// Between two lines about slow readers in general: clients can cause as many of these as they
/// like.
const MINUTE: Duration = Duration::from_secs(60);

/// Sessions behind for less than this count as behind for equally long.
const BRIEFLY: Duration = Duration::from_millis(100);

/// Closes slow readers in rounds, and logs how many.
#[derive(Debug)]
pub(super) struct Budget {
    /// No round before.
    next: Instant,
    /// No line in the log before.
    tell: Instant,
    /// How many were closed since the last line.
    untold: usize,
    /// No line about slow readers in general before.
    tell_of_slow: Instant,
}

impl Budget {
    pub fn new(now: Instant) -> Self {
        Budget { next: now, tell: now, untold: 0, tell_of_slow: now }
    }

    /// Closes sessions if more is held than may be and the last round is long enough ago. Returns
    /// when to call this again, if something is left to do.
    pub fn run_round(&mut self, shared: &Shared<Session>, now: Instant) -> Option<Instant> {
        let mut again = None;
        if shared.is_over_budget() {
            if self.next <= now {
                shared.begin_round();
                // Since a round was asked for, those of the last one may have made room: then this is none.
                if let Some(closed) = shed(shared, memory::held(), now) {
                    self.next = now + if closed > 0 { PAUSE } else { LONG_PAUSE };
                    self.untold += closed;
                }
            } else {
                again = Some(self.next);
            }
        }
        if self.untold > 0 && self.tell <= now {
            tracing::warn!(
                held = memory::held(),
                closed = self.untold,
                "more waits for clients than queue-bytes-total: those who read most slowly were let go"
            );
            (self.untold, self.tell) = (0, now + LONG_PAUSE);
        }
        if self.tell_of_slow <= now {
            let closed = shared.take_slow_readers();
            if closed > 0 {
                tracing::info!(closed, "slow readers were disconnected: at debug, each is told of");
                self.tell_of_slow = now + MINUTE;
            }
        }
        let tell = (self.untold > 0).then_some(self.tell);
        again.into_iter().chain(tell).min()
    }
}

/// If `held` is over the bound, closes sessions until nine tenths of the bound would be left, and
/// returns how many; `None` if it is not. The first to go are those for which most waits, and has waited for longest.
///
/// Bytes that several sessions share are free when the last of them is closed: the next round sees
/// what became of it. A session that holds less than half of an equal share is never closed: if all
/// held so little, it would not be too much.
fn shed(shared: &Shared<Session>, held: usize, now: Instant) -> Option<usize> {
    let total = shared.limits.queue_total;
    if total == 0 || held <= total {
        return None;
    }
    let all = shared.registry.all().into_iter();
    let weighed = all.map(|session| {
        let state = session.state();
        let (held, behind) = (state.held(), state.queue.behind(now));
        drop(state);
        let weight = held.all() as u128 * (BRIEFLY + behind).as_millis();
        (weight, held, session)
    });
    let mut sessions: Vec<(u128, Held, Arc<Session>)> = weighed.collect();
    // What several share is counted once in `held`, and here for each of them: closing one of them
    // frees a part of it.
    let (own, common) = sessions
        .iter()
        .fold((0, 0), |(own, common), (_, held, _)| (own + held.own, common + held.shared));
    let part = (held.saturating_sub(own) as f64 / common.max(1) as f64).min(1.0);
    let share = total / sessions.len().max(1);
    sessions.retain(|(_, held, _)| held.all() > share / 2);
    sessions.sort_unstable_by_key(|(weight, _, _)| Reverse(*weight));
    let mut excess = held - total / 10 * 9;
    let mut closed = 0;
    for (_, held, session) in sessions {
        if excess == 0 {
            break;
        }
        session.close(CloseReason::QueueTotal);
        closed += 1;
        excess = excess.saturating_sub(held.own + (held.shared as f64 * part) as usize);
    }
    Some(closed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Deaf, POLLING, new_session};
    use super::super::{Delivery, Engine, Limits};
    use super::*;
    use crate::dialect::{Frame, Message};

    /// A bound, and sessions for which so many thousand bytes wait. What other tests of this
    /// process hold is less.
    const TOTAL: usize = 1_000_000;
    const WAITING: [usize; 6] = [50, 300, 90, 200, 250, 120];

    /// A session for which so much waits.
    fn waiting(engine: &Engine, thousands: usize) -> Arc<Session> {
        let session = engine.open(new_session(&POLLING)).expect("a session");
        session.send(Message::Text("x".repeat(thousands * 1000)));
        session
    }

    /// Closes what has to go where the process holds so much. Returns what waited for each of
    /// those, in thousands.
    async fn let_go(queue_total: usize, held: usize) -> Vec<usize> {
        let engine = Engine::new(Limits { queue_total, ..Limits::default() }, Deaf);
        let sessions = WAITING.map(|thousands| waiting(&engine, thousands));
        let closed = shed(sessions[0].shared(), held, Instant::now());
        let mut gone = Vec::new();
        for (session, thousands) in sessions.iter().zip(WAITING) {
            if let Some(reason) = session.close_reason() {
                assert_eq!((reason, session.held()), (CloseReason::QueueTotal, 0));
                gone.push(thousands);
            }
        }
        assert_eq!(gone.len(), closed.unwrap_or(0));
        assert_eq!(closed.is_some(), queue_total > 0 && held > queue_total);
        gone.sort_unstable();
        gone
    }

    #[tokio::test]
    async fn the_largest_pay_until_nine_tenths_are_left_and_nobody_who_holds_little() {
        for (total, held, gone) in [
            (0, usize::MAX, &[][..]),
            (TOTAL, 0, &[]),
            (TOTAL, TOTAL, &[]),
            (TOTAL, TOTAL + 1, &[300]),
            (TOTAL, TOTAL + 199_000, &[300]),
            (TOTAL, TOTAL + 210_000, &[250, 300]),
            (TOTAL, TOTAL + 460_000, &[200, 250, 300]),
            // Less than half of a sixth.
            (TOTAL, 10 * TOTAL, &[90, 120, 200, 250, 300]),
            (2 * TOTAL, 10 * TOTAL, &[200, 250, 300]),
        ] {
            assert_eq!(let_go(total, held).await, gone, "{held} of {total}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_been_behind_for_long_pays_before_who_holds_more() {
        let engine = Engine::new(Limits { queue_total: TOTAL, ..Limits::default() }, Deaf);
        let long = waiting(&engine, 300);
        tokio::time::sleep(5 * BRIEFLY).await;
        let brief = waiting(&engine, 400);
        assert_eq!(shed(long.shared(), TOTAL + 1, Instant::now()), Some(1));
        assert_eq!((long.is_open(), brief.is_open()), (false, true));
    }

    /// What several wait for goes with the last of them: each that goes makes up for its part.
    #[tokio::test]
    async fn shared_bytes_count_in_part() {
        // The first takes 400,000 bytes and a quarter of what is shared with it, the second 300,000
        // and a quarter.
        for (excess, gone) in [(490_000, 1), (520_000, 2), (890_000, 2), (920_000, 3)] {
            let engine = Engine::new(Limits { queue_total: TOTAL, ..Limits::default() }, Deaf);
            let shared = [Frame::Text("x".repeat(400_000).into())];
            let sessions = [100, 200, 300, 400].map(|thousands| {
                let session = waiting(&engine, thousands);
                session.push_shared(&shared, Delivery::Reliable);
                session
            });
            let held: usize = sessions.iter().map(|session| session.state().held().own).sum();
            // The bound is such that so much is too much.
            let queue_total = (held + 400_000 - excess) / 9 * 10;
            let others = Shared::new(
                Limits { queue_total, ..Limits::default() },
                tokio::runtime::Handle::current(),
                None,
            );
            for session in &sessions {
                others.registry.insert(session.sid(), Arc::clone(session));
            }
            assert_eq!(shed(&others, held + 400_000, Instant::now()), Some(gone), "{excess}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_each_other_while_somebody_pays() {
        let engine = Engine::new(Limits { queue_total: 1000, ..Limits::default() }, Deaf);
        let session = waiting(&engine, 300);
        let shared = Arc::clone(session.shared());
        // Too much is held where no session can be closed for it.
        let mut elsewhere = memory::Charge::default();
        elsewhere.set(2000);
        let mut now = Instant::now();
        let mut budget = Budget::new(now);
        shared.request_round();
        assert_eq!(budget.run_round(&shared, now), None);
        assert!(!session.is_open());
        for pause in [PAUSE, LONG_PAUSE] {
            shared.request_round();
            assert_eq!(budget.run_round(&shared, now), Some(now + pause));
            now += pause;
            budget.run_round(&shared, now);
            assert!(!shared.is_over_budget(), "nobody is left to pay");
        }
    }

    /// Whoever was let go may have made room before the round that was asked for begins.
    #[tokio::test(start_paused = true)]
    async fn a_round_that_is_not_needed_any_more_delays_no_other() {
        let roomy = Limits { queue_total: usize::MAX, ..Limits::default() };
        let roomy = Shared::new(roomy, tokio::runtime::Handle::current(), None);
        let engine = Engine::new(Limits { queue_total: 1000, ..Limits::default() }, Deaf);
        let session = waiting(&engine, 300);
        let now = Instant::now();
        let mut budget = Budget::new(now);
        roomy.request_round();
        assert_eq!(budget.run_round(&roomy, now), None);
        assert!(!roomy.is_over_budget());
        session.shared().request_round();
        assert_eq!(budget.run_round(session.shared(), now), None);
        assert!(!session.is_open());
    }

    #[tokio::test]
    async fn slow_readers_are_counted_and_nobody_else() {
        let engine = Engine::new(Limits::default(), Deaf);
        for (reason, counted) in [
            (CloseReason::SlowReader, 1),
            (CloseReason::Unread, 1),
            (CloseReason::QueueTotal, 1),
            (CloseReason::PingTimeout, 0),
            (CloseReason::ServerClosed, 0),
        ] {
            let session = waiting(&engine, 1);
            session.close(reason);
            assert_eq!(session.shared().take_slow_readers(), counted, "{reason}");
        }
    }

    #[tokio::test]
    async fn the_clock_is_watched_by_one_and_ends_with_the_engine() {
        let engine = Engine::new(Limits::default(), Deaf);
        let clock = engine.clock_task().expect("nobody has it");
        assert!(engine.clock_task().is_none());
        drop(engine);
        clock.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_has_a_line_a_second_at_most() {
        let limits = Limits { queue_total: 1, ..Limits::default() };
        let shared = Shared::new(limits, tokio::runtime::Handle::current(), None);
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(budget.run_round(&shared, start), None);
        let mut lines = 0;
        let mut now = start;
        while now < start + 10 * LONG_PAUSE {
            budget.untold += 1;
            let again = budget.run_round(&shared, now);
            lines += usize::from(budget.untold == 0);
            assert_eq!(again, (budget.untold > 0).then_some(budget.tell));
            now += PAUSE;
        }
        assert_eq!(lines, 10);
        // The rest is told, too.
        budget.run_round(&shared, now + LONG_PAUSE);
        assert_eq!(budget.untold, 0);
    }
}
