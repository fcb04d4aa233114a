//! The operator's policy: pure decisions from input.
//!
//! [`Policy::decide`] answers whether a request may open or go on with a session, and which
//! transports its visitor may use. A refusal carries its reason as data, so that one value becomes
//! the HTTP answer, the log line and the count.

pub mod breaker;
mod client;
pub mod forwarded;
pub mod network;
pub mod origin;
mod refusal;
pub mod rules;
pub mod transports;

use std::time::Duration;

pub use breaker::BreakerSettings;
pub use client::Client;
pub use network::Networks;
pub use origin::{Origin, Origins};
pub use refusal::{LABELS, Refusal};
pub use rules::{Pattern, Rule};
pub use transports::{Transports, UnknownTransport};

/// What the operator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// For whom no rule has another list.
    pub transports: Transports,
    pub rules: Vec<Rule>,
    pub origins: Origins,
    /// The scheme of the page decides: pages of https by https only, pages of http by http only.
    pub match_origin_protocol: bool,
    /// Whose word on clients and schemes is taken.
    pub trusted_proxies: Networks,
    pub caps: Caps,
    pub breaker: BreakerSettings,
}

/// Bounds on numbers; 0 sets none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Sessions at once.
    pub sessions: usize,
    /// Sessions at once of one address, or one /64 of IPv6.
    pub sessions_per_address: usize,
    /// WebSockets at once. One more is not offered: its client stays on what it has.
    pub websockets: usize,
    /// Handshakes per second of one address; ten seconds' worth may come at once.
    pub handshakes_per_address: u32,
}

impl Caps {
    /// What settings begin with: fits a machine with 1 GB of memory. An idle session takes 7 kB, over
    /// TLS 17 kB; so many of them leave room for what waits for clients. One address is a school, or
    /// many clients of a mobile carrier, and all of them may come back at the same moment.
    pub const STANDARD: Caps = Caps {
        sessions: 30_000,
        sessions_per_address: 1_000,
        websockets: 0,
        handshakes_per_address: 100,
    };
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

    /// The port that is meant where none is named.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    pub client: Client,
    pub scheme: Scheme,
    /// The `Host` that was asked for.
    pub host: Option<&'a str>,
    /// The `Origin` header, or that of the `Referer`, which is what scripts and frames have.
    pub origin: Option<&'a str>,
    pub site: Site,
    /// The `User-Agent`, or nothing.
    pub agent: &'a str,
    /// The path of the request.
    pub path: &'a str,
}

/// Where the page of a request is from, as far as its browser says so without naming it
/// (`Sec-Fetch-Site`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Site {
    /// Nothing is said: no browser, an old one, or one that came by plain http.
    #[default]
    Unsaid,
    /// From the origin that the request is for.
    Own,
    /// From another, be it of the same site.
    HyperBody,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It would open a session.
    Opens,
    /// It goes on with one.
    Continues,
    /// It would move one to this transport.
    Upgrades,
    /// It begins to use one, or goes back to it: 0.9 opens its sessions without a transport.
    Starts,
}

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct PolicyInput<'a> {
    pub visitor: Visitor<'a>,
    /// Policy name of the transport that the request is for, if it is for one.
    pub transport: Option<&'static str>,
    pub step: Step,
    /// An element of any page can make it and have its answer run there: a script, a frame, a form.
    pub by_element: bool,
    pub counts: Counts,
}

/// What there is already, without what the request asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub sessions: usize,
    /// Sessions of the visitor's address.
    pub of_address: usize,
    pub websockets: usize,
    /// How long the visitor's address has to wait for its next handshake.
    pub wait: Option<Duration>,
    /// How much longer the circuit breaker for such clients is open.
    pub breaker: Option<Duration>,
}

/// What comes of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What this visitor may use: named in refusals.
    pub allowed: &'a Transports,
    /// The breaker for `websocket` is open, or all of them are taken.
    no_websocket: bool,
    pub verdict: Result<(), Refusal>,
}

impl Decision<'_> {
    /// What this visitor may be told of for an upgrade or a first try, preferred first.
    pub fn offered(&self) -> Vec<&'static str> {
        let names = self.allowed.names();
        let others = names.iter().copied().filter(|name| *name != WEBSOCKET);
        match self.no_websocket && names != [WEBSOCKET] {
            true => others.collect(),
            // Better than nothing.
            false => names.to_vec(),
        }
    }
}

/// The transport that breakers are about, and of which there may be too many.
pub const WEBSOCKET: &str = "websocket";

impl Policy {
    /// Everything for everybody.
    pub fn open(transports: Transports) -> Self {
        Policy {
            transports,
            rules: Vec::new(),
            origins: Origins::any(),
            match_origin_protocol: false,
            trusted_proxies: Networks::default(),
            caps: Caps::default(),
            breaker: BreakerSettings::default(),
        }
    }

    pub fn decide(&self, input: &PolicyInput<'_>) -> Decision<'_> {
        let PolicyInput { visitor, counts, .. } = input;
        let full = self.caps.websockets > 0 && counts.websockets >= self.caps.websockets;
        Decision {
            allowed: self.transports_for(visitor),
            no_websocket: full || counts.breaker.is_some(),
            verdict: self.verdict(input),
        }
    }

    /// Whether a session may go on as it is, whatever the numbers are.
    ///
    /// # Errors
    /// The reason why not.
    pub fn keeps(&self, visitor: &Visitor<'_>, transport: &'static str) -> Result<(), Refusal> {
        let (transports, rule) = self.list(visitor);
        match transports.allows(transport) {
            true => self.lets_in(visitor),
            false => Err(Refusal::transport(transport, transports, rule)),
        }
    }

    /// Whether pages like the visitor's may connect at all.
    fn lets_in(&self, visitor: &Visitor<'_>) -> Result<(), Refusal> {
        match visitor.origin {
            Some(origin) if !self.origins.allow(origin, visitor.host) => {
                return Err(Refusal::origin(origin, &self.origins));
            }
            None if visitor.site == Site::HyperBody && !self.origins.allow_all() => {
                return Err(Refusal::Unnamed);
            }
            _ => {}
        }
        match self.mismatch(visitor).filter(|_| self.match_origin_protocol) {
            Some(page) => Err(Refusal::Scheme { page, reached: visitor.scheme }),
            None => Ok(()),
        }
    }

    /// Whether enough is known of the page that has an element make its requests: a browser names it,
    /// unless the page or somebody else keeps it from that.
    fn is_named(&self, visitor: &Visitor<'_>) -> Result<(), Refusal> {
        if visitor.origin.is_some() || self.origins.allow_all() {
            return Ok(());
        }
        let host = visitor.host.filter(|_| visitor.site == Site::Own).ok_or(Refusal::Unnamed)?;
        let own = format!("{}://{host}", visitor.scheme.name());
        match self.origins.allow(&own, Some(host)) {
            true => Ok(()),
            false => Err(Refusal::origin(&own, &self.origins)),
        }
    }

    /// Whether a namespace may be joined on that transport.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admits(
        &self,
        visitor: &Visitor<'_>,
        transport: &'static str,
        namespace: &str,
    ) -> Result<(), Refusal> {
        let rule = self.rules.iter().find(|rule| rule.fits(visitor, Some(namespace)));
        match rule {
            Some(rule) if !rule.transports.allows(transport) => {
                Err(Refusal::transport(transport, &rule.transports, Some(rule)))
            }
            _ => Ok(()),
        }
    }

    /// The list for a visitor, and the rule that gives it.
    fn list(&self, visitor: &Visitor<'_>) -> (&Transports, Option<&Rule>) {
        let rule = self.rules.iter().find(|rule| rule.fits(visitor, None));
        (rule.map_or(&self.transports, |rule| &rule.transports), rule)
    }

    /// The transports for a visitor, preferred first.
    pub fn transports_for(&self, visitor: &Visitor<'_>) -> &Transports {
        self.list(visitor).0
    }

    /// The scheme of the visitor's page, if it is not that of the request.
    pub fn mismatch(&self, visitor: &Visitor<'_>) -> Option<Scheme> {
        let page = Origin::parse(visitor.origin?)?;
        page.web_scheme().filter(|scheme| *scheme != visitor.scheme)
    }

    fn verdict(&self, input: &PolicyInput<'_>) -> Result<(), Refusal> {
        let PolicyInput { visitor, transport, step, by_element, counts } = input;
        match transport {
            Some(transport) => self.keeps(visitor, transport)?,
            None => self.lets_in(visitor)?,
        }
        if *by_element {
            self.is_named(visitor)?;
        }
        let Caps { sessions, sessions_per_address, websockets, .. } = self.caps;
        if *step == Step::Opens {
            if let Some(wait) = counts.wait {
                return Err(Refusal::Handshakes { wait });
            }
            if sessions > 0 && counts.sessions >= sessions {
                return Err(Refusal::Sessions { limit: sessions });
            }
            if sessions_per_address > 0 && counts.of_address >= sessions_per_address {
                return Err(Refusal::SessionsOfAddress { limit: sessions_per_address });
            }
        }
        if *transport != Some(WEBSOCKET) || *step == Step::Continues {
            return Ok(());
        }
        if websockets > 0 && counts.websockets >= websockets {
            return Err(Refusal::WebSockets { limit: websockets });
        }
        match counts.breaker {
            Some(left) if *step == Step::Upgrades => Err(Refusal::Breaker { left }),
            _ => Ok(()),
        }
    }

    /// What differs between two policies, a line for each setting.
    pub fn difference(&self, new: &Policy) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |key: &str, old: String, new: String| {
            if old != new {
                lines.push(format!("{key}: {old} -> {new}"));
            }
        };
        let list = |transports: &Transports| transports.names().join(",");
        compare("transports", list(&self.transports), list(&new.transports));
        compare("origins", self.origins.names().join(","), new.origins.names().join(","));
        let rules = |policy: &Policy| {
            let text = |rule: &Rule| format!("{}={}", rule.name, list(&rule.transports));
            policy.rules.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        match rules(self) == rules(new) && self.rules != new.rules {
            true => compare("rules", "other conditions".into(), "these".into()),
            false => compare("rules", rules(self), rules(new)),
        }
        let matching = |policy: &Policy| policy.match_origin_protocol.to_string();
        compare("match-origin-protocol", matching(self), matching(new));
        let proxies = |policy: &Policy| policy.trusted_proxies.to_string();
        compare("trusted-proxies", proxies(self), proxies(new));
        for (key, of) in [
            ("max-sessions", (|caps| caps.sessions) as fn(&Caps) -> usize),
            ("max-sessions-per-address", |caps| caps.sessions_per_address),
            ("max-websockets", |caps| caps.websockets),
            ("handshake-rate", |caps| caps.handshakes_per_address as usize),
        ] {
            compare(key, of(&self.caps).to_string(), of(&new.caps).to_string());
        }
        let (ours, theirs) = (self.breaker, new.breaker);
        compare("breaker-failures", ours.failures.to_string(), theirs.failures.to_string());
        compare("breaker-rest", format!("{:?}", ours.rest), format!("{:?}", theirs.rest));
        compare("breaker-longest", format!("{:?}", ours.longest), format!("{:?}", theirs.longest));
        lines
    }
}

#[cfg(test)]
mod tests;
