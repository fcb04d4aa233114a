//! What all sessions of one engine share.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::keeper::Keeper;
use super::registry::Registry;
use super::{Limits, Session};

#[derive(Debug)]
pub(super) struct Core {
    pub limits: Limits,
    pub registry: Registry,
    pub keeper: Keeper,
    /// Sessions that are not over, and work that belongs to sessions.
    pub tasks: TaskTracker,
    runtime: Handle,
}

impl Core {
    pub fn new(limits: Limits, runtime: Handle) -> Arc<Self> {
        let (registry, keeper) = (Registry::default(), Keeper::default());
        Arc::new(Core { limits, registry, keeper, tasks: TaskTracker::new(), runtime })
    }

    /// Runs work that belongs to sessions. Not `tokio::spawn`: who calls may be on a thread without a
    /// runtime, or outlive it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Takes a session that is over out of the house, and has its receiver told.
    pub fn bury(&self, session: &Arc<Session>) {
        let session = Arc::clone(session);
        self.registry.remove(&session.sid());
        self.spawn(async move { session.finish().await });
    }
}
