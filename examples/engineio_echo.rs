//! An Engine.IO server without Socket.IO that sends every message back.
//!
//! Run it with `cargo run --example engineio_echo`. It listens on port 3000, or on the port in the variable
//! `PORT`. Its times are those that the public Engine.IO protocol test suite expects.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parlance::admission::Gate;
use parlance::dialect::Message;
use parlance::engine::{Engine, Handler, Limits, Receiver, Session};
use parlance::negotiate::Negotiator;
use parlance::policy::{Eio3Polls, Policy, Transports};
use parlance::server::{self, HttpLimits, Server};
use parlance::transport;

struct Echo;

struct EchoSession(Arc<Session>);

impl Handler for Echo {
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(EchoSession(Arc::clone(session)))
    }
}

impl Receiver for EchoSession {
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        self.0.send(message);
        Box::pin(std::future::ready(()))
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
    // The test suite of protocol 4 expects that no other is spoken; that of protocol 3 reads polls in text.
    let eio = std::env::var("EIO").unwrap_or_default();
    let eio3_polls = if eio == "3" { Eio3Polls::Text } else { Eio3Polls::Octets };
    let policy = Policy { eio3_polls, ..Policy::open(Transports::all(transport::names())) };
    let engine = Engine::new(limits, Echo);
    let negotiator = Negotiator::new(engine, Gate::new(policy)).allow_eio3(eio != "4");
    let server = Server::new("/engine.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
