//! The decision about one request: [`Gate::decide`], step by step.

use std::sync::Arc;

use http::HeaderMap;

use super::breakers::Subject;
use super::client::{self, ClientInfo, Peer};
use super::counters::SessionPermit;
use super::gate::Gate;
use super::monitor::WebSocketMonitor;
use super::proxy_headers;
use crate::engine::{Session, TransportInfo};
use crate::policy::breaker::{Answer, Returned};
use crate::policy::forwarded::{self, Source};
use crate::policy::{Counts, Decision, Policy, PolicyInput, Refusal, Step, Visitor};

/// The purpose of a request.
pub(crate) struct AccessRequest<'a> {
    /// `None` for the handshake of 0.9, which names no transport.
    pub transport: Option<&'static TransportInfo>,
    /// See [`PolicyInput::by_element`].
    pub by_element: bool,
    pub step: Step,
    /// The session that it belongs to, if it opens none.
    pub session: Option<&'a Session>,
    /// The client's generation, if it opens a session.
    pub generation: &'static str,
}

/// A refusal of the policy, and the transports that this client may use, preferred first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    pub refusal: Refusal,
    pub allowed: Vec<&'static str>,
}

/// A request that the policy allows.
pub(crate) struct Admitted {
    /// For the new session, if the request opens one.
    pub client_info: Option<ClientInfo>,
    /// For the new WebSocket, if the request opens one.
    pub monitor: Option<WebSocketMonitor>,
    /// If the request opens a session: the transports that may be offered to it, preferred first.
    pub offered: Vec<&'static str>,
    /// If the request opens a session: why `websocket` is not offered, if it is so.
    pub withheld: Option<Refusal>,
}

/// The permits that a request holds while the policy decides, and the facts that came with them. If
/// the request is refused, dropping this gives the permits back.
struct Reserved {
    session: Option<SessionPermit>,
    monitor: Option<WebSocketMonitor>,
    subject: Option<Subject>,
    counts: Counts,
}

impl AccessRequest<'_> {
    fn is_duplex(&self) -> bool {
        self.transport.is_some_and(|transport| transport.duplex)
    }

    fn transport_name(&self) -> Option<&'static str> {
        self.transport.map(|transport| transport.name)
    }

    /// The refusal that applies, if any.
    fn refusal(
        &self,
        decision: &Decision<'_>,
        visitor: &Visitor<'_>,
        policy: &Policy,
    ) -> Option<Refusal> {
        match &decision.verdict {
            Ok(()) => self.namespace_refusal(policy),
            Err(_) if self.session_is_leaving(visitor, policy) => None,
            Err(refusal) => Some(refusal.clone()),
        }
    }

    /// Whether a new policy is about to close the session of this request. Until it does, the session
    /// may go on as before: same transport, same page.
    fn session_is_leaving(&self, visitor: &Visitor<'_>, policy: &Policy) -> bool {
        let Some((session, transport)) = self.session.zip(self.transport_name()) else {
            return false;
        };
        let Some(client_info) = ClientInfo::of(session) else { return false };
        let opened_by = client_info.visitor();
        session.transport() == transport
            && opened_by.origin == visitor.origin
            && policy.check_session(&opened_by, transport).is_err()
    }

    /// The refusal of a change of transport, if a namespace of the session may not be used on the new
    /// one.
    fn namespace_refusal(&self, policy: &Policy) -> Option<Refusal> {
        let (session, transport) =
            self.session.zip(self.transport_name()).filter(|_| !policy.rules.is_empty())?;
        let client_info = ClientInfo::of(session).filter(|_| session.transport() != transport)?;
        client_info.check_namespaces(policy, transport).err()
    }
}

impl Gate {
    /// Asks the policy about a request. Permits for what the request adds (a session, a WebSocket) are
    /// taken first, so that requests at the same time cannot exceed a bound together.
    ///
    /// A session that a new policy is about to close goes on until then, but its namespaces cannot be
    /// taken to a transport where a rule forbids them.
    ///
    /// # Errors
    /// The policy's refusal.
    pub(crate) fn decide(
        self: &Arc<Self>,
        headers: &HeaderMap,
        path: &str,
        peer: Peer,
        request: AccessRequest<'_>,
    ) -> Result<Admitted, Denial> {
        let policy = self.load_policy();
        let forwarded = proxy_headers::of(headers, peer, &policy);
        let source =
            forwarded::source(peer.remote, peer.scheme, &forwarded, &policy.trusted_proxies);
        let visitor = client::visitor(headers, path, &source);
        self.log_proxy(headers, peer, request.step, &source, &policy);
        let Reserved { session: permit, monitor, subject, counts } =
            self.reserve(&request, &visitor, &policy);
        let decision = policy.decide(&PolicyInput {
            visitor,
            transport: request.transport_name(),
            step: request.step,
            by_element: request.by_element,
            counts,
        });
        if let Some(refusal) = request.refusal(&decision, &visitor, &policy) {
            self.counters().count_refusal(&refusal);
            if let Refusal::Scheme { page, .. } = &refusal {
                self.log_once().mismatch(&visitor, *page, "refused by match-origin-protocol");
            }
            return Err(Denial { refusal, allowed: decision.allowed.names().to_vec() });
        }
        if request.step != Step::Continues
            && let Some(page) = policy.scheme_mismatch(&visitor)
        {
            self.log_once().mismatch(&visitor, page, "match-origin-protocol would refuse this");
        }
        // A client that begins with a WebSocket has what it wants.
        if request.step == Step::Opens
            && !request.is_duplex()
            && let Some(refusal) = decision.withheld()
        {
            self.log_withheld(refusal, visitor.client);
        }
        if let Some(refusal) = &decision.left_out {
            self.log_left_out(refusal);
        }
        self.report_return(&request, subject, &policy);
        Ok(Admitted {
            client_info: permit.map(|permit| {
                let mut client_info = ClientInfo::new(&visitor, permit);
                client_info.proxy = proxy_headers::proxy(headers, peer, &policy);
                client_info
            }),
            monitor,
            withheld: decision
                .withheld()
                .filter(|_| request.step == Step::Opens)
                .or(decision.left_out.as_ref())
                .cloned(),
            offered: if request.step == Step::Opens { decision.offered() } else { Vec::new() },
        })
    }

    /// Tells the operator about a proxy that trusted-proxies misses, or that leaves clients unknown.
    fn log_proxy(
        &self,
        headers: &HeaderMap,
        peer: Peer,
        step: Step,
        source: &Source<'_>,
        policy: &Policy,
    ) {
        if step != Step::Continues
            && let Some(doubt) = source.doubt
        {
            self.log_once().unclear_client(peer.remote, doubt);
        }
        let is_trusted = policy.trusted_proxies.contains(peer.remote);
        if step == Step::Opens && is_trusted {
            for header in proxy_headers::not_believed(headers, policy) {
                self.log_once().header_not_believed(peer.remote, header, &policy.proxy_headers);
            }
        }
        if step == Step::Opens && proxy_headers::are_in(headers) && !is_trusted {
            self.log_once().untrusted_proxy(peer.remote, &policy.trusted_proxies);
        }
    }

    /// Takes the permits for a request, and asks the circuit breaker about its client.
    fn reserve(
        self: &Arc<Self>,
        request: &AccessRequest<'_>,
        visitor: &Visitor<'_>,
        policy: &Policy,
    ) -> Reserved {
        let step = request.step;
        let (session, mut counts) = match step {
            Step::Opens => {
                let rate = policy.caps.handshakes_per_address;
                let (permit, counts) = self.counters().permit(visitor.client, rate);
                (Some(permit), counts)
            }
            Step::Upgrades | Step::Starts | Step::Continues => (None, Counts::default()),
        };
        let subject = match step {
            Step::Opens => {
                let network = visitor.client.bucket();
                Some(Subject::new(network, request.generation, visitor.agent))
            }
            Step::Upgrades | Step::Starts => request.session.and_then(Subject::of),
            Step::Continues => None,
        };
        // The policy never refuses to open a session on a WebSocket because of a breaker, so such a client
        // does not make a test.
        let may_test = request.is_duplex() && step != Step::Opens;
        let answer = subject.map(|subject| self.breakers().ask(subject, may_test, &policy.breaker));
        if let Some(Answer::Withheld(left)) = answer {
            counts.breaker = Some(left);
        }
        let is_test = matches!(answer, Some(Answer::Test { .. }));
        let monitor = (request.is_duplex() && step != Step::Continues).then(|| {
            let (permit, before) = self.counters().websocket_permit();
            counts.websockets = before;
            WebSocketMonitor::new(Arc::clone(self), subject, is_test, permit)
        });
        Reserved { session, monitor, subject, counts }
    }

    /// Tells the circuit breaker that a client is there without a WebSocket.
    fn report_return(
        &self,
        request: &AccessRequest<'_>,
        subject: Option<Subject>,
        policy: &Policy,
    ) {
        if request.is_duplex() {
            return;
        }
        match (request.session.and_then(ClientInfo::of), subject) {
            (Some(client_info), _) => client_info.client_returned(),
            (None, Some(subject)) => {
                self.breakers().client_returned(subject, Returned::NewSession, &policy.breaker);
            }
            (None, None) => {}
        }
    }
}
