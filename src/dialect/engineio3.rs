//! Engine.IO protocol 3, and protocol 2, which has the same wire format: the clients of Socket.IO 1.x and
//! 2.x (reference: engineio.md).

use bytes::Bytes;

use super::engineio4::read_packet;
use super::grammar::{self, Protocol};
use super::packet::as_text;
use super::utf8::{StringMode, Strings, split_utf16, utf16_len};
use super::{
    Dialect, Frame, Heartbeat, Incoming, Malformed, Message, OCTETS, Packet, Payload, Reaction,
    Requests, Rules, SocketIds, SocketMessage, SocketPacket, TEXT, Wire, add, base64_decode,
    base64_encode, json,
};

/// The dialect of Socket.IO 1.x and 2.x: Engine.IO 2 and 3.
#[derive(Debug)]
pub struct EngineIo3;

static RULES: Rules = Rules {
    heartbeat: Heartbeat::ClientAsks,
    requests: Requests::Strict,
    ending_on_sockets: false,
    resumes_streams: true,
    joins_by_itself: true,
    malformed: Reaction::Close,
    not_joined: Reaction::Ignore,
    joined_twice: Reaction::Ignore,
    socket_ids: SocketIds::OfSession,
    recovers: false,
};

static PROTOCOL: Protocol =
    Protocol { write_json: |out, value| json::write_ascii(out, value), explicit_connect: false };

/// First byte of a binary packet in binary framings: the message type as a number, not a digit.
const BINARY_MESSAGE: u8 = 4;

impl EngineIo3 {
    fn text_payload(frames: &[Frame], strings: &StringMode) -> Payload {
        let mut body = String::with_capacity(frames.iter().map(|frame| frame.len() + 8).sum());
        let mut add = |packet: &str| {
            body.push_str(&utf16_len(packet).to_string());
            body.push(':');
            body.push_str(packet);
        };
        for frame in frames {
            match frame {
                Frame::Text(text) => add(&as_text(&strings.encode(text))),
                Frame::Binary(data) => add(&base64_packet(data)),
            }
        }
        Payload { content_type: TEXT, body: Bytes::from(body) }
    }

    fn octet_payload(frames: &[Frame]) -> Payload {
        let mut body = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 12).sum());
        for frame in frames {
            let (kind, length) = match frame {
                Frame::Text(text) => (0, text.len()),
                Frame::Binary(data) => (1, data.len() + 1),
            };
            body.push(kind);
            body.extend(length.to_string().bytes().map(|digit| digit - b'0'));
            body.push(0xff);
            match frame {
                Frame::Text(text) => body.extend_from_slice(text),
                Frame::Binary(data) => {
                    body.push(BINARY_MESSAGE);
                    body.extend_from_slice(data);
                }
            }
        }
        Payload { content_type: OCTETS, body: Bytes::from(body) }
    }

    fn read_octets(mut body: &[u8]) -> Result<Vec<Packet>, Malformed> {
        let mut packets = Vec::new();
        while let Some((&kind, rest)) = body.split_first() {
            let end =
                rest.iter().position(|&b| b == 0xff).ok_or(Malformed("length without end"))?;
            // The length of the largest body has fewer digits.
            if end == 0 || end > 10 || rest[..end].iter().any(|&digit| digit > 9) {
                return Err(Malformed("bad length"));
            }
            let length = rest[..end].iter().fold(0u64, |sum, &digit| sum * 10 + u64::from(digit));
            let rest = &rest[end + 1..];
            let length = usize::try_from(length).map_err(|_| Malformed("bad length"))?;
            if length > rest.len() {
                return Err(Malformed("length runs past the end"));
            }
            let (packet, tail) = rest.split_at(length);
            let packet = match kind {
                0 => read_packet(&String::from_utf8_lossy(packet))?,
                1 => read_binary(Bytes::copy_from_slice(packet))?,
                _ => return Err(Malformed("neither string nor binary")),
            };
            add(&mut packets, packet)?;
            body = tail;
        }
        if packets.is_empty() { Err(Malformed("empty payload")) } else { Ok(packets) }
    }
}

fn base64_packet(data: &[u8]) -> String {
    let mut text = String::from("b4");
    base64_encode(data, &mut text);
    text
}

fn read_binary(data: Bytes) -> Result<Packet, Malformed> {
    match data.first() {
        Some(&BINARY_MESSAGE) => Ok(Packet::Message(Message::Binary(data.slice(1..)))),
        _ => Err(Malformed("binary packet that is no message")),
    }
}

fn read_string(text: &str) -> Result<Packet, Malformed> {
    match text.strip_prefix('b') {
        Some(packet) => {
            let data =
                packet.strip_prefix('4').ok_or(Malformed("binary packet that is no message"))?;
            Ok(Packet::Message(Message::Binary(base64_decode(data)?)))
        }
        None => read_packet(text),
    }
}

impl Dialect for EngineIo3 {
    fn slot(&self) -> usize {
        1
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn payload(&self, frames: &[Frame], text_only: bool, wire: &Wire) -> Payload {
        // A client that asks for text (`b64=1`) gets the encoding that its own parser decodes. One
        // that gets text by a setting always gets UTF-8.
        static PLAIN: StringMode = StringMode::new(Strings::Plain);
        let is_text = |frame: &Frame| matches!(frame, Frame::Text(_));
        match text_only {
            true => Self::text_payload(frames, &wire.polling_strings),
            false if wire.text_polls && frames.iter().all(is_text) => {
                Self::text_payload(frames, &PLAIN)
            }
            false => Self::octet_payload(frames),
        }
    }

    fn takes_octets(&self) -> bool {
        true
    }

    fn read_payload(
        &self,
        body: &[u8],
        octets: bool,
        wire: &Wire,
    ) -> Result<Vec<Packet>, Malformed> {
        if octets {
            return Self::read_octets(body);
        }
        self.read_text_payload(&String::from_utf8_lossy(body), wire)
    }

    fn read_text_payload(&self, text: &str, wire: &Wire) -> Result<Vec<Packet>, Malformed> {
        let mut packets = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (length, tail) = rest.split_once(':').ok_or(Malformed("length without end"))?;
            if length.is_empty() || length.len() > 10 || !length.bytes().all(|b| b.is_ascii_digit())
            {
                return Err(Malformed("bad length"));
            }
            let units = length.parse().map_err(|_| Malformed("bad length"))?;
            let (packet, tail) =
                split_utf16(tail, units).ok_or(Malformed("length runs past the end"))?;
            add(&mut packets, read_string(&wire.polling_strings.decode(packet))?)?;
            rest = tail;
        }
        if packets.is_empty() { Err(Malformed("empty payload")) } else { Ok(packets) }
    }

    fn read_text(&self, text: &str, wire: &Wire) -> Result<Packet, Malformed> {
        read_string(&wire.socket_strings.decode(text))
    }

    fn read_binary(&self, data: Bytes) -> Result<Packet, Malformed> {
        read_binary(data)
    }

    fn socket_binary(&self, data: &Bytes, wire: &Wire) -> SocketMessage {
        if wire.base64 {
            return SocketMessage::Text(Bytes::from(base64_packet(data)));
        }
        let mut packet = Vec::with_capacity(data.len() + 1);
        packet.push(BINARY_MESSAGE);
        packet.extend_from_slice(data);
        SocketMessage::Binary(Bytes::from(packet))
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
    use super::super::utf8::{StringMode, Strings};
    use super::*;

    fn read(body: &[u8]) -> Result<Vec<Packet>, Malformed> {
        EngineIo3.read_payload(body, false, &Wire::default())
    }

    fn text(content: &str) -> Packet {
        Packet::Message(Message::Text(content.into()))
    }

    fn binary(content: &'static [u8]) -> Packet {
        Packet::Message(Message::Binary(Bytes::from_static(content)))
    }

    #[test]
    fn text_lengths_are_utf16_units() {
        let packet = "42[\"uni\",\"€😀é\u{2028}\"]";
        let body = format!("17:{packet}");
        assert_eq!(body.len(), 27);
        assert_eq!(
            EngineIo3.payload(&[Frame::text(packet.into())], true, &Wire::default()).body,
            body
        );
        assert_eq!(read(body.as_bytes()).unwrap(), vec![text(&packet[1..])]);
        assert_eq!(
            EngineIo3
                .payload(&[Frame::Binary(Bytes::from_static(&[1, 2, 3]))], true, &Wire::default())
                .body,
            "6:b4AQID"
        );
    }

    #[test]
    fn vectors_5_and_6() {
        let packets = read(b"42:451-[\"echo\",{\"_placeholder\":true,\"num\":0}]6:b4AQID").unwrap();
        assert_eq!(
            packets,
            vec![text("51-[\"echo\",{\"_placeholder\":true,\"num\":0}]"), binary(&[1, 2, 3])]
        );

        let header = "451-[\"echo\",\"€\",{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(header.len(), 48);
        let mut body = vec![0, 4, 8, 0xff];
        body.extend_from_slice(header.as_bytes());
        body.extend_from_slice(&[1, 4, 0xff, 4, 9, 8, 7]);
        let packets = EngineIo3.read_payload(&body, true, &Wire::default());
        assert_eq!(packets.unwrap(), vec![text(&header[1..]), binary(&[9, 8, 7])]);
    }

    #[test]
    fn vectors_7_and_8_both_string_encodings() {
        let double: &[u8] = b"22:42[\"echo\",\"\xC3\xA2\xC2\x82\xC2\xAC\xC3\xB0\xC2\x9F\xC2\x98\xC2\x80\xC3\x83\xC2\xA9\"]";
        assert_eq!(double.len(), 34);
        let plain = "17:42[\"echo\",\"€😀é\"]".as_bytes();
        assert_eq!(plain.len(), 25);
        for body in [double, plain] {
            let wire = Wire { polling_strings: StringMode::new(Strings::Sniff), ..Wire::default() };
            let packets = EngineIo3.read_payload(body, false, &wire).unwrap();
            assert_eq!(packets, vec![text("2[\"echo\",\"€😀é\"]")]);
        }
    }

    #[test]
    fn octet_framing_of_the_open_packet() {
        let packet = format!("0{}", "x".repeat(96));
        let payload = EngineIo3.payload(&[Frame::text(packet)], false, &Wire::default());
        assert_eq!(payload.content_type, OCTETS);
        assert_eq!(&payload.body[..5], &[0, 9, 7, 0xff, b'0']);
        let frames = [Frame::fixed("452-[]"), Frame::Binary(Bytes::from_static(&[1, 2, 3]))];
        assert_eq!(
            &EngineIo3.payload(&frames, false, &Wire::default()).body[..],
            &[0, 6, 0xff, b'4', b'5', b'2', b'-', b'[', b']', 1, 4, 0xff, 4, 1, 2, 3]
        );
    }

    #[test]
    fn polls_in_text_where_the_setting_says_so() {
        let wire = || Wire { text_polls: true, ..Wire::default() };
        let text = [Frame::fixed("0{}"), Frame::text("4é€".into())];
        let payload = EngineIo3.payload(&text, false, &wire());
        assert_eq!((payload.content_type, &*payload.body), (TEXT, "3:0{}3:4é€".as_bytes()));
        // With binary it is the same framing as ever, and the client is told by the content type.
        let binary = [&text[..], &[Frame::Binary(Bytes::from_static(&[1]))]].concat();
        let payload = EngineIo3.payload(&binary, false, &wire());
        assert_eq!(payload, EngineIo3.payload(&binary, false, &Wire::default()));
        assert_eq!(payload.content_type, OCTETS);
        assert_eq!(EngineIo3.payload(&binary[2..], true, &wire()).body, "6:b4AQ==");
        // Text by a setting is UTF-8, whatever the parser of the client decodes.
        let double = || Wire { polling_strings: StringMode::new(Strings::Double), ..wire() };
        let payload = EngineIo3.payload(&text[1..], false, &double());
        assert_eq!(payload.body, "3:4é€");
        let payload = EngineIo3.payload(&text[1..], true, &double());
        assert_eq!(payload.body, "6:4\u{c3}\u{a9}\u{e2}\u{82}\u{ac}");
    }

    #[test]
    fn bad_payloads_are_refused() {
        for body in [
            &b""[..],
            b"abc",
            b"1:",
            b"9:4a",
            b":4a",
            b"x:4a",
            b"1:7",
            b"-1:4",
            b"3:b5A",
            b"99999999999:4",
        ] {
            assert!(read(body).is_err(), "{body:?}");
        }
        for body in [
            &b""[..],
            &[0],
            &[0, 1],
            &[0, 0xff],
            &[2, 1, 0xff, b'2'],
            &[0, 9, 0xff, b'4'],
            &[1, 1, 0xff, b'4'],
            &[0, 10, 0xff, b'4'],
            &[1, 0, 0xff],
        ] {
            assert!(EngineIo3::read_octets(body).is_err(), "{body:?}");
        }
        assert!(read("1:😀".as_bytes()).is_err(), "a cut inside a character");
    }

    #[test]
    fn websocket_messages() {
        let data = Bytes::from_static(&[1, 2]);
        let wire = Wire { base64: true, ..Wire::default() };
        assert_eq!(
            EngineIo3.socket_binary(&data, &Wire::default()),
            SocketMessage::Binary(Bytes::from_static(&[4, 1, 2]))
        );
        assert_eq!(
            EngineIo3.socket_binary(&data, &wire),
            SocketMessage::Text(Bytes::from_static(b"b4AQI="))
        );
        assert_eq!(EngineIo3.read_binary(Bytes::from_static(&[4, 1, 2])), Ok(binary(&[1, 2])));
        assert!(EngineIo3.read_binary(Bytes::from_static(b"4x")).is_err());
        assert!(EngineIo3.read_binary(Bytes::new()).is_err());
    }
}
