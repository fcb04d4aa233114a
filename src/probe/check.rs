//! The result of one step, and the facts about what failed.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::generation::{Generation, Transport};
use super::http::{Answer, shown};
use crate::diagnosis::{self, Verdict};

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Ok,
    /// The server does not do that, by its own decision or kind. Nothing is wrong.
    Off,
    /// It works, and some clients or some day will have trouble.
    Warn,
    /// It does not work.
    Fail,
}

impl Outcome {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Off => "off",
            Outcome::Warn => "warn",
            Outcome::Fail => "fail",
        }
    }
}

/// One step and its result.
#[derive(Debug, Clone)]
pub struct Check {
    /// What it belongs to: `way`, `EIO=4` and the like, `more`.
    pub group: &'static str,
    /// The name of the step.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// A line for people.
    pub text: String,
    /// Measurements, for programs.
    pub details: Map<String, Value>,
    /// What is known about a failure; empty if there is none.
    pub facts: Facts,
}

/// Facts about one attempt, by name.
pub type Facts = Map<String, Value>;

impl Check {
    pub(super) fn new(
        group: &'static str,
        name: impl Into<String>,
        outcome: Outcome,
        text: impl Into<String>,
    ) -> Self {
        let (name, text) = (name.into(), text.into());
        Check { group, name, outcome, text, details: Map::new(), facts: Facts::new() }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// The cause of what failed, if something did.
    pub fn verdict(&self) -> Option<Verdict> {
        (!self.facts.is_empty())
            .then(|| diagnosis::diagnose(&diagnosis::Facts::from_json(&self.facts)))
    }

    /// The step as JSON.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "group": self.group,
            "check": self.name,
            "outcome": self.outcome.name(),
            "text": self.text,
        });
        if !self.details.is_empty() {
            json["details"] = Value::Object(self.details.clone());
        }
        if !self.facts.is_empty() {
            json["facts"] = Value::Object(self.facts.clone());
        }
        if let Some(verdict) = self.verdict() {
            json["verdict"] = verdict.to_json();
        }
        json
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Facts about an attempt that failed.
pub(super) fn failed(transport: Transport, step: &str, code: &str) -> Facts {
    let mut facts = Facts::new();
    facts.insert("transport".into(), transport.name().into());
    facts.insert("step".into(), step.into());
    facts.insert("code".into(), code.into());
    facts
}

/// Facts about the answer to a plain GET; `None` if there was no answer. `ours` says that the server is
/// known to be Parlance.
pub(super) fn answered(facts: &mut Facts, answer: Option<&Answer>, ours: bool) {
    let Some(answer) = answer else {
        facts.insert("http-status".into(), 0.into());
        return;
    };
    told(facts, "http", answer, ours);
    if let Some(kind) = answer.content_type() {
        facts.insert("http-type".into(), shown(&kind).into());
    }
    if (300..400).contains(&answer.status) && answer.header("location").is_some() {
        facts.insert("http-redirected".into(), true.into());
    }
}

/// Facts about the answer to an upgrade request.
pub(super) fn upgraded(facts: &mut Facts, answer: &Answer, ours: bool) {
    told(facts, "upgrade", answer, ours);
    let words = answer.reason().unwrap_or_else(|| answer.text());
    let named = UPGRADE_FAULTS.iter().find(|(of_it, _)| words.contains(of_it));
    if let Some((reason, label)) = named {
        facts.insert("upgrade-fault".into(), (*label).into());
        facts.insert("refused-by-server".into(), (*reason).into());
    } else if answer.engine_code() == Some(3) {
        // Servers answer JSON to a request that is no upgrade by the time that it arrives.
        facts.insert("upgrade-fault".into(), "no-upgrade".into());
    }
}

/// What Parlance says of a request for a WebSocket that is none, and the label of it.
const UPGRADE_FAULTS: [(&str, &str); 7] = [
    ("the Upgrade header is missing", "upgrade-missing"),
    ("Connection says otherwise", "connection-missing"),
    ("the request is of HTTP/1.0", "http10"),
    ("only WebSocket version 13 is spoken", "websocket-version"),
    ("Sec-WebSocket-Key is missing", "key-missing"),
    ("Sec-WebSocket-Key is not 16 bytes of base64", "key"),
    ("the request has a body", "body"),
];

/// Status, and who says so.
fn told(facts: &mut Facts, what: &str, answer: &Answer, ours: bool) {
    facts.insert(format!("{what}-status"), answer.status.into());
    let text = answer.text();
    let opens = answer.status == 200
        && (text.contains("\"sid\"") || Generation::V09.handshake(&text).is_ok());
    let by = match answer.is_engine() || opens {
        true if ours || answer.reason().is_some() => "parlance",
        true => "socketio",
        false => "other",
    };
    facts.insert(format!("{what}-by"), by.into());
    for header in ["server", "via"] {
        if let Some(value) = answer.header(header) {
            facts.insert(format!("{what}-{header}"), shown(value).into());
        }
    }
}

/// The label of the policy's refusal, from its words.
pub(super) fn refusal(answer: &Answer) -> Option<&'static str> {
    let text = answer.reason().unwrap_or_else(|| answer.text());
    if text.contains("is not allowed here") {
        return Some(if text.contains("origin ") { "origin" } else { "transport" });
    }
    let labels = [
        ("WebSockets are taken", "websockets"),
        ("sessions are taken", "sessions"),
        ("sessions from this address", "sessions-per-address"),
        ("too many handshakes", "handshake-rate"),
        ("circuit breaker", "breaker"),
        ("does not name its page", "unnamed"),
        ("they must be the same", "scheme"),
        ("(max-connections)", "max-connections"),
        ("(max-connections-per-address)", "max-connections-per-address"),
    ];
    labels.iter().find(|(words, _)| text.contains(words)).map(|(_, label)| *label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::slots::NoSlot;
    use crate::transport::error::UpgradeFault;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }
    }

    #[test]
    fn refusals_are_known_by_their_words() {
        for (body, label) in [
            (
                r#"{"code":4,"message":"Forbidden","reason":"origin https://b is not allowed here"}"#,
                "origin",
            ),
            (
                "Forbidden: origin https://b is not allowed here; allowed transports: websocket",
                "origin",
            ),
            ("Transport unknown: transport websocket is not allowed here; allowed: x", "transport"),
            (
                "Service unavailable: all 1 WebSockets are taken; allowed transports: x",
                "websockets",
            ),
        ] {
            assert_eq!(refusal(&answer(400, body)), Some(label), "{body}");
        }
        for full in [NoSlot::AllTaken, NoSlot::Share] {
            assert_eq!(refusal(&answer(503, full.reason())), Some(full.setting()));
        }
        assert_eq!(refusal(&answer(502, "<html>")), None);
    }

    #[test]
    fn what_parlance_says_is_wrong_with_an_upgrade_is_known_by_its_words() {
        use UpgradeFault::{
            Body, ConnectionMissing, Http10, Key, KeyMissing, UpgradeMissing, Version,
        };
        for fault in [UpgradeMissing, ConnectionMissing, Http10, Version, KeyMissing, Key, Body] {
            let json = serde_json::json!({ "code": 3, "message": "Bad request", "reason": fault.reason() });
            for body in [json.to_string(), format!("Bad request: {}", fault.reason())] {
                let mut facts = Facts::new();
                upgraded(&mut facts, &answer(400, &body), true);
                assert_eq!(facts["upgrade-fault"], fault.label(), "{body}");
                assert!(fault.reason().contains(facts["refused-by-server"].as_str().unwrap()));
            }
        }
    }

    #[test]
    fn who_answers_is_told_apart() {
        for (status, body, ours, by) in [
            (400, r#"{"code":3,"message":"Bad request"}"#, false, "socketio"),
            (400, r#"{"code":3,"message":"Bad request"}"#, true, "parlance"),
            (400, r#"{"code":3,"message":"Bad request","reason":"x"}"#, false, "parlance"),
            (200, r#"0{"sid":"a"}"#, false, "socketio"),
            (200, "abc:60:60:websocket", true, "parlance"),
            (200, "<html>", true, "other"),
            (502, "", true, "other"),
        ] {
            let mut facts = Facts::new();
            upgraded(&mut facts, &answer(status, body), ours);
            assert_eq!(facts["upgrade-by"], by, "{body}");
            assert_eq!(facts["upgrade-status"], status);
            // JSON is what a request gets that is no upgrade any more.
            assert_eq!(facts.contains_key("upgrade-fault"), body.contains("\"code\":3"), "{body}");
        }
        let mut facts = Facts::new();
        answered(&mut facts, None, true);
        assert_eq!(facts["http-status"], 0);
    }
}
