//! Joining namespaces (socketio.md §3, vectors 1-7, 15 and 16).

use std::time::Duration;

use parlance::dialect::{Message, Packet};
use parlance::engine::{CloseReason, Engine, Limits};
use parlance::socketio::Io;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::apps::{Exits, stage};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer};
use crate::support::session::{SOCKET, open};

async fn server() -> TestServer {
    served().await.0
}

async fn served() -> (TestServer, Exits) {
    let (stage, exits) = stage();
    (Setup::default().start_app(stage).await, exits)
}

/// The sid in the answer to a request to join.
fn joined(packet: &str, namespace: &str) -> String {
    let answer = packet.strip_prefix(&format!("40{namespace}"));
    let answer = answer.unwrap_or_else(|| panic!("not joined: {packet}"));
    let answer: Value = serde_json::from_str(answer).expect("an object");
    let fields = answer.as_object().expect("an object");
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["sid"], "{packet}");
    answer["sid"].as_str().expect("a sid").to_owned()
}

#[tokio::test]
async fn vector_1_protocol_4_joins_by_itself() {
    let server = server().await;
    for via in Via::ALL {
        let mut client = Client::open(&server, Eio::V3, via).await;
        assert_eq!(client.text().await, "40", "{via:?}");
        client.assert_quiet().await;
    }
}

#[tokio::test]
async fn vector_2_protocol_5_waits_to_be_asked_but_not_for_ever() {
    let connect_timeout = Duration::from_millis(100);
    let server = Setup { connect_timeout, ..Setup::default() }.start_app(stage().0).await;
    for via in [Via::WebSocket, Via::Polling, Via::Jsonp] {
        Client::open(&server, Eio::V4, via).await.assert_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_joined_in_time_stays() {
    let an_hour = Duration::from_secs(3600);
    let limits = Limits { ping_interval: an_hour, ..Limits::default() };
    let io = Io::new();
    stage().0(&io);
    let engine = Engine::new(limits, io);
    let new = async |packet: &str| {
        let session = open(&engine, Eio::V4.dialect(), &SOCKET).await;
        let packet = Packet::Message(Message::Text(packet.into()));
        session.submit(&SOCKET, [packet]).await.unwrap();
        session
    };
    let stay =
        [new("0").await, new("0/chat,").await, open(&engine, Eio::V3.dialect(), &SOCKET).await];
    let go = [
        open(&engine, Eio::V4.dialect(), &SOCKET).await,
        new("0/deny,").await,
        new("0/nope,").await,
    ];
    sleep(Duration::from_millis(44_999)).await;
    assert!(go.iter().all(|session| session.is_open()), "not before its time");
    sleep(Duration::from_millis(2)).await;
    for session in go {
        assert_eq!(session.close_reason(), Some(CloseReason::ConnectTimeout));
    }
    sleep(an_hour / 2).await;
    assert!(stay.iter().all(|session| session.is_open()));
}

#[tokio::test]
async fn vector_3_the_answer_carries_an_id_of_its_own() {
    let server = server().await;
    for via in Via::ALL {
        let mut client = Client::open(&server, Eio::V4, via).await;
        client.send("40").await;
        let root = joined(&client.text().await, "");
        client.send("40/chat,").await;
        let chat = joined(&client.text().await, "/chat,");
        assert_eq!((root.len(), chat.len()), (20, 20));
        assert!(root != client.sid && chat != client.sid && root != chat, "{via:?}");
    }
}

#[tokio::test]
async fn vectors_4_and_5_namespaces_that_are_not_there() {
    let server = server().await;
    for via in Via::ALL {
        let mut client = Client::open(&server, Eio::V4, via).await;
        for name in ["/nope", "/chat?x=1", "/chat/", "/%63hat", "/ chat"] {
            client.send(&format!("40{name},")).await;
            let refused = format!("44{name},{{\"message\":\"Invalid namespace\"}}");
            assert_eq!(client.text().await, refused, "{via:?}");
        }
        // The connection stays, for other namespaces and for another try.
        client.send("40/nope").await;
        assert_eq!(client.text().await, "44/nope,{\"message\":\"Invalid namespace\"}");
        client.join_default().await;

        let mut client = Client::join(&server, Eio::V3, via).await;
        // As servers of 1.7 and 2.x say it; 4.x sends an object, which clients of 2.x do not expect.
        for request in ["40/nope,", "40/nope", "40/nope?x=1,"] {
            client.send(request).await;
            assert_eq!(client.text().await, "44/nope,\"Invalid namespace\"", "{via:?} {request}");
        }
        client.send("42/nope,1[\"echo\"]").await;
        client.emit(json!(["echo", 1])).await;
        assert_eq!(client.event().await, json!(["echo", 1]));
    }
}

#[tokio::test]
async fn vectors_6_and_7_both_forms_of_protocol_4() {
    let server = server().await;
    let queries =
        ["40/chat?x=1,", "40/chat?k=v%20w", "40/chat?k=v%20w,", "40/chat?", "40/chat", "40/chat,"];
    for request in queries {
        let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
        client.send(request).await;
        // Never with the query: the client would not match it.
        let answer = client.text().await;
        assert!(matches!(answer.as_str(), "40/chat," | "40/chat"), "{request}: {answer}");
        client.send("42/chat,[\"echo\"]").await;
        assert_eq!(client.text().await, "42/chat,[\"echo\"]");
    }
}

#[tokio::test]
async fn the_query_of_a_namespace_is_what_auth_is_later() {
    let server = server().await;
    let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
    client.send("40/custom?token=a%20b+c&x=%C3%A9,").await;
    assert_eq!(client.text().await, "40/custom,");
    assert_eq!(client.text().await, "42/custom,[\"auth\",{\"token\":\"a b c\",\"x\":\"\\u00e9\"}]");

    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    client.send("40/custom,{\"token\":\"a b\",\"n\":[1,null]}").await;
    joined(&client.text().await, "/custom,");
    assert_eq!(client.text().await, "42/custom,[\"auth\",{\"token\":\"a b\",\"n\":[1,null]}]");
    client.send("41/custom,").await;
    client.send("40/custom,").await;
    joined(&client.text().await, "/custom,");
    assert_eq!(client.text().await, "42/custom,[\"auth\",{}]", "absent is empty");
}

#[tokio::test]
async fn the_query_of_the_handshake_is_that_of_the_default_namespace() {
    let server = server().await;
    let mut client = Client::open_with(&server, Eio::V3, Via::WebSocket, "&refuse=me").await;
    assert_eq!(client.text().await, "44\"refused\"", "and no 40 before or after it");
    client.assert_quiet().await;
}

#[tokio::test]
async fn refusals_as_each_protocol_words_them() {
    let server = server().await;
    for via in Via::ALL {
        let mut client = Client::join(&server, Eio::V4, via).await;
        client.send("40/deny,{\"token\":1}").await;
        assert_eq!(client.text().await, "44/deny,{\"message\":\"denied\",\"data\":{\"code\":7}}");
        client.send("40/shut,").await;
        assert_eq!(client.text().await, "44/shut,{\"message\":\"shut\"}");
        client.assert_quiet().await;

        let mut client = Client::join(&server, Eio::V3, via).await;
        client.send("40/deny,").await;
        assert_eq!(client.text().await, "44/deny,{\"code\":7}");
        client.send("40/shut,").await;
        assert_eq!(client.text().await, "44/shut,\"shut\"");
        client.assert_quiet().await;
    }
}

#[tokio::test]
async fn vector_15_joining_twice() {
    let (server, mut exits) = served().await;
    for via in Via::ALL {
        let mut client = Client::join(&server, Eio::V4, via).await;
        client.send("40").await;
        client.assert_closed().await;
        let (namespace, reason) = exits.next().await;
        assert_eq!(namespace, "/");
        assert!(reason.starts_with("parse error"), "{reason}");
    }
    // In protocol 4 a second 40 makes every client fire `connect` twice: none is sent.
    let mut client = Client::join(&server, Eio::V3, Via::WebSocket).await;
    client.send("40").await;
    client.assert_quiet().await;
}

#[tokio::test]
async fn vector_16_an_event_before_joining() {
    let server = server().await;
    for via in Via::ALL {
        let mut client = Client::open(&server, Eio::V4, via).await;
        client.send("42[\"x\"]").await;
        client.assert_closed().await;
        let mut client = Client::join(&server, Eio::V4, via).await;
        client.send("42/chat,[\"x\"]").await;
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn requests_may_come_before_anything_was_answered() {
    let server = server().await;
    let mut client = Client::open(&server, Eio::V3, Via::WebSocket).await;
    client.send("40/chat").await;
    client.send("42/chat,1[\"echo\"]").await;
    assert_eq!(client.text().await, "40");
    assert_eq!(client.text().await, "40/chat,");
    assert_eq!(client.text().await, "43/chat,1[]");

    let mut client = Client::open(&server, Eio::V4, Via::Polling).await;
    client
        .send_all(&["40".into(), "421[\"a\"]".into(), "40/chat,".into(), "42/chat,2[\"b\"]".into()])
        .await;
    joined(&client.text().await, "");
    assert_eq!(client.text().await, "431[]");
    joined(&client.text().await, "/chat,");
    assert_eq!(client.text().await, "43/chat,2[]");
}

#[tokio::test]
async fn an_auth_payload_is_an_object() {
    let server = server().await;
    for auth in ["[]", "\"s\"", "null", "true", "-1", "{"] {
        let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
        client.send(&format!("40{auth}")).await;
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn there_is_a_bound_to_namespaces() {
    let server = server().await;
    let mut client = Client::join(&server, Eio::V4, Via::WebSocket).await;
    // Joining and leaving for ever leaves nothing behind that counts.
    for _ in 0..100 {
        client.send("40/chat,").await;
        joined(&client.text().await, "/chat,");
        client.send("41/chat,").await;
    }
    client.assert_quiet().await;
}
