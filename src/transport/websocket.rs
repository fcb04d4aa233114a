//! `websocket`: one connection both ways, from the first packet or after an upgrade.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, StatusCode};
use tracing::Instrument;

use super::ws_frames::Fault;
use super::ws_io::{self, WsClose, WsEvent, WsReader, WsWriter};
use super::{Error, Exchange, Query, Transport};
use crate::admission::WebSocketMonitor;
use crate::dialect::{Dialect, Frame, Packet, Requests, SocketMessage, Wire};
use crate::engine::{Begun, CloseReason, Drain, Drained, Session, TransportInfo};
use crate::http::headers::header_has;
use crate::http::{Body, Incoming, Request, Response, ResponseFuture, response};
use crate::net::ConnWriter;

#[derive(Debug)]
pub struct WebSocket;

static INFO: TransportInfo =
    TransportInfo { name: "websocket", wire: "websocket", streams: true, duplex: true };

/// Bytes of what a client may still send that is being turned away.
const SAID_MAX: usize = 1024;

/// How long a client may take to answer a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

impl Transport for WebSocket {
    fn info(&self) -> &'static TransportInfo {
        &INFO
    }

    fn matches(&self, query: &Query) -> bool {
        query.transport.as_deref() == Some(INFO.wire)
    }

    fn advertised(&self, _own_client: bool) -> bool {
        true
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let headers = request.headers();
        if request.method() != Method::GET || !header_has(headers, UPGRADE, "websocket") {
            return Err(Error::bad_request("no WebSocket upgrade: the Upgrade header is missing"));
        }
        if !header_has(headers, CONNECTION, "upgrade") {
            return Err(Error::bad_request("no WebSocket upgrade: Connection says otherwise"));
        }
        if only(headers, SEC_WEBSOCKET_VERSION) != Some(b"13") {
            return Err(Error::bad_request("only WebSocket version 13 is spoken"));
        }
        match only(headers, SEC_WEBSOCKET_KEY) {
            // hyper reads this request, and keeps the connection until the answer is out.
            Some(key) if is_key(key) && matches!(request.body(), Incoming::Hyper(_)) => {
                Err(Error::bad_request("no WebSocket upgrade: the request has a body"))
            }
            Some(key) if is_key(key) => Ok(()),
            _ if !headers.contains_key(SEC_WEBSOCKET_KEY) => {
                Err(Error::bad_request("Sec-WebSocket-Key is missing"))
            }
            _ => Err(Error::bad_request("Sec-WebSocket-Key is not 16 bytes of base64, once")),
        }
    }

    fn supports_v09(&self) -> bool {
        true
    }

    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>> {
        ResponseFuture::Ready(Ok(accept(exchange)))
    }

    fn respond_once(
        &self,
        request: &Request,
        _query: &Query,
        dialect: &'static dyn Dialect,
        frames: &[Frame],
    ) -> Response {
        let frames = frames.to_vec();
        switching(request, move |writer, early| {
            tokio::spawn(async move {
                let (writer, reader) = ws_io::open(writer, early, SAID_MAX);
                writer.put(&frames, dialect, &Wire::default());
                say_goodbye(reader, WsClose::Plain).await;
            });
        })
    }
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

/// Whether that is 16 bytes of base64 (RFC 6455 §4.2.1). The bits that say nothing, in the last character before
/// the padding, are not looked at: other servers do not either.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digit)
}

/// Answers 101 and leaves the connection to a task of its own.
fn accept(exchange: Exchange) -> Response {
    let Exchange { request, session, engine, monitor, .. } = exchange;
    // A refusal comes as a close after the 101, for clients cannot read the answer to a failed
    // upgrade.
    let drain = session.take_up(&INFO);
    let max_message = session.limits().max_payload;
    switching(&request, move |writer, early| match drain {
        Ok(drain) => {
            let span = session.span().clone();
            engine.spawn(run(writer, early, drain, max_message, monitor).instrument(span));
        }
        Err(_) => engine.spawn(async move {
            let (_, reader) = ws_io::open(writer, early, SAID_MAX);
            say_goodbye(reader, WsClose::Plain).await;
        }),
    })
}

/// The answer after which the connection is `then`'s.
fn switching(
    request: &Request,
    then: impl FnOnce(Arc<ConnWriter>, Bytes) + Send + 'static,
) -> Response {
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let accept = ws_io::accept_key(key.map_or(&[][..], HeaderValue::as_bytes));
    let mut response = response(StatusCode::SWITCHING_PROTOCOLS, "", "");
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(value) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, value);
    }
    *response.body_mut() = Body::Takeover(Box::new(then));
    response
}

async fn run(
    writer: Arc<ConnWriter>,
    early: Bytes,
    mut drain: Drain,
    max_message: usize,
    mut monitor: Option<WebSocketMonitor>,
) {
    let session = Arc::clone(drain.session());
    let (writer, mut reader) = ws_io::open(writer, early, max_message);
    drain.set_direct_writer(writer.clone());
    let end = tokio::select! {
        end = read(&mut reader, &session, &mut monitor) => end,
        end = write(&writer, &mut drain, &session) => end,
    };
    // The session may go on without this connection, and what was begun here never ends.
    session.begun(Begun::Message, 0);
    if let Some(monitor) = &mut monitor {
        end.report(monitor, &session);
    }
    match end {
        End::Closed => {
            drain.closed_by_client();
            let _ = tokio::time::timeout(CLOSE_PATIENCE, reader.close(WsClose::Plain)).await;
        }
        End::Lost => drop(drain),
        End::Abandoned => {
            drain.finish();
            Box::pin(keep_open(reader, &session)).await;
        }
        End::ByServer(close) => {
            drain.finish();
            if let Some(ending) = ending_packet(&session) {
                writer.put_message(&ending);
            }
            // Its memory goes when it is over, which for most connections is never.
            Box::pin(say_goodbye(reader, close)).await;
        }
    }
}

/// What the dialect says on a WebSocket before it is closed, if the session is over.
fn ending_packet(session: &Session) -> Option<SocketMessage> {
    let dialect = session.dialect();
    let reason = session.close_reason().filter(|_| dialect.rules().ending_on_sockets)?;
    Some(message(dialect.ending(reason.ending()), session))
}

/// How a connection came to its end.
enum End {
    /// The client closed it in good order.
    Closed,
    Lost,
    /// The server closes it.
    ByServer(WsClose),
    /// The client went on by another transport, but would take the end of this connection for the end of
    /// the session.
    Abandoned,
}

impl End {
    fn report(&self, monitor: &mut WebSocketMonitor, session: &Session) {
        match self {
            End::Closed => monitor.closed(session),
            End::Lost => monitor.lost(session),
            End::ByServer(_) => monitor.closed_by_server(session),
            End::Abandoned => monitor.abandoned(session),
        }
    }
}

async fn read(
    reader: &mut WsReader,
    session: &Arc<Session>,
    monitor: &mut Option<WebSocketMonitor>,
) -> End {
    let (dialect, wire) = (session.dialect(), session.wire());
    let mut begun = 0;
    loop {
        let event = reader.next().await;
        let grown = if let WsEvent::Begun(bytes) = event { bytes } else { 0 };
        if std::mem::replace(&mut begun, grown) != grown {
            session.begun(Begun::Message, grown);
        }
        if let WsEvent::Text(_) | WsEvent::Binary(_) | WsEvent::Alive = &event
            && let Some(monitor) = &mut *monitor
        {
            monitor.received(session);
        }
        let packet = match event {
            WsEvent::Text(text) => dialect.read_text(&text, wire),
            WsEvent::Binary(data) => dialect.read_binary(data),
            WsEvent::Alive => {
                session.heard(&INFO);
                continue;
            }
            WsEvent::Begun(_) => continue,
            WsEvent::Closed => return End::Closed,
            WsEvent::Lost => return End::Lost,
            WsEvent::Deaf => {
                session.close_on(&INFO, CloseReason::SlowReader);
                return End::Lost;
            }
            WsEvent::Faulty(fault) => {
                let reason = match fault {
                    Fault::TooLarge => CloseReason::TooLarge,
                    fault => CloseReason::Malformed(fault.reason()),
                };
                session.close_on(&INFO, reason);
                return End::ByServer(WsClose::For(fault));
            }
        };
        match packet {
            Ok(packet) => {
                let leaves = packet == Packet::Close;
                // Boxed, as all that most connections do for a moment only.
                if Box::pin(session.submit(&INFO, [packet])).await.is_err() {
                    return End::ByServer(WsClose::Plain);
                }
                if leaves {
                    return End::ByServer(WsClose::Plain);
                }
            }
            Err(error) => {
                session.close_on(&INFO, CloseReason::Malformed(error.0));
                return End::ByServer(WsClose::Plain);
            }
        }
    }
}

/// Sees to all that does not go straight from the session to the writer.
async fn write(writer: &WsWriter, drain: &mut Drain, session: &Arc<Session>) -> End {
    let mut batch = Vec::new();
    loop {
        let drained = drain.next(&mut batch).await;
        writer.put(&batch, session.dialect(), session.wire());
        batch = Vec::new();
        if matches!(drained, Drained::Promoted | Drained::Asks) {
            writer.put_ping();
        }
        if let Some(end) = Box::pin(flush(writer, drain, session, drained)).await {
            return end;
        }
    }
}

/// Waits until all is out that was put for `drained`, and tells whether that was the end.
async fn flush(
    writer: &WsWriter,
    drain: &mut Drain,
    session: &Session,
    drained: Drained,
) -> Option<End> {
    // A client that does not read must not keep a session that is over.
    let flushed = if let Drained::Closed(_) = drained {
        tokio::time::timeout(CLOSE_PATIENCE, writer.flush()).await.unwrap_or(Ok(()))
    } else {
        tokio::select! {
            flushed = writer.flush() => flushed,
            () = drain.ended() => return Some(let_go(session)),
        }
    };
    if flushed.is_err() {
        return Some(End::Lost);
    }
    match drained {
        Drained::Packets
        | Drained::Stuck
        | Drained::Promoted
        | Drained::Asks
        | Drained::Released => None,
        Drained::Superseded => Some(let_go(session)),
        Drained::Closed(CloseReason::TooLarge) => {
            Some(End::ByServer(WsClose::For(Fault::TooLarge)))
        }
        Drained::Closed(_) => Some(End::ByServer(WsClose::Plain)),
    }
}

/// What becomes of a connection that does not carry its session any more.
fn let_go(session: &Session) -> End {
    let lenient = session.dialect().rules().requests == Requests::Lenient;
    if lenient && session.is_open() { End::Abandoned } else { End::ByServer(WsClose::Plain) }
}

fn message(frame: Frame, session: &Session) -> SocketMessage {
    match frame {
        Frame::Text(text) => SocketMessage::Text(text),
        Frame::Binary(data) => session.dialect().socket_binary(&data, session.wire()),
    }
}

/// How often a connection that was given up looks whether its session is over.
const LOOK: Duration = Duration::from_millis(500);

/// Holds a connection that was given up, without a word, until its session is over, another is given up or
/// the client ends it. What a proxy held back until then arrives too late to do harm.
async fn keep_open(mut reader: WsReader, session: &Session) {
    // Nothing that it still says matters, so it may not say much; and the next one that is given up takes its place.
    if !reader.limit(SAID_MAX) {
        return say_goodbye(reader, WsClose::Plain).await;
    }
    let mine = session.give_up_connection();
    let over = async {
        while session.is_open() && session.connections_given_up() == mine {
            tokio::time::sleep(LOOK).await;
        }
    };
    let left = async {
        while let WsEvent::Text(_) | WsEvent::Binary(_) | WsEvent::Alive | WsEvent::Begun(_) =
            reader.next().await
        {}
    };
    tokio::select! {
        () = over => {}
        () = left => {}
    }
    say_goodbye(reader, WsClose::Plain).await;
}

/// Closes from our side, after all that was put: a close frame, and some patience for the client's.
async fn say_goodbye(mut reader: WsReader, close: WsClose) {
    let goodbye = async {
        if reader.close(close).await.is_err() {
            return;
        }
        let mut faulty = close != WsClose::Plain;
        while !faulty {
            match reader.next().await {
                WsEvent::Closed | WsEvent::Lost => return,
                event => faulty = matches!(event, WsEvent::Faulty(_)),
            }
        }
        // Nothing more is wanted of what the client sends.
        reader.writer().hang_up(usize::MAX).await;
    };
    let _ = tokio::time::timeout(CLOSE_PATIENCE, goodbye).await;
}
