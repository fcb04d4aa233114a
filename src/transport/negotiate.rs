//! From an HTTP request to the transport and the session that it is for.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, UPGRADE, USER_AGENT, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::census::Census;
use super::guest::{self, Guest, Trail};
use super::http::{Error, Request, Response, header, response};
use super::websocket::Witness;
use super::{Exchange, Query, REGISTRY, Transport};
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::{Dialect, StringMode, Strings, Wire};
use crate::engine::{CloseReason, Engine, Facts, Handshake, Plan, Session};
use crate::policy::healing::{Change, Fared};
use crate::policy::{
    self, Counts, Decision, Policy, Refusal, Scheme, Step, Transports, Visitor,
};

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub remote: IpAddr,
    pub scheme: Scheme,
}

/// Answers all requests below the path of the engine.
#[derive(Clone)]
pub struct Negotiator {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    policy: ArcSwap<Policy>,
    census: Arc<Census>,
    news: News,
    body_timeout: Duration,
    /// Ends the moving of sessions for a policy that is no more.
    moving: Mutex<CancellationToken>,
}

/// A request that the policy has nothing against.
pub(super) struct Admitted {
    /// For who opens a session.
    pub guest: Option<Guest>,
    /// For who opens a WebSocket.
    pub witness: Option<Witness>,
    /// What may be told of for an upgrade.
    pub offered: Vec<&'static str>,
}

impl Negotiator {
    /// `body_timeout` bounds how long a request body may take to arrive.
    pub fn new(engine: Engine, policy: Policy, body_timeout: Duration) -> Self {
        let shared = Shared {
            engine,
            policy: ArcSwap::from_pointee(policy),
            census: Arc::default(),
            news: News::default(),
            body_timeout,
            moving: Mutex::default(),
        };
        Negotiator { shared: Arc::new(shared) }
    }

    /// Allows all transports and all origins.
    pub fn allow_all(engine: Engine) -> Self {
        let policy = Policy::open(Transports::all(super::names()));
        Self::new(engine, policy, Duration::from_secs(30))
    }

    /// Answers an Engine.IO request, whatever it is.
    pub async fn serve(&self, request: Request, peer: Peer) -> Response {
        let cors = Cors::of(request.headers());
        if request.method() == Method::OPTIONS {
            // Before anything is looked up: a preflight carries neither cookie nor body.
            return cors.preflight();
        }
        let upgrading = request.headers().contains_key(UPGRADE);
        let old_ie = header(request.headers(), USER_AGENT)
            .is_some_and(|agent| agent.contains(";MSIE") || agent.contains("Trident/"));
        let answer = self.answer(request, peer).await;
        let mut response = answer
            .unwrap_or_else(|error| if upgrading { error.text() } else { error.json() });
        cors.apply(response.headers_mut());
        if old_ie {
            let name = HeaderName::from_static("x-xss-protection");
            response.headers_mut().insert(name, HeaderValue::from_static("0"));
        }
        response
    }

    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// What there is at the moment.
    pub fn census(&self) -> &Arc<Census> {
        &self.shared.census
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.shared.policy.load_full()
    }

    /// Puts a new policy in force. Who is still allowed does not notice; sessions that are not any
    /// more are told to come back, a few at a time. Returns what differs, a line for each setting.
    pub fn apply(&self, policy: Policy) -> Vec<String> {
        let old = self.shared.policy.swap(Arc::new(policy));
        let new = self.policy();
        let mine = CancellationToken::new();
        let before = {
            let mut moving = self.shared.moving.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *moving, mine.clone())
        };
        before.cancel();
        let (engine, policy) = (self.engine().clone(), Arc::clone(&new));
        tokio::spawn(async move {
            tokio::select! {
                () = mine.cancelled() => {}
                () = engine.stopping().cancelled() => {}
                () = move_out(&engine, &policy) => {}
            }
        });
        old.difference(&new)
    }

    /// Whether a session may join a namespace on the transport that it is on.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admits(&self, session: &Session, namespace: &str) -> Result<(), Refusal> {
        let policy = self.shared.policy.load();
        let Some(guest) = Guest::of(session).filter(|_| !policy.rules.is_empty()) else {
            return Ok(());
        };
        let admitted = policy.admits(&guest.visitor(), session.transport(), namespace);
        if let Err(refusal) = &admitted {
            self.shared.census.refused(refusal);
        }
        admitted
    }

    pub(super) fn unknown_transport(&self) -> Error {
        Error::TransportUnknown { allowed: self.policy().transports.names().to_vec() }
    }

    pub(super) fn exchange(
        &self,
        request: Request,
        query: Query,
        session: Arc<Session>,
        witness: Option<Witness>,
    ) -> Exchange {
        let (engine, body_timeout) = (self.engine().clone(), self.shared.body_timeout);
        Exchange { request, query, session, engine, body_timeout, witness }
    }

    async fn answer(&self, request: Request, peer: Peer) -> Result<Response, Error> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let answer = self.answer_to(request, &query, peer).await;
        answer.inspect_err(|error| {
            let (transport, sid) = (query.transport.as_deref(), query.sid.as_deref());
            self.log(error, peer, transport.unwrap_or_default(), sid.unwrap_or_default());
        })
    }

    async fn answer_to(
        &self,
        request: Request,
        query: &Query,
        peer: Peer,
    ) -> Result<Response, Error> {
        let transport = self.transport(query)?;
        let step = match &query.sid {
            None => Step::Opens,
            Some(_) if transport.facts().duplex => Step::Upgrades,
            Some(_) => Step::Continues,
        };
        let Admitted { guest, witness, offered } =
            self.decide(&request, peer, Some(transport.facts()), step)?;
        let session = match (&query.sid, guest) {
            (None, Some(guest)) => {
                let dialect = dialect(query)?;
                if request.method() != Method::GET {
                    return Err(Error::BadMethod);
                }
                transport.check(&request)?;
                self.open(transport, dialect, &request, query, guest, &offered).await?
            }
            (sid, _) => {
                let session = sid.as_deref().and_then(|sid| self.engine().session(sid));
                let session = session.ok_or(Error::SidUnknown)?;
                transport.check(&request)?;
                session
            }
        };
        transport.serve(self.exchange(request, query.clone(), session, witness)).await
    }

    /// Asks the policy, with places taken for what the request would add. Without a transport the
    /// request is for none in particular, as the handshake of 0.9.
    pub(super) fn decide(
        &self,
        request: &Request,
        peer: Peer,
        transport: Option<&'static Facts>,
        step: Step,
    ) -> Result<Admitted, Error> {
        let Shared { census, news, .. } = &*self.shared;
        let policy = self.shared.policy.load();
        let (headers, path) = (request.headers(), request.uri().path());
        let trail = Trail::of(headers, peer, &policy.trusted_proxies);
        let visitor = guest::visitor(headers, path, peer, &trail, &policy.trusted_proxies);
        let (seat, mut counts) = match step {
            Step::Opens => {
                let (seat, counts) = census.seat(visitor.remote, policy.caps.handshakes_per_address);
                (Some(seat), counts)
            }
            Step::Upgrades | Step::Starts => (None, census.counts(visitor.remote)),
            // Nothing depends on numbers.
            Step::Continues => (None, Counts::default()),
        };
        let duplex = transport.is_some_and(|transport| transport.duplex);
        let socket = (duplex && step != Step::Continues).then(|| census.websocket());
        if let Some((_, before)) = &socket {
            counts.websockets = *before;
        }
        let transport = transport.map(|transport| transport.name);
        let facts = policy::Facts { visitor, transport, step, counts };
        let Decision { allowed, offered, verdict } = policy.decide(&facts);
        if let Err(refusal) = verdict {
            census.refused(&refusal);
            return Err(Error::Refused { refusal, allowed });
        }
        if let Some(page) = policy.mismatch(&visitor) {
            news.mismatch(&visitor, page);
        }
        let witness = socket.map(|(place, _)| {
            Witness::new(self.clone(), visitor.remote, place)
        });
        let guest = seat.map(|seat| Guest::new(&visitor, seat));
        Ok(Admitted { guest, witness, offered })
    }

    /// Leaves a line in the log about a request that was refused.
    pub(super) fn log(&self, error: &Error, peer: Peer, transport: &str, sid: &str) {
        let reason = error.reason().unwrap_or_default();
        let (remote, code) = (peer.remote, error.code());
        if let Error::Refused { refusal, .. } = error {
            let label = refusal.label();
            if let Refusal::Origin { origin, setting } = refusal
                && self.shared.news.is_new(origin)
            {
                info!(%remote, origin, setting, "origin refused: this setting would allow it");
            }
            debug!(%remote, transport, sid, code, label, %reason, "request refused");
        } else {
            debug!(%remote, transport, sid, code, %error, %reason, "request refused");
        }
    }

    /// Takes note of how a WebSocket fared.
    pub(super) fn note(&self, remote: IpAddr, fared: Fared) {
        let policy = self.shared.policy.load();
        match self.shared.census.note(remote, fared, &policy.healing) {
            Some(Change::Withheld(rest)) => info!(
                %remote, seconds = rest.as_secs(), ?fared,
                "WebSockets from this network fail: not offered for a while"
            ),
            Some(Change::Recovered) => info!(%remote, "WebSockets from this network work again"),
            None => {}
        }
    }

    fn transport(&self, query: &Query) -> Result<&'static dyn Transport, Error> {
        let claims = |transport: &&dyn Transport| transport.claims(query);
        REGISTRY.iter().copied().find(claims).ok_or_else(|| self.unknown_transport())
    }

    async fn open(
        &self,
        transport: &'static dyn Transport,
        dialect: &'static dyn Dialect,
        request: &Request,
        query: &Query,
        guest: Guest,
        offered: &[&'static str],
    ) -> Result<Arc<Session>, Error> {
        let facts = transport.facts();
        let own_client = query.client.as_deref() == Some("parlance");
        let offers = |name: &&'static str| {
            let other = by_name(name)?;
            let other_facts = other.facts();
            let better = (other_facts.duplex || !facts.streams)
                && !facts.duplex
                && other_facts.wire != facts.wire;
            (other.offered(own_client) && better).then_some(other_facts.wire)
        };
        let upgrades: Vec<&'static str> = offered.iter().filter_map(offers).collect();
        let handshake = Handshake {
            remote: guest.visitor().remote,
            query: Query::application_part(request.uri().query().unwrap_or_default()).into(),
            generation: generation(query),
            companion: Box::new(guest),
        };
        let wire = wire(query, request.headers());
        let plan = Plan { dialect, wire, transport: facts, upgrades: &upgrades, handshake };
        let opened = self.engine().open(plan).await;
        opened.map_err(|error| Error::Unavailable { reason: error.to_string() })
    }
}

/// Sessions told to move between two pauses, and the pause: 100 in a second, who come back as fast.
const MOVED_AT_ONCE: usize = 10;
const MOVING_PAUSE: Duration = Duration::from_millis(100);

/// Ends the sessions that a policy does not allow, a few at a time.
async fn move_out(engine: &Engine, policy: &Policy) {
    let mut moved = 0;
    for session in engine.sessions() {
        let Some(guest) = Guest::of(&session) else { continue };
        let transport = session.transport();
        let Err(refusal) = policy.keeps(&guest.visitor(), transport) else { continue };
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

/// What is told once, and not for each request again.
#[derive(Default)]
struct News(Mutex<HashSet<Box<str>>>);

impl News {
    /// Names that are remembered; beyond that nothing is new.
    const MOST: usize = 1000;

    fn is_new(&self, name: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() < Self::MOST && !known.contains(name) && known.insert(name.into())
    }

    /// Advises on a page whose scheme is not that of its connection.
    fn mismatch(&self, visitor: &Visitor<'_>, page: Scheme) {
        let origin = visitor.origin.or(visitor.referer).unwrap_or_default();
        let origin: String = origin.chars().take(policy::origin::LONGEST).collect();
        if self.is_new(&format!("scheme {origin}")) {
            info!(
                origin, page = page.name(), reached = visitor.scheme.name(),
                "page and connection differ in scheme: match-origin-protocol would refuse this; \
                 behind a proxy that ends TLS, trusted-proxies has to name it"
            );
        }
    }
}

pub(super) fn by_name(name: &str) -> Option<&'static dyn Transport> {
    REGISTRY.iter().copied().find(|transport| transport.facts().name == name)
}

/// `4` is protocol 4; `3` and `2`, which 1.0 clients send, are protocol 3 (engineio.md §1).
fn dialect(query: &Query) -> Result<&'static dyn Dialect, Error> {
    match query.eio.as_deref() {
        Some("4") => Ok(&EngineIo4),
        Some("3" | "2") => Ok(&EngineIo3),
        _ => Err(Error::BadProtocol),
    }
}

/// The cache buster of 1.0.5–1.3.7: milliseconds, a dash, a counter.
fn has_early_buster(query: &Query) -> bool {
    let parts = query.t.as_deref().and_then(|t| t.split_once('-'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(millis, n)| millis.len() == 13 && digits(millis) && digits(n))
}

/// Which clients speak like this, for logs.
fn generation(query: &Query) -> &'static str {
    match query.eio.as_deref() {
        Some("4") => "3.x-4.x",
        Some("2") => "1.0.x",
        _ if has_early_buster(query) => "1.0.5-1.3.x",
        _ if query.t.is_some() => "1.4-2.x",
        _ => "1.x-2.x",
    }
}

/// What the handshake tells of the strings to come (engineio.md §4.1.3).
fn wire(query: &Query, headers: &HeaderMap) -> Wire {
    let early = has_early_buster(query);
    let (polling, socket) = match query.eio.as_deref() {
        Some("2") => (Strings::Double, Strings::Double),
        Some("3") if early => (Strings::Double, Strings::Sniff),
        Some("3") if query.t.is_some() => (Strings::Sniff, Strings::Plain),
        // No polling seen. The WebSocket library of the first Node clients gives itself away.
        Some("3") if has_early_key(headers) => (Strings::Sniff, Strings::Sniff),
        Some("3") => (Strings::Sniff, Strings::Plain),
        _ => (Strings::Plain, Strings::Plain),
    };
    Wire {
        base64: query.b64 || query.j.is_some(),
        polling_strings: StringMode::new(polling),
        socket_strings: StringMode::new(socket),
        ..Wire::default()
    }
}

/// Early Node clients make their key of the version and the clock: base64 of `13-<ms>`.
fn has_early_key(headers: &HeaderMap) -> bool {
    let key = header(headers, SEC_WEBSOCKET_KEY).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.decode(key).is_ok_and(|key| {
        key.strip_prefix(b"13-").is_some_and(|clock| clock.iter().all(u8::is_ascii_digit))
    })
}

/// What pages of other origins need to read our answers. Clients before 3.x send credentials, which
/// `*` does not allow, so the origin is echoed; whether it may connect at all is policy.
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    asked_headers: Option<HeaderValue>,
}

impl Cors {
    pub fn of(headers: &HeaderMap) -> Self {
        Cors {
            origin: headers.get(ORIGIN).cloned(),
            asked_headers: headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        }
    }

    pub fn apply(&self, headers: &mut HeaderMap) {
        match &self.origin {
            Some(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
                headers.append(VARY, HeaderValue::from_static("Origin"));
            }
            None => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
        }
    }

    pub fn preflight(&self) -> Response {
        let mut response = response(StatusCode::NO_CONTENT, "", Bytes::new());
        let headers = response.headers_mut();
        self.apply(headers);
        let methods = HeaderValue::from_static("GET,POST,OPTIONS");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        let allowed = self.asked_headers.clone();
        let allowed = allowed.unwrap_or(HeaderValue::from_static("Content-Type"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_apart() {
        let of = |raw: &str| generation(&Query::parse(raw));
        assert_eq!(of("EIO=4&t=jca3zgf3"), "3.x-4.x");
        assert_eq!(of("EIO=2&t=1395000000000-0"), "1.0.x");
        assert_eq!(of("EIO=3&t=1395000000000-12"), "1.0.5-1.3.x");
        assert_eq!(of("EIO=3&t=Q85qr0d"), "1.4-2.x");
        assert_eq!(of("EIO=3"), "1.x-2.x");
    }

    #[test]
    fn early_keys() {
        let headers = |key: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(key));
            headers
        };
        assert!(has_early_key(&headers("MTMtMTc5NTM5MDc5NDAwMA==")));
        assert!(!has_early_key(&headers("dGhlIHNhbXBsZSBub25jZQ==")));
        assert!(!has_early_key(&HeaderMap::new()));
    }

    #[test]
    fn protocols() {
        for (eio, known) in [
            ("EIO=4", true),
            ("EIO=3", true),
            ("EIO=2", true),
            ("EIO=1", false),
            ("EIO=abc", false),
            ("", false),
        ] {
            assert_eq!(dialect(&Query::parse(eio)).is_ok(), known, "{eio}");
        }
    }
}
