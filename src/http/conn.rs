//! HTTP/1.1 connections for the engine's requests: parses plain requests, and writes responses of
//! known length or in chunks.
//!
//! While a connection waits, it costs a task and no buffers. Any task that has packets may write
//! the answer to a parked poll. All other requests (pages, unusual or broken requests) go to hyper,
//! one request at a time: see [`fallback`](super::fallback).
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
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tracing::debug;

use super::head::{self, Head, Parsed};
use super::headers::add_hsts;
use super::path::Mount;
use super::patience::{Patience, SLOW};
use super::write::{write_bare_end, write_chunk, write_chunked, write_end, write_head};
use super::{
    Body, BodyDeadline, BodyStream, HttpLimits, Incoming, Parked, ParkedOutcome, PartialBody,
    Request, Response,
};
use crate::net::ConnWriter;
use crate::net::first_bytes::{FirstBytes, PEEK_BYTES};

/// Bytes read at a time.
const READ: usize = 16 * 1024;
/// Capacity in bytes for the head of a poll response; most fit.
const HEAD: usize = 192;
/// Unread bytes of a request body that are discarded before the connection is closed. Otherwise,
/// the close would be a reset, and the client could lose the answer.
pub(crate) const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// How long to discard them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// One HTTP/1.1 connection.
pub(crate) struct Http1<'a> {
    pub writer: Arc<ConnWriter>,
    pub limits: &'a HttpLimits,
    /// The path of the engine; `None` on listeners without the engine.
    pub mount: Option<&'a Mount>,
    pub stopping: &'a CancellationToken,
    /// The `Strict-Transport-Security` header of every response on this connection.
    pub hsts: Option<&'a HeaderValue>,
    /// Fires at the deadline or earlier: see [`Http1::poll_deadline`].
    alarm: Pin<Box<Sleep>>,
    deadline: Instant,
    stop: Pin<Box<WaitForCancellationFuture<'a>>>,
    /// Bytes that were read and not parsed yet.
    input: Vec<u8>,
    pub(super) remote: IpAddr,
    /// Whether the next bytes are the first of the connection, and may be of another protocol.
    check_protocol: bool,
}

/// The result of [`Http1::next`].
pub(crate) enum NextRequest {
    Request(Box<ParsedRequest>),
    /// A request for hyper. `read` has the bytes that were read so far. `whole` is the length in
    /// bytes of head and body, if it is certain; then the connection can return afterwards.
    Unsupported {
        read: Vec<u8>,
        whole: Option<usize>,
    },
    /// The connection starts with another protocol.
    OtherProtocol(FirstBytes),
    /// The head of a request was incomplete at its deadline.
    Late,
    /// The connection ended, idled too long, or is idle while the server stops.
    Over,
}

/// A parsed request, and the facts that its response depends on.
pub(crate) struct ParsedRequest {
    pub request: Request,
    close: bool,
    /// For a body that has not arrived whole: whether it was read.
    body_read: Option<Arc<AtomicBool>>,
}

impl<'a> Http1<'a> {
    /// `remote` is the client's address, for the log. With `check_protocol`, the first bytes are
    /// checked for other protocols.
    pub fn new(
        writer: Arc<ConnWriter>,
        remote: IpAddr,
        check_protocol: bool,
        limits: &'a HttpLimits,
        mount: Option<&'a Mount>,
        stopping: &'a CancellationToken,
        hsts: Option<&'a HeaderValue>,
    ) -> Self {
        let deadline = Instant::now() + limits.header_timeout;
        let alarm = Box::pin(sleep_until(deadline));
        let (stop, input) = (Box::pin(stopping.cancelled()), Vec::new());
        Http1 {
            writer,
            limits,
            mount,
            stopping,
            hsts,
            alarm,
            deadline,
            stop,
            input,
            remote,
            check_protocol,
        }
    }

    /// Sets the deadline for [`Http1::poll_deadline`]. Resets the timer only to make it earlier:
    /// most deadlines are replaced before they expire, and a reset costs a lock.
    fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
    }

    /// Ready when the deadline has expired.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    /// Returns bytes of the next request that hyper's fallback has read.
    pub fn unread(&mut self, read: &[u8]) {
        self.input.extend_from_slice(read);
    }

    /// Waits for the next request, at most for the header timeout.
    pub async fn next(&mut self) -> NextRequest {
        if !self.input.is_empty() {
            let read = std::mem::take(&mut self.input);
            if let Some(next) = self.parse(&read) {
                return next;
            }
        }
        self.set_deadline(Instant::now() + self.limits.header_timeout);
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
        let begun = !self.input.is_empty();
        if self.poll_stop(cx).is_ready() {
            if !begun {
                return Poll::Ready(NextRequest::Over);
            }
            self.set_deadline(self.deadline.min(Instant::now() + LINGER));
        }
        ready!(self.poll_deadline(cx));
        Poll::Ready(if begun { NextRequest::Late } else { NextRequest::Over })
    }

    /// Reads once, without waiting.
    fn read(&mut self) -> Read {
        ROOM.with_borrow_mut(|room| match self.writer.stream().try_read(room) {
            Ok(0) => Read::End,
            Ok(count) => Read::Some(self.parse(&room[..count])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
            Err(_) => Read::End,
        })
    }

    /// Parses new bytes after those in `self.input`. `None` if the head is incomplete.
    fn parse(&mut self, bytes: &[u8]) -> Option<NextRequest> {
        if std::mem::take(&mut self.check_protocol) {
            let first = FirstBytes::of(&bytes[..bytes.len().min(PEEK_BYTES)]);
            if !first.may_be_http() {
                return Some(NextRequest::OtherProtocol(first));
            }
        }
        let mut input = std::mem::take(&mut self.input);
        let parsed = if input.is_empty() {
            head::parse(bytes, self.limits, self.mount)
        } else {
            input.extend_from_slice(bytes);
            // Without a line end, new bytes cannot complete a head, so parsing again is useless.
            if bytes.contains(&b'\n') {
                head::parse(&input, self.limits, self.mount)
            } else {
                Parsed::Partial
            }
        };
        let all = if input.is_empty() { bytes } else { &input[..] };
        match parsed {
            Parsed::Whole(head) => Some(NextRequest::Request(Box::new(self.request(*head, all)))),
            Parsed::Partial if all.len() <= self.limits.max_header_bytes => {
                if input.is_empty() {
                    input.extend_from_slice(bytes);
                }
                self.input = input;
                None
            }
            Parsed::Partial => Some(NextRequest::Unsupported { read: all.to_vec(), whole: None }),
            Parsed::Unsupported { whole } => {
                Some(NextRequest::Unsupported { read: all.to_vec(), whole })
            }
        }
    }

    /// Builds the request from its head and the body in `bytes`. Bytes after the body stay in
    /// `self.input`.
    fn request(&mut self, head: Head, bytes: &[u8]) -> ParsedRequest {
        let Head { method, uri, headers, size, length, close } = head;
        let after_head = &bytes[size..];
        let mut body_read = None;
        let body = if length <= after_head.len() {
            self.input.extend_from_slice(&after_head[length..]);
            Incoming::Whole(Bytes::copy_from_slice(&after_head[..length]))
        } else {
            let read = Arc::new(AtomicBool::new(false));
            body_read = Some(Arc::clone(&read));
            let (first, writer) = (after_head.to_vec(), Arc::clone(&self.writer));
            let deadline = BodyDeadline::new(self.limits.body_timeout, self.stopping);
            Incoming::Partial(Box::new(PartialBody { first, length, writer, deadline, read }))
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        ParsedRequest { request, close, body_read }
    }

    /// Sends an error response without a request, and closes the connection.
    pub async fn refuse(&mut self, response: Response) {
        let unread = ResponseContext { close: true, body_read: Some(Arc::default()) };
        let in_flight = self.begin(unread, response);
        self.finish(in_flight).await;
    }

    /// Starts to send a response. [`Http1::finish`] does the rest.
    pub fn begin(&mut self, parsed: ResponseContext, response: Response) -> InFlight {
        let unread = parsed.body_read.is_some_and(|read| !read.load(Ordering::Acquire));
        let (mut parts, body) = response.into_parts();
        add_hsts(&mut parts.headers, self.hsts);
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
                Rest::Written
            }
            Body::Parked(mut parked) => {
                let mut bytes = Vec::with_capacity(HEAD);
                head(&mut bytes);
                parked.begin(&self.writer, bytes);
                if close || !self.input.is_empty() {
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

    /// Sends the rest of a response. Returns false if the connection has ended or was taken over.
    /// The rare futures are boxed, so that an idle connection's task does not have their size.
    pub async fn finish(&mut self, in_flight: InFlight) -> bool {
        let InFlight { rest, close, unread } = in_flight;
        let sent = match rest {
            Rest::Written => true,
            Rest::Parked(parked) => self.wait_for_poll(parked).await,
            Rest::Stream(stream) => Box::pin(self.stream(stream)).await,
            Rest::Takeover(take) => {
                if self.writer.is_clear() || Box::pin(self.flush()).await {
                    take(Arc::clone(&self.writer), std::mem::take(&mut self.input).into());
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

    /// Waits until all written bytes are with the system. Cuts off a client that reads too slowly.
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
                taken => patience.progress(taken),
            }
            // The system reports the socket as writable only when much of its buffer is free. So at
            // the time-out, the loop tries once more.
            let room = timeout_at(patience.start_wait(), self.writer.stream().writable()).await;
            if matches!(room, Ok(Err(_))) {
                return false;
            }
        }
        debug!(remote = %self.remote, reason = SLOW, "connection ended");
        self.writer.cut();
        false
    }

    /// Reads ahead into `self.input`, up to the maximum length of a head. Ready when the connection
    /// ends.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.input.len() < self.limits.max_header_bytes {
            let read = ROOM.with_borrow_mut(|room| {
                let count = self.writer.stream().try_read(room)?;
                self.input.extend_from_slice(&room[..count]);
                Ok::<_, std::io::Error>(count)
            });
            match read {
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

    /// [`Http1::poll_end`] that is also ready, with true, when it has read bytes; with false at the
    /// end of the connection.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let before = self.input.len();
        match self.poll_end(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending if self.input.len() > before => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Waits until a parked poll is answered. Returns false if the connection ended before.
    async fn wait_for_poll(&mut self, mut parked: Box<dyn Parked>) -> bool {
        let until = parked.until();
        self.set_deadline(until.min(Instant::now() + self.limits.header_timeout));
        let outcome = poll_fn(|cx| {
            loop {
                let mut ahead = |cx: &mut Context<'_>| self.poll_ahead(cx);
                if let Poll::Ready(outcome) = parked.poll_outcome(cx, &mut ahead) {
                    return Poll::Ready(outcome);
                }
                // Registers for the wake-up at a shutdown: a poll that another task has answered
                // meanwhile then ends at once.
                let _ = self.poll_stop(cx);
                ready!(self.poll_deadline(cx));
                if until <= self.deadline {
                    return Poll::Ready(ParkedOutcome::Due);
                }
                // Poll again after each header timeout: another task may have answered without
                // waking this one, and an answered client must not idle for longer.
                self.set_deadline(until.min(self.deadline + self.limits.header_timeout));
            }
        });
        match outcome.await {
            ParkedOutcome::Due => parked.give(),
            // Dropping `parked` unanswered tells the session that the poll is lost.
            ParkedOutcome::Lost => return false,
            ParkedOutcome::Answered => {}
        }
        true
    }

    /// Sends a body that comes piece by piece, to its end. False if the connection ended before
    /// that.
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

/// The rest of the work for a response.
enum Rest {
    /// The response is written; only flushing is left.
    Written,
    Parked(Box<dyn Parked>),
    Stream(Pin<Box<dyn BodyStream>>),
    Takeover(Box<dyn FnOnce(Arc<ConnWriter>, Bytes) + Send>),
}

/// The result of one read.
enum Read {
    /// Bytes, and the request that they completed, if any.
    Some(Option<NextRequest>),
    Nothing,
    End,
}

/// The facts of a request that its response depends on.
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
