//! Negotiation: asks the policy about each request below the engine's path, and passes it to its
//! transport and session.

pub(crate) mod astray;
mod cookie;
mod cors;
mod elsewhere;
mod engineio;
mod hooks;
mod keep;
mod socketio09;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::{HeaderMap, HeaderName};
use tracing::debug;

pub use self::cookie::{Cookie, CookieError, SameSite};
pub(crate) use self::elsewhere::is_engineio;
use self::hooks::Hooks;
pub use self::hooks::{EngineRequest, Forbidden};
use self::keep::Keep;
use crate::admission::{ClientInfo, Denial, Gate, Peer, WebSocketMonitor};
use crate::engine::{self, Engine, Handshake, Session, SessionEvent, Via};
use crate::http::Request;
use crate::logged_names::truncated;
use crate::policy::{Client, Policy, Refusal, Scheme, Transports, WEBSOCKET};
use crate::relay::{Relay, Relayed};
use crate::transport::{self, Error, Exchange, Query, REGISTRY, Transport};

/// Answers all requests below the engine's path.
#[derive(Clone)]
pub struct Negotiator {
    engine: Engine,
    gate: Arc<Gate>,
    /// Whether protocols 2 and 3 are spoken.
    eio3: bool,
    keep: Arc<Keep>,
    hooks: Arc<Hooks>,
    /// To other nodes, if there are any.
    relay: Option<Relay>,
}

impl Negotiator {
    /// A negotiator for the sessions of `engine`, under the policy in `gate`.
    pub fn new(engine: Engine, gate: Arc<Gate>) -> Self {
        let (keep, hooks) = (Arc::default(), Arc::default());
        Negotiator { engine, gate, eio3: true, keep, hooks, relay: None }
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

    /// Keeps the URL of the request that opens a session, and these of its headers, for as long as the session:
    /// see [`Handshake::url`] and [`Handshake::headers`]. Nothing is kept by default, because most sessions do
    /// nothing most of the time, and a browser's headers are a third of the memory of one.
    ///
    /// At most 16 KiB are kept of a request: its URL, the values, and 128 bytes for each header. Whoever sends
    /// more is refused with code 3.
    #[must_use]
    pub fn keep_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        Negotiator { keep: Arc::new(Keep::These(names.into_iter().collect())), ..self }
    }

    /// As [`Negotiator::keep_headers`], for all headers.
    #[must_use]
    pub fn keep_all_headers(self) -> Self {
        Negotiator { keep: Arc::new(Keep::All), ..self }
    }

    /// Asks the application before a session opens; never about requests of one that is open. The policy is
    /// asked first. A client that is refused gets 403 with code 4 and the message, or 400 if it asked for a
    /// WebSocket; one of 0.9 gets 403 and `handshake unauthorized`.
    ///
    /// The function has ten seconds, or [`Negotiator::allow_request_timeout`]. Whom it says nothing about by
    /// then, or for whom it panics, gets 503. Until it answers, the client counts as one of the sessions of
    /// the policy's caps.
    ///
    /// ```
    /// # use parlance::engine::Engine;
    /// # use parlance::negotiate::{EngineRequest, Forbidden, Negotiator};
    /// # fn negotiator(engine: Engine) -> Negotiator {
    /// Negotiator::allow_all(engine).allow_request(|request: EngineRequest| async move {
    ///     match request.headers.contains_key("x-api-key") {
    ///         true => Ok(()),
    ///         false => Err(Forbidden::new("no key")),
    ///     }
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn allow_request<F, R>(mut self, decide: F) -> Self
    where
        F: Fn(EngineRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Forbidden>> + Send + 'static,
    {
        let allow = Arc::new(move |request| decide(request).boxed());
        Arc::make_mut(&mut self.hooks).allow = Some(allow);
        self
    }

    /// The time for [`Negotiator::allow_request`] to decide.
    #[must_use]
    pub fn allow_request_timeout(mut self, time: Duration) -> Self {
        Arc::make_mut(&mut self.hooks).time = time;
        self
    }

    /// Calls a function for each answer that opens a session, polled or a 101: what it puts into the map goes
    /// with the answer, in place of the server's headers of the same names. The cookie, if there is one, is in
    /// the map already. Those that frame the answer or upgrade the connection, its content type and its date
    /// are the server's own, and those of CORS that the server sends.
    ///
    /// It is called before the answer is written, in the connection's task, and must not wait.
    #[must_use]
    pub fn initial_headers(
        mut self,
        add: impl Fn(&mut HeaderMap, &EngineRequest) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.hooks).initial = Some(Arc::new(add));
        self
    }

    /// As [`Negotiator::initial_headers`], for each answer to a request that opens a session or belongs to one.
    /// Refusals and preflights are none. For a poll, it is called when the poll comes.
    #[must_use]
    pub fn headers(
        mut self,
        add: impl Fn(&mut HeaderMap, &EngineRequest) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.hooks).every = Some(Arc::new(add));
        self
    }

    /// Sends a cookie with the session's id with each answer that opens a session. Off by default.
    #[must_use]
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        Arc::make_mut(&mut self.hooks).cookie = Some(cookie);
        self
    }

    /// The request as functions of the application see it, if there is one for it.
    fn asked(
        &self,
        request: &Request,
        peer: Peer,
        generation: &'static str,
        transport: Option<&'static str>,
        opens: bool,
    ) -> Option<EngineRequest> {
        let seen = || EngineRequest::of(request, peer, &self.gate, generation, transport);
        self.hooks.are_for(opens).then(seen)
    }

    /// Notes the URL of a request before its path gets its one form, if anybody is going to ask for it.
    pub(crate) fn note_url(&self, request: &mut Request) {
        if !matches!(*self.keep, Keep::Nothing) || self.hooks.are_for(true) {
            keep::note_url(request);
        }
    }

    /// The handshake of a new session, from the request that opens it.
    fn handshake(
        &self,
        request: &Request,
        mut client_info: ClientInfo,
        generation: &'static str,
    ) -> Result<Handshake, Error> {
        let visitor = client_info.visitor();
        Ok(Handshake {
            remote: visitor.client.address(),
            bucket: visitor.client.bucket(),
            secure: visitor.scheme == Scheme::Https,
            issued: engine::now(),
            query: Query::application_part(request.uri().query().unwrap_or_default())?,
            request: self.keep.of(request)?,
            generation,
            proxy: client_info.proxy.take(),
            extensions: Box::new(client_info),
        })
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
        let via = match request.extensions().get::<Relayed>() {
            Some(Relayed) => Via::Node,
            None => Via::Client,
        };
        Exchange { request, query, session, via, engine: self.engine.clone(), monitor }
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
