//! A chat: who comes and goes, what they say, who is typing. It has the events of the Socket.IO chat
//! example, and `chat message` of the get-started tutorial.
//!
//! Run it with `cargo run --example socketio_chat`. It listens on port 3000, or on the port in the variable
//! `PORT`.

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Io, Namespace, Socket};
use serde_json::json;

/// How many have a name: they are in a room.
async fn named(chat: &Namespace) -> usize {
    chat.to("named").fetch_sockets().await.map_or(0, |sockets| sockets.len())
}

fn chat(chat: &Namespace) {
    chat.on("add user", |socket: Socket, name: String| async move {
        socket.extensions().insert(name.clone());
        socket.join("named");
        let count = named(socket.namespace()).await;
        socket.emit("login", json!({ "numUsers": count }));
        socket.broadcast().emit("user joined", json!({ "username": name, "numUsers": count }));
    });
    chat.on("new message", |socket: Socket, text: String| async move {
        let Some(name) = socket.extensions().get::<String>() else { return };
        socket.broadcast().emit("new message", json!({ "username": name, "message": text }));
    });
    for event in ["typing", "stop typing"] {
        chat.on(event, move |socket: Socket| async move {
            let Some(name) = socket.extensions().get::<String>() else { return };
            socket.broadcast().emit(event, json!({ "username": name }));
        });
    }
    chat.on("chat message", |socket: Socket, text: String, ack: Ack| async move {
        socket.namespace().emit("chat message", text);
        ack.send(());
    });
    chat.on_disconnect(|socket, _reason| async move {
        let Some(name) = socket.extensions().get::<String>() else { return };
        let left = json!({ "username": name, "numUsers": named(socket.namespace()).await });
        socket.broadcast().emit("user left", left);
    });
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    chat(&io.of("/"));
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
