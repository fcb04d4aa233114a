//! The file, as logs use it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::lock::Lock;
use super::queue::{Job, Op, Queue};
use super::readers::Readers;
use super::threads::{Ended, spawn};
use super::writer::Writer;
use super::{OpenError, Shared, make, prepare, reads};
use crate::store::fold::Needle;
use crate::store::log::{Accepted, Done, RoomLog};
use crate::store::records::Records;
use crate::store::room::{Room, State};
use crate::store::window::Window;
use crate::store::{
    Durability, Entry, Kind, Matches, NewEntry, Page, Range, Record, RoomInfo, Rooms, StoreError,
    StoreSettings, shared,
};

/// The store's file, which is closed with the last log of it.
pub(in crate::store) struct File {
    shared: Arc<Shared>,
    readers: Readers,
    /// Opens logs, one after the other, so that each is there once.
    opener: Readers,
    ended: Ended,
    threads: Mutex<Vec<JoinHandle<()>>>,
    failed: Arc<Mutex<Option<StoreError>>>,
}

/// Threads that read.
const READERS: usize = 2;

impl File {
    pub fn open(dir: &Path, settings: StoreSettings) -> Result<Self, OpenError> {
        make(dir)?;
        let lock = Lock::take(dir)?;
        let (connection, path) = prepare(dir, &settings)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_bytes),
            settings,
            opened: Mutex::default(),
            opening: Mutex::default(),
            trouble: Mutex::default(),
        });
        let writer = Writer::new(connection, shared.clone());
        let writer = writer.map_err(|error| OpenError::of(&path, &error))?;
        let ended = Ended::new();
        let (readers, mut threads) = Readers::start("store-read", READERS, &path, &ended)?;
        let (opener, more) = Readers::start("store-open", 1, &path, &ended)?;
        threads.extend(more);
        let failed = Arc::new(Mutex::new(None));
        let outcome = failed.clone();
        threads.push(spawn(&path, "store-write", &ended, move || {
            let result = writer.run();
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = result.err();
            drop(lock);
        })?);
        Ok(File { shared, readers, opener, ended, threads: Mutex::new(threads), failed })
    }

    /// Waits until a thread has ended, which is the end of the store.
    pub async fn ended(&self) {
        self.ended.wait().await;
    }

    /// Ends the threads; the one that writes when all is written. Blocks until then.
    pub fn close(&self) -> Result<(), StoreError> {
        self.end();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let is_sound = threads.into_iter().all(|thread| thread.join().is_ok());
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed {
            Some(error) => Err(error),
            None if is_sound => Ok(()),
            None => Err(StoreError::Failed("a thread panicked".to_owned())),
        }
    }

    fn end(&self) {
        self.readers.close();
        self.opener.close();
        self.shared.queue.close();
    }

    /// Why nothing can be written at the moment.
    pub fn trouble(&self) -> Option<StoreError> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub async fn open_room(self: &Arc<Self>, name: &str) -> Result<RoomLog, StoreError> {
        let room = match self.shared.opened(name) {
            Some(room) => room,
            None => {
                let (shared, name) = (self.shared.clone(), Arc::from(name));
                self.opener.read(move |connection| shared.open(connection, name)).await??
            }
        };
        Ok(RoomLog::in_file(room, self.clone()))
    }

    pub fn opened_room(self: &Arc<Self>, name: &str) -> Option<RoomLog> {
        self.shared.opened(name).map(|room| RoomLog::in_file(room, self.clone()))
    }

    pub async fn rooms(&self, after: Option<&str>, limit: usize) -> Result<Rooms, StoreError> {
        let waiting = self.shared.waiting(after);
        let after = after.map(str::to_owned);
        let read = move |connection: &Connection| reads::rooms(connection, after.as_deref(), limit);
        let mut found = self.readers.read(read).await?;
        found.extend(waiting, limit);
        Ok(found)
    }

    pub async fn info(&self, name: &str) -> Result<Option<RoomInfo>, StoreError> {
        let waiting = self.shared.opened(name).and_then(|room| room.waiting());
        let name: Arc<str> = name.into();
        let read = move |connection: &Connection| reads::info(connection, name);
        let mut found =
            Rooms { rooms: self.readers.read(read).await?.into_iter().collect(), more: false };
        found.extend(waiting.into_iter().collect(), 1);
        Ok(found.rooms.pop())
    }

    fn push(&self, room: &Arc<Room>, op: Op, done: Option<Done>) -> Result<(), StoreError> {
        self.shared.queue.push(Job { room: room.clone(), op, done })
    }

    pub fn append(
        &self,
        room: &Arc<Room>,
        seq: Option<u64>,
        new: NewEntry,
        done: Done,
    ) -> Result<Accepted, StoreError> {
        new.check()?;
        let is_relaxed = self.shared.settings.durability == Durability::Relaxed;
        let mut state = room.lock();
        if let Some(seq) = new.key.as_ref().and_then(|key| state.window.find(&new.author, key)) {
            if seq <= state.durable || is_relaxed {
                drop(state);
                done(Ok(seq));
            } else {
                self.push(room, Op::Confirm(seq), Some(done))?;
            }
            return Ok(Accepted::Known(seq));
        }
        let seq = state.next(seq)?;
        let entry = Arc::new(new.numbered(seq));
        let (early, late) = if is_relaxed { (Some(done), None) } else { (None, Some(done)) };
        self.push(room, Op::Append(entry.clone()), late)?;
        state.top = seq;
        if let Some(key) = &entry.key {
            state.filter.add(&entry.author, key, seq);
        }
        state.window.push(entry);
        drop(state);
        if let Some(done) = early {
            done(Ok(seq));
        }
        Ok(Accepted::New(seq))
    }

    pub async fn find(
        &self,
        room: &Arc<Room>,
        author: &str,
        key: &str,
    ) -> Result<Option<u64>, StoreError> {
        let (found, durable) = {
            let state = room.lock();
            (state.window.find(author, key), state.durable)
        };
        let Some(seq) = found else {
            let (author, key) = (author.to_owned(), key.to_owned());
            let name = room.name.clone();
            let find = move |connection: &Connection| reads::find(connection, &name, &author, &key);
            return self.readers.read(find).await;
        };
        if seq <= durable {
            return Ok(Some(seq));
        }
        let (sender, receiver) = oneshot::channel();
        let done = move |result| drop(sender.send(result));
        self.push(room, Op::Confirm(seq), Some(Box::new(done)))?;
        receiver.await.map_err(|_| StoreError::Closed)?.map(Some)
    }

    pub async fn get(&self, room: &Arc<Room>, seq: u64) -> Result<Option<Arc<Entry>>, StoreError> {
        let (found, pending) = {
            let state = room.lock();
            (state.window.get(seq), pending(&state))
        };
        if found.is_some() {
            return Ok(found);
        }
        let name = room.name.clone();
        let entry = self.readers.read(move |connection| reads::get(connection, &name, seq)).await?;
        let mut entries: Vec<Arc<Entry>> = entry.into_iter().collect();
        change(&mut entries, &pending);
        Ok(entries.pop())
    }

    pub async fn read(
        &self,
        room: &Arc<Room>,
        range: Range,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let pending = {
            let state = room.lock();
            let page = match range {
                Range::After(seq) => state.window.after(seq, limit),
                Range::Before(seq) => state.window.before(seq, limit),
            };
            if let Some(page) = page {
                return Ok(page);
            }
            pending(&state)
        };
        let name = room.name.clone();
        let read = move |connection: &Connection| reads::read(connection, &name, range, limit);
        let mut page = self.readers.read(read).await?;
        change(&mut page.entries, &pending);
        page.extend(&pending, range, limit);
        Ok(page)
    }

    pub async fn search(
        &self,
        room: &Arc<Room>,
        needle: Needle,
        before: u64,
        limit: usize,
    ) -> Result<Matches, StoreError> {
        let pending = pending(&room.lock());
        let (name, sought) = (room.name.clone(), needle.clone());
        let search =
            move |connection: &Connection| reads::search(connection, &name, &sought, before, limit);
        let mut found = self.readers.read(search).await?;
        change(&mut found.entries, &pending);
        found.entries.retain(|entry| needle.is_in(&entry.body));
        let last = found.entries.last().map_or(0, |entry| entry.seq);
        let is_match = |entry: &&Arc<Entry>| {
            entry.kind == Kind::Message && needle.is_in(&entry.body) && entry.seq < before
        };
        found.entries.extend(pending.iter().filter(|it| it.seq > last).filter(is_match).cloned());
        if found.entries.len() > limit {
            found.entries.drain(..found.entries.len() - limit);
            found.next = Some(found.entries[0].seq);
        }
        Ok(found)
    }

    pub fn put(&self, room: &Arc<Room>, record: &Record) -> Result<(), StoreError> {
        self.push(room, Op::Put(record.clone()), None)
    }

    pub fn remove(&self, room: &Arc<Room>, key: &str) -> Result<(), StoreError> {
        self.push(room, Op::Remove(key.to_owned()), None)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("trouble", &self.trouble()).finish_non_exhaustive()
    }
}

/// What is not in the file yet.
fn pending(state: &State) -> Vec<Arc<Entry>> {
    state.window.from(state.durable).cloned().collect()
}

/// Changes what was read by what is not in the file yet.
fn change(entries: &mut [Arc<Entry>], pending: &[Arc<Entry>]) {
    for change in pending.iter().filter(|entry| entry.kind.is_change()) {
        for entry in entries.iter_mut() {
            let is_edit = entry.kind == Kind::Edit && entry.target == change.target;
            if is_edit && change.kind == Kind::Delete {
                *entry = Arc::new(entry.without_text(change.at));
            } else if let Some(changed) = entry.after(change) {
                *entry = Arc::new(changed);
            }
        }
    }
}

impl Shared {
    /// What rooms whose names come later have that is not in the file yet.
    fn waiting(&self, after: Option<&str>) -> Vec<RoomInfo> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let later = opened.iter().filter(|(name, _)| after.is_none_or(|after| &***name > after));
        let rooms = later.filter_map(|(_, room)| room.upgrade());
        rooms.filter_map(|room| room.waiting()).collect()
    }

    /// Opens a log, on the thread of the opener.
    fn open(
        &self,
        connection: &Connection,
        name: Arc<str>,
    ) -> rusqlite::Result<Result<Arc<Room>, StoreError>> {
        if let Some(room) = self.opened(&name) {
            return Ok(Ok(room));
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reads::open(connection, &name, self.settings.window_bytes)?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let retention = self.settings.retention.of(&name);
        let is_new = found.row.is_none() && !retention.stays;
        if is_new && found.rooms + new_rooms(&mut opened) >= self.settings.max_rooms {
            return Ok(Err(StoreError::TooManyRooms));
        }
        let (epoch, top) =
            found.row.map_or_else(|| (shared::epoch(&name), 0), |row| (row.epoch, row.top));
        let window = Window::with(found.start, found.last);
        let state = State::new(window, Records::new(found.records), top, found.filter);
        let room = Arc::new(Room::new(name.clone(), epoch, retention.messages > 0, state));
        opened.insert(name, Arc::downgrade(&room));
        Ok(Ok(room))
    }
}

/// Open rooms that have nothing in the file. Those that are no longer open go.
fn new_rooms(opened: &mut HashMap<Arc<str>, Weak<Room>>) -> usize {
    opened.retain(|_, room| room.strong_count() > 0);
    opened.values().filter_map(Weak::upgrade).filter(|room| room.lock().durable == 0).count()
}
