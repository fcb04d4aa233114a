//! HTTP pieces that the transports share: bodies in, bodies out, errors.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, ORIGIN, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use serde_json::{Value, json};

use crate::engine::Refused;
use crate::policy::Refusal;

pub type Request = http::Request<Incoming>;
pub type Response = http::Response<Body>;

/// A response body: known as a whole, or streamed piece by piece.
pub enum Body {
    Whole(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|item| item.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_) => SizeHint::default(),
        }
    }
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
            Error::BadRequest { .. } | Error::TooLarge { .. } | Error::Incomplete => 3,
            Error::Refused { .. } | Error::Unavailable { .. } => 4,
            Error::BadProtocol => 5,
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Error::Refused { refusal, .. } => match refusal {
                Refusal::Transport { .. } => StatusCode::BAD_REQUEST,
                Refusal::Origin { .. } | Refusal::Scheme { .. } => StatusCode::FORBIDDEN,
                Refusal::SessionsOfAddress { .. } | Refusal::Handshakes { .. } => {
                    StatusCode::TOO_MANY_REQUESTS
                }
                Refusal::Sessions { .. }
                | Refusal::WebSockets { .. }
                | Refusal::Withheld { .. } => StatusCode::SERVICE_UNAVAILABLE,
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
        response
    }

    fn say_when(&self, headers: &mut HeaderMap) {
        if let Error::Refused { refusal, .. } = self
            && let Some(seconds) = refusal.retry_after()
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    /// In one line: the message of the reference and, if the policy refuses, why and what is allowed.
    fn line(&self) -> String {
        match self {
            Error::Refused { refusal, allowed } => {
                format!("{self}: {}", refusal.with_allowed(allowed))
            }
            _ => self.to_string(),
        }
    }

    /// As upgrade requests are answered: by a line of text.
    pub fn text(&self) -> Response {
        let status = match self {
            Error::Refused { refusal: Refusal::Origin { .. } | Refusal::Scheme { .. }, .. } => {
                StatusCode::BAD_REQUEST
            }
            _ => self.status(),
        };
        // The type is the reference's, and what is refused may be the client's own text.
        let line = self.line().replace('&', "&amp;").replace('<', "&lt;");
        let mut response = response(status, "text/html", line);
        self.say_when(response.headers_mut());
        // Who asked for another protocol has nothing more to say in this one.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// The message of the reference that is nearest (engineio.md §10).
fn message(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Transport { .. } => "Transport unknown",
        Refusal::Origin { .. } | Refusal::Scheme { .. } => "Forbidden",
        Refusal::SessionsOfAddress { .. } | Refusal::Handshakes { .. } => "Too many requests",
        Refusal::Sessions { .. } | Refusal::WebSockets { .. } | Refusal::Withheld { .. } => {
            "Service unavailable"
        }
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

/// Reads a request body of at most `limit` bytes within `patience`.
///
/// # Errors
/// If it is larger, too slow, or ends too early.
pub async fn read_body(body: Incoming, limit: usize, patience: Duration) -> Result<Bytes, Error> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Error::TooLarge { limit });
    }
    let collect = async {
        let mut body = body;
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Error::Incomplete)?.into_data() else { continue };
            if first.len() + rest.len() + data.len() > limit {
                return Err(Error::TooLarge { limit });
            }
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + rest.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        Ok(whole.freeze())
    };
    tokio::time::timeout(patience, collect).await.unwrap_or(Err(Error::Incomplete))
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
