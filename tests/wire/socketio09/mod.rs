//! Generation 0.9, byte by byte (reference: socketio-0.9.md).

mod handshakes;
mod heartbeats;
mod requests;
mod sessions;
mod transports;
mod vectors;

use crate::support::apps::stage;
use crate::support::http::{Answer, Header, Http, fetch, request};
use crate::support::server::{Setup, TestServer};
use crate::support::v09::Session09;

async fn server() -> TestServer {
    Setup::default().start_app(stage().0).await
}

async fn get(server: &TestServer, target: &str, headers: &[Header<'_>]) -> Answer {
    fetch(server.addr, "GET", target, headers, b"").await
}

/// Asks for the stream of a session; returns it after its prelude.
async fn htmlfile(server: &TestServer, session: &Session09) -> Http {
    let mut stream = Http::open(server.addr).await;
    stream.send(&request("GET", &session.target("htmlfile"), &[], b"")).await;
    let head = stream.head().await;
    assert_eq!(head.status, 200);
    let content_type = head.header("content-type").unwrap().to_lowercase();
    assert_eq!(content_type, "text/html; charset=utf-8");
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    let prelude = String::from_utf8(stream.chunk().await.unwrap()).unwrap();
    assert!(prelude.len() >= 1024);
    let start = "<html><body><script>var _ = function (m) { parent.s._(m,document); };</script>";
    assert!(prelude.starts_with(start), "{prelude}");
    stream
}

/// What a stream brings next.
async fn chunk(stream: &mut Http) -> String {
    String::from_utf8(stream.chunk().await.expect("not the end")).unwrap()
}
