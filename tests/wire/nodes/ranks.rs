//! Who has power over whom, and who is seen to have it, wherever in the cluster they are.

use std::sync::Arc;

use parlance::accounts::{Accounts, Claims, Origin};
use parlance::chat::{Chat, ChatSettings};
use parlance::cluster::redis::{Redis, RedisStreams, RedisUrl, StreamSettings};
use parlance::socketio::Io;
use parlance::store::{Store, StoreSettings};
use serde_json::{Value, json};

use super::{knows, page, until_event, with_token};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::soon;
use crate::support::tokens::{SECRET, person};

struct Node {
    server: TestServer,
    _io: Io,
    _redis: Redis,
}

/// Two nodes with one order, so that messages have positions that both know.
async fn two_nodes(redis: &RedisServer) -> [Node; 2] {
    let claims = Claims { name: "name".into(), roles: "roles".into(), ..Claims::default() };
    let origin = Origin::Secret(SECRET.as_bytes().to_vec());
    let accounts = Some(Arc::new(Accounts::new(false, claims, origin).unwrap()));
    let settings = ChatSettings { duplicate_names: false, accounts, ..chat_settings() };
    let node = async |settings: ChatSettings| {
        let link = Redis::connect(redis.url().parse::<RedisUrl>().unwrap());
        let streams = RedisStreams::new(link.clone(), StreamSettings::default());
        soon("connected", link.until(true)).await;
        let io = Io::builder().adapter(move |node| streams.adapter(node)).build();
        let (chat, room) = Chat::new(settings);
        tokio::spawn(room.run());
        let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
        Node { server, _io: io, _redis: link }
    };
    // Each has a store of its own.
    let store = || Store::memory(StoreSettings::default());
    [
        node(ChatSettings { store: store(), ..settings.clone() }).await,
        node(ChatSettings { store: store(), ..settings }).await,
    ]
}

async fn ask(client: &mut Client, event: Value) -> Value {
    client.emit_with_ack(6, event).await;
    client.answer(6).await[0].take()
}

async fn moderate(client: &mut Client, asked: &Value) -> Value {
    ask(client, json!(["moderate", asked])).await
}

/// Whether somebody with that token is let in, and else why not.
async fn knock(server: &TestServer, token: &str) -> Result<Client, Value> {
    let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
    client.send(&format!("40{}", json!({ "token": token }))).await;
    let answer = client.text().await;
    match answer.strip_prefix("44") {
        None => Ok(client),
        Some(error) => Err(serde_json::from_str::<Value>(error).unwrap()["data"]["reason"].take()),
    }
}

/// Says something, and waits until another has heard it. Returns its position there.
async fn said_to(client: &mut Client, other: &mut Client, text: &str) -> Value {
    assert_eq!(ask(client, json!(["new message", text, { "id": text }])).await["ok"], true);
    let wait = async {
        loop {
            let heard = until_event(other, "new message").await;
            if heard[1]["message"] == text {
                return heard[1]["position"].clone();
            }
        }
    };
    soon(text, wait).await
}

#[tokio::test]
async fn no_action_reaches_who_is_of_the_same_rank_or_above_on_another_node() {
    let redis = RedisServer::start().await;
    let [first, second] = two_nodes(&redis).await;
    let (mut bob, _) = page(&second.server, "Bob", &Value::Null).await;
    let mut mo = with_token(&first.server, "Mo", &["moderator"]).await;
    let mut ada = with_token(&second.server, "Ada", &["admin"]).await;
    let mut max = with_token(&second.server, "Max", &["moderator"]).await;
    knows(&mut mo, &["Ada", "Bob", "Max", "Mo"]).await;
    let ada_said = said_to(&mut ada, &mut mo, "by ada").await;
    let max_said = said_to(&mut max, &mut mo, "by max").await;
    let bob_said = said_to(&mut bob, &mut mo, "by bob").await;
    for (whom, position) in [("Ada", &ada_said), ("Max", &max_said)] {
        for action in ["mute", "kick", "ban"] {
            for asked in [
                json!({ "action": action, "username": whom }),
                json!({ "action": action, "username": whom, "address": true }),
                json!({ "action": action, "position": position }),
                json!({ "action": action, "position": position, "address": true }),
            ] {
                assert_eq!(moderate(&mut mo, &asked).await["reason"], "not allowed", "{asked}");
            }
        }
    }
    // They are there, and may speak.
    for (client, text) in [(&mut ada, "still ada"), (&mut max, "still max")] {
        assert_eq!(ask(client, json!(["new message", text, { "id": text }])).await["ok"], true);
    }
    let mute = json!({ "action": "mute", "position": bob_said });
    assert_eq!(moderate(&mut mo, &mute).await["ok"], true);
    let wait =
        async { while ask(&mut bob, json!(["new message", "?"])).await["reason"] != "muted" {} };
    soon("Bob is muted", wait).await;
}

#[tokio::test]
async fn what_is_done_to_somebody_who_is_away_holds_for_lower_ranks_alone() {
    let redis = RedisServer::start().await;
    let [first, second] = two_nodes(&redis).await;
    let mut mo = with_token(&first.server, "Mo", &["moderator"]).await;
    for (name, role, is_out) in
        [("Ada", "admin", false), ("Max", "moderator", false), ("Eve", "team", true)]
    {
        let mut client = with_token(&second.server, name, &[role]).await;
        let position = said_to(&mut client, &mut mo, name).await;
        client.send("41").await;
        knows(&mut mo, &["Mo"]).await;
        let ban = json!({ "action": "ban", "position": position });
        assert_eq!(moderate(&mut mo, &ban).await["ok"], true, "{name}");
        for server in [&first.server, &second.server] {
            // The ban travels to the other node.
            let wait = async {
                while knock(server, &person(name, &[role])).await.err()
                    != is_out.then(|| json!("banned"))
                {}
            };
            soon(&format!("{name} is in or out"), wait).await;
        }
        // Without the role, it holds.
        assert_eq!(knock(&first.server, &person(name, &[])).await.err(), Some(json!("banned")));
    }
}

#[tokio::test]
async fn roles_and_numbers_of_people_are_those_of_all_nodes() {
    let redis = RedisServer::start().await;
    let [first, second] = two_nodes(&redis).await;
    let mut bob = page(&first.server, "Bob", &Value::Null).await.0;
    let mut mo = with_token(&first.server, "Mo", &["moderator"]).await;
    let mut ada = with_token(&second.server, "Ada", &["admin", "team"]).await;
    let _pat = with_token(&second.server, "Pat", &["team"]).await;
    for client in [&mut bob, &mut ada] {
        knows(client, &["Ada", "Bob", "Mo", "Pat"]).await;
        let who = ask(client, json!(["who"])).await;
        assert_eq!(who["roles"], json!({ "Ada": "admin", "Mo": "moderator" }));
        let rooms = ask(client, json!(["rooms"])).await;
        assert_eq!(
            (&rooms["rooms"][0]["name"], &rooms["rooms"][0]["people"]),
            (&json!(""), &json!(4))
        );
    }
    // Another token of the same person has another role: others see it, and are told of nobody who came or went.
    let asked = json!(["token", { "token": person("Mo", &["admin"]) }]);
    assert_eq!(ask(&mut mo, asked).await["ok"], true);
    let wait = async { while ask(&mut ada, json!(["who"])).await["roles"]["Mo"] != "admin" {} };
    soon("the other role is known", wait).await;
    ask(&mut mo, json!(["new message", "end", { "id": "1" }])).await;
    loop {
        let event = ada.event().await;
        match event[0].as_str().unwrap() {
            "new message" => break,
            name => assert!(!["user renamed", "user left"].contains(&name), "{event}"),
        }
    }
    mo.send("41").await;
    knows(&mut ada, &["Ada", "Bob", "Pat"]).await;
    let who = ask(&mut ada, json!(["who"])).await;
    assert_eq!(who["roles"], json!({ "Ada": "admin" }));
}

#[tokio::test]
async fn what_a_moderator_deletes_is_told_to_stock_pages_of_all_nodes() {
    let redis = RedisServer::start().await;
    let [first, second] = two_nodes(&redis).await;
    let mut mo = with_token(&first.server, "Mo", &["moderator"]).await;
    let mut stock = Client::join(&second.server, Eio::V4, Via::WebSocket).await;
    stock.emit(json!(["add user", "Sam"])).await;
    knows(&mut mo, &["Mo", "Sam"]).await;
    let (mut bob, _) = page(&second.server, "Bob", &Value::Null).await;
    let own = said_to(&mut bob, &mut mo, "taken back").await;
    let bad = said_to(&mut bob, &mut mo, "bad words").await;
    // Who takes back something of their own does not moderate.
    assert_eq!(ask(&mut bob, json!(["delete", { "position": own }])).await["ok"], true);
    let delete = json!({ "action": "delete", "position": bad });
    assert_eq!(moderate(&mut mo, &delete).await["ok"], true);
    for text in ["taken back", "bad words", "a moderator has deleted a message of Bob"] {
        assert_eq!(until_event(&mut stock, "new message").await[1]["message"], text);
    }
}

#[tokio::test]
async fn the_history_shows_the_roles_of_people_of_all_nodes() {
    let redis = RedisServer::start().await;
    let [first, second] = two_nodes(&redis).await;
    let mut clients = Vec::new();
    for (name, role) in [("Ada", "admin"), ("Max", "moderator"), ("Eve", "team")] {
        clients.push(with_token(&second.server, name, &[role]).await);
    }
    let (mut bob, _) = page(&first.server, "Bob", &Value::Null).await;
    knows(&mut bob, &["Ada", "Bob", "Eve", "Max"]).await;
    for (client, name) in clients.iter_mut().zip(["ada", "max", "eve"]) {
        said_to(client, &mut bob, name).await;
    }
    let roles = async |client: &mut Client| -> Vec<Value> {
        let history = ask(client, json!(["history", {}])).await;
        let messages = history["messages"].as_array().unwrap().iter();
        messages.map(|message| message["role"].clone()).collect()
    };
    assert_eq!(roles(&mut bob).await, [json!("admin"), json!("moderator"), Value::Null]);
    // Who has gone has no role any more.
    clients.remove(0).send("41").await;
    knows(&mut bob, &["Bob", "Eve", "Max"]).await;
    assert_eq!(roles(&mut bob).await, [Value::Null, json!("moderator"), Value::Null]);
}
