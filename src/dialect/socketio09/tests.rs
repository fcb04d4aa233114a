//! The test vectors of the reference (socketio-0.9.md §14, §15).

use super::*;

fn decode(text: &str) -> Option<(String, Body)> {
    let incoming = SocketIo09.decode(text, &Wire::default()).unwrap()?;
    Some((incoming.packet.namespace.to_string(), incoming.packet.body))
}

fn event(name: &str, args: Value, ack: Option<AckRequest>) -> Body {
    let Value::Array(args) = args else { panic!("an array") };
    Body::Event { name: name.into(), args, ack }
}

fn by_app(id: &str) -> Option<AckRequest> {
    Some(AckRequest::ByApp(AckId(id.into())))
}

fn on_receipt(id: &str) -> Option<AckRequest> {
    Some(AckRequest::OnReceipt(AckId(id.into())))
}

fn root(body: Body) -> Option<(String, Body)> {
    Some(("/".into(), body))
}

fn encode(namespace: &str, body: Body) -> String {
    let packet = SocketPacket {
        namespace: namespace.into(),
        body,
        attachments: vec![Bytes::from_static(&[1, 2, 3])],
    };
    let frames = SocketIo09.encode(&packet, &Wire::default());
    frames
        .iter()
        .map(|frame| {
            String::from_utf8(
                SocketIo09
                    .payload(std::slice::from_ref(frame), true, &Wire::default())
                    .body
                    .to_vec(),
            )
            .unwrap()
        })
        .collect()
}

#[test]
fn vectors_of_single_packets() {
    assert_eq!(decode("0::/chat"), Some(("/chat".into(), Body::Disconnect)));
    assert_eq!(decode("1::/chat"), Some(("/chat".into(), Body::Connect(json!({})))));
    assert_eq!(
        decode("1::/test:?test=1"),
        Some(("/test".into(), Body::Connect(json!({"test":"1"}))))
    );
    assert_eq!(decode("1::/chat?x=1").unwrap().0, "/chat?x=1");
    assert_eq!(decode("3::"), root(event("message", json!([""]), None)));
    assert_eq!(decode("3:::"), root(event("message", json!([""]), None)));
    assert_eq!(decode("3:::hello"), root(event("message", json!(["hello"]), None)));
    assert_eq!(decode("3::::x"), root(event("message", json!([":x"]), None)));
    assert_eq!(
        decode("3::/chat:a:b::c"),
        Some(("/chat".into(), event("message", json!(["a:b::c"]), None)))
    );
    assert_eq!(decode("3:1::blabla"), root(event("message", json!(["blabla"]), on_receipt("1"))));
    assert_eq!(decode("3:1+::x"), root(event("message", json!(["x"]), by_app("1"))));
    assert_eq!(decode("3:+::x"), root(event("message", json!(["x"]), None)));
    assert_eq!(decode("3:01+::x"), root(event("message", json!(["x"]), by_app("01"))));
    assert_eq!(decode("4:::{\"a\":\"b\"}"), root(event("message", json!([{"a":"b"}]), None)));
    assert_eq!(decode("4:::\"2\""), root(event("message", json!(["2"]), None)));
    assert_eq!(
        decode("4:1+::{\"a\":\"b\"}"),
        root(event("message", json!([{"a":"b"}]), by_app("1")))
    );
    assert_eq!(decode("4:::nope"), root(event("message", json!([false]), None)));
    assert_eq!(decode("5:::{\"name\":\"woot\"}"), root(event("woot", json!([]), None)));
    assert_eq!(
        decode("5:::{\"name\":\"edwald\",\"args\":[{\"a\":\"b\"},2,\"3\"]}"),
        root(event("edwald", json!([{"a":"b"},2,"3"]), None))
    );
    assert_eq!(decode("5:1+::{\"name\":\"tobi\"}"), root(event("tobi", json!([]), by_app("1"))));
    assert_eq!(decode("5:1::{\"name\":\"tobi\"}"), root(event("tobi", json!([]), on_receipt("1"))));
    assert_eq!(decode("5::/chat:{\"name\":\"x\",\"args\":[]}").unwrap().0, "/chat");
    assert_eq!(decode("5:::{\"name\":\"x\",\"args\":null}"), root(event("x", json!([]), None)));
    assert_eq!(decode("5:::nope"), None);
    assert_eq!(decode("5:::{\"name\":\"disconnect\"}"), None);
    let ack = |id: &str, args: Value| Body::Ack {
        id: AckId(id.into()),
        args: args.as_array().unwrap().clone(),
    };
    assert_eq!(decode("6:::140"), root(ack("140", json!([]))));
    assert_eq!(decode("6:::4+[]"), root(ack("4", json!([]))));
    assert_eq!(decode("6:::1+nope"), root(ack("1", json!([]))));
    assert_eq!(decode("6:::12+[\"woot\",\"wa\"]"), root(ack("12", json!(["woot", "wa"]))));
    assert_eq!(decode("6::/chat:3+[1]"), Some(("/chat".into(), ack("3", json!([1])))));
    assert_eq!(decode("6:::1[\"x\"]"), root(ack("1", json!(["x"]))));
    for ignored in [
        "6::",
        "6:::abc",
        "7:::",
        "7::",
        "7:::0",
        "7:::1+0",
        "7::/woot:2",
        "7:::+0",
        "7:::9+9",
        "9:::x",
        "x:::y",
        "12:::x",
        "03:::x",
        " 3:::x",
        "",
        "hello",
        "0",
        ":",
        "::",
    ] {
        assert_eq!(decode(ignored), None, "{ignored:?}");
    }
}

#[test]
fn packets_of_the_session() {
    let read = |text| SocketIo09.read_text(text, &Wire::default()).unwrap();
    assert_eq!(read("0::"), Packet::Close);
    assert_eq!(read("2::"), Packet::Pong { probe: false });
    assert_eq!(read("2:::"), Packet::Pong { probe: false });
    for noop in ["1::", "8::", "8:::", "7:::", "7:::1+0", "9:::x", "x:::y", "hello", ""] {
        assert_eq!(read(noop), Packet::Noop, "{noop:?}");
    }
    assert_eq!(read("0::/chat"), Packet::Message(Message::Text("0::/chat".into())));
}

#[test]
fn encodes_as_the_old_server_did() {
    assert_eq!(encode("/", event("woot", json!([]), None)), "5:::{\"name\":\"woot\"}");
    assert_eq!(
        encode("/chat", event("é", json!(["\u{2028}"]), by_app("1"))),
        "5:1+:/chat:{\"name\":\"\\u00e9\",\"args\":[\"\\u2028\"]}"
    );
    assert_eq!(encode("/", event("message", json!([""]), None)), "3::");
    assert_eq!(encode("/", event("message", json!([null]), None)), "4:::null");
    assert_eq!(encode("/", event("message", json!(["a:é"]), by_app("2"))), "3:2+::a:é");
    assert_eq!(encode("/", event("message", json!([{"a":1}]), None)), "4:::{\"a\":1}");
    assert_eq!(
        encode("/", event("b", json!([{"_placeholder":true,"num":0}]), None)),
        "5:::{\"name\":\"b\",\"args\":[\"AQID\"]}"
    );
    let no_attachment = "5:::{\"name\":\"b\",\"args\":[{\"_placeholder\":true,\"num\":1}]}";
    let args = json!([{"_placeholder":true,"num":1}]);
    assert_eq!(encode("/", event("b", args, None)), no_attachment, "it only looks like one");
    assert_eq!(encode("/", Body::Ack { id: AckId("12".into()), args: vec![] }), "6:::12");
    assert_eq!(
        encode("/chat", Body::Ack { id: AckId("3".into()), args: vec![json!(1)] }),
        "6::/chat:3+[1]"
    );
    assert_eq!(encode("/", Body::Connect(json!({}))), "");
    assert_eq!(encode("/chat", Body::Connect(json!({}))), "1::/chat");
    assert_eq!(encode("/chat", Body::Disconnect), "0::/chat");
    assert_eq!(encode("/", Body::Disconnect), "0::");
    assert_eq!(
        encode("/auth", Body::ConnectError { message: "no".into(), data: None }),
        "7::/auth:2"
    );
}

#[test]
fn vectors_of_payloads() {
    let texts = |body: &str| -> Vec<String> {
        let packets = SocketIo09.read_text_payload(body, &Wire::default()).unwrap();
        packets
            .into_iter()
            .map(|packet| match packet {
                Packet::Message(Message::Text(text)) => text,
                other => format!("{other:?}"),
            })
            .collect()
    };
    const PONG: &str = "Pong { probe: false }";
    assert_eq!(texts("3:::x"), ["3:::x"]);
    assert_eq!(texts("\u{fffd}3\u{fffd}2::\u{fffd}5\u{fffd}3:::a"), [PONG, "3:::a"]);
    assert_eq!(
        texts("\u{fffd}9\u{fffd}3:::a\u{fffd}bcd\u{fffd}3\u{fffd}8::"),
        ["3:::a\u{fffd}bcd", "Noop"]
    );
    assert_eq!(texts("\u{fffd}6\u{fffd}3:::😀\u{fffd}3\u{fffd}2::"), ["3:::😀", PONG]);
    assert_eq!(texts("\u{fffd}99\u{fffd}3:::x"), ["3:::x"]);
    assert_eq!(texts("\u{fffd}0\u{fffd}\u{fffd}3\u{fffd}2::"), ["Noop", PONG]);
    assert_eq!(texts("\u{fffd}3\u{fffd}2::junk\u{fffd}5\u{fffd}3:::a"), [PONG]);
    assert_eq!(texts("\u{fffd}7\u{fffd}3:::one"), ["3:::one"]);
    assert!(texts("\u{fffd}").is_empty());

    let packets = ["5:::{\"name\":\"uni\",\"args\":[\"€😀\"]}", "5:::{\"name\":\"noargs\"}"];
    let body = SocketIo09.payload(&packets.map(Frame::fixed), false, &Wire::default()).body;
    // Captured from a 0.9 server: two marks around each length, in UTF-16 units.
    let lengths: [&[u8]; 2] = [b"\xef\xbf\xbd33\xef\xbf\xbd", b"\xef\xbf\xbd21\xef\xbf\xbd"];
    let captured = [lengths[0], packets[0].as_bytes(), lengths[1], packets[1].as_bytes()].concat();
    assert_eq!((body.len(), &*body), (74, &*captured));
    assert_eq!(texts(std::str::from_utf8(&body).unwrap()), packets);
    // With its length in code points or in bytes, the packet is lost, and so are those after it.
    for wrong in ["32", "37"] {
        let body = String::from_utf8(captured.clone()).unwrap().replacen("33", wrong, 1);
        assert!(!texts(&body).contains(&packets[0].to_owned()), "{wrong}");
    }
    let text = String::from_utf8(captured).unwrap();
    let script = "io.j[0](\"\u{fffd}33\u{fffd}5:::{\\\"name\\\":\\\"uni\\\",\\\"args\\\":[\\\"€😀\\\"]}\u{fffd}21\u{fffd}5:::{\\\"name\\\":\\\"noargs\\\"}\");";
    assert_eq!(SocketIo09.jsonp_script(0, &text), script.as_bytes());
    assert_eq!(script.len(), 98);
    assert!(SocketIo09.payload(&[], false, &Wire::default()).body.is_empty());
}

#[test]
fn jsonp_forms() {
    let field = "\"\u{fffd}13\u{fffd}3:::plain msg\u{fffd}15\u{fffd}3:::line1\\nline2\u{fffd}13\u{fffd}4:::{\\\"k\\\":\\\"v\\\"}\"";
    let payload = SocketIo09.jsonp_field(field).unwrap();
    let packets = SocketIo09.read_text_payload(&payload, &Wire::default()).unwrap();
    assert_eq!(packets.len(), 3);
    assert_eq!(packets[1], Packet::Message(Message::Text("3:::line1\nline2".into())));
    assert!(SocketIo09.jsonp_field("\"3:::x").is_err());
    // Up to 0.8.5 there was no string around it, and the form changed the line breaks.
    let plain = "\u{fffd}7\u{fffd}3:::a\r\nb\u{fffd}3\u{fffd}2::";
    let payload = SocketIo09.jsonp_field(plain).unwrap();
    let packets = SocketIo09.read_text_payload(&payload, &Wire::default()).unwrap();
    assert_eq!(packets[0], Packet::Message(Message::Text("3:::a\nb".into())));
    assert_eq!(packets.len(), 2);
}
