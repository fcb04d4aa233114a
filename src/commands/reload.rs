//! Changes the policy while the server runs: on SIGHUP, when the file changes, and on requests of
//! an administrator.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::misfits::Misfits;
use super::signals::ReloadSignal;
use super::status::StatusSources;
use crate::config::{ConfigError, FileContent, Layers, Settings};
use crate::files::{self, Watch};
use crate::metrics::Reloads;
use crate::site::admin::{AdminError, PolicyRequest};

/// An administrator's request, and the channel for its answer.
pub type Request = (PolicyRequest, oneshot::Sender<Result<Value, AdminError>>);

/// Applies the layers of settings to the policy in force.
pub struct Reloader {
    pub layers: Layers,
    /// The settings at the start of the process.
    pub started: Settings,
    pub misfits: Misfits,
    pub sources: StatusSources,
    pub requests: mpsc::Receiver<Request>,
    /// Counts what came of each change.
    pub reloads: Arc<Reloads>,
}

impl Reloader {
    /// Runs as long as the server.
    pub async fn run(mut self, mut signal: ReloadSignal) {
        let path = self.layers.path().to_owned();
        let in_force = files::fingerprint(self.layers.last_file());
        let mut file = Watch::new(in_force, move || FileContent::read(&path));
        loop {
            tokio::select! {
                () = signal.next() => {
                    if let Some(found) = file.now().await {
                        let _ = self.reload(found, "SIGHUP");
                    }
                }
                found = file.changed() => {
                    let _ = self.reload(found, "the file changed");
                }
                Some((request, answer)) = self.requests.recv() => {
                    let result = match request {
                        PolicyRequest::Status => Ok(self.sources.status(&self.layers)),
                        PolicyRequest::Change(text) if text.trim().is_empty() => {
                            match file.now().await {
                                Some(found) => self
                                    .reload(found, "an administrator asked")
                                    .map(|changes| self.change_report(changes))
                                    .map_err(|error| AdminError::file(error.to_string())),
                                None => Err(AdminError::stopping()),
                            }
                        }
                        PolicyRequest::Change(text) => self.administer(|layers| layers.set_admin(&text)),
                        PolicyRequest::Clear(key) => self.administer(|layers| layers.clear_admin(key.as_deref())),
                    };
                    let _ = answer.send(result);
                }
            }
        }
    }

    /// Replaces the file's layer, and applies the settings.
    fn reload(&mut self, found: FileContent, why: &str) -> Result<Vec<String>, ConfigError> {
        let taken = self.layers.apply_file(found);
        if let Ok(settings) = &taken {
            let keys = self.started.fixed_differences(settings);
            if !keys.is_empty() {
                warn!(why, keys = keys.join(", "), "these settings change with a restart only");
            }
        }
        self.apply(why, taken)
    }

    /// Changes the administrator's layer.
    fn administer(
        &mut self,
        change: impl FnOnce(&mut Layers) -> Result<Settings, ConfigError>,
    ) -> Result<Value, AdminError> {
        let changed = change(&mut self.layers);
        match self.apply("an administrator changed it", changed) {
            Ok(changes) => Ok(self.change_report(changes)),
            Err(error) => Err(AdminError::settings(error.to_string())),
        }
    }

    fn change_report(&self, changes: Vec<String>) -> Value {
        json!({ "changes": changes, "administrator": self.layers.administrator() })
    }

    /// Applies all settings or, after an error, none. Logs and returns the changes.
    fn apply(
        &mut self,
        why: &str,
        settings: Result<Settings, ConfigError>,
    ) -> Result<Vec<String>, ConfigError> {
        self.reloads.count(settings.is_ok());
        match settings {
            Ok(settings) => {
                // What needs a restart is not in force.
                let policy = settings.policy.clone();
                self.misfits.log(&Settings { policy, ..self.started.clone() });
                let changes = self.sources.gate.apply(settings.policy, &self.sources.engine);
                match changes.is_empty() {
                    true => info!(why, "policy read again: nothing changed"),
                    false => {
                        self.sources.book.policy_changed(&changes.join("; "));
                        info!(why, changes = changes.join("; "), "policy changed");
                    }
                }
                Ok(changes)
            }
            Err(error) => {
                let path = self.layers.path().display();
                match &error {
                    // Falling back to the defaults could allow more than the operator wants.
                    ConfigError::Gone { .. } => {
                        warn!(why, %path, "policy not changed: the file is gone, the old one stays");
                    }
                    ConfigError::Blank { .. } => warn!(
                        why, %path,
                        "policy not changed: the file has no settings any more, the old ones stay"
                    ),
                    _ => warn!(
                        why, %error,
                        "policy not changed: the new one is wrong, the old one stays"
                    ),
                }
                Err(error)
            }
        }
    }
}
