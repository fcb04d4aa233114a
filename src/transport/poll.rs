//! What both polling forms have in common: one response for what waits, one POST for what comes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::body::read_body;
use super::http::{Body, Error, Response, response};
use super::{Exchange, Link};
use crate::dialect::{Control, Dialect, Frame, Malformed, OCTETS, Packet, Requests, Wire};
use crate::engine::{Connection, Drain, Drained, Facts, Session, Sink, Taken};
use crate::memory::Charge;

/// How long an idle poll is held where there are no heartbeats on polls (socketio-0.9.md §7).
const IDLE_POLL: Duration = Duration::from_secs(20);
/// Elsewhere a heartbeat ends it sooner than this.
const NO_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// A poll that waits for something to be answered with. Dropping it is how a lost connection is
/// noticed.
pub struct Parked {
    drain: Drain,
    until: Instant,
    form: Form,
}

/// How one transport answers a poll with packets: a content type and a body.
pub(super) type Form = Arc<dyn Fn(&dyn Dialect, &[Frame]) -> (&'static str, Bytes) + Send + Sync>;

/// Parks a poll.
///
/// # Errors
/// If the session has no use for it.
pub(super) fn park(
    session: &Arc<Session>,
    facts: &'static Facts,
    form: Form,
) -> Result<Response, Error> {
    let drain = session.attach(facts)?;
    let hold = match session.dialect().rules().requests {
        Requests::Strict => NO_HOLD,
        // Without heartbeats, clients take a poll that never ends for a dead server.
        Requests::Lenient => IDLE_POLL.min(session.limits().ping_interval),
    };
    let until = Instant::now() + hold;
    let mut response = response(StatusCode::OK, "", Bytes::new());
    *response.body_mut() = Body::Parked(Box::new(Parked { drain, until, form }));
    Ok(response)
}

impl Parked {
    /// Waits for the answer: its content type and body, which waits for the client as long as it is there.
    pub async fn answer(mut self, link: &Arc<Link>) -> (&'static str, Bytes) {
        let mut batch = Vec::new();
        let next = self.drain.next(&mut batch);
        let drained = timeout_at(self.until, next).await.unwrap_or(Drained::Released);
        let answer = self.formed(drained, &mut batch);
        self.drain.finish();
        answer
    }

    /// Has the answer written to a connection by whoever has packets. `head` is what comes before the
    /// content type.
    pub fn take_seat(&self, link: &Arc<Link>, head: Vec<u8>) -> Arc<Seat> {
        let (link, form) = (Arc::clone(link), Arc::clone(&self.form));
        let seat = Arc::new(Seat { link, head, form, answer: Answer::default() });
        self.drain.divert(Arc::clone(&seat) as Arc<dyn Sink>);
        seat
    }

    /// Until when it may be held.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Waits for the answer, or for what its seat does not see to: see [`Answer::poll_waited`].
    pub fn poll_waited(
        &mut self,
        seat: &Seat,
        cx: &mut Context<'_>,
        batch: &mut Vec<Frame>,
        read_ahead: impl FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<Waited> {
        seat.answer.poll_waited(cx, &mut self.drain, batch, read_ahead)
    }

    /// The answer to a poll that ends like this.
    pub fn finish(self, drained: Drained, batch: &mut Vec<Frame>) -> (&'static str, Bytes) {
        let answer = self.form(drained, batch);
        self.drain.finish();
        answer
    }

    fn form(&self, drained: Drained, batch: &mut Vec<Frame>) -> (&'static str, Bytes) {
        let dialect = self.drain.session().dialect();
        batch.extend(match drained {
            Drained::Packets | Drained::Stuck | Drained::Asks => None,
            Drained::Released | Drained::Superseded | Drained::Promoted => {
                Some(dialect.control(Control::Noop))
            }
            Drained::Closed(reason) => Some(dialect.ending(reason.ending())),
        });
        (self.form)(dialect, batch)
