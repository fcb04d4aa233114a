//! The bounds of every setting that is a number.

use std::fmt;

use super::Layer;
use super::room_table::MAX_REPLAY;
use super::values::{Size, Time};
use crate::policy::breaker::MAX_FAILURES;

/// The bounds of one setting.
pub(super) struct Bounds {
    pub key: &'static str,
    value: fn(&Layer) -> Option<u64>,
    unit: Unit,
    /// Whether 0 is allowed with a meaning of its own: no bound, any port, not at all.
    zero: bool,
    pub least: u64,
    pub most: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Milliseconds.
    Time,
    /// Bytes.
    Size,
    Count,
}

const SECOND: u64 = 1000;
/// Longer times overflow the timers of old clients.
const DAY: u64 = 24 * 3600 * SECOND;
const MIB: u64 = 1 << 20;
/// More than any system can hold, and small enough that sums do not overflow.
const MANY: u64 = 10_000_000;
/// The largest rate per second. Token buckets count in nanoseconds, so higher rates would be inexact.
const FAST: u64 = 1_000_000;

fn millis(time: Option<Time>) -> Option<u64> {
    time.map(|Time(time)| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn bytes(size: Option<Size>) -> Option<u64> {
    size.map(|Size(size)| size as u64)
}

macro_rules! bounds {
    ($($key:literal $field:ident $unit:ident $least:expr, $most:expr $(, or $zero:literal)?;)*) => {
        [$(Bounds {
            key: $key,
            value: |layer| bounds!(@$unit layer.$field),
            unit: Unit::$unit,
            zero: false $(|| $zero == 0)?,
            least: $least,
            most: $most,
        }),*]
    };
    (@Time $value:expr) => { millis($value) };
    (@Size $value:expr) => { bytes($value) };
    (@Count $value:expr) => { $value.map(|count| count as u64) };
}

/// The bounds of all numeric settings.
#[rustfmt::skip]
pub(super) const BOUNDS: &[Bounds] = &bounds! {
    "port" port Count 1, 65535, or 0;
    "redirect-port" redirect_port Count 1, 65535, or 0;
    "hsts" hsts Time SECOND, 3650 * DAY, or 0;
    "max-sessions" max_sessions Count 1, MANY, or 0;
    "max-sessions-per-address" max_sessions_per_address Count 1, MANY, or 0;
    "max-websockets" max_websockets Count 1, MANY, or 0;
    "handshake-rate" handshake_rate Count 1, FAST, or 0;
    "breaker-failures" breaker_failures Count 1, MAX_FAILURES as u64, or 0;
    "breaker-rest" breaker_rest Time 1, DAY;
    "breaker-longest" breaker_longest Time 1, DAY;
    "log-bytes" log_bytes Size MIB, MIB * MIB;
    "ping-interval" ping_interval Time 1, DAY;
    "ping-timeout" ping_timeout Time 1, DAY;
    "upgrade-timeout" upgrade_timeout Time 1, DAY;
    "connect-timeout" connect_timeout Time 1, DAY;
    // A payload is held in one piece for each client that sends one.
    "max-payload" max_payload Size 1024, 256 * MIB;
    "queue-bytes" queue_bytes Size 1024, 1024 * MIB;
    "queue-bytes-total" queue_bytes_total Size 1024, MIB * MIB, or 0;
    "queue-messages" queue_messages Count 16, 1_000_000;
    // A browser keeps the whole response in memory.
    "stream-bytes" stream_bytes Size 4096, 256 * MIB;
    "node-connections" node_connections Count 1, MANY;
    "cluster-stream-length" cluster_stream_length Count 100, MANY;
    "cluster-stream-count" cluster_stream_count Count 1, 256;
    "max-connections" max_connections Count 1, MANY;
    "max-connections-per-address" max_connections_per_address Count 1, MANY, or 0;
    "header-timeout" header_timeout Time 1, DAY;
    // Clients are told whole seconds.
    "keep-alive-timeout" keep_alive_timeout Time 1000, DAY;
    "body-timeout" body_timeout Time 1, DAY;
    "max-headers" max_headers Count 8, 1024;
    // hyper's read buffer holds about 400 KiB.
    "max-header-bytes" max_header_bytes Size 8192, MIB / 4;
    "drain-delay" drain_delay Time 1, DAY, or 0;
    "shutdown-timeout" shutdown_timeout Time 1, DAY;
    "message-max" message_max Size 1, 256 * MIB;
    "message-rate" message_rate Count 1, FAST, or 0;
    "byte-rate" byte_rate Size 1, 256 * MIB, or 0;
    "history" history Count 1, MANY, or 0;
    "history-age" history_age Time 60 * SECOND, 3650 * DAY, or 0;
    "history-bytes" history_bytes Size MIB, MIB * MIB;
    "replay" replay Count 1, MAX_REPLAY as u64, or 0;
    "recovery" recovery Time 1000, DAY, or 0;
    "max-rooms" max_rooms Count 1, 100_000, or 0;
    // A node says five times in it that it is there.
    "node-timeout" node_timeout Time 1000, DAY;
    "leave-delay" leave_delay Time 1, 60 * SECOND, or 0;
};

impl Bounds {
    /// Checks the layer's value, if it has one.
    ///
    /// # Errors
    /// If the value is out of bounds: a message with the bound.
    pub fn check(&self, layer: &Layer) -> Result<(), String> {
        match (self.value)(layer) {
            Some(0) if self.zero => Ok(()),
            Some(value) if value < self.least => {
                let zero = if self.zero { "0 or " } else { "" };
                Err(format!("expected {zero}{} at least", self.in_words(self.least)))
            }
            Some(value) if value > self.most => {
                Err(format!("expected {} at most", self.in_words(self.most)))
            }
            _ => Ok(()),
        }
    }

    /// Writes a value as in the settings, in the largest unit that divides it.
    pub fn in_words(&self, value: u64) -> String {
        let units: &[(u64, &str)] = match self.unit {
            Unit::Time => &[(DAY, "d"), (3600 * SECOND, "h"), (SECOND, "s"), (1, "ms")],
            Unit::Size if value >= 64 * 1024 => &[(MIB, "MiB"), (1024, "KiB"), (1, "")],
            Unit::Size | Unit::Count => &[(1, "")],
        };
        let units = units.iter().filter(|(factor, _)| value.is_multiple_of(*factor));
        // One day is written as 24h.
        let mut units = units.filter(|(factor, _)| value != *factor || *factor != DAY);
        units.next().map_or_else(String::new, |(factor, unit)| format!("{}{unit}", value / factor))
    }
}

impl fmt::Display for Bounds {
    /// Writes the bounds as in the reference of docs/configuration.md.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = match (self.zero, self.least) {
            (true, 1) => "0".to_owned(),
            (true, least) => format!("0, {}", self.in_words(least)),
            (false, least) => self.in_words(least),
        };
        write!(f, "{least}–{}", self.in_words(self.most))
    }
}
