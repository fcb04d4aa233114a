//! Why something is not done for a client.

use serde_json::{Value, json};

use super::allowance::TooFast;
use super::name::BadName;

/// A refusal: `reason` for programs, `message` for people.
#[derive(Debug)]
pub struct ChatError {
    pub reason: &'static str,
    pub message: String,
    /// Its name in the log, where it is that of the setting that says no.
    pub label: &'static str,
}

impl ChatError {
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        ChatError { reason, message: message.into(), label: reason }
    }

    pub fn not_joined() -> Self {
        ChatError::new("not joined", "choose a name first")
    }

    /// `what` there is too much of.
    pub fn too_fast(what: &str, too_fast: &TooFast) -> Self {
        let TooFast { kind, shared, wait } = too_fast;
        let seconds = wait.as_millis().div_ceil(1000);
        let whose = if *shared { " from your network" } else { "" };
        let message = format!("too {what} at once{whose}: wait {seconds} s");
        ChatError { label: kind.setting(), ..ChatError::new("rate", message) }
    }

    /// The answer to who wants an acknowledgement.
    pub fn answer(&self) -> Value {
        json!({ "ok": false, "reason": self.reason, "message": self.message })
    }

    /// What an event tells of it.
    pub fn event(&self) -> Value {
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
    use std::time::Duration;

    use super::super::allowance::Kind;
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
            let too_fast = TooFast { kind, shared, wait: Duration::from_millis(millis) };
            let error = ChatError::too_fast("many", &too_fast);
            assert_eq!((error.reason, error.label), ("rate", label));
            assert_eq!(error.message, message);
        }
    }
}
