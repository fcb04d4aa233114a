//! What is in memory of an open log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::filter::Filter;
use super::records::Records;
use super::window::Window;
use super::{RoomInfo, StoreError};

/// An open log. Its lock is taken before those of the queue, and never across reading or writing.
#[derive(Debug)]
pub(super) struct Room {
    pub name: Arc<str>,
    pub epoch: Arc<str>,
    /// See [`RoomLog::keeps`](super::RoomLog::keeps).
    pub keeps: bool,
    /// See [`RoomLog::told`](super::RoomLog::told).
    pub told: AtomicU64,
    /// See [`RoomLog::is_behind`](super::RoomLog::is_behind).
    pub behind: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// The end of the log; with a store in memory, all of it.
    pub window: Window,
    pub records: Records,
    /// The number that was given out last.
    pub top: u64,
    /// Entries up to this number are written, or never will be.
    pub durable: u64,
    /// The keys of what is no longer in the window.
    pub filter: Filter,
    /// What became of the last few entries that were not written.
    lost: VecDeque<(u64, Result<u64, StoreError>)>,
}

/// Entries that were not written and are remembered: one is, until those who ask for it are answered.
const LOST: usize = 64;

impl Room {
    pub fn new(name: Arc<str>, epoch: Arc<str>, keeps: bool, state: State) -> Self {
        let (told, behind) = (state.top.into(), AtomicBool::new(false));
        Room { name, epoch, keeps, told, behind, state: Mutex::new(state) }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// An entry is written. What is over the bound of the window goes from it.
    pub fn written(&self, seq: u64, window_bytes: u64) {
        let mut state = self.lock();
        state.durable = state.durable.max(seq);
        while state.window.bytes() > window_bytes
            && state.window.oldest().is_some_and(|oldest| oldest.seq <= state.durable)
        {
            state.window.pop();
        }
    }

    /// An entry cannot be written, or was there before with another number.
    pub fn not_written(&self, seq: u64, fate: Result<u64, StoreError>) {
        let mut state = self.lock();
        state.durable = state.durable.max(seq);
        state.window.remove(seq);
        state.lost.push_back((seq, fate));
        if state.lost.len() > LOST {
            state.lost.pop_front();
        }
    }

    /// Entries up to this number are no longer kept.
    pub fn forget_until(&self, floor: u64) {
        let mut state = self.lock();
        state.window.forget_until(floor);
        state.filter.forget_until(floor);
    }

    /// What is not written yet.
    pub fn waiting(&self) -> Option<RoomInfo> {
        let (name, epoch) = (self.name.clone(), self.epoch.clone());
        let state = self.lock();
        let mut info = RoomInfo { name, epoch, top: state.top, entries: 0, bytes: 0 };
        for entry in state.window.from(state.durable) {
            info.entries += 1;
            info.bytes += entry.size();
        }
        (info.entries > 0).then_some(info)
    }

    pub fn info(&self) -> RoomInfo {
        let state = self.lock();
        RoomInfo {
            name: self.name.clone(),
            epoch: self.epoch.clone(),
            top: state.top,
            entries: state.window.len() as u64,
            bytes: state.window.bytes(),
        }
    }
}

impl State {
    pub fn new(window: Window, records: Records, top: u64, filter: Filter) -> Self {
        State { window, records, top, durable: top, filter, lost: VecDeque::new() }
    }

    /// The number of the next entry: one more than the last, or the one that was given elsewhere.
    pub fn next(&self, given: Option<u64>) -> Result<u64, StoreError> {
        match given {
            // Files count so far.
            Some(seq) if seq > self.top && seq < i64::MAX as u64 => Ok(seq),
            Some(_) => Err(StoreError::Invalid),
            None => Ok(self.top + 1),
        }
    }

    /// What became of an entry, after everything before was written.
    pub fn fate(&self, seq: u64) -> Result<u64, StoreError> {
        let lost = self.lost.iter().find(|(lost, _)| *lost == seq);
        lost.map_or(Ok(seq), |(_, fate)| fate.clone())
    }

    /// Whether nothing would be lost with it.
    pub fn is_empty(&self) -> bool {
        self.window.len() == 0 && self.records.is_empty()
    }
}

/// An epoch: 8 random characters.
pub(super) fn new_epoch() -> Arc<str> {
    let mut bytes = [0; 6];
    // Without randomness there is the time, which two logs of one name hardly share.
    if getrandom::fill(&mut bytes).is_err() {
        bytes.copy_from_slice(&now().to_be_bytes()[2..]);
    }
    BASE64_URL_SAFE_NO_PAD.encode(bytes).into()
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::message;

    #[test]
    fn only_what_is_not_written_waits() {
        let state = State::new(Window::new(0), Records::default(), 0, Filter::new(0));
        let room = Room::new("r".into(), "8letters".into(), true, state);
        let waiting = || room.waiting().map(|info| (info.entries, info.bytes));
        assert_eq!(waiting(), None);
        let entries = [1, 2, 3].map(|seq| Arc::new(message("a", None, "text").numbered(seq)));
        entries.iter().for_each(|entry| room.lock().window.push(Arc::clone(entry)));
        let size = entries[0].size();
        assert_eq!(waiting(), Some((3, 3 * size)));
        room.written(1, u64::MAX);
        assert_eq!(waiting(), Some((2, 2 * size)));
        room.not_written(2, Err(StoreError::DiskFull));
        assert_eq!(waiting(), Some((1, size)));
        room.written(3, u64::MAX);
        assert_eq!(waiting(), None);
    }
}
