//! The namespace `/admin`, for the official Socket.IO Admin UI: a page that shows a server's numbers, and in
//! development mode its sockets and what they say, and disconnects them.

mod command;
mod hub;
mod journal;
mod login;
mod shown;
mod sockets;
mod stats;
mod watcher;

use std::sync::Arc;

use serde_json::Value;

use crate::socketio::{App, ConnectError, DisconnectReason, Event, Socket};

pub use hub::{Hub, Mode, WATCHERS};

/// The namespace's name.
pub const NAMESPACE: &str = "/admin";

/// An application, and beside it the namespace of the Admin UI.
#[derive(Debug)]
pub struct AdminUi<A> {
    app: A,
    hub: Option<Arc<Hub>>,
}

impl<A> AdminUi<A> {
    /// Puts the namespace beside an application's. Without a hub there is none.
    pub fn beside(app: A, hub: Option<Arc<Hub>>) -> Self {
        AdminUi { app, hub }
    }

    /// The hub, if a socket is of a page that watches.
    fn watched_by(&self, socket: &Socket) -> Option<&Arc<Hub>> {
        self.hub.as_ref().filter(|_| &**socket.namespace() == NAMESPACE)
    }
}

impl<A: App> App for AdminUi<A> {
    fn has_namespace(&self, name: &str) -> bool {
        self.hub.is_some() && name == NAMESPACE || self.app.has_namespace(name)
    }

    async fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError> {
        match self.watched_by(socket) {
            Some(hub) => hub.admit(socket, auth),
            None => self.app.admit(socket, auth).await,
        }
    }

    async fn connect(&self, socket: &Socket, auth: &Value) {
        if let Some(hub) = &self.hub {
            hub.joined(socket);
        }
        match self.watched_by(socket) {
            Some(hub) => hub.welcome(socket, auth),
            None => self.app.connect(socket, auth).await,
        }
    }

    async fn event(&self, socket: &Socket, event: Event) {
        if let Some(hub) = self.watched_by(socket) {
            return command::obey(hub, socket, &event).await;
        }
        if let Some(hub) = &self.hub {
            hub.received(socket, &event);
        }
        self.app.event(socket, event).await;
    }

    async fn disconnect(&self, socket: &Socket, reason: DisconnectReason) {
        let watched_by = self.watched_by(socket);
        if let Some(hub) = watched_by {
            hub.farewell(socket);
        }
        if let Some(hub) = &self.hub {
            hub.left(socket, reason);
        }
        if watched_by.is_none() {
            self.app.disconnect(socket, reason).await;
        }
    }
}
