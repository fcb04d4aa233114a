//! What holds in some rooms: title, replay, slow mode.

use std::time::Duration;

use parlance::chat::ChatSettings;
use parlance::policy::{RoomRule, RoomRules};
use serde_json::{Value, json};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};

async fn server(rule: RoomRule) -> TestServer {
    let room_rules = RoomRules::new(Vec::new(), rule);
    Setup::default().start_chat(ChatSettings { room_rules, ..chat_settings() }).await
}

/// Emits, and reads the answer, past the events before it.
async fn ask(client: &mut Client, event: Value) -> Value {
    client.emit_with_ack(1, event).await;
    loop {
        if let Some(answer) = client.text().await.strip_prefix("431") {
            return serde_json::from_str::<Value>(answer).unwrap()[0].take();
        }
    }
}

/// Somebody who has logged in by the words of the stock example.
async fn user(server: &TestServer, name: &str) -> Client {
    let mut client = Client::join(server, Eio::V3, Via::WebSocket).await;
    client.emit(json!(["add user", name])).await;
    assert_eq!(client.event().await[0], "login");
    client
}

#[tokio::test]
async fn pages_that_cannot_ask_get_earlier_messages_in_their_own_words() {
    let server = server(RoomRule { replay: Some(2), ..RoomRule::default() }).await;
    let mut ann = user(&server, "ann").await;
    for text in ["one", "two", "<three>"] {
        assert_eq!(ask(&mut ann, json!(["new message", text])).await["ok"], true);
    }
    let mut bob = user(&server, "bob").await;
    for text in ["two", "<three>"] {
        let said = json!(["new message", { "username": "ann", "message": text }]);
        assert_eq!(bob.event().await, said);
    }
    // What is said before its first word it hears with the rest, in order.
    let mut old = Client::join(&server, Eio::V3, Via::WebSocket).await;
    assert_eq!(ask(&mut ann, json!(["new message", "four"])).await["ok"], true);
    old.emit(json!(["nickname", "old"])).await;
    for text in ["&lt;three&gt;", "four"] {
        assert_eq!(old.event().await, json!(["user message", "ann", text]));
    }
    // Who says nothing hears it a moment later, and then the rest as it comes: after the first word it is not told again.
    let mut quiet = Client::join(&server, Eio::V3, Via::WebSocket).await;
    assert_eq!(ask(&mut ann, json!(["new message", "five"])).await["ok"], true);
    let said = |text: &str| json!(["new message", { "username": "ann", "message": text }]);
    assert_eq!(quiet.event().await, said("five"));
    quiet.emit(json!(["add user", "quiet"])).await;
    assert_eq!(quiet.event().await[0], "login");
    assert_eq!([quiet.event().await, quiet.event().await], [said("<three>"), said("four")]);

    // The page of the tutorial has no login: it gets them as soon as it says something, and then its own words.
    let mut bare = Client::join(&server, Eio::V4, Via::WebSocket).await;
    bare.emit(json!(["chat message", "hello"])).await;
    for text in ["ann: four", "ann: five", "hello"] {
        assert_eq!(bare.event().await, json!(["chat message", text]));
    }
    // Our page is answered instead.
    let mut page = Client::join(&server, Eio::V4, Via::WebSocket).await;
    page.emit_with_ack(2, json!(["add user", "page", { "page": 1 }])).await;
    assert_eq!(page.event().await, json!(["login", { "numUsers": 5 }]));
    assert_eq!(page.ack(2).await[0]["messages"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn deleted_messages_are_not_replayed_and_edited_ones_are_as_they_stand() {
    let server = server(RoomRule { replay: Some(9), ..RoomRule::default() }).await;
    let mut page = Client::join(&server, Eio::V4, Via::WebSocket).await;
    page.emit_with_ack(1, json!(["add user", "ann", { "page": 1 }])).await;
    page.event().await;
    page.ack(1).await;
    let mut places = Vec::new();
    for (id, text) in ["one", "two", "three"].iter().enumerate() {
        let said = ask(&mut page, json!(["new message", text, { "id": id.to_string() }])).await;
        places.push(said["position"].clone());
    }
    assert_eq!(ask(&mut page, json!(["delete", { "position": places[0] }])).await["ok"], true);
    let edit = json!(["edit", { "position": places[1], "message": "2" }]);
    assert_eq!(ask(&mut page, edit).await["ok"], true);
    let mut bob = user(&server, "bob").await;
    for text in ["2", "three"] {
        let said = json!(["new message", { "username": "ann", "message": text }]);
        assert_eq!(bob.event().await, said);
    }
}

#[tokio::test]
async fn who_has_no_role_that_may_write_reads_along() {
    let write = Some(vec!["editor".to_owned()]);
    let server = server(RoomRule { write, ..RoomRule::default() }).await;
    let mut page = Client::join(&server, Eio::V4, Via::WebSocket).await;
    page.emit_with_ack(1, json!(["add user", "ann", { "page": 1 }])).await;
    page.event().await;
    assert_eq!(page.ack(1).await[0]["room"], json!({ "name": "", "readOnly": true }));
    let refused = ask(&mut page, json!(["new message", "hi", { "id": "1" }])).await;
    assert_eq!((&refused["ok"], &refused["reason"]), (&json!(false), &json!("read only")));
    let mut bob = user(&server, "bob").await;
    assert_eq!(ask(&mut bob, json!(["new message", "hello"])).await["reason"], "read only");
    let mut bare = Client::join(&server, Eio::V4, Via::WebSocket).await;
    assert_eq!(ask(&mut bare, json!(["chat message", "hello"])).await["reason"], "read only");
}

#[tokio::test]
async fn in_slow_mode_people_wait_between_messages() {
    let slow = Some(Duration::from_secs(3600));
    let title = Some("Lobby".to_owned());
    let server = server(RoomRule { slow, title, ..RoomRule::default() }).await;
    let mut page = Client::join(&server, Eio::V4, Via::WebSocket).await;
    page.emit_with_ack(1, json!(["add user", "ann", { "page": 1 }])).await;
    page.event().await;
    let room = json!({ "name": "", "title": "Lobby", "slow": 3600.0 });
    assert_eq!(page.ack(1).await[0]["room"], room);
    let first = json!(["new message", "hi", { "id": "1" }]);
    assert_eq!(ask(&mut page, first.clone()).await["ok"], true);
    // Sent again it is no other message.
    assert_eq!(ask(&mut page, first).await["ok"], true);
    page.emit_with_ack(2, json!(["new message", "more"])).await;
    let told = page.event().await;
    assert_eq!(told[1]["reason"], "slow");
    let refused = page.ack(2).await[0].take();
    assert_eq!((&refused["ok"], &refused["reason"]), (&json!(false), &json!("slow")));
    assert!(refused["message"].as_str().unwrap().contains("slow mode: wait 3"), "{refused}");
    let wait = refused["wait"].as_u64().unwrap();
    assert!((3_500_000..=3_600_000).contains(&wait), "{wait} ms");
    // Others are not held up.
    let mut bob = user(&server, "bob").await;
    assert_eq!(ask(&mut bob, json!(["new message", "hello"])).await["ok"], true);
    // Pages that know no errors are told in their own words.
    let mut old = Client::join(&server, Eio::V3, Via::WebSocket).await;
    old.emit_with_ack(1, json!(["nickname", "old"])).await;
    while old.text().await != "431[false]" {}
    old.emit(json!(["user message", "one"])).await;
    old.emit(json!(["user message", "two"])).await;
    loop {
        let event = old.event().await;
        if event[0] == "announcement" && event[1].as_str().unwrap().contains("slow mode") {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_said_first_waits_for_the_name() {
    let server = server(RoomRule::default()).await;
    let mut ann = user(&server, "ann").await;
    // As a client that was away says it: what waited in its buffer, then the login of its page.
    let mut bob = Client::join(&server, Eio::V3, Via::WebSocket).await;
    bob.emit(json!(["new message", "one"])).await;
    bob.emit_with_ack(1, json!(["new message", "two", { "id": "2" }])).await;
    bob.emit(json!(["add user", "bob"])).await;
    assert_eq!(ann.event().await, json!(["user joined", { "username": "bob", "numUsers": 2 }]));
    for text in ["one", "two"] {
        let said = json!(["new message", { "username": "bob", "message": text }]);
        assert_eq!(ann.event().await, said);
    }
    assert_eq!(bob.event().await, json!(["login", { "numUsers": 2 }]));
    assert_eq!(bob.ack(1).await[0]["ok"], true);
    // Who gives no name is told so, and not only for the first one.
    let mut nobody = Client::join(&server, Eio::V3, Via::WebSocket).await;
    for id in 1..=40 {
        nobody.emit_with_ack(id, json!(["new message", "x"])).await;
    }
    let mut refused = 0;
    while refused < 40 {
        let text = nobody.text().await;
        if text.starts_with("43") {
            assert!(text.contains("not joined"), "{text}");
            refused += 1;
        }
    }
    ann.emit_with_ack(2, json!(["who"])).await;
    assert_eq!(ann.ack(2).await[0]["numUsers"], 2);
}
