//! What a client begins and does not bring to its end.

use std::time::Duration;

use parlance::engine::{CloseReason, Limits};

use crate::support::apps::{Heard, Notes, stage, tap};
use crate::support::packets::Eio;
use crate::support::polls::{read_open, sid_of};
use crate::support::server::{Setup, TestServer, target};
use crate::support::v09::Session09;
use crate::support::ws::{BINARY, FIN, Frame, TEXT, Ws, frame};
use crate::support::{soon, until};

async fn open(server: &TestServer, eio: Eio) -> (Ws, String) {
    let mut ws =
        Ws::open(server.addr, &target(&format!("{}&transport=websocket", eio.query()))).await;
    let open = read_open(&ws.text().await.as_str().into());
    (ws, sid_of(&open))
}

#[tokio::test]
async fn pings_keep_no_message_that_never_ends() {
    for eio in Eio::ALL {
        let limits = Limits {
            ping_interval: Duration::from_millis(100),
            ping_timeout: Duration::from_millis(100),
            ..Limits::default()
        };
        let (tap, mut heard) = tap();
        let server = Setup::limits(limits).start(tap).await;
        let (mut ws, _) = open(&server, eio).await;
        ws.raw(&frame(TEXT, b"4for ever")).await;
        let closed = async {
            loop {
                ws.ping(b"I am here").await;
                match ws.next().await {
                    Frame::Pong(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Frame::Text(_) => {}
                    _ => break,
                }
            }
        };
        soon("the end of the session", closed).await;
        assert_eq!(heard.closed().await, CloseReason::PingTimeout, "{eio:?}");
    }
}

#[tokio::test]
async fn messages_and_packets_count_until_they_are_whole() {
    const LONG: usize = 300_000;
    let server = Setup::default().start_app(stage().0).await;
    let (mut ws, sid) = open(&server, Eio::V3).await;
    assert_eq!(ws.text().await, "40");
    let session = server.engine.session(&sid).expect("a session");
    let held = |bytes: usize| {
        let session = session.clone();
        // What was not told yet is less than 64 KiB, and a buffer that grows has room left.
        let range = bytes.saturating_sub(65_536)..=2 * bytes + 100;
        until("all to be counted", move || range.contains(&session.held()))
    };
    // A message in pieces.
    ws.raw(&frame(TEXT, &[b"42[\"a\",\"", &vec![b'x'; LONG][..]].concat())).await;
    held(LONG).await;
    ws.raw(&frame(FIN, b"\"]")).await;
    assert!(ws.text().await.starts_with("42[\"a\",\"xxx"));
    held(0).await;
    // A packet and its attachments.
    let packet = format!(
        "452-[\"b\",\"{}\",{{\"_placeholder\":true,\"num\":0}},{{\"_placeholder\":true,\"num\":1}}]",
        "x".repeat(LONG)
    );
    ws.send(&packet).await;
    held(LONG).await;
    let attachment = [&[4][..], &vec![7; LONG]].concat();
    ws.send_binary(&attachment).await;
    held(2 * LONG).await;
    ws.send_binary(&[4, 1]).await;
    assert_eq!(ws.text().await, packet);
    assert_eq!(ws.binary().await, attachment);
    assert_eq!(ws.binary().await, [4, 1]);
    held(0).await;
    // One that is given up.
    ws.send(&packet).await;
    held(LONG).await;
    ws.send("42[\"no attachment\"]").await;
    assert_eq!(ws.closed().await, None);
    held(0).await;
}

#[tokio::test]
async fn what_was_begun_on_a_connection_goes_with_it() {
    let server = Setup::default().start_app(stage().0).await;
    let client = Session09::open(&server).await;
    let mut ws = client.websocket().await;
    let session = server.engine.session(&client.sid).expect("a session");
    ws.raw(&frame(TEXT, &[b'3'; 300_000])).await;
    until("it is counted", || session.held() > 200_000).await;
    // Another transport takes over, and the WebSocket is left as it is.
    assert_eq!(client.poll().await, "1::");
    until("it is not counted any more", || session.held() < 1000).await;
    assert!(session.is_open());
}

#[tokio::test]
async fn over_the_bound_of_the_process_those_who_hold_the_most_go() {
    let limits = Limits { queue_total: 1 << 20, ..Limits::default() };
    let (tap, mut heard) = tap();
    let server = Setup::limits(limits).start(tap).await;
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let (mut ws, _) = open(&server, Eio::V4).await;
        ws.raw(&frame(BINARY, &vec![0; 400_000])).await;
        greedy.push(ws);
    }
    assert_eq!(heard.closed().await, CloseReason::QueueTotal);
    let (mut modest, _) = open(&server, Eio::V4).await;
    modest.send("4I have said it").await;
    assert_eq!(heard_text(&mut heard).await, "I have said it");
}

/// The next message, whoever else ends meanwhile.
async fn heard_text(heard: &mut Notes) -> String {
    loop {
        match heard.next().await {
            Heard::Text(text) => return text,
            Heard::Closed(reason) => {
                assert_eq!(reason, CloseReason::QueueTotal);
            }
            other => panic!("heard {other:?}"),
        }
    }
}
