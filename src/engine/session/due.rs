//! What a session does when the clock says so.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::super::event::{SessionEvent, UpgradeFailure};
use super::super::reason::CloseReason;
use super::super::state::outlet::Outlet;
use super::super::state::tick::Tick;
use super::Session;

impl Session {
    /// Closes the session for that reason at that time, unless it is cleared before.
    pub fn expire(self: &Arc<Self>, expiry: Option<(Instant, CloseReason)>) {
        self.state().expire(expiry);
        self.reschedule();
    }

    /// Does what is due, and has the session called again for what comes next. To be called when
    /// something may be due sooner than it was.
    pub(super) fn reschedule(self: &Arc<Self>) {
        if let Some(until) = self.tick(Instant::now()) {
            self.schedule(until);
        }
    }

    fn schedule(&self, at: Instant) {
        let mut state = self.state();
        let sooner = state.scheduled.is_none_or(|scheduled| at < scheduled);
        if sooner {
            state.scheduled = Some(at);
            drop(state);
            self.shared.deadlines.schedule(self.sid, at);
        }
    }

    /// The session is due, as it was scheduled for `at`.
    pub(in crate::engine) fn run_due(self: &Arc<Self>, at: Instant) {
        {
            let mut state = self.state();
            if state.scheduled != Some(at) {
                // It was scheduled for an earlier time since, and scheduled itself anew then.
                return;
            }
            state.scheduled = None;
        }
        self.reschedule();
    }

    /// Does what is due. `None` when the session is over, else when the next thing is due.
    pub(in crate::engine) fn tick(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let resumed = self.shared.pauses.resumed(now);
        loop {
            let mut state = self.state();
            match state.tick(self.dialect, &self.wire, self.limits(), resumed, now) {
                Tick::Wait { until, wake } => {
                    drop(state);
                    wake.into_iter().for_each(Waker::wake);
                    return Some(until);
                }
                Tick::Over => return None,
                Tick::Close(reason) => {
                    drop(state);
                    self.close(reason);
                }
                Tick::Lingered => {
                    let over = state.end_lingering();
                    drop(state);
                    if let Some(over) = over {
                        self.deregister_and_notify(over);
                    }
                    return None;
                }
                Tick::ProbeStalled { probed } => {
                    let candidate = state.candidate.take();
                    drop(state);
                    let Some(mut candidate) = candidate else { continue };
                    let reason = match probed {
                        true => UpgradeFailure::NotSettled,
                        false => UpgradeFailure::NoProbe,
                    };
                    self.tell_upgrade_failed(&candidate, reason, now);
                    candidate.outlet.take_waker().into_iter().for_each(Waker::wake);
                }
                Tick::Unconfirmed => {
                    let wake = state.outlet.as_mut().and_then(Outlet::take_waker);
                    let tried = state.transport.name;
                    state.revert(self.limits(), now);
                    let transport = state.transport.name;
                    drop(state);
                    let reason = UpgradeFailure::UnconfirmedSilent;
                    self.tell(&SessionEvent::TakenBack { tried, to: transport, reason });
                    wake.into_iter().for_each(Waker::wake);
                }
            }
        }
    }
}
