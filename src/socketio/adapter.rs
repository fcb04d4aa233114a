//! What is between the nodes of a cluster.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, ready};

use super::answers::AnswerSink;
use super::node::{LocalNode, SocketDetails};
use super::recovery::{Restored, SessionRecord};
use super::selector::{Flags, Selector};
use super::values::Args;

/// An event for sockets of a namespace, or for its other nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// The event's name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
}

/// Some nodes did not answer in time, or have gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{missing} nodes did not answer")]
pub struct Incomplete<T> {
    /// What the others answered.
    pub answers: T,
    /// How many nodes did not.
    pub missing: usize,
}

/// How long other nodes may take to answer, if nobody says.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// Carries what concerns sockets of one namespace to all nodes that have some: one adapter for each node
/// and namespace.
///
/// The adapter does its own node's part as well, by its [`LocalNode`]: so it decides about the order. A
/// message to other nodes is put on its way before the method returns, without waiting: the adapter has a
/// bounded queue of its own, and a policy at its bound. With [`Flags::local`] it tells no other node.
///
/// Nothing here is called under a lock.
pub trait Adapter: fmt::Debug + Send + Sync + 'static {
    /// Sends an event to the sockets that the selector gives.
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags);

    /// As [`Adapter::broadcast`], and passes on who is asked and what they answer. The sink is dropped
    /// when nothing more will come, and at the latest after [`Flags::timeout`].
    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    );

    /// Has sockets join rooms.
    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags);

    /// Has sockets leave rooms.
    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags);

    /// Disconnects sockets from the namespace, or with `close` their sessions.
    fn disconnect(&self, selector: Selector, close: bool, flags: Flags);

    /// Describes sockets.
    ///
    /// # Errors
    /// If not all nodes answered.
    fn fetch(&self, selector: Selector, flags: Flags) -> BoxFuture<'_, Fetched>;

    /// Sends an event to all other nodes.
    fn server_side_emit(&self, packet: Packet);

    /// Sends an event to all other nodes, and waits for what they answer.
    ///
    /// # Errors
    /// If not all nodes answered in time.
    fn server_side_emit_with_ack(
        &self,
        packet: Packet,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>>;

    /// How many nodes have the namespace, this one included.
    fn server_count(&self) -> BoxFuture<'_, usize>;

    /// Whether it gives events positions and keeps sessions: connection state recovery.
    fn recovers(&self) -> bool {
        false
    }

    /// Keeps the session of a client that was lost.
    fn persist(&self, session: SessionRecord) {
        let _ = session;
    }

    /// Gives back a session that was kept, and what its client missed since the position `offset`, or
    /// since it joined. A session is given back once. `None` if anything is missing.
    fn restore(&self, pid: String, offset: Option<String>) -> BoxFuture<'_, Option<Restored>> {
        let _ = (pid, offset);
        Box::pin(ready(None))
    }

    /// Forgets the session of that private id: its client has left.
    fn forget(&self, pid: &str) {
        let _ = pid;
    }

    /// The last position: the client of a socket that joins now has missed nothing before it.
    fn position(&self) -> Option<String> {
        None
    }

    /// Tells the other nodes that this one leaves.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// What [`Adapter::fetch`] gives.
pub type Fetched = Result<Vec<SocketDetails>, Incomplete<Vec<SocketDetails>>>;

/// The default adapter: there is no other node.
#[derive(Debug)]
pub struct Local(Arc<LocalNode>);

impl Local {
    /// The adapter of a namespace.
    pub fn new(node: &Arc<LocalNode>) -> Self {
        Local(Arc::clone(node))
    }
}

impl Adapter for Local {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        self.0.broadcast(packet, &selector, flags, None);
    }

    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    ) {
        self.0.broadcast_with_ack(packet, &selector, flags, &answers);
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, _flags: Flags) {
        self.0.join(&selector, &rooms);
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, _flags: Flags) {
        self.0.leave(&selector, &rooms);
    }

    fn disconnect(&self, selector: Selector, close: bool, _flags: Flags) {
        self.0.disconnect(&selector, close);
    }

    fn fetch(&self, selector: Selector, _flags: Flags) -> BoxFuture<'_, Fetched> {
        Box::pin(ready(Ok(self.0.fetch(&selector))))
    }

    fn server_side_emit(&self, _packet: Packet) {}

    fn server_side_emit_with_ack(
        &self,
        _packet: Packet,
        _timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn server_count(&self) -> BoxFuture<'_, usize> {
        Box::pin(ready(1))
    }
}
