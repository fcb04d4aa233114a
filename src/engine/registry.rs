//! All living sessions, by sid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::session::Session;
use super::sid::Sid;

/// Sharded, so that look-ups on different cores seldom meet.
#[derive(Debug)]
pub struct Registry {
    shards: [Mutex<HashMap<Sid, Arc<Session>>>; Registry::SHARDS],
}

impl Default for Registry {
    fn default() -> Self {
        Registry { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Registry {
    const SHARDS: usize = 16;

    fn shard(&self, sid: &Sid) -> MutexGuard<'_, HashMap<Sid, Arc<Session>>> {
        let shard = &self.shards[sid.shard(Self::SHARDS)];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn insert(&self, session: Arc<Session>) {
        self.shard(&session.sid()).insert(session.sid(), session);
    }

    pub fn get(&self, sid: &Sid) -> Option<Arc<Session>> {
        self.shard(sid).get(sid).cloned()
    }

    pub fn remove(&self, sid: &Sid) {
        self.shard(sid).remove(sid);
    }

    pub fn count(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// A snapshot of all sessions.
    pub fn all(&self) -> Vec<Arc<Session>> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.values().cloned().collect::<Vec<_>>()
            })
            .collect()
    }
}
