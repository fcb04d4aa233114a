//! Generation 0.9, byte by byte.

use parlance::engine::Limits;
use parlance::socketio::SocketIo;
use std::time::Duration;

use crate::support::*;

async fn shake(server: &TestServer) -> String {
    let answer = server.get("/socket.io/1/?t=1395000000000").await;
    assert_eq!(answer.status, 200);
    let body = answer.text();
    let fields: Vec<_> = body.split(':').collect();
    assert_eq!(fields.len(), 4, "{body}");
    assert_eq!(fields[0].len(), 20);
    assert_eq!(fields[3], "websocket,htmlfile,xhr-polling,jsonp-polling");
    fields[0].to_owned()
}

fn url(transport: &str, sid: &str) -> String {
    format!("/socket.io/1/{transport}/{sid}?t=1&i=1")
}

/// A session that has fetched its `1::`.
async fn polling(server: &TestServer) -> String {
    let url = url("xhr-polling", &shake(server).await);
    assert_eq!(server.get(&url).await.text(), "1::");
    url
}

async fn websocket(server: &TestServer) -> Ws {
    let mut ws = server.ws(&url("websocket", &shake(server).await)).await;
    ws.expect("1::").await;
    ws
}

/// Several packets in one body, their lengths in UTF-16 units.
fn framed(packets: &[&str]) -> String {
    let frame =
        |packet: &&str| format!("\u{fffd}{}\u{fffd}{packet}", packet.encode_utf16().count());
    packets.iter().map(frame).collect()
}

fn session_of(server: &TestServer, url: &str) -> std::sync::Arc<parlance::engine::Session> {
    let sid = url.split('/').nth(4).unwrap().split('?').next().unwrap();
    server.engine.session(sid).expect("a living session")
}

#[tokio::test]
async fn handshakes() {
    let server = kitchen(quick(25_000, 35_000)).await;
    let origin = "Origin: http://example.com:8080\r\n";
    let plain = server.http().await.request("GET", "/socket.io/1/?t=1", origin, b"").await;
    assert!(plain.text().ends_with(":60:60:websocket,htmlfile,xhr-polling,jsonp-polling"));
    assert_eq!(plain.header("content-type").unwrap(), "text/plain");
    assert_eq!(plain.header("access-control-allow-origin").unwrap(), "http://example.com:8080");
    assert_eq!(plain.header("access-control-allow-credentials").unwrap(), "true");
    let script = server.get("/socket.io/1/?t=1&jsonp=0").await;
    assert_eq!(script.header("content-type").unwrap(), "application/javascript");
    assert!(
        script.text().starts_with("io.j[0](\"") && script.text().ends_with("jsonp-polling\");")
    );
    assert!(
        server
            .get("/socket.io/1/?jsonp=alert")
            .await
            .text()
            .ends_with(":60:60:websocket,htmlfile,xhr-polling,jsonp-polling")
    );
    for path in ["/socket.io/1", "/socket.io/1?x", "/socket.io/1/anything"] {
        assert_eq!(server.get(path).await.text().split(':').count(), 4, "{path}");
    }
    assert_eq!(server.post("/socket.io/1/", "").await.text().split(':').count(), 4);
    let other = server.get("/socket.io/2/").await;
    assert_eq!((other.status, other.text().as_str()), (500, "Protocol version not supported."));
    assert_eq!(server.get("/socket.iox/1/").await.status, 404);
    assert_eq!(server.get("/socket.io/1/a/b/c").await.status, 404);
}

#[tokio::test]
async fn handshakes_under_a_policy() {
    let app = || SocketIo::new(Kitchen, Duration::from_secs(60));
    let server =
        start(calm(), allow("jsonp-polling,websocket,eventsource", &["http://a.example"]), app())
            .await;
    let answer = server.get("/socket.io/1/").await.text();
    assert!(
        answer.ends_with(":jsonp-polling,websocket"),
        "in the operator's order, without what 0.9 has not: {answer}"
    );
    let foreign = "Origin: http://b.example\r\n";
    let refused = server.http().await.request("GET", "/socket.io/1/", foreign, b"").await;
    assert_eq!((refused.status, refused.text().as_str()), (403, "handshake bad origin"));
    let refused = server.http().await.request("GET", "/socket.io/1/?jsonp=3", foreign, b"").await;
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (200, "io.j[3](new Error(\"handshake bad origin\"));")
    );
    let sid = answer.split(':').next().unwrap().to_owned();
    let refused = server.get(&url("xhr-polling", &sid)).await;
    assert_eq!((refused.status, refused.json()["code"].as_i64()), (400, Some(0)));

    let mut policy = everything();
    policy.max_sessions = 1;
    let full = start(calm(), policy, app()).await;
    full.get("/socket.io/1/").await;
    assert_eq!(full.get("/socket.io/1/").await.status, 503, "403 would stop the client for good");
}

#[tokio::test]
async fn a_captured_session_by_polling() {
    let server = kitchen(calm()).await;
    let url = polling(&server).await;
    let post = async |body: &str| {
        let posted = server.post(&url, body).await;
        assert_eq!((posted.status, posted.text().as_str()), (200, "1"));
        assert_eq!(posted.header("content-length").unwrap(), "1");
    };
    post("5:1+::{\"name\":\"echo\",\"args\":[\"hello\",{\"a\":1}]}").await;
    assert_eq!(server.get(&url).await.text(), "6:::1+[\"hello\",{\"a\":1}]");
    post(&framed(&[
        "3:::plain msg",
        "3:2::msg with ack",
        "4:::{\"k\":\"v\"}",
        "5:::{\"name\":\"uni\",\"args\":[\"한😀\"]}",
        "1::/chat",
        "1::/deny",
        "1::/nosuch",
    ]))
    .await;
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
    assert_eq!(server.get(&url).await.text(), framed(&packets));
    post("5:1+:/chat:{\"name\":\"echo\",\"args\":[1]}").await;
    assert_eq!(server.get(&url).await.text(), "6::/chat:1+[1]");
    post("5:::{\"name\":\"ask\",\"args\":[1]}").await;
    assert_eq!(server.get(&url).await.text(), "5:1+::{\"name\":\"question\",\"args\":[1]}");
    post("6:::1+[\"client-ack\",{\"z\":1}]").await;
    assert_eq!(
        server.get(&url).await.text(),
        "5:::{\"name\":\"answer\",\"args\":[\"client-ack\",{\"z\":1}]}"
    );
    post("0::/chat").await;
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
        post(ignored).await;
    }
    post("3:10:/nosuch:x").await;
    assert_eq!(server.get(&url).await.text(), "6::/nosuch:10");
    let poll = server.park(&url);
    let session = session_of(&server, &url);
    until("the poll is held", || session.is_drained()).await;
    post("5:::{\"name\":\"end\"}").await;
    let last = poll.await.unwrap().text();
    assert!(last == "0::" || last.ends_with("\u{fffd}3\u{fffd}0::"), "{last:?}");
}

#[tokio::test]
async fn disconnects() {
    let server = kitchen(calm()).await;
    // By the client, over the open poll.
    let url = polling(&server).await;
    let poll = server.park(&url);
    let session = session_of(&server, &url);
    until("the poll is held", || session.is_drained()).await;
    server.post(&url, "0::").await;
    assert_eq!(poll.await.unwrap().text(), "0::");
    // By URL, with its double slash, known or not.
    let url = polling(&server).await;
    let poll = server.park(&url);
    let session = session_of(&server, &url);
    until("the poll is held", || session.is_drained()).await;
    let gone = server.get(&format!("/socket.io/1//{}/?disconnect=1", session.sid())).await;
    assert_eq!((gone.status, gone.body.len()), (200, 0));
    assert_eq!(poll.await.unwrap().text(), "0::");
    assert_eq!(server.get("/socket.io/1//unknown/?disconnect=1").await.status, 200);
    // By the server, with no poll open: the news waits.
    let url = polling(&server).await;
    server.post(&url, "5:::{\"name\":\"end\"}").await;
    assert!(server.get(&url).await.text().ends_with("0::"));
    until("all are gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn unknown_sids_send_the_client_back_to_the_handshake() {
    let server = kitchen(calm()).await;
    let sid = "AAAAAAAAAAAAAAAAAAAA";
    assert_eq!(server.get(&url("xhr-polling", sid)).await.text(), "7:::1+0");
    assert_eq!(server.get(&url("jsonp-polling", sid)).await.text(), "io.j[1](\"7:::1+0\");");
    let page = server.get(&url("htmlfile", sid)).await.text();
    assert!(page.ends_with("<script>_(\"7:::1+0\");</script>"), "{page}");
    let posted = server.post(&url("xhr-polling", sid), "3:::x").await;
    assert_eq!((posted.status, posted.text().as_str()), (200, "1"));
    let mut ws = server.ws(&url("websocket", sid)).await;
    ws.expect("7:::1+0").await;
    ws.closed().await;
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn websocket_bytes() {
    let server = kitchen(calm()).await;
    let mut ws = websocket(&server).await;
    ws.text("5:1+::{\"name\":\"echo\",\"args\":[\"hello\",{\"a\":1}]}").await;
    ws.expect("6:::1+[\"hello\",{\"a\":1}]").await;
    ws.text("3:1::x").await;
    ws.expect("6:::1").await;
    ws.expect("3:::x").await;
    ws.ping().await;
    assert_eq!(ws.next().await, WsFrame::Pong);
    ws.binary(&[1]).await;
    ws.text("0::").await;
    ws.expect("0::").await;
    ws.closed().await;
    let gone = url("websocket", &shake(&server).await);
    let answer = server.http().await.request("GET", &gone, "", b"").await;
    assert_eq!(answer.status, 400, "no upgrade");
    let wrong = gone.replace("websocket", "xhr-polling");
    assert_eq!(server.http().await.request("GET", &wrong, UPGRADE, b"").await.status, 400);
    assert_eq!(server.get(&gone.replace("websocket", "flashsocket")).await.status, 400);
}

#[tokio::test]
async fn jsonp() {
    let server = kitchen(calm()).await;
    let url = url("jsonp-polling", &shake(&server).await);
    let first = server.get(&url).await;
    assert_eq!(first.header("content-type").unwrap(), "text/javascript; charset=UTF-8");
    assert_eq!(first.text(), "io.j[1](\"1::\");");
    let body = "d=%22%EF%BF%BD13%EF%BF%BD3%3A%3A%3Aplain+msg%EF%BF%BD15%EF%BF%BD3%3A%3A%3Aline1%5Cnline2%EF%BF%BD13%EF%BF%BD4%3A%3A%3A%7B%5C%22k%5C%22%3A%5C%22v%5C%22%7D%22";
    let posted = server.post(&url, body).await;
    assert_eq!((posted.status, posted.text().as_str()), (200, "1"));
    assert_eq!(
        server.get(&url).await.text(),
        "io.j[1](\"\u{fffd}13\u{fffd}3:::plain msg\u{fffd}15\u{fffd}3:::line1\\nline2\u{fffd}13\u{fffd}4:::{\\\"k\\\":\\\"v\\\"}\");"
    );
    server.post(&url, "d=%22%22").await;
    server.post(&url, "d=not+json").await;
    assert_eq!(server.get(&url.replace("i=1", "i=2")).await.text(), "io.j[2](\"7:::1+0\");");
}

#[tokio::test]
async fn htmlfile_streams() {
    let server = kitchen(calm()).await;
    let url = url("htmlfile", &shake(&server).await);
    let mut stream = server.http().await;
    stream.send("GET", &url, "", b"").await;
    let (status, head) = stream.head().await;
    let head = head.to_lowercase();
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/html; charset=utf-8")
            && head.contains("transfer-encoding: chunked")
    );
    assert!(
        head.contains("x-accel-buffering: no")
            && head.contains("cache-control: no-store, no-transform")
    );
    let prelude = String::from_utf8(stream.chunk().await.unwrap()).unwrap();
    assert!(prelude.len() >= 1024);
    assert!(prelude.starts_with(
        "<html><body><script>var _ = function (m) { parent.s._(m,document); };</script>"
    ));
    assert_eq!(stream.chunk().await.unwrap(), b"<script>_(\"1::\");</script>");
    let posted = server
        .post(&url, "5:::{\"name\":\"uni\",\"args\":[\"</script> \\\"q\\\" \\\\ / \\n\"]}")
        .await;
    assert_eq!(posted.text(), "1");
    let chunk = String::from_utf8(stream.chunk().await.unwrap()).unwrap();
    assert_eq!(
        chunk,
        "<script>_(\"5:::{\\\"name\\\":\\\"uni\\\",\\\"args\\\":[\\\"<\\/script> \\\\\\\"q\\\\\\\" \\\\\\\\ \\/ \\\\n\\\"]}\");</script>"
    );
    server.post(&url, "0::").await;
    assert_eq!(stream.chunk().await.unwrap(), b"<script>_(\"0::\");</script>");
    assert_eq!(stream.chunk().await, None);
}

#[tokio::test]
async fn a_stream_that_grew_too_long_sends_the_client_back() {
    let server = kitchen(Limits { stream_bytes: 8 * 1024, ..calm() }).await;
    let url = url("htmlfile", &shake(&server).await);
    let mut stream = server.http().await;
    stream.send("GET", &url, "", b"").await;
    stream.head().await;
    let large = "x".repeat(5000);
    let mut page = String::new();
    for _ in 0..2 {
        server.post(&url, format!("3:::{large}")).await;
    }
    while let Some(chunk) = stream.chunk().await {
        page.push_str(&String::from_utf8(chunk).unwrap());
    }
    assert_eq!(page.matches(&large).count(), 2, "nothing is lost");
    assert!(page.ends_with("<script>_(\"7:::1+0\");</script>"));
}

#[tokio::test]
async fn heartbeats_on_streams_only() {
    let server = kitchen(quick(100, 5000)).await;
    let mut ws = websocket(&server).await;
    for _ in 0..2 {
        ws.expect("2::").await;
        ws.text("2::").await;
    }
    let url = polling(&server).await;
    assert_eq!(server.get(&url).await.text(), "8::", "an idle poll is ended");
    assert_eq!(server.get(&url).await.text(), "8::");
}

#[tokio::test]
async fn silence_ends_sessions() {
    let server = kitchen(quick(50, 50)).await;
    let url = polling(&server).await;
    let mut ws = websocket(&server).await;
    ws.expect("2::").await;
    ws.expect("7:::1+0").await;
    ws.closed().await;
    until("the close timeout has run", || server.engine.session_count() == 0).await;
    assert_eq!(server.get(&url).await.text(), "7:::1+0");
}

#[tokio::test]
async fn the_newest_poll_wins_and_dropped_polls_lose_nothing() {
    let server = kitchen(calm()).await;
    let url = polling(&server).await;
    let session = session_of(&server, &url);
    let old = server.park(&url);
    until("the poll is held", || session.is_drained()).await;
    let new = server.park(&url);
    assert_eq!(old.await.unwrap().text(), "8::");
    server.post(&url, "3:::to the new one").await;
    assert_eq!(new.await.unwrap().text(), "3:::to the new one");

    let mut dropped = server.http().await;
    dropped.send("GET", &url, "", b"").await;
    until("the poll is held", || session.is_drained()).await;
    drop(dropped);
    until("its end was noticed", || !session.is_drained()).await;
    server.post(&url, "3:::kept").await;
    assert_eq!(server.get(&url).await.text(), "3:::kept");
}

#[tokio::test]
async fn another_transport_takes_over_and_is_greeted() {
    let server = kitchen(calm()).await;
    let sid = shake(&server).await;
    // A WebSocket that opened, and of which nothing arrived at the client.
    let mut dead = server.ws(&url("websocket", &sid)).await;
    dead.expect("1::").await;
    server.engine.session(&sid).unwrap();
    let poll = server.get(&url("xhr-polling", &sid)).await;
    assert_eq!(poll.text(), "1::");
    dead.closed().await;
    server.post(&url("xhr-polling", &sid), "3:::x").await;
    assert_eq!(server.get(&url("xhr-polling", &sid)).await.text(), "3:::x");
}

#[tokio::test]
async fn a_post_may_come_before_the_first_poll() {
    let server = kitchen(calm()).await;
    let url = url("xhr-polling", &shake(&server).await);
    server.post(&url, "3:::early").await;
    assert_eq!(server.get(&url).await.text(), "\u{fffd}3\u{fffd}1::\u{fffd}9\u{fffd}3:::early");
}
