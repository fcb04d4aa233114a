//! Requests of clients and pages for a path where nothing is: a proxy took a part of the path away,
//! or the client's option `path` is another. The page gets to read the answer, which says where the
//! engine is, and the operator is told once.

use http::header::ORIGIN;
use http::{HeaderMap, Method, Request, Uri};

use super::Negotiator;
use super::cors::Cors;
use crate::admission::Peer;
use crate::http::Response;
use crate::policy::Client;
use crate::transport::Query;

/// A request whose path is not the engine's: it may come from a client with a wrong path.
pub(crate) struct Astray {
    cors: Cors,
    asked: Uri,
    /// The query is one of a client, so that no page is meant.
    pub is_client: bool,
    is_options: bool,
    /// Of a request that may be a client's; `None` if a person typed a path, or a link is broken.
    remote: Option<Client>,
}

impl Negotiator {
    /// Reads a request that is not for the engine.
    pub(crate) fn astray<B>(&self, request: &Request<B>, peer: Peer) -> Astray {
        let headers = request.headers();
        let asked = request.uri().clone();
        let is_client = asked.query().is_some_and(Query::is_engineio);
        let may_be = is_client || headers.contains_key(ORIGIN) || asked.path().ends_with("/1/");
        Astray {
            cors: Cors::of(headers),
            is_client,
            is_options: request.method() == Method::OPTIONS,
            remote: may_be.then(|| self.gate().client(headers, peer)),
            asked,
        }
    }

    /// Completes the headers of a 404. `expected` is the path of the engine.
    pub(crate) fn lost(&self, astray: &Astray, expected: &str, headers: &mut HeaderMap) {
        if let Some(remote) = astray.remote {
            astray.cors.apply(headers);
            self.gate().log_wrong_path(astray.asked.path(), expected, remote);
        }
    }
}

impl Astray {
    /// The answer to a client's preflight request. Without it the browser sends no request, and the page
    /// cannot read the reason.
    pub(crate) fn preflight(&self) -> Option<Response> {
        (self.is_client && self.is_options).then(|| self.cors.preflight())
    }
}
