//! Broadcasts that the application takes instead of the clients.

use std::sync::Arc;

use super::adapter::Packet;
use super::selector::{Flags, Selector};

/// A broadcast as it came to this node, for the function that takes it: see
/// [`Handlers::take_broadcasts`](super::Handlers::take_broadcasts).
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The event.
    pub packet: Packet,
    /// For whom it is.
    pub selector: Selector,
    /// How it was to be sent.
    pub flags: Flags,
    /// The other node that sends it, by its name in the messages of adapters; `None` if it is this one.
    pub origin: Option<Arc<str>>,
    /// Its position, if it is kept for clients that miss it: see [`Broadcast::offset`](super::Broadcast::offset).
    pub offset: Option<Arc<str>>,
}
