//! The store in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bounds::{MAX_PAGE, MAX_SEARCHED};
use super::filter::Filter;
use super::fold::Needle;
use super::log::{Accepted, Done, RoomLog};
use super::page::Filling;
use super::records::Records;
use super::room::{Room, State, now};
use super::settings::{FEW, IDLE};
use super::window::Window;
use super::{
    Entry, Kind, Matches, NewEntry, Page, Range, RoomInfo, Rooms, StoreError, StoreSettings, shared,
};

/// All rooms. Their lock is taken before that of a room.
#[derive(Debug)]
pub(super) struct Memory {
    settings: StoreSettings,
    rooms: Mutex<BTreeMap<Arc<str>, Arc<Room>>>,
    /// Of the entries of all rooms.
    bytes: AtomicU64,
}

impl Memory {
    pub fn new(settings: StoreSettings) -> Self {
        Memory { settings, rooms: Mutex::default(), bytes: AtomicU64::new(0) }
    }

    fn rooms_now(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn open(self: &Arc<Self>, name: &str) -> Result<RoomLog, StoreError> {
        let mut rooms = self.rooms_now();
        if let Some(room) = rooms.get(name) {
            return Ok(RoomLog::in_memory(room.clone(), self.clone()));
        }
        let retention = self.settings.retention.of(name);
        if rooms.len() >= self.settings.max_rooms {
            // Those go that nobody has open and that have nothing.
            rooms.retain(|_, room| Arc::strong_count(room) > 1 || !room.lock().is_empty());
        }
        let spare = self.settings.spare_rooms();
        if spare > 0 && rooms.len() >= self.settings.max_rooms - spare {
            self.give_way(&mut rooms);
        }
        if rooms.len() >= self.settings.max_rooms && !retention.stays {
            return Err(StoreError::TooManyRooms);
        }
        let state = State::new(Window::new(0), Records::default(), 0, Filter::new(0));
        let room =
            Arc::new(Room::new(name.into(), shared::epoch(name), retention.messages > 0, state));
        rooms.insert(room.name.clone(), room.clone());
        Ok(RoomLog::in_memory(room, self.clone()))
    }

    /// The log goes that was used least lately, of those that may give way to others.
    fn give_way(&self, rooms: &mut BTreeMap<Arc<str>, Arc<Room>>) {
        let old = now().saturating_sub(IDLE);
        let used = |room: &Arc<Room>| {
            let is_idle =
                Arc::strong_count(room) == 1 && !self.settings.retention.of(&room.name).stays;
            let state = room.lock();
            let used = state.window.back_from(u64::MAX).next().map_or(0, |entry| entry.at);
            let is_large = state.window.len() as u64 > FEW;
            let may_go = is_idle && state.records.is_empty() && (!is_large || used < old);
            may_go.then_some((is_large, used))
        };
        let idle = rooms.values().filter_map(|room| Some((used(room)?, room.name.clone())));
        if let Some(room) = idle.min().and_then(|(_, name)| rooms.remove(&name)) {
            self.bytes.fetch_sub(room.lock().window.bytes(), Ordering::Relaxed);
        }
    }

    pub fn opened(self: &Arc<Self>, name: &str) -> Option<RoomLog> {
        let room = self.rooms_now().get(name).cloned();
        room.map(|room| RoomLog::in_memory(room, self.clone()))
    }

    pub fn info(&self, name: &str) -> Option<RoomInfo> {
        self.rooms_now().get(name).map(|room| room.info()).filter(|info| info.entries > 0)
    }

    pub fn rooms(&self, after: Option<&str>, limit: usize) -> Rooms {
        let rooms = self.rooms_now();
        let later = rooms.iter().filter(|(name, _)| after.is_none_or(|after| &***name > after));
        let infos = later.map(|(_, room)| room.info()).filter(|info| info.entries > 0);
        let mut rooms: Vec<RoomInfo> = infos.take(limit + 1).collect();
        let more = rooms.len() > limit;
        rooms.truncate(limit);
        Rooms { rooms, more }
    }

    pub fn append(
        &self,
        room: &Room,
        seq: Option<u64>,
        new: NewEntry,
        done: Done,
    ) -> Result<Accepted, StoreError> {
        new.check()?;
        let mut state = room.lock();
        if let Some(seq) = new.key.as_ref().and_then(|key| state.window.find(&new.author, key)) {
            drop(state);
            done(Ok(seq));
            return Ok(Accepted::Known(seq));
        }
        let seq = state.next(seq)?;
        let before = state.window.bytes();
        state.top = seq;
        state.window.push(Arc::new(new.numbered(seq)));
        self.trim(room, &mut state);
        let bytes = self.moved(before, state.window.bytes());
        drop(state);
        if bytes > self.settings.total_bytes {
            self.shrink();
        }
        done(Ok(seq));
        Ok(Accepted::New(seq))
    }

    /// Counts how a room's bytes have changed, and returns those of all.
    fn moved(&self, before: u64, after: u64) -> u64 {
        let delta = after.wrapping_sub(before);
        self.bytes.fetch_add(delta, Ordering::Relaxed).wrapping_add(delta)
    }

    fn trim(&self, room: &Room, state: &mut State) {
        let retention = self.settings.retention.of(&room.name);
        let oldest = retention.oldest(now());
        let window = &mut state.window;
        while window.len() as u64 > retention.messages
            || window.bytes() > retention.bytes
            || window.oldest().is_some_and(|entry| entry.at < oldest)
        {
            window.pop();
        }
    }

    /// Takes the oldest entries of the largest rooms out, a little more than has to go.
    fn shrink(&self) {
        let rooms = self.rooms_now();
        let most = self.settings.total_bytes / 16 * 15;
        while self.bytes.load(Ordering::Relaxed) > most {
            let bytes = |room: &&Arc<Room>| room.lock().window.bytes();
            let Some(largest) = rooms.values().max_by_key(bytes) else { return };
            let mut state = largest.lock();
            let before = state.window.bytes();
            while state.window.bytes() > before / 16 * 15 && state.window.pop().is_some() {}
            if self.moved(before, state.window.bytes()) == 0 || before == 0 {
                return;
            }
        }
    }

    pub fn read(&self, room: &Room, range: Range, limit: usize) -> Page {
        let mut state = room.lock();
        let before = state.window.bytes();
        self.trim(room, &mut state);
        self.moved(before, state.window.bytes());
        match range {
            Range::After(seq) => state.window.page_after(seq, limit),
            Range::Before(seq) => state.window.page_before(seq, limit),
        }
    }

    /// Looks at entries a few at a time, so that the room never waits for long.
    pub fn search(room: &Room, needle: &Needle, before: u64, limit: usize) -> Matches {
        let (mut found, mut before) = (Filling::new(limit), before);
        for _ in 0..MAX_SEARCHED / MAX_PAGE {
            let some: Vec<Arc<Entry>> =
                room.lock().window.back_from(before).take(MAX_PAGE).cloned().collect();
            for entry in &some {
                let is_match = entry.kind == Kind::Message && needle.is_in(&entry.body);
                if is_match && !found.take(entry.clone()) {
                    return found.matches(Some(before));
                }
                before = entry.seq;
            }
            if some.len() < MAX_PAGE {
                return found.matches(None);
            }
        }
        found.matches(Some(before))
    }
}
