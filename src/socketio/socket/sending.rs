//! What an application sends to one client, and to others from its point of view.

use std::time::Duration;

use futures::future::BoxFuture;

use super::Socket;
use crate::socketio::acks::AckError;
use crate::socketio::emitter::Emitter;
use crate::socketio::operator::BroadcastOperator;
use crate::socketio::selector::RoomNames;
use crate::socketio::values::{FromArgs, IntoArgs};

impl Socket {
    /// Sends an event to this client: a tuple as several arguments, anything else as one. The names that
    /// clients have for events of their own (`connect`, `connect_error`, `disconnect`, `disconnecting`,
    /// `newListener`, `removeListener`) are not sent.
    ///
    /// ```
    /// # fn welcome(socket: &parlance::socketio::Socket) {
    /// socket.emit("welcome", ());
    /// socket.emit("position", (1.5, 2.5));
    /// socket.emit("file", ("name", bytes::Bytes::from_static(b"content")));
    /// # }
    /// ```
    pub fn emit(&self, name: &str, args: impl IntoArgs) {
        Emitter::new(self.clone()).emit(name, args);
    }

    /// Sends an event, and returns a future of the client's acknowledgement: a tuple of several arguments,
    /// anything else of the first. It waits for ten seconds; [`Socket::timeout`] sets another time.
    ///
    /// Do not await it in a handler of the same client: the acknowledgement comes in a later call, which
    /// is not made before that handler ends. Spawn a task.
    ///
    /// ```
    /// # async fn ask(socket: parlance::socketio::Socket) -> Result<(), parlance::socketio::AckError> {
    /// let (name, age): (String, u8) = socket.emit_with_ack("who are you", ()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If no acknowledgement of that type comes in time.
    pub fn emit_with_ack<T: FromArgs + Send + 'static>(
        &self,
        name: &str,
        args: impl IntoArgs,
    ) -> BoxFuture<'static, Result<T, AckError>> {
        Emitter::new(self.clone()).emit_with_ack(name, args)
    }

    /// Emits to this client, but not if its connection cannot take the event at this moment.
    pub fn volatile(&self) -> Emitter {
        Emitter::new(self.clone()).volatile()
    }

    /// Emits to this client: see [`BroadcastOperator::compress`].
    pub fn compress(&self, compress: bool) -> Emitter {
        Emitter::new(self.clone()).compress(compress)
    }

    /// Emits to this client, with another time for the acknowledgement.
    pub fn timeout(&self, timeout: Duration) -> Emitter {
        Emitter::new(self.clone()).timeout(timeout)
    }

    /// Emits to all others who are in the room, or in one of the rooms.
    pub fn to(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.broadcast().to(rooms)
    }

    /// As [`Socket::to`].
    pub fn in_(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.to(rooms)
    }

    /// Emits to all others who are not in the room, nor in one of the rooms.
    pub fn except(&self, rooms: impl RoomNames) -> BroadcastOperator {
        self.broadcast().except(rooms)
    }

    /// Emits to all others of the namespace.
    pub fn broadcast(&self) -> BroadcastOperator {
        BroadcastOperator::new(self.0.namespace.clone()).except(self.id())
    }

    /// Emits to all others of the namespace on this node.
    pub fn local(&self) -> BroadcastOperator {
        self.broadcast().local()
    }
}
