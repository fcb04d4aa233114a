//! The gate: the policy in force, the numbers that it decides by, and what comes of its decisions.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::breakers::{Breakers, Subject};
use super::client::{self, ClientInfo, Peer};
use super::counters::ConnectionCounters;
use super::log_once::LogOnce;
use super::monitor::WebSocketMonitor;
use crate::engine::{CloseReason, Engine, Session, TransportInfo};
use crate::policy::breaker::{Answer, Returns};
use crate::policy::forwarded;
use crate::policy::{Client, Counts, Policy, PolicyInput, Refusal, Scheme, Step};

/// Asked by every request; the policy behind it can change at any time.
#[derive(Debug)]
pub struct Gate {
    policy: ArcSwap<Policy>,
    counters: Arc<ConnectionCounters>,
    breakers: Breakers,
    log_once: LogOnce,
    /// Ends the moving of sessions for a policy that is no more.
    moving: Mutex<CancellationToken>,
}

/// What a page is told before it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// What it may use, preferred first.
    pub transports: Vec<&'static str>,
    /// The scheme that it has to keep to, if it has to.
    pub bound_to: Option<Scheme>,
    /// What limits of abuse count it by.
    pub bucket: IpAddr,
}

/// What a request is for.
pub struct Ask<'a> {
    /// Nothing for the handshake of 0.9, which is for none in particular.
    pub transport: Option<&'static TransportInfo>,
    /// See [`PolicyInput::by_element`].
    pub by_element: bool,
    pub step: Step,
    /// The one that it goes on with.
    pub session: Option<&'a Session>,
    /// Of who opens one.
    pub generation: &'static str,
}

/// A request that the policy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub refusal: Refusal,
    /// What this client may use instead, preferred first.
    pub allowed: Vec<&'static str>,
}

/// A request that the policy has nothing against.
pub struct Admitted {
    /// For who opens a session.
    pub client_info: Option<ClientInfo>,
    /// For who opens a WebSocket.
    pub monitor: Option<WebSocketMonitor>,
    /// For who opens a session: what may be told of for an upgrade.
    pub offered: Vec<&'static str>,
}

impl Gate {
    pub fn new(policy: Policy) -> Arc<Self> {
        Arc::new(Gate {
            policy: ArcSwap::from_pointee(policy),
            counters: Arc::default(),
            breakers: Breakers::default(),
            log_once: LogOnce::default(),
            moving: Mutex::default(),
        })
    }

    /// What there is at the moment.
    pub fn counters(&self) -> &Arc<ConnectionCounters> {
        &self.counters
    }

    /// How WebSockets fare in each network.
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Whether an address is that of a proxy whose word on clients is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.policy.load().trusted_proxies.contains(address)
    }

    /// Puts a new policy in force. Who is still allowed does not notice; sessions that are not any
    /// more are told to come back, a few at a time. Returns what differs, a line for each setting.
    pub fn apply(&self, policy: Policy, engine: &Engine) -> Vec<String> {
        let new = Arc::new(policy);
        let old = self.policy.swap(Arc::clone(&new));
        let mine = CancellationToken::new();
        let before = {
            let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *moving, mine.clone())
        };
        before.cancel();
        let changes = old.difference(&new);
        if !changes.is_empty() {
            // What is still refused is worth telling once more.
            self.log_once.forget();
        }
        let house = engine.clone();
        engine.spawn(async move {
            tokio::select! {
                () = mine.cancelled() => {}
                () = house.stopping().cancelled() => {}
                () = move_out(&house, &new) => {}
            }
        });
        changes
    }

    /// Whether a session may join a namespace on the transport that it is on.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admits(&self, session: &Session, namespace: &str) -> Result<(), Refusal> {
        let policy = self.policy.load();
        let Some(client_info) = ClientInfo::of(session).filter(|_| !policy.rules.is_empty()) else {
            return Ok(());
        };
        let transport = session.transport();
        let admitted = policy.admits(&client_info.visitor(), transport, namespace);
        if let Err(refusal) = &admitted {
            self.counters.refused(refusal);
            let (sid, label, namespace) = (session.sid(), refusal.label(), cut(namespace));
            debug!(%sid, transport, namespace, label, reason = %refusal, "namespace refused");
        }
        admitted
    }

    /// Takes note that a session is in a namespace, or not any more.
    pub fn is_in(&self, session: &Session, namespace: &str, is_in: bool) {
        if let Some(client_info) = ClientInfo::of(session) {
            client_info.is_in(namespace, is_in);
        }
    }

    /// What the page of the visitor who sends such a request has to know.
    pub fn welcome(&self, headers: &HeaderMap, path: &str, peer: Peer) -> Welcome {
        let policy = self.policy.load();
        let said = client::said(headers, peer, &policy.trusted_proxies);
        let source = forwarded::source(peer.remote, peer.scheme, &said, &policy.trusted_proxies);
        let visitor = client::visitor(headers, path, &source);
        Welcome {
            transports: policy.transports_for(&visitor).names().to_vec(),
            bound_to: policy.match_origin_protocol.then_some(visitor.scheme),
            bucket: visitor.client.bucket(),
        }
    }

    /// Asks the policy, with places taken for what the request would add. If a new policy is about to
    /// end a session, that goes on as it did until then. It does not take its namespaces to a transport
    /// that they are kept from.
    ///
    /// # Errors
    /// What the policy has against it.
    pub fn decide(
        self: &Arc<Self>,
        headers: &HeaderMap,
        path: &str,
        peer: Peer,
        ask: Ask<'_>,
    ) -> Result<Admitted, Denial> {
        let Ask { transport, by_element, step, session, generation } = ask;
        let Gate { counters, log_once, .. } = &**self;
        let policy = self.policy.load();
        let said = client::said(headers, peer, &policy.trusted_proxies);
        let source = forwarded::source(peer.remote, peer.scheme, &said, &policy.trusted_proxies);
        let visitor = client::visitor(headers, path, &source);
        if step != Step::Continues
            && let Some(doubt) = source.doubt
        {
            log_once.doubt(peer.remote, doubt);
        }
        if step == Step::Opens
            && client::speaks_for_another(headers)
            && !policy.trusted_proxies.contains(peer.remote)
        {
            log_once.stranger(peer.remote, &policy.trusted_proxies);
        }
        let (permit, mut counts) = match step {
            Step::Opens => {
                let (permit, counts) =
                    counters.permit(visitor.client, policy.caps.handshakes_per_address);
                (Some(permit), counts)
            }
            // It takes no session.
            Step::Upgrades | Step::Starts | Step::Continues => (None, Counts::default()),
        };
        let duplex = transport.is_some_and(|transport| transport.duplex);
        let socket = (duplex && step != Step::Continues).then(|| counters.websocket());
        if let Some((_, before)) = &socket {
            counts.websockets = *before;
        }
        let subject = match step {
            Step::Opens => Some(Subject::new(visitor.client.bucket(), generation, visitor.agent)),
            Step::Upgrades | Step::Starts => session.and_then(Subject::of),
            Step::Continues => None,
        };
        let test = duplex && step != Step::Opens;
        let answer = subject.map(|subject| self.breakers.ask(subject, test, &policy.breaker));
        if let Some(Answer::Withheld(left)) = answer {
            counts.breaker = Some(left);
        }
        let test = matches!(answer, Some(Answer::Test { .. }));
        // Whatever comes of the request, it gives back what it took.
        let monitor = socket.map(|(place, _)| {
            WebSocketMonitor::new(Arc::clone(self), headers, subject, test, place)
        });
        let transport = transport.map(|transport| transport.name);
        let input = PolicyInput { visitor, transport, step, by_element, counts };
        let decision = policy.decide(&input);
        let leaving = || {
            let (session, transport) = session.zip(transport)?;
            let opened = ClientInfo::of(session)?.visitor();
            let same = session.transport() == transport && opened.origin == visitor.origin;
            (same && policy.keeps(&opened, transport).is_err()).then_some(())
        };
        let moves = || {
            let (session, transport) =
                session.zip(transport).filter(|_| !policy.rules.is_empty())?;
            let client_info =
                ClientInfo::of(session).filter(|_| session.transport() != transport)?;
            client_info.namespaces_allow(&policy, transport).err()
        };
        let refused = match &decision.verdict {
            Ok(()) => moves(),
            Err(refusal) => leaving().is_none().then(|| refusal.clone()),
        };
        if let Some(refusal) = &refused {
            counters.refused(refusal);
            if let Refusal::Scheme { page, .. } = refusal {
                log_once.mismatch(&visitor, *page, "refused by match-origin-protocol");
            }
            let allowed = decision.allowed.names().to_vec();
            return Err(Denial { refusal: refusal.clone(), allowed });
        }
        if step != Step::Continues
            && let Some(page) = policy.mismatch(&visitor)
        {
            log_once.mismatch(&visitor, page, "match-origin-protocol would refuse this");
        }
        let offered = if step == Step::Opens { decision.offered() } else { Vec::new() };
        match (session.and_then(ClientInfo::of), subject) {
            _ if duplex => {}
            (Some(client_info), _) => client_info.goes_on(),
            (None, Some(new)) => self.breakers.returns(new, Returns::Anew, &policy.breaker),
            (None, None) => {}
        }
        let client_info = permit.map(|permit| ClientInfo::new(&visitor, permit));
        Ok(Admitted { client_info, monitor, offered })
    }

    /// The refusal for who would be let in, but knows nothing of what is `offered`.
    pub fn nothing_in_common(&self, asked: &'static str, offered: Vec<&'static str>) -> Denial {
        let refusal = Refusal::Transport { asked, allowed: offered.join(", "), rule: None };
        self.counters.refused(&refusal);
        Denial { refusal, allowed: offered }
    }

    /// Who sent a request, as far as trusted proxies say.
    pub fn client(&self, headers: &HeaderMap, peer: Peer) -> Client {
        let policy = self.policy.load();
        let said = client::said(headers, peer, &policy.trusted_proxies);
        forwarded::source(peer.remote, peer.scheme, &said, &policy.trusted_proxies).client
    }

    /// Tells the operator of a refusal that a setting would have allowed, unless that was told before.
    pub fn tell(&self, refusal: &Refusal, remote: Client) {
        self.log_once.refused(refusal, remote);
    }
}

/// What a client sent, no longer than makes sense.
pub(crate) fn cut(text: &str) -> &str {
    text.char_indices().nth(32).map_or(text, |(at, _)| &text[..at])
}

/// Sessions told to move between two pauses, and the pause: 100 in a second, who come back as fast.
const MOVED_AT_ONCE: usize = 10;
const MOVING_PAUSE: Duration = Duration::from_millis(100);

/// Ends the sessions that a policy does not allow, a few at a time.
async fn move_out(engine: &Engine, policy: &Policy) {
    let mut moved = 0;
    for session in engine.sessions() {
        let Some(client_info) = ClientInfo::of(&session) else { continue };
        let transport = session.transport();
        let Err(refusal) = client_info.may_stay(policy, transport) else { continue };
        session.close(CloseReason::Moved(refusal.label()));
        moved += 1;
        if moved % MOVED_AT_ONCE == 0 {
            tokio::time::sleep(MOVING_PAUSE).await;
        }
    }
    if moved > 0 {
        info!(moved, "sessions were told to come back another way");
    }
}
