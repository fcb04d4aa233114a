//! Bounds on what clients may send (engineio.md §10), and on how long they may take.

use std::time::Duration;

use futures::future::join_all;
use parlance::engine::Limits;
use parlance::server::HttpLimits;

use crate::support::apps::{Echo, tap};
use crate::support::http::{Header, Http, request};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, target};
use crate::support::until;

#[tokio::test]
async fn a_post_over_the_bound_is_413_and_the_session_survives() {
    let limits = Limits { max_payload: 5000, ..Limits::default() };
    let (tap, mut heard) = tap();
    let server = Setup::limits(limits).start(tap).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        let framing = eio.framed(&"x".repeat(4990)).len() - 4990;
        let fits = "x".repeat(5000 - framing - 1);
        session.post(eio.framed(&format!("4{fits}"))).await.assert_ok();
        assert_eq!(heard.text().await, fits, "{eio:?}");
        let answer = session.post(eio.framed(&format!("4{fits}x"))).await;
        assert_eq!(answer.status, 413);
        let query = format!("{}&transport=polling&sid={}", eio.query(), session.sid);
        // The same without a length in the headers.
        let chunk = format!("1400\r\n{}\r\n0\r\n\r\n", "4".repeat(0x1400));
        let chunked = [("Transfer-Encoding", "chunked")];
        let answer = server.fetch("POST", &query, &chunked, chunk.as_bytes()).await;
        assert_eq!(answer.status, 413);
        let whole = eio.framed(&format!("4{fits}"));
        let chunk = format!("{:x}\r\n{whole}\r\n0\r\n\r\n", whole.len());
        server.fetch("POST", &query, &chunked, chunk.as_bytes()).await.assert_ok();
        assert_eq!(heard.text().await, fits, "{eio:?}, in a chunk");
        let parked = session.park(&server).await;
        session.say("4alive").await;
        assert_eq!(heard.text().await, "alive");
        drop(parked);
        heard.closed().await;
    }
}

/// However its end is told, what is here of a body counts for its session until it is whole, or given up.
#[tokio::test]
async fn what_has_come_of_a_body_counts() {
    const LONG: usize = 400_000;
    let server = Setup::default().start(Echo).await;
    for (header, before, after) in [
        (("Content-Length", "400001"), "", ""),
        (("Transfer-Encoding", "chunked"), "61a81\r\n", "\r\n0\r\n\r\n"),
    ] {
        for whole in [true, false] {
            let session = Polls::open(&server, "EIO=4").await;
            let inner = server.engine.session(&session.sid).expect("a session");
            let mut http = Http::open(server.addr).await;
            let begun = format!("{before}4{}", "x".repeat(LONG - 1));
            http.send(&request("POST", &session.target(), &[header], begun.as_bytes())).await;
            until("it counts", || inner.held() >= LONG).await;
            if whole {
                http.send(format!("x{after}").as_bytes()).await;
                http.answer().await.assert_ok();
                // The echo waits for its poll.
                until("that it counts no more", || inner.held() < LONG + 1000).await;
            } else {
                http.abort();
                until("that it counts no more", || inner.held() == 0).await;
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_waited_for() {
    let server = Setup::default().start(Echo).await;
    let session = Polls::open(&server, "EIO=4").await;
    let mut http = Http::open(server.addr).await;
    let endless = [("Content-Length", "99999999999")];
    http.send(&request("POST", &session.target(), &endless, b"4a")).await;
    assert_eq!(http.answer().await.status, 413);
}

#[tokio::test]
async fn too_many_headers() {
    let server = Setup::default().start(Echo).await;
    // With `Host` and `Content-Length`, one more than there may be.
    let headers: Vec<Header<'_>> = vec![("X-More", "x"); 64];
    let answer = server.fetch("GET", "EIO=4&transport=polling", &headers, b"").await;
    assert_eq!(answer.status, 431);
    let headers: Vec<Header<'_>> = vec![("X-More", "x"); 60];
    let answer = server.fetch("GET", "EIO=4&transport=polling", &headers, b"").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn headers_that_are_too_long() {
    let server = Setup::default().start(Echo).await;
    let long = "x".repeat(20 * 1024);
    let mut http = Http::open(server.addr).await;
    http.send_perhaps(&request(
        "GET",
        &target("EIO=4&transport=polling"),
        &[("Cookie", &long)],
        b"",
    ))
    .await;
    assert_eq!(http.answer().await.status, 431);
    let mut http = Http::open(server.addr).await;
    http.send_perhaps(&request(
        "GET",
        &target(&format!("EIO=4&transport=polling&x={long}")),
        &[],
        b"",
    ))
    .await;
    let status = http.answer().await.status;
    assert!(matches!(status, 414 | 431), "{status}");
    assert_eq!(server.engine.session_count(), 0);
    server.assert_well().await;
}

#[tokio::test]
async fn headers_that_do_not_come() {
    let http = HttpLimits { header_timeout: Duration::from_secs(2), ..HttpLimits::default() };
    let server = Setup { http, ..Setup::default() }.start(Echo).await;
    // Not a byte, half a line, and half of the headers.
    let beginnings = [
        &b""[..],
        b"GET /socket",
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX-",
    ];
    let ends = beginnings.map(async |bytes| {
        let mut http = Http::open(server.addr).await;
        http.send(bytes).await;
        // Perhaps a 408 first; in any case the end.
        http.rest().await;
    });
    join_all(ends).await;
    // A poll that is held is not meant.
    let session = Polls::open(&server, "EIO=4").await;
    let parked = session.park(&server).await;
    let mut idle = Http::open(server.addr).await;
    idle.rest().await;
    let query = format!("EIO=4&transport=polling&sid={}", session.sid);
    server.fetch("POST", &query, &[], b"4a").await.assert_ok();
    assert_eq!(parked.packets().await, ["4a".into()]);
}

#[tokio::test]
async fn a_body_that_does_not_come() {
    let http = HttpLimits { body_timeout: Duration::from_millis(300), ..HttpLimits::default() };
    let server = Setup { http, ..Setup::default() }.start(Echo).await;
    let session = Polls::open(&server, "EIO=4").await;
    let mut http = Http::open(server.addr).await;
    http.send(&request("POST", &session.target(), &[("Content-Length", "10")], b"4a")).await;
    assert_eq!(http.answer().await.status, 408);
    // The session may go on: nothing of that was taken, and another POST is no overlap.
    let query = format!("EIO=4&transport=polling&sid={}", session.sid);
    server.fetch("POST", &query, &[], b"4b").await.assert_ok();
    assert_eq!(server.get(&query).await.text(), "4b");
}
