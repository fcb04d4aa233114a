//! What is outside of the engine's path: the seam where pages, or whatever else, are put into a server.

use http::StatusCode;

use crate::admission::Welcome;
use crate::http::path::Mount;
use crate::http::{Request, Response, ResponseFuture, response};

/// Answers requests outside of the engine's path. Health checks, and the redirect to the base path, are
/// answered before.
pub trait Outside: Send + Sync {
    /// Answers a request. Its path is below the base path of `mount`, and `welcome` is what its client may
    /// use. A 404 is completed with what a client of Socket.IO that has a wrong path needs to read it.
    fn answer(&self, request: Request, welcome: Welcome, mount: &Mount) -> ResponseFuture;
}

/// A 404 that says where the engine is.
pub(super) fn not_found(mount: &Mount) -> Response {
    let text = format!("Not found. Socket.IO is at {}\n", mount.whole_engine());
    response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
}
