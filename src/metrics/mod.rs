//! Metrics: what happened, as numbers for Prometheus.
//!
//! [`SessionMetrics`] observes the engine and counts. [`Exporter`] writes that, and the numbers that other
//! rooms count anyway, whenever Prometheus asks. Nothing here walks the sessions.
//!
//! Labels have values from fixed lists alone: never what a client sent.

mod numbers;
mod process;
mod sessions;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

pub use numbers::{Reloads, Sources};
pub use sessions::SessionMetrics;

use crate::site::metrics::Form;

/// Before all names but those of the process.
const PREFIX: &str = "parlance";

/// Writes all metrics.
#[derive(Debug)]
pub struct Exporter(Registry);

impl Exporter {
    /// Of sessions, and of all that is counted elsewhere.
    pub fn new(sessions: &SessionMetrics, sources: Sources) -> Self {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix(PREFIX);
        sessions.register(ours);
        ours.register_collector(Box::new(sources));
        registry.register_collector(Box::new(process::Process::default()));
        Exporter(registry)
    }

    /// All metrics as they are now.
    pub fn write(&self, form: Form) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match form {
            Form::Text => prometheus_text::encode(&mut text, &self.0),
            Form::OpenMetrics => text::encode(&mut text, &self.0),
        };
        text
    }
}

#[cfg(test)]
mod tests;
