//! The operator's policy: pure decisions from facts.
//!
//! [`Policy::decide`] answers whether a request may open or go on with a session. A refusal carries
//! its reason as data, so that one value becomes the HTTP error, the log line and the diagnosis.

pub mod network;
pub mod origin;
pub mod transports;

pub use network::Networks;
pub use origin::Origins;
pub use transports::{Transports, UnknownTransport};

/// What the operator allows.
#[derive(Debug, Clone)]
pub struct Policy {
    pub transports: Transports,
    pub origins: Origins,
    /// Sessions at once; 0 for no bound.
    pub max_sessions: usize,
}

/// How a request reached this server, or the trusted proxy in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Policy name of the transport that the request is for.
    pub transport: &'static str,
    /// The `Origin` header, if there is one.
    pub origin: Option<&'a str>,
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The request would open a session.
    pub opens: bool,
    /// Sessions there are.
    pub sessions: usize,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("transport {asked} is not allowed here; allowed: {}", .allowed.join(", "))]
    Transport { asked: &'static str, allowed: Vec<&'static str> },
    #[error("origin {origin} is not allowed here")]
    Origin { origin: String },
    #[error("all {limit} sessions are taken")]
    Full { limit: usize },
}

impl Refusal {
    /// A short word for logs and counters.
    pub fn label(&self) -> &'static str {
        match self {
            Refusal::Transport { .. } => "transport",
            Refusal::Origin { .. } => "origin",
            Refusal::Full { .. } => "sessions",
        }
    }
}

impl Policy {
    /// # Errors
    /// The reason why not.
    pub fn decide(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        if !self.transports.allows(facts.transport) {
            let (asked, allowed) = (facts.transport, self.transports.names().to_vec());
            return Err(Refusal::Transport { asked, allowed });
        }
        if let Some(origin) = facts.origin
            && !self.origins.allow(origin, facts.host)
        {
            // The header is the client's own text: cut it before it is repeated.
            return Err(Refusal::Origin { origin: origin.chars().take(200).collect() });
        }
        if facts.opens && self.max_sessions > 0 && facts.sessions >= self.max_sessions {
            return Err(Refusal::Full { limit: self.max_sessions });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["websocket", "xhr-polling", "jsonp-polling"];

    fn policy(transports: &str, origins: &[&str], max_sessions: usize) -> Policy {
        Policy {
            transports: Transports::parse(transports.split(','), &KNOWN).unwrap(),
            origins: Origins::new(origins.iter().copied()),
            max_sessions,
        }
    }

    fn facts(transport: &'static str) -> Facts<'static> {
        Facts {
            transport,
            origin: Some("http://a.example"),
            host: Some("b.example"),
            opens: true,
            sessions: 5,
        }
    }

    #[test]
    fn each_refusal_names_its_reason() {
        assert_eq!(policy("polling", &["*"], 0).decide(&facts("xhr-polling")), Ok(()));
        let refusal = policy("websocket", &["*"], 0).decide(&facts("xhr-polling")).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "transport xhr-polling is not allowed here; allowed: websocket"
        );
        let refusal =
            policy("websocket", &["http://c.example"], 0).decide(&facts("websocket")).unwrap_err();
        assert_eq!(
            (refusal.to_string().as_str(), refusal.label()),
            ("origin http://a.example is not allowed here", "origin")
        );
        let full = policy("websocket", &["*"], 5);
        assert_eq!(full.decide(&facts("websocket")), Err(Refusal::Full { limit: 5 }));
        assert_eq!(full.decide(&Facts { opens: false, ..facts("websocket") }), Ok(()));
    }
}
