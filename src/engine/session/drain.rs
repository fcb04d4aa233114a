//! The end of the outbound queue that a transport holds.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::super::direct_writer::DirectWriter;
use super::super::reason::CloseReason;
use super::super::state::outlet::Ticket;
use super::super::state::{Over, Phase, State};
use super::Session;
use crate::dialect::Frame;

/// The right to take a session's packets. A session has one at a time, besides that of a transport
/// being probed. Dropping it without [`Drain::finish`] tells the session that the connection was
/// lost.
#[derive(Debug)]
pub struct Drain {
    session: Arc<Session>,
    ticket: Ticket,
    detach: Detach,
}

/// How a transport lets go of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detach {
    /// It has done its part; the session waits for the next request.
    Finished,
    /// The client ended the connection in good order.
    Closed,
    /// The connection broke.
    Lost,
}

/// What there is for a transport to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Drained {
    /// Packets were put into the batch.
    Packets,
    /// The [`DirectWriter`] holds what its connection did not take yet; what follows waits for
    /// that.
    Stuck,
    /// This poll should end, with nothing: an upgrade needs it out of the way.
    Released,
    /// The probe succeeded: this transport carries the session from here on. A good moment for a
    /// sign of life that makes the client answer.
    Promoted,
    /// Nothing has come from the client for a while: a good moment for a sign of life that it
    /// answers by itself.
    Asks,
    /// Another transport carries the session now, or the probe failed.
    Superseded,
    /// The session is over. Packets put into the batch still have to go out.
    Closed(CloseReason),
}

impl Drain {
    pub(super) fn new(session: Arc<Session>, ticket: Ticket) -> Self {
        Drain { session, ticket, detach: Detach::Lost }
    }

    /// The session that is drained.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Sends packets straight to `direct_writer` from now on, while this drain waits in
    /// [`Drain::next`] and has nothing else to report.
    pub fn set_direct_writer(&self, direct_writer: Arc<dyn DirectWriter>) {
        if let Some(outlet) = self.session.state().outlet_of(self.ticket) {
            outlet.direct_writer = Some(direct_writer);
        }
    }

    /// Waits for packets or news. Packets are appended to `batch`; dropping the future loses none.
    pub async fn next(&mut self, batch: &mut Vec<Frame>) -> Drained {
        poll_fn(|cx| self.poll_next(cx, batch)).await
    }

    /// [`Drain::next`] for hand-written futures.
    pub fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<Drained> {
        let mut over = None;
        let polled = self.poll_state(&mut self.session.state(), cx, batch, &mut over);
        if let Some(over) = over {
            self.session.deregister_and_notify(over);
        }
        polled
    }

    fn poll_state(
        &self,
        state: &mut State,
        cx: &mut Context<'_>,
        batch: &mut Vec<Frame>,
        over: &mut Option<Over>,
    ) -> Poll<Drained> {
        if let Some(candidate) = &mut state.candidate
            && candidate.outlet.ticket == self.ticket
        {
            if candidate.answers.is_empty() {
                candidate.outlet.wait(cx, true);
                return Poll::Pending;
            }
            batch.append(&mut candidate.answers);
            return Poll::Ready(Drained::Packets);
        }
        let Some(outlet) = state.outlet.as_mut().filter(|outlet| outlet.ticket == self.ticket)
        else {
            return Poll::Ready(match state.phase {
                Phase::Closed(reason) => Drained::Closed(reason),
                _ => Drained::Superseded,
            });
        };
        // Nothing may overtake this call, nor the packets that it returns: the direct writer gets
        // none until the next call waits.
        outlet.wants = false;
        if std::mem::take(&mut outlet.stuck) {
            return Poll::Ready(Drained::Stuck);
        }
        if std::mem::take(&mut outlet.promoted) {
            return Poll::Ready(Drained::Promoted);
        }
        if std::mem::take(&mut outlet.asks) && state.phase == Phase::Open {
            return Poll::Ready(Drained::Asks);
        }
        let (released, streams) = (outlet.released, state.transport.streams);
        let bound = self.session.limits().queue.bytes;
        let unconfirmed = state.unconfirmed.as_ref();
        let held_back = unconfirmed.is_some_and(|unconfirmed| unconfirmed.bytes > bound);
        // A cork releases what it holds back, unless the session is over.
        let corked = state.corked && state.phase == Phase::Open;
        let has_news = match state.phase {
            Phase::Open => !state.queue.is_empty() && !held_back && !corked,
            Phase::Lingering(_) => true,
            Phase::Closed(_) => false,
        };
        if has_news && !outlet.direct_writer.as_ref().is_none_or(|writer| writer.is_there()) {
            // Nothing is taken for a client that has left.
            outlet.wait(cx, false);
            return Poll::Pending;
        }
        if !state.queue.is_empty() && !held_back && !corked {
            let before = batch.len();
            if streams && state.phase == Phase::Open {
                state.queue.take_for_write(batch);
            } else {
                state.queue.take(batch);
            }
            if let Some(unconfirmed) = &mut state.unconfirmed {
                unconfirmed.keep(&batch[before..]);
            }
            state.settle(Instant::now);
            if state.phase == Phase::Open {
                return Poll::Ready(Drained::Packets);
            }
        }
        match state.phase {
            Phase::Open if released => Poll::Ready(Drained::Released),
            Phase::Open => {
                if let Some(outlet) = &mut state.outlet {
                    outlet.wait(cx, true);
                }
                Poll::Pending
            }
            Phase::Lingering(reason) => {
                *over = state.end_lingering();
                Poll::Ready(Drained::Closed(reason))
            }
            Phase::Closed(reason) => Poll::Ready(Drained::Closed(reason)),
        }
    }

    /// The client has been served: the session lives on and waits for the next request.
    pub fn finish(mut self) {
        self.detach = Detach::Finished;
    }

    /// The client ended the connection in good order, and the session with it if this transport
    /// carries it.
    pub fn closed_by_client(mut self) {
        self.detach = Detach::Closed;
    }

    /// Waits until there is nothing more to serve: the session is over for good, or another
    /// transport has it. For use while writing, when packets would not be taken.
    pub async fn ended(&mut self) {
        poll_fn(|cx| self.poll_ended(cx)).await;
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.session.state();
        if matches!(state.phase, Phase::Closed(_)) {
            return Poll::Ready(());
        }
        match state.outlet_of(self.ticket) {
            Some(outlet) => {
                outlet.wait(cx, false);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.session.detach(self.ticket, self.detach, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::super::super::limits::{Limits, QueueLimits};
    use super::super::super::testing::{Deaf, POLLING, SOCKET, new_session};
    use super::super::super::{Engine, Via};
    use super::*;
    use crate::dialect::{Message, Packet};

    /// What comes out until there is nothing more, and what was told then.
    fn drained(drain: &mut Drain) -> (usize, Option<Drained>) {
        let (mut batch, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
        loop {
            match drain.poll_next(&mut cx, &mut batch) {
                Poll::Ready(Drained::Packets | Drained::Promoted) => {}
                Poll::Ready(news) => return (batch.len(), Some(news)),
                Poll::Pending => return (batch.len(), None),
            }
        }
    }

    #[tokio::test]
    async fn all_that_waited_comes_before_the_end() {
        let engine = Engine::new(Limits::default(), Deaf);
        for transport in [&POLLING, &SOCKET] {
            let session = engine.open(new_session(transport)).expect("a session");
            let mut drain = session.attach(transport).expect("nobody else");
            drained(&mut drain);
            (0..4).for_each(|_| session.send(Message::Text("x".repeat(40_000))));
            session.close(CloseReason::ServerClosed);
            let (packets, news) = drained(&mut drain);
            assert_eq!(packets, 4, "{}", transport.name);
            assert!(matches!(news, Some(Drained::Closed(CloseReason::ServerClosed))));
        }
    }

    /// Two polls at once, by how each of them came: whether the second takes the place of the first.
    #[tokio::test]
    async fn a_poll_that_a_node_passed_on_overlaps_with_no_other() {
        let engine = Engine::new(Limits::default(), Deaf);
        for (first, second, replaces) in [
            (Via::Client, Via::Client, false),
            (Via::Client, Via::Node, true),
            (Via::Node, Via::Client, true),
            (Via::Node, Via::Node, true),
        ] {
            let session = engine.open(new_session(&POLLING)).expect("a session");
            let mut one = session.attach_poll(&POLLING, first).expect("nobody else");
            assert_eq!(drained(&mut one), (1, None));
            let other = session.attach_poll(&POLLING, second);
            assert_eq!(other.is_ok(), replaces, "{first:?} {second:?}");
            let Ok(mut other) = other else {
                assert_eq!(session.close_reason(), Some(CloseReason::Overlap("GET")));
                continue;
            };
            session.send(Message::Text("hi".into()));
            assert_eq!(drained(&mut one), (0, Some(Drained::Superseded)));
            // However the first ends, the session has the second.
            drop(one);
            assert_eq!(drained(&mut other), (1, None));
            assert!(session.is_open());
        }
    }

    /// A poll that is lost, by how it came and after how many milliseconds another comes, if one
    /// does: whether the session goes on.
    #[tokio::test(start_paused = true)]
    async fn a_poll_that_a_node_passed_on_may_be_lost_and_come_once_more() {
        let engine = Engine::new(Limits::default(), Deaf);
        for (via, again, goes_on) in [
            (Via::Client, Some(0), false),
            (Via::Node, Some(0), true),
            (Via::Node, Some(990), true),
            (Via::Node, Some(1010), false),
            (Via::Node, None, false),
        ] {
            let session = engine.open(new_session(&POLLING)).expect("a session");
            let mut lost = session.attach_poll(&POLLING, via).expect("nobody else");
            assert_eq!(drained(&mut lost), (1, None));
            drop(lost);
            assert_eq!(session.is_open(), via == Via::Node);
            // What is said meanwhile waits for the next.
            session.send(Message::Text("hi".into()));
            sleep(Duration::from_millis(again.unwrap_or(0))).await;
            let other = again.map(|_| session.attach_poll(&POLLING, Via::Client));
            let mut other = other.and_then(Result::ok);
            assert_eq!(
                other.as_mut().map(drained),
                goes_on.then_some((1, None)),
                "{via:?} {again:?}"
            );
            sleep(Duration::from_secs(2)).await;
            assert_eq!(session.is_open(), goes_on, "{via:?} {again:?}");
            if !goes_on {
                assert_eq!(session.close_reason(), Some(CloseReason::TransportLost));
            }
        }
    }

    /// A client that goes on by a better transport needs no poll any more.
    #[tokio::test(start_paused = true)]
    async fn a_poll_that_was_lost_on_its_way_does_not_end_who_has_upgraded_meanwhile() {
        let engine = Engine::new(Limits::default(), Deaf);
        let session = engine.open(new_session(&POLLING)).expect("a session");
        let lost = session.attach_poll(&POLLING, Via::Node).expect("nobody else");
        let mut drain = session.attach_candidate(&SOCKET).expect("nothing better yet");
        session.submit(&SOCKET, [Packet::Ping { probe: true }]).await.expect("it is probing");
        drained(&mut drain);
        drop(lost);
        session.submit(&SOCKET, [Packet::Upgrade]).await.expect("it was probed");
        drained(&mut drain);
        session.heard(&SOCKET);
        sleep(Duration::from_secs(2)).await;
        assert!(session.is_open());
    }

    #[tokio::test]
    async fn until_an_upgrade_is_confirmed_so_much_is_sent_as_can_be_kept() {
        let queue = QueueLimits { bytes: 10_000, messages: 1000 };
        let engine = Engine::new(Limits { queue, ..Limits::default() }, Deaf);
        let session = engine.open(new_session(&POLLING)).expect("a session");
        let mut drain = session.attach_candidate(&SOCKET).expect("nothing better yet");
        session.submit(&SOCKET, [Packet::Ping { probe: true }]).await.expect("it is probing");
        drained(&mut drain);
        session.submit(&SOCKET, [Packet::Upgrade]).await.expect("it was probed");
        drained(&mut drain);
        let mut send = || {
            session.send(Message::Text("x".repeat(871)));
            drained(&mut drain).0
        };
        // Each takes 1000 bytes, and the greeting was the first.
        let sent: usize = (0..10).map(|_| send()).sum();
        assert_eq!((sent, send(), send()), (10, 0, 0));
        session.heard(&SOCKET);
        assert_eq!(send(), 3);
    }
}
