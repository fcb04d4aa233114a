//! Acknowledgements from clients, and binary data both ways.
//!
//! On the event `ask`, the server sends the client a `question` with the same arguments, and then sends its
//! acknowledgement back as `answer`. Run it with `cargo run --example socketio_ask`. It listens on port
//! 3000, or on the port in the variable `PORT`.

use std::time::Duration;

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{App, Event, Socket, SocketIo};

struct Ask;

impl App for Ask {
    async fn event(&self, socket: &Socket, event: Event) {
        if event.name != "ask" {
            return;
        }
        let answer = socket.emit_with_ack("question", event.args, event.attachments);
        let socket = socket.clone();
        // The acknowledgement is handled after this call returns, so a task of its own awaits it.
        tokio::spawn(async move {
            match tokio::time::timeout(Duration::from_secs(10), answer).await {
                Ok(Ok(answer)) => socket.emit_with("answer", answer.args, answer.attachments),
                Ok(Err(error)) => eprintln!("no answer: {error}"),
                Err(timeout) => eprintln!("no answer: {timeout}"),
            }
        });
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let app = SocketIo::new(Ask, Duration::from_secs(45));
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), app));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
