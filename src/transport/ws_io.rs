//! A WebSocket connection on a [`ConnWriter`]: events from the client, and packets to it.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::traffic::{Direction, Traffic};
use super::ws_frames::{Fault, FrameParser, Message};
use crate::dialect::{Dialect, Frame, SocketMessage, Wire};
use crate::engine::{Connection, DirectWriter, SendOutcome};
use crate::net::scratch::with_input;
use crate::net::{Broken, ConnWriter};

/// The most reads without an event before the task yields, because a message may have any number of
/// pieces.
const READS_BEFORE_YIELD: u8 = 16;
/// The bytes by which an incomplete message grows between two [`WsEvent::Partial`].
const PARTIAL_STEP: usize = 64 * 1024;
/// The most bytes of pongs that may wait for a client that does not read.
const PONGS_MAX: usize = 64 * 1024;

/// The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
pub(super) fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

/// An event from the client.
#[derive(Debug)]
pub(super) enum WsEvent {
    Text(String),
    Binary(Bytes),
    /// A ping or pong, which is a sign of life. A ping has been answered.
    Alive,
    /// A message is incomplete, and takes this many bytes of memory. Pings and pongs within a message give
    /// this event too: they are no sign of life, or the message could go on forever.
    Partial(usize),
    /// The client sent a close frame.
    Closed,
    /// The connection broke.
    Lost,
    /// The client sends pings, but does not read the pongs.
    NotReading,
    /// The client's bytes fail the connection.
    Fault(Fault),
}

/// The close frame that the server sends (RFC 6455 §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WsClose {
    /// Without a code, as the reference servers send it.
    Plain,
    /// With the code and reason of a fault.
    For(Fault),
}

/// Reads from the client, answers pings, and closes the connection.
pub(super) struct WsReader {
    frames: FrameParser,
    /// Bytes that were read and not parsed. Between two events it is empty, or holds further frames or the
    /// beginning of a header.
    unparsed: BytesMut,
    out: Arc<WsWriter>,
    /// An upper bound of the bytes of pongs that the client has not read.
    unread_pongs: usize,
    /// The server's close frame was written.
    close_written: bool,
    /// The payload of the client's close frame.
    client_close: Option<Bytes>,
    /// The bytes in the last [`WsEvent::Partial`], 0 outside of messages.
    reported: usize,
}

/// Writes packets and control frames. Tasks that queue packets call it too.
#[derive(Debug)]
pub(super) struct WsWriter(Arc<ConnWriter>, &'static Traffic);

/// Takes over a connection after its handshake. `early`: the bytes that came after the request.
/// `max_message`: the greatest length of a message from the client in bytes.
pub(super) fn open(
    writer: Arc<ConnWriter>,
    early: Bytes,
    max_message: usize,
) -> (Arc<WsWriter>, WsReader) {
    let out = Arc::new(WsWriter(writer, Traffic::of(&super::websocket::INFO)));
    let reader = WsReader {
        frames: FrameParser::new(max_message),
        unparsed: BytesMut::from(early),
        out: Arc::clone(&out),
        unread_pongs: 0,
        close_written: false,
        client_close: None,
        reported: 0,
    };
    (out, reader)
}

impl WsReader {
    /// Waits for the next event. Must not be called after [`WsEvent::Lost`], [`WsEvent::NotReading`] or
    /// [`WsEvent::Fault`].
    pub async fn next(&mut self) -> WsEvent {
        // A client that sends without a pause must not keep the thread from other tasks.
        tokio::task::consume_budget().await;
        if self.client_close.is_some() {
            return WsEvent::Closed;
        }
        if let Some(event) = self.parse_unparsed() {
            return event;
        }
        let mut reads = READS_BEFORE_YIELD;
        loop {
            match self.read() {
                Ok(Some(event)) => return event,
                Ok(None) => {
                    reads -= 1;
                    if reads == 0 {
                        tokio::task::yield_now().await;
                        reads = READS_BEFORE_YIELD;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.wait().await.is_err() {
                        return WsEvent::Lost;
                    }
                }
                Err(_) => return WsEvent::Lost,
            }
        }
    }

    /// Reads once. `None` if the bytes complete no event.
    fn read(&mut self) -> io::Result<Option<WsEvent>> {
        with_input(|input| {
            let count = self.writer().stream().try_read(input)?;
            let input = &mut input[..count];
            Ok(if input.is_empty() {
                Some(WsEvent::Lost)
            } else if self.unparsed.is_empty() {
                let (used, message) = self.frames.parse(input);
                self.unparsed.extend_from_slice(&input[used..]);
                self.event_of(message)
            } else {
                self.unparsed.extend_from_slice(input);
                self.parse_unparsed()
            })
        })
    }

    fn parse_unparsed(&mut self) -> Option<WsEvent> {
        if self.unparsed.is_empty() {
            return None;
        }
        let (used, message) = self.frames.parse(&mut self.unparsed);
        self.unparsed.advance(used);
        if self.unparsed.is_empty() {
            self.unparsed = BytesMut::new();
        }
        self.event_of(message)
    }

    fn event_of(&mut self, message: Result<Option<Message>, Fault>) -> Option<WsEvent> {
        let held = self.frames.held();
        let grown = held.saturating_sub(self.reported);
        self.reported = if held == 0 { 0 } else { self.reported };
        Some(match message {
            Ok(None) if grown < PARTIAL_STEP => return None,
            Ok(None) => {
                self.reported = held;
                WsEvent::Partial(held)
            }
            Ok(Some(Message::Text(text))) => {
                self.out.1.count(Direction::In, 1, text.len());
                WsEvent::Text(text)
            }
            Ok(Some(Message::Binary(data))) => {
                self.out.1.count(Direction::In, 1, data.len());
                WsEvent::Binary(data)
            }
            Ok(Some(Message::Ping(data))) => self.answer_ping(&data),
            Ok(Some(Message::Pong)) => self.sign_of_life(),
            Ok(Some(Message::Close(payload))) => {
                self.client_close = Some(payload);
                WsEvent::Closed
            }
            Err(fault) => WsEvent::Fault(fault),
        })
    }

    fn answer_ping(&mut self, data: &[u8]) -> WsEvent {
        if self.close_written {
            return self.sign_of_life();
        }
        let pong = OpCode::Control(Control::Pong);
        let all_sent = self.out.0.write(|out| append_frame(out, pong, data));
        self.unread_pongs = if all_sent { 0 } else { self.unread_pongs + data.len() + 2 };
        if self.unread_pongs > PONGS_MAX { WsEvent::NotReading } else { self.sign_of_life() }
    }

    fn sign_of_life(&self) -> WsEvent {
        match self.frames.in_message() {
            true => WsEvent::Partial(self.frames.held()),
            false => WsEvent::Alive,
        }
    }

    /// Sets the greatest length of a message in bytes. Returns false, and changes nothing, if an incomplete
    /// message is longer already.
    pub fn set_max(&mut self, max: usize) -> bool {
        self.frames.set_max(max)
    }

    pub fn writer(&self) -> &ConnWriter {
        &self.out.0
    }

    /// Waits until there is something to read. Meanwhile, flushes.
    async fn wait(&self) -> Result<(), Broken> {
        let out = self.writer();
        let mut readable = poll_fn(|cx| out.stream().poll_read_ready(cx));
        if out.is_clear() {
            return readable.await.map_err(|_| Broken);
        }
        // Rare, so the flush is boxed to keep this future small.
        tokio::select! {
            readable = &mut readable => readable.map_err(|_| Broken),
            flushed = Box::pin(out.flush()) => flushed,
        }
    }

    /// Sends a close frame after everything written before. If the client has sent one, its payload is
    /// repeated as the answer.
    pub async fn close(&mut self, close: WsClose) -> Result<(), Broken> {
        if !std::mem::replace(&mut self.close_written, true) {
            let payload = match (&self.client_close, close) {
                (Some(theirs), _) => theirs.to_vec(),
                (None, WsClose::Plain) => Vec::new(),
                (None, WsClose::For(fault)) => {
                    [&fault.code().to_be_bytes(), fault.reason().as_bytes()].concat()
                }
            };
            self.out.0.write(|out| append_frame(out, OpCode::Control(Control::Close), &payload));
        }
        self.out.0.flush().await
    }
}

impl WsWriter {
    /// Writes packets. Returns whether the connection took all bytes; [`WsWriter::flush`] waits for the rest.
    pub fn write_packets(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> bool {
        self.0.write(|out| {
            let before = out.len();
            for frame in frames {
                match frame {
                    Frame::Text(text) => {
                        let text = wire.socket_strings.encode(text);
                        append_frame(out, OpCode::Data(Data::Text), &text);
                    }
                    Frame::Binary(data) => append_message(out, &dialect.socket_binary(data, wire)),
                }
            }
            self.1.count(Direction::Out, frames.len(), out.len() - before);
        })
    }

    pub fn write_message(&self, message: &SocketMessage) {
        self.0.write(|out| append_message(out, message));
    }

    /// Writes a ping, which every client answers.
    pub fn write_ping(&self) {
        self.0.write(|out| append_frame(out, OpCode::Control(Control::Ping), &[]));
    }

    pub async fn flush(&self) -> Result<(), Broken> {
        self.0.flush().await
    }

    /// Resets the connection.
    pub fn cut(&self) {
        self.0.cut();
    }
}

impl DirectWriter for WsWriter {
    /// Called under the session's lock. The writer's lock comes after it in the lock order (session → writer
    /// → TLS).
    fn try_send(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> SendOutcome {
        if self.write_packets(frames, dialect, wire) {
            SendOutcome::Sent
        } else {
            SendOutcome::Stuck
        }
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::clone(&self.0) as Arc<dyn Connection>)
    }
}

fn append_message(out: &mut Vec<u8>, message: &SocketMessage) {
    match message {
        SocketMessage::Text(text) => append_frame(out, OpCode::Data(Data::Text), text),
        SocketMessage::Binary(data) => append_frame(out, OpCode::Data(Data::Binary), data),
    }
}

/// Appends a complete message or control frame. A server does not mask its frames.
fn append_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    // Writing to a `Vec` cannot fail.
    let _ = header.format(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::net::{ByteStream, ConnWriter};

    #[tokio::test]
    async fn who_reads_no_answers_is_deaf_once_they_are_so_many_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = ByteStream::plain(listener.accept().await.unwrap().0);
        let (out, mut reader) = open(Arc::new(ConnWriter::new(stream, None)), Bytes::new(), 1000);
        for size in [0, 62] {
            reader.unread_pongs = 0;
            while out.0.write(|out| out.resize(1 << 16, 0)) {}
            for _ in 0..PONGS_MAX / (size + 2) {
                assert!(matches!(reader.answer_ping(&vec![0; size]), WsEvent::Alive));
            }
            assert!(matches!(reader.answer_ping(&vec![0; size]), WsEvent::NotReading), "{size}");
        }
    }

    #[test]
    fn frames_are_whole_and_bare() {
        let mut out = Vec::new();
        append_message(&mut out, &SocketMessage::Text("42[]".into()));
        append_message(&mut out, &SocketMessage::Binary(vec![7; 126].into()));
        append_frame(&mut out, OpCode::Control(Control::Ping), &[]);
        assert_eq!(out[..10], *b"\x81\x0442[]\x82\x7e\x00\x7e");
        assert_eq!(out[out.len() - 3..], *b"\x07\x89\x00");
        assert_eq!(out.len(), 6 + 4 + 126 + 2);
    }
}
