//! Acknowledgements from clients, and binary data both ways.
//!
//! On the event `ask`, the server sends the client a `question` with the same arguments, and then sends its
//! acknowledgement back as `answer`. Run it with `cargo run --example socketio_ask`. It listens on port
//! 3000, or on the port in the variable `PORT`.

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Args, Io, Socket};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    io.of("/").on("ask", |socket: Socket, question: Args| async move {
        let answer = socket.emit_with_ack::<Args>("question", question);
        // The acknowledgement comes in a later call, so a task of its own awaits it.
        tokio::spawn(async move {
            match answer.await {
                Ok(answer) => socket.emit("answer", answer),
                Err(error) => eprintln!("no answer: {error}"),
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
