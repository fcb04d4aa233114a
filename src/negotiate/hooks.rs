//! What an application may have a say in before it has a socket: whether a session opens, and the headers of
//! answers.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SET_COOKIE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};
use tokio::time::timeout;

use super::cookie::Cookie;
use super::keep;
use crate::admission::{Gate, Peer};
use crate::engine::Sid;
use crate::http::{Request, Response};
use crate::policy::Scheme;
use crate::transport::Error;

/// How long the application may take to decide, unless it has another time.
const TIME: Duration = Duration::from_secs(10);

/// Headers of an answer that are the server's own.
const OWN: [HeaderName; 13] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request of a client, as an application's functions see it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EngineRequest {
    /// Path and query, as the server got them.
    pub url: Box<str>,
    /// All headers.
    pub headers: HeaderMap,
    /// The client's address, if it is known for sure; trusted proxies are believed.
    pub remote: Option<IpAddr>,
    /// Whether the client came by https or wss.
    pub secure: bool,
    /// Which clients speak like this, as far as the request shows it: such as `0.9` or `3.x-4.x`.
    pub generation: &'static str,
    /// The transport's name. `None` for the handshake of 0.9, which comes before there is one.
    pub transport: Option<&'static str>,
}

impl EngineRequest {
    pub(super) fn of(
        request: &Request,
        peer: Peer,
        gate: &Gate,
        generation: &'static str,
        transport: Option<&'static str>,
    ) -> Self {
        let (client, scheme) = gate.source(request.headers(), peer);
        EngineRequest {
            url: keep::url(request).into(),
            headers: request.headers().clone(),
            remote: client.address(),
            secure: scheme == Scheme::Https,
            generation,
            transport,
        }
    }

    /// The query of its URL, as it came.
    pub fn query(&self) -> &str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }
}

/// Why an application does not let a session open: see
/// [`Negotiator::allow_request`](super::Negotiator::allow_request).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden(Cow<'static, str>);

impl Forbidden {
    /// With a message for the client. Without one, by `default()`, it is told `Forbidden`.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Forbidden(message.into())
    }
}

/// Decides whether a session may open.
type Allow = dyn Fn(EngineRequest) -> BoxFuture<'static, Result<(), Forbidden>> + Send + Sync;
/// Adds headers to an answer.
type AddHeaders = dyn Fn(&mut HeaderMap, &EngineRequest) + Send + Sync;

/// The functions of an application.
#[derive(Clone)]
pub(super) struct Hooks {
    pub allow: Option<Arc<Allow>>,
    pub time: Duration,
    pub cookie: Option<Cookie>,
    pub initial: Option<Arc<AddHeaders>>,
    pub every: Option<Arc<AddHeaders>>,
}

impl Default for Hooks {
    fn default() -> Self {
        Hooks { allow: None, time: TIME, cookie: None, initial: None, every: None }
    }
}

impl Hooks {
    /// Whether there is a function for a request that opens a session, or for one of a session.
    pub fn are_for(&self, opens: bool) -> bool {
        let opening = self.allow.is_some() || self.initial.is_some() || self.cookie.is_some();
        self.every.is_some() || opens && opening
    }

    /// Asks the application whether a session may open.
    ///
    /// # Errors
    /// If it says no, nothing in time, or fails.
    pub async fn allow(&self, request: Option<&EngineRequest>) -> Result<(), Error> {
        let Some((allow, request)) = self.allow.clone().zip(request.cloned()) else {
            return Ok(());
        };
        let unavailable =
            |reason: &str| Error::Unavailable { reason: reason.into(), setting: None };
        let asked = AssertUnwindSafe(async move { allow(request).await }).catch_unwind();
        match timeout(self.time, asked).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(Forbidden(message)))) => Err(Error::Forbidden { message }),
            Ok(Err(_panic)) => Err(unavailable("the application failed to decide")),
            Err(_) => Err(unavailable("the application did not decide in time")),
        }
    }

    /// Adds headers to the answer to a request. `opened` is the session that it opened.
    pub fn add_headers(
        &self,
        mut response: Response,
        opened: Option<Sid>,
        request: Option<&EngineRequest>,
    ) -> Response {
        let Some(request) = request else { return response };
        let mut added = HeaderMap::new();
        if let Some(sid) = opened {
            if let Some(cookie) = &self.cookie {
                added.insert(SET_COOKIE, cookie.value(sid));
            }
            if let Some(initial) = &self.initial {
                initial(&mut added, request);
            }
        }
        if let Some(every) = &self.every {
            every(&mut added, request);
        }
        OWN.iter().for_each(|name| drop(added.remove(name)));
        response.headers_mut().extend(added);
        response
    }
}
