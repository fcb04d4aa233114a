//! The bound of the outbound queue, and what happens at it.

use std::time::Duration;

use parlance::dialect::Message;
use parlance::engine::{CloseReason, Engine, Limits, PER_PACKET, QueueLimits};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::apps::{Echo, tap};
use crate::support::client::{Client, Via};
use crate::support::http::{Http, request};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, chat_settings, target};
use crate::support::session::{POLLING, SOCKET, next, open, poll};
use crate::support::until;
use crate::support::v09::Session09;
use crate::support::ws::{Frame, UPGRADE, Ws};

fn limits(messages: usize, bytes: usize) -> Limits {
    Limits { queue: QueueLimits { bytes, messages }, ..Limits::default() }
}

#[tokio::test]
async fn the_bound_in_packets_is_exact() {
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let server = Setup::limits(limits(20, 1 << 20)).start(tap).await;
        let mut session = Polls::open(&server, eio.query()).await;
        let inner = server.engine.session(&session.sid).unwrap();
        // Half as much again for who has not been behind for long.
        for _ in 0..2 {
            for n in 0..30 {
                inner.send(Message::Text(n.to_string()));
            }
            assert!(inner.is_open());
            assert_eq!(session.poll().await.len(), 30, "a poll empties it");
        }
        for n in 0..31 {
            inner.send(Message::Text(n.to_string()));
        }
        assert_eq!(inner.close_reason(), Some(CloseReason::SlowReader));
        assert_eq!(heard.closed().await, CloseReason::SlowReader);
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn the_bound_in_bytes_is_exact() {
    const BOUND: usize = 10_000;
    let server = Setup::limits(limits(1000, BOUND)).start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let inner = server.engine.session(&session.sid).unwrap();
    // With its type digit and what a packet costs besides, a third of what fits with the grace.
    let third = Message::Text("x".repeat(BOUND / 2 - PER_PACKET - 1));
    for _ in 0..2 {
        for sent in 1..=3 {
            inner.send(third.clone());
            assert_eq!(inner.held(), sent * BOUND / 2);
        }
        assert_eq!(session.texts().await.len(), 3);
        assert_eq!(inner.held(), 0);
    }
    for _ in 0..3 {
        inner.send(third.clone());
    }
    assert!(inner.is_open());
    inner.send(Message::Text(String::new()));
    assert_eq!(inner.close_reason(), Some(CloseReason::SlowReader));
    assert_eq!(inner.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_been_behind_for_long_has_no_more_than_the_bound() {
    const SHORT: Duration = Duration::from_millis(4900);
    const LONG: Duration = Duration::from_millis(5000);
    let (bound, grace) = (20, 10);
    for eio in Eio::ALL {
        for (pause, fits) in [(SHORT, bound + grace), (LONG, bound)] {
            let engine = Engine::new(limits(bound, 1 << 20), Echo);
            let session = open(&engine, eio.dialect(), &POLLING).await;
            poll(&session).await;
            session.send(Message::Text("the first".into()));
            sleep(pause).await;
            for n in 1..fits {
                session.send(Message::Text(n.to_string()));
            }
            assert!(session.is_open(), "{eio:?} after {pause:?}");
            session.send(Message::Text("one too many".into()));
            assert_eq!(session.close_reason(), Some(CloseReason::SlowReader), "{eio:?} {pause:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_and_takes_nothing_is_a_slow_reader_in_the_end() {
    for eio in Eio::ALL {
        let engine = Engine::new(Limits::default(), Echo);
        let session = open(&engine, eio.dialect(), &SOCKET).await;
        let mut drain = session.attach(&SOCKET).unwrap();
        next(&mut drain).await;
        session.send(Message::Text("nobody takes this".into()));
        let start = Instant::now();
        while session.is_open() {
            // Alive, at any rate.
            session.heard(&SOCKET);
            sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(session.close_reason(), Some(CloseReason::Unread), "{eio:?}");
        let waited = start.elapsed();
        // As long as a heartbeat may take, and until the next look.
        assert!((45..=71).contains(&waited.as_secs()), "{eio:?}: {waited:?}");
    }
}

#[tokio::test]
async fn heartbeats_find_room_in_a_full_queue() {
    let server = Setup::limits(limits(20, 1 << 20)).start(Echo).await;
    let mut session = Polls::open(&server, "EIO=3").await;
    let inner = server.engine.session(&session.sid).unwrap();
    for n in 0..20 {
        inner.send(Message::Text(n.to_string()));
    }
    session.say("2").await;
    assert!(inner.is_open());
    let texts = session.texts().await;
    assert_eq!((texts.len(), texts.last().unwrap().as_str()), (21, "3"));
}

/// A WebSocket whose system takes as little as it can before it is read.
async fn narrow(server: &TestServer, query: &str) -> Ws {
    let target = target(&format!("{query}&transport=websocket"));
    let (ws, _) = Ws::attempt_on(Http::narrow(server.addr).await, &target, &UPGRADE).await;
    let mut ws = ws.expect("a WebSocket");
    ws.text().await;
    ws
}

/// How a poll comes to its answer.
#[derive(Debug, Clone, Copy)]
enum Answered {
    /// It comes after what it is answered with.
    AtOnce,
    /// It comes before.
    Parked,
    /// The same, and the HTTP library answers it.
    ByLibrary,
}

#[tokio::test]
async fn who_polls_by_new_connections_and_reads_no_answer_is_a_slow_reader() {
    // More than the system takes on its own.
    const LARGE: usize = 8 << 20;
    for how in [Answered::AtOnce, Answered::Parked, Answered::ByLibrary] {
        for query in ["EIO=3&b64=1", "EIO=4", "0.9"] {
            let server = Setup::limits(limits(4096, LARGE + 1024)).start(Echo).await;
            let target = match query {
                "0.9" => Session09::polling(&server).await.target("xhr-polling"),
                query => Polls::open(&server, query).await.target(),
            };
            let session = server.engine.sessions().pop().unwrap();
            let mut connections = Vec::new();
            for _ in 0..4 {
                let mut http = Http::narrow(server.addr).await;
                let mut ask = request("GET", &target, &[], b"");
                if matches!(how, Answered::ByLibrary) {
                    ask = String::from_utf8(ask).unwrap().replace("HTTP/1.1", "HTTP/1.0").into();
                }
                let before = session.held();
                if matches!(how, Answered::AtOnce) {
                    session.send(Message::Text("x".repeat(LARGE)));
                    http.send(&ask).await;
                } else {
                    http.send(&ask).await;
                    until("the poll is held", || session.is_drained()).await;
                    session.send(Message::Text("x".repeat(LARGE)));
                }
                connections.push(http);
                until("the answer", || !session.is_drained()).await;
                server.settle().await;
                assert!(session.held() > before, "{how:?} {query}");
                assert!(session.is_open(), "{how:?} {query}: nothing waits behind it");
            }
            session.send(Message::Text("one".into()));
            session.send(Message::Text("two".into()));
            assert_eq!(session.close_reason(), Some(CloseReason::SlowReader), "{how:?} {query}");
            until("nothing is held", || session.held() == 0).await;
            for mut http in connections {
                http.rest().await;
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_that_stops_reading_delays_nobody() {
    // Without heartbeats, which those who are read here do not answer.
    let limits = Limits { ping_interval: Duration::from_secs(3600), ..limits(4096, 256 * 1024) };
    let server = Setup::limits(limits).start_chat(chat_settings()).await;
    let mut sender = Client::join(&server, Eio::V4, Via::WebSocket).await;
    let mut readers = Vec::new();
    for (eio, via) in [
        (Eio::V4, Via::WebSocket),
        (Eio::V3, Via::WebSocket),
        (Eio::V4, Via::Polling),
        (Eio::V3, Via::Upgraded),
    ] {
        readers.push(Client::join(&server, eio, via).await);
    }
    let mut stuck = Vec::new();
    for query in ["EIO=4", "EIO=3"] {
        let mut ws = narrow(&server, query).await;
        if query == "EIO=4" {
            ws.send("40").await;
        }
        assert!(ws.text().await.starts_with("40"));
        stuck.push(ws);
    }
    let everybody = 1 + readers.len() + stuck.len();
    assert_eq!(server.engine.session_count(), everybody);
    sender.emit(json!(["add user", "alice"])).await;
    assert_eq!(sender.event().await[0], "login");
    for reader in &mut readers {
        assert_eq!(reader.event().await[0], "user joined");
    }
    // From here on nobody reads the stuck ones. Buffers of the system fill first, then the queue.
    let text = "x".repeat(30_000);
    let mut count = 0;
    while server.engine.session_count() > everybody - stuck.len() {
        sender.emit_with_ack(1, json!(["new message", format!("{count} {text}")])).await;
        assert_eq!(sender.ack(1).await, json!([{ "ok": true }]));
        for reader in &mut readers {
            let message = reader.event().await;
            assert!(message[1]["message"].as_str().unwrap().starts_with(&format!("{count} x")));
        }
        count += 1;
        assert!(count < 2000, "the stuck ones are still there");
    }
    // They find out when they read again: what had left before, then the end.
    for mut ws in stuck {
        while !matches!(ws.next().await, Frame::Close(_) | Frame::End) {}
    }
}

#[tokio::test]
async fn typing_notices_are_dropped_before_anything_else() {
    let server = Setup::limits(limits(16, 1 << 20)).start_chat(chat_settings()).await;
    let mut busy = Client::join(&server, Eio::V4, Via::WebSocket).await;
    let mut late = Client::join(&server, Eio::V4, Via::Polling).await;
    late.assert_quiet().await;
    busy.emit(json!(["add user", "alice"])).await;
    assert_eq!(busy.event().await[0], "login");
    assert_eq!(late.event().await[0], "user joined");
    let inner = server.engine.session(&late.sid).unwrap();
    // Far more than fits, and nothing to close anybody for.
    for _ in 0..100 {
        busy.emit(json!(["typing"])).await;
        busy.emit(json!(["stop typing"])).await;
    }
    for n in 0..16 {
        busy.emit_with_ack(n, json!(["new message", n.to_string()])).await;
        assert_eq!(busy.ack(n).await, json!([{ "ok": true }]));
    }
    assert!(inner.is_open());
    for n in 0..16 {
        assert_eq!(
            late.event().await,
            json!(["new message", { "username": "alice", "message": n.to_string() }])
        );
    }
    late.assert_quiet().await;
    // A full queue of messages, as full as it may be, drops notices that come, and ends the session at the
    // next message.
    for n in 0..24 {
        busy.emit_with_ack(n, json!(["new message", "x"])).await;
        busy.ack(n).await;
    }
    busy.emit(json!(["typing"])).await;
    busy.emit_with_ack(90, json!(["latency"])).await;
    busy.ack(90).await;
    assert!(inner.is_open());
    busy.emit(json!(["new message", "one too many"])).await;
    busy.emit_with_ack(91, json!(["latency"])).await;
    busy.ack(91).await;
    assert_eq!(inner.close_reason(), Some(CloseReason::SlowReader));
}

#[tokio::test]
async fn a_large_message_reaches_who_reads_slowly_but_does() {
    let server = Setup::limits(limits(4096, 2 << 20)).start(Echo).await;
    let mut ws = narrow(&server, "EIO=4").await;
    let session = server.engine.sessions().pop().unwrap();
    let large = "x".repeat(1 << 20);
    for n in 0..5 {
        session.send(Message::Text(format!("{n}{large}")));
        assert!(ws.text().await.starts_with(&format!("4{n}x")));
    }
    assert!(session.is_open());
}
