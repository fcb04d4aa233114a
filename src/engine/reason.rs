//! Why sessions end, why none can be opened, and why a session does not take a request.

use crate::dialect::Ending;

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
    /// The client broke the protocol: how.
    #[error("parse error: {0}")]
    Malformed(&'static str),
    /// A message larger than `max-payload`.
    #[error("payload too large")]
    TooLarge,
    /// The client reads more slowly than the room talks: its outbound queue is full.
    #[error("slow reader: outbound queue full")]
    SlowReader,
    /// The client is alive, but has taken nothing of what waits for it for as long as a heartbeat
    /// may take.
    #[error("slow reader: nothing is taken")]
    Unread,
    /// What is held for all clients together is over the bound of the process, and this one had the
    /// most.
    #[error("slow reader: all queues together are full")]
    QueueTotal,
    /// The application failed while it was called for this client.
    #[error("application error")]
    AppFailed,
    /// A streamed response reached its bound, and the client knows no way to ask for the next.
    #[error("stream full")]
    StreamFull,
    /// No namespace was joined, or no transport opened, in time.
    #[error("connect timeout")]
    ConnectTimeout,
    /// The application ended it.
    #[error("forced server close")]
    ServerClosed,
    /// The policy changed, and does not allow it any more: the client is to come back another way.
    #[error("moved: {0} is not allowed any more")]
    Moved(&'static str),
    /// The server is shutting down.
    #[error("server shutting down")]
    ShuttingDown,
}

impl CloseReason {
    /// Whether it ended because the client took too little of what was sent: it would not hear of
    /// it.
    pub fn is_slowness(self) -> bool {
        matches!(self, Self::SlowReader | Self::Unread | Self::QueueTotal)
    }

    /// A word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientClosed => "client",
            Self::TransportLost => "lost",
            Self::Overlap(_) => "overlap",
            Self::PingTimeout => "ping-timeout",
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too-large",
            Self::SlowReader => "slow-reader",
            Self::Unread => "unread",
            Self::QueueTotal => "queue-total",
            Self::AppFailed => "app-failed",
            Self::StreamFull => "stream-full",
            Self::ConnectTimeout => "connect-timeout",
            Self::ServerClosed => "server",
            Self::Moved(_) => "policy",
            Self::ShuttingDown => "shutdown",
        }
    }

    /// Whether the client is still to get what is queued, and to be told, when it next can.
    pub(super) fn lingers(self) -> bool {
        matches!(
            self,
            Self::ServerClosed | Self::ShuttingDown | Self::Moved(_) | Self::ConnectTimeout
        )
    }

    /// What the client has to know of it.
    pub fn ending(self) -> Ending {
        match self {
            Self::ClientClosed => Ending::ByClient,
            Self::ServerClosed => Ending::ByServer,
            _ => Ending::Lost,
        }
    }
}

/// Why a session does not take a request of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is no such session, or it is over.
    #[error("the session is gone")]
    Gone,
    /// The session is on another transport.
    #[error("the session is on another transport")]
    WrongTransport,
    /// Another request of the same kind is open.
    #[error("another request of the same kind is open")]
    Overlap,
    /// An upgrade is under way, or done.
    #[error("an upgrade is under way, or done")]
    AlreadyUpgrading,
}

/// Why no session could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
    /// The system has no random numbers.
    #[error("the system gives no randomness")]
    NoRandomness,
}
