//! What moderators do, and how each page hears it.

use std::net::IpAddr;
use std::sync::Arc;

use parlance::accounts::{Accounts, Claims, Origin};
use parlance::chat::{Chat, ChatSettings, Moderation};
use parlance::store::{Store, StoreSettings};
use serde_json::{Value, json};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::soon;
use crate::support::tokens::{SECRET, person};

async fn start(store: &Store) -> (TestServer, Moderation) {
    let claims = Claims { name: "name".into(), roles: "roles".into(), ..Claims::default() };
    let origin = Origin::Secret(SECRET.as_bytes().to_vec());
    let accounts = Some(Arc::new(Accounts::new(false, claims, origin).unwrap()));
    let store = store.clone();
    let settings = ChatSettings { duplicate_names: false, accounts, store, ..chat_settings() };
    let (chat, rooms) = Chat::new(settings);
    tokio::spawn(rooms.run());
    let moderation = chat.moderation();
    (Setup::default().start_app(|io| chat.serve(io, |_| {})).await, moderation)
}

async fn server() -> (TestServer, Moderation) {
    start(&Store::memory(StoreSettings::default())).await
}

/// Emits, and reads the answer; events before it are left out.
async fn ask(client: &mut Client, event: Value) -> Value {
    client.emit_with_ack(7, event).await;
    let wait = async {
        loop {
            if let Some(answer) = client.text().await.strip_prefix("437") {
                let mut answer: Value = serde_json::from_str(answer).unwrap();
                return answer[0].take();
            }
        }
    };
    soon("an acknowledgement", wait).await
}

/// Our page, of somebody with an account or a guest, by what the client connects with.
async fn enter(server: &TestServer, name: &str, auth: Value) -> Client {
    let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
    client.send(&format!("40{auth}")).await;
    let answer = client.text().await;
    assert!(answer.starts_with("40"), "{answer}");
    let answer = ask(&mut client, json!(["add user", name, { "page": 1 }])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    client
}

async fn is_let_in(server: &TestServer, auth: Value) -> bool {
    let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
    client.send(&format!("40{auth}")).await;
    let answer = client.text().await;
    assert!(answer.starts_with("40") || answer.contains("banned"), "{answer}");
    answer.starts_with("40")
}

async fn moderator(server: &TestServer) -> Client {
    enter(server, "", json!({ "token": person("Mo", &["moderator"]) })).await
}

async fn guest(server: &TestServer, name: &str) -> Client {
    enter(server, name, json!({})).await
}

async fn moderate(client: &mut Client, asked: Value) -> Value {
    ask(client, json!(["moderate", asked])).await
}

async fn say(client: &mut Client, text: &str) -> Value {
    ask(client, json!(["new message", text, { "id": text }])).await
}

async fn until_event(client: &mut Client, name: &str) -> Value {
    let wait = async {
        loop {
            let event = client.event().await;
            if event[0] == *name {
                return event[1].clone();
            }
        }
    };
    soon(name, wait).await
}

#[tokio::test]
async fn moderators_alone_do_what_moderators_do() {
    let (server, _) = server().await;
    let (mut mo, mut bob) = (moderator(&server).await, guest(&server, "Bob").await);
    let mut admin = enter(&server, "", json!({ "token": person("Ada", &["admin"]) })).await;
    let mut plain = enter(&server, "", json!({ "token": person("Pat", &["team"]) })).await;
    for (who, asked, reason) in [
        ("bob", json!({ "action": "kick", "username": "Mo" }), "not allowed"),
        ("plain", json!({ "action": "list" }), "not allowed"),
        ("mo", json!({ "action": "kick", "username": "Ada" }), "not allowed"),
        ("mo", json!({ "action": "ban", "username": "Mo" }), "not allowed"),
        ("mo", json!({ "action": "kick", "username": "Nobody" }), "gone"),
        ("mo", json!({ "action": "promote" }), "wrong"),
        ("mo", json!({ "action": "delete", "position": "abcdefgh.1" }), "gone"),
        ("mo", json!({ "action": "lift", "id": "x" }), "gone"),
        ("mo", json!({ "action": "announce", "message": "x".repeat(70_000) }), "too long"),
    ] {
        let client = match who {
            "bob" => &mut bob,
            "plain" => &mut plain,
            _ => &mut mo,
        };
        let answer = moderate(client, asked.clone()).await;
        assert_eq!((&answer["ok"], &answer["reason"]), (&json!(false), &json!(reason)), "{asked}");
    }
    assert_eq!(
        moderate(&mut admin, json!({ "action": "kick", "username": "Mo" })).await["ok"],
        true
    );
    assert_eq!(until_event(&mut mo, "removed").await["action"], "kick");
    assert_eq!(mo.text().await, "41");
}

/// Also of people who are away as they are banned: what they have said tells who that is.
#[tokio::test]
async fn nobody_has_power_over_who_is_of_their_rank_or_a_higher_one() {
    let (server, operator) = server().await;
    let token = |name: &str, role: &str| json!({ "token": person(name, &[role]) });
    let mut mo = moderator(&server).await;
    let mut admin = enter(&server, "", token("Eve", "admin")).await;
    for (role, by_mo, by_admin) in
        [("admin", false, false), ("moderator", false, true), ("team", true, true)]
    {
        for (is_admin, holds) in [(false, by_mo), (true, by_admin)] {
            let name = format!("{role}{is_admin}");
            let mut pat = enter(&server, "", token(&name, role)).await;
            let position = say(&mut pat, "hello").await["position"].clone();
            pat.kill();
            let is_there = |who: &Value| who["people"].as_array().unwrap().contains(&json!(name));
            while is_there(&ask(&mut mo, json!(["who"])).await) {}
            let by = if is_admin { &mut admin } else { &mut mo };
            let ban = json!({ "action": "ban", "position": position });
            assert_eq!(moderate(by, ban).await["ok"], true);
            let mute = json!({ "action": "mute", "position": position });
            assert_eq!(moderate(by, mute).await["ok"], true);
            let is_in = is_let_in(&server, token(&name, role)).await;
            assert_eq!(is_in, !holds, "{role}, by an admin: {is_admin}");
            let listed = operator.act(json!({ "action": "list" })).await.unwrap();
            let bans = listed["sanctions"].as_array().unwrap().iter();
            for ban in bans.filter(|it| it["action"] == "ban") {
                operator.act(json!({ "action": "lift", "id": ban["id"] })).await.unwrap();
            }
            let mut pat = enter(&server, "", token(&name, role)).await;
            let answer = say(&mut pat, "and now?").await;
            assert_eq!(answer["ok"] == false, holds, "{role}, by an admin: {is_admin}, {answer}");
        }
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_for_everybody_and_an_announcement_is_heard_by_all() {
    let (server, operator) = server().await;
    let (mut mo, mut bob) = (moderator(&server).await, guest(&server, "Bob").await);
    let mut stock = Client::join(&server, Eio::V3, Via::WebSocket).await;
    stock.emit(json!(["add user", "Sam"])).await;
    until_event(&mut stock, "login").await;
    let mut nick = Client::join(&server, Eio::V3, Via::WebSocket).await;
    nick.emit_with_ack(1, json!(["nickname", "Nic"])).await;
    assert_eq!(nick.ack(1).await, json!([false]));
    let mut bare = Client::join(&server, Eio::V3, Via::WebSocket).await;
    bare.emit(json!(["chat message", "here"])).await;
    until_event(&mut bare, "chat message").await;
    let said = say(&mut bob, "bad words").await;
    let delete = json!({ "action": "delete", "position": said["position"] });
    assert_eq!(moderate(&mut mo, delete.clone()).await["ok"], true);
    assert_eq!(until_event(&mut bob, "message deleted").await["position"], said["position"]);
    assert_eq!(moderate(&mut mo, delete).await["reason"], "gone");
    // Stock pages go on showing it, and hear that it is deleted.
    let told = "a moderator has deleted a message of Bob";
    let wait = async {
        let by_parlance = json!({ "username": "parlance", "message": told });
        while stock.event().await != json!(["new message", by_parlance]) {}
        while nick.event().await != json!(["announcement", told]) {}
        while bare.event().await != json!(["chat message", format!("parlance: {told}")]) {}
    };
    soon("stock pages hear of it", wait).await;
    let history = ask(&mut mo, json!(["history", {}])).await;
    let message = &history["messages"].as_array().unwrap()[1];
    assert_eq!((&message["deleted"], &message["message"]), (&json!(true), &json!("")));
    // An operator's, by the API, is heard as a moderator's.
    let text = "tea <b>";
    operator.act(json!({ "action": "announce", "message": text })).await.unwrap();
    let heard = until_event(&mut bob, "announcement").await;
    assert_eq!(heard["message"], text);
    let history = ask(&mut mo, json!(["history", {}])).await;
    let last = history["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["announce"], &last["position"]), (&json!(true), &heard["position"]));
    assert_eq!(last.get("username"), None);
    let wait = async {
        while stock.event().await
            != json!(["new message", { "username": "parlance", "message": text }])
        {}
        while nick.event().await != json!(["announcement", text]) {}
        while bare.event().await != json!(["chat message", "parlance: tea <b>"]) {}
    };
    soon("all hear the announcement", wait).await;
}

#[tokio::test]
async fn who_is_muted_says_nothing_until_that_is_lifted() {
    let (server, operator) = server().await;
    let (mut mo, mut bob) = (moderator(&server).await, guest(&server, "Bob").await);
    let mut nick = Client::join(&server, Eio::V3, Via::WebSocket).await;
    nick.emit_with_ack(1, json!(["nickname", "Nic"])).await;
    assert_eq!(nick.ack(1).await, json!([false]));
    for name in ["bob", "Nic"] {
        let mute = json!({ "action": "mute", "username": name, "seconds": 600 });
        assert_eq!(moderate(&mut mo, mute).await["ok"], true);
    }
    let refused = say(&mut bob, "hi").await;
    assert_eq!(refused["reason"], "muted");
    assert!(refused["message"].as_str().unwrap().contains("10 min"), "{refused}");
    nick.emit(json!(["user message", "hi"])).await;
    let wait = async {
        loop {
            let event = nick.event().await;
            if event[1].as_str().is_some_and(|text| text.contains("for 10 min")) {
                return event;
            }
        }
    };
    assert_eq!(soon("the words for it", wait).await[0], "announcement");
    let listed = operator.act(json!({ "action": "list" })).await.unwrap();
    let listed = listed["sanctions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["action"], &listed[0]["by"]), (&json!("mute"), &json!("Mo ✓")));
    for sanction in listed {
        let lift = json!({ "action": "lift", "id": sanction["id"] });
        assert_eq!(moderate(&mut mo, lift).await["ok"], true);
    }
    assert_eq!(say(&mut bob, "hi").await["ok"], true);
}

#[tokio::test]
async fn who_is_banned_is_out_of_all_rooms_also_after_a_restart() {
    let store = Store::memory(StoreSettings::default());
    let (server, _) = start(&store).await;
    let eve = || json!({ "token": person("Eve", &[]) });
    let mut mo = moderator(&server).await;
    let mut inside = enter(&server, "", eve()).await;
    inside.send(&format!("40/support,{}", eve())).await;
    let joined = async { while !inside.text().await.starts_with("40/support") {} };
    soon("the other room", joined).await;
    let said = say(&mut inside, "spam").await;
    // By what she has said, whatever she is called.
    let ban = json!({ "action": "ban", "position": said["position"], "seconds": 3600 });
    assert_eq!(moderate(&mut mo, ban).await["ok"], true);
    assert_eq!(until_event(&mut inside, "removed").await["action"], "ban");
    let mut out = Vec::new();
    let left = async {
        while out.len() < 2 {
            let text = inside.text().await;
            if text.starts_with("41") {
                out.push(text);
            }
        }
    };
    soon("she is out of both rooms", left).await;
    let (again, _) = start(&store).await;
    for server in [&server, &again] {
        let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
        client.send(&format!("40{}", eve())).await;
        let answer = client.text().await;
        let answer: Value = serde_json::from_str(answer.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(answer["data"]["reason"], "banned");
        // Others come in from the same address.
        guest(server, "Bob").await;
    }
}

#[tokio::test]
async fn an_address_can_be_banned_but_for_moderators() {
    let (server, operator) = server().await;
    let mut bob = guest(&server, "Bob").await;
    let mut mo = moderator(&server).await;
    let here: IpAddr = [127, 0, 0, 1].into();
    operator.act(json!({ "action": "ban", "address": here.to_string() })).await.unwrap();
    assert_eq!(until_event(&mut bob, "removed").await["action"], "ban");
    let mut old = Client::open(&server, Eio::V3, Via::WebSocket).await;
    let answer = old.text().await;
    let answer: Value = serde_json::from_str(answer.strip_prefix("44").expect(&answer)).unwrap();
    assert_eq!(answer["reason"], "banned");
    let listed = moderate(&mut mo, json!({ "action": "list" })).await;
    let lift = json!({ "action": "lift", "id": listed["sanctions"][0]["id"] });
    assert_eq!(listed["sanctions"][0]["address"], true);
    assert_eq!(moderate(&mut mo, lift).await["ok"], true);
    guest(&server, "Bob").await;
}

/// The last event before a client is disconnected.
async fn last_event(client: &mut Client) -> Value {
    let mut last = Value::Null;
    let ended = async {
        loop {
            let text = client.text().await;
            if text.starts_with("41") {
                return;
            }
            if let Some(event) = text.strip_prefix("42") {
                last = serde_json::from_str(event).unwrap();
            }
        }
    };
    soon("it is disconnected", ended).await;
    last
}

#[tokio::test]
async fn each_page_hears_in_its_own_words_why_it_is_sent_out() {
    let (server, operator) = server().await;
    let mut inside = Vec::new();
    // What a page says first, what tells it that it is there, and by which event it hears the end.
    for (first, there, end) in [
        (json!(["nickname", "Nick"]), "nicknames", "announcement"),
        (json!(["chat message", "hi"]), "chat message", "chat message"),
        (json!(["add user", "Sam"]), "login", "new message"),
    ] {
        let mut client = Client::join(&server, Eio::V4, Via::WebSocket).await;
        client.emit(first).await;
        until_event(&mut client, there).await;
        inside.push((client, end));
    }
    operator.act(json!({ "action": "ban", "address": "127.0.0.1" })).await.unwrap();
    let mut reasons = Vec::new();
    for (mut client, end) in inside {
        let last = last_event(&mut client).await;
        assert_eq!(last[0], end);
        let text = last[1].as_str().or(last[1]["message"].as_str()).unwrap();
        reasons.push(text.trim_start_matches("parlance: ").to_owned());
    }
    assert!(reasons[0].contains("banned"), "{reasons:?}");
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
}

/// The published pages have no word for a refusal, and show what they send at once.
#[tokio::test]
async fn stock_pages_hear_in_the_chat_why_nobody_hears_them() {
    let of_parlance = |text: &str| json!({ "username": "parlance", "message": text });
    let by_parlance = |text: &str| json!(format!("parlance: {text}"));
    type Said<'a> = &'a dyn Fn(&str) -> Value;
    let rows: [(_, _, _, _, _, Said<'_>); 3] = [
        ("add user", "login", "new message", true, "new message", &of_parlance),
        ("nickname", "nicknames", "user message", false, "announcement", &|text| json!(text)),
        ("chat message", "chat message", "chat message", true, "chat message", &by_parlance),
    ];
    for (first, there, word, has_error, event, said) in rows {
        let (server, operator) = server().await;
        let mut client = Client::join(&server, Eio::V4, Via::WebSocket).await;
        client.emit(json!([first, "Sam"])).await;
        until_event(&mut client, there).await;
        operator.act(json!({ "action": "slow", "seconds": 60 })).await.unwrap();
        let heard = client.event().await;
        assert_eq!(heard, json!([event, said("slow mode: a message every 60 s")]), "{first}");
        client.emit(json!([word, "one"])).await;
        // It is said, and comes back to the tutorial's page.
        client.emit_with_ack(9, json!(["latency"])).await;
        while !client.text().await.starts_with("439") {}
        operator.act(json!({ "action": "mute", "address": "127.0.0.1" })).await.unwrap();
        for text in ["two", "three"] {
            client.emit(json!([word, text])).await;
        }
        let mut heard = client.event().await;
        if has_error {
            assert_eq!(heard[0], "message error", "{first}");
            heard = client.event().await;
        }
        assert_eq!(heard[0], event, "{first}");
        assert!(heard[1].to_string().contains("you cannot say anything here"), "{heard}");
        // Of the same reason again, only who has a word for it.
        let again = client.event().await;
        assert_eq!(again[0], if has_error { "message error" } else { event }, "{first}");
        client.assert_quiet().await;
        operator.act(json!({ "action": "mute", "address": "127.0.0.1", "seconds": 0 })).await.ok();
        operator.act(json!({ "action": "slow" })).await.unwrap();
        assert_eq!(client.event().await, json!([event, said("slow mode is over")]), "{first}");
        // Who has said something meanwhile is told again.
        client.emit(json!([word, "four"])).await;
        client.emit_with_ack(9, json!(["latency"])).await;
        while !client.text().await.starts_with("439") {}
        operator.act(json!({ "action": "mute", "address": "127.0.0.1" })).await.unwrap();
        client.emit(json!([word, "five"])).await;
        until_event(&mut client, event).await;
    }
}

#[tokio::test]
async fn slow_mode_holds_for_guests_and_after_a_restart() {
    let store = Store::memory(StoreSettings::default());
    let (server, _) = start(&store).await;
    let (mut mo, mut bob) = (moderator(&server).await, guest(&server, "Bob").await);
    assert_eq!(moderate(&mut mo, json!({ "action": "slow", "seconds": 60 })).await["ok"], true);
    assert_eq!(until_event(&mut bob, "room").await["slow"], 60.0);
    // A page shows it in its own way, and hears nothing else of it.
    bob.emit_with_ack(8, json!(["latency"])).await;
    assert_eq!(bob.text().await, "438[]");
    assert_eq!(say(&mut bob, "one").await["ok"], true);
    assert_eq!(say(&mut bob, "two").await["reason"], "slow");
    for text in ["three", "four"] {
        assert_eq!(say(&mut mo, text).await["ok"], true);
    }
    let (again, operator) = start(&store).await;
    let mut bob = guest(&again, "Bob").await;
    assert_eq!(say(&mut bob, "five").await["ok"], true);
    assert_eq!(say(&mut bob, "six").await["reason"], "slow");
    operator.act(json!({ "action": "slow" })).await.unwrap();
    assert_eq!(until_event(&mut bob, "room").await["slow"], 0.0);
    assert_eq!(say(&mut bob, "six").await["ok"], true);
    let wrong = operator.act(json!({ "action": "slow", "room": "nowhere" })).await.unwrap_err();
    assert_eq!(wrong.0, "gone");
}

#[tokio::test]
async fn who_moderates_is_seen() {
    let (server, _) = server().await;
    let (mut bob, mut mo) = (guest(&server, "Bob").await, moderator(&server).await);
    let mut ada = enter(&server, "", json!({ "token": person("Ada", &["admin", "team"]) })).await;
    let who = ask(&mut bob, json!(["who"])).await;
    assert_eq!(who["roles"], json!({ "Mo": "moderator", "Ada": "admin" }));
    say(&mut mo, "one").await;
    assert_eq!(until_event(&mut bob, "new message").await["role"], "moderator");
    say(&mut ada, "two").await;
    assert_eq!(until_event(&mut bob, "new message").await["role"], "admin");
    say(&mut bob, "three").await;
    let said = until_event(&mut mo, "new message").await;
    assert_eq!((&said["message"], said.get("role")), (&json!("two"), Some(&json!("admin"))));
    assert_eq!(until_event(&mut mo, "new message").await.get("role"), None);
    let history = ask(&mut bob, json!(["history", {}])).await;
    let roles: Vec<_> =
        history["messages"].as_array().unwrap().iter().map(|it| &it["role"]).collect();
    assert_eq!(roles, [&json!("moderator"), &json!("admin"), &Value::Null]);
    assert_eq!(ask(&mut mo, json!(["account"])).await, json!({ "ok": true, "username": "Mo" }));
    assert_eq!(ask(&mut bob, json!(["account"])).await["reason"], "guest");
    // An account gives the name.
    assert_eq!(ask(&mut mo, json!(["rename", "Max"])).await["reason"], "account");
    moderate(&mut mo, json!({ "action": "mute", "username": "Bob", "seconds": 60 })).await;
    assert_eq!(ask(&mut bob, json!(["rename", "Mo is bad"])).await["reason"], "muted");
}
