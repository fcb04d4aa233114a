//! Sockets that may be on other nodes.

use std::sync::Arc;

use serde_json::Value;

use super::details::SocketDetails;
use super::namespace::Namespace;
use super::operator::BroadcastOperator;
use super::selector::RoomNames;
use super::values::IntoArgs;

/// A socket of any node, as it was when it was asked for: see
/// [`BroadcastOperator::fetch_sockets`].
#[derive(Debug, Clone)]
pub struct RemoteSocket {
    namespace: Namespace,
    details: SocketDetails,
}

impl RemoteSocket {
    pub(super) fn new(namespace: Namespace, details: SocketDetails) -> Self {
        RemoteSocket { namespace, details }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.details.id
    }

    /// What is known of its client, as Node's servers have it: `address`, `query`, `auth` and others.
    pub fn handshake(&self) -> &Value {
        &self.details.handshake
    }

    /// The rooms that it was in, its id among them.
    pub fn rooms(&self) -> &[Arc<str>] {
        &self.details.rooms
    }

    /// Its [`Socket::data`](super::Socket::data).
    pub fn data(&self) -> &Value {
        &self.details.data
    }

    /// It alone, to do something with.
    pub fn operator(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.namespace.clone()).to(&*self.details.id)
    }

    /// Sends an event to it.
    pub fn emit(&self, name: &str, args: impl IntoArgs) {
        self.operator().emit(name, args);
    }

    /// Has it join a room, or several.
    pub fn join(&self, rooms: impl RoomNames) {
        self.operator().sockets_join(rooms);
    }

    /// Has it leave a room, or several.
    pub fn leave(&self, rooms: impl RoomNames) {
        self.operator().sockets_leave(rooms);
    }

    /// Disconnects it from the namespace, or with `close` its session.
    pub fn disconnect(&self, close: bool) {
        self.operator().disconnect_sockets(close);
    }
}
