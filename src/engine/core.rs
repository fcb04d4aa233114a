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

    /// Takes a session that is over out of the house, and has its receiver told.
    pub fn bury(&self, session: &Arc<Session>) {
        let session = Arc::clone(session);
        self.registry.remove(&session.sid());
        // Not `tokio::spawn`: a session may end while the runtime does.
        self.tasks.spawn_on(async move { session.finish().await }, &self.runtime);
    }
}
