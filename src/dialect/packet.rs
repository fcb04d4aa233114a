//! Packets as the rest of the server sees them; each dialect decodes into them and encodes from them.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

/// One packet of the session layer, as a client sent it.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// Ends the session.
    Close,
    /// A heartbeat. `probe` marks the one that tests a transport during an upgrade.
    Ping {
        /// Whether it is the question of a probe.
        probe: bool,
    },
    /// The answer to a heartbeat.
    Pong {
        /// Whether it is the answer to a probe.
        probe: bool,
    },
    /// Data for the application.
    Message(Message),
    /// Moves the session to the probed transport.
    Upgrade,
    /// Has no meaning; sent to end a poll.
    Noop,
}

/// The content of a message packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Text, which a Socket.IO packet is.
    Text(String),
    /// Bytes: an attachment, or an application's own.
    Binary(Bytes),
}

/// A packet that the session layer itself sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// A heartbeat question.
    Ping,
    /// A heartbeat answer.
    Pong {
        /// Whether it is the answer to a probe.
        probe: bool,
    },
    /// Nothing; ends a poll.
    Noop,
}

/// How a session ended, as its last packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client ended it.
    ByClient,
    /// The application ended it; the client should not reconnect by itself.
    ByServer,
    /// The session failed; the client should reconnect.
    Lost,
}

/// One outbound packet, already encoded for one dialect. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A whole packet in its text form, with its type. Always valid UTF-8.
    Text(Bytes),
    /// The data of a binary message, without its type, because the form of the type depends on the
    /// transport.
    Binary(Bytes),
}

impl Frame {
    /// A text packet that is known at compile time.
    pub const fn fixed(text: &'static str) -> Self {
        Frame::Text(Bytes::from_static(text.as_bytes()))
    }

    /// A text packet.
    pub fn text(text: String) -> Self {
        Frame::Text(Bytes::from(text))
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The text of a [`Frame::Text`]. Borrows it, because that is valid UTF-8.
pub(crate) fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A packet of the Socket.IO layer.
#[derive(Debug, Clone, PartialEq)]
pub struct SocketPacket {
    /// `/` for the default namespace; always begins with a slash.
    pub namespace: Arc<str>,
    /// What it says.
    pub body: Body,
    /// Binary parts, in the order of their placeholder numbers.
    pub attachments: Vec<Bytes>,
}

/// What a Socket.IO packet says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// From a client: a request to join the namespace, with its auth payload as an object. To a client:
    /// the answer, with the socket id.
    Connect(Value),
    /// The sender leaves the namespace.
    Disconnect,
    /// An event, perhaps with the wish for an acknowledgement.
    Event {
        /// Its name.
        name: String,
        /// Its arguments, with placeholders for attachments.
        args: Vec<Value>,
        /// The id of the acknowledgement, if the sender wants one.
        ack: Option<AckRequest>,
    },
    /// The acknowledgement of an event.
    Ack {
        /// As the event gave it.
        id: AckId,
        /// What the receiver answers.
        args: Vec<Value>,
    },
    /// Why a namespace could not be joined.
    ConnectError {
        /// The reason in short.
        message: String,
        /// More, for programs.
        data: Option<Value>,
    },
}

/// The id of an acknowledgement. Digits only; kept as text, because 0.9 clients compare it as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AckId(pub Box<str>);

impl From<u64> for AckId {
    fn from(id: u64) -> Self {
        AckId(id.to_string().into_boxed_str())
    }
}

impl AckId {
    /// The id as a number, if it is one.
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

/// The kind of acknowledgement that the sender of an event wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckRequest {
    /// From the application, with arguments.
    ByApp(AckId),
    /// From the server as soon as it has the event, without arguments (0.9's plain ack).
    OnReceipt(AckId),
}

/// Input that does not follow the dialect. The text says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A decoded Socket.IO packet, without its attachments.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The packet, without its attachments.
    pub packet: SocketPacket,
    /// The number of attachments, which follow as binary messages.
    pub due: usize,
}
