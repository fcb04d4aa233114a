//! What streaming transports have in common: one response that carries packets as they come, and
//! POSTs for those of the client.

use std::pin::Pin;
use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};

use super::poll::{Purpose, accept_payload, purpose, unsupported};
use super::traffic::{Direction, Traffic};
use super::{Error, Exchange};
use crate::dialect::{Control, Dialect, Frame, Heartbeat, Wire};
use crate::engine::{
    CloseReason, Connection, DirectWriter, Drain, Drained, SendOutcome, Session, TransportInfo,
};
use crate::http::write::write_chunk;
use crate::http::{Body, BodyStream, Response, ResponseFuture, response};
use crate::net::ConnWriter;

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
                let content_type = shape.content_type;
                dress(respond(content_type, PacketStream::new(session, drain, info, shape)))
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
    write(&mut body, dialect, &Wire::default(), frames, shape.write);
    respond(shape.content_type, futures::stream::iter([Bytes::from(body)]))
}

fn respond(content_type: &'static str, stream: impl BodyStream + 'static) -> Response {
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
    wire: &Wire,
    frames: &[Frame],
    write: fn(&mut Vec<u8>, &str),
) {
    let payload = dialect.payload(frames, true, wire);
    write(out, &String::from_utf8_lossy(&payload.body));
}

/// One response's pieces. Dropping it before its end is how a lost connection is noticed.
struct PacketStream {
    session: Arc<Session>,
    /// Nothing after the last packet.
    drain: Option<Drain>,
    info: &'static TransportInfo,
    /// Until it is sent.
    prelude: Option<Vec<u8>>,
    format: Format,
    batch: Vec<Frame>,
}

/// Writes packets in the form of one response, and counts its bytes.
#[derive(Debug, Clone)]
struct Format {
    write: fn(&mut Vec<u8>, &str),
    traffic: &'static Traffic,
    sent: Arc<AtomicUsize>,
    most: usize,
}

impl Format {
    fn piece(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> Vec<u8> {
        let mut piece = Vec::new();
        for frame in frames {
            write(&mut piece, dialect, wire, from_ref(frame), self.write);
        }
        self.count(piece.len());
        if !frames.is_empty() {
            self.traffic.count(Direction::Out, frames.len(), piece.len());
        }
        piece
    }

    fn count(&self, bytes: usize) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether the response has grown to its bound.
    fn is_full(&self) -> bool {
        self.sent.load(Ordering::Relaxed) > self.most
    }
}

impl PacketStream {
    fn new(
        session: Arc<Session>,
        drain: Drain,
        info: &'static TransportInfo,
        shape: Shape,
    ) -> Self {
        let most = session.limits().stream_bytes;
        let traffic = Traffic::of(info);
        let format = Format { write: shape.write, traffic, sent: Arc::default(), most };
        format.count(shape.prelude.len());
        let prelude = Some(shape.prelude);
        PacketStream { session, drain: Some(drain), info, prelude, format, batch: Vec::new() }
    }

    /// What is sent after the packets, and whether that is the end.
    fn after(&self, drained: Drained) -> (Option<Frame>, bool) {
        let dialect = self.session.dialect();
        match drained {
            // The client's answer proves that this way is open.
            Drained::Promoted if dialect.rules().heartbeat == Heartbeat::ServerAsks => {
                (Some(dialect.control(Control::Ping)), false)
            }
            Drained::Packets | Drained::Stuck if self.format.is_full() => {
                (Some(recycle(&self.session, self.info)), true)
            }
            Drained::Packets
            | Drained::Stuck
            | Drained::Promoted
            | Drained::Released
            | Drained::Asks => (None, false),
            Drained::Superseded => (Some(dialect.control(Control::Noop)), true),
            Drained::Closed(reason) => (Some(dialect.ending(reason.ending())), true),
        }
    }
}

impl Stream for PacketStream {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        if let Some(prelude) = this.prelude.take() {
            return Poll::Ready(Some(prelude.into()));
        }
        let Some(drain) = &mut this.drain else { return Poll::Ready(None) };
        let drained = ready!(drain.poll_next(cx, &mut this.batch));
        let mut frames = std::mem::take(&mut this.batch);
        let sent = this.format.piece(&frames, this.session.dialect(), this.session.wire());
        frames.clear();
        let (more, last) = this.after(drained);
        frames.extend(more);
        let rest = this.format.piece(&frames, this.session.dialect(), this.session.wire());
        if last && let Some(drain) = this.drain.take() {
            drain.finish();
        }
        Poll::Ready(Some([sent, rest].concat().into()))
    }
}

impl BodyStream for PacketStream {
    fn set_writer(mut self: Pin<&mut Self>, writer: &Arc<ConnWriter>) {
        if let Some(prelude) = self.prelude.take() {
            writer.write(|out| write_chunk(out, &prelude));
        }
        if let Some(drain) = &self.drain {
            let (writer, format) = (Arc::clone(writer), self.format.clone());
            drain.set_direct_writer(Arc::new(StreamWriter { writer, format }));
        }
    }
}

/// Writes packets to the connection of a response without its task being woken.
#[derive(Debug)]
struct StreamWriter {
    writer: Arc<ConnWriter>,
    format: Format,
}

impl DirectWriter for StreamWriter {
    fn try_send(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> SendOutcome {
        let piece = self.format.piece(frames, dialect, wire);
        let whole = self.writer.write(|out| write_chunk(out, &piece));
        // The task has to see to the end of a response that is full.
        if whole && !self.format.is_full() { SendOutcome::Sent } else { SendOutcome::Stuck }
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::clone(&self.writer) as Arc<dyn Connection>)
    }
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::StreamExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::REGISTRY;
    use super::*;
    use crate::dialect::Message;
    use crate::engine::testing::{Deaf, new_session};
    use crate::engine::{Engine, Limits};
    use crate::net::ByteStream;

    fn shape() -> Shape {
        let write = |out: &mut Vec<u8>, packet: &str| out.extend_from_slice(packet.as_bytes());
        Shape { content_type: "", prelude: b"prelude".to_vec(), write }
    }

    /// A stream, its session, and both ends of its connection.
    async fn stream(
        stream_bytes: usize,
    ) -> (PacketStream, Arc<Session>, Arc<ConnWriter>, TcpStream, Engine) {
        let info = REGISTRY.iter().map(|transport| transport.info());
        let info = info.into_iter().find(|info| info.streams && !info.duplex).unwrap();
        let engine = Engine::new(Limits { stream_bytes, ..Limits::default() }, Deaf);
        let session = engine.open(new_session(info)).unwrap();
        let drain = session.take_up(info).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = ByteStream::plain(listener.accept().await.unwrap().0);
        let writer = Arc::new(ConnWriter::new(server, None));
        let stream = PacketStream::new(Arc::clone(&session), drain, info, shape());
        (stream, session, writer, client, engine)
    }

    async fn reads(client: &mut TcpStream, expected: &[u8]) {
        let mut read = vec![0; expected.len()];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(expected));
    }

    #[tokio::test]
    async fn packets_go_to_the_connection_without_waking_its_task() {
        let (mut stream, session, writer, mut client, _engine) = stream(1000).await;
        Pin::new(&mut stream).set_writer(&writer);
        reads(&mut client, b"7\r\nprelude\r\n").await;
        let open = stream.next().await.unwrap();
        assert!(open.starts_with(b"0{"), "{open:?}");
        assert!(stream.next().now_or_never().is_none());
        session.send(Message::Text("one".into()));
        session.send(Message::Text("two".into()));
        reads(&mut client, b"4\r\n4one\r\n4\r\n4two\r\n").await;
        assert!(stream.next().now_or_never().is_none(), "nothing is sent twice");
        // The bound of one response holds for what is written directly, too.
        session.send(Message::Text("x".repeat(1000).as_str().into()));
        let last = stream.next().now_or_never().flatten().unwrap();
        assert_eq!(last, "6", "the client is to ask for the next response");
        assert!(stream.next().now_or_never().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_gets_no_more_directly() {
        let (mut stream, session, writer, _client, _engine) = stream(1 << 30).await;
        Pin::new(&mut stream).set_writer(&writer);
        stream.next().await.unwrap();
        while writer.is_clear() {
            assert!(stream.next().now_or_never().is_none());
            session.send(Message::Text("x".repeat(10_000).as_str().into()));
        }
        let held = writer.held();
        session.send(Message::Text("y".into()));
        assert_eq!(writer.held(), held, "it waits in the queue");
        assert_eq!(stream.next().now_or_never().flatten().unwrap(), "", "the task flushes first");
    }

    #[tokio::test]
    async fn without_a_writer_the_task_gets_all() {
        let (mut stream, session, _writer, _client, _engine) = stream(1000).await;
        assert_eq!(stream.next().await.unwrap(), "prelude");
        stream.next().await.unwrap();
        session.send(Message::Text("one".into()));
        assert_eq!(stream.next().await.unwrap(), "4one");
        session.close(CloseReason::ShuttingDown);
        assert_eq!(stream.next().await.unwrap(), "1");
        assert!(stream.next().await.is_none());
    }
}
