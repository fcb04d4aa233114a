//! What an application is to Socket.IO.

use bytes::Bytes;
use serde_json::Value;

use super::Socket;
use crate::dialect::AckId;
use crate::engine::CloseReason;

/// A Socket.IO application. Calls for one client come one at a time and in the client's order;
/// whoever awaits in them makes that client wait, and nobody else.
pub trait App: Send + Sync + 'static {
    /// Whether clients may ask for that namespace.
    fn has_namespace(&self, name: &str) -> bool {
        name == "/"
    }

    /// Decides whether a client may join. `auth` is its auth payload, or the query of the namespace
    /// in older generations; an object in either case.
    fn admit(
        &self,
        socket: &Socket,
        auth: &Value,
    ) -> impl Future<Output = Result<(), ConnectError>> + Send {
        let _ = (socket, auth);
        std::future::ready(Ok(()))
    }

    /// A client has joined and knows it. `auth` as in [`App::admit`].
    fn connect(&self, socket: &Socket, auth: &Value) -> impl Future<Output = ()> + Send {
        let _ = (socket, auth);
        std::future::ready(())
    }

    /// A client sent an event.
    fn event(&self, socket: &Socket, event: Event) -> impl Future<Output = ()> + Send;

    /// A client is gone from the namespace; once for each `connect`.
    fn disconnect(
        &self,
        socket: &Socket,
        reason: DisconnectReason,
    ) -> impl Future<Output = ()> + Send {
        let _ = (socket, reason);
        std::future::ready(())
    }
}

/// Why a client may not join.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectError {
    pub message: String,
    pub data: Option<Value>,
}

impl ConnectError {
    pub fn new(message: impl Into<String>) -> Self {
        ConnectError { message: message.into(), data: None }
    }
}

/// An event as it came.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    /// Its arguments. Binary parts are `{"_placeholder":true,"num":N}`, N an index of
    /// `attachments`.
    pub args: Vec<Value>,
    pub attachments: Vec<Bytes>,
    /// Where the acknowledgement goes, if the client wants one.
    pub ack: Option<Responder>,
}

/// Answers one event. Dropping it leaves the client without an answer.
#[derive(Debug)]
pub struct Responder {
    pub(super) socket: Socket,
    pub(super) id: AckId,
}

impl Responder {
    pub fn send(self, args: impl IntoIterator<Item = Value>) {
        self.send_with(args, Vec::new());
    }

    /// Answers with binary parts, placeholders for which are in `args`.
    pub fn send_with(self, args: impl IntoIterator<Item = Value>, attachments: Vec<Bytes>) {
        self.socket.answer(self.id, args.into_iter().collect(), attachments);
    }
}

/// Why a client left a namespace (socketio.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    #[error("client namespace disconnect")]
    ByClient,
    #[error("server namespace disconnect")]
    ByServer,
    #[error("{0}")]
    Session(CloseReason),
}
