//! Changes of the policy while the server runs: by signal, by the file, by an administrator.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::signals::Hangups;
use crate::chat::Hasty;
use crate::config::{ConfigError, Settings, Sources};
use crate::engine::Engine;
use crate::policy::Policy;
use crate::server::admin::{Denied, Wish};
use crate::transport::{self, Gate};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A wish, and where the answer goes.
pub type Request = (Wish, oneshot::Sender<Result<Value, Denied>>);

/// Keeps the policy as its sources say.
pub struct Reloader {
    pub sources: Sources,
    /// What they said at the start.
    pub started: Settings,
    pub gate: Arc<Gate>,
    pub engine: Engine,
    pub hasty: Arc<Hasty>,
    pub wishes: mpsc::Receiver<Request>,
    /// What was in the file at the start.
    pub text: Text,
}

/// What is in the file; nothing if it is not there.
pub type Text = Option<Vec<u8>>;

impl Reloader {
    /// Runs as long as the server.
    pub async fn run(mut self, mut signal: Hangups) {
        let mut tried = self.text.take();
        let mut seen = tried.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = signal.next() => {
                    seen = self.read().await;
                    tried.clone_from(&seen);
                    let _ = self.reload("SIGHUP");
                }
                _ = look.tick() => {
                    let before = std::mem::replace(&mut seen, self.read().await);
                    // A file is not written in one go: it has to be the same at two looks.
                    if seen == before && seen != tried {
                        tried.clone_from(&seen);
                        self.file_changed(&seen);
                    }
                }
                Some((wish, answer)) = self.wishes.recv() => {
                    if wish == Wish::Change(String::new()) {
                        seen = self.read().await;
                        tried.clone_from(&seen);
                    }
                    let _ = answer.send(self.grant(wish));
                }
            }
        }
    }

    async fn read(&self) -> Text {
        tokio::fs::read(self.sources.path()).await.ok()
    }

    fn file_changed(&self, text: &Text) {
        if text.is_none() {
            // Its defaults would allow more than it did: nobody has said that they should.
            let path = self.sources.path().display();
            warn!(%path, "policy not changed: the file is gone, the old one stays");
            return;
        }
        let _ = self.reload("the file changed");
    }

    fn reload(&self, why: &str) -> Result<Vec<String>, ConfigError> {
        let loaded = self.sources.load(&transport::names());
        if let Ok(settings) = &loaded {
            let keys = self.started.fixed_differences(settings);
            if !keys.is_empty() {
                warn!(why, keys = keys.join(", "), "these settings change with a restart only");
            }
        }
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

    fn grant(&self, wish: Wish) -> Result<Value, Denied> {
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
            Err(error) => Err(Denied::settings(error.to_string())),
        }
    }

    fn status(&self) -> Value {
        let (policy, census) = (self.gate.policy(), self.gate.census());
        let rules = policy.rules.iter();
        let refusals = census.refusals().chain(self.hasty.counts());
        let refusals = refusals.map(|(label, count)| (label.to_owned(), count.into()));
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
            "heal-failures": policy.healing.failures,
            "heal-rest": format!("{}s", policy.healing.rest.as_secs()),
            "heal-longest": format!("{}s", policy.healing.longest.as_secs()),
            "now": {
                "sessions": self.engine.session_count(),
                "websockets": census.websockets(),
                "networks-without-websocket": census.withheld(),
            },
            "refused": Value::Object(refusals.collect()),
        })
    }
}
