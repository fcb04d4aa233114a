//! HTTP/1.1 over a TCP stream: exact bytes out, status, headers and body in.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::soon;

/// One connection.
pub struct Http {
    stream: TcpStream,
    input: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Name and value.
pub type Header<'a> = (&'a str, &'a str);

impl Answer {
    /// The value of a header that is there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        assert!(values.next().is_none(), "two headers {name}");
        Some(value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text()))
    }

    /// Asserts that this is an error of the table in engineio.md §10, as polling clients get it.
    pub fn assert_error(&self, status: u16, code: u64, message: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        let json = self.json();
        assert!(json["code"].is_u64(), "the code is an integer: {json}");
        assert_eq!((json["code"].as_u64(), json["message"].as_str()), (Some(code), Some(message)));
    }

    /// Asserts that this is an error as upgrade requests get it: the message alone.
    pub fn assert_upgrade_error(&self, message: &str) {
        assert_eq!((self.status, self.text()), (400, message));
        assert_eq!(self.header("content-type"), Some("text/html"));
    }

    /// Asserts that a POST was taken.
    pub fn assert_ok(&self) {
        assert_eq!((self.status, self.text()), (200, "ok"));
        // Any other type opens a download dialog in the iframe that JSONP posts into.
        assert_eq!(self.header("content-type"), Some("text/html"));
    }
}

/// Writes a request. A body gets its `Content-Length`; one header named so overrides it.
pub fn request(method: &str, target: &str, headers: &[Header<'_>], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: parlance.test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let sized = headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    });
    if !sized && (!body.is_empty() || method == "POST") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// One request on a connection of its own.
pub async fn fetch(
    addr: SocketAddr,
    method: &str,
    target: &str,
    headers: &[Header<'_>],
    body: &[u8],
) -> Answer {
    Http::open(addr).await.request(method, target, headers, body).await
}

impl Http {
    pub async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server accepts");
        stream.set_nodelay(true).expect("a TCP stream");
        Self::from_stream(stream)
    }

    /// A connection from another address of this machine.
    pub async fn open_from(source: [u8; 4], addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("an address of this machine");
        Self::from_stream(socket.connect(addr).await.expect("the server accepts"))
    }

    /// A connection whose system takes as little as it can before it is read.
    pub async fn narrow(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a TCP socket");
        Self::from_stream(socket.connect(addr).await.expect("the server accepts"))
    }

    pub fn from_stream(stream: TcpStream) -> Self {
        Http { stream, input: Vec::new() }
    }

    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[Header<'_>],
        body: &[u8],
    ) -> Answer {
        self.send(&request(method, target, headers, body)).await;
        if method == "HEAD" { self.head().await } else { self.answer().await }
    }

    pub async fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, &[], b"").await
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
    }

    /// Sends what the server may refuse to read to its end.
    pub async fn send_perhaps(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads one response.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let chunked = answer.header("transfer-encoding") == Some("chunked");
        let length = answer.header("content-length").map(|n| n.parse().expect("a length"));
        answer.body = match length {
            _ if matches!(answer.status, 101 | 204 | 304) => Vec::new(),
            _ if chunked => {
                let mut body = Vec::new();
                while let Some(chunk) = self.chunk().await {
                    body.extend(chunk);
                }
                body
            }
            Some(length) => self.take(length).await,
            None => self.rest().await,
        };
        answer
    }

    /// Reads status and headers, and leaves the body.
    pub async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = find(&self.input, b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.more().await,
                "the server hung up: {:?}",
                String::from_utf8_lossy(&self.input)
            );
        };
        let head: Vec<u8> = self.input.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().expect("a status line");
        // Who asks by HTTP/1.0 is answered so.
        let known = ["HTTP/1.1 ", "HTTP/1.0 "];
        let status = known.iter().find_map(|version| status_line.strip_prefix(version));
        let status = status.and_then(|rest| rest[..3].parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("name and value");
            (name.to_owned(), value.trim().to_owned())
        };
        let status = status.unwrap_or_else(|| panic!("no HTTP/1 answer: {status_line}"));
        Answer { status, headers: lines.map(header).collect(), body: Vec::new() }
    }

    /// Reads one chunk of a chunked body; `None` is its end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            match find(&self.input, b"\r\n") {
                Some(at) => break at,
                None => assert!(self.more().await, "the server hung up in a body"),
            }
        };
        let line: Vec<u8> = self.input.drain(..end + 2).collect();
        let size = std::str::from_utf8(&line[..end]).ok();
        let size =
            size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a chunk size");
        let mut chunk = self.take(size + 2).await;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Reads until the server hangs up.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.input)
    }

    /// The client's end of the connection.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a TCP stream")
    }

    /// Breaks the connection as a crash does, with a reset.
    pub fn abort(self) {
        self.stream.set_zero_linger().expect("a TCP stream");
    }

    /// What is left after a 101: the stream, and what came with it.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.input)
    }

    /// Reads so many bytes of a body.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.input.len() < length {
            assert!(self.more().await, "the server hung up in a body");
        }
        self.input.drain(..length).collect()
    }

    async fn more(&mut self) -> bool {
        let read = soon("the server's answer", self.stream.read_buf(&mut self.input)).await;
        read.is_ok_and(|count| count > 0)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
