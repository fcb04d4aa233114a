//! The events that the test suite of socket.io-client expects from its server (tests/suites), and those of the
//! tests of the modern client: `kick` and `back`, and the namespace `/refused`.
//!
//! Run it with `cargo run --example socketio_suite`. It listens on port 3000, or on the port in the variable `PORT`.

use std::time::Duration;

use bytes::Bytes;
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{Ack, Args, ConnectError, Io, RecoverySettings, Socket};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Text from all over the world, as the suite compares it.
const TEXTS: [&str; 5] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

const DATE: &str = "2026-01-01T00:00:00.000Z";

const NAMESPACES: [&str; 8] =
    ["/", "/foo", "/timeout_socket", "/valid", "/asd", "/abc", "/no", "/refused"];

/// What the client said when it connected: the query of its requests, and the auth payload. Clients before
/// Socket.IO 3 have a query for each namespace instead of that payload.
fn handshake(socket: &Socket) -> Value {
    let query = &socket.handshake().query;
    let mut query: Map<String, Value> =
        form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into(), json!(v))).collect();
    if socket.session().dialect().rules().joins_by_itself {
        query.extend(socket.auth().as_object().cloned().unwrap_or_default());
    }
    json!({ "query": query, "auth": socket.auth() })
}

async fn admit(socket: Socket) -> Result<(), ConnectError> {
    let failing = handshake(&socket)["query"].get("fail").is_some();
    match &**socket.namespace().name() {
        "/refused" => Err(ConnectError::new("not you").data(json!({ "code": 7 }))),
        "/no" => Err(ConnectError::new("Auth failed (custom namespace)")),
        "/" if failing => Err(ConnectError::new("Auth failed (main namespace)")),
        _ => Ok(()),
    }
}

/// What an upload in an object looks like.
#[derive(Deserialize)]
struct Upload {
    message: Bytes,
}

fn suite(io: &Io) {
    for name in NAMESPACES {
        let namespace = io.of(name);
        namespace.use_middleware(admit);
        namespace.on("echo", |_socket, args: Args, ack: Ack| async move { ack.send(args) });
        namespace.on("getId", |socket: Socket, ack: Ack| async move { ack.send(socket.id()) });
        namespace.on("getHandshake", |socket: Socket, ack: Ack| async move {
            ack.send(json!({ "query": handshake(&socket)["query"], "auth": {} }));
        });
        namespace.on("getAckDate", |_socket, ack: Ack| async move { ack.send(DATE) });
        namespace.on("hi", |socket: Socket| async move { socket.emit("hi", ()) });
        namespace.on("kick", |socket: Socket| async move { socket.disconnect(false) });
        namespace.on("back", |socket: Socket, all: Args| async move { socket.emit("back", all) });
        namespace.on("ack", |socket: Socket| async move { ask(socket) });
        namespace.on("false", |socket: Socket| async move { socket.emit("false", false) });
        namespace.on("getDate", |socket: Socket| async move { socket.emit("takeDate", DATE) });
        namespace.on("getDateObj", |socket: Socket| async move {
            socket.emit("takeDateObj", json!({ "date": DATE }));
        });
        namespace.on("getUtf8", |socket: Socket| async move {
            TEXTS.iter().for_each(|text| socket.emit("takeUtf8", text));
        });
        namespace.on("doge", |socket: Socket| async move {
            socket.emit("doge", Bytes::from_static(b"asdfasdf"));
        });
        namespace
            .on("buffa", |socket: Socket, _all: Bytes| async move { socket.emit("buffack", ()) });
        namespace.on("jsonbuff", |socket: Socket, upload: Upload| async move {
            if !upload.message.is_empty() {
                socket.emit("jsonbuff-ack", ());
            }
        });
        namespace.on("getbin", |socket: Socket| async move {
            socket.emit("takebin", Bytes::from_static(b"asdfasdf"));
        });
        namespace.on("abuff2", |socket: Socket| async move { socket.emit("abuff2-ack", ()) });
    }
    io.of("/abc").on_connect(|socket: Socket| async move {
        socket.emit("handshake", handshake(&socket));
    });
}

/// Sends an event that wants an acknowledgement, and tells the client what it should be.
fn ask(socket: Socket) {
    let answer = socket.emit_with_ack::<(u8, Value)>("ack", ());
    tokio::spawn(async move {
        if let Ok(answer) = answer.await
            && answer == (5, json!({ "test": true }))
        {
            socket.emit("got it", ());
        }
    });
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let limits = Limits { ping_interval: Duration::from_secs(2), ..Limits::default() };
    let io = Io::builder().recovery(RecoverySettings::default()).build();
    suite(&io);
    let negotiator = Negotiator::allow_all(Engine::new(limits, io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
