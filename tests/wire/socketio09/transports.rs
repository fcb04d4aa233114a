//! The transports but for xhr-polling, which all other tests use (socketio-0.9.md §8).

use parlance::engine::Limits;

use super::{chunk, get, htmlfile, server};
use crate::support::apps::stage;
use crate::support::server::Setup;
use crate::support::v09::{Session09, unknown_sid};
use crate::support::ws::{Frame, Ws};

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
    // Up to 0.8.5 the field was the payload itself.
    session.post("jsonp-polling", "d=5%3A%3A%3A%7B%22name%22%3A%22a%22%7D").await;
    let answer = get(&server, &second, &[]).await;
    assert_eq!(answer.text(), "io.j[2](\"5:::{\\\"name\\\":\\\"a\\\"}\");");
    // Half a string is taken, and ends the session.
    session.post("jsonp-polling", "d=%22not+json").await;
    let gone = format!("io.j[2](\"{}\");", unknown_sid());
    assert_eq!(get(&server, &second, &[]).await.text(), gone);
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

#[tokio::test]
async fn of_connections_that_were_given_up_the_newest_stays_and_may_say_little() {
    let server = Setup::default().start_app(stage().0).await;
    let session = Session09::open(&server).await;
    let mut first = session.websocket().await;
    // Who comes again by the same transport is not greeted.
    let mut second = Ws::open(server.addr, &session.target("websocket")).await;
    second.send("2::").await;
    // The second took over; a third gives up the second, and the first goes.
    let mut third = Ws::open(server.addr, &session.target("websocket")).await;
    assert!(matches!(first.next().await, Frame::Close(_) | Frame::End));
    third.send("5:1+::{\"name\":\"echo\"}").await;
    assert!(third.text().await.starts_with("6:::1"));
    // What the second still says is read to nothing, if it is little.
    second.send(&"x".repeat(2000)).await;
    assert!(matches!(second.next().await, Frame::Close(_) | Frame::End));
    assert!(server.engine.session(&session.sid).is_some());
}
