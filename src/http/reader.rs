//! hyper as the reader of one request: it parses the head, and reads the body.
//!
//! hyper gets the connection when the head of a request is there, and returns it before the answer,
//! which is written in [`send`](super::send). So a waiting connection has no buffers of hyper's, and
//! an answer may also be a parked poll, a stream, or another protocol. hyper's documentation asks to
//! take a connection back only when hyper has nothing left to write. That holds here: it has got no
//! answer to write. `tests/wire/connections.rs` and `tests/wire/http.rs` show that no byte of the
//! input is lost or read twice.

use std::convert::Infallible;
use std::future::{Pending, pending};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Body as _, Incoming as Coming};
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::Service;

use super::body::{HyperBody, Incoming};
use super::target::Target;
use super::{BodyDeadline, HttpLimits};
use crate::net::ConnWriter;
use crate::net::scratch::with_input;

/// hyper's own bound on the number of headers, which costs nothing.
const MOST_HEADERS: usize = 100;
/// About how many bytes of a body are read before the request is handed on. What came with the head
/// is then there at once.
const AHEAD: usize = 16 * 1024;
/// The smallest buffer that hyper can have, in bytes.
const SMALLEST_BUFFER: usize = 8192;

/// A connection while hyper reads one request from it.
pub(super) struct Reader {
    connection: Box<http1::Connection<Input, Catch>>,
    shared: Arc<Shared>,
    max_headers: usize,
    max_header_bytes: usize,
    /// The connection broke, or ended.
    over: bool,
}

/// The parts of the state that hyper's side changes.
#[derive(Default)]
struct Shared {
    /// The request that hyper has read the head of.
    caught: Mutex<Option<Request<Coming>>>,
    /// Bytes that hyper has got.
    given: AtomicUsize,
}

/// Why a request was refused before it could be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the request has more than {0} headers (max-headers)")]
    TooManyHeaders(usize),
    #[error("the head of the request has more than {0} bytes (max-header-bytes)")]
    TooLong(usize),
    #[error("not HTTP/1: {0}")]
    Malformed(hyper::Error),
}

impl Unreadable {
    pub fn status(&self) -> StatusCode {
        match self {
            Unreadable::TooManyHeaders(_) | Unreadable::TooLong(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Unreadable::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl Reader {
    /// Reads from `writer`'s connection. `read` has the bytes that were read before.
    pub fn new(writer: Arc<ConnWriter>, read: Vec<u8>, limits: &HttpLimits) -> Self {
        let HttpLimits { max_headers, max_header_bytes, .. } = *limits;
        let shared = Arc::<Shared>::default();
        let mut target = Target::default();
        let read = target.escape(read);
        let input = Input { writer, read, at: 0, target, shared: Arc::clone(&shared) };
        let mut builder = http1::Builder::new();
        builder
            .max_header_size(max_header_bytes)
            .max_buf_size(max_header_bytes.max(SMALLEST_BUFFER))
            .header_read_timeout(None)
            // A client that closes its half still gets its answer, and its message is not cut short.
            .half_close(true)
            .writev(false);
        if max_headers > MOST_HEADERS {
            builder.max_headers(max_headers);
        }
        let connection = builder.serve_connection(input, Catch(Arc::clone(&shared)));
        let connection = Box::new(connection);
        Reader { connection, shared, max_headers, max_header_bytes, over: false }
    }

    /// Waits for the head of the request, and for as much of its body as has arrived. `None` if the
    /// connection ends first.
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        deadline: impl FnOnce() -> BodyDeadline,
    ) -> Poll<Result<Option<Request<Incoming>>, Unreadable>> {
        let polled = self.connection.poll_without_shutdown(cx);
        let caught = self.shared.caught.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(request) = caught {
            self.over = polled.is_ready();
            if request.headers().len() > self.max_headers {
                return Poll::Ready(Err(Unreadable::TooManyHeaders(self.max_headers)));
            }
            return Poll::Ready(Ok(Some(self.with_body(cx, request, deadline))));
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) if error.is_parse_too_large() => {
                Poll::Ready(Err(self.too_large()))
            }
            Poll::Ready(Err(error)) if error.is_parse() => {
                Poll::Ready(Err(Unreadable::Malformed(error)))
            }
            Poll::Ready(_) => Poll::Ready(Ok(None)),
        }
    }

    /// hyper does not say which bound was met.
    fn too_large(&self) -> Unreadable {
        if self.shared.given.load(Ordering::Relaxed) >= self.max_header_bytes {
            Unreadable::TooLong(self.max_header_bytes)
        } else {
            Unreadable::TooManyHeaders(self.max_headers)
        }
    }

    /// Adds the body to a request: whole, if it came with the head. hyper reads a body only when it
    /// is asked for it, and then also asks a client that waits for that (`Expect: 100-continue`) to
    /// send it. So the body of such a client is not read ahead: the answer may be a refusal.
    fn with_body(
        &mut self,
        cx: &mut Context<'_>,
        request: Request<Coming>,
        deadline: impl FnOnce() -> BodyDeadline,
    ) -> Request<Incoming> {
        let (parts, mut body) = request.into_parts();
        let (mut first, mut failed) = (Bytes::new(), None);
        if !parts.headers.contains_key(EXPECT) {
            let mut asked = false;
            while !body.is_end_stream() && first.len() < AHEAD {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let data = frame.into_data().unwrap_or_default();
                        first = if first.is_empty() { data } else { [first, data].concat().into() };
                        asked = false;
                    }
                    Poll::Ready(Some(Err(error))) => {
                        failed = Some(error);
                        break;
                    }
                    Poll::Ready(None) => {
                        return Request::from_parts(parts, Incoming::Whole(first));
                    }
                    Poll::Pending if asked => break,
                    Poll::Pending => {
                        asked = true;
                        self.poll(cx);
                    }
                }
            }
        }
        let body = if failed.is_none() && body.is_end_stream() {
            Incoming::Whole(first)
        } else {
            Incoming::Hyper(HyperBody::new(first, failed, body, deadline()))
        };
        Request::from_parts(parts, body)
    }

    /// Reads on. Needed for as long as the body is not whole.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        self.over = self.over || self.connection.poll_without_shutdown(cx).is_ready();
    }

    /// Ends the reading. Returns the bytes that were read of the next request, if all of this one was
    /// read.
    pub fn into_rest(self) -> Vec<u8> {
        let http1::Parts { io: Input { read, at, .. }, read_buf, .. } =
            self.connection.into_parts();
        // New, because a parked poll keeps it: the buffers of this request are larger.
        [&read_buf[..], &read[at..]].concat()
    }
}

/// hyper's service: keeps the request, and leaves the answer to others.
struct Catch(Arc<Shared>);

impl Service<Request<Coming>> for Catch {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Pending<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Coming>) -> Self::Future {
        *self.0.caught.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        pending()
    }
}

/// The connection as hyper sees it.
struct Input {
    writer: Arc<ConnWriter>,
    /// Bytes that were read before, escaped, and how many of them hyper has got.
    read: Vec<u8>,
    at: usize,
    target: Target,
    shared: Arc<Shared>,
}

impl hyper::rt::Read for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Input { writer, read, at, target, shared } = &mut *self;
        let before = buffer.remaining();
        if *at == read.len() {
            *read = Vec::new();
            *at = 0;
            ready!(with_input(|input| {
                let most = before.min(input.len());
                let count = ready!(writer.stream().poll_read(cx, &mut input[..most]))?;
                if *target == Target::After {
                    buffer.put_slice(&input[..count]);
                } else {
                    *read = target.escape(input[..count].to_vec());
                }
                Poll::Ready(Ok::<_, io::Error>(()))
            }))?;
        }
        let count = buffer.remaining().min(read.len() - *at);
        buffer.put_slice(&read[*at..*at + count]);
        *at += count;
        shared.given.fetch_add(before - buffer.remaining(), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// hyper writes two things: that the client may send its body, and empty answers to what it cannot
/// read. The latter get a reason instead: [`Unreadable`].
impl hyper::rt::Write for Input {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.starts_with(b"HTTP/1.1 100 ") {
            self.writer.write(|out| out.extend_from_slice(bytes));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
