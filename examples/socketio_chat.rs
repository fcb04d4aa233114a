//! The chat of the Socket.IO get-started tutorial: all clients get every `chat message`.
//!
//! Run it with `cargo run --example socketio_chat`. It listens on port 3000, or on the port in the variable
//! `PORT`.

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Args, Io, Socket};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    io.of("/").on("chat message", |socket: Socket, message: Args, ack: Ack| async move {
        socket.namespace().emit("chat message", message);
        ack.send(());
    });
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
