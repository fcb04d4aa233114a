//! Heartbeats of both directions (engineio.md §7): to the millisecond without sockets, where the
//! clock is ours, and once more as bytes.

use std::time::Duration;

use parlance::dialect::{Message, Packet};
use parlance::engine::{CloseReason, Drained, Engine, Limits, SessionError};
use tokio::time::{Instant, sleep};

use crate::support::apps::{Echo, tap};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::session::{POLLING, SOCKET, next, open, poll};
use crate::support::until;
use crate::support::ws::{FIN, Frame, PING, PONG, Ws, frame};

/// The interval and timeout of the captured timelines.
fn limits() -> Limits {
    Limits {
        ping_interval: Duration::from_millis(1000),
        ping_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

fn pong() -> [Packet; 1] {
    [Packet::Pong { probe: false }]
}

fn text(content: &str) -> [Packet; 1] {
    [Packet::Message(Message::Text(content.into()))]
}

const TIMED_OUT: Drained = Drained::Closed(CloseReason::PingTimeout);

/// Milliseconds since.
fn since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn the_captured_timeline_of_protocol_4() {
    let engine = Engine::new(limits(), Echo);
    let start = Instant::now();
    let session = open(&engine, Eio::V4.dialect(), &POLLING).await;
    assert!(poll(&session).await.0[0].starts_with("0{"));
    assert_eq!(poll(&session).await, (vec!["2".into()], Drained::Packets));
    assert_eq!(since(start), 1000);
    assert_eq!(poll(&session).await, (vec![], TIMED_OUT));
    assert_eq!(since(start), 1500);
    assert_eq!(session.attach(&POLLING).err(), Some(SessionError::Gone));
}

#[tokio::test(start_paused = true)]
async fn the_captured_timeline_of_protocol_3() {
    let engine = Engine::new(limits(), Echo);
    let start = Instant::now();
    let session = open(&engine, Eio::V3.dialect(), &POLLING).await;
    assert!(poll(&session).await.0[0].starts_with("0{"));
    assert_eq!(poll(&session).await, (vec![], TIMED_OUT));
    assert_eq!(since(start), 1500);
    assert_eq!(session.attach(&POLLING).err(), Some(SessionError::Gone));
}

#[tokio::test(start_paused = true)]
async fn the_next_ping_comes_an_interval_after_the_pong() {
    let engine = Engine::new(limits(), Echo);
    let start = Instant::now();
    let session = open(&engine, Eio::V4.dialect(), &SOCKET).await;
    let mut drain = session.attach(&SOCKET).unwrap();
    assert!(next(&mut drain).await.0[0].starts_with("0{"));
    for (ping, answer) in [(1000, 300), (2300, 499), (3799, 0)] {
        assert_eq!(next(&mut drain).await.0, ["2"]);
        assert_eq!(since(start), ping);
        sleep(Duration::from_millis(answer)).await;
        session.submit(&SOCKET, pong()).await.unwrap();
    }
    assert!(session.is_open());
}

#[tokio::test(start_paused = true)]
async fn anything_that_comes_in_is_life() {
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let engine = Engine::new(limits(), tap);
        let session = open(&engine, eio.dialect(), &SOCKET).await;
        let mut drain = session.attach(&SOCKET).unwrap();
        tokio::spawn(
            async move { while !matches!(next(&mut drain).await.1, Drained::Closed(_)) {} },
        );
        let start = Instant::now();
        // Never a heartbeat packet, but something in time.
        for n in 0..20 {
            sleep(Duration::from_millis(450)).await;
            match n % 2 {
                0 => session.submit(&SOCKET, text("still here")).await.unwrap(),
                // As after a WebSocket ping or pong.
                _ => session.heard(&SOCKET),
            }
            assert!(session.is_open(), "{eio:?} after {}", since(start));
        }
        for _ in 0..10 {
            assert_eq!(heard.text().await, "still here");
        }
        assert_eq!(heard.closed().await, CloseReason::PingTimeout);
        let silent = since(start) - 9000;
        assert!((500..=1500).contains(&silent), "{eio:?} closed after {silent} ms of silence");
    }
}

#[tokio::test(start_paused = true)]
async fn each_ping_of_protocol_3_is_answered_and_starts_anew() {
    let engine = Engine::new(limits(), Echo);
    let session = open(&engine, Eio::V3.dialect(), &SOCKET).await;
    let mut drain = session.attach(&SOCKET).unwrap();
    assert!(next(&mut drain).await.0[0].starts_with("0{"));
    for _ in 0..5 {
        sleep(Duration::from_millis(1499)).await;
        session.submit(&SOCKET, [Packet::Ping { probe: false }]).await.unwrap();
        assert_eq!(next(&mut drain).await.0, ["3"]);
    }
    let start = Instant::now();
    assert_eq!(next(&mut drain).await.1, TIMED_OUT);
    assert_eq!(since(start), 1500);
}

#[tokio::test(start_paused = true)]
async fn a_silent_websocket_of_protocol_3_is_asked_once_before_it_is_given_up() {
    let engine = Engine::new(limits(), Echo);
    let session = open(&engine, Eio::V3.dialect(), &SOCKET).await;
    let mut drain = session.attach(&SOCKET).unwrap();
    let mut start = Instant::now();
    let mut batch = Vec::new();
    assert_eq!(drain.next(&mut batch).await, Drained::Packets);
    for _ in 0..3 {
        assert_eq!(drain.next(&mut batch).await, Drained::Asks);
        assert_eq!(since(start), 1250, "an interval, and half of the timeout");
        start = Instant::now();
        // The answer of a browser whose page is hidden.
        session.heard(&SOCKET);
    }
    assert_eq!(drain.next(&mut batch).await, Drained::Asks);
    assert_eq!(drain.next(&mut batch).await, TIMED_OUT);
    assert_eq!(since(start), 1500);
}

#[tokio::test(start_paused = true)]
async fn silent_sessions_are_reaped_whether_polled_or_not() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(limits(), tap);
    let start = Instant::now();
    for eio in Eio::ALL {
        for transport in [&POLLING, &SOCKET] {
            open(&engine, eio.dialect(), transport).await;
        }
    }
    assert_eq!(engine.session_count(), 4);
    for _ in 0..4 {
        assert_eq!(heard.closed().await, CloseReason::PingTimeout);
    }
    assert_eq!((since(start), engine.session_count()), (1500, 0));
}

#[tokio::test(start_paused = true)]
async fn a_ping_sent_before_an_upgrade_may_be_answered_after_it() {
    let engine = Engine::new(limits(), Echo);
    let session = open(&engine, Eio::V4.dialect(), &POLLING).await;
    assert!(poll(&session).await.0[0].starts_with("0{"));
    assert_eq!(poll(&session).await.0, ["2"]);
    let mut drain = session.attach_candidate(&SOCKET).unwrap();
    let probe = [Packet::Ping { probe: true }, Packet::Upgrade];
    session.submit(&SOCKET, probe).await.unwrap();
    sleep(Duration::from_millis(400)).await;
    session.submit(&SOCKET, pong()).await.unwrap();
    let start = Instant::now();
    assert_eq!(next(&mut drain).await.1, Drained::Promoted);
    assert_eq!(next(&mut drain).await.0, ["3probe"]);
    assert_eq!(next(&mut drain).await.0, ["2"], "the next ping is the next thing that happens");
    assert_eq!(since(start), 1000);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_does_not_keep_a_silent_session() {
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let engine = Engine::new(limits(), tap);
        let session = open(&engine, eio.dialect(), &POLLING).await;
        assert!(poll(&session).await.0[0].starts_with("0{"));
        sleep(Duration::from_millis(900)).await;
        let _drain = session.attach_candidate(&SOCKET).unwrap();
        let probe = [Packet::Ping { probe: true }, Packet::Upgrade];
        session.submit(&SOCKET, probe).await.unwrap();
        let start = Instant::now();
        assert_eq!(heard.closed().await, CloseReason::PingTimeout);
        assert!(since(start) <= 1500, "{eio:?}: {} ms after the upgrade", since(start));
    }
}

// On the wire, with times that no test waits for, but for the pings that the server sends.

fn pinging() -> Setup {
    Setup::limits(Limits {
        ping_interval: Duration::from_millis(50),
        ping_timeout: Duration::from_secs(60),
        ..Limits::default()
    })
}

async fn websocket(server: &TestServer, eio: Eio) -> Ws {
    let mut ws =
        Ws::open(server.addr, &target(&format!("{}&transport=websocket", eio.query()))).await;
    assert!(ws.text().await.starts_with("0{"));
    ws
}

#[tokio::test]
async fn protocol_4_by_polling() {
    let server = pinging().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    for _ in 0..3 {
        assert_eq!(session.get().await.text(), "2");
        session.say("3").await;
    }
}

#[tokio::test]
async fn protocol_3_by_polling() {
    let server = Setup::default().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=3&b64=1").await;
    for _ in 0..3 {
        session.post("1:2").await.assert_ok();
        assert_eq!(session.get().await.text(), "1:3");
    }
    // A probe has no business here: it is answered like any other.
    session.post("6:2probe").await.assert_ok();
    assert_eq!(session.get().await.text(), "1:3");
}

#[tokio::test]
async fn both_protocols_by_websocket() {
    let server = pinging().start(Echo).await;
    let mut ws = websocket(&server, Eio::V4).await;
    for _ in 0..3 {
        assert_eq!(ws.text().await, "2");
        ws.send("3").await;
    }
    let mut ws = websocket(&server, Eio::V3).await;
    for _ in 0..3 {
        ws.send("2").await;
        assert_eq!(ws.text().await, "3");
    }
}

#[tokio::test]
async fn what_a_client_hears_when_it_was_not_heard() {
    let server = Setup::default().start(Echo).await;
    for (query, farewell) in [("EIO=4", "1"), ("EIO=3&b64=1", "1:1")] {
        let mut session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        server.engine.session(&session.sid).unwrap().close(CloseReason::PingTimeout);
        assert_eq!(parked.answer().await.text(), farewell);
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
    for eio in Eio::ALL {
        let mut ws = websocket(&server, eio).await;
        server.engine.sessions().pop().unwrap().close(CloseReason::PingTimeout);
        assert_eq!(ws.closed().await, None);
        until("the session is gone", || server.engine.session_count() == 0).await;
    }
}

#[tokio::test]
async fn pings_and_pongs_of_the_websocket_itself_are_life_too() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    for opcode in [PING, PONG] {
        let session = Polls::open(&server, "EIO=3").await;
        let mut ws = session.probed().await;
        ws.pongs = false;
        ws.send("5").await;
        ws.raw(&frame(FIN | opcode, b"")).await;
        let inner = server.engine.session(&session.sid).unwrap();
        until("the upgrade", || inner.transport() == "websocket").await;
        server.settle().await;
        ws.abort();
        // Unheard of, the client would have its time to come back by polling.
        assert_eq!(heard.closed().await, CloseReason::TransportLost);
        assert_eq!(inner.transport(), "websocket");
    }
}

#[tokio::test]
async fn a_hidden_page_of_protocol_3_stays_as_long_as_its_browser_answers() {
    // Its timers run once a minute: for this test that is never.
    let (ping_interval, ping_timeout) = (Duration::from_millis(200), Duration::from_secs(2));
    let (tap, mut heard) = tap();
    let server =
        Setup::limits(Limits { ping_interval, ping_timeout, ..Limits::default() }).start(tap).await;
    let mut ws = websocket(&server, Eio::V3).await;
    let inner = server.engine.sessions().pop().unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        let Frame::Ping(data) = ws.any().await else { panic!("a ping of the WebSocket") };
        assert!(inner.is_open());
        ws.raw(&frame(FIN | PONG, &data)).await;
    }
    assert!(start.elapsed() > ping_interval + ping_timeout, "longer than anybody may be silent");
    ws.pongs = false;
    assert!(matches!(ws.any().await, Frame::Ping(_)));
    ws.closed().await;
    assert_eq!(heard.closed().await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn heartbeats_in_the_wrong_direction() {
    let server = Setup::default().start(Echo).await;
    // Protocol 4: closes.
    let mut ws = websocket(&server, Eio::V4).await;
    ws.send("2").await;
    ws.closed().await;
    let mut session = Polls::open(&server, "EIO=4").await;
    session.say("2").await;
    session.get().await.assert_error(400, 1, "Session ID unknown");
    // Protocol 3: means nothing.
    let mut ws = websocket(&server, Eio::V3).await;
    ws.send("3").await;
    ws.send("3probe").await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
}
