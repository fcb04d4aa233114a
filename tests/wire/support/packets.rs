//! The payloads of Engine.IO 3 and 4 as clients read and write them (engineio.md §4, §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parlance::dialect::Dialect;
use parlance::dialect::engineio3::EngineIo3;
use parlance::dialect::engineio4::EngineIo4;

use super::http::Answer;

/// One packet of the session layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// With its type digit.
    Text(String),
    /// The data of a binary message.
    Binary(Vec<u8>),
}

impl From<&str> for Packet {
    fn from(text: &str) -> Self {
        Packet::Text(text.to_owned())
    }
}

impl From<&[u8]> for Packet {
    fn from(data: &[u8]) -> Self {
        Packet::Binary(data.to_vec())
    }
}

/// An Engine.IO protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eio {
    V3,
    V4,
}

impl Eio {
    pub const ALL: [Eio; 2] = [Eio::V3, Eio::V4];

    pub fn query(self) -> &'static str {
        match self {
            Eio::V3 => "EIO=3",
            Eio::V4 => "EIO=4",
        }
    }

    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Eio::V3 => &EngineIo3,
            Eio::V4 => &EngineIo4,
        }
    }

    /// One packet as a text payload.
    pub fn framed(self, packet: &str) -> String {
        text_payload(self, &[packet.into()])
    }
}

/// Writes a payload in its text form.
pub fn text_payload(eio: Eio, packets: &[Packet]) -> String {
    let packets = packets.iter().map(|packet| match (packet, eio) {
        (Packet::Text(text), _) => text.clone(),
        (Packet::Binary(data), Eio::V3) => format!("b4{}", BASE64.encode(data)),
        (Packet::Binary(data), Eio::V4) => format!("b{}", BASE64.encode(data)),
    });
    match eio {
        Eio::V3 => packets.map(|p| format!("{}:{p}", p.encode_utf16().count())).collect(),
        Eio::V4 => packets.collect::<Vec<_>>().join("\x1e"),
    }
}

/// Writes a payload in the binary form of protocol 3.
pub fn octet_payload(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        let (kind, bytes) = match packet {
            Packet::Text(text) => (0, text.as_bytes().to_vec()),
            Packet::Binary(data) => (1, [&[4], &data[..]].concat()),
        };
        out.push(kind);
        out.extend(bytes.len().to_string().bytes().map(|digit| digit - b'0'));
        out.push(0xff);
        out.extend(bytes);
    }
    out
}

/// Writes a payload as the form that a JSONP page posts.
pub fn form(payload: &str) -> String {
    // What the client does: `\n` becomes `\\n`, then each newline becomes `\n`.
    let escaped = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
    let encoded: String = form_urlencoded::byte_serialize(escaped.as_bytes()).collect();
    format!("d={encoded}")
}

/// Reads the answer to a poll, in whatever form it came.
pub fn read_answer(eio: Eio, answer: &Answer) -> Vec<Packet> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert!(!answer.body.is_empty(), "a poll is never answered with nothing");
    match answer.header("content-type") {
        Some("application/octet-stream") => {
            assert_eq!(eio, Eio::V3);
            read_octets(&answer.body)
        }
        Some("text/plain; charset=UTF-8") => read_text(eio, answer.text()),
        Some("text/javascript; charset=UTF-8") => read_text(eio, &read_script(answer.text()).1),
        other => panic!("unexpected content type {other:?}"),
    }
}

/// Reads a JSONP script: the callback's index, and the payload.
pub fn read_script(script: &str) -> (String, String) {
    let call = script.strip_prefix("___eio[").and_then(|rest| rest.strip_suffix(");"));
    let (index, literal) = call.and_then(|call| call.split_once("](")).expect("one call");
    assert!(index.bytes().all(|b| b.is_ascii_digit()), "an index: {index}");
    assert!(!literal.contains(['\u{2028}', '\u{2029}', '\n']), "a line end in a literal");
    (index.to_owned(), serde_json::from_str(literal).expect("a JavaScript string"))
}

fn read_text(eio: Eio, payload: &str) -> Vec<Packet> {
    let packet = |text: &str, prefix: &str| match text.strip_prefix(prefix) {
        Some(data) => Packet::Binary(BASE64.decode(data).expect("base64")),
        None => Packet::Text(text.to_owned()),
    };
    if eio == Eio::V4 {
        return payload.split('\x1e').map(|text| packet(text, "b")).collect();
    }
    // As JavaScript does: lengths are those of strings of UTF-16.
    let mut rest: Vec<u16> = payload.encode_utf16().collect();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let colon = rest.iter().position(|&unit| unit == u16::from(b':')).expect("a length");
        let length = String::from_utf16_lossy(&rest[..colon]).parse::<usize>().expect("a length");
        let text = String::from_utf16(&rest[colon + 1..][..length]).expect("whole characters");
        rest.drain(..colon + 1 + length);
        packets.push(packet(&text, "b4"));
    }
    packets
}

fn read_octets(mut body: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some((&kind, rest)) = body.split_first() {
        let end = rest.iter().position(|&byte| byte == 0xff).expect("the end of a length");
        let length = rest[..end].iter().fold(0, |sum, &digit| sum * 10 + usize::from(digit));
        let (packet, tail) = rest[end + 1..].split_at(length);
        packets.push(match kind {
            0 => Packet::Text(String::from_utf8(packet.to_vec()).expect("UTF-8")),
            1 => Packet::Binary(packet.strip_prefix(&[4]).expect("a message").to_vec()),
            other => panic!("packet of kind {other}"),
        });
        body = tail;
    }
    packets
}
