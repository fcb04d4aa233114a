//! Applies the policy when a client joins a namespace: a rule may allow a namespace on some transports
//! only.

use std::sync::Arc;

use serde_json::Value;

use super::Gate;
use crate::socketio::{App, ConnectError, DisconnectReason, Event, Socket};

/// Wraps an [`App`], and asks the [`Gate`] before each join.
#[derive(Debug)]
pub struct PolicyLayer<A> {
    app: A,
    gate: Arc<Gate>,
}

impl<A: App> PolicyLayer<A> {
    /// Guards `app` by the policy that is in force in `gate`.
    pub fn new(app: A, gate: Arc<Gate>) -> Self {
        PolicyLayer { app, gate }
    }
}

impl<A: App> App for PolicyLayer<A> {
    fn has_namespace(&self, name: &str) -> bool {
        self.app.has_namespace(name)
    }

    async fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError> {
        let admitted = self.gate.check_namespace(socket.session(), socket.namespace());
        admitted.map_err(|refusal| ConnectError::new(refusal.to_string()))?;
        self.app.admit(socket, auth).await
    }

    async fn connect(&self, socket: &Socket, auth: &Value) {
        self.gate.set_joined(socket.session(), socket.namespace(), true);
        self.app.connect(socket, auth).await;
    }

    async fn event(&self, socket: &Socket, event: Event) {
        self.app.event(socket, event).await;
    }

    async fn disconnect(&self, socket: &Socket, reason: DisconnectReason) {
        self.gate.set_joined(socket.session(), socket.namespace(), false);
        self.app.disconnect(socket, reason).await;
    }
}
