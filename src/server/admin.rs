//! `/admin/policy`: reads and changes the policy, for who knows the token.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// Bytes of a policy that is sent.
const LARGEST: u64 = 256 * 1024;

/// What an administrator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRequest {
    /// The policy in force, and what it has refused.
    Look,
    /// Settings as in the file, that are to win over it; empty to read the file again.
    Change(String),
    /// The end of what was sent before: of one key, or of all.
    Clear(Option<String>),
}

/// Grants wishes, or says why not.
pub type AdminHandler =
    dyn Fn(AdminRequest) -> BoxFuture<'static, Result<Value, AdminError>> + Send + Sync;

/// The way in.
#[derive(Clone)]
pub struct Admin {
    /// The secret that requests have to present.
    pub token: Arc<str>,
    /// What answers them.
    pub handler: Arc<AdminHandler>,
}

/// Why a wish was not granted: a name for programs, and the reason in one line.
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

    /// What was sent cannot be: a setting, its value, or what it comes to with the others.
    pub fn settings(reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::BAD_REQUEST, "settings", reason)
    }

    /// The settings file cannot be taken as it is.
    pub fn file(reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::CONFLICT, "file", reason)
    }

    /// The server is stopping.
    pub fn stopping() -> Self {
        let reason = "the server is shutting down";
        AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", reason)
    }
}

pub(super) fn route(
    admin: Option<Admin>,
) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    // Without a token there is no such page.
    let there = warp::path("admin").and(warp::path("policy")).and_then(move || {
        let admin = admin.clone();
        async move { admin.ok_or_else(warp::reject::not_found) }
    });
    // Before anything else is looked at: nobody waits for the body of a stranger.
    let admitted = there.and(warp::header::headers_cloned()).and_then(admit);
    let whole = warp::path::end();
    let look = whole.and(warp::get()).map(|| Ok(AdminRequest::Look));
    let body = warp::body::content_length_limit(LARGEST).and(warp::body::bytes());
    let change = whole.and(warp::post()).and(body).map(|body: Bytes| {
        let text = String::from_utf8(body.to_vec()).map(AdminRequest::Change);
        text.map_err(|_| AdminError::settings("the body is no UTF-8"))
    });
    let clear_all = whole.map(|| Ok(AdminRequest::Clear(None)));
    let clear_one = warp::path!(String).map(|key| Ok(AdminRequest::Clear(Some(key))));
    let clear = warp::delete().and(clear_all.or(clear_one).unify());
    let wish = look.or(change).unify().or(clear).unify();
    let granted = admitted.and(wish).then(
        |admin: Admin, wish: Result<AdminRequest, AdminError>| async move {
            answer(match wish {
                Ok(wish) => (admin.handler)(wish).await,
                Err(denied) => Err(denied),
            })
        },
    );
    granted.recover(|rejection: Rejection| async move {
        match denied(&rejection) {
            Some(denied) => Ok(answer(Err(denied))),
            None => Err(rejection),
        }
    })
}

/// Who does not know the token gets no further.
#[derive(Debug)]
struct Stranger;

impl warp::reject::Reject for Stranger {}

const SCHEME: &[u8] = b"Bearer ";

async fn admit(admin: Admin, headers: HeaderMap) -> Result<Admin, Rejection> {
    let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    // The scheme is of any case (RFC 9110, 11.1).
    let (scheme, token) = header.split_at(header.len().min(SCHEME.len()));
    let token = scheme.eq_ignore_ascii_case(SCHEME).then_some(token.trim_ascii());
    match token.is_some_and(|token| same(token, admin.token.as_bytes())) {
        true => Ok(admin),
        false => Err(warp::reject::custom(Stranger)),
    }
}

/// What came of a request that was not heard out.
fn denied(rejection: &Rejection) -> Option<AdminError> {
    use warp::reject::{LengthRequired, PayloadTooLarge};
    if rejection.find::<Stranger>().is_some() {
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

/// Compares without telling by its time how much was right.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert!(same(b"secret", b"secret"));
        assert!(!same(b"secret", b"secreT"));
        assert!(!same(b"secret", b"secret "));
        assert!(!same(b"", b"secret"));
    }
}
