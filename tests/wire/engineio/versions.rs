//! Which version of Engine.IO a request is of: by `EIO`, without it, at the URLs of 0.9, and against the
//! version of its session. Answers were compared with engine.io 1.8, 3.6 and 6.6 (`allowEIO3`).

use parlance::negotiate::Negotiator;

use crate::support::apps::{Echo, stage};
use crate::support::http::{Answer, Header, Http, fetch, request};
use crate::support::packets::{Eio, Packet, read_answer};
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{UPGRADE, Ws};

async fn server() -> TestServer {
    Setup::default().start(Echo).await
}

/// The sid in the answer to a handshake of Engine.IO 3.
fn sid_in(answer: &Answer) -> String {
    sid_of(&read_open(&read_answer(Eio::V3, answer)[0]))
}

#[tokio::test]
async fn without_eio_a_client_speaks_3() {
    let server = server().await;
    for missing in ["", "EIO=&", "EIO&"] {
        // As socket.io-client-swift before 16 does it.
        let open = server.get(&format!("{missing}transport=polling&b64=1")).await;
        assert_eq!(open.header("content-type"), Some("text/plain; charset=UTF-8"), "{missing}");
        sid_in(&open);
        let script = server.get(&format!("{missing}transport=polling&j=0&b64=1")).await;
        sid_in(&script);
        let octets = server.get(&format!("{missing}transport=polling")).await;
        assert_eq!(octets.header("content-type"), Some("application/octet-stream"), "{missing}");

        let socket = format!("{missing}transport=websocket");
        let mut ws = Ws::open(server.addr, &target(&socket)).await;
        read_open(&Packet::Text(ws.text().await));
        ws.send("2").await;
        assert_eq!(ws.text().await, "3", "it asks, and the server answers");
        ws.send("4é").await;
        assert_eq!(ws.text().await, "4é");

        let mut session = Polls::open(&server, &format!("{missing}b64=1")).await;
        session.say("4a").await;
        assert_eq!(session.texts().await, ["4a"]);
        let mut ws = session.upgrade(&server).await;
        ws.send("4b").await;
        assert_eq!(ws.text().await, "4b");
    }
}

#[tokio::test]
async fn a_client_of_another_version_than_its_session_is_told_so() {
    let server = server().await;
    let reason = "the session was opened with another EIO";
    for (opened, asked, served) in [
        ("EIO=3", "EIO=4", false),
        ("EIO=2", "EIO=4", false),
        ("", "EIO=4", false),
        ("EIO=4", "EIO=3", false),
        ("EIO=4", "EIO=2", false),
        ("EIO=4", "", false),
        ("EIO=4", "EIO=", false),
        ("EIO=3", "", true),
        ("EIO=3", "EIO=2", true),
        ("EIO=2", "EIO=3", true),
        ("", "EIO=3", true),
        ("EIO=4", "EIO=4", true),
    ] {
        let mut session = Polls::open(&server, &format!("{opened}&b64=1")).await;
        let query = format!("{asked}&b64=1&sid={}", session.sid);
        let (polling, socket) =
            (format!("{query}&transport=polling"), format!("{query}&transport=websocket"));
        let case = format!("opened {opened:?}, asked {asked:?}");
        let framed = session.eio.framed("4a");
        let post = server.fetch("POST", &polling, &[], framed.as_bytes()).await;
        let (ws, upgrade) = Ws::attempt(server.addr, &target(&socket), &UPGRADE).await;
        if served {
            post.assert_ok();
            assert_eq!(server.get(&polling).await.status, 200, "{case}");
            assert!(ws.is_some(), "{case}");
            continue;
        }
        let poll = server.get(&polling).await;
        let script = server.get(&format!("{polling}&j=0")).await;
        for refused in [poll, post, script] {
            refused.assert_error(400, 3, "Bad request");
            assert_eq!(refused.json()["reason"], reason, "{case}");
        }
        assert!(ws.is_none(), "{case}");
        upgrade.assert_upgrade_error(&format!("Bad request: {reason}"));
        // The session goes on for its own client.
        session.say("4b").await;
        assert_eq!(session.texts().await, ["4b"], "{case}");
    }
    // A version that there is not is said to be none, whatever the session's is.
    let session = Polls::open(&server, "EIO=3").await;
    let query = format!("EIO=abc&transport=polling&sid={}", session.sid);
    server.get(&query).await.assert_error(400, 5, "Unsupported protocol version");
}

/// Cocos2d-x, and libraries for ESP8266, ESP32 and Arduino, begin with the URL of 0.9.
#[tokio::test]
async fn the_query_wins_over_the_path() {
    let server = Setup::default().start_app(stage().0).await;
    let get = async |path: &str| fetch(server.addr, "GET", path, &[], b"").await;
    for path in [
        "/socket.io/1/?transport=polling&b64=true",
        "/socket.io/1/?EIO=2&transport=polling&b64=true",
        "/socket.io/1/?EIO=3&transport=polling&b64=true",
        "/socket.io/1?transport=polling&b64=true",
    ] {
        sid_in(&get(path).await);
    }
    let failed = get("/socket.io/1/?EIO=3").await;
    failed.assert_error(400, 0, "Transport unknown");
    // Clients of 0.9, and what their applications may add.
    for path in [
        "/socket.io/1/?t=1395000000000",
        "/socket.io/1/?t=1395000000000&token=a",
        "/socket.io/1/?t=1395000000000&transport=bus",
    ] {
        let open = get(path).await;
        let sid = open.text().split_once(':').expect("a handshake of 0.9").0.to_owned();
        let query = path.split_once('?').unwrap().1;
        assert_eq!(get(&format!("/socket.io/1/xhr-polling/{sid}?{query}")).await.text(), "1::");
        let left = get(&format!("/socket.io/1/xhr-polling/{sid}?{query}&disconnect=1")).await;
        assert_eq!((left.status, left.text()), (200, ""), "{path}");
    }
}

/// The requests of the Socket.IO libraries for ESP8266 and ESP32: a handshake, and then a WebSocket whose
/// key is the sid, on which they settle without a probe.
#[tokio::test]
async fn a_small_device_joins() {
    let server = Setup::default().start_app(stage().0).await;
    for open in
        ["/socket.io/1/?transport=polling&b64=true", "/socket.io/?transport=polling&b64=true"]
    {
        let answer = fetch(server.addr, "GET", open, &[("Origin", "Arduino")], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let sid = &*sid_in(&answer);
        let target = format!("/socket.io/1/websocket/?transport=websocket&b64=true&sid={sid}");
        let headers: [Header<'_>; 5] = [
            ("Origin", "ArduinoSocketIOClient"),
            ("Sec-WebSocket-Key", sid),
            ("Sec-WebSocket-Version", "13"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
        ];
        let mut http = Http::open(server.addr).await;
        http.send(&request("GET", &target, &headers, b"")).await;
        let answer = http.answer().await;
        assert_eq!(answer.status, 101, "{}", answer.text());
        assert_eq!(answer.header("sec-websocket-accept").map(str::len), Some(28));
        let (stream, input) = http.into_parts();
        let mut ws = Ws::from_stream(stream, input);
        ws.send("52").await;
        ws.send("42[\"m\",{\"a\":\"b\"}]").await;
        let mut got = ws.text().await;
        if got == "40" {
            got = ws.text().await;
        }
        assert_eq!(got, "42[\"m\",{\"a\":\"b\"}]");
        let other = [&headers[..1], &[("Sec-WebSocket-Key", "another")], &headers[2..]].concat();
        let (ws, _) = Ws::attempt(server.addr, &target, &other).await;
        assert!(ws.is_none(), "any other key has to be one");
    }
}

#[tokio::test]
async fn a_server_may_speak_4_alone() {
    let only_4 = |engine| Negotiator::allow_all(engine).allow_eio3(false);
    let server = Setup::default().start_with(Echo, only_4).await;
    for query in ["", "EIO=", "EIO=2", "EIO=3", "EIO=abc"] {
        let refused = server.get(&format!("{query}&transport=polling")).await;
        refused.assert_error(400, 5, "Unsupported protocol version");
        assert_eq!(refused.json()["reason"], "EIO has to be 4", "{query}");
        let target = target(&format!("{query}&transport=websocket"));
        let (ws, answer) = Ws::attempt(server.addr, &target, &UPGRADE).await;
        assert!(ws.is_none(), "{query}");
        answer.assert_upgrade_error("Unsupported protocol version");
    }
    let mut session = Polls::open(&server, "EIO=4").await;
    session.say("4a").await;
    assert_eq!(session.texts().await, ["4a"]);
}
