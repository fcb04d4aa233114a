//! HTTP/1.1 connections: waits for requests, one after the other. [`reader`](super::reader) reads
//! them, [`send`](super::send) sends the answers.
//!
//! While a connection waits, it costs a task and no buffers.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Version};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::body::Progress;
use super::headers::header_has;
use super::reader::{Reader, Unreadable};
use super::{BodyDeadline, HttpLimits, Request, Response};
use crate::net::ConnWriter;
use crate::net::first_bytes::{FirstBytes, PEEK_BYTES};
use crate::net::scratch::with_input;

/// Unread bytes of a request body that are discarded before the connection is closed. Otherwise,
/// the close would be a reset, and the client could lose the answer.
pub(crate) const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// How long to discard them.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How much longer than promised a connection stays open between two requests, for a request that
/// is on its way at the end of the time.
const KEEP_ALIVE_GRACE: Duration = Duration::from_secs(1);

/// One HTTP/1.1 connection.
pub(crate) struct Http1<'a> {
    pub writer: Arc<ConnWriter>,
    pub limits: &'a HttpLimits,
    pub stopping: &'a CancellationToken,
    /// The `Strict-Transport-Security` header of every response on this connection.
    pub hsts: Option<&'a HeaderValue>,
    /// Fires at the deadline or earlier: see [`Http1::poll_deadline`].
    alarm: Pin<Box<Sleep>>,
    pub(super) deadline: Instant,
    stop: Pin<Box<WaitForCancellationFuture<'a>>>,
    /// Bytes that were read, and belong to the next request.
    pub(super) input: Vec<u8>,
    pub(super) remote: IpAddr,
    /// Whether the next bytes are the first of the connection, and may be of another protocol.
    check_protocol: bool,
    /// Whether a request was answered.
    pub(super) answered: bool,
}

/// The result of [`Http1::next`].
pub(crate) enum NextRequest {
    Request(Box<ParsedRequest>),
    /// The next bytes are no request, or a bound was met.
    Unreadable(Unreadable),
    /// The connection starts with another protocol.
    OtherProtocol(FirstBytes),
    /// The head of a request was incomplete at its deadline.
    Late,
    /// The connection ended, idled too long, or is idle while the server stops.
    Over,
}

/// How far the next request has come.
enum Coming {
    Nothing,
    /// `input` has a part of its head.
    Begun,
    Reading(Reader),
}

/// A request, and the facts that its response depends on.
pub(crate) struct ParsedRequest {
    pub request: Request,
    pub context: ResponseContext,
}

/// The facts of a request that its response depends on.
pub(crate) struct ResponseContext {
    /// Whether the connection is closed after the response.
    pub(super) close: bool,
    /// HTTP/1.0, which has no chunks. The connection is always closed.
    pub(super) old: bool,
    /// The response has no body: HEAD.
    pub(super) head_only: bool,
    /// For a body that has not arrived whole.
    pub(super) reading: Option<(Reader, Arc<Progress>)>,
}

impl<'a> Http1<'a> {
    /// `remote` is the client's address, for the log. With `check_protocol`, the first bytes are
    /// checked for other protocols.
    pub fn new(
        writer: Arc<ConnWriter>,
        remote: IpAddr,
        check_protocol: bool,
        limits: &'a HttpLimits,
        stopping: &'a CancellationToken,
        hsts: Option<&'a HeaderValue>,
    ) -> Self {
        let deadline = Instant::now() + limits.header_timeout;
        let alarm = Box::pin(sleep_until(deadline));
        let (stop, input) = (Box::pin(stopping.cancelled()), Vec::new());
        Http1 {
            writer,
            limits,
            stopping,
            hsts,
            alarm,
            deadline,
            stop,
            input,
            remote,
            check_protocol,
            answered: false,
        }
    }

    /// Sets the deadline for [`Http1::poll_deadline`]. Resets the timer only to make it earlier:
    /// most deadlines are replaced before they expire, and a reset costs a lock.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
    }

    /// Ready when the deadline has expired.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if self.alarm.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.deadline);
        }
    }

    pub(super) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stopping.is_cancelled() { Poll::Ready(()) } else { self.stop.as_mut().poll(cx) }
    }

    /// Waits for the next request: for its first byte until the keep-alive timeout, then for its
    /// head until the header timeout. The first request on a connection has the header timeout for
    /// both.
    pub async fn next(&mut self) -> NextRequest {
        let mut coming = Coming::Nothing;
        let idle = match self.answered {
            true => self.limits.keep_alive_timeout + KEEP_ALIVE_GRACE,
            false => self.limits.header_timeout,
        };
        self.set_deadline(Instant::now() + idle);
        poll_fn(|cx| self.poll_next(&mut coming, cx)).await
    }

    fn poll_next(&mut self, coming: &mut Coming, cx: &mut Context<'_>) -> Poll<NextRequest> {
        if !matches!(coming, Coming::Reading(_)) {
            let settled = self.poll_head(cx);
            if let Poll::Ready(Some(no_request)) = settled {
                return Poll::Ready(no_request);
            }
            if matches!(coming, Coming::Nothing) && !self.input.is_empty() {
                *coming = Coming::Begun;
                if self.answered {
                    self.set_deadline(Instant::now() + self.limits.header_timeout);
                }
            }
            if settled.is_ready() {
                let read = std::mem::take(&mut self.input);
                let reader = Reader::new(Arc::clone(&self.writer), read, self.limits);
                *coming = Coming::Reading(reader);
            }
        }
        if let Coming::Reading(reader) = coming {
            let deadline = || BodyDeadline::new(self.limits.body_timeout, self.stopping);
            match reader.poll_request(cx, deadline) {
                Poll::Ready(Ok(Some(request))) => {
                    let reader = match std::mem::replace(coming, Coming::Nothing) {
                        Coming::Reading(reader) => Some(reader),
                        Coming::Nothing | Coming::Begun => None,
                    };
                    let parsed = self.parsed(request, reader);
                    return Poll::Ready(NextRequest::Request(Box::new(parsed)));
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(NextRequest::Over),
                Poll::Ready(Err(why)) => return Poll::Ready(NextRequest::Unreadable(why)),
                Poll::Pending => {}
            }
        }
        let begun = !matches!(coming, Coming::Nothing);
        if self.poll_stop(cx).is_ready() {
            if !begun {
                return Poll::Ready(NextRequest::Over);
            }
            self.set_deadline(self.deadline.min(Instant::now() + LINGER));
        }
        ready!(self.poll_deadline(cx));
        Poll::Ready(if begun { NextRequest::Late } else { NextRequest::Over })
    }

    /// Waits until `self.input` has a head that hyper can read or refuse: its buffers are for whole
    /// heads, not for those that come slowly. Ready with something else than a request, if that comes.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Option<NextRequest>> {
        loop {
            // Some clients send an empty line after a body (RFC 9112 §2.2). It begins no request.
            let empty = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            self.input.drain(..self.input.iter().take_while(empty).count());
            if self.input.is_empty() {
                self.input = Vec::new();
            } else if std::mem::take(&mut self.check_protocol) {
                let first = FirstBytes::of(&self.input[..self.input.len().min(PEEK_BYTES)]);
                if !first.may_be_http() {
                    return Poll::Ready(Some(NextRequest::OtherProtocol(first)));
                }
            }
            if self.input.len() >= self.limits.max_header_bytes || is_settled(&self.input) {
                return Poll::Ready(None);
            }
            let read = with_input(|room| {
                let count = ready!(self.writer.stream().poll_read(cx, room))?;
                self.input.extend_from_slice(&room[..count]);
                Poll::Ready(Ok::<_, std::io::Error>(count))
            });
            if let Ok(0) | Err(_) = ready!(read) {
                return Poll::Ready(Some(NextRequest::Over));
            }
        }
    }

    fn parsed(&mut self, request: Request, reader: Option<Reader>) -> ParsedRequest {
        let old = request.version() < Version::HTTP_11;
        // hyper removes the `Content-Length` that is beside a `Transfer-Encoding`. A proxy may have found
        // another end of the request by it, so nothing after the request is read (RFC 9112 §6.3).
        let close = old
            || request.headers().contains_key(TRANSFER_ENCODING)
            || header_has(request.headers(), CONNECTION, "close");
        let head_only = request.method() == Method::HEAD;
        let mut reading = None;
        if let Some(reader) = reader {
            match request.body().progress() {
                Some(progress) => reading = Some((reader, progress)),
                // hyper has nothing more to do.
                None => self.input = reader.into_rest(),
            }
        }
        ParsedRequest { request, context: ResponseContext { close, old, head_only, reading } }
    }

    /// Waits for a response, while the body of its request is read.
    pub async fn wait(
        &mut self,
        context: &mut ResponseContext,
        mut response: BoxFuture<'_, Response>,
    ) -> Response {
        poll_fn(|cx| {
            if let Some((reader, _)) = &mut context.reading {
                reader.poll(cx);
            }
            response.as_mut().poll(cx)
        })
        .await
    }

    /// As [`Http1::wait`], but only for as long as the client is there: `None` once it has gone. It may send
    /// its next request meanwhile.
    pub async fn wait_while_wanted(
        &mut self,
        context: &mut ResponseContext,
        mut response: BoxFuture<'_, Response>,
    ) -> Option<Response> {
        poll_fn(|cx| {
            if let Some((reader, _)) = &mut context.reading {
                reader.poll(cx);
            }
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            // While the body comes, its end says whether the client is there.
            match context.reading {
                Some(_) => Poll::Pending,
                None => self.poll_end(cx).map(|()| None),
            }
        })
        .await
    }

    /// Sends an error response without a request, and closes the connection. Its input is discarded.
    pub async fn refuse(&mut self, response: Response) {
        let context = ResponseContext { close: true, old: false, head_only: false, reading: None };
        let in_flight = self.begin(context, response);
        self.finish(in_flight.unread()).await;
    }
}

impl ResponseContext {
    /// Ends the reading of the request. False if a part of it was not read; then the next request
    /// cannot be found.
    pub(super) fn end_reading(&mut self, input: &mut Vec<u8>) -> bool {
        let Some((reader, progress)) = self.reading.take() else { return true };
        if !progress.read.load(Ordering::Acquire) {
            return false;
        }
        *input = reader.into_rest();
        true
    }
}

/// Whether these bytes are a whole head, or cannot become one. They do not begin with an empty line.
fn is_settled(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let _unfinished = lines.next_back();
    let is_request = |line: &[u8]| {
        let line = line.trim_ascii_end();
        line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
    };
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..);
    lines.next().is_some_and(|line| !is_request(line))
        || lines.any(|line| matches!(line, b"" | b"\r"))
        || !bytes.iter().all(is_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_wait_for_their_end_and_nothing_else_does() {
        for (bytes, settled) in [
            ("", false),
            ("GET", false),
            ("GET / HTTP/1.1", false),
            ("GET / HTTP/1.1\r\n", false),
            ("GET / HTTP/1.0\nHost: a\r\nA: \t\u{e9}\r\n\r", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.1\nHost: a\n\n", true),
            ("POST / HTTP/1.0\r\n\r\n\0", true),
            ("GET /\r\n", true),
            ("GET / HTTP/2\n", true),
            ("HELO\r\n", true),
            ("GET /\0", true),
            ("GET / HTTP/1.1\r\nA: \x01", true),
        ] {
            assert_eq!(is_settled(bytes.as_bytes()), settled, "{bytes:?}");
        }
    }
}
