//! Requests that the HTTP library reads: those for pages, and all that are less than plain.
//!
//! It gets the connection for one request and gives it back afterwards, so that a page and the engine
//! can share one and neither keeps the other's buffers.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::StreamExt as _;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::conn::{LINGER, LINGER_BYTES};
use super::headers::header_has;
use super::patience::{Patience, SLOW};
use super::{Body, Clock, HttpLimits, HyperBody, Response};
use crate::net::ConnWriter;

/// What hyper sends.
pub(crate) type Answer = http::Response<AnswerBody>;

/// Bytes read ahead of the next request, about: to see whether the connection ends takes reading.
const AHEAD: usize = 4096;

/// Has one request of `remote` answered by `service`. Returns what was read of the next one, if the connection
/// can go on.
pub(crate) async fn serve<F: Future<Output = Answer>>(
    lent: SharedIo,
    remote: IpAddr,
    limits: &HttpLimits,
    stopping: &CancellationToken,
    service: impl Fn(http::Request<HyperBody>) -> F,
) -> Option<Vec<u8>> {
    let (answered, going_on) = (Arc::clone(&lent.answered), AtomicBool::new(false));
    let comes_back = lent.next.is_some() && !stopping.is_cancelled();
    let answering = service_fn(|request: http::Request<Incoming>| async {
        let clock = Clock::new(limits.body_timeout, stopping);
        let request = request.map(|body| HyperBody::new(body, clock));
        let answer = service(request).await;
        let goes_on = comes_back && !header_has(answer.headers(), CONNECTION, "close");
        going_on.store(goes_on, Ordering::Relaxed);
        let sent = Sent(Arc::clone(&answered));
        Ok::<_, Infallible>(answer.map(|body| told_of(body, sent)))
    });
    let connection = reader(limits)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .keep_alive(comes_back)
        .serve_connection(TokioIo::new(lent), &answering);
    let lent = match connection.without_shutdown().await {
        Ok(parts) => parts.io.into_inner(),
        Err(error) => {
            debug!(%remote, reason = %root(&error), "connection ended");
            return None;
        }
    };
    match lent.next {
        // A body that nobody wanted to read must not be taken for a request.
        Some(next) if going_on.into_inner() && lent.read.is_empty() && lent.missing == 0 => {
            Some(next)
        }
        _ => {
            let _ = timeout(LINGER, lent.writer.hang_up(LINGER_BYTES)).await;
            None
        }
    }
}

/// What an error began with: the library itself says only where it met it.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error)
}

/// Keeps `sent` for as long as the body.
fn told_of(body: AnswerBody, sent: Sent) -> impl hyper::body::Body<Data = Bytes, Error = Broken> {
    body.map_err(move |error| {
        let _kept = &sent;
        error
    })
}

/// The library's reader of requests, within our bounds.
pub(crate) fn reader(limits: &HttpLimits) -> http1::Builder {
    let mut reader = http1::Builder::new();
    reader.max_headers(limits.max_headers).max_header_size(limits.max_header_bytes);
    reader
}

type AnswerBody = UnsyncBoxBody<Bytes, Broken>;
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Dropped with a body that has been sent, or will not be.
struct Sent(Arc<AtomicBool>);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A poll that was waited for, and is to be answered by that connection.
pub(crate) async fn awaited(response: Response, writer: &Arc<ConnWriter>) -> Response {
    let (mut parts, mut body) = response.into_parts();
    if let Body::Parked(parked) = body {
        let (content_type, bytes) = parked.answer(Arc::clone(writer)).await;
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        body = Body::Whole(bytes);
    }
    Response::from_parts(parts, body)
}

/// An answer of the engine, as the library sends it.
pub(crate) async fn dressed(response: Response) -> Answer {
    let (mut parts, body) = response.into_parts();
    let whole = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    let body = match body {
        Body::Whole(bytes) => whole(bytes),
        Body::Stream(stream) => {
            // The connection does not come back from this.
            close(&mut parts.headers);
            let frames = stream.map(|bytes| Ok(Frame::data(bytes)));
            StreamBody::new(frames).boxed_unsync()
        }
        // A poll has been [`awaited`] by now, and who answers requests that came this way gives none of the
        // connection away.
        Body::Takeover(_) | Body::Parked(_) => {
            parts.status = StatusCode::INTERNAL_SERVER_ERROR;
            whole(Bytes::new())
        }
    };
    http::Response::from_parts(parts, body)
}

fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// A connection that was lent to the library. If it is to come back, it seems to hold one request, and
/// to end when the answer is out.
pub(crate) struct SharedIo {
    /// What was read of the request, and is to be read once more.
    read: Bytes,
    /// Bytes of the request that were not read yet, at most.
    missing: usize,
    /// What was read of the next request, if the connection may come back for it.
    next: Option<Vec<u8>>,
    writer: Arc<ConnWriter>,
    answered: Arc<AtomicBool>,
    over: bool,
    patience: Patience,
    /// Goes off when that is over, while something waits for the client.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl SharedIo {
    /// `read` was read already, and `whole` is the length of the request if that is plain to see.
    pub fn new(mut read: Vec<u8>, whole: Option<usize>, writer: Arc<ConnWriter>) -> Self {
        let next = whole.map(|whole| read.split_off(whole.min(read.len())));
        let missing = whole.map_or(usize::MAX, |whole| whole - read.len());
        let (read, answered) = (read.into(), Arc::new(AtomicBool::new(false)));
        let patience = Patience::new();
        SharedIo { read, missing, next, writer, answered, over: false, patience, alarm: None }
    }

    /// Waits for the client to take something, but not for ever.
    fn poll_taken(
        &mut self,
        context: &mut Context<'_>,
        taken: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(taken) = taken else {
            let until = self.patience.waits();
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
            ready!(alarm.as_mut().poll(context));
            self.writer.cut();
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, SLOW)));
        };
        self.alarm = None;
        self.patience.took(*taken.as_ref().unwrap_or(&0));
        Poll::Ready(taken)
    }

    /// Reads ahead, as far as there is room for it. Ready when the connection ends.
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
        if self.over {
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
        self.poll_taken(context, written)
    }

    /// The first of them. To have it lets the library keep what it sends as it is, shared with others who
    /// are sent the same, in place of a copy for each.
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
        ready!(self.poll_taken(context, flushed))?;
        // The library lets go of an answer when all of it is written, and flushes then.
        self.over = self.next.is_some() && self.answered.load(Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.stream().poll_shutdown(context)
    }
}
