//! Changes of the policy while the server runs: by signal, by the file, by an administrator.

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::signals::ReloadSignal;
use super::status::House;
use crate::config::{ConfigError, FileContent, Layers, Settings};
use crate::files::{self, Watch};
use crate::server::admin::{AdminError, AdminRequest};

/// A wish, and where the answer goes.
pub type Request = (AdminRequest, oneshot::Sender<Result<Value, AdminError>>);

/// Keeps the policy as its layers say.
pub struct Reloader {
    pub layers: Layers,
    /// What they said at the start.
    pub started: Settings,
    pub house: House,
    pub wishes: mpsc::Receiver<Request>,
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
                        let _ = self.take(found, "SIGHUP");
                    }
                }
                found = file.changed() => {
                    let _ = self.take(found, "the file changed");
                }
                Some((wish, answer)) = self.wishes.recv() => {
                    let granted = match wish {
                        AdminRequest::Look => Ok(self.house.status(&self.layers)),
                        AdminRequest::Change(text) if text.trim().is_empty() => {
                            match file.now().await {
                                Some(found) => self
                                    .take(found, "an administrator asked")
                                    .map(|changes| self.said(changes))
                                    .map_err(|error| AdminError::file(error.to_string())),
                                None => Err(AdminError::stopping()),
                            }
                        }
                        AdminRequest::Change(text) => self.administer(|layers| layers.set_admin(&text)),
                        AdminRequest::Clear(key) => self.administer(|layers| layers.clear_admin(key.as_deref())),
                    };
                    let _ = answer.send(granted);
                }
            }
        }
    }

    /// Takes what was found for the file's layer.
    fn take(&mut self, found: FileContent, why: &str) -> Result<Vec<String>, ConfigError> {
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
            Ok(changes) => Ok(self.said(changes)),
            Err(error) => Err(AdminError::settings(error.to_string())),
        }
    }

    fn said(&self, changes: Vec<String>) -> Value {
        json!({ "changes": changes, "administrator": self.layers.administrator() })
    }

    /// All or nothing: what cannot be read whole changes nothing.
    fn apply(
        &self,
        why: &str,
        settings: Result<Settings, ConfigError>,
    ) -> Result<Vec<String>, ConfigError> {
        match settings {
            Ok(settings) => {
                let changes = self.house.gate.apply(settings.policy, &self.house.engine);
                match changes.is_empty() {
                    true => info!(why, "policy read again: nothing changed"),
                    false => info!(why, changes = changes.join("; "), "policy changed"),
                }
                Ok(changes)
            }
            Err(error) => {
                let path = self.layers.path().display();
                match &error {
                    // Nobody has said that its defaults should be in force, which allow more.
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
