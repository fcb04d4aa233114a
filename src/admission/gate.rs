//! The gate: the policy in force, and the counters and circuit breakers that it decides by.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::breakers::Breakers;
use super::client::{self, ClientInfo, Peer};
use super::counters::ConnectionCounters;
use super::log_once::LogOnce;
use super::proxy_headers;
use super::refusal_log::{Named, RefusalLog, RefusalObserver, Refusals, Refused};
use super::request::Denial;
use super::wrong_passwords::WrongPasswords;
use crate::engine::{CloseReason, Engine, Session};
use crate::logged_names::truncated;
use crate::policy::forwarded;
use crate::policy::{Client, Policy, Refusal, Scheme};

/// Asked about every request. The policy behind it can change at any time.
#[derive(Debug)]
pub struct Gate {
    policy: ArcSwap<Policy>,
    counters: Arc<ConnectionCounters>,
    breakers: Breakers,
    log_once: LogOnce,
    wrong_passwords: WrongPasswords,
    refusal_log: Arc<RefusalLog>,
    /// Cancels the task that closes sessions for the policy in force, when a newer policy replaces it.
    closing: Mutex<CancellationToken>,
}

/// The facts that a page gets before it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The transports that it may use, preferred first.
    pub transports: Vec<&'static str>,
    /// The only scheme that it may connect by, if match-origin-protocol is set.
    pub bound_to: Option<Scheme>,
    /// The rate-limit key of its client: an IPv4 address, or an IPv6 /64.
    pub bucket: IpAddr,
}

impl Gate {
    /// Puts a first policy in force.
    pub fn new(policy: Policy) -> Arc<Self> {
        Self::with_log(policy, RefusalLog::default())
    }

    /// Puts a first policy in force. `observer` learns of refusals, and names their causes for the log.
    pub fn observed(policy: Policy, observer: Arc<dyn RefusalObserver>) -> Arc<Self> {
        Self::with_log(policy, RefusalLog::observed(observer))
    }

    fn with_log(policy: Policy, refusal_log: RefusalLog) -> Arc<Self> {
        Arc::new(Gate {
            policy: ArcSwap::from_pointee(policy),
            counters: Arc::default(),
            breakers: Breakers::default(),
            log_once: LogOnce::default(),
            wrong_passwords: WrongPasswords::default(),
            refusal_log: Arc::new(refusal_log),
            closing: Mutex::default(),
        })
    }

    /// Sessions, WebSockets and refusals, counted.
    pub fn counters(&self) -> &Arc<ConnectionCounters> {
        &self.counters
    }

    /// The circuit breakers for WebSockets.
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    pub(super) fn log_once(&self) -> &LogOnce {
        &self.log_once
    }

    /// The policy in force, cheaper than [`Gate::policy`], for a single request.
    pub(super) fn load_policy(&self) -> Guard<Arc<Policy>> {
        self.policy.load()
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Whether an address is that of a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.policy.load().trusted_proxies.contains(address)
    }

    /// Puts a new policy in force, and closes the sessions that it does not allow, a few at a time; they
    /// may come back by an allowed way. Other sessions do not notice. Returns the differences from the
    /// old policy, one line for each setting.
    pub fn apply(&self, policy: Policy, engine: &Engine) -> Vec<String> {
        let new = Arc::new(policy);
        let old = self.policy.swap(Arc::clone(&new));
        let cancelled = CancellationToken::new();
        let previous = {
            let mut current = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, cancelled.clone())
        };
        previous.cancel();
        let changes = old.difference(&new);
        if !changes.is_empty() {
            // Refusals under the new policy are logged once again.
            self.log_once.clear();
            self.refusal_log.clear();
        }
        let task_engine = engine.clone();
        engine.spawn(async move {
            tokio::select! {
                () = cancelled.cancelled() => {}
                () = task_engine.stopping().cancelled() => {}
                () = close_disallowed(&task_engine, &new) => {}
            }
        });
        changes
    }

    /// Whether a session may join a namespace on its current transport.
    ///
    /// # Errors
    /// The policy's refusal.
    pub(crate) fn check_namespace(
        &self,
        session: &Session,
        namespace: &str,
    ) -> Result<(), Refusal> {
        let policy = self.policy.load();
        let Some(client_info) = ClientInfo::of(session).filter(|_| !policy.rules.is_empty()) else {
            return Ok(());
        };
        let transport = session.transport();
        let admitted = policy.check_namespace(&client_info.visitor(), transport, namespace);
        if let Err(refusal) = &admitted {
            self.counters.count_refusal(refusal);
            self.refusal_log.count(Refused::Namespace, session.handshake().bucket, refusal);
            let (sid, label, namespace) = (session.sid(), refusal.label(), truncated(namespace));
            debug!(%sid, transport, namespace, label, reason = %refusal, "namespace refused");
        }
        admitted
    }

    /// Whether a session's client may log in as an administrator. `is_right` compares what it gave; it is not
    /// asked if its address failed too often just now.
    ///
    /// # Errors
    /// [`Refusal::Login`], counted and logged as all refusals are.
    pub(crate) fn check_login(
        &self,
        session: &Session,
        is_right: impl FnOnce() -> bool,
    ) -> Result<(), Refusal> {
        let network = session.handshake().bucket;
        let checked = self.wrong_passwords.check(network, is_right);
        if let Err(refusal) = &checked {
            self.counters.count_refusal(refusal);
            self.refusal_log.count(Refused::Login, network, refusal);
            let (sid, label) = (session.sid(), refusal.label());
            debug!(%sid, label, reason = %refusal, "login refused");
        }
        checked
    }

    /// Logs the refusals that have had no line yet.
    pub fn tell_refusals(&self) {
        self.refusal_log.clear();
    }

    /// Remembers that a session has joined or left a namespace.
    pub(crate) fn set_joined(&self, session: &Session, namespace: &str, joined: bool) {
        if let Some(client_info) = ClientInfo::of(session) {
            client_info.set_joined(namespace, joined);
        }
    }

    /// The facts for the page of the client that sent this request.
    pub(crate) fn welcome(&self, headers: &HeaderMap, path: &str, peer: Peer) -> Welcome {
        let policy = self.policy.load();
        let forwarded = proxy_headers::of(headers, peer, &policy);
        let source =
            forwarded::source(peer.remote, peer.scheme, &forwarded, &policy.trusted_proxies);
        let visitor = client::visitor(headers, path, &source);
        Welcome {
            transports: policy.transports_for(&visitor).names().to_vec(),
            bound_to: policy.match_origin_protocol.then_some(visitor.scheme),
            bucket: visitor.client.bucket(),
        }
    }

    /// Refuses, and counts, a client that the policy allows but that supports none of the `offered`
    /// transports. `asked` stands in the refusal for a transport's name.
    pub(crate) fn deny_no_common_transport(
        &self,
        asked: &'static str,
        offered: Vec<&'static str>,
    ) -> Denial {
        let refusal = Refusal::Transport { asked, allowed: offered.join(", "), rule: None };
        self.counters.count_refusal(&refusal);
        Denial { refusal, allowed: offered }
    }

    /// The client that sent a request, as trusted proxies name it.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: Peer) -> Client {
        self.source(headers, peer).0
    }

    /// The client that sent a request and the scheme that it used, as trusted proxies name them.
    pub(crate) fn source(&self, headers: &HeaderMap, peer: Peer) -> (Client, Scheme) {
        let policy = self.policy.load();
        let forwarded = proxy_headers::of(headers, peer, &policy);
        let source =
            forwarded::source(peer.remote, peer.scheme, &forwarded, &policy.trusted_proxies);
        (source.client, source.scheme)
    }

    /// The host that a client asked for, if a trusted proxy names it.
    pub(crate) fn named_host(&self, headers: &HeaderMap, peer: Peer) -> Option<String> {
        let policy = self.policy.load();
        let told = proxy_headers::of(headers, peer, &policy);
        let source = forwarded::source(peer.remote, peer.scheme, &told, &policy.trusted_proxies);
        source.host.map(std::borrow::Cow::into_owned)
    }

    /// Logs a refused request, with others of its kind; and the setting that would have allowed it, once for
    /// each origin.
    pub(crate) fn log_refusal(&self, refusal: &Refusal, remote: Client) {
        self.log_once.refusal(refusal, remote);
        self.refusal_log.count(Refused::Request, remote.bucket(), refusal);
    }

    /// Tells who observes refusals of connections that got no place: `setting` bounds them.
    pub(crate) fn connections_refused(
        &self,
        setting: &'static str,
        reason: &str,
        remote: Option<IpAddr>,
        count: u64,
    ) -> Option<Named> {
        let network = remote.map(|address| Client::Address(address).bucket());
        let what = "connections";
        self.refusal_log.tell(&Refusals { what, label: setting, reason, network, count })
    }

    /// Logs that a new session is not offered a WebSocket, with others of its network.
    pub(super) fn log_withheld(&self, refusal: &Refusal, remote: Client) {
        self.refusal_log.count(Refused::Offer, remote.bucket(), refusal);
    }

    /// Logs a request of a session that is not here, with others.
    pub(crate) fn log_unknown_session(&self, sid: &str) {
        self.refusal_log.count_unknown_session(sid);
    }

    /// Logs, once for each rule, that the settings leave WebSocket out for clients of it.
    pub(super) fn log_left_out(&self, refusal: &Refusal) {
        let Refusal::Transport { rule, .. } = refusal else { return };
        if !self.log_once.is_left_out_new(rule.as_deref().unwrap_or_default()) {
            return;
        }
        let (label, reason) = (refusal.label(), refusal.to_string());
        let what = "offers of WebSocket";
        let refusals = Refusals { what, label, reason: &reason, network: None, count: 1 };
        let named = self.refusal_log.tell(&refusals);
        let (cause, certainty) = (named.map(|it| it.cause), named.map(|it| it.certainty));
        info!(
            label, %reason, cause, certainty,
            "the settings leave WebSocket out: these clients stay on what they have"
        );
    }

    /// Logs a path where a client looks for the engine in vain, once for each path.
    pub(crate) fn log_wrong_path(&self, path: &str, expected: &str, remote: Client) {
        self.log_once.wrong_path(client::prefix(path, client::PATH_MAX), expected, remote);
    }
}

/// Sessions are closed in batches with pauses, 100 per second, because the clients come back at the same
/// rate.
const CLOSE_BATCH: usize = 10;
const CLOSE_PAUSE: Duration = Duration::from_millis(100);

/// Closes the sessions that a policy does not allow.
async fn close_disallowed(engine: &Engine, policy: &Policy) {
    let mut moved = 0;
    for session in engine.sessions() {
        let Some(client_info) = ClientInfo::of(&session) else { continue };
        let transport = session.transport();
        let Err(refusal) = client_info.check(policy, transport) else { continue };
        session.close(CloseReason::Moved(refusal.label()));
        moved += 1;
        if moved % CLOSE_BATCH == 0 {
            tokio::time::sleep(CLOSE_PAUSE).await;
        }
    }
    if moved > 0 {
        info!(moved, "sessions were told to come back another way");
    }
}
