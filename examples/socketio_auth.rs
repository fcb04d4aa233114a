//! Who may join, and what they may send: middleware of a namespace, and of its events.
//!
//! `/members` wants a token: in the auth payload, or, from clients before 3.0, in the query. Run it with
//! `cargo run --example socketio_auth`. It listens on port 3000, or on the port in the variable `PORT`.

use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, ConnectError, Event, EventFault, Io, Socket};
use serde_json::json;

/// Who it is, once the token is known.
#[derive(Clone)]
struct Member {
    name: &'static str,
    may_write: bool,
}

fn member(token: &str) -> Option<Member> {
    match token {
        "ann's token" => Some(Member { name: "Ann", may_write: true }),
        "bob's token" => Some(Member { name: "Bob", may_write: false }),
        _ => None,
    }
}

/// The token of a client: 0.9 to 2.x send it in the query of the namespace, or of the connection.
fn token(socket: &Socket) -> Option<String> {
    if let Some(token) = socket.auth()["token"].as_str() {
        return Some(token.to_owned());
    }
    let query = socket.handshake().query.as_bytes();
    let mut pairs = form_urlencoded::parse(query);
    pairs.find(|(key, _)| key == "token").map(|(_, token)| token.into_owned())
}

async fn admit(socket: Socket) -> Result<(), ConnectError> {
    let Some(token) = token(&socket) else {
        return Err(ConnectError::new("no token").data(json!({ "login": "/login" })));
    };
    let Some(member) = member(&token) else {
        return Err(ConnectError::new("unknown token").data(json!({ "code": 401 })));
    };
    socket.extensions().insert(member);
    Ok(())
}

/// Only who may write can send `write`.
async fn check(socket: Socket, event: Event) -> Result<Event, EventFault> {
    let member: Option<Member> = socket.extensions().get();
    match event.name == "write" && !member.is_some_and(|member| member.may_write) {
        true => Err(EventFault::Refused("you may only read".into())),
        false => Ok(event),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let io = Io::new();
    // Clients before 3.0 join the default namespace first.
    io.of("/");
    let members = io.of("/members");
    members.use_middleware(admit).use_events(check);
    members.on_connect(|socket: Socket| async move {
        if let Some(member) = socket.extensions().get::<Member>() {
            socket.emit("welcome", member.name);
        }
    });
    members.on("write", |socket: Socket, text: String, ack: Ack| async move {
        socket.broadcast().emit("written", text);
        ack.send("ok");
    });
    // What `check` refuses comes here.
    members.on_error(|_socket, error| async move { error.ack.send(error.fault.to_string()) });
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
