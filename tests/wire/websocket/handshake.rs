//! What an upgrade request has to bring (RFC 6455 §4.2.1).

use crate::support::apps::Echo;
use crate::support::http::Header;
use crate::support::polls::Polls;
use crate::support::server::{Setup, target};
use crate::support::v09::Session09;
use crate::support::ws::{KEY, UPGRADE, Ws};

const WRONG_KEY: &str = "Bad request: Sec-WebSocket-Key is not 16 bytes of base64, once";
const WRONG_VERSION: &str = "Bad request: only WebSocket version 13 is spoken";

/// A good request, but for the values of one header.
fn with(name: &'static str, values: &[&'static str]) -> Vec<Header<'static>> {
    let others = UPGRADE.into_iter().filter(|(other, _)| *other != name);
    others.chain(values.iter().map(|value| (name, *value))).collect()
}

#[tokio::test]
async fn keys_and_versions_of_both_handshakes() {
    let (key, version) = ("Sec-WebSocket-Key", "Sec-WebSocket-Version");
    let server = Setup::default().start(Echo).await;
    for (name, values, why) in [
        (key, &[""][..], WRONG_KEY),
        (key, &["x"], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25jZQ"], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25jZQ="], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25j"], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25jZTEx"], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25jZTE="], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25jZQ==="], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25j-_=="], WRONG_KEY),
        (key, &["dGhlIHNhbXBs ZSBub25jZQ=="], WRONG_KEY),
        (key, &["dGhlIHNhbXBsZSBub25j\u{e9}=="], WRONG_KEY),
        (key, &[KEY, KEY], WRONG_KEY),
        (key, &[KEY, "x"], WRONG_KEY),
        (version, &["12"], WRONG_VERSION),
        (version, &["013"], WRONG_VERSION),
        (version, &["13, 8"], WRONG_VERSION),
        (version, &["13", "13"], WRONG_VERSION),
        (version, &["13", "8"], WRONG_VERSION),
    ] {
        let headers = with(name, values);
        for eio in ["EIO=4", "EIO=3"] {
            let target = target(&format!("{eio}&transport=websocket"));
            let (ws, answer) = Ws::attempt(server.addr, &target, &headers).await;
            assert!(ws.is_none(), "{name} {values:?}");
            answer.assert_upgrade_error(why);
        }
        let session = Session09::open(&server).await;
        let (ws, answer) = Ws::attempt(server.addr, &session.target("websocket"), &headers).await;
        assert!(ws.is_none() && answer.status == 400, "0.9: {name} {values:?}");
        let reason = why.strip_prefix("Bad request: ").expect("a reason");
        assert!(answer.text().contains(reason), "0.9: {}", answer.text());
        // It was not taken for the session's opening.
        assert_eq!(session.poll().await, "1::");
    }
    assert!(server.engine.session_count() > 0);
    server.assert_well().await;
}

#[tokio::test]
async fn the_first_subprotocol_that_is_offered_is_chosen() {
    let server = Setup::default().start(Echo).await;
    let long = "x".repeat(3000);
    for (offers, chosen) in [
        (&[][..], None),
        (&["a"], Some("a")),
        (&["A, a"], Some("A")),
        (&["a,b"], Some("a")),
        (&["a , b"], Some("a")),
        (&["a\t,\tb"], Some("a")),
        (&["  a  "], Some("a")),
        (&["a", "b"], Some("a")),
        (&["b", "a, b"], Some("b")),
        (&["a, a"], Some("a")),
        (&[&long], Some(&*long)),
        // Empty items count for nothing.
        (&[""], None),
        (&["", " , ,"], None),
        (&["a,"], Some("a")),
        (&["a,, b"], Some("a")),
        (&[", b"], Some("b")),
        (&["", "b"], Some("b")),
        // What is no token comes back as it was written.
        (&["a b, c"], Some("a b")),
        (&["https://a.example/chat=1;x, c"], Some("https://a.example/chat=1;x")),
        (&["\"a\""], Some("\"a\"")),
    ] {
        let offers: Vec<_> =
            offers.iter().map(|offer| ("Sec-WebSocket-Protocol", *offer)).collect();
        let headers = [&UPGRADE[..], &offers].concat();
        let mut targets = ["EIO=4", "EIO=3"].map(|eio| format!("{eio}&transport=websocket"));
        targets.iter_mut().for_each(|query| *query = target(query));
        let upgrades = Polls::open(&server, "EIO=4").await;
        let old = Session09::open(&server).await;
        let unknown = Session09::named(&server, "00000000000000000000");
        let others =
            [upgrades.upgrade_target(), old.target("websocket"), unknown.target("websocket")];
        for target in targets.iter().chain(&others) {
            let (ws, answer) = Ws::attempt(server.addr, target, &headers).await;
            assert!(ws.is_some(), "{offers:?} {target}: {} {}", answer.status, answer.text());
            let answered = answer.header("sec-websocket-protocol");
            assert_eq!(answered, chosen, "{offers:?} {target}");
        }
    }
    server.assert_well().await;
}
