//! What the test suite of engine.io-client expects from its server (tests/suites), on Engine.IO without Socket.IO: it
//! greets, sends back what it gets, sets cookies, and refuses who asks for that.
//!
//! Run it with `cargo run --example engineio_suite`. It listens on port 3000, or on the port in the variable `PORT`.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use parlance::dialect::Message;
use parlance::engine::{Engine, Handler, Limits, Receiver, Session};
use parlance::negotiate::{EngineRequest, Forbidden, Negotiator};
use parlance::server::{self, HttpLimits, Server};
use serde_json::json;

const COOKIES: [&str; 4] = [
    "1=1; Max-Age=86400",
    "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
    "3=3; Max-Age=0",
    "4=4; Expires=Thu, 01 Jan 2026 00:00:00 GMT",
];

/// The sessions that want to know the headers of their next request, by id.
type Curious = Arc<Mutex<HashMap<String, Arc<Session>>>>;

struct Suite(Curious);

struct Greeter {
    session: Arc<Session>,
    curious: Curious,
}

impl Handler for Suite {
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver> {
        session.send(Message::Text("hi".into()));
        Box::new(Greeter { session: Arc::clone(session), curious: Arc::clone(&self.0) })
    }
}

impl Receiver for Greeter {
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        let answer = match &message {
            Message::Text(text) if text == "give binary" => {
                Message::Binary(Bytes::from_static(&[0, 1, 2, 3, 4]))
            }
            Message::Text(text) if text == "give utf8" => {
                Message::Text("пойду спать всем спокойной ночи".into())
            }
            Message::Text(text) if text == "sendHeaders" => {
                // The request that brought this is not answered yet.
                let mut curious = self.curious.lock().expect("nothing panics under this lock");
                curious.insert(self.session.sid().to_string(), Arc::clone(&self.session));
                return Box::pin(ready(()));
            }
            _ => message,
        };
        self.session.send(answer);
        Box::pin(ready(()))
    }
}

fn value_of<'a>(request: &'a EngineRequest, name: &str) -> Option<&'a str> {
    let (_, query) = request.url.split_once('?')?;
    query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key == name).then_some(value),
        None => (pair == name).then_some(""),
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // As the suite has it: a message of more ends the session.
    let limits =
        Limits { ping_interval: Duration::from_millis(500), max_payload: 100, ..Limits::default() };
    let curious = Curious::default();
    let asked = Arc::clone(&curious);
    let negotiator = Negotiator::allow_all(Engine::new(limits, Suite(curious)))
        .allow_request(|request: EngineRequest| {
            let denied = value_of(&request, "deny").is_some();
            ready(if denied { Err(Forbidden::new("denied")) } else { Ok(()) })
        })
        .initial_headers(|headers: &mut HeaderMap, _request: &EngineRequest| {
            for cookie in COOKIES {
                headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
            }
        })
        .headers(move |_headers: &mut HeaderMap, request: &EngineRequest| {
            let mut asked = asked.lock().expect("nothing panics under this lock");
            if let Some(session) = value_of(request, "sid").and_then(|sid| asked.remove(sid)) {
                let cookie = request.headers.get(COOKIE).and_then(|cookie| cookie.to_str().ok());
                let headers = cookie.map_or(json!({}), |cookie| json!({ "cookie": cookie }));
                session.send(Message::Text(headers.to_string()));
            }
        });
    let server = Server::new("/engine.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
