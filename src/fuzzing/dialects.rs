//! Payloads and packets of the three dialects.

use bytes::Bytes;

use super::input::Input;
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{
    Dialect, Frame, Malformed, Message, OCTETS, Packet, SocketMessage, StringMode, Strings, Wire,
};

/// The dialect of Socket.IO 3 and 4.
pub fn engineio4(data: &[u8]) {
    let (body, choices) = choices(data);
    check_all(&EngineIo4, body, choices);
    check_form(&EngineIo4, &String::from_utf8_lossy(body));
}

/// The dialect of Socket.IO 1 and 2. Its lengths are checked against a model that counts as JavaScript does.
pub fn engineio3(data: &[u8]) {
    let (body, choices) = choices(data);
    check_all(&EngineIo3, body, choices);
    let (text, wire) = (String::from_utf8_lossy(body), Wire::default());
    let expected = split_as_javascript(&text)
        .and_then(|packets| packets.iter().map(|text| EngineIo3.read_text(text, &wire)).collect());
    let read: Option<Vec<_>> = EngineIo3.read_text_payload(&text, &wire).ok();
    assert_eq!(read, expected.ok());
}

/// The dialect of Socket.IO 0.9.
pub fn socketio09(data: &[u8]) {
    let (body, choices) = choices(data);
    check_all(&SocketIo09, body, choices);
    let text = String::from_utf8_lossy(body);
    let field = serde_json::to_string(&text).expect("a string is JSON");
    assert_eq!(SocketIo09.jsonp_field(&field).expect("a JSON string"), text);
}

struct Choices {
    octets: bool,
    base64: bool,
    strings: Strings,
}

fn choices(data: &[u8]) -> (&[u8], Choices) {
    let mut input = Input(data);
    let byte = input.byte();
    let strings = [Strings::Plain, Strings::Double, Strings::Sniff, Strings::Plain];
    let strings = strings[usize::from(byte >> 2) % 4];
    (input.0, Choices { octets: byte & 1 != 0, base64: byte & 2 != 0, strings })
}

/// Holds for all dialects: parsing succeeds or fails, yields no more than came in, and its result can be
/// encoded and parsed again.
fn check_all(dialect: &dyn Dialect, body: &[u8], choices: Choices) {
    let wire = || Wire {
        base64: choices.base64,
        polling_strings: StringMode::new(choices.strings),
        socket_strings: StringMode::new(choices.strings),
        ..Wire::default()
    };
    let text = String::from_utf8_lossy(body);
    if let Ok(packets) = dialect.read_payload(body, choices.octets, &wire()) {
        check_size(&packets, body.len());
        check_round_trip(dialect, &packets, choices.strings);
    }
    let as_text = dialect.read_text_payload(&text, &wire());
    assert_eq!(as_text, dialect.read_payload(body, false, &wire()));
    let alone =
        [dialect.read_text(&text, &wire()), dialect.read_binary(Bytes::copy_from_slice(body))];
    alone.into_iter().flatten().for_each(|packet| check_size(&[packet], body.len()));
    check_websocket(dialect, body, &wire());
    check_script(dialect, &text);
    let _ = dialect.jsonp_field(&text);
}

/// There are no more packets than bytes, and at most three bytes of content for each byte: U+FFFD.
fn check_size(packets: &[Packet], came: usize) {
    let size = |packet: &Packet| match packet {
        Packet::Message(Message::Text(text)) => text.len(),
        Packet::Message(Message::Binary(data)) => data.len(),
        _ => 0,
    };
    assert!(packets.len() <= came + 1, "more packets than bytes");
    assert!(packets.iter().map(size).sum::<usize>() <= 3 * came, "more content than came");
}

/// Messages that are encoded in one payload are the same when they are parsed.
fn check_round_trip(dialect: &dyn Dialect, packets: &[Packet], strings: Strings) {
    let messages = packets.iter().filter(|packet| matches!(packet, Packet::Message(_))).cloned();
    let messages: Vec<Packet> = messages.collect();
    let frames: Vec<Frame> = messages.iter().map(|message| frame(dialect, message)).collect();
    if frames.is_empty() {
        return;
    }
    for (text_only, text_polls) in [(false, false), (false, true), (true, false)] {
        // A client that is not known yet gets UTF-8.
        let known = strings == Strings::Double && text_only;
        let encoding = if known { Strings::Double } else { Strings::Plain };
        let wire = |strings| Wire {
            text_polls,
            polling_strings: StringMode::new(strings),
            ..Wire::default()
        };
        let payload = dialect.payload(&frames, text_only, &wire(strings));
        let octets = payload.content_type == OCTETS;
        let has_binary = frames.iter().any(|frame| matches!(frame, Frame::Binary(_)));
        assert!(!(octets && (text_only || text_polls && !has_binary)), "asked for text");
        let again = dialect.read_payload(&payload.body, octets, &wire(encoding));
        assert_eq!(again.as_ref(), Ok(&messages));
    }
}

/// A message as the session layer sends it.
fn frame(dialect: &dyn Dialect, message: &Packet) -> Frame {
    match message {
        Packet::Message(Message::Binary(data)) => Frame::Binary(data.clone()),
        // 0.9 has one grammar for packets and messages.
        Packet::Message(Message::Text(text)) if dialect.slot() == SocketIo09.slot() => {
            Frame::text(text.clone())
        }
        Packet::Message(Message::Text(text)) => dialect.message(text),
        _ => unreachable!("only messages are written again"),
    }
}

/// Binary data in a WebSocket message is the same when it is parsed.
fn check_websocket(dialect: &dyn Dialect, data: &[u8], wire: &Wire) {
    let data = Bytes::copy_from_slice(data);
    let read = match dialect.socket_binary(&data, wire) {
        SocketMessage::Binary(message) => dialect.read_binary(message),
        SocketMessage::Text(message) => {
            let text = std::str::from_utf8(&message).expect("a text message is text");
            dialect.read_text(text, &Wire::default())
        }
    };
    if dialect.slot() == SocketIo09.slot() {
        // 0.9 has base64 in a text message instead.
        assert!(matches!(read, Ok(Packet::Message(Message::Text(_)))), "{read:?}");
    } else {
        assert_eq!(read, Ok(Packet::Message(Message::Binary(data))));
    }
}

/// A payload in a script is the same when JavaScript reads it.
fn check_script(dialect: &dyn Dialect, payload: &str) {
    let script = String::from_utf8(dialect.jsonp_script(7, payload)).expect("a script is text");
    let string = script.split_once('(').and_then(|(_, rest)| rest.strip_suffix(");"));
    let string = serde_json::from_str::<String>(string.expect("a call"));
    assert_eq!(string.expect("of one string"), payload);
}

/// A payload that Engine.IO's JSONP client escapes for its form is the same when it is parsed (engineio.md §5).
fn check_form(dialect: &dyn Dialect, payload: &str) {
    if payload.contains("\\\n") {
        return; // the client's own escaping loses a newline behind a backslash
    }
    let field = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
    assert_eq!(dialect.jsonp_field(&field).expect("any field"), payload);
}

/// Splits a payload as JavaScript would: by UTF-16 units.
fn split_as_javascript(text: &str) -> Result<Vec<String>, Malformed> {
    const WRONG: Malformed = Malformed("by the model");
    let units: Vec<u16> = text.encode_utf16().collect();
    let (mut packets, mut rest) = (Vec::new(), &units[..]);
    while !rest.is_empty() {
        let colon = rest.iter().position(|&unit| unit == u16::from(b':')).ok_or(WRONG)?;
        let length = String::from_utf16(&rest[..colon]).map_err(|_| WRONG)?;
        if length.len() > 10 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(WRONG);
        }
        let length: usize = length.parse().map_err(|_| WRONG)?;
        let packet = rest[colon + 1..].get(..length).ok_or(WRONG)?;
        packets.push(String::from_utf16(packet).map_err(|_| WRONG)?);
        rest = &rest[colon + 1 + length..];
    }
    if packets.is_empty() { Err(WRONG) } else { Ok(packets) }
}
