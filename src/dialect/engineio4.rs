//! Engine.IO protocol 4: the clients of Socket.IO 3.x and 4.x (reference: engineio.md).

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::json;

use super::grammar::{self, Protocol};
use super::{
    Control, Dialect, Ending, Frame, Heartbeat, Incoming, Malformed, Message, Opening, Packet,
    Payload, Reaction, Requests, Rules, SocketIds, SocketMessage, SocketPacket, TEXT, Wire, add,
    base64_decode, base64_encode, json,
};

/// The dialect of Socket.IO 3.x and 4.x: Engine.IO 4.
#[derive(Debug)]
pub struct EngineIo4;

const SEPARATOR: char = '\u{1e}';

static RULES: Rules = Rules {
    heartbeat: Heartbeat::ServerAsks,
    requests: Requests::Strict,
    ending_on_sockets: false,
    resumes_streams: true,
    joins_by_itself: false,
    malformed: Reaction::Close,
    not_joined: Reaction::Close,
    joined_twice: Reaction::Close,
    socket_ids: SocketIds::Own,
    recovers: true,
};

static PROTOCOL: Protocol =
    Protocol { write_json: |out, value| json::write_plain(out, value), explicit_connect: true };

/// The packet that opens a session, the same in both Engine.IO protocols.
pub(super) fn opening(facts: &Opening<'_>) -> Frame {
    let millis = |duration: std::time::Duration| duration.as_millis() as u64;
    let open = json!({
        "sid": facts.sid,
        "upgrades": facts.upgrades,
        "pingInterval": millis(facts.ping_interval),
        "pingTimeout": millis(facts.ping_timeout),
        "maxPayload": facts.max_payload,
    });
    Frame::text(format!("0{open}"))
}

pub(super) fn control(control: Control) -> Frame {
    Frame::fixed(match control {
        Control::Ping => "2",
        Control::Pong { probe: false } => "3",
        Control::Pong { probe: true } => "3probe",
        Control::Noop => "6",
    })
}

pub(super) fn ending(ending: Ending) -> Frame {
    Frame::fixed(match ending {
        // The client knows that the session ends; the packet only ends its poll.
        Ending::ByClient => "6",
        Ending::ByServer | Ending::Lost => "1",
    })
}

pub(super) fn message(text: &str) -> Frame {
    let mut packet = String::with_capacity(text.len() + 1);
    packet.push('4');
    packet.push_str(text);
    Frame::text(packet)
}

/// Reads a packet whose first character is its type digit.
pub(super) fn read_packet(text: &str) -> Result<Packet, Malformed> {
    let mut chars = text.chars();
    let kind = chars.next().ok_or(Malformed("empty packet"))?;
    let data = chars.as_str();
    Ok(match kind {
        // Clients send an open packet on WebTransport only; elsewhere it is ignored.
        '0' | '6' => Packet::Noop,
        '1' => Packet::Close,
        '2' => Packet::Ping { probe: data == "probe" },
        '3' => Packet::Pong { probe: data == "probe" },
        '4' => Packet::Message(Message::Text(data.to_owned())),
        '5' => Packet::Upgrade,
        _ => return Err(Malformed("unknown packet type")),
    })
}

/// Undoes the newline escaping of Engine.IO's JSONP form (reference: engineio.md §5).
pub(super) fn jsonp_field(field: &str) -> Cow<'_, str> {
    if !field.contains("\\n") {
        return Cow::Borrowed(field);
    }
    let bytes = field.as_bytes();
    let mut out = String::with_capacity(field.len());
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"\\\\n") {
            // The client has doubled the backslash of a literal `\n`: drop one.
            out.push_str(&field[copied..at]);
            copied = at + 1;
            at += 3;
        } else if bytes[at..].starts_with(b"\\n") && (at == 0 || bytes[at - 1] != b'\\') {
            out.push_str(&field[copied..at]);
            out.push('\n');
            at += 2;
            copied = at;
        } else {
            at += 1;
        }
    }
    out.push_str(&field[copied..]);
    Cow::Owned(out)
}

impl Dialect for EngineIo4 {
    fn slot(&self) -> usize {
        0
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn payload(&self, frames: &[Frame], _text_only: bool, _wire: &Wire) -> Payload {
        if let [Frame::Text(text)] = frames {
            return Payload { content_type: TEXT, body: text.clone() };
        }
        let mut body = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 1).sum());
        for (at, frame) in frames.iter().enumerate() {
            if at > 0 {
                body.push(SEPARATOR as u8);
            }
            match frame {
                Frame::Text(text) => body.extend_from_slice(text),
                Frame::Binary(data) => {
                    let mut text = String::from("b");
                    base64_encode(data, &mut text);
                    body.extend_from_slice(text.as_bytes());
                }
            }
        }
        Payload { content_type: TEXT, body: Bytes::from(body) }
    }

    fn read_payload(
        &self,
        body: &[u8],
        octets: bool,
        wire: &Wire,
    ) -> Result<Vec<Packet>, Malformed> {
        if octets {
            return Err(Malformed("protocol 4 has no binary payloads"));
        }
        self.read_text_payload(&String::from_utf8_lossy(body), wire)
    }

    fn read_text_payload(&self, text: &str, wire: &Wire) -> Result<Vec<Packet>, Malformed> {
        let mut packets = Vec::new();
        for packet in text.split(SEPARATOR) {
            add(&mut packets, self.read_text(packet, wire)?)?;
        }
        Ok(packets)
    }

    fn read_text(&self, text: &str, _wire: &Wire) -> Result<Packet, Malformed> {
        match text.strip_prefix('b') {
            Some(data) => Ok(Packet::Message(Message::Binary(base64_decode(data)?))),
            None => read_packet(text),
        }
    }

    fn read_binary(&self, data: Bytes) -> Result<Packet, Malformed> {
        Ok(Packet::Message(Message::Binary(data)))
    }

    fn socket_binary(&self, data: &Bytes, wire: &Wire) -> SocketMessage {
        if wire.base64 {
            let mut text = String::from("b");
            base64_encode(data, &mut text);
            SocketMessage::Text(Bytes::from(text))
        } else {
            SocketMessage::Binary(data.clone())
        }
    }

    fn encode(&self, packet: &SocketPacket, wire: &Wire) -> Vec<Frame> {
        grammar::encode(&PROTOCOL, packet, wire)
    }

    fn decode(&self, text: &str, wire: &Wire) -> Result<Option<Incoming>, Malformed> {
        grammar::decode(&PROTOCOL, text, wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(body: &[u8]) -> Result<Vec<Packet>, Malformed> {
        EngineIo4.read_payload(body, false, &Wire::default())
    }

    fn text(content: &str) -> Packet {
        Packet::Message(Message::Text(content.into()))
    }

    #[test]
    fn opens_as_the_reference_server_does() {
        let facts = Opening {
            sid: "abcdefghijklmnopqrst",
            upgrades: &["websocket"],
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
        };
        let expected = "0{\"sid\":\"abcdefghijklmnopqrst\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";
        assert_eq!(expected.len(), 118);
        assert_eq!(EngineIo4.opening(&facts), Frame::fixed(expected));
    }

    #[test]
    fn payloads_are_joined_by_1e() {
        let frames = [
            Frame::fixed("42[\"m\",\"1\"]"),
            Frame::fixed("451-[\"x\"]"),
            Frame::Binary(Bytes::from_static(&[255, 0])),
        ];
        assert_eq!(
            EngineIo4.payload(&frames, false, &Wire::default()).body,
            "42[\"m\",\"1\"]\u{1e}451-[\"x\"]\u{1e}b/wA="
        );
        assert_eq!(EngineIo4.payload(&frames[..1], true, &Wire::default()).body, "42[\"m\",\"1\"]");
        assert_eq!(
            read(b"42[\"multi\"]\x1e42[\"multi\"]").unwrap(),
            vec![text("2[\"multi\"]"), text("2[\"multi\"]")]
        );
        assert_eq!(
            read(b"4a\x1ebAQID").unwrap()[1],
            Packet::Message(Message::Binary(Bytes::from_static(&[1, 2, 3])))
        );
    }

    #[test]
    fn bad_payloads_are_refused_whole() {
        for body in [&b""[..], b"abc", b"4a\x1e", b"4a\x1e7", b"b**"] {
            assert!(read(body).is_err(), "{body:?}");
        }
        assert!(EngineIo4.read_payload(b"4a", true, &Wire::default()).is_err());
        assert_eq!(read(b"4\xff").unwrap(), vec![text("\u{fffd}")]);
    }

    #[test]
    fn jsonp_newlines_come_back() {
        // What a browser posts for the payload `a⏎b\nc\\nd` (⏎ a newline, the rest as written).
        assert_eq!(jsonp_field("a\\nb\\\\nc\\\\\\nd"), "a\nb\\nc\\\\nd");
        assert_eq!(
            jsonp_field("27:42[\"echo\",\"a\\\\nb\\\\\\nc\\\\\\\\\\nd\"]"),
            "27:42[\"echo\",\"a\\nb\\\\nc\\\\\\\\nd\"]"
        );
        assert_eq!(jsonp_field("plain"), "plain");
    }

    #[test]
    fn websocket_messages() {
        let wire = Wire { base64: true, ..Wire::default() };
        let data = Bytes::from_static(&[1, 2]);
        assert_eq!(
            EngineIo4.socket_binary(&data, &wire),
            SocketMessage::Text(Bytes::from_static(b"bAQI="))
        );
        assert_eq!(
            EngineIo4.socket_binary(&data, &Wire::default()),
            SocketMessage::Binary(data.clone())
        );
        assert_eq!(EngineIo4.read_text("2probe", &wire), Ok(Packet::Ping { probe: true }));
        assert_eq!(EngineIo4.read_text("5", &wire), Ok(Packet::Upgrade));
        assert!(EngineIo4.read_text("", &wire).is_err());
    }

    #[test]
    fn scripts() {
        assert_eq!(
            EngineIo4.jsonp_script(3, "40\u{1e}\"\u{2028}</script>"),
            b"___eio[3](\"40\\u001e\\\"\\u2028<\\/script>\");"
        );
    }
}
