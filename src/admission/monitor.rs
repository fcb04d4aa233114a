//! Reports to the circuit breakers whether each WebSocket works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::breakers::Subject;
use super::client::ClientInfo;
use super::counters::WebSocketPermit;
use super::gate::Gate;
use crate::engine::{CloseReason, Session};
use crate::policy::WEBSOCKET;
use crate::policy::breaker::{Evidence, Failure, Proof, Returned};

/// Holds the permit of one WebSocket, and reports to its circuit breaker how the WebSocket ended.
///
/// Its owner calls [`WebSocketMonitor::received`] for everything that comes from the client, and then
/// one of [`WebSocketMonitor::closed`], [`lost`](WebSocketMonitor::lost),
/// [`closed_by_server`](WebSocketMonitor::closed_by_server) and
/// [`abandoned`](WebSocketMonitor::abandoned), each before the session gets to know.
pub struct WebSocketMonitor {
    gate: Arc<Gate>,
    /// `None` if the WebSocket has no session.
    subject: Option<Subject>,
    opened: Instant,
    /// A half-open breaker let this WebSocket through as its test, and waits for the result.
    is_test: bool,
    received: bool,
    /// Packets of the session travel in both directions.
    carrying: bool,
    _permit: WebSocketPermit,
}

/// How a WebSocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Closed,
    Lost,
    ByServer,
    Abandoned,
}

impl WebSocketMonitor {
    /// For the WebSocket that a request opens.
    pub(super) fn new(
        gate: Arc<Gate>,
        subject: Option<Subject>,
        is_test: bool,
        permit: WebSocketPermit,
    ) -> Self {
        WebSocketMonitor {
            gate,
            subject,
            opened: Instant::now(),
            is_test,
            received: false,
            carrying: false,
            _permit: permit,
        }
    }

    /// Something came from the client. Must be called before the session gets it, because a packet
    /// proves that this WebSocket works only if the session was on it already: the packets of a probe
    /// do not count.
    pub(crate) fn received(&mut self, session: &Session) {
        self.received = true;
        if !self.carrying
            && let Some(subject) = self.subject
            && session.transport() == WEBSOCKET
        {
            self.carrying = true;
            self.gate.breakers().carrying_started(subject.network);
        }
    }

    /// The client closed the WebSocket with a close frame.
    pub(crate) fn closed(&mut self, session: &Session) {
        self.ended(Ended::Closed, session);
    }

    /// The connection broke.
    pub(crate) fn lost(&mut self, session: &Session) {
        self.ended(Ended::Lost, session);
    }

    /// The server closed the WebSocket.
    pub(crate) fn closed_by_server(&mut self, session: &Session) {
        self.ended(Ended::ByServer, session);
    }

    /// The client went on by another transport, and left the WebSocket open.
    pub(crate) fn abandoned(&mut self, session: &Session) {
        self.ended(Ended::Abandoned, session);
    }

    fn ended(&mut self, how: Ended, session: &Session) {
        let Some(subject) = self.subject else { return };
        if std::mem::take(&mut self.carrying) {
            self.gate.breakers().carrying_ended(subject.network);
            return;
        }
        let (proof, client_info) = (proof(how, session), ClientInfo::of(session));
        let (Some(proof), Some(client_info)) = (proof, client_info) else { return };
        let return_watch =
            client_info.return_watch(|| ReturnWatch::new(Arc::clone(&self.gate), subject));
        return_watch.armed.store(proof != Proof::Given, Ordering::Relaxed);
        let failure = Failure {
            client: return_watch.client,
            opened: self.opened,
            evidence: if self.received { Evidence::Dropped } else { Evidence::Silent },
            proof,
            test: std::mem::take(&mut self.is_test),
        };
        let (agent, settings) = (client_info.visitor().agent, self.gate.policy().breaker);
        self.gate.breakers().failed(return_watch.subject, agent, failure, &settings);
    }
}

/// The proof that is needed for the end of a WebSocket to count as its failure. `None` if it is no
/// failure. Only for WebSockets that carried no packets.
fn proof(how: Ended, session: &Session) -> Option<Proof> {
    use CloseReason::{ConnectTimeout, PingTimeout};
    let is_current = session.transport() == WEBSOCKET;
    match (how, is_current, session.close_reason()) {
        // The client's close frame arrived, so the WebSocket works.
        (Ended::Closed, ..) => None,
        (_, true, Some(PingTimeout | ConnectTimeout)) => Some(Proof::Given),
        (Ended::Lost, true, None) => Some(Proof::RequestOrHandshake),
        (Ended::Abandoned, false, None) => Some(Proof::Given),
        (Ended::Lost | Ended::ByServer, false, None) => Some(Proof::Request),
        // The session ended for a reason that has nothing to do with its WebSocket.
        _ => None,
    }
}

impl Drop for WebSocketMonitor {
    fn drop(&mut self) {
        let Some(subject) = self.subject else { return };
        if self.carrying {
            self.gate.breakers().carrying_ended(subject.network);
        } else if self.is_test {
            self.gate.breakers().test_inconclusive(subject);
        }
    }
}

/// Belongs to a session whose WebSocket failed. Reports to the breaker when the client sends its next
/// request without a WebSocket, and when the session is over.
#[derive(Debug)]
pub(super) struct ReturnWatch {
    gate: Arc<Gate>,
    subject: Subject,
    client: u64,
    /// The breaker waits for the client's next request as a proof.
    armed: AtomicBool,
}

impl ReturnWatch {
    fn new(gate: Arc<Gate>, subject: Subject) -> Self {
        let client = gate.breakers().new_client();
        ReturnWatch { gate, subject, client, armed: AtomicBool::new(false) }
    }

    /// The client sent a request by another transport.
    pub fn client_returned(&self) {
        if self.armed.swap(false, Ordering::Relaxed) {
            let settings = self.gate.policy().breaker;
            let who = Returned::Client(self.client);
            self.gate.breakers().client_returned(self.subject, who, &settings);
        }
    }
}

impl Drop for ReturnWatch {
    fn drop(&mut self) {
        self.gate.breakers().client_left(self.subject, self.client);
    }
}
