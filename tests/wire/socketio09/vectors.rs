//! Every test vector of the reference, as bytes on the wire (socketio-0.9.md §3, §8, §14, §15).

use std::time::Duration;

use parlance::engine::Limits;

use super::{chunk, htmlfile, server};
use crate::support::apps::stage;
use crate::support::http::fetch;
use crate::support::server::{Setup, TestServer};
use crate::support::v09::{Session09, framed};
use crate::support::ws::Ws;

/// A packet, and what the server says to it. It sends messages and events back, and acknowledges
/// with the arguments where that is asked for.
const SINGLE_PACKETS: &[(&str, &[&str])] = &[
    ("1::", &[]),
    ("1::/chat", &["1::/chat"]),
    // A second time it is as good as none.
    ("1::/chat", &[]),
    (
        "1::/custom:?test=1",
        &["1::/custom", "5::/custom:{\"name\":\"auth\",\"args\":[{\"test\":\"1\"}]}"],
    ),
    // Another endpoint, which is not there.
    ("1::/chat?x=1", &["7::/chat?x=1:2"]),
    ("1::/test:?test=1", &["7::/test:2"]),
    ("2::", &[]),
    ("2:::", &[]),
    ("8::", &[]),
    ("8:::", &[]),
    ("3::", &["3::"]),
    ("3:::", &["3::"]),
    ("3:::hello", &["3:::hello"]),
    ("3::::x", &["3::::x"]),
    ("3::/chat:a:b::c", &["3::/chat:a:b::c"]),
    ("3:1::blabla", &["6:::1", "3:::blabla"]),
    ("3:1+::x", &["6:::1+[\"x\"]"]),
    ("3:+::x", &["3:::x"]),
    ("3:01+::x", &["6:::01+[\"x\"]"]),
    ("3:::two\nlines \u{2028}", &["3:::two\nlines \u{2028}"]),
    ("4:::{\"a\":\"b\"}", &["4:::{\"a\":\"b\"}"]),
    ("4:::\"2\"", &["3:::2"]),
    ("4:1+::{\"a\":\"b\"}", &["6:::1+[{\"a\":\"b\"}]"]),
    ("4:::nope", &["4:::false"]),
    ("4::", &["4:::false"]),
    ("5:::{\"name\":\"woot\"}", &["5:::{\"name\":\"woot\"}"]),
    (
        "5:::{\"name\":\"edwald\",\"args\":[{\"a\":\"b\"},2,\"3\"]}",
        &["5:::{\"name\":\"edwald\",\"args\":[{\"a\":\"b\"},2,\"3\"]}"],
    ),
    ("5:1+::{\"name\":\"tobi\"}", &["6:::1"]),
    ("5:1::{\"name\":\"tobi\"}", &["6:::1", "5:::{\"name\":\"tobi\"}"]),
    ("5::/chat:{\"name\":\"x\",\"args\":[]}", &["5::/chat:{\"name\":\"x\"}"]),
    ("5:::{\"name\":\"x\",\"args\":null}", &["5:::{\"name\":\"x\"}"]),
    ("5:::nope", &[]),
    ("5:::{\"name\":\"disconnect\"}", &[]),
    // Plain acks come even from where nobody is; others do not.
    ("3:10:/nosuch:x", &["6::/nosuch:10"]),
    ("3:11+:/nosuch:x", &[]),
    ("6:::140", &[]),
    ("6::", &[]),
    ("6:::abc", &[]),
    ("7:::", &[]),
    ("7::", &[]),
    ("7:::0", &[]),
    ("7:::1+0", &[]),
    ("7::/woot:2", &[]),
    ("7:::+0", &[]),
    ("7:::9+9", &[]),
    ("9:::x", &[]),
    ("x:::y", &[]),
    ("12:::x", &[]),
    ("03:::x", &[]),
    (" 3:::x", &[]),
    ("", &[]),
    ("hello", &[]),
    ("0", &[]),
    (":", &[]),
    ("::", &[]),
    // What is left of a namespace is not joined any more.
    ("0::/chat", &[]),
    ("5::/chat:{\"name\":\"x\"}", &[]),
    ("0::", &["0::"]),
];

/// Comes back as it is, after the answers to all that was sent before.
const MARK: &str = "3:::mark";

#[tokio::test]
async fn single_packets_by_websocket() {
    let server = server().await;
    let mut ws = Session09::open(&server).await.websocket().await;
    for (packet, answers) in SINGLE_PACKETS {
        ws.send(packet).await;
        for answer in *answers {
            assert_eq!(ws.text().await, *answer, "{packet:?}");
        }
        if *packet != "0::" {
            ws.send(MARK).await;
            assert_eq!(ws.text().await, MARK, "{packet:?}");
        }
    }
    ws.closed().await;
}

#[tokio::test]
async fn single_packets_by_polling() {
    let server = server().await;
    let session = Session09::polling(&server).await;
    for (packet, answers) in SINGLE_PACKETS {
        if *packet == "0::" {
            let mut parked = session.park(&server).await;
            session.say(packet).await;
            assert_eq!(parked.answer().await.text(), "0::");
            continue;
        }
        session.say(packet).await;
        session.say(MARK).await;
        let all = [*answers, &[MARK]].concat();
        let body = if let [only] = *all { only.to_owned() } else { framed(&all) };
        assert_eq!(session.poll().await, body, "{packet:?}");
    }
}

#[tokio::test]
async fn acknowledgements() {
    /// An answer of the client, and the arguments that it brings.
    const ANSWERS: &[(&str, &str)] = &[
        ("6:::140", ""),
        ("6:::4+[]", ""),
        ("6:::1+nope", ""),
        ("6:::12+[\"woot\",\"wa\"]", ",\"args\":[\"woot\",\"wa\"]"),
        ("6:::2[\"x\"]", ",\"args\":[\"x\"]"),
    ];
    let server = server().await;
    let mut ws = Session09::open(&server).await.websocket().await;
    let answer =
        |endpoint: &str, args: &str| format!("5::{endpoint}:{{\"name\":\"answer\"{args}}}");
    for id in 1..=140 {
        ws.send("5:::{\"name\":\"ask\",\"args\":[]}").await;
        assert_eq!(ws.text().await, format!("5:{id}+::{{\"name\":\"question\"}}"));
    }
    for (packet, args) in ANSWERS {
        ws.send(packet).await;
        assert_eq!(ws.text().await, answer("", args), "{packet}");
        // Once it was answered, nobody asks any more.
        ws.send(packet).await;
        ws.send(MARK).await;
        assert_eq!(ws.text().await, MARK, "{packet}");
    }
    // Each namespace has numbers of its own.
    ws.send("1::/chat").await;
    assert_eq!(ws.text().await, "1::/chat");
    for id in 1..=3 {
        ws.send("5::/chat:{\"name\":\"ask\"}").await;
        assert_eq!(ws.text().await, format!("5:{id}+:/chat:{{\"name\":\"question\"}}"));
    }
    ws.send("6::/chat:3+[1]").await;
    assert_eq!(ws.text().await, answer("/chat", ",\"args\":[1]"));
}

/// A body of a POST, and what of it comes back.
const PAYLOADS: &[(&str, &[&str])] = &[
    ("3:::x", &["3:::x"]),
    ("<F>3<F>2::<F>5<F>3:::a", &["3:::a"]),
    ("<F>9<F>3:::a<F>bcd<F>3<F>8::", &["3:::a<F>bcd"]),
    ("<F>6<F>3:::😀<F>3<F>2::", &["3:::😀"]),
    ("<F>99<F>3:::x", &["3:::x"]),
    ("<F>0<F><F>3<F>2::<F>5<F>3:::a", &["3:::a"]),
    ("<F>3<F>2::junk<F>5<F>3:::a", &[]),
    ("<F>", &[]),
    ("<F>7<F>3:::one", &["3:::one"]),
    // A mark that does not come first is data.
    ("3:::a<F>5<F>3:::b", &["3:::a<F>5<F>3:::b"]),
    ("<F>6<F>3:::😀<F>6<F>3:::한é", &["3:::😀", "3:::한é"]),
    (
        "<F>33<F>5:::{\"name\":\"uni\",\"args\":[\"€😀\"]}<F>21<F>5:::{\"name\":\"noargs\"}",
        &[
            "5:::{\"name\":\"uni\",\"args\":[\"\\u20ac\\ud83d\\ude00\"]}",
            "5:::{\"name\":\"noargs\"}",
        ],
    ),
    // Half a pair: today's engines escape it, browsers of then sent a mark.
    ("3:::half <F> a pair", &["3:::half <F> a pair"]),
    (
        "5:::{\"name\":\"half\",\"args\":[\"\\ud83d\"]}",
        &["5:::{\"name\":\"half\",\"args\":[\"\\ufffd\"]}"],
    ),
];

#[tokio::test]
async fn payloads() {
    let server = server().await;
    for transport in ["xhr-polling", "htmlfile", "jsonp-polling"] {
        let session = Session09::polling(&server).await;
        for (body, packets) in PAYLOADS {
            let body = body.replace("<F>", "\u{fffd}");
            let form = || {
                let literal = serde_json::to_string(&body).unwrap();
                format!(
                    "d={}",
                    form_urlencoded::byte_serialize(literal.as_bytes()).collect::<String>()
                )
            };
            session
                .post(transport, &if transport == "jsonp-polling" { form() } else { body.clone() })
                .await;
            session.say(MARK).await;
            let packets: Vec<String> =
                packets.iter().map(|packet| packet.replace("<F>", "\u{fffd}")).collect();
            let mut all: Vec<&str> = packets.iter().map(String::as_str).collect();
            all.push(MARK);
            let expected = if let [only] = *all { only.to_owned() } else { framed(&all) };
            assert_eq!(session.poll().await, expected, "{transport} {body:?}");
        }
    }
}

/// The captured bodies. What is not ASCII comes back in escapes, which have the same length in every
/// unit that a client may count in.
#[tokio::test]
async fn captured_bodies() {
    const CAPTURED: &[u8] = b"\xef\xbf\xbd33\xef\xbf\xbd5:::{\"name\":\"uni\",\"args\":[\"\xe2\x82\xac\xf0\x9f\x98\x80\"]}\xef\xbf\xbd21\xef\xbf\xbd5:::{\"name\":\"noargs\"}";
    const BACK: &str =
        r#"<F>48<F>5:::{"name":"uni","args":["\u20ac\ud83d\ude00"]}<F>21<F>5:::{"name":"noargs"}"#;
    const SCRIPT: &str = r#"io.j[1]("<F>48<F>5:::{\"name\":\"uni\",\"args\":[\"\\u20ac\\ud83d\\ude00\"]}<F>21<F>5:::{\"name\":\"noargs\"}");"#;
    let server = server().await;
    for (transport, back) in [("xhr-polling", BACK), ("jsonp-polling", SCRIPT)] {
        let session = Session09::open(&server).await;
        session.get(transport).await;
        let target = session.target("xhr-polling");
        let posted = fetch(server.addr, "POST", &target, &[], CAPTURED).await;
        assert_eq!((posted.status, &*posted.body), (200, &b"1"[..]));
        assert_eq!(session.get(transport).await.text(), back.replace("<F>", "\u{fffd}"));
    }
}

#[tokio::test]
async fn chunks_of_a_stream() {
    const EVENT: &str = r#"5:::{"name":"uni","args":["€😀 </script> \"q\" \\ / \n+&=% end"]}"#;
    const CHUNK: &str = r#"<script>_("5:::{\"name\":\"uni\",\"args\":[\"\\u20ac\\ud83d\\ude00 <\/script> \\\"q\\\" \\\\ \/ \\n+&=% end\"]}");</script>"#;
    let server = server().await;
    let session = Session09::open(&server).await;
    let mut stream = htmlfile(&server, &session).await;
    assert_eq!(chunk(&mut stream).await, "<script>_(\"1::\");</script>");
    session.post("htmlfile", EVENT).await;
    assert_eq!(chunk(&mut stream).await, CHUNK);
    session.post("htmlfile", "3:::€😀 </script>\u{2028}").await;
    assert_eq!(chunk(&mut stream).await, r#"<script>_("3:::€😀 <\/script>\u2028");</script>"#);
    // The client makes a slash of a backslash and a slash: the pair must not be in the packet.
    session.post("htmlfile", r#"5:::{"name":"x","args":["\\/"]}"#).await;
    assert_eq!(
        chunk(&mut stream).await,
        r#"<script>_("5:::{\"name\":\"x\",\"args\":[\"\\\\\\u002f\"]}");</script>"#
    );
}

#[tokio::test]
async fn frames_of_a_websocket() {
    // Longer than what comes between two heartbeats here.
    let interval = Duration::from_secs(1);
    let limits = Limits {
        ping_interval: interval,
        ping_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let server = Setup::limits(limits).start_app(stage().0).await;

    let mut ws = open(&server, &Session09::open(&server).await).await;
    assert_eq!(raw(&mut ws, 5).await, "8103313a3a");
    assert_eq!(raw(&mut ws, 5).await, "8103323a3a");
    // `0::`, masked as a client did it.
    ws.raw(&bytes("8183a1047748913e4d")).await;
    assert_eq!(raw(&mut ws, 5).await, "8103303a3a");
    ws.closed().await;

    let mut ws = open(&server, &Session09::open(&server).await).await;
    assert_eq!(raw(&mut ws, 5).await, "8103313a3a");
    ws.raw(&bytes("8882a1047748a2ec")).await;
    assert_eq!(ws.closed().await, Some(1000));

    let mut ws = open(&server, &Session09::named(&server, "AAAAAAAAAAAAAAAAAAAA")).await;
    assert_eq!(raw(&mut ws, 14).await, "8103313a3a8107373a3a3a312b30");
    ws.closed().await;

    let server = self::server().await;
    let mut ws = Session09::open(&server).await.websocket().await;
    ws.send("5:1+::{\"name\":\"echo\",\"args\":[\"hello\",{\"a\":1}]}").await;
    assert_eq!(raw(&mut ws, 25).await, "8117363a3a3a312b5b2268656c6c6f222c7b2261223a317d5d");
}

async fn open(server: &TestServer, session: &Session09) -> Ws {
    Ws::open(server.addr, &session.target("websocket")).await
}

/// The next bytes of a WebSocket, in hexadecimal.
async fn raw(ws: &mut Ws, count: usize) -> String {
    ws.exactly(count).await.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
