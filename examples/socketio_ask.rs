//! Acknowledgements, both ways: by one client, by many, and by the server.
//!
//! On the event `ask`, the server sends the client a `question` with the same arguments, and then sends its
//! acknowledgement back as `answer`. On `ask all` it asks all clients, for half a second, and acknowledges
//! with what they answered and who did not. Run it with `cargo run --example socketio_ask`. It listens on
//! port 3000, or on the port in the variable `PORT`.

use std::time::Duration;

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Args, Io, Socket};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    let root = io.of("/");
    root.on("ask", |socket: Socket, question: Args| async move {
        let answer = socket.emit_with_ack::<Args>("question", question);
        // The acknowledgement comes in a later call, so a task of its own awaits it.
        tokio::spawn(async move {
            match answer.await {
                Ok(answer) => socket.emit("answer", answer),
                Err(error) => eprintln!("no answer: {error}"),
            }
        });
    });
    root.on("ask all", |socket: Socket, question: String, ack: Ack| async move {
        let all = socket.namespace().timeout(Duration::from_millis(500));
        let asked = all.emit_with_ack::<Value>("question", question);
        tokio::spawn(async move {
            match asked.await {
                Ok(all) => ack.send(json!({ "answers": all.answers, "missing": all.missing })),
                Err(error) => ack.send(json!({ "error": error.to_string() })),
            }
        });
    });
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
