//! The chat on several nodes: one room for all, next to servers that run the stock example.

mod history;
mod net;
mod open_rooms;
mod ranks;
mod recovered;

use std::sync::Arc;
use std::time::Duration;

use parlance::accounts::{Accounts, Claims, Origin};
use parlance::chat::{Chat, ChatSettings, Farewell, ResumeKey};
use parlance::socketio::{Io, Socket};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::tokens::{SECRET, person};
use crate::support::{soon, until};
use net::Net;

/// As short as news between nodes of one process allow on a busy machine.
const LEASE: Duration = Duration::from_millis(1500);

struct Node {
    server: TestServer,
    farewell: Farewell,
    io: Io,
}

async fn node(net: &Net, number: usize, settings: ChatSettings) -> Node {
    leased(net, number, ChatSettings { node_timeout: LEASE, ..settings }).await
}

/// The same, with the lease that the settings say.
async fn leased(net: &Net, number: usize, settings: ChatSettings) -> Node {
    let net = net.clone();
    let io = Io::builder().adapter(move |node| net.adapter(number, node)).build();
    let (chat, room) = Chat::new(settings);
    tokio::spawn(room.run());
    let farewell = chat.farewell();
    let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
    Node { server, farewell, io }
}

/// Nodes that know each other.
async fn nodes<const N: usize>(net: &Net, settings: &ChatSettings) -> [Node; N] {
    let mut all = Vec::new();
    for number in 0..N {
        all.push(node(net, number, settings.clone()).await);
    }
    // They have heard of each other when a name is known on all of them.
    for (number, node) in all.iter().enumerate() {
        let mut scout = member(&node.server, &format!("scout {number}")).await;
        for other in &all {
            let mut asker = visitor(&other.server).await;
            knows(&mut asker, &[&format!("scout {number}")]).await;
        }
        scout.emit_with_ack(1, json!(["latency"])).await;
        scout.kill();
    }
    for node in &all {
        let mut asker = visitor(&node.server).await;
        knows(&mut asker, &[]).await;
    }
    all.try_into().ok().expect("as many as asked for")
}

async fn visitor(server: &TestServer) -> Client {
    let mut client = Client::join(server, Eio::V4, Via::WebSocket).await;
    client.assert_quiet().await;
    client
}

/// Somebody with a name, who has heard the answer to that.
async fn member(server: &TestServer, name: &str) -> Client {
    let mut client = visitor(server).await;
    client.emit(json!(["add user", name])).await;
    until_event(&mut client, "login").await;
    client
}

/// Reads events until there is one of that name.
async fn until_event(client: &mut Client, name: &str) -> Value {
    let wait = async {
        loop {
            let event = client.event().await;
            if event[0] == *name {
                return event;
            }
        }
    };
    soon(name, wait).await
}

/// Reads until something is acknowledged: what, and with what.
async fn any_ack(client: &mut Client) -> (u32, Value) {
    let wait = async {
        loop {
            let text = client.text().await;
            if let Some(ack) = text.strip_prefix("43") {
                let (id, args) = ack.split_at(ack.find('[').unwrap());
                return (id.parse().unwrap(), serde_json::from_str(args).unwrap());
            }
        }
    };
    soon("an acknowledgement", wait).await
}

async fn ack(client: &mut Client, id: u32) -> Value {
    let (acknowledged, answer) = any_ack(client).await;
    assert_eq!(acknowledged, id);
    answer
}

async fn who(client: &mut Client) -> (u64, Vec<String>) {
    client.emit_with_ack(77, json!(["who"])).await;
    let answer = ack(client, 77).await;
    let people = answer[0]["people"].as_array().unwrap().iter();
    let mut people: Vec<_> = people.map(|name| name.as_str().unwrap().to_owned()).collect();
    people.sort();
    (answer[0]["numUsers"].as_u64().unwrap(), people)
}

/// Waits until the node of a client knows these people, and no others.
async fn knows(client: &mut Client, people: &[&str]) {
    let wait = async {
        while who(client).await
            != (people.len() as u64, people.iter().map(|it| (*it).into()).collect())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(&format!("it is known that {people:?} are there"), wait).await;
}

/// A server of Node's stock example: what it says to whom is the reference's.
async fn stock_server(net: &Net, number: usize) -> (TestServer, Io) {
    let net = net.clone();
    let io = Io::builder().adapter(move |node| net.adapter(number, node)).build();
    let server = Setup::default().start_io(io.clone(), serve_stock).await;
    (server, io)
}

fn serve_stock(io: &Io) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    #[derive(Clone)]
    struct Username(Value);
    let users = Arc::<AtomicU64>::default();
    let root = io.of("/");
    let count = Arc::clone(&users);
    root.on("add user", move |socket: Socket, name: Value| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            socket.emit("login", json!({ "numUsers": count }));
            let joined = json!({ "username": name, "numUsers": count });
            socket.broadcast().emit("user joined", joined);
            socket.extensions().insert(Username(name));
        }
    });
    root.on("new message", |socket: Socket, text: Value| async move {
        let username = socket.extensions().get::<Username>().map(|name| name.0.clone());
        let mut said = json!({ "message": text });
        said.as_object_mut().unwrap().extend(username.map(|name| ("username".into(), name)));
        socket.broadcast().emit("new message", said);
    });
    for word in ["typing", "stop typing"] {
        root.on(word, move |socket: Socket| async move {
            let username = socket.extensions().get::<Username>().map(|name| name.0.clone());
            socket.broadcast().emit(word, json!({ "username": username }));
        });
    }
    root.on_disconnect(move |socket: Socket, _reason| {
        let users = Arc::clone(&users);
        async move {
            if let Some(name) = socket.extensions().get::<Username>() {
                let left = users.fetch_sub(1, Ordering::Relaxed) - 1;
                let left = json!({ "username": name.0, "numUsers": left });
                socket.broadcast().emit("user left", left);
            }
        }
    });
}

fn unique() -> ChatSettings {
    ChatSettings { duplicate_names: false, ..chat_settings() }
}

#[tokio::test]
async fn people_of_all_nodes_are_in_one_room_each_in_their_own_words() {
    let net = Net::default();
    let [first, second] = nodes(&net, &chat_settings()).await;
    let mut ann = member(&first.server, "ann").await;
    let mut bob = visitor(&second.server).await;
    knows(&mut bob, &["ann"]).await;
    bob.emit(json!(["add user", "bob"])).await;
    assert_eq!(bob.event().await, json!(["login", { "numUsers": 2 }]));
    assert_eq!(ann.event().await, json!(["user joined", { "username": "bob", "numUsers": 2 }]));
    // One of the get-started chat, and one of 0.9's, on the other node.
    let mut bare = visitor(&second.server).await;
    bare.emit(json!(["chat message", "hello"])).await;
    let hello = json!(["new message", { "username": "(no name)", "message": "hello" }]);
    assert_eq!(ann.event().await, hello);
    assert_eq!(bob.event().await, hello);
    assert_eq!(
        bare.event().await,
        json!(["chat message", "hello"]),
        "its page shows what comes back"
    );
    let mut nick = visitor(&second.server).await;
    nick.emit_with_ack(1, json!(["nickname", "cid"])).await;
    assert_eq!(ack(&mut nick, 1).await, json!([false]));
    let joined = json!(["user joined", { "username": "cid", "numUsers": 3 }]);
    assert_eq!(ann.event().await, joined);
    let nicknames = until_event(&mut nick, "nicknames").await;
    assert_eq!(nicknames[1], json!({ "ann": "ann", "bob": "bob", "cid": "cid" }));
    assert_eq!(bob.event().await, joined);
    assert_eq!(bare.event().await, json!(["chat message", "cid joined"]));

    ann.emit_with_ack(2, json!(["new message", "hi <b>", { "id": "m1" }])).await;
    assert_eq!(ack(&mut ann, 2).await, json!([{ "ok": true }]));
    let said = json!(["new message", { "username": "ann", "message": "hi <b>" }]);
    assert_eq!(bob.event().await, said);
    assert_eq!(nick.event().await, json!(["user message", "ann", "hi &lt;b&gt;"]));
    assert_eq!(bare.event().await, json!(["chat message", "ann: hi <b>"]));
    ann.emit(json!(["typing"])).await;
    assert_eq!(bob.event().await, json!(["typing", { "username": "ann" }]));
    nick.emit(json!(["user message", "yo"])).await;
    let yo = json!(["new message", { "username": "cid", "message": "yo" }]);
    assert_eq!(ann.event().await, yo);
    assert_eq!(bob.event().await, yo);
    ann.kill();
    assert_eq!(bob.event().await, json!(["user left", { "username": "ann", "numUsers": 2 }]));
    assert_eq!(nick.event().await, json!(["announcement", "ann disconnected"]));
    assert_eq!(nick.event().await[1], json!({ "bob": "bob", "cid": "cid" }));
}

#[tokio::test]
async fn all_members_of_a_node_hear_one_order() {
    let net = Net::default();
    let [first, second] = nodes(&net, &chat_settings()).await;
    let mut speakers = [member(&first.server, "a").await, member(&second.server, "b").await];
    let mut hearers = Vec::new();
    for server in [&first.server, &first.server, &second.server, &second.server] {
        let mut hearer = visitor(server).await;
        knows(&mut hearer, &["a", "b"]).await;
        hearers.push(hearer);
    }
    for number in 0..100 {
        for speaker in &mut speakers {
            speaker.emit(json!(["new message", number.to_string()])).await;
        }
    }
    let mut heard = Vec::new();
    for hearer in &mut hearers {
        let mut all = Vec::new();
        for _ in 0..200 {
            let event = until_event(hearer, "new message").await;
            all.push((event[1]["username"].clone(), event[1]["message"].clone()));
        }
        heard.push(all);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[2], heard[3]);
    for all in &heard {
        for name in ["a", "b"] {
            let of_one = all.iter().filter(|(by, _)| *by == name);
            let of_one: Vec<_> = of_one.map(|(_, text)| text.as_str().unwrap()).collect();
            assert_eq!(of_one, (0..100).map(|n| n.to_string()).collect::<Vec<_>>(), "of {name}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_sent_again_on_another_node_is_said_once() {
    let net = Net::default();
    let [first, second, third] = nodes(&net, &chat_settings()).await;
    let mut bob = member(&third.server, "bob").await;
    let mut ann = member(&first.server, "ann").await;
    assert_eq!(until_event(&mut bob, "user joined").await[1]["username"], "ann");
    ann.emit(json!(["new message", "once", { "id": "m1" }])).await;
    assert_eq!(bob.event().await[1]["message"], "once");
    // Its node dies before the acknowledgement; the page comes back elsewhere, and sends it again.
    net.cut(0);
    drop(first.server);
    ann.kill();
    let mut ann = member(&second.server, "ann").await;
    assert_eq!(until_event(&mut bob, "user joined").await[1]["username"], "ann");
    ann.emit_with_ack(1, json!(["new message", "once", { "id": "m1" }])).await;
    assert_eq!(ack(&mut ann, 1).await, json!([{ "ok": true }]));
    ann.emit(json!(["new message", "twice", { "id": "m2" }])).await;
    // Between them, he may hear that the first node is gone.
    assert_eq!(until_event(&mut bob, "new message").await[1]["message"], "twice");
    // An id is its sender's.
    let mut cid = member(&second.server, "cid").await;
    cid.emit(json!(["new message", "mine", { "id": "m1" }])).await;
    assert_eq!(until_event(&mut bob, "new message").await[1]["message"], "mine");
}

#[tokio::test]
async fn names_are_unique_on_all_nodes() {
    let net = Net::default();
    let [first, second] = nodes(&net, &unique()).await;
    let _ann = member(&first.server, "ann").await;
    let mut other = visitor(&second.server).await;
    knows(&mut other, &["ann"]).await;
    other.emit_with_ack(1, json!(["add user", "ann"])).await;
    let refused = other.event().await;
    assert_eq!((&refused[0], &refused[1]["reason"]), (&json!("login error"), &json!("taken")));
    assert_eq!(ack(&mut other, 1).await[0]["reason"], "taken");
    let mut nick = visitor(&second.server).await;
    nick.emit_with_ack(1, json!(["nickname", "ann"])).await;
    assert_eq!(ack(&mut nick, 1).await, json!([true]), "to that page, true means taken");
    // Both ask at once: one of them gets it. What they say right after is said with it.
    for round in 0..10 {
        let name = format!("both {round}");
        let mut pair = [visitor(&first.server).await, visitor(&second.server).await];
        for client in &mut pair {
            client.emit_with_ack(2, json!(["add user", name])).await;
            client.emit_with_ack(3, json!(["new message", "at once"])).await;
        }
        let mut got = Vec::new();
        for client in &mut pair {
            let (mut named, mut said) = (None, None);
            while named.is_none() || said.is_none() {
                let (id, answer) = any_ack(client).await;
                let ok = answer[0]["ok"] == json!(true);
                if id == 2 { named = Some(ok) } else { said = Some(ok) }
            }
            assert_eq!(named, said);
            got.push(named.unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, [false, true], "round {round}");
        let [mut one, other] = pair;
        other.kill();
        let mut asker = visitor(&second.server).await;
        let listed = who(&mut asker).await.1;
        assert!(listed.iter().filter(|it| **it == name).count() <= 1, "{listed:?}");
        one.emit(json!(["stop typing"])).await;
        one.kill();
        knows(&mut asker, &["ann"]).await;
    }
    // A node that does not answer is not waited for without end.
    net.cut(0);
    other.emit_with_ack(4, json!(["add user", "dan"])).await;
    assert_eq!(ack(&mut other, 4).await[0]["ok"], json!(true));
}

#[tokio::test]
async fn a_node_that_stops_takes_its_people_along_at_once() {
    let net = Net::default();
    // The end of the lease is far away.
    let settings = ChatSettings { node_timeout: Duration::from_secs(300), ..chat_settings() };
    let first = leased(&net, 0, settings.clone()).await;
    let second = leased(&net, 1, settings).await;
    let mut ann = member(&first.server, "ann").await;
    let mut bob = member(&second.server, "bob").await;
    until_event(&mut ann, "user joined").await;
    second.farewell.say().await;
    assert_eq!(ann.event().await, json!(["user left", { "username": "bob", "numUsers": 1 }]));
    // Sessions end a moment later. What is acknowledged until then was said to all.
    bob.emit_with_ack(0, json!(["new message", "last words"])).await;
    assert_eq!(ack(&mut bob, 0).await, json!([{ "ok": true }]));
    assert_eq!(ann.event().await[1]["message"], "last words");
    second.io.close().await;
    bob.emit_with_ack(1, json!(["new message", "still here?"])).await;
    assert_eq!(ack(&mut bob, 1).await, json!([{ "ok": true }]), "for its own people all goes on");
}

#[tokio::test]
async fn people_of_a_node_that_was_killed_leave_in_time_and_not_before() {
    let net = Net::default();
    // A third of it is more than a busy machine is late by.
    let lease = 4 * LEASE;
    let settings = ChatSettings { node_timeout: lease, ..chat_settings() };
    let first = leased(&net, 0, settings.clone()).await;
    let second = leased(&net, 1, settings).await;
    let mut ann = member(&first.server, "ann").await;
    let _bob = member(&second.server, "bob").await;
    until_event(&mut ann, "user joined").await;
    let began = Instant::now();
    net.cut(1);
    assert_eq!(ann.event().await, json!(["user left", { "username": "bob", "numUsers": 1 }]));
    let took = began.elapsed();
    // It says five times in a lease that it is there; the clock is looked at sixty times.
    assert!(took >= lease - lease / 5 - lease / 20, "{took:?}");
    assert!(took < lease + lease / 3, "{took:?}");
    knows(&mut ann, &["ann"]).await;
}

#[tokio::test]
async fn a_partition_is_told_of_and_heals_without_doubles_or_ghosts() {
    let net = Net::default();
    let [first, second] = nodes(&net, &unique()).await;
    let mut ann = member(&first.server, "ann").await;
    let mut bob = member(&second.server, "bob").await;
    until_event(&mut ann, "user joined").await;
    net.cut(1);
    assert_eq!(until_event(&mut bob, "cluster").await[1], json!({ "alone": true }));
    assert_eq!(until_event(&mut bob, "user left").await[1]["username"], "ann");
    assert_eq!(until_event(&mut ann, "user left").await[1]["username"], "bob");
    // Who comes now is told; those of one side hear each other, and may take a name of the other side.
    let mut cid = member(&second.server, "cid").await;
    assert_eq!(until_event(&mut cid, "cluster").await[1], json!({ "alone": true }));
    let mut twin = member(&second.server, "ann").await;
    let mut dan = member(&first.server, "dan").await;
    twin.emit(json!(["new message", "hello"])).await;
    assert_eq!(until_event(&mut bob, "new message").await[1]["username"], "ann");
    net.mend(1);
    assert_eq!(until_event(&mut cid, "cluster").await[1], json!({ "alone": false }));
    // The one who came first keeps the name.
    let lost = until_event(&mut twin, "login error").await;
    assert_eq!(lost[1]["reason"], "taken");
    twin.emit_with_ack(1, json!(["new message", "and now?"])).await;
    assert_eq!(ack(&mut twin, 1).await[0]["reason"], "not joined");
    for client in [&mut ann, &mut cid, &mut dan, &mut twin] {
        knows(client, &["ann", "bob", "cid", "dan"]).await;
    }
    // For those who know the name, nothing has happened to it.
    ann.emit(json!(["new message", "back"])).await;
    let mut heard = Vec::new();
    loop {
        let event = bob.event().await;
        if event[0] == "new message" {
            assert_eq!(event[1], json!({ "username": "ann", "message": "back" }));
            break;
        }
        heard.push((event[0].clone(), event[1]["username"].clone()));
    }
    assert!(heard.contains(&(json!("user joined"), json!("dan"))), "{heard:?}");
    assert!(!heard.iter().any(|(_, name)| *name == "ann"), "{heard:?}");
}

#[tokio::test]
async fn people_of_a_server_of_node_and_ours_hear_each_other() {
    let net = Net::default();
    let [first, second] = nodes(&net, &chat_settings()).await;
    let (stock, stock_io) = stock_server(&net, 2).await;
    let mut ann = member(&first.server, "ann").await;
    let mut nick = visitor(&second.server).await;
    nick.emit(json!(["nickname", "nick"])).await;
    until_event(&mut nick, "nicknames").await;
    until_event(&mut ann, "user joined").await;
    // Somebody of Node's comes, as its page does.
    let mut zoe = visitor(&stock).await;
    zoe.emit(json!(["add user", "zoe"])).await;
    assert_eq!(zoe.event().await, json!(["login", { "numUsers": 1 }]), "it counts its own");
    let joined = json!(["user joined", { "username": "zoe", "numUsers": 3 }]);
    assert_eq!(ann.event().await, joined, "here all are counted");
    assert_eq!(until_event(&mut nick, "announcement").await[1], "zoe connected");
    assert_eq!(until_event(&mut nick, "nicknames").await[1]["zoe"], "zoe");
    knows(&mut ann, &["ann", "nick", "zoe"]).await;
    // Both ways, words and typing.
    zoe.emit(json!(["new message", "hi <b>"])).await;
    let said = json!(["new message", { "username": "zoe", "message": "hi <b>" }]);
    assert_eq!(ann.event().await, said);
    assert_eq!(nick.event().await, json!(["user message", "zoe", "hi &lt;b&gt;"]));
    zoe.emit(json!(["typing"])).await;
    assert_eq!(ann.event().await, json!(["typing", { "username": "zoe" }]));
    nick.emit(json!(["user message", "hello"])).await;
    let said = until_event(&mut zoe, "new message").await;
    assert_eq!((&said[1]["username"], &said[1]["message"]), (&json!("nick"), &json!("hello")));
    ann.emit(json!(["typing"])).await;
    assert_eq!(until_event(&mut zoe, "typing").await[1]["username"], "ann");
    let mut bob = member(&second.server, "bob").await;
    let joined = until_event(&mut zoe, "user joined").await;
    assert_eq!((&joined[1]["username"], &joined[1]["numUsers"]), (&json!("bob"), &json!(4)));
    bob.emit(json!(["stop typing"])).await;
    bob.kill();
    assert_eq!(until_event(&mut zoe, "user left").await[1]["username"], "bob");
    assert_eq!(until_event(&mut ann, "user left").await[1]["username"], "bob");
    // What its clients may say there and nobody may here.
    for bad in [json!({ "x": 1 }), json!("x".repeat(70_000)), json!(null)] {
        zoe.emit(json!(["new message", bad])).await;
    }
    zoe.emit(json!(["new message", "end"])).await;
    assert_eq!(ann.event().await[1], json!({ "username": "zoe", "message": "end" }));
    let mut rude = visitor(&stock).await;
    rude.emit(json!(["add user", "x".repeat(1000)])).await;
    rude.emit(json!(["new message", "who am I?"])).await;
    zoe.emit(json!(["new message", "end"])).await;
    assert_eq!(until_event(&mut ann, "new message").await[1]["message"], "end");
    rude.kill();
    zoe.kill();
    assert_eq!(until_event(&mut ann, "user left").await[1]["username"], "zoe");
    // A server that is killed says nothing more; nor do its people.
    let _yan = member(&stock, "yan").await;
    assert_eq!(until_event(&mut ann, "user joined").await[1]["username"], "yan");
    tokio::time::sleep(2 * LEASE).await;
    knows(&mut ann, &["ann", "nick", "yan"]).await;
    stock_io.close().await;
    net.cut(2);
    assert_eq!(until_event(&mut ann, "user left").await[1]["username"], "yan");
}

#[tokio::test]
async fn a_person_is_one_on_all_nodes() {
    let net = Net::default();
    let settings = ChatSettings {
        resume_key: Some(parlance::chat::ResumeKey::from_secret(b"of the cluster")),
        ..unique()
    };
    let [first, second] = nodes(&net, &settings).await;
    let mut witness = member(&first.server, "witness").await;
    let mut ann = visitor(&first.server).await;
    ann.emit_with_ack(1, json!(["add user", "Ann", { "page": 1 }])).await;
    let token = ack(&mut ann, 1).await[0]["token"].clone();
    assert_eq!(witness.event().await[1]["username"], "Ann");
    let mut other = visitor(&second.server).await;
    knows(&mut other, &["Ann", "witness"]).await;
    // By a name that looks the same, on the other node.
    other.emit_with_ack(1, json!(["add user", "Аnn", { "page": 1 }])).await;
    assert_eq!(ack(&mut other, 1).await[0]["reason"], "taken");
    let mut stock = visitor(&second.server).await;
    stock.emit(json!(["add user", "ann"])).await;
    assert_eq!(until_event(&mut stock, "login").await[1]["username"], "ann (2)");
    assert_eq!(until_event(&mut witness, "user joined").await[1]["username"], "ann (2)");
    stock.kill();
    assert_eq!(until_event(&mut witness, "user left").await[1]["username"], "ann (2)");
    // With the token it is she.
    other.emit_with_ack(2, json!(["add user", "Ann", { "page": 1, "token": token }])).await;
    let answer = ack(&mut other, 2).await;
    assert_eq!((&answer[0]["ok"], &answer[0]["numUsers"]), (&json!(true), &json!(2)));
    knows(&mut witness, &["Ann", "witness"]).await;
    ann.kill();
    other.emit(json!(["new message", "still here"])).await;
    let said = json!(["new message", { "username": "Ann", "message": "still here" }]);
    assert_eq!(witness.event().await, said, "and nothing before it");
    other.kill();
    assert_eq!(witness.event().await, json!(["user left", { "username": "Ann", "numUsers": 1 }]));
}

#[tokio::test]
async fn who_comes_back_on_another_node_was_never_away() {
    let net = Net::default();
    let settings = ChatSettings {
        resume_key: Some(parlance::chat::ResumeKey::from_secret(b"of the cluster")),
        leave_delay: Duration::from_secs(60),
        ..unique()
    };
    let mut two = Vec::new();
    for number in 0..2 {
        two.push(node(&net, number, settings.clone()).await);
    }
    let mut witness = member(&two[1].server, "witness").await;
    let mut ann = visitor(&two[0].server).await;
    knows(&mut ann, &["witness"]).await;
    ann.emit_with_ack(1, json!(["add user", "Ann", { "page": 1 }])).await;
    let token = ack(&mut ann, 1).await[0]["token"].clone();
    assert_eq!(witness.event().await[1]["username"], "Ann");
    ann.kill();
    until("her node has noticed", || two[0].server.engine.session_count() == 0).await;
    let mut back = visitor(&two[1].server).await;
    back.emit_with_ack(2, json!(["add user", "Ann", { "page": 1, "token": token }])).await;
    assert_eq!(ack(&mut back, 2).await[0]["numUsers"], 2);
    for server in [&two[0].server, &two[1].server] {
        knows(&mut visitor(server).await, &["Ann", "witness"]).await;
    }
    back.send("41").await;
    assert_eq!(witness.event().await, json!(["user left", { "username": "Ann", "numUsers": 1 }]));
    knows(&mut visitor(&two[0].server).await, &["witness"]).await;
}

/// A page of ours under a name, with what it was answered.
async fn page(server: &TestServer, name: &str, token: &Value) -> (Client, Value) {
    let mut client = visitor(server).await;
    let options = json!({ "page": 1, "token": token });
    client.emit_with_ack(3, json!(["add user", name, options])).await;
    let answer = client.answer(3).await[0].take();
    assert_eq!(answer["ok"], true, "{answer}");
    (client, answer)
}

async fn rename(client: &mut Client, name: &str) -> Value {
    client.emit_with_ack(5, json!(["rename", name])).await;
    client.answer(5).await[0].take()
}

#[tokio::test]
async fn another_name_is_known_on_all_nodes() {
    let (net, resume_key) = (Net::default(), Some(ResumeKey::from_secret(b"of all nodes")));
    let settings = ChatSettings { duplicate_names: false, resume_key, ..chat_settings() };
    let [first, second] = nodes(&net, &settings).await;
    let (stock, _io) = stock_server(&net, 2).await;
    let mut other = Client::join(&stock, Eio::V4, Via::WebSocket).await;
    let (mut ann, token) = page(&first.server, "Ann", &Value::Null).await;
    let mut plain = member(&second.server, "Sam").await;
    let (mut bob, _) = page(&second.server, "Bob", &Value::Null).await;
    knows(&mut ann, &["Ann", "Bob", "Sam"]).await;
    assert_eq!(rename(&mut ann, "Bob").await["reason"], "taken");
    assert_eq!(rename(&mut ann, "Bea").await["ok"], true);
    let renamed = json!(["user renamed", { "from": "Ann", "to": "Bea" }]);
    assert_eq!(until_event(&mut bob, "user renamed").await, renamed);
    assert_eq!(until_event(&mut plain, "user left").await[1]["username"], "Ann");
    assert_eq!(plain.event().await[1]["username"], "Bea");
    assert_eq!(until_event(&mut other, "user left").await[1]["username"], "Ann");
    assert_eq!(until_event(&mut other, "user joined").await[1]["username"], "Bea");
    knows(&mut bob, &["Bea", "Bob", "Sam"]).await;
    knows(&mut ann, &["Bea", "Bob", "Sam"]).await;
    // A tab on the other node goes with it.
    let (mut tab, _) = page(&second.server, "Bea", &token["token"]).await;
    knows(&mut ann, &["Bea", "Bob", "Sam"]).await;
    assert_eq!(rename(&mut ann, "Cid").await["ok"], true);
    assert_eq!(until_event(&mut tab, "user renamed").await[1]["to"], "Cid");
    assert_eq!(until_event(&mut bob, "user renamed").await[1]["to"], "Cid");
    for client in [&mut ann, &mut bob] {
        knows(client, &["Bob", "Cid", "Sam"]).await;
    }
    // The earlier name is free everywhere.
    assert_eq!(rename(&mut bob, "Ann").await["ok"], true);
    assert_eq!(until_event(&mut ann, "user renamed").await[1]["to"], "Ann");
    knows(&mut ann, &["Ann", "Cid", "Sam"]).await;
}

#[tokio::test]
async fn moderators_reach_people_of_other_nodes_by_name() {
    let net = Net::default();
    let claims = Claims { name: "name".into(), roles: "roles".into(), ..Claims::default() };
    let origin = Origin::Secret(SECRET.as_bytes().to_vec());
    let accounts = Some(Arc::new(Accounts::new(false, claims, origin).unwrap()));
    let settings = ChatSettings { duplicate_names: false, accounts, ..chat_settings() };
    let [first, second] = nodes(&net, &settings).await;
    let (mut mo, mut max) = (
        with_token(&first.server, "Mo", &["moderator"]).await,
        with_token(&second.server, "Max", &["moderator"]).await,
    );
    let mut ada = with_token(&first.server, "Ada", &["admin"]).await;
    let (mut bob, _) = page(&second.server, "Bob", &Value::Null).await;
    knows(&mut mo, &["Ada", "Bob", "Max", "Mo"]).await;
    let moderate = async |client: &mut Client, asked: Value| {
        client.emit_with_ack(6, json!(["moderate", asked])).await;
        client.answer(6).await[0].take()
    };
    let mute = |seconds| json!({ "action": "mute", "username": "bob", "seconds": seconds });
    assert_eq!(moderate(&mut mo, mute(60)).await["ok"], true);
    bob.emit_with_ack(8, json!(["new message", "hi", { "id": "1" }])).await;
    assert_eq!(bob.answer(8).await[0]["reason"], "muted");
    assert_eq!(moderate(&mut mo, mute(0)).await["ok"], true);
    bob.emit_with_ack(8, json!(["new message", "hi", { "id": "2" }])).await;
    assert_eq!(bob.answer(8).await[0]["ok"], true);
    for (name, reason) in [("Max", "not allowed"), ("Nobody", "gone")] {
        let refused = moderate(&mut mo, json!({ "action": "kick", "username": name })).await;
        assert_eq!(refused["reason"], reason, "{name}");
    }
    assert_eq!(moderate(&mut mo, json!({ "action": "kick", "username": "Bob" })).await["ok"], true);
    assert_eq!(until_event(&mut bob, "removed").await[1]["action"], "kick");
    assert_eq!(moderate(&mut ada, json!({ "action": "ban", "username": "Max" })).await["ok"], true);
    assert_eq!(until_event(&mut max, "removed").await[1]["action"], "ban");
    knows(&mut mo, &["Ada", "Mo"]).await;
}

/// A page of ours, of somebody with an account.
async fn with_token(server: &TestServer, name: &str, roles: &[&str]) -> Client {
    let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
    client.send(&format!("40{}", json!({ "token": person(name, roles) }))).await;
    let joined = client.text().await;
    assert!(joined.starts_with("40"), "{joined}");
    client.emit_with_ack(3, json!(["add user", "", { "page": 1 }])).await;
    let answer = client.answer(3).await[0].take();
    assert_eq!(answer["ok"], true, "{answer}");
    client
}
