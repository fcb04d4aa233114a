//! What was said before, as our page asks for it.

use std::path::Path;

use parlance::chat::ChatSettings;
use parlance::policy::{RoomNames, RoomRule, RoomRules};
use parlance::store::{Kind, NewEntry, Store, StoreSettings};
use serde_json::{Value, json};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};

async fn server(store: Store) -> TestServer {
    Setup::default().start_chat(ChatSettings { store, ..chat_settings() }).await
}

pub fn in_file(dir: &Path) -> Store {
    Store::sqlite(dir, StoreSettings::default()).unwrap()
}

/// A data directory that goes with the test.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("parlance-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Folder(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Emits, and reads the answer and the events before it.
pub async fn ask(client: &mut Client, event: Value) -> (Value, Vec<Value>) {
    client.emit_with_ack(7, event).await;
    let mut events = Vec::new();
    loop {
        let text = client.text().await;
        if let Some(answer) = text.strip_prefix("437") {
            let mut answer: Value = serde_json::from_str(answer).unwrap();
            return (answer[0].take(), events);
        }
        events.push(serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap());
    }
}

/// Our page: logs in, and gives the answer.
pub async fn page(server: &TestServer, name: &str, more: Value) -> (Client, Value) {
    let mut client = Client::join(server, Eio::V4, Via::WebSocket).await;
    let mut options = json!({ "page": 1 });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (answer, _) = ask(&mut client, json!(["add user", name, options])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    (client, answer)
}

pub async fn say(client: &mut Client, text: &str, id: &str) -> String {
    let (answer, _) = ask(client, json!(["new message", text, { "id": id }])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(answer["at"].as_u64().unwrap() > 1_700_000_000_000);
    answer["position"].as_str().unwrap().to_owned()
}

pub fn texts(answer: &Value) -> Vec<&str> {
    let messages = answer["messages"].as_array().unwrap();
    messages.iter().map(|message| message["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_page_gets_what_was_said_before_and_the_place_of_what_is_said_now() {
    let server = server(Store::memory(StoreSettings::default())).await;
    let (mut ann, first) = page(&server, "ann", json!({})).await;
    assert_eq!((&first["messages"], &first["more"]), (&json!([]), &json!(false)));
    assert_eq!(first["room"], json!({ "name": "" }));
    let mut stock = Client::join(&server, Eio::V3, Via::WebSocket).await;
    stock.emit(json!(["add user", "bob"])).await;
    assert_eq!(stock.event().await[0], "login");
    for number in 0..60 {
        say(&mut ann, &format!("text {number}"), &number.to_string()).await;
        let heard = stock.event().await;
        assert_eq!(
            heard,
            json!(["new message", { "username": "ann", "message": format!("text {number}") }])
        );
    }
    let (mut carl, answer) = page(&server, "carl", json!({})).await;
    let messages = answer["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &answer["more"]), (50, &json!(true)));
    assert_eq!(messages[49]["message"], "text 59");
    assert_eq!(messages[49]["position"], answer["position"]);
    assert_eq!((&messages[49]["username"], messages[49].get("own")), (&json!("ann"), None));
    // The page reads on, to the first.
    let before = messages[0]["position"].clone();
    let (older, _) = ask(&mut carl, json!(["history", { "before": before, "limit": 200 }])).await;
    assert_eq!((texts(&older).len(), &older["more"]), (10, &json!(false)));
    assert_eq!(texts(&older)[0], "text 0");
    let (newer, _) = ask(&mut carl, json!(["history", { "after": before, "limit": 2 }])).await;
    assert_eq!((texts(&newer), &newer["more"]), (vec!["text 11", "text 12"], &json!(true)));
    let (none, _) = ask(&mut carl, json!(["history", { "after": "abcdefgh.1" }])).await;
    assert_eq!((&none["ok"], &none["reason"]), (&json!(false), &json!("gap")));
    // What is said now has its place as well, for the page alone.
    stock.emit(json!(["new message", "live"])).await;
    let (found, events) = ask(&mut carl, json!(["search", { "text": "LIVE" }])).await;
    let heard = &events[0];
    assert_eq!((&heard[0], &heard[1]["message"]), (&json!("new message"), &json!("live")));
    assert_eq!(texts(&found), ["live"]);
    assert_eq!(found["messages"][0]["position"], heard[1]["position"]);
    assert_eq!(found["messages"][0]["at"], heard[1]["at"]);
    // Who has not logged in asks in vain.
    let mut stranger = Client::join(&server, Eio::V4, Via::WebSocket).await;
    for asked in ["history", "search", "edit", "delete", "rooms"] {
        let (refused, _) = ask(&mut stranger, json!([asked, {}])).await;
        assert_eq!(refused["reason"], "not joined", "{asked}");
    }
}

/// The log of a room where nothing was said is another one after a restart.
#[tokio::test]
async fn who_came_before_anything_was_said_misses_nothing_by_a_restart() {
    let server = server(Store::memory(StoreSettings::default())).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    say(&mut ann, "one", "1").await;
    for (after, is_gap) in [
        ("abcdefgh.0", false),
        ("abcdefgh.1", true),
        ("abcdefgh.00", true),
        ("abcdefg.0", true),
        ("abcdefgh", true),
    ] {
        let (reader, answer) = page(&server, "bob", json!({ "after": after })).await;
        assert_eq!(texts(&answer), ["one"], "{after}");
        assert_eq!(answer.get("gap"), is_gap.then_some(&json!(true)), "{after}");
        reader.kill();
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_nothing_is_said_twice() {
    let folder = Folder::new("restart");
    let store = in_file(&folder.0);
    let before = server(store.clone()).await;
    let (mut ann, answer) = page(&before, "ann", json!({})).await;
    let token = answer["token"].clone();
    let first = say(&mut ann, "one", "1").await;
    let second = say(&mut ann, "two", "2").await;
    drop(ann);
    drop(before);
    store.close().await.unwrap();
    drop(store);

    let after = server(in_file(&folder.0)).await;
    let (mut bob, answer) = page(&after, "bob", json!({ "after": first })).await;
    assert_eq!((texts(&answer), answer.get("gap")), (vec!["two"], None));
    // The token is of a key that went with the process: so the name counts.
    let (mut ann, answer) =
        page(&after, "ann", json!({ "token": token, "after": "00000000.7" })).await;
    assert_eq!((texts(&answer), &answer["gap"]), (vec!["one", "two"], &json!(true)));
    let third = say(&mut ann, "three", "3").await;
    assert!(![&first, &second].contains(&&third));
    let heard = loop {
        let event = bob.event().await;
        if event[0] == "new message" {
            break event;
        }
    };
    assert_eq!(heard[1]["message"], "three");
}

/// The page sends a message again whose acknowledgement it has not seen: it is acknowledged as before.
#[tokio::test]
async fn a_message_that_is_sent_again_is_answered_as_before_also_by_another_process() {
    let folder = Folder::new("again");
    let store = in_file(&folder.0);
    let before = server(store.clone()).await;
    let mut ann = Client::join(&before, Eio::V4, Via::WebSocket).await;
    ask(&mut ann, json!(["add user", "ann"])).await;
    for _ in 0..2 {
        let (answer, _) = ask(&mut ann, json!(["new message", "one", { "id": "x" }])).await;
        assert_eq!(answer, json!({ "ok": true }));
    }
    drop(ann);
    drop(before);
    store.close().await.unwrap();
    drop(store);

    let after = server(in_file(&folder.0)).await;
    let (mut bob, answer) = page(&after, "bob", json!({})).await;
    assert_eq!(texts(&answer), ["one"]);
    let mut ann = Client::join(&after, Eio::V4, Via::WebSocket).await;
    ask(&mut ann, json!(["add user", "ann"])).await;
    let (answer, _) = ask(&mut ann, json!(["new message", "one", { "id": "x" }])).await;
    assert_eq!(answer, json!({ "ok": true }));
    let (answer, _) = ask(&mut ann, json!(["new message", "two", { "id": "y" }])).await;
    assert_eq!(answer, json!({ "ok": true }));
    let (history, events) = ask(&mut bob, json!(["history", {}])).await;
    assert_eq!(texts(&history), ["one", "two"]);
    let said: Vec<_> = events.iter().filter(|event| event[0] == "new message").collect();
    assert_eq!(said.len(), 1, "{events:?}");
}

#[tokio::test]
async fn people_change_what_they_have_said_and_nobody_else_does() {
    let server = server(Store::memory(StoreSettings::default())).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    let (mut bob, _) = page(&server, "bob", json!({})).await;
    let [one, two] = [say(&mut ann, "one", "1").await, say(&mut ann, "two", "2").await];
    let (refused, _) = ask(&mut bob, json!(["edit", { "position": one, "message": "ha" }])).await;
    assert_eq!(refused["reason"], "not yours");
    let (refused, _) = ask(&mut bob, json!(["delete", { "position": one }])).await;
    assert_eq!(refused["reason"], "not yours");
    let (edited, _) = ask(&mut ann, json!(["edit", { "position": one, "message": "1" }])).await;
    assert_eq!(edited, json!({ "ok": true }));
    let (deleted, _) = ask(&mut ann, json!(["delete", { "position": two }])).await;
    assert_eq!(deleted, json!({ "ok": true }));
    let (again, _) = ask(&mut ann, json!(["delete", { "position": two }])).await;
    assert_eq!(again["reason"], "gone");
    let (long, _) = ask(&mut ann, json!(["edit", { "position": one, "message": 7 }])).await;
    assert_eq!(long["reason"], "no text");
    let (history, events) = ask(&mut bob, json!(["history", {}])).await;
    let changes: Vec<_> = events.iter().filter(|event| event[0] != "new message").collect();
    assert_eq!(
        (&changes[0][0], &changes[0][1]["message"]),
        (&json!("message edited"), &json!("1"))
    );
    assert_eq!(changes[0][1]["position"], one.as_str());
    assert_eq!(*changes[1], json!(["message deleted", { "position": two }]));
    let messages = &history["messages"];
    assert_eq!(
        (&messages[0]["message"], &messages[0]["edited"]),
        (&json!("1"), &changes[0][1]["edited"])
    );
    assert_eq!((&messages[1]["message"], &messages[1]["deleted"]), (&json!(""), &json!(true)));
    // Who was away hears of the changes with what they missed.
    let (_, answer) = page(&server, "carl", json!({ "after": two })).await;
    let missed = answer["messages"].as_array().unwrap();
    // It goes on after the changes, not after what was changed.
    assert_eq!(answer["last"], answer["position"]);
    assert!(![&one, &two].iter().any(|said| answer["last"] == said.as_str()), "{answer}");
    assert_eq!((&missed[0]["position"], &missed[0]["change"]), (&json!(one), &json!(true)));
    assert_eq!((&missed[1]["position"], &missed[1]["deleted"]), (&json!(two), &json!(true)));
    let (own, _) = ask(&mut ann, json!(["history", {}])).await;
    assert_eq!(own["messages"][0]["own"], true);
}

#[tokio::test]
async fn a_page_sees_which_rooms_there_are() {
    let server = server(Store::memory(StoreSettings::default())).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    ann.send("40/support,").await;
    assert!(ann.text().await.starts_with("40/support,"));
    let last = say(&mut ann, "one", "1").await;
    let (answer, _) = ask(&mut ann, json!(["rooms"])).await;
    let rooms = answer["rooms"].as_array().unwrap();
    // Where the log ends tells a page whether something was said that it has not read.
    assert_eq!(rooms[0], json!({ "name": "", "people": 1, "position": last }));
    assert_eq!((&rooms[1]["name"], &rooms[1]["people"]), (&json!("support"), &json!(0)));
    assert_eq!((rooms.len(), &answer["more"]), (2, &json!(false)));
}

/// However many rooms there are, those with people in them come first, and all are told in turn.
#[tokio::test]
async fn a_list_of_many_rooms_begins_with_those_with_people_and_goes_on() {
    let store = Store::memory(StoreSettings::default());
    let mut all = Vec::new();
    for number in 0..450 {
        let log = store.open(&format!("/junk-{number:03}")).await.unwrap();
        let new = NewEntry {
            at: 1,
            author: "n:x".to_owned(),
            name: None,
            key: None,
            kind: Kind::Message,
            target: None,
            body: "x".to_owned(),
        };
        log.append(new, Box::new(|_| {})).unwrap();
        all.push(format!("junk-{number:03}"));
    }
    let rooms = RoomNames::parse(["zz-listed", "*"]).unwrap();
    let settings = ChatSettings { store, rooms, ..chat_settings() };
    let server = Setup::default().start_chat(settings).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    in_room(&mut ann, "zebras").await;
    let (mut listed, mut after, mut answers) = (Vec::new(), json!(null), 0);
    loop {
        let (answer, _) = ask(&mut ann, json!(["rooms", { "after": after }])).await;
        let rooms = answer["rooms"].as_array().unwrap();
        assert!(rooms.len() <= 200);
        listed.extend(rooms.iter().map(|room| room["name"].as_str().unwrap().to_owned()));
        answers += 1;
        if answer["more"] == false {
            break;
        }
        after = answer["next"].clone();
    }
    assert_eq!((answers, &listed[..3]), (3, &["", "zebras", "zz-listed"].map(str::to_owned)[..]));
    assert_eq!(listed[3..], all);
}

/// Of a room that one may not enter, not even the name is told, however many the operator names.
#[tokio::test]
async fn rooms_that_one_may_not_enter_are_not_in_the_list() {
    let named: Vec<_> = (0..250).map(|number| format!("team-{number:03}")).collect();
    let names = named.iter().map(String::as_str).chain(["secret"]);
    let secret = RoomRule { read: Some(vec!["staff".to_owned()]), ..RoomRule::default() };
    let rules = vec![secret.with_names(["secret"]).unwrap()];
    let settings = ChatSettings {
        rooms: RoomNames::parse(names).unwrap(),
        room_rules: RoomRules::new(rules, RoomRule::default()),
        ..chat_settings()
    };
    let server = Setup::default().start_chat(settings).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    let (mut listed, mut after) = (Vec::new(), Value::Null);
    for more in [true, false] {
        let (answer, _) = ask(&mut ann, json!(["rooms", { "after": after }])).await;
        let rooms = answer["rooms"].as_array().unwrap().iter();
        listed.extend(rooms.map(|room| room["name"].as_str().unwrap().to_owned()));
        assert_eq!(answer["more"], more);
        after = answer["next"].clone();
    }
    assert_eq!((&*listed[0], &listed[1..]), ("", &named[..]));
}

fn no_history() -> RoomRules {
    RoomRules::new(Vec::new(), RoomRule { history: Some(0), ..RoomRule::default() })
}

/// A position means that a message is kept.
#[tokio::test]
async fn what_is_not_kept_has_no_position() {
    let full = Store::memory(StoreSettings { max_rooms: 0, ..StoreSettings::default() });
    let server = server(full).await;
    let (mut ann, answer) = page(&server, "ann", json!({})).await;
    // The lobby has its place anyway.
    assert!(answer["position"].is_string(), "{answer}");
    say(&mut ann, "one", "1").await;
    let answer = in_room(&mut ann, "support").await;
    assert!(answer["ok"] == true && answer.get("position").is_none(), "{answer}");
    for _ in 0..2 {
        let said = room_ask(&mut ann, "support", json!(["new message", "hi", { "id": "1" }])).await;
        assert_eq!(said, json!({ "ok": true }));
    }
    // Nor in a room without a history, whatever else the store keeps.
    let store = Store::memory(StoreSettings::default());
    let settings = ChatSettings { room_rules: no_history(), store, ..chat_settings() };
    let server = Setup::default().start_chat(settings).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    for _ in 0..2 {
        let (said, _) = ask(&mut ann, json!(["new message", "hi", { "id": "1" }])).await;
        assert_eq!(said, json!({ "ok": true }));
    }
}

/// Has a page log in in a room, too.
async fn in_room(client: &mut Client, room: &str) -> Value {
    client.send(&format!("40/{room},")).await;
    let joined = client.text().await;
    assert!(joined.starts_with(&format!("40/{room},")), "{joined}");
    room_ask(client, room, json!(["add user", "ann", { "page": 1 }])).await
}

/// The answer to an event in a room in which nothing else happens.
async fn room_ask(client: &mut Client, room: &str, event: Value) -> Value {
    client.send(&format!("42/{room},7{event}")).await;
    let start = format!("43/{room},7");
    loop {
        if let Some(answer) = client.text().await.strip_prefix(&start) {
            let mut answer: Value = serde_json::from_str(answer).unwrap();
            return answer[0].take();
        }
    }
}

/// Without its id a message that is sent again would be told twice.
#[tokio::test]
async fn a_message_with_an_id_that_cannot_be_kept_is_refused() {
    let server = server(Store::memory(StoreSettings::default())).await;
    let (mut ann, _) = page(&server, "ann", json!({})).await;
    for (id, is_taken) in [
        (json!("x".repeat(64)), true),
        (json!("x".repeat(65)), false),
        (json!(7), false),
        (json!(null), true),
    ] {
        let (answer, _) = ask(&mut ann, json!(["new message", "hi", { "id": id }])).await;
        assert_eq!(answer["ok"], is_taken, "{answer}");
        let reason = if is_taken { json!(null) } else { json!("id") };
        assert_eq!(answer["reason"], reason, "{answer}");
    }
}

/// Without a history the answers are those that pages know from before.
#[tokio::test]
async fn without_a_history_there_are_no_positions() {
    let settings =
        ChatSettings { room_rules: no_history(), store: Store::none(), ..chat_settings() };
    let server = Setup::default().start_chat(settings).await;
    let (mut ann, answer) = page(&server, "ann", json!({})).await;
    assert!(answer.get("position").is_none() && answer.get("messages").is_none(), "{answer}");
    let (mut bob, _) = page(&server, "bob", json!({})).await;
    let (refused, _) = ask(&mut ann, json!(["history", {}])).await;
    assert_eq!(refused["reason"], "no history");
    for _ in 0..2 {
        let (answer, _) = ask(&mut ann, json!(["new message", "hi", { "id": "1" }])).await;
        assert_eq!(answer["ok"], true, "{answer}");
    }
    let (_, events) = ask(&mut bob, json!(["who"])).await;
    let heard = json!(["new message", { "username": "ann", "message": "hi" }]);
    assert_eq!(events, [heard], "once");
}
