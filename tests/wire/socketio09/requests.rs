//! Requests as such: who may read the answers, which bodies are taken, which of two wins
//! (socketio-0.9.md §7-9).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use std::{fs, thread};

use parlance::dialect::Message;

use super::{get, server};
use crate::support::apps::stage;
use crate::support::http::{Header, Http, fetch, request};
use crate::support::server::Setup;
use crate::support::until;
use crate::support::v09::{Session09, framed};
use crate::support::ws::{Frame, UPGRADE, Ws};

#[tokio::test]
async fn upgrades_where_none_is_due_and_the_other_way_round() {
    let server = server().await;
    let session = Session09::open(&server).await;
    assert_eq!(session.get("websocket").await.status, 400, "no upgrade");
    assert_eq!(get(&server, &session.target("xhr-polling"), &UPGRADE).await.status, 400);
    assert_eq!(session.get("flashsocket").await.status, 400);
    let leaves = format!("/socket.io/1//{}/?disconnect", session.sid);
    assert_eq!(get(&server, &leaves, &UPGRADE).await.status, 400);
    assert_eq!(get(&server, "/socket.io/2/websocket/x", &UPGRADE).await.status, 500);
    let without = |name| UPGRADE.into_iter().filter(move |(header, _)| *header != name);
    let version_12 = without("Sec-WebSocket-Version").chain([("Sec-WebSocket-Version", "12")]);
    for headers in [version_12.collect::<Vec<_>>(), without("Sec-WebSocket-Key").collect()] {
        assert_eq!(get(&server, &session.target("websocket"), &headers).await.status, 400);
    }
    // Nothing of this was taken for the session's opening.
    assert_eq!(session.poll().await, "1::");
}

#[tokio::test]
async fn refused_upgrades_are_text_and_the_connection_ends() {
    let origins = &["http://a.example"];
    let server = Setup { transports: "polling", origins, ..Setup::default() };
    let server = server.start_app(stage().0).await;
    let session = Session09::open(&server).await;
    let b = ("Origin", "http://b.example");
    for (transport, headers, message) in [
        ("websocket", vec![], "Transport unknown: transport websocket is not allowed here"),
        ("flashsocket", vec![], "Transport unknown"),
        ("xhr-polling", vec![], "Bad request"),
        ("xhr-polling", vec![b], "Forbidden: origin http://b.example is not allowed here"),
    ] {
        let headers = [&UPGRADE[..], &headers].concat();
        let mut http = Http::open(server.addr).await;
        http.send(&request("GET", &session.target(transport), &headers, b"")).await;
        let answer = http.answer().await;
        assert_eq!(answer.status, 400, "{transport}");
        assert_eq!(answer.header("content-type"), Some("text/html"), "{transport}");
        assert!(answer.text().starts_with(message), "{transport}: {}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "{transport}");
        assert_eq!(http.rest().await, b"", "{transport}");
    }
    assert_eq!(session.poll().await, "1::", "the session does not suffer");
}

#[tokio::test]
async fn pages_of_any_origin_read_every_answer() {
    let server = server().await;
    // The Node client names host and port alone.
    for origin in ["http://example.com:8080", "null", "127.0.0.1:9206"] {
        let headers = [("Origin", origin)];
        let session = Session09::open(&server).await;
        let target = session.target("xhr-polling");
        let disconnect = format!("/socket.io/1//{}/?disconnect=1", session.sid);
        for (method, target, body) in [
            ("GET", "/socket.io/1/?t=1", ""),
            ("GET", target.as_str(), ""),
            ("POST", target.as_str(), "2::"),
            ("GET", session.target("jsonp-polling").as_str(), ""),
            ("GET", "/socket.io/2/", ""),
            ("GET", disconnect.as_str(), ""),
        ] {
            if target.contains("jsonp") {
                session.say("3:::x").await;
            }
            let answer = fetch(server.addr, method, target, &headers, body.as_bytes()).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{target}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        }
        let session = Session09::open(&server).await;
        let headers: Vec<Header<'_>> = [&UPGRADE[..], &headers].concat();
        let (ws, answer) = Ws::attempt(server.addr, &session.target("websocket"), &headers).await;
        assert_eq!(answer.status, 101);
        assert_eq!(ws.expect("a WebSocket").text().await, "1::");
    }
}

#[tokio::test]
async fn bodies_of_any_type_are_text() {
    let server = server().await;
    let session = Session09::polling(&server).await;
    let target = session.target("xhr-polling");
    let chunked = b"4\r\n3:::\r\n3\r\nabc\r\n0\r\n\r\n";
    let whole = b"3:::abc";
    for (header, body) in [
        // Internet Explorer 8 and 9 name none across origins.
        (("Transfer-Encoding", "chunked"), &chunked[..]),
        (("Content-Type", "application/octet-stream"), whole),
        (("Content-Type", "text/plain;charset=UTF-8"), whole),
    ] {
        let answer = fetch(server.addr, "POST", &target, &[header], body).await;
        assert_eq!((answer.status, answer.text()), (200, "1"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(session.poll().await, "3:::abc", "{header:?}");
    }
}

#[tokio::test]
async fn the_newest_poll_wins() {
    let server = server().await;
    let session = Session09::polling(&server).await;
    let mut old = session.park(&server).await;
    let mut new = Http::open(server.addr).await;
    new.send(&request("GET", &session.target("xhr-polling"), &[], b"")).await;
    assert_eq!(old.answer().await.text(), "8::");
    session.say("3:::to the new one").await;
    assert_eq!(new.answer().await.text(), "3:::to the new one");
}

#[tokio::test]
async fn a_dropped_poll_loses_nothing() {
    let server = server().await;
    for (transport, before, after) in
        [("xhr-polling", "3:::", ""), ("jsonp-polling", "io.j[1](\"3:::", "\");")]
    {
        let session = Session09::open(&server).await;
        let inner = server.engine.session(&session.sid).unwrap();
        session.get(transport).await;
        for round in 0..200 {
            let parked = server.hold(&session.sid, &session.target(transport)).await;
            let client = parked.local_addr();
            match round % 3 {
                // After a reset nobody knows what the client had read: it has to be there before the answer.
                0 => {
                    parked.abort();
                    wait_for_reset(server.addr, client);
                }
                _ => drop(parked),
            }
            if round % 2 == 0 {
                until("its end was noticed", || !inner.is_drained()).await;
            }
            // Otherwise the server could only know by asking the system.
            inner.send(Message::Text(round.to_string()));
            let answer = session.get(transport).await;
            assert_eq!(answer.text(), format!("{before}{round}{after}"), "{transport}");
        }
    }
}

/// Returns when the system has the reset of a connection. Meanwhile the server does nothing: it has the same thread.
fn wait_for_reset(server: SocketAddr, client: SocketAddr) {
    let end = |addr: SocketAddr| {
        let IpAddr::V4(ip) = addr.ip() else { panic!("{addr} is of IPv4") };
        format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), addr.port())
    };
    let line = format!(" {} {} ", end(server), end(client));
    let deadline = Instant::now() + Duration::from_secs(10);
    // The table may lack a line while others come and go, but not twice.
    let is_there = || fs::read_to_string("/proc/self/net/tcp").expect("a table").contains(&line);
    while is_there() || is_there() {
        assert!(Instant::now() < deadline, "the connection {line} is there");
        thread::yield_now();
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_comes_again() {
    let server = server().await;
    let session = Session09::polling(&server).await;
    let inner = server.engine.session(&session.sid).unwrap();
    // More than the system takes for a client that does not read.
    let long = "x".repeat(1 << 20);
    let mut parked = Http::narrow(server.addr).await;
    parked.send(&request("GET", &session.target("xhr-polling"), &[], b"")).await;
    until("the poll is held", || inner.is_drained()).await;
    inner.send(Message::Text(long.clone()));
    assert!(inner.held() > 0, "a part of it waits");
    inner.send(Message::Text("later".to_owned()));
    assert_eq!(parked.head().await.status, 200);
    parked.abort();
    until("its end was noticed", || inner.held() > long.len()).await;
    let (long, later) = (format!("3:::{long}"), "3:::later");
    assert!(session.poll().await == framed(&[&long, later]), "both, in order");
}

#[tokio::test]
async fn another_transport_takes_over_and_is_greeted() {
    let server = server().await;
    let session = Session09::open(&server).await;
    // A WebSocket that opened, and on which nothing arrives any more.
    let mut dead = session.websocket().await;
    assert_eq!(session.poll().await, "1::");
    session.say("3:::x").await;
    assert_eq!(session.poll().await, "3:::x");
    // Clients take its end for that of the session, so it is left alone until then.
    dead.ping(b"there?").await;
    assert_eq!(dead.next().await, Frame::Pong(b"there?".to_vec()));
    session.say("0::").await;
    dead.closed().await;
    until("it is gone", || server.engine.task_count() == 0).await;
}

#[tokio::test]
async fn a_post_may_come_before_the_first_poll() {
    let server = server().await;
    let session = Session09::open(&server).await;
    session.say("3:::early").await;
    assert_eq!(session.poll().await, framed(&["1::", "3:::early"]));
}
