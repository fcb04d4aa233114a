//! The events that the test suite of socket.io-client expects from its server (tests/suites), and those of the
//! tests of the modern client: `kick` and `back`, and the namespace `/refused`.
//!
//! Run it with `cargo run --example socketio_suite`. It listens on port 3000, or on the port in the variable `PORT`.

use std::time::Duration;

use bytes::Bytes;
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{App, ConnectError, Event, Socket, SocketIo};
use serde_json::{Map, Value, json};

struct Suite;

/// Text from all over the world, as the suite compares it.
const TEXTS: [&str; 5] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

const DATE: &str = "2026-01-01T00:00:00.000Z";

/// Stands for the attachment of that number.
fn attachment(number: usize) -> Value {
    json!({ "_placeholder": true, "num": number })
}

/// What the client said when it connected: the query of its requests, and the auth payload.
fn handshake(socket: &Socket, auth: &Value) -> Value {
    let query = &socket.session().handshake().query;
    let query: Map<String, Value> =
        form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into(), json!(v))).collect();
    json!({ "query": query, "auth": auth })
}

impl App for Suite {
    fn has_namespace(&self, name: &str) -> bool {
        matches!(
            name,
            "/" | "/foo" | "/timeout_socket" | "/valid" | "/asd" | "/abc" | "/no" | "/refused"
        )
    }

    async fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError> {
        let failing = handshake(socket, auth)["query"].get("fail").is_some();
        match &**socket.namespace() {
            "/refused" => {
                let data = Some(json!({ "code": 7 }));
                Err(ConnectError { message: "not you".into(), data })
            }
            "/no" => Err(ConnectError::new("Auth failed (custom namespace)")),
            "/" if failing => Err(ConnectError::new("Auth failed (main namespace)")),
            _ => Ok(()),
        }
    }

    async fn connect(&self, socket: &Socket, auth: &Value) {
        if &**socket.namespace() == "/abc" {
            socket.emit("handshake", [handshake(socket, auth)]);
        }
    }

    async fn event(&self, socket: &Socket, event: Event) {
        let Event { name, args, attachments, ack } = event;
        match (name.as_str(), ack) {
            ("echo", Some(ack)) => ack.send_with(args, attachments),
            ("getId", Some(ack)) => ack.send([json!(socket.id())]),
            ("getHandshake", Some(ack)) => ack.send([handshake(socket, &json!({}))]),
            ("getAckDate", Some(ack)) => ack.send([json!(DATE)]),
            ("hi", _) => socket.emit("hi", []),
            ("kick", _) => socket.disconnect(false),
            ("back", _) => socket.emit_with("back", args, attachments),
            ("ack", _) => ask(socket.clone()),
            ("false", _) => socket.emit("false", [json!(false)]),
            ("getDate", _) => socket.emit("takeDate", [json!(DATE)]),
            ("getDateObj", _) => socket.emit("takeDateObj", [json!({ "date": DATE })]),
            ("getUtf8", _) => TEXTS.iter().for_each(|text| socket.emit("takeUtf8", [json!(text)])),
            ("doge", _) => {
                let bytes = Bytes::from_static(b"asdfasdf");
                socket.emit_with("doge", [attachment(0)], vec![bytes]);
            }
            ("buffa", _) if args == [attachment(0)] => socket.emit("buffack", []),
            ("jsonbuff", _) if args.len() == 1 && args[0]["message"] == attachment(0) => {
                socket.emit("jsonbuff-ack", []);
            }
            ("abuff2", _) => socket.emit("abuff2-ack", []),
            _ => {}
        }
    }
}

/// Sends an event that wants an acknowledgement, and tells the client what it should be.
fn ask(socket: Socket) {
    let answer = socket.emit_with_ack("ack", [], Vec::new());
    tokio::spawn(async move {
        if let Ok(answer) = answer.await
            && answer.args == [json!(5), json!({ "test": true })]
        {
            socket.emit("got it", []);
        }
    });
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let limits = Limits { ping_interval: Duration::from_secs(2), ..Limits::default() };
    let app = SocketIo::new(Suite, Duration::from_secs(45));
    let negotiator = Negotiator::allow_all(Engine::new(limits, app));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
