//! What streaming transports have in common: one response that carries packets as they come, and
//! POSTs for those of the client.

use std::slice::from_ref;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};

use super::poll::{Purpose, accept_payload, purpose, unsupported};
use super::{Error, Exchange};
use crate::dialect::{Control, Dialect, Frame, Heartbeat};
use crate::engine::{CloseReason, Drain, Drained, Session, TransportInfo};
use crate::http::{Body, Response, ResponseFuture, response};

/// How one transport dresses its stream.
pub(super) struct Shape {
    pub content_type: &'static str,
    /// Sent at once. At least [`PRELUDE`] bytes, so that nobody on the way waits for more.
    pub prelude: Vec<u8>,
    /// Appends one packet.
    pub write: fn(&mut Vec<u8>, &str),
}

/// Old WebKit runs nothing in a frame before 512 bytes, IE before 256, and some proxies hold back
/// the first kilobyte (legacy-browsers.md).
pub(super) const PRELUDE: usize = 1024;

/// Serves a request of a streaming transport; `dress` has the last word on streamed responses.
pub(super) fn serve(
    exchange: Exchange,
    info: &'static TransportInfo,
    shape: impl FnOnce(&Exchange) -> Shape,
    dress: impl FnOnce(Response) -> Response,
) -> ResponseFuture<Result<Response, Error>> {
    match purpose(exchange.request.method()) {
        Purpose::Poll => {
            let shape = shape(&exchange);
            let session = exchange.session;
            let drain = session.take_up(info).map_err(Error::from);
            ResponseFuture::Ready(drain.map(|drain| {
                dress(respond(shape.content_type, packets(session, drain, info, shape)))
            }))
        }
        Purpose::Post => ResponseFuture::Waiting(Box::pin(accept_payload(exchange, info))),
        Purpose::Other => ResponseFuture::Ready(Ok(unsupported())),
    }
}

/// A stream that says one thing and ends. Several packets are one piece, which no part of is lost when
/// the client turns away upon the first.
pub(super) fn respond_once(dialect: &dyn Dialect, frames: &[Frame], shape: Shape) -> Response {
    let mut body = shape.prelude;
    write(&mut body, dialect, frames, shape.write);
    respond(shape.content_type, futures::stream::iter([Bytes::from(body)]))
}

fn respond(
    content_type: &'static str,
    stream: impl Stream<Item = Bytes> + Send + 'static,
) -> Response {
    let mut response = response(StatusCode::OK, content_type, Bytes::new());
    *response.body_mut() = Body::Stream(Box::pin(stream));
    let headers = response.headers_mut();
    let cache = HeaderValue::from_static("no-store, no-transform");
    headers.insert(CACHE_CONTROL, cache);
    // nginx and its like, and others that have learned the word.
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
    response
}

fn write(
    out: &mut Vec<u8>,
    dialect: &dyn Dialect,
    frames: &[Frame],
    write: fn(&mut Vec<u8>, &str),
) {
    let payload = dialect.payload(frames, true);
    write(out, &String::from_utf8_lossy(&payload.body));
}

/// One response's chunks. Dropping it before its end is how a lost connection is noticed.
fn packets(
    session: Arc<Session>,
    drain: Drain,
    info: &'static TransportInfo,
    shape: Shape,
) -> impl Stream<Item = Bytes> + Send {
    let Shape { prelude, write: dress, .. } = shape;
    let first = (Some(drain), Some(prelude), 0);
    futures::stream::unfold(first, move |(drain, prelude, sent)| {
        let session = Arc::clone(&session);
        async move {
            let mut drain = drain?;
            if let Some(prelude) = prelude {
                let sent = prelude.len();
                return Some((Bytes::from(prelude), (Some(drain), None, sent)));
            }
            let dialect = session.dialect();
            let (mut batch, mut chunk) = (Vec::new(), Vec::new());
            let drained = drain.next(&mut batch).await;
            for frame in &batch {
                write(&mut chunk, dialect, from_ref(frame), dress);
            }
            let last = match drained {
                Drained::Promoted => {
                    // The client's answer proves that this way is open.
                    if dialect.rules().heartbeat == Heartbeat::ServerAsks {
                        write(&mut chunk, dialect, &[dialect.control(Control::Ping)], dress);
                    }
                    None
                }
                Drained::Packets => {
                    let full = sent + chunk.len() > session.limits().stream_bytes;
                    full.then(|| recycle(&session, info))
                }
                Drained::Released | Drained::Stuck | Drained::Asks => None,
                Drained::Superseded => Some(dialect.control(Control::Noop)),
                Drained::Closed(reason) => Some(dialect.ending(reason.ending())),
            };
            let sent = sent + chunk.len();
            if let Some(frame) = last {
                write(&mut chunk, dialect, &[frame], dress);
                drain.finish();
                return Some((Bytes::from(chunk), (None, None, sent)));
            }
            Some((Bytes::from(chunk), (Some(drain), None, sent)))
        }
    })
}

/// Ends a response that has grown to its bound: the browser keeps all of it in memory.
fn recycle(session: &Arc<Session>, info: &'static TransportInfo) -> Frame {
    let dialect = session.dialect();
    if dialect.rules().resumes_streams {
        return dialect.control(Control::Noop);
    }
    session.close_on(info, CloseReason::StreamFull);
    dialect.ending(CloseReason::StreamFull.ending())
}
