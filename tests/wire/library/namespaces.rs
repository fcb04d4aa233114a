//! Namespaces and who may join them.

use std::future::ready;
use std::sync::{Arc, Mutex};

use parlance::socketio::{ConnectError, Io, Namespace, Socket};
use serde_json::json;

use super::{client, start};
use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::Setup;
use crate::support::until;
use crate::support::v09::Session09;

fn greet(io: &Io, name: &str) -> Namespace {
    let namespace = io.of(name);
    namespace.on_connect(|socket: Socket| {
        socket.emit("hello", &**socket.namespace().name());
        ready(())
    });
    namespace
}

/// Joins a namespace of protocol 4: what the server says first.
async fn join(client: &mut Client, packet: &str) -> String {
    client.send(packet).await;
    client.text().await
}

#[tokio::test]
async fn static_ones_families_and_none() {
    let (server, io) = start(|io| {
        greet(io, "");
        greet(io, "chat");
        io.of_pattern(r"^/dynamic-\d+$").unwrap().on_connect(|socket: Socket| {
            socket.emit("child", &**socket.namespace().name());
            ready(())
        });
        io.of_family(|name, auth| ready(name == "/secret" && auth["key"] == 7)).on_connect(
            |socket: Socket| {
                socket.emit("auth", socket.auth());
                ready(())
            },
        );
        assert!(io.of_pattern("(").is_err());
    })
    .await;
    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    for (packet, event) in [
        ("40", "42[\"hello\",\"/\"]"),
        ("40/chat,", "42/chat,[\"hello\",\"/chat\"]"),
        ("40/dynamic-101,", "42/dynamic-101,[\"child\",\"/dynamic-101\"]"),
        ("40/secret,{\"key\":7}", "42/secret,[\"auth\",{\"key\":7}]"),
    ] {
        assert!(join(&mut client, packet).await.contains("\"sid\""), "{packet}");
        assert_eq!(client.text().await, event);
    }
    for name in ["/dynamic-x", "/nope"] {
        let refused = format!("44{name},{{\"message\":\"Invalid namespace\"}}");
        assert_eq!(join(&mut client, &format!("40{name},")).await, refused);
    }
    let mut other = Client::open(&server, Eio::V4, Via::WebSocket).await;
    let refused = "44/secret,{\"message\":\"Invalid namespace\"}";
    assert_eq!(join(&mut other, "40/secret,").await, refused);
    assert_eq!(io.namespaces().len(), 4);
}

#[tokio::test]
async fn a_namespace_of_a_family_goes_with_its_last_client_unless_it_was_asked_for() {
    let made = Arc::<Mutex<Vec<String>>>::default();
    let (server, io) = start(|io| {
        let made = Arc::clone(&made);
        io.on_namespace(move |namespace| made.lock().unwrap().push(namespace.name().to_string()));
        let family = io.of_family(|name, _auth| ready(name.starts_with("/f")));
        family.use_middleware(|socket: Socket| {
            let refused = &**socket.namespace().name() == "/f-refused";
            ready(if refused { Err(ConnectError::new("no")) } else { Ok(()) })
        });
    })
    .await;
    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    for name in ["/f1", "/f2"] {
        assert!(join(&mut client, &format!("40{name},")).await.contains("\"sid\""));
    }
    assert_eq!(join(&mut client, "40/f-refused,").await, "44/f-refused,{\"message\":\"no\"}");
    assert_eq!(io.namespaces().len(), 2, "who is not let in leaves nothing");
    let kept = io.of("/f2");
    assert_eq!(kept.sockets().len(), 1, "it is the same");
    client.send("41/f1,").await;
    client.send("41/f2,").await;
    until("the namespace is gone", || io.namespaces() == [kept.clone()]).await;
    assert!(join(&mut client, "40/f1,").await.contains("\"sid\""), "it can come again");
    assert_eq!(*made.lock().unwrap(), ["/f1", "/f2", "/f-refused", "/f1"]);
}

#[tokio::test]
async fn middleware_in_order_until_one_refuses_in_the_form_of_each_generation() {
    let (server, io) = start(|io| {
        let root = io.of("/");
        root.use_middleware(|socket: Socket| {
            assert!(!socket.is_connected());
            socket.join("early");
            socket.extensions().insert(vec!["first"]);
            ready(Ok(()))
        });
        root.use_middleware(|socket: Socket| async move {
            tokio::task::yield_now().await;
            let mut seen = socket.extensions().remove::<Vec<&str>>().unwrap();
            seen.push("second");
            socket.set_data(seen);
            match socket.auth()["refuse"] == "me" {
                true => Err(ConnectError::new("no").data(json!({ "why": "so" }))),
                false => Ok(()),
            }
        });
        root.on_connect(|socket: Socket| {
            socket.emit("data", (socket.data(), socket.is_connected()));
            ready(())
        });
    })
    .await;
    let (mut ann, id) = client(&server, Eio::V4).await;
    assert_eq!(ann.text().await, "42[\"data\",[\"first\",\"second\"],true]");
    let mut bob = Client::open(&server, Eio::V4, Via::WebSocket).await;
    let refused = "44{\"message\":\"no\",\"data\":{\"why\":\"so\"}}";
    assert_eq!(join(&mut bob, "40{\"refuse\":\"me\"}").await, refused);
    let mut old = Client::open_with(&server, Eio::V3, Via::Polling, "&refuse=me").await;
    assert_eq!(old.text().await, "44{\"why\":\"so\"}");
    assert_eq!(io.of("/").node().rooms(), [("early".into(), 1)], "only who was let in");
    assert_eq!(io.of("/").socket(&id).unwrap().rooms(), [Arc::<str>::from(id), "early".into()]);
}

#[tokio::test]
async fn disconnecting_sees_the_rooms_and_disconnect_sees_none() {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (server, io) = start(|io| {
        let [first, second] = [Arc::clone(&heard), Arc::clone(&heard)];
        let root = io.of("/");
        root.on_connect(|socket: Socket| {
            socket.join("a");
            ready(())
        });
        root.on_disconnecting(move |socket: Socket, reason| {
            first.lock().unwrap().push(format!("{reason}, {} rooms", socket.rooms().len()));
            ready(())
        });
        root.on_disconnect(move |socket: Socket, reason| {
            socket.join("too late");
            second.lock().unwrap().push(format!("{reason}, {} rooms", socket.rooms().len()));
            ready(())
        });
    })
    .await;
    let (mut ann, _) = client(&server, Eio::V4).await;
    ann.send("41").await;
    let (_bob, id) = client(&server, Eio::V4).await;
    until("ann has gone", || heard.lock().unwrap().len() == 2).await;
    io.of("/").socket(&id).unwrap().disconnect(false);
    assert!(io.of("/").sockets().is_empty(), "at once");
    until("bob has gone", || heard.lock().unwrap().len() == 4).await;
    let expected = ["client namespace", "server namespace"]
        .map(|who| [2, 1].map(|rooms| format!("{who} disconnect, {rooms} rooms")));
    assert_eq!(*heard.lock().unwrap(), expected.concat());
    assert!(io.of("/").node().rooms().is_empty());
}

#[tokio::test]
async fn the_default_namespace_is_there_for_every_generation() {
    let (server, io) = start(|io| drop(greet(io, "/admin"))).await;
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let made = Arc::clone(&heard);
    io.on_namespace(move |namespace| made.lock().unwrap().push(namespace.name().to_string()));
    for eio in Eio::ALL {
        let (mut client, _) = client(&server, eio).await;
        client.send("40/admin,").await;
        assert!(client.text().await.starts_with("40/admin"));
        assert_eq!(client.text().await, "42/admin,[\"hello\",\"/admin\"]");
        io.of("/").emit("hello", ());
        assert_eq!(client.text().await, "42[\"hello\"]");
        client.send("41").await;
    }
    let old = Session09::polling(&server).await;
    io.of("/").emit("hello", ());
    assert_eq!(old.poll().await, "5:::{\"name\":\"hello\"}");
    assert_eq!(*heard.lock().unwrap(), ["/"], "it is made once, and told of as any other");
}

#[tokio::test]
async fn the_guard_of_a_server_stands_before_the_default_namespace_too() {
    let io = Io::new();
    io.on_namespace(|namespace| {
        namespace.use_guard(|_socket| ready(Err(ConnectError::new("not in"))));
    });
    let server = Setup::default().start_io(io, |_io| {}).await;
    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    assert_eq!(join(&mut client, "40").await, "44{\"message\":\"not in\"}");
}

#[tokio::test]
async fn a_namespace_that_is_asked_for_by_name_is_of_the_family_whose_pattern_matches() {
    let (server, io) = start(|_io| {}).await;
    let greets = |greeting: &'static str| {
        move |socket: Socket| {
            socket.emit(greeting, &**socket.namespace().name());
            ready(())
        }
    };
    let before = io.of("/room-0");
    let asked = io.of_family(|name, _auth| ready(name == "/room-7"));
    asked.on_connect(greets("asked"));
    let rooms = io.of_pattern(r"^/room-\d$").unwrap();
    rooms.on_connect(greets("room"));
    io.of_pattern(r"^/room").unwrap().on_connect(greets("later"));
    let made = io.of("room-1");
    made.on_connect(greets("own"));
    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    for (name, greetings) in [
        ("/room-0", &[][..]),
        ("/room-1", &["room", "own"]),
        ("/room-2", &["room"]),
        ("/room-7", &["asked"]),
        ("/room-x", &["later"]),
    ] {
        assert!(join(&mut client, &format!("40{name},")).await.contains("\"sid\""), "{name}");
        for greeting in greetings {
            assert_eq!(client.text().await, format!("42{name},[\"{greeting}\",\"{name}\"]"));
        }
    }
    // One event for all of a family, and for no other.
    let mut children = rooms.namespaces();
    children.sort_by_key(|namespace| namespace.name().to_string());
    assert_eq!(children, [made.clone(), io.of("/room-2")]);
    rooms.emit("all", (1, "x"));
    let mut heard = [client.text().await, client.text().await];
    heard.sort();
    assert_eq!(heard, ["42/room-1,[\"all\",1,\"x\"]", "42/room-2,[\"all\",1,\"x\"]"]);
    asked.emit("all", ());
    assert_eq!(client.text().await, "42/room-7,[\"all\"]");
    rooms.emit("disconnect", "a reserved name is not sent");
    before.emit("last", ());
    assert_eq!(client.text().await, "42/room-0,[\"last\"]");
    // It stays when it is empty: the application asked for it.
    client.send("41/room-1,").await;
    until("nobody is left", || made.sockets().is_empty()).await;
    assert_eq!(io.of("/room-1"), made);
}

#[tokio::test]
async fn empty_namespaces_of_a_family_stay_if_the_application_says_so() {
    for cleanup in [true, false] {
        let io = Io::builder().cleanup_empty_child_namespaces(cleanup).build();
        let serve = |io: &Io| {
            io.of_pattern("^/f").unwrap().use_middleware(|socket: Socket| {
                let refused = &**socket.namespace().name() == "/f-refused";
                ready(if refused { Err(ConnectError::new("no")) } else { Ok(()) })
            });
        };
        let server = Setup::default().start_io(io.clone(), serve).await;
        let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
        assert!(join(&mut client, "40/f1,").await.contains("\"sid\""));
        let first = io.namespaces();
        assert_eq!(first.len(), 1);
        client.send("41/f1,").await;
        assert!(join(&mut client, "40/f1,").await.contains("\"sid\""));
        assert_eq!(io.namespaces() == first, !cleanup, "{cleanup}");
        assert_eq!(join(&mut client, "40/f-refused,").await, "44/f-refused,{\"message\":\"no\"}");
        client.send("41/f1,").await;
        let left = if cleanup { 0 } else { 2 };
        until("it has left", || io.namespaces().iter().all(|it| it.sockets().is_empty())).await;
        until("the rest is as it should be", || io.namespaces().len() == left).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_its_id_is_found_by_it() {
    let (server, io) = start(|_| ()).await;
    for _ in 0..100 {
        for eio in Eio::ALL {
            let (client, id) = client(&server, eio).await;
            assert!(io.of("/").socket(&id).is_some(), "{eio:?}");
            client.kill();
        }
    }
}
