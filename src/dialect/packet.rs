//! The internal packet model that every dialect decodes into and encodes from.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

/// One packet of the session layer, as a client sent it.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// The peer ends the session.
    Close,
    /// A heartbeat question. `probe` marks the one that tests a transport during an upgrade.
    Ping { probe: bool },
    /// A heartbeat answer.
    Pong { probe: bool },
    /// Data for the layer above.
    Message(Message),
    /// The end of a successful probe: from here on the probed transport carries the session.
    Upgrade,
    /// Nothing; sent to end a poll.
    Noop,
}

/// The content of a message packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Text(String),
    Binary(Bytes),
}

/// A packet that the session layer itself sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Ping,
    Pong { probe: bool },
    Noop,
}

/// How a session ended, as far as its client has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As the client wanted.
    ByClient,
    /// The application ended it; the client is not to come back by itself.
    ByServer,
    /// It broke; the client may come back.
    Lost,
}

/// One outbound packet, already encoded for one dialect. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A whole packet in its text form, type digit included. Always valid UTF-8.
    Text(Bytes),
    /// The data of a binary message, without any type byte: how it is wrapped depends on where it
    /// is sent.
    Binary(Bytes),
}

impl Frame {
    pub const fn fixed(text: &'static str) -> Self {
        Frame::Text(Bytes::from_static(text.as_bytes()))
    }

    pub fn text(text: String) -> Self {
        Frame::Text(Bytes::from(text))
    }

    /// Bytes that this packet holds in memory.
    pub fn len(&self) -> usize {
        match self {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Views the bytes of a [`Frame::Text`] as text.
pub(crate) fn as_text(bytes: &Bytes) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A packet of the Socket.IO layer.
#[derive(Debug, Clone, PartialEq)]
pub struct SocketPacket {
    /// `/` for the default namespace; always begins with a slash.
    pub namespace: Arc<str>,
    pub body: Body,
    /// Binary parts, in the order of their placeholder numbers.
    pub attachments: Vec<Bytes>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// From a client: a request to join, with its auth payload (`Null` if there was none). To a
    /// client: the answer, with the socket id.
    Connect(Value),
    Disconnect,
    Event {
        name: String,
        args: Vec<Value>,
        ack: Option<AckRequest>,
    },
    Ack {
        id: AckId,
        args: Vec<Value>,
    },
    /// Why a namespace could not be joined.
    ConnectError {
        message: String,
        data: Option<Value>,
    },
}

/// Names an acknowledgement. Digits only; kept as text because 0.9 clients compare it so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AckId(pub Box<str>);

impl From<u64> for AckId {
    fn from(id: u64) -> Self {
        AckId(id.to_string().into_boxed_str())
    }
}

impl AckId {
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

/// That the sender of an event wants an acknowledgement, and of which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckRequest {
    /// The application answers, with arguments.
    ByApp(AckId),
    /// Receipt is confirmed at once, without arguments (0.9's plain ack).
    OnReceipt(AckId),
}

/// Input that does not follow the dialect; the text says what was wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A decoded Socket.IO packet whose attachments are still to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    pub packet: SocketPacket,
    /// How many binary messages must follow before the packet is complete.
    pub due: usize,
}
