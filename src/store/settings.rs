//! Settings of a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::room_of;

/// What is kept of a room. What is over one of the bounds goes, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries.
    pub messages: u64,
    /// Their age.
    pub age: Option<Duration>,
    /// Their bytes ([`Entry::size`](super::Entry::size)).
    pub bytes: u64,
    /// Whether the room always has a log, which never gives way to another's. The lobby's stays anyway.
    pub stays: bool,
}

/// Entries of a log that may give way to others as soon as nobody has it open.
pub(super) const FEW: u64 = 20;
/// One with more entries may if nothing was said for so long, in milliseconds.
pub(super) const IDLE: u64 = 30 * 24 * 60 * 60 * 1000;
/// The room whose log stays.
const LOBBY: &str = "/";

impl Default for Retention {
    /// 100 000 entries of any age, 64 MiB.
    fn default() -> Self {
        Retention { messages: 100_000, age: None, bytes: 64 << 20, stays: false }
    }
}

impl Retention {
    /// Entries from before this moment are too old, in milliseconds since 1970.
    pub(super) fn oldest(&self, now: u64) -> u64 {
        let age = self.age.map_or(u64::MAX, |age| age.as_millis().try_into().unwrap_or(u64::MAX));
        now.saturating_sub(age)
    }
}

/// The retention of each room by its name. It is asked again and again, so what it answers may change.
#[derive(Clone)]
pub struct RetentionOf(Arc<dyn Fn(&str) -> Retention + Send + Sync>);

impl RetentionOf {
    /// One that a function decides. It is called from threads of the store, and must not block.
    pub fn by(function: impl Fn(&str) -> Retention + Send + Sync + 'static) -> Self {
        RetentionOf(Arc::new(function))
    }

    /// The same for all rooms.
    pub fn all(retention: Retention) -> Self {
        Self::by(move |_| retention)
    }

    pub(super) fn of(&self, room: &str) -> Retention {
        let room = room_of(room).0;
        let retention = (self.0)(room);
        Retention { stays: retention.stays || room == LOBBY, ..retention }
    }
}

impl fmt::Debug for RetentionOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetentionOf")
    }
}

/// When an entry counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the disk has it: neither the end of the process nor a power failure takes it back.
    #[default]
    Commit,
    /// When it is on its way. A crash loses at most what came in the last two seconds.
    Relaxed,
}

/// How a store keeps what it is given.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// When an entry counts as written.
    pub durability: Durability,
    /// What is kept of each room.
    pub retention: RetentionOf,
    /// Bytes of the entries of all rooms together; over it, the oldest of the largest room go.
    pub total_bytes: u64,
    /// Rooms that have a log. When nearly all places are taken, logs that nobody has open give way to new ones: those
    /// with few entries (20), and those in which nothing was said for 30 days. Logs that [stay](Retention::stays), or that
    /// have records, do not.
    pub max_rooms: usize,
    /// Bytes of entries that wait to be written. There may be one entry in them for each KiB.
    pub queue_bytes: u64,
    /// Bytes of the end of an open room's log that are kept in memory beside the file.
    pub window_bytes: u64,
}

impl StoreSettings {
    /// Places of logs that are kept free for new ones.
    pub(super) fn spare_rooms(&self) -> usize {
        self.max_rooms / 20
    }
}

impl Default for StoreSettings {
    /// Durable at the commit, [`Retention::default`] for each room, 1 GiB for all, 10 000 rooms, a queue of
    /// 16 MiB, 256 KiB of each open log in memory.
    fn default() -> Self {
        StoreSettings {
            durability: Durability::Commit,
            retention: RetentionOf::all(Retention::default()),
            total_bytes: 1 << 30,
            max_rooms: 10_000,
            queue_bytes: 16 << 20,
            window_bytes: 256 << 10,
        }
    }
}
