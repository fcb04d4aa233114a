//! `websocket`: one connection in both directions, from the first packet or after an upgrade.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, StatusCode, Version};
use tokio::time::Instant;
use tracing::Instrument;

use super::error::UpgradeFault;
use super::ws_frames::Fault;
use super::ws_io::{self, WsClose, WsEvent, WsReader, WsWriter};
use super::{Error, Exchange, Query, Transport};
use crate::admission::WebSocketMonitor;
use crate::dialect::{Dialect, Frame, Packet, Requests, SocketMessage, Wire};
use crate::engine::{
    Begun, CloseReason, Drain, Drained, Session, SessionEvent, TransportInfo, WebSocketEnd,
};
use crate::http::headers::header_has;
use crate::http::{Body, Request, Response, ResponseFuture, response};
use crate::net::ConnWriter;

#[derive(Debug)]
pub struct WebSocket;

pub(super) static INFO: TransportInfo =
    TransportInfo { name: "websocket", wire: "websocket", streams: true, duplex: true };

/// The greatest length in bytes of a message on a connection whose packets are discarded.
const CLOSING_MAX_MESSAGE: usize = 1024;

/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

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
        upgrade_fault(request).map_or(Ok(()), |fault| Err(Error::NoUpgrade { fault }))
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
        switch_protocols(request, move |writer, early| {
            tokio::spawn(async move {
                let (writer, reader) = ws_io::open(writer, early, CLOSING_MAX_MESSAGE);
                writer.write_packets(&frames, dialect, &Wire::default());
                close(reader, WsClose::Plain).await;
            });
        })
    }
}

/// What makes a request no upgrade (RFC 6455 §4.2.1).
fn upgrade_fault(request: &Request) -> Option<UpgradeFault> {
    let headers = request.headers();
    if request.method() != Method::GET || !header_has(headers, UPGRADE, "websocket") {
        return Some(UpgradeFault::UpgradeMissing);
    }
    if !header_has(headers, CONNECTION, "upgrade") {
        return Some(UpgradeFault::ConnectionMissing);
    }
    if request.version() < Version::HTTP_11 {
        return Some(UpgradeFault::Http10);
    }
    if single_value(headers, SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Some(UpgradeFault::Version);
    }
    let key = single_value(headers, SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key) || is_sid(key, request.uri().query()));
    match key {
        Some(_) => (!request.body().is_empty()).then_some(UpgradeFault::Body),
        None if headers.contains_key(SEC_WEBSOCKET_KEY) => Some(UpgradeFault::Key),
        None => Some(UpgradeFault::KeyMissing),
    }
}

/// The value of a header that is present once.
fn single_value(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

/// Whether a key is 16 bytes of base64 (RFC 6455 §4.2.1). The unused bits in the last character before the
/// padding may have any value, as on other servers.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digit)
}

/// Whether a key is the `sid` of the query, as Socket.IO libraries for Arduino send it.
fn is_sid(key: &[u8], query: Option<&str>) -> bool {
    let sid = Query::single(query.unwrap_or_default(), "sid").ok().flatten();
    sid.is_some_and(|sid| !sid.is_empty() && sid.as_bytes() == key)
}

/// The first subprotocol that the client offers, as it is written. Clients end a WebSocket for which
/// none of those that they offered was chosen.
fn subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offers = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let first = offers.find_map(|offer| Some(offer.trim_ascii()).filter(|offer| !offer.is_empty()));
    first.and_then(|offer| HeaderValue::from_bytes(offer).ok())
}

/// Answers 101 and leaves the connection to a task of its own.
fn accept(exchange: Exchange) -> Response {
    let Exchange { request, session, engine, monitor, .. } = exchange;
    // If the session does not take the WebSocket, it is closed after the 101, because clients cannot read
    // the answer to a failed upgrade.
    let drain = session.take_up(&INFO);
    let max_message = session.limits().max_payload;
    switch_protocols(&request, move |writer, early| match drain {
        Ok(drain) => {
            let span = session.span().clone();
            engine.spawn(run(writer, early, drain, max_message, monitor).instrument(span));
        }
        Err(_) => engine.spawn(async move {
            let (_, reader) = ws_io::open(writer, early, CLOSING_MAX_MESSAGE);
            close(reader, WsClose::Plain).await;
        }),
    })
}

/// The answer 101. After it, `then` gets the connection, and the bytes that came after the request.
fn switch_protocols(
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
    if let Some(subprotocol) = subprotocol(request.headers()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
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
    let (session, opened) = (Arc::clone(drain.session()), Instant::now());
    let (writer, mut reader) = ws_io::open(writer, early, max_message);
    drain.set_direct_writer(writer.clone());
    let end = tokio::select! {
        end = read(&mut reader, &session, &mut monitor) => end,
        end = write(&writer, &mut drain, &session) => end,
    };
    // The session may go on without this connection, so an incomplete message here counts no longer.
    session.begun(Begun::Message, 0);
    if let Some(monitor) = &mut monitor {
        end.report(monitor, &session);
    }
    session.tell(&SessionEvent::WebSocketEnded { end: end.name(), after: opened.elapsed() });
    let answered = match end {
        End::Closed => {
            drain.closed_by_client();
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, reader.close(WsClose::Plain)).await;
            true
        }
        End::Lost => {
            drop(drain);
            false
        }
        End::Abandoned => {
            drain.finish();
            Box::pin(keep_open(reader, &session)).await
        }
        End::ByServer(with) => {
            drain.finish();
            if let Some(ending) = ending_packet(&session) {
                writer.write_message(&ending);
            }
            // Boxed, so that its state takes memory only while it runs.
            Box::pin(close(reader, with)).await
        }
    };
    // For a client that takes nothing, the system would keep what was written, and the client's connection, for
    // minutes.
    let takes_nothing =
        |reason: CloseReason| reason.is_slowness() || reason == CloseReason::PingTimeout;
    if !answered && session.close_reason().is_some_and(takes_nothing) {
        writer.cut();
    }
}

/// The last packet before a WebSocket is closed, if the session is over and the dialect has one.
fn ending_packet(session: &Session) -> Option<SocketMessage> {
    let dialect = session.dialect();
    let reason = session.close_reason().filter(|_| dialect.rules().ending_on_sockets)?;
    Some(message(dialect.ending(reason.ending()), session))
}

/// How a connection ended.
enum End {
    /// The client sent a close frame.
    Closed,
    Lost,
    /// The server closes it.
    ByServer(WsClose),
    /// The client went on by another transport, but would take the end of this connection for the end of
    /// the session.
    Abandoned,
}

impl End {
    fn name(&self) -> WebSocketEnd {
        match self {
            End::Closed => WebSocketEnd::Closed,
            End::Lost => WebSocketEnd::Cut,
            End::ByServer(WsClose::For(Fault::TooLarge) | WsClose::Plain) | End::Abandoned => {
                WebSocketEnd::ByServer
            }
            End::ByServer(WsClose::For(_)) => WebSocketEnd::Garbled,
        }
    }

    /// Tells the monitor.
    fn report(&self, monitor: &mut WebSocketMonitor, session: &Session) {
        match self {
            End::Closed => monitor.closed(session),
            End::Lost => monitor.lost(session),
            End::ByServer(_) => monitor.closed_by_server(session),
            End::Abandoned => monitor.abandoned(session),
        }
    }
}

/// Submits packets from the client to the session, until the connection ends.
async fn read(
    reader: &mut WsReader,
    session: &Arc<Session>,
    monitor: &mut Option<WebSocketMonitor>,
) -> End {
    let (dialect, wire) = (session.dialect(), session.wire());
    let mut partial = 0;
    loop {
        let event = reader.next().await;
        let bytes = if let WsEvent::Partial(bytes) = event { bytes } else { 0 };
        if std::mem::replace(&mut partial, bytes) != bytes {
            session.begun(Begun::Message, bytes);
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
            WsEvent::Partial(_) => continue,
            WsEvent::Closed => return End::Closed,
            WsEvent::Lost => return End::Lost,
            WsEvent::NotReading => {
                session.close_on(&INFO, CloseReason::SlowReader);
                return End::Lost;
            }
            WsEvent::Fault(fault) => {
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
                let is_close = packet == Packet::Close;
                // Boxed, so that its state takes memory only while a packet is submitted.
                if Box::pin(session.submit(&INFO, [packet])).await.is_err() {
                    return End::ByServer(WsClose::Plain);
                }
                if is_close {
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

/// Writes the packets that the session does not write directly, and pings, until the connection ends.
async fn write(writer: &WsWriter, drain: &mut Drain, session: &Arc<Session>) -> End {
    let mut batch = Vec::new();
    loop {
        let drained = drain.next(&mut batch).await;
        writer.write_packets(&batch, session.dialect(), session.wire());
        batch = Vec::new();
        if matches!(drained, Drained::Promoted | Drained::Asks) {
            writer.write_ping();
        }
        if let Some(end) = Box::pin(flush(writer, drain, session, drained)).await {
            return end;
        }
    }
}

/// Flushes, and then returns the end of the connection if `drained` is one.
async fn flush(
    writer: &WsWriter,
    drain: &mut Drain,
    session: &Session,
    drained: Drained,
) -> Option<End> {
    // If the session is over, a client that does not read must not hold the connection forever.
    let flushed = if let Drained::Closed(_) = drained {
        tokio::time::timeout(CLOSE_TIMEOUT, writer.flush()).await.unwrap_or(Ok(()))
    } else {
        tokio::select! {
            flushed = writer.flush() => flushed,
            () = drain.ended() => return Some(end_of_superseded(session)),
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
        Drained::Superseded => Some(end_of_superseded(session)),
        Drained::Closed(CloseReason::TooLarge) => {
            Some(End::ByServer(WsClose::For(Fault::TooLarge)))
        }
        Drained::Closed(_) => Some(End::ByServer(WsClose::Plain)),
    }
}

/// The end of a connection when another transport has its session. Clients of lenient dialects must not
/// see it closed while the session is open.
fn end_of_superseded(session: &Session) -> End {
    let lenient = session.dialect().rules().requests == Requests::Lenient;
    if lenient && session.is_open() { End::Abandoned } else { End::ByServer(WsClose::Plain) }
}

fn message(frame: Frame, session: &Session) -> SocketMessage {
    match frame {
        Frame::Text(text) => SocketMessage::Text(text),
        Frame::Binary(data) => session.dialect().socket_binary(&data, session.wire()),
    }
}

/// The interval at which an abandoned connection checks whether its session is over.
const SESSION_CHECK: Duration = Duration::from_millis(500);

/// Keeps an abandoned connection open, and discards everything from it, until its session is over, the
/// client abandons another connection, or the client closes it. Packets that a proxy delayed until then do
/// no harm. Returns whether the client answered the close.
async fn keep_open(mut reader: WsReader, session: &Session) -> bool {
    // Its messages are discarded, so they have to be short.
    if !reader.set_max(CLOSING_MAX_MESSAGE) {
        return close(reader, WsClose::Plain).await;
    }
    let number = session.give_up_connection();
    let over = async {
        while session.is_open() && session.connections_given_up() == number {
            tokio::time::sleep(SESSION_CHECK).await;
        }
    };
    let left = async {
        while let WsEvent::Text(_) | WsEvent::Binary(_) | WsEvent::Alive | WsEvent::Partial(_) =
            reader.next().await
        {}
    };
    tokio::select! {
        () = over => {}
        () = left => {}
    }
    close(reader, WsClose::Plain).await
}

/// Closes a connection from the server's side: a close frame after everything written before, then up to
/// [`CLOSE_TIMEOUT`] for the client's close frame. Returns whether the client answered.
async fn close(mut reader: WsReader, with: WsClose) -> bool {
    let closing = async {
        if reader.close(with).await.is_err() {
            return;
        }
        let mut is_faulty = with != WsClose::Plain;
        while !is_faulty {
            match reader.next().await {
                WsEvent::Closed | WsEvent::Lost => return,
                event => is_faulty = matches!(event, WsEvent::Fault(_)),
            }
        }
        // Further bytes from the client are not parsed.
        reader.writer().hang_up(usize::MAX).await;
    };
    tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_ok()
}
