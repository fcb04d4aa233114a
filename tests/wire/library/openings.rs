//! Requests that open a session, in every generation and by every transport, with headers of the test's own.

use std::any::Any;

use parlance::admission::Gate;
use parlance::engine::Handler;
use parlance::negotiate::Negotiator;

use crate::support::http::{Answer, Header, Http, request};
use crate::support::packets::{Eio, Packet, read_answer};
use crate::support::polls::{read_open, sid_of};
use crate::support::server::{Setup, TestServer};
use crate::support::ws::{UPGRADE, Ws};

/// A way to open a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Polling(Eio),
    Jsonp(Eio),
    WebSocket(Eio),
    Stream(Eio, &'static str),
    /// The handshake of 0.9.
    V09,
    /// That as a script.
    V09Jsonp,
}

pub const WAYS: [Way; 12] = [
    Way::Polling(Eio::V3),
    Way::Polling(Eio::V4),
    Way::Jsonp(Eio::V3),
    Way::Jsonp(Eio::V4),
    Way::WebSocket(Eio::V3),
    Way::WebSocket(Eio::V4),
    Way::Stream(Eio::V3, "eventsource"),
    Way::Stream(Eio::V4, "eventsource"),
    Way::Stream(Eio::V3, "htmlfile"),
    Way::Stream(Eio::V4, "htmlfile"),
    Way::V09,
    Way::V09Jsonp,
];

/// The server's own listener, and hyper with the engine in it.
pub const SERVERS: [bool; 2] = [false, true];

/// What came of a request.
pub struct Opened {
    /// Its head, and its body if it has ended.
    pub answer: Answer,
    /// If a session opened.
    pub sid: Option<String>,
    /// Keeps the connection.
    _connection: Box<dyn Any>,
}

impl Way {
    /// What follows the engine's path.
    pub fn target(self) -> String {
        match self {
            Way::Polling(eio) => format!("?{}&transport=polling", eio.query()),
            Way::Jsonp(eio) => format!("?{}&transport=polling&j=0", eio.query()),
            Way::WebSocket(eio) => format!("?{}&transport=websocket", eio.query()),
            Way::Stream(eio, transport) => format!("?{}&transport={transport}&j=0", eio.query()),
            Way::V09 => "1/?t=1395000000000".into(),
            Way::V09Jsonp => "1/?t=1395000000000&jsonp=0".into(),
        }
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, Way::WebSocket(_))
    }

    /// The name that policy and application have for the transport.
    pub fn transport(self) -> Option<&'static str> {
        match self {
            Way::Polling(_) => Some("xhr-polling"),
            Way::Jsonp(_) => Some("jsonp-polling"),
            Way::WebSocket(_) => Some("websocket"),
            Way::Stream(_, transport) => Some(transport),
            Way::V09 | Way::V09Jsonp => None,
        }
    }

    pub fn generation(self) -> &'static str {
        match self {
            Way::Polling(eio) | Way::Jsonp(eio) | Way::WebSocket(eio) | Way::Stream(eio, _) => {
                if eio == Eio::V4 {
                    "3.x-4.x"
                } else {
                    "1.x-2.x"
                }
            }
            Way::V09 | Way::V09Jsonp => "0.9",
        }
    }

    /// Opens a session below `path`, or is refused.
    pub async fn open(self, server: &TestServer, path: &str, headers: &[Header<'_>]) -> Opened {
        let mut http = Http::open(server.addr).await;
        let target = format!("{path}{}", self.target());
        let headers = match self.is_websocket() {
            true => [headers, &UPGRADE].concat(),
            false => headers.to_vec(),
        };
        http.send(&request("GET", &target, &headers, b"")).await;
        let mut answer = http.head().await;
        match (self, answer.status) {
            (Way::WebSocket(_), 101) => {
                let (stream, input) = http.into_parts();
                let mut ws = Ws::from_stream(stream, input);
                let sid = sid_of(&read_open(&Packet::Text(ws.text().await)));
                Opened { answer, sid: Some(sid), _connection: Box::new(ws) }
            }
            (Way::Stream(..), 200) => {
                let mut seen = String::new();
                while !seen.contains("pingInterval") {
                    let piece = http.chunk().await.expect("the stream goes on");
                    seen += std::str::from_utf8(&piece).expect("UTF-8");
                }
                let sid = seen.split("sid\\\":\\\"").nth(1).map(|rest| rest[..20].to_owned());
                Opened { answer, sid, _connection: Box::new(http) }
            }
            (_, status) => {
                let length = answer.header("content-length").expect("a length");
                answer.body = http.take(length.parse().expect("a length")).await;
                let sid = match self {
                    Way::Polling(eio) | Way::Jsonp(eio) if status == 200 => {
                        Some(sid_of(&read_open(&read_answer(eio, &answer)[0])))
                    }
                    Way::V09 if status == 200 => Some(answer.text()[..20].to_owned()),
                    Way::V09Jsonp => {
                        let text = answer.text().strip_prefix("io.j[0](\"");
                        text.map(|rest| rest[..20].to_owned())
                    }
                    _ => None,
                };
                Opened { answer, sid, _connection: Box::new(http) }
            }
        }
    }
}

/// Starts a server whose negotiator the test completes.
pub async fn serve(
    setup: Setup,
    handler: impl Handler,
    complete: impl FnOnce(Negotiator) -> Negotiator,
) -> TestServer {
    let gate = Gate::new(setup.policy());
    setup.start_with(handler, |engine| complete(Negotiator::new(engine, gate))).await
}
