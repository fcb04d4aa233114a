//! Threads that read.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::named;
use super::threads::{Ended, spawn};
use super::{OpenError, connect};
use crate::store::StoreError;

/// Something to be read.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Threads that read from the file, each with a connection of its own.
#[derive(Clone)]
pub(super) struct Readers {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    reads: VecDeque<Read>,
    is_closed: bool,
}

/// Reads that wait.
const MOST: usize = 4096;

impl Readers {
    /// Starts threads of this name.
    pub fn start(
        name: &str,
        count: usize,
        path: &Path,
        ended: &Ended,
    ) -> Result<(Self, Vec<JoinHandle<()>>), OpenError> {
        let readers = Readers { queue: Arc::default() };
        let mut threads = Vec::new();
        for _ in 0..count {
            let connection = connect::reading(path)?;
            let queue = readers.queue.clone();
            threads.push(spawn(path, name, ended, move || {
                while let Some(read) = queue.next() {
                    read(&connection);
                }
            })?);
        }
        Ok((readers, threads))
    }

    /// What a function reads, on one of the threads.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.push(Box::new(move |connection| {
            // Nobody may wait any more.
            if !sender.is_closed() {
                drop(sender.send(read(connection)));
            }
        }))?;
        let result = receiver.await.map_err(|_| StoreError::Closed)?;
        result.map_err(|error| named(&error))
    }

    fn push(&self, read: Read) -> Result<(), StoreError> {
        let mut waiting = self.queue.lock();
        if waiting.is_closed {
            return Err(StoreError::Closed);
        }
        if waiting.reads.len() >= MOST {
            return Err(StoreError::Busy);
        }
        waiting.reads.push_back(read);
        drop(waiting);
        self.queue.changed.notify_one();
        Ok(())
    }

    /// The threads end. What waits is not read.
    pub fn close(&self) {
        let mut waiting = self.queue.lock();
        waiting.is_closed = true;
        let dropped = std::mem::take(&mut waiting.reads);
        drop(waiting);
        drop(dropped);
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Read> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(read) = waiting.reads.pop_front() {
                return Some(read);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
