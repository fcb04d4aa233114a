//! Generation 0.9, byte by byte (reference: socketio-0.9.md).

use std::time::Duration;

use parlance::dialect::Packet;
use parlance::dialect::socketio09::SocketIo09;
use parlance::engine::{CloseReason, Drained, Engine, Limits};
use parlance::policy::Caps;
use tokio::time::{Instant, sleep};

use crate::support::apps::{stage, tap};
use crate::support::http::{Answer, Header, Http, fetch, request};
use crate::support::server::{Setup, TestServer};
use crate::support::session::{POLLING, SOCKET, next, open, poll};
use crate::support::until;
use crate::support::v09::Session09;
use crate::support::ws::{Frame, UPGRADE, Ws};

async fn server() -> TestServer {
    Setup::default().start_app(stage().0).await
}

/// Several packets in one body, their lengths in UTF-16 units.
fn framed(packets: &[&str]) -> String {
    let frame =
        |packet: &&str| format!("\u{fffd}{}\u{fffd}{packet}", packet.encode_utf16().count());
    packets.iter().map(frame).collect()
}

async fn get(server: &TestServer, target: &str, headers: &[Header<'_>]) -> Answer {
    fetch(server.addr, "GET", target, headers, b"").await
}

#[tokio::test]
async fn handshakes() {
    let limits = Limits {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(35),
        ..Limits::default()
    };
    let server = Setup::limits(limits).start_app(stage().0).await;
    let all = ":60:60:websocket,htmlfile,xhr-polling,jsonp-polling";
    let origin = ("Origin", "http://example.com:8080");
    let plain = get(&server, "/socket.io/1/?t=1", &[origin]).await;
    assert!(plain.text().ends_with(all), "{}", plain.text());
    assert_eq!(plain.header("content-type"), Some("text/plain"));
    assert_eq!(plain.header("access-control-allow-origin"), Some(origin.1));
    assert_eq!(plain.header("access-control-allow-credentials"), Some("true"));
    let script = get(&server, "/socket.io/1/?t=1&jsonp=0", &[]).await;
    assert_eq!(script.header("content-type"), Some("application/javascript"));
    let script = script.text();
    assert!(script.starts_with("io.j[0](\"") && script.ends_with("jsonp-polling\");"), "{script}");
    let no_index = get(&server, "/socket.io/1/?jsonp=alert", &[]).await;
    assert!(no_index.text().ends_with(all), "{}", no_index.text());
    for path in ["/socket.io/1", "/socket.io/1?x", "/socket.io/1/anything"] {
        assert_eq!(get(&server, path, &[]).await.text().split(':').count(), 4, "{path}");
    }
    let posted = fetch(server.addr, "POST", "/socket.io/1/", &[], b"").await;
    assert_eq!(posted.text().split(':').count(), 4);
    let other = get(&server, "/socket.io/2/", &[]).await;
    assert_eq!((other.status, other.text()), (500, "Protocol version not supported."));
    assert_eq!(get(&server, "/socket.iox/1/", &[]).await.status, 404);
    assert_eq!(get(&server, "/socket.io/1/a/b/c", &[]).await.status, 404);
}

#[tokio::test]
async fn handshakes_under_a_policy() {
    let transports = "jsonp-polling,websocket,eventsource";
    let setup = Setup { transports, origins: &["http://a.example"], ..Setup::default() };
    let server = setup.start_app(stage().0).await;
    let answer = get(&server, "/socket.io/1/", &[]).await;
    // In the operator's order, without what 0.9 has not.
    assert!(answer.text().ends_with(":jsonp-polling,websocket"), "{}", answer.text());
    let foreign = [("Origin", "http://b.example")];
    let refused = get(&server, "/socket.io/1/", &foreign).await;
    let why = "handshake bad origin: origin http://b.example is not allowed here; allowed transports: \
        jsonp-polling, websocket, eventsource";
    assert_eq!((refused.status, refused.text()), (403, why));
    let refused = get(&server, "/socket.io/1/?jsonp=3", &foreign).await;
    let told = format!("io.j[3](new Error(\"{}\"));", why.replace('/', "\\/"));
    assert_eq!((refused.status, refused.text()), (200, told.as_str()));
    let session = Session09::open(&server).await;
    session.get("xhr-polling").await.assert_error(400, 0, "Transport unknown");

    let full = Setup { caps: Caps { sessions: 1, ..Caps::default() }, ..Setup::default() }
        .start_app(stage().0)
        .await;
    Session09::open(&full).await;
    let refused = get(&full, "/socket.io/1/", &[]).await;
    assert_eq!(refused.status, 503, "403 would stop the client for good");

    let modern = Setup { transports: "eventsource", ..Setup::default() }.start_app(stage().0).await;
    let refused = get(&modern, "/socket.io/1/", &[]).await;
    let why =
        "handshake error: transport of generation 0.9 is not allowed here; allowed: eventsource";
    assert_eq!((refused.status, refused.text()), (503, why));
    assert_eq!(modern.gate.census().refusals().next(), Some(("transport", 1)));
    assert_eq!(modern.engine.session_count(), 0);
}

#[tokio::test]
async fn a_captured_session_by_polling() {
    let server = server().await;
    let session = Session09::polling(&server).await;
    session.say("5:1+::{\"name\":\"echo\",\"args\":[\"hello\",{\"a\":1}]}").await;
    assert_eq!(session.poll().await, "6:::1+[\"hello\",{\"a\":1}]");
    let packets = [
        "3:::plain msg",
        "3:2::msg with ack",
        "4:::{\"k\":\"v\"}",
        "5:::{\"name\":\"uni\",\"args\":[\"한😀\"]}",
        "1::/chat",
        "1::/deny",
        "1::/nosuch",
    ];
    session.say(&framed(&packets)).await;
    let packets = [
        "3:::plain msg",
        "6:::2",
        "3:::msg with ack",
        "4:::{\"k\":\"v\"}",
        "5:::{\"name\":\"uni\",\"args\":[\"\\ud55c\\ud83d\\ude00\"]}",
        "1::/chat",
        "7::/deny:2",
        "7::/nosuch:2",
    ];
    assert_eq!(session.poll().await, framed(&packets));
    session.say("5:1+:/chat:{\"name\":\"echo\",\"args\":[1]}").await;
    assert_eq!(session.poll().await, "6::/chat:1+[1]");
    session.say("5:::{\"name\":\"ask\",\"args\":[1]}").await;
    assert_eq!(session.poll().await, "5:1+::{\"name\":\"question\",\"args\":[1]}");
    session.say("6:::1+[\"client-ack\",{\"z\":1}]").await;
    let answer = "5:::{\"name\":\"answer\",\"args\":[\"client-ack\",{\"z\":1}]}";
    assert_eq!(session.poll().await, answer);
    session.say("0::/chat").await;
    // Bad content is never answered, nor fatal.
    for ignored in [
        "",
        "hello",
        "9:::x",
        "5:::nope",
        "6:::abc",
        "5::/nosuch:{\"name\":\"x\"}",
        "\u{fffd}",
        "\u{fffd}x\u{fffd}3:::a",
        "5:::{\"name\":\"disconnect\"}",
    ] {
        session.say(ignored).await;
    }
    session.say("3:10:/nosuch:x").await;
    assert_eq!(session.poll().await, "6::/nosuch:10");
}

#[tokio::test]
async fn the_client_leaves() {
    let server = server().await;
    // Over the open poll.
    let session = Session09::polling(&server).await;
    let mut parked = session.park(&server).await;
    session.say("0::").await;
    assert_eq!(parked.answer().await.text(), "0::");
    // By URL, known or not.
    let session = Session09::polling(&server).await;
    let mut parked = session.park(&server).await;
    for _ in 0..2 {
        let gone = session.leave().await;
        assert_eq!((gone.status, gone.body.len()), (200, 0));
    }
    assert_eq!(parked.answer().await.text(), "0::");
    until("all are gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn the_server_ends_the_connection() {
    let server = server().await;
    let ended = |body: &str| body == "0::" || body.ends_with("\u{fffd}3\u{fffd}0::");
    let session = Session09::polling(&server).await;
    let mut parked = session.park(&server).await;
    session.say("5:::{\"name\":\"kick me\"}").await;
    let told = parked.answer().await;
    assert!(ended(told.text()), "{}", told.text());
    // With no poll open, the news waits.
    let session = Session09::polling(&server).await;
    session.say("5:::{\"name\":\"kick me\"}").await;
    let told = session.poll().await;
    assert!(ended(&told), "{told}");
    until("all are gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn unknown_sids_send_the_client_back_to_the_handshake() {
    let server = server().await;
    let session = Session09::named(&server, "AAAAAAAAAAAAAAAAAAAA");
    assert_eq!(session.poll().await, "7:::1+0");
    assert_eq!(session.get("jsonp-polling").await.text(), "io.j[1](\"7:::1+0\");");
    let page = session.get("htmlfile").await;
    assert!(page.text().ends_with("<script>_(\"7:::1+0\");</script>"), "{}", page.text());
    session.say("3:::x").await;
    let mut ws = Ws::open(server.addr, &session.target("websocket")).await;
    assert_eq!(ws.text().await, "7:::1+0");
    ws.closed().await;
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn websocket_bytes() {
    let server = server().await;
    let mut ws = Session09::open(&server).await.websocket().await;
    ws.send("5:1+::{\"name\":\"echo\",\"args\":[\"hello\",{\"a\":1}]}").await;
    assert_eq!(ws.text().await, "6:::1+[\"hello\",{\"a\":1}]");
    ws.send("3:1::x").await;
    assert_eq!(ws.text().await, "6:::1");
    assert_eq!(ws.text().await, "3:::x");
    ws.ping(b"").await;
    assert_eq!(ws.next().await, Frame::Pong(vec![]));
    ws.send_binary(&[1]).await;
    ws.send("0::").await;
    assert_eq!(ws.text().await, "0::");
    ws.closed().await;
}

#[tokio::test]
async fn upgrades_where_none_is_due_and_the_other_way_round() {
    let server = server().await;
    let session = Session09::open(&server).await;
    assert_eq!(session.get("websocket").await.status, 400, "no upgrade");
    assert_eq!(get(&server, &session.target("xhr-polling"), &UPGRADE).await.status, 400);
    assert_eq!(session.get("flashsocket").await.status, 400);
}

#[tokio::test]
async fn jsonp() {
    let server = server().await;
    let session = Session09::open(&server).await;
    let first = session.get("jsonp-polling").await;
    assert_eq!(first.header("content-type"), Some("text/javascript; charset=UTF-8"));
    assert_eq!(first.text(), "io.j[1](\"1::\");");
    let body = "d=%22%EF%BF%BD13%EF%BF%BD3%3A%3A%3Aplain+msg%EF%BF%BD15%EF%BF%BD3%3A%3A%3Aline1%5Cnline2%EF%BF%BD13%EF%BF%BD4%3A%3A%3A%7B%5C%22k%5C%22%3A%5C%22v%5C%22%7D%22";
    session.post("jsonp-polling", body).await;
    assert_eq!(
        session.get("jsonp-polling").await.text(),
        "io.j[1](\"\u{fffd}13\u{fffd}3:::plain msg\u{fffd}15\u{fffd}3:::line1\\nline2\u{fffd}13\u{fffd}4:::{\\\"k\\\":\\\"v\\\"}\");"
    );
    session.post("jsonp-polling", "d=%22%22").await;
    session.post("jsonp-polling", "d=%223%3A%3A%3Aon%22").await;
    let second = session.target("jsonp-polling").replace("i=1", "i=2");
    assert_eq!(get(&server, &second, &[]).await.text(), "io.j[2](\"3:::on\");");
    // What is no form at all is taken, and ends the session.
    session.post("jsonp-polling", "d=not+json").await;
    assert_eq!(get(&server, &second, &[]).await.text(), "io.j[2](\"7:::1+0\");");
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

#[tokio::test]
async fn htmlfile_streams() {
    let server = server().await;
    let session = Session09::open(&server).await;
    let mut stream = htmlfile(&server, &session).await;
    assert_eq!(chunk(&mut stream).await, "<script>_(\"1::\");</script>");
    let event = "5:::{\"name\":\"uni\",\"args\":[\"</script> \\\"q\\\" \\\\ / \\n\"]}";
    session.post("htmlfile", event).await;
    assert_eq!(
        chunk(&mut stream).await,
        "<script>_(\"5:::{\\\"name\\\":\\\"uni\\\",\\\"args\\\":[\\\"<\\/script> \\\\\\\"q\\\\\\\" \\\\\\\\ \\/ \\\\n\\\"]}\");</script>"
    );
    session.post("htmlfile", "0::").await;
    assert_eq!(chunk(&mut stream).await, "<script>_(\"0::\");</script>");
    assert_eq!(stream.chunk().await, None);
}

#[tokio::test]
async fn a_stream_that_grew_too_long_sends_the_client_back() {
    let limits = Limits { stream_bytes: 8 * 1024, ..Limits::default() };
    let server = Setup::limits(limits).start_app(stage().0).await;
    let session = Session09::open(&server).await;
    let mut stream = htmlfile(&server, &session).await;
    let large = "x".repeat(5000);
    for _ in 0..2 {
        session.post("htmlfile", &format!("3:::{large}")).await;
    }
    let mut page = String::new();
    while let Some(chunk) = stream.chunk().await {
        page.push_str(&String::from_utf8(chunk).unwrap());
    }
    assert_eq!(page.matches(&large).count(), 2, "nothing is lost");
    assert!(page.ends_with("<script>_(\"7:::1+0\");</script>"));
}

/// Times of a heartbeat, without sockets, where the clock is ours.
fn limits() -> Limits {
    Limits {
        ping_interval: Duration::from_millis(1000),
        ping_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_a_stream() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(limits(), tap);
    let session = open(&engine, &SocketIo09, &SOCKET).await;
    let mut drain = session.attach(&SOCKET).unwrap();
    assert_eq!(next(&mut drain).await.0, ["1::"]);
    let start = Instant::now();
    for _ in 0..2 {
        assert_eq!(next(&mut drain).await.0, ["2::"]);
        session.submit(&SOCKET, [Packet::Pong { probe: false }]).await.unwrap();
    }
    assert_eq!(next(&mut drain).await.0, ["2::"]);
    assert_eq!(start.elapsed().as_millis(), 3000);
    assert_eq!(next(&mut drain).await.1, Drained::Closed(CloseReason::PingTimeout));
    assert_eq!(start.elapsed().as_millis(), 3500);
    assert_eq!(heard.closed().await, CloseReason::PingTimeout);
}

#[tokio::test(start_paused = true)]
async fn who_polls_lives_and_who_stops_does_not() {
    let (tap, mut heard) = tap();
    let engine = Engine::new(limits(), tap);
    let session = open(&engine, &SocketIo09, &POLLING).await;
    assert_eq!(poll(&session).await.0, ["1::"]);
    // A poll that is held is life enough.
    let parked = session.attach(&POLLING).unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(session.is_open());
    parked.finish();
    let start = Instant::now();
    assert_eq!(heard.closed().await, CloseReason::PingTimeout);
    assert_eq!(start.elapsed().as_millis(), 1500);
}

#[tokio::test]
async fn an_idle_poll_is_ended_with_a_noop() {
    let ping_interval = Duration::from_millis(50);
    let limits =
        Limits { ping_interval, ping_timeout: Duration::from_secs(60), ..Limits::default() };
    let server = Setup::limits(limits).start_app(stage().0).await;
    let session = Session09::polling(&server).await;
    for _ in 0..2 {
        assert_eq!(session.poll().await, "8::");
    }
    let mut ws = Session09::open(&server).await.websocket().await;
    assert_eq!(ws.text().await, "2::", "a stream has heartbeats instead");
}

#[tokio::test]
async fn a_session_that_is_lost_sends_the_client_back() {
    let server = server().await;
    let session = Session09::polling(&server).await;
    let mut ws = Session09::open(&server).await.websocket().await;
    for session in server.engine.sessions() {
        session.close(CloseReason::PingTimeout);
    }
    assert_eq!(ws.text().await, "7:::1+0");
    ws.closed().await;
    until("all are gone", || server.engine.session_count() == 0).await;
    assert_eq!(session.poll().await, "7:::1+0");
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
    let session = Session09::polling(&server).await;
    let inner = server.engine.session(&session.sid).unwrap();
    drop(session.park(&server).await);
    until("its end was noticed", || !inner.is_drained()).await;
    session.say("3:::kept").await;
    assert_eq!(session.poll().await, "3:::kept");
}

#[tokio::test]
async fn another_transport_takes_over_and_is_greeted() {
    let server = server().await;
    let session = Session09::open(&server).await;
    // A WebSocket that opened, and on which nothing arrives any more.
    let mut dead = session.websocket().await;
    assert_eq!(session.poll().await, "1::");
    dead.closed().await;
    session.say("3:::x").await;
    assert_eq!(session.poll().await, "3:::x");
}

#[tokio::test]
async fn a_post_may_come_before_the_first_poll() {
    let server = server().await;
    let session = Session09::open(&server).await;
    session.say("3:::early").await;
    assert_eq!(session.poll().await, framed(&["1::", "3:::early"]));
}
