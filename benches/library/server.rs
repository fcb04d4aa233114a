//! The library as the server that `benches/library.mjs` measures: rooms that clients join, leave and write to, and
//! questions that they answer. Its peers do the same: `benches/peers`.
//!
//! It listens on the port in the variable `PORT`.

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Io, Socket};
use serde::Serialize;

#[derive(Serialize)]
struct Message {
    message: String,
}

fn rooms(io: &Io) {
    let root = io.of("/");
    root.on("join", |socket: Socket, rooms: Vec<String>, ack: Ack| async move {
        socket.join(rooms);
        ack.send(());
    });
    root.on("leave", |socket: Socket, rooms: Vec<String>, ack: Ack| async move {
        socket.leave(rooms);
        ack.send(());
    });
    root.on("say", |socket: Socket, room: String, message: String| async move {
        socket.namespace().to(room).emit("new message", Message { message });
    });
    root.on("ask", |socket: Socket, times: u32| async move {
        tokio::spawn(ask(socket, times));
    });
}

/// Asks one question after the other, and tells the client how many answers were right.
async fn ask(socket: Socket, times: u32) {
    let mut right = 0;
    for number in 0..times {
        let answer = socket.emit_with_ack::<u32>("question", number).await;
        right += u32::from(answer == Ok(number));
    }
    socket.emit("asked", right);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    rooms(&io);
    let limits = HttpLimits {
        max_connections: 20_000,
        max_connections_per_address: 0,
        ..HttpLimits::default()
    };
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, limits);
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    server.run(listener).await;
    Ok(())
}
