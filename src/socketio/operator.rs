//! Sending to many clients, and doing something with many sockets.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::acks::AckError;
use super::adapter::{Incomplete, Packet};
use super::answers::{Answers, answers};
use super::emitter::ACK_TIMEOUT;
use super::namespace::Namespace;
use super::remote::RemoteSocket;
use super::selector::{Flags, RoomNames, Selector};
use super::socket::{checked, writable};
use super::values::{FromArgs, IntoArgs};

/// Some sockets of a namespace, on all nodes of the cluster: those in any of the rooms, or all if no room
/// is named, but for those in any of the excepted rooms. A socket's id is a room of its own.
///
/// ```
/// # use parlance::socketio::{Io, Socket};
/// # let io = Io::new();
/// let root = io.of("/");
/// root.to(["red", "blue"]).except("muted").emit("goal", ("red", 1));
/// let red = root.in_("red");
/// red.clone().volatile().emit("tick", ());
/// red.sockets_join("winners");
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is done yet"]
pub struct BroadcastOperator {
    namespace: Namespace,
    selector: Selector,
    flags: Flags,
}

impl BroadcastOperator {
    pub(super) fn new(namespace: Namespace) -> Self {
        BroadcastOperator { namespace, selector: Selector::default(), flags: Flags::default() }
    }

    /// Those in the room, or in one of the rooms, as well.
    pub fn to(mut self, rooms: impl RoomNames) -> Self {
        rooms.add_to(&mut self.selector.rooms);
        self
    }

    /// As [`BroadcastOperator::to`].
    pub fn in_(self, rooms: impl RoomNames) -> Self {
        self.to(rooms)
    }

    /// But not those in the room, nor in one of the rooms.
    pub fn except(mut self, rooms: impl RoomNames) -> Self {
        rooms.add_to(&mut self.selector.except);
        self
    }

    /// Only those on this node.
    pub fn local(mut self) -> Self {
        self.flags.local = true;
        self
    }

    /// Only those whose connection can take the event at this moment: a request is there to answer, and
    /// nothing that was sent before still waits for the client.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether connections may compress this event, for nodes that compress single messages. This node
    /// does not: WebSockets here are not compressed, and answers to polls are by
    /// [`Limits::http_compression`](crate::engine::Limits::http_compression) and their length.
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = Some(compress);
        self
    }

    /// How long acknowledgements may take, and answers of other nodes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// Sends an event: a tuple as several arguments, anything else as one. It is encoded once for each
    /// generation of clients, and shared by all.
    pub fn emit(self, name: &str, args: impl IntoArgs) {
        if let Some(args) = writable(name, args) {
            let packet = Packet { name: name.to_owned(), args };
            self.namespace.adapter().broadcast(packet, self.selector, self.flags);
        }
    }

    /// Sends an event, and returns a future of what all answer: it ends when each has answered or left, at
    /// the latest after ten seconds, or the time that [`BroadcastOperator::timeout`] sets.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn vote(ns: parlance::socketio::Namespace) -> Result<(), parlance::socketio::AckError> {
    /// let votes = ns.to("members").timeout(Duration::from_secs(30));
    /// let votes = votes.emit_with_ack::<bool>("agreed?", "more tea").await?;
    /// println!("{} answers, without {:?}", votes.answers.len(), votes.missing);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the event cannot be written as JSON, or its name is reserved.
    pub fn emit_with_ack<T: FromArgs + Send + 'static>(
        self,
        name: &str,
        args: impl IntoArgs,
    ) -> BoxFuture<'static, Result<Answers<T>, AckError>> {
        let timeout = self.flags.timeout.unwrap_or(ACK_TIMEOUT);
        let flags = Flags { timeout: Some(timeout), ..self.flags };
        let deadline = Instant::now() + timeout;
        let asked = checked(name, args).map_err(AckError::Unwritable).map(|args| {
            let (sink, collector) = answers();
            let packet = Packet { name: name.to_owned(), args };
            self.namespace.adapter().broadcast_with_ack(packet, self.selector, flags, sink);
            collector
        });
        Box::pin(async move { Ok(asked?.collect(deadline).await) })
    }

    /// The sockets, with what is known of each.
    ///
    /// # Errors
    /// If not all nodes answered in time: with the sockets of the others.
    pub async fn fetch_sockets(self) -> Result<Vec<RemoteSocket>, Incomplete<Vec<RemoteSocket>>> {
        let Self { namespace, selector, flags } = self;
        let remote = |details: Vec<_>| -> Vec<RemoteSocket> {
            details.into_iter().map(|it| RemoteSocket::new(namespace.clone(), it)).collect()
        };
        match namespace.adapter().fetch(selector, flags).await {
            Ok(details) => Ok(remote(details)),
            Err(Incomplete { answers, missing }) => {
                Err(Incomplete { answers: remote(answers), missing })
            }
        }
    }

    /// Has the sockets join a room, or several.
    pub fn sockets_join(self, rooms: impl RoomNames) {
        let names = names(rooms);
        self.namespace.adapter().join(self.selector, names, self.flags);
    }

    /// Has the sockets leave a room, or several.
    pub fn sockets_leave(self, rooms: impl RoomNames) {
        let names = names(rooms);
        self.namespace.adapter().leave(self.selector, names, self.flags);
    }

    /// Disconnects the sockets from the namespace, or with `close` their sessions.
    pub fn disconnect_sockets(self, close: bool) {
        self.namespace.adapter().disconnect(self.selector, close, self.flags);
    }
}

fn names(rooms: impl RoomNames) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    rooms.add_to(&mut names);
    names
}
