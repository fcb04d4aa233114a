//! The reasons for which the policy refuses requests.

use std::time::Duration;

use super::{Origins, Rule, Scheme, Transports, origin};

/// The policy's refusal of a request. The text is for people, [`Refusal::label`] for logs and counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("transport {asked} is not allowed here{}; allowed: {allowed}", rule_suffix(.rule))]
    Transport { asked: &'static str, allowed: String, rule: Option<String> },
    /// `setting` is a line of the configuration file that would allow it. It is logged, and never sent.
    #[error("origin {origin} is not allowed here")]
    Origin { origin: String, setting: String },
    #[error("the request does not name its page, and not all pages may connect")]
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
    /// `wait` is for an address that failed too often.
    #[error("{}", login_text(.wait))]
    Login { wait: Option<Duration> },
}

fn login_text(wait: &Option<Duration>) -> String {
    wait.as_ref().map_or_else(
        || "wrong password".into(),
        |wait| format!("too many wrong passwords from this address: wait {} s", seconds(wait)),
    )
}

fn rule_suffix(rule: &Option<String>) -> String {
    rule.as_ref().map_or_else(String::new, |rule| format!(" (rule {rule})"))
}

/// Whole seconds, rounded up, so that a client that waits for them does not come too early.
fn seconds(time: &Duration) -> u64 {
    time.as_millis().div_ceil(1000) as u64
}

/// The labels of all refusals, in the order of [`Refusal::index`].
pub const LABELS: [&str; 10] = [
    "transport",
    "origin",
    "unnamed",
    "scheme",
    "sessions",
    "sessions-per-address",
    "websockets",
    "handshake-rate",
    "breaker",
    "login",
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
        // The header is the client's own text, so it is cut before answers and logs repeat it.
        let origin = text.chars().take(origin::MAX_LENGTH).collect();
        Refusal::Origin { origin, setting: origins.setting_with(text) }
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
            Refusal::Login { .. } => 9,
        }
    }

    /// One of [`LABELS`].
    pub fn label(&self) -> &'static str {
        LABELS[self.index()]
    }

    /// The reason, and the transports that are allowed.
    pub fn with_allowed(&self, allowed: &[&str]) -> String {
        match self {
            // Its text contains them.
            Refusal::Transport { .. } => self.to_string(),
            _ => format!("{self}; allowed transports: {}", allowed.join(", ")),
        }
    }

    /// The time in seconds after which another try may succeed, if it is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::Handshakes { wait } => Some(seconds(wait)),
            Refusal::Breaker { left } => Some(seconds(left)),
            _ => None,
        }
    }
}
