//! `/admin`: reads and changes the policy, shows sessions and what happens to them, and ends them.
//! Requests need the administrator's token.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::secret::is_secret;

/// Bytes of a request body at most.
const LARGEST: u64 = 256 * 1024;

/// A request of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRequest {
    /// About the policy.
    Policy(PolicyRequest),
    /// About sessions.
    Sessions(SessionRequest),
    /// About people: what moderators do.
    Moderation(Value),
}

/// A request about the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRequest {
    /// Returns the policy in force, and counters.
    Status,
    /// Sets settings in the file's syntax, which override the file. Empty to read the file again.
    Change(String),
    /// Removes the override of one key, or all overrides.
    Clear(Option<String>),
}

/// A request about sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionRequest {
    /// Lists sessions, the newest first.
    List(List),
    /// Returns all about the session of that id.
    One(String),
    /// Ends the session of that id.
    Disconnect(String),
    /// Returns the events after that number, and waits for one.
    Events(Option<u64>),
    /// Returns the causes of fallbacks and losses, over time.
    Causes,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Those that ended, in place of open ones.
    pub ended: bool,
    /// Those that have this text somewhere.
    pub text: String,
    /// Those before this number, which ended the page before.
    pub before: Option<u64>,
    /// How many, at most.
    pub limit: usize,
}

/// Sessions on one page, if nothing is said, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

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

    /// A parameter of the query cannot be read.
    pub fn query(reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::BAD_REQUEST, "query", reason)
    }

    /// What moderators do was not done: the error for programs, and the reason.
    pub fn moderation(error: &'static str, reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::BAD_REQUEST, error, reason)
    }

    /// There is no such session, or not any more.
    pub fn session() -> Self {
        let reason = "no session has this id, and none of the last that ended had it";
        AdminError::new(StatusCode::GONE, "session", reason)
    }

    /// Too many such requests are waiting.
    pub fn busy(reason: impl Into<String>) -> Self {
        AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", reason)
    }

    /// The server is stopping.
    pub fn stopping() -> Self {
        let reason = "the server is shutting down";
        AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", reason)
    }
}

/// The path of the page, and of all that administrators ask for.
const PATH: &str = "/admin";

/// Whether a path is the page's, or below it.
pub(super) fn is_below(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The answer to other requests where there is nothing but this.
pub(super) fn nothing_else(base: &str) -> crate::http::Response {
    let text = format!("Not found. Administrators find their page at {base}admin\n");
    crate::http::response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
}

/// Whether a path is that of a request for an administrator.
pub(super) fn is_path(path: &str) -> bool {
    let name = path.strip_prefix("/admin/").and_then(|below| below.split('/').next());
    name.is_some_and(|name| {
        matches!(name, "policy" | "sessions" | "events" | "causes" | "moderation")
    })
}

pub(super) fn route(
    admin: Option<Admin>,
) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    // Without a token in the settings, the path does not exist.
    let enabled = warp::path("admin").and_then(move || {
        let admin = admin.clone();
        async move { admin.ok_or_else(warp::reject::not_found) }
    });
    // The token is checked first, so that no body is read without it.
    let authorized = enabled.and(warp::header::headers_cloned()).and_then(authorize);
    let policy = policy().map(|request: Result<_, _>| request.map(AdminRequest::Policy));
    let sessions = sessions().map(|request: Result<_, _>| request.map(AdminRequest::Sessions));
    let moderation =
        moderation().map(|request: Result<_, _>| request.map(AdminRequest::Moderation));
    let all = policy.or(sessions).unify().or(moderation).unify();
    let answered = authorized.and(all).then(
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

/// Requests below `/admin/policy`.
fn policy() -> impl Filter<Extract = (Result<PolicyRequest, AdminError>,), Error = Rejection> + Clone
{
    let whole = warp::path::end();
    let status = whole.and(warp::get()).map(|| Ok(PolicyRequest::Status));
    let body = warp::body::content_length_limit(LARGEST).and(warp::body::bytes());
    let change = whole.and(warp::post()).and(body).map(|body: Bytes| {
        let text = String::from_utf8(body.to_vec()).map(PolicyRequest::Change);
        text.map_err(|_| AdminError::settings("the body is no UTF-8"))
    });
    let clear_all = whole.map(|| Ok(PolicyRequest::Clear(None)));
    let clear_one = warp::path!(String).map(|key| Ok(PolicyRequest::Clear(Some(key))));
    let clear = warp::delete().and(clear_all.or(clear_one).unify());
    warp::path("policy").and(status.or(change).unify().or(clear).unify())
}

/// Requests below `/admin/sessions`, and for events and causes.
fn sessions()
-> impl Filter<Extract = (Result<SessionRequest, AdminError>,), Error = Rejection> + Clone {
    let query = || {
        let none = warp::any().map(String::new);
        warp::query::raw().or(none).unify()
    };
    let list = warp::path!("sessions").and(warp::get()).and(query());
    let list = list.map(|query: String| list_of(&query).map(SessionRequest::List));
    let one = warp::path!("sessions" / String).and(warp::get());
    let one = one.map(|sid| Ok(SessionRequest::One(sid)));
    let disconnect = warp::path!("sessions" / String).and(warp::delete());
    let disconnect = disconnect.map(|sid| Ok(SessionRequest::Disconnect(sid)));
    let events = warp::path!("events").and(warp::get()).and(query());
    let events = events.map(|query: String| events_of(&query).map(SessionRequest::Events));
    let causes = warp::path!("causes").and(warp::get()).map(|| Ok(SessionRequest::Causes));
    list.or(one).unify().or(disconnect).unify().or(events).unify().or(causes).unify()
}

/// Requests below `/admin/moderation`: a list, or what is to be done, as JSON.
fn moderation() -> impl Filter<Extract = (Result<Value, AdminError>,), Error = Rejection> + Clone {
    let whole = warp::path!("moderation");
    let list = whole.and(warp::get()).map(|| Ok(serde_json::json!({ "action": "list" })));
    let body = warp::body::content_length_limit(LARGEST).and(warp::body::bytes());
    let act = whole.and(warp::post()).and(body).map(|body: Bytes| {
        serde_json::from_slice(&body)
            .map_err(|error| AdminError::moderation("wrong", error.to_string()))
    });
    list.or(act).unify()
}

fn list_of(query: &str) -> Result<List, AdminError> {
    let mut list = List { limit: PAGE, ..List::default() };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "text" => list.text = value.trim().to_lowercase(),
            "before" => list.before = Some(number(&key, &value)?),
            "limit" => list.limit = (number(&key, &value)? as usize).clamp(1, LARGEST_PAGE),
            "ended" => list.ended = value == "true",
            _ => return Err(AdminError::query(format!("{key}: there is no such parameter"))),
        }
    }
    Ok(list)
}

fn events_of(query: &str) -> Result<Option<u64>, AdminError> {
    let mut after = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "after" => after = Some(number(&key, &value)?),
            _ => return Err(AdminError::query(format!("{key}: there is no such parameter"))),
        }
    }
    Ok(after)
}

fn number(key: &str, value: &str) -> Result<u64, AdminError> {
    value.parse().map_err(|_| AdminError::query(format!("{key}: expected a number")))
}

/// The rejection of a request without the right token.
#[derive(Debug)]
struct WrongToken;

impl warp::reject::Reject for WrongToken {}

const SCHEME: &[u8] = b"Bearer ";

async fn authorize(admin: Admin, headers: HeaderMap) -> Result<Admin, Rejection> {
    match has_token(&headers, &admin.token) {
        true => Ok(admin),
        false => Err(warp::reject::custom(WrongToken)),
    }
}

/// Whether a request presents that secret.
pub(super) fn has_token(headers: &HeaderMap, secret: &str) -> bool {
    let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    // The scheme is case-insensitive (RFC 9110, 11.1).
    let (scheme, token) = header.split_at(header.len().min(SCHEME.len()));
    let token = scheme.eq_ignore_ascii_case(SCHEME).then_some(token.trim_ascii());
    token.is_some_and(|token| is_secret(token, secret.as_bytes()))
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
