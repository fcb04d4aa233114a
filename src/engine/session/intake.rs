//! Packets on their way in: what a client sent is taken in order, as far as there is room.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::super::event::SessionEvent;
use super::super::handshake::TransportInfo;
use super::super::inbox::{Call, Input};
use super::super::reason::{CloseReason, SessionError};
use super::super::state::outlet::Wake;
use super::super::state::{Phase, State};
use super::Session;
use crate::dialect::{Control, Heartbeat, Packet};

impl Session {
    /// Takes packets that came by a transport, in order. Waits while more messages wait for the
    /// receiver than may. If this is dropped, the packets not taken yet are lost; those taken are
    /// not.
    ///
    /// # Errors
    /// If that transport has no business with the session, or its probe failed by these packets.
    pub async fn submit(
        self: &Arc<Self>,
        info: &'static TransportInfo,
        packets: impl IntoIterator<Item = Packet>,
    ) -> Result<(), SessionError> {
        let mut packets = packets.into_iter();
        let mut next = packets.next();
        poll_fn(|cx| self.poll_submit(cx, info, &mut next, &mut packets)).await
    }

    /// Takes the session's lock once for all packets that there is room for, and once more when the
    /// receiver's call has ended.
    fn poll_submit(
        self: &Arc<Self>,
        cx: &Context<'_>,
        info: &'static TransportInfo,
        next: &mut Option<Packet>,
        packets: &mut impl Iterator<Item = Packet>,
    ) -> Poll<Result<(), SessionError>> {
        loop {
            let Some(packet) = next.take() else { return Poll::Ready(Ok(())) };
            let mut state = self.state();
            let candidate = state.candidate.as_ref();
            if candidate.is_some_and(|candidate| candidate.info.wire == info.wire) {
                if !self.probe(packet, state) {
                    return Poll::Ready(Err(SessionError::AlreadyUpgrading));
                }
                *next = packets.next();
                continue;
            }
            if state.transport.wire != info.wire && !self.is_lenient() {
                return Poll::Ready(Err(SessionError::WrongTransport));
            }
            let (confirmed, confirmed_wake) = state.heard(Instant::now());
            *next = Some(packet);
            let Intake { call, wake, end, blocked, answered } =
                self.take(&mut state, next, packets, cx);
            drop(state);
            if confirmed {
                self.tell(&SessionEvent::Confirmed { transport: info.name });
            }
            if let (Some(observer), Some(took)) = (&self.shared.observer, answered) {
                observer.heartbeat(info.name, took);
            }
            confirmed_wake.into_iter().chain(wake).for_each(Waker::wake);
            let called = call.is_some();
            if let Some(call) = call {
                self.start_calls(call);
            }
            if let Some(reason) = end {
                self.close(reason);
            }
            if blocked && !called {
                return Poll::Pending;
            }
        }
    }

    /// Takes packets until they end, the session ends, or there is no room for the next.
    fn take(
        &self,
        state: &mut State,
        next: &mut Option<Packet>,
        packets: &mut impl Iterator<Item = Packet>,
        cx: &Context<'_>,
    ) -> Intake {
        let mut intake =
            Intake { call: None, wake: None, end: None, blocked: false, answered: None };
        while let Some(packet) = next.take() {
            if state.phase != Phase::Open || intake.end.is_some() {
                break;
            }
            match packet {
                Packet::Message(_) if !state.inbox.has_room() => {
                    state.inbox.block(cx.waker());
                    (*next, intake.blocked) = (Some(packet), true);
                    break;
                }
                Packet::Message(message) => {
                    let call = state.inbox.put(Input::Message(message));
                    intake.call = intake.call.or(call);
                }
                Packet::Close => intake.end = Some(CloseReason::ClientClosed),
                Packet::Ping { .. } => match self.dialect.rules().heartbeat {
                    Heartbeat::ClientAsks => {
                        let answer = self.dialect.control(Control::Pong { probe: false });
                        state.queue.push_heartbeat(answer);
                        intake.wake = self.pump(state).or(intake.wake);
                        state.settle(Instant::now);
                    }
                    Heartbeat::ServerAsks => {
                        let wrong = "heartbeat in the wrong direction";
                        intake.end = Some(CloseReason::Malformed(wrong));
                    }
                },
                Packet::Pong { .. } => {
                    intake.answered = state.ponged(self.limits(), Instant::now());
                }
                Packet::Upgrade | Packet::Noop => {}
            }
            *next = packets.next();
        }
        intake
    }

    /// Notes a sign of life without a packet, such as a WebSocket pong, on that transport.
    pub fn heard(&self, info: &'static TransportInfo) {
        let mut state = self.state();
        if state.transport.wire != info.wire && !self.is_lenient() {
            return;
        }
        let (confirmed, wake) = state.heard(Instant::now());
        drop(state);
        if confirmed {
            self.tell(&SessionEvent::Confirmed { transport: info.name });
        }
        wake.into_iter().for_each(Waker::wake);
    }
}

/// What is left to do, outside of the lock, for packets that were intake.
struct Intake {
    call: Option<Call>,
    wake: Wake,
    /// The packets ended the session.
    end: Option<CloseReason>,
    /// The next packet waits for room.
    blocked: bool,
    /// How long the answer to a heartbeat took.
    answered: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::super::super::testing::{Deaf, SOCKET, new_session};
    use super::super::super::{Engine, Limits};
    use super::super::LOCKS;
    use super::*;
    use crate::dialect::Message;

    #[tokio::test]
    async fn packets_take_the_lock_once_and_once_more_after_each_call() {
        let engine = Engine::new(Limits::default(), Deaf);
        let session = engine.open(new_session(&SOCKET)).unwrap();
        let message = || Packet::Message(Message::Text("hello".to_owned()));
        let pong = || Packet::Pong { probe: false };
        for (packets, locks) in [
            (vec![], 0),
            (vec![pong()], 1),
            (vec![message()], 2),
            (vec![message(), pong(), message(), message()], 4),
            (vec![pong(), Packet::Noop, pong()], 1),
        ] {
            let case = format!("{packets:?}");
            let before = LOCKS.get();
            session.submit(&SOCKET, packets).now_or_never().unwrap().unwrap();
            assert_eq!(LOCKS.get() - before, locks, "{case}");
        }
    }
}
