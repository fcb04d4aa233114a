//! Tests with input that is made to be expensive: memory and time stay in proportion to its length.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::engineio3::EngineIo3;
use super::engineio4::EngineIo4;
use super::socketio09::SocketIo09;
use super::{
    Body, Dialect, Incoming, Malformed, Message, Packet, StringMode, Strings, Wire, grammar,
};

/// The default of `max-payload`.
const FULL: usize = 1_000_000;
/// Far more than any input takes, and far less than one would take if the time were quadratic.
const LONG: Duration = Duration::from_secs(20);

const TOO_MANY: Malformed = Malformed("too many packets in one body");

/// A full body of copies of `piece`.
fn copies(piece: &str) -> String {
    piece.repeat(FULL / piece.len())
}

/// A full body: `start`, copies of `piece`, `end`.
fn filled(start: &str, piece: &str, end: &str) -> String {
    let count = (FULL - start.len() - end.len()) / piece.len();
    [start, &piece.repeat(count), end].concat()
}

fn held_by_packets(packets: &Vec<Packet>) -> usize {
    let content = packets.iter().map(|packet| match packet {
        Packet::Message(Message::Text(text)) => text.capacity(),
        Packet::Message(Message::Binary(data)) => data.len(),
        _ => 0,
    });
    packets.capacity() * size_of::<Packet>() + content.sum::<usize>()
}

fn held_by_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Array(items) => items.iter().map(held_by_value).sum(),
            Value::Object(map) => {
                map.iter().map(|(key, item)| 64 + key.capacity() + held_by_value(item)).sum()
            }
            Value::String(text) => text.capacity(),
            Value::Number(number) => number.as_str().len(),
            _ => 0,
        }
}

fn held_by_packet(incoming: &Incoming) -> usize {
    let packet = &incoming.packet;
    packet.namespace.len()
        + match &packet.body {
            Body::Connect(auth) => held_by_value(auth),
            Body::Event { name, args, .. } => {
                name.capacity() + args.iter().map(held_by_value).sum::<usize>()
            }
            Body::Ack { id, args } => id.0.len() + args.iter().map(held_by_value).sum::<usize>(),
            Body::Disconnect | Body::ConnectError { .. } => 0,
        }
}

fn in_time<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let done = work();
    let took = since.elapsed();
    assert!(took < LONG, "{name} took {took:?}");
    done
}

/// The beginning of an input, for messages.
fn name(input: &[u8]) -> String {
    String::from_utf8_lossy(&input[..input.len().min(32)]).into_owned()
}

#[test]
fn bodies() {
    let octets = |piece: &[u8]| piece.repeat(FULL / piece.len());
    let texts: [(&dyn Dialect, Vec<String>); 3] = [
        (
            &EngineIo4,
            ["2\u{1e}", "4\u{1e}", "\u{1e}", "6\u{1e}", "b\u{1e}", "bAA\u{1e}", "4é\u{1e}", "4"]
                .map(copies)
                .to_vec(),
        ),
        (
            &EngineIo3,
            ["1:2", "1:4", "1:6", "0:", "2:b4", "4:b4AA", "1", ":", "1:", "2:4é", "4", "b", "é"]
                .map(copies)
                .into_iter()
                .chain([filled("999999:4", "é", ""), filled("1000000:", "4", "")])
                .collect(),
        ),
        (
            &SocketIo09,
            [
                "\u{fffd}3\u{fffd}2::",
                "\u{fffd}0\u{fffd}",
                "\u{fffd}",
                "\u{fffd}1",
                "\u{fffd}1\u{fffd}é",
                "1:",
                ":",
                "5:1",
                "5:1+",
                "::5",
                "5",
            ]
            .map(copies)
            .into_iter()
            .chain([filled("\u{fffd}999999\u{fffd}3:::", "é", ""), filled("5:", "1", "::")])
            .collect(),
        ),
    ];
    let mut refused = 0;
    for (dialect, bodies) in texts {
        for body in bodies.iter().map(String::as_bytes).chain([&[0xff; FULL][..], &[0; FULL]]) {
            for strings in [Strings::Plain, Strings::Double, Strings::Sniff] {
                let wire = Wire { polling_strings: StringMode::new(strings), ..Wire::default() };
                let name = format!("{dialect:?} {}", name(body));
                let read = in_time(&name, || dialect.read_payload(body, false, &wire));
                refused += usize::from(read == Err(TOO_MANY));
                let held = read.as_ref().map_or(0, held_by_packets);
                assert!(held <= 8 * FULL, "{name}: {held} bytes");
            }
        }
    }
    for body in [
        octets(&[0, 1, 0xff, b'2']),
        octets(&[1, 1, 0xff, 4]),
        octets(&[0, 0xff]),
        octets(&[0]),
        octets(&[1]),
        octets(&[0, 9]),
        octets(&[0xff]),
    ] {
        let wire = Wire::default();
        let read = in_time(&name(&body), || EngineIo3.read_payload(&body, true, &wire));
        refused += usize::from(read == Err(TOO_MANY));
        let held = read.as_ref().map_or(0, held_by_packets);
        assert!(held <= 8 * FULL, "{:?}: {held} bytes", &body[..8]);
    }
    assert!(refused >= 20, "{refused}");
}

#[test]
fn packets() {
    let (bad, many) = (Malformed("bad JSON"), Malformed("too many JSON values"));
    let long = Malformed("namespace too long");
    let namespace = "n".repeat(grammar::MAX_NAMESPACE);
    for (start, piece, end, expected) in [
        ("2[\"a\"", ",0", "]", Some(many)),
        ("2[\"a\"", ",[]", "]", Some(many)),
        ("2[\"a\"", ",[0]", "]", Some(many)),
        ("2[\"a\"", ",{\"\":0}", "]", Some(many)),
        ("2[\"a\",{\"\":0", ",\"\":0", "}]", Some(many)),
        ("2[\"a\"", ",38.156211720485004", "]", None),
        ("2[\"a\",", "1", "]", None),
        ("2[\"a\",1e", "1", "]", None),
        ("2[\"a\",\"", ",", "\"]", None),
        ("2[\"a\",\"", "\\\\", "\"]", None),
        ("2[\"a\",\"", "\\ud83d", "\"]", None),
        ("2[\"a\"", ",\"\\ud83d\\\\\"", "]", None),
        ("2[\"", "a", "\"]", None),
        ("2[\"a\",\"", "\\u12", "\"]", Some(bad)),
        ("2", "[", "", Some(many)),
        ("2[\"a\",\"\",", "{\"a\":", "", Some(many)),
        ("2", "1", "[\"a\"]", Some(Malformed("ack id too large"))),
        ("3", "1", "[]", Some(Malformed("ack id too large"))),
        ("5", "9", "-[\"a\"]", Some(Malformed("bad attachment count"))),
        ("5", "0", "-[\"a\"]", Some(Malformed("attachment count out of range"))),
        ("0/", "n", "", Some(long)),
        ("0/?", "a&", "", Some(long)),
        ("2/", "n", ",[\"a\"]", Some(long)),
    ] {
        let text = filled(start, piece, end);
        for dialect in [&EngineIo4 as &dyn Dialect, &EngineIo3] {
            decoded(dialect, &text, expected);
        }
    }
    for (start, piece, end, expected) in [
        ("5:::{\"name\":\"a\",\"args\":[0", ",0", "]}", None),
        ("5:::", "[", "", None),
        ("4:::[0", ",{\"\":0}", "]", None),
        ("4:::", "[", "", None),
        ("4:::\"", "\\ud83d", "\"", None),
        ("4:::", "1", "", None),
        ("5:", "1", "+::{\"name\":\"a\"}", None),
        ("6:::", "1", "", None),
        ("6:::1+[0", ",0", "]", None),
        ("3:::", "a", "", None),
        ("1::/", "n", "", Some(long)),
        ("1::/n:?", "a&", "", Some(long)),
        ("5::/", "n", ":{\"name\":\"a\"}", Some(long)),
        ("", "5:", "", None),
        ("", "5:1", "", None),
        ("", ":5", "", None),
    ] {
        decoded(&SocketIo09, &filled(start, piece, end), expected);
    }
    for (dialect, text) in [
        (&EngineIo4 as &dyn Dialect, format!("0/{namespace},")),
        (&EngineIo3, format!("0/{namespace}?,")),
        (&SocketIo09, format!("1::/{namespace}")),
    ] {
        let shorter = text.replacen("nn", "", 1);
        assert_eq!(dialect.decode(&text, &Wire::default()), Err(long));
        assert!(dialect.decode(&shorter, &Wire::default()).is_ok_and(|read| read.is_some()));
    }
}

fn decoded(dialect: &dyn Dialect, text: &str, expected: Option<Malformed>) {
    let name = format!("{dialect:?} {}", name(text.as_bytes()));
    let read = in_time(&name, || dialect.decode(text, &Wire::default()));
    assert_eq!(read.as_ref().err().copied(), expected, "{name}");
    let held = read.ok().flatten().map_or(0, |incoming| held_by_packet(&incoming));
    assert!(held <= 12 * FULL, "{name}: {held} bytes");
}
