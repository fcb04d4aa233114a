//! WebSocket connections: bytes of a [`ConnWriter`], as what the client said and as packets on their way out.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::ws_frames::{Fault, Frames, Said};
use crate::dialect::{Dialect, Frame, SocketMessage, Wire};
use crate::engine::{Connection, DirectWriter, SendOutcome};
use crate::net::scratch::with_input;
use crate::net::{Broken, ConnWriter};

/// Reads in a row: a message may have pieces without end.
const READS: u8 = 16;
/// Bytes by which a message grows until that is told again.
const STEP: usize = 64 * 1024;
/// Bytes of answers to pings that may wait for a client that does not read.
const ANSWERS_MAX: usize = 64 * 1024;

/// The `Sec-WebSocket-Accept` that answers a key.
pub(super) fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

/// What became of waiting for the client.
#[derive(Debug)]
pub(super) enum WsEvent {
    Text(String),
    Binary(Bytes),
    /// A ping or pong: a sign of life, answered already where it wants an answer.
    Alive,
    /// Nothing that is whole: of a message so many bytes are here. Pings in its midst are no sign of life, or it need
    /// never come to its end.
    Begun(usize),
    /// The client closed the connection in good order.
    Closed,
    /// The connection broke.
    Lost,
    /// A client that sends pings and does not read the answers.
    Deaf,
    /// What the client sent fails the connection.
    Faulty(Fault),
}

/// How we close a connection, as its close frame says it (RFC 6455 §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WsClose {
    /// No code, as the reference servers do.
    Plain,
    For(Fault),
}

/// Reads what the client sends, and closes.
pub(super) struct WsReader {
    frames: Frames,
    /// What was read and not looked at; empty but for moments and halves of headers.
    rest: BytesMut,
    out: Arc<WsWriter>,
    /// Bytes of answers that the client has not read, at most.
    unread: usize,
    /// Our close frame is put.
    closed: bool,
    /// The payload of the client's close frame.
    close: Option<Bytes>,
    /// What was last told of a message that is not whole, in bytes.
    begun: usize,
}

/// Writes packets, from wherever they come.
#[derive(Debug)]
pub(super) struct WsWriter(Arc<ConnWriter>);

/// Takes over a connection after its handshake. `early` came with the request, `max_message` bounds
/// inbound messages, in bytes.
pub(super) fn open(
    writer: Arc<ConnWriter>,
    early: Bytes,
    max_message: usize,
) -> (Arc<WsWriter>, WsReader) {
    let out = Arc::new(WsWriter(writer));
    let reader = WsReader {
        frames: Frames::new(max_message),
        rest: BytesMut::from(early),
        out: Arc::clone(&out),
        unread: 0,
        closed: false,
        close: None,
        begun: 0,
    };
    (out, reader)
}

impl WsReader {
    /// The next event. After the end, and after a fault, there is nothing to be asked for.
    pub async fn next(&mut self) -> WsEvent {
        // Who sends without a pause must not have the thread for itself.
        tokio::task::consume_budget().await;
        if self.close.is_some() {
            return WsEvent::Closed;
        }
        if let Some(event) = self.look_at_rest() {
            return event;
        }
        let mut reads = READS;
        loop {
            match self.read() {
                Ok(Some(event)) => return event,
                Ok(None) => {
                    reads -= 1;
                    if reads == 0 {
                        tokio::task::yield_now().await;
                        reads = READS;
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

    /// Reads once; `None` if what came is not enough for an event.
    fn read(&mut self) -> io::Result<Option<WsEvent>> {
        with_input(|input| {
            let count = self.writer().stream().try_read(input)?;
            let input = &mut input[..count];
            Ok(if input.is_empty() {
                Some(WsEvent::Lost)
            } else if self.rest.is_empty() {
                let (used, said) = self.frames.read(input);
                self.rest.extend_from_slice(&input[used..]);
                self.event_of(said)
            } else {
                self.rest.extend_from_slice(input);
                self.look_at_rest()
            })
        })
    }

    fn look_at_rest(&mut self) -> Option<WsEvent> {
        if self.rest.is_empty() {
            return None;
        }
        let (used, said) = self.frames.read(&mut self.rest);
        self.rest.advance(used);
        if self.rest.is_empty() {
            self.rest = BytesMut::new();
        }
        self.event_of(said)
    }

    fn event_of(&mut self, said: Result<Option<Said>, Fault>) -> Option<WsEvent> {
        let begun = self.frames.held();
        let grown = begun.saturating_sub(self.begun);
        self.begun = if begun == 0 { 0 } else { self.begun };
        Some(match said {
            Ok(None) if grown < STEP => return None,
            Ok(None) => {
                self.begun = begun;
                WsEvent::Begun(begun)
            }
            Ok(Some(Said::Text(text))) => WsEvent::Text(text),
            Ok(Some(Said::Binary(data))) => WsEvent::Binary(data),
            Ok(Some(Said::Ping(data))) => self.answer(&data),
            Ok(Some(Said::Pong)) => self.alive(),
            Ok(Some(Said::Close(payload))) => {
                self.close = Some(payload);
                WsEvent::Closed
            }
            Err(fault) => WsEvent::Faulty(fault),
        })
    }

    fn answer(&mut self, data: &[u8]) -> WsEvent {
        if self.closed {
            return self.alive();
        }
        let clear = self.out.0.write(|out| write_frame(out, OpCode::Control(Control::Pong), data));
        self.unread = if clear { 0 } else { self.unread + data.len() + 2 };
        if self.unread > ANSWERS_MAX { WsEvent::Deaf } else { self.alive() }
    }

    fn alive(&self) -> WsEvent {
        if self.frames.is_amid() { WsEvent::Begun(self.frames.held()) } else { WsEvent::Alive }
    }

    /// Takes no message of more than `max` bytes from here on. False if more has been begun already.
    pub fn limit(&mut self, max: usize) -> bool {
        self.frames.limit(max)
    }

    pub fn writer(&self) -> &ConnWriter {
        &self.out.0
    }

    async fn wait(&self) -> Result<(), Broken> {
        let out = self.writer();
        let mut readable = poll_fn(|cx| out.stream().poll_read_ready(cx));
        if out.is_clear() {
            return readable.await.map_err(|_| Broken);
        }
        // Seldom, and boxed for that.
        tokio::select! {
            readable = &mut readable => readable.map_err(|_| Broken),
            flushed = Box::pin(out.flush()) => flushed,
        }
    }

    /// Sends a close frame, after what was put before: the answer to the client's, if that came already.
    pub async fn close(&mut self, close: WsClose) -> Result<(), Broken> {
        if !std::mem::replace(&mut self.closed, true) {
            let payload = match (&self.close, close) {
                (Some(theirs), _) => theirs.to_vec(),
                (None, WsClose::Plain) => Vec::new(),
                (None, WsClose::For(fault)) => {
                    [&fault.code().to_be_bytes(), fault.reason().as_bytes()].concat()
                }
            };
            self.out.0.write(|out| write_frame(out, OpCode::Control(Control::Close), &payload));
        }
        self.out.0.flush().await
    }
}

impl WsWriter {
    /// Puts packets; [`WsWriter::flush`] waits until they are gone.
    pub fn put(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> bool {
        self.0.write(|out| {
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
        self.0.write(|out| write_message(out, message));
    }

    /// Puts a ping, which every client answers.
    pub fn put_ping(&self) {
        self.0.write(|out| write_frame(out, OpCode::Control(Control::Ping), &[]));
    }

    pub async fn flush(&self) -> Result<(), Broken> {
        self.0.flush().await
    }
}

impl DirectWriter for WsWriter {
    fn try_send(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> SendOutcome {
        if self.put(frames, dialect, wire) { SendOutcome::Sent } else { SendOutcome::Stuck }
    }

    fn connection(&self) -> Option<Arc<dyn Connection>> {
        Some(Arc::clone(&self.0) as Arc<dyn Connection>)
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
            reader.unread = 0;
            while out.0.write(|out| out.resize(1 << 16, 0)) {}
            for _ in 0..ANSWERS_MAX / (size + 2) {
                assert!(matches!(reader.answer(&vec![0; size]), WsEvent::Alive));
            }
            assert!(matches!(reader.answer(&vec![0; size]), WsEvent::Deaf), "{size}");
        }
    }

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
