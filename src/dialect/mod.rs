//! Bytes ⇄ packets, for each generation of the wire protocol.
//!
//! A [`Dialect`] knows one generation: how its packets are framed in payloads and in WebSocket
//! messages, what its Socket.IO grammar looks like, and, as data in [`Rules`], how its sessions
//! behave. The set of dialects is closed. No code above `engine/` depends on a session's dialect.

pub mod engineio3;
pub mod engineio4;
pub(crate) mod grammar;
#[cfg(test)]
mod hostile;
pub(crate) mod json;
mod packet;
pub mod socketio09;
mod utf8;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

pub use packet::{
    AckId, AckRequest, Body, Control, Ending, Frame, Incoming, Malformed, Message, Packet,
    SocketPacket,
};
pub use utf8::{StringMode, Strings};

/// The number of dialects. A broadcast keeps one encoded form for each.
pub const COUNT: usize = 3;

/// The content of the packet that opens a session.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The session's id.
    pub sid: &'a str,
    /// Wire names of the transports that the client may upgrade to.
    pub upgrades: &'a [&'static str],
    /// The time between two heartbeats.
    pub ping_interval: Duration,
    /// How long the answer to a heartbeat may take.
    pub ping_timeout: Duration,
    /// Bytes.
    pub max_payload: usize,
}

/// What one session's packets depend on besides its dialect.
#[derive(Debug)]
pub struct Wire {
    /// The client cannot take binary (`b64`, or JSONP).
    pub base64: bool,
    /// Polls of Engine.IO 3 are answered in text if no packet is binary.
    pub text_polls: bool,
    /// The encoding of strings in text payloads of polling.
    pub polling_strings: StringMode,
    /// The encoding of strings in WebSocket text messages.
    pub socket_strings: StringMode,
    /// The client writes acks in the form of 1.0.0–1.0.3, and reads no other (socketio.md §6).
    pub counted_acks: AtomicBool,
}

impl Default for Wire {
    fn default() -> Self {
        Wire {
            base64: false,
            text_polls: false,
            polling_strings: StringMode::new(Strings::Plain),
            socket_strings: StringMode::new(Strings::Plain),
            counted_acks: AtomicBool::new(false),
        }
    }
}

impl Wire {
    pub(crate) fn counted_acks(&self) -> bool {
        self.counted_acks.load(Ordering::Relaxed)
    }
}

/// The most packets in one HTTP body. The bound is needed because a packet takes more memory than the few
/// bytes it may have in the body. A page that was offline sends all its packets at once, but a body of 1 MB
/// holds fewer than this many events of 16 bytes.
pub const MAX_PACKETS: usize = 1 << 16;

/// Adds a packet to those of one body, within [`MAX_PACKETS`].
fn add(packets: &mut Vec<Packet>, packet: Packet) -> Result<(), Malformed> {
    if packets.len() == MAX_PACKETS {
        return Err(Malformed("too many packets in one body"));
    }
    packets.push(packet);
    Ok(())
}

/// One HTTP body of packets.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The response's `Content-Type`.
    pub content_type: &'static str,
    /// The payload.
    pub body: Bytes,
}

/// The content type of a payload in its text form.
pub const TEXT: &str = "text/plain; charset=UTF-8";
/// The content type of a payload in its binary form.
pub const OCTETS: &str = "application/octet-stream";

/// Which side starts a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// The server sends a ping every ping interval and expects the pong within the ping timeout.
    ServerAsks,
    /// The client sends pings. The server expects a packet within ping interval and timeout together.
    ClientAsks,
}

/// What the server does with a wrong packet. It differs between dialects, as it does between the
/// servers of their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The packet is dropped; the session goes on.
    Ignore,
    /// Close the connection, without a packet first.
    Close,
}

/// Which HTTP requests of one session may overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// One GET and one POST at a time. A second one of either ends the session, and so does a poll that
    /// the client drops. The transport changes by an upgrade only. Heartbeats run on polls, too
    /// (engineio.md §7-9).
    Strict,
    /// The newest GET wins, POSTs may overlap, and a dropped poll pauses the session. Any transport may
    /// take over and gets the opening packet again. The server ends idle polls from time to time, instead
    /// of heartbeats (socketio-0.9.md §7).
    Lenient,
}

/// How sessions of a dialect behave, as data.
#[derive(Debug)]
pub struct Rules {
    /// Who starts heartbeats.
    pub heartbeat: Heartbeat,
    /// Which requests may overlap.
    pub requests: Requests,
    /// Whether [`Dialect::ending`] is sent on WebSockets, too, before the close frame.
    pub ending_on_sockets: bool,
    /// Whether the client follows a streamed response that ends with another one for the same session.
    pub resumes_streams: bool,
    /// Whether a session joins the default namespace without a request (socketio.md §3).
    pub joins_by_itself: bool,
    /// To a Socket.IO packet that cannot be decoded, or an attachment out of place (socketio.md §7).
    pub malformed: Reaction,
    /// To a packet for a namespace that is not joined.
    pub not_joined: Reaction,
    /// To a request to join a namespace that is joined already.
    pub joined_twice: Reaction,
    /// The ids that the application sees.
    pub socket_ids: SocketIds,
    /// Whether its clients know connection state recovery.
    pub recovers: bool,
}

/// Which id a client has for its socket (socketio.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketIds {
    /// The sid of the session in the default namespace, `/name#sid` in others.
    OfSession,
    /// A random id.
    Own,
}

/// One generation of the wire protocol. All its sessions share one static value. The provided methods
/// are those that both Engine.IO protocols have in common.
pub trait Dialect: std::fmt::Debug + Send + Sync + 'static {
    /// The index of this dialect, below [`COUNT`]: a broadcast keeps its encoded forms by it.
    fn slot(&self) -> usize;

    /// How sessions of this dialect behave.
    fn rules(&self) -> &'static Rules;

    /// The packet that opens a session.
    fn opening(&self, facts: &Opening<'_>) -> Frame {
        engineio4::opening(facts)
    }

    /// Encodes a packet of the session layer.
    fn control(&self, control: Control) -> Frame {
        engineio4::control(control)
    }

    /// The last packet of a session.
    fn ending(&self, ending: Ending) -> Frame {
        engineio4::ending(ending)
    }

    /// Encodes a message without Socket.IO.
    fn message(&self, text: &str) -> Frame {
        engineio4::message(text)
    }

    /// Encodes packets as one HTTP body. With `text_only` it is valid UTF-8, as event streams and scripts
    /// need it.
    fn payload(&self, frames: &[Frame], text_only: bool, wire: &Wire) -> Payload;

    /// Whether the body of a POST may be `application/octet-stream`.
    fn takes_octets(&self) -> bool {
        false
    }

    /// Decodes the packets of an HTTP body, in the client's order. `octets` says that its content type is
    /// `application/octet-stream`.
    ///
    /// # Errors
    /// If the framing or a packet is wrong, or there are more than [`MAX_PACKETS`]. The caller then
    /// delivers nothing of the body.
    fn read_payload(
        &self,
        body: &[u8],
        octets: bool,
        wire: &Wire,
    ) -> Result<Vec<Packet>, Malformed>;

    /// Decodes a payload that is text already (JSONP).
    ///
    /// # Errors
    /// As [`Dialect::read_payload`].
    fn read_text_payload(&self, text: &str, wire: &Wire) -> Result<Vec<Packet>, Malformed>;

    /// Decodes one WebSocket text message.
    ///
    /// # Errors
    /// If it is not a packet of the dialect.
    fn read_text(&self, text: &str, wire: &Wire) -> Result<Packet, Malformed>;

    /// Decodes one WebSocket binary message.
    ///
    /// # Errors
    /// If it is not a packet of the dialect.
    fn read_binary(&self, data: Bytes) -> Result<Packet, Malformed>;

    /// Encodes the data of a [`Frame::Binary`] as one WebSocket message.
    fn socket_binary(&self, data: &Bytes, wire: &Wire) -> SocketMessage;

    /// Encodes a Socket.IO packet as a text frame, followed by one binary frame for each attachment. Only
    /// the form of acks depends on `wire`.
    fn encode(&self, packet: &SocketPacket, wire: &Wire) -> Vec<Frame>;

    /// Decodes the text of a message packet as Socket.IO. `None` means: ignore it.
    ///
    /// # Errors
    /// If it does not follow the grammar.
    fn decode(&self, text: &str, wire: &Wire) -> Result<Option<Incoming>, Malformed>;

    /// The script that passes a text payload to the page's JSONP callback `index`.
    fn jsonp_script(&self, index: u32, payload: &str) -> Vec<u8> {
        script(&format!("___eio[{index}]("), payload, ");")
    }

    /// Undoes the escaping of a payload in a JSONP form; `field` is the form field, already decoded.
    ///
    /// # Errors
    /// If the client's form cannot have made it.
    fn jsonp_field<'a>(&self, field: &'a str) -> Result<Cow<'a, str>, Malformed> {
        Ok(engineio4::jsonp_field(field))
    }

    /// The JavaScript by which a forever-iframe passes the packet in the variable `m` to its page;
    /// `index` is the callback that the page asked for.
    fn frame_callback(&self, index: u32) -> String {
        format!("parent.___eios[{index}](m)")
    }

    /// Content type and body of the answer to a POST of packets.
    fn post_answer(&self) -> (&'static str, &'static str) {
        // With another type, the iframe that JSONP posts into would open a download dialog.
        ("text/html", "ok")
    }
}

/// One WebSocket message.
#[derive(Debug, Clone, PartialEq)]
pub enum SocketMessage {
    /// A text message: valid UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
}

pub(crate) fn base64_encode(data: &[u8], out: &mut String) {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode_string(data, out);
}

/// Decodes base64 as leniently as Node does: either alphabet, padding or none.
pub(crate) fn base64_decode(text: &str) -> Result<Bytes, Malformed> {
    use base64::Engine as _;
    use base64::alphabet::STANDARD;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let standard: Cow<'_, str> = if text.contains(['-', '_']) {
        Cow::Owned(text.replace('-', "+").replace('_', "/"))
    } else {
        Cow::Borrowed(text)
    };
    LENIENT.decode(standard.as_bytes()).map(Bytes::from).map_err(|_| Malformed("bad base64"))
}

/// Makes a script: `open`, `text` as a JavaScript string, `close`.
pub(crate) fn script(open: &str, text: &str, close: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(open.len() + text.len() + text.len() / 4 + close.len() + 2);
    out.extend_from_slice(open.as_bytes());
    json::write_js_string(&mut out, text);
    out.extend_from_slice(close.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_node_does() {
        for text in ["AQID/w==", "AQID/w", "AQID_w", "AQID_w=="] {
            assert_eq!(base64_decode(text).unwrap(), &[1, 2, 3, 255][..], "{text}");
        }
        assert_eq!(base64_decode("+/8=").unwrap(), base64_decode("-_8").unwrap());
        assert!(base64_decode("AQ*D").is_err());
    }
}
