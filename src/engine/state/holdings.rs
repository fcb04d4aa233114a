//! Memory that is held for a session outside of its queue.

use std::sync::{Arc, Weak};

use super::super::direct_writer::Connection;
use crate::memory::Charge;

/// Something that a client says bit by bit, and that is held until it is whole.
#[derive(Debug, Clone, Copy)]
pub enum Begun {
    /// A message, in frames or pieces of a frame.
    Message,
    /// A packet that waits for its attachments.
    Packet,
    /// Bodies of POSTs.
    Bodies,
}

/// Bytes that are held for a session.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Held {
    pub own: usize,
    /// Those that are the same for other sessions.
    pub shared: usize,
}

impl Held {
    pub fn all(self) -> usize {
        self.own + self.shared
    }
}

/// What a session has to account for besides its queue.
#[derive(Debug, Default)]
pub(in crate::engine) struct Holdings {
    /// The session's part in the memory of the process.
    charge: Charge,
    /// Bytes of what the client has begun to say and not brought to its end, by [`Begun`].
    begun: [usize; 3],
    /// Connections that may not have taken all of an answer.
    lagging: Vec<Weak<dyn Connection>>,
}

impl Holdings {
    /// Counts so many bytes, and what the client has begun to say, in the memory of the process.
    pub fn charge(&mut self, bytes: usize) {
        self.charge.set(bytes + self.begun());
    }

    #[cfg(test)]
    pub fn charged(&self) -> usize {
        self.charge.bytes()
    }

    /// Bytes of what the client has begun to say.
    pub fn begun(&self) -> usize {
        self.begun.iter().sum()
    }

    pub fn set_begun(&mut self, what: Begun, bytes: usize) {
        self.begun[what as usize] = bytes;
    }

    /// What the bodies of POSTs hold once one that held `from` bytes holds `to`.
    pub fn bodies(&self, from: usize, to: usize) -> usize {
        self.begun[Begun::Bodies as usize].saturating_sub(from) + to
    }

    /// Notes a connection that answered a request, or is about to: what the client does not take of
    /// the answer waits there, whatever other requests come meanwhile.
    pub fn answered_by(&mut self, connection: &Arc<dyn Connection>) {
        let connection = Arc::downgrade(connection);
        self.lagging.retain(|known| !known.ptr_eq(&connection) && keeps_something(known));
        self.lagging.push(connection);
    }

    /// Forgets connections whose clients have taken all.
    pub fn forget_idle_connections(&mut self) {
        self.lagging.retain(keeps_something);
        if self.lagging.is_empty() {
            self.lagging = Vec::new();
        }
    }

    pub fn has_lagging(&self) -> bool {
        !self.lagging.is_empty()
    }

    /// Connections that may not have taken all of an answer.
    pub fn lagging(&self) -> impl Iterator<Item = Arc<dyn Connection>> {
        self.lagging.iter().filter_map(Weak::upgrade)
    }

    /// Nothing is held any more.
    pub fn clear(&mut self) {
        self.begun = [0; 3];
        self.charge.set(0);
    }
}

/// Whether a connection is there and keeps something.
fn keeps_something(connection: &Weak<dyn Connection>) -> bool {
    connection.upgrade().is_some_and(|connection| connection.held() > 0)
}
