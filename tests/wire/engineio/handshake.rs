//! Opening a session (engineio.md §2, §3, vectors 1-4 and 16).

use serde_json::json;

use crate::support::apps::Echo;
use crate::support::http::fetch;
use crate::support::packets::{Eio, read_script};
use crate::support::polls::{Polls, read_open, sid_of};
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{ACCEPT, UPGRADE, Ws};

async fn server() -> TestServer {
    Setup::default().start(Echo).await
}

/// The open packet with a sid's characters blanked out.
fn blanked(packet: &str) -> String {
    let open = read_open(&packet.into());
    packet.replace(&sid_of(&open), "-")
}

const OPEN: &str = "0{\"sid\":\"-\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";

#[tokio::test]
async fn vector_1_protocol_4() {
    let answer = server().await.get("EIO=4&transport=polling").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(answer.header("content-length"), Some("118"));
    assert_eq!(blanked(answer.text()), OPEN);
}

#[tokio::test]
async fn vector_2_protocol_3_in_octets() {
    let server = server().await;
    // EIO=2 is how the first 1.0 bundles write it; they too read nothing but octets.
    for eio in ["3", "2"] {
        let answer = server.get(&format!("EIO={eio}&transport=polling&t=1395000000000-0")).await;
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "EIO={eio}");
        let (frame, packet) = answer.body.split_at(5);
        assert_eq!(frame, [0, 1, 1, 8, 0xff]);
        assert_eq!(blanked(std::str::from_utf8(packet).unwrap()), OPEN);
    }
}

#[tokio::test]
async fn vector_3_protocol_3_in_text() {
    let server = server().await;
    for b64 in ["b64=1", "b64=true", "b64=0"] {
        let answer = server.get(&format!("EIO=3&transport=polling&{b64}")).await;
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"), "{b64}");
        let packet = answer.text().strip_prefix("118:").expect("a length");
        assert_eq!(blanked(packet), OPEN);
    }
    // Without a value it says nothing.
    let answer = server.get("EIO=3&transport=polling&b64=").await;
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
}

#[tokio::test]
async fn vector_4_protocol_3_in_a_script() {
    let answer = server().await.get("EIO=3&transport=polling&j=3&b64=1").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with("___eio[3](\"118:0{\\\"sid\\\":\\\""), "{}", answer.text());
    let (_, payload) = read_script(answer.text());
    assert_eq!(blanked(payload.strip_prefix("118:").unwrap()), OPEN);
}

#[tokio::test]
async fn vector_16_the_first_frame_of_a_websocket() {
    let server = server().await;
    for eio in Eio::ALL {
        let target = target(&format!("{}&transport=websocket", eio.query()));
        let (ws, answer) = Ws::attempt(server.addr, &target, &UPGRADE).await;
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(answer.header("upgrade"), Some("websocket"));
        assert!(answer.header("connection").unwrap().eq_ignore_ascii_case("upgrade"));
        assert_eq!(answer.header("content-length"), None);
        let mut ws = ws.expect("a WebSocket");
        assert_eq!(ws.peek(4).await, [0x81, 0x6b, b'0', b'{']);
        let open = ws.text().await;
        assert_eq!(blanked(&open), OPEN.replace("\"websocket\"", ""));
    }
}

#[tokio::test]
async fn sids_are_twenty_characters_and_differ() {
    let server = server().await;
    let mut sids = Vec::new();
    for _ in 0..20 {
        let session = Polls::open(&server, "EIO=4").await;
        let ours = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(session.sid.len() == 20 && session.sid.bytes().all(ours), "{}", session.sid);
        sids.push(session.sid);
    }
    assert_eq!(server.engine.session_count(), 20);
    sids.sort();
    sids.dedup();
    assert_eq!(sids.len(), 20);
}

#[tokio::test]
async fn the_order_of_parameters_and_those_of_the_application_do_not_matter() {
    let server = server().await;
    for query in [
        "transport=polling&EIO=4",
        "q=1&token=a%26b&EIO=4&transport=polling&t=jca3zgf3",
        "EIO=4&&transport=polling&=&x",
    ] {
        let answer = server.get(query).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert!(answer.text().starts_with("0{"), "{query}");
    }
}

#[tokio::test]
async fn the_path_is_more_than_a_prefix() {
    let server = server().await;
    for path in ["/socket.i/", "/socket.iox/", "/socket.io.js", "/", "/engine.io/"] {
        let answer =
            fetch(server.addr, "GET", &format!("{path}?EIO=4&transport=polling"), &[], b"").await;
        assert_eq!(answer.status, 404, "{path}");
        let (ws, answer) =
            Ws::attempt(server.addr, &format!("{path}?EIO=4&transport=websocket"), &UPGRADE).await;
        assert!(ws.is_none(), "{path}");
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(server.engine.session_count(), 0);
}

#[tokio::test]
async fn an_open_packet_offers_only_what_is_allowed() {
    let allowed = [
        ("websocket,polling", json!(["websocket"])),
        ("polling", json!([])),
        ("xhr-polling,websocket", json!(["websocket"])),
    ];
    for (transports, upgrades) in allowed {
        let server = Setup { transports, ..Setup::default() }.start(Echo).await;
        for query in ["EIO=4", "EIO=3", "EIO=3&b64=1"] {
            let session = Polls::open(&server, query).await;
            assert_eq!(session.open["upgrades"], upgrades, "{transports}, {query}");
        }
    }
}

#[tokio::test]
async fn answers_are_not_kept_and_not_guessed() {
    let server = server().await;
    let answer = server.get("EIO=4&transport=polling").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("x-xss-protection"), None);
    for agent in [
        "Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.1)",
        "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko",
    ] {
        let headers = [("User-Agent", agent)];
        let answer = server.fetch("GET", "EIO=4&transport=polling", &headers, b"").await;
        assert_eq!(answer.header("x-xss-protection"), Some("0"), "{agent}");
    }
}
