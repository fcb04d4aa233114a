//! `/admin/policy`: reads and changes the policy, for who knows the token.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use serde_json::Value;
use std::sync::Arc;
use warp::{Filter, Rejection, Reply};

/// Bytes of a policy that is sent.
const LARGEST: u64 = 256 * 1024;

/// What an administrator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The policy in force, and what it has refused.
    Look,
    /// Settings as in the file; empty to read the file again.
    Change(String),
}

/// Grants wishes, or says in one line why not.
pub type Grant = dyn Fn(Wish) -> BoxFuture<'static, Result<Value, String>> + Send + Sync;

/// The way in.
#[derive(Clone)]
pub struct Admin {
    pub token: Arc<str>,
    pub grant: Arc<Grant>,
}

pub(super) fn route(
    admin: Option<Admin>,
) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    let body = warp::body::content_length_limit(LARGEST).and(warp::body::bytes());
    let change = warp::post().and(body).map(|body: Bytes| {
        String::from_utf8(body.to_vec()).map(Wish::Change).map_err(|_| "the body is no UTF-8")
    });
    let look = warp::get().map(|| Ok(Wish::Look));
    let token = warp::header::optional::<String>(AUTHORIZATION.as_str());
    // Without a token there is no such page.
    let there = warp::path!("admin" / "policy").and_then(move || {
        let admin = admin.clone();
        async move { admin.ok_or_else(warp::reject::not_found) }
    });
    there.and(token).and(look.or(change).unify()).then(answer)
}

async fn answer(
    admin: Admin,
    token: Option<String>,
    wish: Result<Wish, &'static str>,
) -> impl Reply {
    let bearer = token.as_deref().and_then(|token| token.strip_prefix("Bearer "));
    let known = bearer.is_some_and(|token| same(token.trim().as_bytes(), admin.token.as_bytes()));
    let (status, body) = match (known, wish) {
        (false, _) => {
            let reason = "the header Authorization: Bearer … is missing, or its token is wrong";
            (StatusCode::UNAUTHORIZED, serde_json::json!({ "reason": reason }))
        }
        (true, Err(reason)) => (StatusCode::BAD_REQUEST, serde_json::json!({ "reason": reason })),
        (true, Ok(wish)) => match (admin.grant)(wish).await {
            Ok(body) => (StatusCode::OK, body),
            Err(reason) => (StatusCode::BAD_REQUEST, serde_json::json!({ "reason": reason })),
        },
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
