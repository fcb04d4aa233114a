//! Engine.IO, protocols 2 to 4: framings, heartbeats, overlaps, closes, errors.

use std::time::Duration;

use parlance::engine::{Handler, Receiver, Session};
use std::sync::Arc;

use crate::support::*;
use parlance::dialect::Message;

struct Echo;
struct EchoSession(Arc<Session>);

impl Handler for Echo {
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(EchoSession(Arc::clone(session)))
    }
}

impl Receiver for EchoSession {
    fn message(&mut self, message: Message) -> futures::future::BoxFuture<'_, ()> {
        self.0.send(message);
        Box::pin(std::future::ready(()))
    }
}

async fn echo() -> TestServer {
    start(calm(), everything(), Echo).await
}

const EIO4: &str = "EIO=4&transport=polling";
const EIO3: &str = "EIO=3&transport=polling";

#[tokio::test]
async fn handshakes_of_all_forms() {
    let server = echo().await;
    let open = server.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(open.header("content-type").unwrap(), "text/plain; charset=UTF-8");
    let text = open.text();
    let tail = "\",\"upgrades\":[\"websocket\"],\"pingInterval\":300000,\"pingTimeout\":200000,\"maxPayload\":1000000}";
    assert!(text.starts_with("0{\"sid\":\"") && text.ends_with(tail), "{text}");
    assert_eq!(text.len(), "0{\"sid\":\"".len() + 20 + tail.len());

    // Without b64, protocols 2 and 3 are answered in octets: a text would send old bundles into a
    // storm of handshakes.
    for eio in [2, 3] {
        let open = server.get(&format!("/socket.io/?EIO={eio}&transport=polling")).await;
        assert_eq!(open.header("content-type").unwrap(), "application/octet-stream");
        let digits: Vec<u8> = text.len().to_string().bytes().map(|b| b - b'0').collect();
        assert_eq!(open.body[0], 0);
        assert_eq!(&open.body[1..=digits.len()], digits);
        assert_eq!(open.body[digits.len() + 1], 0xff);
        assert_eq!(&open.body[digits.len() + 2..digits.len() + 4], b"0{");
    }
    let open = server.get("/socket.io/?EIO=3&transport=polling&b64=1").await;
    assert!(open.text().starts_with(&format!("{}:0{{\"sid\"", text.len())));
    let open = server.get("/socket.io/?EIO=3&transport=polling&j=3&b64=1").await;
    assert_eq!(open.header("content-type").unwrap(), "text/javascript; charset=UTF-8");
    assert_eq!(open.header("x-content-type-options").unwrap(), "nosniff");
    assert!(open.text().starts_with("___eio[3](\"") && open.text().ends_with("\");"));

    let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    let text = ws.next_text().await;
    assert!(text.starts_with("0{") && text.contains("\"upgrades\":[]"));
}

#[tokio::test]
async fn messages_of_protocol_4_by_polling() {
    let server = echo().await;
    let url = server.polling(EIO4).await;
    let posted = server.post(&url, "4a\u{1e}bAQID\u{1e}4한😀").await;
    assert_eq!((posted.status, posted.text().as_str()), (200, "ok"));
    assert_eq!(posted.header("content-type").unwrap(), "text/html");
    assert_eq!(server.get(&url).await.text(), "4a\u{1e}bAQID\u{1e}4한😀");

    let poll = server.parked(&url).await;
    server.post(&url, "4late").await;
    assert_eq!(poll.await.unwrap().text(), "4late");
}

#[tokio::test]
async fn messages_of_protocol_3_by_polling() {
    let server = echo().await;
    let url = server.polling(EIO3).await;
    let octets = "Content-Type: application/octet-stream\r\n";
    let body = b"\x00\x04\xff4\xe2\x82\xac\x01\x04\xff\x04\x09\x08\x07";
    let posted = server.http().await.request("POST", &url, octets, body).await;
    assert_eq!(posted.text(), "ok");
    assert_eq!(server.get(&url).await.body, body);

    let url = server.polling("EIO=3&transport=polling&b64=1").await;
    server.post(&url, "3:4😀6:b4AQID").await;
    assert_eq!(server.get(&url).await.text(), "3:4😀6:b4AQID");

    // Double UTF-8, as 1.x clients post it.
    let url = server.polling("EIO=3&transport=polling&b64=1&t=1395000000000-0").await;
    server
        .post(&url, b"10:4\xC3\xA2\xC2\x82\xC2\xAC\xC3\xB0\xC2\x9F\xC2\x98\xC2\x80\xC3\x83\xC2\xA9")
        .await;
    assert_eq!(server.get(&url).await.text(), "5:4€😀é");
}

#[tokio::test]
async fn jsonp_there_and_back() {
    let server = echo().await;
    let url = server.polling("EIO=4&transport=polling&j=0").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = b"d=4a%5C%5Cnb%5Cnc%2B+%E2%80%A8%3C%2Fscript%3E";
    let posted = server.http().await.request("POST", &url, form, body).await;
    assert_eq!(posted.text(), "ok");
    let script = server.get(&url.replace("j=0", "j=1;alert(2)")).await.text();
    assert_eq!(script, "___eio[12](\"4a\\\\nb\\nc+ \\u2028<\\/script>\");");
    assert_eq!(server.http().await.request("POST", &url, form, b"x=1").await.text(), "ok");
    assert!(server.engine.session(sid_of(&url)).is_some(), "a form without d is no harm");
}

#[tokio::test]
async fn websocket_forms() {
    let server = echo().await;
    let open = |query: &str| format!("/socket.io/?transport=websocket&{query}");
    let mut ws = server.ws(&open("EIO=4")).await;
    ws.next().await;
    ws.text("4hi").await;
    ws.expect("4hi").await;
    ws.binary(&[1, 2]).await;
    assert_eq!(ws.next().await, WsFrame::Binary(vec![1, 2]));
    ws.text("bAQI=").await;
    assert_eq!(ws.next().await, WsFrame::Binary(vec![1, 2]));
    ws.ping().await;
    assert_eq!(ws.next().await, WsFrame::Pong);

    let mut ws = server.ws(&open("EIO=4&b64=1")).await;
    ws.next().await;
    ws.binary(&[1, 2]).await;
    ws.expect("bAQI=").await;

    let mut ws = server.ws(&open("EIO=3")).await;
    ws.next().await;
    ws.binary(&[4, 1, 2]).await;
    assert_eq!(ws.next().await, WsFrame::Binary(vec![4, 1, 2]));
    let mut ws = server.ws(&open("EIO=3&b64=1")).await;
    ws.next().await;
    ws.text("b4AQI=").await;
    ws.expect("b4AQI=").await;
}

#[tokio::test]
async fn garbage_ends_a_websocket_session() {
    let server = echo().await;
    for garbage in ["", "7", "abc", "b**"] {
        let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
        ws.next().await;
        ws.text(garbage).await;
        assert_eq!(ws.closed().await, None, "{garbage:?}");
    }
    let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    ws.next().await;
    ws.text("1").await;
    ws.closed().await;
    until("all sessions are gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn oversize_is_refused_by_name() {
    let server = echo().await;
    let url = server.polling(EIO4).await;
    let refused = server.post(&url, vec![b'4'; 1_000_001]).await;
    assert_eq!((refused.status, refused.json()["code"].as_i64()), (413, Some(3)));
    assert_eq!(server.post(&url, "4still here").await.status, 200);
    assert_eq!(server.get(&url).await.text(), "4still here");

    let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    ws.next().await;
    ws.text(&"4".repeat(1_000_001)).await;
    assert_eq!(ws.next().await, WsFrame::Close(Some(1009)));
}

#[tokio::test]
async fn heartbeats_of_protocol_4() {
    let server = start(quick(150, 1000), everything(), Echo).await;
    let url = server.polling(EIO4).await;
    for _ in 0..3 {
        assert_eq!(server.get(&url).await.text(), "2");
        server.post(&url, "3").await;
    }
    let mut ws = server.ws("/socket.io/?EIO=4&transport=websocket").await;
    ws.next().await;
    for _ in 0..3 {
        ws.expect("2").await;
        ws.text("3").await;
    }
    // A heartbeat in the wrong direction is a protocol error.
    ws.text("2").await;
    ws.closed().await;
}

#[tokio::test]
async fn silent_sessions_are_reaped() {
    let server = start(quick(100, 100), everything(), Echo).await;
    let url = server.polling(EIO4).await;
    assert_eq!(server.get(&url).await.text(), "2");
    assert_eq!(server.get(&url).await.text(), "1", "told on the parked poll");
    let gone = server.get(&url).await;
    assert_eq!((gone.status, gone.json()["code"].as_i64()), (400, Some(1)));
    let url = server.polling("EIO=3&transport=polling&b64=1").await;
    assert_eq!(server.get(&url).await.text(), "1:1");
    let mut ws = server.ws("/socket.io/?EIO=3&transport=websocket").await;
    ws.next().await;
    ws.closed().await;
    until("nothing is left", || server.engine.session_count() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn any_packet_counts_as_life() {
    // Time is ours here: it moves on when everybody waits.
    let server = start(quick(1000, 500), everything(), Echo).await;
    let url = server.polling("EIO=3&transport=polling&b64=1").await;
    for _ in 0..10 {
        server.post(&url, "2:4x").await;
        tokio::time::advance(Duration::from_millis(1400)).await;
    }
    assert_eq!(server.get(&url).await.status, 200);
}

#[tokio::test]
async fn protocol_3_clients_ask_and_are_answered() {
    let server = echo().await;
    let url = server.polling("EIO=3&transport=polling&b64=1").await;
    server.post(&url, "1:2").await;
    assert_eq!(server.get(&url).await.text(), "1:3");
    server.post(&url, "6:2probe").await;
    assert_eq!(server.get(&url).await.text(), "1:3");
    server.post(&url, "1:3").await;
    assert_eq!(server.post(&url, "2:4x").await.status, 200, "a stray pong is ignored");
}

#[tokio::test]
async fn overlapping_requests() {
    let server = echo().await;
    let url = server.polling(EIO4).await;
    let first = server.parked(&url).await;
    assert_eq!(server.get(&url).await.status, 400);
    assert_eq!(first.await.unwrap().text(), "1");
    assert_eq!(server.get(&url).await.json()["code"], 1);

    let url = server.polling(EIO4).await;
    let mut half = server.http().await;
    half.write(format!("POST {url} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n4").as_bytes())
        .await;
    let session = server.engine.session(sid_of(&url)).unwrap();
    until("the POST has begun", || session.is_posting()).await;
    assert_eq!(server.post(&url, "4x").await.status, 400);
    assert_eq!(server.get(&url).await.json()["code"], 1);
}

#[tokio::test]
async fn a_dropped_poll_ends_the_session() {
    let server = echo().await;
    let url = server.polling(EIO4).await;
    let mut http = server.http().await;
    http.send("GET", &url, "", b"").await;
    let session = server.engine.session(sid_of(&url)).unwrap();
    until("the poll is held", || session.is_drained()).await;
    drop(http);
    until("the session is gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn closes_by_the_client() {
    let server = echo().await;
    let url = server.polling(EIO4).await;
    let poll = server.parked(&url).await;
    assert_eq!(server.post(&url, "4last\u{1e}1").await.text(), "ok");
    assert!(["6", "4last\u{1e}6", "4last"].contains(&poll.await.unwrap().text().as_str()));
    until("the session is gone", || server.engine.session_count() == 0).await;
    assert_eq!(server.get(&url).await.json()["code"], 1);
}

#[tokio::test]
async fn malformed_bodies() {
    let server = echo().await;
    let url = server.polling(EIO4).await;
    assert_eq!(server.post(&url, "abc").await.text(), "ok");
    let gone = server.get(&url).await;
    assert_eq!((gone.status, gone.json()["code"].as_i64()), (400, Some(1)));
    let url = server.polling(EIO4).await;
    let octets = "Content-Type: application/octet-stream\r\n";
    assert_eq!(server.http().await.request("POST", &url, octets, b"4x").await.status, 400);
    assert_eq!(server.get(&url).await.json()["code"], 1);
}

#[tokio::test]
async fn errors_have_integer_codes() {
    let server = echo().await;
    let living = server.polling(EIO4).await;
    let sid = sid_of(&living);
    for (method, target, status, code) in [
        ("GET", "/socket.io/?EIO=4".to_owned(), 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=foo".to_owned(), 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=webtransport".to_owned(), 400, 0),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=garbage".to_owned(), 400, 1),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=__proto__".to_owned(), 400, 1),
        ("POST", "/socket.io/?EIO=4&transport=polling&sid=%00".to_owned(), 400, 1),
        ("POST", "/socket.io/?EIO=4&transport=polling".to_owned(), 400, 2),
        ("PUT", "/socket.io/?EIO=4&transport=polling".to_owned(), 400, 2),
        ("GET", "/socket.io/?EIO=4&transport=websocket".to_owned(), 400, 3),
        ("GET", format!("/socket.io/?EIO=4&transport=websocket&sid={sid}"), 400, 3),
        ("GET", "/socket.io/?transport=polling".to_owned(), 400, 5),
        ("GET", "/socket.io/?EIO=1&transport=polling".to_owned(), 400, 5),
        ("GET", "/socket.io/?EIO=abc&transport=polling".to_owned(), 400, 5),
    ] {
        let answer = server.http().await.request(method, &target, "", b"").await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.json()["code"], code, "{method} {target}");
        assert!(answer.json()["message"].is_string());
    }
    let other = server.http().await.request("PUT", &living, "", b"").await;
    assert_eq!((other.status, other.body.len()), (500, 0));
    assert_eq!(server.post(&living, "4x").await.status, 200, "and the session lives on");
    assert_eq!(server.get("/socket.io").await.status, 404);
    assert_eq!(server.get("/socket.iox/?EIO=4&transport=polling").await.status, 404);
}

#[tokio::test]
async fn refused_upgrades_are_told_in_text() {
    let server = echo().await;
    for (query, message) in [
        ("EIO=4&transport=foo", "Transport unknown"),
        ("EIO=4&transport=websocket&sid=garbage", "Session ID unknown"),
        ("transport=websocket", "Unsupported protocol version"),
    ] {
        let target = format!("/socket.io/?{query}");
        let answer = server.http().await.request("GET", &target, UPGRADE, b"").await;
        assert_eq!((answer.status, answer.text().as_str()), (400, message));
        assert_eq!(answer.header("content-type").unwrap(), "text/html");
    }
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn policy_is_enforced_on_every_request() {
    let server = start(calm(), allow("xhr-polling", &["http://a.example"]), Echo).await;
    let open = server.get("/socket.io/?EIO=4&transport=polling").await;
    assert!(open.text().contains("\"upgrades\":[]"));
    let refused = server.get("/socket.io/?EIO=4&transport=polling&j=0").await.json();
    assert_eq!(
        (refused["code"].as_i64(), &refused["allowed"][0]),
        (Some(0), &"xhr-polling".into())
    );
    assert_eq!(
        refused["reason"],
        "transport jsonp-polling is not allowed here; allowed: xhr-polling"
    );
    let target = "/socket.io/?EIO=4&transport=websocket";
    let upgrade = server.http().await.request("GET", target, UPGRADE, b"").await;
    assert_eq!((upgrade.status, upgrade.text().as_str()), (400, "Transport unknown"));
    let target = "/socket.io/?EIO=4&transport=polling";
    let foreign =
        server.http().await.request("GET", target, "Origin: http://b.example\r\n", b"").await;
    assert_eq!((foreign.status, foreign.json()["code"].as_i64()), (403, Some(4)));
    let welcome =
        server.http().await.request("GET", target, "Origin: http://a.example\r\n", b"").await;
    assert_eq!(welcome.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_can_read_the_answers() {
    let server = echo().await;
    let origin = "Origin: http://a.example\r\n";
    for target in ["/socket.io/?EIO=3&transport=polling", "/socket.io/?EIO=3&transport=foo"] {
        let answer = server.http().await.request("GET", target, origin, b"").await;
        assert_eq!(answer.header("access-control-allow-origin").unwrap(), "http://a.example");
        assert_eq!(answer.header("access-control-allow-credentials").unwrap(), "true");
        assert_eq!(answer.header("vary").unwrap(), "Origin");
    }
    assert_eq!(
        server
            .get("/socket.io/?EIO=4&transport=polling")
            .await
            .header("access-control-allow-origin")
            .unwrap(),
        "*"
    );
    let asked = format!(
        "{origin}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a, content-type\r\n"
    );
    for sid in ["", "&sid=unknown"] {
        let target = format!("/socket.io/?EIO=3&transport=polling{sid}");
        let preflight = server.http().await.request("OPTIONS", &target, &asked, b"").await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-headers").unwrap(), "x-a, content-type");
        assert_eq!(preflight.header("access-control-allow-origin").unwrap(), "http://a.example");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = echo().await;
    let many: String = (0..70).map(|n| format!("X-{n}: 1\r\n")).collect();
    let mut http = server.http().await;
    assert_eq!(
        http.request("GET", "/socket.io/?EIO=4&transport=polling", &many, b"").await.status,
        431
    );
    let large = format!("X-Large: {}\r\n", "x".repeat(20_000));
    let mut http = server.http().await;
    assert_eq!(
        http.request("GET", "/socket.io/?EIO=4&transport=polling", &large, b"").await.status,
        431
    );
    let mut http = server.http().await;
    http.write(b"NONSENSE\r\n\r\n").await;
    assert_eq!(http.answer().await.status, 400);
    assert_eq!(server.engine.session_count(), 0);
}
