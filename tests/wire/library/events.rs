//! Typed events of clients.

use std::future::ready;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parlance::socketio::{Ack, Args, Event, EventFault, Namespace, Socket};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{client, start};
use crate::support::packets::{Eio, Packet};

#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    name: String,
    content: Bytes,
}

#[tokio::test]
async fn arguments_come_in_their_types_and_binary_in_place() {
    let (server, io) = start(|io| {
        let root = io.of("/");
        root.on("none", |socket: Socket| async move { socket.emit("got", "none") });
        root.on("two", |socket: Socket, text: String, number: Option<u8>| async move {
            socket.emit("got", (text, number));
        });
        root.on("ack", |_socket, first: u8, ack: Ack, second: u8| async move {
            ack.send((first + second, "once"));
            ack.send("twice");
        });
        root.on("rest", |socket: Socket, _first: Value, rest: Args| async move {
            socket.emit("got", rest);
        });
        root.on("upload", |_socket, upload: Upload, ack: Ack| async move {
            let Upload { name, content } = upload;
            let content = content.iter().rev().copied().collect();
            ack.send(Upload { name, content });
        });
        root.on_fallback(|socket: Socket, event: Event| async move {
            socket.emit("unknown", (event.name, event.ack.is_wanted()));
        });
    })
    .await;
    for eio in Eio::ALL {
        let (mut client, _) = client(&server, eio).await;
        for (sent, got) in [
            ("42[\"none\"]", "42[\"got\",\"none\"]"),
            ("42[\"none\",1,2]", "42[\"got\",\"none\"]"),
            ("42[\"two\",\"a\",7]", "42[\"got\",\"a\",7]"),
            ("42[\"two\",\"a\"]", "42[\"got\",\"a\",null]"),
            ("421[\"ack\",1,2]", "431[3,\"once\"]"),
            ("42[\"rest\",1,2,[3]]", "42[\"got\",2,[3]]"),
            ("42[\"other\"]", "42[\"unknown\",\"other\",false]"),
            ("422[\"other\"]", "42[\"unknown\",\"other\",true]"),
        ] {
            client.send(sent).await;
            assert_eq!(client.text().await, got, "{sent}");
        }
        let upload = "{\"name\":\"n\",\"content\":{\"_placeholder\":true,\"num\":0}}";
        let event = format!("451-3[\"upload\",{upload}]");
        client.send_all(&[(*event).into(), Packet::from(&[1, 2, 3][..])]).await;
        assert_eq!(client.text().await, format!("461-3[{upload}]"));
        assert_eq!(client.next().await, Packet::from(&[3, 2, 1][..]));
    }
    assert_eq!(io.mistyped_events(), 0);
}

#[tokio::test]
async fn a_wrong_type_is_counted_told_and_answered() {
    let (server, io) = start(|io| {
        let (root, told) = (io.of("/"), io.of("/told"));
        for namespace in [&root, &told] {
            namespace.on("typed", |socket: Socket, _number: u8| async move {
                socket.emit("typed", ());
            });
        }
        told.on_error(|socket: Socket, error| async move {
            socket.emit("wrong", (error.name, error.fault.to_string()));
            error.ack.send("sorry");
        });
    })
    .await;
    let (mut client, _) = client(&server, Eio::V4).await;
    let wrong = "wrong arguments: argument 1: invalid type: string \\\"x\\\", expected u8";
    client.send("421[\"typed\",\"x\"]").await;
    assert_eq!(client.text().await, format!("431[{{\"error\":\"{wrong}\"}}]"));
    client.send("42[\"typed\",\"x\"]").await;
    client.send("42[\"typed\"]").await;
    client.send("42[\"typed\",300]").await;
    client.send("42[\"typed\",3]").await;
    assert_eq!(client.text().await, "42[\"typed\"]", "the others were ignored");
    assert_eq!(io.mistyped_events(), 4);
    client.send("40/told,").await;
    assert!(client.text().await.starts_with("40/told,"));
    client.send("42/told,5[\"typed\",\"x\"]").await;
    assert_eq!(client.text().await, format!("42/told,[\"wrong\",\"typed\",\"{wrong}\"]"));
    assert_eq!(client.text().await, "43/told,5[\"sorry\"]");
}

#[tokio::test]
async fn several_handlers_and_listeners_in_order() {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (server, _io) = start(|io| {
        let root = io.of("/");
        for number in [1, 2] {
            let heard = Arc::clone(&heard);
            root.on("event", move |socket: Socket, all: Args| {
                heard.lock().unwrap().push(format!("{number}: {:?}", all.values));
                if number == 2 {
                    socket.emit("done", (1, "two"));
                }
                ready(())
            });
        }
        let [any, out] = [Arc::clone(&heard), Arc::clone(&heard)];
        root.on_any(move |_socket, event| any.lock().unwrap().push(format!("any {}", event.name)));
        root.on_any_outgoing(move |_socket, name, args| {
            out.lock().unwrap().push(format!("out {name} {}", args.values.len()));
        });
    })
    .await;
    let (mut client, _) = client(&server, Eio::V4).await;
    client.send("42[\"event\",true]").await;
    assert_eq!(client.text().await, "42[\"done\",1,\"two\"]");
    let expected = ["any event", "1: [Bool(true)]", "2: [Bool(true)]", "out done 2"];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn middleware_of_events_changes_and_refuses() {
    let (server, _io) = start(|io| {
        let root = io.of("/");
        root.on_connect(|socket: Socket| {
            socket.use_events(|_socket, mut event: Event| async move {
                event.args.values.push("own".into());
                Ok(event)
            });
            ready(())
        });
        root.use_events(|_socket, mut event: Event| async move {
            event.args.values.push("all".into());
            match event.name == "forbidden" {
                true => Err(EventFault::Refused("not that".into())),
                false => Ok(event),
            }
        });
        root.on_fallback(|socket: Socket, event: Event| async move {
            socket.emit("passed", event.args);
        });
    })
    .await;
    let (mut client, _) = client(&server, Eio::V4).await;
    client.send("42[\"allowed\",1]").await;
    assert_eq!(client.text().await, "42[\"passed\",1,\"all\",\"own\"]");
    client.send("427[\"forbidden\"]").await;
    assert_eq!(client.text().await, "437[{\"error\":\"not that\"}]");
}

#[tokio::test]
async fn a_client_has_handlers_of_its_own_for_once_for_a_while_or_for_life() {
    let (server, io) = start(|io| {
        let root = io.of("/");
        root.on("both", |socket: Socket, _all: Args| async move { socket.emit("all", ()) });
        root.on_fallback(|socket: Socket, event: Event| async move {
            socket.emit("unknown", event.name);
        });
        root.on("begin", |socket: Socket, name: String, ack: Ack| async move {
            socket.on("both", |socket: Socket, text: String| async move {
                socket.emit("own", text);
            });
            let greeting = move |socket: Socket, ack: Ack| {
                socket.once("once", |socket: Socket| async move { socket.emit("again", ()) });
                ack.send(format!("hello {name}"));
                ready(())
            };
            socket.once("once", greeting);
            ack.send(());
        });
        root.on("end", |socket: Socket, ack: Ack| async move {
            socket.off("both");
            socket.off("nothing");
            ack.send(());
        });
    })
    .await;
    for eio in Eio::ALL {
        let (mut ann, _) = client(&server, eio).await;
        let (mut bob, _) = client(&server, eio).await;
        for (sent, got) in [
            ("421[\"begin\",\"ann\"]", "431[]"),
            ("42[\"both\",\"x\"]", "42[\"all\"]"),
            ("", "42[\"own\",\"x\"]"),
            ("422[\"both\",7]", "42[\"all\"]"),
            (
                "",
                "432[{\"error\":\"wrong arguments: argument 1: invalid type: integer `7`, expected a string\"}]",
            ),
            ("423[\"once\"]", "433[\"hello ann\"]"),
            ("42[\"once\"]", "42[\"again\"]"),
            ("42[\"once\"]", "42[\"unknown\",\"once\"]"),
            ("424[\"end\"]", "434[]"),
            ("42[\"both\",\"y\"]", "42[\"all\"]"),
            ("42[\"own\"]", "42[\"unknown\",\"own\"]"),
        ] {
            if !sent.is_empty() {
                ann.send(sent).await;
            }
            assert_eq!(ann.text().await, got, "{sent}");
        }
        bob.send("42[\"once\"]").await;
        assert_eq!(bob.text().await, "42[\"unknown\",\"once\"]", "they are ann's");
    }
    drop(io);
}

#[tokio::test]
async fn handlers_and_listeners_can_be_removed_and_put_first() {
    let heard = Arc::<Mutex<Vec<&str>>>::default();
    let (server, io) = start(|io| {
        let root = io.of("/");
        root.on("event", |socket: Socket| async move { socket.emit("handled", ()) });
        root.on("other", |socket: Socket| async move { socket.emit("handled", ()) });
        root.on_fallback(|socket: Socket, _event| async move { socket.emit("unknown", ()) });
        let note = |what| {
            let heard = Arc::clone(&heard);
            move || heard.lock().unwrap().push(what)
        };
        let (first, second) = (note("first"), note("second"));
        root.on_any(move |_socket, _event| second());
        root.prepend_any(move |_socket, _event| first());
        let (first, second) = (note("first out"), note("second out"));
        root.on_any_outgoing(move |_socket, _name, _args| second());
        root.prepend_any_outgoing(move |_socket, _name, _args| first());
    })
    .await;
    let root = io.of("/");
    let (mut client, _) = client(&server, Eio::V4).await;
    type Step = (&'static str, &'static str, &'static [&'static str], fn(&Namespace));
    let steps: [Step; 4] = [
        ("event", "handled", &["first", "second", "first out", "second out"], |root| {
            root.off_any_outgoing();
        }),
        ("event", "handled", &["first", "second"], |root| {
            root.off_any();
        }),
        ("event", "handled", &[], |root| {
            root.off("event").off("nothing");
        }),
        ("event", "unknown", &[], |_root| {}),
    ];
    for (event, answer, listeners, then) in steps {
        client.send(&format!("42[\"{event}\"]")).await;
        assert_eq!(client.text().await, format!("42[\"{answer}\"]"));
        assert_eq!(std::mem::take(&mut *heard.lock().unwrap()), listeners);
        then(&root);
    }
    client.send("42[\"other\"]").await;
    assert_eq!(client.text().await, "42[\"handled\"]", "only what was named went");
}
