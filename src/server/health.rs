//! Answers for health checks of proxies and platforms. They cost next to nothing, pass no policy, and
//! leave no line in the log.

use http::header::{ALLOW, HeaderValue};
use http::{Method, StatusCode};

use crate::http::{Response, response};

const LIVE: &str = "/healthz";
const READY: &str = "/readyz";

/// What `/readyz` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    Stopping,
    /// The node does not reach others, and is not to be used then.
    Alone,
}

/// Answers a health check: `/healthz` and `/readyz`, and OPTIONS for the whole server. `path` is
/// below the base path. `None` for all other requests.
pub(super) fn answer(method: &Method, path: &str, readiness: Readiness) -> Option<Response> {
    let is_own = matches!(path, LIVE | READY);
    match *method {
        Method::OPTIONS if is_own || matches!(path, "/" | "*") => Some(options()),
        // It is no request by the standard, and some checks send it.
        Method::HEAD if path == "*" => Some(options()),
        Method::GET | Method::HEAD if is_own => Some(match readiness {
            _ if path == LIVE => text(StatusCode::OK, "ok\n"),
            Readiness::Ready => text(StatusCode::OK, "ok\n"),
            Readiness::Stopping => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            Readiness::Alone => text(StatusCode::SERVICE_UNAVAILABLE, "alone\n"),
        }),
        _ => None,
    }
}

fn text(status: StatusCode, text: &'static str) -> Response {
    response(status, "text/plain; charset=utf-8", text)
}

/// HAProxy sends `OPTIONS /`, and takes 200 to 399 for good.
fn options() -> Response {
    let mut response = response(StatusCode::OK, "", "");
    let allowed = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
