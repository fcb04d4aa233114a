//! Files with one setting a line: HAProxy, Apache, Caddy, systemd.

use std::time::Duration;

use super::time::{Unit, time};
use super::{Effect, Found};

/// The lines of a file without comments and space around them, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bare = |line: &str| {
        let end = line.find(" #").filter(|_| !line.trim_start().starts_with('#'));
        end.unwrap_or(line.len())
    };
    let numbered =
        text.lines().enumerate().map(move |(at, line)| (at + 1, line[..bare(line)].trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn found(line: usize, text: &str, time: Option<Duration>, effect: Effect) -> Found {
    let words: Vec<&str> = text.split_whitespace().collect();
    Found { line, text: words.join(" "), time, effect }
}

/// `timeout client`, `timeout server`, `timeout tunnel`: without a unit in milliseconds.
pub fn haproxy(text: &str) -> Vec<Found> {
    let read = |(line, text): (usize, &str)| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [key, "client" | "server" | "tunnel", value] = words[..] else { return None };
        let time = time(value, Unit::Millisecond).filter(|_| key == "timeout")?;
        // 0 is no end.
        let time = Some(time).filter(|time| !time.is_zero());
        Some(found(line, text, time, Effect::Silence))
    };
    lines(text).filter_map(read).collect()
}

/// `ProxyTimeout`, or else `Timeout`, or else 60 s; `timeout=` and `ttl=` of a `ProxyPass`.
pub fn apache(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let (mut timeout, mut proxy) = (Vec::new(), Vec::new());
    for (line, text) in lines(text) {
        let mut words = text.split_whitespace();
        let key = words.next().unwrap_or_default().to_ascii_lowercase();
        let value = words.next().unwrap_or_default();
        let silence =
            || time(value, Unit::Second).map(|time| found(line, text, Some(time), Effect::Silence));
        match key.as_str() {
            "timeout" => timeout.extend(silence()),
            "proxytimeout" => proxy.extend(silence()),
            "proxypass" | "proxyset" => {
                for word in text.split_whitespace().skip(1) {
                    let (name, value) = word.split_once('=').unwrap_or((word, ""));
                    let effect = match name {
                        "timeout" => Effect::Silence,
                        "ttl" => Effect::Idle,
                        _ => continue,
                    };
                    let time = time(value, Unit::Second);
                    all.extend(time.map(|time| found(line, word, Some(time), effect)));
                }
            }
            _ => {}
        }
    }
    let has_own = all.iter().any(|found: &Found| found.effect == Effect::Silence);
    let of_file = if proxy.is_empty() { timeout } else { proxy };
    if of_file.is_empty() && !has_own {
        let default = Some(Duration::from_secs(60));
        all.push(found(1, "no ProxyTimeout (60s)", default, Effect::Silence));
    }
    all.extend(of_file);
    all
}

/// `keepalive` and `read_timeout` of `transport http`.
pub fn caddy(text: &str) -> Vec<Found> {
    let read = |(line, text): (usize, &str)| {
        let (key, value) = text.split_once(char::is_whitespace)?;
        let effect = match key {
            "keepalive" if value.trim() != "off" => Effect::Idle,
            "read_timeout" | "stream_timeout" => Effect::Silence,
            _ => return None,
        };
        Some(found(line, text, Some(time(value, Unit::Second)?), effect))
    };
    lines(text).filter_map(read).collect()
}

/// `TimeoutStopSec=`.
pub fn systemd(text: &str) -> Vec<Found> {
    let read = |(line, text): (usize, &str)| {
        let value = text.strip_prefix("TimeoutStopSec=").or(text.strip_prefix("TimeoutSec="))?;
        Some(found(line, text, Some(time(value, Unit::Second)?), Effect::Stop))
    };
    lines(text).filter_map(read).collect()
}

/// `LimitNOFILE=` of a unit, the hard one of two, with its line.
pub fn open_files(text: &str) -> Option<(usize, usize)> {
    let of_unit = lines(text).filter_map(|(line, text)| {
        let value = text.strip_prefix("LimitNOFILE=")?;
        Some((line, value.rsplit(':').next()?.trim().parse().ok()?))
    });
    // The last one counts.
    of_unit.last()
}
