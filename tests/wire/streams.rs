//! The streaming transports of our own client: eventsource and htmlfile under Engine.IO.

use parlance::engine::Limits;

use crate::support::apps::{Echo, stage};
use crate::support::http::{Http, request};
use crate::support::packets::Packet;
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::server::{Setup, TestServer, target};
use crate::support::until;

const SHAPES: [&str; 2] = ["eventsource", "htmlfile"];

async fn server() -> TestServer {
    Setup::default().start_app(stage().0).await
}

/// A streamed response, packet by packet.
struct Stream {
    http: Http,
    pending: Vec<String>,
    shape: &'static str,
}

impl Stream {
    async fn open(server: &TestServer, shape: &'static str, query: &str) -> Self {
        let mut http = Http::open(server.addr).await;
        let target = target(&format!("EIO=4&transport={shape}&j=3&{query}"));
        http.send(&request("GET", &target, &[], b"")).await;
        let head = http.head().await;
        assert_eq!(head.status, 200);
        let prelude = String::from_utf8(http.chunk().await.unwrap()).unwrap();
        assert!(prelude.len() >= 1024);
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        assert!(head.header("cache-control").unwrap().contains("no-transform"));
        let content_type = head.header("content-type").unwrap();
        match shape {
            "eventsource" => assert!(content_type.starts_with("text/event-stream")),
            _ => {
                assert!(content_type.starts_with("text/html"));
                assert!(prelude.contains("parent.___eios[3](m)"));
                let policy = head.header("content-security-policy").unwrap();
                assert!(policy.starts_with("default-src 'none'"), "{policy}");
            }
        }
        Stream { http, pending: Vec::new(), shape }
    }

    /// A stream that a session begins on; returns the sid, too.
    async fn begin(server: &TestServer, shape: &'static str) -> (Self, String) {
        let mut stream = Self::open(server, shape, "client=parlance").await;
        let open = stream.next().await.unwrap();
        let sid = sid_of(&read_open(&open.as_str().into()));
        (stream, sid)
    }

    async fn next(&mut self) -> Option<String> {
        while self.pending.is_empty() {
            let chunk = String::from_utf8(self.http.chunk().await?).unwrap();
            let (open, close) = match self.shape {
                "eventsource" => ("data: ", "\n\n"),
                _ => ("<script>_(", ");</script>"),
            };
            let packets = chunk.split_terminator(close).map(|packet| {
                let literal = packet.strip_prefix(open).unwrap_or_else(|| panic!("{chunk:?}"));
                serde_json::from_str::<String>(literal).unwrap()
            });
            self.pending = packets.collect();
        }
        Some(self.pending.remove(0))
    }

    async fn expect(&mut self, packet: &str) {
        assert_eq!(self.next().await.as_deref(), Some(packet));
    }
}

/// Posts to a session that is on a stream.
async fn post(server: &TestServer, shape: &str, sid: &str, body: &str) {
    let query = format!("EIO=4&transport={shape}&sid={sid}");
    server.fetch("POST", &query, &[], body.as_bytes()).await.assert_ok();
}

#[tokio::test]
async fn sessions_that_begin_on_a_stream() {
    let server = server().await;
    for shape in SHAPES {
        let (mut stream, sid) = Stream::begin(&server, shape).await;
        post(&server, shape, &sid, "40").await;
        assert!(stream.next().await.unwrap().starts_with("40{"));
        let text = "42[\"x\",\"</script>\u{2028}é😀\"]";
        let header = "451-[\"b\",{\"_placeholder\":true,\"num\":0}]";
        post(&server, shape, &sid, &[text, header, "bAQID"].join("\u{1e}")).await;
        for packet in [text, header, "bAQID"] {
            stream.expect(packet).await;
        }
        drop(stream);
        until("the session ends with its stream", || server.engine.session_count() == 0).await;
    }
}

#[tokio::test]
async fn only_our_client_is_offered_streams() {
    let server = server().await;
    let stock = Polls::open(&server, "EIO=4").await;
    assert_eq!(stock.open["upgrades"], serde_json::json!(["websocket"]));
    let own = Polls::open(&server, "EIO=4&client=parlance").await;
    let all = serde_json::json!(["websocket", "eventsource", "htmlfile"]);
    assert_eq!(own.open["upgrades"], all);
    // As the operator prefers them, not as they are registered.
    let transports = "htmlfile,polling,websocket,eventsource";
    let server = Setup { transports, ..Setup::default() }.start(Echo).await;
    let own = Polls::open(&server, "EIO=4&client=parlance").await;
    let preferred = serde_json::json!(["htmlfile", "websocket", "eventsource"]);
    assert_eq!(own.open["upgrades"], preferred);
}

#[tokio::test]
async fn upgrades_from_polling_to_a_stream_and_on() {
    let server = server().await;
    for shape in SHAPES {
        let mut session = Polls::open(&server, "EIO=4").await;
        session.say("40").await;
        session.poll().await;
        let sid = session.sid.clone();
        let parked = session.park(&server).await;
        let mut stream = Stream::open(&server, shape, &format!("sid={sid}")).await;
        post(&server, shape, &sid, "2probe").await;
        stream.expect("3probe").await;
        assert_eq!(parked.packets().await, ["6".into()]);
        session.say("42[\"a\"]").await;
        post(&server, shape, &sid, "5").await;
        // The ping is for the client to answer: proof that the way is open.
        let mut both = [stream.next().await.unwrap(), stream.next().await.unwrap()];
        both.sort();
        assert_eq!(both, ["2", "42[\"a\"]"]);
        post(&server, shape, &sid, "3").await;
        session.get().await.assert_error(400, 3, "Bad request");

        let mut ws = session.probed().await;
        post(&server, shape, &sid, "42[\"b\"]").await;
        stream.expect("42[\"b\"]").await;
        ws.send("5").await;
        stream.expect("6").await;
        assert_eq!(stream.next().await, None);
        ws.send("42[\"c\"]").await;
        assert_eq!(ws.text().await, "42[\"c\"]");
    }
}

#[tokio::test]
async fn streams_are_recycled() {
    let limits = Limits { stream_bytes: 8 * 1024, ..Limits::default() };
    let server = Setup::limits(limits).start_app(stage().0).await;
    for shape in SHAPES {
        let (mut stream, sid) = Stream::begin(&server, shape).await;
        post(&server, shape, &sid, "40").await;
        stream.next().await;
        let large = format!("42[\"x\",\"{}\"]", "x".repeat(9000));
        for _ in 0..3 {
            post(&server, shape, &sid, &large).await;
            stream.expect(&large).await;
            stream.expect("6").await;
            assert_eq!(stream.next().await, None);
            post(&server, shape, &sid, "42[\"between\"]").await;
            stream = Stream::open(&server, shape, &format!("sid={sid}")).await;
            stream.expect("42[\"between\"]").await;
        }
    }
}

#[tokio::test]
async fn a_probe_that_fails_leaves_polling_as_it_was() {
    let server = server().await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let inner = server.engine.session(&session.sid).unwrap();
    drop(Stream::open(&server, "eventsource", &format!("sid={}", session.sid)).await);
    until("the attempt is over", || !inner.is_upgrading()).await;
    let stray = format!("EIO=4&transport=eventsource&sid={}", session.sid);
    server.fetch("POST", &stray, &[], b"2probe").await.assert_error(400, 3, "Bad request");
    session.send(&["40".into(), Packet::from("42[\"x\"]")]).await;
    assert_eq!(session.texts().await.last().unwrap(), "42[\"x\"]");
}
