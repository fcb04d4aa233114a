//! Pages of other origins (engineio.md §10).

use crate::support::apps::Echo;
use crate::support::http::{Answer, Header};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{UPGRADE, Ws};

const ORIGIN: Header<'static> = ("Origin", "http://other.example:8080");

async fn server() -> TestServer {
    Setup::default().start(Echo).await
}

/// Asserts that a page of [`ORIGIN`] may read this, with credentials: `*` fails clients of 1.x and
/// 2.x, which send them.
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN.1));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let varies = answer.header("vary").expect("Vary");
    assert!(varies.split(',').any(|name| name.trim().eq_ignore_ascii_case("origin")), "{varies}");
}

#[tokio::test]
async fn every_answer_can_be_read() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        let live = format!("{}&transport=polling&sid={}", eio.query(), session.sid);
        assert_readable(&server.fetch("POST", &live, &[ORIGIN], eio.framed("4a").as_bytes()).await);
        assert_readable(&server.fetch("GET", &live, &[ORIGIN], b"").await);
        let handshake = format!("{}&transport=polling", eio.query());
        assert_readable(&server.fetch("GET", &handshake, &[ORIGIN], b"").await);
        session.say("4b").await;
        assert_eq!(session.texts().await, ["4b"]);
    }
}

#[tokio::test]
async fn errors_can_be_read_too() {
    let server = server().await;
    for query in [
        "EIO=4&transport=foo",
        "EIO=4&transport=polling&sid=abc",
        "EIO=9&transport=polling",
        "EIO=4&transport=websocket",
    ] {
        let answer = server.fetch("GET", query, &[ORIGIN], b"").await;
        assert_eq!(answer.status, 400, "{query}");
        assert_readable(&answer);
    }
    let answer = server.fetch("POST", "EIO=4&transport=polling", &[ORIGIN], b"").await;
    answer.assert_error(400, 2, "Bad handshake method");
    assert_readable(&answer);
}

#[tokio::test]
async fn a_websocket_says_so_as_well() {
    let server = server().await;
    let headers = [&UPGRADE[..], &[ORIGIN]].concat();
    let (ws, answer) =
        Ws::attempt(server.addr, &target("EIO=4&transport=websocket"), &headers).await;
    assert!(ws.is_some());
    assert_readable(&answer);
}

#[tokio::test]
async fn without_an_origin_anybody_may_read() {
    let answer = server().await.get("EIO=4&transport=polling").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None, "`*` excludes these");
}

#[tokio::test]
async fn the_null_origin_is_echoed() {
    let headers = [("Origin", "null")];
    let answer = server().await.fetch("GET", "EIO=4&transport=polling", &headers, b"").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("null"));
}

#[tokio::test]
async fn preflights_with_and_without_a_sid() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        let handshake = format!("{}&transport=polling", eio.query());
        let live = format!("{handshake}&sid={}", session.sid);
        let unknown = format!("{handshake}&sid=abc");
        for query in [&handshake, &live, &unknown] {
            let asked = [
                ORIGIN,
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "content-type,x-token"),
            ];
            let answer = server.fetch("OPTIONS", query, &asked, b"").await;
            assert!(matches!(answer.status, 200 | 204), "{query}: {}", answer.status);
            assert!(answer.body.is_empty());
            assert_readable(&answer);
            let methods = answer.header("access-control-allow-methods").expect("methods");
            assert!(methods.contains("GET") && methods.contains("POST"), "{methods}");
            assert_eq!(answer.header("access-control-allow-headers"), Some("content-type,x-token"));
        }
        // What a page asks before it posts octets.
        let answer = server.fetch("OPTIONS", &live, &[ORIGIN], b"").await;
        let headers = answer.header("access-control-allow-headers").expect("headers");
        assert!(headers.eq_ignore_ascii_case("content-type"), "{headers}");
        // The session was not touched.
        session.say("4a").await;
        assert_eq!(session.texts().await, ["4a"]);
    }
}
