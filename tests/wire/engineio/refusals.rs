//! What is answered to requests that cannot be served (engineio.md §5, §10).

use parlance::policy::Caps;

use crate::support::apps::Echo;
use crate::support::http::{Header, Http, request};
use crate::support::packets::Eio;
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{UPGRADE, Ws};

async fn server() -> TestServer {
    Setup::default().start(Echo).await
}

/// Asserts that an upgrade is refused with that text.
async fn assert_no_upgrade(
    server: &TestServer,
    query: &str,
    headers: &[Header<'_>],
    message: &str,
) {
    let (ws, answer) = Ws::attempt(server.addr, &target(query), headers).await;
    assert!(ws.is_none(), "{query}");
    answer.assert_upgrade_error(message);
}

#[tokio::test]
async fn code_0_unknown_transports() {
    let server = server().await;
    for query in [
        "EIO=4",
        "EIO=4&transport=",
        "EIO=4&transport=foo",
        "EIO=4&transport=Polling",
        "EIO=4&transport=webtransport",
        "EIO=4&transport=flashsocket",
        "EIO=4&transport=xhr-polling",
        "EIO=4&transport=__proto__",
        "transport=constructor",
        "",
    ] {
        let answer = server.get(query).await;
        answer.assert_error(400, 0, "Transport unknown");
    }
}

#[tokio::test]
async fn what_is_said_twice_is_not_picked_from() {
    let server = server().await;
    let session = Polls::open(&server, "EIO=4").await;
    let sid = &session.sid;
    for (query, parameter) in [
        ("EIO=4&transport=polling&transport=websocket".to_owned(), "transport"),
        ("EIO=4&transport=polling&transport=polling".to_owned(), "transport"),
        ("EIO=4&transport=polling&%74ransport=websocket".to_owned(), "transport"),
        ("EIO=4&EIO=3&transport=polling".to_owned(), "EIO"),
        (format!("EIO=4&transport=polling&sid={sid}&sid=x"), "sid"),
        (format!("EIO=4&transport=polling&sid=x&sid={sid}"), "sid"),
        ("EIO=3&transport=polling&j=0&j=1".to_owned(), "j"),
        ("EIO=3&transport=polling&b64=1&b64=".to_owned(), "b64"),
        ("EIO=3&transport=polling&t=1-1&t=x".to_owned(), "t"),
        ("EIO=4&transport=polling&client=parlance&client=x".to_owned(), "client"),
    ] {
        let reason = format!("the parameter {parameter} is there more than once");
        for method in ["GET", "POST"] {
            let answer = server.fetch(method, &query, &[], b"").await;
            answer.assert_error(400, 3, "Bad request");
            assert_eq!(answer.json()["reason"], reason, "{method} {query}");
        }
        let (ws, answer) = Ws::attempt(server.addr, &target(&query), &UPGRADE).await;
        assert!(ws.is_none(), "{query}");
        assert_eq!(answer.text(), format!("Bad request: {reason}"), "{query}");
    }
    assert_eq!(server.engine.session_count(), 1);
}

#[tokio::test]
async fn a_handshake_brings_no_more_than_is_kept() {
    let server = server().await;
    for (length, status) in [(2046, 200), (2047, 400), (14_000, 400)] {
        let query = format!("EIO=4&transport=polling&q={}", "a".repeat(length));
        let answer = server.get(&query).await;
        assert_eq!(answer.status, status, "{length}");
        if status == 400 {
            let reason = "the application's part of the query is over 2048 bytes";
            answer.assert_error(400, 3, "Bad request");
            assert_eq!(answer.json()["reason"], reason);
        }
    }
    assert_eq!(server.engine.session_count(), 1);
    // What is no handshake is not kept, and may be as long as heads may be.
    let session = Polls::open(&server, "EIO=4").await;
    let long = format!("{}&q={}", session.target(), "a".repeat(14_000));
    let mut http = Http::open(server.addr).await;
    http.send(&request("POST", &long, &[], b"4x")).await;
    assert_eq!(http.answer().await.status, 200);
}

#[tokio::test]
async fn code_1_unknown_sids() {
    let server = server().await;
    for sid in ["abc", "__proto__", "constructor", "aaaaaaaaaaaaaaaaaaaa", "%00", "%F0%9F%98%80"] {
        for eio in Eio::ALL {
            let query = format!("{}&transport=polling&sid={sid}", eio.query());
            server.get(&query).await.assert_error(400, 1, "Session ID unknown");
            let answer = server.fetch("POST", &query, &[], b"4x").await;
            answer.assert_error(400, 1, "Session ID unknown");
        }
    }
    let long = "a".repeat(4000);
    let answer = server.get(&format!("EIO=4&transport=polling&sid={long}")).await;
    answer.assert_error(400, 1, "Session ID unknown");
    assert_eq!(server.engine.session_count(), 0, "no sid of a client's choice opens a session");
}

#[tokio::test]
async fn code_2_handshakes_that_are_no_get() {
    let server = server().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "FOO"] {
        let answer = server.fetch(method, "EIO=4&transport=polling", &[], b"").await;
        answer.assert_error(400, 2, "Bad handshake method");
    }
    let answer = server.fetch("HEAD", "EIO=4&transport=polling", &[], b"").await;
    assert_eq!((answer.status, &answer.body[..]), (400, &b""[..]));
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn code_3_a_websocket_without_upgrade() {
    let server = server().await;
    server.get("EIO=4&transport=websocket").await.assert_error(400, 3, "Bad request");
    let session = Polls::open(&server, "EIO=4").await;
    let query = format!("EIO=4&transport=websocket&sid={}", session.sid);
    server.get(&query).await.assert_error(400, 3, "Bad request");
}

#[tokio::test]
async fn code_3_the_wrong_transport_for_a_sid() {
    let server = server().await;
    let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    let open = crate::support::polls::read_open(&ws.text().await.as_str().into());
    let query = format!("EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    server.get(&query).await.assert_error(400, 3, "Bad request");
    server.fetch("POST", &query, &[], b"4x").await.assert_error(400, 3, "Bad request");
    ws.send("4still here").await;
    assert_eq!(ws.text().await, "4still here");
}

#[tokio::test]
async fn code_4_forbidden_origins() {
    let origins = &["https://good.example"];
    let server = Setup { origins, ..Setup::default() }.start(Echo).await;
    let fetch = |origin: &'static str| {
        let headers = [("Origin", origin)];
        let server = &server;
        async move { server.fetch("GET", "EIO=4&transport=polling", &headers, b"").await }
    };
    assert_eq!(fetch("https://good.example").await.status, 200);
    for origin in ["https://bad.example", "http://good.example", "null", "https://good.example.bad"]
    {
        fetch(origin).await.assert_error(403, 4, "Forbidden");
    }
    // As an upgrade, it is 400 with the text.
    let headers = [&UPGRADE[..], &[("Origin", "https://bad.example")]].concat();
    let why = "Forbidden: origin https://bad.example is not allowed here; allowed transports: \
        websocket, eventsource, htmlfile, xhr-polling, jsonp-polling";
    assert_no_upgrade(&server, "EIO=4&transport=websocket", &headers, why).await;
    assert_eq!(server.engine.session_count(), 1);
}

#[tokio::test]
async fn code_4_an_origin_that_is_no_ascii_is_none_that_is_allowed() {
    let origins = &["https://good.example"];
    let server = Setup { origins, ..Setup::default() }.start(Echo).await;
    let head = request(
        "GET",
        &target("EIO=4&transport=polling"),
        &[("Origin", "https://b@d.example")],
        b"",
    );
    // Latin-1, which is legal in a header and no UTF-8.
    let head: Vec<u8> = head.into_iter().map(|b| if b == b'@' { 0xe4 } else { b }).collect();
    let mut http = Http::open(server.addr).await;
    http.send(&head).await;
    http.answer().await.assert_error(403, 4, "Forbidden");
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn code_5_unknown_protocols() {
    let server = server().await;
    for query in ["EIO=1", "EIO=5", "EIO=33", "EIO=abc", "EIO=-4", "EIO=4.0", "EIO=__proto__"] {
        let answer = server.get(&format!("{query}&transport=polling")).await;
        answer.assert_error(400, 5, "Unsupported protocol version");
    }
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn upgrades_are_refused_in_plain_words() {
    let server = server().await;
    let without = |name: &str| -> Vec<Header<'static>> {
        UPGRADE.into_iter().filter(|(n, _)| *n != name).collect()
    };
    let with = |name: &str, value: &'static str| -> Vec<Header<'static>> {
        UPGRADE.into_iter().map(|(n, v)| (n, if n == name { value } else { v })).collect()
    };
    let direct = "EIO=4&transport=websocket";
    // Vector 15.
    assert_no_upgrade(&server, "EIO=4&transport=foo", &UPGRADE, "Transport unknown").await;
    assert_no_upgrade(&server, "EIO=4", &UPGRADE, "Transport unknown").await;
    assert_no_upgrade(&server, "EIO=4&transport=websocket&sid=abc", &UPGRADE, "Session ID unknown")
        .await;
    assert_no_upgrade(
        &server,
        "EIO=4&transport=websocket&sid=__proto__",
        &UPGRADE,
        "Session ID unknown",
    )
    .await;
    assert_no_upgrade(
        &server,
        "EIO=5&transport=websocket",
        &UPGRADE,
        "Unsupported protocol version",
    )
    .await;
    for (headers, why) in [
        (without("Sec-WebSocket-Key"), "Sec-WebSocket-Key is missing"),
        (without("Sec-WebSocket-Version"), "only WebSocket version 13 is spoken"),
        (with("Sec-WebSocket-Version", "8"), "only WebSocket version 13 is spoken"),
        (with("Connection", "keep-alive"), "no WebSocket upgrade: Connection says otherwise"),
        (with("Upgrade", "h2c"), "no WebSocket upgrade: the Upgrade header is missing"),
    ] {
        assert_no_upgrade(&server, direct, &headers, &format!("Bad request: {why}")).await;
    }
    assert_eq!(server.engine.session_count(), 0);
    server.assert_well().await;
}

#[tokio::test]
async fn a_refused_upgrade_does_not_open_what_it_came_for() {
    // Only polling is allowed: the offer is empty, and an upgrade in spite of it is refused.
    let server = Setup { transports: "polling", ..Setup::default() }.start(Echo).await;
    let why = "Transport unknown: transport websocket is not allowed here; allowed: xhr-polling, \
        jsonp-polling";
    assert_no_upgrade(&server, "EIO=4&transport=websocket", &UPGRADE, why).await;
    let mut session = Polls::open(&server, "EIO=4").await;
    let (ws, answer) = Ws::attempt(server.addr, &session.upgrade_target(), &UPGRADE).await;
    assert!(ws.is_none());
    answer.assert_upgrade_error(why);
    session.say("4a").await;
    assert_eq!(session.texts().await, ["4a"]);
}

#[tokio::test]
async fn the_list_of_transports_binds_every_request() {
    let server = Setup { transports: "websocket", ..Setup::default() }.start(Echo).await;
    server.get("EIO=4&transport=polling").await.assert_error(400, 0, "Transport unknown");
    server.get("EIO=3&transport=polling&j=0").await.assert_error(400, 0, "Transport unknown");
    Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;

    let server = Setup { transports: "xhr-polling", ..Setup::default() }.start(Echo).await;
    let session = Polls::open(&server, "EIO=3").await;
    let answer = server.get(&format!("EIO=3&transport=polling&j=0&sid={}", session.sid)).await;
    answer.assert_error(400, 0, "Transport unknown");
    // An error says what there is.
    let error = answer.json();
    assert_eq!(error["allowed"], serde_json::json!(["xhr-polling"]));
    let reason = "transport jsonp-polling is not allowed here; allowed: xhr-polling";
    assert_eq!(error["reason"], reason);
}

#[tokio::test]
async fn other_methods_on_a_live_sid() {
    let server = server().await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, eio.query()).await;
        for method in ["PUT", "DELETE", "PATCH", "FOO", "HEAD"] {
            let query = format!("{}&transport=polling&sid={}", eio.query(), session.sid);
            let answer = server.fetch(method, &query, &[], b"").await;
            assert_eq!((answer.status, &answer.body[..]), (500, &b""[..]), "{method}");
        }
        session.say("4unimpressed").await;
        assert_eq!(session.texts().await, ["4unimpressed"]);
    }
}

#[tokio::test]
async fn one_session_too_many() {
    let server = Setup { caps: Caps { sessions: 2, ..Caps::default() }, ..Setup::default() }
        .start(Echo)
        .await;
    let mut first = Polls::open(&server, "EIO=4").await;
    Polls::open(&server, "EIO=3").await;
    let answer = server.get("EIO=4&transport=polling").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let (ws, answer) =
        Ws::attempt(server.addr, &target("EIO=4&transport=websocket"), &UPGRADE).await;
    assert!(ws.is_none());
    assert_eq!(answer.status, 503);
    // Who is in stays in, upgrades included; who leaves makes room.
    first.say("4a").await;
    assert_eq!(first.texts().await, ["4a"]);
    first.upgrade(&server).await.close().await;
    let room = async { while server.get("EIO=4&transport=polling").await.status != 200 {} };
    crate::support::soon("there is room", room).await;
}
