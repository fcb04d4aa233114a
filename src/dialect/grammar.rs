//! The packet grammar of Socket.IO protocols 3, 4 and 5, which travels inside message packets
//! (reference: socketio.md §2).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::packet::{AckId, AckRequest, Body, Frame, Incoming, Malformed, SocketPacket};
use super::{Wire, json};

/// How one protocol differs from the others.
#[derive(Debug)]
pub struct Protocol {
    /// Writes JSON in a form that this protocol's clients can read.
    pub write_json: fn(&mut Vec<u8>, &Value),
    /// True for protocol 5: connect packets carry an object both ways, and so do connect errors.
    pub explicit_connect: bool,
}

/// The most attachments of one packet, as in the reference servers.
pub const MAX_ATTACHMENTS: usize = 10;

/// Bytes of a namespace with its query: the default bound of a request head.
pub(super) const MAX_NAMESPACE: usize = 16 * 1024;

/// Event names that a client of protocol 5 never sends (socketio.md §7).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Encodes a packet inside of an Engine.IO message packet, which starts with `4`.
pub fn encode(protocol: &Protocol, packet: &SocketPacket, wire: &Wire) -> Vec<Frame> {
    let binary = !packet.attachments.is_empty();
    let mut out = Vec::with_capacity(64);
    out.push(b'4');
    out.push(match (&packet.body, binary) {
        (Body::Connect(_), _) => b'0',
        (Body::Disconnect, _) => b'1',
        (Body::Event { .. }, false) => b'2',
        (Body::Ack { .. }, false) => b'3',
        (Body::ConnectError { .. }, _) => b'4',
        (Body::Event { .. }, true) => b'5',
        (Body::Ack { .. }, true) => b'6',
    });
    let counted_ack = matches!(packet.body, Body::Ack { .. }) && wire.counted_acks();
    if counted_ack {
        out[1] = b'3';
    }
    if binary || counted_ack {
        out.extend_from_slice(packet.attachments.len().to_string().as_bytes());
        out.push(b'-');
    }
    if &*packet.namespace != "/" {
        out.extend_from_slice(packet.namespace.as_bytes());
        out.push(b',');
    }
    match &packet.body {
        Body::Connect(Value::Null) | Body::Disconnect => {}
        Body::Connect(answer) => {
            if protocol.explicit_connect {
                (protocol.write_json)(&mut out, answer);
            }
        }
        Body::Event { name, args, ack } => {
            if let Some(AckRequest::ByApp(id) | AckRequest::OnReceipt(id)) = ack {
                out.extend_from_slice(id.0.as_bytes());
            }
            out.push(b'[');
            (protocol.write_json)(&mut out, &Value::String(name.clone()));
            for arg in args {
                out.push(b',');
                (protocol.write_json)(&mut out, arg);
            }
            out.push(b']');
        }
        Body::Ack { id, args } => {
            out.extend_from_slice(id.0.as_bytes());
            out.push(b'[');
            for (at, arg) in args.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                (protocol.write_json)(&mut out, arg);
            }
            out.push(b']');
        }
        Body::ConnectError { message, data } => {
            let error = if protocol.explicit_connect {
                let mut error = Map::new();
                error.insert("message".into(), message.as_str().into());
                if let Some(data) = data {
                    error.insert("data".into(), data.clone());
                }
                Value::Object(error)
            } else {
                data.clone().unwrap_or_else(|| message.as_str().into())
            };
            (protocol.write_json)(&mut out, &error);
        }
    }
    let mut frames = Vec::with_capacity(1 + packet.attachments.len());
    frames.push(Frame::Text(Bytes::from(out)));
    frames.extend(packet.attachments.iter().cloned().map(Frame::Binary));
    frames
}

/// Decodes the text of a message packet (without the `4`).
///
/// # Errors
/// If the text does not follow the grammar. Returns `Ok(None)` for input that the reference servers of
/// this protocol ignore.
pub fn decode(protocol: &Protocol, text: &str, wire: &Wire) -> Result<Option<Incoming>, Malformed> {
    let kind = *text.as_bytes().first().ok_or(Malformed("empty packet"))?;
    if !matches!(kind, b'0'..=b'6') {
        // Older servers ignore these (socketio.md §7).
        return match protocol.explicit_connect {
            true => Err(Malformed("unknown packet type")),
            false => Ok(None),
        };
    }
    let mut rest = &text[1..];
    let mut due = 0;
    if matches!(kind, b'5' | b'6') {
        let (count, tail) = split_digits(rest);
        rest = tail.strip_prefix('-').ok_or(Malformed("attachment count without its end"))?;
        due = count.parse().map_err(|_| Malformed("bad attachment count"))?;
        if due == 0 || due > MAX_ATTACHMENTS {
            return Err(Malformed("attachment count out of range"));
        }
    } else if kind == b'3' && !protocol.explicit_connect {
        // Clients 1.0.0–1.0.3 put the number of attachments into every ack (socketio.md §6).
        let (count, tail) = split_digits(rest);
        if let (Ok(count), Some(tail)) = (count.parse::<usize>(), tail.strip_prefix('-')) {
            if count > MAX_ATTACHMENTS {
                return Err(Malformed("attachment count out of range"));
            }
            (due, rest) = (count, tail);
            wire.counted_acks.store(true, Ordering::Relaxed);
        }
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        if namespace.len() > MAX_NAMESPACE {
            return Err(Malformed("namespace too long"));
        }
    }
    let (id, json) = split_digits(rest);
    let id = match id {
        "" => None,
        digits => {
            Some(AckId::from(digits.parse::<u64>().map_err(|_| Malformed("ack id too large"))?))
        }
    };
    let value = match json {
        "" => None,
        text => Some(json::parse(text)?),
    };
    let body = match kind {
        b'0' => connect(protocol, &mut namespace, value)?,
        b'1' if value.is_none() => Body::Disconnect,
        b'1' => return Err(Malformed("disconnect with data")),
        b'2' | b'5' => match value {
            None if kind == b'2' => return Ok(None),
            Some(Value::Array(args)) => event(protocol, args, id)?,
            _ => return Err(Malformed("event without an array")),
        },
        b'3' | b'6' => match (value, id) {
            (None, _) => return Ok(None),
            (Some(Value::Array(_)), None) => return Ok(None),
            (Some(Value::Array(args)), Some(id)) => Body::Ack { id, args },
            _ => return Err(Malformed("ack without an array")),
        },
        _ if protocol.explicit_connect => return Err(Malformed("error packet from a client")),
        _ => return Ok(None),
    };
    let packet = SocketPacket { namespace: Arc::from(namespace), body, attachments: Vec::new() };
    Ok(Some(Incoming { packet, due }))
}

fn connect(
    protocol: &Protocol,
    namespace: &mut &str,
    value: Option<Value>,
) -> Result<Body, Malformed> {
    if protocol.explicit_connect {
        return match value {
            None => Ok(Body::Connect(json!({}))),
            Some(auth @ Value::Object(_)) => Ok(Body::Connect(auth)),
            Some(_) => Err(Malformed("connect data is no object")),
        };
    }
    if value.is_some() {
        return Err(Malformed("connect with data"));
    }
    let full: &str = namespace;
    let (name, query) = full.split_once('?').unwrap_or((full, ""));
    *namespace = name;
    Ok(Body::Connect(query_to_auth(query)))
}

/// Makes an auth payload, as newer clients send it, of the query string of a namespace.
pub(crate) fn query_to_auth(query: &str) -> Value {
    let pairs = form_urlencoded::parse(query.as_bytes());
    Value::Object(pairs.map(|(key, value)| (key.into_owned(), value.into())).collect())
}

/// Whether clients have that name for events of their own, and take no other by it.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

fn event(protocol: &Protocol, args: Vec<Value>, id: Option<AckId>) -> Result<Body, Malformed> {
    let mut args = args.into_iter();
    let name = match args.next() {
        Some(Value::String(name)) => name,
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(Malformed("event without a name")),
    };
    if protocol.explicit_connect && is_reserved(&name) {
        return Err(Malformed("reserved event name"));
    }
    Ok(Body::Event { name, args: args.collect(), ack: id.map(AckRequest::ByApp) })
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Whether every placeholder in a complete packet refers to one of its attachments.
pub fn placeholders_fit(packet: &SocketPacket) -> bool {
    fn fit(value: &Value, count: u64) -> bool {
        match value {
            Value::Array(items) => items.iter().all(|item| fit(item, count)),
            Value::Object(map) if map.get("_placeholder") == Some(&Value::Bool(true)) => {
                map.get("num").and_then(Value::as_u64).is_some_and(|num| num < count)
            }
            Value::Object(map) => map.values().all(|item| fit(item, count)),
            _ => true,
        }
    }
    let count = packet.attachments.len() as u64;
    match &packet.body {
        Body::Event { args, .. } | Body::Ack { args, .. } => args.iter().all(|arg| fit(arg, count)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V5: Protocol =
        Protocol { write_json: |out, value| json::write_plain(out, value), explicit_connect: true };
    const V4: Protocol = Protocol {
        write_json: |out, value| json::write_ascii(out, value),
        explicit_connect: false,
    };

    fn read(protocol: &Protocol, text: &str) -> Result<Option<Incoming>, Malformed> {
        decode(protocol, text, &Wire::default())
    }

    fn body(protocol: &Protocol, text: &str) -> (String, Body, usize) {
        let incoming = read(protocol, text).unwrap().unwrap();
        (incoming.packet.namespace.to_string(), incoming.packet.body, incoming.due)
    }

    fn written(protocol: &Protocol, namespace: &str, body: Body, attachments: usize) -> String {
        let attachments = vec![Bytes::from_static(b"\x01"); attachments];
        let packet = SocketPacket { namespace: namespace.into(), body, attachments };
        match &encode(protocol, &packet, &Wire::default())[0] {
            Frame::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Frame::Binary(_) => panic!("header first"),
        }
    }

    #[test]
    fn connects_of_both_protocols() {
        assert_eq!(body(&V5, "0"), ("/".into(), Body::Connect(json!({})), 0));
        assert_eq!(
            body(&V5, "0{\"token\":\"abc\"}"),
            ("/".into(), Body::Connect(json!({"token":"abc"})), 0)
        );
        assert_eq!(
            body(&V5, "0/chat,{\"a\":1}"),
            ("/chat".into(), Body::Connect(json!({"a":1})), 0)
        );
        assert_eq!(body(&V5, "0/chat?x=1,").0, "/chat?x=1", "protocol 5 has no namespace queries");
        for text in ["0/chat", "0/chat,"] {
            assert_eq!(body(&V4, text), ("/chat".into(), Body::Connect(json!({})), 0));
        }
        assert_eq!(
            body(&V4, "0/chat?k=v%20w,"),
            ("/chat".into(), Body::Connect(json!({"k":"v w"})), 0)
        );
        assert!(read(&V5, "0\"s\"").is_err());
        assert!(read(&V4, "0\"s\"").is_err());
    }

    #[test]
    fn events_and_acks() {
        let ack = |id: &str| Some(AckRequest::ByApp(AckId(id.into())));
        let event =
            |name: &str, args: Vec<Value>, ack| Body::Event { name: name.into(), args, ack };
        assert_eq!(
            body(&V5, "2[\"echo\",\"x\",1]").1,
            event("echo", vec![json!("x"), json!(1)], None)
        );
        assert_eq!(body(&V5, "2456[\"m\"]").1, event("m", vec![], ack("456")));
        assert_eq!(body(&V5, "207[\"e\"]").1, event("e", vec![], ack("7")), "ids are numbers");
        assert_eq!(body(&V5, "2/1,5[\"a\"]"), ("/1".into(), event("a", vec![], ack("5")), 0));
        assert_eq!(body(&V5, "2[1]").1, event("1", vec![], None));
        assert_eq!(
            body(&V5, "3/chat,12[1]"),
            ("/chat".into(), Body::Ack { id: AckId("12".into()), args: vec![json!(1)] }, 0)
        );
        assert_eq!(body(&V5, "52-789[\"m\",{\"_placeholder\":true,\"num\":0}]").2, 2);
    }

    #[test]
    fn the_malformed_table() {
        for text in [
            "",
            "2{}",
            "2[\"x\"",
            "2[]",
            "2[null]",
            "2[\"a\"]x",
            "2-1[\"a\"]",
            "1{}",
            "5-[\"x\"]",
            "51.5-[\"x\"]",
            "50-[\"x\"]",
            "511-[\"x\"]",
            "2abc[]",
            "51-",
            "3{}",
        ] {
            assert!(read(&V5, text).is_err(), "{text}");
            assert!(read(&V4, text).is_err(), "{text}");
        }
        for text in ["2", "3", "3[1]"] {
            assert_eq!(read(&V5, text), Ok(None), "{text}");
            assert_eq!(read(&V4, text), Ok(None), "{text}");
        }
        for text in ["9", "x", "abc", "4\"x\""] {
            assert!(read(&V5, text).is_err(), "{text}");
            assert_eq!(read(&V4, text), Ok(None), "{text}");
        }
        assert!(read(&V5, "2[\"disconnect\"]").is_err());
        assert!(read(&V4, "2[\"disconnect\"]").is_ok());
        assert!(read(&V5, "2[\"error\"]").is_ok());
    }

    #[test]
    fn writes_what_each_protocol_expects() {
        assert_eq!(written(&V5, "/", Body::Connect(json!({"sid":"x"})), 0), "40{\"sid\":\"x\"}");
        assert_eq!(written(&V4, "/", Body::Connect(json!({"sid":"x"})), 0), "40");
        assert_eq!(written(&V4, "/chat", Body::Connect(json!({"sid":"x"})), 0), "40/chat,");
        let error = || Body::ConnectError { message: "Invalid namespace".into(), data: None };
        assert_eq!(
            written(&V5, "/nope", error(), 0),
            "44/nope,{\"message\":\"Invalid namespace\"}"
        );
        assert_eq!(written(&V4, "/nope", error(), 0), "44/nope,\"Invalid namespace\"");
        let denied =
            || Body::ConnectError { message: "denied".into(), data: Some(json!({"code":7})) };
        assert_eq!(
            written(&V5, "/d", denied(), 0),
            "44/d,{\"message\":\"denied\",\"data\":{\"code\":7}}"
        );
        assert_eq!(written(&V4, "/d", denied(), 0), "44/d,{\"code\":7}");
        let event = |ack| Body::Event {
            name: "é".into(),
            args: vec![json!({"_placeholder":true,"num":0})],
            ack,
        };
        assert_eq!(
            written(&V5, "/", event(None), 1),
            "451-[\"é\",{\"_placeholder\":true,\"num\":0}]"
        );
        assert_eq!(
            written(&V4, "/", event(Some(AckRequest::ByApp(5.into()))), 1),
            "451-5[\"\\u00e9\",{\"_placeholder\":true,\"num\":0}]"
        );
        assert_eq!(
            written(&V5, "/chat", Body::Ack { id: 12.into(), args: vec![] }, 0),
            "43/chat,12[]"
        );
        assert_eq!(written(&V5, "/", Body::Ack { id: 789.into(), args: vec![] }, 2), "462-789[]");
        assert_eq!(written(&V5, "/chat", Body::Disconnect, 0), "41/chat,");
    }

    #[test]
    fn acks_of_the_first_1_0_clients_switch_the_session() {
        let wire = Wire::default();
        let ack = || SocketPacket {
            namespace: "/".into(),
            body: Body::Ack { id: 7.into(), args: vec![json!("x")] },
            attachments: vec![],
        };
        assert_eq!(encode(&V4, &ack(), &wire)[0], Frame::fixed("437[\"x\"]"));
        let incoming = decode(&V4, "30-7[\"x\"]", &wire).unwrap().unwrap();
        assert_eq!(incoming.packet, ack());
        assert_eq!(encode(&V4, &ack(), &wire)[0], Frame::fixed("430-7[\"x\"]"));
        assert!(decode(&V5, "30-7[\"x\"]", &Wire::default()).is_err());
    }

    #[test]
    fn placeholders_must_name_attachments() {
        let packet = |num: i64| SocketPacket {
            namespace: "/".into(),
            body: Body::Event {
                name: "e".into(),
                args: vec![json!([{"a": {"_placeholder": true, "num": num}}])],
                ack: None,
            },
            attachments: vec![Bytes::from_static(b"x")],
        };
        assert!(placeholders_fit(&packet(0)));
        assert!(!placeholders_fit(&packet(1)));
        assert!(!placeholders_fit(&packet(-1)));
    }
}
