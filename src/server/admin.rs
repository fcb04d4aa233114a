//! `/admin/policy`: reads and changes the policy. Requests need the administrator's token.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// Bytes of a request body at most.
const LARGEST: u64 = 256 * 1024;

/// A request of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRequest {
    /// Returns the policy in force, and counters.
    Status,
    /// Sets settings in the file's syntax, which override the file. Empty to read the file again.
    Change(String),
    /// Removes the override of one key, or all overrides.
    Clear(Option<String>),
}

/// Executes requests.
pub type AdminHandler =
    dyn Fn(AdminRequest) -> BoxFuture<'static, Result<Value, AdminError>> + Send + Sync;

/// The token and the handler of the admin API.
#[derive(Clone)]
pub struct Admin {
    /// The secret that requests have to present.
    pub token: Arc<str>,
    /// What answers them.
    pub handler: Arc<AdminHandler>,
}

/// Why a request failed: an error name for programs, and the reason in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminError {
    /// The status of the response.
    pub status: StatusCode,
    /// The error in short, for programs.
    pub error: &'static str,
    /// The error in a sentence, for people.
    pub reason: String,
}

impl AdminError {
    fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Self {
        AdminError { status, error, reason: reason.into() }
    }

    /// A setting is unknown, or its value is invalid alone or together with others.
    pub fn settings(reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::BAD_REQUEST, "settings", reason)
    }

    /// The settings file is invalid or missing.
    pub fn file(reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::CONFLICT, "file", reason)
    }

    /// The server is stopping.
    pub fn stopping() -> Self {
        let reason = "the server is shutting down";
        AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", reason)
    }
}

/// Whether a path is that of an administrator.
pub(super) fn is_path(path: &str) -> bool {
    path.strip_prefix("/admin/policy").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn route(
    admin: Option<Admin>,
) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    // Without a token in the settings, the path does not exist.
    let enabled = warp::path("admin").and(warp::path("policy")).and_then(move || {
        let admin = admin.clone();
        async move { admin.ok_or_else(warp::reject::not_found) }
    });
    // The token is checked first, so that no body is read without it.
    let authorized = enabled.and(warp::header::headers_cloned()).and_then(authorize);
    let whole = warp::path::end();
    let status = whole.and(warp::get()).map(|| Ok(AdminRequest::Status));
    let body = warp::body::content_length_limit(LARGEST).and(warp::body::bytes());
    let change = whole.and(warp::post()).and(body).map(|body: Bytes| {
        let text = String::from_utf8(body.to_vec()).map(AdminRequest::Change);
        text.map_err(|_| AdminError::settings("the body is no UTF-8"))
    });
    let clear_all = whole.map(|| Ok(AdminRequest::Clear(None)));
    let clear_one = warp::path!(String).map(|key| Ok(AdminRequest::Clear(Some(key))));
    let clear = warp::delete().and(clear_all.or(clear_one).unify());
    let request = status.or(change).unify().or(clear).unify();
    let answered = authorized.and(request).then(
        |admin: Admin, request: Result<AdminRequest, AdminError>| async move {
            answer(match request {
                Ok(request) => (admin.handler)(request).await,
                Err(error) => Err(error),
            })
        },
    );
    answered.recover(|rejection: Rejection| async move {
        match rejection_error(&rejection) {
            Some(error) => Ok(answer(Err(error))),
            None => Err(rejection),
        }
    })
}

/// The rejection of a request without the right token.
#[derive(Debug)]
struct WrongToken;

impl warp::reject::Reject for WrongToken {}

const SCHEME: &[u8] = b"Bearer ";

async fn authorize(admin: Admin, headers: HeaderMap) -> Result<Admin, Rejection> {
    let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    // The scheme is case-insensitive (RFC 9110, 11.1).
    let (scheme, token) = header.split_at(header.len().min(SCHEME.len()));
    let token = scheme.eq_ignore_ascii_case(SCHEME).then_some(token.trim_ascii());
    match token.is_some_and(|token| constant_time_eq(token, admin.token.as_bytes())) {
        true => Ok(admin),
        false => Err(warp::reject::custom(WrongToken)),
    }
}

/// The error for a request that a filter rejected; `None` for rejections of other routes.
fn rejection_error(rejection: &Rejection) -> Option<AdminError> {
    use warp::reject::{LengthRequired, PayloadTooLarge};
    if rejection.find::<WrongToken>().is_some() {
        let reason = "the header Authorization: Bearer … is missing, or its token is wrong";
        return Some(AdminError::new(StatusCode::UNAUTHORIZED, "token", reason));
    }
    if rejection.find::<PayloadTooLarge>().is_some() {
        let reason = format!("the body has over {LARGEST} bytes");
        return Some(AdminError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", reason));
    }
    rejection.find::<LengthRequired>().map(|_| {
        let reason = "the header Content-Length is missing";
        AdminError::new(StatusCode::LENGTH_REQUIRED, "length", reason)
    })
}

fn answer(outcome: Result<Value, AdminError>) -> Response {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(AdminError { status, error, reason }) => {
            (status, serde_json::json!({ "error": error, "reason": reason }))
        }
    };
    let mut response = warp::reply::with_status(warp::reply::json(&body), status).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Compares in a time that depends only on the lengths, so that it does not reveal the token.
fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert!(constant_time_eq(b"secret", b"secret"));
        assert!(!constant_time_eq(b"secret", b"secreT"));
        assert!(!constant_time_eq(b"secret", b"secret "));
        assert!(!constant_time_eq(b"", b"secret"));
    }
}
