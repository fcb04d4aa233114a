//! Settings and their layers: defaults, `transports.toml`, environment, flags.
//!
//! One vocabulary serves all: the key `ping-interval` of the file is the flag `--ping-interval` and
//! the variable `PARLANCE_PING_INTERVAL`. Each layer is validated by itself, so that an error names
//! the place that it came from; the server does not start half-configured.

mod file;
mod layer;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod validate;
mod values;

use std::path::{Path, PathBuf};

pub use layer::{Layer, unknown_variables};
pub use rules::RuleText;
pub use settings::Settings;
pub use values::{Size, Time};

use crate::policy::Policy;
use file::position;
use validate::Invalid;

/// The file that is read from the working directory unless another is named.
pub const DEFAULT_FILE: &str = "transports.toml";

/// What is wrong with the settings, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {message}", .path.display())]
    File { path: PathBuf, line: usize, column: usize, message: String },
    #[error("--{key} (or PARLANCE_{}): {message}", .key.to_uppercase().replace('-', "_"))]
    Flag { key: &'static str, message: String },
    #[error("PORT: `{value}` is no port number")]
    Port { value: String },
    /// Each is right by itself; the layers may differ in where they come from.
    #[error("{key}: {message}")]
    Together { key: &'static str, message: String },
}

/// Where the settings come from; read again for each change.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Flags, which hold the environment too.
    pub flags: Layer,
    /// The file that was named. Without one, [`DEFAULT_FILE`] is read if it is there.
    pub file: Option<PathBuf>,
    /// `PORT`, as hosting platforms set it.
    pub port: Option<String>,
}

/// Keys that can change while the server runs.
const LIVE: [&str; 12] = [
    "transports",
    "rules",
    "origins",
    "match-origin-protocol",
    "trusted-proxies",
    "max-sessions",
    "max-sessions-per-address",
    "max-websockets",
    "handshake-rate",
    "heal-failures",
    "heal-rest",
    "heal-longest",
];

impl Sources {
    /// The file that is looked at, whether it is there or not.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// Puts the layers together: flags over the file over the defaults.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(&self, known: &[&'static str]) -> Result<Settings, ConfigError> {
        let settings = Settings::complete(self.layers(known)?, known);
        settings.agree()?;
        Ok(settings)
    }

    /// The policy that comes of a text with live keys, which wins over flags and file.
    ///
    /// # Errors
    /// The first thing that is wrong. Keys that are not live are an error.
    pub fn policy_with(&self, text: &str, known: &[&'static str]) -> Result<Policy, ConfigError> {
        let path = Path::new("body");
        let top = Layer::from_text(text, path, known)?;
        let table = toml::de::DeTable::parse(text).ok();
        let fixed = table.iter().flat_map(|table| table.get_ref().iter());
        if let Some((key, _)) = fixed.into_iter().find(|(key, _)| !LIVE.contains(&&**key.get_ref()))
        {
            let message = format!("{}: it changes with a restart only", key.get_ref());
            let (line, column) = position(text, key.span().start);
            return Err(ConfigError::File { path: path.to_owned(), line, column, message });
        }
        Ok(Settings::complete(top.over(self.layers(known)?), known).policy)
    }

    fn layers(&self, known: &[&'static str]) -> Result<Layer, ConfigError> {
        let flags = self.flags.clone();
        flags
            .validate(known)
            .map_err(|Invalid { key, message, .. }| ConfigError::Flag { key, message })?;
        let port = match self.port.as_deref().filter(|value| !value.is_empty()) {
            Some(value) => match value.parse() {
                Ok(port) => Some(port),
                Err(_) => return Err(ConfigError::Port { value: value.to_owned() }),
            },
            None => None,
        };
        let file = match self.file.is_some() || self.path().exists() {
            true => Layer::from_file(self.path(), known)?,
            false => Layer::default(),
        };
        Ok(flags.over(Layer { port, ..Layer::default() }.over(file)))
    }
}
