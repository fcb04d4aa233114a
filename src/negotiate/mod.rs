//! Negotiation: asks the policy about each request below the engine's path, and passes it to its
//! transport and session.

pub(crate) mod astray;
mod cors;
mod engineio;
mod socketio09;

use std::sync::Arc;

use tracing::debug;

use crate::admission::{Denial, Gate, WebSocketMonitor};
use crate::engine::{Engine, Session, SessionEvent};
use crate::http::Request;
use crate::logged_names::truncated;
use crate::policy::{Client, Policy, Refusal, Transports, WEBSOCKET};
use crate::transport::{self, Error, Exchange, Query, REGISTRY, Transport};

/// Answers all requests below the engine's path.
#[derive(Clone)]
pub struct Negotiator {
    engine: Engine,
    gate: Arc<Gate>,
    /// Whether protocols 2 and 3 are spoken.
    eio3: bool,
}

impl Negotiator {
    /// A negotiator for the sessions of `engine`, under the policy in `gate`.
    pub fn new(engine: Engine, gate: Arc<Gate>) -> Self {
        Negotiator { engine, gate, eio3: true }
    }

    /// A negotiator whose policy is [`Policy::open`], with all transports: all origins, no bounds, no
    /// circuit breaker. A server that wants one has a policy of its own:
    ///
    /// ```
    /// # use parlance::admission::Gate;
    /// # use parlance::negotiate::Negotiator;
    /// # use parlance::policy::{BreakerSettings, Policy, Transports};
    /// # fn negotiator(engine: parlance::engine::Engine) -> Negotiator {
    /// let transports = Transports::all(parlance::transport::names());
    /// let policy = Policy { breaker: BreakerSettings::default(), ..Policy::open(transports) };
    /// Negotiator::new(engine, Gate::new(policy))
    /// # }
    /// ```
    pub fn allow_all(engine: Engine) -> Self {
        let policy = Policy::open(Transports::all(transport::names()));
        Self::new(engine, Gate::new(policy))
    }

    /// Whether clients of 1.x and 2.x, which speak Engine.IO 3, may connect: `true` by default. Otherwise
    /// they are refused with code 5, and so is a request without `EIO`.
    #[must_use]
    pub fn allow_eio3(self, allow: bool) -> Self {
        Negotiator { eio3: allow, ..self }
    }

    /// The sessions.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The policy in force.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    fn unknown_transport(&self) -> Error {
        Error::TransportUnknown { allowed: self.gate.policy().transports.names().to_vec() }
    }

    fn exchange(
        &self,
        request: Request,
        query: Arc<Query>,
        session: Arc<Session>,
        monitor: Option<WebSocketMonitor>,
    ) -> Exchange {
        Exchange { request, query, session, engine: self.engine.clone(), monitor }
    }

    /// See [`log`].
    fn log(&self, error: &Error, remote: Client, transport: &str, sid: &str) {
        log(&self.gate, error, remote, transport, sid);
    }
}

/// The transport with this policy name.
fn by_name(name: &str) -> Option<&'static dyn Transport> {
    REGISTRY.iter().copied().find(|transport| transport.info().name == name)
}

/// Tells a session that the policy offers it no WebSocket.
fn tell_withheld(session: &Session, withheld: Option<&Refusal>) {
    if let Some(refusal) = withheld {
        let (label, reason) = (refusal.label(), refusal.to_string());
        session.tell(&SessionEvent::Withheld { transport: WEBSOCKET, label, reason: &reason });
    }
}

/// Tells a session that one of its requests was refused. `transport` is the client's own text.
fn tell_refused(session: Option<&Session>, error: &Error, transport: &str) {
    if let Some(session) = session {
        let (transport, reason) = (truncated(transport), error.reason().unwrap_or_default());
        let label = error.label();
        session.tell(&SessionEvent::Refused { transport, label, reason: &reason });
    }
}

/// Logs a request that is answered with an error. `transport` and `sid` are the client's own text.
fn log(gate: &Gate, error: &Error, remote: Client, transport: &str, sid: &str) {
    let (transport, sid) = (truncated(transport), truncated(sid));
    let (reason, code) = (error.reason().unwrap_or_default(), error.code());
    let label = match error {
        Error::Refused { refusal, .. } => {
            gate.log_refusal(refusal, remote);
            refusal.label()
        }
        Error::SidUnknown => {
            gate.log_unknown_session(sid);
            ""
        }
        _ => "",
    };
    debug!(%remote, transport, sid, code, label, %error, %reason, "request refused");
}

impl From<Denial> for Error {
    fn from(Denial { refusal, allowed }: Denial) -> Self {
        Error::Refused { refusal, allowed }
    }
}
