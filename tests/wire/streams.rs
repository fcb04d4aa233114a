//! The streaming transports of our own client: eventsource and htmlfile under Engine.IO.

use parlance::engine::Limits;

use crate::support::*;

/// A streamed response, packet by packet.
struct Stream {
    http: Http,
    pending: Vec<String>,
    shape: &'static str,
}

impl Stream {
    async fn open(server: &TestServer, shape: &'static str, query: &str) -> Self {
        let mut http = server.http().await;
        let target = format!("/socket.io/?EIO=4&transport={shape}&j=3&{query}");
        http.send("GET", &target, "", b"").await;
        let (status, head) = http.head().await;
        assert_eq!(status, 200, "{head}");
        let prelude = String::from_utf8(http.chunk().await.unwrap()).unwrap();
        assert!(prelude.len() >= 1024);
        let head = head.to_lowercase();
        assert!(head.contains("x-accel-buffering: no") && head.contains("no-transform"));
        match shape {
            "eventsource" => assert!(head.contains("content-type: text/event-stream")),
            _ => {
                assert!(prelude.contains("parent.___eios[3](m)"));
                assert!(head.contains("content-security-policy: default-src 'none'"));
            }
        }
        Stream { http, pending: Vec::new(), shape }
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

#[tokio::test]
async fn sessions_that_begin_on_a_stream() {
    let server = kitchen(calm()).await;
    for shape in ["eventsource", "htmlfile"] {
        let mut stream = Stream::open(&server, shape, "client=parlance").await;
        let open = stream.next().await.unwrap();
        let sid = open.split('"').nth(3).unwrap().to_owned();
        let url = format!("/socket.io/?EIO=4&transport={shape}&sid={sid}");
        assert_eq!(server.post(&url, "40").await.text(), "ok");
        assert!(stream.next().await.unwrap().starts_with("40{"));
        server.post(&url, "42[\"x\",\"</script>\u{2028}é😀\"]\u{1e}451-[\"b\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID").await;
        stream.expect("42[\"x\",\"</script>\u{2028}é😀\"]").await;
        stream.expect("451-[\"b\",{\"_placeholder\":true,\"num\":0}]").await;
        stream.expect("bAQID").await;
        drop(stream);
        until("the session ends with its stream", || server.engine.session_count() == 0).await;
    }
}

#[tokio::test]
async fn only_our_client_is_offered_streams() {
    let server = kitchen(calm()).await;
    let stock = server.get("/socket.io/?EIO=4&transport=polling").await.text();
    assert!(stock.contains("\"upgrades\":[\"websocket\"]"));
    let own = server.get("/socket.io/?EIO=4&transport=polling&client=parlance").await.text();
    assert!(own.contains("\"upgrades\":[\"websocket\",\"eventsource\",\"htmlfile\"]"), "{own}");
}

#[tokio::test]
async fn upgrades_from_polling_to_a_stream_and_on() {
    let server = kitchen(calm()).await;
    for shape in ["eventsource", "htmlfile"] {
        let polling = server.polling("EIO=4&transport=polling").await;
        let sid = sid_of(&polling).to_owned();
        server.post(&polling, "40").await;
        server.get(&polling).await;
        let poll = server.parked(&polling).await;
        let mut stream = Stream::open(&server, shape, &format!("sid={sid}")).await;
        let up = format!("/socket.io/?EIO=4&transport={shape}&sid={sid}");
        server.post(&up, "2probe").await;
        stream.expect("3probe").await;
        assert_eq!(poll.await.unwrap().text(), "6");
        server.post(&polling, "42[\"a\"]").await;
        server.post(&up, "5").await;
        // The ping is for the client to answer: proof that the way is open.
        let (first, second) = (stream.next().await.unwrap(), stream.next().await.unwrap());
        assert!(
            [("2", "42[\"a\"]"), ("42[\"a\"]", "2")].contains(&(first.as_str(), second.as_str()))
        );
        server.post(&up, "3").await;
        assert_eq!(server.get(&polling).await.json()["code"], 3);

        let mut ws = server.ws(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}")).await;
        ws.text("2probe").await;
        ws.expect("3probe").await;
        server.post(&up, "42[\"b\"]").await;
        stream.expect("42[\"b\"]").await;
        ws.text("5").await;
        stream.expect("6").await;
        assert_eq!(stream.next().await, None);
        ws.text("42[\"c\"]").await;
        ws.expect("42[\"c\"]").await;
    }
}

#[tokio::test]
async fn streams_are_recycled() {
    let server = kitchen(Limits { stream_bytes: 8 * 1024, ..calm() }).await;
    let mut stream = Stream::open(&server, "eventsource", "").await;
    let open = stream.next().await.unwrap();
    let sid = open.split('"').nth(3).unwrap().to_owned();
    let url = format!("/socket.io/?EIO=4&transport=eventsource&sid={sid}");
    server.post(&url, "40").await;
    stream.next().await;
    let large = format!("42[\"x\",\"{}\"]", "x".repeat(9000));
    for _ in 0..3 {
        server.post(&url, &large).await;
        stream.expect(&large).await;
        stream.expect("6").await;
        assert_eq!(stream.next().await, None);
        server.post(&url, "42[\"between\"]").await;
        stream = Stream::open(&server, "eventsource", &format!("sid={sid}")).await;
        stream.expect("42[\"between\"]").await;
    }
}

#[tokio::test]
async fn a_probe_that_fails_leaves_polling_as_it_was() {
    let server = kitchen(calm()).await;
    let polling = server.polling("EIO=4&transport=polling").await;
    let session = server.engine.session(sid_of(&polling)).unwrap();
    drop(Stream::open(&server, "eventsource", &format!("sid={}", session.sid())).await);
    until("the attempt is over", || !session.is_upgrading()).await;
    let stray = polling.replace("transport=polling", "transport=eventsource");
    assert_eq!(server.post(&stray, "2probe").await.json()["code"], 3);
    server.post(&polling, "40\u{1e}42[\"x\"]").await;
    assert!(server.get(&polling).await.text().ends_with("42[\"x\"]"));
}
