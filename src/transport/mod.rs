//! The ways by which packets reach a browser.
//!
//! A [`Transport`] serves one HTTP request for one session: it sends the packets of the session's
//! outbound queue to the browser, and submits the browser's packets to the session. WebSocket does so
//! for the life of an upgraded connection, polling for one response. A transport is one file here and
//! one line in [`REGISTRY`].

mod compression;
pub mod error;
mod eventsource;
mod htmlfile;
mod jsonp_polling;
mod poll;
pub(crate) mod query;
mod stream;
mod traffic;
mod websocket;
pub(crate) mod ws_frames;
mod ws_io;
mod xhr_polling;

use std::sync::Arc;

use crate::admission::WebSocketMonitor;
use crate::dialect::{Dialect, Frame};
use crate::engine::{Connection, Engine, Session, TransportInfo, Via};
use crate::http::{Request, Response, ResponseFuture};
use crate::net::ConnWriter;

pub use error::Error;
pub use query::Query;
pub use traffic::{Direction, Traffic, traffic};

/// A way by which packets travel.
pub trait Transport: Send + Sync {
    /// Its names and properties, for the policy and the session.
    fn info(&self) -> &'static TransportInfo;

    /// Whether a query names this transport.
    fn matches(&self, query: &Query) -> bool;

    /// Whether handshakes may offer it as an upgrade. `is_own_client`: the client is that of Parlance's
    /// page, which knows more transports than published clients.
    fn advertised(&self, is_own_client: bool) -> bool {
        let _ = is_own_client;
        false
    }

    /// Whether clients of generation 0.9 support it.
    fn supports_v09(&self) -> bool {
        false
    }

    /// Whether an element of any page (a script, a frame, a form) can send its requests, and the answers
    /// run in that page. Then only headers that the browser adds by itself name the page.
    fn by_element(&self) -> bool {
        false
    }

    /// Checks the form of a request, before a session is opened for it.
    ///
    /// # Errors
    /// If a request of this transport cannot have this form.
    fn check(&self, request: &Request) -> Result<(), Error> {
        let _ = request;
        Ok(())
    }

    /// Serves one request of a session.
    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>>;

    /// Answers a request without a session: sends these packets, and closes.
    fn respond_once(
        &self,
        request: &Request,
        query: &Query,
        dialect: &'static dyn Dialect,
        frames: &[Frame],
    ) -> Response;
}

/// All transports, in the default order of preference.
pub static REGISTRY: &[&dyn Transport] = &[
    &websocket::WebSocket,
    &eventsource::EventSource,
    &htmlfile::HtmlFile,
    &xhr_polling::XhrPolling,
    &jsonp_polling::JsonpPolling,
];

/// The names of all transports, in the default order.
pub fn names() -> Vec<&'static str> {
    REGISTRY.iter().map(|transport| transport.info().name).collect()
}

/// A request and the session that it is for.
pub struct Exchange {
    /// The request as it came.
    pub request: Request,
    /// What its query says.
    pub query: Arc<Query>,
    /// The session that it is for.
    pub session: Arc<Session>,
    /// How it came.
    pub via: Via,
    /// All sessions.
    pub engine: Engine,
    /// For a WebSocket: holds its permit, and reports how it ends.
    pub monitor: Option<WebSocketMonitor>,
}

impl Connection for ConnWriter {
    fn held(&self) -> usize {
        ConnWriter::held(self)
    }

    fn cut(&self) {
        ConnWriter::cut(self);
    }
}
