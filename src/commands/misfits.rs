//! Warns in the log of settings that do not fit each other.

use tracing::warn;

use crate::config::{self, Settings, Told};

/// Logs each misfit once.
pub struct Misfits {
    /// How many connections the system allows.
    connections: usize,
    told: Told,
}

impl Misfits {
    pub fn new(connections: usize) -> Self {
        Misfits { connections, told: Told::default() }
    }

    /// Logs what does not fit in these settings, unless it was logged before.
    pub fn log(&mut self, settings: &Settings) {
        for warning in self.told.new_ones(config::warnings(settings, self.connections)) {
            let (key, fix) = (warning.key, warning.fix);
            warn!(key, reason = %warning.reason(), fix, "settings do not fit each other");
        }
    }
}
