//! The short way out: the thread that queues a packet also writes it to the connection.

use std::sync::Arc;

use crate::dialect::{Dialect, Frame, Wire};

/// A connection that takes packets without its own task being woken for it.
///
/// Called under the session's lock where nothing else is said, so it must neither block nor call
/// the session. It may take the locks that come after that one, of the connection's writer and of
/// TLS: see the lock order in `session.rs`.
pub trait DirectWriter: std::fmt::Debug + Send + Sync {
    /// Takes all packets, in order. What the connection cannot take at the moment is kept.
    fn try_send(&self, frames: &[Frame], dialect: &dyn Dialect, wire: &Wire) -> SendOutcome;

    /// Whether the client may still be there. If not, it gets no packets, and its transport is
    /// expected to notice that the connection has ended.
    fn is_there(&self) -> bool {
        true
    }

    /// Whether packets of so many bytes, as the queue counts them, may go straight to it. If not, its
    /// transport is woken, to do more with them than is right under a lock.
    fn takes(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }

    /// What keeps packets for it, if anything does.
    fn connection(&self) -> Option<Arc<dyn Connection>> {
        None
    }
}

/// What keeps bytes of a session until its client takes them.
pub trait Connection: std::fmt::Debug + Send + Sync {
    /// Bytes that it keeps. Called under the session's lock.
    fn held(&self) -> usize;

    /// Ends at once and drops what it keeps. Called outside of the session's lock.
    fn cut(&self);
}

/// What became of packets that a direct writer was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// They are on their way, and more may follow.
    Sent,
    /// The connection is full or broken and keeps some of them: its transport has to see to it.
    Stuck,
    /// They answered the request, which is over. Unless that is all `done`, its transport has to
    /// see to the rest.
    Answered {
        /// Whether nothing is left to write.
        done: bool,
    },
}
