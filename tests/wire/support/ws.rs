//! A WebSocket client of a few lines (RFC 6455 §5): masks, frames, nothing else.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Answer, Header, Http, request};
use super::soon;

pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What RFC 6455 §1.3 has for an answer to [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The headers of a good upgrade request.
pub const UPGRADE: [Header<'static>; 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
];

const MASK: [u8; 4] = [0x5a, 0x01, 0xff, 0x80];

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
/// The bit of the first byte that says: no more fragments.
pub const FIN: u8 = 0x80;

#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame, with its code if it has one.
    Close(Option<u16>),
    /// The connection ended.
    End,
}

/// An open WebSocket.
pub struct Ws {
    stream: TcpStream,
    input: Vec<u8>,
    /// Whether pings are answered, as every client does.
    pub pongs: bool,
}

/// Masks and frames a payload; `first` is opcode and flags.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    let (words, rest) = bytes[start..].as_chunks_mut();
    // Some tests send megabytes.
    words.iter_mut().for_each(|word| {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(MASK)).to_ne_bytes();
    });
    rest.iter_mut().zip(MASK).for_each(|(byte, mask)| *byte ^= mask);
    bytes
}

impl Ws {
    /// Opens a WebSocket that the server must accept.
    pub async fn open(addr: SocketAddr, target: &str) -> Self {
        let (ws, answer) = Self::attempt(addr, target, &UPGRADE).await;
        ws.unwrap_or_else(|| panic!("no WebSocket: {} {}", answer.status, answer.text()))
    }

    /// Sends an upgrade request, and returns what came of it.
    pub async fn attempt(
        addr: SocketAddr,
        target: &str,
        headers: &[Header<'_>],
    ) -> (Option<Self>, Answer) {
        let http = Http::open(addr).await;
        Self::attempt_on(http, target, headers).await
    }

    /// [`Ws::attempt`] on a given connection.
    pub async fn attempt_on(
        mut http: Http,
        target: &str,
        headers: &[Header<'_>],
    ) -> (Option<Self>, Answer) {
        http.send(&request("GET", target, headers, b"")).await;
        let answer = http.answer().await;
        if answer.status != 101 {
            return (None, answer);
        }
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(answer.header("sec-websocket-extensions"), None);
        let (stream, input) = http.into_parts();
        (Some(Self::from_stream(stream, input)), answer)
    }

    /// Wraps a stream on which the handshake is done, and what was read after it.
    pub fn from_stream(stream: TcpStream, input: Vec<u8>) -> Self {
        Ws { stream, input, pongs: true }
    }

    pub async fn send(&mut self, text: &str) {
        self.raw(&frame(FIN | TEXT, text.as_bytes())).await;
    }

    pub async fn send_binary(&mut self, data: &[u8]) {
        self.raw(&frame(FIN | BINARY, data)).await;
    }

    pub async fn ping(&mut self, data: &[u8]) {
        self.raw(&frame(FIN | PING, data)).await;
    }

    /// A close frame, as a client sends it that leaves in good order.
    pub async fn close(&mut self) {
        self.raw(&frame(FIN | CLOSE, &1000u16.to_be_bytes())).await;
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        // The server may have hung up already; what it said before is still to be read.
        let _ = self.all_taken(bytes).await;
    }

    /// Whether the server's end of the connection took all of that.
    pub async fn all_taken(&mut self, bytes: &[u8]) -> bool {
        soon("all to be sent", self.stream.write_all(bytes)).await.is_ok()
    }

    /// Breaks the connection as a crash does, with a reset.
    pub fn abort(self) {
        self.stream.set_zero_linger().expect("a TCP stream");
    }

    /// The next frame that is no ping.
    pub async fn next(&mut self) -> Frame {
        loop {
            match self.any().await {
                Frame::Ping(data) if self.pongs => self.raw(&frame(FIN | PONG, &data)).await,
                Frame::Ping(_) => {}
                frame => return frame,
            }
        }
    }

    /// The next frame, which must be text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Frame::Text(text) => text,
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The next frame, which must be binary.
    pub async fn binary(&mut self) -> Vec<u8> {
        match self.next().await {
            Frame::Binary(data) => data,
            other => panic!("expected binary, got {other:?}"),
        }
    }

    /// Asserts that the server closes now, without a packet first; returns the code.
    pub async fn closed(&mut self) -> Option<u16> {
        match self.next().await {
            Frame::Close(code) => {
                self.answer_close(code).await;
                assert_eq!(self.next().await, Frame::End, "nothing follows a close frame");
                code
            }
            Frame::End => None,
            other => panic!("expected the end, got {other:?}"),
        }
    }

    /// The answer to the server's close frame.
    pub async fn answer_close(&mut self, code: Option<u16>) {
        let echo = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
        self.raw(&frame(FIN | CLOSE, &echo)).await;
    }

    /// Whether the connection was broken from the other side, by a reset.
    pub fn is_reset(&self) -> bool {
        !matches!(self.stream.take_error(), Ok(None))
    }

    /// Reads so many bytes at most, whatever they are, if there are any. False if the connection has ended.
    pub fn drop_some(&mut self, bytes: usize) -> bool {
        self.input.clear();
        match self.stream.try_read(&mut vec![0; bytes]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Whether nothing has come from the server that was not read, its end included.
    pub fn is_silent(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(&self.stream).peek(&mut byte);
        self.input.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The next frame, pings included.
    pub async fn any(&mut self) -> Frame {
        let Some(head) = self.take(2).await else { return Frame::End };
        assert_eq!(head[0] & 0xf0, FIN, "no fragments and no extensions: {:#x}", head[0]);
        assert_eq!(head[1] & 0x80, 0, "servers do not mask");
        let length = match head[1] {
            126 => self.number(2).await,
            127 => self.number(8).await,
            length => Some(u64::from(length)),
        };
        let Some(length) = length else { return Frame::End };
        let Some(payload) = self.take(length as usize).await else { return Frame::End };
        match head[0] & 0x0f {
            TEXT => Frame::Text(String::from_utf8(payload).expect("text of UTF-8")),
            BINARY => Frame::Binary(payload),
            CLOSE => Frame::Close(payload.first_chunk().copied().map(u16::from_be_bytes)),
            PING => Frame::Ping(payload),
            PONG => Frame::Pong(payload),
            other => panic!("opcode {other}"),
        }
    }

    /// The first bytes of what comes next, which stay there to be read.
    pub async fn peek(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            assert!(self.more().await, "the server hung up");
        }
        self.input[..count].to_vec()
    }

    /// The next bytes, whatever they are.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.take(count).await.expect("not the end")
    }

    async fn number(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.take(bytes).await?;
        Some(bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.input.len() < length {
            if !self.more().await {
                return None;
            }
        }
        Some(self.input.drain(..length).collect())
    }

    async fn more(&mut self) -> bool {
        let read = soon("a frame", self.stream.read_buf(&mut self.input)).await;
        read.is_ok_and(|count| count > 0)
    }
}
