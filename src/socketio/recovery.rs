//! Connection state recovery: a client that lost its connection gets its session back, and what it missed.

use std::sync::Arc;

use serde_json::Value;

use super::adapter::Packet;

/// What is kept of a client that was lost.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// The private id, by which the client asks for it.
    pub pid: String,
    /// The socket's id.
    pub sid: String,
    /// Its rooms.
    pub rooms: Vec<Arc<str>>,
    /// Its [`Socket::data`](super::Socket::data).
    pub data: Value,
    /// The position at which it joined: it has missed nothing before.
    pub start: Option<String>,
}

/// A session that was given back.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// As it was kept.
    pub session: SessionRecord,
    /// What the client missed, in order, each with its position.
    pub missed: Vec<(Packet, String)>,
}
