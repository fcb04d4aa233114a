//! Leaving namespaces and connections (socketio.md §5, vectors 13 and 14).

use parlance::engine::CloseReason;
use serde_json::json;

use crate::support::PATIENCE;
use crate::support::apps::{Exits, stage};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer};

async fn served() -> (TestServer, Exits) {
    let (stage, exits) = stage();
    (Setup::default().start_app(stage).await, exits)
}

fn exit(namespace: &str, reason: &str) -> (String, String) {
    (namespace.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn vectors_13_and_14_events_after_leaving() {
    let (server, mut exits) = served().await;
    for via in Via::ALL {
        let mut client = Client::join(&server, Eio::V4, via).await;
        client.send("41").await;
        assert_eq!(exits.next().await, exit("/", "client namespace disconnect"));
        client.assert_quiet().await;
        client.send("42[\"echo\",1]").await;
        client.assert_closed().await;

        let mut client = Client::join(&server, Eio::V3, via).await;
        client.send("41").await;
        assert_eq!(exits.next().await, exit("/", "client namespace disconnect"));
        client.send("42[\"echo\",1]").await;
        client.assert_quiet().await;
        client.kill();
        assert_eq!(exits.now(), None, "nobody leaves twice");
    }
}

#[tokio::test]
async fn other_namespaces_stay() {
    for (eio, farewell) in [(Eio::V4, "41"), (Eio::V3, "41"), (Eio::V3, "41/,")] {
        let (server, mut exits) = served().await;
        let mut client = Client::join(&server, eio, Via::WebSocket).await;
        client.send("40/chat,").await;
        assert!(client.text().await.starts_with("40/chat,"));
        client.send(farewell).await;
        assert_eq!(exits.next().await, exit("/", "client namespace disconnect"));
        client.send("42/chat,1[\"echo\"]").await;
        assert_eq!(client.text().await, "43/chat,1[]");
        // Either form of the farewell, with and without its comma.
        client.send(if eio == Eio::V4 { "41/chat," } else { "41/chat" }).await;
        assert_eq!(exits.next().await, exit("/chat", "client namespace disconnect"));
        client.assert_quiet().await;
    }
}

#[tokio::test]
async fn who_left_may_come_again() {
    for eio in Eio::ALL {
        let (server, mut exits) = served().await;
        let mut client = Client::join(&server, eio, Via::WebSocket).await;
        let mut last = String::new();
        for _ in 0..3 {
            client.send("40/chat,").await;
            let answer = client.text().await;
            assert!(answer.starts_with("40/chat,"), "{answer}");
            if eio == Eio::V4 {
                assert_ne!(answer, last, "a new id each time");
            }
            last = answer;
            client.send("41/chat,").await;
            assert_eq!(exits.next().await, exit("/chat", "client namespace disconnect"));
        }
    }
}

#[tokio::test]
async fn the_server_ends_a_namespace() {
    let (server, mut exits) = served().await;
    for eio in Eio::ALL {
        for via in Via::ALL {
            let mut client = Client::join(&server, eio, via).await;
            client.send("40/chat,").await;
            assert!(client.text().await.starts_with("40/chat,"));
            client.emit(json!(["leave me"])).await;
            assert_eq!(client.text().await, "41");
            assert_eq!(exits.next().await, exit("/", "server namespace disconnect"));
            // The connection stays open, and so does the other namespace.
            client.send("42/chat,1[\"echo\"]").await;
            assert_eq!(client.text().await, "43/chat,1[]");
            client.send("42/chat,[\"leave me\"]").await;
            assert_eq!(client.text().await, "41/chat,");
            assert_eq!(exits.next().await, exit("/chat", "server namespace disconnect"));
            // What is sent there now: 4.x closes, 1.x and 2.x ignore it.
            client.emit(json!(["echo"])).await;
            match eio {
                Eio::V4 => client.assert_closed().await,
                Eio::V3 => client.assert_quiet().await,
            }
        }
    }
}

#[tokio::test]
async fn the_server_ends_the_connection() {
    let (server, mut exits) = served().await;
    for eio in Eio::ALL {
        for via in Via::ALL {
            let mut client = Client::join(&server, eio, via).await;
            client.send("40/chat,").await;
            assert!(client.text().await.starts_with("40/chat,"));
            client.emit(json!(["kick me"])).await;
            // Each joined namespace is told, in whatever order.
            let mut told = vec![client.text().await, client.text().await];
            told.sort();
            assert_eq!(told, ["41", "41/chat,"], "{eio:?} {via:?}");
            client.assert_closed().await;
            let mut gone = vec![exits.next().await, exits.next().await];
            gone.sort();
            let reason = "server namespace disconnect";
            assert_eq!(gone, [exit("/", reason), exit("/chat", reason)]);
        }
    }
}

#[tokio::test]
async fn the_end_comes_after_what_was_said() {
    let (server, _exits) = served().await;
    let mut client = Client::join(&server, Eio::V4, Via::Polling).await;
    client.send_all(&["42[\"x\"]".into(), "42[\"kick me\"]".into()]).await;
    assert_eq!(client.polls().texts().await, ["42[\"x\"]", "41", "1"]);
    server.assert_gone(&client.sid).await;
}

#[tokio::test]
async fn reasons_of_lost_connections() {
    let (server, mut exits) = served().await;
    for eio in Eio::ALL {
        Client::join(&server, eio, Via::WebSocket).await.kill();
        assert_eq!(exits.next().await, exit("/", "transport close"), "a reset");

        let mut ws = Client::join(&server, eio, Via::WebSocket).await.into_ws();
        ws.close().await;
        assert_eq!(exits.next().await, exit("/", "transport close"), "a close frame");

        let mut client = Client::join(&server, eio, Via::Polling).await;
        client.send("1").await;
        assert_eq!(exits.next().await, exit("/", "transport close"), "a close packet");

        let mut client = Client::join(&server, eio, Via::Polling).await;
        client.polls().park(&server).await.abort();
        assert_eq!(exits.next().await, exit("/", "transport close"), "a dropped poll");

        let mut client = Client::join(&server, eio, Via::WebSocket).await;
        client.send("42{}").await;
        let (_, reason) = exits.next().await;
        assert!(reason.starts_with("parse error"), "{reason}");
    }
}

#[tokio::test]
async fn reasons_of_ends_by_the_server() {
    let (server, mut exits) = served().await;
    let silent = Client::join(&server, Eio::V3, Via::WebSocket).await;
    server.engine.session(&silent.sid).unwrap().close(CloseReason::PingTimeout);
    assert_eq!(exits.next().await, exit("/", "ping timeout"));

    let client = Client::join(&server, Eio::V3, Via::WebSocket).await;
    tokio::join!(server.engine.shutdown(PATIENCE), client.assert_closed());
    assert_eq!(exits.next().await, exit("/", "server shutting down"));
}
