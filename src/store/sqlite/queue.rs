//! What waits to be written.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::store::room::Room;
use crate::store::{Done, Entry, Record, StoreError};

/// Something to be written.
pub(in crate::store) struct Job {
    pub room: Arc<Room>,
    pub op: Op,
    /// Who is told when it is durable, or that it is not yet.
    pub done: Option<Done>,
}

pub(in crate::store) enum Op {
    Append(Arc<Entry>),
    /// Nothing, but everything before is durable: the entry with this number is, too.
    Confirm(u64),
    Put(Record),
    Remove(String),
}

/// What a job counts at least, so that their number is bounded with their bytes.
const SMALLEST: u64 = 1 << 10;

impl Job {
    /// What it counts, in bytes.
    pub fn size(&self) -> u64 {
        let size = match &self.op {
            Op::Append(entry) => entry.size(),
            Op::Confirm(_) => 0,
            Op::Put(record) => (record.key.len() + record.value.len()) as u64,
            Op::Remove(key) => key.len() as u64,
        };
        size.max(SMALLEST)
    }
}

/// Jobs in order, bounded by their bytes. Those that the writer has taken count until they are settled.
pub(in crate::store) struct Queue {
    most: u64,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    bytes: u64,
    is_closed: bool,
}

/// More bytes than this are never kept, whatever the settings say: [`JUMP`](super::JUMP) has to be larger than
/// the number of jobs.
const MOST: u64 = 512 << 20;

impl Queue {
    pub fn new(most: u64) -> Self {
        Queue { most: most.min(MOST), waiting: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(StoreError::Closed);
        }
        let bytes = waiting.bytes + job.size();
        if bytes > self.most {
            return Err(StoreError::Busy);
        }
        waiting.bytes = bytes;
        waiting.jobs.push(job);
        if waiting.jobs.len() == 1 {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Moves all jobs to the end of `taken`; waits for one until then, if there is none. Returns whether the
    /// queue is closed.
    pub fn take(&self, taken: &mut Vec<Job>, until: Instant) -> bool {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() && !waiting.is_closed {
            let time = until.saturating_duration_since(Instant::now());
            if time.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(waiting, time);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        taken.append(&mut waiting.jobs);
        waiting.is_closed
    }

    /// Waits, unless the queue is closed.
    pub fn pause(&self, until: Instant) -> bool {
        let mut waiting = self.lock();
        while !waiting.is_closed {
            let time = until.saturating_duration_since(Instant::now());
            if time.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(waiting, time);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.is_closed
    }

    /// Jobs of this size are settled.
    pub fn settle(&self, bytes: u64) {
        self.lock().bytes -= bytes;
    }

    /// Nothing more is taken.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}
