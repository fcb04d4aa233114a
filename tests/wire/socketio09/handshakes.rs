//! Handshakes, and sids that are none (socketio-0.9.md §1, §2, §7).

use parlance::engine::Limits;
use parlance::policy::Caps;
use std::time::Duration;

use super::{get, server};
use crate::support::apps::stage;
use crate::support::http::fetch;
use crate::support::polls::Polls;
use crate::support::server::Setup;
use crate::support::v09::{Session09, unknown_sid};
use crate::support::ws::Ws;
use crate::support::{PATIENCE, soon, until};

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
    assert_eq!(modern.gate.counters().refusals().next(), Some(("transport", 1)));
    assert_eq!(modern.engine.session_count(), 0);
}

#[tokio::test]
async fn what_is_said_twice_or_at_length_is_refused() {
    let server = server().await;
    let long = format!("/socket.io/1/?q={}", "a".repeat(2047));
    for (path, why) in [
        ("/socket.io/1/?jsonp=0&jsonp=1", "the parameter jsonp is there more than once"),
        (long.as_str(), "the application's part of the query is over 2048 bytes"),
    ] {
        let answer = get(&server, path, &[]).await;
        assert_eq!((answer.status, answer.text()), (400, &*format!("handshake error: {why}")));
    }
    assert_eq!(server.engine.session_count(), 0);
    let session = Session09::polling(&server).await;
    let twice = format!("{}&i=2", session.target("jsonp-polling"));
    let answer = get(&server, &twice, &[]).await;
    answer.assert_error(400, 3, "Bad request");
    assert_eq!(answer.json()["reason"], "the parameter i is there more than once");
}

#[tokio::test]
async fn there_is_none_in_a_shutdown_and_it_says_so() {
    let server = server().await;
    // Somebody who is still to be told keeps the listener open.
    let _silent = Polls::open(&server, "EIO=4").await;
    let engine = server.engine.clone();
    let stopping = tokio::spawn(async move { engine.shutdown(PATIENCE).await });
    until("the server is stopping", || server.engine.stopping().is_cancelled()).await;
    let why = "handshake error: the server is shutting down";
    let refused = get(&server, "/socket.io/1/", &[]).await;
    assert_eq!((refused.status, refused.text()), (503, why));
    let refused = get(&server, "/socket.io/1/?jsonp=3", &[]).await;
    assert_eq!(refused.text(), format!("io.j[3](new Error(\"{why}\"));"));
    assert_eq!(soon("the shutdown", stopping).await.unwrap(), 0);
}

#[tokio::test]
async fn unknown_sids_send_the_client_back_to_the_handshake() {
    let server = server().await;
    let session = Session09::named(&server, "AAAAAAAAAAAAAAAAAAAA");
    let words = unknown_sid();
    assert_eq!(session.poll().await, words);
    assert_eq!(session.get("jsonp-polling").await.text(), format!("io.j[1](\"{words}\");"));
    let page = session.get("htmlfile").await;
    // In one piece: the client takes the frame away upon the first of them.
    let script = format!("<script>_(\"{words}\");</script>");
    assert!(page.text().ends_with(&script), "{}", page.text());
    session.say("3:::x").await;
    let mut ws = Ws::open(server.addr, &session.target("websocket")).await;
    assert_eq!([ws.text().await, ws.text().await], ["1::", "7:::1+0"]);
    ws.closed().await;
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn urls_of_one_generation_are_no_way_into_sessions_of_another() {
    let server = server().await;
    let mut later = Polls::open(&server, "EIO=4").await;
    let named = Session09::named(&server, &later.sid);
    assert_eq!(named.poll().await, unknown_sid());
    named.say("0::").await;
    named.leave().await;
    later.say("40").await;
    assert!(later.texts().await[0].starts_with("40"));
    let session = Session09::polling(&server).await;
    for eio in ["EIO=3", "EIO=4"] {
        let query = format!("{eio}&transport=polling&sid={}", session.sid);
        server.get(&query).await.assert_error(400, 1, "Session ID unknown");
    }
    session.say("3:::x").await;
    assert_eq!(session.poll().await, "3:::x");
}
