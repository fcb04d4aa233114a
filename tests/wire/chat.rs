//! The chat in the words of each page.

use parlance::chat::ChatSettings;
use serde_json::{Value, json};

use crate::support::*;

/// Sends an event, with an ack if `id` is given.
async fn say(ws: &mut Ws, id: Option<u32>, event: Value) {
    let id = id.map_or(String::new(), |id| id.to_string());
    ws.text(&format!("42{id}{event}")).await;
}

async fn hears(ws: &mut Ws, event: Value) {
    let text = ws.next_text().await;
    assert_eq!(
        serde_json::from_str::<Value>(text.strip_prefix("42").unwrap_or(&text)).unwrap(),
        event
    );
}

async fn ack(ws: &mut Ws, id: u32) -> Value {
    let text = ws.next_text().await;
    let answer = text.strip_prefix(&format!("43{id}")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str::<Value>(answer).unwrap()[0].take()
}

/// Proves that nothing else came before it: the room answers in order.
async fn heard_nothing_else(ws: &mut Ws) {
    say(ws, Some(777), json!(["latency"])).await;
    assert_eq!(ws.next_text().await, "43777[]");
}

#[tokio::test]
async fn vectors_of_the_example() {
    let server = chat(calm(), chat_settings()).await;
    let (mut a, mut b, mut c) =
        (joined(&server).await, joined3(&server).await, joined(&server).await);
    for ws in [&mut a, &mut b, &mut c] {
        heard_nothing_else(ws).await;
    }
    say(&mut a, None, json!(["add user", "alice"])).await;
    hears(&mut a, json!(["login", {"numUsers": 1}])).await;
    hears(&mut b, json!(["user joined", {"username": "alice", "numUsers": 1}])).await;
    hears(&mut c, json!(["user joined", {"username": "alice", "numUsers": 1}])).await;
    say(&mut b, None, json!(["add user", "bob"])).await;
    hears(&mut b, json!(["login", {"numUsers": 2}])).await;
    for ws in [&mut a, &mut c] {
        hears(ws, json!(["user joined", {"username": "bob", "numUsers": 2}])).await;
    }
    say(&mut a, None, json!(["new message", "hi <b>"])).await;
    say(&mut a, None, json!(["typing"])).await;
    say(&mut a, None, json!(["stop typing"])).await;
    for ws in [&mut b, &mut c] {
        hears(ws, json!(["new message", {"username": "alice", "message": "hi <b>"}])).await;
        hears(ws, json!(["typing", {"username": "alice"}])).await;
        hears(ws, json!(["stop typing", {"username": "alice"}])).await;
    }
    say(&mut a, None, json!(["add user", "x"])).await;
    heard_nothing_else(&mut a).await;
    drop(b);
    for ws in [&mut a, &mut c] {
        hears(ws, json!(["user left", {"username": "bob", "numUsers": 1}])).await;
    }
    drop(c);
    until("c is gone", || server.engine.session_count() == 1).await;
    heard_nothing_else(&mut a).await;
}

#[tokio::test]
async fn without_a_name_one_hears_and_is_not_heard() {
    let server = chat(calm(), chat_settings()).await;
    let (mut a, mut b) = (joined(&server).await, joined(&server).await);
    heard_nothing_else(&mut b).await;
    for word in ["new message", "typing"] {
        say(&mut a, None, json!([word, "x"])).await;
        hears(
            &mut a,
            json!(["message error", {"reason": "not joined", "message": "choose a name first"}]),
        )
        .await;
    }
    say(&mut a, Some(1), json!(["new message", "x"])).await;
    hears(
        &mut a,
        json!(["message error", {"reason": "not joined", "message": "choose a name first"}]),
    )
    .await;
    assert_eq!(ack(&mut a, 1).await["reason"], "not joined");
    heard_nothing_else(&mut b).await;
}

#[tokio::test]
async fn names() {
    let settings = ChatSettings { duplicate_names: false, ..chat_settings() };
    let server = chat(calm(), settings).await;
    let mut a = joined(&server).await;
    for (name, rule) in [
        (json!(""), "name"),
        (json!("  "), "name"),
        (json!(7), "name"),
        (json!("a\u{202e}b"), "name"),
        (json!("x".repeat(33)), "name"),
    ] {
        say(&mut a, Some(3), json!(["add user", name])).await;
        let error = a.next_text().await;
        assert!(error.starts_with("42[\"login error\",{\"reason\":\"name\""), "{error}");
        let answer = ack(&mut a, 3).await;
        assert_eq!((&answer["ok"], &answer["reason"]), (&json!(false), &json!(rule)));
    }
    say(&mut a, Some(4), json!(["add user", " e\u{301}mile "])).await;
    hears(&mut a, json!(["login", {"numUsers": 1}])).await;
    assert_eq!(ack(&mut a, 4).await, json!({"ok": true, "username": "émile", "numUsers": 1}));
    let mut b = joined(&server).await;
    say(&mut b, Some(5), json!(["add user", "émile"])).await;
    hears(&mut b, json!(["login error", {"reason": "taken", "message": "émile is taken"}])).await;
    assert_eq!(ack(&mut b, 5).await["reason"], "taken");
    drop(a);
    until("a is gone", || server.engine.session_count() == 1).await;
    hears(&mut b, json!(["user left", {"username": "émile", "numUsers": 0}])).await;
    say(&mut b, None, json!(["add user", "émile"])).await;
    hears(&mut b, json!(["login", {"numUsers": 1}])).await;
}

#[tokio::test]
async fn messages_are_texts_of_bounded_size_and_rate() {
    let settings = ChatSettings { message_max: 100, message_rate: 1, ..chat_settings() };
    let server = chat(calm(), settings).await;
    let (mut a, mut b) = (joined(&server).await, joined(&server).await);
    say(&mut a, Some(0), json!(["add user", "alice"])).await;
    hears(&mut a, json!(["login", {"numUsers": 1}])).await;
    ack(&mut a, 0).await;
    b.next().await;
    for (text, reason) in [
        (json!({"x": 1}), "no text"),
        (json!(null), "no text"),
        (json!("x".repeat(101)), "too long"),
    ] {
        say(&mut a, Some(1), json!(["new message", text])).await;
        assert!(a.next_text().await.starts_with("42[\"message error\""));
        assert_eq!(ack(&mut a, 1).await["reason"], reason);
    }
    // Ten seconds' worth at once, then no more.
    for n in 0..10 {
        say(&mut a, Some(2), json!(["new message", n.to_string()])).await;
        assert_eq!(ack(&mut a, 2).await, json!({"ok": true}));
        hears(&mut b, json!(["new message", {"username": "alice", "message": n.to_string()}]))
            .await;
    }
    say(&mut a, Some(3), json!(["new message", "too fast"])).await;
    assert!(a.next_text().await.starts_with("42[\"message error\",{\"reason\":\"rate\""));
    assert_eq!(ack(&mut a, 3).await["reason"], "rate");
    heard_nothing_else(&mut b).await;
}

#[tokio::test]
async fn what_is_sent_again_is_not_doubled() {
    let server = chat(calm(), chat_settings()).await;
    let (mut a, mut b) = (joined(&server).await, joined(&server).await);
    say(&mut a, None, json!(["add user", "alice"])).await;
    a.next().await;
    b.next().await;
    for _ in 0..2 {
        say(&mut a, Some(1), json!(["new message", "once", {"id": "k1"}])).await;
        assert_eq!(ack(&mut a, 1).await, json!({"ok": true}));
    }
    hears(&mut b, json!(["new message", {"username": "alice", "message": "once"}])).await;
    heard_nothing_else(&mut b).await;
    say(&mut b, Some(2), json!(["who"])).await;
    assert_eq!(ack(&mut b, 2).await, json!({"numUsers": 1, "people": ["alice"], "more": false}));
}

#[tokio::test]
async fn three_vocabularies_in_one_room() {
    let server = chat(calm(), chat_settings()).await;
    let (mut users, mut nick, mut bare) =
        (joined(&server).await, joined3(&server).await, joined(&server).await);
    say(&mut users, None, json!(["add user", "alice"])).await;
    users.next().await;
    hears(&mut nick, json!(["user joined", {"username": "alice", "numUsers": 1}])).await;
    bare.next().await;

    say(&mut nick, Some(1), json!(["nickname", "alice"])).await;
    assert_eq!(ack(&mut nick, 1).await, json!(true), "taken, to this page always");
    say(&mut nick, Some(2), json!(["nickname", "bob"])).await;
    assert_eq!(ack(&mut nick, 2).await, json!(false));
    hears(&mut nick, json!(["nicknames", {"alice": "alice", "bob": "bob"}])).await;
    hears(&mut users, json!(["user joined", {"username": "bob", "numUsers": 2}])).await;
    hears(&mut bare, json!(["announcement", "bob connected"])).await;

    say(&mut bare, None, json!(["chat message", "hello"])).await;
    hears(&mut bare, json!(["chat message", "hello"])).await;
    hears(&mut users, json!(["new message", {"message": "hello"}])).await;
    hears(&mut nick, json!(["user message", null, "hello"])).await;

    say(&mut nick, None, json!(["user message", "hi <b>"])).await;
    hears(&mut users, json!(["new message", {"username": "bob", "message": "hi <b>"}])).await;
    hears(&mut bare, json!(["chat message", "bob: hi <b>"])).await;
    heard_nothing_else(&mut nick).await;

    say(&mut users, None, json!(["new message", "<i>"])).await;
    hears(&mut nick, json!(["user message", "alice", "&lt;i&gt;"])).await;
    hears(&mut bare, json!(["chat message", "alice: <i>"])).await;

    drop(nick);
    hears(&mut users, json!(["user left", {"username": "bob", "numUsers": 1}])).await;
    hears(&mut bare, json!(["chat message", "bob left"])).await;
}

#[tokio::test]
async fn the_tutorials_page_hears_itself_and_its_like() {
    let server = chat(calm(), chat_settings()).await;
    let (mut a, mut b) = (joined(&server).await, joined(&server).await);
    say(&mut b, None, json!(["chat message", "first"])).await;
    hears(&mut b, json!(["chat message", "first"])).await;
    say(&mut a, None, json!(["chat message", "x"])).await;
    hears(&mut b, json!(["chat message", "x"])).await;
    loop {
        // The first may have come too, if both were there in time.
        let text = a.next_text().await;
        match text.as_str() {
            "42[\"chat message\",\"first\"]" => {}
            text => return assert_eq!(text, "42[\"chat message\",\"x\"]"),
        }
    }
}
