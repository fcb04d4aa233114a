//! Strings of clients of protocol 3, which send them in two encodings (engineio.md §4.1, vectors 7
//! and 8).

use crate::support::apps::{Echo, Notes, stage, tap};
use crate::support::packets::{Eio, Packet, octet_payload};
use crate::support::polls::Polls;
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::Ws;

/// Each byte of the UTF-8 as a character, as clients of 1.x have it.
fn double(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

async fn tapped() -> (TestServer, Notes) {
    let (tap, heard) = tap();
    (Setup::default().start(tap).await, heard)
}

#[tokio::test]
async fn vectors_7_and_8_both_encodings_give_the_same_string() {
    let server = Setup::default().start_app(stage().0).await;
    let old: &[u8] = b"22:42[\"echo\",\"\xC3\xA2\xC2\x82\xC2\xAC\xC3\xB0\xC2\x9F\xC2\x98\xC2\x80\xC3\x83\xC2\xA9\"]";
    let new: &[u8] = b"17:42[\"echo\",\"\xE2\x82\xAC\xF0\x9F\x98\x80\xC3\xA9\"]";
    assert_eq!((old.len(), new.len()), (34, 25));
    for body in [old, new] {
        let mut session = Polls::open(&server, "EIO=3&t=Q85qr0d&b64=1").await;
        if session.early.is_empty() {
            assert_eq!(session.texts().await, ["40"]);
        }
        session.post(body).await.assert_ok();
        // ASCII, which is the same in both encodings.
        let answer = session.get().await;
        assert_eq!(answer.text(), "37:42[\"echo\",\"\\u20ac\\ud83d\\ude00\\u00e9\"]");
    }
}

#[tokio::test]
async fn what_a_handshake_says_about_polling_strings() {
    let (server, mut heard) = tapped().await;
    let mojibake = "Ã©";
    // The first bundles, and all until 1.3: never plain, whatever it looks like.
    for query in ["EIO=2", "EIO=2&t=1395000000000-3", "EIO=3&t=1395000000000-0"] {
        let mut session = Polls::open(&server, &format!("{query}&b64=1")).await;
        session.say(&format!("4{}", double("€😀é"))).await;
        assert_eq!(heard.text().await, "€😀é", "{query}");
        session.say(&format!("4{mojibake}")).await;
        assert_eq!(heard.text().await, "é", "{query}");
    }
    // From 1.4 on, and if nothing is known: whatever the first string that tells is.
    for query in ["EIO=3&t=Q85qr0d", "EIO=3"] {
        let mut session = Polls::open(&server, &format!("{query}&b64=1")).await;
        session.say("4ascii").await;
        assert_eq!(heard.text().await, "ascii");
        session.say(&format!("4{}", double("한"))).await;
        assert_eq!(heard.text().await, "한", "{query}");
        session.say(&format!("4{}", double(mojibake))).await;
        assert_eq!(heard.text().await, mojibake, "{query}: pinned as double");

        let mut session = Polls::open(&server, &format!("{query}&b64=1")).await;
        session.say("4한").await;
        assert_eq!(heard.text().await, "한", "{query}");
        session.say(&format!("4{mojibake}")).await;
        assert_eq!(heard.text().await, mojibake, "{query}: pinned as plain");
    }
    // Protocol 4 is plain, always.
    let mut session = Polls::open(&server, "EIO=4&t=1395000000000-0").await;
    session.say(&format!("4{mojibake}")).await;
    assert_eq!(heard.text().await, mojibake);
}

#[tokio::test]
async fn strings_in_octets_are_plain_in_all_versions() {
    let (server, mut heard) = tapped().await;
    for query in ["EIO=2", "EIO=3&t=1395000000000-0", "EIO=3&t=Q85qr0d"] {
        let mut session = Polls::open(&server, query).await;
        let body = octet_payload(&["4Ã© €".into()]);
        session.post_as("application/octet-stream", &body).await.assert_ok();
        assert_eq!(heard.text().await, "Ã© €", "{query}");
    }
}

#[tokio::test]
async fn strings_on_websockets_are_double_only_in_the_first_bundles() {
    let (server, mut heard) = tapped().await;
    let mut open = Vec::new();
    for (query, sent, meant) in
        [("EIO=2", double("€é"), "€é"), ("EIO=3", "Ã©".into(), "Ã©"), ("EIO=4", "Ã©".into(), "Ã©")]
    {
        let mut ws = Ws::open(server.addr, &target(&format!("{query}&transport=websocket"))).await;
        ws.text().await;
        ws.send(&format!("4{sent}")).await;
        assert_eq!(heard.text().await, meant, "{query}");
        open.push(ws);
    }
}

/// On bare sessions, whose text is not JSON: what comes back is encoded as it was sent.
#[tokio::test]
async fn text_goes_out_as_the_client_decodes_it() {
    let server = Setup::default().start(Echo).await;
    let text = "€😀é";
    for (query, sent) in [
        ("EIO=2&t=1395000000000-0&b64=1", double(text)),
        ("EIO=3&t=1395000000000-0&b64=1", double(text)),
        ("EIO=3&t=Q85qr0d&b64=1", double(text)),
        ("EIO=3&t=Q85qr0d&b64=1", text.into()),
        ("EIO=3&t=Q85qr0d&j=0", double(text)),
        ("EIO=3&t=Q85qr0d&j=0", text.into()),
        ("EIO=4", text.into()),
    ] {
        let mut session = Polls::open(&server, query).await;
        session.say(&format!("4{sent}")).await;
        assert_eq!(session.texts().await, [format!("4{sent}")], "{query}");
        // Parked, too, where the answer is written by another task.
        let parked = session.park(&server).await;
        session.say(&format!("4{sent}")).await;
        assert_eq!(parked.packets().await, [Packet::Text(format!("4{sent}"))], "{query}");
    }
    // In octets it is UTF-8 for all.
    for query in ["EIO=2&t=1395000000000-0", "EIO=3&t=Q85qr0d"] {
        let mut session = Polls::open(&server, query).await;
        let body = octet_payload(&[format!("4{text}").as_str().into()]);
        session.post_as("application/octet-stream", &body).await.assert_ok();
        assert_eq!(session.texts().await, [format!("4{text}")], "{query}");
    }
    for (query, sent) in [("EIO=2", double(text)), ("EIO=3", text.into()), ("EIO=4", text.into())] {
        let mut ws = Ws::open(server.addr, &target(&format!("{query}&transport=websocket"))).await;
        ws.text().await;
        for _ in 0..2 {
            ws.send(&format!("4{sent}")).await;
            assert_eq!(ws.text().await, format!("4{sent}"), "{query}");
        }
    }
}

#[tokio::test]
async fn lengths_are_those_of_javascript() {
    let (server, mut heard) = tapped().await;
    let mut session = Polls::open(&server, "EIO=3&t=Q85qr0d&b64=1").await;
    // 17 units of UTF-16 in 27 bytes, and one more packet behind them.
    let body = "17:42[\"uni\",\"€😀é\u{2028}\"]2:4x";
    assert_eq!(body.len(), 27 + 4);
    session.post(body).await.assert_ok();
    assert_eq!(heard.text().await, "2[\"uni\",\"€😀é\u{2028}\"]");
    assert_eq!(heard.text().await, "x");
    // A length that ends inside a character is none.
    session.post("2:4😀").await.assert_ok();
    heard.closed().await;
}

#[tokio::test]
async fn a_websocket_of_protocol_3_gets_ascii() {
    let server = Setup::default().start_app(stage().0).await;
    for (eio, echoed) in [
        (Eio::V3, "42[\"echo\",\"\\u20ac\\ud83d\\ude00\\u007f\\u2028\"]"),
        (Eio::V4, "42[\"echo\",\"€😀\u{7f}\u{2028}\"]"),
    ] {
        let mut ws =
            Ws::open(server.addr, &target(&format!("{}&transport=websocket", eio.query()))).await;
        ws.text().await;
        ws.send("40").await;
        ws.text().await;
        ws.send("42[\"echo\",\"€😀\u{7f}\u{2028}\"]").await;
        assert_eq!(ws.text().await, echoed, "{eio:?}");
    }
}
