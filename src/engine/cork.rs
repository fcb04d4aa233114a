//! Writes held back for a while, so that a session that is told several things is written to once.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::Session;

thread_local! {
    /// Who has packets that were held back; `None` while nothing is.
    static HELD: RefCell<Option<Vec<Arc<Session>>>> = const { RefCell::new(None) };
}

/// Sessions written to between two looks at the runtime: a write is a system call.
const BATCH: usize = 64;
/// As many are worth a task of their own, where there is more than one core.
const SHARE: usize = 512;

/// What was held back. It goes out with [`Held::release`], or at the latest when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Held(Vec<Arc<Session>>);

/// Does `work`; packets that it queues stay in the sessions' queues until the result is released.
pub fn cork(work: impl FnOnce()) -> Held {
    let outer = HELD.replace(Some(Vec::new()));
    let restore = Restore(outer);
    work();
    let held = HELD.take().unwrap_or_default();
    drop(restore);
    Held(held)
}

/// Puts back what was before, even if the work panics.
struct Restore(Option<Vec<Arc<Session>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        HELD.set(self.0.take());
    }
}

/// Whether packets are held back at the moment; if so, the session is remembered if it is `new`.
pub(super) fn hold(session: &Arc<Session>, new: bool) -> bool {
    HELD.with_borrow_mut(|held| match held {
        Some(held) => {
            if new {
                held.push(Arc::clone(session));
            }
            true
        }
        None => false,
    })
}

impl Held {
    /// Lets everything go out. A crowd is written to by all cores.
    pub async fn release(mut self) {
        let mut sessions = std::mem::take(&mut self.0);
        if sessions.len() > SHARE && Handle::current().metrics().num_workers() > 1 {
            while sessions.len() > SHARE {
                let share = Held(sessions.split_off(sessions.len() - SHARE));
                tokio::spawn(share.write());
            }
        }
        Held(sessions).write().await;
    }

    async fn write(mut self) {
        while let Some(session) = self.0.pop() {
            session.uncork();
            if self.0.len() % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for session in self.0.drain(..) {
            session.uncork();
        }
    }
}
