//! Node's servers with `@socket.io/redis-streams-adapter` 0.2: they ask on the stream, wait for an answer of each node of which
//! they have read anything there, and read the answers there as well.

use std::sync::{Arc, Weak};

use super::adapter::StreamAdapter;
use crate::cluster::adapter::ClusterAdapter;
use crate::cluster::bus::Bus;
use crate::cluster::message::{Content, Message};
use crate::socketio::{ClusterStatus, LocalNode};

/// Answers what they ask. Nothing is asked of them: they get no heartbeats, and are told no questions.
#[derive(Debug)]
pub struct Older(Arc<ClusterAdapter>);

#[derive(Debug)]
struct Answers(Weak<StreamAdapter>);

impl Older {
    pub fn new(node: &Arc<LocalNode>, adapter: Weak<StreamAdapter>) -> Self {
        Older(ClusterAdapter::new(node, Arc::new(Answers(adapter))))
    }

    /// One of them said something on the stream that newer ones do not say there.
    pub fn take(&self, uid: &Arc<str>, content: Content) {
        let (uid, namespace) = (Arc::clone(uid), Arc::clone(self.0.namespace()));
        self.0.receive(Message { uid, namespace, content });
    }
}

impl Bus for Answers {
    fn publish(&self, _: Message) {}

    fn publish_to(&self, _: &str, message: Message) {
        if let Some(adapter) = self.0.upgrade() {
            adapter.put(message.content);
        }
    }

    fn status(&self) -> ClusterStatus {
        ClusterStatus::UP
    }

    /// So that it says no heartbeats.
    fn counts(&self) -> bool {
        true
    }
}
