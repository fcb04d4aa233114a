//! Upgrades from polling to WebSocket, step by step (engineio.md §8, vector 14). What happens to
//! messages when a step fails is in `upgrade.rs`.

use std::time::Duration;

use parlance::dialect::{self, Message};
use parlance::engine::{Drained, Engine, Limits};
use tokio::time::{Instant, sleep};

use crate::support::apps::{Echo, stage};
use crate::support::http::Http;
use crate::support::packets::{Eio, Packet};
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::session::{POLLING, SOCKET, next, open, poll};
use crate::support::until;
use crate::support::ws::{FIN, Frame, UPGRADE, Ws, frame};

async fn server() -> TestServer {
    Setup::default().start(Echo).await
}

/// Asserts that a session goes on by polling.
async fn assert_polls(session: &mut Polls) {
    session.say("4by polling").await;
    assert_eq!(session.texts().await, ["4by polling"]);
}

#[tokio::test]
async fn vector_14_a_probe_and_a_parked_poll() {
    let server = Setup::default().start_app(stage().0).await;
    for query in ["EIO=4", "EIO=3", "EIO=3&b64=1"] {
        let mut session = Polls::open(&server, query).await;
        session.say("40").await;
        if session.early.is_empty() {
            session.poll().await;
        }
        let parked = session.park(&server).await;
        let mut ws = session.websocket().await;
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe", "and no open packet before it");
        assert_eq!(parked.packets().await, ["6".into()], "{query}");
        ws.send("5").await;
        ws.send("42[\"m\"]").await;
        assert_eq!(ws.text().await, "42[\"m\"]");
    }
}

#[tokio::test]
async fn polls_are_released_again_until_the_client_settles() {
    let server = server().await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let mut ws = session.probed().await;
    for _ in 0..3 {
        assert_eq!(session.texts().await, ["6"]);
    }
    ws.send("5").await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
}

#[tokio::test]
async fn a_poll_still_parked_at_the_end_is_released() {
    let server = server().await;
    for eio in Eio::ALL {
        let session = Polls::open(&server, eio.query()).await;
        let parked = session.park(&server).await;
        let mut ws = session.websocket().await;
        // Back to back, before the answer was read.
        ws.send("2probe").await;
        ws.send("5").await;
        assert_eq!(ws.text().await, "3probe");
        assert_eq!(parked.packets().await, ["6".into()], "{eio:?}: kinder than a close");
        ws.send("4a").await;
        assert_eq!(ws.text().await, "4a");
    }
}

#[tokio::test]
async fn messages_go_on_by_polling_between_probe_and_settling() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        let inner = server.engine.session(&session.sid).unwrap();
        let mut ws = session.probed().await;
        // Both ways, queued and parked.
        session.say("4up and down").await;
        assert_eq!(session.texts().await, ["4up and down"]);
        let parked = session.park(&server).await;
        inner.send(Message::Text("pushed".into()));
        assert_eq!(parked.packets().await, ["4pushed".into()]);
        // What waits at the switch goes by WebSocket, and is the first thing there.
        inner.send(Message::Text("waiting".into()));
        ws.send("5").await;
        assert_eq!(ws.text().await, "4waiting", "{eio:?}");
        assert_eq!(inner.transport(), "websocket");
    }
}

#[tokio::test]
async fn a_post_that_is_under_way_at_the_switch_is_taken() {
    let server = server().await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let mut posting = Http::open(server.addr).await;
    let whole = crate::support::http::request("POST", &session.target(), &[], b"4half here");
    posting.send(&whole[..whole.len() - 5]).await;
    let inner = server.engine.session(&session.sid).unwrap();
    until("the server reads the body", || inner.is_posting()).await;
    let mut ws = session.probed().await;
    posting.send(&whole[whole.len() - 5..]).await;
    posting.answer().await.assert_ok();
    assert_eq!(session.texts().await, ["4half here"]);
    ws.send("5").await;
    ws.send("4b").await;
    assert_eq!(ws.text().await, "4b");
}

#[tokio::test]
async fn a_first_frame_that_is_no_probe_closes_the_websocket_alone() {
    let server = server().await;
    for eio in Eio::ALL {
        for first in ["4a", "2", "3probe", "1", "6", "40", "2Probe", "x", ""] {
            let mut session = Polls::open(&server, eio.query()).await;
            let mut ws = session.websocket().await;
            ws.send(first).await;
            ws.closed().await;
            assert_polls(&mut session).await;
        }
    }
}

/// Node's servers take it, and libraries for small devices do it.
#[tokio::test]
async fn a_client_may_settle_without_a_probe() {
    let limits = Limits { upgrade_timeout: Duration::from_secs(2), ..Limits::default() };
    let server = Setup::limits(limits).start(Echo).await;
    for eio in Eio::ALL {
        for packet in ["5", "52"] {
            let mut session = Polls::open(&server, eio.query()).await;
            session.say("4queued").await;
            let mut ws = session.websocket().await;
            ws.send(packet).await;
            assert_eq!(ws.text().await, "4queued");
            let inner = server.engine.session(&session.sid).unwrap();
            assert_eq!(inner.transport(), "websocket");
            // It is not taken back: the client has left polling, and may stay silent until its heartbeat.
            sleep(Duration::from_millis(2500)).await;
            assert_eq!(inner.transport(), "websocket", "{packet}");
            session.get().await.assert_error(400, 3, "Bad request");
            ws.send("4a").await;
            assert_eq!(ws.text().await, "4a");
        }
    }
}

#[tokio::test]
async fn binary_as_a_first_frame_closes_the_websocket_alone() {
    let server = server().await;
    for (eio, data) in
        [(Eio::V4, &b"2probe"[..]), (Eio::V3, &[4, 1]), (Eio::V3, &[2]), (Eio::V4, &[])]
    {
        let mut session = Polls::open(&server, eio.query()).await;
        let mut ws = session.websocket().await;
        ws.send_binary(data).await;
        ws.closed().await;
        assert_polls(&mut session).await;
    }
}

#[tokio::test]
async fn what_is_no_websocket_at_all_costs_the_probe_alone() {
    let limits = Limits { max_payload: 2000, ..Limits::default() };
    let server = Setup::limits(limits).start(Echo).await;
    for garbage in
        [vec![0xff; 64], b"GET / HTTP/1.1\r\n\r\n".to_vec(), frame(FIN | 1, &[b'4'; 3000])]
    {
        let mut session = Polls::open(&server, "EIO=4").await;
        let mut ws = session.probed().await;
        ws.raw(&garbage).await;
        ws.closed().await;
        assert_polls(&mut session).await;
    }
}

#[tokio::test]
async fn anything_but_5_after_the_probe_closes_the_websocket_alone() {
    let server = server().await;
    for eio in Eio::ALL {
        for second in ["2probe", "4a", "2", "3", "1", "6", "x"] {
            let mut session = Polls::open(&server, eio.query()).await;
            let mut ws = session.probed().await;
            ws.send(second).await;
            ws.closed().await;
            assert_polls(&mut session).await;
            // And the next attempt may succeed.
            let mut ws = session.upgrade(&server).await;
            ws.send("4by websocket").await;
            assert_eq!(ws.text().await, "4by websocket", "{eio:?} {second}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stalled_upgrades_end_and_the_session_lives_on() {
    let limits = Limits { upgrade_timeout: Duration::from_millis(500), ..Limits::default() };
    let engine = Engine::new(limits, Echo);
    for probed in [false, true] {
        let session = open(&engine, Eio::V4.dialect(), &POLLING).await;
        assert!(poll(&session).await.0[0].starts_with("0{"));
        let mut drain = session.attach_candidate(&SOCKET).unwrap();
        let start = Instant::now();
        if probed {
            session.submit(&SOCKET, [dialect::Packet::Ping { probe: true }]).await.unwrap();
            assert_eq!(next(&mut drain).await.0, ["3probe"]);
        }
        // A ping of the WebSocket is no step of the upgrade.
        sleep(Duration::from_millis(400)).await;
        session.heard(&SOCKET);
        assert_eq!(next(&mut drain).await, (vec![], Drained::Superseded));
        assert_eq!(start.elapsed().as_millis(), 500);
        drop(drain);
        session.send(Message::Text("by polling".into()));
        assert_eq!(poll(&session).await.0, ["4by polling"]);
        assert!(session.attach_candidate(&SOCKET).is_ok(), "and may try again");
    }
}

#[tokio::test]
async fn a_second_probe_while_one_runs_is_closed() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        let mut first = session.websocket().await;
        session.websocket().await.closed().await;
        first.send("2probe").await;
        assert_eq!(first.text().await, "3probe");
        let mut third = session.websocket().await;
        third.send("2probe").await;
        third.closed().await;
        assert_polls(&mut session).await;
        first.send("5").await;
        first.send("4a").await;
        assert_eq!(first.text().await, "4a", "{eio:?}");
    }
}

#[tokio::test]
async fn a_second_websocket_after_the_upgrade_is_closed() {
    let server = server().await;
    for eio in Eio::ALL {
        let session = Polls::open(&server, eio.query()).await;
        let mut ws = session.upgrade(&server).await;
        let mut second = session.websocket().await;
        second.send("2probe").await;
        second.closed().await;
        ws.send("4a").await;
        assert_eq!(ws.text().await, "4a");
    }
    // One that never polled has nothing to upgrade either.
    let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    let open = crate::support::polls::read_open(&ws.text().await.as_str().into());
    let query = format!("EIO=4&transport=websocket&sid={}", open["sid"].as_str().unwrap());
    let mut second = Ws::open(server.addr, &target(&query)).await;
    second.closed().await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
}

#[tokio::test]
async fn polling_after_the_upgrade_is_the_wrong_transport() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        let mut ws = session.upgrade(&server).await;
        // The upgrade is beyond doubt once something came over it.
        ws.send("4a").await;
        assert_eq!(ws.text().await, "4a");
        for _ in 0..2 {
            session.get().await.assert_error(400, 3, "Bad request");
            session.post(eio.framed("4b")).await.assert_error(400, 3, "Bad request");
        }
        ws.send("4c").await;
        assert_eq!(ws.text().await, "4c", "{eio:?}");
    }
}

#[tokio::test]
async fn an_unknown_sid_is_refused_and_hung_up_on() {
    let server = server().await;
    let mut http = Http::open(server.addr).await;
    let target = target("EIO=4&transport=websocket&sid=aaaaaaaaaaaaaaaaaaaa");
    http.send(&crate::support::http::request("GET", &target, &UPGRADE, b"")).await;
    let answer = http.answer().await;
    answer.assert_upgrade_error("Session ID unknown");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(http.rest().await, b"");
}

#[tokio::test]
async fn a_websocket_that_dies_while_probing_costs_nothing() {
    let server = server().await;
    for eio in Eio::ALL {
        for probed in [false, true] {
            for reset in [false, true] {
                let mut session = Polls::open(&server, eio.query()).await;
                let ws = if probed { session.probed().await } else { session.websocket().await };
                if reset {
                    ws.abort()
                } else {
                    drop(ws)
                }
                assert_polls(&mut session).await;
                let inner = server.engine.session(&session.sid).unwrap();
                until("the attempt is over", || !inner.is_upgrading()).await;
                let mut ws = session.upgrade(&server).await;
                ws.send("4by websocket").await;
                assert_eq!(ws.text().await, "4by websocket", "{eio:?}, {probed}, {reset}");
            }
        }
    }
}

#[tokio::test]
async fn binary_goes_on_over_the_upgraded_connection() {
    let server = server().await;
    for (query, sent, got) in [
        ("EIO=4", vec![1, 2], Frame::Binary(vec![1, 2])),
        ("EIO=3", vec![4, 1, 2], Frame::Binary(vec![4, 1, 2])),
        ("EIO=3&b64=1", vec![4, 1, 2], Frame::Text("b4AQI=".into())),
        ("EIO=4&b64=1", vec![1, 2], Frame::Text("bAQI=".into())),
    ] {
        let mut session = Polls::open(&server, query).await;
        session.send(&[Packet::Binary(vec![9])]).await;
        assert_eq!(session.poll().await, [Packet::Binary(vec![9])]);
        let mut ws = session.upgrade(&server).await;
        ws.send_binary(&sent).await;
        assert_eq!(ws.next().await, got, "{query}");
    }
}

#[tokio::test]
async fn a_jsonp_session_can_be_upgraded_too() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, &format!("{}&j=0&b64=1", eio.query())).await;
        session.say("4a").await;
        let mut ws = session.upgrade(&server).await;
        assert_eq!(ws.text().await, "4a", "{eio:?}");
    }
}
