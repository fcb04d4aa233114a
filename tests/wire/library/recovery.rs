//! Connection state recovery (recovery.md, the table 1.3 and its vectors).

mod cases;
mod listeners;

use std::time::Duration;

use std::sync::Arc;

use parlance::engine::CloseReason;
use parlance::socketio::{ConnectError, Io, RecoverySettings, Socket};
use serde_json::{Value, json};

use super::client;
use crate::support::client::{Client, Via};
use crate::support::packets::{Eio, Packet};
use crate::support::server::{Setup, TestServer};
use crate::support::until;

/// What a client knows of its session.
#[derive(Debug, Clone)]
struct Known {
    sid: String,
    pid: String,
}

struct Stage {
    server: TestServer,
    io: Io,
}

async fn stage(settings: RecoverySettings) -> Stage {
    stage_on(Setup::default(), settings).await
}

async fn stage_on(setup: Setup, settings: RecoverySettings) -> Stage {
    let io = Io::builder().recovery(settings).build();
    let server = setup
        .start_io(io.clone(), |io| {
            let root = io.of("/");
            root.use_guard(|socket: Socket| async move {
                match socket.auth()["banned"] == true {
                    true => Err(ConnectError::new("banned")),
                    false => Ok(()),
                }
            });
            root.use_middleware(|socket: Socket| async move {
                socket.join("asked");
                Ok(())
            });
        })
        .await;
    Stage { server, io }
}

impl Stage {
    async fn open(&self) -> Client {
        Client::open(&self.server, Eio::V4, Via::WebSocket).await
    }

    /// Joins, and expects these packets before the answer.
    async fn join(&self, auth: &Value, missed: &[&str]) -> (Client, Known) {
        let mut client = self.open().await;
        client.send(&format!("40{auth}")).await;
        for missed in missed {
            let text = client.text().await;
            assert!(text.starts_with(missed), "{text}");
        }
        let known = connected(&client.text().await);
        (client, known)
    }

    fn socket(&self, known: &Known) -> Socket {
        self.io.of("/").socket(&known.sid).expect("it is there")
    }

    /// Loses a client's connection.
    async fn lose(&self, client: Client, known: &Known) {
        client.kill();
        until("it is lost", || self.io.of("/").socket(&known.sid).is_none()).await;
    }
}

fn connected(text: &str) -> Known {
    let answer = text.strip_prefix("40").unwrap_or_else(|| panic!("not joined: {text}"));
    let answer: Value = serde_json::from_str(answer).unwrap();
    let field = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Known { sid: field("sid"), pid: field("pid") }
}

/// The position at the end of an event.
fn offset(text: &str) -> String {
    let event: Vec<Value> = serde_json::from_str(text.trim_start_matches(|c| c != '[')).unwrap();
    event.last().unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_client_gets_its_session_and_what_it_missed_in_order() {
    let stage = stage(RecoverySettings::default()).await;
    let root = stage.io.of("/");
    let (mut ann, known) = stage.join(&json!({}), &[]).await;
    assert!(known.sid != known.pid && !known.pid.is_empty());
    stage.socket(&known).join("r");
    stage.socket(&known).set_data(json!({ "name": "ann" }));
    root.emit("seen", 1);
    let seen = offset(&ann.text().await);
    stage.lose(ann, &known).await;
    root.emit("missed", (2, "x"));
    root.to("r").emit("room", bytes::Bytes::from_static(&[7]));
    root.to("other").emit("not hers", ());
    root.except("r").emit("not hers either", ());
    root.to(&known.sid).emit("hers", ());
    root.volatile().emit("volatile", ());
    let mut back = stage.open().await;
    back.send(&format!("40{}", json!({ "pid": known.pid, "offset": seen }))).await;
    assert!(back.text().await.starts_with("42[\"missed\",2,\"x\",\""));
    assert!(back.text().await.starts_with("451-[\"room\",{\"_placeholder\":true,\"num\":0},\""));
    assert_eq!(back.next().await, Packet::from(&[7][..]));
    let hers = back.text().await;
    assert!(hers.starts_with("42[\"hers\",\""));
    let again = connected(&back.text().await);
    assert_eq!((&again.sid, &again.pid), (&known.sid, &known.pid));
    let socket = stage.socket(&known);
    assert!(socket.is_recovered());
    assert_eq!(socket.data(), json!({ "name": "ann" }));
    assert_eq!(socket.rooms(), [Arc::<str>::from(known.sid.clone()), "asked".into(), "r".into()]);
    root.to("r").emit("live", ());
    assert!(back.text().await.starts_with("42[\"live\",\""));
    // And once more, by polling, from where it was then.
    stage.lose(back, &known).await;
    root.emit("again", ());
    let mut polling = Client::open(&stage.server, Eio::V4, Via::Polling).await;
    polling.send(&format!("40{}", json!({ "pid": known.pid, "offset": offset(&hers) }))).await;
    assert!(polling.text().await.starts_with("42[\"live\",\""));
    assert!(polling.text().await.starts_with("42[\"again\",\""));
    assert_eq!(connected(&polling.text().await).sid, known.sid);
    until("both times are counted", || stage.io.recoveries() == 2).await;
}

#[tokio::test]
async fn positions_are_on_every_event_of_those_who_can_recover_and_on_no_other() {
    let stage = stage(RecoverySettings::default()).await;
    let root = stage.io.of("/");
    let (mut new, known) = stage.join(&json!({}), &[]).await;
    let (mut old, old_id) = client(&stage.server, Eio::V3).await;
    root.emit("all", "text");
    let all = offset(&new.text().await);
    assert_eq!(old.text().await, "42[\"all\",\"text\"]");
    let ready = || stage.socket(&known).session().is_idle();
    until("it can take more", ready).await;
    root.to(&known.sid).volatile().emit("volatile", "text");
    assert_eq!(offset(&new.text().await), all, "no text is taken for a position");
    stage.socket(&known).emit("direct", ());
    assert_ne!(offset(&new.text().await), all);
    root.socket(&old_id).unwrap().emit("direct", ());
    assert_eq!(old.text().await, "42[\"direct\"]");
    let asked = stage.socket(&known).emit_with_ack::<u8>("q", 1);
    let question = new.text().await;
    assert!(question.ends_with("[\"q\",1]"), "{question}");
    drop(asked);
}

#[tokio::test]
async fn who_cannot_be_restored_joins_anew_without_an_error() {
    let stage = stage(RecoverySettings { max_events: 2, ..RecoverySettings::default() }).await;
    let root = stage.io.of("/");
    let lost = async || {
        let (mut client, known) = stage.join(&json!({}), &[]).await;
        root.to(&known.sid).emit("seen", ());
        let seen = offset(&client.text().await);
        stage.lose(client, &known).await;
        (known, seen)
    };
    for make in [
        |_: &Known, seen: &str| json!({ "pid": "unknown", "offset": seen }),
        |known: &Known, _: &str| json!({ "pid": known.pid, "offset": "" }),
        |known: &Known, _: &str| json!({ "pid": known.pid, "offset": 7 }),
        |known: &Known, seen: &str| json!({ "pid": known.pid, "offset": format!("{seen}99") }),
        |known: &Known, seen: &str| json!({ "pid": known.pid, "offset": format!("x{seen}") }),
        |known: &Known, seen: &str| json!({ "pid": [known.pid], "offset": seen }),
    ] {
        let (known, seen) = lost().await;
        let (_client, fresh) = stage.join(&make(&known, &seen), &[]).await;
        assert!(fresh.sid != known.sid && fresh.pid != known.pid);
        assert!(!stage.socket(&fresh).is_recovered());
        assert_eq!(stage.io.recoveries(), 0);
    }
    // More was missed than is kept.
    let (known, seen) = lost().await;
    (0..3).for_each(|number| root.emit("missed", number));
    let (_client, fresh) = stage.join(&json!({ "pid": known.pid, "offset": seen }), &[]).await;
    assert_ne!(fresh.sid, known.sid);
    // A session is given back once.
    let (known, seen) = lost().await;
    let auth = json!({ "pid": known.pid, "offset": seen });
    let (mut client, again) = stage.join(&auth, &[]).await;
    assert_eq!(again.sid, known.sid);
    client.send("41").await;
    until("it has left", || root.socket(&known.sid).is_none()).await;
    let (_client, fresh) = stage.join(&auth, &[]).await;
    assert_ne!(fresh.sid, known.sid, "who left in order cannot come back");
}

#[tokio::test]
async fn case_1_a_client_that_saw_nothing_misses_what_came_since_it_joined() {
    let stage = stage(RecoverySettings::default()).await;
    stage.io.of("/").emit("before", ());
    let (client, known) = stage.join(&json!({}), &[]).await;
    stage.lose(client, &known).await;
    stage.io.of("/").emit("missed", ());
    let auth = json!({ "pid": known.pid });
    let (_client, again) = stage.join(&auth, &["42[\"missed\",\""]).await;
    assert_eq!(again.sid, known.sid);
}

#[tokio::test]
async fn case_2_what_came_before_a_session_is_not_missed_in_it() {
    let stage = stage(RecoverySettings::default()).await;
    let root = stage.io.of("/");
    let (mut client, first) = stage.join(&json!({}), &[]).await;
    root.emit("seen", ());
    let stale = offset(&client.text().await);
    client.send("41").await;
    until("it has left", || root.socket(&first.sid).is_none()).await;
    root.emit("while away", ());
    let (client, second) = stage.join(&json!({ "pid": first.pid, "offset": stale }), &[]).await;
    stage.lose(client, &second).await;
    root.emit("missed", ());
    let auth = json!({ "pid": second.pid, "offset": stale });
    let (_client, again) = stage.join(&auth, &["42[\"missed\",\""]).await;
    assert_eq!(again.sid, second.sid);
}

#[tokio::test]
async fn case_3_the_older_connection_of_a_session_is_closed_first() {
    let stage = stage(RecoverySettings::default()).await;
    let root = stage.io.of("/");
    let (older, known) = stage.join(&json!({}), &[]).await;
    let (_newer, again) = stage.join(&json!({ "pid": known.pid }), &[]).await;
    assert_eq!(again.sid, known.sid);
    assert_eq!(root.sockets().len(), 1);
    older.assert_closed().await;
}

#[tokio::test]
async fn case_8_guards_are_asked_whoever_comes_back() {
    let stage = stage(RecoverySettings::default()).await;
    let (client, known) = stage.join(&json!({}), &[]).await;
    stage.lose(client, &known).await;
    let mut back = stage.open().await;
    back.send(&format!("40{}", json!({ "pid": known.pid, "banned": true }))).await;
    assert_eq!(back.text().await, "44{\"message\":\"banned\"}");
    assert!(stage.io.of("/").sockets().is_empty());
    assert!(stage.io.of("/").node().rooms().is_empty());
}

#[tokio::test]
async fn reasons_after_which_a_client_may_come_back() {
    let stage = stage(RecoverySettings::default()).await;
    let root = stage.io.of("/");
    for (reason, recovers) in [
        (CloseReason::TransportLost, true),
        (CloseReason::PingTimeout, true),
        (CloseReason::SlowReader, true),
        (CloseReason::ServerClosed, false),
        (CloseReason::Malformed("x"), false),
    ] {
        let (_client, known) = stage.join(&json!({}), &[]).await;
        stage.socket(&known).session().close(reason);
        until("it is gone", || root.socket(&known.sid).is_none()).await;
        let (_client, again) = stage.join(&json!({ "pid": known.pid }), &[]).await;
        assert_eq!(again.sid == known.sid, recovers, "{reason:?}");
    }
    let (_client, known) = stage.join(&json!({}), &[]).await;
    stage.socket(&known).disconnect(false);
    until("it is gone", || root.socket(&known.sid).is_none()).await;
    let (_client, again) = stage.join(&json!({ "pid": known.pid }), &[]).await;
    assert_ne!(again.sid, known.sid, "the application has sent it away");
}

#[tokio::test]
async fn after_its_time_a_session_is_gone() {
    let settings = RecoverySettings { max_disconnection: Duration::ZERO, ..Default::default() };
    let stage = stage(settings).await;
    let (client, known) = stage.join(&json!({}), &[]).await;
    stage.lose(client, &known).await;
    let (_client, again) = stage.join(&json!({ "pid": known.pid }), &[]).await;
    assert_ne!(again.sid, known.sid);
}

#[tokio::test]
async fn lost_sessions_are_kept_side_by_side_and_the_oldest_goes_when_there_are_too_many() {
    let stage = stage(RecoverySettings { max_sessions: 2, ..Default::default() }).await;
    let mut lost = Vec::new();
    for _ in 0..3 {
        let (client, known) = stage.join(&json!({}), &[]).await;
        stage.lose(client, &known).await;
        lost.push(known);
    }
    for (known, kept) in lost.iter().zip([false, true, true]).rev() {
        let (_client, again) = stage.join(&json!({ "pid": known.pid }), &[]).await;
        assert_eq!(again.sid == known.sid, kept);
    }
}
