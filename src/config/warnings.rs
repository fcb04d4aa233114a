//! Settings that are valid, each by itself and together, and that nevertheless keep clients out, make them
//! fall back, or have no effect. `parlance check` prints them, and the server logs them.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::{ClusterAdapter, Layer, Settings};
use crate::policy::WEBSOCKET;
use crate::policy::proxy_headers::Tells;

/// What published clients of 1.x to 4.x begin with.
const FIRST: &str = "xhr-polling";
/// Handshakes of this many seconds may come from one address at once.
const HANDSHAKE_BURST: usize = 10;
/// Messages of this many seconds may come from one person at once, and so many in any case.
const MESSAGE_BURST: usize = 2;
const SMALLEST_BURST: usize = 10;

/// Settings that do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The key to look at first.
    pub key: &'static str,
    /// What is wrong, and why that matters.
    pub problem: &'static str,
    /// The values that show it.
    pub values: String,
    /// What to change.
    pub fix: &'static str,
}

impl Warning {
    /// The problem, with the values that show it.
    pub fn reason(&self) -> String {
        let Warning { problem, values, .. } = self;
        if values.is_empty() { (*problem).to_owned() } else { format!("{problem} ({values})") }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; fix: {}", self.key, self.reason(), self.fix)
    }
}

/// What a rule looks at.
struct Facts<'a> {
    settings: &'a Settings,
    defaults: Settings,
    /// See [`warnings`].
    connections: usize,
}

/// One way in which settings do not fit each other. `values` shows the values if they do not.
struct Rule {
    key: &'static str,
    problem: &'static str,
    fix: &'static str,
    values: fn(&Facts<'_>) -> Option<String>,
}

/// What does not fit. `connections` is how many of `max-connections` the limit of open files allows.
pub fn warnings(settings: &Settings, connections: usize) -> Vec<Warning> {
    let facts =
        Facts { settings, defaults: Settings::complete(Layer::default(), &[]), connections };
    let found = RULES.iter().filter_map(|Rule { key, problem, fix, values }| {
        Some(Warning { key, problem, values: values(&facts)?, fix })
    });
    found.collect()
}

const RULES: &[Rule] = &[
    Rule {
        key: "transports",
        problem: "published clients of 1.x to 4.x begin with polling, which is not allowed",
        fix: "add polling, or have every client set transports: ['websocket']",
        values: |Facts { settings, .. }| {
            let transports = &settings.policy.transports;
            let allowed = transports.names().join(", ");
            (!transports.allows(FIRST)).then(|| format!("allowed: {allowed}"))
        },
    },
    Rule {
        key: "rules",
        problem: "a rule with namespaces allows no polling, and clients join on the transport that they \
                  begin with, for most polling",
        fix: "add polling to the rule, or have every client set transports: ['websocket']",
        values: |Facts { settings, .. }| {
            let rule = settings.policy.rules.iter().find(|rule| {
                let is_of_room = rule.namespaces.iter().any(|pattern| pattern.matches("/"));
                is_of_room && rule.transports.as_ref().is_some_and(|list| !list.allows(FIRST))
            })?;
            settings.policy.transports.allows(FIRST).then(|| format!("rule {}", rule.name))
        },
    },
    Rule {
        key: "rules",
        problem: "a rule never counts, because an earlier one fits whomever it fits",
        fix: "put it before the other, or remove it",
        values: |Facts { settings, .. }| {
            let rules = &settings.policy.rules;
            let mut pairs = rules.iter().enumerate().filter_map(|(at, rule)| {
                let earlier =
                    rules[..at].iter().find(|earlier| rule.never_counts_after(earlier))?;
                Some(format!("rule {}, after rule {}", rule.name, earlier.name))
            });
            pairs.next()
        },
    },
    Rule {
        key: "rules",
        problem: "a rule has a path that no request for Socket.IO begins with",
        fix: "write paths as below base-path, beginning with path",
        values: |Facts { settings, .. }| {
            let engine = format!("{}/", settings.path.trim_end_matches('/'));
            let mut with_paths = settings.policy.rules.iter().filter(|rule| !rule.paths.is_empty());
            let rule = with_paths
                .find(|rule| !rule.paths.iter().any(|path| path.may_begin_with(&engine)))?;
            Some(format!("rule {}; Socket.IO is at {engine}", rule.name))
        },
    },
    Rule {
        key: "path",
        problem: "it begins with base-path, which is put before it anyway",
        fix: "leave base-path out of path",
        values: |Facts { settings: Settings { base_path, path, .. }, .. }| {
            let base = base_path.trim_end_matches('/');
            let doubled = !base.is_empty() && path.starts_with(&format!("{base}/"));
            doubled.then(|| format!("Socket.IO is at {base}{path}"))
        },
    },
    Rule {
        key: "port",
        problem: "browsers speak the other protocol at this port",
        fix: "set tls-cert and tls-key for https at 443, and another port for http; or name the proxy that \
              speaks it in trusted-proxies",
        values: |Facts { settings, .. }| {
            let has_tls = !settings.tls_cert.is_empty();
            let odd = matches!((settings.port, has_tls), (443, false) | (80, true));
            let scheme = if has_tls { "https" } else { "http" };
            let behind_proxy = !settings.policy.trusted_proxies.is_empty();
            (odd && !behind_proxy).then(|| format!("{scheme} at port {}", settings.port))
        },
    },
    Rule {
        key: "hsts",
        problem: "it goes out over https only, and there is none here",
        fix: "set tls-cert and tls-key, or let the proxy that ends TLS send it",
        values: |Facts { settings, .. }| {
            let no_tls = settings.tls_cert.is_empty() && !settings.proxy_protocol;
            (settings.hsts.is_some() && no_tls).then(String::new)
        },
    },
    Rule {
        key: "admin-address",
        problem: "the token of the administrator travels in the clear to where others may read it",
        fix: "use an address of this machine alone, such as 127.0.0.1:3001, or set tls-cert and tls-key",
        values: |Facts { settings: Settings { admin_address, tls_cert, .. }, .. }| {
            let address = admin_address.as_ref().filter(|address| !address.is_loopback())?;
            tls_cert.is_empty().then(|| address.to_string())
        },
    },
    Rule {
        key: "match-origin-protocol",
        problem: "pages that origins names can never connect, because all connections come by the other \
                  scheme",
        fix: "set tls-cert and tls-key, or name the proxy that ends TLS in trusted-proxies and its header \
              that tells the scheme in proxy-headers; or correct origins",
        values: |Facts { settings, .. }| {
            let policy = &settings.policy;
            let has_tls = !settings.tls_cert.is_empty();
            let behind_proxy = !policy.trusted_proxies.is_empty();
            let is_told = settings.proxy_protocol || policy.proxy_headers.tell(Tells::Scheme);
            if !policy.match_origin_protocol || behind_proxy && is_told {
                return None;
            }
            let other = if has_tls { "http://" } else { "https://" };
            let mut pages = policy.origins.names().into_iter();
            pages.find(|page| page.starts_with(other))
        },
    },
    Rule {
        key: "proxy-headers",
        problem: "they are of trusted proxies, and trusted-proxies names none",
        fix: "name the proxies in trusted-proxies, or leave proxy-headers out",
        values: |Facts { settings: Settings { policy, .. }, defaults, .. }| {
            let is_set = policy.proxy_headers != defaults.policy.proxy_headers;
            (is_set && policy.trusted_proxies.is_empty()).then(|| policy.proxy_headers.to_string())
        },
    },
    Rule {
        key: "proxy-headers",
        problem: "none tells the client's address, so all clients of a proxy share the bounds of one address",
        fix: "add the header in which the proxy writes the address",
        values: |Facts { settings, .. }| {
            let policy = &settings.policy;
            let must_tell = !policy.trusted_proxies.is_empty() && !settings.proxy_protocol;
            let is_told = policy.proxy_headers.tell(Tells::Address);
            (must_tell && !is_told).then(|| policy.proxy_headers.to_string())
        },
    },
    Rule {
        key: "max-websockets",
        problem: "it leaves no connection for polling, so clients are refused before they are kept on it",
        fix: "lower it, or raise max-connections",
        values: |&Facts { settings, connections, .. }| {
            let most = settings.policy.caps.websockets;
            (most > 0 && most >= connections)
                .then(|| format!("{most}, of {connections} connections"))
        },
    },
    Rule {
        key: "max-websockets",
        problem: "it bounds nothing, because no transport list has websocket",
        fix: "add websocket to transports, or leave it out",
        values: |Facts { settings: Settings { policy, .. }, .. }| {
            let mut lists = policy.rules.iter().filter_map(|rule| rule.transports.as_ref());
            let is_allowed = policy.transports.allows(WEBSOCKET)
                || lists.any(|transports| transports.allows(WEBSOCKET));
            let most = policy.caps.websockets;
            (most > 0 && !is_allowed).then(|| most.to_string())
        },
    },
    Rule {
        key: "max-sessions",
        problem: "each session needs a connection, and there are fewer: clients are refused for want of one",
        fix: "lower it, or raise max-connections and the limit of open files",
        values: |&Facts { settings, ref defaults, connections }| {
            let sessions = settings.policy.caps.sessions;
            // Most systems allow less than the defaults need.
            let is_set = sessions != defaults.policy.caps.sessions
                || settings.max_connections != defaults.max_connections;
            let by = match connections < settings.max_connections {
                true => "the limit of open files",
                false => "max-connections",
            };
            (is_set && sessions > connections)
                .then(|| format!("{sessions} sessions, {connections} connections by {by}"))
        },
    },
    Rule {
        key: "max-sessions-per-address",
        problem: "one address may take all sessions",
        fix: "lower it, or raise max-sessions",
        values: |Facts { settings: Settings { policy, .. }, defaults, .. }| {
            let (own, all) = (policy.caps.sessions_per_address, policy.caps.sessions);
            let is_set = own != defaults.policy.caps.sessions_per_address;
            (is_set && all > 0 && own > all).then(|| format!("{own} of {all}"))
        },
    },
    Rule {
        key: "max-connections-per-address",
        problem: "an address has fewer connections than sessions, and each session needs one",
        fix: "raise it to twice max-sessions-per-address, or lower that",
        values: |Facts { settings, .. }| {
            let sessions = settings.policy.caps.sessions_per_address;
            let connections = settings.max_connections_per_address;
            let bounded = connections > 0 && settings.policy.trusted_proxies.is_empty();
            (bounded && connections < sessions)
                .then(|| format!("{connections} connections, {sessions} sessions"))
        },
    },
    Rule {
        key: "max-connections-per-address",
        problem: "an address never has more than half of max-connections",
        fix: "lower it, or raise max-connections",
        values: |Facts { settings, defaults, .. }| {
            let (own, all) = (settings.max_connections_per_address, settings.max_connections);
            let is_set = own != defaults.max_connections_per_address;
            (is_set && own > all.div_ceil(2)).then(|| format!("{own} of {all}"))
        },
    },
    Rule {
        key: "handshake-rate",
        problem: "the sessions of one address cannot all come back at once, as after a restart",
        fix: "raise it to a tenth of max-sessions-per-address, or lower that",
        values: |Facts { settings, .. }| {
            let caps = &settings.policy.caps;
            let (rate, sessions) =
                (caps.handshakes_per_address as usize, caps.sessions_per_address);
            let burst = rate.saturating_mul(HANDSHAKE_BURST);
            (rate > 0 && sessions > burst).then(|| {
                format!("{sessions} sessions, {burst} handshakes at once, then {rate} a second")
            })
        },
    },
    Rule {
        key: "upgrade-timeout",
        problem: "an upgrade that hangs may outlast ping-timeout, and end the session in place of the upgrade",
        fix: "lower it below ping-timeout",
        values: |Facts { settings, .. }| {
            let (own, ping) = (settings.upgrade_timeout, settings.ping_timeout);
            (own > ping).then(|| format!("{own:?}, ping-timeout {ping:?}"))
        },
    },
    Rule {
        key: "body-timeout",
        problem: "a body may take longer than a session lives without a sign of life",
        fix: "lower it below ping-interval and ping-timeout together",
        values: |Facts { settings, .. }| {
            let (own, silence) = (settings.body_timeout, silence(settings));
            (own > silence).then(|| format!("{own:?}, {silence:?}"))
        },
    },
    Rule {
        key: "queue-bytes",
        problem: "one person may say more at once than may wait for a reader, who is then disconnected",
        fix: "raise it, or lower byte-rate",
        values: |Facts { settings, .. }| {
            let burst = settings.byte_rate.saturating_mul(MESSAGE_BURST);
            let own = settings.queue_bytes;
            (burst > own).then(|| format!("{burst} bytes in two seconds of byte-rate, of {own}"))
        },
    },
    Rule {
        key: "queue-messages",
        problem: "one person may send more messages at once than may wait for a reader, who is then \
                  disconnected",
        fix: "raise it, or lower message-rate",
        values: |Facts { settings, .. }| {
            let (rate, own) = (settings.message_rate as usize, settings.queue_messages);
            let burst = rate.saturating_mul(MESSAGE_BURST).max(SMALLEST_BURST);
            (rate > 0 && burst > own)
                .then(|| format!("{burst} in two seconds of message-rate, of {own}"))
        },
    },
    Rule {
        key: "queue-bytes-total",
        problem: "one request body of max-payload does not fit, and its session is ended",
        fix: "raise it, or lower max-payload",
        values: |Facts { settings, .. }| {
            let (total, body) = (settings.queue_bytes_total, settings.max_payload);
            (total > 0 && body > total).then(|| format!("{body} bytes, of {total}"))
        },
    },
    Rule {
        key: "stream-bytes",
        problem: "one message may fill a whole response, after which a stream begins anew",
        fix: "raise it above message-max",
        values: |Facts { settings, .. }| {
            let (own, message) = (settings.stream_bytes, settings.message_max);
            (own < message).then(|| format!("{own} bytes, message-max {message}"))
        },
    },
    Rule {
        key: "log-bytes",
        problem: "it bounds log files, and there are none",
        fix: "set log-dir, or leave it out",
        values: |Facts { settings, defaults, .. }| {
            let is_set = settings.log_bytes != defaults.log_bytes;
            (is_set && settings.log_dir.is_none()).then(|| settings.log_bytes.to_string())
        },
    },
    Rule {
        key: "recovery",
        problem: "nobody's session comes back in a cluster by Pub/Sub: its nodes have no positions in common",
        fix: "set cluster-adapter to redis-streams, or leave it out",
        values: |Facts { settings, .. }| {
            let is_shared = settings.cluster_adapter == ClusterAdapter::RedisStreams;
            let is_missing = settings.cluster.is_some() && !is_shared;
            (is_missing && !settings.recovery.is_zero()).then(|| format!("{:?}", settings.recovery))
        },
    },
];

/// How long a session lives without a sign of life.
fn silence(settings: &Settings) -> Duration {
    settings.ping_interval + settings.ping_timeout
}

/// The problems that were told of.
#[derive(Debug, Default)]
pub struct Told(HashSet<(&'static str, &'static str)>);

impl Told {
    /// Those of `warnings` that are new.
    pub fn new_ones(&mut self, warnings: Vec<Warning>) -> Vec<Warning> {
        let is_new = |warning: &Warning| self.0.insert((warning.key, warning.problem));
        warnings.into_iter().filter(is_new).collect()
    }
}

#[cfg(test)]
mod tests;
