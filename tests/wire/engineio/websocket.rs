//! WebSocket frames, both ways (engineio.md §6, vector 17).

use parlance::dialect::Message;
use parlance::engine::{CloseReason, Limits};

use crate::support::apps::{Echo, stage, tap};
use crate::support::packets::Eio;
use crate::support::polls::{read_open, sid_of};
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{BINARY, CLOSE, FIN, Frame, PING, PONG, TEXT, UPGRADE, Ws, frame};

/// Opens a session; returns its sid, too.
async fn open(server: &TestServer, query: &str) -> (Ws, String) {
    let mut ws = Ws::open(server.addr, &target(&format!("{query}&transport=websocket"))).await;
    let open = read_open(&ws.text().await.as_str().into());
    (ws, sid_of(&open))
}

#[tokio::test]
async fn text_and_binary_as_each_protocol_has_them() {
    let server = Setup::default().start(Echo).await;
    let (mut ws, _) = open(&server, "EIO=4").await;
    ws.send("4a").await;
    assert_eq!(ws.next().await, Frame::Text("4a".into()));
    ws.send_binary(&[1, 2]).await;
    assert_eq!(ws.next().await, Frame::Binary(vec![1, 2]));
    ws.send_binary(&[]).await;
    assert_eq!(ws.next().await, Frame::Binary(vec![]));

    let (mut ws, _) = open(&server, "EIO=3").await;
    ws.send("4a").await;
    assert_eq!(ws.next().await, Frame::Text("4a".into()));
    ws.send_binary(&[4, 1, 2]).await;
    assert_eq!(ws.next().await, Frame::Binary(vec![4, 1, 2]));
    ws.send_binary(&[4]).await;
    assert_eq!(ws.next().await, Frame::Binary(vec![4]));
}

#[tokio::test]
async fn clients_that_cannot_take_binary_get_base64() {
    let server = Setup::default().start(Echo).await;
    for (query, base64) in [("EIO=4&b64=1", "bAQI="), ("EIO=3&b64=1", "b4AQI=")] {
        let (mut ws, _) = open(&server, query).await;
        ws.send(base64).await;
        assert_eq!(ws.next().await, Frame::Text(base64.into()), "{query}");
    }
}

#[tokio::test]
async fn base64_is_taken_from_everybody() {
    let server = Setup::default().start(Echo).await;
    let (mut ws, _) = open(&server, "EIO=4").await;
    ws.send("bAQI").await;
    assert_eq!(ws.next().await, Frame::Binary(vec![1, 2]));
    let (mut ws, _) = open(&server, "EIO=3").await;
    ws.send("b4AQI").await;
    assert_eq!(ws.next().await, Frame::Binary(vec![4, 1, 2]));
}

#[tokio::test]
async fn vector_17_an_attachment_of_protocol_3() {
    let server = Setup::default().start_app(stage().0).await;
    let (mut ws, _) = open(&server, "EIO=3").await;
    assert_eq!(ws.text().await, "40");
    let header = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]";
    ws.send(header).await;
    ws.send_binary(&[4, 1, 2]).await;
    assert_eq!(ws.text().await, header);
    assert_eq!(ws.binary().await, [4, 1, 2]);
}

#[tokio::test]
async fn each_packet_has_a_frame() {
    let server = Setup::default().start(Echo).await;
    let (mut ws, sid) = open(&server, "EIO=4").await;
    let session = server.engine.session(&sid).expect("a session");
    for n in 0..100 {
        session.send(Message::Text(n.to_string()));
    }
    for n in 0..100 {
        assert_eq!(ws.text().await, format!("4{n}"));
    }
}

#[tokio::test]
async fn no_extension_is_negotiated() {
    let server = Setup::default().start(Echo).await;
    let offer = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    let headers = [&UPGRADE[..], &[offer]].concat();
    // The client here asserts that no answer picks it.
    let (ws, _) = Ws::attempt(server.addr, &target("EIO=4&transport=websocket"), &headers).await;
    assert!(ws.is_some());
}

#[tokio::test]
async fn upgrade_headers_in_all_the_forms_that_are_sent() {
    let server = Setup::default().start(Echo).await;
    for (connection, upgrade) in [
        ("keep-alive, Upgrade", "websocket"),
        ("upgrade", "WebSocket"),
        ("Upgrade,keep-alive", "WEBSOCKET"),
    ] {
        let mut headers = UPGRADE;
        (headers[0].1, headers[1].1) = (connection, upgrade);
        let (ws, _) =
            Ws::attempt(server.addr, &target("EIO=4&transport=websocket"), &headers).await;
        assert!(ws.is_some(), "{connection}, {upgrade}");
    }
}

#[tokio::test]
async fn fragments_are_one_message_and_pings_may_come_between() {
    let server = Setup::default().start(Echo).await;
    let (mut ws, _) = open(&server, "EIO=4").await;
    let euro = "€".as_bytes();
    ws.raw(&frame(TEXT, &[b"4a", &euro[..1]].concat())).await;
    ws.ping(b"are you there").await;
    ws.raw(&frame(0, &euro[1..])).await;
    ws.raw(&frame(FIN, b"")).await;
    assert_eq!(ws.next().await, Frame::Pong(b"are you there".into()));
    assert_eq!(ws.next().await, Frame::Text("4a€".into()));
}

#[tokio::test]
async fn pongs_that_nobody_asked_for_are_ignored() {
    let server = Setup::default().start(Echo).await;
    let (mut ws, _) = open(&server, "EIO=3").await;
    ws.raw(&frame(FIN | PONG, b"x")).await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
}

#[tokio::test]
async fn a_message_at_the_bound_and_one_over_it() {
    let limits = Limits { max_payload: 70_000, ..Limits::default() };
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let server = Setup::limits(limits.clone()).start(tap).await;
        let (mut ws, sid) = open(&server, eio.query()).await;
        let text = "x".repeat(69_999);
        ws.send(&format!("4{text}")).await;
        assert_eq!(heard.text().await, text);
        ws.send(&format!("4{text}x")).await;
        assert_eq!(ws.closed().await, Some(1009), "{eio:?}");
        assert_eq!(heard.closed().await, CloseReason::TooLarge);
        server.assert_gone(&sid).await;
    }
}

#[tokio::test]
async fn the_bound_is_that_of_a_message_not_of_a_frame() {
    let limits = Limits { max_payload: 10_000, ..Limits::default() };
    let server = Setup::limits(limits).start(Echo).await;
    let (mut ws, _) = open(&server, "EIO=4").await;
    ws.raw(&frame(BINARY, &[0; 6000])).await;
    ws.raw(&frame(FIN, &[0; 6000])).await;
    assert_eq!(ws.closed().await, Some(1009));
    // A header alone that promises too much is enough.
    let (mut ws, _) = open(&server, "EIO=4").await;
    ws.raw(&[FIN | BINARY, 0x80 | 127, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]).await;
    assert_eq!(ws.closed().await, Some(1009));
}

#[tokio::test]
async fn who_is_still_sending_hears_why_it_was_too_much() {
    let limits = Limits { max_payload: 10_000, ..Limits::default() };
    let server = Setup::limits(limits).start(Echo).await;
    let (mut ws, _) = open(&server, "EIO=4").await;
    // Far more than lies between the two ends: the server has answered long before it is out. Many
    // clients look at nothing more once a write has failed.
    assert!(ws.all_taken(&frame(FIN | BINARY, &vec![0; 16 << 20])).await);
    assert_eq!(ws.closed().await, Some(1009));
    let piece = frame(BINARY, &vec![0; 1 << 20]);
    let (mut ws, _) = open(&server, "EIO=4").await;
    for _ in 0..16 {
        assert!(ws.all_taken(&piece).await);
    }
    assert_eq!(ws.closed().await, Some(1009));
}

#[tokio::test]
async fn packet_1_ends_the_session() {
    for eio in Eio::ALL {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let (mut ws, sid) = open(&server, eio.query()).await;
        ws.send("4last words").await;
        ws.send("1").await;
        assert_eq!(ws.closed().await, None, "{eio:?}");
        assert_eq!(heard.text().await, "last words");
        assert_eq!(heard.closed().await, CloseReason::ClientClosed);
        server.assert_gone(&sid).await;
    }
}

#[tokio::test]
async fn malformed_packets_end_the_session_without_a_code() {
    for (eio, opcode, input) in [
        (Eio::V4, TEXT, &b""[..]),
        (Eio::V4, TEXT, b"7"),
        (Eio::V4, TEXT, b"9"),
        (Eio::V4, TEXT, b"abc"),
        (Eio::V4, TEXT, b"b*"),
        (Eio::V4, TEXT, b" "),
        (Eio::V4, TEXT, b"\0"),
        (Eio::V4, TEXT, "é".as_bytes()),
        (Eio::V3, TEXT, b""),
        (Eio::V3, TEXT, b"7"),
        (Eio::V3, TEXT, b"x"),
        (Eio::V3, TEXT, b"b5AQ"),
        (Eio::V3, TEXT, b"b4*"),
        (Eio::V3, BINARY, b""),
        (Eio::V3, BINARY, b"4a"),
        (Eio::V3, BINARY, &[0]),
        (Eio::V3, BINARY, &[5, 1]),
    ] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let (mut ws, sid) = open(&server, eio.query()).await;
        ws.raw(&frame(FIN | opcode, input)).await;
        assert_eq!(ws.closed().await, None, "{eio:?} {input:?}");
        let reason = heard.closed().await;
        assert!(matches!(reason, CloseReason::Malformed(_)), "{reason}");
        server.assert_gone(&sid).await;
    }
}

#[tokio::test]
async fn what_is_no_websocket_ends_the_session() {
    let unmasked = [FIN | TEXT, 2, b'4', b'a'];
    let split = [frame(TEXT, &[b'4', 0xe2]), frame(0, b"(")].concat();
    for (input, code, reason) in [
        (unmasked.to_vec(), 1002, "frame is not masked"),
        (frame(FIN | 0x40 | TEXT, b"4a"), 1002, "reserved bits are set"),
        (frame(FIN | 3, b"4a"), 1002, "unknown opcode"),
        (frame(FIN | 11, b"4a"), 1002, "unknown opcode"),
        (frame(FIN, b"a continuation of nothing"), 1002, "nothing to continue"),
        (frame(PING, b"in pieces"), 1002, "control frame in fragments"),
        (frame(FIN | PING, &[0; 126]), 1002, "control frame too long"),
        (frame(FIN | CLOSE, b"x"), 1002, "half a close code"),
        (frame(FIN | CLOSE, &[0x03, 0xed]), 1002, "close code that may not be sent"),
        (frame(FIN | CLOSE, &[0x03, 0xe8, 0xff]), 1007, "text is not valid UTF-8"),
        (frame(FIN | TEXT, &[b'4', 0xff, 0xfe]), 1007, "text is not valid UTF-8"),
        // Nothing more has to come: neither of the message nor of the frame.
        (split, 1007, "text is not valid UTF-8"),
        (
            frame(FIN | TEXT, &[b'4', 0xed, 0xa0, b'x'])[..9].to_vec(),
            1007,
            "text is not valid UTF-8",
        ),
    ] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let (mut ws, sid) = open(&server, "EIO=4").await;
        ws.raw(&input).await;
        assert_eq!(ws.closed().await, Some(code), "{input:?}");
        assert_eq!(heard.closed().await, CloseReason::Malformed(reason));
        server.assert_gone(&sid).await;
        server.assert_well().await;
    }
}

#[tokio::test]
async fn who_pings_and_does_not_read_is_a_slow_reader() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let (mut ws, _) = open(&server, "EIO=4").await;
    let pings = frame(FIN | PING, &[0; 125]).repeat(1000);
    while ws.all_taken(&pings).await {}
    assert_eq!(heard.closed().await, CloseReason::SlowReader);
}

#[tokio::test]
async fn a_close_frame_is_answered_and_ends_the_session() {
    for (eio, code) in [(Eio::V4, None), (Eio::V3, Some(1000u16)), (Eio::V4, Some(1001))] {
        let (tap, mut heard) = tap();
        let server = Setup::default().start(tap).await;
        let (mut ws, sid) = open(&server, eio.query()).await;
        let payload = code.map_or(vec![], |code| code.to_be_bytes().to_vec());
        ws.raw(&frame(FIN | CLOSE, &payload)).await;
        assert!(matches!(ws.next().await, Frame::Close(_)), "{eio:?} {code:?}");
        assert_eq!(ws.next().await, Frame::End);
        assert_eq!(heard.closed().await, CloseReason::ClientClosed);
        server.assert_gone(&sid).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_transport_that_closed() {
    for eio in Eio::ALL {
        for reset in [true, false] {
            let (tap, mut heard) = tap();
            let server = Setup::default().start(tap).await;
            let (ws, sid) = open(&server, eio.query()).await;
            if reset {
                ws.abort()
            } else {
                drop(ws)
            }
            assert_eq!(heard.closed().await.to_string(), "transport close", "reset: {reset}");
            server.assert_gone(&sid).await;
        }
    }
}
