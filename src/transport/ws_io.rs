//! WebSocket connections, without the types of the library that frames them.

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::dialect::SocketMessage;

/// Bytes read at a time: most packets of a chat are smaller. As much is resident for the life of a
/// connection; the library's default is 128 KiB.
const READ_BUFFER: usize = 1024;
/// Bytes of outbound messages that are put together before they are written.
const WRITE_BUFFER: usize = 16 * 1024;

type Io = WebSocketStream<TokioIo<Upgraded>>;

/// The `Sec-WebSocket-Accept` that answers a key.
pub(super) fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

/// What a client sent.
#[derive(Debug)]
pub(super) enum WsEvent {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// A ping or pong: a sign of life, answered already where it wants an answer.
    Alive,
    /// The client closed the connection in good order.
    Closed,
    /// The connection broke.
    Lost,
    /// A message over the limit.
    TooLarge,
    /// Something that is not WebSocket.
    Garbage,
}

/// Why we close a connection, as its close frame says it (RFC 6455 §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WsClose {
    /// No code, as the reference servers do.
    Plain,
    TooLarge,
    Garbage,
}

pub(super) struct WsReader(SplitStream<Io>);
pub(super) struct WsWriter(SplitSink<Io, Message>);

/// Takes over an upgraded connection. `max_message` bounds inbound messages, in bytes.
pub(super) async fn open(upgraded: Upgraded, max_message: usize) -> (WsWriter, WsReader) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let io = TokioIo::new(upgraded);
    let (writer, reader) =
        WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await.split();
    (WsWriter(writer), WsReader(reader))
}

impl WsReader {
    /// The next event; [`WsEvent::Lost`] for ever after the end.
    pub async fn next(&mut self) -> WsEvent {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => WsEvent::Text(text),
            Some(Ok(Message::Binary(data))) => WsEvent::Binary(data),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => WsEvent::Alive,
            Some(Ok(Message::Close(_))) => WsEvent::Closed,
            Some(Err(WsError::Capacity(CapacityError::MessageTooLong { .. }))) => WsEvent::TooLarge,
            Some(Err(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                WsEvent::Lost
            }
            Some(Err(WsError::Protocol(_) | WsError::Utf8(_))) => WsEvent::Garbage,
            Some(Err(WsError::ConnectionClosed)) => WsEvent::Closed,
            Some(Err(_)) | None => WsEvent::Lost,
        }
    }
}

/// Ends a connection of which nothing more is wanted. What the client is still sending is read and
/// dropped: closed with something unread, the connection would be reset, and the close frame lost.
pub(super) async fn hang_up(writer: WsWriter, reader: WsReader) {
    let Ok(socket) = reader.0.reunite(writer.0) else { return };
    let mut io = socket.into_inner();
    if io.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut io, &mut tokio::io::sink()).await;
    }
}

/// The connection does not take any more.
#[derive(Debug)]
pub(super) struct Broken;

impl WsWriter {
    /// Queues a message; [`WsWriter::flush`] sends all that is queued in as few writes as it can.
    pub async fn feed(&mut self, message: SocketMessage) -> Result<(), Broken> {
        let (data, code) = match message {
            SocketMessage::Text(text) => (text, Data::Text),
            SocketMessage::Binary(data) => (data, Data::Binary),
        };
        // Built as a frame because the text is known to be UTF-8, and shared by many connections.
        let frame = Frame::message(data, OpCode::Data(code), true);
        self.0.feed(Message::Frame(frame)).await.map_err(|_| Broken)
    }

    /// Queues a ping, which every client answers.
    pub async fn ping(&mut self) -> Result<(), Broken> {
        self.0.feed(Message::Ping(Bytes::new())).await.map_err(|_| Broken)
    }

    pub async fn flush(&mut self) -> Result<(), Broken> {
        self.0.flush().await.map_err(|_| Broken)
    }

    /// Sends a close frame, after what is queued.
    pub async fn close(&mut self, close: WsClose) -> Result<(), Broken> {
        let frame = |code, reason: &'static str| {
            Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
        };
        let message = Message::Close(match close {
            WsClose::Plain => None,
            WsClose::TooLarge => frame(CloseCode::Size, "payload too large"),
            WsClose::Garbage => frame(CloseCode::Protocol, "protocol error"),
        });
        self.0.send(message).await.map_err(|_| Broken)
    }
}
