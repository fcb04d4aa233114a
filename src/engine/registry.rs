//! All living sessions, by sid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sid::Sid;

/// Values by sid, in shards: lookups on different cores seldom wait for each other.
///
/// A shard's lock is a leaf in the lock order: no other lock is taken while it is held. Callers get
/// clones, so they hold no shard while they use what they found.
#[derive(Debug)]
pub(super) struct Registry<T> {
    shards: [Mutex<HashMap<Sid, Arc<T>>>; SHARDS],
}

const SHARDS: usize = 16;

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Registry { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<T> Registry<T> {
    fn shard(&self, sid: &Sid) -> MutexGuard<'_, HashMap<Sid, Arc<T>>> {
        lock(&self.shards[sid.shard(SHARDS)])
    }

    pub fn insert(&self, sid: Sid, value: Arc<T>) {
        self.shard(&sid).insert(sid, value);
    }

    pub fn get(&self, sid: &Sid) -> Option<Arc<T>> {
        self.shard(sid).get(sid).cloned()
    }

    pub fn remove(&self, sid: &Sid) {
        let removed = self.shard(sid).remove(sid);
        // Dropped only now, without the lock.
        drop(removed);
    }

    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// A snapshot of all values.
    pub fn all(&self) -> Vec<Arc<T>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(lock(shard).values().cloned());
        }
        all
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
