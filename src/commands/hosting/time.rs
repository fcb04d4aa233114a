//! Times as the files of proxies write them.

use std::time::Duration;

/// The unit of a number without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Second,
    Millisecond,
}

/// Reads `75`, `75s`, `1m30s`, `1min 30s`. `None` if it is no time.
pub fn time(text: &str, default: Unit) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let micros: u64 = match (&rest[..end], default) {
            ("us", _) => 1,
            ("", Unit::Millisecond) | ("ms", _) => 1000,
            ("" | "s" | "sec" | "second" | "seconds", _) => 1_000_000,
            ("m" | "mi" | "min" | "minutes", _) => 60_000_000,
            ("h" | "hr" | "hour" | "hours", _) => 3_600_000_000,
            ("d" | "day" | "days", _) => 86_400_000_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_micros(number.checked_mul(micros)?))?;
        rest = rest[end..].trim_start();
    }
    Some(sum)
}

/// A time as one writes it in all of these files.
pub fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}
