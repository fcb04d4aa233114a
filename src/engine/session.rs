//! One client's session.

mod calls;
mod intake;
mod posting;

use std::sync::{Arc, PoisonError};
use std::task::Waker;

use tokio::time::Instant;
use tracing::{Span, debug, debug_span};

use super::core::Core;
use super::cork;
use super::drain::Detach;
use super::inbox::Input;
use super::queue::Outgoing;
use super::state::{Candidate, Closed, Outlet, Over, Phase, ProbeStep, State, Tick, Ticket, Wake};
use super::sync::{Mutex, MutexGuard};
use super::{Begun, CloseReason, Delivery, Drain, Facts, Handshake, Limits, Plan, Refused, Sid};
use crate::dialect::{Dialect, Frame, Malformed, Message, Packet, Requests, Wire};

pub use posting::Posting;

use posting::LENIENT_POSTS;

/// A client, however it is connected at the moment. Lives from the handshake until it is closed,
/// falls silent, or the server stops.
pub struct Session {
    sid: Sid,
    dialect: &'static dyn Dialect,
    wire: Wire,
    handshake: Handshake,
    core: Arc<Core>,
    /// The first packet, which a transport that takes over is greeted with again in some dialects.
    open: Frame,
    state: Mutex<State>,
    span: Span,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.sid).finish()
    }
}

impl Session {
    pub(super) fn new(sid: Sid, plan: Plan<'_>, core: Arc<Core>, open: Frame) -> Self {
        let Plan { dialect, wire, transport, upgrades, handshake } = plan;
        let span = debug_span!(
            "session", %sid, generation = handshake.generation,
            remote = %handshake.remote.map_or("unknown".to_owned(), |remote| remote.to_string())
        );
        let mut state = State::new(transport, &core.limits, Instant::now());
        state.presence = Some(core.tasks.token());
        state.queue.push_control(open.clone());
        span.in_scope(|| {
            debug!(transport = transport.name, offered = upgrades.join(","), "handshake")
        });
        Session { sid, dialect, wire, handshake, core, open, state: Mutex::new(state), span }
    }

    pub fn sid(&self) -> Sid {
        self.sid
    }

    pub fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// The span that everything about this session is logged under.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Takes note that the client left a connection for another transport, and returns how many it has left by now.
    pub fn give_up_connection(&self) -> u32 {
        let mut state = self.state();
        state.given_up = state.given_up.wrapping_add(1);
        state.given_up
    }

    /// How many connections the client has left for another transport.
    pub fn connections_given_up(&self) -> u32 {
        self.state().given_up
    }

    /// The name of the transport in use.
    pub fn transport(&self) -> &'static str {
        self.state().transport.name
    }

    pub fn is_open(&self) -> bool {
        self.state().phase == Phase::Open
    }

    /// Waits until nothing goes either way any more.
    pub async fn over(&self) {
        loop {
            let over = self.core.over.notified();
            if matches!(self.state().phase, Phase::Closed(_)) {
                return;
            }
            over.await;
        }
    }

    /// Whether a request is there to take packets at this moment.
    pub fn is_drained(&self) -> bool {
        self.state().outlet.is_some()
    }

    /// Whether another transport is being probed.
    pub fn is_upgrading(&self) -> bool {
        self.state().candidate.is_some()
    }

    /// Whether a POST is under way.
    pub fn is_posting(&self) -> bool {
        self.state().posting > 0
    }

    /// Why the session is over, if it is.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match self.state().phase {
            Phase::Open => None,
            Phase::Lingering(reason) | Phase::Closed(reason) => Some(reason),
        }
    }

    #[cfg(test)]
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the frames of one packet, and sends them on their way. At the bound of the queue
    /// `delivery` decides; if reliable ones do not fit, the session is closed as a slow reader.
    pub fn push(self: &Arc<Self>, frames: &[Frame], delivery: Delivery) {
        self.put_out(Outgoing { frames, delivery, shared: false });
    }

    /// [`Session::push`] for frames that other sessions get as well, of [`memory::shared`](crate::memory::shared) bytes.
    pub fn push_shared(self: &Arc<Self>, frames: &[Frame], delivery: Delivery) {
        self.put_out(Outgoing { frames, delivery, shared: true });
    }

    fn put_out(self: &Arc<Self>, packet: Outgoing<'_>) {
        let mut state = self.state();
        if state.phase != Phase::Open {
            return;
        }
        let limits = &self.core.limits;
        let mut pushed = state.push(packet, limits, Instant::now);
        let mut wake = None;
        if pushed.is_err() && state.corked {
            // What is held back must not be what makes it too much.
            wake = self.pump(&mut state);
            pushed = state.push(packet, limits, Instant::now);
        }
        let held_back = pushed.is_ok() && cork::hold(self, !state.corked);
        let mut waits = false;
        if held_back {
            state.corked = true;
        } else if pushed.is_ok() {
            wake = self.pump(&mut state).or(wake);
            waits = state.settle(Instant::now);
        }
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        if pushed.is_err() {
            self.close(CloseReason::SlowReader);
        } else if waits {
            self.core.look_at_budget();
        }
    }

    /// Sends what was held back on its way. False, and nothing is done, if a poll was answered since
    /// `then`.
    pub(super) fn uncork(&self, then: Option<Instant>) -> bool {
        let mut state = self.state();
        if state.answered > then && then.is_some() {
            return false;
        }
        state.corked = false;
        let wake = self.pump(&mut state);
        let waits = state.settle(Instant::now);
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        if waits {
            self.core.look_at_budget();
        }
        true
    }

    /// The client has brought so many bytes of something that is not at its end, 0 if it is: they count as if they
    /// waited for the client.
    pub fn begun(&self, what: Begun, bytes: usize) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.begun(what, bytes);
            drop(state);
            self.core.look_at_budget();
        }
    }

    /// Bytes of memory that wait for the client, and of what it has begun to say.
    pub fn held(&self) -> usize {
        self.state().held().all()
    }

    fn pump(&self, state: &mut State) -> Wake {
        state.pump(self.dialect, &self.wire, Instant::now)
    }

    /// Queues a message of the session layer, for applications without Socket.IO.
    pub fn send(self: &Arc<Self>, message: Message) {
        let frame = match message {
            Message::Text(text) => self.dialect.message(&text),
            Message::Binary(data) => Frame::Binary(data),
        };
        self.push(&[frame], Delivery::Reliable);
    }

    /// Has the receiver's [`Receiver::nudged`] called, when its turn comes.
    pub fn nudge(self: &Arc<Self>) {
        let work = self.state().inbox.put(Input::Nudged);
        self.hand_over(work);
    }

    /// Ends the session. Returns at once; the receiver hears of it after all that came before.
    pub fn close(self: &Arc<Self>, reason: CloseReason) {
        let closed = self.state().close(reason, self.limits(), Instant::now());
        let Some(Closed { wakers, cut, over }) = closed else { return };
        self.span.in_scope(|| match reason {
            _ if reason.is_slowness() => {
                self.core.keeper.note_slow_reader();
                debug!(sid = %self.sid, %reason, "closed");
            }
            _ => debug!(%reason, "closed"),
        });
        cut.iter().for_each(|connection| connection.cut());
        wakers.into_iter().for_each(Waker::wake);
        match over {
            Some(over) => self.bury(over),
            None => self.look_again(),
        }
    }

    /// Closes the session for that reason at that time, unless it is cleared before.
    pub fn expire(self: &Arc<Self>, expiry: Option<(Instant, CloseReason)>) {
        self.state().expire(expiry);
        self.look_again();
    }

    /// Lets a request of that transport drain the queue.
    ///
    /// # Errors
    /// If there is nothing for it to drain. An overlap ends the session (engineio.md §9).
    pub fn attach(self: &Arc<Self>, facts: &'static Facts) -> Result<Drain, Refused> {
        let greeting = || self.open.clone();
        let before = {
            let state = self.state();
            if state.is_new() { "" } else { state.transport.name }
        };
        let attached = self.state().attach(facts, self.dialect, greeting, Instant::now());
        match attached {
            Ok((ticket, replaced)) => {
                if self.is_lenient() && facts.name != before {
                    self.span.in_scope(|| debug!(transport = facts.name, "opened"));
                }
                replaced.into_iter().for_each(Waker::wake);
                if self.is_lenient() {
                    // Another transport may have other times.
                    self.look_again();
                }
                Ok(Drain::new(Arc::clone(self), ticket))
            }
            Err(refused) => {
                if refused == Refused::Overlap {
                    self.close(CloseReason::Overlap("GET"));
                }
                Err(refused)
            }
        }
    }

    /// Lets a transport that lives longer than one answer take the session up: as the one in use
    /// if it may be that at once, else as the first step of an upgrade.
    ///
    /// # Errors
    /// As [`Session::attach`] and [`Session::attach_candidate`].
    pub fn take_up(self: &Arc<Self>, facts: &'static Facts) -> Result<Drain, Refused> {
        let at_once = {
            let state = self.state();
            let again = state.transport.wire == facts.wire && (state.is_new() || !facts.duplex);
            again || self.is_lenient()
        };
        if at_once { self.attach(facts) } else { self.attach_candidate(facts) }
    }

    fn is_lenient(&self) -> bool {
        self.dialect.rules().requests == Requests::Lenient
    }

    /// Lets a transport probe its way, as the first step of an upgrade. The session goes on as
    /// before, whatever becomes of it.
    ///
    /// # Errors
    /// If the session is gone or nothing can be upgraded.
    pub fn attach_candidate(self: &Arc<Self>, facts: &'static Facts) -> Result<Drain, Refused> {
        let attached = self.state().attach_candidate(facts, Instant::now());
        self.span.in_scope(|| match attached {
            Ok(_) => debug!(transport = facts.name, "upgrade: probing"),
            Err(reason) => debug!(transport = facts.name, %reason, "upgrade: refused"),
        });
        let ticket = attached?;
        self.look_again();
        Ok(Drain::new(Arc::clone(self), ticket))
    }

    pub(super) fn detach(self: &Arc<Self>, ticket: Ticket, how: Detach, now: Instant) {
        let mut state = self.state();
        let probing = state.candidate.take_if(|candidate| candidate.outlet.ticket == ticket);
        if let Some(candidate) = probing {
            drop(state);
            self.upgrade_failed(&candidate, "the probing connection ended", now);
            return;
        }
        let Some(outlet) = state.outlet.take_if(|outlet| outlet.ticket == ticket) else { return };
        if state.phase != Phase::Open {
            return;
        }
        if let (Detach::Finished, Some(sink)) = (how, outlet.sink) {
            sink.connection().iter().for_each(|connection| state.answered_by(connection));
        }
        if state.pauses(self.dialect, now) || how == Detach::Finished {
            return;
        }
        if how == Detach::Lost && state.revert(self.limits(), now) {
            let transport = state.transport.name;
            drop(state);
            self.fell_back(transport, "the connection ended before it was confirmed");
            self.look_again();
            return;
        }
        drop(state);
        self.close(match how {
            Detach::Closed => CloseReason::ClientClosed,
            Detach::Lost | Detach::Finished => CloseReason::TransportLost,
        });
    }

    fn upgrade_failed(&self, candidate: &Candidate, reason: &str, now: Instant) {
        let (tried, stays) = (candidate.facts.name, self.transport());
        let ms = (now - candidate.since).as_millis() as u64;
        self.span.in_scope(|| debug!(tried, stays, ms, reason, "upgrade: failed"));
    }

    fn fell_back(&self, to: &str, reason: &str) {
        self.span.in_scope(|| debug!(to, reason, "upgrade: taken back, fallback"));
    }

    /// Marks the beginning of a POST.
    ///
    /// # Errors
    /// If one is under way, which ends the session (engineio.md §9), or none is wanted.
    pub fn begin_post(self: &Arc<Self>, facts: &'static Facts) -> Result<Posting, Refused> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Closed(_)) {
            return Err(Refused::Gone);
        }
        if self.is_lenient() {
            if state.posting == LENIENT_POSTS {
                return Err(Refused::Overlap);
            }
            state.posting += 1;
            return Ok(Posting::new(self));
        }
        let wire = facts.wire;
        let wanted = state.transport.wire == wire
            || state.candidate.as_ref().is_some_and(|candidate| candidate.facts.wire == wire);
        if !wanted {
            return Err(Refused::WrongTransport);
        }
        if state.posting > 0 {
            drop(state);
            self.close(CloseReason::Overlap("POST"));
            return Err(Refused::Overlap);
        }
        state.posting = 1;
        Ok(Posting::new(self))
    }

    /// A sign of life without a packet, such as a WebSocket pong, on the transport of that name.
    pub fn heard(&self, facts: &'static Facts) {
        let mut state = self.state();
        if state.transport.wire != facts.wire && !self.is_lenient() {
            return;
        }
        let (confirmed, wake) = state.heard(Instant::now());
        drop(state);
        if confirmed {
            self.log_confirmed(facts);
        }
        wake.into_iter().for_each(Waker::wake);
    }

    fn log_confirmed(&self, facts: &Facts) {
        self.span.in_scope(|| debug!(transport = facts.name, "upgrade: confirmed"));
    }

    /// Ends the session because of input that is not the dialect's.
    pub fn malformed(self: &Arc<Self>, error: Malformed) {
        self.close(CloseReason::Malformed(error.0));
    }

    /// Ends the session if that transport carries it; a transport that only probes ends alone.
    pub fn close_on(self: &Arc<Self>, facts: &'static Facts, reason: CloseReason) {
        if self.state().transport.wire == facts.wire {
            self.close(reason);
        }
    }

    fn probe(self: &Arc<Self>, packet: Packet) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let (step, parked, other) = match packet {
            Packet::Ping { probe: true } => {
                let (step, waker) = state.probe(self.dialect, now);
                (step, waker, None)
            }
            Packet::Upgrade => state.upgrade(self.limits(), now),
            _ => (ProbeStep::Failed, None, None),
        };
        let failed = step == ProbeStep::Failed;
        let candidate = if failed { state.candidate.take() } else { None };
        let transport = state.transport.name;
        drop(state);
        match step {
            ProbeStep::Answered => self.span.in_scope(|| debug!("upgrade: probe answered")),
            ProbeStep::Upgraded { former, after } => self.span.in_scope(|| {
                debug!(from = former, to = transport, ms = after.as_millis() as u64, "upgraded");
            }),
            ProbeStep::Failed => {
                if let Some(candidate) = &candidate {
                    let reason = "not the packet that the upgrade waits for";
                    self.upgrade_failed(candidate, reason, now);
                }
            }
        }
        let failed_waker = candidate.and_then(|mut candidate| candidate.outlet.take_waker());
        for waker in [parked, other, failed_waker].into_iter().flatten() {
            waker.wake();
        }
        self.look_again();
        !failed
    }

    /// Whether this call is the one that has to start the session, on that transport.
    pub(super) fn may_start(&self, facts: &'static Facts) -> bool {
        self.state().start(facts, Instant::now())
    }

    /// Has the keeper look in by then.
    fn look_at(&self, at: Instant) {
        let mut state = self.state();
        let sooner = state.look.is_none_or(|look| at < look);
        if sooner {
            state.look = Some(at);
            drop(state);
            self.core.keeper.look(self.sid, at);
        }
    }

    /// Something may be due sooner than it was.
    fn look_again(self: &Arc<Self>) {
        if let Some(until) = self.tick(Instant::now()) {
            self.look_at(until);
        }
    }

    /// The keeper looks in, as it was asked to for `at`.
    pub(super) fn looked_at(self: &Arc<Self>, at: Instant) {
        {
            let mut state = self.state();
            if state.look != Some(at) {
                // It has been here since, and will be back.
                return;
            }
            state.look = None;
        }
        self.look_again();
    }

    /// The session is over: nobody finds it any more, and its receiver is told.
    pub(super) fn bury(self: &Arc<Self>, Over(work): Over) {
        self.core.registry.remove(&self.sid);
        self.core.over.notify_waiters();
        self.hand_over(work);
    }

    /// Does what is due. `None` when the session is over, else when to look again.
    pub(super) fn tick(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let resumed = self.core.keeper.resumed(now);
        loop {
            let mut state = self.state();
            match state.tick(self.dialect, &self.wire, self.limits(), resumed, now) {
                Tick::Wait { until, wake } => {
                    drop(state);
                    if let Some(waker) = wake {
                        waker.wake();
                    }
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
                        self.bury(over);
                    }
                    return None;
                }
                Tick::ProbeStalled { probed } => {
                    let candidate = state.candidate.take();
                    drop(state);
                    let Some(mut candidate) = candidate else { continue };
                    let reason = match probed {
                        true => "the client did not settle on the probed transport in time",
                        false => "no probe came in time",
                    };
                    self.upgrade_failed(&candidate, reason, now);
                    if let Some(waker) = candidate.outlet.take_waker() {
                        waker.wake();
                    }
                }
                Tick::Unconfirmed => {
                    let waker = state.outlet.as_mut().and_then(Outlet::take_waker);
                    state.revert(self.limits(), now);
                    let transport = state.transport.name;
                    drop(state);
                    self.fell_back(transport, "nothing came over the upgraded connection");
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                }
            }
        }
    }
}
