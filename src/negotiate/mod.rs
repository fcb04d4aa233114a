//! From an HTTP request to the transport and the session that it is for, under the policy.

mod cors;
mod engineio;
mod socketio09;

use std::sync::Arc;

use tracing::debug;

use crate::admission::{Gate, WebSocketMonitor, cut};
use crate::engine::{Engine, Session};
use crate::http::Request;
use crate::policy::{Client, Policy, Transports};
use crate::transport::{self, Error, Exchange, Query, REGISTRY, Transport};

/// Answers all requests below the path of the engine.
#[derive(Clone)]
pub struct Negotiator {
    engine: Engine,
    gate: Arc<Gate>,
}

impl Negotiator {
    pub fn new(engine: Engine, gate: Arc<Gate>) -> Self {
        Negotiator { engine, gate }
    }

    /// Allows all transports and all origins.
    pub fn allow_all(engine: Engine) -> Self {
        let policy = Policy::open(Transports::all(transport::names()));
        Self::new(engine, Gate::new(policy))
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub(super) fn unknown_transport(&self) -> Error {
        Error::TransportUnknown { allowed: self.gate.policy().transports.names().to_vec() }
    }

    pub(super) fn exchange(
        &self,
        request: Request,
        query: Arc<Query>,
        session: Arc<Session>,
        monitor: Option<WebSocketMonitor>,
    ) -> Exchange {
        Exchange { request, query, session, engine: self.engine.clone(), monitor }
    }

    /// Leaves a line in the log about a request that was refused. `transport` and `sid` are as sent.
    fn log(&self, error: &Error, remote: Client, transport: &str, sid: &str) {
        log(&self.gate, error, remote, transport, sid);
    }
}

pub(super) fn by_name(name: &str) -> Option<&'static dyn Transport> {
    REGISTRY.iter().copied().find(|transport| transport.info().name == name)
}

/// Leaves a line in the log about a request that was refused. `transport` and `sid` are as sent.
fn log(gate: &Gate, error: &Error, remote: Client, transport: &str, sid: &str) {
    let (transport, sid) = (cut(transport), cut(sid));
    let (reason, code) = (error.reason().unwrap_or_default(), error.code());
    let label = match error {
        Error::Refused { refusal, .. } => {
            gate.tell(refusal, remote);
            refusal.label()
        }
        _ => "",
    };
    debug!(%remote, transport, sid, code, label, %error, %reason, "request refused");
}
