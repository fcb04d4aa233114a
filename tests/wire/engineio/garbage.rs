//! Input that nobody meant: none of it may hurt the server, or another session (engineio.md,
//! pitfall 10).

use crate::support::apps::{Echo, stage};
use crate::support::http::Http;
use crate::support::packets::{Eio, text_payload};
use crate::support::polls::{Polls, read_open};
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{BINARY, FIN, Frame, TEXT, Ws, frame};

/// Numbers that are the same on every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }

    /// Something like a packet: pieces of the grammar in no order.
    fn almost_a_packet(&mut self) -> String {
        const PIECES: [&str; 34] = [
            "4",
            "0",
            "1",
            "2",
            "3",
            "5",
            "6",
            "42",
            "451-",
            "40",
            "41",
            "43",
            "44",
            "/",
            "/chat,",
            ",",
            "?a=b",
            "[",
            "]",
            "\"",
            "\"echo\"",
            "{",
            "}",
            "{\"_placeholder\":true,\"num\":0}",
            ":",
            "12",
            "-",
            "99999999999999999999",
            "null",
            "\\ud83d",
            "€😀",
            "b4AQ==",
            "\u{1e}",
            "\u{fffd}",
        ];
        (0..self.below(8)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }
}

/// A session that stays out of the trouble, to see that it does.
struct Bystander(Ws);

impl Bystander {
    async fn new(server: &TestServer) -> Self {
        let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
        read_open(&ws.text().await.as_str().into());
        ws.send("40").await;
        ws.text().await;
        Bystander(ws)
    }

    async fn assert_unharmed(&mut self) {
        self.0.send("42[\"echo\",1]").await;
        assert_eq!(self.0.text().await, "42[\"echo\",1]");
    }
}

#[tokio::test]
async fn garbage_instead_of_http() {
    let server = Setup::default().start_app(stage().0).await;
    let mut bystander = Bystander::new(&server).await;
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut inputs: Vec<Vec<u8>> = (0..40).map(|_| numbers.bytes(300)).collect();
    for text in [
        "GET\r\n\r\n",
        "GET /socket.io/ HTTP/9.9\r\n\r\n",
        "GET /socket.io/?EIO=4&transport=polling\r\n\r\n",
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost a\r\n\r\n",
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nOrigin: a\u{1}b\r\n\r\n",
        "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{0}\u{a5}\u{1}", // A TLS client at the wrong port.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        inputs.push(text.into());
    }
    for input in inputs {
        let mut http = Http::open(server.addr).await;
        http.send_perhaps(&input).await;
        server.settle().await;
        drop(http);
        bystander.assert_unharmed().await;
    }
    assert_eq!(server.engine.session_count(), 1);
}

#[tokio::test]
async fn garbage_in_queries() {
    let server = Setup::default().start_app(stage().0).await;
    let mut numbers = Numbers(7);
    for _ in 0..200 {
        const PIECES: [&str; 20] = [
            "EIO=4",
            "EIO=3",
            "EIO",
            "&",
            "=",
            "transport=",
            "polling",
            "websocket",
            "transport=polling",
            "sid=",
            "__proto__",
            "%",
            "%zz",
            "%00",
            "%ff",
            "j=",
            "b64=1",
            "+",
            "t=",
            "%F0%9F%98%80",
        ];
        let query: String =
            (0..numbers.below(10)).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
        let status = server.get(&query).await.status;
        assert!(matches!(status, 200 | 400), "{query}: {status}");
    }
    server.assert_well().await;
}

#[tokio::test]
async fn garbage_in_posts() {
    let server = Setup::default().start_app(stage().0).await;
    let mut bystander = Bystander::new(&server).await;
    let mut numbers = Numbers(42);
    for round in 0..150 {
        let query = ["EIO=4", "EIO=3", "EIO=3&b64=1", "EIO=4&j=0", "EIO=3&j=0"][round % 5];
        let mut session = Polls::open(&server, query).await;
        let content_type =
            ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
                [numbers.below(3)];
        let body = match numbers.below(3) {
            0 => numbers.bytes(200),
            1 => {
                text_payload(session.eio, &[numbers.almost_a_packet().as_str().into()]).into_bytes()
            }
            _ => format!("d={}", numbers.almost_a_packet()).into_bytes(),
        };
        let answer = session.post_as(content_type, &body).await;
        assert!(matches!(answer.status, 200 | 400), "{query} {body:?}: {}", answer.status);
        bystander.assert_unharmed().await;
    }
}

#[tokio::test]
async fn garbage_in_frames() {
    let server = Setup::default().start_app(stage().0).await;
    let mut bystander = Bystander::new(&server).await;
    let mut numbers = Numbers(99);
    for round in 0..150 {
        let eio = Eio::ALL[round % 2];
        let mut ws =
            Ws::open(server.addr, &target(&format!("{}&transport=websocket", eio.query()))).await;
        read_open(&ws.text().await.as_str().into());
        ws.send("40").await;
        for _ in 0..numbers.below(5) {
            match numbers.below(4) {
                0 => ws.raw(&numbers.bytes(50)).await,
                1 => ws.raw(&frame(FIN | BINARY, &numbers.bytes(20))).await,
                2 => ws.raw(&frame(FIN | TEXT, &numbers.bytes(20))).await,
                _ => ws.send(&numbers.almost_a_packet()).await,
            }
        }
        bystander.assert_unharmed().await;
        if round % 3 == 0 {
            ws.abort();
        }
    }
    // Whatever is still open is open for a reason, and ends when its client is gone.
    crate::support::until("only the bystander is left", || server.engine.session_count() == 1)
        .await;
}

#[tokio::test]
async fn numbers_that_overflow() {
    let server = Setup::default().start(Echo).await;
    for body in ["18446744073709551616:4a", "4294967297:4a", "00000000002:4a"] {
        let mut session = Polls::open(&server, "EIO=3&b64=1").await;
        session.post(body).await.assert_ok();
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
    let server = Setup::default().start_app(stage().0).await;
    for packet in ["4218446744073709551616[\"a\"]", "4599999999999999999999-[\"a\"]"] {
        let mut bystander = Bystander::new(&server).await;
        bystander.0.send(packet).await;
        bystander.0.closed().await;
    }
    // An id of 64 bits is one.
    let mut bystander = Bystander::new(&server).await;
    bystander.0.send("4218446744073709551615[\"echo\"]").await;
    assert_eq!(bystander.0.next().await, Frame::Text("4318446744073709551615[]".into()));
}

#[tokio::test]
async fn json_as_deep_as_a_well() {
    let server = Setup::default().start_app(stage().0).await;
    let mut bystander = Bystander::new(&server).await;
    for eio in Eio::ALL {
        let mut ws =
            Ws::open(server.addr, &target(&format!("{}&transport=websocket", eio.query()))).await;
        ws.text().await;
        ws.send("40").await;
        ws.text().await;
        let deep = format!("42[\"echo\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        ws.send(&deep).await;
        ws.closed().await;
        bystander.assert_unharmed().await;
    }
}
