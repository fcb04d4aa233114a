//! Socket.IO on top of sessions: namespaces, events, acknowledgements, binary attachments.
//!
//! An application implements [`App`], and [`SocketIo`] runs it. It gets [`Socket`]s and [`Event`]s, which
//! are the same for clients of all generations.

mod acks;
mod app;
mod broadcast;
mod connection;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{CloseReason, Handler, Receiver, Session};

pub use acks::{AckError, Answer};
pub use app::{App, ConnectError, DisconnectReason, Event, Responder};
pub use broadcast::Broadcast;
pub use socket::Socket;

use connection::Connection;

/// Runs an application for every session.
pub struct SocketIo<A> {
    app: Arc<A>,
    connect_timeout: Duration,
}

impl<A: App> SocketIo<A> {
    /// A new session of a client that has to ask for a namespace is closed if it has joined none within
    /// `connect_timeout`.
    pub fn new(app: A, connect_timeout: Duration) -> Self {
        SocketIo { app: Arc::new(app), connect_timeout }
    }
}

impl<A: App> Handler for SocketIo<A> {
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver> {
        if !session.dialect().rules().joins_by_itself {
            let deadline = Instant::now() + self.connect_timeout;
            session.expire(Some((deadline, CloseReason::ConnectTimeout)));
        }
        Box::new(Connection::new(Arc::clone(&self.app), Arc::clone(session)))
    }
}
