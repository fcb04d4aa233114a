//! What takes the messages of one session.

use futures::future::BoxFuture;

use super::reason::CloseReason;
use crate::dialect::Message;

/// One session's upper half.
///
/// Calls come one at a time and in order: `opened` once, then messages, then `closed` once. If the
/// session is over before it starts, no call comes. Each call runs to its end, whatever becomes of
/// the connection meanwhile; heartbeats do not wait for it. A call that panics ends the session:
/// `closed` is still called.
pub trait Receiver: Send {
    /// Before anything is sent to the client but the open packet.
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The client's next messages wait until this future ends: a few are kept, then the client is
    /// slowed down.
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()>;

    /// After [`Session::nudge`](super::Session::nudge): something changed that the receiver should
    /// look at.
    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Once, after the last message.
    fn closed(&mut self, reason: CloseReason) -> BoxFuture<'_, ()> {
        let _ = reason;
        Box::pin(std::future::ready(()))
    }
}
