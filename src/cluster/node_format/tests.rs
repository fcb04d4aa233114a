use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::cluster::{Content, Message};
use crate::socketio::{Args, Flags, Packet, Selector, SocketDetails};

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn args(values: Value, attachments: &[&'static [u8]]) -> Args {
    let Value::Array(values) = values else { panic!("{values}") };
    Args { values, attachments: attachments.iter().map(|it| Bytes::from_static(it)).collect() }
}

fn event(name: &str, args: Args) -> Packet {
    Packet { name: name.to_owned(), args }
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn of(rooms: &[&str], except: &[&str]) -> Selector {
    Selector { rooms: names(rooms), except: names(except) }
}

fn placeholder(num: usize) -> Value {
    json!({ "_placeholder": true, "num": num })
}

/// What servers and emitters of several generations published with `[uid, packet, opts]`.
#[test]
fn what_others_published_is_read() {
    let binary = |bytes| args(json!([placeholder(0)]), &[bytes]);
    let times = json!([null, "1970-01-01T00:00:00.000Z"]);
    for (hex, name, expected, selector) in [
        (
            "93a641704b33332d83a47479706502a46461746193a568656c6c6fa677c3b6726c6401a36e7370a12f\
             83a5726f6f6d7390a665786365707490a5666c61677380",
            "hello",
            args(json!(["wörld", 1]), &[]),
            of(&[], &[]),
        ),
        (
            "93a641704b33332d83a47479706502a46461746191a568656c6c6fa36e7370a12f\
             83a5726f6f6d7392a27231a27232a665786365707491a27a7aa5666c61677380",
            "hello",
            Args::default(),
            of(&["r1", "r2"], &["zz"]),
        ),
        (
            "93a641704b33332d83a47479706502a46461746192a362696ec4030102ffa36e7370a12f\
             83a5726f6f6d7391a27231a665786365707490a5666c61677380",
            "bin",
            binary(&[1, 2, 255]),
            of(&["r1"], &[]),
        ),
        (
            "93a7656d697474657283a47479706502a46461746193a2656d01c40109a36e7370a12f\
             83a5726f6f6d7390a5666c61677380a665786365707490",
            "em",
            args(json!([1, placeholder(0)]), &[&[9]]),
            of(&[], &[]),
        ),
        (
            "93a6674a57445a5083a47479706502a46461746193a3756e64d40000d7000000000000000000\
             a36e7370a12f82a5726f6f6d7390a5666c61677380",
            "und",
            args(times, &[]),
            of(&[], &[]),
        ),
        (
            "93a6674a57445a5083a47479706505a46461746192a362696ec4030102ffa36e7370a12f\
             82a5726f6f6d7390a5666c61677380",
            "bin",
            binary(&[1, 2, 255]),
            of(&[], &[]),
        ),
        // `rooms` is nil, `except` is not there, and a name is a number.
        (
            "93a175 83a47479706502a46461746191a163a36e7370a12f82a5726f6f6d73c0a6657863657074 9107",
            "c",
            Args::default(),
            of(&[], &["7"]),
        ),
    ] {
        let (mut list, parts) = Parts::read_list(&bytes(&hex.replace(' ', ""))).unwrap();
        let (opts, packet) = (list.pop().unwrap(), list.pop().unwrap());
        let read = parts.event_of(packet).unwrap();
        assert_eq!(read, (event(name, expected), Some("/".into())), "{hex}");
        assert_eq!(parts.opts_of(opts).unwrap(), (selector, Flags::default()), "{hex}");
    }
}

#[test]
fn times_and_what_is_undefined_are_as_json_has_them() {
    let time = |text: &str| Some(Value::from(text));
    for (hex, expected) in [
        ("d6ff00000001", time("1970-01-01T00:00:01.000Z")),
        ("d7ff0ee6b28069239bc8", time("2025-11-23T23:42:00.062Z")),
        ("c70cff3b8b87c00000000069239bc8", time("2025-11-23T23:42:00.999Z")),
        ("c70cff00000000ffffffffffffffff", Some((-1000).into())),
        ("c70cff000000007fffffffffffffff", Some(i64::MAX.into())),
        ("d40001", None),
        ("d4ff01", None),
        ("c70200aabb", None),
        ("d50501ff", None),
    ] {
        let read = decode(&bytes(hex)).unwrap();
        match expected {
            Some(expected) => assert_eq!(read, Args::from(vec![expected]), "{hex}"),
            None if hex == "d40001" => assert_eq!(read, Args::from(vec![Value::Null])),
            None => assert_eq!((&read.values[0], read.attachments.len()), (&placeholder(0), 1)),
        }
    }
}

fn message(content: Content) -> Message {
    Message { uid: "213590c7f2534471".into(), namespace: "/".into(), content }
}

fn broadcast(packet: Packet, selector: Selector) -> Content {
    Content::Broadcast { packet, selector, flags: Flags::default(), request: None }
}

#[test]
fn what_is_written_is_what_node_writes() {
    let hello = event("hello", args(json!([{ "a": 1 }]), &[]));
    let written = write(&message(broadcast(hello, of(&["r1"], &[])))).unwrap();
    let expected = r#"{"type":3,"data":{"packet":{"type":2,"data":["hello",{"a":1}]},"opts":{"rooms":["r1"],"except":[],"flags":{}}},"uid":"213590c7f2534471","nsp":"/"}"#;
    assert_eq!(String::from_utf8(written).unwrap(), expected);
    let bin = event("bin", args(json!([placeholder(0)]), &[&[1, 2, 255]]));
    let written = write_data(&broadcast(bin, of(&[], &[]))).unwrap().unwrap();
    let expected =
        "gqZwYWNrZXSCpHR5cGUCpGRhdGGSo2JpbsQDAQL/pG9wdHODpXJvb21zkKZleGNlcHSQpWZsYWdzgA==";
    assert_eq!(STANDARD.encode(written), expected);
    let beat = write(&message(Content::Heartbeat)).unwrap();
    assert_eq!(beat, br#"{"type":2,"uid":"213590c7f2534471","nsp":"/"}"#);
    let numbers = args(json!([1.5, -1, 300]), &[]);
    let packet = event("n", numbers);
    let written = encode_binary(&List(&packet)).unwrap();
    assert_eq!(written, bytes("94a16ecb3ff8000000000000ffcd012c"));
    let huge: Value = serde_json::from_str("[12345678901234567890123]").unwrap();
    let written = write_data(&broadcast(event("h", args(huge, &[])), of(&[], &[]))).unwrap();
    let text = String::from_utf8(written.unwrap()).unwrap();
    assert!(text.contains("[\"h\",12345678901234567890123]"), "{text}");
}

fn all() -> Vec<Content> {
    let request = || Arc::<str>::from("0123456789abcdef");
    let packet = |binary| match binary {
        true => {
            event("bin", args(json!([{ "deep": [placeholder(0)] }, placeholder(1)]), &[b"a", b""]))
        }
        false => event("e", args(json!([null, "x", -7, 1.25, { "k": [true] }]), &[])),
    };
    let flags = Flags {
        volatile: true,
        local: false,
        compress: Some(false),
        timeout: Some(Duration::from_millis(400)),
        late: Some(UNIX_EPOCH + Duration::from_millis(1_795_395_189_521)),
    };
    let details = SocketDetails {
        id: "Uy_I".to_owned(),
        handshake: json!({ "query": { "EIO": "4" }, "issued": 1_795_394_842_103_u64 }),
        rooms: names(&["Uy_I", "r1"]),
        data: json!({ "user": "u7402" }),
    };
    let mut all = vec![Content::InitialHeartbeat, Content::Heartbeat, Content::AdapterClose];
    for binary in [false, true] {
        for request in [None, Some(request())] {
            let (selector, packet) = (of(&["r1", "ü"], &["zz"]), packet(binary));
            let sent = packet.clone();
            let request = request.clone();
            all.push(Content::ServerSideEmit { packet: sent, request: request.clone() });
            all.push(Content::Broadcast { packet, selector, flags, request });
        }
        let args = Args { values: packet(binary).args.values.split_off(1), ..packet(binary).args };
        let args = Args::taken_from(args.values[..1].to_vec(), &args.attachments);
        all.push(Content::BroadcastAck { request: request(), args: args.clone() });
        all.push(Content::ServerSideEmitResponse { request: request(), args });
        all.push(Content::DisconnectSockets { selector: of(&[], &["a"]), close: binary });
    }
    all.extend([
        Content::SocketsJoin { selector: of(&["a"], &[]), rooms: names(&["b"]) },
        Content::SocketsLeave { selector: of(&[], &[]), rooms: names(&["b", "c"]) },
        Content::FetchSockets { selector: of(&[], &[]), request: request() },
        Content::FetchSocketsResponse { request: request(), sockets: vec![details] },
        Content::FetchSocketsResponse { request: request(), sockets: vec![] },
        Content::BroadcastClientCount { request: request(), count: 70_000 },
        Content::BroadcastAck { request: request(), args: Args::default() },
    ]);
    all
}

#[test]
fn every_message_is_read_as_it_was_written() {
    for content in all() {
        let message = message(content);
        for written in [write(&message), write_binary(&message)] {
            assert_eq!(read(&written.unwrap()).unwrap(), message);
        }
        let data = write_data(&message.content).unwrap();
        let read = read_data(message.content.number().into(), data.as_deref());
        assert_eq!(read.unwrap(), message.content);
    }
}

#[test]
fn what_is_cut_off_or_has_something_behind_it_is_no_message() {
    for content in all() {
        let message = message(content);
        for written in [write(&message).unwrap(), write_binary(&message).unwrap()] {
            for end in 0..written.len() {
                assert!(read(&written[..end]).is_err(), "{end} of {written:?}");
            }
            assert!(read(&[&written[..], b"1"].concat()).is_err());
        }
    }
}

#[test]
fn what_is_missing_or_mistyped_has_a_name() {
    let whole = |kind: u64, data: Value| {
        let message = json!({ "type": kind, "data": data, "uid": "u", "nsp": "/" });
        read(message.to_string().as_bytes()).unwrap_err().to_string()
    };
    let packet = json!({ "type": 2, "data": ["a"] });
    for (kind, data, expected) in [
        (0, json!({}), "messages of type 0 are not known"),
        (14, json!({}), "messages of type 14 are not known"),
        (3, json!(null), "data is missing or of a wrong type"),
        (3, json!({}), "packet is missing or of a wrong type"),
        (
            3,
            json!({ "packet": { "type": 3, "data": ["a"] } }),
            "type of packet is missing or of a wrong type",
        ),
        (3, json!({ "packet": { "type": 2, "data": [] } }), "name is missing or of a wrong type"),
        (
            3,
            json!({ "packet": packet, "opts": { "rooms": {} } }),
            "rooms is missing or of a wrong type",
        ),
        (
            3,
            json!({ "packet": packet, "opts": { "except": [[]] } }),
            "except is missing or of a wrong type",
        ),
        (
            3,
            json!({ "packet": packet, "requestId": [] }),
            "requestId is missing or of a wrong type",
        ),
        (7, json!({ "opts": {} }), "requestId is missing or of a wrong type"),
        (8, json!({ "requestId": "1" }), "sockets is missing or of a wrong type"),
        (8, json!({ "requestId": "1", "sockets": [{}] }), "id is missing or of a wrong type"),
        (9, json!({ "packet": {} }), "data is missing or of a wrong type"),
        (
            11,
            json!({ "requestId": "1", "clientCount": -1 }),
            "clientCount is missing or of a wrong type",
        ),
    ] {
        assert_eq!(whole(kind, data.clone()), expected, "{kind} {data}");
    }
}

#[test]
fn depth_is_bounded_in_both_formats() {
    let deep = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    assert!(decode(&deep(100)).is_ok());
    assert!(decode(&deep(MAX_DEPTH + 1)).is_err());
    assert!(decode(&vec![0x91; 1 << 20]).is_err());
    let text = format!("{{\"a\":{}", "[".repeat(1 << 20));
    assert!(decode(text.as_bytes()).is_err());
    let long = vec![0; MAX_BYTES + 1];
    assert_eq!(decode(&long).unwrap_err(), FormatError::TooLarge(MAX_BYTES + 1));
    // A length that is not there takes no memory.
    assert!(decode(&bytes("dfffffffff")).is_err() && decode(&bytes("ddffffffff")).is_err());
    assert!(decode(&bytes("c6ffffffff")).is_err() && decode(&bytes("dbffffffff")).is_err());
}

#[test]
fn a_timeout_is_bounded_and_binary_in_what_is_known_of_a_socket_is_spelt_out() {
    let opts = json!({ "flags": { "timeout": 1e300, "late": 1e300, "volatile": 1 } });
    let parts = Parts::read(b"{}").unwrap();
    let (_, flags) = parts.opts_of(opts).unwrap();
    assert_eq!(flags.timeout, Some(Duration::from_secs(3600)));
    assert!(!flags.volatile);
    // {"sockets":[{"id":"a","rooms":[],"data":{"b":<01>}}]}
    let socket = "81a7736f636b6574739183a26964a161a5726f6f6d7390a46461746181a162c40101";
    let sockets = Parts::read(&bytes(socket)).unwrap().sockets().unwrap();
    assert_eq!(sockets[0].data, json!({ "b": { "type": "Buffer", "data": [1] } }));
}
