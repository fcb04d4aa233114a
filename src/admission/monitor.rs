//! Watches how each WebSocket fares, for the circuit breakers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio::time::Instant;

use super::breakers::Subject;
use super::client::ClientInfo;
use super::counters::WebSocketPermit;
use super::gate::Gate;
use crate::engine::{CloseReason, Session};
use crate::policy::WEBSOCKET;
use crate::policy::breaker::{Evidence, Failure, Proof, Returns};

/// Takes up a place among the WebSockets, and tells the breaker how this one fared.
pub struct WebSocketMonitor {
    gate: Arc<Gate>,
    /// Nobody, if there is no session for it.
    subject: Option<Subject>,
    opened: Instant,
    /// Its client wants a subprotocol. There is none to be had, so it may well leave at once, which
    /// tells nothing about the network.
    subprotocol: bool,
    /// A half-open breaker let it through, and waits to hear.
    test: bool,
    heard: bool,
    carries: bool,
    _place: WebSocketPermit,
}

/// How a WebSocket came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client closed it in good order.
    Closed,
    /// The connection broke.
    Lost,
    /// The server closed it.
    ByUs,
    /// Its client went on by another transport.
    GivenUp,
}

impl WebSocketMonitor {
    /// Of the WebSocket that a request with these headers opens.
    pub(super) fn new(
        gate: Arc<Gate>,
        headers: &HeaderMap,
        subject: Option<Subject>,
        test: bool,
        place: WebSocketPermit,
    ) -> Self {
        let (opened, subprotocol) = (Instant::now(), headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
        let (heard, carries) = (false, false);
        WebSocketMonitor { gate, subject, opened, subprotocol, test, heard, carries, _place: place }
    }

    /// Something came from the client. To be called before the session hears of it: what comes while
    /// the session is on this WebSocket shows that it works, and the packets of a probe do not.
    pub fn heard(&mut self, session: &Session) {
        self.heard = true;
        if !self.carries
            && let Some(subject) = self.subject
            && session.transport() == WEBSOCKET
        {
            self.carries = true;
            self.gate.breakers().carries(subject.network);
        }
    }

    /// The WebSocket is over. To be called before the session hears of it.
    pub fn ended(&mut self, how: Ended, session: &Session) {
        let Some(subject) = self.subject else { return };
        if std::mem::take(&mut self.carries) {
            self.gate.breakers().carried(subject.network);
            return;
        }
        let proof = proof(how, session).filter(|_| !self.subprotocol);
        let (Some(proof), Some(client_info)) = (proof, ClientInfo::of(session)) else { return };
        let return_watch =
            client_info.return_watch(|| ReturnWatch::new(Arc::clone(&self.gate), subject));
        return_watch.awaited.store(proof != Proof::Given, Ordering::Relaxed);
        let failure = Failure {
            client: return_watch.client,
            opened: self.opened,
            evidence: if self.heard { Evidence::Dropped } else { Evidence::Silent },
            proof,
            test: std::mem::take(&mut self.test),
        };
        let (agent, settings) = (client_info.visitor().agent, self.gate.policy().breaker);
        self.gate.breakers().failed(return_watch.subject, agent, failure, &settings);
    }
}

/// What makes the end of a WebSocket that carried nothing a failure of it; nothing if it is none.
fn proof(how: Ended, session: &Session) -> Option<Proof> {
    use CloseReason::{ConnectTimeout, PingTimeout};
    let on_it = session.transport() == WEBSOCKET;
    match (how, on_it, session.close_reason()) {
        // A sign of life, and of a wish.
        (Ended::Closed, ..) => None,
        (_, true, Some(PingTimeout | ConnectTimeout)) => Some(Proof::Given),
        (Ended::Lost, true, None) => Some(Proof::RequestOrHandshake),
        (Ended::GivenUp, false, None) => Some(Proof::Given),
        (Ended::Lost | Ended::ByUs, false, None) => Some(Proof::Request),
        // The session is over, and not because of its WebSocket.
        _ => None,
    }
}

impl Drop for WebSocketMonitor {
    fn drop(&mut self) {
        let Some(subject) = self.subject else { return };
        if self.carries {
            self.gate.breakers().carried(subject.network);
        } else if self.test {
            self.gate.breakers().untested(subject);
        }
    }
}

/// Belongs to a session of which a WebSocket failed: tells the breaker when its client is there
/// without it, and when it has left.
#[derive(Debug)]
pub(super) struct ReturnWatch {
    gate: Arc<Gate>,
    subject: Subject,
    client: u64,
    awaited: AtomicBool,
}

impl ReturnWatch {
    fn new(gate: Arc<Gate>, subject: Subject) -> Self {
        let client = gate.breakers().client();
        ReturnWatch { gate, subject, client, awaited: AtomicBool::new(false) }
    }

    /// Its client is there, by another transport.
    pub fn returns(&self) {
        if self.awaited.swap(false, Ordering::Relaxed) {
            let settings = self.gate.policy().breaker;
            let who = Returns::Client(self.client);
            self.gate.breakers().returns(self.subject, who, &settings);
        }
    }
}

impl Drop for ReturnWatch {
    fn drop(&mut self) {
        self.gate.breakers().left(self.subject, self.client);
    }
}
