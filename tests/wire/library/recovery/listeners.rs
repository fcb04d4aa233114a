//! What listens to outgoing events may send: no lock of the recovery is held meanwhile.

use std::sync::{Arc, Mutex};

use parlance::socketio::{Args, RecoverySettings, Socket};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Stage, stage};
use crate::support::client::Client;
use crate::support::soon;

/// Has each event answered by another, to all, and notes what is sent.
fn listen(stage: &Stage) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&heard);
    stage.io.of("/").on_any_outgoing(move |socket: &Socket, name: &str, _args: &Args| {
        noted.lock().unwrap().push(name.to_owned());
        if name != "copy" {
            socket.namespace().emit("copy", name);
        }
    });
    heard
}

/// The next event that is not volatile.
async fn next(client: &mut Client) -> String {
    loop {
        let text = client.text().await;
        if !text.starts_with("42[\"volatile\"") {
            return text;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_to_outgoing_events_may_send_in_whatever_way_an_event_was_sent() {
    let stage = stage(RecoverySettings::default()).await;
    let (mut ann, known) = stage.join(&json!({}), &[]).await;
    listen(&stage);
    type Send = fn(&Socket);
    let ways: [(&str, Send); 6] = [
        ("all", |socket| socket.namespace().emit("all", ())),
        ("one", |socket| socket.emit("one", ())),
        ("volatile", |socket| socket.namespace().volatile().emit("volatile", ())),
        ("local", |socket| socket.namespace().local().emit("local", ())),
        ("ask", |socket| drop(socket.emit_with_ack::<()>("ask", ()))),
        ("ask all", |socket| drop(socket.namespace().emit_with_ack::<()>("ask all", ()))),
    ];
    for (name, send) in ways {
        let socket = stage.socket(&known);
        let (told, sent) = oneshot::channel();
        // A thread that hangs would hold the test's runtime, too.
        std::thread::spawn(move || {
            send(&socket);
            let _ = told.send(());
        });
        soon(name, sent).await.unwrap();
        let copy = next(&mut ann).await;
        assert!(copy.starts_with(&format!("42[\"copy\",\"{name}\"")), "{copy}");
        if name != "volatile" {
            let event = next(&mut ann).await;
            assert!(event.contains(&format!("[\"{name}\"")), "{event}");
        }
    }
}

#[tokio::test]
async fn listeners_hear_of_what_a_client_missed_and_may_send() {
    let stage = stage(RecoverySettings::default()).await;
    let (ann, known) = stage.join(&json!({}), &[]).await;
    stage.lose(ann, &known).await;
    let heard = listen(&stage);
    stage.io.of("/").emit("missed", ());
    assert!(heard.lock().unwrap().is_empty(), "nobody got it");
    let (mut ann, again) = stage.join(&json!({ "pid": known.pid }), &["42[\"missed\",\""]).await;
    assert_eq!(again.sid, known.sid);
    assert!(ann.text().await.starts_with("42[\"copy\",\"missed\""));
    assert_eq!(*heard.lock().unwrap(), ["missed", "copy"]);
}
