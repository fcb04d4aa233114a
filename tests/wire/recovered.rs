//! Stock clients of 4.6 and later that come back to their session in a room of the chat.

use std::time::Duration;

use parlance::chat::{Chat, ChatSettings, Moderation};
use parlance::socketio::Io;
use parlance::store::{Store, StoreSettings};
use serde_json::{Value, json};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer, chat_settings};
use crate::support::until;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub server: TestServer,
    pub io: Io,
    pub moderation: Moderation,
}

async fn stage(store: Store) -> Stage {
    stage_with(ChatSettings { store, recovery: MINUTE, ..chat_settings() }).await
}

async fn stage_with(settings: ChatSettings) -> Stage {
    let (chat, task) = Chat::new(settings);
    tokio::spawn(task.run());
    let moderation = chat.moderation();
    let io = chat.recovering(Io::builder()).build();
    let server = Setup::default().start_io(io.clone(), |io| chat.serve(io, |_| {})).await;
    Stage { server, io, moderation }
}

fn in_memory() -> Store {
    Store::memory(StoreSettings::default())
}

/// What a stock client keeps.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub sid: String,
    pub pid: String,
    pub offset: Option<String>,
}

/// A stock client of 4.6 or later.
pub(crate) struct Stock {
    pub client: Client,
    pub kept: Kept,
    /// The words that came before the answer to its CONNECT.
    pub before: Vec<Value>,
}

/// An event without its position, which is kept as the client does.
fn heard(text: &str, offset: &mut Option<String>) -> Value {
    let event = text.strip_prefix("42").map(serde_json::from_str);
    let mut event: Value = event.and_then(Result::ok).unwrap_or_else(|| panic!("{text}"));
    let args = event.as_array_mut().unwrap();
    if args.len() > 1
        && let Some(Value::String(_)) = args.last()
    {
        *offset = args.pop().and_then(|it| it.as_str().map(str::to_owned));
    }
    event
}

impl Stock {
    pub async fn join(stage: &Stage, kept: Option<&Kept>) -> Self {
        let mut client = Client::open(&stage.server, Eio::V4, Via::WebSocket).await;
        let auth = match kept {
            Some(Kept { pid, offset: None, .. }) => json!({ "pid": pid }),
            Some(Kept { pid, offset, .. }) => json!({ "pid": pid, "offset": offset }),
            None => json!({}),
        };
        client.send(&format!("40{auth}")).await;
        let (mut before, mut offset) = (Vec::new(), None);
        loop {
            let text = client.text().await;
            if let Some(answer) = text.strip_prefix("40") {
                let answer: Value = serde_json::from_str(answer).unwrap();
                let field = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
                let kept = Kept { sid: field("sid"), pid: field("pid"), offset };
                return Stock { client, kept, before };
            }
            before.push(heard(&text, &mut offset));
        }
    }

    pub async fn user(stage: &Stage, name: &str) -> Self {
        let mut stock = Self::join(stage, None).await;
        stock.client.emit(json!(["add user", name])).await;
        stock.until("login").await;
        stock
    }

    pub async fn event(&mut self) -> Value {
        let text = self.client.text().await;
        heard(&text, &mut self.kept.offset)
    }

    /// Events up to one of that name.
    pub async fn until(&mut self, name: &str) -> Value {
        loop {
            let event = self.event().await;
            if event[0] == name {
                return event;
            }
        }
    }

    pub async fn says(&mut self, text: &str) {
        self.client.emit_with_ack(1, json!(["new message", text])).await;
        while !self.client.text().await.starts_with("431") {}
    }

    pub async fn lost(self, stage: &Stage) -> Kept {
        self.client.kill();
        let id = self.kept.sid.clone();
        until("it is lost", || stage.io.of("/").socket(&id).is_none()).await;
        self.kept
    }
}

pub(crate) fn said(name: &str, text: &str) -> Value {
    json!(["new message", { "username": name, "message": text }])
}

#[tokio::test]
async fn who_comes_back_is_who_they_were_and_hears_what_they_missed_once() {
    let stage = stage(in_memory()).await;
    let mut ann = Stock::user(&stage, "ann").await;
    let mut bob = Stock::user(&stage, "bob").await;
    ann.says("one").await;
    assert_eq!(bob.event().await, said("ann", "one"));
    bob.says("own").await;
    let kept = bob.lost(&stage).await;
    ann.says("two").await;
    ann.says("three").await;
    let mut bob = Stock::join(&stage, Some(&kept)).await;
    assert_eq!((&bob.kept.sid, &bob.kept.pid), (&kept.sid, &kept.pid));
    assert_eq!(bob.before, [said("ann", "two"), said("ann", "three")]);
    // He has his name, and others have heard nothing of it.
    bob.says("back").await;
    let mut since = Vec::new();
    loop {
        since.push(ann.event().await);
        if *since.last().unwrap() == said("bob", "back") {
            break;
        }
    }
    // The first joined before she spoke.
    assert_eq!(since.len(), 2, "{since:?}");
    assert_eq!(since[0], json!(["user joined", { "username": "bob", "numUsers": 2 }]));
    bob.client.emit_with_ack(2, json!(["who"])).await;
    assert_eq!(
        bob.client.ack(2).await,
        json!([{ "numUsers": 2, "people": ["ann", "bob"], "more": false }])
    );
    // The next time nothing was missed.
    let kept = bob.lost(&stage).await;
    let bob = Stock::join(&stage, Some(&kept)).await;
    assert_eq!((&bob.kept.sid, bob.before.len()), (&kept.sid, 0));
}

#[tokio::test]
async fn who_cannot_come_back_joins_anew() {
    let stage = stage(in_memory()).await;
    let mut ann = Stock::user(&stage, "ann").await;
    type Change = fn(&mut Kept);
    let changes: [(&str, Change); 5] = [
        ("another history", |kept| kept.offset = Some("AAAAAAAA.1".into())),
        ("a place that is not there yet", |kept| {
            kept.offset = kept.offset.as_ref().map(|it| format!("{it}0"))
        }),
        ("no position at all", |kept| kept.offset = Some(String::new())),
        ("an unknown session", |kept| kept.pid = "A".repeat(20)),
        ("a long id", |kept| kept.pid = "A".repeat(10_000)),
    ];
    for (what, change) in changes {
        let mut bob = Stock::user(&stage, "bob").await;
        ann.says("one").await;
        bob.until("new message").await;
        let mut kept = bob.lost(&stage).await;
        let sid = kept.sid.clone();
        change(&mut kept);
        let bob = Stock::join(&stage, Some(&kept)).await;
        assert!(bob.kept.sid != sid && bob.before.is_empty(), "{what}");
    }
    // Who said goodbye does not come back, and a session is given once.
    let mut bob = Stock::user(&stage, "bob").await;
    ann.says("two").await;
    bob.until("new message").await;
    bob.client.send("41").await;
    let id = bob.kept.sid.clone();
    until("bob has left", || stage.io.of("/").socket(&id).is_none()).await;
    let again = Stock::join(&stage, Some(&bob.kept)).await;
    assert_ne!(again.kept.sid, id);
}

#[tokio::test]
async fn each_page_hears_what_it_missed_in_its_own_words() {
    let stage = stage(in_memory()).await;
    let mut ann = Stock::user(&stage, "ann").await;
    let mut old = Stock::join(&stage, None).await;
    old.client.emit(json!(["nickname", "old"])).await;
    old.until("nicknames").await;
    let mut bare = Stock::join(&stage, None).await;
    bare.client.emit(json!(["chat message", "hello: all"])).await;
    // The text is not taken for a position.
    assert_eq!(bare.event().await, json!(["chat message", "(no name): hello: all"]));
    let lurker = Stock::join(&stage, None).await;
    ann.says("one").await;
    assert_eq!(old.until("user message").await, json!(["user message", "(no name)", "hello: all"]));
    assert_eq!(old.until("user message").await, json!(["user message", "ann", "one"]));
    let (old, bare) = (old.lost(&stage).await, bare.lost(&stage).await);
    let lurker = lurker.lost(&stage).await;
    ann.says("<two>").await;
    let old = Stock::join(&stage, Some(&old)).await;
    assert_eq!(old.before, [json!(["user message", "ann", "&lt;two&gt;"])]);
    let bare = Stock::join(&stage, Some(&bare)).await;
    assert_eq!(bare.before.last(), Some(&json!(["chat message", "ann: <two>"])));
    let lurker = Stock::join(&stage, Some(&lurker)).await;
    assert_eq!(lurker.before.last(), Some(&said("ann", "<two>")));
}

#[tokio::test]
async fn what_is_deleted_meanwhile_is_not_missed() {
    let stage = stage(in_memory()).await;
    let mut page = Client::join(&stage.server, Eio::V4, Via::WebSocket).await;
    page.emit_with_ack(1, json!(["add user", "ann", { "page": 1 }])).await;
    while !page.text().await.starts_with("431") {}
    let mut bob = Stock::user(&stage, "bob").await;
    let mut places = Vec::new();
    for text in ["zero", "one", "two"] {
        page.emit_with_ack(2, json!(["new message", text, { "id": text }])).await;
        let answer = loop {
            if let Some(answer) = page.text().await.strip_prefix("432") {
                break serde_json::from_str::<Value>(answer).unwrap();
            }
        };
        places.push(answer[0]["position"].clone());
        if text == "zero" {
            assert_eq!(bob.event().await, said("ann", "zero"));
            // Lost from here on.
            let kept = bob.lost(&stage).await;
            bob = Stock {
                client: Client::open(&stage.server, Eio::V4, Via::WebSocket).await,
                kept,
                before: vec![],
            };
        }
    }
    page.emit_with_ack(3, json!(["delete", { "position": places[1] }])).await;
    while !page.text().await.starts_with("433") {}
    let bob = Stock::join(&stage, Some(&bob.kept)).await;
    assert_eq!(bob.before, [said("ann", "two")]);
}

#[tokio::test]
async fn who_is_banned_meanwhile_does_not_come_back() {
    let stage = stage(in_memory()).await;
    let mut page = Client::join(&stage.server, Eio::V4, Via::WebSocket).await;
    page.emit_with_ack(1, json!(["add user", "ann", { "page": 1 }])).await;
    while !page.text().await.starts_with("431") {}
    let mut bob = Stock::user(&stage, "bob").await;
    bob.says("bad words").await;
    while page.event().await[0] != "new message" {}
    page.emit_with_ack(2, json!(["history", {}])).await;
    let answer = page.answer(2).await;
    let position = answer[0]["messages"][0]["position"].clone();
    assert!(position.is_string(), "{answer}");
    let kept = bob.lost(&stage).await;
    stage.moderation.act(json!({ "action": "ban", "position": position })).await.unwrap();
    let mut bob = Stock::join(&stage, Some(&kept)).await;
    let error = bob.until("login error").await;
    assert_eq!(error[1]["reason"], "banned");
    let said = bob.until("new message").await;
    assert_eq!(said[1], json!({ "username": "parlance", "message": error[1]["message"] }));
    assert_eq!(bob.client.text().await, "41");
}

#[tokio::test]
async fn without_the_setting_there_is_nothing_of_it_on_the_wire() {
    let stage = stage_with(ChatSettings { store: in_memory(), ..chat_settings() }).await;
    let mut ann = Stock::user(&stage, "ann").await;
    assert_eq!(ann.kept.pid, "");
    let mut bob = Stock::user(&stage, "bob").await;
    bob.says("one").await;
    assert_eq!(ann.client.event().await[0], "user joined");
    assert_eq!(ann.client.event().await, said("bob", "one"));
}

/// The files of a store are copied while it is open, as they are after the process was killed.
#[tokio::test]
async fn sessions_outlive_the_process() {
    let dir = std::env::temp_dir().join(format!("parlance-recovered-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let (before, after) = (dir.join("before"), dir.join("after"));
    let store = Store::sqlite(&before, StoreSettings::default()).unwrap();
    let first = stage(store.clone()).await;
    let mut ann = Stock::user(&first, "ann").await;
    let mut bob = Stock::user(&first, "bob").await;
    ann.says("one").await;
    assert_eq!(bob.event().await, said("ann", "one"));
    std::fs::create_dir_all(&after).unwrap();
    for file in std::fs::read_dir(&before).unwrap() {
        let file = file.unwrap();
        // It is made anew from the others.
        if file.path().extension().is_some_and(|it| it == "sqlite3-shm") {
            continue;
        }
        std::fs::copy(file.path(), after.join(file.file_name())).unwrap();
    }
    let second = stage(Store::sqlite(&after, StoreSettings::default()).unwrap()).await;
    let mut dan = Stock::user(&second, "dan").await;
    dan.says("two").await;
    let bob_again = Stock::join(&second, Some(&bob.kept)).await;
    assert_eq!(bob_again.kept.sid, bob.kept.sid);
    assert_eq!(bob_again.before, [said("dan", "two")]);
    let ann_again = Stock::join(&second, Some(&ann.kept)).await;
    assert_eq!(ann_again.kept.sid, ann.kept.sid);
    assert_eq!(dan.until("user joined").await[1]["username"], "bob");
    store.close().await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}
