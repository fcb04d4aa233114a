//! Bytes ⇄ packets, for each generation of the wire.
//!
//! A [`Dialect`] knows one generation: how its packets are framed in payloads and in WebSocket
//! messages, what its Socket.IO grammar looks like, and, as data in [`Rules`], how its sessions
//! behave. The set is closed; nothing above `engine/` can tell which member a client speaks.

pub mod engineio3;
pub mod engineio4;
pub mod grammar;
#[cfg(test)]
mod hostile;
pub mod json;
pub mod packet;
pub mod socketio09;
pub mod utf8;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

pub use packet::{
    AckId, AckRequest, Body, Control, Ending, Frame, Incoming, Malformed, Message, Packet,
    SocketPacket,
};
pub use utf8::{StringMode, Strings};

/// How many dialects there are; a broadcast keeps one encoded form for each.
pub const COUNT: usize = 3;

/// The facts that the first packet tells a client.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub sid: &'a str,
    pub upgrades: &'a [&'static str],
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// Bytes.
    pub max_payload: usize,
}

/// What is known of one session's wire besides its dialect.
#[derive(Debug)]
pub struct Wire {
    /// The client cannot take binary (`b64`, or JSONP).
    pub base64: bool,
    /// Strings in polling payloads that came as text.
    pub polling_strings: StringMode,
    /// Strings in WebSocket text frames.
    pub socket_strings: StringMode,
    /// The client writes acks as 1.0.0–1.0.3 did, and must be answered so (socketio.md §6).
    pub counted_acks: AtomicBool,
}

impl Default for Wire {
    fn default() -> Self {
        Wire {
            base64: false,
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

/// Packets of one HTTP body beyond which it is refused. A page that was offline sends all that it kept at once, but
/// events of 16 bytes and more fill a body of 1 MB with fewer. A packet takes more memory than its few bytes.
pub const MAX_PACKETS: usize = 1 << 16;

/// Adds a packet to those of one body.
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
    pub content_type: &'static str,
    pub body: Bytes,
}

/// The text form of a payload, as every streamed or scripted transport carries it.
pub const TEXT: &str = "text/plain; charset=UTF-8";
/// The binary form.
pub const OCTETS: &str = "application/octet-stream";

/// Who starts a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// The server asks every ping interval and expects an answer within the ping timeout.
    ServerAsks,
    /// The client asks; the server expects to hear something within interval and timeout together.
    ClientAsks,
}

/// What the Socket.IO layer does on input that the dialect's own servers disagree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Ignore,
    /// Close the connection, without a packet first.
    Close,
}

/// How the HTTP requests of one session relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// One GET and one POST at a time; a second of either ends the session, and so does a poll that
    /// the client drops. Another transport comes in by an upgrade only. Heartbeats run on polls too
    /// (engineio.md §7-9).
    Strict,
    /// The newest GET wins, POSTs may overlap, a dropped poll is a pause. Any transport may take
    /// over and is greeted anew. Idle polls are ended now and then, instead of heartbeats
    /// (socketio-0.9.md §7).
    Lenient,
}

/// How sessions of a dialect behave, as facts.
#[derive(Debug)]
pub struct Rules {
    pub heartbeat: Heartbeat,
    pub requests: Requests,
    /// The end of a session is told by a packet on WebSockets as well.
    pub ending_on_sockets: bool,
    /// A streamed response that ends is followed by another for the same session.
    pub resumes_streams: bool,
    /// The default namespace is joined without being asked for (socketio.md §3).
    pub joins_by_itself: bool,
    /// An undecodable Socket.IO packet, or an attachment out of place (socketio.md §7).
    pub malformed: Reaction,
    /// A packet for a namespace that is not joined.
    pub not_joined: Reaction,
    /// A second request to join a joined namespace.
    pub joined_twice: Reaction,
    pub socket_ids: SocketIds,
}

/// How a socket is named to the client (socketio.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketIds {
    /// By the session: its sid in the default namespace, `/name#sid` in others.
    OfSession,
    /// By an id of its own.
    Own,
}

/// One generation of the wire. Sessions share one static value of it. What is written here once is
/// common to both Engine.IO protocols.
pub trait Dialect: std::fmt::Debug + Send + Sync + 'static {
    /// For logs and metrics.
    fn name(&self) -> &'static str;

    /// Its place among the encoded forms of a broadcast; below [`COUNT`].
    fn slot(&self) -> usize;

    fn rules(&self) -> &'static Rules;

    /// The packet that opens a session.
    fn opening(&self, facts: &Opening<'_>) -> Frame {
        engineio4::opening(facts)
    }

    fn control(&self, control: Control) -> Frame {
        engineio4::control(control)
    }

    /// The last packet of a session.
    fn ending(&self, ending: Ending) -> Frame {
        engineio4::ending(ending)
    }

    /// A message of the session layer, for applications without Socket.IO.
    fn message(&self, text: &str) -> Frame {
        engineio4::message(text)
    }

    /// Puts packets into one HTTP body. `text_only` asks for the form that survives a script.
    fn payload(&self, frames: &[Frame], text_only: bool) -> Payload;

    /// Whether its payloads have a binary form.
    fn takes_octets(&self) -> bool {
        false
    }

    /// Takes an HTTP body apart, in the client's order. `octets` says that it came as
    /// `application/octet-stream`.
    ///
    /// # Errors
    /// If the framing is wrong, a packet in it is, or there are more than [`MAX_PACKETS`]. Nothing of such a body
    /// is delivered.
    fn read_payload(
        &self,
        body: &[u8],
        octets: bool,
        wire: &Wire,
    ) -> Result<Vec<Packet>, Malformed>;

    /// Reads a payload that is text already (JSONP).
    ///
    /// # Errors
    /// As [`Dialect::read_payload`].
    fn read_text_payload(&self, text: &str, wire: &Wire) -> Result<Vec<Packet>, Malformed>;

    /// Reads one WebSocket text message.
    ///
    /// # Errors
    /// If it is no packet.
    fn read_text(&self, text: &str, wire: &Wire) -> Result<Packet, Malformed>;

    /// Reads one WebSocket binary message.
    ///
    /// # Errors
    /// If it is no packet.
    fn read_binary(&self, data: Bytes) -> Result<Packet, Malformed>;

    /// The WebSocket message that carries a binary frame.
    fn socket_binary(&self, data: &Bytes, wire: &Wire) -> SocketMessage;

    /// Encodes a Socket.IO packet, attachments after it. `wire` matters only for acks.
    fn encode(&self, packet: &SocketPacket, wire: &Wire) -> Vec<Frame>;

    /// Decodes the text of a message packet as Socket.IO. `None` is input to be ignored.
    ///
    /// # Errors
    /// If it does not follow the grammar.
    fn decode(&self, text: &str, wire: &Wire) -> Result<Option<Incoming>, Malformed>;

    /// The script that hands a text payload to the page's JSONP callback `index`.
    fn jsonp_script(&self, index: u32, payload: &str) -> Vec<u8> {
        script(&format!("___eio[{index}]("), payload, ");")
    }

    /// Undoes what a JSONP form does to a payload; `field` is the decoded form field.
    ///
    /// # Errors
    /// If it cannot have come from such a form.
    fn jsonp_field<'a>(&self, field: &'a str) -> Result<Cow<'a, str>, Malformed> {
        Ok(engineio4::jsonp_field(field))
    }

    /// The JavaScript by which a forever-iframe hands the packet in the variable `m` to its page;
    /// `index` is what the page asked to be called back by.
    fn frame_callback(&self, index: u32) -> String {
        format!("parent.___eios[{index}](m)")
    }

    /// Body and content type of the answer to a POST of packets.
    fn post_answer(&self) -> (&'static str, &'static str) {
        // Another type would open a download dialog in the iframe that JSONP posts into.
        ("text/html", "ok")
    }
}

/// What goes into one WebSocket message.
#[derive(Debug, Clone, PartialEq)]
pub enum SocketMessage {
    Text(Bytes),
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

/// Appends `escaped` to a script call: `open` + JavaScript string + `close`.
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
