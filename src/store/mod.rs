//! The store: what was said in chat rooms, so that it outlives the process.
//!
//! A [`Store`] has one log for each room. [`Store::open`] gives a [`RoomLog`], with which the room's task
//! appends entries and anybody reads them. An entry has its number at once, so that it can be delivered at
//! once; when it is durable, the function is called that came with it. Entries are never changed in their
//! place by callers: an edit or a removal is an entry of its own, and what is read back is each message as it
//! stands then.
//!
//! Two stores keep entries, in memory ([`Store::memory`]) and in one file of SQLite ([`Store::sqlite`]). They do
//! the same, which `contract.rs` tests.

mod bounds;
#[cfg(test)]
mod contract;
mod entry;
mod error;
mod filter;
mod fold;
mod log;
mod memory;
mod page;
mod records;
mod room;
mod settings;
mod shared;
mod sqlite;
mod window;

use std::path::Path;
use std::sync::Arc;

pub use entry::{Entry, Kind, NewEntry};
pub use error::StoreError;
pub use log::{Accepted, Done, RoomLog};
pub use page::{Matches, Page, Range, RoomInfo, Rooms};
pub use records::Record;
pub use settings::{Durability, Retention, RetentionOf, StoreSettings};
pub use sqlite::{Moved, OpenError, TransferError, export, import};

pub use shared::{room_of, shared_name};

use memory::Memory;
use sqlite::File;

/// The logs of all rooms. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Memory(Arc<Memory>),
    File(Arc<File>),
}

impl Store {
    /// A store in memory: it lasts as long as the process.
    pub fn memory(settings: StoreSettings) -> Self {
        Store { backend: Backend::Memory(Arc::new(Memory::new(settings))) }
    }

    /// The store in a data directory, which is made if it is not there, for this user alone. Blocks; for a large
    /// file for some seconds.
    ///
    /// # Errors
    /// Why the directory or the file cannot be used: another process has it, it is read-only, damaged, or from
    /// a newer version.
    pub fn sqlite(dir: &Path, settings: StoreSettings) -> Result<Self, OpenError> {
        Ok(Store { backend: Backend::File(Arc::new(File::open(dir, settings)?)) })
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
            Backend::File(_) => true,
        }
    }

    /// Why nothing can be written at the moment. What was accepted waits, and is written as soon as it can be.
    pub fn trouble(&self) -> Option<StoreError> {
        match &self.backend {
            Backend::Memory(_) => None,
            Backend::File(file) => file.trouble(),
        }
    }

    /// Waits until the store has ended without having been closed, which is the end of the process: it would
    /// lose what it is given.
    pub async fn ended(&self) {
        match &self.backend {
            Backend::Memory(_) => std::future::pending().await,
            Backend::File(file) => file.ended().await,
        }
    }

    /// Writes what waits, and closes the file in order. Logs that are still there then say that it is closed.
    ///
    /// # Errors
    /// Why something was not written.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Memory(_) => Ok(()),
            Backend::File(file) => {
                let file = file.clone();
                let closed = tokio::task::spawn_blocking(move || file.close()).await;
                closed.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
            }
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
            Backend::File(file) => file.open_room(room).await,
        }
    }

    /// The log that a room has in a cluster, which is another than that of [`open`](Self::open): its numbers
    /// come from the cluster ([`RoomLog::append_at`]), and its epoch is made of both names, so that a position
    /// means the same on all nodes. No name of a room has a space.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub async fn open_shared(&self, room: &str, cluster: &str) -> Result<RoomLog, StoreError> {
        self.open(&shared_name(room, cluster)).await
    }

    /// The log of a room, if somebody has it open.
    pub fn opened(&self, room: &str) -> Option<RoomLog> {
        match &self.backend {
            Backend::Memory(memory) => memory.opened(room),
            Backend::File(file) => file.opened_room(room),
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
            Backend::File(file) => file.rooms(after, limit).await,
        }
    }

    /// The log with a name, if it has entries.
    ///
    /// # Errors
    /// What may go wrong while reading.
    pub async fn info(&self, room: &str) -> Result<Option<RoomInfo>, StoreError> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.info(room)),
            Backend::File(file) => file.info(room).await,
        }
    }

    /// Bytes of a room's name, with that of its cluster.
    pub const MAX_ROOM_NAME: usize = 512;
}
