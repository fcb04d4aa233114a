//! Why requests are refused.

use std::time::Duration;

use super::{Origins, Rule, Scheme, Transports, origin};

/// Why a request was refused. The text is for people; [`Refusal::label`] is for logs and counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("transport {asked} is not allowed here{}; allowed: {allowed}", by(.rule))]
    Transport { asked: &'static str, allowed: String, rule: Option<String> },
    /// `setting` is what would allow it, for the log alone.
    #[error("origin {origin} is not allowed here")]
    Origin { origin: String, setting: String },
    #[error("it is not said which page this comes from, and not all pages may connect")]
    Unnamed,
    #[error(
        "the page was loaded by {} and this connection came by {}: they must be the same",
        .page.name(), .reached.name()
    )]
    Scheme { page: Scheme, reached: Scheme },
    #[error("all {limit} sessions are taken")]
    Sessions { limit: usize },
    #[error("there are {limit} sessions from this address already")]
    SessionsOfAddress { limit: usize },
    #[error("all {limit} WebSockets are taken")]
    WebSockets { limit: usize },
    #[error("too many handshakes from this address: wait {} s", seconds(.wait))]
    Handshakes { wait: Duration },
    #[error(
        "WebSockets of such clients fail in this network, so the circuit breaker is open: the next \
         test is in {} s",
        seconds(.left)
    )]
    Breaker { left: Duration },
}

fn by(rule: &Option<String>) -> String {
    rule.as_ref().map_or_else(String::new, |rule| format!(" (rule {rule})"))
}

/// Whole seconds, rounded up: who waits so long has waited enough.
fn seconds(time: &Duration) -> u64 {
    time.as_millis().div_ceil(1000) as u64
}

/// All labels, in the order of [`Refusal::index`].
pub const LABELS: [&str; 9] = [
    "transport",
    "origin",
    "unnamed",
    "scheme",
    "sessions",
    "sessions-per-address",
    "websockets",
    "handshake-rate",
    "breaker",
];

impl Refusal {
    pub(super) fn transport(
        asked: &'static str,
        allowed: &Transports,
        rule: Option<&Rule>,
    ) -> Self {
        let allowed = allowed.names().join(", ");
        Refusal::Transport { asked, allowed, rule: rule.map(|rule| rule.name.clone()) }
    }

    pub(super) fn origin(text: &str, origins: &Origins) -> Self {
        // The header is the client's own text: cut it before it is repeated.
        let origin = text.chars().take(origin::LONGEST).collect();
        Refusal::Origin { origin, setting: origins.with(text) }
    }

    fn index(&self) -> usize {
        match self {
            Refusal::Transport { .. } => 0,
            Refusal::Origin { .. } => 1,
            Refusal::Unnamed => 2,
            Refusal::Scheme { .. } => 3,
            Refusal::Sessions { .. } => 4,
            Refusal::SessionsOfAddress { .. } => 5,
            Refusal::WebSockets { .. } => 6,
            Refusal::Handshakes { .. } => 7,
            Refusal::Breaker { .. } => 8,
        }
    }

    /// A short word for logs and counts.
    pub fn label(&self) -> &'static str {
        LABELS[self.index()]
    }

    /// The reason together with what is allowed instead.
    pub fn with_allowed(&self, allowed: &[&str]) -> String {
        match self {
            // It names them itself.
            Refusal::Transport { .. } => self.to_string(),
            _ => format!("{self}; allowed transports: {}", allowed.join(", ")),
        }
    }

    /// How long to wait before it is worth another try, in whole seconds, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::Handshakes { wait } => Some(seconds(wait)),
            Refusal::Breaker { left } => Some(seconds(left)),
            _ => None,
        }
    }
}
