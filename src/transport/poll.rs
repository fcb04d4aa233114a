//! What both polling forms have in common: one response for what waits, one POST for what comes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::body::{Incoming, read_body};
use super::http::{Body, Error, Response, response};
use super::{Exchange, Link};
use crate::dialect::{Control, Dialect, Frame, Malformed, OCTETS, Packet, Requests, Wire};
use crate::engine::{Answer, Connection, Drain, Drained, Facts, Session, Sink, Taken, Waited};
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
        let (content_type, bytes) = self.formed(drained, &mut batch);
        let mut charge = Charge::default();
        charge.set(bytes.len());
        let unread = Arc::new(Unread { bytes, link: Arc::clone(link), _charge: charge });
        self.drain.finish_by(&(Arc::clone(&unread) as Arc<dyn Connection>));
        (content_type, Bytes::from_owner(OnItsWay(unread)))
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

    /// Gives the answer to a poll that ends like this, unless somebody has given another meanwhile.
    pub fn finish(self, seat: &Seat, drained: Drained, batch: &mut Vec<Frame>) {
        let answer = self.formed(drained, batch);
        if seat.answer.claim(self.drain) {
            seat.put(answer);
        }
    }

    fn formed(&self, drained: Drained, batch: &mut Vec<Frame>) -> (&'static str, Bytes) {
        let dialect = self.drain.session().dialect();
        batch.extend(match drained {
            Drained::Packets | Drained::Stuck | Drained::Asks => None,
            Drained::Released | Drained::Superseded | Drained::Promoted => {
                Some(dialect.control(Control::Noop))
            }
            Drained::Closed(reason) => Some(dialect.ending(reason.ending())),
        });
        (self.form)(dialect, batch)
    }
}

/// An answer on its way by the HTTP library.
#[derive(Debug)]
struct Unread {
    bytes: Bytes,
    link: Arc<Link>,
    _charge: Charge,
}

/// The bytes of it.
struct OnItsWay(Arc<Unread>);

impl AsRef<[u8]> for OnItsWay {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Connection for Unread {
    fn held(&self) -> usize {
        self.bytes.len()
    }

    fn cut(&self) {
        self.link.cut();
    }
}

/// A parked poll's place on its connection, where packets can be put.
pub struct Seat {
    link: Arc<Link>,
    head: Vec<u8>,
    form: Form,
    answer: Answer,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seat").field(&self.answer).finish()
    }
}

impl Seat {
    /// See [`Answer::be_followed`].
    pub fn be_followed(&self) {
        self.answer.be_followed();
    }

    fn put(&self, (content_type, body): (&str, Bytes)) -> Taken {
        let whole = self.link.put(|out| {
            out.extend_from_slice(&self.head);
            super::http::write_end(out, content_type, &body);
        });
        self.answer.give(whole)
    }
}

impl Sink for Seat {
    fn take(&self, frames: &[Frame], dialect: &dyn Dialect, _wire: &Wire) -> Taken {
        self.put((self.form)(dialect, frames))
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::clone(&self.link) as Arc<dyn Connection>)
    }
}

/// Takes a POST: reads the body, has `read` make packets of it, and hands these on in order. The
/// answer comes when they were taken, because that is when the client sends the next.
///
/// `limit` bounds the raw body in bytes, which may be longer than the payload in it.
pub(super) async fn accept(
    exchange: Exchange,
    facts: &'static Facts,
    limit: usize,
    read: impl FnOnce(&Arc<Session>, &Bytes, Option<&str>) -> Result<Vec<Packet>, Rejected>,
) -> Result<Response, Error> {
    let Exchange { request, session, .. } = exchange;
    let mut posting = session.begin_post(facts)?;
    let (parts, body) = request.into_parts();
    let body = match body {
        Incoming::Whole(_) => read_body(body, limit, |_| {}).await?,
        // Seldom, and boxed for that.
        coming => {
            let reading = Box::pin(read_body(coming, limit, |held| posting.holds(held)));
            match select(reading, Box::pin(session.over())).await {
                Either::Left((body, _)) => body?,
                Either::Right(_) => return Err(Error::SidUnknown),
            }
        }
    };
    match read(&session, &body, super::http::media_type(&parts.headers)) {
        Ok(packets) => posting.session().submit(facts, packets).await?,
        // The reference servers say "ok" to such a body and end the session (engineio.md §9).
        Err(Rejected::Malformed(error)) => session.malformed(error),
        Err(Rejected::Refused(error)) => return Err(error),
    }
    let (content_type, body) = session.dialect().post_answer();
    Ok(response(StatusCode::OK, content_type, body))
}

/// Takes a POST whose body is a payload as it is.
pub(super) async fn accept_payload(
    exchange: Exchange,
    facts: &'static Facts,
) -> Result<Response, Error> {
    let limit = exchange.session.limits().max_payload;
    accept(exchange, facts, limit, |session, body, content_type| {
        let dialect = session.dialect();
        let octets = content_type.is_some_and(|kind| kind.eq_ignore_ascii_case(OCTETS));
        if octets && !dialect.takes_octets() {
            // Unlike other malformed bodies, this one is answered with an error (engineio.md §9).
            session.malformed(Malformed("binary body"));
            let reason = "this protocol has no binary payloads";
            return Err(Rejected::Refused(Error::bad_request(reason)));
        }
        Ok(dialect.read_payload(body, octets, session.wire())?)
    })
    .await
}

/// A body that holds no packets.
#[derive(Debug)]
pub(super) enum Rejected {
    Malformed(Malformed),
    Refused(Error),
}

impl From<Malformed> for Rejected {
    fn from(error: Malformed) -> Self {
        Rejected::Malformed(error)
    }
}

/// What a request on a living session is there for.
pub(super) enum Purpose {
    Poll,
    Post,
    /// A method that no client uses; the reference servers answer 500 and nothing.
    Other,
}

pub(super) fn purpose(method: &Method) -> Purpose {
    match *method {
        Method::GET => Purpose::Poll,
        Method::POST => Purpose::Post,
        _ => Purpose::Other,
    }
}

pub(super) fn unsupported() -> Response {
    response(StatusCode::INTERNAL_SERVER_ERROR, "", Bytes::new())
}
