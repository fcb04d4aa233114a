//! Threads that somebody watches.

use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::sync::watch;

use super::OpenError;

/// Tells when one of the store's threads has ended.
#[derive(Debug, Clone)]
pub(super) struct Ended(Arc<watch::Sender<bool>>);

impl Ended {
    pub fn new() -> Self {
        Ended(Arc::new(watch::Sender::new(false)))
    }

    /// Waits until one has.
    pub async fn wait(&self) {
        // This keeps the other end.
        drop(self.0.subscribe().wait_for(|ended| *ended).await);
    }
}

/// Tells of the end of a thread even if it panics.
struct Alive(Ended);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.send_replace(true);
    }
}

pub(super) fn spawn(
    path: &Path,
    name: &str,
    ended: &Ended,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let alive = Alive(ended.clone());
    let thread = Builder::new().name(name.to_owned()).spawn(move || {
        let _alive = alive;
        run();
    });
    thread.map_err(|error| OpenError::io(path, error))
}
