//! Volatile events: for who can take them now, in each generation and on each transport.

use std::time::Duration;

use bytes::Bytes;
use parlance::engine::{Limits, QueueLimits};
use parlance::socketio::{Io, Socket};

use super::{client, start};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer};
use crate::support::v09::{Session09, framed};
use crate::support::{soon, until};

/// A way to send a volatile event to one socket, by its name.
type Way = (&'static str, fn(&Socket));

const WAYS: [Way; 4] = [
    ("one", |socket| socket.volatile().emit("v", ())),
    ("many", |socket| socket.namespace().volatile().emit("v", ())),
    ("ask one", |socket| drop(socket.volatile().emit_with_ack::<()>("v", ()))),
    ("ask many", |socket| drop(socket.namespace().volatile().emit_with_ack::<()>("v", ()))),
];

async fn idle(server: &TestServer, socket: &Socket) {
    until("nothing waits", || socket.session().is_idle()).await;
    server.settle().await;
}

/// The name of the next event.
async fn next_name(client: &mut Client) -> String {
    let text = client.text().await;
    let (_, event) = text.split_once("[\"").unwrap_or_else(|| panic!("no event: {text}"));
    event.split_once('"').expect("a name").0.to_owned()
}

#[tokio::test]
async fn on_a_websocket_whose_client_reads_they_arrive() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    for eio in Eio::ALL {
        for (way, send) in WAYS {
            let (mut client, id) = client(&server, eio).await;
            let socket = io.of("/").socket(&id).unwrap();
            idle(&server, &socket).await;
            // The system has taken the first one: the second can go as well.
            socket.emit("e", ());
            send(&socket);
            let heard = [next_name(&mut client).await, next_name(&mut client).await];
            assert_eq!(heard, ["e", "v"], "{eio:?} {way}");
            client.kill();
            until("it has left", || socket.has_left()).await;
        }
    }
}

#[tokio::test]
async fn on_a_websocket_behind_which_something_waits_they_are_dropped() {
    let queue = QueueLimits { bytes: 1 << 26, messages: 4096 };
    let limits = Limits { queue, ..Limits::default() };
    let mut io = None;
    let server = Setup::limits(limits).start_app(|it| drop(io.insert(it.clone()).of("/"))).await;
    let io = io.expect("it was started");
    for eio in Eio::ALL {
        for (way, send) in WAYS {
            let (mut client, id) = client(&server, eio).await;
            let socket = io.of("/").socket(&id).unwrap();
            idle(&server, &socket).await;
            let large = Bytes::from(vec![b'x'; 1 << 16]);
            let mut sent = 0;
            while socket.session().is_idle() {
                assert!(sent < 500, "the system takes everything");
                socket.emit("large", str::from_utf8(&large).unwrap());
                sent += 1;
                tokio::task::yield_now().await;
            }
            send(&socket);
            socket.emit("e", ());
            for _ in 0..sent {
                assert_eq!(next_name(&mut client).await, "large");
            }
            assert_eq!(next_name(&mut client).await, "e", "{eio:?} {way}");
            idle(&server, &socket).await;
            send(&socket);
            assert_eq!(next_name(&mut client).await, "v", "{eio:?} {way}");
            client.kill();
            until("it has left", || socket.has_left()).await;
        }
    }
}

#[tokio::test]
async fn on_polls_one_answers_the_poll_that_waits_and_no_other_arrives() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    for eio in Eio::ALL {
        for (way, send) in WAYS {
            let mut client = Client::open(&server, eio, Via::Polling).await;
            let id = client.join_default().await;
            let socket = io.of("/").socket(&id).unwrap();
            send(&socket);
            socket.emit("e", ());
            assert_eq!(next_name(&mut client).await, "e", "no poll was there: {eio:?} {way}");
            let parked = client.polls().park(&server).await;
            send(&socket);
            send(&socket);
            socket.emit("f", ());
            assert_eq!(parked.packets().await.len(), 1, "{eio:?} {way}");
            assert_eq!(next_name(&mut client).await, "f", "{eio:?} {way}");
            socket.disconnect(true);
            until("it has left", || socket.has_left()).await;
        }
    }
}

#[tokio::test]
async fn clients_of_0_9_get_them_if_a_request_of_theirs_waits() {
    let (server, io) = start(|io: &Io| drop(io.of("/"))).await;
    let old = Session09::polling(&server).await;
    let socket = io.of("/").socket(&old.sid).unwrap();
    socket.volatile().emit("lost", ());
    socket.emit("e", ());
    assert_eq!(old.poll().await, "5:::{\"name\":\"e\"}");
    let mut parked = old.park(&server).await;
    socket.volatile().emit("v", ());
    socket.volatile().emit("lost", ());
    assert_eq!(soon("an answer", parked.answer()).await.text(), "5:::{\"name\":\"v\"}");
    socket.emit("f", ());
    socket.emit("g", ());
    let both = ["5:::{\"name\":\"f\"}", "5:::{\"name\":\"g\"}"];
    assert_eq!(old.poll().await, framed(&both), "nothing was kept");
    let other = Session09::open(&server).await;
    let mut ws = other.websocket().await;
    let socket = io.of("/").socket(&other.sid).unwrap();
    idle(&server, &socket).await;
    socket.volatile().emit("v", ());
    assert_eq!(ws.text().await, "5:::{\"name\":\"v\"}");
}

#[tokio::test]
async fn who_is_not_asked_does_not_answer() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    let mut client = Client::open(&server, Eio::V4, Via::Polling).await;
    let id = client.join_default().await;
    let asked = io.of("/").volatile().timeout(Duration::from_secs(60)).emit_with_ack::<u8>("q", ());
    let answers = soon("nobody was asked", asked).await.unwrap();
    assert_eq!((answers.answers, answers.missing), (vec![], vec![id]));
}

#[tokio::test]
async fn compress_is_taken_with_every_event_and_changes_none() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    for eio in Eio::ALL {
        for via in [Via::WebSocket, Via::Polling] {
            let mut client = Client::open(&server, eio, via).await;
            let id = client.join_default().await;
            let (root, text) = (io.of("/"), "x".repeat(2000));
            let socket = root.socket(&id).unwrap();
            for compress in [true, false] {
                socket.compress(compress).emit("one", text.as_str());
                root.compress(compress).to(&id).emit("many", text.as_str());
                for name in ["one", "many"] {
                    assert_eq!(client.text().await, format!("42[\"{name}\",\"{text}\"]"));
                }
            }
        }
    }
}
