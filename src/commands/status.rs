//! What an administrator is shown: the policy in force, where it comes from, and what there is.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::chat::Hasty;
use crate::config::Layers;
use crate::engine::Engine;
use crate::policy::Policy;
use crate::transport::Gate;

/// Where the numbers come from.
pub struct House {
    pub gate: Arc<Gate>,
    pub engine: Engine,
    pub hasty: Arc<Hasty>,
}

impl House {
    /// The settings of the policy by their keys, and beside them what explains them.
    pub fn status(&self, layers: &Layers) -> Value {
        let mut status = settings(&self.gate.policy());
        status.insert("administrator".into(), json!(layers.administrator()));
        let file =
            json!({ "path": layers.path().display().to_string(), "problem": layers.problem() });
        status.insert("file".into(), file);
        status.insert("now".into(), self.now());
        status.insert("refused".into(), self.refused());
        Value::Object(status)
    }

    /// What there is at the moment.
    fn now(&self) -> Value {
        let census = self.gate.census();
        json!({
            "sessions": self.engine.session_count(),
            "websockets": census.websockets(),
            "networks-without-websocket": census.withheld(),
        })
    }

    /// How often each reason was given since the start.
    fn refused(&self) -> Value {
        let refusals = self.gate.census().refusals().chain(self.hasty.counts());
        refusals.map(|(label, count)| (label.to_owned(), Value::from(count))).collect()
    }
}

fn settings(policy: &Policy) -> Map<String, Value> {
    let rules = policy.rules.iter();
    let rule = |rule: &crate::policy::Rule| json!({ "name": rule.name, "transports": rule.transports.names() });
    let settings = [
        ("transports", json!(policy.transports.names())),
        ("rules", rules.map(rule).collect()),
        ("origins", json!(policy.origins.names())),
        ("match-origin-protocol", json!(policy.match_origin_protocol)),
        ("trusted-proxies", json!(policy.trusted_proxies.to_string())),
        ("max-sessions", json!(policy.caps.sessions)),
        ("max-sessions-per-address", json!(policy.caps.sessions_per_address)),
        ("max-websockets", json!(policy.caps.websockets)),
        ("handshake-rate", json!(policy.caps.handshakes_per_address)),
        ("heal-failures", json!(policy.healing.failures)),
        ("heal-rest", json!(format!("{}s", policy.healing.rest.as_secs()))),
        ("heal-longest", json!(format!("{}s", policy.healing.longest.as_secs()))),
    ];
    settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
