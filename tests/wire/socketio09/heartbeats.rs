//! Signs of life (socketio-0.9.md §7).

use std::time::Duration;

use parlance::dialect::Packet;
use parlance::dialect::socketio09::SocketIo09;
use parlance::engine::{CloseReason, Drained, Engine, Limits};
use tokio::time::{Instant, sleep};

use crate::support::apps::{stage, tap};
use crate::support::server::Setup;
use crate::support::session::{POLLING, SOCKET, next, open, plan, poll};
use crate::support::v09::Session09;

/// Times of a heartbeat, without sockets, where the clock is ours.
fn limits() -> Limits {
    Limits {
        ping_interval: Duration::from_millis(1000),
        ping_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_a_stream() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(limits(), tap);
    let session = open(&engine, &SocketIo09, &SOCKET).await;
    let mut drain = session.attach(&SOCKET).unwrap();
    assert_eq!(next(&mut drain).await.0, ["1::"]);
    let start = Instant::now();
    for _ in 0..2 {
        assert_eq!(next(&mut drain).await.0, ["2::"]);
        session.submit(&SOCKET, [Packet::Pong { probe: false }]).await.unwrap();
    }
    assert_eq!(next(&mut drain).await.0, ["2::"]);
    assert_eq!(start.elapsed().as_millis(), 3000);
    assert_eq!(next(&mut drain).await.1, Drained::Closed(CloseReason::PingTimeout));
    assert_eq!(start.elapsed().as_millis(), 3500);
    assert_eq!(heard.closed().await, CloseReason::PingTimeout);
}

#[tokio::test(start_paused = true)]
async fn who_polls_lives_and_who_stops_does_not() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(limits(), tap);
    let session = open(&engine, &SocketIo09, &POLLING).await;
    assert_eq!(poll(&session).await.0, ["1::"]);
    // A poll that is held is life enough.
    let parked = session.attach(&POLLING).unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(session.is_open());
    parked.finish();
    let start = Instant::now();
    assert_eq!(heard.closed().await, CloseReason::PingTimeout);
    assert_eq!(start.elapsed().as_millis(), 1500);
}

#[tokio::test(start_paused = true)]
async fn who_opens_no_transport_is_waited_for_and_then_no_more() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(limits(), tap);
    for transport in [&SOCKET, &POLLING] {
        let session = engine.reserve(plan(&SocketIo09, transport)).unwrap();
        sleep(Duration::from_secs(59)).await;
        assert_eq!(session.close_reason(), None);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(session.close_reason(), Some(CloseReason::ConnectTimeout));
        assert_eq!(heard.now(), None, "no application ever knew of it");
    }
    // Who comes late has the whole time for a first sign of life.
    let session = engine.reserve(plan(&SocketIo09, &SOCKET)).unwrap();
    sleep(Duration::from_secs(59)).await;
    engine.start(&session, &POLLING);
    sleep(Duration::from_millis(1400)).await;
    assert!(session.is_open());
    sleep(Duration::from_millis(200)).await;
    assert_eq!(heard.closed().await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn an_idle_poll_is_ended_with_a_noop() {
    let ping_interval = Duration::from_millis(50);
    let limits =
        Limits { ping_interval, ping_timeout: Duration::from_secs(60), ..Limits::default() };
    let server = Setup::limits(limits).start_app(stage().0).await;
    let session = Session09::polling(&server).await;
    for _ in 0..2 {
        assert_eq!(session.poll().await, "8::");
    }
    let mut ws = Session09::open(&server).await.websocket().await;
    assert_eq!(ws.text().await, "2::", "a stream has heartbeats instead");
}
