//! Requests and answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tokio::time::Instant;

use super::Incoming;
use crate::net::ConnWriter;

/// A request whose body may still come.
pub type Request = http::Request<Incoming>;
/// A response.
pub type Response = http::Response<Body>;

/// A response body.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Comes piece by piece.
    Stream(Pin<Box<dyn BodyStream>>),
    /// Comes whole, but later: the answer to a poll.
    Parked(Box<dyn Parked>),
    /// After the head, the connection is no longer HTTP, and somebody else's. What has been read of
    /// it already comes with it.
    Takeover(Box<dyn FnOnce(Arc<ConnWriter>, Bytes) + Send>),
}

/// A body that comes piece by piece.
pub trait BodyStream: Stream<Item = Bytes> + Send {
    /// Lets pieces go to the connection directly, as chunks ([`write_chunk`](super::write::write_chunk)), by
    /// whoever has them, as long as the stream is being polled and pending. Called once, when the head is
    /// written; never called if hyper writes the answer.
    fn set_writer(self: Pin<&mut Self>, writer: &Arc<ConnWriter>) {
        let _ = writer;
    }
}

impl<I: Iterator<Item = Bytes> + Send> BodyStream for futures::stream::Iter<I> {}

/// A response, or what else a request comes to: at once or later. Most need not wait for anything; the answer to
/// a poll is known at once to be one that comes later.
pub enum ResponseFuture<T = Response> {
    /// The answer is there.
    Ready(T),
    /// The answer comes later.
    Waiting(BoxFuture<'static, T>),
}

impl<T> ResponseFuture<T> {
    /// Waits for it.
    pub async fn wait(self) -> T {
        match self {
            ResponseFuture::Ready(response) => response,
            ResponseFuture::Waiting(response) => response.await,
        }
    }
}

/// The answer to a poll, which is made when there is something to say, by whoever has it. Dropping it is how the
/// loss of the connection is noticed.
pub trait Parked: Send {
    /// Until when it may be held.
    fn until(&self) -> Instant;

    /// Has the answer written to a connection by whoever has it. `head` is what comes before the content type.
    fn begin(&mut self, writer: &Arc<ConnWriter>, head: Vec<u8>);

    /// Says that the connection has more to do after the answer, and has to be woken for it.
    fn set_pipelined(&self);

    /// Waits for the answer after [`Parked::begin`]. `read_ahead` reads what the client says meanwhile: ready
    /// with true if it read anything, with false at the end of the connection.
    fn poll_outcome(
        &mut self,
        cx: &mut Context<'_>,
        read_ahead: &mut dyn FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<ParkedOutcome>;

    /// Writes the answer that is due, or one that says nothing, unless another was written.
    fn give(self: Box<Self>);

    /// Waits for the answer, for a connection that somebody else writes to: its content type and body.
    fn answer(
        self: Box<Self>,
        writer: Arc<ConnWriter>,
    ) -> BoxFuture<'static, (&'static str, Bytes)>;
}

/// How waiting for the answer to a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedOutcome {
    /// It was written.
    Answered,
    /// It is to be given: see [`Parked::give`].
    Due,
    /// The connection ended.
    Lost,
}

/// A response of one piece.
pub fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = http::Response::new(Body::Whole(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
