//! Looks through the configuration of a proxy, or a unit of systemd, for times that end what the settings
//! keep open. Only the lines that have such times are read.

mod lines;
mod nginx;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;
use std::time::Duration;

use time::written;

/// Bytes of a file.
pub const LARGEST: u64 = 1 << 20;

/// What Parlance needs of what is in front of it.
#[derive(Debug, Clone)]
pub struct Needs {
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub keep_alive: Duration,
    /// How long a shutdown takes at most.
    pub stop: Duration,
    /// Open files.
    pub files: usize,
    /// The path of Socket.IO.
    pub path: String,
}

/// A line that contradicts the settings. It is 0 if it is missing.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub line: usize,
    pub message: String,
}

/// What a time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Ends what is silent for that long.
    Silence,
    /// Keeps idle connections to Parlance open for that long.
    Idle,
    /// Ends Parlance so long after the signal to stop.
    Stop,
}

/// A time in a file. `time` is `None` for no end.
#[derive(Debug, Clone)]
struct Found {
    line: usize,
    /// As it is written: `proxy_read_timeout 60s`.
    text: String,
    time: Option<Duration>,
    effect: Effect,
}

/// The programs whose files are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    HaProxy,
    Apache,
    Caddy,
    Systemd,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Nginx => "nginx",
            Kind::HaProxy => "HAProxy",
            Kind::Apache => "Apache",
            Kind::Caddy => "Caddy",
            Kind::Systemd => "systemd",
        })
    }
}

impl Kind {
    /// The program that a file is for, by words that only its files have.
    pub fn of(text: &str) -> Option<Self> {
        let begins = |words: &[&str]| {
            let mut lines = text.lines().map(str::trim_start);
            lines.any(|line| words.iter().any(|word| line.starts_with(word)))
        };
        if begins(&["[Service]"]) {
            Some(Kind::Systemd)
        } else if begins(&["<VirtualHost", "<Location", "ProxyPass", "ProxyTimeout"]) {
            Some(Kind::Apache)
        } else if begins(&["reverse_proxy", "handle", "route"]) && text.contains("reverse_proxy") {
            Some(Kind::Caddy)
        } else if begins(&["server {", "server{", "location", "http {", "upstream"])
            || text.contains("proxy_pass ")
        {
            Some(Kind::Nginx)
        } else if begins(&["defaults", "frontend ", "backend ", "listen "]) {
            Some(Kind::HaProxy)
        } else {
            None
        }
    }
}

/// What in a file contradicts the settings, line by line.
pub fn inspect(kind: Kind, text: &str, needs: &Needs) -> Vec<Finding> {
    let found = match kind {
        Kind::Nginx => nginx::times(text, &needs.path),
        Kind::HaProxy => lines::haproxy(text),
        Kind::Apache => lines::apache(text),
        Kind::Caddy => lines::caddy(text),
        Kind::Systemd => lines::systemd(text),
    };
    let messages = found
        .into_iter()
        .filter_map(|found| Some(Finding { line: found.line, message: found.contradicts(needs)? }));
    let mut findings: Vec<Finding> = messages.collect();
    if kind == Kind::Systemd
        && let Some((line, files)) = lines::open_files(text)
        && files < needs.files
    {
        let files = format!(
            "LimitNOFILE={files} is less than the {} files of max-connections",
            needs.files
        );
        findings.push(Finding {
            line,
            message: format!("{files}; fix: raise it, or lower max-connections"),
        });
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

impl Found {
    fn contradicts(&self, needs: &Needs) -> Option<String> {
        let (text, time) = (&self.text, self.time);
        let seconds = |time: Duration| written(time);
        let silence = needs.ping_interval + needs.ping_timeout;
        match (self.effect, time) {
            (Effect::Silence, Some(time)) if time <= needs.ping_interval => Some(format!(
                "{text}: each idle connection is cut, because it is silent for {} between two heartbeats \
                 (ping-interval); fix: above {}, or lower ping-interval",
                seconds(needs.ping_interval),
                seconds(silence)
            )),
            (Effect::Silence, Some(time)) if time < silence => Some(format!(
                "{text}: a connection is cut before ping-timeout is over; it may be silent for {} \
                 (ping-interval and ping-timeout); fix: {} or more, or lower ping-interval",
                seconds(silence),
                seconds(silence)
            )),
            (Effect::Idle, time) if time.is_none_or(|time| time >= needs.keep_alive) => {
                Some(format!(
                    "{text}: an idle connection to Parlance is kept for longer than Parlance does, {} \
                 (keep-alive-timeout), and a request that meets its end is lost; fix: below {}, or raise \
                 keep-alive-timeout",
                    seconds(needs.keep_alive),
                    seconds(needs.keep_alive)
                ))
            }
            (Effect::Stop, Some(time)) if time <= needs.stop => Some(format!(
                "{text}: a shutdown may take {} (drain-delay and shutdown-timeout), and is cut short; fix: \
                 above {}",
                seconds(needs.stop),
                seconds(needs.stop)
            )),
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: warning: {}", self.line, self.message)
    }
}
