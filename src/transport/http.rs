//! HTTP pieces that the transports share: bodies out, errors.

use std::borrow::Cow;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::Stream;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, ORIGIN,
    RETRY_AFTER, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Incoming, Link, Parked};
use crate::engine::{Refused, Unavailable};
use crate::policy::Refusal;

pub type Request = http::Request<Incoming>;
pub type Response = http::Response<Body>;

/// A response body.
pub enum Body {
    Whole(Bytes),
    /// Comes piece by piece.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    /// Comes whole, but later: the answer to a poll.
    Parked(Box<Parked>),
    /// After the head, the connection is no longer HTTP, and somebody else's. What has been read of
    /// it already comes with it.
    Takeover(Box<dyn FnOnce(Arc<Link>, Bytes) + Send>),
}

/// A response of one piece.
pub fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = http::Response::new(Body::Whole(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Appends the head of a response to a request of HTTP/1.1, up to where [`write_end`] goes on. `close`
/// says that no further request will be read.
pub(crate) fn write_head(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, close: bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        write_header(out, name.as_str(), value.as_bytes());
    }
    if close {
        write_header(out, "connection", b"close");
    }
}

fn write_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the rest of a response whose body is known. No content type if it is empty.
pub(crate) fn write_end(out: &mut Vec<u8>, content_type: &str, body: &[u8]) {
    if !content_type.is_empty() {
        write_header(out, CONTENT_TYPE.as_str(), content_type.as_bytes());
    }
    let mut digits = [0; 20];
    write_header(out, CONTENT_LENGTH.as_str(), decimal(body.len(), &mut digits));
    write_date(out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Appends the rest of a response that has no body by its status.
pub(crate) fn write_bare_end(out: &mut Vec<u8>) {
    write_date(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the rest of the head of a response whose body comes in chunks.
pub(crate) fn write_chunked(out: &mut Vec<u8>) {
    write_header(out, TRANSFER_ENCODING.as_str(), b"chunked");
    write_bare_end(out);
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

/// Appends the `Date` header, which is made once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static MADE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    MADE.with_borrow_mut(|(made, text)| {
        if *made != second {
            (*made, *text) = (second, httpdate::fmt_http_date(now));
        }
        write_header(out, DATE.as_str(), text.as_bytes());
    });
}

/// What a request can be answered with instead of success. The numbers are Engine.IO's
/// (engineio.md §10).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Transport unknown")]
    TransportUnknown { allowed: Vec<&'static str> },
    #[error("Session ID unknown")]
    SidUnknown,
    #[error("Bad handshake method")]
    BadMethod,
    #[error("Bad request")]
    BadRequest { reason: &'static str },
    /// A parameter of the protocol, of which nobody can tell which is meant.
    #[error("Bad request")]
    Repeated { parameter: &'static str },
    /// What the application is to be told is more than is kept with a session.
    #[error("Bad request")]
    QueryTooLong { limit: usize },
    /// The policy's word, and what this visitor may use instead.
    #[error("{}", message(.refusal))]
    Refused { refusal: Refusal, allowed: Vec<&'static str> },
    #[error("Unsupported protocol version")]
    BadProtocol,
    /// Not one of the reference's: a body over `max-payload`. The session is not touched.
    #[error("Payload too large")]
    TooLarge { limit: usize },
    /// Not one of the reference's: no session can be opened now, but later perhaps.
    #[error("Service unavailable")]
    Unavailable { reason: String },
    /// Not one of the reference's: the body did not come in time, or not whole.
    #[error("Request body incomplete")]
    Incomplete,
}

impl Error {
    pub fn bad_request(reason: &'static str) -> Self {
        Error::BadRequest { reason }
    }

    pub fn code(&self) -> u8 {
        match self {
            Error::TransportUnknown { .. }
            | Error::Refused { refusal: Refusal::Transport { .. }, .. } => 0,
            Error::SidUnknown => 1,
            Error::BadMethod => 2,
            Error::BadRequest { .. }
            | Error::Repeated { .. }
            | Error::QueryTooLong { .. }
            | Error::TooLarge { .. }
            | Error::Incomplete => 3,
            Error::Refused { .. } | Error::Unavailable { .. } => 4,
            Error::BadProtocol => 5,
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Error::Refused { refusal, .. } => match refusal {
                Refusal::Transport { .. } => StatusCode::BAD_REQUEST,
                Refusal::Origin { .. } | Refusal::Unnamed | Refusal::Scheme { .. } => {
                    StatusCode::FORBIDDEN
                }
                Refusal::SessionsOfAddress { .. } | Refusal::Handshakes { .. } => {
                    StatusCode::TOO_MANY_REQUESTS
                }
                Refusal::Sessions { .. } | Refusal::WebSockets { .. } | Refusal::Breaker { .. } => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
            },
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Incomplete => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What we know beyond the message of the reference, in words.
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Error::TransportUnknown { allowed } => {
                Cow::Owned(format!("no such transport; allowed: {}", allowed.join(", ")))
            }
            Error::Refused { refusal, .. } => Cow::Owned(refusal.to_string()),
            Error::Unavailable { reason } => Cow::Borrowed(reason.as_str()),
            Error::BadRequest { reason } => Cow::Borrowed(*reason),
            Error::Repeated { parameter } => {
                Cow::Owned(format!("the parameter {parameter} is there more than once"))
            }
            Error::QueryTooLong { limit } => {
                Cow::Owned(format!("the application's part of the query is over {limit} bytes"))
            }
            Error::TooLarge { limit } => Cow::Owned(format!("at most {limit} bytes are taken")),
            Error::Incomplete => Cow::Borrowed("the body did not come whole in time"),
            Error::BadProtocol => Cow::Borrowed("EIO has to be 4, 3 or 2"),
            Error::BadMethod => Cow::Borrowed("a session is opened by GET"),
            Error::SidUnknown => return None,
        })
    }

    /// As clients of polling transports expect it: JSON with an integer code. What we know beyond
    /// the reference's message stands in fields of its own.
    pub fn json(&self) -> Response {
        let mut body = json!({ "code": self.code(), "message": self.to_string() });
        if let Some(reason) = self.reason() {
            body["reason"] = reason.into();
        }
        if let Error::TransportUnknown { allowed } | Error::Refused { allowed, .. } = self {
            body["allowed"] = allowed.iter().copied().collect::<Value>();
        }
        let mut response = response(self.status(), "application/json", body.to_string());
        self.say_when(response.headers_mut());
        if let Error::Incomplete = self {
            // The rest of the body may still come, and is no request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn say_when(&self, headers: &mut HeaderMap) {
        if let Error::Refused { refusal, .. } = self
            && let Some(seconds) = refusal.retry_after()
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    /// In one line: the message of the reference, and what we know beyond it: what was wrong, or why the policy
    /// refuses and what is allowed.
    fn line(&self) -> String {
        match self {
            Error::Refused { refusal, allowed } => {
                format!("{self}: {}", refusal.with_allowed(allowed))
            }
            Error::BadRequest { reason } => format!("{self}: {reason}"),
            Error::Repeated { .. } | Error::QueryTooLong { .. } => {
                format!("{self}: {}", self.reason().unwrap_or_default())
            }
            _ => self.to_string(),
        }
    }

    /// As upgrade requests are answered: by a line of text.
    pub fn text(&self) -> Response {
        let status = match self {
            Error::Refused { .. } if self.status() == StatusCode::FORBIDDEN => {
                StatusCode::BAD_REQUEST
            }
            _ => self.status(),
        };
        // The type is the reference's, and what is refused may be the client's own text.
        let line = self.line().replace('&', "&amp;").replace('<', "&lt;");
        let mut response = response(status, "text/html", line);
        self.say_when(response.headers_mut());
        // Who asked for another protocol has nothing more to say in this one.
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response
    }
}

/// The message of the reference that is nearest (engineio.md §10).
fn message(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Transport { .. } => "Transport unknown",
        Refusal::Origin { .. } | Refusal::Unnamed | Refusal::Scheme { .. } => "Forbidden",
        Refusal::SessionsOfAddress { .. } | Refusal::Handshakes { .. } => "Too many requests",
        Refusal::Sessions { .. } | Refusal::WebSockets { .. } | Refusal::Breaker { .. } => {
            "Service unavailable"
        }
    }
}

impl From<Unavailable> for Error {
    fn from(unavailable: Unavailable) -> Self {
        Error::Unavailable { reason: unavailable.to_string() }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Gone => Error::SidUnknown,
            Refused::WrongTransport => Error::bad_request("the session is on another transport"),
            Refused::Overlap => Error::bad_request("another request of the same kind is open"),
            Refused::AlreadyUpgrading => Error::bad_request("an upgrade is under way, or done"),
        }
    }
}

/// The media type of a request, without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim())
}

pub fn header(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The `Origin` header. One that is no text is still an origin, only none that any rule names.
pub fn origin(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    headers.get(ORIGIN).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// Whether a comma-separated header holds that word, in any case.
pub fn header_has(headers: &HeaderMap, name: http::header::HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(word))
}
