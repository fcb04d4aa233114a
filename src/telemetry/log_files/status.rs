//! The state of the log files, as other threads see it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub struct Status {
    pub folder: PathBuf,
    trouble: Mutex<Option<String>>,
    lost: AtomicU64,
}

impl Status {
    pub(super) fn new(folder: PathBuf) -> Self {
        Status { folder, trouble: Mutex::default(), lost: AtomicU64::new(0) }
    }

    /// The error because of which lines cannot be written at the moment.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of lines that could not be written since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the error, and returns the one before.
    pub(super) fn set_trouble(&self, trouble: Option<String>) -> Option<String> {
        std::mem::replace(
            &mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner),
            trouble,
        )
    }
}
