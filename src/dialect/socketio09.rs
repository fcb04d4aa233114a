//! Socket.IO 0.9, "protocol 1": one grammar for sessions and events (reference: socketio-0.9.md).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::grammar::query_to_auth;
use super::packet::{AckId, AckRequest, Body, as_text};
use super::utf8::{split_utf16, utf16_len};
use super::{
    Control, Dialect, Ending, Frame, Heartbeat, Incoming, Malformed, Message, Opening, Packet,
    Payload, Reaction, Requests, Rules, SocketIds, SocketMessage, SocketPacket, TEXT, Wire,
    base64_encode, json, script,
};

#[derive(Debug)]
pub struct SocketIo09;

/// Begins each packet of a payload with more than one, and ends its length.
const MARK: char = '\u{fffd}';

static RULES: Rules = Rules {
    heartbeat: Heartbeat::ServerAsks,
    stray_ping: Reaction::Ignore,
    requests: Requests::Lenient,
    ending_on_sockets: true,
    resumes_streams: false,
    joins_by_itself: true,
    malformed: Reaction::Ignore,
    not_joined: Reaction::Ignore,
    joined_twice: Reaction::Ignore,
    socket_ids: SocketIds::OfSession,
};

/// The packet that tells a client to shake hands again: it is not known here.
pub const UNKNOWN_SID: Frame = Frame::fixed("7:::1+0");

/// What a request below the mount path asks for (socketio-0.9.md §1).
#[derive(Debug, PartialEq, Eq)]
pub enum Url<'a> {
    Handshake,
    Open {
        transport: &'a str,
        sid: &'a str,
    },
    Disconnect {
        sid: &'a str,
    },
    /// A protocol that is not 1.
    OtherProtocol,
}

impl<'a> Url<'a> {
    /// Reads what follows the mount path, which ends in a slash. `None` is no URL of this
    /// generation.
    pub fn parse(path: &'a str, query: &str) -> Option<Self> {
        let mut segments = path.split('/');
        let protocol = segments.next()?;
        if protocol.is_empty() || !protocol.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let transport = segments.next().unwrap_or_default();
        let sid = segments.next().unwrap_or_default();
        // A trailing slash is tolerated, a fourth segment is not.
        if segments.next().is_some_and(|rest| !rest.is_empty()) || segments.next().is_some() {
            return None;
        }
        Some(if protocol != "1" {
            Url::OtherProtocol
        } else if sid.is_empty() {
            Url::Handshake
        } else if form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "disconnect") {
            Url::Disconnect { sid }
        } else {
            Url::Open { transport, sid }
        })
    }
}

/// The body that answers a handshake. `silence` is how long a client waits for any packet before it
/// reconnects; both timeouts of the handshake are that (§2).
pub fn handshake(sid: &str, silence: Duration, transports: &[&str]) -> String {
    let seconds = silence.as_secs_f64();
    format!("{sid}:{seconds}:{seconds}:{}", transports.join(","))
}

/// A handshake's answer as a script, for pages that shake hands by JSONP.
pub fn jsonp_handshake(index: u32, answer: Result<&str, &str>) -> Vec<u8> {
    match answer {
        Ok(body) => script(&format!("io.j[{index}]("), body, ");"),
        Err(message) => script(&format!("io.j[{index}](new Error("), message, "));"),
    }
}

/// A packet, taken apart but not understood.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    kind: &'a str,
    id: &'a str,
    data_ack: bool,
    endpoint: &'a str,
    data: &'a str,
}

impl<'a> Parts<'a> {
    /// Reads as leniently as both ends of 0.9 do: the pattern may begin after any colon (§3).
    fn of(text: &'a str) -> Option<Self> {
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(':');
            let (kind, after) = rest.split_once(':')?;
            let digits = after.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
            let (id, tail) = after.split_at(digits);
            let (data_ack, tail) = match tail.strip_prefix('+') {
                Some(tail) => (true, tail),
                None => (false, tail),
            };
            let Some(tail) = tail.strip_prefix(':') else {
                rest = after;
                continue;
            };
            let (endpoint, data) = tail.split_once(':').unwrap_or((tail, ""));
            return Some(Parts { kind, id, data_ack, endpoint, data });
        }
    }

    fn namespace(&self) -> Arc<str> {
        Arc::from(if self.endpoint.is_empty() { "/" } else { self.endpoint })
    }

    /// A `+` without an id is ignored.
    fn ack(&self) -> Option<AckRequest> {
        let id = AckId(self.id.into());
        match (self.id, self.data_ack) {
            ("", _) => None,
            (_, true) => Some(AckRequest::ByApp(id)),
            (_, false) => Some(AckRequest::OnReceipt(id)),
        }
    }

    /// What it means to the layer above; `None` if nothing.
    fn body(&self) -> Option<Body> {
        let event = |name: &str, args| Body::Event { name: name.to_owned(), args, ack: self.ack() };
        Some(match self.kind {
            "0" => Body::Disconnect,
            "1" => Body::Connect(query_to_auth(self.data.trim_start_matches('?'))),
            "3" => event("message", vec![self.data.into()]),
            // What is no JSON arrives as false, as it did.
            "4" => event("message", vec![json::parse(self.data).unwrap_or(Value::Bool(false))]),
            "5" => {
                let Value::Object(mut call) = json::parse(self.data).ok()? else { return None };
                let name = match call.get("name")? {
                    // The one name that would be taken for an end of the connection.
                    Value::String(name) if name == "disconnect" => return None,
                    Value::String(name) => name.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                };
                let args = match call.get_mut("args").map(Value::take) {
                    Some(Value::Array(args)) => args,
                    _ => Vec::new(),
                };
                event(&name, args)
            }
            "6" => {
                let digits = self.data.bytes().take_while(u8::is_ascii_digit).count();
                let (id, args) = self.data.split_at(digits);
                if id.is_empty() {
                    return None;
                }
                let args = json::parse(args.strip_prefix('+').unwrap_or(args));
                let args = if let Ok(Value::Array(args)) = args { args } else { Vec::new() };
                Body::Ack { id: AckId(id.into()), args }
            }
            _ => return None,
        })
    }
}

/// Puts binary parts, which 0.9 has no form for, where their placeholders are, as base64.
fn inline(value: &Value, attachments: &[Bytes]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| inline(item, attachments)).collect(),
        Value::Object(map) if map.get("_placeholder") == Some(&Value::Bool(true)) => {
            let at =
                map.get("num").and_then(Value::as_u64).and_then(|num| usize::try_from(num).ok());
            let mut text = String::new();
            if let Some(data) = at.and_then(|at| attachments.get(at)) {
                base64_encode(data, &mut text);
            }
            Value::String(text)
        }
        Value::Object(map) => {
            let inlined = map.iter().map(|(key, item)| (key.clone(), inline(item, attachments)));
            Value::Object(inlined.collect())
        }
        plain => plain.clone(),
    }
}

fn inline_all(args: &[Value], attachments: &[Bytes]) -> Vec<Value> {
    args.iter().map(|arg| inline(arg, attachments)).collect()
}

fn packet_head(kind: char, id: &str, namespace: &str) -> Vec<u8> {
    let endpoint = if namespace == "/" { "" } else { namespace };
    format!("{kind}:{id}:{endpoint}").into_bytes()
}

impl Dialect for SocketIo09 {
    fn name(&self) -> &'static str {
        "socket.io 0.9"
    }

    fn slot(&self) -> usize {
        2
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn opening(&self, _facts: &Opening<'_>) -> Frame {
        Frame::fixed("1::")
    }

    fn control(&self, control: Control) -> Frame {
        Frame::fixed(match control {
            Control::Ping | Control::Pong { .. } => "2::",
            Control::Noop => "8::",
        })
    }

    fn ending(&self, ending: Ending) -> Frame {
        match ending {
            Ending::ByClient | Ending::ByServer => Frame::fixed("0::"),
            Ending::Lost => UNKNOWN_SID,
        }
    }

    fn message(&self, text: &str) -> Frame {
        Frame::text(format!("3:::{text}"))
    }

    fn payload(&self, frames: &[Frame], _text_only: bool) -> Payload {
        let text = |frame: &Frame| match frame {
            Frame::Text(text) => as_text(text).into_owned(),
            Frame::Binary(data) => {
                let mut text = String::from("3:::");
                base64_encode(data, &mut text);
                text
            }
        };
        let body = match frames {
            [Frame::Text(text)] => text.clone(),
            [frame] => Bytes::from(text(frame)),
            frames => {
                let mut body = String::new();
                for frame in frames {
                    let packet = text(frame);
                    body.push(MARK);
                    body.push_str(&utf16_len(&packet).to_string());
                    body.push(MARK);
                    body.push_str(&packet);
                }
                Bytes::from(body)
            }
        };
        Payload { content_type: TEXT, body }
    }

    fn takes_octets(&self) -> bool {
        true // any content type is read as text, as it was
    }

    fn read_payload(
        &self,
        body: &[u8],
        _octets: bool,
        wire: &Wire,
    ) -> Result<Vec<Packet>, Malformed> {
        self.read_text_payload(&String::from_utf8_lossy(body), wire)
    }

    fn read_text_payload(&self, text: &str, wire: &Wire) -> Result<Vec<Packet>, Malformed> {
        if !text.starts_with(MARK) {
            return Ok(vec![self.read_text(text, wire)?]);
        }
        let mut packets = Vec::new();
        let mut rest = text;
        // After a wrong length nothing can be found any more; what was read before still counts.
        while let Some((length, tail)) =
            rest.strip_prefix(MARK).and_then(|framed| framed.split_once(MARK))
        {
            let Ok(units) = length.parse() else { break };
            // A length beyond the end yields what is there.
            let (packet, tail) = split_utf16(tail, units).unwrap_or((tail, ""));
            packets.push(self.read_text(packet, wire)?);
            rest = tail;
        }
        Ok(packets)
    }

    fn read_text(&self, text: &str, _wire: &Wire) -> Result<Packet, Malformed> {
        let Some(parts) = Parts::of(text) else { return Ok(Packet::Noop) };
        Ok(match (parts.kind, parts.endpoint) {
            ("0", "") => Packet::Close,
            ("2", _) => Packet::Pong { probe: false },
            ("1", "") | ("7" | "8", _) => Packet::Noop,
            ("0" | "1" | "3" | "4" | "5" | "6", _) => {
                Packet::Message(Message::Text(text.to_owned()))
            }
            _ => Packet::Noop,
        })
    }

    fn read_binary(&self, _data: Bytes) -> Result<Packet, Malformed> {
        Ok(Packet::Noop)
    }

    fn socket_binary(&self, data: &Bytes, wire: &Wire) -> SocketMessage {
        // Never a binary frame: the Node client dies of it (§8.1).
        let payload = self.payload(&[Frame::Binary(data.clone())], wire.base64);
        SocketMessage::Text(payload.body)
    }

    fn encode(&self, packet: &SocketPacket, _wire: &Wire) -> Vec<Frame> {
        let namespace = &*packet.namespace;
        let mut out;
        match &packet.body {
            // That the default namespace is joined is said by the first packet of the session.
            Body::Connect(_) if namespace == "/" => return Vec::new(),
            Body::Connect(_) => out = packet_head('1', "", namespace),
            Body::Disconnect => out = packet_head('0', "", namespace),
            Body::ConnectError { .. } => {
                out = packet_head('7', "", namespace);
                out.extend_from_slice(b":2");
            }
            Body::Event { name, args, ack } => {
                // Acks with arguments are the only ones that event handlers get to answer (§5).
                let id = ack.as_ref().map_or(String::new(), |ack| match ack {
                    AckRequest::ByApp(id) | AckRequest::OnReceipt(id) => format!("{}+", id.0),
                });
                let args = inline_all(args, &packet.attachments);
                match (name.as_str(), &*args) {
                    ("message", [Value::String(text)]) => {
                        out = packet_head('3', &id, namespace);
                        out.push(b':');
                        out.extend_from_slice(text.as_bytes());
                    }
                    ("message", [value]) => {
                        out = packet_head('4', &id, namespace);
                        out.push(b':');
                        json::write_ascii(&mut out, value);
                    }
                    _ => {
                        out = packet_head('5', &id, namespace);
                        out.push(b':');
                        let mut call = Map::new();
                        call.insert("name".into(), name.as_str().into());
                        if !args.is_empty() {
                            call.insert("args".into(), args.into());
                        }
                        json::write_ascii(&mut out, &Value::Object(call));
                    }
                }
            }
            Body::Ack { id, args } => {
                out = packet_head('6', "", namespace);
                out.push(b':');
                out.extend_from_slice(id.0.as_bytes());
                if !args.is_empty() {
                    out.push(b'+');
                    json::write_ascii(&mut out, &json!(inline_all(args, &packet.attachments)));
                }
            }
        }
        vec![Frame::Text(Bytes::from(out))]
    }

    fn decode(&self, text: &str, _wire: &Wire) -> Result<Option<Incoming>, Malformed> {
        let Some(parts) = Parts::of(text) else { return Ok(None) };
        Ok(parts.body().map(|body| {
            let (namespace, attachments) = (parts.namespace(), Vec::new());
            Incoming { packet: SocketPacket { namespace, body, attachments }, due: 0 }
        }))
    }

    fn jsonp_script(&self, index: u32, payload: &str) -> Vec<u8> {
        jsonp_handshake(index, Ok(payload))
    }

    fn jsonp_field<'a>(&self, field: &'a str) -> Result<Cow<'a, str>, Malformed> {
        match json::parse(field) {
            Ok(Value::String(payload)) => Ok(Cow::Owned(payload)),
            _ => Err(Malformed("form field is no JSON string")),
        }
    }

    fn frame_callback(&self, _index: u32) -> String {
        "parent.s._(m,document)".to_owned()
    }

    fn post_answer(&self) -> (&'static str, &'static str) {
        (TEXT, "1")
    }
}

#[cfg(test)]
mod tests {
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
                    SocketIo09.payload(std::slice::from_ref(frame), true).body.to_vec(),
                )
                .unwrap()
            })
            .collect()
    }

    #[test]
    fn urls() {
        let parse = |path| Url::parse(path, "t=1");
        for path in ["1", "1/", "1/anything", "1/anything/"] {
            assert_eq!(parse(path), Some(Url::Handshake), "{path}");
        }
        for path in ["1/xhr-polling/abc", "1/xhr-polling/abc/"] {
            assert_eq!(parse(path), Some(Url::Open { transport: "xhr-polling", sid: "abc" }));
        }
        assert_eq!(Url::parse("1//abc/", "disconnect=1"), Some(Url::Disconnect { sid: "abc" }));
        assert_eq!(
            Url::parse("1/websocket/abc", "disconnect"),
            Some(Url::Disconnect { sid: "abc" })
        );
        assert_eq!(parse("2/"), Some(Url::OtherProtocol));
        for path in ["", "foo/", "1/a/b/c", "1/a/b//c", "socket.io.js"] {
            assert_eq!(parse(path), None, "{path}");
        }
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
        assert_eq!(
            decode("3:1::blabla"),
            root(event("message", json!(["blabla"]), on_receipt("1")))
        );
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
        assert_eq!(
            decode("5:1+::{\"name\":\"tobi\"}"),
            root(event("tobi", json!([]), by_app("1")))
        );
        assert_eq!(
            decode("5:1::{\"name\":\"tobi\"}"),
            root(event("tobi", json!([]), on_receipt("1")))
        );
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
            "7:::1+0",
            "7::/woot:2",
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
        for noop in ["1::", "8::", "8:::", "7:::1+0", "9:::x", "hello", ""] {
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
        assert_eq!(encode("/", event("message", json!([""]), None)), "3:::");
        assert_eq!(encode("/", event("message", json!(["a:é"]), by_app("2"))), "3:2+::a:é");
        assert_eq!(encode("/", event("message", json!([{"a":1}]), None)), "4:::{\"a\":1}");
        assert_eq!(
            encode("/", event("b", json!([{"_placeholder":true,"num":0}]), None)),
            "5:::{\"name\":\"b\",\"args\":[\"AQID\"]}"
        );
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

        let frames = [
            Frame::fixed("5:::{\"name\":\"uni\",\"args\":[\"€😀\"]}"),
            Frame::fixed("5:::{\"name\":\"noargs\"}"),
        ];
        let body = SocketIo09.payload(&frames, false).body;
        assert_eq!(body.len(), 74);
        assert!(
            body.starts_with(b"\xef\xbf\xbd33\xef\xbf\xbd5:::")
                && body[48..].starts_with(b"21\xef\xbf\xbd5:::")
        );
        let text = String::from_utf8(body.to_vec()).unwrap();
        let script = SocketIo09.jsonp_script(0, &text);
        assert_eq!(script.len(), 98);
    }

    #[test]
    fn jsonp_forms() {
        let field = "\"\u{fffd}13\u{fffd}3:::plain msg\u{fffd}15\u{fffd}3:::line1\\nline2\u{fffd}13\u{fffd}4:::{\\\"k\\\":\\\"v\\\"}\"";
        let payload = SocketIo09.jsonp_field(field).unwrap();
        let packets = SocketIo09.read_text_payload(&payload, &Wire::default()).unwrap();
        assert_eq!(packets.len(), 3);
        assert_eq!(packets[1], Packet::Message(Message::Text("3:::line1\nline2".into())));
        assert!(SocketIo09.jsonp_field("3:::x").is_err());
        assert!(SocketIo09.jsonp_field("{}").is_err());
        assert_eq!(
            jsonp_handshake(7, Err("handshake error")),
            b"io.j[7](new Error(\"handshake error\"));"
        );
    }

    #[test]
    fn handshakes() {
        let body = handshake("sid", Duration::from_secs(45), &["websocket", "xhr-polling"]);
        assert_eq!(body, "sid:45:45:websocket,xhr-polling");
        assert_eq!(
            handshake("sid", Duration::from_millis(700), &["htmlfile"]),
            "sid:0.7:0.7:htmlfile"
        );
    }
}
