//! Which transport carries the session: attaching, and each step of an upgrade.

use std::time::Duration;

use tokio::time::Instant;

use super::super::handshake::TransportInfo;
use super::super::limits::Limits;
use super::super::reason::SessionError;
use super::liveness::Liveness;
use super::outlet::{Outlet, Ticket, Via, Wake};
use super::upgrade::{Candidate, ProbeStep, Release, Unconfirmed};
use super::{Phase, State};
use crate::dialect::{Control, Dialect, Frame, Requests};

/// How long a poll may take to come once more when the node that has passed it on is gone. Proxies send
/// it to another node at once.
pub(super) const RESENT: Duration = Duration::from_secs(1);

impl State {
    pub(super) fn new_outlet(&mut self) -> Outlet {
        self.last_ticket += 1;
        Outlet::new(self.last_ticket)
    }

    /// The outlet of that ticket, probing or in use.
    pub fn outlet_of(&mut self, ticket: Ticket) -> Option<&mut Outlet> {
        let probing = self.candidate.as_mut().map(|candidate| &mut candidate.outlet);
        let outlets = [probing, self.outlet.as_mut()];
        outlets.into_iter().flatten().find(|outlet| outlet.ticket == ticket)
    }

    /// Attaches a request that drains the queue. Also returns a task to wake: where the newest
    /// request wins, that of the request it replaces.
    pub fn attach(
        &mut self,
        (info, via): (&'static TransportInfo, Via),
        dialect: &dyn Dialect,
        greeting: impl FnOnce() -> Frame,
        limits: &Limits,
        now: Instant,
    ) -> Result<(Ticket, Wake), SessionError> {
        if matches!(self.phase, Phase::Closed(_)) {
            return Err(SessionError::Gone);
        }
        match dialect.rules().requests {
            Requests::Strict => {
                if self.transport.wire != info.wire {
                    return Err(SessionError::WrongTransport);
                }
                let overlaps = |outlet: &Outlet| (outlet.via, via) == (Via::Client, Via::Client);
                if self.outlet.as_ref().is_some_and(overlaps) {
                    return Err(SessionError::Overlap);
                }
            }
            Requests::Lenient => {
                if self.transport.name != info.name && !self.is_new() {
                    self.queue.put_back(vec![greeting()]);
                }
                self.transport = info;
                self.liveness = Liveness::new(limits, now);
            }
        }
        let replaced = self.outlet.take().and_then(|mut outlet| outlet.take_waker());
        self.reattach_deadline = None;
        self.holdings.forget_idle_connections();
        let mut outlet = self.new_outlet();
        outlet.via = via;
        let ticket = outlet.ticket;
        self.outlet = Some(outlet);
        Ok((ticket, replaced))
    }

    /// Attaches a transport that wants to take the session over.
    pub fn attach_candidate(
        &mut self,
        info: &'static TransportInfo,
        now: Instant,
    ) -> Result<Ticket, SessionError> {
        if self.phase != Phase::Open {
            return Err(SessionError::Gone);
        }
        // Nothing is better than a duplex transport.
        if self.candidate.is_some() || self.transport.duplex || self.transport.wire == info.wire {
            return Err(SessionError::AlreadyUpgrading);
        }
        let outlet = self.new_outlet();
        let ticket = outlet.ticket;
        self.candidate = Some(Box::new(Candidate::new(outlet, info, now)));
        Ok(ticket)
    }

    /// The probing transport asked whether it gets through.
    pub fn probe(&mut self, dialect: &dyn Dialect, now: Instant) -> (ProbeStep, Wake) {
        let Some(candidate) = &mut self.candidate else { return (ProbeStep::Failed, None) };
        if candidate.probed.is_some() {
            return (ProbeStep::Failed, None);
        }
        candidate.answers.push(dialect.control(Control::Pong { probe: true }));
        candidate.probed = Some(Release::first(now));
        (ProbeStep::Answered, candidate.outlet.take_waker())
    }

    /// The client settles on the new transport. Libraries for small devices do so without a probe. They
    /// have left the former transport already, so there is no way back for them.
    pub fn upgrade(&mut self, limits: &Limits, now: Instant) -> (ProbeStep, Wake, Wake) {
        let Some(mut candidate) = self.candidate.take() else {
            return (ProbeStep::Failed, None, None);
        };
        let former = self.transport;
        let parked = self.outlet.take().and_then(|mut outlet| outlet.take_waker());
        let promoted = candidate.outlet.take_waker();
        // The answer to the probe may not have left yet.
        self.queue.put_back(std::mem::take(&mut candidate.answers));
        candidate.outlet.promoted = true;
        self.outlet = Some(candidate.outlet);
        self.reattach_deadline = None;
        self.transport = candidate.info;
        self.unconfirmed = candidate.probed.map(|_| {
            let deadline = now + limits.upgrade_timeout;
            Box::new(Unconfirmed::new(former, deadline))
        });
        let after = now - candidate.since;
        (ProbeStep::Upgraded { former: former.name, after }, parked, promoted)
    }

    /// Something came from the client on the transport in use. Returns whether that confirmed an
    /// upgrade, and the task to wake for it.
    pub fn heard(&mut self, now: Instant) -> (bool, Wake) {
        self.liveness.heard(now);
        if self.unconfirmed.take().is_none() {
            return (false, None);
        }
        (true, self.outlet.as_mut().and_then(Outlet::take_waker))
    }

    /// A poll that came that way went away without a word. True if it may come once more: it may be
    /// the node between that is gone, and not the client.
    pub fn await_resent(&mut self, via: Via, now: Instant) -> bool {
        if via == Via::Client {
            return false;
        }
        self.reattach_deadline = Some(now + RESENT);
        true
    }

    /// The transport in use went away without a word. True if the former one gets the session back.
    pub fn revert(&mut self, limits: &Limits, now: Instant) -> bool {
        let Some(unconfirmed) = self.unconfirmed.take() else { return false };
        self.outlet = None;
        self.transport = unconfirmed.former;
        self.queue.put_back(unconfirmed.sent);
        self.reattach_deadline = Some(now + limits.upgrade_timeout);
        true
    }
}
