//! The chat, as its pages speak to it (reference: chat-example.md).

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use parlance::chat::{Chat, ChatSettings};
use parlance::engine::{CloseReason, Limits, QueueLimits};
use serde_json::{Value, json};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::{soon, until};

async fn server(settings: ChatSettings) -> TestServer {
    Setup::default().start_chat(settings).await
}

/// Clients of several generations and transports, connected and without a name.
async fn visitors<const N: usize>(server: &TestServer) -> [Client; N] {
    const KINDS: [(Eio, Via); 5] = [
        (Eio::V4, Via::WebSocket),
        (Eio::V3, Via::WebSocket),
        (Eio::V4, Via::Upgraded),
        (Eio::V3, Via::WebSocketB64),
        (Eio::V3, Via::Upgraded),
    ];
    let mut all = Vec::new();
    for n in 0..N {
        let (eio, via) = KINDS[n % KINDS.len()];
        let mut client = Client::join(server, eio, via).await;
        // Whatever is answered from now on, the room knows of this client.
        client.assert_quiet().await;
        all.push(client);
    }
    all.try_into().ok().expect("as many as asked for")
}

/// Asserts that the room has told a client nothing but what was read, and does not mean to: all it
/// does is in one order.
async fn assert_told_nothing(client: &mut Client) {
    client.emit_with_ack(9999, json!(["latency"])).await;
    assert_eq!(client.ack(9999).await, json!([]));
}

async fn login(client: &mut Client, name: &str, users: usize) {
    client.emit(json!(["add user", name])).await;
    assert_eq!(client.event().await, json!(["login", { "numUsers": users }]));
}

#[tokio::test]
async fn vectors_1_to_4_and_6_to_8() {
    let server = server(chat_settings()).await;
    let [mut a, mut b, mut c] = visitors(&server).await;
    // 1.
    login(&mut a, "alice", 1).await;
    for other in [&mut b, &mut c] {
        assert_eq!(
            other.event().await,
            json!(["user joined", { "username": "alice", "numUsers": 1 }])
        );
    }
    assert_told_nothing(&mut a).await;
    // 2.
    login(&mut b, "bob", 2).await;
    for other in [&mut a, &mut c] {
        assert_eq!(
            other.event().await,
            json!(["user joined", { "username": "bob", "numUsers": 2 }])
        );
    }
    // 3.
    a.emit(json!(["new message", "hi <b> €😀"])).await;
    for other in [&mut b, &mut c] {
        let message = json!(["new message", { "username": "alice", "message": "hi <b> €😀" }]);
        assert_eq!(other.event().await, message);
    }
    assert_told_nothing(&mut a).await;
    // 4.
    for word in ["typing", "stop typing"] {
        a.emit(json!([word])).await;
        for other in [&mut b, &mut c] {
            assert_eq!(other.event().await, json!([word, { "username": "alice" }]));
        }
    }
    assert_told_nothing(&mut a).await;
    // 6.
    a.emit(json!(["add user", "x"])).await;
    for client in [&mut a, &mut b, &mut c] {
        assert_told_nothing(client).await;
    }
    // 7.
    b.kill();
    for other in [&mut a, &mut c] {
        assert_eq!(other.event().await, json!(["user left", { "username": "bob", "numUsers": 1 }]));
    }
    // 8.
    c.kill();
    until("c is gone", || server.engine.session_count() == 1).await;
    assert_told_nothing(&mut a).await;
}

/// Vector 5 and its like have another outcome here: who has no name is told so, and nobody else
/// hears of it.
#[tokio::test]
async fn without_a_name_nothing_is_said() {
    let server = server(chat_settings()).await;
    let [mut a, mut b] = visitors(&server).await;
    login(&mut b, "bob", 1).await;
    a.event().await;
    for (word, args) in
        [("new message", json!(["x"])), ("typing", json!([])), ("user message", json!(["x"]))]
    {
        let mut event = vec![json!(word)];
        event.extend(args.as_array().unwrap().clone());
        a.emit(Value::Array(event)).await;
        let mut told = a.event().await;
        if told[1]["username"] == "parlance" {
            // The end of the row before: once in the words of a stock page.
            told = a.event().await;
        }
        assert!(matches!(told[0].as_str(), Some("message error" | "announcement")), "{told}");
        assert_told_nothing(&mut b).await;
    }
    a.emit_with_ack(5, json!(["new message", "x"])).await;
    let told = a.event().await;
    assert_eq!((&told[0], &told[1]["reason"]), (&json!("message error"), &json!("not joined")));
    let answer = a.ack(5).await;
    assert_eq!((&answer[0]["ok"], &answer[0]["reason"]), (&json!(false), &json!("not joined")));
    // After a name it is as if nothing had been.
    login(&mut a, "alice", 2).await;
    b.event().await;
    a.emit_with_ack(6, json!(["new message", "y"])).await;
    assert_eq!(a.ack(6).await, json!([{ "ok": true }]));
    assert_eq!(b.event().await, json!(["new message", { "username": "alice", "message": "y" }]));
}

/// Stock clients wait without end for an acknowledgement that does not come.
#[tokio::test]
async fn what_the_chat_does_not_know_is_acknowledged_with_the_reason() {
    let server = server(chat_settings()).await;
    let long = "x".repeat(100_000);
    let mut all = visitors::<5>(&server).await;
    for client in &mut all {
        for (event, shown) in [
            (json!(["foo", 1, { "a": [] }]), "\"foo\"".to_owned()),
            (json!(["message", "hi"]), "\"message\"".to_owned()),
            (json!(["Typing"]), "\"Typing\"".to_owned()),
            (json!([""]), "\"\"".to_owned()),
            (json!(["a\"\n"]), "\"a\\\"\\n\"".to_owned()),
            (json!([long]), format!("\"{}\"", &long[..32])),
        ] {
            client.emit(event.clone()).await;
            client.emit_with_ack(7, event).await;
            let message = format!("this chat knows no event {shown}");
            let answer = json!([{ "ok": false, "reason": "unknown event", "message": message }]);
            assert_eq!(client.ack(7).await, answer);
        }
    }
    // It shows no chat protocol: until a client does, it gets each event in that of who speaks.
    let [first, second, ..] = &mut all;
    first.emit(json!(["chat message", "mine"])).await;
    assert_eq!(first.event().await, json!(["chat message", "mine"]));
    assert_eq!(second.event().await, json!(["chat message", "mine"]));
    // It has the rate of questions.
    let settings = ChatSettings { message_rate: 1, ..chat_settings() };
    let server = Setup::default().start_chat(settings).await;
    let mut client = Client::join(&server, Eio::V4, Via::WebSocket).await;
    let mut reasons = Vec::<String>::new();
    let asks = async {
        while reasons.last().is_none_or(|last| last != "rate") {
            client.emit_with_ack(1, json!(["foo"])).await;
            reasons.push(client.ack(1).await[0]["reason"].as_str().unwrap().to_owned());
        }
    };
    soon("it is too often", asks).await;
    reasons.pop();
    assert!(reasons.len() >= 10, "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason == "unknown event"), "{reasons:?}");
}

#[tokio::test]
async fn vector_13_nicknames() {
    let server = server(chat_settings()).await;
    let [mut a, mut b, mut c] = visitors(&server).await;
    a.emit_with_ack(1, json!(["nickname", "bob"])).await;
    assert_eq!(a.ack(1).await, json!([false]), "false: it is not taken");
    assert_eq!(a.event().await, json!(["nicknames", { "bob": "bob" }]));
    for other in [&mut b, &mut c] {
        assert_eq!(other.event().await, json!(["announcement", "bob connected"]));
    }
    b.emit_with_ack(1, json!(["nickname", "bob"])).await;
    assert_eq!(b.ack(1).await, json!([true]), "true: choose another");
    b.emit_with_ack(2, json!(["nickname", "rob"])).await;
    assert_eq!(b.ack(2).await, json!([false]));
    let both = json!(["nicknames", { "bob": "bob", "rob": "rob" }]);
    assert_eq!(b.event().await, both);
    assert_eq!(a.event().await, json!(["announcement", "rob connected"]));
    assert_eq!(a.event().await, both);
    assert_eq!(c.event().await, json!(["announcement", "rob connected"]));
    // Its page inserts messages as markup.
    a.emit(json!(["user message", "<img src=x> & so on"])).await;
    let message = json!(["user message", "bob", "&lt;img src=x&gt; &amp; so on"]);
    assert_eq!(b.event().await, message);
    assert_told_nothing(&mut a).await;
    b.kill();
    assert_eq!(a.event().await, json!(["announcement", "rob disconnected"]));
    assert_eq!(a.event().await, json!(["nicknames", { "bob": "bob" }]));
}

/// The list is one packet for who has not fetched the one before, however many come and go, and so is
/// each name's coming and going.
#[tokio::test]
async fn news_that_wait_are_replaced_by_newer_ones() {
    let server = server(chat_settings()).await;
    let mut late = Client::join(&server, Eio::V4, Via::Polling).await;
    late.emit_with_ack(1, json!(["nickname", "late"])).await;
    assert_eq!(late.ack(1).await, json!([false]));
    assert_eq!(late.event().await, json!(["nicknames", { "late": "late" }]));
    let mut users = Client::join(&server, Eio::V4, Via::Polling).await;
    login(&mut users, "users", 2).await;
    assert_eq!(late.event().await[0], "announcement");
    assert_eq!(late.event().await[0], "nicknames");

    let mut door = Client::open(&server, Eio::V4, Via::WebSocket).await;
    for round in 0..50 {
        door.join_default().await;
        login(&mut door, if round == 20 { "eve" } else { "ann" }, 3).await;
        if round == 49 {
            door.emit_with_ack(1, json!(["new message", "here I am"])).await;
            assert_eq!(door.ack(1).await, json!([{ "ok": true }]));
            break;
        }
        door.send("41").await;
    }
    let news = |word, name, users| json!([word, { "username": name, "numUsers": users }]);
    for expected in [
        news("user joined", "eve", 3),
        news("user left", "eve", 2),
        news("user left", "ann", 2),
        news("user joined", "ann", 3),
        json!(["new message", { "username": "ann", "message": "here I am" }]),
    ] {
        assert_eq!(users.event().await, expected);
    }
    assert_told_nothing(&mut users).await;
    for expected in ["eve connected", "eve disconnected", "ann disconnected", "ann connected"] {
        assert_eq!(late.event().await, json!(["announcement", expected]));
    }
    let names = json!({ "late": "late", "users": "users", "ann": "ann" });
    // The list goes out when all that came in with the news has been heard.
    let mut rest = [late.event().await, late.event().await];
    rest.sort_by_key(|event| event[0] != "nicknames");
    assert_eq!(rest, [json!(["nicknames", names]), json!(["user message", "ann", "here I am"])]);
    assert_told_nothing(&mut late).await;
}

#[tokio::test]
async fn news_of_people_are_dropped_before_messages() {
    let queue = QueueLimits { messages: 16, ..Limits::default().queue };
    let setup = Setup::limits(Limits { queue, ..Limits::default() });
    let server = setup.start_chat(chat_settings()).await;
    let mut late = Client::join(&server, Eio::V4, Via::Polling).await;
    late.assert_quiet().await;
    let mut crowd: Vec<Client> = visitors::<20>(&server).await.into();
    for (n, client) in crowd.iter_mut().enumerate() {
        client.emit_with_ack(1, json!(["add user", format!("user {n}")])).await;
        while !client.text().await.starts_with("431") {}
    }
    for n in 0..16 {
        crowd[0].emit_with_ack(2, json!(["new message", n.to_string()])).await;
        while !crowd[0].text().await.starts_with("432") {}
    }
    let mut heard = Vec::new();
    while heard.len() < 16 {
        let event = late.event().await;
        match event[0].as_str() {
            Some("new message") => heard.push(event[1]["message"].clone()),
            other => assert_eq!(other, Some("user joined")),
        }
    }
    assert_eq!(json!(heard), (0..16).map(|n| n.to_string()).collect::<Value>());
}

/// However many long names there are: the list stays far smaller than a queue.
#[tokio::test]
async fn lists_of_names_are_bounded() {
    let server = server(chat_settings()).await;
    let mut old = Client::join(&server, Eio::V3, Via::WebSocket).await;
    old.emit_with_ack(1, json!(["nickname", "old"])).await;
    assert_eq!(old.ack(1).await, json!([false]));
    assert_eq!(old.event().await[0], "nicknames");
    let mut crowd = Vec::new();
    for n in 0..40 {
        let [mut client] = visitors(&server).await;
        let name = format!("{n:02}{}", "e\u{334}\u{335}\u{336}\u{337}\u{338}".repeat(30));
        client.emit_with_ack(1, json!(["add user", name])).await;
        while !client.text().await.starts_with("431") {}
        crowd.push(client);
        old.event().await;
        let list = old.event().await;
        // "old", and 35 others of 932 bytes each in older clients' queues.
        assert_eq!(list[1].as_object().unwrap().len(), (n + 2).min(36));
    }
    old.emit_with_ack(2, json!(["who"])).await;
    let answer = old.ack(2).await;
    assert_eq!((&answer[0]["more"], &answer[0]["numUsers"]), (&json!(true), &json!(41)));
    assert_eq!(answer[0]["people"].as_array().unwrap().len(), 36);
}

#[tokio::test]
async fn a_second_login_changes_nothing_and_says_who_one_is() {
    let server = server(chat_settings()).await;
    let [mut users, mut nick, mut witness] = visitors(&server).await;
    login(&mut users, "alice", 1).await;
    nick.emit_with_ack(1, json!(["nickname", "bob"])).await;
    while !nick.text().await.starts_with("431[false]") {}
    assert_eq!(nick.event().await[0], "nicknames");
    assert_eq!(users.event().await[0], "user joined");
    assert_eq!(witness.event().await[0], "user joined");
    assert_eq!(witness.event().await[0], "announcement");
    users.emit_with_ack(2, json!(["add user", "eve"])).await;
    let answer = json!([{ "ok": true, "username": "alice", "numUsers": 2 }]);
    assert_eq!(users.ack(2).await, answer);
    nick.emit_with_ack(2, json!(["nickname", "alice"])).await;
    assert_eq!(nick.ack(2).await, json!([false]), "not even one that is taken");
    for client in [&mut users, &mut nick, &mut witness] {
        assert_told_nothing(client).await;
    }
}

#[tokio::test]
async fn vector_14_the_get_started_chat() {
    let server = server(chat_settings()).await;
    let [mut a, mut b] = visitors(&server).await;
    b.emit(json!(["chat message", "first"])).await;
    assert_eq!(b.event().await, json!(["chat message", "first"]));
    assert_eq!(a.event().await, json!(["chat message", "first"]));
    a.emit(json!(["chat message", "x"])).await;
    for client in [&mut a, &mut b] {
        assert_eq!(client.event().await, json!(["chat message", "x"]));
    }
}

/// Each page hears of the others in its own words.
#[tokio::test]
async fn three_vocabularies_in_one_room() {
    let server = server(chat_settings()).await;
    let [mut users, mut nick, mut bare] = visitors(&server).await;
    login(&mut users, "alice", 1).await;
    // Who has not said a word is told in those of the first page.
    let alice = json!(["user joined", { "username": "alice", "numUsers": 1 }]);
    for other in [&mut nick, &mut bare] {
        assert_eq!(other.event().await, alice);
    }
    nick.emit_with_ack(1, json!(["nickname", "alice"])).await;
    assert_eq!(nick.ack(1).await, json!([true]), "taken, to this page always");
    nick.emit_with_ack(2, json!(["nickname", "bob"])).await;
    assert_eq!(nick.ack(2).await, json!([false]));
    let names = json!({ "alice": "alice", "bob": "bob" });
    assert_eq!(nick.event().await, json!(["nicknames", names]));
    let bob = json!(["user joined", { "username": "bob", "numUsers": 2 }]);
    assert_eq!(users.event().await, bob);
    assert_eq!(bare.event().await, json!(["announcement", "bob connected"]));

    bare.emit(json!(["chat message", "hello"])).await;
    assert_eq!(bare.event().await, json!(["chat message", "hello"]));
    assert_eq!(
        users.event().await,
        json!(["new message", { "username": "(no name)", "message": "hello" }])
    );
    assert_eq!(nick.event().await, json!(["user message", "(no name)", "hello"]));

    nick.emit(json!(["user message", "hi <b>"])).await;
    let message = json!(["new message", { "username": "bob", "message": "hi <b>" }]);
    assert_eq!(users.event().await, message);
    assert_eq!(bare.event().await, json!(["chat message", "bob: hi <b>"]));
    assert_told_nothing(&mut nick).await;

    users.emit(json!(["new message", "<i>"])).await;
    assert_eq!(nick.event().await, json!(["user message", "alice", "&lt;i&gt;"]));
    assert_eq!(bare.event().await, json!(["chat message", "alice: <i>"]));

    nick.kill();
    let left = json!(["user left", { "username": "bob", "numUsers": 1 }]);
    assert_eq!(users.event().await, left);
    assert_eq!(bare.event().await, json!(["chat message", "bob left"]));
}

#[tokio::test]
async fn names_that_are_taken_as_they_are_meant() {
    let server = server(chat_settings()).await;
    let mut users = 0;
    for (given, shown) in [
        ("  alice \t", "alice"),
        ("e\u{301}mile", "émile"),
        ("\u{1112}\u{1161}\u{11ab}", "한"),
        ("a b", "a b"),
        ("<b>&amp;\"'", "<b>&amp;\"'"),
        ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
        ("__proto__", "__proto__"),
        (&"x".repeat(32), &"x".repeat(32)),
        (&"한".repeat(32), &"한".repeat(32)),
    ] {
        let [mut client] = visitors(&server).await;
        users += 1;
        client.emit_with_ack(1, json!(["add user", given])).await;
        assert_eq!(client.event().await, json!(["login", { "numUsers": users }]), "{given}");
        let answer = json!([{ "ok": true, "username": shown, "numUsers": users }]);
        assert_eq!(client.ack(1).await, answer);
        client.kill();
        until("it is gone", || server.engine.session_count() == 0).await;
        users -= 1;
        // The room has heard of it, too, before the next comes.
        let [mut witness] = visitors(&server).await;
        witness.emit_with_ack(2, json!(["who"])).await;
        assert_eq!(witness.ack(2).await[0]["numUsers"], users);
        witness.kill();
        until("it is gone", || server.engine.session_count() == 0).await;
    }
}

#[tokio::test]
async fn names_that_are_refused() {
    let server = server(chat_settings()).await;
    let [mut client, mut other] = visitors(&server).await;
    let long = "x".repeat(33);
    let megabyte = "x".repeat(500_000);
    let names = [
        json!(""),
        json!("   "),
        json!("\u{200b}"),
        json!(long),
        json!(megabyte),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{7f}b"),
        json!("a\u{9b}b"),
        json!("a\u{202e}b"),
        json!("\u{2066}a\u{2069}"),
        json!(null),
        json!(7),
        json!(true),
        json!(["alice"]),
        json!({ "name": "alice" }),
    ];
    for (id, name) in (1..).zip(names) {
        client.emit_with_ack(id, json!(["add user", name])).await;
        let told = client.event().await;
        assert_eq!((&told[0], &told[1]["reason"]), (&json!("login error"), &json!("name")));
        assert!(told[1]["message"].as_str().is_some_and(|text| text.contains("name")), "{told}");
        let answer = client.ack(id).await;
        assert_eq!((&answer[0]["ok"], &answer[0]["reason"]), (&json!(false), &json!("name")));
        // The same without an ack to answer.
        client.emit(json!(["add user", name])).await;
        assert_eq!(client.event().await[0], "login error");
    }
    client.emit(json!(["add user"])).await;
    assert_eq!(client.event().await[0], "login error");
    assert_told_nothing(&mut other).await;
    login(&mut client, "at last", 1).await;
}

#[tokio::test]
async fn names_are_unique_where_that_is_wanted() {
    let server = server(ChatSettings { duplicate_names: false, ..chat_settings() }).await;
    let [mut a, mut b, mut c] = visitors(&server).await;
    login(&mut a, "émile", 1).await;
    b.event().await;
    for same in ["émile", " émile ", "e\u{301}mile"] {
        b.emit_with_ack(1, json!(["add user", same])).await;
        let told = b.event().await;
        assert_eq!((&told[0], &told[1]["reason"]), (&json!("login error"), &json!("taken")));
        let answer = b.ack(1).await;
        assert_eq!((&answer[0]["ok"], &answer[0]["reason"]), (&json!(false), &json!("taken")));
    }
    assert_told_nothing(&mut a).await;
    // Free again as soon as its bearer is gone.
    a.kill();
    assert_eq!(b.event().await, json!(["user left", { "username": "émile", "numUsers": 0 }]));
    login(&mut b, "émile", 1).await;
    // Everything before that was told to those who listened.
    for expected in ["user joined", "user left", "user joined"] {
        assert_eq!(c.event().await[0], expected);
    }
}

#[tokio::test]
async fn names_may_be_shared_where_that_is_wanted() {
    let server = server(chat_settings()).await;
    let [mut a, mut b] = visitors(&server).await;
    login(&mut a, "bob", 1).await;
    b.event().await;
    login(&mut b, "bob", 2).await;
    assert_eq!(a.event().await, json!(["user joined", { "username": "bob", "numUsers": 2 }]));
}

/// Asserts that a message is refused: an event, an ack, and silence to all others.
async fn assert_refused(client: &mut Client, other: &mut Client, event: Value, reason: &str) {
    client.emit_with_ack(3, event.clone()).await;
    let told = client.event().await;
    assert_eq!((&told[0], &told[1]["reason"]), (&json!("message error"), &json!(reason)));
    assert!(told[1]["message"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
    let answer = client.ack(3).await;
    assert_eq!((&answer[0]["ok"], &answer[0]["reason"]), (&json!(false), &json!(reason)));
    client.emit(event).await;
    assert_eq!(client.event().await[0], "message error");
    // In the words of a stock page as well, if it was not told that last.
    client.emit_with_ack(9999, json!(["latency"])).await;
    let fence = client.text().await;
    if !fence.starts_with("43") {
        let words =
            json!(["new message", { "username": "parlance", "message": told[1]["message"] }]);
        assert_eq!(fence, format!("42{words}"));
        client.ack(9999).await;
    }
    assert_told_nothing(other).await;
}

#[tokio::test]
async fn messages_are_texts_of_a_bounded_size() {
    let server = server(ChatSettings { message_max: 100, ..chat_settings() }).await;
    let [mut a, mut b] = visitors(&server).await;
    login(&mut a, "alice", 1).await;
    b.event().await;
    for content in [json!(null), json!(1), json!(true), json!(["hi"]), json!({ "x": 1 })] {
        assert_refused(&mut a, &mut b, json!(["new message", content]), "no text").await;
    }
    assert_refused(&mut a, &mut b, json!(["new message"]), "no text").await;
    // Bytes, not characters.
    for (fits, longer) in [("x".repeat(100), "x".repeat(101)), ("€".repeat(33), "€".repeat(34))]
    {
        assert_refused(&mut a, &mut b, json!(["new message", longer]), "too long").await;
        a.emit_with_ack(4, json!(["new message", fits])).await;
        assert_eq!(a.ack(4).await, json!([{ "ok": true }]));
        assert_eq!(b.event().await[1]["message"], json!(fits));
    }
    // Binary is no text either.
    let header = "451-5[\"new message\",{\"_placeholder\":true,\"num\":0}]";
    a.send_all(&[header.into(), (&[1u8, 2][..]).into()]).await;
    assert_eq!(a.event().await[1]["reason"], "no text");
    assert_eq!(a.ack(5).await[0]["reason"], "no text");
    assert_told_nothing(&mut b).await;
}

#[tokio::test]
async fn who_logs_in_too_often_is_told() {
    let server = server(ChatSettings { message_rate: 1, ..chat_settings() }).await;
    for (login, refused, told) in [
        (json!(["add user", ""]), "\"reason\":\"rate\"", "42[\"login error\",{\"reason\":\"rate\""),
        (
            json!(["add user", "ann"]),
            "\"reason\":\"rate\"",
            "42[\"login error\",{\"reason\":\"rate\"",
        ),
        (
            json!(["nickname", "bob"]),
            "[true]",
            "42[\"announcement\",\"too many logins at once: wait",
        ),
    ] {
        let [mut client] = visitors(&server).await;
        let (start, mut taken) = (Instant::now(), 0);
        let last_words = loop {
            client.emit_with_ack(1, login.clone()).await;
            let (mut before, mut text) = (String::new(), client.text().await);
            while !text.starts_with("431") {
                before = std::mem::replace(&mut text, client.text().await);
            }
            if text.contains(refused) {
                break before;
            }
            taken += 1;
        };
        assert!(last_words.starts_with(told), "{last_words}");
        let most = 11 + start.elapsed().as_secs();
        assert!((10..=most).contains(&taken), "{taken} logins at once");
    }
    let [mut other] = visitors(&server).await;
    other.emit_with_ack(1, json!(["nickname", "eve"])).await;
    assert_eq!(other.ack(1).await, json!([false]), "nobody else suffers");
}

thread_local! {
    /// What the chat has logged on this thread, if that is wanted.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_refusal_is_a_line_of_the_log() {
    // One rate_limit_key for all threads: what is a thread's own is not always seen by others' callsites.
    let chat = Targets::new().with_target("parlance::chat", tracing::Level::DEBUG);
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Log);
    let rate_limit_key = tracing_subscriber::registry().with(layer.with_filter(chat));
    tracing::subscriber::set_global_default(rate_limit_key).expect("the only one");
    let settings = ChatSettings { message_max: 100, duplicate_names: false, ..chat_settings() };
    for (settings, times, event, expected) in [
        (settings.clone(), 1, json!(["add user", ""]), "label=\"name\" what=\"login\""),
        (
            settings.clone(),
            1,
            json!(["add user", "taken", { "page": 1 }]),
            "label=\"taken\" what=\"login\"",
        ),
        (settings.clone(), 1, json!(["nickname", "taken"]), "label=\"taken\" what=\"login\""),
        (settings.clone(), 1, json!(["new message", "x"]), "label=\"not joined\" what=\"message\""),
        (settings.clone(), 1, json!(["typing"]), "label=\"not joined\" what=\"notice\""),
        (settings.clone(), 1, json!(["chat message", 1]), "label=\"no text\" what=\"message\""),
        (
            settings.clone(),
            1,
            json!(["chat message", "x".repeat(101)]),
            "label=\"too long\" what=\"message\"",
        ),
        (
            ChatSettings { message_rate: 1, ..settings.clone() },
            11,
            json!(["chat message", "x"]),
            "label=\"message-rate\" what=\"message\" reason=\"too many messages at once: wait 1 s\"",
        ),
        (
            ChatSettings { byte_rate: 50, ..settings.clone() },
            3,
            json!(["chat message", "x".repeat(50)]),
            "label=\"byte-rate\" what=\"message\" reason=\"too much text at once: wait 1 s\"",
        ),
        (
            ChatSettings { message_rate: 1, ..settings.clone() },
            11,
            json!(["add user", ""]),
            "label=\"message-rate\" what=\"login\" reason=\"too many logins at once: wait 1 s\"",
        ),
        (
            ChatSettings { message_rate: 1, ..settings.clone() },
            11,
            json!(["latency"]),
            "label=\"message-rate\" what=\"question\" reason=\"too many questions at once: wait 1 s\"",
        ),
        (settings.clone(), 1, json!(["foo\"bar"]), "event=\"foo\\\"bar\""),
        (
            ChatSettings { message_rate: 1, ..settings },
            11,
            json!(["typing"]),
            "label=\"message-rate\" what=\"notice\" reason=\"too many notices at once: wait 1 s\"",
        ),
    ] {
        let server = server(settings).await;
        let [mut other, mut client] = visitors(&server).await;
        login(&mut other, "taken", 1).await;
        // A message that comes first would wait for the name.
        client.emit(json!(["latency"])).await;
        LOG.set(Some(Vec::new()));
        for _ in 0..times {
            client.emit(event.clone()).await;
        }
        client.emit_with_ack(9999, json!(["latency"])).await;
        while !client.text().await.starts_with("439999") {}
        let lines = String::from_utf8(LOG.take().unwrap()).unwrap();
        let what = if expected.starts_with("event=") { "does not know" } else { "refused" };
        let sid = format!("{what} sid={} {expected}", client.sid);
        assert!(lines.contains(&sid), "{event}: {lines}");
    }
}

/// Questions and typing notices are rated with the logins: who comes back has used up what it used up.
#[tokio::test]
async fn who_asks_too_often_is_told_and_leaving_does_not_help() {
    for (asked, told) in [("who", true), ("latency", true), ("typing", false)] {
        let (chat, room) = Chat::new(ChatSettings { message_rate: 1, ..chat_settings() });
        let chat_stats = Arc::clone(chat.stats());
        tokio::spawn(room.run());
        let server = Setup::default().start_app(|io| chat.serve(io, |_| {})).await;
        let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
        let (start, mut taken) = (Instant::now(), 0);
        let refused = |answer: &Value| answer[0]["reason"] == "rate";
        for round in 0..20 {
            client.join_default().await;
            client.emit_with_ack(1, json!(["add user", "ann"])).await;
            match client.text().await.starts_with("42[\"login\"") {
                true => {
                    taken += 1;
                    assert!(!refused(&client.ack(1).await));
                }
                false => assert!(refused(&client.ack(1).await)),
            }
            client.emit_with_ack(2, json!([asked])).await;
            client.emit_with_ack(3, json!(["new message", ["no text"]])).await;
            let mut heard = client.text().await;
            if told {
                let answer: Value = serde_json::from_str(&heard[3..]).unwrap();
                taken += u64::from(!refused(&answer));
                let words = answer[0]["message"].as_str().unwrap_or("too many questions at once");
                assert!(words.starts_with("too many questions at once"), "{words}");
                heard = client.text().await;
            }
            assert!(heard.starts_with("42[\"message error\""), "{round}: {heard}");
            client.ack(3).await;
            client.send("41").await;
        }
        let most = 11 + start.elapsed().as_secs();
        let least = if told { 10 } else { 5 };
        assert!((least..=most).contains(&taken), "{taken} of {asked}");
        let [(setting, refused), _] = chat_stats.counts();
        assert!(setting == "message-rate" && refused >= 40 - most, "{refused} of {asked}");
    }
}

#[tokio::test]
async fn a_message_that_the_byte_rate_never_allows_is_too_long() {
    let settings = ChatSettings { byte_rate: 10, ..chat_settings() };
    let server = server(settings).await;
    let [mut a, mut b] = visitors(&server).await;
    a.emit_with_ack(1, json!(["chat message", "x".repeat(21)])).await;
    let told = a.event().await;
    assert_eq!(told[1]["message"], "a message has at most 20 bytes");
    assert_eq!(a.ack(1).await[0]["reason"], "too long");
    a.emit_with_ack(2, json!(["chat message", "x".repeat(20)])).await;
    a.event().await;
    assert_eq!(a.ack(2).await, json!([{ "ok": true }]));
    b.event().await;
    a.emit_with_ack(3, json!(["chat message", "x".repeat(20)])).await;
    let told = a.event().await;
    let words = told[1]["message"].as_str().unwrap();
    assert!(words.starts_with("too much text at once: wait "), "{words}");
    assert_eq!(a.ack(3).await[0]["reason"], "rate");
    // The name goes with each message, and what is escaped is counted as such: 13 bytes here.
    let [mut named] = visitors(&server).await;
    login(&mut named, "<&>", 1).await;
    b.event().await;
    named.emit_with_ack(1, json!(["new message", "x".repeat(10)])).await;
    assert_eq!(named.ack(1).await, json!([{ "ok": true }]));
    b.event().await;
    named.emit_with_ack(2, json!(["new message", "x".repeat(7)])).await;
    assert_eq!(named.event().await[1]["reason"], "rate");
    named.ack(2).await;
    assert_told_nothing(&mut b).await;
}

#[tokio::test]
async fn who_talks_too_fast_is_told_and_nobody_else_suffers() {
    let server = server(ChatSettings { message_rate: 1, ..chat_settings() }).await;
    let [mut a, mut b] = visitors(&server).await;
    login(&mut a, "alice", 1).await;
    b.event().await;
    login(&mut b, "bob", 2).await;
    a.event().await;
    // Ten may come at once, and one more with each second that this takes.
    let (start, mut taken) = (Instant::now(), 0);
    loop {
        a.emit_with_ack(1, json!(["new message", taken])).await;
        assert_eq!(a.event().await[1]["reason"], "no text", "what is refused costs nothing");
        a.ack(1).await;
        a.emit_with_ack(2, json!(["new message", taken.to_string()])).await;
        let answer = a.text().await;
        if answer == "432[{\"ok\":true}]" {
            assert_eq!(b.event().await[1]["message"], json!(taken.to_string()));
            taken += 1;
            continue;
        }
        assert!(answer.starts_with("42[\"message error\",{\"reason\":\"rate\""), "{answer}");
        assert_eq!(a.ack(2).await[0]["reason"], "rate");
        break;
    }
    let most = 11 + start.elapsed().as_secs();
    assert!((10..=most).contains(&taken), "{taken} messages at once");
    b.emit_with_ack(2, json!(["new message", "not me"])).await;
    assert_eq!(b.ack(2).await, json!([{ "ok": true }]));
    assert_eq!(a.event().await[1]["message"], "not me");
}

#[tokio::test]
async fn what_is_sent_again_is_not_doubled() {
    let server = server(chat_settings()).await;
    let [mut a, mut b, mut again] = visitors(&server).await;
    login(&mut a, "alice", 1).await;
    b.event().await;
    again.event().await;
    for (id, text) in [("m1", "one"), ("m1", "one"), ("m2", "two"), ("m1", "one"), ("m2", "two")] {
        a.emit_with_ack(1, json!(["new message", text, { "id": id }])).await;
        assert_eq!(a.ack(1).await, json!([{ "ok": true }]), "every copy is confirmed");
    }
    // An id is that of a person, whatever ids others have.
    assert_eq!(b.event().await[1]["message"], "one");
    assert_eq!(b.event().await[1]["message"], "two");
    login(&mut b, "bob", 2).await;
    assert_eq!(a.event().await[0], "user joined");
    b.emit_with_ack(1, json!(["new message", "of bob", { "id": "m1" }])).await;
    assert_eq!(b.ack(1).await, json!([{ "ok": true }]));
    assert_eq!(a.event().await[1]["message"], "of bob");
    // Without an id each counts.
    for options in [json!({}), json!({ "id": null }), json!(null), json!("m1")] {
        a.emit(json!(["new message", "same", options])).await;
        a.emit(json!(["new message", "same", options])).await;
    }
    for _ in 0..8 {
        assert_eq!(
            b.event().await,
            json!(["new message", { "username": "alice", "message": "same" }])
        );
    }
    assert_told_nothing(&mut b).await;
    // The same person on another connection, which is how it comes that something is sent again.
    a.kill();
    b.event().await;
    login_after(&mut again, "alice").await;
    b.event().await;
    again.emit_with_ack(1, json!(["new message", "two", { "id": "m2" }])).await;
    assert_eq!(again.ack(1).await, json!([{ "ok": true }]));
    assert_told_nothing(&mut b).await;
}

/// Logs in a client that has heard other things before.
async fn login_after(client: &mut Client, name: &str) {
    client.emit(json!(["add user", name])).await;
    while client.event().await[0] != "login" {}
}

#[tokio::test]
async fn the_number_of_users_is_right_after_abrupt_ends() {
    let server = server(chat_settings()).await;
    let mut doomed = Vec::new();
    let kinds = [Via::WebSocket, Via::Polling, Via::Upgraded, Via::Jsonp, Via::PollingB64];
    for (n, via) in kinds.into_iter().cycle().take(20).enumerate() {
        let mut client = Client::join(&server, Eio::ALL[n % 2], via).await;
        client.emit(json!(["add user", format!("user {n}")])).await;
        doomed.push(client);
    }
    for (n, mut client) in doomed.into_iter().enumerate() {
        match n % 5 {
            0 | 2 => client.kill(),
            1 => client.send("1").await,
            3 => client.polls().post("d=garbage").await.assert_ok(),
            _ => server.engine.session(&client.sid).unwrap().close(CloseReason::PingTimeout),
        }
    }
    until("all are gone", || server.engine.session_count() == 0).await;
    until("each was told so", || server.engine.task_count() == 0).await;
    let [mut witness] = visitors(&server).await;
    login(&mut witness, "witness", 1).await;
    witness.emit_with_ack(1, json!(["who"])).await;
    let answer = witness.ack(1).await;
    assert_eq!(answer, json!([{ "numUsers": 1, "people": ["witness"], "more": false }]));
}

#[tokio::test]
async fn everybody_is_told_of_each_who_is_killed() {
    let server = server(chat_settings()).await;
    let [mut witness] = visitors(&server).await;
    login(&mut witness, "witness", 1).await;
    let mut others: Vec<Client> = visitors::<10>(&server).await.into();
    for (n, client) in others.iter_mut().enumerate() {
        client.emit(json!(["add user", format!("user {n}")])).await;
        let joined = json!(["user joined", { "username": format!("user {n}"), "numUsers": n + 2 }]);
        assert_eq!(witness.event().await, joined);
    }
    others.into_iter().for_each(Client::kill);
    let mut left = Vec::new();
    for n in (1..=10).rev() {
        let event = witness.event().await;
        assert_eq!((&event[0], &event[1]["numUsers"]), (&json!("user left"), &json!(n)));
        left.push(event[1]["username"].as_str().unwrap().to_owned());
    }
    left.sort();
    assert_eq!(left, (0..10).map(|n| format!("user {n}")).collect::<Vec<_>>());
    // Whoever comes back counts once.
    let [mut back] = visitors(&server).await;
    login(&mut back, "user 3", 2).await;
}

#[tokio::test]
async fn who_and_latency() {
    let server = server(chat_settings()).await;
    let [mut a, mut b, mut c] = visitors(&server).await;
    c.emit_with_ack(1, json!(["who"])).await;
    assert_eq!(c.ack(1).await, json!([{ "numUsers": 0, "people": [], "more": false }]));
    login(&mut a, "alice", 1).await;
    b.event().await;
    login(&mut b, "bob", 2).await;
    c.event().await;
    c.event().await;
    c.emit_with_ack(2, json!(["who"])).await;
    let answer = c.ack(2).await;
    assert_eq!((&answer[0]["numUsers"], &answer[0]["more"]), (&json!(2), &json!(false)));
    let mut people: Vec<_> = answer[0]["people"].as_array().unwrap().iter().collect();
    people.sort_by_key(|name| name.to_string());
    assert_eq!(people, [&json!("alice"), &json!("bob")]);
    c.emit_with_ack(3, json!(["latency", "whatever"])).await;
    assert_eq!(c.ack(3).await, json!([]));
    // Without an ack there is nothing to answer.
    c.emit(json!(["who"])).await;
    c.emit(json!(["latency"])).await;
    assert_told_nothing(&mut c).await;
}

#[tokio::test]
async fn words_that_no_page_has_mean_nothing() {
    let server = server(chat_settings()).await;
    let [mut a, mut b] = visitors(&server).await;
    for event in [
        json!(["nonsense"]),
        json!(["New Message", "x"]),
        json!(["login", { "numUsers": 9 }]),
        json!([7, 8]),
    ] {
        a.emit(event).await;
    }
    assert_told_nothing(&mut a).await;
    assert_told_nothing(&mut b).await;
}

#[tokio::test]
async fn polling_clients_take_part() {
    let server = server(chat_settings()).await;
    let [mut witness] = visitors(&server).await;
    for (n, via) in [Via::Polling, Via::PollingB64, Via::Jsonp].into_iter().enumerate() {
        for (m, eio) in Eio::ALL.into_iter().enumerate() {
            let users = 2 * n + m + 1;
            let mut client = Client::join(&server, eio, via).await;
            login(&mut client, "polly", users).await;
            assert_eq!(witness.event().await[1]["numUsers"], users);
            client.emit(json!(["new message", "€"])).await;
            assert_eq!(witness.event().await[1]["message"], "€", "{via:?} {eio:?}");
            witness.emit(json!(["add user", "witness"])).await;
            // A session that nobody polls stays until its heartbeat fails.
            let told = witness.event().await;
            assert_eq!(told[0], "login");
            let joined = client.event().await;
            assert_eq!(joined[1]["username"], "witness");
            witness.kill();
            assert_eq!(client.event().await[0], "user left");
            witness = visitors::<1>(&server).await.into_iter().next().unwrap();
        }
    }
}
