//! Requests and responses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tokio::time::Instant;
use tracing::debug;

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
    /// Comes piece by piece. With a `Content-Length` in the head it ends after so many bytes; one
    /// that ends earlier has failed, and the connection is closed.
    Stream(Pin<Box<dyn BodyStream>>),
    /// The answer to a poll, which comes later and whole.
    Parked(Box<dyn Parked>),
    /// After the head, the connection leaves HTTP (101). The function gets the connection, and the
    /// bytes that were already read from it.
    Takeover(Box<dyn FnOnce(Arc<ConnWriter>, Bytes) + Send>),
}

/// A body that comes piece by piece.
pub trait BodyStream: Stream<Item = Bytes> + Send {
    /// Lets pieces go to the connection directly, as chunks
    /// ([`write_chunk`](super::write::write_chunk)), by whoever has them, as long as the stream is
    /// being polled and pending. Called once, when the head is written, if the pieces are chunks.
    fn set_writer(self: Pin<&mut Self>, writer: &Arc<ConnWriter>) {
        let _ = writer;
    }

    /// The length of all pieces in bytes, if it is known.
    fn length(&self) -> Option<u64> {
        None
    }

    /// Whether it is known that no more can come than has come already. It is asked from time to time while
    /// pieces wait for the client, during which the stream is not polled.
    fn has_ended(&self) -> bool {
        false
    }
}

impl Body {
    /// See [`Parked::receipt`].
    pub fn receipt(&self) -> Option<Arc<dyn Receipt>> {
        if let Body::Parked(parked) = self { parked.receipt() } else { None }
    }

    /// A body of another library. It ends early if it fails, so its length has to be known.
    pub fn coming<B>(body: B) -> Self
    where
        B: hyper::body::Body<Data = Bytes, Error: std::fmt::Display> + Send + 'static,
    {
        if body.is_end_stream() {
            return Body::Whole(Bytes::new());
        }
        Body::Stream(Box::pin(Frames(Box::pin(body))))
    }
}

impl<I: Iterator<Item = Bytes> + Send> BodyStream for futures::stream::Iter<I> {}

/// The data of a body of another library.
struct Frames<B>(Pin<Box<B>>);

impl<B: hyper::body::Body<Data = Bytes, Error: std::fmt::Display>> Stream for Frames<B> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Poll::Ready(match ready!(self.0.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => Some(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => {
                debug!(reason = %error, "an answer is not sent to its end");
                None
            }
            None => None,
        })
    }
}

impl<B> BodyStream for Frames<B>
where
    B: hyper::body::Body<Data = Bytes, Error: std::fmt::Display> + Send,
{
    fn length(&self) -> Option<u64> {
        self.0.size_hint().exact()
    }
}

/// A response, or another result of type `T`, now or later. Most requests are answered without a
/// boxed future. That includes polls: their response, a [`Body::Parked`], exists at once.
pub enum ResponseFuture<T = Response> {
    /// The answer is there.
    Ready(T),
    /// The answer comes later.
    Waiting(BoxFuture<'static, T>),
    /// The answer comes later, and perhaps much later. It is dropped when its client has gone.
    WhileWanted(BoxFuture<'static, T>),
}

impl<T: 'static> ResponseFuture<T> {
    /// Changes it when it is there.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> ResponseFuture<U> {
        match self {
            ResponseFuture::Ready(answer) => ResponseFuture::Ready(change(answer)),
            ResponseFuture::Waiting(answer) => {
                ResponseFuture::Waiting(Box::pin(async move { change(answer.await) }))
            }
            ResponseFuture::WhileWanted(answer) => {
                ResponseFuture::WhileWanted(Box::pin(async move { change(answer.await) }))
            }
        }
    }

    /// Waits for it.
    pub async fn wait(self) -> T {
        match self {
            ResponseFuture::Ready(response) => response,
            ResponseFuture::Waiting(response) | ResponseFuture::WhileWanted(response) => {
                response.await
            }
        }
    }
}

/// The answer to a parked poll. The task that queues a packet for the session may write it,
/// directly to the connection. Dropping this without an answer reports the connection as lost.
pub trait Parked: Send {
    /// When the poll must be answered at the latest.
    fn until(&self) -> Instant;

    /// Lets any task write the answer to `writer` from now on. `head` is the head of the response
    /// up to the content type.
    fn begin(&mut self, writer: &Arc<ConnWriter>, head: Vec<u8>);

    /// Asks to be woken after the answer, because the connection has more to do: another request
    /// was read, or the connection must be closed.
    fn set_pipelined(&self);

    /// Waits for the answer after [`Parked::begin`]. `read_ahead` reads the client's input
    /// meanwhile: it is ready with true if it has read bytes, with false at the end of the
    /// connection.
    fn poll_outcome(
        &mut self,
        cx: &mut Context<'_>,
        read_ahead: &mut dyn FnMut(&mut Context<'_>) -> Poll<bool>,
    ) -> Poll<ParkedOutcome>;

    /// What takes the answer back if the client turns out not to have got it. `None` where the
    /// client's next request could not bring it.
    fn receipt(&self) -> Option<Arc<dyn Receipt>> {
        None
    }

    /// Writes the answer now, an empty one (a noop) if no packet waits. Does nothing if the answer
    /// was already written.
    fn give(self: Box<Self>);
}

/// Keeps the answer to a poll until the connection's next request, or its end.
pub trait Receipt: Send + Sync {
    /// The connection ended, and the client did not get all of the answer.
    fn not_delivered(&self);
}

/// The result of [`Parked::poll_outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedOutcome {
    /// The answer was written.
    Answered,
    /// The caller must write the answer: see [`Parked::give`].
    Due,
    /// The connection ended.
    Lost,
}

/// A whole response that must not be cached. An empty `content_type` adds no header.
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
