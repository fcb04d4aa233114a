//! What a new session is made of: its transport and its handshake.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use crate::dialect::{Dialect, Wire};

/// What a session must know of the transport that carries it.
#[derive(Debug)]
pub struct TransportInfo {
    /// Its name in policy, logs and metrics.
    pub name: &'static str,
    /// Its name on the wire. Two transports of one wire name can serve the same session.
    pub wire: &'static str,
    /// One response (or connection) carries many packets.
    pub streams: bool,
    /// Packets need no POST: the connection goes both ways.
    pub duplex: bool,
}

/// What was known when the session opened.
#[derive(Debug)]
pub struct Handshake {
    /// `None` if that is not known for sure.
    pub remote: Option<IpAddr>,
    /// The key by which rate limits count this client: its address or network, or one key for all
    /// clients whose address is not known.
    pub bucket: IpAddr,
    /// The proxy that its first request came through, as far as that is known: a name for logs.
    pub proxy: Option<Arc<str>>,
    /// Whether the client came by https or wss: to this server, or to the outermost of its trusted proxies.
    pub secure: bool,
    /// When it opened, by the system's clock: milliseconds since 1970.
    pub issued: u64,
    /// The application's part of the query string.
    pub query: Box<str>,
    /// Its request, if the server keeps it for the application.
    pub request: Option<Box<KeptRequest>>,
    /// Which clients speak like this, for people who read logs.
    pub generation: &'static str,
    /// Data kept with the session for the layers above, and dropped with it.
    pub extensions: Extensions,
}

/// The request that opened a session, as far as it is kept.
#[derive(Debug)]
pub struct KeptRequest {
    /// Path and query, as the server got them.
    pub url: Box<str>,
    /// Those of its headers that are kept.
    pub headers: HeaderMap,
}

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

impl Handshake {
    /// One of which no more is known than an address and a generation.
    pub fn new(remote: IpAddr, generation: &'static str) -> Self {
        Handshake {
            remote: Some(remote),
            bucket: remote,
            proxy: None,
            secure: false,
            issued: now(),
            query: "".into(),
            request: None,
            generation,
            extensions: Box::new(()),
        }
    }

    /// When it opened, by the system's clock.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.issued)
    }

    /// Path and query of its request, as the server got them. `None` if the server keeps no requests.
    pub fn url(&self) -> Option<&str> {
        self.request.as_deref().map(|request| &*request.url)
    }

    /// The headers of its request that the server keeps: none, unless it was told to keep some.
    pub fn headers(&self) -> &HeaderMap {
        self.request.as_deref().map_or(&NO_HEADERS, |request| &request.headers)
    }
}

/// For [`Handshake::issued`].
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// See [`Handshake::extensions`].
pub type Extensions = Box<dyn std::any::Any + Send + Sync>;

/// What a new session is made of.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The wire generation.
    pub dialect: &'static dyn Dialect,
    /// How the session's packets travel, as its handshake says.
    pub wire: Wire,
    /// The transport that it begins on.
    pub transport: &'static TransportInfo,
    /// Wire names that the open packet offers.
    pub upgrades: &'a [&'static str],
    /// What applications may know of the client.
    pub handshake: Handshake,
}
