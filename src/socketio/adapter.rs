//! What is between the nodes of a cluster.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, ready};

use super::answers::AnswerSink;
use super::details::SocketDetails;
use super::node::LocalNode;
use super::recovery::{Memory, Missed, RecoverySettings, Restored, SessionRecord};
use super::selector::{Flags, Selector};
use super::status::ClusterStatus;
use super::taken::Replay;
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

    /// As [`Adapter::server_side_emit`], of what this node says again by itself if it is not heard: it is not
    /// counted if it is lost.
    fn server_side_renew(&self, packet: Packet) {
        self.server_side_emit(packet);
    }

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

    /// Whether there are other nodes, and whether they can be reached now. To be answered at once, from
    /// what is known.
    fn status(&self) -> ClusterStatus {
        ClusterStatus::default()
    }

    /// Whether it gives events positions and keeps sessions: connection state recovery.
    fn recovers(&self) -> bool {
        false
    }

    /// Whether clients who come back are asked by
    /// [`Handlers::use_middleware`](super::Handlers::use_middleware) as well.
    fn skips_middleware(&self) -> bool {
        false
    }

    /// Calls `act` before it returns, with the last position, at a moment when no event is being sent: a
    /// socket that joins then gets what comes later, and one that leaves has got all that came before.
    fn between_events(&self, act: Act) {
        act(None);
    }

    /// Keeps the session of a client that was lost.
    fn persist(&self, session: SessionRecord) {
        let _ = session;
    }

    /// Takes out a session that was kept, if all events are there that its client missed: since the
    /// position `offset`, or since it joined. A session is given once.
    fn restore(&self, pid: String, offset: Option<String>) -> BoxFuture<'_, Option<Restored>> {
        let _ = (pid, offset);
        Box::pin(ready(None))
    }

    /// Calls `resume` with what the client of a restored session missed, at a moment from which on its
    /// socket gets what comes: nothing is lost in between, and nothing comes twice. Returns whether that
    /// was possible, and what `resume` says.
    fn resume(&self, restored: Restored, resume: Resume) -> BoxFuture<'_, bool> {
        let _ = (restored, resume);
        Box::pin(ready(false))
    }

    /// The name of the order that broadcasts have on all nodes, if there is one: each has a place in it
    /// ([`Taken::place`](super::Taken::place)), a number that rises, and can be read again. Nodes with the same
    /// name have the same order.
    fn common_order(&self) -> Option<Arc<str>> {
        None
    }

    /// The place up to which broadcasts have come to this node.
    fn place(&self) -> Option<u64> {
        None
    }

    /// What was broadcast in the namespace after a place, as far as it is still there: some of it, if it is
    /// much. What comes after its end comes to the application as well: nothing is missed in between.
    /// `None` if it cannot be read now. Waits until it can be known, so it may take for ever.
    fn replay(&self, after: u64) -> BoxFuture<'_, Option<Replay>> {
        let _ = after;
        Box::pin(ready(None))
    }

    /// Where the nodes keep sessions that they have in common, if they have such a place.
    fn sessions(&self) -> Option<Arc<dyn SharedSessions>> {
        None
    }

    /// Tells the other nodes that this one leaves.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// Sessions of clients that may come back to any node, whatever positions are. What a node says of one session takes
/// place in the order in which it was said.
pub trait SharedSessions: fmt::Debug + Send + Sync + 'static {
    /// Keeps a session for so long, in place of an earlier record of it.
    fn keep(&self, session: SessionRecord, time: Duration);

    /// Keeps a session that is kept for so long from now on; if that is zero, it is gone.
    fn end(&self, pid: String, time: Duration);

    /// Takes a session out: it is given once. `None` if there is none, or it cannot be known now.
    fn take(&self, pid: String) -> BoxFuture<'static, Option<SessionRecord>>;
}

/// See [`Adapter::between_events`]. It takes no locks of an adapter's.
pub type Act = Box<dyn FnOnce(Option<String>) + Send>;

/// See [`Adapter::resume`]. It takes no locks of an adapter's.
pub type Resume = Box<dyn FnOnce(Missed) -> bool + Send>;

/// What [`Adapter::fetch`] gives.
pub type Fetched = Result<Vec<SocketDetails>, Incomplete<Vec<SocketDetails>>>;

/// The default adapter: there is no other node.
#[derive(Debug)]
pub struct Local {
    node: Arc<LocalNode>,
    memory: Option<Memory>,
}

impl Local {
    /// The adapter of a namespace.
    pub fn new(node: &Arc<LocalNode>) -> Self {
        Local { node: Arc::clone(node), memory: None }
    }

    /// An adapter that keeps events and sessions in memory.
    pub fn recovering(node: &Arc<LocalNode>, settings: RecoverySettings) -> Self {
        let memory = Some(Memory::new(node.namespace(), settings));
        Local { node: Arc::clone(node), memory }
    }
}

impl Adapter for Local {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        let Some(memory) = &self.memory else {
            return self.node.broadcast(packet, &selector, flags);
        };
        self.node.broadcast_in_order(None, packet, &selector, flags, |packet| {
            let mut kept = memory.lock();
            let offset = match flags.volatile {
                // Clients take the last argument of any event for a position.
                true => kept.top().into(),
                false => kept.add(packet, &selector),
            };
            (Some(offset), kept)
        });
    }

    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    ) {
        self.node.broadcast_with_ack(packet, &selector, flags, &answers);
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, _flags: Flags) {
        self.node.join(&selector, &rooms);
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, _flags: Flags) {
        self.node.leave(&selector, &rooms);
    }

    fn disconnect(&self, selector: Selector, close: bool, _flags: Flags) {
        self.node.disconnect(&selector, close);
    }

    fn fetch(&self, selector: Selector, _flags: Flags) -> BoxFuture<'_, Fetched> {
        Box::pin(ready(Ok(self.node.fetch(&selector))))
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

    fn recovers(&self) -> bool {
        self.memory.is_some()
    }

    fn skips_middleware(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.settings().skip_middleware)
    }

    fn between_events(&self, act: Act) {
        match &self.memory {
            Some(memory) => {
                let kept = memory.lock();
                act(Some(kept.top()));
            }
            None => act(None),
        }
    }

    fn persist(&self, session: SessionRecord) {
        self.memory.iter().for_each(|memory| memory.persist(session.clone()));
    }

    fn restore(&self, pid: String, offset: Option<String>) -> BoxFuture<'_, Option<Restored>> {
        let memory = self.memory.as_ref();
        Box::pin(ready(memory.and_then(|memory| memory.restore(&pid, offset.as_deref()))))
    }

    fn resume(&self, restored: Restored, resume: Resume) -> BoxFuture<'_, bool> {
        let resumed = self.memory.as_ref().is_some_and(|memory| {
            let kept = memory.lock();
            let missed = kept.missed(&restored.from, &restored.session.rooms);
            missed.is_some_and(resume)
        });
        Box::pin(ready(resumed))
    }
}
