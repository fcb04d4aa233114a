//! What requests of the engine are answered with instead of success.

use std::borrow::Cow;

use http::header::{CONNECTION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::admission::Denial;
use crate::engine::{Refused, Unavailable};
use crate::http::{BodyError, Response, response};
use crate::policy::Refusal;

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

impl From<Denial> for Error {
    fn from(Denial { refusal, allowed }: Denial) -> Self {
        Error::Refused { refusal, allowed }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => Error::TooLarge { limit },
            BodyError::Incomplete => Error::Incomplete,
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
