//! Several requests on one connection, and requests that are less than plain: where one ends, what
//! becomes of the next, and who has the thread meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use parlance::dialect::Message;
use parlance::engine::{Limits, QueueLimits};
use parlance::server::HttpLimits;
use tokio::time::Instant;

use crate::support::apps::Echo;
use crate::support::http::{Answer, Http, request};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::UPGRADE;

/// A server that does not look after idle connections within a test.
async fn server() -> TestServer {
    let http = HttpLimits { header_timeout: Duration::from_secs(60), ..HttpLimits::default() };
    Setup { http, ..Setup::default() }.start(Echo).await
}

fn assert_opens(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with(r#"0{"sid""#), "{}", answer.text());
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_no_request() {
    let server = server().await;
    let handshake = request("GET", &target("EIO=4&transport=polling"), &[], b"");
    let length = handshake.len().to_string();
    let announced = [("Content-Length", &*length)];
    for (method, path, status) in [
        ("GET", "/page", 404),
        ("POST", "/page", 404),
        ("PUT", "/page", 404),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=none", 400),
    ] {
        for here in [0, 10] {
            let mut http = Http::open(server.addr).await;
            http.send(&request(method, path, &announced, &handshake[..here])).await;
            assert_eq!(http.answer().await.status, status, "{method} {path}");
            http.send_perhaps(&handshake[here..]).await;
            http.send_perhaps(&handshake).await;
            assert_eq!(http.rest().await, b"", "{method} {path}");
        }
        let mut http = Http::open(server.addr).await;
        http.send(&request(method, path, &announced, &handshake)).await;
        assert_eq!(http.answer().await.status, status, "{method} {path}");
        http.send(&request("GET", "/next", &[], b"")).await;
        assert_eq!(http.answer().await.status, 404, "the body was no request: {method} {path}");
    }
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn requests_in_a_row() {
    let server = server().await;
    let row = [
        request("GET", "/page", &[], b""),
        request("HEAD", "/page", &[], b""),
        request("POST", "/page", &[], b"body"),
        request("GET", &target("EIO=4&transport=polling"), &[], b""),
        request("GET", "/page", &[], b""),
        request("GET", &target("EIO=4&transport=websocket"), &UPGRADE, b""),
    ]
    .concat();
    for split in (0..row.len()).step_by(7) {
        let mut http = Http::open(server.addr).await;
        http.send(&row[..split]).await;
        server.settle().await;
        http.send(&row[split..]).await;
        assert_eq!(http.answer().await.status, 404);
        assert_eq!(http.head().await.status, 404);
        assert_eq!(http.answer().await.status, 404);
        assert_opens(&http.answer().await);
        assert_eq!(http.answer().await.status, 404);
        assert_eq!(http.answer().await.status, 101, "split at {split}");
    }
}

#[tokio::test]
async fn what_follows_a_poll_is_answered_after_it_at_once() {
    let server = server().await;
    let next = request("GET", &target("EIO=4&transport=polling"), &[], b"");
    for together in [true, false] {
        let mut session = Polls::open(&server, "EIO=4").await;
        let poll = request("GET", &session.target(), &[], b"");
        let mut http = Http::open(server.addr).await;
        http.send(&poll).await;
        if !together {
            server.settle().await;
        }
        http.send(&next).await;
        server.settle().await;
        session.say("4a").await;
        assert_eq!(http.answer().await.text(), "4a");
        assert_opens(&http.answer().await);
    }
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_is_closed_after_its_poll() {
    let server = server().await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let mut http = Http::open(server.addr).await;
    http.send(&request("GET", &session.target(), &[("Connection", "close")], b"")).await;
    server.settle().await;
    session.say("4a").await;
    let answer = http.answer().await;
    assert_eq!((answer.text(), answer.header("connection")), ("4a", Some("close")));
    assert_eq!(http.rest().await, b"");
}

#[tokio::test]
async fn who_loses_the_connection_is_told_so() {
    let server = server().await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let mut http = Http::open(server.addr).await;
    let chunked = [("Transfer-Encoding", "chunked")];
    http.send(&request("POST", &session.target(), &chunked, b"2\r\n4a\r\n0\r\n\r\n")).await;
    let answer = http.answer().await;
    answer.assert_ok();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(session.texts().await, ["4a"]);
    let mut http = Http::open(server.addr).await;
    // A request that is refused before all of it was read: what comes next may be its rest.
    let announced = [("Content-Length", "10000000")];
    http.send(&request("POST", &session.target(), &announced, b"4")).await;
    let answer = http.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert_eq!(http.rest().await, b"");
}

#[tokio::test]
async fn streams_of_odd_requests_go_on() {
    let server = server().await;
    let odd: [(_, &[u8]); 2] =
        [(("Transfer-Encoding", "chunked"), b"0\r\n\r\n"), (("Content-Length", "2"), b"xx")];
    for (header, body) in odd {
        let mut session = Polls::open(&server, "EIO=4").await;
        let mut http = Http::open(server.addr).await;
        let query = format!("EIO=4&transport=eventsource&sid={}", session.sid);
        http.send(&request("GET", &target(&query), &[header], body)).await;
        assert_eq!(http.head().await.status, 200);
        http.chunk().await.expect("the prelude");
        server.fetch("POST", &query, &[], b"2probe").await.assert_ok();
        assert_eq!(http.chunk().await.as_deref(), Some(&b"data: \"3probe\"\n\n"[..]));
        server.fetch("POST", &query, &[], b"5").await.assert_ok();
        assert_eq!(http.chunk().await.as_deref(), Some(&b"data: \"2\"\n\n"[..]));
        server.fetch("POST", &query, &[], b"3\x1e4a").await.assert_ok();
        assert_eq!(http.chunk().await.as_deref(), Some(&b"data: \"4a\"\n\n"[..]));
        session.post("4b").await.assert_error(400, 3, "Bad request");
    }
}

#[tokio::test]
async fn a_stream_does_not_end_with_an_upgrade_to_it() {
    let server = server().await;
    let session = Polls::open(&server, Eio::V3.query()).await;
    let query = format!("EIO=3&transport=eventsource&sid={}", session.sid);
    let mut http = Http::open(server.addr).await;
    http.send(&request("GET", &target(&query), &[], b"")).await;
    assert_eq!(http.head().await.status, 200);
    http.chunk().await.expect("the prelude");
    server.fetch("POST", &query, &[], b"6:2probe").await.assert_ok();
    http.chunk().await.expect("the answer to the probe");
    // In protocol 3 there is nothing to be said then.
    server.fetch("POST", &query, &[], b"1:5").await.assert_ok();
    server.fetch("POST", &query, &[], b"2:4a").await.assert_ok();
    let chunk = http.chunk().await.expect("a stream that goes on");
    assert!(chunk.windows(2).any(|packet| packet == b"4a"), "{chunk:?}");
}

#[tokio::test]
async fn who_accepts_nothing_is_gone() {
    let hour = Duration::from_secs(3600);
    let queue = QueueLimits { bytes: 1 << 26, messages: 4096 };
    for odd in [false, true] {
        let limits = Limits { queue, ping_interval: hour, ..Limits::default() };
        let server = Setup::limits(limits).start(Echo).await;
        let session = Polls::open(&server, "EIO=4").await;
        // More than systems keep for a connection.
        let much = Message::Text("x".repeat(1 << 25));
        server.engine.session(&session.sid).expect("the session lives").send(much);
        let mut http = Http::open(server.addr).await;
        let headers = [("Transfer-Encoding", "chunked")];
        let (headers, body) =
            if odd { (&headers[..], &b"0\r\n\r\n"[..]) } else { (&[][..], &b""[..]) };
        http.send(&request("GET", &session.target(), headers, body)).await;
        server.settle().await;
        drop(session);
        server.server.stop_accepting();
        tokio::time::pause();
        let begun = Instant::now();
        server.server.drained(hour).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        tokio::time::resume();
    }
}

/// Writes `again` without a pause, and reads all that comes, from threads of its own.
struct Flood {
    stream: TcpStream,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(addr: SocketAddr, first: &[u8], again: &[u8]) -> Self {
        let mut stream = TcpStream::connect(addr).expect("the server accepts");
        let pieces = again.repeat(256 * 1024 / again.len());
        let mut reader = stream.try_clone().expect("a TCP stream");
        let mut writer = stream.try_clone().expect("a TCP stream");
        stream.write_all(first).expect("the server reads");
        let threads = vec![
            std::thread::spawn(move || while writer.write_all(&pieces).is_ok() {}),
            std::thread::spawn(move || {
                let mut room = vec![0; 1 << 20];
                while reader.read(&mut room).is_ok_and(|count| count > 0) {}
            }),
        ];
        Flood { stream, threads }
    }

    fn is_on(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    fn end(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
    }
}

#[tokio::test]
async fn a_flood_of_requests_leaves_time_for_others() {
    let server = server().await;
    let again = request("GET", &target("EIO=4&transport=none"), &[], b"");
    let flood = Flood::start(server.addr, &again, &again);
    for _ in 0..20 {
        server.assert_well().await;
    }
    assert!(flood.is_on());
    flood.end();
}

#[tokio::test]
async fn a_message_of_endless_pieces_leaves_time_for_others() {
    let server = server().await;
    let mut first = request("GET", &target("EIO=4&transport=websocket"), &UPGRADE, b"");
    first.extend([0x01, 0x80, 0, 0, 0, 0]);
    let flood = Flood::start(server.addr, &first, &[0x00, 0x80, 0, 0, 0, 0]);
    for _ in 0..20 {
        server.assert_well().await;
    }
    assert!(flood.is_on());
    flood.end();
}
