//! The cases of the table that need a stage of their own.

use std::sync::Arc;

use bytes::Bytes;
use parlance::engine::{Limits, QueueLimits};
use parlance::socketio::{RecoverySettings, Socket};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{connected, offset, stage, stage_on};
use crate::support::server::Setup;
use crate::support::v09::Session09;
use crate::support::{soon, until};

#[tokio::test]
async fn case_4_who_has_seen_all_of_a_quiet_room_comes_back_after_many_events_of_others() {
    let stage = stage(RecoverySettings { max_events: 2, ..RecoverySettings::default() }).await;
    let root = stage.io.of("/");
    for (events, seen, recovers) in [(1, 1, true), (2, 2, true), (2, 1, false), (0, 0, true)] {
        let (mut ann, known) = stage.join(&json!({}), &[]).await;
        let mut positions = Vec::new();
        for number in 0..events {
            root.to(&known.sid).emit("quiet", number);
            positions.push(offset(&ann.text().await));
        }
        (0..5).for_each(|number| root.to("others").emit("busy", number));
        stage.lose(ann, &known).await;
        root.to(&known.sid).emit("missed", ());
        let auth = match seen {
            0 => json!({ "pid": known.pid }),
            _ => json!({ "pid": known.pid, "offset": positions[seen - 1] }),
        };
        let missed: &[&str] = if recovers { &["42[\"missed\",\""] } else { &[] };
        let (_ann, again) = stage.join(&auth, missed).await;
        assert_eq!(again.sid == known.sid, recovers, "{seen} of {events}");
    }
}

#[tokio::test]
async fn case_5_who_is_back_before_the_session_is_kept_waits_for_it() {
    let stage = stage(RecoverySettings::default()).await;
    let (leaving, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&leaving), Arc::clone(&go));
    stage.io.of("/").on_disconnecting(move |socket: Socket, _reason| {
        let (leaving, go) = gates.clone();
        async move {
            leaving.add_permits(1);
            go.acquire().await.unwrap().forget();
            socket.set_data("the last word");
        }
    });
    let (ann, known) = stage.join(&json!({}), &[]).await;
    ann.kill();
    soon("she leaves", leaving.acquire()).await.unwrap().forget();
    stage.io.of("/").emit("missed", ());
    let mut back = stage.open().await;
    back.send(&format!("40{}", json!({ "pid": known.pid }))).await;
    stage.server.settle().await;
    assert!(stage.io.of("/").sockets().is_empty());
    go.add_permits(1);
    assert!(back.text().await.starts_with("42[\"missed\",\""));
    assert_eq!(connected(&back.text().await).sid, known.sid);
    assert_eq!(stage.socket(&known).data(), "the last word");
}

#[tokio::test]
async fn case_7_a_position_of_another_server_is_none_of_this_one() {
    let [first, second] =
        [stage(RecoverySettings::default()).await, stage(RecoverySettings::default()).await];
    let (mut ann, known) = first.join(&json!({}), &[]).await;
    for stage in [&first, &second] {
        stage.io.of("/").emit("before", ());
    }
    let auth = json!({ "pid": known.pid, "offset": offset(&ann.text().await) });
    let (mut ann, fresh) = second.join(&auth, &[]).await;
    assert!(fresh.sid != known.sid && fresh.pid != known.pid);
    second.io.of("/").emit("live", ());
    assert!(ann.text().await.starts_with("42[\"live\",\""));
}

#[tokio::test]
async fn case_9_clients_of_0_9_get_no_positions() {
    let stage = stage(RecoverySettings::default()).await;
    let old = Session09::polling(&stage.server).await;
    stage.io.of("/").emit("all", "text");
    stage.io.of("/").socket(&old.sid).unwrap().emit("direct", ());
    let said = old.poll().await;
    for event in ["{\"name\":\"all\",\"args\":[\"text\"]}", "{\"name\":\"direct\"}"] {
        assert!(said.contains(event), "{said}");
    }
}

#[tokio::test]
async fn case_11_a_loss_while_missed_events_come_misses_the_rest() {
    let stage = stage(RecoverySettings::default()).await;
    let (ann, known) = stage.join(&json!({}), &[]).await;
    stage.lose(ann, &known).await;
    (1..=3).for_each(|number| stage.io.of("/").emit("missed", number));
    let mut auth = json!({ "pid": known.pid });
    for first in 1..=3 {
        // She reads one of them each time, and not that she has joined.
        let mut back = stage.open().await;
        back.send(&format!("40{auth}")).await;
        let text = back.text().await;
        assert!(text.starts_with(&format!("42[\"missed\",{first},\"")), "{text}");
        auth["offset"] = offset(&text).into();
        until("she has joined", || stage.io.of("/").socket(&known.sid).is_some()).await;
        stage.lose(back, &known).await;
    }
    let (_ann, again) = stage.join(&auth, &[]).await;
    assert_eq!(again.sid, known.sid);
}

#[tokio::test]
async fn case_12_who_missed_more_than_half_a_queue_takes_joins_anew() {
    let queue = QueueLimits { messages: 40, bytes: 20_000 };
    let setup = Setup::limits(Limits { queue, ..Limits::default() });
    let stage = stage_on(setup, RecoverySettings::default()).await;
    let root = stage.io.of("/");
    let binary = |bytes| vec![Bytes::from(vec![7; bytes])];
    for (what, events, bytes, recovers) in [
        ("packets", 20, 0, true),
        ("packets", 21, 0, false),
        ("attachments", 10, 1, true),
        ("attachments", 11, 1, false),
        ("bytes", 2, 4_000, true),
        ("bytes", 2, 5_000, false),
    ] {
        let (ann, known) = stage.join(&json!({}), &[]).await;
        stage.lose(ann, &known).await;
        for _ in 0..events {
            match bytes {
                0 => root.emit("missed", ()),
                bytes => root.emit("missed", binary(bytes)),
            }
        }
        let mut back = stage.open().await;
        back.send(&format!("40{}", json!({ "pid": known.pid }))).await;
        if recovers {
            for _ in 0..events {
                let text = back.text().await;
                assert!(text.contains("[\"missed\","), "{what}: {text}");
                if bytes > 0 {
                    back.next().await;
                }
            }
        }
        let again = connected(&back.text().await);
        assert_eq!(again.sid == known.sid, recovers, "{events} {what}");
        root.emit("live", ());
        assert!(back.text().await.contains("live"), "it goes on: {what}");
    }
}
