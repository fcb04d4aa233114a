//! HTTP/1.1 as the engine's clients speak it: whole requests, answers of known length or in chunks.
//!
//! A connection costs a task and no buffers while it waits, and an answer to a poll may be written by
//! whoever has the packets. All that is less plain than that, the pages and every request that has
//! something odd about it, is left to the HTTP library, one request at a time.
//!
//! Long because reading, parking, writing and lingering share the state of one connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::StatusCode;
use http::header::{CONNECTION, UPGRADE};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tracing::debug;

use super::head::{self, Head, Parsed};
use super::patience::{Patience, SLOW};
use super::write::{write_bare_end, write_chunk, write_chunked, write_end, write_head};
use super::{
    Body, BodyStream, Clock, Coming, HttpLimits, Incoming, Parked, ParkedOutcome, Request, Response,
};
use crate::net::ConnWriter;
use crate::net::first_bytes::{FirstBytes, PEEK_BYTES};

/// Bytes read at a time.
const READ: usize = 16 * 1024;
/// Bytes of the head of an answer to a poll, mostly.
const HEAD: usize = 192;
/// Bytes of a refused body that are read, and how long, so that the answer is not lost with it.
pub(crate) const LINGER_BYTES: usize = 64 * 1024 * 1024;
pub(crate) const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// One connection, between its requests and in them.
pub(crate) struct Http1<'a> {
    pub writer: Arc<ConnWriter>,
    pub limits: &'a HttpLimits,
    /// Where the engine's paths begin, if it is to be found here.
    pub mount: Option<&'a str>,
    pub stopping: &'a CancellationToken,
    /// Goes off at the deadline or before it.
    alarm: Pin<Box<Sleep>>,
    deadline: Instant,
    stop: Pin<Box<WaitForCancellationFuture<'a>>>,
    /// Read, and not used yet.
    kept: Vec<u8>,
    remote: IpAddr,
    /// Nothing was read yet, and it may be another protocol that comes.
    fresh: bool,
}

/// What comes next on a connection.
pub(crate) enum NextRequest {
    Request(Box<ParsedRequest>),
    /// A request that is not for us to read: these are the bytes that were read so far. If it is
    /// plain to see how long the `whole` of it is, the connection may come back afterwards.
    Unsupported {
        read: Vec<u8>,
        whole: Option<usize>,
    },
    /// The connection begins with something else.
    OtherProtocol(FirstBytes),
    /// A request that was begun, and did not come to the end of its head in time.
    Late,
    /// Nothing.
    Over,
}

/// A request, and what is to be known when it is answered.
pub(crate) struct ParsedRequest {
    pub request: Request,
    close: bool,
    /// Whether the body was read, if that is still to be done.
    body_read: Option<Arc<AtomicBool>>,
}

impl<'a> Http1<'a> {
    /// `remote` is who connected. `fresh` says that the first bytes may turn out to be another protocol's.
    pub fn new(
        writer: Arc<ConnWriter>,
        remote: IpAddr,
        fresh: bool,
        limits: &'a HttpLimits,
        mount: Option<&'a str>,
        stopping: &'a CancellationToken,
    ) -> Self {
        let deadline = Instant::now() + limits.header_timeout;
        let alarm = Box::pin(sleep_until(deadline));
        let (stop, kept) = (Box::pin(stopping.cancelled()), Vec::new());
        Http1 { writer, limits, mount, stopping, alarm, deadline, stop, kept, remote, fresh }
    }

    /// Sets the time for [`Http1::poll_late`]. The alarm itself is set anew only where it would be too
    /// late: most deadlines are never met.
    fn wait_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if self.alarm.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.deadline);
        }
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stopping.is_cancelled() { Poll::Ready(()) } else { self.stop.as_mut().poll(cx) }
    }

    /// Bytes that were read by somebody else, and are the beginning of what comes next.
    pub fn keep(&mut self, read: &[u8]) {
        self.kept.extend_from_slice(read);
    }

    /// Waits for the next request, at most for the time that headers may take.
    pub async fn next(&mut self) -> NextRequest {
        if !self.kept.is_empty() {
            let read = std::mem::take(&mut self.kept);
            if let Some(next) = self.take(&read) {
                return next;
            }
        }
        self.wait_until(Instant::now() + self.limits.header_timeout);
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<NextRequest> {
        loop {
            match self.read() {
                Read::Some(Some(next)) => return Poll::Ready(next),
                Read::Some(None) => {}
                Read::Nothing if self.writer.stream().poll_read_ready(cx).is_pending() => break,
                Read::Nothing => {}
                Read::End => return Poll::Ready(NextRequest::Over),
            }
        }
        let begun = !self.kept.is_empty();
        if self.poll_stop(cx).is_ready() {
            if !begun {
                return Poll::Ready(NextRequest::Over);
            }
            self.wait_until(self.deadline.min(Instant::now() + LINGER));
        }
        ready!(self.poll_late(cx));
        Poll::Ready(if begun { NextRequest::Late } else { NextRequest::Over })
    }

    /// Reads what is there, once.
    fn read(&mut self) -> Read {
        ROOM.with_borrow_mut(|room| match self.writer.stream().try_read(room) {
            Ok(0) => Read::End,
            Ok(count) => Read::Some(self.take(&room[..count])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
            Err(_) => Read::End,
        })
    }

    /// Takes bytes that came. `None` if there is no request yet.
    fn take(&mut self, bytes: &[u8]) -> Option<NextRequest> {
        if std::mem::take(&mut self.fresh) {
            let first = FirstBytes::of(&bytes[..bytes.len().min(PEEK_BYTES)]);
            if !first.may_be_http() {
                return Some(NextRequest::OtherProtocol(first));
            }
        }
        let mut kept = std::mem::take(&mut self.kept);
        let parsed = if kept.is_empty() {
            head::parse(bytes, self.limits, self.mount)
        } else {
            kept.extend_from_slice(bytes);
            // Nothing has come to its end that was open before.
            if bytes.contains(&b'\n') {
                head::parse(&kept, self.limits, self.mount)
            } else {
                Parsed::Partial
            }
        };
        let all = if kept.is_empty() { bytes } else { &kept[..] };
        match parsed {
            Parsed::Whole(head) => Some(NextRequest::Request(Box::new(self.parsed(*head, all)))),
            Parsed::Partial if all.len() <= self.limits.max_header_bytes => {
                if kept.is_empty() {
                    kept.extend_from_slice(bytes);
                }
                self.kept = kept;
                None
            }
            Parsed::Partial => Some(NextRequest::Unsupported { read: all.to_vec(), whole: None }),
            Parsed::Unsupported { whole } => {
                Some(NextRequest::Unsupported { read: all.to_vec(), whole })
            }
        }
    }

    /// Makes a request of a head and what is there of its body; the rest of `bytes` is kept.
    fn parsed(&mut self, head: Head, bytes: &[u8]) -> ParsedRequest {
        let Head { method, uri, headers, size, length, close } = head;
        let behind = &bytes[size..];
        let mut body_read = None;
        let body = if length <= behind.len() {
            self.kept.extend_from_slice(&behind[length..]);
            Incoming::Whole(Bytes::copy_from_slice(&behind[..length]))
        } else {
            let read = Arc::new(AtomicBool::new(false));
            body_read = Some(Arc::clone(&read));
            let (first, writer) = (behind.to_vec(), Arc::clone(&self.writer));
            let clock = Clock::new(self.limits.body_timeout, self.stopping);
            Incoming::Coming(Box::new(Coming { first, length, writer, clock, read }))
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        ParsedRequest { request, close, body_read }
    }

    /// Ends the connection with an answer to what did not become a request.
    pub async fn refuse(&mut self, response: Response) {
        let unread = ResponseContext { close: true, body_read: Some(Arc::default()) };
        let in_flight = self.begin(unread, response);
        self.finish(in_flight).await;
    }

    /// Begins to send a response; [`Http1::finish`] waits for the rest.
    pub fn begin(&mut self, parsed: ResponseContext, response: Response) -> InFlight {
        let unread = parsed.body_read.is_some_and(|read| !read.load(Ordering::Acquire));
        let (parts, body) = response.into_parts();
        let says_close = parts.headers.contains_key(CONNECTION);
        let upgrades = parts.headers.contains_key(UPGRADE);
        let close =
            parsed.close || unread || self.stopping.is_cancelled() || says_close && !upgrades;
        let head = |out: &mut Vec<u8>| {
            write_head(out, parts.status, &parts.headers, close && !says_close);
        };
        let rest = match body {
            Body::Whole(body) => {
                self.writer.write(|out| {
                    head(out);
                    match parts.status {
                        StatusCode::NO_CONTENT => write_bare_end(out),
                        _ => write_end(out, "", &body),
                    }
                });
                Rest::Put
            }
            Body::Parked(mut parked) => {
                let mut bytes = Vec::with_capacity(HEAD);
                head(&mut bytes);
                parked.begin(&self.writer, bytes);
                if close || !self.kept.is_empty() {
                    parked.set_pipelined();
                }
                Rest::Parked(parked)
            }
            Body::Stream(stream) => {
                self.writer.write(|out| {
                    head(out);
                    write_chunked(out);
                });
                Rest::Stream(stream)
            }
            Body::Takeover(take) => {
                self.writer.write(|out| {
                    head(out);
                    out.extend_from_slice(b"\r\n");
                });
                Rest::Takeover(take)
            }
        };
        InFlight { rest, close, unread }
    }

    /// Sends what was begun. False if the connection is over, or somebody else's. What happens seldom
    /// is boxed, so that a connection that waits does not keep the room for it.
    pub async fn finish(&mut self, in_flight: InFlight) -> bool {
        let InFlight { rest, close, unread } = in_flight;
        let sent = match rest {
            Rest::Put => true,
            Rest::Parked(parked) => self.wait(parked).await,
            Rest::Stream(stream) => Box::pin(self.stream(stream)).await,
            Rest::Takeover(take) => {
                if self.writer.is_clear() || Box::pin(self.flush()).await {
                    take(Arc::clone(&self.writer), std::mem::take(&mut self.kept).into());
                }
                return false;
            }
        };
        if !sent || !self.writer.is_clear() && !Box::pin(self.flush()).await {
            return false;
        }
        if close {
            let unread = if unread { LINGER_BYTES } else { 0 };
            let _ = Box::pin(timeout(LINGER, self.writer.hang_up(unread))).await;
        }
        !close
    }

    /// Waits until all is with the system, but not for ever.
    async fn flush(&self) -> bool {
        let mut patience = Patience::new();
        loop {
            let (held, over) = (self.writer.held(), patience.is_over());
            match self.writer.try_flush() {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => return false,
            }
            match held.saturating_sub(self.writer.held()) {
                0 if over => break,
                taken => patience.took(taken),
            }
            // The system tells only of much room, and there may be some before.
            let room = timeout_at(patience.waits(), self.writer.stream().writable()).await;
            if matches!(room, Ok(Err(_))) {
                return false;
            }
        }
        debug!(remote = %self.remote, reason = SLOW, "connection ended");
        self.writer.cut();
        false
    }

    /// Reads ahead, no further than what may be a head: the rest is for later. Ready when the
    /// connection ends.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.kept.len() < self.limits.max_header_bytes {
            let heard = ROOM.with_borrow_mut(|room| {
                let heard = self.writer.stream().try_read(room)?;
                self.kept.extend_from_slice(&room[..heard]);
                Ok::<_, std::io::Error>(heard)
            });
            match heard {
                Ok(0) => return Poll::Ready(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if ready!(self.writer.stream().poll_read_ready(cx)).is_err() {
                        return Poll::Ready(());
                    }
                }
                Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// [`Http1::poll_end`] for who does not know whether anything was read: true if so, false at the end.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let before = self.kept.len();
        match self.poll_end(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending if self.kept.len() > before => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Waits until a parked poll is answered. False if the connection ended before that.
    async fn wait(&mut self, mut parked: Box<dyn Parked>) -> bool {
        let until = parked.until();
        self.wait_until(until.min(Instant::now() + self.limits.header_timeout));
        let outcome = poll_fn(|cx| {
            loop {
                let mut ahead = |cx: &mut Context<'_>| self.poll_ahead(cx);
                if let Poll::Ready(outcome) = parked.poll_outcome(cx, &mut ahead) {
                    return Poll::Ready(outcome);
                }
                // Who was answered need not be waited for when the server stops.
                let _ = self.poll_stop(cx);
                ready!(self.poll_late(cx));
                if until <= self.deadline {
                    return Poll::Ready(ParkedOutcome::Due);
                }
                // A look now and then, for who was answered and has nothing more to say.
                self.wait_until(until.min(self.deadline + self.limits.header_timeout));
            }
        });
        match outcome.await {
            ParkedOutcome::Due => parked.give(),
            // Dropping the poll tells whoever it is of, if it was not answered.
            ParkedOutcome::Lost => return false,
            ParkedOutcome::Answered => {}
        }
        true
    }

    /// Sends a body that comes piece by piece, to its end. False if the connection ended before that.
    async fn stream(&mut self, mut stream: Pin<Box<dyn BodyStream>>) -> bool {
        stream.as_mut().set_writer(&self.writer);
        loop {
            if !self.writer.is_clear() && !self.flush().await {
                return false;
            }
            let piece = poll_fn(|cx| {
                if let Poll::Ready(piece) = stream.poll_next_unpin(cx) {
                    return Poll::Ready(Some(piece));
                }
                self.poll_end(cx).map(|()| None)
            });
            match piece.await {
                None => return false,
                // On the wire an empty chunk would be the end.
                Some(Some(piece)) if piece.is_empty() => {}
                Some(Some(piece)) => drop(self.writer.write(|out| write_chunk(out, &piece))),
                Some(None) => {
                    self.writer.write(|out| write_chunk(out, &[]));
                    return true;
                }
            }
        }
    }
}

/// A response that is being sent.
pub(crate) struct InFlight {
    rest: Rest,
    close: bool,
    /// The body of the request was not read.
    unread: bool,
}

/// What is still to be done for a response.
enum Rest {
    Put,
    Parked(Box<dyn Parked>),
    Stream(Pin<Box<dyn BodyStream>>),
    Takeover(Box<dyn FnOnce(Arc<ConnWriter>, Bytes) + Send>),
}

/// What reading came to.
enum Read {
    Some(Option<NextRequest>),
    Nothing,
    End,
}

/// A request that has been handed on.
pub(crate) struct ResponseContext {
    close: bool,
    body_read: Option<Arc<AtomicBool>>,
}

impl ParsedRequest {
    pub fn split(self) -> (Request, ResponseContext) {
        let ParsedRequest { request, close, body_read } = self;
        (request, ResponseContext { close, body_read })
    }
}
