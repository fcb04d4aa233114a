//! A bus between servers of one process: to try a cluster without a broker.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::adapter::ClusterAdapter;
use super::bus::Bus;
use super::message::Message;
use crate::socketio::{Adapter, LocalNode};

/// A cluster in one process. Messages wait in queues without a bound: for tests and trials.
///
/// ```
/// use parlance::cluster::InProcess;
/// use parlance::socketio::Io;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cluster = InProcess::new();
/// let nodes = [0, 1].map(|_| {
///     let cluster = cluster.clone();
///     Io::builder().adapter(move |node| cluster.adapter(node)).build()
/// });
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct InProcess(Arc<Lines>);

/// The queues of all adapters.
#[derive(Debug, Default)]
struct Lines(Mutex<Vec<UnboundedSender<Message>>>);

impl InProcess {
    /// A cluster without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the adapter of one namespace of one node.
    pub fn adapter(&self, node: &Arc<LocalNode>) -> Arc<dyn Adapter> {
        let (line, mut messages) = unbounded_channel();
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let adapter = ClusterAdapter::new(node, Arc::clone(&self.0) as Arc<dyn Bus>);
        let taker: Weak<ClusterAdapter> = Arc::downgrade(&adapter);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                let Some(adapter) = taker.upgrade() else { return };
                adapter.receive(message);
            }
        });
        adapter
    }
}

impl Bus for Lines {
    fn publish(&self, message: Message) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.send(message.clone()).is_ok());
    }
}
