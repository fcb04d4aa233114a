//! Writes held back for a while, so that a session that is told several things is written to once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::Session;

thread_local! {
    /// Who has packets that were held back; `None` while nothing is.
    static HELD: RefCell<Option<VecDeque<Arc<Session>>>> = const { RefCell::new(None) };
}

/// Sessions written to between two looks at the runtime: a write is a system call.
const BATCH: usize = 64;
/// As many are worth a task of their own, where there is more than one core.
const SHARE: usize = 512;

/// A poll whose predecessor was answered less than this ago waits a little, at most for as long again:
/// what comes in quick succession shares an answer, and with it a request.
const GATHER: Duration = Duration::from_micros(1000);

/// Holds packets back, and lets them go session by session: who is told more before its turn comes
/// gets all of it at once. What is left goes out when this is dropped.
#[derive(Debug, Default)]
pub struct Cork {
    held: VecDeque<Arc<Session>>,
    /// Whose turn has come, but who had an answer just now.
    gathering: Vec<Arc<Session>>,
    /// When these get theirs.
    until: Option<Instant>,
}

impl Cork {
    /// Does `work`; packets that it queues stay in the sessions' queues.
    pub fn hold(&mut self, work: impl FnOnce()) {
        let outer = HELD.replace(Some(std::mem::take(&mut self.held)));
        let restore = Restore { cork: self, outer };
        work();
        drop(restore);
    }

    /// Whether there is nobody to be written to now.
    pub fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Waits until there is somebody to be written to who was not before; for ever, if nobody waits.
    pub async fn due(&self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Lets some go, those first that have waited longest. A crowd is written to by all cores.
    pub async fn release(&mut self) {
        if self.held.len() > SHARE && Handle::current().metrics().num_workers() > 1 {
            while self.held.len() > SHARE {
                let mut share = Cork::default();
                share.held.extend(self.held.drain(..SHARE));
                tokio::spawn(async move {
                    while !share.is_idle() || share.until.is_some() {
                        if share.is_idle() {
                            share.due().await;
                        }
                        share.release_batch().await;
                    }
                });
            }
        }
        self.release_batch().await;
    }

    async fn release_batch(&mut self) {
        let now = Instant::now();
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.held.extend(self.gathering.drain(..));
        }
        for session in self.held.drain(..self.held.len().min(BATCH)) {
            if !session.uncork(now.checked_sub(GATHER)) {
                self.until.get_or_insert(now + GATHER);
                self.gathering.push(session);
            }
        }
        tokio::task::yield_now().await;
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        for session in self.held.drain(..).chain(self.gathering.drain(..)) {
            session.uncork(None);
        }
    }
}

/// Puts things back as they were, even if the work panics.
struct Restore<'a> {
    cork: &'a mut Cork,
    outer: Option<VecDeque<Arc<Session>>>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.cork.held = HELD.replace(self.outer.take()).unwrap_or_default();
    }
}

/// Whether packets are held back at the moment; if so, the session is remembered if it is `new`.
pub(super) fn hold(session: &Arc<Session>, new: bool) -> bool {
    HELD.with_borrow_mut(|held| match held {
        Some(held) => {
            if new {
                held.push_back(Arc::clone(session));
            }
            true
        }
        None => false,
    })
}
