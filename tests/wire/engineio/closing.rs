//! Overlapping requests, and the ways in which sessions end (engineio.md §9, vectors 12 and 13).

use std::time::Duration;

use parlance::dialect::Message;
use parlance::engine::{CloseReason, Drained, Engine, Limits};

use crate::support::apps::{Echo, tap};
use crate::support::http::{Http, request};
use crate::support::packets::{Eio, Packet};
use crate::support::polls::Polls;
use crate::support::server::Setup;
use crate::support::session::{POLLING, open, poll};
use crate::support::until;
use crate::support::ws::{UPGRADE, Ws};

#[tokio::test]
async fn vector_12_the_client_closes() {
    for (query, farewell) in [("EIO=4", "6"), ("EIO=3&b64=1", "1:6")] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let mut session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        session.say("1").await;
        assert_eq!(parked.answer().await.text(), farewell);
        assert_eq!(heard.closed().await, CloseReason::ClientClosed);
        session.get().await.assert_error(400, 1, "Session ID unknown");
        session.post("4a").await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn vector_13_two_polls_at_once() {
    for (query, farewell) in [("EIO=4", "1"), ("EIO=3&b64=1", "1:1"), ("EIO=3&j=1&b64=1", "1:1")] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let mut session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        session.get().await.assert_error(400, 3, "Bad request");
        let answer = parked.answer().await;
        let payload = match query.contains("j=") {
            true => crate::support::packets::read_script(answer.text()).1,
            false => answer.text().to_owned(),
        };
        assert_eq!(payload, farewell, "{query}");
        assert!(heard.closed().await.to_string().starts_with("transport error"));
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn two_posts_at_once() {
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let mut session = Polls::open(&server, eio.query()).await;
        let mut slow = Http::open(server.addr).await;
        let body = eio.framed("4never complete");
        let whole = request("POST", &session.target(), &[], body.as_bytes());
        slow.send(&whole[..whole.len() - 3]).await;
        let inner = server.engine.session(&session.sid).unwrap();
        until("the server reads the body", || inner.is_posting()).await;
        session.post(eio.framed("4b")).await.assert_error(400, 3, "Bad request");
        assert!(heard.closed().await.to_string().starts_with("transport error"));
        session.get().await.assert_error(400, 1, "Session ID unknown");
        // Nothing of the first is delivered any more, and it gets some answer.
        slow.send_perhaps(&whole[whole.len() - 3..]).await;
        slow.answer().await;
        assert_eq!(heard.now(), None);
    }
}

#[tokio::test]
async fn a_poll_and_a_post_are_no_overlap() {
    let server = Setup::default().start(Echo).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        for n in 0..10 {
            let parked = session.park(&server).await;
            session.say(&format!("4{n}")).await;
            assert_eq!(parked.packets().await, [format!("4{n}").as_str().into()]);
        }
    }
}

#[tokio::test]
async fn a_parked_poll_that_is_dropped_ends_the_session() {
    for eio in Eio::ALL {
        for reset in [true, false] {
            let (tap, mut heard) = tap();
            let server = Setup::default().start(tap).await;
            let session = Polls::open(&server, eio.query()).await;
            let parked = session.park(&server).await;
            if reset {
                parked.abort()
            } else {
                parked.hang_up()
            }
            assert_eq!(heard.closed().await, CloseReason::TransportLost, "{eio:?}, reset: {reset}");
            server.assert_gone(&session.sid).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_between_polls_does_not_matter() {
    let server = Setup::default().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    for n in 0..3 {
        // A connection of its own for each request.
        let query = format!("EIO=4&transport=polling&sid={}", session.sid);
        let answer = server
            .fetch("POST", &query, &[("Connection", "close")], format!("4{n}").as_bytes())
            .await;
        answer.assert_ok();
        let answer = server.fetch("GET", &query, &[("Connection", "close")], b"").await;
        assert_eq!(answer.text(), format!("4{n}"));
    }
    session.say("4a").await;
    assert_eq!(session.texts().await, ["4a"]);
}

#[tokio::test]
async fn the_server_closes_a_poll_that_is_parked() {
    for (query, farewell) in [("EIO=4", "1"), ("EIO=3&b64=1", "1:1")] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let mut session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        server.engine.session(&session.sid).unwrap().close(CloseReason::ServerClosed);
        assert_eq!(parked.answer().await.text(), farewell);
        assert_eq!(heard.closed().await, CloseReason::ServerClosed);
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn the_server_closes_between_two_polls() {
    for query in ["EIO=4", "EIO=3", "EIO=3&b64=1"] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let mut session = Polls::open(&server, query).await;
        let inner = server.engine.session(&session.sid).unwrap();
        inner.send(Message::Text("last words".into()));
        inner.close(CloseReason::ServerClosed);
        inner.send(Message::Text("too late".into()));
        // The reference servers put a noop before the close; that says nothing.
        let mut packets = session.poll().await;
        packets.retain(|packet| *packet != "6".into());
        assert_eq!(packets, ["4last words".into(), Packet::from("1")], "{query}");
        assert_eq!(heard.closed().await, CloseReason::ServerClosed);
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_to_be_told() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(Limits::default(), tap);
    let session = open(&engine, Eio::V4.dialect(), &POLLING).await;
    let start = tokio::time::Instant::now();
    session.close(CloseReason::ServerClosed);
    tokio::time::sleep(Duration::from_millis(29_999)).await;
    assert_eq!(engine.session_count(), 1);
    assert_eq!(heard.closed().await, CloseReason::ServerClosed);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_is_told_everything() {
    let engine = Engine::new(Limits::default(), Echo);
    let session = open(&engine, Eio::V4.dialect(), &POLLING).await;
    session.send(Message::Text("a".into()));
    session.close(CloseReason::ServerClosed);
    tokio::time::sleep(Duration::from_secs(29)).await;
    let (packets, end) = poll(&session).await;
    assert!(packets[0].starts_with("0{"));
    assert_eq!(
        (&packets[1..], end),
        (&["4a".to_owned()][..], Drained::Closed(CloseReason::ServerClosed))
    );
}

#[tokio::test]
async fn the_server_closes_a_websocket() {
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let session = Polls::open(&server, eio.query()).await;
        let mut ws = session.upgrade(&server).await;
        let inner = server.engine.session(&session.sid).unwrap();
        inner.send(Message::Text("last words".into()));
        inner.close(CloseReason::ServerClosed);
        assert_eq!(ws.text().await, "4last words");
        assert_eq!(ws.closed().await, None);
        assert_eq!(heard.closed().await, CloseReason::ServerClosed);
        server.assert_gone(&session.sid).await;
    }
}

#[tokio::test]
async fn a_malformed_post_answers_the_parked_poll() {
    for (query, farewell) in [("EIO=4", "1"), ("EIO=3&b64=1", "1:1")] {
        let server = Setup::default().start(Echo).await;
        let mut session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        session.post("abc").await.assert_ok();
        assert_eq!(parked.answer().await.text(), farewell);
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn a_closed_sid_opens_no_websocket() {
    let server = Setup::default().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    session.say("1").await;
    let (ws, answer) = Ws::attempt(server.addr, &session.upgrade_target(), &UPGRADE).await;
    assert!(ws.is_none());
    answer.assert_upgrade_error("Session ID unknown");
}
