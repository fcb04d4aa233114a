//! Rooms of the chat: each is a namespace, for clients of every generation.

use parlance::chat::{Chat, ChatSettings};
use parlance::policy::RoomNames;
use parlance::socketio::Io;
use serde_json::json;

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::until;

async fn server(rooms: &[&str], max_rooms: usize) -> (TestServer, Io) {
    let rooms = RoomNames::parse(rooms.iter().copied()).unwrap();
    let settings = ChatSettings { rooms, max_rooms, ..chat_settings() };
    let (chat, task) = Chat::new(settings);
    tokio::spawn(task.run());
    let io = Io::builder().build();
    let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
    (server, io)
}

/// A client that has asked for a room.
async fn visitor(server: &TestServer, eio: Eio, room: &str) -> Client {
    let mut client = match eio {
        Eio::V4 => Client::open(server, eio, Via::WebSocket).await,
        Eio::V3 => Client::join(server, eio, Via::WebSocket).await,
    };
    client.send(&format!("40/{room},")).await;
    client
}

/// A client with a name in a room.
async fn member(server: &TestServer, eio: Eio, room: &str, name: &str, users: usize) -> Client {
    let mut client = visitor(server, eio, room).await;
    let joined = client.text().await;
    assert!(joined.starts_with(&format!("40/{room}")), "{joined}");
    client.send(&format!("42/{room},{}", json!(["add user", name]))).await;
    let login = json!(["login", { "numUsers": users }]);
    assert_eq!(client.text().await, format!("42/{room},{login}"));
    client
}

fn names(io: &Io) -> Vec<String> {
    let mut names: Vec<_> = io.namespaces().iter().map(|it| it.name().to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_said_in_a_room_is_heard_there_alone() {
    let (server, io) = server(&["*"], 100).await;
    let mut lobby = Client::join(&server, Eio::V4, Via::WebSocket).await;
    lobby.emit(json!(["add user", "ann"])).await;
    assert_eq!(lobby.event().await, json!(["login", { "numUsers": 1 }]));
    let mut ann = member(&server, Eio::V4, "support", "ann", 1).await;
    let mut bob = member(&server, Eio::V3, "support", "bob", 2).await;
    let mut other = member(&server, Eio::V4, "sales", "bob", 1).await;
    assert_eq!(ann.text().await, r#"42/support,["user joined",{"username":"bob","numUsers":2}]"#);
    bob.send(r#"42/support,["new message","hi"]"#).await;
    assert_eq!(ann.text().await, r#"42/support,["new message",{"username":"bob","message":"hi"}]"#);
    // The lobby's and the other room's have heard nothing: their own words come first.
    lobby.emit_with_ack(1, json!(["who"])).await;
    let who = lobby.ack(1).await;
    assert_eq!(who, json!([{ "numUsers": 1, "people": ["ann"], "more": false }]));
    other.send(r#"42/sales,1["who"]"#).await;
    let who = json!([{ "numUsers": 1, "people": ["bob"], "more": false }]);
    assert_eq!(other.text().await, format!("43/sales,1{who}"));
    assert_eq!(names(&io), ["/", "/sales", "/support"]);
    // With the last of them the room goes.
    ann.kill();
    assert_eq!(bob.text().await, r#"42/support,["user left",{"username":"ann","numUsers":1}]"#);
    bob.send("41/support,").await;
    other.kill();
    until("both rooms are gone", || names(&io) == ["/"]).await;
    // And is there again for the next.
    member(&server, Eio::V4, "support", "ann", 1).await;
}

/// A client may be in several rooms over one connection, in each under a name of its own.
#[tokio::test]
async fn one_connection_takes_part_in_several_rooms() {
    let (server, _io) = server(&["*"], 100).await;
    let mut ann = member(&server, Eio::V4, "a", "ann", 1).await;
    ann.send("40/b,").await;
    let joined = ann.text().await;
    assert!(joined.starts_with("40/b,"), "{joined}");
    ann.send(r#"42/b,["add user","anna"]"#).await;
    assert_eq!(ann.text().await, r#"42/b,["login",{"numUsers":1}]"#);
    let mut bob = member(&server, Eio::V4, "b", "bob", 2).await;
    assert_eq!(ann.text().await, r#"42/b,["user joined",{"username":"bob","numUsers":2}]"#);
    ann.send(r#"42/a,1["who"]"#).await;
    assert!(ann.text().await.starts_with(r#"43/a,1[{"numUsers":1,"people":["ann"]"#));
    ann.send(r#"42/b,["new message","hi"]"#).await;
    assert_eq!(bob.text().await, r#"42/b,["new message",{"username":"anna","message":"hi"}]"#);
    ann.send("41/b,").await;
    assert_eq!(bob.text().await, r#"42/b,["user left",{"username":"anna","numUsers":1}]"#);
    ann.send(r#"42/a,2["who"]"#).await;
    assert!(ann.text().await.starts_with(r#"43/a,2[{"numUsers":1"#), "she is in the other still");
}

#[tokio::test]
async fn only_rooms_of_the_settings_exist_and_only_so_many() {
    let (server, io) = server(&["support", "team-*"], 20).await;
    for (room, is_one) in [("support", true), ("team-1", true), ("sales", false), ("team/1", false)]
    {
        let mut client = visitor(&server, Eio::V4, room).await;
        let answer = client.text().await;
        let refused = format!(r#"44/{room},{{"message":"Invalid namespace"}}"#);
        assert_eq!(answer != refused, is_one, "{answer}");
    }
    until("the rooms are gone", || names(&io) == ["/"]).await;
    // People of one address have a tenth of the bound.
    let mut inside = Vec::new();
    let mut refused = 0;
    for number in 0..6 {
        let room = format!("team-{number}");
        let mut client = visitor(&server, Eio::V4, &room).await;
        let answer = client.text().await;
        match answer.starts_with("40") {
            true => inside.push(client),
            false => {
                refused += 1;
                let why = "rooms are open from your network already (max-rooms)";
                assert!(answer.contains(why), "{answer}");
            }
        }
    }
    assert_eq!((inside.len(), refused), (2, 4));
    // Rooms that are there take anybody.
    let mut client = visitor(&server, Eio::V4, "team-0").await;
    assert!(client.text().await.starts_with("40/team-0"));
}

/// Rooms that the settings list are no stranger's.
#[tokio::test]
async fn rooms_that_are_listed_do_not_count() {
    let (server, _io) = server(&["a", "b", "c", "d", "*"], 10).await;
    let mut inside = Vec::new();
    for (room, is_let_in) in
        [("a", true), ("b", true), ("c", true), ("x", true), ("y", false), ("d", true)]
    {
        let mut client = visitor(&server, Eio::V4, room).await;
        assert_eq!(client.text().await.starts_with("40"), is_let_in, "{room}");
        inside.push(client);
    }
}

/// A room that goes may leave something in the store, so how many somebody opens over time has a bound, too.
#[tokio::test]
async fn people_of_one_address_open_new_rooms_at_a_rate() {
    let (server, _io) = server(&["listed", "*"], 1000).await;
    let mut client = Client::join(&server, Eio::V4, Via::WebSocket).await;
    let mut opened = 0;
    let refused = loop {
        let room = format!("r{opened}");
        client.send(&format!("40/{room},")).await;
        let answer = client.text().await;
        if !answer.starts_with("40") {
            break answer;
        }
        client.send(&format!("41/{room},")).await;
        opened += 1;
    };
    assert!((100..110).contains(&opened), "{opened}");
    assert!(refused.contains("too many new rooms from your network"), "{refused}");
    assert!(refused.contains(r#""reason":"rooms-rate""#), "{refused}");
    client.send("40/listed,").await;
    assert!(client.text().await.starts_with("40/listed,"));
}

/// Who is in many rooms may not say more than who is in one.
#[tokio::test]
async fn rates_are_those_of_a_person_whatever_room_they_are_in() {
    let settings = ChatSettings { message_rate: 1, ..chat_settings() };
    let server = Setup::default().start_chat(settings).await;
    let mut client = visitor(&server, Eio::V4, "a").await;
    client.text().await;
    client.send("40/b,").await;
    client.text().await;
    let (mut taken, began) = (0, std::time::Instant::now());
    for round in 0..30 {
        let room = ["a", "b"][round % 2];
        client.send(&format!(r#"42/{room},1["chat message","x"]"#)).await;
        loop {
            let text = client.text().await;
            if text.starts_with("43") {
                taken += u64::from(text.contains(r#""ok":true"#));
                break;
            }
        }
    }
    let most = 11 + began.elapsed().as_secs();
    assert!((10..=most).contains(&taken), "{taken} of {most}");
}
