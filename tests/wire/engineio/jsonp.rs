//! JSONP: scripts down, forms up (engineio.md §5).

use crate::support::apps::{Echo, Heard, stage, tap};
use crate::support::packets::{Eio, Packet, form, read_script};
use crate::support::polls::Polls;
use crate::support::server::Setup;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_poll_is_answered_with_a_script() {
    let server = Setup::default().start(Echo).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, &format!("{}&j=7", eio.query())).await;
        session.say("4he said \"\\\" €").await;
        let answer = session.get().await;
        assert_eq!(answer.status, 200);
        // A script of another type does not run where `nosniff` is set.
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=UTF-8"));
        let (index, payload) = read_script(answer.text());
        assert_eq!(index, "7");
        assert_eq!(payload, eio.framed("4he said \"\\\" €"));
    }
}

#[tokio::test]
async fn a_script_cannot_be_broken_out_of() {
    let server = Setup::default().start(Echo).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, &format!("{}&j=0", eio.query())).await;
        let nasty = "4\u{2028}\u{2029}</script><!--\"'\\\r\n";
        session.say(nasty).await;
        let answer = session.get().await;
        for bad in ["\u{2028}", "\u{2029}", "</", "\n", "\r"] {
            assert!(!answer.text().contains(bad), "{bad:?} in {}", answer.text());
        }
        let (_, payload) = read_script(answer.text());
        assert_eq!(payload, eio.framed(nasty));
    }
}

#[tokio::test]
async fn only_digits_of_the_index_come_back() {
    let server = Setup::default().start(Echo).await;
    for (j, index) in [
        ("12", Some("12")),
        ("1;alert(2)//", Some("12")),
        ("%5D(x)%2F%2F3", Some("3")),
        ("x", None),
    ] {
        let answer = server.get(&format!("EIO=3&transport=polling&b64=1&j={j}")).await;
        assert_eq!(answer.status, 200, "{j}");
        let (got, payload) = read_script(answer.text());
        if let Some(index) = index {
            assert_eq!(got, index, "{j}");
        }
        assert!(payload.starts_with("118:0{"), "{payload}");
    }
}

#[tokio::test]
async fn binary_is_base64_both_ways() {
    let server = Setup::default().start_app(stage().0).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, &format!("{}&j=0", eio.query())).await;
        session.say("40").await;
        while session.early.is_empty() {
            session.early = session.poll().await;
        }
        let header = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]";
        session.send(&[header.into(), Packet::Binary(vec![0, 0xff])]).await;
        assert_eq!(session.poll().await, [header.into(), Packet::Binary(vec![0, 0xff])], "{eio:?}");
    }
}

#[tokio::test]
async fn the_captured_form() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let mut session = Polls::open(&server, "EIO=3&j=0&b64=1").await;
    let body = "d=27%3A42%5B%22echo%22%2C%22a%5C%5Cnb%5C%5C%5Cnc%5C%5C%5C%5C%5Cnd%22%5D";
    session.post_as(FORM, body).await.assert_ok();
    assert_eq!(heard.text().await, "2[\"echo\",\"a\\nb\\\\nc\\\\\\\\nd\"]");
}

#[tokio::test]
async fn newlines_of_every_kind_survive_the_form() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, &format!("{}&j=0&b64=1", eio.query())).await;
        for text in
            ["\n", "a\nb", "\\n", "a\\nb\nc", "\n\\n\n", "\\\\n", "a\\b", "\\", "plain + &d=x%20;"]
        {
            session.say(&format!("4{text}")).await;
            assert_eq!(heard.text().await, text, "{eio:?}");
        }
    }
}

#[tokio::test]
async fn a_plus_is_a_space() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let mut session = Polls::open(&server, "EIO=4&j=0").await;
    session.post_as(FORM, "x=1&d=4a+b%2Bc%20d&y=2").await.assert_ok();
    assert_eq!(heard.text().await, "a b+c d");
    // Whatever the form is said to be.
    session.post_as("text/plain", "d=4untyped").await.assert_ok();
    assert_eq!(heard.text().await, "untyped");
}

#[tokio::test]
async fn a_form_without_the_field_is_taken_for_nothing() {
    let (tap, mut heard) = tap();
    let server = Setup::default().start(tap).await;
    let mut session = Polls::open(&server, "EIO=3&j=0&b64=1").await;
    for body in ["", "x=1", "D=2%3A4a", "2:4a"] {
        session.post_as(FORM, body).await.assert_ok();
    }
    session.say("4still here").await;
    assert_eq!(heard.next().await, Heard::Text("still here".into()));
}

#[tokio::test]
async fn a_malformed_form_ends_the_session() {
    let server = Setup::default().start(Echo).await;
    for eio in Eio::ALL {
        let mut session = Polls::open(&server, &format!("{}&j=0&b64=1", eio.query())).await;
        session.post_as(FORM, "d=abc").await.assert_ok();
        session.get().await.assert_error(400, 1, "Session ID unknown");
    }
}

#[tokio::test]
async fn errors_stay_plain_json() {
    let server = Setup::default().start(Echo).await;
    let answer = server.get("EIO=3&transport=polling&j=0&sid=abc").await;
    answer.assert_error(400, 1, "Session ID unknown");
    server.get("EIO=9&transport=polling&j=0").await.assert_error(
        400,
        5,
        "Unsupported protocol version",
    );
    let answer = server.fetch("POST", "EIO=3&transport=polling&j=0", &[], b"d=1").await;
    answer.assert_error(400, 2, "Bad handshake method");
}

#[tokio::test]
async fn the_bound_is_that_of_the_payload_not_of_the_form() {
    let (tap, mut heard) = tap();
    let limits = parlance::engine::Limits { max_payload: 10_000, ..Default::default() };
    let server = Setup::limits(limits).start(tap).await;
    let mut session = Polls::open(&server, "EIO=4&j=0").await;
    // Each of these characters is three bytes in the payload and nine in the form.
    let text = "€".repeat(3333);
    session.post_as(FORM, form(&format!("4{text}"))).await.assert_ok();
    assert_eq!(heard.text().await, text);
    let answer = session.post_as(FORM, form(&format!("4{text}x"))).await;
    assert_eq!(answer.status, 413);
    session.say("4alive").await;
    assert_eq!(heard.text().await, "alive");
}
