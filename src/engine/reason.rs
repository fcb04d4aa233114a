//! Why sessions end, and why requests for them are refused.

use crate::dialect::Control;

/// Why a session ended. The texts are those of the reference servers where these have one
/// (socketio.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The client said so.
    #[error("transport close")]
    ClientClosed,
    /// The connection that carried the session ended.
    #[error("transport close")]
    TransportLost,
    /// A second request of a kind of which there may be one.
    #[error("transport error: overlapping {0} requests")]
    Overlap(&'static str),
    /// Nothing was heard in time.
    #[error("ping timeout")]
    PingTimeout,
    #[error("parse error: {0}")]
    Malformed(&'static str),
    /// A message larger than `max-payload`.
    #[error("payload too large")]
    TooLarge,
    /// The client reads more slowly than the room talks: its outbound queue is full.
    #[error("slow reader: outbound queue full")]
    SlowReader,
    /// No namespace was joined in time.
    #[error("connect timeout")]
    ConnectTimeout,
    /// The application ended it.
    #[error("forced server close")]
    ServerClosed,
    #[error("server shutting down")]
    ShuttingDown,
}

impl CloseReason {
    /// Whether the client is still to get what is queued, and to be told, when it next can.
    pub(super) fn lingers(self) -> bool {
        matches!(self, Self::ServerClosed | Self::ShuttingDown | Self::ConnectTimeout)
    }

    /// What a parked poll is answered with (engineio.md §9).
    pub fn farewell(self) -> Control {
        match self {
            Self::ClientClosed => Control::Noop,
            _ => Control::Close,
        }
    }
}

/// Why a transport could not take up a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the session is gone")]
    Gone,
    #[error("the session is on another transport")]
    WrongTransport,
    #[error("another request of the same kind is open")]
    Overlap,
    #[error("an upgrade is under way, or done")]
    AlreadyUpgrading,
}
