//! Changes of the policy while the server runs: by signal, by the file, by an administrator.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::signals::Hangups;
use crate::config::{ConfigError, Sources};
use crate::engine::Engine;
use crate::policy::Policy;
use crate::server::admin::Wish;
use crate::transport::{self, Gate};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A wish, and where the answer goes.
pub type Request = (Wish, oneshot::Sender<Result<Value, String>>);

/// Keeps the policy as its sources say.
pub struct Reloader {
    pub sources: Sources,
    pub gate: Arc<Gate>,
    pub engine: Engine,
    pub wishes: mpsc::Receiver<Request>,
}

impl Reloader {
    /// Runs as long as the server.
    pub async fn run(mut self, mut signal: Hangups) {
        let mut text = self.read().await;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = signal.next() => {
                    text = self.read().await;
                    let _ = self.reload("SIGHUP");
                }
                _ = look.tick() => {
                    let now = self.read().await;
                    if now != text {
                        text = now;
                        let _ = self.reload("the file changed");
                    }
                }
                Some((wish, answer)) = self.wishes.recv() => {
                    if wish == Wish::Change(String::new()) {
                        text = self.read().await;
                    }
                    let _ = answer.send(self.grant(wish));
                }
            }
        }
    }

    async fn read(&self) -> Option<Vec<u8>> {
        tokio::fs::read(self.sources.path()).await.ok()
    }

    fn reload(&self, why: &str) -> Result<Vec<String>, ConfigError> {
        let loaded = self.sources.load(&transport::names());
        self.apply(why, loaded.map(|settings| settings.policy))
    }

    /// All or nothing: what cannot be read whole changes nothing.
    fn apply(
        &self,
        why: &str,
        policy: Result<Policy, ConfigError>,
    ) -> Result<Vec<String>, ConfigError> {
        match policy {
            Ok(policy) => {
                let changes = self.gate.apply(policy, &self.engine);
                match changes.is_empty() {
                    true => info!(why, "policy read again: nothing changed"),
                    false => info!(why, changes = changes.join("; "), "policy changed"),
                }
                Ok(changes)
            }
            Err(error) => {
                warn!(why, %error, "policy not changed: the new one is wrong, the old one stays");
                Err(error)
            }
        }
    }

    fn grant(&self, wish: Wish) -> Result<Value, String> {
        let changes = match wish {
            Wish::Look => return Ok(self.status()),
            Wish::Change(text) if text.trim().is_empty() => self.reload("an administrator asked"),
            Wish::Change(text) => {
                let policy = self.sources.policy_with(&text, &transport::names());
                self.apply("an administrator sent it", policy)
            }
        };
        match changes {
            Ok(changes) => Ok(json!({ "changes": changes })),
            Err(error) => Err(error.to_string()),
        }
    }

    fn status(&self) -> Value {
        let (policy, census) = (self.gate.policy(), self.gate.census());
        let rules = policy.rules.iter();
        let refusals = census.refusals().map(|(label, count)| (label.to_owned(), count.into()));
        json!({
            "transports": policy.transports.names(),
            "rules": rules
                .map(|rule| json!({ "name": rule.name, "transports": rule.transports.names() }))
                .collect::<Value>(),
            "origins": policy.origins.names(),
            "match-origin-protocol": policy.match_origin_protocol,
            "trusted-proxies": policy.trusted_proxies.to_string(),
            "max-sessions": policy.caps.sessions,
            "max-sessions-per-address": policy.caps.sessions_per_address,
            "max-websockets": policy.caps.websockets,
            "handshake-rate": policy.caps.handshakes_per_address,
            "now": {
                "sessions": self.engine.session_count(),
                "websockets": census.websockets(),
                "networks-without-websocket": census.withheld(),
            },
            "refused": Value::Object(refusals.collect()),
        })
    }
}
