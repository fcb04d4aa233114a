//! What is said in a session, and its ends (socketio-0.9.md §5-7, §16).

use parlance::engine::CloseReason;

use super::{chunk, htmlfile, server};
use crate::support::apps::stage;
use crate::support::server::Setup;
use crate::support::until;
use crate::support::v09::{Session09, framed, unknown_sid};

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
    const KICK: &str = "5:::{\"name\":\"kick me\"}";
    let (app, mut exits) = stage();
    let server = Setup::default().start_app(app).await;
    let session = Session09::polling(&server).await;
    let mut parked = session.park(&server).await;
    session.say(KICK).await;
    assert_eq!(parked.answer().await.text(), "0::");
    assert_eq!(exits.next().await.1, "server namespace disconnect");
    // With no poll open, the news waits, and what was said before goes with it.
    let session = Session09::polling(&server).await;
    session.say(&framed(&["1::/chat", "3:::before", KICK])).await;
    assert_eq!(session.poll().await, framed(&["1::/chat", "3:::before", "0::"]));
    let mut left = [exits.next().await.0, exits.next().await.0];
    left.sort();
    assert_eq!(left, ["/", "/chat"]);
    assert_eq!(session.poll().await, unknown_sid());
    let mut ws = Session09::open(&server).await.websocket().await;
    ws.send(KICK).await;
    assert_eq!(ws.text().await, "0::");
    ws.closed().await;
    let session = Session09::open(&server).await;
    let mut stream = htmlfile(&server, &session).await;
    assert_eq!(chunk(&mut stream).await, "<script>_(\"1::\");</script>");
    session.post("htmlfile", KICK).await;
    assert_eq!(chunk(&mut stream).await, "<script>_(\"0::\");</script>");
    assert_eq!(stream.chunk().await, None);
    // One namespace is left, the session lives on.
    let session = Session09::polling(&server).await;
    session.say(&framed(&["1::/chat", "5::/chat:{\"name\":\"leave me\"}", "3:::on"])).await;
    assert_eq!(session.poll().await, framed(&["1::/chat", "0::/chat", "3:::on"]));
    session.say("0::").await;
    until("all are gone", || server.engine.session_count() == 0).await;
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
    assert_eq!(session.poll().await, unknown_sid());
}
