//! The common part of both polling transports: a GET that is parked until packets wait, and a POST with
//! packets.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::compression::{self, accepts_gzip};
use super::traffic::{Direction, Traffic};
use super::{Error, Exchange};
use crate::dialect::{Control, Dialect, Frame, Malformed, OCTETS, Packet, Requests, Wire};
use crate::engine::{
    Answer, Connection, DirectWriter, Drain, Drained, PollOutcome, SendOutcome, Session,
    TransportInfo,
};
use crate::http::headers::media_type;
use crate::http::write::write_end;
use crate::http::{Body, Incoming, Parked, ParkedOutcome, Receipt, Response, read_body, response};
use crate::net::ConnWriter;

/// How long an idle poll is parked in generation 0.9, which has no heartbeats on polls
/// (socketio-0.9.md §7).
const IDLE_POLL: Duration = Duration::from_secs(20);
/// In other generations a heartbeat ends the poll long before this.
const UNTIL_HEARTBEAT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A parked poll. If its connection is lost it is dropped, and its [`Drain`] reports that to the session.
struct ParkedPoll {
    drain: Drain,
    deadline: Instant,
    encode: Encode,
    coding: Coding,
    traffic: &'static Traffic,
    batch: Vec<Frame>,
    /// Why it is answered now.
    drained: Drained,
    /// Writes the answer. `None` until the connection is known.
    responder: Option<Arc<PollResponder>>,
    /// For clients that poll on after they have dropped a poll.
    sent: Option<Arc<Sent>>,
}

/// What the answer to a poll took from its session.
struct Sent {
    session: Weak<Session>,
    frames: Mutex<Vec<Frame>>,
}

impl Sent {
    fn keep(&self, frames: &[Frame]) {
        *self.frames.lock().unwrap_or_else(PoisonError::into_inner) = frames.to_vec();
    }
}

impl Receipt for Sent {
    fn not_delivered(&self) {
        let frames =
            std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(session) = self.session.upgrade() {
            session.put_back(frames);
        }
    }
}

/// Whether an answer may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// By the settings it is not.
    Off,
    /// The client does not accept it.
    Plain,
    Gzip,
}

/// Encodes packets as the answer to a poll: its content type and body.
pub(super) type Encode =
    Arc<dyn Fn(&dyn Dialect, &Wire, &[Frame]) -> (&'static str, Bytes) + Send + Sync>;

/// Parks a poll.
///
/// # Errors
/// If the session cannot take a poll now.
pub(super) fn park(
    exchange: &Exchange,
    info: &'static TransportInfo,
    encode: Encode,
) -> Result<Response, Error> {
    let Exchange { session, request, via, .. } = exchange;
    let coding = match session.limits().http_compression {
        false => Coding::Off,
        true if accepts_gzip(request.headers()) => Coding::Gzip,
        true => Coding::Plain,
    };
    let drain = session.attach_poll(info, *via)?;
    let (longest, sent) = match session.dialect().rules().requests {
        Requests::Strict => (UNTIL_HEARTBEAT, None),
        // Without heartbeats, clients take a poll without an answer for a dead server.
        Requests::Lenient => {
            let sent = Sent { session: Arc::downgrade(session), frames: Mutex::default() };
            (IDLE_POLL.min(session.limits().ping_interval), Some(Arc::new(sent)))
        }
    };
    let deadline = Instant::now() + longest;
    let mut response = response(StatusCode::OK, "", Bytes::new());
    let parked = ParkedPoll {
        drain,
        deadline,
        encode,
        coding,
        traffic: Traffic::of(info),
        batch: Vec::new(),
        drained: Drained::Released,
        responder: None,
        sent,
    };
    *response.body_mut() = Body::Parked(Box::new(parked));
    Ok(response)
}

impl Parked for ParkedPoll {
    fn until(&self) -> Instant {
        self.deadline
    }

    fn begin(&mut self, writer: &Arc<ConnWriter>, head: Vec<u8>) {
        let (writer, encode) = (Arc::clone(writer), Arc::clone(&self.encode));
        let answer = Answer::default();
        let (coding, traffic, sent) = (self.coding, self.traffic, self.sent.clone());
        let responder = PollResponder { writer, head, encode, coding, traffic, answer, sent };
        let responder = Arc::new(responder);
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
        // `begin` sets the responder before the connection waits here.
        let Some(responder) = &self.responder else { return Poll::Ready(ParkedOutcome::Lost) };
        let outcome =
            responder.answer.poll_outcome(cx, &mut self.drain, &mut self.batch, read_ahead);
        outcome.map(|outcome| match outcome {
            PollOutcome::Drained(drained) => {
                self.drained = drained;
                ParkedOutcome::Due
            }
            PollOutcome::Answered => ParkedOutcome::Answered,
            PollOutcome::Lost => ParkedOutcome::Lost,
        })
    }

    fn receipt(&self) -> Option<Arc<dyn Receipt>> {
        self.sent.clone().map(|sent| sent as Arc<dyn Receipt>)
    }

    fn give(mut self: Box<Self>) {
        if let Some(sent) = &self.sent
            && !self.batch.is_empty()
        {
            sent.keep(&self.batch);
        }
        let (content_type, plain) = self.encode_answer();
        let packets = self.batch.len();
        let ParkedPoll { drain, responder, coding, .. } = *self;
        let Some(responder) = responder else { return };
        let gzip = Some(&plain).filter(|_| coding == Coding::Gzip).and_then(compression::gzip);
        if responder.answer.claim(drain) {
            responder.write(packets, content_type, &plain, gzip.as_ref());
        }
    }
}

impl ParkedPoll {
    /// Encodes the packets of `batch`, and a packet for `drained` if there is one for it.
    fn encode_answer(&mut self) -> (&'static str, Bytes) {
        let session = self.drain.session();
        let dialect = session.dialect();
        self.batch.extend(match self.drained {
            Drained::Packets | Drained::Stuck | Drained::Asks => None,
            Drained::Released | Drained::Superseded | Drained::Promoted => {
                Some(dialect.control(Control::Noop))
            }
            Drained::Closed(reason) => Some(dialect.ending(reason.ending())),
        });
        (self.encode)(dialect, session.wire(), &self.batch)
    }
}

/// Writes the answer to a parked poll to its connection, also from tasks that queue packets.
struct PollResponder {
    writer: Arc<ConnWriter>,
    /// The head of the response, up to the content type.
    head: Vec<u8>,
    encode: Encode,
    coding: Coding,
    traffic: &'static Traffic,
    answer: Answer,
    sent: Option<Arc<Sent>>,
}

impl std::fmt::Debug for PollResponder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PollResponder").field(&self.answer).finish()
    }
}

impl PollResponder {
    /// Writes the answer with so many packets: its plain form, unless there is another.
    fn write(
        &self,
        packets: usize,
        content_type: &str,
        plain: &Bytes,
        gzip: Option<&Bytes>,
    ) -> SendOutcome {
        self.traffic.count(Direction::Out, packets, gzip.unwrap_or(plain).len());
        let all_sent = self.writer.write(|out| {
            out.extend_from_slice(&self.head);
            if self.coding != Coding::Off && plain.len() >= compression::THRESHOLD {
                out.extend_from_slice(b"Vary: Accept-Encoding\r\n");
            }
            if gzip.is_some() {
                out.extend_from_slice(b"Content-Encoding: gzip\r\n");
            }
            write_end(out, content_type, gzip.unwrap_or(plain));
        });
        self.answer.give(all_sent)
    }
}

impl DirectWriter for PollResponder {
    /// Called under the session's lock. The writer's lock comes after it in the lock order (session → writer
    /// → TLS).
    fn try_send(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> SendOutcome {
        if let Some(sent) = &self.sent {
            sent.keep(frames);
        }
        let (content_type, body) = (self.encode)(dialect, wire, frames);
        self.write(frames.len(), content_type, &body, None)
    }

    /// Where a dropped poll is a pause, its packets have to wait for the next one. Where it ends the
    /// session, asking the system would be in vain.
    fn is_there(&self) -> bool {
        self.sent.is_none() || !self.writer.stream().has_ended()
    }

    /// What is compressed is so by the poll's own task.
    fn takes(&self, bytes: usize) -> bool {
        self.coding != Coding::Gzip || bytes < compression::THRESHOLD
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::clone(&self.writer) as Arc<dyn Connection>)
    }
}

/// Serves a POST: reads the body, parses it with `parse`, and submits the packets in order. The answer is
/// sent when the session has taken them, because then the client sends the next POST: that is the
/// back-pressure.
///
/// `limit` bounds the raw body in bytes. It may be longer than the payload in it.
///
/// # Errors
/// If the session takes no POST now, if the body is too large or incomplete, or what `parse` returns.
pub(super) async fn accept(
    exchange: Exchange,
    info: &'static TransportInfo,
    limit: usize,
    parse: impl FnOnce(&Arc<Session>, &Bytes, Option<&str>) -> Result<Vec<Packet>, PostError>,
) -> Result<Response, Error> {
    let Exchange { request, session, .. } = exchange;
    let mut posting = session.begin_post(info)?;
    let (parts, body) = request.into_parts();
    let body = match body {
        Incoming::Whole(_) => read_body(body, limit, |_| {}).await?,
        // Rare, so its state is boxed to keep this future small.
        coming => {
            let reading = Box::pin(read_body(coming, limit, |held| posting.holds(held)));
            match select(reading, Box::pin(session.over())).await {
                Either::Left((body, _)) => body?,
                Either::Right(_) => return Err(Error::SidUnknown),
            }
        }
    };
    match parse(&session, &body, media_type(&parts.headers)) {
        Ok(packets) => {
            Traffic::of(info).count(Direction::In, packets.len(), body.len());
            posting.session().submit(info, packets).await?;
        }
        // The reference servers answer "ok" and end the session (engineio.md §9).
        Err(PostError::Malformed(error)) => session.malformed(error),
        Err(PostError::Answer(error)) => return Err(error),
    }
    let (content_type, body) = session.dialect().post_answer();
    Ok(response(StatusCode::OK, content_type, body))
}

/// Serves a POST whose body is a payload without further encoding.
///
/// # Errors
/// As [`accept`].
pub(super) async fn accept_payload(
    exchange: Exchange,
    info: &'static TransportInfo,
) -> Result<Response, Error> {
    let limit = exchange.session.limits().max_payload;
    accept(exchange, info, limit, |session, body, content_type| {
        let dialect = session.dialect();
        let octets = content_type.is_some_and(|kind| kind.eq_ignore_ascii_case(OCTETS));
        if octets && !dialect.takes_octets() {
            // The reference servers answer this malformed body with an error (engineio.md §9).
            session.malformed(Malformed("binary body"));
            let reason = "this protocol has no binary payloads";
            return Err(PostError::Answer(Error::bad_request(reason)));
        }
        Ok(dialect.read_payload(body, octets, session.wire())?)
    })
    .await
}

/// The reason why a body holds no packets.
#[derive(Debug)]
pub(super) enum PostError {
    /// The session ends, and the answer is "ok".
    Malformed(Malformed),
    /// The error is the answer. `parse` has ended the session if it has to end.
    Answer(Error),
}

impl From<Malformed> for PostError {
    fn from(error: Malformed) -> Self {
        PostError::Malformed(error)
    }
}

/// The purpose of a request on an open session, by its method.
pub(super) enum Purpose {
    Poll,
    Post,
    /// No client uses other methods. The reference servers answer 500 without a body.
    Other,
}

pub(super) fn purpose(method: &Method) -> Purpose {
    match *method {
        Method::GET => Purpose::Poll,
        Method::POST => Purpose::Post,
        _ => Purpose::Other,
    }
}

/// The answer to [`Purpose::Other`].
pub(super) fn unsupported() -> Response {
    response(StatusCode::INTERNAL_SERVER_ERROR, "", Bytes::new())
}
