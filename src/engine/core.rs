//! What all sessions of one engine share.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::Limits;
use super::keeper::Keeper;
use super::registry::Registry;
use super::sync;
use crate::memory;

#[derive(Debug)]
pub(super) struct Core {
    pub limits: Limits,
    pub registry: Registry,
    pub keeper: Keeper,
    /// Sessions that are not over, and work that belongs to sessions.
    pub tasks: TaskTracker,
    /// Told whenever a session is over.
    pub over: Notify,
    runtime: Handle,
}

impl Core {
    pub fn new(limits: Limits, runtime: Handle) -> Arc<Self> {
        let (registry, keeper) = (Registry::default(), Keeper::default());
        let (tasks, over) = (TaskTracker::new(), Notify::new());
        Arc::new(Core { limits, registry, keeper, tasks, over, runtime })
    }

    /// Runs work that belongs to sessions. Not `tokio::spawn`: who calls may be on a thread without a
    /// runtime, or outlive it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        sync::spawn(&self.runtime, self.tasks.track_future(work));
    }

    /// Something more waits for a client: if that is too much for the process, somebody pays.
    pub fn look_at_budget(&self) {
        let total = self.limits.queue_total;
        if total > 0 && memory::held() > total {
            self.keeper.over_budget();
        }
    }
}
