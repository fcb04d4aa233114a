//! The store: what was said in chat rooms, so that it outlives the process.
//!
//! A [`Store`] has one log for each room. [`Store::open`] gives a [`RoomLog`], with which the room's task
//! appends entries and anybody reads them. An entry has its number at once, so that it can be delivered at
//! once; when it is durable, the function is called that came with it. Entries are never changed in their
//! place by callers: an edit or a removal is an entry of its own, and what is read back is each message as it
//! stands then.
//!
//! [`Store::memory`] keeps all of it in memory, in bounds.

mod bounds;
#[cfg(test)]
mod contract;
mod entry;
mod error;
mod fold;
mod log;
mod memory;
mod page;
#[allow(dead_code, reason = "for the file, which comes next")]
mod records;
mod room;
mod settings;
#[allow(dead_code, reason = "for the file, which comes next")]
mod window;

use std::sync::Arc;

pub use entry::{Entry, Kind, NewEntry};
pub use error::StoreError;
pub use log::{Accepted, Done, RoomLog};
pub use page::{Matches, Page, Range, RoomInfo, Rooms};
pub use records::Record;
pub use settings::{Durability, Retention, RetentionOf, StoreSettings};

use memory::Memory;

/// The logs of all rooms. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Memory(Arc<Memory>),
}

impl Store {
    /// A store in memory: it lasts as long as the process.
    pub fn memory(settings: StoreSettings) -> Self {
        Store { backend: Backend::Memory(Arc::new(Memory::new(settings))) }
    }

    /// A store that keeps no entries. They are numbered, and forgotten at once.
    pub fn none() -> Self {
        let nothing = Retention { messages: 0, ..Retention::default() };
        let settings = StoreSettings { retention: RetentionOf::all(nothing), ..Default::default() };
        Store::memory(settings)
    }

    /// Whether entries outlive the process.
    pub fn is_durable(&self) -> bool {
        match &self.backend {
            Backend::Memory(_) => false,
        }
    }

    /// The log of a room, which is there from the first entry on. Two calls with one name give the same log.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a name over [`MAX_ROOM_NAME`](Self::MAX_ROOM_NAME) bytes,
    /// [`StoreError::TooManyRooms`], and what may go wrong while reading.
    pub async fn open(&self, room: &str) -> Result<RoomLog, StoreError> {
        if room.len() > Self::MAX_ROOM_NAME {
            return Err(StoreError::TooLarge);
        }
        match &self.backend {
            Backend::Memory(memory) => memory.open(room),
        }
    }

    /// Rooms that have a log, by name, those after a name: at most `limit`, and never over 1 000.
    ///
    /// # Errors
    /// What may go wrong while reading.
    pub async fn rooms(&self, after: Option<&str>, limit: usize) -> Result<Rooms, StoreError> {
        let limit = limit.clamp(1, 1_000);
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.rooms(after, limit)),
        }
    }

    /// Bytes of a room's name.
    pub const MAX_ROOM_NAME: usize = 256;
}
