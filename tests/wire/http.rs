//! HTTP/1.1 by itself: what is taken for a request, the reason when something is not, the form of
//! answers, and how long a connection stays open.

use std::time::Duration;

use futures::future::join_all;
use parlance::server::HttpLimits;
use parlance::site::Pages;
use tokio::time::Instant;

use crate::support::apps::{Echo, stage};
use crate::support::http::{Http, fetch, request};
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::UPGRADE;

async fn with_pages() -> TestServer {
    let pages = Some(Pages::new(None, None));
    Setup { pages, ..Setup::default() }.start_app(stage().0).await
}

/// Old browsers and small devices send these as they are, wherever the line is cut in two.
#[tokio::test]
async fn characters_that_uris_do_not_have() {
    let server = Setup::default().start(Echo).await;
    for raw in ["\"", "<", ">", "`", "{\"a\":\"<b>\"}", "\u{e9}\u{1f600}", "\x7f", "\\^|[]"] {
        let line = format!("GET {}&x={raw} HTTP/1.1\r\n", target("EIO=4&transport=polling"));
        let whole = format!("{line}Host: a\r\nX-Raw: \"<>\"\r\n\r\n");
        for cut in [0, 5, line.find("x=").expect("there") + 3, line.len()] {
            let mut http = Http::open(server.addr).await;
            http.send(&whole.as_bytes()[..cut]).await;
            server.settle().await;
            http.send(&whole.as_bytes()[cut..]).await;
            let answer = http.answer().await;
            assert_eq!(answer.status, 200, "{raw} cut at {cut}: {}", answer.text());
        }
    }
}

/// What cannot be read is refused with a reason, and nothing after it is read.
#[tokio::test]
async fn what_is_no_request_gets_a_reason() {
    let server = Setup::default().start(Echo).await;
    let many = "A: b\r\n".repeat(70);
    let more = "A: b\r\n".repeat(200);
    let long = "x".repeat(20_000);
    for (bytes, status, reason) in [
        ("GET\r\n\r\n".to_owned(), 400, "not HTTP/1: "),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), 400, "not HTTP/1: "),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "not HTTP/1: "),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400, "not HTTP/1: "),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n".to_owned(), 400, "not HTTP/1: "),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(), 400, "not HTTP/1: "),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
                .to_owned(),
            400,
            "not HTTP/1: ",
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431, "more than 64 headers"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n"), 431, "more than 64 headers"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n"), 431, "more than 16384 bytes"),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 431, "more than 16384 bytes"),
    ] {
        let what = bytes.chars().take(60).collect::<String>();
        let mut http = Http::open(server.addr).await;
        http.send_perhaps(bytes.as_bytes()).await;
        http.send_perhaps(&request("GET", &target("EIO=4&transport=polling"), &[], b"")).await;
        let answer = http.answer().await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(answer.text().contains(reason), "{what}: {}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        assert_eq!(http.rest().await, b"", "{what}");
    }
    assert_eq!(server.engine.session_count(), 0);
}

/// A proxy that is told two ends of a request may have found the other one: what follows is not read.
#[tokio::test]
async fn a_request_with_two_ends_is_the_last() {
    let server = Setup::default().start(Echo).await;
    let next = request("GET", &target("EIO=4&transport=polling"), &[], b"");
    let length = next.len().to_string();
    let chunked = ("Transfer-Encoding", "chunked");
    for (headers, status) in [
        (&[("Content-Length", "4"), chunked][..], 404),
        (&[chunked, ("Content-Length", "4")], 404),
        (&[chunked, ("Content-Length", &length)], 404),
        (&[chunked, ("Content-Length", "x")], 404),
        (&[chunked, chunked], 404),
        (&[("Transfer-Encoding", "gzip, chunked")], 404),
        (&[("Transfer-Encoding", "identity"), chunked], 404),
        (&[chunked, ("Transfer-Encoding", "identity")], 400),
        (&[("Transfer-Encoding", "identity"), ("Content-Length", "4")], 400),
        (&[("Transfer-Encoding", ""), ("Content-Length", "4")], 400),
        (&[("Transfer-Encoding", "xchunked")], 400),
        (&[("Content-Length", "4"), ("Content-Length", "5")], 400),
        (&[("Content-Length", "4, 4")], 400),
        (&[("Content-Length", "+4")], 400),
        (&[("Content-Length", "")], 400),
    ] {
        for after in [1, 10_000] {
            let mut http = Http::open(server.addr).await;
            http.send(&request("POST", "/page", headers, b"0\r\n\r\n")).await;
            http.send_perhaps(&next.repeat(after)).await;
            let answer = http.answer().await;
            assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
            assert_eq!(answer.header("connection"), Some("close"), "{headers:?}");
            assert_eq!(http.rest().await, b"", "{headers:?}");
        }
    }
    assert_eq!(server.engine.session_count(), 0);
}

/// Some clients look for names of headers as they are written in documentation.
#[tokio::test]
async fn names_of_headers_have_their_usual_case() {
    let server = with_pages().await;
    let session = Polls::open(&server, "EIO=4").await;
    let origin = ("Origin", "http://a.example");
    for (what, request, names) in [
        ("a page", request("GET", "/", &[], b""), &["Content-Type", "ETag", "Cache-Control"][..]),
        (
            "a poll",
            request("GET", &session.target(), &[origin], b""),
            &[
                "Content-Type",
                "Content-Length",
                "Date",
                "Keep-Alive",
                "Access-Control-Allow-Origin",
            ],
        ),
        (
            "an upgrade",
            request("GET", &target("EIO=4&transport=websocket"), &UPGRADE, b""),
            &["Upgrade", "Connection", "Sec-WebSocket-Accept"],
        ),
        (
            "a stream",
            request("GET", &target("EIO=4&transport=eventsource"), &[], b""),
            &["Content-Type", "Transfer-Encoding", "X-Accel-Buffering"],
        ),
        ("a refusal", request("GET", "/socket.io/?EIO=9", &[], b""), &["Content-Length"]),
    ] {
        let mut http = Http::open(server.addr).await;
        http.send(&request).await;
        if what == "a poll" {
            server
                .fetch("POST", &format!("EIO=4&transport=polling&sid={}", session.sid), &[], b"4a")
                .await
                .assert_ok();
        }
        let answer = http.head().await;
        for name in names {
            assert!(answer.headers.iter().any(|(given, _)| given == name), "{what}: {answer:?}");
        }
        for (name, _) in &answer.headers {
            assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{what}: {name}");
        }
    }
}

/// The head of an answer to HEAD is that of GET, and there is no body.
#[tokio::test]
async fn heads_alone() {
    let server = with_pages().await;
    for path in ["/", "/parlance.js", "/socket.io/socket.io.js", "/nowhere"] {
        let get = fetch(server.addr, "GET", path, &[], b"").await;
        let mut http = Http::open(server.addr).await;
        for _ in 0..2 {
            http.send(&request("HEAD", path, &[], b"")).await;
            let head = http.head().await;
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            for name in ["content-length", "content-type", "etag"] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
        }
        let Some(etag) = get.header("etag") else { continue };
        http.send(&request("GET", path, &[("If-None-Match", etag)], b"")).await;
        let known = http.answer().await;
        assert_eq!((known.status, known.header("content-length")), (304, None), "{path}");
        http.send(&request("GET", path, &[], b"")).await;
        assert_eq!(http.answer().await.body, get.body, "the connection is in order: {path}");
    }
}

/// Who waits for leave to send a body gets it when the body is read, and no sooner than it is known
/// that it will be.
#[tokio::test]
async fn bodies_that_wait_for_leave() {
    let server = Setup::default().start(Echo).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let expect = ("Expect", "100-continue");
    let mut http = Http::open(server.addr).await;
    let head = request("POST", &session.target(), &[expect, ("Content-Length", "2")], b"");
    http.send(&head).await;
    assert_eq!(http.head().await.status, 100);
    http.send(b"4a").await;
    http.answer().await.assert_ok();
    assert_eq!(session.texts().await, ["4a"]);
    let unknown = target("EIO=4&transport=polling&sid=none");
    http.send(&request("POST", &unknown, &[expect, ("Content-Length", "2")], b"")).await;
    assert_eq!(http.answer().await.status, 400, "no leave");
    assert_eq!(http.rest().await, b"");
}

/// Between two requests a connection stays open for as long as is promised, and not for longer than a
/// second more; a request that was begun has the header timeout.
#[tokio::test]
async fn a_connection_stays_open_between_requests() {
    let (header, keep_alive) = (Duration::from_millis(700), Duration::from_secs(3));
    let http = HttpLimits {
        header_timeout: header,
        keep_alive_timeout: keep_alive,
        ..HttpLimits::default()
    };
    let server = Setup { http, ..Setup::default() }.start(Echo).await;
    let handshake = request("GET", &target("EIO=4&transport=polling"), &[], b"");
    // Some clients send an empty line after a body, which begins no request.
    let addr = server.addr;
    let idle = join_all(["", "\r\n", "\r\n\n\r\n"].map(|after| async move {
        let mut http = Http::open(addr).await;
        let mut answered = Instant::now();
        for _ in 0..2 {
            http.send(&request("POST", "/", &[], b"body")).await;
            http.send(after.as_bytes()).await;
            let answer = http.answer().await;
            assert_eq!(answer.header("keep-alive"), Some("timeout=3"));
            assert_eq!(answer.header("connection"), Some("keep-alive"));
            http.send(after.as_bytes()).await;
            answered = Instant::now();
        }
        assert_eq!(http.rest().await, b"", "after {after:?}");
        let open = answered.elapsed();
        assert!(open >= keep_alive, "{open:?} after {after:?}");
    }));
    let begun = async {
        let mut http = Http::open(server.addr).await;
        http.send(&handshake).await;
        http.answer().await;
        http.send(&handshake[..10]).await;
        let answer = http.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    };
    let silent = async {
        let opened = Instant::now();
        let mut http = Http::open(server.addr).await;
        assert_eq!(http.rest().await, b"");
        assert!(opened.elapsed() < keep_alive, "the first request has the header timeout");
    };
    tokio::join!(idle, begun, silent);
}

/// HTTP/1.0 has no chunks, and its connections are not kept.
#[tokio::test]
async fn http_1_0() {
    let server = with_pages().await;
    for (target, body) in [
        (target("EIO=4&transport=polling"), "0{"),
        ("/".to_owned(), "<!DOCTYPE html>"),
        (target("EIO=4&transport=eventsource"), ""),
    ] {
        let mut http = Http::open(server.addr).await;
        http.send(format!("GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").as_bytes())
            .await;
        let head = http.head().await;
        assert_eq!((head.status, head.header("connection")), (200, Some("close")), "{target}");
        assert_eq!(head.header("transfer-encoding"), None, "{target}");
        if body.is_empty() {
            // It ends with the session, which nobody serves.
            continue;
        }
        let rest = http.rest().await;
        assert!(rest.starts_with(body.as_bytes()), "{target}");
        let length = head.header("content-length").expect("a length");
        assert_eq!(rest.len().to_string(), length, "{target}");
    }
}
