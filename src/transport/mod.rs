//! How packets reach one browser.
//!
//! A [`Transport`] serves one HTTP request for one session: it *drains* the session's outbound
//! queue when the browser can take something, and *feeds* back what the browser sent. WebSocket
//! does so for the life of an upgraded connection, polling for one response. A transport is one
//! file here and one line in [`REGISTRY`].

pub mod error;
mod eventsource;
mod htmlfile;
mod jsonp_polling;
mod poll;
pub(crate) mod query;
mod stream;
mod websocket;
pub(crate) mod ws_frames;
mod ws_io;
mod xhr_polling;

use std::sync::Arc;

use crate::admission::WebSocketMonitor;
use crate::dialect::{Dialect, Frame};
use crate::engine::{Connection, Engine, Session, TransportInfo};
use crate::http::{Request, Response, ResponseFuture};
use crate::net::ConnWriter;

pub use error::Error;
pub use query::Query;

/// One way for packets to travel.
pub trait Transport: Send + Sync {
    fn info(&self) -> &'static TransportInfo;

    /// Whether a request of its wire name is for this transport.
    fn matches(&self, query: &Query) -> bool;

    /// Whether the handshake names it as something to upgrade to; `own_client` is our own page's.
    fn advertised(&self, own_client: bool) -> bool {
        let _ = own_client;
        false
    }

    /// Whether clients of generation 0.9 know it.
    fn supports_v09(&self) -> bool {
        false
    }

    /// Whether an element of any page can make its requests and have the answers run there, with nothing
    /// that names the page but what the browser sends by itself.
    fn by_element(&self) -> bool {
        false
    }

    /// Looks at a request before a session is opened or looked up for it.
    ///
    /// # Errors
    /// If this cannot be a request of this transport.
    fn check(&self, request: &Request) -> Result<(), Error> {
        let _ = request;
        Ok(())
    }

    /// Serves one request.
    fn serve(&self, exchange: Exchange) -> ResponseFuture<Result<Response, Error>>;

    /// Answers a request that no session is there for with these packets, and no more to come.
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
    pub request: Request,
    pub query: Arc<Query>,
    pub session: Arc<Session>,
    pub engine: Engine,
    /// For a WebSocket: what counts it, and watches how it fares.
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
