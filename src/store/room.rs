//! What is in memory of an open log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::RoomInfo;
use super::records::Records;
use super::window::Window;

/// An open log. Its lock is taken before those of the queue, and never across reading or writing.
#[derive(Debug)]
pub(super) struct Room {
    pub name: Arc<str>,
    pub epoch: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// The end of the log; with a store in memory, all of it.
    pub window: Window,
    pub records: Records,
    /// The number that was given out last.
    pub top: u64,
}

impl Room {
    pub fn new(name: Arc<str>, epoch: Arc<str>, state: State) -> Self {
        Room { name, epoch, state: Mutex::new(state) }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
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
