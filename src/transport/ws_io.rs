//! WebSocket connections, without the types of the library that frames them.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, FrameHeader};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Result as WsResult, Utf8Bytes};

use super::{Broken, Link};
use crate::dialect::{Dialect, Frame, SocketMessage, Wire};
use crate::engine::{Sink, Taken};

/// Bytes read at a time: most packets of a chat are smaller. As much is resident for the life of a
/// connection; the library's default is 128 KiB.
const READ_BUFFER: usize = 512;
/// Reads in a row: a message may have pieces without end.
const READS: u8 = 128;
/// Bytes of answers to pings that may wait for a client that does not read.
const ANSWERS_MAX: usize = 64 * 1024;

/// The `Sec-WebSocket-Accept` that answers a key.
pub(super) fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

/// What a client sent.
#[derive(Debug)]
pub(super) enum WsEvent {
    Text(WsText),
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

/// The text of a message.
#[derive(Debug)]
pub(super) struct WsText(Utf8Bytes);

impl std::ops::Deref for WsText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Why we close a connection, as its close frame says it (RFC 6455 §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WsClose {
    /// No code, as the reference servers do.
    Plain,
    TooLarge,
    Garbage,
}

/// Reads what the client sends, and closes.
pub(super) struct WsReader {
    context: WebSocketContext,
    io: Io,
}

/// Writes packets, from wherever they come.
#[derive(Debug)]
pub(super) struct WsWriter(Arc<Link>);

/// What the library reads from and answers on.
struct Io {
    /// What came with the request.
    early: Bytes,
    out: Arc<WsWriter>,
    /// Bytes of answers that the client has not read, at most.
    unread: usize,
    /// Reads until others have their turn.
    reads: u8,
}

/// Takes over a connection after its handshake. `early` came with the request, `max_message` bounds
/// inbound messages, in bytes.
pub(super) fn open(link: Arc<Link>, early: Bytes, max_message: usize) -> (Arc<WsWriter>, WsReader) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        // Answers go out at once.
        .write_buffer_size(0)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let out = Arc::new(WsWriter(link));
    let io = Io { early, out: Arc::clone(&out), unread: 0, reads: READS };
    (out, WsReader { context: WebSocketContext::new(Role::Server, Some(config)), io })
}

impl WsReader {
    /// The next event. After the end there is nothing to be asked for.
    pub async fn next(&mut self) -> WsEvent {
        // Who sends without a pause must not have the thread for itself.
        tokio::task::consume_budget().await;
        loop {
            let event = self.context.read(&mut self.io);
            match event {
                Err(WsError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if std::mem::replace(&mut self.io.reads, READS) == 0 {
                        tokio::task::yield_now().await;
                    } else if self.wait().await.is_err() {
                        return WsEvent::Lost;
                    }
                }
                event => return event_of(event),
            }
        }
    }

    pub fn link(&self) -> &Link {
        &self.io.out.0
    }

    async fn wait(&self) -> Result<(), Broken> {
        let out = self.link();
        let mut readable = poll_fn(|cx| out.pipe().poll_read_ready(cx));
        if out.is_clear() {
            return readable.await.map_err(|_| Broken);
        }
        // Seldom, and boxed for that.
        tokio::select! {
            readable = &mut readable => readable.map_err(|_| Broken),
            flushed = Box::pin(out.flush()) => flushed,
        }
    }

    /// Sends a close frame, after what was put before.
    pub async fn close(&mut self, close: WsClose) -> Result<(), Broken> {
        let frame = |code, reason: &'static str| {
            Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
        };
        let frame = match close {
            WsClose::Plain => None,
            WsClose::TooLarge => frame(CloseCode::Size, "payload too large"),
            WsClose::Garbage => frame(CloseCode::Protocol, "protocol error"),
        };
        let _ = self.context.close(&mut self.io, frame);
        self.io.out.flush().await
    }

    /// Sends the answer to the client's close frame.
    pub async fn answer_close(&mut self) -> Result<(), Broken> {
        let _ = self.context.flush(&mut self.io);
        self.io.out.flush().await
    }
}

fn event_of(read: WsResult<Message>) -> WsEvent {
    match read {
        Ok(Message::Text(text)) => WsEvent::Text(WsText(text)),
        Ok(Message::Binary(data)) => WsEvent::Binary(data),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => WsEvent::Alive,
        Ok(Message::Close(_)) => WsEvent::Closed,
        Err(WsError::Capacity(CapacityError::MessageTooLong { .. })) => WsEvent::TooLarge,
        Err(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => WsEvent::Lost,
        Err(WsError::Protocol(_) | WsError::Utf8(_)) => WsEvent::Garbage,
        Err(WsError::ConnectionClosed) => WsEvent::Closed,
        Err(_) => WsEvent::Lost,
    }
}

impl Read for Io {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reads == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.reads -= 1;
        if self.early.is_empty() {
            return self.out.0.pipe().try_read(buffer);
        }
        let count = self.early.len().min(buffer.len());
        self.early.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Write for Io {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let clear = self.out.0.put(|out| out.extend_from_slice(bytes));
        self.unread = if clear { 0 } else { self.unread + bytes.len() };
        if self.unread > ANSWERS_MAX {
            // A client that asks and asks, and does not read.
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WsWriter {
    /// Puts packets; [`WsWriter::flush`] waits until they are gone.
    pub fn put(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> bool {
        self.0.put(|out| {
            for frame in frames {
                match frame {
                    Frame::Text(text) => write_frame(out, OpCode::Data(Data::Text), text),
                    Frame::Binary(data) => write_message(out, &dialect.socket_binary(data, wire)),
                }
            }
        })
    }

    /// Puts one message.
    pub fn put_message(&self, message: &SocketMessage) {
        self.0.put(|out| write_message(out, message));
    }

    /// Puts a ping, which every client answers.
    pub fn put_ping(&self) {
        self.0.put(|out| write_frame(out, OpCode::Control(Control::Ping), &[]));
    }

    pub async fn flush(&self) -> Result<(), Broken> {
        self.0.flush().await
    }
}

impl Sink for WsWriter {
    fn take(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> Taken {
        if self.put(frames, dialect, wire) { Taken::All } else { Taken::Stuck }
    }
}

fn write_message(out: &mut Vec<u8>, message: &SocketMessage) {
    match message {
        SocketMessage::Text(text) => write_frame(out, OpCode::Data(Data::Text), text),
        SocketMessage::Binary(data) => write_frame(out, OpCode::Data(Data::Binary), data),
    }
}

/// Frames of a server are whole messages, and not masked.
fn write_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    // Nothing can fail in memory.
    let _ = header.format(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_and_bare() {
        let mut out = Vec::new();
        write_message(&mut out, &SocketMessage::Text("42[]".into()));
        write_message(&mut out, &SocketMessage::Binary(vec![7; 126].into()));
        write_frame(&mut out, OpCode::Control(Control::Ping), &[]);
        assert_eq!(out[..10], *b"\x81\x0442[]\x82\x7e\x00\x7e");
        assert_eq!(out[out.len() - 3..], *b"\x07\x89\x00");
        assert_eq!(out.len(), 6 + 4 + 126 + 2);
    }
}
