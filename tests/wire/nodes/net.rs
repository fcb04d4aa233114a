//! A cluster in one process whose connections can be cut.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parlance::cluster::{Bus, ClusterAdapter, Message};
use parlance::socketio::{Adapter, ClusterLink, ClusterStatus, LocalNode};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// What is between the nodes.
#[derive(Debug, Clone, Default)]
pub struct Net(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lines: Vec<(usize, UnboundedSender<Message>)>,
    /// Nodes that nobody hears, and that hear nobody.
    cut: HashSet<usize>,
    cut_since: Option<Instant>,
}

/// One node's end of it.
#[derive(Debug)]
struct End {
    net: Net,
    node: usize,
}

impl Net {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the adapter of a namespace of the node of that number.
    pub fn adapter(&self, node: usize, local: &Arc<LocalNode>) -> Arc<dyn Adapter> {
        let (line, mut messages) = unbounded_channel();
        self.lock().lines.push((node, line));
        let adapter = ClusterAdapter::new(local, Arc::new(End { net: self.clone(), node }));
        let taker = Arc::downgrade(&adapter);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                let Some(adapter) = taker.upgrade() else { return };
                adapter.receive(message);
            }
        });
        adapter
    }

    /// Cuts a node off, and whoever looks at it sees that: or not, as if it had been killed.
    pub fn cut(&self, node: usize) {
        let mut state = self.lock();
        state.cut.insert(node);
        state.cut_since.get_or_insert(Instant::now());
    }

    pub fn mend(&self, node: usize) {
        self.lock().cut.remove(&node);
    }
}

impl Bus for End {
    fn publish(&self, message: Message) {
        let state = self.net.lock();
        if state.cut.contains(&self.node) {
            return;
        }
        for (node, line) in &state.lines {
            if !state.cut.contains(node) {
                let _ = line.send(message.clone());
            }
        }
    }

    fn status(&self) -> ClusterStatus {
        let state = self.net.lock();
        let since = state.cut_since.filter(|_| state.cut.contains(&self.node));
        let link = since.map_or(ClusterLink::Up, ClusterLink::Down);
        ClusterStatus { link, lost: 0 }
    }
}
