//! People with an account: how each generation brings its token, what it is refused with, and what others see.

use std::net::SocketAddr;
use std::sync::Arc;

use parlance::accounts::{Accounts, Claims, Origin};
use parlance::chat::ChatSettings;
use parlance::store::{Store, StoreSettings};
use serde_json::{Value, json};

use crate::support::client::{Client, Via};
use crate::support::http::fetch;
use crate::support::packets::{Eio, Packet, read_answer};
use crate::support::polls::{read_open, sid_of};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer, chat_settings, target};
use crate::support::soon;
use crate::support::tokens::{SECRET, now, person, token};
use crate::support::ws::{UPGRADE, Ws};

fn accounts(required: bool) -> Arc<Accounts> {
    let claim = str::to_owned;
    let (name, roles, rooms) = (claim("name"), claim("roles"), claim("rooms"));
    let claims = Claims { name, roles, rooms, ..Claims::default() };
    let origin = Origin::Secret(SECRET.as_bytes().to_vec());
    Arc::new(Accounts::new(required, claims, origin).unwrap())
}

fn settings(required: bool) -> ChatSettings {
    ChatSettings { duplicate_names: false, accounts: Some(accounts(required)), ..chat_settings() }
}

async fn server(required: bool) -> TestServer {
    Setup::default().start_chat(settings(required)).await
}

/// A client of 3.x and 4.x: connects with that auth payload, and gives the answer.
async fn connect(server: &TestServer, to: &str, auth: Value) -> (Client, Value) {
    let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
    let namespace = if to == "/" { String::new() } else { format!("{to},") };
    client.send(&format!("40{namespace}{auth}")).await;
    let answer = client.text().await;
    let kind = answer.as_bytes()[1];
    let said = &answer[2 + namespace.len()..];
    assert!(matches!(kind, b'0' | b'4'), "{answer}");
    let mut said: Value = serde_json::from_str(said).unwrap();
    said["refused"] = (kind == b'4').into();
    (client, said)
}

async fn guest(server: &TestServer) -> Client {
    connect(server, "/", json!({})).await.0
}

/// Emits, and reads the answer and the events before it.
async fn ask(client: &mut Client, event: Value) -> (Value, Vec<Value>) {
    client.emit_with_ack(7, event).await;
    let mut events = Vec::new();
    let wait = async {
        loop {
            let text = client.text().await;
            if let Some(answer) = text.strip_prefix("437") {
                let mut answer: Value = serde_json::from_str(answer).unwrap();
                return (answer[0].take(), events);
            }
            events.push(serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap());
        }
    };
    soon("an acknowledgement", wait).await
}

async fn login(client: &mut Client, name: &str, options: Value) -> Value {
    ask(client, json!(["add user", name, options])).await.0
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
async fn who_has_no_good_token_is_refused_by_name() {
    let server = server(true).await;
    let good = person("Ann", &[]);
    for (bring, reason) in [
        (json!({}), "auth-required"),
        (json!({ "token": "" }), "auth-required"),
        (json!({ "token": 7 }), "auth-required"),
        (json!({ "token": "garbage" }), "token-invalid"),
        (json!({ "token": format!("{good}x") }), "token-invalid"),
        (json!({ "token": "x".repeat(9000) }), "token-invalid"),
        (json!({ "token": token(json!({ "sub": "1", "exp": now() - 60 })) }), "token-expired"),
        (json!({ "token": token(json!({ "sub": "1", "nbf": now() + 60 })) }), "token-early"),
        (json!({ "token": token(json!({ "sub": "1", "aud": "mail" })) }), "token-audience"),
        (
            json!({ "token": token(json!({ "sub": "1", "rooms": ["support"] })) }),
            "room-not-allowed",
        ),
    ] {
        let (_, answer) = connect(&server, "/", bring.clone()).await;
        assert_eq!(
            (&answer["refused"], &answer["data"]["reason"]),
            (&json!(true), &json!(reason)),
            "{bring}"
        );
        assert!(answer["message"].as_str().unwrap().len() > 5);
        // 1.x and 2.x bring it in the query, and have one object for the error.
        let text = bring["token"].as_str().unwrap_or_default();
        if text.len() > 2000 {
            // No query is as long.
            continue;
        }
        let query = format!("&token={text}");
        let mut old = Client::open_with(&server, Eio::V3, Via::WebSocket, &query).await;
        let answer = old.text().await;
        let answer: Value =
            serde_json::from_str(answer.strip_prefix("44").expect(&answer)).unwrap();
        assert_eq!(answer["reason"], reason, "{bring}");
    }
    let (_, answer) = connect(&server, "/", json!({ "token": good })).await;
    assert_eq!(answer["refused"], false);
    let support = token(json!({ "sub": "1", "rooms": ["support"] }));
    let (_, answer) = connect(&server, "/support", json!({ "token": support })).await;
    assert_eq!(answer["refused"], false);
    let mut old =
        Client::open_with(&server, Eio::V3, Via::WebSocket, &format!("&token={good}")).await;
    assert_eq!(old.text().await, "40");
    let (_, answer) = connect(&server, "/sales", json!({ "token": support })).await;
    assert_eq!(answer["data"]["reason"], "room-not-allowed");
    // 0.9 hears that it is not authorized.
    for (query, first) in [(String::new(), "7:::2"), (format!("&token={good}"), "1::")] {
        let target = format!("/socket.io/1/?t=1395000000000{query}");
        let answer = fetch(server.addr, "GET", &target, &[], b"").await;
        let sid = answer.text().split(':').next().unwrap().to_owned();
        let poll = format!("/socket.io/1/xhr-polling/{sid}?t=1");
        let answer = fetch(server.addr, "GET", &poll, &[], b"").await;
        assert!(answer.text().contains(first), "{}", answer.text());
    }
}

#[tokio::test]
async fn people_with_an_account_carry_a_mark_in_the_words_of_each_page() {
    let server = server(false).await;
    let mut page = guest(&server).await;
    assert_eq!(login(&mut page, "Pia", json!({ "page": 1 })).await["ok"], true);
    let mut stock = Client::join(&server, Eio::V3, Via::WebSocket).await;
    stock.emit(json!(["add user", "Sam"])).await;
    until_event(&mut stock, "login").await;
    let mut nick = Client::join(&server, Eio::V3, Via::WebSocket).await;
    nick.emit_with_ack(1, json!(["nickname", "Nic"])).await;
    assert_eq!(nick.ack(1).await, json!([false]));
    let mut bare = Client::join(&server, Eio::V3, Via::WebSocket).await;
    bare.emit(json!(["chat message", "here"])).await;
    until_event(&mut page, "user joined").await;
    until_event(&mut bare, "chat message").await;
    // Whatever name the page of somebody with an account asks for.
    let (mut ann, _) =
        connect(&server, "/", json!({ "token": person("Ann", &["moderator"]) })).await;
    let answer = login(&mut ann, "Zoe", json!({ "page": 1 })).await;
    assert_eq!((&answer["username"], &answer["verified"]), (&json!("Ann"), &json!(true)));
    assert_eq!((&answer["roles"], answer.get("token")), (&json!(["account", "moderator"]), None));
    let wait = async {
        while until_event(&mut page, "user joined").await
            != json!({ "username": "Ann", "verified": true, "numUsers": 4 })
        {}
    };
    soon("Ann is there", wait).await;
    let joined = until_event(&mut stock, "user joined").await;
    assert!(
        joined["username"] == "Ann ✓"
            || until_event(&mut stock, "user joined").await["username"] == "Ann ✓"
    );
    let said = ask(&mut ann, json!(["new message", "hi", { "id": "1" }])).await.0;
    assert_eq!(said["ok"], true);
    let heard = until_event(&mut page, "new message").await;
    let heard =
        if heard["message"] == "hi" { heard } else { until_event(&mut page, "new message").await };
    assert_eq!((&heard["username"], &heard["verified"]), (&json!("Ann"), &json!(true)));
    let mut last = json!(null);
    while last["message"] != "hi" {
        last = until_event(&mut stock, "new message").await;
    }
    assert_eq!(last, json!({ "username": "Ann ✓", "message": "hi" }));
    let wait = async {
        while nick.event().await != json!(["user message", "Ann ✓", "hi"]) {}
        while bare.event().await != json!(["chat message", "Ann ✓: hi"]) {}
    };
    soon("the others hear it", wait).await;
    // History and the list of people say so, too.
    let history = ask(&mut page, json!(["history", {}])).await.0;
    let message = history["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&message["username"], &message["verified"]), (&json!("Ann"), &json!(true)));
    let who = ask(&mut page, json!(["who"])).await.0;
    assert_eq!(who["verified"], json!(["Ann"]));
    assert!(who["people"].as_array().unwrap().contains(&json!("Ann")));
}

#[tokio::test]
async fn no_guest_passes_for_somebody_with_an_account() {
    for duplicate_names in [false, true] {
        let settings = ChatSettings { duplicate_names, ..settings(false) };
        let server = Setup::default().start_chat(settings).await;
        let mut early = guest(&server).await;
        assert_eq!(login(&mut early, "ann", json!({ "page": 1 })).await["ok"], true);
        let (mut ann, _) = connect(&server, "/", json!({ "token": person("Ann", &[]) })).await;
        assert_eq!(login(&mut ann, "", json!({})).await["username"], "Ann");
        // The guest who had the name before is without one.
        let lost = until_event(&mut early, "login error").await;
        assert_eq!(lost["reason"], "taken");
        for trick in ["Ann", "Аnn", "A\u{200b}nn", "ANN."] {
            let answer = login(&mut early, trick, json!({ "page": 1 })).await;
            assert_eq!(answer["reason"], "taken", "{trick}");
        }
        for trick in ["Ann ✓", "Bob ✓", "Bob ✔", "✅ Bob", "Bob √"] {
            let answer = login(&mut early, trick, json!({ "page": 1 })).await;
            assert_eq!(answer["reason"], "name", "{trick}");
        }
        let mut stock = Client::join(&server, Eio::V3, Via::WebSocket).await;
        stock.emit(json!(["add user", "Ann"])).await;
        assert_eq!(until_event(&mut stock, "user joined").await["username"], "Ann (2)");
        // Somebody else with an account of that name gets a number; the same person is there twice.
        let other = token(json!({ "sub": "another", "name": "Ann" }));
        let (mut other, _) = connect(&server, "/", json!({ "token": other })).await;
        let name = login(&mut other, "", json!({})).await["username"].clone();
        assert_eq!(name, if duplicate_names { "Ann" } else { "Ann (3)" });
        let (mut tab, _) = connect(&server, "/", json!({ "token": person("Ann", &[]) })).await;
        assert_eq!(login(&mut tab, "", json!({})).await["username"], "Ann");
    }
}

#[tokio::test]
async fn an_account_is_the_same_person_everywhere_and_later() {
    let store = Store::memory(StoreSettings::default());
    let server = Setup::default().start_chat(ChatSettings { store, ..settings(false) }).await;
    let bring = || json!({ "token": person("Ann", &[]) });
    let (mut ann, _) = connect(&server, "/", bring()).await;
    login(&mut ann, "", json!({ "page": 1 })).await;
    let said = ask(&mut ann, json!(["new message", "mine", { "id": "1" }])).await.0;
    // Another client with the account, which has nothing of the first.
    let (mut other, _) = connect(&server, "/", bring()).await;
    let answer = login(&mut other, "", json!({ "page": 1 })).await;
    assert_eq!(answer["messages"][0]["own"], true, "{answer}");
    let edit = json!(["edit", { "position": said["position"], "message": "still mine" }]);
    assert_eq!(ask(&mut other, edit).await.0["ok"], true);
    // A guest of the server, and one with a token of another, is somebody else.
    let (mut bob, _) = connect(&server, "/", json!({ "token": person("Bob", &[]) })).await;
    let answer = login(&mut bob, "", json!({ "page": 1 })).await;
    assert_eq!(answer["messages"][0].get("own"), None);
    let delete = json!(["delete", { "position": said["position"] }]);
    assert_eq!(ask(&mut bob, delete).await.0["reason"], "not yours");
}

#[tokio::test]
async fn a_token_is_renewed_in_time_or_its_connection_ends_with_the_reason() {
    let server = server(true).await;
    let brief = |more: u64| {
        let name = json!({ "sub": "1", "name": "Ann", "exp": now() + more });
        token(name)
    };
    // The server allows clocks to differ by ten seconds.
    let (mut ann, _) = connect(&server, "/", json!({ "token": brief(10) })).await;
    let (mut late, _) =
        connect(&server, "/", json!({ "token": token(json!({ "sub": "2", "exp": now() - 1 })) }))
            .await;
    for client in [&mut ann, &mut late] {
        // Thirty seconds before the end, which is now.
        let left = until_event(client, "token expires").await["in"].as_u64().unwrap();
        assert!(left <= 20_000, "{left}");
    }
    login(&mut ann, "", json!({ "page": 1 })).await;
    login(&mut late, "Late", json!({ "page": 1 })).await;
    for (bad, reason) in [
        (json!({ "token": token(json!({ "sub": "2" })) }), "token-person"),
        (json!({ "token": "x" }), "token-invalid"),
        (json!({}), "token-invalid"),
        (json!({ "token": token(json!({ "sub": "1", "exp": now() - 60 })) }), "token-expired"),
    ] {
        assert_eq!(ask(&mut ann, json!(["token", bad])).await.0["reason"], reason);
    }
    let fresh = token(json!({ "sub": "1", "name": "Ann", "roles": ["team"] }));
    let answer = ask(&mut ann, json!(["token", { "token": fresh }])).await.0;
    assert_eq!(answer["ok"], true);
    assert!(answer["in"].as_u64().unwrap() > 3_500_000);
    // Who does not, is told why and disconnected. It is not sent out: its page may come back.
    let error = until_event(&mut late, "login error").await;
    assert_eq!(error["reason"], "token-expired");
    assert_eq!(late.text().await, "41");
    until_event(&mut ann, "user left").await;
    ann.emit_with_ack(9, json!(["latency"])).await;
    assert_eq!(ann.ack(9).await, json!([]), "she is still there");
}

#[tokio::test]
async fn without_accounts_tokens_mean_nothing() {
    let server = Setup::default().start_chat(chat_settings()).await;
    let (mut client, answer) =
        connect(&server, "/", json!({ "token": person("Ann", &["admin"]) })).await;
    assert_eq!(answer["refused"], false);
    let answer = login(&mut client, "Bob", json!({ "page": 1 })).await;
    assert_eq!((&answer["username"], answer.get("roles")), (&json!("Bob"), None));
    assert_eq!(
        ask(&mut client, json!(["token", { "token": "x" }])).await.0["reason"],
        "token-invalid"
    );
}

/// The site whose pages may connect, with the cookie that it has set.
const SITE: &str = "https://chat.example";

/// What a client hears of its connection, by polling with that cookie.
async fn polled(addr: SocketAddr, version: &str, cookie: &str) -> String {
    let headers = &[("Origin", SITE), ("Cookie", cookie)];
    if version == "0.9" {
        let open = "/socket.io/1/?t=1395000000000";
        let answer = fetch(addr, "GET", open, headers, b"").await;
        let sid = answer.text().split(':').next().unwrap().to_owned();
        let poll = format!("/socket.io/1/xhr-polling/{sid}?t=1");
        return fetch(addr, "GET", &poll, headers, b"").await.text().to_owned();
    }
    let eio = if version == "4" { Eio::V4 } else { Eio::V3 };
    let query = format!("{}&transport=polling", eio.query());
    let answer = fetch(addr, "GET", &target(&query), headers, b"").await;
    let mut packets = read_answer(eio, &answer);
    let sid = sid_of(&read_open(&packets.remove(0)));
    let query = format!("{query}&sid={sid}");
    if version == "4" {
        fetch(addr, "POST", &target(&query), headers, b"40").await.assert_ok();
    }
    if packets.is_empty() {
        packets = read_answer(eio, &fetch(addr, "GET", &target(&query), headers, b"").await);
    }
    let Packet::Text(text) = packets.remove(0) else { panic!("text") };
    text
}

#[tokio::test]
async fn a_cookie_says_who_somebody_is_for_clients_of_every_generation() {
    let good = person("Ann", &[]);
    let late = token(json!({ "sub": "1", "exp": now() - 60 }));
    for required in [false, true] {
        let folder = Folder::new();
        let mut command = parlance(folder.path());
        let auth = if required { "required" } else { "optional" };
        command.args(["--port", "0", "--auth", auth, "--auth-secret", SECRET]);
        command.args(["--auth-cookie", "chat", "--origins", SITE]);
        let mut process = Process::start(command);
        let addr = process.listening();
        let none = if required { "auth-required" } else { "" };
        for (cookie, reason) in [
            (format!("chat={good}"), ""),
            (format!("a=b; chat={good}; c=d"), ""),
            (format!("chat={good}x"), "token-invalid"),
            ("chat=garbage".to_owned(), "token-invalid"),
            (format!("chat={late}"), "token-expired"),
            (format!("other={good}"), none),
            (format!("CHAT={good}"), none),
            (String::new(), none),
        ] {
            for version in ["4", "3", "0.9"] {
                let answer = polled(addr, version, &cookie).await;
                let is_in = match version {
                    "0.9" => answer.contains("1::") && !answer.contains("7:::"),
                    _ => answer.starts_with("40"),
                };
                assert_eq!(is_in, reason.is_empty(), "{version} {cookie}: {answer}");
                // 0.9 has one word for all of them.
                let word = if version == "0.9" && !is_in { "7:::2" } else { reason };
                assert!(answer.contains(word), "{version} {cookie}: {answer}");
            }
            let headers: Vec<_> =
                UPGRADE.iter().copied().chain([("Origin", SITE), ("Cookie", &*cookie)]).collect();
            let to = target("EIO=4&transport=websocket");
            let mut ws = Ws::attempt(addr, &to, &headers).await.0.unwrap();
            ws.text().await;
            ws.send("40").await;
            let answer = ws.text().await;
            assert_eq!(answer.starts_with("40"), reason.is_empty(), "{cookie}: {answer}");
            assert!(answer.contains(reason), "{cookie}: {answer}");
            if cookie.contains("a=b") {
                ws.send("421[\"account\"]").await;
                let said = ws.text().await;
                assert!(said.contains("\"username\":\"Ann\""), "{said}");
            }
        }
    }
}
