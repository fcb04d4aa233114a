//! Transports that come to carry a session, and leave it.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::super::event::{SessionEvent, UpgradeFailure};
use super::super::handshake::TransportInfo;
use super::super::reason::{CloseReason, SessionError};
use super::super::state::Phase;
use super::super::state::outlet::{Ticket, Via};
use super::Session;
use super::drain::{Detach, Drain};
use crate::dialect::Frame;

impl Session {
    /// Whether this call is the one that has to start the session, on that transport.
    pub(in crate::engine) fn may_start(&self, info: &'static TransportInfo) -> bool {
        let mut state = self.state();
        let from = state.transport.name;
        let starts = state.start(info, self.limits(), Instant::now());
        drop(state);
        if starts && self.is_lenient() {
            self.tell(&SessionEvent::Moved { from, to: info.name });
        }
        starts
    }

    /// Lets a request of that transport drain the queue.
    ///
    /// # Errors
    /// If there is nothing for it to drain. An overlap ends the session (engineio.md §9).
    pub fn attach(self: &Arc<Self>, info: &'static TransportInfo) -> Result<Drain, SessionError> {
        self.attach_poll(info, Via::Client)
    }

    /// As [`Session::attach`], for a poll that came that way. If a node that has passed one on dies,
    /// a proxy sends it once more. It may be here before the end of the first is seen: so such a
    /// poll overlaps with no other, the newest wins, and nothing was written to the one before. Or
    /// it comes after that end: so a session whose poll is lost that way waits for another, for a
    /// second.
    ///
    /// # Errors
    /// As [`Session::attach`].
    pub fn attach_poll(
        self: &Arc<Self>,
        info: &'static TransportInfo,
        via: Via,
    ) -> Result<Drain, SessionError> {
        let greeting = || Frame::Text(self.open.clone());
        let mut state = self.state();
        let from = state.transport.name;
        let (limits, now) = (self.limits(), Instant::now());
        let attached = state.attach((info, via), self.dialect, greeting, limits, now);
        drop(state);
        match attached {
            Ok((ticket, replaced)) => {
                if self.is_lenient() && info.name != from {
                    self.tell(&SessionEvent::Moved { from, to: info.name });
                }
                replaced.into_iter().for_each(Waker::wake);
                if self.is_lenient() {
                    // Another transport may have other times.
                    self.reschedule();
                }
                Ok(Drain::new(Arc::clone(self), ticket))
            }
            Err(error) => {
                if error == SessionError::Overlap {
                    self.close(CloseReason::Overlap("GET"));
                }
                Err(error)
            }
        }
    }

    /// Lets a transport that lives longer than one answer take the session up: as the one in use
    /// if it may be that at once, else as the first step of an upgrade.
    ///
    /// # Errors
    /// As [`Session::attach`] and [`Session::attach_candidate`].
    pub fn take_up(self: &Arc<Self>, info: &'static TransportInfo) -> Result<Drain, SessionError> {
        let at_once = {
            let state = self.state();
            let again = state.transport.wire == info.wire && (state.is_new() || !info.duplex);
            again || self.is_lenient()
        };
        if at_once { self.attach(info) } else { self.attach_candidate(info) }
    }

    /// Lets a transport probe its way, as the first step of an upgrade. The session goes on as
    /// before, whatever becomes of it.
    ///
    /// # Errors
    /// If the session is gone or nothing can be upgraded.
    pub fn attach_candidate(
        self: &Arc<Self>,
        info: &'static TransportInfo,
    ) -> Result<Drain, SessionError> {
        let attached = self.state().attach_candidate(info, Instant::now());
        self.tell(&match attached {
            Ok(_) => SessionEvent::Probing { transport: info.name },
            Err(reason) => SessionEvent::UpgradeRefused { transport: info.name, reason },
        });
        let ticket = attached?;
        self.reschedule();
        Ok(Drain::new(Arc::clone(self), ticket))
    }

    /// The drain of that ticket is gone.
    pub(super) fn detach(self: &Arc<Self>, ticket: Ticket, how: Detach, now: Instant) {
        let mut state = self.state();
        let probing = state.candidate.take_if(|candidate| candidate.outlet.ticket == ticket);
        if let Some(candidate) = probing {
            drop(state);
            self.tell_upgrade_failed(&candidate, UpgradeFailure::Ended, now);
            return;
        }
        let Some(outlet) = state.outlet.take_if(|outlet| outlet.ticket == ticket) else { return };
        if state.phase != Phase::Open {
            return;
        }
        if how == Detach::Finished
            && let Some(connection) = outlet.connection()
        {
            state.answered_by(&connection);
        }
        if state.on_request_end(self.dialect, now) || how == Detach::Finished {
            return;
        }
        if how == Detach::Lost && state.await_resent(outlet.via, now) {
            drop(state);
            self.reschedule();
            return;
        }
        let tried = state.transport.name;
        if how == Detach::Lost && state.revert(self.limits(), now) {
            let transport = state.transport.name;
            drop(state);
            let reason = UpgradeFailure::UnconfirmedEnded;
            self.tell(&SessionEvent::TakenBack { tried, to: transport, reason });
            self.reschedule();
            return;
        }
        drop(state);
        self.close(match how {
            Detach::Closed => CloseReason::ClientClosed,
            Detach::Lost | Detach::Finished => CloseReason::TransportLost,
        });
    }
}
