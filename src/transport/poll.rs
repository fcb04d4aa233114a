//! What both polling forms have in common: one response for what waits, one POST for what comes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::{Error, Exchange};
use crate::dialect::{Control, Dialect, Frame, Malformed, OCTETS, Packet, Requests, Wire};
use crate::engine::{
    Answer, Connection, DirectWriter, Drain, Drained, PollOutcome, SendOutcome, Session,
    TransportInfo,
};
use crate::http::headers::media_type;
use crate::http::write::write_end;
use crate::http::{Body, Incoming, Parked, ParkedOutcome, Response, read_body, response};
use crate::memory::Charge;
use crate::net::ConnWriter;

/// How long an idle poll is held where there are no heartbeats on polls (socketio-0.9.md §7).
const IDLE_POLL: Duration = Duration::from_secs(20);
/// Elsewhere a heartbeat ends it sooner than this.
const NO_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// A poll that waits for something to be answered with. Dropping it is how a lost connection is
/// noticed.
struct ParkedPoll {
    drain: Drain,
    until: Instant,
    form: Form,
    batch: Vec<Frame>,
    /// What it is to be answered with besides.
    due: Drained,
    /// Where the answer is written, once that is known.
    responder: Option<Arc<PollResponder>>,
}

/// How one transport answers a poll with packets: a content type and a body.
pub(super) type Form = Arc<dyn Fn(&dyn Dialect, &[Frame]) -> (&'static str, Bytes) + Send + Sync>;

/// Parks a poll.
///
/// # Errors
/// If the session has no use for it.
pub(super) fn park(
    session: &Arc<Session>,
    info: &'static TransportInfo,
    form: Form,
) -> Result<Response, Error> {
    let drain = session.attach(info)?;
    let hold = match session.dialect().rules().requests {
        Requests::Strict => NO_HOLD,
        // Without heartbeats, clients take a poll that never ends for a dead server.
        Requests::Lenient => IDLE_POLL.min(session.limits().ping_interval),
    };
    let until = Instant::now() + hold;
    let mut response = response(StatusCode::OK, "", Bytes::new());
    let parked = ParkedPoll {
        drain,
        until,
        form,
        batch: Vec::new(),
        due: Drained::Released,
        responder: None,
    };
    *response.body_mut() = Body::Parked(Box::new(parked));
    Ok(response)
}

impl Parked for ParkedPoll {
    fn until(&self) -> Instant {
        self.until
    }

    fn begin(&mut self, writer: &Arc<ConnWriter>, head: Vec<u8>) {
        let (writer, form) = (Arc::clone(writer), Arc::clone(&self.form));
        let responder = Arc::new(PollResponder { writer, head, form, answer: Answer::default() });
        self.drain.set_direct_writer(Arc::clone(&responder) as Arc<dyn DirectWriter>);
        self.responder = Some(responder);
    }

    fn set_pipelined(&self) {
        if let Some(responder) = &self.responder {
            responder.answer.set_pipelined();
        }
    }

    fn poll_outcome(
        &mut self,
        cx: &mut Context<'_>,
        read_ahead: &mut dyn FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<ParkedOutcome> {
        // Nothing is written before it is known where.
        let Some(responder) = &self.responder else { return Poll::Ready(ParkedOutcome::Lost) };
        let waited =
            responder.answer.poll_outcome(cx, &mut self.drain, &mut self.batch, read_ahead);
        waited.map(|waited| match waited {
            PollOutcome::Drained(drained) => {
                self.due = drained;
                ParkedOutcome::Due
            }
            PollOutcome::Answered => ParkedOutcome::Answered,
            PollOutcome::Lost => ParkedOutcome::Lost,
        })
    }

    fn give(mut self: Box<Self>) {
        let answer = self.formed();
        let ParkedPoll { drain, responder, .. } = *self;
        let Some(responder) = responder else { return };
        if responder.answer.claim(drain) {
            responder.put(answer);
        }
    }

    fn answer(
        mut self: Box<Self>,
        writer: Arc<ConnWriter>,
    ) -> BoxFuture<'static, (&'static str, Bytes)> {
        Box::pin(async move {
            let next = self.drain.next(&mut self.batch);
            let due = timeout_at(self.until, next).await.unwrap_or(Drained::Released);
            self.due = due;
            let (content_type, bytes) = self.formed();
            let mut charge = Charge::default();
            charge.set(bytes.len());
            let unread = Arc::new(Unread { bytes, writer, _charge: charge });
            self.drain.finish_by(&(Arc::clone(&unread) as Arc<dyn Connection>));
            (content_type, Bytes::from_owner(OnItsWay(unread)))
        })
    }
}

impl ParkedPoll {
    /// The answer with what there is: its content type and body.
    fn formed(&mut self) -> (&'static str, Bytes) {
        let dialect = self.drain.session().dialect();
        self.batch.extend(match self.due {
            Drained::Packets | Drained::Stuck | Drained::Asks => None,
            Drained::Released | Drained::Superseded | Drained::Promoted => {
                Some(dialect.control(Control::Noop))
            }
            Drained::Closed(reason) => Some(dialect.ending(reason.ending())),
        });
        (self.form)(dialect, &self.batch)
    }
}

/// An answer on its way by the HTTP library.
#[derive(Debug)]
struct Unread {
    bytes: Bytes,
    writer: Arc<ConnWriter>,
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
        self.writer.cut();
    }
}

/// A parked poll's place on its connection, where packets can be put.
struct PollResponder {
    writer: Arc<ConnWriter>,
    head: Vec<u8>,
    form: Form,
    answer: Answer,
}

impl std::fmt::Debug for PollResponder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PollResponder").field(&self.answer).finish()
    }
}

impl PollResponder {
    fn put(&self, (content_type, body): (&str, Bytes)) -> SendOutcome {
        let whole = self.writer.write(|out| {
            out.extend_from_slice(&self.head);
            write_end(out, content_type, &body);
        });
        self.answer.give(whole)
    }
}

impl DirectWriter for PollResponder {
    fn try_send(&self, frames: &[Frame], dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
        self.put((self.form)(dialect, frames))
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::clone(&self.writer) as Arc<dyn Connection>)
    }
}

/// Takes a POST: reads the body, has `read` make packets of it, and hands these on in order. The
/// answer comes when they were taken, because that is when the client sends the next.
///
/// `limit` bounds the raw body in bytes, which may be longer than the payload in it.
pub(super) async fn accept(
    exchange: Exchange,
    info: &'static TransportInfo,
    limit: usize,
    read: impl FnOnce(&Arc<Session>, &Bytes, Option<&str>) -> Result<Vec<Packet>, PostError>,
) -> Result<Response, Error> {
    let Exchange { request, session, .. } = exchange;
    let mut posting = session.begin_post(info)?;
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
    match read(&session, &body, media_type(&parts.headers)) {
        Ok(packets) => posting.session().submit(info, packets).await?,
        // The reference servers say "ok" to such a body and end the session (engineio.md §9).
        Err(PostError::Malformed(error)) => session.malformed(error),
        Err(PostError::Refused(error)) => return Err(error),
    }
    let (content_type, body) = session.dialect().post_answer();
    Ok(response(StatusCode::OK, content_type, body))
}

/// Takes a POST whose body is a payload as it is.
pub(super) async fn accept_payload(
    exchange: Exchange,
    info: &'static TransportInfo,
) -> Result<Response, Error> {
    let limit = exchange.session.limits().max_payload;
    accept(exchange, info, limit, |session, body, content_type| {
        let dialect = session.dialect();
        let octets = content_type.is_some_and(|kind| kind.eq_ignore_ascii_case(OCTETS));
        if octets && !dialect.takes_octets() {
            // Unlike other malformed bodies, this one is answered with an error (engineio.md §9).
            session.malformed(Malformed("binary body"));
            let reason = "this protocol has no binary payloads";
            return Err(PostError::Refused(Error::bad_request(reason)));
        }
        Ok(dialect.read_payload(body, octets, session.wire())?)
    })
    .await
}

/// A body that holds no packets.
#[derive(Debug)]
pub(super) enum PostError {
    Malformed(Malformed),
    Refused(Error),
}

impl From<Malformed> for PostError {
    fn from(error: Malformed) -> Self {
        PostError::Malformed(error)
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
