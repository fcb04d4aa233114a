//! Socket.IO in a server of axum, which has routes of its own.
//!
//! `POST /notices` sends its body to all clients. Run it with `cargo run --example socketio_axum`. It listens on
//! port 3000, or on the port in the variable `PORT`.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{EngineService, HttpLimits};
use parlance::socketio::{Ack, Args, Io};
use tokio::net::TcpListener;

async fn notice(State(io): State<Io>, text: String) -> &'static str {
    io.of("/").emit("notice", text);
    "sent\n"
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    io.of("/").on("echo", |_socket, args: Args, ack: Ack| async move { ack.send(args) });

    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io.clone()));
    let engine = EngineService::new("/socket.io/", negotiator, HttpLimits::default());
    // Bounds are by address, and only axum knows that.
    let engine = engine.remote(|known| Some(known.get::<ConnectInfo<SocketAddr>>()?.ip()));
    let app = Router::new()
        .route("/", get(|| async { "a page of axum\n" }))
        .route("/notices", post(notice))
        .with_state(io)
        .layer(engine);

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
