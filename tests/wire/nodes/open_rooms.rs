//! Which rooms are open, and how many people are in each, as people on another node are told.

use std::time::Duration;

use parlance::chat::ChatSettings;
use parlance::policy::RoomNames;
use serde_json::{Value, json};

use super::net::Net;
use super::{node, page};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{TestServer, chat_settings};
use crate::support::soon;

/// Somebody in a room; nobody knows who, without a name.
async fn enter(server: &TestServer, room: &str, name: Option<&str>) -> Client {
    let mut client = Client::open(server, Eio::V4, Via::WebSocket).await;
    client.send(&format!("40/{room},")).await;
    let entered = format!("40/{room},{{");
    soon("entered", async { while !client.text().await.starts_with(&entered) {} }).await;
    if let Some(name) = name {
        client.send(&format!("42/{room},1{}", json!(["add user", name]))).await;
        let named = format!("43/{room},1");
        soon("named", async { while !client.text().await.starts_with(&named) {} }).await;
    }
    client
}

/// Waits until somebody is told of these rooms with people, besides the lobby.
async fn sees(client: &mut Client, expected: Value) {
    let wait = async {
        loop {
            client.emit_with_ack(6, json!(["rooms"])).await;
            let answer = client.answer(6).await;
            let rooms = answer[0]["rooms"].as_array().expect("a list").iter();
            let open = rooms.filter(|room| room["name"] != "" && room["people"] != 0);
            let open: Vec<_> = open.map(|room| json!([room["name"], room["people"]])).collect();
            if json!(open) == expected {
                return;
            }
            // A pause between two looks, within the bound of `soon`.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(&format!("{expected} are open"), wait).await;
}

#[tokio::test]
async fn rooms_that_are_open_on_another_node_are_listed_with_their_people() {
    let net = Net::default();
    let rooms = |names: &[&str]| RoomNames::parse(names.iter().copied()).unwrap();
    let settings = |names| ChatSettings { rooms: rooms(names), ..chat_settings() };
    let [first, second] =
        [node(&net, 0, settings(&["open-*"])).await, node(&net, 1, settings(&["*"])).await];
    let mut ann = page(&first.server, "ann", &Value::Null).await.0;
    sees(&mut ann, json!([])).await;
    let bob = enter(&second.server, "open-1", Some("bob")).await;
    let carl = enter(&second.server, "open-1", Some("carl")).await;
    let _nobody = enter(&second.server, "open-2", None).await;
    // The first node's settings have no such room.
    let _eve = enter(&second.server, "other", Some("eve")).await;
    sees(&mut ann, json!([["open-1", 2]])).await;
    let fay = enter(&first.server, "open-1", Some("fay")).await;
    sees(&mut ann, json!([["open-1", 3]])).await;
    fay.kill();
    sees(&mut ann, json!([["open-1", 2]])).await;
    bob.kill();
    sees(&mut ann, json!([["open-1", 1]])).await;
    let _dan = enter(&second.server, "open-3", Some("dan")).await;
    sees(&mut ann, json!([["open-1", 1], ["open-3", 1]])).await;
    carl.kill();
    sees(&mut ann, json!([["open-3", 1]])).await;
    // A node that is gone has no rooms.
    net.cut(1);
    sees(&mut ann, json!([])).await;
    net.mend(1);
    sees(&mut ann, json!([["open-3", 1]])).await;
}
