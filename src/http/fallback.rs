//! The fallback to hyper: it reads requests for pages, and all requests that the parser in `head`
//! does not support.
//!
//! hyper gets the connection for one request and returns it afterwards. So pages and the engine can
//! share a connection, and hyper's buffers exist only during its request.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::StreamExt as _;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until, timeout};
use tracing::debug;

use super::conn::{Http1, LINGER, LINGER_BYTES};
use super::headers::{add_hsts, header_has};
use super::patience::{Patience, SLOW};
use super::{Body, BodyDeadline, HttpLimits, HyperBody, Response};
use crate::net::ConnWriter;

/// A response as hyper sends it.
pub(crate) type Answer = http::Response<AnswerBody>;

/// About how many bytes of the next request are read ahead. Only reading shows whether a connection
/// has ended.
const AHEAD: usize = 4096;

/// Answers one request of `http` with `service`. `read` and `whole` are those of
/// [`NextRequest::Unsupported`](super::conn::NextRequest::Unsupported). If the connection can be
/// used again, returns the bytes that were read of the next request.
pub(crate) async fn serve<F: Future<Output = Answer>>(
    http: &mut Http1<'_>,
    read: Vec<u8>,
    whole: Option<usize>,
    service: impl Fn(http::Request<HyperBody>) -> F,
) -> Option<Vec<u8>> {
    let (limits, stopping, hsts, remote) = (http.limits, http.stopping, http.hsts, http.remote);
    let io = SharedIo::new(read, whole, Arc::clone(&http.writer));
    let (answered, keep_alive) = (Arc::clone(&io.answered), AtomicBool::new(false));
    let can_return = io.next.is_some() && !stopping.is_cancelled();
    let answering = service_fn(|request: http::Request<Incoming>| async {
        let deadline = BodyDeadline::new(limits.body_timeout, stopping);
        let request = request.map(|body| HyperBody::new(body, deadline));
        let mut answer = service(request).await;
        add_hsts(answer.headers_mut(), hsts);
        let keep = can_return && !header_has(answer.headers(), CONNECTION, "close");
        keep_alive.store(keep, Ordering::Relaxed);
        let on_drop = SetOnDrop(Arc::clone(&answered));
        Ok::<_, Infallible>(answer.map(|body| with_guard(body, on_drop)))
    });
    let connection = hyper_builder(limits)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .keep_alive(can_return)
        .serve_connection(TokioIo::new(io), &answering);
    let io = match connection.without_shutdown().await {
        Ok(parts) => parts.io.into_inner(),
        Err(error) => {
            debug!(%remote, reason = %root_cause(&error), "connection ended");
            return None;
        }
    };
    match io.next {
        // The next request starts only after all of this one was read. The rest of an unread body
        // must not be parsed as a request.
        Some(next) if keep_alive.into_inner() && io.read.is_empty() && io.missing == 0 => {
            Some(next)
        }
        _ => {
            let _ = timeout(LINGER, io.writer.hang_up(LINGER_BYTES)).await;
            None
        }
    }
}

type DynError = dyn std::error::Error + 'static;

/// The innermost source of an error: hyper's own message says only where it occurred.
fn root_cause(error: &DynError) -> &DynError {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error)
}

/// Drops `guard` together with the body.
fn with_guard(
    body: AnswerBody,
    guard: SetOnDrop,
) -> impl hyper::body::Body<Data = Bytes, Error = Broken> {
    body.map_err(move |error| {
        let _guard = &guard;
        error
    })
}

/// hyper's HTTP/1 server with our bounds.
pub(crate) fn hyper_builder(limits: &HttpLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_headers(limits.max_headers).max_header_size(limits.max_header_bytes);
    builder
}

type AnswerBody = UnsyncBoxBody<Bytes, Broken>;
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Sets the flag when it is dropped, together with a response body that hyper has written or given
/// up.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for the answer to a parked poll, and returns it as a whole response. `writer` is the
/// connection that the answer will be sent on.
pub(crate) async fn wait_for_poll(response: Response, writer: &Arc<ConnWriter>) -> Response {
    let (mut parts, mut body) = response.into_parts();
    if let Body::Parked(parked) = body {
        let (content_type, bytes) = parked.answer(Arc::clone(writer)).await;
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        body = Body::Whole(bytes);
    }
    Response::from_parts(parts, body)
}

/// Converts a response for hyper.
pub(crate) fn to_hyper(response: Response) -> Answer {
    let (mut parts, body) = response.into_parts();
    let whole = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    let body = match body {
        Body::Whole(bytes) => whole(bytes),
        Body::Stream(stream) => {
            // A stream lasts until the connection ends.
            parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
            let frames = stream.map(|bytes| Ok(Frame::data(bytes)));
            StreamBody::new(frames).boxed_unsync()
        }
        // Unreachable: [`wait_for_poll`] has replaced parked polls, and no handler takes over a
        // connection that hyper reads.
        Body::Takeover(_) | Body::Parked(_) => {
            parts.status = StatusCode::INTERNAL_SERVER_ERROR;
            whole(Bytes::new())
        }
    };
    http::Response::from_parts(parts, body)
}

/// The connection as hyper sees it. If the connection can return, hyper sees only one request, and
/// the end of the input once the response is written.
struct SharedIo {
    /// Bytes of the request that were read before, for hyper to read again.
    read: Bytes,
    /// How many bytes of the request are still to be read, at most.
    missing: usize,
    /// Bytes of the next request; `None` if the connection cannot return.
    next: Option<Vec<u8>>,
    writer: Arc<ConnWriter>,
    /// Whether hyper has written the response body, or given it up.
    answered: Arc<AtomicBool>,
    /// Whether hyper sees the end of the input from now on.
    ended: bool,
    patience: Patience,
    /// Fires when `patience` runs out; set while the client has bytes to take.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl SharedIo {
    /// `read` are the bytes that were read already. `whole` is the length of the request in bytes, if
    /// it is certain.
    fn new(mut read: Vec<u8>, whole: Option<usize>, writer: Arc<ConnWriter>) -> Self {
        let next = whole.map(|whole| read.split_off(whole.min(read.len())));
        let missing = whole.map_or(usize::MAX, |whole| whole - read.len());
        let (read, answered) = (read.into(), Arc::new(AtomicBool::new(false)));
        let patience = Patience::new();
        SharedIo { read, missing, next, writer, answered, ended: false, patience, alarm: None }
    }

    /// Applies the slow-reader limit to the result of a write.
    fn poll_patience(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = written else {
            let until = self.patience.start_wait();
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
            ready!(alarm.as_mut().poll(context));
            self.writer.cut();
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, SLOW)));
        };
        self.alarm = None;
        self.patience.progress(*written.as_ref().unwrap_or(&0));
        Poll::Ready(written)
    }

    /// Reads ahead, up to [`AHEAD`]. Ready when the connection ends.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 512];
        while let Some(next) = self.next.as_mut().filter(|next| next.len() < AHEAD) {
            match ready!(self.writer.stream().poll_read(context, &mut room))? {
                0 => return Poll::Ready(Ok(())),
                count => next.extend_from_slice(&room[..count]),
            }
        }
        Poll::Pending
    }
}

impl AsyncRead for SharedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let count = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read[..count]);
            self.read.advance(count);
            return Poll::Ready(Ok(()));
        }
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        if self.missing == 0 {
            return self.poll_end(context);
        }
        let room = self.missing.min(buffer.remaining());
        let count =
            ready!(self.writer.stream().poll_read(context, buffer.initialize_unfilled_to(room)))?;
        buffer.advance(count);
        self.missing -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SharedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.writer.stream().poll_write(context, bytes);
        self.poll_patience(context, written)
    }

    /// Writes the first non-empty buffer. Supporting this lets hyper send a shared body without a
    /// copy for each reader.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        self.poll_write(context, first.map_or(&[], |first| first))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.writer.stream().poll_flush(context).map_ok(|()| 0);
        ready!(self.poll_patience(context, flushed))?;
        // hyper drops a response body when all of it is written, and then flushes.
        self.ended = self.next.is_some() && self.answered.load(Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.stream().poll_shutdown(context)
    }
}
