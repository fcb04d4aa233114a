//! What is due in a session: deadlines, the heartbeat, releases of polls during an upgrade.

use tokio::time::Instant;

use super::super::limits::Limits;
use super::super::reason::CloseReason;
use super::earliest::Earliest;
use super::handover::RESENT;
use super::liveness::{Beat, patience};
use super::outlet::Wake;
use super::{Phase, State};
use crate::dialect::{Control, Dialect, Heartbeat, Requests, Wire};

/// What came of a look at the clock.
#[derive(Debug)]
pub(in crate::engine) enum Tick {
    Wait { until: Instant, wake: Wake },
    Close(CloseReason),
    ProbeStalled { probed: bool },
    Unconfirmed,
    Lingered,
    Over,
}

impl State {
    /// Does what is due. Returns what came of it, and when to look again. A process
    /// that is paused hears no client: all have their full time from when it `resumed`.
    pub fn tick(
        &mut self,
        dialect: &dyn Dialect,
        wire: &Wire,
        limits: &Limits,
        resumed: Option<Instant>,
        now: Instant,
    ) -> Tick {
        match self.phase {
            Phase::Closed(_) => return Tick::Over,
            Phase::Lingering(_) => {
                return match self.linger_until {
                    Some(until) if now < until => Tick::Wait { until, wake: None },
                    _ => Tick::Lingered,
                };
            }
            Phase::Open => {}
        }
        let mut next = Earliest::default();
        if let Some(missed) = self.missed_deadline(limits, (resumed, now), &mut next) {
            return missed;
        }
        let released = self.release_poll(now, &mut next);
        if self.inbox.is_blocking() {
            // What the client says waits for the receiver.
            self.liveness.heard(now);
        }
        let mut wake = None;
        match self.beat(dialect, limits, (resumed, now), &mut next) {
            Beat::Nothing => {}
            Beat::Dead => return Tick::Close(CloseReason::PingTimeout),
            Beat::Ask => {
                if let Some(outlet) = &mut self.outlet {
                    outlet.asks = true;
                    wake = outlet.take_waker();
                }
            }
            Beat::Ping => {
                self.queue.push_heartbeat(dialect.control(Control::Ping));
                wake = self.pump(dialect, wire, || now);
                self.settle(|| now);
            }
        }
        // A client may be alive, even talk, and take nothing.
        let patience = patience(limits);
        let slow = self.queue.behind_at(patience);
        let slow = slow.map(|at| at.max(resumed.map_or(at, |resumed| resumed + patience)));
        if slow.is_some_and(|at| next.is_due(at, now)) {
            return Tick::Close(CloseReason::Unread);
        }
        let until = next.get().unwrap_or(now + limits.ping_interval);
        Tick::Wait { until, wake: released.or(wake) }
    }

    /// What follows from a deadline that has passed, if one has.
    fn missed_deadline(
        &self,
        limits: &Limits,
        (resumed, now): (Option<Instant>, Instant),
        next: &mut Earliest,
    ) -> Option<Tick> {
        if let Some((at, reason)) = self.expiry.as_deref().copied()
            && next.is_due(at, now)
        {
            return Some(Tick::Close(reason));
        }
        if let Some(at) = self.reattach_deadline
            && next.is_due(resumed.map_or(at, |resumed| at.max(resumed + RESENT)), now)
        {
            return Some(Tick::Close(CloseReason::TransportLost));
        }
        if let Some(unconfirmed) = &self.unconfirmed
            && next.is_due(unconfirmed.deadline, now)
        {
            return Some(Tick::Unconfirmed);
        }
        if let Some(candidate) = &self.candidate
            && next.is_due(candidate.since + limits.upgrade_timeout, now)
        {
            return Some(Tick::ProbeStalled { probed: candidate.probed.is_some() });
        }
        None
    }

    /// Releases a parked poll from time to time while another transport is probed.
    fn release_poll(&mut self, now: Instant, next: &mut Earliest) -> Wake {
        let release = self.candidate.as_mut()?.probed.as_mut()?;
        let due = release.is_due(now);
        next.is_due(release.at, now);
        let outlet = self.outlet.as_mut().filter(|_| due && !self.transport.streams)?;
        outlet.released = true;
        outlet.take_waker()
    }

    fn beat(
        &mut self,
        dialect: &dyn Dialect,
        limits: &Limits,
        times: (Option<Instant>, Instant),
        next: &mut Earliest,
    ) -> Beat {
        // A client that has only shaken hands need not be heard yet.
        if !self.started {
            return Beat::Nothing;
        }
        let rules = dialect.rules();
        if rules.requests == Requests::Lenient && !self.transport.streams {
            return self.liveness.between_polls(self.outlet.is_some(), limits, times, next);
        }
        match rules.heartbeat {
            Heartbeat::ClientAsks => {
                self.liveness.client_asks(self.transport.duplex, limits, times, next)
            }
            Heartbeat::ServerAsks => self.liveness.server_asks(limits, times, next),
        }
    }
}
