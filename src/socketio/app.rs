//! The interface that an application implements, and the types of its calls.

use bytes::Bytes;
use serde_json::Value;

use super::Socket;
use crate::dialect::AckId;
use crate::engine::CloseReason;

/// A Socket.IO application. Calls for one client are made one at a time, in the order of its packets. A
/// call that waits makes only its own client wait.
pub trait App: Send + Sync + 'static {
    /// Whether clients may join the namespace `name`, which begins with a slash. By default, only `/`.
    fn has_namespace(&self, name: &str) -> bool {
        name == "/"
    }

    /// Decides whether a client may join. `auth` is always an object: the auth payload of the client, or
    /// for older clients the query string of the namespace.
    fn admit(
        &self,
        socket: &Socket,
        auth: &Value,
    ) -> impl Future<Output = Result<(), ConnectError>> + Send {
        let _ = (socket, auth);
        std::future::ready(Ok(()))
    }

    /// A client has joined, and the packet that says so is queued. `auth` is that of [`App::admit`].
    fn connect(&self, socket: &Socket, auth: &Value) -> impl Future<Output = ()> + Send {
        let _ = (socket, auth);
        std::future::ready(())
    }

    /// A client sent an event.
    fn event(&self, socket: &Socket, event: Event) -> impl Future<Output = ()> + Send;

    /// A client has left the namespace. Called once for each `connect`.
    fn disconnect(
        &self,
        socket: &Socket,
        reason: DisconnectReason,
    ) -> impl Future<Output = ()> + Send {
        let _ = (socket, reason);
        std::future::ready(())
    }
}

/// The answer to a client that may not join.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectError {
    /// What the client is told in a word.
    pub message: String,
    /// More, for programs.
    pub data: Option<Value>,
}

impl ConnectError {
    /// A refusal without data.
    pub fn new(message: impl Into<String>) -> Self {
        ConnectError { message: message.into(), data: None }
    }
}

/// An event of a client.
#[derive(Debug)]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// Its arguments. In place of each binary part is `{"_placeholder":true,"num":N}`, where N is an index
    /// into `attachments`.
    pub args: Vec<Value>,
    /// Binary parts of the arguments, in order.
    pub attachments: Vec<Bytes>,
    /// Sends the acknowledgement, if the client wants one.
    pub ack: Option<Responder>,
}

/// Acknowledges one event. If it is dropped, the client gets no acknowledgement.
#[derive(Debug)]
pub struct Responder {
    pub(super) socket: Socket,
    pub(super) id: AckId,
}

impl Responder {
    /// Sends the acknowledgement.
    pub fn send(self, args: impl IntoIterator<Item = Value>) {
        self.send_with(args, Vec::new());
    }

    /// Sends binary parts as well; `args` has their placeholders, as in [`Event::args`].
    pub fn send_with(self, args: impl IntoIterator<Item = Value>, attachments: Vec<Bytes>) {
        self.socket.send_ack(self.id, args.into_iter().collect(), attachments);
    }
}

/// Why a client left a namespace. The texts are those of the Node server (socketio.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// The client left.
    #[error("client namespace disconnect")]
    ByClient,
    /// The application disconnected it.
    #[error("server namespace disconnect")]
    ByServer,
    /// The session ended.
    #[error("{0}")]
    Session(CloseReason),
}
