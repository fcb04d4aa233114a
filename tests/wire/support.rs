//! A server to talk to, and clients that send exactly the bytes they are told to.

use std::net::SocketAddr;
use std::time::Duration;

use parlance::chat::{Chat, ChatSettings};
use parlance::engine::{Engine, Handler, Limits, QueueLimits};
use parlance::policy::{Origins, Policy, Transports};
use parlance::server::{HttpLimits, Server};
use parlance::socketio::{App, Event, Refusal, Socket, SocketIo};
use parlance::transport::{self, Negotiator};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The bound on every wait: it only ends tests that would fail anyway.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, Box::pin(work)).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// Waits until a condition that no event announces has come true.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub struct TestServer {
    pub address: SocketAddr,
    pub engine: Engine,
    pub server: Server,
}

/// Limits under which nothing happens by the clock while a test runs.
pub fn calm() -> Limits {
    Limits {
        ping_interval: Duration::from_secs(300),
        ping_timeout: Duration::from_secs(200),
        ..Limits::default()
    }
}

pub fn quick(interval: u64, timeout: u64) -> Limits {
    Limits {
        ping_interval: Duration::from_millis(interval),
        ping_timeout: Duration::from_millis(timeout),
        ..Limits::default()
    }
}

pub fn small_queue(bytes: usize) -> Limits {
    Limits { queue: QueueLimits { bytes, messages: 10_000 }, ..calm() }
}

pub fn allow(transports: &str, origins: &[&str]) -> Policy {
    Policy {
        transports: Transports::parse(transports.split(','), &transport::names()).unwrap(),
        origins: Origins::new(origins.iter().copied()),
        max_sessions: 0,
    }
}

pub fn everything() -> Policy {
    allow(&transport::names().join(","), &["*"])
}

pub async fn start(limits: Limits, policy: Policy, handler: impl Handler) -> TestServer {
    start_with(limits, policy, HttpLimits::default(), handler).await
}

pub async fn start_with(
    limits: Limits,
    policy: Policy,
    http: HttpLimits,
    handler: impl Handler,
) -> TestServer {
    let engine = Engine::new(limits, handler);
    let negotiator = Negotiator::new(engine.clone(), policy, Duration::from_secs(10));
    let server = Server::new("/socket.io/", negotiator, None, http);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let running = server.clone();
    tokio::spawn(async move { running.run(listener).await });
    TestServer { address, engine, server }
}

/// An application that shows everything the tests ask about.
pub struct Kitchen;

impl App for Kitchen {
    fn has_namespace(&self, name: &str) -> bool {
        matches!(name, "/" | "/chat" | "/deny")
    }

    async fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), Refusal> {
        if &**socket.namespace() == "/deny" || auth.get("deny").is_some() {
            let data = Some(serde_json::json!({ "code": 7 }));
            return Err(Refusal { message: "denied".into(), data });
        }
        Ok(())
    }

    async fn event(&self, socket: &Socket, event: Event) {
        match (event.name.as_str(), event.ack) {
            (_, Some(ack)) => ack.send_with(event.args, event.attachments),
            ("kick", _) => socket.disconnect(false),
            ("end", _) => socket.disconnect(true),
            ("ask", _) => {
                let answer = socket.ask("question", event.args, event.attachments);
                let socket = socket.clone();
                tokio::spawn(async move {
                    if let Ok(answer) = answer.await {
                        socket.emit_with("answer", answer.args, answer.attachments);
                    }
                });
            }
            (name, _) => socket.emit_with(name, event.args, event.attachments),
        }
    }
}

pub async fn kitchen(limits: Limits) -> TestServer {
    start(limits, everything(), SocketIo::new(Kitchen, Duration::from_secs(300))).await
}

pub fn chat_settings() -> ChatSettings {
    ChatSettings { message_max: 64 * 1024, message_rate: 0, duplicate_names: true }
}

pub async fn chat(limits: Limits, settings: ChatSettings) -> TestServer {
    let (chat, room) = Chat::new(settings);
    tokio::spawn(room.run());
    start(limits, everything(), SocketIo::new(chat, Duration::from_secs(300))).await
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// One HTTP connection.
pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Http { stream, buffer: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a request, without waiting for its answer.
    pub async fn send(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}");
        if method == "POST" || !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.write(&bytes).await;
    }

    async fn fill(&mut self) -> usize {
        let mut chunk = vec![0; 16 * 1024];
        let count = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..count]);
        count
    }

    pub async fn head(&mut self) -> (u16, String) {
        within("response head", async {
            loop {
                if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                    let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
                    return (head[9..12].parse().unwrap(), head);
                }
                assert!(self.fill().await > 0, "closed before a response");
            }
        })
        .await
    }

    pub async fn answer(&mut self) -> Answer {
        let (status, head) = self.head().await;
        let mut answer = Answer { status, head, body: Vec::new() };
        if let Some(length) = answer.header("content-length") {
            answer.body = self.take(length.parse().unwrap()).await;
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        }
        answer
    }

    /// The next chunk of a streamed body; `None` at its end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        within("chunk", async {
            let line = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break self.buffer.drain(..end + 2).collect::<Vec<_>>();
                }
                assert!(self.fill().await > 0, "closed inside a chunked body");
            };
            let length = std::str::from_utf8(&line).unwrap().trim();
            let length = usize::from_str_radix(length, 16).unwrap();
            let mut chunk = self.take(length + 2).await;
            chunk.truncate(length);
            (length > 0).then_some(chunk)
        })
        .await
    }

    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        within("bytes", async {
            while self.buffer.len() < count {
                assert!(self.fill().await > 0, "closed too early");
            }
            self.buffer.drain(..count).collect()
        })
        .await
    }

    /// Whether the other end has closed, with nothing left to read.
    pub async fn is_closed(&mut self) -> bool {
        within("end of connection", self.fill()).await == 0
    }

    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Answer {
        self.send(method, target, headers, body).await;
        self.answer().await
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

impl TestServer {
    pub async fn http(&self) -> Http {
        Http::open(self.address).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.http().await.request("GET", target, "", b"").await
    }

    pub async fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.http().await.request("POST", target, "", body.as_ref()).await
    }

    /// A poll that waits for its answer elsewhere.
    pub fn park(&self, target: &str) -> tokio::task::JoinHandle<Answer> {
        let (address, target) = (self.address, target.to_owned());
        tokio::spawn(
            async move { Http::open(address).await.request("GET", &target, "", b"").await },
        )
    }

    /// Parks a poll and waits until the server holds it.
    pub async fn parked(&self, target: &str) -> tokio::task::JoinHandle<Answer> {
        let poll = self.park(target);
        let sid = sid_of(target).to_owned();
        let session = self.engine.session(&sid).expect("a living session");
        until("the poll is held", || session.is_drained()).await;
        poll
    }

    pub async fn ws(&self, target: &str) -> Ws {
        Ws::open(self.address, target).await
    }

    /// Opens an Engine.IO polling session; returns the URL for its requests.
    pub async fn polling(&self, query: &str) -> String {
        let opened = self.get(&format!("/socket.io/?{query}")).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        let text = String::from_utf8_lossy(&opened.body).replace('\\', "");
        let sid = text.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next());
        format!("/socket.io/?{query}&sid={}", sid.expect("a sid"))
    }
}

pub fn sid_of(target: &str) -> &str {
    let after = target.split("sid=").nth(1).expect("a sid");
    after.split('&').next().unwrap_or(after)
}

/// A WebSocket frame, as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum WsFrame {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong,
    Close(Option<u16>),
    Eof,
}

/// A WebSocket client that answers nothing by itself, unless told to.
pub struct Ws {
    http: Http,
    /// Answer pings, as every real client does.
    pub pongs: bool,
}

impl Ws {
    pub async fn open(address: SocketAddr, target: &str) -> Self {
        let mut http = Http::open(address).await;
        http.send("GET", target, UPGRADE, b"").await;
        let (status, head) = http.head().await;
        assert_eq!(status, 101, "{head}");
        let accept = head.to_lowercase();
        assert!(accept.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Ws { http, pongs: true }
    }

    async fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let mask = [0x12, 0x34, 0x56, 0x78];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        self.http.write(&frame).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.frame(1, text.as_bytes()).await;
    }

    pub async fn binary(&mut self, data: &[u8]) {
        self.frame(2, data).await;
    }

    pub async fn ping(&mut self) {
        self.frame(9, b"").await;
    }

    pub async fn close(&mut self) {
        self.frame(8, &[]).await;
    }

    /// The next frame. Pings are answered and passed over if [`Ws::pongs`].
    pub async fn next(&mut self) -> WsFrame {
        loop {
            let frame = within("a WebSocket frame", self.read()).await;
            if frame != WsFrame::Ping || !self.pongs {
                return frame;
            }
            self.frame(10, b"").await;
        }
    }

    async fn read(&mut self) -> WsFrame {
        while self.http.buffer.len() < 2 {
            if self.http.fill().await == 0 {
                return WsFrame::Eof;
            }
        }
        let head = self.http.take(2).await;
        assert_eq!(head[0] & 0xf0, 0x80, "whole frames only");
        let length = match head[1] {
            126 => u16::from_be_bytes(self.http.take(2).await.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.http.take(8).await.try_into().unwrap()) as usize,
            length => usize::from(length),
        };
        let payload = self.http.take(length).await;
        match head[0] & 0x0f {
            1 => WsFrame::Text(String::from_utf8(payload).unwrap()),
            2 => WsFrame::Binary(payload),
            8 => WsFrame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            9 => WsFrame::Ping,
            10 => WsFrame::Pong,
            other => panic!("opcode {other}"),
        }
    }

    pub async fn expect(&mut self, text: &str) {
        assert_eq!(self.next().await, WsFrame::Text(text.to_owned()));
    }

    /// Like [`Ws::expect`], but passes over pings without an answer.
    pub async fn expect_after_pings(&mut self, text: &str) {
        loop {
            match self.next().await {
                WsFrame::Ping => {}
                frame => return assert_eq!(frame, WsFrame::Text(text.to_owned())),
            }
        }
    }

    /// The next text frame.
    pub async fn next_text(&mut self) -> String {
        match self.next().await {
            WsFrame::Text(text) => text,
            other => panic!("text expected, not {other:?}"),
        }
    }

    /// Reads until the connection ends; returns the code of the close frame, if one came.
    pub async fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        loop {
            match self.next().await {
                WsFrame::Close(with) => {
                    code = with;
                    self.close().await;
                }
                WsFrame::Eof => return code,
                _ => {}
            }
        }
    }
}

pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A WebSocket session of protocol 4 in the default namespace.
pub async fn joined(server: &TestServer) -> Ws {
    let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    assert!(ws.next_text().await.starts_with("0{"));
    ws.text("40").await;
    assert!(ws.next_text().await.starts_with("40{\"sid\":\""));
    ws
}

/// A WebSocket session of protocol 3, which is in the default namespace from the start.
pub async fn joined3(server: &TestServer) -> Ws {
    let mut ws = server.ws("/socket.io/?EIO=3&transport=websocket").await;
    assert!(ws.next_text().await.starts_with("0{"));
    ws.expect("40").await;
    ws
}
