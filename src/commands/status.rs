//! The status for administrators: the policy in force, its origin, and counters.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::admission::{self, Gate};
use crate::chat::ChatStats;
use crate::config::Layers;
use crate::diagnosis::Book;
use crate::engine::Engine;
use crate::memory;
use crate::policy::breaker::{Report, State};
use crate::policy::{Policy, Rule};
use crate::relay::Relay;
use crate::socketio::Adapter;
use crate::telemetry;

/// How many circuit breakers are listed at most.
const BREAKERS_SHOWN: usize = 100;

/// The parts of the server that the status is read from.
pub struct StatusSources {
    pub gate: Arc<Gate>,
    pub engine: Engine,
    pub chat_stats: Arc<ChatStats>,
    /// The way to other nodes.
    pub adapter: Arc<dyn Adapter>,
    /// Passes requests on to other nodes, if there are several.
    pub relay: Option<Relay>,
    /// Is told of each change.
    pub book: Arc<Book>,
}

impl StatusSources {
    /// The policy's settings by their keys, together with file, counters, breakers and refusals.
    pub fn status(&self, layers: &Layers) -> Value {
        let mut status = settings(&self.gate.policy());
        status.insert("administrator".into(), json!(layers.administrator()));
        let file =
            json!({ "path": layers.path().display().to_string(), "problem": layers.file_error() });
        status.insert("file".into(), file);
        status.insert("now".into(), self.now());
        status.insert("log".into(), log_files());
        status.insert("cluster".into(), self.cluster());
        status.insert("nodes".into(), self.nodes());
        status.insert("breakers".into(), self.breakers());
        status.insert("refused".into(), self.refused());
        Value::Object(status)
    }

    /// The current numbers.
    fn now(&self) -> Value {
        let counters = self.gate.counters();
        json!({
            "sessions": self.engine.session_count(),
            "websockets": counters.websockets(),
            "breakers": self.gate.breakers().count(),
            "queue-bytes": memory::held(),
        })
    }

    /// Other nodes; null without a cluster.
    fn cluster(&self) -> Value {
        let status = self.adapter.status();
        if !status.is_clustered() {
            return Value::Null;
        }
        json!({
            "alone": status.is_alone(),
            "nodes": self.chat_stats.nodes_elsewhere(),
            "people": self.chat_stats.people_elsewhere(),
            "lost": status.lost,
            "missed": self.chat_stats.messages_missed(),
        })
    }

    /// The other nodes that requests are passed on to, and what they are to this one; null without `cluster-key`.
    fn nodes(&self) -> Value {
        let Some(relay) = &self.relay else { return Value::Null };
        let peers = relay.peers().all();
        let peers =
            peers.iter().map(|(address, it)| json!({ "address": &**address, "state": it.name() }));
        peers.collect()
    }

    /// The circuit breakers that are not closed, at most [`BREAKERS_SHOWN`] of them.
    fn breakers(&self) -> Value {
        let mut shown = Vec::new();
        let seconds = |time: Duration| format!("{}s", time.as_millis().div_ceil(1000));
        self.gate.breakers().report(BREAKERS_SHOWN, |network, breaker| {
            let Report { kind, agent, state, cause } = breaker;
            let left = match state {
                State::Open(left) => Value::from(seconds(*left)),
                _ => Value::Null,
            };
            shown.push(json!({
                "network": admission::network_name(network),
                "generation": kind.generation,
                "agent": agent,
                "state": state.name(),
                "left": left,
                "clients": cause.clients,
                "silent": cause.silent,
                "dropped": cause.clients - cause.silent,
                "since": seconds(cause.since.elapsed()),
            }));
        });
        shown.into()
    }

    /// The number of refusals for each reason since the start.
    fn refused(&self) -> Value {
        let refusals = self.gate.counters().refusals().chain(self.chat_stats.counts());
        refusals.map(|(label, count)| (label.to_owned(), Value::from(count))).collect()
    }
}

/// The state of the log files; null without `log-dir`.
fn log_files() -> Value {
    let Some(files) = telemetry::file_log_status() else { return Value::Null };
    let telemetry::FileLog { folder, trouble, lost } = files;
    json!({ "path": folder.display().to_string(), "problem": trouble, "lost": lost })
}

/// The settings that can change without a restart, by their keys.
fn settings(policy: &Policy) -> Map<String, Value> {
    let rules = policy.rules.iter();
    let rule = |rule: &Rule| {
        let mut shown = json!({ "name": rule.name });
        if let Some(transports) = &rule.transports {
            shown["transports"] = json!(transports.names());
        }
        if let Some(polls) = rule.eio3_polls {
            shown["eio3-polls"] = json!(polls.to_string());
        }
        shown
    };
    let settings = [
        ("transports", json!(policy.transports.names())),
        ("eio3-polls", json!(policy.eio3_polls.to_string())),
        ("rules", rules.map(rule).collect()),
        ("origins", json!(policy.origins.names())),
        ("match-origin-protocol", json!(policy.match_origin_protocol)),
        ("trusted-proxies", json!(policy.trusted_proxies.to_string())),
        ("proxy-headers", json!(policy.proxy_headers.names())),
        ("max-sessions", json!(policy.caps.sessions)),
        ("max-sessions-per-address", json!(policy.caps.sessions_per_address)),
        ("max-websockets", json!(policy.caps.websockets)),
        ("handshake-rate", json!(policy.caps.handshakes_per_address)),
        ("breaker-failures", json!(policy.breaker.failures)),
        ("breaker-rest", json!(time(policy.breaker.rest))),
        ("breaker-longest", json!(time(policy.breaker.longest))),
    ];
    settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A duration as it is written in the file.
fn time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LIVE;
    use crate::policy::Transports;

    #[test]
    fn what_can_be_changed_is_shown_and_in_the_words_of_the_file() {
        let policy = Policy::open(Transports::all(crate::transport::names()));
        let shown: Vec<String> = settings(&policy).into_iter().map(|(key, _)| key).collect();
        assert_eq!(shown, LIVE);
        assert_eq!(time(Duration::from_secs(600)), "600s");
        assert_eq!(time(Duration::from_millis(1500)), "1500ms");
    }
}
