//! Why a client may not join, and why it left.

use serde::Serialize;
use serde_json::Value;

use crate::engine::CloseReason;

/// The answer to a client that may not join.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// What the client is told in a word.
    pub message: String,
    /// More, for programs.
    pub data: Option<Value>,
}

impl ConnectError {
    /// A refusal without data.
    pub fn new(message: impl Into<String>) -> Self {
        ConnectError { message: message.into(), data: None }
    }

    /// Adds data for programs. What cannot be written as JSON is left out.
    #[must_use]
    pub fn data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }
}

/// Why a client left a namespace. The texts are those of the Node server (socketio.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// The client left.
    #[error("client namespace disconnect")]
    ByClient,
    /// The application disconnected it.
    #[error("server namespace disconnect")]
    ByServer,
    /// The session ended.
    #[error("{0}")]
    Session(CloseReason),
}
