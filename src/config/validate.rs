//! Which values can be.

use std::time::Duration;

use super::Layer;
use super::rules::{self, BadRule};
use super::values::Time;
use crate::policy::breaker::MOST_FAILURES;
use crate::policy::{Networks, Origins, Transports};

/// A value that cannot be.
pub(super) struct Invalid {
    pub key: &'static str,
    /// Where `key` is a list of tables: which of them it is about, and which key in there.
    pub within: Option<(usize, &'static str)>,
    pub message: String,
}

/// Longer times than this overflow the timers of old clients.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A secret that is not guessed.
const SHORTEST_TOKEN: usize = 16;

/// As long as anybody lets a browser remember to come by https.
const LONGEST_HSTS: Duration = Duration::from_secs(3650 * 24 * 3600);

impl Layer {
    /// Checks each value by itself.
    pub(super) fn validate(&self, known: &[&'static str]) -> Result<(), Invalid> {
        let invalid = |key, message: String| Err(Invalid { key, within: None, message });
        if let Some(list) = &self.transports
            && let Err(error) = Transports::parse(list.iter().map(String::as_str), known)
        {
            return invalid("transports", error.to_string());
        }
        if let Some(rules) = &self.rules
            && let Err(BadRule { at, key, message }) = rules::read(rules, known)
        {
            return Err(Invalid { key: "rules", within: Some((at, key)), message });
        }
        if let Some(list) = &self.origins
            && let Err(error) = Origins::parse(list.iter().map(String::as_str))
        {
            return invalid("origins", error.to_string());
        }
        if self.admin_token.as_ref().is_some_and(|token| token.len() < SHORTEST_TOKEN) {
            return invalid(
                "admin-token",
                format!("expected {SHORTEST_TOKEN} characters at least"),
            );
        }
        let times = [
            ("ping-interval", self.ping_interval),
            ("ping-timeout", self.ping_timeout),
            ("upgrade-timeout", self.upgrade_timeout),
            ("connect-timeout", self.connect_timeout),
            ("header-timeout", self.header_timeout),
            ("body-timeout", self.body_timeout),
            ("shutdown-timeout", self.shutdown_timeout),
            ("breaker-rest", self.breaker_rest),
            ("breaker-longest", self.breaker_longest),
        ];
        for (key, time) in times {
            if time.is_some_and(|Time(time)| time.is_zero() || time > LONGEST) {
                return invalid(key, "expected more than 0 and at most 24h".into());
            }
        }
        if self.breaker_failures.is_some_and(|count| count > MOST_FAILURES) {
            return invalid("breaker-failures", format!("expected at most {MOST_FAILURES}"));
        }
        let sound = |Time(time): Time| time.subsec_nanos() == 0 && time <= LONGEST_HSTS;
        if self.hsts.is_some_and(|hsts| !sound(hsts)) {
            return invalid("hsts", "expected whole seconds and at most 3650d".into());
        }
        if let Some(list) = &self.trusted_proxies
            && let Err(error) = Networks::parse(list.iter().map(String::as_str))
        {
            return invalid("trusted-proxies", error.to_string());
        }
        let counts = [
            ("max-payload", self.max_payload.map(|size| size.0), 1024),
            ("queue-bytes", self.queue_bytes.map(|size| size.0), 1024),
            ("queue-messages", self.queue_messages, 16),
            ("stream-bytes", self.stream_bytes.map(|size| size.0), 4096),
            ("max-connections", self.max_connections, 1),
            ("max-headers", self.max_headers, 8),
            ("max-header-bytes", self.max_header_bytes.map(|size| size.0), 8192),
            ("message-max", self.message_max.map(|size| size.0), 1),
        ];
        for (key, count, least) in counts {
            if count.is_some_and(|count| count < least) {
                return invalid(key, format!("expected {least} at least"));
            }
        }
        if let Some(log) = &self.log
            && let Err(message) = crate::telemetry::filter(log)
        {
            return invalid("log", message);
        }
        Ok(())
    }
}
