//! Nothing is left of sessions, however they end: no session, no task.

use std::time::Duration;

use parlance::dialect::Message;
use parlance::engine::{CloseReason, Limits, QueueLimits};
use tokio::runtime::Handle;

use crate::support::apps::{Echo, stage, tap};
use crate::support::client::{Client, Via};
use crate::support::http::{Http, request};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::until;
use crate::support::v09::Session09;
use crate::support::ws::{Frame, UPGRADE, Ws};

/// Times that no client here comes near, but for what the server waits for on its own.
fn patient() -> Limits {
    Limits {
        queue: QueueLimits { bytes: 1 << 20, messages: 16 },
        upgrade_timeout: Duration::from_secs(2),
        linger: Duration::from_millis(100),
        ..Limits::default()
    }
}

/// Times for those who wait to be given up.
fn rate_limit_stats() -> Limits {
    let brief = Duration::from_millis(100);
    Limits { ping_interval: brief, ping_timeout: brief, upgrade_timeout: brief, ..patient() }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits until everything is as it was before there were sessions. All connections of clients have
/// to be gone by now.
async fn nothing_left(server: &TestServer, tasks_before: usize) {
    until("no session is left", || server.engine.session_count() == 0).await;
    until("no task of a session is left", || server.engine.task_count() == 0).await;
    until("no task at all is left", || tasks() <= tasks_before).await;
}

#[tokio::test]
async fn websockets() {
    let server = Setup::limits(patient()).start(Echo).await;
    let before = tasks();
    for round in 0..30 {
        let eio = Eio::ALL[round % 2];
        let mut ws =
            Ws::open(server.addr, &target(&format!("{}&transport=websocket", eio.query()))).await;
        match (round / 2) % 5 {
            0 => ws.abort(),
            1 => drop(ws),
            2 => ws.close().await,
            3 => ws.send("1").await,
            _ => ws.send("garbage").await,
        }
    }
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn polls() {
    let server = Setup::limits(patient()).start(Echo).await;
    let before = tasks();
    for round in 0..36 {
        let query = ["EIO=4", "EIO=3", "EIO=3&j=0&b64=1"][round % 3];
        let mut session = Polls::open(&server, query).await;
        match (round / 3) % 6 {
            0 => session.park(&server).await.abort(),
            1 => session.park(&server).await.hang_up(),
            2 => session.say("1").await,
            3 => {
                let parked = session.park(&server).await;
                assert_eq!(session.get().await.status, 400);
                drop(parked);
            }
            4 => {
                // A body that is never complete: the session goes on, for now.
                let whole = request("POST", &session.target(), &[], b"4abcdef");
                let mut http = Http::open(server.addr).await;
                http.send(&whole[..whole.len() - 2]).await;
                let inner = server.engine.session(&session.sid).unwrap();
                until("the server reads the body", || inner.is_posting()).await;
                http.abort();
                until("the server has noticed", || !inner.is_posting()).await;
                session.say("1").await;
            }
            _ => {
                session.post_as("x/y", "d=abc").await.assert_ok();
            }
        }
    }
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn silence() {
    let server = Setup::limits(rate_limit_stats()).start(Echo).await;
    let before = tasks();
    let mut sockets = Vec::new();
    for round in 0..24 {
        let eio = Eio::ALL[round % 2];
        let direct = target(&format!("{}&transport=websocket", eio.query()));
        match (round / 2) % 4 {
            // Handshakes that nobody comes back to.
            0 => drop(Polls::open(&server, eio.query()).await),
            // WebSockets on which nothing is ever said.
            1 => sockets.push(Ws::open(server.addr, &direct).await),
            // Probes that never are, and such as lead nowhere; unless the session is over by now.
            kind => {
                let session = Polls::open(&server, eio.query()).await;
                let (ws, _) = Ws::attempt(server.addr, &session.upgrade_target(), &UPGRADE).await;
                let Some(mut ws) = ws else { continue };
                if kind == 3 {
                    ws.send("2probe").await;
                }
                sockets.push(ws);
            }
        }
    }
    for mut ws in sockets {
        // Not even what a browser says by itself.
        ws.pongs = false;
        while !matches!(ws.next().await, Frame::Close(_) | Frame::End) {}
    }
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn upgrades() {
    let server = Setup::limits(patient()).start(Echo).await;
    let before = tasks();
    for round in 0..32 {
        let eio = Eio::ALL[round % 2];
        let session = Polls::open(&server, eio.query()).await;
        match (round / 2) % 8 {
            0 => session.websocket().await.abort(),
            1 => drop(session.probed().await),
            2 => session.websocket().await.send("4wrong").await,
            3 => session.probed().await.close().await,
            4 => session.upgrade(&server).await.abort(),
            5 => drop(session.upgrade(&server).await),
            6 => session.upgrade(&server).await.close().await,
            _ => {
                // Confirmed, with another attempt beside it.
                let mut ws = session.upgrade(&server).await;
                ws.send("4a").await;
                assert_eq!(ws.text().await, "4a");
                session.websocket().await.closed().await;
            }
        }
        // What is left of a failed attempt is a session that polls.
        if let Some(session) = server.engine.session(&session.sid).filter(|_| (round / 2) % 8 < 4) {
            session.close(CloseReason::ClientClosed);
        }
    }
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn ends_by_the_server() {
    let (tap, mut heard) = tap();
    let server = Setup::limits(patient()).start(tap).await;
    let before = tasks();
    for round in 0..24 {
        let eio = Eio::ALL[round % 2];
        let via = [Via::WebSocket, Via::Polling, Via::Upgraded][round % 3];
        let client = Client::open(&server, eio, via).await;
        let session = server.engine.session(&client.sid).unwrap();
        match round / 6 {
            0 => session.close(CloseReason::ServerClosed),
            1 => session.close(CloseReason::SlowReader),
            2 => (0..25).for_each(|n: u32| session.send(Message::Text(n.to_string()))),
            _ => session.close(CloseReason::ConnectTimeout),
        }
    }
    // The application hears of each.
    for _ in 0..24 {
        heard.closed().await;
    }
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn applications_with_questions_open() {
    let (stage, mut exits) = stage();
    let server = Setup::limits(patient()).start_app(stage).await;
    let before = tasks();
    for eio in Eio::ALL {
        for via in Via::ALL {
            let mut client = Client::join(&server, eio, via).await;
            for _ in 0..5 {
                client.send("42[\"ask\",1]").await;
            }
            match via {
                Via::Polling | Via::PollingB64 | Via::Jsonp => client.send("1").await,
                _ => client.kill(),
            }
            assert_eq!(exits.next().await.0, "/");
        }
    }
    // Whoever waited for an answer has heard that there will be none.
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn clients_of_0_9() {
    let server = Setup::limits(patient()).start_app(stage().0).await;
    let before = tasks();
    for round in 0..12 {
        let session = Session09::open(&server).await;
        if round % 2 == 0 {
            let mut ws = session.websocket().await;
            match round % 3 {
                0 => ws.abort(),
                1 => ws.send("0::").await,
                _ => drop(ws),
            }
        } else {
            assert_eq!(session.poll().await, "1::");
            match round % 3 {
                0 => session.say("0::").await,
                1 => {}
                // To these a lost connection is a pause.
                _ => session.park(&server).await.abort(),
            }
            session.leave().await;
        }
    }
    nothing_left(&server, before).await;
}

#[tokio::test]
async fn requests_that_open_nothing() {
    let server = Setup::limits(patient()).start(Echo).await;
    // The log counts these, and has one task for as long as it counts.
    server.get("EIO=4&transport=polling&sid=x").await;
    let before = tasks();
    for query in [
        "EIO=4&transport=foo",
        "EIO=9&transport=polling",
        "EIO=4&transport=websocket",
        "EIO=4&transport=polling&sid=x",
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            server.fetch(method, query, &[], b"").await;
        }
        let (ws, _) = Ws::attempt(server.addr, &target(query), &[("Upgrade", "websocket")]).await;
        assert!(ws.is_none());
    }
    // A client that leaves before its WebSocket is there.
    let mut http = Http::open(server.addr).await;
    http.send(&request("GET", &target("EIO=4&transport=websocket"), &UPGRADE, b"")).await;
    http.abort();
    nothing_left(&server, before).await;
}
