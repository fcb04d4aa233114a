//! Socket.IO on top of sessions: namespaces, events, acknowledgements, binary attachments.
//!
//! An application implements [`App`] and is run by [`SocketIo`]; it sees [`Socket`]s and [`Event`]s
//! and never the generation of the client behind them.

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
    /// `connect_timeout` bounds how long a session may be without any namespace at first, for
    /// clients that must ask for one.
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
