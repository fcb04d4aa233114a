//! The errors that engine requests are answered with.

use std::borrow::Cow;

use http::header::{CONNECTION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::engine::{SessionError, Unavailable, process_name};
use crate::http::{BodyError, Response, response};
use crate::policy::Refusal;

/// An error answer. Its codes and messages are those of Engine.IO (engineio.md §10), unless a variant says
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("Transport unknown")]
    TransportUnknown { allowed: Vec<&'static str> },
    #[error("Session ID unknown")]
    SidUnknown,
    #[error("Bad handshake method")]
    BadMethod,
    #[error("Bad request")]
    BadRequest { reason: &'static str },
    /// A request for a WebSocket that is no upgrade as RFC 6455 has it.
    #[error("Bad request")]
    NoUpgrade { fault: UpgradeFault },
    /// A protocol parameter is present more than once, so its value is ambiguous.
    #[error("Bad request")]
    Repeated { parameter: &'static str },
    /// A part of the request is longer than a session keeps.
    #[error("Bad request")]
    TooLong { what: &'static str, limit: usize },
    /// The policy refuses the request. `allowed`: the transports that this visitor may use.
    #[error("{}", message(.refusal))]
    Refused { refusal: Refusal, allowed: Vec<&'static str> },
    /// The application does not let the session open.
    #[error("{}", if .message.is_empty() { "Forbidden" } else { .message })]
    Forbidden { message: Cow<'static, str> },
    #[error("Unsupported protocol version")]
    BadProtocol { known: &'static str },
    /// Not in the reference: a body over `max-payload`. The session goes on.
    #[error("Payload too large")]
    TooLarge { limit: usize },
    /// Not in the reference: no session can be opened now. A later try may succeed.
    #[error("Service unavailable")]
    Unavailable { reason: String, setting: Option<&'static str> },
    /// Not in the reference: the body did not come in time, or not whole.
    #[error("Request body incomplete")]
    Incomplete,
}

/// What makes a request for a WebSocket no upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "UpgradeFault::reason says it")]
pub enum UpgradeFault {
    UpgradeMissing,
    ConnectionMissing,
    Http10,
    Version,
    KeyMissing,
    Key,
    Body,
}

impl UpgradeFault {
    /// A word for it.
    pub fn label(self) -> &'static str {
        match self {
            UpgradeFault::UpgradeMissing => "upgrade-missing",
            UpgradeFault::ConnectionMissing => "connection-missing",
            UpgradeFault::Http10 => "http10",
            UpgradeFault::Version => "websocket-version",
            UpgradeFault::KeyMissing => "key-missing",
            UpgradeFault::Key => "key",
            UpgradeFault::Body => "body",
        }
    }

    /// It in words.
    pub fn reason(self) -> &'static str {
        match self {
            UpgradeFault::UpgradeMissing => "no WebSocket upgrade: the Upgrade header is missing",
            UpgradeFault::ConnectionMissing => "no WebSocket upgrade: Connection says otherwise",
            UpgradeFault::Http10 => "no WebSocket upgrade: the request is of HTTP/1.0",
            UpgradeFault::Version => "only WebSocket version 13 is spoken",
            UpgradeFault::KeyMissing => "Sec-WebSocket-Key is missing",
            UpgradeFault::Key => "Sec-WebSocket-Key is not 16 bytes of base64, once",
            UpgradeFault::Body => "no WebSocket upgrade: the request has a body",
        }
    }
}

impl Error {
    /// A request that breaks the protocol.
    pub fn bad_request(reason: &'static str) -> Self {
        Error::BadRequest { reason }
    }

    /// The integer code of Engine.IO.
    pub fn code(&self) -> u8 {
        match self {
            Error::TransportUnknown { .. }
            | Error::Refused { refusal: Refusal::Transport { .. }, .. } => 0,
            Error::SidUnknown => 1,
            Error::BadMethod => 2,
            Error::BadRequest { .. }
            | Error::NoUpgrade { .. }
            | Error::Repeated { .. }
            | Error::TooLong { .. }
            | Error::TooLarge { .. }
            | Error::Incomplete => 3,
            Error::Refused { .. } | Error::Forbidden { .. } | Error::Unavailable { .. } => 4,
            Error::BadProtocol { .. } => 5,
        }
    }

    /// A word for the reason: the label of the policy's refusal, or what is wrong with the request.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Refused { refusal, .. } => refusal.label(),
            Error::NoUpgrade { fault } => fault.label(),
            Error::TransportUnknown { .. } => "transport-unknown",
            Error::SidUnknown => "session-unknown",
            Error::BadMethod => "method",
            Error::BadRequest { .. } | Error::Repeated { .. } | Error::TooLong { .. } => "request",
            Error::Forbidden { .. } => "application",
            Error::BadProtocol { .. } => "protocol",
            Error::TooLarge { .. } => "too-large",
            Error::Unavailable { .. } => "unavailable",
            Error::Incomplete => "incomplete",
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Error::Refused { refusal, .. } => match refusal {
                Refusal::Transport { .. } => StatusCode::BAD_REQUEST,
                Refusal::Origin { .. }
                | Refusal::Unnamed
                | Refusal::Scheme { .. }
                | Refusal::Login { .. } => StatusCode::FORBIDDEN,
                Refusal::SessionsOfAddress { .. } | Refusal::Handshakes { .. } => {
                    StatusCode::TOO_MANY_REQUESTS
                }
                Refusal::Sessions { .. } | Refusal::WebSockets { .. } | Refusal::Breaker { .. } => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
            },
            Error::Forbidden { .. } => StatusCode::FORBIDDEN,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Incomplete => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// A reason that is more exact than the message of the reference.
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Error::TransportUnknown { allowed } => {
                Cow::Owned(format!("no such transport; allowed: {}", allowed.join(", ")))
            }
            Error::Refused { refusal, .. } => Cow::Owned(refusal.to_string()),
            Error::Unavailable { reason, .. } => Cow::Borrowed(reason.as_str()),
            Error::BadRequest { reason } => Cow::Borrowed(*reason),
            Error::NoUpgrade { fault } => Cow::Borrowed(fault.reason()),
            Error::Repeated { parameter } => {
                Cow::Owned(format!("the parameter {parameter} is there more than once"))
            }
            Error::TooLong { what, limit } => Cow::Owned(format!("{what} is over {limit} bytes")),
            Error::TooLarge { limit } => Cow::Owned(format!("at most {limit} bytes are taken")),
            Error::Incomplete => Cow::Borrowed("the body did not come whole in time"),
            Error::BadProtocol { known } => Cow::Owned(format!("EIO has to be {known}")),
            Error::BadMethod => Cow::Borrowed("a session is opened by GET"),
            Error::SidUnknown | Error::Forbidden { .. } => return None,
        })
    }

    /// The answer for polling transports: JSON with `code` and `message` as in the reference, and the
    /// server's own fields `reason`, `allowed`, `refusal` and `server`.
    pub fn json(&self) -> Response {
        let mut body = json!({ "code": self.code(), "message": self.to_string() });
        if let Some(reason) = self.reason() {
            body["reason"] = reason.into();
        }
        if let Error::TransportUnknown { allowed } | Error::Refused { allowed, .. } = self {
            body["allowed"] = allowed.iter().copied().collect::<Value>();
        }
        if let Error::NoUpgrade { .. } = self {
            // A page finds out by it whether several servers answer.
            body["server"] = process_name().into();
        }
        if let Error::Refused { refusal, .. } = self {
            body["refusal"] = refusal.label().into();
        }
        if let Error::Unavailable { setting: Some(setting), .. } = self {
            body["refusal"] = (*setting).into();
        }
        let mut response = response(self.status(), "application/json", body.to_string());
        self.set_retry_after(response.headers_mut());
        if let Error::Incomplete = self {
            // The rest of the body may still come, and must not be read as a request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn set_retry_after(&self, headers: &mut HeaderMap) {
        if let Error::Refused { refusal, .. } = self
            && let Some(seconds) = refusal.retry_after()
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    /// The message of the reference and the reason in one line, with the allowed transports if the policy
    /// refuses.
    fn line(&self) -> String {
        match self {
            Error::Refused { refusal, allowed } => {
                format!("{self}: {}", refusal.with_allowed(allowed))
            }
            Error::BadRequest { reason } => format!("{self}: {reason}"),
            Error::NoUpgrade { .. } | Error::Repeated { .. } | Error::TooLong { .. } => {
                format!("{self}: {}", self.reason().unwrap_or_default())
            }
            _ => self.to_string(),
        }
    }

    /// The answer for upgrade requests: one line of text.
    pub fn text(&self) -> Response {
        let status = match self.status() {
            StatusCode::FORBIDDEN => StatusCode::BAD_REQUEST,
            status => status,
        };
        // The content type is that of the reference. The line may repeat the client's own text, so HTML in
        // it is escaped.
        let line = self.line().replace('&', "&amp;").replace('<', "&lt;");
        let mut response = response(status, "text/html", line);
        self.set_retry_after(response.headers_mut());
        // A client that asked for another protocol sends no more HTTP requests on this connection.
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response
    }
}

/// The nearest message of the reference (engineio.md §10).
fn message(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Transport { .. } => "Transport unknown",
        Refusal::Origin { .. }
        | Refusal::Unnamed
        | Refusal::Scheme { .. }
        | Refusal::Login { .. } => "Forbidden",
        Refusal::SessionsOfAddress { .. } | Refusal::Handshakes { .. } => "Too many requests",
        Refusal::Sessions { .. } | Refusal::WebSockets { .. } | Refusal::Breaker { .. } => {
            "Service unavailable"
        }
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
        Error::Unavailable { reason: unavailable.to_string(), setting: None }
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Gone => Error::SidUnknown,
            SessionError::WrongTransport => {
                Error::bad_request("the session is on another transport")
            }
            SessionError::Overlap => Error::bad_request("another request of the same kind is open"),
            SessionError::AlreadyUpgrading => {
                Error::bad_request("an upgrade is under way, or done")
            }
        }
    }
}
