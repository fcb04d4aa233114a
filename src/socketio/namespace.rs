//! A namespace: what applications register with, and send to.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;

use super::Socket;
use super::acks::AckError;
use super::adapter::{Adapter, Incomplete, Local, NODE_TIMEOUT, Packet};
use super::answers::Answers;
use super::family::Family;
use super::handlers::{Handlers, Table};
use super::io::Inner as Io;
use super::node::LocalNode;
use super::operator::BroadcastOperator;
use super::remote::RemoteSocket;
use super::selector::{RoomNames, Selector};
use super::socket::writable;
use super::values::{Args, FromArgs, IntoArgs};

/// A handle on one namespace; cheap to clone. It has all methods of [`Handlers`], by which an application
/// registers what it does.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Arc<LocalNode>,
    adapter: OnceLock<Arc<dyn Adapter>>,
    io: Weak<Io>,
    family: Option<Family>,
    /// Nobody asked for it by name: it goes when it is empty.
    passing: AtomicBool,
    /// Sockets that are in it, or about to be.
    guests: AtomicUsize,
}

impl Deref for Namespace {
    type Target = Handlers;

    fn deref(&self) -> &Handlers {
        self.0.node.handlers()
    }
}

impl Namespace {
    pub(super) fn new(
        node: LocalNode,
        family: Option<Family>,
        io: Weak<Io>,
        passing: bool,
    ) -> Self {
        let node = Arc::new(node);
        let (passing, guests) = (AtomicBool::new(passing), AtomicUsize::new(0));
        Namespace(Arc::new(Inner { node, adapter: OnceLock::new(), io, family, passing, guests }))
    }

    /// The family that it is of.
    pub(super) fn family(&self) -> Option<&Family> {
        self.0.family.as_ref()
    }

    /// Its name, which begins with a slash.
    pub fn name(&self) -> &Arc<str> {
        self.0.node.namespace()
    }

    /// This node's part of it.
    pub fn node(&self) -> &Arc<LocalNode> {
        &self.0.node
    }

    /// What is between this node and others.
    pub fn adapter(&self) -> &Arc<dyn Adapter> {
        self.0.adapter.get_or_init(|| match self.0.io.upgrade() {
            Some(io) => io.make_adapter(&self.0.node),
            None => Arc::new(Local::new(&self.0.node)),
        })
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.0.node.handlers().table()
    }

    pub(super) fn peek(&self) -> arc_swap::Guard<Arc<Table>> {
        self.0.node.handlers().peek()
    }

    /// Somebody asked for it by name: it stays.
    pub(super) fn keep(&self) {
        self.0.passing.store(false, Ordering::Relaxed);
    }

    pub(super) fn enter(&self) {
        self.0.guests.fetch_add(1, Ordering::Relaxed);
    }

    /// A guest is gone, or was not let in.
    pub(super) fn exit(&self) {
        let last = self.0.guests.fetch_sub(1, Ordering::Relaxed) == 1;
        if last
            && self.is_passing()
            && let Some(io) = self.0.io.upgrade()
        {
            io.forget_if(self.name(), || self.is_abandoned());
        }
    }

    fn is_abandoned(&self) -> bool {
        self.is_passing() && self.0.guests.load(Ordering::Relaxed) == 0
    }

    pub(super) fn is_passing(&self) -> bool {
        self.0.passing.load(Ordering::Relaxed)
    }

    /// All sockets of all nodes, to do something with.
    pub fn all(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.clone())
    }

    /// Those in the room, or in one of the rooms.
    pub fn to(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.all().to(rooms)
    }

    /// As [`Namespace::to`].
    pub fn in_(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.all().to(rooms)
    }

    /// Those not in the room, nor in one of the rooms.
    pub fn except(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.all().except(rooms)
    }

    /// Those on this node.
    pub fn local(&self) -> BroadcastOperator {
        self.all().local()
    }

    /// Those whose connection can take an event at this moment.
    pub fn volatile(&self) -> BroadcastOperator {
        self.all().volatile()
    }

    /// All: see [`BroadcastOperator::compress`].
    pub fn compress(&self, compress: bool) -> BroadcastOperator {
        self.all().compress(compress)
    }

    /// All, with another time for acknowledgements, and for answers of other nodes.
    pub fn timeout(&self, timeout: Duration) -> BroadcastOperator {
        self.all().timeout(timeout)
    }

    /// Sends an event to all sockets: see [`BroadcastOperator::emit`].
    pub fn emit(&self, name: &str, args: impl IntoArgs) {
        self.all().emit(name, args);
    }

    /// Sends an event to all sockets, and waits for what they answer: see
    /// [`BroadcastOperator::emit_with_ack`].
    ///
    /// # Errors
    /// If the event cannot be written as JSON, or its name is reserved.
    pub fn emit_with_ack<T: FromArgs + Send + 'static>(
        &self,
        name: &str,
        args: impl IntoArgs,
    ) -> BoxFuture<'static, Result<Answers<T>, AckError>> {
        self.all().emit_with_ack(name, args)
    }

    /// All sockets: see [`BroadcastOperator::fetch_sockets`].
    ///
    /// # Errors
    /// If not all nodes answered in time: with the sockets of the others.
    pub async fn fetch_sockets(&self) -> Result<Vec<RemoteSocket>, Incomplete<Vec<RemoteSocket>>> {
        self.all().fetch_sockets().await
    }

    /// Has all sockets join a room, or several.
    pub fn sockets_join(&self, rooms: impl RoomNames) {
        self.all().sockets_join(rooms);
    }

    /// Has all sockets leave a room, or several.
    pub fn sockets_leave(&self, rooms: impl RoomNames) {
        self.all().sockets_leave(rooms);
    }

    /// Disconnects all sockets from the namespace, or with `close` their sessions.
    pub fn disconnect_sockets(&self, close: bool) {
        self.all().disconnect_sockets(close);
    }

    /// This node's sockets.
    pub fn sockets(&self) -> Vec<Socket> {
        self.0.node.sockets(&Selector::default())
    }

    /// The socket of that id, if it is on this node.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.0.node.socket(id)
    }

    /// Sends an event to the namespace on all other nodes: see [`Handlers::on_server_side`].
    pub fn server_side_emit(&self, name: &str, args: impl IntoArgs) {
        if let Some(args) = writable(name, args) {
            self.adapter().server_side_emit(Packet { name: name.to_owned(), args });
        }
    }

    /// Sends an event to the namespace on all other nodes, and waits up to five seconds for what they
    /// answer.
    ///
    /// # Errors
    /// If not all nodes answered in time: with what the others answered.
    pub async fn server_side_emit_with_ack(
        &self,
        name: &str,
        args: impl IntoArgs,
    ) -> Result<Vec<Args>, Incomplete<Vec<Args>>> {
        match writable(name, args) {
            Some(args) => {
                let packet = Packet { name: name.to_owned(), args };
                self.adapter().server_side_emit_with_ack(packet, NODE_TIMEOUT).await
            }
            None => Ok(Vec::new()),
        }
    }

    /// How many nodes of the cluster have the namespace.
    pub async fn server_count(&self) -> usize {
        self.adapter().server_count().await
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
