//! What happens, for those who watch: each reads on at its own pace, and nothing is kept for any of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::NAMESPACE;
use crate::socketio::Broadcast;

/// Changes that are kept. Who falls behind further than this begins anew, with all sockets.
const KEPT: usize = 2048;
/// Changes that are read at once.
const PAGE: usize = 64;

/// The latest changes, as the events that the page gets.
#[derive(Debug, Default)]
pub struct Journal {
    ring: Mutex<Ring>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    changes: VecDeque<Arc<Broadcast>>,
    /// The number of the latest change, from 1 on.
    last: u64,
}

/// Changes after the one that was asked for are gone.
#[derive(Debug, PartialEq, Eq)]
pub struct FellBehind;

impl Journal {
    pub fn push(&self, event: &str, args: Vec<Value>) {
        let change = Arc::new(Broadcast::new(NAMESPACE.into(), event, args));
        let mut ring = self.ring();
        if ring.changes.len() == KEPT {
            ring.changes.pop_front();
        }
        ring.changes.push_back(change);
        ring.last += 1;
        drop(ring);
        self.came.notify_waiters();
    }

    /// The number of the latest change.
    pub fn last(&self) -> u64 {
        self.ring().last
    }

    /// Forgets all changes: nobody is there to read them.
    pub fn clear(&self) {
        self.ring().changes = VecDeque::new();
    }

    /// Waits for changes after a number, and returns some of them.
    pub async fn after(&self, number: u64) -> Result<Vec<Arc<Broadcast>>, FellBehind> {
        loop {
            let came = self.came.notified();
            tokio::pin!(came);
            came.as_mut().enable();
            let page = self.page(number)?;
            if !page.is_empty() {
                return Ok(page);
            }
            came.await;
        }
    }

    fn page(&self, number: u64) -> Result<Vec<Arc<Broadcast>>, FellBehind> {
        let ring = self.ring();
        let missing = ring.last.saturating_sub(number) as usize;
        let skipped = ring.changes.len().checked_sub(missing).ok_or(FellBehind)?;
        Ok(ring.changes.iter().skip(skipped).take(PAGE).cloned().collect())
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_reads_on_at_its_own_pace_or_falls_behind() {
        let journal = Journal::default();
        for _ in 0..3 {
            journal.push("x", Vec::new());
        }
        assert_eq!((journal.last(), journal.after(1).await.unwrap().len()), (3, 2));
        let mut later = Box::pin(journal.after(3));
        let at_once = tokio::time::timeout(std::time::Duration::ZERO, &mut later).await;
        assert!(at_once.is_err());
        journal.push("x", Vec::new());
        assert_eq!(later.await.unwrap().len(), 1);
        for _ in 0..KEPT {
            journal.push("x", Vec::new());
        }
        assert_eq!(journal.after(3).await.unwrap_err(), FellBehind);
        assert_eq!(journal.after(4).await.unwrap().len(), PAGE);
        journal.clear();
        assert_eq!(journal.after(4).await.unwrap_err(), FellBehind);
    }
}
