//! Why the room refuses what a client asks for.

use std::time::Duration;

use serde_json::{Value, json};

use super::name::BadName;
use super::rate_limits::RateLimited;

#[derive(Debug)]
pub struct ChatError {
    /// For programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// The reason in the log: for a rate limit the name of the setting, otherwise as `reason`.
    pub label: &'static str,
    /// How long to wait until it can be done, for pages.
    pub wait: Option<Duration>,
}

impl ChatError {
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        ChatError { reason, message: message.into(), label: reason, wait: None }
    }

    pub fn not_joined() -> Self {
        ChatError::new("not joined", "choose a name first")
    }

    pub fn unknown_event(event: &str) -> Self {
        ChatError::new("unknown event", format!("this chat knows no event {event:?}"))
    }

    /// `what` completes the sentence "too … at once", such as "many messages".
    pub fn rate_limited(what: &str, error: &RateLimited) -> Self {
        let RateLimited { kind, shared, wait } = error;
        let seconds = wait.as_millis().div_ceil(1000);
        let whose = if *shared { " from your network" } else { "" };
        let message = format!("too {what} at once{whose}: wait {seconds} s");
        ChatError { label: kind.setting(), ..ChatError::new("rate", message) }
    }

    /// The argument of an acknowledgement.
    pub fn ack_arg(&self) -> Value {
        let mut answer = json!({ "ok": false, "reason": self.reason, "message": self.message });
        if let Some(wait) = self.wait {
            answer["wait"] = (wait.as_millis() as u64).into();
        }
        answer
    }

    /// The argument of an error event.
    pub fn event_arg(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message })
    }
}

impl From<BadName> for ChatError {
    fn from(error: BadName) -> Self {
        ChatError::new("name", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate_limits::Kind;
    use super::*;

    #[test]
    fn who_is_too_fast_is_told_what_and_how_long() {
        for (kind, shared, millis, label, message) in [
            (Kind::Messages, false, 1, "message-rate", "too many at once: wait 1 s"),
            (Kind::Bytes, false, 1000, "byte-rate", "too many at once: wait 1 s"),
            (
                Kind::Notices,
                true,
                1001,
                "message-rate",
                "too many at once from your network: wait 2 s",
            ),
        ] {
            let limited = RateLimited { kind, shared, wait: Duration::from_millis(millis) };
            let error = ChatError::rate_limited("many", &limited);
            assert_eq!((error.reason, error.label), ("rate", label));
            assert_eq!(error.message, message);
        }
    }
}
