//! A Socket.IO server that sends the auth payload and messages back, and disconnects a client on the event
//! `goodbye`.
//!
//! The public Socket.IO protocol test suite expects such a server. Run it with
//! `cargo run --example socketio_echo`. It listens on port 3000, or on the port in the variable `PORT`.

use std::time::Duration;

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Args, Io, Socket};

fn echo(io: &Io) {
    for name in ["/", "/custom"] {
        let namespace = io.of(name);
        namespace.on_connect(|socket: Socket| async move {
            // The test suite listens for this event only after it has handled the connect packet.
            tokio::time::sleep(Duration::from_millis(5)).await;
            socket.emit("auth", socket.auth());
        });
        namespace.on("message", |socket: Socket, message: Args| async move {
            socket.emit("message-back", message);
        });
        namespace.on("message-with-ack", |_socket, message: Args, ack: Ack| async move {
            ack.send(message);
        });
        namespace.on("goodbye", |socket: Socket| async move { socket.disconnect(true) });
    }
}

// One thread, so that requests are handled in the order in which they arrive.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let short = Limits {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    // The test suite needs short times. With `CALM` set, the server has the usual ones.
    let calm = std::env::var_os("CALM").is_some();
    let limits = if calm { Limits::default() } else { short };
    let connect_timeout = Duration::from_secs(if calm { 45 } else { 1 });
    let io = Io::builder().connect_timeout(connect_timeout).build();
    echo(&io);
    // The test suites of protocol 4 expect that no other is spoken.
    let only_4 = std::env::var("EIO").is_ok_and(|eio| eio == "4");
    let negotiator = Negotiator::allow_all(Engine::new(limits, io)).allow_eio3(!only_4);
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
