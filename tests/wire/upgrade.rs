//! Upgrades: the steps, and what goes wrong at each of them. The session never pays for it.

use std::time::Duration;

use parlance::engine::Limits;

use crate::support::*;

const EIO4: &str = "EIO=4&transport=polling";

fn ws_url(polling: &str) -> String {
    polling.replace("transport=polling", "transport=websocket")
}

/// A polling session in the default namespace.
async fn member(server: &TestServer) -> String {
    let url = server.polling(EIO4).await;
    server.post(&url, "40").await;
    assert!(server.get(&url).await.text().starts_with("40{"));
    url
}

#[tokio::test]
async fn the_steps() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    let poll = server.parked(&url).await;
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    assert_eq!(poll.await.unwrap().text(), "6", "the parked poll is released");
    // Between probe and upgrade, messages still travel by polling.
    server.post(&url, "42[\"a\"]").await;
    assert_eq!(server.get(&url).await.text(), "42[\"a\"]");
    server.post(&url, "42[\"b\"]").await;
    ws.text("5").await;
    ws.expect("42[\"b\"]").await;
    ws.text("42[\"c\"]").await;
    ws.expect("42[\"c\"]").await;
    let late = server.get(&url).await;
    assert_eq!((late.status, late.json()["code"].as_i64()), (400, Some(3)));
    assert_eq!(server.post(&url, "42[\"d\"]").await.status, 400);
    let mut second = server.ws(&ws_url(&url)).await;
    second.closed().await;
    ws.text("42[\"e\"]").await;
    ws.expect("42[\"e\"]").await;
}

#[tokio::test]
async fn probe_and_upgrade_back_to_back() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.text("2probe").await;
    ws.text("5").await;
    ws.text("42[\"x\"]").await;
    ws.expect("3probe").await;
    ws.expect("42[\"x\"]").await;
}

/// After an attempt failed, whatever it was: everything queued arrives once, and a new attempt
/// succeeds.
async fn lives_on(server: &TestServer, url: &str) {
    server.post(url, "42[\"one\"]\u{1e}42[\"two\"]").await;
    assert_eq!(server.get(url).await.text(), "42[\"one\"]\u{1e}42[\"two\"]");
    let mut ws = server.ws(&ws_url(url)).await;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    ws.text("5").await;
    ws.text("42[\"three\"]").await;
    ws.expect("42[\"three\"]").await;
}

#[tokio::test]
async fn refused_before_101() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    for headers in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "",
    ] {
        let answer = server.http().await.request("GET", &ws_url(&url), headers, b"").await;
        assert_eq!(answer.status, 400);
    }
    lives_on(&server, &url).await;
}

#[tokio::test]
async fn cut_after_101_or_after_the_probe() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    let session = server.engine.session(sid_of(&url)).unwrap();
    drop(server.ws(&ws_url(&url)).await);
    until("the attempt is over", || !session.is_upgrading()).await;
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    drop(ws);
    until("the attempt is over", || !session.is_upgrading()).await;
    lives_on(&server, &url).await;
}

#[tokio::test]
async fn the_wrong_first_packet() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    for wrong in ["42[\"x\"]", "5", "2", "garbage", "1"] {
        let mut ws = server.ws(&ws_url(&url)).await;
        ws.text(wrong).await;
        ws.closed().await;
    }
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    ws.text("42[\"too early\"]").await;
    ws.closed().await;
    lives_on(&server, &url).await;
}

#[tokio::test]
async fn a_second_probe_beside_the_first() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    let mut first = server.ws(&ws_url(&url)).await;
    let mut second = server.ws(&ws_url(&url)).await;
    second.closed().await;
    first.text("2probe").await;
    first.expect("3probe").await;
    first.text("5").await;
    first.text("42[\"x\"]").await;
    first.expect("42[\"x\"]").await;
}

#[tokio::test]
async fn stalled_before_and_after_the_probe() {
    let limits = Limits { upgrade_timeout: Duration::from_millis(150), ..calm() };
    let server = kitchen(limits).await;
    let url = member(&server).await;
    let mut silent = server.ws(&ws_url(&url)).await;
    silent.closed().await;
    let mut probing = server.ws(&ws_url(&url)).await;
    probing.text("2probe").await;
    probing.expect("3probe").await;
    probing.closed().await;
    lives_on(&server, &url).await;
}

#[tokio::test]
async fn dead_after_packet_5() {
    let server = kitchen(calm()).await;
    let url = member(&server).await;
    let session = server.engine.session(sid_of(&url)).unwrap();
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.pongs = false;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    // The room talks while the new connection is there, and not heard of any more.
    ws.text("5").await;
    until("the upgrade is done", || session.transport() == "websocket").await;
    session.send(parlance::dialect::Message::Text("2[\"lost\"]".into()));
    ws.expect_after_pings("42[\"lost\"]").await;
    drop(ws);
    until("polling has it back", || session.transport() == "xhr-polling").await;
    assert_eq!(server.get(&url).await.text(), "42[\"lost\"]");
    lives_on(&server, &url).await;
}

#[tokio::test]
async fn silent_after_packet_5() {
    let limits = Limits { upgrade_timeout: Duration::from_millis(200), ..calm() };
    let server = kitchen(limits).await;
    let url = member(&server).await;
    let session = server.engine.session(sid_of(&url)).unwrap();
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.pongs = false;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    ws.text("5").await;
    until("the upgrade is done", || session.transport() == "websocket").await;
    session.send(parlance::dialect::Message::Text("2[\"kept\"]".into()));
    until("polling has it back", || session.transport() == "xhr-polling").await;
    assert_eq!(server.get(&url).await.text(), "42[\"kept\"]");
    lives_on(&server, &url).await;
}

#[tokio::test]
async fn an_upgrade_that_nobody_returns_from_ends_the_session() {
    let limits = Limits { upgrade_timeout: Duration::from_millis(100), ..calm() };
    let server = kitchen(limits).await;
    let url = member(&server).await;
    let mut ws = server.ws(&ws_url(&url)).await;
    ws.pongs = false;
    ws.text("2probe").await;
    ws.expect("3probe").await;
    ws.text("5").await;
    drop(ws);
    until("the session is gone", || server.engine.session_count() == 0).await;
}

#[tokio::test]
async fn traffic_goes_on_while_upgrades_fail() {
    let server = kitchen(Limits { upgrade_timeout: Duration::from_millis(100), ..calm() }).await;
    let url = member(&server).await;
    let address = server.address;
    let target = ws_url(&url);
    let attempts = tokio::spawn(async move {
        for _ in 0..5 {
            let mut ws = Ws::open(address, &target).await;
            ws.text("2probe").await;
            ws.closed().await;
        }
    });
    let (mut sent, mut heard) = (0, Vec::new());
    while !attempts.is_finished() || heard.len() < sent {
        if !attempts.is_finished() {
            server.post(&url, format!("42[\"n\",{sent}]")).await;
            sent += 1;
        }
        let text = server.get(&url).await.text();
        heard.extend(text.split('\u{1e}').filter(|packet| *packet != "6").map(str::to_owned));
    }
    attempts.await.unwrap();
    let expected: Vec<_> = (0..sent).map(|n| format!("42[\"n\",{n}]")).collect();
    assert_eq!(heard, expected);
}
