//! Numbers: sessions, WebSockets, handshakes.

use parlance::policy::{Caps, Client};

use crate::support::apps::Echo;
use crate::support::http::{Http, fetch, request};
use crate::support::polls::{Polls, read_open};
use crate::support::process::{Folder, Process, parlance};
use crate::support::server::{Setup, TestServer, target};
use crate::support::until;
use crate::support::ws::{UPGRADE, Ws};

const POLLING: &str = "EIO=4&transport=polling";
const SOCKET: &str = "EIO=4&transport=websocket";
const ALL: &str = "websocket, eventsource, htmlfile, xhr-polling, jsonp-polling";

fn caps(caps: Caps) -> Setup {
    Setup { caps, trusted_proxies: &["loopback"], ..Setup::default() }
}

/// The upgrades that somebody at that address is offered.
async fn offered(server: &TestServer, address: &str) -> Vec<String> {
    let answer = server.fetch("GET", POLLING, &[("X-Forwarded-For", address)], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_value(read_open(&answer.text().into())["upgrades"].clone()).unwrap()
}

fn refused(server: &TestServer, label: &str) -> u64 {
    server.gate.counters().refusals().find(|(known, _)| *known == label).unwrap().1
}

#[tokio::test]
async fn websockets_are_counted_and_the_rest_stays_on_polling() {
    let server = caps(Caps { websockets: 2, ..Caps::default() }).start(Echo).await;
    let direct = Ws::open(server.addr, &target(SOCKET)).await;
    let early = Polls::open(&server, "EIO=4").await;
    let mut late = Polls::open(&server, "EIO=4").await;
    let upgraded = early.upgrade(&server).await;
    assert_eq!(server.gate.counters().websockets(), 2);
    // Who was offered one before is refused now, and loses nothing by it.
    let (ws, answer) = Ws::attempt(server.addr, &late.upgrade_target(), &UPGRADE).await;
    assert!(ws.is_none());
    let why = format!("Service unavailable: all 2 WebSockets are taken; allowed transports: {ALL}");
    assert_eq!((answer.status, answer.text()), (503, why.as_str()));
    late.say("4still here").await;
    assert_eq!(late.texts().await, ["4still here"]);
    // Who comes now is not offered any.
    assert_eq!(offered(&server, "192.0.2.1").await, [""; 0]);
    let answer = fetch(server.addr, "GET", "/socket.io/1/", &[], b"").await;
    assert!(answer.text().ends_with(":htmlfile,xhr-polling,jsonp-polling"), "{}", answer.text());
    let (ws, answer) = Ws::attempt(server.addr, &target(SOCKET), &UPGRADE).await;
    assert!(ws.is_none());
    assert_eq!(answer.status, 503);
    assert_eq!(refused(&server, "websockets"), 2);
    direct.abort();
    until("the place is given back", || server.gate.counters().websockets() == 1).await;
    assert_eq!(offered(&server, "192.0.2.1").await, ["websocket"]);
    let _taken = late.upgrade(&server).await;
    drop(upgraded);
    until("that one, too", || server.gate.counters().websockets() == 1).await;
}

#[tokio::test]
async fn an_address_has_so_many_sessions() {
    let server = caps(Caps { sessions_per_address: 2, ..Caps::default() }).start(Echo).await;
    let from = async |address: &'static str| {
        server.fetch("GET", POLLING, &[("X-Forwarded-For", address)], b"").await
    };
    assert_eq!(from("2001:db8::1").await.status, 200);
    assert_eq!(from("2001:db8::2").await.status, 200);
    let full = from("2001:db8::3").await;
    full.assert_error(429, 4, "Too many requests");
    assert_eq!(full.json()["reason"], "there are 2 sessions from this address already");
    assert_eq!(from("2001:db8:0:1::1").await.status, 200, "that is another network");
    assert_eq!(refused(&server, "sessions-per-address"), 1);
    for session in server.engine.sessions() {
        session.close(parlance::engine::CloseReason::ClientClosed);
    }
    until("all are gone", || server.engine.session_count() == 0).await;
    let third = Client::Address([0x2001, 0xdb8, 0, 0, 0, 0, 0, 3].into());
    let counters = server.gate.counters();
    until("the places are free", || counters.permit(third, 0).1.of_address == 0).await;
    assert_eq!(from("2001:db8::3").await.status, 200);
}

#[tokio::test]
async fn refused_handshakes_take_no_place() {
    let server = caps(Caps { sessions: 1, ..Caps::default() }).start(Echo).await;
    for _ in 0..5 {
        // Each of these fails after the places were taken.
        server.get("EIO=9&transport=polling").await.assert_error(
            400,
            5,
            "Unsupported protocol version",
        );
        server.fetch("POST", POLLING, &[], b"4x").await.assert_error(
            400,
            2,
            "Bad handshake method",
        );
    }
    let _there = Polls::open(&server, "EIO=4").await;
    server.get(POLLING).await.assert_error(503, 4, "Service unavailable");
    let (ws, answer) = Ws::attempt(server.addr, &target(SOCKET), &UPGRADE).await;
    assert!(ws.is_none());
    let why = format!("all 1 sessions are taken; allowed transports: {ALL}");
    assert_eq!(answer.text(), format!("Service unavailable: {why}"));
    assert_eq!(server.gate.counters().websockets(), 0);
    let answer = fetch(server.addr, "GET", "/socket.io/1/", &[], b"").await;
    assert_eq!((answer.status, answer.text()), (503, format!("handshake error: {why}").as_str()));
}

#[tokio::test]
async fn handshakes_have_a_rate_and_say_when_to_come_back() {
    let server = caps(Caps { handshakes_per_address: 1, ..Caps::default() }).start(Echo).await;
    let from = async |address: &'static str| {
        server.fetch("GET", POLLING, &[("X-Forwarded-For", address)], b"").await
    };
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) {
        statuses.push(from("192.0.2.1").await.status);
        assert!(statuses.len() < 1000, "there is no rate");
    }
    assert!(statuses.len() > 10, "ten seconds' worth may come at once");
    let answer = from("192.0.2.1").await;
    if answer.status == 429 {
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["code"], 4);
    }
    assert_eq!(from("192.0.2.2").await.status, 200, "others do not suffer");
}

/// Handshakes of 14 kB cost no more than what a session takes, and the little that is kept of them.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn handshakes_are_not_kept_as_they_came() {
    const PER_SESSION: usize = 6 * 1024;
    // So many that the steps of 2 MiB in which a process takes memory do not count.
    const SESSIONS: usize = 3000;
    let folder = Folder::new();
    let mut command = parlance(folder.path());
    command.args(["--host", "127.0.0.1", "--port", "0", "--handshake-rate", "0"]);
    command.args(["--max-sessions-per-address", "0"]);
    let mut process = Process::start(command);
    let mut http = Http::open(process.listening()).await;
    let path = format!("/socket.io/1/{}?t={}&q=x", "p".repeat(8000), "t".repeat(2000));
    let text = "h".repeat(2000);
    let headers = [("User-Agent", text.as_str()), ("Referer", &text), ("X-Other", &text)];
    let handshake = request("GET", &path, &headers, b"");
    assert!(handshake.len() > 15_000);
    let mut resident = Vec::new();
    for count in [200, SESSIONS] {
        for _ in 0..count {
            http.send(&handshake).await;
            assert_eq!(http.answer().await.status, 200);
        }
        resident.push(process.resident());
    }
    let grown = resident[1].saturating_sub(resident[0]);
    assert!(grown < SESSIONS * PER_SESSION, "{} bytes for each session", grown / SESSIONS);
}
