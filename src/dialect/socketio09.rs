//! Socket.IO 0.9, "protocol 1": one grammar for session and events (reference: socketio-0.9.md).

mod handshake;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::grammar::{MAX_NAMESPACE, query_to_auth};
use super::packet::{AckId, AckRequest, Body, as_text};
use super::utf8::{split_utf16, utf16_len};
use super::{
    Control, Dialect, Ending, Frame, Heartbeat, Incoming, Malformed, Message, Opening, Packet,
    Payload, Reaction, Requests, Rules, SocketIds, SocketMessage, SocketPacket, TEXT, Wire, add,
    base64_encode, json, script,
};

pub use handshake::{Url, handshake, jsonp_handshake, jsonp_index};

/// The dialect of Socket.IO 0.9 and before.
#[derive(Debug)]
pub struct SocketIo09;

/// In a payload of several packets, stands before and after the length of each packet.
const MARK: char = '\u{fffd}';

static RULES: Rules = Rules {
    heartbeat: Heartbeat::ServerAsks,
    requests: Requests::Lenient,
    ending_on_sockets: true,
    resumes_streams: false,
    joins_by_itself: true,
    malformed: Reaction::Ignore,
    not_joined: Reaction::Ignore,
    joined_twice: Reaction::Ignore,
    socket_ids: SocketIds::OfSession,
    recovers: false,
};

/// Tells a client that it is connected.
const OPENED: Frame = Frame::fixed("1::");
/// Tells a client that it is disconnected, for good.
const CLOSED: Frame = Frame::fixed("0::");
/// Tells a client to reconnect with a new handshake.
const RECONNECT: Frame = Frame::fixed("7:::1+0");

/// The packets that make a client with an unknown sid reconnect with a new handshake.
///
/// `RECONNECT` alone does not do it: before it reconnects, a client sends a disconnect packet for its old session. If it
/// was never connected, it would keep that packet and send it in the next session, which would end. So it is told first
/// that it is disconnected, then it has nothing to say goodbye to; and then that it is connected, because only a
/// connected client takes the advice. Twice `RECONNECT` would make clients before 0.9 come back as two.
pub const UNKNOWN_SID: [Frame; 3] = [CLOSED, OPENED, RECONNECT];
/// The same for a WebSocket. After `RECONNECT`, a client reads nothing more from it, so that comes last.
pub const UNKNOWN_SID_ON_SOCKET: [Frame; 2] = [OPENED, RECONNECT];

/// The fields of a packet.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    kind: &'a str,
    id: &'a str,
    data_ack: bool,
    endpoint: &'a str,
    data: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits a packet as leniently as the client and server of 0.9 do: it may begin after any colon (§3).
    /// `None` if it has no fields.
    fn parse(text: &'a str) -> Option<Self> {
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

    /// The Socket.IO packet; `None` if it is to be ignored.
    fn body(&self) -> Option<Body> {
        let event = |name: &str, args| Body::Event { name: name.to_owned(), args, ack: self.ack() };
        Some(match self.kind {
            "0" => Body::Disconnect,
            "1" => Body::Connect(query_to_auth(self.data.trim_start_matches('?'))),
            "3" => event("message", vec![self.data.into()]),
            // The 0.9 server passes on `false` if the data is not JSON.
            "4" => event("message", vec![json::parse(self.data).unwrap_or(Value::Bool(false))]),
            "5" => {
                let Value::Object(mut call) = json::parse(self.data).ok()? else { return None };
                let name = match call.get("name")? {
                    // A 0.9 application would take it for the end of the connection.
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

/// Replaces placeholders by their attachments in base64, because 0.9 has no binary packets.
fn inline(value: &Value, attachments: &[Bytes]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| inline(item, attachments)).collect(),
        Value::Object(map) => match attached(map, attachments) {
            Some(data) => {
                let mut text = String::new();
                base64_encode(data, &mut text);
                Value::String(text)
            }
            None => {
                let inlined =
                    map.iter().map(|(key, item)| (key.clone(), inline(item, attachments)));
                Value::Object(inlined.collect())
            }
        },
        plain => plain.clone(),
    }
}

/// The attachment that an object is the placeholder of. `None` for any other object: a 0.9 client may send
/// one that looks like a placeholder.
fn attached<'a>(map: &Map<String, Value>, attachments: &'a [Bytes]) -> Option<&'a Bytes> {
    if map.get("_placeholder") != Some(&Value::Bool(true)) {
        return None;
    }
    attachments.get(usize::try_from(map.get("num")?.as_u64()?).ok()?)
}

fn inline_all(args: &[Value], attachments: &[Bytes]) -> Vec<Value> {
    args.iter().map(|arg| inline(arg, attachments)).collect()
}

fn packet_head(kind: char, id: &str, namespace: &str) -> Vec<u8> {
    let endpoint = if namespace == "/" { "" } else { namespace };
    format!("{kind}:{id}:{endpoint}").into_bytes()
}

impl Dialect for SocketIo09 {
    fn slot(&self) -> usize {
        2
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn opening(&self, _facts: &Opening<'_>) -> Frame {
        OPENED
    }

    fn control(&self, control: Control) -> Frame {
        Frame::fixed(match control {
            Control::Ping | Control::Pong { .. } => "2::",
            Control::Noop => "8::",
        })
    }

    fn ending(&self, ending: Ending) -> Frame {
        match ending {
            Ending::ByClient | Ending::ByServer => CLOSED,
            Ending::Lost => RECONNECT,
        }
    }

    fn message(&self, text: &str) -> Frame {
        Frame::text(format!("3:::{text}"))
    }

    fn payload(&self, frames: &[Frame], _text_only: bool, _wire: &Wire) -> Payload {
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
        true // like the 0.9 server, reads any content type as text
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
        // After a wrong length, no packet can be found. The packets before it are kept.
        while let Some((length, tail)) =
            rest.strip_prefix(MARK).and_then(|framed| framed.split_once(MARK))
        {
            let Ok(units) = length.parse() else { break };
            // If the length runs past the end, the rest is the packet.
            let (packet, tail) = split_utf16(tail, units).unwrap_or((tail, ""));
            add(&mut packets, self.read_text(packet, wire)?)?;
            rest = tail;
        }
        Ok(packets)
    }

    fn read_text(&self, text: &str, _wire: &Wire) -> Result<Packet, Malformed> {
        let Some(parts) = Parts::parse(text) else { return Ok(Packet::Noop) };
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
        // Never a binary message: the Node client crashes on it (§8.1).
        let payload = self.payload(&[Frame::Binary(data.clone())], wire.base64, wire);
        SocketMessage::Text(payload.body)
    }

    fn encode(&self, packet: &SocketPacket, _wire: &Wire) -> Vec<Frame> {
        let namespace = &*packet.namespace;
        let mut out;
        match &packet.body {
            // The packet that opens the session says that the default namespace is joined.
            Body::Connect(_) if namespace == "/" => return Vec::new(),
            Body::Connect(_) => out = packet_head('1', "", namespace),
            Body::Disconnect => out = packet_head('0', "", namespace),
            Body::ConnectError { .. } => {
                out = packet_head('7', "", namespace);
                out.extend_from_slice(b":2");
            }
            Body::Event { name, args, ack } => {
                // Only a request for an ack with arguments gives the client's handler a callback (§5).
                let id = ack.as_ref().map_or(String::new(), |ack| match ack {
                    AckRequest::ByApp(id) | AckRequest::OnReceipt(id) => format!("{}+", id.0),
                });
                let args = inline_all(args, &packet.attachments);
                match (name.as_str(), &*args) {
                    ("message", [Value::String(text)]) => {
                        out = packet_head('3', &id, namespace);
                        if !text.is_empty() {
                            out.push(b':');
                            out.extend_from_slice(text.as_bytes());
                        }
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
        let Some(parts) = Parts::parse(text) else { return Ok(None) };
        let query = if parts.kind == "1" { parts.data.len() } else { 0 };
        if parts.endpoint.len() + query > MAX_NAMESPACE {
            return Err(Malformed("namespace too long"));
        }
        Ok(parts.body().map(|body| {
            let (namespace, attachments) = (parts.namespace(), Vec::new());
            Incoming { packet: SocketPacket { namespace, body, attachments }, due: 0 }
        }))
    }

    fn jsonp_script(&self, index: u32, payload: &str) -> Vec<u8> {
        script(&format!("io.j[{index}]("), payload, ");")
    }

    // Clients up to 0.8.5 put the payload into the form as it is, later ones as a JSON string. No payload begins with a
    // quote. A form turns each line break into CR LF, which is undone.
    fn jsonp_field<'a>(&self, field: &'a str) -> Result<Cow<'a, str>, Malformed> {
        if !field.starts_with('"') {
            return Ok(Cow::Owned(field.replace("\r\n", "\n")));
        }
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
