//! Settings and their layers: defaults, `transports.toml`, environment, flags, the administrator.
//!
//! A setting has the same name in all layers: the key `ping-interval` of the file is the flag
//! `--ping-interval` and the variable `PARLANCE_PING_INTERVAL`. Each layer is validated by itself, so that
//! an error names its source. If any layer is wrong, the server does not start.

mod admin_ui;
mod auth;
mod bounds;
mod cluster;
mod file;
mod history;
mod host;
mod layer;
mod layers;
mod path;
mod room_table;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod validate;
mod values;
mod warnings;

use std::path::PathBuf;

pub use admin_ui::AdminUi;
pub use auth::{Auth, is_url};
pub use cluster::{ClusterAdapter, ClusterOldest};
pub use history::{DataDir, Durability};
pub use host::HostPort;
pub use layer::{Layer, is_variable, unknown_variables};
pub use layers::{FileContent, Layers, Sources};
pub use room_table::RoomTable;
pub use rules::RuleText;
pub use settings::Settings;
pub use values::{Size, Time};
pub use warnings::{Told, Warning, warnings};

/// The settings file in the working directory, if no other is named.
pub const DEFAULT_FILE: &str = "transports.toml";

/// An error in the settings, with its place.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error("{} cannot be read: {why}", .path.display())]
    Unreadable { path: PathBuf, why: String },
    /// The file was removed, and it had settings.
    #[error("{} is gone", .path.display())]
    Gone { path: PathBuf },
    /// The file is without settings now, and it had some.
    #[error("{} has no settings any more", .path.display())]
    Blank { path: PathBuf },
    #[error("{}:{line}:{column}: {message}", .path.display())]
    File { path: PathBuf, line: usize, column: usize, message: String },
    #[error("--{key} (or PARLANCE_{}): {message}", .key.to_uppercase().replace('-', "_"))]
    Flag { key: &'static str, message: String },
    #[error("PORT: `{value}` is no port number")]
    Port { value: String },
    /// Each setting is valid by itself, but they contradict each other. They may come from different layers.
    #[error("{key}: {message}")]
    Contradiction { key: &'static str, message: String },
    #[error("`{key}` is no setting that changes without a restart; those are {}", LIVE.join(", "))]
    NotLive { key: String },
    #[error("the administrator's settings: {message}")]
    Administrator { message: String },
}

/// Settings that can change while the server runs: those of the policy.
pub const LIVE: [&str; 14] = [
    "transports",
    "eio3-polls",
    "rules",
    "origins",
    "match-origin-protocol",
    "trusted-proxies",
    "proxy-headers",
    "max-sessions",
    "max-sessions-per-address",
    "max-websockets",
    "handshake-rate",
    "breaker-failures",
    "breaker-rest",
    "breaker-longest",
];
