//! The history that nodes of a cluster have in common, by a real Redis.

use std::time::Duration;

use parlance::chat::{Chat, ChatSettings, Farewell, ResumeKey};
use parlance::cluster::redis::{Redis, RedisStreams, RedisUrl, StreamSettings};
use parlance::socketio::Io;
use parlance::store::{Store, StoreSettings};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::serve_stock;
use crate::history::{Folder, ask, in_file, page, say, texts};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::{soon, until};

struct Node {
    server: TestServer,
    farewell: Farewell,
    io: Io,
    redis: Redis,
    store: Store,
}

fn in_memory() -> Store {
    Store::memory(StoreSettings::default())
}

fn cluster(redis: &RedisServer) -> (Redis, RedisStreams) {
    let link = Redis::connect(redis.url().parse::<RedisUrl>().unwrap());
    let streams = RedisStreams::new(link.clone(), StreamSettings::default());
    (link, streams)
}

/// A node of the cluster, as the server makes one.
async fn node(redis: &RedisServer, store: Store) -> Node {
    let (link, streams) = cluster(redis);
    soon("connected", link.until(true)).await;
    alone(link, streams, store).await
}

/// A node that does not wait for its Redis.
async fn alone(redis: Redis, streams: RedisStreams, store: Store) -> Node {
    let io = Io::builder().adapter(move |node| streams.adapter(node)).build();
    let resume_key = Some(ResumeKey::from_secret(b"the key of the cluster"));
    let settings = ChatSettings { store: store.clone(), resume_key, ..chat_settings() };
    let (chat, room) = Chat::new(settings);
    tokio::spawn(room.run());
    let farewell = chat.farewell();
    let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
    Node { server, farewell, io, redis, store }
}

impl Node {
    /// Ends it as a process ends: in order, and whatever was said is out.
    async fn stop(self) {
        let Node { server, farewell, io, redis, store } = self;
        farewell.say().await;
        io.of("/").adapter().close().await;
        drop((server, io, redis));
        store.close().await.unwrap();
    }

    /// Waits until all that is in the stream is in its history.
    async fn has(&self, history: &Value) {
        let wait = async {
            while self.history().await != *history {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon("it has the same history", wait).await;
    }

    /// What somebody gets who comes.
    async fn history(&self) -> Value {
        let (client, answer) = page(&self.server, "somebody", json!({})).await;
        client.kill();
        answer["messages"].clone()
    }

    fn is_alone(&self) -> bool {
        self.io.of("/").adapter().status().is_alone()
    }
}

/// Reads events until there is one of that name.
async fn until_event(client: &mut Client, name: &str) -> Value {
    super::until_event(client, name).await[1].take()
}

fn positions(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().unwrap();
    messages.iter().map(|message| message["position"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn all_nodes_have_the_same_history_in_the_same_order() {
    let redis = RedisServer::start().await;
    let [first, second] = [node(&redis, in_memory()).await, node(&redis, in_memory()).await];
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    let (mut eve, _) = page(&second.server, "eve", json!({})).await;
    let mut stock = Client::join(&first.server, Eio::V3, Via::WebSocket).await;
    stock.emit(json!(["add user", "carl"])).await;
    for number in 0..10 {
        let text = number.to_string();
        ann.emit(json!(["new message", text, { "id": text }])).await;
        bob.emit(json!(["new message", text, { "id": text }])).await;
        stock.emit(json!(["new message", text])).await;
    }
    let mut heard = Vec::new();
    for _ in 0..30 {
        heard.push(until_event(&mut eve, "new message").await);
    }
    let history = second.history().await;
    assert_eq!(history, Value::from(heard), "what is told has the places of the history");
    first.has(&history).await;
    let positions = positions(&history);
    assert!(positions.is_sorted() && positions.len() == 30, "{positions:?}");
    let (answer, _) = ask(&mut eve, json!(["history", { "before": positions[3] }])).await;
    assert_eq!(answer["messages"], json!(history.as_array().unwrap()[..3]));
    let (found, _) = ask(&mut eve, json!(["search", { "text": "7" }])).await;
    assert_eq!(texts(&found), ["7", "7", "7"]);
    // Who is where is told by another way than what is said.
    let wait = async {
        let lobby = json!([{ "name": "", "people": 4, "position": positions[29] }]);
        while ask(&mut eve, json!(["rooms"])).await.0["rooms"] != lobby {}
    };
    soon("all are counted", wait).await;
}

/// Who goes on at another node gets what was missed, once; and what was acknowledged there is not said twice.
#[tokio::test]
async fn who_comes_from_another_node_goes_on_where_they_were() {
    let redis = RedisServer::start().await;
    let [first, second] = [node(&redis, in_memory()).await, node(&redis, in_memory()).await];
    let (mut ann, answer) = page(&first.server, "ann", json!({})).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    let token = answer["token"].clone();
    let one = say(&mut ann, "one", "1").await;
    ann.kill();
    let two = say(&mut bob, "two", "1").await;
    let three = say(&mut bob, "three", "2").await;
    let came = json!({ "token": token, "after": one });
    let (mut ann, answer) = page(&second.server, "ann", came).await;
    assert_eq!(positions(&answer["messages"]), [&two, &three]);
    assert_eq!(answer.get("gap"), None);
    let (again, _) =
        ask(&mut ann, json!(["new message", "one", { "id": "1", "again": true }])).await;
    assert_eq!((&again["ok"], &again["position"]), (&json!(true), &json!(one)));
    assert_eq!(texts(&ask(&mut bob, json!(["history", {}])).await.0), ["one", "two", "three"]);
    // A node that is behind takes the position of one that is not.
    for number in 0..20 {
        let last = say(&mut bob, &number.to_string(), &format!("b{number}")).await;
        let (reader, answer) = page(&first.server, "eve", json!({ "after": last })).await;
        assert_eq!((&answer["messages"], answer.get("gap")), (&json!([]), None));
        reader.kill();
    }
    let (_, other) = page(&first.server, "eve", json!({ "after": "abcdefgh.1" })).await;
    assert_eq!(other["gap"], true, "of another history");
}

/// The node goes between the message and its acknowledgement.
#[tokio::test]
async fn a_message_that_is_sent_again_to_another_node_is_said_once() {
    let redis = RedisServer::start().await;
    let second = node(&redis, in_memory()).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    for number in 0..5 {
        let first = node(&redis, in_memory()).await;
        let (mut ann, answer) = page(&first.server, "ann", json!({})).await;
        let (text, token) = (format!("text {number}"), answer["token"].clone());
        let message = json!(["new message", text, { "id": text }]);
        ann.emit(message.clone()).await;
        // It has reached the others, or not yet.
        if number % 2 == 0 {
            assert_eq!(until_event(&mut bob, "new message").await["message"], text);
        }
        ann.kill();
        drop(first);
        let (mut ann, _) = page(&second.server, "ann", json!({ "token": token })).await;
        let (answer, _) = ask(&mut ann, message).await;
        assert_eq!(answer["ok"], true);
        let (history, _) = ask(&mut bob, json!(["history", { "limit": 1 }])).await;
        assert_eq!(history["messages"][0]["position"], answer["position"]);
        ann.kill();
    }
    let (history, _) = ask(&mut bob, json!(["history", {}])).await;
    let expected: Vec<_> = (0..5).map(|number| format!("text {number}")).collect();
    assert_eq!(texts(&history), expected);
}

/// Clients of servers of Node, and stock pages, hear of no change.
#[tokio::test]
async fn changes_are_made_on_all_nodes() {
    let redis = RedisServer::start().await;
    let [first, second] = [node(&redis, in_memory()).await, node(&redis, in_memory()).await];
    let (link, streams) = cluster(&redis);
    soon("connected", link.until(true)).await;
    let io = Io::builder().adapter(move |node| streams.adapter(node)).build();
    let stock = Setup::default().start_io(io.clone(), serve_stock).await;
    until("it reads", || io.of("/").adapter().place().is_some()).await;
    let mut other = Client::join(&stock, Eio::V4, Via::WebSocket).await;
    let mut plain = Client::join(&second.server, Eio::V4, Via::WebSocket).await;
    let (mut ann, answer) = page(&first.server, "ann", json!({})).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    let [one, two] = [say(&mut ann, "one", "1").await, say(&mut ann, "two", "2").await];
    for text in ["one", "two"] {
        let heard = json!({ "username": "ann", "message": text });
        assert_eq!(until_event(&mut plain, "new message").await, heard);
        assert_eq!(until_event(&mut other, "new message").await["message"], text);
    }
    let (refused, _) = ask(&mut bob, json!(["edit", { "position": one, "message": "ha" }])).await;
    assert_eq!(refused["reason"], "not yours");
    let (edited, _) = ask(&mut ann, json!(["edit", { "position": one, "message": "1" }])).await;
    assert_eq!(edited, json!({ "ok": true }));
    let heard = until_event(&mut bob, "message edited").await;
    assert_eq!((&heard["position"], &heard["message"]), (&json!(one), &json!("1")));
    // By the same person at another node.
    let (mut again, _) = page(&second.server, "ann", json!({ "token": answer["token"] })).await;
    let (deleted, _) = ask(&mut again, json!(["delete", { "position": two }])).await;
    assert_eq!(deleted, json!({ "ok": true }));
    assert_eq!(until_event(&mut bob, "message deleted").await["position"], two);
    assert_eq!(until_event(&mut ann, "message deleted").await["position"], two);
    let history = second.history().await;
    assert_eq!((&history[0]["message"], &history[1]["deleted"]), (&json!("1"), &json!(true)));
    assert_eq!(history[0]["edited"], heard["edited"]);
    first.has(&history).await;
    let (_, missed) = page(&first.server, "carl", json!({ "after": two })).await;
    assert_eq!(missed["messages"][0]["change"], true);
    // What was read before the first word after the changes was of them.
    say(&mut ann, "last", "3").await;
    for client in [&mut plain, &mut other] {
        let mut events = Vec::new();
        loop {
            let event = client.event().await;
            if event[1]["message"] == "last" {
                break;
            }
            events.push(event[0].clone());
        }
        assert!(!events.iter().any(|name| *name == "message edited" || *name == "parlance entry"));
    }
}

#[tokio::test]
async fn a_node_that_starts_later_has_the_history() {
    let redis = RedisServer::start().await;
    let first = node(&redis, in_memory()).await;
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    let one = say(&mut ann, "one", "1").await;
    for number in 2..=30 {
        say(&mut ann, &number.to_string(), &number.to_string()).await;
    }
    ask(&mut ann, json!(["edit", { "position": one, "message": "1" }])).await;
    let history = first.history().await;
    let later = node(&redis, in_memory()).await;
    later.has(&history).await;
    let (mut bob, answer) = page(&later.server, "bob", json!({ "after": one })).await;
    assert_eq!((answer["messages"].as_array().unwrap().len(), answer.get("gap")), (30, None));
    // A room that nobody was in here, too.
    let mut elsewhere = Client::join(&first.server, Eio::V4, Via::WebSocket).await;
    elsewhere.send("40/support,").await;
    soon("joined", async { while !elsewhere.text().await.starts_with("40/support,") {} }).await;
    elsewhere.send(r#"42/support,1["add user","carl",{"page":1}]"#).await;
    elsewhere.send(r#"42/support,2["new message","here",{"id":"1"}]"#).await;
    soon("said", async { while !elsewhere.text().await.starts_with("43/support,2") {} }).await;
    let mut client = Client::join(&later.server, Eio::V4, Via::WebSocket).await;
    client.send("40/support,").await;
    client.send(r#"42/support,1["add user","dan",{"page":1}]"#).await;
    let wait = async {
        loop {
            let text = client.text().await;
            if let Some(answer) = text.strip_prefix("43/support,1") {
                return serde_json::from_str::<Value>(answer).unwrap();
            }
        }
    };
    assert_eq!(texts(&soon("answered", wait).await[0]), ["here"]);
    let (rooms, _) = ask(&mut bob, json!(["rooms"])).await;
    assert_eq!(rooms["rooms"][1]["name"], "support");
}

#[tokio::test]
async fn a_node_with_its_data_directory_reads_on_after_a_restart() {
    let redis = RedisServer::start().await;
    let [folder, other] = [Folder::new("cluster-restart"), Folder::new("cluster-restart-other")];
    let first = node(&redis, in_file(&folder.0)).await;
    let second = node(&redis, in_file(&other.0)).await;
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    let one = say(&mut ann, "one", "1").await;
    ann.kill();
    first.stop().await;
    say(&mut bob, "two", "2").await;
    say(&mut bob, "three", "3").await;
    let history = second.history().await;
    let again = node(&redis, in_file(&folder.0)).await;
    again.has(&history).await;
    // Also if the stream has only what it does not know yet.
    redis.cli(&["XTRIM", "socket.io", "MAXLEN", "=", "20"]);
    let (_, answer) = page(&again.server, "eve", json!({ "after": one })).await;
    assert_eq!((texts(&answer), answer.get("gap")), (vec!["two", "three"], None));
}

#[tokio::test]
async fn what_is_no_longer_in_the_stream_is_a_gap() {
    let redis = RedisServer::start().await;
    let folder = Folder::new("cluster-gap");
    let first = node(&redis, in_memory()).await;
    let away = node(&redis, in_file(&folder.0)).await;
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    let one = say(&mut ann, "one", "1").await;
    until("it has it", || redis.cli(&["XLEN", "socket.io"]) != "0").await;
    away.has(&first.history().await).await;
    away.stop().await;
    say(&mut ann, "lost", "2").await;
    let three = say(&mut ann, "three", "3").await;
    redis.cli(&["XTRIM", "socket.io", "MAXLEN", "=", "1"]);
    // The stream has the last message, and who comes and goes to read.
    let back = node(&redis, in_file(&folder.0)).await;
    let (mut bob, answer) = page(&back.server, "bob", json!({ "after": one })).await;
    assert_eq!((texts(&answer), &answer["gap"]), (vec!["three"], &json!(true)));
    let (all, _) = ask(&mut bob, json!(["history", {}])).await;
    assert_eq!(texts(&all), ["one", "three"]);
    assert_eq!((all["messages"][0].get("gap"), &all["messages"][1]["gap"]), (None, &json!(true)));
    // One that has nothing yet.
    let fresh = node(&redis, in_memory()).await;
    let (mut bob, answer) = page(&fresh.server, "bob", json!({ "after": one })).await;
    assert_eq!((texts(&answer), &answer["gap"]), (vec!["three"], &json!(true)));
    let (after, _) = ask(&mut bob, json!(["history", { "after": three }])).await;
    assert_eq!((&after["messages"], &after["gap"]), (&json!([]), &json!(false)));
    // The one that was there has all.
    assert_eq!(first.history().await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_said_while_redis_is_away_has_its_place_when_it_is_back() {
    let mut redis = RedisServer::start().await;
    let [first, second] = [node(&redis, in_memory()).await, node(&redis, in_memory()).await];
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    let (mut eve, _) = page(&first.server, "eve", json!({})).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    say(&mut ann, "before", "0").await;
    assert_eq!(until_event(&mut bob, "new message").await["message"], "before");
    assert_eq!(until_event(&mut eve, "new message").await["message"], "before");
    redis.stop();
    until("they are alone", || first.is_alone() && second.is_alone()).await;
    let mut marks = Vec::new();
    for (text, other) in [("one", "other side"), ("two", "other side again")] {
        let (answer, _) = ask(&mut ann, json!(["new message", text, { "id": text }])).await;
        assert_eq!((&answer["ok"], answer.get("position")), (&json!(true), None));
        let heard = until_event(&mut eve, "new message").await;
        assert_eq!((&heard["message"], &heard["mark"]), (&json!(text), &answer["mark"]));
        // Sent again, it is acknowledged, and said once.
        let (again, _) = ask(&mut ann, json!(["new message", text, { "id": text }])).await;
        assert_eq!(again["ok"], true);
        marks.push(answer["mark"].clone());
        // The clock goes on in between.
        sleep(Duration::from_millis(2)).await;
        ask(&mut bob, json!(["new message", other, { "id": other }])).await;
        sleep(Duration::from_millis(2)).await;
    }
    redis.go_on().await;
    for mark in &marks {
        let placed = until_event(&mut eve, "message placed").await;
        assert_eq!(placed["mark"], *mark);
        assert!(placed["position"].is_string() && placed["at"].is_u64(), "{placed}");
    }
    let mut heard = Vec::new();
    for _ in 0..2 {
        let said = until_event(&mut bob, "new message").await;
        assert_eq!((&said["late"], &said["username"]), (&said["at"], &json!("ann")));
        heard.push(said["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, ["one", "two"]);
    until("they are back", || !first.is_alone() && !second.is_alone()).await;
    say(&mut ann, "after", "9").await;
    until_event(&mut eve, "new message").await;
    let history = first.history().await;
    second.has(&history).await;
    // By time, whichever node comes back first.
    let said = ["before", "one", "other side", "two", "other side again", "after"];
    assert_eq!(texts_of(&history), said);
    let (_, answer) = page(&second.server, "newcomer", json!({})).await;
    assert_eq!(texts(&answer), said);
}

fn texts_of(messages: &Value) -> Vec<&str> {
    messages.as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap()).collect()
}

/// A node that starts without Redis has what it knows, and tells the people who have come of the rest later.
#[tokio::test]
async fn who_came_before_redis_is_told_of_what_was_said_elsewhere() {
    let mut redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let folder = Folder::new("cluster-alone");
    let first = node(&redis, in_file(&folder.0)).await;
    let second = node(&redis, in_memory()).await;
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    say(&mut ann, "one", "1").await;
    ann.kill();
    first.stop().await;
    say(&mut bob, "two", "2").await;
    redis.stop();
    let (link, streams) = cluster(&redis);
    let again = alone(link, streams, in_file(&folder.0)).await;
    let (mut ann, answer) = page(&again.server, "ann", json!({})).await;
    assert_eq!(texts(&answer), ["one"]);
    redis.go_on().await;
    let recalled = until_event(&mut ann, "new message").await;
    assert_eq!((&recalled["message"], &recalled["late"]), (&json!("two"), &recalled["at"]));
    let history = second.history().await;
    assert_eq!(recalled["position"], history[1]["position"]);
    again.has(&history).await;
}

/// What was said without a cluster is another log, which is there when the node is alone again.
#[tokio::test]
async fn a_history_of_before_the_cluster_is_kept_apart() {
    let folder = Folder::new("cluster-apart");
    let redis = RedisServer::start().await;
    let settings = |store: Store| ChatSettings { store, ..chat_settings() };
    let store = in_file(&folder.0);
    let before = Setup::default().start_chat(settings(store.clone())).await;
    let (mut ann, _) = page(&before, "ann", json!({})).await;
    let one = say(&mut ann, "alone", "1").await;
    ann.kill();
    drop(before);
    store.close().await.unwrap();
    drop(store);

    let together = node(&redis, in_file(&folder.0)).await;
    let (mut ann, answer) = page(&together.server, "ann", json!({ "after": one })).await;
    assert_eq!((&answer["messages"], &answer["gap"]), (&json!([]), &json!(true)));
    let two = say(&mut ann, "together", "1").await;
    ann.kill();
    together.stop().await;

    let store = in_file(&folder.0);
    let after = Setup::default().start_chat(settings(store.clone())).await;
    let (mut ann, answer) = page(&after, "ann", json!({ "after": one })).await;
    assert_eq!((&answer["messages"], answer.get("gap")), (&json!([]), None));
    let (rooms, _) = ask(&mut ann, json!(["rooms"])).await;
    assert_eq!(rooms["rooms"], json!([{ "name": "", "people": 1, "position": one }]));
    let (all, _) = ask(&mut ann, json!(["history", {}])).await;
    assert_eq!(texts(&all), ["alone"]);
    ann.kill();
    let (_, answer) = page(&after, "bob", json!({ "after": two })).await;
    assert_eq!((texts(&answer), &answer["gap"]), (vec!["alone"], &json!(true)));
}

/// What was acknowledged while Redis was away is on the disk: a node that ends meanwhile says it later.
#[tokio::test]
async fn what_was_acknowledged_without_redis_survives_the_node() {
    let mut redis = RedisServer::start().await;
    let folder = Folder::new("cluster-waiting");
    let second = node(&redis, in_memory()).await;
    let first = node(&redis, in_file(&folder.0)).await;
    let (mut bob, _) = page(&second.server, "bob", json!({})).await;
    let (mut ann, _) = page(&first.server, "ann", json!({})).await;
    say(&mut ann, "before", "0").await;
    assert_eq!(until_event(&mut bob, "new message").await["message"], "before");
    redis.stop();
    until("it is alone", || first.is_alone()).await;
    for text in ["one", "two"] {
        let (answer, _) = ask(&mut ann, json!(["new message", text, { "id": text }])).await;
        assert_eq!(answer["ok"], true);
    }
    ann.kill();
    let Node { server, farewell, io, redis: link, store } = first;
    drop((server, farewell, io, link));
    store.close().await.unwrap();
    drop(store);
    redis.go_on().await;
    let again = node(&redis, in_file(&folder.0)).await;
    for text in ["one", "two"] {
        let said = until_event(&mut bob, "new message").await;
        assert_eq!((&said["message"], &said["username"]), (&json!(text), &json!("ann")));
        assert_eq!(said["late"], said["at"]);
    }
    let history = second.history().await;
    assert_eq!(texts_of(&history), ["before", "one", "two"]);
    again.has(&history).await;
    // Once is enough, also after one more restart.
    again.stop().await;
    let again = node(&redis, in_file(&folder.0)).await;
    let (mut ann, _) = page(&again.server, "ann", json!({})).await;
    say(&mut ann, "after", "9").await;
    assert_eq!(until_event(&mut bob, "new message").await["message"], "after");
}

/// What a person says, on whichever node, is their own in all their tabs.
#[tokio::test]
async fn a_tab_on_another_node_knows_its_own_words() {
    let redis = RedisServer::start().await;
    let [first, second] = [node(&redis, in_memory()).await, node(&redis, in_memory()).await];
    let (mut ann, answer) = page(&first.server, "ann", json!({})).await;
    let (mut tab, _) = page(&second.server, "ann", json!({ "token": answer["token"] })).await;
    let (mut eve, _) = page(&second.server, "eve", json!({})).await;
    say(&mut tab, "first", "0").await;
    assert_eq!(until_event(&mut ann, "new message").await["own"], true);
    ann.emit(json!(["typing"])).await;
    say(&mut ann, "second", "1").await;
    until_event(&mut eve, "typing").await;
    let heard = until_event(&mut eve, "new message").await;
    assert_eq!((&heard["message"], heard.get("own")), (&json!("second"), None));
    // It hears of no typing before.
    let heard = tab.event().await;
    assert_eq!((&heard[0], &heard[1]["own"]), (&json!("new message"), &json!(true)));
}
