//! What an application does too late, or should not do, and clients that are gone before they are let in.

use std::future::ready;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parlance::socketio::{AckError, ConnectError, Io, RecoverySettings, Socket};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{client, start, three};
use crate::support::client::{Client, Via};
use crate::support::packets::{Eio, Packet};
use crate::support::server::Setup;
use crate::support::{soon, until};

#[tokio::test]
async fn names_that_clients_have_for_themselves_are_not_sent() {
    let (server, io) = start(|io| drop(io.of("/"))).await;
    let (mut client, id) = client(&server, Eio::V4).await;
    let (root, name) = (io.of("/"), id.as_str());
    let socket = root.socket(name).unwrap();
    for reserved in
        ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
    {
        socket.emit(reserved, 1);
        socket.volatile().emit(reserved, 1);
        root.emit(reserved, 1);
        root.to(name).emit(reserved, 1);
        let one = socket.emit_with_ack::<Value>(reserved, ());
        assert!(matches!(soon("no", one).await, Err(AckError::Unwritable(_))), "{reserved}");
        let many = root.emit_with_ack::<Value>(reserved, ());
        assert!(matches!(soon("no", many).await, Err(AckError::Unwritable(_))), "{reserved}");
    }
    socket.emit("Disconnect", "is another");
    assert_eq!(client.text().await, "42[\"Disconnect\",\"is another\"]");
}

#[tokio::test]
async fn who_goes_while_middleware_decides_does_not_join() {
    let heard = Arc::<Mutex<Vec<&str>>>::default();
    let (asked, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (server, io) = start(|io| {
        let slow = io.of("/slow");
        let gates = (Arc::clone(&asked), Arc::clone(&go));
        slow.use_middleware(move |socket: Socket| {
            let (asked, go) = gates.clone();
            async move {
                socket.join("early");
                asked.add_permits(1);
                go.acquire().await.unwrap().forget();
                Ok(())
            }
        });
        let [joined, left] = [Arc::clone(&heard), Arc::clone(&heard)];
        slow.on_connect(move |_socket| {
            joined.lock().unwrap().push("joined");
            ready(())
        });
        slow.on_disconnect(move |_socket, _reason| {
            left.lock().unwrap().push("left");
            ready(())
        });
    })
    .await;
    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    client.send("40/slow,").await;
    soon("it is asked about", asked.acquire()).await.unwrap().forget();
    let session = server.engine.session(&client.sid).unwrap();
    client.kill();
    until("the client is gone", || session.close_reason().is_some()).await;
    go.add_permits(1);
    until("all is over", || server.engine.task_count() == 0).await;
    assert!(heard.lock().unwrap().is_empty());
    assert!(io.of("/slow").node().rooms().is_empty());

    // Who stays joins.
    let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
    go.add_permits(1);
    client.send("40/slow,").await;
    assert!(client.text().await.starts_with("40/slow,"));
    until("it has joined", || *heard.lock().unwrap() == ["joined"]).await;
}

#[tokio::test]
async fn who_was_sent_away_joins_no_room_and_hears_nothing() {
    let (server, io) = start(|io| {
        io.of("/").on_connect(|socket: Socket| {
            socket.disconnect(false);
            socket.join("late");
            socket.emit("late", ());
            socket.namespace().emit("late", ());
            ready(())
        });
    })
    .await;
    for eio in Eio::ALL {
        let (mut client, _) = client(&server, eio).await;
        assert_eq!(client.text().await, "41");
        client.send("42[\"event\"]").await;
        assert!(io.of("/").node().rooms().is_empty());
        assert!(io.of("/").sockets().is_empty());
        client.kill();
    }
}

#[tokio::test]
async fn clients_who_ask_for_a_new_namespace_at_once_are_in_the_same() {
    let (asked, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let made = Arc::<Mutex<usize>>::default();
    let (server, io) = start(|io| {
        let gates = (Arc::clone(&asked), Arc::clone(&go));
        io.of_family(move |_name, _auth| {
            let (asked, go) = gates.clone();
            async move {
                asked.add_permits(1);
                go.acquire().await.unwrap().forget();
                true
            }
        });
        let made = Arc::clone(&made);
        io.on_namespace(move |_namespace| *made.lock().unwrap() += 1);
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::open(&server, Eio::V4, Via::WebSocket).await;
        client.send("40/new,").await;
        clients.push(client);
    }
    soon("all are asked about", asked.acquire_many(3)).await.unwrap().forget();
    go.add_permits(3);
    for client in &mut clients {
        assert!(client.text().await.starts_with("40/new,{\"sid\""));
    }
    until("all have joined", || io.namespaces()[0].sockets().len() == 3).await;
    io.namespaces()[0].emit("all", ());
    for client in &mut clients {
        assert_eq!(client.text().await, "42/new,[\"all\"]");
    }
    assert_eq!((io.namespaces().len(), *made.lock().unwrap()), (1, 1));
}

#[tokio::test]
async fn listeners_of_what_is_sent_hear_of_broadcasts_for_each_client() {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (server, io) = start(|io| {
        let heard = Arc::clone(&heard);
        io.of("/").on_any_outgoing(move |socket, name, args| {
            let parsed = args.parse::<(String, Bytes)>().unwrap();
            heard.lock().unwrap().push(format!("{} {name} {parsed:?}", socket.id()));
        });
    })
    .await;
    let [(mut a, id_a), (_b, id_b), (mut c, id_c)] = three(&server).await;
    io.of("/").except(&id_b).emit("sent", ("to all", Bytes::from_static(&[7])));
    for client in [&mut a, &mut c] {
        assert!(client.text().await.starts_with("451-[\"sent\",\"to all\","));
        assert_eq!(client.next().await, Packet::from(&[7][..]));
    }
    let mut expected = [id_a, id_c].map(|id| format!("{id} sent (\"to all\", b\"\\x07\")"));
    expected.sort();
    heard.lock().unwrap().sort();
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn middleware_is_asked_about_who_comes_back_if_the_application_says_so() {
    for skip_middleware in [true, false] {
        let settings = RecoverySettings { skip_middleware, ..RecoverySettings::default() };
        let io = Io::builder().recovery(settings).build();
        let serve = |io: &Io| {
            io.of("/").use_middleware(|socket: Socket| {
                ready(match socket.auth()["banned"] == true {
                    true => Err(ConnectError::new("banned")),
                    false => Ok(()),
                })
            });
        };
        let server = Setup::default().start_io(io.clone(), serve).await;
        let mut first = Client::open(&server, Eio::V4, Via::WebSocket).await;
        first.send("40").await;
        let joined: Value = serde_json::from_str(&first.text().await[2..]).unwrap();
        first.kill();
        until("it is lost", || io.of("/").sockets().is_empty()).await;
        let mut back = Client::open(&server, Eio::V4, Via::WebSocket).await;
        back.send(&format!("40{}", json!({ "pid": joined["pid"], "banned": true }))).await;
        let expected = match skip_middleware {
            true => format!("40{}", json!({ "sid": joined["sid"], "pid": joined["pid"] })),
            false => "44{\"message\":\"banned\"}".to_owned(),
        };
        assert_eq!(back.text().await, expected, "{skip_middleware}");
    }
}
