//! Requests that the HTTP library reads: those for pages, and all that are less than plain.
//!
//! It gets the connection for one request and gives it back afterwards, so that a page and the engine
//! can share one and neither keeps the other's buffers.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::StreamExt as _;
use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::debug;

use super::listen::HouseRules;
use super::{Answer, Server};
use crate::transport::http::{Error, header_has};
use crate::transport::{self, Body, Link, Peer};

/// Serves one request, of which `read` was read already. Returns what was read of the next one, if the
/// connection can go on.
pub(super) async fn serve(
    server: &Server,
    read: Vec<u8>,
    link: Arc<Link>,
    peer: Peer,
    rules: &HouseRules,
) -> Option<Bytes> {
    let limits = &server.shared.limits;
    let answered = Arc::new(AtomicBool::new(false));
    let (last, going_on) = (Arc::clone(&answered), AtomicBool::new(false));
    let service = service_fn(|request: http::Request<Incoming>| async {
        let answer = server.answer_foreign(request, peer, rules).await;
        let goes_on = !header_has(answer.headers(), CONNECTION, "close");
        going_on.store(goes_on, Ordering::Relaxed);
        last.store(true, Ordering::Relaxed);
        Ok::<_, Infallible>(answer)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_header_bytes)
        .serve_connection(TokioIo::new(Lent::new(read, link, answered)), &service);
    match connection.without_shutdown().await {
        Ok(parts) if going_on.load(Ordering::Relaxed) => {
            let unread = parts.io.into_inner().read;
            Some(match parts.read_buf.is_empty() {
                true => unread,
                false => [&parts.read_buf[..], &unread[..]].concat().into(),
            })
        }
        Ok(parts) => {
            let _ = parts.io.into_inner().link.pipe().shut_down().await;
            None
        }
        Err(error) => {
            debug!(remote = %peer.remote, %error, "connection ended");
            None
        }
    }
}

/// An answer of the engine, as the library sends it.
pub(super) async fn dressed(response: transport::Response) -> Answer {
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
        Body::Parked(parked) => {
            let (content_type, bytes) = parked.answer().await;
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            whole(bytes)
        }
        Body::Takeover(_) => {
            let error = Error::bad_request("no WebSocket upgrade: the request has a body");
            return Box::pin(dressed(error.text())).await;
        }
    };
    http::Response::from_parts(parts, body)
}

fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// A connection that was lent to the library. It seems to end when the one answer is out.
struct Lent {
    /// What was read, and is to be read once more.
    read: Bytes,
    link: Arc<Link>,
    answered: Arc<AtomicBool>,
    over: bool,
}

impl Lent {
    fn new(read: Vec<u8>, link: Arc<Link>, answered: Arc<AtomicBool>) -> Self {
        Lent { read: read.into(), link, answered, over: false }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.over {
            return Poll::Ready(Ok(()));
        }
        if self.read.is_empty() {
            let count = ready!(self.link.pipe().poll_read(context, buffer.initialize_unfilled()))?;
            buffer.advance(count);
        } else {
            let count = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read[..count]);
            self.read.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.link.pipe().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.link.pipe().poll_flush(context))?;
        // The library flushes when it has written all that there is.
        self.over = self.answered.load(Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.pipe().poll_shutdown(context)
    }
}
