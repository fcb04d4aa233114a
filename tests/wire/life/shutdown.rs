//! The end of the server: every client is told in its own words, and nobody can hold it up.

use std::time::Duration;

use parlance::dialect::Message;
use parlance::engine::Limits;

use crate::support::apps::{Echo, stage, tap};
use crate::support::client::{Client, Via};
use crate::support::http::Http;
use crate::support::packets::{Eio, Packet};
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::v09::Session09;
use crate::support::ws::{UPGRADE, Ws};
use crate::support::{PATIENCE, soon, until};

/// Stops a server as the binary does; returns how many sessions were left.
async fn stop(server: &TestServer) -> usize {
    server.server.stop_accepting();
    let left = soon("the shutdown", server.engine.shutdown(PATIENCE)).await;
    soon("the end of connections", server.server.drained(PATIENCE * 2)).await;
    left
}

#[tokio::test]
async fn every_client_is_told() {
    for eio in Eio::ALL {
        for via in Via::ALL {
            let (stage, mut exits) = stage();
            let server = Setup::default().start_app(stage).await;
            let client = Client::join(&server, eio, via).await;
            let session = server.engine.session(&client.sid).unwrap();
            let telling = tokio::spawn(client.assert_closed());
            until("the client listens", || session.is_drained()).await;
            assert_eq!(stop(&server).await, 0, "{eio:?} {via:?}");
            soon("the client is told", telling).await.expect("no panic");
            assert_eq!(exits.next().await, ("/".into(), "server shutting down".into()));
        }
    }
}

#[tokio::test]
async fn parked_polls_get_all_that_waited_and_the_end() {
    for (query, farewell) in [("EIO=4", "1"), ("EIO=3&b64=1", "1:1")] {
        let server = Setup::default().start(Echo).await;
        let session = Polls::open(&server, query).await;
        let parked = session.park(&server).await;
        assert_eq!(stop(&server).await, 0);
        assert_eq!(parked.answer().await.text(), farewell);
    }
}

#[tokio::test]
async fn who_is_between_two_polls_has_time_to_come() {
    for query in ["EIO=4", "EIO=3"] {
        let server = Setup::default().start(Echo).await;
        let mut session = Polls::open(&server, query).await;
        server.engine.session(&session.sid).unwrap().send(Message::Text("last words".into()));
        let engine = server.engine.clone();
        let stopping = tokio::spawn(async move { engine.shutdown(PATIENCE).await });
        until("the server is stopping", || server.engine.stopping().is_cancelled()).await;
        let mut packets = session.poll().await;
        packets.retain(|packet| *packet != "6".into());
        assert_eq!(packets, ["4last words".into(), Packet::from("1")], "{query}");
        assert_eq!(soon("the shutdown", stopping).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn clients_of_0_9_are_told_to_come_back() {
    let server = Setup::default().start_app(stage().0).await;
    let mut ws = Session09::open(&server).await.websocket().await;
    let mut poll = Session09::polling(&server).await.park(&server).await;
    let telling = tokio::spawn(async move {
        // Not `0::`: that would tell the page not to come back.
        assert_eq!(ws.text().await, "7:::1+0");
        ws.closed().await;
        assert_eq!(poll.answer().await.text(), "7:::1+0");
    });
    assert_eq!(stop(&server).await, 0);
    soon("both are told", telling).await.expect("no panic");
}

#[tokio::test]
async fn nobody_new_comes_in() {
    let server = Setup::default().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let inner = server.engine.session(&session.sid).unwrap();
    let engine = server.engine.clone();
    let stopping = tokio::spawn(async move { engine.shutdown(PATIENCE).await });
    until("the server is stopping", || !inner.is_open()).await;
    let answer = server.get("EIO=4&transport=polling").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let (ws, answer) =
        Ws::attempt(server.addr, &target("EIO=3&transport=websocket"), &UPGRADE).await;
    assert!(ws.is_none());
    assert_eq!(answer.status, 503);
    session.poll().await;
    assert_eq!(soon("the shutdown", stopping).await.unwrap(), 0);
    // And then there is nobody to connect to.
    server.server.stop_accepting();
    let refused = async {
        while tokio::net::TcpStream::connect(server.addr).await.is_ok() {
            // A pause between two attempts, within the bound of `soon`.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("connections are refused", refused).await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let server = Setup::default().start(Echo).await;
    let mut idle = Http::open(server.addr).await;
    assert_eq!(idle.get("/").await.status, 404);
    let fresh = Http::open(server.addr).await;
    server.settle().await;
    assert_eq!(stop(&server).await, 0);
    assert_eq!(idle.rest().await, b"");
    drop(fresh);
}

#[tokio::test]
async fn who_does_not_listen_does_not_hold_it_up() {
    let (tap, mut heard) = tap();
    let server = Setup::limits(Limits::default()).start(tap).await;
    // One that never polls again, one that reads nothing and has much to read, one that probes.
    let silent = Polls::open(&server, "EIO=4").await;
    let deaf = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    for session in server.engine.sessions() {
        for _ in 0..8 {
            session.send(Message::Text("x".repeat(100_000)));
        }
    }
    let probing = silent.probed().await;
    assert_eq!(stop(&server).await, 0);
    for _ in 0..2 {
        assert_eq!(heard.closed().await.to_string(), "server shutting down");
    }
    drop((deaf, probing));
}

#[tokio::test]
async fn patience_has_an_end() {
    let server = Setup::default().start(Echo).await;
    let _silent = Polls::open(&server, "EIO=4").await;
    let left = soon("the shutdown", server.engine.shutdown(Duration::from_millis(50))).await;
    assert_eq!(left, 1, "it says how many it did not reach");
}

#[tokio::test]
async fn a_request_that_was_begun_may_come_to_its_end() {
    let server = Setup::default().start(Echo).await;
    let (mut begun, mut idle) = (Http::open(server.addr).await, Http::open(server.addr).await);
    begun.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHo").await;
    server.settle().await;
    let engine = server.engine.clone();
    server.server.stop_accepting();
    let stopping = tokio::spawn(async move { engine.shutdown(PATIENCE).await });
    assert_eq!(soon("the end of who has begun nothing", idle.rest()).await, b"");
    begun.send(b"st: a\r\n\r\n").await;
    assert_eq!(begun.answer().await.status, 503);
    soon("the shutdown", stopping).await.unwrap();
}
