//! The log of one room.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bounds::{MAX_PAGE, MAX_SEARCH_TEXT};
use super::fold::Needle;
use super::memory::Memory;
use super::room::{Room, now};
use super::sqlite::File;
use super::{Entry, Matches, NewEntry, Page, Range, Record, StoreError};

/// Is called once, when an entry is durable, with its number; or with why it is not. It is called from a thread
/// of the store, or from the one that appends, and must not block.
pub type Done = Box<dyn FnOnce(Result<u64, StoreError>) + Send>;

/// What happens to an entry that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is new, and has this number: everybody is to be told.
    New(u64),
    /// The author has appended one with this key before, which has this number. Nothing was appended.
    Known(u64),
}

/// The log of a room. Clones are the same log.
#[derive(Debug, Clone)]
pub struct RoomLog {
    room: Arc<Room>,
    backing: Backing,
}

/// Where what is no longer in memory is.
#[derive(Debug, Clone)]
enum Backing {
    Memory(Arc<Memory>),
    File(Arc<File>),
}

impl RoomLog {
    pub(super) fn in_memory(room: Arc<Room>, memory: Arc<Memory>) -> Self {
        RoomLog { room, backing: Backing::Memory(memory) }
    }

    pub(super) fn in_file(room: Arc<Room>, file: Arc<File>) -> Self {
        RoomLog { room, backing: Backing::File(file) }
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.room.name
    }

    /// The log's own word: 8 random characters. A log that was lost and began anew has another. In a cluster
    /// all nodes have the same, for good.
    pub fn epoch(&self) -> &Arc<str> {
        &self.room.epoch
    }

    /// Whether entries stay, as far as bounds were known when it was opened: in a store that keeps none, and in a
    /// room that may have none, they are numbered and forgotten.
    pub fn keeps(&self) -> bool {
        self.room.keeps
    }

    /// The number of the last entry that was appended, or 0.
    pub fn top(&self) -> u64 {
        self.room.lock().top
    }

    /// The number up to which everybody who was there has been told what was appended. At first that of the last
    /// entry.
    pub fn told(&self) -> u64 {
        self.room.told.load(Ordering::Acquire)
    }

    /// Who appends has told everybody of all entries.
    pub fn set_told(&self) {
        self.room.told.store(self.top(), Ordering::Release);
    }

    /// Whether entries are missing that others have, or everybody was told of some that are not here yet.
    pub fn is_behind(&self) -> bool {
        self.room.behind.load(Ordering::Acquire)
    }

    /// Says so, or that it has all of them.
    pub fn set_behind(&self, behind: bool) {
        self.room.behind.store(behind, Ordering::Release);
    }

    /// The messages after a number that are not deleted, of those that are in memory.
    pub fn recent_after(&self, seq: u64) -> Vec<Arc<Entry>> {
        let state = self.room.lock();
        state.window.from(seq).filter(|entry| entry.is_message()).cloned().collect()
    }

    /// The position of an entry, as clients keep it: epoch and number.
    pub fn position(&self, seq: u64) -> String {
        format!("{}.{seq}", self.room.epoch)
    }

    /// The number in a position of this log; `None` for what is no such position.
    pub fn seq(&self, position: &str) -> Option<u64> {
        self.number(position).filter(|seq| *seq <= self.top())
    }

    /// As [`seq`](Self::seq), with numbers that were not given out yet: in a cluster another node may know
    /// later ones.
    pub fn number(&self, position: &str) -> Option<u64> {
        let number = position.strip_prefix(&*self.room.epoch)?.strip_prefix('.')?;
        // Digits alone: no sign.
        let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
        number.parse().ok().filter(|_| is_number)
    }

    /// Appends an entry, and gives it its number. It can be read at once. It never blocks; `done` tells when it
    /// is durable.
    ///
    /// If writing fails, `done` has the error, and the entry is kept and written as soon as that is possible.
    /// Who sends it again, with the same key, learns what came of it.
    ///
    /// The author's earlier entries with a key are known as far as they are in memory: if
    /// [`may_have`](Self::may_have), ask [`find`](Self::find) before.
    ///
    /// # Errors
    /// Nothing was appended, and `done` is not called: [`StoreError::TooLarge`], [`StoreError::Invalid`],
    /// [`StoreError::Busy`] if too much waits to be written, [`StoreError::Closed`].
    pub fn append(&self, new: NewEntry, done: Done) -> Result<Accepted, StoreError> {
        self.append_with(None, new, done)
    }

    /// As [`append`](Self::append), with a number that was given elsewhere. It has to be above all that the
    /// log has.
    ///
    /// # Errors
    /// Also [`StoreError::Invalid`] if it is not.
    pub fn append_at(&self, seq: u64, new: NewEntry, done: Done) -> Result<Accepted, StoreError> {
        self.append_with(Some(seq), new, done)
    }

    fn append_with(
        &self,
        seq: Option<u64>,
        new: NewEntry,
        done: Done,
    ) -> Result<Accepted, StoreError> {
        match &self.backing {
            Backing::Memory(memory) => memory.append(&self.room, seq, new, done),
            Backing::File(file) => file.append(&self.room, seq, new, done),
        }
    }

    /// Whether the author may have appended an entry with this key. If not, it is certain.
    pub fn may_have(&self, author: &str, key: &str) -> bool {
        let state = self.room.lock();
        match &self.backing {
            Backing::Memory(_) => state.window.find(author, key).is_some(),
            Backing::File(_) => state.filter.may_have(author, key),
        }
    }

    /// The number of the author's entry with this key, once it is durable.
    ///
    /// # Errors
    /// Why it is not durable, or what went wrong while reading.
    pub async fn find(&self, author: &str, key: &str) -> Result<Option<u64>, StoreError> {
        match &self.backing {
            Backing::Memory(_) => Ok(self.room.lock().window.find(author, key)),
            Backing::File(file) => file.find(&self.room, author, key).await,
        }
    }

    /// One entry as it stands.
    ///
    /// # Errors
    /// What went wrong while reading.
    pub async fn get(&self, seq: u64) -> Result<Option<Arc<Entry>>, StoreError> {
        match &self.backing {
            Backing::Memory(_) => Ok(self.room.lock().window.get(seq)),
            Backing::File(file) => file.get(&self.room, seq).await,
        }
    }

    /// The last messages up to a number that are not deleted, the oldest first: at most `limit`, of those that
    /// are in memory ([`StoreSettings::window_bytes`](super::StoreSettings::window_bytes)).
    pub fn latest(&self, until: u64, limit: usize) -> Vec<Arc<Entry>> {
        let state = self.room.lock();
        let mut latest: Vec<_> = state
            .window
            .back_from(until.saturating_add(1))
            .filter(|entry| entry.is_message())
            .take(limit)
            .cloned()
            .collect();
        latest.reverse();
        latest
    }

    /// At most `limit` entries, never over 1 000, and about 1 MiB.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if too many reads wait, and what went wrong while reading.
    pub async fn read(&self, range: Range, limit: usize) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        match &self.backing {
            Backing::Memory(memory) => Ok(memory.read(&self.room, range, limit)),
            Backing::File(file) => file.read(&self.room, range, limit).await,
        }
    }

    /// The last messages before a number, or of all, that have a text in them, whatever its case: at most
    /// `limit`, never over 1 000. One search looks at 50 000 entries; [`Matches::next`] says where to go on.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a text over 1 KiB, otherwise as [`read`](Self::read).
    pub async fn search(
        &self,
        text: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Matches, StoreError> {
        if text.len() > MAX_SEARCH_TEXT {
            return Err(StoreError::TooLarge);
        }
        let (needle, before) = (Needle::new(text), before.unwrap_or(u64::MAX));
        let limit = limit.clamp(1, MAX_PAGE);
        if needle.is_empty() {
            return Ok(Matches::default());
        }
        match &self.backing {
            Backing::Memory(_) => {
                let room = self.room.clone();
                let search = move || Memory::search(&room, &needle, before, limit);
                let searched = tokio::task::spawn_blocking(search).await;
                searched.map_err(|error| StoreError::Failed(error.to_string()))
            }
            Backing::File(file) => file.search(&self.room, needle, before, limit).await,
        }
    }

    /// Keeps a record, in the place of one with the same key. It is durable when a later entry is.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::TooManyRecords`] (10 000, 8 MiB), [`StoreError::Busy`].
    pub fn put(&self, record: Record) -> Result<(), StoreError> {
        let mut state = self.room.lock();
        state.records.check(&record, now())?;
        if let Backing::File(file) = &self.backing {
            file.put(&self.room, &record)?;
        }
        state.records.put(record);
        Ok(())
    }

    /// Removes a record.
    ///
    /// # Errors
    /// [`StoreError::Busy`]: it is still there.
    pub fn remove(&self, key: &str) -> Result<(), StoreError> {
        let mut state = self.room.lock();
        if let Backing::File(file) = &self.backing {
            file.remove(&self.room, key)?;
        }
        state.records.remove(key);
        Ok(())
    }

    /// A record, if it is there and has not expired.
    pub fn record(&self, key: &str) -> Option<Record> {
        self.room.lock().records.get(key, now()).cloned()
    }

    /// All records that have not expired, by key.
    pub fn records(&self) -> Vec<Record> {
        self.room.lock().records.all(now()).cloned().collect()
    }
}
