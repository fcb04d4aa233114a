//! From an HTTP request to the transport and the session that it is for.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, UPGRADE, USER_AGENT, VARY,
};
use http::{HeaderMap, Method, StatusCode};

use super::gate::{Admitted, Ask, Gate};
use super::guest::Guest;
use super::http::{Error, Request, Response, header, response};
use super::monitor::Monitor;
use super::{Exchange, Query, REGISTRY, Served, Transport};
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{Dialect, StringMode, Strings, Wire};
use crate::engine::{Engine, Handshake, Plan, Session};
use crate::policy::{Policy, Scheme, Step, Transports};

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub remote: IpAddr,
    pub scheme: Scheme,
}

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
        let policy = Policy::open(Transports::all(super::names()));
        Self::new(engine, Gate::new(policy))
    }

    /// Answers an Engine.IO request, whatever it is.
    pub fn serve(&self, request: Request, peer: Peer) -> Answering {
        let dress = Dress::of(request.headers());
        if request.method() == Method::OPTIONS {
            // Before anything is looked up: a preflight carries neither cookie nor body.
            return Answering::Ready(dress.cors.preflight());
        }
        let remote = self.gate.client(request.headers(), peer);
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => Arc::new(query),
            Err(error) => {
                self.gate.log(&error, remote, "", "");
                return Answering::Ready(dress.put_on(Err(error)));
            }
        };
        let (gate, asked) = (Arc::clone(&self.gate), Arc::clone(&query));
        let finish = move |answer: Result<Response, Error>| {
            dress.put_on(answer.inspect_err(|error| {
                let (transport, sid) = (asked.transport.as_deref(), asked.sid.as_deref());
                gate.log(error, remote, transport.unwrap_or_default(), sid.unwrap_or_default());
            }))
        };
        match self.answer(request, query, peer) {
            Served::Now(answer) => Answering::Ready(finish(answer)),
            Served::Later(answer) => {
                Answering::Waiting(Box::pin(async move { finish(answer.await) }))
            }
        }
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
        monitor: Option<Monitor>,
    ) -> Exchange {
        Exchange { request, query, session, engine: self.engine.clone(), monitor }
    }

    fn answer(&self, request: Request, query: Arc<Query>, peer: Peer) -> Served {
        let transport = match self.transport(&query) {
            Ok(transport) => transport,
            Err(error) => return Served::Now(Err(error)),
        };
        let step = match &query.sid {
            None => Step::Opens,
            Some(_) if transport.facts().duplex => Step::Upgrades,
            Some(_) => Step::Continues,
        };
        let session = query.sid.as_deref().and_then(|sid| self.engine.session(sid));
        // Those of 0.9 have URLs of their own.
        let session = session.filter(|session| session.dialect().slot() != SocketIo09.slot());
        let admitted = self.gate.decide(
            &request,
            peer,
            Ask {
                transport: Some(transport.facts()),
                by_element: transport.by_element(),
                step,
                session: session.as_deref(),
                generation: generation(&query),
            },
        );
        let Admitted { guest, monitor, offered } = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return Served::Now(Err(error)),
        };
        let Some(guest) = guest else {
            let session = session.ok_or(Error::SidUnknown);
            let session = session.and_then(|session| transport.check(&request).map(|()| session));
            return match session {
                Ok(session) => transport.serve(self.exchange(request, query, session, monitor)),
                Err(error) => Served::Now(Err(error)),
            };
        };
        let negotiator = self.clone();
        Served::Later(Box::pin(async move {
            let dialect = dialect(&query)?;
            if request.method() != Method::GET {
                return Err(Error::BadMethod);
            }
            transport.check(&request)?;
            let opened = negotiator.open(transport, dialect, &request, &query, guest, &offered);
            let session = opened.await?;
            transport.serve(negotiator.exchange(request, query, session, monitor)).answer().await
        }))
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
        let client = guest.visitor().client;
        let handshake = Handshake {
            remote: client.address(),
            bucket: client.bucket(),
            query: Query::application_part(request.uri().query().unwrap_or_default())?,
            generation: generation(query),
            companion: Box::new(guest),
        };
        let wire = wire(query, request.headers());
        let plan = Plan { dialect, wire, transport: facts, upgrades: &upgrades, handshake };
        Ok(self.engine().open(plan)?)
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

/// A response, at once or later.
pub enum Answering {
    Ready(Response),
    Waiting(BoxFuture<'static, Response>),
}

impl Served {
    pub(super) async fn answer(self) -> Result<Response, Error> {
        match self {
            Served::Now(answer) => answer,
            Served::Later(answer) => answer.await,
        }
    }
}

/// What a response has to be like for the one who asked.
struct Dress {
    cors: Cors,
    upgrading: bool,
    old_ie: bool,
}

impl Dress {
    fn of(headers: &HeaderMap) -> Self {
        Dress {
            cors: Cors::of(headers),
            upgrading: headers.contains_key(UPGRADE),
            old_ie: header(headers, USER_AGENT)
                .is_some_and(|agent| agent.contains(";MSIE") || agent.contains("Trident/")),
        }
    }

    fn put_on(&self, answer: Result<Response, Error>) -> Response {
        let mut response = answer.unwrap_or_else(|error| match self.upgrading {
            true => error.text(),
            false => error.json(),
        });
        self.cors.apply(response.headers_mut());
        if self.old_ie {
            let name = HeaderName::from_static("x-xss-protection");
            response.headers_mut().insert(name, HeaderValue::from_static("0"));
        }
        response
    }
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

    /// What was asked for, but for what proxies alone have to say: a page could pass for one of
    /// another host, if a proxy does not throw that away.
    fn allowed_headers(&self) -> HeaderValue {
        let asked = self.asked_headers.as_ref().and_then(|asked| asked.to_str().ok());
        let asked = asked.unwrap_or("Content-Type");
        let of_proxies = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            name == "forwarded" || name.starts_with("x-forwarded-")
        };
        let allowed: Vec<&str> = asked.split(',').filter(|name| !of_proxies(name)).collect();
        let allowed = HeaderValue::try_from(allowed.join(","));
        allowed.unwrap_or(HeaderValue::from_static("Content-Type"))
    }

    pub fn preflight(&self) -> Response {
        let mut response = response(StatusCode::NO_CONTENT, "", Bytes::new());
        let headers = response.headers_mut();
        self.apply(headers);
        let methods = HeaderValue::from_static("GET,POST,OPTIONS");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers());
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_apart() {
        let of = |raw: &str| generation(&Query::parse(raw).unwrap());
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
            assert_eq!(dialect(&Query::parse(eio).unwrap()).is_ok(), known, "{eio}");
        }
    }
}
