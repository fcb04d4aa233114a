//! How messages get from one node to others.

use std::fmt;

use futures::future::{BoxFuture, ready};

use super::message::Message;
use crate::socketio::ClusterStatus;

/// Carries messages to other nodes: one connection to a broker, say. Messages of one node arrive in order
/// at each other node, which gives them to its [`ClusterAdapter`](super::ClusterAdapter)s by
/// [`receive`](super::ClusterAdapter::receive). A message may come back to its sender, which ignores it.
///
/// The methods do not wait: an implementation has a bounded queue, and a policy at its bound.
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// To all other nodes that have the namespace.
    fn publish(&self, message: Message);

    /// As [`Bus::publish`], of what the node says again by itself: it is not counted if it is lost.
    fn publish_renewed(&self, message: Message) {
        self.publish(message);
    }

    /// To the node of that name alone; an answer. It does no harm if others get it as well.
    fn publish_to(&self, node: &str, message: Message) {
        let _ = node;
        self.publish(message);
    }

    /// Whether messages get through now, and how many were lost.
    fn status(&self) -> ClusterStatus {
        ClusterStatus::UP
    }

    /// Whether it knows how many nodes there are. If it does not, nodes know each other by heartbeats.
    fn counts(&self) -> bool {
        false
    }

    /// How many nodes have the namespace, this one included: for a bus that knows.
    fn count(&self) -> BoxFuture<'_, usize> {
        Box::pin(ready(1))
    }

    /// The node leaves: nothing more is for it.
    fn close(&self) {}
}
