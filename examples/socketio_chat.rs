//! The chat of the Socket.IO get-started tutorial: all clients get every `chat message`.
//!
//! It shows how to do what `io.emit` does in Node: the application keeps the sockets, and emits one
//! [`Broadcast`] to all of them. Run it with `cargo run --example socketio_chat`. It listens on port 3000,
//! or on the port in the variable `PORT`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{App, Broadcast, DisconnectReason, Event, Socket, SocketIo};
use serde_json::Value;

#[derive(Default)]
struct Chat {
    sockets: Mutex<Vec<Socket>>,
}

impl Chat {
    fn sockets(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App for Chat {
    async fn connect(&self, socket: &Socket, _auth: &Value) {
        self.sockets().push(socket.clone());
    }

    async fn event(&self, _socket: &Socket, event: Event) {
        if event.name == "chat message" {
            let broadcast = Broadcast::new("/".into(), &event.name, event.args);
            self.sockets().iter().for_each(|socket| socket.emit_shared(&broadcast));
        }
        if let Some(ack) = event.ack {
            ack.send([]);
        }
    }

    async fn disconnect(&self, socket: &Socket, _reason: DisconnectReason) {
        self.sockets().retain(|other| other != socket);
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let app = SocketIo::new(Chat::default(), Duration::from_secs(45));
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), app));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
